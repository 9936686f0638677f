"""Checks of the exercises of the chapter on bilinear kernels.

Each takes the answer that its docstring describes and returns a `Verdict`.
"""

from functools import partial

import segbook
import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    TOO_ROUND,
    Wrong,
    array,
    blocks,
    call,
    check,
    expect,
    recognise,
    same,
    up,
    upsampling_matrix,
    whole,
    words,
)

import numpy as onp
from mxnet import np
from PIL import Image

AT = '{:.4f} at row {}, column {}'  # as `expect` fills it in


def _triangle(kernel):
    places = onp.arange(kernel) - (kernel - 1) / 2
    return 1 - abs(places) / ((kernel + 1) // 2)


def _bilinear(image, stride):
    """Enlarge an array as the book's layer does."""
    weights = _triangle(2 * stride - stride % 2)
    padding = (len(weights) - stride) // 2
    return up(image, onp.outer(weights, weights), stride, padding)


def _pillow(image, height, width):
    picture = Image.fromarray(onp.asarray(image, dtype='float32'))
    return onp.asarray(picture.resize((width, height), Image.BILINEAR))


def _numbers(*shape, seed=0):
    return onp.random.default_rng(seed).random(shape).astype('float32')


# ------------------------------------------------------- A Kernel on Paper


@check('a list of weights and a whole number, for stride 3 and for stride 4')
def kernels(weights_3, padding_3, weights_4, padding_4):
    """Check two kernels of linear interpolation in one direction.

    weights_3, weights_4: a list of k numbers each; padding_3, padding_4:
    whole numbers. The book's triangle decides.
    """
    for stride, weights, padding in (
        (3, weights_3, padding_3),
        (4, weights_4, padding_4),
    ):
        name = f'the kernel for stride {stride}'
        got = array(weights, None, name)
        if got.ndim == 2 and min(got.shape) == 1:
            got = got.ravel()
        if got.ndim != 1 or got.size == 0:
            raise Wrong(
                f'{name} has the wrong shape',
                expected='a row of weights',
                got=f'the shape {got.shape}',
                hint='asked is one direction; in two, the kernel is the '
                'outer product of two such rows'
                if got.ndim == 2
                else None,
            )
        _weights(got, stride)
        _padding(whole(padding, f'the padding for stride {stride}'), stride)
    return (
        'The odd kernel has a weight of 1, the even one has none: no output '
        'pixel lies on its centre.'
    )


def _weights(got, stride):
    size = 2 * stride - stride % 2
    right = _triangle(size)
    if same(got, right, ROUNDED):
        return
    # what the triangle gives around the centre of the other kind
    between = 1 - abs(onp.arange(2 * stride) - stride + 0.5) / stride
    on = 1 - abs(onp.arange(2 * stride - 1) - stride + 1) / stride
    half = [n / stride for n in range(1, stride + 1)]
    apart = abs(onp.arange(size) - (size - 1) / 2)
    hint = recognise(
        got,
        (right, TOO_ROUND),
        (
            right / stride,
            right / right.sum(),
            'the weights must add up to the stride, not to 1: an input pixel '
            'feeds as many output pixels',
        ),
        (
            onp.pad(right, 1),
            onp.r_[0, right],
            'a weight of 0 at the end is no part of the kernel; with it, the '
            'kernel has another size, and needs another padding',
        ),
        (
            between,
            'for an odd stride the centre is itself an output pixel, and '
            'has the weight 1',
        ),
        (
            on,
            onp.pad(on, 1),
            onp.r_[0, on],
            onp.r_[on, 0],
            half + half[::-1],
            'for an even stride the centre lies between two output pixels. '
            'Which distance from it does the nearest one have?',
        ),
        (
            1 - apart / apart[0],
            'the weight falls to 0 at the distance of the stride, the '
            'factor, where the next centre lies; not at the last cell',
        ),
        tolerance=0.006,
    )
    if hint is None and got.shape != right.shape:
        hint = (
            'the triangle is twice the stride wide: how many output pixels '
            'lie inside it?'
        )
    if hint is None and not same(got, got[::-1]):
        hint = 'the triangle is symmetric, and so are its weights'
    raise Wrong(
        f'this is not the kernel for stride {stride}',
        got=f'{len(got)} weights, which add up to {got.sum():.4g}',
        hint=hint
        or 'mark the centre and the output pixels on a line. The weight is 1 '
        'at the centre and falls evenly to 0 over the stride',
    )


def _padding(got, stride):
    size = 2 * stride - stride % 2
    length = segbook.trans_conv_size(6, size, stride, got)
    expect(
        got,
        (size - stride) // 2,
        f'the padding for stride {stride} is wrong; the kernel is right',
        (
            0,
            'without padding the stamps of the first and the last pixel '
            'stick out on both sides',
        ),
        (
            size - stride,
            'this is what sticks out on both sides together; p is taken '
            'off on each',
        ),
        (
            size // 2,
            (size - 1) // 2,
            'half a kernel is what an ordinary convolution pads',
        ),
        expected=f'6 pixels become {6 * stride}',
        got=f'padding {got}: they become {length}',
        hint='how far does a stamp stick out beyond its own pixels?',
    )


# ------------------------------------------------------ Predict the Border


@check(
    'a triple of numbers (corner, edge, inside) and a list of rows, for '
    'stride 8 and for stride 5'
)
def border(border_8, rows_8, border_5, rows_5):
    """Check what the bilinear layer makes of ones at its border.

    border_8, border_5: three numbers each; rows_8, rows_5: row numbers in
    any order. Adding up stamps decides.
    """
    for stride, values, rows in ((8, border_8, rows_8), (5, border_5, rows_5)):
        Y = _bilinear(onp.ones((4, 4)), stride)
        middle = 2 * stride
        got = array(values, (3,), f'the border for stride {stride}')
        _border_values(got, Y[[0, 0, middle], [0, middle, middle]], stride)
        if isinstance(rows, range | set | frozenset):
            rows = list(rows)
        got = array(rows, None, f'the rows for stride {stride}').ravel()
        dark = onp.nonzero(Y[:middle, middle] < 1 - 1e-5)[0]
        if list(onp.unique(got)) != list(dark):
            _border_rows(got, dark, stride)
    return (
        'So the dark frame of the stride 32 is how wide? And how dark is its '
        'corner?'
    )


def _border_values(got, right, stride):
    corner, edge, inside = right

    def judge(at, where, *mistakes):
        expect(
            got[at],
            right[at],
            f'stride {stride}: the value {where} is wrong',
            *mistakes,
            hint='how far is that pixel from the only centre that reaches '
            'it, and which weight has the triangle there?',
            tolerance=ROUNDED,
        )

    if same(got, right[[1, 0, 2]], ROUNDED):
        raise Wrong(
            f'stride {stride}: the numbers are right, their order is not',
            expected='(corner, edge, inside)',
        )
    judge(
        2,
        'inside',
        (
            stride,
            'the weights of one kernel add up to the stride; but which '
            'of them meet at one output pixel?',
        ),
    )
    judge(  # before the corner, which follows from it
        1,
        'at the edge',
        (
            0.5,
            'this is the weight at the very edge of the picture; the middle '
            'of the outermost pixel lies half a pixel further inside',
        ),
        (1 - edge, 'this is the part that is lost; asked is what is left'),
        (
            1 / (2 * stride),
            'this is the first weight of the kernel. The padding cuts it off',
        ),
        (
            1 / stride,
            'this is near the first weight of the kernel, which '
            'the padding cuts off',
        ),
        (
            1,
            'the neighbour beyond the border does not exist, and its '
            'weight is lost',
        ),
        (
            edge**2,
            'at an edge only one direction lacks a neighbour; this is for two',
        ),
    )
    judge(
        0,
        'in the corner',
        (edge, 'in a corner neighbours are missing in both directions'),
        (
            2 * edge - 1,
            'the losses do not add up: the second direction loses a '
            'share of what the first one left',
        ),
        (edge / 2, 'the second direction loses its share, not a half'),
        (0.25, 'a quarter is what very large strides come close to'),
    )


def _border_rows(got, dark, stride):
    rows = {int(row) if row == int(row) else row for row in got.tolist()}
    if rows == set(range(stride)):
        hint = (
            'the first input pixel’s own rows: the later half of them has '
            'its second neighbour, the next input pixel'
        )
    elif rows == set(range(1, len(dark) + 1)):
        hint = 'the first row is row 0'
    elif rows == set(range(len(dark) + 1)):
        hint = (
            'one row too many: on the outermost centre itself the weight is '
            '1, and beyond it two neighbours exist'
        )
    elif rows > set(dark.tolist()):
        hint = 'asked is the upper half only, and only what is below 1'
    else:
        hint = 'which output pixels lie outside of the outermost centre?'
    raise Wrong(
        f'stride {stride}: these are not the rows below 1',
        got=sorted(rows),
        hint=hint,
    )


# --------------------------------------------------------- Find the Shift


@check('a function of k, s, p and a that returns a number')
def shift(shift):
    """Check a function that says how far a layer moves a picture.

    shift(k, s, p, a): output pixels, positive down and to the right. A single
    pixel is enlarged; the middle of what comes out decides.
    """
    settings = [(4, 2, 1, 0), (4, 2, 0, 0), (4, 2, 0, 1), (3, 2, 1, 1)]
    settings += [(3, 2, 0, 0), (2, 1, 0, 0), (6, 3, 2, 1), (5, 3, 1, 2)]
    settings += [(8, 4, 3, 2), (7, 4, 2, 1), (5, 4, 0, 3)]
    given, right = [], []
    for k, s, p, a in settings:
        result = call(shift, k, s, p, a)
        given.append(float(array(result, (), 'the shift')))
        right.append(_measured_shift(k, s, p, a))
    given, right = onp.array(given), onp.array(right)
    wrong = int(onp.argmax(abs(given - right) > 1e-4))
    text = ', '.join(
        f'{name} = {value}'
        for name, value in zip('kspa', settings[wrong], strict=True)
    )
    k, s, p, a = onp.array(settings).T
    expect(
        given,
        right,
        f'the shift is wrong for {text}',
        (
            -right,
            'the sign: a stamp that begins later, with less padding, '
            'moves the picture down and to the right',
        ),
        (
            right - a / 2,
            right + a / 2,
            'the output padding adds rows at the bottom and columns on '
            'the right only. What moves when they appear?',
        ),
        (right + a, right - a, 'the output padding moves nothing'),
        (right / s, 'asked are output pixels; these are input pixels'),
        (
            onp.floor(right),
            'there are half pixels: // cuts them off, / does not',
        ),
        (onp.trunc(right), 'there are half pixels: rounding cuts them off'),
        (
            right + (s - 1) / 2,
            'this is where the stamp’s middle lies. Compare it with the '
            'place where the input pixel belongs: the middle of its own '
            's output pixels, not the first of them',
        ),
        (
            2 * right,
            'this is the difference of the sizes: half of it is on each side',
        ),
        (
            right + p,
            'the padding cuts off the first rows. Where does the first '
            'stamp begin then?',
        ),
        expected='{:g}, as a single pixel shows that is sent through the '
        'layer',
        got='{:g}',
        hint='where does the stamp of pixel m begin, where is its middle, and '
        'where should it be?',
    )
    return (
        'Of size the output padding takes care, of place it does not: '
        'only an even k - s can be centred.'
    )


def _measured_shift(k, s, p, a):
    """Send one pixel through the layer; where is the middle of its stamp?"""
    weights = _triangle(k)
    image = onp.zeros((7, 7))
    image[3, 3] = 1
    row = up(image, onp.outer(weights, weights), s, p, a).sum(axis=1)
    middle = (row * onp.arange(len(row))).sum() / row.sum()
    return round(float(middle) - (3 * s + (s - 1) / 2), 3)


# ---------------------------------------------- Twice Is Not Always Once


@check('one of True and False for each of the four pairs')
def twice(two_then_two, three_then_three, two_then_three, three_then_two):
    """Check which pairs of steps enlarge as one step does, inside.

    Each answer is True (the same) or False. Random rows decide.
    """
    pairs = ((2, 2), (3, 3), (2, 3), (3, 2))
    answers = (two_then_two, three_then_three, two_then_three, three_then_two)
    names = [f'{first} then {second}' for first, second in pairs]
    if any(isinstance(answer, str) for answer in answers):
        raise Wrong('each answer must be True or False, without quotes')
    got = [
        float(array(answer, (), f'the answer for {name}'))
        for answer, name in zip(answers, names, strict=True)
    ]
    if not set(got) <= {0, 1}:
        raise Wrong(
            'each answer must be True or False',
            got=', '.join(f'{value:g}' for value in got),
        )
    right = [_twice_is_once(*pair) for pair in pairs]
    if got == right:
        return (
            'The first step decides, and whether it leaves a pixel on every '
            'centre.'
        )
    hint = (
        'sketch the row 0 0 1 0 0 and the straight lines between its '
        'centres. Which pixels does the first step keep of them, and what do '
        'straight lines between those give?'
    )
    if len(set(got)) == 1 and got[0]:
        hint = (
            'a curve of straight lines has a corner at each centre. Is the '
            'corner still there after the first step?'
        )
    elif len(set(got)) == 1:
        hint = (
            'if the first step keeps a pixel on every corner of the curve, '
            'the second draws the same lines again. Can that happen?'
        )
    elif got[2] == got[3]:
        hint = (
            'the order matters: after the first step the corners of the '
            'curve are kept or lost, and the second cannot change it'
        )
    count = sum(a == b for a, b in zip(got, right, strict=True))
    raise Wrong(f'{count} of the four predictions are right', hint=hint)


def _twice_is_once(first, second):
    row = _numbers(8, seed=1)
    stride = first * second
    once = upsampling_matrix(8, stride) @ row
    step = upsampling_matrix(8, first) @ row
    step = upsampling_matrix(8 * first, second) @ step
    return same(step[stride:-stride], once[stride:-stride])


# ---------------------------------------------------------- No Dark Frame


@check('a function of an image (h, w) and a stride that returns (s h, s w)')
def without_frame(without_frame):
    """Check a function that enlarges without a dark frame.

    without_frame(image, stride): takes an MXNet array (h, w). It must equal
    Pillow's bilinear resizing.
    """
    cases = (2, 4, 5), (3, 3, 6), (4, 5, 2), (8, 3, 4), (5, 1, 3)
    for stride, height, width in cases:
        image = _numbers(height, width, seed=stride)
        result = call(
            without_frame,
            np.array(image),
            stride,
            without=[Image.Image.resize],
        )
        size = stride * height, stride * width
        name = f'the output for stride {stride}'
        hint = partial(_frame_shape, size, stride)
        _judge_frame(array(result, size, name, hint), image, stride)
    return (
        'Repeating the border and dividing by the output on ones are the '
        'same thing.'
    )


def _frame_shape(size, stride, got):
    more = tuple(a - b for a, b in zip(got, size, strict=False))
    if more == (2 * stride, 2 * stride):
        return 'nothing is cut off yet: what did the repeated rows become?'
    if more[:1] != more[1:] and 0 in more:
        return 'one direction is right: treat rows and columns alike'
    if more == (2 * stride - 2, 2 * stride - 2):
        return (
            'one row was repeated at the input, but at the output it has '
            'become as many rows as the stride'
        )
    if min(more, default=0) < 0:
        return 'too much is cut off, or nothing was repeated before'
    return None


def _judge_frame(got, image, stride):
    def padded(mode):
        """What comes out if the border is made in another way."""
        if mode == 'reflect' and min(image.shape) < 2:
            return None
        wide = _bilinear(onp.pad(image, 1, mode=mode), stride)
        return wide[inside, inside]

    inside = slice(stride, -stride)
    right = _pillow(image, *got.shape)
    hint = 'first repeat, then enlarge, then cut'
    if any(
        a.size and same(a, b)
        for a, b in (
            (got[stride:], right[:-stride]),
            (got[:-stride], right[stride:]),
            (got[:, stride:], right[:, :-stride]),
            (got[:, :-stride], right[:, stride:]),
        )
    ):
        hint = 'the picture is moved: cut off equally much on both sides'
    elif same(got[inside, inside], right[inside, inside]):
        rows = same(got[:, inside], right[:, inside])
        columns = same(got[inside], right[inside])
        hint = 'the inside is right'
        if rows != columns:
            hint += '; one direction is mended, the other is not'
        elif rows:
            hint += ', the edges too; the corners lack two neighbours'
    expect(
        got,
        right,
        f'not equal to Pillow, for stride {stride} and an image of '
        f'{image.shape}',
        (
            _bilinear(image, stride),
            'this is the layer’s own output: the dark frame is still '
            'there. Is it cut off after the border was repeated, and '
            'repeated with the image’s own numbers, not with zeros?',
        ),
        (
            padded('reflect'),
            'the row next to the border was taken instead of the border '
            'itself (NumPy’s «reflect»)',
        ),
        (padded('wrap'), 'the border was taken from the opposite side'),
        expected=AT,
        hint=hint,
    )


# ---------------------------------------- Two Slices Instead of a Matrix


@check('a function of an array (h, w) that returns (2 h, 2 w)')
def double(double):
    """Check a function that enlarges by 2 as the bilinear layer does.

    double(image): takes an MXNet array (h, w). The sum of stamps decides, at
    the border too.
    """
    for seed, shape in enumerate(((4, 6), (5, 3), (1, 4), (1, 1), (7, 7))):
        image = _numbers(*shape, seed=seed)
        result = call(double, np.array(image))
        height, width = shape
        more = '; what was done in one direction, do in the other'
        half_done = {
            (2 * height, width): f'only the rows are doubled yet{more}',
            (height, 2 * width): f'only the columns are doubled yet{more}',
        }
        size = 2 * height, 2 * width
        got = array(result, size, 'the enlarged array', half_done.get)
        _judge_double(got, image)
    return (
        'Every output pixel is a sum of two numbers in each direction: no '
        'kernel needs to multiply zeros.'
    )


def _judge_double(got, image):
    """Try matrices that make typical mistakes, in both directions."""
    U = [upsampling_matrix(n, 2) for n in image.shape]

    def made(change):
        height, width = (change(matrix) for matrix in U)
        return height @ image @ width.T

    def wrapped(matrix):
        matrix = matrix.copy()
        matrix[0, -1] += 0.25
        matrix[-1, 0] += 0.25
        return matrix

    def swapped(matrix):
        return onp.where(matrix > 0, 1 - matrix, 0)

    def flipped(matrix):
        pairs = matrix.reshape(-1, 2, matrix.shape[1])
        return pairs[:, ::-1].reshape(matrix.shape)

    right = _bilinear(image, 2)
    inside = same(got[1:-1, 1:-1], right[1:-1, 1:-1]) and min(got.shape) > 2
    expect(
        got,
        right,
        f'not equal to the layer, for an array of {image.shape}'
        + ('; the inside is right' if inside else ''),
        (
            made(lambda matrix: matrix / matrix.sum(axis=1, keepdims=True)),
            'this is what Pillow does. The layer has zeros outside: at '
            'the border the neighbour’s quarter is lost',
        ),
        (made(swapped), 'the nearer neighbour must count more'),
        (
            made(wrapped),
            'the neighbours of the border come from the opposite side '
            '(as with NumPy’s roll); outside there is 0',
        ),
        (
            made(flipped),
            'each pair of output pixels is in the wrong order: the first '
            'lies nearer to the neighbour before',
        ),
        (
            made(lambda U: onp.concatenate([U[::2], U[1::2]])),
            'the two kinds of output pixels stand one after the other '
            'as blocks; they must alternate',
        ),
        (blocks(image, 2), 'this repeats each pixel; it does not interpolate'),
        expected=AT,
        hint='an output pixel lies a quarter of an input pixel from one '
        'centre, three quarters from the next: which weights?',
    )


# --------------------------------------------------------------- Any Size


@check('a function of two sizes that returns a matrix (new, old)')
def resize_matrix(resize_matrix):
    """Check a function that makes the matrix of linear interpolation.

    resize_matrix(old, new), new >= old: returns a matrix (new, old) whose
    rows add up to 1. Pillow's bilinear resizing of unit vectors decides.
    """
    sizes = (10, 37), (3, 4), (5, 5), (1, 6), (7, 70), (10, 320), (16, 500)
    for old, new in sizes:
        result = call(resize_matrix, old, new)
        side = (
            'the matrix is lying on its side. A row for each output pixel: '
            'so the product with a column of input numbers is a column of '
            'output numbers'
        )
        name = f'the matrix for {old} to {new}'
        got = array(result, (new, old), name, {(old, new): side}.get)
        right = _pillow(onp.eye(old), new, old)
        if not same(got, right):
            _wrong_resize(got, right, old, new)
    return (
        'The edges of both pictures coincide, and everything between them '
        'is in its place.'
    )


def _wrong_resize(got, right, old, new):
    u = onp.arange(new)

    def at(places):
        """Interpolate unit vectors at places, measured in input pixels."""
        inputs = onp.arange(old)
        columns = [onp.interp(places, inputs, unit) for unit in onp.eye(old)]
        return onp.stack(columns, axis=1)

    nearest = onp.rint((u + 0.5) * old / new - 0.5).clip(0, old - 1)
    whole_stride = (u + 0.5) / (new // old) - 0.5
    hint = recognise(
        got,
        (
            at(u * old / new),
            at((u + 0.5) * old / new),
            at(u * old / new - 0.5),
            'the picture is moved. Scale the middles of the pixels, counted '
            'from the edge of the picture: pixel 0 has its middle at 1/2',
        ),
        (
            at(onp.linspace(0, old - 1, new)),
            'the first and the last centres of both pictures coincide '
            '(«align corners»), so the picture is stretched. It is the '
            'edges that must coincide',
        ),
        (
            at(whole_stride),
            'new // old is cut to a whole number: the factor is a '
            'fraction here',
        ),
        (
            onp.eye(old)[nearest.astype(int)],
            'this takes the nearest pixel; it does not interpolate',
        ),
    )
    sums = got.sum(axis=1)
    row = int(onp.argmax(abs(got - right).max(axis=1)))
    if hint is None and abs(sums - 1).max() > 1e-4:
        row = int(onp.argmax(abs(sums - 1)))
        hint = 'each row must add up to 1'
        if abs(got / onp.where(sums, sums, 1)[:, None] - right).max() < 1e-4:
            hint = (
                'the weights are right up to one step: at the border a '
                'neighbour is missing, and the others must make up for it'
            )
    raise Wrong(
        f'row {row} of the matrix is wrong for {old} to {new}',
        expected='rows that add up to 1 and do what Pillow does',
        got=f'weights {got[row][got[row] != 0][:4].round(4).tolist()} at the '
        f'inputs {onp.nonzero(got[row])[0][:4].tolist()}',
        hint=hint
        or 'which place of the input does the middle of this output pixel '
        'cover, and which two input pixels are its neighbours?',
    )


# ---------------------------------------------------------- Other Kernels


@check('an array (k, k) and a padding for each kernel, and a text')
def other_kernels(box, box_padding, mine, mine_padding, answer):
    """Check two kernels for stride 4; read the reasons.

    box: must repeat each pixel 4 x 4 times. mine: any other kernel but the
    triangle that keeps ones and moves nothing. answer: a text, of which only
    the length is checked.
    """
    image = _numbers(8, 9, seed=3)
    box = _kernel(box, 'box')
    large = _enlarged(image, box, whole(box_padding, 'box_padding'), 'box')
    repeated = blocks(image, 4)
    _judge_box(large, repeated, box)
    mine = _kernel(mine, 'mine')
    padding = whole(mine_padding, 'mine_padding')
    large = _enlarged(image, mine, padding, 'mine')
    _keeps_ones(mine)
    for axis, names in (
        (1, ('down', 'up')),
        (0, ('to the right', 'to the left')),
    ):
        weights = mine.sum(axis=axis)
        middle = (weights * onp.arange(len(mine))).sum() / weights.sum()
        moved = middle - padding - 1.5
        if abs(moved) > 1e-3:
            raise Wrong(
                f'mine moves the picture {names[int(moved < 0)]}, by '
                f'{abs(moved):.3g} output pixels',
                hint='a kernel that is symmetric around its middle does not',
            )
    inside = slice(8, -8), slice(8, -8)
    for other, name in (
        (repeated, 'the box'),
        (_bilinear(image, 4), 'the triangle'),
    ):
        if same(large[inside], other[inside], 1e-3):
            raise Wrong(f'mine does the same as {name}; find another one')
    words(answer)
    step = onp.repeat([0.0, 1.0], 8) * onp.ones((16, 1))
    row = _enlarged(step, mine, padding, 'mine')[32, 16:-16]
    return (
        'Of a step from 0 to 1, yours makes numbers from '
        f'{row.min() + 0.0:.2f} to {row.max():.2f}. Which kernel is best, no '
        'check can say: compare your reasons with the solution’s.'
    )


def _kernel(answer, name):
    kernel = array(answer, None, name)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise Wrong(
            f'{name} has the wrong shape',
            expected='a square, (k, k)',
            got=kernel.shape,
            hint='the outer product makes a square of a row of weights: '
            'weights.reshape(-1, 1) * weights'
            if kernel.ndim == 1
            else None,
        )
    if not 1 <= len(kernel) <= 64:
        raise Wrong(f'{name} has the size {len(kernel)}; 64 is enough')
    return kernel


def _enlarged(image, kernel, padding, name):
    sizes = [
        segbook.trans_conv_size(n, len(kernel), 4, padding)
        for n in image.shape
    ]
    wanted = [4 * n for n in image.shape]
    if padding < 0 or sizes != wanted:
        raise Wrong(
            f'{name} does not make the image 4 times as large',
            expected=f'{image.shape} becomes {tuple(wanted)}',
            got=f'{tuple(sizes)} with the padding {padding}',
            hint='the kernel sticks out beyond its 4 pixels, equally far on '
            'both sides; the padding takes that off',
        )
    return up(image, kernel, 4, padding)


def _judge_box(large, repeated, box):
    hint = 'where do the stamps of two neighbours meet?'
    scale = large.sum() / repeated.sum()
    if same(large, scale * repeated):
        hint = (
            'the blocks are right, their height is not: a pixel of the input '
            'shall be 1 times itself in each of its output pixels'
        )
    elif len(box) > 4:
        hint = 'the stamps overlap: then the pixels are mixed, not repeated'
    problem = 'box does not repeat the pixels'
    expect(large, repeated, problem, expected=AT, hint=hint)


def _keeps_ones(kernel):
    sums = onp.array(
        [[kernel[u::4, v::4].sum() for v in range(4)] for u in range(4)]
    )
    if abs(sums - 1).max() < 1e-3:
        return
    hint = (
        'the output pixels get different sums: a checkerboard. Divide each '
        'phase by its sum, or sample a curve whose shifted copies add up to 1'
    )
    if abs(sums - 1).max() < 0.02:
        hint = (
            'nearly: are the weights rounded? Let the program work them out, '
            'or divide each phase by its sum'
        )
    elif abs(sums - sums.mean()).max() < 1e-3:
        hint = (
            f'all phases are equal, at {sums.mean():.4g}: the kernel only '
            'has to be multiplied by one number'
        )
    raise Wrong(
        'mine does not keep a picture of ones at 1',
        expected='segbook.phase_sums(mine, 4) are all 1',
        got=f'from {sums.min():.4g} to {sums.max():.4g}',
        hint=hint,
    )
