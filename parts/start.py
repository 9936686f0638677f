"""What a process needs before MXNet is imported, and right after.

Every room that imports MXNet imports this one first.
"""

import ctypes
import glob
import importlib.metadata
import os
import random
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # the folder of utils.py


def physical_cores():
    """Count the physical cores this process may use."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        topology = f'/sys/devices/system/cpu/cpu{cpu}/topology/'
        try:
            cores.add(
                Path(topology, 'thread_siblings_list').read_text('utf-8')
            )
        except OSError:  # no such table on this machine: count every thread
            cores.add(cpu)
    return len(cores)


def _use_all_cores():
    """Make MXNet use every physical core; by itself it uses half of them.

    It reads OMP_NUM_THREADS once, when it is imported.
    """
    if 'OMP_NUM_THREADS' in os.environ:
        return
    cores = physical_cores()
    if 'mxnet' in sys.modules and cores > 1:
        warnings.warn(
            'MXNet was imported before utils and uses half of the cores: '
            f'import utils first, or set OMP_NUM_THREADS={cores} and restart',
            stacklevel=5,  # of whoever imports utils
        )
    os.environ['OMP_NUM_THREADS'] = str(cores)


def _wait_shortly():
    """Let threads without work give their core back after a moment.

    By themselves, OpenMP's look for work for some milliseconds (300,000
    times), while others read the next photos. It reads this once, when it is
    loaded.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ.setdefault('GOMP_SPINCOUNT', '10000')


def _load_cuda_libraries():
    """Load the CUDA libraries that pip put where no loader looks.

    Only for the GPU build (mxnet-cu112); without it, nothing happens.
    """
    try:
        gpu_build = importlib.metadata.distribution('mxnet-cu112')
    except importlib.metadata.PackageNotFoundError:
        return
    # Each library after those that it needs itself.
    names = 'cudart nvToolsExt nvrtc cublasLt cublas cudnn cufft curand'
    # Those beside MXNet: other folders may hold another CUDA's.
    folders = [str(gpu_build.locate_file('')), *sys.path]
    for name in (names + ' cusparse cusolver nccl').split():
        for folder in folders:
            pattern = f'{glob.escape(folder)}/nvidia/*/lib/lib{name}.so.*'
            if found := sorted(glob.glob(pattern)):
                ctypes.CDLL(found[0], mode=ctypes.RTLD_GLOBAL)
                break


def _keep_memory():
    """Let large blocks be used again; by itself glibc gives them back.

    On a CPU, MXNet asks for the memory of every array anew, and the kernel
    would clear each of its pages: that takes longer than many a layer.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt:  # glibc; the numbers are those of its malloc.h
        mallopt(-4, 0)  # M_MMAP_MAX: no block outside of the heap
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap does not shrink
        mallopt(-8, 1)  # M_ARENA_MAX: one heap for all threads


_use_all_cores()
_wait_shortly()
_keep_memory()
# By itself, CUDA numbers the fastest GPU first, unlike nvidia-smi.
os.environ.setdefault('CUDA_DEVICE_ORDER', 'PCI_BUS_ID')
_load_cuda_libraries()

from parts import numpys  # NumPy, too, reads the number of threads

numpys.give_back_names()

import mxnet as mx
import numpy as onp
from mxnet import npx

numpys.write_plain_numbers()
npx.set_np()
# A process that forks while MXNet still works on a batch could wait forever.
os.register_at_fork(before=npx.waitall)
ON_MXNET1 = mx.__version__.startswith('1.')


def set_seed(seed):
    """Seed Python's, NumPy's and MXNet's generators with one integer."""
    random.seed(seed)
    onp.random.seed(seed)
    mx.random.seed(seed)
