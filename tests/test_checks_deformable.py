"""The checks of the exercises on moving kernels: right ways, wrong ones."""

import cmath

import segbook
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import deformable as check

import numpy as onp
import pytest
from mxnet import np

TAPS = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
LONG = 'I predicted one thing and found another, and the reason is this: ' * 2


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_answer_gets_a_message(answer):
    for verdict in (
        check.between(3.25, answer, 0),
        check.depth(50, 938, answer),
        check.slope(0, 0, answer, LONG),
    ):
        assert verdict.state == WRONG
        assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.holes, check.turned, check.modulated])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# --------------------------------------------------------------- between
def test_three_numbers_are_right():
    assert check.between(3.25, 7, 0)
    values = np.array([[[[1, 3, 0], [5, 9, 2]]]], dtype='float32')
    places = [[0.25, 1.5, -0.5]], [[0.5, 0.5, 1]]
    rows, columns = (np.array([p], dtype='float32') for p in places)
    found = segbook.sample(values, rows, columns)
    assert check.between(*found.reshape(-1).tolist())


WRONG_READINGS = [
    ((3.75, 7, 0), 'exchanged'),
    ((5.75, 7, 0), 'the nearer row'),
    ((1, 7, 0), 'nearest pixel'),
    ((4.5, 7, 0), 'plain mean'),
    ((3, 7, 0), 'count 3/4 and 1/4'),
    ((3.25, 3.5, 0), 'zeros around'),
    ((3.25, 0, 0), 'within [0, H)'),
    ((3.25, 9, 0), 'only the column'),
    ((3.25, 7, 1.5), 'outside is outside'),
    ((3.25, 7, 3), 'not the first'),
    ((3.25, 7, 1), 'is -0.5 within'),
]


@pytest.mark.parametrize(('numbers', 'phrase'), WRONG_READINGS)
def test_wrong_readings(numbers, phrase):
    says(check.between(*numbers), phrase)


# ----------------------------------------------------------------- holes
def in_pairs(function):
    """An answer that maps (down, across) to the offsets of a point."""
    return lambda value: [
        float(part) for tap in TAPS for part in function(value, *tap)
    ]


def test_point_by_point_is_right():
    assert check.holes(in_pairs(lambda r, y, x: ((r - 1) * y, (r - 1) * x)))


WRONG_HOLES = [
    (in_pairs(lambda r, y, x: (r * y, r * x)), 'added to the place'),
    (in_pairs(lambda r, y, x: ((r - 1) * x, (r - 1) * y)), 'down comes'),
    (in_pairs(lambda r, y, x: ((r - 2) * y, (r - 2) * x)), 'no offsets'),
    (in_pairs(lambda r, y, x: ((1 - r) * y, (1 - r) * x)), 'outwards'),
    (
        lambda r: [(r - 1) * tap[axis] for axis in (0, 1) for tap in TAPS],
        'not all down first',
    ),
    (lambda r: [0] * 18, 'the first point is up left'),
    (lambda r: onp.zeros((9, 2)), 'shape'),
]


@pytest.mark.parametrize(('holes', 'phrase'), WRONG_HOLES)
def test_wrong_holes(holes, phrase):
    says(check.holes(holes), phrase)


# ---------------------------------------------------------------- turned
def turn(degrees, y, x, way=1, radians=True):
    """A point of the page as a complex number: x to the right, y upwards."""
    angle = cmath.pi * degrees / 180 if radians else degrees
    to = (x - 1j * y) * cmath.exp(way * 1j * angle)
    return -to.imag, to.real


def by_complex_numbers(degrees, y, x):
    row, column = turn(degrees, y, x)
    return row - y, column - x


def clockwise(degrees, y, x):
    row, column = turn(degrees, y, x, way=-1)
    return row - y, column - x


def wrong_unit(degrees, y, x):
    row, column = turn(degrees, y, x, radians=False)
    return row - y, column - x


def test_points_turned_as_complex_numbers_are_right():
    assert check.turned(in_pairs(by_complex_numbers))


WRONG_TURNS = [
    (in_pairs(clockwise), 'it turns clockwise'),
    (in_pairs(turn), 'subtract the plain ones'),
    (
        in_pairs(lambda *a: [-part for part in by_complex_numbers(*a)]),
        'not plain minus turned',
    ),
    (in_pairs(wrong_unit), 'want radians'),
    (in_pairs(lambda *a: by_complex_numbers(*a)[::-1]), 'down comes'),
    (lambda degrees: [0] * 18, 'the first point is up left'),
]


@pytest.mark.parametrize(('turned', 'phrase'), WRONG_TURNS)
def test_wrong_turns(turned, phrase):
    says(check.turned(turned), phrase)


# ----------------------------------------------------------------- depth
def test_the_least_depths_by_counting_are_right():
    def first(enough):
        return next(d for d in range(2000) if enough(d))

    assert check.depth(
        first(lambda d: 2 * d + 1 >= 100),
        first(lambda d: 16 * 2 * d >= 3 * 100**2),
        first(lambda d: 16 * 2 * d >= 3 * 25**2),
    )


WRONG_DEPTHS = [
    ((49, 938, 59), '99 pixels'),
    ((100, 938, 59), 'one at each side'),
    ((34, 938, 59), 'not three'),
    ((1, 938, 59), '2 d + 1'),
    ((50, 937, 59), 'a little less'),
    ((50, 3750, 59), 'make four'),
    ((50, 235, 59), 'make four'),
    ((50, 625, 59), '2/3, not 1'),
    ((50, 38, 59), 'the square of'),
    ((50, 1, 59), 'four roots'),
    ((50, 938, 58), 'a little less'),
    ((50, 938, 235), 'square of the width'),
    ((50, 938, 1), 'cells wide'),
]


@pytest.mark.parametrize(('numbers', 'phrase'), WRONG_DEPTHS)
def test_wrong_depths(numbers, phrase):
    says(check.depth(*numbers), phrase)


# ------------------------------------------------------------- modulated
def with_weights_of_each_cell(x, offsets, strengths, weight):
    """One point after the other, each by a kernel of one number."""
    total = 0
    for k, (down, across) in enumerate(TAPS):
        step = np.array([down, across], dtype='float32').reshape(1, 2, 1, 1)
        one = weight[:, :, down + 1, across + 1].reshape(
            *weight.shape[:2], 1, 1
        )
        alone = segbook.deform(x, offsets[:, 2 * k : 2 * k + 2] + step, one)
        total = total + alone * strengths[:, k : k + 1]
    return total


def changed(change):
    return lambda x, o, s, w: with_weights_of_each_cell(*change(x, o, s, w))


def test_one_point_after_the_other_is_right():
    assert check.modulated(with_weights_of_each_cell)


WRONG_WAYS = [
    (lambda x, o, s, w: segbook.deform(x, o, w), 'the strengths count'),
    (changed(lambda x, o, s, w: (x, 0 * o, s, w)), 'the offsets count'),
    (
        changed(
            lambda x, o, s, w: (x, o, 0 * s + s.mean(1, keepdims=True), w)
        ),
        'not their mean',
    ),
    (changed(lambda x, o, s, w: (x, o, s[:, ::-1], w)), 'in the order'),
    (
        changed(
            lambda x, o, s, w: (
                x,
                (o.reshape(len(x), 9, 2, *x.shape[2:]) * s[:, :, None])
                .reshape(o.shape),
                0 * s + 1,
                w,
            )
        ),
        'not the way to it',
    ),
    (changed(lambda x, o, s, w: (x, o, s**2, w)), 'multiply what'),
    (lambda x, o, s, w: x, 'shape'),
]  # fmt: skip


@pytest.mark.parametrize(('modulated', 'phrase'), WRONG_WAYS)
def test_wrong_ways(modulated, phrase):
    says(check.modulated(modulated), phrase)


# ----------------------------------------------------------------- slope
def test_three_derivatives_and_a_text_are_enough():
    assert check.slope(0, 0, 6, LONG)


WRONG_SLOPES = [
    ((2, 0, 6, LONG), 'what is read'),
    ((1, 0, 6, LONG), 'times the slope of the map there'),
    ((0, 6, 6, LONG), 'only the column counts'),
    ((0, 0, 3, LONG), 'times the weight'),
    ((0, 0, 2, LONG), 'times the slope'),
    ((0, 0, 0, LONG), 'rises by 3'),
    ((0, 0, 6, 'it is flat'), 'too short'),
]


@pytest.mark.parametrize(('answer', 'phrase'), WRONG_SLOPES)
def test_wrong_slopes(answer, phrase):
    says(check.slope(*answer), phrase)
