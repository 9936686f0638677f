"""How the environments are made, and what CI may skip."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import ending
import environment
from support import script

import pytest

NAMES = sorted(environment.FOLDERS)


# ------------------------------------------------------- Making environments
@pytest.fixture
def checkout(tmp_path, root, monkeypatch):
    """Files enough to make an environment of nothing, quickly."""
    folder = tmp_path / 'a checkout'
    names = [f'build/{x}' for x in ('setup.sh', 'environment.py', 'ending.py')]
    for name in [*names, 'parts/__init__.py', 'parts/whole.py']:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target)
    (folder / 'requirements').mkdir()
    for name in NAMES:
        (folder / 'requirements' / f'{name}.txt').write_text(
            '# nothing\n', encoding='utf-8'
        )
    (folder / 'utils.py').write_text('', encoding='utf-8')
    monkeypatch.setenv('PYTHON', sys.executable)
    return folder


def setup(folder, *arguments, **variables):
    return subprocess.run(
        ['/bin/sh', folder / 'build' / 'setup.sh', *arguments],
        env={**os.environ, **variables},
        cwd=folder.parent,
        capture_output=True,
        text=True,
    )


WHERE = ('-c', 'import sys, utils; print(sys.prefix, utils.__file__)')


def test_an_environment_is_made_once(checkout):
    first = setup(checkout, 'cpu', *WHERE)
    assert first.returncode == 0, first.stderr
    assert 'making .venv' in first.stdout
    folder = checkout / '.venv'
    expected = f'{folder} {checkout / "utils.py"}'
    assert first.stdout.splitlines()[-1] == expected

    again = setup(checkout, 'cpu', *WHERE)
    assert again.stdout.splitlines() == [expected]

    # Cut short: no stamp, so it is made from nothing.
    (folder / environment.STAMP).unlink()
    (folder / 'left-over').touch()
    assert 'making .venv' in setup(checkout, 'cpu', *WHERE).stdout
    assert not (folder / 'left-over').exists()

    # An installation that fails leaves no stamp.
    bad = checkout / 'requirements' / 'cpu.txt'
    bad.write_text(
        'no-such-package==1 --hash=sha256:' + '0' * 64 + '\n', encoding='utf-8'
    )
    nowhere = {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': ''}
    failed = setup(checkout, 'cpu', *WHERE, **nowhere)
    assert failed.returncode
    assert not (folder / environment.STAMP).exists()


def test_what_is_missing_is_said_in_one_line(checkout):
    reason = 'libgomp.so.1: cannot open shared object file'
    (checkout / 'utils.py').write_text(
        f'raise OSError({reason!r})\n', encoding='utf-8'
    )
    done = setup(checkout, 'cpu', *WHERE)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f'MXNet does not start: OSError: {reason}; '
        'install the package libgomp1 (Fedora: libgomp)'
    ]


def test_without_a_fitting_python_one_line_says_so(checkout, tmp_path):
    """Every Python that could be found is one that does not fit."""
    text = (checkout / 'build' / 'setup.sh').read_text('utf-8')
    text = text.replace('"$fits"', '"import sys; sys.exit(1)"')
    (checkout / 'build' / 'setup.sh').write_text(text, encoding='utf-8')
    done = setup(checkout, 'cpu')
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'CPython 3.11' in line and 'apt-get install' in line


def test_a_python_that_does_not_fit_is_passed_over(checkout, tmp_path):
    broken = script(tmp_path / 'python3.11', 'exit 127')
    path = f'{tmp_path}:{os.environ["PATH"]}'
    done = setup(checkout, 'cpu', *WHERE, PYTHON=str(broken), PATH=path)
    assert done.returncode == 0, done.stderr


def test_python_may_die_without_a_word(checkout):
    (checkout / 'utils.py').write_text(
        'import os; os._exit(9)\n', encoding='utf-8'
    )
    done = setup(checkout, 'cpu', *WHERE)
    said = 'MXNet does not start: Python ended with status 9'
    assert done.stderr.splitlines() == [said]


# ------------------------------------------- What is refused, and interrupted
LONG = 'x' * environment.LONG


@pytest.mark.parametrize(
    'name, strange',
    [
        ('a:b', ':'),
        ('a "b"', '"'),
        ('a\nb', '\\n'),
        ('a\udcffb', '\\udcff'),
        ('a\\b', '\\'),
        ('$HOME', '$'),
        ('a`touch HIT`b', '`'),
        ('a[1]*{b}?', '* or ? or [ or ] or { or }'),
        (f'{LONG};HIT', ';'),
    ],
)
def test_a_folder_with_such_a_name_is_refused_before_all_else(
    checkout, name, strange
):
    folder = checkout.parent / 'in' / name
    folder.parent.mkdir()
    checkout.rename(folder)
    (folder / '.venv').mkdir()
    (folder / '.venv' / 'a file').touch()
    before = sorted(os.listdir(folder))
    done = setup(folder, 'cpu', *WHERE)
    assert (done.returncode, done.stdout) == (1, '')
    (line,) = done.stderr.splitlines()
    assert f' holds {strange}: ' in line
    # Python's own __pycache__ is below build/.
    assert sorted(os.listdir(folder)) == before
    assert os.listdir(folder / '.venv') == ['a file']


@pytest.mark.parametrize(
    'name', ["Jo's book (2) & more; ü %#~!", "Jo's;book", f'{LONG} ;x']
)
def test_other_strange_names_will_do(checkout, name):
    """Also for the scripts that pip writes, which name their Python."""
    folder = checkout.parent / name
    checkout.rename(folder)
    done = setup(folder, 'cpu', *WHERE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f'{folder / ".venv"} ')
    pip = [folder / '.venv' / 'bin' / 'pip', '--version']
    done = subprocess.run(pip, capture_output=True, text=True)
    assert str(folder) in done.stdout, done.stderr


def test_a_link_in_the_place_of_an_environment_is_left_alone(checkout):
    elsewhere = checkout.parent / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'a file').touch()
    (checkout / '.venv').symlink_to(elsewhere)
    done = setup(checkout, 'cpu', *WHERE)
    assert (done.returncode, done.stdout) == (1, '')
    (line,) = done.stderr.splitlines()
    assert '.venv is a link' in line
    assert os.listdir(elsewhere) == ['a file']
    assert (checkout / '.venv').is_symlink()


@pytest.mark.parametrize('box', ['', 'no such', 'doctor', '-x', 'a\nb', '..'])
def test_a_box_that_is_none_is_named(checkout, box):
    done = setup(checkout, box, *WHERE)
    assert (done.returncode, done.stdout) == (1, '')
    said = f'BOX={ending.plain(box)} is unknown: it is cpu, gpu, '
    assert done.stderr.startswith(said) and done.stderr.count('\n') == 1


@pytest.mark.parametrize('home', ['/dev/null/home', 'relative', None])
def test_who_has_no_home_gets_one(checkout, home):
    """What has no entry in the list of users, has none without HOME."""
    name = 'import os; print(os.path.expanduser("~"))'
    done = setup(checkout, 'cpu', '-c', name, HOME=home or str(checkout))
    expected = checkout / '_build' / 'home' if home else checkout
    assert done.stdout.splitlines()[-1] == str(expected)
    assert expected.is_dir()


def test_an_interrupted_installation_ends_in_one_line(checkout, interruptible):
    """While pip waits for an index that does not answer."""
    hashes = '--hash=sha256:' + '0' * 64
    pins = checkout / 'requirements' / 'cpu.txt'
    pins.write_text(f'nothing==1 {hashes}\n', encoding='utf-8')
    with socket.create_server(('127.0.0.1', 0)) as index:
        address = f'http://127.0.0.1:{index.getsockname()[1]}/'
        process = subprocess.Popen(
            [checkout / 'build' / 'setup.sh', 'cpu', *WHERE],
            env={
                **os.environ,
                'PIP_INDEX_URL': address,
                'PIP_EXTRA_INDEX_URL': '',
                'PIP_CONFIG_FILE': os.devnull,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        index.settimeout(120)
        connection, _ = index.accept()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert errors == 'interrupted\n'
        assert connection.recv(4) == b'GET '
        connection.settimeout(60)
        while connection.recv(4096):  # pip is gone, too
            pass
    assert not (checkout / '.venv' / environment.STAMP).exists()


def test_a_full_disk_is_told_with_what_is_free(tmp_path, capsys):
    said = 'ERROR: Could not install: [Errno 28] No space left on device\n'
    with pytest.raises(SystemExit, match='MB are free in'):
        environment.fail(tmp_path, said)
    with pytest.raises(SystemExit, match='^[^;]* could not be made$'):
        environment.fail(tmp_path, 'ERROR: another reason\n')


# --------------------------------------------------------- The rule for skips
@pytest.mark.parametrize(
    'reason, passes',
    [
        ('no browser', False),
        ('the excerpt of real photos is not here', True),
    ],
)
def test_ci_fails_if_a_test_is_skipped(root, tmp_path, reason, passes):
    (tmp_path / 'pytest.ini').write_text('[pytest]\n', encoding='utf-8')
    for name in ('conftest.py', 'support.py'):
        shutil.copy(root / 'tests' / name, tmp_path)
    (tmp_path / 'test_it.py').write_text(
        f'import pytest\n@pytest.mark.skip(reason={reason!r})\n'
        'def test_it(): pass\ndef test_that(): pass\n',
        encoding='utf-8',
    )
    modules = os.pathsep.join([str(root), str(root / 'build')])
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'],
        env={**os.environ, 'CI': 'true', 'PYTHONPATH': modules},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == passes, done.stdout
    assert ('not to be skipped in CI' not in done.stdout) == passes
