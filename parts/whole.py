"""Files and folders that are there complete or not at all.

What is made grows in a scratch folder beside its place, and takes that place
in one step. Each process holds a lock on its own scratch as long as it lives;
the next one there removes what a killed one left. Only Python's own library is
used here, and nothing that 3.9 lacks: commands need it before anything is
installed.
"""

import ctypes
import fcntl
import os
import shutil
import uuid
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SCRATCH = '.unfinished-'
# Of Linux's renameat2: paths as they are, and both change places.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def place(path):
    """Return a path that a person gave: ~ is a home, whoever expands it."""
    return Path(os.path.expanduser(path))


# ---------------------------------------------------------- All or nothing
@contextmanager
def _held(folder, how=fcntl.LOCK_EX):
    """Hold the lock of a folder. With LOCK_NB, raises BlockingIOError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _sweep(parent):
    """Remove the scratch of killed processes from a folder."""
    for folder in parent.glob(f'{SCRATCH}*/'):
        if folder.is_symlink():  # none of ours
            continue
        # Its maker is at work, or has just removed it, or is another user.
        alive = BlockingIOError, FileNotFoundError, PermissionError
        with suppress(*alive), _held(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder)


@contextmanager
def scratch(parent):
    """Give a new folder in `parent` to work in, and remove it in the end."""
    folder = parent / f'{SCRATCH}{uuid.uuid4().hex[:12]}'
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with _held(parent):  # so nobody sweeps what is not held yet
                _sweep(parent)
                folder.mkdir()
                stack.enter_context(_held(folder))
            stack.callback(shutil.rmtree, folder)
            yield folder
    except OSError as error:
        # A write does not say where, and nobody looks for scratch. (Without
        # a number, an error is nothing but its words.)
        where = error.filename
        if error.errno and (not where or str(folder) in str(where)):
            error.filename = str(parent)
        raise


@contextmanager
def new(target):
    """Give a path beside `target`: what is made there becomes target."""
    target = place(target)
    with scratch(target.parent) as folder:
        yield folder / target.name
        put(folder / target.name, target)


def put(made, target):
    """Let a finished file or folder, in scratch, take the place of target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (made.is_dir() and target.exists()):
        os.replace(made, target)
    elif not _exchange(made, target):  # as on NFS: two steps
        os.rename(target, made.with_name(f'{made.name} before'))
        os.rename(made, target)


def _exchange(one, other):
    """Let two paths change places in one step; return whether it was done."""
    rename = getattr(ctypes.CDLL(None), 'renameat2', None)
    paths = _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other)
    return bool(rename) and rename(*paths, _RENAME_EXCHANGE) == 0


def write_whole(path, content):
    """Write a file, text (as UTF-8) or bytes, complete or not at all."""
    data = content.encode() if isinstance(content, str) else content
    with new(path) as part:
        part.write_bytes(data)


# ------------------------------------------------------------ One at a time
@contextmanager
def only_one(path, what):
    """Wait until no other process works under this lock file, then work.

    Programs started meanwhile inherit the lock: while one of them outlives
    us, the next process waits for it. `what`: says who is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'{what} is at work here: waiting for it', flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        yield
