"""The pinned environments: exact, complete, agreeing; how they are made."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig

import environment

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMES = sorted(environment.FOLDERS)
NOT_NEEDED = {'opencv-python'}  # requirements/overrides.txt says why


def read(root, name):
    return (root / 'requirements' / name).read_text()


def pins(root, name):
    """Return {package: version} of requirements/NAME.txt."""
    found = re.findall(r'^([\w.-]+)==(\S+)', read(root, f'{name}.txt'), re.M)
    return {canonicalize_name(package): version for package, version in found}


def choices(root, file):
    """Return the requirements of an .in file and of those that it names."""
    found = []
    for line in read(root, file).splitlines():
        line = line.split('#')[0].strip()
        if line.startswith('-r '):
            found += choices(root, line[3:])
        elif line:
            found.append(Requirement(line))
    return found


@pytest.mark.parametrize('name', NAMES)
def test_every_package_is_exact_and_has_hashes(root, name):
    text = read(root, f'{name}.txt')
    lines = [line for line in text.splitlines() if line.strip()]
    entries = '\n'.join(x for x in lines if not x.lstrip().startswith('#'))
    for entry in re.split(r'\n(?=\S)', entries):
        first, *hashes = entry.split('\\\n')
        assert re.fullmatch(r'[\w.-]+==[\w.+]+ ', first), first
        assert hashes, first
        for line in hashes:
            assert re.fullmatch(r' +--hash=sha256:[0-9a-f]{64} ?', line), line


@pytest.mark.parametrize('name', NAMES)
def test_no_trace_of_a_machine(root, name):
    text = read(root, f'{name}.txt') + read(root, f'{name}.in')
    assert not re.search(r'https?:|file:|index-url|find-links|[ "=]/\w', text)


@pytest.mark.parametrize('name', NAMES)
def test_what_was_chosen_is_pinned(root, name):
    pinned = pins(root, name)
    for wanted in choices(root, f'{name}.in'):
        version = pinned[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), wanted


@pytest.mark.parametrize('name', NAMES)
def test_every_choice_is_explained(root, name):
    text = read(root, f'{name}.in')
    assert text.startswith('#')
    assert f'{name}.txt' in text


def test_the_design_of_the_gpu_environment(root):
    gpu, cpu = pins(root, 'gpu'), pins(root, 'cpu')
    assert gpu['mxnet-cu112'] == '1.9.1' and 'mxnet' not in gpu
    assert len([name for name in gpu if name.startswith('nvidia-')]) == 10
    # Whatever both have is the same.
    assert not {p for p in gpu if p in cpu and gpu[p] != cpu[p]}


def test_conda_environment_installs_the_gpu_pins(root):
    conda = yaml.safe_load((root / 'environment.yml').read_text())
    assert conda['dependencies'] == [
        'python=3.11',
        'pip',
        {'pip': ['-r requirements/gpu.txt']},
    ]
    assert '# via' in read(root, 'gpu.txt')


def installed():
    """Return {package: version} of what is installed here."""
    here = importlib.metadata.distributions(
        path=[sysconfig.get_path('purelib')]
    )
    return {canonicalize_name(d.name): d.version for d in here}


def requirements_of(package):
    """Yield what an installed package needs here, without its extras."""
    for text in importlib.metadata.requires(package) or []:
        wanted = Requirement(text)
        here = {**default_environment(), 'extra': ''}
        if wanted.marker is None or wanted.marker.evaluate(here):
            yield wanted


@pytest.mark.parametrize('name', ['cpu', 'gpu'])
def test_the_pins_are_complete(root, name):
    """pip without --no-deps, as conda calls it, must miss nothing."""
    pinned = pins(root, name)
    allowed = NOT_NEEDED if name == 'cpu' else set()
    for package in pinned.keys() & installed():
        for wanted in requirements_of(package):
            needed = canonicalize_name(wanted.name)
            if needed not in allowed:
                assert wanted.specifier.contains(pinned[needed]), package


def test_installed_is_what_is_pinned(root):
    """Nothing that is not pinned can help these tests to pass."""
    box = 'gpu' if sys.prefix.endswith('.venv-gpu') else 'cpu'
    found = installed()
    found.pop('pip', None)
    assert found == pins(root, box)


# ------------------------------------------------------- Making environments
@pytest.fixture
def checkout(tmp_path, root, monkeypatch):
    """Files enough to make an environment of nothing, quickly."""
    folder = tmp_path / 'a checkout'
    for name in ('build/setup.sh', 'build/environment.py'):
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
    script = (checkout / 'build' / 'setup.sh').read_text()
    script = script.replace('"$fits"', '"import sys; sys.exit(1)"')
    (checkout / 'build' / 'setup.sh').write_text(script)
    done = setup(checkout, 'cpu')
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert 'CPython 3.11' in line and 'apt-get install' in line


def test_a_python_that_does_not_fit_is_passed_over(checkout, tmp_path):
    broken = tmp_path / 'python3.11'
    broken.write_text('#!/bin/sh\nexit 127\n')
    broken.chmod(0o755)
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
    shutil.copy(root / 'tests' / 'conftest.py', tmp_path)
    (tmp_path / 'test_it.py').write_text(
        f'import pytest\n@pytest.mark.skip(reason={reason!r})\n'
        'def test_it(): pass\ndef test_that(): pass\n'
    )
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'],
        env={**os.environ, 'CI': 'true', 'PYTHONPATH': str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == passes, done.stdout
