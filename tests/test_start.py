"""What a process begins with: threads, memory, seeds, the order of GPUs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import utils
from parts.start import HERE, physical_cores

import numpy as onp
import pytest
from mxnet import np


def run(program, **environment):
    """Run a program without what says how many threads, and how they wait.

    Returns what it prints, and stderr.
    """
    clean = {k: v for k, v in os.environ.items() if 'OMP_' not in k}
    result = subprocess.run(
        [sys.executable, '-c', program],
        env=clean | {'PYTHONPATH': str(HERE)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip(), result.stderr


def test_importing_utils_uses_every_physical_core():
    listed = subprocess.run(
        ['lscpu', '-p=CORE,SOCKET'], capture_output=True, text=True
    ).stdout
    cores = {line for line in listed.splitlines() if line[0] != '#'}
    if len(os.sched_getaffinity(0)) < (os.cpu_count() or 1):
        cores = list(cores)[: len(os.sched_getaffinity(0))]
    printed, errors = run(
        'import utils, os; print(os.environ["OMP_NUM_THREADS"])'
    )
    assert int(printed) == len(cores)
    assert 'Warning' not in errors


def test_freed_memory_is_used_again():
    """A second block of 200 MB: the kernel need not clear new pages for it."""
    program = """
import resource
import utils
import numpy
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    numpy.ones(200_000_000, dtype='uint8')
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), faults())
"""
    first, second = map(int, run(program)[0].split())
    assert second < first / 10


def test_a_number_of_threads_that_was_set_is_kept():
    printed, _ = run(
        'import utils, os; print(os.environ["OMP_NUM_THREADS"])',
        OMP_NUM_THREADS='1',
    )
    assert printed == '1'


@pytest.mark.parametrize(
    ('given', 'count'),
    [
        ({}, '10000'),
        ({'GOMP_SPINCOUNT': '7'}, '7'),
        ({'OMP_WAIT_POLICY': 'active'}, 'None'),
    ],
)
def test_threads_without_work_wait_shortly_unless_told_otherwise(given, count):
    program = 'import utils, os; print(os.environ.get("GOMP_SPINCOUNT"))'
    assert run(program, **given)[0] == count


@pytest.mark.skipif(physical_cores() == 1, reason='one core: nothing to lose')
def test_mxnet_imported_first_says_what_to_set():
    # A newer NumPy needs its names first, or MXNet does not start at all.
    names = 'from parts import numpys; numpys.give_back_names(); '
    _, errors = run(names + 'import mxnet\n\nimport utils\nimport segbook')
    (line,) = [line for line in errors.splitlines() if 'MXNet was' in line]
    assert line.startswith('<string>:3: UserWarning: ')  # the program's own
    assert f'OMP_NUM_THREADS={physical_cores()}' in line


def test_set_seed_repeats_every_generator():
    import random

    def draw():
        utils.set_seed(7)
        mxnet = np.random.normal(size=(3,)).asnumpy().tolist()
        return random.random(), onp.random.rand(), mxnet

    assert draw() == draw()


def test_gpus_are_numbered_as_nvidia_smi_does(monkeypatch):
    monkeypatch.delenv('CUDA_DEVICE_ORDER')  # utils set it here, too
    show = 'import os, utils; print(os.environ["CUDA_DEVICE_ORDER"])'
    assert run(show)[0] == 'PCI_BUS_ID'
    order = {'CUDA_DEVICE_ORDER': 'FASTEST_FIRST'}
    assert run(show, **order)[0] == 'FASTEST_FIRST'


FORKS = """
import multiprocessing
import numpy
import utils

class Black:
    def __len__(self):
        return 8

    def get(self, i, epoch=0):
        return numpy.zeros((256, 256, 3), 'uint8'), numpy.zeros((256, 256))

def nothing():
    pass

for _ in range(20):
    for images, labels in utils.Batches(Black(), 4):
        busy = utils.normalize(images)
        for _ in range(5):
            busy = 2 * busy
    del images, labels
    process = multiprocessing.get_context('fork').Process(target=nothing)
    process.start()
    process.join()
"""


def test_a_process_can_fork_while_mxnet_works_on_a_batch():
    subprocess.run([sys.executable, '-c', FORKS], check=True, timeout=120)


def test_the_cuda_libraries_are_those_beside_mxnet(tmp_path):
    """Another CUDA's lie in a folder that is searched before."""
    maps = Path('/proc/self/maps').read_text('utf-8')
    library = re.search(r'/\S+/libm[.-]\S+', maps)[0]  # any will do
    ours, theirs = tmp_path / 'of MXNet', tmp_path / 'of others'
    for folder, file in (
        (ours, 'cublas/lib/libcublas.so.11'),
        (theirs, 'cublas/lib/libcublas.so.12'),
        (theirs, 'nccl/lib/libnccl.so.2'),
    ):
        (folder / 'nvidia' / file).parent.mkdir(parents=True)
        shutil.copy(library, folder / 'nvidia' / file)
    info = ours / 'mxnet_cu112-1.9.1.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        'Name: mxnet-cu112\nVersion: 1.9.1\n', encoding='utf-8'
    )
    show = 'import utils; print(open("/proc/self/maps").read())'
    path = os.pathsep.join(map(str, (theirs, ours, HERE)))
    loaded, _ = run(show, PYTHONPATH=path)
    assert set(re.findall(r'\S+/(lib\S+)$', loaded, re.MULTILINE)) >= {
        *('libcublas.so.11', 'libnccl.so.2')  # the second is only there
    }
    assert 'libcublas.so.12' not in loaded
