"""The photos that the book ships: free, small, and outlined where they change.

README.md beside them says of each where it comes from and its licence.
"""

import re
from collections import Counter

import segbook
import utils
from conftest import ROOT

import numpy as onp
import pytest
from PIL import Image

FOLDER = ROOT / 'photos'
NAMES = sorted(path.stem for path in FOLDER.glob('*.jpg'))
ROW = re.compile(r'\| `(\S+)\.jpg` \| (.+) \| (.+) \| (.+) \| (.+) \|')
FREE = re.compile(r'(public domain|CC0) \(([a-e])\)')


def rows():
    """{photo: [classes, taken by, source, licence]} of the README's table."""
    text = (FOLDER / 'README.md').read_text('utf-8')
    return {name: cells for name, *cells in ROW.findall(text)}


def outlined(name):
    """A photo's shapes, and its label: uint8 (height, width), no borders."""
    shapes, size = utils.read_labelme(FOLDER / f'{name}.json', segbook.VOC)
    return shapes, segbook.draw_shapes(shapes, size, segbook.VOC)


def test_each_photo_has_outlines_and_a_row_and_nothing_else_is_there():
    files = {path.name for path in FOLDER.iterdir()}
    both = {f'{name}.{kind}' for name in NAMES for kind in ('jpg', 'json')}
    assert files == both | {'README.md'}
    assert sorted(rows()) == NAMES
    assert len(NAMES) >= 8


def test_each_row_says_who_where_and_why_everybody_may_publish_it():
    said = (FOLDER / 'README.md').read_text('utf-8').split('What says so')[1]
    for name, (_, author, source, licence) in rows().items():
        assert author.strip() and source.strip(), name
        free = FREE.fullmatch(licence)
        assert free, f'{name}: {licence}'
        assert f'* ({free[2]}) ' in said, name


@pytest.mark.parametrize('name', NAMES)
def test_a_photo_is_small_and_holds_nothing_but_its_pixels(name):
    path = FOLDER / f'{name}.jpg'
    assert path.stat().st_size <= 100_000
    with Image.open(path) as photo:
        photo.load()
        assert photo.format == 'JPEG' and photo.mode == 'RGB'
        assert 400 <= max(photo.size) <= 500
        assert not photo.getexif()
        assert not {'exif', 'icc_profile', 'comment'} & set(photo.info)


@pytest.mark.parametrize('name', NAMES)
def test_outlines_are_of_this_photo_and_lie_in_it(name):
    shapes, (label, _) = outlined(name)
    with Image.open(FOLDER / f'{name}.jpg') as photo:
        assert label.shape == (photo.height, photo.width)
    for shape in shapes:
        assert shape.kind == 'polygon'
        assert (shape.points >= 0).all()
        assert (shape.points <= label.shape[::-1]).all()
        x, y = shape.points.T  # an area by the corners: the «shoelace»
        around = x * onp.roll(y, -1) - y * onp.roll(x, -1)
        assert abs(around.sum()) / 2 >= 40, 'a slip of the pen?'


@pytest.mark.parametrize('name', NAMES)
def test_a_label_has_the_classes_of_the_row_and_little_void(name):
    _, (label, _) = outlined(name)
    share = {i: (label == i).mean() for i in onp.unique(label)}
    assert share.pop(utils.VOID, 0) < 0.1
    share.pop(0, None)
    found = [segbook.VOC_CLASSES[i] for i in share]
    assert ', '.join(found) == rows()[name][0].replace('none', '')
    assert all(each > 0.005 for each in share.values())


def test_several_classes_are_there_each_in_two_photos_or_more():
    """So that each can be in both parts of a split."""
    counts = Counter(cells[0] for cells in rows().values())
    assert counts.pop('none') >= 1  # a photo without any of VOC's classes
    assert len(counts) >= 3
    assert min(counts.values()) >= 2


@pytest.mark.parametrize('name', NAMES)
def test_a_photo_changes_most_along_its_outlines(name):
    """Moved by four pixels, to any side, they fit worse."""
    shapes, (label, things) = outlined(name)
    photo = utils.read_image(FOLDER / f'{name}.jpg').astype(float)
    down, right = onp.gradient(photo, axis=(0, 1))
    change = onp.sqrt((down**2 + right**2).sum(axis=2))
    edge = segbook.void_border(things, 1) & (label != utils.VOID)
    far = 4
    edge[:far] = edge[-far:] = edge[:, :far] = edge[:, -far:] = False
    y, x = edge.nonzero()
    if len(y) == 0:
        assert name in ('blue-eyes', 'otters')  # no object meets background
        return
    here = change[y, x].mean()
    for dy, dx in ((far, 0), (-far, 0), (0, far), (0, -far)):
        assert change[y + dy, x + dx].mean() < 0.95 * here
