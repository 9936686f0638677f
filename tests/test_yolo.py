"""YOLO's text files: a polygon a line, in shares of the photo."""

import segbook
import utils
from parts.yolo import yolo_outlines

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TABLE = segbook.ClassTable(['background', 'ship', 'fish'])
NAMES = ['fish', 'ship']
SIZE = 64, 128  # powers of 2: shares of them are exact


def outlines(folder, text):
    path = folder / 'a.txt'
    path.write_text(text, encoding='utf-8')
    return yolo_outlines(path, NAMES, 'data.yaml')


def line(number, points, size=SIZE):
    shares = [f'{x / size[1]!r} {y / size[0]!r}' for x, y in points]
    return ' '.join([str(number), *shares])


CORNERS = st.tuples(st.integers(0, 128), st.integers(0, 64))


@given(st.lists(CORNERS, min_size=3, max_size=8), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_line_is_its_polygon(tmp_path_factory, points, number):
    folder = tmp_path_factory.getbasetemp()
    (found,) = outlines(folder, line(number, points)).shapes(TABLE, SIZE)
    expected = utils.Shape(2 - number, 1, 'polygon', onp.array(points), None)
    assert found.index == expected.index
    assert (
        utils.shape_mask(found, *SIZE) == utils.shape_mask(expected, *SIZE)
    ).all()


def test_each_line_is_an_object_and_small_ones_lie_above(tmp_path):
    small = [(30, 20), (40, 20), (40, 30), (30, 30)]
    large = [(10, 5), (100, 5), (100, 60), (10, 60)]
    for first, second in ((small, large), (large, small)):
        text = f'{line(0, first)}\n\n{line(0, second)}\r\n'
        shapes = outlines(tmp_path, text).shapes(TABLE, SIZE)
        label, things = segbook.draw_shapes(shapes, SIZE, TABLE)
        assert things[25, 35] != things[50, 50] and label[25, 35] == 2


def test_an_empty_file_is_background(tmp_path):
    assert outlines(tmp_path, '\n').shapes(TABLE, SIZE) == []


@pytest.mark.parametrize(
    'text, words',
    [
        ('2 0 0 1 0 1 1', "'2' is no number of a class: data.yaml has 2"),
        ('-1 0 0 1 0 1 1', "'-1' is no number of a class"),
        ('ship 0 0 1 0 1 1', "'ship' is no number of a class"),
        ('0.0 0 0 1 0 1 1', "'0.0' is no number of a class"),
        ('1 0.5 0.5 0.2 0.2', 'it is a box, as for detection'),
        ('1', 'it has 0 numbers after the class'),
        ('1 0 0 1 1', 'it is a box'),
        ('1 0 0 1 0 1 1 0', 'it has 7 numbers'),
        ('1 0 0 100 0 100 100', "'100' is no number from 0 to 1"),
        ('1 0 0 nan 0 1 1', "'nan' is no number from 0 to 1"),
        ('1 0 0 x 0 1 1', "'x' is no number from 0 to 1"),
        ('1 0 0 -0.2 0 1 1', "'-0.2' is no number from 0 to 1"),
        ('\ufeff1 0 0 1 0 1 1', 'is no number of a class'),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, words):
    label = outlines(tmp_path, f'0 0 0 1 0 1 1\n{text}\n')
    with pytest.raises(ValueError) as error:
        label.shapes(TABLE, SIZE)
    found = str(error.value)
    assert found.startswith('a.txt: line 2 ('), found
    assert words in found and '\n' not in found, found


def test_a_class_that_the_table_lacks(tmp_path):
    label = outlines(tmp_path, '0 0 0 1 0 1 1')
    table = segbook.ClassTable(['background', 'ship'])
    with pytest.raises(ValueError, match='line 1 .*«fish» is not in the tab'):
        label.shapes(table, SIZE)


def test_rounding_may_lead_out_of_the_photo_a_little(tmp_path):
    assert outlines(tmp_path, '0 -0.0005 0 1.0005 0 1 1').shapes(TABLE, SIZE)
