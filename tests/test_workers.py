"""Workers in one process; tests/test_launch.py starts real ones."""

from types import SimpleNamespace

from parts import workers
from support import trained

import mxnet as mx
import pytest
from mxnet import np
from mxnet.gluon import nn


def test_a_kvstore_that_cannot_be_is_named(monkeypatch):
    monkeypatch.delenv('DMLC_ROLE', raising=False)
    with pytest.raises(ValueError, match='tools/launch.py'):
        trained(kvstore='dist_sync')
    with pytest.raises(ValueError, match="needs 'dist_sync'"):
        trained(kvstore='dist_async')
    monkeypatch.setenv('DMLC_ROLE', 'worker')
    monkeypatch.setattr(workers.Workers, 'joined', True)
    with pytest.raises(RuntimeError, match='once'):
        trained(kvstore='dist_sync')
    trained()  # alone, when the training with workers is over


def test_a_worker_does_not_begin_to_train_alone(monkeypatch):
    monkeypatch.setenv('DMLC_ROLE', 'worker')
    with pytest.raises(ValueError, match="alone, .*kvstore='dist_sync'"):
        trained()


def two(other):
    """The first of two workers; the sums of the other are always these."""

    def pushpull(key, vector, out):
        out[:] = vector + np.array(other, dtype='float64')

    both = workers.Workers('device')
    both.store = SimpleNamespace(init=lambda *_: None, pushpull=pushpull)
    both.count = 2
    return both


def test_numbers_are_added_up_over_the_workers():
    assert workers.Workers('device').sum([1, 2]) == [1, 2]
    assert two([10, 2**40]).sum([1, 2]).tolist() == [11, 2**40 + 2]


def test_a_file_is_there_for_all_or_for_none(tmp_path):
    there, nowhere = tmp_path, tmp_path / 'nowhere'
    assert two([1]).all_see(there) and not two([0]).all_see(nowhere)
    for path, others in ((there, 0), (nowhere, 1)):
        with pytest.raises(FileNotFoundError, match=f'sees {path}:'):
            two([others]).all_see(path)


def test_running_statistics_are_averaged_over_devices_and_workers():
    net, devices = nn.BatchNorm(in_channels=2), [mx.cpu(0), mx.cpu(1)]
    net.initialize(ctx=devices)
    for device, mean in zip(devices, ([1, 2], [3, 6]), strict=True):
        net.running_mean.data(device)[:] = np.array(mean)
    workers.average_statistics(net, workers.Workers('device'))
    for device in devices:
        assert net.running_mean.data(device).tolist() == [2, 4]
        assert net.running_var.data(device).tolist() == [1, 1]
    # Their mean is (2, 4, 1, 1); the other worker's is this.
    workers.average_statistics(net, two([4, 8, 3, 5]))
    for device in devices:
        assert net.running_mean.data(device).tolist() == [3, 6]
        assert net.running_var.data(device).tolist() == [2, 3]
