"""Find out what kind of labels lie in a folder, and what their classes are.

labelme's files and painted labels, COCO's JSON, YOLO's text, and the masks
that CVAT and Roboflow export.
"""

import difflib
from collections import Counter
from contextlib import suppress
from pathlib import Path

from parts import whole
from parts.class_files import (
    Classes,
    index_of,
    read_class_csv,
    read_classes_file,
    read_labelmap,
    read_names,
    read_yaml_names,
    with_background,
)
from parts.coco import is_coco, load, read_coco
from parts.images import FORMATS
from parts.labelme import names_in
from parts.outlines import Export, Painted
from parts.texts import plain, same_letters
from parts.yolo import yolo_outlines

_PHOTO_KINDS = sum(FORMATS.values(), ())
_YAML = 'data.yaml', 'data.yml', 'dataset.yaml'
_LISTS = 'classes.txt', 'obj.names', 'labels.txt'
_KNOWN = (
    'known are labelme (NAME.json), painted labels (NAME.png in a folder of '
    'their own), COCO (one .json file), YOLO for segmentation (NAME.txt and '
    "data.yaml), CVAT's segmentation masks (labelmap.txt) and Roboflow's "
    '(_classes.csv)'
)


def find_labels(photos, labels=None, classes=None):
    """Recognise the labels of a folder of photos.

    `labels`: a folder, or a file of COCO's; None looks beside the photos.
    `classes`: `Classes` that are given; None takes what the labels say.

    Returns (photos, labels, classes, kind): the folder, and the labels, as
    `check_own` takes them; `Classes`; and what the labels are, in words.

    Raises FileNotFoundError, and ValueError if there are labels of none or
    of several kinds, or if nothing says what the classes are called.
    """
    photos = _folder_of_photos(whole.place(photos))
    stems = {}
    for path in sorted(photos.iterdir()):
        if _is_kind(path, _PHOTO_KINDS):
            stems.setdefault(same_letters(path.stem), path)
    if not stems:
        raise ValueError(
            f'{photos} holds no photo of the kinds {", ".join(FORMATS)}: name '
            'the folder in which they lie'
        )
    place = whole.place(labels) if labels else _usual_place(photos)
    if place.is_file():
        found = _from_coco(place, load(place))
    elif place.is_dir():
        found = _from_folder(photos, stems, place, classes)
    else:
        raise FileNotFoundError(f'there is no folder or file {place}')
    classes = _joined(classes, found)
    taken = found if found.labels else place
    if not found.labels and _masks_folder(place) != place:
        taken = _masks_folder(place)
    return photos, taken, classes, found.kind


def _is_kind(path, endings):
    return path.suffix.lower() in endings and not path.name.startswith('.')


def _folder_of_photos(folder):
    """The folder itself, or the one in it that a program puts photos into."""
    if not folder.is_dir():
        raise FileNotFoundError(f'there is no folder {folder}')
    if not any(_is_kind(path, _PHOTO_KINDS) for path in folder.iterdir()):
        for name in ('JPEGImages', 'images'):
            if (folder / name).is_dir():
                return folder / name
    return folder


def _usual_place(photos):
    """Where programs put the labels of photos that lie in this folder."""
    for path in photos.iterdir():
        if _is_kind(path, ('.json', '.txt', '.csv')):
            return photos
    parts = photos.parts
    places = [photos.with_name('SegmentationClass')]
    if 'images' in parts:
        last = len(parts) - 1 - parts[::-1].index('images')
        places.append(Path(*parts[:last], 'labels', *parts[last + 1 :]))
    for place in places:
        if photos.name in ('JPEGImages', 'images', place.name) and (
            place.is_dir()
        ):
            return place
    return photos


def _masks_folder(place):
    """Where the masks lie of an export in the layout of VOC."""
    inner = place / 'SegmentationClass'
    return inner if inner.is_dir() else place


def _from_coco(path, content):
    if not is_coco(content):
        of_labelme = isinstance(content, dict) and 'shapes' in content
        remedy = 'name another file, or a folder'
        if of_labelme:
            remedy = 'it is of labelme: name the folder of all such files'
        raise ValueError(
            f'{path} is not of COCO, for it has no «images» and '
            f'«annotations»: {remedy}'
        )
    return read_coco(path, content)


def _from_folder(photos, stems, place, given):
    """Recognise what lies in a folder: an `Export`.

    It has no labels if they are what `check_own` finds by itself.
    """
    files = [p for p in sorted(place.iterdir()) if not p.name.startswith('.')]
    by_kind = {
        kind: [p for p in files if p.suffix.lower() == kind]
        for kind in ('.json', '.txt')
    }
    of_photos = {
        kind: [p for p in some if same_letters(p.stem) in stems]
        for kind, some in by_kind.items()
    }
    found = {}  # {kind: (a file that shows it, what makes the Export)}
    for path in by_kind['.json']:
        if path not in of_photos['.json'] and path.name != 'classes.json':
            try:
                content = load(path)
            except ValueError:
                continue  # it is told as a label without a photo
            if is_coco(content):
                found[f'COCO ({path.name})'] = _coco_later(path, content)
    if of_photos['.txt']:
        found[f'YOLO ({of_photos[".txt"][0].name})'] = lambda: _from_yolo(
            place, of_photos['.txt']
        )
    masks = _masks_folder(place)
    drawn, painted = of_photos['.json'], []
    table = place / '_classes.csv'
    if table.is_file():
        found['masks of Roboflow (_classes.csv)'] = lambda: _of_roboflow(
            photos, masks, read_class_csv(table), given
        )
    elif given and (given.ids or given.endings != ('', '')):
        found['painted labels'] = lambda: _from_masks(
            'painted labels', photos, masks, given
        )
    elif not masks.samefile(photos):
        painted = [
            path
            for path in sorted(masks.iterdir())
            if _is_kind(path, '.png') and same_letters(path.stem) in stems
        ]
    if drawn or painted:
        shown = (drawn or painted)[0].name
        kind = 'labelme' if drawn else 'painted labels'
        found[f'{kind} ({shown})'] = lambda: _from_drawn(
            photos, masks if painted else place, drawn, painted, given
        )
    if not found:
        raise ValueError(
            f'{place} holds no labels of the photos in {photos}: {_KNOWN}; '
            'LABELS=… names another folder or file'
        )
    if len(found) > 1:
        raise ValueError(
            f'{place} holds labels of several kinds: {", ".join(found)}; '
            'move all but one away, or name one by LABELS=…'
        )
    (make,) = found.values()
    return make()


def _coco_later(path, content):
    return lambda: _from_coco(path, content)


def _above(place, names, floors=3):
    """The first of these files in a folder, or in those around it."""
    for folder in [place, *place.resolve().parents][:floors]:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    return None


def _from_yolo(place, files):
    source = _above(place, _YAML)
    if source:
        names = read_yaml_names(source)
    elif source := _above(place, _LISTS):
        names = read_names(source)
    else:
        raise ValueError(
            f'{place} holds labels of YOLO, and nothing says what the numbers '
            f'in them mean: put {_YAML[0]} or {_LISTS[0]} beside them'
        )
    labels = {
        same_letters(path.stem): yolo_outlines(path, names, source.name)
        for path in files
        if path.name not in _LISTS
    }
    return Export('YOLO', Classes(with_background(names)), labels)


def _of_roboflow(photos, masks, classes, given):
    kind = 'masks of Roboflow'
    classes = _joined(given, Export(kind, classes, {}))
    remedy = 'add a line for it to _classes.csv, or export the labels again'
    classes = classes._replace(endings=('', '_mask'), otherwise=remedy)
    return _from_masks(kind, photos, masks, classes)


def _from_masks(kind, photos, masks, classes):
    """Masks that are called other than photos, or hold other numbers."""
    of_photo, of_label = classes.endings
    labels = {}
    for path in sorted(masks.iterdir()):
        stem = same_letters(path.stem)
        if _is_kind(path, '.png') and stem.endswith(of_label):
            if not of_label and masks.samefile(photos):
                continue
            name = stem[: len(stem) - len(of_label)] + of_photo
            labels[name] = Painted(path, classes) if classes.ids else path
    if not labels:
        raise ValueError(
            f'{masks} holds no label called …{of_label}.png of a photo called '
            f'…{of_photo}: name the folder in which they lie by LABELS=…'
        )
    return Export(kind, classes, labels)


def _from_drawn(photos, folder, drawn, painted, given):
    """Labels of labelme, or painted ones: those `check_own` finds itself."""
    source = _above(folder, ['labelmap.txt'], 2)
    if source:
        kind = 'masks of CVAT'
        return Export(kind, read_labelmap(source), {})
    kind = 'labelme' if drawn else 'painted labels'
    source = _above(folder, ['classes.json'], 2)
    if given or source:
        classes = given or read_classes_file(source)
        if classes.ids and painted:
            return _from_masks(kind, photos, folder, classes)
        return Export(kind, classes, {})
    if painted:
        raise ValueError(
            f'{painted[0]} is painted, and nothing says what its classes are '
            "called: name them in the order of their indices, CLASSES='"
            "background cat dog', or a file with their colours, "
            'CLASSES=classes.json'
        )
    counts = Counter()
    for path in drawn:
        with suppress(ValueError):  # the check says so
            counts.update(names_in(path))
    if not counts:
        raise ValueError(
            f'no file of labelme in {folder} names a class: draw outlines, or '
            "say CLASSES='background cat dog'"
        )
    return Export(kind, Classes(with_background(sorted(counts))), {})


def look_alike(names):
    """Pairs of names that one slip of the pen makes of one another."""
    pairs = []
    for place, name in enumerate(names):
        others = names[place + 1 :]
        for other in difflib.get_close_matches(name, others, 1, 0.75):
            pairs.append((name, other))
        same = [x for x in others if x.lower() == name.lower()]
        pairs += [(name, x) for x in same if (name, x) not in pairs]
    return pairs


def _joined(given, found):
    """The classes as they are given, with what only the labels know."""
    known = found.classes
    if given is None or given.ids or given.colors:
        return given or known
    if not known.colors and not known.ids:
        return given
    places = []
    for name in given.names:
        place = index_of(name, known.names)
        if place is None:
            some = ', '.join(plain(name, 40) for name in known.names[:10])
            raise ValueError(
                f'the {found.kind} have no class «{plain(name, 60)}»; they '
                f'have {some}'
            )
        places.append(place)
    return known._replace(
        names=list(given.names),
        colors=known.colors and [known.colors[i] for i in places],
        ids=known.ids and [known.ids[i] for i in places],
    )
