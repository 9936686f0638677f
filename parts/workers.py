"""Processes that train one net together, on one machine or on many."""

import ctypes
import os

import parts.start  # noqa: F401  first: before MXNet
from parts.batches import normalized
from parts.images import host
from parts.nets import lay_out_anew
from parts.whole import place

import mxnet as mx
import numpy as onp
from mxnet import np


class Workers:
    """The processes that train one net together, each on its own share.

    `count` is 1 for the kvstores of one machine. Used in `with`: a worker
    that fails in there leaves without waiting for the others.
    """

    KEY = 1_000_000  # above all keys that a Trainer gives its parameters
    joined = False

    def __init__(self, kvstore):
        if 'async' in kvstore:
            raise ValueError(
                f'kvstore={kvstore!r} lets workers run ahead of each other; '
                "train needs 'dist_sync'"
            )
        if 'dist' in kvstore:
            if 'DMLC_ROLE' not in os.environ:
                raise ValueError(
                    f'kvstore={kvstore!r} needs a scheduler and servers: '
                    'start this script with tools/launch.py'
                )
            if Workers.joined:
                raise RuntimeError(
                    'a process can train with workers once: its servers '
                    'still hold the parameters of the first training'
                )
            Workers.joined = True
        elif os.environ.get('DMLC_ROLE') == 'worker' and not Workers.joined:
            raise ValueError(
                'this is a worker that tools/launch.py or a cluster started, '
                f'but kvstore={kvstore!r} would let it train alone, as all '
                "others: kvstore='dist_sync' (--kvstore dist_sync) trains one "
                'net together'
            )
        self.store = mx.kv.create(kvstore)
        self.rank, self.count = self.store.rank, self.store.num_workers
        self.keys, self.shared = set(), False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and self.count > 1:
            # By itself a process waits, when it ends, for all others.
            mx.base.check_call(
                mx.base._LIB.MXKVStoreSetBarrierBeforeExit(
                    self.store.handle, ctypes.c_int(0)
                )
            )

    def sum(self, numbers):
        """Add up vectors of one length over the workers, in float64."""
        if self.count == 1:
            return numbers
        vector = np.array(numbers, dtype='float64')
        key = self.KEY + len(numbers)
        if key not in self.keys:
            self.store.init(key, np.zeros_like(vector))
            self.keys.add(key)
        self.store.pushpull(key, vector, out=vector)
        return vector.asnumpy()

    def all_see(self, path):
        """Whether a file exists. Raises if that differs between workers."""
        there = place(path).exists()
        if self.sum([there])[0] != there * self.count:
            raise FileNotFoundError(
                f'not every worker sees {path}: lay it where all of them do'
            )
        return there

    def share_parameters(self, net, trainer, photo, devices):
        """Give all workers the parameters of rank 0, before the first step.

        The trainer would do it only after the first backward pass.
        """
        if self.count == 1 or self.shared:
            return
        show(net, photo, devices)
        lay_out_anew(net, devices)
        if not trainer._kv_initialized:
            trainer._init_kvstore()
        trainer._init_params()
        self.shared = True


def show(net, photo, devices):
    """Show a net a photo: some layers learn the sizes of their arrays."""
    for device in devices:
        net(normalized(photo.as_in_ctx(device)))


def average_statistics(net, workers):
    """Give all devices and workers the mean of their running statistics.

    Each has seen other photos; from here on all replicas are equal.
    """
    moving = [
        parameter
        for name, parameter in net.collect_params().items()
        if name.endswith(('running_mean', 'running_var'))
    ]
    if not moving or len(moving[0].list_ctx()) * workers.count == 1:
        return
    mean = onp.concatenate(
        [onp.mean([host(d) for d in p.list_data()], axis=0) for p in moving]
    )
    mean = workers.sum(mean.astype('float64')) / workers.count
    ends = onp.cumsum([p.data(p.list_ctx()[0]).size for p in moving])
    for parameter, values in zip(
        moving, onp.split(mean, ends[:-1]), strict=True
    ):
        parameter.set_data(np.array(values, dtype='float32'))
