"""Files of nets and trainings: whole or not at all, and never another's.

Every optimizer goes on as if it had never stopped.
"""

import json
import math
import pickle
import zipfile

import segbook
import utils
from parts import checkpoints
from parts.checkpoints import fill, read_about
from parts.start import ON_MXNET1
from parts.stored import open_arrays
from support import CLASSES, trained

import mxnet as mx
import numpy as onp
import pytest
from mxnet import gluon, np
from mxnet.gluon import nn


class Noise:
    """Photos of noise, with labels of noise."""

    def __len__(self):
        return 8

    def get(self, i, epoch=0):
        if epoch == self.stop:
            raise KeyboardInterrupt
        rng = onp.random.default_rng((i, epoch))
        image = rng.integers(0, 256, (6, 8, 3), dtype='uint8')
        return image, rng.integers(0, CLASSES, (6, 8), dtype='uint8')

    def __init__(self, stop=None):
        self.stop = stop


def new_net(devices=1, order=(0, 1)):
    """Two layers; `order`: how MXNet 1 numbers them."""
    utils.set_seed(0)
    numbers = [{'prefix': f'conv{n}_'} if ON_MXNET1 else {} for n in order]
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(CLASSES, 3, 1, 1, in_channels=3, **numbers[0]),
        nn.BatchNorm(in_channels=CLASSES),
        nn.Conv2D(CLASSES, 3, 1, 1, in_channels=CLASSES, **numbers[1]),
    )
    net.initialize(mx.init.Xavier(), [mx.cpu(i) for i in range(devices)])
    for i in range(devices):
        net(np.zeros((1, 3, 6, 8), ctx=mx.cpu(i)))
    utils.freeze_batch_norm(net)
    return net


def train(net, path=None, stop=None, optimizer='adam', **options):
    devices = utils.devices_of(net)
    params = options.pop('optimizer_params', {'learning_rate': 0.01})
    return utils.train(
        net,
        utils.Batches(Noise(stop), 4, seed=1),
        options.pop('loss', segbook.void_cross_entropy),
        4,
        optimizer=optimizer,
        optimizer_params=params,
        devices=devices,
        checkpoint=path,
        quiet=True,
        **options,
    )


def values(net):
    return [
        data.asnumpy()
        for parameter in net._collect_params_with_prefix().values()
        for data in parameter.list_data()
    ]


def interrupted(path, new_net, **options):
    """The net that a training which stopped after two epochs ends with."""
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), path, stop=2, **options)
    resumed = new_net()
    train(resumed, path, **options)
    return resumed


def same(one, other):
    return all(
        (a == b).all() for a, b in zip(values(one), values(other), strict=True)
    )


# --------------------------------------------------------------- optimizers

# One is for matrices only, and one adds up gradients.
OPTIMIZERS = sorted(mx.optimizer.Optimizer.opt_registry)
OPTIMIZERS = [n for n in OPTIMIZERS if n not in ('groupadagrad', 'test')]
MOMENTUM = 'sgd', 'nag', 'signum', 'lars', 'lbsgd'
CASES = [(name, {}) for name in OPTIMIZERS]
CASES += [(n, {'momentum': 0.9}) for n in MOMENTUM if n in OPTIMIZERS]
CASES += [('rmsprop', {'centered': True})]
if ON_MXNET1:  # gradients that wait for the next batch
    CASES += [('lbsgd', {'momentum': 0.9, 'batch_scale': 3})]


@pytest.mark.parametrize(('optimizer', 'params'), CASES)
def test_every_optimizer_goes_on_as_if_it_had_never_stopped(
    tmp_path, optimizer, params
):
    params = {'learning_rate': 0.01} | params
    options = {'optimizer': optimizer, 'optimizer_params': params}
    whole = new_net()
    train(whole, **options)
    resumed = interrupted(tmp_path / 'run', new_net, **options)
    assert same(whole, resumed)
    assert not same(whole, new_net())


def test_the_optimizer_for_matrices_goes_on(tmp_path):
    def one_matrix():
        utils.set_seed(0)
        net = nn.Dense(CLASSES, flatten=False, use_bias=False, in_units=3)
        net.initialize(mx.init.Xavier())
        return net

    def loss(scores, labels):
        return segbook.void_cross_entropy(scores.swapaxes(1, 3), labels)

    class Last(nn.Block):
        """Reads channels last."""

        def __init__(self):
            super().__init__()
            self.dense = one_matrix()

        def forward(self, x):
            return self.dense(x.transpose(0, 3, 2, 1))

    options = {'optimizer': 'groupadagrad', 'loss': loss}
    whole = Last()
    train(whole, **options)
    assert same(whole, interrupted(tmp_path / 'run', Last, **options))


def test_two_devices_go_on_and_stay_equal(tmp_path):
    def two():
        return new_net(devices=2)

    whole = two()
    train(whole)
    resumed = interrupted(tmp_path / 'run', two)
    assert same(whole, resumed)


def test_a_run_goes_on_with_another_number_of_devices(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), tmp_path / 'run', stop=2)
    one, two = new_net(), new_net(devices=2)
    train(two, tmp_path / 'run')
    train(one)
    first, second = values(two)[::2], values(two)[1::2]
    for a, b, alone in zip(first, second, values(one), strict=True):
        assert (a == b).all()  # the devices do not drift apart
        onp.testing.assert_allclose(a, alone, atol=1e-5)


def test_a_net_that_does_not_know_its_sizes_yet_goes_on(tmp_path):
    def unknown():
        utils.set_seed(0)
        net = nn.HybridSequential()
        net.add(nn.Conv2D(4, 3, 1, 1), nn.BatchNorm(), nn.Conv2D(CLASSES, 1))
        net.initialize(mx.init.Xavier())
        return net

    whole = unknown()
    train(whole)
    assert same(whole, interrupted(tmp_path / 'run', unknown))


def test_states_follow_the_names_within_the_net(tmp_path):
    """MXNet 1 counts layers on, and 10 sorts before 9."""
    whole = new_net()
    train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), tmp_path / 'run', stop=2)
    later = new_net(order=(9, 10))
    train(later, tmp_path / 'run')
    assert same(whole, later)


def trainer_of(net, scale):
    """A trainer as half precision leaves it, after `scale` changes."""
    trainer = gluon.Trainer(net.collect_params(), 'adam')
    if ON_MXNET1:
        from mxnet.contrib.amp.loss_scaler import LossScaler
    else:
        from mxnet.amp.loss_scaler import LossScaler
    trainer._amp_loss_scaler = LossScaler()
    trainer._amp_loss_scaler._loss_scale = scale
    trainer._amp_loss_scaler._next_loss_scale = scale / 2
    trainer._amp_loss_scaler._unskipped = 7
    return trainer


def test_half_precision_goes_on_with_its_scale(tmp_path):
    net, path = new_net(), tmp_path / 'run'
    before = trainer_of(net, 256.0)
    checkpoints.save_checkpoint(path, net, before, {}, {'loss': [1.0]})
    after, plain = (
        trainer_of(net, 1.0),
        gluon.Trainer(net.collect_params(), 'adam'),
    )
    for trainer in (after, plain):  # a run may go on without
        checkpoints.load_checkpoint(path, net, trainer, [mx.cpu()], {})
    scaler = after._amp_loss_scaler
    assert (scaler.loss_scale, scaler._next_loss_scale) == (256, 128)
    assert scaler._unskipped == 7


def test_states_within_states_come_back(tmp_path):
    """Those of float16 parameters: means and variances, and float32 copies."""
    net = nn.Dense(2, in_units=3)
    net.cast('float16')
    net.initialize(mx.init.Zero())
    net.weight.data(), net.bias.data()
    params = {'learning_rate': 0.01, 'multi_precision': True}

    def trainer_with(fill):
        trainer = gluon.Trainer(net.collect_params(), 'adam', dict(params))
        optimizer, updater = trainer._optimizer, trainer._updaters[0]
        for i, parameter in enumerate(trainer._params):
            weight = parameter.data().as_nd_ndarray()
            state = optimizer.create_state_multi_precision(i, weight)
            for k, leaf in enumerate(leaves(state)):
                leaf[:] = fill + k
            updater.states[i] = state
        return trainer

    def leaves(state):
        if isinstance(state, list | tuple):
            return [leaf for part in state for leaf in leaves(part)]
        return [state]

    path = tmp_path / 'run'
    checkpoints.save_checkpoint(path, net, trainer_with(5), {}, {})
    trainer = gluon.Trainer(net.collect_params(), 'adam', dict(params))
    checkpoints.load_checkpoint(path, net, trainer, [mx.cpu()], {})
    for state in trainer._updaters[0].states.values():
        assert any(isinstance(part, list | tuple) for part in state)
        found = [leaf.asnumpy() for leaf in leaves(state)]
        assert [set(values.ravel()) for values in found] == [{5}, {6}, {7}]
        assert {values.dtype.name for values in found} == {'float32'}


# -------------------------------------------------------------- single layers


@pytest.mark.parametrize('kind', ['a convolution', 'a matrix'])
def test_a_net_of_one_layer_goes_on(tmp_path, kind):
    def one_layer():
        utils.set_seed(0)
        if kind == 'a matrix':
            net = nn.Dense(CLASSES * 6 * 8, in_units=3 * 6 * 8)
        else:
            net = nn.Conv2D(CLASSES, 3, 1, 1, in_channels=3)
        net.initialize(mx.init.Xavier())
        return net

    def loss(scores, labels):
        return segbook.void_cross_entropy(
            scores.reshape(-1, CLASSES, 6, 8), labels
        )

    whole = one_layer()
    train(whole, loss=loss)
    resumed = interrupted(tmp_path / 'run', one_layer, loss=loss)
    assert same(whole, resumed)


# --------------------------------------------------------- whole, or another's


def test_failure_while_writing_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / 'checkpoint'
    trained(checkpoint=path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError('no space left on device')

    monkeypatch.setattr(zipfile.ZipFile, 'write', full_disk)
    settings = {'num_epochs': 1}
    net = nn.Dense(2, in_units=3)
    net.initialize(mx.init.Zero())
    trainer = gluon.Trainer(net.collect_params(), 'adam')
    trainer._init_kvstore()
    with pytest.raises(OSError, match='no space'):
        checkpoints.save_checkpoint(path, net, trainer, settings, {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ['checkpoint']


def test_checkpoint_of_other_settings_or_damaged_is_named(tmp_path):
    path = tmp_path / 'checkpoint'
    trained(epochs=2, checkpoint=path)
    with pytest.raises(ValueError, match='num_epochs=2, not 3') as error:
        trained(epochs=3, checkpoint=path)
    assert str(path) in str(error.value)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match='not a checkpoint') as error:
        trained(epochs=2, checkpoint=path)
    assert str(path) in str(error.value)


def test_checkpoint_of_another_net_is_named(tmp_path):
    path = tmp_path / 'checkpoint'
    trained(checkpoint=path)
    other = nn.Conv2D(CLASSES, 3, padding=1, in_channels=3)
    other.initialize()
    trainer = gluon.Trainer(other.collect_params(), 'adam')
    with pytest.raises(ValueError, match='another network'):
        checkpoints.load_checkpoint(path, other, trainer, [mx.cpu()], {})


# ------------------------------------------------------------ what they hold


@pytest.fixture
def run(tmp_path):
    """A checkpoint of a run that stopped after two epochs."""
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), tmp_path / 'run', stop=2)
    return tmp_path / 'run'


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, members):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def refused(path, *words, net=None):
    with pytest.raises(ValueError) as caught:
        train(net or new_net(), path)
    text = str(caught.value)
    for word in (str(path), *words):
        assert word in text
    assert text.count(str(path)) == 1


def test_a_run_is_arrays_and_json(run):
    there = members(run)
    assert sorted(there) == ['parameters', 'run.json', 'states']
    json.loads(there['run.json'])
    (run.parent / 'states').write_bytes(there['states'])
    with onp.load(run.parent / 'states', allow_pickle=False) as states:
        assert set(states) == {
            f'{layer}/{k}'
            for layer in ('0.weight', '0.bias', '1.gamma', '1.beta')
            + ('2.weight', '2.bias')
            for k in (0, 1)
        }
        assert all(states[name].dtype == 'float32' for name in states)


class Trap:
    """Whoever unpickles this runs code."""

    def __reduce__(self):
        return exec, ('raise SystemExit("the trap was sprung")',)


def test_an_older_checkpoint_is_refused_and_never_unpickled(run):
    there = members(run)
    del there['states']
    there['trainer'] = pickle.dumps(({}, Trap()))
    write(run, there)
    refused(run, 'older version', 'train anew')


def test_going_on_unpickles_nothing(run, monkeypatch):
    def sprung(*arguments, **options):
        raise AssertionError('something was unpickled')

    for name in ('load', 'loads', 'Unpickler'):
        monkeypatch.setattr(pickle, name, sprung)
    assert len(train(new_net(), run)['loss']) == 4


def test_an_undefined_figure_comes_back(tmp_path):
    class Void(Noise):
        def __getitem__(self, i):
            image, label = self.get(i)
            return image, onp.full_like(label, utils.VOID)

    options = {'val_data': Void()}
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), tmp_path / 'run', stop=2, **options)
    history = train(new_net(), tmp_path / 'run', **options)
    assert len(history['mean_iu']) == 4
    assert all(map(math.isnan, history['mean_iu']))


def test_going_on_with_figures_that_were_not_kept_is_named(run):
    with pytest.raises(ValueError, match='without val_data') as error:
        train(new_net(), run, val_data=Noise())
    assert str(run) in str(error.value)


def test_settings_are_equal_if_they_mean_the_same(tmp_path):
    params = {'learning_rate': 0.01, 'wd': 0.1, 'clip_gradient': math.inf}
    path = tmp_path / 'run'
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), path, stop=2, optimizer_params=params)
    again = dict(reversed(params.items()))
    assert len(train(new_net(), path, optimizer_params=again)['loss']) == 4
    with pytest.raises(ValueError, match='optimizer_params.*"wd": 0.1'):
        train(new_net(), path, optimizer_params=params | {'wd': 0.2})


def test_states_of_another_optimizer_are_named(run):
    there = members(run)
    text = there['run.json'].decode().replace('\\"adam\\"', '\\"sgd\\"')
    write(run, there | {'run.json': text})
    with pytest.raises(ValueError, match='states that the optimizer') as error:
        train(new_net(), run, optimizer='sgd')
    assert str(run) in str(error.value)


def test_names_that_no_file_can_hold_are_refused_before_saving(tmp_path):
    many = segbook.ClassTable([f'x{i}' for i in range(255)])
    many.names += ['one too many']
    odd = segbook.ClassTable(['a\nb', 'c'])
    for table, words in ((many, 'not 256'), (odd, 'no file holds')):
        with pytest.raises(ValueError, match=words):
            utils.save_net(tmp_path / 'net', new_net(), table)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------- halves, and what is said

PAIR = segbook.ClassTable(['a', 'b'])


def stored_arrays(path, folder):
    """The arrays of a net's file, by names, as they are stored."""
    with zipfile.ZipFile(path) as archive:
        file = archive.extract('parameters', folder)
    with open_arrays(file) as stored:
        return {name: array.read() for name, array in stored.items()}


def test_a_net_is_stored_in_halves_and_read_back_in_float32(tmp_path):
    net, other = new_net(), new_net()
    utils.save_net(tmp_path / 'net', net, PAIR, dtype='float16')
    halves = stored_arrays(tmp_path / 'net', tmp_path)
    named = net._collect_params_with_prefix()
    assert set(halves) == set(named)
    for name, parameter in named.items():
        assert halves[name].dtype == onp.float16
        values = parameter.data().asnumpy().astype('float16')
        assert (halves[name] == values).all()
    with open_arrays(tmp_path / 'parameters') as stored:
        fill(other, stored, [mx.cpu()])
    for name, parameter in other._collect_params_with_prefix().items():
        assert parameter.data().dtype == onp.float32
        assert (parameter.data().asnumpy() == halves[name]).all()
    # MXNet itself reads it, if it is told to.
    if ON_MXNET1:
        other.load_parameters(str(tmp_path / 'parameters'), cast_dtype=True)


def test_a_checkpoint_of_training_is_never_in_halves(run, tmp_path):
    net = new_net()
    utils.save_net(tmp_path / 'net', net, PAIR, dtype='float16')
    halves = members(tmp_path / 'net')['parameters']
    write(run, members(run) | {'parameters': halves})
    with pytest.raises(ValueError, match='is float16'):
        train(new_net(), run)


@pytest.mark.parametrize('value', [1e5, -1e9, float('inf'), float('nan')])
def test_what_no_half_holds_is_named(tmp_path, value):
    net = new_net()
    name, parameter = next(iter(net._collect_params_with_prefix().items()))
    values = parameter.data().asnumpy()
    values.flat[0] = value
    parameter.set_data(np.array(values))
    with pytest.raises(ValueError, match=f'{name} holds numbers'):
        utils.save_net(tmp_path / 'net', net, PAIR, dtype='float16')
    with pytest.raises(ValueError, match="dtype='int8'"):
        utils.save_net(tmp_path / 'net', net, PAIR, dtype='int8')
    assert not list(tmp_path.iterdir())


ABOUT = {
    'kind': 'trained on photos',
    'photos': {'a': 0, 'b': 3579},
    'mean IU': 0.62,
    'epochs': 20,
}


def test_what_a_net_is_about_comes_back(tmp_path):
    for about in (ABOUT, {}, None):
        utils.save_net(tmp_path / 'net', new_net(), PAIR, about)
        with zipfile.ZipFile(tmp_path / 'net') as archive:
            assert read_about(archive, PAIR.names) == (about or {})


WRONG = [
    ([], r'entries, not \[\]'),
    ({'photos': 3}, 'not 3'),
    ({'photos': {'c': 3}}, "photos of 'c', which is no class"),
    ({'photos': {'a': -1}}, 'counts -1 photos of «a»'),
    ({'photos': {'a': 1.5}}, 'counts 1.5'),
    ({'photos': {'a': True}}, 'counts True'),
    ({'photos': {'a': 10**10}}, 'counts 10000000000'),
    ({'kind': 'two\nlines'}, 'says «kind»'),
    ({'kind': '\x1b[2J'}, 'says «kind»'),
    ({'kind': 'x' * 3000}, 'says «kind»'),
    ({'kind': ['x']}, 'says «kind»'),
    ({'n': True}, 'says «n»'),
    ({'n': 1e300}, 'says «n»'),
    ({'a\nb': 'x'}, 'entry of about.json is called'),
    ({'x' * 61: 'x'}, 'entry of about.json is called'),
    ({str(i): 'x' for i in range(101)}, 'at most 100 entries'),
]


@pytest.mark.parametrize(('about', 'words'), WRONG)
def test_what_no_net_is_about_is_neither_written_nor_read(
    tmp_path, about, words
):
    path = tmp_path / 'net'
    with pytest.raises(ValueError, match=words):
        utils.save_net(path, new_net(), PAIR, about)
    assert not list(tmp_path.iterdir())
    utils.save_net(path, new_net(), PAIR)
    write(path, members(path) | {'about.json': json.dumps(about)})
    with (
        pytest.raises(ValueError, match=words),
        zipfile.ZipFile(path) as archive,
    ):
        read_about(archive, PAIR.names)


def test_a_long_about_is_not_unfolded(tmp_path):
    path = tmp_path / 'net'
    utils.save_net(path, new_net(), PAIR)
    write(path, members(path) | {'about.json': ' ' * 2_000_000})
    with (
        pytest.raises(ValueError, match='about.json would take 2,000,000'),
        zipfile.ZipFile(path) as archive,
    ):
        read_about(archive, PAIR.names)


def test_both_mxnets_read_each_others_parameters(tmp_path):
    """MXNet 2 writes .npz files, which MXNet 1 itself cannot read."""
    net, other = new_net(), new_net()
    for parameter in other.collect_params().values():
        parameter.set_data(np.zeros(parameter.shape))
    arrays = {
        name: p.data().asnumpy()
        for name, p in net._collect_params_with_prefix().items()
    }
    path = tmp_path / 'theirs'
    if ON_MXNET1:
        with open(path, 'wb') as file:
            onp.savez(file, **arrays)
    else:
        older = {n: mx.nd.array(a, dtype=a.dtype) for n, a in arrays.items()}
        mx.nd.save(str(path), older)
    with checkpoints.open_arrays(path) as stored:
        checkpoints.fill(other, stored, [mx.cpu()])
    assert same(net, other)
