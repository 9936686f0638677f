"""The NumPy that MXNet was written for, on whichever one is installed.

MXNet's last releases ask NumPy for names that it has dropped since, and write
its numbers into texts that their C++ side reads. Where nothing is missing,
nothing is changed. parts/start.py calls both functions.
"""

import importlib.util
import sys
import types
import warnings

import numpy as onp

# Who asks for a name is a module of MXNet, 1.9.1 and 2.0.0b1 alike.
_NAMES = {
    # mxnet.numpy.utils hands these on; 1.24 to 1.26 have no `bool`.
    'bool': lambda: bool,
    'NAN': lambda: onp.nan,
    'NaN': lambda: onp.nan,
    'NINF': lambda: -onp.inf,
    'NZERO': lambda: -0.0,
    'PINF': lambda: onp.inf,
    'PZERO': lambda: 0.0,
    # mxnet.gluon.contrib.estimator.event_handler: where a minimum starts.
    'Inf': lambda: onp.inf,
    # mxnet.test_utils.chi_square_check: the type of its counts.
    'int': lambda: int,
    # mxnet.numpy_dispatch_protocol: what NumPy shall do for MXNet's arrays.
    'product': lambda: onp.prod,
    'round_': lambda: onp.round,
    'sometrue': lambda: onp.any,
    # mxnet.numpy.fallback hands these on.
    'alltrue': lambda: onp.all,
    'in1d': lambda: _in1d,
    'msort': lambda: _msort,
    'trapz': lambda: onp.trapezoid,
    # The same; since 1.20, NumPy's own only say that they are gone.
    'mirr': lambda: _moved,
    'npv': lambda: _moved,
    'pmt': lambda: _moved,
    'ppmt': lambda: _moved,
    'pv': lambda: _moved,
    'rate': lambda: _moved,
    # mxnet.ndarray.numpy and mxnet.symbol.numpy, `pad`: what a text is.
    'compat': lambda: types.SimpleNamespace(basestring=str),
}
# Here, MXNet writes the parameters of operators, variables and iterators of
# files into texts; the last is MXNet 2's alone.
_WRITERS = (
    'mxnet._ctypes.ndarray',
    'mxnet._ctypes.symbol',
    'mxnet.symbol.symbol',
    'mxnet.io.io',
    'mxnet.gluon.data._internal',
)


def _in1d(a, values, **options):
    """Say of each number of `a`, in one row, whether `values` has it."""
    return onp.isin(onp.ravel(a), values, **options)


def _msort(a):
    """Return a copy that is sorted along its first axis."""
    return onp.sort(a, axis=0)


def _moved(*arguments, **options):
    """Say that a function of finance is no longer part of NumPy."""
    raise RuntimeError('NumPy has dropped its financial functions')


def give_back_names():
    """Give NumPy the names that MXNet asks for, before MXNet is imported.

    Whether NumPy was imported before does not matter. Python 3.12 dropped
    `distutils`, of which MXNet compares versions: setuptools brings it.
    """
    with warnings.catch_warnings():  # that a name will go, or has a new sense
        warnings.simplefilter('ignore')
        missing = [name for name in _NAMES if not hasattr(onp, name)]
    for name in missing:
        setattr(onp, name, _NAMES[name]())
    if importlib.util.find_spec('distutils') is None:
        importlib.import_module('setuptools')


class _Texts(type):
    def __instancecheck__(cls, value):
        return isinstance(value, str)


class _Text(str, metaclass=_Texts):
    """`str`, but NumPy's numbers in a list are written as Python's are.

    Since NumPy 2, `str([numpy.int64(2)])` is '[np.int64(2)]'; MXNet's C++
    side refuses that.
    """

    def __new__(cls, *value):
        text = str(*value)
        if 'np.' in text:
            with onp.printoptions(legacy='1.25'):
                text = str(*value)
        return text


def write_plain_numbers():
    """Let MXNet write numbers as its C++ side reads them, once imported.

    NumPy's setting for all of a process would do it, too, but is the
    reader's: only MXNet's own modules are changed, and only for NumPy 2.
    """
    if onp.lib.NumpyVersion(onp.__version__) >= '2.0.0':
        for name in _WRITERS:
            if name in sys.modules:
                sys.modules[name].str = _Text
