"""Pictures as files and under a cell, with a sentence for all."""

import re
import subprocess
import sys
from io import BytesIO
from types import SimpleNamespace
from xml.etree import ElementTree

import utils
from parts import canvas
from parts.start import HERE

import numpy
import pytest
from PIL import Image

SENTENCE = 'A <white> card & no more.'


def test_a_drawing_holds_its_sentence_as_its_title():
    svg = canvas.render(canvas.new_figure(2, 1), SENTENCE)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith('}svg') and svg.startswith(b'<svg')
    assert root.find('{*}title').text == SENTENCE


@pytest.mark.parametrize(
    ('inches', 'pixels'), [((2, 1), (400, 200)), ((10, 1), (1400, 140))]
)
def test_a_photo_holds_its_sentence_as_its_comment(inches, pixels):
    data = canvas.render(canvas.new_figure(*inches), SENTENCE, photo=True)
    with Image.open(BytesIO(data)) as picture:
        assert picture.format == 'JPEG' and picture.size == pixels
        assert picture.info['comment'].decode() == SENTENCE
        assert picture.getextrema() == ((255, 255),) * 3  # a white card


def test_axes_lie_where_the_inches_say():
    axes = canvas.add_axes(canvas.new_figure(4, 2), 1, 0.5, 2, 1)
    assert axes.get_position().bounds == (0.25, 0.25, 0.5, 0.5)


@pytest.mark.parametrize('alt', ['', ' ', None])
def test_every_picture_needs_its_sentence(alt):
    with pytest.raises(ValueError, match='alt must say'):
        utils.plot(None, {'a': [1]}, 'x', 'y', alt=alt)


def test_the_same_picture_gives_the_same_bytes(monkeypatch):
    shown, noise = [], numpy.random.RandomState(0).rand(5, 5, 3)
    monkeypatch.setattr(canvas.stage, 'pictures', shown, raising=False)
    for _ in range(2):
        utils.show_matrix(numpy.eye(3), alt='A unit matrix.')
        utils.show_images([noise], 1, 1, alt='Noise.')
    first, second = ([p.data for p in shown[i : i + 2]] for i in (0, 2))
    assert first == second and list(first[1]) == ['image/jpeg', 'text/plain']
    assert not re.search(r'20\d\d-\d\d', first[0]['image/svg+xml'])  # no date


def test_a_script_without_display_draws_in_silence():
    """And importing utils does not import matplotlib."""
    code = (
        'import sys, utils\n'
        'assert "matplotlib" not in sys.modules\n'
        'utils.plot(None, {"a": [1, 2]}, "x", "y", alt="A line.")\n'
        'assert "matplotlib.pyplot" not in sys.modules\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ''


def test_a_kernel_is_given_the_picture_and_a_terminal_nothing(monkeypatch):
    given, shell = [], SimpleNamespace()
    display = SimpleNamespace(display=given.append)
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, 'ipykernel', SimpleNamespace())
    monkeypatch.setitem(sys.modules, 'IPython', ipython)
    monkeypatch.setitem(sys.modules, 'IPython.display', display)
    canvas.show(canvas.new_figure(2, 1), SENTENCE)
    assert given == []
    shell.kernel = 'that of a notebook'
    for photo in (False, True):
        canvas.show(canvas.new_figure(2, 1), SENTENCE, photo)
    for picture, kind, about in zip(
        given,
        ('image/svg+xml', 'image/jpeg'),
        ({}, {'image/jpeg': {'width': 192, 'alt': SENTENCE}}),
        strict=True,
    ):
        data, metadata = picture._repr_mimebundle_()
        assert data['text/plain'] == SENTENCE and set(data) - {kind} == {
            'text/plain'
        }
        assert metadata == about and picture.size == [192, 96]
