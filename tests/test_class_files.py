"""The classes that files name: right ones, and wrong ones by file and line."""

import json

import segbook
import utils
from parts import class_files
from parts.outlines import Painted
from tools.own import TABLES

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return path


def fails(read, path, *words):
    """Reading fails with an error of one line that names the file first."""
    with pytest.raises(ValueError) as error:
        read(path)
    text = str(error.value)
    assert text.startswith(str(path)) and '\n' not in text, text
    for word in words:
        assert word in text, text


# ------------------------------------------------------------- classes.json


def test_a_data_set_without_classes_json_says_nothing(tmp_path):
    assert utils.stored_table(tmp_path) is None


def test_a_stored_table_comes_back(tmp_path):
    colors = [(1, 2, 3), (4, 5, 6)]
    table = segbook.ClassTable(['sky', 'sea'], colors, 7, (9, 9, 9))
    stored = {'names': ['sky', 'sea'], 'colors': colors, 'void': 7}
    stored |= {'void_color': [9, 9, 9]}
    write(tmp_path / 'classes.json', json.dumps(stored))
    read = segbook.ClassTable(**utils.stored_table(tmp_path))
    assert (read.names, read.void) == (table.names, 7)
    assert (read.colormap == table.colormap).all()


@pytest.mark.parametrize(
    'text',
    ['', '{', '[]', '{"names": ["a"]}', '["sky"]', '\x00', '{"names": NaN}'],
)
def test_a_damaged_table_is_named(tmp_path, text):
    path = write(tmp_path / 'classes.json', text)
    fails(lambda _: utils.stored_table(tmp_path), path, 'holds no class table')


# ----------------------------------------------------------------- examples


def example(name):
    return class_files.read_classes_file(TABLES / f'{name}.json')


@pytest.mark.parametrize(
    'name, classes, numbers',
    [
        ('ade20k', 150, range(151)),
        ('ade20k-reduced', 150, [*range(150), 255]),
        ('cityscapes', 19, range(34)),
        ('cityscapes-train-ids', 19, [*range(19), 255]),
    ],
)
def test_examples_are_class_tables_and_know_all_numbers(
    name, classes, numbers
):
    known = example(name)
    table = segbook.ClassTable(**known.arguments())
    assert len(table.names) == classes and table.void == 255
    assert sorted([*known.ids, *known.void_ids]) == [*numbers]


def test_every_example_is_tested():
    found = {path.stem for path in TABLES.iterdir()}
    assert found == {
        *('ade20k', 'ade20k-reduced'),
        *('cityscapes', 'cityscapes-train-ids'),
    }


def test_both_ways_to_number_cityscapes_are_the_same_classes():
    ids, train = example('cityscapes'), example('cityscapes-train-ids')
    assert ids.names == train.names and ids.colors == train.colors
    assert dict(zip(train.names, train.ids, strict=True))['car'] == 13
    assert dict(zip(ids.names, ids.ids, strict=True))['car'] == 26
    ade = example('ade20k')
    assert ade.names[0] == 'wall' and ade.ids[0] == 1 and ade.void_ids == (0,)


def painted(tmp_path, numbers, name):
    path = tmp_path / 'x.png'
    Image.fromarray(onp.array(numbers, 'uint8')).save(path)
    return Painted(path, example(name))


def test_numbers_become_indices(tmp_path):
    label = painted(tmp_path, [[0, 1, 150], [2, 0, 0]], 'ade20k')
    assert label.indices().tolist() == [[255, 0, 149], [1, 255, 255]]
    assert label.size == (2, 3)
    label = painted(tmp_path, [[0, 7, 33], [26, 29, 4]], 'cityscapes')
    assert label.indices().tolist() == [[255, 0, 18], [13, 255, 255]]
    label = painted(tmp_path, [[0, 18, 255]], 'cityscapes-train-ids')
    assert label.indices().tolist() == [[0, 18, 255]]


@pytest.mark.parametrize(
    'name, number, words',
    [
        ('ade20k', 255, 'reduced already: take ade20k-reduced.json'),
        ('ade20k-reduced', 150, 'take ade20k.json'),
        ('cityscapes', 255, 'train ids, not label ids: take'),
        ('cityscapes-train-ids', 26, 'label ids, not train ids: take'),
    ],
)
def test_the_other_way_to_number_is_named(tmp_path, name, number, words):
    label = painted(tmp_path, [[1, 1, 1], [1, number, 1]], name)
    place = f'number {number} at row 1, column 1'
    fails(lambda _: label.indices(), tmp_path / 'x.png', place, words)


def test_colours_are_no_numbers(tmp_path):
    label = painted(tmp_path, onp.zeros((2, 2, 3)), 'ade20k')
    fails(lambda _: label.indices(), tmp_path / 'x.png', 'colours')


@pytest.mark.parametrize(
    'more, words',
    [
        ({'ids': [1]}, '2 classes need as many ids'),
        ({'ids': [1, 1]}, 'the id 1 stands there twice'),
        ({'ids': [1, 2], 'void_ids': {'x': 2}}, 'the id 2 stands there twice'),
        ({'ids': [1, 256]}, '256 is no id'),
        ({'ids': [1, True]}, 'True is no id'),
        ({'void_ids': [0]}, 'void_ids need ids'),
        ({'endings': 'ab'}, 'endings are two texts'),
        ({'endings': ['a']}, 'endings are two texts'),
        ({'colours': []}, 'others than'),
        ({'names': ['a', 'a']}, 'two classes are called «a»'),
        ({'colors': [[1, 2, 3]]}, '2 colours'),
        ({'like': 'lost.json'}, 'lost.json'),
    ],
)
def test_a_wrong_table_is_named(tmp_path, more, words):
    content = json.dumps({'names': ['sky', 'sea'], **more})
    path = write(tmp_path / 'x.json', content)
    error = FileNotFoundError if 'like' in more else ValueError
    with pytest.raises(error, match=words):
        class_files.read_classes_file(path)


# -------------------------------------------------------- lists of programs


def test_cvats_list(tmp_path):
    text = '# label:color_rgb:parts:actions\nbackground:0,0,0::\n\n'
    text += 'traffic light:0, 128,3:a,b:\nignored:224,224,192::\r\n'
    path = write(tmp_path / 'labelmap.txt', '\ufeff' + text)
    found = class_files.read_labelmap(path)
    assert found.names == ['background', 'traffic light']
    assert found.colors == [[0, 0, 0], [0, 128, 3]]
    assert found.void_color == [224, 224, 192]


@pytest.mark.parametrize(
    'line', ['cat', 'cat:', 'cat:1,2::', 'cat:1,2,256::', ':1,2,3::', 'c:x::']
)
def test_a_wrong_line_of_cvats_list(tmp_path, line):
    path = write(tmp_path / 'labelmap.txt', f'background:0,0,0::\n{line}\n')
    fails(
        class_files.read_labelmap, path, 'line 2', line, 'write name:r,g,b::'
    )


def test_roboflows_list(tmp_path):
    text = 'Pixel Value, Class\n0, background\n3, traffic light\n2, "a, b"\n'
    found = class_files.read_class_csv(write(tmp_path / 'x.csv', text))
    assert found.names == ['background', 'traffic light', 'a, b']
    assert found.ids == [0, 3, 2]


@pytest.mark.parametrize('line', ['cat', '1', 'one, cat', '1, a, b', '-1, a'])
def test_a_wrong_line_of_roboflows_list(tmp_path, line):
    path = write(tmp_path / 'x.csv', f'Pixel Value, Class\n0, sky\n{line}\n')
    fails(class_files.read_class_csv, path, 'line 3')


def test_roboflows_numbers_are_there_once(tmp_path):
    path = write(tmp_path / 'x.csv', 'Pixel Value, Class\n0, sky\n0, sea\n')
    fails(class_files.read_class_csv, path, 'the id 0 stands there twice')


NAMES = ['cat', 'traffic light', "dog's"]


@pytest.mark.parametrize(
    'text',
    [
        "names: [cat, \"traffic light\", 'dog''s']",
        'nc: 3\nnames:\n- cat\n- traffic light  # a comment\n- "dog\'s"\nx: 1',
        "names:\n  - cat\n\n  - traffic light\n  - dog's\n",
        'path: x\nnames:\n  0: cat\n  2: "dog\'s"\n  1: traffic light\n',
        'names: {0: cat, 1: traffic light, 2: "dog\'s"}\nnc: 3',
        'names: ["cat",\n  "traffic light",\n  "dog\'s",\n]\nnc: 3\n',
    ],
)
def test_yolos_names_in_all_ways(tmp_path, text):
    path = write(tmp_path / 'data.yaml', text)
    assert class_files.read_yaml_names(path) == NAMES


@pytest.mark.parametrize(
    'text, words',
    [
        ('nc: 3', 'one entry «names:»'),
        ('names: [a]\nnames: [b]', 'one entry «names:»'),
        ('names: [a, b', 'has no end'),
        ('names: [a, [b]]', 'has no end'),
        ('names:\n', 'a class table names 1'),
        ('names:\n  0: a\n  2: b', 'not numbered 0, 1, 2'),
        ('names: [a, a]', 'two classes are called «a»'),
        ('names: [a, ""]', 'names of the classes'),
        ('names: [a,, b]', '«» is no name'),
    ],
)
def test_wrong_names_of_yolo(tmp_path, text, words):
    path = write(tmp_path / 'data.yaml', text)
    fails(class_files.read_yaml_names, path, words)


@given(
    st.lists(
        st.text(st.characters(max_codepoint=300, exclude_categories=['C'])),
        min_size=1,
        max_size=5,
        unique_by=str.casefold,
    ).filter(all)
)
@settings(max_examples=60, deadline=None)
def test_any_names_in_quotes_come_back(tmp_path_factory, names):
    if len({class_files.same_letters(name) for name in names}) < len(names):
        return
    if any(' #' in name for name in names):
        return  # taken for a comment
    path = tmp_path_factory.getbasetemp() / 'data.yaml'
    lines = ''.join(f'  - {json.dumps(name)}\n' for name in names)
    for text in (f'names: {json.dumps(names)}\n', f'names:\n{lines}nc: 1\n'):
        write(path, text)
        assert class_files.read_yaml_names(path) == names


def test_a_list_of_names(tmp_path):
    path = write(tmp_path / 'classes.txt', 'cat\r\ntraffic light \n\n')
    assert class_files.read_names(path) == ['cat', 'traffic light']
    fails(
        class_files.read_names, write(path, 'a\n\nb\n'), 'none of them empty'
    )
    path.write_bytes(b'\xff\xfe\x00')
    fails(class_files.read_names, path, 'save it as UTF-8')
