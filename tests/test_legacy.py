"""GluonCV's border: the older arrays, one clear line, published weights."""

import hashlib
import http.server
import importlib.util
import io
import re
import socket
import sys
import threading
import types
import zipfile

import utils
from parts import legacy

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np, npx

NAME = 'resnet18_v1b'


# ------------------------------------------------------------- Older arrays
def test_inside_arrays_are_the_older_ones_and_outside_nothing_changed():
    with utils.older_arrays():
        assert not npx.is_np_array() and not npx.is_np_shape()
    assert npx.is_np_array() and npx.is_np_shape()
    assert np.zeros(()).shape == ()


def test_after_an_error_arrays_are_the_new_ones_again():
    with pytest.raises(ZeroDivisionError), utils.older_arrays():
        raise ZeroDivisionError
    assert npx.is_np_array() and npx.is_np_shape()


# ------------------------------------------------------------ One clear line
def shown(error):
    """What a notebook shows of an error."""
    lines = error.value._render_traceback_()
    assert lines == [str(error.value)] and '\n' not in lines[0]
    return lines[0]


def test_where_it_is_absent_one_line_says_what_to_type(monkeypatch, root):
    monkeypatch.setattr(legacy, 'ON_MXNET1', True)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ImportError) as error:
        utils.import_gluoncv()
    words = shown(error).split('Type: python -m pip install --no-deps ')[1]
    chosen = (root / 'requirements' / 'cpu.in').read_text('utf-8')
    assert words.split()[0] in re.findall(r'^gluoncv\S+', chosen, re.M)
    pins = (root / 'requirements' / 'cpu.txt').read_text('utf-8')
    for package in words.split()[1:]:
        assert re.search(f'^{package}==', pins, re.M)


def test_with_mxnet_2_one_line_says_that_it_does_not_work(monkeypatch):
    monkeypatch.setattr(legacy, 'ON_MXNET1', False)
    with pytest.raises(ImportError, match='MXNet 1 only, and this is') as no:
        utils.import_gluoncv()
    assert mx.__version__ in shown(no)


def test_gluoncv_of_this_environment_is_imported_without_a_word(capfd):
    assert hasattr(utils.import_gluoncv(), 'model_zoo')
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('before', [None, types.ModuleType('torch')])
def test_gluoncv_does_not_see_pytorch(monkeypatch, before):
    """PyTorch 2 makes it refuse; what is imported already stays."""
    if before is None:
        monkeypatch.delitem(sys.modules, 'torch', raising=False)
    else:
        monkeypatch.setitem(sys.modules, 'torch', before)
    with legacy._without_torch(), pytest.raises(ImportError):
        import torch  # noqa: F401
    assert sys.modules.get('torch') is before


# -------------------------------------------------------- Published weights
class Server(http.server.BaseHTTPRequestHandler):
    """Sends `content` under `path`, and 404 for all else."""

    def do_HEAD(self, body=False):
        self.server.asked.append(self.path)
        there = self.path == self.server.path
        self.send_response(200 if there else 404)
        self.send_header('Content-Length', len(self.server.content) * there)
        self.end_headers()
        if body and there:
            self.wfile.write(self.server.content)

    def do_GET(self):
        self.do_HEAD(body=True)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on this machine, which sends what a test lays there."""
    made = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Server)
    made.path, made.content, made.asked = '', b'', []
    threading.Thread(target=made.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{made.server_port}'
    monkeypatch.setenv('MXNET_GLUON_REPO', url)
    monkeypatch.setenv('MXNET_HOME', str(tmp_path))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def weights(server, monkeypatch, tmp_path):
    """Lays weights of our own on the server; returns them, {name: array}."""
    library = utils.import_gluoncv()
    with utils.older_arrays():
        net = library.model_zoo.get_model(NAME, pretrained=False)
        net.initialize(mx.init.Xavier())
        net(mx.nd.zeros((1, 3, 32, 32)))
        net.save_parameters(str(tmp_path / 'made.params'))
        arrays = {
            name: parameter.data().asnumpy()
            for name, parameter in net._collect_params_with_prefix().items()
        }
    content = (tmp_path / 'made.params').read_bytes()
    sha1 = hashlib.sha1(content).hexdigest()
    store = library.model_zoo.model_store
    monkeypatch.setitem(store._model_sha1, NAME, sha1)
    file = f'{NAME}-{sha1[:8]}'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w') as archive:
        archive.writestr(f'{file}.params', content)
    server.path = f'/gluon/models/{file}.zip'
    server.content = packed.getvalue()
    return arrays


def test_gluoncv_weights_come_from_the_server_once(weights, server, capfd):
    for _ in range(2):
        with utils.older_arrays():
            net = utils.pretrained_gluoncv(NAME)
            found = net._collect_params_with_prefix()
        assert found.keys() == weights.keys()
        for name, parameter in found.items():
            assert (parameter.data().asnumpy() == weights[name]).all()
    assert server.asked == [server.path] * 2  # its head, and all of it
    assert capfd.readouterr() == ('', '')


def test_gluoncv_weights_with_another_sum_are_refused(
    weights, server, monkeypatch, tmp_path
):
    store = utils.import_gluoncv().model_zoo.model_store
    sha1 = store._model_sha1[NAME][:8] + '0' * 32
    monkeypatch.setitem(store._model_sha1, NAME, sha1)
    with pytest.raises(ValueError, match='another SHA-1 sum'):
        utils.pretrained_gluoncv(NAME)
    assert [*(tmp_path / 'models').iterdir()] == []


def test_gluoncv_weights_that_are_no_zip_file_are_refused(
    weights, server, tmp_path
):
    server.content = b'<html>sign in</html>'
    with pytest.raises(ValueError, match='not resnet18_v1b-.*params: File is'):
        utils.pretrained_gluoncv(NAME)
    assert [*(tmp_path / 'models').iterdir()] == []


def test_a_server_without_the_gluoncv_weights_is_quoted(server):
    with pytest.raises(
        ConnectionError, match=f'^no {NAME}: its server says 404$'
    ):
        utils.pretrained_gluoncv(NAME)


def test_no_server_for_gluoncv_is_one_sentence(monkeypatch, tmp_path):
    with socket.socket() as closed:  # a port on which nobody listens
        closed.bind(('127.0.0.1', 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv('MXNET_GLUON_REPO', f'http://127.0.0.1:{port}/')
        monkeypatch.setenv('MXNET_HOME', str(tmp_path))
        monkeypatch.setenv('NO_PROXY', '127.0.0.1')
        with pytest.raises(ConnectionError, match='does not answer$') as no:
            utils.pretrained_gluoncv(NAME)
    assert '\n' not in str(no.value)


def test_a_gluoncv_server_that_hangs_is_left(monkeypatch, tmp_path):
    """As one whose name nobody resolves: the request itself never ends."""
    done = threading.Event()
    monkeypatch.setenv('MXNET_HOME', str(tmp_path))

    def hang(*_, **__):
        done.wait()
        raise legacy.requests.ConnectionError

    monkeypatch.setattr(legacy.requests, 'head', hang)
    with pytest.raises(ConnectionError, match='does not answer'):
        utils.pretrained_gluoncv(NAME, timeout=0.1)
    done.set()


def test_gluoncv_weights_that_nobody_published_are_named():
    with pytest.raises(ValueError, match='no_such_net'):
        utils.pretrained_gluoncv('no_such_net')


def test_gluoncv_anchors_are_made_with_this_numpy():
    """They ask for a name that newer ones lack."""
    anchor = utils.import_gluoncv().model_zoo.rcnn.rpn.anchor
    boxes = anchor.generate_base_anchors(16, [128, 256], [0.5, 1, 2])
    widths, heights = (boxes[:, 2:] - boxes[:, :2] + 1).T
    areas = onp.repeat([[128**2, 256**2]], 3, axis=0).ravel()
    onp.testing.assert_allclose(widths * heights, areas, rtol=0.1)
    shapes = onp.repeat([0.5, 1, 2], 2)
    onp.testing.assert_allclose(heights / widths, shapes, rtol=0.1)
