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
