"""The checks of the exercises on data: other right answers, wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and recorded wrong ones get the hint that is meant for them.
"""

import random
from fractions import Fraction

import segbook
import utils
from answers import says
from checks import data as check

import numpy
import pytest
from mxnet import np
from PIL import Image

VOID = utils.VOID


# ---------------------------------------------- One Bit After the Other


@pytest.mark.parametrize(
    'color', [[0, 64, 128], numpy.uint8([0, 64, 128]), np.array([0, 64, 128])]
)
def test_bits_by_hand(color):
    assert check.bits(color, numpy.int64(12))


@pytest.mark.parametrize(
    'color, phrase',
    [
        ((128, 64, 0), 'red first, blue last'),
        ((0, 2, 1), 'the highest of its eight, not the lowest'),
        ((32, 64, 0), 'as cards'),
        ((0, 128, 128), 'the second 64'),
        ((0, 0.25, 0.5), 'from 0 to 255'),
        ((64, 0, 64), 'the last digit'),
        ((0, 64, 64), 'wrong in blue'),
        ((0, 64), 'the shape (2,)'),
    ],
)
def test_bits_wrong_color(color, phrase):
    says(check.bits(color, 12), phrase)


@pytest.mark.parametrize(
    'index, phrase',
    [
        (33, 'red, green, blue'),
        (48, 'the last digit'),
        (5, 'not the highest bit'),
        (13, 'whose colour is (192, 0, 128)'),
        (300, 'none of the table'),
        (1.5, 'whole number'),
    ],
)
def test_bits_wrong_index(index, phrase):
    says(check.bits((0, 64, 128), index), phrase)


# ----------------------------------------- The Score of Knowing Nothing


def test_baseline():
    background = [Fraction(3, 4), Fraction(1, 4)]
    assert check.baseline(background, [0.1875, 0.0625])


@pytest.mark.parametrize(
    'background, boat, phrases',
    [
        ((0.6, 0.2), (0, 0), ['pixel accuracy', 'leave them out']),
        ((0.8, 0.8 / 3), (0, 0), ['void is not background']),
        ((0.25, 0.75), (0, 0), ['right order']),
        ((75, 25), (0, 0), ['not a percentage']),
        ((0.75, 0.75), (0, 0), ['never found count too']),
        ((0.75, 0.75 / 21), (0, 0), ['not over all 21']),
        ((0.75, 0.75 / 4), (0, 0), ['void is no class']),
        ((0.75, 1 / 3), (0, 0), ['found wrongly']),
        ((0.75, 0.2), (0, 0), ['in no union']),
        ((0.75, 0.25), (0.15, 0.05), ['«boat»', 'leave them out']),
        ((0.75, 0.25), (0.1875, 1 / 3), ['«boat»', 'found wrongly']),
        ((0.75, 0.25), (0.4, 0.1), ['«boat»', 'divided by all that count']),
    ],
)
def test_baseline_wrong(background, boat, phrases):
    says(check.baseline(background, boat), *phrases)


def test_three_digits_of_what_is_worked_out_on_paper_are_enough():
    assert check.baseline((0.75, 0.25), (0.188, 0.063))
    says(check.baseline((0.75, 0.25), (0.19, 0.0625)), 'three digits')
    assert check.dropped(7, 0.219)
    says(check.dropped(7, 0.22), 'three digits')
    says(check.dropped(7, 21.9), 'not a percentage')
    table = [[6, 0, 1], [1, 5, 0], [1, 0, 1]]
    assert check.mean_iu(table, [0.667, 0.833, 0.333], 0.611)
    says(check.mean_iu(table, [0.67, 0.83, 0.33], 0.611), 'three digits')
    says(check.mean_iu(table, [0.667, 0.833, 0.333], 61), 'not a percentage')


def test_normalize_is_seen_by_any_name():
    again = utils.normalize
    says(check.preparation(lambda images: again(images)), 'uses normalize')


# ------------------------------------------------------ Who Is Dropped?


def test_dropped():
    assert check.dropped(7.0, Fraction(7, 32))


@pytest.mark.parametrize(
    'dropped, phrase',
    [
        (1, 'one direction is enough'),
        (15, 'height and width are swapped'),
        (8, 'not smaller'),
        (4, 'the rows of the table'),
        (13, 'asked are the others'),
        (2, 'compare the width too'),
        (6, 'compare the height too'),
        (11, 'go through the rows'),
    ],
)
def test_dropped_wrong_number(dropped, phrase):
    says(check.dropped(dropped, 7 / 32), phrase)


@pytest.mark.parametrize(
    'padding, phrase',
    [
        (105 / 375, 'not of the image'),
        (25 / 32, 'asked is the rest'),
        (0, 'is a portrait'),
        (105 * 320, 'divide by the pixels'),
        (105, 'these are columns'),
        (21.875, 'not a percentage'),
        (0.5, 'how many of the window’s columns'),
    ],
)
def test_dropped_wrong_share(padding, phrase):
    says(check.dropped(7, padding), phrase)


# --------------------------------------------------- Two Bugs, No Error
MEAN, STD = numpy.float32(utils.RGB_MEAN), numpy.float32(utils.RGB_STD)


def as_numpy(images):
    return images.asnumpy().astype('float32')


def first(batch):
    """Move the channels to the second axis."""
    return batch.transpose(0, 3, 1, 2)


PREPARED = {
    'with NumPy': lambda x: first((as_numpy(x) / 255 - MEAN) / STD),
    'in one step': lambda x: first(
        as_numpy(x) / (255 * STD) - numpy.float32(MEAN / STD)
    ),
    'a channel after the other': lambda x: np.stack(
        [
            (x[..., c].astype('float32') / 255 - float(MEAN[c]))
            / float(STD[c])
            for c in range(3)
        ],
        axis=1,
    ),
    'moveaxis': lambda x: np.moveaxis(
        (x.astype('float32') / 255 - np.array(MEAN)) / np.array(STD), -1, 1
    ),
}
BADLY_PREPARED = {
    'no 255': (
        lambda x: first((as_numpy(x) - MEAN) / STD),
        'something is forgotten before the mean',
    ),
    '255 later': (
        lambda x: first((as_numpy(x) - MEAN) / 255 / STD),
        'before you subtract',
    ),
    '255 twice': (
        lambda x: first((as_numpy(x) / 255 / 255 - MEAN) / STD),
        '255 twice',
    ),
    'no std': (lambda x: first(as_numpy(x) / 255 - MEAN), 'std is missing'),
    'no mean': (
        lambda x: first(as_numpy(x) / 255 / STD),
        'the mean is not subtracted',
    ),
    'only 255': (lambda x: first(as_numpy(x) / 255), 'not used yet'),
    'times std': (
        lambda x: first((as_numpy(x) / 255 - MEAN) * STD),
        'do not multiply',
    ),
    'std first': (
        lambda x: first(as_numpy(x) / 255 / STD - MEAN),
        'subtract the mean first',
    ),
    'plus mean': (
        lambda x: first((as_numpy(x) / 255 + MEAN) / STD),
        'do not add',
    ),
    'blue first': (
        lambda x: first((as_numpy(x) / 255 - MEAN[::-1]) / STD[::-1]),
        'wrong order: red first',
    ),
    'blue for red': (
        lambda x: first((as_numpy(x)[..., ::-1] / 255 - MEAN) / STD),
        'red and blue are swapped',
    ),
    'reshape': (
        lambda x: ((as_numpy(x) / 255 - MEAN) / STD).reshape(
            len(x), 3, *x.shape[1:3]
        ),
        'transpose',
    ),
    'both bugs': (
        lambda x: ((as_numpy(x) - MEAN) / STD).reshape(
            len(x), 3, *x.shape[1:3]
        ),
        'transpose',
    ),
    'channels last': (
        lambda x: (as_numpy(x) / 255 - MEAN) / STD,
        '(N, H, W, 3)',
    ),
    'width first': (
        lambda x: ((as_numpy(x) / 255 - MEAN) / STD).transpose(0, 3, 2, 1),
        'height before width',
    ),
    'whole numbers': (
        lambda x: first((x.asnumpy() // 255 - MEAN) / STD),
        'do not grow evenly',
    ),
    'as float64': (
        lambda x: first((as_numpy(x) / 255 - MEAN) / STD).astype('float64'),
        'float32',
    ),
    'its own mean': (
        lambda x: first((as_numpy(x) - as_numpy(x).mean()) / 255),
        'have the wrong size',
    ),
}


@pytest.mark.parametrize('prepare', PREPARED.values(), ids=PREPARED)
def test_preparation(prepare):
    assert check.preparation(prepare)


@pytest.mark.parametrize(
    'prepare, phrase', BADLY_PREPARED.values(), ids=BADLY_PREPARED
)
def test_preparation_wrong(prepare, phrase):
    says(check.preparation(prepare), phrase)


# ------------------------------------------------------ Mean IU by Hand
CONFUSION = [[6, 0, 1], [1, 5, 0], [1, 0, 1]]
IU = [Fraction(2, 3), Fraction(5, 6), Fraction(1, 3)]
MEAN_IU = Fraction(11, 18)


def test_mean_iu():
    assert check.mean_iu(CONFUSION, IU, MEAN_IU)
    as_arrays = np.array(CONFUSION), tuple(float(x) for x in IU), 0.6111
    assert check.mean_iu(*as_arrays)


@pytest.mark.parametrize(
    'confusion, phrase',
    [
        ([[6, 1, 1], [0, 5, 0], [1, 0, 1]], 'rows and columns are swapped'),
        ([[7, 4, 1], [1, 5, 0], [1, 0, 1]], 'counted as background'),
        ([[7, 0, 1], [1, 9, 0], [1, 0, 1]], 'counted as right'),
        (numpy.array(CONFUSION) / 15, 'not shares'),
        ([[6, 0, 1], [1, 5, 0], [1, 0, 2]], 'yours holds 16'),
        ([[6, 0, 1], [1, 5, 0], [0, 1, 1]], 'row of the true class 2'),
    ],
)
def test_mean_iu_wrong_confusion(confusion, phrase):
    says(check.mean_iu(confusion, IU, MEAN_IU), phrase)


@pytest.mark.parametrize(
    'class_iu, phrase',
    [
        ((6 / 7, 5 / 6, 1 / 2), 'divides by the row'),
        ((6 / 8, 5 / 5, 1 / 2), 'divides by the column'),
        ((6 / 15, 5 / 11, 1 / 4), 'twice: subtract'),
        ((12 / 15, 10 / 11, 1 / 2), 'Dice'),
        ((6 / 15, 5 / 15, 1 / 15), 'not by all pixels'),
        ((2 / 3, 5 / 6, 1 / 2), 'IU of class 2'),
    ],
)
def test_mean_iu_wrong_class_iu(class_iu, phrase):
    says(check.mean_iu(CONFUSION, class_iu, MEAN_IU), phrase)


@pytest.mark.parametrize(
    'mean_iu, phrase',
    [
        (0.8, 'pixel accuracy'),
        ((7 * 2 / 3 + 6 * 5 / 6 + 2 / 3) / 15, 'however small'),
        (12 / 18, 'adds up first'),
        (11 / 6, 'divide by the number'),
        (11 / 24, 'void is no class'),
        (0.5, 'plain mean'),
    ],
)
def test_mean_iu_wrong_mean(mean_iu, phrase):
    says(check.mean_iu(CONFUSION, IU, mean_iu), phrase)


# ------------------------------------------------------ Unknown Colours


def missing(color):
    raise ValueError(f'no class has {color}')


def pixel_by_pixel(colors, table):
    rows = [[tuple(pixel) for pixel in row] for row in colors.tolist()]
    for pixel in (pixel for row in rows for pixel in row):
        if pixel not in table:
            missing(pixel)
    return [[table[pixel] for pixel in row] for row in rows]


def by_number(colors, table):
    base = numpy.array([65536, 256, 1])
    lookup = numpy.full(2**24, -1)
    for color, index in table.items():
        lookup[color @ base] = index
    label = lookup[colors @ base]
    if (label < 0).any():
        missing(tuple(colors[label < 0][0]))
    return np.array(label)


def filled(start):
    """A look-up that starts from a class and never tests."""

    def decode(colors, table):
        label = numpy.full(colors.shape[:2], start)
        for color, index in table.items():
            label[(colors == color).all(axis=2)] = index
        return label

    return decode


def nearest(colors, table):
    known = numpy.array(list(table))
    distance = abs(colors[:, :, None].astype(int) - known).sum(axis=3)
    return numpy.array(list(table.values()))[distance.argmin(axis=2)]


def by_sum(colors, table):
    sums = {sum(color): index for color, index in table.items()}
    return [[sums[sum(pixel)] for pixel in row] for row in colors.tolist()]


def by_red_cut_off(colors, table):
    """Red times 65536 does not fit into 16 bits."""

    def number(color):
        red, green, blue = numpy.array(color, dtype='uint16').T
        return (red * 256 * 256 + green * 256 + blue).T

    numbers = {int(number([color])[0]): i for color, i in table.items()}
    return [[numbers[int(x)] for x in row] for row in number(colors)]


def any_channel(colors, table):
    label = numpy.full(colors.shape[:2], -1)
    for color, index in table.items():
        label[(colors == color).any(axis=2)] = index
    return label


def in_place(colors, table):
    label = pixel_by_pixel(colors, table)
    colors[:] = 0
    return label


def bare_error(colors, table):
    try:
        return pixel_by_pixel(colors, table)
    except ValueError:
        raise ValueError('unknown colour') from None


def key_error(colors, table):
    return [[table[tuple(x)] for x in row] for row in colors.tolist()]


def on_its_side(colors, table):
    return numpy.array(by_number(colors, table)).T


@pytest.mark.parametrize('decode', [pixel_by_pixel, by_number])
def test_decode(decode):
    assert check.decode(decode)


@pytest.mark.parametrize(
    'decode, phrase',
    [
        (filled(0), 'became 0, background'),
        (filled(VOID), '«nobody can say»'),
        (filled(99), 'whether each pixel was found'),
        (nearest, 'a guess'),
        (by_sum, 'the same sum'),
        (by_red_cut_off, 'differ in red alone'),
        (any_channel, 'all, not any'),
        (in_place, 'changed what it was given'),
        (bare_error, 'does not name the colour'),
        (key_error, 'raised KeyError'),
        (on_its_side, 'wrong shape'),
        (lambda colors, table: colors, 'its index is one number'),
    ],
)
def test_decode_wrong(decode, phrase):
    says(check.decode(decode), phrase)


# ----------------------------------------------------------- Scale Both


def resized(array, size, how):
    picture = Image.fromarray(array).resize(size[::-1], how)
    return numpy.asarray(picture)


def scaled(photo=Image.BILINEAR, label=Image.NEAREST, turn=False, power=1):
    """A function that scales a pair, in one or another way."""

    def scale_pair(image, mask, factor):
        size = tuple(round(side * factor**power) for side in mask.shape)
        size = size[::-1] if turn else size
        return resized(image, size, photo), resized(mask, size, label)

    return scale_pair


def rounded_down(image, label, factor):
    """Pillow's pictures, in a list."""
    height, width = (int(side * factor) for side in label.shape)
    return [
        Image.fromarray(image).resize((width, height), Image.BILINEAR),
        Image.fromarray(label).resize((width, height), Image.NEAREST),
    ]


def by_indices(image, label, factor):
    """The label's pixels are picked by hand, the photo is Pillow's."""
    height, width = (round(side * factor) for side in label.shape)
    rows = (numpy.arange(height) / factor).astype(int)
    columns = (numpy.arange(width) / factor).astype(int)
    rows, columns = (
        places.clip(max=side - 1)
        for places, side in zip((rows, columns), label.shape, strict=True)
    )
    photo = resized(image, (height, width), Image.BILINEAR)
    return photo, label[rows[:, None], columns]


def changed(change):
    """A right function whose results are spoilt."""

    def scale_pair(*arguments):
        return change(*scaled()(*arguments))

    return scale_pair


def overwrites(image, label, factor):
    label[label == VOID] = 0
    return scaled()(image, label, factor)


def cut(image, label, factor):
    """The window in the middle grows or shrinks; nothing is scaled."""
    size = tuple(round(side * factor) for side in label.shape)
    image = utils.pad_to(image, *size, 0)[: size[0], : size[1]]
    return image, utils.pad_to(label, *size, 0)[: size[0], : size[1]]


@pytest.mark.parametrize(
    'scale_pair',
    [
        scaled(),
        rounded_down,
        by_indices,
        changed(lambda x, y: [np.array(x), np.array(y)]),
    ],
)
def test_scale_pair(scale_pair):
    assert check.scale_pair(scale_pair)


@pytest.mark.parametrize(
    'scale_pair, phrase',
    [
        (scaled(label=Image.BILINEAR), 'must not be blended'),
        (scaled(photo=Image.NEAREST), 'stairs'),
        (scaled(turn=True), 'Pillow wants (width, height)'),
        (scaled(power=-1), 'do not divide'),
        (scaled(power=0), 'where does the factor come in'),
        (scaled(power=2), 'applied once'),
        (changed(lambda x, y: (x, y[:, ::-1])), 'the label is mirrored'),
        (changed(lambda x, y: (x, y[::-1])), 'upside down'),
        (changed(lambda x, y: (x[:, ::-1], y)), 'the photo is not in its'),
        (changed(lambda x, y: (x[..., ::-1], y)), 'red and blue'),
        (changed(lambda x, y: (x / 255, y)), 'nearly black'),
        (changed(lambda x, y: (y, x)), 'in this order'),
        (changed(lambda x, y: (x, y[1:])), 'different sizes'),
        (changed(lambda x, y: x), 'must return two arrays'),
        (overwrites, 'changed what it was given'),
        (cut, 'only cut or padded'),
    ],
)
def test_scale_pair_wrong(scale_pair, phrase):
    says(check.scale_pair(scale_pair), phrase)


# ---------------------------------------------- Rare Classes More Often


def members(classes):
    names = sorted(set().union(*classes))
    return [[i for i, s in enumerate(classes) if n in s] for n in names]


def with_python(classes, count, seed):
    rng = random.Random(seed)
    images = members(classes)
    return [rng.choice(rng.choice(images)) for _ in range(count)]


def by_weights(classes, count, seed):
    weights = numpy.zeros(len(classes))
    for images in members(classes):
        weights[images] += 1 / len(images)
    rng = numpy.random.RandomState(seed)
    return rng.choice(len(classes), count, p=weights / weights.sum())


def in_turns(classes, count, seed):
    rng = numpy.random.default_rng(seed)
    images = members(classes)
    return np.array(
        [rng.choice(images[n % len(images)]) for n in range(count)]
    )


def uniform(classes, count, seed):
    rng = numpy.random.default_rng(seed)
    return rng.integers(len(classes), size=count).tolist()


def by_number_of_classes(classes, count, seed):
    rng = random.Random(seed)
    return rng.choices(range(len(classes)), [len(x) for x in classes], k=count)


def always_the_first(classes, count, seed):
    rng = random.Random(seed)
    return [rng.choice(members(classes))[0] for _ in range(count)]


def global_seed(classes, count, seed):
    numpy.random.seed(seed)
    return by_weights(classes, count, numpy.random.randint(99))


def python_seed(classes, count, seed):
    random.seed(seed)
    images = members(classes)
    return [random.choice(random.choice(images)) for _ in range(count)]


def no_seed(classes, count, seed):
    return with_python(classes, count, None)


def one_seed(classes, count, seed):
    return with_python(classes, count, 0)


def gives_classes(classes, count, seed):
    names = sorted(set().union(*classes))
    rng = random.Random(seed)
    return [rng.choice(names) * 10 for _ in range(count)]


def empties_the_sets(classes, count, seed):
    drawn = with_python(classes, count, seed)
    classes[0].clear()
    return drawn


@pytest.mark.parametrize('draw', [with_python, by_weights, in_turns])
def test_draw(draw):
    assert check.draw(draw)


@pytest.mark.parametrize(
    'draw, phrase',
    [
        (uniform, 'every image is equally likely'),
        (by_number_of_classes, 'every image is equally likely'),
        (always_the_first, 'never came'),
        (global_seed, 'random numbers that others use'),
        (python_seed, 'random numbers that others use'),
        (no_seed, 'two different lists'),
        (one_seed, 'two seeds gave the same list'),
        (gives_classes, 'returned are images'),
        (empties_the_sets, 'changed what it was given'),
        (lambda *x: with_python(*x)[1:], 'wrong length'),
    ],
)
def test_draw_wrong(draw, phrase):
    says(check.draw(draw), phrase)


def test_more_classes_more_often_is_recognised():
    """Alike in sets of one class, so it is seen in the mixed ones only."""

    def draw(classes, count, seed):
        if {len(shown) for shown in classes} == {1}:
            return with_python(classes, count, seed)
        return by_number_of_classes(classes, count, seed)

    says(check.draw(draw), 'shows more classes comes more often')


def test_draw_leaves_the_global_generators_as_they_are():
    before = random.getstate(), numpy.random.get_state()
    check.draw(with_python)
    check.draw(global_seed)
    check.draw(python_seed)
    after = random.getstate(), numpy.random.get_state()
    assert before[0] == after[0]
    assert (before[1][1] == after[1][1]).all()


# ---------------------------------------- What If Void Were Background?
REASONS = 'B loses although it makes no mistake, and A gains for nothing.'


@pytest.fixture(scope='module')
def counts():
    root = utils.voc_root()
    return numpy.array(
        [
            numpy.bincount(
                segbook.read_pair(root, name)[1].ravel(), minlength=256
            )
            for name in utils.read_split(root, 'val')[:60]
        ]
    )


def table(counts, mean=False):
    """The four accuracies, over all pixels or as a mean over images."""
    if mean:
        return numpy.mean([table(row[None]) for row in counts], axis=0)
    total, void, empty = (
        counts.sum(),
        counts[:, VOID].sum(),
        counts[:, 0].sum(),
    )
    return [
        [empty / (total - void), (empty + void) / total],
        [1, 1 - void / total],
    ]


def test_void_as_background(counts):
    verdict = check.void_as_background(table(counts), REASONS)
    assert verdict and 'no program can judge' in verdict.text


@pytest.mark.parametrize(
    'spoil, phrase',
    [
        (lambda t: t[::-1], 'A first'),
        (lambda t: t[:, ::-1], 'left out first'),
        (lambda t: t.T, 'a row for a program'),
        (lambda t: t * 100, 'not a percentage'),
        (lambda t: t - [[0, 0], [0.1, 0]], 'program B, void left out'),
        (lambda t: t[[0, 0]], 'program B'),
        (lambda t: numpy.array([[t[0, 0]] * 2, t[1]]), 'the other way'),
    ],
)
def test_void_as_background_wrong(counts, spoil, phrase):
    accuracies = spoil(numpy.array(table(counts)))
    says(check.void_as_background(accuracies, REASONS), phrase)


def test_void_as_background_mean_over_images(counts):
    accuracies = table(counts, mean=True)
    says(check.void_as_background(accuracies, REASONS), 'divide once')


def test_void_as_background_counted_in_the_total(counts):
    accuracies = numpy.array(table(counts))
    accuracies[0, 0] = counts[:, 0].sum() / counts.sum()
    says(
        check.void_as_background(accuracies, REASONS),
        'not in the total either',
    )


@pytest.mark.parametrize(
    'answer, phrase', [('A gains.', 'too short'), (3, 'must be a text')]
)
def test_void_as_background_without_reasons(counts, answer, phrase):
    says(check.void_as_background(table(counts), answer), phrase)
