"""Checks of the exercises on conditional random fields."""

import itertools

import segbook
from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    same,
    share,
    whole,
    words,
)

import numpy as onp

# ------------------------------------------------- Four sequences by hand


@check('the partition function and two marginals, numbers')
def by_hand(partition, marginal, without_pairs):
    """Compare with all four sequences.

    partition: Z. marginal: P(first label is 1). without_pairs: the same,
    if no pair costs anything.
    """
    powers = {(0, 0): 1 / 3, (0, 1): 1 / 2, (1, 0): 1 / 12, (1, 1): 1 / 2}
    total = sum(powers.values())
    expect(
        array(partition, (), 'the partition function'),
        total,
        'the partition function is not right',
        (1 / total, 'that is 1 / Z'),
        (onp.log(total), 'that is its logarithm'),
        (
            1 / 3 + 1 / 2 + 1 / 12 + 2 / 2,
            'at 11 the first place costs log 2 as well: a factor of 1/2',
        ),
        (2.0, 'so it would be without pairs: 3/2 times 4/3'),
        (
            1 / 6 + 1 + 1 / 6 + 1 / 4,
            'different labels cost something, equal ones do not',
        ),
        hint='the sequences 00, 01, 10 and 11; for each of them e to the '
        'minus its three energies, which is a product of fractions; add up',
        tolerance=ROUNDED,
    )
    expect(
        share(marginal, (), 'the marginal'),
        (powers[1, 0] + powers[1, 1]) / total,
        'the marginal of the first place is not right',
        ((powers[0, 1] + powers[1, 1]) / total, 'that is the second place'),
        (
            (powers[0, 0] + powers[0, 1]) / total,
            'that is the probability of label 0',
        ),
        (powers[1, 1] / total, 'that is the sequence 11 alone'),
        (powers[1, 0] + powers[1, 1], 'divide by Z'),
        hint='add up the two sequences that begin with 1, and divide by Z',
        tolerance=ROUNDED,
    )
    expect(
        share(without_pairs, (), 'the marginal without pairs'),
        1 / 3,
        'the marginal without pairs is not right',
        (3 / 4, 'that is the second place'),
        (2 / 3, 'that is the probability of label 0'),
        (1 / 2, 'that is e to the minus log 2; divide by the sum of both'),
        hint='without pairs the first place is alone: 1 and 1/2, divided by '
        'their sum',
        tolerance=ROUNDED,
    )
    return 'The second place, which prefers label 1, pulls the first along.'


# ------------------------------------------------------ Same or different?


@check('a function of labels (N,), unary (C, N) and kernel (N, N)')
def energy(function):
    """Compare with a loop over pairs.

    function(labels, unary, kernel): NumPy arrays; labels int64 (N,), unary
    float64 (C, N), kernel float64 (N, N), symmetric, with a diagonal.
    Returns one number.
    """
    rng = onp.random.default_rng(5)
    for number, classes in ((7, 3), (12, 4), (2, 2), (1, 2)):
        labels = rng.integers(classes, size=number)
        labels[:2] = onp.arange(2)[:number]
        unary = rng.normal(size=(classes, number))
        kernel = rng.uniform(size=(number, number))
        kernel += kernel.T
        given = labels.copy(), unary.copy(), kernel.copy()
        got = array(call(function, *given), (), 'the energy')
        own = sum(unary[label, i] for i, label in enumerate(labels))
        costs = {True: 0, False: 0}
        for i, j in itertools.combinations(range(number), 2):
            costs[labels[i] == labels[j]] += kernel[i, j]
        equal, different = costs[True], costs[False]
        itself = kernel.trace()
        expect(
            got,
            own + different,
            f'a wrong energy for {number} pixels',
            (own + equal, 'equal labels are punished; different ones cost'),
            (
                own + 2 * equal + itself,
                'that is the colleague’s: equal labels are punished',
            ),
            (own + equal + itself, 'equal labels are punished, not others'),
            (
                own + 2 * different,
                'each pair is counted twice, as i, j and as j, i',
            ),
            (own + different + itself, 'the diagonal is no pair'),
            (own - different, 'the sign: different labels cost something'),
            (own - equal, 'no reward for equal labels: that is another zero'),
            (different, 'the unary energies are missing'),
            (own, 'the pairs are missing'),
            expected='{:.4f}',
            hint='for two pixels it is unary[labels[0], 0] + '
            'unary[labels[1], 1], and kernel[0, 1] if the labels differ',
        )
    return 'Different labels cost, each pair once.'


# ------------------------------------------------ The most probable sequence


@check('a function of unary (n, L) and pair (L, L) that returns n labels')
def lowest(function):
    """Compare energies with the lowest ones, for short and long chains.

    function(unary, pair): NumPy arrays, float64; returns whole numbers (n,).
    """
    rng = onp.random.default_rng(9)
    for places, labels in ((6, 3), (2, 2), (1, 3), (300, 4)):
        unary = rng.normal(size=(places, labels))
        pair = 2 * rng.normal(size=(labels, labels))
        right = _lowest(unary, pair)
        got = array(
            call(function, unary.copy(), pair.copy()), (places,), 'the labels'
        )
        if (got != onp.rint(got)).any() or not (
            (got >= 0) & (got < labels)
        ).all():
            raise Wrong(
                'the labels are not whole numbers from 0 to L - 1',
                got=got[:8].tolist(),
            )
        got = got.astype(int)
        ours, best = (_energy(x, unary, pair) for x in (got, right))
        if ours <= best + 1e-9:
            continue
        hint = 'the energy of the beginning up to each label, and from which '
        hint += 'label before it came; then walk back from the best end'
        for other, words_for_it in (
            (unary.argmin(axis=1), 'each place has decided alone'),
            (_lowest(unary, pair.T), 'pair[k, l] is k before l'),
            (_lowest(-unary, -pair), 'that is the highest energy'),
            (right[::-1], 'the labels are in the wrong order'),
            (
                _greedy(unary, pair),
                'each place has decided after the one '
                'before it, for good; a worse beginning may go on better',
            ),
        ):
            if same(got, other):
                hint = words_for_it
                break
        raise Wrong(
            f'in a chain of {places} places there is a better sequence',
            expected=f'the energy {best:.4f}',
            got=f'{ours:.4f}',
            hint=hint,
        )
    return 'The best sequence, in n L² steps and not in Lⁿ.'


def _energy(labels, unary, pair):
    own = unary[onp.arange(len(labels)), labels].sum()
    return own + pair[labels[:-1], labels[1:]].sum()


def _lowest(unary, pair):
    """Viterbi's algorithm, from the end to the beginning."""
    to_go = [onp.zeros(unary.shape[1])]
    for own in unary[:0:-1]:
        to_go.append((pair + own + to_go[-1]).min(axis=1))
    labels = [int((unary[0] + to_go.pop()).argmin())]
    for own in unary[1:]:
        labels.append(int((pair[labels[-1]] + own + to_go.pop()).argmin()))
    return onp.array(labels)


def _greedy(unary, pair):
    labels = [int(unary[0].argmin())]
    for own in unary[1:]:
        labels.append(int((pair[labels[-1]] + own).argmin()))
    return onp.array(labels)


# -------------------------------------------------- One step of mean field


@check('a function of q, unary (C, N) and kernel (N, N)')
def step(function):
    """Compare with the formula, pixel by pixel.

    function(q, unary, kernel): NumPy arrays, float64; the kernel is
    symmetric and has a diagonal. Returns probabilities (C, N).
    """
    rng = onp.random.default_rng(3)
    for classes, number, scale in ((2, 3, 1), (3, 8, 1), (4, 6, 3000)):
        unary = scale * rng.normal(size=(classes, number))
        kernel = rng.uniform(size=(number, number))
        kernel += kernel.T + 2 * onp.eye(number)
        q = rng.dirichlet(onp.ones(classes), number).T
        got = array(
            call(function, q.copy(), unary.copy(), kernel.copy()),
            q.shape,
            'the new q',
            hint='(C, N) as q itself: the classes first',
        )
        others = onp.where(onp.eye(len(kernel), dtype=bool), 0, kernel)
        support, all_support = q @ others, q @ kernel
        expect(
            got,
            _softmax(support - unary),
            'the new probability of class {0} at pixel {1} is not right',
            (_softmax(all_support - unary), 'j = i is not left out'),
            (
                _softmax(-support - unary),
                'the support has the wrong sign: what others find probable '
                'gets less probable',
            ),
            (_softmax(support + unary), 'unary energies are costs: minus'),
            (_softmax(support), 'the unary energies are missing'),
            (_softmax(-unary), 'the support of the others is missing'),
            (
                _one_by_one(q, unary, others),
                'the pixels were updated one '
                'after the other; here all hear the old probabilities',
            ),
            (support - unary, 'this is not a probability yet: the softmax'),
            (
                _softmax((support - unary).T).T,
                'the softmax goes over the classes, the first axis',
            ),
            expected='{:.4f}',
            hint='for one pixel and one class: minus its unary energy, plus '
            'the sum over j of kernel[i, j] q[class, j]; then e to the power '
            'of that, divided by the sum over the classes',
        )
    return 'One step for all pixels, without overflow.'


def _softmax(score):
    score = score - score.max(axis=0)
    powers = onp.exp(score)
    return powers / powers.sum(axis=0)


def _one_by_one(q, unary, others):
    q = q.copy()
    for i in range(q.shape[1]):
        q[:, i] = _softmax(q @ others[i] - unary[:, i])
    return q


# ------------------------------------------------- How large is the space?


@check('three numbers: cells, gigabytes, and points at most')
def space(cells, gigabytes, at_most):
    """Compare with the products.

    cells, at_most: whole numbers. gigabytes: of 10^9 bytes, three digits.
    """
    right = 10 * 7.5 * 51**3
    cells = array(cells, (), 'the number of cells')
    if cells <= 0:
        raise Wrong('there is at least one cell', got=f'{cells:g}')
    expect(
        onp.log(cells / right),
        0,
        'the number of cells is not right',
        (-2 * onp.log(51), 'the colour has three parts, so three axes'),
        (-onp.log(75), 'the places have two axes'),
        (-onp.log(10), 'the places have two axes'),
        (-onp.log(7.5), 'the places have two axes'),
        (
            onp.log(500 * 375 * 255**3 / right),
            'a cell is one standard deviation wide',
        ),
        got=f'{cells:,.0f}',
        hint='500 / 50 times 375 / 50 times (255 / 5) three times',
        tolerance=0.15,  # the ends may be counted in some way
    )
    memory = array(gigabytes, (), 'the number of gigabytes')
    wanted = float(cells) * 21 * 4 / 1e9
    expect(
        memory / wanted,
        1,
        'the gigabytes do not belong to these cells',
        (1 / 21, 'each of the 21 classes has a number in each cell'),
        (1 / 4, 'a number takes 4 bytes'),
        (1e9, 'that is bytes'),
        (1e3, 'that is megabytes'),
        (1e9 / 2**30, 'a gigabyte is 10⁹ bytes here'),
        hint='cells times 21 times 4 bytes',
        tolerance=2e-3,
    )
    most = whole(array(at_most, (), 'the number of points') / 6, 'a sixth')
    expect(
        most,
        500 * 375,
        'the bound of the points is not right',
        (500 * 375 * 32 / 6, 'a cube has 32 corners, a simplex 6'),
        (500 * 375 / 6, 'each pixel has several points around it'),
        (500 * 375 * 5 / 6, 'in d dimensions a simplex has d + 1 corners'),
        expected='6 · 500 · 375',
        got='6 · {:.0f}',
        hint='six corners for each pixel, if none is shared',
    )
    return 'The space is large, the photo fills little of it.'


# ------------------------------------------------------- A pole and a wall

POLE = {'weights': (12, 3), 'widths': (80, 8, 3)}


@check('a probability and a text')
def pole(decisive, reason):
    """Compare the number with a search; only the length of the text.

    decisive: from 0 to 1, to two digits. reason: a text.
    """
    got = share(decisive, (), 'the decisive probability')
    right = next(n for n in range(101) if _bar(n / 100) > 0.5) / 100
    expect(
        got,
        right,
        'the bar survives from another probability on',
        (0.6, 'that is what it has in the cell above; how low may it be?'),
        (1 - right, 'of the bar’s own label, not of the wall’s'),
        got='{:.2f}',
        hint='try the probabilities 0.30, 0.31, … in the bar alone, with the '
        'wall at 0.6, a width of 2 and a contrast of 120',
        tolerance=0.0101,
    )
    words(reason, 20, 'the reason')
    return (
        f'From {right:.2f} on it survives. The text is for a reader: does it '
        'say what you had predicted?'
    )


def _bar(sure):
    """The share that survives of a bar of width 2."""
    bar = onp.zeros((48, 64), bool)
    bar[:, 30:32] = True
    photo = onp.where(bar[..., None], [220], [100] * 3).astype('uint8')
    label_1 = onp.where(bar, sure, 0.4)
    chances = onp.stack([1 - label_1, label_1])
    found = segbook.refine(chances, photo, **POLE).argmax(axis=0)
    return found[bar].mean()
