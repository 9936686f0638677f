"""The shapes of labelme: what they cover, what belongs together."""

import base64
import json
from io import BytesIO
from itertools import permutations

import segbook
import utils

import numpy as onp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

TABLE = segbook.ClassTable(['background', 'ship', 'fish', 'buoy'])
HEIGHT, WIDTH = 60, 80


def shape(name, points, kind='polygon', **more):
    return {'label': name, 'points': points, 'shape_type': kind, **more}


def box(left, top, right, bottom):
    return [[left, top], [right, bottom]]


SHIP = shape('ship', [[10, 10], [40, 12], [30, 40]])
FISH = shape('fish', box(50, 30, 70, 50), 'rectangle')


def write_json(path, *shapes, size=(HEIGHT, WIDTH), **more):
    height, width = size
    content = {'shapes': shapes, 'imageHeight': height, 'imageWidth': width}
    path.write_text(json.dumps(content | more), encoding='utf-8')
    return path


def inside(points, height, width):
    """Count how often a ray from each pixel's centre crosses the outline."""
    y, x = onp.mgrid[:height, :width] + 0.5
    crossings = onp.zeros((height, width), int)
    for (x1, y1), (x2, y2) in zip(
        points, points[1:] + points[:1], strict=True
    ):
        if y1 == y2:
            continue
        between = (y1 <= y) != (y2 <= y)
        crossings += between & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return crossings % 2 == 1


def distance_to(points, height, width):
    """Distance of each pixel's centre to the outline."""
    places = onp.stack(onp.mgrid[:height, :width][::-1], axis=-1) + 0.5
    nearest = onp.full((height, width), onp.inf)
    for one, other in zip(points, points[1:] + points[:1], strict=True):
        start, along = onp.array(one), onp.subtract(other, one)
        length = along @ along
        t = ((places - start) @ along / length) if length else 0
        t = onp.clip(t, 0, 1)[..., None] if length else 0
        away = onp.linalg.norm(places - start - t * along, axis=-1)
        nearest = onp.minimum(nearest, away)
    return nearest


def read_one(tmp_path, *shapes, table=TABLE, **more):
    path = write_json(tmp_path / 'x.json', *shapes, **more)
    return utils.read_labelme(path, table)[0]


def mask_of(tmp_path, *arguments, **more):
    drawn = read_one(tmp_path, shape('ship', *arguments, **more))[0]
    return utils.shape_mask(drawn, HEIGHT, WIDTH)


def test_polygons_hold_the_pixels_inside(tmp_path):
    rng = onp.random.default_rng(0)
    for corners in (3, 4, 7, 12):
        angles = onp.sort(rng.uniform(0, 2 * onp.pi, corners))
        reach = rng.uniform(8, 40, corners)  # beyond the picture, too
        x = 40 + reach * onp.cos(angles)
        y = 30 + reach * onp.sin(angles)
        points = onp.stack([x, y], axis=1).tolist()
        drawn = mask_of(tmp_path, points)
        sure = distance_to(points, HEIGHT, WIDTH) > 1.5
        expected = inside(points, HEIGHT, WIDTH)
        assert (drawn == expected)[sure].all()
        assert expected[sure].any()


def test_the_other_kinds_of_shapes(tmp_path):
    y, x = onp.mgrid[:HEIGHT, :WIDTH]
    for corners in (box(5, 8, 20, 30), box(20, 30, 5, 8)):
        drawn = mask_of(tmp_path, corners, 'rectangle')
        expected = (x >= 5) & (x <= 20) & (y >= 8) & (y <= 30)
        assert (drawn == expected).all()
    four = [[5, 8], [20, 8], [20, 30], [5, 30]]
    assert (mask_of(tmp_path, four, 'rectangle') == expected).all()
    away = onp.hypot(x - 40, y - 30)
    drawn = mask_of(tmp_path, [[40, 30], [40, 45]], 'circle')
    assert drawn[away < 14].all() and not drawn[away > 16].any()
    drawn = mask_of(tmp_path, [[40, 30]], 'point')
    assert drawn[away < 4].all() and not drawn[away > 6].any()
    strip = [[10, 30], [40, 30], [40, 50]]
    for kind, points in (('line', strip[:2]), ('linestrip', strip)):
        drawn = mask_of(tmp_path, points, kind)
        assert drawn[27:33, 12:38].all() and not drawn[:23].any()
        assert drawn[47, 40] == (kind == 'linestrip')
    file = BytesIO()
    Image.fromarray(onp.eye(6, dtype=bool)).save(file, 'PNG')
    text = base64.b64encode(file.getvalue()).decode()
    drawn = mask_of(tmp_path, box(30, 20, 35, 25), 'mask', mask=text)
    assert (drawn[20:26, 30:36] == onp.eye(6)).all() and drawn.sum() == 6


def draw(tmp_path, *shapes, table=TABLE):
    shapes = read_one(tmp_path, *shapes, table=table)
    return segbook.draw_shapes(shapes, (HEIGHT, WIDTH), table)


def test_a_group_is_one_object(tmp_path):
    parts = [box(10, 10, 20, 20), box(21, 10, 30, 20)]
    for groups, number in ((3, 3), 1), ((3, 4), 2), ((None, None), 2):
        shapes = [
            shape('ship', points, 'rectangle', group_id=group)
            for points, group in zip(parts, groups, strict=True)
        ]
        things = draw(tmp_path, *shapes)[1]
        assert len(onp.unique(things)) - 1 == number
        seam = segbook.void_border(things)[15, 20]
        assert seam == (number == 2)
    # One group_id, two classes: labelme's groups are of one label each.
    shapes[1] = shape('fish', parts[1], 'rectangle', group_id=3)
    assert len(onp.unique(draw(tmp_path, *shapes)[1])) == 3


def test_what_labelme_ignores_and_its_background(tmp_path):
    hole = shape('_background_', box(20, 15, 30, 25), 'rectangle')
    nobody = shape('__ignore__', box(50, 40, 60, 50), 'rectangle')
    label, things = draw(tmp_path, SHIP, hole, nobody)
    assert label[20, 25] == 0 and things[20, 25] == 0
    assert label[45, 55] == utils.VOID and things[45, 55] == -1


def test_without_a_background_the_rest_is_void(tmp_path):
    table = segbook.ClassTable(['ship', 'fish'])
    label, things = draw(tmp_path, SHIP, table=table)
    assert label[20, 25] == 0 and label[50, 70] == utils.VOID
    assert things[20, 25] == 1 and things[50, 70] == -1


def test_a_background_may_be_any_class(tmp_path):
    names = ['ship', 'fish', 'buoy']
    hole = shape('_background_', box(20, 15, 30, 25), 'rectangle')
    for index in range(4):
        named = [*names[:index], 'background', *names[index:]]
        table = segbook.ClassTable(named)
        label, things = draw(tmp_path, SHIP, FISH, hole, table=table)
        assert label[55, 5] == label[20, 25] == index
        assert things[55, 5] == things[20, 25] == 0
        assert label[40, 60] == named.index('fish') and things[40, 60] > 0
        assert label[12, 12] == named.index('ship') and things[12, 12] > 0
        if index:
            written = shape('background', box(50, 30, 70, 50), 'rectangle')
            assert (draw(tmp_path, FISH, written, table=table)[1] == 0).all()


def test_a_name_may_be_written_in_either_way(tmp_path):
    composed, decomposed = 'B\xe4r', 'Ba\u0308r'
    for known, written in (
        (composed, decomposed),
        (decomposed, composed),
        (decomposed, decomposed),
    ):
        table = segbook.ClassTable(['background', known])
        bear = shape(written, SHIP['points'])
        assert draw(tmp_path, bear, table=table)[0].max() == 1
    one = shape(composed, box(10, 10, 20, 20), 'rectangle', group_id=1)
    other = shape(decomposed, box(30, 10, 40, 20), 'rectangle', group_id=1)
    assert len(onp.unique(draw(tmp_path, one, other, table=table)[1])) == 2


TURNED = [[30, 5], [50, 20], [34, 40], [14, 25]]


def test_turned_rectangles_are_their_four_corners(tmp_path):
    expected = inside(TURNED, HEIGHT, WIDTH)
    sure = distance_to(TURNED, HEIGHT, WIDTH) > 1.5
    for kind in 'oriented_rectangle', 'rectangle', 'polygon':
        drawn = mask_of(tmp_path, TURNED, kind)
        assert (drawn == expected)[sure].all(), kind
    # Whoever wrote four corners under «rectangle» may have sorted them.
    for order in permutations(TURNED):
        again = mask_of(tmp_path, list(order), 'rectangle')
        assert (again == drawn).all()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_four_corners_that_lie_straight_are_the_two(data, tmp_path_factory):
    left, right = sorted(data.draw(st.tuples(*[st.integers(-20, 99)] * 2)))
    top, bottom = sorted(data.draw(st.tuples(*[st.integers(-20, 79)] * 2)))
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    corners = data.draw(st.permutations(corners))
    drawn = mask_of(tmp_path_factory.getbasetemp(), corners, 'rectangle')
    y, x = onp.mgrid[:HEIGHT, :WIDTH]
    expected = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    assert (drawn == expected).all()


def test_a_mask_lies_where_labelme_puts_it(tmp_path):
    """What is left over of a pixel when a mask is moved is cut off."""
    pixels = onp.random.default_rng(0).integers(0, 2, (6, 6), 'uint8')
    for image in (
        Image.fromarray(pixels.astype(bool)),
        Image.fromarray(255 * pixels),
        Image.fromarray(pixels),  # as small a number as there is
    ):
        file = BytesIO()
        image.save(file, 'PNG')
        text = base64.b64encode(file.getvalue()).decode()
        corners = [[30.7, 20.6], [35.7, 25.6]]
        drawn = mask_of(tmp_path, corners, 'mask', mask=text)
        assert (drawn[20:26, 30:36] == pixels).all()
        assert drawn.sum() == pixels.sum()
