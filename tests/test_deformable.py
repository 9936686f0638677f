"""Reading between pixels, deformable convolution, moving bins.

They are compared with loops that follow the definitions, and with MXNet's own
operators, gradients included.
"""

import math

import segbook

import mxnet as mx
import numpy as onp
import pytest
from mxnet import autograd, init, np, npx
from mxnet.gluon import nn

RNG = onp.random.default_rng(3)


def normal(*shape, scale=1.0):
    return np.array(scale * RNG.normal(size=shape), dtype='float32')


def read(image, row, column):
    """A number of an image (H, W) at a place, by the rule of the border."""
    height, width = image.shape
    if not (0 <= row < height and 0 <= column < width):
        return 0
    row, column = min(row, height - 1), min(column, width - 1)
    total = 0
    for r in {math.floor(row), math.ceil(row)}:
        for c in {math.floor(column), math.ceil(column)}:
            total += (1 - abs(row - r)) * (1 - abs(column - c)) * image[r, c]
    return total


def run(function, *arrays):
    """The output and all gradients, as NumPy arrays."""
    arrays = [array.copy() for array in arrays]
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        y = function(*arrays)
    y.backward(np.sin(np.arange(y.size)).reshape(y.shape))
    return [x.asnumpy() for x in (y, *(array.grad for array in arrays))]


def agree(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        onp.testing.assert_allclose(one, other, atol=5e-5, rtol=1e-4)


# ---------------------------------------------------------------- sample
def test_places_are_those_of_a_window():
    rows, columns = segbook.places(2, 3)
    assert rows.shape == columns.shape == (9, 6)
    around = [(r, c) for r in (0, 1, 2) for c in (1, 2, 3)]
    assert [*zip(rows[:, 5], columns[:, 5], strict=True)] == around
    rows, columns = segbook.places(4, 4, 5, rate=3)
    assert sorted(set(columns[:, 0].tolist())) == [-6, -3, 0, 3, 6]


@pytest.mark.parametrize('shape', [(2, 2), (5, 7), (1024, 2)])
def test_sample_reads_as_a_loop_does(shape):
    """At random places, whole ones, both ends and outside."""
    height, width = shape
    x = normal(2, 3, height, width)
    ends = [-1, -1e-3, 0, 0.5, 1]
    ends = [[*ends, *(s - 1.5, s - 1, s - 0.75, s - 1e-2, s)] for s in shape]
    pairs = onp.array([(r, c) for r in ends[0] for c in ends[1]]).T
    places = RNG.uniform(-2, [[height + 1], [width + 1]], size=(2, 100))
    rows, columns = onp.float32(onp.concatenate([pairs, places], axis=1))
    rows, columns = (
        onp.stack([p, p[::-1]]).reshape(2, 2, -1) for p in (rows, columns)
    )
    found = segbook.sample(x, np.array(rows), np.array(columns))
    assert found.shape == (2, 3, *rows.shape[1:])
    numbers = x.asnumpy()
    wanted = [
        [
            [
                read(image, row, column)
                for row, column in zip(
                    rows[n].ravel(), columns[n].ravel(), strict=True
                )
            ]
            for image in numbers[n]
        ]
        for n in range(2)
    ]
    wanted = onp.reshape(wanted, found.shape)
    # Places are 32-bit numbers: of 1,000 rows to a few ten-thousandths.
    onp.testing.assert_allclose(found.asnumpy(), wanted, atol=2e-3)


@pytest.mark.parametrize(
    ('x', 'rows', 'columns', 'message'),
    [
        ((2, 3, 4, 5), (2, 6), (2, 6), r'shape \(2, K, M\), not \(2, 6\)'),
        ((2, 3, 4, 5), (1, 9, 6), (1, 9, 6), r'2 maps want .* \(1, 9, 6\)'),
        ((2, 3, 4, 5), (2, 9, 6), (2, 9, 5), r'\(2, 9, 6\) and \(2, 9, 5\)'),
        ((2, 3, 1, 5), (2, 9, 5), (2, 9, 5), r'at least 2 x 2 .*\(1, 5\)'),
    ],
)
def test_bad_places_are_named(x, rows, columns, message):
    with pytest.raises(ValueError, match=message):
        segbook.sample(np.zeros(x), np.zeros(rows), np.zeros(columns))


# ------------------------------------------------ Deformable convolution
def operator(x, offsets, weight):
    size = weight.shape[2]
    settings = {'kernel': (size, size), 'pad': (size // 2, size // 2)}
    settings |= {'num_filter': len(weight), 'no_bias': True}
    if hasattr(npx, 'deformable_convolution'):
        return npx.deformable_convolution(x, offsets, weight, **settings)
    arrays = [array.as_nd_ndarray() for array in (x, offsets, weight)]
    found = mx.nd.contrib.DeformableConvolution(*arrays, **settings)
    return found.as_np_ndarray()


@pytest.mark.parametrize('size', [1, 3, 5])
@pytest.mark.parametrize('far', [0.3, 4])
def test_deform_is_mxnets_operator_with_all_gradients(size, far):
    x, weight = normal(2, 4, 6, 8), normal(3, 4, size, size)
    offsets = normal(2, 2 * size**2, 6, 8, scale=far)
    arrays = x, offsets, weight
    agree(run(segbook.deform, *arrays), run(operator, *arrays))


def test_deform_is_the_sum_of_the_definition():
    x, weight = normal(1, 2, 4, 5), normal(3, 2, 3, 3)
    offsets = normal(1, 18, 4, 5, scale=2)
    found = segbook.deform(x, offsets, weight).asnumpy()
    x, weight, offsets = (a.asnumpy() for a in (x, weight, offsets))
    for (out, row, column), value in onp.ndenumerate(found[0]):
        total = 0
        for tap, (i, j) in enumerate(onp.ndindex(3, 3)):
            down, across = offsets[0, 2 * tap : 2 * tap + 2, row, column]
            for channel in range(2):
                total += weight[out, channel, i, j] * read(
                    x[0, channel], row + i - 1 + down, column + j - 1 + across
                )
        assert value == pytest.approx(total, abs=1e-4)


def test_without_offsets_it_is_a_convolution_with_rate_two_one_with_holes():
    x, weight = normal(2, 4, 7, 6), normal(3, 4, 3, 3)
    taps = onp.indices((3, 3)).reshape(2, 9).T.reshape(1, 18, 1, 1) - 1
    for rate in (1, 2):
        offsets = np.zeros((2, 18, 7, 6)) + np.array((rate - 1) * taps)
        wanted = npx.convolution(
            x,
            weight,
            kernel=(3, 3),
            pad=(rate, rate),
            dilate=(rate, rate),
            num_filter=3,
            no_bias=True,
        )
        found = segbook.deform(x, offsets, weight)
        agree([found.asnumpy()], [wanted.asnumpy()])


@pytest.mark.parametrize(
    ('offsets', 'weight', 'message'),
    [
        ((2, 9, 6, 8), (3, 4, 3, 3), r'\(2, 18, 6, 8\), two .* \(2, 9, 6'),
        ((2, 18, 6, 7), (3, 4, 3, 3), r'not \(2, 18, 6, 7\)'),
        ((1, 18, 6, 8), (3, 4, 3, 3), r'not \(1, 18, 6, 8\)'),
        ((2, 18, 6), (3, 4, 3, 3), r'not \(2, 18, 6\)'),
        ((2, 18, 6, 8), (3, 5, 3, 3), r'4 channels .* \(out, 4, k, k\)'),
        ((2, 8, 6, 8), (3, 4, 2, 2), r'k odd, not \(3, 4, 2, 2\)'),
        ((2, 18, 6, 8), (3, 4, 3, 1), r'not \(3, 4, 3, 1\)'),
    ],
)
def test_wrong_shapes_get_one_clear_error(offsets, weight, message):
    with pytest.raises(ValueError, match=message):
        segbook.deform(normal(2, 4, 6, 8), np.zeros(offsets), np.zeros(weight))


def test_the_layer_begins_as_a_convolution_and_learns_where():
    layer = segbook.DeformableConv(5, 4)
    layer.initialize(init.Normal(0.5))
    x = normal(2, 4, 6, 8)
    plain = layer.what
    agree([layer(x).asnumpy()], [plain(x).asnumpy()])
    with autograd.record():
        value = (layer(x + 0.1) ** 2).sum()
    value.backward()
    assert abs(layer.where.weight.grad()).max() > 0
    assert abs(plain.weight.grad()).max() > 0
    assert layer.moves.shape == (2, 18, 6, 8)


# -------------------------------------------------- What an output sees
def test_the_gradient_map_ends_where_the_field_does():
    layers = nn.HybridSequential()
    for _ in range(3):
        layers.add(nn.Conv2D(4, 3, padding=1, in_channels=4))
    layers.initialize(init.Normal(1))
    seen = segbook.gradient_map(layers, normal(2, 4, 15, 15))
    size, _, _ = segbook.receptive_field(layers)
    rows, columns = onp.nonzero(seen)
    assert rows.min() == columns.min() == 7 - size // 2
    assert rows.max() == columns.max() == 7 + size // 2


def test_each_layer_adds_two_thirds_to_the_variance():
    """Exactly, where all weights are equal and the map is squared once."""
    row = onp.array([1.0])
    for depth in range(1, 6):
        row = onp.convolve(row, [1, 1, 1])
        image = onp.sqrt(onp.outer(row, row))
        assert segbook.spread(image) ** 2 == pytest.approx(2 * depth / 3)


# ------------------------------------------------------------------ RoIs
ROIS = np.array(
    [
        [0, 2, 3, 30, 25],
        [1, 0, 0, 39, 31],
        [1, 8.4, 5.7, 20.3, 19.9],
        [0, 20, 4, 60, 30],
        [0, 20.5, 4, 20, 30],
    ]
)
K = 3


def theirs(name, *arrays, **more):
    settings = {'spatial_scale': 0.25, 'output_dim': 2, 'group_size': K}
    settings |= {'pooled_size': K, **more}
    arrays = [array.as_nd_ndarray() for array in arrays]
    found = getattr(mx.nd.contrib, name)(*arrays, **settings)
    found = found[0] if isinstance(found, list | tuple) else found
    return found.as_np_ndarray()


def test_bins_are_mxnets_with_gradients():
    x = normal(2, 2 * K**2, 8, 10)
    agree(
        run(lambda x: segbook.psroi_pool(x, ROIS, K, 0.25), x),
        run(lambda x: theirs('PSROIPooling', x, ROIS), x),
    )


def test_bins_are_means_of_boxes():
    x = normal(1, 2 * K**2, 12, 12)
    box = np.array([[0, 0, 12, 23, 47]])  # cells 0 to 5 across, 3 to 11 down
    found = segbook.psroi_pool(x, box, K, 0.25).asnumpy()[0]
    for (out, i, j), value in onp.ndenumerate(found):
        part = x[0, (out * K + i) * K + j].asnumpy()
        mean = part[3 + 3 * i : 6 + 3 * i, 2 * j : 2 * j + 2].mean()
        assert value == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize('samples', [1, 2, 4])
@pytest.mark.parametrize('far', [0, 1, 5])
def test_moved_bins_are_mxnets_with_gradients(samples, far):
    x = normal(2, 2 * K**2, 8, 10)
    moves = normal(len(ROIS), 2, K, K, scale=far)
    more = {'part_size': K, 'sample_per_part': samples, 'trans_std': 0.1}

    def ours(x, moves):
        found = segbook.moving_pool(x, ROIS, moves, 0.25, samples)
        return segbook.own_maps(found)

    found = run(ours, x, moves)
    wanted = run(
        lambda x, moves: theirs(
            'DeformablePSROIPooling', x, ROIS, moves, **more
        ),
        x,
        moves,
    )
    if far == 0:  # places may be whole: there a derivative has two sides
        found, wanted = found[:2], wanted[:2]
    agree(found, wanted)


def test_an_offset_is_a_part_of_the_box():
    ramp = np.zeros((1, 1, 60, 60)) + np.arange(60)
    moves = np.zeros((2, 2, K, K))
    moves[:, 0] = 1
    boxes = np.array([[0, 8, 8, 47, 47], [0, 8, 8, 87, 87]])
    still, moved = (
        segbook.moving_pool(ramp, boxes, m, 0.5).asnumpy()
        for m in (0 * moves, moves)
    )
    gone = (moved - still).mean(axis=(1, 2, 3))
    onp.testing.assert_allclose(gone, [2, 4], rtol=1e-5)


def test_wrong_boxes_moves_and_channels_are_named():
    x = normal(2, 2 * K**2, 8, 10)
    moves = np.zeros((len(ROIS), 2, K, K))
    with pytest.raises(ValueError, match=r'boxes are \(R, 5\), not \(5, 4\)'):
        segbook.psroi_pool(x, ROIS[:, 1:], K, 0.25)
    with pytest.raises(ValueError, match='18 channels are no multiple of 4²'):
        segbook.psroi_pool(x, ROIS, 4, 0.25)
    for wrong in (moves[:2], moves[:, :1], moves[:, :, :2]):
        with pytest.raises(ValueError, match=r'5 boxes want moves \(5, 2, '):
            segbook.moving_pool(x, ROIS, wrong, 0.25)
