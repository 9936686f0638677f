"""How the environments are made, and what CI may skip."""

import os
import shutil
import subprocess
import sys

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
        (folder / 'requirements' / f'{name}.txt').write_text('# nothing\n')
    (folder / 'utils.py').write_text('')
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
    bad.write_text('no-such-package==1 --hash=sha256:' + '0' * 64 + '\n')
    nowhere = {'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': ''}
    failed = setup(checkout, 'cpu', *WHERE, **nowhere)
    assert failed.returncode
    assert not (folder / environment.STAMP).exists()


def test_what_is_missing_is_said_in_one_line(checkout):
    reason = 'libgomp.so.1: cannot open shared object file'
    (checkout / 'utils.py').write_text(f'raise OSError({reason!r})\n')
    done = setup(checkout, 'cpu', *WHERE)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f'MXNet does not start: OSError: {reason}; '
        'install the package libgomp1 (Fedora: libgomp)'
    ]


def test_without_a_fitting_python_one_line_says_so(checkout, tmp_path):
    """Every Python that could be found is one that does not fit."""
    text = (checkout / 'build' / 'setup.sh').read_text()
    text = text.replace('"$fits"', '"import sys; sys.exit(1)"')
    (checkout / 'build' / 'setup.sh').write_text(text)
    done = setup(checkout, 'cpu')
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'CPython 3.11' in line and 'apt-get install' in line


def test_a_python_that_does_not_fit_is_passed_over(checkout, tmp_path):
    broken = script(tmp_path / 'python3.11', 'exit 127')
    path = f'{tmp_path}:{os.environ["PATH"]}'
    done = setup(checkout, 'cpu', *WHERE, PYTHON=str(broken), PATH=path)
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------- The rule for skips
@pytest.mark.parametrize(
    'reason, passes',
    [
        ('no browser', False),
        ('the excerpt of real photos is not here', True),
    ],
)
def test_ci_fails_if_a_test_is_skipped(root, tmp_path, reason, passes):
    (tmp_path / 'pytest.ini').write_text('[pytest]\n')
    for name in ('conftest.py', 'support.py'):
        shutil.copy(root / 'tests' / name, tmp_path)
    (tmp_path / 'test_it.py').write_text(
        f'import pytest\n@pytest.mark.skip(reason={reason!r})\n'
        'def test_it(): pass\ndef test_that(): pass\n'
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
