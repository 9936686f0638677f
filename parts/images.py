"""Photos and labels: read, written, padded; the ids of a split."""

import io
import logging
import math
import os
import re
import stat
import warnings
from pathlib import Path

from parts import samples, whole
from parts.tables import VOID, background_of
from parts.texts import same_letters

import numpy as onp
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

# What is read, and the endings of such files. Pillow knows more formats than
# is good for a photo: for EPS it runs a program.
FORMATS = {
    'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif'),
    'PNG': ('.png', '.apng'),
    'BMP': ('.bmp',),
    'TIFF': ('.tif', '.tiff'),
    'WEBP': ('.webp',),
}
PHOTO_ENDINGS = '.jpg', '.png', '.jpeg'  # of a data set's; VOC's is the first
MOST_PIXELS = 200_000_000  # of a picture: as many as the largest phone takes
RGB_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pixels, scaled to 0..1
RGB_STD = (0.229, 0.224, 0.225)
MEAN_COLOR = tuple(round(255 * m) for m in RGB_MEAN)  # normalises to about 0


def host(array):
    """Return an MXNet or other array as a NumPy array."""
    return array.asnumpy() if hasattr(array, 'asnumpy') else onp.asarray(array)


def pixel_counts(label):
    """How often each index from 0 to 255 occurs in a label: int64 (256,)."""
    # By rows: as a whole, NumPy would need eight times the label's memory.
    return sum(onp.bincount(row, minlength=256) for row in host(label))


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


_TURNS = {  # from EXIF's orientation to what sets a picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(image):
    """How a Pillow image is stored, by its EXIF data: 1, upright, to 8."""
    stored = image.getexif().get(0x0112)
    return stored if stored in _TURNS else 1


def to_rgb(image):
    """Turn a Pillow image of any mode, upright or not, into RGB.

    What is transparent is laid on white. Of more than 8 bits a sample, those
    that are used count (`samples`). Raises ValueError for samples of
    which nobody knows what is white.
    """
    turn = _TURNS.get(orientation(image))
    image = samples.on_white(image)
    if turn is not None:
        image = image.transpose(turn)
        image.info = {}  # all that may say so, or it would be turned again
    return image


_KINDS = {
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a named pipe',
    stat.S_IFSOCK: 'a socket',
}


def open_file(path):
    """Open a file to read its bytes.

    Raises FileNotFoundError, and ValueError, naming the path, if it cannot
    be read or is no file: reading a pipe or a device may never end.
    """
    try:
        mode = os.stat(whole.place(path)).st_mode
        if stat.S_ISREG(mode):
            return open(whole.place(path), 'rb')
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    kind = _KINDS.get(stat.S_IFMT(mode), 'a device')
    raise ValueError(f'{path} is {kind}, not a file')


def open_image(source):
    """Read a picture as a Pillow image, all of it.

    `source`: a path, or a binary file that is open.

    Raises FileNotFoundError, and ValueError, naming the path, if it is no
    picture of one of `FORMATS`, has more than `MOST_PIXELS`, or more than
    four bytes for each of so many, is damaged, or lacks rows.
    """
    if isinstance(source, io.IOBase):
        return _whole(source, 'what is stored')
    with open_file(source) as file:
        return _whole(file, source)


def _whole(file, name):
    """Read a picture and make sure that all of its rows are there."""
    try:
        image = _decoded(file, _GREY)
        last = image.crop((0, image.height - 1, *image.size))
        grey = Image.new(image.mode, last.size, _ink(image, _GREY))
        if last.tobytes() == grey.tobytes() and not _same_again(file, image):
            raise OSError('its last rows are missing')
        if image.mode == 'La':  # Pillow turns this mode into that one alone
            image = image.convert('LA')
        if samples.facts(image).bits == 16 and len(image.getbands()) > 1:
            samples.join_halves(image, lambda: _decoded(file, _GREY, low=True))
    except Exception as error:  # of whatever kind a damaged file leads to
        words = _in_words(error, file)
        raise ValueError(f'{name} cannot be read: {words}') from error
    image.filename = str(name)  # for what is said of its samples
    return image


_TOO_LARGE = 'cut it into parts, or scale it down'


def _in_words(error, file):
    """What is wrong with a file, and what to do, by what reading it raised."""
    text = str(error)
    if isinstance(error, UnidentifiedImageError):
        file.seek(0)
        begin = file.read(16)
        for kind in FORMATS:
            if Image.OPEN[kind][1](begin):
                return (
                    f'it begins as {kind} does, but is damaged, or of a kind '
                    'that is not read: export it again, with 8 bits a sample, '
                    'in grey or RGB'
                )
        known = ', '.join(FORMATS)
        return f'it is no picture of the kinds {known}: export it as such'
    if isinstance(error, Image.DecompressionBombError):
        pixels = re.search(r'\d+', text)[0]
        most = f'at most {MOST_PIXELS} are read at once'
        return f'it has {pixels} pixels, and {most}: {_TOO_LARGE}'
    if 'MAX_TEXT' in text:
        return 'its profile or its texts are too large: save it without them'
    if text.endswith(_TOO_LARGE):
        return text
    return f'{text}: it is damaged; get it anew, or export it again'


_GREY = 128  # what libjpeg gives for rows that a file does not hold

# Pillow warns of half as many pixels as it refuses; what is read is read. It
# warns of damaged EXIF data, too, and logs, without saying of which file.
logging.getLogger('PIL').setLevel(logging.CRITICAL)
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)
warnings.filterwarnings('ignore', module=r'PIL\.TiffImagePlugin')
# A profile or text in a PNG may be as large as that, where Pillow itself
# refuses the picture for more than 1 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 64 * 2**20


def _decoded(file, grey, low=False):
    """Decode a picture; rows that a PNG lacks are left in a grey.

    `low`: of 16 bits a sample, give the low ones.
    """
    # Other libraries (gluoncv is one) ask Pillow to fill up half a file.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2
    if file.seek(0, io.SEEK_END) > 4 * MOST_PIXELS:  # WebP's are read whole
        most = 4 * MOST_PIXELS
        raise OSError(f'it has more than {most} bytes: {_TOO_LARGE}')
    file.seek(0)
    image = Image.open(file, formats=list(FORMATS))
    image.info['stored'] = samples.stored(image)
    if low:
        samples.give_low_bytes(image)
    if image.format == 'PNG':  # Pillow would leave them black
        image.im = Image.new(image.mode, image.size, _ink(image, grey)).im
    if image.format == 'TIFF':
        boxes = [tile[1] for tile in image.tile]
        pixels = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in boxes)
        if pixels < math.prod(image.size):
            raise OSError('some of its rows are missing')
    image.load()
    image.getexif()  # while the file is open; it is kept
    return image


def _ink(image, grey):
    """What Pillow takes for a colour of the same number in each band."""
    bands = len(image.getbands())
    return (grey,) * bands if bands > 1 else grey


def _same_again(file, image):
    """Whether an image whose last row is grey is grey there by its file.

    Then it is the same when another grey is left, and with more behind its
    end: in a JPEG that ended too early, that becomes the next pixels.
    """
    file.seek(0)
    content = file.read()
    if image.format in ('JPEG', 'MPO'):
        end = content.rfind(b'\xff\xd9')
        content = content[:end] + 64 * b'\x5a' + content[end:]
    other = _decoded(io.BytesIO(content), 255 - _GREY)
    return all(
        one.tobytes() == another.tobytes()
        for one, another in zip(_strips(image), _strips(other), strict=True)
    )


def _strips(image, height=256):
    """Cut a Pillow image into strips, each copied when its turn comes."""
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield image.crop((0, top, image.width, bottom))


def read_image(path):
    """Read a photo of any mode as a uint8 array (height, width, 3), upright.

    Grey, palette, CMYK and transparent images are converted to RGB, samples
    of other than 8 bits to 8 (`to_rgb`). Raises what `open_image` raises, and
    ValueError, naming the path, if nobody knows which number is white.
    """
    image = to_rgb(open_image(path))
    pixels = onp.empty((image.height, image.width, 3), dtype='uint8')
    top = 0
    for strip in _strips(image):  # as a whole, Pillow would copy it twice
        pixels[top : top + strip.height] = strip
        top += strip.height
    return pixels


def read_label(path, colormap=None, unpainted=0):
    """Read a label image as it is stored.

    A palette or grey image gives its indices, uint8 (height, width), as they
    are stored, whatever its depth; any other gives colours, uint8 (height,
    width, 3). What is transparent was not painted: it gets the index
    `unpainted`, or its colour (black without a colormap). With a `colormap`,
    uint8 (256, 3), the palette of a palette image must agree with it.

    Raises what `open_image` raises, and ValueError, naming the file, if it
    holds other numbers than 0 to 255, colours of 16 bits, pixels that are
    transparent in part, or a palette that means something else.
    """
    image = open_image(path)
    label, opacity = samples.to_label(image)
    if opacity is not None:
        clear = opacity == 0
        partly = onp.argwhere(~clear & (opacity < 255))
        if len(partly):
            row, column = partly[0]
            raise ValueError(
                f'{path} is transparent in part at row {row}, column '
                f'{column}: export it again without smoothing, each pixel '
                'painted or not'
            )
        label = label.copy()
        color = (0, 0, 0) if colormap is None else colormap[unpainted]
        label[clear] = unpainted if label.ndim == 2 else color
    if image.mode in ('P', 'PA') and colormap is not None:
        palette = onp.array(image.getpalette('RGB')).reshape(-1, 3)
        grey = onp.arange(len(palette))[:, None]
        wrong = (palette != colormap[: len(palette)]).any(axis=1)
        wrong = onp.flatnonzero(wrong & (palette != grey).any(axis=1))
        if len(wrong):  # else there is no need to look at the pixels
            painted = label if opacity is None else label[~clear]
            counts = onp.bincount(painted.reshape(-1), minlength=256)
            wrong = wrong[counts[wrong] > 0]
        if len(wrong):
            index = wrong[0]
            raise ValueError(
                f'{path} draws index {index} in the colour '
                f'{tuple(palette[index].tolist())}, the data set in '
                f'{tuple(colormap[index].tolist())}'
            )
    return label


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
    path = _stored(
        Path(whole.place(root), 'SegmentationClass'), name, ('.png',)
    )
    label = read_classes(path, table, decode)
    if image.shape[:2] != label.shape:
        raise ValueError(
            f'{path} is {label.shape[1]}x{label.shape[0]} pixels, its photo '
            f'{image.shape[1]}x{image.shape[0]}'
        )
    return image, label


def photo_path(root, name):
    """Return where the photo of an id lies; see `read_split`."""
    return _stored(Path(whole.place(root), 'JPEGImages'), name, PHOTO_ENDINGS)


def _stored(top, name, endings):
    """Where the file of an id lies; if nowhere, where it should."""
    inner, _, last = name.rpartition('/')
    folder, files = _folder(top, inner), [last + ending for ending in endings]
    return _look_up(folder, files) or folder / files[0]


def _folder(top, inner):
    """The folder within a folder that the first part of an id names."""
    for part in inner.split('/'):
        top = _look_up(top, [part]) or top / part
    return top


def _look_up(folder, names):
    """The path of what is called so, or alike, in a folder, or None."""
    for path in (folder / name for name in names):
        if os.path.exists(path):  # not if a name is too long for any file
            return path
    there = os.listdir(folder) if os.path.isdir(folder) else ()
    alike = {_alike(file): file for file in there}
    keys = [key for key in map(_alike, names) if key in alike]
    return folder / alike[keys[0]] if keys else None


def _alike(file):
    """What names of files have in common that mean the same.

    The case of their ending, and how they write an «ä», do not matter.
    """
    stem, ending = os.path.splitext(file)
    return same_letters(stem) + ending.lower()


def unpainted(table):
    """The index, as files have it, of pixels that nobody painted."""
    background = background_of(table)
    return table.void if background is None else background


def colors_in_files(table):
    """The colours of the indices as files have them: uint8 (256, 3)."""
    colors = table.colormap.copy()
    colors[table.void] = table.colormap[VOID]
    return colors


def read_classes(path, table, decode):
    """Read a label file of any kind as indices, uint8 (height, width).

    See `read_pair`, whose second half this is.
    """
    label = read_label(path, colors_in_files(table), unpainted(table))
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
    if table.void != VOID:
        label[label == table.void] = VOID
    return label


def save_label(path, label, colormap):
    """Save a label as a palette PNG, as VOC's are: complete or not at all.

    `label`: integers (height, width); `colormap`: uint8 (256, 3). The file
    opens in these colours and reads back as these indices (`read_label`).
    """
    label, colormap = host(label), onp.asarray(colormap)
    if label.ndim != 2 or not _are_bytes(label):
        raise ValueError(
            'a label is an array (height, width) of indices from 0 to 255'
        )
    if colormap.shape != (256, 3) or not _are_bytes(colormap):
        raise ValueError(
            'a colormap is an array (256, 3) of whole numbers from 0 to 255'
        )
    image = Image.fromarray(label.astype('uint8'))  # putpalette: mode P
    image.putpalette(colormap.astype('uint8').tobytes())
    with whole.new(path) as part:
        image.save(part, 'PNG', optimize=True)


def _are_bytes(array):
    """Whether an array holds integers from 0 to 255 and nothing else."""
    whole = array.dtype.kind in 'bui'
    return whole and array.size and array.min() >= 0 and array.max() <= 255


def read_split(root, split):
    """Return the list of image ids of a split, such as 'train'.

    Photos are .jpg, .jpeg or .png files in JPEGImages, labels .png files in
    SegmentationClass; an id may have folders. Endings may be in any case,
    and an «ä» be written in both of Unicode's ways. Raises FileNotFoundError
    if the split, a photo or a label is missing, and ValueError if the split
    is empty or no text in UTF-8. No image is opened.
    """
    root = whole.place(root)
    folder = root / 'ImageSets' / 'Segmentation'
    path = folder / f'{split}.txt'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in folder.glob('[!.]*.txt')))
        raise FileNotFoundError(
            f'there is no split file {path} (there are: {known or "none"})'
        )
    # A line an id, for names of one's own may hold spaces.
    try:
        lines = path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no text in UTF-8: save it as UTF-8 ({error})'
        ) from error
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise ValueError(f'the split file {path} is empty')
    for kind, endings in (
        ('JPEGImages', PHOTO_ENDINGS),
        ('SegmentationClass', ('.png',)),
    ):
        there = {}  # what lies in a folder
        for name in ids:
            inner, _, last = name.rpartition('/')
            if inner not in there:
                place = _folder(root / kind, inner)
                files = os.listdir(place) if os.path.isdir(place) else ()
                there[inner] = set(map(_alike, files))
            if not any(_alike(last + e) in there[inner] for e in endings):
                raise FileNotFoundError(
                    f'{path} lists {name}, but there is no '
                    f'{root / kind / (name + " or ".join(endings))}'
                )
    return ids
