"""Build the book: execute what has changed, then let d2lbook make the pages.

`make html` runs this. Nothing is done when nothing changed, judged by
content; what is left of a build cut short is thrown away.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import book
import run_chapters
from environment import refuse_folder
from parts import whole

import pypandoc

OUTPUT = Path('_build/html')
STAMP = Path('_build/html-inputs.txt')  # written when the pages are finished
LOG = Path('_build/d2lbook.log')
INPUTS = (
    'config.ini',
    'references.bib',
    'build/book_pages.py',
    'build/exercises.py',
    'build/readable.py',
    'exercises/*.md',
    'build/static/**/*',
    'img/*',
    '_build/eval/**/*.ipynb',
)


def inputs(root):
    """Sum up everything that the pages are made of."""
    paths = {path for pattern in INPUTS for path in root.glob(pattern)}
    parts = [
        (path.relative_to(root).as_posix(), path.read_bytes().hex())
        for path in sorted(paths)
        if path.is_file() and whole.SCRATCH not in str(path)
    ]
    return run_chapters.digest(run_chapters.packages(), parts)


def finished(root, content):
    """Whether the pages were made, completely, from this content."""
    stamp = root / STAMP
    page = root / OUTPUT / 'index.html'
    return (
        stamp.exists()
        and stamp.read_text('utf-8') == content
        and page.exists()
    )


def environment():
    """Return variables in which d2lbook finds sphinx-build and pandoc."""
    paths = [
        str(Path(sys.executable).parent),
        str(Path(pypandoc.__file__).parent / 'files'),
        os.environ.get('PATH', os.defpath),
    ]
    return {**os.environ, 'PATH': os.pathsep.join(paths)}


def render(root):
    """Make the pages from the executed notebooks with d2lbook."""
    content = inputs(root)
    if finished(root, content):
        return
    print('making the pages', flush=True)
    (root / STAMP).unlink(missing_ok=True)
    for folder in (OUTPUT, Path('_build/rst')):
        shutil.rmtree(root / folder, ignore_errors=True)
    with open(root / LOG, 'w', encoding='utf-8') as log:
        done = subprocess.run(
            [sys.executable, '-m', 'd2lbook.main', 'build', 'html'],
            cwd=root,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            close_fds=False,  # the lock: what outlives us keeps others out
        )
    text = (root / LOG).read_text('utf-8', errors='replace')
    if done.returncode:
        tail = '\n'.join(text.splitlines()[-30:])
        raise run_chapters.Failure(f'{tail}\n\nd2lbook failed; see {LOG}')
    if troubles := warnings_in(text):
        raise run_chapters.Failure('\n'.join([*troubles, f'See {LOG}']))
    book.write_whole(root / STAMP, content)


def warnings_in(log):
    """Return Sphinx's warnings and errors: a reference that leads nowhere."""
    found = re.findall(r'^.*(?:WARNING|ERROR|SEVERE): .*$', log, re.MULTILINE)
    return list(dict.fromkeys(found))


def main(root=book.ROOT):
    refuse_folder(root)
    with run_chapters.only_one(root):
        try:
            run_chapters.run(root)
            render(root)
        except run_chapters.Failure as failure:
            sys.exit(f'\n{failure}')
    print(OUTPUT / 'index.html')


if __name__ == '__main__':
    ending.in_order()
    main()
