"""Nets as ONNX files: ONNX Runtime computes what the book computes."""

import json
from types import SimpleNamespace

import segbook
import utils
from tools import export, predict

import numpy as onp
import onnx
import onnxruntime
import pytest
from mxnet import gluon, init, np
from mxnet.gluon import nn

CLASSES = 5
TABLE = segbook.ClassTable([f'class {i}' for i in range(CLASSES)])
# Multiples of 32 and others, down to a pixel: (number, height, width).
SIZES = (1, 64, 96), (2, 33, 70), (1, 1, 1), (1, 100, 64)


def resnet():
    net = gluon.model_zoo.vision.resnet18_v2()
    net.initialize(init.Xavier())
    return net.features


def fcn(transposed, stride=32):
    layer = segbook.BilinearUpsampling(stride)
    if transposed:
        layer = segbook.bilinear_layer(CLASSES, stride, stride // 2)
        layer.initialize()
    features = resnet()
    if stride < 32:
        segbook.atrous(features, stride)
    return segbook.make_fcn(features, CLASSES, layer)


def skips(make_backbone, stride, **options):
    net = segbook.make_skip_fcn(make_backbone(), CLASSES, stride, **options)
    net(np.zeros((1, 3, 32, 32)))
    for tap in net.taps:  # they begin at 0
        tap.initialize(init.Xavier(), force_reinit=True)
        tap[-1].weight.set_data(np.random.normal(0, 1, tap[-1].weight.shape))
    return net


def deeplab(stride, head):
    """A ResNet with holes, one of DeepLab's heads, and its enlargement."""
    features = segbook.atrous(resnet(), stride)
    net = nn.Sequential()
    net.add(*features[:-2], head, segbook.BilinearUpsampling(stride))
    head.initialize()
    net(np.zeros((1, 3, 32, 32)))  # MXNet 2 then knows the shapes
    for name, parameter in head.collect_params().items():
        if name.endswith('weight'):  # some of them begin at 0
            values = np.random.normal(0, 0.05, parameter.shape)
            parameter.set_data(values)
    return net


def on_resnet():
    return segbook.resnet_backbone(resnet())


def on_vgg():
    """VGG16 with fewer channels: the same layers, not half a gigabyte."""
    net = gluon.model_zoo.vision.VGG([2, 2, 3, 3, 3], [4, 8, 8, 16, 16])
    features = nn.HybridSequential()
    for layer in net.features:
        if isinstance(layer, nn.Dense):
            layer = nn.Dense(24, activation='relu')
        features.add(layer)
    features.initialize(init.Xavier(magnitude=6))
    net.output.initialize()
    net = SimpleNamespace(features=features, output=net.output)
    backbone = segbook.vgg_backbone(net)
    backbone.channels = (8, 16, 24)
    return backbone


def on_lite0():
    backbone = segbook.LiteBackbone(segbook.lite0_stages())
    backbone.initialize(init.Xavier(magnitude=4))
    return backbone


def learnt_layer(stride):
    layer = segbook.bilinear_layer(CLASSES, stride, stride // 2)
    layer.initialize(init.Xavier(), force_reinit=True)
    return layer


def paper(stride, at_once, monkeypatch):
    layers = segbook.vgg16_layers

    def narrow(num_classes):
        """The same layers with 64 channels where 4096 are."""
        found = layers(num_classes)
        found['fc6'] = nn.Conv2D(64, 7, activation='relu', in_channels=512)
        found['fc7'] = nn.Conv2D(64, 1, activation='relu', in_channels=64)
        found['score_fr'] = nn.Conv2D(num_classes, 1, in_channels=64)
        return found

    monkeypatch.setattr(segbook, 'vgg16_layers', narrow)
    net = segbook.PaperFCN(CLASSES, stride, at_once)
    net.initialize(init.Xavier(magnitude=6))
    return predict._PaperInput(net)


def lite_deeplab(rates):
    net = segbook.make_lite_deeplab(on_lite0(), CLASSES, rates)
    for parameter in net.head.collect_params().values():
        parameter.set_data(np.random.normal(0, 0.1, parameter.shape))
    return net


NETS = {
    'FCN, bilinear': lambda _: fcn(False),
    'FCN, transposed': lambda _: fcn(True),
    'ResNet, FCN-32s': lambda _: skips(on_resnet, 32),
    'ResNet, FCN-16s': lambda _: skips(on_resnet, 16),
    'ResNet, FCN-8s': lambda _: skips(on_resnet, 8),
    'ResNet, transposed': lambda _: skips(on_resnet, 8, upsample=learnt_layer),
    'VGG, FCN-32s': lambda _: skips(on_vgg, 32),
    'VGG, FCN-8s': lambda _: skips(on_vgg, 8),
    'Lite0, FCN-16s': lambda _: skips(on_lite0, 16),
    'Lite0, FCN-8s': lambda _: skips(on_lite0, 8),
    'paper, FCN-32s': lambda patch: paper(32, False, patch),
    'paper, FCN-16s': lambda patch: paper(16, False, patch),
    'paper, FCN-8s': lambda patch: paper(8, False, patch),
    'paper, at once': lambda patch: paper(8, True, patch),
    'holes, FCN': lambda _: fcn(False, 16),
    'holes, LargeFOV': lambda _: deeplab(8, segbook.large_fov(CLASSES, 12)),
    'holes, ASPP': lambda _: deeplab(
        8, segbook.ASPP(CLASSES, (6, 12, 18, 24))
    ),
    'holes, ASPP of one': lambda _: deeplab(16, segbook.ASPP(CLASSES, (3,))),
    'Lite0, DeepLab': lambda _: lite_deeplab((3, 6, 9, 12)),
    'Lite0, dense': lambda _: lite_deeplab(()),
}


@pytest.fixture(autouse=True)
def seeded():
    utils.set_seed(3)


def scores_of(net, photos):
    """The book's scores of photos of any size, uint8 (N, H, W, 3)."""
    height, width = photos.shape[1:3]
    padded = onp.stack(
        [
            utils.pad_to(
                photo, -(-height // 32) * 32, -(-width // 32) * 32, MEAN
            )
            for photo in photos
        ]
    )
    scores = net(utils.normalize(np.array(padded, dtype='uint8')))
    return scores.asnumpy()[:, :, :height, :width]


MEAN = utils.MEAN_COLOR


def session(model):
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(
        data, providers=['CPUExecutionProvider']
    )


def random_photos(shape):
    rng = onp.random.default_rng(5)
    return rng.integers(0, 256, (*shape, 3), dtype='uint8')


def random_statistics(net):
    """Let batch normalisation do something: as after a training."""
    rng = onp.random.default_rng(1)
    for name, parameter in net.collect_params().items():
        if name.endswith(('running_mean', 'beta')):
            values = rng.normal(0, 0.1, parameter.shape)
        elif name.endswith(('running_var', 'gamma')):
            values = rng.uniform(0.5, 1.5, parameter.shape)
        else:
            continue
        parameter.set_data(np.array(values, dtype='float32'))


@pytest.mark.parametrize('name', NETS)
def test_onnx_runtime_finds_the_scores_of_the_book(name, monkeypatch):
    """To 1e-4, measured by the largest score, for photos of any size."""
    net = NETS[name](monkeypatch)
    net(np.zeros((1, 3, 64, 64)))
    random_statistics(net)
    model = export.to_onnx(net, TABLE)
    onnx.checker.check_model(model, full_check=True)
    found = session(model)
    for shape in SIZES:
        photos = random_photos(shape)
        wanted = scores_of(net, photos)
        assert onp.ptp(wanted) > 0.1 * onp.abs(wanted).max() > 0
        (scores,) = found.run(None, {'photo': photos})
        assert scores.shape == wanted.shape == (shape[0], CLASSES, *shape[1:])
        limit = 1e-4 * onp.abs(wanted).max()
        assert onp.abs(scores - wanted).max() <= limit


@pytest.mark.parametrize('stride', [2, 3, 5, 8])
def test_a_bilinear_layer_of_any_stride(stride):
    net = nn.Sequential()
    net.add(segbook.BilinearUpsampling(stride))
    graph = export.Graph()
    graph.channels = 2
    x = onp.random.default_rng(0).normal(size=(1, 2, 4, 3)).astype('float32')
    name = graph.block(net, graph.numbers(x))
    output = onnx.helper.make_tensor_value_info(name, 1, None)
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, 'g', [], [output], graph.arrays),
        opset_imports=[onnx.helper.make_opsetid('', export.OPSET)],
        ir_version=export.IR_VERSION,
    )
    (found,) = session(model).run(None, {})
    onp.testing.assert_allclose(found, net(np.array(x)).asnumpy(), atol=1e-5)


def test_the_file_says_what_its_classes_are_and_how_old_it_may_be(tmp_path):
    """Saved, exported and opened by another program, which knows nothing."""
    table = segbook.ClassTable(
        ['paper', 'Möwe', 'dog'], [(0, 0, 0), (9, 8, 7), (255, 0, 128)]
    )
    net = segbook.make_fcn(resnet(), 3)
    net(np.zeros((1, 3, 32, 32)))
    utils.save_net(tmp_path / 'gulls.zip', net, table)
    path = export.export(tmp_path / 'gulls.zip', tmp_path / 'out')
    assert path == tmp_path / 'out' / 'gulls.onnx'
    model = onnx.load(path)
    assert [(o.domain, o.version) for o in model.opset_import] == [('', 11)]
    found = onnxruntime.InferenceSession(
        path, providers=['CPUExecutionProvider']
    )
    facts = found.get_modelmeta().custom_metadata_map
    assert json.loads(facts['classes']) == ['paper', 'Möwe', 'dog']
    assert json.loads(facts['colors']) == [[0, 0, 0], [9, 8, 7], [255, 0, 128]]
    assert facts['source'] == 'FCN-32s on ResNet18_v2, from gulls.zip'
    photo = random_photos((1, 50, 40))
    (scores,) = found.run(['scores'], {'photo': photo})
    label = utils.predict(net, photo[0])
    assert (scores[0].argmax(0) == label).mean() > 0.999


def test_half_precision_takes_half_of_the_bytes(tmp_path):
    net = skips(on_lite0, 8)
    whole, half = (export.to_onnx(net, TABLE, half=h) for h in (False, True))
    assert half.ByteSize() < 0.55 * whole.ByteSize()
    onnx.checker.check_model(half, full_check=True)
    photos = random_photos((1, 64, 64))
    one, other = (
        session(model).run(None, {'photo': photos})[0]
        for model in (whole, half)
    )
    difference = onp.abs(one - other).max()
    assert 0 < difference < 0.02 * onp.abs(one).max()


def test_a_weight_beyond_half_precision_is_refused():
    net = segbook.make_fcn(resnet(), CLASSES)
    net.score.bias.set_data(np.full(CLASSES, 1e6))
    with pytest.raises(ValueError, match='too large for half precision'):
        export.to_onnx(net, TABLE, half=True)


class Doubled(nn.Conv2D):
    def forward(self, x):
        return 2 * super().forward(x)


def test_an_unknown_block_is_refused_by_name():
    """Also one that only inherits from a known block."""
    net = fcn(False)
    net.score = Doubled(CLASSES, 1, in_channels=512)
    net.score.initialize()
    with pytest.raises(ValueError, match=r'the block Doubled \(test_export\)'):
        export.to_onnx(net, TABLE)


def test_an_unknown_activation_is_refused_by_name():
    net = fcn(False)
    net.backbone.add(nn.Activation('softsign'))
    with pytest.raises(ValueError, match='activation softsign'):
        export.to_onnx(net, TABLE)


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (['missing.zip'], 'there is no checkpoint missing.zip'),
        (['x.zip', 'yes'], 'HALF=yes: it is 1, or 0'),
    ],
    ids=['missing', 'half'],
)
def test_the_command_says_what_is_wrong(given, said):
    assert export.main(given) == said
