"""Find in executed notebooks what a reader would stumble over."""

import re

import book

ESCAPES = re.compile(r'\x1b\[[0-9;?]*[ -/]*[@-~]')
MONTHS = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec'
SIGNS = {
    'a warning': re.compile(r'\b\w*Warning\b|^\s*warning:', re.M | re.I),
    'a progress bar': re.compile(r'\r|\d+%\|'),
    'a date': re.compile(
        r'\b(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)'
        rf'|\b(?:{MONTHS})[a-z]* +[0-3]?\d,? (?:\d\d:|(?:19|20)\d\d\b)'
        rf'|\b[0-3]?\d (?:{MONTHS})[a-z]* (?:19|20)\d\d\b'
    ),
}
WIDGET = 'application/vnd.jupyter.widget-view+json'
IMAGES = re.compile(r'data:image/[^"\')]*')


class Blemish(Exception):
    """An output that may not be shown; the text says where and why."""


def plain(text):
    """Return text without the codes that colour a terminal."""
    return ESCAPES.sub('', text)


def name_of(page, notebook, cell):
    """Name a cell: chapter, number among the code cells, first line."""
    number = book.code_cells(notebook).index(cell) + 1
    return f'{page}, code cell {number} (`{book.first_line(cell.source)}`)'


def texts(output):
    """Yield the texts of an output that a reader may see."""
    if output.output_type == 'stream':
        yield output.text
    for kind, data in output.get('data', {}).items():
        if kind.startswith('text/') or kind == 'image/svg+xml':
            yield IMAGES.sub('', ''.join(data))


def blemishes_of(output, folders):
    """Yield what is wrong with an output, in words."""
    if output.get('name') == 'stderr':
        yield f'writes to stderr: {book.first_line(plain(output.text))}'
        return
    if WIDGET in output.get('data', {}):
        yield 'leaves a widget, which needs a running kernel'
    for text in texts(output):
        for what, sign in SIGNS.items():
            if match := sign.search(text):
                yield f'shows {what}: {line_at(text, match.start())}'
        for folder in map(str, folders):
            at = text.find(folder)
            if len(folder) > 1 and at >= 0:
                yield f'shows a path of this machine: {line_at(text, at)}'


def line_at(text, place):
    """Return the line of a text around a place, cut to a readable length."""
    start = text.rfind('\n', 0, place) + 1
    return plain(text[max(start, place - 40) : place + 60].split('\n')[0])


def check(page, notebook, folders):
    """Raise Blemish for the first output that may not be shown."""
    for cell in book.code_cells(notebook):
        for output in cell.outputs:
            for what in blemishes_of(output, folders):
                raise Blemish(f'{name_of(page, notebook, cell)} {what}')
