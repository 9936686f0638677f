"""Pictures as files and under a cell, with a sentence for all."""

import re
import subprocess
import sys
from io import BytesIO
from types import SimpleNamespace
from xml.etree import ElementTree

import utils
from parts import canvas, pictures
from parts.start import HERE

import numpy
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager
from PIL import Image

SENTENCE = 'A <white> card & no more.'


def test_a_drawing_holds_its_sentence_as_its_title():
    svg = canvas.render(canvas.new_figure(2, 1), SENTENCE)
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith('}svg') and svg.startswith(b'<svg')
    assert root.find('{*}title').text == SENTENCE


def test_text_has_one_typeface_in_pages_widgets_and_drawings(root):
    """The list of fonts of the style stands in all that has its own."""

    def fonts(text):
        return re.sub('[\\s"\']+', ' ', text).strip()

    style = (root / 'build/static/book.css').read_text(encoding='utf-8')
    wanted = fonts(re.search('font-family-base: ([^;]+);', style)[1])
    widget = (root / 'build/widgets/widget.css').read_text(encoding='utf-8')
    assert fonts(re.search('font-family-base, ([^)]+)', widget)[1]) == wanted
    assert fonts(canvas._TYPEFACE) == wanted
    for file in (root / 'img').glob('*.svg'):
        text = file.read_text(encoding='utf-8')
        found = re.findall('font-family="([^"]+)"', text)
        assert {fonts(each) for each in found} <= {wanted}, file.name
    fig = canvas.new_figure(2, 1)
    fig.text(0, 0, 'text')
    drawn = re.findall(
        'font-family: ([^;"]+)', canvas.render(fig, 'x').decode()
    )
    assert [fonts(each) for each in drawn] == [wanted]


@pytest.mark.parametrize(
    ('inches', 'pixels'), [((2, 1), (400, 200)), ((10, 1), (1400, 140))]
)
def test_a_photo_holds_its_sentence_as_its_comment(inches, pixels):
    data = canvas.render(canvas.new_figure(*inches), SENTENCE, photo=True)
    with Image.open(BytesIO(data)) as picture:
        assert picture.format == 'JPEG' and picture.size == pixels
        assert picture.info['comment'].decode() == SENTENCE
        assert picture.getextrema() == ((255, 255),) * 3  # a white card


def font_of_squares(path, letters):
    """Make a font in which each of these letters is a black square."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    names = [f'letter{i}' for i in range(len(letters))]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(['.notdef', *names])
    codes = dict(zip(map(ord, letters), names, strict=True))
    font.setupCharacterMap(codes)
    font.setupGlyf({n: square for n in ['.notdef', *names]})
    font.setupHorizontalMetrics({n: (1000, 0) for n in ['.notdef', *names]})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({'familyName': path.stem, 'styleName': 'Regular'})
    font.setupOS2()
    font.setupPost()
    font.save(path)


def legend(name):
    """The pixels of a legend with this name, from 0, black, to 255."""
    colors = numpy.full((256, 3), 200, 'uint8')
    table = SimpleNamespace(names=['', name], colormap=colors)
    photo, label = (numpy.full((20, 30, *n), 1, 'uint8') for n in ([3], []))
    fig, words = pictures._draw_overlay(photo, label, table, 6)
    assert name in words
    picture = Image.open(BytesIO(canvas.render(fig, words, photo=True)))
    return numpy.asarray(picture.convert('L'))[-60:, 60:]


def test_letters_are_drawn_in_a_font_that_has_them(
    tmp_path, monkeypatch, capfd
):
    """Here in two fonts, none of which has the letters of the other."""
    usual = [x for x in fontManager.ttflist if x.name.startswith('DejaVu')]
    monkeypatch.setattr(fontManager, 'ttflist', usual)
    canvas._fonts_with.cache_clear()
    boxes = legend('汽车 树')
    assert 'no font that is installed here has' in capfd.readouterr().err
    legend('汽车 树')
    assert capfd.readouterr() == ('', '')  # it was said once
    canvas._fonts_with.cache_clear()
    for name, letters in ('One', '汽车'), ('Two', '树'):
        font_of_squares(tmp_path / f'{name}.ttf', letters)
        fontManager.addfont(tmp_path / f'{name}.ttf')
    squares = legend('汽车 树')
    assert capfd.readouterr() == ('', '')
    # Three squares of 9 by 8 tenths of the letters' size, 11 points.
    expected = 3 * 0.9 * 0.8 * (11 / 72 * 200) ** 2
    found = (squares < 90).sum() - (legend('') < 90).sum()
    assert abs(found / expected - 1) < 0.1
    assert (boxes < 90).sum() < 0.8 * (squares < 90).sum()
    canvas._fonts_with.cache_clear()


def test_a_font_that_was_removed_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(fontManager, 'ttflist', [])
    canvas._fonts_with.cache_clear()
    for name in 'Gone', 'Here':
        font_of_squares(tmp_path / f'{name}.ttf', '木')
        fontManager.addfont(tmp_path / f'{name}.ttf')
    (tmp_path / 'Gone.ttf').unlink()
    assert canvas._fonts_with('木') == ['Here']
    canvas._fonts_with.cache_clear()


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
