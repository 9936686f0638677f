"""Build the book: execute what has changed, then let d2lbook make the pages.

Usage: python build/make_html.py [NAME ...]

`make html` runs this, with the names in CHAPTERS; run_chapters.py says what
they mean. Nothing is done when nothing changed, judged by content. The pages
take their place all at once; while chapters run, those that are done can be
read already (`Drafts`).
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import book
import run_chapters
from environment import refuse_folder
from parts import whole
from progress import EXECUTED, Progress

import pypandoc

WORK = Path('_build/pages')  # where d2lbook works
OUTPUT = Path('_build/html')
STAMP = Path('_build/html-inputs.txt')  # written when the pages are finished
LOG = Path('_build/d2lbook.log')
STATE = '_static/state.js'  # what pages that are not finished read
NOTICE = Path(__file__).with_name('unfinished.html')
SOON = 20  # seconds: what is built in less needs no first pages before
PATIENCE = 15  # seconds that an executed chapter waits for the next one
TOPS = 'article', 'body'  # where a page's notice goes, in whatever theme
NICE = 'nice', '-n', '10'
INPUTS = (
    'config.ini',
    'references.bib',
    'build/book_pages.py',
    'build/exercises.py',
    'build/front_page.py',
    'build/readable.py',
    'build/try_page.py',
    'build/try/*',
    'build/widgets/*.*',
    'build/widgets/compare/*',
    'exercises/*.md',
    'build/static/**/*',
    'img/*',
    'photos/*',
    'weights/*',
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
    """Whether the pages that are there were made from this content."""
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


# ------------------------------------------------------------------ d2lbook
def lay_out(root, drafts):
    """Lay the book out in WORK.

    There every notebook is newer than its page, so that d2lbook executes
    nothing, whatever is edited meanwhile. `drafts`: {page: notebook, as text}
    of pages without outputs.
    """
    folder, pages = root / WORK, book.pages(root)
    folder.mkdir(parents=True, exist_ok=True)
    own = {'_build', *(page.parts[0] for page in pages)}
    for path in root.iterdir():
        link = folder / path.name
        hidden = path.name.startswith('.') or path.suffix == '.md'
        if not (path.name in own or hidden or link.is_symlink()):
            link.symlink_to(os.path.relpath(path, folder))
    for page in pages:
        text = drafts.get(page) or book.executed(root, page).read_text('utf-8')
        renew(folder / page, (root / page).read_text('utf-8'))
        os.utime(folder / page, (0, 0))
        renew(book.executed(folder, page), text)


def renew(path, text):
    """Write a text file, if it says anything else."""
    if not path.exists() or path.read_text('utf-8') != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, 'utf-8')


def start_d2lbook(root, *before):
    """Let d2lbook make pages of what is laid out; return its process.

    `before`: words of the command before it.
    """
    command = [*before, sys.executable, '-m', 'd2lbook.main', 'build', 'html']
    with open(root / LOG, 'w', encoding='utf-8') as log:
        return subprocess.Popen(
            command,
            cwd=root / WORK,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            close_fds=False,  # the lock: what outlives us keeps others out
            start_new_session=True,  # Ctrl-C reaches us alone
        )


def stop(process):
    """End d2lbook and what it has started."""
    if process and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def complaint_of(root, process):
    """Return how d2lbook failed, or of what it warned; '' if of nothing."""
    text = (root / LOG).read_text('utf-8', errors='replace')
    if process.returncode:
        tail = '\n'.join(text.splitlines()[-30:])
        return f'{tail}\n\nd2lbook failed; see {LOG}'
    troubles = warnings_in(text)
    return '\n'.join([*troubles, f'See {LOG}']) if troubles else ''


def warnings_in(log):
    """Return Sphinx's warnings and errors: a reference that leads nowhere."""
    found = re.findall(r'^.*(?:WARNING|ERROR|SEVERE): .*$', log, re.MULTILINE)
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------- The pages
def publish(root, watch, drafts):
    """Let what d2lbook has made take the place of the pages before.

    The pages of `drafts` have no outputs; they get a notice that says why.
    """
    (root / STAMP).unlink(missing_ok=True)
    with whole.scratch(root / OUTPUT.parent) as scratch:
        made = scratch / OUTPUT.name
        without = shutil.ignore_patterns('.doctrees', '.buildinfo')
        shutil.copytree(root / WORK / OUTPUT, made, ignore=without)
        for page in drafts:
            path = made / page.with_suffix('.html')
            text = path.read_text('utf-8')
            tags = [re.search(f'<{tag}\\b[^>]*>', text) for tag in TOPS]
            at = next(filter(None, tags)).end()
            notice = NOTICE.read_text('utf-8')
            notice = notice.replace('PAGE', page.with_suffix('').as_posix())
            said = html.escape(watch.sentence(page))
            notice = notice.replace('SENTENCE', said)
            path.write_text(text[:at] + notice + text[at:], 'utf-8')
        if drafts:
            write_state(made, watch, drafts)
        whole.put(made, root / OUTPUT)
    watch.published(set(book.pages(root)).difference(drafts))


def write_state(folder, watch, drafts):
    """Tell the pages of `drafts` in a folder why they have no outputs."""
    names = {page: page.with_suffix('').as_posix() for page in drafts}
    state = {
        'at': round(time.time()),
        'ended': watch.ended,
        # What is said of these stays right when the build is killed.
        'settled': [names[page] for page in drafts if watch.settled(page)],
        'pages': {names[page]: watch.sentence(page) for page in drafts},
    }
    path, text = folder / STATE, f'bookState({json.dumps(state)})\n'
    book.write_whole(path, text)


class Drafts:
    """Keeps pages readable while chapters run, from a thread of its own.

    It starts d2lbook again and again, one at a time: for all pages at once,
    later when chapters have run. `watch`: the Progress of the build.
    """

    def __init__(self, root, watch):
        self.root, self.watch = root, watch
        self.process, self.error = None, None
        # Pages without outputs, {page: notebook}: in WORK, and in OUTPUT.
        self.made, self.shown = None, None
        self.thread = threading.Thread(target=self.work)
        self.over = threading.Event()  # no more passes
        self.left = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, error, trace):
        self.left.set()
        self.thread.join()
        self.end_passes()
        self.watch.clear()
        if kind and self.shown:
            self.watch.ended = True
            self.tell()
        if self.error and kind is not KeyboardInterrupt:
            raise self.error

    def end_passes(self):
        """Leave WORK to others."""
        self.over.set()
        with self.lock:
            stop(self.process)

    def work(self):
        try:
            while not self.left.wait(0.5):
                self.watch.show()
                with self.lock:
                    if not self.over.is_set():
                        self.look_after_passes()
                if self.shown:
                    self.tell()
        except Exception as error:  # for the main thread
            self.error = error

    def look_after_passes(self):
        if self.process is None:
            if self.due():
                self.begin()
        elif self.process.poll() is not None:
            process, self.process = self.process, None
            if complaint := complaint_of(self.root, process):
                self.watch.say(f'please note: {complaint}')
            if process.returncode == 0:
                self.shown = self.made
                publish(self.root, self.watch, self.shown)

    def due(self):
        """Whether d2lbook is to make pages now."""
        now, wait = time.time(), self.watch.until_next()
        if wait is None:  # not planned yet, or all is done
            return False
        if self.made is None:
            left = self.watch.left()
            return left is None or left + now - self.watch.begun > SOON
        tasks = [self.watch.tasks[page] for page in self.made]
        ended = [task.ended for task in tasks if task.state == EXECUTED]
        return bool(ended) and now - min(ended) + wait > PATIENCE

    def begin(self):
        first = self.made is None
        if first:
            shutil.rmtree(self.root / WORK, ignore_errors=True)
        self.made = self.watch.drafts()
        lay_out(self.root, self.made)
        # A reader waits for the first pages; later, chapters come first.
        self.process = start_d2lbook(self.root, *(() if first else NICE))

    def tell(self):
        write_state(self.root / OUTPUT, self.watch, self.shown)


def build(root, names=()):
    """Execute chapters and make the pages. Raises Failure."""
    watch, failures = Progress(root), []
    with Drafts(root, watch) as drafts:
        try:
            run_chapters.run(root, names, watch)
        except run_chapters.Failure as failure:
            if not watch.tasks:  # nothing was begun
                raise
            failures.append(str(failure))
        unfinished = watch.drafts()
        content = run_chapters.digest(
            inputs(root), sorted(map(str, unfinished))
        )
        if finished(root, content) and not failures:
            return
        drafts.end_passes()
        watch.making = 'making the pages'
        watch.say(watch.making)
        shutil.rmtree(root / WORK, ignore_errors=True)
        lay_out(root, unfinished)
        process = start_d2lbook(root)
        try:
            process.wait()
        finally:
            stop(process)
        failures += filter(None, [complaint_of(root, process)])
        if process.returncode:
            raise run_chapters.Failure('\n\n'.join(failures))
    watch.ended = True
    publish(root, watch, unfinished)
    shutil.rmtree(root / WORK)
    if failures:
        raise run_chapters.Failure('\n\n'.join(failures))
    book.write_whole(root / STAMP, content)
    for line in watch.table():
        print(line)


def main(root=book.ROOT, names=()):
    refuse_folder(root)
    with run_chapters.only_one(root):
        try:
            build(root, names)
        except run_chapters.Failure as failure:
            sys.exit(f'\n{failure}')
    print(OUTPUT / 'index.html')


if __name__ == '__main__':
    ending.in_order()
    main(names=sys.argv[1:])
