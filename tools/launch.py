"""Train with several processes, on this machine or on many.

    .venv/bin/python tools/launch.py --workers 2 -- \\
        python tools/train.py --kvstore dist_sync --checkpoint run.ckpt

typed in the book's folder, starts MXNet's parameter server on this machine:
one scheduler, which introduces the others to each other; servers, which add
up gradients; and workers, which run the command after `--`, where `python` is
the one that runs the launcher. What each of them prints begins with its name.
If one dies, the others are ended, the launcher says which it was and fails;
the same command then goes on from the checkpoint. Without `--kvstore
dist_sync` nothing is trained: each worker would train alone.

On several machines the same three roles are started there, each with its
environment variables. This prints the commands:

    .venv/bin/python tools/launch.py --workers 2 --servers 2 \\
        --host 10.0.0.1 --port 9000 --print-env -- \\
        python tools/train.py --kvstore dist_sync --checkpoint run.ckpt

`--host` is the address of the scheduler's machine, as all others reach it.
Type each line on its machine, or give it to `ssh MACHINE`, in the folder of
the book; a server may run beside a worker. The checkpoint must lie where all
of them see it.

With Slurm, the number of a task chooses its role. This is a whole job for
one scheduler, two servers and two workers, one worker a machine:

    #!/bin/bash
    #SBATCH --nodes=2 --ntasks=5 --distribution=cyclic
    export DMLC_PS_ROOT_URI=$(hostname -i | cut -d' ' -f1)
    export DMLC_PS_ROOT_PORT=9000 DMLC_NUM_WORKER=2 DMLC_NUM_SERVER=2
    export PATH=$PWD/.venv/bin:$PATH
    srun --kill-on-bad-exit=1 bash -c '
        case $SLURM_PROCID in
        0) DMLC_ROLE=scheduler exec python utils.py ;;
        1 | 2) DMLC_ROLE=server exec python utils.py ;;
        *) DMLC_ROLE=worker exec python tools/train.py \\
            --kvstore dist_sync --checkpoint run.ckpt ;;
        esac'

The first task runs on the machine that the job's script runs on, which is
what the first variable says. `--kill-on-bad-exit` ends all if one dies.
Submit it in the book's folder.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import ctypes
import functools
import importlib.util
import os
import shlex
import signal
import socket
import subprocess
import threading
import time

PATIENCE = 30  # seconds for scheduler and servers to end after the workers


def free_ports(count):
    """Return ports of this machine that nobody uses now, in order."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = sorted(each.getsockname()[1] for each in sockets)
    for each in sockets:
        each.close()
    return ports


def roles(workers, servers, command):
    """Return (name, role, command) of every process.

    In the roles of scheduler and server, `import mxnet` serves until all is
    done, and then exits; utils.py imports it, with CUDA if there is any.
    """
    serve = [sys.executable, str(ROOT / 'utils.py')]
    return [
        ('scheduler', 'scheduler', serve),
        *((f'server {i}', 'server', serve) for i in range(servers)),
        *((f'worker {i}', 'worker', command) for i in range(workers)),
    ]


def variables(role, workers, servers, host, port):
    """Return what MXNet reads from the environment."""
    return {
        'DMLC_ROLE': role,
        'DMLC_PS_ROOT_URI': host,
        'DMLC_PS_ROOT_PORT': str(port),
        'DMLC_NUM_WORKER': str(workers),
        'DMLC_NUM_SERVER': str(servers),
    }


def die_with(parent):
    """Ask Linux to end this process when the launcher, `parent`, is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it was killed already
        os._exit(1)


def start(name, command, environment):
    """Start a process; its lines are printed with its name before them."""
    bind = functools.partial(die_with, os.getpid())
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        start_new_session=True,  # so that its own children can be ended, too
        preexec_fn=bind if sys.platform == 'linux' else None,
    )

    def forward():
        for line in process.stdout:
            print(f'{name} | {line}', end='', flush=True)

    process.lines = threading.Thread(target=forward, daemon=True)
    process.lines.start()
    return process


def end(processes):
    """End processes, and what they started, at once."""
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # nothing is left of it
    for process in processes:
        process.wait()
        process.lines.join()


def verdict(name, process):
    """Return what to say, and the exit code, for a process that failed."""
    code = process.returncode
    how = f'failed with exit code {code}'
    if code < 0:
        how = f'was killed by {signal.Signals(-code).name}'
    text = f'launch: {name} (process {process.pid}) {how}; all are ended. '
    text += 'When its cause is mended, the same command goes on from the last '
    text += 'checkpoint, if one was written.'
    return text, code if code > 0 else 128 - code


def watch(processes):
    """Wait until all have ended: None if all did well, else what to say."""
    last_worker_ended = None
    while True:
        for name, process in processes:
            if process.poll():
                return verdict(name, process)
        running = [name for name, p in processes if p.returncode is None]
        if not running:
            return None
        if not any(name.startswith('worker') for name in running):
            last_worker_ended = last_worker_ended or time.monotonic()
            if time.monotonic() - last_worker_ended > PATIENCE:
                return (
                    f'launch: {running[0]} waited for workers that trained '
                    "together, and was ended: does the command's training "
                    "have kvstore='dist_sync'?"
                ), 1
        time.sleep(0.1)


def run(workers, servers, command, host, port):
    """Run all processes on this machine; return the exit code."""
    cores = len(os.sched_getaffinity(0))
    shared = {'OMP_NUM_THREADS': str(max(1, cores // workers))} | os.environ
    shared['DMLC_NODE_HOST'] = host
    if command[0] == 'python':
        command = [sys.executable, *command[1:]]
    port, *ports = [port] * bool(port) + free_ports(workers + (not port))
    processes = []
    try:
        for name, role, its_command in roles(workers, servers, command):
            own = variables(role, workers, servers, host, port)
            if role == 'worker':  # ranks are given in the order of ports
                own['PORT'] = str(ports.pop(0))
            processes.append((name, start(name, its_command, shared | own)))
        failure = watch(processes)
    finally:
        end([process for _, process in processes])
    if failure:
        text, code = failure
        print(text, file=sys.stderr, flush=True)
        return code
    return 0


def print_environment(workers, servers, command, host, port):
    """Print a line for each process of a cluster, for the book's folder."""
    python, environment = 'python', Path(sys.prefix)
    if environment.parent.samefile(ROOT):
        python = f'{environment.name}/bin/python'
    for name, role, its_command in roles(workers, servers, command):
        if role != 'worker':
            its_command = ['python', 'utils.py']
        if its_command[0] == 'python':
            its_command = [python, *its_command[1:]]
        pairs = variables(role, workers, servers, host, port).items()
        line = ' '.join(f'{key}={value}' for key, value in pairs)
        print(f'# {name}\n{line} {shlex.join(its_command)}')


def main(arguments=None):
    """Read the command line and do what it says; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--workers', type=int, required=True)
    parser.add_argument('--servers', type=int, default=1)
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0, help='0: a free one')
    parser.add_argument('--print-env', action='store_true')
    parser.add_argument('command', nargs='+', metavar='-- COMMAND')
    choice = parser.parse_args(arguments)
    if min(choice.workers, choice.servers) < 1:
        parser.error('at least one worker and one server are needed')
    if importlib.util.find_spec('mxnet') is None:
        parser.error(
            f"{sys.executable} has no MXNet; the book's own Python does, "
            '.venv/bin/python (make html installs it)'
        )
    settings = choice.workers, choice.servers, choice.command, choice.host
    if choice.print_env:
        print_environment(*settings, choice.port or 9000)
        return 0
    return run(*settings, choice.port)


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
