"""Who may read new files and folders is what the umask says, as ever."""

import hashlib
import json
import os
import stat
import tarfile
from io import BytesIO

import segbook
import utils
from tools import predict, weights

import mxnet as mx
import numpy as onp
import pytest
from mxnet import gluon, init
from PIL import Image

TABLE = segbook.ClassTable(['background', 'ship'])
PHOTO, LABEL = onp.full((40, 50, 3), 90, 'uint8'), onp.ones((40, 50), 'uint8')


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def mask(request):
    """Set the umask, for one test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes_fit(path, mask):
    """All of what was made has the modes of new files and folders."""
    found = [path, *path.rglob('*')]
    for each in found:
        most = 0o777 if each.is_dir() else 0o666
        assert stat.S_IMODE(each.stat().st_mode) == most & ~mask, each
    return len(found)


def test_the_unpacked_set_may_be_read(tmp_path, mask):
    path = tmp_path / utils.VOC_ARCHIVE
    with tarfile.open(path, 'w') as tar:
        info = tarfile.TarInfo('VOCdevkit/VOC2012/a')
        info.mode, info.size = 0o400, 1  # as the archive has it
        tar.addfile(info, BytesIO(b'1'))
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    utils.download_voc(tmp_path, [], sha1)
    assert modes_fit(tmp_path / 'VOC2012-official', mask) == 4


def test_a_set_of_ones_own_may_be_read(tmp_path, mask):
    own = tmp_path / 'own'
    own.mkdir()
    ship = {'label': 'ship', 'points': [[1, 1], [30, 2], [9, 9]]}
    for name in 'abc':
        Image.fromarray(PHOTO).save(own / f'{name}.jpg')
        (own / f'{name}.json').write_text(
            json.dumps({'shapes': [ship]}), encoding='utf-8'
        )
    target = tmp_path / 'set'
    for _ in range(2):  # the second replaces the first
        utils.make_set(
            own, own, target, TABLE, segbook.read_own, segbook.split_names
        )
        assert modes_fit(target, mask) > 12


def test_single_files_may_be_read(tmp_path, mask):
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, 2)
    net(mx.np.zeros((1, 3, 32, 32)))
    out = tmp_path / 'out'
    out.mkdir()
    utils.save_net(out / 'net', net, TABLE)
    utils.save_label(out / 'label.png', LABEL, TABLE.colormap)
    utils.save_overlay(out / 'overlay.jpg', PHOTO, LABEL, TABLE)
    weights.save({'a': onp.zeros(3, 'float32')}, out / 'arrays.params')
    Image.fromarray(PHOTO).save(out / 'photo.png')
    predict.segment(out / 'photo.png', out / 'net', out / 'found')
    assert modes_fit(out, mask) == 12


def test_what_is_made_on_first_use_may_be_read(tmp_path, root):
    """Drawn scenes and their backbone, with the usual umask."""
    import backbone
    import scenes

    before = os.umask(0o022)
    try:
        scenes.make_dataset(tmp_path / 'set', 1, 1, processes=1)
        net = gluon.model_zoo.vision.resnet18_v2()
        net.initialize()
        net(mx.np.zeros((1, 3, 32, 32)))
        backbone.save(net, tmp_path / 'set' / 'backbone.params')
    finally:
        os.umask(before)
    assert modes_fit(tmp_path / 'set', 0o022) == 13
