"""Read YOLO's labels: a text file a photo, an outline a line."""

import math
import reprlib

from parts.class_files import index_of
from parts.images import open_file
from parts.labelme import Shape
from parts.outlines import Outlines
from parts.texts import plain

import numpy as onp

_MOST_BYTES, _MOST_LINES = 64 * 2**20, 10_000
_NEARLY = 1e-3  # by how much rounding may lead out of the photo


def yolo_outlines(path, names, source):
    """The `Outlines` of a text file of YOLO's for segmentation.

    A line is the number of a class and the corners of a polygon, x and y in
    turn, as shares of the photo's width and height. `names`: of the classes,
    by number; `source`: the name of the file that says them.
    """

    def find(table, size):
        with open_file(path) as file:
            content = file.read(_MOST_BYTES + 1)
        lines = content.decode('ascii', 'replace').splitlines()
        if len(content) > _MOST_BYTES or len(lines) > _MOST_LINES:
            raise ValueError(f'it has more than {_MOST_LINES} lines')
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words:
                continue
            try:
                name, points = _read_line(words, names, source)
                index = index_of(name, table.names)
                if index is None:
                    raise ValueError(
                        f'its class «{name}» is not in the table: add it to '
                        'the names of the classes'
                    )
            except ValueError as error:
                raise ValueError(
                    f'line {number} ({plain(line, 30)}): {error}'
                ) from error
            points = points * (size[1], size[0])
            yield Shape(index, number, 'polygon', points, None)

    return Outlines(path.name, None, find)


def _read_line(words, names, source):
    """The name of the class and the corners, shares, of a line's words."""
    first, *rest = words
    known = list(map(str, range(len(names))))
    if first not in known:
        raise ValueError(
            f'{reprlib.repr(first)} is no number of a class: {source} has '
            f'{len(names)}, 0 to {len(names) - 1}'
        )
    if len(rest) == 4:
        raise ValueError(
            'it is a box, as for detection: export the labels for '
            'segmentation, with outlines'
        )
    if len(rest) < 6 or len(rest) % 2:
        raise ValueError(
            f'it has {len(rest)} numbers after the class, and three corners '
            'need 6, others 2 more each: draw it anew'
        )
    numbers = [_share(word) for word in rest]
    return names[known.index(first)], onp.array(numbers).reshape(-1, 2)


def _share(word):
    try:
        share = float(word)
    except ValueError:
        share = math.nan
    if not -_NEARLY <= share <= 1 + _NEARLY:
        raise ValueError(
            f'{reprlib.repr(word)} is no number from 0 to 1: corners are '
            'shares of width and height, not pixels; export it anew'
        )
    return share
