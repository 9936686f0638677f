"""Names and sentences with any characters are just text, wherever shown."""

import os
import re
import subprocess
import sys
import warnings
from io import BytesIO
from types import SimpleNamespace
from xml.etree import ElementTree

import segbook
import utils
from odd_names import NAMES, each_name
from parts import canvas
from parts.texts import plain
from tools import predict

import mxnet as mx
import numpy as onp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import gluon, init
from PIL import Image

# ---------------------------------------------------------------- one line


@given(st.text())
def test_a_plain_text_is_printable_and_says_the_same(text):
    shown = plain(text)
    assert shown.isprintable() and shown.encode().decode() == shown
    if text.isprintable():
        assert shown == text
    elif '\\' not in text and text.isascii():
        assert shown.encode().decode('unicode_escape') == text


@given(st.text(max_size=20), st.integers(1, 9))
def test_a_long_plain_text_is_cut(text, most):
    shown = plain(text, most)
    assert shown == plain(text) if len(text) <= most else shown[-1] == '…'
    assert plain('abcdef', 3) == 'ab…'


# ------------------------------------------------------------------ figures


@pytest.fixture
def shown(monkeypatch):
    """Collect the pictures that are shown, and allow no warning."""
    pictures = []
    monkeypatch.setattr(canvas.stage, 'pictures', pictures, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield pictures


def texts(picture):
    """All texts of a drawing, as XML gives them back."""
    svg = picture.data['image/svg+xml']
    found = [''.join(e.itertext()) for e in ElementTree.fromstring(svg).iter()]
    return {text.strip('\N{ZERO WIDTH SPACE}') for text in found}


@each_name
def test_a_drawing_holds_the_name_itself(shown, name):
    others = 'other', 'another'
    utils.plot(None, {name: [1, 2], others[0]: [2, 1]}, 'x', 'y', alt='A.')
    utils.plot_bars([name, *others], [1, 2, 3], 'x', alt='B.')
    utils.show_matrix([onp.eye(2)] * 2, 'C.', [name, others[0]], digits=0)
    for picture in shown:
        assert texts(picture) >= {plain(name, 60).strip(), others[0]}
    assert len(shown) == 3


TABLE = SimpleNamespace(colormap=segbook.VOC.colormap)


def comment(picture):
    with Image.open(BytesIO(picture.data['image/jpeg'])) as image:
        return image.info['comment'].decode()


@each_name
def test_a_photo_has_a_legend_with_the_name(shown, name):
    photo = onp.full((20, 30, 3), 100, 'uint8')
    label = onp.zeros((20, 30), 'uint8')
    label[:5], label[5:10] = 1, 2
    TABLE.names = ['background', name, 'fish']
    utils.show_overlay(photo, label, TABLE)
    expected = f'{plain(name, 40)} 25.0%, fish 25.0%.'
    assert comment(shown[0]).endswith(' '.join(expected.split()))
    utils.show_images([photo] * 2, 1, 2, titles=[name, 'other'])
    assert comment(shown[1]).endswith('; other')


def test_a_name_that_begins_with_a_low_line_stands_in_the_legend(shown):
    """matplotlib itself leaves such out."""
    photo = onp.full((20, 30, 3), 100, 'uint8')
    for name in 'xship', '_ship':
        TABLE.names = ['background', name]
        utils.show_overlay(photo, onp.ones((20, 30), 'uint8'), TABLE)
    images = [Image.open(BytesIO(p.data['image/jpeg'])) for p in shown]
    legends = [
        onp.asarray(x.crop((0, x.height - 60, 150, x.height))) for x in images
    ]
    dark = [(abs(x.astype(int)).max(axis=2) < 90).sum() for x in legends]
    assert dark[1] > 0.7 * dark[0] > 50


def test_a_sentence_of_a_million_letters_is_cut():
    for photo in False, True:
        data = canvas.render(canvas.new_figure(2, 1), 'é' * 10**6, photo)
        assert len(data) < 65_000


# ------------------------------------------------------------------ terminal


# A file holds names of at most 200 letters, without control characters and
# halves of surrogate pairs.
FIT = re.compile('[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}')
STORED = list(filter(FIT.fullmatch, NAMES))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A net whose classes have such names, and answers with all of them."""
    assert len(STORED) > 10 and any(not n.isprintable() for n in STORED)
    utils.set_seed(0)
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, len(STORED))
    net(mx.np.zeros((1, 3, 32, 32)))
    path = tmp_path_factory.mktemp('nets') / 'net.zip'
    utils.save_net(path, net, segbook.ClassTable(STORED))
    return path


def test_no_name_reaches_a_terminal_as_it_is(checkpoint, tmp_path, capsys):
    photo = tmp_path / 'photo\x1b[31m\udcff.png'
    pixels = onp.random.default_rng(0).integers(0, 256, (64, 96, 3), 'uint8')
    Image.fromarray(pixels).save(photo)
    png, jpg = predict.segment(photo, checkpoint, tmp_path / 'out')
    printed = capsys.readouterr().out
    assert printed.replace('\n', '').isprintable()
    shown = set(onp.unique(utils.read_label(png)))
    for index in shown:
        assert plain(STORED[index], 60) in printed
    photo.write_bytes(b'')
    message = predict.main([str(photo), str(checkpoint)])
    assert message.isprintable() and r'photo\x1b[31m\udcff.png' in message


def test_a_terminal_may_know_no_letters_but_latin(checkpoint, tmp_path, root):
    photo = tmp_path / '日本.png'
    Image.new('RGB', (40, 30), 'teal').save(photo)
    done = subprocess.run(
        [sys.executable, 'tools/predict.py', str(photo), 'no such net 日'],
        cwd=root,
        env={**os.environ, 'PYTHONIOENCODING': 'ascii'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == 'there is no checkpoint no such net \\u65e5\n'


def test_photos_are_segmented_whatever_the_terminal_knows(
    checkpoint, tmp_path, root
):
    """The paths of both pictures are told, and the command has succeeded."""
    photo = tmp_path / '日本.png'
    Image.new('RGB', (40, 30), 'teal').save(photo)
    done = subprocess.run(
        [sys.executable, '-c', PREDICT, str(tmp_path / 'out')]
        + [str(photo), str(checkpoint)],
        cwd=root,
        env={**os.environ, 'PYTHONIOENCODING': 'ascii'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for end in '.png', '-overlay.jpg':
        assert (tmp_path / f'out/日本{end}').is_file()
        assert f'/\\u65e5\\u672c{end}\n' in done.stdout


# The command as it is started, but that it writes to another folder.
PREDICT = """
import sys
sys.path[:0] = ['build', '.']
import ending
ending.at_once()
from pathlib import Path
from tools import predict
predict.FOLDER = Path(sys.argv.pop(1))
ending.in_order()
sys.exit(predict.main())
"""
