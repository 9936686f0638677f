"""Where data and pretrained weights come from."""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

from parts import whole
from parts.checkpoints import fill
from parts.devices import try_all_gpus
from parts.published import lite0_file
from parts.start import HERE
from parts.stored import naming, open_arrays
from parts.texts import plain

import mxnet as mx
import requests
from mxnet import gluon, init, np
from tqdm.auto import tqdm

DATA = whole.place(os.environ.get('BOOK_DATA') or HERE / 'data')
VOC_ARCHIVE = 'VOCtrainval_11-May-2012.tar'
VOC_SHA1 = '4e443f8a2eca6b1dac8a6c57641b67dd40621a49'
VOC_MIRRORS = (
    'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/' + VOC_ARCHIVE,
    'https://d2l-data.s3-accelerate.amazonaws.com/' + VOC_ARCHIVE,
)


def voc_root():
    """Return the folder of the data set, which has the layout of VOC2012.

    The environment variable VOC_ROOT chooses: unset, the built-in drawn
    scenes (made on first use); `download`, the official VOC2012 (2 GB, see
    `download_voc`); anything else, a folder in the VOC layout, or one that
    holds `VOCdevkit/VOC2012`.

    Raises FileNotFoundError if that folder lacks a part of the layout.
    """
    choice = os.environ.get('VOC_ROOT', '')
    if not choice:
        return _made_by('scenes.py', '')
    if choice == 'download':
        return download_voc()
    root = whole.place(choice)
    parts = ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation')
    for inside in ('VOCdevkit/VOC2012', 'VOC2012'):
        if (root / inside).is_dir() and not (root / parts[0]).is_dir():
            root = root / inside
    missing = [part for part in parts if not (root / part).is_dir()]
    if missing:
        raise FileNotFoundError(
            f'VOC_ROOT={choice} has no folder {" nor ".join(missing)}'
        )
    return root


def _made_by(script, suffix, also=()):
    """Return what build/script makes, making it on first use.

    The name holds a hash of the sources: changed sources, a new file.
    """
    target = DATA / _name_of(script, suffix, also)
    if not target.exists():
        lock = DATA / f'.{target.name}.lock'
        with whole.only_one(lock, f'what makes {target.name}'):
            if not target.exists():
                with whole.new(target) as part:
                    _run(script, part)
    return target


def _name_of(script, suffix, also=()):
    """What is made by build/script is called so."""
    sources = [HERE / 'build' / name for name in (script, *also)]
    code = b''.join(source.read_bytes() for source in sources)
    key = hashlib.sha1(code).hexdigest()[:10]
    return f'{Path(script).stem}-{key}{suffix}'


def _run(script, *arguments):
    command = [sys.executable, HERE / 'build' / script, *arguments]
    subprocess.run([str(part) for part in command], check=True)


def annotated(root):
    """Return a data set's folder, and see to it that it tells objects apart.

    That is, it has the folders Annotations and SegmentationObject, as VOC2012
    has. Those of the built-in scenes are made on first use, in about 20
    seconds: the scenes themselves stay as they are.

    Raises FileNotFoundError if another data set lacks one of them.
    """
    root = whole.place(root)
    # In the order in which they are made: the last says that all are there.
    parts = [root / part for part in ('SegmentationObject', 'Annotations')]
    if root.name != _name_of('scenes.py', ''):
        for part in parts:
            if not part.is_dir():
                raise FileNotFoundError(
                    f'{root} tells no objects apart: it has no folder '
                    f'{part.name}, as VOC2012 has'
                )
    elif not parts[-1].is_dir():
        lock = root.with_name(f'.{root.name}-objects.lock')
        with whole.only_one(lock, f'what finds the objects of {root.name}'):
            if not parts[-1].is_dir():
                with whole.scratch(root) as folder:
                    made = folder / 'objects'
                    _run('objects.py', root, made)
                    for part in parts:
                        whole.put(made / part.name, part)
    return root


def download_voc(folder=DATA, mirrors=VOC_MIRRORS, sha1=VOC_SHA1):
    """Return the folder of the official VOC2012, fetching it when absent.

    Two gigabytes, from the mirrors in turn; a broken transfer goes on where
    it stopped, the SHA-1 sum is checked before unpacking, and an
    interruption leaves the data set absent, never half there. An archive
    laid into `folder` by hand is used like a downloaded one.

    Raises ConnectionError, naming the mirrors and the file to lay there by
    hand, if no mirror gives the archive.
    """
    folder = whole.place(folder)
    target, archive = folder / 'VOC2012-official', folder / VOC_ARCHIVE
    root = target / 'VOCdevkit' / 'VOC2012'
    if root.is_dir():
        return root
    with whole.only_one(folder / '.VOC2012.lock', 'another download'):
        if root.is_dir():
            return root
        if archive.exists() and _sha1(archive) != sha1:
            raise ValueError(
                f'{archive} is damaged (its SHA-1 sum is not {sha1}); '
                'remove it and start again'
            )
        if not archive.exists():
            _fetch_from_mirrors(archive, mirrors, sha1)
        _unpack(archive, target)
    return root


def _fetch_from_mirrors(archive, mirrors, sha1):
    part = archive.with_name(archive.name + '.part')
    failures = []
    for url in mirrors:
        try:
            _fetch(url, part)
        except requests.RequestException as error:
            cause = str(error).split(' (Caused by')[0]
            failures.append(f'{url}: {type(error).__name__}: {cause}')
            continue
        if _sha1(part) == sha1:
            os.replace(part, archive)
            return
        part.unlink()
        failures.append(f'{url}: what it sent has another SHA-1 sum')
    raise ConnectionError(
        'VOC2012 could not be downloaded:\n  '
        + '\n  '.join(failures)
        + f'\nLay the file by hand at {archive} and start again.'
    )


def _fetch(url, part):
    """Download url into the file `part`, going on where it stopped."""
    have = part.stat().st_size if part.exists() else 0
    headers = {'Range': f'bytes={have}-'} if have else {}
    with requests.get(
        url, headers=headers, stream=True, timeout=(10, 60)
    ) as answer:
        if answer.status_code == 416:  # nothing is left to send
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206
        size = int(answer.headers.get('Content-Length', 0))
        with (
            open(part, 'ab' if goes_on else 'wb') as file,
            tqdm(
                desc=part.name.removesuffix('.part'),
                total=(size + have * goes_on) or None,
                initial=have * goes_on,
                unit='B',
                unit_scale=True,
                leave=False,
            ) as bar,
        ):
            for block in answer.iter_content(1 << 16):
                file.write(block)
                bar.update(len(block))


def _sha1(path):
    digest = hashlib.sha1()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _unpack(archive, target):
    """Unpack a tar file into the folder target: all of it, or nothing.

    Only files and folders, whatever Python's version: its own filters came
    with 3.11.4, and links led out of the folder past those of later ones.
    Whoever may read new files by the umask may read these.

    Raises ValueError for anything else, for a member that would land outside
    of the folder, or twice in one place, and for a damaged archive.
    """
    strange = ValueError, FileExistsError, NotADirectoryError
    try:
        with whole.new(target) as root, tarfile.open(archive, 'r:') as tar:
            root.mkdir()
            for member in tar:
                _extract(tar, member, root)
    except (tarfile.TarError, *strange) as error:
        raise ValueError(f'{archive} is not unpacked: {error}') from error


def _extract(tar, member, root):
    """Write a member of a tar file below a folder; refuse what is strange."""
    name, parts = plain(member.name, 80), PurePosixPath(member.name).parts
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ValueError(f'{name} is neither a file nor a folder')
    if member.name.startswith('/') or '..' in parts:
        raise ValueError(f'{name} lies outside of the folder')
    if len(member.name) > 200:
        raise ValueError(f'{name} is too long a name')
    if not 0 <= member.size <= os.stat(tar.name).st_size:
        raise ValueError(f'{name} has an absurd size, {member.size} bytes')
    path = root.joinpath(*parts)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tar.extractfile(member) as source, open(path, 'xb') as file:
        shutil.copyfileobj(source, file)


def backbone_file():
    """Return (path, origin): pretrained weights and a sentence on them.

    In this order: the `.params` file that the environment variable BACKBONE
    names; EfficientNet-Lite0's ImageNet weights (BACKBONE=lite0);
    ResNet18_v2's, of Gluon's model zoo, if they lie in its folder
    already or may be fetched (BACKBONE=imagenet, VOC_ROOT=download, or a
    mirror in MXNET_GLUON_REPO); the built-in backbone, trained on first use
    on drawn thumbnails (BACKBONE=builtin asks for it).

    Raises FileNotFoundError if the named file is not there, ConnectionError
    if BACKBONE=imagenet cannot be had.
    """
    choice = os.environ.get('BACKBONE', '')
    note = ''
    if choice == 'lite0':
        return lite0_file(), (
            'The weights are those of EfficientNet-Lite0, trained on '
            'ImageNet: 1.3 million photos of 1000 classes.'
        )
    if choice not in ('', 'builtin', 'imagenet'):
        path = whole.place(choice)
        if not path.is_file():
            raise FileNotFoundError(f'BACKBONE={choice} is not a file')
        return path, f'The weights come from the file {path.name}.'
    if choice != 'builtin':
        zoo = gluon.model_zoo.model_store
        root = Path(mx.base.data_dir()) / 'models'
        name = f'resnet18_v2-{zoo.short_hash("resnet18_v2")}.params'
        may_fetch = (
            choice == 'imagenet'
            or 'MXNET_GLUON_REPO' in os.environ
            or os.environ.get('VOC_ROOT') == 'download'
        )
        if may_fetch or (root / name).is_file():
            try:
                path = Path(zoo.get_model_file('resnet18_v2', root=str(root)))
            except (OSError, ValueError, RuntimeError) as error:
                note = f'The ImageNet weights could not be had ({error}). '
                if choice == 'imagenet':
                    raise ConnectionError(note.strip()) from error
            else:
                return path, (
                    'The weights were trained on ImageNet: 1.3 million photos '
                    'of 1000 classes.'
                )
    path = _made_by('backbone.py', '.params', also=('scenes.py',))
    return path, note + (
        'The weights are the built-in ones: trained on drawn thumbnails of '
        "the scenes' own classes, a stand-in for ImageNet, not the same."
    )


def pretrained_backbone(devices=None):
    """Load a classifier's layers and say where their weights come from.

    Returns (features, origin): the `features` block of the model zoo's
    ResNet18_v2, on the given devices (default: `try_all_gpus()`), and a
    sentence. `backbone_file` says which weights are taken; for those of
    EfficientNet-Lite0, the features are `segbook.lite0_features`.

    Raises ValueError naming the file if it is damaged or holds other weights.
    """
    devices = devices or try_all_gpus()
    path, origin = backbone_file()
    if os.environ.get('BACKBONE') == 'lite0':
        # The chapter that teaches this network lends it; it needs this room.
        lender = importlib.import_module('segbook')
        return lender.lite0_features(devices), origin
    with (
        naming(path, 'does not hold the weights of ResNet18_v2'),
        open_arrays(path) as stored,
    ):
        # A whole classifier has a last layer, too.
        prefix = 'features.' if 'output.weight' in stored else ''
        arrays = {
            name.removeprefix(prefix): array
            for name, array in stored.items()
            if name.startswith(prefix)
        }
        features = gluon.model_zoo.vision.resnet18_v2().features
        features.initialize(init.Zero(), devices)
        features(np.zeros((1, 3, 32, 32), ctx=devices[0]))  # its sizes
        fill(features, arrays, devices)
    return features, origin
