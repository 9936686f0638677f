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

NAMES = sorted(environment.FOLDERS)
NOT_NEEDED = {'opencv-python'}  # requirements/overrides.txt says why
BOXES = {folder: box for box, folder in environment.FOLDERS.items()}
HERE = BOXES.get(Path(sys.prefix).name, 'cpu')  # whose packages these are


def read(root, name):
    return (root / 'requirements' / name).read_text('utf-8')


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


def requirements_of(package):
    """Yield what an installed package needs here, without its extras."""
    for text in importlib.metadata.requires(package) or []:
        wanted = Requirement(text)
        here = {**default_environment(), 'extra': ''}
        if wanted.marker is None or wanted.marker.evaluate(here):
            yield wanted


@pytest.mark.parametrize(
    'name', ['mxnet2'] if HERE == 'mxnet2' else ['cpu', 'gpu']
)
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
    pinned, found = pins(root, HERE), installed()
    for name in {'pip', 'setuptools'} - set(pinned):
        found.pop(name, None)  # Python itself brings these
    assert found == pinned
