"""What the doctor says of machines, from what their drivers answer."""

import ast
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import doctor
import utils
from parts.start import physical_cores
from support import script

import mxnet as mx
import pytest

# What `nvidia-smi --query-gpu=index,name,driver_version,compute_cap,
# memory.total --format=csv,noheader,nounits` prints, and its status. Drivers
# before 510 print OLD for it and answer the same query without compute_cap.
OLD = 'Field "compute_cap" is not a valid field to query.\n'
T4 = '0, Tesla T4, 535.183.01, 7.5, 15360\n'
A100 = '0, NVIDIA A100-SXM4-40GB, 525.105.17, 8.0, 40960\n'
RTX4090 = '0, NVIDIA GeForce RTX 4090, 550.54.14, 8.9, 24564\n'
H100 = '0, NVIDIA H100 80GB HBM3, 535.129.03, 9.0, 81559\n'
RTX5090 = '0, NVIDIA GeForce RTX 5090, 570.86.16, 12.0, 32607\n'
K80 = '0, Tesla K80, 470.256.02, 11441\n1, Tesla K80, 470.256.02, 11441\n'
V100 = '0, Tesla V100-SXM2-16GB, 470.57.02, 16160\n'
TWO = (
    '0, NVIDIA GeForce GTX 1080 Ti, 580.65.06, 6.1, 11264\n'
    '1, NVIDIA H100 PCIe, 580.65.06, 9.0, 81559\n'
)
NOT_LOADED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA "
    'driver. Make sure that the latest NVIDIA driver is installed and '
    'running.\n\n'
)
MISMATCH = (
    'Failed to initialize NVML: Driver/library version mismatch\n'
    'NVML library version: 535.161\n'
)
RUNS_CPU = 'This machine runs the book on its CPU ('


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A bare machine without a driver; its function installs a driver."""
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in ('sh', 'cat', 'sleep', 'make'):
        (tools / name).symlink_to(shutil.which(name))
    monkeypatch.setenv('PATH', str(tools))
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setattr(doctor, 'SYS', tmp_path / 'sys')
    monkeypatch.setattr(doctor, 'PROC', tmp_path / 'proc')
    monkeypatch.setattr(doctor, 'cores', lambda: 2)
    monkeypatch.setattr(doctor, 'has_libcuda', lambda: True)
    monkeypatch.setattr(doctor, 'environments', dict)
    monkeypatch.setattr(
        doctor, 'python_for_the_book', lambda: (True, '3.11.7 (/usr/bin/...)')
    )
    have(monkeypatch, free=18)

    def install(text, status=0, old=False):
        answer = f"cat <<'END'\n{text}END\nexit {status}\n"
        if old:
            refusal = f"cat <<'END'\n{OLD}\nEND\nexit 2"
            answer = (
                f'case "$*" in *compute_cap*)\n{refusal};;\nesac\n{answer}'
            )
        script(tools / 'nvidia-smi', answer)

    return install


def have(monkeypatch, free):
    sizes = 23 * doctor.GIB, free * doctor.GIB
    monkeypatch.setattr(doctor, 'memory', lambda: sizes)


def ask():
    """Return (whether the book runs, verdict, the whole text unwrapped)."""
    runs, lines = doctor.diagnose()
    assert len(lines) <= 25
    assert all(line.isprintable() for line in lines)
    assert all(len(line) < 80 for line in lines[1:])
    assert lines[1] == '' and lines[2].split()
    return runs, lines[0], ' '.join(' '.join(lines).split())


@pytest.mark.parametrize(
    'answer, old, name, words',
    [
        (T4, False, 'Tesla T4', '15 GiB, compute capability 7.5'),
        (A100, False, 'NVIDIA A100-SXM4-40GB', '40 GiB, compute capability 8'),
        (RTX4090, False, 'NVIDIA GeForce RTX 4090', 'compute capability 8.9'),
        (V100, True, 'Tesla V100-SXM2-16GB', 'compute capability 7.0'),
    ],
)
def test_gpus_that_the_published_wheel_serves(
    machine, answer, old, name, words
):
    machine(answer, old=old)
    runs, verdict, text = ask()
    assert (
        runs and verdict == f'This machine runs the book on its GPU ({name}).'
    )
    assert 'Type make lab BOX=gpu (the first time, it installs ' in text
    assert 'mxnet-cu112 1.9.1: 5.4 GB of disk' in text
    assert words in text and 'enough for CUDA 11.2' in text


@pytest.mark.parametrize('answer', [H100, RTX5090])
def test_gpus_that_are_too_new(machine, answer):
    machine(answer)
    runs, verdict, text = ask()
    _, name, driver, capability, _ = answer.split(', ')
    assert (
        runs
        and verdict
        == f'{RUNS_CPU}2 cores, 23 GiB), not on its GPU ' + (f'({name}).')
    )
    assert 'Type make lab (the first time, it installs mxnet 1.9.1' in text
    assert 'BOX=gpu' not in text
    assert f'{capability}: too new, no published MXNet has code' in text
    assert 'github.com/smolix/mxnet' in text
    assert f'driver 590 or newer (this is {driver})' in text


def test_gpus_that_are_too_old(machine):
    machine(K80, old=True)
    runs, verdict, text = ask()
    assert runs and verdict.startswith(RUNS_CPU)
    assert 'not on its 2 GPUs (Tesla K80)' in verdict
    assert 'GPU 0, 1: Tesla K80' in text and 'too old' in text


def test_two_different_gpus(machine, monkeypatch):
    machine(TWO)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '1')
    runs, verdict, text = ask()
    assert (
        runs and '1 of its 2 GPUs (GPU 0: NVIDIA GeForce GTX 1080' in verdict
    )
    assert 'make lab BOX=gpu' in text and 'PCI_BUS_ID' in text
    assert 'GPU 0: NVIDIA GeForce' in text and '1: NVIDIA H100 PCIe' in text
    assert 'CUDA_VISIBLE_DEVICES=1 hides' in text


@pytest.mark.parametrize(
    'chosen, left',
    [('0', '0'), ('1,0', '10'), (' 1 ', '1'), ('0,7,1', '0'), ('GPU-8f', '')]
    + [('', ''), ('-1', ''), (None, '01')],
)
def test_gpus_that_are_hidden_from_cuda(machine, monkeypatch, chosen, left):
    machine(TWO)
    if chosen is not None:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', chosen)
    gpus = doctor.visible(doctor.ask_driver()[0])
    assert ''.join(gpu.index for gpu in gpus) == left


LISTED = """\
WARNING: infoROM is corrupted at gpu 0000:00:1E.0
GPU 0: NVIDIA GeForce GTX 1080 (UUID: GPU-8f0c1a2b-0000-1111-2222-333344445555)
GPU 1: NVIDIA H100 PCIe (UUID: GPU-8f0c9999-0000-1111-2222-333344445555)
  MIG 1g.10gb     Device  0: (UUID: MIG-a1b2c3d4-1111-5555-9999-000011112222)
  MIG 1g.10gb     Device  1: (UUID: MIG-GPU-8f0c9999-0000-1111-2222/1/0)
"""


@pytest.mark.parametrize(
    ('chosen', 'left'),
    [
        ('GPU-8f0c9999-0000-1111-2222-333344445555', '1'),
        ('GPU-8f0c9', '1'),  # CUDA takes the begin of one
        ('GPU-8f0c9, GPU-8f0c1', '10'),
        ('1,GPU-8f0c1', '10'),
        ('GPU-8f0c', ''),  # of two: neither
        ('GPU-77', ''),
        ('0,GPU-77,1', '0'),
        ('MIG-a1b2c3d4-1111-5555-9999-000011112222', '1'),
        ('MIG-GPU-8f0c9999-0000-1111-2222/1/0', '1'),
    ],
)
def test_gpus_that_are_chosen_by_their_uuid(
    machine, monkeypatch, tmp_path, chosen, left
):
    machine(TWO)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', chosen)
    smi = tmp_path / 'bin' / 'nvidia-smi'
    answer = smi.read_text(encoding='utf-8').partition('\n')
    listed = f"if [ $1 = -L ]; then cat <<'END'\n{LISTED}END\nexit; fi\n"
    script(smi, listed + answer[2])
    gpus = doctor.visible(doctor.ask_driver()[0])
    assert ''.join(gpu.index for gpu in gpus) == left
    _, _, text = ask()
    assert text.endswith(
        f'{chosen} hides all GPUs but {", ".join(left)}'
        if left
        else f'{chosen} hides all GPUs'
    )


def test_eight_alike_are_one_line(machine):
    machine(''.join(A100.replace('0,', f'{i},', 1) for i in range(8)))
    _, verdict, text = ask()
    assert verdict.endswith('its 8 GPUs (NVIDIA A100-SXM4-40GB).')
    assert 'GPU 0, 1, 2, 3, 4, 5, 6, 7: NVIDIA A100' in text


@pytest.mark.parametrize(
    'version, enough',
    [
        ('440.33.01', False),
        ('450.51.06', False),
        ('450.80.02', True),
        ('460.32.03', True),
        ('1000.1', True),
    ],
)
def test_the_driver_that_cuda_needs(machine, version, enough):
    machine(f'0, Tesla T4, {version}, 15109\n', old=True)
    runs, verdict, text = ask()
    assert runs and verdict.startswith(RUNS_CPU) != enough
    assert ('too old for CUDA 11.2' in text) != enough
    assert '450.80.02' in text


@pytest.mark.parametrize(
    'name, capability',
    [
        ('GeForce RTX 3090', '8.6'),
        ('RTX A6000', '8.6'),
        ('NVIDIA A30', '8.0'),
        ('Quadro RTX 6000', '7.5'),
        ('GeForce GTX 1660 Ti', '7.5'),
        ('GRID T4-8C', '7.5'),
        ('TITAN V', '7.0'),
        ('Tesla P100-PCIE-16GB', '6.0'),
        ('Tesla P40', '6.1'),
        ('TITAN X (Pascal)', '6.1'),
        ('GeForce GTX TITAN X', '5.2'),
        ('Tesla M60', '5.2'),
        ('GeForce GTX 750 Ti', '5.0'),
        ('Quadro K2200', '5.0'),
        ('GeForce GTX 780', '3.x'),
        ('Tesla K20Xm', '3.x'),
        ('GeForce GTX TITAN Black', '3.x'),
    ],
)
def test_names_for_drivers_that_do_not_tell(name, capability):
    gpu = doctor.Gpu('0', name, '470.57.02', '', '16160')
    runs, text = doctor.judge(gpu)
    assert f'compute capability {capability}:' in text
    assert runs == (capability != '3.x')


def test_a_gpu_that_nobody_knows(machine):
    machine('0, Graphics Device, 470.57.02, [N/A]\n', old=True)
    runs, verdict, text = ask()
    assert runs and 'perhaps on its GPU (Graphics Device)' in verdict
    assert 'Type make lab (' in text and 'or try make lab BOX=gpu' in text
    assert 'compute capability unknown' in text


def test_no_driver(machine, tmp_path):
    runs, verdict, text = ask()
    assert runs and verdict == f'{RUNS_CPU}2 cores, 23 GiB).'
    assert 'no NVIDIA driver' in text

    card = tmp_path / 'sys/bus/pci/devices/0000:01:00.0'
    card.mkdir(parents=True)
    (card / 'vendor').write_text('0x10de\n', encoding='utf-8')
    (card / 'class').write_text('0x030200\n', encoding='utf-8')
    assert 'an NVIDIA card is there: install the driver' in ask()[2]

    version = tmp_path / 'proc/driver/nvidia/version'
    version.parent.mkdir(parents=True)
    version.touch()
    assert 'docker run --gpus all' in ask()[2]


@pytest.mark.parametrize(
    'answer, status, advice',
    [
        (NOT_LOADED, 9, 'the driver is not loaded'),
        (MISMATCH, 18, 'restart the machine'),
        ('Failed to initialize NVML: Unknown Error\n', 255, 'container'),
        ('No devices were found\n', 6, 'but no GPU'),
        ('', 1, 'nothing, status 1'),
    ],
)
def test_a_broken_driver(machine, answer, status, advice):
    machine(answer, status)
    runs, verdict, text = ask()
    assert runs and verdict == f'{RUNS_CPU}2 cores, 23 GiB).'
    assert ' '.join(answer.partition('\n')[0].split()) in text
    assert advice in text


def test_a_driver_that_hangs(machine, tmp_path, monkeypatch):
    script(tmp_path / 'bin' / 'nvidia-smi', 'sleep 60\n')
    monkeypatch.setattr(doctor, 'SMI_LIMIT', 0.2)
    start = time.monotonic()
    runs, verdict, text = ask()
    assert time.monotonic() - start < 10
    assert runs and verdict.startswith(RUNS_CPU)
    assert 'did not answer within 0.2 seconds' in text


def test_a_driver_for_another_machine(machine, tmp_path):
    (tmp_path / 'bin' / 'nvidia-smi').write_bytes(b'\x7fELF of nothing')
    (tmp_path / 'bin' / 'nvidia-smi').chmod(0o755)
    runs, verdict, text = ask()
    assert runs and 'cannot be started' in text


def test_a_container_without_the_drivers_library(machine, monkeypatch):
    machine(T4)
    monkeypatch.setattr(doctor, 'has_libcuda', lambda: False)
    runs, verdict, text = ask()
    assert runs and verdict.startswith(RUNS_CPU)
    assert 'its GPU (Tesla T4) could, but see below' in verdict
    assert 'NVIDIA_DRIVER_CAPABILITIES' in text


# ------------------------------------------------------------ Environments
CPU = {
    'missing': [],
    'cuda': 0,
    'gpus': [],
    'version': '1.9.1',
    'features': ['OPENMP', 'MKLDNN'],
}
CUDA = {**CPU, 'cuda': 11, 'features': ['CUDA', 'CUDNN', 'MKLDNN']}
LIBRARY = {
    **CUDA,
    'missing': ['libcudnn.so.8'],
    'features': [],
    'error': 'OSError: libcudnn.so.8: cannot open shared object file',
}


def installed(monkeypatch, **boxes):
    found = {box: (f'.venv-{box}', seen) for box, seen in boxes.items()}
    if 'own' in boxes:
        found[doctor.OWN] = (doctor.OWN, found.pop('own')[1])
    monkeypatch.setattr(doctor, 'environments', lambda: found)


def test_what_is_installed_is_not_installed_again(machine, monkeypatch):
    machine(T4)
    installed(monkeypatch, cpu=CPU, gpu={**CUDA, 'gpus': [None]})
    runs, verdict, text = ask()
    assert runs and 'on its GPU (Tesla T4)' in verdict
    assert 'Type make lab BOX=gpu System' in text
    assert 'MXNet 1.9.1 with oneDNN, for CPUs: works' in text
    assert 'with CUDA, cuDNN, oneDNN; 11 CUDA libraries found; GPU 0: ran' in (
        text
    )


@pytest.mark.parametrize(
    'seen, words',
    [
        (CUDA, 'it sees no GPU'),
        ({**CUDA, 'gpus': ['no kernel image']}, 'GPU 0: no kernel image'),
        (LIBRARY, 'libraries missing: libcudnn.so.8'),
        (
            {'error': 'no answer within 90 seconds'},
            'does not start: no answer',
        ),
    ],
)
def test_what_was_tried_and_failed_counts(machine, monkeypatch, seen, words):
    machine(T4)
    installed(monkeypatch, gpu=seen)
    runs, verdict, text = ask()
    assert runs and verdict.startswith(RUNS_CPU)
    assert 'its GPU (Tesla T4) could, but see below' in verdict
    assert words in text


def test_what_was_tried_and_ran_counts(machine, monkeypatch):
    """A community build on a new GPU, in an environment of one's own."""
    machine(H100)
    installed(monkeypatch, own={**CUDA, 'version': '2.0.0', 'gpus': [None]})
    runs, verdict, text = ask()
    assert runs and 'on its GPU (NVIDIA H100 80GB HBM3).' in verdict
    assert 'Type nothing: this Python has MXNet' in text


def test_a_gpu_that_runs_where_nvidia_smi_is_not(machine, monkeypatch):
    installed(monkeypatch, gpu={**CUDA, 'gpus': [None]})
    runs, verdict, text = ask()
    assert runs and verdict.endswith('on its GPU.')
    assert 'make lab BOX=gpu' in text


def test_an_environment_cut_short(machine, monkeypatch):
    installed(monkeypatch, cpu=None)
    runs, verdict, text = ask()
    assert runs and 'the first time, it installs mxnet 1.9.1' in text
    assert 'cut short' in text


def test_nothing_runs_where_the_cpus_environment_fails(machine, monkeypatch):
    installed(monkeypatch, cpu={'error': 'OSError: libgomp.so.1'})
    runs, verdict, text = ask()
    assert not runs and verdict.endswith('but .venv fails.')
    assert 'libgomp.so.1' in text


def test_this_environment_is_examined():
    seen = doctor.examine(sys.executable)
    assert 'error' not in seen and seen['missing'] == []
    text = doctor.describe(seen)
    assert text.startswith(f'MXNet {mx.__version__} with ')
    assert text.endswith('for CPUs: works') or 'CUDA' in text


@pytest.mark.parametrize(
    'program, words',
    [
        ('sleep 60', 'no answer within 0.2 seconds'),
        ('echo ImportError: no; exit 1', 'ImportError: no (status 1)'),
        ('exit 7', 'no word (status 7)'),
    ],
)
def test_an_environment_that_does_not_answer(
    tmp_path, monkeypatch, program, words
):
    monkeypatch.setattr(doctor, 'IMPORT_LIMIT', 0.2 if '60' in program else 9)
    seen = doctor.examine(script(tmp_path / 'python', program))
    assert words in doctor.describe(seen)


# ------------------------------------------------------------- The machine
def test_little_memory_and_little_disk(machine, monkeypatch):
    have(monkeypatch, free=1.5)
    assert 'GiB free. Close other programs' in ask()[2]
    have(monkeypatch, free=3.5)
    assert 'little memory' not in ask()[2]
    usage = types.SimpleNamespace(free=10**9)
    monkeypatch.setattr(doctor.shutil, 'disk_usage', lambda _: usage)
    assert 'only 1.0 GB are free: make room first' in ask()[2]


def test_memory_is_no_more_than_a_container_may_use(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, 'SYS', tmp_path / 'sys')
    monkeypatch.setattr(doctor, 'PROC', tmp_path / 'proc')
    own = tmp_path / 'proc' / 'self' / 'cgroup'
    own.parent.mkdir(parents=True)
    (tmp_path / 'proc' / 'meminfo').write_text(
        'MemTotal:  8388608 kB\nMemFree: 12 kB\nMemAvailable: 6291456 kB\n',
        encoding='utf-8',
    )
    assert doctor.memory() == (8 * doctor.GIB, 6 * doctor.GIB)
    group = tmp_path / 'sys/fs/cgroup/job/step'
    group.mkdir(parents=True)
    (group / 'memory.max').write_text('max\n', encoding='utf-8')
    (group.parent / 'memory.max').write_text(
        f'{4 * doctor.GIB}\n', encoding='utf-8'
    )
    own.write_text('0::/job/step\n', encoding='utf-8')
    assert doctor.memory() == (4 * doctor.GIB, 4 * doctor.GIB)
    group = tmp_path / 'sys/fs/cgroup/memory'
    group.mkdir()
    (group / 'memory.limit_in_bytes').write_text(
        f'{2 * doctor.GIB}\n', encoding='utf-8'
    )
    own.write_text('4:memory:/not/seen/in/here\n1:cpu:/\n', encoding='utf-8')
    assert doctor.memory() == (2 * doctor.GIB, 2 * doctor.GIB)


def test_cores_are_those_that_utils_uses():
    assert doctor.cores() == physical_cores()


def test_without_a_fitting_python(machine, monkeypatch):
    answer = (False, 'The book needs CPython 3.11 to 3.13 ... (Found: 3.9.)')
    monkeypatch.setattr(doctor, 'python_for_the_book', lambda: answer)
    runs, verdict, text = ask()
    assert runs and verdict.startswith('With another Python, this machine')
    assert 'First install the Python' in text and answer[1] in text


def test_setup_knows_which_python_serves(tmp_path, monkeypatch):
    monkeypatch.setenv('PYTHON', sys.executable)
    version = '.'.join(map(str, sys.version_info[:3]))
    assert doctor.python_for_the_book() == (
        True,
        f'{version} ({sys.executable})',
    )
    # A checkout whose setup.sh finds none.
    monkeypatch.delenv('PYTHON')
    setup = (doctor.ROOT / 'build' / 'setup.sh').read_text('utf-8')
    (tmp_path / 'build').mkdir()
    (tmp_path / 'build' / 'setup.sh').write_text(
        setup.replace('[ -n "$1" ] && ', 'false && '), encoding='utf-8'
    )
    script(tmp_path / 'python3.9', 'echo Python 3.9.18')
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(doctor, 'ROOT', tmp_path)
    fits, text = doctor.python_for_the_book()
    assert not fits and text.startswith('The book needs CPython 3.11')
    assert 'Found: 3.9' in text


def test_without_make_and_in_the_class_kit(machine, tmp_path, monkeypatch):
    (tmp_path / 'bin' / 'make').unlink()
    _, _, text = ask()
    assert 'apt-get install make' in text
    assert 'Type sh build/setup.sh cpu build/lab.py' in text
    kit = tmp_path / 'kit'
    shutil.copytree(doctor.ROOT / 'requirements', kit / 'requirements')
    monkeypatch.setattr(doctor, 'ROOT', kit)
    _, _, text = ask()
    assert 'Type sh start.sh (' in text and 'apt-get' not in text
    machine(T4)
    assert 'Type sh start.sh gpu (' in ask()[2]


@pytest.mark.parametrize(
    'system, processor, advice',
    [
        ('Darwin', 'arm64', 'Apple silicon'),
        ('Windows', 'AMD64', 'wsl --install'),
        ('Linux', 'aarch64', 'x86-64 processor'),
    ],
)
def test_other_platforms(monkeypatch, system, processor, advice):
    monkeypatch.setattr(doctor.platform, 'system', lambda: system)
    monkeypatch.setattr(doctor.platform, 'machine', lambda: processor)
    runs, lines = doctor.diagnose()
    assert not runs and 'does not run the book' in lines[0]
    assert advice in ' '.join(lines)


# ---------------------------------------------------------------- The whole
@pytest.mark.parametrize(
    'name',
    ['build/doctor', 'build/ending', 'build/environment', 'parts/whole'],
)
def test_python_3_9_understands_it(root, name):
    text = (root / f'{name}.py').read_text('utf-8')
    ast.parse(text, feature_version=(3, 9))


def test_before_anything_is_installed(root, tmp_path, monkeypatch):
    """`make doctor` in a fresh checkout makes nothing."""
    checkout = tmp_path / 'a checkout'
    programs = 'setup.sh', 'environment.py', 'doctor.py'
    names = [f'build/{name}' for name in (*programs, 'ending.py')]
    names += ['parts/__init__.py', 'parts/whole.py']
    names += [f'requirements/{box}.txt' for box in doctor.DISK]
    for name in ['Makefile', *names]:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, checkout / name)
    tools = tmp_path / 'bin'
    tools.mkdir()
    script(tools / 'nvidia-smi', f"cat <<'END'\n{H100}END\n")
    bare = Path(sys._base_executable)
    done = subprocess.run(
        ['make', '--no-print-directory', '-C', checkout, 'doctor'],
        env={
            'PATH': f'{tools}:{os.environ["PATH"]}',
            'PYTHON': str(bare),
            'PYTHONDONTWRITEBYTECODE': '1',
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(RUNS_CPU) and 'H100' in lines[0]
    assert lines[2].split(None, 1) == ['Type', 'make lab']
    assert str(bare) in done.stdout
    made = {p.relative_to(checkout).as_posix() for p in checkout.rglob('*.*')}
    assert made == {name for name in names}


def test_whoever_reads_it_may_stop():
    """As `make doctor | head -1` does, at whatever moment."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, doctor.__file__],
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writes)
    assert done.returncode == 0 and done.stderr == ''


def test_the_same_in_a_notebook(capsys):
    utils.doctor()
    printed = capsys.readouterr()
    assert 'the book' in printed.out.splitlines()[0]
    assert '\nSystem ' in printed.out and not printed.err
