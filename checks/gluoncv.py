"""Checks of the exercises on GluonCV; they do not need it themselves."""

from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    predictions,
    share,
    whole,
)

import numpy as onp

# ------------------------------------------------------------ Which photos?


@check('two numbers of photos and a share')
def split(trained_on, seen, left_out):
    """Compare with sums.

    trained_on, seen: whole numbers. left_out: a share, to three digits.
    """
    train, val = 1464, 1449
    expect(
        whole(array(trained_on, (), 'the training'), 'the training'),
        train + val,
        'she trains on another number of photos',
        (train, 'that is train.txt; which file does the split read?'),
        (val, 'that is val.txt'),
        got='{:.0f}',
        hint='the split «train» reads trainval.txt',
    )
    expect(
        whole(array(seen, (), 'the number seen'), 'the number seen'),
        val,
        'another number of the photos of the evaluation has been seen',
        (0, 'trainval.txt holds the photos of val.txt'),
        (train, 'these are the others: the photos that are judged are val’s'),
        (train + val, 'only photos of the evaluation are asked for'),
        got='{:.0f}',
        hint='all photos of val.txt stand in trainval.txt',
    )
    expect(
        share(left_out, (), 'the share'),
        val / (train + val),
        'the share is not right',
        (train / (train + val), 'that is the share that stays'),
        (1.0, 'of the photos of the training, not of the evaluation'),
        (0.0, 'what was seen in training cannot judge'),
        (val / train, 'of all photos that she trains on'),
        hint='val’s photos, divided by all photos of the training',
        tolerance=ROUNDED,
    )
    return 'Half of her training is the evaluation.'


# ----------------------------------------------- Their mean from your matrix


@check('a function of a confusion matrix that returns two numbers')
def means(function):
    """Compare with loops over classes.

    function(confusion): int64 (C, C); returns our and their mean IU.
    """
    rng = onp.random.default_rng(4)
    for classes, absent, silent in (
        (3, [], []),
        (5, [2, 4], [4]),
        (21, [*range(9, 21)], [*range(12, 21)]),
        (4, [1, 2, 3], [1, 2, 3]),
    ):
        confusion = rng.integers(1, 90, size=(classes, classes))
        confusion += onp.diag(rng.integers(50, 900, size=classes))
        confusion[absent] = 0
        confusion[:, silent] = 0
        got = _pair(call(function, confusion.copy()), 'the two means')
        rows, columns = confusion.sum(axis=1), confusion.sum(axis=0)
        iu = onp.zeros(classes)
        for c in range(classes):
            union = rows[c] + columns[c] - confusion[c, c]
            if union:
                iu[c] = confusion[c, c] / union
        ours, theirs = iu[rows > 0].mean(), iu.mean()
        either = iu[rows + columns > 0].mean()
        recall = (onp.diag(confusion) / onp.maximum(rows, 1)).mean()
        expect(
            got,
            (ours, theirs),
            f'mean {{0}} of a matrix of {classes} classes is not right',
            ((theirs, ours), 'ours comes first'),
            ((ours, ours), 'theirs divides by the number of all classes'),
            ((theirs, theirs), 'ours leaves out what does not occur'),
            (
                (either, theirs),
                'a class that is predicted and does not occur is not in our '
                'mean',
            ),
            (
                (ours, either),
                'theirs counts a class that nobody saw or said, as 0',
            ),
            (
                (recall, recall),
                'the union: the row and the column, and what they share once',
            ),
            hint='for each class: what is right, divided by its row and its '
            'column together, what is right counted once',
        )
    return 'The same IUs, and two means of them.'


def _pair(answer, name):
    """Two numbers, or Wrong."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong(
            f'{name} are not two',
            expected='two values: return one, other',
            got=f'{type(answer).__name__}',
        )
    return onp.array([array(part, (), 'a mean') for part in answer])


# --------------------------------------------------------- One pixel more


@check('two numbers, and True or False')
def pixel(as_edges, as_pixels, called_right):
    """Compare with areas.

    as_edges, as_pixels: shares, to three digits. called_right: a boolean.
    """
    swapped = 'that is with coordinates of the other kind'
    expect(
        share(as_edges, (), 'the IoU with edges'),
        36 / 81,
        'the IoU with edges is not right',
        (1 / 2, swapped),
        (36 / 117, 'the union counts what both share once'),
        hint='sides are differences: 9 and 9, 9 and 4',
        tolerance=ROUNDED,
    )
    expect(
        share(as_pixels, (), 'the IoU with pixels'),
        1 / 2,
        'the IoU with pixels is not right',
        (36 / 81, swapped),
        (50 / 150, 'the union counts what both share once'),
        hint='from pixel 0 to pixel 9 there are ten of them',
        tolerance=ROUNDED,
    )
    predictions(
        {'called_right': called_right},
        {'called_right': True},
        {
            'called_right': 'the metric adds 1 to the sides, and an IoU as '
            'large as the threshold is enough'
        },
    )
    return 'A hit by one pixel.'


# ------------------------------------------------- Two average precisions


@check('a function of a list of True and False and of a number')
def precision(function):
    """Compare with loops.

    function(right, num_true): a list of booleans, best score first, and a
    whole number from 1 on; returns the area and the mean of eleven heights.
    """
    rng = onp.random.default_rng(7)
    cases = [([True, False, True, False, True], 3), ([False], 1), ([], 2)]
    cases += [([True], 4), ([False, True, True], 2)]
    for number in (12, 40):
        right = [bool(x) for x in rng.integers(2, size=number)]
        cases.append((right, sum(right) + 3))
    for right, num_true in cases:
        what = f'{len(right)} boxes, {sum(right)} right, {num_true} true'
        got = _pair(call(function, [*right], num_true), 'the two values')
        area, eleven = _averages(right, num_true)
        expect(
            got,
            (area, eleven),
            f'value {{0}} is not right for {what}',
            ((eleven, area), 'the area comes first'),
            (
                _averages(right, num_true, later=False),
                'the height is the best precision at this recall or a '
                'higher one',
            ),
            (
                _averages(right, max(1, sum(right))),
                'the recall is a share of all true boxes, found or not',
            ),
            (
                (area, eleven * 11 / 10),
                'there are eleven places, with both ends',
            ),
            hint='precision: right ones so far, divided by boxes so far; '
            'recall: divided by the number of true boxes',
        )
    return 'Both, from one staircase.'


def _averages(right, num_true, later=True):
    """Area and eleven places; `later` False takes precisions as they are."""
    hits, steps, points = 0, {}, []
    for place, good in enumerate(right, 1):
        hits += good
        points.append((hits, hits / place))
        if good:
            steps[hits] = hits / place

    def height(least):
        heights = [p for hit, p in points if hit >= least]
        return (max(heights) if later else heights[0]) if heights else 0.0

    area = sum(
        height(hit) if later else steps.get(hit, 0.0)
        for hit in range(1, num_true + 1)
    )
    eleven = 0.0
    for tenth in range(11):
        # The smallest number of hits whose recall is that high, exactly.
        least = -(-tenth * num_true // 10)
        eleven += height(least) / 11
    return area / num_true, eleven


# ------------------------------------------------------- Where does it read?


@check('a function of the cells and the stride that returns two arrays')
def places(function):
    """Compare with lines through known points.

    function(cells, stride): whole numbers from 2 on; returns two arrays of
    stride * cells places.
    """
    for cells, stride in ((4, 8), (15, 32), (2, 2), (7, 3)):
        size = stride * cells
        answer = call(function, cells, stride)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise Wrong('two arrays are asked for', got=type(answer).__name__)
        theirs, ours = (
            array(part, (size,), f'the places of {name}')
            for part, name in zip(answer, ('theirs', 'ours'), strict=True)
        )
        pinned = onp.linspace(0, cells - 1, size)
        first = (1 - stride) / (2 * stride)
        middle = first + onp.arange(size) / stride
        where = f'for {cells} cells and a stride of {stride}'
        expect(
            theirs,
            pinned,
            f'pixel {{0}} of theirs reads another place {where}',
            (middle, 'that is ours: cells in the middle of their blocks'),
            (onp.arange(size) / stride, 'the last pixel reads the last cell'),
            (
                onp.arange(size) * cells / size,
                'from the first cell to the last there are n - 1 steps',
            ),
            hint='a line: pixel 0 reads 0, pixel N - 1 reads n - 1',
        )
        expect(
            ours,
            middle,
            f'pixel {{0}} of ours reads another place {where}',
            (pinned, 'that is theirs'),
            (
                onp.arange(size) / stride,
                'the middle of a block is not its first pixel',
            ),
            (
                onp.clip(middle, 0, cells - 1),
                'do not cut at the border: the kernel fades there',
            ),
            (
                middle + 1 / (2 * stride),
                'a block of s pixels has its middle (s - 1) / 2 behind the '
                'first one',
            ),
            hint='a line: pixel (s - 1) / 2 reads 0, and s pixels later 1',
        )
    return 'Both lines, and half a cell between them at the ends.'
