"""The frame of the checks: it survives any answer, and leaves no trace."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import checks
import utils
from checks import (
    Unanswered,
    Verdict,
    Wrong,
    array,
    blocks,
    call,
    check,
    down,
    expect,
    recognise,
    same,
    share,
    twice,
    up,
    whole,
    words,
)

import numpy as onp
import pytest
from mxnet import np


@check('a function that returns 4', seconds=1)
def four(function):
    value = whole(call(function))
    if value != 4:
        raise Wrong('another number', expected=4, got=value, hint='count')
    return 'Four it is.'


@check('three numbers')
def three(numbers):
    array(numbers, (3,), 'the list')
    return 'Three.'


# ------------------------------------------------------------------ Verdicts
def test_a_verdict_is_shown_as_its_text():
    right, wrong = four(lambda: 4), four(lambda: 5)
    assert repr(right) == 'Right. Four it is.'
    assert repr(wrong) == (
        'Not yet: another number\n  expected: 4\n  got: 5\n  hint: count'
    )
    assert right and not wrong
    right.require()
    with pytest.raises(AssertionError, match='another number'):
        wrong.require()


@pytest.mark.parametrize(
    'answer', [..., [1, ..., 3], (1, [2, ...]), {'a': ...}]
)
def test_an_open_answer_says_what_is_expected(answer):
    verdict = three(answer)
    assert repr(verdict) == 'Not answered yet. Expected is three numbers.'
    with pytest.raises(AssertionError, match='Not answered yet'):
        verdict.require()


def test_a_function_that_returns_the_dots_is_open():
    assert four(lambda: ...).state == 'Not answered yet'
    with pytest.raises(Unanswered):
        call(lambda: (1, ...))


def adds_to_array(given):
    given += 1
    return given


def adds_to_list(given):
    given.append(4)
    return given


@pytest.mark.parametrize(
    'function, given',
    [
        (adds_to_array, onp.zeros(3)),
        (adds_to_array, np.zeros(3)),
        (adds_to_list, []),
        (lambda given: given[0].add(1), [set()]),
        (lambda given: given.update(a=1), {'a': 0}),
    ],
)
def test_what_a_function_is_given_stays_as_it_was(function, given):
    with pytest.raises(Wrong, match='changed what it was given'):
        call(function, given)


def forbidden():
    return 4


@pytest.mark.parametrize(
    'function',
    [
        forbidden,
        lambda: forbidden(),
        lambda: max([1], key=lambda _: forbidden()),
    ],
)
def test_a_forbidden_function_is_seen_wherever_it_is_called(function):
    profiler = sys.getprofile()
    with pytest.raises(Wrong, match='your function uses forbidden'):
        call(function, without=[forbidden])
    assert call(function) and sys.getprofile() is profiler


def test_a_check_keeps_its_name_and_its_description():
    assert four.__name__ == 'four'
    assert isinstance(four(3), Verdict)


# ------------------------------------------------------------ Hostile answers
class Nasty:
    """All that it is asked raises."""

    shape = (2, 'two')

    def __str__(self):
        raise RuntimeError('no text')

    __repr__ = __iter__ = __len__ = __array__ = __float__ = __str__


class Base(BaseException):
    """Not an Exception."""


def raises(error):
    def function():
        raise error

    return function


def endless():
    while True:
        pass


def stubborn():
    while True:
        try:
            time.sleep(0.01)
        except:  # noqa: E722  as students write it
            continue


def more_stubborn():
    while True:
        with contextlib.suppress(BaseException):
            while True:
                time.sleep(0.01)


def patient():
    time.sleep(60)


def greedy():
    return onp.empty(2**32)


def deep():
    return deep()


@pytest.mark.parametrize(
    'function, phrase',
    [
        (None, 'is no function'),
        ('text', 'is no function'),
        (lambda one_too_many: 4, 'TypeError'),
        (lambda: 1 / 0, 'ZeroDivisionError'),
        (raises(SystemExit(3)), 'SystemExit'),
        (raises(Base()), 'Base'),
        (raises(StopIteration()), 'StopIteration'),
        (deep, 'RecursionError'),
        (endless, 'still at work after 1 seconds'),
        (patient, 'still at work after 1 seconds'),
        (stubborn, 'still at work after 1 seconds'),
        (more_stubborn, 'still at work after 1 seconds'),
        (greedy, 'more memory'),
        (lambda: None, 'wrong type'),
        (lambda: '4', 'wrong type'),
        (lambda: (i for i in range(4)), 'wrong type'),
        (lambda: float('nan'), 'NaN'),
        (lambda: 4.5, 'whole number'),
        (lambda: [4], 'wrong shape'),
        (lambda: Nasty(), 'could not be examined'),
        (Nasty(), 'is no function'),
    ],
)
def test_any_function_gets_a_message(function, phrase):
    before = traces()
    verdict = four(function)
    assert verdict.state == 'Not yet'
    assert phrase in repr(verdict)
    assert traces() == before


def traces():
    """What a check could leave behind."""
    return (
        signal.getsignal(signal.SIGALRM),
        signal.getitimer(signal.ITIMER_REAL),
        resource.getrlimit(resource.RLIMIT_AS),
        sys.gettrace(),
    )


ITSELF = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    'numbers, phrase',
    [
        (None, 'wrong type'),
        ({}, 'wrong type'),
        ({1, 2, 3}, 'wrong type'),
        ((i for i in range(3)), 'wrong type'),
        (b'123', 'wrong type'),
        (1j, 'wrong type'),
        (Nasty(), 'could not be examined'),
        ([], 'wrong shape'),
        ([1, 2], 'wrong shape'),
        ([[1], [2, 3]], 'rows of equal length'),
        (['a', 'b', 'c'], 'read as numbers'),
        ([1, 2, float('nan')], 'NaN or infinity'),
        (np.array([1, 2, onp.inf]), 'NaN or infinity'),
        (onp.array([1, None, 2]), 'NaN or infinity'),
        (onp.broadcast_to(1.0, (10**6, 10**6)), 'wrong shape'),
        (ITSELF, 'could not be examined'),
        (True, 'wrong shape'),
    ],
)
def test_anything_in_place_of_numbers_gets_a_message(numbers, phrase):
    verdict = three(numbers)
    assert verdict.state == 'Not yet'
    assert phrase in repr(verdict)


@pytest.mark.parametrize(
    'numbers', [[1, 2, 3], (1.0, 2, 3), onp.arange(3), np.arange(3)]
)
def test_numbers_of_any_kind(numbers):
    assert three(numbers)


def test_a_huge_array_is_not_computed():
    with pytest.raises(Wrong, match='far too large'):
        array(onp.broadcast_to(1.0, (10**6, 10**6)))


def test_a_long_answer_is_cut_short():
    assert len(repr(three('x' * 10**6))) < 500


def test_ctrl_c_still_works():
    """It ends the check, like any cell; it is no wrong answer."""
    with pytest.raises(KeyboardInterrupt):
        four(raises(KeyboardInterrupt()))


def test_what_the_check_may_take_is_what_it_says():
    @check('a function', seconds=2)
    def slow(function):
        return call(function)

    start = time.monotonic()
    assert 'after 2 seconds' in repr(slow(patient))
    assert time.monotonic() - start > 1.9


def test_waiting_for_a_busy_machine_is_not_counted(monkeypatch):
    """But not for ever."""
    start = time.monotonic()

    def busy():
        return {'1': (time.monotonic() - start) * share, '2': 0}

    @check('a function', seconds=0.5)
    def quick(function):
        return call(function)

    monkeypatch.setattr(checks, '_waits', busy)
    share = 0.9  # of the time somebody else is at work
    assert quick(lambda: time.sleep(1))
    share = 1
    assert not quick(patient)
    assert time.monotonic() - start < 1.5 + checks.PATIENCE * 0.5
    monkeypatch.setattr(checks, '_waits', dict)  # nobody counts
    assert not quick(lambda: time.sleep(1))


def test_this_machine_counts_how_long_threads_wait():
    assert checks._waits()


def test_what_mxnet_says_comes_without_its_stack():
    verdict = four(lambda: np.ones((4, 4)) * np.ones((3, 3)))
    assert verdict.state == 'Not yet'
    assert 'could not be broadcast' in verdict.text
    assert 'Traceback' not in verdict.text and '.h"' not in verdict.text


def test_an_alarm_while_numpy_reads_the_answer_is_no_other_mistake():
    """NumPy says of any error in there that these are no numbers."""

    class Slow:
        def __float__(self):
            time.sleep(60)

        def __len__(self):  # looks like an array, as MXNet's do
            raise TypeError

        __getitem__ = __len__

    @check('three numbers', seconds=0.2)
    def quick(numbers):
        array(numbers, (3,))

    verdict = quick([Slow()] * 3)
    assert verdict.state == 'Not yet'
    assert 'still at work after 0.2 seconds' in verdict.text


def test_an_alarm_of_ones_own_comes_back():
    def mine(*_):
        raise AssertionError('not in here')

    before = signal.signal(signal.SIGALRM, mine)
    try:
        assert four(lambda: 4)
        assert signal.getsignal(signal.SIGALRM) is mine
    finally:
        signal.signal(signal.SIGALRM, before)


def test_in_another_thread():
    """Without limits, for those need the main thread; but it works."""
    said = []
    thread = threading.Thread(target=lambda: said.append(four(lambda: 4)))
    thread.start()
    thread.join()
    assert said[0]


def test_a_check_inside_a_check():
    """The outer one keeps its own limits."""

    @check('nothing')
    def outer(function):
        return repr(four(function))

    assert 'Right. Right.' in repr(outer(lambda: 4))


# -------------------------------------------------------------------- Helpers
def test_words():
    assert words('one two three', least=3) == 'one two three'
    with pytest.raises(Wrong, match='too short'):
        words('one two', least=3)
    with pytest.raises(Wrong, match='in quotes'):
        words(3)


def test_recognise():
    mistakes = [([1, 2], 'swapped'), ([2, 2], 'twice')]
    assert recognise(onp.array([2, 2.00001]), *mistakes) == 'twice'
    assert recognise([2, 1], *mistakes) is None
    assert recognise([1, 2, 3], *mistakes) is None
    assert recognise(4, (3, 4, 'both'), (4, 'later')) == 'both'
    assert recognise(1.2, (1, 'near'), tolerance=0.5) == 'near'


def test_whole():
    assert whole(np.array(3)) == whole(3.0) == 3
    with pytest.raises(Wrong, match='whole number'):
        whole(3.5)
    with pytest.raises(Wrong, match='the size is far too large\n.*1e[+]300'):
        whole(10**300, 'the size')


def test_share():
    assert share(np.array([0, 0.5, 1]), (3,)).tolist() == [0, 0.5, 1]
    for wrong in (31.2, -0.1):
        with pytest.raises(Wrong, match='from 0 to 1(.|\n)*not a percentage'):
            share(wrong)


def test_same():
    assert same([1, 2], onp.float32([1.00005, 2]))
    assert not same([1, 2], [1.001, 2])
    assert not same([1, 1], 1)
    assert same([1, 2], [1.1, 2], onp.array([0.2, 0]))


@pytest.mark.parametrize('hint', ['two rows', {(3,): 'two rows'}.get])
def test_another_shape_has_a_hint(hint):
    for numbers in ([1, 2, 3], np.ones(3)):
        with pytest.raises(Wrong, match='shape .3,.\n  hint: two rows'):
            array(numbers, (2, 3), hint=hint)


def test_the_first_wrong_number_is_named():
    right = onp.arange(6).reshape(2, 3)
    expect(right + 1e-5, right, 'nothing is wrong')
    with pytest.raises(Wrong) as caught:
        expect(
            right * [[1, 1, 1], [2, 1, 1]],
            right,
            'row {}, column {}',
            (right.T, 'turned'),
            expected='{:g} at {}, {}',
            got='{:g}',
            hint='think',
        )
    assert str(caught.value) == (
        'row 1, column 0\n  expected: 3 at 1, 0\n  got: 6\n  hint: think'
    )


def test_a_known_mistake_has_its_own_hint():
    with pytest.raises(Wrong) as caught:
        expect(2.5, 3, 'a wrong sum', (2.5, 'the half'), hint='think')
    assert str(caught.value) == 'a wrong sum\n  got: 2.5000\n  hint: the half'


@pytest.mark.parametrize(
    'k, s, p, a, d',
    [
        (3, 1, 0, 0, 1),
        (3, 2, 1, 1, 1),
        (2, 3, 0, 2, 2),
        (4, 2, 3, 0, 3),
    ],
)
def test_up_and_down_by_their_definitions(k, s, p, a, d):
    rng = onp.random.default_rng(2)
    X, K = rng.normal(size=(3, 4)), rng.normal(size=(k, k))
    Y = up(X, K, s, p, a, d)
    for u, v in onp.ndindex(Y.shape):
        total = 0
        for (i, j), x in onp.ndenumerate(X):
            m, n = u + p - s * i, v + p - s * j
            if m % d == n % d == 0 and 0 <= m < d * k and 0 <= n < d * k:
                total += x * K[m // d, n // d]
        assert abs(Y[u, v] - total) < 1e-12
    assert Y.shape == tuple(
        s * (side - 1) + d * (k - 1) + 1 - 2 * p + a for side in X.shape
    )
    if d == 1:  # one is the other's transpose: the sums of products agree
        B = rng.normal(size=down(Y, K, s, p).shape)
        again = up(B, K, s, p, Y.shape[0] - (s * (len(B) - 1) + k - 2 * p))
        assert again.shape == Y.shape
        assert abs((down(Y, K, s, p) * B).sum() - (Y * again).sum()) < 1e-9


def test_up_adds_stamps():
    right = [[1, -1, 0, 0], [2, 3, 0, 0], [0, 0, 2, -2], [0, 0, 4, 6]]
    X, K = onp.array([[1, 0], [0, 2]]), onp.array([[1, -1], [2, 3]])
    assert same(up(X, K, stride=2), right)
    assert same(up(X, K, 2, padding=1), onp.array(right)[1:-1, 1:-1])
    assert same(up(X, K, 2, output_padding=1), onp.pad(right, (0, 1)))
    wide = onp.kron(K, [[1, 0], [0, 0]])[:3, :3]
    assert same(up(X, K, dilation=2), up(X, wide))


@pytest.mark.parametrize('onednn', ['0', '1'])
def test_the_right_answer_is_right_whatever_mxnet_computes_with(onednn, root):
    """MXNet's own transposed convolution errs where strides meet dilation."""
    code = """
import numpy, segbook, checks.transposed_conv as check
def size(i, k, s, p, a, d):
    return s * (i - 1) + d * (k - 1) + 1 - 2 * p + a
def dilated(X, K, s, p, a, d):
    wide = numpy.zeros([d * (n - 1) + 1 for n in K.shape], 'float32')
    wide[::d, ::d] = K.asnumpy()
    return segbook.trans_conv(X, segbook.np.array(wide), s, p, a)
print(check.dilation(size, dilated))
"""
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=root,
        env={**os.environ, 'MXNET_MKLDNN_ENABLED': onednn},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith('Right.'), done.stdout + done.stderr


def test_blocks():
    cells = onp.array([[[1, 2]]])
    assert blocks(cells, 2).tolist() == [[[1, 1, 2, 2], [1, 1, 2, 2]]]


def test_threads_first():
    """checks imports utils, which sets the threads, before MXNet."""
    assert utils.set_seed


# -------------------------------------------------------- Random numbers
def test_what_runs_twice_leaves_the_global_generators_as_they_were():
    random.seed(5)
    onp.random.seed(5)
    wanted = random.random(), onp.random.random()
    random.seed(5)
    onp.random.seed(5)
    first, again = twice(onp.random.default_rng(3).random)
    assert first != again
    assert (random.random(), onp.random.random()) == wanted


@pytest.mark.parametrize(
    'run',
    [
        random.random,
        onp.random.random,
        lambda: random.seed(1),
        lambda: onp.random.seed(7),
    ],
    ids=['Python draws', 'NumPy draws', 'Python seeds', 'NumPy seeds'],
)
def test_what_uses_a_global_generator_is_found_out(run):
    before = random.getstate()
    with pytest.raises(Wrong, match='that others use'):
        twice(run)
    assert random.getstate() == before
