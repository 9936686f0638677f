"""Make a virtual environment of the book's pinned packages, once.

Usage: python build/environment.py cpu|gpu|mxnet2|bench [COMMAND ...]

Only Python's own library is used here. A stamp in the environment says which
pins it holds; it is written last, so that an installation cut short counts
for nothing, and is made again from nothing.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    'cpu': '.venv',
    'gpu': '.venv-gpu',
    'mxnet2': '.venv-mxnet2',
    'bench': '.venv-bench',  # PyTorch, for `make bench`
}
STAMP = 'book-pins.txt'


def python_of(folder):
    """Return the path of an environment's Python."""
    return folder / 'bin' / 'python'


def stamp_for(folder, pins):
    """Return what the stamp of a finished environment says."""
    sha = hashlib.sha256(pins.read_bytes()).hexdigest()
    return f'{pins.name} {sha}\n{folder}\n'


def finished(folder, pins):
    """Whether the environment is complete and holds these pins."""
    stamp = folder / STAMP
    return (
        stamp.is_file()
        and stamp.read_text() == stamp_for(folder, pins)
        and python_of(folder).exists()
    )


@contextmanager
def lock(path):
    """Let one process at a time make an environment.

    pip inherits the lock: if this process is killed and pip lives on, the
    next one waits for it.
    """
    with open(path, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        yield


def run(*command):
    """Run a command; end with its status if it fails."""
    done = subprocess.run([str(part) for part in command], close_fds=False)
    if done.returncode:
        sys.exit(done.returncode)


def make(folder, pins, works):
    """Make an environment from nothing, and stamp it when it works."""
    shutil.rmtree(folder, ignore_errors=True)
    print(f'making {folder.name}: a few minutes, once', flush=True)
    venv.create(folder, symlinks=True, with_pip=True)
    python = python_of(folder)
    # The pins are complete: pip has nothing to find out, only to install.
    install = ['install', '--quiet', '--no-deps', '--require-hashes']
    quiet = ['--disable-pip-version-check', '--no-input']
    run(python, '-m', 'pip', *install, *quiet, '-r', pins)
    packages = next(folder.glob('lib/python3*/site-packages'))
    # `import utils` and `import segbook` then work in any folder.
    (packages / 'the-book.pth').write_text(f'{ROOT}\n')
    for pandoc in packages.glob('pypandoc/files/pandoc'):  # d2lbook calls it
        (folder / 'bin' / 'pandoc').symlink_to(pandoc)
    if pins.stem != 'bench':  # which has no MXNet
        lend_libgomp(packages)
        works(python)
    scratch = folder / f'{STAMP}.new'
    scratch.write_text(stamp_for(folder, pins))
    os.replace(scratch, folder / STAMP)


def lend_libgomp(packages):
    """Give MXNet the libgomp of another package if the system has none."""
    find = 'import ctypes; ctypes.CDLL("libgomp.so.1")'
    found = subprocess.run([sys.executable, '-c', find], capture_output=True)
    theirs = sorted(packages.glob('pykdtree.libs/libgomp-*'))
    if found.returncode and theirs:
        link = packages / 'mxnet' / 'libgomp.so.1'
        link.symlink_to(os.path.relpath(theirs[0], link.parent))


def check(python):
    """End with one line if MXNet cannot be imported."""
    # utils first: it loads the GPU build's libraries.
    code = 'import sys; sys.path.insert(0, sys.argv[1]); import utils'
    done = subprocess.run(
        [python, '-c', code, ROOT], capture_output=True, text=True
    )
    if not done.returncode:
        return
    reason = done.stderr.strip().splitlines()[-1]
    help_ = {
        'libgomp.so.1': 'install the package libgomp1 (Fedora: libgomp)',
        'libstdc++.so.6': 'install the package libstdc++6',
        'libz.so.1': 'install the package zlib1g',
        'libcuda.so.1': "install NVIDIA's driver",
    }
    advice = [text for name, text in help_.items() if name in reason]
    sys.exit(f'MXNet does not start: {"; ".join([reason, *advice])}')


def ensure(name, works=check):
    """Make the environment if need be; return the path of its Python.

    `works`: is given that path, and ends the program if MXNet does not start.
    """
    folder = ROOT / FOLDERS[name]
    pins = ROOT / 'requirements' / f'{name}.txt'
    if not finished(folder, pins):
        with lock(ROOT / f'{FOLDERS[name]}.lock'):
            if not finished(folder, pins):
                make(folder, pins, works)
    return python_of(folder)


def main(name, *command):
    """Make the environment if need be, then become the command in it."""
    python = str(ensure(name))
    if command:
        sys.stdout.flush()
        os.execv(python, [python, *command])


if __name__ == '__main__':
    if not sys.argv[1:] or sys.argv[1] not in FOLDERS:
        sys.exit(__doc__)
    main(*sys.argv[1:])
