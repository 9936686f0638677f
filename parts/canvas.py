"""How a picture gets under a cell, drawn by matplotlib.

Drawings leave as SVG, photos as JPEG, both on a white card, without a date,
and with a sentence inside that says what is to be seen, for whoever cannot
see it. matplotlib is imported when the first picture is drawn, and without a
window system.
"""

import functools
import re
import sys
import threading
import warnings

from parts.images import host, open_image, to_rgb
from parts.texts import plain

import numpy as onp
from PIL import Image


def new_figure(width, height):
    """Make an empty white figure of width x height inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor='white')


def add_axes(fig, left, bottom, width, height):
    """Add axes at a place given in inches from the lower left corner."""
    whole_width, whole_height = fig.get_size_inches()
    return fig.add_axes(
        (
            left / whole_width,
            bottom / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def caption(text):
    """Turn a text that comes from data into one that matplotlib just draws.

    One line of at most 60 characters. A dollar would begin a formula, and a
    label that begins with «_» would be left out of a legend.
    """
    text = plain(text, 60).replace('$', r'\$')
    return f'\N{ZERO WIDTH SPACE}{text}' if text.startswith('_') else text


def _sentence(alt):
    """Return a picture's text for whoever cannot see it, in one plain line.

    Raises ValueError if it is empty.
    """
    if not alt or not alt.strip():
        raise ValueError('alt must say in a sentence what is to be seen')
    return plain(' '.join(alt.split()), 15_000)  # a JPEG holds 64 KiB of it


def _draw_every_letter(fig):
    """Let the texts of a figure be drawn in fonts that have their letters."""
    from matplotlib.font_manager import FontProperties, findfont, get_font
    from matplotlib.text import Text

    texts = fig.findobj(Text)
    usual = get_font(findfont(FontProperties()))
    letters = set(''.join(text.get_text() for text in texts)) - {'\n'}
    missing = {c for c in letters if not usual.get_char_index(ord(c))}
    if fonts := _fonts_with(''.join(sorted(missing))):
        for text in texts:
            text.set_fontfamily([*text.get_fontfamily(), *fonts])


@functools.cache
def _fonts_with(letters):
    """Names of installed fonts that have these letters; says which none has.

    Each is said once.
    """
    from matplotlib.font_manager import fontManager, get_font

    def unlike_the_usual(font):
        return font.style != 'normal', font.weight != 400, font.name

    found, missing = [], set(letters)
    for font in sorted(fontManager.ttflist, key=unlike_the_usual):
        if not missing or font.name.startswith(('Last Resort', '.Last')):
            continue  # that one has a box for every letter
        try:
            glyphs = get_font(font.fname)
        except (OSError, RuntimeError):  # was removed, or is damaged
            continue
        here = {c for c in missing if glyphs.get_char_index(ord(c))}
        if here and glyphs.scalable:
            found.append(font.name)
            missing -= here
    if missing:
        print(
            f'no font that is installed here has {plain("".join(missing))}: '
            'boxes are drawn instead; install one that has these letters '
            '(the Noto fonts have nearly all)',
            file=sys.stderr,
        )
    return found


# The typeface of the book's pages (build/static/book.css). matplotlib measures
# texts in its own, which is wider: what fits in that fits in these.
_TYPEFACE = (
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', "
    "'Liberation Sans', system-ui, sans-serif"
)
_MATPLOTLIBS = re.compile("'DejaVu Sans',[^;\"]*sans-serif")
_PHOTO_WIDTH = 1400  # pixels; twice the width of a page's text


def render(fig, alt, photo=False):
    """Turn a matplotlib figure into the bytes of a picture file.

    Args:
        fig: a matplotlib Figure.
        alt: the sentence for whoever cannot see the picture; it becomes the
            SVG's title or the JPEG's comment.
        photo: True makes a JPEG, False an SVG.

    Returns:
        bytes; the same figure gives the same bytes.

    Raises:
        ValueError: alt is empty.
    """
    import io

    import matplotlib

    alt, data = _sentence(alt), io.BytesIO()
    if photo:
        # Packing it would take most of the time, and it is unpacked below.
        how = {'format': 'png', 'pil_kwargs': {'compress_level': 0}}
        _draw_every_letter(fig)
        how['dpi'] = min(200, _PHOTO_WIDTH / fig.get_figwidth())
    else:
        how = {'format': 'svg'}
        how['metadata'] = {'Title': alt, 'Date': None, 'Creator': None}
    fixed = {'svg.hashsalt': 'book', 'svg.fonttype': 'none'}
    with matplotlib.rc_context(fixed), warnings.catch_warnings():
        # Of letters that no font has `_fonts_with` tells. (In an SVG, whoever
        # shows it has fonts of his own.)
        for words in 'Glyph .* missing', 'Matplotlib currently does not sup':
            warnings.filterwarnings('ignore', words)
        fig.savefig(data, **how)
    if not photo:
        # Without the lines of XML before it, a drawing can stand in HTML.
        svg = data.getvalue().decode('utf-8')
        svg = _MATPLOTLIBS.sub(_TYPEFACE, svg[svg.index('<svg') :])
        return svg.encode('utf-8')
    jpeg = io.BytesIO()
    how = {'quality': 85, 'subsampling': 0, 'comment': alt.encode()}
    # Both make it smaller by a tenth, and not worse.
    how |= {'optimize': True, 'progressive': True}
    open_image(data).convert('RGB').save(jpeg, 'JPEG', **how)
    return jpeg.getvalue()


class Picture:
    """A finished picture that Jupyter shows, its text for whoever cannot."""

    def __init__(self, fig, alt, photo=False):
        """Render fig, see `render`."""
        data, alt = render(fig, alt, photo), _sentence(alt)
        if photo:
            kind, width = 'image/jpeg', round(fig.get_figwidth() * 96)
            self.metadata = {kind: {'width': width, 'alt': alt}}
        else:
            kind, data = 'image/svg+xml', data.decode()
            self.metadata = {}
        self.data = {kind: data, 'text/plain': alt}
        # In pixels of a page.
        self.size = [round(96 * side) for side in fig.get_size_inches()]

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.data, self.metadata

    def _repr_svg_(self):
        return self.data.get('image/svg+xml')


# Where `vary` collects the pictures that it replaces; each thread its own, for
# JupyterLab lets a control and a cell run at the same time.
stage = threading.local()


def show(fig, alt, photo=False):
    """Show a figure under the running cell; in a plain script do nothing.

    Args:
        fig: a matplotlib Figure.
        alt: the sentence for whoever cannot see the picture.
        photo: True for a picture with photos in it (JPEG), False for a
            drawing (SVG).
    """
    picture = Picture(fig, alt, photo)
    if getattr(stage, 'pictures', None) is not None:
        stage.pictures.append(picture)
    elif in_jupyter():
        from IPython.display import display

        display(picture)


def in_jupyter():
    """Whether this runs in a Jupyter kernel (a terminal does not count)."""
    if 'ipykernel' not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), 'kernel')


def as_picture(image):
    """Check one image and return it as uint8 NumPy, H x W or H x W x 3."""
    if isinstance(image, Image.Image):
        image = image.convert('L') if image.mode == '1' else to_rgb(image)
    image = host(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise ValueError(
            'an image has the shape height x width or height x width x 3, '
            f'not {image.shape}'
        )
    if image.size == 0:
        raise ValueError(f'an image of shape {image.shape} is empty')
    if image.dtype == bool or image.dtype.kind == 'f':
        # Half a grey level of room: interpolation rounds.
        if not (image.min() >= -0.002 and image.max() <= 1.002):
            raise ValueError(
                'a float image has values from 0 to 1, '
                f'not from {image.min():g} to {image.max():g}'
            )
        image = onp.rint(onp.clip(image, 0, 1) * 255)
    elif image.min() < 0 or image.max() > 255:
        raise ValueError(
            'an integer image has values from 0 to 255, '
            f'not from {image.min()} to {image.max()}'
        )
    return image.astype('uint8')
