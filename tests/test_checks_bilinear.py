"""The checks of the exercises on bilinear kernels, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

from fractions import Fraction

import segbook
from answers import says
from checks import bilinear as check

import numpy
import pytest
from mxnet import np
from PIL import Image

# ------------------------------------------------------- A Kernel on Paper
THREE = [Fraction(n, 3) for n in (1, 2, 3, 2, 1)]
FOUR = numpy.array([1, 3, 5, 7, 7, 5, 3, 1]) / 8


@pytest.mark.parametrize('kind', [list, tuple, numpy.array, np.array])
def test_kernels(kind):
    three = kind([float(x) for x in THREE])
    assert check.kernels(three, 1, kind(FOUR.tolist()), 2.0)


def test_kernels_as_fractions_and_as_a_column():
    assert check.kernels(THREE, 1, FOUR.reshape(-1, 1), 2)


def test_kernels_of_the_book():
    weights = segbook.triangle(5), 1, segbook.triangle(8), 2
    assert check.kernels(*weights)


@pytest.mark.parametrize(
    'weights, phrase',
    [
        (numpy.array([1, 2, 3, 2, 1]) / 9, 'add up to the stride'),
        ([0, *THREE, 0], 'no part of the kernel'),
        (numpy.array([1, 3, 5, 5, 3, 1]) / 6, 'is itself an output pixel'),
        ([0, 0.5, 1, 0.5, 0], 'the distance of the stride'),
        ([1 / 3, 1, 1 / 3], 'how many output pixels'),
        ([0.1, 0.2, 1, 0.2, 0.3], 'symmetric'),
        (numpy.outer([1, 2], [1, 2]), 'asked is one direction'),
        ([0.2, 0.6, 1, 0.6, 0.2], 'mark the centre'),
    ],
)
def test_kernels_wrong_weights_for_stride_3(weights, phrase):
    says(check.kernels(weights, 1, FOUR, 2), 'stride 3', phrase)


@pytest.mark.parametrize(
    'weights, phrase',
    [
        (FOUR / 4, 'add up to the stride'),
        (numpy.array([1, 2, 3, 4, 3, 2, 1]) / 4, 'between two output pixels'),
        (numpy.array([0, 1, 2, 3, 4, 3, 2, 1]) / 4, 'between two output'),
        (numpy.array([1, 2, 3, 4, 4, 3, 2, 1]) / 4, 'between two output'),
        (1 - abs(numpy.arange(8) - 3.5) / 3.5, 'the distance of the stride'),
    ],
)
def test_kernels_wrong_weights_for_stride_4(weights, phrase):
    says(check.kernels(THREE, 1, weights, 2), 'stride 4', phrase)


@pytest.mark.parametrize(
    'padding, phrase',
    [
        (0, 'stick out on both sides'),
        (4, 'taken off on each'),
        (3, 'an ordinary convolution'),
        (1, 'how far does a stamp stick out'),
        (1.5, 'whole number'),
    ],
)
def test_kernels_wrong_padding(padding, phrase):
    says(check.kernels(THREE, 1, FOUR, padding), phrase)


# ------------------------------------------------------ Predict the Border
EIGHT = [Fraction(81, 256), Fraction(9, 16), 1]
FIVE = 0.36, 0.6, 1


@pytest.mark.parametrize('rows', [[3, 2, 1, 0], range(4), {0, 1, 2, 3}])
def test_border(rows):
    assert check.border(EIGHT, rows, FIVE, numpy.array([0, 1]))


@pytest.mark.parametrize(
    'values, phrase',
    [
        ((9 / 16, 81 / 256, 1), 'their order is not'),
        ((0.25, 0.5, 1), 'half a pixel further inside'),
        ((0.3, 7 / 16, 1), 'asked is what is left'),
        ((0.3, 1 / 16, 1), 'The padding cuts it off'),
        ((1, 1, 1), 'does not exist'),
        ((0.3, 81 / 256, 1), 'only one direction'),
        ((9 / 16, 9 / 16, 1), 'in both directions'),
        ((1 / 8, 9 / 16, 1), 'do not add up'),
        ((9 / 32, 9 / 16, 1), 'not a half'),
        ((0.25, 9 / 16, 1), 'a quarter'),
        ((81 / 256, 9 / 16, 8), 'meet at one output pixel'),
        ((0.3, 0.7, 1), 'how far is that pixel'),
    ],
)
def test_border_wrong_values(values, phrase):
    says(check.border(values, range(4), FIVE, [0, 1]), 'stride 8', phrase)


def test_border_wrong_for_stride_5_alone():
    answers = EIGHT, range(4), (0.36, 0.5, 1), [0, 1]
    says(check.border(*answers), 'stride 5', 'half a pixel further inside')


@pytest.mark.parametrize(
    'rows, phrase',
    [
        (range(8), 'has its second neighbour'),
        ([1, 2, 3, 4], 'row 0'),
        (range(5), 'one row too many'),
        ([0, 1, 2, 3, 31], 'upper half only'),
        ([0], 'outside of the outermost centre'),
        ([], 'outside of the outermost centre'),
    ],
)
def test_border_wrong_rows(rows, phrase):
    says(check.border(EIGHT, rows, FIVE, [0, 1]), phrase)


# ------------------------------------------------- Rounded, or forbidden


def test_three_digits_of_what_is_worked_out_on_paper_are_enough():
    three, four = ([round(float(x), 3) for x in row] for row in (THREE, FOUR))
    assert check.kernels(three, 1, four, 2)
    says(
        check.kernels([0.33, 0.67, 1, 0.67, 0.33], 1, four, 2), 'three digits'
    )
    values = (0.316, 0.563, 1), range(4), (0.36, 0.6, 1), [0, 1]
    assert check.border(*values)
    says(check.border((0.32, 0.5625, 1), *values[1:]), 'three digits')


def test_pillow_is_seen_where_the_task_is_to_do_without_it():
    says(check.without_frame(pillow), 'uses resize', 'without it')


# ---------------------------------------------------------- Find the Shift


@pytest.mark.parametrize(
    'shift',
    [
        lambda k, s, p, a: Fraction(k - s, 2) - p,
        lambda k, s, p, a: numpy.float32((k - 1) / 2 - p - (s - 1) / 2),
        lambda k, s, p, a: np.array([(k - s - 2 * p) / 2]).sum(),
    ],
)
def test_shift(shift):
    assert check.shift(shift)


@pytest.mark.parametrize(
    'shift, phrase',
    [
        (lambda k, s, p, a: p - (k - s) / 2, 'the sign'),
        (lambda k, s, p, a: (k - s + a) / 2 - p, 'bottom and columns'),
        (lambda k, s, p, a: (k - s - a) / 2 - p, 'bottom and columns'),
        (lambda k, s, p, a: (k - s) / 2 - p + a, 'moves nothing'),
        (lambda k, s, p, a: ((k - s) / 2 - p) / s, 'input pixels'),
        (lambda k, s, p, a: (k - s) // 2 - p, 'half pixels'),
        (lambda k, s, p, a: int((k - s) / 2 - p), 'half pixels'),
        (lambda k, s, p, a: (k - 1) / 2 - p, 'the middle of its own'),
        (lambda k, s, p, a: k - s - 2 * p, 'half of it is on each side'),
        (lambda k, s, p, a: (k - s) / 2, 'cuts off the first rows'),
        (lambda k, s, p, a: 0, 'where does the stamp'),
    ],
)
def test_shift_wrong(shift, phrase):
    says(check.shift(shift), phrase)


# ----------------------------------------------- Twice Is Not Always Once


def test_twice():
    assert check.twice(False, True, False, True)
    assert check.twice(0, numpy.bool_(True), 0.0, 1)


@pytest.mark.parametrize(
    'answers, phrases',
    [
        ((True,) * 4, ['2 of the four', 'still there after the first']),
        ((False,) * 4, ['2 of the four', 'on every corner']),
        ((False, True, False, False), ['3 of the four', 'order matters']),
        ((False, True, True, False), ['2 of the four', 'sketch']),
        ((2, 0, 1, 1), ['True or False']),
        (('no', 'yes', 'no', 'yes'), ['without quotes']),
        (([], 1, 0, 1), ['the wrong shape']),
    ],
)
def test_twice_wrong(answers, phrases):
    says(check.twice(*answers), *phrases)


# ---------------------------------------------------------- No Dark Frame


def pillow(image, stride):
    height, width = image.shape
    picture = Image.fromarray(image.asnumpy())
    picture = picture.resize((stride * width, stride * height), Image.BILINEAR)
    return numpy.asarray(picture)


def bilinear(image, stride):
    """The book's layer, as two matrices."""
    rows, columns = (segbook.upsampling_matrix(n, stride) for n in image.shape)
    return rows @ image @ columns.T


def with_ones(image, stride):
    return bilinear(image, stride) / bilinear(np.ones_like(image), stride)


def bordered(image, ways, stride):
    """Enlarge with another border; return it uncut."""
    wide = image.asnumpy()
    for axis, way in enumerate(ways):
        if way:
            pads = [(0, 0), (0, 0)]
            pads[axis] = (1, 1)
            wide = numpy.pad(wide, pads, mode=way)
    return bilinear(np.array(wide), stride)


def repeated(way='edge', cut=1):
    def without_frame(image, stride):
        large = bordered(image, [way, way], stride)
        n = cut * stride if cut else 1
        return large[n:-n, n:-n]

    return without_frame


def uncut(image, stride):
    return bordered(image, ['edge', 'edge'], stride)


def cut_on_one_side(image, stride):
    return uncut(image, stride)[2 * stride :, stride:-stride]


def one_direction(image, stride):
    return bordered(image, ['edge', None], stride)[stride:-stride]


def no_corners(image, stride):
    large = uncut(image, stride)[stride:-stride, stride:-stride].copy()
    for row in (0, -1):
        for column in (0, -1):
            large[row, column] *= 0.9
    return large


def in_place(image, stride):
    large = with_ones(image, stride)
    image[:] = 0
    return large


def half_done(image, stride):
    return bordered(image, ['edge', None], stride)


@pytest.mark.parametrize(
    'without_frame',
    [with_ones, repeated(), repeated('symmetric')],
)
def test_without_frame(without_frame):
    assert check.without_frame(without_frame)


@pytest.mark.parametrize(
    'without_frame, phrase',
    [
        (bilinear, 'the dark frame is still there'),
        (repeated('constant'), 'the dark frame is still there'),
        (repeated('reflect'), 'instead of the border itself'),
        (repeated('wrap'), 'from the opposite side'),
        (uncut, 'nothing is cut off yet'),
        (repeated(cut=0), 'as many rows as the stride'),
        (half_done, 'one direction is right'),
        (repeated(cut=2), 'too much is cut off'),
        (cut_on_one_side, 'the picture is moved'),
        (one_direction, 'one direction is mended'),
        (no_corners, 'the corners lack'),
        (in_place, 'changed what it was given'),
    ],
)
def test_without_frame_wrong(without_frame, phrase):
    says(check.without_frame(without_frame), phrase)


# ----------------------------------------- Two Slices Instead of a Matrix


def padded_slices(image):
    """All four kinds of output pixels, from a padded image."""
    x = numpy.pad(image.asnumpy(), 1)
    height, width = image.shape
    large = numpy.empty((2 * height, 2 * width))
    for i, rows in enumerate((slice(0, -2), slice(2, None))):
        for j, columns in enumerate((slice(0, -2), slice(2, None))):
            large[i::2, j::2] = (
                9 * x[1:-1, 1:-1]
                + 3 * x[rows, 1:-1]
                + 3 * x[1:-1, columns]
                + x[rows, columns]
            ) / 16
    return large


def doubled(change=lambda U: U):
    """Two matrices, right or spoilt."""

    def double(image):
        rows, columns = (
            change(segbook.upsampling_matrix(n, 2).asnumpy())
            for n in image.shape
        )
        return rows @ image.asnumpy() @ columns.T

    return double


def rolled(image):
    """Takes the neighbours with roll: the border's from the other side."""
    for axis in (0, 1):
        pairs = [
            0.75 * image + 0.25 * np.roll(image, step, axis)
            for step in (1, -1)
        ]
        shape = list(image.shape)
        shape[axis] *= 2
        image = np.stack(pairs, axis=axis + 1).reshape(tuple(shape))
    return image


def weights_exchanged(U):
    return numpy.where(U > 0, 1 - U, 0)


def pairs_exchanged(U):
    return U.reshape(-1, 2, U.shape[1])[:, ::-1].reshape(U.shape)


def in_blocks(U):
    return numpy.concatenate([U[::2], U[1::2]])


def repeats(image):
    return image.repeat(2, axis=0).repeat(2, axis=1)


def scales_in_place(image):
    large = doubled()(image)
    image *= 0.75
    return large


def rows_only(image):
    return segbook.upsampling_matrix(len(image), 2) @ image


def columns_only(image):
    return rows_only(image.T).T


def dark_corner(image):
    large = doubled()(image)
    large[0, 0] = 0
    return large


@pytest.mark.parametrize(
    'double', [padded_slices, doubled(), lambda x: doubled()(x).tolist()]
)
def test_double(double):
    assert check.double(double)


@pytest.mark.parametrize(
    'double, phrase',
    [
        (lambda x: pillow(x, 2), 'this is what Pillow does'),
        (rolled, 'from the opposite side'),
        (doubled(weights_exchanged), 'the nearer neighbour'),
        (doubled(pairs_exchanged), 'wrong order'),
        (doubled(in_blocks), 'must alternate'),
        (repeats, 'does not interpolate'),
        (scales_in_place, 'changed what it was given'),
        (rows_only, 'only the rows'),
        (columns_only, 'only the columns'),
        (dark_corner, 'the inside is right'),
    ],
)
def test_double_wrong(double, phrase):
    says(check.double(double), phrase)


# ---------------------------------------------------------------- Any Size


def interpolated(places, old):
    """Weights of linear interpolation; beyond the ends, the ends' value."""
    unit = numpy.eye(old)
    return numpy.array(
        [numpy.interp(places, numpy.arange(old), row) for row in unit]
    ).T


def by_neighbours(old, new):
    """Lower and upper neighbour of each place, by whole numbers."""
    matrix = numpy.zeros((new, old))
    for u in range(new):
        place = (2 * u + 1) * old / (2 * new) - 0.5
        place = min(max(place, 0), old - 1)
        lower = min(int(place), old - 1)
        upper = min(lower + 1, old - 1)
        matrix[u, lower] += 1 - (place - lower)
        matrix[u, upper] += place - lower
    return matrix


def placed(places):
    """A matrix for places that another formula gives."""
    return lambda old, new: interpolated(
        places(numpy.arange(new), old, new), old
    )


def not_normal(old, new):
    places = (numpy.arange(new) + 0.5) * old / new - 0.5
    distance = abs(places[:, None] - numpy.arange(old))
    return numpy.maximum(0, 1 - distance)


def nearest(old, new):
    places = (numpy.arange(new) + 0.5) * old / new - 0.5
    return numpy.eye(old)[numpy.rint(places).clip(0, old - 1).astype(int)]


def the_books(old, new):
    """For multiples only, and dark at the border."""
    U = segbook.upsampling_matrix(old, new // old).asnumpy()
    return numpy.pad(U, ((0, new - len(U)), (0, 0)))


@pytest.mark.parametrize(
    'resize_matrix',
    [
        by_neighbours,
        lambda old, new: np.array(by_neighbours(old, new)),
        placed(lambda u, old, new: (u + 0.5) * old / new - 0.5),
    ],
)
def test_resize_matrix(resize_matrix):
    assert check.resize_matrix(resize_matrix)


@pytest.mark.parametrize(
    'resize_matrix, phrase',
    [
        (lambda old, new: by_neighbours(old, new).T, 'lying on its side'),
        (placed(lambda u, old, new: u * old / new), 'the picture is moved'),
        (
            placed(lambda u, old, new: (u + 0.5) * old / new),
            'the picture is moved',
        ),
        (
            placed(lambda u, old, new: u * (old - 1) / max(1, new - 1)),
            'align corners',
        ),
        (
            placed(lambda u, old, new: (u + 0.5) / (new // old) - 0.5),
            'a whole number',
        ),
        (nearest, 'does not interpolate'),
        (not_normal, 'right up to one step'),
        (the_books, 'each row must add up to 1'),
        (lambda old, new: numpy.ones((new, old)) / old, 'which place'),
    ],
)
def test_resize_matrix_wrong(resize_matrix, phrase):
    says(check.resize_matrix(resize_matrix), phrase)


# ----------------------------------------------------------- Other Kernels
REASONS = 'Mine is softer than the triangle, so stairs vanish, and edges too.'
BOX = numpy.ones((4, 4))
TRIANGLE = numpy.outer(FOUR, FOUR)


def square(row):
    return numpy.outer(row, row)


# Box with triangle: a trapezium, smoother, of a size of its own.
SMOOTH = square(numpy.convolve(FOUR, numpy.ones(5) / 5))


@pytest.mark.parametrize(
    'box, box_padding, mine, mine_padding',
    [
        (BOX, 0, SMOOTH, 4),
        (BOX.tolist(), 0.0, np.array(SMOOTH), 4),
        (numpy.pad(BOX, 2), 2, square(numpy.ones(12) / 3), 4),
    ],
)
def test_other_kernels(box, box_padding, mine, mine_padding):
    answers = box, box_padding, mine, mine_padding, REASONS
    verdict = check.other_kernels(*answers)
    assert verdict and 'no check can say' in verdict.text


@pytest.mark.parametrize(
    'box, padding, phrase',
    [
        (BOX / 16, 0, 'their height is not'),
        (numpy.ones(4), 0, 'the outer product'),
        (BOX, 1, 'not make the image 4 times'),
        (numpy.ones((8, 8)), 2, 'the stamps overlap'),
        (numpy.eye(4), 0, 'does not repeat'),
        (numpy.ones((99, 99)), 0, '64 is enough'),
        (numpy.ones((2, 2)), -1, 'not make the image 4 times'),
    ],
)
def test_other_kernels_wrong_box(box, padding, phrase):
    answers = box, padding, SMOOTH, 4, REASONS
    says(check.other_kernels(*answers), phrase)


@pytest.mark.parametrize(
    'mine, padding, phrase',
    [
        (SMOOTH / 16, 4, 'multiplied by one number'),
        (square([1, 3, 4, 4, 4, 4, 3, 1]), 2, 'a checkerboard'),
        (numpy.pad(SMOOTH, ((1, 1), (0, 2))), 5, 'to the left'),
        (numpy.pad(SMOOTH, ((2, 0), (1, 1))), 5, 'down'),
        (TRIANGLE, 2, 'the same as the triangle'),
        (numpy.pad(BOX, 2), 2, 'the same as the box'),
        (SMOOTH, 3, 'not make the image 4 times'),
    ],
)
def test_other_kernels_wrong_mine(mine, padding, phrase):
    says(check.other_kernels(BOX, 0, mine, padding, REASONS), phrase)


@pytest.mark.parametrize(
    'answer, phrase', [('It is nicer.', 'too short'), (7, 'must be a text')]
)
def test_other_kernels_without_reasons(answer, phrase):
    says(check.other_kernels(BOX, 0, SMOOTH, 4, answer), phrase)
