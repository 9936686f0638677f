"""The checks of the exercises on AlexNet: right ways, recorded wrong ones."""

from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import alexnet as check

import numpy as onp
import pytest


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_later_answer_gets_a_message(answer):
    for verdict in (
        check.groups(13_920, answer, 16),
        check.groups(13_920, 0.25, answer),
        check.dropped(0.8, answer, 0.8),
        check.dropped(0.8, 1.25, answer),
        check.nothing_to_learn(0.995, answer, 0.51),
        check.nothing_to_learn(0.995, 0.51, answer),
    ):
        assert verdict.state == WRONG
        assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.respond, check.shifts])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# ------------------------------------------------------------------ Numbers
def test_right_numbers_are_right():
    assert check.groups(13_920, 0.25, 16)
    assert check.groups(13_920.0, 1 / 4, onp.int64(16))
    assert check.dropped(0.8, 1.25, 0.8)
    assert check.nothing_to_learn(0.999**5, 0.508, 0.508)
    assert check.nothing_to_learn(0.9950, 0.51, 0.51)
    assert check.nothing_to_learn(0.995, 0.5, 0.5)  # as the text suggests


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        ((13_824, 0.25, 16), 'biases are missing'),
        ((55_392, 0.25, 16), 'without groups'),
        ((3_480, 0.25, 16), 'groups share the outputs'),
        ((100, 0.25, 16), 'outputs times the inputs'),
        ((13_920, 0.75, 16), 'what is saved'),
        ((13_920, 1 / 16, 16), 'all outputs are computed'),
        ((13_920, 25, 16), 'not a percentage'),
        ((13_920, 0.25, 64), 'without groups'),
        ((13_920, 0.25, 24), 'channels in the middle'),
        ((13_920.5, 0.25, 16), 'whole number'),
    ],
)
def test_wrong_groups(answer, words):
    says(check.groups(*answer), words)


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        ((0.2, 1.25, 0.8), 'share which is dropped'),
        ((0.5, 1.25, 0.8), 'a half is dropped'),
        ((0.8, 0.8, 0.8), 'make up for the others'),
        ((0.8, 5, 0.8), 'share that is kept'),
        ((0.8, 1.2, 0.8), '0.8 · 1.2'),
        ((0.8, 1.25, 1.25), 'too large, not too small'),
        ((0.8, 1.25, 1), 'the other network does'),
        ((0.7, 1.25, 1), 'the mean over all ways'),
    ],
)
def test_wrong_factors(answer, words):
    says(check.dropped(*answer), words)


@pytest.mark.parametrize(
    ('answer', 'words'),
    [
        ((1, 0.51, 0.51), 'wd goes into it'),
        ((0.951, 0.51, 0.51), 'the rate is missing'),
        ((0.999, 0.51, 0.51), 'one step'),
        ((0.995, 1, 0.51), 'divides that by its own size'),
        ((0.995, 0.995, 0.51), 'decoupled'),
        ((0.995, 0.51, 0.951), 'decoupled'),
        ((0.995, 0.51, 0.0), 'there are five'),
        ((0.995, 0.7, 0.51), 'about as long as the rate'),
    ],
)
def test_wrong_weights(answer, words):
    says(check.nothing_to_learn(*answer), words)


# ---------------------------------------------------------- Normalisation
def windows(x, size, alpha, beta, offset):
    """Sums of neighbouring channels as a product with a band of ones."""
    channels = onp.arange(x.shape[1])
    band = abs(channels[:, None] - channels) <= size // 2
    total = onp.einsum('kc,nchw->nkhw', band.astype(float), x**2)
    return x * (offset + alpha * total) ** -beta


def test_a_right_normalisation_is_right():
    assert check.respond(windows)


@pytest.mark.parametrize(
    ('wrong', 'words'),
    [
        (lambda x, n, a, b, k: windows(x, n, a / n, b, k), 'a mean'),
        (
            lambda x, n, a, b, k: windows(x, 2 * n + 1, a, b, k),
            'half on each side',
        ),
        (
            lambda x, n, a, b, k: windows(
                x.transpose(0, 3, 2, 1), n, a, b, k
            ).transpose(0, 3, 2, 1),
            'not pixels',
        ),
        (lambda x, n, a, b, k: windows(x, 1, a, b, k), 'only the number'),
        (lambda x, n, a, b, k: windows(x, 99, a, b, k), 'all channels'),
        (lambda x, n, a, b, k: windows(x, n, a, -b, k), 'divide'),
        (lambda x, n, a, b, k: windows(x, n, a, 1, k), 'power is missing'),
        (lambda x, n, a, b, k: x, 'size // 2'),
        (lambda x, n, a, b, k: x[0], 'wrong shape'),
    ],
)
def test_wrong_normalisations(wrong, words):
    says(check.respond(wrong), words)


def test_a_list_that_is_taken_for_a_ring_is_recognised():
    def ring(x, size, alpha, beta, offset):
        steps = range(-(size // 2), size // 2 + 1)
        total = sum(onp.roll(x, step, axis=1) ** 2 for step in steps)
        return x / (offset + alpha * total) ** beta

    says(check.respond(ring), 'two ends')


# ------------------------------------------------------------------- Shifts
def by_svd(colors, draws):
    """The same directions without a covariance."""
    centred = colors - colors.mean(axis=0)
    _, lengths, rows = onp.linalg.svd(centred, full_matrices=False)
    return 0.1 * draws * lengths / (len(colors) - 1) ** 0.5 @ rows


def parts(colors):
    return onp.linalg.eigh(onp.cov(colors.T))


def test_right_shifts_are_right():
    assert check.shifts(by_svd)


def spread(power=0.5, factor=0.1, turned=False):
    def function(colors, draws):
        variances, directions = parts(colors)
        rows = directions if turned else directions.T
        return factor * draws * variances**power @ rows

    return function


def by_cholesky(colors, draws):
    return 0.1 * draws @ onp.linalg.cholesky(onp.cov(colors.T)).T


@pytest.mark.parametrize(
    ('wrong', 'words'),
    [
        (spread(power=1), 'without their root'),
        (spread(factor=1), 'sigma is missing'),
        (spread(factor=0.1**0.5), 'not its root'),
        (spread(factor=0.01), 'twice'),
        (spread(power=0), 'variances are missing'),
        (spread(factor=25.5), 'from 0 to 1'),
        (spread(turned=True), 'columns'),
        (by_cholesky, 'Cholesky'),
        (lambda c, d: 0.1 * d * c.std(axis=0, ddof=1), 'belong together'),
        (lambda c, d: by_svd(c, d) + c.mean(axis=0), 'no shift'),
        (lambda c, d: abs(by_svd(c, d)), 'no sum'),
        (lambda c, d: by_svd(c, d)[:2], 'wrong shape'),
    ],
)
def test_wrong_shifts(wrong, words):
    says(check.shifts(wrong), words)
