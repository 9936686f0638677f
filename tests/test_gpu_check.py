"""The check of the GPU environment, tried on libraries made in an instant.

What needs the real packages, 2 GB of them, is `make gpu-check` itself.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import doctor
import environment
from support import script
from tools import gpu_check

import mxnet as mx
import pytest

needs_compiler = pytest.mark.skipif(
    not (shutil.which('cc') and shutil.which('nm')),
    reason='no C compiler is here',
)
# What the environment's Python says where all is well.
GOOD = {
    'version': '1.9.1',
    'features': ['CUDA', 'CUDNN'],
    'devices': '[cpu(0)]',
    'warnings': [f'GPU 0 ({gpu_check.NAMED}, ...) is not used: ...'],
}


def compile_library(path, code, *needs):
    """Make a shared library that needs others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix('.c')
    source.write_text(code, encoding='utf-8')
    options = ['-shared', '-fPIC', f'-Wl,-soname,{path.name}']
    command = ['cc', *options, '-o', path, source, *needs]
    subprocess.run(command, check=True)
    source.unlink()
    return path


@pytest.fixture(scope='module')
def compiled(tmp_path_factory):
    """An environment with three libraries, and a Python that says GOOD."""
    tmp_path = tmp_path_factory.mktemp('compiled')
    folder = tmp_path / 'an environment'
    packages = folder / 'lib' / 'python3.11' / 'site-packages'
    driver = compile_library(
        tmp_path / 'libcuda.so.1', 'void cuStart(void) {} void cuEnd(void) {}'
    )
    cudart = compile_library(
        packages / 'nvidia/cuda_runtime/lib/libcudart.so.11.0',
        'void cudaFree(void) {}',
    )
    cudnn = compile_library(
        packages / 'nvidia/cudnn/lib/libcudnn.so.8',
        'void cudaFree(void); void cudnnGo(void) { cudaFree(); }',
        cudart,
    )
    compile_library(
        packages / 'mxnet/libmxnet.so',
        'void cudnnGo(void); void cuStart(void); void cuEnd(void);'
        'void go(void) { cudnnGo(); cuStart(); cuEnd(); }',
        cudnn,
        driver,
    )
    driver.unlink()
    (folder / 'bin').mkdir()
    says(folder / 'bin' / 'python', GOOD)
    return folder


@pytest.fixture
def box(tmp_path, compiled):
    return shutil.copytree(compiled, tmp_path / 'an environment')


def says(python, seen):
    """Write a Python that prints only this; and tells where it looks."""
    text = json.dumps(seen)
    looked = 'echo "$LD_LIBRARY_PATH" >"$0.looked"'
    script(python, f"{looked}; echo else\ncat <<'END'\n{text}\nEND\n")


def check(box):
    gpu_check.check_without_gpu(box / 'bin' / 'python')


def libraries_of(box):
    return gpu_check.libraries_in(box / 'lib' / 'python3.11' / 'site-packages')


@needs_compiler
def test_a_whole_environment(box, capsys, monkeypatch):
    monkeypatch.delenv('LD_LIBRARY_PATH', raising=False)
    check(box)
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        'stand-in: libcuda.so.1 with 4 functions',
        'libraries: 3, and all that they need is there',
    ]
    assert said[2] == 'MXNet 1.9.1: CUDA, CUDNN'
    assert said[3:] == [
        'try_all_gpus: [cpu(0)], with the warning',
        f'  {GOOD["warnings"][0]}',
    ]
    # The stand-in was there for that program alone.
    looked = (box / 'bin' / 'python.looked').read_text('utf-8').strip()
    assert 'gpu-check-' in looked and not Path(looked).exists()
    assert 'LD_LIBRARY_PATH' not in os.environ


@needs_compiler
def test_the_stand_in_has_what_the_libraries_want(box, tmp_path):
    names = gpu_check.driver_functions(libraries_of(box))
    assert names == ['cuEnd', 'cuStart']
    gpu_check.make_stub(tmp_path, names)
    # In a process of its own: a library once loaded stays.
    program = (
        'import ctypes, sys\n'
        'stub = ctypes.CDLL(sys.argv[1])\n'
        'version = ctypes.c_int()\n'
        'print(stub.cuInit(0), stub.cuStart(), stub.cuEnd())\n'
        'print(stub.cuDriverGetVersion(ctypes.byref(version)), version.value)'
    )
    done = subprocess.run(
        [sys.executable, '-c', program, tmp_path / 'libcuda.so.1'],
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ['100', '100', '100', '0', '11080']


@needs_compiler
@pytest.mark.parametrize(
    'lost, message',
    [
        ('cudnn/lib/libcudnn.so.8', 'libmxnet.so: libcudnn.so.8'),
        (
            'cuda_runtime/lib/libcudart.so.11.0',
            'libcudnn.so.8: libcudart.so.11.0',
        ),
    ],
)
def test_a_library_that_is_missing_is_named(box, lost, message):
    (path,) = box.glob(f'lib/*/site-packages/nvidia/{lost}')
    path.unlink()
    with pytest.raises(gpu_check.Broken, match='do not find') as caught:
        check(box)
    assert message in str(caught.value)


@needs_compiler
def test_an_environment_without_mxnet(box):
    (path,) = box.glob('lib/*/site-packages/mxnet/libmxnet.so')
    path.unlink()
    with pytest.raises(gpu_check.Broken, match='no mxnet/libmxnet.so'):
        check(box)


@needs_compiler
@pytest.mark.parametrize(
    'change, message',
    [
        ({'features': ['CUDNN']}, 'MXNet 1.9.1 comes without CUDA'),
        ({'features': ['CUDA']}, 'MXNet 1.9.1 comes without CUDNN'),
        ({'devices': '[gpu(0)]'}, r'try_all_gpus gives \[gpu\(0\)\]'),
        ({'warnings': []}, r'one warning, and gave \[\]'),
        ({'warnings': GOOD['warnings'] * 2}, 'one warning, and gave'),
    ],
)
def test_anything_else_that_is_wrong(box, change, message):
    says(box / 'bin' / 'python', GOOD | change)
    with pytest.raises(gpu_check.Broken, match=message):
        check(box)


@needs_compiler
def test_an_mxnet_that_does_not_start(box):
    """The last word of the program is what the reader gets."""
    fails = 'echo Trace; echo OSError: libz; exit 1'
    script(box / 'bin' / 'python', fails)
    with pytest.raises(gpu_check.Broken, match='^env: OSError: libz$'):
        check(box)


def test_without_a_compiler_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(gpu_check.Broken, match='needs a C compiler.*gcc'):
        gpu_check.make_stub(tmp_path, [])
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------- The command
@pytest.fixture
def machine(monkeypatch):
    """A machine whose driver answers what a test says; nothing is made."""

    def answers(gpus, there=True):
        done = []

        def ensure(box, works=None):
            assert box == 'gpu'
            if not there:
                works('python')
            return 'python'

        def execv(_, command):
            done.append(command)
            sys.exit('this program is another one now')

        monkeypatch.setattr(doctor, 'ask_driver', lambda: (gpus, 'no driver'))
        monkeypatch.setattr(environment, 'ensure', ensure)
        monkeypatch.setattr(gpu_check, 'check_without_gpu', done.append)
        monkeypatch.setattr(os, 'execv', execv)
        return done

    return answers


@pytest.mark.parametrize('there', [True, False])
def test_without_a_gpu_it_is_checked_once(machine, capsys, there):
    done = machine([], there)
    gpu_check.main()
    assert done == ['python']
    said = capsys.readouterr().out.splitlines()
    assert said[0] == 'no GPU to use: no driver'
    assert 'No GPU has been tried' in said[-1]


def gpu(name, capability):
    return doctor.Gpu('0', name, '580.65.06', capability, '16384')


def test_with_a_gpu_the_gpu_is_used(machine):
    done = machine([gpu('Tesla T4', '7.5')])
    with pytest.raises(SystemExit, match='another one now'):
        gpu_check.main()
    ((python, program, word),) = done
    assert (python, Path(program).name, word) == (
        'python',
        'gpu_check.py',
        'gpus',
    )


def test_a_gpu_that_cannot_run_it_installs_nothing(machine, monkeypatch):
    machine([gpu('NVIDIA H100 PCIe', '9.0')])
    monkeypatch.setattr(environment, 'ensure', None)
    with pytest.raises(gpu_check.Broken, match='no GPU here can run it'):
        gpu_check.main()


def test_the_command_ends_with_one_message(tmp_path):
    """Without the probe's libraries, say; no traceback."""
    kepler = "echo '0, Tesla K80, 470.1, 3.7, 11441'"
    script(tmp_path / 'nvidia-smi', kepler)
    done = subprocess.run(
        [sys.executable, gpu_check.__file__],
        env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == 'gpu-check: no GPU here can run it\n'
    assert 'too old' in done.stdout


# ---------------------------------------------------------------- On a GPU
def test_a_training_step_lowers_the_loss_on_any_device():
    before, after = gpu_check.training_step(mx.cpu(0))
    assert after < before
    again = gpu_check.training_step(mx.cpu(1))
    assert again == pytest.approx((before, after), rel=1e-4)


@pytest.mark.parametrize('wrong', [False, True])
def test_every_device_must_agree_with_the_cpu(monkeypatch, capsys, wrong):
    import utils

    losses = {mx.cpu(): [3.0, 2.5], mx.gpu(0): [3.001, 2.501 + wrong]}
    monkeypatch.setattr(utils, 'try_all_gpus', lambda: [mx.gpu(0)])
    monkeypatch.setattr(gpu_check, 'training_step', losses.get)
    epochs = []
    monkeypatch.setattr(gpu_check, 'first_epoch', epochs.append)
    if wrong:
        with pytest.raises(gpu_check.Broken, match=r'gpu\(0\) computes some'):
            gpu_check.check_gpus()
    else:
        gpu_check.check_gpus()
    assert len(epochs) == (not wrong)
    assert 'gpu(0): ran a convolution' in capsys.readouterr().out


def test_where_no_gpu_runs_it_fails(monkeypatch):
    import utils

    monkeypatch.setattr(utils, 'try_all_gpus', lambda: [mx.cpu()])
    with pytest.raises(gpu_check.Broken, match='MXNet can use no GPU'):
        gpu_check.check_gpus()


TEXT = """# A Chapter

```{.python .input}
import os
```

```{.python .input}
num_epochs = int(os.environ.get('EPOCHS', 8))
print(f'{num_epochs} epochs')
```

```{.python .input}
print('and all that follows')
```
"""


def test_the_chapter_runs_up_to_its_training(monkeypatch, capsys):
    monkeypatch.setenv('EPOCHS', '3')
    gpu_check.first_epoch(TEXT)
    assert capsys.readouterr().out == '1 epochs\n'
    with pytest.raises(gpu_check.Broken, match='no cell of fcn.md'):
        gpu_check.first_epoch('# Nothing\n')
    # The chapter's own text has that cell.
    assert gpu_check.CHAPTER.read_text('utf-8').count("'EPOCHS'") == 1
