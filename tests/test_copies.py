"""Copies in a folder where others work: renewed, and no work is lost."""

import hashlib
import json
import shutil
import subprocess
import sys

import copies
from parts import whole
from support import killed_at_each_step

import pytest

OLD = {
    'page.txt': b'old',
    'source/one': {'notes.txt': b'old', 'deep/code.py': b'old'},
    'source/two': {'notes.txt': b'old'},
}
NEW = {
    'page.txt': b'new',
    'source/one': {'notes.txt': b'new', 'more.txt': b'new'},
    'source/two': {'notes.txt': b'new'},
    'source/three': {'notes.txt': b'new'},
}
NEWEST = {
    'page.txt': b'newest',
    'source/one': {'notes.txt': b'newest'},
    'source/two': {'notes.txt': b'newest'},
}


def what_is_in(path):
    """Return a file's bytes, or {name: bytes} of all files in a folder."""
    if path.is_file():
        return path.read_bytes()
    return {
        part.relative_to(path).as_posix(): part.read_bytes()
        for part in path.rglob('*')
        if part.is_file()
    }


def in_it(folder, content):
    """Return which of the copies are there as `content` has them."""
    return [
        name for name in content if what_is_in(folder / name) == content[name]
    ]


WORK = {
    'submitted/ada/one/notes.txt': b'a long night',
    'gradebook.db': b'\x00',
    'source/mine/notes.txt': b'my own',
    'source/header.txt': b'my own, too',
}


@pytest.fixture
def folder(tmp_path):
    """A folder with the old copies, and with the work of others."""
    folder = tmp_path / 'a folder'
    assert copies.give(folder, OLD) == []
    for name, data in WORK.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_the_work_of_others_stays(folder):
    assert copies.give(folder, NEW) == []
    assert in_it(folder, NEW) == list(NEW)
    expected = {f'{n}/{x}' for n in list(NEW)[1:] for x in NEW[n]}
    assert set(what_is_in(folder)) == {
        *('page.txt', copies.RECORD, *WORK, *expected)
    }
    assert in_it(folder, WORK) == list(WORK)


@pytest.mark.parametrize(
    'name, change',
    [
        ('page.txt', lambda path: path.write_text('mine', encoding='utf-8')),
        (
            'source/one',
            lambda path: (path / 'notes.txt').write_text(
                'mine', encoding='utf-8'
            ),
        ),
        ('source/one', lambda path: (path / 'notes.txt').unlink()),
        ('source/one', lambda path: (path / 'deep/mine.txt').touch()),
        ('source/one', lambda path: (path / 'deep/x').symlink_to('/tmp')),
    ],
)
def test_what_somebody_changed_is_kept_and_said(folder, name, change):
    change(folder / name)
    before = what_is_in(folder / name)
    for _ in range(2):
        assert copies.give(folder, NEW) == [name]
        assert what_is_in(folder / name) == before
        assert set(in_it(folder, NEW)) == set(NEW) - {name}
    # Moved away, the next start brings the book's.
    (folder / name).rename(folder / 'mine')
    assert copies.give(folder, NEW) == []
    assert in_it(folder, NEW) == list(NEW)
    assert what_is_in(folder / 'mine') == before


def test_what_was_there_before_the_book_is_kept(tmp_path):
    (tmp_path / 'page.txt').write_text('mine', encoding='utf-8')
    assert copies.give(tmp_path, OLD) == ['page.txt']
    assert (tmp_path / 'page.txt').read_text('utf-8') == 'mine'


def test_what_python_and_jupyter_leave_is_no_change(folder):
    for debris in ('__pycache__/x.pyc', 'deep/.ipynb_checkpoints/x.ipynb'):
        path = folder / 'source/one' / debris
        path.parent.mkdir(parents=True)
        path.touch()
    assert copies.give(folder, NEW) == []
    assert in_it(folder, NEW) == list(NEW)


def test_what_has_not_changed_is_left_alone(folder):
    def states():
        found = [(folder / name).stat() for name in OLD]
        return [(stat.st_ino, stat.st_mtime_ns) for stat in found]

    before = states()
    assert copies.give(folder, OLD) == []
    assert states() == before


def test_an_earlier_versions_record_is_understood(folder):
    """It had one hash for each file."""
    hashes = {'page.txt': hashlib.sha256(OLD['page.txt']).hexdigest()}
    (folder / copies.RECORD).write_text(json.dumps(hashes), encoding='utf-8')
    assert copies.give(folder, {'page.txt': b'new'}) == []
    assert (folder / 'page.txt').read_bytes() == b'new'


def test_killed_at_any_step_all_work_is_there(root, folder):
    """And each copy is the old or the new one, and none passes for work."""
    work = f'copies.give(Path({str(folder)!r}), {NEW!r})'
    done = set()
    for _ in killed_at_each_step(root, work):
        assert in_it(folder, WORK) == list(WORK)
        old, new = in_it(folder, OLD), in_it(folder, NEW)
        assert set(old) | set(new) >= set(OLD)
        done.add(len(new))
        # Whichever it is, the next versions replace it.
        assert copies.give(folder, NEWEST) == []
        assert copies.give(folder, OLD) == []
        assert in_it(folder, OLD) == list(OLD)
    assert {0, len(NEW)} <= done
    assert in_it(folder, NEW) == list(NEW)
    assert not list(folder.rglob('.unfinished-*'))


def test_killed_at_any_step_a_new_folder_is_complete_or_absent(root, tmp_path):
    folder, done = tmp_path / 'a folder', set()
    work = f'copies.give(Path({str(folder)!r}), {NEW!r})'
    for _ in killed_at_each_step(root, work):
        done.add(folder.exists())
        if folder.exists():
            assert in_it(folder, NEW) == list(NEW)
            shutil.rmtree(folder)
        whole._sweep(tmp_path)
    assert done == {False, True}
    assert in_it(folder, NEW) == list(NEW)
    assert not list(tmp_path.rglob('.unfinished-*'))


AT_ONCE = """
import sys, copies
from pathlib import Path
for _ in range(50):
    for text in (b'old', b'new'):
        parts = {'page.txt': text, 'source/one': {'a': text, 'b': text}}
        assert copies.give(Path(sys.argv[1]), parts) == []
"""


def test_several_at_once_fill_one_folder(root, tmp_path):
    folder = tmp_path / 'a folder'
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', AT_ONCE, folder],
            cwd=root / 'build',
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.communicate()[1] == '' and process.returncode == 0
    assert what_is_in(folder / 'source/one') == {'a': b'new', 'b': b'new'}
    assert not list(tmp_path.rglob('.unfinished-*'))
