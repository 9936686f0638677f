"""The Makefile: what stands in its variables is data, and `clean` is careful.

A script takes the place of build/setup.sh and tells what it was given.
"""

import json
import os
import re
import subprocess
import sys

import ending
from support import script

import pytest

# Each arrives in a program as it is; or something in between has read it.
VALUES = (
    '$(shell touch HIT).jpg',
    '$(error HIT)',
    '${IMAGE} $(IMAGE) $$ $',
    '`touch HIT`',
    '$(touch HIT)',
    'a; touch HIT',
    "a' ; touch HIT ; '",
    'a" ; touch HIT ; "',
    '-rf.jpg',
    '--help',
    'a photo with  spaces ',
    'a#b.jpg',
    'a\\#b\\',
    '*.jpg ~ {a,b} [a-z]?',
    'line one\n\ttouch HIT\nline three',
    'endef\n$(shell touch HIT)\n',
    '%.jpg := @HIT',
    'Möwe \udcff.jpg',
    '',
)
# Where each variable arrives: in an argument, or only in the environment.
ARGUMENTS = {
    'predict': [
        *('$BOX', 'tools/predict.py', '--scales', '$SCALES'),
        *('--mirror', '$MIRROR', '--sure', '$SURE', '--crf', '$CRF'),
        *('--', '$IMAGE', '$CHECKPOINT'),
    ],
    'export': ['$BOX', 'tools/export.py', '--', '$CHECKPOINT', '$HALF'],
    'class': ['$BOX', 'build/class_kit.py', '$FORMAT'],
    'test': ['$BOX', 'build/words.py', 'TESTS', '-m', 'pytest'],
    'html': ['$BOX', 'build/words.py', 'CHAPTERS', 'build/make_html.py'],
    'lab': ['$BOX', 'build/words.py', 'ARGS', 'build/lab.py'],
    'own': ['$BOX', 'tools/own.py'],
}
VARIABLES = 'IMAGE CHECKPOINT FORMAT BOX TESTS ARGS PYTHON VOC_ROOT DATA '
VARIABLES += 'CHAPTERS PHOTOS LABELS SCALES MIRROR SURE HALF CRF NAME OUT '
VARIABLES += 'CLASSES MAX_SIDE ANYWAY STEPS'


@pytest.fixture
def checkout(root, tmp_path):
    """A folder with the Makefile, and the script in the place of all else."""
    folder = tmp_path / 'checkout'
    (folder / 'build').mkdir(parents=True)
    (folder / 'Makefile').write_bytes((root / 'Makefile').read_bytes())
    show = 'printf "%s\\0" $# "$@"; env -0\n'
    script(folder / 'build' / 'setup.sh', show)
    return folder


def make(folder, *arguments, **variables):
    """Run make; return what it prints. Fails if make does."""
    return subprocess.run(
        ['make', '--no-print-directory', *arguments],
        cwd=folder,
        env={'PATH': os.environ['PATH'], **variables},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


def received(printed):
    """Return (arguments, environment) of the stand-in, given what it said."""
    count, *words = os.fsdecode(printed).split('\0')[:-1]
    arguments, pairs = words[: int(count)], words[int(count) :]
    return arguments, dict(pair.split('=', 1) for pair in pairs)


@pytest.mark.parametrize('target', ARGUMENTS)
@pytest.mark.parametrize('name', VARIABLES.split())
def test_no_value_is_anything_but_data(checkout, target, name):
    for value in VALUES:
        for printed in (
            make(checkout, target, f'{name}={value}'),
            make(checkout, target, **{name: value}),
        ):
            arguments, environment = received(printed)
            assert environment[name] == value
            assert 'HIT' not in environment['MAKEFLAGS']  # for another make
            known = {'BOX': 'cpu', **environment}
            assert arguments == [
                known.get(part[1:], '') if part[0] == '$' else part
                for part in ARGUMENTS[target]
            ]
    assert sorted(os.listdir(checkout)) == ['Makefile', 'build']


def test_recipes_read_variables_as_the_shell_does(root):
    """In double quotes; make itself reads none but RUN, which is no value."""
    text = (root / 'Makefile').read_text('utf-8')
    recipes = re.findall(r'^\t.*', text.partition('\nhtml:')[2], re.M)
    assert len(recipes) > 10
    for recipe in recipes:
        rest = recipe.removeprefix('\t$(RUN) ')
        rest = re.sub(r'(?<= )"\$\$[A-Z]+"(?= |$)', '', rest)
        assert '$' not in rest, recipe


# --------------------------------------------------------------------- words
PROBE = 'import json, sys; print(json.dumps([sys.argv[1:], sys.path[0]]))'


@pytest.fixture
def probe(tmp_path):
    """A program, and a module, that print what they are called with."""
    (tmp_path / 'probe.py').write_text(PROBE, encoding='utf-8')
    (tmp_path / 'x.jpg').touch()  # for patterns
    return tmp_path / 'probe.py'


def words(root, probe, text, *command):
    return subprocess.run(
        [sys.executable, root / 'build' / 'words.py', 'TESTS', *command],
        env={**os.environ, 'TESTS': text, 'PYTHONPATH': str(probe.parent)},
        cwd=probe.parent,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    'text, expected',
    [
        ('', []),
        ('-n 2 --dist loadfile', ['-n', '2', '--dist', 'loadfile']),
        ('a.py -k "one or two"', ['a.py', '-k', 'one or two']),
        ("''  'a\\b'\n\t\"it's\" c\\ d", ['', 'a\\b', "it's", 'c d']),
        ('*.jpg ~ $HOME ${HOME} #x', '*.jpg ~ $HOME ${HOME} #x'.split()),
        ('$(touch HIT) `touch HIT`', ['$(touch', 'HIT)', '`touch', 'HIT`']),
        ('; touch HIT > x.jpg &', '; touch HIT > x.jpg &'.split()),
    ],
)
def test_words_are_split_as_by_a_shell_and_left_alone(
    root, probe, text, expected
):
    folder = str(probe.parent)
    for command in (['-m', 'probe'], ['probe.py']):
        done = words(root, probe, text, *command)
        assert json.loads(done.stdout) == [expected, folder], done.stderr
    assert sorted(os.listdir(folder))[-2:] == ['probe.py', 'x.jpg']
    # A shell, where nothing but quotes and backslashes matters, agrees.
    if not set('$`;*') & set(text):
        shell = ['sh', '-c', f'printf "%s\\0" {" ".join(text.splitlines())}']
        printed = subprocess.run(shell, capture_output=True, text=True).stdout
        assert printed.split('\0')[:-1] == (expected or [''])


@pytest.mark.parametrize('text', ['"', "a 'b", 'a \\', '"a\n'])
def test_a_quote_that_is_open_is_named_in_one_line(root, probe, text):
    done = words(root, probe, text, '-m', 'probe')
    assert (done.returncode, done.stdout) == (1, '')
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'TESTS={ending.plain(text)}: No ')


# --------------------------------------------------------------------- clean
def test_clean_removes_what_was_built_and_links_but_nothing_behind_them(
    checkout, tmp_path
):
    built = '_build', '.pytest_cache', '.ruff_cache', '.hypothesis'
    for name in (*built, 'data', 'notebooks', '.venv'):
        (checkout / name).mkdir()
        (checkout / name / 'a file').touch()
    make(checkout, 'clean')
    kept = {'Makefile', 'build', 'data', 'notebooks', '.venv'}
    assert set(os.listdir(checkout)) == kept

    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'a file').touch()
    for name in built:
        (checkout / name).symlink_to(elsewhere)
    make(checkout, 'clean')
    assert set(os.listdir(checkout)) == kept
    assert os.listdir(elsewhere) == ['a file']


@pytest.mark.parametrize('value', ['/', '..', 'data', '$(shell touch HIT)'])
def test_no_variable_changes_what_clean_removes(checkout, value):
    (checkout / 'data').mkdir()
    names = [*VARIABLES.split(), 'RUN', 'HOME', 'PWD', 'CDPATH', '_build']
    make(checkout, 'clean', *(f'{name}={value}' for name in names))
    assert sorted(os.listdir(checkout)) == ['Makefile', 'build', 'data']


def test_clean_is_for_the_books_own_folder(checkout, tmp_path):
    (tmp_path / '_build').mkdir()
    with pytest.raises(subprocess.CalledProcessError):
        make(tmp_path, '-f', checkout / 'Makefile', 'clean')
    assert (tmp_path / '_build').is_dir()
