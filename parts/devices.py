"""The devices that MXNet can compute on here, and what stands in the way."""

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

from parts.start import HERE

import mxnet as mx
from mxnet import np, npx


def _nvidia_gpus():
    """Ask the driver for its GPUs: a list of (name, compute capability).

    As CUDA numbers them, without those that CUDA_VISIBLE_DEVICES hides; none
    if there is no driver, or one that does not answer.
    """
    # The doctor knows how to ask, and must run where this file cannot.
    path = HERE / 'build' / 'doctor.py'
    spec = importlib.util.spec_from_file_location('doctor', path)
    doctor = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(doctor)
    gpus, _ = doctor.ask_driver()
    return [
        (gpu.name, doctor.capability_of(gpu) or 'unknown')
        for gpu in doctor.visible(gpus)
    ]


def _what_would_run(capability):
    """Say what runs on a GPU of this compute capability, such as '7.5'."""
    try:
        known = float(capability)
    except ValueError:
        return 'see the table of machines in README.md'
    if 5.0 <= known < 9.0:
        return 'install requirements/gpu.txt (mxnet-cu112 for CUDA 11)'
    if known >= 9.0:
        return (
            'no published MXNet wheel holds code for it; a community build '
            'of MXNet 2.0 does (github.com/smolix/mxnet)'
        )
    return 'it is older than what MXNet 1.9.1 was built for (5.0)'


def works(device):
    """Run a tiny convolution on the device; None if it ran, else why not."""
    try:
        x = np.ones((1, 1, 3, 3), ctx=device)
        y = npx.convolution(x, x, no_bias=True, kernel=(3, 3), num_filter=1)
        return None if float(y.item()) == 9 else f'3x3 ones gave {y.item()}'
    except mx.base.MXNetError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return lines[-1].strip()


def _count_gpus():
    """Return how many GPUs MXNet sees, and what is wrong or None."""
    try:
        return npx.num_gpus(), None
    except mx.base.MXNetError as error:  # of a driver that is not in order
        return 0, f'MXNet says «{str(error).strip().splitlines()[-1]}»'


def _usable_gpus(wanted=None):
    """The GPUs that work, and one warning that names those that do not."""
    installed, (built_for, trouble) = _nvidia_gpus(), _count_gpus()
    working, broken = [], []
    if trouble and not installed:
        broken.append(f'No GPU is used: {trouble}.')
    unseen = trouble or 'the installed MXNet cannot see it'
    for i in range(max(len(installed), built_for)):
        if wanted is not None and i != wanted:
            continue
        name, capability = (
            installed[i] if i < len(installed) else ('unknown GPU', '?')
        )
        reason = works(mx.gpu(i)) if i < built_for else unseen
        if reason is None:
            working.append(mx.gpu(i))
        else:
            broken.append(
                f'GPU {i} ({name}, compute capability {capability}) is not '
                f'used: {reason}. To use it: {_what_would_run(capability)}.'
            )
    if broken:
        warnings.warn('\n'.join(broken), stacklevel=3)
    return working


def try_gpu(i=0):
    """Return GPU number i if a tiny convolution runs on it, else the CPU."""
    return (_usable_gpus(wanted=i) or [mx.cpu()])[0]


def try_all_gpus():
    """Return every GPU on which a tiny convolution ran, else [mx.cpu()].

    A GPU that is there but cannot run the installed build is named in one
    warning, which says what would run on it.
    """
    return _usable_gpus() or [mx.cpu()]


def devices_of(net):
    """Return the devices that the parameters of a net live on."""
    return next(iter(net.collect_params().values())).list_ctx()


def peak_memory():
    """Return the most memory that this process has had so far, in MiB.

    Linux. (`getrusage` would give that of the process that started this one,
    if it is more.)
    """
    status = Path('/proc/self/status').read_text('utf-8')
    return int(status.split('VmHWM:')[1].split()[0]) / 2**10


def doctor():
    """Print what this machine runs of the book, as `make doctor` does."""
    command = [sys.executable, str(HERE / 'build' / 'doctor.py')]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout + done.stderr, end='')
