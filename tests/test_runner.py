"""The builder of the book, tried on a tiny book in a folder with a space."""

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import blemishes
import book
import lab
import make_html
import readable
import run_chapters
import save
from parts import whole
from support import wait_for

import nbformat
import pytest
from d2lbook.resource import get_notebook_gpus
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

CONFIG = '[build]\nnotebooks = index.md chapters/*.md\n'
CONFIG += '[pdf]\nbibfile = ../../none.bib\n'
INDEX = '# Tiny\n\n```toc\n:numbered:\n\n'
INDEX += 'chapters/one\nchapters/two\nchapters/three\n```\n'
UTILS = 'from parts.sources import voc_root\n'
UTILS += 'def double(x):\n    return 2 * x\n'
SOURCES = 'def voc_root():\n    pass\n'
ONE = """# One
:label:`ch_one`

Prose, and :numref:`ch_two`.

```{.python .input}
import utils


def four():  #@save
    return utils.double(2)


utils.voc_root()
four()
```
"""
TWO = """# Two
:label:`ch_two`

```{.python .input}
import segbook

print(segbook.four())
```

The end.

```{.python .input}
'last'
```
"""
# A note of each time that it runs; a nap if the test asks for one. The text
# try_all_gpus makes d2lbook's scheduler want two GPUs.
THREE = """# Three

```{.python .input}
import os, time

with open(os.environ.get('NOTES', os.devnull), 'a') as notes:
    print(os.getpid(), file=notes)
time.sleep(float(os.environ.get('NAP', 0)))
'try_all_gpus'
```
"""
PAGES = {'one': ONE, 'two': TWO, 'three': THREE}


def write_tiny(folder, root):
    """Write a book of three chapters that runs in seconds."""
    (folder / 'chapters').mkdir(parents=True)
    (folder / 'config.ini').write_text(CONFIG, encoding='utf-8')
    (folder / 'index.md').write_text(INDEX, encoding='utf-8')
    (folder / 'utils.py').write_text(UTILS, encoding='utf-8')
    (folder / 'parts').mkdir()
    (folder / 'parts' / 'sources.py').write_text(SOURCES, encoding='utf-8')
    (folder / 'none.bib').touch()
    for name, text in PAGES.items():
        (folder / 'chapters' / f'{name}.md').write_text(text, encoding='utf-8')
    shutil.copytree(
        root / 'build',
        folder / 'build',
        ignore=shutil.ignore_patterns(
            *('static', 'widgets', '__pyc*'),
            *('book_pages.py', 'scenes.py', 'backbone.py'),
        ),
    )


@pytest.fixture(scope='module')
def master(tmp_path_factory, root):
    """A tiny book that has run; the tests work on copies."""
    folder = tmp_path_factory.mktemp('master') / 'a tiny book'
    write_tiny(folder, root)
    run_chapters.run(folder)
    return folder


@pytest.fixture
def finished(tmp_path, master):
    """A tiny book whose chapters have run."""
    return shutil.copytree(master, tmp_path / 'a tiny book')


@pytest.fixture
def tiny(finished):
    """A tiny book of which nothing has run."""
    shutil.rmtree(finished / '_build' / 'eval')
    return finished


def change(folder, name, old, new):
    path = folder / name
    text = path.read_text('utf-8')
    assert old in text
    path.write_text(text.replace(old, new), encoding='utf-8')


def outdated(folder):
    """Return the names of the chapters that would run."""
    save.save(folder)
    return sorted(page.stem for page in run_chapters.plan(folder)[0])


def outputs(folder, name):
    notebook = nbformat.read(
        folder / f'_build/eval/chapters/{name}.ipynb', as_version=4
    )
    return [
        output.get('text') or output.data['text/plain']
        for cell in book.code_cells(notebook)
        for output in cell.outputs
    ]


def start(folder, script='run_chapters', **variables):
    """Run a script of the builder in a process of its own."""
    return subprocess.Popen(
        [sys.executable, f'build/{script}.py'],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ------------------------------------------------------- What runs, and when
def test_chapters_run_in_the_order_of_the_book(tiny, capsys):
    """A later one may go on with what an earlier one saved."""
    run_chapters.run(tiny)
    lines = capsys.readouterr().out.splitlines()
    running = re.findall(r'chapters/(\w+).md: running', '\n'.join(lines))
    assert running == ['one', 'two', 'three']


def test_only_what_changed_in_content_runs(finished):
    assert outputs(finished, 'one') == ['4']
    assert outputs(finished, 'two') == ['4\n', "'last'"]
    assert outdated(finished) == []

    for path in [*finished.glob('*.py'), *finished.glob('chapters/*')]:
        os.utime(path, (time.time() + 5,) * 2)
    assert outdated(finished) == []

    change(finished, 'chapters/one.md', 'four()\n```', 'four()  # 4\n```')
    change(finished, 'utils.py', 'return', '# twice\n    return')
    assert outdated(finished) == []

    change(finished, 'chapters/two.md', "'last'", "'end'")
    assert outdated(finished) == ['two']
    change(finished, 'chapters/two.md', "'end'", "'last'")
    assert outdated(finished) == []

    change(finished, 'chapters/one.md', 'double(2)', 'double(3)')
    assert outdated(finished) == ['one', 'two']
    change(finished, 'chapters/one.md', 'double(3)', 'double(2)')

    change(finished, 'utils.py', '2 * x', 'x + x')
    assert outdated(finished) == ['one', 'two']


def test_data_count_for_those_who_ask_and_packages_for_all(
    finished, monkeypatch, tmp_path
):
    photos = tmp_path / 'JPEGImages'
    photos.mkdir()
    monkeypatch.setenv('VOC_ROOT', str(tmp_path))
    assert outdated(finished) == ['one']
    before = run_chapters.data_set(finished)
    (photos / 'a.jpg').write_text('new', encoding='utf-8')
    assert run_chapters.data_set(finished) != before
    within = photos / 'camera' / 'day' / 'a.jpg'  # an id may have folders
    within.parent.mkdir(parents=True)
    within.write_text('new', encoding='utf-8')
    before = run_chapters.data_set(finished)
    within.write_text('newer', encoding='utf-8')
    assert run_chapters.data_set(finished) != before
    monkeypatch.undo()
    assert outdated(finished) == []

    (finished / 'build' / 'scenes.py').write_text(
        'other scenes', encoding='utf-8'
    )
    assert outdated(finished) == ['one']
    monkeypatch.setattr(run_chapters, 'packages', lambda: ['other'])
    assert outdated(finished) == ['one', 'three', 'two']


def test_photos_count_for_those_who_name_them(finished):
    outlines = finished / 'photos' / 'a.json'
    outlines.parent.mkdir()
    outlines.write_text('{}', encoding='utf-8')
    assert outdated(finished) == []
    change(finished, 'chapters/one.md', 'double(2)', "double('photos')")
    run_chapters.run(finished)
    assert outdated(finished) == []
    outlines.write_text('{"shapes": []}', encoding='utf-8')
    assert outdated(finished) == ['one']


def test_new_prose_takes_over_the_outputs(finished, capsys):
    change(finished, 'chapters/one.md', 'Prose', 'Better prose')
    change(finished, 'chapters/one.md', 'four()\n```', 'four()  # 4\n```')
    capsys.readouterr()
    run_chapters.run(finished)
    assert capsys.readouterr().out == ''
    stored = book.executed(finished, book.pages(finished)[1]).read_text(
        'utf-8'
    )
    assert 'Better prose' in stored
    assert 'four()  # 4' in stored
    assert outputs(finished, 'one') == ['4']


def test_a_second_run_leaves_the_notebooks_alone(finished):
    paths = sorted(finished.glob('_build/eval/**/*.ipynb'))
    before = [(path.read_bytes(), path.stat().st_mtime) for path in paths]
    run_chapters.run(finished)
    assert before == [(p.read_bytes(), p.stat().st_mtime) for p in paths]
    paths[0].unlink()
    book.executed(finished, book.pages(finished)[2]).unlink()
    run_chapters.run(finished)  # comes to the same, byte by byte
    assert [b for b, _ in before] == [path.read_bytes() for path in paths]


# --------------------------------------------------------------- What fails
def test_a_failing_cell_is_named_and_shown_once(tiny):
    change(tiny, 'chapters/two.md', "'last'", '1 / 0  # no')
    (tiny / 'chapters/three.md').write_text(
        '# Three\n\nOnly words.\n', encoding='utf-8'
    )
    process = start(tiny)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert 'chapters/two.md, code cell 2 (`1 / 0  # no`)' in err
    assert err.count('ZeroDivisionError: division by zero') == 1
    assert err.count('Traceback') == 1
    assert '\x1b' not in out + err
    assert outdated(tiny) == ['two']


def test_a_dying_kernel_is_named(tiny):
    change(tiny, 'chapters/three.md', 'time.sleep', 'os._exit(1)  # ')
    with pytest.raises(run_chapters.Failure, match='three.md, code cell 1'):
        run_chapters.run(tiny, ['three'])
    assert 'three' in outdated(tiny)


def test_a_line_on_stderr_stops_the_build(tiny, monkeypatch):
    """Also one that a library in C wrote, past Python, at a cell's end."""
    change(tiny, 'chapters/three.md', "'try", "os.write(2, b'oops')\n'try")
    with monkeypatch.context() as patch:
        # ipykernel does not catch such lines inside pytest.
        patch.delenv('PYTEST_CURRENT_TEST')
        patch.setenv('CI', 'true')
        with pytest.raises(run_chapters.Failure) as caught:
            run_chapters.run(tiny, ['three'])
    assert 'three.md, code cell 1' in str(caught.value)
    assert 'stderr: oops' in str(caught.value)
    assert 'three' in outdated(tiny)


# From the second chunk on, the kernel reads its stderr a second late.
LATE = """\
import os, time
def late(*arguments, read=os.read):
    time.sleep(1)
    return read(*arguments)
os.read = late
os.write(2, b'oo')
time.sleep(0.5)
os.write(2, b'ps')
"""


def test_a_line_that_is_read_late_is_not_lost(tiny, monkeypatch):
    """Lines of C, again: at the end of a cell, and of the chapter."""
    change(tiny, 'chapters/three.md', "'try", f"{LATE}'try")
    with monkeypatch.context() as patch:
        patch.delenv('PYTEST_CURRENT_TEST')
        patch.setenv('CI', 'true')
        with pytest.raises(run_chapters.Failure, match='stderr: oops'):
            run_chapters.run(tiny, ['three'])


def test_an_unknown_chapter(tiny):
    with pytest.raises(run_chapters.Failure, match='no such chapter: four'):
        run_chapters.run(tiny, ['four'])


@pytest.mark.parametrize(
    'output',
    [
        new_output('stream', name='stderr', text='oops\n'),
        new_output('stream', text='x.py:1: UserWarning: no\n'),
        new_output('stream', text='10%|# | 1/10\r20%|## | 2/10\n'),
        new_output('stream', text='a\rb'),
        new_output('stream', text='2026-11-21 made\n'),
        new_output('stream', text='Sat Nov 21 10:09:12 UTC 2026'),
        new_output('display_data', {'text/html': '<p>21 Nov 2026</p>'}),
        new_output('display_data', {'image/svg+xml': '<date>2026-01-02T1'}),
        new_output('execute_result', {'text/plain': "'/home/me/x'"}),
        new_output('display_data', {blemishes.WIDGET: {'model_id': '1'}}),
    ],
)
def test_what_a_reader_would_stumble_over(output):
    cells = [new_code_cell('1'), new_code_cell('\ntwo()', outputs=[output])]
    notebook = new_notebook(cells=cells)
    with pytest.raises(blemishes.Blemish) as caught:
        blemishes.check('chapters/x.md', notebook, ['/home/me', '/'])
    assert 'chapters/x.md, code cell 2 (`two()`)' in str(caught.value)


@pytest.mark.parametrize(
    'text', ['2007_000032 100% of 3-4-5', 'may 1 be', '50% | 3', 'A/B /usr']
)
def test_what_a_reader_would_not_stumble_over(text):
    output = new_output('stream', text=text)
    assert not list(blemishes.blemishes_of(output, ['/home/me', '/']))


# ------------------------------------------------ Killed, and two at a time
def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
        return file.read().rsplit(')')[-1].split()[0] != 'Z'


def test_a_killed_build_leaves_nothing_behind(finished, tmp_path, monkeypatch):
    tiny = finished
    change(tiny, 'chapters/three.md', "'try", "0\n'try")
    notes = tmp_path / 'notes'
    monkeypatch.setenv('NOTES', str(notes))
    process = start(tiny, NAP='600')
    wait_for(
        lambda: notes.exists() and notes.read_text('utf-8').endswith('\n')
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 'three' in outdated(tiny)
    kernel = int(notes.read_text('utf-8'))
    wait_for(lambda: not alive(kernel))
    run_chapters.run(tiny)
    assert outdated(tiny) == []
    assert outputs(tiny, 'three') == ["'try_all_gpus'"]


def test_what_a_killed_build_left_half_written_is_no_input(finished):
    before = make_html.inputs(finished)
    left = finished / '_build/eval/chapters' / f'{whole.SCRATCH}1/one.ipynb'
    left.parent.mkdir()
    left.write_text('half a noteb', encoding='utf-8')
    assert make_html.inputs(finished) == before


@pytest.mark.parametrize('script', ['run_chapters', 'make_html'])
def test_ctrl_c_ends_a_build_in_one_line(finished, tmp_path, script):
    change(finished, 'chapters/three.md', "'try", "0\n'try")
    notes = tmp_path / 'notes'
    process = start(finished, script, NOTES=str(notes), NAP='600')
    wait_for(
        lambda: notes.exists() and notes.read_text('utf-8').endswith('\n')
    )
    process.send_signal(signal.SIGINT)
    printed, complaint = process.communicate()
    assert re.fullmatch(r'chapters/three.md: running, about \d+ s\n', printed)
    assert complaint == 'interrupted\n'
    kernel = int(notes.read_text('utf-8'))
    wait_for(lambda: not alive(kernel))


def test_two_builds_at_once_run_each_chapter_once(finished, tmp_path):
    tiny = finished
    change(tiny, 'chapters/three.md', "'try", "0\n'try")
    notes = tmp_path / 'notes'
    processes = [start(tiny, NOTES=str(notes), NAP='1') for _ in range(2)]
    texts = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    assert len(notes.read_text('utf-8').splitlines()) == 1
    assert outdated(tiny) == []


# ------------------------------------------------------------------ d2lbook
def test_d2lbook_only_converts(finished, tmp_path, monkeypatch):
    """Not even a chapter for two GPUs, nor after a change of utils.py."""
    notes = tmp_path / 'notes'
    monkeypatch.setenv('NOTES', str(notes))
    for path in finished.glob('chapters/*'):
        os.utime(path, (time.time() + 5,) * 2)
    make_html.build(finished)
    page = finished / '_build/html/chapters/two.html'
    assert 'The end.' in page.read_text('utf-8')
    assert not notes.exists()

    # Nothing changed: nothing is made.
    made = page.stat().st_mtime
    make_html.build(finished)
    assert page.stat().st_mtime == made

    # What a killed build leaves is thrown away.
    page.write_text('half a pa', encoding='utf-8')
    (finished / make_html.STAMP).unlink()
    make_html.build(finished)
    assert 'The end.' in page.read_text('utf-8')

    # A reference that leads nowhere stops the build.
    change(finished, 'chapters/two.md', 'The end', ':numref:`ch_none`')
    with pytest.raises(run_chapters.Failure, match='ch_none'):
        make_html.build(finished)
    assert not (finished / make_html.STAMP).exists()


def test_no_chapter_makes_d2lbook_ask_for_gpus(root):
    """So `d2lbook build html` works by itself, where there is none."""
    for page in book.chapters(root):
        assert get_notebook_gpus(book.read_page(root / page), 2) == 0, page


# -------------------------------------------------------------- segbook.py
def test_the_committed_segbook_is_fresh(root):
    fresh = save.generate(root)
    assert (root / save.TARGET).read_text(encoding='utf-8') == fresh


CELL = '''\
import functools
from math import pi, tau

# A comment right above.
@functools.cache
def area(r):  #@save
    """Return the area."""
    # inside
    return pi * r**2


one = 1  #@save
two = 2  #@save
names = [  #@save
    'a',  # first
    'b',
]


class Shape:  #@save
    def size(self):
        return segbook.area(one)


print(tau)
'''
SAVED = '''\
import functools
from math import pi

import utils  # noqa: F401  first: it gives MXNet all cores, and NumPy's ways


# ---- chapters/one.md
# A comment right above.
@functools.cache
def area(r):
    """Return the area."""
    # inside
    return pi * r**2


one = 1

two = 2

names = [
    'a',  # first
    'b',
]


class Shape:
    def size(self):
        return area(one)
'''


def with_cells(folder, *cells):
    fenced = [f'```{{.python .input}}\n{cell}\n```\n' for cell in cells]
    page = folder / 'chapters' / 'one.md'
    page.write_text('# One\n\n' + '\n'.join(fenced), encoding='utf-8')
    (folder / 'chapters' / 'two.md').write_text('# Two\n', encoding='utf-8')


def test_saved_definitions(tiny, root):
    shutil.copy(root / 'pyproject.toml', tiny)
    with_cells(tiny, CELL)
    assert save.save(tiny)
    text = (tiny / save.TARGET).read_text('utf-8')
    assert text.split('"""\n\n', 1)[1] == SAVED
    assert not save.save(tiny)


@pytest.mark.parametrize(
    'cells, complaint',
    [
        (['x = 1\nprint(x)  #@save'], 'code cell 1.*marks no definition'),
        (['1', 'def f():  #@save\n    return hidden'], 'hidden'),
        (['def f(:'], None),  # not marked, so nobody minds
        (['def f(:  #@save'], 'code cell 1'),
        (['x = 1  #@save', 'x = 2  #@save'], 'saves x'),
    ],
)
def test_marks_that_cannot_be_obeyed(tiny, cells, complaint):
    with_cells(tiny, *cells)
    if complaint is None:
        save.save(tiny)
    else:
        with pytest.raises(save.CannotSave, match=complaint):
            save.save(tiny)


# --------------------------------------------------------------- Notebooks
def test_the_lab_keeps_what_you_changed(finished):
    folder = finished / lab.NOTEBOOKS
    assert lab.copy_notebooks(finished) == []
    mine = folder / 'one.ipynb'
    notebook = json.loads(mine.read_text('utf-8'))
    assert notebook['cells'][1]['outputs'][0]['data'] == {'text/plain': ['4']}

    mine.write_text(mine.read_text('utf-8') + ' ', encoding='utf-8')
    kept = mine.read_text('utf-8')
    change(finished, 'chapters/one.md', 'Prose', 'Better prose')
    change(finished, 'chapters/two.md', 'The end', 'Good bye')
    assert lab.copy_notebooks(finished) == [mine]
    assert mine.read_text('utf-8') == kept
    assert 'Good bye' in (folder / 'two.ipynb').read_text('utf-8')

    mine.unlink()
    assert lab.copy_notebooks(finished) == []
    assert 'Better prose' in mine.read_text('utf-8')


MARKED = r"""# Two
:label:`ch_two`

See :numref:`ch_one`, :numref:`fig_x`, :numref:`tbl_x`, :eqref:`eq_x`
and :numref:`ch_part` :cite:`He2016`.

$$a = b$$
:eqlabel:`eq_x`

![A triangle, $x$.](../img/x.svg)
:label:`fig_x`

:A table

| a |
|---|
| 1 |
:label:`tbl_x`

## A Part
:label:`ch_part`
"""


def test_marks_become_readable(tiny):
    (tiny / 'chapters/two.md').write_text(MARKED, encoding='utf-8')
    text = readable.readable(MARKED, readable.targets(tiny))
    assert 'See [Chapter 1](one.ipynb), Fig. 2.1, Table 2.1, (2.1)' in text
    assert 'and [«A Part»](two.ipynb#A-Part) [He2016].' in text
    assert r'$$a = b\tag{2.1}$$' in text
    assert '![](../img/x.svg)\n\n**Fig. 2.1** A triangle, $x$.' in text
    assert '**Table 2.1** A table\n\n| a |' in text
    assert ':`' not in text


def test_stored_photos_become_previews_that_say_the_same():
    def jpeg(width):
        file = io.BytesIO()
        Image.new('RGB', (width, 70), 'teal').save(
            file, 'JPEG', comment=b'Teal.'
        )
        return base64.b64encode(file.getvalue()).decode()

    outputs = [
        new_output('display_data', {'image/jpeg': jpeg(1400)}),
        new_output('display_data', {'image/jpeg': jpeg(60)}),
        new_output('stream', name='stdout', text='words'),
    ]
    notebook = new_notebook(cells=[new_code_cell('1', outputs=outputs)])
    readable.shrink_photos(notebook)
    sizes = []
    for output in notebook.cells[0].outputs[:2]:
        data = base64.b64decode(output.data['image/jpeg'])
        with Image.open(io.BytesIO(data)) as picture:
            sizes.append(picture.size)
            assert picture.info['comment'] == b'Teal.'
    assert sizes == [(readable.PREVIEW, 24), (60, 70)]
    assert notebook.cells[0].outputs[2].text == 'words'


def test_a_blemish_fails_in_ci_and_is_noted_elsewhere(
    finished, monkeypatch, capsys
):
    loud = THREE.replace('import os, time', 'import os, sys, time')
    loud = loud.replace("'try_all_gpus'", "print('hm', file=sys.stderr)")
    (finished / 'chapters/three.md').write_text(loud, encoding='utf-8')
    monkeypatch.setenv('CI', 'true')
    with pytest.raises(run_chapters.Failure, match='writes to stderr: hm'):
        run_chapters.run(finished)
    monkeypatch.delenv('CI')
    run_chapters.run(finished)
    assert 'writes to stderr: hm' in capsys.readouterr().out
