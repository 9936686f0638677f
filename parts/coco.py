"""Read COCO's JSON: outlines and masks of many photos in one file."""

import reprlib
from collections import Counter, defaultdict
from pathlib import PurePosixPath

from parts.class_files import Classes, index_of, with_background
from parts.images import MOST_PIXELS, VOID, open_file
from parts.labelme import Shape
from parts.outlines import Export, Outlines
from parts.stored import naming, read_json
from parts.tables import check_table
from parts.texts import plain, same_letters

import numpy as onp

_MOST_BYTES = 2**30  # the largest file of COCO itself has half as many
_FARTHEST = 100_000  # pixels


def is_coco(content):
    """Whether what a JSON file holds is laid out as COCO's."""
    return isinstance(content, dict) and {'images', 'annotations'} <= {
        *content
    }


def load(path):
    """Parse a JSON file that may be large.

    Raises FileNotFoundError, and ValueError naming it.
    """
    with open_file(path) as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(
            f'{path} has more than {_MOST_BYTES >> 20} MiB: export the photos '
            'in several parts'
        )
    with naming(path, 'is no JSON file'):
        return read_json(text)


def read_coco(path, content=None):
    """Read a file of COCO's: an `Export`.

    Each category becomes a class, in the order of their ids, which may have
    gaps, after the background. A region of `iscrowd` becomes void.
    `content`: what `load` returned, if it was called.

    Raises FileNotFoundError, and ValueError naming the file, if its lists
    are damaged. What is wrong with the outlines of a photo is said when they
    are drawn.
    """
    content = load(path) if content is None else content
    with naming(path, 'is not of COCO'):
        for part in ('images', 'annotations', 'categories'):
            if not _is_list_of_dicts(content.get(part)):
                raise ValueError(f'its «{part}» are no list of objects')
        categories = _categories(content['categories'])
        images, remarks = _images(content['images'], path.name)
        by_image, lost = defaultdict(list), []
        for number, one in enumerate(content['annotations'], 1):
            image = one.get('image_id')
            known = _is_id(image) and image in images
            (by_image[image] if known else lost).append((number, one))
    if lost:
        number, one = lost[0]
        text = (
            f'{len(lost)} annotations belong to no photo of its «images»; the '
            f'first is {_called(number, one)} with image_id '
            f'{reprlib.repr(one.get("image_id"))}: export it anew, together '
            'with its images'
        )
        remarks.append((path.name, text, True))
    labels = {}
    stems = Counter(stem for stem, _, _ in images.values())
    for key, (stem, file, size) in images.items():
        if stems[stem] > 1:  # nobody knows which is the photo's
            continue
        labels[stem] = Outlines(
            f'{path.name} ({plain(file, 80)})',
            size,
            _finder(by_image[key], categories, size),
        )
    names = with_background(categories.values())
    return Export('COCO', Classes(names), labels, tuple(remarks))


def _is_list_of_dicts(value):
    return isinstance(value, list) and all(isinstance(x, dict) for x in value)


def _is_id(value):
    return type(value) in (int, str)


def _called(number, one):
    """What an annotation is called."""
    return f'annotation {number} (id {reprlib.repr(one.get("id"))})'


def _categories(stored):
    """{id: name}, in the order of the ids."""
    found = {}
    for one in stored:
        key, name = one.get('id'), one.get('name')
        if not _is_id(key) or not isinstance(name, str) or not name:
            raise ValueError(
                f'a category has id {reprlib.repr(key)} and name '
                f'{reprlib.repr(name)}'
            )
        if key in found:
            raise ValueError(f'two categories have the id {key}')
        found[key] = name
    found = dict(sorted(found.items(), key=lambda x: (str(type(x[0])), x[0])))
    check_table(with_background(found.values()))
    return found


def _images(stored, file):
    """({id: (name without its ending, name, size)}, remarks)"""
    found, remarks = {}, []
    for one in stored:
        key, name = one.get('id'), one.get('file_name')
        if not _is_id(key) or not isinstance(name, str) or not name:
            raise ValueError(
                f'an image has id {reprlib.repr(key)} and file_name '
                f'{reprlib.repr(name)}'
            )
        if key in found:
            raise ValueError(f'two images have the id {key}')
        size = one.get('height'), one.get('width')
        if size == (None, None):
            size = None
        elif not all(type(n) is int and 0 < n < 2**31 for n in size):
            raise ValueError(
                f'the image {plain(name, 60)} has height and width '
                f'{reprlib.repr(size)}'
            )
        stem = PurePosixPath(name.replace('\\', '/')).stem
        found[key] = same_letters(stem), name, size
    for stem, count in Counter(stem for stem, _, _ in found.values()).items():
        if count > 1:
            alike = [
                name for other, name, _ in found.values() if other == stem
            ]
            text = (
                f'{" and ".join(plain(name, 60) for name in alike[:2])} have '
                'the same name: rename one of the photos, and export again'
            )
            remarks.append((file, text, True))
    return found, remarks


def _finder(annotations, categories, stated):
    """What gives the shapes of a photo; see `Outlines`."""

    def find(table, size):
        for number, one in annotations:
            key = one.get('category_id')
            name = categories.get(key) if _is_id(key) else None
            words = f'{_called(number, one)}, {plain(str(name), 60)},'
            if name is None:
                raise ValueError(
                    f'{_called(number, one)} has category_id '
                    f'{reprlib.repr(key)}, which is not in its «categories»: '
                    'add the category, or delete the annotation'
                )
            index = index_of(name, table.names)
            if index is None:
                raise ValueError(
                    f'{words} is in no class of the table: add «{name}» to '
                    'the names of the classes'
                )
            crowd = one.get('iscrowd') in (1, True)
            try:
                parts = list(_parts(one.get('segmentation'), stated or size))
            except ValueError as error:
                raise ValueError(
                    f'{words} {error}: draw it anew, or delete it'
                ) from error
            for kind, points, mask in parts:
                thing = -1 if crowd else number
                shown = VOID if crowd else index
                yield Shape(shown, thing, kind, points, mask)

    return find


def _parts(stored, size):
    """The polygons, or the mask, of an annotation: (kind, points, mask)."""
    if isinstance(stored, dict):
        mask = _rle_mask(stored, size)
        corners = onp.array([[0, 0], [size[1] - 1, size[0] - 1]], float)
        yield 'mask', corners, mask
        return
    if not stored:
        raise ValueError('has no outline, only a box')
    if not isinstance(stored, list):
        raise ValueError('has neither polygons nor a mask')
    for polygon in stored:
        if not isinstance(polygon, list) or not all(
            type(number) in (int, float) for number in polygon
        ):
            raise ValueError('has a polygon that is no list of numbers')
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(
                f'has a polygon of {len(polygon)} numbers, and three corners '
                'need 6, others 2 more each'
            )
        points = onp.array(polygon, float).reshape(-1, 2)
        if abs(points).max() > _FARTHEST:
            raise ValueError(f'has a corner beyond {_FARTHEST} pixels')
        yield 'polygon', points, None


# --------------------------------------------------------------- run lengths


def _rle_mask(stored, size):
    """Decode a mask in COCO's run lengths: bool (height, width).

    `stored`: `size`, [height, width], and `counts`, how many pixels are
    outside, inside, outside, …, down the columns: a list, or a text
    (`_decode_counts`). Raises ValueError if it is not of this `size`.
    """
    counts, own = stored.get('counts'), stored.get('size')
    if own != list(size):
        raise ValueError(
            f'has a mask of size {reprlib.repr(own)}, its photo '
            f'{list(size)} (height, width)'
        )
    if isinstance(counts, str):
        counts = _decode_counts(counts)
    height, width = size
    if not isinstance(counts, list) or not all(
        type(count) is int and 0 <= count <= MOST_PIXELS for count in counts
    ):
        raise ValueError('has a mask whose counts are no numbers of pixels')
    if sum(counts) != height * width:
        raise ValueError(
            f'has a mask of {sum(counts)} pixels, its photo {height * width}'
        )
    inside = onp.arange(len(counts)) % 2 == 1
    return onp.repeat(inside, counts).reshape(width, height).T


def _decode_counts(text):
    """Decode the run lengths that COCO's tools write as text: a list.

    A character holds, as its code minus 48, five bits of a number and a sixth
    that says whether more follow, the lowest first; the highest bit of the
    last five is the sign. From the fourth on, numbers are differences to the
    number two before.
    """
    counts, value, shift = [], 0, 0
    for place, character in enumerate(text):
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 40:
            raise ValueError(
                f'has a mask whose counts are damaged at character {place}'
            )
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError('has a mask whose counts end within a number')
    return counts
