"""The Dockerfile and the devcontainer: their commands are run without Docker.

A script takes the place of apt-get, and one that of build/setup.sh, which
tells what it was given.
"""

import fnmatch
import json
import os
import re
import shutil
import subprocess

from support import script

import pytest
from jupyter_server.serverapp import ServerApp

WAYS = ('Dockerfile', '.devcontainer/devcontainer.json')


@pytest.fixture(scope='module')
def dockerfile(root):
    """[(instruction, what it says)]"""
    text = (root / 'Dockerfile').read_text('utf-8').replace('\\\n', '')
    lines = [line for line in text.splitlines() if line.strip()]
    return [line.split(' ', 1) for line in lines if line[0] != '#']


@pytest.fixture(scope='module')
def devcontainer(root):
    return json.loads((root / WAYS[1]).read_text('utf-8'))


@pytest.fixture
def context(root, tmp_path):
    """An empty folder, and a function that copies into it as COPY does."""
    text = (root / '.dockerignore').read_text('utf-8')
    patterns = [line.strip('/') for line in text.splitlines()]

    def ignored(folder, names):
        inside = os.path.relpath(folder, root)
        return [
            name
            for name in names
            for path in [os.path.normpath(f'{inside}/{name}')]
            if any(
                fnmatch.fnmatchcase(path, pattern)
                or fnmatch.fnmatchcase(f'/{path}', pattern.replace('**', '*'))
                for pattern in patterns
            )
        ]

    def copy():
        shutil.copytree(root, folder, ignore=ignored, dirs_exist_ok=True)
        setup = folder / 'build' / 'setup.sh'
        assert os.access(setup, os.X_OK)
        setup.write_text(
            '#!/bin/sh\necho "setup.sh $*; ARGS=$ARGS"\n', encoding='utf-8'
        )

    folder = tmp_path / 'home'
    folder.mkdir()
    return folder, copy


@pytest.fixture
def run(tmp_path, context):
    """A function that runs a command there, where little is to be found."""
    fakes = tmp_path / 'bin'
    fakes.mkdir()
    script(fakes / 'apt-get', 'echo "apt-get $*"\n')
    script(fakes / 'sudo', 'exec "$@"\n')
    for name in ('sh', 'make'):
        (fakes / name).symlink_to(shutil.which(name))

    def run(*command):
        return subprocess.run(
            command,
            cwd=context[0],
            env={'PATH': str(fakes)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()

    return run


def installed(lines):
    """The packages that apt-get was to install."""
    assert lines[0] == 'apt-get update'
    options = lines[1].split()
    assert options[:3] == ['apt-get', 'install', '--yes']
    return options[3:]


def packages_of_readme(root):
    text = (root / 'README.md').read_text('utf-8')
    return re.search(r'apt-get install (make .*)', text)[1].split()


def test_the_dockerfiles_commands_start_the_book(
    root, dockerfile, context, run
):
    """As `make lab` does, as a user who is not root, in a home of his own."""
    folder, copy = context
    said, user = [], 'root'
    for instruction, text in dockerfile:
        if instruction == 'RUN':
            said += run('sh', '-c', text)
        elif instruction == 'COPY':
            assert text == f'--chown={user} . .'
            copy()
        elif instruction == 'USER':
            user = text
        elif instruction == 'WORKDIR':  # which this user may write
            assert text == f'/home/{user}'
        elif instruction == 'CMD':
            said += run(*json.loads(text))
        else:
            assert instruction in ('FROM', 'EXPOSE')
    assert user == 'ubuntu'  # whom Ubuntu's images have, from 23.04 on
    assert installed(said) == packages_of_readme(root)
    assert said[2:] == [
        'setup.sh cpu; ARGS=',
        'setup.sh cpu build/words.py ARGS build/lab.py; '
        'ARGS=--ip=0.0.0.0 --no-browser',
    ]


def test_the_devcontainers_commands_do_the_same(
    root, devcontainer, context, run
):
    context[1]()  # where an editor has laid the book
    names = ('onCreateCommand', 'postCreateCommand', 'postAttachCommand')
    said = [x for name in names for x in run('sh', '-c', devcontainer[name])]
    assert installed(said) == packages_of_readme(root)
    assert said[2:] == [
        'setup.sh cpu; ARGS=',
        'setup.sh cpu build/words.py ARGS build/lab.py; ARGS=--no-browser',
    ]


def test_what_is_made_on_a_machine_stays_there(root, context):
    folder, copy = context
    copy()
    names = {path.name for path in folder.iterdir()}
    assert names >= {'Makefile', 'build', 'chapters', 'requirements', 'img'}
    assert not [*folder.rglob('__pycache__')]
    made = {'.git', '.venv', '.venv-gpu', '_build', 'data', 'notebooks'}
    assert not names & made
    ignored = (root / '.dockerignore').read_text('utf-8').splitlines()
    for line in (root / '.gitignore').read_text('utf-8').splitlines():
        if line.endswith('/') and line[0] == '/':
            assert line in ignored


def test_jupyters_door_is_open_to_this_machine_alone(
    root, dockerfile, devcontainer
):
    """The server listens to all in there, so it is published to one."""
    port = ServerApp().port
    assert ['EXPOSE', str(port)] in dockerfile
    assert devcontainer['forwardPorts'] == [port]
    readme = (root / 'README.md').read_text('utf-8')
    assert f'-p 127.0.0.1:{port}:{port} ' in readme
    for way in WAYS:  # and who comes in has its token
        assert not re.search('token|password', (root / way).read_text('utf-8'))


@pytest.mark.parametrize('way', WAYS)
def test_they_stay_short(root, way):
    assert len((root / way).read_text('utf-8').splitlines()) <= 10
