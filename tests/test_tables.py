"""Class tables: what they may hold, and where their background is."""

import json

import segbook
import utils
from parts import tables

import numpy as onp
import pytest
from mxnet.gluon import nn

NAMES = ['background', 'ship', 'fish']
COLORS = [(0, 0, 0), (9, 8, 7), (255, 0, 1)]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'names': 'background ship fish'}, "not 'background ship fish'"),
        ({'names': {'ship'}}, 'a list of texts'),
        ({'names': {0: 'background'}}, 'a list of texts'),
        ({'names': 3}, 'a list of texts'),
        ({'names': None}, 'a list of texts'),
        ({'names': [0, 1]}, 'a list of texts'),
        ({'names': ['background', b'ship']}, 'a list of texts'),
        ({'names': ['background', '']}, 'none of them empty'),
        ({'names': ['background', None]}, 'a list of texts'),
        ({'names': []}, '1 to 255 classes, not 0'),
        ({'names': [str(i) for i in range(256)]}, '1 to 255 classes, not 256'),
        ({'names': ['ship', 'fish', 'ship']}, 'two classes are called «ship»'),
        ({'names': ['B\xe4r', 'Ba\u0308r']}, 'two classes are called «B'),
        ({'colors': 'red green blue'}, '3 classes need a list of 3 colours'),
        ({'colors': COLORS[:2]}, '3 classes need a list of 3 colours'),
        ({'colors': [*COLORS, (1, 1, 1)]}, '3 classes need'),
        ({'colors': [0, 0, 0, 9, 8, 7, 1, 1, 1]}, '3 classes need'),
        ({'colors': 7}, '3 classes need'),
        ({'void': 256}, 'void is a whole number from 0 to 255, not 256'),
        ({'void': -1}, 'void is a whole number'),
        ({'void': 254.0}, 'void is a whole number'),
        ({'void': None}, 'void is a whole number'),
        ({'void': 0}, 'index 0 is both void and the class «background»'),
        ({'void': 2}, 'index 2 is both void and the class «fish»'),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_no_class_table_can_hold_is_refused(change, words):
    arguments = {'names': NAMES, 'colors': None} | change
    with pytest.raises(ValueError) as caught:
        segbook.ClassTable(**arguments)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400 and str(caught.value).isprintable()


@pytest.mark.parametrize(
    'color',
    [
        *((1.0, 0.5, 0), (300, 0, 0), (-1, 0, 0), (1, 2), (1, 2, 3, 4)),
        *((True, 0, 0), ('1', '2', '3'), '#ff0000', 'red', 7, None),
        *(onp.float32([1, 2, 3]), onp.zeros((3, 1), int), (float('nan'),) * 3),
    ],
    ids=lambda color: repr(color)[:20],
)
def test_a_colour_is_three_whole_numbers(color):
    with pytest.raises(ValueError, match='of the class «ship» is three'):
        segbook.ClassTable(NAMES, [COLORS[0], color, COLORS[2]])
    if color is not None:
        with pytest.raises(ValueError, match='colour of void is three'):
            segbook.ClassTable(NAMES, COLORS, void_color=color)


@pytest.mark.parametrize(
    'colors',
    [COLORS, list(map(list, COLORS)), onp.uint8(COLORS), onp.int64(COLORS)],
    ids=lambda colors: type(colors).__name__,
)
def test_what_it_may_hold_is_kept(colors):
    table = segbook.ClassTable(tuple(NAMES), colors, onp.uint8(3), [5, 5, 5])
    assert table.names == NAMES
    assert table.colormap[[0, 1, 2, 255]].tolist() == [
        *map(list, COLORS),
        [5, 5, 5],
    ]
    most = segbook.ClassTable([str(i) for i in range(255)])
    assert len(most.names) == 255 and most.indices.max() == 255


def test_a_table_that_is_stored_is_the_same(tmp_path):
    table = segbook.ClassTable(NAMES, COLORS, onp.uint8(3), (5, 5, 5))
    stored = json.loads(json.dumps(tables.table_to_json(table)))
    other = segbook.ClassTable(**tables.table_arguments(stored))
    assert other.names == table.names and other.void == table.void
    assert (other.colormap == table.colormap).all()
    net = nn.Dense(1, in_units=1)
    net.initialize()
    utils.save_net(tmp_path / 'net.zip', net, table)


# -------------------------------------------------------------- background


@pytest.mark.parametrize('index', [0, 1, 2, None])
def test_the_background_is_found_by_its_name(index):
    names = ['ship', 'fish']
    for background in 'background', '_background_':
        if index is not None:
            names = ['ship', 'fish']
            names.insert(index, background)
        table = segbook.ClassTable(names)
        assert utils.background_of(table) == index
