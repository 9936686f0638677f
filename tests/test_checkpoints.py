"""Files of nets and trainings: whole or not at all, and never another's."""

import zipfile

from parts import checkpoints
from support import CLASSES, trained

import mxnet as mx
import pytest
from mxnet import gluon
from mxnet.gluon import nn


def test_failure_while_writing_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / 'checkpoint'
    trained(checkpoint=path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError('no space left on device')

    monkeypatch.setattr(zipfile.ZipFile, 'write', full_disk)
    settings = {'num_epochs': 1}
    net = nn.Dense(2, in_units=3)
    net.initialize()
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
