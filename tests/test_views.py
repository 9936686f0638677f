"""Photos seen in several sizes and mirrored; classes that are not sure."""

import itertools
import subprocess
import sys
from pathlib import Path

import utils
from parts import prediction, views
from support import near_net, photo

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np
from PIL import Image


@pytest.fixture(scope='module')
def net():
    return near_net()


# ------------------------------------------------------- the same, by hand


def stretch(values, size, axis):
    """Bring an axis to a size: weights fall linearly from each centre."""
    old = values.shape[axis]
    step = old / size
    reach = max(step, 1)
    new_centres = (onp.arange(size)[:, None] + 0.5) * step
    away = abs(new_centres - (onp.arange(old) + 0.5))
    rows = onp.maximum(0, 1 - away / reach)
    rows /= rows.sum(axis=1, keepdims=True)
    return onp.moveaxis(onp.tensordot(rows, values, (1, axis)), 0, axis)


def scores_by_hand(net, image):
    height, width = image.shape[:2]
    padded = onp.empty((-(-height // 32) * 32, -(-width // 32) * 32, 3))
    padded[:] = utils.MEAN_COLOR
    padded[:height, :width] = image
    scaled = (padded / 255 - utils.RGB_MEAN) / utils.RGB_STD
    batch = np.array(scaled.transpose(2, 0, 1)[None], dtype='float32')
    return net(batch).asnumpy()[0, :, :height, :width]


def softmax(scores):
    e = onp.exp(scores.astype(float))
    return e / e.sum(axis=0)


def mean_by_hand(net, image, scales, mirror):
    """The mean probabilities over all views: (classes, height, width)."""
    height, width = image.shape[:2]
    views = []
    for scale in scales:
        seen = image
        if scale != 1:  # across, then down, each to whole numbers
            for axis, side in ((1, width), (0, height)):
                size = max(1, round(scale * side))
                seen = onp.floor(stretch(seen, size, axis) + 0.5)
        for turned in (False, True) if mirror else (False,):
            scores = scores_by_hand(net, seen[:, ::-1] if turned else seen)
            scores = scores[:, :, ::-1] if turned else scores
            scores = stretch(stretch(scores, width, 2), height, 1)
            views.append(softmax(scores))
    return sum(views) / len(views)


SIZES = [(1, 1), (1, 90), (33, 31), (100, 70)]
VIEWS = [
    ((1,), True),
    ((0.75, 1, 1.25), False),
    ((0.5, 1.7), True),
    ((2,), False),
]


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize(('scales', 'mirror'), VIEWS)
def test_the_mean_of_all_views_decides(net, size, scales, mirror):
    image = photo(*size)
    mean = mean_by_hand(net, image, scales, mirror)
    view = views.View.checked(scales, mirror, None, None)
    found = view.ask(net, image[None], mx.cpu())[0]
    assert found.dtype == onp.float32
    onp.testing.assert_allclose(found, mean, atol=0.02)
    label = utils.predict(net, image, scales=scales, mirror=mirror)
    assert label.dtype == onp.uint8 and label.shape == size
    two = onp.sort(mean, axis=0)[-2:]
    clear = two[1] - two[0] > 0.03
    assert (label == mean.argmax(axis=0))[clear].all()
    assert clear.mean() > 0.6 or image.size < 300


@pytest.mark.parametrize('size', [(33, 31), (110, 130)], ids=str)
def test_one_view_is_what_predict_does_without(net, size):
    image = photo(*size)
    for options in ({'scales': (1,)}, {'scales': [1.0], 'mirror': False}):
        for tile in (64, 960):
            label = utils.predict(net, image, tile=tile, **options)
            assert (label == utils.predict(net, image, tile=tile)).all()


def test_the_mirrored_photo_has_the_mirrored_classes(net):
    image = photo(64, 70)
    label = utils.predict(net, image, mirror=True)
    other = utils.predict(net, image[:, ::-1], mirror=True)
    assert (label == other[:, ::-1]).mean() > 0.999
    alone = utils.predict(net, image)
    other = utils.predict(net, image[:, ::-1])
    assert (alone == other[:, ::-1]).mean() < 0.9  # not so without


def one_array(net, image, scales, mirror, tile, overlap):
    """Sums over all tiles in one array as large as the photo; and weights."""
    height, width = image.shape[:2]
    tops, tall, lefts, wide = prediction._tiles(height, width, tile, overlap)
    weights = onp.outer(
        *(
            [min(i + 1, n - i, overlap + 1) / (overlap + 1) for i in range(n)]
            for n in (tall, wide)
        )
    )
    shape = tops[-1] + tall, lefts[-1] + wide
    padded = onp.empty((*shape, 3), 'uint8')
    padded[:] = utils.MEAN_COLOR
    padded[:height, :width] = image
    sums, total = onp.zeros((5, *shape)), onp.zeros(shape)
    for top, left in itertools.product(tops, lefts):
        place = slice(top, top + tall), slice(left, left + wide)
        part = padded[place]
        if scales == (1,) and not mirror:
            found = scores_by_hand(net, part)
        else:
            found = mean_by_hand(net, part, scales, mirror)
        sums[:, place[0], place[1]] += weights * found
        total[place] += weights
    assert len(tops) * len(lefts) > 3
    return (sums / total)[:, :height, :width]


@pytest.mark.parametrize(
    ('scales', 'mirror', 'smaller'),
    [((1,), False, 96), ((1,), True, 96), ((0.5, 1.5), True, 64)],
)
@pytest.mark.parametrize('sure', [None, 0.4])
def test_tiles_are_averaged_as_in_one_array(
    net, scales, mirror, smaller, sure
):
    """The larger the largest scale, the smaller the tiles (`smaller`)."""
    image = photo(110, 130)
    mean = one_array(net, image, scales, mirror, smaller, 32)
    options = {'scales': scales, 'mirror': mirror, 'sure': sure}
    label = utils.predict(net, image, tile=96, overlap=32, **options)
    expected = mean.argmax(axis=0)
    probable = softmax(mean) if scales == (1,) and not mirror else mean
    two = onp.sort(probable, axis=0)[-2:]
    clear = two[1] - two[0] > 0.03
    if sure is not None:
        expected[two[1] < sure] = utils.VOID
        clear &= abs(two[1] - sure) > 0.03
        assert 0.05 < (label == utils.VOID).mean() < 0.95
    assert (label == expected)[clear].all() and clear.mean() > 0.3


# --------------------------------------------------------------------- sure


def test_what_is_not_sure_is_void_and_all_else_stays(net):
    for size in (50, 60), (110, 130):
        image = photo(*size)
        label = utils.predict(net, image, tile=64)
        shares = []
        for sure in (0, 0.3, 0.5, 0.7, 1):
            found = utils.predict(net, image, tile=64, sure=sure)
            kept = found != utils.VOID
            assert (found == label)[kept].all()
            shares.append(kept.mean())
        assert shares[0] == 1 and shares[-1] == 0
        assert sorted(shares, reverse=True) == shares
        assert len({*shares}) > 3


def test_sure_is_a_softmax_probability(net):
    image = photo(40, 50)
    highest = softmax(scores_by_hand(net, image)).max(axis=0)
    found = utils.predict(net, image, sure=0.5)
    clear = abs(highest - 0.5) > 1e-4
    assert ((found == utils.VOID) == (highest < 0.5))[clear].all()


@pytest.mark.parametrize('sure', [-0.1, 1.1, float('nan'), '0.5', True])
def test_a_probability_out_of_its_range_is_named(net, sure):
    with pytest.raises(ValueError, match=r'^sure=.*from 0 to 1'):
        utils.predict(net, photo(8, 8), sure=sure)


@pytest.mark.parametrize(
    'scales',
    [(), (0,), (-1,), (1, 9), (float('nan'),), ('1',), 1, (True,), None],
)
def test_scales_out_of_their_range_are_named(net, scales):
    with pytest.raises(ValueError, match=r'^scales=.*from 0.1 to 4'):
        utils.predict(net, photo(8, 8), scales=scales)


def test_memory_of_many_views_of_a_large_photo_is_bounded(tmp_path):
    """The book's net on 2000 x 1500 pixels, in a process of its own."""
    path = tmp_path / 'large.jpg'
    Image.fromarray(photo(150, 200)).resize((2000, 1500)).save(path)
    program = f"""
import sys
sys.path.insert(0, {str(Path(utils.__file__).parent)!r})
import segbook, utils
from mxnet import gluon, init
features = gluon.model_zoo.vision.resnet18_v2().features
features.initialize(init.Xavier())
net = segbook.make_fcn(features, 21)
options = dict(scales=(0.5, 2), mirror=True, sure=0.5)
label = utils.predict(net, {str(path)!r}, **options)
assert label.shape == (1500, 2000)
print(int(utils.peak_memory()))
"""
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1400, done.stdout  # MiB
