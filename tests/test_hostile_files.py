"""Files that may come from anywhere work, or are refused in one sentence.

First one file for each attack, then a campaign of small changes: a short one
here, and `campaign` runs longer ones.
"""

import errno
import gc
import io
import json
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import segbook
import utils
from parts import checkpoints, stored
from test_weights import CLASSES, WIDTHS, published
from tools import predict, reproduce, weights

import mxnet as mx
import numpy as onp
import pytest
from mxnet import gluon, init, np
from mxnet.gluon import nn

ROOT = Path(utils.__file__).parent

# ----------------------------------------------------------- files that work


class Noise:
    """Photos of noise, with labels of noise."""

    def __len__(self):
        return 4

    def get(self, i, epoch=0):
        rng = onp.random.default_rng((i, epoch))
        image = rng.integers(0, 256, (4, 6, 3), dtype='uint8')
        return image, rng.integers(0, 3, (4, 6), dtype='uint8')


def small_net():
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(3, 3, padding=1, in_channels=3),
        nn.BatchNorm(in_channels=3),
        nn.Conv2D(3, 1, in_channels=3),
    )
    net.initialize(init.Xavier())
    net(np.zeros((1, 3, 4, 6)))
    return net


def train(path, net=None):
    """Go on with a training of two epochs."""
    utils.train(
        net or small_net(),
        utils.Batches(Noise(), 4),
        segbook.void_cross_entropy,
        2,
        devices=[mx.cpu()],
        checkpoint=path,
        quiet=True,
    )


def write_run(path):
    """A checkpoint of a training of two epochs, after the first."""
    batches, net = utils.Batches(Noise(), 4), small_net()

    class Stopped(utils.Batches):
        def __iter__(self):
            if self.epoch == 1:
                raise KeyboardInterrupt
            return super().__iter__()

    batches = Stopped(Noise(), 4)
    with pytest.raises(KeyboardInterrupt):
        utils.train(
            net,
            batches,
            segbook.void_cross_entropy,
            2,
            devices=[mx.cpu()],
            checkpoint=path,
            quiet=True,
        )


def load(path):
    """Load parameters into the small net, and use it."""
    net = small_net()
    with (
        stored.naming(path, 'is not of this net'),
        stored.open_arrays(path) as arrays,
    ):
        checkpoints.fill(net, arrays, [mx.cpu()])
    net(np.zeros((1, 3, 4, 6))).wait_to_read()


def write_numpys(path):
    arrays = {
        name: parameter.data().asnumpy()
        for name, parameter in small_net()
        ._collect_params_with_prefix()
        .items()
    }
    with open(path, 'wb') as file:
        onp.savez(file, **arrays)


def write_mxnets(path):
    """As MXNet 1 writes parameters; MXNet 2 still can."""
    named = small_net()._collect_params_with_prefix()
    arrays = {n: p.data().as_nd_ndarray() for n, p in named.items()}
    mx.nd.save(str(path), arrays)


def segment(path):
    net, table, _ = predict.load_net(path, mx.cpu())
    label = utils.predict(net, onp.zeros((20, 30, 3), 'uint8'))
    assert label.max() < len(table.names)


def write_net(path):
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, 3)
    net(np.zeros((1, 3, 32, 32)))
    colors = [(0, 0, 0), (200, 0, 0), (0, 90, 200)]
    table = segbook.ClassTable(['background', 'ship', 'fish'], colors)
    utils.save_net(path, net, table)


def convert(path):
    target = path.with_suffix('.params')
    weights.convert_file(path, target, CLASSES, widths=WIDTHS)
    with stored.open_arrays(target) as arrays:
        assert len(arrays) == len(weights.shapes(32))
    target.unlink()


def write_npz(path):
    onp.savez(path, **published(32))


def write_small_npz(path):
    onp.savez_compressed(path, **published(32))


def mat_element(kind, content):
    """An element of MATLAB's: kind, size, content, and bytes up to eight."""
    padding = bytes(-len(content) % 8)
    return struct.pack('<II', kind, len(content)) + content + padding


def mat_matrix(kind, shape, *rest, name=b''):
    """A matrix of MATLAB's: flags, shape, name, and what it holds."""
    sizes = struct.pack(f'<{len(shape)}i', *shape)
    parts = mat_element(6, struct.pack('<II', kind, 0)), mat_element(5, sizes)
    return mat_element(14, b''.join((*parts, mat_element(1, name), *rest)))


def mat_struct(count, fields, *values, name=b''):
    """A struct array of MATLAB's: 1 x count, the fields of each in turn."""
    names = b''.join(field.ljust(16, b'\0') for field in fields)
    head = mat_element(5, struct.pack('<i', 16)), mat_element(1, names)
    return mat_matrix(2, (1, count), *head, *values, name=name)


def mat_array(array):
    data = mat_element(7, array.tobytes(order='F'))
    return mat_matrix(7, array.shape + (1,) * (array.ndim == 1), data)


def mat_variables():
    """What a file of MatConvNet's holds: its parameters, and the mean."""
    values = []
    for name, array in published(32).items():
        name = name.replace('.weight', '_filter').replace('.bias', '_bias')
        values.append(
            mat_matrix(4, (1, len(name)), mat_element(16, name.encode()))
        )
        axes = (2, 3, 1, 0) if array.ndim == 4 else (0,)
        values.append(mat_array(array.transpose(axes)))
    count = len(values) // 2
    mean = mat_array(onp.float32(weights.MEAN[::-1]).reshape(1, 1, 3))
    mean = mat_struct(1, [b'averageImage'], mean)
    return (
        mat_struct(count, [b'name', b'value'], *values, name=b'params'),
        mat_struct(1, [b'normalization'], mean, name=b'meta'),
    )


MAT_HEAD = bytes(124) + b'\0\1IM'


def write_mat(path):
    path.write_bytes(MAT_HEAD + b''.join(mat_variables()))


def write_small_mat(path):
    content = b''
    for variable in map(zlib.compress, mat_variables()):
        content += struct.pack('<II', 15, len(variable)) + variable
    path.write_bytes(MAT_HEAD + content)


# What a file is called: how it is written, and how it is used.
KINDS = {
    'run': (write_run, train),
    'mxnet.params': (write_mxnets, load),
    'numpy.params': (write_numpys, load),
    'net.zip': (write_net, segment),
    'weights.npz': (write_npz, convert),
    'small.npz': (write_small_npz, convert),
    'weights.mat': (write_mat, convert),
    'small.mat': (write_small_mat, convert),
}


@pytest.mark.parametrize('kind', KINDS)
def test_files_work_as_they_are_written(tmp_path, kind):
    write, use = KINDS[kind]
    write(tmp_path / kind)
    use(tmp_path / kind)


# ------------------------------------------------------------------ attacks


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path / 'run')
    return tmp_path / 'run'


@pytest.fixture
def net_file(tmp_path):
    """Parameters of no net of the book, with a class table."""
    path = tmp_path / 'net.zip'
    utils.save_net(path, small_net(), segbook.ClassTable(['a', 'b', 'c']))
    return path


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, contents, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', method) as archive:
        for name, content in contents:
            archive.writestr(name, content)


def refused(use, path, *words, memory=2**23):
    """See that a file is refused in a sentence, which takes little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            use(path)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.count(str(path)) == 1, text
    for word in words:
        assert word in text


@pytest.mark.parametrize('use', [train, segment])
def test_zip_files_with_tricks_are_refused(run, net_file, use):
    path = run if use is train else net_file
    there = members(path)
    largest = max(there, key=lambda name: len(there[name]))
    whole = path.read_bytes()

    locked = bytearray(whole)
    for mark, flags in ((b'PK\1\2', 8), (b'PK\3\4', 6)):
        place = locked.find(mark)
        while place >= 0:
            locked[place + flags] |= 1
            place = locked.find(mark, place + 1)
    path.write_bytes(locked)
    refused(use, path, 'encrypted')
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        write_zip(path, there.items(), method)
        refused(use, path, 'compressed in an unusual way')
    with pytest.warns(UserWarning, match='Duplicate'):
        write_zip(path, [*there.items(), (largest, b'')])
    refused(use, path, 'two members of one name')
    for name in ('../evil', '/evil', 'a/../../evil', '..\\evil'):
        write_zip(path, [*there.items(), (name, b'')])
        refused(use, path, 'lies outside', name)
    write_zip(path, [('a.zip', whole)])
    refused(use, path, 'it has no ')
    for share in (0.01, 0.5, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        refused(use, path)


def test_a_full_disk_is_no_fault_of_the_file(run, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, 'copyfileobj', full)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        train(run)


def test_an_older_checkpoint_still_segments_photos(tmp_path):
    """What is pickled in it is never looked at."""
    path = tmp_path / 'net.zip'
    write_net(path)
    there = {'parameters': members(path)['parameters'], 'trainer': b'(lp0\n.'}
    write_zip(path, there.items())
    segment(path)


def test_a_checkpoint_that_somebody_compressed_works(run):
    write_zip(run, members(run).items(), zipfile.ZIP_DEFLATED)
    train(run)


@pytest.mark.parametrize('honest', [True, False])
@pytest.mark.parametrize('name', ['parameters', 'run.json', 'states'])
def test_what_unfolds_without_end_is_refused(run, name, honest):
    there = members(run) | {name: bytes(2 * 10**8)}
    write_zip(run, there.items(), zipfile.ZIP_DEFLATED)
    if not honest:  # the headers say that it is small
        content, size = run.read_bytes(), struct.pack('<I', 2 * 10**8)
        assert content.count(size) == 2
        run.write_bytes(content.replace(size, struct.pack('<I', 1000)))
    assert run.stat().st_size < 10**6
    refused(train, run, name if honest else 'is not a checkpoint')


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('NaN', 'the number NaN'),
        ('-Infinity', 'the number -Infinity'),
        ('1e999', 'the number 1e999'),
        ('1' * 100, 'the number 111'),
        ('1' * 10_000, 'the number 111'),
        ('[' * 10**5, 'recursion'),
        ('{"a":' * 10**5, 'recursion'),
        ('"\xff"', 'decode'),
        ('null', ''),
        ('[]', ''),
        ('', ''),
    ],
)
@pytest.mark.parametrize('name', ['run.json', 'classes.json'])
def test_json_without_sense_is_refused(run, net_file, text, words, name):
    path, use = (run, train) if name == 'run.json' else (net_file, segment)
    there = members(path) | {name: text.encode('latin1')}
    write_zip(path, there.items())
    refused(use, path, words)


COLORS = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'names': [f'class {i}' for i in range(300)]}, 'not 300'),
        ({'names': []}, 'not 0'),
        ({'names': 'abc'}, 'a list of texts'),
        ({'names': ['a', 'b', 3]}, 'a list of texts'),
        ({'names': ['a', 'b', '\ud800']}, 'no file holds'),
        ({'names': ['a', 'b', 'c\x1b[2J']}, 'no file holds'),
        ({'names': ['a', 'b', 'c' * 10**4]}, 'no file holds'),
        ({'names': ['a', 'b']}, 'three numbers'),
        ({'colors': COLORS[:2]}, 'three numbers'),
        ({'colors': [*COLORS[:2], [2, 2]]}, 'three numbers'),
        ({'colors': [*COLORS[:2], [2, 2, -1]]}, 'three numbers'),
        ({'colors': [*COLORS[:2], [2, 2, 256]]}, 'three numbers'),
        ({'colors': [*COLORS[:2], [2, 2, 1.5]]}, 'three numbers'),
        ({'colors': [*COLORS[:2], [2, 2, True]]}, 'three numbers'),
        ({'colors': [*COLORS[:2], 'red']}, 'three numbers'),
        ({'names': ['a', 'b', 'a']}, 'two classes are called «a»'),
        ({'colors': {}}, 'three numbers'),
        ({'colors': None}, 'three numbers'),
        ({'colors': [*COLORS[:2], COLORS[0]]}, 'share a colour'),
        ({'void_color': [300, 0, 0]}, 'three numbers'),
        ({'void': 2}, 'both void and the class'),
        ({'void': -1}, 'index of void'),
        ({'void': '255'}, 'index of void'),
        ({'weight': 1}, 'weight'),
    ],
)
def test_absurd_class_tables_are_refused(net_file, change, words):
    there = members(net_file)
    table = json.loads(there['classes.json']) | {'colors': COLORS} | change
    there['classes.json'] = json.dumps(table)
    write_zip(net_file, there.items())
    refused(segment, net_file, words)


def change_run(run, change):
    """Change what the JSON of a checkpoint says."""
    there = members(run)
    content = json.loads(there['run.json'])
    change(content)
    write_zip(run, (there | {'run.json': json.dumps(content)}).items())


@pytest.mark.parametrize(
    ('keys', 'value', 'words'),
    [
        ('history', {}, 'has no history of loss'),
        ('history loss', 'x', 'history of loss'),
        ('history loss', [True], 'history of loss'),
        ('history loss', ['1'], 'history of loss'),
        ('history loss', [1, 2], 'more of one number'),
        ('settings', [], 'lacks a part'),
        ('settings num_epochs', 3, 'num_epochs=3, not 2'),
        ('optimizer', None, 'lacks a part'),
        ('optimizer counted', None, 'counts nothing'),
        ('optimizer counted num_update', -1, 'num_update=-1'),
        ('optimizer counted num_update', '1', "num_update='1'"),
        ('optimizer counted num_update', 1e3, 'num_update=1000'),
        ('optimizer counted num_update', True, 'num_update=True'),
        ('optimizer counted aggregate_num', 0, 'aggregate_num=0'),
        ('optimizer counted m_schedule', 0.5, 'm_schedule=0.5'),
        ('optimizer counts', [], 'counts of updates'),
        ('optimizer counts 0.bias', -1, 'counts of updates'),
        ('optimizer counts 0.bias', 10**17, 'counts of updates'),
        ('optimizer counts 0.bias', 0.5, 'counts of updates'),
        ('optimizer counts other', 1, 'counts of updates'),
        ('optimizer gathered', 7, 'counts of updates'),
    ],
)
def test_absurd_values_in_a_checkpoint_are_refused(run, keys, value, words):
    *parts, last = keys.split()

    def change(content):
        for part in parts:
            content = content[part]
        content[last] = value

    change_run(run, change)
    refused(train, run, words)


def test_a_history_that_is_longer_than_the_run_is_refused(run):
    def change(content):
        for name in content['history']:
            content['history'][name] *= 3

    change_run(run, change)
    refused(train, run, 'history is of 3 epochs')


def test_states_that_do_not_fit_are_refused(run):
    there = members(run)
    for change, words in (
        ({'0.bias/0': onp.zeros(4, 'float32')}, '0.bias/0 does not fit'),
        ({'0.bias/0': onp.zeros(3, 'float64')}, '0.bias/0 does not fit'),
        ({'0.bias/0': onp.zeros((), 'O')}, 'could run code'),
        ({'0.bias/0': None}, '0.bias/0 does not fit'),
        ({'0.bias/2': onp.zeros(3, 'float32')}, 'does not have'),
        ({'x/0': onp.zeros(3, 'float32')}, 'does not have'),
    ):
        with onp.load(io.BytesIO(there['states'])) as states:
            arrays = {**states} | change
        file = io.BytesIO()
        onp.savez(file, **{n: a for n, a in arrays.items() if a is not None})
        write_zip(run, (there | {'states': file.getvalue()}).items())
        refused(train, run, words)


def test_nothing_unpickles_or_lets_mxnet_read(root):
    """But for chapters, which read what they have just saved themselves.

    One room reads pickles of tensors, after a look at each of their steps
    (test_published.py), and its chapter writes a trap to show it.
    """
    words = r'\b(c?pickle|dill|shelve|marshal|joblib|loadmat|load_states)\b'
    words += r'|allow_pickle *= *True|\b(npx|nd|torch)\.load\('
    files = [root / 'utils.py', root / 'segbook.py']
    for folder in ('parts', 'tools', 'build', 'checks', 'chapters'):
        files += [*root.glob(f'{folder}/*.py'), *root.glob(f'{folder}/*.md')]
    assert len(files) > 60
    code = {file: file.read_text('utf-8') for file in files}
    found = {file.name for file in files if re.search(words, code[file])}
    assert found == {'published.py', 'real-photos.md'}
    readers = {f.name for f in files if '.load_parameters(' in code[f]}
    chapters = {'fcn.md', 'skip-connections.md', 'atrous.md', 'crf.md'}
    chapters |= {'boxes.md', 'gluoncv.md'}
    assert readers == chapters
    for bad in ('import pickle', 'onp.load(path, allow_pickle=True)'):
        assert re.search(words, bad)


# ------------------------------------------------------------------- arrays

# The header of an MXNet file: its kind, a word in reserve, how many arrays.
HEAD = struct.pack('<QQQ', 0x112, 0, 1)


def mxnet_array(shape, sparse=0, number=0, axes=None):
    """The header of an array of MXNet's, which its numbers follow."""
    axes = len(shape) if axes is None else axes
    form = f'<Iii{len(shape)}qiii'
    return struct.pack(form, 0xF993FACA, sparse, axes, *shape, 1, 0, number)


ONE_ARRAY = HEAD + mxnet_array((3,)) + bytes(12)


def mxnet_names(*names):
    found = struct.pack('<Q', len(names))
    for name in names:
        found += struct.pack('<Q', len(name)) + name
    return found


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'unpack'),
        (b'# Notes on something, and more', 'does not begin'),
        (struct.pack('<QQQ', 0x112, 0, 2**63), 'holds 9,223,372'),
        (struct.pack('<QQQ', 0x112, 0, 10**5), 'holds 100,000'),
        (HEAD, 'unpack'),
        (HEAD + bytes(80), 'array does not begin'),
        (HEAD + mxnet_array((2**30,) * 4) + bytes(80), 'ends within'),
        (HEAD + mxnet_array((2**62,)) + bytes(80), 'no array has the shape'),
        (HEAD + mxnet_array((-1, -4)) + bytes(16), 'no array has the shape'),
        (HEAD + mxnet_array((3,), axes=-1) + bytes(80), 'has -1 axes'),
        (HEAD + mxnet_array((3,), axes=2**30) + bytes(80), 'axes'),
        (HEAD + mxnet_array((3,), sparse=1) + bytes(80), 'sparse'),
        (HEAD + mxnet_array((3,), number=12) + bytes(80), 'unknown type, 12'),
        (ONE_ARRAY, 'unpack'),
        (ONE_ARRAY + bytes(8), 'have no names'),
        (ONE_ARRAY + struct.pack('<QQ', 1, 2**60), 'ends within a name'),
        (ONE_ARRAY + mxnet_names(b'a') + b'more', 'names of its arrays'),
        (ONE_ARRAY + mxnet_names(b'\xff'), 'decode'),
        (ONE_ARRAY + mxnet_names(b'a'), 'has no 0.'),
    ],
)
def test_damaged_files_of_mxnet_are_refused(tmp_path, content, words):
    path = tmp_path / 'net.params'
    path.write_bytes(content)
    refused(load, path, words)


def npy(header, numbers=b''):
    head = header.encode().ljust(117) + b'\n'
    size = struct.pack('<H', len(head))
    return b'\x93NUMPY\x01\x00' + size + head + numbers


def npy_of(kind, shape):
    header = (
        f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    )
    return npy(header, bytes(12))


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'unpack'),
        (b'not an array', 'does not begin'),
        (npy('{}'), 'does not say'),
        (npy('exit()'), 'does not say'),
        (npy('[' * 100), 'does not say'),
        (b'\x93NUMPY\x02\x00' + b'\xff' * 4 + bytes(99), 'does not say'),
        (npy_of('<f4', '(999999999999,)'), 'no array has the shape'),
        (npy_of('<f4', '(1000000, 1000000)'), 'another size'),
        (npy_of('<f4', '(0, 1000000)'), 'another size'),
        (npy_of('<f4', '(-3,)'), 'does not say'),
        (npy_of('<f7', '(3,)'), 'no numbers of kind'),
        (npy_of('<f99999999', '(3,)'), 'no numbers of kind'),
        (npy_of('<U99999999', '(3,)'), 'another size'),
        (npy_of('<c8', '(3,)'), 'another size'),
        (npy_of('|O', '(3,)'), 'could run code'),
    ],
)
@pytest.mark.parametrize('use', [load, convert])
def test_damaged_arrays_of_numpy_are_refused(tmp_path, content, words, use):
    path = tmp_path / 'in.npz'
    write_zip(path, [('fc6.bias.npy', content)])
    refused(use, path, words, 'fc6.bias')


@pytest.mark.parametrize('suffix', ['.npz', '.mat'])
def test_weights_that_unfold_without_end_are_refused(tmp_path, suffix):
    path = tmp_path / f'in{suffix}'
    arrays = {'fc6': onp.zeros(3 * 10**7, 'float32')}
    if suffix == '.npz':
        onp.savez_compressed(path, **arrays)
    else:
        content = zlib.compress(mat_array(arrays['fc6']))
        head = MAT_HEAD + struct.pack('<II', 15, len(content))
        path.write_bytes(head + content)
    assert path.stat().st_size < 10**6
    refused(convert, path)


EMPTY = struct.pack('<II', 14, 0)
FIELDS = mat_element(5, struct.pack('<i', 2)), mat_element(1, b'a\0')


def nested(depth):
    content = EMPTY
    for _ in range(depth):
        content = mat_matrix(1, (1, 1), content)
    return content


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (mat_matrix(6, (2**31 - 1,) * 8, mat_element(9, b'')), 'numbers for'),
        (mat_matrix(6, (-1, -1), mat_element(9, bytes(8))), 'no matrix has'),
        (mat_matrix(6, (1,) * 40, mat_element(9, bytes(8))), 'no matrix has'),
        (mat_matrix(6, (1, 1), mat_element(99, bytes(8))), 'kind 99'),
        (mat_matrix(1, (2**31 - 1, 1)), 'too many values'),
        (mat_matrix(1, (3, 1), EMPTY), 'unpack'),
        (mat_matrix(2, (2**31 - 1, 1), *FIELDS), 'too many values'),
        (mat_matrix(1, (10**5, 1), EMPTY * 10**5) * 2, 'too many values'),
        (nested(60), 'too many values'),
        (struct.pack('<II', 14, 2**31), 'ends within'),
        (struct.pack('<II', 15, 8) + b'no zlib.', 'decompress'),
        (mat_element(9, bytes(8)), 'of kind 9'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_damaged_files_of_matlab_are_refused(tmp_path, content, words):
    path = tmp_path / 'in.mat'
    path.write_bytes(MAT_HEAD + content)
    refused(convert, path, words, memory=2**25)


def test_numbers_beyond_float32_are_refused(tmp_path):
    arrays = published(32)
    arrays['fc7.bias'] = onp.full(8, 1e300)
    onp.savez(tmp_path / 'in.npz', **arrays)
    refused(convert, tmp_path / 'in.npz', 'fc7.bias is not finite')


def write_shapes(path, shapes):
    """A file of MXNet's with arrays of these shapes, all zero."""
    mx.nd.save(str(path), {n: mx.nd.zeros(shapes[n]) for n in shapes})


@pytest.mark.parametrize(
    ('shapes', 'words'),
    [
        ({'score.weight': (256, 512, 1, 1)}, 'shape (256, 512, 1, 1)'),
        ({'score.weight': (7,)}, 'does not fit'),
        ({'score.weight': (3, 4096, 1, 1)}, 'largest array of VGG16'),
        ({'score_fr.weight': (255, 4096, 1, 1)}, 'not fit it: its conv1_1'),
    ],
)
def test_a_small_file_builds_no_large_net(tmp_path, shapes, words):
    path = tmp_path / 'net.params'
    write_shapes(path, shapes)
    refused(segment, path, words)


def backbone(path):
    assert os.environ['BACKBONE'] == str(path)
    utils.pretrained_backbone([mx.cpu()])


def test_arrays_that_do_not_fit_together_are_refused(tmp_path, monkeypatch):
    """A normalisation takes any length, the layers beside it do not."""
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, 3)
    net(np.zeros((1, 3, 32, 32)))
    path = tmp_path / 'net.params'
    monkeypatch.setenv('BACKBONE', str(path))
    for use, whole, norm in (
        (segment, net, 'backbone.5.0.bn1.'),
        (backbone, features, '5.0.bn1.'),
    ):
        shapes = {
            name: (7,) if name.startswith(norm) else parameter.shape
            for name, parameter in whole._collect_params_with_prefix().items()
        }
        assert (7,) in shapes.values()
        write_shapes(path, shapes)
        refused(use, path, f'{norm}gamma is float32 (7,), not float32 (64,)')


def test_a_net_that_does_not_know_its_sizes_learns_them_first(run):
    """From a photo, not from the file."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(3, 3, 1, 1), nn.BatchNorm(), nn.Conv2D(3, 1))
    net.initialize(init.Xavier())
    there = members(run)
    (run.parent / 'parameters').write_bytes(there['parameters'])
    with stored.open_arrays(run.parent / 'parameters') as arrays:
        changed = {name: array.read() for name, array in arrays.items()}
    for name in ('gamma', 'beta', 'running_mean', 'running_var'):
        changed[f'1.{name}'] = onp.zeros(2, 'float32')
    file = io.BytesIO()
    onp.savez(file, **changed)
    write_zip(run, (there | {'parameters': file.getvalue()}).items())
    refused(lambda path: train(path, net), run, '(2,), not float32 (3,)')


def test_other_users_of_parameters_name_a_damaged_file(tmp_path, monkeypatch):
    path = tmp_path / 'net.params'
    monkeypatch.setenv('BACKBONE', str(path))

    def paper(path):
        reproduce.load('FCN-32s', path)

    for content in (b'', HEAD, ONE_ARRAY, ONE_ARRAY + mxnet_names(b'a')):
        path.write_bytes(content)
        refused(backbone, path, 'weights of ResNet18_v2')
        refused(paper, path, 'weights of FCN-32s', memory=2**27)


def test_older_files_of_mxnet_are_read(tmp_path):
    """Those without NumPy's shapes, and those of its first version."""
    numbers = onp.arange(6, dtype='float32')
    path = tmp_path / 'old.params'
    new = mxnet_array((2, 3))
    older = b'\xc9' + new[1:]
    oldest = b'\xc8' + new[1:4] + new[8:]
    for head in (new, older, oldest):
        names = mxnet_names(b'an array')
        path.write_bytes(HEAD + head + numbers.tobytes() + names)
        with stored.open_arrays(path) as arrays:
            read = arrays['an array'].read()
        assert (read == numbers.reshape(2, 3)).all()


def test_all_types_of_arrays_are_read_as_they_were(tmp_path):
    kinds = 'float32 float64 float16 uint8 int32 int8 int64'.split()
    arrays = {k: onp.arange(6).reshape(2, 3).astype(k) for k in kinds}
    arrays |= {
        'a number': onp.array(5, 'float32'),
        'no number': onp.zeros((0, 3), 'float32'),
        'turned': onp.asfortranarray(arrays['float32']),
    }
    theirs = {n: np.array(a, dtype=a.dtype) for n, a in arrays.items()}
    older = {n: a.as_nd_ndarray() for n, a in theirs.items()}
    mx.nd.save(str(tmp_path / 'a'), older)
    onp.savez(tmp_path / 'b.npz', **arrays)
    onp.savez_compressed(tmp_path / 'c.npz', **arrays)
    for path in tmp_path.iterdir():
        with stored.open_arrays(path) as found:
            assert set(found) == set(arrays)
            for name, array in arrays.items():
                read = found[name].read()
                assert read.dtype == found[name].dtype == array.dtype
                assert read.shape == found[name].shape == array.shape
                assert (read == array).all()


# ---------------------------------------------------------------- campaigns

EXTREMES = 0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**63 - 1, -(2**63)
VALUES = (
    *(None, True, 'x', '', [], {}, [[]], {'x': 1}, -1, 0, 1.5, 1e308, -1e308),
    *(10**400, 256, 10**9, 2**53, ['x'] * 300, [None], 'x' * 10**5, '\ud800'),
    *(float('nan'), float('inf'), -float('inf')),
)


def change_bytes(rng, data):
    """One of the ways in which a file goes bad."""
    data = bytearray(data)
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    b = min(b, a + rng.choice([1, 8, 100, len(data)]))
    way = rng.randrange(9)
    if way == 0:
        for _ in range(rng.choice([1, 2, 20])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif way == 1:
        del data[a:]
    elif way == 2:
        del data[a:b]
    elif way == 3:
        data[a:a] = data[a:b]
    elif way == 4:
        data[a:b] = bytes(b - a)
    elif way == 5:
        data[a:b] = rng.randbytes(b - a)
    elif way == 6:
        data[a:b], data[:0] = b'', data[a:b]
    else:  # numbers in the first kilobyte, or anywhere
        value = rng.choice(EXTREMES)
        form = '<I' if way == 7 else '<Q'
        most = min(len(data), rng.choice([1000, len(data)]))
        place = rng.randrange(most) // 4 * 4
        size = struct.calcsize(form)
        data[place : place + size] = struct.pack(form, value % 256**size)
    return bytes(data)


def change_json(rng, text):
    """Change one value somewhere to one of another type or size."""
    root = [json.loads(text)]
    places = []

    def walk(thing):
        for key in thing if isinstance(thing, dict) else range(len(thing)):
            places.append((thing, key))
            if isinstance(thing[key], dict | list):
                walk(thing[key])

    walk(root)
    thing, key = rng.choice(places)
    way = rng.randrange(8)
    if way == 0 and thing is not root:
        del thing[key]
    elif way == 1 and isinstance(thing, dict):
        thing[rng.choice(['x', '0.weight', 'loss'])] = thing.pop(key)
    elif way == 2:
        thing[key] = [thing[key]] * rng.choice([1, 2, 300])
    elif way == 3 and isinstance(thing[key], int | float):
        thing[key] += rng.choice([-1, 1, 1e-9, -1e6, 1e6])
    else:
        thing[key] = rng.choice(VALUES)
    text = json.dumps(root[0])
    if rng.randrange(20) == 0:
        text = '[' * 10**5 + text
    return text.encode()


def change_zip(rng, path):
    """Change a member, swap two, drop, repeat or rename one, or a header."""
    with zipfile.ZipFile(path) as archive:
        members = [(n, archive.read(n)) for n in archive.namelist()]
    place = rng.randrange(len(members))
    name, content = members[place]
    way, method = rng.randrange(9), zipfile.ZIP_STORED
    if way <= 1 and name.endswith('.json'):
        members[place] = name, change_json(rng, content)
    elif way <= 2:
        members[place] = name, change_bytes(rng, content)
    elif way == 3:
        other = rng.randrange(len(members))
        members[place] = name, members[other][1]
        members[other] = members[other][0], content
    elif way == 4:
        members.pop(place)
    elif way == 5:
        members.append((name, content))
    elif way == 6:
        new = rng.choice(['../' + name, '/' + name, 'x', 'trainer'])
        members[place] = new, content
    elif way == 7:
        method = rng.choice(
            [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
        )
    with zipfile.ZipFile(path, 'w', method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    if way == 8:
        path.write_bytes(change_header(rng, path.read_bytes()))


def change_header(rng, data):
    """Change a number in one of the headers of a zip file."""
    data = bytearray(data)
    heads = {b'PK\1\2': 46, b'PK\3\4': 30, b'PK\5\6': 22}
    mark = rng.choice(list(heads))
    places = [i for i in range(len(data) - 22) if data[i : i + 4] == mark]
    places.append(data.rindex(b'PK\5\6'))
    place = rng.choice(places) + 2 * rng.randrange(2, heads[mark] // 2)
    size = rng.choice([1, 2, 4])
    number = rng.choice([*EXTREMES, rng.getrandbits(32)]) % 256**size
    data[place : place + size] = number.to_bytes(size, 'little')
    return bytes(data)


def campaign(seed, tries, kinds=KINDS):
    """Use changed files of some kinds: how often each outcome came.

    Returns {(kind, outcome): count}; an outcome is 'works', 'refused', or
    how else it ended.
    """
    found = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            write, use = KINDS[kind]
            path = Path(folder, kind)
            write(path)
            whole = path.read_bytes()
            for number in range(tries):
                rng = random.Random(f'{seed} {kind} {number}')
                path.write_bytes(whole)
                if zipfile.is_zipfile(path) and rng.randrange(3):
                    change_zip(rng, path)
                else:
                    path.write_bytes(change_bytes(rng, whole))
                found[kind, outcome(use, path)] += 1
                if number % 10 == 9:
                    gc.collect()  # blocks and their parameters know each other
            path.unlink()
    return found


def outcome(use, path):
    try:
        use(path)
    except ValueError as error:
        if str(error).count(str(path)) == 1:
            return 'refused'
        return f'ValueError: {str(error)[:200]}'
    except FloatingPointError:
        return 'refused'  # `train` says so of a loss that is not finite
    except Exception as error:
        return f'{type(error).__name__}: {str(error)[:200]}'
    return 'works'


def limit_memory(most):
    """Let this process take so many bytes more than it has."""
    pages = int(Path('/proc/self/statm').read_text('utf-8').split()[0])
    limit = pages * resource.getpagesize() + most
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def test_a_campaign():
    """In a process of its own, which may take a gigabyte more."""
    program = """
import json
import test_hostile_files as hostile

hostile.limit_memory(2**30)
few = {'run': 15, 'net.zip': 4}
found = []
for kind in hostile.KINDS:
    counts = hostile.campaign(0, few.get(kind, 12), [kind])
    found += [[*key, count] for key, count in counts.items()]
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', program],
        env=os.environ | {'PYTHONPATH': f'{ROOT}:{ROOT}/tests'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert sum(count for *_, count in found) == 6 * 12 + 15 + 4
    assert {end for _, end, _ in found} == {'works', 'refused'}, found
