"""`make audit`: what it says of the answers of pip-audit, or of none."""

import json
import os
import re
import shutil
import subprocess
import sys

import audit

import pytest

# Answers as pip-audit does, from a table; what is not there, it skips.
FAKE = """
import json, os, sys
from pathlib import Path

known = json.loads(os.environ['KNOWN'])
if not known:
    sys.exit('Traceback\\nConnectionError: no way to the index')
pins = Path(sys.argv[-1]).read_text().split()
print(json.dumps({'dependencies': [
    {'name': pin.split('==')[0], 'skip_reason': 'not found'}
    if pin not in known else
    {'name': pin.split('==')[0], 'version': pin.split('==')[1],
     'vulns': known[pin]}
    for pin in pins
]}))
"""
OLD = {'id': 'PYSEC-2018-28', 'aliases': [], 'fix_versions': ['2.20.0']}
FOUND = {
    'id': 'PYSEC-2030-1',
    'aliases': ['CVE-2030-1234', 'GHSA-aaaa-bbbb-cccc'],
    'fix_versions': ['1.1', '2.0'],
    'description': 'It does\n\x1b[31m what it should not.',
}
LINE = (
    'torch 2.13.0: PYSEC-2030-1, CVE-2030-1234, GHSA-aaaa-bbbb-cccc '
    '(mended in 1.1, 2.0) It does \\x1b[31m what it should not.\n'
)
CLEAN = {
    'requests==2.19.1': [OLD],
    'numpy==1.23.5': [],
    'torch==2.13.0': [],
    'pip-audit==2.10.1': [],
}


@pytest.fixture
def run(root, tmp_path):
    """A function that runs the command on few pins, with known answers."""
    for name in ('audit', 'ending', 'environment'):
        target = tmp_path / 'build' / f'{name}.py'
        target.parent.mkdir(exist_ok=True)
        shutil.copy(root / 'build' / target.name, target)
    pins = {name: '' for name in audit.PINNED}
    pins |= {'cpu': 'numpy==1.23.5 \\\n    --hash=sha256:0\n    # via x\n'}
    pins |= {'gpu': pins['cpu'], 'audit': 'pip-audit==2.10.1 \\\n'}
    pins |= {'bench': '# a comment\ntorch==2.13.0+cpu \\\n'}
    (tmp_path / 'requirements').mkdir()
    for name, text in pins.items():
        (tmp_path / 'requirements' / f'{name}.txt').write_text(
            text, encoding='utf-8'
        )
    (tmp_path / 'pip_audit.py').write_text(FAKE, encoding='utf-8')

    def run(known, security=''):
        (tmp_path / 'SECURITY.md').write_text(security, encoding='utf-8')
        return subprocess.run(
            [sys.executable, tmp_path / 'build' / 'audit.py'],
            env={
                **os.environ,
                'KNOWN': json.dumps(known),
                'PYTHONPATH': str(tmp_path),
            },
            capture_output=True,
            text=True,
        )

    return run


def test_nothing_is_known_of_any_package(run):
    done = run(CLEAN)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == '3 packages: no other vulnerability is known\n'


def test_what_is_found_is_told_in_one_line(run):
    done = run(CLEAN | {'torch==2.13.0': [FOUND]})
    assert (done.returncode, done.stdout, done.stderr) == (1, LINE, '')


@pytest.mark.parametrize('name', [FOUND['id'], *FOUND['aliases']])
def test_what_security_md_names_is_known(run, name):
    done = run(CLEAN | {'torch==2.13.0': [FOUND]}, f'| {name}: this |')
    assert done.returncode == 0
    first, last = done.stdout.splitlines()
    assert f'{first}\n' == f'known, see SECURITY.md: {LINE}'
    assert 'no other vulnerability' in last
    # Something else of the same package is not.
    other = FOUND | {'id': 'PYSEC-2030-2', 'aliases': []}
    done = run(CLEAN | {'torch==2.13.0': [FOUND, other]}, name)
    assert done.returncode == 1


@pytest.mark.parametrize(
    'known, said',
    [
        ({}, 'ConnectionError: no way to the index'),
        # An index that has no database skips all, or has nothing to say.
        ({'numpy==1.23.5': []}, 'nothing against requests 2.19.1 (not found)'),
        (CLEAN | {'requests==2.19.1': []}, 'nothing against requests 2.19.1'),
    ],
)
def test_no_answer_is_not_taken_for_a_good_one(run, known, said):
    done = run(known)
    assert (done.returncode, done.stdout) == (3, '')
    (line,) = done.stderr.splitlines()
    assert line.startswith('the database could not be asked: ')
    assert said in line


def test_a_package_without_an_answer_is_named(run):
    known = {key: CLEAN[key] for key in CLEAN if key[:5] != 'numpy'}
    done = run(known)
    assert (done.returncode, done.stdout) == (3, '')
    assert done.stderr == 'could not ask about numpy\n'
    done = run(known | {'torch==2.13.0': [FOUND]})
    assert (done.returncode, done.stdout) == (1, LINE)
    assert done.stderr == 'could not ask about numpy\n'


def test_every_pinned_package_is_asked_about(root):
    for name in audit.PINNED:
        text = (root / 'requirements' / f'{name}.txt').read_text('utf-8')
        pinned = audit.pins(name)
        assert len(pinned) == len(re.findall('^[a-z]', text, re.M)) > 0
    asked = list(audit.lists())
    assert all(len(dict(some)) == len(some) for some in asked)
    assert {x for some in asked for x in some} == {
        x for name in audit.PINNED for x in audit.pins(name)
    }


def test_security_md_speaks_of_what_is_pinned(root):
    """A version that it names, and that is no longer pinned, is stale."""
    text = (root / 'SECURITY.md').read_text('utf-8')
    assert len(text.splitlines()) < 60 and '@' not in text
    pinned = {pin for name in audit.PINNED for pin in audit.pins(name)}
    table = text.partition('|---')[2]
    for row in table.splitlines()[1:]:
        for package in row.split('|')[1].split(','):
            name, _, version = package.strip().partition(' ')
            if version[:1].isdigit():
                assert (name, version) in pinned
