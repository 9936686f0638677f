"""The objects of a photo: their boxes, as VOC's XML files tell them.

A box is (left, top, right, bottom) in pixels: pixel u covers the numbers from
u to u + 1, and the first pixel is 0. So the width of a box is right - left,
and its columns are left, ..., right - 1. VOC counts from 1 and names the last
pixel that belongs to the box.
"""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from parts import whole
from parts.images import open_file, read_label
from parts.texts import plain

import numpy as onp

_SIDES = 'xmin', 'ymin', 'xmax', 'ymax'
_MOST_BYTES = 2**20  # of an XML file; those of VOC have a few thousand


def check_boxes(boxes, size=None):
    """Raise ValueError unless these are boxes: numbers (n, 4).

    `size`: (height, width) of the photo in which they must lie. No boxes at
    all, (0, 4), are boxes.
    """
    boxes = onp.asarray(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes have the shape (n, 4), not {boxes.shape}')
    reason = {
        'is not made of finite numbers': ~onp.isfinite(boxes).all(axis=1),
        'is empty or reversed: left < right and top < bottom': (
            boxes[:, :2] >= boxes[:, 2:]
        ).any(axis=1),
    }
    if size is not None:
        height, width = size
        reason[f'leaves the photo of {width} x {height} pixels'] = (
            (boxes[:, :2] < 0) | (boxes[:, 2:] > (width, height))
        ).any(axis=1)
    for words, wrong in reason.items():
        if wrong.any():
            index = int(wrong.argmax())
            raise ValueError(f'box {index}, {boxes[index].tolist()}, {words}')


def read_boxes(root, name, table):
    """Read the boxes of a photo's objects from Annotations/<name>.xml.

    `table`: has `names`, the list of classes. Returns boxes, int64 (n, 4),
    each (left, top, right, bottom) from 0 on and without its right and bottom
    edge (see this module), and classes, int64 (n,), in the order of the file.
    A photo without objects has 0 of both. Objects that VOC calls difficult
    are among them; the parts of a person are not. Numbers with a fraction,
    which some files of VOC hold, are rounded.

    Raises FileNotFoundError if there is no such file, and ValueError, naming
    it, if it is no such XML, or holds a class that is none of the table's or
    a box that is reversed or leaves the photo, as one that counts from 0.
    """
    path = Path(whole.place(root), 'Annotations', f'{name}.xml')
    try:
        tree = _parsed(path)
        size = [_number(tree, f'size/{side}') for side in ('width', 'height')]
        found = [_object(x, table, *size) for x in tree.findall('object')]
    except (ValueError, ElementTree.ParseError) as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    boxes = onp.array([box for box, _ in found], 'int64').reshape(-1, 4)
    return boxes, onp.array([kind for _, kind in found], 'int64')


def _parsed(path):
    """Read an XML file of no more than what an annotation needs."""
    with open_file(path) as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f'it has more than {_MOST_BYTES} bytes')
    if b'<!DOCTYPE' in data or b'<!ENTITY' in data:
        raise ValueError('it defines words of its own, as no annotation does')
    return ElementTree.fromstring(data)


def _text(element, place):
    text = element.findtext(place)
    if text is None:
        raise ValueError(f'{element.tag} has no {place}')
    return text.strip()


def _number(element, place):
    text = _text(element, place)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) < 1e6:
        raise ValueError(f'{place} is no number of pixels: {plain(text, 40)}')
    return round(number)


def _object(element, table, width, height):
    """The box and the class of an <object>."""
    kind = _text(element, 'name')
    if kind not in table.names:
        raise ValueError(f'{plain(kind, 40)} is no class of the data set')
    sides = [_number(element, f'bndbox/{side}') for side in _SIDES]
    left, top, right, bottom = sides
    if not (1 <= left <= right <= width and 1 <= top <= bottom <= height):
        raise ValueError(
            f'the box {sides} of a {plain(kind, 40)} is reversed or leaves '
            f'its photo, whose columns are 1 to {width} and rows 1 to {height}'
        )
    return (left - 1, top - 1, right, bottom), table.names.index(kind)


def read_objects(root, name):
    """Read which pixel is which object's, from SegmentationObject.

    Returns uint8 (height, width): k where object k of the XML file is, from 1
    on; 0 the background; VOID at outlines. Raises what `read_label` raises.
    """
    folder = Path(whole.place(root), 'SegmentationObject')
    return read_label(folder / f'{name}.png')
