"""What all peers share: `python prepare.py FOLDER`."""

import sys
from pathlib import Path

import ours
import peer
import segbook
import utils
from tools import export

import numpy as onp
from mxnet import np, npx
from onnx import TensorProto, helper


def prepare(folder):
    """Write random numbers for all peers: weights, a batch, a photo's labels.

    Lite0's backbone has its published weights. Beside them come some of the
    book's scores, and the nets as ONNX files, for photos and for the batch.
    """
    settings = peer.read_settings(folder)
    utils.set_seed(0)
    rng = onp.random.default_rng(0)
    shape = settings['batch'], *settings['size']
    x = rng.normal(size=(shape[0], 3, *shape[1:])).astype('float32')
    labels = rng.integers(ours.CLASSES, size=shape, dtype='uint8')
    onp.savez(folder / 'batch.npz', photos=x, labels=labels)
    photo = ours.read_first(settings)[None]
    labels = rng.integers(ours.CLASSES, size=photo.shape[:3], dtype='uint8')
    onp.savez(folder / 'photo.npz', photos=photo, labels=labels)
    for kind in 'resnet18', 'lite0':
        net = ours.build(kind)
        scores = net(np.array(x)).asnumpy()
        onp.save(folder / f'{kind}-scores.npy', peer.some_of(scores))
        onp.save(
            folder / f'{kind}-photo-scores.npy',
            peer.some_of(ours.photo_scores(net, photo).asnumpy()),
        )
        path = str(folder / f'{kind}.params')
        net.save_parameters(path)
        values = {name: x.asnumpy() for name, x in npx.load(path).items()}
        onp.savez(folder / f'{kind}.npz', **values)
        for name, model in (
            (kind, export.to_onnx(net, segbook.VOC)),
            (f'{kind}-batch', batch_to_onnx(net, x.shape)),
        ):
            model = model.SerializeToString()
            (folder / f'{name}.onnx').write_bytes(model)


def batch_to_onnx(net, shape):
    """The net alone as an onnx.ModelProto, for a batch of this shape."""
    graph = export.Graph()
    graph.channels = ours.CLASSES
    scores = graph.block(net, 'batch')
    given, found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)
        for name, sizes in (
            ('batch', shape),
            (scores, (shape[0], ours.CLASSES, *shape[2:])),
        )
    )
    return helper.make_model(
        helper.make_graph(graph.nodes, 'net', [given], [found], graph.arrays),
        opset_imports=[helper.make_opsetid('', export.OPSET)],
        ir_version=export.IR_VERSION,
    )


if __name__ == '__main__':
    prepare(Path(sys.argv[1]))
