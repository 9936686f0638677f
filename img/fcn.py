"""Draw the figure of the chapter on the fully convolutional network.

python img/fcn.py [FOLDER]
"""

import sys

from drawing import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    LINE,
    ORANGE,
    PALE,
    TINTS,
    Drawing,
    write,
)

WIDE, HIGH = 132, 88  # of the photo and of what is as large
# A bus in the photo: (left, top, right, bottom) as shares of its sides.
BUS = 0.25, 0.35, 0.79, 0.72
ROWS, COLUMNS = 10, 15


def tone(share):
    """Mix the pale grey of no score with the blue of a high one."""
    ends = ((0xF2, 0xF2, 0xF2), (0x00, 0x72, 0xB2))
    mixed = (round(a + share * (b - a)) for a, b in zip(*ends, strict=True))
    return '#' + ''.join(f'{part:02x}' for part in mixed)


def photo(d, x, y):
    """A bus on a road."""
    d.rect(x, y, WIDE, HIGH, TINTS[BLUE])
    d.rect(x, y + 0.62 * HIGH, WIDE, 0.38 * HIGH, TINTS[GREEN])
    left, top, right, bottom = bus_at(x, y, WIDE, HIGH)
    d.rect(left, top, right - left, bottom - top, ORANGE, BLACK, round=6)
    for n in range(4):
        d.rect(left + 6 + 16 * n, top + 6, 12, 10, 'white', BLACK)
    for wheel in (left + 16, right - 16):
        d.dot(wheel, bottom, BLACK, radius=6)


def bus_at(x, y, wide, high):
    """The box of the bus in a picture that begins at (x, y)."""
    left, top, right, bottom = BUS
    return x + left * wide, y + top * high, x + right * wide, y + bottom * high


def stack(d, x, y, wide, high, count, fill='white'):
    """Draw maps behind one another around the middle (x, y)."""
    step = 5
    left, top = x - wide / 2, y - high / 2
    for n in reversed(range(count)):
        shift = step * (n - (count - 1) / 2)
        d.rect(left + shift, top - shift, wide, high, fill, GREY)
    shift = step * (count - 1) / 2
    return left - shift, top + shift


def score(row, column):
    """How high the score for «bus» is in a cell, from 0 to 1."""
    left, top, right, bottom = bus_at(0, 0, COLUMNS, ROWS)
    across = max(left - column - 0.5, column + 0.5 - right, 0)
    down = max(top - row - 0.5, row + 0.5 - bottom, 0)
    return max(0, 1 - (across**2 + down**2) ** 0.5 / 2)


def coarse_scores(d, x, y):
    """Draw the score maps, a number in each cell."""
    side = 5.6
    left, top = stack(d, x, y, COLUMNS * side, ROWS * side, 3, PALE)
    for row in range(ROWS):
        for column in range(COLUMNS):
            d.rect(
                left + column * side,
                top + row * side,
                side,
                side,
                tone(score(row, column)),
                LINE,
                width=0.5,
            )


def fine_scores(d, x, y):
    """Draw the enlarged score maps: the same, without steps."""
    left, top = stack(d, x, y, WIDE, HIGH, 3, PALE)
    levels = 10
    for level in range(1, levels + 1):
        reach = 2 * (1 - level / levels)  # in cells
        box = bus_at(left, top, WIDE, HIGH)
        d.rect(
            box[0] - reach * WIDE / COLUMNS,
            box[1] - reach * HIGH / ROWS,
            box[2] - box[0] + 2 * reach * WIDE / COLUMNS,
            box[3] - box[1] + 2 * reach * HIGH / ROWS,
            tone(level / levels),
            None,
            round=6 + 6 * reach,
        )


def classes(d, x, y):
    """Draw the prediction: the bus, without its wheels, on background."""
    d.rect(x, y, WIDE, HIGH, BLACK)
    left, top, right, bottom = bus_at(x, y, WIDE, HIGH)
    d.rect(
        left - 3, top - 2, right - left + 6, bottom - top + 6, '#008080', None,
        round=14,
    )  # fmt: skip


def network():
    """From a photo to the class of each of its pixels."""
    d = Drawing(
        600,
        400,
        'A photo of 320 by 480 pixels becomes smaller maps with more '
        'channels: 64 of 80 by 120, 128 of 40 by 60, 256 of 20 by 30, 512 of '
        '10 by 15. A 1 by 1 convolution turns the last ones into C score maps '
        'of 10 by 15, one for each class. They are enlarged 32 times, and at '
        'each pixel argmax takes the class with the highest score: the bus '
        'is found, with a round outline and without its wheels.',
    )
    middle = 100
    d.span(152, 592, 30, 'backbone: the classifier without its end')
    photo(d, 14, middle - HIGH / 2)
    d.text(80, 172, '3 × 320 × 480', size=16)
    edge = 14 + WIDE
    for x, wide, count, stride, shape in (
        (202, 60, 2, 4, '64 × 80 × 120'),
        (316, 44, 3, 8, '128 × 40 × 60'),
        (429, 32, 4, 16, '256 × 20 × 30'),
        (542, 24, 6, 32, '512 × 10 × 15'),
    ):
        reach = wide / 2 + 2.5 * (count - 1)
        d.arrow(edge + 4, middle, x - reach - 4, middle)
        stack(d, x, middle, wide, 2 / 3 * wide, count, TINTS[ORANGE])
        edge = x + reach
        d.text(x, 58, f'stride {stride}', size=16, color=GREY)
        d.text(x, 172, shape, size=16)
    d.arrow(542, 188, 542, 240)
    d.text(
        530, 214, '1 × 1 convolution: a score for each class', 16,
        anchor='end',
    )  # fmt: skip
    middle = 300
    coarse_scores(d, 536, middle)
    d.text(536, 372, 'C × 10 × 15', size=16)
    d.arrow(480, middle, 400, middle)
    d.text(440, middle - 18, '× 32', size=16)
    fine_scores(d, 318, middle)
    d.text(318, 372, 'C × 320 × 480', size=16)
    d.arrow(240, middle, 152, middle)
    d.text(196, middle - 18, 'argmax', size=16)
    classes(d, 14, middle - HIGH / 2)
    d.text(80, 372, '320 × 480', size=16)
    return d


FIGURES = {'fcn-network': network}

if __name__ == '__main__':
    write({name: draw() for name, draw in FIGURES.items()}, *sys.argv[1:2])
