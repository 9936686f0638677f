"""What tests of several topics do: fake, wait, write labels, train a bit."""

import itertools
import os
import signal
import subprocess
import sys
import time

import segbook
import utils

import mxnet as mx
import numpy as onp
from mxnet.gluon import nn
from PIL import Image


def script(path, text):
    """Write a shell script that can be called; return its path."""
    path.write_text(f'#!/bin/sh\n{text}', encoding='utf-8')
    path.chmod(0o755)
    return path


def wait_for(condition, limit=120):
    """Wait until a function returns something true, and return that."""
    end = time.monotonic() + limit  # seconds
    while not (found := condition()):
        assert time.monotonic() < end, f'{limit} seconds in vain'
        time.sleep(0.05)
    return found


# -------------------------------------------------------------- a data set


def photo_file(voc, name='wide'):
    return voc / 'JPEGImages' / f'{name}.jpg'


def label_file(voc, name='wide'):
    return voc / 'SegmentationClass' / f'{name}.png'


def save_label(path, label):
    """Save a label, uint8 (height, width), as VOC does: a palette image."""
    image = Image.fromarray(label, mode='P')
    image.putpalette(segbook.voc_colormap().ravel().tolist())
    image.save(path)


# ------------------------------------------------------------- a prediction


class Near(nn.HybridBlock):
    """A net that sees 5 pixels around each, with random weights."""

    def __init__(self):
        super().__init__()
        self.body = nn.HybridSequential()
        for channels in (6, 5):
            self.body.add(nn.Conv2D(channels, 5, padding=2, activation='tanh'))

    def forward(self, x):
        return self.body(x)


def near_net():
    """A net with the same random weights every time."""
    utils.set_seed(1)
    net = Near()
    net.initialize(mx.init.Xavier(magnitude=20))
    net(mx.np.zeros((1, 3, 32, 32)))
    return net


def photo(height, width, seed=0):
    """A smooth random picture, uint8 (height, width, 3)."""
    rng = onp.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 7 + 2, width // 7 + 2, 3))
    image = Image.fromarray(small.astype('uint8'))
    return onp.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


# -------------------------------------------------------------- a training

CLASSES = 4


class Noise:
    """Photos of noise; each has another number of void pixels."""

    def __len__(self):
        return 40

    def get(self, i, epoch=0):
        rng = onp.random.default_rng((i, epoch))
        image = rng.integers(0, 256, (8, 12, 3), dtype='uint8')
        label = rng.integers(0, CLASSES, (8, 12), dtype='uint8')
        label[: i % 8] = utils.VOID
        return image, label


def trained(devices=1, epochs=1, frozen=True, hybridized=False, **options):
    """Train a small net, 5 steps an epoch: its parameters, the history."""
    utils.set_seed(0)
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(8, 3, padding=1, in_channels=3, activation='relu'),
        nn.BatchNorm(in_channels=8),
        nn.Conv2D(CLASSES, 3, padding=1, in_channels=8),
    )
    devices = [mx.cpu(i) for i in range(devices)]
    net.initialize(mx.init.Xavier(), devices)
    if hybridized:
        net.hybridize(static_alloc=True, static_shape=True)
    if frozen:
        utils.freeze_batch_norm(net)
    history = utils.train(
        net,
        utils.Batches(Noise(), 8, seed=2),
        segbook.void_cross_entropy,
        epochs,
        optimizer_params={'learning_rate': 0.01},
        devices=devices,
        **options,
    )
    values = net.collect_params().values()
    for value in values:  # all replicas are equal
        first, *others = [data.asnumpy() for data in value.list_data()]
        assert all((first == other).all() for other in others)
    return [v.data(devices[0]).asnumpy() for v in values], history


def difference(one, other):
    return max(
        float(abs(a - b).max()) for a, b in zip(one, other, strict=True)
    )


# Forks for each number that it reads, and kills the child at that step.
FORKS = """
import os, signal, sys
from pathlib import Path
import copies
from parts import whole

def count(event, arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    if not (child := os.fork()):
        left = int(line)
        sys.addaudithook(count)
        exec(sys.argv[1])
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def killed_at_each_step(root, work):
    """Do `work`, Python code, in processes that are killed; yield after.

    A step is what Python tells audit hooks of: to open, rename, remove, ...
    In the end the work is done by one that is not killed.
    """
    with subprocess.Popen(
        [sys.executable, '-c', FORKS, work],
        cwd=root / 'build',
        env={**os.environ, 'PYTHONPATH': str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for step in itertools.count(1):
            print(step, file=process.stdin, flush=True)
            status = int(process.stdout.readline())
            if status == 0:
                process.stdin.close()
                break
            assert status == signal.SIGKILL
            yield step
