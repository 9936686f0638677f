"""Make a data set of your own photos and labels.

    make own PHOTOS=folder [LABELS=folder-or-file] [NAME=word] [OUT=folder]
             [CLASSES='background cat dog'] [MAX_SIDE=1024] [ANYWAY=1]

checks them, says what is wrong, where, and what to do, and writes the data
set, complete or not at all, into data/own-NAME (NAME: by default that of the
folder) or into OUT. In Python:

    from tools.own import make_own
    target = make_own('my photos')

LABELS, by default beside the photos, are recognised: labelme's files, painted
labels, COCO's JSON, YOLO's text for segmentation, masks of CVAT and Roboflow.
CLASSES: the names of the classes in the order of their indices, or a file: a
list of names (.txt), or a table (.json; tools/tables/ has examples for ADE20K
and Cityscapes, which are named without the folder). By default the labels say
it. Photos are scaled down until no side is longer than MAX_SIDE pixels; 0:
never. With errors nothing is made, but with ANYWAY=1 it is made of the rest.

Each of them may stand in the environment, which is how make hands them on.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import os
import platform
import shlex

sys.path.insert(0, str(ROOT))

import segbook
import utils  # first: it gives MXNet all cores
from parts.class_files import Classes, read_classes_file, read_names
from parts.exports import find_labels, look_alike
from parts.outlines import Outlines, Painted
from parts.scaling import scale_label, scaled_size
from parts.stored import naming
from parts.tables import table_arguments, table_to_json
from parts.texts import plain
from parts.whole import place

import numpy as onp

MAX_SIDE = 1024  # pixels: windows of 256 to 384 then show a good part
TABLES = ROOT / 'tools' / 'tables'
_OPTIONS = 'PHOTOS LABELS NAME OUT CLASSES MAX_SIDE ANYWAY'.split()
_MOST_NOTES = 30  # that are shown


def read_scaled(label, table, size, max_side):
    """Read a label of any kind: uint8 (height, width), with void borders.

    `label`: a path or what stands for one (`own_files`); `size`: (height,
    width) of its photo. It is scaled as the photo is; the border is drawn
    after that, so that it is as wide in every label. Raises ValueError.
    """
    if isinstance(label, Outlines):
        shapes = label.shapes(table, size)
        classes, things = segbook.draw_shapes(shapes, size, table)
    elif label.suffix.lower() == '.json':
        shapes, _ = utils.read_labelme(label, table)
        classes, things = segbook.draw_shapes(shapes, size, table)
    else:
        if isinstance(label, Painted):
            classes = label.indices()
        else:
            classes = utils.read_classes(label, table, segbook.color_to_label)
        things = onp.where(classes == utils.VOID, -1, classes.astype(int))
    small = scaled_size(size, max_side)
    classes, things = (scale_label(x, small) for x in (classes, things))
    classes[segbook.void_border(things)] = utils.VOID
    return classes


def classes_from(text):
    """What CLASSES says: `Classes`, or None if it is empty.

    Raises FileNotFoundError, and ValueError that names what is wrong.
    """
    if not text:
        return None
    if text.endswith('.json'):
        path = place(text)
        known = TABLES / text
        if not path.exists() and path.name == text and known.exists():
            path = known
        return read_classes_file(path)
    if text.endswith('.txt'):
        return Classes(read_names(place(text)))
    with naming(f'CLASSES={plain(text, 80)}', 'names no classes'):
        names = shlex.split(text)
        utils.check_table(names)
        if len(names) == 1:
            raise ValueError(
                'one class alone tells nothing apart: name them all, the '
                'background, too'
            )
    return Classes(names)


def make_own(
    photos,
    labels=None,
    name=None,
    out=None,
    classes=None,
    max_side=MAX_SIDE,
    anyway=False,
):
    """Make a data set of one's own photos: the path of its folder.

    See this file's docstring; `classes`: a text, as CLASSES. What is found
    is printed.

    Raises FileNotFoundError, FileExistsError and ValueError, which name what
    is wrong.
    """
    given = classes_from(classes)
    photos, labels, known, kind = find_labels(photos, labels, given)
    target = _target(name or photos.resolve().name, out)
    try:
        table = segbook.ClassTable(**known.arguments())
        table_arguments(table_to_json(table))  # a file can hold its names
    except ValueError as error:
        raise ValueError(f'classes of {kind}: {error}') from error

    def read(label, table, size):
        return read_scaled(label, table, size, max_side)

    say(f'labels: {kind}')
    say(f'{len(table.names)} classes: {", ".join(table.names)}')
    if given is None:
        for one, other in look_alike(table.names):
            say(
                f'note: «{one}» and «{other}» look alike: if they are one '
                'class, rename one in the labels; CLASSES=… names all that '
                'are allowed'
            )
    if max_side:
        say(
            f'photos with a side of more than {max_side} pixels are scaled '
            'down to that, their labels, too (MAX_SIDE=0: never)'
        )
    checked = utils.check_own(photos, labels, table, read)
    errors = _show(checked[1])
    if errors and not anyway:
        raise ValueError(
            f'no data set is made, for there are errors ({errors}): mend '
            'them, or leave out what has errors by ANYWAY=1'
        )
    if not checked[0]:
        raise ValueError('no data set is made, for no photo is left')
    findings = utils.make_set(
        photos,
        labels,
        target,
        table,
        read,
        segbook.split_names,
        max_side,
        anyway,
        checked,
    )
    _show(findings[len(checked[1]) :])  # what the split could not do
    for split in ('train', 'val'):
        ids = utils.read_split(target, split)
        parts = [
            f'{sum(index in checked[0][i] for i in ids)} with {name}'
            for index, name in enumerate(table.names)
        ]
        say(f'{split}: {len(ids)} photos, {", ".join(parts)}')
    return target


def _show(findings):
    """Print errors, then notes; return how many errors there are."""
    errors = [finding for finding in findings if finding.stops]
    notes = [finding for finding in findings if not finding.stops]
    notes.sort(key=lambda note: 'is left out' in note.text)  # those last
    for finding in [*errors, *notes[:_MOST_NOTES]]:
        say(str(finding))
    if len(notes) > _MOST_NOTES:
        say(f'… and {len(notes) - _MOST_NOTES} more notes')
    return len(errors)


def _target(name, out):
    """The folder to write: `out`, or one in the book's data by a name."""
    if out:
        return place(out)
    if name.startswith('.') or name in ('', '.') or '/' in name:
        raise ValueError(
            f'NAME={plain(name, 60)} is no name of a folder: take a word, or '
            'name the whole folder by OUT=…'
        )
    return utils.DATA / f'own-{name}'


def say(text):
    """Print a line; what is in its names must not control the terminal."""
    print(plain(text), flush=True)


def _options(arguments):
    """What the command line says, or else the environment: texts."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in _OPTIONS:
        flag = f'--{option.lower().replace("_", "-")}'
        parser.add_argument(flag, default=os.environ.get(option, ''))
    given = parser.parse_args(arguments)
    on_windows = 'WSL_DISTRO_NAME' in os.environ
    if on_windows and given.name == platform.node():
        given.name = ''  # WSL calls the machine so in every environment
    return given


def main(arguments=None):
    """Read the command line; return the message of an error, or None."""
    given = _options(arguments)
    if not given.photos:
        return 'which photos? make own PHOTOS=folder'
    if not given.max_side.isdecimal() and given.max_side:
        return plain(f'MAX_SIDE={given.max_side} is no number of pixels')
    if given.anyway not in ('', '0', '1'):
        return plain(f'ANYWAY={given.anyway} is neither 1 nor 0')
    try:
        target = make_own(
            given.photos,
            given.labels,
            given.name,
            given.out,
            given.classes,
            int(given.max_side or MAX_SIDE),
            given.anyway == '1',
        )
    except (OSError, ValueError) as error:
        return plain(str(error))
    near = os.path.relpath(target, ROOT)  # where make is typed
    shown = str(target.resolve()) if near.startswith('..') else near
    say('the data set is complete; next:')
    say(f'make train DATA={shlex.quote(shown)}')


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
