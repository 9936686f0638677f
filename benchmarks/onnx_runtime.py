"""ONNX Runtime, measured: the shipped network, as `make export` writes it."""

import os

import peer

import numpy as onp
import onnxruntime


def photo(folder):
    """The scores of one photo; no MXNet in this process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ['OMP_NUM_THREADS'])
    session = onnxruntime.InferenceSession(
        folder / 'photo.onnx', options, providers=['CPUExecutionProvider']
    )
    pixels = onp.load(folder / 'photo.npy')

    def scores():
        return session.run(['scores'], {'photo': pixels})[0]

    return peer.one_photo(scores, peer.read_settings(folder))


if __name__ == '__main__':
    version = f'ONNX Runtime {onnxruntime.__version__}'
    peer.serve({'photo': photo}, version=version)
