"""Threads, seeds, and GPUs that are there, broken, or absent."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import utils
from parts import devices, sources
from parts.start import physical_cores
from support import script

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np, npx

ROOT = Path(utils.__file__).parent


def run(program, **environment):
    """Run a program without OMP_NUM_THREADS: (what it prints, stderr)."""
    clean = {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'}
    result = subprocess.run(
        [sys.executable, '-c', program],
        env=clean | {'PYTHONPATH': str(ROOT)} | environment,
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


@pytest.mark.skipif(physical_cores() == 1, reason='one core: nothing to lose')
def test_mxnet_imported_first_says_what_to_set():
    _, errors = run('import mxnet, utils')
    assert f'OMP_NUM_THREADS={physical_cores()}' in errors


def test_set_seed_repeats_every_generator():
    import random

    def draw():
        utils.set_seed(7)
        mxnet = np.random.normal(size=(3,)).asnumpy().tolist()
        return random.random(), onp.random.rand(), mxnet

    assert draw() == draw()


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


def test_gpus_are_numbered_as_nvidia_smi_does(monkeypatch):
    monkeypatch.delenv('CUDA_DEVICE_ORDER')  # utils set it here, too
    show = 'import os, utils; print(os.environ["CUDA_DEVICE_ORDER"])'
    assert run(show)[0] == 'PCI_BUS_ID'
    order = {'CUDA_DEVICE_ORDER': 'FASTEST_FIRST'}
    assert run(show, **order)[0] == 'FASTEST_FIRST'


def test_the_probe_really_runs_a_convolution():
    assert devices.works(mx.cpu()) is None
    assert devices.works(mx.gpu(63)) is not None


# --------------------------------------------------------------- backbone


def write_backbone(path, whole):
    net = mx.gluon.model_zoo.vision.resnet18_v2(classes=3)
    net.initialize(mx.init.Xavier())
    net(np.zeros((1, 3, 64, 64)))
    (net if whole else net.features).save_parameters(str(path))
    return net


@pytest.mark.parametrize('whole', [True, False])
def test_backbone_from_a_local_file(tmp_path, monkeypatch, whole):
    path = tmp_path / 'mine.params'
    net = write_backbone(path, whole)
    monkeypatch.setenv('BACKBONE', str(path))
    features, origin = utils.pretrained_backbone([mx.cpu()])
    assert 'mine.params' in origin
    x = np.random.uniform(size=(1, 3, 64, 64))
    onp.testing.assert_allclose(
        features(x).asnumpy(), net.features(x).asnumpy(), rtol=1e-5
    )


def test_backbone_file_that_is_not_there_or_of_another_net(
    tmp_path, monkeypatch
):
    path = tmp_path / 'mine.params'
    monkeypatch.setenv('BACKBONE', str(path))
    with pytest.raises(FileNotFoundError, match='mine.params'):
        utils.backbone_file()
    other = mx.gluon.nn.Dense(3, in_units=2)
    other.initialize()
    other.save_parameters(str(path))
    with pytest.raises(ValueError, match='mine.params does not hold'):
        utils.pretrained_backbone([mx.cpu()])
    path.write_bytes(b'no parameters')
    with pytest.raises(ValueError, match='mine.params does not hold'):
        utils.pretrained_backbone([mx.cpu()])


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """An empty home of the model zoo, and weights under its checksum."""
    monkeypatch.delenv('BACKBONE', raising=False)
    monkeypatch.delenv('VOC_ROOT', raising=False)
    monkeypatch.setenv('MXNET_HOME', str(tmp_path / 'home'))
    path = tmp_path / 'weights.params'
    write_backbone(path, whole=True)
    import hashlib

    store = mx.gluon.model_zoo.model_store
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    monkeypatch.setitem(store._model_sha1, 'resnet18_v2', sha1)
    monkeypatch.setattr(sources, '_made_by', lambda *_, **__: 'built in')
    return path, f'resnet18_v2-{sha1[:8]}'


def test_without_the_zoos_weights_the_built_in_ones_are_taken(zoo):
    path, origin = utils.backbone_file()
    assert path == 'built in' and 'built-in' in origin


def test_weights_in_the_zoos_folder_are_honoured(zoo, tmp_path):
    weights, name = zoo
    folder = tmp_path / 'home' / 'models'
    folder.mkdir(parents=True)
    (folder / f'{name}.params').write_bytes(weights.read_bytes())
    path, origin = utils.backbone_file()
    assert path == folder / f'{name}.params' and 'ImageNet' in origin
    assert utils.pretrained_backbone([mx.cpu()])[1] == origin


def test_weights_of_a_mirror_are_honoured(zoo, tmp_path, monkeypatch):
    import functools
    import http.server
    import threading
    import zipfile

    weights, name = zoo
    served = tmp_path / 'mirror' / 'gluon' / 'models'
    served.mkdir(parents=True)
    with zipfile.ZipFile(served / f'{name}.zip', 'w') as archive:
        archive.write(weights, f'{name}.params')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0),
        functools.partial(Quiet, directory=str(tmp_path / 'mirror')),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(
        'MXNET_GLUON_REPO', f'http://127.0.0.1:{server.server_port}/'
    )
    path, origin = utils.backbone_file()
    server.shutdown()
    server.server_close()
    assert path.name == f'{name}.params' and 'ImageNet' in origin


def test_a_mirror_that_fails_is_reported(zoo, monkeypatch):
    monkeypatch.setenv('MXNET_GLUON_REPO', 'http://127.0.0.1:9/')
    path, origin = utils.backbone_file()
    assert path == 'built in' and 'could not be had' in origin
    monkeypatch.setenv('BACKBONE', 'imagenet')
    with pytest.raises(ConnectionError, match='could not be had'):
        utils.backbone_file()
