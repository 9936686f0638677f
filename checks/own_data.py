"""Checks of the exercises of the chapter on photos and labels of your own.

Each takes the answer that its docstring describes and returns a `Verdict`.
"""

import re
from itertools import permutations

import utils  # first: it gives MXNet all cores
from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    share,
    twice,
    whole,
    words,
)

import numpy as onp

# -------------------------------------------------------- Who Lies on Top?

SHAPES = (  # class, first and last row, first and last column
    (3, (2, 7), (1, 8)),
    (1, (0, 4), (6, 11)),
    (2, (3, 5), (5, 7)),
)
NAMES = ('background', 'ship', 'flask', 'taxi')


def _paint(shapes, add=1, first_wins=False):
    label = onp.zeros((8, 12), dtype=int)
    for index, (top, bottom), (left, right) in shapes:
        part = label[top : bottom + add, left : right + add]
        part[(part == 0) | (not first_wins)] = index
    return label


def _counts(shapes, **options):
    return onp.bincount(_paint(shapes, **options).ravel(), minlength=4)


@check(
    'the pixels of background, ship, flask and taxi, twice, and the number '
    'of orders'
)
def order(as_in_file, reversed_order, orders):
    """Check how many pixels overlapping shapes keep.

    as_in_file, reversed_order: four whole numbers each. orders: how many of
    the six orders leave each class a pixel. The shapes are painted.
    """
    alone = [[8 * 12, 0, 0, 0]]
    alone += [_counts([shape]) for shape in SHAPES]
    alone = onp.max(onp.array(alone) * [0, 1, 1, 1], axis=0)
    for name, shapes, answer in (
        ('the order of the file', SHAPES, as_in_file),
        ('the reverse order', SHAPES[::-1], reversed_order),
    ):
        got = array(answer, (4,), f'the answer for {name}')
        right = _counts(shapes)
        rest = onp.r_[right[0], alone[1:]]
        expect(
            got,
            right,
            f'{name}: one of the numbers is wrong',
            (
                _counts(shapes[::-1]),
                'here an earlier shape hides a later one; it is the other '
                'way round',
            ),
            (
                _counts(shapes, add=0),
                'first and last row and column belong to a shape: rows 2 to '
                '7 are six',
            ),
            (
                onp.r_[96 - alone.sum(), alone[1:]],
                rest,
                'these are the whole shapes; a pixel has one class, that of '
                'the shape on top',
            ),
            (right / 96, 'asked are pixels, not shares'),
            hint=_hint_of_order(got, right),
            got=', '.join(
                f'{kind} {number:g}'
                for kind, number in zip(NAMES, got, strict=True)
            ),
        )
    seen = [_counts(one).all() for one in permutations(SHAPES)]
    expect(
        whole(orders, 'the number of orders'),
        sum(seen),
        'this is not the number of orders that show every class',
        (
            6 - sum(seen),
            6,
            'which shape can be hidden entirely, and by which one?',
        ),
        (
            1,
            2,
            'the order of the others may change as long as nothing is hidden '
            'entirely',
        ),
        got='{:g}',
        hint='a shape disappears only if others cover all of it: which can?',
    )
    return (
        'What is painted last is seen whole. A label that lost an object '
        'this way looks like any other label.'
    )


def _hint_of_order(got, right):
    if got.sum() != 96:
        return (
            f'your numbers add up to {got.sum():g}; each of the 96 pixels '
            'has exactly one class'
        )
    place = int(onp.argmax(got != right))
    return (
        f'look at the {NAMES[place]}: draw the three rectangles on squared '
        'paper'
    )


# ------------------------------------------------- Void Along a Square


def _border(side, width):
    """(void pixels of a square, of the background), by all pairs."""
    ground = 2 * width + 1
    things = onp.pad(onp.ones((side, side), dtype=int), ground)
    places = onp.argwhere(things >= 0)
    down, across = abs(places[:, None] - places[None]).transpose(2, 0, 1)
    flat = things.ravel()
    near = (onp.hypot(down, across) <= width) & (flat[:, None] != flat[None])
    void = near.any(axis=1)
    return int(void[flat == 1].sum()), int(void[flat == 0].sum())


@check('three whole numbers: two of pixels, and a side', seconds=10)
def border(void_inside, void_outside, smallest):
    """Check the void border, 2 pixels wide, of a square of 10 x 10 pixels.

    void_inside, void_outside: pixels. smallest: the side of the smallest
    square that keeps a pixel. All pairs of pixels are compared.
    """
    inside, outside = _border(10, 2)
    expect(
        whole(void_inside, 'the number of pixels inside'),
        inside,
        'the object loses another number of pixels',
        (
            100 - inside,
            'that is what the object keeps, and also what a border takes that '
            'is one pixel wide. Asked is what becomes void, two pixels deep',
        ),
        (
            4 * 2 * 10,
            'two pixels go at both ends of a row, and each corner is lost '
            'only once',
        ),
        (
            inside + outside,
            'these are all void pixels; asked are those of the object',
        ),
        got='{:g}',
        hint='which square remains in the middle?',
    )
    expect(
        whole(void_outside, 'the number of pixels outside'),
        outside,
        'another number of background pixels becomes void',
        (
            14**2 - 10**2,
            'at a corner, two down and two across are 2.8 away: too far',
        ),
        (
            4 * 2 * 10,
            'at each corner a pixel that lies diagonally is near, too',
        ),
        (
            outside + 8,
            'two down and one across are 2.24 away: too far',
        ),
        (
            _border(10, 1)[1],
            'the border is two pixels wide on each side of the outline',
        ),
        (
            inside,
            'outside, the border is longer than inside, and its corners are '
            'not square',
        ),
        (
            inside + outside,
            'these are all void pixels; asked are those of the background',
        ),
        (0, 'the border lies on both sides of the outline'),
        got='{:g}',
        hint='a strip along each of the four sides; and how many pixels at '
        'each corner?',
    )
    least = next(n for n in range(1, 11) if _border(n, 2)[0] < n * n)
    expect(
        whole(smallest, 'the smallest side'),
        least,
        'this is not the smallest square that keeps a pixel',
        (least - 1, 'two pixels at each end: nothing is left of four'),
        (3, 'the border takes two pixels at both ends of a row'),
        got='{:g}',
        hint='what is left of a row when both ends have lost two pixels? '
        'Look for the smallest side of which one is left',
    )
    return (
        'The width of a border is a decision about small objects: what is '
        'four pixels thin is never learnt and never judged.'
    )


# ------------------------------------------------------- Held Upright


@check('a size (height, width) and a place (x, y)')
def upright(upright_size, tip):
    """Check where a point goes when its photo is turned clockwise.

    upright_size: (height, width). tip: (x, y), in coordinates that begin
    at the upper left corner. NumPy turns a picture of the coordinates.
    """
    height, width = 480, 640
    turned = onp.rot90(onp.zeros((height, width)), -1).shape
    expect(
        array(upright_size, (2,), 'the size'),
        turned,
        'the size of the upright photo is another one',
        ((height, width), 'a quarter turn exchanges height and width'),
        expected='two numbers, height first',
        got='{:g}',
        hint='each row of the file becomes a column',
    )
    # the corners of a grid: where the one at x = 100, y = 40 arrives
    grid = onp.zeros((height + 1, width + 1), dtype=bool)
    grid[40, 100] = True
    y, x = onp.argwhere(onp.rot90(grid, -1))[0]
    other_y, other_x = onp.argwhere(onp.rot90(grid))[0]
    half_y, half_x = onp.argwhere(onp.rot90(grid, 2))[0]
    got = array(tip, (2,), 'the place of the tip')
    expect(
        got,
        (x, y),
        'the tip lies elsewhere in the upright photo',
        ((y, x), 'x comes before y'),
        (
            (40, 100),
            'exchanging x and y mirrors the photo, too. The top edge becomes '
            'the right one: from where is the new x counted?',
        ),
        (
            (other_x, other_y),
            'this turns the photo counterclockwise: clockwise, the left edge '
            'becomes the top one',
        ),
        ((half_x, half_y), 'this is half a turn; asked is a quarter'),
        ((100, 40), 'this is the place in the photo that lies on its side'),
        (
            (x - 1, y),
            'this is the number of a pixel’s column. Coordinates run from 0 '
            'to 480 here, so a distance of 40 from the right edge is 480 - 40',
        ),
        (
            (width - 40, 100),
            'the upright photo is 480 wide, not 640',
        ),
        got=f'x = {got[0]:g}, y = {got[1]:g}',
        hint='turn a sheet of paper with a mark near its upper left corner',
    )
    return (
        'The label of a turned photo is right in itself, and wrong for every '
        'program that does turn the photo.'
    )


# -------------------------------------------------- Few Photos, Few Steps


def _steps(photos, size, epochs):
    """Count full batches, one after the other."""
    done = 0
    for _ in range(epochs):
        left = photos
        while left >= size:
            left, done = left - size, done + 1
    return done


def _epochs(photos, size, wanted):
    epochs = 1
    while _steps(photos, size, epochs) < wanted:
        epochs += 1
    return epochs


@check('three whole numbers and a mean')
def steps(steps, epochs_of_4, epochs_of_2, views):
    """Check how many steps six photos give.

    steps: of ten epochs, batches of 4. epochs_of_4, epochs_of_2: for 200
    steps. views: of one photo in 200 steps of 4. Batches are counted.
    """
    expect(
        array(steps, (), 'the number of steps'),
        _steps(6, 4, 10),
        'ten epochs with batches of four are another number of steps',
        (
            20,
            'a last batch that is not full is left out: the two photos that '
            'remain make no step',
        ),
        (
            15,
            'photos that are left over are not kept for the next epoch: it '
            'deals out all six anew',
        ),
        (60, 'a step takes a batch of four photos, not one photo'),
        (1, 'this is one epoch; asked are ten'),
        got='{:g}',
        hint='how many full batches are in one epoch?',
    )
    for size, answer, known in (
        (
            4,
            epochs_of_4,
            (
                (
                    200 * 4 / 6,
                    133,
                    134,
                    'in each epoch a last batch that is not full is left out',
                ),
            ),
        ),
        (
            2,
            epochs_of_2,
            (
                (200 * 2 / 6, 66, 'two thirds of an epoch are none: round up'),
                (200, 'with batches of two, an epoch is more than one step'),
            ),
        ),
    ):
        each = _steps(6, size, 1)
        expect(
            array(answer, (), f'the epochs with batches of {size}'),
            _epochs(6, size, 200),
            f'200 steps with batches of {size} need another number of epochs',
            *known,
            (100, 'count the full batches of one epoch once more'),
            got='{:g}',
            hint=f'an epoch has {each} full batch{"es" * (each > 1)}; how '
            'many epochs make at least 200?',
        )
    expect(
        array(views, (), 'the number of views'),
        200 * 4 / 6,
        'a photo is seen another number of times, on average',
        (
            200,
            'in an epoch with batches of four, two of the six photos are '
            'left out; so a photo is not seen in every epoch',
        ),
        (800, 'these are the views of all photos together'),
        (200 / 6, 'a step sees four photos, not one'),
        (50, 'there are six photos, of which each step sees four'),
        got='{:.3f}',
        hint='200 steps see 200 · 4 windows; they are cut from six photos',
        tolerance=ROUNDED,
    )
    return (
        'Count the steps before you wait for a training, and the photos '
        'before you believe it.'
    )


# ------------------------------------------------------ Inside or Outside?

_POLYGONS = {  # name: corners (x, y); the first ones are plain
    'a triangle': [(1.2, 0.7), (13.3, 4.1), (4.4, 10.2)],
    'a rectangle': [(2, 1), (9, 1), (9, 8), (2, 8)],
    'a square with a dent': [
        (1.1, 1.2),
        (13.2, 1.4),
        (6.3, 5.6),
        (12.9, 10.7),
        (1.3, 10.9),
    ],
    'a diamond with corners as high as centres': [
        (7.2, 1.5),
        (12.3, 5.5),
        (7.1, 9.5),
        (1.2, 5.5),
    ],
    'teeth with corners as high as centres': [
        (1.2, 10.2),
        (1.2, 2.5),
        (4.3, 7.5),
        (7.4, 2.5),
        (10.1, 7.5),
        (13.3, 4.5),
        (13.3, 10.2),
    ],
    'a bow tie': [(1.1, 1.3), (13.2, 10.1), (13.2, 1.3), (1.1, 10.1)],
    'a star in one go': [
        (7.2, 0.3),
        (10.3, 11.2),
        (0.7, 4.2),
        (13.4, 4.3),
        (3.2, 11.1),
    ],
    'a polygon that sticks out of the picture': [
        (-4.3, 3.2),
        (8.1, -3.3),
        (19.2, 6.1),
        (6.2, 17.4),
    ],
}
_SIZE = 12, 15  # height and width of the pictures


def _edges(corners, closed=True):
    ends = [*corners[1:], *corners[:1]]
    pairs = list(zip(corners, ends, strict=True))
    return pairs if closed else pairs[:-1]


def _fill(corners, shift=0.5, closed=True, ends=1, winding=False):
    """Fill a polygon pixel by pixel, rightly or with a known mistake.

    `ends`: 1 counts the lower end of each edge, 2 both ends, 0 none.
    `winding`: by the nonzero rule.
    """
    result = onp.zeros(_SIZE, dtype=bool)
    for row, column in onp.ndindex(_SIZE):
        x, y = column + shift, row + shift
        crossed = turns = 0
        for (x0, y0), (x1, y1) in _edges(corners, closed):
            low, high = min(y0, y1), max(y0, y1)
            if y0 == y1 or not (
                low < y < high
                or (ends >= 1 and y == high)
                or (ends == 2 and y == low)
            ):
                continue
            if x0 + (y - y0) / (y1 - y0) * (x1 - x0) > x:
                crossed += 1
                turns += 1 if y1 > y0 else -1
        result[row, column] = turns != 0 if winding else crossed % 2
    return result


def _undecided(corners):
    """Which centres lie on the outline, as near as makes no difference."""
    result = onp.zeros(_SIZE, dtype=bool)
    for row, column in onp.ndindex(_SIZE):
        point = onp.array([column + 0.5, row + 0.5])
        for start, end in _edges(corners):
            start, way = onp.array(start), onp.subtract(end, start)
            part = onp.clip((point - start) @ way / (way @ way), 0, 1)
            far = abs(point - start - part * way).max()
            result[row, column] |= far < 1e-6
    return result


@check(
    'a function of a list of corners, a height and a width that returns '
    'booleans (height, width)'
)
def inside(inside):
    """Check a function that fills polygons by the even-odd rule.

    inside(corners, height, width): corners, pairs (x, y), to booleans
    (height, width). Compared with a loop over all pixels and edges.
    """
    for name, corners in _POLYGONS.items():
        for kind in (corners, corners[::-1]):
            kind = [tuple(map(float, corner)) for corner in kind]
            _judge_inside(inside, name, kind)
    return (
        'Dents, crossings and corners as high as a centre are all right. One '
        'rule and a loop over the edges are enough.'
    )


def _judge_inside(inside, name, corners):
    result = call(inside, list(corners), *_SIZE, without=[utils.shape_mask])
    got = array(result, None, 'the result')
    if got.shape == _SIZE[::-1]:
        raise Wrong(
            'the result has the wrong shape',
            expected=f'{_SIZE}, height first',
            got=got.shape,
            hint='rows belong to y, columns to x',
        )
    got = array(got, _SIZE, 'the result')
    if not onp.isin(got, (0, 1)).all():
        raise Wrong(
            f'{name}: the result holds other numbers than 0 and 1',
            expected='True or False for each pixel',
            got=f'{got[~onp.isin(got, (0, 1))][0]:g}',
            hint='is it the number of crossings? Asked is whether it is odd',
        )
    right = _fill(corners)
    counts = ~_undecided(corners)
    if (got == right)[counts].all():
        return
    outline = onp.zeros(_SIZE, dtype=bool)  # what the outline goes through
    for start, end in _edges(corners):
        for part in onp.linspace(0, 1, 400):
            x, y = onp.add(start, part * onp.subtract(end, start))
            if 0 <= y < _SIZE[0] and 0 <= x < _SIZE[1]:
                outline[int(y), int(x)] = True
    swapped = [(y, x) for x, y in corners]
    hint = 'count the crossings of one of the wrong pixels on squared paper'
    for wrong, known in (
        (~right, 'inside and outside are exchanged: odd is inside'),
        (_fill(swapped), 'x and y are exchanged: rows belong to y'),
        (
            _fill(corners, shift=0),
            'a pixel’s centre is half a pixel further right and further down',
        ),
        (
            _fill(corners, closed=False),
            'the last corner is joined to the first: an edge is missing',
        ),
        (
            _fill(corners, winding=True),
            'where the outline crosses itself: even is outside, two and four '
            'too, not only 0',
        ),
        *(
            (
                _fill(corners, ends=ends),
                'a corner that is exactly as high as the centre belongs to '
                'two edges, and one end of each edge must count. With `<=` '
                'at both ends the corner counts twice, with `<` never',
            )
            for ends in (0, 2)
        ),
        (
            onp.zeros_like(right),
            'nothing is inside. If all crossings on a line are counted, left '
            'and right of the centre, their number is always even',
        ),
        (outline, 'this is the outline; asked is what it encloses'),
    ):
        if (got == wrong)[counts].mean() > 0.999:
            hint = known
            break
    else:
        y, x = onp.argwhere(outline).T
        for row, column in onp.argwhere((got != right) & counts):
            far = onp.maximum(abs(y - row), abs(x - column))
            if right[row, column] or far.min(initial=99) > 1:
                break
        else:
            hint = (
                'the pixels that the outline goes through are filled as '
                'well; asked is for each pixel whether its centre is inside'
            )
    places = onp.argwhere((got != right) & counts)
    row, column = places[0]
    raise Wrong(
        f'{name}: {len(places)} pixels are wrong',
        expected=f'row {row}, column {column} is '
        f'{"inside" if right[row, column] else "outside"}',
        got=f'{bool(got[row, column])}',
        hint=hint,
    )


# -------------------------------------------------------- Classes From One


@check(
    'three numbers from 0 to 255, and a function of a uint8 array and a '
    'number of classes that returns a uint8 array'
)
def renumber(colleague, renumber):
    """Check a prediction about uint8, and a function that renumbers classes.

    colleague: what `label - 1` makes of 0, 1 and 255. renumber(stored,
    num_classes): uint8 (H, W) to uint8 (H, W); ValueError, naming the
    number, for one that is no class.
    """
    stored = onp.array([0, 1, utils.VOID], dtype='uint8')
    got = array(colleague, (3,), 'the prediction')
    expect(
        got,
        stored - onp.uint8(1),
        'NumPy makes something else of 0, 1 and 255',
        (
            (-1, 0, 254),
            'uint8 has no numbers below 0: it goes round, as a clock does',
        ),
        (
            (0, 0, 254),
            'uint8 does not stop at 0: it goes round, as a clock does',
        ),
        (
            (255, 0, 255),
            'the colleague’s line does not know that 255 is special',
        ),
        (
            (254, 0, 254),
            'the step before 0 is the largest number of 8 bits',
        ),
        expected='three numbers from 0 to 255',
        got=', '.join(f'{number:g}' for number in got),
        hint='subtract 1 from each, within 0 to 255',
    )
    rng = onp.random.default_rng(7)
    for number in (3, 150, 254):
        stored = rng.integers(0, number + 1, size=(9, 14))
        stored[rng.uniform(size=stored.shape) < 0.2] = utils.VOID
        stored[0, :4] = 0, 1, number, utils.VOID
        _judge_renumbered(renumber, stored.astype('uint8'), number)
    for unknown in (4, 200, 254):
        _judge_unknown(renumber, unknown)
    return (
        'What was void is void, the classes begin at 0, and a number that '
        'is no class cannot slip through.'
    )


def _judge_renumbered(renumber, stored, number):
    result = call(renumber, stored, number)
    got = array(result, stored.shape, 'the label')
    right = onp.full(stored.shape, utils.VOID)
    for index in range(1, number + 1):
        if index != utils.VOID:
            right[stored == index] = index - 1
    if (got == right).all():
        kind = getattr(result, 'dtype', None)
        if kind is None or onp.dtype(kind) != onp.uint8:
            raise Wrong(
                'the numbers are right, their type is not',
                expected='uint8',
                got=kind or type(result).__name__,
            )
        return
    row, column = onp.argwhere(got != right)[0]
    was, now = stored[row, column], got[row, column]
    hint = 'go through the cases: 0, 1 to K, 255'
    if was == utils.VOID and now == 254:
        hint = 'void in the file must stay void: 255 - 1 is no class'
    elif was == 0 and now == -1:
        hint = 'below 0 there is no class: 0 means void here'
    elif was == 0 and now == 0:
        hint = (
            '0 is not the background here: it means that nobody labelled '
            'this, which is void'
        )
    elif was not in (0, utils.VOID) and now == was:
        hint = 'the classes shall begin at 0'
    raise Wrong(
        f'with {number} classes, {was} becomes the wrong number',
        expected=int(right[row, column]),
        got=f'{now:g}',
        hint=hint,
    )


def _judge_unknown(renumber, unknown):
    stored = onp.array([[1, 2, 0], [3, unknown, 255]], dtype='uint8')

    def caught(*arguments):
        try:
            return renumber(*arguments)
        except ValueError as error:
            return error

    result = call(caught if callable(renumber) else renumber, stored, 3)
    if not isinstance(result, ValueError):
        raise Wrong(
            f'{unknown} is no class of three, and nothing was raised',
            expected='ValueError',
            got=f'{type(result).__name__}',
            hint='test for numbers above K that are not 255; before or after '
            'the subtraction?',
        )
    text = str(result)
    if str(unknown) not in re.findall(r'\d+', text):
        raise Wrong(
            f'the error does not name the number {unknown}',
            expected='a text that names the number as it stands in the file',
            got=text[:100],
            hint='whoever reads it wants to look for that number',
        )


# -------------------------------------------------------- Forgotten Ships

LABELLED = 0.4  # the share of ships that have a label


@check('two numbers, two shares from 0 to 1, and a text')
def forgotten(probability, loss, share_found, share_with_ignore, answer):
    """Check what a network learns from ships of which 40% are labelled.

    probability, loss: where -0.4 ln p - 0.6 ln(1 - p) is smallest, and what
    it is there. share_found, share_with_ignore: of the pixels of ships that
    are called so. answer: a text, of which only the length is checked.
    """
    places = onp.linspace(0, 1, 10001)[1:-1]
    losses = -LABELLED * onp.log(places)
    losses -= (1 - LABELLED) * onp.log(1 - places)
    best, least = places[losses.argmin()], losses.min()
    expect(
        share(probability, (), 'the probability'),
        best,
        'another p makes the loss smaller',
        (1 - best, 'this is the probability of «background»'),
        (
            0.5,
            'the loss of «background» weighs more than that of «ship»: p is '
            'not in the middle',
        ),
        (
            0,
            1,
            'there the loss is infinite: one of the logarithms is that of 0',
        ),
        got='{:.3f}',
        hint='try some values, or set the derivative to 0',
        tolerance=ROUNDED,
    )
    expect(
        array(loss, (), 'the loss'),
        least,
        'the loss at this p is another one',
        (
            least / onp.log(2),
            least / onp.log(10),
            'ln is the natural logarithm',
        ),
        (
            -onp.log(best),
            -LABELLED * onp.log(best),
            'both parts count: labelled ships and the others',
        ),
        (-least, 'the sign: logarithms of numbers below 1 are negative'),
        (0, 'a loss of 0 needs a p that is right for all pixels'),
        got='{:.4f}',
        hint='put p into the formula',
        tolerance=ROUNDED,
    )
    expect(
        share(share_found, (), 'the share that is found'),
        float(best > 1 - best),
        'the network finds another share of the ships',
        (
            LABELLED,
            'the network gives every ship the same p. Which class wins with '
            'it? And that is the answer for all of them',
        ),
        (
            1,
            'compare p with 1 - p: which of the two is larger?',
        ),
        got='{:.3f}',
        hint='all pixels of ships get the same p, so they all get the same '
        'class',
        tolerance=ROUNDED,
    )
    expect(
        share(share_with_ignore, (), 'the share with void'),
        1,
        'with void, the network finds another share of the ships',
        (
            LABELLED,
            'void pixels have no loss, but the network still calls them '
            'something: what the labelled ships taught it',
        ),
        (0, 'void teaches nothing; what do the labelled ships teach?'),
        got='{:.3f}',
        hint='only labelled ships are left in the loss: which p is best now?',
        tolerance=ROUNDED,
    )
    words(answer)
    return (
        'The four numbers are right, but no program can judge your reasons: '
        'compare them with the solution’s.'
    )


# ------------------------------------------------------- Scenes, Not Photos


@check(
    'a function of two dictionaries, a share and a seed that returns a '
    'dictionary of two lists, train and val'
)
def split_scenes(split_scenes):
    """Check a function that splits photos so that no scene is in both parts.

    split_scenes(classes, scenes, share, seed): {name: set of classes} and
    {name: scene} to {'train': names, 'val': names}. Tried on several sets.
    """
    _own_generator(split_scenes)
    for sizes, portion in (
        ([4] * 12, 0.25),
        ([9, 1, 2, 5, 3, 3, 1, 7, 2, 2], 0.3),
        ([1] * 20, 0.2),
        ([6, 2] * 8, 0.5),
    ):
        for seed in range(3):
            classes, scenes = _photos(sizes, seed)
            parts = _parts(split_scenes, classes, scenes, portion, seed)
            _judge_parts(parts, classes, scenes, portion)
    return (
        'No photo of a scene knows another one from the training set, and '
        'every class can be learnt and judged.'
    )


def _photos(sizes, seed):
    """Photos of scenes of these sizes, the last two with a rare class."""
    rng = onp.random.default_rng((5, seed))
    classes, scenes = {}, {}
    names = [f'p{n:03d}' for n in rng.permutation(sum(sizes))]
    for number, size in enumerate(sizes):
        kind = 3 if number >= len(sizes) - 2 else 1 + number % 2
        for turn in range(size):
            name = names.pop()
            scenes[name] = f'scene {number}'
            # the first photo of a scene shows its object, others may not
            classes[name] = {0, kind} if turn % 3 == 0 else {0}
    return classes, scenes


def _parts(function, classes, scenes, portion, seed):
    result = call(
        function,
        {name: set(shown) for name, shown in classes.items()},
        dict(scenes),
        portion,
        seed,
    )
    if not isinstance(result, dict) or set(result) != {'train', 'val'}:
        raise Wrong(
            'the function must return a dictionary with the keys train and '
            'val',
            got=type(result).__name__,
        )
    if not all(isinstance(part, list | tuple) for part in result.values()):
        raise Wrong(
            'train and val must be lists of names',
            got=', '.join(type(part).__name__ for part in result.values()),
        )
    if any(
        not isinstance(name, str) for part in result.values() for name in part
    ):
        raise Wrong('a list holds something that is no name')
    return {part: list(names) for part, names in result.items()}


def _judge_parts(parts, classes, scenes, portion):
    names = parts['train'] + parts['val']
    places = set(scenes.values())
    if set(names) & places:
        raise Wrong(
            'the lists hold scenes',
            expected='names of photos',
            got=sorted(set(names) & places)[0],
            hint='every photo goes where its scene goes',
        )
    if set(names) - set(scenes):
        raise Wrong('a list holds a name that no photo has')
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise Wrong(
            'a photo is there twice',
            got=f'{twice}, in {sum(twice in p for p in parts.values())} parts',
        )
    if len(names) < len(scenes):
        raise Wrong(
            f'{len(scenes) - len(names)} of {len(scenes)} photos are in '
            'neither part',
            hint='all photos of a scene go to its part, not only the first',
        )
    chosen = {part: {scenes[n] for n in parts[part]} for part in parts}
    both = sorted(chosen['train'] & chosen['val'])
    if both:
        raise Wrong(
            f'photos of one scene are in both parts: {both[0]}',
            got=f'{len(both)} of {len(places)} scenes are in both',
            hint='deal out scenes, not photos',
        )
    _judge_share(chosen, places, portion)
    for index in sorted(set().union(*classes.values())):
        homes = {scenes[n] for n, shown in classes.items() if index in shown}
        for part, its in chosen.items():
            if len(homes) > 1 and not homes & its:
                raise Wrong(
                    f'class {index} is in {len(homes)} scenes, and in none '
                    f'of {part}',
                    hint='let the rare classes choose first, as '
                    'segbook.split_names does. A scene shows what any of its '
                    'photos shows',
                )


def _judge_share(chosen, places, portion):
    wanted = portion * len(places)
    kinds = 4  # so many scenes may have to be in val for their classes
    got = len(chosen['val'])
    if max(1, wanted - 1) <= got <= max(wanted + 1, kinds):
        return
    hint = 'the share is that of scenes: round(share * number of scenes)'
    if abs(got - (len(places) - wanted)) <= 1:
        hint = 'train and val are exchanged: the share is that of val'
    raise Wrong(
        f'the share of scenes in val is not about {portion:.2g}',
        expected=f'about {wanted:.3g} of {len(places)} scenes',
        got=got,
        hint=hint,
    )


def _own_generator(function):
    """Same seed, same parts; another, others; nobody else's is touched."""
    classes, scenes = _photos([2] * 30, 9)

    def run(seed):
        parts = _parts(function, classes, scenes, 0.3, seed)
        return {part: sorted(names) for part, names in parts.items()}

    first, again = twice(lambda: run(3))
    _judge_parts(first, classes, scenes, 0.3)
    if first != again:
        raise Wrong(
            'the same seed gave two different splits',
            hint='make a generator from the seed, or hand the seed on',
        )
    others = [run(seed) for seed in (4, 5, 6)]
    if all(other == first for other in others):
        raise Wrong(
            'all seeds gave the same split', hint='is the seed used at all?'
        )
