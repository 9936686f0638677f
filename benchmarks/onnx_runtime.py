"""The same FCNs in ONNX Runtime, from the files of tools/export.py."""

import os

import peer

import onnxruntime

THREADS = int(os.environ['OMP_NUM_THREADS'])


def session(path):
    """Return what runs a file, with as many threads as its peers have."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    found = onnxruntime.InferenceSession(
        str(path), options, providers=['CPUExecutionProvider']
    )
    (given,) = found.get_inputs()
    return lambda x: found.run(None, {given.name: x})[0]


def infer(folder, kind):
    """The scores of the batch."""
    x, labels = peer.read_batch(folder)
    run = session(folder / f'{kind}-batch.onnx')
    check = peer.check(run(x), labels, folder / f'{kind}-scores.npy')
    return peer.inference(
        lambda: run(x),
        lambda: run(x).argmax(axis=1),
        peer.read_settings(folder),
        check,
    )


def photo(folder, kind):
    """The scores of one photo, from its bytes."""
    x, labels = peer.read_photo(folder)
    run = session(folder / f'{kind}.onnx')
    check = peer.check(run(x), labels, folder / f'{kind}-photo-scores.npy')
    return peer.one_photo(lambda: run(x), peer.read_settings(folder), check)


if __name__ == '__main__':
    peer.serve(
        peer.for_both(infer, photo),
        version=f'ONNX Runtime {onnxruntime.__version__}',
        threads=THREADS,
    )
