"""A few shapes that the figures of the book are drawn with, as SVG.

Every figure is a white card, so that it can be read on a dark page too.
Lengths are in pixels of a card about 600 wide; text of 16 is still legible
when the card is shown 400 wide.
"""

from html import escape
from pathlib import Path

BLACK, GREY, LINE, PALE = '#1a1a1a', '#5c5c5c', '#9a9a9a', '#f2f2f2'
# One strong and one pale tone of each: a tint still shows black numbers.
BLUE, ORANGE, GREEN, PINK = '#0072b2', '#c04e00', '#00775a', '#a8487f'
TINTS = {
    BLUE: '#cfe5f3',
    ORANGE: '#fbdcc6',
    GREEN: '#c9ebdf',
    PINK: '#f3d7e6',
}
# That of the book's pages, build/static/book.css.
TYPEFACE = (
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', "
    "'Liberation Sans', system-ui, sans-serif"
)


def number(value):
    """Write a number as short as possible, with a real minus sign."""
    return f'{value:g}'.replace('-', '\N{MINUS SIGN}')


class Drawing:
    """Collects shapes; `str` gives the SVG."""

    def __init__(self, width, height, title):
        """Begin a white card; title says what is to be seen."""
        self.parts = [
            '<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" '
            f'font-family="{TYPEFACE}">',
            f'<title>{escape(title)}</title>',
        ]
        self.rect(0, 0, width, height, 'white', None, round=8)

    def __str__(self):
        return '\n'.join([*self.parts, '</svg>']) + '\n'

    def add(self, name, text=None, **attributes):
        """Add an element; `_` in a name stands for `-`, None is left out."""
        listed = ''.join(
            f' {key.strip("_").replace("_", "-")}="{self.short(value)}"'
            for key, value in attributes.items()
            if value is not None
        )
        end = '/>' if text is None else f'>{escape(text)}</{name}>'
        self.parts.append(f'<{name}{listed}{end}')

    @staticmethod
    def short(value):
        """Write a coordinate with at most two decimals."""
        return f'{round(value, 2):g}' if isinstance(value, float) else value

    def rect(self, x, y, w, h, fill, stroke=LINE, width=1, round=None):
        """Draw a rectangle from its upper left corner."""
        self.add(
            'rect',
            x=x,
            y=y,
            width=w,
            height=h,
            fill=fill,
            stroke=stroke,
            stroke_width=width if stroke else None,
            rx=round,
        )

    def line(self, *points, color=BLACK, width=1.5, dash=None, fill='none'):
        """Draw a line through points (x, y)."""
        self.add(
            'polyline',
            points=' '.join(
                f'{self.short(float(x))},{self.short(float(y))}'
                for x, y in points
            ),
            fill=fill,
            stroke=color,
            stroke_width=width,
            stroke_dasharray=dash,
        )

    def dot(self, x, y, color=BLACK, radius=5, fill=None):
        """Draw a disc, or with fill a ring filled in another colour."""
        self.add(
            'circle',
            cx=x,
            cy=y,
            r=radius,
            fill=fill or color,
            stroke=color,
            stroke_width=2,
        )

    def text(self, x, y, text, size=17, color=BLACK, anchor='middle', **more):
        """Write text; y is the middle of its height."""
        self.add(
            'text',
            text,
            x=x,
            y=y + size * 0.35,
            font_size=size,
            fill=color,
            text_anchor=anchor,
            **more,
        )

    def arrow(self, x1, y1, x2, y2, color=GREY, both=False):
        """Draw a horizontal or vertical arrow, with both ends if asked."""
        self.line((x1, y1), (x2, y2), color=color)
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        dx, dy = (x2 - x1) / length, (y2 - y1) / length
        tips = [(x2, y2, 1)] + ([(x1, y1, -1)] if both else [])
        for x, y, sign in tips:
            back = (x - sign * 9 * dx, y - sign * 9 * dy)
            self.line(
                (back[0] - 4.5 * dy, back[1] + 4.5 * dx),
                (x, y),
                (back[0] + 4.5 * dy, back[1] - 4.5 * dx),
                (back[0] - 4.5 * dy, back[1] + 4.5 * dx),
                color=color,
                fill=color,
                width=1,
            )

    def span(self, x1, x2, y, label, color=GREY, below=False):
        """Mark the length from x1 to x2 at height y, with a label."""
        for x in (x1, x2):
            self.line((x, y - 6), (x, y + 6), color=color)
        self.arrow(x1, y, x2, y, color=color, both=True)
        self.text((x1 + x2) / 2, y + (17 if below else -15), label)

    def grid(self, x, y, rows, side, fill=None, text=None, size=None):
        """Draw a matrix (list of rows) as squares with numbers in them.

        fill(row, column) and text(row, column) choose colours; a value None
        leaves the square empty.
        """
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                left, top = x + j * side, y + i * side
                color = fill(i, j) if fill else None
                self.rect(left, top, side, side, color or 'white')
                if value is not None:
                    self.text(
                        left + side / 2,
                        top + side / 2,
                        number(value),
                        size=size or round(side * 0.5),
                        color=(text and text(i, j)) or BLACK,
                    )


def write(figures, folder=None):
    """Write drawings, dict from name to Drawing, as NAME.svg."""
    folder = Path(folder or Path(__file__).parent)
    for name, drawing in figures.items():
        (folder / f'{name}.svg').write_text(str(drawing), encoding='utf-8')
