"""The checks of the exercises on heat maps, and recorded wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and wrong ones get the hint that is meant for them.
"""

from fractions import Fraction

import segbook
from answers import HOSTILE, says
from checks import OPEN, WRONG, seen
from checks import heat_map as check

import numpy
import pytest
from mxnet import np
from mxnet.gluon import nn

# -------------------------------------------------------- What Does It See?
FIELDS = (7, 1, -3), (6, 2, -2), (10, 2, -4), (11, 4, -5)


@pytest.mark.parametrize('kind', [list, tuple, numpy.array, np.array])
def test_fields(kind):
    assert check.sees(*map(kind, FIELDS))


def test_fields_are_those_of_the_book():
    for layers, field in zip(check.CHAINS.values(), FIELDS, strict=True):
        chain = [nn.Conv2D(1, k, s, p) for k, s, p in layers]
        assert segbook.receptive_field(chain) == field


@pytest.mark.parametrize(
    'place, answer, phrase',
    [
        (0, (1, 7, -3), 'their order is not'),
        (0, (9, 1, -3), 'adds 2 cells, not 3'),
        (0, (6, 1, -3), 'one step less'),
        (0, (7, 2, -3), 'by how many pixels moves'),
        (0, (7, 1, 3), 'before pixel 0'),
        (0, (7, 1, 0), 'before the photo begins'),
        (0, 7, 'shape (3,)'),
        (1, (7, 2, -2), 'counts only for the layers behind it'),
        (1, (6, 1, -2), 'twice as long'),
        (1, (6, 2, -3), 'the middle of what it sees'),
        (2, (6, 2, -4), 'multiply k - 1 by the stride so far'),
        (2, (10, 2, -2), 'two pixels wide'),
        (2, (10, 2, -1), 'its padding times the stride'),
        (3, (11, 2, -5), 'this is the stride of the last layer alone'),
        (3, (8, 4, -5), 'begin with 1 pixel'),
    ],
)
def test_wrong_fields(place, answer, phrase):
    answers = list(FIELDS)
    answers[place] = answer
    says(check.sees(*answers), list(check.CHAINS)[place], phrase)


# ------------------------------------------------- How Large Is the Map?
MAPS = (288, 319), (352, 383), (5, 9)


def test_sizes_of_maps():
    assert check.map_size(*MAPS)
    assert check.map_size(
        np.array([288, 319]), [352.0, 383], numpy.int64(MAPS[2])
    )


@pytest.mark.parametrize(
    'rows, phrase',
    [
        ((319, 288), 'the least comes first'),
        ((96, 127), 'is 7 cells long'),
        ((320, 351), 'not on 8'),
        ((288, 320), 'one pixel more'),
        ((288, 288), 'ignores an odd last row'),
        ((257, 288), 'round down'),
        ((224, 255), 'go backwards'),
        (288, 'shape (2,)'),
    ],
)
def test_wrong_rows(rows, phrase):
    says(check.map_size(rows, *MAPS[1:]), 'rows', phrase)


def test_wrong_columns():
    says(check.map_size(MAPS[0], (160, 191), MAPS[2]), 'columns', '7 cells')


@pytest.mark.parametrize(
    'cells, phrase',
    [
        ((9, 5), 'rows come first'),
        ((10, 14), 'before its first dense layer'),
        ((11, 15), 'do not simply halve'),
        ((6, 9), 'nine layers'),
    ],
)
def test_wrong_alexnet(cells, phrase):
    says(check.map_size(*MAPS[:2], cells), phrase)


# ------------------------------------------ Mean First, or Scores First?


def test_orders():
    assert check.order(True, False, False, False, False)
    assert check.order(numpy.bool_(1), 0, 0.0, False, np.array(0))


@pytest.mark.parametrize(
    'answers, phrases',
    [
        ((0, 0, 0, 0, 0), ['4 of the 5', 'means: score two places']),
        ((1, 1, 0, 0, 0), ['4 of the 5', 'sums: what becomes of the bias']),
        ((1, 0, 1, 1, 1), ['2 of the 5', 'relu: take two places']),
        ((1, 0, 0, 1, 0), ['maxima: take a negative weight']),
        ((1, 0, 0, 0, 1), ['softmax: a softmax is not linear']),
        ((2, 0, 0, 0, 0), ['True or False']),
        (('yes', 0, 0, 0, 0), ['without quotes']),
        (([], 0, 0, 0, 0), ['the answer means', 'the wrong shape']),
    ],
)
def test_wrong_orders(answers, phrases):
    says(check.order(*answers), *phrases)


# -------------------------------------- Weights From Another Framework


def maps(weight, channels, size):
    return weight.reshape(-1, size, size, channels)


@pytest.mark.parametrize(
    'kernel_of',
    [
        lambda *given: np.moveaxis(maps(*given), 3, 1),
        lambda w, *more: maps(w.asnumpy(), *more).transpose(0, 3, 1, 2),
        lambda *given: maps(*given).transpose(0, 3, 1, 2).asnumpy().tolist(),
    ],
)
def test_kernels(kernel_of):
    assert check.kernel_of(kernel_of)


@pytest.mark.parametrize(
    'kernel_of, phrase',
    [
        (lambda w, c, s: w.reshape(-1, c, s, s), 'channel by channel'),
        (lambda *given: maps(*given).transpose(0, 3, 2, 1), 'on its side'),
        (
            lambda *given: maps(*given).transpose(0, 3, 1, 2)[:, ::-1],
            'the opposite order',
        ),
        (
            lambda *given: maps(*given).transpose(0, 3, 1, 2)[..., ::-1, ::-1],
            'turned around',
        ),
        (maps, 'the channels come last here'),
        (lambda w, c, s: w, 'four axes'),
        (lambda w, c, s: np.zeros((w.shape[0], c, s, s)), 'move an axis'),
    ],
)
def test_wrong_kernels(kernel_of, phrase):
    says(check.kernel_of(kernel_of), phrase)


# ------------------------------------------------- How Much Is Saved?
LIMITS = Fraction(87, 8) ** 2, 1


def counted(layers, windows, power=2, own=False, apart=False):
    """Count the places of all kernels by standing on each of them."""
    layers = [(kernel, stride, 0) for kernel, stride in layers]
    size, step = len(seen(layers, 0)), seen(layers, 1)[0]
    alone, whole = size, size + step * (windows - 1)
    if apart:
        whole = size * windows
    found = []
    for kernel, stride, _ in layers:
        alone = len(range(0, alone - kernel + 1, stride))
        whole = len(range(0, whole - kernel + 1, stride))
        ratio = windows * alone / whole
        found.append(windows if own else ratio**power)
    return found


def test_ratios():
    assert check.saved(counted, LIMITS)
    assert check.saved(lambda *x: np.array(counted(*x)), (118.266, 1.0))


@pytest.mark.parametrize(
    'ratios, phrase',
    [
        (lambda *x: counted(*x, power=1), 'rows and columns'),
        (lambda *x: counted(*x, power=-2), 'this is the inverse'),
        (lambda *x: counted(*x, apart=True), 'they overlap'),
        (lambda x, n: [n**2] * len(x), 'its maps are larger'),
        (
            lambda x, n: [value / n for value in counted(x, n)],
            'windows times windows',
        ),
        (lambda x, n: [1] * len(x), 'count the rows'),
        (lambda x, n: 1, 'the wrong shape'),
    ],
)
def test_wrong_ratios(ratios, phrase):
    says(check.saved(ratios, LIMITS), phrase)


@pytest.mark.parametrize(
    'limits, phrase',
    [
        ((87 / 8, 1), 'square it'),
        ((1, LIMITS[0]), 'first the convolution'),
        ((118.265625, 118.265625), 'another part of the map'),
        ((118.27, 1), 'three digits'),
        ((100, 1), 'how many rows'),
    ],
)
def test_wrong_limits(limits, phrase):
    says(check.saved(counted, limits), phrase)


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_limits_get_a_message(answer):
    verdict = check.saved(counted, answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text


# --------------------------------------------- Where Does a Cell Look?


def field(layers, row, column, *sides, cut=True, more=0, padded=True):
    if not padded:
        layers = [(kernel, stride, 0) for kernel, stride, _ in layers]
    found = []
    for cell, side in zip((row, column), sides, strict=True):
        places = seen(layers, cell)
        if cut:
            places = [place for place in places if 0 <= place < side]
        found += [min(places), max(places) + more]
    return found


def clipped_too_late(layers, row, column, *sides):
    top, bottom, left, right = field(layers, row, column, *sides, cut=False)
    return [
        *(max(0, top), min(bottom + 1, sides[0] - 1)),
        *(max(0, left), min(right + 1, sides[1] - 1)),
    ]


def own_pixels(layers, row, column, height, width):
    stride = seen(layers, 1)[0] - seen(layers, 0)[0]
    return [
        stride * n + more for n in (row, column) for more in (0, stride - 1)
    ]


def test_looks():
    assert check.looks(field)
    assert check.looks(lambda *x: np.array(field(*x)))


@pytest.mark.parametrize(
    'looks, phrase',
    [
        (lambda *x: field(*x, cut=False), 'sticks out of the photo'),
        (lambda *x: field(*x, more=1), 'not the first beyond'),
        (clipped_too_late, 'not the first beyond'),
        (lambda *x: field(*x, padded=False), 'padding moves'),
        (
            lambda *x: [field(*x)[n] for n in (2, 3, 0, 1)],
            'rows come first',
        ),
        (
            lambda *x: [field(*x)[n] for n in (0, 2, 1, 3)],
            'top, bottom, left, right',
        ),
        (own_pixels, 'it sees more'),
        (lambda *x: (0, 1, 0, 1), 'cell i sees'),
        (lambda *x: 3, 'shape (4,)'),
    ],
)
def test_wrong_looks(looks, phrase):
    says(check.looks(looks), phrase)


# ------------------------------------------- Four Passes, a Finer Map


def four(heat, x, way=1, fill='constant', swap=False):
    """All four maps, by NumPy: [row moved or not][column moved or not]."""
    x = x.asnumpy()
    height, width = x.shape[2:]
    before, after = (0, 16) if way == 1 else (16, 0)
    wide = numpy.pad(
        x, ((0, 0), (0, 0), (before, after), (before, after)), mode=fill
    )

    def begin(moved):
        return before + way * 16 * moved

    return [
        [
            heat(
                np.array(
                    wide[:, :, begin(a) :, begin(b) :][:, :, :height, :width]
                )
            ).asnumpy()
            for b in (0, 1)
        ]
        for a in (0, 1)
    ]


def woven(heat, x, **options):
    found = four(heat, x, **options)
    n, c, rows, columns = found[0][0].shape
    result = numpy.zeros((n, c, 2 * rows, 2 * columns))
    for a in (0, 1):
        for b in (0, 1):
            result[:, :, a::2, b::2] = found[a][b]
    return result


def repeated(heat, x):
    return heat(x).repeat(2, axis=2).repeat(2, axis=3)


def side_by_side(heat, x):
    return np.array(numpy.block(four(heat, x)))


@pytest.mark.parametrize('fill', ['constant', 'edge', 'wrap', 'reflect'])
def test_finer(fill):
    assert check.finer(lambda *x: woven(*x, fill=fill))


@pytest.mark.parametrize(
    'finer, phrase',
    [
        (lambda *x: woven(*x, way=-1), 'the wrong way'),
        (repeated, 'the photo was not moved'),
        (side_by_side, 'they must alternate'),
        (lambda heat, x: heat(x), 'four of them'),
        (lambda heat, x: numpy.zeros((1, 2, 8, 3)), 'not four of one'),
        (lambda heat, x: heat(x[:, :, 16:]), '32 does not divide'),
        (lambda heat, x: heat(x[0]), 'else than one photo'),
        (lambda heat, x: 0 * repeated(heat, x), 'cell (2 i + a, 2 j + b)'),
    ],
)
def test_wrong_finer(finer, phrase):
    says(check.finer(finer), phrase)


# ----------------------------------------------------------- Still a stub


@pytest.mark.parametrize(
    'one',
    [check.kernel_of, check.looks, check.finer]
    + [lambda stub: check.saved(stub, LIMITS)],
)
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN
