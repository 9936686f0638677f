"""Draw the figures of the chapter on the bilinear kernel.

python img/bilinear.py [FOLDER]
"""

import sys
from fractions import Fraction

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


def weights(stride):
    """Return the weights of the triangle, from the first that is not 0."""
    size = 2 * stride - stride % 2
    center = Fraction(size - 1, 2)
    return [1 - abs(n - center) / stride for n in range(size)]


def panel(d, top, stride, side, begin):
    """Draw the triangle around input pixel m; begin is its first output.

    Output pixels are `side` wide, and number 0 stands at x = 24.
    """
    size = 2 * stride - stride % 2
    padding = (size - stride) // 2
    count = int(552 // side)
    height, base = 120, top + 166

    def middle(place):
        return 24 + float(place + Fraction(1, 2)) * side

    center = begin + Fraction(stride - 1, 2)
    parity = 'even' if stride % 2 == 0 else 'odd'
    d.text(
        24,
        top,
        f'{parity} stride, s = {stride}: k = {size}, p = {padding}',
        anchor='start',
        size=18,
    )
    # The triangle with its weights.
    for step in (-1, 0, 1):
        x = middle(center + step * stride)
        d.line((x, base - height - 4), (x, base), color=LINE, dash='4 4')
    d.line(
        (middle(center - stride), base),
        (middle(center), base - height),
        (middle(center + stride), base),
        color=BLUE,
        width=2.5,
        fill=TINTS[BLUE],
    )
    d.line((16, base), (584, base), color=GREY)
    for n, weight in enumerate(weights(stride)):
        x = middle(begin - padding + n)
        y = base - float(weight) * height
        d.line((x, y), (x, base), color=BLUE)
        d.dot(x, y, BLUE, radius=4.5)
        right = weight != 1 and n >= size / 2
        d.text(
            x + (8 if right or weight == 1 else -8),
            y - 9,
            str(weight),
            size=16,
            anchor='start' if right or weight == 1 else 'end',
        )
    # Output pixels under it, and input pixels under these.
    for place in range(count):
        inside = begin - padding <= place < begin - padding + size
        d.rect(
            24 + place * side,
            base + 8,
            side,
            24,
            TINTS[BLUE] if inside else PALE,
        )
    first = begin % stride - stride
    for left in range(first, count, stride):
        start, end = max(left, 0), min(left + stride, count)
        mine = left == begin
        d.rect(
            24 + start * side,
            base + 38,
            (end - start) * side,
            30,
            TINTS[ORANGE] if mine else 'white',
        )
        if end - start == stride:
            offset = (left - begin) // stride
            d.text(
                middle(left + Fraction(stride - 1, 2)),
                base + 53,
                'input m' if mine else f'm {"+" if offset > 0 else "−"} 1',
                color=BLACK if mine else GREY,
                size=16,
            )
    # What the two words mean.
    d.span(
        middle(center),
        middle(center + stride),
        base + 88,
        'factor = s',
        below=True,
    )
    d.arrow(middle(begin - padding), base + 88, middle(center), base + 88)
    d.text(
        (middle(begin - padding) + middle(center)) / 2,
        base + 105,
        f'centre = {number(size)}',
    )


def number(size):
    """Write (size - 1) / 2 as a decimal number."""
    return f'{(size - 1) / 2:g}'


def triangle():
    """The kernel for an even and for an odd stride."""
    d = Drawing(
        600,
        628,
        'Two triangles, each with its top over the middle of input pixel m '
        'and falling to zero over the middles of its neighbours. Above, '
        'stride 4: the middle lies between two output pixels, and the eight '
        'weights are 1/8, 3/8, 5/8, 7/8, 7/8, 5/8, 3/8, 1/8. Below, stride '
        '3: the middle is an output pixel, and the five weights are 1/3, '
        '2/3, 1, 2/3, 1/3. The factor is half the width of the triangle, '
        'the centre the distance from the first weight to the middle.',
    )
    panel(d, 24, stride=4, side=46, begin=4)
    panel(d, 338, stride=3, side=46, begin=4)
    return d


def border():
    """The sum of three triangles, complete inside, cut at both ends."""
    stride, cells, side, left = 4, 3, 36, 84
    base, height = 214, 150
    d = Drawing(
        600,
        318,
        'Three input pixels of value 1, enlarged 4 times. Their three '
        'triangles add up to 1 between the first and the last middle. '
        'Beyond, the sum falls to 7/8 and 5/8 at both ends, because the '
        'triangles of neighbours outside the picture, drawn dashed, are '
        'missing.',
    )

    def middle(place):
        return left + (place + 0.5) * side

    def center(m):
        return stride * m + (stride - 1) / 2

    for m, color in (
        (-1, GREY),
        (0, BLUE),
        (1, ORANGE),
        (2, GREEN),
        (3, GREY),
    ):
        real = 0 <= m < cells
        points = [
            (middle(center(m) - stride), base),
            (middle(center(m)), base - height),
            (middle(center(m) + stride), base),
        ]
        if m < 0:
            points = points[1:]
        if m >= cells:
            points = points[:2]
        d.line(*points, color=color, dash=None if real else '5 5', width=2)
    d.line((16, base), (584, base), color=GREY)
    for place in range(stride * cells):
        total = sum(
            max(0, 1 - abs(place - center(m)) / stride) for m in range(cells)
        )
        y = base - total * height
        d.line((middle(place), y), (middle(place), base), color=LINE)
        d.dot(middle(place), y, BLACK, radius=4.5)
        if total < 1:
            near = place < stride
            d.text(
                middle(place) + (-9 if near else 9),
                y - 8,
                str(Fraction(total)),
                size=17,
                anchor='end' if near else 'start',
            )
    d.text(300, base - height - 22, 'sum of the weights: 1 inside')
    for m in range(cells):
        d.rect(
            left + stride * m * side,
            base + 10,
            stride * side,
            30,
            TINTS[[BLUE, ORANGE, GREEN][m]],
        )
        d.text(middle(center(m)), base + 25, f'input {m}', size=16)
    for x in (42, 558):
        d.text(x, base + 25, 'nothing', color=GREY, size=16)
    d.text(
        300,
        base + 66,
        'at the edge (s + 1) / 2s = 5/8, here for s = 4',
        color=GREY,
    )
    return d


FIGURES = {'bilinear-triangle': triangle, 'bilinear-border': border}

if __name__ == '__main__':
    write({name: draw() for name, draw in FIGURES.items()}, *sys.argv[1:2])
