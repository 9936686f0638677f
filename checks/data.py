"""Checks of the exercises of the chapter on segmentation and its data.

Each takes the answer that its docstring describes and returns a `Verdict`.
"""

import random
import re

import segbook
import utils  # first: it gives MXNet all cores
from checks import (
    NOT_A_SHARE,
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    expect,
    recognise,
    same,
    share,
    whole,
    words,
)

import numpy as onp
from mxnet import np
from PIL import Image

# ---------------------------------------------- One Bit After the Other


@check(
    'a colour, three numbers (red, green, blue) from 0 to 255, '
    'and an index from 0 to 255'
)
def bits(color_of_20, index):
    """Check a colour and an index that were found with VOC's rule by hand.

    color_of_20: three numbers. index: the whole number whose colour is
    (64, 0, 128). The table of VOC's colours decides.
    """
    table = segbook.voc_colormap().astype(int)
    color = array(color_of_20, (3,), 'the colour of 20')
    right = table[20]
    names = onp.array(['red', 'green', 'blue'])[color != right]
    # 20 is 10100: what some other ways to deal the bits make of it
    expect(
        color,
        right,
        f'this is not the colour of 20: wrong in {" and ".join(names)}',
        (
            right[::-1],
            'the numbers are right, their order is not: red first, blue last',
        ),
        (
            (0, 2, 1),
            'each channel has the right bits. But the first bit that it gets '
            'is the highest of its eight, not the lowest',
        ),
        (
            (32, 64, 0),
            'the bits are dealt out one by one, as cards: b0 to red, b1 to '
            'green, b2 to blue, b3 to red again …',
        ),
        (
            (0, 128, 128),
            'the first bit of a channel counts 128, the second 64, the third '
            '32',
        ),
        (right / 255, right / 256, 'the channels are numbers from 0 to 255'),
        (table[40], table[5], 'b0 is the last digit of the binary number'),
        got=', '.join(f'{channel:g}' for channel in color),
        hint='write 20 in binary with b0 on the right, then give b0, b3 and '
        'b6 to red, b1, b4 and b7 to green, b2 and b5 to blue',
    )
    number = whole(index, 'the index')
    if not 0 <= number <= 255:
        raise Wrong(
            'the index is none of the table',
            expected='a whole number from 0 to 255',
            got=number,
        )
    if tuple(table[number]) != (64, 0, 128):
        hint = recognise(
            number,
            (33, 'the order is red, green, blue'),
            (48, 6, 3, 'b0 is the last digit of the binary number'),
            (5, '64 is not the highest bit of red but the next one'),
        )
        raise Wrong(
            'this index has another colour than (64, 0, 128)',
            got=f'{number}, whose colour is {tuple(table[number].tolist())}',
            hint=hint
            or 'which bits of red are set in 64, and which of blue in 128?',
        )
    return (
        f'Index {number} is «{segbook.VOC_CLASSES[number]}», 20 is '
        f'«{segbook.VOC_CLASSES[20]}». Three bits for red, three for green, '
        'two for blue: so no index is pure white.'
    )


# ----------------------------------------- The Score of Knowing Nothing


@check('a pair (pixel accuracy, mean IU) for each program, shares from 0 to 1')
def baseline(background, boat):
    """Check the scores of two constant programs on the exercise's counts.

    background, boat: pixel accuracy and mean IU of the program that always
    answers this. The book's metric decides.
    """
    pixels = {0: 600, 4: 150, 15: 50, utils.VOID: 200}
    label = onp.repeat(list(pixels), list(pixels.values()))
    for name, own, answer in (
        ('background', 0, background),
        ('boat', 4, boat),
    ):
        metric = utils.SegmentationMetric(len(segbook.VOC_CLASSES))
        metric.update(label, onp.full_like(label, own))
        got = share(answer, (2,), f'the answer for «{name}»')
        accuracy = metric.pixel_accuracy
        found, known = pixels[own], 1000 - pixels[utils.VOID]
        more = found + (pixels[utils.VOID] if own == 0 else 0)
        expect(
            got[0],
            accuracy,
            f'«{name}»: the pixel accuracy is wrong',
            (
                found / 1000,
                'void pixels count nowhere: leave them out of the total as '
                'well',
            ),
            (
                more / 1000,
                'void is not background: saying «background» there is '
                'neither right nor wrong',
            ),
            (
                metric.mean_iu,
                'are the two numbers in the right order? Pixel accuracy first',
            ),
            hint='right pixels, divided by all that count',
            tolerance=ROUNDED,
        )
        expect(
            got[1],
            metric.mean_iu,
            f'«{name}»: the mean IU is wrong',
            (
                accuracy,
                'this is the IU of one class. The mean goes over all three: '
                'the classes that are never found count too',
            ),
            (
                accuracy / 21,
                'the mean goes over the classes that occur in the labels, '
                'not over all 21 of the table',
            ),
            (accuracy / 4, 'void is no class: the mean goes over three'),
            (
                1 / 3,
                'this is the mean of how much of each class is found. IU '
                'also counts what is found wrongly: the union holds every '
                'pixel that the program calls so',
            ),
            (found / 1000 / 3, 'void pixels are in no union either'),
            hint='for each class: how many pixels do truth and prediction '
            'share, how many does at least one of them have?',
            tolerance=ROUNDED,
        )
    return (
        f'{known} pixels count, and the accuracy of the first program looks '
        'like success. Its mean IU does not.'
    )


# ------------------------------------------------------ Who Is Dropped?

SIZES = onp.repeat(
    [
        (375, 500),
        (500, 375),
        (333, 500),
        (500, 333),
        (281, 500),
        (300, 400),
        (360, 480),
    ],
    [9, 4, 3, 1, 1, 1, 1],
    axis=0,
)


@check('a whole number, of images, and a share from 0 to 1')
def dropped(dropped, padding):
    """Check how many of the exercise's images a crop of 320 x 480 drops.

    dropped: a whole number. padding: the share of a window on the image of
    500 x 375 that is padding.
    """
    crop = onp.array([320, 480])
    smaller = crop > SIZES
    right = int(smaller.any(axis=1).sum())
    expect(
        whole(dropped, 'the number of dropped images'),
        right,
        'the number of dropped images is wrong',
        (
            smaller.all(axis=1).sum(),
            'one direction is enough: a window that is too wide does not '
            'fit, however high the image is',
        ),
        (
            (crop[::-1] > SIZES).any(axis=1).sum(),
            'height and width are swapped: the crop is 320 high and 480 wide',
        ),
        (
            (crop >= SIZES).any(axis=1).sum(),
            'an image of exactly the window’s width is not smaller',
        ),
        (
            len({tuple(size) for size in SIZES[smaller.any(axis=1)]}),
            'these are the rows of the table; how many images stand in each?',
        ),
        (
            len(SIZES) - right,
            'these are the images that remain; asked are the others',
        ),
        (
            smaller[:, 0].sum(),
            'this looks at the height alone; compare the width too',
        ),
        (
            smaller[:, 1].sum(),
            'this looks at the width alone; compare the height too',
        ),
        got='{:g}',
        hint='go through the rows: is the height below 320, or the width '
        'below 480? Then add up the right column',
    )
    portrait = onp.zeros((500, 375), dtype='uint8')
    window = segbook.random_crop(
        onp.zeros((500, 375, 3), dtype='uint8'),
        portrait,
        tuple(crop.tolist()),
        onp.random.default_rng(0),
    )[1]
    is_void = window == utils.VOID
    missing = crop[1] - portrait.shape[1]
    expect(
        array(padding, (), 'the share of padding'),
        is_void.mean(),
        'the share of padding is wrong',
        (
            missing / portrait.shape[1],
            'asked is the share of the window, not of the image',
        ),
        (
            1 - is_void.mean(),
            'this is the share of the photo; asked is the rest',
        ),
        (
            0,
            'the image is high enough but not wide enough: height comes '
            'first, 500 x 375 is a portrait',
        ),
        (is_void.sum(), 'divide by the pixels of the window'),
        (missing, 'these are columns; asked is a share of the window'),
        (*_percentages(is_void.mean()), NOT_A_SHARE),
        hint='how many of the window’s columns does the image fill? The '
        'height it fills entirely',
        tolerance=ROUNDED,
    )
    return 'Padding keeps every image, and void keeps the padding harmless.'


def _percentages(share):
    """What a share may look like as a percentage."""
    return [round(share * 100, digits) for digits in (4, 2, 1, 0)]


# --------------------------------------------------- Two Bugs, No Error


@check('a function of a uint8 array (N, H, W, 3) that returns (N, 3, H, W)')
def preparation(prepare):
    """Check a function that prepares a batch of photos for a ResNet.

    prepare: takes uint8 (N, H, W, 3) of MXNet, returns float32 (N, 3, H, W).
    It must equal `utils.normalize`. What is wrong is read off the straight
    line that leads from a pixel's number to the result.
    """
    photos = onp.random.default_rng(4).integers(
        0, 256, (2, 6, 9, 3), dtype='uint8'
    )
    result = call(
        prepare, np.array(photos, dtype='uint8'), without=[utils.normalize]
    )
    right = (photos / 255 - utils.RGB_MEAN) / utils.RGB_STD
    right = right.transpose(0, 3, 1, 2)
    order = 'the axes are in the wrong order, {}: convolutions expect the '
    order += 'channels on the second axis, and height before width'
    known = {
        (2, 6, 9, 3): order.format('(N, H, W, 3)'),
        (2, 3, 9, 6): order.format('(N, 3, W, H)'),
    }
    got = array(result, right.shape, 'the prepared batch', known.get)
    if not same(got, right, 1e-3):
        raise _wrong_preparation(got, photos)
    kind = getattr(result, 'dtype', None)
    if kind is not None and onp.dtype(kind) != onp.float32:
        raise Wrong(
            'the numbers are right, their type is not',
            expected='float32',
            got=str(onp.dtype(kind)),
            hint='the weights of a network are float32, and MXNet does not '
            'mix types',
        )
    return (
        'A network that was trained on such numbers gets such numbers. '
        'Neither bug would have raised an error.'
    )


def _wrong_preparation(got, photos):
    """Say what is wrong with a prepared batch that has the right shape."""
    count, height, width, _ = photos.shape
    pixels = photos.reshape(-1, 3).astype(float)
    lines = _lines(got.transpose(0, 2, 3, 1).reshape(-1, 3), pixels)
    if lines is None:
        # Undo a reshape: do all numbers stand in the order of the photos?
        if _lines(got.reshape(-1, 3), pixels) is not None:
            return Wrong(
                'numbers stand at the wrong pixels',
                hint='reshape only cuts the row of numbers at other places, '
                'and mixes the colours. To move an axis, the numbers must '
                'move too: transpose',
            )
        if _lines(got.transpose(0, 2, 3, 1).reshape(-1, 3), pixels[:, ::-1]):
            return Wrong(
                'red and blue are swapped',
                hint='the photos are RGB, and so are mean and std',
            )
        return Wrong(
            'the numbers do not grow evenly with their pixels',
            hint='is something cut to whole numbers (uint8), or does a '
            'number come from another pixel?',
        )
    slopes, starts = lines
    mean, std = onp.array(utils.RGB_MEAN), onp.array(utils.RGB_STD)
    hint = recognise(
        onp.array([slopes * 255 * std, starts]),
        (
            [[255] * 3, -mean / std],
            'mean and std belong to pixels between 0 and 1: something is '
            'forgotten before the mean is subtracted',
        ),
        (
            [[1] * 3, -mean / std / 255],
            'the mean belongs to pixels between 0 and 1: divide by 255 '
            'before you subtract it',
        ),
        ([[1 / 255] * 3, -mean / std], 'this divides by 255 twice'),
        ([std, -mean], 'the division by std is missing'),
        ([[1] * 3, [0] * 3], 'the mean is not subtracted'),
        ([std, [0] * 3], 'mean and std are not used yet'),
        ([std**2, -mean * std], 'divide by std, do not multiply by it'),
        ([[1] * 3, -mean], 'subtract the mean first, then divide by std'),
        ([[1] * 3, mean / std], 'subtract the mean, do not add it'),
        (
            [std / std[::-1], -mean[::-1] / std[::-1]],
            'mean and std are in the wrong order: red first',
        ),
        tolerance=2e-3,
    )
    return Wrong(
        'the numbers stand at the right pixels, but have the wrong size',
        expected='black and white (red, green, blue) become '
        + ' and '.join(
            str(((value - mean) / std).round(2).tolist()) for value in (0, 1)
        ),
        got=' and '.join(
            str((starts + slopes * value).round(2).tolist())
            for value in (0, 255)
        ),
        hint=hint or 'the order is: divide by 255, minus mean, divide by std',
    )


def _lines(results, pixels):
    """Fit results = slope * pixels + start in each channel; None: no fit."""
    slopes, starts = onp.empty(3), onp.empty(3)
    for channel in range(3):
        x, y = pixels[:, channel], results[:, channel]
        slopes[channel], starts[channel] = onp.polyfit(x, y, 1)
        line = slopes[channel] * x + starts[channel]
        if abs(y - line).max() > 1e-3 * max(1, abs(y).max()):
            return None
    return slopes, starts


# ------------------------------------------------------ Mean IU by Hand

TRUTH = onp.array(
    [
        [0, 0, 0, 255, 1],
        [0, 0, 255, 1, 1],
        [0, 0, 255, 1, 1],
        [2, 2, 255, 255, 1],
    ]
)
PREDICTION = onp.array(
    [
        [0, 0, 0, 1, 1],
        [0, 0, 1, 1, 1],
        [0, 2, 1, 1, 0],
        [2, 0, 0, 1, 1],
    ]
)


@check(
    'a matrix of three rows and three columns, three IUs from 0 to 1, '
    'and their mean'
)
def mean_iu(confusion, class_iu, mean_iu):
    """Check the figures of the exercise's tiny image, counted by hand.

    confusion: (3, 3), rows are true classes. class_iu: (3,). mean_iu: a
    number. The book's metric decides.
    """
    metric = utils.SegmentationMetric(3)
    metric.update(TRUTH, PREDICTION)
    counts = metric.confusion
    _judge_confusion(array(confusion, (3, 3), 'the matrix'), counts)
    right, rows, columns = onp.diag(counts), counts.sum(axis=1), counts.sum(0)
    expect(
        share(class_iu, (3,), 'the IUs of the classes'),
        metric.class_iu,
        'the IU of class {} is wrong; the matrix is right',
        (
            right / rows,
            'this divides by the row, the pixels that have the class. The '
            'union also holds those that only the prediction calls so',
        ),
        (
            right / columns,
            'this divides by the column, the pixels that are called so. The '
            'union also holds those that have the class and were missed',
        ),
        (
            right / (rows + columns),
            'row plus column counts the shared pixels twice: subtract them '
            'once',
        ),
        (
            2 * right / (rows + columns),
            'this is the Dice coefficient, a relative of IU: it counts the '
            'shared pixels twice, above and below',
        ),
        (
            right / counts.sum(),
            'divide by the union of each class, not by all pixels',
        ),
        hint='the union of a class: all that is in its row or its column, '
        'each pixel once',
        tolerance=ROUNDED,
    )
    expect(
        array(mean_iu, (), 'the mean IU'),
        metric.mean_iu,
        'the mean IU is wrong; all before it is right',
        (metric.pixel_accuracy, 'this is the pixel accuracy'),
        (
            metric.frequency_weighted_iu,
            'this weights the classes by their pixels. In the mean IU each '
            'class counts alike, however small',
        ),
        (
            right.sum() / (rows + columns - right).sum(),
            'this adds up first and divides once. The mean IU divides in '
            'each class, then takes the mean',
        ),
        (metric.class_iu.sum(), 'divide by the number of classes'),
        (metric.class_iu.sum() / 4, 'void is no class'),
        (metric.mean_accuracy, 'this is the mean accuracy'),
        (*_percentages(metric.mean_iu), NOT_A_SHARE),
        hint='it is the plain mean of the three IUs',
        tolerance=ROUNDED,
    )
    return (
        f'The pixel accuracy is {metric.pixel_accuracy:.2f}, the mean IU '
        f'{metric.mean_iu:.2f}: the small class makes the difference.'
    )


def _judge_confusion(got, counts):
    def count(truth):
        return onp.array(
            [
                [((truth == i) & (j == PREDICTION)).sum() for j in range(3)]
                for i in range(3)
            ]
        )

    void = TRUTH == utils.VOID
    hint = 'for each pixel, go to row «truth», column «prediction»'
    if got.sum() != counts.sum():
        hint = (
            'how many pixels are not void? So many must be in the matrix; '
            f'yours holds {got.sum():g}'
        )
    rows = ', '.join(str(i) for i in range(3) if (got != counts)[i].any())
    expect(
        got,
        counts,
        f'the matrix is wrong in the row of the true class {rows}',
        (
            counts.T,
            'rows and columns are swapped: row i is the true class, column j '
            'the predicted one',
        ),
        (
            count(onp.where(void, 0, TRUTH)),
            'void was counted as background, class 0: leave these pixels out',
        ),
        (
            count(onp.where(void, PREDICTION, TRUTH)),
            'void was counted as right, whatever is predicted there: leave '
            'these pixels out',
        ),
        (
            counts / counts.sum(),
            counts / counts.sum(axis=1, keepdims=True),
            'asked are numbers of pixels, not shares',
        ),
        got=f'{got.round(3).tolist()}',
        hint=hint,
    )


# ------------------------------------------------------ Unknown Colours


@check(
    'a function of colours, uint8 (H, W, 3), and a dictionary from colours '
    'to indices, that returns integers (H, W)'
)
def decode(decode):
    """Check a function that finds the indices of a label's colours.

    decode(colors, table): returns integers (H, W), or raises ValueError that
    names a colour which the table does not have. Tried on random tables that
    hold colours of one sum, and colours that differ in one channel only.
    """
    rng = onp.random.default_rng(5)
    base = [(10, 20, 30), (30, 20, 10), (10, 30, 20), (200, 20, 30)]
    base += [(10, 220, 30), (10, 20, 230), (0, 0, 0), (255, 255, 255)]
    for _ in range(4):
        more = [
            tuple(color) for color in rng.integers(0, 256, (9, 3)).tolist()
        ]
        palette = list(dict.fromkeys(base + more))
        indices = rng.permutation(len(palette)).tolist()
        table = dict(zip(palette, indices, strict=True))
        # every colour once, then by chance
        chosen = onp.r_[: len(palette), rng.integers(len(palette), size=99)]
        chosen = rng.permutation(chosen)[:90].reshape(9, 10)
        chosen.flat[: len(palette)] = onp.arange(len(palette))
        colors = onp.array(palette, dtype='uint8')[chosen]
        _knows(decode, colors, table, onp.array(indices)[chosen])
    for color in ((9, 21, 30), (20, 20, 20), (254, 255, 255), (11, 20, 30)):
        _refuses(decode, color, table, colors)
    return (
        'A strange colour now stops the program where it is read, and not '
        'weeks later in a strange result.'
    )


def _knows(decode, colors, table, right):
    got = array(
        call(decode, colors, table),
        right.shape,
        'the label',
        'a pixel is three channels, its index is one number: (H, W, 3) '
        'becomes (H, W)',
    )
    if (got == right).all():
        return
    row, column = onp.argwhere(got != right)[0]
    color = tuple(colors[row, column].tolist())
    there = {index: color for color, index in table.items()}
    taken = there.get(int(got[row, column]))
    # each wrong pixel's colour, and the one whose index it got
    pairs = [
        (colors[place].astype(int), onp.array(there[int(got[place])]))
        for place in map(tuple, onp.argwhere(got != right))
        if int(got[place]) in there
    ]
    same = onp.array([own == other for own, other in pairs])
    hint = None
    if pairs and all(own.sum() == other.sum() for own, other in pairs):
        hint = (
            'both have the same sum. A colour is known only if its three '
            'channels agree, each with its own'
        )
    elif pairs and same.sum(axis=1).min() == 2:
        where = ('red', 'green', 'blue')[int(same[0].argmin())]
        hint = (
            f'the two differ in {where} alone. Was a channel left out, or '
            'did a number not fit into its type (uint8, uint16)?'
        )
    elif pairs and same.any(axis=1).all():
        hint = (
            'one channel in common is not enough. A colour is known only if '
            'all three agree: all, not any'
        )
    raise Wrong(
        f'a colour got the index of another: {color}',
        expected=f'the index {table[color]}, as in the table',
        got=f'{got[row, column]:g}'
        + (f', which is the index of {taken}' if taken else ''),
        hint=hint
        or 'compare red, green and blue with each colour of the table',
    )


def _refuses(decode, color, table, colors):
    colors = colors.copy()
    colors[3, 4] = color

    def attempt(colors, table):
        try:
            return decode(colors, table)
        except LookupError as error:
            return type(error).__name__, f'{error}'
        except ValueError as error:
            return 'ValueError', f'{error}'

    result = call(attempt, colors, dict(table))
    if isinstance(result, tuple) and isinstance(result[0], str):
        kind, text = result
        if kind != 'ValueError':
            raise Wrong(
                f'an unknown colour raised {kind}',
                expected='ValueError with a text that names the colour',
                got=text[:100],
                hint='that stops the program too, but it does not say what '
                'is wrong with the file',
            )
        if not set(map(str, color)) <= set(re.findall(r'\d+', text)):
            raise Wrong(
                'ValueError is raised, but its text does not name the colour',
                expected=f'a text with the three numbers of {color}',
                got=text[:100],
                hint='whoever reads it wants to look for that colour',
            )
        return
    value = array(result, colors.shape[:2], 'the label')[3, 4]
    near = min(table, key=lambda known: abs(onp.subtract(known, color)).sum())
    hint = 'after the look-up, test whether each pixel was found'
    if value == utils.VOID:
        hint = (
            'void means «nobody can say». This file is broken: void would '
            'hide that'
        )
    elif value == table[near]:
        hint = (
            'the nearest colour is a guess: along outlines, blended colours '
            'lie near those of wrong classes'
        )
    elif value == 0:
        hint = (
            'unknown pixels became 0, background. An array of zeros is no '
            'place to begin: start from a value that no class has'
        )
    raise Wrong(
        f'the colour {color} is not in the table, and nothing was raised',
        expected='ValueError',
        got=f'the index {value:g}',
        hint=hint,
    )


# ----------------------------------------------------------- Scale Both

FACTORS = (0.5, 2, 1.3, 1, 0.8)


@check(
    'a function of a photo (H, W, 3), its label (H, W) and a factor, that '
    'returns both, scaled'
)
def scale_pair(scale_pair):
    """Check a function that scales a photo and its label together.

    scale_pair(image, label, factor): returns both, `factor` times as large.
    Tried on a map of large patches, whose photo has one colour a class: each
    must stay in its place, and only the photo may hold new values.
    """
    classes = onp.array([0, 3, 9, utils.VOID])
    colors = onp.array(
        [(20, 60, 90), (240, 30, 30), (30, 200, 60), (250,) * 3]
    )
    rng = onp.random.default_rng(6)
    plan = onp.array([[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3]])
    for factor in FACTORS:
        which = rng.permutation(4)[plan].repeat(13, axis=0).repeat(15, axis=1)
        image = colors[which].astype('uint8')
        label = classes[which].astype('uint8')
        image_out, label_out = _pair(call(scale_pair, image, label, factor))
        _judge_size(image_out, label_out, label.shape, factor)
        _label_in_place(label_out, label, factor)
        _photo_in_place(image_out, image, factor)
    return (
        'Wherever the photo moves, the label moves too, and it holds no '
        'class that was not there before.'
    )


def _pair(result):
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong(
            'the function must return two arrays: the photo and the label',
            got=type(result).__name__,
        )
    return [
        array(onp.asarray(part) if isinstance(part, Image.Image) else part)
        for part in result
    ]


def _judge_size(image, label, shape, factor):
    if image.ndim != 3 or image.shape[2] != 3 or label.ndim != 2:
        raise Wrong(
            'the shapes are wrong',
            expected='a photo (H, W, 3) and a label (H, W), in this order',
            got=f'{image.shape} and {label.shape}',
        )
    if image.shape[:2] != label.shape:
        raise Wrong(
            'photo and label have different sizes',
            got=f'{image.shape[:2]} and {label.shape}',
            hint='work out the size once and use it for both',
        )
    wanted = onp.array(shape) * factor
    if (abs(wanted - label.shape) >= 1).any():
        hint = None
        if (abs(wanted[::-1] - label.shape) < 1).all():
            hint = (
                'height and width are swapped: Pillow wants (width, height), '
                'arrays have (height, width)'
            )
        elif label.shape == shape:
            hint = 'the size is the old one: where does the factor come in?'
        elif (abs(onp.array(shape) / factor - label.shape) < 1).all():
            hint = 'multiply the size by the factor, do not divide by it'
        elif (abs(wanted * factor - label.shape) < 2).all():
            hint = 'the factor is for each direction, and applied once'
        raise Wrong(
            f'the size is wrong for the factor {factor}',
            expected=f'about {tuple(wanted.round(1).tolist())}',
            got=label.shape,
            hint=hint,
        )


def _around(source, size):
    """What each pixel of a result (h, w) may come from: (h, w, 5, 5, …)."""
    places = []
    for side, old in zip(size, source.shape[:2], strict=True):
        middle = (onp.arange(side) + 0.5) * old / side - 0.5
        near = onp.rint(middle)[:, None] + onp.arange(-2, 3)
        places.append(near.clip(0, old - 1).astype(int))
    rows, columns = places
    return source[rows[:, None, :, None], columns[None, :, None, :]]


def _label_in_place(got, label, factor):
    new = sorted(set(onp.unique(got)) - set(onp.unique(label)))
    if new:
        raise Wrong(
            f'the label holds indices that it did not have (factor {factor})',
            expected=f'none but {onp.unique(label).tolist()}',
            got=', '.join(f'{value:g}' for value in new[:5])
            + (' …' if len(new) > 5 else ''),
            hint='a number between two classes is another class, or none: '
            'labels must not be blended. Take the nearest pixel',
        )
    near = _around(label, got.shape)
    fits = (near == got[:, :, None, None]).any(axis=(2, 3))
    if not fits.all():
        row, column = onp.argwhere(~fits)[0]
        hint = 'is the whole label scaled, or only cut or padded?'
        for turned, name in (
            (got[:, ::-1], 'mirrored'),
            (got[::-1], 'upside down'),
            (got[::-1, ::-1], 'turned round'),
        ):
            if (near == turned[:, :, None, None]).any(axis=(2, 3)).all():
                hint = f'the label is {name}; the photo stays as it was'
        raise Wrong(
            f'the label is not in its place (factor {factor})',
            expected='each pixel has the class of the pixel it comes from',
            got=f'class {got[row, column]:g} at row {row}, column {column}',
            hint=hint,
        )


def _photo_in_place(got, image, factor):
    if got.max() <= 1.01:
        raise Wrong(
            'the photo has become nearly black',
            expected='numbers from 0 to 255',
            got=f'at most {got.max():g}',
            hint='does a step change the numbers to 0..1?',
        )
    near = _around(image, got.shape[:2])
    low, high = near.min(axis=(2, 3)), near.max(axis=(2, 3))
    fits = ((got >= low - 2) & (got <= high + 2)).all(axis=2)
    if not fits.all():
        row, column = onp.argwhere(~fits)[0]
        hint = 'the label is right: is the photo scaled in the same way?'
        if ((got[..., ::-1] >= low - 2) & (got[..., ::-1] <= high + 2)).all():
            hint = 'red and blue are swapped'
        raise Wrong(
            f'the photo is not in its place (factor {factor})',
            expected='colours of the pixels around the place it comes from',
            got=f'{got[row, column].round().tolist()} at row {row}, '
            f'column {column}',
            hint=hint,
        )
    known = {tuple(color) for color in image.reshape(-1, 3).tolist()}
    shown = {tuple(color) for color in got.reshape(-1, 3).round().tolist()}
    if factor in (2, 1.3) and shown <= known:
        raise Wrong(
            f'the photo holds no colour between its colours (factor {factor})',
            expected='bilinear interpolation',
            hint='the nearest pixel is for the label. A photo scaled so has '
            'stairs at every edge, which no camera makes',
        )


# ---------------------------------------------- Rare Classes More Often


@check(
    'a function of a list of sets, a number and a seed, that returns as many '
    'indices of images'
)
def draw(draw):
    """Check a function that draws images so that classes are equally likely.

    draw(classes, count, seed): returns `count` indices into `classes`. The
    frequencies of some thousand draws, the effect of the seed, and the state
    of the global generators are looked at.
    """
    apart = [{15}] * 30 + [{7}] * 8 + [{1}] * 2
    mixed = [{15}] * 12 + [{15, 7}] * 6 + [{1, 15}] * 2 + [{7}, {1, 7, 15}]
    count = 6000
    _own_generator(draw, apart)
    for classes in (apart, mixed):
        _frequencies(_indices(draw, classes, count, 1), classes, count)
    return (
        'Now each class has its turn. How often does an image of the rarest '
        'class come, and what might a network do with it?'
    )


def _indices(draw, classes, count, seed):
    got = array(call(draw, classes, count, seed), None, 'the list of indices')
    if got.shape != (count,):
        raise Wrong(
            'the list has the wrong length',
            expected=f'{count} indices, with repetition',
            got=f'the shape {got.shape}',
        )
    if (got != onp.rint(got)).any() or not (
        got.min() >= 0 and got.max() < len(classes)
    ):
        raise Wrong(
            'the list holds something else than indices of images',
            expected=f'whole numbers from 0 to {len(classes) - 1}',
            got=f'numbers from {got.min():g} to {got.max():g}',
            hint='classes are drawn on the way; returned are images',
        )
    return got.astype(int)


def _own_generator(draw, classes):
    """Same seed, same list; another, another; nobody else's is touched."""
    state = onp.random.get_state(), random.getstate()
    try:
        onp.random.seed(1)
        random.seed(1)
        before = onp.random.get_state()[1:3], random.getstate()
        first = _indices(draw, classes, 50, 3)
        after = onp.random.get_state()[1:3], random.getstate()
        disturbed = (
            before[1] != after[1]
            or before[0][1] != after[0][1]
            or (before[0][0] != after[0][0]).any()
        )
        again = _indices(draw, classes, 50, 3)
        other = _indices(draw, classes, 50, 4)
    finally:
        onp.random.set_state(state[0])
        random.setstate(state[1])
    if (first != again).any():
        raise Wrong(
            'the same seed gave two different lists',
            hint='make a generator from the seed and draw everything from it',
        )
    if disturbed:
        raise Wrong(
            'the function changes random numbers that others use',
            hint='a seed for the global generator is a seed for the whole '
            'program. Make a generator of your own: numpy.random.default_rng',
        )
    if (first == other).all():
        raise Wrong(
            'two seeds gave the same list', hint='is the seed used at all?'
        )


def _frequencies(got, classes, count):
    names = sorted(set().union(*classes))
    shows = onp.array([[name in shown for name in names] for shown in classes])
    seen = onp.bincount(got, minlength=len(classes)) / count
    # expected for an image: the mean over classes of its chance in the class
    chance = (shows / shows.sum(axis=0)).mean(axis=1)
    noise = 5.5 * onp.sqrt(chance * (1 - chance) / count)
    if same(seen, chance, noise):
        return
    hint = recognise(
        seen,
        (
            onp.full(len(classes), 1 / len(classes)),
            'every image is equally likely: so the frequent class comes '
            'most. Draw a class first',
        ),
        (
            shows.sum(axis=1) / shows.sum(),
            'an image that shows more classes comes more often, however '
            'common they are. Draw a class first',
        ),
        tolerance=noise.max(),
    )
    never = onp.nonzero(seen == 0)[0]
    if hint is None and len(never):
        hint = (
            f'image {never[0]} never came: among the images of a class, each '
            'is equally likely'
        )
    worst = int(onp.argmax(abs(seen - chance) / noise))
    raise Wrong(
        f'image {worst}, which shows {sorted(classes[worst])}, does not come '
        'as often as it should',
        expected=f'about {chance[worst] * count:.0f} of {count} draws',
        got=f'{seen[worst] * count:.0f}',
        hint=hint
        or 'first one class, all alike; then one of the images that show it, '
        'all alike. An image may show several classes',
    )


# ---------------------------------------- What If Void Were Background?


@check(
    'a table of two rows (A and B) and two columns (void left out, void as '
    'background), and a text'
)
def void_as_background(accuracies, answer):
    """Check four pixel accuracies on the validation set; read the reasons.

    accuracies: (2, 2), rows are the programs A and B; columns: void left
    out, void as background. answer: a text, of which only the length is
    checked.
    """
    got = share(accuracies, (2, 2), 'the table of accuracies')
    root = utils.voc_root()
    counts = onp.array(
        [
            onp.bincount(
                segbook.read_pair(root, name)[1].ravel(), minlength=256
            )
            for name in utils.read_split(root, 'val')[:60]
        ],
        dtype=float,
    )
    total, void, empty = counts.sum(1), counts[:, utils.VOID], counts[:, 0]

    def table(accuracy):
        return onp.array(
            [
                [accuracy(empty, total - void), accuracy(empty + void, total)],
                [1, accuracy(total - void, total)],
            ]
        )

    def of_all(hits, total):
        return hits.sum() / total.sum()

    right = table(of_all)
    row, column = divmod(int((abs(got - right) > ROUNDED).argmax()), 2)
    hint = recognise(
        got[row, column],
        (
            of_all(empty, total),
            'void pixels are neither right nor wrong here: they are not in '
            'the total either'
            if column == 0
            else 'A says background where the truth is now background: right',
        ),
        (
            right[row, 1 - column],
            'this is what the other way to treat void gives',
        ),
        tolerance=ROUNDED,
    )
    expect(
        got,
        right,
        f'program {"AB"[row]}, void {("left out", "as background")[column]}: '
        'the accuracy is wrong',
        (right[::-1], 'the rows are swapped: A first'),
        (right[:, ::-1], 'the columns are swapped: left out first'),
        (right.T, 'rows and columns are swapped: a row for a program'),
        (
            table(lambda hits, total: (hits / total).mean()),
            'this is the mean of the accuracies of the images. Count the '
            'pixels of all images together, then divide once',
        ),
        hint=hint
        or 'right pixels divided by those that count; are the images the '
        'first 60 of the validation set?',
        tolerance=ROUNDED,
    )
    words(answer)
    return (
        'The four numbers agree, but no program can judge your reasons: '
        'compare them with the solution’s. Do they name who gains, who '
        'loses, and why?'
    )
