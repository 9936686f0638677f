"""Checks of the exercises on boxes."""

from checks import ROUNDED, array, call, check, expect, share, whole

import numpy as onp

# ------------------------------------------------------------ From one on


@check('a box, a number of pixels and another box')
def from_one_on(box, pixels, mirrored):
    """Compare with the numbers.

    box, mirrored: left, top, right, bottom. pixels: a whole number.
    """
    expect(
        array(box, (4,), 'the box', hint='left, top, right, bottom'),
        [10, 20, 60, 40],
        'number {} of the box is not right',
        ([11, 21, 60, 40], 'VOC counts from 1, and here the first is 0'),
        ([10, 20, 59, 39], 'the box ends behind its last pixel'),
        ([11, 21, 61, 41], 'from 1 to 0 the numbers get smaller'),
        ([10, 20, 50, 20], 'right and bottom, not width and height'),
        ([20, 10, 40, 60], 'left and right first: x before y'),
        expected='{:.0f}',
        got='{:.0f}',
        hint='the first column has the number 1 there and 0 here; the last '
        'one belongs to the box there, and here the box ends behind it',
    )
    expect(
        whole(pixels, 'the number of pixels'),
        1000,
        'the number of pixels is not right',
        (49 * 19, 'from 11 to 60 there are 50 columns'),
        (51 * 21, 'right minus left, nothing is added'),
        (50 + 20, 'width times height'),
        got='{:.0f}',
        hint='50 columns, 20 rows',
    )
    expect(
        array(mirrored, (4,), 'the mirrored box'),
        [40, 20, 90, 40],
        'number {} of the mirrored box is not right',
        ([90, 20, 40, 40], 'left is smaller than right: they change places'),
        ([39, 20, 89, 40], 'edges are mirrored, not pixels: no minus 1'),
        ([41, 20, 91, 40], 'so it would be for numbers from 1 on'),
        ([10, 60, 60, 80], 'that is upside down'),
        ([10, 20, 60, 40], 'that is the box itself'),
        expected='{:.0f}',
        got='{:.0f}',
        hint='what was 60 pixels from the left edge is now 60 from the right',
    )
    return 'No box has lost a column.'


# ---------------------------------------------------- How loose is a half?


@check('three numbers: an IoU and two shares')
def overlaps(value, half, strict):
    """Compare with fractions. All are shares, from 0 to 1."""
    expect(
        share(value, (), 'the IoU'),
        3 / 11,
        'the IoU is not right',
        (6 / 28, 'what both have is counted twice below the line'),
        (6 / 16, 'that is a share of the first box alone'),
        (6 / 12, 'that is a share of the second box alone'),
        (6 / 24, 'by all of the rectangle around both'),
        (12 / 35, 'nothing is added to a side: right minus left'),
        hint='what they share is 2 wide and 3 high; one box has 16, the '
        'other one 12 pixels',
        tolerance=ROUNDED,
    )
    for answer, limit, name in ((half, 0.5, '0.5'), (strict, 0.7, '0.7')):
        expect(
            share(answer, (), f'the share for {name}'),
            (1 - limit) / (1 + limit),
            f'the share for {name} is not right',
            (1 - limit, 'below the line is more than one box'),
            (limit, 'that is the IoU itself'),
            ((1 - limit) / 2, 'they cover 1 + d, which depends on d, too'),
            (limit / (1 + limit), 'that is what they share, solve for d'),
            hint='moved by d, they share 1 - d of a box and cover 1 + d',
            tolerance=ROUNDED,
        )
    return 'A third of the object may be missing, and a half is still right.'


# ------------------------------------------------------ A cell in four bins


@check('numbers (2, 2) and derivatives (3, 3)')
def shared_cells(largest, gradient):
    """Compare with the rule: a bin has all cells that it touches."""
    expect(
        array(largest, (2, 2), 'what comes out'),
        onp.full((2, 2), 9),
        'row {}, column {} of what comes out is not right',
        ([[1, 5], [8, 9]], 'a bin is not a single row: it takes all it meets'),
        (
            [[9, 3], [8, 6]],
            'the middle cells lie in both bins, of rows and columns',
        ),
        ([[1, 5], [8, 7]], 'the bins share cells, and take the largest'),
        ([[4.75, 4.75], [7, 6.25]], 'that is the mean'),
        got='{:.4g}',
        hint='rows 0 and 1 or 1 and 2, columns alike',
    )
    right = onp.zeros((3, 3))
    right[1, 1] = 4
    expect(
        array(gradient, (3, 3), 'the derivatives'),
        right,
        'the derivative of the cell in row {}, column {} is not right',
        (right / 4, 'a cell hears of all bins that it is in'),
        (right / 2, 'how many of the four bins is it in?'),
        (9 * right / 4, 'a derivative, not a value'),
        (9 * right, 'a derivative, not a value'),
        ([[1, 2, 1], [2, 4, 2], [1, 2, 1]], 'only the largest is heard'),
        got='{:.4g}',
        hint='when the largest of a bin grows by 1, the bin does, too',
    )
    return 'One cell hears all, the others nothing.'


# -------------------------------------------- Average precision on paper


@check('three numbers from 0 to 1')
def precision_on_paper(before, after, with_many):
    """Compare with fractions."""
    for answer, name, right, mistakes in (
        (
            before,
            'before',
            11 / 16,
            (
                (11 / 12, 'there are four objects, and one is never found'),
                (11 / 20, 'divide by the objects, not by the boxes'),
                (3 / 5, 'that is the precision of all five boxes'),
                (3 / 4, 'that is the recall'),
                (
                    (1 + 1 + 2 / 3 + 3 / 4 + 3 / 5) / 5,
                    'recall takes a step only where a box is right',
                ),
            ),
        ),
        (
            after,
            'after',
            9 / 16,
            (
                (
                    (1 / 2 + 2 / 3 + 3 / 4) / 4,
                    'the best precision there or later counts',
                ),
                (
                    (1 / 2 + 2 / 3 + 3 / 4) / 3,
                    'four objects; and the best '
                    'precision there or later counts',
                ),
                (3 / 4, 'the fourth object is never found'),
                (11 / 16, 'the first box is wrong now'),
            ),
        ),
        (
            with_many,
            'with many',
            11 / 16,
            (
                (3 / 1005, 'that is the precision of all boxes'),
                (0, 'what comes after the last right box changes nothing'),
            ),
        ),
    ):
        expect(
            share(answer, (), f'the average precision {name}'),
            right,
            f'the average precision {name} is not right',
            *mistakes,
            hint='for each box that is right: the best precision there or '
            'later; add up, divide by the number of objects',
            tolerance=ROUNDED,
        )
    return 'What counts is the order.'


# ------------------------------------------------------ Lower, not remove


def _meet(one, other):
    """IoU of two boxes, number by number."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    sizes = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return wide * high / (sum(sizes) - wide * high)


def _soft(boxes, scores, again=True, all_of_them=False, least=None):
    """The scores; by a mistake: sorted once, of all, with a limit."""
    scores = [float(score) for score in scores]
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    while order:
        if again:
            order.sort(key=lambda i: -scores[i])
        first = order.pop(0)
        others = range(len(scores)) if all_of_them else order
        for i in others:
            meet = _meet(boxes[first], boxes[i])
            if i != first and (least is None or meet > least):
                scores[i] *= (1 - meet) if least is None else 0
    return onp.array(scores)


@check('a function of boxes (n, 4) and scores (n,) that returns scores (n,)')
def softened(function):
    """Compare with a loop over pairs.

    function(boxes, scores): NumPy arrays, float64; returns (n,).
    """
    rng = onp.random.default_rng(4)
    chosen = onp.array([[0, 0, 10, 10], [3, 0, 13, 10], [5, 0, 15, 10.0]])
    cases = [
        (chosen, onp.array([0.9, 0.8, 0.7])),
        (chosen[:1], onp.array([0.5])),
        (chosen[[0, 0]], onp.array([0.5, 0.6])),
    ]
    for number in (4, 12):
        low = rng.uniform(0, 30, size=(number, 2))
        high = low + rng.uniform(10, 30, size=(number, 2))
        boxes = onp.concatenate([low, high], axis=1)
        cases.append((boxes, rng.permutation(number) / number + 0.05))
    for boxes, scores in cases:
        got = array(
            call(function, boxes.copy(), scores.copy()),
            scores.shape,
            'the scores',
            hint='one for each box, in the order of the boxes',
        )
        right = _soft(boxes, scores)
        expect(
            got,
            right,
            f'of {len(boxes)} boxes, the score of number {{}} is not right',
            (scores, 'nothing has changed'),
            (
                onp.sort(right)[::-1],
                'the scores are in the order of the boxes, not sorted',
            ),
            (
                _soft(boxes, scores, again=False),
                'the scores change on the way: the next one to take is the '
                'best of what is left, by its new score',
            ),
            (
                _soft(boxes, scores, all_of_them=True),
                'a box that is taken keeps its score',
            ),
            (
                _soft(boxes, scores, least=0.5),
                'lower the scores, do not remove boxes',
            ),
            expected='{:.4f}',
            hint='each box loses the share that it has in common with every '
            'box that was taken before it: times 1 minus the IoU',
        )
    return 'Two who stand close together are both still there.'


# ---------------------------------------------------- Nobody's pixel twice


@check('a function of mask (H, W) and boxes (n, 4) that returns (n, H, W)')
def divided(function):
    """Compare with a loop over pixels.

    function(mask, boxes): bool (H, W) and int64 (n, 4); returns n masks.
    """
    rng = onp.random.default_rng(6)
    cases = [[[1, 1, 9, 7], [5, 2, 14, 9]], [[2, 0, 8, 8], [2, 0, 8, 8]]]
    cases += [[[0, 0, 16, 4], [3, 1, 7, 10]], [[4, 4, 9, 9]]]
    for boxes in map(onp.array, cases):
        mask = rng.random((10, 16)) < 0.8
        wanted = _owners(mask, boxes)
        got = array(
            call(function, mask.copy(), boxes.copy()),
            wanted.shape,
            'the masks',
            hint='one mask of the size of the photo for each box',
        )
        both = _inside(mask, boxes)
        expect(
            got,
            wanted,
            'box {}, row {}, column {}: the pixel is not right',
            (both, 'pixels in both boxes are given away twice'),
            (
                _owners(mask | True, boxes),
                'only pixels of the mask belong to anybody',
            ),
            (
                _owners(mask, boxes, measured=False),
                'the distance is measured in the width and height of the box',
            ),
            (
                _owners(mask, boxes, half=0.0),
                'the middle of a pixel lies half a pixel further',
            ),
            (
                both & (both.sum(axis=0) == 1),
                'pixels in both boxes belong to one of them',
            ),
            (
                both & (both.cumsum(axis=0) == 1),
                'the first box gets all that they share',
            ),
            expected='{:.0f}',
            got='{:.0f}',
            hint='among the boxes that hold the pixel, the nearest middle; '
            'the first one if two are equally near',
        )
    return 'Each pixel has one owner, or none.'


def _inside(mask, boxes):
    found = onp.zeros((len(boxes), *mask.shape), bool)
    for its, (x0, y0, x1, y1) in zip(found, boxes, strict=True):
        its[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
    return found


def _owners(mask, boxes, measured=True, half=0.5):
    """The masks; by a mistake: distances in pixels, corners of pixels."""
    inside = _inside(mask, boxes)
    found = onp.zeros_like(inside)
    for v, u in zip(*onp.nonzero(mask), strict=True):
        best = None
        for k, (x0, y0, x1, y1) in enumerate(boxes):
            w, h = (x1 - x0, y1 - y0) if measured else (1, 1)
            a = (2 * (u + half) - x0 - x1) / w
            b = (2 * (v + half) - y0 - y1) / h
            if inside[k, v, u] and (best is None or a * a + b * b < best[0]):
                best = a * a + b * b, k
        if best is not None:
            found[best[1], v, u] = True
    return found
