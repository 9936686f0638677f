"""The pinned environments: exact, complete, agreeing, and installed here."""

import importlib.metadata
import re
import sys
import sysconfig
from pathlib import Path

import environment

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NAMES = sorted(environment.PINNED)
NOT_NEEDED = {'opencv-python'}  # requirements/overrides.txt says why
BOXES = {folder: box for box, folder in environment.FOLDERS.items()}
HERE = BOXES.get(Path(sys.prefix).name, 'cpu')  # whose packages these are
HERE = 'cpu' if HERE == 'other' else HERE
PYTHONS = ('3.11', '3.12', '3.13')


def read(root, name):
    return (root / 'requirements' / name).read_text('utf-8')


def holds(marker, python):
    """Whether a marker, or none, holds for a Python such as '3.12'."""
    wanted = {'python_version': python, 'python_full_version': f'{python}.1'}
    here = default_environment() | wanted | {'extra': ''}
    return marker is None or marker.evaluate(here)


def pins(root, name, python=None):
    """Return {package: version} of requirements/NAME.txt, for one Python."""
    python = python or '.'.join(map(str, sys.version_info[:2]))
    lines = re.findall(r'^[a-z].*(?= \\)', read(root, f'{name}.txt'), re.M)
    wanted = [Requirement(line) for line in lines]
    here = [package for package in wanted if holds(package.marker, python)]
    found = {canonicalize_name(x.name): str(x.specifier)[2:] for x in here}
    assert len(found) == len(here), 'two versions of a package'
    return found


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
        assert re.fullmatch(r'[\w.-]+==[\w.+]+ (; .+ )?', first), first
        assert hashes, first
        for line in hashes:
            assert re.fullmatch(r' +--hash=sha256:[0-9a-f]{64} ?', line), line


@pytest.mark.parametrize('name', NAMES)
def test_no_trace_of_a_machine(root, name):
    text = read(root, f'{name}.txt') + read(root, f'{name}.in')
    assert not re.search(r'https?:|file:|index-url|find-links|[ "=]/\w', text)


@pytest.mark.parametrize('python', PYTHONS)
@pytest.mark.parametrize('name', NAMES)
def test_what_was_chosen_is_pinned_for_every_python(root, name, python):
    pinned = pins(root, name, python)
    wanted = choices(root, f'{name}.in')
    for package in (x for x in wanted if holds(x.marker, python)):
        version = pinned[canonicalize_name(package.name)]
        assert package.specifier.contains(version), package


def test_older_and_newer_numpys_are_told_apart(root):
    assert pins(root, 'cpu', '3.11')['numpy'] == '1.23.5'
    new = {pins(root, 'cpu', python)['numpy'] for python in PYTHONS[1:]}
    assert all(version.startswith('2.') for version in new)
    assert 'standard-imghdr' in pins(root, 'cpu', '3.13')
    assert 'standard-imghdr' not in pins(root, 'cpu', '3.12')


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
    conda = (root / 'environment.yml').read_text('utf-8')
    _, _, listed = conda.partition('dependencies:\n')
    assert [line.strip() for line in listed.splitlines()] == [
        '- python=3.11',
        '- pip',
        '- pip:',
        '- -r requirements/gpu.txt',
    ]
    assert '# via' in read(root, 'gpu.txt')


def installed():
    """Return {package: version} of what is installed here."""
    here = importlib.metadata.distributions(
        path=[sysconfig.get_path('purelib')]
    )
    return {canonicalize_name(d.name): d.version for d in here}


def requirements_of(package, python):
    """Yield what an installed package needs there, without its extras."""
    for text in importlib.metadata.requires(package) or []:
        wanted = Requirement(text)
        if holds(wanted.marker, python):
            yield wanted


@pytest.mark.parametrize('python', PYTHONS)
@pytest.mark.parametrize(
    'name', ['mxnet2'] if HERE == 'mxnet2' else ['cpu', 'gpu']
)
def test_the_pins_are_complete(root, name, python):
    """pip without --no-deps, as conda calls it, must miss nothing.

    On newer Pythons MXNet gets the NumPy that it says it does not take.
    What each package needs is read where this version of it is installed.
    """
    pinned, here = pins(root, name, python), installed()
    allowed = set() if name == 'mxnet2' else NOT_NEEDED
    same = [x for x in pinned if here.get(x) == pinned[x]]
    assert len(same) > len(pinned) - 20
    for package in same:
        for wanted in requirements_of(package, python):
            needed = canonicalize_name(wanted.name)
            if needed in allowed:
                continue
            fits = wanted.specifier.contains(pinned[needed])
            new = package.startswith('mxnet') and python != '3.11'
            assert fits or (new and needed == 'numpy'), (package, wanted)


def test_installed_is_what_is_pinned(root):
    """Nothing that is not pinned can help these tests to pass."""
    pinned, found = pins(root, HERE), installed()
    for name in {'pip', 'setuptools'} - set(pinned):
        found.pop(name, None)  # Python itself brings these
    assert found == pinned
