"""How long things take, measured so that a sentence can rest on it."""

import time

import parts.start  # noqa: F401  first: before MXNet

import numpy as onp
from mxnet import npx

# Before each of three measurements, in seconds: other work of the machine,
# such as the making of the book's pages, may end meanwhile. With OpenMP two
# threads wait for each other at each step, so it can turn the order round.
_PAUSES = 0, 10, 30


def compare_times(functions, claim=None, rounds=7):
    """Measure functions in turns: {name: seconds of a call, the median}.

    `functions`: {name: function without arguments}; what it starts in MXNet
    is waited for. The first round is for warming up, and does not count.
    `claim`: a sentence of the text, word for word, which says that the
    functions are listed from the fastest to the slowest.

    Raises RuntimeError naming the sentence if three times in a row, measured
    anew, the order is another one.
    """
    for pause in _PAUSES:
        time.sleep(pause)
        times = _measure(functions, rounds)
        if claim is None or sorted(times.values()) == [*times.values()]:
            return times
    found = ', '.join(f'{name} {s:.3g} s' for name, s in times.items())
    raise RuntimeError(f'measured three times, not so: «{claim}» ({found})')


def _measure(functions, rounds):
    """Measure each function once a round: {name: median in seconds}."""
    times = {name: [] for name in functions}
    for _ in range(1 + rounds):
        for name, function in functions.items():
            npx.waitall()
            start = time.perf_counter()
            function()
            npx.waitall()
            times[name].append(time.perf_counter() - start)
    return {name: float(onp.median(some[1:])) for name, some in times.items()}
