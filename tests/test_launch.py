"""Many machines, played on this one: tools/launch.py and dist_sync."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import utils
from support import wait_for
from tools import launch

import numpy as onp
import pytest

ROOT = Path(utils.__file__).parent
LAUNCH = [sys.executable, str(ROOT / 'tools' / 'launch.py')]

# A tiny net on noise; every photo has another number of void pixels.
PROGRAM = """
import os, signal, sys
import segbook, utils
import mxnet as mx
import numpy as onp
from mxnet import np
from mxnet.gluon import nn

class Noise:
    def __len__(self):
        return 10

    def get(self, i, epoch=0):
        if epoch == 3 and os.environ.get('KILL') == str(trained_by()):
            os.kill(os.getpid(), signal.SIGKILL)
        if epoch == 3 and os.environ.get('FAIL') == str(trained_by()):
            raise ValueError('a broken photo')
        rng = onp.random.default_rng((i, epoch))
        image = rng.integers(0, 256, (8, 8, 3), dtype='uint8')
        label = rng.integers(0, 4, (8, 8), dtype='uint8')
        label[: i % 8] = utils.VOID
        return image, label

def trained_by():
    return batches.part[0]

kvstore, target, checkpoint = sys.argv[1:]
# SCATTER: other weights in each worker; those of rank 0 must reach all.
utils.set_seed(int(os.environ['PORT']) if 'SCATTER' in os.environ else 0)
net = nn.HybridSequential()
net.add(
    nn.Conv2D(8, 3, padding=1, in_channels=3, activation='relu'),
    nn.BatchNorm(in_channels=8),
    nn.Conv2D(4, 3, padding=1, in_channels=8),
)
net.initialize(mx.init.Xavier())
if 'MOVING' not in os.environ:
    utils.freeze_batch_norm(net)
# A net that was looked at: its weights may lie in an order of oneDNN's own.
net(np.zeros((2, 3, 8, 8))).wait_to_read()
batches = utils.Batches(Noise(), 4, seed=3)
history = utils.train(
    net,
    batches,
    segbook.void_cross_entropy,
    5,
    optimizer_params={'learning_rate': 0.01},
    devices=[mx.cpu()],
    checkpoint=checkpoint or None,
    kvstore=kvstore,
)
part = batches.part[0]
values = [p.data().asnumpy() for p in net.collect_params().values()]
onp.savez(f'{target}-{part}.npz', history['loss'], *values)
"""


def run(tmp_path, *options, name='out', checkpoint='', **environment):
    """Run the program above: (what was printed, errors, exit code)."""
    path = tmp_path / 'program.py'
    path.write_text(PROGRAM, encoding='utf-8')
    launcher = LAUNCH + [*options, '--'] if options else []
    kvstore = 'dist_sync' if options else 'device'
    command = [sys.executable, str(path), kvstore, str(tmp_path / name)]
    done = subprocess.run(
        [*launcher, *command, str(checkpoint)],
        env=os.environ
        | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
        | {'MARK': str(tmp_path)}
        | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout, done.stderr, done.returncode


def arrays(path):
    with onp.load(path) as file:
        return [file[name] for name in sorted(file)]


def assert_close(one, other, atol):
    for a, b in zip(arrays(one), arrays(other), strict=True):
        onp.testing.assert_allclose(a, b, atol=atol)


def running(tmp_path):
    """How many processes have a test's folder in command or environment."""
    found = 0
    for place in Path('/proc').glob('[0-9]*'):
        try:
            state = (
                (place / 'stat')
                .read_text('utf-8')
                .rpartition(')')[2]
                .split()[0]
            )
            texts = [(place / n).read_bytes() for n in ('cmdline', 'environ')]
        except (OSError, ProcessLookupError):
            continue  # not ours, or it has just ended
        found += state != 'Z' and str(tmp_path).encode() in b''.join(texts)
    return found


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """The results of one process, in which ten steps were taken."""
    folder = tmp_path_factory.mktemp('alone')
    printed, errors, code = run(folder)
    assert code == 0, errors
    return folder / 'out-0.npz'


def test_two_workers_do_what_one_does_with_the_whole_batch(tmp_path, alone):
    printed, errors, code = run(tmp_path, '--workers', '2', '--servers', '2')
    assert code == 0, errors + printed
    for rank in (0, 1):
        assert_close(alone, tmp_path / f'out-{rank}.npz', 1e-4)
    epochs = [line for line in printed.splitlines() if ': loss' in line]
    assert len(epochs) == 5  # rank 0 prints, and nobody else
    assert all(line.startswith('worker 0 | epoch') for line in epochs)
    assert not running(tmp_path)


def test_all_workers_begin_and_end_with_the_same_parameters(tmp_path):
    printed, errors, code = run(
        tmp_path, '--workers', '2', SCATTER='1', MOVING='1'
    )
    assert code == 0, errors + printed
    assert_close(tmp_path / 'out-0.npz', tmp_path / 'out-1.npz', 0)


def test_a_killed_worker_ends_the_run_which_then_resumes(tmp_path):
    """Running statistics, which each worker has of its own, included."""
    options = {'checkpoint': tmp_path / 'run.ckpt', 'MOVING': '1'}
    printed, errors, code = run(
        tmp_path, '--workers', '2', KILL='1', **options
    )
    assert code == 128 + signal.SIGKILL
    assert 'worker 1 (process' in errors
    assert 'was killed by SIGKILL; all are ended' in errors
    assert options['checkpoint'].exists()
    assert not list(tmp_path.glob('*.npz'))
    assert not running(tmp_path)

    printed, errors, code = run(tmp_path, '--workers', '2', **options)
    assert code == 0, errors + printed
    # The kill may come before the third epoch is written, or after.
    found = re.search('worker 0 . the checkpoint has ([23]) of 5', printed)
    assert printed.count(': loss') == 5 - int(found[1])
    printed, errors, code = run(
        tmp_path, '--workers', '2', name='whole', MOVING='1'
    )
    assert code == 0, errors + printed
    for rank in (0, 1):
        assert_close(
            tmp_path / f'out-{rank}.npz', tmp_path / f'whole-{rank}.npz', 1e-6
        )


def test_a_worker_that_fails_shows_why_and_ends_the_run(tmp_path):
    printed, errors, code = run(tmp_path, '--workers', '2', FAIL='0')
    assert code == 1, errors
    assert 'worker 0 | ValueError: a broken photo' in printed
    assert 'worker 0 (process' in errors and 'exit code 1' in errors
    assert not running(tmp_path)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_the_launcher_ends_all(tmp_path, number):
    sleeper = f'import time; {str(tmp_path)!r}; time.sleep(600)'
    launcher = subprocess.Popen(
        [*LAUNCH, '--workers', '1', '--', 'python', '-c', sleeper],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {'MARK': str(tmp_path)},
    )
    wait_for(lambda: running(tmp_path) >= 4, 240)  # the launcher, three roles
    launcher.send_signal(number)
    assert launcher.wait() in (128 + number, -number)
    wait_for(lambda: not running(tmp_path))


def test_a_process_whose_launcher_is_gone_does_not_begin():
    for parent, said in ((os.getpid(), 'begun\n'), (-1, '')):
        done = subprocess.run(
            [sys.executable, '-c', 'print("begun")'],
            preexec_fn=lambda parent=parent: launch.die_with(parent),
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.returncode) == (said, int(not said))


def test_the_printed_lines_start_the_same_run(tmp_path, alone):
    """Typed into shells, as a person would on several machines."""
    path = tmp_path / 'program.py'
    path.write_text(PROGRAM, encoding='utf-8')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, str(path), 'dist_sync', str(tmp_path / 'out')]
    printed = subprocess.run(
        [*LAUNCH, '--workers', '2', '--port', port, '--print-env', '--']
        + [*command, ''],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = [line for line in printed.splitlines() if line[0] != '#']
    assert len(lines) == 4
    folder = str(Path(sys.executable).parent)
    shells = [
        subprocess.Popen(
            ['sh', '-c', line],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ
            | {
                'PYTHONPATH': str(ROOT),
                'OMP_NUM_THREADS': '1',
                'DMLC_NODE_HOST': '127.0.0.1',
                'PATH': folder + os.pathsep + os.environ['PATH'],
            },
        )
        for line in lines
    ]
    try:
        assert [shell.wait(timeout=240) for shell in shells] == [0] * 4
    finally:
        for shell in shells:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    assert_close(alone, tmp_path / 'out-0.npz', 1e-4)


def test_arguments_that_cannot_be_are_named():
    for options, words in (
        (['--workers', '0', '--', 'true'], 'at least one worker'),
        (['--workers', '2'], 'required: -- COMMAND'),
    ):
        done = subprocess.run(
            [*LAUNCH, *options], capture_output=True, text=True
        )
        assert done.returncode == 2 and words in done.stderr


def test_workers_that_would_train_alone_do_not_begin(tmp_path):
    path = tmp_path / 'program.py'
    path.write_text(PROGRAM, encoding='utf-8')
    command = ['python', str(path), 'device', str(tmp_path / 'out'), '']
    done = subprocess.run(
        [*LAUNCH, '--workers', '2', '--', *command],
        env=os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "would let it train alone, as all others: kvstore='dist_sync'" in (
        done.stdout
    )
    assert ': loss' not in done.stdout


def test_the_documented_command_works_as_it_is_typed(tmp_path):
    """In a folder like the book's, whose training is short."""
    (tmp_path / '.venv').symlink_to(sys.prefix)
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/launch.py').symlink_to(ROOT / 'tools/launch.py')
    (tmp_path / 'tools/train.py').write_text(
        f'import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport utils, mxnet\n'
        "store = mxnet.kv.create('dist_sync')\n"
        'print(f"rank {store.rank} of {store.num_workers}", sys.argv[1:])\n',
        encoding='utf-8',
    )
    line, _ = launch.__doc__.split('\n\n')[1:3]
    shell = {k: v for k, v in os.environ.items() if k != 'DMLC_ROLE'}
    done = subprocess.run(
        line,
        shell=True,
        cwd=tmp_path,
        env=shell | {'PATH': os.defpath, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    given = "['--kvstore', 'dist_sync', '--checkpoint', 'run.ckpt']"
    for rank in (0, 1):
        assert f'worker {rank} | rank {rank} of 2 {given}' in done.stdout


def test_a_python_without_mxnet_says_which_has_it(tmp_path):
    """One that sees neither the environment's packages nor the user's."""
    done = subprocess.run(
        [sys.executable, '-I', '-S', *LAUNCH[1:], '--workers', '1', 'true'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert 'has no MXNet' in done.stderr and '.venv/bin/python' in done.stderr
