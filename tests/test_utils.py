"""The trainer: its steps, what it repeats, devices, parts, failures."""

import zipfile

import segbook
import utils
from support import CLASSES, Noise, difference, trained

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np
from mxnet.gluon import nn


class Squares:
    """Photos of one bright square on noise; its label follows the colour."""

    def __init__(self, length=8):
        self.length = length

    def __len__(self):
        return self.length

    def get(self, i, epoch=0):
        rng = onp.random.default_rng((i, epoch))
        image = rng.integers(0, 80, (32, 64, 3), dtype='uint8')
        label = onp.zeros((32, 64), dtype='uint8')
        kind = 1 + i % (CLASSES - 1)
        top, left = rng.integers(16), rng.integers(48)
        image[top : top + 16, left : left + 16, kind - 1] += 150
        label[top : top + 16, left : left + 16] = kind
        label[:2] = utils.VOID
        return image, label

    def __getitem__(self, i):
        return self.get(i)


class Net(nn.HybridBlock):
    """A small net with batch normalisation and dropout."""

    def __init__(self):
        super().__init__()
        self.body = nn.HybridSequential()
        self.body.add(
            nn.Conv2D(8, 3, padding=1, activation='relu'),
            nn.BatchNorm(),
            nn.Dropout(0.2),
            nn.Conv2D(CLASSES, 3, padding=1),
        )

    def forward(self, x):
        return self.body(x)


def new_net(devices=None):
    utils.set_seed(0)
    net = Net()
    net.initialize(mx.init.Xavier(), devices or [mx.cpu()])
    net(np.zeros((1, 3, 32, 64)))
    return net


def parameters(net):
    return [
        value.data(value.list_ctx()[0]).asnumpy()
        for value in net.collect_params().values()
    ]


def train(net, epochs=4, data=None, **options):
    return utils.train(
        net,
        utils.Batches(data or Squares(), 4, seed=1),
        segbook.void_cross_entropy,
        epochs,
        optimizer_params={'learning_rate': 0.02},
        **options,
    )


# ------------------------------------------------------------------- steps


class Recorded:
    """One batch, the same in every epoch; all void but for a few pixels."""

    batch_size, seed, epoch = 4, 0, 0

    def __init__(self, images, labels):
        self.batch = np.array(images), np.array(labels, dtype='uint8')

    def __len__(self):
        return 1

    def __iter__(self):
        yield self.batch


def test_a_step_divides_by_the_pixels_that_count():
    """One step of plain gradient descent equals the formula in NumPy."""
    rng = onp.random.default_rng(0)
    images = rng.normal(size=(4, 3, 2, 2)).astype('float32')
    labels = rng.choice([0, 1, 2, 3, 255], (4, 2, 2)).astype('uint8')
    net = nn.Conv2D(CLASSES, 1, in_channels=3)
    net.initialize(mx.init.Zero())
    utils.train(
        net,
        Recorded(images, labels),
        segbook.void_cross_entropy,
        1,
        optimizer='sgd',
        optimizer_params={'learning_rate': 1.0},
    )
    # With all scores 0, every class has probability 1 / CLASSES.
    gradient = onp.zeros(CLASSES)
    for label in labels[labels != 255]:
        gradient += 1 / CLASSES
        gradient[label] -= 1
    gradient /= (labels != 255).sum()
    onp.testing.assert_allclose(
        net.bias.data().asnumpy(), -gradient, atol=1e-6
    )


def test_a_batch_that_is_all_void_changes_nothing():
    net = new_net()
    before = parameters(net)
    images = onp.zeros((4, 3, 32, 64), dtype='float32')
    labels = onp.full((4, 32, 64), 255, dtype='uint8')
    history = utils.train(
        net, Recorded(images, labels), segbook.void_cross_entropy, 1
    )
    assert history['loss'] == [0]
    assert all(
        (a == b).all() for a, b in zip(before, parameters(net), strict=True)
    )


# ---------------------------------------------------------------- training


def test_training_learns_and_reports_every_epoch(capsys):
    history = train(new_net(), epochs=12, val_data=Squares(3))
    assert {len(values) for values in history.values()} == {12}
    assert history['loss'][-1] < history['loss'][0] / 2
    assert history['mean_iu'][-1] > 0.5
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all('examples/s' in line and '\r' not in line for line in lines)


def test_same_seed_same_result():
    one, other = new_net(), new_net()
    train(one), train(other)
    for a, b in zip(parameters(one), parameters(other), strict=True):
        assert (a == b).all()


def test_two_devices_see_every_sample_once():
    """Without batch normalisation and dropout, splitting changes nothing."""

    def trained(devices):
        utils.set_seed(0)
        net = nn.Conv2D(CLASSES, 3, padding=1, in_channels=3)
        net.initialize(mx.init.Xavier(), devices)
        train(net, devices=devices)
        return parameters(net)

    one = trained([mx.cpu()])
    two = trained([mx.cpu(0), mx.cpu(1)])
    for a, b in zip(one, two, strict=True):
        onp.testing.assert_allclose(a, b, atol=1e-5)


def test_resumed_run_equals_the_uninterrupted(tmp_path):
    whole = new_net()
    history = train(whole, checkpoint=tmp_path / 'whole')

    class Interrupted(Squares):
        def get(self, i, epoch=0):
            if epoch == 2:
                raise KeyboardInterrupt
            return super().get(i, epoch)

    with pytest.raises(KeyboardInterrupt):
        train(new_net(), data=Interrupted(), checkpoint=tmp_path / 'part')
    resumed = new_net()
    again = train(resumed, checkpoint=tmp_path / 'part')
    assert again['loss'] == history['loss']
    for a, b in zip(parameters(whole), parameters(resumed), strict=True):
        assert (a == b).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'part',
        'whole',
    ]


def test_a_loss_that_is_not_finite_ends_training(tmp_path):
    path = tmp_path / 'checkpoint'

    def loss(scores, labels):
        broken = scores * float('nan') if loss.epoch else scores
        return segbook.void_cross_entropy(broken, labels)

    class Watched(Squares):
        def get(self, i, epoch=0):
            loss.epoch = epoch
            return super().get(i, epoch)

    with pytest.raises(FloatingPointError, match='nan in epoch 2, step 1'):
        utils.train(
            new_net(), utils.Batches(Watched(), 4), loss, 3, checkpoint=path
        )
    with zipfile.ZipFile(path) as archive:  # that of epoch 1 is still there
        assert b'"loss": [' in archive.read('run.json')


# ------------------------------------------------------- devices and parts


@pytest.mark.parametrize('hybridized', [False, True])
def test_1_2_and_4_devices_give_the_same_parameters(hybridized):
    one, history = trained(hybridized=hybridized)
    for devices in (2, 4):
        many, same = trained(devices, hybridized=hybridized)
        assert difference(one, many) < 1e-4
        assert same['loss'] == pytest.approx(history['loss'], abs=1e-5)


def test_batch_norm_sees_the_share_of_its_device_only():
    one, _ = trained(frozen=False)
    two, _ = trained(2, frozen=False)
    assert difference(one, two) > 1e-3


@pytest.mark.parametrize('parts', [2, 3, 8])
def test_parts_of_a_batch_equal_the_batch(parts):
    whole, history = trained()
    added, same = trained(accumulate=parts)
    assert difference(whole, added) < 1e-5
    assert same['loss'] == pytest.approx(history['loss'], abs=1e-5)
    added, _ = trained(2, accumulate=2, hybridized=True)
    assert difference(whole, added) < 1e-5


def test_gradients_are_as_before_afterwards():
    net = nn.Conv2D(CLASSES, 1, in_channels=3)
    net.initialize()
    net.bias.grad_req = 'null'
    batches = utils.Batches(Noise(), 8)
    loss = segbook.void_cross_entropy
    utils.train(net, batches, loss, 1, accumulate=2, devices=[mx.cpu()])
    assert net.weight.grad_req == 'write'
    assert net.bias.grad_req == 'null'
