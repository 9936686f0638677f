"""Checks of the exercises on fully convolutional networks."""

from collections import Counter
from functools import partial

import segbook
import utils
from checks import (
    TOO_ROUND,
    Wrong,
    array,
    blocks,
    call,
    check,
    expect,
    recognise,
    same,
    share,
    upsampling_matrix,
    whole,
    words,
)

import numpy as onp
from mxnet import autograd, init, np
from mxnet.gluon import nn

CLASSES = len(segbook.VOC_CLASSES)
MANY = 20  # as many validation images are looked at
GAIN = 0.08  # mean IU above the baseline that the settings must reach


# ------------------------------------------------ A mean that ignores void


@check(
    'a function of scores (N, C, H, W) and labels (N, H, W) that returns '
    'their mean loss as one number'
)
def mean_loss(function):
    """Compare with the cross-entropy computed in NumPy, in float64.

    function(scores, labels): MXNet arrays, float32 (N, C, H, W) and uint8
    (N, H, W), to one number as an MXNet array through which the gradient
    flows; 0 if all is void. Random inputs: without void, with as much void
    in one image as in the other, with more in one, with void alone.
    """
    rng = onp.random.default_rng(11)
    for shares in ((0, 0), (0.5, 0.5), (0.8, 0.1), (1, 1)):
        scores = rng.normal(scale=2, size=(2, 5, 6, 7))
        labels = rng.integers(5, size=(2, 6, 7))
        for label, void in zip(labels, shares, strict=True):
            label[rng.uniform(size=label.shape) < void] = utils.VOID
        _judge_loss(function, scores, labels)
    return (
        'Void changes neither the loss nor the size of a step, whatever its '
        'share; and the gradient is 0 at void pixels.'
    )


def _judge_loss(function, scores, labels):
    counts = labels != utils.VOID
    number = counts.sum()
    x = np.array(scores, dtype='float32')
    x.attach_grad()
    with autograd.record():
        result = call(function, x, np.array(labels, dtype='uint8'))
    if getattr(result, 'shape', ()) == labels.shape:
        raise Wrong(
            'the function returns a loss for each pixel',
            expected='one number',
            got=f'an array of shape {labels.shape}',
            hint='add the losses up, then divide: by how many?',
        )
    try:
        value = array(result, name='the mean loss')
    except Wrong as wrong:
        if number or 'NaN' not in str(wrong):
            raise
        raise Wrong(
            'the loss of labels that are all void is not a number',
            expected=0,
            got='NaN or infinity',
            hint='a window of nothing but void happens, on padding for '
            'example; divide by no less than 1',
        ) from None
    if value.size != 1:
        raise Wrong(
            'the mean loss is not one number',
            got=f'an array of shape {value.shape}',
        )
    losses = _losses(scores, labels)
    kept = losses[counts].sum()
    each = [
        part[mask].mean() if mask.any() else 0
        for part, mask in zip(losses, counts, strict=True)
    ]
    expect(
        value.item(),
        kept / max(number, 1),
        f'a wrong mean for labels of which {labels.size - number} of '
        f'{labels.size} pixels are void',
        (
            kept / labels.size,
            'the void pixels have no loss, yet they still count in the mean: '
            'the sum is divided by the number of all pixels',
        ),
        (
            kept,
            'that is the sum; divide it by the number of pixels that count',
        ),
        (
            losses.mean(),
            'void pixels are trained as background: each has a loss for '
            'class 0. Multiply by the mask as well',
        ),
        (
            losses.sum() / max(number, 1),
            'the loss of void pixels for class 0 is in the sum',
        ),
        (
            onp.mean(each),
            'each image has its own mean, and then the images count alike: a '
            'pixel of an image with much void weighs more than others. Divide '
            'once, over the whole batch',
        ),
        (
            -kept / max(number, 1),
            'the sign: minus the logarithm of the probability',
        ),
        expected='{:.5f}',
        got='{:.5f}',
        hint='compare with two pixels worked out by hand: minus the logarithm '
        'of the softmax over the classes, axis 1, at the true class',
        tolerance=1e-3,
    )
    _judge_gradient(result, x, scores, labels)


def _losses(scores, labels):
    """Cross-entropy of each pixel, void taken for class 0, in float64."""
    known = onp.where(labels == utils.VOID, 0, labels)[:, None]
    own = onp.take_along_axis(scores, known, axis=1)[:, 0]
    return onp.log(onp.exp(scores).sum(axis=1)) - own


def _judge_gradient(result, x, scores, labels):
    lost = Wrong(
        'the value is right, but no gradient comes back from it',
        expected='an MXNet array through which the gradient flows',
        got=type(result).__name__,
        hint='float(), item(), asnumpy() and NumPy leave MXNet, and nothing '
        'can be trained any more; stay with its arrays',
    )
    if not hasattr(result, 'backward'):
        raise lost
    try:
        result.backward()
    except Exception:
        raise lost from None
    counts = (labels != utils.VOID)[:, None]
    odds = onp.exp(scores)
    slope = odds / odds.sum(axis=1, keepdims=True)
    slope -= onp.arange(scores.shape[1])[:, None, None] == labels[:, None]
    slope = slope * counts / max(counts.sum(), 1)
    got = array(x.grad, name='the gradient')
    if not same(got, slope):
        if not got.any():
            raise lost
        raise Wrong(
            'the value is right, but the gradient is not',
            got=f'off by up to {onp.abs(got - slope).max():.2g}',
            hint='is a part computed outside of MXNet, or detached?',
        )


# ------------------------------------------------------ Photos of any size


@check(
    'the size of the scores, two numbers, and a function of a net and a photo '
    'that returns a class for each pixel'
)
def any_size(score_size, segment):
    """Work out the size layer by layer; let `segment` use a net of our own.

    score_size: (height, width) of the scores of an FCN-32s for a photo of
    321 x 481. segment(net, photo): uint8 NumPy (H, W, 3) to integers (H, W).
    The net knows classes by colour, refuses what it must not be given, and
    remembers what it saw; so a resized or a shifted photo is found out.
    """
    _judge_size(score_size)
    rng = onp.random.default_rng(5)
    for size in ((33, 50), (40, 31), (64, 96)):
        truth = rng.integers(1, len(_COLORS), size=size)
        _judge_segment(segment, _COLORS[truth].astype('uint8'), truth)
    return (
        'Padding adds at most 31 rows and 31 columns, and every object keeps '
        'the size that the network has learnt.'
    )


def _judge_size(answer):
    got = tuple(
        whole(side, 'the size of the scores')
        for side in array(answer, (2,), 'the size of the scores')
    )
    maps = []
    for size in (321, 481):
        for kernel, padding in ((7, 3), (3, 1), (3, 1), (3, 1), (3, 1)):
            size = segbook.conv_size(size, kernel, 2, padding)
        maps.append(size)
    right = [32 * size for size in maps]
    expect(
        got,
        right,
        'the size of the scores for 321 x 481 is another one',
        (right[::-1], 'height comes before width'),
        (
            (321, 481),
            'the scores can only be a multiple of 32 high and wide: how large '
            'is the map before the last layer?',
        ),
        (
            (320, 480),
            'a halving rounds up here: a convolution with kernel 7, stride 2 '
            'and padding 3 makes 161 of 321. Go on from there',
        ),
        (maps, 'that is the map before it is enlarged 32 times'),
        (
            (10, 15),
            'a halving rounds up here, not down; and then the map is enlarged '
            '32 times',
        ),
        got=f'{got[0]} x {got[1]}',
        hint='halve five times, each time by the formula for the output size '
        'of a convolution; then enlarge 32 times',
    )


# The mean colour first: what is padded with it is class 0.
_COLORS = onp.array(
    [
        utils.MEAN_COLOR,
        (230, 40, 40),
        (40, 200, 60),
        (50, 70, 230),
        (240, 220, 50),
    ]
)


def _normal(colors):
    """Normalise colours, (..., 3) from 0 to 255."""
    return (colors / 255 - onp.array(utils.RGB_MEAN)) / utils.RGB_STD


class _ByColor(nn.Block):
    """A net that scores a pixel by its colour and remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.dense = nn.Dense(1, in_units=1)  # so that it is on a device
        self.dense.initialize()

    def forward(self, x):
        shape = tuple(getattr(x, 'shape', ()))
        if len(shape) != 4 or shape[0] != 1 or shape[1] != 3:
            raise Wrong(
                'the net was given an array of the wrong shape',
                expected='(1, 3, height, width)',
                got=shape,
                hint='utils.normalize takes a batch of photos, (1, height, '
                'width, 3), and puts the channels second',
            )
        if shape[2] % 32 or shape[3] % 32:
            raise Wrong(
                'the net was given sides that 32 does not divide',
                got=f'{shape[2]} x {shape[3]}',
                hint='pad the photo up to the next multiple of 32 first',
            )
        x = array(x, name="the net's input")
        if x.min() >= 0 or x.max() > 20:
            raise Wrong(
                'the net was given a photo that is not normalised',
                expected='values around 0, from about -2 to 3',
                got=f'values from {x.min():.3g} to {x.max():.3g}',
                hint='the network was trained on what utils.normalize returns',
            )
        self.seen.append(x[0])
        far = x[0][None] - _normal(_COLORS)[:, :, None, None]
        scores = -(far**2).sum(axis=1)
        return np.array(scores[None], dtype='float32')


def _judge_segment(segment, photo, truth):
    net = _ByColor()
    result = call(
        segment, net, photo.copy(), name='segment', without=[utils.predict]
    )
    if not net.seen:
        raise Wrong('segment never called the net')
    size = truth.shape
    hint = partial(_why_shape, size, net.seen[-1].shape[1:])
    got = array(result, size, f'the prediction for a photo of {size}', hint)
    kept = any(_holds(seen, _normal(photo)) for seen in net.seen)
    if not kept and len(net.seen) == 1:
        raise Wrong(
            'the net did not see the photo as it is, pixel by pixel',
            hint='was it resized, or cut? A resized photo has objects of '
            'other sizes, and a pixel of the prediction is no pixel of the '
            'photo any more: pad instead',
        )
    right = (got == truth).mean()
    if right < 1:
        raise Wrong(
            'labels and photo do not lie on each other',
            expected='every pixel of the class that the net sees there',
            got=f'{right:.0%} of the pixels right',
            hint='cut the prediction where the photo lies in the padded one: '
            'if you padded at the top or left, begin there',
        )


def _why_shape(size, seen, got):
    if got == tuple(side // 32 * 32 for side in size):
        return (
            'the photo was cut down to a multiple of 32: its border gets no '
            'class. Pad it up instead'
        )
    if got == seen:
        return 'that is the size of the padded photo: cut the prediction back'
    if len(got) == 3 and got[0] == len(_COLORS):
        return (
            'those are scores, one for each class: take the class of the '
            'highest one, argmax over the classes'
        )
    if len(got) == 3 and got[0] == 1:
        return 'the first axis counts the photos of the batch: take number 0'
    return None


def _holds(seen, photo):
    """Whether (3, h, w) holds a normalised photo (H, W, 3) somewhere."""
    photo = photo.transpose(2, 0, 1)
    _, height, width = photo.shape
    for top in range(seen.shape[1] - height + 1):
        for left in range(seen.shape[2] - width + 1):
            if onp.abs(seen[:, top, left] - photo[:, 0, 0]).max() > 0.02:
                continue
            window = seen[:, top : top + height, left : left + width]
            if same(window, photo, 0.02):
                return True
    return False


# -------------------------------------------- Fewer numbers that enlarge


@check(
    'a function of the number of classes and the stride that returns an '
    'initialised layer'
)
def upsampling(make):
    """Compare with the book's matrices, and count the parameters.

    make(classes, stride): a block that enlarges (N, classes, h, w) like the
    bilinear transposed convolution, with at most one kernel of side twice
    the stride for each class, and can be trained. Tried for two pairs, on
    random scores; and once as large as in the chapter, to count.
    """
    rng = onp.random.default_rng(8)
    for classes, stride in ((3, 4), (5, 2)):
        layer = call(make, classes, stride)
        _judge_block(
            layer,
            'the function returns no layer',
            expected='a block of Gluon, such as nn.Conv2DTranspose',
        )
        scores = rng.normal(size=(2, classes, 3, 5))
        _judge_upsampling(layer, scores, stride)
        _judge_numbers(layer, classes, stride)
        _judge_trainable(layer, scores)
    large = call(make, CLASSES, 32)
    _apply(large, np.zeros((1, CLASSES, 1, 1)), 'the layer')  # shapes known
    return (
        f'The same scores. For {CLASSES} classes and stride 32 your layer has '
        f'{_numbers(large):,d} numbers, one kernel for every pair of classes '
        f'has {CLASSES**2 * 64**2:,d}; and no class can leak into another.'
    )


def _judge_block(answer, problem, **parts):
    if not callable(answer) or not hasattr(answer, 'collect_params'):
        raise Wrong(problem, got=type(answer).__name__, **parts)


def _apply(block, x, name):
    """Call a block on an MXNet array; say its common errors kindly."""
    try:
        return call(block, x, name=name)
    except Wrong as wrong:
        if 'initialized' in str(wrong):
            raise Wrong(
                f'{name} has no weights, or a part of it has none',
                hint='a new layer needs initialize(…) before its first input',
            ) from None
        if 'broadcast' in str(wrong):
            raise Wrong(
                f'{name} adds maps of different sizes',
                hint='print the shape after each layer of the backbone: which '
                'index is the last with a sixteenth of the size? And the map '
                'at stride 32 must be enlarged twice before it is added',
            ) from None
        raise


def _judge_upsampling(layer, scores, stride):
    right = _enlarge(scores, stride)
    result = _apply(layer, np.array(scores, dtype='float32'), 'the layer')
    got = array(
        result,
        right.shape,
        f"the layer's output for {scores.shape}",
        f'to enlarge {stride} times, s(i − 1) + k − 2p must be s times i: k '
        'and p follow from the stride',
    )
    alone = np.array(scores, dtype='float32')
    alone[:, 1:] = 0
    leak = array(_apply(layer, alone, 'the layer'), right.shape)[:, 1:]
    if onp.abs(leak).max() > 1e-4:
        raise Wrong(
            'the scores of one class leak into the other classes',
            hint='only the first class was not zero, yet others came out. '
            'Each class needs a kernel of its own (groups), and no bias but 0',
        )
    inside = (..., slice(stride, -stride), slice(stride, -stride))
    hint = (
        'which kernel makes the layer interpolate? See bilinear_kernel, and '
        'the order of the axes of the weight'
    )
    if _is_pasted(got, stride):
        hint = (
            'a kernel as large as the stride: each score is stamped into a '
            'square of its own, and the squares never overlap'
        )
    elif same(got[inside], right[inside]):
        hint = (
            'inside it is right, at the border it is not: the transposed '
            'convolution is not divided by its output on ones'
        )
    expect(
        got,
        right,
        'the scores are not those of the bilinear transposed convolution',
        (
            onp.zeros(right.shape),
            'all scores are 0: with which weights does the layer start?',
        ),
        (
            blocks(scores, stride),
            'each score becomes a square: nothing is interpolated. A stamp '
            'must reach its neighbours, so the kernel is larger than the '
            'stride',
        ),
        expected='a difference of at most 1e-4',
        got=f'a difference of {onp.abs(got - right).max():.2g}',
        hint=hint,
    )


def _is_pasted(got, stride):
    """Whether every stride x stride square is a multiple of one stamp."""
    n, c, height, width = got.shape
    cells = got.reshape(n, c, height // stride, stride, -1, stride)
    for channel in range(c):
        each = cells[:, channel].transpose(0, 1, 3, 2, 4)
        values = onp.linalg.svd(
            each.reshape(-1, stride * stride), compute_uv=False
        )
        if values[1] > 1e-3 * values[0]:
            return False
    return True


def _enlarge(scores, stride):
    """Interpolate linearly along both axes, with zeros beyond the border."""
    rows, columns = (
        upsampling_matrix(side, stride) for side in scores.shape[-2:]
    )
    return rows @ scores @ columns.T


def _numbers(layer):
    """Count the numbers of a layer."""
    return sum(int(onp.prod(p.shape)) for p in layer.collect_params().values())


def _judge_trainable(layer, scores):
    """At least one number must get a gradient."""
    with autograd.record():
        loss = (layer(np.array(scores, dtype='float32')) ** 2).sum()
    trained = [
        weight
        for weight in layer.collect_params().values()
        if weight.grad_req != 'null'
    ]
    if trained:
        loss.backward()
    if not any(array(weight.grad()).any() for weight in trained):
        raise Wrong(
            'the scores are right, but nothing in the layer can be trained',
            hint='its kernel must be a weight that gets a gradient',
        )


def _judge_numbers(layer, classes, stride):
    numbers = _numbers(layer)
    most = classes * (2 * stride) ** 2
    if numbers <= most:
        return
    hint = 'which of them are not needed?'
    if numbers >= classes * most:
        hint = (
            'there still is a kernel from every class to every class, most '
            'of them 0: groups leaves one a class'
        )
    elif numbers == most + classes:
        hint = 'a bias of each class is not needed: use_bias=False'
    raise Wrong(
        'the scores are right, but the layer has too many numbers',
        expected=f'at most {most} for {classes} classes and stride {stride}',
        got=numbers,
        hint=hint,
    )


# ------------------------------------------------------ Tables and targets

_STARTS = 'bilinear fixed', 'bilinear trained', 'random trained'


@check('a dict of four mean IUs and a string: what you conclude, and why')
def start(table, why):
    """Look whether the numbers make sense; they may be made up.

    table: dict from 'all background' and the three starts to mean IUs, from
    0 to 1, on the first 20 validation images; the baseline is computed anew.
    why: a sentence at least.
    """
    if not isinstance(table, dict):
        raise Wrong('the table is no dict', got=type(table).__name__)
    names = 'all background', *_STARTS
    missing = [name for name in names if name not in table]
    if missing:
        raise Wrong(
            'the table lacks entries', expected=names, got=f'no {missing}'
        )
    values = {}
    for name in names:
        values[name] = float(share(table[name], (), name))
    metric = _baseline()
    _judge_baseline(values['all background'], metric)
    for name in _STARTS:
        _judge_mean_iu(name, values[name], metric)
    if len({values[name] for name in _STARTS}) == 1:
        raise Wrong(
            'three trainings ended at exactly the same figure',
            hint='was the same network evaluated three times? Is the new '
            'layer really given to make_fcn, and trained?',
        )
    words(why, name='your conclusion')
    best = max(_STARTS, key=values.get)
    return (
        f'In your table «{best}» is best, by '
        f'{values[best] - values["random trained"]:.3f} over the random '
        'start. The figures make sense; whether they were measured, and '
        'whether your reason is a good one, a program cannot know. Compare '
        'it with the solution, and ask how far another seed would move the '
        'figures.'
    )


def _pairs():
    """The first validation images: a list of (photo, label)."""
    images = segbook.VOCSegDataset(utils.voc_root(), 'val')
    return [images[i] for i in range(MANY)]


def _baseline():
    """The metric of calling every pixel of them background."""
    metric = utils.SegmentationMetric(CLASSES)
    for _, label in _pairs():
        metric.update(label, onp.zeros_like(label))
    return metric


def _judge_baseline(value, metric):
    accuracy = metric.pixel_accuracy
    expect(
        value,
        metric.mean_iu,
        'the baseline is another one',
        (
            accuracy,
            round(accuracy, 2),
            'that is the pixel accuracy, which says little: see mean_iu',
        ),
        (
            accuracy / CLASSES,
            'the mean is over the classes present, not over all 21',
        ),
        (round(metric.mean_iu, 2), TOO_ROUND),
        expected='{:.3f}',
        got='{:.3f}',
        hint=f'count it on the first {MANY} images of the validation set',
        tolerance=0.002,
    )


def _judge_mean_iu(name, value, metric):
    if value > 0.9:
        raise Wrong(
            f'{name}: no network that decides once in 32 pixels gets there',
            got=f'{value:.3f}',
            hint='is it the pixel accuracy? The baseline has one of '
            f'{metric.pixel_accuracy:.3f}',
        )
    if value < metric.mean_iu / 2:
        raise Wrong(
            f'{name} is far worse than calling everything background',
            expected=f'hardly less than {metric.mean_iu:.3f}',
            got=f'{value:.3f}',
            hint='look at the prediction of one image; is the photo '
            'normalised, and is the mean over the classes present?',
        )


@check('a network after at most 50 steps of training', seconds=90)
def target(net):
    """Evaluate a network on the first 20 validation images.

    net: photos (N, 3, H, W), normalised, to scores (N, 21, H, W). Its mean
    IU must lie 0.08 above that of calling everything background.
    """
    if isinstance(net, list | tuple):
        raise Wrong(
            'several things were handed in',
            expected='the network alone',
            hint='hand in the network, not its history',
        )
    _judge_block(net, 'this is no network')
    pairs = _pairs()
    photo = np.zeros((1, 3, 64, 96), ctx=call(utils.devices_of, net)[0])
    array(call(net, photo, name='the network'), (1, CLASSES, 64, 96), 'scores')
    metric = call(utils.evaluate, net, pairs, name='evaluating the network')
    baseline = metric.all_background().mean_iu
    needed = baseline + GAIN
    found = int((metric.class_iu[metric.present] > 0.1).sum())
    if metric.mean_iu < needed:
        if not metric.confusion[:, 1:].any():
            hint = (
                'it calls every pixel background, as nearly all pixels are: '
                'the steps are too small to get away from there, or so large '
                'that the weights were lost. Does the new layer learn faster '
                'than the pretrained ones?'
            )
        elif metric.mean_iu < baseline + 0.04:
            hint = (
                'it has hardly left the baseline. Look at the loss: does it '
                'fall slowly, or jump?'
            )
        else:
            hint = (
                f'it finds {found} of the {int(metric.present.sum())} classes '
                'present. Change one setting at a time, and by a factor, not '
                'by a little'
            )
        raise Wrong(
            'the target is not reached',
            expected=f'a mean IU of {needed:.3f}: {GAIN} above the baseline',
            got=f'{metric.mean_iu:.3f}',
            hint=hint,
        )
    return (
        f'Mean IU {metric.mean_iu:.3f} (all background: {baseline:.3f}), on '
        f'{len(pairs)} images. How many settings did you try on these same '
        'images? The best of many is lucky as well as good; and that it took '
        'no more than 50 steps, only you know.'
    )


# ---------------------------------------------------- An earlier layer


@check('a function of an FCN-32s that returns an FCN-16s made of it')
def fuse(function):
    """Let a small untrained net be fused, and look at what comes out.

    function(net): net is of `segbook.make_fcn`, for 21 classes; returned is
    a block with one new 1 x 1 convolution of the features at stride 16. At
    the start it predicts as before; the gradient reaches the new layer, and
    its weights change the scores at stride 16, in place.
    """
    rng = onp.random.default_rng(3)
    net = _small_net(rng)
    device = utils.devices_of(net)[0]
    x = np.array(rng.normal(size=(1, 3, 64, 96)), dtype='float32')
    x = x.as_in_ctx(device)
    before = net(x).asnumpy()
    old = _shapes(net)
    fused = call(function, net, name='fuse')
    _judge_block(fused, 'fuse returns no network')
    try:
        result = _apply(fused, x, 'the fused network')
    except Wrong:
        if _new_weights(old, fused):
            _judge_layers(old, fused)  # that may say why
        raise
    after = array(result, before.shape, 'the scores')
    new = _judge_layers(old, fused)
    tap = next(p for p in _parameters(fused) if tuple(p.shape) == new)
    _judge_start(before, after, tap)
    _judge_tap(fused, x, tap, after)
    return (
        f'At the start nothing has changed, and {int(onp.prod(new)):,d} new '
        'weights are ready to learn. The taps of the paper begin like this.'
    )


def _small_net(rng):
    """An FCN-32s whose layers have the shapes of ResNet18_v2, but are fast.

    The random weights leave MXNet's own generator alone.
    """
    features = nn.HybridSequential()
    features.add(nn.BatchNorm(), nn.Conv2D(64, 7, 2, 3, use_bias=False))
    features.add(nn.BatchNorm(), nn.Activation('relu'), nn.MaxPool2D(3, 2, 1))
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        features.add(nn.Conv2D(channels, 3, stride, 1, use_bias=False))
    features.add(nn.BatchNorm(), nn.Activation('relu'))
    features.add(nn.GlobalAvgPool2D(), nn.Flatten())
    net = segbook.FCN(features, CLASSES, segbook.BilinearUpsampling(32))
    device = utils.try_all_gpus()[0]
    net.initialize(init.Zero(), device)
    net(np.zeros((1, 3, 32, 32), ctx=device))  # now all shapes are known
    for weight in _parameters(net):
        if len(weight.shape) == 4:
            inputs = onp.prod(weight.shape[1:])
            values = rng.normal(size=weight.shape) * (2 / inputs) ** 0.5
            weight.set_data(np.array(values, dtype='float32'))
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def _parameters(net):
    return list(net.collect_params().values())


def _shapes(net):
    return Counter(tuple(p.shape) for p in _parameters(net))


def _new_weights(old, fused):
    """The shapes of convolutions that were not there before, if known."""
    shapes = _shapes(fused) - old
    return [shape for shape in shapes if len(shape) == 4 and min(shape) > 0]


def _judge_layers(old, fused):
    """Return the shape of the new layer's weight: (classes, 256, 1, 1)."""
    lost = old - _shapes(fused)
    if lost:
        raise Wrong(
            'layers of the network are missing',
            got=f'none with weights of the shape {next(iter(lost))}',
            hint='take over all layers of net: backbone and score',
        )
    new = _new_weights(old, fused)
    right = (CLASSES, 256, 1, 1)
    if right in new:
        return right
    if not new:
        raise Wrong(
            'there is no new convolution',
            hint='it must be an attribute of the block, so that Gluon finds '
            'its weights',
        )
    stages = {64: 'stride 4', 128: 'stride 8', 512: 'stride 32'}
    shape = min(new, key=lambda shape: shape[1] not in stages)
    hint = 'a 1 x 1 convolution to scores of 21 classes'
    if shape[0] == CLASSES and shape[1] in stages:
        hint = (
            f'it reads {shape[1]} channels: that is {stages[shape[1]]}. Print '
            'the shape after each layer of the backbone: which index is the '
            'last with a sixteenth of the size?'
        )
    elif shape[:2] == right[:2]:
        hint = f'the kernel is {shape[2]} x {shape[3]}: make it 1 x 1'
    elif shape[:2] == (CLASSES, CLASSES):
        hint = (
            'an upsampling layer may be new, but where is the convolution '
            'that reads the features at stride 16?'
        )
    raise Wrong(
        'the new convolution is another one',
        got=f'a weight of the shape {shape}',
        hint=hint,
    )


def _judge_start(before, after, tap):
    """Judge the scores at the start, when the new layer must add nothing."""
    size = onp.abs(before).max()
    rows, columns = (
        upsampling_matrix(side // 32, 32) for side in before.shape[2:]
    )
    coarse = onp.linalg.pinv(rows) @ before @ onp.linalg.pinv(columns).T
    if any(
        same(after, right, 1e-3 * size)
        for right in (before, _enlarge(_enlarge(coarse, 2), 16))
    ):
        return
    same_classes = (before.argmax(axis=1) == after.argmax(axis=1)).mean()
    if onp.abs(tap.data(tap.list_ctx()[0]).asnumpy()).max() > 0:
        hint = (
            'the new layer starts with random weights, so it disturbs scores '
            'that are trained: start it with zeros'
        )
    elif not onp.abs(after).max() > 1e-6 * size:
        hint = 'all scores are 0: are the old ones added?'
    elif same(after, _enlarge(blocks(coarse, 2), 16), 1e-3 * size):
        hint = (
            'enlarging by 2 repeats each score here; it should interpolate, '
            'as enlarging by 16 does'
        )
    elif same_classes > 0.9:
        return  # with a border that is treated in another way, for example
    else:
        hint = (
            'the new layer adds nothing, as it should, so the scores at '
            'stride 32 arrive changed. Enlarge them bilinearly, by 2 and then '
            'by 16, in place: which kernel, which padding, which start?'
        )
    raise Wrong(
        'at the start, the fused network does not predict as before',
        expected='the same class at nearly all pixels',
        got=f'{same_classes:.0%} of the pixels',
        hint=hint,
    )


def _judge_tap(fused, x, tap, start):
    """Gradient must reach the new layer, and its scores the right place."""
    rng = onp.random.default_rng(4)
    pull = np.array(rng.normal(size=start.shape), dtype='float32')
    with autograd.record():
        loss = (fused(x) * pull.as_in_ctx(x.ctx)).sum()
    hint = (
        'is the output of the new layer used, and not multiplied by another '
        'zero? Zero weights alone still get a gradient'
    )
    try:
        loss.backward()
        slope = tap.grad(x.ctx).asnumpy()
    except Exception:
        slope, hint = onp.zeros(1), 'is its grad_req null, or is it detached?'
    if not onp.abs(slope).max() > 0:
        raise Wrong('no gradient reaches the new layer', hint=hint)
    weight = rng.normal(size=tap.shape)
    tap.set_data(np.array(weight, dtype='float32'))
    added = array(_apply(fused, x, 'the fused network')) - start
    rows, columns = (
        upsampling_matrix(side // 16, 16) for side in start.shape[2:]
    )
    rows, columns = (
        lines @ onp.linalg.pinv(lines) for lines in (rows, columns)
    )
    near = rows @ added @ columns.T  # what of it a map at stride 16 can be
    size = onp.abs(added).max()
    if not size > 0:
        raise Wrong(
            'with other weights in the new layer, the scores stay the same',
            hint='is its output added to the scores?',
        )
    rest = ((added - near) ** 2).sum() / (added**2).sum()
    if rest > 0.05:
        raise Wrong(
            "the new layer's scores do not arrive in their place",
            expected='a map at stride 16, enlarged bilinearly 16 times',
            hint='kernel 32, stride 16, and which padding? Squares or a '
            'shift of some pixels show up here too',
        )


# -------------------------------------------------- Borders and the inside


@check(
    'a function of labels, predictions and a width that returns two mean IUs: '
    'near borders, and inside',
    seconds=10,
)
def borders(function):
    """Compare with distances between all pairs of pixels of small labels.

    function(labels, predictions, width): lists of integer arrays (H, W) to
    (mean IU near, mean IU inside). A pixel is near if another class or void
    is at most `width` pixels away in its label; the distance may be the
    larger of the steps down and across, their sum, or the straight line.
    """
    for seed, width in ((1, 2), (2, 1), (3, 3)):
        labels, predictions = _scenes(seed)
        result = call(
            function,
            [label.copy() for label in labels],
            [prediction.copy() for prediction in predictions],
            width,
        )
        got = array(result, (2,), 'near and inside')
        _judge_borders(got, labels, predictions, width)
    return (
        'All pixels of all images are counted together, on the truth, '
        'without void. Now measure a network with it.'
    )


def _scenes(seed):
    """Labels with objects in outlines of void, and worse predictions."""
    rng = onp.random.default_rng(seed)
    labels, predictions = [], []
    for size in ((24, 30), (20, 22)):
        label = onp.zeros(size, dtype='uint8')
        for kind in (1, 2, 4):
            high, wide = rng.integers(7, 12, size=2)
            top = rng.integers(size[0] - high)
            left = rng.integers(size[1] - wide)
            if kind != 4 and size[0] == 24:  # one without, one with void
                label[top : top + high, left : left + wide] = utils.VOID
                high, wide, top, left = high - 2, wide - 2, top + 1, left + 1
            label[top : top + high, left : left + wide] = kind
        prediction = onp.roll(label, (1, -2), axis=(0, 1))
        prediction[prediction == utils.VOID] = 3
        wild = rng.uniform(size=size) < 0.08
        prediction[wild] = rng.integers(5, size=wild.sum())
        labels.append(label)
        predictions.append(prediction)
    return labels, predictions


_DISTANCES = (
    lambda down, across: onp.maximum(down, across),
    lambda down, across: onp.hypot(down, across),
    lambda down, across: down + across,
)


def _band(label, width, distance, void_too=True):
    """Which pixels have another label at most `width` pixels away."""
    places = onp.argwhere(onp.ones(label.shape))
    down, across = onp.abs(places[:, None] - places[None]).transpose(2, 0, 1)
    flat = label.ravel()
    other = flat[:, None] != flat[None]
    if not void_too:
        other &= flat[None] != utils.VOID
    near = (distance(down, across) <= width) & other
    return near.any(axis=1).reshape(label.shape)


def _figures(labels, predictions, bands, read=None, void=utils.VOID):
    """Mean IU, or what `read` reads, in the bands and outside of them."""
    read = read or (lambda metric: metric.mean_iu)
    figures = []
    for wanted in (True, False):
        metric = utils.SegmentationMetric(CLASSES)
        for label, guess, band in zip(labels, predictions, bands, strict=True):
            some = onp.where(label == utils.VOID, void, label)[band == wanted]
            metric.update(some, guess[band == wanted])
        figures.append(read(metric))
    return onp.array(figures)


def _judge_borders(got, labels, predictions, width):
    def figures(distance, of=labels, width=width, void_too=True, **options):
        bands = [_band(label, width, distance, void_too) for label in of]
        return _figures(labels, predictions, bands, **options)

    rights = [figures(distance) for distance in _DISTANCES]
    if any(same(got, right) for right in rights):
        return
    hint = (
        'set every label outside of the band to void for the one, and inside '
        'of it for the other: then the usual metric counts'
    )
    for distance in _DISTANCES:
        known = _wrong_figures(figures, distance, labels, predictions, width)
        hint = recognise(got, *known) or hint
    raise Wrong(
        f'other figures are right for a width of {width}',
        expected=f'near {rights[0][0]:.4f}, inside {rights[0][1]:.4f}',
        got=f'near {got[0]:.4f}, inside {got[1]:.4f}',
        hint=hint,
    )


def _wrong_figures(figures, distance, labels, predictions, width):
    """List (figures, hint) for the known mistakes."""
    bands = [_band(label, width, distance) for label in labels]
    alone = [
        _figures([label], [guess], [band])
        for label, guess, band in zip(labels, predictions, bands, strict=True)
    ]
    whole_metric = utils.SegmentationMetric(CLASSES)
    for label, guess in zip(labels, predictions, strict=True):
        whole_metric.update(label, guess)
    right = figures(distance)
    return (
        (right[::-1], 'near comes first, inside second'),
        (
            figures(distance, of=predictions),
            'the band lies on the borders of the prediction: a network that '
            'finds nothing would have no borders. Take those of the truth',
        ),
        (
            figures(distance, width=width - 1),
            'the band is one pixel too narrow: at most `width` away includes '
            '`width` itself',
        ),
        (figures(distance, width=width + 1), 'the band is a pixel too wide'),
        (
            figures(distance, void_too=False),
            'void beside a pixel is a border as well: between object and '
            'background there mostly is void, not the other class',
        ),
        (
            figures(distance, void=0),
            'void pixels count as background here; they must not count',
        ),
        (
            onp.mean(alone, axis=0),
            'that is the mean of the mean IU of each image. Count all images '
            'in one table, as `utils.evaluate` does',
        ),
        (
            figures(distance, read=lambda metric: metric.pixel_accuracy),
            'that is the pixel accuracy; mean IU is asked for',
        ),
        (
            figures(
                distance,
                read=lambda metric: onp.nansum(metric.class_iu) / CLASSES,
            ),
            'the mean is over the classes present, not over all 21',
        ),
        (
            onp.array([right[0], whole_metric.mean_iu]),
            'the second figure is that of all pixels; leave those near '
            'borders out',
        ),
    )


# ------------------------------------------------- The oracle of a stride


@check(
    'a function of a label and a stride that returns the best prediction of a '
    'network with this stride',
    seconds=10,
)
def oracle(function):
    """Try labels of which the answer is known, then compare on random ones.

    function(label, stride): integers (H, W), of any size, to integers
    (H, W): shares of the classes in each cell, enlarged bilinearly, argmax.
    Whether void has no vote or the others' votes are rescaled is left open.
    """
    flat = onp.full((64, 96), 3, dtype='uint8')
    if (_oracle(function, flat, 32) != 3).any():
        raise Wrong(
            'a label of one class all over comes back changed',
            hint='are the scores of a cell the shares of the classes in it?',
        )
    _judge_void(function)
    halves = onp.zeros((64, 128), dtype='uint8')
    halves[:, 64:] = 5
    if (_oracle(function, halves, 32) != halves).any():
        raise Wrong(
            'a border that lies between cells does not stay there',
            hint='does the enlarged map lie in place? Kernel 64 and stride 32 '
            'need a padding of 16',
        )
    _judge_thin(function)
    rng = onp.random.default_rng(6)
    for size, stride in (((70, 90), 16), ((96, 96), 32), ((64, 64), 8)):
        _judge_oracle(function, _blobs(rng, size), stride)
    return (
        'No network that decides once a cell and is enlarged like this can '
        'be expected to do much better; yours does not see the truth.'
    )


def _oracle(function, label, stride):
    result = call(function, label.copy(), stride, name='oracle')
    name = f'the prediction for a label of {label.shape}'
    got = array(result, label.shape, name, partial(_why_size, stride))
    if (got == utils.VOID).any():
        raise Wrong(
            'the oracle predicts void',
            hint='void is no class: no pixel is ever predicted as void, and '
            'it has no vote in a cell',
        )
    return got


def _why_size(stride, got):
    if len(got) == 2 and not (onp.array(got) % stride).any():
        return (
            'pad the label with void to a multiple of the stride, and cut '
            'the prediction back to its size'
        )
    if len(got) == 3:
        return 'take the argmax over the classes'
    return 'one class for each pixel of the label'


def _judge_void(function):
    label = onp.full((64, 64), utils.VOID, dtype='uint8')
    for top in range(0, 64, 32):
        label[top : top + 12] = 7
    if (_oracle(function, label, 32) != 7).any():
        raise Wrong(
            'cells of one class and more void become another class',
            expected='that class everywhere',
            hint='void has voted, as background perhaps: a pixel without a '
            'class must have no vote',
        )


def _judge_thin(function):
    label = onp.zeros((64, 96), dtype='uint8')
    label[:, 40:44] = 9
    if (_oracle(function, label, 32) == 9).any():
        raise Wrong(
            'a line of 4 pixels survives a stride of 32',
            hint='is every class scored by its share of the cell? An object '
            'that covers an eighth of it loses there against the background',
        )
    if not (_oracle(function, label, 4) == 9).any():
        raise Wrong(
            'a line of 4 pixels that fills cells of 4 is gone',
            hint='are cells as large as the stride that is given?',
        )


def _blobs(rng, size):
    """A label of three classes with slanted borders."""
    rows, columns = onp.indices(size)
    label = onp.zeros(size, dtype='uint8')
    for kind in (2, 6):
        a, b = rng.uniform(0.3, 0.8, size=2)
        row, column = rng.uniform(0.3, 0.7, size=2) * size
        far = abs(a * (rows - row) + b * (columns - column))
        far += abs(b * (rows - row) - a * (columns - column))
        label[far < 0.3 * min(size)] = kind
    return label


def _votes(label, stride, decided=False):
    """The scores of each cell, (classes, rows, columns)."""
    height, width = (-(-side // stride) for side in label.shape)
    votes = onp.zeros((CLASSES, height, width))
    for row in range(height):
        for column in range(width):
            cell = label[
                row * stride : (row + 1) * stride,
                column * stride : (column + 1) * stride,
            ]
            counts = onp.bincount(cell[cell < CLASSES], minlength=CLASSES)
            votes[:, row, column] = counts / stride**2
    if decided:
        votes = onp.eye(CLASSES)[votes.argmax(axis=0)].transpose(2, 0, 1)
    return votes


def _judge_oracle(function, label, stride):
    got = _oracle(function, label, stride)
    height, width = label.shape

    def best(enlarge, **options):
        scores = enlarge(_votes(label, stride, **options)[None], stride)[0]
        return scores[:, :height, :width].argmax(axis=0)

    agreeing = (got == best(_enlarge)).mean()
    if agreeing >= 0.97:
        return
    if (got == label).mean() > 0.999:
        hint = 'that is the label itself: average it over the cells first'
    elif (got == best(blocks)).mean() > 0.995:
        hint = (
            'each cell is one square: the shares are not interpolated before '
            'the argmax'
        )
    elif (got == best(_enlarge, decided=True)).mean() > 0.99:
        hint = (
            'the cells were decided before they were enlarged, and their '
            'shares forgotten. First enlarge the shares, then take the argmax'
        )
    else:
        hint = (
            'shares of the classes in each cell, one map for each class; '
            'enlarge all maps bilinearly; argmax'
        )
    raise Wrong(
        f'the prediction for stride {stride} is not the one expected',
        expected='the same class at 97% of the pixels at least',
        got=f'at {agreeing:.1%}',
        hint=hint,
    )
