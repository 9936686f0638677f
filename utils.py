"""What all chapters share: devices, data, training, metrics, pictures.

Nothing here is taught line by line; what a chapter teaches stands in the
chapter. The sections: set-up, devices, data, own data, batches, metrics,
prediction, training, pictures.
"""

import ctypes
import glob
import hashlib
import importlib.metadata
import importlib.util
import itertools
import json
import logging
import math
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import warnings
import zipfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

# ----------------------------------------------------------------- Set-up
# This runs before MXNet is imported, and so must stand before the import.


def _physical_cores():
    """Count the physical cores this process may use."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        topology = f'/sys/devices/system/cpu/cpu{cpu}/topology/'
        try:
            cores.add(Path(topology, 'thread_siblings_list').read_text())
        except OSError:  # no such table on this machine: count every thread
            cores.add(cpu)
    return len(cores)


def _use_all_cores():
    """Make MXNet use every physical core; by itself it uses half of them.

    It reads OMP_NUM_THREADS once, when it is imported.
    """
    if 'OMP_NUM_THREADS' in os.environ:
        return
    cores = _physical_cores()
    if 'mxnet' in sys.modules and cores > 1:
        warnings.warn(
            'MXNet was imported before utils and uses half of the cores: '
            f'import utils first, or set OMP_NUM_THREADS={cores} and restart',
            stacklevel=3,
        )
    os.environ['OMP_NUM_THREADS'] = str(cores)


def _load_cuda_libraries():
    """Load the CUDA libraries that pip put where no loader looks.

    Only for the GPU build (mxnet-cu112); without it, nothing happens.
    """
    try:
        importlib.metadata.distribution('mxnet-cu112')
    except importlib.metadata.PackageNotFoundError:
        return
    # Each library after those that it needs itself.
    names = 'cudart nvToolsExt nvrtc cublasLt cublas cudnn cufft curand'
    for name in (names + ' cusparse cusolver nccl').split():
        for folder in sys.path:
            pattern = f'{glob.escape(folder)}/nvidia/*/lib/lib{name}.so.*'
            for path in sorted(glob.glob(pattern))[:1]:
                ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


def _keep_memory():
    """Let large blocks be used again; by itself glibc gives them back.

    On a CPU, MXNet asks for the memory of every array anew, and the kernel
    would clear each of its pages: that takes longer than many a layer.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt:  # glibc; the numbers are those of its malloc.h
        mallopt(-4, 0)  # M_MMAP_MAX: no block outside of the heap
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap does not shrink
        mallopt(-8, 1)  # M_ARENA_MAX: one heap for all threads


_use_all_cores()
_keep_memory()
# By itself, CUDA numbers the fastest GPU first, unlike nvidia-smi.
os.environ.setdefault('CUDA_DEVICE_ORDER', 'PCI_BUS_ID')
_load_cuda_libraries()

import mxnet as mx
import numpy as onp
import requests
from mxnet import autograd, gluon, np, npx
from mxnet.gluon.model_zoo.vision import resnet
from PIL import Image, ImageDraw, ImageFile, ImageOps
from tqdm.auto import tqdm

npx.set_np()
# A process that forks while MXNet still works on a batch could wait forever.
os.register_at_fork(before=npx.waitall)
_ON_MXNET1 = mx.__version__.startswith('1.')


def _basic_block(self, F, x):
    """The model zoo's residual block, with a faster sum at its end.

    oneDNN keeps maps in an order of its own. MXNet 1's `+` of NumPy arrays
    does not know it: it brings both terms into the usual order, and the next
    layer brings the sum back. The older operator adds them as they are, which
    makes the whole network a tenth faster on CPUs.
    """
    residual = x
    x = F.npx.activation(self.bn1(x), act_type='relu')
    if self.downsample:
        residual = self.downsample(x)
    x = F.npx.activation(self.bn2(self.conv1(x)), act_type='relu')
    terms = self.conv2(x).as_nd_ndarray(), residual.as_nd_ndarray()
    return F.elemwise_add(*terms).as_np_ndarray()


if _ON_MXNET1:
    resnet.BasicBlockV2.hybrid_forward = _basic_block

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get('BOOK_DATA') or HERE / 'data').expanduser()


def set_seed(seed):
    """Seed Python's, NumPy's and MXNet's generators with one integer."""
    random.seed(seed)
    onp.random.seed(seed)
    mx.random.seed(seed)


# ---------------------------------------------------------------- Devices


def _nvidia_gpus():
    """Ask the driver for its GPUs: a list of (name, compute capability).

    As CUDA numbers them, without those that CUDA_VISIBLE_DEVICES hides; none
    if there is no driver, or one that does not answer.
    """
    # The doctor knows how to ask, and must run where this file cannot.
    path = HERE / 'build' / 'doctor.py'
    spec = importlib.util.spec_from_file_location('doctor', path)
    doctor = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(doctor)
    gpus, _ = doctor.ask_driver()
    return [
        (gpu.name, doctor.capability_of(gpu) or 'unknown')
        for gpu in doctor.visible(gpus)
    ]


def _what_would_run(capability):
    """Say what runs on a GPU of this compute capability, such as '7.5'."""
    try:
        known = float(capability)
    except ValueError:
        return 'see the table of machines in README.md'
    if 5.0 <= known < 9.0:
        return 'install requirements/gpu.txt (mxnet-cu112 for CUDA 11)'
    if known >= 9.0:
        return (
            'no published MXNet wheel holds code for it; a community build '
            'of MXNet 2.0 does (github.com/smolix/mxnet)'
        )
    return 'it is older than what MXNet 1.9.1 was built for (5.0)'


def _works(device):
    """Run a tiny convolution on the device; None if it ran, else why not."""
    try:
        x = np.ones((1, 1, 3, 3), ctx=device)
        y = npx.convolution(x, x, no_bias=True, kernel=(3, 3), num_filter=1)
        return None if float(y.item()) == 9 else f'3x3 ones gave {y.item()}'
    except mx.base.MXNetError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return lines[-1].strip()


def _count_gpus():
    """Return how many GPUs MXNet sees, and what is wrong or None."""
    try:
        return npx.num_gpus(), None
    except mx.base.MXNetError as error:  # of a driver that is not in order
        return 0, f'MXNet says «{str(error).strip().splitlines()[-1]}»'


def _usable_gpus(wanted=None):
    """The GPUs that work, and one warning that names those that do not."""
    installed, (built_for, trouble) = _nvidia_gpus(), _count_gpus()
    working, broken = [], []
    if trouble and not installed:
        broken.append(f'No GPU is used: {trouble}.')
    unseen = trouble or 'the installed MXNet cannot see it'
    for i in range(max(len(installed), built_for)):
        if wanted is not None and i != wanted:
            continue
        name, capability = (
            installed[i] if i < len(installed) else ('unknown GPU', '?')
        )
        reason = _works(mx.gpu(i)) if i < built_for else unseen
        if reason is None:
            working.append(mx.gpu(i))
        else:
            broken.append(
                f'GPU {i} ({name}, compute capability {capability}) is not '
                f'used: {reason}. To use it: {_what_would_run(capability)}.'
            )
    if broken:
        warnings.warn('\n'.join(broken), stacklevel=3)
    return working


def try_gpu(i=0):
    """Return GPU number i if a tiny convolution runs on it, else the CPU."""
    return (_usable_gpus(wanted=i) or [mx.cpu()])[0]


def try_all_gpus():
    """Return every GPU on which a tiny convolution ran, else [mx.cpu()].

    A GPU that is there but cannot run the installed build is named in one
    warning, which says what would run on it.
    """
    return _usable_gpus() or [mx.cpu()]


def devices_of(net):
    """Return the devices that the parameters of a net live on."""
    return next(iter(net.collect_params().values())).list_ctx()


def peak_memory():
    """Return the most memory that this process has had so far, in MiB.

    Linux. (`getrusage` would give that of the process that started this one,
    if it is more.)
    """
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) / 2**10


def doctor():
    """Print what this machine runs of the book, as `make doctor` does."""
    command = [sys.executable, str(HERE / 'build' / 'doctor.py')]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout + done.stderr, end='')


# ------------------------------------------------------------------- Data
VOID = 255  # the label of pixels that nobody scores
PHOTO_ENDINGS = '.jpg', '.png'  # of a data set's photos: VOC's is the first
RGB_MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pixels, scaled to 0..1
RGB_STD = (0.229, 0.224, 0.225)

VOC_ARCHIVE = 'VOCtrainval_11-May-2012.tar'
VOC_SHA1 = '4e443f8a2eca6b1dac8a6c57641b67dd40621a49'
VOC_MIRRORS = (
    'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/' + VOC_ARCHIVE,
    'https://d2l-data.s3-accelerate.amazonaws.com/' + VOC_ARCHIVE,
)


@contextmanager
def _lock(path):
    """Hold a lock file: others who want the same thing wait here."""
    import fcntl  # Linux and macOS have it; nothing else in utils needs it

    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _made_by(script, suffix, also=()):
    """Return what build/script makes, making it on first use.

    The name holds a hash of the sources: changed sources, a new file.
    """
    sources = [HERE / 'build' / name for name in (script, *also)]
    code = b''.join(source.read_bytes() for source in sources)
    key = hashlib.sha1(code).hexdigest()[:10]
    target = DATA / f'{Path(script).stem}-{key}{suffix}'
    if not target.exists():
        with _lock(DATA / f'.{target.name}.lock'):
            if not target.exists():
                command = [sys.executable, str(sources[0]), str(target)]
                subprocess.run(command, check=True)
    return target


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
    root = Path(choice).expanduser()
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


def _sha1(path):
    digest = hashlib.sha1()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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


def _unpack(archive, target):
    """Unpack a tar file into the folder target: all of it, or nothing.

    Raises ValueError for a member that would land outside the folder.
    """
    scratch = Path(tempfile.mkdtemp(prefix='.unpack-', dir=target.parent))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter='data')
        os.replace(scratch, target)
    except (tarfile.FilterError, tarfile.ReadError) as error:
        raise ValueError(f'{archive} is not unpacked: {error}') from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def download_voc(folder=DATA, mirrors=VOC_MIRRORS, sha1=VOC_SHA1):
    """Return the folder of the official VOC2012, fetching it when absent.

    Two gigabytes, from the mirrors in turn; a broken transfer goes on where
    it stopped, the SHA-1 sum is checked before unpacking, and an
    interruption leaves the data set absent, never half there. An archive
    laid into `folder` by hand is used like a downloaded one.

    Raises ConnectionError, naming the mirrors and the file to lay there by
    hand, if no mirror gives the archive.
    """
    folder = Path(folder)
    target, archive = folder / 'VOC2012-official', folder / VOC_ARCHIVE
    root = target / 'VOCdevkit' / 'VOC2012'
    if root.is_dir():
        return root
    with _lock(folder / '.VOC2012.lock'):
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


def backbone_file():
    """Return (path, origin): pretrained weights and a sentence on them.

    In this order: the `.params` file that the environment variable BACKBONE
    names; ImageNet weights of Gluon's model zoo, if they lie in its folder
    already or may be fetched (BACKBONE=imagenet, VOC_ROOT=download, or a
    mirror in MXNET_GLUON_REPO); the built-in backbone, trained on first use
    on drawn thumbnails (BACKBONE=builtin asks for it).

    Raises FileNotFoundError if the named file is not there, ConnectionError
    if BACKBONE=imagenet cannot be had.
    """
    choice = os.environ.get('BACKBONE', '')
    note = ''
    if choice not in ('', 'builtin', 'imagenet'):
        path = Path(choice).expanduser()
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
    """Load ResNet18_v2's layers and say where their weights come from.

    Returns (features, origin): the `features` block of the model zoo's
    ResNet18_v2, on the given devices (default: `try_all_gpus()`), and a
    sentence. `backbone_file` says which weights are taken.

    Raises ValueError naming the file if it holds other weights.
    """
    devices = devices or try_all_gpus()
    path, origin = backbone_file()
    vision = gluon.model_zoo.vision
    try:
        stored = npx.load(str(path))
        if 'output.weight' in stored:  # a whole classifier
            net = vision.resnet18_v2(classes=len(stored['output.weight']))
            net.load_parameters(str(path), devices)
        else:
            net = vision.resnet18_v2()
            net.features.load_parameters(str(path), devices)
    except (mx.base.MXNetError, AssertionError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(
            f'{path} does not hold the weights of ResNet18_v2: {first}'
        ) from error
    return net.features, origin


def read_split(root, split):
    """Return the list of image ids of a split, such as 'train'.

    Photos are .jpg or .png files in JPEGImages, labels .png files in
    SegmentationClass. Raises FileNotFoundError if the split, a photo or a
    label is missing, and ValueError if the split is empty. No image is
    opened.
    """
    root = Path(root)
    folder = root / 'ImageSets' / 'Segmentation'
    path = folder / f'{split}.txt'
    if not path.is_file():
        known = ', '.join(sorted(p.stem for p in folder.glob('*.txt')))
        raise FileNotFoundError(
            f'there is no split file {path} (there are: {known or "none"})'
        )
    # A line an id, for names of one's own may hold spaces.
    lines = path.read_text().splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise ValueError(f'the split file {path} is empty')
    for kind, endings in (
        ('JPEGImages', PHOTO_ENDINGS),
        ('SegmentationClass', ('.png',)),
    ):
        there = {entry.name for entry in os.scandir(root / kind)}
        for name in ids:
            if not any(name + ending in there for ending in endings):
                raise FileNotFoundError(
                    f'{path} lists {name}, but there is no '
                    f'{root / kind / (name + " or ".join(endings))}'
                )
    return ids


def _to_rgb(image):
    """Turn a Pillow image of any mode, upright or not, into RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        image = Image.alpha_composite(white, image)
    if image.mode.startswith('I'):  # 16 bits a pixel
        image = Image.fromarray((onp.asarray(image) >> 8).astype('uint8'))
    return image.convert('RGB')


@contextmanager
def _opened(path):
    """Open a picture; an unreadable one gives a ValueError with its name."""
    # Other libraries (gluoncv is one) ask Pillow to fill up half a file.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(path) as image:
            image.load()
            yield image
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path} cannot be read: {error}') from error


def read_image(path):
    """Read a photo of any mode as a uint8 array (height, width, 3), upright.

    Grey, palette, CMYK and transparent images are converted to RGB.
    Raises ValueError, naming the file, if it is damaged.
    """
    with _opened(path) as image:
        return onp.asarray(_to_rgb(image))


def read_label(path, colormap=None):
    """Read a label image as it is stored.

    A palette or grey image gives its indices, uint8 (height, width); any
    other gives colours, uint8 (height, width, 3). With a `colormap`, uint8
    (256, 3), the palette of a palette image must agree with it.

    Raises ValueError, naming the file, if it is damaged or its palette
    means something else.
    """
    with _opened(path) as image:
        if image.mode not in ('P', 'L', '1', 'I', 'I;16'):
            return onp.asarray(image.convert('RGB'))
        label = onp.asarray(image)
        if label.max(initial=0) > 255:
            raise ValueError(f'{path} holds the index {label.max()} > 255')
        if image.mode == 'P' and colormap is not None:
            palette = onp.array(image.getpalette('RGB')).reshape(-1, 3)
            present = onp.bincount(label.reshape(-1))
            for index in onp.flatnonzero(present):
                if index < len(palette) and tuple(palette[index]) not in (
                    tuple(colormap[index]),
                    (index, index, index),
                ):
                    raise ValueError(
                        f'{path} draws index {index} in the colour '
                        f'{tuple(palette[index].tolist())}, the data set in '
                        f'{tuple(colormap[index].tolist())}'
                    )
        return label.astype('uint8')


def read_pair(root, name, table, decode):
    """Read a photo and its label by their id, and check that they agree.

    `table`: has `names`, the list of classes; `void`, the index of void in
    the files; `colormap`, uint8 (256, 3), the colours of the classes and, at
    VOID, of void. `decode`: turns a label stored as colours, uint8 (height,
    width, 3), and the table into indices, and raises ValueError for a colour
    that is no class's.

    Returns uint8 (height, width, 3) and uint8 (height, width), indices below
    the number of classes or VOID. Raises ValueError, naming the file, if a
    file is damaged, an index or colour is none of the table's, or the sizes
    differ.
    """
    image = read_image(photo_path(root, name))
    path = Path(root, 'SegmentationClass', f'{name}.png')
    label = read_classes(path, table, decode)
    if image.shape[:2] != label.shape:
        raise ValueError(
            f'{path} is {label.shape[1]}x{label.shape[0]} pixels, its photo '
            f'{image.shape[1]}x{image.shape[0]}'
        )
    return image, label


def photo_path(root, name):
    """Return where the photo of an id lies: a .jpg file, or else a .png."""
    stem = Path(root, 'JPEGImages', name)
    paths = [Path(f'{stem}{ending}') for ending in PHOTO_ENDINGS]
    return next((path for path in paths if path.exists()), paths[0])


def _colors_in_files(table):
    """The colours of the indices as files have them: uint8 (256, 3)."""
    colors = table.colormap.copy()
    colors[table.void] = table.colormap[VOID]
    return colors


def read_classes(path, table, decode):
    """Read a label file of any kind as indices, uint8 (height, width).

    See `read_pair`, whose second half this is.
    """
    label = read_label(path, _colors_in_files(table))
    if label.ndim == 3:
        try:
            return decode(label, table)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
    wrong = (label >= len(table.names)) & (label != table.void)
    if wrong.any():
        row, column = onp.argwhere(wrong)[0]
        raise ValueError(
            f'{path} holds index {label[row, column]} at row {row}, column '
            f'{column}; the classes end at {len(table.names) - 1}, void is '
            f'{table.void}'
        )
    label[label == table.void] = VOID
    return label


def save_label(path, label, colormap):
    """Save a label as a palette PNG, as VOC's are: complete or not at all.

    `label`: integers (height, width); `colormap`: uint8 (256, 3). The file
    opens in these colours and reads back as these indices (`read_label`).
    """
    label = _host(label)
    if label.ndim != 2 or label.min() < 0 or label.max() > 255:
        raise ValueError(
            'a label is an array (height, width) of indices from 0 to 255'
        )
    image = Image.fromarray(label.astype('uint8'))  # putpalette: mode P
    image.putpalette(onp.asarray(colormap, 'uint8').tobytes())
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        image.save(f'{folder}/label.png', optimize=True)
        os.replace(f'{folder}/label.png', path)


# --------------------------------------------------------------- Own data

# From a folder of photos and a folder of labels, which may be the same one,
# to a data set in the VOC layout. The label of photo NAME is NAME.json, which
# labelme writes, or NAME.png, painted in indices or colours.

_PHOTO_KINDS = '.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'
_LABEL_KINDS = '.json', '.png'
_POINTS = {  # labelme's kinds of shapes: the fewest and most points of each
    'polygon': (3, math.inf),
    'rectangle': (2, 4),
    'circle': (2, 2),
    'line': (2, 2),
    'linestrip': (2, math.inf),
    'point': (1, 1),
    'mask': (2, 2),
}
_LINE_WIDTH, _POINT_RADIUS = 10, 5  # pixels, as labelme itself draws them


class Shape(NamedTuple):
    """A shape of a labelme file."""

    index: int  # of its class, or VOID
    thing: int  # a number for each object; 0 of the background, -1 of void
    kind: str  # labelme's shape_type
    points: onp.ndarray  # float64 (n, 2): x, y in pixels
    mask: onp.ndarray | None  # of the kind 'mask': bool (height, width)


class Finding(NamedTuple):
    """What a check of one's own data found in a file, or in all of them."""

    file: str
    text: str  # what is wrong, where, and what to do
    stops: bool  # whether no data set can be made of this

    def __str__(self):
        kind = 'error' if self.stops else 'note'
        return f'{kind}: {self.file}: {self.text}'


def has_background(table):
    """Whether class 0 is what is left when nothing was labelled."""
    return table.names[0] in ('background', '_background_')


def read_labelme(path, table):
    """Read a file of labelme: its shapes, and the size that it states.

    Returns (shapes, size): `Shape`s from the lowest to the topmost, and
    (height, width) of the photo, or None where the file does not say it.
    Shapes of one label and one group_id are one object. `__ignore__` is
    void, `_background_` the background.

    Raises ValueError naming the file, and the shape, if it is damaged or
    holds names that are not in the class table.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no JSON file: {error}') from error
    if not isinstance(content, dict) or not isinstance(
        content.get('shapes'), list
    ):
        raise ValueError(f'{path} is not of labelme: it has no list «shapes»')
    indices = {name: index for index, name in enumerate(table.names)}
    indices['__ignore__'] = VOID
    indices.setdefault('_background_', 0 if has_background(table) else VOID)
    _refuse_unknown_names(path, content['shapes'], indices)
    things, shapes = {}, []
    for number, shape in enumerate(content['shapes'], 1):
        try:
            kind = shape.get('shape_type') or 'polygon'
            points = onp.array(shape['points'], float).reshape(-1, 2)
            fewest, most = _POINTS[kind]
            if not fewest <= len(points) <= most:
                raise ValueError(f'a {kind} of {len(points)} points')
            if not onp.isfinite(points).all():
                raise ValueError('a point is not finite')
            mask = _stored_mask(shape['mask']) if kind == 'mask' else None
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(
                f'{path}: shape {number} ({shape["label"]}) cannot be drawn '
                f'({type(error).__name__}: {error}): delete it and draw it '
                f'anew; known are {", ".join(_POINTS)}'
            ) from error
        index, group = indices[shape['label']], shape.get('group_id')
        key = number if group is None else (shape['label'], group)
        thing = things.setdefault(key, len(things) + 1)
        if index == VOID or (index == 0 and has_background(table)):
            thing = -1 if index == VOID else 0
        shapes.append(Shape(index, thing, kind, points, mask))
    size = content.get('imageHeight'), content.get('imageWidth')
    return shapes, size if all(size) else None


def _refuse_unknown_names(path, shapes, known):
    """Raise a ValueError that lists the labels that are not known."""
    import difflib

    unknown = []
    for number, shape in enumerate(shapes, 1):
        name = shape.get('label') if isinstance(shape, dict) else None
        if name in known:
            continue
        close = difflib.get_close_matches(str(name), known, 1)
        hint = f' (is it «{close[0]}»?)' if close else ''
        unknown.append(f'«{name}» of shape {number}{hint}')
    if unknown:
        raise ValueError(
            f'{path}: the class table has no {", ".join(unknown)}: rename it '
            'in labelme, or add the name to the table'
        )


def _stored_mask(text):
    """Decode labelme's picture of a mask: bool (height, width)."""
    import base64
    import io

    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        return onp.asarray(image.convert('L')) > 0


def shape_mask(shape, height, width):
    """Draw a `Shape` alone: bool (height, width).

    The pixels that its outline goes through belong to it; what lies outside
    of the picture is cut off.
    """
    image = Image.new('1', (width, height))
    draw = ImageDraw.Draw(image)
    points = [tuple(point) for point in shape.points]
    low, high = shape.points.min(axis=0), shape.points.max(axis=0)
    if shape.kind == 'polygon':
        draw.polygon(points, fill=1, outline=1)
    elif shape.kind == 'rectangle':
        draw.rectangle((*low, *high), fill=1)
    elif shape.kind in ('line', 'linestrip'):
        draw.line(points, fill=1, width=_LINE_WIDTH)
    elif shape.kind == 'mask':
        corner = round(low[0]), round(low[1])
        image.paste(Image.fromarray(shape.mask), corner)
    else:  # a circle is given by its centre and a point of its edge
        radius = _POINT_RADIUS
        if shape.kind == 'circle':
            radius = math.dist(*points)
        center = shape.points[0]
        draw.ellipse((*(center - radius), *(center + radius)), fill=1)
    return onp.array(image)


def _upright_size(image):
    """The size of a picture as it is shown: (height, width)."""
    turned = image.getexif().get(0x0112, 1) >= 5
    return image.size if turned else image.size[::-1]


def own_files(photos, labels):
    """Find the photos that have a label.

    Returns ({name: (photo, label)}, findings): paths, in the order of their
    names, and what is left out because its other half is missing.

    Raises FileNotFoundError if a folder is not there.
    """
    found, findings = [], []
    for folder, kinds in ((photos, _PHOTO_KINDS), (labels, _LABEL_KINDS)):
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f'there is no folder {folder}')
        if found and folder.samefile(photos):
            kinds = ('.json',)  # in a common folder, pictures are photos
        files = {}
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in kinds:
                continue
            other = files.setdefault(path.stem, path)
            if other != path:
                text = f'{other.name} has the same name: rename one of them'
                findings.append(Finding(path.name, text, True))
        found.append(files)
    photos, labels = found
    for one, other, what in (
        (photos, labels, 'photo has no label'),
        (labels, photos, 'label has no photo'),
    ):
        for name in sorted(one.keys() - other.keys()):
            text = f'this {what} of the same name: it is left out'
            findings.append(Finding(one[name].name, text, False))
    for name in sorted(photos.keys() - labels.keys()):
        path = folder / f'{name}.jpg'
        if path.exists() and not path.samefile(photos[name]):
            text = (
                'JPEG changes colours, so it cannot hold a label: export it '
                'again as PNG'
            )
            findings.append(Finding(path.name, text, True))
    both = sorted(photos.keys() & labels.keys())
    return {name: (photos[name], labels[name]) for name in both}, findings


def check_own(photos, labels, table, read):
    """Look for what goes wrong with labels made by hand.

    `photos`, `labels`: folders, see `own_files`; `table`: the class table;
    `read(path, table, size)`: reads the label of a photo of this (height,
    width), and raises ValueError.

    Returns (classes, findings): for each usable name the set of its classes,
    and a list of `Finding`s: files without their other half, damaged files,
    names, colours and indices that are not in the table, labels that were
    saved as JPEG or smoothed, sizes that differ, photos that are stored
    sideways, and classes without a pixel.
    """
    files, findings = own_files(photos, labels)
    classes = {}
    for name, (photo, path) in files.items():
        try:
            label, notes = _check_pair(photo, path, table, read)
        except ValueError as error:
            text = str(error)
            for full in (photo, path):  # a folder's name helps nobody
                text = text.replace(str(full), full.name)
            text = text.removeprefix(f'{path.name}').lstrip(': ')
            findings.append(Finding(path.name, text, True))
            continue
        findings += [Finding(path.name, text, False) for text in notes]
        classes[name] = set(onp.unique(label).tolist()) - {VOID}
    if not files:
        text = 'no photo has a label of the same name'
        findings.append(Finding(str(Path(photos).name), text, True))
    seen = set().union(*classes.values())
    for index, name in enumerate(table.names):
        # Labels that could not be read may hold what is missing here.
        if len(classes) == len(files) > 0 and index not in seen:
            text = f'class {index}, «{name}», has no pixel in any label'
            findings.append(Finding('all labels', text, False))
    return classes, findings


def _check_pair(photo, path, table, read):
    """Check a photo and its label: the label, and a list of notes.

    Raises ValueError for what makes the pair useless.
    """
    notes = []
    with _opened(photo) as image:
        size, stored = _upright_size(image), image.size[::-1]
        turned = image.getexif().get(0x0112, 1) != 1
    stated = _label_size(path, table)
    if stated is not None and stated != size:
        hint = 'label the photo that is in the folder, at its full size'
        if turned and stated == stored:
            hint = (
                'the photo is stored sideways (EXIF), and the label lies as '
                'it is stored: save the photo upright and label it again'
            )
        raise ValueError(
            f'{path} is {stated[1]}x{stated[0]} pixels, {photo} '
            f'{size[1]}x{size[0]}: {hint}'
        )
    if turned:
        notes.append(
            f'{photo.name} is stored turned (EXIF) and will be written '
            'upright: look whether its label lies right'
        )
    if path.suffix == '.png':
        _refuse_strange_colors(path, table)
    label = read(path, table, size)
    if path.suffix == '.json':
        notes += _notes_on_shapes(path, label, table)
    elif set(onp.unique(label)) == {0, VOID}:
        notes.append(
            'it holds nothing but class 0 and void: if void was meant as a '
            'class, paint it with the index of that class'
        )
    return label, notes


def _label_size(path, table):
    """(height, width) of a label, or None if it does not say."""
    if path.suffix == '.json':
        return read_labelme(path, table)[1]
    with _opened(path) as image:
        return image.size[::-1]


def _notes_on_shapes(path, label, table):
    """What may be meant otherwise in a labelme file that can be drawn."""
    shapes, _ = read_labelme(path, table)
    height, width = label.shape
    for number, shape in enumerate(shapes, 1):
        low, high = shape.points.min(axis=0), shape.points.max(axis=0)
        if min(low) < -1 or high[0] > width + 1 or high[1] > height + 1:
            yield f'shape {number} reaches out of the photo and is cut off'
    if not shapes:
        yield 'it has no shapes: all of the photo is background'
    for index in sorted({shape.index for shape in shapes} - {VOID}):
        if not (label == index).any():
            yield (
                f'no pixel of its «{table.names[index]}» is left: it is '
                'covered by later shapes, or thinner than the void border'
            )


def _refuse_strange_colors(path, table):
    """Raise ValueError if a painted label holds what no class has."""
    label = read_label(path)
    known = table.colormap[[*range(len(table.names)), VOID]].astype(int)
    what, remedy = 'colour', 'paint it anew or add it to the class table'
    if label.ndim == 2:
        what = 'index'
        known = onp.array([*range(len(table.names)), table.void])[:, None]
        label = label[..., None]
    base = 256 ** onp.arange(label.shape[2])
    numbers = label @ base
    present, counts = onp.unique(numbers, return_counts=True)
    strange = ~onp.isin(present, known @ base)
    if not strange.any():
        return
    row, column = onp.argwhere(onp.isin(numbers, present[strange]))[0]
    value = label[row, column].tolist()
    share = counts[strange].sum() / numbers.size
    text = f'{tuple(value) if len(value) > 1 else value[0]}'
    if strange.sum() > _FEW_COLORS:
        remedy = (
            'this is what JPEG compression, smoothing or scaling leaves: '
            'export it again as PNG, without smoothing, at full size'
        )
    raise ValueError(
        f'{path}: {what} {text} at row {row}, column {column} is no class '
        f'({strange.sum()} such in {share:.1%} of the pixels): {remedy}'
    )


_FEW_COLORS = 16  # more that are no class's were not painted by hand


def make_set(photos, labels, target, table, read, split):
    """Make a data set in the VOC layout of photos and labels of one's own.

    `photos`, `labels`, `table`, `read`: see `check_own`. `target`: the new
    folder, complete or not at all; an older data set there is replaced.
    `split`: turns {name: set of its classes} into {'train': names, 'val':
    names}. Photos are copied; those that are no upright RGB files in JPEG or
    PNG are written anew, as JPEG. `classes.json` keeps the class table.

    Returns the list of `Finding`s. Raises ValueError with all errors if
    there are any, or if there are too few photos to split, and
    FileExistsError if `target` holds anything else.
    """
    classes, findings = check_own(photos, labels, table, read)
    errors = [str(finding) for finding in findings if finding.stops]
    if errors:
        raise ValueError('\n'.join(['no data set is made:', *errors]))
    files, _ = own_files(photos, labels)
    splits = split(classes)
    for name, ids in splits.items():
        if not ids:
            raise ValueError(
                f'no data set is made: {name} would be empty, for every photo '
                'is the only one of some class; label more photos'
            )
        shown = set().union(*(classes[i] for i in ids))
        for index in sorted(set().union(*classes.values()) - shown):
            text = (
                f'has no photo with class {index}, «{table.names[index]}»: '
                'label more photos with it'
            )
            findings.append(Finding(name, text, False))
    with _replaced(target) as root:
        for part in _PARTS[:2]:
            (root / part).mkdir(parents=True)
        for name, (photo, path) in files.items():
            size = _write_photo(photo, root / 'JPEGImages' / name)
            label = read(path, table, size)
            save_label(
                root / 'SegmentationClass' / f'{name}.png',
                onp.where(label == VOID, table.void, label),
                _colors_in_files(table),
            )
        folder = root / 'ImageSets' / 'Segmentation'
        folder.mkdir(parents=True)
        both = {'trainval': sorted(sum(map(list, splits.values()), []))}
        for name, ids in (splits | both).items():
            (folder / f'{name}.txt').write_text('\n'.join([*ids, '']))
        text = json.dumps(_table_to_json(table), indent=1)
        (root / 'classes.json').write_text(text + '\n')
    return findings


_PARTS = 'JPEGImages', 'SegmentationClass', 'ImageSets', 'classes.json'


@contextmanager
def _replaced(target):
    """Give a new folder; put it in the place of target when it is complete.

    Raises FileExistsError if target holds what is no part of a data set.
    """
    target = Path(target)
    if target.exists():
        others = {path.name for path in target.iterdir()} - set(_PARTS)
        if others:
            raise FileExistsError(
                f'{target} holds {sorted(others)[0]}, which is no part of a '
                'data set: name another folder'
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix='.new-', dir=target.parent))
    try:
        (scratch / 'new').mkdir()
        yield scratch / 'new'
        if target.exists():
            os.replace(target, scratch / 'old')
        os.replace(scratch / 'new', target)
    finally:
        shutil.rmtree(scratch)


def _write_photo(source, stem):
    """Write a photo, upright and RGB, as stem.jpg or stem.png: its size."""
    with _opened(source) as image:
        upright = image.getexif().get(0x0112, 1) == 1
        ending = {'JPEG': '.jpg', 'PNG': '.png'}.get(image.format)
        if ending and upright and image.mode == 'RGB':
            shutil.copyfile(source, f'{stem}{ending}')
            return image.size[::-1]
        rgb = _to_rgb(image)
        rgb.save(f'{stem}.jpg', quality=95, subsampling=0)
        return rgb.size[::-1]


# ---------------------------------------------------------------- Batches


def normalize(images):
    """Scale and centre photos as ResNet expects them.

    `images`: uint8 MXNet array (N, height, width, 3), values 0..255.
    Returns float32 (N, 3, height, width): divided by 255, minus RGB_MEAN,
    divided by RGB_STD.
    """
    with autograd.pause():  # in place, which no recording allows
        scaled = npx.image.to_tensor(images)  # that transposes, too
        return npx.image.normalize(scaled, RGB_MEAN, RGB_STD, out=scaled)


def _stack(samples):
    parts = (onp.stack(part) for part in zip(*samples, strict=True))
    return tuple(onp.ascontiguousarray(part, dtype='uint8') for part in parts)


class _Keyed:
    """Let a loader ask for sample (epoch, i), in whatever process it runs."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, key):
        return self.dataset.get(key[1], epoch=key[0])


class Batches:
    """Cut a data set into batches, new ones in every epoch.

    Iterating once is one epoch and gives (images, labels): uint8 MXNet
    arrays (batch_size, height, width, 3) and (batch_size, height, width).
    The order is shuffled; a last batch that is not full is left out, and
    the shuffling sees to it that these are other images every time.

    The data set has a method `get(i, epoch)`. The same seed gives the same
    batches, whatever the number of worker processes that read.

    `part`: (rank, count), the share of every batch that this process reads
    if `count` machines train together: every count-th image. The shares
    have no image in common, and together they are the batch.
    """

    def __init__(
        self, dataset, batch_size, seed=0, num_workers=0, part=(0, 1)
    ):
        if not 1 <= batch_size <= len(dataset):
            raise ValueError(
                f'a batch of {batch_size} from {len(dataset)} images'
            )
        self.dataset, self.batch_size = dataset, batch_size
        self.seed, self.epoch, self.part = seed, 0, part
        self._keys = []
        self._loader = gluon.data.DataLoader(
            _Keyed(dataset),
            batch_sampler=self._keys,
            batchify_fn=_stack,
            num_workers=num_workers,
        )

    def __len__(self):
        return len(self.dataset) // self.batch_size

    def __iter__(self):
        rng = onp.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(len(self.dataset))[
            : len(self) * self.batch_size
        ]
        rank, count = self.part
        if self.batch_size % count:
            raise ValueError(
                f'a batch of {self.batch_size} cannot be shared out equally '
                f'to {count} workers'
            )
        # The loader keeps the list that it was given: fill that list anew.
        self._keys[:] = [
            [(self.epoch, int(i)) for i in batch[rank::count]]
            for batch in order.reshape(len(self), self.batch_size)
        ]
        self.epoch += 1
        for arrays in self._loader:
            # In the same memory: np.array would copy, and a fast device wait.
            yield tuple(
                mx.nd.from_numpy(array).as_np_ndarray() for array in arrays
            )


# ---------------------------------------------------------------- Metrics


class SegmentationMetric:
    """Count a confusion matrix and read the four usual figures off it.

    `confusion[i, j]` is the number of pixels of class i that were predicted
    as class j, int64 (num_classes, num_classes); void pixels are left out.
    The figures are those of the FCN paper (Long et al., 2015, section 5),
    means taken over the classes that are present in the labels; numbers from
    0 to 1, nan before the first update.
    """

    def __init__(self, num_classes, void=VOID):
        self.num_classes, self.void = num_classes, void
        self.confusion = onp.zeros((num_classes, num_classes), dtype='int64')

    def update(self, label, prediction):
        """Count one or more label maps and predictions of the same shape.

        Integer arrays of any shape, NumPy's or MXNet's.
        Raises ValueError for other shapes or a class outside the table.
        """
        label, prediction = _host(label), _host(prediction)
        if label.shape != prediction.shape:
            raise ValueError(
                f'the label has shape {label.shape}, '
                f'the prediction {prediction.shape}'
            )
        valid = label != self.void
        label = label[valid].astype('int64')
        prediction = prediction[valid].astype('int64')
        for what, values in (('label', label), ('prediction', prediction)):
            wrong = values[(values < 0) | (values >= self.num_classes)]
            if wrong.size:
                raise ValueError(
                    f'the {what} holds class {wrong[0]}, '
                    f'the table ends at {self.num_classes - 1}'
                )
        self.confusion += onp.bincount(
            label * self.num_classes + prediction,
            minlength=self.num_classes**2,
        ).reshape(self.confusion.shape)

    def all_background(self):
        """Return the metric of a net that calls every pixel background."""
        baseline = SegmentationMetric(self.num_classes, self.void)
        baseline.confusion[:, 0] = self.confusion.sum(axis=1)
        return baseline

    @property
    def present(self):
        """Which classes occur in the labels: bool (num_classes,)."""
        return self.confusion.sum(axis=1) > 0

    @property
    def pixel_accuracy(self):
        """The share of pixels that are right."""
        return _ratio(onp.trace(self.confusion), self.confusion.sum())

    @property
    def class_accuracy(self):
        """Of each class's pixels, the share that is right: (num_classes,)."""
        return _ratio(onp.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def class_iu(self):
        """Intersection over union of each class; nan where it is absent."""
        right = onp.diag(self.confusion)
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - right
        return onp.where(self.present, _ratio(right, union), onp.nan)

    @property
    def mean_accuracy(self):
        """The mean of `class_accuracy` over the classes present."""
        return _mean(self.class_accuracy[self.present])

    @property
    def mean_iu(self):
        """The mean of `class_iu` over the classes present."""
        return _mean(self.class_iu[self.present])

    @property
    def frequency_weighted_iu(self):
        """`class_iu`, weighted by each class's share of the pixels."""
        share = _ratio(self.confusion.sum(axis=1), self.confusion.sum())
        if not self.present.any():
            return onp.nan
        return float((share * self.class_iu)[self.present].sum())


def _host(array):
    """Return an MXNet or other array as a NumPy array."""
    return array.asnumpy() if hasattr(array, 'asnumpy') else onp.asarray(array)


def _ratio(part, whole):
    """Divide; where the whole is 0, the ratio is nan."""
    part, whole = onp.broadcast_arrays(part, onp.asarray(whole, 'float64'))
    ratio = onp.full(whole.shape, onp.nan)
    return onp.divide(part, whole, out=ratio, where=whole > 0)[()]


def _mean(values):
    return float(values.mean()) if values.size else onp.nan


# ------------------------------------------------------------- Prediction
_STRIDE = 32  # the nets of the book see a picture in steps of 32 pixels


def _as_photo(image):
    """Turn whatever stands for a photo into uint8 (height, width, 3)."""
    if isinstance(image, (str, os.PathLike)):
        return read_image(image)
    if isinstance(image, Image.Image):
        return onp.asarray(_to_rgb(image))
    pixels = _host(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if (
        pixels.ndim not in (2, 3)
        or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4))
        or pixels.size == 0
    ):
        raise ValueError(
            'a photo is an array (height, width), (height, width, 3) or '
            f'(height, width, 4), not {pixels.shape}'
        )
    if pixels.dtype.kind == 'f':
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError('a photo of floats has values from 0 to 1')
        pixels = (pixels * 255).round().astype('uint8')
    if pixels.dtype != onp.uint8:
        raise ValueError(f'a photo is uint8 or float, not {pixels.dtype}')
    return onp.asarray(_to_rgb(Image.fromarray(pixels)))


def pad_to(image, height, width, value):
    """Pad an image or label at the bottom and on the right.

    `image`: (h, w) or (h, w, channels), any dtype; returned as it is where
    it is large enough. `value`: what new pixels hold, a number or one a
    channel.
    """
    h, w = max(height, image.shape[0]), max(width, image.shape[1])
    if (h, w) == image.shape[:2]:
        return image
    padded = onp.empty((h, w, *image.shape[2:]), dtype=image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    padded[: image.shape[0], image.shape[1] :] = value
    padded[image.shape[0] :] = value
    return padded


MEAN_COLOR = tuple(round(255 * m) for m in RGB_MEAN)  # normalises to about 0


def _scores(net, pixels, device):
    """Scores of photos, float32 (N, classes, height, width), on the device.

    `pixels`: uint8 (N, height, width, 3), sides divisible by 32.
    """
    batch = np.array(pixels, dtype='uint8').as_in_ctx(device)
    return net(normalize(batch))


def _up(side):
    """Round up to a multiple of the stride."""
    return math.ceil(side / _STRIDE) * _STRIDE


def _tiles(height, width, tile, overlap):
    """Cover a photo by equal tiles of at most `tile` squared pixels.

    Returns where rows of tiles start and their height, where columns start
    and their width: of all ways to cut, the one with the fewest pixels to
    compute, a border included, so that seams count without overlap, too.
    Everything is a multiple of the stride, so that the net sees a tile as it
    would see the same place in the whole picture.
    """
    tile, overlap = tile // _STRIDE, overlap // _STRIDE
    lengths = [_up(side) // _STRIDE for side in (height, width)]

    def cuts(length):
        """Sizes of tiles, each with the fewest that cover the length."""
        fewest = {}
        for count in range(1, max(length - overlap, 1) + 1):
            size = math.ceil((length + (count - 1) * overlap) / count)
            fewest.setdefault(size, count)
        return fewest.items()

    ways = itertools.product(*map(cuts, lengths))
    best = min(
        (way for way in ways if math.prod(size for size, _ in way) <= tile**2),
        key=lambda way: math.prod((size + 1) * count for size, count in way),
    )
    starts_and_size = []
    for length, (size, count) in zip(lengths, best, strict=True):
        room, gaps = length - size, max(count - 1, 1)
        starts = [i * room // gaps * _STRIDE for i in range(count)]
        starts_and_size += [starts, size * _STRIDE]
    return starts_and_size


def _weights(size, overlap):
    """How much scores count along a tile: less where the net sees less."""
    place = onp.arange(1, size + 1, dtype='float32')
    return onp.minimum(onp.minimum(place, place[::-1]) / (overlap + 1), 1)


def predict(net, image, device=None, tile=960, overlap=32):
    """Segment a photo of any size: uint8 (height, width), class indices.

    `image`: a path, a Pillow image, or an array: uint8 or float from 0 to 1,
    (height, width) grey or (height, width, 3 or 4). Grey and transparent
    photos are converted, rotated ones (EXIF) set upright first.
    `net` maps a normalised batch (N, 3, h, w) to scores (N, classes, h, w),
    sides divisible by 32; its device is taken unless one is named.

    The photo is padded with the mean colour to a multiple of 32. Up to
    2 · `tile`² pixels go through the net whole. A larger photo is cut into
    equal tiles of at most `tile`² pixels, two of which go through the net at
    once. They overlap by at least `overlap` pixels; where they do, their
    scores are averaged, those near a tile's border counting less, before the
    argmax. Memory grows with `tile` squared, hardly with the photo.
    """
    if tile % _STRIDE or overlap % _STRIDE or not 0 <= overlap < tile:
        raise ValueError(
            f'tile={tile} and overlap={overlap} must be multiples of '
            f'{_STRIDE}, the overlap smaller'
        )
    photo = _as_photo(image)
    device = device or devices_of(net)[0]
    height, width = photo.shape[:2]
    if _up(height) * _up(width) <= 2 * tile**2:
        return _argmax(_padded_scores(net, photo, device))[:height, :width]
    tops, tile_height, lefts, tile_width = _tiles(height, width, tile, overlap)
    corners = list(itertools.product(tops, lefts))

    def begin(pair):
        photos = [
            pad_to(
                photo[top : top + tile_height, left : left + tile_width],
                tile_height,
                tile_width,
                MEAN_COLOR,
            )
            for top, left in pair
        ]
        return _scores(net, onp.stack(photos), device)

    # Two at once: each of two cores then works on a tile of its own. None is
    # begun ahead on a CPU, whose cores the joining of tiles needs, too.
    pairs = _ahead(
        (begin(corners[i : i + 2]) for i in range(0, len(corners), 2)),
        count=0 if device.device_type == 'cpu' else 1,
    )
    weights = onp.outer(
        _weights(tile_height, overlap), _weights(tile_width, overlap)
    )
    joined = _join(map(_read_only, pairs), tops, lefts, weights)
    label = onp.empty(
        (tops[-1] + tile_height, lefts[-1] + tile_width), dtype='uint8'
    )

    def decide(place_and_scores):
        place, scores = place_and_scores
        label[place] = _argmax(scores)[:, : label[place].shape[1]]

    # Two other threads decide while this one joins. All is done before the
    # next pair begins, which needs the cores and the memory.
    with ThreadPoolExecutor(2) as others:
        for _ in range(0, len(corners), 2):
            list(others.map(decide, itertools.islice(joined, 2)))
    return label[:height, :width]


def _join(batches, tops, lefts, weights):
    """Add to each tile the scores of tiles before it, where they overlap.

    `batches`: scores (tiles, classes, *weights.shape), row by row, of a tile
    at each of `tops` and `lefts`; in sums they count as much as `weights`
    say. Yields for each tile what no later one touches, as two slices of the
    photo, and the sums: rows as wide as the tile, which begin there.
    """
    height, width = weights.shape
    tiles = itertools.chain.from_iterable(batches)
    downs = onp.diff(tops, append=tops[-1] + height)
    acrosses = onp.diff(lefts, append=lefts[-1] + width)
    above = [None] * len(lefts)  # what tiles hand on to those below them
    for top, down in zip(tops, downs, strict=True):
        beside = None  # what a tile hands on to the one on its right
        for column, left in enumerate(lefts):
            scores = next(tiles) * weights
            if left:
                scores[:, :, : beside.shape[2]] += beside
            across = acrosses[column]
            beside = scores[:, :, across:].copy()
            if top:
                scores[:, : above[column].shape[1]] += above[column]
            above[column] = scores[:, down:].copy()
            place = slice(top, top + down), slice(left, left + across)
            yield place, scores[:, :down]
            del scores  # The next pair needs the memory.


def _padded_scores(net, photo, device):
    """Scores of a photo of any size, padded to multiples of the stride."""
    h, w = (_up(side) for side in photo.shape[:2])
    return _scores(net, pad_to(photo, h, w, MEAN_COLOR)[None], device)[0]


def _read_only(array):
    """Return an MXNet array as a NumPy array, if possible without a copy.

    Not possible on a GPU, and where oneDNN keeps an order of its own.
    """
    array.wait_to_read()  # What went wrong in MXNet is told only once: here.
    if array.ctx.device_type != 'cpu':
        return array.asnumpy()
    try:
        return onp.from_dlpack(_Exchange(array))
    except mx.MXNetError:
        return array.asnumpy()


class _Exchange:
    """What NumPy asks of an array whose memory it is to share."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, stream=None):
        return self.array.as_nd_ndarray().to_dlpack_for_read()

    def __dlpack_device__(self):
        return 1, 0  # a CPU's memory


def _ahead(items, count=1):
    """Begin `count` items more before one is used: MXNet works meanwhile."""
    items = iter(items)
    begun = deque(itertools.islice(items, count))
    while True:
        begun.extend(itertools.islice(items, 1))
        if not begun:
            return
        yield begun.popleft()  # and nothing here keeps its memory


def _argmax(scores):
    """The class with the highest score: uint8 (height, width).

    `scores`: (classes, height, width). Goes through memory in its order, one
    class after the other; `argmax` jumps, and takes several times as long.
    """
    if hasattr(scores, 'ctx'):
        if scores.ctx.device_type != 'cpu':
            return scores.argmax(axis=0).astype('uint8').asnumpy()
        scores = _read_only(scores)
    highest = scores[0].copy()
    label = onp.zeros(highest.shape, dtype='uint8')
    for index in range(1, len(scores)):
        higher = scores[index] > highest
        # Later classes have higher numbers; so the maximum is the last one.
        onp.maximum(label, higher * onp.uint8(index), out=label)
        onp.maximum(highest, scores[index], out=highest)
    return label


def evaluate(net, dataset, num_classes=None, devices=None):
    """Predict every whole image of a data set: a SegmentationMetric.

    `dataset[i]` is a photo, uint8 (height, width, 3), and its label, uint8
    (height, width). `num_classes`: of the metric, default as many as the net
    has scores for. The images are spread over the devices (default: those of
    the net).
    """
    if not len(dataset):
        raise ValueError('there is no image to evaluate a net on')
    devices = devices or devices_of(net)
    metric = None

    def labels_and_scores():
        for i in range(len(dataset)):
            photo, label = dataset[i]
            device = devices[i % len(devices)]
            yield label, _padded_scores(net, photo, device)

    for label, scores in _ahead(labels_and_scores(), len(devices)):
        height, width = label.shape
        if metric is None:
            metric = SegmentationMetric(num_classes or len(scores))
        metric.update(label, _argmax(scores)[:height, :width])
    return metric


# --------------------------------------------------------------- Training


def classes_last(scores):
    """Turn scores (N, C, H, W) into (N, H, W, C).

    What `scores.transpose(0, 2, 3, 1)` does, by the operator of MXNet's older
    arrays: that one is oneDNN's and takes half the time on a CPU.
    """
    return scores.as_nd_ndarray().transpose((0, 2, 3, 1)).as_np_ndarray()


def train(
    net,
    batches,
    loss,
    num_epochs,
    optimizer='adam',
    optimizer_params=None,
    power=0.9,
    val_data=None,
    devices=None,
    checkpoint=None,
    kvstore='device',
    precision='float32',
    accumulate=1,
    quiet=False,
):
    """Train a net and return its history.

    `batches`: a `Batches`, or anything like it that can be iterated once an
    epoch, has `len`, `epoch`, `batch_size` and `seed`. Photos of dtype uint8
    are normalised (`normalize`), other arrays are taken as they are.
    `loss(scores, labels)`: an array of losses, 0 where the label is VOID;
    their sum over all devices and workers is divided by the number of other
    pixels, so neither void nor their number changes the size of a step.
    `optimizer`, `optimizer_params`: as `gluon.Trainer` takes them; the
    learning rate falls from what is given there to zero as
    (1 - done) ** power, where `done` is the share of steps taken.
    `val_data`: photos and labels for `evaluate`, after each epoch.
    `devices`: default `try_all_gpus()`; every batch is split over them.
    `checkpoint`: a file, replaced after each epoch in one step. If it is
    there, training goes on after its last epoch and ends as if it had never
    stopped; MXNet's generator is seeded anew in each epoch for that.
    `kvstore`: where gradients are added up. 'device': over the devices of
    this machine; 'dist_sync': also over all workers that tools/launch.py or
    a cluster started. Each worker sets `batches.part` and so reads its share
    of every batch; all begin with the parameters of rank 0, which alone
    evaluates, prints and writes the checkpoint. All read it: it must lie
    where all of them see it. A process can join such a run once.
    `precision`: 'float16' computes layers in half precision where that is
    safe, by MXNet's AMP, from then on in the whole process; GPUs only.
    `accumulate`: in how many parts, one after the other, a batch goes
    through the net. Their gradients are added: the same step with about as
    many times less memory. (Batch normalisation sees the parts.)
    `quiet`: show nothing, as where many nets are trained in a row.

    Returns a dict of lists with one number an epoch: `loss` (mean over the
    pixels that count), `examples_per_second` (of all workers, without
    evaluation) and, with `val_data` and on rank 0, `pixel_accuracy` and
    `mean_iu`.

    Raises FloatingPointError if the loss is not finite (the checkpoint of
    the epoch before stays), ValueError if the checkpoint is damaged or of a
    run with other settings, MemoryError, with a batch that fits, if the
    device's memory does not suffice.
    """
    devices = devices or try_all_gpus()
    optimizer_params = {'learning_rate': 1e-3} | (optimizer_params or {})
    settings = {
        'num_epochs': num_epochs,
        'batch_size': batches.batch_size,
        'seed': batches.seed,
        'optimizer': optimizer,
        'optimizer_params': optimizer_params,
        'power': power,
    }
    _move(net, devices)
    with (
        _Workers(kvstore) as workers,
        _adding_gradients(net, accumulate > 1),
    ):
        first = workers.rank == 0
        if workers.count > 1:
            batches.part = workers.rank, workers.count
            _lay_out_anew(net, devices)
        # Gradients are summed over the devices, then every device updates.
        trainer = gluon.Trainer(
            net.collect_params(),
            optimizer,
            dict(optimizer_params),
            kvstore=workers.store
            if workers.count * len(devices) > 1
            else None,
            update_on_kvstore=False,
        )
        if precision != 'float32':
            _compute_in(precision, net, trainer, devices)
        history = {'loss': [], 'examples_per_second': []}
        if val_data is not None and first:
            history |= {'pixel_accuracy': [], 'mean_iu': []}
        if checkpoint is not None and workers.all_see(checkpoint):
            stored = _load_checkpoint(
                checkpoint, net, trainer, devices, settings
            )
            history = {name: stored[name] for name in history}
        speaks = first and not quiet
        with _Report(history, num_epochs, len(batches), speaks) as report:
            for epoch in range(len(history['loss']), num_epochs):
                batches.epoch = epoch
                seed = batches.seed * 100_003 + epoch
                mx.random.seed(seed * workers.count + workers.rank)
                total, valid, start = 0.0, 0, time.perf_counter()
                for step, (images, labels) in enumerate(batches):
                    share = (epoch + step / len(batches)) / num_epochs
                    rate = (1 - share) ** power
                    rate *= optimizer_params['learning_rate']
                    trainer.set_learning_rate(rate)
                    with _memory_explained(
                        net, images, devices, accumulate, settings
                    ):
                        batch_loss, batch_valid = _step(
                            net,
                            images,
                            labels,
                            loss,
                            trainer,
                            devices,
                            accumulate,
                            workers,
                        )
                    if not math.isfinite(batch_loss):
                        raise FloatingPointError(
                            f'the loss is {batch_loss} in epoch {epoch + 1}, '
                            f'step {step + 1}: a smaller learning rate than '
                            f'{rate:.3g} may help'
                        )
                    total, valid = total + batch_loss, valid + batch_valid
                    report.step(step + 1, total / max(valid, 1))
                npx.waitall()
                seconds = time.perf_counter() - start
                _average_statistics(net, workers)
                history['loss'].append(total / max(valid, 1))
                history['examples_per_second'].append(
                    len(batches) * batches.batch_size / seconds
                )
                if 'mean_iu' in history:
                    metric = evaluate(net, val_data, devices=devices)
                    history['pixel_accuracy'].append(metric.pixel_accuracy)
                    history['mean_iu'].append(metric.mean_iu)
                if checkpoint is not None and first:
                    _save_checkpoint(
                        checkpoint, net, trainer, settings, history
                    )
                report.epoch()
    return history


def _step(net, images, labels, loss, trainer, devices, parts, workers):
    """Take one step: (sum of the losses, number of labels that count).

    Both are those of all workers.
    """
    valid = int(workers.sum([onp.count_nonzero(_host(labels) != VOID)])[0])
    if not valid:
        return 0.0, 0  # nothing to learn from
    workers.share_parameters(net, trainer, images[:1], devices)
    losses = []
    for part in zip(_split(images, parts), _split(labels, parts), strict=True):
        with autograd.record():
            losses += _backward(net, *part, loss, trainer, devices)
        if parts > 1:
            npx.waitall()  # before the next part takes memory
    trainer.step(valid)
    if parts > 1:
        _zero_gradients(net)
    total = sum(float(part.item()) for part in losses)
    return float(workers.sum([total])[0]), valid


def _split(batch, parts):
    """Split a batch; MXNet would copy it even into a single part."""
    if parts == 1:
        return [batch]
    return gluon.utils.split_data(batch, parts, even_split=False)


def _backward(net, images, labels, loss, trainer, devices):
    """Compute gradients; return the sum of the losses on each device."""
    losses = []
    for x, y in zip(
        gluon.utils.split_and_load(images, devices, even_split=False),
        gluon.utils.split_and_load(labels, devices, even_split=False),
        strict=True,
    ):
        losses.append(loss(net(_normalized(x)), y).sum())
    if hasattr(trainer, '_amp_loss_scaler'):
        with _amp().scale_loss(losses, trainer) as scaled:
            autograd.backward(scaled)
    else:
        autograd.backward(losses)
    return losses


def _normalized(images):
    """Photos as the net takes them; those that are not uint8 already are."""
    return normalize(images) if images.dtype == onp.uint8 else images


def _trained(net):
    """The parameters of a net that have a gradient."""
    return [p for p in net.collect_params().values() if p.grad_req != 'null']


def _zero_gradients(net):
    for parameter in _trained(net):
        for gradient in parameter.list_grad():
            gradient[...] = 0


@contextmanager
def _adding_gradients(net, adding):
    """Let each backward pass add to the gradients, if `adding`."""
    before = {p: p.grad_req for p in _trained(net)} if adding else {}
    for parameter in before:
        parameter.grad_req = 'add'  # and the gradient becomes 0
    try:
        yield
    finally:
        for parameter, grad_req in before.items():
            parameter.grad_req = grad_req


class _Workers:
    """The processes that train one net together, each on its own share.

    `count` is 1 for the kvstores of one machine. Used in `with`: a worker
    that fails in there leaves without waiting for the others.
    """

    KEY = 1_000_000  # above all keys that a Trainer gives its parameters
    joined = False

    def __init__(self, kvstore):
        if 'async' in kvstore:
            raise ValueError(
                f'kvstore={kvstore!r} lets workers run ahead of each other; '
                "train needs 'dist_sync'"
            )
        if 'dist' in kvstore:
            if 'DMLC_ROLE' not in os.environ:
                raise ValueError(
                    f'kvstore={kvstore!r} needs a scheduler and servers: '
                    'start this script with tools/launch.py'
                )
            if _Workers.joined:
                raise RuntimeError(
                    'a process can train with workers once: its servers '
                    'still hold the parameters of the first training'
                )
            _Workers.joined = True
        self.store = mx.kv.create(kvstore)
        self.rank, self.count = self.store.rank, self.store.num_workers
        self.keys, self.shared = set(), False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and self.count > 1:
            # By itself a process waits, when it ends, for all others.
            mx.base.check_call(
                mx.base._LIB.MXKVStoreSetBarrierBeforeExit(
                    self.store.handle, ctypes.c_int(0)
                )
            )

    def sum(self, numbers):
        """Add up vectors of one length over the workers, in float64."""
        if self.count == 1:
            return numbers
        vector = np.array(numbers, dtype='float64')
        key = self.KEY + len(numbers)
        if key not in self.keys:
            self.store.init(key, np.zeros_like(vector))
            self.keys.add(key)
        self.store.pushpull(key, vector, out=vector)
        return vector.asnumpy()

    def all_see(self, path):
        """Whether a file exists. Raises if that differs between workers."""
        there = Path(path).exists()
        if self.sum([there])[0] != there * self.count:
            raise FileNotFoundError(
                f'not every worker sees {path}: lay it where all of them do'
            )
        return there

    def share_parameters(self, net, trainer, photo, devices):
        """Give all workers the parameters of rank 0, before the first step.

        The trainer would do it only after the first backward pass.
        """
        if self.count == 1 or self.shared:
            return
        for device in devices:  # some layers learn their sizes from a photo
            net(_normalized(photo.as_in_ctx(device)))
        _lay_out_anew(net, devices)
        if not trainer._kv_initialized:
            trainer._init_kvstore()
        trainer._init_params()
        self.shared = True


def freeze_batch_norm(net):
    """Let batch normalisation use its running statistics, and keep them.

    In training, too: then a photo's scores do not depend on the others in
    its batch. Scale and shift (gamma, beta) are trained as before.
    """

    def freeze(block):
        if isinstance(block, gluon.nn.BatchNorm):
            block._kwargs['use_global_stats'] = True

    net.apply(freeze)
    _forget_graphs(net)


def _forget_graphs(net):
    """Let hybridized blocks trace their layers anew."""
    for block in _blocks(net):
        if isinstance(block, gluon.HybridBlock):
            block._clear_cached_op()


def _blocks(net):
    """A block and all that are in it."""
    found = []
    net.apply(found.append)
    return found


def _average_statistics(net, workers):
    """Give all devices and workers the mean of their running statistics.

    Each has seen other photos; from here on all replicas are equal.
    """
    moving = [
        parameter
        for name, parameter in net.collect_params().items()
        if name.endswith(('running_mean', 'running_var'))
    ]
    if not moving or len(moving[0].list_ctx()) * workers.count == 1:
        return
    mean = onp.concatenate(
        [onp.mean([_host(d) for d in p.list_data()], axis=0) for p in moving]
    )
    mean = workers.sum(mean.astype('float64')) / workers.count
    ends = onp.cumsum([p.data(p.list_ctx()[0]).size for p in moving])
    for parameter, values in zip(
        moving, onp.split(mean, ends[:-1]), strict=True
    ):
        parameter.set_data(np.array(values, dtype='float32'))


# ------------------------------------------------- Half precision, memory


def _amp():
    """MXNet's automatic mixed precision, wherever this version keeps it."""
    if _ON_MXNET1:
        from mxnet.contrib import amp
    else:
        from mxnet import amp
    return amp


def _compute_in(precision, net, trainer, devices):
    """Switch on AMP for this process, and its loss scaling for a trainer."""
    if precision != 'float16':
        raise ValueError(
            f"precision is 'float32' or 'float16', not {precision!r}"
        )
    _refuse_cpus(devices)
    amp = _amp()
    logging.disable(logging.WARNING)  # «made before»: see below
    amp.init('float16')
    logging.disable(logging.NOTSET)
    _teach_amp_numpy()
    _forget_graphs(net)  # what was traced before has no casts
    amp.init_trainer(trainer)


def _refuse_cpus(devices):
    """Raise if float16 would be computed on a CPU."""
    slow = [device for device in devices if device.device_type != 'gpu']
    if slow:
        raise ValueError(
            f"precision='float16' needs GPUs, and this would run on {slow}: "
            'CPUs have no arithmetic for it; leave precision out'
        )


# What AMP casts its own operators to, for those that it does not know.
_CASTS = {
    'float16': 'convolution deconvolution fully_connected'.split(),
    'float32': 'softmax log_softmax'.split(),
}


def _teach_amp_numpy():
    """Let AMP cast for NumPy's operators, too, as far as it does not.

    In MXNet 1 it knows their older names only, and so would do nothing, and
    its check of gradients takes older arrays only; in both versions, `np.dot`
    gets its two factors as they come, even if they differ.
    """
    _cast_arguments(mx.numpy, ['dot', 'matmul'], 'float16')
    if _ON_MXNET1:
        for module in (mx.ndarray, mx.symbol, mx):
            for dtype, names in _CASTS.items():
                _cast_arguments(module.numpy_extension, names, dtype)
        _amp().loss_scaler.multi_all_finite = _all_finite


def _all_finite(*arrays, **options):
    """What AMP of MXNet 1 asks of gradients, for NumPy's arrays."""
    older = [array.as_nd_ndarray() for array in arrays]
    return mx.nd.multi_all_finite(*older, **options)


def _cast_arguments(module, names, dtype):
    """Let functions of a module cast what they get, if it is on a GPU."""

    def cast(x):
        if isinstance(x, mx.symbol.numpy._Symbol):  # a graph that is traced
            return x.astype(dtype)
        if (
            isinstance(x, np.ndarray)
            and x.ctx.device_type == 'gpu'
            and onp.dtype(x.dtype).name in ('float16', 'float32')
        ):
            return x.astype(dtype, copy=False)
        return x

    def casting(function):
        def cast_and_call(*args, **kwargs):
            kwargs = {name: cast(value) for name, value in kwargs.items()}
            return function(*map(cast, args), **kwargs)

        cast_and_call.casts_to = dtype
        return cast_and_call

    for name in names:
        function = getattr(module, name)
        if not hasattr(function, 'casts_to'):  # once is enough
            setattr(module, name, casting(function))


# A loss and its way back hold about as many arrays of the size of the scores:
# reordered, as logarithms, masked, and the gradients of these. The number was
# fitted to measurements of chapter 4's net on a CPU, with this book's loss.
_LOSS_MAPS = 5


def training_memory(net, shape, optimizer='adam', optimizer_params=None):
    """Estimate the memory of training on one device: a dict of bytes.

    `shape`: (N, 3, height, width), the photos that the device gets at a
    time. One photo of that size goes through the net, layer by layer, and
    what comes out of each layer is counted: it is kept for the way back, and
    there its gradient is as large. Activation layers work in place.

    The keys are 'parameters', 'gradients', 'optimizer' (its moving means),
    'layers' (outputs and their gradients), 'loss' and 'total'. What a
    library needs besides (CUDA's context, scratch memory) is not in it.
    """
    layers, scores = _layer_sizes(net, (1, *shape[1:]))
    parameters = [
        p.data(p.list_ctx()[0]) for p in net.collect_params().values()
    ]
    trained = [p.data(p.list_ctx()[0]) for p in _trained(net)]
    state = mx.optimizer.create(optimizer, **(optimizer_params or {}))
    bytes_of = {
        'parameters': sum(4 * p.size for p in parameters),
        'gradients': sum(4 * p.size for p in trained),
        'optimizer': sum(
            4 * _size(state.create_state(0, p[:1])) * len(p) for p in trained
        ),
    }
    bytes_of['layers'] = 2 * 4 * sum(layers) * shape[0]
    bytes_of['loss'] = _LOSS_MAPS * 4 * scores * shape[0]
    return bytes_of | {'total': sum(bytes_of.values())}


def _size(state):
    """How many numbers an optimizer's state has: an array, some, or None."""
    if state is None:
        return 0
    if isinstance(state, (tuple, list)):
        return sum(map(_size, state))
    return state.size


def _layer_sizes(net, shape):
    """Numbers that leave each layer: a list, and those of the scores."""
    sizes, hooks, active = [], [], []

    def count(block, inputs, output):
        sizes.append(output.size)

    for block in _blocks(net):
        if getattr(block, '_active', False):
            block._active = False  # else its layers would not be called
            active.append(block)
        in_place = isinstance(block, gluon.nn.Activation)
        if not block._children and not in_place:
            hooks.append(block.register_forward_hook(count))
    try:
        scores = net(np.zeros(shape, ctx=devices_of(net)[0]))
        scores.wait_to_read()
    finally:
        for block in active:
            block._active = True
        for hook in hooks:
            hook.detach()
    return sizes, scores.size


def _device_memory(device):
    """The memory of a device in bytes, used or not."""
    if device.device_type == 'gpu':
        return mx.context.gpu_memory_info(device.device_id)[1]
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


@contextmanager
def _memory_explained(net, images, devices, parts, settings):
    """Turn MXNet's error that memory is used up into one that helps."""
    try:
        yield
    except mx.base.MXNetError as error:
        signs = 'out of memory', 'memory allocation failed', 'ALLOC_FAILED'
        text = str(error).lower()
        if not any(sign.lower() in text for sign in signs):
            raise
        raise MemoryError(
            _what_fits(net, images, devices, parts, settings)
        ) from error


def _what_fits(net, images, devices, parts, settings):
    """Say how large a part of the batch a device can take."""
    if images.dtype == onp.uint8:
        channels_last = images.shape
        size = channels_last[3], *channels_last[1:3]
    else:
        size = images.shape[1:]
    optimizer = settings['optimizer'], settings['optimizer_params']
    asked = math.ceil(len(images) / parts / len(devices))
    needs = training_memory(net, (asked, *size), *optimizer)
    one = training_memory(net, (1, *size), *optimizer)
    photo = one['layers'] + one['loss']
    there = min(map(_device_memory, devices))
    fits = min(int((there - one['total'] + photo) // photo), asked - 1)
    gib = 2**30
    text = (
        f'{asked} photos of {size[1]} x {size[2]} at a time do not fit on '
        f'{devices[0]}: training needs about {needs["total"] / gib:.1f} GiB, '
        f'{there / gib:.1f} are there. '
    )
    if fits < 1:
        return text + 'Not even one photo fits: make them smaller.'
    parts = math.ceil(len(images) / (fits * len(devices)))
    return text + (
        f'{fits} fit: batch_size={fits * len(devices)}, or the same batch '
        f'in parts, accumulate={parts}.'
    )


def _move(net, devices):
    """Put the parameters of a net on the devices, values kept."""
    for parameter in net.collect_params().values():
        if parameter.list_ctx() != list(devices):
            parameter.reset_ctx(devices)


def _lay_out_anew(net, devices):
    """Give parameters new arrays with the same values.

    A forward pass may let oneDNN order weights in its own way; a KVStore
    cannot send them like that.
    """
    for parameter in net.collect_params().values():
        parameter.reset_ctx(devices)


def save_net(path, net, table):
    """Save a net and what its classes are called as one file.

    A zip file, complete or not at all: `parameters`, which is what
    `net.load_parameters` reads, and `classes.json`. `table`: a class table.
    `make predict` reads it, and `tools.predict.load_net` in Python.
    """
    files = {'parameters': net.save_parameters}
    _write_zip(path, files, {'classes.json': _table_to_json(table)})


def _table_to_json(table):
    """The arguments that make a class table, as JSON has them."""
    return {
        'names': table.names,
        'colors': table.colormap[: len(table.names)].tolist(),
        'void': table.void,
        'void_color': table.colormap[VOID].tolist(),
    }


def _save_checkpoint(path, net, trainer, settings, history):
    """Write parameters, optimizer and history as one file, all or nothing."""
    files = {'parameters': net.save_parameters, 'trainer': trainer.save_states}
    run = {'settings': settings, 'history': history}
    _write_zip(path, files, {'run.json': run})


def _write_zip(path, files, objects):
    """Write a zip file in one step.

    `files`: from a name to a function that writes the file it is given;
    `objects`: from a name to what is stored as JSON.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        with zipfile.ZipFile(f'{folder}/whole', 'w') as archive:
            for name, save in files.items():
                save(f'{folder}/{name}')
                archive.write(f'{folder}/{name}', name)
            for name, value in objects.items():
                archive.writestr(name, json.dumps(value))
        os.replace(f'{folder}/whole', path)


def _load_checkpoint(path, net, trainer, devices, settings):
    """Restore net and trainer and return the history."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                run = json.loads(archive.read('run.json'))
                for name in ('parameters', 'trainer'):
                    archive.extract(name, folder)
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise ValueError(
                f'{path} is not a checkpoint of train: {error}'
            ) from error
        for name, value in settings.items():
            if run['settings'].get(name) != value:
                raise ValueError(
                    f'{path} is of a run with {name}='
                    f'{run["settings"].get(name)!r}, not {value!r}'
                )
        try:
            net.load_parameters(f'{folder}/parameters', devices)
        except (AssertionError, mx.base.MXNetError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f'{path} is of another network: {first}'
            ) from error
        trainer.load_states(f'{folder}/trainer')
    return run['history']


class _Report:
    """Show how training goes: live in Jupyter, plain lines elsewhere.

    In Jupyter one output is redrawn, and ends as the figure of the curves.
    """

    def __init__(self, history, num_epochs, num_steps, speaks=True):
        self.history, self.speaks = history, speaks
        self.num_epochs, self.num_steps = num_epochs, num_steps
        self.handle, self.drawn = None, 0.0

    def __enter__(self):
        if self.speaks and _in_jupyter():
            from IPython.display import HTML, display

            self.handle = display(HTML(''), display_id=True)
        return self

    def step(self, step, loss):
        """Redraw the progress bar, at most four times a second."""
        if self.handle is None or time.monotonic() - self.drawn < 0.25:
            return
        from IPython.display import HTML

        self.drawn = time.monotonic()
        epoch = len(self.history['loss'])
        done = epoch * self.num_steps + step
        svg = self._curves()._repr_svg_() if epoch else ''
        self.handle.update(
            HTML(
                f'<progress value="{done}" '
                f'max="{self.num_epochs * self.num_steps}"></progress> '
                f'epoch {epoch + 1} of {self.num_epochs}, '
                f'step {step} of {self.num_steps}, loss {loss:.3f}{svg}'
            )
        )

    def epoch(self):
        """Print the line of an epoch, where nothing is drawn."""
        if self.speaks and self.handle is None:
            print(self._line(), flush=True)

    def __exit__(self, *error):
        if self.handle is None or not self.history['loss']:
            return
        if len(self.history['loss']) > 1:
            self.handle.update(self._curves())
        else:  # one point makes no curve
            self.handle.update({'text/plain': self._line()}, raw=True)

    def _line(self):
        last = {name: values[-1] for name, values in self.history.items()}
        line = f'epoch {len(self.history["loss"])}/{self.num_epochs}: '
        line += f'loss {last["loss"]:.3f}, '
        if 'mean_iu' in last:
            line += f'pixel accuracy {last["pixel_accuracy"]:.3f}, '
            line += f'mean IU {last["mean_iu"]:.3f}, '
        return line + f'{last["examples_per_second"]:.1f} examples/s'

    def _curves(self):
        names = {
            'loss': 'training loss',
            'pixel_accuracy': 'pixel accuracy',
            'mean_iu': 'mean IU',
        }
        curves = {
            label: self.history[name]
            for name, label in names.items()
            if name in self.history
        }
        ends = ', '.join(f'{n} {v[-1]:.3f}' for n, v in curves.items())
        epochs = range(1, len(self.history['loss']) + 1)
        return _curves_picture(
            epochs, curves, f'Curves by epoch, ending at {ends}.'
        )


def _in_jupyter():
    """Whether this runs in a Jupyter kernel (a terminal does not count)."""
    if 'ipykernel' not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), 'kernel')


# --------------------------------------------------------------- Pictures

# Every picture of the book is made here: drawings leave as SVG, photos as
# JPEG, both on a white card, without a date, and with a sentence inside that
# says what is to be seen, for whoever cannot see it. matplotlib is imported
# when the first picture is drawn, and without a window system.

# Told apart in grey and by colour-blind eyes (Okabe and Ito's set).
_COLORS = '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a6a00', '#333333'
_DASHES = '-', '--', '-.', ':', (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))
_PHOTO_WIDTH = 1400  # pixels; twice the width of a page's text


def _new_figure(width, height):
    """Make an empty white figure of width x height inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor='white')


def _add_axes(fig, left, bottom, width, height):
    """Add axes at a place given in inches from the lower left corner."""
    whole_width, whole_height = fig.get_size_inches()
    return fig.add_axes(
        (
            left / whole_width,
            bottom / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def _render(fig, alt, photo=False):
    """Turn a matplotlib figure into the bytes of a picture file.

    Args:
        fig: a matplotlib Figure.
        alt: the sentence for whoever cannot see the picture; it becomes the
            SVG's title or the JPEG's comment.
        photo: True makes a JPEG, False an SVG.

    Returns:
        bytes; the same figure gives the same bytes.

    Raises:
        ValueError: alt is empty.
    """
    import io

    import matplotlib

    if not alt or not alt.strip():
        raise ValueError('alt must say in a sentence what is to be seen')
    data = io.BytesIO()
    if not photo:
        fixed = {'svg.hashsalt': 'book', 'svg.fonttype': 'none'}
        with matplotlib.rc_context(fixed):
            fig.savefig(
                data,
                format='svg',
                metadata={'Title': alt, 'Date': None, 'Creator': None},
            )
        # Without the lines of XML before it, a drawing can stand in HTML.
        return data.getvalue()[data.getvalue().index(b'<svg') :]
    fig.savefig(
        data,
        format='png',
        dpi=min(200, _PHOTO_WIDTH / fig.get_figwidth()),
    )
    jpeg = io.BytesIO()
    Image.open(data).convert('RGB').save(
        jpeg, 'JPEG', quality=88, subsampling=0, comment=alt.encode()
    )
    return jpeg.getvalue()


class _Picture:
    """A finished picture that Jupyter shows, its text for whoever cannot."""

    def __init__(self, fig, alt, photo=False):
        """Render fig, see `_render`."""
        data = _render(fig, alt, photo)
        if photo:
            kind, width = 'image/jpeg', round(fig.get_figwidth() * 96)
            self.metadata = {kind: {'width': width, 'alt': alt}}
        else:
            kind, data = 'image/svg+xml', data.decode()
            self.metadata = {}
        self.data = {kind: data, 'text/plain': alt}
        # In pixels of a page.
        self.size = [round(96 * side) for side in fig.get_size_inches()]

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.data, self.metadata

    def _repr_svg_(self):
        return self.data.get('image/svg+xml')


# Where `vary` collects the pictures that it replaces; each thread its own, for
# JupyterLab lets a control and a cell run at the same time.
_stage = threading.local()


def _show(fig, alt, photo=False):
    """Show a figure under the running cell; in a plain script do nothing.

    Args:
        fig: a matplotlib Figure.
        alt: the sentence for whoever cannot see the picture.
        photo: True for a picture with photos in it (JPEG), False for a
            drawing (SVG).
    """
    picture = _Picture(fig, alt, photo)
    if getattr(_stage, 'pictures', None) is not None:
        _stage.pictures.append(picture)
    elif _in_jupyter():
        from IPython.display import display

        display(picture)


def _as_picture(image):
    """Check one image and return it as uint8 NumPy, H x W or H x W x 3."""
    if isinstance(image, Image.Image):
        image = image.convert('L' if image.mode in ('1', 'L') else 'RGB')
    elif hasattr(image, 'asnumpy'):  # MXNet
        image = image.asnumpy()
    image = onp.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise ValueError(
            'an image has the shape height x width or height x width x 3, '
            f'not {image.shape}'
        )
    if image.size == 0:
        raise ValueError(f'an image of shape {image.shape} is empty')
    if image.dtype == bool or image.dtype.kind == 'f':
        # Half a grey level of room: interpolation rounds.
        if not (image.min() >= -0.002 and image.max() <= 1.002):
            raise ValueError(
                'a float image has values from 0 to 1, '
                f'not from {image.min():g} to {image.max():g}'
            )
        image = onp.rint(onp.clip(image, 0, 1) * 255)
    elif image.min() < 0 or image.max() > 255:
        raise ValueError(
            'an integer image has values from 0 to 255, '
            f'not from {image.min()} to {image.max()}'
        )
    return image.astype('uint8')


def show_images(imgs, num_rows, num_cols, titles=None, scale=1.5, alt=None):
    """Show images in a grid, row by row.

    Args:
        imgs: list of images, each of its own size: NumPy or MXNet arrays
            of shape (height, width, 3) or (height, width), integers from
            0 to 255 or floats from 0 to 1 or booleans; or Pillow images.
        num_rows: number of rows of the grid.
        num_cols: number of columns of the grid.
        titles: list of as many strings, written above the images.
        scale: width of a column in inches.
        alt: a sentence that says what is to be seen, for whoever cannot
            see it; without it the titles are read.

    Raises:
        ValueError: more images than the grid has places, none at all,
            another number of titles, a shape or values that are no image.
    """
    if not 0 < len(imgs) <= num_rows * num_cols:
        raise ValueError(
            f'{len(imgs)} images do not fit a grid of {num_rows} x '
            f'{num_cols}: it takes 1 to {num_rows * num_cols}'
        )
    if titles is not None and len(titles) != len(imgs):
        raise ValueError(f'{len(titles)} titles for {len(imgs)} images')
    pictures = [_as_picture(image) for image in imgs]
    alt = alt or 'Images: ' + '; '.join(titles or ['without titles'])
    gap, title_height = 0.08, 0.3 if titles else 0
    # As large as fits the longest title over its column.
    longest = max([1, *map(len, titles or [])])
    fontsize = min(11.5, max(7, 72 * scale / (0.58 * longest)))
    # A row is as high as its highest image, shown as wide as the column.
    heights = [
        max(
            scale * picture.shape[0] / picture.shape[1]
            for picture in pictures[first : first + num_cols]
        )
        for first in range(0, len(pictures), num_cols)
    ]
    width = num_cols * (scale + gap) + gap
    height = sum(heights) + len(heights) * (gap + title_height) + gap
    fig = _new_figure(width, height)
    top = height
    for row, row_height in enumerate(heights):
        top -= gap + title_height
        for col in range(num_cols):
            index = row * num_cols + col
            if index >= len(pictures):
                break
            picture = pictures[index]
            shown = scale * picture.shape[0] / picture.shape[1]
            left = gap + col * (scale + gap)
            box = left, top - shown, scale, shown
            axes = _add_axes(fig, *box)
            axes.imshow(picture, cmap='gray', vmin=0, vmax=255)
            axes.set_axis_off()
            if titles:
                axes.set_title(titles[index], fontsize=fontsize, pad=4)
        top -= row_height
    _show(fig, alt, photo=True)


def overlay(photo, label, table, strength=0.6):
    """Lay the colours of a label over its photo: uint8 (height, width, 3).

    `photo`: uint8 (height, width, 3); `label`: integers (height, width);
    `table`: a class table. Where its colour is black, VOC's background, the
    photo stays as it is. `strength`: from 0, the photo, to 1, the colour.
    """
    if photo.shape != (*label.shape, 3):
        raise ValueError(f'a photo {photo.shape}, a label {label.shape}')
    colors = table.colormap[label]
    mixed = onp.rint((1 - strength) * photo + strength * colors)
    return onp.where(_shown(table)[label][..., None], mixed, photo).astype(
        'uint8'
    )


def _shown(table):
    """Which indices `overlay` draws: bool (256,)."""
    return table.colormap.any(axis=1)


def show_overlay(photo, label, table, width=6, alt=None):
    """Show a photo under its label, and below it what the colours mean.

    `photo`, `label`, `table`: see `overlay`. The legend has the classes that
    occur, each with its share of the pixels. `width`: in inches. `alt`: a
    sentence that says what is to be seen; the legend's words by default.
    """
    fig, words = _draw_overlay(photo, label, table, width)
    _show(fig, alt or words, photo=True)


def save_overlay(path, photo, label, table, width=7):
    """Write what `show_overlay` shows as a JPEG, complete or not at all."""
    fig, words = _draw_overlay(photo, label, table, width)
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        Path(folder, 'overlay').write_bytes(_render(fig, words, photo=True))
        os.replace(Path(folder, 'overlay'), path)


def _draw_overlay(photo, label, table, width):
    """Make the figure of `show_overlay`, and the words of its legend."""
    from matplotlib.patches import Patch

    mixed = overlay(photo, label, table)
    counts = onp.bincount(label.ravel(), minlength=256)
    entries = {
        index: f'{name} {counts[index] / label.size:.1%}'
        for index, name in [*enumerate(table.names), (VOID, 'void')]
        if counts[index] and _shown(table)[index]
    }
    words = ', '.join(entries.values()) or f'nothing but {table.names[0]}'
    columns = max(1, int(width / 1.9))
    rows = max(1, math.ceil(len(entries) / columns))
    below = 0.1 + 0.26 * rows
    height = width * photo.shape[0] / photo.shape[1]
    fig = _new_figure(width, height + below)
    axes = _add_axes(fig, 0, below, width, height)
    axes.imshow(mixed)
    axes.set_axis_off()
    if entries:
        fig.legend(
            handles=[
                Patch(color=table.colormap[index] / 255, label=text)
                for index, text in entries.items()
            ],
            loc='lower left',
            ncols=columns,
            fontsize=11,
            frameon=False,
            borderaxespad=0.1,
            handlelength=1,
        )
    else:
        fig.text(0.02, 0.1 / (height + below), words, fontsize=11)
    return fig, f'A photo under its label: {words}.'


def plot(
    x, curves, xlabel, ylabel, alt, ylim=None, marker=None, size=(6, 3.4)
):
    """Draw curves over one axis, each with its own colour and dashes.

    Args:
        x: the positions, a sequence of numbers; None counts 1, 2, 3 …
        curves: dict from a name to its values (a sequence as long as x), or
            to a pair (positions, values) for a curve with its own positions.
        xlabel: what x is, with its unit.
        ylabel: what the values are, with their unit.
        alt: a sentence that says what is to be seen.
        ylim: pair (lowest, highest) of the vertical axis; None fits it.
        marker: matplotlib's sign for a marker at each value, such as 'o'.
        size: width and height in inches.

    Raises:
        ValueError: a curve with another number of values than positions.
    """
    _show(_draw_curves(x, curves, xlabel, ylabel, ylim, marker, size), alt)


def _curves_picture(epochs, curves, alt):
    """Make the picture of training curves, dict from name to values."""
    fig = _draw_curves(epochs, curves, 'epoch', 'value', None, 'o')
    return _Picture(fig, alt)


def _draw_curves(x, curves, xlabel, ylabel, ylim, marker, size=(6, 3.4)):
    """Make the figure of `plot` without showing it."""
    fig = _new_figure(*size)
    fig.set_layout_engine('constrained')
    axes = fig.add_subplot()
    for index, (name, values) in enumerate(curves.items()):
        positions = x
        if isinstance(values, tuple) and len(values) == 2:
            positions, values = values
        if positions is None:
            positions = range(1, len(values) + 1)
        if len(positions) != len(values):
            raise ValueError(
                f'curve {name!r}: {len(values)} values at '
                f'{len(positions)} positions'
            )
        axes.plot(
            [float(position) for position in positions],
            [float(value) for value in values],
            label=name,
            color=_COLORS[index % len(_COLORS)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=2,
            marker=marker,
        )
    axes.set_xlabel(xlabel, fontsize=12)
    axes.set_ylabel(ylabel, fontsize=12)
    axes.tick_params(labelsize=11)
    axes.grid(color='#dddddd')
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    if ylim is not None:
        axes.set_ylim(*ylim)
    if len(curves) > 1:
        axes.legend(
            loc='lower left',
            bbox_to_anchor=(0, 1),
            ncols=min(3, len(curves)),
            fontsize=11,
            frameon=False,
            borderaxespad=0.2,
        )
    return fig


def plot_bars(names, values, xlabel, alt, log=False, size=None):
    """Draw one horizontal bar for each name, its value written at the end.

    Args:
        names: list of strings, drawn from top to bottom.
        values: as many numbers.
        xlabel: what the values are, with their unit.
        alt: a sentence that says what is to be seen.
        log: True for a logarithmic axis; values must then be positive.
        size: width and height in inches; None gives each bar 0.3 inches.

    Raises:
        ValueError: another number of values than of names.
    """
    if len(names) != len(values):
        raise ValueError(f'{len(values)} values for {len(names)} names')
    fig = _new_figure(*(size or (6, 0.3 * len(names) + 0.9)))
    fig.set_layout_engine('constrained')
    axes = fig.add_subplot()
    numbers = [float(value) for value in values]
    bars = axes.barh(range(len(names)), numbers, color=_COLORS[0], log=log)
    axes.bar_label(bars, fmt='{:,.4g}', padding=3, fontsize=10.5)
    axes.set_yticks(range(len(names)), names, fontsize=11)
    axes.tick_params(axis='x', labelsize=11)
    axes.margins(x=0.15, y=0.02)
    axes.invert_yaxis()
    axes.set_xlabel(xlabel, fontsize=12)
    axes.spines[['top', 'right']].set_visible(False)
    _show(fig, alt)


def show_matrix(matrix, alt, titles=None, digits=3, size=0.42):
    """Draw matrices side by side as coloured squares, numbers in them.

    Zero is white, positive values are blue, negative ones orange, the
    deeper the farther from zero; all matrices share one scale.

    Args:
        matrix: an array of shape (height, width), NumPy or MXNet, or a list
            of them with sizes of their own.
        alt: a sentence that says what is to be seen.
        titles: one string, or a list of as many as there are matrices.
        digits: how many significant digits of the value are written into
            each square; 0 leaves the squares plain.
        size: side of a square in inches.

    Raises:
        ValueError: an array that is no matrix; another number of titles.
    """
    matrices = matrix if isinstance(matrix, list | tuple) else [matrix]
    titles = [titles] if isinstance(titles, str) else titles
    if titles is not None and len(titles) != len(matrices):
        raise ValueError(f'{len(titles)} titles for {len(matrices)} matrices')
    matrices = [
        onp.asarray(m.asnumpy() if hasattr(m, 'asnumpy') else m, float)
        for m in matrices
    ]
    for m in matrices:
        if m.ndim != 2:
            raise ValueError(f'a matrix has two axes, not shape {m.shape}')
    gap = max(0.3, size)
    deepest = max(abs(m).max() for m in matrices) or 1
    # A title of few letters must fit above a matrix of few columns.
    columns = [
        max(m.shape[1] * size, 0.085 * len(titles[i]) if titles else 0)
        for i, m in enumerate(matrices)
    ]
    above = 0.34 if titles else 0.04
    width = sum(columns) + gap * (len(matrices) - 1) + 0.1
    height = max(len(m) for m in matrices) * size + above + 0.06
    fig = _new_figure(width, height)
    left = 0.05
    for index, m in enumerate(matrices):
        column = columns[index]
        tall, wide = m.shape[0] * size, m.shape[1] * size
        box = (
            left + (column - wide) / 2,
            height - above - tall - (height - above - 0.06 - tall) / 2,
            wide,
            tall,
        )
        axes = _add_axes(fig, *box)
        _draw_matrix(axes, m, deepest, digits, size)
        if titles:
            axes.set_title(titles[index], fontsize=11, pad=5)
        left += column + gap
    _show(fig, alt)


def _draw_matrix(axes, values, deepest, digits, size):
    """Draw values from -deepest to deepest as squares, digits in them."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list(
        'signs', ['#b34700', '#f3b58a', '#ffffff', '#9cc7e6', '#00588c']
    )
    height, width = values.shape
    axes.pcolormesh(
        values,
        cmap=colors,
        vmin=-deepest,
        vmax=deepest,
        edgecolors='#c8c8c8',
        linewidth=min(0.7, 2 * size),
    )
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color('#777777')
    axes.patch.set_clip_on(False)
    if not digits:
        return
    texts = [
        [f'{v:.{digits}g}'.replace('-', '\N{MINUS SIGN}') for v in row]
        for row in values
    ]
    longest = max(len(text) for r in texts for text in r)
    fontsize = min(12, 72 * size * min(0.42, 1.45 / longest))
    for row in range(height):
        for col in range(width):
            value = values[row, col]
            axes.text(
                col + 0.5,
                row + 0.54,
                texts[row][col],
                ha='center',
                va='center',
                fontsize=fontsize,
                color='#767676'
                if value == 0
                else ('white' if abs(value) > 0.7 * deepest else 'black'),
            )


def vary(draw, **parameters):
    """Show what a function draws, with a control for each parameter.

    When a control is moved, the new picture takes the place of the old one.

    Args:
        draw: a function of these parameters that shows pictures with the
            functions of this module. If it returns a text, that stands
            below; if it raises, the error is shown in one line.
        **parameters: what each may be: (first, last, start) or (first,
            last), whole numbers, begins at start or first; a list of
            choices begins at its first; True or False can be switched.

    Returns:
        A widget for Jupyter: write the call as the last line of a cell.
    """
    import ipywidgets

    controls = {
        name: _control(ipywidgets, name.replace('_', ' '), values)
        for name, values in parameters.items()
    }
    picture = ipywidgets.HTML()

    def update(change=None):
        values = {name: control.value for name, control in controls.items()}
        picture.value = _drawn(draw, values)

    for control in controls.values():
        control.observe(update, 'value')
    update()
    return ipywidgets.VBox([*controls.values(), picture])


def _control(ipywidgets, name, values):
    """Make the control of one parameter, see `vary`."""
    look = {'description': name, 'style': {'description_width': 'initial'}}
    if isinstance(values, bool):
        return ipywidgets.Checkbox(value=values, indent=False, **look)
    if isinstance(values, list):
        return ipywidgets.Dropdown(options=values, **look)
    first, last, *start = values
    start = start[0] if start else first
    return ipywidgets.IntSlider(value=start, min=first, max=last, **look)


def _drawn(draw, values):
    """Return as HTML what draw(**values) shows and returns."""
    import base64
    import html

    npx.set_np()  # it holds in one thread only, and this may be another one
    outer, error = getattr(_stage, 'pictures', None), ''
    text = None
    _stage.pictures = pictures = []
    try:
        text = draw(**values)
    except Exception as caught:
        error = f'{type(caught).__name__}: {caught}'
    finally:
        _stage.pictures = outer
    parts = []
    for picture in pictures:
        kind, data = next(iter(picture.data.items()))
        data = data.encode() if isinstance(data, str) else data
        width, height = picture.size
        # A size in advance: nothing below jumps when the picture changes.
        parts.append(
            f'<img alt="{html.escape(picture.data["text/plain"])}" '
            f'style="display: block; width: {width}px; max-width: 100%; '
            f'aspect-ratio: {width} / {height}; background: white" '
            f'src="data:{kind};base64,{base64.b64encode(data).decode()}">'
        )
    if text is not None:
        parts.append(f'<pre>{html.escape(str(text))}</pre>')
    if error:
        line = html.escape(' '.join(error.split()))
        parts.append(f'<p role="alert">{line}</p>')
    return '\n'.join(parts)


def show_widget(name, **data):
    """Show one of the book's interactive pieces below the cell.

    The style, the scripts and the data are all in the output itself, so it
    works in the HTML page as in JupyterLab once the cell has run.

    Args:
        name: 'tconv', the transposed-convolution explorer; 'bilinear', the
            bilinear kernel; or 'compare', photos beside predictions and
            truth.
        **data: for 'tconv', state='h=5&w=7&k=4&s=2&p=1&a=0' to begin with.
            For 'compare', all of one length, one entry an image:
            photos: uint8 arrays of height x width x 3;
            predictions, truths: integer label maps of height x width, with
            255 for void;
            confidences: height x width floats from 0 to 1, the probability
            of the predicted class;
            and class_names, a list of strings; colors, an RGB triple (0 to
            255) for each of them. Images are shrunk until the output stays
            below 400 KB.

    Raises:
        FileNotFoundError: there is no widget of that name.
        ValueError: arrays or lists that do not fit together.
    """
    import html

    from IPython.display import HTML, display

    # A copy of this file may be run from a folder inside the book's.
    for folder in Path(__file__).resolve().parents:
        static = folder / 'build' / 'static'
        if (static / f'{name}.js').exists():
            break
    else:
        raise FileNotFoundError(f'no widget build/static/{name}.js')
    if name == 'compare':
        data = _compare_data(**data)
    parts = {
        kind: '\n'.join(
            path.read_text(encoding='utf-8').strip()
            for path in (static / f'{stem}.{kind}' for stem in stems)
            if path.exists()
        )
        for kind, stems in {
            'css': ('widget', name),
            'js': ('widget', f'{name}-math', name),
        }.items()
    }
    options = html.escape(json.dumps(data))
    display(
        HTML(
            f'<div data-widget="{name}" data-options="{options}"></div>\n'
            f'<style>\n{parts["css"]}\n</style>\n'
            f'<script>\n{parts["js"]}\n</script>'
        )
    )


def _compare_data(
    photos, predictions, truths, confidences, class_names, colors
):
    """Pack what the 'compare' widget shows, below 340,000 characters."""
    import base64
    import io

    def plain(array):
        return onp.asarray(
            array.asnumpy() if hasattr(array, 'asnumpy') else array
        )

    def pack(image, kind, **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        return base64.b64encode(file.getvalue()).decode()

    lists = photos, predictions, truths, confidences
    if len({len(some) for some in lists}) != 1 or not len(photos):
        raise ValueError('give as many photos as label maps, and at least 1')
    if len(class_names) != len(colors):
        raise ValueError('give each class name its color')
    images = []
    for each in zip(*lists, strict=True):
        photo, prediction, truth, confidence = map(plain, each)
        if photo.dtype != onp.uint8 or photo.shape[2:] != (3,):
            raise ValueError('a photo is uint8, height x width x 3')
        for other in (prediction, truth, confidence):
            if other.shape != photo.shape[:2]:
                raise ValueError(
                    f'a photo of {photo.shape[:2]} with a map of {other.shape}'
                )
        if confidence.min() < 0 or confidence.max() > 1:
            raise ValueError('confidence goes from 0 to 1')
        images.append((photo, prediction, truth, confidence))
    for longest in (500, 440, 380, 320, 260, 200):
        packed = []
        for photo, prediction, truth, confidence in images:
            height, width = photo.shape[:2]
            shrink = min(1, longest / max(height, width))
            size = round(width * shrink), round(height * shrink)
            labels = [
                Image.fromarray(m.astype('uint8')).resize(size, Image.NEAREST)
                for m in (prediction, truth)
            ]
            # 32 steps of confidence are more than a reader tells apart.
            steps = Image.fromarray(
                onp.rint(confidence * 31).astype('uint8')
            ).resize([max(1, side // 2) for side in size])
            packed.append(
                {
                    'size': size,
                    'photo': pack(
                        Image.fromarray(photo).resize(size, Image.LANCZOS),
                        'JPEG',
                        quality=80,
                        optimize=True,
                    ),
                    'prediction': pack(labels[0], 'PNG', optimize=True),
                    'truth': pack(labels[1], 'PNG', optimize=True),
                    'confidence': pack(steps, 'PNG', optimize=True),
                }
            )
        data = {
            'images': packed,
            'classes': list(class_names),
            'colors': [[int(part) for part in color] for color in colors],
        }
        if len(json.dumps(data)) < 340_000:
            return data
    raise ValueError('too many images for one widget: give fewer')
