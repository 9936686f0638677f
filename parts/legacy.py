"""GluonCV, which works on the arrays that MXNet had before NumPy's."""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import queue
import sys
import threading
import zipfile

from parts import whole
from parts.start import ON_MXNET1

import mxnet as mx
import numpy as onp
import requests
from mxnet import util

_VERSION = '0.10.5.post0'  # that of requirements/cpu.in, gpu.in


class _NoGluonCV(ImportError):
    """Why GluonCV cannot be used, in one line; a notebook shows no more."""

    def _render_traceback_(self):  # IPython asks for it
        return [str(self)]


def import_gluoncv():
    """Return GluonCV, ready for this NumPy.

    Raises ImportError, one line with what to type, if it is not here, and
    one if this is MXNet 2, which it does not work with.
    """
    if not ON_MXNET1:
        raise _NoGluonCV(
            f'GluonCV works with MXNet 1 only, and this is {mx.__version__}'
        )
    if importlib.util.find_spec('gluoncv') is None:
        raise _NoGluonCV(
            'GluonCV is not here. Type: python -m pip install --no-deps '
            f'gluoncv=={_VERSION} portalocker scipy'
        )
    # Its anchors ask for a name that NumPy 1.24 has dropped.
    if 'float' not in vars(onp):
        onp.float = float
    with _without_torch():
        return importlib.import_module('gluoncv')


@contextlib.contextmanager
def _without_torch():
    """Hide PyTorch: GluonCV refuses to be imported beside PyTorch 2."""
    before = sys.modules.get('torch')
    sys.modules['torch'] = None  # so `import torch` raises ImportError
    try:
        yield
    finally:
        del sys.modules['torch']
        if before is not None:
            sys.modules['torch'] = before


@contextlib.contextmanager
def older_arrays():
    """Do in a `with` what needs `mx.nd` and its shapes, as GluonCV does.

    Without it `npx.set_np()` holds, which segbook and utils have called.
    """
    with util.np_array(False), util.np_shape(False):  # in this order
        yield


# --------------------------------------------------------- Published weights
def pretrained_gluoncv(name, timeout=3):
    """Return a net of GluonCV's model zoo with its published weights.

    `name`: as `gluoncv.model_zoo.get_model` takes it. The file is kept in
    the folder `models` of MXNET_HOME (default: ~/.mxnet); if it is not
    there, MXNET_GLUON_REPO is asked, or GluonCV's own server, and has
    `timeout` seconds to answer. To be called in `older_arrays()`.

    Raises ConnectionError, one sentence, if the file cannot be had, and
    ValueError if there are no such weights, or others than was published.
    """
    library = import_gluoncv()
    store = library.model_zoo.model_store
    file = f'{name}-{store.short_hash(name)}'
    home = whole.place(os.environ.get('MXNET_HOME') or '~/.mxnet')
    path = home / 'models' / f'{file}.params'
    if not path.is_file():
        server = os.environ.get('MXNET_GLUON_REPO') or store.apache_repo_url
        url = f'{server.rstrip("/")}/gluon/models/{file}.zip'
        _fetch(url, path, store._model_sha1[name], timeout)
    return library.model_zoo.get_model(
        name, pretrained=True, pretrained_base=False, root=str(path.parent)
    )


def _fetch(url, path, sha1, timeout):
    """Write the one file of a zip file from a server to `path`, whole."""
    name = path.stem.rpartition('-')[0]
    _wait_for(url, name, timeout)
    packed = path.with_suffix('.zip')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            requests.get(url, stream=True, timeout=(timeout, 60)) as answer,
            whole.new(packed) as part,
            open(part, 'wb') as out,
        ):
            answer.raise_for_status()
            for block in answer.iter_content(1 << 20):
                out.write(block)
    except requests.RequestException as error:
        raise _no_weights(name, error) from None
    try:
        with (
            zipfile.ZipFile(packed) as archive,
            archive.open(path.name) as member,
            whole.new(path) as part,
        ):
            digest = hashlib.sha1()
            with open(part, 'wb') as out:
                while block := member.read(1 << 20):
                    digest.update(block)
                    out.write(block)
            if digest.hexdigest() != sha1:
                raise ValueError('another SHA-1 sum')
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(
            f'what the server sent is not {path.name}: {error}'
        ) from None
    finally:
        packed.unlink()


def _wait_for(url, name, timeout):
    """Ask for the head of a file. Raises ConnectionError.

    In a thread of its own: a name that nobody resolves may take a minute.
    """
    answers = queue.Queue()

    def ask():
        try:
            head = requests.head(url, timeout=timeout, allow_redirects=True)
            head.raise_for_status()
            answers.put(None)
        except requests.RequestException as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=timeout)
    except queue.Empty:
        error = TimeoutError(f'no answer within {timeout} s')
    if error is not None:
        raise _no_weights(name, error) from None


def _no_weights(name, error):
    status = getattr(getattr(error, 'response', None), 'status_code', None)
    why = f'says {status}' if status else 'does not answer'
    return ConnectionError(f'no {name}: its server {why}')
