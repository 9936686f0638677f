"""Open chapters and exercises in JupyterLab, on this machine only.

Usage: python build/lab.py [what JupyterLab takes, such as --no-browser]

The notebooks are copies in notebooks/. A copy that you changed is yours: it
is never overwritten. Delete it, and the next start brings the book's back.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import book
import exercises
import readable
import run_chapters

import nbformat

NOTEBOOKS = 'notebooks'
COPIES = '.copies.json'  # {file: hash of what we wrote}
SETTINGS = Path(__file__).with_name('lab_settings.py')


def notebook_of(root, page, found):
    """Return a chapter as a notebook: with its outputs, if they fit."""
    notebook = book.read_page(root / page)
    old = run_chapters.stored(book.executed(root, page))
    if old and meanings(old) == meanings(notebook):
        run_chapters.graft(notebook, old)
    notebook.metadata = book.METADATA
    return readable.make_readable(notebook, found)


def meanings(notebook):
    """Return what a notebook's code says, cell by cell."""
    cells = book.code_cells(notebook)
    return [run_chapters.meaning(cell.source) for cell in cells]


def student_notebook(root, page, found):
    """Return the exercises of a chapter as a notebook to be answered."""
    notebook = exercises.student_notebook(root, page)
    return readable.make_readable(notebook, found)


def copy_notebooks(root):
    """Refresh notebooks/; return the copies that were left as they are."""
    folder = root / NOTEBOOKS
    folder.mkdir(exist_ok=True)
    record = folder / COPIES
    ours = json.loads(record.read_text()) if record.exists() else {}
    found, kept = readable.targets(root), []
    makers = dict.fromkeys(book.chapters(root), notebook_of)
    makers |= dict.fromkeys(book.exercises(root), student_notebook)
    for page, make in makers.items():
        notebook = make(root, page, found)
        target = folder / book.file_name(page)
        text = nbformat.writes(notebook) + '\n'
        if target.exists() and hash_of(target.read_text()) not in (
            ours.get(target.name),
            hash_of(text),
        ):
            kept.append(target)
            continue
        book.write_whole(target, text)
        ours[target.name] = hash_of(text)
    book.write_whole(record, json.dumps(ours, indent=1) + '\n')
    return kept


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def main(*options):
    """Copy the notebooks and become JupyterLab."""
    for path in copy_notebooks(book.ROOT):
        print(
            f'{NOTEBOOKS}/{path.name} has changes of yours and is kept; '
            "delete it to get the book's"
        )
    os.environ['PYTHONPATH'] = os.pathsep.join(
        filter(None, [str(book.ROOT), os.environ.get('PYTHONPATH')])
    )
    # notebooks run in their folder
    for name in ('VOC_ROOT', 'BACKBONE', 'BOOK_DATA'):
        run_chapters.make_absolute(os.environ, name)
    sys.stdout.flush()
    os.execv(sys.executable, [*command(book.ROOT), *options])


def command(root):
    """Return the command that starts JupyterLab with the first chapter.

    It serves the whole book, for the chapters show pictures of img/.
    """
    first = f'{NOTEBOOKS}/{book.chapters(root)[0].stem}.ipynb'
    found = [
        *(sys.executable, '-m', 'jupyterlab', f'--config={SETTINGS}'),
        f'--ServerApp.root_dir={root}',
        f'--LabApp.default_url=/lab/tree/{first}',
    ]
    if os.geteuid() == 0:
        found.append('--allow-root')  # which Jupyter otherwise refuses
    return found


if __name__ == '__main__':
    main(*sys.argv[1:])
