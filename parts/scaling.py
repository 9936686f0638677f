"""Photos and labels at another size."""

import numpy as onp
from PIL import Image


def scaled_size(size, max_side):
    """The (height, width) at which no side is longer than `max_side`.

    Sides keep their proportion, to a pixel. What is small enough stays as it
    is, and so does everything with a `max_side` of 0. Raises ValueError for
    what is no number of pixels.
    """
    if not isinstance(max_side, int) or max_side < 0:
        raise ValueError(
            f'max_side={max_side!r}: it is a number of pixels, or 0'
        )
    longest = max(size)
    if not max_side or longest <= max_side:
        return tuple(size)
    return tuple(max(1, round(side * max_side / longest)) for side in size)


def scale_photo(photo, size):
    """Scale a photo, uint8 (H, W, 3), to (height, width).

    Each new pixel is a weighted mean of all old ones that it covers
    (Lanczos' windowed sinc), so nothing is skipped.
    """
    if photo.shape[:2] == tuple(size):
        return photo
    height, width = size
    image = Image.fromarray(onp.asarray(photo))
    return onp.asarray(image.resize((width, height), Image.LANCZOS))


def scale_label(label, size):
    """Scale a label (H, W) to (height, width): the nearest pixel of each.

    Indices are no quantities: between 3 and 5 there is no 4.
    """
    if label.shape == tuple(size):
        return label
    rows, columns = (
        (2 * onp.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, label.shape, strict=True)
    )
    return label[rows[:, None], columns]
