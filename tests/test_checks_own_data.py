"""The checks of the exercises on own photos and labels, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

from fractions import Fraction

import segbook
import utils
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import own_data as check

import numpy
import pytest
from mxnet import np
from PIL import Image, ImageDraw

VOID = utils.VOID
WRAPPED = (255, 0, 254)
EVERY = pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)


@EVERY
def test_any_function_beside_a_right_prediction_gets_a_message(answer):
    verdict = check.renumber(WRAPPED, answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text
    assert len(verdict.text) < 1000


@EVERY
@pytest.mark.parametrize(
    'one',
    [
        lambda x: check.order((27, 26, 9, 34), (27, 21, 0, 48), x),
        lambda x: check.border(64, 84, x),
        lambda x: check.upright((640, 480), x),
        lambda x: check.steps(10, 200, 67, x),
        lambda x: check.forgotten(0.4, 0.673, 0, 1, x),
        lambda x: check.forgotten(0.4, 0.673, 0, x, REASONS),
    ],
    ids=['order', 'border', 'upright', 'steps', 'text', 'share'],
)
def test_any_last_answer_gets_a_message(one, answer):
    verdict = one(answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text
    assert len(verdict.text) < 1000


@pytest.mark.parametrize(
    'one',
    [
        check.inside,
        check.split_scenes,
        lambda stub: check.renumber(WRAPPED, stub),
    ],
)
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# -------------------------------------------------------- Who Lies on Top?
TOP, REVERSED = (27, 26, 9, 34), (27, 21, 0, 48)


def test_order():
    assert check.order(np.array(TOP), [float(x) for x in REVERSED], 3.0)


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((REVERSED, TOP, 3), 'an earlier shape hides a later one'),
        (((96, 30, 9, 48), REVERSED, 3), 'add up to 183'),
        (((9, 30, 9, 48), REVERSED, 3), 'a pixel has one class'),
        ((numpy.array(TOP) / 96, REVERSED, 3), 'not shares'),
        (((27, 30, 9, 30), REVERSED, 3), 'look at the ship'),
        (((27, 26, 9), REVERSED, 3), 'the shape (3,)'),
        ((TOP, TOP, 3), 'an earlier shape hides a later one'),
        ((TOP, (27, 20, 1, 48), 3), 'reverse order'),
        ((TOP, REVERSED, 6), 'hidden entirely'),
        ((TOP, REVERSED, 2), 'the order of the others'),
        ((TOP, REVERSED, 4), 'a shape disappears only if'),
        ((TOP, REVERSED, 2.5), 'whole number'),
    ],
)
def test_order_wrong(answers, phrase):
    says(check.order(*answers), phrase)


def test_order_without_last_rows_and_columns():
    label = numpy.zeros((8, 12), dtype=int)
    label[2:7, 1:8], label[0:4, 6:11], label[3:5, 5:7] = 3, 1, 2
    counts = numpy.bincount(label.ravel())
    says(check.order(counts, REVERSED, 3), 'rows 2 to 7 are six')


# ---------------------------------------------------- Void Along a Square
def test_border_as_the_book_draws_it():
    things = numpy.pad(numpy.ones((10, 10), dtype=int), 5)
    void = segbook.void_border(things, 2)
    counts = [int((void & (things == n)).sum()) for n in (1, 0)]
    assert check.border(*counts, 5)


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((36, 84, 5), 'that is what the object keeps'),
        ((Fraction(36), 96, 5), 'another number of pixels'),
        ((80, 84, 5), 'each corner is lost only once'),
        ((148, 84, 5), 'these are all void pixels'),
        ((1, 84, 5), 'which square remains'),
        ((64, 96, 5), 'too far'),
        ((64, 80, 5), 'lies diagonally is near'),
        ((64, 92, 5), '2.24 away'),
        ((36, 84, 5), 'one pixel wide'),
        ((64, 64, 5), 'longer than inside'),
        ((64, 0, 5), 'both sides of the outline'),
        ((64, 85, 5), 'how many pixels at each corner'),
        ((64, 84, 4), 'nothing is left of four'),
        ((64, 84, 3), 'both ends of a row'),
        ((64, 84, 6), 'Look for the smallest side'),
    ],
)
def test_border_wrong(answers, phrase):
    says(check.border(*answers), phrase)


# ----------------------------------------------------------- Held Upright
def test_upright_as_exif_turns_it(tmp_path):
    photo = Image.new('L', (640, 480))
    photo.putpixel((100, 40), 255)
    exif = Image.Exif()
    exif[274] = 6
    photo.save(tmp_path / 'photo.png', exif=exif)
    upright = utils.read_image(tmp_path / 'photo.png')[..., 0]
    (y, x) = numpy.argwhere(upright)[0]
    assert check.upright(upright.shape, (x + 1, y))


@pytest.mark.parametrize(
    'size, tip, phrase',
    [
        ((480, 640), (440, 100), 'exchanges height and width'),
        ((640, 640), (440, 100), 'becomes a column'),
        ((640, 480), (100, 440), 'x comes before y'),
        ((640, 480), (40, 100), 'mirrors the photo'),
        ((640, 480), (40, 540), 'counterclockwise'),
        ((640, 480), (540, 440), 'half a turn'),
        ((640, 480), (100, 40), 'lies on its side'),
        ((640, 480), (439, 100), 'the number of a pixel'),
        ((640, 480), (600, 100), '480 wide, not 640'),
        ((640, 480), (7, 7), 'a sheet of paper'),
    ],
)
def test_upright_wrong(size, tip, phrase):
    says(check.upright(size, tip), phrase)


# ------------------------------------------------- Few Photos, Few Steps
@pytest.mark.parametrize('views', [133.333, Fraction(400, 3)])
def test_steps(views):
    assert check.steps(10, 200, 67, views)


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((20, 200, 67, 133.333), 'is left out'),
        ((15, 200, 67, 133.333), 'deals out all six anew'),
        ((60, 200, 67, 133.333), 'not one photo'),
        ((1, 200, 67, 133.333), 'asked are ten'),
        ((11, 200, 67, 133.333), 'how many full batches'),
        ((10, 134, 67, 133.333), 'not full is left out'),
        ((10, 200, 200, 133.333), 'more than one step'),
        ((10, 100, 67, 133.333), 'once more'),
        ((10, 50, 67, 133.333), '1 full batch;'),
        ((10, 200, 66, 133.333), 'round up'),
        ((10, 200, 200 / 3, 133.333), 'round up'),
        ((10, 200, 70, 133.333), '3 full batches'),
        ((10, 200, 67, 200), 'two of the six photos'),
        ((10, 200, 67, 800), 'all photos together'),
        ((10, 200, 67, 33.333), 'not one'),
        ((10, 200, 67, 133), 'cut from six photos'),
    ],
)
def test_steps_wrong(answers, phrase):
    says(check.steps(*answers), phrase)


# ------------------------------------------------------ Inside or Outside?
def crossings(corners, y, low=True, high=False):
    """Where edges meet the level line through y: their x."""
    following = [*corners[1:], corners[0]]
    for (x0, y0), (x1, y1) in zip(corners, following, strict=True):
        if y0 > y1:
            (x0, y0), (x1, y1) = (x1, y1), (x0, y0)
        at_end = (low and y == y0) or (high and y == y1)
        if y0 != y1 and (y0 < y < y1 or at_end):
            yield x0 + (x1 - x0) * (y - y0) / (y1 - y0)


def pixel_by_pixel(shift=0.5, right=True, count=lambda n: n % 2 == 1, **ends):
    def inside(corners, height, width):
        result = []
        for row in range(height):
            y = row + shift
            result.append([])
            for column in range(width):
                x = column + shift
                meets = list(crossings(corners, y, **ends))
                result[-1].append(
                    count(sum(m > x or not right for m in meets))
                )
        return result

    return inside


def by_pillow(corners, height, width):
    image = Image.new('1', (width, height))
    ImageDraw.Draw(image).polygon(corners, fill=1, outline=1)
    return numpy.array(image)


def one_edge_missing(corners, height, width):
    """The rule over all edges but the last."""
    result = numpy.zeros((height, width), dtype=bool)
    for row, column in numpy.ndindex(height, width):
        x, y = column + 0.5, row + 0.5
        for (x0, y0), (x1, y1) in zip(corners, corners[1:], strict=False):
            if (y0 <= y) != (y1 <= y):
                result[row, column] ^= x < x0 + (x1 - x0) * (y - y0) / (
                    y1 - y0
                )
    return result


def by_winding(corners, height, width):
    """The nonzero rule, by the angles under which a centre sees the edges."""
    result = numpy.zeros((height, width), dtype=bool)
    for row, column in numpy.ndindex(height, width):
        seen = numpy.array(corners) - [column + 0.5, row + 0.5]
        x, y = numpy.vstack([seen, seen[:1]]).T
        angles = numpy.unwrap(numpy.arctan2(y, x))
        result[row, column] = abs(angles[-1] - angles[0]) > 3
    return result


def in_place(corners, height, width):
    corners.append(corners[0])
    return pixel_by_pixel()(corners[:-1], height, width)


def with_numbers(corners, height, width):
    count = pixel_by_pixel(count=int)
    return count(corners, height, width)


@pytest.mark.parametrize(
    'inside',
    [
        pixel_by_pixel(),
        pixel_by_pixel(low=False, high=True),
        lambda *given: np.array(pixel_by_pixel()(*given), dtype='bool'),
        lambda *given: numpy.array(pixel_by_pixel()(*given)).astype('uint8'),
    ],
    ids=['lower end', 'upper end', 'of MXNet', 'as numbers'],
)
def test_inside(inside):
    assert check.inside(inside)


@pytest.mark.parametrize(
    'inside, phrase',
    [
        (pixel_by_pixel(shift=0), 'half a pixel further right'),
        (pixel_by_pixel(high=True), 'one end of each edge must count'),
        (pixel_by_pixel(low=False), 'one end of each edge must count'),
        (pixel_by_pixel(count=lambda n: n % 2 == 0), 'odd is inside'),
        (pixel_by_pixel(right=False), 'left and right of the centre'),
        (with_numbers, 'whether it is odd'),
        (one_edge_missing, 'an edge is missing'),
        (by_winding, 'even is outside'),
        (by_pillow, 'goes through are filled as well'),
        (in_place, 'changed what it was given'),
        (
            lambda corners, *size: pixel_by_pixel()(
                [(y, x) for x, y in corners], *size
            ),
            'x and y are exchanged',
        ),
        (
            lambda corners, height, width: pixel_by_pixel()(
                corners, width, height
            ),
            'height first',
        ),
        (
            lambda corners, height, width: numpy.zeros((height, width)),
            'nothing is inside',
        ),
        (
            lambda corners, height, width: utils.shape_mask(
                utils.Shape(1, 1, 'polygon', numpy.array(corners), None),
                height,
                width,
            ),
            'uses shape_mask',
        ),
    ],
)
def test_inside_wrong(inside, phrase):
    says(check.inside(inside), phrase)


# --------------------------------------------------------- Classes From One
def one_by_one(stored, num_classes):
    result = stored.copy()
    for place, number in numpy.ndenumerate(stored):
        if number in (0, VOID):
            result[place] = VOID
        elif number > num_classes:
            raise ValueError(f'{number}: no class')
        else:
            result[place] = number - 1
    return result


def by_table(stored, num_classes):
    table = numpy.full(256, -1)
    table[1 : num_classes + 1] = range(num_classes)
    table[[0, VOID]] = VOID
    result = table[stored]
    if (result < 0).any():
        raise ValueError(f'no class: {numpy.unique(stored[result < 0])}')
    return np.array(result, dtype='uint8')


def after(change, dtype='uint8'):
    """A right function whose result is changed."""

    def renumber(stored, num_classes):
        return change(stored, one_by_one(stored, num_classes)).astype(dtype)

    return renumber


def silent(stored, num_classes):
    return numpy.where((stored == 0) | (stored == VOID), VOID, stored - 1)


@pytest.mark.parametrize('renumber', [one_by_one, by_table])
@pytest.mark.parametrize('wrapped', [WRAPPED, numpy.uint8(WRAPPED)])
def test_renumber(wrapped, renumber):
    assert check.renumber(wrapped, renumber)


@pytest.mark.parametrize(
    'wrapped, phrase',
    [
        ((-1, 0, 254), 'as a clock'),
        ((0, 0, 254), 'does not stop at 0'),
        ((255, 0, 255), 'does not know that 255 is special'),
        ((254, 0, 254), 'largest number of 8 bits'),
        ((255, 1, 254), 'subtract 1 from each'),
        ((255, 0), 'the shape (2,)'),
    ],
)
def test_renumber_wrong_prediction(wrapped, phrase):
    says(check.renumber(wrapped, one_by_one), phrase)


def raises_without_name(stored, num_classes):
    try:
        return one_by_one(stored, num_classes)
    except ValueError:
        raise ValueError('there is a strange number') from None


def names_what_is_left(stored, num_classes):
    try:
        return one_by_one(stored, num_classes)
    except ValueError as error:
        number = int(str(error).split(':')[0])
        raise ValueError(f'{number - 1} is no class') from None


def in_the_array(stored, num_classes):
    result = one_by_one(stored, num_classes)
    stored[:] = result
    return result


def key_error(stored, num_classes):
    try:
        return one_by_one(stored, num_classes)
    except ValueError:
        raise KeyError('no class') from None


@pytest.mark.parametrize(
    'renumber, phrase',
    [
        (lambda stored, _: stored - 1, '255 - 1 is no class'),
        (lambda stored, _: stored.astype(int) - 1, '0 means void here'),
        (
            after(lambda stored, label: numpy.where(stored == 0, 0, label)),
            'which is void',
        ),
        (lambda stored, _: numpy.where(stored == 0, VOID, stored), 'begin'),
        (silent, 'nothing was raised'),
        (raises_without_name, 'does not name the number'),
        (names_what_is_left, 'does not name the number'),
        (key_error, 'raised KeyError'),
        (in_the_array, 'changed what it was given'),
        (after(lambda _, label: label, 'int64'), 'their type is not'),
        (after(lambda _, label: label.T), 'wrong shape'),
    ],
)
def test_renumber_wrong(renumber, phrase):
    says(check.renumber(WRAPPED, renumber), phrase)


# ----------------------------------------------------------- Forgotten Ships
REASONS = 'I would leave such photos out, since wrong labels teach wrong.'


@pytest.mark.parametrize('loss', [0.673, 0.67301, numpy.float32(0.6730117)])
def test_forgotten(loss):
    assert check.forgotten(Fraction(2, 5), loss, False, True, REASONS)


@pytest.mark.parametrize(
    'answers, phrase',
    [
        ((0.6, 0.673, 0, 1), 'probability of «background»'),
        ((0.5, 0.673, 0, 1), 'not in the middle'),
        ((0, 0.673, 0, 1), 'the loss is infinite'),
        ((40, 0.673, 0, 1), 'not a percentage'),
        ((0.3, 0.673, 0, 1), 'set the derivative to 0'),
        ((0.4, 0.971, 0, 1), 'natural logarithm'),
        ((0.4, 0.2923, 0, 1), 'natural logarithm'),
        ((0.4, 0.9163, 0, 1), 'both parts count'),
        ((0.4, -0.673, 0, 1), 'the sign'),
        ((0.4, 0, 0, 1), 'right for all pixels'),
        ((0.4, 0.67, 0, 1), 'three digits'),
        ((0.4, 0.5, 0, 1), 'put p into'),
        ((0.4, 0.673, 0.4, 1), 'Which class wins'),
        ((0.4, 0.673, 1, 1), 'which of the two is larger'),
        ((0.4, 0.673, 0.6, 1), 'the same class'),
        ((0.4, 0.673, 0, 0.4), 'what the labelled ships taught'),
        ((0.4, 0.673, 0, 0), 'void teaches nothing'),
        ((0.4, 0.673, 0, 0.9), 'only labelled ships'),
    ],
)
def test_forgotten_wrong(answers, phrase):
    says(check.forgotten(*answers, REASONS), phrase)


@pytest.mark.parametrize(
    'answer, phrase', [('Leave them.', 'too short'), (3, 'must be a text')]
)
def test_forgotten_without_reasons(answer, phrase):
    says(check.forgotten(0.4, 0.673, 0, 1, answer), phrase)


# -------------------------------------------------------- Scenes, Not Photos
def as_lists(scenes, chosen):
    parts = {'train': [], 'val': []}
    for name, scene in scenes.items():
        parts['val' if scene in chosen else 'train'].append(name)
    return parts


def kinds_of(classes, scenes):
    shown = {}
    for name, scene in scenes.items():
        shown.setdefault(scene, set()).update(classes[name])
    return shown


def by_trial(classes, scenes, share, seed):
    """Draw scenes until every class is in both parts."""
    shown, rng = kinds_of(classes, scenes), numpy.random.RandomState(seed)
    places = sorted(shown)
    every = set().union(*shown.values())
    while True:
        chosen = set(rng.permutation(places)[: round(share * len(places))])
        parts = [
            set().union(*(shown[p] for p in places if (p in chosen) == part))
            for part in (True, False)
        ]
        if parts[0] == parts[1] == every:
            return as_lists(scenes, chosen)


def without_classes(classes, scenes, share, seed):
    places = sorted(set(scenes.values()))
    order = numpy.random.default_rng(seed).permutation(places)
    return as_lists(scenes, set(order[: round(share * len(places))]))


def of_first_photos(classes, scenes, share, seed):
    first = {}
    for name, scene in scenes.items():
        first.setdefault(scene, name)
    kinds = kinds_of(classes, scenes)
    few = {name: kinds[scene] for scene, name in first.items()}
    return segbook.split_names(few, share, seed)


def of_scenes(classes, scenes, share, seed):
    return segbook.split_names(kinds_of(classes, scenes), share, seed)


def with_global_seed(classes, scenes, share, seed):
    numpy.random.seed(seed)
    return by_trial(classes, scenes, share, numpy.random.randint(1000))


def changed(change):
    """A right function whose parts are spoilt."""

    def split(classes, scenes, share, seed):
        parts = by_trial(classes, scenes, share, seed)
        return change(parts['train'], parts['val'])

    return split


@pytest.mark.parametrize(
    'split', [by_trial, changed(lambda t, v: {'val': tuple(v), 'train': t})]
)
def test_split_scenes(split):
    assert check.split_scenes(split)


@pytest.mark.parametrize(
    'split, phrase',
    [
        (
            lambda classes, scenes, *more: segbook.split_names(classes, *more),
            'deal out scenes, not photos',
        ),
        (without_classes, 'let the rare classes choose first'),
        (of_first_photos, 'not only the first'),
        (of_scenes, 'the lists hold scenes'),
        (with_global_seed, 'random numbers that others use'),
        (lambda *given: by_trial(*given[:3], 1), 'is the seed used'),
        (lambda *given: by_trial(*given[:3], None), 'two different splits'),
        (
            lambda *given: by_trial(*given[:2], 1 - given[2], given[3]),
            'train and val are exchanged',
        ),
        (lambda *given: by_trial(*given[:2], 0.6, given[3]), 'about 0.3'),
        (changed(lambda t, v: {'train': t + v, 'val': v}), 'there twice'),
        (changed(lambda t, v: {'train': t}), 'the keys train and val'),
        (changed(lambda t, v: (t, v)), 'the keys train and val'),
        (
            changed(lambda t, v: {'train': set(t), 'val': v}),
            'must be lists',
        ),
        (changed(lambda t, v: {'train': [1], 'val': v}), 'is no name'),
        (
            changed(lambda t, v: {'train': [*t, 'me'], 'val': v}),
            'that no photo has',
        ),
    ],
)
def test_split_scenes_wrong(split, phrase):
    says(check.split_scenes(split), phrase)
