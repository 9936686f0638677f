"""Checks of the exercises of the chapter on skip connections.

Each takes the answer that its docstring describes and returns a `Verdict`.
Where cells lie is found by following them back to the photo, one by one.
"""

import functools

import segbook
import utils
from checks import (
    Wrong,
    array,
    blocks,
    call,
    check,
    expect,
    predictions,
    same,
    seen,
    up,
    upsampling_matrix,
    whole,
)

import numpy as onp
from mxnet import init, np
from mxnet.gluon import Block, nn

CLASSES = len(segbook.VOC_CLASSES)
CONV, POOL = (3, 1, 1), (2, 2, 0)
CHAINS = {
    'strided': [(3, 2, 1), (3, 2, 1)],
    'pooled': [CONV, POOL, CONV, POOL],
    'patches': [(4, 4, 0)],
    'mixed': [(7, 2, 3), POOL],
}
GAIN = 0.75  # of the oracle's wrong pixels, as many may be left
STRIDES = 4, 8, 16, 32


def _middle(layers, cell):
    """The middle of the pixels that a cell sees, along one axis."""
    pixels = seen(layers, cell)
    return (pixels[0] + pixels[-1]) / 2


def _triangle(stride, size=None):
    """The weights of linear interpolation, of a centred kernel by default."""
    size = size or 2 * stride
    places = onp.arange(size) - (size - 1) / 2
    return 1 - abs(places) / ((size + 1) // 2)


# ------------------------------------------------ Where Do the Cells Lie?


@check('two numbers (r, b) for each of the four chains')
def places(strided, pooled, patches, mixed):
    """Check where cells lie: a pair (r, b) for each chain.

    Cell m is at r * m + b, the middle of the pixels that it sees. Following
    cells back to the photo, one by one, decides.
    """
    answers = strided, pooled, patches, mixed
    for (name, layers), answer in zip(CHAINS.items(), answers, strict=True):
        _judge_place(array(answer, (2,), name), name, layers)
    return (
        'Of these, those at 4 m + 1.5 lie in the middle of their own four '
        'pixels: where bilinear enlarging by 4 puts them back.'
    )


def _judge_place(got, name, layers):
    b = _middle(layers, 0)
    r = _middle(layers, 1) - b
    kernels, strides, paddings = onp.array(layers).T
    centers = (kernels - 1) / 2 - paddings
    if same(got, (b, r)) and b != r:
        raise Wrong(
            f'{name}: the numbers are right, their order is not',
            expected='(r, b)',
        )
    expect(
        got[0],
        r,
        f'{name}: r is wrong',
        (strides.sum(), 'strides are multiplied, not added'),
        (strides[-1], 'this is the stride of the last layer alone'),
        got='{:g}',
        hint='by how many pixels of the photo lies the next cell further?',
    )
    expect(
        got[1],
        b,
        f'{name}: b is wrong',
        (
            centers.sum(),
            'a step in the map behind a layer with stride 2 is two pixels '
            'long: multiply by the r so far',
        ),
        (
            (centers * onp.cumprod(strides)).sum(),
            'a layer’s own stride counts only for the layers behind it',
        ),
        (
            seen(layers, 0)[0],
            'this is the first pixel that cell 0 sees; asked is the middle',
        ),
        (
            (r - 1) / 2,
            'this is the middle of r pixels, where one would like the cell to '
            'be. Where is it?',
        ),
        (-b, 'the sign: without padding, the middle lies inside'),
        got='{:g}',
        hint='each layer adds (k - 1) / 2 - p, times the r so far',
    )


# ------------------------------------------------------- Zeros That Learn


@check('True or False for one tap, and two of them for each of four taps')
def zeros(single, last_zero, first_zero, both_zero, factor_zero):
    """Check predictions of which weights get a gradient at first.

    single: True or False. last_zero, first_zero, both_zero: for the last
    layer and for the first. factor_zero: for the factor and for the layers.
    Moving each weight a little, in NumPy, decides.
    """
    answers = {'single': single}
    pairs = {
        'last_zero': (last_zero, ('the last layer', 'the first layer')),
        'first_zero': (first_zero, ('the last layer', 'the first layer')),
        'both_zero': (both_zero, ('the last layer', 'the first layer')),
        'factor_zero': (factor_zero, ('the factor', 'the layers')),
    }
    for name, (answer, parts) in pairs.items():
        if isinstance(answer, str):
            raise Wrong(f'{name} must be two of True and False, not a text')
        for part, value in zip(parts, array(answer, (2,), name), strict=True):
            answers[f'{name}, {part}'] = value
    rule = (
        'the gradient of a weight is its own input times what comes back '
        'from the loss, through all that stands behind it. '
    )
    hints = {
        'single': 'neither its input nor what comes back depends on the '
        'weight itself',
        'last_zero, the last layer': 'its input is not zero',
        'last_zero, the first layer': 'what comes back passes the zeros',
        'first_zero, the last layer': 'its input is what the first one gives',
        'first_zero, the first layer': 'its input is the map, and what comes '
        'back passes a layer that is not zero',
        'both_zero, the last layer': 'its input is what the first one gives',
        'both_zero, the first layer': 'what comes back passes the zeros',
        'factor_zero, the factor': 'what it multiplies is not zero',
        'factor_zero, the layers': 'what comes back to them is multiplied by '
        'the factor',
    }
    predictions(
        answers,
        _moved_loss(),
        {name: rule + hint for name, hint in hints.items()},
    )
    return (
        'One zero in a row learns and lets the others follow a step later; '
        'two zeros in a row wait for each other forever.'
    )


def _moved_loss():
    """Whether the loss moves with some weight of each part; by trying."""
    rng = onp.random.default_rng(4)
    x, pull = rng.normal(size=(5, 7)), rng.normal(size=(4, 7))
    first, last = rng.normal(size=(3, 5)), rng.normal(size=(4, 3))

    def moves(tap, *weights, part):
        """Whether a little more in weights[part] changes the loss at all."""
        slopes = []
        for place in onp.ndindex(weights[part].shape):
            losses = []
            for step in (1e-3, -1e-3):
                changed = [weight.copy() for weight in weights]
                changed[part][place] += step
                losses.append((pull * tap(*changed)).sum())
            slopes.append(abs(losses[0] - losses[1]))
        return max(slopes) > 1e-9

    def one(weight):
        return weight @ x

    def two(last, first):
        return last @ (first @ x)

    def times(factor, last, first):
        return factor * (last @ (first @ x))

    found = {'single': moves(one, onp.zeros((4, 5)), part=0)}
    for name, weights in (
        ('last_zero', (0 * last, first)),
        ('first_zero', (last, 0 * first)),
        ('both_zero', (0 * last, 0 * first)),
    ):
        for part, text in enumerate(('the last layer', 'the first layer')):
            found[f'{name}, {text}'] = moves(two, *weights, part=part)
    weights = onp.zeros(()), last, first
    found['factor_zero, the factor'] = moves(times, *weights, part=0)
    found['factor_zero, the layers'] = any(
        moves(times, *weights, part=part) for part in (1, 2)
    )
    return found


# --------------------------------------------------- Before or After?


@check('True or False for each of five pairs, and a number')
def exchanged(add, score, relu, softmax, twice, fewer):
    """Check which steps may be exchanged with enlarging, inside.

    Five answers are True or False; random maps decide. fewer: how many times
    fewer multiplications a 1 x 1 convolution takes before a map is enlarged
    32 times.
    """
    answers = dict(
        add=add, score=score, relu=relu, softmax=softmax, twice=twice
    )
    hints = {
        'add': 'each enlarged number is a sum of its neighbours with fixed '
        'weights, whichever map it is',
        'score': 'the weights of the interpolation add up to 1, so the bias '
        'survives too',
        'relu': 'between a cell with -1 and one with 3 lies 1. And if the -1 '
        'becomes 0 first?',
        'softmax': 'a softmax is not linear: the mean of two scores and the '
        'mean of two probabilities are different things',
        'twice': 'sketch the row 0 0 1 0 0, enlarged twice at once, and by '
        'steps: does the peak keep its height?',
    }
    predictions(answers, _may_be_exchanged(), hints)
    expect(
        whole(fewer, 'fewer'),
        32 * 32,
        'fewer: it is another number',
        (32, 'a map has rows and columns'),
        (16 * 16, 'the map is enlarged 32 times, in both directions'),
        (1, 'it multiplies at each place of the map, and there are more then'),
        got='{:g}',
        hint='how many places has the map after it is enlarged, for each that '
        'it had before?',
    )
    return (
        'Scoring first gives the same and takes a thousandth of the work. So '
        'networks score small maps and enlarge the scores.'
    )


def _may_be_exchanged():
    rng = onp.random.default_rng(5)
    one, other = rng.normal(size=(2, 5, 6, 7))
    weights, bias = rng.normal(size=(4, 5)), rng.normal(size=(4, 1, 1))

    def enlarge(maps, stride=4):
        rows, columns = (
            upsampling_matrix(size, stride) for size in maps.shape[-2:]
        )
        return rows @ maps @ columns.T

    def score(maps):
        return onp.einsum('kc,cij->kij', weights, maps) + bias

    def relu(x):
        return onp.maximum(x, 0)

    def softmax(x):
        return onp.exp(x) / onp.exp(x).sum(axis=0)

    def agree(a, b):
        inside = slice(4, -4)
        return same(a[:, inside, inside], b[:, inside, inside])

    return {
        'add': agree(enlarge(one + other), enlarge(one) + enlarge(other)),
        'score': agree(enlarge(score(one)), score(enlarge(one))),
        'relu': agree(enlarge(relu(one)), relu(enlarge(one))),
        'softmax': agree(enlarge(softmax(one)), softmax(enlarge(one))),
        'twice': agree(enlarge(enlarge(one, 2), 2), enlarge(one)),
    }


# --------------------------------------------------- Where Are the Weights?


@check('three pairs of numbers')
def weights(paper, ours, learned):
    """Check how many numbers there are to train in taps and upsamplings.

    Each a pair, for strides 16 and 8: the paper's taps on VGG16's pool4 and
    pool3, our taps on ResNet-18, and learned upsamplings of 21 classes.
    """
    depths = {'paper': (512, 256), 'ours': (256, 128)}
    _judge_weights(
        paper,
        'paper',
        lambda c: CLASSES * c + CLASSES,
        (lambda c: CLASSES * c, 'each class has a bias as well'),
        (lambda c: c + 1, 'these are the numbers of one class'),
        depths=depths['paper'],
    )

    def ours_of(c, statistics=0, biases=0, norms=1, kernel=9):
        numbers = (2 + statistics) * (c + 64 + 64) * norms
        numbers += kernel * (c * 64 + 64 * 64) + 2 * 64 * biases
        return numbers + CLASSES * 64 + CLASSES

    _judge_weights(
        ours,
        'ours',
        ours_of,
        (
            lambda c: ours_of(c, statistics=2),
            'the running means and variances of a batch normalisation are '
            'not trained',
        ),
        (
            lambda c: ours_of(c, norms=0),
            'a batch normalisation has two numbers to train for each channel',
        ),
        (
            lambda c: ours_of(c, biases=1),
            'the two convolutions before the last have no bias',
        ),
        (
            lambda c: ours_of(c) - CLASSES,
            'the last convolution has a bias for each class',
        ),
        (lambda c: ours_of(c, kernel=1), 'a 3 x 3 kernel has nine numbers'),
        (lambda c: ours_of(c, kernel=3), 'a 3 x 3 kernel has nine numbers'),
        depths=depths['ours'],
    )
    _judge_weights(
        learned,
        'learned',
        lambda s: CLASSES**2 * (2 * s) ** 2,
        (
            lambda s: CLASSES * (2 * s) ** 2,
            'a transposed convolution has a kernel from every class to every '
            'class',
        ),
        (
            lambda s: CLASSES**2 * s**2,
            'the side of the kernel is twice the stride',
        ),
        (lambda s: CLASSES**2 * 2 * s, 'a kernel has rows and columns'),
        (
            lambda s: CLASSES**2 * (2 * s) ** 2 + CLASSES,
            'this layer has no bias',
        ),
        depths=(16, 8),
    )
    return (
        'The upsampling of stride 16 would have more numbers to learn than '
        'both taps together, for what interpolation does with none.'
    )


def _judge_weights(answer, name, count, *mistakes, depths):
    known = [
        (tuple(wrong(c) for c in depths), hint) for wrong, hint in mistakes
    ]
    right = tuple(count(c) for c in depths)
    expect(
        array(answer, (2,), name),
        right,
        f'{name}: another number is right',
        (right[::-1], 'first for stride 16, then for stride 8'),
        *known,
        got='{:.0f}',
        hint='go through the layers: a convolution has inputs times outputs '
        'times the cells of its kernel, and a bias for each output if it '
        'has one; a batch normalisation two for each channel',
    )


# ---------------------------------------------- An Upsampling for ResNet


@check('a function of a stride that returns three whole numbers')
def resnet_upsampling(settings):
    """Check a layer that puts cell m at pixel s * m.

    settings(s): (k, p, a) of a transposed convolution of stride s with the
    book's triangle as its kernel. Single pixels and ones, sent through it in
    NumPy, decide.
    """
    for stride in (2, 3, 8):
        result = call(settings, stride)
        name = f'the settings for stride {stride}'
        got = array(result, (3,), name)
        k, p, a = (whole(value, name) for value in got)
        if k < 1 or k > 200 or p < 0 or not 0 <= a < stride:
            raise Wrong(
                f'{name} are not those of a layer',
                expected='k of at least 1, p of at least 0, and a from 0 to '
                f'{stride - 1}',
                got=f'k = {k}, p = {p}, a = {a}',
            )
        _judge_settings(k, p, a, stride)
    return (
        'An odd kernel lies on a pixel, an even one between two: which one '
        'is right depends on where the network’s layers look.'
    )


def _judge_settings(k, p, a, s):
    got = f'k = {k}, p = {p}, a = {a}'
    n = 6
    size = segbook.trans_conv_size(n, k, s, p, a)
    if (k, p, a) == (2 * s, s // 2, 0):
        raise Wrong(
            f'stride {s}: this puts cell m at {s} m + {(s - 1) / 2:g}',
            got=got,
            hint='that is right for VGG16, whose cells lie between pixels; '
            'those of ResNet lie on a pixel. An odd kernel has a middle',
        )
    if size != s * n:
        hint = 'what is missing at the end, the output padding adds'
        if size > s * n:
            hint = 'the padding takes p off on both sides'
        raise Wrong(
            f'stride {s}: the map does not become {s} times as large',
            expected=f'{n} cells become {s * n} pixels',
            got=f'{size}, with {got}',
            hint=hint,
        )
    column = _triangle(s, k)[:, None]
    held = up(onp.eye(n)[:, 3:4], column, s)[:, 0]
    middle = (held * onp.arange(len(held))).sum() / held.sum() - p
    if abs(middle - 3 * s) > 1e-3:
        raise Wrong(
            f'stride {s}: cell 3 does not lie at pixel {3 * s}',
            got=f'at {middle:g}, with {got}',
            hint='the stamp of cell m begins at s m - p, and its middle lies '
            '(k - 1) / 2 further',
        )
    ones = up(onp.ones((n, 1)), column, s)[:, 0][p : p + s * n]
    inside = ones[s + 1 : -s - 1]
    if abs(inside - 1).max() > 1e-3:
        raise Wrong(
            f'stride {s}: this does not interpolate',
            expected='a map of ones stays at 1, away from the border',
            got=f'from {inside.min():.3g} to {inside.max():.3g}, with {got}',
            hint='the weight falls from 1 to 0 over the stride, to both '
            'sides: how many pixels have a weight above 0?',
        )


# -------------------------------------------------- Another Padding


@check('a function of a padding and a stride, and a whole number')
def padding(offset, least):
    """Check the offsets of the paper's networks with another padding.

    offset(padding, stride): which pixel of the scores belongs to pixel 0 of
    the photo. least: the least padding with which FCN-32s takes photos of
    every size. Cells that hold their places, enlarged by stamps, decide.
    """
    cases = [(p, stride) for p in (100, 90, 1, 81) for stride in (32, 16, 8)]
    given, right = [], []
    for p, stride in cases:
        result = call(offset, p, stride)
        given.append(float(array(result, (), 'the offset')))
        right.append(_measured_offset(p, stride))
    given, right = onp.array(given), onp.array(right)
    first = int(onp.argmax(abs(given - right) > 1e-4))
    paddings, strides = onp.array(cases).T
    published = onp.select([strides == 32, strides == 16], [19, 27], 31)
    expect(
        given,
        right,
        f'the offset is wrong for a padding of {cases[first][0]} and '
        f'stride {cases[first][1]}',
        (-right, 'the sign: with more padding the photo begins later'),
        (
            published,
            'these are the offsets for a padding of 100; what does each pixel '
            'of padding change?',
        ),
        (paddings, 'fc6 and the transposed convolutions move it as well'),
        (paddings - 81, 'each doubling moves the scores, too, by its stride'),
        (
            right + 96,
            'fc6 has no padding: its first cell looks three cells further',
        ),
        (
            right + 1,
            'the first convolution has kernel 3: its middle lies one further',
        ),
        (
            right - 1,
            'count once more: the first convolution shifts by 1 - P',
        ),
        expected='{:g}',
        got='{:g}',
        hint='begin with b = 1 - P behind the first convolution and go on '
        'layer by layer; `segbook.cell_places` does that for you',
    )
    expect(
        whole(least, 'least'),
        _least_padding(),
        'least: another padding is the least',
        (
            81,
            'with this, pixel 0 has its score. But is the map of a very small '
            'photo large enough for fc6?',
        ),
        (
            96,
            'nearly: a photo of one pixel must become 7 cells of 32, and the '
            'last of them may be cut short',
        ),
        (
            112,
            113,
            'the poolings round up, so the last cell need not be full',
        ),
        (100, 'this is what the authors took. Is less enough?'),
        got='{:g}',
        hint='fc6 needs 7 cells. How many pixels are the least that five '
        'poolings, rounding up, make 7 of?',
    )
    return (
        'The authors took 100. Only very small photos need so much: for '
        'pixel 0 alone, 81 would do.'
    )


def _paper_chain(padding):
    chain = [(3, 1, padding)]
    for depth in (1, 2, 3, 3, 3):
        chain += [*[CONV] * depth, POOL]
    return [*chain, (7, 1, 0)]


@functools.cache
def _measured_offset(padding, stride):
    """Let each cell hold its place, enlarge, and look what is held where."""
    chain = _paper_chain(padding)
    begin = _middle(chain, 0)
    step = _middle(chain, 1) - begin
    held = (begin + step * onp.arange(8))[:, None]
    for _ in range({32: 0, 16: 1, 8: 2}[stride]):
        held = up(held, _triangle(2)[:, None], 2)
    held = up(held, _triangle(stride)[:, None], stride)[:, 0]
    place = len(held) // 2
    return round(float(place - held[place]), 3)


def _least_padding():
    """Try paddings: every photo must have cells enough, and all its scores."""

    def fits(padding, size):
        cells = size + 2 * padding - 2
        for _ in range(5):
            cells = len(range(0, cells, 2))  # the last may be cut short
        cells -= 6
        if cells < 1:
            return False
        offset = _measured_offset(padding, 32)
        return 0 <= offset <= 32 * cells + 32 - size

    return next(
        p
        for p in range(200)
        if all(fits(p, size) for size in (*range(1, 40), 321, 500))
    )


# ------------------------------------------------------------- FCN-4s


@check('a function of features, and one of maps and layers', seconds=20)
def fcn4(cut, fuse):
    """Check the parts of an FCN-4s.

    cut(features): four blocks, which end at strides 4, 8, 16, 32; features
    are laid out as ResNet18_v2's. fuse(maps, layers): four maps, the finest
    first, and a 1 x 1 convolution for each, to scores of the photo's size.
    Scores are added and enlarged in NumPy to compare.
    """
    rng = onp.random.default_rng(8)
    _judge_cut(cut, rng)
    _judge_fuse(fuse, rng)
    return (
        'Each map is enlarged by its own stride, and all of them meet at '
        'the size of the photo.'
    )


def _small_features(rng):
    """The layers of ResNet18_v2, with few channels and a layer a stage."""
    features = nn.HybridSequential()
    features.add(nn.BatchNorm(), nn.Conv2D(4, 7, 2, 3, use_bias=False))
    features.add(nn.BatchNorm(), nn.Activation('relu'), nn.MaxPool2D(3, 2, 1))
    for channels, stride in ((4, 1), (6, 2), (8, 2), (10, 2)):
        features.add(nn.Conv2D(channels, 3, stride, 1, use_bias=False))
    features.add(nn.BatchNorm(), nn.Activation('relu'))
    features.add(nn.GlobalAvgPool2D(), nn.Flatten())
    features.initialize(init.Zero(), utils.try_all_gpus()[0])
    features(np.zeros((1, 3, 64, 96), ctx=utils.devices_of(features)[0]))
    for weight in features.collect_params().values():
        if len(weight.shape) == 4:
            _fill(weight, rng)
    return features


def _fill(weight, rng):
    """Random weights that leave MXNet's own generator alone."""
    values = rng.normal(size=weight.shape)
    weight.set_data(np.array(values, dtype='float32'))


def _judge_cut(cut, rng):
    features = _small_features(rng)
    device = utils.devices_of(features)[0]
    x = np.array(rng.normal(size=(1, 3, 64, 96)), dtype='float32', ctx=device)
    expected = array(features[:11](x))
    parts = call(cut, features, name='cut')
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        got = (
            f'{len(parts)} parts'
            if isinstance(parts, list | tuple)
            else (type(parts).__name__)
        )
        raise Wrong('cut does not return four blocks in a list', got=got)
    if not all(isinstance(part, Block) for part in parts):
        raise Wrong(
            'not everything that cut returns is a block',
            got=[type(part).__name__ for part in parts],
            hint='features[a:b] is a block; features[a] is one too',
        )
    for stride, channels, part in zip(
        STRIDES, (4, 6, 8, 10), parts, strict=True
    ):
        x = call(part, x, name=f'the block that ends at stride {stride}')
        size = 1, channels, 64 // stride, 96 // stride
        got = tuple(getattr(x, 'shape', ()))
        if got != size:
            hint = 'print the shape of the map behind each layer of features'
            if got[2:] == (1, 1) or len(got) == 2:
                hint = 'the mean over all places belongs to the classifier'
            elif stride == 4 and got[2:] == size[2:]:
                hint = 'the first part goes on to the last layer of stride 4'
            raise Wrong(
                f'the map of stride {stride} has the wrong shape',
                expected=size,
                got=got,
                hint=hint,
            )
    if not same(array(x, name='the last map'), expected, 1e-3):
        raise Wrong(
            'the last map is not that of the backbone',
            hint='behind the last stage a normalisation and a ReLU follow, '
            'layers 9 and 10',
        )


def _judge_fuse(fuse, rng):
    depths, device = (3, 4, 5, 6), utils.try_all_gpus()[0]
    maps, layers, right = [], [], []
    for stride, depth in zip(STRIDES, depths, strict=True):
        layer = nn.Conv2D(5, 1, in_channels=depth)
        layer.initialize(init.Zero(), device)
        layer(np.zeros((1, depth, 1, 1), ctx=device))  # MXNet 2 needs a look
        _fill(layer.weight, rng)
        _fill(layer.bias, rng)
        layers.append(layer)
        values = rng.normal(size=(depth, 64 // stride, 96 // stride))
        maps.append(np.array(values[None], dtype='float32', ctx=device))
        weight = array(layer.weight.data(device))[:, :, 0, 0]
        bias = array(layer.bias.data(device))[:, None, None]
        right.append(onp.einsum('kc,cij->kij', weight, values) + bias)
    result = call(fuse, list(maps), list(layers), name='fuse')
    got = array(result, (1, 5, 64, 96), 'the scores', _fused_shape)[0]
    pairs = list(zip(right, STRIDES, strict=True))
    enlarged = onp.array([_enlarged(scores, s) for scores, s in pairs])
    whole_sum = enlarged.sum(axis=0)
    stepwise = right[-1]
    for finer in right[-2::-1]:
        stepwise = _enlarged(stepwise, 2) + finer
    expect(
        got,
        whole_sum,
        'these are not the sums of the scores',
        (
            _enlarged(stepwise, 4),
            'this doubles step by step, as the paper does. Here, enlarge '
            'each map once, by its own stride',
        ),
        (
            sum(blocks(scores, s) for scores, s in pairs),
            'each score is repeated; it should be interpolated',
        ),
        (whole_sum / 4, 'this is the mean of the four; add them up'),
        *(
            (
                whole_sum - enlarged[i],
                f'the map of stride {STRIDES[i]} is missing',
            )
            for i in range(4)
        ),
        (enlarged[3], 'only the coarsest map is scored'),
        (enlarged[0], 'only the finest map is scored'),
        expected='{:.3f} for class {}, row {}, column {}',
        hint='score each map with its own layer, enlarge it by its own '
        'stride with segbook.BilinearUpsampling, and add all four',
        tolerance=1e-3,
    )


def _enlarged(maps, stride):
    rows, columns = (
        upsampling_matrix(size, stride) for size in maps.shape[-2:]
    )
    return rows @ maps @ columns.T


def _fused_shape(got):
    if got[2:] == (16, 24):
        return 'these are the scores at stride 4: enlarge them to the photo'
    if len(got) == 3:
        return 'keep the axis of the batch'
    return 'all maps become as large as the photo, 64 x 96 here'


# --------------------------------------------------- Beat the Oracle


@check(
    'a function of a label and a stride that returns scores of cells',
    seconds=90,
)
def better(better):
    """Compare scores with the oracle's, on labels that nobody has seen.

    better(label, stride): uint8 (H, W) without void, sides that the stride
    divides, to scores (21, H / stride, W / stride). They are enlarged
    bilinearly in NumPy; at most three quarters of the oracle's wrong pixels
    may be left.
    """
    rng = onp.random.default_rng(9)
    ours, theirs, pixels, own_shares = 0, 0, 0, True
    for size in ((64, 96), (96, 64)):
        label = _blobs(rng, size)
        result = call(better, label.copy(), 16)
        cells = CLASSES, size[0] // 16, size[1] // 16
        got = array(result, cells, 'the scores of the cells', _cells_shape)
        shares = _shares(label, 16)
        own_shares = own_shares and same(got, shares, 1e-3)
        ours += (_enlarged(got, 16).argmax(axis=0) != label).sum()
        theirs += (_enlarged(shares, 16).argmax(axis=0) != label).sum()
        pixels += label.size
    if ours > GAIN * theirs:
        hint = (
            'let the program find the scores: begin with the shares, enlarge, '
            'compare with the label by the usual loss, and follow the '
            'gradient for some dozen steps'
        )
        if own_shares:
            hint = 'these are the oracle’s own scores, the shares. ' + hint
        elif ours > theirs:
            hint = 'this is worse than the shares themselves. ' + hint
        elif ours < 0.95 * theirs:
            hint = (
                'it is better than the oracle, and can be better still. Take '
                'more steps, or longer ones'
            )
        raise Wrong(
            'the oracle is not beaten by enough',
            expected=f'at most {int(GAIN * theirs)} wrong pixels, three '
            f'quarters of the oracle’s {theirs}',
            got=f'{ours} of {pixels}',
            hint=hint,
        )
    return (
        f'{ours} wrong pixels, where the oracle of shares has {theirs}, at '
        'the same stride. So the oracle is no upper bound; it is an estimate.'
    )


def _cells_shape(got):
    if got[-2:] in ((64, 96), (96, 64)):
        return (
            'a network of stride 16 speaks once in 16 x 16 pixels: return '
            'the scores of the cells, before they are enlarged'
        )
    if len(got) == 2:
        return 'a score for each class and cell, not a class'
    return 'classes first, then rows and columns of cells'


def _blobs(rng, size):
    """A label of four classes with slanted borders."""
    rows, columns = onp.indices(size)
    label = onp.zeros(size, dtype='uint8')
    for kind in (2, 6, 9):
        a, b = rng.uniform(0.3, 0.8, size=2)
        row, column = rng.uniform(0.25, 0.75, size=2) * size
        far = abs(a * (rows - row) + b * (columns - column))
        far += abs(b * (rows - row) - a * (columns - column))
        label[far < 0.3 * min(size)] = kind
    return label


def _shares(label, stride):
    """What share of each cell each class has: (classes, rows, columns)."""
    height, width = (side // stride for side in label.shape)
    votes = label == onp.arange(CLASSES)[:, None, None]
    apart = votes.reshape(CLASSES, height, stride, width, stride)
    return apart.mean(axis=(2, 4))
