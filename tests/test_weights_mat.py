"""The converter on MatConvNet's files, tiny ones of the same structure."""

from test_weights import CLASSES, convert, published, same
from tools import weights

import numpy as onp
import pytest
import scipy.io
from mxnet import np, npx
from mxnet.gluon import nn


def as_matlab(array):
    """Order of axes (height, width, in, out), biases in a column."""
    if array.ndim == 1:
        return array.reshape(-1, 1)
    return array.transpose(2, 3, 1, 0)


def params(arrays, endings):
    """A struct array with the fields name and value, as MATLAB writes it."""
    found = onp.empty((1, len(arrays)), [('name', object), ('value', object)])
    for i, (name, array) in enumerate(arrays.items()):
        layer, _, kind = name.rpartition('.')
        found[0, i] = layer + endings[kind], as_matlab(array)
    return found


def description(mean):
    image = onp.float32(mean).reshape(1, 1, 3)
    return {'normalization': {'averageImage': image, 'border': [0.0, 0.0]}}


def rgb_first(arrays):
    """The arrays as they are in a file whose net reads red first."""
    stored = dict(arrays)
    stored['conv1_1.weight'] = arrays['conv1_1.weight'][:, ::-1]
    return stored


RGB_MEAN = weights.MEAN[::-1]
LONG = {'weight': '_filter', 'bias': '_bias'}
SHORT = {'weight': 'f', 'bias': 'b'}


@pytest.mark.parametrize('stride', [32, 16, 8])
@pytest.mark.parametrize('endings', [LONG, SHORT])
@pytest.mark.parametrize('wrapped', [False, True])
def test_a_graph(tmp_path, stride, endings, wrapped):
    arrays = published(stride)
    file = {
        'params': params(rgb_first(arrays), endings),
        'layers': onp.zeros((1, 0)),
        'meta': description(RGB_MEAN),
    }
    source, target = tmp_path / 'in.mat', tmp_path / 'out.params'
    scipy.io.savemat(source, {'net': file} if wrapped else file)
    assert convert(source, target) == stride
    same(target, arrays)


@pytest.mark.parametrize('old', [False, True])
def test_a_chain(tmp_path, old):
    """Layers in a cell; before 2015 with filters and biases apart."""
    arrays = published(32)
    stored, layers = rgb_first(arrays), []
    for name in dict.fromkeys(n.rpartition('.')[0] for n in arrays):
        parts = [
            as_matlab(stored[f'{name}.{kind}'])
            for kind in ('weight', 'bias')
            if f'{name}.{kind}' in stored
        ]
        if old and len(parts) == 2:
            values = dict(zip(('filters', 'biases'), parts, strict=True))
        else:
            cell = onp.empty((1, len(parts)), object)
            for i, part in enumerate(parts):
                cell[0, i] = part
            values = {'weights': cell}
        layers.append({'name': name, 'type': 'conv'} | values)
        layers.append({'name': f'relu_{name}', 'type': 'relu'})
    cell = onp.empty((1, len(layers)), object)
    for i, layer in enumerate(layers):
        cell[0, i] = layer
    source, target = tmp_path / 'in.mat', tmp_path / 'out.params'
    file = {'layers': cell, **description(RGB_MEAN)}
    scipy.io.savemat(source, file)
    assert convert(source, target) == 32
    same(target, arrays)


def test_the_mean_says_which_channel_is_first(tmp_path):
    arrays = published(32)
    source, target = tmp_path / 'in.mat', tmp_path / 'out.params'
    file = {'params': params(arrays, LONG), 'meta': description(weights.MEAN)}
    scipy.io.savemat(source, file)
    convert(source, target)  # blue first, as ours: nothing is reversed
    same(target, arrays)
    convert(source, target, channels='rgb')
    same(target, rgb_first(arrays))
    del file['meta']  # nothing is said: MATLAB's pictures are red first
    scipy.io.savemat(source, file)
    convert(source, target)
    same(target, rgb_first(arrays))


def test_another_mean_is_refused(tmp_path):
    source = tmp_path / 'in.mat'
    mean = 123.68, 116.779, 103.939  # ImageNet's, as VGG16 itself was trained
    file = {
        'params': params(published(32), SHORT),
        'meta': description(mean),
    }
    scipy.io.savemat(source, file)
    with pytest.raises(ValueError, match=r'subtracts \[123.68.*122.67892'):
        convert(source, tmp_path / 'out.params')


def test_the_converted_layers_compute_what_matconvnet_does(tmp_path):
    """Against loops over MATLAB's layouts, on a photo with red first."""
    arrays = published(32)
    stored = rgb_first(arrays)
    source, target = tmp_path / 'in.mat', tmp_path / 'out.params'
    scipy.io.savemat(source, {'params': params(stored, LONG)})
    convert(source, target)
    ours = npx.load(str(target))
    rng = onp.random.default_rng(1)
    photo = rng.normal(size=(4, 5, 3)).astype('float32')  # red first
    # vl_nnconv: y(i, j, d) = sum of f(u, v, c, d) x(i + u, j + v, c), plus b.
    f = as_matlab(stored['conv1_1.weight'])
    expected = onp.zeros((2, 3, 4))
    for i in range(2):
        for j in range(3):
            window = photo[i : i + 3, j : j + 3]
            expected[i, j] = (window[..., None] * f).sum(axis=(0, 1, 2))
    expected += stored['conv1_1.bias']
    conv = nn.Conv2D(4, 3, in_channels=3)
    conv.initialize()
    conv.weight.set_data(ours['conv1_1.weight'])
    conv.bias.set_data(ours['conv1_1.bias'])
    bgr = photo[:, :, ::-1].transpose(2, 0, 1)[None].copy()
    onp.testing.assert_allclose(
        conv(np.array(bgr))[0].asnumpy().transpose(1, 2, 0),
        expected,
        atol=1e-4,
    )
    # vl_nnconvt: every x(i, j, c) stamps f(u, v, d, c) at (32i + u, 32j + v).
    scores = rng.normal(size=(2, 2, CLASSES)).astype('float32')
    f = as_matlab(arrays['upscore.weight'])
    expected = onp.zeros((96, 96, CLASSES))
    for i in range(2):
        for j in range(2):
            stamp = (f * scores[i, j]).sum(axis=3)
            expected[32 * i : 32 * i + 64, 32 * j : 32 * j + 64] += stamp
    up = nn.Conv2DTranspose(
        CLASSES, 64, 32, use_bias=False, in_channels=CLASSES
    )
    up.initialize()
    up.weight.set_data(ours['upscore.weight'])
    x = np.array(scores.transpose(2, 0, 1)[None].copy())
    onp.testing.assert_allclose(
        up(x)[0].asnumpy().transpose(1, 2, 0), expected, atol=1e-4
    )


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'in.mat is no .mat file'),
        (b'no matlab at all' * 20, 'in.mat is no .mat file'),
    ],
)
def test_files_of_another_kind(tmp_path, content, message):
    source = tmp_path / 'in.mat'
    source.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / 'out.params')


def test_matlab_7_3_and_files_without_weights(tmp_path):
    source = tmp_path / 'in.mat'
    header = b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM'
    source.write_bytes(header + bytes(400))
    with pytest.raises(ValueError, match='MATLAB 7.3 .* -v7'):
        convert(source, tmp_path / 'out.params')
    scipy.io.savemat(source, {'x': onp.ones(3)})
    with pytest.raises(ValueError, match="not laid out as MatConvNet's"):
        convert(source, tmp_path / 'out.params')


@pytest.mark.parametrize('name', ['params', 'layers', 'net'])
def test_a_matrix_where_a_net_should_be(tmp_path, name):
    source = tmp_path / 'in.mat'
    scipy.io.savemat(source, {name: onp.ones((2, 2))})
    with pytest.raises(ValueError, match="not laid out as MatConvNet's"):
        convert(source, tmp_path / 'out.params')


@pytest.mark.parametrize('half', [True, False])
def test_a_damaged_file(tmp_path, half):
    source = tmp_path / 'in.mat'
    file = {'params': params(published(32), LONG)}
    scipy.io.savemat(source, file, do_compression=True)
    content = source.read_bytes()
    middle = len(content) // 2
    rest = b'' if half else bytes(500) + content[middle + 500 :]
    source.write_bytes(content[:middle] + rest)
    with pytest.raises(ValueError, match='in.mat is no .mat file'):
        convert(source, tmp_path / 'out.params')
