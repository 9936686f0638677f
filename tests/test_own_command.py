"""`make own`: what it prints, where it writes, what it refuses."""

import os
import subprocess
import sys

import segbook
import utils
from test_exports import NAMES, in_coco, in_grey, labelme
from test_labelme import SHIP, box, shape, write_json
from test_own_data import contents
from tools import own

import numpy as onp
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    return labelme(tmp_path / 'my photos')['photos']


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """The environment says nothing, and the data are a folder of the test."""
    for option in own._OPTIONS:
        monkeypatch.delenv(option, raising=False)
    monkeypatch.setattr(utils, 'DATA', tmp_path / 'data')


def test_the_last_line_is_the_next_command(photos, tmp_path, capsys):
    assert own.main(['--photos', str(photos)]) is None
    lines = capsys.readouterr().out.splitlines()
    target = tmp_path / 'data' / 'own-my photos'
    assert lines[-1] == f"make train DATA='{target}'"
    assert len(segbook.VOCSegDataset(target, 'trainval')) == 4
    assert 'labels: labelme' in lines
    assert '3 classes: background, fish, ship' in lines
    assert lines[-4].startswith('train: 3 photos, 3 with background, 3 with')
    assert any('more than 1024 pixels are scaled down' in x for x in lines)
    first = contents(target)
    assert own.main(['--photos', str(photos)]) is None  # it is its own
    assert contents(target) == first


def test_the_environment_says_it_as_well(photos, tmp_path, monkeypatch):
    for name, value in (
        ('PHOTOS', photos),
        ('NAME', 'of mine'),
        ('CLASSES', 'background ship fish "sea gull"'),
        ('MAX_SIDE', '0'),
    ):
        monkeypatch.setenv(name, str(value))
    assert own.main([]) is None
    found = segbook.VOCSegDataset(tmp_path / 'data' / 'own-of mine', 'val')
    assert found.table.names == ['background', 'ship', 'fish', 'sea gull']


def test_windows_calls_its_machine_name(photos, tmp_path, monkeypatch):
    monkeypatch.setenv('WSL_DISTRO_NAME', 'Ubuntu')
    monkeypatch.setenv('NAME', 'DESKTOP')
    monkeypatch.setattr(own.platform, 'node', lambda: 'DESKTOP')
    assert own.main(['--photos', str(photos)]) is None
    assert os.listdir(tmp_path / 'data') == ['own-my photos']


@pytest.mark.parametrize(
    'arguments, words',
    [
        ([], 'which photos? make own PHOTOS=folder'),
        (['--photos', 'nowhere'], 'there is no folder nowhere'),
        (['--max-side', '-1'], 'MAX_SIDE=-1 is no number of pixels'),
        (['--max-side', '9.5'], 'MAX_SIDE=9.5 is no number of pixels'),
        (['--anyway', 'yes'], 'ANYWAY=yes is neither 1 nor 0'),
        (['--name', '../x'], 'NAME=../x is no name of a folder'),
        (['--name', '.'], 'NAME=. is no name of a folder'),
        (['--classes', 'cat'], 'CLASSES=cat names no classes'),
        (['--classes', 'lost.json'], 'lost.json'),
        (['--labels', 'lost'], 'there is no folder or file lost'),
    ],
)
def test_each_wrong_option_is_one_line(photos, tmp_path, arguments, words):
    if arguments and arguments[0] != '--photos':
        arguments = [*arguments, '--photos', str(photos)]
    message = own.main(arguments)
    assert words in message and '\n' not in message
    assert not (tmp_path / 'data').exists()


def test_errors_are_all_listed_and_the_rest_is_made_on_request(
    photos, tmp_path, capsys
):
    write_json(photos / 'a.json', shape('ship', [[1, 2]]))
    (photos / 'b.png').write_bytes(b'no photo')
    (photos / 'c.json').unlink()
    given = ['--photos', str(photos), '--name', 'x']
    message = own.main(given)
    assert 'errors (2)' in message and 'ANYWAY=1' in message
    printed = capsys.readouterr().out
    assert 'error: a.json: shape 1 (ship) cannot be drawn' in printed
    assert 'error: b.json: b.png cannot be read' in printed
    assert 'note: c.png: this photo has no label' in printed
    assert not (tmp_path / 'data').exists()
    write_json(photos / 'c.json', SHIP)
    assert own.main([*given, '--anyway', '1']) is None
    printed = capsys.readouterr().out
    assert printed.count('error: ') == 2
    target = tmp_path / 'data' / 'own-x'
    assert utils.read_split(target, 'trainval') == ['c', 'd']


def test_a_name_that_no_file_holds_is_refused(photos, tmp_path, capsys):
    write_json(photos / 'a.json', shape('sh\x1b[2Jip', SHIP['points']))
    message = own.main(['--photos', str(photos)])
    assert message.startswith('classes of labelme: no file holds')
    assert message.isprintable()
    assert '\x1b' not in capsys.readouterr().out
    assert not (tmp_path / 'data').exists()


def test_anyway_makes_nothing_of_nothing(photos, tmp_path):
    for name in NAMES:
        write_json(photos / f'{name}.json', shape('ship', [[1, 2]]))
    given = ['--photos', str(photos), '--anyway', '1']
    assert own.main(given) == 'no data set is made, for no photo is left'
    assert not (tmp_path / 'data' / 'own-my photos').exists()


def test_wrong_outlines_of_coco_are_named_by_photo(tmp_path, capsys):
    given = in_coco(tmp_path / 'in')
    path = tmp_path / 'in' / '_annotations.coco.json'
    text = path.read_text('utf-8').replace('"category_id": 7', '"x": 7', 1)
    path.write_text(text, encoding='utf-8')
    assert 'errors (1)' in own.main(['--photos', str(given['photos'])])
    assert (
        'error: _annotations.coco.json (train/a.png): annotation 2 (id 1) has '
        'category_id None'
    ) in capsys.readouterr().out


@pytest.mark.parametrize('kind', ['of others', 'without a table', 'photos'])
def test_no_folder_of_others_is_replaced(photos, tmp_path, kind):
    out = tmp_path / 'out'
    if kind == 'of others':
        (out / 'JPEGImages').mkdir(parents=True)
        (out / 'thesis.txt').touch()
    elif kind == 'without a table':
        (out / 'SegmentationClass').mkdir(parents=True)
        (out / 'SegmentationClass' / 'a.png').touch()
    else:
        own.make_own(photos, out=out)
        photos = out / 'JPEGImages'
    before = contents(out)
    given = ['--photos', str(photos), '--out', str(out)]
    message = own.main(given)
    assert message.startswith(str(out)) and 'name another folder' in message
    assert contents(out) == before


def test_the_set_can_be_made_of_another_set(photos, tmp_path):
    """In the layout of VOC, with a classes.json: labels are beside photos."""
    first = own.make_own(photos, out=tmp_path / 'first')
    second = own.make_own(first, out=tmp_path / 'second')
    one, other = (
        segbook.VOCSegDataset(target, 'trainval') for target in (first, second)
    )
    assert one.table.names == other.table.names and one.names == other.names
    for i in range(len(one)):
        assert (one[i][0] == other[i][0]).all()
        assert (one[i][1] == other[i][1]).mean() > 0.9  # a wider border


# ---------------------------------------------------------------- max_side


def test_large_photos_and_their_labels_are_scaled_alike(tmp_path):
    """A bright square stays where its label is, in a photo stored turned."""
    folder = tmp_path / 'in'
    folder.mkdir()
    height, width = 600, 900  # upright
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by a quarter
    for number, name in enumerate(NAMES):
        left, top = 100 + 130 * number, 150
        photo = onp.full((height, width, 3), 40, 'uint8')
        photo[top : top + 201, left : left + 251] = 220
        stored = Image.fromarray(onp.rot90(photo).copy())
        stored.save(folder / f'{name}.jpg', quality=95, exif=exif)
        corners = box(left, top, left + 250, top + 200)
        square = shape('square', corners, 'rectangle')
        write_json(folder / f'{name}.json', square, size=(height, width))
    for most, size in ((300, (200, 300)), (0, (600, 900))):
        target = own.make_own(folder, out=tmp_path / str(most), max_side=most)
        found = segbook.VOCSegDataset(target, 'trainval')
        for i in range(len(found)):
            photo, label = found[i]
            assert photo.shape[:2] == label.shape == size
            bright = photo.mean(axis=2) > 130
            assert (bright == label)[label != 255].all()
            # The border is as wide, whatever the size of the photo.
            middle = label[int(0.4 * size[0])]
            assert (middle == 255).sum() == 8


def test_painted_labels_are_scaled_without_new_classes(tmp_path):
    given = in_grey(tmp_path / 'in')
    target = own.make_own(**given, out=tmp_path / 'set', max_side=40)
    _, label = segbook.VOCSegDataset(target, 'val')[0]
    assert label.shape == (30, 40)
    assert set(onp.unique(label)) == {0, 1, 2, 255}


def test_make_own_in_a_terminal(photos, tmp_path, root):
    """As make calls it: options in the environment, a status at the end."""
    environment = {**os.environ, 'PHOTOS': str(photos)}
    environment['OUT'] = str(tmp_path / 'set')
    command = [sys.executable, root / 'tools' / 'own.py']
    for anyway, status in (('', 0), ('maybe', 1)):
        done = subprocess.run(
            command,
            env={**environment, 'ANYWAY': anyway},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
    assert done.stderr == 'ANYWAY=maybe is neither 1 nor 0\n'
    assert (tmp_path / 'set' / 'classes.json').is_file()
