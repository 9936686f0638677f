"""Pages that can be read while a book is built, and what is said meanwhile."""

import html
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import book
import make_html
import progress
import run_chapters
from browser import open_browser
from progress import Progress
from support import wait_for
from test_runner import change, start, write_tiny

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output

FIRST, SECOND, THIRD = (
    Path(f'chapters/{name}.md') for name in ('one', 'two', 'three')
)


def page(folder, path):
    return folder / make_html.OUTPUT / path.with_suffix('.html')


def text(folder, path):
    """Return what a page says; nothing if it is not there."""
    file = page(folder, path)
    return html.unescape(file.read_text('utf-8')) if file.exists() else ''


def outputs(folder, path):
    """Return the outputs that a page shows, as texts."""
    soup = BeautifulSoup(text(folder, path), 'html.parser')
    return [found.get_text().strip() for found in soup.select('div.output')]


def state(folder):
    """Return what state.js says to the pages that are not finished."""
    script = (folder / make_html.OUTPUT / make_html.STATE).read_text('utf-8')
    return json.loads(re.fullmatch(r'bookState\((.*)\)\n', script)[1])


def tree(folder):
    """Return {path: bytes} of all built pages."""
    root = folder / make_html.OUTPUT
    return {
        path.relative_to(root): path.read_bytes()
        for path in sorted(root.rglob('*.html'))
    }


# The chapter goes on when the file `go` is there.
SLOW = "while not os.path.exists(os.environ['GO']): time.sleep(.1)\n'try"


@pytest.fixture
def started():
    """A list of processes; those that still run in the end are killed."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def tiny(tmp_path, root):
    """A book of which nothing has run; its third chapter waits for a file."""
    folder = tmp_path / 'a tiny book'
    write_tiny(folder, root)
    change(folder, THIRD, "'try", SLOW)
    return folder


def test_pages_come_as_chapters_finish_and_a_killed_build_leaves_whole_ones(
    tiny, tmp_path, started
):
    go = tmp_path / 'go'
    process = start(tiny, 'make_html', GO=str(go))
    started.append(process)
    wait_for(lambda: '4' in outputs(tiny, SECOND), 300)
    wait_for(lambda: 'cell 1 of 1' in state(tiny)['pages']['chapters/three'])
    assert process.poll() is None
    # The first two are finished; the third says what it is doing.
    for path in (Path('index.md'), FIRST, SECOND):
        assert 'class="unfinished"' not in text(tiny, path), path
    draft = BeautifulSoup(text(tiny, THIRD), 'html.parser')
    assert draft.select('.unfinished') and not draft.select('.output')
    assert 'time.sleep(.1)' in draft.get_text()
    assert list(state(tiny)['pages']) == ['chapters/three']
    process.kill()
    process.communicate()
    for path in book.pages(tiny):
        assert text(tiny, path).rstrip().endswith('</html>'), path

    # A later build goes on: it runs the third chapter alone.
    go.touch()
    started.append(start(tiny, 'make_html', GO=str(go)))
    process = started[-1]
    printed, complaint = process.communicate(timeout=600)
    assert (process.returncode, complaint) == (0, ''), complaint
    assert 'chapters/three.md: running' in printed
    assert 'chapters/two.md: running' not in printed
    assert 's  chapters/three.md\n' in printed  # the table
    went_on = tree(tiny)

    # Nothing is left of the drafts: the pages are those of a build that had
    # all notebooks from the beginning.
    shutil.rmtree(tiny / make_html.OUTPUT)
    make_html.build(tiny)
    assert went_on == tree(tiny)
    assert not (tiny / make_html.WORK).exists()
    built = page(tiny, THIRD).stat().st_mtime_ns
    make_html.build(tiny)
    assert page(tiny, THIRD).stat().st_mtime_ns == built


def test_a_failing_chapter_says_so_on_its_page_and_others_can_be_read(
    tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv('GO', str(tmp_path))
    change(tiny, SECOND, "'last'", '1 / 0  # no')
    with pytest.raises(run_chapters.Failure, match='ZeroDivisionError'):
        make_html.build(tiny)
    assert outputs(tiny, FIRST) == ['4']
    assert outputs(tiny, THIRD) == ["'try_all_gpus'"]
    (said,) = re.findall(
        r'<span>(Its code failed.*)</span>', text(tiny, SECOND)
    )
    assert 'chapters/two.md, code cell 2 (`1 / 0  # no`)' in said
    assert said.endswith('ZeroDivisionError: division by zero')
    assert state(tiny)['ended'] and list(state(tiny)['pages']) == [
        'chapters/two'
    ]
    assert not (tiny / make_html.STAMP).exists()

    capsys.readouterr()
    change(tiny, SECOND, '1 / 0  # no', "'last'")
    make_html.build(tiny)
    assert 'chapters/one.md' not in capsys.readouterr().out
    assert outputs(tiny, SECOND) == ['4', "'last'"]
    assert not [p for p, data in tree(tiny).items() if b'unfinished"' in data]
    assert not (tiny / make_html.OUTPUT / make_html.STATE).exists()


def test_chapters_by_name_run_alone(tiny, tmp_path, monkeypatch, capsys):
    make_html.build(tiny, ['one'])
    printed = capsys.readouterr().out
    assert re.findall(r'(\w+).md: running', printed) == ['one']
    assert 'class="unfinished"' not in text(tiny, FIRST)
    for path in (SECOND, THIRD):
        assert 'Its code was not asked for' in text(tiny, path)
    # Nothing changed: nothing is made.
    built = page(tiny, FIRST).stat().st_mtime_ns
    make_html.build(tiny, ['chapters/one'])
    assert page(tiny, FIRST).stat().st_mtime_ns == built
    # The others, too: then the book is finished.
    monkeypatch.setenv('GO', str(tmp_path))
    make_html.build(tiny)
    assert not [p for p, data in tree(tiny).items() if b'unfinished"' in data]


def test_an_unknown_name_is_one_line_with_those_there_are(tiny):
    done = subprocess.run(
        [sys.executable, 'build/make_html.py', 'one', '-x\n'],
        cwd=tiny,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == ''
    (line,) = done.stderr.strip().splitlines()
    assert line == ('no such chapter: -x\\n; there are: index one two three')


# ------------------------------------------------------------ What is said
def notebook(*sources):
    return new_notebook(cells=[new_code_cell(source) for source in sources])


@pytest.fixture
def watch(tmp_path):
    """Two pages are to run, of 100 and 600 seconds; a third is left out."""
    (tmp_path / '_build').mkdir()
    times = {FIRST.as_posix(): {'seconds': 100}, 'chapters/two.md': {}}
    times['chapters/two.md']['seconds'] = 600
    (tmp_path / progress.TIMES).write_text(json.dumps(times), encoding='utf-8')
    watch = Progress(tmp_path)
    watch.plan(
        {FIRST: notebook('a = 1', 'train()'), SECOND: notebook('b')},
        {THIRD: notebook('c')},
    )
    return watch


def test_a_plan_is_seen_whole_or_not_at_all(tmp_path, monkeypatch):
    """The thread that makes pages takes what is not in it for executed."""
    watch, seen = Progress(tmp_path), []
    make = progress.Task

    def task(*arguments):
        seen.append(dict(watch.tasks))
        return make(*arguments)

    monkeypatch.setattr(progress, 'Task', task)
    watch.plan({FIRST: notebook('1')}, {SECOND: notebook('2')})
    assert seen == [{}, {}]
    assert list(watch.tasks) == [FIRST, SECOND]


def test_a_page_says_why_it_has_no_outputs(watch):
    assert watch.left() == 700
    assert 'waits: others run first, for about 2 min' in watch.sentence(SECOND)
    watch.making = 'the data set is made'
    assert watch.sentence(FIRST) == 'Its code waits: the data set is made.'
    watch.making = ''
    assert watch.sentence(FIRST) == 'Its code waits: it is the next.'
    watch.start(FIRST)
    task = watch.tasks[FIRST]
    task.begun -= 40
    since = time.strftime('%H:%M', time.localtime(task.begun))
    watch.start_cell(FIRST, task.notebook.cells[1])
    bar = '<progress value="3" max="9"></progress> epoch 1 of 2, step 3<svg>'
    task.notebook.cells[1].outputs = [
        new_output('display_data', {'text/html': bar})
    ]
    assert watch.sentence(FIRST) == (
        f'Its code runs since {since}: cell 2 of 2, epoch 1 of 2, step 3; '
        'about 60 s left.'
    )
    assert 640 < watch.left() < 661
    task.notebook.cells[1].outputs = [
        new_output('stream', text='one\n\x1b[1mtwo\x1b[0m\n\n')
    ]
    assert 'cell 2 of 2, two; about' in watch.sentence(FIRST)
    watch.fail(FIRST, 'one.md, code cell 2 (`train()`)\nTrace\nError: no')
    assert watch.sentence(FIRST) == (
        'Its code failed: one.md, code cell 2 (`train()`): Error: no'
    )
    assert 'not asked for' in watch.sentence(THIRD)
    watch.ended = True
    assert 'stopped before its code had run' in watch.sentence(SECOND)


def test_a_page_that_nobody_has_timed_has_no_estimate(tmp_path):
    watch = Progress(tmp_path)
    watch.plan({FIRST: notebook('a'), SECOND: notebook('b')}, {})
    assert watch.left() is None
    assert watch.until_next() == float('inf')
    assert watch.sentence(SECOND) == 'Its code waits: others run first.'


def test_times_are_kept_for_the_next_build_and_printed(watch, tmp_path):
    watch.start(FIRST)
    for cell, seconds in zip(
        watch.tasks[FIRST].notebook.cells, (2, 90), strict=True
    ):
        watch.start_cell(FIRST, cell)
        watch.tasks[FIRST].cell_begun -= seconds
        watch.end_cell(FIRST)
    watch.tasks[FIRST].begun -= 95
    watch.end(FIRST)
    assert watch.table() == [
        '    95 s  chapters/one.md',
        '          90 s  cell 2: train()',
        '           2 s  cell 1: a = 1',
    ]
    kept = progress.read_times(tmp_path / progress.TIMES)['chapters/one.md']
    assert kept['seconds'] == pytest.approx(95, abs=2)
    assert kept['cells'] == pytest.approx([2, 90], abs=1)
    assert Progress(tmp_path).usual(FIRST) == kept['seconds']


def test_a_damaged_file_of_times_is_none(tmp_path):
    (tmp_path / '_build').mkdir()
    (tmp_path / progress.TIMES).write_text(
        '{"chapters/fcn.md": {"sec', encoding='utf-8'
    )
    usual = Progress(tmp_path).usual(Path('chapters/fcn.md'))
    assert usual == progress.USUAL['chapters/fcn.md']


def test_a_terminal_shows_one_line_that_fits(watch, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True, raising=False)
    monkeypatch.setenv('COLUMNS', '50')
    watch.start(FIRST)
    watch.start_cell(FIRST, watch.tasks[FIRST].notebook.cells[1])
    watch.show()
    watch.say('please note')
    printed = capsys.readouterr().out
    bar, note = printed.removeprefix('\r\x1b[K').split('\r\x1b[K')
    assert bar.startswith('chapters/one.md: cell 2 of 2')
    assert bar.endswith('  about 12 min left')
    assert len(bar) < 50
    assert note == 'please note\n'


def test_the_table_of_usual_times_names_pages_of_the_book(root):
    assert set(map(Path, progress.USUAL)) == {
        page
        for page in book.pages(root)
        if book.code_cells(book.read_page(root / page))
    }


# ------------------------------------------------------------- In a browser
PAGE = """<!doctype html><html><head>
<script id="documentation_options" data-url_root="../"></script>
<script>DOCUMENTATION_OPTIONS = {}</script>
<script defer src="../_static/book.js"></script></head>
<body><p>Above.</p><article class="bd-article"><h1>Title</h1>CELLS</article>
</body></html>"""
CELL = '<div class="highlight-python"><pre style="height: 9em">%d</pre></div>'


def site(folder, root, output):
    """Write what d2lbook would make: a page of cells, an output each."""
    made = folder / make_html.WORK / make_html.OUTPUT
    shutil.rmtree(made, ignore_errors=True)
    (made / '_static').mkdir(parents=True)
    (made / 'chapters').mkdir()
    shutil.copy(root / 'build/static/book.js', made / '_static')
    cells = ''.join(CELL % i + output for i in range(60))
    (made / 'chapters/one.html').write_text(
        PAGE.replace('CELLS', cells), encoding='utf-8'
    )


def test_a_page_is_replaced_where_its_reader_is(tmp_path, root, watch):
    (tmp_path / 'index.md').write_text(
        '# A\n\n```toc\n\nchapters/one\n```\n', encoding='utf-8'
    )
    (tmp_path / 'chapters').mkdir()
    (tmp_path / FIRST).write_text('# One\n', encoding='utf-8')
    site(tmp_path, root, '')
    make_html.publish(tmp_path, watch, [FIRST])
    cell = '() => document.querySelectorAll(".highlight-python")[30]'
    top = f'({cell})().getBoundingClientRect().top'
    with open_browser() as browser:
        view = browser.new_page()
        view.goto(page(tmp_path, FIRST).as_uri())
        notice = view.locator('article > .unfinished')
        assert 'Its code waits' in notice.inner_text()
        # What the state says is shown; what is old is not believed.
        watch.start(FIRST)
        make_html.write_state(tmp_path / make_html.OUTPUT, watch, [FIRST])
        view.wait_for_function(
            'document.body.innerText.includes("runs since")'
        )
        old = (tmp_path / make_html.OUTPUT / make_html.STATE).read_text(
            'utf-8'
        )
        old = re.sub(r'"at": \d+', '"at": 1000', old)
        (tmp_path / make_html.OUTPUT / make_html.STATE).write_text(
            old, encoding='utf-8'
        )
        view.wait_for_function('document.body.innerText.includes("stopped")')
        old = old.replace('"settled": []', '"settled": ["chapters/one"]')
        (tmp_path / make_html.OUTPUT / make_html.STATE).write_text(
            old, encoding='utf-8'
        )
        view.wait_for_function('document.body.innerText.includes("runs si")')
        # The page is finished.
        view.evaluate(f'({cell})().scrollIntoView()')
        view.evaluate('scrollBy(0, 20)')
        before = view.evaluate(top)
        site(tmp_path, root, '<div class="output"><pre>1\n2\n3</pre></div>')
        make_html.publish(tmp_path, watch, [])
        view.wait_for_function('!document.querySelector(".unfinished")')
        view.wait_for_function('document.querySelector(".output")')
        view.wait_for_function(f'Math.abs({top} - {before}) < 2')
        assert not (tmp_path / make_html.OUTPUT / make_html.STATE).exists()
