"""Convolutions with holes: against loops, strided nets, and gluoncv."""

import segbook

import mxnet as mx
import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, init, np
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision


def random(*shape):
    rng = onp.random.default_rng(0)
    return np.array(rng.normal(size=shape), dtype='float32')


# ------------------------------------------------------ The three ways
def by_loops(x, weight, rate):
    """One output after the other, one product after the other."""
    lost = rate * (weight.shape[2] - 1)
    shape = len(x), len(weight), x.shape[2] - lost, x.shape[3] - lost
    y = onp.zeros(shape)
    for n, out, row, column in onp.ndindex(*shape):
        for c, i, j in onp.ndindex(*weight.shape[1:]):
            y[n, out, row, column] += (
                weight[out, c, i, j]
                * x[n, c, row + rate * i, column + rate * j]
            )
    return y


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(0, 5), st.integers(0, 5)
)
def test_all_ways_are_the_sum(kernel, rate, rows, columns):
    least = rate * (kernel - 1) + 1
    x = random(2, 2, least + rows, least + columns)
    weight = random(3, 2, kernel, kernel)
    expected = by_loops(x.asnumpy(), weight.asnumpy(), rate)
    for way in (segbook.with_zeros, segbook.interleaved):
        found = way(x, weight, rate).asnumpy()
        onp.testing.assert_allclose(found, expected, atol=1e-4)
    found = segbook.convolve(x, weight, rate).asnumpy()
    onp.testing.assert_allclose(found, expected, atol=1e-4)


# --------------------------------------------------- Without the stride
def resnet(layers=18):
    """A ResNet v2 whose normalisation does something."""
    net = vision.get_resnet(2, layers)
    net.initialize(init.Xavier())
    net(random(1, 3, 64, 64))
    rng = onp.random.default_rng(1)
    for name, value in net.collect_params().items():
        if name.endswith(('running_mean', 'running_var')):
            value.set_data(np.array(rng.uniform(0.5, 1.5, value.shape)))
    return net.features[:-2]


def twins(layers=18):
    """Two nets with the same weights."""
    one, other = resnet(layers), resnet(layers)
    for a, b in zip(
        one.collect_params().values(),
        other.collect_params().values(),
        strict=True,
    ):
        b.set_data(a.data())
    return one, other


@pytest.mark.parametrize('layers', [18, 50])
@pytest.mark.parametrize('stride', [4, 8, 16, 32])
def test_a_dense_net_subsampled_is_the_strided_one(layers, stride):
    """Of any size, border included; with bottlenecks, too."""
    strided, dense = twins(layers)
    assert segbook.atrous(dense, stride) is dense
    for height, width in ((64, 96), (33, 70), (95, 61)):
        x = random(1, 3, height, width)
        expected, found = strided(x), dense(x)
        assert found.shape[2:] == (-(-height // stride), -(-width // stride))
        step = 32 // stride
        onp.testing.assert_allclose(
            found[:, :, ::step, ::step].asnumpy(),
            expected.asnumpy(),
            atol=1e-3 * float(abs(expected).max()),
        )


def test_holes_keep_the_receptive_field():
    fields = {
        stride: segbook.receptive_field(
            segbook.main_path(segbook.atrous(resnet(), stride))
        )
        for stride in (32, 16, 8, 4)
    }
    assert {field[0] for field in fields.values()} == {435}
    assert [field[1] for field in fields.values()] == [*fields]
    assert len({field[2] for field in fields.values()}) == 1


@pytest.mark.parametrize('layers', [18, 50])
def test_rates_are_those_of_gluoncv(layers):
    """Of the 3 x 3 convolutions, block by block."""
    from gluoncv.model_zoo import resnetv1b

    with mx.util.np_array(False), mx.util.np_shape(False):
        make = getattr(resnetv1b, f'resnet{layers}_v1b')
        theirs = make(dilated=True, pretrained_base=False)
    stages = theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4
    expected = [
        conv._kwargs['dilate'][0]
        for block in (block for stage in stages for block in stage)
        for conv in segbook.convolutions(block)
        if conv._kwargs['kernel'] == (3, 3)
    ]
    features = segbook.atrous(vision.get_resnet(2, layers).features[:-2], 8)
    found = [
        layer._kwargs['dilate'][0]
        for layer in segbook.main_path(features)
        if layer._kwargs['kernel'] == (3, 3) and 'dilate' in layer._kwargs
    ]
    assert found == expected
    assert max(found) == 4


@pytest.mark.parametrize('stride', [0, 2, 6, 12, 64, -8])
def test_a_stride_that_no_layer_has_is_refused(stride):
    with pytest.raises(ValueError, match=f'4, 8, 16 or 32, not {stride}'):
        segbook.atrous(resnet(), stride)


def test_holes_are_made_once():
    features = segbook.atrous(resnet(), 8)
    before = segbook.rates(features)
    with pytest.raises(ValueError, match='holes already'):
        segbook.atrous(features, 16)
    assert segbook.rates(features) == before


def test_other_nets_are_refused():
    with pytest.raises(ValueError, match='4 stages of blocks, not 0'):
        segbook.atrous(vision.alexnet().features, 8)


# ------------------------------------------------------ What is seen
LAYERS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 4)),
    min_size=1,
    max_size=3,
)


def chain(layers):
    """Convolutions of one channel in a row, all weights positive."""
    net = nn.HybridSequential()
    for kernel, stride, rate in layers:
        net.add(
            nn.Conv2D(
                1,
                (1, kernel),
                (1, stride),
                dilation=(1, rate),
                in_channels=1,
                weight_initializer=init.Constant(0.5),
            )
        )
    net.initialize()
    return net


@settings(deadline=None, max_examples=30)
@given(LAYERS)
def test_the_pixels_seen_are_those_with_a_gradient(layers):
    x = np.ones((1, 1, 1, 120))
    x.attach_grad()
    net = chain(layers)
    with autograd.record():
        y = net(x)[0, 0, 0, 0]
    y.backward()
    seen = onp.flatnonzero(x.grad.asnumpy()).tolist()
    assert segbook.pixels_seen(layers) == seen


@settings(deadline=None, max_examples=30)
@given(LAYERS)
def test_the_receptive_field_counts_holes(layers):
    """From the first to the last pixel that is seen."""
    net = nn.HybridSequential()
    for kernel, stride, rate in layers:
        net.add(nn.Conv2D(1, kernel, stride, dilation=rate))
    size, _, first = segbook.receptive_field(net)
    seen = segbook.pixels_seen(layers)
    assert (first, first + size - 1) == (seen[0], seen[-1])


# ------------------------------------------------------------- Places
@pytest.mark.parametrize('stride', [8, 16, 32])
def test_centred_cells_are_the_usual_upsampling(stride):
    """Beyond the outermost cells it holds, where the other one fades."""
    usual = segbook.upsampling_matrix(5, stride).asnumpy()
    ours = segbook.interpolation(5 * stride, 5, stride, (stride - 1) / 2)
    inside = slice(stride // 2, -(stride // 2))
    onp.testing.assert_allclose(ours[inside], usual[inside], atol=1e-6)
    onp.testing.assert_allclose(ours.sum(axis=1), 1)
    assert (ours.argmax(axis=1) == usual.argmax(axis=1)).all()


@settings(deadline=None)
@given(
    st.sampled_from([4, 8, 16]),
    st.floats(-10, 20),
    st.sampled_from([0.5, 0.75, 1, 1.5, 2]),
)
def test_a_ramp_of_places_names_the_places(stride, first, scale):
    """Cells that hold their own place give each pixel its place."""
    cells = stride * onp.arange(9) + first
    pixels = int(9 * stride / scale)
    found = segbook.interpolation(pixels, 9, stride, first, scale) @ cells
    centres = scale * (onp.arange(pixels) + 0.5)  # of pixels, from the edge
    expected = onp.clip(centres - 0.5, cells[0], cells[-1])
    onp.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize('stride', [8, 16])
def test_another_first_place_moves_by_whole_pixels(stride):
    centred = segbook.interpolation(96, 96 // stride, stride, (stride - 1) / 2)
    learnt = segbook.interpolation(96, 96 // stride, stride, (32 - 1) / 2)
    moved = (32 - stride) // 2
    onp.testing.assert_allclose(learnt[moved:], centred[:-moved])


# -------------------------------------------------------------- Heads
def test_branches_of_aspp_are_convolutions_of_their_own():
    """Their sum, with rates as paddings; no weight is used twice."""
    head = segbook.ASPP(4, (1, 2, 5), in_channels=3)
    head.initialize()
    x, expected = random(2, 3, 7, 9), 0
    assert (head(x) == 0).all()
    for number, branch in enumerate(head.branches):
        branch.weight.set_data(random(4, 3, 3, 3) * (number + 1))
        rate = (1, 2, 5)[number]
        wide = onp.pad(x.asnumpy(), 2 * [(0, 0)] + 2 * [(rate, rate)])
        expected += by_loops(wide, branch.weight.data().asnumpy(), rate)
    onp.testing.assert_allclose(head(x).asnumpy(), expected, atol=1e-3)
    weights = [branch.weight for branch in head.branches]
    assert len({id(weight) for weight in weights}) == 3


def test_branches_have_the_shapes_of_gluoncvs():
    """Its later head has these branches, beside a 1 x 1 and a pooling."""
    from gluoncv.model_zoo import deeplabv3

    rates = [6, 12, 18]
    with mx.util.np_array(False), mx.util.np_shape(False):
        theirs = deeplabv3._ASPP(
            512, rates, nn.BatchNorm, {}, height=60, width=60
        )
        branches = [theirs.concurent[i][0] for i in (1, 2, 3)]
    ours = segbook.ASPP(256, rates).branches
    for one, other in zip(ours, branches, strict=True):
        assert one.weight.shape == other.weight.shape == (256, 512, 3, 3)
        for key in ('kernel', 'stride', 'pad', 'dilate'):
            assert one._kwargs[key] == other._kwargs[key], key


@pytest.mark.parametrize('rate', [1, 6, 12])
def test_large_fov_keeps_the_size_and_starts_from_zero(rate):
    head = segbook.large_fov(5, rate, channels=8, in_channels=4)
    head.initialize(init.Xavier())
    x = random(2, 4, 9, 13)
    with autograd.record():
        scores = head(x)
        loss = (scores - random(*scores.shape)).sum()
    loss.backward()
    assert scores.shape == (2, 5, 9, 13)
    assert (scores == 0).all()
    assert abs(head[-1].weight.grad()).max() > 0
    assert head[0]._kwargs['dilate'] == (rate, rate)


@pytest.mark.parametrize('rates', [(), (0,), (6, -1), (1.5,)])
def test_rates_that_fit_no_layer_are_named(rates):
    with pytest.raises(ValueError, match='whole numbers from 1 on, not'):
        segbook.ASPP(3, rates)
    if rates:
        with pytest.raises(ValueError, match='whole numbers from 1 on, not'):
            segbook.large_fov(3, rates[-1])


@pytest.mark.parametrize('size', [(7, 9), (16, 24), (5, 5)])
@pytest.mark.parametrize('rate', [1, 3, 6, 12, 24])
def test_numbers_of_a_kernel_inside_a_map(size, rate):
    """Counted place by place."""
    count = 0
    for row, column in onp.ndindex(*size):
        for i, j in onp.ndindex(3, 3):
            y, x = row + rate * (i - 1), column + rate * (j - 1)
            count += 0 <= y < size[0] and 0 <= x < size[1]
    share = count / (9 * size[0] * size[1])
    assert segbook.taps_inside(*size, rate) == pytest.approx(share)


# ------------------------------------------------------ On Lite0
@pytest.fixture(scope='module')
def lites():
    """Lite0 as it was published, and without its last stride."""
    cpu = [mx.cpu()]
    one, other = (segbook.lite0_backbone(cpu) for _ in range(2))
    assert segbook.loosen_lite0(other) is other
    return one, other


@pytest.mark.parametrize('size', [(32, 64), (96, 128), (160, 96)])
def test_lite0_is_every_second_cell_of_the_dense_one(lites, size):
    """From the second cell on, borders included; earlier maps are the same."""
    strided, dense = (net(random(1, 3, *size)) for net in lites)
    height, width = (side // 16 for side in size)
    assert dense[-1].shape == (1, 1280, height + 1, width + 1)
    found = [*dense[:2], dense[2][:, :, 1::2, 1::2]]
    for a, b in zip(strided, found, strict=True):
        onp.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=1e-4)


def test_lite0_gets_its_holes_once(lites):
    with pytest.raises(ValueError, match='holes already'):
        segbook.loosen_lite0(lites[1])


class Cells(nn.Block):
    """A backbone whose last map is what it is given."""

    def __init__(self, cells):
        super().__init__()
        self.cells = cells

    def forward(self, x):
        return [x, self.cells]


@pytest.mark.parametrize('size', [(32, 48), (64, 32)])
def test_deeplab_draws_each_cell_at_its_place_and_lines_between(size):
    """So does the gradient: a cell gets the weights of its pixels."""
    cells = random(2, 3, *(side // 16 + 1 for side in size))
    cells.attach_grad()
    net = segbook.DeepLab(Cells(cells), lambda maps: maps)
    with autograd.record():
        scores = net(np.zeros((2, 3, *size)))
        total = scores.sum()
    total.backward()
    assert scores.shape == (2, 3, *size)
    onp.testing.assert_allclose(
        scores[:, :, 15::16, 15::16].asnumpy(),
        cells[:, :, :-1, :-1].asnumpy(),
        atol=1e-5,
    )
    middle = scores[:, :, 15, 23].asnumpy()  # half way between two cells
    mean = (cells[:, :, 0, 0] + cells[:, :, 0, 1]).asnumpy() / 2
    onp.testing.assert_allclose(middle, mean, atol=1e-5)
    weights = [onp.zeros(side // 16 + 1) for side in size]
    for each, side in zip(weights, size, strict=True):
        for pixel in range(side):
            place = max(pixel - 15, 0) / 16
            each[int(place)] += 1 - place % 1
            each[int(place) + 1] += place % 1
    expected = onp.broadcast_to(onp.outer(*weights), cells.shape)
    onp.testing.assert_allclose(cells.grad.asnumpy(), expected, atol=1e-3)


@pytest.mark.parametrize('rates', [(1, 2), ()])
def test_a_lite_deeplab_starts_from_zero_and_learns(rates):
    backbone = segbook.lite0_backbone([mx.cpu()])
    net = segbook.make_lite_deeplab(backbone, 4, rates)
    labels = np.ones((2, 32, 64), dtype='uint8')
    with autograd.record():
        scores = net(random(2, 3, 32, 64))
        loss = segbook.void_cross_entropy(scores, labels).mean()
    loss.backward()
    assert (scores == 0).all() and scores.shape == (2, 4, 32, 64)
    values = net.head.collect_params().values()
    weights = [value for value in values if len(value.shape) == 4]
    assert len(weights) == max(1, len(rates))
    for weight in weights:
        assert abs(weight.grad()).max() > 0
