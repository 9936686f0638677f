"""How a net is asked about a photo, and what is made of its answers."""

import math
import numbers
import reprlib
from collections.abc import Callable
from dataclasses import dataclass

import parts.start  # noqa: F401  first: before MXNet
from parts.batches import as_mxnet, look_up_normal, read_only
from parts.images import MEAN_COLOR, pad_to
from parts.tables import VOID

import numpy as onp
from PIL import Image

STRIDE = 32  # the nets of the book see a picture in steps of 32 pixels
_SMALLEST, _LARGEST = 0.1, 4  # scales in which a net is shown a photo


@dataclass(frozen=True)
class View:
    """How a net is asked about a photo, and what is made of its answers."""

    scales: tuple = (1,)
    mirror: bool = False
    sure: float | None = None
    crf: Callable | None = None

    @classmethod
    def checked(cls, scales, mirror, sure, crf):
        """A view; raises ValueError naming the option that is wrong."""
        values = scales if isinstance(scales, list | tuple) else [None]
        if not values or not all(
            _is_within(scale, _SMALLEST, _LARGEST) for scale in values
        ):
            raise ValueError(
                f'scales={reprlib.repr(scales)}: they are a list of numbers '
                f'from {_SMALLEST} to {_LARGEST}'
            )
        if sure is not None and not _is_within(sure, 0, 1):
            raise ValueError(
                f'sure={reprlib.repr(sure)}: it is a number from 0 to 1, the '
                'least probability of a class'
            )
        return cls(tuple(scales), bool(mirror), sure, crf)

    @property
    def is_plain(self):
        """Whether the net sees the photo once, as it is."""
        return self.scales == (1,) and not self.mirror

    def fitting(self, tile, overlap):
        """The largest tile that is within a tile's size in every scale."""
        side = int(tile / max(1, *self.scales)) // STRIDE * STRIDE
        return max(side, overlap + STRIDE)

    def ask(self, net, photos, device):
        """What a net finds in photos, uint8 (N, height, width, 3).

        Returns float32 (N, classes, height, width), or a little larger:
        scores, as an MXNet array, or the mean of several views'
        probabilities, as NumPy's.
        """
        if self.is_plain:
            return scores_of(net, batch_of(photos), device)
        size = photos.shape[1:3]
        mean, count = 0, len(self.scales) * (1 + self.mirror)
        for scale in self.scales:
            seen = _scaled(photos, scale)
            height, width = seen.shape[1:3]
            for turn in (1, -1)[: 1 + self.mirror]:
                batch = batch_of(seen[:, :, ::turn])
                scores = read_only(scores_of(net, batch, device))
                scores = scores[:, :, :height, :width][..., ::turn]
                if isinstance(mean, int):
                    mean = onp.zeros((*scores.shape[:2], *size), 'float32')
                for total, one in zip(mean, scores, strict=True):
                    total += _softmax(_stretched(one, *size))
                del scores, one  # the next view needs the memory
        mean /= count
        return mean

    def decide(self, found, photo, weights=1):
        """The classes of a photo, uint8 (height, width), by what was found.

        `found`: what `ask` returned for it, (classes, height, width or
        more), or sums of it, each value of `weights`, (height, width), in
        all.
        """
        height, width = photo.shape[:2]
        label = argmax(found)[:height, :width]
        if self.sure is None and self.crf is None:
            return label
        shares = read_only(found)[:, :height, :width] / onp.float32(weights)
        if self.is_plain:
            shares = _softmax(shares)
        if self.crf:
            better = onp.asarray(self.crf(shares, photo))
            if better.shape != shares.shape:
                raise ValueError(
                    f'crf was given probabilities of shape {shares.shape} '
                    f'and returned an array of shape {better.shape}'
                )
            shares, label = better, argmax(better)
        if self.sure is not None:
            label[shares.max(axis=0) < self.sure] = VOID
        return label


def _is_within(value, low, high):
    """Whether something is a number, and in a range: NaN is in none."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and low <= value <= high


def _scaled(photos, scale):
    """Photos, uint8 (N, height, width, 3), so many times as large."""
    if scale == 1:
        return photos
    height, width = (max(1, round(scale * n)) for n in photos.shape[1:3])
    size, how = (width, height), Image.Resampling.BILINEAR
    return onp.stack(
        [Image.fromarray(photo).resize(size, how) for photo in photos]
    )


def _stretched(scores, height, width):
    """Scores, float32 (classes, h, w), at another size, bilinearly."""
    if scores.shape[1:] == (height, width):
        return scores
    size, how = (width, height), Image.Resampling.BILINEAR
    stretched = onp.empty((len(scores), height, width), 'float32')
    for one, large in zip(scores, stretched, strict=True):
        image = Image.fromarray(onp.ascontiguousarray(one, 'float32'))
        large[:] = image.resize(size, how)
    return stretched


def _softmax(scores):
    """Probabilities over the first axis: float32, a new array."""
    shares = scores - scores.max(axis=0)
    onp.exp(shares, out=shares)
    shares /= shares.sum(axis=0)
    return shares


PLAIN = View()


def round_up(side):
    """Round up to a multiple of the stride."""
    return math.ceil(side / STRIDE) * STRIDE


def batch_of(photos):
    """Photos, uint8 (N, h, w, 3), as a net takes them.

    Returns NumPy's float32 (N, 3, height, width): normalised, and padded
    with the mean colour to multiples of the stride.
    """
    height, width = map(round_up, photos.shape[1:3])
    return look_up_normal(
        onp.stack([pad_to(p, height, width, MEAN_COLOR) for p in photos])
    )


def scores_of(net, batch, device):
    """Scores of a batch of NumPy's: float32 (N, classes, height, width)."""
    return net(as_mxnet(batch).as_in_ctx(device))


def argmax(scores):
    """The class with the highest score: uint8 (height, width).

    `scores`: (classes, height, width). Goes through memory in its order, one
    class after the other; `argmax` jumps, and takes several times as long.
    """
    if hasattr(scores, 'ctx'):
        if scores.ctx.device_type != 'cpu':
            return scores.argmax(axis=0).astype('uint8').asnumpy()
        scores = read_only(scores)
    highest = scores[0].copy()
    label = onp.zeros(highest.shape, dtype='uint8')
    for index in range(1, len(scores)):
        higher = scores[index] > highest
        # Later classes have higher numbers; so the maximum is the last one.
        onp.maximum(label, higher * onp.uint8(index), out=label)
        onp.maximum(highest, scores[index], out=highest)
    return label
