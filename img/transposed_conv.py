"""Draw the figures of the chapter on transposed convolution.

    python img/transposed_conv.py [FOLDER]

The numbers are worked out here, not typed: the figures cannot contradict
the chapter's cells, which use the same input and the same kernel.
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
    PINK,
    TINTS,
    Drawing,
    write,
)

X = [[1, 2], [3, 4]]
K = [[1, 2, 1], [0, 3, 0], [2, 0, 1]]
STRIDE = 2
COLORS = [[BLUE, ORANGE], [GREEN, PINK]]
CELLS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def stamp(i, j):
    """Return what input cell (i, j) adds to the output, None elsewhere."""
    canvas = [[None] * 5 for _ in range(5)]
    for a in range(3):
        for b in range(3):
            canvas[STRIDE * i + a][STRIDE * j + b] = X[i][j] * K[a][b]
    return canvas


def output():
    """Return the sum of the four stamps."""
    stamps = [stamp(i, j) for i, j in CELLS]
    return [
        [sum(s[u][v] or 0 for s in stamps) for v in range(5)] for u in range(5)
    ]


def covering(u, v):
    """Return the input cells whose stamps cover the output cell (u, v)."""
    return [(i, j) for i, j in CELLS if stamp(i, j)[u][v] is not None]


def scatter():
    """Four inputs, four stamps, one sum."""
    d = Drawing(
        600,
        604,
        'An input of 2 by 2 cells and a kernel of 3 by 3. Each input cell, '
        'in a colour of its own, puts the kernel times its value onto the '
        'output of 5 by 5 cells, two places after the stamp before. The '
        'sum of the four stamps is the output; its middle cell lies under '
        'all four.',
    )

    def tint(i, j):
        return TINTS[COLORS[i][j]]

    d.text(105, 24, 'input X')
    d.grid(65, 42, X, 40, fill=tint)
    d.text(300, 24, 'kernel K')
    d.grid(240, 42, K, 40, fill=lambda i, j: PALE)
    d.text(480, 52, 'stride s = 2:', anchor='middle')
    d.text(480, 78, 'stamps begin', color=GREY)
    d.text(480, 101, '2 cells apart', color=GREY)

    side, top = 26, 222
    for n, (i, j) in enumerate(CELLS):
        left = 10 + n * 150
        d.text(left + 65, top - 18, f'{X[i][j]} × K', color=COLORS[i][j])
        shown = stamp(i, j)
        d.grid(
            left,
            top,
            shown,
            side,
            fill=lambda u, v, s=shown, c=TINTS[COLORS[i][j]]: (
                None if s[u][v] is None else c
            ),
            size=16,
        )
        if n < 3:
            d.text(left + 140, top + 65, '+', size=22, color=GREY)

    top, side = 384, 42
    d.text(160, top + 105, '= output Y', size=19)

    def mixed(u, v):
        cells = covering(u, v)
        if len(cells) == 1:
            return tint(*cells[0])
        return '#dcdcdc' if len(cells) == 2 else '#9d9d9d'

    d.grid(245, top, output(), side, fill=mixed, size=19)
    for y, color, label in (
        (55, '#dcdcdc', 'two'),
        (85, '#9d9d9d', 'all four'),
    ):
        d.rect(480, top + y - 9, 18, 18, color)
        d.text(506, top + y, label, anchor='start', size=16)
    d.text(480, top + 28, 'stamps:', anchor='start', size=16, color=GREY)
    return d


def size():
    """One row of stamps, its padding and its output padding."""
    cells, kernel, stride, padding, extra = 4, 5, 3, 2, 1
    side, left = 32, 66
    full = stride * (cells - 1) + kernel
    d = Drawing(
        600,
        444,
        'Four stamps of five places each, one below the other, each three '
        'places further right. They cover 3 times 3 plus 5, 14 places. '
        'Padding 2 cuts two places off at both ends; output padding 1 gives '
        'one place back at the right end.',
    )

    def at(place):
        return left + place * side

    d.span(at(0), at(stride * (cells - 1)), 48, 's (i′ − 1)')
    d.span(at(stride * (cells - 1)), at(full), 48, 'k')
    for m in range(cells):
        color = [BLUE, ORANGE, GREEN, PINK][m]
        top = 76 + m * 34
        begin = at(stride * m)
        for n in range(kernel):
            d.rect(begin + n * side, top, side, 26, TINTS[color], color)
        d.text(begin - 12, top + 13, f'{m + 1}', color=color, anchor='end')
    d.text(at(0) + 8, 76 + 3 * 34 + 13, 'stamps', color=GREY, anchor='start')
    top = 232
    end = full - padding + extra
    for place in range(full):
        kept = padding <= place < full - padding
        given = full - padding <= place < end
        fill = '#bdbdbd' if kept else ('#e4e4e4' if given else 'white')
        d.rect(at(place), top, side, 30, fill, LINE if kept else GREY)
        if not kept and not given:
            d.line(
                (at(place) + 4, top + 26),
                (at(place) + 28, top + 4),
                color=LINE,
            )
    d.text(at(full / 2), top + 15, 'kept')
    d.span(at(0), at(padding), top + 52, 'p', below=True)
    d.span(at(full - padding), at(full), top + 52, 'p', below=True)
    d.span(at(full - padding), at(end), top + 98, 'a', below=True)
    d.span(at(padding), at(end), top + 144, 'o′', below=True)
    for place, begin in ((padding, 34), (end, 106)):
        d.line(
            (at(place), top + begin),
            (at(place), top + 136),
            color=LINE,
            dash='3 3',
        )
    d.text(
        300,
        top + 194,
        f'here {stride} · ({cells} − 1) + {kernel} − 2 · {padding} + {extra} '
        f'= {full - 2 * padding + extra}',
        color=GREY,
    )
    return d


def gather():
    """Zeros inserted and around; the flipped kernel over one window."""
    d = Drawing(
        600,
        400,
        'The four input cells with one row and one column of zeros between '
        'them and two rows and columns of zeros around, 7 by 7 cells. The '
        'flipped kernel lies over the 3 by 3 window in the middle, where it '
        'meets all four input cells with its corners; their products add up '
        'to the middle cell of the output.',
    )
    side = 36
    padded = [[0] * 7 for _ in range(7)]
    for i, j in CELLS:
        padded[2 + STRIDE * i][2 + STRIDE * j] = X[i][j]

    def fill(u, v):
        if u in (2, 4) and v in (2, 4):
            return TINTS[COLORS[u // 2 - 1][v // 2 - 1]]
        return 'white' if 2 <= u <= 4 and 2 <= v <= 4 else PALE

    left, top = 20, 52
    d.text(left + 3.5 * side, 26, 'X with zeros')
    d.grid(
        left,
        top,
        padded,
        side,
        fill=fill,
        text=lambda u, v: None if padded[u][v] else '#767676',
    )
    d.rect(
        left + 2 * side, top + 2 * side, 3 * side, 3 * side, 'none', BLACK, 3.5
    )

    flipped = [row[::-1] for row in K[::-1]]
    d.text(352, 26, 'flipped K')
    d.grid(298, 52, flipped, side, fill=lambda i, j: PALE)
    d.rect(298, 52, 3 * side, 3 * side, 'none', BLACK, 3.5)

    small = 28
    d.text(510, 26, 'output Y')
    d.grid(
        440,
        52,
        output(),
        small,
        fill=lambda u, v: '#9d9d9d' if (u, v) == (2, 2) else 'white',
        size=16,
    )
    d.rect(440 + 2 * small, 52 + 2 * small, small, small, 'none', BLACK, 3)

    d.text(298, 232, 'Y₂₂ =', anchor='start', size=18)
    for n, (i, j) in enumerate(CELLS):
        y = 232 + n * 28
        value = flipped[2 * i][2 * j]
        d.text(
            356,
            y,
            f'{X[i][j]} · {value}'
            + (' +' if n < 3 else f' = {output()[2][2]}'),
            anchor='start',
            size=18,
            color=COLORS[i][j],
        )
    d.text(
        20,
        352,
        's − 1 = 1 row and column of zeros between the cells,',
        anchor='start',
        color=GREY,
    )
    d.text(
        20,
        378,
        'k − 1 − p = 2 around (here p = 0); the window moves by 1.',
        anchor='start',
        color=GREY,
    )
    return d


FIGURES = {
    'tconv-scatter': scatter,
    'tconv-size': size,
    'tconv-gather': gather,
}

if __name__ == '__main__':
    write({name: draw() for name, draw in FIGURES.items()}, *sys.argv[1:2])
