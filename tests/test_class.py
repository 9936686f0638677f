"""What a class gets: the kit without solutions, and the nbgrader course."""

import ast
import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import book
import class_kit
import copies
import exercises
import run_chapters
import utils
from support import script

import nbformat
import pytest
from nbformat.v4 import new_code_cell

PAGES = book.exercises(book.ROOT)
NAMES = [page.stem for page in PAGES]
GRADED = 'transposed-conv'  # its answers are checked in seconds


# ------------------------------------------------------------------- The kit
@pytest.fixture(scope='module')
def kit(tmp_path_factory, files):
    """The kit, unpacked where a space is in the path."""
    folder = tmp_path_factory.mktemp('kit') / 'a class'
    class_kit.write_zip(folder.parent / 'class.zip', files)
    with zipfile.ZipFile(folder.parent / 'class.zip') as archive:
        archive.extractall(folder)
    return folder / class_kit.TOP


@pytest.fixture(scope='module')
def files(root):
    return class_kit.kit_files(root)


@pytest.fixture(scope='module')
def secrets(root):
    return class_kit.secrets(root)


def test_no_solution_is_in_the_kit(files, secrets):
    assert class_kit.leaks(secrets, files) == []


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_there_is_something_to_find(root, secrets, page):
    """Every exercise has lines or sentences that would give it away."""
    for exercise in exercises.read(root, page).exercises:
        here = f'{page}, «{exercise.title}»'
        assert len([s for s in secrets.values() if s == here]) > 1, here


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_a_leak_is_found(root, files, secrets, page, monkeypatch):
    """Whole or in part, spaced in another way, in code, text or notebook."""
    raw = {'x.ipynb': as_file(book.read_page(root / page))}
    mine = {s for s, place in secrets.items() if place.startswith(str(page))}
    assert len(class_kit.leaks(secrets, raw)) >= len(mine)
    for part in list(secrets)[::20]:
        planted = '  '.join(part).encode()
        for name in ('checks/__init__.py', 'README.md', f'{page.stem}.ipynb'):
            leaky = plant(name, files[name], planted)
            (found,) = class_kit.leaks({part: 'it'}, {name: leaky})
            assert found.startswith(f'{name} holds a part of the solution')
    monkeypatch.setattr(class_kit, 'kit_files', lambda root: raw)
    with pytest.raises(class_kit.Leak, match='x.ipynb holds a part'):
        class_kit.make_kit(root)


def as_file(notebook):
    return nbformat.writes(notebook).encode()


def plant(name, data, text):
    """Add a text to a file, to a notebook in a cell of its own."""
    if not name.endswith('.ipynb'):
        return data + b'\n' + text
    notebook = nbformat.reads(data.decode(), as_version=4)
    notebook.cells.append(new_code_cell(text.decode()))
    return as_file(notebook)


def test_the_same_content_makes_the_same_bytes(root, tmp_path):
    class_kit.write_zip(tmp_path / 'a.zip', class_kit.kit_files(root))
    again = dict(reversed(class_kit.kit_files(root).items()))
    class_kit.write_zip(tmp_path / 'b.zip', again)
    both = [(tmp_path / f'{name}.zip').read_bytes() for name in 'ab']
    assert both[0] == both[1]
    assert len(both[0]) < 10_000_000  # seven of them are the network's


def test_what_is_in_the_kit(kit, root):
    names = {p.relative_to(kit).as_posix() for p in kit.rglob('*.*')}
    assert {name for name in names if name.endswith('.ipynb')} == (
        {f'{page.stem}.ipynb' for page in book.chapters(root)}
        | {f'exercises-{name}.ipynb' for name in NAMES}
    )
    for part in ('README.md', 'start.sh', 'utils.py', 'build/scenes.py'):
        assert part in names
    for path in kit.glob('*.ipynb'):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert not any(cell.outputs for cell in book.code_cells(notebook))
        for cell in notebook.cells:
            assert '](../' not in cell.source  # pictures travel along
    texts = [
        p.read_text('utf-8')
        for p in kit.rglob('*.*')
        if p.suffix not in ('.zip', '.jpg')
    ]
    assert not any(str(root) in text for text in texts)


def test_its_start_finds_what_it_needs(kit):
    """All but the packages: a Python that only says how it was called."""
    say = '[ "$1" = -c ] && echo "13 $0" || echo "$@"'  # it is Python 3.13
    fake = script(kit.parent / 'python', say)
    environment = {**os.environ, 'PYTHON': str(fake)}
    for arguments, box in (([], 'cpu'), (['gpu'], 'gpu')):
        done = subprocess.run(
            ['sh', kit / 'start.sh', *arguments, '--no-browser'],
            env=environment,
            capture_output=True,
            text=True,
        )
        said = done.stdout.split()
        assert said[:4] == [
            *('build/environment.py', box, '-m', 'jupyterlab')
        ], done
        assert said[-1] == '--no-browser'
        settings = next(x for x in said if x.startswith('--config='))
        assert (kit / settings.removeprefix('--config=')).is_file()
        assert (kit / 'requirements' / f'{box}.txt').is_file()
    # And the first of them finds what it imports.
    done = subprocess.run(
        [sys.executable, kit / said[0]], capture_output=True, text=True
    )
    assert done.stderr.startswith('Make a virtual environment')


@pytest.mark.parametrize('rooms', [[], ['parts/__init__.py', 'parts/a.py']])
def test_the_rooms_of_utils_come_along_if_there_are_any(tmp_path, rooms):
    patterns = class_kit.LIBRARY + class_kit.START
    others = [p.replace('*', 'x') for p in patterns if 'parts/' not in p]
    for name in [*others, *rooms]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert set(class_kit.files_of(tmp_path, patterns)) == {*others, *rooms}
    (tmp_path / 'utils.py').unlink()
    with pytest.raises(FileNotFoundError, match='utils.py'):
        class_kit.files_of(tmp_path, patterns)


WHERE = 'import utils, segbook, checks\nprint(utils.__file__, utils.DATA)\n'
WHERE += 'print(segbook.__file__, checks.__file__)'


def run(notebook, folder):
    """Run a notebook in a folder; raises Failure where a cell does."""
    with (
        tempfile.TemporaryDirectory(prefix='class-') as scratch,
        asyncio.Runner(loop_factory=run_chapters.Loop) as runner,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv('BOOK_DATA', str(utils.DATA))
        cores = int(os.environ['OMP_NUM_THREADS'])
        environment = run_chapters.kernel_environment(
            folder, Path(scratch), cores
        )
        page = Path('exercises/of-the-kit.md')
        runner.run(
            run_chapters.execute(page, notebook, Path(scratch), environment)
        )


@pytest.mark.parametrize('name', NAMES)
def test_unanswered_notebooks_run_from_top_to_bottom(kit, name):
    """With the files of the kit, and each check says what is expected."""
    notebook = nbformat.read(kit / f'exercises-{name}.ipynb', as_version=4)
    notebook.cells.append(new_code_cell(WHERE))
    run(notebook, kit)
    said = [
        (cell.source, output.data['text/plain'])
        for cell in book.code_cells(notebook)
        for output in cell.outputs
        if cell.source.startswith('check.') and 'data' in output
    ]
    assert len(said) == sum(
        cell.source.startswith('check.') for cell in book.code_cells(notebook)
    )
    for source, verdict in said:
        assert verdict.startswith('Not answered yet. Expected is '), source
    places = notebook.cells[-1].outputs[0].text
    assert places.count(str(kit)) == 3


# -------------------------------------------------------------- Cut short
# `make class`, with another place for what it makes, and other ways to end.
COMMAND = """
import os, resource, signal, sys
from pathlib import Path
import class_kit, ending
from parts import whole
ending.at_once(); ending.in_order()
class_kit.KIT, class_kit.COURSE = Path(sys.argv[1]), Path(sys.argv[2])
{before}
class_kit.main(sys.argv[3])
"""
FULL = 'resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))'
# When the second assignment would take its place.
KILLED = """
replaced, put = [], whole.put
def dies(made, target):
    replaced.extend([target] * (target.parent.name == 'source'))
    if len(replaced) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    put(made, target)
whole.put = dies
"""


def make_class(root, folder, kind, before=''):
    """Start `make class FORMAT=kind` for class.zip and course in a folder."""
    places = folder / 'class.zip', folder / 'course'
    return subprocess.Popen(
        [sys.executable, '-c', COMMAND.format(before=before), *places, kind],
        env={**os.environ, 'PYTHONPATH': str(root / 'build')},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


STUDENTS = {
    'submitted/ada/data/data.ipynb': 'a long night',
    'autograded/ada/data/data.ipynb': 'marked',
    'feedback/ada/data/data.html': 'well done',
    'release/data/data.ipynb': 'handed out',
    'source/my-own/my-own.ipynb': 'of the teacher',
    'gradebook.db': 'all marks',
}


def course_at_work(root, folder):
    """Make a course of an earlier book, where people have worked since."""
    files = class_kit.course_files(root)
    for name, content in files.items():
        if isinstance(content, dict):
            files[name] = content | {'utils.py': b'# earlier'}
    assert copies.give(folder, files) == []
    for name, text in STUDENTS.items():
        book.write_whole(folder / name, text)


def students_work(folder):
    return {name: (folder / name).read_text('utf-8') for name in STUDENTS}


def library_of(folder):
    """Return {assignment: its utils.py}."""
    return {
        path.parent.name: path.read_text('utf-8')
        for path in folder.glob('source/*/utils.py')
    }


def test_a_course_is_renewed_and_no_work_is_lost(
    root, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(class_kit, 'COURSE', tmp_path)
    course_at_work(root, tmp_path)
    settings = tmp_path / 'nbgrader_config.py'
    settings.write_text(f'{class_kit.CONFIG}\n# mine\n', encoding='utf-8')
    (tmp_path / 'source/fcn/hints.txt').write_text('mine', encoding='utf-8')
    class_kit.main('nbgrader')
    assert students_work(tmp_path) == STUDENTS
    assert settings.read_text('utf-8').endswith('# mine\n')
    new = (root / 'utils.py').read_text('utf-8')
    assert library_of(tmp_path) == (
        {name: new for name in NAMES} | {'fcn': '# earlier'}
    )
    advice = "is kept; move it away to get the book's"
    assert capsys.readouterr().out.splitlines() == [
        f'{settings} has changes of yours and {advice}',
        f'{tmp_path}/source/fcn has changes of yours and {advice}',
        str(tmp_path),
    ]


def test_a_killed_command_loses_no_work_and_the_next_ends_it(root, tmp_path):
    course = tmp_path / 'course'
    course_at_work(root, course)
    process = make_class(root, tmp_path, 'nbgrader', KILLED)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert students_work(course) == STUDENTS
    new = (root / 'utils.py').read_text('utf-8')
    # Each assignment is the old or the new one; there are some of both.
    assert set(library_of(course)) == set(NAMES)
    assert set(library_of(course).values()) == {'# earlier', new}
    process = make_class(root, tmp_path, 'nbgrader')
    assert process.communicate() == (f'{course}\n', '')
    assert students_work(course) == STUDENTS
    assert library_of(course) == dict.fromkeys(NAMES, new)
    assert not list(tmp_path.rglob('.unfinished-*'))


def test_on_a_full_disk_all_is_as_before(root, tmp_path):
    course = tmp_path / 'course'
    course_at_work(root, course)
    (tmp_path / 'class.zip').write_text('old', encoding='utf-8')
    for kind, place in (('zip', tmp_path), ('nbgrader', course)):
        process = make_class(root, tmp_path, kind, FULL)
        printed, complaint = process.communicate()
        assert printed == '' and process.returncode == 1
        (line,) = complaint.splitlines()
        assert line.startswith(f'{os.strerror(errno.EFBIG)}: {place}; ')
        assert line.endswith(f' MB are free in {place}')
    assert (tmp_path / 'class.zip').read_text('utf-8') == 'old'
    assert students_work(course) == STUDENTS
    assert library_of(course) == dict.fromkeys(NAMES, '# earlier')
    assert not list(tmp_path.rglob('.unfinished-*'))


def test_two_at_once_make_one_whole_file(root, tmp_path):
    processes = [make_class(root, tmp_path, 'zip') for _ in range(2)]
    for process in processes:
        assert process.communicate() == (f'{tmp_path}/class.zip\n', '')
    with zipfile.ZipFile(tmp_path / 'class.zip') as archive:
        assert archive.testzip() is None
    assert [path.name for path in tmp_path.iterdir()] == ['class.zip']


def test_make_clean_leaves_the_course_alone(root, tmp_path):
    shutil.copy(root / 'Makefile', tmp_path)
    names = class_kit.COURSE / 'gradebook.db', class_kit.KIT, 'build/setup.sh'
    for name in names:
        book.write_whole(tmp_path / name, '')
    subprocess.run(['make', 'clean'], cwd=tmp_path, check=True)
    assert (tmp_path / class_kit.COURSE / 'gradebook.db').exists()
    assert not (tmp_path / class_kit.KIT).exists()
    ignored = (root / '.gitignore').read_text('utf-8').splitlines()
    assert f'/{class_kit.COURSE}/' in ignored


def test_the_course_of_an_earlier_version_is_not_forgotten(
    tmp_path, monkeypatch
):
    """It lay where `make clean` removes it."""
    monkeypatch.setattr(class_kit.book, 'ROOT', tmp_path)
    book.write_whole(tmp_path / '_build/nbgrader/gradebook.db', 'all marks')
    with pytest.raises(SystemExit, match='mv _build/nbgrader course'):
        class_kit.main('nbgrader')
    assert not (tmp_path / class_kit.COURSE).exists()


# ------------------------------------------------------------------ nbgrader
@pytest.fixture(scope='module')
def course(tmp_path_factory, root):
    """The course folder, where each assignment has been generated."""
    folder = tmp_path_factory.mktemp('nbgrader') / 'a course'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_kit, 'COURSE', folder)
        class_kit.make_course(root)
    for name in NAMES:
        nbgrader(folder, 'generate_assignment', name)
    return folder


def nbgrader(folder, *command):
    environment = {**os.environ, 'BOOK_DATA': str(utils.DATA)}
    environment.pop('PYTEST_CURRENT_TEST', None)
    # It calls `alembic`, which is installed beside Python.
    programs = str(Path(sys.executable).parent)
    environment['PATH'] = os.pathsep.join([programs, os.environ['PATH']])
    done = subprocess.run(
        [sys.executable, '-m', 'nbgrader', *command],
        cwd=folder,
        env=environment | {'JUPYTER_CONFIG_DIR': str(folder / 'settings')},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def marked(notebook, **marks):
    """Return the cells whose nbgrader metadata have these values."""
    return [
        cell
        for cell in notebook.cells
        if 'nbgrader' in cell.metadata
        and all(cell.metadata.nbgrader[k] == v for k, v in marks.items())
    ]


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_what_students_get_from_nbgrader(course, root, page, secrets):
    path = course / 'release' / page.stem / f'{page.stem}.ipynb'
    released = nbformat.read(path, as_version=4)
    found = exercises.read(root, page).exercises
    stubs = [e.cells('stub')[0].source for e in found]
    solutions = marked(released, solution=True)
    assert [cell.source.rstrip() for cell in solutions] == stubs
    tests = marked(released, grade=True, solution=False)
    assert all(cell.metadata.nbgrader.locked for cell in tests)
    assert [cell.source for cell in tests] == [
        e.cells('check')[0].source + '.require()' for e in found if not e.open
    ]
    graded = [cell.metadata.nbgrader.points for cell in tests]
    assert graded == [e.points for e in found if not e.open]
    by_hand = marked(released, grade=True, solution=True)
    assert [cell.metadata.nbgrader.points for cell in by_hand] == [
        e.points for e in found if e.open
    ]
    release = {
        p.relative_to(course).as_posix(): p.read_bytes()
        for p in path.parent.rglob('*.*')
    }
    assert class_kit.leaks(secrets, release) == []


def names_given_by(code):
    """Return the names that a stub gives a value."""
    body = ast.parse(code).body
    functions = {n.name for n in body if isinstance(n, ast.FunctionDef)}
    targets = [t for n in body if isinstance(n, ast.Assign) for t in n.targets]
    return functions | {
        n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)
    }


def submit(course, student, right):
    """Hand in an assignment: all right, or all wrong."""
    path = f'{GRADED}/{GRADED}.ipynb'
    notebook = nbformat.read(course / 'release' / path, as_version=4)
    source = nbformat.read(course / 'source' / path, as_version=4)
    answers = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in marked(source, solution=True)
    }
    for cell in marked(notebook, solution=True):
        if right:
            cell.source = answers[cell.metadata.nbgrader.grade_id]
        else:
            cell.source = ' = '.join([*names_given_by(cell.source), "'no'"])
    target = course / 'submitted' / student / path
    target.parent.mkdir(parents=True)
    nbformat.write(notebook, target)


def test_nbgrader_marks_a_right_and_a_wrong_submission(course, root):
    from nbgrader.api import Gradebook

    submit(course, 'ada', right=True)
    submit(course, 'bob', right=False)
    nbgrader(course, 'autograde', GRADED)
    found = exercises.read(root, Path(f'exercises/{GRADED}.md')).exercises
    points = [e.points for e in found if not e.open]
    with Gradebook(f'sqlite:///{course}/gradebook.db') as book_of_grades:
        for student, scores in (('ada', points), ('bob', [0] * len(points))):
            handed_in = book_of_grades.find_submission(GRADED, student)
            grades = handed_in.notebooks[0].grades
            auto = {g.name: g.auto_score for g in grades}
            expected = [f'check-{e.check()}' for e in found if not e.open]
            assert [auto[name] for name in expected] == scores
            assert handed_in.score == sum(scores)
            by_hand = {g.name for g in grades if g.needs_manual_grade}
            assert by_hand == {e.check() for e in found if e.open}
        assignment = book_of_grades.find_assignment(GRADED)
        assert assignment.max_score == sum(e.points for e in found)
    # As the course's README says of a book that has changed.
    nbgrader(course, 'generate_assignment', '--force', GRADED)
    with Gradebook(f'sqlite:///{course}/gradebook.db') as book_of_grades:
        handed_in = book_of_grades.find_submission(GRADED, 'ada')
        assert handed_in.score == sum(points)


def test_a_machine_is_described_in_an_assignment(course):
    """Where `utils.doctor()` has the files of the assignment alone."""
    done = subprocess.run(
        [sys.executable, 'build/doctor.py'],
        cwd=course / 'release' / GRADED,
        capture_output=True,
        text=True,
    )
    assert done.stderr == '' and done.returncode == 0
    assert 'System ' in done.stdout


def test_the_source_of_the_course_says_why(course, root):
    """The one who marks open answers needs the discussion."""
    path = course / 'source' / GRADED / f'{GRADED}.ipynb'
    text = json.dumps(json.loads(path.read_text('utf-8')), ensure_ascii=False)
    for exercise in exercises.read(
        root, Path(f'exercises/{GRADED}.md')
    ).exercises:
        prose = [
            cell.source
            for cell in exercise.cells('solution')
            if cell.cell_type == 'markdown'
        ]
        assert prose
        assert prose[0].split()[0] in text


def test_an_unknown_format_is_refused(root):
    done = subprocess.run(
        [sys.executable, root / 'build' / 'class_kit.py', 'pdf'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == 'FORMAT=pdf is unknown: it is zip or nbgrader\n'
