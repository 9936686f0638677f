"""From a data set to batches, and from a batch to what a net takes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache

import parts.start  # noqa: F401  first: before MXNet
from parts.images import RGB_MEAN, RGB_STD
from parts.start import ON_MXNET1

import mxnet as mx
import numpy as onp
from mxnet import autograd, gluon, npx


def normalize(images):
    """Scale and centre photos as ResNet expects them.

    `images`: uint8 MXNet array (N, height, width, 3), values 0..255.
    Returns float32 (N, 3, height, width): divided by 255, minus RGB_MEAN,
    divided by RGB_STD.
    """
    device = _device_of(images)
    if device.device_type == 'cpu' and images.dtype == onp.uint8:
        normal = as_mxnet(look_up_normal(read_only(images)))
        # MXNet counts several CPUs if asked to.
        return normal if device == mx.cpu() else normal.as_in_ctx(device)
    return _compute_normal(images)


def _compute_normal(images):
    with autograd.pause():  # in place, which no recording allows
        scaled = npx.image.to_tensor(images)  # that transposes, too
        return npx.image.normalize(scaled, RGB_MEAN, RGB_STD, out=scaled)


def look_up_normal(images):
    """The same from and to NumPy's arrays: far faster on a CPU.

    All numbers that a channel can become are computed once (by MXNet, so
    that they are the same), and then looked up.
    """
    normal = onp.empty((len(images), 3, *images.shape[1:3]), dtype='float32')
    for image, planes in zip(images, normal, strict=True):
        for band, plane in enumerate(planes):
            _normal_numbers()[band].take(
                image[:, :, band], out=plane, mode='clip'
            )
    return normal


@cache
def _normal_numbers():
    """What normalising makes of the numbers 0 to 255: float32 (3, 256)."""
    grey = onp.arange(256, dtype='uint8').reshape(1, 1, 256, 1)
    grey = as_mxnet(grey.repeat(3, axis=3))
    return _compute_normal(grey).asnumpy()[0, :, 0]


def _device_of(array):
    """The device of an array: each MXNet has a name of its own for it."""
    return array.ctx if ON_MXNET1 else array.device


def as_mxnet(array):
    """The same memory as an array of MXNet's: to copy it takes far longer."""
    return mx.nd.from_numpy(array).as_np_ndarray()


def read_only(array):
    """Return an array as a NumPy array, of MXNet's if possible no copy.

    Not possible on a GPU, and where oneDNN keeps an order of its own.
    """
    if isinstance(array, onp.ndarray):
        return array
    array.wait_to_read()  # What went wrong in MXNet is told only once: here.
    if _device_of(array).device_type != 'cpu':
        return array.asnumpy()
    try:
        return onp.from_dlpack(_Exchange(array))
    except mx.MXNetError:
        return array.asnumpy()


class _Exchange:
    """What NumPy asks of an array whose memory it is to share."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, stream=None):
        return self.array.as_nd_ndarray().to_dlpack_for_read()

    def __dlpack_device__(self):
        return 1, 0  # a CPU's memory


def normalized(images):
    """Photos as the net takes them; those that are not uint8 already are."""
    return normalize(images) if images.dtype == onp.uint8 else images


class _Readers:
    """Processes that read batches ahead.

    One that dies is noticed at once: not so by a `multiprocessing.Pool`, nor
    by Gluon's `DataLoader`, which waits two minutes for what it was reading.
    """

    def __init__(self, dataset, count):
        others = multiprocessing.active_children()
        self._pool = ProcessPoolExecutor(
            count,
            multiprocessing.get_context('fork'),  # MXNet knows how to fork
            _become_reader,
            (dataset,),
        )
        self._pool.submit(len, ()).result()  # this starts them
        self._processes = set(multiprocessing.active_children()) - {*others}

    def __del__(self):
        """End before Python does: it would find a pipe closed at times."""
        if hasattr(self, '_pool'):
            self._pool.shutdown(cancel_futures=True)

    def read(self, batches):
        """Read batches of keys, (epoch, i); yield what `_read` returns."""
        waiting = deque()
        try:
            for keys in batches:
                waiting.append(self._pool.submit(_read, keys))
                if len(waiting) > 2 * len(self._processes):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f'of {len(self._processes)} processes that read photos, '
                f'{self._cause()}: with fewer of them (readers), or none, '
                'it takes less memory'
            ) from error
        finally:
            for result in waiting:
                result.cancel()

    def _cause(self):
        """How the first one died; those after it are ended with SIGTERM."""
        for process in self._processes:
            process.join(1)
            code = process.exitcode
            if code == -signal.SIGKILL:
                return f'number {process.pid} was killed (out of memory?)'
            if code not in (None, 0, -signal.SIGTERM):
                return f'number {process.pid} died with status {code}'
        return 'one was ended'


_dataset = None  # of a process that reads


def _become_reader(dataset):
    """What a reader does first."""
    global _dataset
    _dataset = dataset
    # Ctrl-C is for who started it; when that dies, it is to end, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    end = threading.Thread(target=lambda: os._exit(parent.join() or 0))
    end.daemon = True
    end.start()


def _read(keys):
    """Read samples of a reader's data set by their keys, (epoch, i)."""
    return _stacked(_dataset.get(i, epoch=epoch) for epoch, i in keys)


def _stacked(samples):
    """Make a batch of samples: two uint8 NumPy arrays."""
    parts = (
        onp.stack([_in_order(array) for array in part])
        for part in zip(*samples, strict=True)
    )
    return tuple(onp.ascontiguousarray(part, dtype='uint8') for part in parts)


def two_threads():
    """Two threads to read photos by, in which MXNet is as in the first one."""
    return ThreadPoolExecutor(2, initializer=npx.set_np)


def _in_order(array):
    """Copy a mirrored photo by channels: NumPy copies it pixel by pixel."""
    array = onp.asarray(array)
    if array.ndim < 3 or array.strides[1] > 0:
        return array
    copy = onp.empty(array.shape, array.dtype)
    for channel in range(array.shape[2]):
        copy[..., channel] = array[..., channel]
    return copy


class Batches:
    """Cut a data set into batches, new ones in every epoch.

    Iterating once is one epoch and gives (images, labels): uint8 MXNet
    arrays (batch_size, height, width, 3) and (batch_size, height, width).
    The order is shuffled; a last batch that is not full is left out, and
    the shuffling sees to it that these are other images every time.

    The data set has a method `get(i, epoch)`. The same seed gives the same
    batches, whatever the number of `readers`, the processes that read ahead;
    without them, two threads read a batch when it is asked for.

    `part`: (rank, count), the share of every batch that this process reads
    if `count` machines train together: every count-th image. The shares
    have no image in common, and together they are the batch.
    """

    def __init__(self, dataset, batch_size, seed=0, readers=0, part=(0, 1)):
        if not 1 <= batch_size <= len(dataset):
            raise ValueError(
                f'a batch of {batch_size} from {len(dataset)} images'
            )
        self.dataset, self.batch_size = dataset, batch_size
        self.seed, self.epoch, self.part = seed, 0, part
        self._readers = _Readers(dataset, readers) if readers else None

    def __len__(self):
        return len(self.dataset) // self.batch_size

    def __iter__(self):
        rng = onp.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(len(self.dataset))[
            : len(self) * self.batch_size
        ]
        rank, count = self.part
        if self.batch_size % count:
            raise ValueError(
                f'a batch of {self.batch_size} cannot be shared out equally '
                f'to {count} workers'
            )
        keys = [
            [(self.epoch, int(i)) for i in batch[rank::count]]
            for batch in order.reshape(len(self), self.batch_size)
        ]
        self.epoch += 1
        if self._readers is None:
            read = self._by_threads(keys)
        else:
            read = self._readers.read(keys)
        for arrays in read:
            yield tuple(map(as_mxnet, arrays))

    def _by_threads(self, batches):
        """Read batches of keys, (epoch, i), in this process."""
        with two_threads() as threads:
            for keys in batches:
                epochs, indices = zip(*keys, strict=True)
                yield _stacked(threads.map(self.dataset.get, indices, epochs))


def split(batch, parts):
    """Split a batch; MXNet would copy it even into a single part."""
    if parts == 1:
        return [batch]
    return gluon.utils.split_data(batch, parts, even_split=False)
