"""Training: its gradients, checkpoints, devices and failures."""

import zipfile

import segbook
import utils
from parts import checkpoints

import mxnet as mx
import numpy as onp
import pytest
from mxnet import autograd, gluon, np
from mxnet.gluon import nn

CLASSES = 4


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


# -------------------------------------------------------------------- loss


def loss_by_formula(scores, labels):
    """Cross-entropy of each pixel in float64, 0 where the label is void."""
    scores = scores.astype('float64')
    top = scores.max(axis=1, keepdims=True)
    log_sum = onp.log(onp.exp(scores - top).sum(axis=1)) + top[:, 0]
    losses = onp.zeros(labels.shape)
    for n, y, x in onp.ndindex(labels.shape):
        if labels[n, y, x] != 255:
            losses[n, y, x] = (
                log_sum[n, y, x] - scores[n, labels[n, y, x], y, x]
            )
    return losses


def test_loss_equals_the_formula_and_void_has_none():
    rng = onp.random.default_rng(0)
    scores = rng.normal(0, 3, (2, CLASSES, 5, 6)).astype('float32')
    labels = rng.choice([0, 1, 2, 3, 255], (2, 5, 6)).astype('uint8')
    losses = segbook.void_cross_entropy(
        np.array(scores), np.array(labels, dtype='uint8')
    )
    onp.testing.assert_allclose(
        losses.asnumpy(), loss_by_formula(scores, labels), atol=1e-5
    )


def test_classes_come_last_as_numpy_puts_them():
    """In value, and in gradient the other way round."""
    scores = np.arange(2 * 3 * 4 * 5, dtype='float32').reshape(2, 3, 4, 5)
    scores.attach_grad()
    with autograd.record():
        last = utils.classes_last(scores)
    last.backward(last)
    assert (last.asnumpy() == onp.moveaxis(scores.asnumpy(), 1, 3)).all()
    assert (scores.grad == scores).all()


def test_loss_of_void_has_no_gradient():
    rng = onp.random.default_rng(0)
    scores = np.array(rng.normal(size=(1, CLASSES, 4, 4)), dtype='float32')
    labels = onp.full((1, 4, 4), 255, dtype='uint8')
    labels[0, 0, 0] = 2
    scores.attach_grad()
    with autograd.record():
        loss = segbook.void_cross_entropy(
            scores, np.array(labels, dtype='uint8')
        )
    loss.backward()
    gradient = scores.grad.asnumpy()
    assert onp.abs(gradient[0, :, 0, 0]).max() > 0.1
    gradient[0, :, 0, 0] = 0
    assert (gradient == 0).all()


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


def test_quiet_training_shows_nothing(capsys):
    train(new_net(), epochs=2, quiet=True)
    assert capsys.readouterr() == ('', '')


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


def test_failure_while_writing_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / 'checkpoint'
    train(new_net(), epochs=1, checkpoint=path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError('no space left on device')

    monkeypatch.setattr(zipfile.ZipFile, 'write', full_disk)
    settings = {'num_epochs': 1}
    net = new_net()
    trainer = gluon.Trainer(net.collect_params(), 'adam')
    trainer._init_kvstore()
    with pytest.raises(OSError, match='no space'):
        checkpoints.save_checkpoint(path, net, trainer, settings, {})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ['checkpoint']


def test_checkpoint_of_other_settings_or_damaged_is_named(tmp_path):
    path = tmp_path / 'checkpoint'
    train(new_net(), epochs=2, checkpoint=path)
    with pytest.raises(ValueError, match='num_epochs=2, not 3') as error:
        train(new_net(), epochs=3, checkpoint=path)
    assert str(path) in str(error.value)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match='not a checkpoint') as error:
        train(new_net(), epochs=2, checkpoint=path)
    assert str(path) in str(error.value)


def test_checkpoint_of_another_net_is_named(tmp_path):
    path = tmp_path / 'checkpoint'
    train(new_net(), epochs=1, checkpoint=path)
    other = nn.Conv2D(CLASSES, 3, padding=1, in_channels=3)
    other.initialize()
    with pytest.raises(ValueError, match='another network'):
        train(other, epochs=1, checkpoint=path)


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


def test_batch_larger_than_the_data_set_is_named():
    with pytest.raises(ValueError, match='a batch of 9 from 8 images'):
        utils.Batches(Squares(), 9)
