"""The exercises' sources: their format, and what is made of them.

That every solution is right is seen where the pages are made: a page whose
check says anything but «Right.» stops `make html`.
"""

import importlib
import inspect
import re
from pathlib import Path

import book
import exercises
import lab
import run_chapters

import nbformat
import pytest

PAGE = Path('exercises/one.md')
INDEX = '# Tiny\n\n```toc\n:numbered:\n\nchapters/one\n```\n\n'
INDEX += '```toc\nexercises/one\n```\n'
CHAPTER = '# One\n:label:`ch_one`\n\nSee :numref:`ex_one`.\n'
CHECKS = """
class Verdict:
    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text
"""
CHECK = """
from checks import Verdict


def double(answer):
    if answer is ...:
        return Verdict('Not answered yet. Expected is a number.')
    return Verdict('Right. Well.' if answer == 8 else 'Not yet: No.')
"""
SOURCE = """# Exercises: One
:label:`ex_one`

It belongs to :numref:`ch_one`.

```{.python .input}
from checks import one as check
```

More words.

## Twice Four (easy)

What is it?

```{.python .input}
four = 4
```

A hint.

```{.python .input}
#@student
print('move this')
```

```{.python .input}
answer = ...  # a number
```

```{.python .input}
#@page
print('to try on the page')
```

```{.python .input}
#@solution
answer = 2 * four
```

Doubling is the explanation here.

```{.python .input}
#@solution
print('and once more')
```

The last word on it.

```{.python .input}
#@page
print('boxes for', answer)
```

```{.python .input}
check.double(answer)
```

## Why? (hard, open)

```{.python .input}
def eight():
    return ...
```

```{.python .input}
#@solution
def eight():
    return 8
```

```{.python .input}
check.double(eight())
```
"""


@pytest.fixture
def tiny(tmp_path):
    """A book of one chapter and its exercises."""
    for name, text in {
        'config.ini': '[build]\nnotebooks = *.md\n',
        'index.md': INDEX,
        'chapters/one.md': CHAPTER,
        'checks/__init__.py': CHECKS,
        'checks/one.py': CHECK,
        'checks/two.py': 'unused = 1\n',
        PAGE: SOURCE,
    }.items():
        book.write_whole(tmp_path / name, text)
    return tmp_path


def change(folder, name, old, new):
    text = (folder / name).read_text('utf-8')
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding='utf-8')


def outdated(folder):
    return [page.as_posix() for page in run_chapters.plan(folder)[0]]


# ----------------------------------------------------------------- The format
def test_what_the_source_says(tiny):
    first, second = exercises.read(tiny, PAGE).exercises
    assert (first.title, first.points, first.open) == ('Twice Four', 1, False)
    assert (second.title, second.points, second.open) == ('Why?', 3, True)
    assert [role for role, _ in first.parts] == [
        *('task', 'given', 'task', 'student', 'stub', 'page'),
        *('solution', 'solution', 'solution', 'solution', 'page', 'check'),
    ]
    assert first.check() == 'double'


def test_the_student_gets_no_solution(tiny):
    notebook = exercises.student_notebook(tiny, PAGE)
    code = [cell.source for cell in book.code_cells(notebook)]
    assert code == [
        'from checks import one as check',
        'four = 4',
        "print('move this')",
        'answer = ...  # a number',
        'check.double(answer)',
        'def eight():\n    return ...',
        'check.double(eight())',
    ]
    text = '\n'.join(cell.source for cell in notebook.cells)
    assert 'A hint.' in text and 'More words.' in text
    assert 'explanation' not in text and 'last word' not in text
    assert notebook.metadata.kernelspec.name == 'python3'
    nbformat.validate(notebook)


def test_the_page_shows_the_solution_folded(tiny):
    notebook = exercises.book_notebook(tiny, PAGE)
    cells = [cell.source for cell in notebook.cells]
    assert "print('move this')" not in cells
    assert not any('#@' in cell for cell in cells)
    first = cells.index(exercises.FOLD)
    assert cells[first - 2 : first] == [
        'answer = ...  # a number',
        "# hide code\nprint('to try on the page')",
    ]
    assert cells[first + 1 : first + 8] == [
        'answer = 2 * four',
        'Doubling is the explanation here.',
        "print('and once more')",
        'The last word on it.',
        "# hide code\nprint('boxes for', answer)",
        'check.double(answer)',
        exercises.UNFOLD,
    ]
    nbformat.validate(notebook)


@pytest.mark.parametrize(
    'old, new, complaint',
    [
        (' (easy)', '', '«Twice Four»: a heading ends with its difficulty'),
        ('(easy)', '(trivial)', 'ends with its difficulty'),
        ('(hard, open)', '(hard, closed)', 'with its difficulty'),
        ('#@solution\nanswer', '#@answer\nanswer', '«Twice.*@answer is no'),
        ('four = 4', 'four = 4  #@save', '@save is no mark'),
        ('#@student', '# @student', '# @student is no mark'),
        ('\n#@solution\ndef', '\n#\ndef', '«Why.?»: no solution'),
        ('answer = ...', 'answer = 0', '«Twice Four»: no stub'),
        ('def eight():\n    return ...', '0', '«Why.?»: no stub'),
        ('check.double(eight())', 'eight()', '«Why.?»: no check call'),
        ('check.double(eight())', 'x = check.double(8)', 'no check call'),
        ('check.double(eight())', 'check.a(check.b(1))', 'no check call'),
        ('check.double(answer)\n```', 'answer\n```', '«Twice Four»: no check'),
        ('## Why', 'More words.\n\n## Why', '«Twice Four»: no check call'),
        ("#@solution\nprint('and", "print('and", 'between solution and check'),
        ('eight():\n    return 8', 'eight(:', '«Why.?»: no Python'),
        (SOURCE[SOURCE.index('## Twice') :], '', 'one.md: no exercise'),
    ],
)
def test_a_broken_source_is_named(tiny, old, new, complaint):
    change(tiny, PAGE, old, new)
    with pytest.raises(exercises.Broken, match=complaint) as caught:
        exercises.read(tiny, PAGE)
    assert str(caught.value).startswith('exercises/one.md')
    with pytest.raises(run_chapters.Failure, match='exercises/one.md'):
        run_chapters.run(tiny)


# -------------------------------------------------------------- In the book
def test_the_page_runs_once_and_again_when_a_check_changes(tiny):
    run_chapters.run(tiny)
    stored = run_chapters.stored(book.executed(tiny, PAGE))
    assert exercises.verdicts(stored) == [
        ('Twice Four', 'Right. Well.'),
        ('Why?', 'Right. Well.'),
    ]
    assert outdated(tiny) == []
    change(tiny, PAGE, 'A hint', 'A better hint')
    change(tiny, PAGE, 'move this', 'move that')
    change(tiny, 'checks/one.py', "'Not yet", " 'Not yet")
    change(tiny, 'checks/two.py', '1', '2')
    assert outdated(tiny) == []
    change(tiny, 'checks/one.py', 'Well.', 'Good.')
    assert outdated(tiny) == [PAGE.as_posix()]
    change(tiny, 'checks/one.py', 'Good.', 'Well.')
    change(tiny, 'checks/__init__.py', 'self.text = text', 'self.text = "x"')
    assert outdated(tiny) == [PAGE.as_posix()]


@pytest.mark.parametrize('ci', [True, False])
def test_a_wrong_solution_stops_the_build(tiny, monkeypatch, ci):
    monkeypatch.delenv('CI', raising=False)
    if ci:
        monkeypatch.setenv('CI', 'true')
    change(tiny, PAGE, '2 * four', '3 * four')
    with pytest.raises(run_chapters.Failure) as caught:
        run_chapters.run(tiny)
    assert 'exercises/one.md, «Twice Four»: the check' in str(caught.value)
    assert 'Not yet: No.' in str(caught.value)
    assert outdated(tiny) == [PAGE.as_posix()]


def test_a_check_that_says_nothing_stops_the_build(tiny):
    change(tiny, 'checks/one.py', 'def double(answer):', UNSAID)
    with pytest.raises(run_chapters.Failure, match='«Twice Four»'):
        run_chapters.run(tiny)


UNSAID = 'def double(answer):\n    return None'


def test_the_lab_has_the_student_notebook(tiny):
    assert lab.copy_notebooks(tiny) == []
    copy = tiny / 'notebooks' / 'exercises-one.ipynb'
    text = copy.read_text('utf-8')
    assert '[Chapter 1](one.ipynb)' in text
    assert '2 * four' not in text
    chapter = (tiny / 'notebooks' / 'one.ipynb').read_text('utf-8')
    assert 'See [Exercises: One](exercises-one.ipynb)' in chapter
    copy.write_text(text + ' ', encoding='utf-8')
    change(tiny, PAGE, 'A hint', 'A better hint')
    assert lab.copy_notebooks(tiny) == [copy]
    assert copy.read_text('utf-8') == text + ' '


# ------------------------------------------------------- The book's own ones
PAGES = book.exercises(book.ROOT)
LEAST = {'data': 5, 'transposed-conv': 6, 'bilinear': 4, 'fcn': 6}
LEAST |= {'heat-map': 6, 'skip-connections': 6}
LEAST |= {'real-photos': 4, 'own-data': 4, 'scaling': 4}
LEAST |= {'atrous': 5, 'crf': 5, 'boxes': 5}
LEAST |= {'deformable': 5, 'alexnet': 5, 'gluoncv': 5}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_each_chapter_has_its_exercises(root, page):
    found = exercises.read(root, page).exercises
    assert len(found) >= LEAST[page.stem]
    assert len({exercise.difficulty for exercise in found}) > 1
    names = [exercise.title for exercise in found]
    assert len(set(names)) == len(names)


def test_every_chapter_has_exercises_or_links_to_them(root):
    pages = {page.stem: page for page in PAGES}
    for chapter in book.chapters(root):
        text = (root / chapter).read_text('utf-8')
        _, _, own = text.partition('\n## Exercises\n')
        if page := pages.pop(chapter.stem, None):
            label = re.search(
                r':label:`(ex_\w+)`', (root / page).read_text('utf-8')
            )
            assert f':numref:`{label[1]}`' in own
        else:  # questions, which no program can check
            assert len(re.findall(r'^\d\. ', own, re.M)) >= 3, chapter
    assert not pages


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_every_check_has_an_exercise_and_a_description(root, page):
    name = page.stem.replace('-', '_')
    module = importlib.import_module(f'checks.{name}')
    checks = {
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and hasattr(value, '__wrapped__')
    }
    used = [e.check() for e in exercises.read(root, page).exercises]
    assert sorted(used) == sorted(checks)
    for check in checks:
        assert getattr(module, check).__doc__, check


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_cells_are_short(root, page):
    for cell in book.code_cells(book.read_page(root / page)):
        lines = cell.source.splitlines()
        assert len(lines) <= 30, book.first_line(cell.source)
        assert max(map(len, lines)) <= 79


def test_points_follow_the_difficulty():
    assert exercises.POINTS == {'easy': 1, 'medium': 2, 'hard': 3}
