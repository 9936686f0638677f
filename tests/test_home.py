"""A path that begins with ~ is in one's home, wherever it is given.

No shell expands the ~ of `make predict IMAGE=~/photo.jpg`.
"""

import os
import subprocess
import sys

import segbook
import utils
from parts.whole import place
from support import trained
from test_labelme import HEIGHT, SHIP, TABLE, WIDTH, write_json
from test_predict_command import make_net
from tools import predict, reproduce, weights

import numpy as onp
import pytest
from PIL import Image


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with a photo and its labels; a folder elsewhere to work in."""
    home, elsewhere = tmp_path / 'home', tmp_path / 'elsewhere'
    (home / 'own').mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.chdir(elsewhere)
    for name in 'abcd':
        rng = onp.random.default_rng(0)
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), 'uint8')
        Image.fromarray(pixels).save(home / f'own/{name}.png')
        write_json(home / f'own/{name}.json', SHIP)
    yield home
    assert not list(elsewhere.iterdir())  # such as a folder called ~


def test_a_tilde_is_the_home_only_where_it_begins_a_path(home):
    assert place('~/x') == home / 'x' and str(place('x/~')) == 'x/~'
    assert str(place('~nobody-of-this-name/x')) == '~nobody-of-this-name/x'
    assert place(home / 'x') == home / 'x'


def test_files_are_read_and_written_at_home(home):
    label = onp.zeros((HEIGHT, WIDTH), 'uint8')
    utils.save_label('~/label.png', label, TABLE.colormap)
    assert (utils.read_label('~/label.png') == label).all()
    photo = utils.read_image('~/own/a.png')
    assert (photo == utils.read_image(home / 'own/a.png')).all()
    assert utils.open_image('~/own/a.png').size == (WIDTH, HEIGHT)
    assert len(utils.read_labelme('~/own/a.json', TABLE)[0]) == 1
    utils.save_overlay('~/overlay.jpg', photo, label, TABLE)
    assert (home / 'overlay.jpg').is_file()
    with pytest.raises(FileNotFoundError, match='nothing.png'):
        utils.read_image('~/nothing.png')


def test_a_data_set_is_made_at_home(home, monkeypatch):
    utils.make_set(
        *('~/own', '~/own', '~/set', TABLE),
        *(segbook.read_own, segbook.split_names),
    )
    images = segbook.VOCSegDataset('~/set', 'trainval', table=TABLE)
    assert len(images) == 4 and images[0][0].shape == (HEIGHT, WIDTH, 3)
    monkeypatch.setenv('VOC_ROOT', '~/set')
    assert utils.voc_root() == home / 'set'
    (home / 'some.params').write_bytes(b'')
    monkeypatch.setenv('BACKBONE', '~/some.params')
    assert utils.backbone_file()[0] == home / 'some.params'
    monkeypatch.setenv('WEIGHTS32S', '~/some.params')
    assert reproduce.place_of('FCN-32s')[0] == home / 'some.params'


def test_the_data_may_lie_at_home(home, root):
    done = subprocess.run(
        [sys.executable, '-c', 'import utils; print(utils.DATA)'],
        env={**os.environ, 'BOOK_DATA': '~/data', 'PYTHONPATH': str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(home / 'data')


def test_a_training_goes_on_from_home(home):
    parameters, history = trained(checkpoint='~/run.zip')
    assert (home / 'run.zip').is_file()
    again, same = trained(checkpoint='~/run.zip')
    assert same == history
    for one, other in zip(parameters, again, strict=True):
        assert (one == other).all()


def test_a_photo_at_home_is_segmented_with_a_net_at_home(home):
    utils.save_net('~/net.zip', make_net(), TABLE_OF_NET)
    made = predict.segment('~/own/a.png', '~/net.zip', '~/out')
    assert made == (home / 'out/a.png', home / 'out/a-overlay.jpg')
    assert all(path.is_file() for path in made)


TABLE_OF_NET = segbook.ClassTable(['background', 'ship', 'fish'])


def test_weights_at_home_are_named(home):
    with pytest.raises(FileNotFoundError, match=f'{home}/nothing.NPZ'):
        weights.read('~/nothing.NPZ', 1)
    (home / 'some.NPZ').write_bytes(b'none')
    with pytest.raises(ValueError, match=r'some.NPZ is no .npz file'):
        weights.read('~/some.NPZ', 1)
