"""Checks of the exercises on convolutions with holes.

What is right is computed by adding up products, whatever way the answer took.
"""

import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    recognise,
    whole,
)

import numpy as onp
from mxnet import np, npx

# ------------------------------------------------------------- On paper

ROW, KERNEL = (1, 0, 2, 0, 0, 3), (1, -1, 2)


def _row(x, w, rate, padding=0):
    """Convolve a row with a kernel whose numbers lie `rate` apart."""
    x = onp.pad(onp.asarray(x, dtype='float64'), padding)
    places = range(len(x) - rate * (len(w) - 1))
    return onp.array(
        [sum(v * x[m + rate * i] for i, v in enumerate(w)) for m in places]
    )


@check('two lists of numbers: without padding, and with the size kept')
def on_paper(plain, padded):
    """Compare two rows, worked out on paper, with sums of products.

    plain, padded: lists of 2 and of 6 numbers, for the rate 2.
    """
    for answer, padding, name in (
        (plain, 0, 'the row without padding'),
        (padded, 2, 'the padded row'),
    ):
        right = _row(ROW, KERNEL, 2, padding)
        ours = array(
            answer,
            right.shape,
            name,
            lambda shape, p=padding: _sizes(shape, p),
        )
        flipped = _row(ROW, KERNEL[::-1], 2, padding)
        near = _row(ROW, KERNEL, 1, padding // 2)[: len(right)]
        expect(
            ours,
            right,
            f'{name} is not right at place {{}} (counted from 0)',
            (
                flipped,
                'your kernel is flipped: its first number meets the leftmost '
                'number that it covers',
            ),
            (
                near,
                'these are neighbours. With a rate of 2 the kernel reads '
                'every second number',
            ),
            got='{:g}',
            hint='lay the three numbers over the row, two places apart',
        )
    return 'The padding that keeps the size grows with the rate.'


def _sizes(shape, padding):
    if shape == (4,):
        return (
            'a kernel with holes is longer: with a rate of 2 it covers 5 '
            'numbers'
            + (', so a padding of 1 does not suffice' * bool(padding))
        )
    if padding and shape == (2,):
        return 'this is the row without padding'
    return 'how many numbers does the kernel cover, holes included?'


# ------------------------------------------------------------- Rates

STRIDES, STAYS = (2, 1, 2, 1, 2, 1), 2


def _rates(strides, stays, late=True):
    """The rates of layers whose strides beyond `stays` are taken out.

    late: a layer that loses its stride keeps the rate that it has.
    """
    reached, rate, found = 1, 1, []
    for stride in strides:
        lost = reached * stride > stays
        if not late and lost:
            rate *= stride
        found.append(rate)
        if late and lost:
            rate *= stride
        reached *= 1 if lost else stride
    return found


def _field(strides, rates, kernel=3):
    size = step = 1
    for stride, rate in zip(strides, rates, strict=True):
        size += (kernel - 1) * rate * step
        step *= stride
    return size


@check('six rates and two sizes of fields, in pixels')
def which_rate(rates, field, field_without_holes):
    """Compare the rates of six layers, and two receptive fields.

    rates: six whole numbers; field, field_without_holes: whole numbers.
    """
    right = _rates(STRIDES, STAYS)
    plain = (STAYS, *[1] * (len(STRIDES) - 1))
    expect(
        array(rates, (len(STRIDES),), 'rates'),
        right,
        'the rate of layer {} (counted from 0) is not right',
        (
            _rates(STRIDES, STAYS, late=False),
            'the layer that loses its stride still reads what it has always '
            'read: only the layers after it need a larger rate',
        ),
        (
            _rates(STRIDES, 1),
            'the first stride stays: the map shall have a stride of 2',
        ),
        (
            [1, 1, 1, 2, 2, 3],
            'rates multiply: two strides of 2 make neighbours lie four times '
            'as close',
        ),
        got='{:g}',
        hint='how far apart are the neighbours that a layer expects, and how '
        'far apart are those that it finds?',
    )
    for answer, name, size in (
        (field, 'field', _field(STRIDES, [1] * len(STRIDES))),
        (field_without_holes, 'field_without_holes', _field(plain, [1] * 6)),
    ):
        expect(
            whole(answer, name),
            size,
            f'{name} is not right',
            (
                1 + 2 * len(STRIDES),
                'this would be right if no layer had a stride',
            ),
            (
                _field(STRIDES, right),
                'holes instead of strides, not holes and strides',
            ),
            got='{:g}',
            hint='each layer adds two steps, each as long as the distance of '
            'the numbers that it reads, in pixels',
        )
    return 'The same field as with the strides: it is the same network.'


# ------------------------------------------------------------- Branches


@check('two numbers of parameters')
def branches(pyramid, sizes):
    """Compare the parameters of two heads: 256 channels, 10 classes.

    pyramid: of three branches with weights of their own; sizes: of one
    convolution that is applied three times. Whole numbers.
    """
    one = 3 * 3 * 256 * 10 + 10
    for answer, name, right in (
        (pyramid, 'pyramid', 3 * one),
        (sizes, 'sizes', one),
    ):
        got = whole_number(answer, name)
        hints = (
            (
                one,
                'the branches of ASPP do not share weights: each has its own',
            ),
            (
                3 * one,
                'the three sizes of the photo are seen by the same weights',
            ),
            (right - right // one * 10, 'each class has a bias, too'),
            (
                (2 * 6 + 1) ** 2 * 2560 + 10,
                'holes have no weights: 9 numbers, however far apart',
            ),
        )
        if got != right:
            raise Wrong(
                f'{name} is not right',
                got=got,
                hint=recognise(got, *hints)
                or 'a kernel has a number for each of its 9 places, each '
                'channel and each class',
            )
    return 'Several scales with shared weights cost time, not parameters.'


def whole_number(answer, name):
    """Return a whole number below ten millions; raises Wrong."""
    value = array(answer, (), name)
    if value != onp.rint(value) or abs(value) > 10**7:
        raise Wrong(f'{name} must be a whole number below ten millions')
    return int(value)


# ------------------------------------------------------------- Not blind


@check('three rates')
def not_blind(rates):
    """Look which pixels three layers with kernel 3 see.

    rates: three whole numbers from 1 to 100.
    """
    values = array(rates, (3,), 'rates')
    if (values != onp.rint(values)).any() or not (
        (values >= 1) & (values <= 100)
    ).all():
        raise Wrong('each rate must be a whole number from 1 to 100')
    seen = {0}
    for rate in values.astype(int).tolist():
        seen = {pixel + i * rate for pixel in seen for i in range(3)}
    size = max(seen) + 1
    blind = sorted(set(range(size)) - seen)
    if blind:
        raise Wrong(
            f'of the {size} pixels of the field, {len(blind)} are blind',
            got=f'pixel {blind[0]}, for one, is not seen',
            hint='put the rates into the explorer and look at the lowest row'
            + (
                '. Rates with a common divisor see only its multiples'
                if onp.gcd.reduce(values.astype(int)) > 1
                else ''
            ),
        )
    if size < 27:
        raise Wrong(
            f'no pixel is blind, but the field of {size} pixels can be wider',
            hint='how many ways lead through three kernels of three? At best '
            'each of them leads to another pixel',
        )
    return 'Each way leads to another pixel: 27 ways, 27 pixels.'


# ------------------------------------------------------------- Places


@check('two numbers of pixels')
def where(resnet_moves, vgg_moves):
    """Compare two moves, in pixels: 16 to 4, and 32 to 8."""
    for answer, name, trained, dense in (
        (resnet_moves, 'resnet_moves', 16, 4),
        (vgg_moves, 'vgg_moves', 32, 8),
    ):
        move = (trained - dense) / 2
        expect(
            array(answer, (), name),
            move,
            f'{name} is not right',
            (
                (trained - 1) / 2,
                'centred upsampling already draws the cell a little to the '
                'right: that is to be subtracted',
            ),
            (
                (32 - dense) / 2 if trained != 32 else -1,
                'this network was trained with a stride of 16, not of 32',
            ),
            (-move, 'the other direction: the place is further to the right'),
            (
                0,
                'cell 0 of the dense network says what cell 0 of the strided '
                'one says. Where was that drawn, where is it drawn now?',
            ),
            (
                trained - dense,
                'the middle of a cell is half of the stride from its border',
            ),
            got='{:g}',
            hint='centred upsampling draws cell 0 at (s − 1) / 2. Compare '
            'both strides',
            tolerance=ROUNDED,
        )
    return 'Dense and strided cells of one number belong to one place.'


# ------------------------------------------------------------- Between


@check('a function of scores, stride, first place and places')
def between_cells(between):
    """Interpolate twenty random rows and compare.

    between(scores, stride, first, places): lists of numbers, to a list.
    """
    rng = onp.random.default_rng(0)
    for stride, first in ((1, 0), (4, 1.5), (8, 15.5), (16, 7.5), (32, 0)):
        for count in (2, 3, 7, 9):
            scores = rng.integers(-9, 10, count).astype(float)
            last = first + stride * (count - 1)
            places = onp.sort(rng.uniform(first - stride, last + stride, 9))
            places[4] = round(first + stride)
            cells = (places - first) / stride
            held = onp.clip(cells, 0, count - 1)
            right = onp.interp(held, range(count), scores)
            ours = call(
                between,
                scores.tolist(),
                stride,
                first,
                places.tolist(),
                name='between',
            )
            nearest = scores[onp.rint(held).astype(int)]
            below = scores[held.astype(int)]
            from_zero = onp.interp(places / stride, range(count), scores)
            faded = right * (cells == held)
            expect(
                array(ours, right.shape, 'what between returns'),
                right,
                f'with stride {stride}, first {first} and {count} scores, the '
                'score at place number {} is not right',
                (
                    nearest,
                    'this is the nearest cell. Bilinear interpolation is not '
                    'the nearest whole number: it takes a share of two cells',
                ),
                (below, 'this is the cell before the place'),
                (
                    from_zero,
                    'cell 0 lies at `first`, not at 0: subtract it before '
                    'you divide',
                ),
                (faded, 'beyond the outermost cells their scores stay'),
                expected='{:.4f}',
                hint='how many cells from `first` is the place? Which two '
                'cells is that between?',
            )
    return 'The same weights as the chapter’s matrix holds, row by row.'


# ------------------------------------------------------------- Interleave


def _plane(X, K, rate):
    """The definition: nine shifted maps, added up; zeros outside."""
    wide = onp.pad(X, rate)
    return sum(
        K[i, j] * wide[rate * i :, rate * j :][: X.shape[0], : X.shape[1]]
        for i in range(3)
        for j in range(3)
    )


@check('a function of a map, a kernel and a rate')
def interleaved(interleave):
    """Convolve maps of several sizes, and compare with the definition.

    interleave(X, K, rate): X (h, w), K (3, 3), both MXNet's, to (h, w).
    """
    rng = onp.random.default_rng(0)
    for h, w, rate in (
        (6, 8, 1),
        (6, 8, 2),
        (7, 9, 2),
        (9, 6, 3),
        (8, 11, 3),
        (5, 7, 4),
        (4, 5, 6),
    ):
        X, K = (
            rng.integers(-4, 5, s).astype('float32') for s in ((h, w), (3, 3))
        )
        right = _plane(X, K, rate)
        ours = call(
            interleave,
            np.array(X),
            np.array(K),
            rate,
            name='interleave',
            without=(npx.convolution,),
        )
        name = f'a map of {h} × {w} with rate {rate}'
        expect(
            array(ours, (h, w), f'what interleave returns for {name}'),
            right,
            f'{name}: not right in row {{}}, column {{}}',
            (
                _plane(X, K, 1),
                'these are neighbours, as without holes: take every r-th '
                'row and column',
            ),
            (
                _plane(X, K[::-1, ::-1], rate),
                'your kernel is flipped',
            ),
            (
                _plane(X, K.T, rate),
                'rows and columns of the kernel are exchanged',
            ),
            got='{:g}',
            hint='do the numbers that one output reads all lie in one part? '
            'Where does each part go back to?',
        )
    return 'Plain kernels suffice for holes, with r² smaller maps.'
