"""The fully convolutional network: shapes, start, saving, real photos."""

import os
from pathlib import Path

import segbook
import utils
from checks import up
from checks.transposed_conv import down

import mxnet as mx
import numpy as onp
import pytest
from mxnet import autograd, gluon, np
from mxnet.gluon import nn
from PIL import Image

EXCERPT = Path(__file__).parents[2] / (
    'shared/voc2012-excerpt/VOCdevkit/VOC2012'
)


def resnet_features():
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(mx.init.Xavier(), [mx.cpu()])
    features(np.zeros((1, 3, 64, 64)))
    return features


@pytest.fixture(scope='module')
def net():
    utils.set_seed(0)
    return segbook.make_fcn(resnet_features(), 21)


@pytest.mark.parametrize('size', [(32, 32), (64, 96), (320, 480)])
def test_a_score_for_every_class_and_pixel(net, size):
    assert net(np.zeros((2, 3, *size))).shape == (2, 21, *size)


def bilinear_layer(stride=32):
    """The transposed convolution that the matrices stand for."""
    kernel = 2 * stride - stride % 2
    layer = nn.Conv2DTranspose(
        21,
        kernel,
        stride,
        (kernel - stride) // 2,
        use_bias=False,
        in_channels=21,
    )
    layer.initialize(mx.init.Constant(segbook.bilinear_kernel(21, 21, kernel)))
    return layer


def test_the_backbone_is_resnet18_v2_without_its_last_two_layers(net):
    # ResNet-18's convolutions are 11,166,912 numbers (He et al., 2016).
    convolutions = sum(
        p.data().size
        for p in net.backbone.collect_params().values()
        if p.data().ndim == 4
    )
    assert convolutions == 11_166_912
    score = net.score.collect_params().values()
    assert sum(p.data().size for p in score) == 512 * 21 + 21


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (10, 15), (12, 7)])
@pytest.mark.parametrize('stride', [32, 8, 3])
def test_two_matrices_equal_the_transposed_convolution(size, stride):
    """To 1e-5 in value and in gradient, for any size, by the definition."""
    rng = onp.random.default_rng(0)
    scores = np.array(rng.normal(size=(2, 3, *size)), dtype='float32')
    # As from the mean over the pixels that one score reaches.
    above = rng.normal(size=(2, 3, *(stride * n for n in size)))
    above = np.array(above / (2 * stride) ** 2, dtype='float32')
    scores.attach_grad()
    with autograd.record():
        enlarged = segbook.BilinearUpsampling(stride)(scores)
    enlarged.backward(above)
    size = 2 * stride - stride % 2
    kernel = segbook.bilinear_kernel(1, 1, size)[0, 0]
    options = kernel, stride, (size - stride) // 2
    for function, given, got in (
        (up, scores, enlarged),
        (down, above, scores.grad),  # what led up leads the gradient down
    ):
        for place in onp.ndindex(2, 3):
            slow, fast = function(given[place], *options), got[place]
            onp.testing.assert_allclose(fast.asnumpy(), slow, 0, 1e-5)


def test_a_net_with_the_transposed_convolution_gives_the_same_scores(net):
    other = segbook.FCN(resnet_features(), 21, bilinear_layer())
    other.backbone, other.score = net.backbone, net.score
    photo = np.random.normal(size=(1, 3, 96, 64))
    onp.testing.assert_allclose(
        net(photo).asnumpy(), other(photo).asnumpy(), atol=1e-4
    )


def test_it_starts_as_a_bilinear_enlargement_of_the_scores(net):
    """Inside the border, Pillow's bilinear resizing gives the same."""
    rng = onp.random.default_rng(0)
    photo = np.array(rng.normal(size=(1, 3, 160, 192)), dtype='float32')
    coarse = net.score(net.backbone(photo)).asnumpy()[0]
    fine = net(photo).asnumpy()[0]
    for small, large in zip(coarse, fine, strict=True):
        expected = onp.asarray(
            Image.fromarray(small, mode='F').resize(
                (192, 160), Image.Resampling.BILINEAR
            )
        )
        onp.testing.assert_allclose(
            large[16:-16, 16:-16], expected[16:-16, 16:-16], atol=1e-4
        )


def test_hybridizing_changes_no_score(net):
    photo = np.random.normal(size=(1, 3, 64, 96))
    hybrid = net(photo).asnumpy()
    net.hybridize(False)
    plain = net(photo).asnumpy()
    net.hybridize(static_alloc=True, static_shape=True)
    onp.testing.assert_allclose(hybrid, plain, atol=1e-4)


def test_saved_and_loaded_it_predicts_the_same(net, tmp_path):
    path = str(tmp_path / 'fcn.params')
    net.save_parameters(path)
    other = segbook.make_fcn(resnet_features(), 21)
    photo = np.random.normal(size=(1, 3, 64, 96))
    assert (other(photo) != net(photo)).any()
    other.load_parameters(path, [mx.cpu()])
    assert (other(photo) == net(photo)).all()


def test_a_photo_is_translated_with_its_prediction(net):
    """Moving the photo by one stride moves the scores by one stride."""
    rng = onp.random.default_rng(1)
    photo = rng.normal(size=(1, 3, 768, 64)).astype('float32')
    scores = net(np.array(photo)).asnumpy()
    moved = net(np.array(onp.roll(photo, 32, axis=2))).asnumpy()
    middle = slice(368, 400)  # far from both ends, and from the wrapped rows
    after = slice(400, 432)
    onp.testing.assert_allclose(
        moved[:, :, after], scores[:, :, middle], atol=1e-3
    )


@pytest.mark.skipif(
    not EXCERPT.is_dir(), reason='the excerpt of real photos is not here'
)
def test_a_few_steps_on_real_photos_lower_the_loss(monkeypatch):
    utils.set_seed(0)
    monkeypatch.setenv('VOC_ROOT', os.fspath(EXCERPT))
    photos = segbook.VOCSegDataset(utils.voc_root(), 'train', (128, 160))

    class Few:
        def __len__(self):
            return 8

        def get(self, i, epoch=0):
            return photos.get(i)  # the same crops again: it must learn them

    net = segbook.make_fcn(resnet_features(), 21)
    history = utils.train(
        net,
        utils.Batches(Few(), 4),
        segbook.void_cross_entropy,
        4,
        optimizer_params={'learning_rate': 1e-3},
    )
    assert history['loss'][-1] < 0.7 * history['loss'][0]


def test_receptive_field_is_wider_than_the_stride():
    """One changed pixel moves scores in more than its own cell."""
    features = nn.HybridSequential()
    for layer in resnet_features()[:-2]:
        features.add(layer)
    photo = onp.zeros((1, 3, 480, 480), dtype='float32')
    changed = photo.copy()
    changed[:, :, 240, 240] = 1
    difference = features(np.array(changed)) - features(np.array(photo))
    touched = (difference != 0).any(axis=1)[0].asnumpy()
    assert touched.sum() > 1
    assert not touched.all()


# -------------------------------------------------------------------- loss

CLASSES = 4


def loss_by_formula(scores, labels):
    """Cross-entropy of each pixel in float64, 0 where the label is void."""
    scores = scores.astype('float64')
    top = scores.max(axis=1, keepdims=True)
    log_sum = onp.log(onp.exp(scores - top).sum(axis=1)) + top[:, 0]
    losses = onp.zeros(labels.shape)
    for n, y, x in onp.ndindex(labels.shape):
        if labels[n, y, x] != 255:
            losses[n, y, x] = (
                log_sum[n, y, x] - scores[n, labels[n, y, x], y, x]
            )
    return losses


def test_loss_equals_the_formula_and_void_has_none():
    rng = onp.random.default_rng(0)
    scores = rng.normal(0, 3, (2, CLASSES, 5, 6)).astype('float32')
    labels = rng.choice([0, 1, 2, 3, 255], (2, 5, 6)).astype('uint8')
    losses = segbook.void_cross_entropy(
        np.array(scores), np.array(labels, dtype='uint8')
    )
    onp.testing.assert_allclose(
        losses.asnumpy(), loss_by_formula(scores, labels), atol=1e-5
    )


def test_loss_of_void_has_no_gradient():
    rng = onp.random.default_rng(0)
    scores = np.array(rng.normal(size=(1, CLASSES, 4, 4)), dtype='float32')
    labels = onp.full((1, 4, 4), 255, dtype='uint8')
    labels[0, 0, 0] = 2
    scores.attach_grad()
    with autograd.record():
        loss = segbook.void_cross_entropy(
            scores, np.array(labels, dtype='uint8')
        )
    loss.backward()
    gradient = scores.grad.asnumpy()
    assert onp.abs(gradient[0, :, 0, 0]).max() > 0.1
    gradient[0, :, 0, 0] = 0
    assert (gradient == 0).all()
