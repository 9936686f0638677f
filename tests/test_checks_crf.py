"""The checks of the exercises on CRFs: right ways, recorded wrong ones."""

import itertools

from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import crf as check

import numpy as onp
import pytest


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_later_answer_gets_a_message(answer):
    for verdict in (
        check.by_hand(17 / 12, answer, 1 / 3),
        check.by_hand(17 / 12, 7 / 17, answer),
        check.space(9_948_825, answer, 1_125_000),
        check.space(9_948_825, 0.836, answer),
        check.pole(answer, 'a text ' * 20),
    ):
        assert verdict.state == WRONG
        assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.energy, check.lowest, check.step])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# --------------------------------------------------------------- by_hand
def test_fractions_and_three_digits_are_right():
    assert check.by_hand(17 / 12, 7 / 17, 1 / 3)
    assert check.by_hand(1.417, 0.412, 0.333)


WRONG_NUMBERS = [
    ((12 / 17, 0.412, 0.333), '1 / Z'),
    ((0.3483, 0.412, 0.333), 'logarithm'),
    ((2, 0.412, 0.333), 'without pairs'),
    ((1.917, 0.412, 0.333), 'at 11 the first place'),
    ((19 / 12, 0.412, 0.333), 'different labels cost'),
    ((1.5, 0.412, 0.333), 'the sequences 00, 01, 10 and 11'),
    ((1.417, 12 / 17, 0.333), 'that is the second place'),
    ((1.417, 10 / 17, 0.333), 'label 0'),
    ((1.417, 6 / 17, 0.333), 'the sequence 11 alone'),
    ((1.417, 7 / 12, 0.333), 'divide by Z'),
    ((1.417, 0.412, 0.75), 'that is the second place'),
    ((1.417, 0.412, 0.667), 'label 0'),
    ((1.417, 0.412, 0.5), 'the sum of both'),
    ((1.417, 0.41, 0.333), 'three digits'),
    ((1.417, 41.2, 0.333), 'not a percentage'),
]


@pytest.mark.parametrize(('numbers', 'phrase'), WRONG_NUMBERS)
def test_wrong_numbers(numbers, phrase):
    says(check.by_hand(*numbers), phrase)


# ---------------------------------------------------------------- energy
def parts(labels, unary, kernel):
    """Unary part; pairs with equal, with different labels; the diagonal."""
    own, costs = 0, [0, 0]
    for i, label in enumerate(labels):
        own += unary[label][i]
        for j in range(i):
            costs[int(labels[j] != label)] += kernel[i][j]
    return own, *costs, sum(kernel[i][i] for i in range(len(labels)))


def test_an_energy_by_loops_is_right():
    def energy(*given):
        own, _, different, _ = parts(*given)
        return own + different

    assert check.energy(energy)


WRONG_ENERGIES = [
    (lambda u, e, d, i: u + 2 * e + i, 'equal labels are punished'),
    (lambda u, e, d, i: u + e, 'equal labels are punished'),
    (lambda u, e, d, i: u + e + i, 'equal labels are punished'),
    (lambda u, e, d, i: u + 2 * d, 'counted twice'),
    (lambda u, e, d, i: u + d + i, 'the diagonal is no pair'),
    (lambda u, e, d, i: u - d, 'the sign'),
    (lambda u, e, d, i: d, 'the unary energies are missing'),
    (lambda u, e, d, i: u, 'the pairs are missing'),
    (lambda u, e, d, i: u + d / 2, 'for two pixels it is'),
    (lambda u, e, d, i: [u, d], 'shape'),
]


@pytest.mark.parametrize(('energy', 'phrase'), WRONG_ENERGIES)
def test_wrong_energies(energy, phrase):
    says(check.energy(lambda *given: energy(*parts(*given))), phrase)


# ---------------------------------------------------------------- lowest
def by_products(unary, pair):
    """Viterbi's algorithm with products of probabilities, as lists."""
    best = {label: (e, [label]) for label, e in enumerate(unary[0])}
    for own in unary[1:]:
        best = {
            label: min(
                (energy + pair[before][label] + own[label], [*way, label])
                for before, (energy, way) in best.items()
            )
            for label in range(len(own))
        }
    return min(best.values())[1]


def alone(unary, pair):
    return unary.argmin(axis=1)


def one_after_the_other(unary, pair):
    labels = [int(unary[0].argmin())]
    for own in unary[1:]:
        labels.append(int((pair[labels[-1]] + own).argmin()))
    return labels


def every_sequence(unary, pair):
    places, labels = unary.shape
    if labels**places > 10**5:
        return onp.zeros(places)
    return min(
        itertools.product(range(labels), repeat=places),
        key=lambda x: (
            sum(unary[i, label] for i, label in enumerate(x))
            + sum(pair[a, b] for a, b in itertools.pairwise(x))
        ),
    )


def test_the_best_sequence_with_whole_ways_is_right():
    assert check.lowest(by_products)


WRONG_SEQUENCES = [
    (alone, 'each place has decided alone'),
    (one_after_the_other, 'for good'),
    (lambda u, p: by_products(u, p.T), 'pair[k, l] is k before l'),
    (lambda u, p: by_products(-u, -p), 'the highest energy'),
    (lambda u, p: by_products(u, p)[::-1], 'in the wrong order'),
    (every_sequence, 'a chain of 300 places'),
    (lambda u, p: u[:, 0], 'whole numbers from 0'),
    (lambda u, p: onp.full(len(u), 7), 'whole numbers from 0'),
    (lambda u, p: by_products(u, p)[:-1], 'shape'),
]


@pytest.mark.parametrize(('lowest', 'phrase'), WRONG_SEQUENCES)
def test_wrong_sequences(lowest, phrase):
    says(check.lowest(lowest), phrase)


# ------------------------------------------------------------------ step
def support(q, kernel, itself=False):
    sums = onp.zeros(q.shape)
    for i, j in itertools.product(range(len(kernel)), repeat=2):
        if i != j or itself:
            sums[:, i] += kernel[i, j] * q[:, j]
    return sums


def softmax(score, axis=0):
    powers = onp.exp(score - score.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def sequential(q, unary, kernel):
    q = q.copy()
    for i in range(q.shape[1]):
        q[:, i] = softmax(support(q, kernel) - unary)[:, i]
    return q


def without_maximum(q, unary, kernel):
    with onp.errstate(all='ignore'):
        powers = onp.exp(support(q, kernel) - unary)
        return powers / powers.sum(axis=0)


def test_a_step_by_loops_is_right():
    assert check.step(lambda q, u, k: softmax(support(q, k) - u))


def test_a_step_that_keeps_the_punishment_is_right():
    """1 - q for the others: the same up to what is equal for all labels."""

    def step(q, unary, kernel):
        return softmax(-unary - support(1 - q, kernel))

    assert check.step(step)


WRONG_STEPS = [
    (lambda q, u, k: softmax(support(q, k, True) - u), 'j = i'),
    (lambda q, u, k: softmax(-support(q, k) - u), 'wrong sign'),
    (lambda q, u, k: softmax(support(q, k) + u), 'are costs'),
    (lambda q, u, k: softmax(support(q, k)), 'unary energies are missing'),
    (lambda q, u, k: softmax(-u), 'the support of the others is missing'),
    (sequential, 'one after the other'),
    (lambda q, u, k: support(q, k) - u, 'not a probability yet'),
    (lambda q, u, k: softmax(support(q, k) - u, 1), 'the first axis'),
    (without_maximum, 'NaN or infinity'),
    (lambda q, u, k: softmax(support(q, k) - u).T, 'the classes first'),
    (lambda q, u, k: q, 'for one pixel and one class'),
]


@pytest.mark.parametrize(('step', 'phrase'), WRONG_STEPS)
def test_wrong_steps(step, phrase):
    says(check.step(step), phrase)


# ----------------------------------------------------------------- space
def test_cells_may_be_counted_with_their_ends():
    assert check.space(9_948_825, 0.836, 1_125_000)
    assert check.space(10 * 8 * 51**3, 10 * 8 * 51**3 * 84e-9, 1_125_000)


WRONG_SPACES = [
    ((10 * 7.5 * 51, 1, 1), 'three axes'),
    ((51**3, 1, 1), 'two axes'),
    ((500 * 375 * 255**3, 1, 1), 'one standard deviation wide'),
    ((1e5, 1, 1), '500 / 50 times'),
    ((9_948_825, 0.0398, 1), '21 classes'),
    ((9_948_825, 0.209, 1), '4 bytes'),
    ((9_948_825, 835.7, 1), 'megabytes'),
    ((9_948_825, 835_701_300, 1), 'that is bytes'),
    ((9_948_825, 0.7783, 1), '10⁹ bytes'),
    ((9_948_825, 0.836, 6_000_000), '32 corners'),
    ((9_948_825, 0.836, 187_500), 'several points'),
    ((9_948_825, 0.836, 937_500), 'd + 1 corners'),
    ((9_948_825, 0.836, 6), 'six corners'),
]


@pytest.mark.parametrize(('numbers', 'phrase'), WRONG_SPACES)
def test_wrong_spaces(numbers, phrase):
    says(check.space(*numbers), phrase)


# ------------------------------------------------------------------ pole
LONG = 'I predicted one thing and found another, and the reason is this: ' * 2


def test_the_number_and_a_text_are_enough():
    assert check.pole(0.53, LONG)


def test_wrong_poles():
    says(check.pole(0.6, LONG), 'how low may it be')
    says(check.pole(0.47, LONG), 'not of the wall')
    says(check.pole(0.3, LONG), 'in the bar alone')
    says(check.pole(53, LONG), 'not a percentage')
    says(check.pole(0.53, 'it survives'), 'too short')
