"""Pack what a class needs, without any solution.

Usage: python build/class_kit.py [nbgrader]

Makes _build/class.zip: the notebooks of chapters and exercises and all that
they need; its README says how to start. With `nbgrader` it brings course/ up
to date instead, a course for that program, with the solutions in its `source`
folder. Whatever you, your students and nbgrader put there stays.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import io
import json
import re
import sys
import textwrap
import zipfile
from pathlib import Path

import book
import copies
import exercises
import readable

import nbformat
from nbformat.v4 import new_code_cell

KIT = Path('_build/class.zip')
COURSE = Path('course')  # people work there: not in _build
TOP = 'segmentation-class'
# What a notebook needs beside itself, and what its first start needs.
LIBRARY = (
    *('utils.py', 'parts/*.py', 'segbook.py', 'checks/*.py', 'LICENSE'),
    *('build/scenes.py', 'build/objects.py', 'build/backbone.py'),
    *('build/ending.py', 'build/doctor.py', 'build/environment.py'),
    *('tools/__init__.py', 'tools/export.py', 'tools/matlab.py'),
    *('tools/gallery.html', 'tools/gallery.py', 'tools/find_photos.py'),
    *('tools/predict.py', 'tools/weights.py'),
    'build/widgets/**/*',
    *('photos/*', 'weights/*'),
)
START = (
    *('start.py', 'build/setup.sh'),
    *('requirements/cpu.txt', 'requirements/gpu.txt'),
    *('build/lab_settings.py', 'build/lab/labconfig/*.json'),
)
# Shorter lines and sentences stand in many programs and texts by chance, and
# so do, without their spaces: heads of blocks, an argument on a line of its
# own, and what begins with a metric, a generator or a backward pass.
LEAST = {'code': 12, 'markdown': 25}
IDIOMS = re.compile(
    r'(for|while|if|else|with|def).*:|\w+=\w+,|\w+\.backward\(\)'
    r'|\w+=utils\.SegmentationMetric\(.*\)|height,width=\w+\.shape'
    r'|\w+=onp\.random\.default_rng\(\w+\)|\w+=utils\.devices_of\(\w+\).*'
)


class Leak(Exception):
    """A file of the kit holds a part of a solution; the text says which."""


# ---------------------------------------------------------------- The files
def files_of(root, patterns):
    """Return {name: bytes} of the files that the patterns name."""
    found = {}
    for pattern in patterns:
        paths = sorted(path for path in root.glob(pattern) if path.is_file())
        if not paths and pattern != 'parts/*.py':  # utils.py may have none
            raise FileNotFoundError(f'nothing is called {pattern}')
        for path in paths:
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def finished(root, page, notebook, found):
    """Return a notebook's bytes: readable alone, with its pictures."""
    notebook.metadata = nbformat.from_dict(book.METADATA)
    readable.attach_pictures(notebook, root / page.parent)
    readable.make_readable(notebook, found)
    return (nbformat.writes(notebook) + '\n').encode()


def kit_files(root):
    """Return {name: bytes} of all files of the kit, below its folder."""
    files = files_of(root, LIBRARY + START)
    files |= {
        name.removeprefix('build/class/'): data
        for name, data in files_of(root, ['build/class/*']).items()
    }
    found = readable.targets(root)
    for page in book.chapters(root):
        notebook = book.read_page(root / page)
        files[book.file_name(page)] = finished(root, page, notebook, found)
    for page in book.exercises(root):
        notebook = exercises.student_notebook(root, page)
        files[book.file_name(page)] = finished(root, page, notebook, found)
    return files


def write_zip(path, files):
    """Write a zip file: the same files, the same bytes, on any day."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(f'{TOP}/{name}', (2000, 1, 1, 0, 0, 0))
            mode = 0o755 if name.endswith('.sh') else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    book.write_whole(path, packed.getvalue())


# ---------------------------------------------------------------- No leaks
def squeezed(text):
    """Return text without any spacing: formatting hides nothing."""
    return re.sub(r'\s+', '', text)


def secrets(root):
    """Return {squeezed line or sentence: exercise} of all solutions.

    What the reader is given anyway is no secret: the chapters, the task and
    the stub. What is too short to be told from chance is left out.
    """
    public = [(root / page).read_text('utf-8') for page in book.chapters(root)]
    lent = [root / 'utils.py', *root.glob('parts/*.py')]
    public += [path.read_text('utf-8') for path in lent]
    known, found = squeezed('\n'.join(public)), {}
    for page in book.exercises(root):
        for exercise in exercises.read(root, page).exercises:
            given = exercise.cells('task', 'given', 'stub', 'check')
            here = known + squeezed('\n'.join(c.source for c in given))
            for cell in exercise.cells('solution'):
                least = LEAST[cell.cell_type]
                for part in map(squeezed, parts_of(cell)):
                    if (
                        len(part) >= least
                        and not IDIOMS.fullmatch(part)
                        and part not in here
                    ):
                        found[part] = f'{page}, «{exercise.title}»'
    return found


def parts_of(cell):
    """Return the lines of code, or the sentences, of a cell."""
    if cell.cell_type == 'code':
        return [re.sub(r'\s#.*', '', t) for t in cell.source.splitlines()]
    return re.split(r'(?<=[.!?:;])\s+|\n\s*\n', cell.source)


def text_of(name, data):
    """Return all texts of a file; a notebook's are packed in JSON."""
    text = data.decode('utf-8', errors='replace')
    if not name.endswith('.ipynb'):
        return text

    def texts(part):
        if isinstance(part, dict):
            return '\n'.join(map(texts, part.values()))
        if isinstance(part, list):  # the lines of one text, or several
            return ''.join(map(texts, part)) + '\n'
        return part if isinstance(part, str) else ''

    return texts(json.loads(text))


def leaks(hidden, files):
    """Return a line for each of the hidden parts that a file holds."""
    found = []
    for name, data in files.items():
        text = squeezed(text_of(name, data))
        found += [
            f'{name} holds a part of the solution of {exercise}: {part:.60}'
            for part, exercise in hidden.items()
            if part in text
        ]
    return found


def make_kit(root=book.ROOT):
    """Write _build/class.zip. Raises Leak if a solution would be in it."""
    files = kit_files(root)
    if found := leaks(secrets(root), files):
        raise Leak('\n'.join(found))
    write_zip(root / KIT, files)


# ---------------------------------------------------------------- nbgrader
CONFIG = '''\
"""The course's settings; `nbgrader` reads this file in its folder."""

import os

c = get_config()  # noqa: F821  nbgrader provides it

c.CourseDirectory.course_id = 'segmentation'
# A stub is what stands above the solution; nothing takes the solution's place.
c.ClearSolutions.code_stub = {'python': ''}
# A cell may train a network.
c.ExecutePreprocessor.timeout = 1800
# One data set for all submissions, made on first use; see README.md.
os.environ.setdefault('BOOK_DATA', os.path.join(os.getcwd(), 'data'))
'''
COURSE_README = """\
# The exercises as an nbgrader course

    nbgrader generate_assignment transposed-conv
    nbgrader autograde transposed-conv

and so on, in this folder, with nbgrader 0.9.6. The points: 1 for an easy
exercise, 2 for a medium, 3 for a hard one. Open exercises wait for your own
marks; their solutions say what to look for.

When the book has changed, `make class FORMAT=nbgrader` renews this page,
`nbgrader_config.py` and the book's folders in `source/`. It touches nothing
else, and of these nothing that you changed: it says what it kept. Students get
the new version after `nbgrader generate_assignment --force transposed-conv`.

The kernels need the packages that README.md of the class's kit names. All
notebooks share the data set in `data/`, made on first use; for students on
other machines, set the environment variable `BOOK_DATA` to a folder that all
can read, or each one makes his own.
"""


def course_metadata(name, cell, *, grade=False, solution=False, points=None):
    """Mark a cell for nbgrader (version 3 of its schema)."""
    marks = {
        'schema_version': 3,
        'grade_id': name,
        'grade': grade,
        'solution': solution,
        'locked': not solution,
        'task': False,
        'cell_type': cell.cell_type,
    }
    if points is not None:
        marks['points'] = points
    cell.metadata['nbgrader'] = marks
    return cell


def solved(exercise):
    """Return the stub's cell with the solution as nbgrader marks it."""
    (stub,) = exercise.cells('stub')
    lines = [stub.source, '### BEGIN SOLUTION']
    for cell in exercise.cells('solution'):
        if cell.cell_type == 'code':
            lines.append(cell.source)
        else:
            for paragraph in re.split(r'\n\s*\n', cell.source):
                lines += textwrap.wrap(
                    paragraph,
                    width=79,
                    initial_indent='# ',
                    subsequent_indent='# ',
                    break_long_words=False,
                )
    return new_code_cell('\n'.join([*lines, '### END SOLUTION']))


def assignment(root, page):
    """Return the exercises of a page as nbgrader's source notebook."""
    source, cells = exercises.read(root, page), []

    def given(role, cell):
        if role in ('given', 'stub'):
            name = f'given-{len(cells)}'
            return course_metadata(name, new_code_cell(cell.source))
        return cell

    cells = []
    for role, cell in source.intro:
        cells.append(given(role, cell))
    for exercise in source.exercises:
        name, points = exercise.check(), exercise.points
        for role, cell in exercise.parts:
            if role == 'stub':
                cell = course_metadata(
                    name,
                    solved(exercise),
                    grade=exercise.open,
                    solution=True,
                    points=points if exercise.open else None,
                )
            elif role == 'check' and exercise.open:
                cell = course_metadata(
                    f'check-{name}', new_code_cell(cell.source)
                )
            elif role == 'check':
                cell = course_metadata(
                    f'check-{name}',
                    new_code_cell(f'{cell.source.rstrip()}.require()'),
                    grade=True,
                    points=points,
                )
            elif role == 'solution':
                continue
            else:
                cell = given(role, cell)
            cells.append(cell)
    return source.made_of(cells)


def course_files(root):
    """Return what the book gives to the course, as `copies.give` takes it."""
    found, library = readable.targets(root), files_of(root, LIBRARY)
    files = {
        'nbgrader_config.py': CONFIG.encode(),
        'README.md': COURSE_README.encode(),
    }
    for page in book.exercises(root):
        notebook = finished(root, page, assignment(root, page), found)
        files[f'source/{page.stem}'] = library | {
            f'{page.stem}.ipynb': notebook
        }
    return files


def make_course(root=book.ROOT):
    """Bring the course up to date; return what the teacher changed in it."""
    return copies.give(root / COURSE, course_files(root))


def main(kind):
    """Make what is asked for, and say where it is."""
    if kind not in ('zip', 'nbgrader'):
        sys.exit(f'FORMAT={kind} is unknown: it is zip or nbgrader')
    if kind == 'zip':
        make_kit()
        print(KIT)
        return
    old = Path('_build/nbgrader')
    if (book.ROOT / old).exists() and not (book.ROOT / COURSE).exists():
        sys.exit(
            f"{old} is an earlier version's course, which `make clean` "
            f'removes: `mv {old} {COURSE}` keeps all work in it. Move it or '
            'delete it, then start again'
        )
    for name in make_course():
        print(
            f'{COURSE}/{name} has changes of yours and is kept; move it away '
            "to get the book's"
        )
    print(COURSE)


if __name__ == '__main__':
    ending.in_order()
    try:
        main(' '.join(sys.argv[1:]) or 'zip')
    except (Leak, exercises.Broken) as error:
        sys.exit(str(error))
