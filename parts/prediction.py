"""The classes of a photo of any size, and of a whole data set."""

import itertools
import math
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import parts.start  # noqa: F401  first: before MXNet
from parts.batches import read_only, two_threads
from parts.devices import devices_of
from parts.images import MEAN_COLOR, host, pad_to, read_image, to_rgb
from parts.metric import SegmentationMetric
from parts.scaling import scale_label, scale_photo, scaled_size
from parts.views import (
    PLAIN,
    STRIDE,
    View,
    argmax,
    batch_of,
    round_up,
    scores_of,
)

import numpy as onp
from PIL import Image

_TILE, _OVERLAP = 960, 32  # pixels
_GROUP = 4  # photos that are read together
_MOST_SCORES = 2**23  # of a photo, that wait (32 MiB)


def predict(
    net,
    image,
    device=None,
    tile=_TILE,
    overlap=_OVERLAP,
    scales=(1,),
    mirror=False,
    sure=None,
    max_side=0,
    crf=None,
):
    """Segment a photo of any size: uint8 (height, width), class indices.

    `image`: a path, a Pillow image, or an array: uint8 or float from 0 to 1,
    (height, width) grey or (height, width, 3 or 4). Grey and transparent
    photos are converted, rotated ones (EXIF) set upright first.
    `net` maps a normalised batch (N, 3, h, w) to scores (N, classes, h, w),
    sides divisible by 32; its device is taken unless one is named.

    The photo is padded with the mean colour to a multiple of 32. Up to
    2 · `tile`² pixels go through the net whole. A larger photo is cut into
    equal tiles of at most `tile`² pixels, two of which go through the net at
    once. They overlap by at least `overlap` pixels; where they do, their
    scores are averaged, those near a tile's border counting less, before the
    argmax. Memory grows with `tile` squared, hardly with the photo.

    `scales`: numbers from 0.1 to 4. The net sees the photo in each of these
    sizes (bilinear; before the padding), with `mirror` in each also from
    left to right. The scores of every view are brought back to the photo's
    size; the class is the one whose softmax probability is the highest in
    the mean over all views. Tiles shrink as the largest scale grows, and are
    seen in all sizes, too. Where they overlap, probabilities are averaged.

    `sure`: a number from 0 to 1. Pixels whose class has a lower softmax
    probability become VOID; all others keep their class.

    `max_side`: a photo with a longer side is shown to the net at this size
    (0: never), as those that it was trained on were (`make_set`). The classes
    come back at the photo's own size, each pixel's from the nearest.

    `crf`: a function that looks at the photo once more before the argmax,
    such as `segbook.refine`. It gets probabilities, float32 (classes, height,
    width), and the photo, uint8 (height, width, 3), and returns better
    probabilities of the same shape. Of a large photo it gets the parts
    between the seams of the tiles one by one, and sees nothing beyond them.

    Raises ValueError, naming it, for what is no photo and for an option out
    of its range.
    """
    view = View.checked(scales, mirror, sure, crf)
    if tile % STRIDE or overlap % STRIDE or not 0 <= overlap < tile:
        raise ValueError(
            f'tile={tile} and overlap={overlap} must be multiples of '
            f'{STRIDE}, the overlap smaller'
        )
    photo = _as_photo(image)
    small = scaled_size(photo.shape[:2], max_side)
    if small != photo.shape[:2]:
        seen = scale_photo(photo, small)
        options = scales, mirror, sure, 0, crf
        label = predict(net, seen, device, tile, overlap, *options)
        return scale_label(label, photo.shape[:2])
    device = device or devices_of(net)[0]
    tile = view.fitting(tile, overlap)
    if not _is_small(photo, tile):
        return _by_tiles(net, photo, device, tile, overlap, view)
    return view.decide(view.ask(net, photo[None], device)[0], photo)


def _is_small(photo, tile=_TILE):
    """Whether a photo goes through the net whole."""
    return math.prod(map(round_up, photo.shape[:2])) <= 2 * tile**2


def _by_tiles(net, photo, device, tile=_TILE, overlap=_OVERLAP, view=PLAIN):
    """Segment a large photo, see `predict`."""
    height, width = photo.shape[:2]
    tops, tile_height, lefts, tile_width = _tiles(height, width, tile, overlap)
    corners = list(itertools.product(tops, lefts))

    def begin(pair):
        photos = [
            pad_to(
                photo[top : top + tile_height, left : left + tile_width],
                tile_height,
                tile_width,
                MEAN_COLOR,
            )
            for top, left in pair
        ]
        return view.ask(net, onp.stack(photos), device)

    # Two at once: each of two cores then works on a tile of its own. None is
    # begun ahead on a CPU, whose cores the joining of tiles needs, too.
    pairs = _ahead(
        (begin(corners[i : i + 2]) for i in range(0, len(corners), 2)),
        count=0 if device.device_type == 'cpu' else 1,
    )
    weights = onp.outer(
        _weights(tile_height, overlap), _weights(tile_width, overlap)
    )
    joined = _join(map(read_only, pairs), tops, lefts, weights)
    label = onp.empty((height, width), dtype='uint8')

    # How much all tiles count together in each row, and in each column.
    down, across = (
        _sum_of_weights(starts, size, overlap)
        for starts, size in ((tops, tile_height), (lefts, tile_width))
    )

    def decide(place_and_scores):
        place, scores = place_and_scores
        rows, columns = place
        part = photo[place]
        weights = onp.outer(down[rows], across[columns])
        weights = weights[: part.shape[0], : part.shape[1]]
        label[place] = view.decide(scores, part, weights)

    # Two other threads decide while this one joins. All is done before the
    # next pair begins, which needs the cores and the memory.
    with ThreadPoolExecutor(2) as others:
        for _ in range(0, len(corners), 2):
            list(others.map(decide, itertools.islice(joined, 2)))
    return label


def evaluate(net, dataset, num_classes=None, devices=None):
    """Predict every whole image of a data set: a SegmentationMetric.

    `dataset[i]`, for which two threads ask, is a photo, uint8 (height, width,
    3), and its label, uint8 (height, width). `num_classes`: of the metric,
    default as many as the net has scores for. The images are spread over the
    devices (default: those of the net). Large photos are cut into tiles as
    `predict` cuts them, so that memory hardly grows with them.
    """
    if not len(dataset):
        raise ValueError('there is no image to evaluate a net on')
    devices = devices or devices_of(net)
    on_cpu = devices[0].device_type == 'cpu'
    metric, waiting, lock = None, [], Lock()

    def prepared(i):
        """A label, and its photo: a batch, unless it is large."""
        photo, label = map(host, dataset[i])
        small = _is_small(photo)
        return label, batch_of(photo[None]) if small else photo

    def count(label, found):
        height, width = label.shape
        if found.ndim == 3:
            found = argmax(found)
        found = found[:height, :width]
        rows = max(1, 2**20 // width)  # counting takes 24 bytes a pixel
        with lock:
            for top in range(0, height, rows):
                metric.update(label[top:][:rows], found[top:][:rows])

    def labels_and_found(threads):
        """Yield labels with scores, or of a large photo with classes.

        Two threads count what was found in a few photos, and read the next
        ones. On a CPU, the net waits for them: it needs all cores.
        """
        start, size = 0, 1  # of a group: who knows how large photos are?
        while start < len(dataset):
            counting = [threads.submit(count, *each) for each in waiting]
            waiting.clear()
            group = range(len(dataset))[start : start + size]
            pairs = list(threads.map(prepared, group))
            while counting:
                counting.pop().result()
            start += size
            size = _GROUP if all(seen.ndim == 4 for _, seen in pairs) else 1
            for i, (label, seen) in zip(group, pairs, strict=True):
                device = devices[i % len(devices)]
                if seen.ndim == 3:
                    yield label, _by_tiles(net, seen, device)
                else:
                    yield label, scores_of(net, seen, device)[0]

    # On a CPU, no photo is begun ahead: a net whose cores do something else
    # waits for them.
    ahead = 0 if on_cpu else len(devices)
    with two_threads() as threads:
        for label, found in _ahead(labels_and_found(threads), ahead):
            if metric is None:
                if found.ndim == 2 and num_classes is None:
                    pixel = batch_of(onp.zeros((1, 1, 1, 3), 'uint8'))
                    num_classes = scores_of(net, pixel, devices[0]).shape[1]
                metric = SegmentationMetric(num_classes or len(found))
            if found.ndim == 3:
                may_wait = on_cpu and found.size <= _MOST_SCORES
                found = (read_only if may_wait else argmax)(found)
            waiting.append((label, found))
    for each in waiting:
        count(*each)
    return metric


def _as_photo(image):
    """Turn whatever stands for a photo into uint8 (height, width, 3)."""
    if isinstance(image, (str, os.PathLike)):
        return read_image(image)
    if isinstance(image, Image.Image):
        try:
            image.load()  # Pillow waits with the pixels of an opened file
        except Exception as error:  # of whatever kind a damaged one leads to
            name = getattr(image, 'filename', '') or 'the picture'
            raise ValueError(f'{name} cannot be read: {error}') from error
        return onp.asarray(to_rgb(image))
    pixels = host(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if (
        pixels.ndim not in (2, 3)
        or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4))
        or pixels.size == 0
    ):
        raise ValueError(
            'a photo is an array (height, width), (height, width, 3) or '
            f'(height, width, 4), not {pixels.shape}'
        )
    if pixels.dtype.kind == 'f':
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError('a photo of floats has values from 0 to 1')
        pixels = (pixels * 255).round().astype('uint8')
    if pixels.dtype != onp.uint8:
        raise ValueError(f'a photo is uint8 or float, not {pixels.dtype}')
    return onp.asarray(to_rgb(Image.fromarray(pixels)))


def _tiles(height, width, tile, overlap):
    """Cover a photo by equal tiles of at most `tile` squared pixels.

    Returns where rows of tiles start and their height, where columns start
    and their width: of all ways to cut, the one with the fewest pixels to
    compute, a border included, so that seams count without overlap, too.
    Everything is a multiple of the stride, so that the net sees a tile as it
    would see the same place in the whole picture.
    """
    tile, overlap = tile // STRIDE, overlap // STRIDE
    lengths = [round_up(side) // STRIDE for side in (height, width)]

    def cuts(length):
        """Sizes of tiles, each with the fewest that cover the length."""
        fewest = {}
        for count in range(1, max(length - overlap, 1) + 1):
            size = math.ceil((length + (count - 1) * overlap) / count)
            fewest.setdefault(size, count)
        return fewest.items()

    ways = itertools.product(*map(cuts, lengths))
    best = min(
        (way for way in ways if math.prod(size for size, _ in way) <= tile**2),
        key=lambda way: math.prod((size + 1) * count for size, count in way),
    )
    starts_and_size = []
    for length, (size, count) in zip(lengths, best, strict=True):
        room, gaps = length - size, max(count - 1, 1)
        starts = [i * room // gaps * STRIDE for i in range(count)]
        starts_and_size += [starts, size * STRIDE]
    return starts_and_size


def _weights(size, overlap):
    """How much scores count along a tile: less where the net sees less."""
    place = onp.arange(1, size + 1, dtype='float32')
    return onp.minimum(onp.minimum(place, place[::-1]) / (overlap + 1), 1)


def _sum_of_weights(starts, size, overlap):
    """How much tiles that start there count together, along a side."""
    total = onp.zeros(starts[-1] + size, 'float32')
    for start in starts:
        total[start : start + size] += _weights(size, overlap)
    return total


def _join(batches, tops, lefts, weights):
    """Add to each tile the scores of tiles before it, where they overlap.

    `batches`: scores (tiles, classes, *weights.shape), row by row, of a tile
    at each of `tops` and `lefts`; in sums they count as much as `weights`
    say. Yields for each tile what no later one touches, as two slices of the
    photo, and the sums: rows as wide as the tile, which begin there.
    """
    height, width = weights.shape
    tiles = itertools.chain.from_iterable(batches)
    downs = onp.diff(tops, append=tops[-1] + height)
    acrosses = onp.diff(lefts, append=lefts[-1] + width)
    above = [None] * len(lefts)  # what tiles hand on to those below them
    for top, down in zip(tops, downs, strict=True):
        beside = None  # what a tile hands on to the one on its right
        for column, left in enumerate(lefts):
            scores = next(tiles) * weights
            if left:
                scores[:, :, : beside.shape[2]] += beside
            across = acrosses[column]
            beside = scores[:, :, across:].copy()
            if top:
                scores[:, : above[column].shape[1]] += above[column]
            above[column] = scores[:, down:].copy()
            place = slice(top, top + down), slice(left, left + across)
            yield place, scores[:, :down]
            del scores  # The next pair needs the memory.


def _ahead(items, count=1):
    """Begin `count` items more before one is used: MXNet works meanwhile."""
    items = iter(items)
    begun = deque(itertools.islice(items, count))
    while True:
        begun.extend(itertools.islice(items, 1))
        if not begun:
            return
        yield begun.popleft()  # and nothing here keeps its memory
