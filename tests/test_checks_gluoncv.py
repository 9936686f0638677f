"""The checks of the exercises on GluonCV: right ways, recorded wrong ones."""

from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import gluoncv as check

import numpy as onp
import pytest


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_later_answer_gets_a_message(answer):
    for verdict in (
        check.split(2913, answer, 0.497),
        check.split(2913, 1449, answer),
        check.pixel(4 / 9, answer, True),
        check.pixel(4 / 9, 1 / 2, answer),
        check.means(lambda confusion: (0.5, answer)),
        check.precision(lambda right, number: (answer, 0.5)),
        check.places(lambda cells, stride: (answer, answer)),
    ):
        assert verdict.state in (WRONG, OPEN)
        assert not verdict
        assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.means, check.precision, check.places])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN
    assert one(lambda *_: (..., ...)).state == OPEN


@pytest.mark.parametrize('one', [check.means, check.precision, check.places])
def test_one_value_instead_of_two(one):
    says(one(lambda *_: 0.5), 'two')
    says(one(lambda *_: (0.5, 0.5, 0.5)), 'two')


# ----------------------------------------------------------------- split
def test_the_share_may_have_three_digits():
    assert check.split(2913, 1449, 0.497)


WRONG_SPLITS = [
    ((1464, 1449, 0.497), 'which file'),
    ((1449, 1449, 0.497), 'val.txt'),
    ((5, 1449, 0.497), 'reads trainval.txt'),
    ((2913, 0, 0.497), 'holds the photos of val'),
    ((2913, 1464, 0.497), 'these are the others'),
    ((2913, 2913, 0.497), 'only photos of the evaluation'),
    ((2913, 7, 0.497), 'all photos of val.txt'),
    ((2913, 1449, 0.503), 'the share that stays'),
    ((2913, 1449, 1), 'not of the evaluation'),
    ((2913, 1449, 0), 'cannot judge'),
    ((2913, 1449, 0.9898), 'of all photos that she trains on'),
    ((2913, 1449, 0.3), 'divided by all photos'),
    ((2913, 1449, 49.7), 'from 0 to 1'),
]


@pytest.mark.parametrize(('numbers', 'phrase'), WRONG_SPLITS)
def test_wrong_splits(numbers, phrase):
    says(check.split(*numbers), phrase)


# ----------------------------------------------------------------- means
def iu_of(confusion):
    confusion = onp.asarray(confusion, 'float64')
    right = onp.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - right
    with onp.errstate(invalid='ignore'):
        return right / union, confusion.sum(axis=1) > 0


def right_means(confusion):
    iu, present = iu_of(confusion)
    return iu[present].mean(), onp.nan_to_num(iu).mean()


def recall(confusion):
    rows = onp.maximum(confusion.sum(axis=1), 1)
    return (onp.diag(confusion) / rows).mean()


def test_both_means_are_right():
    assert check.means(right_means)
    assert check.means(lambda confusion: [*right_means(confusion)])


WRONG_MEANS = [
    (lambda c: right_means(c)[::-1], 'ours comes first'),
    (lambda c: right_means(c)[:1] * 2, 'the number of all classes'),
    (lambda c: right_means(c)[1:] * 2, 'leaves out what does not occur'),
    (
        lambda c: (onp.nanmean(iu_of(c)[0]), right_means(c)[1]),
        'is predicted and does not occur',
    ),
    (
        lambda c: (right_means(c)[0], onp.nanmean(iu_of(c)[0])),
        'nobody saw or said',
    ),
    (lambda c: (recall(c), recall(c)), 'the row and the column'),
    (lambda c: (0.1, 0.1), 'counted once'),
    (lambda c: (onp.nan, 0.1), 'NaN'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_MEANS)
def test_wrong_means(function, phrase):
    says(check.means(function), phrase)


# ----------------------------------------------------------------- pixel
def test_fractions_and_three_digits_are_right():
    assert check.pixel(4 / 9, 1 / 2, True)
    assert check.pixel(0.444, 0.5, 1)


WRONG_PIXELS = [
    ((0.5, 0.5, True), 'coordinates of the other kind'),
    ((36 / 117, 0.5, True), 'what both share once'),
    ((0.1, 0.5, True), '9 and 9, 9 and 4'),
    ((4 / 9, 4 / 9, True), 'coordinates of the other kind'),
    ((4 / 9, 1 / 3, True), 'what both share once'),
    ((4 / 9, 0.6, True), 'ten of them'),
    ((4 / 9, 0.5, False), 'is enough'),
    ((4 / 9, 0.5, 'True'), 'without quotes'),
]


@pytest.mark.parametrize(('numbers', 'phrase'), WRONG_PIXELS)
def test_wrong_pixels(numbers, phrase):
    says(check.pixel(*numbers), phrase)


# ------------------------------------------------------------- precision
def staircase(right, num_true, later=True, ends=(0, 11), total=None):
    hits = onp.cumsum(onp.array(right, 'int64'))
    recall = hits / (total or num_true)
    precision = hits / onp.arange(1, len(right) + 1)
    if later:
        high = onp.maximum.accumulate(precision[::-1])[::-1]
    else:
        high = precision
    area = (onp.diff(recall, prepend=0) * high).sum()
    places = onp.arange(*ends) / 10
    heights = [precision[recall >= place] for place in places]
    if later:
        heights = [x.max(initial=0) for x in heights]
    else:
        heights = [x[0] if len(x) else 0 for x in heights]
    return area, sum(heights) / len(heights)


def test_the_area_as_a_sum_of_strips_is_right():
    assert check.precision(staircase)


def test_gluoncv_itself_is_right():
    """Boxes that lie far apart, so that right and wrong are as given."""
    gluoncv = pytest.importorskip(
        'gluoncv.utils.metrics.voc_detection',
        reason='gluoncv exists for MXNet 1 only',
    )

    def theirs(right, num_true):
        boxes = onp.arange(100)[:, None] * 100 + onp.array([0, 0, 9, 9.0])
        true = boxes[None, :num_true]
        free = iter(range(num_true))
        wrong = iter(range(50, 100))
        found = [next(free) if good else next(wrong) for good in right]
        if not found:
            return 0, 0
        scores = -onp.arange(len(found), dtype='float64')[None]
        values = []
        for kind in (gluoncv.VOCMApMetric, gluoncv.VOC07MApMetric):
            metric = kind(iou_thresh=0.5)
            zeros = onp.zeros((1, len(found)))
            metric.update(
                boxes[None, found],
                zeros,
                scores,
                true,
                onp.zeros((1, num_true)),
            )
            values.append(float(metric.get()[1]))
        return values

    assert check.precision(theirs)


WRONG_PRECISIONS = [
    (lambda r, n: staircase(r, n)[::-1], 'the area comes first'),
    (lambda r, n: staircase(r, n, later=False), 'or a higher one'),
    (
        lambda r, n: staircase(r, n, total=max(1, sum(r))),
        'found or not',
    ),
    (
        lambda r, n: (staircase(r, n)[0], staircase(r, n)[1] * 1.1),
        'eleven places',
    ),
    (lambda r, n: (0.9, 0.9), 'boxes so far'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_PRECISIONS)
def test_wrong_precisions(function, phrase):
    says(check.precision(function), phrase)


# ---------------------------------------------------------------- places
def theirs(cells, stride):
    return onp.arange(cells * stride) * (cells - 1) / (cells * stride - 1)


def ours(cells, stride):
    return (onp.arange(cells * stride) - (stride - 1) / 2) / stride


def plain(cells, stride):
    return onp.arange(cells * stride) / stride


def test_two_lines_are_right():
    assert check.places(lambda n, s: (theirs(n, s), ours(n, s)))
    assert check.places(lambda n, s: [[*theirs(n, s)], [*ours(n, s)]])


WRONG_PLACES = [
    (lambda n, s: (ours(n, s), theirs(n, s)), 'that is ours'),
    (lambda n, s: (plain(n, s), ours(n, s)), 'reads the last cell'),
    (lambda n, s: (theirs(n, s) + 1, ours(n, s)), 'pixel 0 reads 0'),
    (lambda n, s: (theirs(n, s), theirs(n, s)), 'that is theirs'),
    (lambda n, s: (theirs(n, s), plain(n, s)), 'not its first pixel'),
    (
        lambda n, s: (theirs(n, s), onp.clip(ours(n, s), 0, n - 1)),
        'fades there',
    ),
    (
        lambda n, s: (theirs(n, s), plain(n, s) - 0.5 + 1 / s),
        '(s - 1) / 2 behind',
    ),
    (lambda n, s: (theirs(n, s), ours(n, s) + 3), 's pixels later'),
    (lambda n, s: (theirs(n, s)[1:], ours(n, s)), 'wrong shape'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_PLACES)
def test_wrong_places(function, phrase):
    says(check.places(function), phrase)
