"""Segment a photo with a trained net.

    make predict IMAGE=photo.jpg [CHECKPOINT=net.zip]

writes, under _build/predict/, photo.png, a palette image of class indices in
the classes' colours, and photo-overlay.jpg, the photo under these colours
with a legend. In Python:

    from tools.predict import segment
    png, jpg = segment('photo.jpg', 'net.zip')

A checkpoint is what `utils.save_net` writes, the checkpoint of a run of
`utils.train`, or a `.params` file of `net.save_parameters`; the last two do
not say what their classes are called. By default it is the file that the
chapter on fully convolutional networks saves.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import segbook
import utils  # first: it gives MXNet all cores

import numpy as onp
from mxnet import base, gluon, npx
from mxnet.gluon import nn

CHECKPOINT = utils.DATA / 'fcn.params'
FOLDER = ROOT / '_build' / 'predict'


def load_net(path, device=None):
    """Build the net of a checkpoint from its parameters' names and shapes.

    Returns (net, table, kind): the net, on the device (default: a GPU that
    works, else the CPU); its class table; and a few words on what it is. A
    file without class names with 21 classes is taken for VOC's, any other
    gets «class 0», «class 1», …

    Raises FileNotFoundError if there is no such file, ValueError naming it
    if it is no checkpoint, or that of another net than the book's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}')
    with tempfile.TemporaryDirectory() as folder:
        file, table = path, None
        if _is_archive(path):
            file, table = _unpack(path, folder)
        try:
            stored = npx.load(str(file))
            shapes = {name: value.shape for name, value in stored.items()}
        except (base.MXNetError, AttributeError) as error:
            raise ValueError(
                f'{path} is no checkpoint: it holds no parameters with names'
            ) from error
        net, num_classes, kind = _net_for(path, shapes)
        try:
            net.load_parameters(str(file), device or utils.try_gpu())
        except (base.MXNetError, AssertionError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f'{path} looks like {kind}, but does not fit it: {first}'
            ) from error
    if table is None:
        table = _usual_table(num_classes)
    elif len(table.names) != num_classes:
        raise ValueError(
            f'{path} names {len(table.names)} classes, but its net has '
            f'{num_classes}'
        )
    net.hybridize(static_alloc=True, static_shape=True)
    return net, table, kind


def _is_archive(path):
    """Whether a file is a zip of several files; MXNet 2 zips arrays, too."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return not all(name.endswith('.npy') for name in archive.namelist())


def _unpack(path, folder):
    """Unpack a zip file: its file of parameters, its class table or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extract('parameters', folder)
            if 'classes.json' not in archive.namelist():
                return Path(folder, 'parameters'), None
            table = json.loads(archive.read('classes.json'))
        return Path(folder, 'parameters'), segbook.ClassTable(**table)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is no checkpoint: {error}') from error


def _net_for(path, shapes):
    """Return (net without values, number of classes, what it is).

    `shapes`: from the names of the stored parameters to their shapes.
    """
    if 'score.weight' not in shapes:
        some = ', '.join(list(shapes)[:3])
        raise ValueError(
            f'{path} is of no net that the book builds: it has no '
            f'score.weight, but {len(shapes)} others ({some} …)'
        )
    num_classes = shapes['score.weight'][0]
    if 'upsample.weight' in shapes:  # a transposed convolution, of size 64
        upsample = nn.Conv2DTranspose(
            num_classes, 64, 32, 16, use_bias=False, in_channels=num_classes
        )
    else:
        upsample = segbook.BilinearUpsampling(32)
    features = gluon.model_zoo.vision.resnet18_v2().features
    net = segbook.FCN(features, num_classes, upsample)
    return net, num_classes, 'FCN-32s on ResNet18_v2'


def _usual_table(num_classes):
    if num_classes == len(segbook.VOC_CLASSES):
        return segbook.VOC
    return segbook.ClassTable([f'class {i}' for i in range(num_classes)])


def segment(image, checkpoint=CHECKPOINT, folder=FOLDER):
    """Segment a photo and write what was found as two pictures.

    `image`: a file of any size and mode; a photo that the camera took
    sideways (EXIF) is set upright, and so are both pictures.
    Returns the paths of NAME.png and NAME-overlay.jpg in `folder`, which
    replace older ones; what was found is printed.

    Raises FileNotFoundError or ValueError naming the file at fault.
    """
    image, folder = Path(image), Path(folder)
    if not image.is_file():
        raise FileNotFoundError(f'there is no photo {image}')
    photo = utils.read_image(image)
    net, table, kind = load_net(checkpoint)
    label = utils.predict(net, photo)
    folder.mkdir(parents=True, exist_ok=True)
    png, jpg = (
        folder / f'{image.stem}{end}' for end in ('.png', '-overlay.jpg')
    )
    scratch = Path(tempfile.mkdtemp(prefix='.new-', dir=folder))
    try:  # both pictures or none
        utils.save_label(scratch / 'label', label, table.colormap)
        utils.save_overlay(scratch / 'overlay', photo, label, table)
        os.replace(scratch / 'label', png)
        os.replace(scratch / 'overlay', jpg)
    finally:
        shutil.rmtree(scratch)
    height, width = label.shape
    print(f'{image}: {width} x {height} pixels')
    print(f'{checkpoint}: {kind}, {len(table.names)} classes')
    for index, count in enumerate(onp.bincount(label.ravel())):
        if count:
            print(f'{table.names[index]:>16s} {count / label.size:6.1%}')
    return png, jpg


def main(arguments=None):
    """Read the command line; return the message of an error, or None."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('image', help='a photo')
    parser.add_argument('checkpoint', nargs='?', help='a trained net')
    given = parser.parse_args(arguments)
    if not given.image:
        return 'which photo? make predict IMAGE=photo.jpg'
    if not given.checkpoint and not CHECKPOINT.is_file():
        return (
            f'there is no checkpoint {CHECKPOINT} yet: run the chapter «Fully '
            'Convolutional Networks» (make lab, or make html), which trains '
            'one and saves it there; or name another with CHECKPOINT='
        )
    try:
        for path in segment(given.image, given.checkpoint or CHECKPOINT):
            print(path)
    except (OSError, ValueError) as error:
        return str(error)


if __name__ == '__main__':
    sys.exit(main())
