"""What the samples of a picture mean, of any depth, range or transparency.

Pillow gives 8 bits a sample where a file has fewer, or has more in several
bands, and clips what it turns from more into 8. Here nothing is clipped, and
what had to be guessed is told.
"""

import sys
from typing import NamedTuple

import numpy as onp
from PIL import Image


class _Stored(NamedTuple):
    """What a file says of its samples, before Pillow makes others of them."""

    bits: int = 8  # of a sample
    used: int = 0  # of 16, where Pillow gives the high bytes alone
    bands: int = 0  # of a pixel, if they are more than Pillow gives
    grey: bool = False  # with transparency, given as four bands
    signed: bool = False  # half of the numbers are below 0
    inverted: bool = False  # 0 is white
    unsaid: bool = False  # nothing says that the last band is transparency
    several: bool = False  # pages, or pictures of an animation


def stored(image):
    """Return the `_Stored` of a Pillow image that was opened, not read yet."""
    several = image.format in ('PNG', 'WEBP') and image.n_frames > 1
    if image.format == 'TIFF':
        tags = image.tag_v2
        bands = tags.get(277, 1)
        return _Stored(
            bits=max(tags.get(258, (1,))),
            bands=bands if bands > len(image.getbands()) else 0,
            signed=2 in tags.get(339, (1,)),
            inverted=tags.get(262) == 0,
            unsaid=image.mode == 'RGBA' and 338 not in tags,
            several=bool(tags.next),
        )
    if image.format != 'PNG' or image.mode == 'P':  # indices are what they are
        return _Stored(several=several)
    raw = image.tile[0].args
    bits = 1 if raw == '1' else int(raw.partition(';')[2].rstrip('B') or 8)
    clear, most = image.info.get('transparency'), 2**bits - 1
    if clear is not None and image.mode == 'L':  # as the pixels are given
        image.info['transparency'] = (clear & most) * (255 // most)
    if clear is not None and image.mode == 'RGB':
        image.info['transparency'] = tuple(sample & most for sample in clear)
    return _Stored(bits, grey=raw == 'LA;16B', several=several)


def facts(image):
    """Return the `_Stored` of a Pillow image, whoever opened it."""
    return image.info.get('stored', _Stored())


def _name(image):
    return getattr(image, 'filename', '') or 'the picture'


# ------------------------------------------------- 16 bits in several bands


def give_low_bytes(image):
    """Let a Pillow image, not read yet, give the low bytes of 16 bits.

    They are what is high in the other order of bytes. Grey with transparency
    comes as four bands, a byte each.
    """
    here = {'little': 'L', 'big': 'B'}[sys.byteorder]

    def other(raw):
        if raw == 'LA;16B':
            return 'RGBA'
        last = raw[-1].replace('N', here)
        return raw[:-1] + {'L': 'B', 'B': 'L'}[last]

    image.tile = [
        tile._replace(
            args=other(tile.args)
            if isinstance(tile.args, str)
            else (other(tile.args[0]), *tile.args[1:])
        )
        for tile in image.tile
    ]


def join_halves(image, read_low):
    """Turn an image of the high bytes of 16 bits into one of those used.

    `read_low`: reads the low ones, as an image like it; they matter where
    few bits are used, or where a colour is transparent.
    """
    most = max(most for _, most in image.getextrema()[:3])
    bits = _used(256 * most)
    image.info['stored'] = facts(image)._replace(used=bits)
    clear = image.info.pop('transparency', None)
    if bits == 16 and clear is None:
        return
    low = onp.asarray(read_low())
    if facts(image).grey:
        low = low[..., [1, 1, 1, 3]]
    samples = onp.asarray(image).astype('uint16') << 8 | low
    pixels = onp.minimum(samples >> (bits - 8), 255).astype('uint8')
    image.paste(Image.fromarray(pixels, image.mode))
    if clear is not None:
        opaque = (samples != clear).any(axis=2)
        image.putalpha(Image.fromarray(opaque * onp.uint8(255)))


# ------------------------------------------------------------------- depth

_DEEP = 'I', 'F', 'I;16', 'I;16L', 'I;16B', 'I;16N'  # Pillow's modes, grey


def _used(highest, signed=False):
    """How many bits a sample has if the highest of a picture is this."""
    sizes = 8, 10, 12, 14, 15 if signed else 16, 16, 24, 31, 32
    return next(bits for bits in sizes if highest < 2**bits)


def _numbers(image):
    """The samples of a grey image of any depth, as its file has them."""
    numbers, about = onp.asarray(image), facts(image)
    if image.mode == 'I' and about.bits == 32 and not about.signed:
        numbers = numbers.view('uint32')  # Pillow gives the same bits
    return numbers


def _white(image):
    """Which number is white in a grey image of more than 8 bits a sample.

    Floats up to 1 end there; all other numbers end with the bits that the
    highest of them needs. Raises ValueError for numbers that no photo has.
    """
    numbers = _numbers(image)
    low, high = numbers.min(), numbers.max()
    remedy = 'scale them to 0 … 255 and save it with 8 bits a sample'
    if not low >= 0 or not high < 2**32:  # NaN is neither
        raise ValueError(
            f'{_name(image)} holds numbers from {low:g} to {high:g}, and a '
            f'photo none below 0 and none without end: {remedy}'
        )
    if image.mode == 'F' and high <= 1.002:  # interpolation rounds
        return 1
    if image.mode == 'F' and high < 16:
        raise ValueError(
            f'{_name(image)} holds numbers from {low:g} to {high:g}, and '
            f'nothing says what is white: {remedy}'
        )
    if facts(image).bits == 12:
        return 2**12 - 1
    return 2 ** _used(high, facts(image).signed) - 1


def _to_grey(image):
    """Turn a grey image of more than 8 bits a sample into mode L."""
    numbers, most = _numbers(image), _white(image)
    if image.mode == 'F':
        grey = onp.rint(onp.minimum(numbers * (255 / most), 255))
    else:
        grey = numbers // ((most + 1) // 256)
    if facts(image).inverted:  # Pillow does that with 8 bits alone
        grey = 255 - grey
    return Image.fromarray(grey.astype('uint8'))


# ------------------------------------------------------------ transparency


def opacity(image):
    """How opaque each pixel is, uint8 (height, width); None if all are."""
    clear = image.info.get('transparency')
    if image.mode in ('RGBA', 'LA', 'PA'):
        alpha = onp.asarray(image.getchannel('A'))
    elif clear is None:
        return None
    elif isinstance(clear, bytes):  # of the colours of a palette
        table = onp.full(256, 255, 'uint8')
        table[: len(clear)] = list(clear)
        alpha = table[onp.asarray(image)]
    else:
        pixels = onp.asarray(
            image.convert('L') if image.mode == '1' else image
        )
        opaque = pixels != clear
        alpha = (opaque.any(axis=2) if opaque.ndim == 3 else opaque) * 255
        alpha = alpha.astype('uint8')
    return None if alpha.min() == 255 else alpha


def on_white(image):
    """Turn a Pillow image of any mode into RGB.

    What is transparent is laid on white. Raises ValueError for samples of
    which nobody knows what is white.
    """
    whole = {'La': 'LA', 'RGBa': 'RGBA'}.get(image.mode)
    image = image.convert(whole) if whole else image
    alpha = opacity(image)
    if image.mode in _DEEP:
        image = _to_grey(image)
    elif image.mode == 'P' and 'transparency' in image.info:
        image = image.convert('RGBA')
    rgb = image if image.mode == 'RGB' else image.convert('RGB')
    if alpha is None:
        return rgb
    white = Image.new('RGB', rgb.size, 'white')
    white.paste(rgb, mask=Image.fromarray(alpha))
    return white


# ------------------------------------------------------------------ labels


def to_label(image):
    """Return what a label image stores: (label, opacity).

    `label`: indices, uint8 (height, width), of grey and palette images, as
    they are stored; of all others colours, uint8 (height, width, 3).
    `opacity`: see there. Raises ValueError if these are no indices from 0
    to 255, or colours of 16 bits.
    """
    about, name, alpha = facts(image), _name(image), opacity(image)
    if image.mode not in ('1', 'L', 'LA', 'P', 'PA', *_DEEP):
        if about.bits > 8:
            raise ValueError(
                f'{name} has colours of {about.bits} bits a sample: save it '
                'with 8, or as indices'
            )
        return onp.asarray(image.convert('RGB')), alpha
    label = _numbers(image)
    label = label[..., 0] if label.ndim == 3 else label
    for index in label.min(initial=0), label.max(initial=0):
        if not 0 <= index <= 255:
            raise ValueError(f'{name} holds the index {index}, not 0 to 255')
    if image.mode == 'F' and (label % 1).any():
        index = label[label % 1 > 0][0]
        raise ValueError(f'{name} holds the index {index:g}, no whole number')
    label = label.astype('uint8')
    if image.mode == 'L' and about.bits < 8:  # Pillow spread them
        label = label // (255 // (2**about.bits - 1))
    if about.inverted and image.mode in ('1', 'L'):
        label = 2**about.bits - 1 - label
    return label, alpha


# ------------------------------------------------------------------- notes


def notes(image):
    """What of a picture was guessed, or is not read: a list of sentences."""
    about, found = facts(image), []
    if image.mode == 'F':
        found.append(
            f'its numbers are no integers: {_white(image)} was taken as white'
        )
    elif image.mode in _DEEP or about.used:
        used = about.used or _white(image).bit_length()
        if used != about.bits:
            found.append(
                f'of its {about.bits} bits a sample {used} are used, and were '
                f'taken as all: if it is meant to be as dark as that, save it '
                'with 8 bits a sample'
            )
    if about.unsaid:
        found.append(
            'it does not say what its fourth band is: it was taken as '
            'transparency'
        )
    if about.bands:
        found.append(
            f'it has {about.bands} bands, of which the first '
            f'{len(image.getbands())} are read'
        )
    if about.several:
        found.append('it holds several pictures, of which the first is read')
    return found
