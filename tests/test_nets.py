"""A net's blocks and parameters: frozen, moved, with gradients that add up."""

import utils
from parts import nets

import mxnet as mx
import numpy as onp
import pytest
from mxnet import autograd, np, npx
from mxnet.gluon import nn
from mxnet.gluon.model_zoo.vision import resnet


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


def test_a_part_is_frozen_and_the_rest_goes_on():
    old, new = nn.BatchNorm(in_channels=3), nn.BatchNorm(in_channels=3)
    net = nn.HybridSequential()
    net.add(old, new)
    net.initialize()
    utils.freeze_batch_norm(old)
    net.hybridize()
    with autograd.record():
        out = net(np.random.normal(3, 2, (4, 3, 8, 8)))
    out.backward()  # that is when a layer's mean moves
    assert (old.running_mean.data() == 0).all()
    assert (new.running_mean.data() > 0.1).all()


def test_classes_come_last_as_numpy_puts_them():
    """In value, and in gradient the other way round."""
    scores = np.arange(2 * 3 * 4 * 5, dtype='float32').reshape(2, 3, 4, 5)
    scores.attach_grad()
    with autograd.record():
        last = utils.classes_last(scores)
    last.backward(last)
    assert (last.asnumpy() == onp.moveaxis(scores.asnumpy(), 1, 3)).all()
    assert (scores.grad == scores).all()


@pytest.mark.parametrize('hybridized', [False, True])
@pytest.mark.parametrize('shrinks', [False, True])
@pytest.mark.parametrize('training', [False, True])
def test_a_residual_block_adds_what_it_was_given(
    hybridized, shrinks, training
):
    """In value and in gradient, as its layers and NumPy's sum do."""
    utils.set_seed(0)
    channels, stride = (32, 2) if shrinks else (16, 1)
    block = resnet.BasicBlockV2(channels, stride, shrinks, 16)
    block.initialize(mx.init.Xavier())
    if hybridized:
        block.hybridize()

    def by_hand(x):
        """He et al. (2016), figure 4e: the sum is not activated."""
        first = npx.relu(block.bn1(x))
        kept = block.downsample(first) if shrinks else x
        second = npx.relu(block.bn2(block.conv1(first)))
        return block.conv2(second) + kept

    rng = onp.random.default_rng(0)
    x = np.array(rng.normal(size=(2, 16, 10, 14)), dtype='float32')
    results = []
    for function in (block, by_hand):
        x.attach_grad()
        with autograd.record(train_mode=training):
            y = function(x)
        y.backward(np.cos(np.arange(y.size).reshape(y.shape)))
        weights = block.collect_params().values()
        results.append(
            [y.asnumpy(), x.grad.asnumpy()]
            + [w.grad().asnumpy() for w in weights if w.grad_req != 'null']
        )
    for ours, expected in zip(*results, strict=True):
        scale = abs(expected).max()
        onp.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * scale)


def test_a_net_is_moved_with_its_values():
    net = nn.Dense(2, in_units=3)
    net.initialize(mx.init.Xavier(), mx.cpu(0))
    before = net.weight.data().asnumpy()
    devices = [mx.cpu(1), mx.cpu(2)]
    nets.move(net, devices)
    for parameter in (net.weight, net.bias):
        assert parameter.list_ctx() == devices
    for device in devices:
        assert (net.weight.data(device).asnumpy() == before).all()


def test_gradients_add_up_where_they_are_asked_to():
    """The gradient of a sum of products w * x is x."""
    net = nn.Dense(1, use_bias=False, in_units=3)
    net.initialize()
    one, other = onp.float32([[1, 2, 3]]), onp.float32([[5, 7, 11]])

    def gradient_after(*photos):
        for photo in photos:
            with autograd.record():
                y = net(np.array(photo))
            y.backward()
        return net.weight.grad().asnumpy()

    with pytest.raises(KeyboardInterrupt), nets.adding_gradients(net, True):
        assert (gradient_after(one, other) == one + other).all()
        nets.zero_gradients(net)
        assert (gradient_after(other) == other).all()
        raise KeyboardInterrupt
    with nets.adding_gradients(net, False):
        assert (gradient_after(one, other) == other).all()
    assert nets.trained(net) == [net.weight]
    assert net.weight.grad_req == 'write'
