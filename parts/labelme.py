"""Read and draw what labelme writes: one JSON file of shapes a photo."""

import json
import math
import re
import reprlib
from pathlib import Path
from typing import NamedTuple

from parts.images import MOST_PIXELS, VOID, open_file, open_image
from parts.tables import background_of
from parts.texts import plain, same_letters

import numpy as onp
from PIL import Image, ImageDraw

_POINTS = {  # labelme's kinds of shapes: the fewest and most points of each
    'polygon': (3, math.inf),
    'rectangle': (2, 4),  # two corners, or all four, which may be turned
    'oriented_rectangle': (4, 4),
    'circle': (2, 2),
    'line': (2, 2),
    'linestrip': (2, math.inf),
    'point': (1, 1),
    'mask': (2, 2),
}
_LINE_WIDTH, _POINT_RADIUS = 10, 5  # pixels, as labelme itself draws them
_FARTHEST = 100_000  # pixels; a circle ten times as far takes Pillow minutes
# What a file may hold: more would take very long, or the memory.
_MOST_BYTES, _MOST_SHAPES, _MOST_POINTS = 64 * 2**20, 10_000, 100_000


class Shape(NamedTuple):
    """A shape of a labelme file."""

    index: int  # of its class, or VOID
    thing: int  # a number for each object; 0 of the background, -1 of void
    kind: str  # labelme's shape_type
    points: onp.ndarray  # float64 (n, 2): x, y in pixels
    mask: onp.ndarray | None  # of the kind 'mask': bool (height, width)


def read_labelme(path, table):
    """Read a file of labelme: its shapes, and the size that it states.

    Returns (shapes, size): `Shape`s from the lowest to the topmost, and
    (height, width) of the photo, or None where the file does not say it.
    Shapes of one label and one group_id are one object. `__ignore__` is
    void, `_background_` the background.

    Raises FileNotFoundError, and ValueError naming the file, and the shape,
    if it is damaged, too large, or holds names that are not in the class
    table.
    """
    content = _read_content(path)
    stored = content['shapes']
    if len(stored) > _MOST_SHAPES:
        raise ValueError(
            f'{path} has {len(stored)} shapes, more than {_MOST_SHAPES}'
        )
    background = background_of(table)
    indices = {same_letters(name): i for i, name in enumerate(table.names)}
    indices['__ignore__'] = VOID
    indices.setdefault(
        '_background_', VOID if background is None else background
    )
    _refuse_unknown_names(path, stored, indices)
    things, shapes = {}, []
    num_points = num_pixels = 0
    for number, shape in enumerate(stored, 1):
        name, group = same_letters(shape['label']), shape.get('group_id')
        index = indices[name]
        try:
            kind, points = _kind_and_points(shape)
            mask = _stored_mask(shape['mask']) if kind == 'mask' else None
            num_points += len(points)
            num_pixels += 0 if mask is None else mask.size
            if num_points > _MOST_POINTS or num_pixels > MOST_PIXELS:
                raise ValueError('the file has too many points or pixels')
            if not isinstance(group, int | float | str | None):
                raise ValueError(f'its group_id is {reprlib.repr(group)}')
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f'{path}: shape {number} ({plain(name, 60)}) cannot '
                f'be drawn ({type(error).__name__}: {error}): delete it and '
                f'draw it anew; known are {", ".join(_POINTS)}'
            ) from error
        key = number if group is None else (name, group)
        thing = things.setdefault(key, len(things) + 1)
        if index in (VOID, background):
            thing = -1 if index == VOID else 0
        shapes.append(Shape(index, thing, kind, points, mask))
    return shapes, _stated_size(path, content)


def stated_photo(path):
    """What the photo of a labelme file is called, without folder and ending.

    None if the file does not say it.
    """
    name = _read_content(path).get('imagePath')
    if not isinstance(name, str) or not name:
        return None
    return Path(re.split(r'[/\\]', name)[-1]).stem  # Windows', too


def names_in(path):
    """The names of the shapes of a file of labelme, but those it reserves.

    What is no name is left out. Raises what `read_labelme` raises for a file
    that is damaged as a whole.
    """
    shapes = [x for x in _read_content(path)['shapes'] if isinstance(x, dict)]
    names = {x.get('label') for x in shapes if isinstance(x.get('label'), str)}
    return {same_letters(name) for name in names} - {
        '__ignore__',
        '_background_',
        '',
    }


def _read_content(path):
    """Read a file of labelme: a dict with a list `shapes`, of anything."""
    with open_file(path) as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(
            f'{path} has more than {_MOST_BYTES >> 20} MiB: save it without '
            'the photo inside («Save With Image Data» in labelme)'
        )
    try:
        content = json.loads(text.decode('utf-8-sig'))
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no JSON file in UTF-8: save it as UTF-8 ({error})'
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is no JSON file: {error}') from error
    if not isinstance(content, dict) or not isinstance(
        content.get('shapes'), list
    ):
        raise ValueError(f'{path} is not of labelme: it has no list «shapes»')
    return content


def _kind_and_points(shape):
    """The kind of a stored shape, and its points: float64 (n, 2).

    Raises ValueError, TypeError or KeyError for what cannot be drawn.
    """
    kind, stored = shape.get('shape_type'), shape['points']
    kind = 'polygon' if kind is None else kind
    if not isinstance(kind, str) or kind not in _POINTS:
        raise ValueError(f'its shape_type is {reprlib.repr(kind)}')
    fewest, most = _POINTS[kind]
    if not isinstance(stored, list) or not all(map(_is_pair, stored)):
        raise ValueError('its points are no list of pairs of numbers')
    three = kind == 'rectangle' and len(stored) == 3
    if three or not fewest <= len(stored) <= most:
        raise ValueError(f'a {kind} of {len(stored)} points')
    points = onp.array(stored, float).reshape(-1, 2)
    if not onp.isfinite(points).all():
        raise ValueError('a point is not finite')
    if abs(points).max() > _FARTHEST:
        raise ValueError(f'a point lies more than {_FARTHEST} pixels away')
    if kind == 'rectangle' and len(points) == 4:  # in whatever order
        around = points - points.mean(axis=0)
        points = points[onp.arctan2(*around.T).argsort()]
        kind = 'oriented_rectangle'
    return kind, points


def _is_pair(point):
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(type(number) in (int, float) for number in point)
    )


def _stated_size(path, content):
    """(height, width) of the photo by a labelme file, None if not stated."""
    size = content.get('imageHeight'), content.get('imageWidth')
    for side in size:
        if side is not None and not (
            type(side) in (int, float) and 0 < side < 2**31
        ):
            raise ValueError(
                f'{path}: {reprlib.repr(side)} is no height or width: correct '
                'imageHeight and imageWidth'
            )
    return None if None in size else size


_MOST_NAMES = 10  # that one error lists


def _refuse_unknown_names(path, shapes, known):
    """Raise a ValueError that lists the labels that are not known."""
    import difflib

    unknown = []
    for number, shape in enumerate(shapes, 1):
        name = shape.get('label') if isinstance(shape, dict) else None
        if isinstance(name, str) and same_letters(name) in known:
            continue
        if len(unknown) == _MOST_NAMES:
            unknown.append('and more')
            break
        if not isinstance(name, str):
            name = reprlib.repr(name)
        name = plain(name, 60)
        close = difflib.get_close_matches(name, known, 1)
        hint = f' (is it «{plain(close[0])}»?)' if close else ''
        unknown.append(f'«{name}» of shape {number}{hint}')
    if unknown:
        raise ValueError(
            f'{path}: the class table has no {", ".join(unknown)}: rename it '
            'in labelme, or add the name to the table'
        )


def _stored_mask(text):
    """Decode labelme's picture of a mask: bool (height, width)."""
    import base64
    import io

    mask = onp.asarray(open_image(io.BytesIO(base64.b64decode(text))))
    if mask.ndim != 2:
        raise ValueError('its mask is a picture in colours')
    return mask > 0


def shape_mask(shape, height, width):
    """Draw a `Shape` alone: bool (height, width).

    The pixels that its outline goes through belong to it; what lies outside
    of the picture is cut off.
    """
    image = Image.new('1', (width, height))
    draw = ImageDraw.Draw(image)
    points = [tuple(point) for point in shape.points]
    low, high = shape.points.min(axis=0), shape.points.max(axis=0)
    if shape.kind in ('polygon', 'oriented_rectangle'):
        draw.polygon(points, fill=1, outline=1)
    elif shape.kind == 'rectangle':
        draw.rectangle((*low, *high), fill=1)
    elif shape.kind in ('line', 'linestrip'):
        draw.line(points, fill=1, width=_LINE_WIDTH)
    elif shape.kind == 'mask':
        corner = int(low[0]), int(low[1])  # cut off, as labelme does
        image.paste(Image.fromarray(shape.mask), corner)
    else:  # a circle is given by its centre and a point of its edge
        radius = _POINT_RADIUS
        if shape.kind == 'circle':
            radius = math.dist(*points)
        center = shape.points[0]
        draw.ellipse((*(center - radius), *(center + radius)), fill=1)
    return onp.array(image)
