"""The checks of the exercises on many devices, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

import random
from fractions import Fraction

import utils
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import scaling as check

import numpy
import pytest
from mxnet import np

EVERY = pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
ON_ONE = (numpy.array([1, 3, 5, 11]) - 5) / 14**0.5
ON_TWO = (-1, 1, -1, 1)
REASONS = 'It holds up to 64, since a longer step leads past the lowest point.'


def by_hand(size, rate):
    """Train as the exercise does, example by example in a batch."""
    rng = numpy.random.default_rng(0)
    true, x = rng.normal(size=10), rng.normal(size=(8192, 10))
    y = x @ true + rng.normal(size=8192)
    w = numpy.zeros(10)
    for first in range(0, 8192, size):
        batch = slice(first, first + size)
        rest = x[batch] @ w - y[batch]
        w = w - rate * numpy.mean(2 * rest[:, None] * x[batch], axis=0)
    return float(numpy.mean((w - true) ** 2))


SIZES = (1, 4, 16, 64, 256)


@pytest.fixture(scope='module')
def errors():
    return [by_hand(size, 0.004 * size) for size in SIZES]


@EVERY
@pytest.mark.parametrize(
    'one',
    [
        lambda x: check.batch(32, 45, 0.04, x),
        lambda x: check.means(1.25, 0.65, 9, x),
        lambda x: check.means(1.25, 0.65, x, (1.8, 0.2)),
        lambda x: check.normalised(ON_ONE, ON_TWO, x),
        lambda x: check.normalised(ON_ONE, x, 9),
        lambda x: check.speed(4, 0.779, 2.479, x),
        lambda x: check.half_precision(1, 4, 2**14, x),
    ],
    ids=['batch', 'factors', 'weight', 'missing', 'two', 'most', 'half'],
)
def test_any_last_answer_gets_a_message(one, answer):
    verdict = one(answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text
    assert len(verdict.text) < 1000


@EVERY
def test_any_rate_and_any_reasons_get_a_message(errors, answer):
    for rate, reasons in ((answer, REASONS), (0.2, answer)):
        verdict = check.rule(errors, rate, reasons)
        assert verdict.state == WRONG
        assert 'could not be examined' not in verdict.text
        assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.gradient, check.shares])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# -------------------------------------------------- One Batch, Four Devices
def test_batch():
    assert check.batch(32.0, 45, Fraction(1, 25), np.array(0.01))


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((8, 45, 0.04, 0.01), 'what one device gets'),
        ((16, 45, 0.04, 0.01), 'are four devices'),
        ((64, 45, 0.04, 0.01), 'machines × devices'),
        ((32, 46, 0.04, 0.01), 'round down'),
        ((32, 45.75, 0.04, 0.01), 'round down'),
        ((32, 183, 0.04, 0.01), 'with one device'),
        ((32, 91, 0.04, 0.01), 'not of two'),
        ((32, 40, 0.04, 0.01), 'how many full batches'),
        ((32, 45, 0.01, 0.01), 'the rate grows as well'),
        ((32, 45, 0.02, 0.01), 'square root'),
        ((32, 45, 0.0025, 0.01), 'not a smaller one'),
        ((32, 45, 0.32, 0.01), 'when it had 8 photos'),
        ((32, 45, 0.03, 0.01), 'how many times as large'),
        ((32, 45, 0.04, 0.04), 'four times as large as yours'),
        ((32, 45, 0.04, 0.16), 'needs a smaller rate'),
        ((32, 45, 0.04, 0.0025), 'four times too short'),
        ((32, 45, 0.04, 1), 'a step is the rate times'),
    ],
)
def test_batch_wrong(answers, phrase):
    says(check.batch(*answers), phrase)


# ----------------------------------------------------------- Mean of Means
def test_means():
    factors = [Fraction(9, 5), Fraction(1, 5)]
    assert check.means(Fraction(5, 4), 0.65, 9, factors)
    assert check.means(1.25, 0.65, 9, np.array([1.8, 0.2]))


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((0.65, 0.65, 9, (1.8, 0.2)), 'it comes second'),
        ((2.5, 0.65, 9, (1.8, 0.2)), 'the number of workers'),
        ((1, 0.65, 9, (1.8, 0.2)), 'halve the sum'),
        ((1.25, 1.25, 9, (1.8, 0.2)), 'different numbers of pixels'),
        ((1.25, 650, 9, (1.8, 0.2)), 'this is a sum'),
        ((1.25, 0.325, 9, (1.8, 0.2)), 'not by the number of workers'),
        ((1.25, 1.85, 9, (1.8, 0.2)), 'exchanged'),
        ((1.25, 0.7, 9, (1.8, 0.2)), '900 · 0.5'),
        ((1.25, 0.65, 1 / 9, (1.8, 0.2)), 'where one of B has 1'),
        ((1.25, 0.65, 4, (1.8, 0.2)), 'compares the losses'),
        ((1.25, 0.65, 1, (1.8, 0.2)), 'over all pixels'),
        ((1.25, 0.65, 10, (1.8, 0.2)), 'not with all'),
        ((1.25, 0.65, 8, (1.8, 0.2)), 'how many pixels share'),
        ((1.25, 0.65, 9, (0.2, 1.8)), 'comes first'),
        ((1.25, 0.65, 9, (0.9, 0.1)), 'halves their sum'),
        ((1.25, 0.65, 9, (10 / 18, 5)), 'not a smaller one'),
        ((1.25, 0.65, 9, (900, 100)), 'sums of losses'),
        # right for these losses alone
        ((1.25, 0.65, 9, (1, 0.4)), 'with any losses'),
    ],
)
def test_means_wrong(answers, phrase):
    says(check.means(*answers), phrase)


# -------------------------------------------- What Batch Normalisation Sees
def test_normalised():
    assert check.normalised(ON_ONE, ON_TWO, 9)
    rounded = [-1.069, -0.535, 0, 1.604]
    assert check.normalised(rounded, [[-1, 1], [-1, 1]], 9.0)


@pytest.mark.parametrize(
    'one, two, missing, phrase',
    [
        ([-4, -2, 0, 6], ON_TWO, 9, 'not divided yet'),
        (ON_ONE / 14**0.5, ON_TWO, 9, 'square root'),
        (numpy.array([1, 3, 5, 11]) / 14**0.5, ON_TWO, 9, 'the mean first'),
        (ON_ONE * 0.75**0.5, ON_TWO, 9, 'divide by 4, not by 3'),
        (ON_TWO, ON_TWO, 9, 'what two devices make'),
        (ON_ONE[::-1], ON_TWO, 9, 'on one device: number 0'),
        ([-1.07, -0.53, 0, 1.6], ON_TWO, 9, 'three digits'),
        (ON_ONE, ON_ONE, 9, 'its own two photos only'),
        (ON_ONE, (-1, 1, -3, 3), 9, 'not divided yet'),
        (ON_ONE, (-1, 1, -1 / 3, 1 / 3), 9, 'square root'),
        (ON_ONE, numpy.array(ON_TWO) / 2**0.5, 9, 'divide by 2, not by 1'),
        (ON_ONE, (1, -1, 1, -1), 9, 'the sign'),
        (
            ON_ONE,
            numpy.array([-1, 1, -3, 3]) / 14**0.5,
            9,
            'its own variance',
        ),
        (ON_ONE, (-1, 1), 9, 'the shape (2,)'),
        (ON_ONE, ON_TWO, 4, 'mean of the two variances'),
        (ON_ONE, ON_TWO, 5, 'asked is the rest'),
        (ON_ONE, ON_TWO, -9, 'how much it is smaller'),
        (ON_ONE, ON_TWO, 9 / 14, 'not a share'),
        (ON_ONE, ON_TWO, 14**0.5 - 2, 'not their square roots'),
        (ON_ONE, ON_TWO, 7, 'minus the mean'),
    ],
)
def test_normalised_wrong(one, two, missing, phrase):
    says(check.normalised(one, two, missing), phrase)


# -------------------------------------------------- The Same Step, in Parts
def sums(w, x, y, counts):
    """The gradient of the sum over one part, and how many count."""
    return 2 * ((x @ w - y) * counts) @ x, counts.sum()


def two(w, parts):
    return [sums(w, *part) for part in parts]


def in_parts(w, parts):
    each = two(w, parts)
    return sum(s for s, _ in each), max(sum(n for _, n in each), 1)


def selected(w, parts):
    total, number = 0, 0
    for x, y, counts in parts:
        x, y = x[counts], y[counts]
        total = total + 2 * x.T @ (x @ w - y)
        number += len(y)
    return total / number if number else numpy.zeros(3)


def with_mxnet(w, parts):
    total, number = in_parts(w, parts)
    return np.array(total / number, dtype='float64')


def changes(w, parts):
    w -= selected(w, parts)
    return w


def at_once(w, parts):
    together = [
        numpy.concatenate(column) for column in zip(*parts, strict=True)
    ]
    return selected(w, [together])


def of_all(w, parts):
    everywhere = [(x, y, numpy.ones(len(y), bool)) for x, y, _ in parts]
    return in_parts(w, everywhere)


def divided_by_zero(w, parts):
    total, number = (sum(each) for each in zip(*two(w, parts), strict=True))
    with numpy.errstate(invalid='ignore'):
        return total / number


@pytest.mark.parametrize(
    'gradient',
    [
        selected,
        with_mxnet,
        lambda w, parts: list(in_parts(w, parts)[0] / in_parts(w, parts)[1]),
    ],
)
def test_gradient(gradient):
    assert check.gradient(gradient)


@pytest.mark.parametrize(
    'gradient, phrase',
    [
        (
            lambda w, parts: numpy.mean(
                [selected(w, [part]) for part in parts], axis=0
            ),
            'mean of the means of the parts',
        ),
        (
            lambda w, parts: sum(selected(w, [part]) for part in parts),
            'these are added up',
        ),
        (
            lambda w, parts: (
                in_parts(w, parts)[0] / sum(len(y) for _, y, _ in parts)
            ),
            'by which you divide',
        ),
        (lambda w, parts: in_parts(w, parts)[0], 'gradient of the sum'),
        (lambda w, parts: selected(w, parts[-1:]), 'only the last part'),
        (lambda w, parts: selected(w, parts[:1]), 'only the first part'),
        (
            lambda w, parts: of_all(w, parts)[0] / of_all(w, parts)[1],
            'pull at the weights',
        ),
        (lambda w, parts: selected(w, parts) / 2, 'the 2 of the derivative'),
        (lambda w, parts: -selected(w, parts), 'the sign'),
        (
            lambda w, parts: in_parts(w, parts)[0] / len(parts),
            'not of parts',
        ),
        (lambda w, parts: w, 'add up two things'),
        (divided_by_zero, 'NaN or infinity'),
        (at_once, 'while you have it'),
        (changes, 'changed what it was given'),
        (lambda w, parts: [selected(w, parts)], 'the shape (1, 3)'),
    ],
)
def test_gradient_wrong(gradient, phrase):
    says(check.gradient(gradient), phrase)


# ------------------------------------------ A Larger Batch, a Larger Rate
@pytest.mark.parametrize('rate', [0.2, 0.1, 0.3])
def test_rule(errors, rate):
    assert by_hand(256, rate) < 0.01
    assert check.rule(errors, rate, REASONS)
    printed = [float(f'{error:.4f}') for error in errors]
    assert check.rule(printed, rate, REASONS)


@pytest.mark.parametrize(
    'rate, phrase',
    [
        (256 * 0.004, 'the rate is too large'),
        (1e5, 'the rate is too large'),
        (0.004, '32 steps are too few'),
        (0, 'a positive number'),
        (-0.1, 'a positive number'),
    ],
)
def test_rule_wrong_rate(errors, rate, phrase):
    says(check.rule(errors, rate, REASONS), phrase)


@pytest.mark.parametrize(
    'rate_of, phrase',
    [
        (lambda size: 0.004, 'let it grow as the batch'),
        (lambda size: 0.004 * size**0.5, 'square root of the batch'),
        (lambda size: 0.002 * size, '0.004 times'),
    ],
)
def test_rule_wrong_errors(rate_of, phrase):
    wrong = [by_hand(size, rate_of(size)) for size in SIZES]
    says(check.rule(wrong, 0.2, REASONS), phrase)


def test_rule_wrong_order_and_no_reasons(errors):
    says(check.rule(errors[::-1], 0.2, REASONS), 'smallest batch comes first')
    says(check.rule(errors[:4], 0.2, REASONS), 'the shape (4,)')
    says(check.rule(errors, 0.2, 'It breaks.'), 'too short')


# ---------------------------------------------------------- Hidden or Not?
RIGHT = (4, 1.2 / 1.54, 1.2 / 0.484, 2)


def test_speed():
    assert check.speed(*RIGHT)
    assert check.speed(4.0, 0.779, Fraction(300, 121), 2)


@pytest.mark.parametrize(
    'place, answer, phrase',
    [
        (0, 1.2 / 0.444, 'only the longer of the two'),
        (0, 1, 'four steps of one'),
        (0, 1.2 / 0.484, 'exchanged'),
        (0, 3, 'Put it into'),
        (1, 1.2 / 1.74, 'only the longer of the two'),
        (1, 1.2 / 1.44, 'there are no gradients yet'),
        (1, 4, 'a byte has 8 bits'),
        (1, 0.3 / 1.54, 'four steps of one'),
        (1, 1.2 / 0.82, 'goes round twice'),
        (1, 1.2 / 1.06, 'arrive at one place'),
        (1, 0.78, 'three digits'),
        (2, 4, 'a byte has 8 bits'),
        (2, 1.2 / 0.684, 'only the longer of the two'),
        (2, 1.2 / 0.384, 'there are no gradients yet'),
        (3, 0.2 / 0.096, 'no parts of machines'),
        (3, 3, 'one machine fewer'),
        (3, 16, 'a byte has 8 bits'),
        (3, 1, 'how many fit'),
    ],
)
def test_speed_wrong(place, answer, phrase):
    answers = [*RIGHT]
    answers[place] = answer
    says(check.speed(*answers), phrase)


# ------------------------------------------------------------- Sixteen Bits
def test_half_precision():
    assert check.half_precision(1, 4, 16384, 1)
    assert check.half_precision(True, 4.0, 2.0**14, numpy.float16(1))


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((2, 4, 16384, 1), 'which of them is nearer'),
        ((3, 4, 16384, 1), 'with fewer digits'),
        ((0, 4, 16384, 1), 'nearer to 0, or to 6e-8'),
        ((5, 4, 16384, 1), 'below half of the smallest'),
        ((1, 8, 16384, 1), 'half of it does, too'),
        ((1, 2, 16384, 1), 'still nearer to 0'),
        ((1, 3, 16384, 1), 'a power of two'),
        ((1, 16, 16384, 1), 'multiply the smallest'),
        ((1, 4, 2**15, 1), 'too large'),
        ((1, 4, 2**13, 1), 'twice as much still fits'),
        ((1, 4, 14, 1), 'this is the exponent'),
        ((1, 4, 32752, 1), 'a power of two'),
        ((1, 4, 1024, 1), 'multiply the largest'),
        ((1, 4, 16384, 1.0004), 'no such number'),
        ((1, 4, 16384, 1.001), 'which is nearer'),
        ((1, 4, 16384, 0.0004), 'not the step'),
        ((1, 4, 16384, 2), 'Take the nearest'),
    ],
)
def test_half_precision_wrong(answers, phrase):
    says(check.half_precision(*answers), phrase)


# ---------------------------------------------------------- Who Reads What?
class Numbers:
    """A data set whose samples are their own numbers."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def get(self, i, epoch):
        return numpy.full((1, 1, 3), i), numpy.zeros((1, 1))


def by_the_book(number, batch_size, part, seed, epoch):
    batches = utils.Batches(Numbers(number), batch_size, seed, part=part)
    batches.epoch = epoch
    return [images.asnumpy()[:, 0, 0, 0] for images, _ in batches]


def cut(order, number, batch_size, part, pieces=False):
    rank, count = part
    size = batch_size // count
    result = []
    for step in range(number // batch_size):
        batch = order[step * batch_size : (step + 1) * batch_size]
        result.append(
            batch[rank * size : (rank + 1) * size]
            if pieces
            else batch[rank::count]
        )
    return result


def in_pieces(number, batch_size, part, seed, epoch):
    """Python's generator, and a connected piece of the batch."""
    order = list(range(number))
    random.Random(f'{seed}, {epoch}').shuffle(order)
    return cut(order, number, batch_size, part, pieces=True)


def ordered(order_of):
    """A function that shares out the order that another one makes."""

    def shares(number, batch_size, part, seed, epoch):
        order = order_of(number, part, seed, epoch)
        return cut(numpy.array(order), number, batch_size, part)

    return shares


def shuffled(number, *seeds):
    return numpy.random.default_rng(seeds).permutation(number)


def own_piece(number, batch_size, part, seed, epoch):
    rank, count = part
    mine = numpy.arange(rank, number // count * count, count)
    mine = numpy.random.default_rng((seed, epoch)).permutation(mine)
    steps, each = number // batch_size, batch_size // count
    return mine[: steps * each].reshape(steps, each)


def first_left_out(number, part, seed, epoch):
    """Leave out the last photos, and shuffle the others."""
    kept = number - number % {11: 4, 24: 6, 41: 8, 40: 8}[number]
    return shuffled(kept, seed, epoch)


def with_replacement(number, part, seed, epoch):
    rng = numpy.random.default_rng((seed, epoch))
    return rng.integers(number, size=number)


def new_in_each_step(number, batch_size, part, seed, epoch):
    rng = numpy.random.default_rng((seed, epoch))
    rank, count = part
    return [
        rng.permutation(number)[:batch_size][rank::count]
        for _ in range(number // batch_size)
    ]


def with_global(number, part, seed, epoch):
    numpy.random.seed(seed + 100 * epoch)
    return numpy.random.permutation(number)


GOES_ON = numpy.random.default_rng(0)
RIGHT_ORDER = ordered(lambda n, part, seed, epoch: shuffled(n, seed, epoch))


def all_of_it(number, batch_size, part, seed, epoch):
    return RIGHT_ORDER(number, batch_size, (0, 1), seed, epoch)


def batch_of_a_worker(number, batch_size, part, seed, epoch):
    whole = batch_size * part[1]
    return RIGHT_ORDER(number, whole, part, seed, epoch)


def also_the_last(number, batch_size, part, seed, epoch):
    order = shuffled(number, seed, epoch)
    steps = range(0, number, batch_size)
    return [
        order[n : n + batch_size][part[0] :: part[1]].tolist() for n in steps
    ]


@pytest.mark.parametrize(
    'shares',
    [
        by_the_book,
        in_pieces,
        ordered(lambda n, _, seed, epoch: shuffled(n, 1000 * seed + epoch)),
    ],
)
def test_shares(shares):
    assert check.shares(shares)


@pytest.mark.parametrize(
    'shares, phrase',
    [
        (
            ordered(lambda n, part, *seeds: shuffled(n, part[0], *seeds)),
            'all must shuffle alike',
        ),
        (own_piece, 'Make the batches first, all alike'),
        (
            ordered(lambda n, part, *seeds: shuffled(n, part[1], *seeds)),
            'Make the batches first, all alike',
        ),
        (ordered(with_replacement), 'twice'),
        (new_in_each_step, 'twice in an epoch'),
        (ordered(first_left_out), 'the same photos are left out'),
        (ordered(lambda n, _, seed, epoch: shuffled(n, seed)), 'every epoch'),
        (ordered(lambda n, _, seed, epoch: shuffled(n, epoch)), 'all seeds'),
        (
            ordered(lambda n, *_: GOES_ON.permutation(n)),
            'two different results',
        ),
        (ordered(with_global), 'random numbers that others use'),
        (all_of_it, 'this is the whole batch'),
        (batch_of_a_worker, 'of all workers together'),
        (also_the_last, 'cannot be read'),
        (
            lambda *given: numpy.array(RIGHT_ORDER(*given)) + 1,
            'is no photo',
        ),
        (lambda *given: numpy.array(RIGHT_ORDER(*given)) / 2, 'is no photo'),
        (
            lambda *given: [[2 * x for x in y] for y in RIGHT_ORDER(*given)],
            'is no photo',
        ),
    ],
)
def test_shares_wrong(shares, phrase):
    says(check.shares(shares), phrase)
