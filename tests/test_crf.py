"""The fully connected CRF: against sums over all pairs, and a program."""

import tracemalloc

import segbook
import utils

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import np
from mxnet.gluon import nn


def scene(height=24, width=32):
    """A photo of a disc and a block, soft guesses beside them, the label."""
    i, j = onp.mgrid[:height, :width]
    label = onp.where((i - 10) ** 2 + (j - 9) ** 2 < 50, 1, 0)
    label[4:20, 19:27] = 2
    photo = onp.array([[60, 110, 90], [200, 80, 60], [70, 90, 210]])[label]
    photo = photo + (2 * j + 3 * ((7 * i + 5 * j) % 4))[..., None]
    guess = onp.roll(label, (2, 3), axis=(0, 1))
    near = (guess == onp.arange(3)[:, None, None]).astype('float64')
    for axis in (1, 2):
        near = sum(onp.roll(near, s, axis) for s in range(-3, 4)) / 7
    chances = (near + 0.05) / (near + 0.05).sum(axis=0)
    return photo.astype('uint8'), chances.astype('float32'), label


def all_pairs(features, maps, normal=False):
    """Gaussian sums of maps (labels, N), pair by pair, in float64."""
    features = onp.asarray(features, dtype='float64')
    apart = ((features[:, None] - features) ** 2).sum(axis=-1)
    kernel = onp.exp(-apart / 2)
    if normal:
        n = kernel.sum(axis=1)
        kernel = kernel / onp.sqrt(n[:, None] * n)
    return maps @ kernel


def places_of(shape):
    return onp.stack(onp.mgrid[: shape[0], : shape[1]], -1).reshape(-1, 2)


def exact(chances, photo, weights, widths, steps):
    """`refine` by sums over all pairs, written down anew."""
    places = places_of(photo.shape)
    colors = photo.reshape(-1, 3) / widths[1]
    both = onp.concatenate([places / widths[0], colors], axis=1)
    unary = -onp.log(onp.maximum(chances, 1e-5)).reshape(len(chances), -1)
    q = onp.exp(-unary) / onp.exp(-unary).sum(axis=0)
    for _ in range(steps):
        score = weights[0] * all_pairs(both, q, normal=True)
        score += weights[1] * all_pairs(places / widths[2], q, normal=True)
        q = onp.exp(score - unary)
        q /= q.sum(axis=0)
    return q.reshape(chances.shape)


# ------------------------------------------------------------------ The sums
@settings(deadline=None, max_examples=20)
@given(
    st.integers(1, 9), st.integers(1, 9), st.floats(0.3, 20), st.integers(0, 9)
)
def test_smoothness_is_the_sum_over_all_pairs(height, width, sigma, seed):
    maps = onp.random.default_rng(seed).uniform(size=(2, height, width))
    maps = maps.astype('float32')
    ours = segbook.smoothness((height, width), sigma)(maps)
    wanted = all_pairs(places_of((height, width)) / sigma, maps.reshape(2, -1))
    onp.testing.assert_allclose(
        ours.reshape(2, -1), wanted, rtol=1e-5, atol=1e-6
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 99))
def test_corners_mean_the_point(dimensions, number, seed):
    """Weights sum to 1, and the weighted mean of the corners is the point."""
    rng = onp.random.default_rng(seed)
    points = rng.normal(scale=3, size=(number, dimensions))
    keys, weights, steps = segbook.corners(points)
    onp.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert (weights >= 0).all()
    moved = points - points.min(axis=0) + 2
    rest, mean = keys.copy(), []
    for step in steps[::-1]:  # a key, read digit by digit
        mean.insert(0, (weights * (rest // step)).sum(axis=0))
        rest = rest % step
    onp.testing.assert_allclose(onp.array(mean).T, moved, atol=1e-4)


def test_different_lattice_points_have_different_keys():
    """Neighbours included, which the blur asks for."""
    points = onp.array([[0, 0], [5, 0], [0, 5], [5, 5], [2.5, 1.5]])
    keys, _, steps = segbook.corners(points)
    around = (0, *steps, *-steps, sum(steps), -sum(steps))
    moved = points - points.min(axis=0) + 2
    lows = onp.floor(moved).astype(int)
    wanted, got = set(), set()
    for low, key in zip(lows, keys[0], strict=True):
        moves = onp.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        for move in (*moves, *-moves[1:]):
            wanted.add(tuple(low + move))
        got |= {int(key + s) for s in around}
    assert len(got) == len(wanted)


@pytest.mark.parametrize('dimensions', [1, 2, 3, 5])
def test_the_lattice_blurs_like_a_round_gaussian(dimensions):
    """Variance 1 in every direction, no covariance: the stretch is right."""
    rng = onp.random.default_rng(0)
    features = rng.uniform(-3, 3, size=(20_000, dimensions))
    features[:50] = rng.uniform(-0.5, 0.5, size=(50, dimensions))
    maps = onp.zeros((1, len(features)), 'float32')
    maps[0, :50] = 1
    got = segbook.lattice(features)(maps)[0].astype('float64')
    away = features[50:] - features[:50].mean(axis=0)
    moments = (got[50:] * away.T) @ away / got[50:].sum()
    # What was splatted is itself spread over a cube of side 1.
    spread = onp.eye(dimensions) * (1 + 1 / 12)
    onp.testing.assert_allclose(moments, spread, atol=0.12)


def test_the_lattice_is_nearly_the_sum_over_all_pairs():
    photo, chances, _ = scene()
    colors = photo.reshape(-1, 3) / 30
    features = onp.concatenate([places_of(photo.shape) / 10, colors], axis=1)
    maps = chances.reshape(3, -1)
    add_up = segbook.lattice(features)
    ours = add_up(maps) / add_up(onp.ones_like(maps[:1]))
    wanted = all_pairs(features, maps) / all_pairs(
        features, onp.ones_like(maps[:1])
    )
    assert abs(ours - wanted).mean() < 0.01
    assert abs(maps - wanted).mean() > 0.05  # so this is not nothing


# -------------------------------------------------------------- The labels
SETTINGS = [((8, 3), (10, 30, 2)), ((0, 3), (10, 30, 2)), ((8, 0), (5, 9, 1))]


@pytest.mark.parametrize(('weights', 'widths'), SETTINGS)
@pytest.mark.parametrize('steps', [0, 1, 5])
def test_refined_as_by_the_sum_over_all_pairs(weights, widths, steps):
    photo, chances, _ = scene()
    ours = segbook.refine(chances, photo, weights, widths, steps)
    wanted = exact(chances, photo, weights, widths, steps)
    assert ours.dtype == onp.float32 and ours.shape == chances.shape
    onp.testing.assert_allclose(ours.sum(axis=0), 1, atol=1e-5)
    assert (ours.argmax(axis=0) == wanted.argmax(axis=0)).mean() > 0.99
    assert abs(ours - wanted).mean() < 0.01


# What `pydensecrf2` 1.1 answers for `scene()`, recorded by
#   crf = pydensecrf.densecrf.DenseCRF2D(32, 24, 3)
#   crf.setUnaryEnergy(-numpy.log(chances).reshape(3, -1))
#   crf.addPairwiseBilateral(sxy=10, srgb=30, rgbim=photo, compat=8)
#   crf.addPairwiseGaussian(sxy=2, compat=3)
#   q = numpy.array(crf.inference(5)).reshape(3, 24, 32)
# as q.argmax(axis=0) and q.mean(axis=(1, 2)).
RECORDED = """
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00000000010000000000000000000000
00000011111110000002002222200000
00000111111111000000202222200000
00001111111111100000220222200000
00011111111111110000022222200000
00011111111111110002002222200000
00011111111111110000202222200000
00111111111111111000220222200000
00011111111111110000022222200000
00011111111111110002002222200000
00011111111111110000202222200000
00001111111111100000220222200000
00000111111111000000022222200000
00000011111110000002002222200000
00000000010000000000202222200000
00000000000000000000220222200000
00000000000000000000022222200000
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
"""
RECORDED_MEANS = 0.6814, 0.1938, 0.1248


def test_refined_as_by_another_program():
    photo, chances, _ = scene()
    ours = segbook.refine(chances, photo, (8, 3), (10, 30, 2), 5)
    labels = [[int(digit) for digit in row] for row in RECORDED.split()]
    assert (ours.argmax(axis=0) == onp.array(labels)).mean() > 0.99
    onp.testing.assert_allclose(
        ours.mean(axis=(1, 2)), RECORDED_MEANS, atol=0.002
    )


def test_it_gains_where_the_colours_tell():
    photo, chances, label = scene()
    before = (chances.argmax(axis=0) == label).mean()
    refined = segbook.refine(chances, photo, (8, 3), (10, 30, 2))
    assert (refined.argmax(axis=0) == label).mean() > before + 0.1


def test_different_labels_are_punished_not_equal_ones():
    """A photo of one colour gets one label, not as many as possible."""
    chances = onp.full((2, 8, 8), 0.5, 'float32')
    chances[0, :, :5], chances[1, :, :5] = 0.6, 0.4
    chances[0, :, 5:], chances[1, :, 5:] = 0.45, 0.55
    grey = onp.full((8, 8, 3), 128, 'uint8')
    refined = segbook.refine(chances, grey, (5, 3), (40, 8, 3))
    assert (refined.argmax(axis=0) == 0).all()


def test_unlikely_labels_change_nothing():
    """Labels that are left out would not have won; with them it is as was."""
    photo, chances, _ = scene()
    more = onp.concatenate([chances * 0.998, *[chances[:1] * 0 + 0.001] * 2])
    ours = segbook.refine(more, photo, (8, 3), (10, 30, 2))
    wanted = exact(more, photo, (8, 3), (10, 30, 2), 5)
    assert (ours[3:] == 0).all()
    assert (ours.argmax(axis=0) == wanted.argmax(axis=0)).mean() > 0.99
    assert abs(ours - wanted).mean() < 0.01


def test_no_weight_is_no_change():
    photo, chances, _ = scene()
    same = segbook.refine(chances, photo, weights=(0, 0))
    onp.testing.assert_allclose(same, chances, atol=1e-6)


def test_memory_is_bounded_by_the_pixels_not_by_the_space():
    """A narrow width makes a lattice of billions of points; few are kept."""
    rng = onp.random.default_rng(0)
    photo = rng.integers(256, size=(100, 150, 3)).astype('uint8')
    chances = onp.full((2, 100, 150), 0.5, 'float32')
    tracemalloc.start()
    segbook.refine(chances, photo, (4, 3), (5, 1, 3), 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most / (100 * 150) < 5000  # bytes a pixel


# -------------------------------------------------------------- Bad input
def spoiled(**changes):
    photo, chances, _ = scene()
    given = {'probabilities': chances, 'photo': photo} | changes
    return segbook.refine(**given)


BAD = [
    ({'probabilities': scene()[1] * 2}, 'these sum to 2 to 2'),
    ({'probabilities': scene()[1] - 1}, 'not below 0 and sum to 1'),
    ({'probabilities': scene()[1] * onp.nan}, 'these sum to nan to nan'),
    ({'probabilities': scene()[1][0]}, r'shape \(24, 32\) do not belong'),
    ({'photo': scene()[0][:-1]}, r'photo of shape \(23, 32, 3\)'),
    ({'photo': scene()[0][..., 0]}, r'photo of shape \(24, 32\)'),
    ({'weights': (3, -1)}, r'two weights, not below 0, and not \(3, -1\)'),
    ({'weights': (3,)}, 'two weights'),
    ({'widths': (40, 8, -3)}, r'three widths above 0, and not \(40, 8, -3\)'),
    ({'widths': (40, 0, 3)}, 'three widths above 0'),
    ({'widths': (40, onp.nan, 3)}, 'three widths above 0'),
    ({'widths': (40, 8)}, 'three widths above 0'),
    ({'widths': (1e-4, 1e-4, 1)}, 'a width is too small'),
    ({'steps': -1}, 'the number of steps is not below 0, not -1'),
]


@pytest.mark.parametrize(('changes', 'message'), BAD)
def test_bad_input_gets_one_clear_error(changes, message):
    with pytest.raises(ValueError, match=message):
        spoiled(**changes)


# ------------------------------------------------------- As part of predict
class Colors(nn.HybridBlock):
    """Scores that are the channels of the photo, and one that is 0."""

    def forward(self, x):
        return np.concatenate([x, 0 * x[:, :1]], axis=1)


@pytest.fixture
def net():
    net = Colors()
    net.initialize()
    return net


def chances_by_hand(photo):
    scores = (photo / 255 - utils.RGB_MEAN) / utils.RGB_STD
    scores = onp.concatenate([scores, 0 * scores[..., :1]], axis=2)
    powers = onp.exp(scores.transpose(2, 0, 1))
    return powers / powers.sum(axis=0)


def test_predict_hands_probabilities_and_photo_to_the_crf(net):
    photo, _, _ = scene()
    seen = []

    def crf(chances, its_photo):
        seen.append((chances, its_photo))
        return chances[::-1]

    device = np.zeros(1).ctx
    found = utils.predict(net, photo, device, crf=crf)
    [(chances, its_photo)] = seen
    wanted = chances_by_hand(photo)
    onp.testing.assert_allclose(chances, wanted, atol=1e-5)
    assert chances.dtype == onp.float32 and (its_photo == photo).all()
    assert (found == wanted[::-1].argmax(axis=0)).all()


def test_predict_of_a_large_photo_hands_over_all_of_it_once(net):
    """Also where tiles overlap the probabilities are those of the scores."""
    rng = onp.random.default_rng(0)
    photo = rng.integers(256, size=(150, 210, 3)).astype('uint8')
    count = 0

    def crf(chances, part):
        nonlocal count
        count += part[..., 0].size
        onp.testing.assert_allclose(chances, chances_by_hand(part), atol=1e-4)
        return chances

    device = np.zeros(1).ctx
    found = utils.predict(net, photo, device, tile=64, crf=crf)
    assert count == 150 * 210
    assert (found == chances_by_hand(photo).argmax(axis=0)).all()


def test_predict_names_a_crf_that_changes_the_shape(net):
    photo, _, _ = scene()
    with pytest.raises(ValueError, match=r'\(4, 24, 32\) and returned .*32'):
        utils.predict(net, photo, np.zeros(1).ctx, crf=lambda q, _: q[0])


def test_predict_with_refine_is_refine(net):
    photo, _, _ = scene()
    found = utils.predict(net, photo, np.zeros(1).ctx, crf=segbook.refine)
    refined = segbook.refine(chances_by_hand(photo), photo)
    assert (found == refined.argmax(axis=0)).mean() > 0.99
