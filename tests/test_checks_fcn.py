"""The checks of the exercises on the FCN: right ways, recorded wrong ones."""

import segbook
import utils
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import fcn as check

import numpy as onp
import pytest
from mxnet import init, np, npx
from mxnet.gluon import nn
from PIL import Image

VOID = utils.VOID


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_function_for_the_second_answer_gets_a_message(answer):
    verdict = check.any_size((352, 512), answer)
    assert verdict.state == WRONG
    assert len(verdict.text) < 1000


@pytest.mark.parametrize(
    'one',
    [check.mean_loss, check.upsampling, check.fuse, check.borders]
    + [check.oracle, lambda stub: check.any_size((352, 512), stub)],
)
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN


# ------------------------------------------------------------- mean_loss
def own_losses(scores, labels):
    """Losses in another way than the book's, over axis 1; and the mask."""
    mask = (labels != VOID).astype('float32')
    chances = npx.softmax(scores, axis=1)
    return -np.log(npx.pick(chances, labels * mask, axis=1)), mask


def test_a_mean_made_in_another_way_is_right():
    def mean_loss(scores, labels):
        losses, masks = own_losses(scores, labels)
        return (losses * masks).sum().reshape(1) / (masks.sum() + 1e-9)

    assert check.mean_loss(mean_loss)


def safe(masks):
    return np.maximum(masks.sum(), 1)


def each_image(losses, masks):
    sums = (losses * masks).sum(axis=(1, 2))
    return (sums / np.maximum(masks.sum(axis=(1, 2)), 1)).mean()


WRONG_MEANS = [
    (lambda x, m: (x * m).mean(), 'still count in the mean'),
    (lambda x, m: (x * m).sum(), 'that is the sum'),
    (lambda x, m: x.mean(), 'trained as background'),
    (lambda x, m: x.sum() / safe(m), 'for class 0 is in the sum'),
    (each_image, 'each image has its own mean'),
    (lambda x, m: -(x * m).sum() / safe(m), 'the sign'),
    (lambda x, m: x * m, 'a loss for each pixel'),
    (lambda x, m: [1, 2], 'not one number'),
    (lambda x, m: (x * m).sum() / m.sum(), 'no less than 1'),
    (lambda x, m: float((x * m).sum() / safe(m)), 'no gradient'),
    (lambda x, m: ((x * m).sum() / safe(m)).detach(), 'no gradient'),
    (lambda x, m: 2 * (x * m).sum() / safe(m), 'two pixels worked out'),
]


@pytest.mark.parametrize(('mean', 'phrase'), WRONG_MEANS)
def test_wrong_means(mean, phrase):
    verdict = check.mean_loss(lambda *batch: mean(*own_losses(*batch)))
    says(verdict, phrase)


# -------------------------------------------------------------- any_size
def classes_of(net, photo):
    batch = np.array(photo[None], dtype='uint8')
    return net(utils.normalize(batch))[0].argmax(axis=0).asnumpy()


def padded_all_around(net, photo, cut=None):
    height, width = photo.shape[:2]
    up, left = (-height % 32) // 2, (-width % 32) // 2
    padding = (up, -height % 32 - up), (left, -width % 32 - left), (0, 0)
    found = classes_of(net, onp.pad(photo, padding, mode='edge'))
    if cut:
        up, left = cut
    return found[up : up + height, left : left + width].tolist()


def test_padding_on_all_sides_is_right():
    assert check.any_size([352.0, 512], padded_all_around)
    assert check.any_size(np.array([352, 512]), padded_all_around)


def test_the_function_of_the_book_is_right():
    says(check.any_size((352, 512), utils.predict), 'uses predict')


@pytest.mark.parametrize(
    ('size', 'phrase'),
    [
        ((512, 352), 'height comes before width'),
        ((321, 481), 'only be a multiple of 32'),
        ((320, 480), 'rounds up here'),
        ((11, 16), 'before it is enlarged'),
        ((10, 15), 'not down'),
        ((352, 480), 'halve five times'),
        ((352.5, 512), 'whole number'),
        (352, 'shape (2,)'),
    ],
)
def test_wrong_sizes(size, phrase):
    says(check.any_size(size, padded_all_around), phrase)


def resized(net, photo, way=Image.BILINEAR):
    height, width = photo.shape[:2]
    up = -(-width // 32) * 32, -(-height // 32) * 32
    found = classes_of(net, onp.array(Image.fromarray(photo).resize(up, way)))
    found = Image.fromarray(found.astype('uint8'))
    return onp.array(found.resize((width, height), Image.NEAREST))


def cut_down(net, photo):
    height, width = (side // 32 * 32 for side in photo.shape[:2])
    return classes_of(net, photo[:height, :width])


def padded(photo):
    return utils.pad_to(photo, *(-(-s // 32) * 32 for s in photo.shape[:2]), 0)


def not_normalised(net, photo):
    batch = np.array(padded(photo)[None], dtype='float32')
    return net(batch.transpose(0, 3, 1, 2))


def scores_of(net, photo):
    batch = np.array(padded(photo)[None], dtype='uint8')
    height, width = photo.shape[:2]
    return net(utils.normalize(batch))[0, :, :height, :width]


WRONG_SEGMENTS = [
    (resized, 'did not see the photo as it is'),
    (lambda net, x: resized(net, x, Image.NEAREST), 'as it is'),
    (cut_down, 'cut down to a multiple of 32'),
    (classes_of, '32 does not divide'),
    (lambda net, photo: classes_of(net, padded(photo)), 'cut the prediction'),
    (not_normalised, 'not normalised'),
    (lambda net, photo: net(np.array(padded(photo))[None]), 'puts the chann'),
    (scores_of, 'argmax over the classes'),
    (lambda net, photo: classes_of(net, padded(photo))[None], 'first axis'),
    (lambda net, x: padded_all_around(net, x, (0, 0)), 'lie on each other'),
    (lambda net, photo: onp.zeros(photo.shape[:2]), 'never called the net'),
]


@pytest.mark.parametrize(('segment', 'phrase'), WRONG_SEGMENTS)
def test_wrong_ways_to_segment(segment, phrase):
    says(check.any_size((352, 512), segment), phrase)


# ------------------------------------------------------------ upsampling
class OneKernel(nn.Block):
    """A single kernel that all classes share."""

    def __init__(self, stride):
        super().__init__()
        self.layer = nn.Conv2DTranspose(
            1, 2 * stride, stride, stride // 2, use_bias=False, in_channels=1
        )
        kernel = segbook.bilinear_kernel(1, 1, 2 * stride)
        self.layer.initialize(init.Constant(kernel))

    def forward(self, x):
        n, c, h, w = x.shape
        y = self.layer(x.reshape(n * c, 1, h, w))
        return y.reshape(n, c, *y.shape[2:])


class Applies(nn.Block):
    """A block without weights that applies a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def layer(classes, stride, start=None, kernel=None, padding=None, **options):
    """The dense layer of the chapter, or something like it."""
    kernel = kernel or 2 * stride
    made = nn.Conv2DTranspose(
        classes,
        kernel,
        stride,
        (kernel - stride) // 2 if padding is None else padding,
        in_channels=classes,
        **{'use_bias': False} | options,
    )
    weight = segbook.bilinear_kernel(classes, classes, kernel)
    if options.get('groups'):
        weight = np.concatenate(
            [weight[i, i][None, None] for i in range(classes)]
        )
    if start is not None:
        made.initialize(start)
    else:
        made.initialize(init.Constant(weight))
    return made


def test_one_kernel_for_all_classes_is_right():
    assert check.upsampling(lambda classes, stride: OneKernel(stride))


class Separable(nn.Block):
    """A column and a row for each class, one after the other."""

    def __init__(self, classes, stride):
        super().__init__()
        k, rows = 2 * stride, segbook.triangle(2 * stride)
        self.steps = nn.Sequential()
        for kernel, step, pad in (
            ((k, 1), (stride, 1), (stride // 2, 0)),
            ((1, k), (1, stride), (0, stride // 2)),
        ):
            layer = nn.Conv2DTranspose(
                classes,
                kernel,
                step,
                pad,
                groups=classes,
                in_channels=classes,
                use_bias=False,
            )
            weight = np.tile(rows.reshape(kernel), (classes, 1, 1, 1))
            layer.initialize(init.Constant(weight))
            self.steps.add(layer)

    def forward(self, x):
        return self.steps(x)


def test_the_numbers_that_are_named_are_those_of_the_answer():
    verdict = check.upsampling(Separable)
    assert verdict and 'your layer has 2,688 numbers' in verdict.text
    verdict = check.upsampling(lambda c, s: layer(c, s, groups=c))
    assert 'your layer has 86,016 numbers' in verdict.text


def frozen(classes, stride):
    made = layer(classes, stride, groups=classes)
    for weight in made.collect_params().values():
        weight.grad_req = 'null'
    return made


@pytest.mark.parametrize(
    'make', [lambda c, s: segbook.BilinearUpsampling(s), frozen]
)
def test_a_layer_that_cannot_be_trained_is_not_right(make):
    says(check.upsampling(make), 'nothing in the layer can be trained')


def test_groups_are_right():
    assert check.upsampling(lambda c, s: layer(c, s, groups=c))


def squares(c, s):
    return Applies(lambda x: x.repeat(s, axis=2).repeat(s, axis=3))


def mended(c, s):
    up = segbook.BilinearUpsampling(s)
    return Applies(lambda x: up(x) / up(np.ones_like(x)))


WRONG_LAYERS = [
    (layer, 'a kernel from every class to every class'),
    (lambda c, s: layer(c, s, groups=c, use_bias=True), 'use_bias=False'),
    (lambda c, s: layer(c, s, init.Xavier()), 'leak into the other'),
    (lambda c, s: layer(c, s, kernel=s), 'squares never overlap'),
    (squares, 'each score becomes a square'),
    (lambda c, s: layer(c, s, padding=0), 's(i − 1) + k − 2p'),
    (mended, 'at the border it is not'),
    (lambda c, s: layer(c, s, init.Zero(), groups=c), 'all scores are 0'),
    (lambda c, s: layer(c, s, init.One(), groups=c), 'bilinear_kernel'),
    (
        lambda c, s: nn.Conv2DTranspose(c, 2 * s, s, s // 2, groups=c),
        'needs initialize',
    ),
    (lambda c, s: segbook.bilinear_kernel(c, c, 2 * s), 'returns no layer'),
]


@pytest.mark.parametrize(('make', 'phrase'), WRONG_LAYERS)
def test_wrong_layers(make, phrase):
    says(check.upsampling(make), phrase)


# ----------------------------------------------------------------- start
WHY = 'Interpolation must not be learnt, it is known, so this saves steps.'


@pytest.fixture(scope='module')
def baseline():
    metric = utils.SegmentationMetric(21)
    images = segbook.VOCSegDataset(utils.voc_root(), 'val')
    for i in range(20):
        label = images[i][1]
        metric.update(label, onp.zeros_like(label))
    return metric


def table_with(baseline, **changes):
    table = {
        'all background': baseline.mean_iu,
        'bilinear fixed': 0.31,
        'bilinear trained': 0.32,
        'random trained': 0.2,
    }
    return table | {name.replace('_', ' '): v for name, v in changes.items()}


def test_a_table_that_makes_sense_is_right_and_cannot_be_judged(baseline):
    table = table_with(baseline, random_trained=onp.float32(0.25))
    verdict = check.start(table | {'another': 'entry'}, WHY)
    assert verdict and 'a program cannot know' in str(verdict)


def test_wrong_tables(baseline):
    def table_says(phrase, why=WHY, **changes):
        says(check.start(table_with(baseline, **changes), why), phrase)

    table_says('31.2', bilinear_fixed=31.0)
    table_says('says little', all_background=baseline.pixel_accuracy)
    table_says('not over all 21', all_background=baseline.pixel_accuracy / 21)
    table_says('three digits', all_background=round(baseline.mean_iu, 2))
    table_says('on the first 20 images', all_background=0.3)
    table_says('is it the pixel accuracy', bilinear_trained=0.93)
    table_says('far worse than', random_trained=0.001)
    table_says(
        'evaluated three times', bilinear_trained=0.31, random_trained=0.31
    )
    table_says('too short', why='It is.')
    table_says('must be a text', why=3)
    table_says('NaN', random_trained=float('nan'))
    says(check.start({'bilinear fixed': 0.3}, WHY), 'lacks entries')
    says(check.start([0.3], WHY), 'no dict')


# ---------------------------------------------------------------- target
class Truth(nn.Block):
    """A net that says the labels of the images in their order."""

    def __init__(self, spoil=None):
        super().__init__()
        images = segbook.VOCSegDataset(utils.voc_root(), 'val')
        self.labels = [images[i][1] for i in range(20)]
        self.dense = nn.Dense(1, in_units=1)
        self.dense.initialize()
        self.next, self.spoil = -1, spoil

    def forward(self, x):
        height, width = x.shape[2:]
        if self.next < 0:  # the check looks at the shape first
            label = onp.zeros((height, width), dtype='uint8')
        else:
            label = self.labels[self.next]
            label = utils.pad_to(label, height, width, 0)
        self.next += 1
        if self.spoil:
            label = self.spoil(label)
        return np.array(onp.eye(256)[label][:, :, :21].transpose(2, 0, 1))[
            None
        ]


def test_a_net_that_finds_the_objects_reaches_the_target():
    verdict = check.target(Truth())
    assert verdict and 'only you know' in str(verdict)


def some_columns(label):
    """Right in some columns only: above the baseline, below the target."""
    return label * (onp.arange(label.shape[1]) % 16 == 0)


def few_columns(label):
    return label * (onp.arange(label.shape[1]) % 64 == 0)


def ten_classes(x):
    return np.zeros((1, 10, *x.shape[2:]))


def crash(*arguments):
    raise RuntimeError('Ouch')


class Returns(Applies):
    """A net that returns what a function makes of the photo."""

    def __init__(self, function):
        super().__init__(function)
        self.dense = nn.Dense(1, in_units=1)
        self.dense.initialize()


@pytest.mark.parametrize(
    ('make', 'phrase'),
    [
        (lambda: Truth(lambda label: 0 * label), 'calls every pixel backgr'),
        (lambda: Truth(few_columns), 'hardly left the baseline'),
        (lambda: Truth(some_columns), 'classes present'),
        (lambda: (Truth(), {'loss': [1]}), 'not its history'),
        (lambda: {'loss': [1]}, 'no network'),
        (lambda: Returns(ten_classes), '(1, 21, 64, 96)'),
        (lambda: Returns(lambda x: x[:, :1] * onp.nan), '(1, 21, 64, 96)'),
        (lambda: Returns(crash), 'Ouch'),
    ],
)
def test_nets_that_miss_the_target(make, phrase):
    says(check.target(make()), phrase)


# ------------------------------------------------------------------ fuse
class Fused(nn.Block):
    """FCN-16s in many ways, some of them wrong."""

    def __init__(
        self,
        net,
        index=8,
        channels=256,
        start='zeros',
        kernel=1,
        twice=None,
        upsample=None,
        separate=False,
        before=None,
        change=lambda tap: tap,
        old=True,
    ):
        super().__init__()
        self.backbone, self.score = net.backbone, net.score
        self.tap = nn.Conv2D(
            21, kernel, padding=kernel // 2, in_channels=channels
        )
        if start:
            self.tap.initialize(start)
        self.twice = twice or segbook.BilinearUpsampling(2)
        self.upsample = upsample or segbook.BilinearUpsampling(16)
        self.whole = segbook.BilinearUpsampling(32)
        self.before = before or Applies(lambda x: x)
        self.index, self.separate = index, separate
        self.change, self.old = change, old

    def forward(self, x):
        for index, one in enumerate(self.backbone):
            x = one(x)
            if index == self.index - 1:
                tap = self.change(self.tap(self.before(x)))
        scores = self.score(x)
        if not self.old:
            return self.upsample(tap)
        if self.separate:
            return self.whole(scores) + self.upsample(tap)
        return self.upsample(self.twice(scores) + tap)


def test_adding_before_or_after_the_enlargement_is_right():
    assert check.fuse(Fused)
    assert check.fuse(lambda net: Fused(net, separate=True))


def test_a_trainable_upsampling_and_a_normalised_tap_are_right():
    def fuse(net):
        norm = nn.BatchNorm(in_channels=256)
        norm.initialize()
        return Fused(net, before=norm, upsample=layer(21, 16, groups=21))

    assert check.fuse(fuse)


def repeat(times):
    return Applies(lambda x: x.repeat(times, axis=2).repeat(times, axis=3))


def stamps():
    return layer(21, 16, init.One(), kernel=16, groups=21)


def shifted():
    up = segbook.BilinearUpsampling(16)
    return Applies(lambda x: np.roll(up(x), 8, axis=3))


class NoScore(Fused):
    def __init__(self, net):
        super().__init__(net)
        self.score = nn.Conv2D(21, 3, padding=1, in_channels=512)
        self.score.initialize('zeros')


WRONG_FUSIONS = [
    ({'start': init.Normal(0.1)}, 'start it with zeros'),
    ({'index': 7, 'channels': 128}, 'that is stride 8'),
    ({'index': 6, 'channels': 64}, 'that is stride 4'),
    ({'index': 9, 'channels': 512}, 'that is stride 32'),
    ({'kernel': 3}, 'make it 1 x 1'),
    ({'start': None}, 'needs initialize'),
    ({'twice': repeat(2)}, 'repeats each score here'),
    ({'twice': layer(21, 2, init.Normal(0.1))}, 'arrive changed'),
    ({'separate': True, 'upsample': stamps()}, 'arrive in their place'),
    ({'separate': True, 'upsample': shifted()}, 'arrive in their place'),
    ({'change': lambda tap: 0 * tap}, 'no gradient reaches'),
    ({'change': lambda tap: tap.detach()}, 'no gradient reaches'),
    ({'change': lambda tap: tap[:, :, ::2, ::2]}, 'maps of different sizes'),
    ({'old': False}, 'are the old ones added'),
]


@pytest.mark.parametrize(('how', 'phrase'), WRONG_FUSIONS)
def test_wrong_fusions(how, phrase):
    says(check.fuse(lambda net: Fused(net, **how)), phrase)


def test_other_wrong_fusions():
    says(check.fuse(lambda net: net), 'no new convolution')
    says(check.fuse(lambda net: None), 'returns no network')
    says(check.fuse(NoScore), 'layers of the network are missing')


# --------------------------------------------------------------- borders
def band_by_shifts(label, width, straight=False):
    """Near borders, by shifting the label in all directions."""
    padded = onp.pad(label, width, mode='edge')
    near = onp.zeros(label.shape, dtype=bool)
    height, wide = label.shape
    for down in range(2 * width + 1):
        for across in range(2 * width + 1):
            far = (down - width) ** 2 + (across - width) ** 2
            if straight and far > width**2:
                continue
            shifted = padded[down : down + height, across : across + wide]
            near |= shifted != label
    return near


def near_and_inside(labels, predictions, width, read=None, **how):
    figures = []
    straight = how.get('straight', False)
    for wanted in (True, False):
        metric = utils.SegmentationMetric(21)
        for label, prediction in zip(labels, predictions, strict=True):
            source = prediction if how.get('on_prediction') else label
            near = band_by_shifts(source, width, straight)
            truth = label
            if how.get('void_counts'):
                truth = onp.where(label == VOID, 0, label)
            metric.update(truth[near == wanted], prediction[near == wanted])
        figures.append((read or (lambda m: m.mean_iu))(metric))
    return figures


@pytest.mark.parametrize('straight', [False, True])
def test_bands_by_shifting_are_right(straight):
    assert check.borders(
        lambda *x: onp.array(near_and_inside(*x, straight=straight))
    )


def mean_of_means(labels, predictions, width):
    pairs = zip(labels, predictions, strict=True)
    each = [near_and_inside([a], [b], width) for a, b in pairs]
    return onp.mean(each, axis=0)


def all_pixels_second(labels, predictions, width):
    metric = utils.SegmentationMetric(21)
    for pair in zip(labels, predictions, strict=True):
        metric.update(*pair)
    return near_and_inside(labels, predictions, width)[0], metric.mean_iu


def of_21(metric):
    return onp.nansum(metric.class_iu) / 21


WRONG_BORDERS = [
    (lambda *x: near_and_inside(*x)[::-1], 'near comes first'),
    (lambda *x: near_and_inside(*x, on_prediction=True), 'of the truth'),
    (lambda a, b, w: near_and_inside(a, b, w - 1), 'too narrow'),
    (lambda a, b, w: near_and_inside(a, b, w + 1), 'too wide'),
    (lambda *x: near_and_inside(*x, void_counts=True), 'must not count'),
    (mean_of_means, 'the mean IU of each image'),
    (
        lambda *x: near_and_inside(*x, read=lambda m: m.pixel_accuracy),
        'that is the pixel accuracy',
    ),
    (lambda *x: near_and_inside(*x, read=of_21), 'not over all 21'),
    (all_pixels_second, 'that of all pixels'),
    (lambda *x: (0.5, 0.6), 'then the usual metric counts'),
    (lambda *x: 0.5, 'shape (2,)'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_BORDERS)
def test_wrong_borders(function, phrase):
    says(check.borders(function), phrase)


def test_void_beside_a_pixel_is_a_border_too():
    def no_border_at_void(labels, predictions, width):
        figures = []
        for wanted in (True, False):
            metric = utils.SegmentationMetric(21)
            for label, prediction in zip(labels, predictions, strict=True):
                known = sorted(set(label.ravel()) - {VOID})
                places = {c: onp.argwhere(label == c) for c in known}
                near = onp.zeros(label.shape, dtype=bool)
                for row, column in onp.argwhere(label != VOID):
                    for c in known:
                        if c != label[row, column]:
                            far = abs(places[c] - (row, column)).max(axis=1)
                            near[row, column] |= far.min() <= width
                some = onp.where(near == wanted, label, VOID)
                metric.update(some, prediction)
            figures.append(metric.mean_iu)
        return figures

    says(check.borders(no_border_at_void), 'void beside a pixel')


# ---------------------------------------------------------------- oracle
def best(label, stride, void='no vote', decided=False, enlarge=None, cut=True):
    """The oracle by Pillow: classes are resized one after the other."""
    padded = utils.pad_to(
        label, *(-(-s // stride) * stride for s in label.shape), VOID
    )
    if void == 'background':
        padded = onp.where(padded == VOID, 0, padded)
    height, width = padded.shape
    shape = height // stride, stride, width // stride, stride
    counts = (padded != VOID).reshape(shape).sum(axis=(1, 3))
    maps = []
    for c in range(256 if void == 'class' else 21):
        votes = (padded == c).reshape(shape).sum(axis=(1, 3))
        if void == 'rescaled':
            votes = votes / onp.maximum(counts, 1)
        maps.append(votes)
    maps = onp.array(maps, dtype='float32')
    if decided:
        maps = (maps == maps.max(axis=0)).astype('float32')
    enlarge = enlarge or (
        lambda m: onp.array(
            Image.fromarray(m).resize((width, height), Image.BILINEAR)
        )
    )
    found = onp.array([enlarge(m) for m in maps]).argmax(axis=0)
    return found[: label.shape[0], : label.shape[1]] if cut else found


@pytest.mark.parametrize('void', ['no vote', 'rescaled'])
def test_an_oracle_made_with_pillow_is_right(void):
    assert check.oracle(lambda *x: best(*x, void=void).tolist())


def in_squares(label, stride):
    return best(
        label,
        stride,
        enlarge=lambda m: m.repeat(stride, axis=0).repeat(stride, axis=1),
    )


def a_shifted_one(label, stride):
    return onp.roll(best(label, stride), stride // 2, axis=1)


WRONG_ORACLES = [
    (lambda *x: best(*x, void='background'), 'void has voted'),
    (lambda *x: best(*x, void='class'), 'predicts void'),
    (lambda *x: best(*x, decided=True), 'decided before they were enlarged'),
    (in_squares, 'each cell is one square'),
    (lambda *x: best(*x, cut=False), 'cut the prediction back'),
    (a_shifted_one, 'lie in place'),
    (lambda label, s: onp.where(label == VOID, 7, label), 'survives a stride'),
    (lambda label, s: best(label, 32), 'as large as the stride'),
    (lambda label, s: 0 * label, 'of one class all over'),
    (lambda label, s: onp.zeros((21, *label.shape)), 'argmax'),
]


@pytest.mark.parametrize(('function', 'phrase'), WRONG_ORACLES)
def test_wrong_oracles(function, phrase):
    says(check.oracle(function), phrase)
