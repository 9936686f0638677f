"""How much memory training takes, and what is said where it is too much."""

import os
import subprocess
import sys

import segbook
import utils
from parts import memory
from parts.start import HERE
from support import CLASSES, Noise

import mxnet as mx
import pytest
from mxnet.gluon import nn


def test_memory_is_counted_layer_by_layer():
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(8, 3, padding=1, strides=2, in_channels=3),
        nn.Activation('relu'),  # in place
        nn.Conv2D(5, 1, use_bias=False, in_channels=8),
    )
    net.initialize()
    net.hybridize()
    net[2].weight.grad_req = 'null'
    needs = utils.training_memory(net, (2, 3, 16, 24))
    weights = 8 * 3 * 9 + 8, 5 * 8
    outputs = 8 * 8 * 12, 5 * 8 * 12
    assert needs['parameters'] == 4 * sum(weights)
    assert needs['gradients'] == 4 * weights[0]
    assert needs['optimizer'] == 2 * needs['gradients']  # Adam's two means
    assert needs['layers'] == 2 * 2 * 4 * sum(outputs)
    assert needs['loss'] == 2 * memory._LOSS_MAPS * 4 * outputs[1]
    assert needs['total'] == sum(needs.values()) - needs['total']
    for momentum, states in ((0, 0), (0.9, 1)):
        params = {'momentum': momentum}
        counted = utils.training_memory(net, (2, 3, 16, 24), 'sgd', params)
        assert counted['optimizer'] == states * needs['gradients']
    assert net._active  # the net is hybridized as before


def test_the_estimate_is_of_the_right_size():
    """Within a factor of 1.5 of what a process takes for eight photos more."""
    program = """
import sys
import segbook, utils
from mxnet import gluon, np
import numpy as onp

class Photos:
    def __len__(self):
        return 2 * size

    def get(self, i, epoch=0):
        return onp.zeros((128, 192, 3), 'uint8'), onp.ones((128, 192), 'uint8')

size = int(sys.argv[1])
features = gluon.model_zoo.vision.resnet18_v2().features
features.initialize()
features(np.zeros((1, 3, 32, 32)))
net = segbook.make_fcn(features, 21)
utils.train(
    net, utils.Batches(Photos(), size), segbook.void_cross_entropy, 1
)
print(utils.peak_memory())
need = utils.training_memory(net, (size, 3, 128, 192))
print(need['total'] / 2**20)
"""

    def run(size):
        done = subprocess.run(
            [sys.executable, '-c', program, str(size)],
            env=os.environ | {'PYTHONPATH': str(HERE)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(line) for line in done.stdout.splitlines()[-2:]]

    small, large = run(4), run(12)
    measured, estimated = large[0] - small[0], large[1] - small[1]
    assert 1 / 1.5 < measured / estimated < 1.5


class Hungry(nn.Block):
    """A net that says what a device says if it gets more than 3 photos."""

    def __init__(self, words, limit=3):
        super().__init__()
        self.words, self.limit = words, limit
        self.body = nn.Conv2D(CLASSES, 1, in_channels=3)

    def forward(self, x):
        if len(x) > self.limit:
            raise mx.base.MXNetError(f'a long trace\n{self.words}')
        return self.body(x)


def train_hungry(words, limit=3, **options):
    net = Hungry(words, limit)
    net.initialize()
    return utils.train(
        net,
        utils.Batches(Noise(), 8),
        segbook.void_cross_entropy,
        1,
        devices=[mx.cpu()],
        **options,
    )


WORDS = [
    'cudaMalloc retry failed: out of memory',
    'Memory allocation failed',
    'CUDNN_STATUS_ALLOC_FAILED',
]


@pytest.mark.parametrize('words', WORDS)
def test_out_of_memory_says_what_fits(monkeypatch, words):
    net = nn.Conv2D(CLASSES, 1, in_channels=3)
    net.initialize()
    three = utils.training_memory(net, (3, 3, 8, 12))['total']
    monkeypatch.setattr(memory, '_device_memory', lambda device: three + 1)
    with pytest.raises(MemoryError) as caught:
        train_hungry(words)
    text = str(caught.value)
    assert '8 photos of 8 x 12 at a time do not fit on cpu(0)' in text
    assert '3 fit: batch_size=3, ' in text and 'accumulate=3' in text
    train_hungry(words, accumulate=3)  # as it was told
    monkeypatch.setattr(memory, '_device_memory', lambda device: 1)
    with pytest.raises(MemoryError, match='Not even one photo fits'):
        train_hungry(words)


def test_another_error_stays_what_it_is():
    with pytest.raises(mx.base.MXNetError, match='no kernel image'):
        train_hungry('no kernel image is available')
