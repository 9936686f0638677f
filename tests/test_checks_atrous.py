"""The checks of the exercises on convolutions with holes, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

from itertools import permutations

from answers import says
from checks import OPEN
from checks import atrous as check

import numpy
import pytest
from mxnet import np, npx


@pytest.mark.parametrize(
    'checked, answers',
    [
        (check.between_cells, (lambda *_: ...,)),
        (check.interleaved, (lambda *_: ...,)),
        (check.not_blind, ([1, ..., 2],)),
        (check.which_rate, ([...] * 6, 1, 1)),
    ],
)
def test_a_stub_is_not_answered(checked, answers):
    assert checked(*answers).state == OPEN


# ------------------------------------------------------------- On paper
PLAIN, PADDED = [-1, 6], [3, 0, -1, 6, 2, -3]


def test_on_paper_takes_any_kind_of_row():
    assert check.on_paper(np.array(PLAIN), numpy.array(PADDED))
    assert check.on_paper(tuple(PLAIN), [float(x) for x in PADDED])


@pytest.mark.parametrize(
    'plain, padded, phrase',
    [
        ([5, -2, 2, 6], PADDED, 'is longer'),
        ([5, -2], PADDED, 'every second number'),
        ([0, 3], PADDED, 'flipped'),
        (PLAIN, [-1, 5, -2, 2, 6, -3], 'every second number'),
        (PLAIN, [0, -1, 6, 2], 'a padding of 1 does not suffice'),
        (PLAIN, PLAIN, 'without padding'),
        (PLAIN, [3, 0, -1, 6, 2, 0], 'place 5'),
        ([1], PADDED, 'holes included'),
    ],
)
def test_on_paper_knows_the_mistake(plain, padded, phrase):
    says(check.on_paper(plain, padded), phrase)


# ------------------------------------------------------------- Rates
RATES = [1, 1, 1, 2, 2, 4]


def test_the_rates_and_the_fields_are_those_of_gluon():
    assert check.which_rate(np.array(RATES), 43, numpy.int64(23))


@pytest.mark.parametrize(
    'rates, field, plain, phrase',
    [
        ([1, 1, 2, 2, 4, 4], 43, 23, 'the layer that loses its stride'),
        ([1, 2, 2, 4, 4, 8], 43, 23, 'the first stride stays'),
        ([1, 1, 1, 2, 2, 3], 43, 23, 'rates multiply'),
        ([1, 1, 1, 1, 1, 1], 43, 23, 'layer 3'),
        (RATES, 13, 23, 'if no layer had a stride'),
        (RATES, 43, 43, 'field_without_holes'),
        (RATES, 43, 13, 'if no layer had a stride'),
        (RATES, 42, 23, 'field is not right'),
        (RATES[:5], 43, 23, 'wrong shape'),
    ],
)
def test_which_rate_knows_the_mistake(rates, field, plain, phrase):
    says(check.which_rate(rates, field, plain), phrase)


# ------------------------------------------------------------- Branches
@pytest.mark.parametrize(
    'pyramid, sizes, phrase',
    [
        (23050, 23050, 'do not share'),
        (69150, 69150, 'the same weights'),
        (69120, 23050, 'a bias'),
        (69150, 23040, 'a bias'),
        (432650, 23050, 'holes have no weights'),
        (1, 23050, '9 places'),
    ],
)
def test_branches_knows_the_mistake(pyramid, sizes, phrase):
    says(check.branches(pyramid, sizes), phrase)


# ------------------------------------------------------------- Not blind
@pytest.mark.parametrize('rates', [*permutations([1, 3, 9])], ids=str)
def test_the_order_of_rates_does_not_matter(rates):
    assert check.not_blind(rates)


def test_no_other_rates_see_as_far():
    """All others up to 12 are blind somewhere, or see less."""
    wide = [
        rates
        for rates in numpy.ndindex(13, 13, 13)
        if min(rates) and check.not_blind(list(rates))
    ]
    assert sorted(wide) == sorted(permutations([1, 3, 9]))


@pytest.mark.parametrize(
    'rates, phrase',
    [
        ([2, 2, 2], 'common divisor'),
        ([1, 4, 9], 'are blind'),
        ([1, 2, 3], 'can be wider'),
        ([0, 3, 9], 'from 1 to 100'),
        ([1.5, 3, 9], 'whole number'),
        ([1, 3], 'wrong shape'),
    ],
)
def test_not_blind_knows_the_mistake(rates, phrase):
    says(check.not_blind(rates), phrase)


# ------------------------------------------------------------- Places
@pytest.mark.parametrize(
    'resnet, vgg, phrase',
    [
        (7.5, 12, 'to be subtracted'),
        (14, 12, 'not of 32'),
        (-6, 12, 'the other direction'),
        (6, 0, 'Where was that drawn'),
        (12, 12, 'the middle of a cell'),
        (6, 15.5, 'to be subtracted'),
        (6, 11, 'Compare both strides'),
    ],
)
def test_where_knows_the_mistake(resnet, vgg, phrase):
    says(check.where(resnet, vgg), phrase)


# ------------------------------------------------------------- Between
def by_numpy(scores, stride, first, places):
    cells = first + stride * numpy.arange(len(scores))
    return numpy.interp(places, cells, scores)


def nearest(scores, stride, first, places):
    cells = numpy.rint((numpy.array(places) - first) / stride).astype(int)
    return [scores[min(max(m, 0), len(scores) - 1)] for m in cells]


def before(scores, stride, first, places):
    cells = ((numpy.array(places) - first) / stride).clip(0, len(scores) - 1)
    return [scores[m] for m in cells.astype(int)]


def from_zero(scores, stride, first, places):
    return by_numpy(scores, stride, 0, places)


def fading(scores, stride, first, places):
    cells = first + stride * numpy.arange(len(scores))
    return numpy.interp(places, cells, scores, left=0, right=0)


def test_any_way_to_interpolate_is_right():
    assert check.between_cells(by_numpy)
    assert check.between_cells(lambda *x: np.array(by_numpy(*x)))


@pytest.mark.parametrize(
    'function, phrase',
    [
        (nearest, 'is not the nearest whole number'),
        (before, 'the cell before'),
        (from_zero, 'cell 0 lies at `first`'),
        (fading, 'their scores stay'),
        (lambda *_: [0] * 9, 'how many cells from `first`'),
        (lambda *_: [0] * 8, 'wrong shape'),
    ],
)
def test_between_knows_the_mistake(function, phrase):
    says(check.between_cells(function), phrase)


# ------------------------------------------------------------- Interleave
def shifted(X, K, rate):
    """Another right way: nine shifted maps."""
    wide = numpy.pad(X.asnumpy(), rate)
    (h, w), K = X.shape, K.asnumpy()
    return sum(
        K[i, j] * wide[rate * i : rate * i + h, rate * j : rate * j + w]
        for i, j in numpy.ndindex(3, 3)
    )


def by_operator(X, K, rate):
    return npx.convolution(
        X[None, None],
        K[None, None],
        kernel=(3, 3),
        num_filter=1,
        dilate=(rate, rate),
        pad=(rate, rate),
        no_bias=True,
    )[0, 0]


def in_place(X, K, rate):
    X[:] = 0
    return X


def test_other_ways_to_make_holes_are_right():
    assert check.interleaved(shifted)


@pytest.mark.parametrize(
    'function, phrase',
    [
        (by_operator, 'which does all the work'),
        (lambda X, K, r: shifted(X, K[::-1, ::-1], r), 'flipped'),
        (lambda X, K, r: shifted(X, K, 1), 'these are neighbours'),
        (lambda X, K, r: shifted(X, K.T, r), 'exchanged'),
        (lambda X, K, r: shifted(X, K, r)[:-1], 'wrong shape'),
        (lambda X, K, r: 0 * X, 'Where does each part go'),
        (in_place, 'changed what it was given'),
    ],
)
def test_interleaved_knows_the_mistake(function, phrase):
    says(check.interleaved(function), phrase)
