"""Objects cut out of photos: against a flood fill, pixel by pixel."""

import utils
from parts.thumbnails import _pieces as pieces

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

VOID = 255


def flood(label):
    """The pieces of a label: {frozenset of pixels}, one pixel at a time."""
    left = {place for place, c in onp.ndenumerate(label) if c not in (0, VOID)}
    found = set()
    while left:
        start = left.pop()
        piece, edge = {start}, [start]
        while edge:
            i, j = edge.pop()
            for place in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if place in left and label[place] == label[start]:
                    left.remove(place)
                    piece.add(place)
                    edge.append(place)
        found.add(frozenset(piece))
    return found


def described(label, least=1):
    """What `pieces` returns of a label, from the flood fill."""
    answer = []
    for piece in flood(label):
        if len(piece) >= least:
            rows, columns = zip(*piece, strict=True)
            box = min(rows), min(columns), max(rows) + 1, max(columns) + 1
            answer.append((label[next(iter(piece))], box))
    return sorted(answer)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 999))
def test_pieces_are_those_of_a_flood_fill(height, width, seed):
    rng = onp.random.default_rng(seed)
    label = rng.choice(
        [0, 1, 2, VOID], (height, width), p=(0.2, 0.5, 0.2, 0.1)
    )
    for least in (1, 3):
        assert sorted(pieces(label, least)) == described(label, least)


def test_a_long_winding_piece_is_one():
    label = onp.zeros((21, 21), 'uint8')
    label[::2] = 1
    label[1::4, -1] = label[3::4, 0] = 1
    assert len(pieces(label)) == 1


def scene():
    """A photo whose two objects have a colour each, and its label."""
    label = onp.zeros((120, 160), 'uint8')
    label[20:60, 40:100] = 3
    label[80:120, 100:160] = 5
    label[58:62, 40:100] = VOID
    colors = onp.zeros((256, 3), 'uint8')
    colors[[3, 5]] = (250, 0, 0), (0, 0, 250)
    return colors[label], label


def test_a_thumbnail_shows_its_object_in_the_middle():
    photos, classes = utils.cut_objects([scene()] * 2, 26)
    assert photos.shape == (4, 26, 26, 3) and photos.dtype == onp.uint8
    assert classes.tolist() == [3, 5, 3, 5] and classes.dtype == onp.int32
    assert photos[0, 13, 13].tolist() == [250, 0, 0]
    assert photos[1, 13, 13].tolist() == [0, 0, 250]
    # 60 pixels of 78 are the object's: three pixels of 26 on each side.
    assert photos[0, 13, :2].max() == 0 and photos[0, 13, 4:-4, 0].min() > 240


def test_what_lies_beyond_the_photo_has_the_mean_colour():
    photos, _ = utils.cut_objects([scene()], 26)
    assert (photos[1, -1] == utils.MEAN_COLOR).all()


def test_small_pieces_are_left_out():
    photo, label = scene()
    label[:8, :8] = 7
    _, classes = utils.cut_objects([(photo, label)], 10)
    assert 7 not in classes


def test_nothing_to_cut_out_is_named():
    photo, label = scene()
    with pytest.raises(ValueError, match='no label .* shows an object'):
        utils.cut_objects([(photo, 0 * label)], 26)


def test_a_side_of_no_pixels_is_named():
    with pytest.raises(ValueError, match='side of 1 pixel or more: 0'):
        utils.cut_objects([scene()], 0)
