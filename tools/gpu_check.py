"""Check the GPU environment, on a machine with a GPU or without one.

Usage: make gpu-check

Makes .venv-gpu if it is not there yet: 2 GB to fetch, 5 GB on disk. Where a
GPU answers, every GPU runs a convolution and a training step, which must give
what the CPU gives, and then the chapter `fcn` its first epoch.

Without a GPU, an empty stand-in takes the place of the driver's library,
libcuda.so.1, and of nvidia-smi. Then every library of the GPU packages must
find what it needs, MXNet must start with CUDA and cuDNN, and
`utils.try_all_gpus` must warn and return the CPU. The stand-in lies in a
temporary folder, is seen by this check alone, and needs a C compiler.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'build')]

import ending

if __name__ == '__main__':
    ending.at_once()

import json
import os
import re
import shutil
import tempfile

# Only these: what is imported here must run before anything is installed.
import doctor
import environment

DRIVER = 'libcuda.so.1'
# Of the driver's answers only these matter: CUDA's runtime asks for them by
# name. 100 is CUDA_ERROR_NO_DEVICE, 11080 the version 11.8.
STUB = """
int cuInit(unsigned flags) { return 100; }
int cuDriverGetVersion(int *version) { *version = 11080; return 0; }
"""
NAMED = 'Stand-in for a GPU'
LIMIT = 600  # seconds until a program that hangs is given up
CHAPTER = ROOT / 'chapters' / 'fcn.md'


class Broken(Exception):
    """What is wrong, in one message for whoever typed the command."""


# ---------------------------------------------------------- Without a GPU
def libraries_in(packages):
    """Return all shared libraries that the GPU packages brought."""
    found = [*packages.glob('mxnet/*.so*'), *packages.glob('nvidia/*/lib/*')]
    found = sorted(path for path in found if '.so' in path.name)
    if packages / 'mxnet' / 'libmxnet.so' not in found:
        raise Broken(f'there is no mxnet/libmxnet.so in {packages}')
    return found


def driver_functions(libraries):
    """Return the names that libraries expect of the driver, sorted."""
    names = set()
    for library in libraries:
        text = run('nm', '-D', '--undefined-only', library)
        names |= set(re.findall(r' U (cu[A-Z]\w*)', text))
    return sorted(names - set(re.findall(r'(\w+)\(', STUB)))


def make_stub(folder, names):
    """Compile a driver's library of these functions: each finds no GPU."""
    compiler = next(filter(shutil.which, ('cc', 'gcc', 'clang')), None)
    if not compiler or not shutil.which('nm'):
        raise Broken(
            'without a GPU this check needs a C compiler and nm: install gcc '
            'and binutils (Debian and Ubuntu: apt-get install gcc)'
        )
    lines = [f'int {name}(void) {{ return 100; }}\n' for name in names]
    (folder / 'stub.c').write_text(STUB + ''.join(lines), encoding='utf-8')
    options = ('-shared', '-fPIC', f'-Wl,-soname,{DRIVER}')
    run(compiler, *options, '-o', folder / DRIVER, folder / 'stub.c')


def make_smi(folder):
    """Write an nvidia-smi that names a GPU, which nothing else can see."""
    script = folder / 'nvidia-smi'
    script.write_text(
        f"#!/bin/sh\necho '0, {NAMED}, 535.1, 7.5, 15360'\n", encoding='utf-8'
    )
    script.chmod(0o755)


def missing(libraries, folder):
    """Return {library: [what it needs and does not find]}.

    A library finds those of its package, of the system, those in `folder`,
    and the CUDA libraries, which parts/start.py loads in advance.
    """
    places = sorted({str(path.parent) for path in libraries})
    found = {}
    for library in libraries:
        needs = doctor.needs_of(library, [folder, *places])
        if lacks := [name for name, where in needs.items() if not where]:
            found[library.name] = lacks
    return found


def check_without_gpu(python):
    """Check an environment, given its Python. Raises Broken."""
    packages = next(python.parent.parent.glob('lib/python3*/site-packages'))
    libraries = libraries_in(packages)
    with tempfile.TemporaryDirectory(prefix='gpu-check-') as name:
        folder = Path(name)
        names = driver_functions(libraries)
        make_stub(folder, names)
        make_smi(folder)
        print(f'stand-in: {DRIVER} with {len(names) + 2} functions')
        if lacks := missing(libraries, folder):
            raise Broken(
                'libraries of the GPU packages do not find what they need: '
                + '; '.join(f'{k}: {", ".join(v)}' for k, v in lacks.items())
            )
        print(f'libraries: {len(libraries)}, and all that they need is there')
        seen = look(python, folder, libraries)
    judge(seen)
    print(f'MXNet {seen["version"]}: {", ".join(seen["features"])}')
    print(f'try_all_gpus: {seen["devices"]}, with the warning')
    print(f'  {seen["warnings"][0]}')


def look(python, folder, libraries):
    """Return what `probe` prints in that Python, the stand-in in place."""
    variables = {
        'LD_LIBRARY_PATH': str(folder),
        'PATH': f'{folder}{os.pathsep}{os.environ["PATH"]}',
        'PYTHONPATH': str(ROOT),
    }
    variables = [f'{name}={value}' for name, value in variables.items()]
    # -u: the GPU that is named must not be hidden.
    command = ['env', '-u', 'CUDA_VISIBLE_DEVICES', *variables, python]
    text = run(*command, __file__, 'probe', *libraries)
    return json.loads(text.splitlines()[-1])


def probe(*libraries):
    """Print, in the GPU environment's Python, what it can do."""
    import ctypes
    import warnings

    import utils  # first: it loads the CUDA libraries

    from mxnet import __version__, runtime

    for library in libraries:
        ctypes.CDLL(library)  # with all symbols, now
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        devices = utils.try_all_gpus()
    features = runtime.Features()
    found = {
        'version': __version__,
        'features': [f for f in features if features.is_enabled(f)],
        'devices': str(devices),
        'warnings': [str(warning.message) for warning in caught],
    }
    print(json.dumps(found))


def judge(seen):
    """Raise Broken for anything that `probe` should not have found."""
    for feature in ('CUDA', 'CUDNN'):
        if feature not in seen['features']:
            raise Broken(f'MXNet {seen["version"]} comes without {feature}')
    if seen['devices'] != '[cpu(0)]':
        raise Broken(f'without a GPU, try_all_gpus gives {seen["devices"]}')
    if len(seen['warnings']) != 1 or NAMED not in seen['warnings'][0]:
        raise Broken(
            'try_all_gpus should name the GPU that it cannot use in one '
            f'warning, and gave {seen["warnings"]}'
        )


# ------------------------------------------------------------- With a GPU
def check_gpus():
    """Use every GPU, in the GPU environment's Python. Raises Broken."""
    import utils

    import mxnet as mx

    devices = utils.try_all_gpus()  # runs a convolution on each
    if devices == [mx.cpu()]:
        raise Broken('MXNet can use no GPU: the warning above says why')
    expected = training_step(mx.cpu())
    for device in devices:
        losses = training_step(device)
        text = 'loss {:.4f}, after it {:.4f}'.format(*losses)
        print(f'{device}: ran a convolution; a training step: {text}')
        # GPUs may round to 10 bits (TF32).
        if not all(
            abs(a - b) < 0.02 * b
            for a, b in zip(losses, expected, strict=True)
        ):
            text = '{:.4f} and {:.4f}'.format(*expected)
            raise Broken(f'{device} computes something else: the CPU {text}')
    first_epoch(CHAPTER.read_text(encoding='utf-8'))


def training_step(device):
    """Take a step of chapters/fcn's training: (loss before, loss after)."""
    import segbook
    import utils

    import numpy as onp
    from mxnet import autograd, gluon, init, np

    utils.set_seed(0)
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier(), device)
    net = segbook.make_fcn(features, 21)
    rng = onp.random.default_rng(0)
    x = np.array(rng.normal(size=(2, 3, 64, 96)), 'float32', ctx=device)
    y = np.array(rng.integers(21, size=(2, 64, 96)), 'uint8', ctx=device)
    trainer = gluon.Trainer(
        net.collect_params(), 'sgd', {'learning_rate': 0.05}
    )
    losses = []
    for _ in range(2):
        with autograd.record():
            loss = segbook.void_cross_entropy(net(x), y).mean()
        loss.backward()
        trainer.step(1)
        losses.append(float(loss.item()))
    return losses


def cells_of(page):
    """Return the code of each cell of a page, given its text."""
    cell = re.compile(r'^```{\.python [^\n]*\n(.*?)^```', re.M | re.S)
    return cell.findall(page)


def first_epoch(chapter):
    """Run a chapter's cells, up to the one that trains, for one epoch."""
    os.environ['EPOCHS'] = '1'
    cells = cells_of(chapter)
    trains = [i for i, cell in enumerate(cells) if "'EPOCHS'" in cell]
    if not trains:
        raise Broken(f'no cell of {CHAPTER.name} reads EPOCHS')
    names = {}
    for cell in cells[: trains[0] + 1]:
        exec(compile(cell, CHAPTER.name, 'exec'), names)


# ------------------------------------------------------------------- Both
def run(*command):
    """Return what a program prints. Raises Broken with its last words."""
    status, text = doctor.ask(command, LIMIT)
    if status:
        last = text.strip().splitlines()[-1:] or [f'status {status}']
        raise Broken(f'{Path(command[0]).name}: {last[0]}')
    if status is None:
        raise Broken(f'{command[0]} did not end within {LIMIT} seconds')
    return text


def main():
    """Make the environment if need be, and check it. Raises Broken."""
    gpus, trouble = doctor.ask_driver()
    if gpus:
        judged = [doctor.judge(gpu) for gpu in gpus]
        print('\n'.join(sentence for _, sentence in judged))
        if all(runs is False for runs, _ in judged):
            raise Broken('no GPU here can run it')
        python = environment.ensure('gpu')
        ending.become(python, __file__, 'gpus')
    print(f'no GPU to use: {trouble}', flush=True)
    checked = []

    def works(python):
        check_without_gpu(python)
        checked.append(python)

    python = environment.ensure('gpu', works)
    if not checked:  # it was there already
        works(python)
    print('The GPU environment is whole. No GPU has been tried.')


if __name__ == '__main__':
    ending.in_order()
    try:
        if sys.argv[1:] == ['gpus']:
            check_gpus()
        elif sys.argv[1:2] == ['probe']:
            probe(*sys.argv[2:])
        else:
            main()
    except Broken as error:
        sys.exit(f'gpu-check: {error}')
