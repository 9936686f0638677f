"""Where data sets and weights come from: folders, mirrors, made here."""

import hashlib
import http.server
import os
import tarfile
import threading
from pathlib import Path

import utils
from parts import sources

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np


def test_root_named_by_the_environment(voc, monkeypatch):
    monkeypatch.setenv('VOC_ROOT', str(voc))
    assert utils.voc_root() == voc


def test_root_found_inside_the_official_folders(voc, monkeypatch):
    inside = voc / 'above' / 'VOCdevkit' / 'VOC2012'
    inside.mkdir(parents=True)
    for part in ('JPEGImages', 'SegmentationClass', 'ImageSets'):
        os.symlink(voc / part, inside / part)
    monkeypatch.setenv('VOC_ROOT', str(voc / 'above'))
    assert utils.voc_root() == inside


def test_root_without_the_layout_is_named(tmp_path, monkeypatch):
    (tmp_path / 'JPEGImages').mkdir()
    monkeypatch.setenv('VOC_ROOT', str(tmp_path))
    with pytest.raises(FileNotFoundError, match='SegmentationClass') as error:
        utils.voc_root()
    assert str(tmp_path) in str(error.value)


# ---------------------------------------------------------------- download


def make_archive(folder, members):
    """A tar file with these members (name -> bytes) and its SHA-1 sum."""
    from io import BytesIO

    path = folder / 'made.tar'
    with tarfile.open(path, 'w') as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    content = path.read_bytes()
    return content, hashlib.sha1(content).hexdigest()


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves `content`; breaks off the first answer after `breaks` bytes."""

    content, breaks, asked = b'', None, []

    def do_GET(self):
        start = self.headers.get('Range', 'bytes=0-')[6:-1]
        Mirror.asked.append(int(start))
        rest = self.content[int(start) :]
        self.send_response(206 if int(start) else 200)
        self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        if Mirror.breaks is not None:
            rest, Mirror.breaks = rest[: Mirror.breaks], None
        self.wfile.write(rest)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def mirror():
    Mirror.asked, Mirror.breaks = [], None
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/{utils.VOC_ARCHIVE}'
    server.shutdown()
    server.server_close()


MEMBERS = {
    'VOCdevkit/VOC2012/JPEGImages/a.jpg': b'a' * 200_000,
    'VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt': b'a\n',
}


def test_download_unpacks_what_the_mirror_has(tmp_path, mirror):
    Mirror.content, sha1 = make_archive(tmp_path, MEMBERS)
    root = utils.download_voc(tmp_path / 'data', [mirror], sha1)
    for name, content in MEMBERS.items():
        assert (root.parents[1] / name).read_bytes() == content
    assert utils.download_voc(tmp_path / 'data', [mirror], sha1) == root
    assert len(Mirror.asked) == 1  # the second call found it there


def test_download_goes_on_where_it_broke_off(tmp_path, mirror):
    Mirror.content, sha1 = make_archive(tmp_path, MEMBERS)
    Mirror.breaks = 70_000
    folder = tmp_path / 'data'
    with pytest.raises(ConnectionError):
        utils.download_voc(folder, [mirror], sha1)
    assert not (folder / 'VOC2012-official').exists()
    root = utils.download_voc(folder, [mirror], sha1)
    assert Mirror.asked[0] == 0 and 0 < Mirror.asked[1] <= 70_000
    assert (root / 'JPEGImages/a.jpg').stat().st_size == 200_000


def test_next_mirror_is_tried_and_a_wrong_sum_not_unpacked(tmp_path, mirror):
    Mirror.content, sha1 = make_archive(tmp_path, MEMBERS)
    dead = 'http://127.0.0.1:9/' + utils.VOC_ARCHIVE
    folder = tmp_path / 'data'
    with pytest.raises(ConnectionError) as error:
        utils.download_voc(folder, [dead, mirror], 'another sum')
    for words in (
        dead,
        mirror,
        'SHA-1',
        folder / utils.VOC_ARCHIVE,
        'by hand',
    ):
        assert str(words) in str(error.value)
    assert [path.name for path in folder.iterdir()] == ['.VOC2012.lock']
    assert utils.download_voc(folder, [dead, mirror], sha1).is_dir()


def test_archive_laid_there_by_hand_is_used(tmp_path):
    content, sha1 = make_archive(tmp_path, MEMBERS)
    (tmp_path / utils.VOC_ARCHIVE).write_bytes(content)
    assert utils.download_voc(tmp_path, [], sha1).is_dir()


def test_damaged_archive_laid_there_by_hand_is_named(tmp_path):
    path = tmp_path / utils.VOC_ARCHIVE
    path.write_bytes(b'half of it')
    with pytest.raises(ValueError, match='damaged'):
        utils.download_voc(tmp_path, [])
    assert path.read_bytes() == b'half of it'


@pytest.mark.parametrize('name', ['../outside', '/tmp/book-outside'])
def test_no_member_leaves_the_folder(tmp_path, name):
    content, sha1 = make_archive(tmp_path, {**MEMBERS, name: b'evil'})
    folder = tmp_path / 'deep' / 'data'
    folder.mkdir(parents=True)
    (folder / utils.VOC_ARCHIVE).write_bytes(content)
    try:
        utils.download_voc(folder, [], sha1)
    except ValueError as error:
        assert 'not unpacked' in str(error)
        assert not (folder / 'VOC2012-official').exists()
    assert not (tmp_path / 'deep' / 'outside').exists()
    assert not (folder / 'outside').exists()
    assert not Path('/tmp/book-outside').exists()


# --------------------------------------------------------------- made here


def test_something_is_made_once_by_two_at_the_same_time(tmp_path, monkeypatch):
    (tmp_path / 'build').mkdir()
    (tmp_path / 'build' / 'slow.py').write_text(
        'import pathlib, sys, time\n'
        'time.sleep(0.3)\n'
        'target = pathlib.Path(sys.argv[1])\n'
        'target.open("x").write("made")\n',  # fails if it is there already
        encoding='utf-8',
    )
    monkeypatch.setattr(sources, 'HERE', tmp_path)
    monkeypatch.setattr(sources, 'DATA', tmp_path / 'data')
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.append(sources._made_by('slow.py', '.txt'))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3 and len(set(made)) == 1
    assert made[0].read_text('utf-8') == 'made'
    (tmp_path / 'build' / 'slow.py').write_text(
        'import pathlib, sys; pathlib.Path(sys.argv[1]).write_text("new")',
        encoding='utf-8',
    )
    assert sources._made_by('slow.py', '.txt').read_text('utf-8') == 'new'


# ---------------------------------------------------------------- backbone


def write_backbone(path, whole):
    net = mx.gluon.model_zoo.vision.resnet18_v2(classes=3)
    net.initialize(mx.init.Xavier())
    net(np.zeros((1, 3, 64, 64)))
    (net if whole else net.features).save_parameters(str(path))
    return net


@pytest.mark.parametrize('whole', [True, False])
def test_backbone_from_a_local_file(tmp_path, monkeypatch, whole):
    path = tmp_path / 'mine.params'
    net = write_backbone(path, whole)
    monkeypatch.setenv('BACKBONE', str(path))
    features, origin = utils.pretrained_backbone([mx.cpu()])
    assert 'mine.params' in origin
    x = np.random.uniform(size=(1, 3, 64, 64))
    onp.testing.assert_allclose(
        features(x).asnumpy(), net.features(x).asnumpy(), rtol=1e-5
    )


def test_backbone_file_that_is_not_there_or_of_another_net(
    tmp_path, monkeypatch
):
    path = tmp_path / 'mine.params'
    monkeypatch.setenv('BACKBONE', str(path))
    with pytest.raises(FileNotFoundError, match='mine.params'):
        utils.backbone_file()
    other = mx.gluon.nn.Dense(3, in_units=2)
    other.initialize()
    other.save_parameters(str(path))
    with pytest.raises(ValueError, match='mine.params does not hold'):
        utils.pretrained_backbone([mx.cpu()])
    path.write_bytes(b'no parameters')
    with pytest.raises(ValueError, match='mine.params does not hold'):
        utils.pretrained_backbone([mx.cpu()])


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """An empty home of the model zoo, and weights under its checksum."""
    monkeypatch.delenv('BACKBONE', raising=False)
    monkeypatch.delenv('VOC_ROOT', raising=False)
    monkeypatch.setenv('MXNET_HOME', str(tmp_path / 'home'))
    path = tmp_path / 'weights.params'
    write_backbone(path, whole=True)
    import hashlib

    store = mx.gluon.model_zoo.model_store
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    monkeypatch.setitem(store._model_sha1, 'resnet18_v2', sha1)
    monkeypatch.setattr(sources, '_made_by', lambda *_, **__: 'built in')
    return path, f'resnet18_v2-{sha1[:8]}'


def test_without_the_zoos_weights_the_built_in_ones_are_taken(zoo):
    path, origin = utils.backbone_file()
    assert path == 'built in' and 'built-in' in origin


def test_weights_in_the_zoos_folder_are_honoured(zoo, tmp_path):
    weights, name = zoo
    folder = tmp_path / 'home' / 'models'
    folder.mkdir(parents=True)
    (folder / f'{name}.params').write_bytes(weights.read_bytes())
    path, origin = utils.backbone_file()
    assert path == folder / f'{name}.params' and 'ImageNet' in origin
    assert utils.pretrained_backbone([mx.cpu()])[1] == origin


def test_weights_of_a_mirror_are_honoured(zoo, tmp_path, monkeypatch):
    import functools
    import http.server
    import threading
    import zipfile

    weights, name = zoo
    served = tmp_path / 'mirror' / 'gluon' / 'models'
    served.mkdir(parents=True)
    with zipfile.ZipFile(served / f'{name}.zip', 'w') as archive:
        archive.write(weights, f'{name}.params')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0),
        functools.partial(Quiet, directory=str(tmp_path / 'mirror')),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(
        'MXNET_GLUON_REPO', f'http://127.0.0.1:{server.server_port}/'
    )
    path, origin = utils.backbone_file()
    server.shutdown()
    server.server_close()
    assert path.name == f'{name}.params' and 'ImageNet' in origin


def test_a_mirror_that_fails_is_reported(zoo, monkeypatch):
    monkeypatch.setenv('MXNET_GLUON_REPO', 'http://127.0.0.1:9/')
    path, origin = utils.backbone_file()
    assert path == 'built in' and 'could not be had' in origin
    monkeypatch.setenv('BACKBONE', 'imagenet')
    with pytest.raises(ConnectionError, match='could not be had'):
        utils.backbone_file()
