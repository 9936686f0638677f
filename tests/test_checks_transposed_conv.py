"""The checks of the exercises on transposed convolution, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

import re
from fractions import Fraction
from pathlib import Path

import segbook
from answers import says
from checks import OPEN
from checks import transposed_conv as check

import numpy
import pytest
from mxnet import np, npx
from mxnet.gluon import nn


@pytest.mark.parametrize(
    'checked, answers',
    [
        (check.there_and_back, (1, 0, lambda *_: ...)),
        (check.small_matrix, (lambda *_: ...,)),
        (check.dilation, (lambda *_: ..., lambda *_: ...)),
        (check.two_sums, (lambda *_: ...,)),
        (check.another_way, (lambda *_: ..., 'because')),
        (check.one_size, ([..., ..., ...],)),
    ],
)
def test_a_function_that_is_still_a_stub_is_not_answered(checked, answers):
    assert checked(*answers).state == OPEN


def test_a_check_leaves_the_random_numbers_alone():
    numpy.random.seed(1)
    npx.random.seed(1)
    wanted = numpy.random.normal(), float(np.random.normal())
    numpy.random.seed(1)
    npx.random.seed(1)
    check.one_size([(3, 3, 0, 0)] * 3)
    check.another_way(lambda C: np.ones((4, 4)), 'because')
    assert (numpy.random.normal(), float(np.random.normal())) == wanted


# ------------------------------------------------------------- By hand

ONE = [[1, -1, 0], [2, 5, -2], [0, 4, 6]]
TWO = [[1, -1, 0, 0], [2, 3, 0, 0], [0, 0, 2, -2], [0, 0, 4, 6]]
THREE = [[3, 0, 0], [0, 0, 0], [0, 0, 2]]


def test_by_hand_takes_any_kind_of_matrix():
    assert check.by_hand(np.array(ONE), numpy.array(TWO), tuple(THREE))
    assert check.by_hand(
        [[Fraction(x) for x in row] for row in ONE],
        [[float(x) for x in row] for row in TWO],
        [np.array(row) for row in THREE],
    )


@pytest.mark.parametrize(
    'answers, phrase',
    [
        (([[3, 2, 0], [-1, 7, 4], [0, -2, 2]], TWO, THREE), 'flipped'),
        (([[1, 2, 0], [-1, 5, 4], [0, -2, 6]], TWO, THREE), 'exchanged'),
        (([[1, -1, 0], [2, 2, -2], [0, 4, 6]], TWO, THREE), 'they add up'),
        (([[1, -1, 0], [2, 4, -1], [0, 2, 3]], TWO, THREE), 'multiplied'),
        (([[1, 0, -1], [3, 5, 2], [2, 5, 3]], TWO, THREE), 'stamps nothing'),
        (([[7]], TWO, THREE), 'an ordinary convolution'),
        (([[1, -1, 0], [2, 5, -2], [0, 4, 7]], TWO, THREE), 'row 2, column 2'),
        ((ONE, numpy.zeros((6, 6)), THREE), 'not at s i′'),
        ((ONE, ONE, THREE), 'draw the first and the last stamp'),
        ((ONE, TWO, numpy.zeros((7, 7))), 'padding adds nothing'),
        ((ONE, TWO, numpy.zeros((5, 5))), 'still to be removed'),
        ((ONE, TWO, numpy.zeros((4, 4))), 'on both ends'),
        ((ONE, TWO, [[0, 0, 0], [0, 2, -2], [0, 4, 6]]), 'not 2 p from one'),
        ((ONE, TWO, [[1, -1, 0], [2, 3, 0], [0, 0, 0]]), 'not 2 p from one'),
        ((ONE, TWO, [[3, 0, 0], [0, 0, 0], [0, 0, -4]]), 'which stamps'),
    ],
)
def test_by_hand_knows_the_mistake(answers, phrase):
    says(check.by_hand(*answers), phrase)


# ------------------------------------------------- Predict, then look

SIZE, STAMPS = (6, 10), (4, 1, 9)
STATE = 'h=3&w=5&k=5&s=2&p=2&a=1'


@pytest.mark.parametrize(
    'state',
    [
        STATE,
        f'#{STATE}&in=ones&ker=ones&two=0',
        f'{STATE}&in=1,0,-2.5&ker=random:7',
        f'https://example.org/chapters/transposed-conv.html#{STATE}&ker=ones',
        'a=1&p=2&s=2&k=5&w=5',  # the explorer begins with height 3
        'page.html#h%3D3%26w%3D5%26k%3D5%26s%3D2%26p%3D2%26a%3D1',
    ],
)
def test_a_state_may_be_part_of_an_address(state):
    assert check.predict(np.array(SIZE), list(STAMPS), state)


@pytest.mark.parametrize(
    'size, phrase',
    [
        ((10, 6), 'height first'),
        ((14, 18), '2p is subtracted'),
        ((8, 12), 'not i′'),
        ((8, 12.0), 'not i′'),
        ((5, 9), 'leaves out the output padding'),
        ((7, 11), 'not 2a'),
        ((4, 8), 'a is added'),
        ((2, 3), 'formula of a convolution'),
        ((10, 14), 'leaves out the padding'),
        ((3, 3), 's (i′ − 1) + k'),
    ],
)
def test_a_wrong_size_is_explained(size, phrase):
    says(check.predict(size, STAMPS, STATE), phrase, 'size')


@pytest.mark.parametrize(
    'stamps, phrase',
    [
        ((2, 1, 3), 'in one direction'),
        ((4, 1, 3), 'in one direction'),
        ((4, 1, 6), 'multiplied, not added'),
        ((1, 1, 9), 'before the padding removed'),
        ((4, 4, 9), 'not alike'),
        ((4, 1, 12), 'then square'),
    ],
)
def test_a_wrong_number_of_stamps_is_explained(stamps, phrase):
    says(check.predict(SIZE, stamps, STATE), phrase)


@pytest.mark.parametrize(
    'state, phrase',
    [
        (STATE.replace('h=3&w=5', 'h=5&w=3'), 'h comes before w'),
        (STATE.replace('p=2', 'p=1'), 'its padding is 1'),
        (STATE.replace('a=1', 'a=0'), 'its output padding is 0'),
        ('the layer with k = 5', 'no spaces'),
        (f'{STATE}&in=onse', 'got: in=onse'),
        (f'{STATE}&in=random:3', 'shows another layer'),
        (f'{STATE}&ker=random:x', 'shows another layer'),
        (f'{STATE}&kernel=ones', 'shows another layer'),
        (f'{STATE}&two=2', 'shows another layer'),
        (STATE.replace('k=5', 'k=five'), 'shows another layer'),
        (5, 'in quotes'),
        ({'h': 3}, 'in quotes'),
    ],
)
def test_another_state_is_noticed(state, phrase):
    says(check.predict(SIZE, STAMPS, state), phrase)


# ------------------------------------------------- One size, three ways


@pytest.mark.parametrize(
    'settings',
    [
        [(3, 3, 0, 0), (9, 2, 0, 1), (19, 1, 1, 0)],
        numpy.array([[1, 4, 3, 1], [2, 3, 0, 1], [12, 2, 1, 0]]),
        np.array([[5, 3, 1, 0], [10, 2, 0, 0], [17, 1, 0, 0]]),
        ([64, 2, 27, 0], [63, 3, 30, 0], [61.0, 1.0, 22.0, 0.0]),
    ],
)
def test_one_size_takes_every_setting_that_works(settings):
    if settings[0][0] == 1:
        # 7 · 4 + 1 − 6 + 1: a kernel smaller than its padding.
        assert 4 * 7 + 1 - 2 * 3 + 1 == 24
    assert check.one_size(settings)


GOOD = [(17, 1, 0, 0), (10, 2, 0, 0), (3, 3, 0, 0)]


@pytest.mark.parametrize(
    'first, phrase',
    [
        ((15, 1, 1, 0), '2p is subtracted'),
        ((8, 2, 0, 0), 'not i′'),
        ((4, 2, 3, 0), '2p'),
        ((1, 3, 0, 1), 'not 2a'),
        ((3, 3, 1, 0), 'leaves out the padding'),
        ((19, 1, 2, 0), 'both ends'),
        ((5, 2, 0, 1), '2 · 7 + 5 − 2 · 0 + 1'),
        ((2, 10, 0, 0), 'the kernel comes first'),
        ((2, 3, 0, 3), 'MXNet refuses'),
        ((3, 3, 0, 1), 'leaves out the output padding'),
        ((0, 3, 0, 0), 'at least 1'),
        ((3, 3, -1, 0), 'at least 0'),
        ((3, 0, 0, 0), 'at least 1'),
        ((3.5, 3, 0, 0), 'whole number'),
        ((1000, 2, 495, 0), 'k ≤ 64'),
        ((2, 1, 9, 0), 'no output'),
    ],
)
def test_a_setting_that_leads_elsewhere_is_explained(first, phrase):
    says(check.one_size([first, *GOOD[1:]]), phrase)


def test_strides_must_differ():
    settings = [(3, 3, 0, 0), (5, 3, 1, 0), (10, 2, 0, 0)]
    says(check.one_size(settings), 'not all different', '[3, 3, 2]')


def test_a_convolution_that_rounds_is_recognised():
    """From 24 to 8 rounds down; the way back leads to 23."""
    settings = [(9, 2, 0, 0), *GOOD[1:]]
    says(check.one_size(settings), 'rounds down', '23 × 23')


def test_two_settings_are_too_few():
    says(check.one_size(GOOD[:2]), 'wrong shape', '(3, 4)')


# ------------------------------------------------------ There and back


def by_trying(size, kernel, stride, padding):
    """The output padding, found by counting instead of dividing."""
    left = size + 2 * padding - kernel
    while left >= stride:
        left -= stride
    return numpy.int64(left)


def test_there_and_back_takes_another_algorithm():
    assert check.there_and_back(1.0, np.array(0), by_trying)


@pytest.mark.parametrize(
    'rule, phrase',
    [
        (lambda i, k, s, p: i % s, 'does not divide i'),
        (lambda i, k, s, p: (i - k) % s, 'puts around the input'),
        (lambda i, k, s, p: (i + p - k) % s, '2p, not p'),
        (lambda i, k, s, p: (i - 2 * p - k) % s, '+ 2p'),
        (lambda i, k, s, p: -(i + 2 * p - k) % s, 'next multiple'),
        (lambda i, k, s, p: (i + 2 * p - k) // s, 'quotient'),
        (lambda i, k, s, p: (i + 2 * p) % s, 'the kernel is missing'),
        (lambda i, k, s, p: 0, 'only some sizes'),
        (lambda i, k, s, p: s, 'less than s'),
        (lambda i, k, s, p: 1 / 2, 'whole number'),
        (lambda i, k, s, p: -1, 'at least 0'),
        (lambda i, k, s, p: 1, 'What is missing?'),
        (lambda i, k, s: 0, 'TypeError'),
    ],
)
def test_a_wrong_rule_is_explained(rule, phrase):
    says(check.there_and_back(1, 0, rule), phrase)


@pytest.mark.parametrize(
    'a_224, a_225, phrase',
    [
        (0, 1, 'does not divide i'),
        (0, 0, 'only some sizes'),
        (1, 1, 'a_225 = 1 does not lead back'),
        (2, 0, 'refuses'),
    ],
)
def test_wrong_numbers_are_explained(a_224, a_225, phrase):
    says(check.there_and_back(a_224, a_225, by_trying), phrase)


# ------------------------------------------------ Without checkerboard

PAIRS = [(k, s) for k in range(1, 7) for s in (1, 2, 3, 4) if not k % s]
FLAT = numpy.outer([2, 3, 2, 3, 2], [1, 3, 4, 3, 1])


def test_pairs_in_any_order_and_kernels_of_any_kind():
    assert check.no_checkerboard(set(PAIRS), FLAT)
    assert check.no_checkerboard(PAIRS[::-1] + PAIRS, np.array(FLAT) / 36)
    numbers = numpy.random.default_rng(0).uniform(1, 2, size=(5, 5))
    for u, v in numpy.ndindex(2, 2):  # no product of two rows
        numbers[u::2, v::2] /= numbers[u::2, v::2].sum()
    assert check.no_checkerboard(numpy.array(PAIRS), numbers.tolist())


@pytest.mark.parametrize(
    'pairs, phrase',
    [
        ([(s, k) for k, s in PAIRS], 'the kernel comes first'),
        ([*PAIRS, (5, 2)], '(5, 2) overlaps unevenly'),
        ([*PAIRS, (8, 4)], 'not asked for'),
        ([pair for pair in PAIRS if pair[1] > 1], 'with stride 1'),
        ([pair for pair in PAIRS if pair[0] != pair[1]], 'as large as'),
        (PAIRS[3:9], 'go through all k'),
        ([4, 2], 'pairs of numbers'),
        ((4, 2, 6), 'pairs of numbers'),
    ],
)
def test_wrong_pairs_are_explained(pairs, phrase):
    says(check.no_checkerboard(pairs, FLAT), phrase)


THIRDS = numpy.array([1, 2, 3, 2, 1]) / 3


@pytest.mark.parametrize(
    'kernel, phrase',
    [
        (numpy.ones((5, 5)), 'equal weights need'),
        (numpy.outer(THIRDS, THIRDS), 'made for stride 3'),
        (numpy.outer([1, 3, 4, 3, 1], numpy.ones(5)), 'down every column'),
        (numpy.outer(numpy.ones(5), [1, 3, 4, 3, 1]), 'along every row'),
        (numpy.pad(numpy.ones((4, 4)), ((0, 1), (0, 1))), 'positive'),
        (-FLAT, 'positive'),
        (numpy.arange(1, 26).reshape(5, 5), 'their sums'),
        (numpy.ones((4, 4)), '(5, 5)'),
    ],
)
def test_a_wrong_kernel_is_explained(kernel, phrase):
    says(check.no_checkerboard(PAIRS, kernel), phrase)


# ------------------------------------------------- Matrix of a small case


def by_layer(a, b, c, d):
    """The matrix from the chapter's own."""
    K = np.array([[a, b], [c, d]])
    return segbook.conv_matrix(K, (3, 3)).T


def test_the_matrix_may_be_computed():
    assert check.small_matrix(by_layer)
    assert check.small_matrix(lambda *k: by_layer(*k).asnumpy().tolist())


ROWS = [0, 3, 6, 1, 4, 7, 2, 5, 8]


@pytest.mark.parametrize(
    'matrix, phrase',
    [
        (lambda *k: by_layer(*k).T, 'this is W'),
        (lambda *k: np.zeros((4, 9)), 'How many come out?'),
        (lambda a, b, c, d: by_layer(d, c, b, a), 'flipped'),
        (lambda a, b, c, d: by_layer(a, c, b, d), 'transposed'),
        (lambda *k: by_layer(*k)[:, [0, 2, 1, 3]], 'row by row'),
        (lambda *k: by_layer(*k)[ROWS], 'row by row'),
        (lambda *k: by_layer(*k)[:, ::-1], 'first column belongs'),
        (lambda *k: by_layer(*k) != 0, 'put the weights in'),
        (lambda *k: by_layer(1, 2, 3, 4), 'which cell of the kernel'),
        (lambda *k: np.zeros((16, 4)), 'as many columns'),
        (lambda *k: by_layer(*k)[0, 0], 'as many columns'),
    ],
)
def test_a_wrong_matrix_is_explained(matrix, phrase):
    says(check.small_matrix(matrix), phrase)


# ------------------------------------------- The bilinear kernel on ones

SMALL, LARGE = (9 / 16, 3 / 4, 1), (25 / 64, 5 / 8, 1)


def test_values_on_ones_may_be_fractions_or_rounded():
    small = [Fraction(9, 16), Fraction(3, 4), 1]
    assert check.on_ones(small, np.array(LARGE))
    assert check.on_ones((0.56251, 0.75, 1), numpy.array(LARGE))


@pytest.mark.parametrize(
    'small, large, phrase',
    [
        ((1, 1, 1), LARGE, 'outside the input'),
        ((3 / 4, 9 / 16, 1), LARGE, 'exchanged'),
        ((3 / 4, 3 / 4, 1), LARGE, 'both directions'),
        ((9 / 16, 9 / 16, 1), LARGE, 'one direction only'),
        ((1 / 16, 1 / 4, 1), LARGE, 'before the padding removed'),
        ((9, 12, 16), LARGE, 'times 16'),
        ((9 / 16, 3 / 16, 1), LARGE, 'two neighbours'),
        ((9 / 16, 3 / 4, 9 / 16), LARGE, 'four stamps meet'),
        ((1 / 2, 3 / 4, 1), LARGE, 'is now the corner'),
        (SMALL, SMALL, 'the large kernel'),
        (SMALL, (1 / 64, 1 / 8, 1), 'before the padding removed'),
        (SMALL, (25 / 64, 1 / 2, 1), 'along it neighbours overlap'),
        (SMALL, (25, 40, 64), 'times 64'),
        (SMALL, (25 / 64, 5 / 8), 'wrong shape'),
    ],
)
def test_wrong_values_on_ones_are_explained(small, large, phrase):
    says(check.on_ones(small, large), phrase)


# ------------------------------------------------------------- Dilation


def size_by_layer(i, k, s, p, a, d):
    """The size, asked of Gluon."""
    layer = nn.Conv2DTranspose(1, k, s, p, a, d)
    layer.initialize()
    return layer(np.ones((1, 1, i, i))).shape[2]


def by_stamps(X, K, s, p, a, d):
    """Each weight of the dilated kernel makes an output of its own."""
    X, K = X.asnumpy(), K.asnumpy()
    (h, w), k = X.shape, len(K)
    Y = numpy.zeros(
        (s * (h - 1) + d * (k - 1) + 1 + a, s * (w - 1) + d * (k - 1) + 1 + a)
    )
    for u, v in numpy.ndindex(*K.shape):
        Y[d * u :, d * v :][: s * h : s, : s * w : s][:h, :w] += K[u, v] * X
    return Y[p : len(Y) - p, p : Y.shape[1] - p]


def test_dilation_takes_another_algorithm():
    assert check.dilation(size_by_layer, by_stamps)


@pytest.mark.parametrize(
    'reach, phrase',
    [
        (lambda k, d: k * d, 'k − 1 gaps'),
        (lambda k, d: (k - 1) * d, 'where you start counts'),
        (lambda k, d: k, 'without dilation'),
        (lambda k, d: k + d - 1, 'not only one'),
        (lambda k, d: (k - 1) * (d + 1) + 1, 'd − 1 zeros'),
        (lambda k, d: 7, 'how many cells the spread-out kernel covers'),
    ],
)
def test_a_wrong_reach_is_explained(reach, phrase):
    def size(i, k, s, p, a, d):
        return s * (i - 1) + reach(k, d) - 2 * p + a

    says(check.dilation(size, by_stamps), phrase)


@pytest.mark.parametrize(
    'size, phrase',
    [
        (
            lambda i, k, s, p, a, d: s * d * (i - 1) + k - 2 * p + a,
            'spread the input',
        ),
        (
            lambda i, k, s, p, a, d: s * (i - 1) + d * (k - 1) + 1 + 2 * p + a,
            '2p is subtracted',
        ),
        (
            lambda i, k, s, p, a, d: s * (i - 1) + d * (k - 1) + 1 - 2 * p,
            'leaves out the output padding',
        ),
        (
            lambda i, k, s, p, a, d: s * i + d * (k - 1) + 1 - 2 * p + a,
            'i′ − 1 steps',
        ),
    ],
)
def test_a_wrong_size_formula_is_explained(size, phrase):
    says(check.dilation(size, by_stamps), phrase)


@pytest.mark.parametrize(
    'dilated, phrase',
    [
        (
            lambda X, K, s, p, a, d: by_stamps(X, K[::-1, ::-1], s, p, a, d),
            'flipped',
        ),
        (lambda X, K, s, p, a, d: by_stamps(X, K.T, s, p, a, d), 'exchanged'),
        (
            lambda X, K, s, p, a, d: by_stamps(X, K, s, p, a, 1),
            'without dilation',
        ),
        (
            lambda X, K, s, p, a, d: by_stamps(X, K, s, p, 0, d),
            'leaves out the output padding',
        ),
        (
            lambda X, K, s, p, a, d: by_stamps(X, K, s, 0, a, d),
            'leaves out the padding',
        ),
        (
            lambda X, K, s, p, a, d: by_stamps(X, 2 * K, s, p, a, d),
            'a single 1',
        ),
        (
            lambda X, K, s, p, a, d: by_stamps(
                X, np.repeat(np.repeat(K, d, 0), d, 1), s, p, a, 1
            ),
            'k − 1 gaps',
        ),
        (
            lambda X, K, s, p, a, d: np.zeros((9, 2)),
            'what your dilated_size says',
        ),
    ],
)
def test_a_wrong_dilated_output_is_explained(dilated, phrase):
    says(check.dilation(size_by_layer, dilated), phrase)


# -------------------------------------------------- Without any matrix


def by_layers(A, B, K, stride, padding):
    """Both products by MXNet's own operators."""
    same = {
        'kernel': K.shape,
        'stride': (stride, stride),
        'pad': (padding, padding),
        'num_filter': 1,
        'no_bias': True,
    }
    A, B, K = (part[None, None] for part in (A, B, K))
    forward = npx.convolution(A, K, **same)
    rest = (A.shape[2] + 2 * padding - K.shape[2]) % stride
    back = npx.deconvolution(B, K, adj=(rest, rest), **same)
    return (forward * B)[0, 0], (A * back)[0, 0]


def test_two_sums_takes_layers_and_any_numbers():
    assert check.two_sums(by_layers)
    assert check.two_sums(
        lambda *given: [part.tolist() for part in by_layers(*given)]
    )


def plain(A, B, K, s, p):
    """Without output padding: fails where the convolution rounds."""
    left = segbook.conv(A, K, s, p) * B
    return left, A * segbook.trans_conv(B, K, s, p)


def cut(A, B, K, s, p):
    """As much of A as comes back."""
    back = segbook.trans_conv(B, K, s, p)
    left = segbook.conv(A, K, s, p) * B
    return left, A[: len(back), : len(back)] * back


def flipped(A, B, K, s, p):
    """The convolution of the textbooks, with a flipped kernel."""
    left = segbook.conv(A, K[::-1, ::-1], s, p) * B
    return left, by_layers(A, B, K, s, p)[1]


def one_twice(A, B, K, s, p):
    """The same product in both places: its sum is that of the other."""
    left, _ = by_layers(A, B, K, s, p)
    return left, left


def added_up(*given):
    return [part.sum() for part in by_layers(*given)]


@pytest.mark.parametrize(
    'function, phrase',
    [
        (plain, 'smaller than A'),
        (cut, 'smaller than A'),
        (flipped, 'neither flips it'),
        (one_twice, 'A · transconv(B) has the wrong shape'),
        (added_up, 'the sum comes later'),
        (
            lambda A, B, K, s, p: (segbook.conv(A, K, s, p), A),
            'B is missing',
        ),
        (
            lambda A, B, K, s, p: (
                by_layers(A, B, K, s, p)[0],
                segbook.trans_conv(B, K, s, p),
            ),
            'A is missing',
        ),
        (lambda A, B, *_: (B * 0, A * 0), 'multiply cell by cell'),
        (lambda *given: by_layers(*given)[0], 'must return two arrays'),
        (lambda *given: by_layers(*given)[::-1], 'has the wrong shape'),
    ],
)
def test_wrong_products_are_explained(function, phrase):
    says(check.two_sums(function), phrase)


# ----------------------------------------------- Rounded; and a state's words
EVEN = [(k, s) for s in range(1, 5) for k in range(s, 7) if k % s == 0]


def test_three_digits_of_what_is_worked_out_on_paper_are_enough():
    assert check.on_ones((0.563, 0.75, 1), (0.391, 0.625, 1))
    says(check.on_ones((0.56, 0.75, 1), (0.391, 0.625, 1)), 'three digits')
    row = numpy.array([1, 3, 4, 3, 1])
    says(
        check.no_checkerboard(EVEN, (numpy.outer(row, row) / 36).round(2)),
        'are the weights rounded?',
    )


def test_the_presets_are_the_explorers():
    root = Path(__file__).parents[1]
    script = (root / 'build/widgets/tconv/state.js').read_text('utf-8')
    for name, presets in (
        ('INPUTS', check.INPUTS),
        ('KERNELS', check.KERNELS),
    ):
        (listed,) = re.findall(rf'const {name} = \[(.*?)\];', script)
        assert set(re.findall(r"'(.*?)'", listed)) == {
            preset for preset in presets if ':' not in preset
        }


# ------------------------------------------------------- Another way up

REASONS = (
    'A constant comes out constant, since every cell is treated alike, and '
    'nine weights cannot make every kernel of sixteen.'
)


def by_sums(C):
    """Each cell of K is the sum of the cells of C that see it."""
    wide = numpy.pad(C.asnumpy()[::-1, ::-1], 1)
    return [
        [wide[u : u + 2, v : v + 2].sum() for v in range(4)] for u in range(4)
    ]


def test_another_way_takes_another_algorithm():
    verdict = check.another_way(by_sums, REASONS)
    assert verdict and 'no check can judge' in verdict.text


@pytest.mark.parametrize(
    'imitate, phrase',
    [
        (lambda C: by_sums(C[::-1, ::-1]), 'half a circle'),
        (lambda C: numpy.array(by_sums(C)) / 4, 'no mean is taken'),
        (lambda C: numpy.transpose(by_sums(C)), 'exchanged'),
        (lambda C: numpy.pad(C.asnumpy(), ((0, 1), (0, 1))), '2 × 2'),
        (lambda C: numpy.ones((4, 4)), 'send a single 1'),
        (lambda C: C, '(4, 4)'),
    ],
)
def test_a_wrong_kernel_does_not_imitate(imitate, phrase):
    says(check.another_way(imitate, REASONS), phrase)


@pytest.mark.parametrize(
    'reasons, phrase',
    [('no', 'too short'), (42, 'in quotes'), (['a'] * 20, 'in quotes')],
)
def test_reasons_must_be_words(reasons, phrase):
    says(check.another_way(by_sums, reasons), phrase)
