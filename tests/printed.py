"""What the cells of executed pages have printed, and what is claimed of it."""

import ast
import functools
import inspect
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

import book

import nbformat
from bs4 import BeautifulSoup

# 5, -0.5, +16, 2e-06, 1,806,336; but no part of a name such as FCN-32s or fc6
NUMBER = re.compile(
    r'(?<![\w.-])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:e[-+]\d+)?(?!\w)'
)


class Printed(str):
    """What a cell has printed; a line for each bar that it drew comes last."""

    def rows(self, words=''):
        """Return numbers, a list for each line that has some behind words."""
        found = []
        for line in self.splitlines():
            start = line.find(words)
            if start >= 0:
                numbers = NUMBER.findall(line[start + len(words) :])
                found.append([float(x.replace(',', '')) for x in numbers])
        return [numbers for numbers in found if numbers]

    def row(self, words):
        """Return the numbers behind words in the one line that has some."""
        found = self.rows(words)
        if len(found) != 1:
            raise LookupError(f'{len(found)} lines with numbers: {words!r}')
        return found[0]

    def number(self, words):
        """Return the first number behind words, which one line has."""
        return self.row(words)[0]

    def column(self, words=''):
        """Return the first number behind words in each line that has some."""
        return [row[0] for row in self.rows(words)]


@dataclass(frozen=True)
class Claims:
    """Sentences of a page that rest on what some cells have printed.

    `page`: its path, without ending. `cells`: words of the code of each, or
    (another page, words). `hold`: a generator function; it gets what each
    cell printed, and yields a sentence and whether it is true, again and
    again.
    """

    page: str
    cells: tuple
    hold: Callable

    def __str__(self):
        return f'{self.page}: {self.cells[0]}'

    def places(self):
        """Return (page, words) of each cell."""
        return [
            cell if isinstance(cell, tuple) else (self.page, cell)
            for cell in self.cells
        ]

    def sentences(self):
        """Return the sentences, without asking whether they are true."""
        code = ast.parse(inspect.getsource(self.hold))
        pairs = [x.value for x in ast.walk(code) if isinstance(x, ast.Yield)]
        return [ast.literal_eval(pair.elts[0]) for pair in pairs]

    def missing(self, page):
        """Return the sentences that do not stand in a page, a notebook."""
        prose = [x.source for x in page.cells if x.cell_type == 'markdown']
        return [x for x in self.sentences() if not any(x in y for y in prose)]

    def check(self, built):
        """Raise AssertionError if an executed book belies a sentence.

        `built`: the folder with the executed pages.
        """
        outputs = [
            printed(find(words, executed(built / f'{page}.ipynb')))
            for page, words in self.places()
        ]
        told = '\n'.join(['', 'Printed is:', *outputs])
        try:
            wrong = [x for x, holds in self.hold(*outputs) if not holds]
        except (LookupError, ValueError) as error:
            about = f'{self.page}, where it says {self.sentences()}'
            raise AssertionError(f'{about}: {error}{told}') from error
        assert not wrong, f'{self.page} says {wrong}{told}'


@functools.cache
def executed(path):
    """Read an executed page."""
    return nbformat.read(path, as_version=4)


def find(words, page):
    """Return the one code cell of a page that holds these words."""
    found = [cell for cell in book.code_cells(page) if words in cell.source]
    if len(found) != 1:
        raise LookupError(f'{len(found)} cells hold {words!r}')
    return found[0]


def printed(cell):
    """Return what an executed cell has printed."""
    text, draws_bars = '', 'plot_bars(' in cell.source
    for output in cell.outputs:
        if output.output_type == 'stream' and output.name == 'stdout':
            text += output.text
        elif draws_bars and 'image/svg+xml' in output.get('data', {}):
            text += bars(output.data['image/svg+xml'])
    return Printed(text)


def bars(svg):
    """Return a line for each bar of a drawing: its name and its value.

    The values are the last texts in it, the names those before them.
    """
    texts = [x.get_text() for x in BeautifulSoup(svg, 'html.parser')('text')]
    values = [*itertools.takewhile(NUMBER.fullmatch, reversed(texts))][::-1]
    names = texts[-2 * len(values) : -len(values)]
    pairs = zip(names, values, strict=True)
    return ''.join(f'{name}: {value}\n' for name, value in pairs)
