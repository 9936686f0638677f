"""Checks of answers to the exercises: by what they do, not how they look.

Each module holds the checks of one chapter, plain functions that take an
answer and return a `Verdict`. They work in any notebook and in any program:

    from checks import transposed_conv as check
    check.one_size(settings)
"""

import functools
import numbers as kinds
import random
import resource
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import utils  # noqa: F401  first: it gives MXNet all cores

import numpy as onp

RIGHT, WRONG, OPEN = 'Right', 'Not yet', 'Not answered yet'
# No answer of this book has more numbers, a picture of a camera included.
MOST_NUMBERS = 10**8
ROOM = 2**31  # bytes that an answer may take beyond what is in use
NOT_A_SHARE = 'a share is a number from 0 to 1, not a percentage: '
NOT_A_SHARE += '0.312, not 31.2'
ROUNDED = 6e-4  # what was worked out on paper may have three decimals
TOO_ROUND = 'nearly: give three digits after the point, or a fraction'
PATIENCE = 6  # times as long as allowed, on a machine that is busy


class Verdict:
    """What a check says of an answer. A notebook shows it as text.

    state: 'Right', 'Not yet' or 'Not answered yet'. text: all of it. As a
    condition, a verdict is true if the answer is right.
    """

    def __init__(self, state, text):
        self.state, self.text = state, text

    def __bool__(self):
        return self.state == RIGHT

    def __repr__(self):
        return f'{self.state}{":" if self.state == WRONG else "."} {self.text}'

    def require(self):
        """Raise AssertionError with the text unless the answer is right."""
        if not self:
            raise AssertionError(repr(self))


class Unanswered(Exception):
    """The answer, or a part of it, is still `...`."""


class Wrong(Exception):
    """The answer is not right; `args` say what was expected, got, and why."""

    def __init__(self, problem, expected=None, got=None, hint=None):
        lines = [problem]
        for name, part in (
            ('expected', expected),
            ('got', got),
            ('hint', hint),
        ):
            if part is not None:
                lines.append(f'  {name}: {part}')
        super().__init__('\n'.join(lines))


class _TimeUp(BaseException):
    """Not an Exception: an answer that catches those must not catch this."""


def check(expects, seconds=5):
    """Make a function that raises `Wrong` into a check, see `Verdict`.

    Args:
        expects: what is to be handed in, in words: said where the answer is
            still `...`.
        seconds: how long the answer may take. Not counted is the time that
            it waits for a processor which others use.

    The function gets the answers, none of which is `...`, and returns what
    to say if they are right. What it says of a wrong answer it raises.
    """

    def make(function):
        @functools.wraps(function)
        def checked(*answers):
            limits = _Limits(seconds)
            late = Verdict(
                WRONG,
                f'The answer was still at work after {seconds} seconds.\n'
                '  hint: is there a loop without an end, or a far too large '
                'array? If the machine is busy, run the check again.',
            )
            try:
                if any(_is_open(answer) for answer in answers):
                    raise Unanswered
                limits.begin()
                said = function(*answers)
            except Unanswered:
                return Verdict(OPEN, f'Expected is {expects}.')
            except Wrong as wrong:
                # NumPy makes an error of an alarm while it reads an array.
                return late if limits.alarms else Verdict(WRONG, str(wrong))
            except _TimeUp:
                return late
            except MemoryError:
                return Verdict(
                    WRONG,
                    'The answer needs more memory than any right one.\n'
                    '  hint: look at the shapes of its arrays.',
                )
            except Exception as error:  # an answer that nobody foresaw
                if limits.alarms:
                    return late
                return Verdict(
                    WRONG,
                    'The answer could not be examined: '
                    f'{type(error).__name__}: {_said(error)}',
                )
            finally:
                limits.over = True  # first: an alarm is now without effect
                limits.end()
            return Verdict(RIGHT, said)

        return checked

    return make


def _is_open(answer):
    """Whether an answer, or a part of it, is still `...`."""
    if isinstance(answer, list | tuple):
        return any(_is_open(part) for part in answer)
    if isinstance(answer, dict):
        return any(_is_open(part) for part in answer.values())
    return answer is ...


class _Limits:
    """Bounds the time and the memory of what runs after `begin`.

    Only the main thread can be interrupted, as every notebook's cells are;
    elsewhere nothing is bounded. `end` undoes everything.
    """

    def __init__(self, seconds):
        self.seconds = seconds
        self.over = False
        self.undo = []
        self.alarms = 0
        self.started = time.monotonic()
        self.waited = _waits()

    def begin(self):
        if threading.current_thread() is not threading.main_thread():
            return
        with open('/proc/self/statm', encoding='utf-8') as file:
            in_use = int(file.read().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        known = {soft, hard} - {resource.RLIM_INFINITY}
        room = min([in_use + ROOM, *known])
        self.undo = [
            (sys.settrace, sys.gettrace()),
            (signal.signal, signal.SIGALRM, signal.getsignal(signal.SIGALRM)),
            (resource.setrlimit, resource.RLIMIT_AS, (soft, hard)),
            (signal.setitimer, signal.ITIMER_REAL, 0),
        ]
        resource.setrlimit(resource.RLIMIT_AS, (room, hard))
        signal.signal(signal.SIGALRM, self.stop)
        # Again each second: an answer may have caught the first one.
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 1)

    def end(self):
        while self.undo:
            function, *arguments = self.undo.pop()
            function(*arguments)

    def left(self):
        """Return how many seconds are left to the answer."""
        passed = time.monotonic() - self.started
        waited = max(
            [
                seconds - self.waited.get(thread, 0)
                for thread, seconds in _waits().items()
            ],
            default=0,
        )
        return min(
            self.seconds + waited - passed, PATIENCE * self.seconds - passed
        )

    def stop(self, number, frame):
        """Interrupt the answer, wherever it is."""
        if self.over:
            return
        if not self.alarms and (left := self.left()) > 0:
            signal.setitimer(signal.ITIMER_REAL, left + 0.01, 1)
            return
        self.alarms += 1
        if self.alarms > 1:  # it has an `except:` for everything
            while frame and frame.f_code.co_filename != __file__:
                frame.f_trace = self.stop_in_except
                frame = frame.f_back
            sys.settrace(self.stop_in_except)
        raise _TimeUp

    def stop_in_except(self, frame, event, argument):
        """Interrupt at the next line: that of the `except` itself."""
        if event != 'exception' and not self.over:
            raise _TimeUp


def _waits():
    """Return how long each thread has waited for a processor, in seconds."""
    found = {}
    for path in Path('/proc/self/task').glob('*/schedstat'):
        try:
            found[path.parent.name] = (
                int(path.read_text('utf-8').split()[1]) / 1e9
            )
        except (OSError, IndexError):  # it has ended, or nobody counts
            continue
    return found


def call(function, *arguments, name='your function', without=(), **options):
    """Call a student's function; return what it returns.

    `without`: functions that the task forbids, whatever they are called by.

    Raises Wrong if it is no function, raises anything, changes what it is
    given, or uses a function of `without`; Unanswered if it returns `...`.
    """
    if not callable(function):
        raise Wrong(f'{name} is no function', got=_short(function))
    before = _content(arguments)
    try:
        with _seen(without) as used:
            result = function(*arguments, **options)
    except (Unanswered, Wrong, MemoryError, KeyboardInterrupt, _TimeUp):
        raise
    except BaseException as error:  # SystemExit too
        raise Wrong(
            f'{name} raised {type(error).__name__}: {_said(error)}',
            hint='call it in a cell of your own to see where',
        ) from None
    if _is_open(result):
        raise Unanswered
    if used:
        raise Wrong(
            f'{name} uses {used[0]}, which does all the work',
            hint='the task is to do without it',
        )
    if _content(arguments) != before:
        raise Wrong(
            f'{name} changed what it was given',
            hint='the caller still needs it; += and assignments to slices '
            'work in place, so begin with something of your own',
        )
    return result


def twice(run):
    """Call `run()` twice; return both results.

    In between the global generators of NumPy and Python are seeded anew, so
    the results differ if they depend on these. Raises Wrong if it draws from
    them or seeds them.
    """
    mine, results = (onp.random.get_state(), random.getstate()), []
    try:
        for seed in (1, 2):
            onp.random.seed(seed)
            random.seed(seed)
            before = _global_numbers()
            results.append(run())
            if _global_numbers() != before:
                raise Wrong(
                    'the function changes random numbers that others use',
                    hint='a seed for the global generator is a seed for the '
                    'whole program. Make a generator of your own: '
                    'numpy.random.default_rng',
                )
    finally:
        onp.random.set_state(mine[0])
        random.setstate(mine[1])
    return results


def _global_numbers():
    """The state of the global generators, to be compared."""
    name, keys, *rest = onp.random.get_state()
    return name, keys.tobytes(), rest, random.getstate()


@contextmanager
def _seen(functions):
    """Yield a list that names which of these functions have been called."""
    names = {function.__code__: function.__name__ for function in functions}
    used, before = [], sys.getprofile()

    def look(frame, event, argument):
        if event == 'call' and frame.f_code in names:
            used.append(names[frame.f_code])

    if names:
        sys.setprofile(look)
    try:
        yield used
    finally:
        if names:
            sys.setprofile(before)


def _content(value, depth=5):
    """Return what arrays and collections hold, to be compared later."""
    if isinstance(value, list | tuple):
        if not depth:  # no check hands over any that are nested so deeply
            return len(value)
        return [_content(part, depth - 1) for part in value]
    if isinstance(value, dict):
        return [_content(pair, depth - 1) for pair in value.items()]
    if isinstance(value, set):
        return set(value)
    if isinstance(value, int | float | str):
        return value
    if hasattr(value, 'asnumpy'):
        value = value.asnumpy()
    if isinstance(value, onp.ndarray):
        return value.shape, value.tobytes()
    return None  # what else checks hand over, nobody changes


def array(answer, shape=None, name='the answer', hint=None):
    """Return an answer as float64 numbers of NumPy.

    Takes numbers, lists and tuples of them, arrays of NumPy and MXNet.

    Args:
        shape: the shape it must have; None for any.
        hint: what to say of another shape, or a function that returns it for
            the shape that the answer has.

    Raises:
        Wrong: it is something else, has another shape, or holds NaN or
            infinity.
    """
    if isinstance(answer, kinds.Real):
        answer = float(answer)
    size = getattr(answer, 'shape', None)
    if not isinstance(answer, float | list | tuple) and size is None:
        raise Wrong(
            f'{name} is of the wrong type',
            expected='numbers, a list of them, or an array',
            got=f'{type(answer).__name__}: {_short(answer)}',
        )
    # Shapes first: the values of an endless one are better not computed.
    if size is not None:
        size = tuple(int(side) for side in size)
        if shape is not None and size != tuple(shape):
            _wrong_shape(name, shape, size, hint)
        if onp.prod(size, dtype=float) > MOST_NUMBERS:
            raise Wrong(f'{name} is far too large', got=f'the shape {size}')
    try:
        if hasattr(answer, 'asnumpy'):
            answer = answer.asnumpy()
        if onp.iscomplexobj(answer):
            raise TypeError('complex numbers')
        values = onp.array(answer, dtype='float64')
    except MemoryError:
        raise
    except Exception as error:
        raise Wrong(
            f'{name} cannot be read as numbers in rows of equal length',
            got=_said(error),
        ) from None
    if shape is not None and values.shape != tuple(shape):
        _wrong_shape(name, shape, values.shape, hint)
    if not onp.isfinite(values).all():
        raise Wrong(
            f'{name} holds NaN or infinity',
            hint='is something divided by zero, or never given a value?',
        )
    return values


def _wrong_shape(name, shape, got, hint):
    raise Wrong(
        f'{name} has the wrong shape',
        expected=f'the shape {tuple(shape)}',
        got=f'the shape {got}',
        hint=hint(got) if callable(hint) else hint,
    )


def whole(answer, name='the answer'):
    """Return an answer as an integer of few digits.

    Raises Wrong if it is none.
    """
    value = array(answer, (), name)
    if value != onp.rint(value):
        raise Wrong(f'{name} must be a whole number', got=_short(answer))
    if abs(value) > 10**6:
        raise Wrong(f'{name} is far too large', got=f'{value:.0e}')
    return int(value)


def share(answer, shape=(), name='the answer'):
    """Return shares as `array` does. Raises Wrong if one is not in 0 to 1."""
    values = array(answer, shape, name)
    if (abs(values - 0.5) > 0.5001).any():
        raise Wrong(
            f'{name} must be from 0 to 1',
            got=values.round(3).tolist(),
            hint=NOT_A_SHARE,
        )
    return values


def words(answer, least=8, name='the answer'):
    """Return an open answer's text; all that can be checked is its length.

    Raises Wrong if it is no text, or one of fewer than `least` words.
    """
    if not isinstance(answer, str):
        raise Wrong(
            f'{name} must be a text, in quotes',
            got=f'{type(answer).__name__}: {_short(answer)}',
        )
    if len(answer.split()) < least:
        raise Wrong(
            f'{name} is too short to give a reason',
            got=f'{len(answer.split())} words',
            hint='write whole sentences: what you claim, and why',
        )
    return answer


def predictions(answers, right, hints):
    """Judge answers of which each is True or False.

    Args:
        answers, right, hints: dicts with the same keys, a name for each
            answer: what was handed in, the truth, and what to say of a wrong
            one.

    Raises Wrong if one is neither True nor False, or is wrong: how many are
    right, and the hint for the first that is not.
    """
    if any(isinstance(answer, str) for answer in answers.values()):
        raise Wrong('each answer must be True or False, without quotes')
    got = {
        name: float(array(answer, (), f'the answer {name}'))
        for name, answer in answers.items()
    }
    if not set(got.values()) <= {0, 1}:
        raise Wrong(
            'each answer must be True or False',
            got=', '.join(f'{value:g}' for value in got.values()),
        )
    wrong = [name for name, value in got.items() if value != right[name]]
    if wrong:
        raise Wrong(
            f'{len(got) - len(wrong)} of the {len(got)} predictions are right',
            hint=f'{wrong[0]}: {hints[wrong[0]]}',
        )


def seen(layers, cell):
    """Return the pixels, along one axis, that a cell depends on, sorted.

    By definition: a cell of a layer (kernel, stride, padding) sees so many
    cells of the map below it, and so on, down to the photo. Pixels below 0
    are padding.
    """
    places = {cell}
    for kernel, stride, padding in reversed(layers):
        places = {
            stride * place - padding + step
            for place in places
            for step in range(kernel)
        }
    return sorted(places)


def same(one, other, tolerance=1e-4):
    """Whether arrays have one shape, and numbers no further apart."""
    one, other = (onp.asarray(part, dtype='float64') for part in (one, other))
    return one.shape == other.shape and (abs(one - other) <= tolerance).all()


def recognise(got, *mistakes, tolerance=1e-4):
    """Return the hint of the first known mistake that gives these numbers.

    Args:
        got: the numbers of the answer.
        mistakes: tuples of what a known mistake gives, or several ones, and
            at the end the hint.
        tolerance: how far each number may be from the mistake's.

    Returns None if it is no known mistake.
    """
    for *wrongs, hint in mistakes:
        if any(same(got, wrong, tolerance) for wrong in wrongs):
            return hint
    return None


def expect(
    ours,
    right,
    problem,
    *mistakes,
    expected=None,
    got='{:.4f}',
    hint=None,
    tolerance=1e-4,
):
    """Raise Wrong unless an answer has the right numbers, see `same`.

    Args:
        ours, right: the numbers, of one shape.
        problem: what is wrong; `{}` in it are the indices of the first wrong
            number.
        mistakes: as for `recognise`.
        expected, got: as for `Wrong`; `{}` in them are the first wrong
            number and its indices.
        hint: what to say of an unknown mistake.
        tolerance: how far each number may be from the right one; ROUNDED
            for what is worked out on paper.
    """
    if same(ours, right, tolerance):
        return
    ours, right = (
        onp.asarray(part, dtype='float64') for part in (ours, right)
    )
    place = tuple(onp.argwhere(abs(ours - right) > tolerance)[0])
    if tolerance == ROUNDED and same(ours, right, 0.006):
        hint = TOO_ROUND
    raise Wrong(
        problem.format(*place),
        expected and expected.format(right[place], *place),
        got.format(ours[place], *place),
        recognise(ours, *mistakes, tolerance=tolerance) or hint,
    )


def up(X, K, stride=1, padding=0, output_padding=0, dilation=1):
    """Do a transposed convolution of X (h, w) with K (k_h, k_w) in NumPy.

    By its definition: each number of X lays down the kernel, times itself;
    then the padding is cut off. (MXNet's own operator is wrong in places
    where oneDNN does not stand in for it.)
    """
    X, K = (array(part) for part in (X, K))
    reach = [stride * (n - 1) + 1 for n in X.shape]
    size = [
        n + dilation * (k - 1) + output_padding
        for n, k in zip(reach, K.shape, strict=True)
    ]
    board = onp.zeros(size)
    for place, weight in onp.ndenumerate(K):
        top, left = (dilation * n for n in place)
        cells = board[top : top + reach[0], left : left + reach[1]]
        cells[::stride, ::stride] += weight * X
    height, width = (max(0, n - padding) for n in size)
    return board[padding:height, padding:width]


def down(X, K, stride=1, padding=0):
    """Convolve X (h, w) with K (k_h, k_w), in float64, by definition."""
    X, K = (array(part) for part in (X, K))
    X = onp.pad(X, padding)
    windows = onp.lib.stride_tricks.sliding_window_view(X, K.shape)
    return (windows[::stride, ::stride] * K).sum(axis=(2, 3))


def upsampling_matrix(size, stride):
    """What linear interpolation makes of each cell: (stride * size, size)."""
    centers = stride * onp.arange(size) + (stride - 1) / 2
    places = onp.arange(stride * size)[:, None]
    return onp.maximum(0, 1 - abs(places - centers) / stride)


def blocks(cells, side):
    """Make each cell of (..., h, w) a block of side x side equal ones."""
    return cells.repeat(side, axis=-2).repeat(side, axis=-1)


def _said(error):
    """What an error says, without the stack that MXNet's begin with."""
    lines = _short(error, 2000).splitlines() or ['']
    text = lines[-1] if lines[0].startswith('Traceback') else '\n'.join(lines)
    return _short(text.removeprefix(f'{type(error).__name__}: '), 300)


def _short(value, length=120):
    """Describe a value in few characters, whatever its own words are."""
    try:
        text = str(value)
    except Exception as error:
        text = f'a {type(value).__name__} ({type(error).__name__} in its text)'
    return text if len(text) <= length else f'{text[: length - 1]}…'
