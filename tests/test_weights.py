"""The converter on .npz files of the published structure, tiny ones."""

import re

import segbook
import utils  # noqa: F401  (first: it sets MXNet's threads)
from tools import weights

import numpy as onp
import pytest
from mxnet import npx
from mxnet.gluon import nn

WIDTHS = 4, 5, 6, 7, 7, 8
CLASSES = 3


def published(stride, seed=0):
    """PaperFCN's arrays with few channels, random: {name: array}."""
    rng = onp.random.default_rng(seed)
    return {
        name: rng.normal(size=shape).astype('float32')
        for name, shape in weights.shapes(stride, CLASSES, WIDTHS).items()
    }


def height_first(array):
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def renamed(arrays, weight, bias):
    """Spell the names as a conversion does."""
    return {
        name.replace('.weight', weight).replace('.bias', bias): array
        for name, array in arrays.items()
    }


def convert(source, target, **options):
    return weights.convert_file(
        source, target, CLASSES, widths=WIDTHS, **options
    )


def same(path, expected):
    stored = npx.load(str(path))
    assert set(stored) == set(expected)
    for name, array in expected.items():
        onp.testing.assert_array_equal(stored[name].asnumpy(), array, name)


@pytest.mark.parametrize('stride', [32, 16, 8])
@pytest.mark.parametrize(
    ('weight', 'bias'),
    [('.weight', '.bias'), ('/W', '/b'), ('_W', '_b'), ('_filter', '_bias')],
)
def test_names_of_npz_files(tmp_path, stride, weight, bias):
    arrays = published(stride)
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    onp.savez(source, **renamed(arrays, weight, bias))
    assert convert(source, target) == stride
    same(target, arrays)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'in.npz',
        'out.params',
    ]


def test_filters_with_their_height_first(tmp_path):
    arrays = published(8)
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    stored = {name: height_first(a) for name, a in arrays.items()}
    onp.savez(source, **renamed(stored, '_W', '_b'))
    convert(source, target)
    same(target, arrays)


def test_red_first_is_reversed_when_asked_for(tmp_path):
    arrays = published(32)
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    onp.savez(source, **arrays)
    convert(source, target, channels='rgb')
    arrays['conv1_1.weight'] = arrays['conv1_1.weight'][:, ::-1]
    same(target, arrays)


def test_a_net_of_the_same_names_loads_it(tmp_path):
    arrays = published(32)
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    onp.savez(source, **arrays)
    convert(source, target)
    net = nn.Block()
    for name, array in arrays.items():
        layer, _, kind = name.rpartition('.')
        if kind == 'bias':
            continue
        if layer.startswith('upscore'):
            inputs, outputs, kernel, _ = array.shape
            block = nn.Conv2DTranspose(
                outputs, kernel, use_bias=False, in_channels=inputs
            )
        else:
            outputs, inputs, kernel, _ = array.shape
            block = nn.Conv2D(outputs, kernel, in_channels=inputs)
        setattr(net, layer, block)
    net.load_parameters(str(target))
    onp.testing.assert_array_equal(
        net.fc6.weight.data().asnumpy(), arrays['fc6.weight']
    )
    onp.testing.assert_array_equal(
        net.upscore.weight.data().asnumpy(), arrays['upscore.weight']
    )


def test_old_names_and_biases_of_transposed_convolutions(tmp_path):
    """A bias moves to the layer whose map is added: the sum is the same."""
    arrays = published(8)
    old = {ours: theirs for theirs, ours in weights.OLD_NAMES[8].items()}
    stored = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition('.')
        stored[f'{old.get(layer, layer)}.{kind}'] = array
    stored['score2.bias'] = onp.float32([1, 2, 3])
    stored['score4.bias'] = onp.float32([4, 5, 6])
    stored['upsample.bias'] = onp.zeros(3, 'float32')
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    onp.savez(source, **stored)
    assert convert(source, target) == 8
    arrays['score_pool4.bias'] = arrays['score_pool4.bias'] + [1, 2, 3]
    arrays['score_pool3.bias'] = arrays['score_pool3.bias'] + [4, 5, 6]
    same(target, {k: onp.float32(v) for k, v in arrays.items()})
    stored['upsample.bias'][1] = 1
    onp.savez(source, **stored)
    with pytest.raises(ValueError, match='last layer cannot have a bias'):
        convert(source, target)


def refused(tmp_path, arrays):
    """Convert; return what is said, and see that nothing is written."""
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    target.write_bytes(b'before')
    onp.savez(source, **arrays)
    with pytest.raises(ValueError, match=re.escape(str(source))) as error:
        convert(source, target)
    assert target.read_bytes() == b'before'
    assert len(list(tmp_path.iterdir())) == 2
    return str(error.value)


def test_everything_that_is_wrong_is_named(tmp_path):
    arrays = published(16)
    del arrays['conv3_2.bias'], arrays['upscore2.weight']
    arrays['fc8.weight'] = onp.ones((2, 2), 'float32')
    arrays['fc7.weight'] = onp.ones((8, 7, 1, 1), 'float32')
    text = refused(tmp_path, arrays)
    for part in (
        'FCN-16s with 3 classes',
        'missing: conv3_2.bias (6,)',
        'missing: upscore2.weight (3, 3, 4, 4)',
        'unknown: fc8.weight (2, 2)',
        'wrong shape: fc7.weight (8, 7, 1, 1) for (8, 8, 1, 1)',
    ):
        assert part in text
    assert text.count('\n') == 4


def test_two_spellings_of_one_array(tmp_path):
    arrays = published(32)
    arrays['fc7/b'] = arrays['fc7.bias']
    assert 'twice, under two names: fc7.bias' in refused(tmp_path, arrays)


def test_numbers_that_are_none(tmp_path):
    arrays = published(32)
    arrays['fc7.bias'] = onp.full(8, onp.nan, 'float32')
    assert 'fc7.bias is not finite' in refused(tmp_path, arrays)
    arrays['fc7.bias'] = onp.array(['a'] * 8)
    assert 'fc7.bias holds no numbers' in refused(tmp_path, arrays)


class Trap:
    """Whoever unpickles this runs code."""

    def __reduce__(self):
        return exec, ('raise SystemExit("the trap was sprung")',)


def test_nothing_is_unpickled(tmp_path):
    arrays = published(32)
    arrays['fc7.bias'] = onp.array([Trap()], dtype=object)
    text = refused(tmp_path, arrays)
    assert 'fc7.bias cannot be read' in text and 'objects' in text


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('in.npz', b'not a zip', 'in.npz is no .npz file'),
        ('in.npz', b'PK\x03\x04', 'in.npz is no .npz file'),
        ('in.npz', b'', 'in.npz is no .npz file'),
        ('in.pkl', b'', 'in.pkl is no .npz and no .mat file'),
    ],
)
def test_files_of_another_kind(tmp_path, name, content, message):
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / 'out.params')


def test_the_command_says_what_it_did_or_that_it_did_nothing(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(weights, 'shapes', tiny_shapes(weights.shapes))
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    onp.savez(source, **published(16))
    weights.main([str(source), str(target), '--classes', str(CLASSES)])
    out = capsys.readouterr().out
    assert 'FCN-16s, 3 classes' in out and 'PaperFCN(3, 16)' in out
    with pytest.raises(SystemExit, match='nothing was written: .*21 classes'):
        weights.main([str(source), str(target)])
    with pytest.raises(SystemExit, match='there is no file'):
        weights.main([str(tmp_path / 'none.npz'), str(target)])


def tiny_shapes(shapes):
    """The converter's table, but always of the narrow net."""
    return lambda stride, num_classes=21, widths=None: shapes(
        stride, num_classes, WIDTHS
    )


@pytest.mark.parametrize(
    ('stride', 'fixed'), [(32, 64**2), (16, 16 + 32**2), (8, 2 * 16 + 16**2)]
)
def test_the_published_nets_have_this_many_numbers(stride, fixed):
    """VGG16 has 138,357,544; fc8 with its 1000 classes goes."""
    total = sum(onp.prod(s) for s in weights.shapes(stride).values())
    scores = {32: [4096], 16: [4096, 512], 8: [4096, 512, 256]}[stride]
    assert total == (
        138_357_544
        - 1000 * (4096 + 1)
        + sum(21 * (channels + 1) for channels in scores)
        + 21 * 21 * fixed
    )


def shapes_of(net):
    """Shapes by structural names; -1 or 0 where MXNet does not know yet."""
    named = getattr(net, '_collect_params_with_prefix', net.collect_params)()
    return {name: parameter.shape for name, parameter in named.items()}


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_the_table_is_that_of_the_book_s_net(stride):
    theirs = shapes_of(segbook.PaperFCN(21, stride))
    table = weights.shapes(stride)
    assert set(theirs) == set(table)
    for name, shape in table.items():
        assert all(
            there in (0, -1, ours)
            for there, ours in zip(theirs[name], shape, strict=True)
        ), name


def test_the_book_s_net_loads_a_converted_file_of_full_size(tmp_path):
    """134 million numbers, nearly all zero, so that the file stays small."""
    arrays = {
        name: onp.zeros(shape, 'float32')
        for name, shape in weights.shapes(32).items()
    }
    arrays['conv1_1.weight'][5, 0, 1, 2] = 1  # filter 5, blue, row 1, column 2
    arrays['fc6.weight'][7, 8, 3, 4] = 2
    arrays['upscore.weight'][1, 2, 9, 8] = 3  # from score 1 to class 2
    source, target = tmp_path / 'in.npz', tmp_path / 'out.params'
    onp.savez_compressed(source, **renamed(arrays, '/W', '/b'))
    del arrays
    assert weights.convert_file(source, target) == 32
    net = segbook.PaperFCN(21, 32)
    net.load_parameters(str(target))
    target.unlink()
    assert float(net.conv1_1.weight.data()[5, 0, 1, 2].item()) == 1
    assert float(net.fc6.weight.data()[7, 8, 3, 4].item()) == 2
    assert float(net.upscore.weight.data()[1, 2, 9, 8].item()) == 3
    for layer in (net.conv1_1, net.fc6, net.upscore):
        assert int((layer.weight.data() != 0).sum().item()) == 1
