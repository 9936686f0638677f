"""Labels and names of one's own files that somebody else may have written."""

import base64
import io
import json
import os
import socket

import segbook
import utils
from parts import labelme

import numpy as onp
import pytest
from PIL import Image

TABLE = segbook.ClassTable(['background', 'ship', 'fish'])
HEIGHT, WIDTH = 60, 80
SHIP = {'label': 'ship', 'points': [[10, 10], [40, 12], [30, 40]]}
FISH = {'label': 'fish', 'points': [[50, 9], [70, 9], [60, 50]]}


def labelme_text(*shapes, **more):
    content = {'shapes': shapes, 'imageHeight': HEIGHT, 'imageWidth': WIDTH}
    return json.dumps(content | more)


@pytest.fixture
def own(tmp_path):
    """Three photos and their labels, in one folder."""
    folder = tmp_path / 'own'
    folder.mkdir()
    rng = onp.random.default_rng(0)
    for name in 'abc':
        photo = rng.integers(0, 256, (HEIGHT, WIDTH, 3), 'uint8')
        Image.fromarray(photo).save(folder / f'{name}.png')
        (folder / f'{name}.json').write_text(
            labelme_text(SHIP, FISH), encoding='utf-8'
        )
    return folder


def check(folder, labels=None):
    labels = folder if labels is None else labels
    return utils.check_own(folder, labels, TABLE, segbook.read_own)


def one_error(folder, file, *words, labels=None):
    """The check finds this error alone, and goes on with all other files."""
    classes, findings = check(folder, labels)
    errors = [str(finding) for finding in findings if finding.stops]
    assert len(errors) == 1, errors
    assert errors[0].startswith(f'error: {file}: '), errors[0]
    for word in words:
        assert word in errors[0], errors[0]
    assert len(errors[0]) < 2000 and errors[0].isprintable()
    assert {'a', 'c'} <= classes.keys()


# ------------------------------------------------------------------- fields


class Raw(str):
    """JSON as it stands in the file."""


ODD = [
    *(0, -1, 1.5, True, 10**400, float('nan'), float('inf'), Raw('1e400')),
    *('', 'x', '60', '\0', '\ud800', 'ship\n', [], ['ship'], {}, {'a': [1]}),
    Raw('[' * 900 + ']' * 900),
]


def with_field(key, value, of_shape):
    """A labelme file with such a value in a field."""
    shape, more = {'shape_type': 'polygon', **SHIP}, {}
    (shape if of_shape else more)[key] = 'HERE'
    stored = value if isinstance(value, Raw) else json.dumps(value)
    return labelme_text(shape, FISH, **more).replace('"HERE"', stored)


@pytest.mark.parametrize('key', ['label', 'points', 'shape_type'])
@pytest.mark.parametrize('value', ODD, ids=lambda value: repr(value)[:20])
def test_no_field_of_a_shape_is_of_another_type(own, key, value):
    (own / 'b.json').write_text(with_field(key, value, True), encoding='utf-8')
    one_error(own, 'b.json', 'shape 1')


@pytest.mark.parametrize('key', ['imageHeight', 'imageWidth'])
@pytest.mark.parametrize('value', ODD, ids=lambda value: repr(value)[:20])
def test_a_size_is_a_number_above_zero(own, key, value):
    (own / 'b.json').write_text(
        with_field(key, value, False), encoding='utf-8'
    )
    one_error(own, 'b.json')


def test_a_size_may_be_a_float_or_missing(own):
    for more in {'imageHeight': 60.0}, {'imageHeight': None}:
        (own / 'b.json').write_text(
            labelme_text(SHIP, FISH, **more), encoding='utf-8'
        )
        assert check(own)[1] == []


@pytest.mark.parametrize('value', ODD, ids=lambda value: repr(value)[:20])
def test_a_group_is_a_number_or_a_text(own, value):
    (own / 'b.json').write_text(
        with_field('group_id', value, True), encoding='utf-8'
    )
    if isinstance(value, list | dict) or str(value)[0:1] == '[':
        one_error(own, 'b.json', 'shape 1 (ship)', 'group_id')
    else:
        assert check(own)[1] == []


@pytest.mark.parametrize('value', ODD, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    'key', ['flags', 'imageData', 'version', 'mask', 'locked', 'description']
)
def test_fields_that_are_not_used_may_hold_anything(own, key, value):
    of_shape = key in ('flags', 'mask', 'locked', 'description')
    (own / 'b.json').write_text(
        with_field(key, value, of_shape), encoding='utf-8'
    )
    assert check(own)[1] == []


@pytest.mark.parametrize('value', [*ODD, None], ids=lambda v: repr(v)[:20])
def test_the_name_of_the_photo_is_a_text_or_not_said(own, value):
    (own / 'b.json').write_text(
        with_field('imagePath', value, False), encoding='utf-8'
    )
    classes, findings = check(own)
    assert {*'abc'} == classes.keys()
    says = isinstance(value, str) and not isinstance(value, Raw) and value
    assert len(findings) == bool(says)
    assert all('imagePath' in str(note) for note in findings)
    assert not any(note.stops for note in findings)


@pytest.mark.parametrize('value', [*ODD[3:], None, 10**6])
def test_a_coordinate_is_a_number_near_the_photo(own, value):
    points = '[[HERE, 1], [40, 12], [30, 40]]'
    stored = value if isinstance(value, Raw) else json.dumps(value)
    points = Raw(points.replace('HERE', stored))
    (own / 'b.json').write_text(
        with_field('points', points, True), encoding='utf-8'
    )
    one_error(own, 'b.json', 'shape 1 (ship)', 'cannot be drawn')


@pytest.mark.parametrize(
    'points',
    [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], [[[1, 2], [3, 4], [5, 6]]]],
)
def test_points_are_pairs(own, points):
    shape = {**SHIP, 'points': points}
    (own / 'b.json').write_text(labelme_text(shape, FISH), encoding='utf-8')
    one_error(own, 'b.json', 'shape 1 (ship)', 'pairs of numbers')


def test_a_visibility_beside_a_point_is_no_point(own):
    points = [[x, y, 2] for x, y in SHIP['points'] * 2]
    (own / 'b.json').write_text(
        labelme_text({**SHIP, 'points': points}), encoding='utf-8'
    )
    one_error(own, 'b.json', 'shape 1 (ship)', 'pairs of numbers')


def test_a_rectangle_of_three_corners_is_none(own):
    shape = {**SHIP, 'shape_type': 'rectangle'}
    (own / 'b.json').write_text(labelme_text(shape), encoding='utf-8')
    one_error(own, 'b.json', 'shape 1 (ship)', 'a rectangle of 3 points')


@pytest.mark.parametrize('kind', ['points', 'rotation', 'cuboid', 'Polygon'])
def test_what_labelme_does_not_fill_is_named(own, kind):
    shape = {**SHIP, 'shape_type': kind}
    (own / 'b.json').write_text(labelme_text(shape), encoding='utf-8')
    one_error(
        own, 'b.json', f"its shape_type is '{kind}'", 'known are polygon'
    )


def test_a_long_list_of_wrong_names_is_cut(own):
    shapes = [{**SHIP, 'label': f'whale {"o" * 10_000}'}] * 5000
    (own / 'b.json').write_text(labelme_text(*shapes), encoding='utf-8')
    one_error(own, 'b.json', '«whale ooo', '…» of shape 10, and more')


def test_names_are_shown_so_that_they_cannot_move_a_terminal(own):
    shape = {**SHIP, 'label': '\x1b[2J\u202efish\r\n'}
    (own / 'b.json').write_text(labelme_text(shape), encoding='utf-8')
    one_error(own, 'b.json', r'«\x1b[2J\u202efish\r\n» of shape 1')


# ------------------------------------------------------------------- masks


def mask_shape(mask):
    corners = [[3, 4], [12, 13]]
    return {**FISH, 'shape_type': 'mask', 'points': corners, 'mask': mask}


def picture_text(kind='PNG', size=(10, 10), **options):
    file = io.BytesIO()
    Image.new('1', size, 1).save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


EPS = base64.b64encode(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n')


@pytest.mark.parametrize(
    'mask',
    [*ODD, None, 'é', picture_text()[:60], EPS.decode(), picture_text('GIF')],
    ids=lambda value: repr(value)[:20],
)
def test_a_mask_is_a_picture_as_text(own, mask):
    stored = mask if isinstance(mask, Raw) else json.dumps(mask)
    text = labelme_text(SHIP, mask_shape('HERE')).replace('"HERE"', stored)
    (own / 'b.json').write_text(text, encoding='utf-8')
    one_error(own, 'b.json', 'shape 2 (fish)', 'cannot be drawn')


def test_a_mask_has_no_colours(own):
    file = io.BytesIO()
    Image.new('RGB', (10, 10), 'white').save(file, 'PNG')
    mask = mask_shape(base64.b64encode(file.getvalue()).decode())
    (own / 'b.json').write_text(labelme_text(SHIP, mask), encoding='utf-8')
    one_error(own, 'b.json', 'shape 2 (fish)', 'a picture in colours')


def test_masks_are_no_bombs(own, monkeypatch):
    bomb = mask_shape(picture_text(size=(20_000, 20_000)))
    (own / 'b.json').write_text(labelme_text(SHIP, bomb), encoding='utf-8')
    one_error(own, 'b.json', 'shape 2 (fish)', '400000000 pixels')
    monkeypatch.setattr(labelme, 'MOST_PIXELS', 250)
    (own / 'b.json').write_text(
        labelme_text(*[mask_shape(picture_text())] * 2), encoding='utf-8'
    )
    assert not any(finding.stops for finding in check(own)[1])
    (own / 'b.json').write_text(
        labelme_text(*[mask_shape(picture_text())] * 3), encoding='utf-8'
    )
    one_error(own, 'b.json', 'shape 3 (fish)', 'too many')


# ------------------------------------------------------------------ far away


def drawn(tmp_path, kind, *points):
    shape = {'label': 'ship', 'points': points, 'shape_type': kind}
    (tmp_path / 'x.json').write_text(labelme_text(shape), encoding='utf-8')
    shapes, _ = utils.read_labelme(tmp_path / 'x.json', TABLE)
    return utils.shape_mask(shapes[0], HEIGHT, WIDTH)


FAR = 99_000
Y, X = onp.mgrid[:HEIGHT, :WIDTH]


def test_a_shape_that_reaches_far_out_is_right_inside(tmp_path):
    half_plane = Y - 30 > (X - 40) / 2
    border = abs(Y - 30 - (X - 40) / 2) < 3
    points = (40 - FAR, 30 - FAR / 2), (40 + FAR, 30 + FAR / 2), (-FAR, FAR)
    mask = drawn(tmp_path, 'polygon', *points)
    assert (mask == half_plane)[~border].all()
    center = onp.array([40 - FAR / 4, 30 + FAR / 2])
    away = onp.hypot(X - center[0], Y - center[1])
    radius = onp.hypot(FAR / 4, FAR / 2)
    mask = drawn(tmp_path, 'circle', center.tolist(), (40, 30))
    assert (mask == (away < radius))[abs(away - radius) > 2].all()
    assert mask.any() and not mask.all()
    mask = drawn(tmp_path, 'rectangle', (-FAR, 20), (FAR, 40))
    assert (mask == ((Y >= 20) & (Y <= 40))).all()
    mask = drawn(tmp_path, 'line', points[0], points[1])
    away = abs(Y - 30 - (X - 40) / 2) * 2 / 5**0.5
    assert mask[away < 3].all() and not mask[away > 7].any()
    assert not drawn(tmp_path, 'point', (FAR, -FAR)).any()


@pytest.mark.parametrize(
    ('kind', 'points'),
    [
        ('circle', [[30, 30], [30, 1e6]]),
        ('polygon', [[-1e10, 5], [1e10, 5], [3, 1e10]]),
        ('line', [[5, 5], [1e300, 5]]),
        ('rectangle', [[-1e18, -1e18], [1e18, 1e18]]),
        ('point', [[2**31, 2**63]]),
    ],
)
def test_a_shape_that_reaches_farther_is_an_error_at_once(own, kind, points):
    shape = {'label': 'ship', 'points': points, 'shape_type': kind}
    (own / 'b.json').write_text(labelme_text(shape, FISH), encoding='utf-8')
    one_error(own, 'b.json', 'shape 1 (ship)', 'more than 100000 pixels away')


# -------------------------------------------------------------------- files


@pytest.mark.parametrize(
    'content',
    [
        b'[' * 100_000 + b']' * 100_000,
        b'{"shapes": ' + b'{"a": ' * 100_000,
        b'\xff\xfe{}',
        b'{"shapes": "\xff"}',
        b'{"shapes": [' + b'9' * 5000 + b']}',
        b'\0' * 1000,
        b'',
        b'null',
        b'{"shapes": {}}',
    ],
    ids=lambda content: repr(content[:16]),
)
def test_a_file_that_is_no_labelme_file(own, content):
    (own / 'b.json').write_bytes(content)
    one_error(own, 'b.json', 'is no')


def test_the_mark_that_windows_puts_before_a_text_is_no_error(own):
    text = (own / 'b.json').read_bytes()
    (own / 'b.json').write_bytes(b'\xef\xbb\xbf' + text)
    assert check(own)[1] == []


@pytest.mark.parametrize('encoding', ['gbk', 'cp1252', 'shift_jis', 'utf-16'])
def test_a_file_in_a_code_page_says_what_to_do(own, encoding):
    name = 'Bär' if encoding == 'cp1252' else '汽車'
    text = json.dumps(
        {'shapes': [{**SHIP, 'label': name}]}, ensure_ascii=False
    )
    (own / 'b.json').write_bytes(text.encode(encoding))
    one_error(own, 'b.json', 'is no JSON file in UTF-8', 'save it as UTF-8')


def test_a_huge_file_is_not_read(own, monkeypatch):
    with open(own / 'b.json', 'ab') as file:
        file.truncate(10**11)  # takes no room on the disk
    one_error(own, 'b.json', 'more than 64 MiB', 'Save With Image Data')
    (own / 'b.json').unlink()
    (own / 'b.json').write_text(
        labelme_text(*[SHIP] * 10_001), encoding='utf-8'
    )
    one_error(own, 'b.json', '10001 shapes')
    shape = {**SHIP, 'points': SHIP['points'] * 20_000}
    (own / 'b.json').write_text(labelme_text(shape, shape), encoding='utf-8')
    one_error(own, 'b.json', 'shape 2 (ship)', 'too many points')


def folder_there(path):
    path.mkdir()


def pipe_there(path):
    os.mkfifo(path)


def device_there(path):
    path.symlink_to('/dev/zero')


def link_to_nothing(path):
    path.symlink_to('nowhere')


def link_to_itself(path):
    path.symlink_to(path)


def socket_there(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.close()


@pytest.mark.parametrize('file', ['b.json', 'b.png'])
@pytest.mark.parametrize(
    'put',
    [
        *(folder_there, pipe_there, device_there, link_to_nothing),
        *(link_to_itself, socket_there),
    ],
)
def test_what_is_no_file_is_an_error_of_that_pair(own, file, put):
    (own / file).unlink()
    put(own / file)
    one_error(own, 'b.json', file)


def test_a_painted_label_may_be_no_file_either(own, tmp_path):
    masks = tmp_path / 'masks'
    masks.mkdir()
    for name in 'ac':
        utils.save_label(masks / f'{name}.png', Y // 20, TABLE.colormap)
    (masks / 'b.png').mkdir()
    one_error(own, 'b.png', 'is a folder', labels=masks)
    (masks / 'b.png').rmdir()
    Image.new('RGB', (WIDTH, HEIGHT)).save(masks / 'b.png', 'GIF')
    one_error(own, 'b.png', 'no picture', labels=masks)


# -------------------------------------------------------------------- names


@pytest.mark.parametrize(
    'name',
    [
        *(
            f'x{line_end}y'
            for line_end in '\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029'
        ),
        *(' x', 'x ', '\tx', 'x\u3000', '\xa0x'),
        os.fsdecode(b'\xff\xfe'),
    ],
    ids=ascii,
)
def test_a_name_that_a_list_cannot_hold_is_an_error(own, tmp_path, name):
    for ending in '.png', '.json':
        (own / f'b{ending}').rename(own / f'{name}{ending}')
    errors = [str(finding) for finding in check(own)[1]]
    assert len(errors) == 2
    assert all('cannot hold this name' in error for error in errors)
    assert all(error.isprintable() for error in errors)
    with pytest.raises(ValueError, match='cannot hold this name'):
        make(own, tmp_path / 'set')


def make(own, target):
    return utils.make_set(
        own, own, target, TABLE, segbook.read_own, segbook.split_names
    )


@pytest.mark.parametrize(
    'name', ['x y', "it's", '$b$', '日本', '-', 'a.b', '%']
)
def test_all_other_names_come_back(own, tmp_path, name):
    for ending in '.png', '.json':
        (own / f'b{ending}').rename(own / f'{name}{ending}')
    make(own, tmp_path / 'set')
    names = utils.read_split(tmp_path / 'set', 'trainval')
    assert sorted(names) == sorted(['a', 'c', name])


def test_all_kinds_of_damage_at_once_leave_the_good_files_checked(own):
    good = (own / 'b.json').read_bytes()
    for number, damage in enumerate(
        [b'', b'{}', good[:40], b'[' * 10**5, good.replace(b'10,', b'1e999,')]
    ):
        stem = own / f'damaged {number}'
        stem.with_suffix('.json').write_bytes(damage)
        stem.with_suffix('.png').write_bytes((own / 'b.png').read_bytes())
    classes, findings = check(own)
    assert set(classes) == {'a', 'b', 'c'}
    assert len(findings) == 5 and all(finding.stops for finding in findings)
