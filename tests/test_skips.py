"""Skip connections: places of cells, composed nets, the paper's networks."""

import warnings

import segbook
from checks import up

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, gluon, init, np
from mxnet.gluon import nn

vision = gluon.model_zoo.vision


def small_backbone():
    """Three convolutions with the strides of a backbone, quick to run."""
    stages = []
    for stride in (8, 2, 2):
        stage = nn.HybridSequential()
        stage.add(nn.Conv2D(4, stride, stride))
        stages.append(stage)
    backbone = segbook.Backbone(stages, (4, 4, 4))
    backbone.initialize(init.Xavier())
    backbone(np.zeros((1, 3, 32, 32)))
    return backbone


def photos(*size):
    return np.random.uniform(size=(2, 3, *size))


# ------------------------------------------------------------------ Places
LAYERS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)),
    min_size=1,
    max_size=3,
)


@settings(deadline=None)
@given(LAYERS)
def test_a_cell_lies_where_its_window_lies(layers):
    """The mean place of the pixels that a cell of ones-kernels reads."""
    places, inside = onp.arange(60), onp.ones(60)

    def run(x):
        for kernel, stride, padding in layers:
            x = onp.pad(x, padding)
            windows = onp.lib.stride_tricks.sliding_window_view(x, kernel)
            x = windows[::stride].mean(axis=1)
        return x

    untouched = run(inside) > 1 - 1e-6  # by the padding
    c, b = segbook.cell_places(layers)
    cells = onp.flatnonzero(untouched)
    onp.testing.assert_allclose(
        run(places)[untouched], c * cells + b, atol=1e-3
    )


@pytest.mark.parametrize('stride', [2, 8, 16, 32])
@pytest.mark.parametrize('padding', [0, 'centred'])
def test_transposed_convolution_goes_the_same_way_back(stride, padding):
    """A ramp of places, enlarged bilinearly, names the places in between."""
    padding = stride // 2 if padding == 'centred' else padding
    enlarge = nn.Conv2DTranspose(
        1, (1, 2 * stride), (1, stride), (0, padding), use_bias=False
    )
    kernel = segbook.triangle(2 * stride).reshape(1, 1, 1, -1)
    enlarge.initialize(init.Constant(kernel))
    coarse = (7.0, -3.0)
    ramp = coarse[0] * np.arange(9) + coarse[1]
    enlarged = enlarge(ramp.reshape(1, 1, 1, -1)).reshape(-1).asnumpy()
    c, b = segbook.cell_places([(2 * stride, 1 / stride, padding)], coarse)
    inside = slice(2 * stride, len(enlarged) - 2 * stride)
    pixels = onp.arange(len(enlarged))
    onp.testing.assert_allclose(
        enlarged[inside], (c * pixels + b)[inside], rtol=1e-4
    )
    assert onp.abs(enlarged[inside] - (c * (pixels + 1) + b)[inside]).min() > (
        0.9 * c
    ), 'a shift of one pixel is seen'


# -------------------------------------------------------------- Our networks
@pytest.mark.parametrize('stride', [32, 16, 8])
def test_scores_lie_where_their_pixels_lie(stride):
    """Averages as stages: a ramp comes out as it went in, not shifted."""
    stages = [nn.AvgPool2D(size, size) for size in (8, 2, 2)]
    backbone = segbook.Backbone(stages, (3, 3, 3))
    net = segbook.SkipFCN(backbone, 3, stride)
    net.initialize()
    identity = np.eye(3).reshape(3, 3, 1, 1)
    number = (32, 16, 8).index(stride)
    net.score.weight.set_data(identity)
    x = np.arange(128, dtype='float32') * np.ones((1, 3, 96, 1))
    scores = net(x)
    inside = (slice(None), slice(None), slice(32, 64), slice(32, 96))
    assert len(net.taps) == number
    assert abs(scores - x)[inside].max() < 1e-3
    assert abs(scores[:, :, :, 1:] - x[:, :, :, :-1])[inside].min() > 0.9


@pytest.mark.parametrize('stride', [16, 8])
def test_new_taps_add_nothing_and_then_learn(stride):
    backbone = small_backbone()
    coarse = segbook.make_skip_fcn(backbone, 5)
    fine = segbook.make_skip_fcn(backbone, 5, stride)
    fine.score = coarse.score
    x = photos(64, 96)
    assert (fine(x) == coarse(x)).all()
    with autograd.record():
        loss = (fine(x) ** 2).sum()
    loss.backward()
    for tap in fine.taps:
        assert abs(tap[-1].weight.grad()).max() > 0


def test_heads_on_shared_maps_learn_as_if_alone():
    backbone = small_backbone()
    for parameter in backbone.collect_params().values():
        parameter.grad_req = 'null'
    nets = [segbook.make_skip_fcn(backbone, 5, s) for s in (32, 16, 8)]
    for net in nets:
        for tap in net.taps:  # weights of zero would hide other gradients
            tap[-1].weight.set_data(np.random.normal(size=(5, 64, 1, 1)))
    x = photos(64, 96)

    def gradients(nets, forward):
        with autograd.record():
            loss = sum((scores**2).sum() for scores in forward())
        loss.backward()
        return [
            parameter.grad().asnumpy().copy()
            for net in nets
            for parameter in net.collect_params().values()
            if parameter.grad_req != 'null'
        ]

    alone = []
    for net in nets:
        alone += gradients([net], lambda net=net: [net(x)])
    maps = backbone(x)
    together = gradients(nets, lambda: [net.fuse(maps) for net in nets])
    for a, b in zip(together, alone, strict=True):
        onp.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert all(abs(gradient).max() > 0 for gradient in together)


@pytest.mark.parametrize('stride', [16, 8])
def test_scores_of_all_maps_are_enlarged_and_added(stride):
    net = segbook.make_skip_fcn(small_backbone(), 5, stride)
    for tap in net.taps:
        tap[-1].weight.set_data(np.random.normal(size=(5, 64, 1, 1)))
    x = photos(64, 96)
    maps = net.backbone(x)[::-1]
    expected = 0
    for s, score, layer_map in zip(
        (32, 16, 8), [net.score, *net.taps], maps, strict=False
    ):
        kernel = segbook.bilinear_kernel(1, 1, 2 * s)[0, 0]
        expected += onp.array(
            [
                [up(cells, kernel, s, s // 2) for cells in of_photo]
                for of_photo in score(layer_map).asnumpy()
            ]
        )
    assert abs(net(x).asnumpy() - expected).max() < 1e-4


@pytest.mark.parametrize('stride', [64, 4, 0])
def test_another_stride_is_refused(stride):
    with pytest.raises(ValueError, match=f'32, 16 or 8, not {stride}'):
        segbook.SkipFCN(small_backbone(), 5, stride)
    with pytest.raises(ValueError, match=f'32, 16 or 8, not {stride}'):
        segbook.PaperFCN(5, stride)


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_on_resnet(stride):
    features = vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_skip_fcn(segbook.resnet_backbone(features), 21, stride)
    x = photos(64, 96)
    assert net(x).shape == (2, 21, 64, 96)
    shapes = [layer_map.shape for layer_map in net.backbone(x)]
    assert shapes == [(2, 128, 8, 12), (2, 256, 4, 6), (2, 512, 2, 3)]
    whole = features[:-2]
    x = photos(32, 64)
    assert abs(net.backbone(x)[-1] - whole(x)).max() < 1e-5


def test_on_vgg():
    """A VGG of the zoo's kind with few channels: exits where pools are."""
    net = vision.VGG([1, 1, 1, 1, 1], [4, 4, 6, 8, 8], classes=10)
    net.initialize(init.Xavier())
    net(np.zeros((1, 3, 224, 224)))
    backbone = segbook.vgg_backbone(net)
    maps = backbone(photos(64, 96))
    assert [m.shape for m in maps] == [
        (2, 6, 8, 12),
        (2, 8, 4, 6),
        (2, 4096, 2, 3),
    ]


# ------------------------------------------------------ The paper's networks
VGG16 = [
    ('conv1_1', 3, 64), ('conv1_2', 64, 64),
    ('conv2_1', 64, 128), ('conv2_2', 128, 128),
    ('conv3_1', 128, 256), ('conv3_2', 256, 256), ('conv3_3', 256, 256),
    ('conv4_1', 256, 512), ('conv4_2', 512, 512), ('conv4_3', 512, 512),
    ('conv5_1', 512, 512), ('conv5_2', 512, 512), ('conv5_3', 512, 512),
]  # fmt: skip


def published(stride):
    """The published layers: from name to shape of the weight."""
    shapes = {name: (out, ins, 3, 3) for name, ins, out in VGG16}
    shapes |= {'fc6': (4096, 512, 7, 7), 'fc7': (4096, 4096, 1, 1)}
    shapes |= {'score_fr': (21, 4096, 1, 1)}
    if stride == 32:
        return shapes | {'upscore': (21, 21, 64, 64)}
    shapes |= {'upscore2': (21, 21, 4, 4), 'score_pool4': (21, 512, 1, 1)}
    if stride == 16:
        return shapes | {'upscore16': (21, 21, 32, 32)}
    shapes |= {'upscore_pool4': (21, 21, 4, 4)}
    shapes |= {'score_pool3': (21, 256, 1, 1)}
    return shapes | {'upscore8': (21, 21, 16, 16)}


@pytest.fixture(scope='module')
def paper():
    """The three networks, their 134 million numbers in memory once."""
    nets = {}
    for stride in (32, 16, 8):
        net = nets[stride] = segbook.PaperFCN(stride=stride)
        if stride < 32:
            for name in net.trunk:
                setattr(net, name, getattr(nets[32], name))
        with warnings.catch_warnings():  # what is shared has its values
            warnings.simplefilter('ignore', UserWarning)
            net.initialize(init.Constant(0.01))
        net(np.ones((1, 3, 1, 1)))  # MXNet 2 learns all shapes only now
    return nets


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_layers_are_the_published_ones(paper, stride):
    shapes = published(stride)
    named = paper[stride]._collect_params_with_prefix()
    weights = {n: p.data().shape for n, p in named.items() if 'weight' in n}
    assert weights == {f'{name}.weight': s for name, s in shapes.items()}
    biases = {n.removesuffix('.bias') for n in named if n.endswith('bias')}
    assert biases == {name for name in shapes if 'upscore' not in name}
    # 134 million numbers are trained; what enlarges is fixed.
    trained = sum(
        p.data().size for p in named.values() if p.grad_req != 'null'
    )
    assert round(trained / 1e6) == 134


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_scores_are_as_large_as_the_photo(paper, stride):
    with autograd.predict_mode():
        for size in ((1, 1), (33, 20)):
            scores = paper[stride](np.ones((1, 3, *size)))
            assert scores.shape == (1, 21, *size)
