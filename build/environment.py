"""Make a virtual environment of the book's pinned packages, once.

Usage: python build/environment.py NAME [COMMAND ...]
NAME: cpu, gpu, mxnet2, other, bench or audit.

Only Python's own library is used here. A stamp in the environment says which
pins it holds; it is written last, so that an installation cut short counts
for nothing, and is made again from nothing. The environment names no folder
but that of its Python: a checkout can be moved or copied with it.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from parts import whole

FOLDERS = {
    'cpu': '.venv',
    'gpu': '.venv-gpu',
    'mxnet2': '.venv-mxnet2',
    'other': '.venv-other',  # cpu's packages in a second Python, for tests
    'bench': '.venv-bench',  # PyTorch, for `make bench`
    'audit': '.venv-audit',
}
PINNED = [name for name in FOLDERS if name != 'other']
STAMP = 'book-pins.txt'
LONG = 90  # bytes: /.venv-mxnet2/bin/python3.11 and #! make the system's 127


def refuse_folder(folder):
    """End the program if the book cannot work in a folder of such a name.

    PATH and PYTHONPATH end a name at a colon. The first line of a script that
    pip installs names its Python, but as a text for the shell, in quotes, if
    there is a space in it, and without if it is long. ruff takes a folder for
    a pattern.
    """
    text = str(folder)
    strange = set(':"$`\\[]{}*?') & set(text)
    strange |= {letter for letter in text if not letter.isprintable()}
    if ' ' not in text and len(os.fsencode(text)) > LONG:
        strange |= set(re.findall(r'[^\w./+@=,-]', text))
    if strange:
        sys.exit(
            'the book works in no folder whose name holds '
            + ending.plain(f'{" or ".join(sorted(strange))}: {text}')
        )


def python_of(folder):
    """Return the path of an environment's Python."""
    return folder / 'bin' / 'python'


def stamp_for(pins):
    """Return what the stamp of a finished environment says."""
    sha = hashlib.sha256(pins.read_bytes()).hexdigest()
    return f'{pins.name} {sha}\n'


def finished(folder, pins):
    """Whether the environment is complete and holds these pins."""
    stamp = folder / STAMP
    return (
        stamp.is_file()
        and stamp.read_text('utf-8') == stamp_for(pins)
        and python_of(folder).exists()
    )


def fail(folder, said):
    """End because a program failed; `said` is what it said of it."""
    full = os.strerror(errno.ENOSPC)
    why = f'; {full}: {ending.free_space()}' if full in said else ''
    if re.search('NewConnection|ConnectTimeout|NameResolution', said):
        why = '; the package index does not answer: is there a network?'
    sys.exit(f'{folder.name} could not be made{why}')


def make(folder, pins, works):
    """Make an environment from nothing, and stamp it when it works."""
    if folder.exists():
        shutil.rmtree(folder)
    print(f'making {folder.name}: a few minutes, once', flush=True)
    try:
        venv.create(folder, symlinks=True, with_pip=True)
    except subprocess.CalledProcessError as error:  # from the new Python
        said = error.output.decode(errors='replace')
        print(*re.findall('^ERROR.*', said, re.M), sep='\n', file=sys.stderr)
        fail(folder, said)
    python = python_of(folder)
    # The pins are complete: pip has nothing to find out, only to install.
    install = ['install', '--quiet', '--no-deps', '--require-hashes']
    quiet = ['--disable-pip-version-check', '--no-input']
    pip = [python, '-m', 'pip', *install, *quiet, '-r', pins]
    done = ending.run(pip, close_fds=False)
    if done.returncode:
        fail(folder, done.stderr)
    packages = next(folder.glob('lib/python3*/site-packages'))
    # `import utils` and `import segbook` then work in any folder.
    (packages / 'the-book.pth').write_text('../../../..\n', 'utf-8')
    for pandoc in packages.glob('pypandoc/files/pandoc'):  # d2lbook calls it
        link = folder / 'bin' / 'pandoc'
        link.symlink_to(os.path.relpath(pandoc, link.parent))
    forget_the_folder(folder)
    if pins.stem not in ('bench', 'audit'):  # which have no MXNet
        lend_libraries(packages)
        works(python)
    whole.write_whole(folder / STAMP, stamp_for(pins))


# How a script begins: the shell starts the Python beside it with the script,
# which Python then reads as one text, and the rest.
BEGINNING = b"""#!/bin/sh
'''exec' "$(dirname -- "$(readlink -f -- "$0")")/python" "$0" "$@"
' '''
"""


def forget_the_folder(folder):
    """Let an environment's scripts work wherever it is moved to."""
    named = re.compile(rb"#!(/bin/sh\n'''exec'.*\n' '''|.*/python[\d.]*)\n")
    for file in (folder / 'bin').iterdir():
        if file.name.lower().startswith('activate'):
            file.unlink()  # is all about the folder; no command needs it
        elif file.is_file() and not file.is_symlink():
            text = file.read_bytes()
            if match := named.match(text):
                file.write_bytes(BEGINNING + text[match.end() :])


def lend_libraries(packages):
    """Give MXNet those of other packages that the system has not."""
    for name in ('libgomp.so.1', 'libquadmath.so.0'):
        find = [sys.executable, '-c', f'import ctypes; ctypes.CDLL("{name}")']
        found = subprocess.run(find, capture_output=True)
        theirs = sorted(packages.glob(f'*.libs/{name.split(".")[0]}-*'))
        if found.returncode and theirs:
            link = packages / 'mxnet' / name
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
    said = done.stderr.strip() or f'Python ended with status {done.returncode}'
    reason = said.splitlines()[-1]
    help_ = {
        'libgomp.so.1': 'install the package libgomp1 (Fedora: libgomp)',
        'libquadmath.so.0': 'install the package libquadmath0',
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
    refuse_folder(ROOT)
    folder = ROOT / FOLDERS[name]
    file = 'cpu' if name == 'other' else name
    pins = ROOT / 'requirements' / f'{file}.txt'

    def ready():
        """Whether it is complete, and of the Python that PYTHON= names."""
        own = folder / 'lib' / f'python3.{sys.version_info[1]}'
        other = os.environ.get('PYTHON') and not own.is_dir()
        return finished(folder, pins) and not other

    if not ready():
        if folder.is_symlink():  # what it leads to is not ours to remove
            sys.exit(
                f'{folder.name} is a link that leads to no environment of '
                f'{pins.name}: remove the link'
            )
        # pip holds the lock, too: one that outlives us is waited for.
        lock = ROOT / f'{FOLDERS[name]}.lock'
        with whole.only_one(lock, f'another `make` of {FOLDERS[name]}'):
            if not ready():
                make(folder, pins, works)
    return python_of(folder)


def give_home():
    """Let programs find a home, without which many of them do not start.

    A user without an entry in the list of users has none, unless HOME says.
    """
    home = os.path.expanduser('~')
    if not os.path.isabs(home) or not os.access(home, os.R_OK | os.X_OK):
        folder = ROOT / '_build' / 'home'
        if os.access(ROOT, os.W_OK):
            folder.mkdir(parents=True, exist_ok=True)
        os.environ['HOME'] = str(folder)


def main(name, *command):
    """Make the environment if need be, then become the command in it."""
    python = ensure(name)
    if command:
        give_home()
        ending.become(python, *command)


if __name__ == '__main__':
    ending.in_order()
    if not sys.argv[1:]:
        sys.exit(__doc__)
    if sys.argv[1] not in FOLDERS:
        sys.exit(
            f'BOX={ending.plain(sys.argv[1])} is unknown: it is '
            + ', '.join(FOLDERS)
        )
    main(*sys.argv[1:])
