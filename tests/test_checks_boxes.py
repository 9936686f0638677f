"""The checks of the exercises on boxes: right ways, recorded wrong ones."""

import segbook
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import boxes as check

import numpy as onp
import pytest

BOX, MIRRORED = [10, 20, 60, 40], [40, 20, 90, 40]


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_later_answer_gets_a_message(answer):
    for verdict in (
        check.from_one_on(BOX, answer, MIRRORED),
        check.from_one_on(BOX, 1000, answer),
        check.overlaps(3 / 11, answer, 3 / 17),
        check.overlaps(3 / 11, 1 / 3, answer),
        check.shared_cells([[9, 9], [9, 9]], answer),
        check.precision_on_paper(11 / 16, answer, 11 / 16),
        check.precision_on_paper(11 / 16, 9 / 16, answer),
    ):
        assert verdict.state == WRONG
        assert len(verdict.text) < 1000


@pytest.mark.parametrize('one', [check.softened, check.divided])
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# ----------------------------------------------------------- from_one_on
def test_numbers_in_any_form_are_right():
    assert check.from_one_on(BOX, 1000, MIRRORED)
    assert check.from_one_on(tuple(BOX), 1000.0, onp.array(MIRRORED))


WRONG_NUMBERS = [
    (([11, 21, 60, 40], 1000, MIRRORED), 'VOC counts from 1'),
    (([10, 20, 59, 39], 1000, MIRRORED), 'ends behind its last pixel'),
    (([11, 21, 61, 41], 1000, MIRRORED), 'get smaller'),
    (([10, 20, 50, 20], 1000, MIRRORED), 'not width and height'),
    (([20, 10, 40, 60], 1000, MIRRORED), 'x before y'),
    (([9, 19, 58, 38], 1000, MIRRORED), 'the first column'),
    ((BOX[:3], 1000, MIRRORED), 'left, top, right, bottom'),
    ((BOX, 49 * 19, MIRRORED), 'there are 50 columns'),
    ((BOX, 51 * 21, MIRRORED), 'nothing is added'),
    ((BOX, 70, MIRRORED), 'width times height'),
    ((BOX, 999, MIRRORED), '50 columns, 20 rows'),
    ((BOX, 1000, [90, 20, 40, 40]), 'they change places'),
    ((BOX, 1000, [39, 20, 89, 40]), 'no minus 1'),
    ((BOX, 1000, [41, 20, 91, 40]), 'numbers from 1 on'),
    ((BOX, 1000, [10, 60, 60, 80]), 'upside down'),
    ((BOX, 1000, BOX), 'that is the box itself'),
    ((BOX, 1000, [0, 0, 1, 1]), '60 from the right'),
]


@pytest.mark.parametrize(('answers', 'phrase'), WRONG_NUMBERS)
def test_wrong_numbers(answers, phrase):
    says(check.from_one_on(*answers), phrase)


# -------------------------------------------------------------- overlaps
def test_fractions_and_three_digits_are_right():
    assert check.overlaps(6 / 22, 1 / 3, 3 / 17)
    assert check.overlaps(0.273, 0.333, 0.176)


WRONG_SHARES = [
    ((6 / 28, 1 / 3, 3 / 17), 'counted twice'),
    ((6 / 16, 1 / 3, 3 / 17), 'of the first box alone'),
    ((6 / 12, 1 / 3, 3 / 17), 'of the second box alone'),
    ((6 / 24, 1 / 3, 3 / 17), 'the rectangle around both'),
    ((12 / 35, 1 / 3, 3 / 17), 'nothing is added to a side'),
    ((0.9, 1 / 3, 3 / 17), '2 wide and 3 high'),
    ((27.3, 1 / 3, 3 / 17), 'not a percentage'),
    ((3 / 11, 0.5, 3 / 17), 'more than one box'),
    ((3 / 11, 0.25, 3 / 17), 'they cover 1 + d'),
    ((3 / 11, 0.33, 3 / 17), 'three digits'),
    ((3 / 11, 1 / 3, 0.3), 'for 0.7'),
    ((3 / 11, 1 / 3, 0.7), 'the IoU itself'),
    ((3 / 11, 1 / 3, 7 / 17), 'solve for d'),
    ((3 / 11, 1 / 3, 0.9), 'moved by d'),
]


@pytest.mark.parametrize(('answers', 'phrase'), WRONG_SHARES)
def test_wrong_shares(answers, phrase):
    says(check.overlaps(*answers), phrase)


# ---------------------------------------------------------- shared_cells
NINES = [[9, 9], [9, 9]]
FOUR = [[0, 0, 0], [0, 4, 0], [0, 0, 0]]


def test_the_cell_in_the_middle_hears_all():
    assert check.shared_cells(NINES, FOUR)


WRONG_CELLS = [
    (([[1, 5], [8, 9]], FOUR), 'not a single row'),
    (([[9, 3], [8, 6]], FOUR), 'in both bins'),
    (([[1, 5], [8, 7]], FOUR), 'take the largest'),
    (([[4.75, 4.75], [7, 6.25]], FOUR), 'the mean'),
    (([[9, 9], [9, 6]], FOUR), 'rows 0 and 1'),
    ((NINES, onp.array(FOUR) / 4), 'all bins that it is in'),
    ((NINES, onp.array(FOUR) / 2), 'how many of the four'),
    ((NINES, onp.array(FOUR) * 9), 'not a value'),
    ((NINES, [[1, 2, 1], [2, 4, 2], [1, 2, 1]]), 'only the largest'),
    ((NINES, onp.eye(3)), 'grows by 1'),
    ((NINES, [4]), 'shape'),
]


@pytest.mark.parametrize(('answers', 'phrase'), WRONG_CELLS)
def test_wrong_cells(answers, phrase):
    says(check.shared_cells(*answers), phrase)


# ---------------------------------------------------- precision_on_paper
def test_average_precisions_are_right():
    assert check.precision_on_paper(0.6875, 0.5625, 0.6875)
    assert check.precision_on_paper(0.688, 0.563, 0.688)


WRONG_PRECISIONS = [
    ((11 / 12, 9 / 16, 11 / 16), 'one is never found'),
    ((11 / 20, 9 / 16, 11 / 16), 'not by the boxes'),
    ((3 / 5, 9 / 16, 11 / 16), 'of all five boxes'),
    ((3 / 4, 9 / 16, 11 / 16), 'that is the recall'),
    ((4.0166667 / 5, 9 / 16, 11 / 16), 'only where a box is right'),
    ((0.1, 9 / 16, 11 / 16), 'for each box that is right'),
    ((11 / 16, 23 / 48, 11 / 16), 'there or later counts'),
    ((11 / 16, 23 / 36, 11 / 16), 'four objects'),
    ((11 / 16, 3 / 4, 11 / 16), 'never found'),
    ((11 / 16, 11 / 16, 11 / 16), 'wrong now'),
    ((11 / 16, 9 / 16, 3 / 1005), 'the precision of all boxes'),
    ((11 / 16, 9 / 16, 0), 'changes nothing'),
]


@pytest.mark.parametrize(('answers', 'phrase'), WRONG_PRECISIONS)
def test_wrong_precisions(answers, phrase):
    says(check.precision_on_paper(*answers), phrase)


# -------------------------------------------------------------- softened
def soft(boxes, scores, again=True, keep=True, factor=lambda meet: 1 - meet):
    """By the words, with a matrix; or with a mistake."""
    new, meet = scores.copy(), segbook.iou(boxes, boxes)
    open_ = onp.ones(len(new), bool)
    for _ in new:
        by = new if again else scores
        first = onp.where(open_, by, -1).argmax()
        open_[first] = False
        others = open_ if keep else onp.arange(len(new)) != first
        new = onp.where(others, new * factor(meet[first]), new)
    return new


def test_soft_suppression_with_a_matrix_is_right():
    assert check.softened(soft)


WRONG_SCORES = [
    (lambda b, s: s, 'nothing has changed'),
    (lambda b, s: onp.sort(soft(b, s))[::-1], 'not sorted'),
    (lambda b, s: soft(b, s, again=False), 'by its new score'),
    (lambda b, s: soft(b, s, keep=False), 'keeps its score'),
    (lambda b, s: soft(b, s, factor=lambda m: m <= 0.5), 'do not remove'),
    (lambda b, s: soft(b, s, factor=lambda m: onp.exp(-m)), 'times 1 minus'),
    (lambda b, s: s[:-1], 'shape'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_SCORES)
def test_wrong_scores(function, phrase):
    says(check.softened(function), phrase)


# --------------------------------------------------------------- divided
def owned(mask, boxes, half=0.5, scaled=True, everywhere=False):
    """One pixel after the other; or with a mistake."""
    masks = onp.zeros((len(boxes), *mask.shape), bool)
    for v, u in onp.ndindex(mask.shape):
        x, y = u + half, v + half
        far = []
        for x0, y0, x1, y1 in boxes:
            w, h = (x1 - x0, y1 - y0) if scaled else (1, 1)
            a, b = (x - (x0 + x1) / 2) / w, (y - (y0 + y1) / 2) / h
            inside = x0 <= u < x1 and y0 <= v < y1
            far.append(a * a + b * b if inside else onp.inf)
        if (mask[v, u] or everywhere) and min(far) < onp.inf:
            masks[onp.argmin(far), v, u] = True
    return masks


def both(mask, boxes):
    return segbook.masks_of(mask, boxes, [True] * len(boxes))


def test_owners_by_a_loop_are_right():
    assert check.divided(owned)


WRONG_MASKS = [
    (both, 'given away twice'),
    (lambda m, b: owned(m, b, everywhere=True), 'pixels of the mask'),
    (lambda m, b: owned(m, b, scaled=False), 'in the width and height'),
    (lambda m, b: owned(m, b, half=0), 'half a pixel further'),
    (
        lambda m, b: both(m, b) & (both(m, b).sum(axis=0) < 2),
        'belong to one of them',
    ),
    (
        lambda m, b: both(m, b) & (both(m, b).cumsum(axis=0) < 2),
        'the first box gets all',
    ),
    (lambda m, b: owned(m, b[::-1])[::-1], 'equally near'),
    (lambda m, b: owned(m, b)[0], 'shape'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_MASKS)
def test_wrong_masks(function, phrase):
    says(check.divided(function), phrase)
