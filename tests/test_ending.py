"""How commands end that are interrupted, or cannot go on: in one line."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import ending
from conftest import ROOT
from support import wait_for

import pytest

pytestmark = pytest.mark.usefixtures('interruptible')
SIGNALS = [(signal.SIGINT, 'interrupted'), (signal.SIGTERM, 'terminated')]
COMMANDS = [
    path.relative_to(ROOT).as_posix()
    for pattern in ('build/*.py', 'tools/*.py', 'benchmarks/bench.py')
    for path in sorted(ROOT.glob(pattern))
    if re.search('^if __name__', path.read_text('utf-8'), re.M)
    # utils starts them, and the text of two names the data that they make.
    and path.name not in ('scenes.py', 'backbone.py', 'objects.py')
]
# Every command imports one of them.
SLOW = 'mxnet numpy requests nbformat d2lbook venv textwrap argparse shlex'
START = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT / 'build')!r})
import ending
ending.at_once()
ending.in_order()
"""


def start(*command, **variables):
    """Start a program of a group of its own, as a terminal does."""
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def interrupt(process, number, word='ready'):
    """Send a signal when a program has said that word; return its output."""
    assert process.stdout.readline() == f'{word}\n'
    send = os.killpg if number == signal.SIGINT else os.kill
    send(process.pid, number)
    return process.communicate(timeout=60)


def run(program):
    """Run a program to its end."""
    command = [sys.executable, '-c', START + program]
    return subprocess.run(command, capture_output=True, text=True)


# ------------------------------------------------------------- Interruptions
@pytest.fixture(scope='module')
def slow(tmp_path_factory):
    """A folder of modules whose import takes a minute, and says so."""
    folder = tmp_path_factory.mktemp('slow')
    for name in SLOW.split():
        text = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
        (folder / f'{name}.py').write_text(text, encoding='utf-8')
    return folder


def test_the_commands_are_found():
    assert {'build/lab.py', 'tools/predict.py'} < set(COMMANDS)


@pytest.mark.parametrize('number, line', SIGNALS)
@pytest.mark.parametrize('command', COMMANDS)
def test_in_its_first_seconds_a_command_ends_at_once(
    slow, command, number, line
):
    process = start(command, PYTHONPATH=str(slow))
    printed = interrupt(process, number)
    assert printed == ('', f'{line}\n')
    assert process.returncode == -number


@pytest.mark.parametrize('number, line', SIGNALS)
def test_later_it_ends_when_it_has_tidied_up(number, line):
    program = """
try:
    print('ready', flush=True)
    time.sleep(60)
finally:
    print('tidied up')
"""
    process = start('-c', START + program)
    assert interrupt(process, number) == ('tidied up\n', f'{line}\n')
    assert process.returncode in (-number, 128 + number)


def test_what_ignores_ctrl_c_in_the_background_can_be_ended():
    program = """
try:
    os.kill(os.getpid(), signal.SIGINT)
    print('ready', flush=True)
    time.sleep(60)
finally:
    print('tidied up')
"""
    ignore = 'import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n'
    process = start('-c', ignore + START + program)
    printed = interrupt(process, signal.SIGTERM)
    assert printed == ('tidied up\n', 'terminated\n')
    assert process.returncode == 128 + signal.SIGTERM


def test_no_interruption_is_lost():
    """Python drops an exception of a `__del__`, with a traceback."""
    program = """
class Thing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

Thing()
time.sleep(60)
"""
    done = run(program)
    assert done.stderr == 'interrupted\n'
    assert done.returncode == -signal.SIGINT


POOL = """
import multiprocessing
with multiprocessing.Pool(2) as pool:
    pool.map(time.sleep, [0.01] * 2)
    print('ready', flush=True)
    pool.map(time.sleep, [{seconds}] * 2)
"""


def test_workers_end_silently():
    process = start('-c', START + POOL.format(seconds=60))
    assert interrupt(process, signal.SIGINT) == ('', 'interrupted\n')
    done = run(POOL.format(seconds=0.01))
    assert (done.returncode, done.stderr) == (0, '')


SLOW_START = """
import sys, time
if sys.argv[0].endswith('environment.py'):
    print('ready', flush=True)
    time.sleep(1)
"""


def test_ctrl_c_waits_until_python_has_started(tmp_path):
    """From setup.sh, which finds a Python, and from environment.py on."""
    shutil.copytree(ROOT / 'build', tmp_path / 'build')
    (tmp_path / 'sitecustomize.py').write_text(SLOW_START, encoding='utf-8')
    file = tmp_path / 'build' / 'environment.py'
    become = f'ending.become(sys.executable, {str(file)!r})'
    for command in (
        [tmp_path / 'build' / 'setup.sh', 'cpu'],
        [sys.executable, '-c', START + become],
    ):
        process = subprocess.Popen(
            command,
            env={
                **os.environ,
                'PYTHON': sys.executable,
                'PYTHONPATH': str(tmp_path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert interrupt(process, signal.SIGINT) == ('', 'interrupted\n')
        assert process.returncode == -signal.SIGINT
    # What knows nothing of this would wait for ever.
    file.write_text(
        'import signal; print(signal.pthread_sigmask(0, []))', encoding='utf-8'
    )
    assert run(become).stdout == 'set()\n'


# ----------------------------------------------------------- Other programs
CHILD = """
import sys, time
try:
    print('a warning', file=sys.stderr, flush=True)
    time.sleep(60)
finally:
    open(sys.argv[1], 'w').close()
"""


def test_an_interrupted_program_tidies_up_and_says_no_more(tmp_path):
    tidied = tmp_path / 'tidied up'
    command = [sys.executable, '-c', CHILD, str(tidied)]
    process = start('-c', f'{START}ending.run({command!r})')
    assert process.stderr.readline() == 'a warning\n'
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60) == ('', 'interrupted\n')
    assert tidied.exists()


def test_a_program_that_does_not_stop_is_ended(tmp_path):
    path = tmp_path / 'pid'
    command = ['sh', '-c', f'trap "" INT; echo $$ > {path}; sleep 60; exit']
    program = f'ending.PATIENCE = 0.2\nending.run({command!r})'
    process = start('-c', START + program)
    wait_for(lambda: path.exists() and path.read_text('utf-8').endswith('\n'))
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60) == ('', 'interrupted\n')
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text('utf-8')), 0)


def test_a_program_that_has_only_just_begun_is_ended():
    program = """
import subprocess

class Interrupted(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid)
        os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen = Interrupted
ending.run(['sleep', '60'])
"""
    done = run(program)
    assert done.stderr == 'interrupted\n'
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_program_is_heard(capfd):
    program = 'import sys; print(1); print("why", file=sys.stderr); exit(3)'
    done = ending.run([sys.executable, '-c', program], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (3, '1\n', 'why\n')
    assert capfd.readouterr() == ('', 'why\n')


# ------------------------------------------------------------ Disks and files
def last_words(program):
    """The one line that a program ends with, having failed."""
    done = run(program)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def test_a_full_disk_is_named_with_what_is_free(tmp_path):
    program = "with open('/dev/full', 'w') as file: file.write('x' * 9999)"
    free = r'\d+\.\d MB are free in '
    line = last_words(program)
    pattern = f'No space left on device; {free}(.*), {free}(.*)'
    assert re.fullmatch(pattern, line).groups() == (
        str(ROOT),
        os.environ.get('TMPDIR', '/tmp'),
    )
    # Where the file is known; and what was raised because of that.
    file = tmp_path / 'no folder' / 'x'
    full = f'raise OSError({errno.ENOSPC}, "Full", {str(file)!r})'
    pattern = f'Full: {re.escape(str(file))}; {free}{re.escape(str(tmp_path))}'
    assert re.fullmatch(pattern, last_words(full))
    chained = f'try: {full}\nexcept OSError as e: raise ValueError from e'
    assert re.fullmatch(pattern, last_words(chained))


def test_tempfile_finds_no_room(monkeypatch):
    monkeypatch.setattr(tempfile, '_candidate_tempdir_list', lambda: [])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile._get_default_tempdir()
    assert 'MB are free' in ending._about_disk(caught.value)


def test_a_file_that_cannot_be_used_is_named(tmp_path):
    path = str(tmp_path / 'a\nb')
    shown = repr(path)[1:-1]
    opened = last_words(f'open({path!r})')
    assert opened == f'No such file or directory: {shown}'
    denied = f'raise PermissionError({errno.EACCES}, "Denied", {path!r})'
    assert last_words(denied) == f'Denied: {shown}'


def test_a_fault_still_shows_its_traceback():
    done = run('[][0]')
    assert done.stderr.startswith('Traceback')
    assert done.stderr.endswith('IndexError: list index out of range\n')
    assert done.returncode == 1


def test_any_name_can_be_printed():
    done = run("print('m\\udcfcll.jpg')")
    assert (done.returncode, done.stdout) == (0, 'm\\udcfcll.jpg\n')
    assert ending.plain('a\n\x1b[1m ü «»') == 'a\\n\\x1b[1m ü «»'
