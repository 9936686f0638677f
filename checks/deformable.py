"""Checks of the exercises on convolutions that move.

What is right is computed place by place, from the definitions.
"""

import math

import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    array,
    call,
    check,
    expect,
    words,
)

import numpy as onp
from mxnet import np

# ------------------------------------------------------ Between four pixels

MAP = onp.array([[1.0, 3.0, 0.0], [5.0, 9.0, 2.0]])


def _read(image, row, column, strict=True):
    """Read an image (H, W) between its pixels, by the rule of the chapter.

    strict: nothing outside of [0, H) x [0, W); else zeros lie around.
    """
    height, width = image.shape
    if strict:
        if not (0 <= row < height and 0 <= column < width):
            return 0.0
        row, column = min(row, height - 1), min(column, width - 1)
    total = 0.0
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < height and 0 <= c < width:
                weight = (1 - abs(row - r)) * (1 - abs(column - c))
                total += weight * image[r, c]
    return total


@check('three numbers: inside, below the last row, above the first')
def between(inside, below, above):
    """Compare with the rule of the chapter.

    inside: at (0.25, 0.5); below: at (1.5, 0.5); above: at (-0.5, 1).
    """
    expect(
        array(inside, (), 'the number inside'),
        _read(MAP, 0.25, 0.5),
        'the number at (0.25, 0.5) is not right',
        (_read(MAP, 0.5, 0.25), 'row and column are exchanged'),
        (_read(MAP, 0.75, 0.5), 'the nearer row counts more, not less'),
        (MAP[0, 0], 'that is the nearest pixel; four of them count'),
        (MAP[:, :2].mean(), 'that is the plain mean of the four pixels'),
        hint='the rows 0 and 1 count 3/4 and 1/4, the columns 0 and 1 one '
        'half each',
        tolerance=ROUNDED,
    )
    expect(
        array(below, (), 'the number below'),
        _read(MAP, 1.5, 0.5),
        'the number at (1.5, 0.5) is not right',
        (
            _read(MAP, 1.5, 0.5, strict=False),
            'so it would be with zeros around; here the last row is held',
        ),
        (0.0, 'the place is below the last pixel, but within [0, H)'),
        hint='the last row is held, so only the column decides',
        tolerance=ROUNDED,
    )
    expect(
        array(above, (), 'the number above'),
        0,
        'the number at (-0.5, 1) is not right',
        (
            _read(MAP, -0.5, 1, strict=False),
            'so it would be with zeros around; here outside is outside',
        ),
        (MAP[0, 1], 'only the last row is held, not the first'),
        hint='is -0.5 within [0, H)?',
        tolerance=ROUNDED,
    )
    return 'The rule treats the two ends differently, as the operator does.'


# -------------------------------------------------------- Holes from offsets


def _taps():
    return onp.array([(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)], float)


def _channels(moves):
    """Offsets (9, 2) as a column of 18 channels."""
    return onp.reshape(moves, 18)


@check('a function of a rate that returns 18 numbers')
def holes(function):
    """Compare with where the points of a kernel with holes lie.

    function(rate): a whole number; returns the offsets of the nine points.
    """
    for rate in (5, 1, 2):
        right = (rate - 1) * _taps()
        _compare(
            array(call(function, rate), (18,), 'the list of offsets'),
            right,
            f'for the rate {rate} ',
            (
                rate * _taps(),
                'those are the places; an offset is what is added to the '
                'place of the plain kernel',
            ),
            ((rate - 2) * _taps(), 'a rate of 1 has no offsets'),
            (-right, 'the points move outwards'),
        )
    return 'A rate is nothing but nine offsets that are the same everywhere.'


def _compare(got, right, start, *mistakes):
    """Compare 18 offsets; name a wrong order of the channels first."""
    expect(
        got,
        _channels(right),
        start + 'the offset in channel {} (from 0) is not right',
        (
            _channels(right[:, ::-1]),
            'the order: down comes before across',
        ),
        (
            right.T.reshape(18),
            'the order: point by point, each down and across; not all down '
            'first',
        ),
        *((_channels(wrong), hint) for wrong, hint in mistakes),
        expected='{:.4f}',
        hint='the first point is up left, at (-1, -1); its offsets are the '
        'channels 0 (down) and 1 (across)',
    )


# ------------------------------------------------------------ Turn the kernel


@check('a function of an angle in degrees that returns 18 numbers')
def turned(function):
    """Compare with nine points turned about the middle.

    function(degrees): counter-clockwise as seen on the page; rows go down.
    """
    for degrees in (90, 45, 0, 200):
        a = math.radians(degrees)
        turn = onp.array(
            [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
        )  # of (down, across)
        taps = _taps()
        right = taps @ turn.T - taps
        _compare(
            array(call(function, degrees), (18,), 'the list of offsets'),
            right,
            f'for {degrees} degrees ',
            (
                taps @ turn - taps,
                'it turns clockwise: rows count downwards, so the signs of '
                'the sines are the other ones',
            ),
            (
                taps @ turn.T,
                'those are the turned places; subtract the plain ones',
            ),
            (
                taps - taps @ turn.T,
                'turned minus plain, not plain minus turned',
            ),
            *(
                (taps @ wrong - taps, 'sine and cosine want radians')
                for wrong in _in_degrees(degrees)
            ),
        )
    return 'Turned points, and the weights go with them: a turned kernel.'


def _in_degrees(degrees):
    c, s = math.cos(degrees), math.sin(degrees)
    return onp.array([[c, s], [-s, c]]), onp.array([[c, -s], [s, c]])


# ------------------------------------------------------------------ How deep?


@check('three whole numbers of layers')
def depth(field, seen, coarse):
    """Compare with the formulas of the chapter, solved for the depth.

    field, seen: layers on pixels; coarse: layers on a map of stride 4.
    """
    for got, right, name, mistakes, hint in (
        (
            field,
            50,
            'the number of layers for the field',
            (
                (49, 'with 49 layers it is 99 pixels'),
                (100, 'each layer adds two pixels: one at each side'),
                (34, 'each layer adds two pixels, not three'),
                (33, 'each layer adds two pixels, not three'),
            ),
            '2 d + 1 is at least 100',
        ),
        (
            seen,
            938,
            'the number of layers for what is seen',
            (
                (937, 'with 937 layers it is a little less'),
                (3750, 'two standard deviations to each side make four'),
                (235, 'two standard deviations to each side make four'),
                (234, 'two standard deviations to each side make four'),
                (625, 'the variance of a layer is 2/3, not 1'),
                (38, 'a variance is the square of a standard deviation'),
                (31, 'the root is of 2/3 of the depth, not of the depth'),
            ),
            'four roots of 2 d / 3 are at least 100',
        ),
        (
            coarse,
            59,
            'the number of layers at stride 4',
            (
                (58, 'with 58 layers it is a little less'),
                (235, 'the object is 25 cells wide: the depth goes with the '
                 'square of the width'),
                (234, 'the depth goes with the square of the width'),
            ),
            'the object is 100 / 4 cells wide',
        ),
    ):  # fmt: skip
        expect(
            array(got, (), name),
            right,
            f'{name} is not right',
            *mistakes,
            got='{:g}',
            hint=hint,
        )
    return 'Depth alone is a dear way to see far; a stride is a cheap one.'


# -------------------------------------------------------- Say how strongly


@check('a function of x, offsets, strengths and weight')
def modulated(function):
    """Compare with the sum over points, each times its strength.

    function(x, offsets, strengths, weight): MXNet arrays (N, C, H, W),
    (N, 18, H, W), (N, 9, H, W) and (out, C, 3, 3); returns (N, out, H, W).
    """
    rng = onp.random.default_rng(8)
    for sizes in ((1, 1, 3, 4, 2), (2, 3, 4, 3, 1)):
        number, channels, height, width, out = sizes
        x = rng.normal(size=(number, channels, height, width))
        offsets = rng.normal(size=(number, 18, height, width))
        strengths = rng.uniform(size=(number, 9, height, width))
        weight = rng.normal(size=(out, channels, 3, 3))
        arrays = x, offsets, strengths, weight
        given = [np.array(a, dtype='float32') for a in arrays]
        got = array(
            call(function, *given), (number, out, height, width), 'the map'
        )
        right = _modulated(*arrays)
        ones = onp.ones_like(strengths)
        turned_over = strengths[:, ::-1]
        mean = ones * strengths.mean(axis=1, keepdims=True)
        expect(
            got,
            right,
            'the number of map {0}, channel {1} at ({2}, {3}) is not right',
            (_modulated(x, offsets, ones, weight), 'the strengths count'),
            (
                _modulated(x, 0 * offsets, strengths, weight),
                'the offsets count',
            ),
            (
                _modulated(x, offsets, mean, weight),
                'each point has a strength of its own, not their mean',
            ),
            (
                _modulated(x, offsets, turned_over, weight),
                'the strengths are in the order of the points',
            ),
            (
                _modulated(x, offsets * onp.repeat(strengths, 2, 1),
                           ones, weight),
                'the strength multiplies what is read, not the way to it',
            ),
            expected='{:.4f}',
            hint='multiply what `segbook.sample` has read, (N, C, 9, H W), '
            'by the strengths, (N, 1, 9, H W)',
            tolerance=1e-3,
        )  # fmt: skip
    return 'Now a point can also be left out, wherever that helps.'


def _modulated(x, offsets, strengths, weight):
    y = onp.zeros((len(x), len(weight), *x.shape[2:]))
    for n, row, column in onp.ndindex(len(x), *x.shape[2:]):
        for k, (down, across) in enumerate(_taps().astype(int)):
            place = (
                row + down + offsets[n, 2 * k, row, column],
                column + across + offsets[n, 2 * k + 1, row, column],
            )
            for c, image in enumerate(x[n]):
                y[n, :, row, column] += (
                    weight[:, c, down + 1, across + 1]
                    * strengths[n, k, row, column]
                    * _read(image, *place)
                )
    return y


# ------------------------------------------------------- Nothing to climb


@check('three numbers and a text')
def slope(flat, ramp_down, ramp_across, reason):
    """Compare three derivatives; only the length of the text.

    flat: on a map of ones; ramp_down, ramp_across: on x = 3 * column, for a
    point with the weight 2. reason: a text.
    """
    for got, right, name, mistakes in (
        (
            flat,
            0,
            'the derivative on the flat map',
            ((2, 'that is the derivative with respect to what is read'),),
        ),
        (
            ramp_down,
            0,
            'the derivative down the ramp',
            ((6, 'down there is no slope: only the column counts'),),
        ),
        (
            ramp_across,
            6,
            'the derivative across the ramp',
            (
                (3, 'times the weight of the point'),
                (2, 'times the slope of the map'),
                (0, 'across, the map rises by 3 with each column'),
            ),
        ),
    ):
        expect(
            array(got, (), name),
            right,
            f'{name} is not right',
            *mistakes,
            hint='the weight of the point, times the slope of the map there',
            tolerance=ROUNDED,
        )
    words(reason, 20, 'the reason')
    return 'The numbers are right. The text is for a reader.'
