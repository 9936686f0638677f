"""What a build is doing: each page's state, how long it takes, what to say.

The runner notes here what it does; the terminal's line and the pages that are
not finished are made of it. What pages and cells took is kept for the next
build in TIMES.
"""

import json
import re
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field

import blemishes
import book

import nbformat

TIMES = '_build/times.json'
OUTPUT = '_build/html/index.html'
# About how many seconds a page takes on two cores, for the first build of all.
# To renew them, take those of TIMES from a build on an idle machine.
USUAL = {
    'chapters/data.md': 5,
    'chapters/transposed-conv.md': 8,
    'chapters/bilinear.md': 4,
    'chapters/fcn.md': 520,
    'chapters/heat-map.md': 30,
    'chapters/skip-connections.md': 400,
    'chapters/real-photos.md': 90,
    'chapters/own-data.md': 70,
    'chapters/scaling.md': 45,
    'chapters/atrous.md': 150,
    'chapters/crf.md': 200,
    'chapters/boxes.md': 180,
    'chapters/deformable.md': 90,
    'chapters/alexnet.md': 90,
    'chapters/gluoncv.md': 30,
    'exercises/data.md': 10,
    'exercises/transposed-conv.md': 10,
    'exercises/bilinear.md': 10,
    'exercises/fcn.md': 90,
    'exercises/heat-map.md': 10,
    'exercises/skip-connections.md': 20,
    'exercises/real-photos.md': 10,
    'exercises/own-data.md': 10,
    'exercises/scaling.md': 10,
    'exercises/atrous.md': 10,
    'exercises/crf.md': 5,
    'exercises/boxes.md': 5,
    'exercises/deformable.md': 10,
    'exercises/alexnet.md': 5,
    'exercises/gluoncv.md': 5,
}
WAITING, RUNNING, EXECUTED, FAILED, LEFT_OUT = range(5)
GO_ON = '«make html» goes on with it.'
LONG_CELL = 1  # seconds: shorter ones are in no table


@dataclass(eq=False)
class Task:
    """A page whose code is to run, and how far it is. Times in seconds."""

    notebook: object
    usual: float | None  # None if nobody knows
    state: int = WAITING
    begun: float = 0
    ended: float = 0
    cell: int = 0  # the number of the one that runs, from 1
    cell_begun: float = 0
    cells: list = field(default_factory=list)  # what the finished ones took
    failure: str = ''

    def __post_init__(self):
        self.draft = nbformat.writes(self.notebook) + '\n'  # has no outputs

    def seconds(self):
        """Return for how long it has run."""
        return (self.ended or time.time()) - self.begun

    def left(self):
        """Return about how long it still takes, None if nobody knows."""
        if self.state in (EXECUTED, FAILED, LEFT_OUT):
            return 0
        if self.usual is None or self.state == WAITING:
            return self.usual
        return max(self.usual - self.seconds(), 0)

    def where(self):
        """Say which cell runs, and its last word."""
        code = book.code_cells(self.notebook)
        if not self.cell:
            return 'starts'
        found = f'cell {self.cell} of {len(code)}'
        step = last_word(list(code[self.cell - 1].outputs))
        return f'{found}, {step}' if step else found


class Progress:
    """The state of a build: {page: Task}, in the order in which they run."""

    def __init__(self, root):
        self.file = root / TIMES
        self.times = read_times(self.file)
        self.tasks, self.making = {}, ''
        self.begun = time.time()
        self.ended = False
        self.readable = set()
        self.line, self.writing = '', threading.Lock()

    # -------------------------------------------------- What the runner notes
    def plan(self, todo, left_out):
        """Note what runs, and what would have to but does not."""
        # All at once: another thread looks, and takes others for executed.
        self.tasks = {
            page: Task(notebook, self.usual(page), state)
            for pages, state in ((todo, WAITING), (left_out, LEFT_OUT))
            for page, notebook in pages.items()
        }

    def start(self, page):
        task = self.tasks[page]
        task.state, task.begun = RUNNING, time.time()
        if not sys.stdout.isatty():
            about = f', about {span(task.usual)}' if task.usual else ''
            self.say(f'{page}: running{about}')

    def start_cell(self, page, cell):
        task = self.tasks[page]
        task.cell = book.code_cells(task.notebook).index(cell) + 1
        task.cell_begun = time.time()

    def end_cell(self, page):
        task = self.tasks[page]
        task.cells.append(round(time.time() - task.cell_begun, 2))

    def end(self, page):
        """Note that a page has run and is stored."""
        task = self.tasks[page]
        task.state, task.ended = EXECUTED, time.time()
        seconds = round(task.seconds(), 1)
        self.note({page: {'seconds': seconds, 'cells': task.cells}})
        self.say(f'{page}: {task.seconds():.0f} s')

    def fail(self, page, failure):
        task = self.tasks[page]
        task.state, task.ended, task.failure = FAILED, time.time(), failure
        self.say(f'{page}: failed')

    # ---------------------------------------------------------------- Times
    def usual(self, page):
        """Return how many seconds a page took the last time, or usually."""
        known = self.times.get(page.as_posix(), {})
        return known.get('seconds', USUAL.get(page.as_posix()))

    def note(self, figures):
        """Keep figures, {page: {name: figure}}, for the next build."""
        for page, its in figures.items():
            self.times.setdefault(page.as_posix(), {}).update(its)
        book.write_whole(self.file, json.dumps(self.times, indent=1) + '\n')

    def left(self):
        """Return about how many seconds are left, None if nobody knows."""
        each = [task.left() for task in self.tasks.values()]
        return None if None in each else sum(each)

    def until_next(self):
        """Return in about how many seconds the next page is executed.

        Infinite if nobody knows, None if none is left.
        """
        open_ = [t for t in self.tasks.values() if t.state <= RUNNING]
        if not open_:
            return None
        running = [t for t in open_ if t.state == RUNNING]
        left = (running or open_)[0].left()
        return float('inf') if left is None or self.making else left

    # ----------------------------------------------------------- What is said
    def sentence(self, page):
        """Say, for a page without outputs, why it has none."""
        task = self.tasks[page]
        if task.state == FAILED:
            where, *trace = task.failure.splitlines()
            return ': '.join(['Its code failed', where, *trace[-1:]])
        if task.state == LEFT_OUT:
            return f'Its code was not asked for, and has not run. {GO_ON}'
        if self.ended:
            what = 'this page was made' * (task.state == EXECUTED)
            what = what or 'its code had run'
            return f'The build was stopped before {what}. {GO_ON}'
        if task.state == EXECUTED:
            return 'Its code has run, and its outputs come in a moment.'
        if task.state == RUNNING:
            since = time.strftime('%H:%M', time.localtime(task.begun))
            left = task.left()
            about = f'; about {span(left)} left' if left else ''
            return f'Its code runs since {since}: {task.where()}{about}.'
        tasks = list(self.tasks.values())
        before = [other.left() for other in tasks[: tasks.index(task)]]
        if self.making or before.count(0) == len(before):
            return f'Its code waits: {self.making or "it is the next"}.'
        about = '' if None in before else f', for about {span(sum(before))}'
        return f'Its code waits: others run first{about}.'

    def drafts(self):
        """Return {page: notebook, as text} of those that have no outputs."""
        tasks = self.tasks.items()
        return {p: task.draft for p, task in tasks if task.state != EXECUTED}

    def published(self, pages):
        """Note that these pages can be read, complete."""
        new = sorted(pages - self.readable)
        after = round(time.time() - self.begun, 1)
        if not self.readable and self.left() != 0:
            self.say(f'the first pages can be read: {OUTPUT}')
        self.readable |= pages
        self.note({page: {'readable_after': after} for page in new})

    def settled(self, page):
        """Whether a page without outputs gets none in this build."""
        return self.tasks[page].state in (FAILED, LEFT_OUT)

    def say(self, text):
        """Print a line that stays."""
        with self.writing:
            clear = '\r\x1b[K' if self.line else ''
            self.line = ''
            print(f'{clear}{text}', flush=True)

    def show(self):
        """Redraw the terminal's last line; where there is none, nothing."""
        if not sys.stdout.isatty():
            return
        line = self.making
        for page, task in self.tasks.items():
            if task.state == RUNNING:
                line = f'{page}: {task.where()}'
                break
        left = self.left()
        about = f'about {span(left)} left' if left else ''
        columns = shutil.get_terminal_size().columns - 1
        room = columns - len(about) - 2
        with self.writing:
            self.line = f'{line[:room].ljust(room)}  {about}'
            print(f'\r\x1b[K{self.line}', end='', flush=True)

    def clear(self):
        """Remove the terminal's last line."""
        if self.line:
            with self.writing:
                print('\r\x1b[K', end='', flush=True)
                self.line = ''

    def table(self):
        """Return what took the time, as lines: pages, and longest cells."""
        rows = []
        for page, task in self.tasks.items():
            if task.state == EXECUTED:
                code = book.code_cells(task.notebook)
                cells = enumerate(zip(task.cells, code, strict=False), 1)
                longest = sorted(
                    (-seconds, number, book.first_line(cell.source))
                    for number, (seconds, cell) in cells
                    if seconds >= LONG_CELL
                )
                rows.append((task.seconds(), page, longest[:3]))
        lines = []
        for seconds, page, longest in sorted(rows, reverse=True):
            lines.append(f'{seconds:6.0f} s  {page}')
            for negative, number, first in longest:
                lines.append(f'{-negative:12.0f} s  cell {number}: {first}')
        return lines


def read_times(file):
    """Return what pages took: {page: {'seconds': ..., 'cells': [...]}}."""
    try:
        return json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}


def span(seconds):
    """Say a length of time in round numbers."""
    if seconds < 90:
        return f'{max(round(seconds), 1)} s'
    return f'{round(seconds / 60)} min'


def last_word(outputs):
    """Return the last line that a running cell has printed or shown."""
    if not outputs:
        return ''
    if outputs[-1].output_type == 'stream':
        lines = blemishes.plain(outputs[-1].text).split('\n')
        return next((x.strip() for x in reversed(lines) if x.strip()), '')
    html = ''.join(outputs[-1].get('data', {}).get('text/html', ''))
    bar = re.search(r'</progress>([^<]*)', html)  # of a training
    return bar[1].strip() if bar else ''
