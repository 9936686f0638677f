"""Checks of the exercises of the chapter on many devices and machines.

Each takes the answer that its docstring describes and returns a `Verdict`.
"""

from functools import lru_cache

import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    recognise,
    same,
    twice,
    words,
)

import numpy as onp

# -------------------------------------------------- One Batch, Four Devices


@check('two whole numbers and two learning rates')
def batch(batch, steps, rate, colleagues_rate):
    """Check the batch of four devices, its steps, and its learning rate.

    batch: photos. steps: of an epoch of 1,464 photos. rate: by the linear
    rule. colleagues_rate: where the gradients are added and not averaged.
    """
    machines, devices, each, photos, old = 2, 2, 8, 1464, 0.01
    right = machines * devices * each
    expect(
        array(batch, (), 'the batch'),
        right,
        'a step uses another number of photos',
        (each, 'this is what one device gets; a step uses what all get'),
        (2 * each, 'two machines with two devices each are four devices'),
        got='{:g}',
        hint='machines × devices × photos of a device',
    )
    expect(
        array(steps, (), 'the number of steps'),
        photos // right,
        'an epoch has another number of steps',
        (
            photos // right + 1,
            photos / right,
            'a last batch that is not full is left out: round down',
        ),
        (photos / each, 'this is the number of steps with one device'),
        (
            photos // (2 * each),
            'a step now uses the photos of four devices, not of two',
        ),
        got='{:g}',
        hint='how many full batches are in 1,464 photos?',
    )
    fits = right / each
    expect(
        array(rate, (), 'the learning rate'),
        old * fits,
        'the rule gives another learning rate',
        (old, 'the batch has grown, so by the rule the rate grows as well'),
        (
            old * fits**0.5,
            'the square root is how the noise falls; the rule of the chapter '
            'makes the rate as many times larger as the batch',
        ),
        (old / fits, 'a larger batch has a larger rate, not a smaller one'),
        (
            old * right,
            'what counts is how many times larger the batch is than before, '
            'when it had 8 photos',
        ),
        (old * 2, 'the batch is four times as large as before'),
        got='{:.4g}',
        hint='how many times as large is the batch? The rate as well',
    )
    expect(
        array(colleagues_rate, (), 'the colleague’s rate'),
        old,
        'with this rate the colleague’s steps are not as long as yours',
        (
            old * fits,
            'the colleague’s gradient is four times as large as yours, so '
            'its steps are four times as long with the same rate',
        ),
        (
            old * fits**2,
            'a larger gradient needs a smaller rate for the same step',
        ),
        (
            old / fits,
            'this makes the step four times too short. Compare with your '
            'rate by the rule, not with the old one',
        ),
        got='{:.4g}',
        hint='a step is the rate times the gradient. Yours is the rate of '
        'the rule times the mean; the colleague’s gradient is four means',
    )
    return (
        'A learning rate alone says little: ask how large the batch was, and '
        'what its gradient was divided by.'
    )


# ----------------------------------------------------------- Mean of Means


@check('three numbers, and a pair of factors')
def means(mean_of_means, mean_of_pixels, weight, factors):
    """Check the mean loss of two workers with 900 and 100 pixels.

    mean_of_means, mean_of_pixels: losses. weight: how much more a pixel of
    B counts. factors: that make the mean of means right. All pixels are
    written out.
    """
    losses = [onp.full(900, 0.5), onp.full(100, 2.0)]
    own = [part.mean() for part in losses]
    all_ = onp.concatenate(losses).mean()
    expect(
        array(mean_of_means, (), 'the mean of means'),
        onp.mean(own),
        'the mean of the two means is another one',
        (all_, 'this is the mean over all pixels; it comes second'),
        (sum(own), 'divide by the number of workers'),
        hint='add up the two means and halve the sum',
        tolerance=ROUNDED,
    )
    expect(
        array(mean_of_pixels, (), 'the mean of pixels'),
        all_,
        'the mean over all pixels is another one',
        (onp.mean(own), 'the workers have different numbers of pixels'),
        (
            all_ * 1000,
            all_ / 2 * 1000,
            'this is a sum; divide it by the number of pixels that count',
        ),
        (
            all_ / 2,
            'the sum of all losses is divided once, by the number of pixels; '
            'not by the number of workers as well',
        ),
        (
            (0.5 * 100 + 2 * 900) / 1000,
            'exchanged: A has 900 pixels with 0.5, B 100 with 2',
        ),
        hint='the sum of the losses of A is 900 · 0.5',
        tolerance=ROUNDED,
    )
    pixels = [len(part) for part in losses]
    expect(
        array(weight, (), 'the weight'),
        pixels[0] / pixels[1],
        'a pixel of B has another weight',
        (
            pixels[1] / pixels[0],
            'this is the weight of a pixel of A where one of B has 1',
        ),
        (4, 'this compares the losses; asked is how much a pixel counts'),
        (1, 'this would be so in the mean over all pixels'),
        (10, 'compare with the pixels of A, not with all'),
        got='{:.4g}',
        hint='each worker has one half of the mean: how many pixels share it?',
        tolerance=ROUNDED,
    )
    right = onp.array(pixels) * 2 / 1000
    expect(
        array(factors, (2,), 'the factors'),
        right,
        'with these factors the mean of means is not the mean of pixels',
        (right[::-1], 'that of A comes first'),
        (
            right / 2,
            'the mean of the two products is taken, which halves their sum',
        ),
        (
            1 / right,
            'a worker with more pixels needs a larger factor, not a smaller '
            'one',
        ),
        (
            onp.array(pixels),
            'then the products are sums of losses; the factors must also '
            'divide by the number of all pixels',
        ),
        expected='two numbers, for A and for B, that would be right with any '
        'losses',
        hint='the share of the pixels that a worker has, compared with its '
        'equal share, one half',
        tolerance=ROUNDED,
    )
    return (
        'How photos are dealt out to workers must not change a step. Add up '
        'sums, and divide once.'
    )


# ------------------------------------------- What Batch Normalisation Sees


@check('four numbers, four numbers, and a number')
def normalised(on_one, on_two, missing):
    """Check what batch normalisation makes of 1, 3, 5 and 11.

    on_one, on_two: the four numbers, normalised on one device or in pairs
    on two. missing: of the variance, on average.
    """
    photos = onp.array([1.0, 3, 5, 11])
    pairs = photos.reshape(2, 2)
    middle = photos - photos.mean()
    right_two = (pairs - pairs.mean(axis=1, keepdims=True)) / pairs.std(
        axis=1, keepdims=True
    )
    for name, answer, right, wrong in (
        (
            'on one device',
            on_one,
            middle / photos.std(),
            (
                (middle, 'subtracted, but not divided yet'),
                (
                    middle / photos.var(),
                    'divide by the square root of the variance',
                ),
                (photos / photos.std(), 'subtract the mean first'),
                (
                    middle / photos.std(ddof=1),
                    'the variance is the mean of all four squared distances: '
                    'divide by 4, not by 3',
                ),
                (right_two.ravel(), 'this is what two devices make of them'),
            ),
        ),
        (
            'on two devices',
            on_two,
            right_two.ravel(),
            (
                (
                    middle / photos.std(),
                    'each device knows its own two photos only: they have '
                    'another mean and another variance',
                ),
                (
                    (pairs - pairs.mean(axis=1, keepdims=True)).ravel(),
                    'subtracted, but not divided yet',
                ),
                (
                    (
                        (pairs - pairs.mean(axis=1, keepdims=True))
                        / pairs.var(axis=1, keepdims=True)
                    ).ravel(),
                    'divide by the square root of the variance',
                ),
                (
                    (right_two / 2**0.5).ravel(),
                    'the variance is the mean of both squared distances: '
                    'divide by 2, not by 1',
                ),
                (
                    -right_two.ravel(),
                    'the sign: what is below the mean becomes negative',
                ),
                (
                    (
                        (pairs - pairs.mean(axis=1, keepdims=True))
                        / photos.std()
                    ).ravel(),
                    'each device also has its own variance',
                ),
            ),
        ),
    ):
        got = array(answer, None, f'the numbers {name}')
        got = got.ravel() if got.size == 4 else got
        expect(
            array(got, (4,), f'the numbers {name}'),
            right,
            f'{name}: number {{}} of 0 to 3 is normalised to something else',
            *wrong,
            hint='subtract the mean, divide by the square root of the variance'
            ', which is the mean of the squared distances from the mean',
            tolerance=ROUNDED,
        )
    total, inside = photos.var(), pairs.var(axis=1)
    expect(
        array(missing, (), 'what is missing'),
        total - inside.mean(),
        'another part of the variance is missing',
        (total - inside.sum(), 'take the mean of the two variances'),
        (inside.mean(), 'this is what the devices see; asked is the rest'),
        (inside.mean() - total, 'asked is by how much it is smaller'),
        (
            1 - inside.mean() / total,
            'asked is a difference of variances, not a share',
        ),
        (
            photos.std() - pairs.std(axis=1).mean(),
            'compare the variances, not their square roots',
        ),
        got='{:.4g}',
        hint='the variance of all four, minus the mean of those of the pairs',
        tolerance=ROUNDED,
    )
    return (
        'What lies between the devices no device can see. So batch '
        'normalisation is the layer that a split batch changes.'
    )


# -------------------------------------------------- The Same Step, in Parts


@check(
    'a function of weights (d,) and a list of triples (x, y, counts) that '
    'returns a gradient (d,)'
)
def gradient(gradient):
    """Check a gradient that is computed part by part.

    gradient(w, parts): of the mean of (x @ w - y)² over the examples that
    count in all parts. Compared with a loop over all examples.
    """
    rng, cases = onp.random.default_rng(8), []
    for sizes, void in (
        ((4, 4, 4), 0),
        ((6,), 0),
        ((5, 5), 0.5),
        ((1, 7, 2, 4), 0.4),
        ((3, 3), 1),
    ):
        w, parts = rng.normal(size=3), []
        for number in sizes:
            x = rng.normal(size=(number, 3))
            counts = rng.uniform(size=number) >= void
            if 0 < void < 1 and number > 1:
                counts[:2] = not parts, False  # unlike numbers that count
            y = onp.where(counts, rng.normal(size=number), 255.0)
            parts.append((x, y, counts))
        if len(sizes) == 4:
            parts[1][2][:] = False  # nothing counts in this part
            parts[1][1][:] = 255
        cases.append((w, parts))
        _judge_parts(gradient, w, parts)
    _judge_memory(gradient, *cases[0])
    return (
        'However the batch is cut, it is the same step, in the memory of the '
        'largest part.'
    )


class _OneByOne(list):
    """Parts whose arrays are emptied when the next one is asked for."""

    def __iter__(self):
        for number in range(len(self)):
            lent = tuple(column.copy() for column in self[number])
            yield lent
            for column in lent:
                column[...] = 0


def _judge_memory(gradient, w, parts):
    """Raise Wrong if a part is still needed when the next one is there."""
    right = call(gradient, w, parts)
    got = array(call(gradient, w, _OneByOne(parts)), (3,), 'the gradient')
    if not same(got, array(right), 1e-6):
        raise Wrong(
            'the parts are put together, or needed again later',
            hint='when the next part comes, the memory of the one before is '
            'used again: take its gradient and its number while you have it',
        )


def _pull(w, x, y):
    """Gradient of the squared error of one example."""
    return 2 * (sum(x * w) - y) * x


def _judge_parts(gradient, w, parts):
    got = array(call(gradient, w, parts), (3,), 'the gradient')
    each = [
        [_pull(w, x[i], y[i]) for i in range(len(y)) if counts[i]]
        for x, y, counts in parts
    ]
    every = [
        [_pull(w, x[i], y[i]) for i in range(len(y))] for x, y, _ in parts
    ]
    number = sum(map(len, each))
    sums = onp.array([onp.sum([onp.zeros(3), *part], axis=0) for part in each])
    size = sum(len(y) for _, y, _ in parts)
    void = size - number
    right = sums.sum(axis=0) / max(number, 1)
    if same(got, right, 1e-6):
        return
    own = [
        part / max(len(has), 1) for part, has in zip(sums, each, strict=True)
    ]
    with_void = onp.array([onp.sum(part, axis=0) for part in every])
    hint = recognise(
        got,
        (
            onp.mean(own, axis=0),
            'this is the mean of the means of the parts: an example in a '
            'part with much void counts more. Divide once, at the end',
        ),
        (
            onp.sum(own, axis=0),
            'each part has its own mean, and these are added up. Add up '
            'sums, and divide once, at the end',
        ),
        (
            right * number / size,
            'void examples still count in the number by which you divide',
        ),
        (
            sums.sum(axis=0),
            'this is the gradient of the sum; divide it once, by how many '
            'examples count',
        ),
        (
            sums[-1] / max(number, 1),
            own[-1],
            sums[-1],
            'only the last part is left: add to what was there before',
        ),
        (sums[0] / max(number, 1), own[0], 'only the first part is there'),
        (
            with_void.sum(axis=0) / size,
            with_void.sum(axis=0) / max(number, 1),
            'void examples pull at the weights: leave out where counts is '
            'False',
        ),
        (right / 2, 'the 2 of the derivative is missing'),
        (-right, 'the sign: prediction minus y'),
        (
            right * max(number, 1) / len(parts),
            'divide by the number of examples that count, not of parts',
        ),
        tolerance=1e-6,
    )
    raise Wrong(
        f'wrong for {len(parts)} part{"s" * (len(parts) > 1)} with {void} '
        f'void examples of {size}',
        expected=right.round(4).tolist(),
        got=got.round(4).tolist(),
        hint=hint
        or 'add up two things over the parts: the gradients of the examples '
        'that count, and how many there are',
    )


# ------------------------------------------ A Larger Batch, a Larger Rate

SIZES, FIRST_RATE, LOW = (1, 4, 16, 64, 256), 0.004, 0.01


@lru_cache(maxsize=64)
def _error_after(size, rate):
    """Train as the exercise does; return the error."""
    rng = onp.random.default_rng(0)
    true = rng.normal(size=10)
    x = rng.normal(size=(8192, 10))
    y = x @ true + rng.normal(size=8192)
    w = onp.zeros(10)
    with onp.errstate(all='ignore'):
        for start in range(0, 8192, size):
            its, wanted = x[start : start + size], y[start : start + size]
            w = w - 2 * rate * its.T @ (its @ w - wanted) / size
        return ((w - true) ** 2).mean()


@check('five errors, a learning rate and a text')
def rule(with_rule, rate_of_256, answer):
    """Check the errors of five trainings, and a rate for a large batch.

    with_rule: for batches of 1, 4, 16, 64, 256, the rate grows with the
    batch. rate_of_256: one with which the error is below 0.01. answer: a
    text, of which only the length is checked.
    """
    got = array(with_rule, (5,), 'the list of errors')
    right = onp.array([_error_after(n, FIRST_RATE * n) for n in SIZES])
    fixed = onp.array([_error_after(n, FIRST_RATE) for n in SIZES])
    roots = onp.array([_error_after(n, FIRST_RATE * n**0.5) for n in SIZES])
    near = ROUNDED + 2e-3 * right
    if (abs(got - right) > near).any():
        place = int((abs(got - right) > near).argmax())
        raise Wrong(
            f'batches of {SIZES[place]}: the error is another one',
            expected=f'what error_after({SIZES[place]}, rate) returns',
            got=f'{got[place]:.5g}',
            hint=recognise(
                got,
                (fixed, 'the rate stayed the same: let it grow as the batch'),
                (roots, 'the rate grew with the square root of the batch'),
                (right[::-1], 'the smallest batch comes first'),
                tolerance=near,
            )
            or 'the rate is 0.004 times the batch size',
        )
    rate = float(array(rate_of_256, (), 'the rate'))
    if not 0 < rate < 1e6:
        raise Wrong('a learning rate is a positive number', got=f'{rate:g}')
    error = _error_after(SIZES[-1], rate)
    if not error < LOW:
        steps = 8192 // SIZES[-1]
        raise Wrong(
            f'with the rate {rate:g}, batches of 256 do not learn well',
            expected=f'an error below {LOW}',
            got=f'{error:.3g}',
            hint='each step leads further away: the rate is too large'
            if rate > 0.5
            else f'{steps} steps are too few for such a small rate',
        )
    words(answer)
    return (
        'The numbers are right, but no program can judge your reasons: '
        'compare them with the solution’s.'
    )


# ---------------------------------------------------------- Hidden or Not?


def _speed(machines, gradients, gigabits, bits=8, hidden=True):
    sending = gradients * 120e6 * bits / (gigabits * 1e9)
    back = max(0.2, sending) if hidden else 0.2 + sending
    return machines * 0.3 / (0.1 + back)


@check('three numbers, how many times as fast, and a number of machines')
def speed(ring_10, ring_1, server_10, most):
    """Check the speed-up of four machines, and where full gain ends.

    ring_10, ring_1, server_10: times as fast as one machine. most: machines
    with full gain. A step is t/3 + max(2t/3, c).
    """
    ring = 2 * (4 - 1) / 4
    for name, answer, gradients, gigabits in (
        ('the ring with 10 Gbit/s', ring_10, ring, 10),
        ('the ring with 1 Gbit/s', ring_1, ring, 1),
        ('the server with 10 Gbit/s', server_10, 4, 10),
    ):
        right = _speed(4, gradients, gigabits)
        sending = gradients * 0.96 / gigabits
        expect(
            array(answer, (), f'the answer for {name}'),
            right,
            f'{name} is another number of times as fast',
            (
                _speed(4, gradients, gigabits, hidden=False),
                'sending hides behind the backward pass: only the longer of '
                'the two counts, by the formula with the maximum',
            ),
            (
                _speed(4, gradients, gigabits, bits=1),
                'a byte has 8 bits, and cables are measured in bits',
            ),
            (
                1.2 / max(0.3, sending),
                'sending cannot begin in the forward pass: there are no '
                'gradients yet. Only the backward pass hides it',
            ),
            (
                1.2 / sending,
                'this is sending alone; the forward pass comes first',
            ),
            (
                right / 4,
                'a step of four machines does the work of four steps of one',
            ),
            (
                _speed(4, gradients / 2, gigabits),
                'a ring goes round twice: first for the sums of the pieces, '
                'then to hand them on'
                if gradients < 4
                else 'each of the four machines sends its whole gradient to '
                'the server',
            ),
            (
                _speed(4, 1, gigabits),
                'how many gradients arrive at one place, in a step?',
            ),
            (
                _speed(4, 4 if gradients < 4 else ring, gigabits),
                'ring and server are exchanged here',
            ),
            (
                4,
                'is the time of sending shorter than the backward pass, 0.2 '
                'seconds? Here it is not',
            ),
            hint='how long does sending take, in seconds? Put it into the '
            'formula as c',
            tolerance=ROUNDED,
        )
    counts = [m for m in range(1, 100) if _speed(m, m, 10) > m * 0.9999]
    expect(
        array(most, (), 'the number of machines'),
        max(counts),
        'full gain ends at another number of machines',
        (0.2 / 0.096, 'there are no parts of machines'),
        (
            3,
            'is sending as short as the backward pass, with this number? '
            'Compare with one machine fewer, too',
        ),
        (16, 'a byte has 8 bits, and cables are measured in bits'),
        got='{:g}',
        hint='the server receives m gradients of 0.096 seconds each; how many '
        'fit into the backward pass?',
    )
    return (
        'Three numbers decide: how long the backward pass takes, how large '
        'the gradient is, and how fast the slowest cable.'
    )


# ------------------------------------------------------------- Sixteen Bits

GRADIENTS = onp.array([2.0, 3e-3, 6e-5, 4e-8, 1e-8])


def _in_16(numbers):
    with onp.errstate(over='ignore'):
        return onp.asarray(numbers, dtype='float64').astype('float16')


@check('a number of gradients, two scales and a weight')
def half_precision(zeros, smallest_scale, largest_scale, weight_after):
    """Check what float16 makes of five gradients and of a small step.

    zeros: how many become 0. smallest_scale, largest_scale: powers of two
    with which none becomes 0, none infinite. weight_after: 1 + 0.0004.
    """
    lost = int((_in_16(GRADIENTS) == 0).sum())
    expect(
        array(zeros, (), 'the number of zeros'),
        lost,
        'another number of gradients becomes 0',
        (
            2,
            '4e-8 lies between 0 and the smallest number, 6e-8: which of '
            'them is nearer?',
        ),
        (
            3,
            'float16 has numbers below 0.00006, with fewer digits: down to '
            '2 to the power of -24, which is 6e-8',
        ),
        (0, 'is 1e-8 nearer to 0, or to 6e-8?'),
        got='{:g}',
        hint='what is below half of the smallest number becomes 0',
    )
    scales = [2**n for n in range(40)]
    saved = [s for s in scales if (_in_16(s * GRADIENTS) != 0).all()]
    finite = [s for s in scales if onp.isfinite(_in_16(s * GRADIENTS)).all()]
    for name, answer, right, wrong in (
        (
            'smallest',
            smallest_scale,
            saved[0],
            (
                (
                    saved[0] * 2,
                    'this one saves all, but half of it does, too: a number '
                    'needs only be nearer to the smallest one than to 0',
                ),
                (saved[0] / 2, 'twice 1e-8 is still nearer to 0'),
                (
                    3,
                    6,
                    5.96,
                    'asked is a power of two: 1, 2, 4, 8 and so on',
                ),
            ),
        ),
        (
            'largest',
            largest_scale,
            finite[-1],
            (
                (
                    finite[-1] * 2,
                    'with this one, 2 becomes 65536: too large',
                ),
                (finite[-1] / 2, 'twice as much still fits'),
                (
                    14,
                    15,
                    13,
                    'this is the exponent; asked is the power itself',
                ),
                (
                    32752,
                    65504,
                    65504 / 2,
                    'asked is a power of two: 1, 2, 4, 8 and so on',
                ),
            ),
        ),
    ):
        expect(
            array(answer, (), f'the {name} scale'),
            right,
            f'this is not the {name} scale',
            *wrong,
            got='{:g}',
            hint='multiply the smallest gradient by 1, 2, 4, …: when is it '
            'no longer 0?'
            if name == 'smallest'
            else 'multiply the largest gradient by 1, 2, 4, …: when is it no '
            'longer below 65,520?',
        )
    after = float(_in_16(1 + 0.0004))
    expect(
        array(weight_after, (), 'the weight'),
        after,
        'in float16 the weight is another one',
        (
            1.0004,
            'there is no such number in float16: between 1 and 1.001 there '
            'is none',
        ),
        (
            1 + 2**-10,
            1.001,
            'which is nearer to 1.0004: this number or the one below it?',
        ),
        (0, 0.0004, 'asked is the weight, not the step'),
        got='{:.6g}',
        hint='which numbers has float16 near 1? Take the nearest',
        tolerance=1e-6,
    )
    return (
        'A scale moves all gradients into the range that float16 has. For '
        'weights, which need more digits, it is of no help.'
    )


# ---------------------------------------------------------- Who Reads What?


@check(
    'a function of a number of photos, a batch size, a pair (rank, count), a '
    'seed and an epoch that returns a list of lists'
)
def shares(shares):
    """Check which photos each worker reads.

    shares(number, batch_size, part, seed, epoch): a list of whole numbers
    for each step. The shares of all workers are put together and compared
    with those of one worker.
    """
    _own_generator(shares)
    for number, size, counts in (
        (11, 4, (1, 2, 4)),
        (24, 6, (1, 2, 3)),
        (41, 8, (1, 4)),
    ):
        alone = _steps(shares, number, size, (0, 1), 0)
        for count in counts:
            for epoch in (0, 1):
                _judge_workers(shares, number, size, count, epoch)
        later = [_steps(shares, number, size, (0, 1), e) for e in (1, 2, 3)]
        _judge_epochs(number, size, alone, later)
    return (
        'No message was sent, and all shares fit. That is what a seed is '
        'good for.'
    )


def _steps(function, number, size, part, epoch, seed=3):
    result = call(function, number, size, part, seed, epoch)
    who = f'worker {part[0]} of {part[1]}'
    shape = number // size, size // part[1]
    got = array(result, None, f'the lists of {who}')
    if got.shape != shape:
        hint = f'{number} photos make {shape[0]} full batches of {size}'
        if got.shape == (shape[0], size) and part[1] > 1:
            hint = 'this is the whole batch; a worker reads its share'
        elif got.shape == (number // (size * part[1]), size):
            hint = 'the batch size is that of all workers together'
        raise Wrong(
            f'{who} reads another number of photos',
            expected=f'{shape[0]} lists (steps) of {shape[1]} photos',
            got=f'the shape {got.shape}',
            hint=hint,
        )
    if ((got != onp.rint(got)) | (got < 0) | (got >= number)).any():
        raise Wrong(
            f'{who}: a list holds something that is no photo',
            expected=f'whole numbers from 0 to {number - 1}',
            got=f'numbers from {got.min():g} to {got.max():g}',
        )
    return got.astype(int)


def _judge_workers(function, number, size, count, epoch):
    own = [
        _steps(function, number, size, (rank, count), epoch)
        for rank in range(count)
    ]
    for step, batch in enumerate(zip(*own, strict=True)):
        photos = onp.concatenate(batch)
        if len(set(photos.tolist())) < size:
            raise Wrong(
                f'in step {step}, {count} workers of a batch of {size} read '
                'a photo twice',
                got=[share.tolist() for share in batch],
                hint='all must shuffle alike, with the same seed, and then '
                'take different photos of the batch'
                if count > 1
                else 'shuffle all photos, and cut the row into batches',
            )
    every = onp.concatenate(own, axis=1)
    if len(onp.unique(every)) < every.size:
        raise Wrong(
            'a photo is read twice in an epoch',
            hint='all must shuffle alike, with the same seed, once an epoch'
            if count > 1
            else 'shuffle once an epoch, and cut the row into batches',
        )
    alone = _steps(function, number, size, (0, 1), epoch)
    if (onp.sort(every, axis=1) != onp.sort(alone, axis=1)).any():
        step = int(
            (onp.sort(every, axis=1) != onp.sort(alone, axis=1))
            .any(axis=1)
            .argmax()
        )
        raise Wrong(
            f'in step {step}, {count} workers together read another batch '
            'than one worker alone',
            expected=sorted(alone[step].tolist()),
            got=sorted(every[step].tolist()),
            hint='does each worker have a piece of the data set, or its own '
            'order? Make the batches first, all alike; then share out each '
            'of them',
        )


def _judge_epochs(number, size, first, later):
    if all((first == other).all() for other in later):
        raise Wrong(
            'every epoch has the same order',
            hint='make the generator from seed and epoch',
        )
    if (first.ravel() == onp.arange(first.size)).all():
        raise Wrong('the photos are not shuffled')
    left_out = [
        set(range(number)) - set(steps.ravel().tolist())
        for steps in (first, *later)
    ]
    if number % size and all(one == left_out[0] for one in left_out):
        raise Wrong(
            'the same photos are left out in every epoch',
            got=sorted(left_out[0]),
            hint='shuffle all photos first, then leave out the last ones',
        )


def _own_generator(function):
    """Same arguments, same lists; nobody else's numbers are touched."""

    def run(rank=0, epoch=2, seed=3):
        return _steps(function, 40, 8, (rank, 2), epoch, seed)

    def after_others():
        run(rank=1, epoch=0)
        return run()

    first, again = twice(after_others)
    if (first != again).any() or (first != run()).any():
        raise Wrong(
            'the same arguments gave two different results',
            hint='whatever was called before must not matter: make a new '
            'generator, from seed and epoch, in each call',
        )
    others = [run(seed=seed) for seed in (4, 5, 6)]
    if all((other == first).all() for other in others):
        raise Wrong(
            'all seeds gave the same order', hint='is the seed used at all?'
        )
