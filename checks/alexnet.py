"""Checks of the exercises on AlexNet."""

from checks import ROUNDED, Wrong, array, call, check, expect, share, whole

import numpy as onp

# ---------------------------------------------------------- Groups on Paper


@check('three numbers')
def groups(numbers, part, channels):
    """Compare with the products of sizes.

    numbers, channels: whole numbers. part: a share of the products.
    """
    expect(
        whole(numbers, 'the number of numbers'),
        13_920,
        'the convolution has another number of numbers',
        (13_824, 'the biases are missing, one for each output'),
        (13_848, 'there is a bias for each output, not for each of a group'),
        (55_392, 'that is without groups'),
        (55_296, 'that is without groups, and without biases'),
        (
            3_480,
            'each of the 96 outputs reads a quarter of the inputs; the '
            'groups share the outputs, they are not fewer',
        ),
        (3_456, 'the groups share the outputs, they are not fewer'),
        (3_552, 'the groups share the outputs, they are not fewer'),
        got='{:,.0f}',
        hint='outputs times the inputs that each of them reads times 3 · 3, '
        'and a bias for each output',
    )
    expect(
        share(part, (), 'the share'),
        1 / 4,
        'the share of the products is not right',
        (3 / 4, 'that is what is saved'),
        (1 / 16, 'each output reads a quarter; all outputs are computed'),
        (1 / 2, 'there are four groups'),
        (1.0, 'each output reads fewer channels'),
        hint='each weight multiplies once at each place of the map',
        tolerance=ROUNDED,
    )
    expect(
        whole(channels, 'the number of channels'),
        16,
        'an output depends on another number of channels',
        (64, 'what would have to be without groups for that?'),
        (32, 'the four networks do not meet in the second layer either'),
        (24, 'that is how many channels in the middle it reads'),
        (4, 'the second layer reads 24 channels, all of the same group'),
        (1, 'the second layer reads 24 channels, all of the same group'),
        got='{:.0f}',
        hint='which channels in the middle does it read, and what do they '
        'read?',
    )
    return 'Four networks beside one another, which never meet.'


# -------------------------------------------------- From the Paper to Gluon


@check('three factors')
def dropped(at_test, in_training, next_weights):
    """Compare with 1 - p and 1 / (1 - p), p = 0.2."""
    kept, drop = 0.8, 0.2
    for answer, right, name, *mistakes in (
        (
            at_test,
            kept,
            'the factor at test',
            (drop, 'that is the share which is dropped'),
            (1.0, 'then the next layer gets more than it is used to'),
            (1 / kept, 'at test more units are there, so each counts less'),
            (0.5, 'a half is dropped in the paper, but not here'),
        ),
        (
            in_training,
            1 / kept,
            'Gluon’s factor in training',
            (kept, 'the units that are left make up for the others'),
            (1 / drop, 'divide by the share that is kept'),
            (1.0, 'Gluon does nothing at test, so it must do it before'),
            (1 + drop, 'the mean would be 0.8 · 1.2, which is not 1'),
            (2.0, 'a half is dropped in the paper, but not here'),
        ),
        (
            next_weights,
            kept,
            'the factor of the next weights',
            (1 / kept, 'your scores are too large, not too small'),
            (1.0, 'Gluon does nothing at test, the other network does'),
            (drop, 'that is the share which is dropped'),
            (kept**2, 'at test Gluon multiplies by nothing'),
        ),
    ):
        expect(
            array(answer, (), name),
            right,
            f'{name} is not right',
            *mistakes,
            hint='the mean over all ways to drop must not change',
            tolerance=ROUNDED,
        )
    return 'Two networks, one mean.'


# ----------------------------------------------------- Neighbours in the List


def _responded(x, size, alpha, beta, offset, axis=1):
    """The formula, channel by channel."""
    x, y = onp.moveaxis(x, axis, 0), onp.empty_like(onp.moveaxis(x, axis, 0))
    for i in range(len(x)):
        near = x[max(0, i - size // 2) : i + size // 2 + 1]
        y[i] = x[i] / (offset + alpha * (near**2).sum(axis=0)) ** beta
    return onp.moveaxis(y, 0, axis)


@check('a function of maps (N, C, H, W) and four settings')
def respond(function):
    """Compare with the formula, channel by channel.

    function(x, size, alpha, beta, offset): x float64 (N, C, H, W); returns
    the same shape.
    """
    rng = onp.random.default_rng(4)
    for channels, size in ((8, 5), (4, 3), (3, 7), (5, 1)):
        x = 3 * rng.normal(size=(2, channels, 4, 6))
        settings = size, 0.3, 0.75, 2.0
        got = array(
            call(function, x.copy(), *settings),
            x.shape,
            'the normalised map',
        )
        plain = x / (2 + 0.3 * x**2) ** 0.75
        total = (x**2).sum(axis=1, keepdims=True)
        expect(
            got,
            _responded(x, *settings),
            f'a wrong number at {{}}, {{}}, {{}}, {{}}, of {channels} '
            f'channels, with size {size}',
            (
                _responded(x, size, 0.3 / size, 0.75, 2.0),
                'that is MXNet’s operator: a mean of the squares',
            ),
            (
                _responded(x, 2 * size + 1, *settings[1:]),
                'the size is of all neighbours together, half on each side',
            ),
            (
                _responded(x, size, 0.3, 0.75, 2.0, axis=3),
                'the neighbours are channels, the second axis, not pixels',
            ),
            (
                _responded(x, size, 0.3, 0.75, 2.0, axis=2),
                'the neighbours are channels, the second axis, not pixels',
            ),
            (plain, 'only the number itself is in the sum'),
            (x / (2 + 0.3 * total) ** 0.75, 'that is a sum over all channels'),
            (
                _responded(x, size, 0.3, -0.75, 2.0),
                'divide by the power, do not multiply',
            ),
            (_responded(x, size, 0.3, 1.0, 2.0), 'the power is missing'),
            (_around(x, size, 0.3), 'the list of channels has two ends'),
            hint='for each channel: the squares from size // 2 before it to '
            'size // 2 behind it, as far as they exist',
        )
    return 'Strong channels hold their neighbours down.'


def _around(x, size, alpha):
    """As if the last channel stood beside the first one."""
    reach = range(-(size // 2), size // 2 + 1)
    total = sum(onp.roll(x**2, step, axis=1) for step in reach)
    return x / (2 + alpha * total) ** 0.75


# ---------------------------------------------------- Shifts Like the Photos


@check('a function of colours (N, 3) and draws (M, 3)')
def shifts(function):
    """Look at what single draws do: lengths, right angles, covariance.

    function(colors, draws): colours from 0 to 1; returns shifts (M, 3).
    """
    rng = onp.random.default_rng(8)
    mixed = rng.normal(size=(3, 3)) * (0.02, 0.06, 0.2)
    colors = 0.5 + rng.normal(size=(2000, 3)) @ mixed.T
    colors = colors.clip(0, 1)
    draws = onp.concatenate([onp.eye(3), onp.zeros((1, 3)), [[1.0, -2, 3]]])
    got = array(
        call(function, colors.copy(), draws.copy()), (5, 3), 'the shifts'
    )
    covariance = onp.cov(colors.T)
    variances, directions = onp.linalg.eigh(covariance)
    own = got[:3]  # what each number alone does
    if abs(got[3]).max() > 1e-9:
        raise Wrong(
            'three zeros do not mean «no shift»',
            got=got[3].round(4).tolist(),
            hint='a shift is added later; the mean colour is no part of it',
        )
    if abs(got[4] - draws[4] @ own).max() > 1e-9:
        raise Wrong(
            'the shifts are no sum of three directions',
            hint='each number times its root times its direction, added up',
        )
    roots = onp.sqrt(variances)
    hint = 'the variances are the eigenvalues of numpy.cov(colors.T)'
    for other, words in (
        (variances, 'the variances stand there without their root'),
        (roots / 0.1, 'sigma is missing'),
        (roots / 0.1**0.5, 'sigma is 0.1, not its root'),
        (roots * 0.1, 'sigma is there twice'),
        (onp.ones(3), 'the variances are missing'),
        (roots * 255, 'colours are from 0 to 1 here'),
    ):
        if _alike(own @ own.T, onp.diag((0.1 * other) ** 2)):
            hint = words
    if not _alike(own.T @ own, 0.01 * covariance):
        lengths = onp.sort((own**2).sum(axis=1))
        if onp.allclose(lengths, 0.01 * variances, rtol=1e-3):
            hint = 'the lengths are right, the directions are not: eigh '
            hint += 'returns them as columns'
        elif _alike(own, onp.diag(0.1 * colors.std(axis=0, ddof=1))):
            hint = 'each channel is shifted for itself; they belong together'
        raise Wrong(
            'the covariance of the shifts is not that of the colours',
            expected=(0.01 * covariance).round(5).tolist(),
            got=(own.T @ own).round(5).tolist(),
            hint=hint,
        )
    angles = own @ own.T
    if not _alike(angles, onp.diag(onp.diag(angles))):
        raise Wrong(
            'the covariance is right, but a number does not move the colour '
            'along one of the three directions',
            hint='another root of the covariance, such as Cholesky’s; here '
            'the directions are the eigenvectors',
        )
    return 'Shifts as the photos are, only smaller.'


def _alike(one, other):
    """Whether matrices are equal, up to a thousandth of the largest."""
    return abs(one - other).max() <= 1e-3 * abs(other).max()


# -------------------------------------------------------- Nothing to Learn


def _adam(wd, decoupled=False):
    w, (m, v) = 1.0, (0.0, 0.0)
    for t in range(1, 6):
        w -= 0.1 * wd * w * decoupled
        g = (not decoupled) * wd * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        scale = (v / (1 - 0.999**t)) ** 0.5 or 1.0
        w -= 0.1 * m / (1 - 0.9**t) / scale
    return w


@check('three weights')
def nothing_to_learn(by_sgd, by_adam, by_adam_ten_times):
    """Compare with the rules, step by step.

    by_sgd: four digits; by_adam, by_adam_ten_times: two digits.
    """
    expect(
        array(by_sgd, (), 'the weight by SGD'),
        0.999**5,
        'with SGD something else is left',
        (1.0, 'the gradient is 0, but wd goes into it'),
        (0.99**5, 'the rate is missing'),
        (0.999, 'that is one step'),
        (1 - 0.1**5, 'each step takes the same share of what is left'),
        hint='each step multiplies by 1 - rate * wd',
        tolerance=6e-5,
    )
    for answer, wd, name in (
        (by_adam, 0.01, 'with Adam'),
        (by_adam_ten_times, 0.1, 'with Adam and ten times the decay'),
    ):
        expect(
            array(answer, (), f'the weight {name}'),
            _adam(wd),
            f'{name} something else is left',
            (
                1.0,
                _adam(wd, decoupled=True),
                'the decay is not decoupled here: wd goes into the gradient, '
                'and Adam divides that by its own size',
            ),
            (0.0, 'a step is about as long as the rate; there are five'),
            (0.9, 'that is one step'),
            hint='each step is about as long as the rate, whatever wd is',
            tolerance=0.011,
        )
    return 'Ten times the decay is the same decay.'
