"""Transposed convolution: loop, formula, zeros and matrix against MXNet."""

import itertools
import subprocess
import sys
from pathlib import Path

import segbook
import utils  # noqa: F401  (first: it sets MXNet's threads)

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mxnet import autograd, np
from mxnet.base import MXNetError
from mxnet.gluon import nn

IMG = Path(__file__).parents[1] / 'img'
# Kernel, stride, padding, output padding.
GRID = [
    (k, s, p, a)
    for k, s, p in itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2))
    for a in range(s)
    if s * 2 + k + a > 2 * p
]


def random(*shape, seed=0):
    """Random numbers as an MXNet array."""
    values = numpy.random.RandomState(seed).normal(size=shape)
    return np.array(values.astype('float32'))


def by_formula(X, K, s, p, a):
    """Every output cell by the sum over input cells, in float64."""
    X, K = X.asnumpy().astype('float64'), K.asnumpy().astype('float64')
    sizes = [
        s * (i - 1) + k - 2 * p + a
        for i, k in zip(X.shape, K.shape, strict=True)
    ]
    Y = numpy.zeros(sizes)
    for u, v in numpy.ndindex(*sizes):
        for i, j in numpy.ndindex(*X.shape):
            row, col = u + p - s * i, v + p - s * j
            if 0 <= row < K.shape[0] and 0 <= col < K.shape[1]:
                Y[u, v] += X[i, j] * K[row, col]
    return Y


def layer_of(kind, weight, **options):
    """A Gluon layer with this weight and without bias."""
    channels = weight.shape[0 if kind is nn.Conv2D else 1]
    layer = kind(
        channels,
        kernel_size=weight.shape[2:],
        in_channels=weight.shape[1 if kind is nn.Conv2D else 0],
        use_bias=False,
        **options,
    )
    layer.initialize()
    layer.weight.set_data(weight)
    return layer


def close(ours, theirs, tolerance=1e-5):
    """Whether two arrays have one shape and nearly the same values."""
    ours, theirs = (
        x.asnumpy() if isinstance(x, np.ndarray) else x for x in (ours, theirs)
    )
    return ours.shape == theirs.shape and numpy.allclose(
        ours, theirs, rtol=0, atol=tolerance
    )


@pytest.mark.parametrize('k, s, p, a', GRID)
def test_loop_formula_and_gluon_agree(k, s, p, a):
    X, K = random(3, 4), random(k, k, seed=1)
    ours = segbook.trans_conv(X, K, s, p, a)
    layer = layer_of(
        nn.Conv2DTranspose,
        K[None, None],
        strides=s,
        padding=p,
        output_padding=a,
    )
    assert close(ours, by_formula(X, K, s, p, a))
    assert close(ours, layer(X[None, None])[0, 0])


@pytest.mark.parametrize('kernel', [(2, 3), (4, 1), (1, 5)])
def test_kernels_that_are_not_square(kernel):
    X, K = random(3, 2), random(*kernel)
    layer = layer_of(nn.Conv2DTranspose, K[None, None], strides=2)
    ours = segbook.trans_conv(X, K, 2)
    assert close(ours, by_formula(X, K, 2, 0, 0))
    assert close(ours, layer(X[None, None])[0, 0])


@pytest.mark.parametrize(
    'k, s, p, a, height, width',
    [
        (4, 2, 1, 0, 20, 30),
        (3, 2, 1, 1, 20, 30),
        (64, 32, 16, 0, 320, 480),
        (4, 2, 0, 0, 22, 32),
        (5, 3, 2, 0, 28, 43),
        (5, 3, 1, 0, 30, 45),
    ],
)
def test_output_sizes(k, s, p, a, height, width):
    sizes = [segbook.trans_conv_size(i, k, s, p, a) for i in (10, 15)]
    assert sizes == [height, width]
    layer = layer_of(
        nn.Conv2DTranspose,
        np.ones((1, 1, k, k)),
        strides=s,
        padding=p,
        output_padding=a,
    )
    assert layer(np.ones((1, 1, 10, 15))).shape == (1, 1, height, width)


@pytest.mark.parametrize(
    'k, s, p', sorted({(k, s, p) for k, s, p, _ in GRID if k > 1})
)
def test_matrix_is_the_convolution_and_its_transpose_the_other(k, s, p):
    shape = (6, 7)
    X, K = random(*shape), random(k, k, seed=1)
    W = segbook.conv_matrix(K, shape, s, p)
    Y = layer_of(nn.Conv2D, K[None, None], strides=s, padding=p)(
        X[None, None]
    )[0, 0]
    assert close(segbook.conv(X, K, s, p), Y)
    assert close((W @ X.reshape(-1)).reshape(Y.shape), Y)
    # Each direction has its own remainder; so each gets its own padding.
    back = (W.T @ Y.reshape(-1)).reshape(shape)
    rest = [(i + 2 * p - k) % s for i in shape]
    whole = segbook.trans_conv(Y, K, s, p, max(rest))
    assert close(whole[: shape[0], : shape[1]], back, 1e-4)


@pytest.mark.parametrize(
    'k, s, p, a',
    # Else the gather view would have to cut, or to add zeros.
    [(k, s, p, a) for k, s, p, a in GRID if a <= p <= k - 1],
)
def test_zeros_between_then_a_convolution(k, s, p, a):
    X, K = random(3, 4), random(k, k, seed=1)
    Z = np.pad(segbook.insert_zeros(X, s), ((0, a), (0, a)))
    Y = segbook.conv(Z, np.flip(K, axis=(0, 1)), padding=k - 1 - p)
    assert close(Y, segbook.trans_conv(X, K, s, p, a))


@settings(max_examples=200, deadline=None)
@given(
    i=st.integers(1, 700),
    k=st.integers(1, 70),
    s=st.integers(1, 40),
    p=st.integers(0, 40),
)
def test_when_the_shape_comes_back(i, k, s, p):
    assume(i + 2 * p >= k)
    o = segbook.conv_size(i, k, s, p)
    rest = (i + 2 * p - k) % s
    assert o >= 1 and rest < s
    assert segbook.trans_conv_size(o, k, s, p) == i - rest
    assert segbook.trans_conv_size(o, k, s, p, rest) == i


@pytest.mark.parametrize('size, back', [(16, 16), (15, 13), (17, 16)])
def test_the_shape_comes_back_only_without_remainder(size, back):
    down = layer_of(nn.Conv2D, np.ones((1, 1, 5, 5)), strides=3, padding=2)
    up = layer_of(
        nn.Conv2DTranspose, np.ones((1, 1, 5, 5)), strides=3, padding=2
    )
    assert up(down(np.ones((1, 1, size, size)))).shape == (1, 1, back, back)


def test_values_do_not_come_back():
    X, K = random(5, 5), random(3, 3, seed=1)
    again = segbook.trans_conv(segbook.conv(X, K, 2), K, 2)
    assert again.shape == X.shape and not close(again, X, 0.1)


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_gluon_refuses_output_padding_of_the_stride(stride):
    with pytest.raises(MXNetError):
        layer = nn.Conv2DTranspose(
            1, 3, strides=stride, output_padding=stride, in_channels=1
        )
        layer.initialize()
        layer(np.ones((1, 1, 4, 4))).wait_to_read()


@pytest.mark.parametrize('s, p', [(1, 0), (2, 1), (3, 2)])
def test_backward_of_one_is_forward_of_the_other(s, p):
    K = random(4, 4, seed=2)
    large = random(s * 4 + 4 - 2 * p, s * 4 + 4 - 2 * p)
    small = random(5, 5, seed=1)
    for kind, X, G, forward in (
        (nn.Conv2D, large, small, segbook.trans_conv),
        (nn.Conv2DTranspose, small, large, segbook.conv),
    ):
        layer = layer_of(kind, K[None, None], strides=s, padding=p)
        X = X[None, None].copy()
        X.attach_grad()
        with autograd.record():
            Y = layer(X)
        Y.backward(G[None, None])
        assert close(X.grad[0, 0], forward(G, K, s, p), 1e-4)


def test_channels_of_the_weight():
    X, weight = random(3, 4, 5), random(3, 2, 4, 4, seed=1)
    layer = layer_of(nn.Conv2DTranspose, weight, strides=2, padding=1)
    assert layer.weight.shape == (3, 2, 4, 4)
    ours = np.stack(
        [
            sum(segbook.trans_conv(X[c], weight[c, d], 2, 1) for c in range(3))
            for d in range(2)
        ]
    )
    assert close(ours, layer(X[None])[0])


@pytest.mark.parametrize(
    'k, s', list(itertools.product((1, 2, 3, 5, 6), (1, 2, 3)))
)
def test_phase_sums_are_the_output_on_ones(k, s):
    K = random(k, k)
    Y = segbook.trans_conv(np.ones((7, 7)), K, s)
    begin = s * -(-k // s)  # the first place where all stamps overlap
    tile = Y[begin : begin + s, begin : begin + s]
    assert close(tile, segbook.phase_sums(K, s))


@pytest.mark.parametrize(
    'k, s', list(itertools.product(range(1, 9), (1, 2, 3, 4)))
)
def test_equal_weights_are_even_if_the_stride_divides(k, s):
    sums = segbook.phase_sums(np.ones((k, k)), s)
    assert (float(sums.max()) == float(sums.min())) == (k % s == 0)


def test_padding_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError, match='padding 2 leaves no output'):
        segbook.trans_conv(np.ones((1, 1)), np.ones((4, 4)), 1, 2)


@pytest.mark.parametrize('script', ['transposed_conv', 'bilinear'])
def test_figures_are_fresh(script, tmp_path):
    subprocess.run(
        [sys.executable, IMG / f'{script}.py', tmp_path], check=True
    )
    drawn = sorted(tmp_path.glob('*.svg'))
    assert drawn
    for path in drawn:
        assert path.read_text('utf-8') == (IMG / path.name).read_text(
            'utf-8'
        ), path.name
        assert '<title>' in path.read_text('utf-8')
