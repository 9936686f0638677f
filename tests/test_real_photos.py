"""EfficientNet-Lite0: what it computes is what was published."""

from pathlib import Path

import segbook
import utils
from tools.predict import SHIPPED, load_about, load_net

import numpy as onp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, np
from mxnet.gluon import nn

ROOT = Path(__file__).parents[1]
CPU = utils.try_gpu()
# Scores of the original, which PyTorch 2.13 and efficientnet-lite-pytorch 0.1
# computed of the middles of four photos (photos/NAME.jpg).
RECORDED = onp.load(Path(__file__).with_name('lite0-logits.npz'))


@pytest.fixture(scope='module')
def tensors():
    return utils.read_torch(utils.lite0_file())


@pytest.fixture(scope='module')
def backbone():
    return segbook.lite0_backbone([CPU])


@pytest.mark.parametrize('name', RECORDED.files)
def test_scores_are_those_of_the_original(tensors, name):
    stages = segbook.lite0_stages()
    segbook.load_lite0(stages, segbook.folded(tensors), [CPU])
    with utils.open_image(ROOT / 'photos' / f'{name}.jpg') as image:
        pixels = onp.asarray(segbook.middle(image.convert('RGB')))
    scores = segbook.classify(stages, tensors, pixels)
    onp.testing.assert_allclose(scores, RECORDED[name], atol=1e-4)


@pytest.fixture(scope='module')
def shipped():
    return load_net(SHIPPED)[0]


def convolve(x, kernel, before, after, stride):
    """A convolution of a map (H, W) by a loop, padded with zeros."""
    x = onp.pad(x, (before, after))
    k = len(kernel)
    places = [range(0, side - k + 1, stride) for side in x.shape]
    return onp.array(
        [
            [(x[i : i + k, j : j + k] * kernel).sum() for j in places[1]]
            for i in places[0]
        ]
    )


@pytest.mark.parametrize('size', [(8, 12), (10, 6)])
@pytest.mark.parametrize('kernel', [3, 5])
def test_padding_is_tensorflows(kernel, size):
    """At stride 2, TensorFlow pads (k - 2) in all, the larger part after."""
    rng = onp.random.default_rng(0)
    x, weight = rng.normal(size=size), rng.normal(size=(kernel, kernel))
    layer = segbook.same_conv(1, 1, kernel, 2)
    layer.initialize()
    wide = onp.pad(weight, ((1, 0), (1, 0)))[None, None]
    layer.weight.set_data(np.array(wide, dtype='float32'))
    before = (kernel - 2) // 2
    expected = convolve(x, weight, before, kernel - 2 - before, 2)
    found = layer(np.array(x[None, None], dtype='float32'))[0, 0].asnumpy()
    onp.testing.assert_allclose(found, expected, atol=1e-5)


def test_folded_is_convolution_and_normalisation():
    rng = onp.random.default_rng(0)
    arrays = {
        'weight': rng.normal(size=(4, 3, 3, 3)),
        'gamma': rng.normal(size=4),
        'beta': rng.normal(size=4),
        'mean': rng.normal(size=4),
        'variance': onp.array([0, 1e-4, 1, 50]),
        'count': onp.array(7),
    }
    ((weight, bias),) = segbook.folded(arrays)
    x = rng.normal(size=(5, 6, 3))
    plain = onp.tensordot(
        x[1:4, 2:5].transpose(2, 0, 1),
        arrays['weight'],
        ((0, 1, 2), (1, 2, 3)),
    )
    normal = (plain - arrays['mean']) / (arrays['variance'] + 1e-3) ** 0.5
    expected = arrays['gamma'] * normal + arrays['beta']
    found = onp.tensordot(
        x[1:4, 2:5].transpose(2, 0, 1), weight, ((0, 1, 2), (1, 2, 3))
    )
    onp.testing.assert_allclose(found + bias, expected, atol=1e-12)


def test_photos_of_the_book_are_those_of_the_publishers(tensors, backbone):
    """But for the border, where zero is another colour."""
    pixels = onp.random.default_rng(0).integers(0, 256, (1, 64, 96, 3))
    pixels = pixels.astype('uint8')
    stages = segbook.lite0_stages()
    segbook.load_lite0(stages, segbook.folded(tensors), [CPU])
    published = (pixels.transpose(0, 3, 1, 2) - 127.0) / 128
    expected = stages[0][0](np.array(published, dtype='float32')).asnumpy()
    found = backbone.stages[0][0](
        utils.normalize(np.array(pixels, dtype='uint8'))
    )
    found = found.asnumpy()
    onp.testing.assert_allclose(
        found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-4
    )


def test_maps_have_the_promised_channels_and_strides(backbone):
    maps = backbone(np.zeros((1, 3, 64, 96)))
    for found, channels, stride in zip(
        maps, backbone.channels, (8, 16, 32), strict=True
    ):
        assert found.shape == (1, channels, 64 // stride, 96 // stride)


def test_only_what_may_learn_learns(backbone):
    """Neither the first stage nor a depthwise kernel has a gradient."""
    for i, stage in enumerate(backbone.stages):
        for layer in segbook.all_convolutions(stage):
            wanted = i > 0 and layer.weight.shape[1] > 1
            assert (layer.weight.grad_req == 'write') == wanted
            assert (layer.bias.grad_req == 'write') == wanted


def test_fused_is_equal_and_trains_alike():
    x = onp.random.default_rng(0).normal(size=(2, 3, 64, 96))
    x = np.array(x, dtype='float32')
    utils.set_seed(0)
    plain = segbook.make_skip_fcn(segbook.lite0_backbone([CPU]), 21, 8)
    plain(x)  # MXNet 2 draws weights now
    utils.set_seed(0)
    fast = segbook.make_lite_fcn(segbook.lite0_backbone([CPU]), 21)
    fast(x)
    gradients = []
    for net in (plain, fast):
        for _ in range(2):  # MXNet failed the second time, when recorded
            with autograd.record():
                loss = (net(x) ** 2).mean() + (net.backbone(x)[2] ** 2).mean()
            loss.backward()
        gradients.append(net.score.weight.grad().asnumpy())
        assert abs(gradients[-1]).max() > 0
    for one, other in zip(plain.backbone(x), fast.backbone(x), strict=True):
        onp.testing.assert_allclose(one.asnumpy(), other.asnumpy(), atol=1e-4)
    onp.testing.assert_allclose(*gradients, rtol=1e-3, atol=1e-6)


def test_the_network_is_at_most_sixty_lines():
    """As the chapter says, without its blank lines and docstrings."""
    text = (ROOT / 'segbook.py').read_text(encoding='utf-8')
    parts = ('class ReLU6', 'class Residual', 'def same_conv')
    parts += ('def inverted_residual', 'LITE0_STAGES', 'def lite0_stages')
    lines = 0
    for part in parts:
        code = text.split(f'\n{part}')[1].split('\n\n\n')[0]
        lines += 1 + sum(bool(line.strip()) for line in code.splitlines()[1:])
    assert lines <= 60


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_photo_and_label_are_scaled_alike(seed, height, width):
    rng = onp.random.default_rng(seed)
    label = rng.integers(0, 3, (height, width), dtype='uint8')
    image = onp.stack([label * 100] * 3, 2)
    large, scaled = segbook.scale_pair(image, label, rng)
    assert large.shape == (*scaled.shape, 3)
    for after, before in zip(scaled.shape, label.shape, strict=True):
        assert 0.6 * before - 1 <= after <= 1.6 * before + 1
    assert set(onp.unique(scaled)) <= set(onp.unique(label))


@given(st.integers(0, 2**32))
def test_colours_change_within_their_bounds(seed):
    rng = onp.random.default_rng(seed)
    image = rng.integers(0, 256, (5, 4, 3), dtype='uint8')
    assert (
        segbook.change_colors(image, rng, 0, 0) - image.astype(int)
    ).any() == 0
    grey = onp.full((5, 4, 3), 100, dtype='uint8')
    changed = segbook.change_colors(grey, rng, light=0.3, color=1)
    assert len(onp.unique(changed)) == 1  # no colour comes out of none
    assert 69 <= changed[0, 0, 0] <= 130


def test_a_net_without_a_gpu_is_fused_with_the_same_scores():
    layer = nn.HybridSequential()
    layer.add(nn.Conv2D(4, 3, in_channels=3), segbook.ReLU6())
    layer.initialize()
    x = onp.random.default_rng(0).normal(size=(1, 3, 9, 9))
    x = np.array(x, dtype='float32')
    before = layer(x).asnumpy()
    utils.fuse(layer, x)
    onp.testing.assert_allclose(layer(x).asnumpy(), before, atol=1e-5)
    other = np.ones((2, 3, 7, 5))  # another shape
    assert layer(other).shape == (2, 4, 5, 3)


def same_scores(one, other):
    x = onp.random.default_rng(0).normal(size=(1, 3, 64, 96))
    x = np.array(x, dtype='float32')
    return abs(one(x) - other(x)).max() < 1e-4


def test_a_net_on_lite0_is_stored_and_comes_back(tmp_path):
    net, empty = (
        segbook.make_skip_fcn(segbook.lite0_backbone([CPU]), 21, 8)
        for _ in range(2)
    )
    for one in (net, empty):
        one(np.zeros((1, 3, 32, 32)))  # MXNet 2 draws weights now
    about = {'kind': 'a test', 'photos': {'cat': 3}}
    utils.save_net(tmp_path / 'net.zip', net, segbook.VOC, about)
    assert utils.load_saved(tmp_path / 'net.zip', empty, [CPU]) == about
    assert same_scores(net, empty)


def test_what_holds_another_net_is_named(tmp_path):
    net = segbook.make_skip_fcn(segbook.lite0_backbone([CPU]), 21, 16)
    net(np.zeros((1, 3, 32, 32)))
    utils.save_net(tmp_path / 'net.zip', net, segbook.VOC)
    other = segbook.make_skip_fcn(segbook.lite0_backbone([CPU]), 21, 8)
    with pytest.raises(ValueError, match=r'net\.zip is not what save_net'):
        utils.load_saved(tmp_path / 'net.zip', other, [CPU])


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_predict_knows_a_net_on_lite0(tmp_path, stride):
    net = segbook.make_skip_fcn(segbook.lite0_backbone([CPU]), 21, stride)
    for tap in net.taps:
        tap[-1].initialize(force_reinit=True)  # no zeros
    net(np.zeros((1, 3, 32, 32)))
    utils.save_net(tmp_path / 'net.zip', net, segbook.VOC)
    found, _, kind = load_net(tmp_path / 'net.zip')
    assert kind == f'FCN-{stride}s on EfficientNet-Lite0'
    assert same_scores(net, found)


def test_the_backbone_is_chosen_by_a_variable(tmp_path, monkeypatch):
    monkeypatch.setenv('BACKBONE', 'lite0')
    features, origin = utils.pretrained_backbone([CPU])
    assert 'EfficientNet-Lite0' in origin
    net = segbook.make_fcn(features, 21)
    assert net(np.zeros((1, 3, 64, 96))).shape == (1, 21, 64, 96)
    utils.save_net(tmp_path / 'net.zip', net, segbook.VOC)
    found, _, kind = load_net(tmp_path / 'net.zip')
    assert kind == 'FCN-32s on EfficientNet-Lite0'
    assert same_scores(net, found)
    backbone = segbook.resnet_backbone(net.backbone)
    assert list(backbone.channels) == [40, 112, 1280]
    skips = segbook.make_skip_fcn(backbone, 21, 8)
    assert skips(np.zeros((1, 3, 64, 96))).shape == (1, 21, 64, 96)


@pytest.mark.parametrize(
    ('name', 'kind', 'least'),
    [
        *[('chelsea', 'cat', 0.9), ('blue-eyes', 'cat', 0.9)],
        *[('staircase', 'person', 0.8), ('hopper', 'person', 0.7)],
        *[('photographer', 'person', 0.6), ('astronaut', 'person', 0.6)],
    ],
)
def test_the_shipped_network_finds_them(shipped, name, kind, least):
    """IU of a class in a photo, against outlines drawn by hand."""
    photo = ROOT / 'photos' / f'{name}.jpg'
    index = segbook.VOC_CLASSES.index(kind)
    size = utils.read_image(photo).shape[:2]
    label = segbook.read_own(photo.with_suffix('.json'), segbook.VOC, size)
    metric = utils.SegmentationMetric(21)
    metric.update(label, utils.predict(shipped, photo))
    assert metric.class_iu[index] > least


def test_the_shipped_network_is_small_and_says_what_it_is():
    assert SHIPPED.stat().st_size < 10e6
    about = load_about(SHIPPED)
    page = SHIPPED.with_name('README.md').read_text(encoding='utf-8')
    assert set(about['photos']) == set(segbook.VOC_CLASSES)
    for name, count in about['photos'].items():
        assert f'| {name} | {count} |' in page
        assert (f'{name} ({count})' in page) == (count < 50)
