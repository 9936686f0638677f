"""Photos and labels: read, written, padded; the ids of a split."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as onp
from PIL import Image, ImageFile, ImageOps

VOID = 255  # the label of pixels that nobody scores
PHOTO_ENDINGS = '.jpg', '.png'  # of a data set's photos: VOC's is the first
RGB_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pixels, scaled to 0..1
RGB_STD = (0.229, 0.224, 0.225)
MEAN_COLOR = tuple(round(255 * m) for m in RGB_MEAN)  # normalises to about 0


def host(array):
    """Return an MXNet or other array as a NumPy array."""
    return array.asnumpy() if hasattr(array, 'asnumpy') else onp.asarray(array)


def pad_to(image, height, width, value):
    """Pad an image or label at the bottom and on the right.

    `image`: (h, w) or (h, w, channels), any dtype; returned as it is where
    it is large enough. `value`: what new pixels hold, a number or one a
    channel.
    """
    h, w = max(height, image.shape[0]), max(width, image.shape[1])
    if (h, w) == image.shape[:2]:
        return image
    padded = onp.empty((h, w, *image.shape[2:]), dtype=image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    padded[: image.shape[0], image.shape[1] :] = value
    padded[image.shape[0] :] = value
    return padded


def to_rgb(image):
    """Turn a Pillow image of any mode, upright or not, into RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        image = Image.alpha_composite(white, image)
    if image.mode.startswith('I'):  # 16 bits a pixel
        image = Image.fromarray((onp.asarray(image) >> 8).astype('uint8'))
    return image.convert('RGB')


@contextmanager
def opened(path):
    """Open a picture; an unreadable one gives a ValueError with its name."""
    # Other libraries (gluoncv is one) ask Pillow to fill up half a file.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(path) as image:
            image.load()
            yield image
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path} cannot be read: {error}') from error


def read_image(path):
    """Read a photo of any mode as a uint8 array (height, width, 3), upright.

    Grey, palette, CMYK and transparent images are converted to RGB.
    Raises ValueError, naming the file, if it is damaged.
    """
    with opened(path) as image:
        return onp.asarray(to_rgb(image))


def read_label(path, colormap=None):
    """Read a label image as it is stored.

    A palette or grey image gives its indices, uint8 (height, width); any
    other gives colours, uint8 (height, width, 3). With a `colormap`, uint8
    (256, 3), the palette of a palette image must agree with it.

    Raises ValueError, naming the file, if it is damaged or its palette
    means something else.
    """
    with opened(path) as image:
        if image.mode not in ('P', 'L', '1', 'I', 'I;16'):
            return onp.asarray(image.convert('RGB'))
        label = onp.asarray(image)
        if label.max(initial=0) > 255:
            raise ValueError(f'{path} holds the index {label.max()} > 255')
        if image.mode == 'P' and colormap is not None:
            palette = onp.array(image.getpalette('RGB')).reshape(-1, 3)
            present = onp.bincount(label.reshape(-1))
            for index in onp.flatnonzero(present):
                if index < len(palette) and tuple(palette[index]) not in (
                    tuple(colormap[index]),
                    (index, index, index),
                ):
                    raise ValueError(
                        f'{path} draws index {index} in the colour '
                        f'{tuple(palette[index].tolist())}, the data set in '
                        f'{tuple(colormap[index].tolist())}'
                    )
        return label.astype('uint8')


def read_pair(root, name, table, decode):
    """Read a photo and its label by their id, and check that they agree.

    `table`: has `names`, the list of classes; `void`, the index of void in
    the files; `colormap`, uint8 (256, 3), the colours of the classes and, at
    VOID, of void. `decode`: turns a label stored as colours, uint8 (height,
    width, 3), and the table into indices, and raises ValueError for a colour
    that is no class's.

    Returns uint8 (height, width, 3) and uint8 (height, width), indices below
    the number of classes or VOID. Raises ValueError, naming the file, if a
    file is damaged, an index or colour is none of the table's, or the sizes
    differ.
    """
    image = read_image(photo_path(root, name))
    path = Path(root, 'SegmentationClass', f'{name}.png')
    label = read_classes(path, table, decode)
    if image.shape[:2] != label.shape:
        raise ValueError(
            f'{path} is {label.shape[1]}x{label.shape[0]} pixels, its photo '
            f'{image.shape[1]}x{image.shape[0]}'
        )
    return image, label


def photo_path(root, name):
    """Return where the photo of an id lies: a .jpg file, or else a .png."""
    stem = Path(root, 'JPEGImages', name)
    paths = [Path(f'{stem}{ending}') for ending in PHOTO_ENDINGS]
    return next((path for path in paths if path.exists()), paths[0])


def colors_in_files(table):
    """The colours of the indices as files have them: uint8 (256, 3)."""
    colors = table.colormap.copy()
    colors[table.void] = table.colormap[VOID]
    return colors


def read_classes(path, table, decode):
    """Read a label file of any kind as indices, uint8 (height, width).

    See `read_pair`, whose second half this is.
    """
    label = read_label(path, colors_in_files(table))
    if label.ndim == 3:
        try:
            return decode(label, table)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
    wrong = (label >= len(table.names)) & (label != table.void)
    if wrong.any():
        row, column = onp.argwhere(wrong)[0]
        raise ValueError(
            f'{path} holds index {label[row, column]} at row {row}, column '
            f'{column}; the classes end at {len(table.names) - 1}, void is '
            f'{table.void}'
        )
    label[label == table.void] = VOID
    return label


def save_label(path, label, colormap):
    """Save a label as a palette PNG, as VOC's are: complete or not at all.

    `label`: integers (height, width); `colormap`: uint8 (256, 3). The file
    opens in these colours and reads back as these indices (`read_label`).
    """
    label = host(label)
    if label.ndim != 2 or label.min() < 0 or label.max() > 255:
        raise ValueError(
            'a label is an array (height, width) of indices from 0 to 255'
        )
    image = Image.fromarray(label.astype('uint8'))  # putpalette: mode P
    image.putpalette(onp.asarray(colormap, 'uint8').tobytes())
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        image.save(f'{folder}/label.png', optimize=True)
        os.replace(f'{folder}/label.png', path)


def read_split(root, split):
    """Return the list of image ids of a split, such as 'train'.

    Photos are .jpg or .png files in JPEGImages, labels .png files in
    SegmentationClass. Raises FileNotFoundError if the split, a photo or a
    label is missing, and ValueError if the split is empty. No image is
    opened.
    """
    root = Path(root)
    folder = root / 'ImageSets' / 'Segmentation'
    path = folder / f'{split}.txt'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in folder.glob('*.txt')))
        raise FileNotFoundError(
            f'there is no split file {path} (there are: {known or "none"})'
        )
    # A line an id, for names of one's own may hold spaces.
    lines = path.read_text().splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise ValueError(f'the split file {path} is empty')
    for kind, endings in (
        ('JPEGImages', PHOTO_ENDINGS),
        ('SegmentationClass', ('.png',)),
    ):
        there = {entry.name for entry in os.scandir(root / kind)}
        for name in ids:
            if not any(name + ending in there for ending in endings):
                raise FileNotFoundError(
                    f'{path} lists {name}, but there is no '
                    f'{root / kind / (name + " or ".join(endings))}'
                )
    return ids
