"""The bilinear kernel against Pillow's resizing, and its two matrices."""

import segbook
import utils  # noqa: F401  (first: it sets MXNet's threads)

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import init, np
from mxnet.gluon import nn
from PIL import Image

STRIDES = [1, 2, 3, 4, 5, 8, 32]


def enlarge(images, stride):
    """Enlarge (n, c, h, w) with Gluon's layer and the bilinear kernel."""
    channels, kernel = images.shape[1], 2 * stride - stride % 2
    layer = nn.Conv2DTranspose(
        channels,
        kernel,
        strides=stride,
        padding=(kernel - stride) // 2,
        in_channels=channels,
        use_bias=False,
    )
    weight = segbook.bilinear_kernel(channels, channels, kernel)
    layer.initialize(init.Constant(weight))
    return layer(np.array(images)).asnumpy()


def by_pillow(image, stride):
    """Enlarge a float32 image (h, w) with Pillow."""
    size = image.shape[1] * stride, image.shape[0] * stride
    return numpy.asarray(Image.fromarray(image).resize(size, Image.BILINEAR))


def random(*shape, seed=0):
    """Random float32 numbers from 0 to 1."""
    return numpy.random.RandomState(seed).rand(*shape).astype('float32')


@pytest.mark.parametrize('stride', STRIDES)
def test_equals_pillow_inside(stride):
    image = random(5, 7)
    ours, theirs = (
        enlarge(image[None, None], stride)[0, 0],
        by_pillow(image, stride),
    )
    assert ours.shape == theirs.shape
    inside = slice(stride // 2, -(stride // 2) or None)
    assert abs(ours - theirs)[inside, inside].max() < 1e-5
    if stride > 1:  # and only there
        border = numpy.ones(ours.shape, bool)
        border[inside, inside] = False
        assert (ours < theirs - 1e-6)[border].all()


@pytest.mark.parametrize('stride', STRIDES)
def test_divided_by_the_output_on_ones_equals_pillow(stride):
    image = random(3, 4)
    ones = numpy.ones_like(image)[None, None]
    ours = enlarge(image[None, None], stride) / enlarge(ones, stride)
    assert abs(ours[0, 0] - by_pillow(image, stride)).max() < 1e-5


@pytest.mark.parametrize(
    'kernel, stride, padding, corner, edge',
    [(4, 2, 1, 0.5625, 0.75), (64, 32, 16, 0.266, 0.516)],
)
def test_border_of_ones(kernel, stride, padding, corner, edge):
    layer = nn.Conv2DTranspose(
        1, kernel, stride, padding, in_channels=1, use_bias=False
    )
    layer.initialize(init.Constant(segbook.bilinear_kernel(1, 1, kernel)))
    Y = layer(np.ones((1, 1, 4, 5))).asnumpy()[0, 0]
    assert Y.shape == (4 * stride, 5 * stride)
    for row, col in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert abs(Y[row, col] - corner) < 5e-4
    half = slice(stride // 2, -stride // 2)
    for side in (Y[0, half], Y[-1, half], Y[half, 0], Y[half, -1]):
        assert abs(side - edge).max() < 5e-4
    assert abs(Y[half, half] - 1).max() < 1e-6


@pytest.mark.parametrize('kernel', range(1, 12))
def test_kernel_by_its_definition(kernel):
    """The weights are the areas of a triangle of the stride's half-width."""
    stride = (kernel + 1) // 2
    center = stride - 1 if kernel % 2 else stride - 0.5
    expected = [1 - abs(n - center) / stride for n in range(kernel)]
    weights = segbook.triangle(kernel).asnumpy()
    assert abs(weights - expected).max() < 1e-6
    weight = segbook.bilinear_kernel(3, 3, kernel).asnumpy()
    assert weight.shape == (3, 3, kernel, kernel)
    assert weight.dtype == numpy.float32
    for c, d in numpy.ndindex(3, 3):
        outer = numpy.outer(expected, expected) if c == d else 0
        assert abs(weight[c, d] - outer).max() < 1e-6


def test_channels_must_be_as_many():
    with pytest.raises(ValueError, match='2 channels cannot be 3'):
        segbook.bilinear_kernel(2, 3, 4)


def test_channels_do_not_mix():
    images = random(1, 3, 4, 5)
    together = enlarge(images, 4)
    for c in range(3):
        alone = enlarge(images[:, c : c + 1], 4)
        assert abs(together[:, c : c + 1] - alone).max() < 1e-6


@pytest.mark.parametrize('stride', STRIDES)
def test_two_matrices_equal_the_layer(stride):
    image = random(4, 6)
    U_height, U_width = (
        segbook.upsampling_matrix(n, stride).asnumpy() for n in image.shape
    )
    ours = U_height @ image @ U_width.T
    assert abs(ours - enlarge(image[None, None], stride)[0, 0]).max() < 1e-5


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 12), stride=st.integers(1, 40))
def test_matrix_has_the_weights_of_linear_interpolation(size, stride):
    U = segbook.upsampling_matrix(size, stride).asnumpy()
    assert U.shape == (size * stride, size)
    assert U.min() >= 0 and (U > 0).sum(axis=1).max() <= 2
    sums = U.sum(axis=1)
    border = stride // 2
    inside = sums[border : len(sums) - border]
    assert abs(inside - 1).max(initial=0) < 1e-5
    assert abs(sums[0] - (stride + 1) / (2 * stride)) < 1e-5
    assert abs(U - U[::-1, ::-1]).max() < 1e-6
    # A straight line stays one: each pixel is in its place.
    centers = stride * numpy.arange(size) + (stride - 1) / 2
    places = numpy.arange(size * stride)[border : len(sums) - border]
    line = (U @ centers)[border : len(sums) - border]
    assert abs(line - places).max(initial=0) < 1e-3


@pytest.mark.parametrize('kernel, stride', [(4, 2), (5, 3), (8, 4), (9, 5)])
def test_no_checkerboard(kernel, stride):
    weight = segbook.bilinear_kernel(1, 1, kernel)[0, 0]
    sums = segbook.phase_sums(weight, stride).asnumpy()
    assert abs(sums - 1).max() < 1e-6


@pytest.mark.parametrize(
    'kernel, stride, padding, output_padding, shift',
    [(4, 2, 1, 0, 0), (3, 2, 1, 1, 0.5), (8, 4, 2, 0, 0), (7, 4, 2, 1, 0.5)],
)
def test_where_a_pixel_lands(kernel, stride, padding, output_padding, shift):
    places = stride * numpy.arange(6) + (stride - 1) / 2
    picture = np.array(numpy.tile(places, (6, 1)).astype('float32'))
    weight = segbook.bilinear_kernel(1, 1, kernel)[0, 0]
    Y = segbook.trans_conv(picture, weight, stride, padding, output_padding)
    inside = numpy.arange(stride, 5 * stride)
    row = Y.asnumpy()[3 * stride][inside]
    assert abs(row - inside - shift).max() < 1e-4
