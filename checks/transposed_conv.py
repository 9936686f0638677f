"""Checks of the exercises on transposed convolution.

What is right is computed by adding up stamps, whatever way the answer took.
"""

import re
from functools import partial
from urllib.parse import unquote

import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    Wrong,
    array,
    blocks,
    call,
    check,
    down,
    expect,
    recognise,
    same,
    up,
    whole,
    words,
)

import numpy as onp
from mxnet import np

# How `expect` names the place, without the right value.
NOT_RIGHT = 'is not right in row {}, column {} (counted from 0)'
# What a layer of the explorer has, with the values it begins with.
EXPLORER = {'h': 3, 'w': 4, 'k': 3, 's': 2, 'p': 0, 'a': 0}
NAMES = {
    'h': 'input height',
    'w': 'input width',
    'k': 'kernel',
    's': 'stride',
    'p': 'padding',
    'a': 'output padding',
}
# What it can begin with by name; else numbers, row by row.
INPUTS = 'ramp', 'one-hot', 'checker', 'letter', 'ones'
KERNELS = 'ones', 'bilinear', 'edge', 'random', r'random:\d+'


# ------------------------------------------------------------- By hand


@check(
    'three matrices, each a list of rows: for stride 1, for stride 2, and '
    'for stride 3 with padding 1'
)
def by_hand(stride_1, stride_2, stride_3):
    """Compare three outputs, worked out on paper, with sums of stamps.

    stride_1, stride_2, stride_3: matrices. The input is [[1, 0], [0, 2]],
    the kernel [[1, -1], [2, 3]]; the third has padding 1.
    """
    X, K = onp.array([[1, 0], [0, 2]]), onp.array([[1, -1], [2, 3]])
    for answer, s, p in ((stride_1, 1, 0), (stride_2, 2, 0), (stride_3, 3, 1)):
        name = f'the matrix for stride {s}'
        ours, right = array(answer, name=name), up(X, K, s, p)
        if ours.shape != right.shape:
            raise Wrong(
                f'{name} has the wrong shape',
                got=f'the shape {ours.shape}',
                hint=_shape_hint(ours.shape, s, p),
            )
        expect(
            ours,
            right,
            f'{name} {NOT_RIGHT}',
            *_mistakes_by_hand(X, K, s, p),
            got='{:g}',
            hint='which stamps cover this cell, and with which of their '
            'numbers? Add these up',
        )
    return (
        'The more the stride grows, the less the stamps overlap; with '
        'stride 2 and a 2 × 2 kernel they just touch.'
    )


def _shape_hint(shape, s, p):
    stamped = (s + 2, s + 2)
    if shape == (1, 1) and s == 1:
        return (
            'this is an ordinary convolution: a window goes in, a number '
            'comes out. Here a number goes in, a stamp comes out'
        )
    if p and shape == tuple(side + 2 * p for side in stamped):
        return 'padding adds nothing here: it removes p from every side'
    if p and shape == stamped:
        return 'the padding is still to be removed, from every side'
    if p and shape == tuple(side - p for side in stamped):
        return 'padding removes p on both ends of a row, 2 p in all'
    if shape == tuple(2 * s + 2 - 2 * p for _ in stamped):
        return (
            'between two stamps there is one step of s, not two: the last '
            'stamp begins at s (i′ − 1), not at s i′'
        )
    return (
        'draw the first and the last stamp of a row. Where does the last '
        'one begin, where does it end, and what does padding then remove?'
    )


def _mistakes_by_hand(X, K, s, p):
    """What typical mistakes give, and a hint for each."""
    board = up(X, K, s)
    over = onp.zeros(board.shape)
    for i, j in onp.argwhere(X):
        over[s * i : s * i + 2, s * j : s * j + 2] = X[i, j] * K
    inner = slice(p, board.shape[0] - p)
    yield (
        up(X, K[::-1, ::-1], s, p),
        'your kernel is flipped. A stamp shows the kernel as it is; only '
        'the window of the gather view shows it flipped',
    )
    yield (
        up(X, K.T, s, p),
        'rows and columns are exchanged: the first number says the row',
    )
    yield (
        over[inner, inner],
        'where stamps overlap, the later one does not cover the earlier '
        'one: they add up',
    )
    yield (
        up(X != 0, K, s, p),
        'each stamp is multiplied by the value of its input cell',
    )
    yield (
        up(onp.ones(X.shape), K, s, p),
        'each stamp is multiplied by the value of its input cell, and a '
        'cell that is 0 stamps nothing',
    )
    yield (
        board[2 * p :, 2 * p :],
        board[: len(board) - 2 * p, : len(board) - 2 * p],
        'padding removes p from every side, not 2 p from one',
    )


# ------------------------------------------------- Predict, then look


@check(
    'the size (height, width), three numbers of stamps, and the text that '
    "sets up the explorer, such as 'h=3&w=4&k=3&s=2&p=0&a=0'"
)
def predict(size, stamps, state):
    """Check a prediction, and that the explorer was set up to test it.

    size: (height, width) of the output of a 3 × 5 input, kernel 5, stride 2,
    padding 2, output padding 1. stamps: how many lie over the upper left
    cell, the lower right one, and the cell that has most. state: the
    explorer's state, or its page's whole address.
    """
    right = {'h': 3, 'w': 5, 'k': 5, 's': 2, 'p': 2, 'a': 1}
    size = array(size, (2,), 'size')
    counts = up(onp.ones((3, 5)), onp.ones((5, 5)), 2, 2, 1)
    expect(
        size,
        counts.shape,
        'the size is not right',
        *_mistaken_sizes(onp.array([3, 5]), 5, 2, 2, 1),
        got=f'({size[0]:g}, {size[1]:g})',
        hint='put the numbers into s (i′ − 1) + k − 2p + a, one direction '
        'after the other',
    )
    stamps = array(stamps, (3,), 'stamps')
    ends = [counts[0, 0], counts[-1, -1], counts.max()]
    whole_board = up(onp.ones((3, 5)), onp.ones((5, 5)), 2)
    board = [whole_board[0, 0], whole_board[-1, -1], whole_board.max()]
    for name, ours, count, uncut in zip(
        ('the upper left cell', 'the lower right cell', 'the fullest cell'),
        stamps,
        ends,
        board,
        strict=True,
    ):
        expect(
            ours,
            count,
            f'the number of stamps over {name} is not right',
            got='{:g}',
            hint=_stamps_hint(ours, count, uncut, ends),
        )
    found = _read_state(state)
    for key, value in right.items():
        if found[key] != value:
            raise Wrong(
                f'the explorer shows another layer: its {NAMES[key]} is '
                f'{found[key]}',
                expected=f'{key}={value}',
                got=unquote(state)[-80:],
                hint='h comes before w'
                if (found['h'], found['w']) == (5, 3)
                else None,
            )
    return (
        'Both predictions hold. Output padding gives back cells at the '
        'lower right only, so the two corners differ.'
    )


def _mistaken_sizes(i, k, s, p, a):
    """What typical mistakes make of the size of an output, and the hints."""
    steps = s * (i - 1)
    yield (steps + k - 2 * p + a)[::-1], 'height first, then width'
    yield (
        steps + k + 2 * p + a,
        'padding removes: 2p is subtracted, not added',
    )
    yield (
        s * i + k - 2 * p + a,
        'i′ stamps have i′ − 1 steps between them, not i′',
    )
    yield (
        steps + k - p + a,
        'padding removes at both ends of a row: 2p, not p',
    )
    yield steps + k + a, 'this leaves out the padding, which removes 2p'
    if onp.any(a):
        yield (
            steps + k - 2 * p,
            'this leaves out the output padding, which gives back a',
        )
        yield (
            steps + k - 2 * p + 2 * a,
            'output padding comes back at one end only: a, not 2a',
        )
        yield (
            steps + k - 2 * p - a,
            'output padding gives back: a is added, not subtracted',
        )
    yield (
        (i + 2 * p - k) // s + 1,
        'this is the formula of a convolution, which makes smaller',
    )


def _stamps_hint(ours, count, uncut, ends):
    if ours**2 == count:
        return 'this many lie there in one direction; a picture has two'
    if ours == 2 * count**0.5:
        return 'the numbers of the two directions are multiplied, not added'
    if ours == uncut:
        return (
            'these are the stamps before the padding removed the outer '
            'cells. Which cell is now in the corner?'
        )
    if ours == ends[0] and count == ends[1]:
        return (
            'the two corners are not alike: output padding moves only the '
            'lower right one'
        )
    if ours == ends[1] and count == ends[0]:
        return 'which of the corners does the output padding move?'
    return (
        'follow one row: where does each of its stamps begin and end? '
        'Count those over your cell, then square'
    )


def _read_state(state):
    """Return the numbers of an explorer's state, or of a page's address."""
    like = "for example 'h=3&w=4&k=3&s=2&p=0&a=0'"
    words(state, 0, f'state, {like},')
    text = unquote(state[-2000:]).rpartition('#')[2]
    parts = dict(part.partition('=')[::2] for part in text.split('&'))
    if not parts.keys() & EXPLORER.keys():
        raise Wrong(
            'state sets nothing up',
            expected=like,
            got=state[-80:],
            hint='no spaces; on a page of the book it stands behind the # of '
            'the address once you have changed something',
        )
    for key, value in parts.items():
        presets = {'in': INPUTS, 'ker': KERNELS}.get(key)
        number = r'\d{1,3}' if key in EXPLORER else r'[01]'
        if presets:
            number = rf'{"|".join(presets)}|[\d.,+-]+'
        if key not in (*EXPLORER, 'in', 'ker', 'two'):
            number = r'(?!)'  # nothing is right
        if not re.fullmatch(number, value):
            raise Wrong(
                'the explorer refuses this state and shows another layer',
                expected=f'{key}={presets[0]}, for example'
                if presets
                else like,
                got=f'{key}={value[:40]}',
            )
    return EXPLORER | {
        key: int(value) for key, value in parts.items() if key in EXPLORER
    }


# ------------------------------------------------- One size, three ways


@check('three settings, each (k, s, p, a), with three different strides')
def one_size(settings):
    """Check settings that make 24 × 24 out of 8 × 8, by stamping ones.

    settings: three of (k, s, p, a), whole numbers, k at most 64.
    """
    settings = array(settings, (3, 4), 'settings')
    for setting in settings:
        k, s, p, a = _setting(setting)
        said = f'(k, s, p, a) = ({k}, {s}, {p}, {a})'
        side = s * 7 + k - 2 * p + a
        if side > 0:
            side = len(up(onp.ones((8, 8)), onp.ones((k, k)), s, p, a))
        if side != 24:
            raise Wrong(
                f'{said} does not lead to 24 × 24',
                expected='an output of 24 × 24',
                got=f'{side} × {side}' if side > 0 else 'no output at all',
                hint=_setting_hint(k, s, p, a),
            )
    strides = settings[:, 1]
    if len(set(strides)) < 3:
        raise Wrong(
            'the strides are not all different',
            got=f'the strides {[int(s) for s in strides]}',
            hint='another stride moves the last stamp; k, p and a must '
            'then make up for it',
        )
    return (
        'With stride s the kernel must bring k − 2p + a = 24 − 7s: the '
        'smaller the stride, the larger the kernel.'
    )


def _setting(setting):
    """Return k, s, p, a as integers that a layer could have."""
    k, s, p, a = (
        whole(value, f'{name} of {tuple(float(v) for v in setting)}')
        for name, value in zip('kspa', setting, strict=True)
    )
    said = f'(k, s, p, a) = ({k}, {s}, {p}, {a})'
    for name, value, least in (
        ('the kernel', k, 1),
        ('the stride', s, 1),
        ('the padding', p, 0),
        ('the output padding', a, 0),
    ):
        if value < least:
            raise Wrong(
                f'{name} in {said} is too small',
                expected=f'at least {least}',
                got=f'{value}',
            )
    if k > 64 or s > 64:
        raise Wrong(f'{said} is larger than it need be', expected='k ≤ 64')
    if a >= s:
        raise Wrong(
            f'MXNet refuses {said}',
            expected='an output padding below the stride',
            got=f'a = {a}, s = {s}',
            hint='a is what the division by s left over, so it is less '
            'than s. A larger kernel gives the missing cells',
        )
    return k, s, p, a


def _setting_hint(k, s, p, a):
    i = onp.array([8])
    hint = recognise(
        [24],
        *_mistaken_sizes(i, k, s, p, a),
        (
            k * (i - 1) + s - 2 * p + a,
            'the kernel comes first, then the stride: (k, s, p, a)',
        ),
        (
            s * (i - 1) + k - 2 * a + p,
            'the padding comes before the output padding: (k, s, p, a)',
        ),
    )
    if hint:
        return hint
    if a == 0 and (24 + 2 * p - k) // s + 1 == 8:
        return (
            'a convolution with this setting does lead from 24 to 8, but '
            'it rounds down; on the way back a must give what it dropped'
        )
    return f's (i′ − 1) + k − 2p + a = {s} · 7 + {k} − 2 · {p} + {a}'


# ------------------------------------------------------ There and back


@check(
    'the output padding for 224, the one for 225, and a function that '
    'returns it for any convolution'
)
def there_and_back(a_224, a_225, output_padding):
    """Send sizes through a convolution and back.

    a_224, a_225: whole numbers, for k = 7, s = 2, p = 3.
    output_padding(size, kernel, stride, padding): to a whole number. Thirty
    random convolutions.
    """
    small = [
        (size, 7, 2, 3, whole(answer, f'a_{size}'))
        for size, answer in ((224, a_224), (225, a_225))
    ]
    _judge_returns(small, 'a_{i}')
    rng = onp.random.default_rng(3)
    cases = []
    for _ in range(30):
        k, s = int(rng.integers(1, 8)), int(rng.integers(2, 6))
        p = int(rng.integers(0, (k + 1) // 2))
        i = int(rng.integers(k, 40))
        a = call(output_padding, i, k, s, p, name='output_padding')
        a = whole(a, f'what output_padding({i}, {k}, {s}, {p}) returns')
        cases.append((i, k, s, p, a))
    _judge_returns(cases, 'output_padding({i}, {k}, {s}, {p})')
    return (
        'In a network with several such layers each one needs its own a, '
        'and it depends on the size of the image.'
    )


# What may be mistaken for the rest of the division, and what to say of it.
RESTS = (
    (
        lambda i, k, s, p: i % s,
        'the convolution does not divide i by s. What does it divide?',
    ),
    (
        lambda i, k, s, p: (i - k) % s,
        'the zeros that padding puts around the input count, too',
    ),
    (
        lambda i, k, s, p: (i + p - k) % s,
        'a convolution pads at both ends: 2p, not p',
    ),
    (
        lambda i, k, s, p: (i - 2 * p - k) % s,
        'in the convolution, where the rounding happens, padding adds: + 2p',
    ),
    (
        lambda i, k, s, p: (i + 2 * p) % s,
        'where the last window begins, not where it ends: the kernel is '
        'missing',
    ),
    (
        lambda i, k, s, p: -(i + 2 * p - k) % s,
        'this is what is missing to the next multiple of s; what the '
        'rounding dropped is what lies above the last one',
    ),
    (
        lambda i, k, s, p: (i + 2 * p - k) // s,
        'this is the quotient; you want what the division leaves over',
    ),
    (
        lambda i, k, s, p: 0,
        'without output padding only some sizes come back. How many cells '
        'are missing, and why?',
    ),
)


def _judge_returns(cases, name):
    """Raise Wrong unless each a leads back to i. cases: (i, k, s, p, a)."""
    for i, k, s, p, a in cases:
        small = down(onp.ones((i, 1 + k)), onp.ones((k, k)), s, p)
        back = len(small) * s - s + k - 2 * p + a
        if 0 <= a < s:
            back = len(up(small, onp.ones((k, k)), s, p, a))
            if back == i:
                continue
        regular = 0 <= a < s
        hint = recognise(
            [case[4] for case in cases],
            *(
                ([rest(*case[:4]) for case in cases], hint)
                for rest, hint in RESTS
            ),
        )
        raise Wrong(
            f'{name.format(i=i, k=k, s=s, p=p)} = {a} does not lead back',
            expected=f'{i} → {len(small)} → {i}, with 0 ≤ a < s',
            got=f'{i} → {len(small)} → {back}'
            if regular
            else f'a = {a}, which MXNet refuses for stride {s}',
            hint=hint
            or (
                'work out the size by hand, forward with the rounding, then '
                'back with a = 0. What is missing?'
                if regular
                else 'what a division by s leaves over is at least 0 and '
                'less than s'
            ),
        )


# ------------------------------------------------ Without checkerboard


@check('a list of pairs (k, s), and a kernel of 5 × 5 positive weights')
def no_checkerboard(pairs, kernel):
    """Look for checkerboards in what layers make of ones.

    pairs: all (k, s) with s ≤ 4, s ≤ k ≤ 6 whose stamps overlap evenly, in
    any order. kernel: (5, 5), positive, without checkerboard for stride 2.
    """
    if isinstance(pairs, set | frozenset):
        pairs = list(pairs)
    pairs = array(pairs, name='pairs')
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise Wrong(
            'pairs must hold pairs of numbers',
            expected='[(k, s), (k, s), …]',
            got=f'the shape {pairs.shape}',
        )
    allowed = {(k, s) for s in range(1, 5) for k in range(s, 7)}
    even = {(k, s) for k, s in allowed if _is_even(onp.ones((k, k)), s)}
    ours = {(float(k), float(s)) for k, s in pairs}
    for pair in sorted(ours - even):
        said = f'({pair[0]:g}, {pair[1]:g})'
        if ours == {(s, k) for k, s in even}:
            raise Wrong(
                'the pairs are the wrong way round',
                got=said,
                hint='the kernel comes first: (k, s)',
            )
        if pair not in allowed:
            raise Wrong(
                f'{said} was not asked for',
                expected='s from 1 to 4, and k from s to 6',
            )
        raise Wrong(
            f'{said} overlaps unevenly',
            hint=f'draw a row: a stamp of {pair[0]:g} cells, the next one '
            f'{pair[1]:g} further. How many lie over neighbouring cells?',
        )
    missing = even - ours
    if missing:
        raise Wrong(
            'not all pairs are there',
            got=f'{len(ours)} of them, all even',
            hint='with stride 1, too, there is an overlap'
            if all(s == 1 for _, s in missing)
            else 'a kernel as large as the stride overlaps nowhere, and '
            'that is even, too'
            if all(k == s for k, s in missing)
            else 'for each stride, go through all k from s to 6',
        )
    kernel = array(kernel, (5, 5), 'the kernel')
    if kernel.min() <= 0:
        row, column = onp.argwhere(kernel <= 0)[0]
        raise Wrong(
            'not all weights of the kernel are positive',
            got=f'{kernel[row, column]:g} in row {row}, column {column}',
            hint='zeros around a smaller kernel would be too easy, and '
            'training would not leave them zero',
        )
    inside = _inside(kernel, 2)
    if not _is_even(kernel, 2):
        raise Wrong(
            'the kernel makes a checkerboard',
            expected='ones that come out constant, away from the border',
            got=_seen(kernel),
            hint='nearly: are the weights rounded? Try whole numbers'
            if onp.ptp(inside) <= 0.03 * inside.max()
            else _kernel_hint(kernel),
        )
    return (
        'But nothing keeps training from leaving such a kernel: a size that '
        'the stride divides makes equal sums likely, not certain.'
    )


def _inside(K, s):
    """What K makes of ones with stride s, away from the border: (s, s)."""
    size = len(K)
    Y = up(onp.ones((size + 2, size + 2)), K, s)
    return Y[size * s : size * s + s, size * s : size * s + s]


def _is_even(K, s):
    """Whether K makes no checkerboard with this stride."""
    inside = _inside(K, s)
    return onp.ptp(inside) <= 1e-4 * abs(inside).max()


def _seen(K):
    inside = _inside(K, 2)
    return f'values from {inside.min():.4g} to {inside.max():.4g}'


def _kernel_hint(K):
    inside = _inside(K, 2)
    small = 1e-4 * inside.max()
    if onp.ptp(K) <= 1e-4 * K.max():
        return (
            'equal weights need a size that the stride divides. Here even '
            'places come three times in a row, odd ones twice'
        )
    if (onp.ptp(inside, axis=0) <= small).all():
        return 'it is constant down every column; now along the rows'
    if (onp.ptp(inside, axis=1) <= small).all():
        return 'it is constant along every row; now down the columns'
    ramp = 1 - abs(onp.arange(5) - 2) / 3
    if same(K / K.max(), onp.outer(ramp, ramp)):
        return (
            'this triangle falls by a third from cell to cell: it is made '
            'for stride 3'
        )
    return (
        'in one direction, an output cell meets either the places 0, 2, 4 '
        'of the kernel or 1, 3. What must hold for their sums?'
    )


# ------------------------------------------------- Matrix of a small case


@check(
    'a function of a, b, c, d that returns a matrix, a row for each output '
    'cell and a column for each input cell'
)
def small_matrix(matrix):
    """Compare the columns with the stamps of single input cells.

    matrix(a, b, c, d): to numbers (9, 4), the transposed convolution of a
    2 × 2 input by the kernel [[a, b], [c, d]] with stride 1.
    """
    rng = onp.random.default_rng(6)
    for _ in range(3):
        K = rng.normal(size=(2, 2)).round(2)
        ours = call(matrix, *K.reshape(-1).tolist(), name='matrix')
        ours, right = array(ours, name='the matrix'), _columns(K)
        if ours.shape == right.T.shape:
            raise Wrong(
                'the matrix has 4 rows and 9 columns',
                expected='a row for each output cell, a column for each '
                'input cell',
                got=f'the shape {ours.shape}',
                hint='this is W, which takes 9 numbers to 4. The transposed '
                'convolution takes 4 numbers to 9'
                if same(ours, right.T)
                else 'a transposed convolution makes larger: 4 numbers go '
                'in. How many come out?',
            )
        if ours.shape != right.shape:
            raise Wrong(
                'the matrix has the wrong shape',
                got=f'the shape {ours.shape}',
                hint='as many columns as the input has cells, as many rows '
                'as the output has cells',
            )
        expect(
            ours,
            right,
            f'for a, b, c, d = {K.reshape(-1).tolist()} the matrix '
            f'{NOT_RIGHT}',
            *_mistaken_matrices(K),
            got='{:g}',
            hint='the row says which output cell, the column which input '
            'cell: which cell of the kernel connects the two?',
        )
    return (
        'Each weight stands in it four times, in each column once. All the '
        'rest is zero, and a layer never stores it.'
    )


def _columns(K):
    """The matrix: a column for each input cell, what it alone stamps."""
    cells = onp.eye(4).reshape(4, 2, 2)
    return onp.stack([up(X, K).reshape(-1) for X in cells], axis=1)


def _mistaken_matrices(K):
    right = _columns(K)
    rows = onp.arange(9).reshape(3, 3).T.reshape(-1)
    columns = [0, 2, 1, 3]
    yield (
        _columns(K[::-1, ::-1]),
        'your kernel is flipped. A column shows one stamp, the kernel as '
        'it is',
    )
    yield (
        _columns(K.T),
        'b stands to the right of a, c below it: your kernel is transposed',
    )
    yield (
        right[:, columns],
        right[rows],
        'cells are numbered row by row, in the input as in the output: first '
        'along a row, then down',
    )
    yield (
        right[:, ::-1],
        'the first column belongs to the first input cell, the upper left',
    )
    yield (
        right != 0,
        'this says which cells are connected; put the weights in',
    )


# ------------------------------------------- The bilinear kernel on ones


@check(
    'for each of the two kernels three numbers: corner, edge and inside of '
    'the output on ones'
)
def on_ones(small, large):
    """Compare with sums of stamps on ones.

    small, large: (corner, edge, inside), for the kernel of 4 with stride 2
    and padding 1, and of 8 with stride 4 and padding 2.
    """
    for name, answer, weights in (
        ('the small kernel', small, [1, 3, 3, 1]),
        ('the large kernel', large, [1, 3, 5, 7, 7, 5, 3, 1]),
    ):
        k = len(weights)
        ours = array(answer, (3,), f'the answer for {name}')
        weights = onp.array(weights) / k
        K = onp.outer(weights, weights)
        Y = up(onp.ones((6, 6)), K, k // 2, k // 4)
        middle = len(Y) // 2
        right = Y[[0, 0, middle], [0, middle, middle]]
        known = _mistakes_on_ones(right, K, k)
        hint = recognise(ours, *known, tolerance=ROUNDED) or (
            'are they the numbers of the drawing? It shows the weights '
            f'times {k * k}'
            if (ours >= 1.5).any()
            else None
        )
        for part, one, other in zip(
            ('corner', 'edge', 'inside'), ours, right, strict=True
        ):
            expect(
                one,
                other,
                f'{name}: the value of the {part} is not right'
                if part != 'inside'
                else f'{name}: the value inside is not right',
                got='{:g}',
                hint=hint or _part_hint(part, one, K),
                tolerance=ROUNDED,
            )
    return (
        'At the border stamps are missing, so a bilinear layer darkens the '
        'outermost cells. The next chapter looks at the photo.'
    )


def _mistakes_on_ones(right, K, k):
    corner, edge, inside = right
    uncut = up(onp.ones((6, 6)), K, k // 2)
    middle = len(uncut) // 2
    yield (
        onp.ones(3),
        'a stamp that would stand outside the input is missing. Inside, '
        'its weights would have made the sum complete',
    )
    yield (
        onp.array([edge, corner, inside]),
        'corner and edge are exchanged: more stamps are missing at a corner',
    )
    yield (
        onp.array([edge, edge, inside]),
        'a corner lies at the border in both directions: one factor each',
    )
    yield (
        onp.array([corner, corner, inside]),
        'an edge lies at the border in one direction only. In the other, '
        'the sum is complete',
    )
    yield (
        onp.array([uncut[0, 0], uncut[0, middle], inside]),
        'these are the outermost cells before the padding removed them',
    )


def _part_hint(part, one, K):
    if part == 'edge' and (abs(K - one) < 1e-4).any():
        return (
            'one stamp is not all: along the edge two neighbours reach this '
            'cell'
        )
    if part == 'corner':
        return (
            'the padding has removed the first cells of the stamp. Which '
            'of its cells is now the corner, and does another stamp reach it?'
        )
    if part == 'edge':
        return (
            'only the direction across the border lacks a stamp; along it '
            'neighbours overlap and add up'
        )
    return (
        'four stamps meet in such a cell. Write down with which of its '
        'numbers each one does, and add'
    )


# ------------------------------------------------------------- Dilation


@check(
    'the function dilated_size and the function dilated, which returns the '
    'output'
)
def dilation(dilated_size, dilated):
    """Compare with sums of stamps for dilations, strides and paddings.

    dilated_size(size, kernel, stride, padding, output_padding, dilation): to
    a whole number. dilated(X, K, ...the same without sizes): X (h, w) and K
    (k_h, k_w) MXNet arrays, to the output.
    """
    rng = onp.random.default_rng(8)
    cases = []
    for d in (1, 2, 3):
        for s in (1, 2, 3):
            k = 2 + (d + s) % 2
            cases.append((int(rng.integers(k)), s - 1, k, s, d))
    _judge_sizes(dilated_size, cases)
    for p, a, k, s, d in cases:
        X, K = rng.normal(size=(2, 3)), rng.normal(size=(k, k))
        right = up(X, K, s, p, a, d)
        ours = call(
            dilated,
            *(np.array(part, dtype='float32') for part in (X, K)),
            *(s, p, a, d),
            name='dilated',
        )
        said = (
            f'for k = {k}, stride {s}, padding {p}, output padding {a}, '
            f'dilation {d}'
        )
        hint = partial(_dilated_shape, onp.array(X.shape), p, a, k, s, d)
        expect(
            array(ours, right.shape, f'{said} the output', hint),
            right,
            f'{said} the output {NOT_RIGHT}',
            *_mistaken_dilations(X, K, s, p, a, d),
            got='{:g}',
            hint='try it on a single 1: the stamp should be the kernel with '
            'zeros between its weights',
        )
    return (
        'A dilated kernel reaches further with as many weights, but it '
        'leaves gaps: look at its phase sums.'
    )


def _judge_sizes(dilated_size, cases):
    sizes, answers, right = [], [], []
    for number, (p, a, k, s, d) in enumerate(cases):
        i = 3 + number % 4
        said = f'dilated_size({i}, {k}, {s}, {p}, {a}, {d})'
        answer = call(dilated_size, i, k, s, p, a, d, name='dilated_size')
        sizes.append((i, said))
        answers.append(whole(answer, f'what {said} returns'))
        right.append(len(up(onp.ones((i, i)), onp.ones((k, k)), s, p, a, d)))
    for (_, said), ours, size in zip(sizes, answers, right, strict=True):
        if ours != size:
            sides = onp.array([i for i, _ in sizes])
            raise Wrong(
                f'{said} is not right',
                expected='the size of what all stamps cover, cut by padding',
                got=f'{ours}, which is {abs(ours - size)} too '
                f'{"many" if ours > size else "few"}',
                hint=recognise(
                    answers, *_dilated_sizes(sides, *onp.array(cases).T)
                )
                or 'first find how many cells the spread-out kernel '
                'covers; then all is as before',
            )


# How far a dilated kernel may be mistaken to reach, and what to say of it.
REACHES = (
    (
        lambda k, d: k * d,
        'k weights have k − 1 gaps between them: nothing follows the last',
    ),
    (
        lambda k, d: (k - 1) * d,
        'from the first weight to the last there are (k − 1) d steps; the '
        'cell where you start counts, too',
    ),
    (lambda k, d: k, 'this is the size without dilation'),
    (
        lambda k, d: k + d - 1,
        'every gap between two weights grows, not only one',
    ),
    (
        lambda k, d: k + (k - 1) * d,
        'dilation d puts d − 1 zeros between two weights; d = 1 is the '
        'ordinary kernel',
    ),
)


def _dilated_sizes(i, p, a, k, s, d):
    """What mistakes make of sizes, all of one length or single numbers."""
    for reach, hint in REACHES:
        yield s * (i - 1) - 2 * p + a + reach(k, d), hint
    yield (
        s * d * (i - 1) + k - 2 * p + a,
        'dilation spreads the kernel; you have spread the input, as the '
        'stride does',
    )
    yield from _mistaken_sizes(i, (k - 1) * d + 1, s, p, a)


def _dilated_shape(i, p, a, k, s, d, got):
    """Say where an output of this shape may come from."""
    return (
        recognise(
            got,
            (
                s * (i - 1) + (k - 1) * d + 1 - 2 * p,
                'this leaves out the output padding, which gives back a',
            ),
            *_dilated_sizes(i, p, a, k, s, d),
        )
        or 'compare it with what your dilated_size says'
    )


def _mistaken_dilations(X, K, s, p, a, d):
    yield (
        up(X, K[::-1, ::-1], s, p, a, d),
        'your kernel is flipped; stamps show it as it is',
    )
    yield (
        up(X, K.T, s, p, a, d),
        'rows and columns of your kernel are exchanged',
    )
    size = up(X, K, s, p, a, d).shape
    yield (
        up(X, blocks(K, d), s, p, a)[: size[0], : size[1]],
        'you have repeated the weights; zeros stand between them',
    )


# -------------------------------------------------- Without any matrix


@check(
    'a function of A, B, K, stride and padding that returns two arrays, '
    'conv(A) · B and A · transconv(B), cell by cell'
)
def two_sums(function):
    """Compare both products with those of the definitions, cell by cell.

    function(A, B, K, stride, padding): MXNet arrays A (i, i), B of the shape
    of conv(A), K (k, k), to the products, of the shapes of B and of A. First
    sizes that come back without output padding, then others.
    """
    rng = onp.random.default_rng(9)
    sizes = (
        (4, 3, 1, 0),
        (5, 3, 2, 1),
        (5, 2, 3, 0),
        (4, 3, 2, 1),
        (6, 3, 3, 1),
    )
    for i, k, s, p in sizes:
        A, K = rng.normal(size=(i, i)), rng.normal(size=(k, k))
        B = rng.normal(size=down(A, K, s, p).shape)
        _judge_products(function, A, B, K, s, p)
    return (
        'Two different products, one sum. This is how to test a backward '
        'pass without knowing its formula, for any linear layer.'
    )


def _judge_products(function, A, B, K, s, p):
    i, k = len(A), len(K)
    returned = s * (len(B) - 1) + k - 2 * p
    back = up(B, K, s, p, i - returned)
    said = f'for A of {i} × {i}, k = {k}, stride {s}, padding {p}'
    lost = (
        f'here transconv(B) without output padding is {returned} × '
        f'{returned}, smaller than A. Cells that some windows saw are missing'
    )
    arrays = (np.array(part, dtype='float32') for part in (A, B, K))
    try:
        ours = call(function, *arrays, s, p, name='two_sums')
    except Wrong as wrong:
        if returned == i:
            raise
        problem = str(wrong).partition('\n  hint')[0]
        raise Wrong(f'{said} {problem}', hint=lost) from None
    if not isinstance(ours, tuple | list) or len(ours) != 2:
        raise Wrong(
            'two_sums must return two arrays',
            expected='conv(A) · B and A · transconv(B), cell by cell',
            got=type(ours).__name__,
            hint='return (left, right), before anything is added up',
        )
    forward = down(A, K, s, p)
    flipped = down(A, K[::-1, ::-1], s, p)
    both = 'both layers have the same kernel, and neither flips it'
    for name, answer, right, mistakes in (
        (
            'conv(A) · B',
            ours[0],
            forward * B,
            ((flipped * B, both), (forward, 'B is missing in this product')),
        ),
        (
            'A · transconv(B)',
            ours[1],
            A * back,
            (
                (A * up(B, K[::-1, ::-1], s, p, i - returned), both),
                (back, 'A is missing in this product'),
            ),
        ),
    ):
        got = array(
            answer,
            right.shape,
            f'{said} the product {name}',
            partial(_product_shape, lost if returned < i else None),
        )
        expect(
            got,
            right,
            f'{said} the product {name} {NOT_RIGHT}',
            *mistakes,
            got='{:g}',
            hint='multiply cell by cell what the layer returns',
            tolerance=1e-3,
        )


def _product_shape(lost, got):
    if not got:
        return 'cell by cell: the sum comes later'
    return lost or 'a product, cell by cell, has the shape of its factors'


# ------------------------------------------------------- Another way up


@check(
    'a function that makes a 4 × 4 kernel of a 3 × 3 kernel, and your '
    'reasons in a few sentences'
)
def another_way(imitate, reasons):
    """Compare with repeating and convolving; read no reasons.

    imitate(C): from an MXNet array (3, 3) to numbers (4, 4), the kernel with
    which a transposed convolution of stride 2 and padding 1 does the same
    as repeating each cell 2 × 2 and a convolution by C with padding 1.
    reasons: a text; only that it has some words is checked.
    """
    rng = onp.random.default_rng(10)
    C, X = rng.normal(size=(3, 3)), rng.normal(size=(4, 5))
    K = call(imitate, np.array(C, dtype='float32'), name='imitate')
    K = array(K, (4, 4), 'the kernel that imitate returns')
    wanted = down(blocks(X, 2), C, padding=1)
    ours = up(X, K, 2, 1)
    if not same(ours, wanted):
        hint = 'send a single 1 through the other layer: what does it stamp?'
        if same(up(X, K[::-1, ::-1], 2, 1), wanted):
            hint = (
                'the right numbers, turned by half a circle: the '
                'convolution slides C, it does not stamp it'
            )
        elif same(4 * ours, wanted):
            hint = 'to repeat a cell is not to share it out: no mean is taken'
        elif same(up(X, K.T, 2, 1), wanted):
            hint = 'rows and columns of your kernel are exchanged'
        elif abs(K).astype(bool).sum() <= 9:
            hint = (
                'a repeated cell is a block of 2 × 2, and each of the four '
                'is seen by C: a stamp of 4 × 4'
            )
        raise Wrong(
            'the two layers do not agree',
            expected='the same output on random numbers',
            got=f'a largest difference of {abs(ours - wanted).max():.2g}',
            hint=hint,
        )
    words(reasons, 15, 'reasons')
    return (
        'Your kernel is; your reasons no check can judge: compare them with '
        'the solution, or with a neighbour.'
    )
