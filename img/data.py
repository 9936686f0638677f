"""Draw the figures of the chapter on segmentation and its data.

python img/data.py [FOLDER]
"""

import sys

from drawing import BLUE, GREEN, GREY, ORANGE, TINTS, Drawing, write

# A bird of cells: # is its body, the row below it stands on nothing.
BIRD = (
    '..###...',
    '.#####..',
    '########',
    '.######.',
    '...##...',
)
SHIFT = 6  # columns between two birds: they touch, and overlap a little
HIGH, WIDE = 5, 6  # cells of truth and prediction


def bird(row, column):
    """Whether a bird whose upper left corner is at (0, 0) has this cell."""
    inside = 0 <= row < len(BIRD) and 0 <= column < len(BIRD[0])
    return inside and BIRD[row][column] == '#'


def instances():
    """Two birds that touch: as one region, and as two."""
    side, rows, columns = 17, 9, 16
    d = Drawing(
        600,
        206,
        'The same two birds twice, drawn in squares. Left, semantic: all '
        'their pixels have one colour and the word bird. Right, instance: '
        'the first bird has one colour and the words bird 1, the second '
        'another and the words bird 2.',
    )
    for left, title, colors, names in (
        (14, 'semantic', (BLUE, BLUE), ['bird']),
        (314, 'instance', (BLUE, ORANGE), ['bird 1', 'bird 2']),
    ):
        d.text(left + columns * side / 2, 20, title, size=18)
        for row in range(rows):
            for column in range(columns):
                fill = 'white'
                if bird(row - 1, column - 1):
                    fill = TINTS[colors[0]]
                elif bird(row - 3, column - 1 - SHIFT):
                    fill = TINTS[colors[1]]
                d.rect(left + column * side, 38 + row * side, side, side, fill)
        places = [(8, 4.5)] if len(names) == 1 else [(5, 3.5), (11, 5.5)]
        for name, (column, row), color in zip(
            names, places, colors, strict=False
        ):
            d.text(
                left + column * side,
                38 + row * side,
                name,
                color=color,
                font_weight='bold',
            )
    return d


def iou():
    """Truth, prediction, what both have, and what one of them has."""
    side, down, right = 22, 1, 1
    rows, columns = HIGH + down, WIDE + right

    def true(row, column):
        return row < HIGH and column < WIDE

    def predicted(row, column):
        return row >= down and column >= right

    cells = [(row, column) for row in range(rows) for column in range(columns)]
    both = sum(true(*cell) and predicted(*cell) for cell in cells)
    one = sum(true(*cell) or predicted(*cell) for cell in cells)
    d = Drawing(
        600,
        250,
        'Three squared boards. Left, a rectangle of 5 by 6 cells, the truth, '
        'and the same rectangle, the prediction, a cell further down and '
        f'right. In the middle the {both} cells of the intersection. Right '
        f'the {one} cells of the union. IU is {both} / {one}.',
    )
    boards = (
        ('truth and prediction', lambda t, p: t or p, None),
        (f'intersection: {both}', lambda t, p: t and p, GREEN),
        (f'union: {one}', lambda t, p: t or p, GREEN),
    )
    for number, (title, shown, color) in enumerate(boards):
        left, top = 23 + number * 200, 46
        d.text(left + columns * side / 2, 24, title)
        for row, column in cells:
            fill = 'white'
            if shown(true(row, column), predicted(row, column)):
                fill = TINTS[color or BLUE]
            if not color and not true(row, column):
                fill = TINTS[ORANGE] if predicted(row, column) else 'white'
            d.rect(left + column * side, top + row * side, side, side, fill)
        for outline, begin in ((BLUE, (0, 0)), (ORANGE, (down, right))):
            d.rect(
                left + begin[1] * side,
                top + begin[0] * side,
                WIDE * side,
                HIGH * side,
                'none',
                outline,
                width=3,
            )
    d.text(100, 200, 'truth', color=BLUE, anchor='end')
    d.text(110, 200, 'prediction', color=ORANGE, anchor='start')
    d.text(300, 230, f'IU = {both} / {one} = {both / one:g}', size=20)
    d.text(500, 200, 'each pixel once', color=GREY)
    return d


FIGURES = {'data-instances': instances, 'data-iou': iou}

if __name__ == '__main__':
    write({name: draw() for name, draw in FIGURES.items()}, *sys.argv[1:2])
