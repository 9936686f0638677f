"""Write a trained net as an ONNX file, which outlives its framework.

    make export [CHECKPOINT=net.zip] [HALF=1]

writes _build/export/NAME.onnx. In Python:

    from tools.export import export
    path = export('net.zip')

The file is complete in itself. Its input `photo` is uint8 (N, height, width,
3), RGB, of any size; its output `scores` is float32 (N, classes, height,
width). Padding to multiples of 32, normalisation and the cut back to the
photo's size are in it, as in `utils.predict`, which cuts photos of more than
1.8 megapixels into tiles: here, they go through whole. Its metadata name the
classes and their colours, as JSON, and where the net comes from. Its operators
are those of opset 11, of 2019.

HALF=1 stores the weights in half precision: half of the bytes; they become
float32 again before they are used. A checkpoint is what `make predict` takes.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import json

sys.path.insert(0, str(ROOT))

import segbook
import utils  # first: it gives MXNet all cores
from parts.images import host
from parts.nets import knows_sizes
from parts.texts import plain
from parts.whole import place, write_whole
from tools import predict, weights

import numpy as onp
from mxnet import np
from mxnet.gluon import nn
from mxnet.gluon.model_zoo.vision import resnet
from onnx import TensorProto, helper, numpy_helper

FOLDER = ROOT / '_build' / 'export'
# The oldest that pads by computed amounts; what it asks of a runtime.
OPSET, IR_VERSION = 11, 6
STRIDE = 32  # the nets of the book see a photo in steps of 32 pixels
WRITERS = {}  # {class of a block: function(graph, block, what goes in)}


class Graph:
    """The operators and the numbers of a net that is being written."""

    def __init__(self, half=False):
        self.nodes, self.arrays, self.half = [], [], half

    def add(self, operator, *inputs, **attributes):
        """Add an operator; return the name of what it computes."""
        name = f'{operator}_{len(self.nodes)}'
        self.nodes.append(
            helper.make_node(operator, inputs, [name], name, **attributes)
        )
        return name

    def numbers(self, values, dtype='float32'):
        """Add numbers that are never stored in half precision."""
        name = f'numbers_{len(self.arrays)}'
        array = onp.ascontiguousarray(values, dtype)
        self.arrays.append(numpy_helper.from_array(array, name))
        return name

    def weights(self, parameter):
        """Add what a layer has learnt: an MXNet parameter, or an array."""
        if hasattr(parameter, 'list_ctx'):
            parameter = parameter.data(parameter.list_ctx()[0])
        values = host(parameter)
        if not self.half:
            return self.numbers(values)
        with onp.errstate(over='ignore'):
            halves = onp.asarray(values).astype('float16')
        if not onp.isfinite(halves).all():
            raise ValueError('a weight is too large for half precision')
        stored = self.numbers(halves, 'float16')
        return self.add('Cast', stored, to=TensorProto.FLOAT)

    def block(self, block, x):
        """Add a block of any known kind."""
        if type(block) not in WRITERS:
            kind = type(block)
            raise ValueError(
                f'no ONNX operators are known for the block {kind.__name__} '
                f'({kind.__module__}): add a writer to tools/export.py'
            )
        return WRITERS[type(block)](self, block, x)


def writes(*kinds):
    """Mark a function as the writer of some classes of blocks.

    Exactly of these: what inherits from them may compute something else.
    """

    def mark(function):
        WRITERS.update(dict.fromkeys(kinds, function))
        return function

    return mark


# ------------------------------------------------------------ Gluon's layers
def _places(settings):
    """Return the attributes by which a layer slides over a map."""
    found = {
        'kernel_shape': settings['kernel'],
        'strides': settings['stride'],
        'pads': (*settings['pad'], *settings['pad']),
    }
    if 'dilate' in settings:
        found['dilations'] = settings['dilate']
        found['group'] = settings['num_group']
    if settings.get('adj'):
        found['output_padding'] = settings['adj']
    return found


@writes(nn.Conv2D, nn.Conv2DTranspose)
def _convolution(graph, layer, x):
    transposed = isinstance(layer, nn.Conv2DTranspose)
    inputs = [x, graph.weights(layer.weight)]
    if layer.bias is not None:
        inputs.append(graph.weights(layer.bias))
    operator = 'ConvTranspose' if transposed else 'Conv'
    x = graph.add(operator, *inputs, **_places(layer._kwargs))
    return x if layer.act is None else graph.block(layer.act, x)


@writes(nn.MaxPool2D)
def _max_pool(graph, layer, x):
    places = _places(layer._kwargs)
    places['ceil_mode'] = int(layer._kwargs['pooling_convention'] == 'full')
    return graph.add('MaxPool', x, **places)


@writes(nn.BatchNorm)
def _batch_norm(graph, layer, x):
    gamma = layer.gamma
    if layer._kwargs['fix_gamma']:
        gamma = onp.ones(gamma.shape)
    parts = gamma, layer.beta, layer.running_mean, layer.running_var
    parts = map(graph.weights, parts)
    epsilon = layer._kwargs['eps']
    return graph.add('BatchNormalization', x, *parts, epsilon=epsilon)


@writes(nn.Activation)
def _activation(graph, layer, x):
    if layer._act_type != 'relu':
        raise ValueError(
            'no ONNX operator is known for the activation '
            f'{layer._act_type}: add it to tools/export.py'
        )
    return graph.add('Relu', x)


@writes(nn.Dropout)
def _nothing(graph, layer, x):
    return x


@writes(nn.HybridSequential, nn.Sequential)
def _sequential(graph, layers, x):
    for layer in layers:
        x = graph.block(layer, x)
    return x


@writes(resnet.BasicBlockV2)
def _basic_block(graph, block, x):
    rest = x
    x = graph.add('Relu', graph.block(block.bn1, x))
    if block.downsample:
        rest = graph.block(block.downsample, x)
    x = graph.block(block.bn2, graph.block(block.conv1, x))
    x = graph.block(block.conv2, graph.add('Relu', x))
    return graph.add('Add', x, rest)


# --------------------------------------------------------- The book's blocks
@writes(segbook.ReLU6)
def _relu6(graph, block, x):
    return graph.add('Clip', x, graph.numbers(0), graph.numbers(6))


@writes(segbook.Residual)
def _residual(graph, block, x):
    return graph.add('Add', x, _sequential(graph, block, x))


@writes(segbook.ASPP)
def _aspp(graph, head, x):
    first, *others = (graph.block(branch, x) for branch in head.branches)
    for scores in others:
        first = graph.add('Add', first, scores)
    return first


def _stamp(graph, x, values, stride, pad):
    """Stamp a kernel, (size,), in each direction, each class by itself."""
    channels = graph.channels
    kernel = onp.broadcast_to(values, (channels, 1, 1, len(values)))
    options = {'group': channels}
    x = graph.add(
        'ConvTranspose',
        x,
        graph.numbers(kernel.transpose(0, 1, 3, 2)),
        strides=(stride, 1),
        pads=(pad, 0, pad, 0),
        **options,
    )
    return graph.add(
        'ConvTranspose',
        x,
        graph.numbers(kernel),
        strides=(1, stride),
        pads=(0, pad, 0, pad),
        **options,
    )


@writes(segbook.BilinearUpsampling)
def _bilinear(graph, block, x):
    """Stamp a triangle; the border fades, as it must."""
    stride = block.stride
    size = 2 * stride - stride % 2
    pad = (size - stride) // 2
    return _stamp(graph, x, host(segbook.triangle(size)), stride, pad)


@writes(segbook.DeepLab)
def _deeplab(graph, net, photo):
    """Stamp a triangle; beyond the outermost cells they are repeated."""
    x = graph.block(net.head, graph.block(net.backbone, photo)[-1])
    around = graph.numbers([0, 0, 1, 1, 0, 0, 1, 1], 'int64')
    x = graph.add('Pad', x, around, mode='edge')
    size = 2 * net.stride - 1
    x = _stamp(graph, x, host(segbook.triangle(size)), net.stride, 0)
    return _cut_out(graph, x, size - net.first, _size(graph, photo))


@writes(segbook.FCN)
def _fcn(graph, net, x):
    x = graph.block(net.backbone, x)
    return graph.block(net.upsample, graph.block(net.score, x))


@writes(segbook.Backbone, segbook.LiteBackbone)
def _backbone(graph, backbone, x):
    maps = []
    for stage in backbone.stages:
        x = graph.block(stage, x)
        maps.append(x)
    return maps


@writes(segbook.SkipFCN)
def _skip_fcn(graph, net, x):
    finest, finer, coarse = graph.block(net.backbone, x)
    scores = graph.block(net.enlarge32, graph.block(net.score, coarse))
    taps = zip(net.taps, (finer, finest), (16, 8), strict=False)
    for tap, fine, stride in taps:
        fine = graph.block(tap, fine)
        fine = graph.block(getattr(net, f'enlarge{stride}'), fine)
        scores = graph.add('Add', scores, fine)
    return scores


@writes(segbook.PaperFCN)
def _paper_fcn(graph, net, x):
    """Photos come normalised, as everywhere; the net wants other numbers."""
    x = graph.add('Mul', x, _channels(graph, 255 * onp.array(utils.RGB_STD)))
    x = graph.add('Add', x, _channels(graph, 255 * onp.array(utils.RGB_MEAN)))
    x = graph.add('Gather', x, graph.numbers([2, 1, 0], 'int64'), axis=1)
    photo = graph.add('Sub', x, _channels(graph, weights.MEAN))
    scores, maps = photo, {}
    for name in net.trunk:
        scores = maps[name] = graph.block(getattr(net, name), scores)
    skips = ('upscore2', 'pool4', 5), ('upscore_pool4', 'pool3', 9)
    count = {32: 0, 16: 1, 8: 2}[net.stride]
    for (name, pool, offset), scale in zip(
        skips[:count], net.scales[:count], strict=True
    ):
        scores = graph.block(getattr(net, name), scores)
        fine = graph.add('Mul', maps[pool], graph.numbers(scale))
        fine = graph.block(getattr(net, f'score_{pool}'), fine)
        fine = _cut_out(graph, fine, offset, _size(graph, scores))
        scores = graph.add('Add', scores, fine)
    scores = graph.block(getattr(net, net.last), scores)
    offset = {32: 19, 16: 27, 8: 31}[net.stride]
    return _cut_out(graph, scores, offset, _size(graph, photo))


@writes(predict._PaperInput)
def _paper_input(graph, block, x):
    return graph.block(block.net, x)  # whose writer does the same


def _channels(graph, values):
    """Add a number for each colour of a batch of photos."""
    return graph.numbers(onp.reshape(values, (3, 1, 1)))


def _size(graph, x, begin=2):
    """Add what computes the height and width of a map."""
    ends = (graph.numbers([at], 'int64') for at in (begin, begin + 2))
    return graph.add('Slice', graph.add('Shape', x), *ends)


def _cut_out(graph, x, offset, size):
    """Add what cuts a window of a computed size out of a map."""
    begin = graph.numbers([offset, offset], 'int64')
    end = graph.add('Add', size, begin)
    return graph.add('Slice', x, begin, end, graph.numbers([2, 3], 'int64'))


# ------------------------------------------------------------- The whole net
def to_onnx(net, table, source='', half=False):
    """Return a net as an onnx.ModelProto; see the top of this file.

    `net`: one of the book's, with values, from normalised photos (N, 3, h,
    w) to scores (N, classes, h, w), 32 divides h and w; a bare
    `segbook.PaperFCN` gets what normalises for it. `table`: a class table.
    `source`: a text, where the net comes from.

    Raises ValueError naming a block or an activation that is not known.
    """
    if not knows_sizes(net):
        net(np.zeros((1, 3, STRIDE, STRIDE), ctx=utils.devices_of(net)[0]))
    graph = Graph(half)
    graph.channels = len(table.names)
    scores = graph.block(net, _normalised(graph, 'photo'))
    _cut_out(graph, scores, 0, _size(graph, 'photo', 1))
    graph.nodes[-1].output[0] = 'scores'
    photo = helper.make_tensor_value_info(
        'photo', TensorProto.UINT8, ['N', 'height', 'width', 3]
    )
    output = helper.make_tensor_value_info(
        'scores',
        TensorProto.FLOAT,
        ['N', len(table.names), 'height', 'width'],
    )
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, 'segmentation', [photo], [output], graph.arrays
        ),
        opset_imports=[helper.make_opsetid('', OPSET)],
        ir_version=IR_VERSION,
    )
    colors = table.colormap[: len(table.names)].tolist()
    facts = {
        'classes': json.dumps(table.names, ensure_ascii=False),
        'colors': json.dumps(colors),
        'source': source,
    }
    helper.set_model_props(model, facts)
    return model


def _normalised(graph, photo):
    """Add what pads photos with the mean colour and normalises them."""
    x = graph.add('Cast', photo, to=TensorProto.FLOAT)
    x = graph.add('Transpose', x, perm=(0, 3, 1, 2))
    # Around photos less the mean colour, that colour is 0.
    color = onp.array(utils.MEAN_COLOR, 'float32')
    x = graph.add('Sub', x, _channels(graph, color))
    size = graph.add('Neg', _size(graph, x))
    more = graph.add('Mod', size, graph.numbers([STRIDE], 'int64'))
    nothing = graph.numbers([0] * 6, 'int64')
    x = graph.add('Pad', x, graph.add('Concat', nothing, more, axis=0))
    mean, std = onp.array([utils.RGB_MEAN, utils.RGB_STD])
    x = graph.add('Mul', x, _channels(graph, 1 / (255 * std)))
    return graph.add('Add', x, _channels(graph, (color / 255 - mean) / std))


def export(checkpoint, folder=FOLDER, half=False):
    """Write the net of a checkpoint as an ONNX file; return its path.

    `checkpoint`: see `tools.predict.load_net`. `half`: whether to store the
    weights in half precision. The file replaces an older one of its name.

    Raises FileNotFoundError or ValueError naming the file at fault.
    """
    checkpoint = place(checkpoint)
    net, table, kind = predict.load_net(checkpoint)
    source = f'{kind}, from {plain(checkpoint.name)}'
    model = to_onnx(net, table, source, half)
    path = place(folder) / f'{checkpoint.stem}.onnx'
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, model.SerializeToString())
    print(plain(f'{checkpoint}: {kind}, {len(table.names)} classes'))
    print(f'{path.stat().st_size / 1e6:.1f} MB')
    return path


def main(arguments=None):
    """Read the command line; return the message of an error, or None."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', nargs='?', help='a trained net')
    parser.add_argument('half', nargs='?', default='', help='1: in half')
    given = parser.parse_args(arguments)
    if given.half not in ('', '0', '1'):
        return plain(f'HALF={given.half}: it is 1, or 0')
    try:
        checkpoint = given.checkpoint or predict.default_checkpoint()
        print(plain(str(export(checkpoint, half=given.half == '1'))))
    except (FileNotFoundError, ValueError) as error:
        return plain(str(error))
    return None


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
