"""Open chapters and exercises in JupyterLab, on this machine only.

Usage: python build/lab.py [what JupyterLab takes, such as --no-browser]

The notebooks are copies in notebooks/. A copy that you changed is yours: it
is never overwritten. Delete it, and the next start brings the book's back.

They run in a kernel of their own, «Segmentation», which is the Python that
runs this file. It is registered inside its environment, not in your home.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import json
import os
import sys
from pathlib import Path

import book
import copies
import environment
import exercises
import reach
import readable
import run_chapters

import nbformat
from jupyterlab.labapp import LabApp

NOTEBOOKS = 'notebooks'
SETTINGS = Path(__file__).with_name('lab_settings.py')
KERNEL = 'segmentation'
METADATA = {
    **book.METADATA,
    'kernelspec': {
        'display_name': 'Segmentation',
        'language': 'python',
        'name': KERNEL,
    },
}


def notebook_of(root, page, found):
    """Return a chapter as a notebook: with its outputs, if they fit."""
    notebook = book.read_page(root / page)
    old = run_chapters.stored(book.executed(root, page))
    if old and meanings(old) == meanings(notebook):
        run_chapters.graft(notebook, old)
    return readable.make_readable(notebook, found)


def meanings(notebook):
    """Return what a notebook's code says, cell by cell."""
    cells = book.code_cells(notebook)
    return [reach.meaning(cell.source) for cell in cells]


def student_notebook(root, page, found):
    """Return the exercises of a chapter as a notebook to be answered."""
    notebook = exercises.student_notebook(root, page)
    return readable.make_readable(notebook, found)


def copy_notebooks(root):
    """Refresh notebooks/; return the copies that were left as they are."""
    found, texts = readable.targets(root), {}
    makers = dict.fromkeys(book.chapters(root), notebook_of)
    makers |= dict.fromkeys(book.exercises(root), student_notebook)
    for page, make in makers.items():
        notebook = make(root, page, found)
        notebook.metadata = METADATA
        text = nbformat.writes(notebook) + '\n'
        texts[book.file_name(page)] = text.encode()
    # For those who take a notebook to a machine that knows nothing of it.
    texts['start.py'] = (book.ROOT / 'start.py').read_bytes()
    folder = root / NOTEBOOKS
    return [folder / name for name in copies.give(folder, texts)]


def register_kernel(root, prefix=sys.prefix):
    """Tell Jupyter of this Python, and this Python of the book.

    Any Jupyter of the same environment then has the kernel, wherever it is
    started: the chapters find utils.py, and it finds the data.
    """
    modules = os.pathsep.join([str(root), '${PYTHONPATH}'])
    spec = {
        'argv': [
            *(sys.executable, '-m', 'ipykernel_launcher'),
            *('-f', '{connection_file}'),
        ],
        'display_name': f'Segmentation ({Path(prefix).name})',
        'language': 'python',
        'env': {'PYTHONPATH': modules} | book.ONE_HEAP,
        'metadata': {'debugger': True},
    }
    folder = Path(prefix, 'share', 'jupyter', 'kernels', KERNEL)
    book.write_whole(folder / 'kernel.json', json.dumps(spec, indent=1) + '\n')


def main(*options):
    """Copy the notebooks and become JupyterLab."""
    environment.refuse_folder(book.ROOT)
    for path in copy_notebooks(book.ROOT):
        print(
            f'{NOTEBOOKS}/{path.name} has changes of yours and is kept; '
            "delete it to get the book's"
        )
    register_kernel(book.ROOT)
    # Other kernels, such as «Python 3», shall find the book, too.
    os.environ['PYTHONPATH'] = os.pathsep.join(
        filter(None, [str(book.ROOT), os.environ.get('PYTHONPATH')])
    )
    # notebooks run in their folder
    for name in ('VOC_ROOT', 'BACKBONE', 'BOOK_DATA'):
        run_chapters.make_absolute(os.environ, name)
    LabApp.launch_instance([*settings(book.ROOT), *options])


def settings(root):
    """Return the options that start JupyterLab with the first chapter.

    It serves the whole book, for the chapters show pictures of img/.
    """
    first = f'{NOTEBOOKS}/{book.chapters(root)[0].stem}.ipynb'
    found = [
        f'--config={SETTINGS}',
        f'--ServerApp.root_dir={root}',
        f'--LabApp.default_url=/lab/tree/{first}',
    ]
    if os.geteuid() == 0:
        found.append('--allow-root')  # which Jupyter otherwise refuses
    return found


if __name__ == '__main__':
    ending.in_order()
    main(*sys.argv[1:])
