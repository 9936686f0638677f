"""What AlexNet brought, piece by piece: against loops and formulas."""

import segbook
import utils

import mxnet as mx
import numpy as onp
import pytest
from mxnet import autograd, gluon, init, np
from mxnet.gluon import nn


def random(*shape, seed=0):
    rng = onp.random.default_rng(seed)
    return np.array(rng.normal(size=shape), dtype='float32')


# ------------------------------------------------------------ Normalisation
def responded(x, size, alpha, beta, offset):
    """The formula of the paper, number by number, in float64."""
    y = onp.empty(x.shape)
    for n, c, i, j in onp.ndindex(*x.shape):
        total = sum(
            x[n, k, i, j] ** 2
            for k in range(x.shape[1])
            if abs(k - c) <= size // 2
        )
        y[n, c, i, j] = x[n, c, i, j] / (offset + alpha * total) ** beta
    return y


@pytest.mark.parametrize('size', [1, 3, 5, 9])
@pytest.mark.parametrize('alpha', [1e-4, 0.5])
def test_the_normalisation_is_the_papers(size, alpha):
    x = 2 * random(2, 7, 3, 4)
    y = segbook.local_response(x, size, alpha, beta=0.75, offset=2)
    wanted = responded(x.asnumpy().astype(float), size, alpha, 0.75, 2)
    assert y.shape == x.shape
    onp.testing.assert_allclose(y.asnumpy(), wanted, atol=1e-5)


def test_its_defaults_are_the_papers():
    x = 30 * random(1, 8, 2, 2)
    wanted = responded(x.asnumpy().astype(float), 5, 1e-4, 0.75, 2)
    found = segbook.local_response(x).asnumpy()
    onp.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_its_gradient_is_that_of_small_differences():
    x, weight = random(1, 6, 2, 2), random(1, 6, 2, 2, seed=1)
    x.attach_grad()
    with autograd.record():
        loss = (segbook.local_response(x, 3, 0.5) * weight).sum()
    loss.backward()
    exact, step = x.asnumpy().astype(float), 1e-5
    for place in onp.ndindex(*exact.shape):
        sides = []
        for sign in (1, -1):
            moved = exact.copy()
            moved[place] += sign * step
            moved = responded(moved, 3, 0.5, 0.75, 2)
            sides.append((moved * weight.asnumpy()).sum())
        wanted = (sides[0] - sides[1]) / (2 * step)
        assert abs(x.grad[place].item() - wanted) < 1e-4


@pytest.mark.parametrize('size', [0, 2, -3])
def test_an_even_size_is_named(size):
    with pytest.raises(ValueError, match=f'odd number above 0, not {size}'):
        segbook.local_response(random(1, 4, 2, 2), size)


def test_maps_without_a_batch_are_named():
    with pytest.raises(ValueError, match=r'N, C, H, W, not \(4, 2, 2\)'):
        segbook.local_response(random(4, 2, 2))


# -------------------------------------------------------------------- Crops
def test_a_crop_is_a_part_of_its_photo_perhaps_mirrored():
    """Every pixel says where it comes from."""
    rng = onp.random.default_rng(0)
    i, j = onp.mgrid[:7, :9]
    photo = onp.stack([i, j, 0 * i], axis=-1).astype('uint8')
    crops = segbook.crop_mirror(onp.stack([photo] * 400), 5, rng)
    assert crops.shape == (400, 5, 5, 3) and crops.dtype == onp.uint8
    places = set()
    for crop in crops:
        mirrored = crop[0, 0, 1] > crop[0, 1, 1]
        upright = crop[:, ::-1] if mirrored else crop
        top, left = upright[0, 0, :2].tolist()
        assert (upright == photo[top : top + 5, left : left + 5]).all()
        places.add((top, left, bool(mirrored)))
    assert len(places) == 3 * 5 * 2  # all that there are
    mirrored = (crops[:, 0, 0, 1] > crops[:, 0, 1, 1]).mean()
    assert abs(mirrored - 0.5) < 0.1  # four standard errors


@pytest.mark.parametrize('side', [0, 8])
def test_a_crop_that_is_no_part_is_named(side):
    photos = onp.zeros((2, 7, 9, 3), 'uint8')
    with pytest.raises(ValueError, match=f'no crop of {side} in photos 7 x 9'):
        segbook.crop_mirror(photos, side, onp.random.default_rng(0))


# ------------------------------------------------------------------ Colours
def some_photos():
    """Photos whose channels have different, dependent numbers."""
    rng = onp.random.default_rng(1)
    mixed = rng.normal(size=(3, 3)) * (5, 15, 30)
    colors = 128 + rng.normal(size=(4, 6, 5, 3)) @ mixed
    return colors.clip(0, 255).astype('uint8')


def test_directions_are_those_of_the_covariance():
    photos = some_photos()
    variances, directions = segbook.color_directions(photos)
    colors = photos.reshape(-1, 3) / 255
    colors -= colors.mean(axis=0)
    covariance = sum(onp.outer(c, c) for c in colors) / (len(colors) - 1)
    onp.testing.assert_allclose(
        directions.T @ directions, onp.eye(3), atol=1e-12
    )
    for variance, direction in zip(variances, directions.T, strict=True):
        onp.testing.assert_allclose(
            covariance @ direction, variance * direction, atol=1e-12
        )


def test_shifts_have_the_covariance_of_the_colours():
    photos = some_photos()
    found = segbook.color_directions(photos)
    rng = onp.random.default_rng(2)
    shifts = segbook.color_shifts(rng, 200_000, *found, spread=0.2)
    wanted = 0.04 * onp.cov(photos.reshape(-1, 3).T / 255)
    assert abs(onp.cov(shifts.T) - wanted).max() < 0.02 * wanted.max()
    assert abs(shifts.mean(axis=0)).max() < 0.02 * wanted.max() ** 0.5


def test_a_shift_is_added_to_each_pixel_and_clipped():
    photos = some_photos()
    shifts = onp.array([[0.1, -0.2, 0], [2, -2, 0.5 / 255]] * 2)
    shifted = segbook.shift_colors(photos, shifts)
    assert shifted.dtype == onp.uint8
    for photo, shift, got in zip(photos, shifts, shifted, strict=True):
        for place in onp.ndindex(*photo.shape):
            wanted = photo[place] + 255 * shift[place[-1]]
            assert abs(got[place] - min(max(wanted, 0), 255)) <= 0.5001


@pytest.mark.parametrize(
    ('photos', 'message'),
    [
        (onp.zeros((4, 5, 3)), r'not float64 \(4, 5, 3\)'),
        (onp.zeros((4, 5), 'uint8'), r'not uint8 \(4, 5\)'),
        (onp.zeros((1, 1, 3), 'uint8'), 'one pixel has no variance'),
    ],
    ids=['floats', 'grey', 'one pixel'],
)
def test_what_has_no_colours_is_named(photos, message):
    with pytest.raises(ValueError, match=message):
        segbook.color_directions(photos)


# -------------------------------------------------------------------- Decay
def dense():
    layer = nn.Dense(3, in_units=4)
    layer.initialize(init.Normal(1), ctx=utils.try_all_gpus())
    return layer


def test_decay_makes_all_weights_smaller_by_one_factor():
    layer = dense()
    before = {k: p.data().asnumpy() for k, p in layer.collect_params().items()}
    segbook.decay(layer.collect_params().values(), rate=0.1, wd=0.5)
    for name, parameter in layer.collect_params().items():
        onp.testing.assert_allclose(
            parameter.data().asnumpy(), 0.95 * before[name], rtol=1e-6
        )


@pytest.mark.parametrize(('rate', 'wd'), [(0.1, -1), (1, 1), (2, 3)])
def test_decay_that_is_none_is_named(rate, wd):
    with pytest.raises(ValueError, match='rate . wd is from 0 to below 1'):
        segbook.decay(dense().collect_params().values(), rate, wd)


def weight_after(optimizer, gradients, **settings):
    weight = gluon.Parameter('weight', shape=(1,))
    weight.initialize(init.One())
    trainer = gluon.Trainer(
        {'weight': weight}, optimizer, settings, kvstore=None
    )
    for gradient in gradients:
        with autograd.record():
            loss = gradient * weight.data().sum()
        loss.backward()
        trainer.step(1)
    return weight.data().item()


def adam(gradients, rate, wd):
    """Adam with `wd` in the gradient, step by step."""
    w, m, v = 1.0, 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        g = g + wd * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        step = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        w -= rate * step
    return w


@pytest.mark.parametrize('wd', [0, 0.01, 0.1])
@pytest.mark.parametrize('gradient', [0.2, -0.01, 3])
def test_mxnets_wd_is_a_part_of_adams_gradient(wd, gradient):
    gradients = [gradient, -gradient, gradient, gradient, 0.5 * gradient]
    got = weight_after('adam', gradients, learning_rate=0.1, wd=wd)
    assert abs(got - adam(gradients, 0.1, wd)) < 1e-4


def test_adamw_is_what_mxnet_2_alone_has():
    """The chapter says so."""
    has_it = 'adamw' in mx.optimizer.Optimizer.opt_registry
    assert has_it == mx.__version__.startswith('2')
