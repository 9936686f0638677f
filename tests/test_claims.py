"""Sentences of the book that rest on printed numbers: they still hold.

Each function in the first part stands for a cell of a page. It gets what the
cell printed and yields sentences, word for word, each with whether the numbers
bear it out. What is measured in seconds is not here: such a claim is checked
by its own cell, `utils.compare_times(..., claim=...)`. Nor is what only a
picture shows.

That sentences and cells are there is tested always. Whether they are true,
executed pages say: with BOOK_HTML set to a folder of built pages, beside which
the executed ones lie, they are tested. .ci/run does that:
`BOOK_HTML=_build/html python -m pytest tests/test_claims.py`. The book must
have been built as it comes. With VOC_ROOT, BACKBONE or EPOCHS set the numbers
are others, and many of the sentences speak of the built-in scenes alone.
"""

import os
from pathlib import Path

import book
import segbook
from printed import Claims, Printed, executed, find, printed

import nbformat
import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

CLAIMS = []
HTML = os.environ.get('BOOK_HTML')
BUILT = HTML and Path(HTML).resolve().parent / 'eval'
ROUNDING = 1e-5  # of 32-bit numbers, where all are about as large as 1


def page(name):
    """Return a decorator that notes what is claimed of cells of a page.

    A cell is given by words of its code; of another page's cell as a pair,
    with the name of that page in front.
    """

    def cells(*words):
        return lambda hold: CLAIMS.append(Claims(name, words, hold))

    return cells


def true(out):
    """Each comparison that was printed says True, and there is one."""
    return 'True' in out and 'False' not in out


def near(one, other, within):
    return abs(one - other) <= within


def rises(numbers):
    return [*numbers] == sorted(set(numbers))


def falls(numbers):
    return rises([-number for number in numbers])


# --------------------------------------------------------------- Chapter: data
data = page('chapters/data')


@data("print('label:', labels[0].mode")
def _(out):
    yield 'The mode of the label is `P`', 'label: P ' in out


@data('agrees with the file:')
def _(out):
    yield "VOC's colours follow a rule.", true(out)


@data('print((color_to_label(label_to_color(label)) == label).all())')
def _(out):
    yield 'There and back, nothing is lost.', true(out)


@data("save(file, 'JPEG')")
def _(out):
    colors = segbook.voc_colormap()[segbook.VOC.indices].astype(int)
    distances = abs(colors - out.row('colour ')[:3]).max(axis=1)
    yield (
        'JPEG changes colours a little, and a little is enough.',
        0 < distances.min() < 32,
    )


@data('for index in shares.argsort()')
def _(out):
    _, background, *others = out.column()  # void comes first
    yield 'Most pixels are background.', background > 50
    yield (
        "In the book's own scenes the other classes are about equally common",
        max(others) < 2 * min(others),
    )


@data('utils.SegmentationMetric counts the same:')
def _(out):
    accuracy, mean_iu, _ = out.row('all background: pixel accuracy')
    yield (
        'A program that has learnt nothing reaches this pixel accuracy.',
        accuracy > 0.7,
    )
    yield (
        'A network that answers «background» everywhere has a high one, and a '
        'low mean IU.',
        accuracy > 0.7 and mean_iu < 0.2,
    )
    yield '(It counts with `utils.SegmentationMetric`', true(out)


@data('are smaller than the crop in one direction')
def _(out):
    yield (
        "A batch is one array, so its images need one size. VOC's photos have "
        'many.',
        len(out.rows('images of')) > 1,
    )
    yield (
        'we do not drop it: that would change the data set, as the count '
        'above shows',
        out.column()[-1] > 0,
    )


@data('pixels blended: how many:')
def _(out):
    classes, nearest = out.row('of the label:'), out.row('pixel taken:')
    possible = len(segbook.VOC.indices)
    yield (
        'Blending invents indices along every outline: some belong to classes '
        'that are not in the picture, most to no class at all.',
        classes == nearest and out.number('how many:') > 2 * possible,
    )


@data('image 0 again, the same window:')
def _(out):
    yield (
        'The same three give the same window again, whoever asks and when; '
        'another epoch gives another window.',
        true(out),
    )


@data('without / 255:')
def _(out):
    (_, right), (_, forgotten) = (
        out.row('with / 255:'),
        out.row('without / 255:'),
    )
    yield (
        'Without the division, the network sees numbers hundreds of times '
        'larger than any it was trained on.',
        forgotten > 200 * right,
    )
    yield '`utils.normalize` does the three steps', true(out)


# ------------------------------------------------------------- Exercises: data
data_tasks = page('exercises/data')


@data_tasks('print(segbook.VOC_CLASSES[answer], metric.pixel_accuracy')
def _(out):
    yield (
        'for every constant program, the mean IU is its pixel accuracy, '
        'divided by the number of classes',
        all(near(mean_iu, right / 3, 1e-6) for right, mean_iu in out.rows()),
    )


@data_tasks("print('IU:', metric.class_iu.round(4)")
def _(out):
    yield (
        'a single lost pixel and a single false one cost it two thirds of its '
        'IU',
        near(out.row('IU:')[2], 1 / 3, 1e-4),
    )


@data_tasks('drawn = draw(classes, 3000, seed=0)')
def _(out):
    images, drawn, each = zip(*out.rows(), strict=True)
    yield 'The classes come equally often', max(drawn) < 1.15 * min(drawn)
    yield (
        'the few images of the rare class are seen again and again',
        falls(images) and rises(each),
    )


@data_tasks("print(f'program {name}:")
def _(out):
    (a, a_with_void), (b, b_with_void) = out.row('A:'), out.row('B:')
    yield (
        'Program A has learnt nothing and is rewarded for each void pixel.',
        a_with_void > a,
    )
    yield (
        'Program B knows everything and is punished for what nobody can know.',
        b_with_void < b == 1,
    )


# --------------------------------------------- Chapter: transposed convolution
tconv = page('chapters/transposed-conv')


@tconv('k, s, p = 5, 3, 2')
def _(out):
    yield (
        'Only where the remainder is 0 does the plain layer return the shape '
        'it came from.',
        all((back == i) == (r == 0) for i, _, back, r, *_ in out.rows()),
    )
    yield (
        'Elsewhere output padding $a = r$ repairs it.',
        all(a == r and again == i for i, _, _, r, a, again in out.rows()),
    )


@tconv("'is refused'")
def _(out):
    refused = ['refused' in line for line in out.splitlines()]
    yield (
        'no $a \\geq s$ is ever needed, and MXNet refuses it',
        refused == [a >= 3 for a in out.column()],
    )


@tconv('too many')
def _(out):
    yield (
        'So the output is never too small.',
        all(new - old == more >= 0 for old, _, new, more in out.rows()),
    )


@tconv('gathered = conv(')
def _(out):
    yield 'becomes an ordinary convolution of stride 1', true(out)


@tconv('of the multiplications are by zero')
def _(out):
    yield (
        'Most of what the window sees is zeros.',
        all(zeros > 50 for _, zeros in out.rows()),
    )


@tconv("print('stride 1, equal:'")
def _(out):
    yield '*it is the transposed convolution*', true(out)


@tconv('input_gradient(nn.Conv2DTranspose')
def _(out):
    yield (
        'Both agree with our loops, up to the rounding of 32-bit numbers.',
        all(difference < ROUNDING for *_, difference in out.rows()),
    )


@tconv('for s in (1, 2, 3, 4):')
def _(out):
    yield (
        'We try it against our loop, for every combination of kernel size, '
        'stride, padding and output padding in a grid.',
        all(agree == number > 0 for _, agree, number in out.rows()),
    )


@tconv('convolution from 3 to 2 channels:')
def _(out):
    plain, transposed = out.row('channels:'), out.row('the same:')
    yield (
        'A convolution keeps (output channels, input channels, height, width)',
        plain[:2] == [2, 3],
    )
    yield (
        'so its weight has the *input* channels first',
        transposed[:2] == [3, 2],
    )


@tconv('twice = trans_conv(once, three, stride=2)')
def _(out):
    once, twice = (highest / lowest for lowest, highest in out.rows())
    yield (
        'A second such layer does not smooth the pattern. It makes it worse',
        twice > once > 1,
    )


@tconv("'3 x 3, tent': tent")
def _(out):
    kernels = '3 x 3, tent:', '4 x 4, random:'
    tent, random = (len(set(out.row(kernel))) > 1 for kernel in kernels)
    yield (
        'The tent has no checkerboard although 2 does not divide 3, and the '
        'random kernel has one although 2 divides 4.',
        random and not tent,
    )


# --------------------------------------------------- Chapter: bilinear kernels
bilinear = page('chapters/bilinear')


@bilinear('the usual lines give the same')
def _(out):
    sizes, same = out.row('the usual lines give the same')
    yield (
        'For an even size that is `factor - 0.5`, for an odd one `factor - 1`',
        sizes == same,
    )
    yield (
        'Stride 32 gives the kernel 64 and the padding 16',
        out.row('stride 32:') == [64, 16],
    )


@bilinear("('init.Bilinear', init.Bilinear())")
def _(out):
    theirs, ours = out.row('init.Bilinear'), out.row('bilinear_kernel')
    yield (
        "MXNet's initializer puts a kernel everywhere",
        0 not in theirs and [x == 0 for x in ours] == [0, 1, 1, 0],
    )


@bilinear('places = 2 * np.arange(6) + 0.5')
def _(out):
    yield (
        'With size 4 the output pixels 1, 2, 3, … get the values 1, 2, 3, …: '
        'every pixel is in its place.',
        out.row('k = 4:')[1:-1] == [*range(1, 11)],
    )
    yield (
        'With size 3 pixel 1 gets 1.5, pixel 2 gets 2.5',
        out.row('k = 3:')[:-1] == [u + 0.5 for u in range(11)],
    )


@bilinear("'edges meet'")
def _(out):
    edges, corners = (
        [b - a for a, b in zip(places, places[1:], strict=False)]
        for places in out.rows()
    )
    first, *_, last = out.row('edges meet')
    yield (
        'In the first line the steps are $1/2$, as the stride says, and the '
        'ends lie a quarter of a pixel outside of the outermost centres',
        set(edges) == {0.5} and (first, last) == (0 - 0.25, 3 + 0.25),
    )
    yield (
        'In the second line the steps are $3/7$',
        all(near(step, 3 / 7, 0.011) for step in corners),
    )


@bilinear('by the formula')
def _(out):
    _, corners, edges, _, formula = zip(*out.rows(), strict=True)
    yield (
        'An output pixel at the very edge lies $(s - 1) / 2$ from the only '
        'centre that reaches it.',
        edges == formula,
    )
    yield (
        'The larger the stride, the closer the edge comes to a half and the '
        'corner to a quarter.',
        falls(edges)
        and falls(corners)
        and 0.5 < edges[-1] < 0.52
        and 0.25 < corners[-1] < 0.27,
    )


@bilinear('largest difference inside')
def _(out):
    yield (
        '«The enlarged picture looks the same» is thus true inside and false '
        'at the border.',
        all(
            inside < ROUNDING and border > 0.1
            for _, inside, border in out.rows()
        ),
    )


@bilinear('largest difference to Pillow')
def _(out):
    yield (
        'It is mended in the way Pillow does it',
        out.number('largest difference to Pillow') < ROUNDING,
    )


@bilinear('pixels with the same class:')
def _(out):
    yield (
        'The class with the highest score remains the highest',
        out.number('pixels with the same class:') == 100,
    )
    yield (
        'near the border the network appears less certain than it is',
        out.number('as it comes:') < out.number('divided:'),
    )


@bilinear('rows made to sum 1, from Pillow')
def _(out):
    yield (
        'The two products equal the transposed convolution everywhere, at the '
        'border too.',
        all(layer < ROUNDING for _, layer, *_ in out.rows()),
    )
    yield (
        'Divide each row by its sum, and they equal Pillow everywhere.',
        all(pillow < ROUNDING for *_, pillow in out.rows()),
    )


@bilinear("'layer, all pairs of channels'")
def _(out):
    pairs, alone, width_first, height_first, necessary = out.column()[:5]
    all_weights, own_weights, two_matrices = out.column()[5:]
    yield (
        'of its pairs of channels only one in 21 has a kernel',
        all_weights == 21 * own_weights,
    )
    yield (
        'avoids that, with a 21st of the work',
        near(pairs / alone, 21, 0.1),
    )
    yield (
        'The two matrices need more than this layer, for they are multiplied '
        'with all their zeros, but far less than the usual one',
        alone < width_first < pairs / 4,
    )
    yield (
        'they need hardly any memory for weights',
        two_matrices < all_weights / 100,
    )
    yield (
        'The order matters: the direction that grows last should find as '
        'little as possible to do.',
        width_first < height_first,
    )
    yield (
        'The last line of the counts is what is really necessary.',
        necessary < min(pairs, alone, width_first, height_first),
    )


# ------------------------------------------------- Exercises: bilinear kernels
bilinear_tasks = page('exercises/bilinear')


@bilinear_tasks('column = bilinear(np.ones((3, 3)), s)')
def _(out):
    darker = [sum(y < 1 for y in row) for row in out.rows(':')]
    yield (
        'four for stride 8, where it lies between rows 3 and 4, two for '
        'stride 5, where it is row 2 itself',
        darker == [4, 2],
    )


@bilinear_tasks('for first, second in ((2, 2), (3, 3), (2, 3), (3, 2)):')
def _(out):
    yield (
        'So only the first step matters; the second may be what it likes.',
        all(
            difference < ROUNDING if first % 2 else difference > 0.01
            for first, _, difference in out.rows()
        ),
    )


@bilinear_tasks('for new in (10, 37, 320, 5):')
def _(out):
    yield (
        'Why only enlarge? To make a picture smaller, each output pixel must '
        'collect *all* the input pixels that it covers.',
        all(
            difference < ROUNDING if new >= old else difference > 0.01
            for old, new, difference in out.rows()
        ),
    )


@bilinear_tasks("'box': (box, box_padding)")
def _(out):
    means, roots = zip(*out.rows(), strict=True)
    yield (
        'By the mean of the differences, box and triangle are about equal '
        'here.',
        near(means[0], means[1], 0.05 * means[0]),
    )
    yield (
        'the triangle errs less, and the cubic kernel least by both figures',
        falls(roots) and means[2] < min(means[:2]),
    )


# -------------------------------------------------------- Chapter: the network
fcn = page('chapters/fcn')


@fcn('for layer in features:')
def _(out):
    yield (
        'the map that leaves the last activation has $320 / 32 = 10$ rows and '
        '$480 / 32 = 15$ columns',
        out.rows('Activation')[-1] == [1, 512, 10, 15],
    )


@fcn('for size in ((320, 480), (256, 352)):')
def _(out):
    yield (
        'nothing in the network depends on the size of the photo',
        all(row[2:4] == row[-2:] for row in out.rows('photo')),
    )
    yield (
        'almost two million numbers for an interpolation',
        1.5e6 < out.number('upsample') < 2e6,
    )


@fcn('enlarged - upsample(scores)')
def _(out):
    yield (
        'so two small matrices give the same scores',
        out.number('largest difference:') < ROUNDING,
    )


@fcn("'writing the scores':")
def _(out):
    yield (
        'that of the transposed convolution is many times as much',
        out.number('convolution, its arithmetic:')
        > 5 * out.number('matrices, their arithmetic:'),
    )


@fcn('mean over those that count:')
def _(out):
    first, second, expected = (row[-1] for row in out.rows()[1:])
    yield (
        'The second mean is right, the first is too small.',
        first < second == expected,
    )


RESULT = "report('FCN-32s', metric)"


def class_iu(out, which='IU'):
    """The IU of each class, the number behind a word, line by line."""
    words = [line.replace(',', '').split() for line in out.splitlines()]
    return {
        line[0]: float(line[line.index(which) + 1])
        for line in words
        if line and line[0] in segbook.VOC_CLASSES
    }


@fcn(RESULT)
def _(out):
    network, of_oracle = class_iu(out), class_iu(out, 'oracle')
    yield (
        'in every class except the background our network is far below it',
        all(
            network[name] < of_oracle[name] - 0.1
            for name in network
            if name != 'background'
        )
        and network['background'] > of_oracle['background'] - 0.1,
    )
    yield (
        'a part that is thinner than half a cell is lost even to it',
        max(of_oracle, key=of_oracle.get) == 'background'
        and min(of_oracle.values()) < 0.9,
    )


@fcn(RESULT)
def _(out):
    accuracy, mean_accuracy, mean_iu, _ = out.row('FCN-32s')
    base_accuracy, _, base_mean_iu, _ = out.row('all background')
    yield (
        'In pixel accuracy the network is not far from the baseline; in mean '
        'IU the two are far apart.',
        near(accuracy, base_accuracy, 0.1) and mean_iu > 3 * base_mean_iu,
    )
    yield (
        "On the book's own scenes most objects are found",
        mean_accuracy > 0.5,
    )


@fcn('for name, (its_metric, _) in runs.items():')
def _(out):
    base, one, other, random = (row[2] for row in out.rows())
    yield (
        'The network with a random backbone is trained to the end as well, '
        'and it stays far behind.',
        base < random < min(one, other) - 0.05,
    )
    yield (
        'The gap between the two starts is larger than the gap between the '
        'two seeds',
        one - random > abs(one - other),
    )


@fcn('of the pixels as in the whole')
def _(out):
    yield 'Most pixels agree.', all(share > 90 for _, share in out.rows())


@fcn('same prediction:')
def _(out):
    yield 'To use it later, build the same network and load them.', true(out)


# ------------------------------------------------------ Exercises: the network
fcn_tasks = page('exercises/fcn')


@fcn_tasks('void: loss')
def _(out):
    void, losses = zip(*out.rows(), strict=True)
    yield (
        'So an image with much void gets a smaller loss',
        rises(void) and falls(losses),
    )


@fcn_tasks('scores = net(np.zeros((1, 3, *size)))')
def _(out):
    yield (
        '321 becomes 161, 81, 41, 21 and 11, and $32 \\cdot 11 = 352$',
        [321, 481, 352, 512] in out.rows(),
    )


STARTS = "print(f'{name:17s} mean IU {value:.3f}')"


@fcn_tasks(STARTS)
def _(out):
    fixed, trained, random, base = out.column()
    yield (
        'the trained upsampling and the fixed one end near one another',
        near(fixed, trained, min(fixed, trained) - random),
    )
    yield (
        'The random start hardly gets away from the baseline.',
        random < base + 0.03,
    )


@fcn_tasks("tried = ({}, {'rate': 1e-4, 'factor': 50})", STARTS)
def _(out, starts):
    (usual, _), base = out.column('mean IU'), starts.number('all background')
    yield (
        'hardly leaves the baseline of calling every pixel background',
        usual < base + 0.05,
    )


@fcn_tasks("print(f'FCN-32s, one epoch: mean IU")
def _(out):
    one_epoch, control, with_tap = out.column('mean IU')
    yield (
        'In this run the tap changes the mean IU by a few hundredths at most',
        abs(with_tap - control) < 0.05,
    )
    yield 'another epoch alone helps as well', control > one_epoch


@fcn_tasks("print(f'pixels near borders:")
def _(out):
    (at_borders, *_, gain_there), (inside, *_, gain_inside) = out.rows()[1:3]
    yield (
        'The mean IU itself is lower near borders, but the gain over the '
        'baseline is not: it is larger there than inside.',
        at_borders < inside and gain_there > gain_inside,
    )


@fcn_tasks('metrics[stride].update(label, oracle(', ('chapters/fcn', RESULT))
def _(out, network):
    lost, lost_at_half, _ = (1 - iu for iu in out.column('mean IU'))
    yield (
        'At stride 32 even a network that knows the truth loses much, and at '
        'half of that stride only little.',
        lost > 0.1 and lost > 3 * lost_at_half,
    )
    best, reached = class_iu(out), class_iu(network)
    *classes, last = best
    yield (
        'it is far below its oracle everywhere but in the background',
        all(reached[name] < best[name] - 0.1 for name in classes),
    )
    yield (
        'Classes with thin parts, wings and legs, lose most; compact ones '
        'lose less, and the background least.',
        {*classes[:3]} == {'aeroplane', 'horse', 'person'}
        and last == 'background',
    )


# ----------------------------------------------------------- Chapter: heat map
heat_map = page('chapters/heat-map')


@heat_map("print('convolution:', conv(x)")
def _(out):
    pairs = zip(out.row('dense:'), out.row('convolution:'), strict=True)
    yield 'The numbers are the same.', all(near(*x, ROUNDING) for x in pairs)


@heat_map("for name, size in (('vgg16', 7), ('alexnet', 6)):")
def _(out):
    yield (
        'In VGG16, the 25088 inputs of `fc6` become 512 channels of '
        '$7 \\times 7$ places.',
        [4096, 25088, 4096, 512, 7, 7] in out.rows(),
    )
    vgg, alexnet = out.rows('scores of size')
    yield (
        'both networks give the same scores, up to rounding',
        all(difference < ROUNDING * x for x, difference in (vgg, alexnet)),
    )


@heat_map('def compare(photo, size):')
def _(out):
    scores, from_windows = out.row('differ from one another by')
    yield 'They are *not* the same.', from_windows > 0.1 * scores


PADDING_GONE = "print('without padding:'"


@heat_map(PADDING_GONE)
def _(out):
    scores, from_windows = out.row('differ from one another by')
    yield (
        'Now each score is what the classifier says about its window, up to '
        'rounding.',
        from_windows < ROUNDING * scores,
    )


@heat_map('often / once,')
def _(out):
    *convolutions, fc6, fc7, output = out.column(': ')
    yield (
        'In one pass they compute each number once: that is the long bars.',
        min(convolutions) > 5,
    )
    yield (
        'for each window asks them about another $6 \\times 6$ part of the '
        'map: their bars are 1',
        fc6 == fc7 == output == 1,
    )


@heat_map("print('VGG16 up to fc6:'", PADDING_GONE)
def _(out, alexnet):
    size, stride, first = alexnet.row('without padding:')
    vgg_size, vgg_stride, vgg_first = out.row('VGG16 up to fc6:')
    yield (
        "The sizes and the stride of 32 are those of the FCN paper's first "
        'table',
        (size, stride, vgg_size, vgg_stride) == (355, 32, 404, 32),
    )
    yield 'The third number for VGG16 is negative', vgg_first < 0
    top, bottom = 2 * stride + first, 2 * stride + first + size - 1
    seen = ['not' not in line for line in out.splitlines()[1:]]
    yield (
        'The field begins and ends exactly where the arithmetic says.',
        out.column('row') == [top - 1, top, bottom, bottom + 1]
        and seen == [False, True, True, False],
    )


@heat_map('of them to train on')
def _(out):
    ((windows, chosen),) = out.rows()
    objects = chosen / 2  # as many others were chosen
    yield 'Most windows show background.', objects < windows / 2


@heat_map('of {len(hits)} scenes, on the object lie')
def _(out):
    scenes, highest, middle, by_chance = out.column()[1:]
    yield (
        'The highest probability hits far more often than the middle of the '
        'scene, and than a pixel taken at random.',
        highest > 2 * max(middle, by_chance),
    )
    yield (
        'it points at the object in more than half of the scenes',
        highest > scenes / 2,
    )


# --------------------------------------------------------- Exercises: heat map
heat_tasks = page('exercises/heat-map')


@heat_tasks('def size_of_map(size, layers):')
def _(out):
    yield (
        'So more than one photo gives the same map, and up to 31 rows at the '
        'bottom take no part in it.',
        out.rows('VGG16,') == [[287, 2], [288, 3], [319, 3], [320, 4]],
    )
    yield (
        'then 46, 22, 10, and its dense layer finds room 5 times',
        [375, 10, 5] in out.rows('AlexNet,'),
    )


@heat_tasks("print(f'{name:7s} differ by up to")
def _(out):
    means, sums, *others = out.column('differ by up to')
    yield (
        'A mean and a dense layer are both sums with fixed weights, and such '
        'sums can be done in any order.',
        means < ROUNDING,
    )
    yield 'so the second way has $N$ of them', sums > 0.01
    yield (
        'Everything that is not linear, the ReLU, the maximum, the softmax, '
        'depends on the order.',
        min(others) > 0.01,
    )


@heat_tasks("('only reshaped', weight.reshape(4, 3, 2, 2)),")
def _(out):
    (*shape, moved), (*other_shape, reshaped) = out.rows()
    yield (
        'also gives an array that fits everywhere, without any complaint, and '
        'a classifier that knows nothing',
        shape == other_shape and moved < 1e-5 < 0.1 < reshaped,
    )


@heat_tasks('first layer {first:7.3f} times fewer')
def _(out):
    windows, first, dense = zip(*out.rows(), strict=True)
    yield (
        'So with many windows 87 rows are computed for every 8 that are '
        'needed, and the same for the columns.',
        rises(first) and near(first[-1], (87 / 8) ** 2, 3),
    )
    yield (
        'The dense layer gives one number for a window either way.',
        {*dense} == {1},
    )


@heat_tasks("print(f'largest difference to a layer of stride 16:")
def _(out):
    yield 'They agree.', out.number('of stride 16:') < ROUNDING


# --------------------------------------------------- Chapter: skip connections
skips = page('chapters/skip-connections')


@skips("(('VGG16', vgg_stages), ('ResNet-18', resnet_stages))")
def _(out):
    yield (
        'For VGG16 everything is as it should be',
        [row[-1] for row in out.rows('VGG16')] == [0, 0, 0],
    )
    yield (
        'the scores land too far to the right and to the bottom, by nearly '
        'half a cell, so each map by another distance',
        [(r, shift) for r, *_, shift in out.rows('ResNet-18')]
        == [(stride, -(stride - 1) / 2) for stride in (8, 16, 32)],
    )


@skips('first, second, third = vgg_stages')
def _(out):
    yield (
        'These are the offsets of the published networks: 5 and 9 between the '
        'maps, and 19, 27 and 31 at the end.',
        out.column('scores: cell') == [5, 9]
        and out.column('photo is pixel') == [19, 27, 31],
    )


@skips('print(all(fits(size) for size in range(1, 5000)))')
def _(out):
    yield 'So the maps are large enough for all of these cuts.', true(out)


ORACLES = "f'oracle, stride {stride}'"


@skips(ORACLES)
def _(out):
    coarse, at_borders, inside = out.row('oracle, stride 32')
    fine, finest = out.number('stride 16'), out.number('stride 8')
    yield (
        'Even an oracle loses much at a stride of 32, and nearly all of it '
        'near borders.',
        coarse < 0.9 and 1 - at_borders > 10 * (1 - inside),
    )
    yield (
        'At 16 most of that is won back, and 8 gets almost everything.',
        fine - coarse > (1 - coarse) / 2 and finest > 0.98,
    )


@skips('def moved(label, pixels):')
def _(out):
    mean_iu = dict(out.rows())
    best = max(mean_iu, key=mean_iu.get)
    yield (
        'They fit best where they are, give or take two pixels. Training has '
        'removed the offset',
        abs(best) <= 2 and mean_iu[-16] < mean_iu[0] - 0.03,
    )


@skips('at first, a fork says the same:')
def _(out):
    yield (
        'our new FCN-8s says exactly what the FCN-32s says that it was made '
        'from',
        true(out),
    )


RACE = "show('FCN-32s, before'"


def lines_of(out, name):
    """Return the mean IUs of all pixels and those near borders, by seed."""
    rows = [out.row(f'{name}, seed {seed}') for seed in (0, 1, 2)]
    everywhere, at_borders, _ = zip(*rows, strict=True)
    return everywhere, at_borders


def spread(figures):
    return max(figures) - min(figures)


@skips(RACE, ORACLES)
def _(out, oracles):
    control, control_there = lines_of(out, 'control')
    fine, fine_there = lines_of(out, 'FCN-16s')
    finest, finest_there = lines_of(out, 'FCN-8s')
    pairs = zip(
        fine + finest + fine_there + finest_there,
        2 * control + 2 * control_there,
        strict=True,
    )
    ahead = [b - a for a, b in zip(fine, finest, strict=True)]
    yield (
        'Over all pixels both networks beat it with every seed, and near '
        'borders, too.',
        all(network > its_control for network, its_control in pairs),
    )
    yield (
        'FCN-8s beats FCN-16s each time, but by little: the lines of one '
        'network differ about as much from seed to seed',
        min(ahead) > 0 and max(ahead) < 2 * max(spread(fine), spread(finest)),
    )
    _, gain_there, gain_inside = out.row('8s gains, mean')
    yield (
        'FCN-8s gains near borders, where the stride costs most; inside it '
        'even loses a little.',
        gain_there > 0.02 and -0.02 < gain_inside < 0,
    )
    yield (
        'near borders even FCN-8s is far from its oracle',
        max(finest_there) < oracles.row('oracle, stride 8')[1] - 0.2,
    )


@skips("show('8s, learned'", RACE)
def _(out, race):
    fixed, learned = out.number('8s, fixed'), out.number('8s, learned')
    finest, _ = lines_of(race, 'FCN-8s')
    yield (
        'Unless it is much larger, one run each does not separate the two. '
        'Interpolation has no weights to learn, so we keep it.',
        abs(learned - fixed) < 2 * spread(finest),
    )


@skips('net = PaperFCN(num_classes, stride)')
def _(out):
    to_train = out.column('  ')
    yield (
        'These are the 134 million parameters of the paper',
        len(to_train) == 3 and all(near(x, 134e6, 0.5e6) for x in to_train),
    )


@skips("('usual', 1e-4, 1, 0.9),")
def _(out):
    usual, coarse, fine, finest = (
        rate * factor / rest for rate, factor, rest, _ in out.rows()
    )
    yield (
        'For FCN-32s the two recipes agree within a factor of two in each '
        'step.',
        usual / 2 < coarse < 2 * usual,
    )
    yield (
        'each of them takes steps a hundred times smaller than the network '
        'before it',
        near(coarse / fine, 100, 1e-6) and near(fine / finest, 100, 1e-6),
    )


# ------------------------------------------------- Exercises: skip connections
skip_tasks = page('exercises/skip-connections')


@skip_tasks('its scores land {1.5 - b:g} pixels too far right')
def _(out):
    strided, pooled, patches, _ = out.column('its scores land')
    yield (
        'So the scores of `pooled` and `patches` land in their place.',
        pooled == patches == 0,
    )
    yield 'Those of `strided` are off by 1.5 pixels', strided == 1.5


@skip_tasks("('both_zero', init.Zero(), init.Zero()),")
def _(out):
    lines = [line.split(': ')[1] for line in out.splitlines()]
    yield (
        'In the second step the zeros are gone, and it learns as well.',
        lines[:2] == ['last learns, first waits', 'last learns, first learns'],
    )
    yield (
        'With `first_zero` it is the other way round',
        lines[2:4]
        == ['last waits, first learns', 'last learns, first learns'],
    )
    yield (
        'With `both_zero` each waits for the other, and nothing ever moves.',
        lines[4:] == 2 * ['last waits, first waits'],
    )


@skip_tasks("('add', enlarge(one + other), enlarge(one) + enlarge(other)),")
def _(out):
    add, score, *others = out.column('differs by up to')
    yield ('Other sums can be exchanged with it', max(add, score) < ROUNDING)
    yield 'What is not linear cannot', min(others) > 0.01


@skip_tasks("('learned upsampling', layer, num_classes),")
def _(out):
    tap, learned, other_tap, _ = (row[-1] for row in out.rows())
    yield (
        'a learned upsampling of stride 16 has more numbers than both of our '
        'taps together',
        learned > tap + other_tap,
    )


@skip_tasks('cells before fc6 for one pixel')
def _(out):
    (_, *published, _), (_, *_, seven), (_, zero, *_, six), usual = out.rows()
    yield (
        'That number is 81 for FCN-32s, 73 for FCN-16s and 69 for FCN-8s.',
        published == [100 - 81, 100 - 73, 100 - 69] and zero == 0,
    )
    yield (
        'the scores would begin 80 pixels inside of the photo',
        usual[1] == -80,
    )
    yield 'so $P$ must be 97 at least', seven == 7 and six < 7


@skip_tasks("print(f'oracle, stride {stride:2d}: mean IU")
def _(out):
    _, eight, four = out.column('mean IU')
    yield (
        'From stride 8 to 4 there is hardly anything left to gain, even for '
        'a network that knows the truth.',
        eight < four < eight + 0.01,
    )


# ------------------------------------------------------ Exercises: real photos
real_tasks = page('exercises/real-photos')


@real_tasks("print(f'{full:,}, {separable:,}, {inverted:,}; mixing")
def _(out):
    (full, separable, inverted, mixing), *_ = out.rows()
    yield (
        'Together they have about a twentieth of the full convolution',
        near(full / separable, 20, 1.5),
    )
    yield 'close to the $1/25$', full / separable < 25
    yield (
        'The inverted residual is about eight times as large',
        near(inverted / separable, 8, 0.5),
    )
    yield (
        'fewer than half of the weights of the full convolution',
        inverted < full / 2,
    )
    yield 'And most of them mix channels.', mixing > 0.5


@real_tasks("print(f'even {even}, odd {odd}, five {five}, one {one}")
def _(out):
    even, odd = out.row('even')[:2], out.row('odd')[:2]
    yield 'That one comes after the map.', even == [0, 1]
    yield (
        'With 225 cells in the row two are missing, one on each side',
        odd == [1, 1],
    )
    yield 'and the second at 2', out.row('second at') == [2]


@real_tasks("print('narrow', narrow.tolist(), 'wide', wide.tolist())")
def _(out):
    narrow, wide, *gradient = out.row('different:')
    yield 'In the narrow map, three places that differ', narrow == 4 - 2
    yield 'and all four stay apart', wide == 4
    yield 'At the other end, 9 becomes 6, and its gradient', not gradient[-1]


@real_tasks("print(f'{rows} rows, {columns} columns, a share of")
def _(out):
    (rows, columns, added), (colleague,) = out.rows()
    yield (
        'Eleven times 32 is 352, too little; twelve times is 384. The columns '
        'go up to 512.',
        (375 + rows, 500 + columns) == (384, 512),
    )
    yield (
        'What is added is less than a twentieth of what the network sees.',
        added < 1 / 20,
    )
    yield (
        'it adds 32 rows that nobody needs',
        (colleague, -320 % 32) == (32, 0),
    )
    yield (
        'The network has worked on a tenth more pixels',
        colleague / 320 == 0.1,
    )


@real_tasks('for variance in (1, 1e-3, 0):')
def _(out):
    ordinary, _, zero = out.rows('variance')
    yield (
        'With variance 1 the two constants give nearly the same weight.',
        near(ordinary[1], ordinary[3], 0.001),
    )
    yield (
        'With variance 0 one weight is ten times the other.',
        near(zero[3] / zero[1], 10, 0.01),
    )


@real_tasks('weights = repeats(has)')
def _(out):
    before, after = {}, {}
    for name in ('person', 'horse', 'bus'):
        before[name], after[name] = out.row(name)[:2]
    yield (
        'The horses gain, and so do the riders',
        all(after[name] > before[name] for name in ('horse', 'person')),
    )
    yield (
        'ten times as rare as a person',
        before['person'] == 10 * before['bus'],
    )
    yield (
        'but less than three times',
        before['bus'] < after['bus'] < 3 * before['bus'],
    )


@real_tasks('for sure in (0, 0.55, 0.6, 0.75, 0.92):')
def _(out):
    sure, void, accuracy = zip(*out.rows('sure'), strict=True)
    yield (
        'From 0 to 0.55 the accuracy of the rest rises, and beyond it falls.',
        sure[1] == 0.55
        and rises(accuracy[:2])
        and max(accuracy) == accuracy[1]
        and falls(accuracy[1:]),
    )
    yield (
        'At 0.92 a single pixel is left, and it is wrong.',
        (sure[-1], void[-1], accuracy[-1]) == (0.92, 0.9, 0),
    )


# ----------------------------------------------------------- Chapter: own data
own = page('chapters/own-data')


@own('classes, findings = utils.check_own(own, own, table, read_own)')
def _(out):
    yield (
        'It has one note, and there all is well: two otters',
        out.startswith('note: otters.json: it has no shapes')
        and out.endswith('findings: 1\n'),
    )
    yield (
        'What if it finds no error because it looks for none?',
        'error:' not in out,
    )


@own("(labels / 'lost.json').unlink()")
def _(out):
    words = [line.split()[:2] for line in out.splitlines()]
    named = [w[1] for w in words if w[0] in ('note:', 'error:')]
    expected = 'lost.jpg: jpeg.png: scaled.json: turned.json: wrong-name.json:'
    yield (
        'Each line names a file, what is wrong, where, and what to do.',
        named == expected.split(),
    )


SPLIT = 'utils.make_set(own, own, target, table, read_own, split_names)'


@own(SPLIT)
def _(out):
    train, val = out.rows('photos: ')
    yield (
        'Every class should be in both parts of the split',
        len(train) == len(val) == 4 and min(train + val) > 0,
    )


@own('num_steps, judged = 45, {}')
def _(out):
    steps, batch = out.rows()[0]
    names = 'all background', 'weights from ImageNet', 'weights from drawings'
    base, imagenet, drawings = (out.row(name) for name in names)
    yield (
        'from six photos in batches of three, ten epochs are twenty steps',
        (steps > 20, batch) == (True, 3) and 10 * (6 // 3) == 20,
    )
    yield (
        'on those that it has never seen, its mean IU is far above the '
        'baseline, too.',
        imagenet[0] > 0.8 and imagenet[1] > 2 * base[1],
    )
    yield (
        'it learns less, and of photos that it has not seen it knows nothing: '
        'there it does not even reach the baseline.',
        drawings[0] < imagenet[0] and drawings[1] < base[1],
    )
    yield (
        'If it is and `val` is much lower, as here',
        imagenet[0] > 2 * base[0] and imagenet[1] < imagenet[0] - 0.1,
    )


@own('for name, (make, steps, windows) in trials.items():')
def _(out):
    names = 'all background', 'ImageNet, 5 ', 'ImageNet, 15 ', 'ImageNet, 45 '
    columns = list(zip(*(out.row(name) for name in names), strict=True))
    yield (
        'From five to 15 and to 45 of them, both columns rise, on the photos '
        'that the network learns and on the others.',
        all(map(rises, columns)),
    )
    changed, unchanged = (
        out.row(f'ImageNet, {way}') for way in ('45 steps', 'unchanged')
    )
    yield (
        'in 45 steps each photo has come up 15 times',
        out.row('steps: each photo comes up') == [15],
    )
    yield (
        'the network knows its own photos better, and the others as well.',
        unchanged[0] > changed[0] and unchanged[1] > changed[1],
    )
    trained, frozen = (
        out.row(f'drawings, {way}') for way in ('45 steps', 'frozen')
    )
    yield (
        'with them the network learns less of its photos; what it says of the '
        'others is near the baseline either way.',
        frozen[0] < trained[0]
        and all(
            near(one[1], columns[1][0], 0.08) for one in (trained, frozen)
        ),
    )


@own('shipped, known, _ = load_net(')
def _(out):
    names = 'all back', 'before any step', 'fine-tuned', 'weights from'
    base, before, after, imagenet = (out.row(name) for name in names)
    yield (
        'It knows all our classes by name, so it is far above the baseline '
        'before it has taken any step.',
        before[0] > 2 * base[0]
        and before[1] > 2 * base[1]
        and 'scores kept of: background, bird, cat, person' in out,
    )
    yield (
        'After the steps it knows its photos better than the network that '
        "began with ImageNet's weights.",
        after[0] > imagenet[0],
    )
    yield 'On the others it was better before any step', before[1] > after[1]


@own("utils.save_label('found.png'")
def _(out):
    yield (
        'Saved as a palette PNG, it opens in colours in ordinary picture '
        'programs, and reads back as the same indices.',
        true(out) and 'mode: P ' in out,
    )


@own("grey = utils.read_classes('grey.png'")
def _(out):
    yield 'We have no CamVid here, so we try it on a tiny label', true(out)
    yield (
        'Once read, void is 255 as everywhere in this book',
        sum(out.rows(), []) == [0, 0, 1, 5, 255, 8, 8, 4, 3, 3, 3, 255],
    )


# --------------------------------------------------------- Exercises: own data
own_tasks = page('exercises/own-data')


@own_tasks('print(onp.bincount(label.ravel(), minlength=4))')
def _(out):
    as_in_file, reverse, orders = out.rows()
    yield (
        'The flask is painted last and keeps its 9 pixels.',
        as_in_file[2] == 9,
    )
    yield (
        'The background is what no shape covers, in any order.',
        as_in_file[0] == reverse[0],
    )
    yield (
        'In the reverse order the taxi hides the whole flask.',
        (reverse[2:] == [0, 48]),
    )
    yield 'that is so in half of the six orders', orders.count(4) == 3


@own_tasks("print(f'side {side:2d}:")
def _(out):
    sides, _, shares, _ = zip(*out.rows(), strict=True)
    yield (
        'The border costs small objects much more than large ones',
        rises(sides) and falls(shares) and shares[0] > 5 * shares[-1],
    )
    yield (
        'Nothing of an object four pixels thin is left to learn from, and '
        'nothing of it is scored.',
        (sides[0], shares[0]) == (4, 100),
    )


@own_tasks('upright = onp.rot90(lying, -1)')
def _(out):
    yield (
        'Its right edge in the upright photo is at $x = 440$, its number is '
        '439.',
        out.rows() == [[640, 480, 439, 100]],
    )


@own_tasks('class Six:')
def _(out):
    steps, *seen = out.rows()[0]
    yield (
        'In 200 steps of four photos 800 windows are cut, from six photos.',
        steps == 200 and sum(seen) == 800 and len(seen) == 6,
    )


@own_tasks('star = onp.stack(')
def _(out):
    yield 'so the middle stays empty', true(out)


@own_tasks("print('the colleague:'")
def _(out):
    theirs, ours = out.row('the colleague:'), out.row('renumbered:')
    yield (
        'after 0, backwards, comes 255. That is void, by luck.',
        (theirs[0], theirs[5]) == (255, 255),
    )
    yield (
        'But the outlines of 255 become 254, a class that does not exist.',
        (theirs[4], ours[4]) == (254, 255),
    )


@own_tasks("print(f'p = {probability:.3f}, loss {loss:.3f}')")
def _(out):
    yield (
        'it is 0 at $p = 0.4$: *the best probability is the share that is '
        'labelled*',
        out.rows()[0][0] == 0.4,
    )
    yield (
        'The loss that remains, 0.673, can never be trained away.',
        out.number('loss') == 0.673,
    )


@own_tasks(
    'parts = split_scenes(classes, scenes, 0.25, seed=0)',
    'parts = segbook.split_names(classes, 0.25, seed=0)',
)
def _(out, of_photos):
    yield (
        '`segbook.split_names` does not know about scenes',
        of_photos.number('') > 0,
    )
    yield (
        'So we let scenes take the place of photos',
        out.rows()[0][0] == 0,
    )


# ------------------------------------------------------------ Chapter: scaling
scaling = page('chapters/scaling')


@scaling("store = mx.kv.create('device')")
def _(out):
    yield (
        'takes one array from each device, and gives all of them the sum',
        out.rows('[') == 4 * [[10, 10]],
    )


@scaling("print('batch normalisation', 'frozen'")
def _(out):
    differences = out.column('differ by')
    frozen, usual = differences[:2], differences[2:]
    yield 'The first two differences are rounding.', max(frozen) < 1e-6
    yield (
        'The last two are not rounding: they are many thousand times larger.',
        min(usual) > 2000 * max(frozen),
    )


@scaling('for batch_size in (1, 4, 16, 64):')
def _(out):
    one, four, sixteen, many = (row[1] for row in out.rows())
    yield (
        'Four times the batch, about half the noise',
        near(four / one, 0.5, 0.07)
        and near(sixteen / four, 0.5, 0.07)
        and near(many / sixteen, 0.5, 0.07),
    )


@scaling("rates = {'the device alone': device}")
def _(out):
    device, reading, needed = out.rows()[0]
    least, most = device / (reading + 0.5), device / (reading - 0.5)
    yield (
        'Divide the rate of your device, measured with one batch again and '
        'again, by the rate of one process that only reads: the last number '
        'of the printed line.',
        least - 0.005 <= needed <= most + 0.005,
    )


LAUNCHED = 'for workers in (1, 2):'


@scaling(LAUNCHED)
def _(out):
    one, two = zip(
        out.column('epoch 1/2: loss'),
        out.column('epoch 2/2: loss'),
        strict=True,
    )
    yield (
        'The losses agree: two workers with half a batch each do what one '
        'does with the whole batch',
        all(near(a, b, 0.002) for a, b in zip(one, two, strict=True)),
    )


@scaling('killed; the same command again:', LAUNCHED)
def _(out, above):
    again = Printed(out.partition('killed; the same command again:')[2])
    loss = above.column('epoch 2/2: loss')[1]
    yield (
        'The second run has only one epoch left, and its loss is the one from '
        'above.',
        'has 1 of 2 epochs' in again
        and 'epoch 1/2' not in again
        and near(again.number('epoch 2/2: loss'), loss, 0.002),
    )


TRAFFIC = "print(f'{m:2d} workers: one server receives"


@scaling(TRAFFIC)
def _(out):
    gradient = out.number('million parameters,')
    machines, servers = zip(*out.rows()[1::2], strict=True)
    rings = out.column('in a ring each machine')
    yield (
        'One server receives $m$ gradients in a step',
        all(
            near(received, m * gradient, m / 2 + 0.5)
            for m, received in zip(machines, servers, strict=True)
        ),
    )
    yield (
        'always fewer than two, however many machines there are',
        rises(rings) and max(rings) < 2 * gradient,
    )


@scaling('step_time, machines = 0.1, onp.arange(1, 65)')
def _(out):
    full, most = out.column('full gain up to'), out.column('never more than')
    yield (
        'at most half as much again is to be had',  # to one digit
        all(near(b, 1.5 * a, 0.13) for a, b in zip(full, most, strict=True)),
    )
    yield (
        'where the second number is below one, all machines together are '
        'slower than one that sends nothing',
        min(most) < 1 < max(most),
    )


@scaling('for batch_size in (1, 2, 4, 8, 16, 32, 64):', TRAFFIC)
def _(out, traffic):
    photos, fixed, layers, *_ = zip(*out.rows(), strict=True)
    weights = traffic.number('million parameters,') * 1e6 / 2**20  # MiB
    yield (
        'Four things hold one number for each parameter',
        near(fixed[0] / weights, 4, 0.1),
    )
    yield 'That part does not depend on the batch.', len(set(fixed)) == 1
    yield (
        'It grows with every pixel of every photo.',
        all(
            near(size, number * layers[-1] / photos[-1], 1)
            for number, size in zip(photos, layers, strict=True)
        ),
    )


@scaling('low, high = peak(2), peak(8)')
def _(out):
    measured, (_, ratio) = (
        out.number('photos, measured:'),
        out.row('estimate:'),
    )
    yield 'The two are close, but not the same', 0.8 < ratio < 1.3
    yield (
        'the four parts of two photos saved about what six photos take',
        0.6 < out.number('in 4 parts, measured:') / measured < 1.4,
    )


@scaling('frozen=True, accumulate=4)')
def _(out):
    yield (
        'It is the same step up to rounding',
        out.number('differ by') < 1e-6,
    )


# ---------------------------------------------------------- Exercises: scaling
scaling_tasks = page('exercises/scaling')


@scaling_tasks("print(f'mean of means with factors")
def _(out):
    (of_means, of_pixels), (with_factors,) = out.rows()
    yield 'In the mean of means, each worker has one half.', of_means == 1.25
    yield (
        'may multiply each of them by its factor first',
        with_factors == of_pixels != of_means,
    )


@scaling_tasks("print('on one device: '")
def _(out):
    one, three, five, eleven = out.row('on one device:')[:4]
    split = out.row('on two:')
    yield '3 is less than 5. On one device this stays so.', three < five
    yield 'On two devices 3 becomes 1 and 5 becomes −1', split[1:3] == [1, -1]


@scaling_tasks('values = rng.normal(size=(10000, each))')
def _(out):
    yield 'A single photo sees nothing of it.', out.rows()[0] == [1, 0]
    yield (
        '$m$ photos see, on average, $1 - 1/m$ of the variance.',
        all(near(seen, 100 * (1 - 1 / m), 1) for m, seen in out.rows()),
    )


@scaling_tasks("cuts = {'one part': []")
def _(out):
    left, right = zip(*((x[:3], x[3:]) for x in out.rows()), strict=True)
    yield (
        'The left columns agree, the right ones do not.',
        left[0] == left[1] == left[2]
        and right[0] != right[1] != right[2] != right[0],
    )


@scaling_tasks("print(f'batch {size:3d}: {8192 // size:4d} steps, '")
def _(out):
    rows = out.rows('batch')
    _, steps, rule, _, fixed = zip(*rows[:5], strict=True)
    yield (
        '**64 times fewer steps, and about the same error**',
        steps[0] == 64 * steps[3] and max(rule[:4]) < 1.3 * min(rule[:4]),
    )
    yield 'At 256 the error explodes.', rule[4] > 1000 * rule[3]
    yield (
        'batches of 4 and 16 do even better',
        max(fixed[1:3]) < min(rule[:3]),
    )
    yield (
        'Batches of 64 and 256 take good steps, but far too few.',
        min(fixed[3:]) > 10 * rule[0],
    )


@scaling_tasks('def times_as_fast(machines, gradients, gigabits):')
def _(out):
    ring, slow_ring, server, most = out.rows()[0]
    yield (
        '*four machines do less than one that sends nothing*',
        slow_ring < 1 < server < ring == 4,
    )
    yield 'up to two machines', most == 2


@scaling_tasks('for scale in (1, 2, 4, 2**14, 2**15):')
def _(out):
    plain, twice, four_times, largest, too_large = out.rows()[:5]
    yield (
        'Times 2 it still does, times 4 it does not.',
        plain[-1] == twice[-1] == 0 < four_times[-1],
    )
    yield '$2 \\cdot 2^{14} = 32768$ fits', len(largest) == 6
    yield 'The weight stays 1.', out.number('weight:') == 1
    yield '$2 \\cdot 2^{15} = 65536$ does not', len(too_large) == 5


@scaling_tasks("print('one alone:'")
def _(out):
    first, second = out.row('worker 0:'), out.row('worker 1:')
    yield (
        'then each takes every `count`-th photo of every batch',
        [x for pair in zip(first, second, strict=True) for x in pair]
        == out.row('one alone:'),
    )


# ---------------------------------------------------------------- Chapter 9
holes = page('chapters/atrous')


@holes("(('as it is', strided), ('two strides less', naive))")
def _(out):
    (_, field), (_, naive) = out.rows('stride')
    yield (
        'without the last two strides the field is much smaller',
        naive < 0.6 * field,
    )


FIELD = 'dense = {stride: atrous(resnet(), stride)'


@holes(FIELD, "(('as it is', strided), ('two strides less', naive))")
def _(out, strided):
    fields = out.column('field')
    rates = out.rows('  ')
    yield (
        'The field is that of the strided network again',
        fields == 2 * [strided.rows('field')[0][0]],
    )
    yield (
        'The first layer of each stage loses its stride, so from its second '
        'layer on the rate is twice as large.',
        rates == [[1, 1, 1, 1, 1, 2, 2, 2], [1, 2, 2, 2, 2, 4, 4, 4]],
    )


@holes('for size in ((96, 128), (97, 131), (65, 94)):')
def _(out):
    differences = out.column('largest difference')
    yield (
        'The differences are rounding.',
        len(differences) == 6
        and max(differences) < 1e-5 * max(out.column('up to')),
    )


@holes('for rate in (1, 2, 3, 5):')
def _(out):
    differences = out.rows('differences')
    yield (
        'All three are the sum of :eqref:`eq_atrous`.',
        len(differences) == 4 and max(sum(differences, [])) < 10 * ROUNDING,
    )


@holes('channels, rate = 128, 4')
def _(out):
    yield (
        'With zeros, the kernel has $(r (k - 1) + 1)^2$ numbers',
        all((2 * r + 1) ** 2 == n for r, n, _ in out.rows('rate')),
    )


@holes("found |= {f'ResNet, stride {s}'")
def _(out):
    two, mixed, *resnet = (row[-2:] for row in out.rows(': '))
    yield (
        'With rates of 2, 2 and 2 an output sees only every second pixel of '
        'its field in a row, in the plane a quarter of them.',
        two == [7, 13],
    )
    yield 'With 1, 2 and 3 it sees all.', mixed[0] == mixed[1]
    yield (
        'So there are no blind pixels',
        len(resnet) == 2 and all(seen == size for seen, size in resnet),
    )


DENSE = 'val_cells = {'
MOVED = 'moves = {16: (4, 8, 12), 8: (8, 12, 16)}'


def iu(out, name):
    """Return three mean IUs: of all pixels, near borders, inside."""
    return out.row(f'{name}  ')[-3:]


@holes('found = enlarge(cells_of(nets[32], photo)')
def _(out):
    yield (
        'For a stride of 32 and centred cells, $b = (32 - 1) / 2$: the usual '
        'upsampling.',
        out.number('says:') > 0.999,
    )


@holes(DENSE)
def _(out):
    coarse, fine, finest = (iu(out, f'stride {s}') for s in (32, 16, 8))
    yield (
        'Denser, and worse! Near borders, too',
        all(map(falls, zip(coarse, fine, finest, strict=True))),
    )


@holes('covered = x.get(')
def _(out):
    yield (
        'Cell 0 lies at place 0 in all three networks.',
        [row[1] for row in out.rows('m at')] == [0, 0, 0],
    )
    yield (
        'FCN-32s was trained with its cells drawn 15.5 pixels from where '
        'they lie',
        out.rows('drawn at')[0][1] == 15.5,
    )


@holes(MOVED, DENSE)
def _(out, centred):
    coarse = iu(centred, 'stride 32')
    found = {
        (stride, move): iu(out, f'stride {stride}, moved {move}')
        for stride, moves in ((16, (4, 8, 12)), (8, (8, 12, 16)))
        for move in moves
    }
    best = {
        stride: found.pop((stride, (32 - stride) // 2)) for stride in (16, 8)
    }
    yield (
        'At both strides the best of the moves is the one that '
        ':eqref:`eq_learnt_offset` gives, over all pixels and near borders.',
        all(
            best[stride][i] > three[i]
            for (stride, _), three in found.items()
            for i in (0, 1)
        ),
    )
    yield (
        'Moved by it, both dense networks beat the FCN-32s whose weights they '
        'have, and near borders they gain several points.',
        all(
            three[0] > coarse[0] and three[1] > coarse[1] + 0.02
            for three in best.values()
        ),
    )
    yield (
        'Inside, the coarse network stays ahead, and a stride of 8 brings '
        'nothing over 16',
        all(three[2] < coarse[2] for three in best.values())
        and best[8][0] < best[16][0] + 0.005,
    )


@holes('stride, pyramid = 16, (3, 6, 9, 12)')
def _(out):
    (pyramid, _), (branch, _) = out.rows('ASPP ')
    yield (
        'ASPP has four times the parameters of one of its branches',
        pyramid == 4 * branch,
    )
    yield (
        'it spans more pixels with a fraction of the weights',
        out.number('fc6 of DeepLab ') < out.number('fc6 of VGG16 ') / 20,
    )


@holes('def taps_inside(')
def _(out):
    shares = out.rows(': ')
    yield (
        'the largest rate leaves few places where all nine numbers count',
        shares[4][0] <= 3,
    )
    yield (
        'With a rate as large as the map a $3 \\times 3$ kernel is a '
        '$1 \\times 1$ kernel: only its middle is left.',
        shares[-1][0] == 1,
    )


@holes('results = judge(by_heads)', "for head in ('LargeFOV', 'ASPP'):")
def _(out, gains):
    controls = [iu(out, f'control, seed {seed}') for seed in range(3)]
    before = iu(out, 'before')
    lowest, highest = (
        [iu(gains, f'{head} gains, {what}') for head in ('LargeFOV', 'ASPP')]
        for what in ('lowest', 'highest')
    )
    yield (
        'Over all pixels no head beats the control.',
        max(three[0] for three in highest) < 0.005,
    )
    yield (
        'The old scores gain as well when they are trained on at their new '
        'places',
        all(three[0] > before[0] + 0.005 for three in controls),
    )
    yield (
        'In parts, both heads do the same with every seed: inside they gain '
        'over the control, near borders they lose',
        min(three[2] for three in lowest) > 0
        and max(three[1] for three in highest) < 0,
    )
    yield (
        'ASPP does both more than LargeFOV',
        lowest[1][2] > highest[0][2] and highest[1][1] < lowest[0][1],
    )


@holes("print(f'{name}: cell m at {r} * m + {b:g}')")
def _(out):
    yield (
        'Every second cell is again the one that we had.',
        out.number('largest difference') < 1e-4 < out.number('up to'),
    )
    (r, b), (dense_r, dense_b) = out.rows('cell m at')
    yield (
        'the strided map is every second cell of the dense one, beginning '
        'with the second',
        r == 2 * dense_r and b == dense_r + dense_b,
    )
    yield (
        'So the new network need not learn an offset',
        (dense_r, dense_b) == (16, 15),  # as DeepLab takes it
    )


@holes('lite_results = judge(')
def _(out):
    skips, plain, pyramid = (
        iu(out, name)
        for name in ('FCN-8s', '1 x 1, stride 16', 'ASPP, stride 16')
    )
    yield (
        'FCN-8s is ahead of both, near borders and inside',
        all(
            skip > max(others)
            for skip, *others in zip(skips, plain, pyramid, strict=True)
        ),
    )
    yield (
        'ASPP is far behind the $1 \\times 1$ convolution on the same map',
        pyramid[0] < plain[0] - 0.1,
    )


@holes('def many_sizes(i):')
def _(out):
    once, mirror, highest, mean = (
        iu(out, name)
        for name in (
            'scale 1',
            'scale 1, mirror',
            'three scales, maximum',
            'three scales, mean',
        )
    )
    yield (
        'Three sizes help inside of objects and hurt near their borders, with '
        'the maximum as with the mean.',
        min(highest[2], mean[2]) > once[2]
        and max(highest[1], mean[1]) < once[1],
    )
    yield (
        'Over all pixels little is left of the gain',
        all(near(three[0], once[0], 0.01) for three in (highest, mean)),
    )
    yield (
        'here it helps both inside and near borders',
        mirror[1] > once[1] and mirror[2] > once[2],
    )


@holes('poly, steps = (1 - done) ** 0.9')
def _(out):
    poly, stages = zip(*(row[-2:] for row in out.rows('poly')), strict=True)
    yield (
        'In the middle of the training, poly still takes steps of half the '
        'first size, where a staircase creeps already.',
        0.5 <= poly[1] < 0.6 and stages[1] <= 0.1,
    )


# ------------------------------------------------- Conditional random fields
crf = page('chapters/crf')


@crf('def log_partition(unary, pair):')
def _(out):
    yield (
        'In a chain the forward algorithm computes $Z$',
        out.number('off by') < 1e-9,
    )


@crf('marginals = -u.grad.asnumpy()')
def _(out):
    yield (
        'So a backward pass through the forward algorithm gives all marginals '
        'at once.',
        out.number('off by') < 1e-9,
    )


@crf("print(f'hidden Markov model:")
def _(out):
    yield (
        'Two older models are chains of this kind.',
        max(out.column('off by')) < 1e-9,
    )


@crf("print(f'{len(exact)} labellings')")
def _(out):
    steps = out.rows('steps: divergence')
    divergences = [divergence for divergence, _ in steps]
    yield (
        'The divergence falls and then stays: a minimum, but not 0.',
        falls(divergences)
        and divergences[-2] - divergences[-1] < 0.01
        and divergences[-1] > 0.1,
    )
    yield 'its marginals are not those of $P$', steps[-1][1] > 0.01


@crf("print(f'with and without i = j:")
def _(out):
    yield (
        'It then supports its own opinion a little; the printed line says how '
        'much that changes.',
        out.number('i = j:') > 98,
    )
    yield 'reduced to fewer than 4,000 pixels', out.column()[0] < 4000


@crf("compare('no CRF', said, exact)")
def _(out):
    smooth, both, nothing = (
        out.number(name) for name in ('smoothness:', 'both:', 'no CRF:')
    )
    yield (
        'The smoothness agrees up to rounding.',
        smooth > 99.9 and out.row('smoothness:')[1] < ROUNDING,
    )
    yield (
        'The lattice does not quite, it is an approximation; but it moves few '
        'labels, compared with how many the CRF moves.',
        0 < 100 - both < (100 - nothing) / 5,
    )


@crf("points of a lattice of {cells:,.0f} are used')")
def _(out):
    used, cells = out.rows()[-1]
    yield 'most of that space is empty', used < cells / 10


CHOICE = "print('best:', weights, widths)"


@crf(CHOICE)
def _(out):
    without, *others = out.column('mean IU')
    yield (
        'Any of them is far better than none, and from the best of them to '
        'the worst it is not half as far.',
        len(others) == 12
        and max(others) - without > 2 * (max(others) - min(others)),
    )


JUDGED = "'filter, no CRF': filtered,"


@crf(JUDGED)
def _(out):
    network, both, colour, smooth, step, averaged = (
        out.row(name)
        for name in (
            'FCN-32s',
            'with the CRF',
            'appearance alone',
            'smoothness alone',
            'one step',
            'filter, no CRF',
        )
    )
    gain = both[0] - network[0]
    yield (
        'The CRF gains a lot, near borders and inside.',
        all(b - a > 0.03 for a, b in zip(network, both, strict=True)),
    )
    yield (
        'And the appearance kernel does nearly all of it: without the '
        'smoothness kernel the result is about the same, and the smoothness '
        'alone changes next to nothing.',
        abs(colour[0] - both[0]) < gain / 5
        and abs(smooth[0] - network[0]) < gain / 10,
    )
    yield (
        'One step brings most of the gain.',
        step[0] - network[0] > gain / 2,
    )
    yield (
        'Even the filter, which knows of no energy and takes no step, comes '
        'close.',
        averaged[0] - network[0] > 0.8 * gain,
    )


@crf('before, after = (results[name][0] for name in')
def _(out):
    yield (
        'On the whole, every class gains.',
        all(after > before for before, after, *_ in out.rows()),
    )


@crf('halved = shares[:, 3] < shares[:, 2] / 2')
def _(out):
    _, _, *pairs = ([], [], *out.rows('mean'))
    (a, b), (c, d), (e, f), (g, h) = pairs
    yield (
        'Where the network had found most of an object, the CRF finds more of '
        'it; where it had found less than half, the CRF takes some of that '
        'away, and where it had found little, nearly all.',
        b < a / 5 and d < c and f > e and h > g,
    )
    halved = {
        line.split()[0]: Printed(line).row('in ')
        for line in out.splitlines()
        if 'halved' in line
    }
    scenes, times = halved.pop('aeroplane')
    yield (
        'The aeroplane suffers most often',
        all(times > other for _, other in halved.values()),
    )
    yield (
        'So in a third of its scenes it loses at least half of what had been '
        'found',
        0.25 < times / scenes < 0.45,
    )


@crf("print(f'as by hand:")
def _(out):
    yield (
        '`utils.predict` takes the CRF as an option',
        out.number('as by hand:') > 99.9,
    )


# ------------------------------------------------- Chapter: moving kernels
moving = page('chapters/deformable')


@moving('for rate in (1, 2):')
def _(out):
    yield (
        'A convolution with holes differs from one without in its list of '
        'places, and in nothing else.',
        len(out.rows('off by')) == 2 and max(out.column('off by')) < 1e-4,
    )


@moving('none = np.zeros((2, 18, 9, 11))')
def _(out):
    numbers = [n for row in out.rows('off by') for n in row]
    yield (
        'With zero offsets, ours is a plain convolution.',
        numbers[0] < 1e-4,
    )
    yield (
        'The few lines and the operator agree up to rounding, at the border, '
        'too.',
        len(numbers) == 9 and max(numbers) < 1e-4,
    )


@moving('depths = [1, 2, 4, 8, 16, 32]')
def _(out):
    ratios = out.column('over the root of the depth')
    fields = out.column('field')
    yield (
        'The field grows with the depth, what is really seen with its root.',
        fields == [3, 5, 9, 17, 33, 65] and rises(out.column('deviation')),
    )
    yield (
        'The last column hardly changes: the root holds.',
        len(ratios) == 6 and max(ratios) < 1.3 * min(ratios),
    )
    yield (
        'The units between the layers (ReLU) cut connections at random, and '
        'change little.',
        all(near(ratio, (2 / 3) ** 0.5, 0.15) for ratio in ratios),
    )


@moving('for stage, end in enumerate((6, 7, 8, 11), 1):')
def _(out):
    pairs = out.rows('field')
    yield (
        'In every stage the field is more than seven times as large as the '
        'standard deviation. If all of its pixels counted alike, it would be '
        'only $\\sqrt{12}$ times as large.',
        len(pairs) == 4 and all(field > 7 * far for field, far in pairs),
    )


@moving('longer, _ = train(False, more * steps)')
def _(out):
    deformable = out.number('deformable, 100 steps: mean IU')
    plain = out.number('plain, 100 steps: mean IU')
    longer = out.number('plain, 500 steps: mean IU')
    yield (
        'After as many steps, on the same shapes, that net is far ahead.',
        deformable > plain + 0.1,
    )
    yield (
        'the plain net that has taken five times as many steps has not had '
        'more time, and it is the better one.',
        longer > deformable,
    )


@moving('limits = [8, 16, 24, 32, 44]')
def _(out):
    words = 'by width 8, 16, 24, 32 to 44:'
    layers = [out.row(f'layer {n}, {words}') for n in (1, 2, 3)]
    yield (
        'In each of the three layers, the wider the object, the wider apart '
        'the points; and on wide objects those of the last layer are the '
        'widest.',
        all(len(means) == 4 and rises(means) for means in layers)
        and max(layers[0][-1], layers[1][-1]) < layers[2][-1],
    )


@moving("('bins', lambda x: psroi_pool(x, rois, k, scale)")
def _(out):
    numbers = [n for row in out.rows('off by') for n in row]
    yield (
        "Output and gradients agree with MXNet's operators",
        len(numbers) == 5 and max(numbers) < 1e-4,
    )


@moving('ramp = np.zeros((1, 1, 40, 40))')
def _(out):
    small, large = out.column('moves by')
    yield 'Twice the box, twice the way', near(large, 2 * small, 0.01)


@crf("print(f'{path.stem:13s}{segbook.VOC_CLASSES[index]:8s}', end='')")
def _(out):
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    before = {name: float(row[2]) for name, row in rows.items()}
    after = {name: float(row[4]) for name, row in rows.items()}

    def are(kind):
        return [name for name, row in rows.items() if row[1] == kind]

    yield (
        'Where the network had found nearly all, as of both cats, the CRF '
        'finds the rest.',
        len(are('cat')) == 2
        and all(0.95 < before[x] < after[x] > 0.99 for x in are('cat')),
    )
    people = are('person')
    losers = {name for name in people if after[name] < before[name]}
    yield 'Most of the people gain, too.', len(losers) < len(people) / 2
    yield (
        'Where it had found next to nothing, as of the birds, a CRF cannot '
        'help.',
        all(after[x] <= before[x] < 0.05 for x in are('bird')),
    )
    yield (
        'And two people lose: the tourist, of whom the network had found less '
        'than of the others, and the one on the staircase, who had been found '
        'well',
        losers == {'tourist', 'staircase'}
        and before['tourist'] == min(before[x] for x in people)
        and before['staircase'] > 0.9,
    )
    yield (
        "Above is the photo that gains most: a cat, whose gaps at the photo's "
        'border are filled.',
        max(rows, key=lambda x: after[x] - before[x]) == 'chelsea',
    )
    yield (
        'Below is the one that loses most. What is gone is the leg, which is '
        'thin.',
        min(rows, key=lambda x: after[x] - before[x]) == 'staircase',
    )


# --------------------------------------------------------------- Real photos
photos = page('chapters/real-photos')


@photos('tensors = utils.read_torch(utils.lite0_file())')
def _(out):
    yield (
        'Not all arrays lie in memory in the order of their axes.',
        out.number('arrays in another order of memory:') > 0,
    )


@photos('def weights_of(*layers):')
def _(out):
    rows = [row[-2:] for row in out.rows('k')]
    yield 'Together they have', all(near(x, y, 1e-4) for x, y in rows)


@photos("for name in ('chelsea', 'heron', 'otters', 'hopper')")
def _(out):
    yield (
        'what it says first of the cat and of the otter is true, and among '
        "its five answers for the heron are two of the heron's family, "
        'bittern and little blue heron',
        'cat' in out.split('chelsea')[1].split(',')[0]
        and 'otter' in out.split('otters')[1].split(',')[0]
        and {'bittern', 'little blue heron'}
        <= {*out.split('heron', 1)[1].splitlines()[0].strip().split(', ')},
    )


@photos("(('Lite0', lite), ('ResNet-18', resnet)):\n    for parameter")
def _(out):
    lite, resnet = out.row('Lite0')[0], out.row('ResNet-18')[0]
    yield 'Lite0 wins by far.', lite > 2 * resnet


@photos('rows = sorted(rows.items()')
def _(out):
    lines = [line.split() for line in out.splitlines()[1:] if line.strip()]
    iu = {line[0]: float(line[-2]) for line in lines}
    there = {line[0]: line[1] for line in lines}
    by_class = {
        name: [iu[photo] for photo in iu if there[photo] == name]
        for name in ('cat', 'person', 'bird')
    }
    yield 'Both cats are found nearly whole', min(by_class['cat']) > 0.9
    people = sorted(by_class['person'])
    yield (
        'and most of the people. What is close to the camera, or cut off by '
        'the border, is harder.',
        people[1] > 0.6 and people[0] == iu['tourist'],
    )
    yield 'Little of the birds is found', max(by_class['bird']) < 0.3
    yield (
        'finds next to nothing in a photo',
        max(float(line[-1]) for line in lines) < 0.1,
    )


@photos('elsewhere = onnxruntime.InferenceSession(')
def _(out):
    rows = out.rows('scores up to')
    yield (
        'The scores differ by rounding, and the classes are the same.',
        len(rows) == 3
        and all(off < 10 * ROUNDING * most for most, off, _ in rows)
        and all(same > 99.98 for *_, same in rows),
    )


# ------------------------------------------------- GluonCV beside the book
gluoncv = page('chapters/gluoncv')


@gluoncv("print(str(error).split('. ')[1]")
def _(out):
    yield (
        "The network's last step calls an operator that takes older arrays "
        'only.',
        'legacy operator which can only accept legacy ndarrays' in out,
    )


@gluoncv("print('outside there is no', error.name)")
def _(out):
    inside, outside, error = out.splitlines()
    yield (
        '`utils.older_arrays()` does that for the lines of a `with`.',
        inside.endswith('off') and outside.endswith('on'),
    )
    yield (
        'A network that was made inside cannot be called outside.',
        error.endswith('Convolution'),
    )
    yield "At the border stand NumPy's own arrays", ': numpy,' in outside


@gluoncv('pairs are the same, but for void:')
def _(out):
    yield 'The photos are the same.', out.rows()[0] == [20, 20]
    yield (
        'In the masks, void is $-1$ instead of 255',
        '255]' in out.splitlines()[1] and '[-1.' in out.splitlines()[2],
    )


@gluoncv("print('are of train and', len(found & names['val']")
def _(out):
    ((both, train, val),) = out.rows()
    yield (
        '**The split `train` reads the file `trainval.txt`.**',
        both == train + val and val > 0,
    )
    yield 'every photo of the evaluation has been seen', val == 60


@gluoncv('our padding that counts:')
def _(out):
    theirs, ours = out.rows()
    yield (
        '**GluonCV pads masks with 0, and 0 is the background.**',
        theirs[0] > 5 and out.splitlines()[0].endswith('[-1.  0.]'),
    )
    yield 'Ours is void, so it counts for nothing.', ours[0] == 0


@gluoncv("print(f'{share:.0%} of it is judged')")
def _(out):
    yield (
        'the shorter side is resized to 480 pixels, and then the *middle* is '
        'cut out',
        '(480, 480)' in out,
    )
    yield (
        'other pixels, and only a part of each photo',
        out.rows()[-1][0] < 100,
    )


@gluoncv("is our {b}'")
def _(out):
    yield 'but not all under the same names', len(out.splitlines()) == 4


@gluoncv("print(f'classes present: {present} of {num_classes}')")
def _(out):
    ours, theirs = (
        [Printed(line).number(word) for line in out.splitlines()[:2]]
        for word in ('ours', 'theirs')
    )
    present, every = out.row('present:')
    yield 'The accuracies agree', ours[0] == theirs[0]
    yield 'The mean IUs do not.', ours[1] != theirs[1]
    yield (
        '**Theirs is a mean over all classes, ours over those present in the '
        'labels.**',
        near(theirs[1] * every / present, ours[1], 1e-5),
    )


@gluoncv("print(f'with 255: {accuracy_255:.6f}")
def _(out):
    wrong, _, right = out.row('with 255:')
    product = out.rows()[-1][-1]
    yield (
        'void pixels now count, and each of them as a mistake',
        wrong < right and near(wrong, product, 2e-6),
    )


@gluoncv("print(f'precision {p:.3f}, recall {r:.3f}')")
def _(out):
    rows = out.rows('best IoU')
    yield (
        'The fourth box fits well, and still is a mistake',
        rows[3][0] > 0.9 and rows[3][1] < rows[2][1],
    )
    recalls = [row[2] for row in rows]
    yield (
        'Going down the list, the *recall*, the share of true boxes found so '
        'far, grows whenever a box is right',
        recalls == [0.333, 0.333, 0.667, 0.667, 1],
    )
    yield (
        'the *precision*, the share of right ones so far, goes up and down',
        rows[1][1] < rows[2][1] > rows[3][1] < rows[4][1],
    )


@gluoncv("print(f'by hand: area {area:.6f}")
def _(out):
    area, eleven = out.row('by hand:')
    yield (
        'Both agree.',
        out.number('VOCMApMetric:') == area
        and out.number('VOC07MApMetric:') == eleven,
    )


@gluoncv("print(f'with {offset} added: IoU {value:.4f}')")
def _(out):
    without, one_more = out.column('IoU')
    yield (
        'For small boxes near the limit it decides.',
        without < 0.5 <= one_more,
    )


@gluoncv("print('              backbone   stride    head')")
def _(out):
    rows = {
        line[:13].strip(): Printed(line[13:]).row('')
        for line in out.splitlines()[1:]
    }
    backbone, stride, head = rows['their fcn']
    yield (
        'it has a stride of 8 by dilation, no skip connections, and a head '
        'with a hidden layer of $3 \\times 3$',
        stride == 8 and head > 9,
    )
    heads = [row[-1] for name, row in rows.items() if 'their' not in name]
    yield (
        'has less than a sixth of the numbers of their backbone alone',
        rows['our Lite0'][0] + rows['our Lite0'][2] < backbone / 6,
    )
    yield (
        'Next to these heads, ours are tiny.',
        max(heads) < min(head, rows['their deeplab'][-1]) / 10,
    )


@gluoncv("print(f'  ours {other.weight.shape}, same padding:")
def _(out):
    lines = [line for line in out.splitlines() if 'ours' not in line]
    yield (
        'its middle branches are our ASPP: the same kernels, rates and '
        'paddings.',
        true(out)
        and [line.split(', rate ')[1].split(',')[0] for line in lines]
        == ['1', '12', '24', '36', '1'],
    )
    yield (
        'each gives 256 maps instead of scores',
        all('(256, 2048' in line for line in lines),
    )


@gluoncv('coarse, fine = (base(one, x).asnumpy()')
def _(out):
    yield (
        'It is, up to rounding',
        out.number('difference') < ROUNDING * out.number('up to'),
    )


@gluoncv("print(f'theirs is 3 / 31 of the column")
def _(out):
    theirs, ours = (
        next(row for row in out.rows(name) if len(row) == 6)
        for name in ('theirs', 'ours')
    )
    yield (
        'Theirs pins the first and the last cell to the first and last pixel',
        theirs[0] == 0 and theirs[-1] == 3 and out.number('off by') < ROUNDING,
    )
    yield (
        'Ours keeps cells 8 pixels apart',
        near(ours[2] - ours[1], 1, 1e-3) and near(ours[4] - ours[3], 1, 1e-3),
    )
    yield 'it fades', ours[-1] < ours[-2] - 1


@gluoncv("print(kept, 'rows are kept')")
def _(out):
    yield 'The stride is 16.', '(1, 1024, 20, 30)' in out
    yield (
        'Each cell has 15 anchors, so 15 scores and $15 \\cdot 4$ numbers',
        '(1, 15, 20, 30)' in out and '(1, 60, 20, 30)' in out,
    )
    (classes, proposals), (kept,) = out.rows()[-2:]
    yield (
        'gets a box for each class, where ours got one for all of them, so '
        'there are 6,000 rows',
        '(1, 6000, 4)' in out and classes * proposals == 6000,
    )
    yield 'some of them are then struck out', 0 < kept < 6000
    yield 'There is no background among the classes', classes == 20


# ---------------------------------------------------------------- Boxes
boxes = page('chapters/boxes')


@boxes("text = (root / 'Annotations' / f'{name}.xml')")
def _(out):
    xml = [float(out.split(f'<{side}>')[1].split('<')[0]) for side in SIDES]
    box = out.rows('person [')[0]
    yield (
        'So it is `xmin - 1` and `xmax`: only one of the two moves.',
        box == [xml[0] - 1, xml[1] - 1, xml[2], xml[3]],
    )


SIDES = 'xmin', 'ymin', 'xmax', 'ymax'


@boxes("print(f'object {k}: {share:.0%} of it in the box, '")
def _(out):
    yield (
        'Each box holds all of its object, and a good part of the box shows '
        'something else.',
        all(row[1] == 100 and row[2] < 75 for row in out.rows('object')),
    )


@boxes("print(f'moved by {by:3d} right and down: IoU {value:.2f}')")
def _(out):
    values = dict(out.rows('by'))
    yield (
        'Move a box of 100 pixels by 10, and a third of the IoU is gone.',
        near(values[10], 2 / 3, 0.02),
    )
    yield 'The box no longer passes a limit of 0.7.', values[10] < 0.7
    yield (
        'Moved by 20, it fails at 0.5 as well.',
        values[20] < 0.5 < values[10],
    )


@boxes("print(f'no IoU above {most}: boxes'")
def _(out):
    strict, _, loose = out.rows('boxes')
    yield (
        'With the strictest of the three limits, the third box is removed, '
        'although it may well be a second object beside the first one. With '
        'the loosest one, two boxes stay that show nearly the same.',
        2 not in strict and {0, 1} <= {*loose},
    )


@boxes("print(f'scenes without any such anchor:")
def _(out):
    yield (
        'By this rule alone a good part of the objects would teach nothing, '
        'in some scenes all of them.',
        out.number('above 0.7:') > 25 and out.number('such anchor:') > 5,
    )
    yield (
        'Few of them hold an object by the 0.7 rule, and many objects have no '
        'such anchor',
        out.number('in a scene:') < 30,
    )


@boxes("print(f'{len(targets)} positive anchors; standard deviations:'")
def _(out):
    yield (
        'so that they are about as large as 1',
        all(0.4 < value < 2 for value in out.row('deviations:')),
    )


@boxes("print(f'compared are all cells but {edge} on the left")
def _(out):
    one, two, half = out.rows('scores of size')
    yield (
        'Moved by one stride or two, the scores are the same. Moved by half a '
        'stride they are not',
        one[1] < ROUNDING > two[1] and half[1] > half[0] / 2,
    )


@boxes("words = [f'sampled: {role}' for role in roles[:2]]")
def _(out):
    right, wrong, every, others, _ = out.column('e ') + out.column('used')
    yield (
        'A scene has thousands of negative anchors and a handful of positive '
        'ones.',
        every < 20 and others > 2000,
    )
    yield (
        'Still, one in a few dozen is far better than one in a thousand.',
        20 < (right + wrong) / right < 60 and others / every > 900,
    )


@boxes("print(f'{len(boxes)} boxes: differs from the operator by")
def _(out):
    yield (
        'divide the box by the stride and *round*',
        out.number('operator by') == 0,
    )


@boxes("'RoIAlign': onp.array([roi_align(")
def _(out):
    pooled, aligned = (out.row(f'{key}:') for key in ('pooling', 'RoIAlign'))
    yield (
        'RoI pooling does not notice most of the moves, and then its window '
        'jumps; RoIAlign notices each of them a little.',
        pooled[0] < pooled[1] / 2
        and aligned[0] == aligned[1]
        and pooled[2] > 5 > 2 > aligned[2],
    )


@boxes("print(f'IoU with the rounded box {value:.2f}')")
def _(out):
    yield (
        'the smaller the object, the worse its rounded box fits',
        rises(out.column('rounded box')),
    )


PROPOSED = "print('recall     10 at 0.5"


@boxes(PROPOSED)
def _(out):
    trained, raw, lot = (out.row(f'{x} ') for x in ('RPN', 'ained', 'lot'))
    yield (
        'Three hundred boxes at 0.5 catch most objects even where nothing was '
        'learnt',
        min(raw[2], lot[2]) > 0.5,
    )
    yield (
        'Ten boxes tell the trained network from the two others, and so do '
        'three hundred at an IoU of 0.7.',
        all(trained[i] > 2 * max(raw[i], lot[i]) for i in (0, 1, 3)),
    )


@boxes('print(f\'{"AP at":12s}  0.5    0.7  objects\')')
def _(out):
    loose, strict = out.row('mean')
    yield 'At 0.5 most of what there is is found', loose > 0.7
    rows = [row for row in out.rows(' ') if len(row) == 3]
    yield (
        'At 0.7 every class loses, for the same boxes',
        strict < loose and all(row[1] < row[0] for row in rows),
    )


@boxes("('meeting another', rows[:, 1] > 0),")
def _(out):
    alone, meeting = out.column('labels')
    ours, _ = out.column('ours')
    yield (
        'An object that is alone gets its mask for free: with true boxes and '
        'true labels it is exact.',
        alone > 0.995,
    )
    yield (
        'With ours it is as good as both networks are',
        0.3 < ours < alone,
    )
    yield (
        'But where the boxes of two objects of one class meet, even true '
        'boxes and true labels are not enough',
        meeting < 0.9,
    )


# ------------------------------------------------------------------- AlexNet
alex = page('chapters/alexnet')


@alex('counted = count(alexnet())')
def _(out):
    numbers, products = out.row('dense layers:')
    yield (
        'The dense layers hold nearly all numbers, the convolutions do nearly '
        'all of the work.',
        numbers > 90 and products < 10,
    )


@alex('grouped = two_layers(x, weights, groups=2)')
def _(out):
    difference, largest = out.row('off by')
    yield (
        'Two such layers in a row are then nothing but two networks of half '
        'the width that never meet',
        difference < ROUNDING * largest,
    )
    rows = [row[-3:] for row in out.rows('conv')]
    yield (
        'So groups halve the weights and the products',
        len(rows) == 3
        and all(near(a / b, 0.5, 0.01) and c == 50 for a, b, c in rows),
    )


@alex('mean_slope(function, spread * normal)')
def _(out):
    relu, tanh, sigmoid = (
        out.column(name) for name in ('relu', 'tanh', 'sigmoid')
    )
    yield (
        'The slope of ReLU does not depend on the spread.',
        max(relu) - min(relu) < 0.01,
    )
    yield (
        'is high for small numbers and falls for large ones.',
        tanh[0] > 0.9 and tanh[-1] < 0.1 and falls(tanh),
    )
    yield "The sigmoid's is never above a quarter", max(sigmoid) < 0.25


@alex(
    'best[name] = max(shares, key=shares.get)',
    'tries[name, rate] = fit(',
    "print('classes:', *names)",
)
def _(best, tried, objects):
    relu, tanh = (best.row(f'{x}, rate')[-3:] for x in ('relu', 'tanh'))
    yield (
        'learns faster than ReLU with its own, with each of the three seeds.',
        max(tanh) < min(relu),
    )
    frequent = objects.number('the most frequent class:')
    sigmoid = [row[-1] for row in tried.rows('sigmoid')]
    yield (
        'And the sigmoid learns nothing at either rate: it ends where one '
        'ends who always names the most frequent class.',
        len(sigmoid) == 2
        and all(near(wrong, 1 - frequent, 0.011) for wrong in sigmoid),
    )


@alex('slope = mean_slope(np.tanh, spread * normal)')
def _(out):
    *ours, _ = out.column('mean slope')
    yield (
        'In our small network no layer saturates',
        len(ours) == 3 and min(ours) > 0.4,
    )
    yield (
        "With our photos prepared as AlexNet's are, and its first weights, "
        "hardly any gradient would come through the first layer's $\\tanh$.",
        out.number('mean slope of tanh') < 0.1,
    )


POOLS = "compare('overlapping', pool=(3, 2, 1))"
AUGMENTED = "print(f'standard error of one share: {error:.3f}')"


@alex(POOLS, AUGMENTED)
def _(out, later):
    loss, loss_over = out.column('loss')
    train, train_over = out.column('train')
    yield (
        'The overlapping pools are harder to learn by heart: after as many '
        'epochs the loss is higher, and fewer training objects are right.',
        loss_over > 2 * loss and train_over < train,
    )
    gains = later.row('overlapping')[-3:]
    yield (
        'Here they gain with some seeds and lose with others, and nothing on '
        'average',
        min(gains) < 0 < max(gains) and sum(gains) <= 0,
    )


@alex('expected = by_loop(x.asnumpy(), 5, alpha, 0.75, 2)')
def _(out):
    rows = [row[-2:] for row in out.rows('alpha')]
    yield (
        'Beware: it divides $\\alpha$ by $n$.',
        max(ours for ours, _ in rows) < ROUNDING
        and all(undivided > 100 * ours for ours, undivided in rows),
    )


@alex('variances, directions = color_directions(photos)')
def _(out):
    difference, largest = out.row('covariance, off by')
    yield (
        'The covariance is that of the photos, up to chance.',
        difference < 0.02 * largest,
    )
    yield (
        'The largest direction is nearly that of grey: most of what changes '
        'is the brightness.',
        out.number('and grey:') > 0.98
        and out.row('shares of the variance:')[-1] > 0.5,
    )
    (one, _), (other, _) = (row[-2:] for row in out.rows('colours end at'))
    yield 'And the root makes the unit irrelevant.', one == other


@alex('layer, x = nn.Dropout(p), np.ones((100, 100))')
def _(out):
    paper, gluon = (out.row(f'{x}: mean') for x in ('paper', 'Gluon'))
    behind = out.rows('behind a ReLU: mean')
    yield (
        'In both, what the next layer gets at test is exactly the mean of '
        'what it gets in training.',
        all(near(*row, 1e-5) for row in (paper, gluon)) and true(out),
    )
    yield (
        'The two differ by a factor, which the weights learn.',
        near(paper[0] / gluon[0], 0.8, 1e-4),
    )
    yield (
        'Behind a ReLU, the mean is a mean no more',
        all(abs(mean - test) > 0.05 for mean, test in behind),
    )


@alex(AUGMENTED, POOLS)
def _(out, before):
    error = out.number('standard error of one share:')
    crops, colours, dropout = (
        row[-3:] for row in out.rows('new objects, beside plain:')[1:]
    )
    plain = before.column('train')[0]
    yield (
        'fewer training objects are right than without them.',
        max(out.column('train')) < plain - 0.02,
    )
    yield (
        'Crops and mirrors gain with every seed, though hardly more than the '
        'standard error of a share.',
        min(crops) > 0 and sum(crops) / 3 < 3 * error,
    )
    yield (
        'Colours on top of them change nothing that could be seen here',
        abs(sum(colours) - sum(crops)) / 3 < 2 * error,
    )
    yield (
        'And dropout does not help in so few steps',
        sum(dropout) / 3 < error,
    )


@alex("print(f'SGD by hand and by Gluon:")
def _(out):
    yield 'which is the rule of the paper.', out.number('off by') < ROUNDING


@alex('kinds |= {')
def _(out):
    should = out.number('SGD should lose')
    rows = [row[-3:] for row in out.rows('SGD') if len(row) >= 3]
    (_, steady, _), *turns = rows
    yield (
        'SGD loses about what it should, whatever the gradients are.',
        all(near(sgd, should, 0.006) for sgd, _, _ in (*turns, rows[0])),
    )
    yield (
        'With Adam and a steady gradient, `wd` takes nothing away',
        steady < 0.1 * should,
    )
    yield (
        'it takes nearly half from weights with small ones, and next to '
        'nothing from weights with large ones.',
        falls([adam for _, adam, _ in turns])
        and near(turns[0][1], 0.45, 0.05)
        and turns[-1][1] < 0.2 * should,
    )
    yield (
        'Decoupled, all of these lose the same.',
        all(near(apart, should, 0.006) for *_, apart in turns),
    )


# ------------------------------------------------------------ The book's tests
@pytest.fixture(scope='module')
def pages(root):
    """{name: page}, pages that have not run."""
    return {
        path.with_suffix('').as_posix(): book.read_page(root / path)
        for path in book.pages(root)
    }


@pytest.mark.parametrize('claims', CLAIMS, ids=str)
def test_sentences_and_cells_are_there(claims, pages):
    missing = claims.missing(pages[claims.page])
    assert not missing, f'{claims.page} does not say {missing}'
    for name, words in claims.places():
        find(words, pages[name])


if HTML:  # else there is nothing to look at

    @pytest.mark.parametrize('claims', CLAIMS, ids=str)
    def test_what_is_printed_bears_the_sentences_out(claims):
        claims.check(BUILT)

    def test_no_comparison_in_the_book_says_false(pages):
        wrong = [
            f'{name}: {cell.source}'
            for name in pages
            for cell in book.code_cells(executed(BUILT / f'{name}.ipynb'))
            if 'False' in printed(cell)
        ]
        assert not wrong


# ------------------------------------------------- Tests of what is used above
BARS = """<svg><text>0</text><text>5</text><text>seconds</text>
<text>by hand</text><text>by 2 machines</text>
<text>1,200</text><text>0.5</text></svg>"""


def write_page(built, code, text, svg=None):
    """Write an executed page, chapters/made-up, with one cell."""
    outputs = [
        new_output('stream', name='stdout', text=text),
        new_output('stream', name='stderr', text='cats 9 of 9\n'),
    ]
    if svg:
        outputs.append(new_output('display_data', {'image/svg+xml': svg}))
    notebook = new_notebook(cells=[new_code_cell(code, outputs=outputs)])
    (built / 'chapters').mkdir()
    nbformat.write(notebook, built / 'chapters/made-up.ipynb')


def cats(out):
    found, of = out.row('cats')
    yield 'Most cats are found.', found > of / 2
    yield 'Some are not.', found < of


MADE_UP = Claims('chapters/made-up', ('count(',), cats)


def test_sentences_are_known_without_numbers():
    assert MADE_UP.sentences() == ['Most cats are found.', 'Some are not.']


def test_a_sentence_that_was_changed_is_missing():
    text = 'We count. Most cats are found. None are not. We rest.'
    notebook = new_notebook(
        cells=[new_markdown_cell(text), new_code_cell('# Some are not.')]
    )
    assert MADE_UP.missing(notebook) == ['Some are not.']


def test_what_holds_passes(tmp_path):
    write_page(tmp_path, 'count(cats)', 'cats 3 of 4\ndogs 1 of 4\n')
    MADE_UP.check(tmp_path)


def test_what_does_not_hold_is_told_with_page_sentence_and_numbers(tmp_path):
    write_page(tmp_path, 'count(cats)', 'cats 2 of 4\n')
    with pytest.raises(AssertionError) as told:
        MADE_UP.check(tmp_path)
    assert 'chapters/made-up' in str(told.value)
    assert 'Most cats are found.' in str(told.value)
    assert 'Some are not.' not in str(told.value)
    assert 'cats 2 of 4' in str(told.value)


@pytest.mark.parametrize('text', ['', 'cats\n', 'cats 3\n', 2 * 'cats 3 4\n'])
def test_so_are_other_lines_than_the_sentence_was_written_for(tmp_path, text):
    write_page(tmp_path, 'count(cats)', text)
    with pytest.raises(AssertionError, match='Most cats are found') as told:
        MADE_UP.check(tmp_path)
    assert 'chapters/made-up' in str(told.value)


def test_a_cell_that_is_not_there_or_not_alone_is_an_error():
    cells = [new_code_cell('count(cats)'), new_code_cell('count(dogs)')]
    notebook = new_notebook(cells=cells)
    assert find('dogs', notebook) == cells[1]
    for words in ('birds', 'count'):
        with pytest.raises(LookupError, match=words):
            find(words, notebook)


def test_a_page_that_has_not_run_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='made-up'):
        MADE_UP.check(tmp_path)


@pytest.mark.parametrize(
    'text, numbers',
    [
        ('person 1,043 times, each 35', [1043, 35]),
        ('4.00, 2.00, 1e-07; 84.8%', [4, 2, 1e-7, 84.8]),
        ('u -3.5 and u +0', [-3.5, 0]),
        ('[[ 0 255]] (1, 3) -> (10,)', [0, 255, 1, 3, 10]),
        ('13 -> 5, epoch 1/2: [10. 10.]', [13, 5, 1, 2, 10, 10]),
        ('ResNet-18, VGG16, fc6, FCN-32s, 375x500, 32nd', []),
    ],
)
def test_numbers_of_a_line(text, numbers):
    assert Printed(text).rows() == ([numbers] if numbers else [])


def test_lines_are_found_by_words():
    out = Printed('seed 0: cats 3 of 4\nno number\nseed 1: cats 5 of 6\n')
    assert out.rows() == [[0, 3, 4], [1, 5, 6]]
    assert out.rows('cats') == [[3, 4], [5, 6]]
    assert out.column('cats') == [3, 5]
    assert out.row('seed 1:') == [5, 6]
    assert out.number('seed 1:') == 5
    with pytest.raises(LookupError, match='2 lines'):
        out.row('cats')
    with pytest.raises(LookupError, match='0 lines'):
        out.number('no number')


def test_bars_are_lines(tmp_path):
    write_page(tmp_path, 'plot_bars(times)', 'cats 3 of 4\n', BARS)
    notebook = executed(tmp_path / 'chapters/made-up.ipynb')
    out = printed(find('times', notebook))
    assert out == 'cats 3 of 4\nby hand: 1,200\nby 2 machines: 0.5\n'
    assert out.number('by hand:') == 1200
