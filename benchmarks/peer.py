"""How a measured process talks to bench.py: lines of JSON.

Every peer is a program of its own: `python PEER.py WORK FOLDER`. It prepares
itself, says what it is, runs one round for every line it is sent, and at the
end of its input says how much memory it took.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as onp


def read_settings(folder):
    """Return the sizes of the work, which bench.py wrote."""
    return json.loads((folder / 'settings.json').read_text('utf-8'))


def read_batch(folder):
    """Return photos, float32 (N, 3, H, W), and labels, uint8 (N, H, W)."""
    with onp.load(folder / 'batch.npz') as batch:
        return batch['photos'], batch['labels']


def inner_loss(scores, labels, border=16):
    """Mean cross-entropy of scores (N, C, H, W), far from the border.

    At the border a transposed convolution and `F.interpolate` differ; inside,
    all peers compute the same.
    """
    inside = slice(border, -border)
    scores = onp.asarray(scores)[:, :, inside, inside].astype('float64')
    labels = labels[:, inside, inside].astype('int64')[:, None]
    scores -= scores.max(axis=1, keepdims=True)
    right = onp.take_along_axis(scores, labels, axis=1)[:, 0]
    return float((onp.log(onp.exp(scores).sum(axis=1)) - right).mean())


def seconds(function, repeats):
    """Call a function so many times: the seconds of each call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def training(step, settings, check):
    """Take a first step: the work of measuring the following ones.

    `step` returns its loss, `check` is the `inner_loss` before it.
    """
    first = step()

    def one_round():
        return {'train': seconds(step, settings['steps'])}

    return one_round, {'inner_loss': check, 'loss': first}


def inference(scores, classes, settings, check):
    """The work of measuring two functions: scores, and scores with argmax."""

    def one_round():
        return {
            'infer': seconds(scores, settings['steps']),
            'classes': seconds(classes, 1),
        }

    return one_round, {'inner_loss': check}


def loading(epoch):
    """The work of measuring an epoch, an iterator over sizes of batches."""
    imported = memory()

    def one_round():
        samples = 0

        def whole():
            nonlocal samples
            samples = sum(epoch())

        (taken,) = seconds(whole, 1)
        return {'loader': [taken / samples]}

    return one_round, {'memory_before_mib': imported}


def memory(key='VmHWM'):
    """Return this process's peak memory in MiB (VmRSS: memory now).

    Not getrusage: it counts the parent's memory as the child's own.
    """
    status = Path('/proc/self/status').read_text('utf-8')
    lines = dict(line.split(':') for line in status.splitlines())
    return int(lines[key].split()[0]) / 1024


def serve(works, **facts):
    """Do the work that the command line names, round by round.

    `works`: {name: function of a folder}, which prepares, warms up, and
    returns a function of one round, which returns {what: [seconds, ...]},
    and a dict of what is to be known about it.
    """
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)  # whatever a library prints is no answer

    def say(**what):
        print(json.dumps(what), file=answers, flush=True)

    work, folder = sys.argv[1], Path(sys.argv[2])
    one_round, more = works[work](folder)
    say(**facts, **more)
    for _ in sys.stdin:
        say(times=one_round())
    say(peak_memory_mib=memory())
