"""How the environments are made, and what CI may skip."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import ending
import environment
from support import script

import pytest

NAMES = sorted(environment.PINNED)


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


@pytest.mark.parametrize('status', [0, 1])
def test_mxnet_borrows_libraries_that_the_system_has_not(
    tmp_path, monkeypatch, status
):
    asked = script(tmp_path / 'python', f'exit {status}\n')
    monkeypatch.setattr(environment.sys, 'executable', str(asked))
    packages = tmp_path / 'packages'
    (packages / 'mxnet').mkdir(parents=True)
    for name in ('pykdtree.libs/libgomp-1.so', 'scipy.libs/libquadmath-2.so'):
        (packages / name).parent.mkdir()
        (packages / name).write_text(name, encoding='utf-8')
    environment.lend_libraries(packages)
    moved = packages.rename(tmp_path / 'moved') / 'mxnet'
    assert {
        path.name: path.read_text('utf-8') for path in moved.iterdir()
    } == (
        {
            'libgomp.so.1': 'pykdtree.libs/libgomp-1.so',
            'libquadmath.so.0': 'scipy.libs/libquadmath-2.so',
        }
        if status
        else {}
    )


def test_an_index_that_does_not_answer_is_told_in_one_line(checkout):
    hashes = '--hash=sha256:' + '0' * 64
    (checkout / 'requirements' / 'cpu.txt').write_text(
        f'no==1 {hashes}\n', encoding='utf-8'
    )
    with socket.create_server(('127.0.0.1', 0)) as closed:
        address = f'http://127.0.0.1:{closed.getsockname()[1]}/'
    options = {'PIP_INDEX_URL': address, 'PIP_EXTRA_INDEX_URL': ''}
    options |= {'PIP_FIND_LINKS': '', 'PIP_RETRIES': '1', 'PIP_NO_INDEX': ''}
    options |= {'PIP_CONFIG_FILE': os.devnull}
    done = setup(checkout, 'cpu', *WHERE, **options)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        '.venv could not be made; the package index does not answer: is there '
        'a network?'
    )
    assert not (checkout / '.venv' / environment.STAMP).exists()


# --------------------------------------------------------- Choosing a Python
TOOLS = 'sh dirname grep sort head readlink cat env'.split()


def fake_python(path, minor=None, fits=True, reason='is Python 3.9'):
    """A Python that says of itself what setup.sh asks, and what it runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = f'{minor} {path}' if minor else reason
    return script(path, f'[ "$1" = -c ] && echo "{answer}" || echo "$0 $*"')


@pytest.fixture
def bare(checkout, tmp_path, monkeypatch):
    """Run setup.sh where there is no Python but what a test makes."""
    text = (checkout / 'build' / 'setup.sh').read_text('utf-8')
    text, count = re.subn("places='.*'", f"places='{tmp_path}/usr'", text)
    assert count == 1 and '/etc/os-release' in text
    text = text.replace('/etc/os-release', f'{tmp_path}/os-release')
    (checkout / 'build' / 'setup.sh').write_text(text, encoding='utf-8')
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name))
    script(tools / 'uname', 'echo Linux x86_64')
    script(tools / 'ldd', 'echo "ldd (GNU libc) 2.36"')
    names = 'PYTHON CONDA_EXE PYENV_ROOT UV_PYTHON_INSTALL_DIR XDG_DATA_HOME'
    for name in names.split():
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, **more):
        """Return (status, the lines of both outputs)."""
        home = {'PATH': str(tools), 'HOME': str(tmp_path / 'a home')}
        done = setup(checkout, *arguments, **(home | more))
        return done.returncode, (done.stdout + done.stderr).splitlines()

    return run


def chosen(outcome):
    status, lines = outcome
    assert status == 0 and len(lines) == 1, lines
    return lines[0].partition(' ./')[0].partition(' /')[0]


def test_the_newest_python_that_fits_is_taken(bare, tmp_path, checkout):
    home = tmp_path / 'a home'
    ways = {
        '11': tmp_path / 'bin' / 'python3.11',
        '12': home / '.pyenv/versions/3.12.1/bin/python',
        '13': home / '.local/share/uv/python/cpython-3.13/bin/python3',
    }
    for minor, path in ways.items():
        fake_python(path, minor)
        first = bare('cpu', 'a command')[1][0]
        assert first.startswith(f'{path} '), first
        assert first.endswith('/build/environment.py cpu a command')
    # What is too new, too old or does not run is passed over.
    fake_python(tmp_path / 'bin' / 'python', None, reason='0 is Python 3.14')
    script(tmp_path / 'bin' / 'python3.13', 'exit 127')
    assert bare('cpu')[1][0].startswith(f'{ways["13"]} ')
    # So do conda's, and those of the system's own folders.
    ways['13'].unlink()
    conda = fake_python(home / 'miniconda3/envs/b/bin/python', '13')
    assert bare('cpu')[1][0].startswith(f'{conda} ')
    conda.unlink()
    system = fake_python(tmp_path / 'usr' / 'python3.13', '13')
    assert bare('cpu')[1][0].startswith(f'{system} ')


def test_an_environment_keeps_its_python(bare, tmp_path, checkout):
    fake_python(tmp_path / 'bin' / 'python3.13', '13')
    own = fake_python(tmp_path / 'somewhere' / 'python', '11')
    link = checkout / '.venv' / 'bin' / 'python'
    link.parent.mkdir(parents=True)
    link.symlink_to(own)
    assert bare('cpu')[1][0].startswith(f'{own} ')
    own.unlink()
    assert '/bin/python3.13 ' in bare('cpu')[1][0]


def test_tests_with_a_second_python_take_the_newest_other(
    bare, tmp_path, checkout
):
    for minor in '11', '12', '13':
        fake_python(tmp_path / 'bin' / f'python3.{minor}', minor)
    (checkout / '.venv' / 'lib' / 'python3.13').mkdir(parents=True)
    assert '/bin/python3.12 ' in bare('other')[1][0]
    (checkout / '.venv' / 'lib' / 'python3.13').rmdir()
    (checkout / '.venv' / 'lib' / 'python3.11').mkdir()
    assert '/bin/python3.13 ' in bare('other')[1][0]


def test_python_rules_and_must_fit(bare, tmp_path):
    fake_python(tmp_path / 'bin' / 'python3.13', '13')
    mine = fake_python(tmp_path / 'mine' / 'python', '12')
    assert bare('cpu', PYTHON=str(mine))[1][0].startswith(f'{mine} ')
    old = fake_python(tmp_path / 'old', None, reason='0 is Python 3.9')
    assert bare('cpu', PYTHON=str(old)) == (
        1,
        [
            f'PYTHON={old} is Python 3.9: the book needs CPython 3.11 to '
            '3.13 with venv'
        ],
    )
    nothing = bare('cpu', PYTHON='/no/such/python')
    assert nothing == (1, ['PYTHON=/no/such/python does not run'])


@pytest.mark.parametrize(
    'release, told',
    [
        ('ID=debian\nVERSION_ID="12"', 'sudo apt-get install python3-venv'),
        ('ID=ubuntu\nVERSION_ID="24.04"\nID_LIKE=debian', 'python3-venv'),
        ('ID=ubuntu\nVERSION_ID="22.04"\nID_LIKE=debian', 'python3.11-venv'),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"', 'python3-venv'),
        ('ID=fedora\nVERSION_ID=43', 'sudo dnf install python3.13'),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', 'sudo dnf install'),
        ('ID=arch', 'sudo pacman -S uv'),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'sudo zypper install'),
        ('ID=other', 'astral.sh/uv'),
        (None, 'astral.sh/uv'),
    ],
)
def test_one_line_says_what_to_type(bare, tmp_path, release, told):
    if release:
        (tmp_path / 'os-release').write_text(f'{release}\n', encoding='utf-8')
    status, lines = bare('cpu')
    assert status == 1 and len(lines) == 1
    assert lines[0].startswith('The book needs CPython 3.11 to 3.13 with venv')
    assert told in lines[0]


@pytest.mark.parametrize('tool', ['brew', 'conda'])
def test_what_installs_pythons_is_named(bare, tmp_path, tool):
    script(tmp_path / 'bin' / tool, 'exit 1')
    status, lines = bare('cpu')
    assert status == 1 and len(lines) == 1 and f': {tool} ' in lines[0]


def test_a_python_without_venv_is_named(bare, tmp_path):
    (tmp_path / 'os-release').write_text('ID=debian\n', encoding='utf-8')
    reason = '1 has no venv or no ensurepip'
    fake_python(tmp_path / 'bin' / 'python3', None, reason=reason)
    status, (line,) = bare('cpu')
    assert status == 1
    assert 'and the one here has no venv or no ensurepip: sudo apt-get' in line


UV = """
case "$*" in
"python install --quiet 3.13") [ -e "$0.offline" ] && exit 2; exit 0 ;;
"python find 3.13") echo "$0.python" ;;
*) exit 3 ;;
esac
"""


def test_uv_fetches_one(bare, tmp_path):
    uv = script(tmp_path / 'bin' / 'uv', UV)
    python = fake_python(tmp_path / 'bin' / 'uv.python', '13')
    assert bare('cpu')[1][0].startswith(f'{python} ')
    (tmp_path / 'bin' / 'uv.offline').touch()
    said = 'uv could not fetch CPython 3.13: is there a network?'
    assert bare('cpu') == (1, [said])
    assert bare('which') == (0, ['3.13 (uv fetches it)'])
    assert uv.exists()


@pytest.mark.parametrize(
    'tool, says, told',
    [
        ('uname', 'Linux aarch64', 'this is Linux aarch64'),
        ('uname', 'Darwin arm64', 'this is Darwin arm64'),
        ('ldd', 'musl libc (x86_64)', 'this one has musl'),
    ],
)
def test_a_machine_without_packages_is_told_before_all_else(
    bare, tmp_path, checkout, tool, says, told
):
    fake_python(tmp_path / 'bin' / 'python3.13', '13')
    script(tmp_path / 'bin' / tool, f'echo "{says}"')
    before = sorted(checkout.rglob('*'))
    status, lines = bare('cpu')
    assert status == 1 and len(lines) == 1 and told in lines[0]
    assert sorted(checkout.rglob('*')) == before


def test_this_python_fits(checkout):
    """The question itself, asked of the Python that runs these tests."""
    done = setup(checkout, 'which')
    version = '.'.join(map(str, sys.version_info[:3]))
    assert done.stdout.startswith(f'{version} ('), done.stderr


# ------------------------------------------------------- Moved, and copied
def test_a_moved_and_a_copied_checkout_work_as_they_are(checkout):
    """Each with its own code; nothing is installed again."""
    (checkout / 'utils.py').write_text('where = "first"\n', encoding='utf-8')
    says = ('-c', 'import utils; print(utils.where, utils.__file__)')
    assert setup(checkout, 'cpu', *says).returncode == 0

    copy = checkout.parent / 'a copy'
    shutil.copytree(checkout, copy, symlinks=True)
    (copy / 'utils.py').write_text('where = "second"\n', encoding='utf-8')
    moved = checkout.parent / 'moved'
    checkout.rename(moved)
    for folder, where in (moved, 'first'), (copy, 'second'):
        expected = f'{where} {folder / "utils.py"}\n'
        assert setup(folder, 'cpu', *says).stdout == expected
        # Without setup.sh, and from elsewhere, it is the same.
        python = folder / '.venv' / 'bin' / 'python'
        done = subprocess.run(
            [python, *says], cwd='/', capture_output=True, text=True
        )
        assert done.stdout == expected
        pip = [folder / '.venv' / 'bin' / 'pip', '--version']
        done = subprocess.run(pip, capture_output=True, text=True)
        assert str(folder) in done.stdout, done.stderr
        for file in (folder / '.venv' / 'bin').iterdir():
            if not file.is_symlink():
                assert str(checkout) not in file.read_text('utf-8')


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
