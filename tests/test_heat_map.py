"""A classifier as a convolution: equal to the classifier it comes from."""

import segbook
import utils

import numpy as onp
import pytest
from mxnet import autograd, init, np
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision


def small_vgg(**options):
    """VGG with few channels: all of its kinds of layers, little to compute."""
    net = vision.VGG([1, 1, 2, 2, 2], [4, 4, 8, 8, 8], classes=10, **options)
    net.initialize(init.Xavier())
    return net


def random(*shape):
    rng = onp.random.default_rng(0)
    return np.array(rng.normal(size=shape), dtype='float32')


@pytest.mark.parametrize('activation', [None, 'relu', 'tanh'])
@pytest.mark.parametrize('use_bias', [True, False])
def test_a_dense_layer_is_a_convolution(activation, use_bias):
    dense = nn.Dense(
        5, activation=activation, use_bias=use_bias, in_units=3 * 4 * 4
    )
    dense.initialize(init.Normal(1), ctx=utils.try_all_gpus())
    if use_bias:
        dense.bias.set_data(random(5))
    conv = segbook.dense_to_conv(dense, 3, 4)
    assert conv.weight.shape == (5, 3, 4, 4)
    x = random(2, 3, 6, 7)
    y = conv(x)
    assert y.shape == (2, 5, 3, 4)
    for i in range(3):
        for j in range(4):
            window = x[:, :, i : i + 4, j : j + 4]
            onp.testing.assert_allclose(
                y[:, :, i, j].asnumpy(), dense(window).asnumpy(), atol=1e-4
            )


def test_a_fresh_dense_layer_learns_its_number_of_inputs():
    dense = nn.Dense(5, activation='relu')
    dense.initialize(init.Normal(1))
    conv = segbook.dense_to_conv(dense, 3, 4)
    x = random(2, 3, 4, 4)
    onp.testing.assert_allclose(
        conv(x)[:, :, 0, 0].asnumpy(), dense(x).asnumpy(), atol=1e-4
    )


def test_another_number_of_inputs_is_named():
    dense = nn.Dense(5, in_units=48)
    dense.initialize()
    with pytest.raises(ValueError, match='48 inputs .* 3 x 5 x 5'):
        segbook.dense_to_conv(dense, 3, 5)


@pytest.mark.parametrize('seen', [True, False])
@pytest.mark.parametrize('batch_norm', [True, False])
def test_vgg_gives_the_same_scores(seen, batch_norm):
    net = small_vgg(batch_norm=batch_norm)
    photos = random(2, 3, 224, 224)
    if seen:
        net(photos)
    layers = segbook.convolutional(net, 7)
    for hybrid in (False, True):
        layers.hybridize(hybrid)
        scores = layers(photos)
        assert scores.shape == (2, 10, 1, 1)
        expected = net(photos)
        assert abs(expected).max() > 1e-3
        onp.testing.assert_allclose(
            scores[:, :, 0, 0].asnumpy(), expected.asnumpy(), atol=1e-4
        )
    assert layers(random(1, 3, 320, 288)).shape == (1, 10, 4, 3)


def test_alexnet_gives_the_same_scores():
    net = vision.alexnet(classes=10)
    net.initialize(init.Xavier())
    layers = segbook.convolutional(net, 6)
    photo = random(1, 3, 224, 224)
    scores, expected = layers(photo), net(photo)
    assert abs(expected).max() > 1e-3
    onp.testing.assert_allclose(
        scores[:, :, 0, 0].asnumpy(), expected.asnumpy(), atol=1e-4
    )
    assert layers[-5].weight.shape == (4096, 256, 6, 6)


def test_the_layers_of_vgg16_keep_dropout_and_activations():
    """Shapes of the FCN paper's fc6, fc7; 528 MB of weights are not made."""
    net = small_vgg()
    layers = segbook.convolutional(net, 7)
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds[-5:] == ['Conv2D', 'Dropout', 'Conv2D', 'Dropout', 'Conv2D']
    assert layers[-5].weight.shape == (4096, 8, 7, 7)
    assert layers[-3].weight.shape == (4096, 4096, 1, 1)
    assert (layers(random(1, 3, 224, 224)) != 0).any()
    with autograd.record():  # training: dropout is at work
        dropped = layers[-4](np.ones((1, 4096, 1, 1)))
    assert 0.4 < float((dropped == 0).mean()) < 0.6
    assert (layers[-5](random(1, 8, 7, 7)) >= 0).all()


def test_a_wrong_size_of_the_map_is_named():
    net = small_vgg()
    net(random(1, 3, 224, 224))
    with pytest.raises(ValueError, match='392 inputs .* 8 x 6 x 6'):
        segbook.convolutional(net, 6)


def chain(*settings):
    """Convolutions of one channel: (kernel, stride, padding), all positive."""
    net = nn.HybridSequential()
    for kernel, stride, padding in settings:
        net.add(nn.Conv2D(1, kernel, stride, padding, in_channels=1))
    net.initialize(init.Uniform(1))
    net(np.ones((1, 1, 60, 60)))
    for layer in net:
        layer.weight.set_data(abs(layer.weight.data()) + 0.1)
    return net


@pytest.mark.parametrize(
    'settings',
    [
        [(3, 1, 0)],
        [(3, 2, 1), (5, 1, 2)],
        [(7, 2, 3), (3, 2, 1), (3, 1, 1), (2, 2, 0)],
        [(4, 3, 0), (1, 1, 0), (3, 2, 2)],
    ],
)
def test_the_receptive_field_is_where_the_gradient_is(settings):
    """With positive weights, every pixel in the field has a gradient."""
    net = chain(*settings)
    size, stride, first = segbook.receptive_field(net)
    x = np.ones((1, 1, 60, 60))
    x.attach_grad()
    with autograd.record():
        y = net(x)
    for i in range(y.shape[2]):
        with autograd.record():
            score = net(x)[0, 0, i, i]
        score.backward()
        rows = onp.flatnonzero(x.grad.asnumpy()[0, 0].any(axis=1))
        begin = stride * i + first
        assert rows[0] == max(0, begin)
        if begin + size <= 60:  # beyond, strides may leave out last rows
            assert rows[-1] == begin + size - 1


def test_receptive_fields_of_the_papers_first_table():
    alexnet = [*vision.alexnet().features[:8], nn.Conv2D(1, 6)]
    vgg16 = [*vision.vgg16().features[:31], nn.Conv2D(1, 7)]
    assert segbook.receptive_field(alexnet)[:2] == (355, 32)
    assert segbook.receptive_field(vgg16)[:2] == (404, 32)


@pytest.mark.parametrize('pads', [True, False])
def test_windows_give_the_same_scores_only_without_padding(pads):
    net = small_vgg()
    net(random(1, 3, 224, 224))
    layers = segbook.convolutional(net, 7)
    window = 224
    if not pads:
        for layer in layers:
            if 'pad' in getattr(layer, '_kwargs', {}):
                layer._kwargs['pad'] = (0, 0)
        window = segbook.receptive_field(layers)[0]
    photo = random(1, 3, window + 32, window + 64)
    scores = layers(photo)
    assert scores.shape == (1, 10, 2, 3)
    differences = [
        abs(
            scores[0, :, i, j]
            - net(
                photo[:, :, 32 * i : 32 * i + window, 32 * j : 32 * j + window]
            )[0]
        ).max()
        for i in range(2)
        for j in range(3)
    ]
    if pads:
        assert min(differences) > 0.01 * scores.std()
    else:
        assert max(differences) < 1e-4
