"""How a measured process talks to bench.py: lines of JSON.

Every peer is a program of its own: `python PEER.py WORK FOLDER`. It prepares
itself, says what it is, runs one round for every line it is sent, and at the
end of its input says how much memory it took.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as onp


def read_settings(folder):
    """Return the sizes of the work, which bench.py wrote."""
    return json.loads((folder / 'settings.json').read_text('utf-8'))


def read_batch(folder):
    """Return photos, float32 (N, 3, H, W), and labels, uint8 (N, H, W)."""
    with onp.load(folder / 'batch.npz') as batch:
        return batch['photos'], batch['labels']


def read_photo(folder):
    """Return a photo, uint8 (1, h, w, 3), and labels, uint8 (1, h, w)."""
    with onp.load(folder / 'photo.npz') as photo:
        return photo['photos'], photo['labels']


# At the border a transposed convolution and `F.interpolate` differ; inside,
# all peers compute the same.
BORDER = 16


def some_of(scores):
    """Return some of the scores (N, C, H, W), far from the border."""
    inside = slice(BORDER, -BORDER, 4)
    return onp.array(onp.asarray(scores)[:, :, inside, inside])


def check(scores, labels, path=None):
    """What says whether a peer computes the same: for `Bench.compare`.

    `path`: where some of the book's scores are (`some_of`), of a net that is
    not trained. `difference` is the largest, in units of the largest score.
    """
    facts = {'inner_loss': inner_loss(scores, labels)}
    if path is not None:
        ours, theirs = onp.load(path), some_of(scores)
        largest = abs(ours - theirs).max() / abs(ours).max()
        facts['difference'] = float(largest)
    return facts


def inner_loss(scores, labels):
    """Mean cross-entropy of scores (N, C, H, W), far from the border."""
    inside = slice(BORDER, -BORDER)
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

    `step` returns its loss, `check` is what was known before it.
    """
    first = step()

    def one_round():
        return {sys.argv[1]: seconds(step, settings['steps'])}

    return one_round, {**check, 'loss': first}


def inference(scores, classes, settings, check):
    """The work of measuring two functions: scores, and scores with argmax."""
    work = sys.argv[1]

    def one_round():
        return {
            work: seconds(scores, settings['steps']),
            work.replace('infer', 'classes'): seconds(classes, 1),
        }

    return one_round, check


def one_photo(scores, settings, check):
    """The work of measuring a function of one photo, which takes little."""

    def one_round():
        return {sys.argv[1]: seconds(scores, 10 * settings['steps'])}

    one_round()
    return one_round, check


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


def for_both(*works):
    """Name works on either net: `train`, and `lite_train` for Lite0."""
    return {
        prefix + work.__name__: partial(work, kind=kind)
        for work in works
        for prefix, kind in (('', 'resnet18'), ('lite_', 'lite0'))
    }


def serve(works, left_out=None, **facts):
    """Do the work that the command line names, round by round.

    `works`: {name: function of a folder}, which prepares, warms up, and
    returns a function of one round, which returns {what: [seconds, ...]},
    and a dict of what is to be known about it. `left_out`: why this peer
    cannot work on this machine; it says only that.
    """
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)  # whatever a library prints is no answer

    def say(**what):
        print(json.dumps(what), file=answers, flush=True)

    if left_out:
        return say(left_out=left_out)
    work, folder = sys.argv[1], Path(sys.argv[2])
    one_round, more = works[work](folder)
    say(**facts, **more)
    for _ in sys.stdin:
        say(times=one_round())
    say(peak_memory_mib=memory())
    return None
