"""Which labels lie in a folder, and data sets made of each kind."""

import json

import segbook
import utils
from parts.exports import find_labels, look_alike
from test_coco import CATEGORIES, annotation
from test_labelme import FISH, HEIGHT, SHIP, WIDTH, shape, write_json
from tools.own import TABLES, classes_from, make_own

import numpy as onp
import pytest
from PIL import Image

NAMES = 'abcd'
SIZE = HEIGHT, WIDTH
# What each format says below, in its own way: a large ship, a small fish.
COLORS = {'background': (0, 0, 0), 'ship': (250, 50, 50), 'fish': (9, 9, 200)}
TRUTH = onp.zeros(SIZE, 'uint8')
TRUTH[10:51, 20:61] = 1
TRUTH[20:31, 30:41] = 2
BOXES = {'ship': (20, 10, 60, 50), 'fish': (30, 20, 40, 30)}


def corners(name):
    left, top, right, bottom = BOXES[name]
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
    return path


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def photos_in(folder, ending='.png'):
    rng = onp.random.default_rng(0)
    for name in NAMES:
        photo = rng.integers(0, 256, (*SIZE, 3), 'uint8')
        save(folder / f'{name}{ending}', photo)
    return folder


def labelme(top):
    photos_in(top)
    for name in NAMES:
        shapes = [shape(one, corners(one)) for one in BOXES]
        write_json(top / f'{name}.json', *shapes)
    return {'photos': top}


def in_colours(top):
    colors = onp.array([*COLORS.values()], 'uint8')
    for name in NAMES:
        save(top / 'labels' / f'{name}.png', colors[TRUTH])
    stored = {'names': [*COLORS], 'colors': [*COLORS.values()], 'void': 255}
    stored['void_color'] = [1, 1, 1]
    write(top / 'labels' / 'classes.json', json.dumps(stored))
    return {'photos': photos_in(top / 'photos'), 'labels': top / 'labels'}


def in_grey(top):
    for name in NAMES:
        save(top / 'labels' / f'{name}.png', TRUTH)
    return {
        'photos': photos_in(top / 'photos'),
        'labels': top / 'labels',
        'classes': 'background ship fish',
    }


def in_coco(top):
    images, annotations = [], []
    for number, name in enumerate(NAMES, 10):
        image = {'id': number, 'file_name': f'train/{name}.png'}
        images.append(image | {'height': HEIGHT, 'width': WIDTH})
        for category, one in ((3, 'ship'), (7, 'fish')):
            outline = [sum(corners(one), [])]
            annotations.append(annotation(outline, category, number))
    content = {'images': images, 'annotations': annotations}
    content['categories'] = CATEGORIES
    write(top / '_annotations.coco.json', json.dumps(content))
    return {'photos': photos_in(top)}


def in_yolo(top):
    write(top / 'data.yaml', 'nc: 2\nnames: [fish, ship]\n')
    lines = ''
    for number, one in ((1, 'ship'), (0, 'fish')):
        shares = [f'{x / WIDTH} {y / HEIGHT}' for x, y in corners(one)]
        lines += f'{number} {" ".join(shares)}\n'
    for name in NAMES:
        write(top / 'train' / 'labels' / f'{name}.txt', lines)
    return {'photos': photos_in(top / 'train' / 'images')}


def of_cvat(top):
    lines = [f'{one}:{r},{g},{b}::' for one, (r, g, b) in COLORS.items()]
    write(top / 'labelmap.txt', '# label:color_rgb:parts:actions\n')
    write(top / 'labelmap.txt', '\n'.join(lines))
    colors = onp.array([*COLORS.values()], 'uint8')
    for name in NAMES:
        save(top / 'SegmentationClass' / f'{name}.png', colors[TRUTH])
    photos_in(top / 'JPEGImages')
    return {'photos': top}


def of_roboflow(top):
    write(
        top / '_classes.csv',
        'Pixel Value, Class\n0, background\n1, fish\n2, ship\n',
    )
    numbers = onp.array([0, 2, 1], 'uint8')
    for name in NAMES:
        save(top / f'{name}_mask.png', numbers[TRUTH])
    return {'photos': photos_in(top)}


def of_cityscapes(top):
    ids = onp.array([0, 26, 33], 'uint8')  # unlabeled, car, bicycle
    photos_in(top / 'photos', '_leftImg8bit.png')
    for name in NAMES:
        save(top / 'gt' / f'{name}_gtFine_labelIds.png', ids[TRUTH])
        save(top / 'gt' / f'{name}_gtFine_instanceIds.png', ids[TRUTH])
    return {
        'photos': top / 'photos',
        'labels': top / 'gt',
        'classes': 'cityscapes.json',
    }


KINDS = {
    'labelme': (labelme, ['background', 'fish', 'ship']),
    'painted labels': (in_grey, [*COLORS]),
    'painted labels, colours': (in_colours, [*COLORS]),
    'COCO': (in_coco, [*COLORS]),
    'YOLO': (in_yolo, ['background', 'fish', 'ship']),
    'masks of CVAT': (of_cvat, [*COLORS]),
    'masks of Roboflow': (of_roboflow, ['background', 'fish', 'ship']),
}


@pytest.mark.parametrize('kind', KINDS)
def test_each_kind_becomes_the_same_data_set(tmp_path, capsys, kind):
    """But for the order of its classes, and the void along outlines."""
    make, names = KINDS[kind]
    target = make_own(**make(tmp_path / 'in'), out=tmp_path / 'set')
    printed = capsys.readouterr().out
    assert f'labels: {kind.partition(",")[0]}\n' in printed
    assert 'note' not in printed and 'error' not in printed
    found = segbook.VOCSegDataset(target, 'trainval')
    assert found.table.names == names and len(found) == 4
    order = onp.array([names.index(one) for one in COLORS])
    border = segbook.void_border(TRUTH.astype(int))
    for i, name in enumerate(found.names):
        _, label = found[i]
        assert name == NAMES[i]
        assert (label == onp.where(border, 255, order[TRUTH])).all()


def test_cityscapes_is_read_by_its_table(tmp_path):
    given = of_cityscapes(tmp_path)
    target = make_own(**given, out=tmp_path / 'set')
    found = segbook.VOCSegDataset(target, 'val')
    assert len(found.table.names) == 19
    assert set(onp.unique(found[0][1])) == {13, 18, 255}
    given['classes'] = 'cityscapes-train-ids.json'
    with pytest.raises(ValueError, match='holds no label called'):
        make_own(**given, out=tmp_path / 'other')


@pytest.mark.parametrize('found_with', ['ade20k', 'ade20k-reduced'])
def test_ade20k_is_read_by_its_tables(tmp_path, capsys, found_with):
    """The other table of the two is refused, for each file, with a reason."""
    indices = onp.array([255, 149, 0], 'uint8')[TRUTH]
    stored = indices + 1 if found_with == 'ade20k' else indices
    photos_in(tmp_path / 'photos')
    for name in NAMES:
        save(tmp_path / 'labels' / f'{name}.png', stored)
    for name in ('ade20k', 'ade20k-reduced'):
        place = {
            'photos': tmp_path / 'photos',
            'labels': tmp_path / 'labels',
            'classes': f'{name}.json',
            'out': tmp_path / name,
        }
        if name == found_with:
            target = make_own(**place)
            label = segbook.VOCSegDataset(target, 'val')[0][1]
            assert set(onp.unique(label)) == {0, 149, 255}
            continue
        with pytest.raises(ValueError, match=r'errors \(4\)'):
            make_own(**place)
        assert capsys.readouterr().out.count(f'take {found_with}.json') == 4


def test_classes_counted_from_one_get_a_hint(tmp_path, capsys):
    given = in_grey(tmp_path) | {'classes': 'ship fish'}
    with pytest.raises(ValueError, match='no data set is made'):
        make_own(**given, out=tmp_path / 'set')
    assert 'count the 2 classes from 1' in capsys.readouterr().out


# ------------------------------------------------------- what is recognised


def test_a_file_of_coco_may_be_named(tmp_path):
    photos = in_coco(tmp_path / 'in')['photos']
    path = (photos / '_annotations.coco.json').rename(tmp_path / 'all.json')
    _, labels, classes, kind = find_labels(photos, path)
    assert kind == 'COCO' and classes.names == [*COLORS]
    assert sorted(labels.labels) == [*NAMES]


@pytest.mark.parametrize(
    'both, words',
    [
        (
            (in_coco, labelme),
            'COCO (_annotations.coco.json), labelme (a.json)',
        ),
        ((in_coco, of_roboflow), 'Roboflow'),
        ((labelme, of_roboflow), 'labelme (a.json)'),
    ],
)
def test_labels_of_two_kinds_are_refused_by_name(tmp_path, both, words):
    for make in both:
        given = make(tmp_path)
    with pytest.raises(ValueError) as error:
        find_labels(given['photos'])
    text = str(error.value)
    assert f'{tmp_path} holds labels of several kinds: ' in text
    for word in (*words, 'LABELS='):
        assert word in text


def test_two_files_of_coco_are_refused(tmp_path):
    given = in_coco(tmp_path)
    text = (tmp_path / '_annotations.coco.json').read_text('utf-8')
    write(tmp_path / 'val.json', text)
    with pytest.raises(ValueError, match=r'several kinds.*val\.json'):
        find_labels(given['photos'])


def test_labels_beside_the_photos_come_first(tmp_path):
    """Else those in folders that programs make for labels."""
    given = in_yolo(tmp_path)
    assert find_labels(**given)[3] == 'YOLO'
    write_json(given['photos'] / 'a.json', SHIP)
    assert find_labels(**given)[3] == 'labelme'


def test_what_is_not_there_is_named(tmp_path):
    photos = photos_in(tmp_path / 'photos')
    with pytest.raises(FileNotFoundError, match='there is no folder .*lost'):
        find_labels(tmp_path / 'lost')
    with pytest.raises(FileNotFoundError, match='folder or file .*lost'):
        find_labels(photos, tmp_path / 'lost')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty holds no photo of the kinds'):
        find_labels(tmp_path / 'empty')
    with pytest.raises(ValueError, match='no labels of the photos in.*known'):
        find_labels(photos)


def test_files_that_are_no_labels_are_named(tmp_path):
    photos = photos_in(tmp_path / 'photos')
    path = write_json(tmp_path / 'a.json', SHIP)
    with pytest.raises(ValueError, match='it is of labelme: name the folder'):
        find_labels(photos, path)
    with pytest.raises(ValueError, match='not of COCO'):
        find_labels(photos, write(tmp_path / 'x.json', '[]'))
    with pytest.raises(ValueError, match=r'x\.json is no JSON file'):
        find_labels(photos, write(tmp_path / 'x.json', '{'))


def test_painted_labels_need_names(tmp_path):
    given = in_grey(tmp_path)
    del given['classes']
    with pytest.raises(ValueError, match=r'a\.png is painted, and nothing'):
        find_labels(**given)


def test_yolos_numbers_need_names(tmp_path):
    given = in_yolo(tmp_path / 'in')
    (tmp_path / 'in' / 'data.yaml').unlink()
    with pytest.raises(ValueError, match='nothing says what the numbers'):
        find_labels(**given)
    write(tmp_path / 'in' / 'train' / 'classes.txt', 'fish\nship\n')
    assert find_labels(**given)[2].names == ['background', 'fish', 'ship']


def test_photos_and_files_of_coco_that_lack_the_other(tmp_path):
    given = in_coco(tmp_path)
    (tmp_path / 'a.png').unlink()
    save(tmp_path / 'e.png', TRUTH)
    photos, labels, classes, _ = find_labels(**given)
    table = segbook.ClassTable(**classes.arguments())
    first, second = utils.own_files(photos, labels)[1]
    assert str(first).startswith('note: e.png: this photo has no label')
    assert str(second).startswith(
        'note: _annotations.coco.json (train/a.png): this label has no photo'
    )
    assert len(table.names) == 3


def test_a_number_that_the_list_of_roboflow_lacks(tmp_path, capsys):
    """File, place, and where to write it down."""
    given = of_roboflow(tmp_path)
    write(tmp_path / '_classes.csv', 'Pixel Value, Class\n0, none\n1, fish\n')
    with pytest.raises(ValueError, match=r'errors \(4\)'):
        make_own(**given, out=tmp_path / 'set')
    assert (
        'error: c_mask.png: number 2 at row 10, column 20 is no class'
    ) in (printed := capsys.readouterr().out)
    assert printed.count('add a line for it to _classes.csv') == 4


# ---------------------------------------------------------------- classes


def test_given_names_say_the_order(tmp_path):
    for number, make in enumerate((of_cvat, of_roboflow, in_coco, in_yolo)):
        given = make(tmp_path / str(number))
        given['classes'] = 'fish background ship'
        target = make_own(**given, out=tmp_path / f'set {number}')
        found = segbook.VOCSegDataset(target, 'trainval')
        assert found.table.names == ['fish', 'background', 'ship']
        label = found[0][1]
        assert (label[25, 35], label[45, 55], label[2, 2]) == (0, 2, 1)


def test_a_given_name_that_no_label_has(tmp_path):
    for number, make in enumerate((of_cvat, of_roboflow)):
        given = make(tmp_path / str(number))
        given['classes'] = 'background ship whale'
        with pytest.raises(ValueError, match='have no class «whale»; they'):
            make_own(**given, out=tmp_path / 'set')


@pytest.mark.parametrize(
    'text, words',
    [
        ('cat', 'one class alone'),
        ('cat cat', 'two classes are called «cat»'),
        ('cat "dog', 'No closing quotation'),
        (' ', 'names 1 to 255 classes'),
    ],
)
def test_wrong_classes_are_named(text, words):
    with pytest.raises(ValueError) as error:
        classes_from(text)
    assert str(error.value).startswith(f'CLASSES={text}'.rstrip())
    assert words in str(error.value)


def test_classes_may_be_files(tmp_path):
    path = write(tmp_path / 'names.txt', 'sky\nopen sea\n')
    assert classes_from(str(path)).names == ['sky', 'open sea']
    assert classes_from('sky "open sea"').names == ['sky', 'open sea']
    path = TABLES / 'cityscapes.json'
    assert classes_from(str(path)) == classes_from('cityscapes.json')
    assert classes_from('') is None
    for lost in (tmp_path / 'x.json', tmp_path / 'x.txt'):
        with pytest.raises(FileNotFoundError, match=lost.name):
            classes_from(str(lost))


def test_names_that_look_alike():
    names = ['background', 'fish', 'fihs', 'Ship', 'ship', 'cat', 'car']
    assert look_alike(names) == [('fish', 'fihs'), ('Ship', 'ship')]


def test_a_slip_of_the_pen_is_noted(tmp_path, capsys):
    given = labelme(tmp_path / 'in')
    slip = shape('fihs', FISH['points'], 'rectangle')
    write_json(tmp_path / 'in' / 'b.json', SHIP, slip)
    make_own(**given, out=tmp_path / 'set')
    assert '«fihs» and «fish» look alike' in capsys.readouterr().out
