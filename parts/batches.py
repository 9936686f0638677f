"""From a data set to batches, and from a batch to what a net takes."""

import parts.start  # noqa: F401  first: before MXNet
from parts.images import RGB_MEAN, RGB_STD

import mxnet as mx
import numpy as onp
from mxnet import autograd, gluon, npx


def normalize(images):
    """Scale and centre photos as ResNet expects them.

    `images`: uint8 MXNet array (N, height, width, 3), values 0..255.
    Returns float32 (N, 3, height, width): divided by 255, minus RGB_MEAN,
    divided by RGB_STD.
    """
    with autograd.pause():  # in place, which no recording allows
        scaled = npx.image.to_tensor(images)  # that transposes, too
        return npx.image.normalize(scaled, RGB_MEAN, RGB_STD, out=scaled)


def normalized(images):
    """Photos as the net takes them; those that are not uint8 already are."""
    return normalize(images) if images.dtype == onp.uint8 else images


def _stack(samples):
    parts = (onp.stack(part) for part in zip(*samples, strict=True))
    return tuple(onp.ascontiguousarray(part, dtype='uint8') for part in parts)


class _Keyed:
    """Let a loader ask for sample (epoch, i), in whatever process it runs."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, key):
        return self.dataset.get(key[1], epoch=key[0])


class Batches:
    """Cut a data set into batches, new ones in every epoch.

    Iterating once is one epoch and gives (images, labels): uint8 MXNet
    arrays (batch_size, height, width, 3) and (batch_size, height, width).
    The order is shuffled; a last batch that is not full is left out, and
    the shuffling sees to it that these are other images every time.

    The data set has a method `get(i, epoch)`. The same seed gives the same
    batches, whatever the number of `readers`, the processes that read ahead.

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
        self._keys = []
        self._loader = gluon.data.DataLoader(
            _Keyed(dataset),
            batch_sampler=self._keys,
            batchify_fn=_stack,
            num_workers=readers,
        )

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
        # The loader keeps the list that it was given: fill that list anew.
        self._keys[:] = [
            [(self.epoch, int(i)) for i in batch[rank::count]]
            for batch in order.reshape(len(self), self.batch_size)
        ]
        self.epoch += 1
        for arrays in self._loader:
            # In the same memory: np.array would copy, and a fast device wait.
            yield tuple(
                mx.nd.from_numpy(array).as_np_ndarray() for array in arrays
            )
