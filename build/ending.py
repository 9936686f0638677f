"""How a command that cannot go on ends: with one line, and no traceback.

A command has, before anything that takes time to import, and where it begins:

    import ending

    if __name__ == '__main__':
        ending.at_once()

    import what_takes_time

    if __name__ == '__main__':
        ending.in_order()
        main()

Ctrl-C and SIGTERM then end it with a line: during the imports, where nothing
is to be tidied up, at once, and from there on when all `finally` blocks have
run. So does a full disk, or a file that may not be read or written. Any other
error is a fault, and shows its traceback.

Only Python's own library is used here, and nothing that 3.9 lacks.
"""

import errno
import os
import signal
import sys

# All else is imported where it is used: this much of a command's start, and
# that of Python itself, is not covered yet (but see `become`).

LINES = {signal.SIGINT: 'interrupted', signal.SIGTERM: 'terminated'}
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
PATIENCE = 10  # seconds that an interrupted program has for its own ending

_terminated = []  # SIGTERM, when it came


# ----------------------------------------------------- This process's ending
def at_once():
    """Let Ctrl-C and SIGTERM end this process with a line, and at once."""
    signal.signal(signal.SIGTERM, _end_at_once)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # `command &`
        signal.signal(signal.SIGINT, _end_at_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def in_order():
    """Let it end so after its `finally` blocks, if it began with `at_once`."""
    if signal.getsignal(signal.SIGTERM) is not _end_at_once:
        return
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    sys.excepthook, sys.unraisablehook = _say, _try_again
    os.register_at_fork(after_in_child=_leave_it_to_the_parent)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors='backslashreplace')  # for files' names


def _end_at_once(number, frame):
    os.write(2, f'{LINES[number]}\n'.encode())
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _terminate(number, frame):
    """End as by Ctrl-C, even where that is ignored."""
    _terminated.append(number)
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        handler = signal.default_int_handler
    handler(signal.SIGINT, frame)


def _leave_it_to_the_parent():
    """Let a forked worker be ended by its parent alone, and silently."""
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _try_again(unraisable):
    """Interrupt once more where Python has dropped it, as in a `__del__`."""
    import threading

    if unraisable.exc_type is KeyboardInterrupt:
        main = threading.main_thread().ident
        again = signal.pthread_kill, (main, signal.SIGINT)
        threading.Timer(0.01, *again).start()
    else:
        sys.__unraisablehook__(unraisable)


def _say(kind, error, trace):
    """Take the place of Python's own last words, `sys.excepthook`."""
    for number in LINES:
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once
    if isinstance(error, KeyboardInterrupt):
        line = LINES[signal.SIGTERM if _terminated else signal.SIGINT]
    else:
        line = _about_disk(error) or _about_file(error)
    if line:
        print(line, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
    if _terminated:
        raise SystemExit(128 + signal.SIGTERM)


def _about_file(error):
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.strerror}: {plain(error.filename)}'
    return None


def _about_disk(error):
    while error is not None:
        # tempfile says the second where no folder of its has any room.
        if isinstance(error, OSError) and (
            error.errno in OF_THE_DISK or 'No usable temporary' in str(error)
        ):
            what = _about_file(error) or error.strerror
            return f'{what}; {free_space(error.filename)}'
        error = error.__cause__ or error.__context__
    return None


def free_space(file=None):
    """Say how much is free where a file, or else all of ours, is written."""
    from pathlib import Path
    from shutil import disk_usage

    book, temporary = Path(__file__).parent, os.environ.get('TMPDIR', '/tmp')
    named, found = isinstance(file, str), []
    for place in [file] if named else [book.parent, temporary]:
        place = Path(place).absolute()
        while not place.is_dir():
            place = place.parent
        free = disk_usage(place).free / 1e6
        found.append(f'{free:.1f} MB are free in {plain(place)}')
    return ', '.join(found)


def plain(text):
    """Return text on one line, what cannot be printed escaped as in Python."""
    return ''.join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


# ------------------------------------------------------------ Other programs
def become(python, *command):
    """Go on as `python COMMAND ...`.

    While Python starts, Ctrl-C would give a traceback. It waits, if the
    command says itself when it is ready, with `at_once`.
    """
    from pathlib import Path

    file = Path(command[0])
    if file.is_file() and 'ending.at_once()' in file.read_text('utf-8'):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.stdout.flush()
    try:
        os.execv(python, [str(python), *command])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def run(command, **options):
    """Run a program that says nothing more once it is interrupted.

    Ctrl-C reaches this process alone, which hands it on and waits for the
    program's ending. What the program writes to stderr is shown as it comes,
    and returned, too. `options`: those of subprocess.Popen.
    Returns a subprocess.CompletedProcess, with text.
    """
    import subprocess
    import threading

    said, interrupted = [], threading.Event()

    def show():
        for line in program.stderr:
            said.append(line)
            if not interrupted.is_set():
                print(line, end='', file=sys.stderr, flush=True)

    early = []  # an interruption before it can be handed on
    handler = signal.signal(signal.SIGINT, lambda *_: early.append(True))
    try:
        program = subprocess.Popen(
            [os.fspath(part) for part in command],
            stderr=subprocess.PIPE,
            text=True,
            errors='replace',
            start_new_session=True,
            **options,
        )
        teller = threading.Thread(target=show)
        teller.start()
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        if early and (callable(handler) or _terminated):
            raise KeyboardInterrupt
        output = program.stdout.read() if program.stdout else None
        status = program.wait()
    except BaseException:
        interrupted.set()
        _interrupt(program)
        raise
    finally:
        teller.join()
    return subprocess.CompletedProcess(command, status, output, ''.join(said))


def _interrupt(program):
    """End a program of a session of its own as Ctrl-C does, or by force."""
    import subprocess

    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(program.pid, number)
            program.wait(PATIENCE)
        except ProcessLookupError:
            program.wait()
        except subprocess.TimeoutExpired:
            continue
        return
