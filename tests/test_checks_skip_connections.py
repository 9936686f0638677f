"""The checks of the exercises on skip connections, and wrong answers.

That the solutions pass is shown with their notebooks. Here other right
answers pass, and wrong ones get the hint that is meant for them.
"""

import segbook
from answers import HOSTILE, says
from checks import OPEN, WRONG
from checks import skip_connections as check

import numpy
import pytest
from mxnet import np

# ------------------------------------------------ Where Do the Cells Lie?
PLACES = (4, 0), (4, 1.5), (4, 1.5), (4, 1)


@pytest.mark.parametrize('kind', [list, tuple, numpy.array, np.array])
def test_places(kind):
    assert check.places(*map(kind, PLACES))


def test_places_are_those_of_the_book():
    for layers, place in zip(check.CHAINS.values(), PLACES, strict=True):
        assert segbook.cell_places(layers) == place


@pytest.mark.parametrize(
    'chain, answer, phrase',
    [
        (0, (4, 1.5), 'where one would like the cell to be'),
        (0, (2, 0), 'stride of the last layer alone'),
        (0, (3, 0), 'how many pixels of the photo'),
        (0, (4, -3), 'the first pixel that cell 0 sees'),
        (1, (1.5, 4), 'their order is not'),
        (1, (6, 1.5), 'multiplied, not added'),
        (1, (4, 1), 'multiply by the r so far'),
        (1, (4, 3), 'counts only for the layers behind it'),
        (1, (4, -3), 'the first pixel that cell 0 sees'),
        (1, (4, -1.5), 'the sign'),
        (3, (4, 0.5), 'multiply by the r so far'),
        (3, (4, 7), 'each layer adds'),
        (3, 4, 'shape (2,)'),
    ],
)
def test_wrong_places(chain, answer, phrase):
    answers = list(PLACES)
    answers[chain] = answer
    says(check.places(*answers), list(check.CHAINS)[chain], phrase)


# ------------------------------------------------------- Zeros That Learn
STARTS = True, (True, False), (False, True), (False, False), (True, False)


def test_zeros():
    assert check.zeros(*STARTS)
    assert check.zeros(1, [1, 0], numpy.array([0, 1]), np.zeros(2), (1.0, 0))


@pytest.mark.parametrize(
    'place, answer, phrases',
    [
        (0, False, ['8 of the 9', 'single: the gradient of a weight']),
        (1, (0, 0), ['last_zero, the last layer', 'not zero']),
        (1, (1, 1), ['last_zero, the first layer', 'passes the zeros']),
        (2, (1, 1), ['first_zero, the last layer', 'the first one gives']),
        (2, (0, 0), ['first_zero, the first layer', 'its input is the map']),
        (3, (1, 0), ['both_zero, the last layer', 'the first one gives']),
        (3, (0, 1), ['both_zero, the first layer', 'passes the zeros']),
        (4, (0, 0), ['factor_zero, the factor', 'not zero']),
        (4, (1, 1), ['factor_zero, the layers', 'multiplied by the factor']),
        (4, True, ['factor_zero', 'shape (2,)']),
        (4, (2, 0), ['True or False']),
        (1, 'yes, no', ['last_zero', 'not a text']),
        (0, 'yes', ['without quotes']),
    ],
)
def test_wrong_zeros(place, answer, phrases):
    answers = list(STARTS)
    answers[place] = answer
    says(check.zeros(*answers), *phrases)


# --------------------------------------------------- Before or After?


def test_exchanged():
    assert check.exchanged(True, True, False, False, False, 1024)
    assert check.exchanged(1, 1.0, 0, numpy.bool_(0), np.array(0), 32.0**2)


@pytest.mark.parametrize(
    'answers, phrases',
    [
        ((0, 1, 0, 0, 0), ['4 of the 5', 'add: each enlarged number']),
        ((1, 0, 0, 0, 0), ['4 of the 5', 'the bias']),
        ((1, 1, 1, 1, 1), ['2 of the 5', 'relu: between a cell']),
        ((1, 1, 0, 1, 0), ['softmax: a softmax is not linear']),
        ((1, 1, 0, 0, 1), ['twice: sketch the row']),
        (('no', 1, 0, 0, 0), ['without quotes']),
        ((3, 1, 0, 0, 0), ['True or False']),
    ],
)
def test_wrong_exchanges(answers, phrases):
    says(check.exchanged(*answers, 1024), *phrases)


@pytest.mark.parametrize(
    'fewer, phrase',
    [
        (32, 'rows and columns'),
        (256, 'in both directions'),
        (1, 'multiplies at each place'),
        (64, 'how many places'),
        (0.5, 'whole number'),
    ],
)
def test_wrong_fewer(fewer, phrase):
    says(check.exchanged(True, True, False, False, False, fewer), phrase)


# --------------------------------------------------- Where Are the Weights?
PAPER, OURS, LEARNED = (10773, 5397), (186453, 112469), (451584, 112896)


def test_weights():
    assert check.weights(PAPER, OURS, LEARNED)
    assert check.weights(np.array(PAPER), list(OURS), numpy.array(LEARNED))


def test_weights_are_those_of_the_book():
    for channels, ours in zip((256, 128), OURS, strict=True):
        tap = segbook.make_tap(21, channels)
        tap.initialize()
        tap(np.zeros((1, channels, 2, 2)))
        weights = tap.collect_params().values()
        assert ours == sum(
            weight.data().size
            for weight in weights
            if weight.grad_req != 'null'
        )
    for stride, learned in zip((16, 8), LEARNED, strict=True):
        layer = segbook.bilinear_layer(21, stride)
        layer.initialize()
        layer(np.zeros((1, 21, 2, 2)))
        assert learned == layer.weight.data().size


@pytest.mark.parametrize(
    'place, answer, phrase',
    [
        (0, (10752, 5376), 'a bias as well'),
        (0, (513, 257), 'one class'),
        (0, PAPER[::-1], 'first for stride 16'),
        (0, (1, 2), 'inputs times outputs'),
        (1, (187221, 112981), 'are not trained'),
        (1, (185685, 111957), 'two numbers to train'),
        (1, (186581, 112597), 'have no bias'),
        (1, (186432, 112448), 'has a bias for each class'),
        (1, (22613, 14165), 'nine numbers'),
        (1, 186453, 'shape (2,)'),
        (2, (21504, 5376), 'every class to every class'),
        (2, (112896, 28224), 'twice the stride'),
        (2, (14112, 7056), 'rows and columns'),
        (2, (451605, 112917), 'no bias'),
    ],
)
def test_wrong_weights(place, answer, phrase):
    answers = [PAPER, OURS, LEARNED]
    answers[place] = answer
    says(check.weights(*answers), ('paper', 'ours', 'learned')[place], phrase)


# ---------------------------------------------- An Upsampling for ResNet


@pytest.mark.parametrize(
    'settings',
    [
        lambda s: (2 * s - 1, s - 1, s - 1),
        lambda s: np.array([2 * s - 1, s - 1, s - 1]),
        lambda s: [2.0 * s - 1, numpy.int8(s - 1), s - 1],
    ],
)
def test_resnet_upsampling(settings):
    assert check.resnet_upsampling(settings)


@pytest.mark.parametrize(
    'settings, phrase',
    [
        (lambda s: (2 * s, s // 2, 0), 'An odd kernel has a middle'),
        (lambda s: (2 * s - 1, s - 1, 0), 'the output padding adds'),
        (lambda s: (2 * s - 1, 0, 0), 'off on both sides'),
        (lambda s: (2 * s - 1, s - 1, s), 'a from 0 to 1'),
        (lambda s: (2 * s + 2, s // 2 + 1, 0), 'its middle lies'),
        (lambda s: (4 * s - 1, 2 * s - 1, s - 1), 'does not interpolate'),
        (lambda s: (1, 0, s - 1), 'does not interpolate'),
        (lambda s: (2 * s - 1.5, 1, 1), 'whole number'),
        (lambda s: s, 'shape (3,)'),
    ],
)
def test_wrong_resnet_upsampling(settings, phrase):
    says(check.resnet_upsampling(settings), phrase)


# -------------------------------------------------- Another Padding


def offset(padding, stride):
    return padding - {32: 81, 16: 73, 8: 69}[stride]


def test_padding():
    assert check.padding(offset, 97)
    assert check.padding(lambda *x: np.array(float(offset(*x))), 97.0)


def test_offsets_of_the_published_networks():
    assert [check._measured_offset(100, s) for s in (32, 16, 8)] == [
        19,
        27,
        31,
    ]


@pytest.mark.parametrize(
    'function, phrase',
    [
        (lambda p, s: -offset(p, s), 'the sign'),
        (lambda p, s: offset(100, s), 'each pixel of padding'),
        (lambda p, s: p, 'fc6 and the transposed'),
        (lambda p, s: p - 81, 'each doubling'),
        (lambda p, s: offset(p, s) + 96, 'fc6 has no padding'),
        (lambda p, s: offset(p, s) + 1, 'kernel 3'),
        (lambda p, s: offset(p, s) - 1, 'count once more'),
        (lambda p, s: 0, 'layer by layer'),
        (lambda p, s: [1, 2], 'the wrong shape'),
    ],
)
def test_wrong_offsets(function, phrase):
    says(check.padding(function, 97), phrase)


@pytest.mark.parametrize(
    'least, phrase',
    [
        (81, 'large enough for fc6'),
        (96, 'nearly'),
        (112, 'round up'),
        (100, 'Is less enough'),
        (3, 'fc6 needs 7 cells'),
        ('many', 'wrong type'),
    ],
)
def test_wrong_least_padding(least, phrase):
    says(check.padding(offset, least), phrase)


# ------------------------------------------------------------- FCN-4s


def cut(features):
    return [features[a:b] for a, b in ((0, 6), (6, 7), (7, 8), (8, 11))]


def fuse(maps, layers, strides=(4, 8, 16, 32), enlarge=None):
    enlarge = enlarge or interpolated
    scores = zip(maps, layers, strides, strict=True)
    return sum(enlarge(layer(x), stride) for x, layer, stride in scores)


def interpolated(scores, stride):
    return segbook.BilinearUpsampling(stride)(scores)


def repeated(scores, stride):
    return scores.repeat(stride, axis=2).repeat(stride, axis=3)


def fuse_by_layers(maps, layers):
    """With transposed convolutions, and added from the coarsest on."""
    total = 0
    for stride in (32, 16, 8, 4):
        x = layers.pop()(maps.pop())
        layer = segbook.bilinear_layer(x.shape[1], stride, stride // 2)
        layer.initialize()
        total = layer(x) + total
    return total


def stepwise(maps, layers):
    scores = layers[3](maps[3])
    for i in (2, 1, 0):
        scores = interpolated(scores, 2) + layers[i](maps[i])
    return interpolated(scores, 4)


@pytest.mark.parametrize(
    'fused', [fuse, lambda maps, layers: fuse_by_layers(maps[:], layers[:])]
)
def test_fcn4(fused):
    assert check.fcn4(cut, fused)
    assert check.fcn4(lambda x: tuple(cut(x)), fused)


def another_cut(*places):
    return lambda x: [x[a:b] for a, b in zip(places, places[1:], strict=False)]


@pytest.mark.parametrize(
    'cut, phrase',
    [
        (another_cut(0, 5, 6, 7, 11), 'the map of stride 8'),
        (another_cut(0, 4, 7, 8, 11), 'the map of stride 4'),
        (another_cut(0, 6, 7, 8, 9), 'layers 9 and 10'),
        (another_cut(0, 6, 7, 8, 12), 'belongs to the classifier'),
        (another_cut(0, 6, 7, 11), '3 parts'),
        (lambda x: x, 'four blocks in a list'),
        (lambda x: [1, 2, 3, 4], 'not everything'),
        (lambda x: [x[6], x[5], x[7], x[8]], 'stride 4'),
    ],
)
def test_wrong_cuts(cut, phrase):
    says(check.fcn4(cut, fuse), phrase)


@pytest.mark.parametrize(
    'fused, phrase',
    [
        (stepwise, 'step by step'),
        (lambda *x: fuse(*x, enlarge=repeated), 'repeated'),
        (lambda *x: fuse(*x) / 4, 'the mean of the four'),
        (
            lambda maps, layers: fuse(maps[1:], layers[1:], (8, 16, 32)),
            'the map of stride 4 is missing',
        ),
        (
            lambda maps, layers: fuse(maps[3:], layers[3:], (32,)),
            'only the coarsest',
        ),
        (
            lambda maps, layers: fuse(maps[:1], layers[:1], (4,)),
            'only the finest',
        ),
        (lambda maps, layers: layers[0](maps[0]), 'scores at stride 4'),
        (lambda *x: fuse(*x)[0], 'the axis of the batch'),
        (lambda *x: fuse(*x, strides=(32, 16, 8, 4)), 'fuse raised'),
        (lambda *x: 2 * fuse(*x), 'add all four'),
    ],
)
def test_wrong_fuses(fused, phrase):
    says(check.fcn4(cut, fused), phrase)


@pytest.mark.parametrize('answer', HOSTILE.values(), ids=HOSTILE)
def test_any_fuse_gets_a_message(answer):
    verdict = check.fcn4(cut, answer)
    assert verdict.state == WRONG
    assert 'could not be examined' not in verdict.text


# --------------------------------------------------- Beat the Oracle


def shares(label, stride, power=1.0):
    rows, columns = (side // stride for side in label.shape)
    votes = label == numpy.arange(21)[:, None, None]
    cells = votes.reshape(21, rows, stride, columns, stride)
    return cells.mean(axis=(2, 4)) ** power


def by_trying(label, stride):
    """Change single scores as long as that mends pixels. No gradient."""
    scores = 2 * shares(label, stride)
    rows, columns = (
        segbook.upsampling_matrix(n, stride).asnumpy()
        for n in scores.shape[1:]
    )

    def wrong(scores):
        enlarged = rows @ scores[known] @ columns.T
        return (known[enlarged.argmax(axis=0)] != label).sum()

    known = numpy.unique(label)
    fewest = wrong(scores)
    places = [
        (c, *place) for place in numpy.ndindex(scores.shape[1:]) for c in known
    ]
    for _ in range(2):
        for place in places:
            for step in (0.4, -0.4):
                scores[place] += step
                now = wrong(scores)
                if now < fewest:
                    fewest = now
                    break
                scores[place] -= step
    return scores


def test_scores_that_were_found_by_trying_are_right():
    assert check.better(by_trying)


def test_the_oracles_own_scores_do_not_beat_it():
    says(check.better(shares), 'the oracle’s own scores')


@pytest.mark.parametrize(
    'better, phrase',
    [
        (lambda *x: shares(*x, power=3.0), 'worse than the shares'),
        (lambda *x: 2 * shares(*x), 'follow the gradient'),
        (lambda *x: shares(*x, power=0.5), 'can be better still'),
        (lambda label, s: label, 'before they are enlarged'),
        (lambda *x: shares(*x).argmax(axis=0), 'not a class'),
        (lambda *x: shares(*x).transpose(1, 2, 0), 'classes first'),
    ],
)
def test_scores_that_are_not_better(better, phrase):
    says(check.better(better), phrase)


# ----------------------------------------------------------- Still a stub


@pytest.mark.parametrize(
    'one',
    [
        check.resnet_upsampling,
        check.better,
        lambda stub: check.padding(stub, 97),
        lambda stub: check.fcn4(stub, fuse),
        lambda stub: check.fcn4(cut, stub),
    ],
)
def test_a_function_that_is_still_a_stub_is_not_answered(one):
    assert one(lambda *_: ...).state == OPEN
