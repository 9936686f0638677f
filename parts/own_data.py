"""From a folder of photos and one of labels to a data set in the VOC layout.

The two folders may be the same. The label of photo NAME is NAME.json, which
labelme writes, or NAME.png, painted in indices or colours.
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from parts import samples, whole
from parts.images import (
    FORMATS,
    VOID,
    colors_in_files,
    open_image,
    orientation,
    read_image,
    read_label,
    save_label,
    unpainted,
)
from parts.labelme import read_labelme, stated_photo
from parts.outlines import Export, Outlines, Painted
from parts.scaling import scale_label, scale_photo, scaled_size
from parts.tables import background_of, table_to_json
from parts.texts import plain, same_letters

import numpy as onp
from PIL import Image

_PHOTO_KINDS = sum(FORMATS.values(), ())
_LABEL_KINDS = '.json', '.png'
_UNREAD_KINDS = (  # that photos are often of: of phones, cameras, programs
    '.heic .heif .avif .gif .jp2 .j2k .jxl .mpo .dib .tga .ppm .pgm .psd .xcf '
    '.exr .hdr .dng .raw .cr2 .cr3 .nef .arw .orf .rw2 .raf .svg .eps'
).split()


class Finding(NamedTuple):
    """What a check of one's own data found in a file, or in all of them."""

    file: str
    text: str  # what is wrong, where, and what to do
    stops: bool  # whether no data set can be made of this

    def __str__(self):
        kind = 'error' if self.stops else 'note'
        return plain(f'{kind}: {self.file}: {self.text}')


def own_files(photos, labels):
    """Find the photos that have a label.

    `photos`: a folder; `labels`: a folder, or what a program exported
    (`exports.find_labels`).

    Returns ({name: (photo, label)}, findings): paths, in the order of their
    names, and what is left out because its other half is missing, or its
    name cannot stand in a list of names. Endings may be in any case, an «ä»
    of a Mac is one of Linux, and names that begin with a dot are no photos.
    A label of an export may be no path, but what stands for one.

    Raises FileNotFoundError if a folder is not there.
    """
    found, findings, twice = [], [], set()
    exported = isinstance(labels, Export)
    sources = [(photos, _PHOTO_KINDS), (labels, _LABEL_KINDS)]
    for folder, kinds in sources[: 1 if exported else 2]:
        folder = whole.place(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f'there is no folder {folder}')
        if found and folder.samefile(whole.place(photos)):
            kinds = ('.json',)  # in a common folder, pictures are photos
        files = {}
        for path in sorted(folder.iterdir()):
            if path.name.startswith('.'):
                continue
            if _ending(path) not in kinds:
                if not found and _ending(path) in _UNREAD_KINDS:
                    text = (
                        'pictures of this kind are not read: export it as '
                        'JPEG or PNG'
                    )
                    findings.append(Finding(path.name, text, False))
                continue
            name = same_letters(path.stem)
            if not _fits_a_line(name):
                text = (
                    'a list of names, one a line, cannot hold this name: '
                    'rename it, without line ends and blanks at its ends, '
                    f'in at most {_LONGEST} bytes of UTF-8'
                )
                findings.append(Finding(path.name, text, True))
                continue
            other = files.setdefault(name, path)
            if other != path:
                twice.add(name)
                text = f'{other.name} has the same name: rename one of them'
                findings.append(Finding(path.name, text, True))
        found.append(files)
    if exported:
        findings += [Finding(*remark) for remark in labels.remarks]
        of_labels = {str(label) for label in labels.labels.values()}
        for name in [n for n in found[0] if str(found[0][n]) in of_labels]:
            del found[0][name]  # a mask in the photos' folder
        found.append(labels.labels)
        kinds = ()
    photos, labels = found
    for one, other, what in (
        (photos, labels, 'photo has no label'),
        (labels, photos, 'label has no photo'),
    ):
        for name in sorted(one.keys() - other.keys()):
            if one is labels and one[name].name == 'classes.json':
                continue  # a class table
            text = f'this {what} of the same name: it is left out'
            findings.append(Finding(one[name].name, text, False))
    alone = photos.keys() - labels.keys()
    for path in sorted(folder.iterdir() if '.png' in kinds else ()):
        if _ending(path) in FORMATS['JPEG'] and (
            same_letters(path.stem) in alone
        ):
            text = (
                'JPEG changes colours, so it cannot hold a label: export it '
                'again as PNG'
            )
            findings.append(Finding(path.name, text, True))
    both = sorted(photos.keys() & labels.keys() - twice)
    return {name: (photos[name], labels[name]) for name in both}, findings


def _ending(path):
    """The ending of a file's name, in small letters."""
    return path.suffix.lower()


def _fits_a_line(name):
    """Whether a text file of a name a line gives a name back as it is.

    And whether a file of that name, with an ending, may be made.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # the file system's name is no UTF-8
        return False
    if length > _LONGEST or name.startswith('\ufeff'):  # a mark of files
        return False
    return [name] == name.splitlines() == [name.strip()]


_LONGEST = 255 - len('.jpg')  # bytes of a name that Linux stores


def check_own(photos, labels, table, read):
    """Look for what goes wrong with labels made by hand.

    `photos`, `labels`: folders, see `own_files`; `table`: the class table;
    `read(path, table, size)`: reads the label of a photo of this (height,
    width), and raises ValueError.

    Returns (classes, findings): for each usable name the set of its classes,
    and a list of `Finding`s: files without their other half, damaged files,
    names, colours and indices that are not in the table, labels that were
    saved as JPEG or smoothed, sizes that differ, photos that are stored
    sideways, what had to be guessed of samples (`samples.notes`) or is
    transparent, and classes without a pixel. Whatever is wrong with a file,
    all others are looked at.

    Raises FileNotFoundError if a folder is not there.
    """
    files, findings = own_files(photos, labels)
    classes = {}
    for name, (photo, path) in files.items():
        try:
            label, notes = _check_pair(photo, path, table, read)
        except (OSError, ValueError) as error:
            text = str(error)
            for full in (photo, path):  # a folder's name helps nobody
                text = text.replace(str(full), full.name)
            text = text.removeprefix(f'{path.name}').lstrip(': ')
            findings.append(Finding(path.name, text, True))
            continue
        findings += [Finding(path.name, text, False) for text in notes]
        classes[name] = set(onp.unique(label).tolist()) - {VOID}
    if not files:
        text = 'no photo has a label of the same name'
        findings.append(Finding(str(Path(photos).name), text, True))
    seen = set().union(*classes.values())
    for index, name in enumerate(table.names):
        # Labels that could not be read may hold what is missing here.
        if len(classes) == len(files) > 0 and index not in seen:
            text = f'class {index}, «{name}», has no pixel in any label'
            findings.append(Finding('all labels', text, False))
    return classes, findings


def _check_pair(photo, path, table, read):
    """Check a photo and its label: the label, and a list of notes.

    Raises ValueError for what makes the pair useless.
    """
    notes = []
    image = open_image(photo)
    size = stored = image.size[::-1]
    turned = orientation(image) != 1
    if orientation(image) >= 5:
        size = image.size
    stated = _label_size(path, table, size)
    if stated is not None and stated != size:
        hint = 'label the photo that is in the folder, at its full size'
        if turned and stated == stored:
            hint = (
                'the photo is stored sideways (EXIF), and the label lies as '
                'it is stored: save the photo upright and label it again'
            )
        raise ValueError(
            f'{path} is {stated[1]}x{stated[0]} pixels, {photo} '
            f'{size[1]}x{size[0]}: {hint}'
        )
    named = stated_photo(path) if _ending(path) == '.json' else None
    if named and same_letters(named) != same_letters(photo.stem):
        notes.append(
            f'it was drawn on «{plain(named, 60)}» (its imagePath) and is '
            f'taken for {photo.name}: look whether it belongs to it'
        )
    if turned:
        notes.append(
            f'{photo.name} is stored turned (EXIF) and will be written '
            'upright: look whether its label lies right'
        )
    words = 'it is laid on white'
    for note in _notes_on_samples(image, words):
        notes.append(f'{photo.name}: {note}')
    if isinstance(path, Painted) or _ending(path) == '.png':
        index = unpainted(table)
        what = 'void' if index == table.void else f'«{table.names[index]}»'
        words = f'it was not painted, and is read as {what}'
        source = getattr(path, 'path', path)
        notes += _notes_on_samples(open_image(source), words)
    if _ending(path) == '.png':
        _refuse_strange_colors(path, table)
    label = read(path, table, size)
    shapes = _shapes(path, table, size)
    if shapes is not None:
        notes += _notes_on_shapes(shapes, size, label, table)
    elif set(onp.unique(label)) == {0, VOID}:
        notes.append(
            'it holds nothing but class 0 and void: if void was meant as a '
            'class, paint it with the index of that class'
        )
    return label, notes


def _notes_on_samples(image, clear):
    """What of a picture was guessed or left out; `clear`: what became so."""
    notes, opacity = samples.notes(image), samples.opacity(image)
    if opacity is not None:
        share = (opacity < 255).mean()
        notes.append(f'{share:.1%} of it is transparent: {clear}')
    return notes


def _label_size(path, table, size):
    """(height, width) of a label, or None if it does not say."""
    if isinstance(path, Outlines | Painted):
        return path.size
    if _ending(path) == '.json':
        return read_labelme(path, table)[1]
    return open_image(path).size[::-1]


def _shapes(path, table, size):
    """The shapes of a label, or None if it is painted."""
    if isinstance(path, Outlines):
        return path.shapes(table, size)
    return read_labelme(path, table)[0] if _ending(path) == '.json' else None


def _notes_on_shapes(shapes, size, label, table):
    """What may be meant otherwise in shapes that can be drawn."""
    height, width = size
    for number, shape in enumerate(shapes, 1):
        low, high = shape.points.min(axis=0), shape.points.max(axis=0)
        if min(low) < -1 or high[0] > width + 1 or high[1] > height + 1:
            yield f'shape {number} reaches out of the photo and is cut off'
    if not shapes:
        left = 'void' if background_of(table) is None else 'background'
        yield f'it has no shapes: all of the photo is {left}'
    for index in sorted({shape.index for shape in shapes} - {VOID}):
        if not (label == index).any():
            yield (
                f'no pixel of its «{table.names[index]}» is left: it is '
                'covered by later shapes, or thinner than the void border'
            )


_FEW_COLORS = 16  # more that are no class's were not painted by hand


def _refuse_strange_colors(path, table):
    """Raise ValueError if a painted label holds what no class has."""
    label = read_label(path, colors_in_files(table), unpainted(table))
    known = table.colormap[[*range(len(table.names)), VOID]].astype(int)
    what, remedy = 'colour', 'paint it anew or add it to the class table'
    if label.ndim == 2:
        what = 'index'
        known = onp.array([*range(len(table.names)), table.void])[:, None]
        label = label[..., None]
    base = 256 ** onp.arange(label.shape[2])
    numbers = label @ base
    present, counts = onp.unique(numbers, return_counts=True)
    strange = ~onp.isin(present, known @ base)
    if not strange.any():
        return
    row, column = onp.argwhere(onp.isin(numbers, present[strange]))[0]
    value = label[row, column].tolist()
    share = counts[strange].sum() / numbers.size
    text = f'{tuple(value) if len(value) > 1 else value[0]}'
    number = len(table.names)
    if what == 'index' and (present[strange] == number).all():
        remedy = (
            f'if the labels count the {number} classes from 1, and 0 is void, '
            'say so in a class table with ids (tools/tables/ade20k.json is '
            'one); else paint it anew or add it to the class table'
        )
    if strange.sum() > _FEW_COLORS:
        remedy = (
            'this is what JPEG compression, smoothing or scaling leaves: '
            'export it again as PNG, without smoothing, at full size'
        )
    raise ValueError(
        f'{path}: {what} {text} at row {row}, column {column} is no class '
        f'({strange.sum()} such in {share:.1%} of the pixels): {remedy}'
    )


def make_set(
    photos,
    labels,
    target,
    table,
    read,
    split,
    max_side=0,
    anyway=False,
    checked=None,
):
    """Make a data set in the VOC layout of photos and labels of one's own.

    `photos`, `labels`, `table`, `read`: see `check_own`. `target`: the new
    folder, complete or not at all; an older data set there is replaced.
    `split`: turns {name: set of its classes} into {'train': names, 'val':
    names}. Photos are copied; those that are no upright RGB files in JPEG or
    PNG, and those with a side of more than `max_side` pixels (0: any), which
    are scaled down with their labels, are written anew, as JPEG.
    `classes.json` keeps the class table. `anyway`: leave out what has errors.
    `checked`: what `check_own` returned, if it was called just before.

    Returns the list of `Finding`s. Raises ValueError with all errors if
    there are any (with `anyway`, if nothing is left), or if there are too
    few photos to split, and FileExistsError if `target` holds anything else.
    """
    target = whole.place(target)
    _refuse_other_folders(target, photos, labels)
    classes, findings = checked or check_own(photos, labels, table, read)
    findings = list(findings)
    errors = [str(finding) for finding in findings if finding.stops]
    if errors and not (anyway and classes):
        raise ValueError('\n'.join(['no data set is made:', *errors]))
    files, _ = own_files(photos, labels)
    files = {name: files[name] for name in files if name in classes}
    splits = split(classes)
    for name, ids in splits.items():
        if not ids:
            raise ValueError(
                f'no data set is made: {name} would be empty, for every photo '
                'is the only one of some class; label more photos'
            )
        shown = set().union(*(classes[i] for i in ids))
        for index in sorted(set().union(*classes.values()) - shown):
            text = (
                f'has no photo with class {index}, «{table.names[index]}»: '
                'label more photos with it'
            )
            findings.append(Finding(name, text, False))
    with whole.new(target) as root:
        for part in _PARTS[:2]:
            (root / part).mkdir(parents=True)
        for name, (photo, path) in files.items():
            stem = root / 'JPEGImages' / name
            size, shown = _write_photo(photo, stem, max_side)
            label = scale_label(read(path, table, size), shown)
            save_label(
                root / 'SegmentationClass' / f'{name}.png',
                onp.where(label == VOID, table.void, label),
                colors_in_files(table),
            )
        folder = root / 'ImageSets' / 'Segmentation'
        folder.mkdir(parents=True)
        both = {'trainval': sorted(sum(map(list, splits.values()), []))}
        for name, ids in (splits | both).items():
            text = '\n'.join([*ids, ''])
            (folder / f'{name}.txt').write_text(text, encoding='utf-8')
        text = json.dumps(table_to_json(table), indent=1)
        (root / 'classes.json').write_text(text + '\n', encoding='utf-8')
    return findings


def _refuse_other_folders(target, photos, labels):
    """Raise FileExistsError unless a folder is a set that may be replaced."""
    there = {path.name for path in target.glob('*')}
    there = {n for n in there if n not in _OF_SYSTEMS and n[:2] != '._'}
    others = sorted(there - set(_PARTS))
    remedy = 'name another folder'
    if others:
        raise FileExistsError(
            f'{target} holds {others[0]}, which is no part of a data set: '
            f'{remedy}'
        )
    if there and 'classes.json' not in there:
        raise FileExistsError(
            f'{target} has no classes.json, so it was not made here: {remedy}'
        )
    for source in (photos, labels):
        if not isinstance(source, Export) and there:
            source = whole.place(source).resolve()
            if source.is_relative_to(target.resolve()):
                raise FileExistsError(
                    f'{target} would replace what it is made of: {remedy}'
                )


_OF_SYSTEMS = '.DS_Store', 'Thumbs.db', 'desktop.ini'  # put there unasked
_PARTS = 'JPEGImages', 'SegmentationClass', 'ImageSets', 'classes.json'


def _write_photo(source, stem, max_side):
    """Write a photo, upright and RGB, as stem.jpg or stem.png.

    Returns its upright (height, width), and that of what was written.
    """
    image = open_image(source)
    ending = {'JPEG': '.jpg', 'PNG': '.png'}.get(image.format)
    plain = image.mode == 'RGB' and samples.facts(image).bits == 8
    small = scaled_size(image.size, max_side) == image.size
    if ending and orientation(image) == 1 and plain and small:
        shutil.copyfile(source, f'{stem}{ending}')
        return image.size[::-1], image.size[::-1]
    photo = read_image(source)
    size = photo.shape[:2]
    photo = scale_photo(photo, scaled_size(size, max_side))
    shown = photo.shape[:2]
    ending = '.jpg' if max(shown) <= _JPEG_SIDE else '.png'
    Image.fromarray(photo).save(f'{stem}{ending}', quality=95, subsampling=0)
    return size, shown


_JPEG_SIDE = 65_500  # pixels; no JPEG is longer
