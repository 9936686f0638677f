"""The objects of a data set, cut out one by one."""

from parts.images import MEAN_COLOR
from parts.tables import VOID

import numpy as onp
from PIL import Image

_STEP = 4  # pixels: pieces are looked for at every fourth one
_LEAST = 40  # of those: smaller pieces are no objects
_MARGIN = 1.3  # the side of a thumbnail, as a multiple of the longer one


def cut_objects(dataset, side):
    """Cut out every connected piece of a class: photos and classes.

    `dataset`: pairs of photo, uint8 (height, width, 3), and label, integers
    (height, width), as `VOCSegDataset` gives them. `side`: of a thumbnail, in
    pixels. Around a piece a square is cut out and scaled; what lies beyond
    the photo has ImageNet's mean colour. An object that another one cuts in
    two is two pieces; very small ones are left out.

    Returns thumbnails, uint8 (N, side, side, 3), and their classes' indices,
    int32 (N,), in the order of the data set. Raises ValueError for a side
    below 1 and where there is no object at all.
    """
    if side < 1:
        raise ValueError(f'a thumbnail has a side of 1 pixel or more: {side}')
    thumbnails, classes = [], []
    for photo, label in dataset:
        for index, box in _pieces(label[::_STEP, ::_STEP], _LEAST):
            square = _square(photo, [_STEP * edge for edge in box])
            small = square.resize((side, side), Image.Resampling.BILINEAR)
            thumbnails.append(onp.asarray(small))
            classes.append(index)
    if not classes:
        raise ValueError('no label of this data set shows an object')
    return onp.stack(thumbnails), onp.array(classes, 'int32')


def _pieces(label, least=1):
    """List the connected pieces of classes: (index, box) of each.

    `label`: integers (height, width). 0, the background, and VOID belong to
    no piece; neighbours are those above, below, left and right. A box is
    (top, left, bottom, right), the last two excluded. `least`: pieces of
    fewer pixels are left out.
    """
    label = onp.asarray(label)
    inside = (label != 0) & (label != VOID)
    # Each pixel has a number; the highest spreads until nothing changes.
    numbers = inside * onp.arange(1, label.size + 1).reshape(label.shape)
    before = None
    while before is None or (numbers != before).any():
        before = numbers.copy()
        for one, other in _neighbours(numbers, label):
            same = one[1] == other[1]
            highest = same * onp.maximum(one[0], other[0])
            for part in (one[0], other[0]):
                onp.maximum(part, highest * (part > 0), out=part)
    found = []
    for number in onp.unique(numbers[inside]):
        rows, columns = (numbers == number).nonzero()
        if len(rows) >= least:
            box = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
            found.append((label[rows[0], columns[0]], box))
    return found


def _neighbours(*maps):
    """Yield maps without their first and without their last row or column."""
    for axis in (0, 1):
        first, last = (
            tuple(slice(*cut) if a == axis else slice(None) for a in (0, 1))
            for cut in ((None, -1), (1, None))
        )
        yield [m[first] for m in maps], [m[last] for m in maps]


def _square(photo, box):
    """Cut a square with room around a box out of a photo, as an image."""
    top, left, bottom, right = box
    side = round(_MARGIN * max(bottom - top, right - left))
    square = Image.new('RGB', (side, side), MEAN_COLOR)
    corner = (side - left - right) // 2, (side - top - bottom) // 2
    square.paste(Image.fromarray(photo), corner)
    return square
