"""Photos and labels of one's own: borders, checks, splits, writing."""

import errno
import json
import os
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import segbook
import utils
from parts import own_data
from test_labelme import (
    FISH,
    HEIGHT,
    SHIP,
    TABLE,
    WIDTH,
    box,
    draw,
    shape,
    write_json,
)

import numpy as onp
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image


def photo(height=HEIGHT, width=WIDTH):
    rng = onp.random.default_rng(height * width)
    return rng.integers(0, 256, (height, width, 3), dtype='uint8')


def write_photo(path, image=None, **options):
    Image.fromarray(photo() if image is None else image).save(path, **options)


@pytest.fixture
def own(tmp_path):
    """Four photos and four labelme files in one folder."""
    folder = tmp_path / 'my photos'
    folder.mkdir()
    buoy = shape('buoy', [[60, 12], [60, 20]], 'circle')
    for name, shapes in {
        'a 1': [SHIP],
        'b': [SHIP, FISH],
        'c': [FISH, buoy],
        'd': [buoy],
    }.items():
        write_photo(folder / f'{name}.jpg')
        write_json(folder / f'{name}.json', *shapes)
    return folder


def check(photos, labels=None, table=TABLE):
    labels = photos if labels is None else labels
    return utils.check_own(photos, labels, table, segbook.read_own)


def messages(photos, labels=None, table=TABLE):
    return [str(finding) for finding in check(photos, labels, table)[1]]


def only(lines, kind, file, *words):
    """There is one such finding, and it has these words."""
    assert len(lines) == 1, lines
    assert lines[0].startswith(f'{kind}: {file}: '), lines[0]
    for word in words:
        assert word in lines[0], lines[0]


# ------------------------------------------------------- shapes and borders


def test_later_shapes_hide_earlier_ones(tmp_path):
    ship = shape('ship', box(10, 10, 30, 30), 'rectangle')
    fish = shape('fish', box(20, 20, 40, 40), 'rectangle')
    label, things = draw(tmp_path, ship, fish)
    assert label.dtype == onp.uint8 and label[25, 25] == 2
    assert (label == 2).sum() == 21 * 21
    assert label[12, 12] == 1 and label[50, 50] == 0
    assert things[50, 50] == 0
    assert len({things[12, 12], things[25, 25], 0}) == 3
    assert draw(tmp_path, fish, ship)[0][25, 25] == 1


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_border_is_what_has_another_object_near(data):
    height, width = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    cells = data.draw(
        st.lists(
            st.sampled_from([-1, 0, 1, 2]),
            min_size=height * width,
            max_size=height * width,
        )
    )
    reach = data.draw(st.integers(0, 3))
    things = onp.array(cells).reshape(height, width)
    border = segbook.void_border(things, reach)
    for y in range(height):
        for x in range(width):
            near = any(
                things[v, u] not in (-1, things[y, x])
                for v in range(height)
                for u in range(width)
                if (v - y) ** 2 + (u - x) ** 2 <= reach**2
            )
            assert border[y, x] == (near and things[y, x] != -1)


def test_the_border_lies_on_both_sides(tmp_path):
    path = write_json(tmp_path / 'x.json', FISH)
    label = segbook.read_own(path, TABLE, (HEIGHT, WIDTH))
    row = label[40]
    assert (row[45:48] == 0).all() and (row[48:52] == 255).all()
    assert (row[52:69] == 2).all() and (row[69:73] == 255).all()
    plain = segbook.read_own(path, TABLE, (HEIGHT, WIDTH), border=0)
    assert set(onp.unique(plain)) == {0, 2}


def test_painted_labels_get_borders_between_classes_only(tmp_path):
    label = onp.zeros((HEIGHT, WIDTH), 'uint8')
    label[:, 30:] = 2
    label[:, 50:56] = 255  # has its border already
    label[:, 56:] = 1
    path = tmp_path / 'x.png'
    for stored in (label, segbook.label_to_color(label)):
        Image.fromarray(stored).save(path)
        read = segbook.read_own(path, TABLE, (HEIGHT, WIDTH))
        expected = label.copy()
        expected[:, 28:32] = 255
        assert (read == expected).all()


# ------------------------------------------------------------------- checks


def test_good_labels_give_no_findings(own):
    classes, findings = check(own)
    assert findings == []
    assert classes == {
        'a 1': {0, 1},
        'b': {0, 1, 2},
        'c': {0, 2, 3},
        'd': {0, 3},
    }


def test_names_that_are_not_in_the_table(own):
    shapes = [SHIP, shape('fihs', FISH['points'], 'rectangle')]
    write_json(own / 'b.json', *shapes, shape('whale', SHIP['points']))
    words = '«fihs» of shape 2 (is it «fish»?)', '«whale» of shape 3', 'rename'
    only(messages(own), 'error', 'b.json', *words)


@pytest.mark.parametrize(
    'bad',
    [
        shape('ship', [[1, 2], [3, 4]]),
        shape('ship', [[1, 2], [3, 4], [5]]),
        shape('ship', [[1, 2], [3, 4], [5, float('nan')]]),
        shape('ship', [[1, 2], [3, 4]], 'ellipse'),
        shape('ship', [[1, 2]], 'circle'),
        shape('ship', [], 'point'),
        shape('ship', box(1, 2, 3, 4), 'mask', mask='no picture'),
        shape('ship', box(1, 2, 3, 4), 'mask'),
        {'label': 'ship'},
    ],
)
def test_shapes_that_cannot_be_drawn(own, bad):
    write_json(own / 'b.json', SHIP, bad)
    words = 'shape 2 (ship) cannot be drawn', 'draw it anew'
    only(messages(own), 'error', 'b.json', *words)


def test_files_that_are_not_of_labelme(own):
    for text, words in (
        ('{"shapes": [', 'is no JSON file'),
        ('[1, 2]', 'is not of labelme'),
        ('{"imageWidth": 4}', 'is not of labelme'),
        ('{"shapes": [7]}', '«None» of shape 1'),
    ):
        (own / 'b.json').write_text(text, encoding='utf-8')
        only(messages(own), 'error', 'b.json', words)
    (own / 'b.json').write_bytes(b'\xff\xfe\x00')
    only(messages(own), 'error', 'b.json', 'is no JSON file')


def test_sizes_that_differ(own):
    write_photo(own / 'b.jpg', photo(30, 40))
    words = 'is 80x60 pixels, b.jpg 40x30', 'full size'
    only(messages(own), 'error', 'b.json', *words)


def test_labelme_files_need_not_say_the_size(own):
    content = json.loads((own / 'b.json').read_text('utf-8'))
    content['imageHeight'] = content['imageWidth'] = None
    (own / 'b.json').write_text(json.dumps(content), encoding='utf-8')
    assert messages(own) == []


def turned(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = photo(WIDTH, HEIGHT) if orientation >= 5 else photo()
    write_photo(path, pixels, exif=exif)


def test_photos_that_are_stored_turned(own):
    for orientation in (3, 6, 8):
        turned(own / 'b.jpg', orientation)  # upright, it is as the label is
        words = 'b.jpg is stored turned', 'look'
        only(messages(own), 'note', 'b.json', *words)
    write_json(own / 'b.json', SHIP, FISH, size=(WIDTH, HEIGHT))
    only(messages(own), 'error', 'b.json', 'stored sideways', 'upright')


def test_files_without_their_other_half(own):
    (own / 'a 1.json').unlink()
    write_json(own / 'e.json', SHIP)
    first, second = messages(own)
    only([first], 'note', 'a 1.jpg', 'photo has no label')
    only([second], 'note', 'e.json', 'label has no photo')


def test_endings_may_be_in_any_case(painted, own, tmp_path):
    for file in own.iterdir():
        ending = {'.jpg': '.JPG', '.json': '.Json'}[file.suffix]
        file.rename(file.with_suffix(ending))
    classes, findings = check(own)
    assert findings == [] and classes['b'] == {0, 1, 2}
    write_json(own / 'b.Json', SHIP, size=(WIDTH, HEIGHT))
    only(messages(own), 'error', 'b.Json', 'is 60x80 pixels, b.JPG 80x60')
    write_json(own / 'b.Json', SHIP)
    make(own, tmp_path / 'set')
    assert len(utils.read_split(tmp_path / 'set', 'trainval')) == 4
    # A painted label is looked at as closely.
    photos, labels, label = painted
    small = Image.fromarray(label * 60).resize((40, 30))
    small.resize((80, 60), Image.BILINEAR).save(labels / 'y.PNG')
    (labels / 'y.png').unlink()
    only(messages(photos, labels), 'error', 'y.PNG', 'smoothing or scaling')
    (labels / 'y.PNG').unlink()
    write_photo(labels / 'y.JPEG')
    assert any('y.JPEG: JPEG changes' in m for m in messages(photos, labels))


def test_a_letter_may_be_written_in_either_way(own, tmp_path):
    (own / 'b.jpg').rename(own / 'Ba\u0308r.jpg')
    (own / 'b.json').rename(own / 'B\xe4r.json')
    classes, findings = check(own)
    assert findings == [] and 'B\xe4r' in classes
    make(own, tmp_path / 'set')
    assert 'B\xe4r' in utils.read_split(tmp_path / 'set', 'trainval')
    write_photo(own / 'B\xe4r.jpg')
    only(messages(own), 'error', 'B\xe4r.jpg', 'has the same name')


def test_what_systems_leave_in_folders_is_left_out(own, tmp_path):
    for name in '._b.jpg', '._b.json', '._a 1.json', '.DS_Store', 'Thumbs.db':
        (own / name).write_bytes(b'\0\5\x16\7\0\2\0\0Mac OS X        ')
    assert check(own)[1] == []
    target = tmp_path / 'set'
    make(own, target)
    for name in '._JPEGImages', '.DS_Store', 'Thumbs.db', 'desktop.ini':
        (target / name).touch()
    make(own, target)
    (target / '.git').mkdir()
    with pytest.raises(FileExistsError, match=r'\.git, which is no part'):
        make(own, target)


def test_the_photo_that_labelme_names(own):
    for name in 'b.jpg', '../my photos/b.png', '..\\my photos\\b.JPG', 'b':
        write_json(own / 'b.json', SHIP, imagePath=name)
        assert messages(own) == []
    for name in 'c.jpg', '..\\b.jpg\\old.jpg', 'b.old.jpg':
        write_json(own / 'b.json', SHIP, imagePath=name)
        words = 'was drawn on «', '(its imagePath)', 'taken for b.jpg'
        only(messages(own), 'note', 'b.json', *words)


def test_links_to_nothing_do_not_end_the_check(own, painted):
    photos, labels, _ = painted
    for name in 'nowhere', 'u.png':
        (photos / 'u.png').unlink(missing_ok=True)
        (photos / 'u.png').symlink_to(name)
        write_photo(labels / 'u.jpg')
        lines = messages(photos, labels)
        assert len(lines) == 2 and 'u.jpg: JPEG changes' in lines[1]


def test_photos_of_one_name(own):
    write_photo(own / 'b.png')
    only(messages(own), 'error', 'b.png', 'b.jpg has the same name')


def test_damaged_photos(own):
    content = (own / 'b.jpg').read_bytes()
    (own / 'b.jpg').write_bytes(content[: len(content) // 2])
    only(messages(own), 'error', 'b.json', 'b.jpg cannot be read')


def test_classes_without_a_pixel(own):
    write_json(own / 'c.json', FISH)
    write_json(own / 'd.json', FISH)
    only(messages(own), 'note', 'all labels', 'class 3, «buoy», has no pixel')


def test_shapes_that_may_be_meant_otherwise(own):
    write_json(own / 'd.json')
    only(messages(own), 'note', 'd.json', 'no shapes: all', 'is background')
    table = segbook.ClassTable(TABLE.names[1:])
    assert 'no shapes: all of the photo is void' in ' '.join(
        messages(own, table=table)
    )
    buoy = shape('buoy', [[60, 12], [60, 20]], 'circle')
    far = shape('ship', [[10, 10], [200, 12], [30, 40]])
    write_json(own / 'd.json', buoy, far)
    only(messages(own), 'note', 'd.json', 'shape 2 reaches out of the photo')
    thin = shape('fish', box(5, 55, 30, 57), 'rectangle')
    write_json(own / 'd.json', buoy, thin)
    only(messages(own), 'note', 'd.json', 'no pixel of its «fish» is left')


def test_folders_without_pairs_or_none(own, tmp_path):
    with pytest.raises(FileNotFoundError, match='no folder .*nowhere'):
        check(own, tmp_path / 'nowhere')
    empty = tmp_path / 'empty'
    empty.mkdir()
    only(messages(empty), 'error', 'empty', 'no photo has a label')


# ----------------------------------------------------------- painted labels


@pytest.fixture
def painted(tmp_path):
    """A folder of photos, one of painted labels, and the labels."""
    photos, labels = tmp_path / 'photos', tmp_path / 'masks'
    photos.mkdir()
    labels.mkdir()
    label = onp.zeros((HEIGHT, WIDTH), 'uint8')
    label[10:30, 10:30], label[10:30, 40:60], label[40:55, 5:25] = 1, 2, 3
    for name in 'xyz':
        write_photo(photos / f'{name}.png')
        Image.fromarray(label).save(labels / f'{name}.png')
    return photos, labels, label


def test_painted_labels_are_read(painted):
    photos, labels, label = painted
    Image.fromarray(segbook.label_to_color(label)).save(labels / 'y.png')
    utils.save_label(labels / 'z.png', label, TABLE.colormap)
    classes, findings = check(photos, labels)
    assert findings == [] and set(map(frozenset, classes.values())) == {
        frozenset({0, 1, 2, 3})
    }


def test_a_colour_off_the_palette(painted):
    photos, labels, label = painted
    colors = segbook.label_to_color(label)
    colors[20, 15] = colors[21, 15] = 200, 100, 50
    Image.fromarray(colors).save(labels / 'y.png')
    words = '(200, 100, 50) at row 20, column 15', '(1 such in 0.0%', 'table'
    only(messages(photos, labels), 'error', 'y.png', *words)


def test_a_label_that_jpeg_compressed(painted):
    photos, labels, label = painted
    file = BytesIO()
    Image.fromarray(segbook.label_to_color(label)).save(file, 'JPEG')
    Image.open(file).save(labels / 'y.png')
    words = 'at row', 'JPEG compression', 'export it again as PNG'
    only(messages(photos, labels), 'error', 'y.png', *words)
    (labels / 'y.png').unlink()
    (labels / 'y.jpg').write_bytes(file.getvalue())
    first, second = messages(photos, labels)
    only([first], 'note', 'y.png', 'photo has no label')
    only([second], 'error', 'y.jpg', 'cannot hold a label')


def test_a_label_that_was_scaled_smoothly(painted):
    photos, labels, label = painted
    image = Image.fromarray(label * 60)
    small = image.resize((40, 30)).resize((80, 60), Image.BILINEAR)
    small.save(labels / 'y.png')
    words = 'index', 'smoothing or scaling'
    only(messages(photos, labels), 'error', 'y.png', *words)


def test_indices_that_are_not_in_the_table(painted):
    photos, labels, label = painted
    label[12, 13] = 7
    Image.fromarray(label).save(labels / 'y.png')
    words = 'index 7 at row 12, column 13', 'add it to the class table'
    only(messages(photos, labels), 'error', 'y.png', *words)


def test_a_palette_that_means_something_else(painted):
    photos, labels, label = painted
    utils.save_label(labels / 'y.png', label, TABLE.colormap[::-1])
    words = 'draws index 0 in the colour', 'the data set in (0, 0, 0)'
    only(messages(photos, labels), 'error', 'y.png', *words)


def test_black_and_white_labels_hold_no_class(painted):
    photos, labels, label = painted
    Image.fromarray((label > 0) * onp.uint8(255)).save(labels / 'y.png')
    only(messages(photos, labels), 'note', 'y.png', 'class 0 and void')


def test_painted_labels_of_another_size(painted):
    photos, labels, label = painted
    Image.fromarray(label[::2]).save(labels / 'y.png')
    only(messages(photos, labels), 'error', 'y.png', 'is 80x30 pixels, y.png')


# ------------------------------------------------------------------- splits


@given(
    st.dictionaries(
        st.text('abcdef', min_size=1, max_size=4),
        st.integers(0, 4).map(lambda i: {i}),
        min_size=2,
        max_size=30,
    ),
    st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_every_class_is_in_both_parts_if_it_can(classes, seed):
    """Here each photo shows one class, so that nothing prevents it."""
    split = segbook.split_names(classes, seed=seed)
    assert split == segbook.split_names(classes, seed=seed)
    backwards = dict(reversed(classes.items()))
    assert split == segbook.split_names(backwards, seed=seed)
    train, val = split['train'], split['val']
    assert sorted(train + val) == sorted(classes)
    images = {}
    for name, indices in classes.items():
        for index in indices:
            images.setdefault(index, []).append(name)
    for names in images.values():
        if len(names) > 1:
            assert set(names) & set(train) and set(names) & set(val)
        else:
            assert names[0] in train
    assert all(type(name) is str for name in train + val)


def test_the_share_is_kept_and_the_seed_matters():
    classes = {f'p{i}': {0, i % 3} for i in range(40)}
    splits = [segbook.split_names(classes, 0.3, seed) for seed in range(5)]
    assert {len(split['val']) for split in splits} == {12}
    assert len({tuple(split['val']) for split in splits}) > 1


@given(
    st.lists(st.sets(st.integers(1, 5), min_size=1), min_size=4, max_size=12)
)
@settings(max_examples=80, deadline=None)
def test_no_class_loses_its_last_photo_for_training(shown):
    classes = {f'p{i}': {0} | set(s) for i, s in enumerate(shown)}
    split = segbook.split_names(classes)
    everywhere = set().union(*classes.values())
    assert everywhere == set().union(*(classes[n] for n in split['train']))
    assert set(split['train']).isdisjoint(split['val'])


# ------------------------------------------------------------------ writing


def make(photos, target, labels=None, table=TABLE, split=None):
    labels = photos if labels is None else labels
    split = split or segbook.split_names
    return utils.make_set(
        photos, labels, target, table, segbook.read_own, split
    )


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob('*'))
        if path.is_file()
    }


def test_a_data_set_is_written_and_read(own, tmp_path):
    target = tmp_path / 'new' / 'set'
    assert make(own, target) == []
    names = {}
    for split in ('train', 'val', 'trainval'):
        data = segbook.VOCSegDataset(target, split, table=TABLE)
        names[split] = set(data.names)
        for i, name in enumerate(data.names):
            image, label = data[i]
            expected = segbook.read_own(
                own / f'{name}.json', TABLE, (HEIGHT, WIDTH)
            )
            assert (label == expected).all()
            assert (image == utils.read_image(own / f'{name}.jpg')).all()
    assert names['train'] | names['val'] == {'a 1', 'b', 'c', 'd'}
    assert names['trainval'] == {'a 1', 'b', 'c', 'd'}
    with Image.open(target / 'SegmentationClass' / 'b.png') as label:
        assert label.mode == 'P'
        assert tuple(label.getpalette()[3:6]) == (128, 0, 0)
        assert tuple(label.getpalette()[-3:]) == (224, 224, 192)
    assert (own / 'b.jpg').read_bytes() == (
        target / 'JPEGImages' / 'b.jpg'
    ).read_bytes()
    stored = json.loads((target / 'classes.json').read_text('utf-8'))
    assert segbook.ClassTable(**stored).names == TABLE.names
    first = contents(target)
    make(own, target)  # a second time: the same
    assert contents(target) == first


def test_photos_become_upright_rgb_files(own, tmp_path):
    turned(own / 'b.jpg', 6)
    Image.fromarray(photo()).convert('L').save(own / 'c.jpg')
    (own / 'd.jpg').unlink()
    write_photo(own / 'd.bmp')
    target = tmp_path / 'set'
    findings = make(own, target)
    assert [finding.file for finding in findings] == ['b.json']
    for name in 'bcd':
        with Image.open(target / 'JPEGImages' / f'{name}.jpg') as image:
            assert image.format == 'JPEG' and image.mode == 'RGB'
            assert image.size == (WIDTH, HEIGHT)
            assert image.getexif().get(0x0112, 1) == 1
    difference = utils.read_image(own / 'b.jpg').astype(int) - (
        utils.read_image(target / 'JPEGImages' / 'b.jpg')
    )
    assert abs(difference).mean() < 12  # noise, and compressed again


def test_another_void_index_is_kept(painted, tmp_path):
    photos, labels, label = painted
    table = segbook.ClassTable(TABLE.names, void=4)
    target = tmp_path / 'set'
    make(photos, target, labels, table)
    with Image.open(target / 'SegmentationClass' / 'x.png') as stored:
        assert set(onp.unique(stored)) == {0, 1, 2, 3, 4}
    read = segbook.VOCSegDataset(target, 'trainval', table=table)[0][1]
    assert set(onp.unique(read)) == {0, 1, 2, 3, 255}


# Names that a system allows: bytes but 0 and a slash. Letters that lists,
# Unicode or programs treat in a way of their own come often.
SPECIAL = st.sampled_from(
    [
        *(' ', '\n', '\r', '\x0b', '\x85', '\u2028', '\u3000', '\ufeff', '.'),
        *('a', 'B', '\xe4', 'a\u0308', '\u0958', '\u212b', '\uac00', '\u1100'),
        *('\\', '"', '*', '?', '[', '%', '-', '\x1b', '\udcff', '\U0001f600'),
        *('\u2000', '.json', '.jpg', '.PNG', '\u0130', '\xdf', '\xa0', '汽'),
    ]
)
ANY = st.characters(exclude_characters='/\0', exclude_categories=['Cs'])
FILE_NAMES = st.lists(SPECIAL | ANY, min_size=1, max_size=8).map(''.join)
LONG = st.integers(60, 255).map(lambda n: 'x' * n) | st.integers(20, 84).map(
    lambda n: '\u0958' * n  # composed, it is twice as long
)


OTHERS = '\U00020000', '\U00020001'  # so that the name is the first in a list


@given(FILE_NAMES | LONG, st.sampled_from(['.jpg', '.PNG', '.bmp']))
@example('\ufeffa', '.jpg')  # the mark with which some begin a file
@example('\u0958' * 83, '.jpg')
@example('a\x85', '.PNG')
@example('.a', '.jpg')
@settings(max_examples=100, deadline=None)
def test_any_name_comes_back_or_is_refused(name, ending):
    """What the writer writes the reader reads."""
    with TemporaryDirectory() as folder:
        own, target = Path(folder, 'own'), Path(folder, 'set')
        own.mkdir()
        for other in OTHERS:
            write_photo(own / f'{other}.png')
            write_json(own / f'{other}.json', SHIP)
        try:
            write_photo(own / 'photo.png')
            os.rename(own / 'photo.png', own / f'{name}{ending}')
            write_json(own / f'{name}.json', FISH)
        except OSError as error:  # the system does not allow it
            assert error.errno in (errno.ENAMETOOLONG, errno.EILSEQ)
            return
        hidden = name.startswith('.')
        classes, findings = check(own)
        if any(finding.stops for finding in findings):
            with pytest.raises(ValueError, match='no data set is made'):
                make(own, target)
            assert not hidden and not target.exists()
            return
        make(own, target)
        data = segbook.VOCSegDataset(target, 'trainval', table=TABLE)
        assert sorted(data.names) == sorted(classes)
        assert len(data) == 2 if hidden else 3
        for i, found in enumerate(data.names):
            assert (data[i][0] == photo()).all()
            assert (data[i][1] == 2).any() == (found not in OTHERS)


def test_nothing_is_written_if_a_label_is_wrong(own, tmp_path):
    target = tmp_path / 'set'
    make(own, target)
    before = contents(target)
    write_json(own / 'b.json', shape('whale', SHIP['points']))
    write_json(own / 'c.json', SHIP, size=(9, 9))
    with pytest.raises(ValueError) as error:
        make(own, target)
    lines = str(error.value).splitlines()
    assert len(lines) == 3 and 'whale' in lines[1] and '9x9' in lines[2]
    assert contents(target) == before


def test_an_interruption_leaves_the_old_set(own, tmp_path, monkeypatch):
    target = tmp_path / 'set'
    make(own, target)
    before = contents(target)
    write_json(own / 'b.json', SHIP)
    calls = []

    def fails_later(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return save(*arguments)

    save = own_data.save_label
    monkeypatch.setattr(own_data, 'save_label', fails_later)
    with pytest.raises(KeyboardInterrupt):
        make(own, target)
    assert contents(target) == before
    assert sorted(os.listdir(tmp_path)) == ['my photos', 'set']


def test_too_few_photos_to_set_one_aside(own, tmp_path):
    for name in ('a 1.json', 'b.json'):
        (own / name).unlink()
    write_json(own / 'c.json', FISH)
    with pytest.raises(ValueError, match='val would be empty'):
        make(own, tmp_path / 'set')
    assert not (tmp_path / 'set').exists()


def test_a_class_that_is_in_one_part_only_is_named(own, tmp_path):
    write_json(own / 'c.json', FISH)
    findings = make(own, tmp_path / 'set')
    only(list(map(str, findings)), 'note', 'val', 'class 3, «buoy»')


def test_the_rest_is_made_if_the_user_says_so(own, tmp_path):
    write_json(own / 'b.json', shape('whale', SHIP['points']))
    target = tmp_path / 'set'
    arguments = own, own, target, TABLE, segbook.read_own, segbook.split_names
    with pytest.raises(ValueError, match='whale'):
        utils.make_set(*arguments)
    findings = utils.make_set(*arguments, anyway=True)
    assert utils.read_split(target, 'trainval') == ['a 1', 'c', 'd']
    only([str(f) for f in findings if f.stops], 'error', 'b.json', 'whale')


def test_of_two_photos_of_one_name_neither_is_taken_anyway(own, tmp_path):
    write_photo(own / 'b.png')
    classes, findings = check(own)
    assert sorted(classes) == ['a 1', 'c', 'd']
    only([str(f) for f in findings if f.stops], 'error', 'b.png', 'same name')


def test_what_was_checked_is_not_checked_again(own, tmp_path):
    checked = check(own)
    calls = []

    def read(*arguments):
        calls.append(arguments)
        return segbook.read_own(*arguments)

    utils.make_set(
        *(own, own, tmp_path / 'set', TABLE, read, segbook.split_names),
        checked=checked,
    )
    assert len(calls) == len(checked[0]) == 4


def test_photos_are_scaled_down_with_their_labels(own, tmp_path):
    target = tmp_path / 'set'
    utils.make_set(
        *(own, own, target, TABLE, segbook.read_own, segbook.split_names),
        max_side=WIDTH // 2,
    )
    data = segbook.VOCSegDataset(target, 'trainval')
    for photo, label in (data[i] for i in range(len(data))):
        assert photo.shape[:2] == label.shape == (HEIGHT // 2, WIDTH // 2)
    whole = segbook.read_own(own / 'b.json', TABLE, (HEIGHT, WIDTH))
    assert (data[1][1] == whole[1::2, 1::2]).all()


@pytest.mark.parametrize('inside', ['JPEGImages', 'SegmentationClass'])
def test_a_set_never_replaces_what_it_is_made_of(own, tmp_path, inside):
    target = tmp_path / 'set'
    make(own, target)
    for path in own.glob('*.json'):
        target.joinpath(inside, path.name).write_bytes(path.read_bytes())
    before = contents(target)
    photos, labels = target / 'JPEGImages', target / inside
    with pytest.raises(FileExistsError, match='what it is made of'):
        make(photos, target, labels)
    assert contents(target) == before


def test_a_set_that_was_not_made_here_is_left_alone(own, tmp_path):
    target = tmp_path / 'set'
    make(own, target)
    (target / 'classes.json').unlink()
    before = contents(target)
    with pytest.raises(FileExistsError, match=r'no classes\.json'):
        make(own, target)
    assert contents(target) == before


def test_a_folder_of_anything_else_is_left_alone(own):
    before = contents(own)
    with pytest.raises(FileExistsError, match='no part of a data set'):
        make(own, own)
    assert contents(own) == before
