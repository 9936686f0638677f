"""Prediction of photos of any size, kind and format."""

import inspect
import itertools
import subprocess
import sys
from pathlib import Path

import utils
from parts import batches, nets, prediction, views
from parts.images import host
from parts.start import ON_MXNET1
from support import near_net, photo

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np
from mxnet.gluon import nn
from PIL import Image


@pytest.fixture(scope='module')
def net():
    return near_net()


def by_hand(net, image):
    """The argmax of the net's scores, padded and normalised in NumPy."""
    height, width = image.shape[:2]
    padded = onp.empty((-(-height // 32) * 32, -(-width // 32) * 32, 3))
    padded[:] = utils.MEAN_COLOR
    padded[:height, :width] = image
    scaled = (padded / 255 - utils.RGB_MEAN) / utils.RGB_STD
    batch = np.array(scaled.transpose(2, 0, 1)[None], dtype='float32')
    return net(batch).asnumpy()[0].argmax(axis=0)[:height, :width]


@pytest.mark.parametrize(
    'size', [(1, 1), (1, 90), (31, 33), (64, 96), (100, 130), (257, 40)]
)
def test_any_size_gives_a_label_of_that_size(net, size):
    image = photo(*size)
    label = utils.predict(net, image)
    assert label.shape == size and label.dtype == onp.uint8
    assert (label == by_hand(net, image)).mean() > 0.999


def test_tiles_equal_the_whole_away_from_their_borders(net):
    image = photo(230, 300)
    whole = utils.predict(net, image)
    tops, height, lefts, width = prediction._tiles(230, 300, 96, 32)
    sees = onp.zeros(image.shape[:2], dtype=bool)
    borders = onp.zeros(image.shape[:2], dtype=bool)
    for top in tops:
        for left in lefts:
            sees[top : top + height, left : left + width] = True
            for edge in (top, top + height):
                borders[max(edge - 4, 0) : edge + 4] |= 0 < edge < 230
            for edge in (left, left + width):
                borders[:, max(edge - 4, 0) : edge + 4] |= 0 < edge < 300
    assert sees.all()
    tiled = utils.predict(net, image, tile=96, overlap=32)
    away = ~borders
    assert away.mean() > 0.5
    assert (tiled == whole)[away].mean() > 0.999
    assert len(onp.unique(whole)) > 2


@pytest.mark.parametrize(
    ('tile', 'overlap'), [(32, 0), (96, 32), (768, 32), (768, 96), (96, 64)]
)
def test_tiles_cover_every_size(tile, overlap):
    lengths = [1, 32, 33, 95, 97, 160, 500, 765, 769, 1504, 1537, 4000, 6000]
    for height, width in itertools.product(lengths, lengths):
        tops, tile_height, lefts, tile_width = prediction._tiles(
            height, width, tile, overlap
        )
        assert tile_height * tile_width <= tile**2
        for length, starts, size in (
            (height, tops, tile_height),
            (width, lefts, tile_width),
        ):
            assert size % 32 == 0 and all(start % 32 == 0 for start in starts)
            assert starts[0] == 0
            assert starts[-1] + size == views.round_up(length)
            for a, b in zip(starts, starts[1:], strict=False):
                assert 0 < b - a <= size - overlap


@pytest.mark.parametrize('overlap', [0, 1, 2])
def test_of_all_ways_to_cut_the_one_with_fewest_pixels_is_taken(overlap):
    """In cells of 32 pixels, a border of half a cell around each tile."""

    def size(length, count):
        return -(-(length + (count - 1) * overlap) // count)

    for height, width in itertools.product(range(4, 14), repeat=2):
        fewest = min(
            rows
            * (size(height, rows) + 1)
            * columns
            * (size(width, columns) + 1)
            for rows in range(1, height + 1)
            for columns in range(1, width + 1)
            if size(height, rows) * size(width, columns) <= 3 * 3
        )
        tops, tile_height, lefts, tile_width = prediction._tiles(
            32 * height, 32 * width, 96, 32 * overlap
        )
        cells = (tile_height // 32 + 1) * (tile_width // 32 + 1)
        assert len(tops) * len(lefts) * cells == fewest


def test_few_pixels_of_a_large_photo_are_computed_twice():
    options = inspect.signature(utils.predict).parameters
    tops, tile_height, lefts, tile_width = prediction._tiles(
        4000, 6000, options['tile'].default, options['overlap'].default
    )
    computed = len(tops) * tile_height * len(lefts) * tile_width
    assert computed < 1.09 * 4000 * 6000


def test_the_argmax_is_numpys():
    """Also where scores are equal: the first of the highest."""
    rng = onp.random.default_rng(0)
    scores = rng.integers(4, size=(9, 13, 17)).astype('float32')
    for same in (scores, np.array(scores), scores[:, 2:, 3:-1]):
        label = views.argmax(same)
        assert label.dtype == onp.uint8
        assert (label == host(same).argmax(axis=0)).all()


@pytest.mark.parametrize('channels', [5, 16])
def test_numpy_reads_mxnets_memory(channels):
    """Scores of 16 classes lie in oneDNN's own order: those are copied."""
    layer = nn.Conv2D(channels, 3, padding=1)
    layer.initialize()
    scores = layer(utils.normalize(np.array(photo(64, 96)[None], 'uint8')))
    expected = scores.asnumpy()
    same = batches.read_only(scores)
    again = batches.read_only(scores[0])
    assert (same == expected).all() and (again == expected[0]).all()
    assert same.flags.owndata == (channels == 16)  # else it is MXNet's
    # The memory stays, though the array is gone and others come.
    del scores
    for _ in range(10):
        np.zeros(expected.shape).wait_to_read()
    assert (same == expected).all() and (again == expected[0]).all()


@pytest.mark.parametrize(
    ('size', 'tile', 'overlap'),
    [
        ((200, 230), 96, 32),
        ((230, 200), 96, 64),  # three tiles and more meet in one row
        ((40, 700), 64, 32),
        ((700, 60), 64, 32),
        ((170, 200), 96, 0),
    ],
)
def test_where_many_tiles_meet_all_are_averaged(size, tile, overlap):
    """A net that adds numbers of its own to each tile it is given."""
    seen = []

    def net(batch):
        shape = 5, *batch.shape[2:]
        scores = []
        for _ in batch:
            rng = onp.random.default_rng(len(seen))
            seen.append(rng.normal(size=shape))
            scores.append(seen[-1])
        return np.array(onp.stack(scores))

    image = onp.zeros((*size, 3), dtype='uint8')
    label = utils.predict(net, image, mx.cpu(), tile=tile, overlap=overlap)
    # The same, with one array as large as the photo.
    tops, height, lefts, width = prediction._tiles(*size, tile, overlap)
    weights = onp.outer(
        *(
            [min(i + 1, n - i, overlap + 1) / (overlap + 1) for i in range(n)]
            for n in (height, width)
        )
    )
    sums = onp.zeros((5, tops[-1] + height, lefts[-1] + width))
    corners = [(top, left) for top in tops for left in lefts]
    for scores, (top, left) in zip(seen, corners, strict=True):
        sums[:, top : top + height, left : left + width] += scores * weights
    expected = sums.argmax(axis=0)[: size[0], : size[1]]
    assert len(corners) >= 6
    assert label.shape == size
    assert (label == expected).mean() > 0.999


def test_scores_are_averaged_before_the_argmax():
    """Tiles disagree in their overlap; the surer one must win there."""

    def net(batch):
        # Class 1 scores 1 in the first tile, class 0 scores 9 in the others.
        scores = np.zeros((len(batch), 2, *batch.shape[2:]))
        for i, each in enumerate(batch):
            first = each[0, 0, 0] < 0
            scores[i, 1 if first else 0] = 1 if first else 9
        return scores

    assert prediction._tiles(32, 320, 64, 32) == [[0], 32, [0, 96, 192], 128]
    image = onp.zeros((32, 320, 3), dtype='uint8')
    image[:, 96:] = 255
    label = utils.predict(net, image, device=mx.cpu(), tile=64, overlap=32)
    assert (label[:, :96] == 1).all() and (label[:, 128:] == 0).all()
    # At column 96 + i, (32 - i) / 33 meets 9 (i + 1) / 33.
    assert (label[:, 96:128] == [1] * 3 + [0] * 29).all()


@pytest.mark.parametrize('size', [(40, 50), (200, 300)])
def test_what_goes_wrong_in_mxnet_later_is_told(size):
    """The Cholesky factor is wanted of a matrix that has none."""

    def net(batch):
        scores = np.zeros((len(batch), 5, *batch.shape[2:]))
        return scores + np.linalg.cholesky(-np.eye(3))[0, 0]

    image = onp.zeros((*size, 3), 'uint8')
    with pytest.raises(mx.MXNetError, match='not positive definite'):
        utils.predict(net, image, mx.cpu(), tile=64)


def test_kinds_of_input_agree(net, tmp_path):
    image = photo(40, 50)
    expected = utils.predict(net, image)
    path = tmp_path / 'photo.png'
    Image.fromarray(image).save(path)
    opaque = onp.dstack([image, onp.full((40, 50), 255, 'uint8')])
    for same in (
        path,
        str(path),
        Image.open(path),
        np.array(image, dtype='uint8'),
        image / 255,
        opaque,
        Image.fromarray(image).convert('RGBA'),
    ):
        assert (utils.predict(net, same) == expected).all()


def test_grey_is_three_equal_channels(net):
    grey = photo(40, 50)[:, :, 0]
    expected = utils.predict(net, onp.dstack([grey] * 3))
    for same in (grey, grey[:, :, None], Image.fromarray(grey)):
        assert (utils.predict(net, same) == expected).all()


@pytest.mark.parametrize('orientation', range(1, 9))
def test_rotated_photos_are_set_upright(net, tmp_path, orientation):
    upright = photo(40, 56)
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: onp.rot90(upright),
        7: onp.rot90(upright.transpose(1, 0, 2), 2),
        8: onp.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / 'turned.png'
    Image.fromarray(onp.ascontiguousarray(turned)).save(path, exif=exif)
    label = utils.predict(net, path)
    assert (label == utils.predict(net, upright)).all()


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (onp.zeros((4, 5, 2), 'uint8'), r'\(4, 5, 2\)'),
        (onp.zeros((0, 5, 3), 'uint8'), r'\(0, 5, 3\)'),
        (onp.zeros(7, 'uint8'), r'\(7,\)'),
        (onp.full((4, 5), 7.0), 'from 0 to 1'),
        (onp.full((4, 5), onp.nan), 'from 0 to 1'),
        (onp.zeros((4, 5), 'int32'), 'not int32'),
    ],
)
def test_what_is_no_photo_is_named(net, bad, message):
    with pytest.raises(ValueError, match=message):
        utils.predict(net, bad)


@pytest.mark.parametrize('size', [(230, 300), (300, 97)])
def test_a_large_photo_may_be_seen_small(net, size):
    """At the size of training photos; each pixel then takes the nearest."""
    image = photo(*size)
    most = 80
    height, width = (max(1, round(n * most / max(size))) for n in size)
    seen = Image.fromarray(image).resize((width, height), Image.LANCZOS)
    found = utils.predict(net, seen)
    label = utils.predict(net, image, max_side=most)
    assert label.shape == size and label.dtype == onp.uint8
    for y, x in itertools.product(range(0, size[0], 7), range(0, size[1], 7)):
        row = int((y + 0.5) * height / size[0])
        column = int((x + 0.5) * width / size[1])
        assert label[y, x] == found[row, column]
    assert (label != utils.predict(net, image)).any()


def test_what_is_small_enough_is_seen_as_it_is(net):
    image = photo(50, 70)
    whole = utils.predict(net, image)
    for most in (0, 70, 1000):
        assert (utils.predict(net, image, max_side=most) == whole).all()
    with pytest.raises(ValueError, match='max_side=-5: it is a number of'):
        utils.predict(net, image, max_side=-5)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF'])
@pytest.mark.parametrize('most', [0, 20], ids=['whole', 'small'])
def test_a_damaged_pillow_image_is_named(net, tmp_path, kind, most):
    """Pillow reads the pixels only when they are asked for."""
    path = tmp_path / 'photo.jpg'
    Image.fromarray(photo(50, 70)).save(path, kind)
    path.write_bytes(path.read_bytes()[:1000])
    with (
        Image.open(path) as image,
        pytest.raises(ValueError, match=f'{path} cannot be read: '),
    ):
        utils.predict(net, image, max_side=most)


def test_unreadable_file_is_named(net, tmp_path):
    path = tmp_path / 'broken.jpg'
    path.write_bytes(b'\xff\xd8\xff\xe0 cut off')
    with pytest.raises(ValueError, match='broken.jpg cannot be read'):
        utils.predict(net, path)
    with pytest.raises(FileNotFoundError, match='nowhere.jpg'):
        utils.predict(net, tmp_path / 'nowhere.jpg')


def test_tiles_must_fit_the_stride(net):
    with pytest.raises(ValueError, match='tile=100'):
        utils.predict(net, photo(40, 40), tile=100)


@pytest.mark.parametrize('most', [0, prediction._MOST_SCORES])
def test_evaluate_counts_every_pixel_of_whole_images(net, most, monkeypatch):
    """Whether or not its scores wait for those of other photos."""
    monkeypatch.setattr(prediction, '_MOST_SCORES', most)

    class Pairs:
        sizes = ((40, 50), (70, 33), (64, 64)) * 3  # several groups

        def __len__(self):
            return len(self.sizes)

        def __getitem__(self, i):
            rng = onp.random.default_rng(i)
            label = rng.choice([0, 1, 2, 255], self.sizes[i]).astype('uint8')
            return photo(*self.sizes[i], seed=i), label

    pairs = Pairs()
    expected = utils.SegmentationMetric(5)
    for i in range(len(pairs)):
        image, label = pairs[i]
        expected.update(label, by_hand(net, image))
    for devices in ([mx.cpu()], [mx.cpu(0), mx.cpu(1)]):
        nets.move(net, devices)
        metric = utils.evaluate(net, pairs, num_classes=5, devices=devices)
        assert abs(metric.confusion - expected.confusion).sum() <= 4
        assert metric.confusion.sum() == expected.confusion.sum()
    nets.move(net, [mx.cpu()])


@pytest.mark.parametrize('place', [0, 1, 2], ids=['first', 'inner', 'last'])
def test_evaluate_names_what_is_wrong_with_any_label(net, place):
    labels = [onp.zeros((40, 50), 'uint8') for _ in range(3)]
    labels[place][7, 8] = 99
    pairs = [(photo(40, 50, seed=i), labels[i]) for i in range(3)]
    with pytest.raises(ValueError, match='the label holds class 99'):
        utils.evaluate(net, pairs)


@pytest.mark.parametrize('num_classes', [None, 7])
def test_evaluate_cuts_large_photos_as_predict_does(
    net, num_classes, monkeypatch
):
    """And it counts small ones as before, whole, in between."""
    for function in (prediction._is_small, prediction._by_tiles):
        defaults = (64, *function.__defaults__[1:])
        monkeypatch.setattr(function, '__defaults__', defaults)
    sizes = (200, 230), (40, 50), (60, 120), (170, 70)
    rng = onp.random.default_rng(0)
    pairs = [
        (photo(*size, i), rng.choice([0, 4, 255], size).astype('uint8'))
        for i, size in enumerate(sizes)
    ]
    expected = onp.zeros((num_classes or 5,) * 2, int)
    for image, label in pairs:
        predicted = utils.predict(net, image, tile=64)
        whole = utils.predict(net, image)
        assert (predicted != whole).any() == (image.size > 3 * 2 * 64**2)
        for row, column in zip(label.flat, predicted.flat, strict=True):
            if row != utils.VOID:
                expected[row, column] += 1
    metric = utils.evaluate(net, pairs, num_classes)
    assert (metric.confusion == expected).all()


@pytest.mark.parametrize(
    'work',
    [
        'label = utils.predict(net, photo)\nassert label.shape == size',
        'label = onp.zeros(size, "uint8")\n'
        'metric = utils.evaluate(net, [(photo, label)])\n'
        'assert metric.confusion.sum() == 4000 * 6000',
    ],
    ids=['predict', 'evaluate'],
)
def test_memory_of_a_large_photo_stays_below_one_and_a_half_gib(
    work, tmp_path
):
    """The book's net on 6000 x 4000 pixels, in a process of its own."""
    path = tmp_path / 'large.jpg'
    Image.fromarray(photo(400, 600)).resize((6000, 4000)).save(path)
    program = f"""
import sys
sys.path.insert(0, {str(Path(utils.__file__).parent)!r})
import segbook, utils
import numpy as onp
from mxnet import gluon, init
features = gluon.model_zoo.vision.resnet18_v2().features
features.initialize(init.Xavier())
net = segbook.make_fcn(features, 21)
photo, size = utils.read_image({str(path)!r}), (4000, 6000)
{work}
# The peak of this program alone: getrusage counts the tests' as well.
status = dict(line.split(':') for line in open('/proc/self/status'))
print(int(status['VmHWM'].split()[0]) / 2**20)
"""
    result = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        check=True,
    )
    # MXNet 2 takes 0.2 GiB more for the same work.
    assert float(result.stdout.split()[-1]) < (1.5 if ON_MXNET1 else 1.7)
