"""Checks of the exercises of the chapter on heat maps.

Each takes the answer that its docstring describes and returns a `Verdict`.
Chains of layers are lists of triples (kernel, stride, padding), from the
photo on; what they see and how large their maps are is counted, not computed.
"""

from functools import partial

import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    predictions,
    same,
    seen,
)

import numpy as onp
from mxnet import np

CONV, POOL = (3, 1, 1), (2, 2, 0)
CHAINS = {
    'convolutions': [CONV, CONV, CONV],
    'pool_last': [CONV, CONV, POOL],
    'pool_first': [POOL, CONV, CONV],
    'stem': [(7, 2, 3), (3, 2, 1)],
}
VGG16 = [
    layer for depth in (2, 2, 3, 3, 3) for layer in [*[CONV] * depth, POOL]
] + [(7, 1, 0)]
ALEXNET = [(11, 4, 2), (3, 2, 0), (5, 1, 2), (3, 2, 0)]
ALEXNET += [CONV, CONV, CONV, (3, 2, 0), (6, 1, 0)]


def _cells(size, layers):
    """Count the cells of each map, from `size` pixels along one axis."""
    counts = []
    for kernel, stride, padding in layers:
        starts = range(-padding, size + padding - kernel + 1, stride)
        size = len(starts)
        counts.append(size)
    return counts


# -------------------------------------------------------- What Does It See?


@check('three numbers (size, stride, first) for each of the four chains')
def sees(convolutions, pool_last, pool_first, stem):
    """Check receptive fields: a triple (size, stride, first) for each chain.

    Following the cells back to the photo, one by one, decides.
    """
    answers = convolutions, pool_last, pool_first, stem
    for (name, layers), answer in zip(CHAINS.items(), answers, strict=True):
        _judge_field(array(answer, (3,), name), name, layers)
    return (
        'The same three layers see 6 pixels or 10: a convolution behind the '
        'pooling takes steps of two pixels.'
    )


def _judge_field(got, name, layers):
    one, next_one = seen(layers, 0), seen(layers, 1)
    size, stride, first = one[-1] - one[0] + 1, next_one[0] - one[0], one[0]
    kernels, strides, paddings = onp.array(layers).T
    after = onp.cumprod(strides)
    if same(got[[1, 0, 2]], (size, stride, first)):
        raise Wrong(
            f'{name}: the numbers are right, their order is not',
            expected='(size, stride, first)',
        )
    expect(
        got[1],
        stride,
        f'{name}: the stride is wrong',
        (strides.sum(), 'strides are multiplied, not added'),
        (strides[-1], 'this is the stride of the last layer alone'),
        (1, 'a layer with stride 2 makes the next step twice as long'),
        got='{:g}',
        hint='by how many pixels moves what a cell sees, from one cell to '
        'the next?',
    )
    expect(
        got[0],
        size,
        f'{name}: the size is wrong',
        (
            1 + (kernels - 1).sum(),
            'a step in the map behind a layer with stride 2 is two pixels of '
            'the photo: multiply k - 1 by the stride so far',
        ),
        (
            1 + ((kernels - 1) * after).sum(),
            'a layer’s own stride counts only for the layers behind it: the '
            'kernel stands on the map in front of it',
        ),
        (kernels.sum(), kernels.prod(), 'a kernel of 3 adds 2 cells, not 3'),
        (
            size - 1,
            'from the first pixel to the last there is one step less than '
            'there are pixels',
        ),
        got='{:g}',
        hint='begin with 1 pixel, and let each layer add (k - 1) times the '
        'stride so far',
    )
    expect(
        got[2],
        first,
        f'{name}: the first pixel is wrong',
        (-first, 'the padding lies before pixel 0, so first is negative'),
        (0, 'with padding, cell 0 begins to see before the photo begins'),
        (
            -paddings.sum(),
            'a cell of padding behind a layer with stride 2 is two pixels '
            'wide',
        ),
        (
            -(paddings * after).sum(),
            'a layer’s own stride counts only for the layers behind it',
        ),
        (-(size // 2), 'this would be the middle of what it sees'),
        got='{:g}',
        hint='from first, each layer takes its padding times the stride so '
        'far',
    )


# ------------------------------------------------- How Large Is the Map?


@check(
    'the least and the most rows of a photo, the least and the most columns, '
    'and the rows and columns of a map'
)
def map_size(rows, columns, alexnet):
    """Check sizes of maps that were worked out on paper.

    rows, columns: (least, most) of photos for which VGG16 gives 3 x 5
    scores; alexnet: (rows, columns) of its map for 375 x 500 pixels. Counting
    where a kernel can stand, layer by layer, decides.
    """
    for name, answer, wanted in (('rows', rows, 3), ('columns', columns, 5)):
        fitting = [n for n in range(1, 1000) if _vgg_cells(n) == wanted]
        least, most = fitting[0], fitting[-1]
        expect(
            array(answer, (2,), name),
            (least, most),
            f'{name}: {wanted} are given by other photos',
            ((most, least), 'the least comes first'),
            (
                (32 * wanted, 32 * wanted + 31),
                (32 * wanted, 32 * wanted),
                'the kernel of the last layer is 7 cells long: how many '
                'cells must the map have on which it can stand so often?',
            ),
            (
                (least + 32, most + 32),
                'a kernel of 7 stands once on 7 cells, not on 8',
            ),
            ((least, most + 1), 'with one pixel more there is one score more'),
            (
                (least, least),
                'a pooling ignores an odd last row. So there are more photos',
            ),
            (
                (least - 31, least),
                'the poolings of this VGG16 round down, not up',
            ),
            got='{:g}',
            hint='go backwards: 7 cells and one more for each further score; '
            'then five poolings, each of which ignores an odd last row',
        )
    right = tuple(_cells(size, ALEXNET)[-1] for size in (375, 500))
    expect(
        array(alexnet, (2,), 'alexnet'),
        right,
        'the map of AlexNet has another size',
        (right[::-1], 'rows come first: the photo is 375 high'),
        (
            tuple(n + 5 for n in right),
            'this is the map before its first dense layer, whose kernel is 6 '
            'cells long',
        ),
        ((375 // 32, 500 // 32), 'its layers do not simply halve'),
        got='{:g}',
        hint='nine layers, and each time the formula, rounded down; start '
        'with (375 + 4 - 11) / 4 = 92, and 1 more',
    )
    return (
        'All photos from 288 x 352 to 319 x 383 give the same map: up to 31 '
        'rows and columns are seen by no score.'
    )


def _vgg_cells(size):
    return _cells(size, VGG16)[-1]


# ------------------------------------------ Mean First, or Scores First?


@check('one of True and False for each of the five pairs')
def order(means, sums, relu, maxima, softmax):
    """Check which steps may be exchanged. Each answer is True or False.

    Random features, weights and biases decide.
    """
    answers = dict(
        means=means, sums=sums, relu=relu, maxima=maxima, softmax=softmax
    )
    hints = {
        'means': 'score two places by hand. The mean of w x + b is w times '
        'the mean of x, plus b',
        'sums': 'what becomes of the bias? Scored first, each place has it',
        'relu': 'take two places with the scores -1 and 3',
        'maxima': 'take a negative weight: where is the highest score then?',
        'softmax': 'a softmax is not linear. Take one place that is sure of '
        'class A, and two that slightly prefer class B',
    }
    predictions(answers, _exchanged(), hints)
    return (
        'What is linear may be exchanged with a mean: so the heat map’s mean '
        'is what the classifier says of the whole photo.'
    )


def _exchanged():
    """Try each pair on random numbers: whether both orders agree."""
    rng = onp.random.default_rng(2)
    features = rng.normal(size=(6, 20))  # channels, places
    weights, bias = rng.normal(size=(4, 6)), rng.normal(size=(4, 1))

    def score(x):
        return onp.einsum('kc,cn->kn', weights, x) + bias

    def mean(x):
        return x.mean(axis=1, keepdims=True)

    def total(x):
        return x.sum(axis=1, keepdims=True)

    def highest(x):
        return x.max(axis=1, keepdims=True)

    def relu(x):
        return onp.maximum(x, 0)

    def softmax(x):
        return onp.exp(x) / onp.exp(x).sum(axis=0)

    x = features
    return {
        'means': same(score(mean(x)), mean(score(x))),
        'sums': same(score(total(x)), total(score(x))),
        'relu': same(relu(score(mean(x))), mean(relu(score(x)))),
        'maxima': same(score(highest(x)), highest(score(x))),
        'softmax': same(softmax(score(mean(x))), mean(softmax(score(x)))),
    }


# -------------------------------------- Weights From Another Framework


@check('a function of a weight, channels and a size that returns a kernel')
def kernel_of(kernel_of):
    """Check a kernel that is made of a dense layer's weight.

    kernel_of(weight, channels, size): weight is an MXNet array (outputs,
    size * size * channels) of a layer that read a map (size, size, channels),
    flattened. Returned is an array (outputs, channels, size, size). Putting
    each number in its place decides.
    """
    for outputs, channels, size in ((2, 3, 2), (4, 2, 3), (1, 5, 4)):
        rng = onp.random.default_rng(size)
        weight = rng.normal(size=(outputs, size * size * channels))
        weight = weight.astype('float32')
        right = onp.zeros((outputs, channels, size, size))
        for out, channel, row, column in onp.ndindex(right.shape):
            place = (row * size + column) * channels + channel
            right[out, channel, row, column] = weight[out, place]
        result = call(kernel_of, np.array(weight), channels, size)
        got = array(result, right.shape, 'the kernel', _kernel_shape)
        maps = weight.reshape(outputs, size, size, channels)
        expect(
            got,
            right,
            f'wrong for {outputs} outputs, {channels} channels, size {size}',
            (
                weight.reshape(right.shape),
                'this reads the numbers channel by channel; they lie place '
                'by place, with all channels of a place side by side',
            ),
            (
                maps.transpose(0, 3, 2, 1),
                'rows and columns are exchanged: the kernel lies on its side',
            ),
            (
                right[:, :, ::-1, ::-1],
                'the kernel is turned around; MXNet’s convolution does not '
                'flip it',
            ),
            (right[:, ::-1], 'the channels are in the opposite order'),
            expected='{:.4f} at output {}, channel {}, row {}, column {}',
            hint='first give the weight the shape of the map that the layer '
            'read, (outputs, size, size, channels); then move an axis',
        )
    return (
        'The numbers are the same, in another order. A shape that fits says '
        'nothing about the order: only an output that is compared does.'
    )


def _kernel_shape(got):
    if len(got) == 4 and got[1] == got[2]:
        return 'the channels come last here; a convolution wants them second'
    if len(got) == 2:
        return 'a kernel has four axes: outputs, channels, rows, columns'
    return None


# ------------------------------------------------- How Much Is Saved?


@check('a function of layers and a number, and two limits')
def saved(ratios, limits):
    """Check how many times fewer numbers one pass computes, per layer.

    ratios(layers, windows): layers (kernel, stride) without padding; as many
    windows in each direction. Returned is a number for each layer. limits:
    for the first convolution and for the first dense layer of AlexNet,
    without padding, with ever more windows. Counting decides.
    """
    chains = [(3, 1), (2, 2), (3, 1)], [(5, 2), (3, 1), (4, 1)], [(4, 4)]
    for layers in chains:
        for windows in (1, 2, 5):
            result = call(ratios, list(layers), windows)
            name = f'the ratios for {layers}'
            got = array(result, (len(layers),), name)
            _judge_ratios(got, layers, windows)
    layers = [(kernel, stride, 0) for kernel, stride, _ in ALEXNET]
    size = len(seen(layers, 0))
    cells = _cells(size, layers)
    # a further window is 32 pixels further: 8 cells of the first layer
    more = _cells(size + 32, layers)[0] - cells[0]
    right = (cells[0] / more) ** 2, 1
    expect(
        array(limits, (2,), 'the limits'),
        right,
        'the limit of one layer is another one: number {} of them',
        ((cells[0] / more, 1), 'there are rows and columns: square it'),
        (right[::-1], 'first the convolution, then the dense layer'),
        (
            (right[0], right[0]),
            'each window asks the dense layer about another part of the map',
        ),
        got='{:.3f}',
        hint='how many rows has the layer’s map in one window? And how many '
        'more of them does one further window need in one pass?',
        tolerance=ROUNDED,
    )
    return (
        'Where windows overlap much, nearly all the work of the first layers '
        'is done again and again.'
    )


def _counted(layers, windows, size=None):
    """How often more numbers each layer computes, window by window."""
    layers = [(kernel, stride, 0) for kernel, stride in layers]
    fields = [seen(layers, cell) for cell in (0, 1)]
    size, step = len(fields[0]), fields[1][0]
    alone = onp.array(_cells(size, layers))
    together = onp.array(_cells(size + step * (windows - 1), layers))
    apart = onp.array(_cells(size * windows, layers))
    return alone, together, apart


def _judge_ratios(got, layers, windows):
    alone, together, apart = _counted(layers, windows)
    right = (windows * alone / together) ** 2
    expect(
        got,
        right,
        f'wrong for the layers {layers} and {windows} windows in each '
        'direction: layer {}',
        (1 / right, 'asked is windows over one pass; this is the inverse'),
        (right**0.5, 'a map has rows and columns: square it'),
        (
            onp.full(len(layers), windows**2),
            'one pass over all takes more than one window alone: its maps '
            'are larger',
        ),
        (
            (windows * alone / apart) ** 2,
            'the photo is not as large as all windows side by side: they '
            'overlap, and the next one begins one stride further',
        ),
        (
            windows * alone**2 / together**2,
            'there are as many windows in each direction: windows times '
            'windows',
        ),
        expected='{:.4f}',
        hint='count the rows of each layer’s map, in one window and in the '
        'whole photo, whose side is size + stride (windows - 1)',
    )


# --------------------------------------------- Where Does a Cell Look?


@check(
    'a function of layers, row, column, height and width that returns four '
    'numbers'
)
def looks(looks):
    """Check a function that says which pixels of a photo a cell sees.

    looks(layers, row, column, height, width) returns top, bottom, left,
    right: the first and the last row and column that lie in the photo.
    Following cells back to the photo decides.
    """
    stem = CHAINS['stem']
    cases = (
        (CHAINS['pool_first'], (3, 5), (20, 40)),
        (CHAINS['pool_last'], (0, 2), (8, 30)),
        (stem, (2, 9), (12, 50)),
        ([*stem, CONV, (2, 2, 0)], (0, 7), (33, 60)),
        ([], (4, 1), (6, 7)),
    )
    for layers, cell, size in cases:
        result = call(looks, list(layers), *cell, *size)
        got = array(result, (4,), 'what the cell sees')
        _judge_looks(got, layers, cell, size)
    return 'At the border a cell sees less of the photo; the rest is padding.'


def _judge_looks(got, layers, cell, size):
    fields = [seen(layers, place) for place in cell]
    ends = [(field[0], field[-1]) for field in fields]
    right = [
        (max(0, low), min(high, side - 1))
        for (low, high), side in zip(ends, size, strict=True)
    ]

    def flat(pairs):
        return onp.array(pairs).ravel()

    stride = seen(layers, 1)[0] - seen(layers, 0)[0]
    bare = [(kernel, s, 0) for kernel, s, _ in layers]
    unpadded = [seen(bare, place) for place in cell]
    expect(
        got,
        flat(right),
        f'wrong for cell {cell} of the layers {layers} on a photo of '
        f'{size[0]} x {size[1]}',
        (
            flat(ends),
            'the field sticks out of the photo here: cut it off at 0 and at '
            'the last row or column',
        ),
        (
            flat([(low, high + 1) for low, high in right]),
            flat([(low, high + 1) for low, high in ends]),
            flat(
                [
                    (max(0, low), min(high + 1, side))
                    for (low, high), side in zip(ends, size, strict=True)
                ]
            ),
            flat(
                [
                    (max(0, low), min(high + 1, side - 1))
                    for (low, high), side in zip(ends, size, strict=True)
                ]
            ),
            'bottom and right are the last ones that are seen, at '
            'first + size - 1; not the first beyond',
        ),
        (flat(right)[[2, 3, 0, 1]], 'rows come first, then columns'),
        (flat(right)[[0, 2, 1, 3]], 'the order is top, bottom, left, right'),
        (
            flat(
                [
                    (max(0, field[0]), min(field[-1], side - 1))
                    for field, side in zip(unpadded, size, strict=True)
                ]
            ),
            'the padding moves all fields up and to the left',
        ),
        (
            flat([(stride * n, stride * (n + 1) - 1) for n in cell]),
            'these are the pixels nearest to the cell; it sees more',
        ),
        expected='number {1} of (top, bottom, left, right) is {0:g}',
        got='{:g}',
        hint='cell i sees from stride * i + first on, size pixels',
    )


# ------------------------------------------- Four Passes, a Finer Map


@check(
    'a function of a network and photos that returns a map of stride 16',
    seconds=10,
)
def finer(finer):
    """Check a map that is put together of four shifted ones.

    finer(heat, x): heat takes (1, 3, H, W), where 32 divides both, to
    (1, C, H / 32, W / 32); x is such a photo. Returned is an array (1, C,
    H / 16, W / 16). A map with one kernel of 32 x 32 decides, applied at
    each place by itself; where it would leave the photo, anything goes.
    """
    for rows, columns in ((2, 3), (3, 1)):
        heat = _Heat()
        rng = onp.random.default_rng(columns)
        photo = rng.normal(size=(3, 32 * rows, 32 * columns))
        x = np.array(photo[None], dtype='float32')
        result = call(finer, heat, x)
        size = 1, 2, 2 * rows, 2 * columns
        hint = partial(_finer_shape, (rows, columns))
        got = array(result, size, 'the finer map', hint)[0]
        _judge_finer(got[:, :-1, :-1], heat, photo)
    return (
        'Each number is what the network says of its own place. A '
        'stride of 8 would take 16 passes like this.'
    )


class _Heat:
    """A network with one layer: a kernel as large as its stride."""

    def __init__(self):
        rng = onp.random.default_rng(7)
        self.kernel = rng.normal(size=(2, 3, 32, 32)) / 32

    def __call__(self, x):
        values = array(x, name='what the network is given')
        if values.ndim != 4 or values.shape[:2] != (1, 3):
            raise Wrong(
                'the network is given something else than one photo',
                expected='the shape (1, 3, H, W)',
                got=f'the shape {values.shape}',
            )
        sides = values.shape[2:]
        if any(side % 32 or not side for side in sides):
            raise Wrong(
                'the network is given a photo whose sides 32 does not divide',
                got=f'{sides[0]} x {sides[1]}',
                hint='move the photo inside a larger one: what leaves it on '
                'one side is replaced on the other, by zeros for example',
            )
        n, m = (side // 32 for side in sides)
        maps = [
            self.at(values[0], 32 * row, 32 * column)
            for row in range(n)
            for column in range(m)
        ]
        maps = onp.array(maps).T.reshape(1, 2, n, m)
        return np.array(maps, dtype='float32')

    def at(self, photo, top, left):
        """What it says of the 32 x 32 pixels from here on."""
        window = photo[:, top : top + 32, left : left + 32]
        return onp.einsum('kcij,cij->k', self.kernel, window)

    def every(self, photo, rows, columns):
        """What it says where these rows and columns begin; outside is 0."""
        wide = onp.pad(photo, ((0, 0), (16, 16), (16, 16)))
        values = [
            [self.at(wide, 16 + top, 16 + left) for left in columns]
            for top in rows
        ]
        return onp.array(values).transpose(2, 0, 1)


def _finer_shape(cells, got):
    rows, columns = cells
    if len(got) == 4 and got[2:] == cells:
        return 'this is one map; four of them are to be interleaved'
    if len(got) == 4 and got[2:] in ((4 * rows, columns), (rows, 4 * columns)):
        return 'two rows and two columns for each cell, not four of one'
    return 'twice as many rows and columns as the network’s own map'


def _judge_finer(got, heat, photo):
    """Judge all but the last row and column, which see what is replaced."""

    def begins(way):
        """The first row, or column, that each cell sees."""
        return [
            [32 * i + way * 16 * more for i in range(side // 32)]
            for side in photo.shape[1:]
            for more in (0, 1)
        ]

    def woven(first, second):
        pairs = zip(first, second, strict=True)
        return [start for pair in pairs for start in pair]

    def made(way, weave=woven):
        a, b, c, d = begins(way)
        return heat.every(photo, weave(a, b), weave(c, d))[:, :-1, :-1]

    right = made(1)
    expect(
        got,
        right,
        'not what the network says of these places',
        (
            made(0),
            'each number is only repeated: the photo was not moved',
        ),
        (
            made(-1),
            'the photo moves the wrong way: if it goes down and to the '
            'right, a cell sees what lies further up and to the left',
        ),
        (
            made(1, lambda first, second: first + second),
            'the four maps lie side by side; they must alternate, in rows '
            'and in columns',
        ),
        expected='{:.4f} for class {}, row {}, column {}',
        hint='cell (2 i + a, 2 j + b) comes from the photo that is moved up '
        'by 16 a and to the left by 16 b pixels, so that the network’s cell '
        '(i, j) sees what begins at row 32 i + 16 a and column 32 j + 16 b',
    )
