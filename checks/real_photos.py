"""Checks of the exercises of the chapter on real photos and real weights.

Each takes the answer that its docstring describes and returns a `Verdict`.
"""

import utils  # noqa: F401  first: it gives MXNet all cores
from checks import (
    ROUNDED,
    Wrong,
    array,
    call,
    check,
    down,
    expect,
    same,
    share,
)

import numpy as onp

# ---------------------------------------------------------- How Many Weights?


@check('three whole numbers and a share')
def weights(full, separable, inverted, mixing):
    """Check the weights of three ways from 40 to 80 channels, kernel 5.

    full, separable, inverted: numbers of weights. mixing: the share of the
    1 x 1 convolutions in the inverted residual. Kernels have the shapes
    (outputs, inputs, height, width).
    """
    inner = 6 * 40
    shapes = {
        'full': [(80, 40, 5, 5)],
        'separable': [(40, 1, 5, 5), (80, 40, 1, 1)],
        'inverted': [(inner, 40, 1, 1), (inner, 1, 5, 5), (80, inner, 1, 1)],
    }
    sizes = {name: [onp.prod(x) for x in ss] for name, ss in shapes.items()}
    widen, filter_, narrow = sizes['inverted']
    expect(
        array(full, (), 'the full convolution'),
        sum(sizes['full']),
        'a full convolution has another number of weights',
        (40 * 80 * 5, 'the kernel is a square: 5 × 5 weights'),
        (25 * 80, 'each output has a kernel for each of the inputs'),
        (25 * 40, 'each input has a kernel for each of the outputs'),
        got='{:g}',
        hint='one 5 × 5 kernel for each pair of an input and an output',
    )
    expect(
        array(separable, (), 'the separable convolution'),
        sum(sizes['separable']),
        'a separable convolution has another number of weights',
        (25 * 40, 'this filters; the 1 × 1 convolution then mixes'),
        (40 * 80, 'this mixes; each channel is filtered before'),
        (25 * 40 * 40 * 80, 'one layer after the other: add, not multiply'),
        (25 * 80 + 40 * 80, 'the filters come first, on 40 channels'),
        (25 * 40 * 40 + 40 * 80, 'depthwise: no channel sees another one'),
        got='{:g}',
        hint='5 × 5 for each of the 40 channels, and then 40 × 80',
    )
    expect(
        array(inverted, (), 'the inverted residual'),
        sum(sizes['inverted']),
        'an inverted residual has another number of weights',
        (filter_ + narrow, 'the layer that widens has weights, too'),
        (widen + 25 * 40 + narrow, 'the filters are on the wide map'),
        (widen + filter_, 'the layer that narrows has weights, too'),
        (
            40 * inner + 25 * inner + inner * 480,
            'the map is narrowed to 80 channels',
        ),
        (
            widen + 25 * inner * inner + narrow,
            'depthwise: no channel sees another one',
        ),
        got='{:g}',
        hint='the wide map has 6 × 40 channels: count the layers into it, '
        'on it, and out of it',
    )
    expect(
        share(mixing, (), 'the share'),
        (widen + narrow) / sum(sizes['inverted']),
        'the 1 × 1 convolutions have another share',
        (filter_ / sum(sizes['inverted']), 'this is the share of the others'),
        (widen / sum(sizes['inverted']), 'the one that narrows mixes, too'),
        (narrow / sum(sizes['inverted']), 'the one that widens mixes, too'),
        hint='of the three layers two have kernels of 1 × 1',
        tolerance=ROUNDED,
    )
    return (
        'Filtering is cheap, mixing is not. So a larger kernel costs these '
        'networks little.'
    )


# ------------------------------------------------------- TensorFlow's Borders
LAYERS = {  # kernel, stride, size of the row
    'even': (3, 2, 224),
    'odd': (3, 2, 225),
    'five': (5, 2, 56),
    'one': (1, 2, 28),
}


def padding(kernel, stride, size):
    """Try paddings, the smallest first: (before, after)."""
    for total in range(kernel):
        begins = range(0, size + total - kernel + 1, stride)
        if len(begins) * stride >= size:
            before = total // 2
            return before, total - before
    raise AssertionError


@check('four pairs (before, after), and a cell')
def borders(even, odd, five, one, second):
    """Check TensorFlow's padding of four layers.

    even, odd, five, one: pairs (before, after) for the layers of LAYERS.
    second: where the second window of `even` begins.
    """
    answers = {'even': even, 'odd': odd, 'five': five, 'one': one}
    for name, answer in answers.items():
        kernel, stride, size = LAYERS[name]
        before, after = padding(kernel, stride, size)
        half = kernel // 2
        mistakes = [
            ((after, before), 'the odd cell comes after the map, not before'),
            (
                (half, half),
                'this pads both sides alike. The last window may not need '
                'all of it: where does it end?',
            ),
            (
                (before + after,) * 2,
                'this is the sum; divide it between both sides',
            ),
        ]
        expect(
            array(answer, (2,), f'`{name}`'),
            (before, after),
            f'`{name}`: TensorFlow pads otherwise',
            *[m for m in mistakes if m[0] != (before, after)],
            got='{:g} at place {}',
            hint=f'{-(-size // stride)} windows begin {stride} cells apart: '
            'how many cells do they see, and how many are there?',
        )
    expect(
        array(second, (), '`second`'),
        2 - padding(*LAYERS['even'])[0],
        'the second window begins at another cell',
        (1, 'this is where Gluon’s begins, with padding 1'),
        (0, 'here the first window begins'),
        (3, 'windows are a stride apart, not a kernel'),
        got='{:g}',
        hint='it begins a stride after the first one',
    )
    return (
        'At even sizes the two frameworks look at places that are one cell '
        'apart, with the same weights and the same shapes.'
    )


# ------------------------------------------------ Narrow Maps Keep Their Signs


@check('four pairs, two whole numbers and four gradients')
def narrow(narrow, different_narrow, different_wide, gradient):
    """Check what a ReLU6 leaves of a narrow and of a widened map.

    narrow: (4, 2). different_*: how many places stay apart. gradient: (4,),
    of the sum with respect to the second channel.
    """
    places = onp.array([(-2, 1), (-1, 1), (-3, 1), (2, 9)], dtype=float)

    def widened(pairs):
        a, b = pairs.T
        return relu6(onp.stack([a, -a, b], axis=1))

    def relu6(x):
        return onp.minimum(onp.maximum(x, 0), 6)

    expect(
        array(narrow, (4, 2), 'the map'),
        relu6(places),
        'the ReLU6 makes another number of place {}, channel {}',
        (onp.maximum(places, 0), 'numbers above 6 become 6'),
        (onp.minimum(places, 6), 'numbers below 0 become 0'),
        (abs(places), 'it does not turn signs round'),
        got='{:g}',
        hint='below 0 it gives 0, above 6 it gives 6, between them x',
    )
    counts = {
        'the narrow map': (different_narrow, relu6(places)),
        'the wide map': (different_wide, widened(places)),
    }
    for name, (answer, map_) in counts.items():
        expect(
            array(answer, (), name),
            len({tuple(place) for place in map_}),
            f'in {name} another number of places differ',
            got='{:g}',
            hint='write the four down. Equal ones count once, together',
        )
    tiny = 1e-3
    rise = [(widened(places + [0, tiny]) - widened(places)).sum(axis=1) / tiny]
    expect(
        array(gradient, (4,), 'the gradient'),
        onp.round(rise[0], 6),
        'the gradient of number {} is another one',
        (onp.ones(4), 'above 6 nothing rises any more'),
        ([1, 1, 1, 6], 'a gradient says how fast it rises, not how high'),
        ([1, 1, 1, 9], 'a gradient says how fast it rises, not how high'),
        got='{:g}',
        hint='change one b a little: does what comes out change?',
    )
    return (
        'What is cut off is gone, unless another channel holds it. Wide maps '
        'have such channels, narrow ones do not.'
    )


# ------------------------------------------------------ A Rule for Any Height
@check('three whole numbers and a share')
def fitted(rows, columns, added, colleague):
    """Check what is laid around a photo of 375 x 500 for a stride of 32.

    rows, columns: so many pixels; added: the share that they are of the
    padded photo. colleague: rows of the rule that is wrong for a height of
    320.
    """
    height, width, stride = 375, 500, 32
    more = [
        next(n for n in range(stride) if (size + n) % stride == 0)
        for size in (height, width)
    ]
    for answer, size, right, what in (
        (rows, height, more[0], 'rows'),
        (columns, width, more[1], 'columns'),
    ):
        expect(
            array(answer, (), f'the number of {what}'),
            right,
            f'another number of {what} makes a multiple of 32',
            (size % stride, 'so many are too many for the multiple below'),
            (right + stride, 'this fits, but fewer do, too'),
            (size + right, 'this is the padded size: how much was added?'),
            got='{:g}',
            hint=f'which multiple of 32 comes next after {size}?',
        )
    whole = (height + more[0]) * (width + more[1])
    expect(
        share(added, (), 'the share'),
        1 - height * width / whole,
        'another share of the padded photo is padding',
        (whole / (height * width) - 1, 'a share of what the network sees'),
        (height * width / whole, 'this is the share of the photo'),
        (more[0] * more[1] / whole, 'this is the corner alone'),
        hint='count the pixels of the photo and of the padded one',
        tolerance=ROUNDED,
    )
    expect(
        array(colleague, (), "the colleague's rows"),
        stride,
        'the rule gives another number of rows',
        (0, 'so many are needed: what does the rule say?'),
        got='{:g}',
        hint='what remains if 320 is divided by 32?',
    )
    return 'A rule that is wrong where nothing is to be done is hard to see.'


# ----------------------------------------------- Fold a Layer That Has a Bias


def convolved(x, weight, bias):
    """Convolve x (inputs, h, w), by definition."""
    return onp.stack(
        [
            number + sum(map(down, x, kernels))
            for kernels, number in zip(weight, bias, strict=True)
        ]
    )


@check('a function to a weight and a bias')
def fold(fold):
    """Check fold(weight, bias, gamma, beta, mean, variance, epsilon).

    It returns (weight, bias). Truth: a convolution and then a batch
    normalisation, of random numbers.
    """
    rng = onp.random.default_rng(0)
    for outputs, inputs, k, epsilon in (
        (3, 2, 3, 1e-3),
        (4, 4, 1, 0.5),
        (2, 2, 2, 1e-3),
        (2, 1, 3, 0.1),
    ):
        weight = rng.normal(size=(outputs, inputs, k, k))
        bias, gamma, beta, mean = rng.normal(size=(4, outputs))
        variance = rng.uniform(0, 2, size=outputs) * (onp.arange(outputs) > 0)
        given = weight, bias, gamma, beta, mean, variance
        found = call(
            fold, *[part.copy() for part in given], epsilon, name='fold'
        )
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong(
                'fold must return two things, a weight and a bias',
                got=type(found).__name__,
            )
        new_weight = array(found[0], weight.shape, 'the new weight')
        new_bias = array(found[1], (outputs,), 'the new bias')

        def normalised(scale, weight=weight, given=given):
            _, bias, _, beta, mean, _ = given
            return weight * scale[:, None, None, None], (
                beta + (bias - mean) * scale
            )

        scale = gamma / (variance + epsilon) ** 0.5
        x = rng.normal(size=(inputs, 4, 4))
        before = convolved(x, weight, bias)
        columns = (n[:, None, None] for n in (mean, scale, beta))
        mu, times, plus = columns
        truth = (before - mu) * times + plus
        if same(convolved(x, new_weight, new_bias), truth, 1e-6):
            continue
        right_weight, right_bias = normalised(scale)
        if not same(new_weight, right_weight, 1e-6):
            others = [
                (gamma / (variance + epsilon), 'the root of the variance'),
                (gamma / (variance**0.5 + epsilon), 'ε is under the root'),
                (
                    1 / (variance + epsilon) ** 0.5,
                    'gamma scales the weight as well',
                ),
                (
                    gamma / (variance + 1e-5) ** 0.5,
                    'take the ε that is handed over',
                ),
                (
                    gamma / (variance + 1e-3) ** 0.5,
                    'take the ε that is handed over',
                ),
            ]
            hint = 'each output channel has one scale, γ / √(σ² + ε)'
            for other, said in others:
                if same(new_weight, normalised(other)[0], 1e-6):
                    hint = said
            if inputs == outputs and same(
                new_weight, weight * scale[None, :, None, None], 1e-6
            ):
                hint = 'the scale belongs to the outputs, the first axis'
            if k == outputs and same(new_weight, weight * scale, 1e-6):
                hint = 'without a new shape the scale lies along the last axis'
            raise Wrong('the weight is another one', hint=hint)
        expect(
            new_bias,
            right_bias,
            'the bias of output {} is another one',
            (beta - mean * scale, 'the convolution’s own bias is lost'),
            (bias + beta - mean * scale, 'its own bias is scaled, too'),
            (beta + bias * scale, 'the mean is subtracted'),
            (beta + bias - mean, 'the difference is scaled, too'),
            (beta + (bias + mean) * scale, 'the mean is subtracted'),
            hint='put x = 0 into both layers: what comes out?',
            tolerance=1e-6,
        )
    return 'Both layers are lines, and a line of a line is a line.'


# ---------------------------------------------------- Rare Classes, Their Root


def loop(has, common, most):
    """How often each photo is shown, photo by photo and class by class."""
    found = []
    for photo in has:
        factor = 1.0
        for number, there in enumerate(photo):
            if there:
                count = sum(bool(other[number]) for other in has)
                root = (common * len(has) / count) ** 0.5
                factor = max(factor, min(root, most))
        found.append(factor)
    return onp.array(found)


@check('a function to an array')
def repeats(repeats):
    """Check repeats(has, common, most): the factor of each photo."""
    rng = onp.random.default_rng(0)
    many = rng.random((60, 5)) < [1, 0.5, 0.2, 0.05, 0.02]
    alone = onp.zeros((120, 3), dtype=bool)
    alone[0, 1] = alone[:20, 2] = True  # class 0 is in no photo
    empty = many.copy()
    empty[:7] = False
    cases = {
        'photos of five classes': (many, 0.4, 6),
        'a class in no photo, a photo without class': (alone, 0.4, 6),
        'seven photos without any class': (empty, 0.4, 6),
        'common=0.1, most=2': (many, 0.1, 2),
        'one photo': (onp.ones((1, 2), dtype=bool), 0.4, 6),
    }
    for name, (has, common, most) in cases.items():
        with onp.errstate(divide='ignore', invalid='ignore'):
            found = call(repeats, has.copy(), common, most, name='repeats')
        found = array(found, (len(has),), f'the answer to {name}')
        counts = has.sum(axis=0).clip(1)
        part = common * len(has) / counts
        root = part**0.5

        def largest(factors, has=has):
            return (has * factors).max(axis=1)

        every = (has * root.clip(1, most)).sum(axis=1) / onp.maximum(
            has.sum(axis=1), 1
        )
        products = onp.where(has, root.clip(1, most), 1).prod(axis=1)
        expect(
            found,
            loop(has, common, most),
            f'{name}: photo {{}} is shown another number of times',
            (largest(part.clip(1, most)).clip(1), 'take the root'),
            (largest(root.clip(1)).clip(1), f'never more than {most} times'),
            (
                largest(root.clip(1, most)),
                'a photo without any class is shown once, too',
            ),
            (largest(root.clip(0, most)), 'never less than once'),
            (every.clip(1), 'the largest factor counts, not the mean'),
            (products, 'the largest factor counts, not the product'),
            (
                (has * root.clip(1, most)).sum(axis=1).clip(1),
                'the largest factor counts, not the sum',
            ),
            (
                largest((0.4 * len(has) / counts) ** 0.5).clip(1, 6),
                'use the arguments `common` and `most`',
            ),
            (
                onp.full(len(has), root.clip(1, most).max()),
                'only the classes that are in the photo count',
            ),
            expected='{:.4f}',
            hint='first a factor for each class, from how many photos have '
            'it; then for each photo the largest of its classes',
        )
    return (
        'Rare classes come up more often, but not as often as others: a '
        'balance between seeing them and knowing them by heart.'
    )


# ------------------------------------------------------------ Sure, but Wrong
PROBABILITIES = (0.95, 0.9, 0.85, 0.8, 0.7, 0.65, 0.55, 0.5, 0.4, 0.3)
IS_RIGHT = (0, 1, 1, 1, 1, 1, 1, 0, 0, 0)


def left(threshold):
    """Whether each pixel that is kept is right, a list."""
    pairs = zip(PROBABILITIES, IS_RIGHT, strict=True)
    return [right for sure, right in pairs if sure >= threshold]


@check('four shares and a threshold')
def sure(accuracy_all, void_share, accuracy_sure, best, accuracy_most):
    """Check what a threshold does to ten pixels.

    accuracy_*: of the pixels that are kept, with no threshold, with 0.6 and
    with 0.92. void_share: with 0.6. best: a threshold with the highest
    accuracy.
    """
    rest = left(0.6)
    expect(
        share(accuracy_all, (), 'the accuracy of all'),
        onp.mean(IS_RIGHT),
        'another share of the ten is right',
        (1 - onp.mean(IS_RIGHT), 'this is the share that is wrong'),
        hint='count the «yes»',
        tolerance=ROUNDED,
    )
    expect(
        share(void_share, (), 'the share of void'),
        1 - len(rest) / 10,
        'another share becomes void',
        (len(rest) / 10, 'this is the share that is left'),
        hint='count the probabilities below 0.6',
        tolerance=ROUNDED,
    )
    expect(
        share(accuracy_sure, (), 'the accuracy of the rest'),
        onp.mean(rest),
        'with 0.6 another share of the rest is right',
        (sum(rest) / 10, 'of the rest, not of all ten'),
        (1 - onp.mean(rest), 'this is the share that is wrong'),
        (
            sum(rest) / sum(IS_RIGHT),
            'this is the share of the right ones that is left',
        ),
        hint='how many are left, and how many of them are right?',
        tolerance=ROUNDED,
    )
    highest = max(onp.mean(left(p)) for p in PROBABILITIES)
    best = float(share(best, (), 'the threshold'))
    kept = left(best)
    if not kept:
        raise Wrong('with this threshold no pixel is left', got=f'{best:g}')
    if not same(onp.mean(kept), highest):
        raise Wrong(
            'another threshold makes the accuracy of the rest higher',
            got=f'{onp.mean(kept):.3f} with {best:g}',
            hint='which pixels would you like to leave out? Begin with the '
            'least probable ones, and stop in time',
        )
    expect(
        share(accuracy_most, (), 'the accuracy with 0.92'),
        onp.mean(left(0.92)),
        'with 0.92 another share of the rest is right',
        (1, 'look again: is the one that is left right?'),
        hint='which pixels are left?',
        tolerance=ROUNDED,
    )
    return (
        'A threshold trades void for accuracy, as long as the network knows '
        'when it does not know.'
    )
