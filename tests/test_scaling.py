"""Several devices, parts of a batch, memory, and half precision."""

import os
import subprocess
import sys
from pathlib import Path

import segbook
import utils
from parts import memory
from parts.workers import Workers

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np
from mxnet.gluon import nn

CLASSES = 4
ROOT = Path(utils.__file__).parent


class Noise:
    """Photos of noise; each has another number of void pixels."""

    def __len__(self):
        return 40

    def get(self, i, epoch=0):
        rng = onp.random.default_rng((i, epoch))
        image = rng.integers(0, 256, (8, 12, 3), dtype='uint8')
        label = rng.integers(0, CLASSES, (8, 12), dtype='uint8')
        label[: i % 8] = utils.VOID
        return image, label


def trained(devices=1, frozen=True, batch_size=8, hybridized=False, **options):
    """Train a small net for 5 steps: its parameters, and the history."""
    utils.set_seed(0)
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(8, 3, padding=1, in_channels=3, activation='relu'),
        nn.BatchNorm(in_channels=8),
        nn.Conv2D(CLASSES, 3, padding=1, in_channels=8),
    )
    devices = [mx.cpu(i) for i in range(devices)]
    net.initialize(mx.init.Xavier(), devices)
    if hybridized:
        net.hybridize(static_alloc=True, static_shape=True)
    if frozen:
        utils.freeze_batch_norm(net)
    history = utils.train(
        net,
        utils.Batches(Noise(), batch_size, seed=2),
        segbook.void_cross_entropy,
        1,
        optimizer_params={'learning_rate': 0.01},
        devices=devices,
        **options,
    )
    values = net.collect_params().values()
    for value in values:  # all replicas are equal
        first, *others = [data.asnumpy() for data in value.list_data()]
        assert all((first == other).all() for other in others)
    return [v.data(devices[0]).asnumpy() for v in values], history


def difference(one, other):
    return max(
        float(abs(a - b).max()) for a, b in zip(one, other, strict=True)
    )


# ----------------------------------------------------------------- devices


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


def test_frozen_batch_norm_keeps_its_statistics():
    net = nn.HybridSequential()
    net.add(nn.BatchNorm(in_channels=3))
    net.initialize()
    net.hybridize()
    x = np.random.normal(5, 2, (4, 3, 6, 6))
    with mx.autograd.record():
        moved = net(x)
    assert abs(moved.mean()) < 0.1  # its own mean was subtracted
    before = net[0].running_mean.data().asnumpy()
    utils.freeze_batch_norm(net)
    with mx.autograd.record():
        kept = net(x)
    kept.wait_to_read()
    assert (net[0].running_mean.data().asnumpy() == before).all()
    variance = net[0].running_var.data().asnumpy()
    expected = (x.asnumpy() - before[:, None, None]) / onp.sqrt(
        variance[:, None, None] + 1e-5
    )
    onp.testing.assert_allclose(kept.asnumpy(), expected, atol=1e-4)


# ------------------------------------------------------------------ shares


def test_shares_are_disjoint_and_together_the_batch():
    whole = utils.Batches(Noise(), 8, seed=1)
    parts = [utils.Batches(Noise(), 8, seed=1, part=(r, 4)) for r in range(4)]
    for batch in zip(whole, *parts, strict=True):
        together = onp.empty(batch[0][0].shape, 'uint8')
        for rank in range(4):
            together[rank::4] = batch[1 + rank][0].asnumpy()
        assert (together == batch[0][0].asnumpy()).all()
    with pytest.raises(ValueError, match='8 cannot be shared .* 3 workers'):
        next(iter(utils.Batches(Noise(), 8, part=(0, 3))))


def test_a_kvstore_that_cannot_be_is_named(monkeypatch):
    monkeypatch.delenv('DMLC_ROLE', raising=False)
    with pytest.raises(ValueError, match='tools/launch.py'):
        trained(kvstore='dist_sync')
    with pytest.raises(ValueError, match="needs 'dist_sync'"):
        trained(kvstore='dist_async')
    monkeypatch.setenv('DMLC_ROLE', 'worker')
    monkeypatch.setattr(Workers, 'joined', True)
    with pytest.raises(RuntimeError, match='once'):
        trained(kvstore='dist_sync')


# ------------------------------------------------------------------- parts


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


# ------------------------------------------------------------------ memory


def test_memory_is_counted_layer_by_layer():
    net = nn.HybridSequential()
    net.add(
        nn.Conv2D(8, 3, padding=1, strides=2, in_channels=3),
        nn.Activation('relu'),  # in place
        nn.Conv2D(5, 1, use_bias=False, in_channels=8),
    )
    net.initialize()
    net.hybridize()
    net[2].weight.grad_req = 'null'
    needs = utils.training_memory(net, (2, 3, 16, 24))
    weights = 8 * 3 * 9 + 8, 5 * 8
    outputs = 8 * 8 * 12, 5 * 8 * 12
    assert needs['parameters'] == 4 * sum(weights)
    assert needs['gradients'] == 4 * weights[0]
    assert needs['optimizer'] == 2 * needs['gradients']  # Adam's two means
    assert needs['layers'] == 2 * 2 * 4 * sum(outputs)
    assert needs['loss'] == 2 * memory._LOSS_MAPS * 4 * outputs[1]
    assert needs['total'] == sum(needs.values()) - needs['total']
    for momentum, states in ((0, 0), (0.9, 1)):
        params = {'momentum': momentum}
        counted = utils.training_memory(net, (2, 3, 16, 24), 'sgd', params)
        assert counted['optimizer'] == states * needs['gradients']
    assert net._active  # the net is hybridized as before


def test_the_estimate_is_of_the_right_size():
    """Within a factor of 1.5 of what a process takes for eight photos more."""
    program = """
import sys
import segbook, utils
from mxnet import gluon, np
import numpy as onp

class Photos:
    def __len__(self):
        return 2 * size

    def get(self, i, epoch=0):
        return onp.zeros((128, 192, 3), 'uint8'), onp.ones((128, 192), 'uint8')

size = int(sys.argv[1])
features = gluon.model_zoo.vision.resnet18_v2().features
features.initialize()
features(np.zeros((1, 3, 32, 32)))
net = segbook.make_fcn(features, 21)
utils.train(
    net, utils.Batches(Photos(), size), segbook.void_cross_entropy, 1
)
print(utils.peak_memory())
need = utils.training_memory(net, (size, 3, 128, 192))
print(need['total'] / 2**20)
"""

    def run(size):
        done = subprocess.run(
            [sys.executable, '-c', program, str(size)],
            env=os.environ | {'PYTHONPATH': str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(line) for line in done.stdout.splitlines()[-2:]]

    small, large = run(4), run(12)
    measured, estimated = large[0] - small[0], large[1] - small[1]
    assert 1 / 1.5 < measured / estimated < 1.5


class Hungry(nn.Block):
    """A net that says what a device says if it gets more than 3 photos."""

    def __init__(self, words, limit=3):
        super().__init__()
        self.words, self.limit = words, limit
        self.body = nn.Conv2D(CLASSES, 1, in_channels=3)

    def forward(self, x):
        if len(x) > self.limit:
            raise mx.base.MXNetError(f'a long trace\n{self.words}')
        return self.body(x)


def train_hungry(words, limit=3, **options):
    net = Hungry(words, limit)
    net.initialize()
    return utils.train(
        net,
        utils.Batches(Noise(), 8),
        segbook.void_cross_entropy,
        1,
        devices=[mx.cpu()],
        **options,
    )


WORDS = [
    'cudaMalloc retry failed: out of memory',
    'Memory allocation failed',
    'CUDNN_STATUS_ALLOC_FAILED',
]


@pytest.mark.parametrize('words', WORDS)
def test_out_of_memory_says_what_fits(monkeypatch, words):
    net = nn.Conv2D(CLASSES, 1, in_channels=3)
    net.initialize()
    three = utils.training_memory(net, (3, 3, 8, 12))['total']
    monkeypatch.setattr(memory, '_device_memory', lambda device: three + 1)
    with pytest.raises(MemoryError) as caught:
        train_hungry(words)
    text = str(caught.value)
    assert '8 photos of 8 x 12 at a time do not fit on cpu(0)' in text
    assert '3 fit: batch_size=3, ' in text and 'accumulate=3' in text
    train_hungry(words, accumulate=3)  # as it was told
    monkeypatch.setattr(memory, '_device_memory', lambda device: 1)
    with pytest.raises(MemoryError, match='Not even one photo fits'):
        train_hungry(words)


def test_another_error_stays_what_it_is():
    with pytest.raises(mx.base.MXNetError, match='no kernel image'):
        train_hungry('no kernel image is available')


# -------------------------------------------------------------- precision


def test_float16_on_a_cpu_is_one_clear_error():
    with pytest.raises(ValueError, match='needs GPUs.*cpu'):
        trained(precision='float16')
    with pytest.raises(ValueError, match="not 'half'"):
        trained(precision='half')


def run_program(program):
    """AMP changes a whole process, so these tests get their own."""
    done = subprocess.run(
        [sys.executable, '-c', program],
        env=os.environ | {'PYTHONPATH': f'{ROOT}:{ROOT}/tests'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_scaling_of_losses_changes_no_step():
    """All but the casts, which no CPU can follow."""
    printed = run_program("""
import test_scaling
from parts import precision
plain = [test_scaling.trained(accumulate=n)[0] for n in (1, 2)]
precision._refuse_cpus = lambda devices: None
no_casts = 'target_precision_ops', 'conditional_fp32_ops', 'fp32_ops'
precision._amp().init('float16', **{name: [] for name in no_casts})
scaled = [
    test_scaling.trained(accumulate=n, precision='float16')[0] for n in (1, 2)
]
print(max(map(test_scaling.difference, plain, scaled)))
""")
    assert float(printed.splitlines()[-1]) < 1e-6


def test_what_a_net_does_in_half_precision():
    """Traced, not run: a CPU cannot multiply such numbers."""
    program = """
from parts import precision
import mxnet as mx
from mxnet import np
from mxnet.gluon import nn

net = nn.HybridSequential()
net.add(nn.Conv2D(4, 3, in_channels=3), nn.BatchNorm(in_channels=4))
net.initialize()
net.hybridize()
x = np.ones((1, 3, 8, 8))
net(x)
trainer = mx.gluon.Trainer(net.collect_params(), 'adam')
precision._refuse_cpus = lambda devices: None
precision.compute_in('float16', net, trainer, [mx.cpu()])
try:
    net(x).wait_to_read()
except mx.base.MXNetError as error:
    print('it was cast' if '16' in str(error) else error)
for p in net.collect_params().values():
    assert p.data().asnumpy().dtype == 'float32'
"""
    assert 'it was cast' in run_program(program)
