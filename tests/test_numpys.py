"""What MXNet asks of NumPy is there, and its texts hold plain numbers."""

import ast
import functools
import json
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

from parts import numpys
from parts.start import HERE

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np, npx
from mxnet.gluon import nn

MXNET = Path(find_spec('mxnet').origin).parent


def in_a_new_process(program):
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program],
        env={'PYTHONPATH': str(HERE)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(result.stdout)


# ------------------------------------------------------------------- Names
@functools.cache
def asked_for():
    """{a name of NumPy: the files of MXNet that use it}, read in their code.

    Also the names that MXNet has in lists, for `getattr(numpy, name)`.
    """
    found = defaultdict(set)
    for path in MXNET.rglob('*.py'):
        tree = ast.parse(path.read_text('utf-8'))
        numpys_here = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name == 'numpy'
        }
        file = str(path.relative_to(MXNET))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (
                ast.unparse(node.value) in numpys_here
            ):
                found[node.attr].add(file)
    lists = {
        'numpy_dispatch_protocol.py': '_NUMPY_ARRAY_FUNCTION_LIST '
        '_NUMPY_ARRAY_UFUNC_LIST',
        'numpy/fallback.py': 'fallbacks __all__',
    }
    for file, names in lists.items():
        for node in ast.parse((MXNET / file).read_text('utf-8')).body:
            if isinstance(node, ast.Assign) and (
                ast.unparse(node.targets[0]) in names.split()
                and isinstance(node.value, ast.List)
            ):
                for name in ast.literal_eval(node.value):
                    found[name.split('.')[0]].add(file)
    return found


@pytest.mark.filterwarnings('ignore')  # that a name will go
def test_numpy_has_whatever_mxnet_asks_for():
    names = asked_for()
    assert len(names) > 200
    assert [name for name in names if not hasattr(onp, name)] == []


@pytest.mark.filterwarnings('ignore')
def test_nothing_is_given_back_that_nobody_asks_for():
    assert numpys._NAMES.keys() - asked_for().keys() == set()


BEFORE_AND_AFTER = """
import json, numpy
before = dict(vars(numpy))
missing = [name for name in {names} if not hasattr(numpy, name)]
printing = numpy.get_printoptions()
import utils
same = [name for name in before if vars(numpy)[name] is before[name]]
print(json.dumps([
    missing,
    [n for n in {names} if vars(numpy).get(n) is not before.get(n)],
    len(same) == len(before),
    numpy.get_printoptions() == printing,
]))
"""


def test_what_numpy_has_stays_as_it_is():
    """Imported before, it gains what it lacks, and no setting changes."""
    names = list(numpys._NAMES)
    program = BEFORE_AND_AFTER.format(names=names)
    missing, changed, same, printing = in_a_new_process(program)
    assert changed == missing
    assert same and printing
    assert bool(missing) == (not onp.__version__.startswith('1.23.'))


@pytest.mark.filterwarnings('ignore')
def test_names_given_back_mean_what_they_meant():
    a = onp.array([[3, 1], [2, 5]])
    assert onp.product(a) == 30 and onp.round_(2.6) == 3
    assert onp.sometrue(a) and not onp.alltrue(a - 1)
    assert onp.in1d(a, [1, 2]).tolist() == [False, True, True, False]
    assert onp.msort(a).tolist() == [[2, 1], [3, 5]]
    assert onp.trapz([1, 2, 3]) == 4
    assert onp.PINF == onp.Inf == -onp.NINF == float('inf')
    assert onp.PZERO == onp.NZERO == 0
    assert onp.signbit(onp.NZERO) and not onp.signbit(onp.PZERO)
    assert onp.isnan(onp.NaN) and onp.isnan(onp.NAN)
    assert onp.dtype(onp.bool) == 'bool' and onp.dtype(onp.int) == 'int64'
    assert isinstance('a text', onp.compat.basestring)
    with pytest.raises(RuntimeError, match='financ|rate'):
        onp.rate(1, 2, 3, 4)


# ------------------------------------------------------------------- Texts
def both(build):
    """What `build` makes of Python's integers, and of NumPy's."""
    return build(int), build(onp.int64)


@pytest.mark.parametrize(
    'build',
    [
        lambda i: np.split(np.arange(6), [i(2), i(4)]),
        lambda i: np.split(np.arange(6), (i(2), i(4))),
        lambda i: [np.arange(6).reshape((i(2), i(3)))],
        lambda i: [np.pad(np.ones((2, 2)), ((i(1), i(0)), (i(0), i(2))))],
        lambda i: [np.transpose(np.ones((2, 3, 4)), (i(2), i(0), i(1)))],
        lambda i: [np.full((i(2), i(2)), i(3))],
        lambda i: [np.tile(np.arange(3), (i(2), i(2)))],
        lambda i: [npx.pick(np.eye(3), np.arange(3), axis=i(1))],
        lambda i: [np.arange(12).reshape((3, 4))[i(1) :, [i(0), i(2)]]],
    ],
)
def test_operators_take_numpys_integers(build):
    expected, found = both(build)
    assert len(found) == len(expected)
    for a, b in zip(expected, found, strict=True):
        assert a.shape == b.shape and (a == b).all()


@pytest.mark.parametrize('hybridize', [False, True])
def test_layers_take_numpys_integers(hybridize):
    def outcome(i):
        net = nn.HybridSequential()
        net.add(
            nn.Conv2D(
                i(3),
                kernel_size=(i(3), i(3)),
                strides=(i(2), i(1)),
                padding=(i(1), i(1)),
                in_channels=i(2),
            ),
            nn.Conv2DTranspose(i(2), i(4), strides=i(2), in_channels=i(3)),
            nn.MaxPool2D((i(2), i(2))),
            nn.Dense(i(2), in_units=i(2 * 5 * 8)),
        )
        net.initialize(mx.init.One())
        if hybridize:
            net.hybridize()
        return net(np.arange(2 * 7 * 7).reshape((1, 2, 7, 7)))

    expected, found = both(outcome)
    assert expected.shape == found.shape
    assert (expected == found).all()


def test_variables_take_numpys_integers():
    def shape(i):
        a = mx.sym.var('a', shape=(i(2), i(3))).as_np_ndarray()
        return a.infer_shape()[1]

    assert shape(int) == shape(onp.int64) == [(2, 3)]


def test_iterators_take_numpys_integers(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('1,2\n3,4\n', encoding='utf-8')

    def read(i):
        batches = mx.io.CSVIter(
            data_csv=str(path), data_shape=(i(2),), batch_size=i(2)
        )
        return next(batches).data[0].asnumpy().tolist()

    assert read(int) == read(onp.int64) == [[1, 2], [3, 4]]


def test_only_mxnets_own_texts_are_changed():
    module = sys.modules['mxnet._ctypes.ndarray']
    if onp.lib.NumpyVersion(onp.__version__) < '2.0.0':
        assert str([onp.int64(2)]) == '[2]' and not hasattr(module, 'str')
        return
    assert str([onp.int64(2)]) == '[np.int64(2)]'
    text = module.str
    assert text([onp.int64(2), (onp.float32(0.5), 'np.x')]) == (
        "[2, (0.5, 'np.x')]"
    )
    assert text('np.int64(2)') == 'np.int64(2)'
    assert text(b'np.x', 'utf8') == 'np.x' and text() == ''
    assert isinstance('a', text) and not isinstance(1, text)
