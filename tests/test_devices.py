"""GPUs that are there, broken, or absent."""

import os
import warnings

import utils
from parts import devices
from support import script

import mxnet as mx
import pytest
from mxnet import npx


def gpus(monkeypatch, installed, built_for=0, failures=None):
    """Pretend these GPUs; `failures` maps a number to why it fails."""
    failures = failures or {}
    monkeypatch.setattr(devices, '_nvidia_gpus', lambda: installed)
    monkeypatch.setattr(npx, 'num_gpus', lambda: built_for)
    monkeypatch.setattr(
        devices, 'works', lambda device: failures.get(device.device_id)
    )


def test_without_gpus_the_cpu_is_used_silently(monkeypatch):
    gpus(monkeypatch, [])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert utils.try_all_gpus() == [mx.cpu()]
        assert utils.try_gpu() == mx.cpu()


def test_every_gpu_that_works_is_used(monkeypatch):
    gpus(monkeypatch, [('Tesla T4', '7.5')] * 2, built_for=2)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert utils.try_all_gpus() == [mx.gpu(0), mx.gpu(1)]
        assert utils.try_gpu(1) == mx.gpu(1)


@pytest.mark.parametrize(
    ('name', 'capability', 'advice'),
    [
        ('NVIDIA H100', '9.0', 'community build'),
        ('NVIDIA GeForce RTX 5090', '12.0', 'community build'),
        ('Tesla T4', '7.5', 'requirements/gpu.txt'),
        ('Tesla K80', '3.7', 'older'),
    ],
)
def test_a_gpu_that_fails_is_named_in_one_warning(
    monkeypatch, name, capability, advice
):
    reason = 'no kernel image is available for execution on the device'
    gpus(monkeypatch, [(name, capability)], 1, {0: reason})
    with pytest.warns(UserWarning) as caught:
        assert utils.try_all_gpus() == [mx.cpu()]
    assert len(caught) == 1
    for word in (name, capability, reason, advice):
        assert word in str(caught[0].message)


def test_the_gpus_that_work_are_used_beside_one_that_does_not(monkeypatch):
    installed = [('Tesla T4', '7.5'), ('NVIDIA H100', '9.0')]
    gpus(monkeypatch, installed, 2, {1: 'no kernel image'})
    with pytest.warns(UserWarning, match='GPU 1 .NVIDIA H100'):
        assert utils.try_all_gpus() == [mx.gpu(0)]


def test_a_gpu_beside_a_cpu_build_is_named(monkeypatch):
    gpus(monkeypatch, [('Tesla T4', '7.5')], built_for=0)
    with pytest.warns(UserWarning, match='cannot see it.*gpu.txt'):
        assert utils.try_all_gpus() == [mx.cpu()]


def test_a_driver_that_fails_is_told_and_the_cpu_is_used(monkeypatch):
    """With this error CUDA's build answers if the driver's start fails."""

    def fail():
        raise mx.base.MXNetError(
            'Traceback (most recent call last):\n  File "base.h", line 458\n'
            'CUDA: Check failed: e == cudaSuccess (999 vs. 0) : unknown error'
        )

    gpus(monkeypatch, [('Tesla T4', '7.5')])
    monkeypatch.setattr(npx, 'num_gpus', fail)
    with pytest.warns(UserWarning, match='Tesla T4.*999.*unknown error'):
        assert utils.try_all_gpus() == [mx.cpu()]
    gpus(monkeypatch, [])
    monkeypatch.setattr(npx, 'num_gpus', fail)
    with pytest.warns(UserWarning, match='^No GPU is used: .*999'):
        assert utils.try_all_gpus() == [mx.cpu()]


def drive(folder, monkeypatch, text):
    """Put a script in place of nvidia-smi."""
    script(folder / 'nvidia-smi', text)
    monkeypatch.setenv('PATH', str(folder), prepend=os.pathsep)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)


NEW = """cat <<'END'
0, Tesla T4, 535.183.01, 7.5, 15360
1, NVIDIA A100-SXM4-40GB, 535.183.01, 8.0, 40960
END"""
# Drivers before 510 know no compute_cap.
OLD = """case "$*" in *compute_cap*)
    echo 'Field "compute_cap" is not a valid field to query.'; exit 2;;
esac
echo '0, Tesla V100-SXM2-16GB, 470.57.02, 16160'
echo '1, Graphics Device, 470.57.02, 16160'"""


def test_the_drivers_answer_is_read(tmp_path, monkeypatch):
    drive(tmp_path, monkeypatch, NEW)
    two = [('Tesla T4', '7.5'), ('NVIDIA A100-SXM4-40GB', '8.0')]
    assert devices._nvidia_gpus() == two
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '1,0')
    assert devices._nvidia_gpus() == two[::-1]  # as CUDA numbers them
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert devices._nvidia_gpus() == []
    drive(tmp_path, monkeypatch, OLD)
    assert devices._nvidia_gpus() == [
        ('Tesla V100-SXM2-16GB', '7.0'),
        ('Graphics Device', 'unknown'),
    ]
    with pytest.warns(UserWarning, match='capability 7.0.*gpu.txt'):
        assert utils.try_all_gpus() == [mx.cpu()]
    drive(tmp_path, monkeypatch, 'echo "NVIDIA-SMI has failed" >&2; exit 9')
    assert devices._nvidia_gpus() == []


def test_the_probe_really_runs_a_convolution():
    assert devices.works(mx.cpu()) is None
    assert devices.works(mx.gpu(63)) is not None
