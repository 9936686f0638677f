"""All or nothing: what commands that are cut short leave."""

import errno
import os
import signal
import subprocess
import sys

from parts import whole
from support import killed_at_each_step

import pytest


def start(root, code, *arguments, **options):
    """Start Python code that can import what is in build/."""
    return subprocess.Popen(
        [sys.executable, '-c', code, *map(str, arguments)],
        env={**os.environ, 'PYTHONPATH': f'{root}:{root / "build"}'},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------- All or nothing
@pytest.mark.parametrize('mask', [0o002, 0o022, 0o027, 0o077])
def test_the_umask_decides_who_may_read(tmp_path, mask):
    before = os.umask(mask)
    try:
        whole.write_whole(tmp_path / 'file', 'text')
        with whole.new(tmp_path / 'folder') as folder:
            folder.mkdir()
    finally:
        os.umask(before)
    assert (tmp_path / 'file').stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / 'folder').stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize('content', ['Grüße\n', b'\x00\xff'])
def test_what_is_written_is_read(tmp_path, content):
    path = tmp_path / 'a new folder' / 'file'
    whole.write_whole(path, content)
    data = content if isinstance(content, bytes) else content.encode()
    assert path.read_bytes() == data
    assert names_in(path.parent) == ['file']


def test_a_failure_changes_nothing(tmp_path):
    path = tmp_path / 'file'
    whole.write_whole(path, 'old')
    with pytest.raises(ZeroDivisionError), whole.new(path) as part:
        part.write_text('half', encoding='utf-8')
        raise ZeroDivisionError
    assert path.read_text('utf-8') == 'old' and names_in(tmp_path) == ['file']


def test_killed_at_any_step_a_file_is_the_old_or_the_new(root, tmp_path):
    path = tmp_path / 'file'
    path.write_text('old', encoding='utf-8')
    work = f'whole.write_whole(Path({str(path)!r}), "new")'
    seen = []
    for _ in killed_at_each_step(root, work):
        seen.append(path.read_text('utf-8'))
        path.write_text('old', encoding='utf-8')
        whole._sweep(tmp_path)
        assert names_in(tmp_path) == ['file']
    assert set(seen) == {'old', 'new'}
    assert path.read_text('utf-8') == 'new' and names_in(tmp_path) == ['file']


FOLDER = """
with whole.new(Path({path!r})) as new:
    new.mkdir()
    for name in 'ab':
        (new / name).write_text('new')
"""


def test_killed_at_any_step_a_folder_is_the_old_or_the_new(root, tmp_path):
    path, seen = tmp_path / 'folder', []
    for _ in killed_at_each_step(root, FOLDER.format(path=str(path))):
        seen.append({p.name: p.read_text('utf-8') for p in path.glob('*')})
        with whole.new(path) as old:
            old.mkdir()
            (old / 'c').write_text('old', encoding='utf-8')
    old, new = {'c': 'old'}, {'a': 'new', 'b': 'new'}
    assert seen.pop(0) == {}
    assert all(found in (old, new) for found in seen)
    assert old in seen and new in seen
    assert names_in(path) == ['a', 'b'] and names_in(tmp_path) == ['folder']


def test_a_folder_is_replaced_where_two_cannot_change_places(
    tmp_path, monkeypatch
):
    """As on NFS."""
    monkeypatch.setattr(whole, '_exchange', lambda one, other: False)
    for name in 'ab':
        with whole.new(tmp_path / 'folder') as folder:
            folder.mkdir()
            (folder / name).touch()
    assert names_in(tmp_path / 'folder') == ['b']
    assert names_in(tmp_path) == ['folder']


WAITS = """
import ending, sys
from parts import whole
ending.at_once(); ending.in_order()
from pathlib import Path
with whole.new(Path(sys.argv[1])) as part:
    part.write_text('late')
    print('ready', flush=True)
    sys.stdin.readline()
"""


def test_what_a_killed_one_left_is_swept_and_nothing_of_the_living(
    root, tmp_path
):
    living, killed = (start(root, WAITS, tmp_path / x) for x in 'xy')
    for process in (living, killed):
        assert process.stdout.readline() == 'ready\n'
    assert len(names_in(tmp_path)) == 2
    killed.kill()
    killed.communicate()
    assert len(names_in(tmp_path)) == 2
    whole.write_whole(tmp_path / 'file', '')
    assert len(names_in(tmp_path)) == 2  # the living one's, and this file
    _, complaints = living.communicate('go on\n')
    assert complaints == '' and names_in(tmp_path) == ['file', 'x']
    assert (tmp_path / 'x').read_text('utf-8') == 'late'


def test_what_is_no_scratch_of_ours_is_left_alone(tmp_path):
    (tmp_path / 'work').mkdir()
    (tmp_path / f'{whole.SCRATCH}link').symlink_to('work')
    (tmp_path / f'{whole.SCRATCH}file').touch()
    before = names_in(tmp_path)
    whole.write_whole(tmp_path / 'new', '')
    assert names_in(tmp_path) == sorted([*before, 'new'])


MANY = """
import sys
from parts import whole
from pathlib import Path
for _ in range(100):
    whole.write_whole(Path(sys.argv[1]), sys.argv[2] * 100_000)
"""


def test_many_at_once_never_show_half_a_file(root, tmp_path):
    path = tmp_path / 'file'
    whole.write_whole(path, 'a' * 100_000)
    processes = [start(root, MANY, path, letter) for letter in 'abcd']
    while any(process.poll() is None for process in processes):
        text = path.read_text('utf-8')
        assert len(text) == 100_000 and len(set(text)) == 1
    assert [process.communicate() for process in processes] == [('', '')] * 4
    assert names_in(tmp_path) == ['file']


# ------------------------------------------------------------ One at a time
ALONE = """
import sys
from parts import whole
from pathlib import Path
with whole.only_one(Path(sys.argv[1]), 'another'):
    print('at work', flush=True)
    sys.stdin.readline()
"""


def test_the_second_waits_and_says_so(root, tmp_path):
    lock = tmp_path / 'a new folder' / '.lock'
    first = start(root, ALONE, lock)
    assert first.stdout.readline() == 'at work\n'
    second = start(root, ALONE, lock)
    waits = 'another is at work here: waiting for it\n'
    assert second.stdout.readline() == waits
    first.kill()
    first.communicate()
    assert second.communicate('\n') == ('at work\n', '')


# ---------------------------------------------------------------- One line
LIMITED = """
import ending, resource, sys
from parts import whole
ending.at_once(); ending.in_order()
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
whole.write_whole(Path(sys.argv[1]), 'new' * 1000)
"""
FULL = """
import ending, sys
from parts import whole
ending.at_once(); ending.in_order()
from pathlib import Path
with whole.new(Path(sys.argv[1])) as part, open('/dev/full', 'w') as file:
    file.write('new')
"""


@pytest.mark.parametrize(
    'code, error', [(LIMITED, errno.EFBIG), (FULL, errno.ENOSPC)]
)
def test_a_full_disk_is_one_line_and_changes_nothing(
    root, tmp_path, code, error
):
    path = tmp_path / 'file'
    path.write_text('old', encoding='utf-8')
    process = start(root, code, path)
    _, complaint = process.communicate()
    (line,) = complaint.splitlines()
    assert line.startswith(f'{os.strerror(error)}: {tmp_path}; ')
    assert line.endswith(f' MB are free in {tmp_path}')
    assert process.returncode == 1
    assert path.read_text('utf-8') == 'old' and names_in(tmp_path) == ['file']


def test_ctrl_c_while_writing_leaves_nothing(root, tmp_path):
    process = start(root, WAITS, tmp_path / 'x')
    assert process.stdout.readline() == 'ready\n'
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ('', 'interrupted\n')
    assert names_in(tmp_path) == []
