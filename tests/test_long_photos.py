"""Photos of any shape: predicted, drawn and saved within bounds."""

import subprocess
import sys
from io import BytesIO

import segbook
import utils
from parts import canvas, pictures
from parts.images import pixel_counts
from tools import predict

import mxnet as mx
import numpy as onp
import pytest
from mxnet import gluon, init
from PIL import Image

TABLE = segbook.ClassTable(
    ['background', 'ship', 'fish'], [(0, 0, 0), (200, 0, 0), (0, 0, 200)]
)
SHAPES = [(1, 1), (1, 60_000), (60_000, 1), (33, 20_000), (20_000, 33)]
each_shape = pytest.mark.parametrize('shape', SHAPES, ids=str)


def halves(shape):
    """A grey photo; its first half is a ship, the second a fish."""
    label = onp.full(shape, 2, 'uint8')
    along = label if shape[0] > shape[1] else label.T
    along[: (len(along) + 1) // 2] = 1
    return onp.full((*shape, 3), 100, 'uint8'), label


@each_shape
def test_an_overlay_of_any_shape_shows_what_is_where(shape, tmp_path):
    photo, label = halves(shape)
    path = tmp_path / 'overlay.jpg'
    utils.save_overlay(path, photo, label, TABLE)
    with Image.open(path) as picture:
        drawn = onp.asarray(picture).astype(int)
        words = picture.info['comment'].decode()
    height, width = drawn.shape[:2]
    assert width == 1400 and 100 < height < 5000
    expected = 'ship 100.0%' if shape == (1, 1) else 'ship 50.0%, fish 50.0%'
    assert words == f'A photo under its label: {expected}.'
    red, blue = (160, 40, 40), (40, 40, 160)
    places = {  # not in the legend, which is below
        True: ((1000, 20), (3500, 20)),
        False: ((20, 350), (20, 1050)),
    }[shape[0] > shape[1]]
    for place, color in zip(places, (red, blue), strict=True):
        if shape != (1, 1):
            assert abs(drawn[place] - color).max() < 12
    assert (abs(drawn - (200, 0, 0)).max(axis=2) < 40).any()  # the legend's


def test_an_overlay_is_the_same_formula_for_every_row():
    rng = onp.random.default_rng(0)
    photo = rng.integers(0, 256, (800, 3000, 3), 'uint8')
    label = rng.integers(0, 3, (800, 3000), 'uint8')
    colors = TABLE.colormap[label]
    expected = onp.rint(0.75 * photo + 0.25 * colors)
    expected = onp.where(label[..., None] == 0, photo, expected)
    assert (utils.overlay(photo, label, TABLE, 0.25) == expected).all()


@pytest.mark.parametrize('shape', [(900, 2800), (3001, 1999), (5, 40_000)])
def test_classes_keep_their_share_of_what_is_drawn(shape):
    """A class that is one pixel of each sixteen is seen as faint colour."""
    photo, label = onp.full((*shape, 3), 100, 'uint8'), onp.zeros(shape, int)
    label[::4, ::4] = 1
    small = pictures._small_overlay(photo, label, TABLE, (3.5, 3.5))
    assert max(small.shape) < 1400 < max(shape)
    whole = utils.overlay(photo, label, TABLE)
    difference = small.mean(axis=(0, 1)) - whole.mean(axis=(0, 1))
    assert abs(difference).max() < 0.6  # of 256: each pixel is rounded


def test_counting_pixels_is_numpys():
    label = onp.random.default_rng(0).integers(0, 256, (40, 50), 'uint8')
    assert (
        pixel_counts(label[:, 3:]) == onp.bincount(label[:, 3:].ravel())
    ).all()


def test_an_overlay_takes_little_more_than_photo_and_label(root, tmp_path):
    """In a process of its own: photo and label have 120 million bytes."""
    program = """
import sys
import numpy as onp, segbook, utils
photo = onp.full((5000, 6000, 3), 100, 'uint8')
label = onp.ones((5000, 6000), 'uint8')
def peak():
    status = dict(line.split(':') for line in open('/proc/self/status'))
    return int(status['VmHWM'].split()[0]) / 1024
before = peak()
utils.save_overlay(sys.argv[1], photo, label, segbook.VOC)
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, '-c', program, str(tmp_path / 'overlay.jpg')],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 250  # MiB; matplotlib is some of it


@each_shape
def test_images_of_any_shape_stand_in_a_grid(shape, monkeypatch):
    shown = []
    monkeypatch.setattr(canvas.stage, 'pictures', shown, raising=False)
    photo, _ = halves(shape)
    square = onp.zeros((30, 30), 'uint8')
    utils.show_images([photo, square], 1, 2, titles=['photo', 'square'])
    with Image.open(BytesIO(shown[0].data['image/jpeg'])) as picture:
        assert picture.width < 1000 and 100 < picture.height < 1200
        drawn = onp.asarray(picture).astype(int)
    assert (abs(drawn - 100).max(axis=2) < 12).sum() > 500  # the photo
    assert (drawn.max(axis=2) < 12).sum() > 80_000  # the square


@each_shape
def test_a_photo_of_any_shape_is_predicted(shape):
    """By a net that answers with the strongest of the normalised colours."""
    rng = onp.random.default_rng(0)
    photo = rng.integers(0, 256, (*shape, 3), 'uint8')
    label = utils.predict(lambda x: x, photo, mx.cpu())
    normal = (photo / 255 - utils.RGB_MEAN) / utils.RGB_STD
    two = onp.sort(normal, axis=2)[..., 1:]
    sure = two[..., 1] - two[..., 0] > 1e-5
    assert label.shape == shape
    assert (label == normal.argmax(axis=2))[sure].all() and sure.any()


# ------------------------------------------------------------- the command


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    utils.set_seed(1)
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, 3)
    net(mx.np.zeros((1, 3, 32, 32)))
    path = tmp_path_factory.mktemp('nets') / 'net.zip'
    utils.save_net(path, net, TABLE)
    return path


@pytest.fixture
def photo(tmp_path):
    pixels = onp.random.default_rng(0).integers(0, 256, (40, 50, 3), 'uint8')
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    return tmp_path / 'photo.png'


@each_shape
def test_the_command_takes_a_photo_of_any_shape(shape, checkpoint, tmp_path):
    photo, _ = halves(shape)
    Image.fromarray(photo).save(tmp_path / 'long.jpg')
    out = tmp_path / 'out'
    png, jpg = predict.segment(tmp_path / 'long.jpg', checkpoint, out)
    net = predict.load_net(checkpoint)[0]
    expected = utils.predict(net, tmp_path / 'long.jpg')
    assert (utils.read_label(png) == expected).all()
    with Image.open(jpg) as picture:
        assert picture.width == 1400


def test_a_failure_changes_nothing_of_a_photo(
    photo, checkpoint, tmp_path, monkeypatch
):
    out = tmp_path / 'out'
    predict.segment(photo, checkpoint, out)
    before = {path: path.read_bytes() for path in out.iterdir()}

    def fails(*arguments):
        raise MemoryError('no room for a picture')

    monkeypatch.setattr(utils, 'save_overlay', fails)
    with pytest.raises(MemoryError, match='no room'):
        predict.segment(photo, checkpoint, out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
