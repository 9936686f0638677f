"""The book's pages as d2lbook sees them: which, in what order, which cells.

d2lbook's own reader splits a page, so that everybody finds the same cells.
"""

import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from parts.whole import write_whole  # noqa: F401  for all who know the book

with warnings.catch_warnings():  # notedown: pkg_resources is deprecated
    warnings.simplefilter('ignore', UserWarning)
    from d2lbook import notebook

EXECUTED = '_build/eval'  # where d2lbook looks for executed notebooks
# What a kernel is started with. It has threads, each with a heap of its own,
# before a cell imports utils, which asks for one: glibc reads this earlier.
ONE_HEAP = {'MALLOC_ARENA_MAX': '1'}
METADATA = {
    'kernelspec': {
        'display_name': 'Python 3',
        'language': 'python',
        'name': 'python3',
    },
    'language_info': {'name': 'python'},
}


def pages(root):
    """Return the pages' paths below root, in the order of the contents."""
    with folder(root):
        return list(dict.fromkeys(map(Path, notebook.get_toc('index.md'))))


def chapters(root):
    """Return the pages that are chapters, in order."""
    return [page for page in pages(root) if page.parts[0] == 'chapters']


def exercises(root):
    """Return the pages that hold exercises, in order."""
    return [page for page in pages(root) if page.parts[0] == 'exercises']


def file_name(page):
    """Return what a page's notebook is called among all the others."""
    parts = page.with_suffix('.ipynb').parts
    return '-'.join(parts[parts[0] == 'chapters' :])


def read_page(path):
    """Read a Markdown page as a notebook that is the same every time."""
    return make_repeatable(
        notebook.read_markdown(path.read_text(encoding='utf-8'))
    )


def make_repeatable(page):
    """Number the cells, which nbformat would name by chance."""
    for number, cell in enumerate(page.cells, 1):
        cell.id = f'cell-{number}'
    return page


def code_cells(page):
    """Return the code cells of a page, in order."""
    return [cell for cell in page.cells if cell.cell_type == 'code']


def executed(root, page):
    """Return where the executed notebook of a page lies."""
    return root / EXECUTED / page.with_suffix('.ipynb')


def first_line(source):
    """Return the first line of a cell that says something."""
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line), '')


@contextmanager
def folder(path):
    """Work in a folder: d2lbook knows only relative paths."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
