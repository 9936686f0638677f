"""The label of a photo where it is no file of its own, or holds other ids."""

from typing import NamedTuple

from parts.class_files import Classes
from parts.images import VOID, open_image, read_label

import numpy as onp


class Export(NamedTuple):
    """Labels that a program exported, before they are read."""

    kind: str  # what they are, in words
    classes: Classes  # that they name
    labels: dict  # {name of a photo, without its ending: its label}
    remarks: tuple = ()  # (file, what is wrong, whether no set can be made)


class Outlines:
    """The shapes of a photo: drawn with the large ones first.

    `name`: of the file, and of the place in it; `size`: the (height, width)
    that it states, or None; `find(table, size)`: gives its `Shape`s, and
    raises ValueError that says where something is wrong.
    """

    suffix = ''  # as a path has one

    def __init__(self, name, size, find):
        self.name, self.size, self._find = name, size, find

    def __str__(self):
        return self.name

    def shapes(self, table, size):
        """The `Shape`s of a photo of (height, width), the lowest first.

        No format says what lies in front. So what is void comes first, then
        objects by their size: a small one is not hidden by a large one.
        """
        try:
            found = list(self._find(table, size))
        except ValueError as error:
            raise ValueError(f'{self}: {error}') from error
        areas = {}
        for shape in found:
            key = shape.index == VOID, shape.thing
            areas[key] = areas.get(key, 0) + _area(shape)

        def order(shape):
            key = shape.index == VOID, shape.thing
            return not key[0], -areas[key]

        return sorted(found, key=order)


def _area(shape):
    """How many pixels a polygon or a mask covers, about."""
    if shape.mask is not None:
        return int(shape.mask.sum())
    x, y = (shape.points - shape.points.mean(axis=0)).T
    return abs(x @ onp.roll(y, 1) - y @ onp.roll(x, 1)) / 2


class Painted:
    """A painted label whose numbers are not the indices of the classes."""

    suffix = ''

    def __init__(self, path, classes):
        self.path, self._classes = path, classes
        self.name = path.name

    def __str__(self):
        return str(self.path)

    @property
    def size(self):
        """(height, width)"""
        return open_image(self.path).size[::-1]

    def indices(self):
        """Read it: uint8 (height, width), indices or VOID.

        Raises ValueError naming file and place of a number that is none of
        the classes'.
        """
        label, ids = read_label(self.path), self._classes.ids
        if label.ndim == 3:
            raise ValueError(
                f'{self}: it is painted in colours, and the class table '
                'numbers the classes: export it as indices, or leave out ids'
            )
        known = onp.zeros(256, dtype=bool)
        meaning = onp.full(256, VOID, dtype='uint8')
        meaning[ids] = onp.arange(len(ids))
        known[[*ids, *self._classes.void_ids]] = True
        wrong = ~known[label]
        if wrong.any():
            row, column = onp.argwhere(wrong)[0]
            others = onp.unique(label[wrong])
            remedy = self._classes.otherwise or (
                'paint it anew, or add it to the ids or void_ids of the class '
                'table'
            )
            raise ValueError(
                f'{self}: number {label[row, column]} at row {row}, column '
                f'{column} is no class and not void ({len(others)} such '
                f'numbers in {wrong.mean():.1%} of the pixels): {remedy}'
            )
        return meaning[label]
