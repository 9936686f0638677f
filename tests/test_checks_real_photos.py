"""The checks of the exercises on real photos and weights, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

from fractions import Fraction

import utils  # noqa: F401  first: it gives MXNet all cores
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import real_photos as check

import mxnet as mx
import numpy
import pytest
from mxnet import np

EVERY = pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
MAP = [(0, 1), (0, 1), (0, 1), (2, 6)]
PADS = {'even': (0, 1), 'odd': (1, 1), 'five': (1, 2), 'one': (0, 0)}


@EVERY
@pytest.mark.parametrize(
    'one',
    [
        lambda x: check.weights(80000, 4200, 34800, x),
        lambda x: check.borders(*PADS.values(), x),
        lambda x: check.borders((0, 1), (1, 1), (1, 2), x, 2),
        lambda x: check.narrow(MAP, 2, 4, x),
        lambda x: check.narrow(MAP, 2, x, (1, 1, 1, 0)),
        lambda x: check.fitted(9, 12, 0.0463, x),
        lambda x: check.sure(0.6, 0.4, 5 / 6, x, 0),
        lambda x: check.sure(0.6, 0.4, 5 / 6, 0.55, x),
    ],
    ids='share second one gradient wide rows best most'.split(),
)
def test_any_last_answer_gets_a_message(one, answer):
    if answer is HOSTILE['no axis'] and one(0):
        return  # an array of no axis is the number 0, which is right here
    verdict = one(answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text
    assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.fold, check.repeats])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# --------------------------------------------------------- How Many Weights?
def test_weights():
    assert check.weights(80000.0, np.array(4200), 34800, 0.828)
    assert check.weights(80000, 4200, 34800, Fraction(288, 348))


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((16000, 4200, 34800, 0.828), 'a square'),
        ((2000, 4200, 34800, 0.828), 'for each of the inputs'),
        ((1000, 4200, 34800, 0.828), 'for each of the outputs'),
        ((1, 4200, 34800, 0.828), 'each pair'),
        ((80000, 1000, 34800, 0.828), 'then mixes'),
        ((80000, 3200, 34800, 0.828), 'is filtered before'),
        ((80000, 3200000, 34800, 0.828), 'add, not multiply'),
        ((80000, 5200, 34800, 0.828), 'on 40 channels'),
        ((80000, 43200, 34800, 0.828), 'no channel sees another'),
        ((80000, 4201, 34800, 0.828), 'and then 40 × 80'),
        ((80000, 4200, 25200, 0.828), 'that widens has weights'),
        ((80000, 4200, 29800, 0.828), 'on the wide map'),
        ((80000, 4200, 15600, 0.828), 'that narrows has weights'),
        ((80000, 4200, 130800, 0.828), 'narrowed to 80'),
        ((80000, 4200, 1468800, 0.828), 'no channel sees another'),
        ((80000, 4200, 34801, 0.828), 'into it, on it'),
        ((80000, 4200, 34800, 0.172), 'share of the others'),
        ((80000, 4200, 34800, 0.276), 'that narrows mixes'),
        ((80000, 4200, 34800, 0.552), 'that widens mixes'),
        ((80000, 4200, 34800, 82.8), 'not a percentage'),
        ((80000, 4200, 34800, 0.5), 'kernels of 1 × 1'),
    ],
)
def test_weights_wrong(answers, phrase):
    says(check.weights(*answers), phrase)


# ------------------------------------------------------- TensorFlow's Borders
@pytest.mark.parametrize('name', check.LAYERS)
def test_the_paddings_are_those_of_the_rule(name):
    """The check tries paddings; here the published formula is used."""
    kernel, stride, size = check.LAYERS[name]
    left = size % stride
    total = max(kernel - (left or stride), 0)
    assert check.padding(kernel, stride, size) == PADS[name]
    assert PADS[name] == (total // 2, total - total // 2)


def test_borders():
    assert check.borders(*PADS.values(), 2)
    assert check.borders([0, 1], np.array([1, 1]), (1.0, 2), [0, 0], 2.0)


@pytest.mark.parametrize(
    'changed, second, phrase',
    [
        ({'even': (1, 0)}, 2, 'comes after the map, not before'),
        ({'even': (1, 1)}, 2, 'pads both sides alike'),
        ({'odd': (0, 1)}, 2, 'how many cells do they see'),
        ({'odd': (2, 2)}, 2, 'divide it between both'),
        ({'five': (2, 2)}, 2, 'pads both sides alike'),
        ({'five': (2, 1)}, 2, 'comes after the map, not before'),
        ({'five': (3, 3)}, 2, 'this is the sum'),
        ({'one': (0, 1)}, 2, '14 windows begin 2 cells apart'),
        ({'one': 0}, 2, 'the wrong shape'),
        ({}, 1, 'Gluon’s begins'),
        ({}, 0, 'the first window begins'),
        ({}, 3, 'a stride apart'),
        ({}, -2, 'a stride after the first'),
    ],
)
def test_borders_wrong(changed, second, phrase):
    says(check.borders(*(PADS | changed).values(), second), phrase)


# ---------------------------------------------- Narrow Maps Keep Their Signs
def test_narrow():
    assert check.narrow(MAP, 2, 4, [1, 1, 1, 0])
    assert check.narrow(np.array(MAP), 2.0, 4, np.array([1, 1, 1, 0]))


def test_the_gradient_is_that_of_mxnet():
    b = np.array([1, 1, 1, 9])
    b.attach_grad()
    with mx.autograd.record():
        loss = b.clip(0, 6).sum()
    loss.backward()
    assert check.narrow(MAP, 2, 4, b.grad)


@pytest.mark.parametrize(
    'answers, phrase',
    [
        (([*MAP[:3], (2, 9)], 2, 4, (1, 1, 1, 0)), 'above 6 become 6'),
        (
            ([(-2, 1), (-1, 1), (-3, 1), (2, 6)], 2, 4, (1, 1, 1, 0)),
            'below 0 become 0',
        ),
        (
            ([(2, 1), (1, 1), (3, 1), (2, 9)], 2, 4, (1, 1, 1, 0)),
            'does not turn signs',
        ),
        (([*MAP[:3], (0, 6)], 2, 4, (1, 1, 1, 0)), 'place 3, channel 0'),
        ((MAP, 4, 4, (1, 1, 1, 0)), 'in the narrow map'),
        ((MAP, 2, 2, (1, 1, 1, 0)), 'in the wide map'),
        ((MAP, 2, 4, (1, 1, 1, 1)), 'nothing rises any more'),
        ((MAP, 2, 4, (1, 1, 1, 6)), 'not how high'),
        ((MAP, 2, 4, (0, 1, 1, 0)), 'change one b a little'),
    ],
)
def test_narrow_wrong(answers, phrase):
    says(check.narrow(*answers), phrase)


# ------------------------------------------------------ A Rule for Any Height
def test_fitted():
    assert check.fitted(9, 12, 0.0463, 32)
    assert check.fitted(9.0, np.array(12), Fraction(9108, 196608), 32)


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((23, 12, 0.0463, 32), 'for the multiple below'),
        ((41, 12, 0.0463, 32), 'but fewer do, too'),
        ((384, 12, 0.0463, 32), 'how much was added?'),
        ((8, 12, 0.0463, 32), 'comes next after 375?'),
        ((9, 20, 0.0463, 32), 'for the multiple below'),
        ((9, 44, 0.0463, 32), 'but fewer do, too'),
        ((9, 11, 0.0463, 32), 'comes next after 500?'),
        ((9, 12, 0.0486, 32), 'of what the network sees'),
        ((9, 12, 0.954, 32), 'the share of the photo'),
        ((9, 12, 108 / 196608, 32), 'the corner alone'),
        ((9, 12, 0.3, 32), 'and of the padded one'),
        ((9, 12, 4.6, 32), 'not a percentage'),
        ((9, 12, 0.0463, 0), 'what does the rule say?'),
        ((9, 12, 0.0463, 31), 'if 320 is divided by 32?'),
    ],
)
def test_fitted_wrong(answers, phrase):
    says(check.fitted(*answers), phrase)


# --------------------------------------------- Fold a Layer That Has a Bias
def folding(scale, shift=None, axis=0):
    """Make an answer of a scale and a bias, both functions."""

    def fold(weight, bias, gamma, beta, mean, variance, epsilon):
        found = scale(gamma, variance, epsilon)
        shape = [1] * 4
        shape[axis] = -1
        right = gamma / numpy.sqrt(variance + epsilon)
        new = (shift or (lambda b, be, m, s: be + (b - m) * s))(
            bias, beta, mean, right
        )
        return weight * found.reshape(shape), new

    return fold


def right_scale(gamma, variance, epsilon):
    return gamma / (variance + epsilon) ** 0.5


def test_fold():
    assert check.fold(folding(right_scale))
    assert check.fold(lambda *given: [*folding(right_scale)(*given)])


@pytest.mark.parametrize(
    'answer, phrase',
    [
        (folding(lambda g, v, e: g / (v + e)), 'the root'),
        (folding(lambda g, v, e: g / (v**0.5 + e)), 'under the root'),
        (folding(lambda g, v, e: (v + e) ** -0.5), 'gamma scales'),
        (folding(lambda g, v, e: g / (v + 1e-5) ** 0.5), 'handed over'),
        (folding(lambda g, v, e: g / (v + 1e-3) ** 0.5), 'handed over'),
        (folding(lambda g, v, e: g * (v + e) ** 0.5), 'has one scale'),
        (folding(right_scale, axis=3), 'along the last axis'),
        (folding(right_scale, lambda b, be, m, s: be - m * s), 'is lost'),
        (
            folding(right_scale, lambda b, be, m, s: b + be - m * s),
            'its own bias is scaled',
        ),
        (
            folding(right_scale, lambda b, be, m, s: be + b * s),
            'the mean is subtracted',
        ),
        (
            folding(right_scale, lambda b, be, m, s: be + b - m),
            'the difference is scaled',
        ),
        (
            folding(right_scale, lambda b, be, m, s: be + (b + m) * s),
            'the mean is subtracted',
        ),
        (folding(right_scale, lambda b, be, m, s: 0 * b), 'put x = 0'),
        (lambda *given: given[0], 'two things'),
        (lambda *given: (given[0][0], given[1]), 'wrong shape'),
    ],
)
def test_fold_wrong(answer, phrase):
    says(check.fold(answer), phrase)


def test_a_scale_of_the_inputs_is_named():
    """It fits where outputs and inputs are as many, and only there."""

    def fold(weight, bias, gamma, beta, mean, variance, epsilon):
        axis = 1 if weight.shape[0] == weight.shape[1] else 0
        answer = folding(right_scale, axis=axis)
        return answer(weight, bias, gamma, beta, mean, variance, epsilon)

    says(check.fold(fold), 'the first axis')


def test_what_is_handed_over_stays_as_it_is():
    def fold(weight, bias, gamma, beta, mean, variance, epsilon):
        weight *= right_scale(gamma, variance, epsilon).reshape(-1, 1, 1, 1)
        return weight, bias

    says(check.fold(fold), 'changed what it was given')


# ---------------------------------------------------- Rare Classes, Their Root
def repeating(one=lambda f, c, m: min(max(f**0.5, 1), m), join=max, none=1):
    """Make an answer of a class's factor and how a photo joins them."""

    def repeats(has, common=0.4, most=6):
        counts = numpy.maximum(has.sum(0), 1)
        factors = [one(common * len(has) / n, n, most) for n in counts]
        return [
            join([f for f, there in zip(factors, row, strict=True) if there])
            if any(row)
            else none
            for row in has
        ]

    return repeats


def mean(numbers):
    return sum(numbers) / len(numbers)


def test_repeats():
    assert check.repeats(repeating())
    assert check.repeats(lambda *given: np.array(repeating()(*given)))


@pytest.mark.parametrize(
    'answer, phrase',
    [
        (repeating(lambda f, c, m: min(max(f, 1), m)), 'take the root'),
        (repeating(lambda f, c, m: max(f**0.5, 1)), 'never more than 6'),
        (repeating(lambda f, c, m: min(f**0.5, m)), 'never less than once'),
        (repeating(none=0), 'is shown once, too'),
        (repeating(join=mean), 'not the mean'),
        (repeating(join=numpy.prod), 'not the product'),
        (repeating(join=sum), 'not the sum'),
        (lambda has, *_: repeating()(has), 'use the arguments'),
        (
            lambda has, *given: [max(repeating()(has, *given))] * len(has),
            'only the classes that are in the photo',
        ),
        (lambda has, *_: numpy.ones(len(has)), 'first a factor'),
        (lambda has, *_: 1, 'wrong shape'),
        (lambda has, *_: 1 / 0, 'ZeroDivisionError'),
    ],
)
def test_repeats_wrong(answer, phrase):
    says(check.repeats(answer), phrase)


# ------------------------------------------------------------ Sure, but Wrong
@pytest.mark.parametrize('best', [0.55, 0.51, Fraction(11, 20)])
def test_sure(best):
    assert check.sure(0.6, 0.4, Fraction(5, 6), best, 0)
    assert check.sure(Fraction(3, 5), 0.4, 0.833, best, np.array(0))


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((0.4, 0.4, 0.833, 0.55, 0), 'the share that is wrong'),
        ((0.5, 0.4, 0.833, 0.55, 0), 'count the «yes»'),
        ((0.6, 0.6, 0.833, 0.55, 0), 'the share that is left'),
        ((0.6, 0.3, 0.833, 0.55, 0), 'below 0.6'),
        ((0.6, 0.4, 0.5, 0.55, 0), 'not of all ten'),
        ((0.6, 0.4, 0.167, 0.55, 0), 'the share that is wrong'),
        ((0.6, 0.4, 0.7, 0.55, 0), 'how many of them are right'),
        ((0.6, 0.4, 83.3, 0.55, 0), 'not a percentage'),
        ((0.6, 0.4, 0.833, 0.96, 0), 'no pixel is left'),
        ((0.6, 0.4, 0.833, 0.6, 0), '0.833 with 0.6'),
        ((0.6, 0.4, 0.833, 0.5, 0), 'stop in time'),
        ((0.6, 0.4, 0.833, 0.55, 1), 'is the one that is left right'),
        ((0.6, 0.4, 0.833, 0.55, 0.5), 'which pixels are left'),
    ],
)
def test_sure_wrong(answers, phrase):
    says(check.sure(*answers), phrase)
