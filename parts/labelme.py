"""Read and draw what labelme writes: one JSON file of shapes a photo."""

import json
import math
from pathlib import Path
from typing import NamedTuple

from parts.images import VOID

import numpy as onp
from PIL import Image, ImageDraw

_POINTS = {  # labelme's kinds of shapes: the fewest and most points of each
    'polygon': (3, math.inf),
    'rectangle': (2, 4),
    'circle': (2, 2),
    'line': (2, 2),
    'linestrip': (2, math.inf),
    'point': (1, 1),
    'mask': (2, 2),
}
_LINE_WIDTH, _POINT_RADIUS = 10, 5  # pixels, as labelme itself draws them


class Shape(NamedTuple):
    """A shape of a labelme file."""

    index: int  # of its class, or VOID
    thing: int  # a number for each object; 0 of the background, -1 of void
    kind: str  # labelme's shape_type
    points: onp.ndarray  # float64 (n, 2): x, y in pixels
    mask: onp.ndarray | None  # of the kind 'mask': bool (height, width)


def has_background(table):
    """Whether class 0 is what is left when nothing was labelled."""
    return table.names[0] in ('background', '_background_')


def read_labelme(path, table):
    """Read a file of labelme: its shapes, and the size that it states.

    Returns (shapes, size): `Shape`s from the lowest to the topmost, and
    (height, width) of the photo, or None where the file does not say it.
    Shapes of one label and one group_id are one object. `__ignore__` is
    void, `_background_` the background.

    Raises ValueError naming the file, and the shape, if it is damaged or
    holds names that are not in the class table.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no JSON file: {error}') from error
    if not isinstance(content, dict) or not isinstance(
        content.get('shapes'), list
    ):
        raise ValueError(f'{path} is not of labelme: it has no list «shapes»')
    indices = {name: index for index, name in enumerate(table.names)}
    indices['__ignore__'] = VOID
    indices.setdefault('_background_', 0 if has_background(table) else VOID)
    _refuse_unknown_names(path, content['shapes'], indices)
    things, shapes = {}, []
    for number, shape in enumerate(content['shapes'], 1):
        try:
            kind = shape.get('shape_type') or 'polygon'
            points = onp.array(shape['points'], float).reshape(-1, 2)
            fewest, most = _POINTS[kind]
            if not fewest <= len(points) <= most:
                raise ValueError(f'a {kind} of {len(points)} points')
            if not onp.isfinite(points).all():
                raise ValueError('a point is not finite')
            mask = _stored_mask(shape['mask']) if kind == 'mask' else None
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(
                f'{path}: shape {number} ({shape["label"]}) cannot be drawn '
                f'({type(error).__name__}: {error}): delete it and draw it '
                f'anew; known are {", ".join(_POINTS)}'
            ) from error
        index, group = indices[shape['label']], shape.get('group_id')
        key = number if group is None else (shape['label'], group)
        thing = things.setdefault(key, len(things) + 1)
        if index == VOID or (index == 0 and has_background(table)):
            thing = -1 if index == VOID else 0
        shapes.append(Shape(index, thing, kind, points, mask))
    size = content.get('imageHeight'), content.get('imageWidth')
    return shapes, size if all(size) else None


def _refuse_unknown_names(path, shapes, known):
    """Raise a ValueError that lists the labels that are not known."""
    import difflib

    unknown = []
    for number, shape in enumerate(shapes, 1):
        name = shape.get('label') if isinstance(shape, dict) else None
        if name in known:
            continue
        close = difflib.get_close_matches(str(name), known, 1)
        hint = f' (is it «{close[0]}»?)' if close else ''
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

    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return onp.asarray(image.convert('L')) > 0


def shape_mask(shape, height, width):
    """Draw a `Shape` alone: bool (height, width).

    The pixels that its outline goes through belong to it; what lies outside
    of the picture is cut off.
    """
    image = Image.new('1', (width, height))
    draw = ImageDraw.Draw(image)
    points = [tuple(point) for point in shape.points]
    low, high = shape.points.min(axis=0), shape.points.max(axis=0)
    if shape.kind == 'polygon':
        draw.polygon(points, fill=1, outline=1)
    elif shape.kind == 'rectangle':
        draw.rectangle((*low, *high), fill=1)
    elif shape.kind in ('line', 'linestrip'):
        draw.line(points, fill=1, width=_LINE_WIDTH)
    elif shape.kind == 'mask':
        corner = round(low[0]), round(low[1])
        image.paste(Image.fromarray(shape.mask), corner)
    else:  # a circle is given by its centre and a point of its edge
        radius = _POINT_RADIUS
        if shape.kind == 'circle':
            radius = math.dist(*points)
        center = shape.points[0]
        draw.ellipse((*(center - radius), *(center + radius)), fill=1)
    return onp.array(image)
