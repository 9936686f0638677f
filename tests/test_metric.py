"""The metric against a loop over pixels, a formula, and gluoncv's metric."""

import utils

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CLASSES = 4
labels = hnp.arrays(
    'int64', (3, 5), elements=st.sampled_from([0, 1, 2, 3, 255])
)
predictions = hnp.arrays('int64', (3, 5), elements=st.integers(0, CLASSES - 1))


def count_by_loop(label, prediction):
    """Intersection, union and pixels of each class, pixel after pixel."""
    both, either, truth = [0] * CLASSES, [0] * CLASSES, [0] * CLASSES
    for t, p in zip(label.ravel(), prediction.ravel(), strict=True):
        if t == 255:
            continue
        truth[t] += 1
        if t == p:
            both[t] += 1
            either[t] += 1
        else:
            either[t] += 1
            either[p] += 1
    return np.array(both), np.array(either), np.array(truth)


@given(labels, predictions)
def test_figures_equal_a_count_pixel_by_pixel(label, prediction):
    metric = utils.SegmentationMetric(CLASSES)
    metric.update(label, prediction)
    both, either, truth = count_by_loop(label, prediction)
    present = [c for c in range(CLASSES) if truth[c]]
    if not present:
        assert np.isnan(metric.mean_iu) and np.isnan(metric.pixel_accuracy)
        return
    iu = [both[c] / either[c] for c in present]
    share = [truth[c] / truth.sum() for c in present]
    assert metric.pixel_accuracy == pytest.approx(both.sum() / truth.sum())
    assert metric.mean_accuracy == pytest.approx(
        np.mean([both[c] / truth[c] for c in present])
    )
    assert metric.mean_iu == pytest.approx(np.mean(iu))
    assert metric.frequency_weighted_iu == pytest.approx(np.dot(share, iu))


def test_agrees_with_gluoncv_where_every_class_is_present():
    from gluoncv.utils.metrics import segmentation as gluoncv

    rng = np.random.default_rng(0)
    label = rng.integers(0, CLASSES, (2, 40, 60))
    label[:, :3] = 255
    scores = rng.normal(size=(2, CLASSES, 40, 60))
    ours = utils.SegmentationMetric(CLASSES)
    ours.update(label, scores.argmax(axis=1))

    import mxnet as mx

    masked = np.where(label == 255, -1, label)
    with mx.util.np_array(False), mx.util.np_shape(False):
        output, target = mx.nd.array(scores), mx.nd.array(masked)
        correct, labeled = gluoncv.batch_pix_accuracy(output, target)
        inter, union = gluoncv.batch_intersection_union(
            output, target, CLASSES
        )
    assert ours.pixel_accuracy == pytest.approx(correct / labeled)
    assert ours.mean_iu == pytest.approx((inter / union).mean())


def test_counts_add_up_over_updates():
    rng = np.random.default_rng(1)
    label = rng.integers(0, CLASSES, (4, 7, 9))
    prediction = rng.integers(0, CLASSES, (4, 7, 9))
    whole = utils.SegmentationMetric(CLASSES)
    whole.update(label, prediction)
    parts = utils.SegmentationMetric(CLASSES)
    for one, other in zip(label, prediction, strict=True):
        parts.update(one, other)
    assert (whole.confusion == parts.confusion).all()


def test_void_counts_for_nothing():
    metric = utils.SegmentationMetric(2)
    metric.update(np.array([[0, 1, 255, 255]]), np.array([[0, 0, 1, 0]]))
    assert metric.confusion.tolist() == [[1, 0], [1, 0]]


def test_all_background_is_a_prediction_of_zeros():
    rng = np.random.default_rng(2)
    label = rng.choice([0, 0, 0, 1, 2, 255], (30, 30))
    metric, zeros = (utils.SegmentationMetric(CLASSES) for _ in range(2))
    metric.update(label, rng.integers(0, CLASSES, label.shape))
    zeros.update(label, np.zeros_like(label))
    baseline = metric.all_background()
    assert (baseline.confusion == zeros.confusion).all()
    assert baseline.mean_iu == pytest.approx(baseline.class_iu[0] / 3)
    twos = utils.SegmentationMetric(CLASSES)
    twos.update(label, np.full_like(label, 2))
    assert (metric.all_background(2).confusion == twos.confusion).all()


@pytest.mark.parametrize(
    ('label', 'prediction', 'message'),
    [
        ([[0, 1]], [[0], [1]], r'shape \(1, 2\).*\(2, 1\)'),
        ([[0, 7]], [[0, 1]], 'label holds class 7.*ends at 3'),
        ([[0, 1]], [[0, 4]], 'prediction holds class 4'),
        ([[-1, 1]], [[0, 1]], 'label holds class -1'),
    ],
)
def test_bad_input_is_named(label, prediction, message):
    metric = utils.SegmentationMetric(CLASSES)
    with pytest.raises(ValueError, match=message):
        metric.update(np.array(label), np.array(prediction))
    assert not metric.confusion.any()
