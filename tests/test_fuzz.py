"""Files spoiled by chance: each is read, or refused with its name.

The same seed gives the same files. `campaign` can be run for longer by hand:
`python tests/test_fuzz.py 100000` prints a table.
"""

import base64
import io
import json
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path

if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import segbook
import utils

import numpy as onp
import pytest
from PIL import Image

TABLE = segbook.ClassTable(['background', 'ship', 'fish'])
HEIGHT, WIDTH = 24, 32


def picture(rng, mode='RGB', height=HEIGHT, width=WIDTH):
    """A small picture of any mode; of labels, mostly with known indices."""
    shape = height, width, len(Image.new(mode, (1, 1)).getbands())
    most = rng.choice([2, 3, 4, 256])
    pixels = rng.integers(0, most, shape).astype('uint8')
    if mode in ('1', 'I;16', 'I', 'F'):
        return Image.fromarray(pixels[..., 0]).convert(mode)
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def spoiled(rng, content):
    """Change a file's bytes: flip some, cut, double or lose a part."""
    content = bytearray(content)
    for _ in range(rng.integers(0, 4)):
        start, end = sorted(rng.integers(0, len(content) + 1, 2))
        end = min(end, start + rng.integers(0, 40))
        way = rng.integers(6)
        if way < 2 and content:  # more often than all others
            for place in rng.integers(0, len(content), rng.integers(1, 9)):
                content[place] ^= 1 << rng.integers(8)
        elif way == 2:
            del content[start:]
        elif way == 3:
            del content[start:end]
        elif way == 4:
            content[start:end] = content[start:end] * 3
        else:
            content[start:end] = rng.bytes(end - start)
    return bytes(content)


ODD = [None, True, -1, 0, 2.5, 10**400, 1e300, '', 'ship', '\ud800', [], {}]


def odd_json(rng, value):
    """Put something odd somewhere into what JSON holds."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return ODD[rng.integers(len(ODD))]
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[rng.integers(len(keys))]
    if rng.random() < 0.15:
        del value[key]
    elif rng.random() < 0.1:
        value[key] = [value[key]] * rng.integers(3)
    else:
        value[key] = odd_json(rng, value[key])
    return value


def labelme_file(rng):
    """A labelme file with a shape of each kind, some of it odd."""
    mask = base64.b64encode(encoded(picture(rng, '1', 5, 5), 'PNG')).decode()
    corners = {'polygon': 5, 'linestrip': 4, 'point': 1}
    shapes = []
    for kind in (
        *('polygon', 'rectangle', 'circle', 'line', 'linestrip', 'point'),
        'mask',
    ):
        points = rng.uniform(-5, 40, (corners.get(kind, 2), 2)).tolist()
        shape = {'label': 'ship', 'points': points, 'shape_type': kind}
        shapes.append(shape | {'group_id': None, 'flags': {}, 'mask': mask})
    content = {'shapes': shapes, 'imageHeight': HEIGHT, 'imageWidth': WIDTH}
    for _ in range(rng.integers(0, 3)):
        content = odd_json(rng, content)
    text = json.dumps(content).encode()
    return spoiled(rng, text) if rng.random() < 0.4 else text


class Other(Exception):
    """What is neither read nor refused as the documentation says."""


def try_labelme(rng, folder):
    path = folder / 'x.json'
    if not (folder / 'x.png').exists():
        picture(rng).save(folder / 'x.png')
    path.write_bytes(labelme_file(rng))
    classes, findings = utils.check_own(
        folder, folder, TABLE, segbook.read_own
    )
    errors = [str(finding) for finding in findings if finding.stops]
    if not all(error.isprintable() for error in errors):
        raise Other(errors)
    if errors:
        if len(errors) != 1 or not errors[0].startswith('error: x.json: '):
            raise Other(errors)
        raise ValueError(f'{path}: {errors[0]}')
    label = segbook.read_own(path, TABLE, (HEIGHT, WIDTH))
    if label.shape != (HEIGHT, WIDTH) or classes.keys() != {'x'}:
        raise Other(label.shape)


def try_label(rng, folder):
    path = folder / 'label.png'
    mode = str(rng.choice(['P', 'P', 'P', 'L', '1', 'I;16', 'RGB', 'LA']))
    image = picture(rng, mode)
    options = {}
    if mode == 'P':
        palette = TABLE.colormap.tobytes()[: 3 * rng.integers(1, 257)]
        if rng.random() < 0.5:
            palette = spoiled(rng, palette)[:768] or b'\0\0\0'
        image.putpalette(palette[: len(palette) // 3 * 3] or b'\0\0\0')
        options = [{}, {'bits': 4}, {'transparency': 1}][rng.integers(3)]
    if mode == 'RGB' and rng.random() < 0.7:
        index = rng.integers(0, 3, (HEIGHT, WIDTH))
        image = Image.fromarray(segbook.label_to_color(index, TABLE))
    content = encoded(image, 'PNG', **options)
    path.write_bytes(spoiled(rng, content) if rng.random() < 0.4 else content)
    label = utils.read_classes(path, TABLE, segbook.color_to_label)
    if label.dtype != 'uint8' or not set(onp.unique(label)) <= {0, 1, 2, 255}:
        raise Other(onp.unique(label))


def try_split(rng, folder):
    sets = folder / 'ImageSets' / 'Segmentation'
    sets.mkdir(parents=True, exist_ok=True)
    names = ['a', 'b c', 'é']
    for part, ending in ('JPEGImages', 'jpg'), ('SegmentationClass', 'png'):
        (folder / part).mkdir(exist_ok=True)
        for name in names:
            (folder / part / f'{name}.{ending}').touch()
    some = rng.choice(names, rng.integers(0, 5))
    end = rng.choice(['\n', '\r\n', '\n\n', ' \n', '\v', '\u2028'])
    content = end.join(some).encode()
    content = spoiled(rng, content) if rng.random() < 0.7 else content
    (sets / 'train.txt').write_bytes(content)
    found = utils.read_split(folder, 'train')
    if not found or not set(found) <= set(names):
        raise Other(found)


PHOTOS = [
    *(('JPEG', {}), ('JPEG', {'progressive': True}), ('PNG', {})),
    *(('BMP', {}), ('TIFF', {}), ('TIFF', {'compression': 'tiff_lzw'})),
    *(('TIFF', {'compression': 'jpeg'}), ('WEBP', {})),
    ('WEBP', {'lossless': True}),
]


def try_photo(rng, folder):
    kind, options = PHOTOS[rng.integers(len(PHOTOS))]
    mode = 'L' if options.get('compression') == 'jpeg' else 'RGB'
    exif = Image.Exif()
    exif[0x0112] = int(rng.integers(1, 9))
    image = picture(rng, mode)
    content = encoded(image, kind, exif=exif, **options)
    path = folder / 'photo.jpg'
    path.write_bytes(spoiled(rng, content))
    photo = utils.read_image(path)
    if photo.dtype != 'uint8' or photo.ndim != 3 or photo.shape[2] != 3:
        raise Other(photo.shape)


KINDS = {
    'labelme files': (try_labelme, 800),
    'labels': (try_label, 1200),
    'lists of names': (try_split, 1000),
    'photos': (try_photo, 2000),
}


def campaign(attempt, tries, folder, seed=0, errors=None):
    """Try so many files: how many were fine, refused, and anything else."""
    counts = Counter({'fine': 0, 'documented error': 0, 'other': 0})
    for number in range(tries):
        rng = onp.random.default_rng((seed, number))
        try:
            attempt(rng, folder)
            counts['fine'] += 1
        except (ValueError, FileNotFoundError) as error:
            named = str(folder) in str(error)
            counts['documented error' if named else 'other'] += 1
            if not named and errors is not None:
                errors.append((number, traceback.format_exc()))
        except Exception:
            counts['other'] += 1
            if errors is not None:
                errors.append((number, traceback.format_exc()))
    return counts


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.filterwarnings('ignore')  # Pillow's, of damaged data
def test_spoiled_files_are_read_or_refused_by_name(kind, tmp_path):
    attempt, tries = KINDS[kind]
    errors = []
    counts = campaign(attempt, tries, tmp_path, errors=errors)
    assert counts['other'] == 0, errors[0][1]
    assert min(counts['fine'], counts['documented error']) > tries / 10


if __name__ == '__main__':
    import tempfile

    warnings.simplefilter('ignore')
    for kind, (attempt, _) in KINDS.items():
        errors = []
        with tempfile.TemporaryDirectory() as scratch:
            counts = campaign(
                attempt, int(sys.argv[1]), Path(scratch), 1, errors
            )
        print(kind, sum(counts.values()), dict(counts), flush=True)
        for number, text in errors[:3]:
            print(number, text, file=sys.stderr)
