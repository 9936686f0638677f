"""The exercises of a chapter: one source, from which all their forms are made.

exercises/NAME.md holds tasks, stubs, solutions and checks. The student's
notebook has no solutions; the page of the book folds each one away, together
with its check, after the attempt.

A part that begins with `## Title (easy)`, `(medium)` or `(hard)`, with
`, open` where reasons cannot be checked, is an exercise. Its code cells: any
that are given, the stub with `...` in it, one or more whose first line is
`#@solution`, and at the end the call of the check. The text below a solution
belongs to it. A cell marked `#@student` is for notebooks alone, one marked
`#@page` for the book's page, which shows what it puts out and not its code.
"""

import ast
import copy
import re
from dataclasses import dataclass, field

import book

from nbformat import from_dict
from nbformat.v4 import new_markdown_cell

FOLDER = 'exercises'
POINTS = {'easy': 1, 'medium': 2, 'hard': 3}
SOLUTION, STUDENT, PAGE = '#@solution', '#@student', '#@page'
ROLES = {SOLUTION: 'solution', STUDENT: 'student', PAGE: 'page'}
HEADING = re.compile(
    rf'## (?P<title>.+?) \((?P<difficulty>{"|".join(POINTS)})'
    r'(?P<open>, open)?\)'
)
# d2lbook passes this through to the page, where a browser folds it.
FOLD = """```eval_rst
.. raw:: html

    <details class="solution"><summary>Solution</summary><div>
```"""
UNFOLD = """```eval_rst
.. raw:: html

    </div></details>
```"""


class Broken(Exception):
    """A source that breaks the format; the text says where and how."""


@dataclass
class Exercise:
    """One exercise: its parts in order, each a pair (role, cell).

    The roles: task (text), given, stub, solution (text and code), student,
    page, check.
    """

    title: str
    difficulty: str
    open: bool
    parts: list = field(default_factory=list)

    @property
    def points(self):
        return POINTS[self.difficulty]

    def cells(self, *roles):
        """Return the cells that have one of these roles, in order."""
        return [cell for role, cell in self.parts if role in roles]

    def shown(self):
        """Return the page's cells: those of the task, and the solution's."""
        first = [role for role, _ in self.parts].index('solution')
        return [
            [cell for role, cell in half if role not in ('student', 'check')]
            for half in (self.parts[:first], self.parts[first:])
        ]

    def check(self):
        """Return the name of the function that checks, without module."""
        (cell,) = self.cells('check')
        return last_expression(ast.parse(cell.source)).func.attr


@dataclass
class Source:
    """All exercises of a chapter, and the cells before the first."""

    notebook: object
    intro: list
    exercises: list

    def made_of(self, cells):
        """Return a notebook of copies of these cells, numbered anew."""
        made = copy.deepcopy(self.notebook)
        made.cells = copy.deepcopy(cells)
        made.metadata = from_dict(book.METADATA)
        return book.make_repeatable(made)


# ------------------------------------------------------------------ Reading
def is_source(page):
    """Whether a page, a path below the root, holds exercises."""
    return page.parts[0] == FOLDER


def read(root, page):
    """Read the source of a page. Raises Broken."""
    notebook = book.read_page(root / page)
    source = Source(notebook, [], [])
    for cell in split(notebook.cells):
        heading = book.first_line(cell.source)
        if cell.cell_type == 'markdown' and heading.startswith('## '):
            if source.exercises:
                finish(source.exercises[-1], page)
            source.exercises.append(begin(heading, page))
        if source.exercises:
            add(source.exercises[-1], cell, page)
        elif cell.cell_type == 'markdown':
            source.intro.append(('task', cell))
        else:
            role = ROLES.get(mark(cell, f'{page}'), 'given')
            source.intro.append((role, unmarked(cell)))
    if not source.exercises:
        raise Broken(f'{page}: no exercise (a heading of level 2)')
    finish(source.exercises[-1], page)
    return source


def split(cells):
    """Yield the cells, those of text cut in front of headings of level 2."""
    for cell in cells:
        if cell.cell_type == 'code':
            yield cell
            continue
        for text in re.split(r'^(?=## )', cell.source, flags=re.MULTILINE):
            if text.strip():
                part = copy.deepcopy(cell)
                part.source = text.strip()
                yield part


def begin(heading, page):
    """Make an exercise of its heading."""
    match = HEADING.fullmatch(heading)
    if not match:
        raise Broken(
            f'{page}, «{heading[3:]}»: a heading ends with its difficulty: '
            f'({"), (".join(POINTS)}), or with «, open» in it'
        )
    return Exercise(match['title'], match['difficulty'], bool(match['open']))


def where(page, exercise):
    return f'{page}, «{exercise.title}»'


def mark(cell, place):
    """Return the mark of a code cell, '' if it has none."""
    first = book.first_line(cell.source)
    found = re.findall(r'#\s*@\w+', cell.source)
    if not found:
        return ''
    if len(found) > 1 or first not in ROLES:
        raise Broken(
            f'{place}: {found[-1]} is no mark of an exercise: a first line '
            f'{SOLUTION}, {STUDENT} or {PAGE} is'
        )
    return first


def unmarked(cell):
    """Return a cell without the line of its mark."""
    first = book.first_line(cell.source)
    if first in ROLES:
        cell = copy.deepcopy(cell)
        cell.source = cell.source.lstrip().split('\n', 1)[-1].strip('\n')
        if first == PAGE:  # d2lbook's own mark
            cell.source = f'# hide code\n{cell.source}'
    return cell


def add(exercise, cell, page):
    """Add a cell; the stub and the check are found when all are there."""
    place, before = where(page, exercise), [r for r, _ in exercise.parts]
    if cell.cell_type == 'code':
        kind = mark(cell, place)
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            raise Broken(f'{place}: no Python: {error}') from None
        role = ROLES.get(kind, 'given')
    else:
        # Below a solution's cell and the text that follows it.
        in_solution = before and before[-1] == 'solution'
        role = 'solution' if in_solution else 'task'
    exercise.parts.append((role, unmarked(cell)))


def finish(exercise, page):
    """Find stub and check. Raises Broken if a part is missing."""
    place, parts = where(page, exercise), exercise.parts
    role, last = parts[-1]
    if role != 'given' or not is_check(last.source):
        raise Broken(
            f'{place}: no check call: the last cell is code that ends with '
            'one, check.name(...), and no text follows it'
        )
    parts[-1] = ('check', last)
    roles = [role for role, _ in parts]
    if 'solution' not in roles:
        raise Broken(f'{place}: no solution (a cell marked {SOLUTION})')
    first = roles.index('solution')
    for role, cell in parts[first:]:
        if role in ('given', 'task'):
            raise Broken(
                f'{place}: `{book.first_line(cell.source)}` stands between '
                'solution and check without the mark of a solution'
            )
    given = [i for i in range(first) if roles[i] == 'given']
    if not given or not has_gap(parts[given[-1]][1].source):
        raise Broken(
            f'{place}: no stub: the last cell before the solution that has '
            'no mark must hold `...`'
        )
    parts[given[-1]] = ('stub', parts[given[-1]][1])


def last_expression(tree):
    """Return the expression that ends a cell, None if none does."""
    last = tree.body[-1] if tree.body else None
    return last.value if isinstance(last, ast.Expr) else None


def is_check(code):
    """Whether a cell calls one check, in its last expression."""
    tree = ast.parse(code)
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == 'check'
    ]
    return len(calls) == 1 and last_expression(tree) is calls[0]


def has_gap(code):
    """Whether `...` stands somewhere in a cell, to be replaced."""
    return any(
        isinstance(node, ast.Constant) and node.value is ...
        for node in ast.walk(ast.parse(code))
    )


# ------------------------------------------------------------------- Making
def student_notebook(root, page):
    """Return the notebook that students get: no solution is in it."""
    source = read(root, page)
    cells = [cell for role, cell in source.intro if role != 'page']
    for exercise in source.exercises:
        cells += exercise.cells('task', 'given', 'stub', 'student', 'check')
    return source.made_of(cells)


def book_notebook(root, page):
    """Return the page of the book as a notebook, solutions folded."""
    source = read(root, page)
    cells = [cell for role, cell in source.intro if role != 'student']
    for exercise in source.exercises:
        task, solution = exercise.shown()
        cells += [*task, new_markdown_cell(FOLD), *solution]
        (check,) = exercise.cells('check')
        check = copy.deepcopy(check)
        check.metadata['verdict'] = exercise.title
        cells += [check, new_markdown_cell(UNFOLD)]
    return source.made_of(cells)


def read_page(root, page):
    """Read any page of the book as the notebook that is executed for it."""
    if is_source(page):
        return book_notebook(root, page)
    return book.read_page(root / page)


# ------------------------------------------------------------ What checks say
def verdicts(notebook):
    """Return [(exercise, what its check says)] of an executed notebook."""
    found = []
    for cell in book.code_cells(notebook):
        if 'verdict' in cell.metadata:
            said = [
                ''.join(output.data.get('text/plain', ''))
                for output in cell.outputs
                if output.output_type == 'execute_result'
            ]
            found.append((cell.metadata['verdict'], '\n'.join(said)))
    return found


def wrong_solutions(page, notebook):
    """Return a line for each solution that its own check does not accept."""
    return [
        f'{page}, «{title}»: the check of the solution says: {said}'
        for title, said in verdicts(notebook)
        if not said.startswith('Right. ')
    ]
