"""Check the style of all code: Python files, and the pages' code cells.

Usage: python build/lint.py [--fix]
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import subprocess
import sys
import tempfile
from pathlib import Path

import book

import nbformat

# ruff would put a space into the marks that d2lbook and save.py read; a
# comment that begins in the second way it leaves alone.
MARK, LEFT_ALONE = '#@', '#:'


def ruff(*arguments, cwd):
    """Run ruff; return whether it is content. It prints what it finds."""
    command = [sys.executable, '-m', 'ruff', *arguments]
    return subprocess.run(command, cwd=cwd).returncode == 0


def as_notebook(page, folder):
    """Write a page's cells as a notebook, a form that ruff reads."""
    notebook = book.read_page(page)
    notebook.metadata['language_info'] = {'name': 'python'}
    for cell in book.code_cells(notebook):
        cell.source = cell.source.replace(MARK, LEFT_ALONE)
    nbformat.write(notebook, folder / name_of(page))


def name_of(page):
    return f'{page.parent.name}-{page.stem}.ipynb'


def fix(page, notebook):
    """Write the cells that ruff improved back into the page."""
    text = page.read_text(encoding='utf-8')
    old = book.code_cells(book.read_page(page))
    new = book.code_cells(nbformat.read(notebook, as_version=4))
    for before, after in zip(old, new, strict=True):
        source = after.source.replace(LEFT_ALONE, MARK)
        if source != before.source:
            text = text.replace(f'\n{before.source}\n', f'\n{source}\n', 1)
    if text != page.read_text(encoding='utf-8'):
        book.write_whole(page, text)


def check_pages(root, fixing=False):
    """Return whether the style of chapters' and exercises' cells is right."""
    pages = sorted([*root.glob('chapters/*.md'), *root.glob('exercises/*.md')])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = (root / 'pyproject.toml').read_text('utf-8')
        (folder / 'pyproject.toml').write_text(settings, encoding='utf-8')
        for page in pages:
            as_notebook(page, folder)
        good = check(folder, fixing)
        if fixing:
            for page in pages:
                fix(page, folder / name_of(page))
    return good


def check(folder, fixing=False):
    """Return whether the style of the code in a folder is right."""
    options = (['--fix'], []) if fixing else ([], ['--check', '--diff'])
    return all(
        [
            ruff('check', '--quiet', '--no-cache', *options[0], cwd=folder),
            ruff('format', '--quiet', '--no-cache', *options[1], cwd=folder),
        ]
    )


def main(fixing=False):
    """Check everything; return whether the style is right."""
    return all([check(book.ROOT, fixing), check_pages(book.ROOT, fixing)])


if __name__ == '__main__':
    ending.in_order()
    sys.exit(not main('--fix' in sys.argv[1:]))
