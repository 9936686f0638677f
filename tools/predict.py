"""Segment a photo with a trained net.

    make predict IMAGE=photo.jpg [CHECKPOINT=net.zip]

writes, under _build/predict/, photo.png, a palette image of class indices in
the classes' colours, and photo-overlay.jpg, the photo under these colours
with a legend. In Python:

    from tools.predict import segment
    png, jpg = segment('photo.jpg', 'net.zip')

A checkpoint is what `utils.save_net` writes, the checkpoint of a run of
`utils.train`, or a `.params` file of `net.save_parameters`; the last two do
not say what their classes are called. By default it is the last file that
the chapter on fully convolutional networks saved.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import tempfile

sys.path.insert(0, str(ROOT))

import segbook
import utils  # first: it gives MXNet all cores
from parts.checkpoints import fill, unpack
from parts.images import pixel_counts
from parts.nets import knows_sizes
from parts.stored import naming, open_arrays, open_zip, read_json, read_member
from parts.tables import table_arguments
from parts.texts import plain
from parts.whole import place
from tools import weights

from mxnet import gluon, init, np
from mxnet.gluon import nn

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
    path = place(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}')
    devices = [device or utils.try_gpu()]
    with (
        tempfile.TemporaryDirectory() as folder,
        naming(path, 'is no checkpoint'),
    ):
        file, table = path, None
        if _is_archive(path):
            file, table = _unpack(path, folder)
        with open_arrays(file) as stored:
            shapes = {name: array.shape for name, array in stored.items()}
            net, num_classes, kind = _net_for(path, shapes)
            with naming(path, f'looks like {kind}, but does not fit it'):
                net.initialize(init.Zero(), devices, force_reinit=True)
                if not knows_sizes(net):
                    net(np.zeros((1, 3, 32, 32), ctx=devices[0]))
                fill(getattr(net, 'net', net), stored, devices)
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
    with open(path, 'rb') as file:
        if file.read(2) != b'PK':
            return False
    with open_zip(path) as archive:
        return not all(name.endswith('.npy') for name in archive.namelist())


def _unpack(path, folder):
    """Unpack a zip file: its file of parameters, its class table or None."""
    with open_zip(path) as archive:
        unpack(archive, ['parameters'], folder)
        if 'classes.json' not in archive.namelist():
            return Path(folder, 'parameters'), None
        stored = read_json(read_member(archive, 'classes.json'))
    table = segbook.ClassTable(**table_arguments(stored))
    return Path(folder, 'parameters'), table


def _net_for(path, shapes):
    """Return (net without values, number of classes, what it is).

    `shapes`: from the names of the stored parameters to their shapes.
    """
    for name in ('score.weight', 'score_fr.weight'):
        if name in shapes:
            break
    else:
        some = ', '.join(list(shapes)[:3])
        raise ValueError(
            f'{path} is of no net that the book builds: it has no '
            f'score.weight, but {len(shapes)} others ({some} …)'
        )
    num_classes, channels = (*shapes[name], 0, 0)[:2]
    if not 1 <= num_classes <= utils.VOID:
        raise ValueError(
            f'{path} is of no net that the book builds: its {name} has shape '
            f'{shapes[name]}'
        )
    if name == 'score_fr.weight':
        return _paper_net(path, shapes, num_classes)
    stages = any(name.startswith('backbone.stages.') for name in shapes)
    taps = {name.split('.')[1] for name in shapes if name[:5] == 'taps.'}
    stride = 32 >> min(len(taps), 2)
    zoo = gluon.model_zoo.vision
    if channels == 4096:
        if (4096, 512, 7, 7) not in shapes.values():
            raise ValueError(f'{path} lacks the largest array of VGG16')
        vgg = zoo.vgg16()
        vgg.initialize(init.Zero())
        backbone, on = segbook.vgg_backbone(vgg), 'VGG16'
    else:
        backbone, on = zoo.resnet18_v2().features, 'ResNet18_v2'
        if stages:
            backbone = segbook.resnet_backbone(backbone)
    if stages:
        net = segbook.SkipFCN(backbone, num_classes, stride)
    else:
        upsample = segbook.BilinearUpsampling(32)
        if 'upsample.weight' in shapes:  # a transposed convolution
            size = {'in_channels': num_classes, 'use_bias': False}
            upsample = nn.Conv2DTranspose(num_classes, 64, 32, 16, **size)
        net = segbook.FCN(backbone, num_classes, upsample)
    return net, num_classes, f'FCN-{stride}s on {on}'


def _paper_net(path, shapes, num_classes):
    """`_net_for` where the layers have the names of the FCN paper's."""
    skips = sum(f'score_pool{n}.weight' in shapes for n in (3, 4))
    stride = 32 >> skips
    # The parameters of the two kinds of FCN-8s have the same names.
    at_once = 'at-once' in path.stem
    words = ' at once' if at_once else ''
    kind = f"the FCN paper's FCN-{stride}s{words} on VGG16"
    wanted = weights.shapes(stride, num_classes)
    wrong = [name for name in wanted if shapes.get(name) != wanted[name]]
    if wrong:  # before anything as large is made
        raise ValueError(
            f'{path} looks like {kind}, but does not fit it: its {wrong[0]} '
            f'has shape {shapes.get(wrong[0])}'
        )
    net = _PaperInput(segbook.PaperFCN(num_classes, stride, at_once))
    return net, num_classes, kind


class _PaperInput(nn.Block):
    """Gives a PaperFCN, which wants other numbers, normalised photos."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        mean, std, paper = (
            np.array(values, dtype='float32', ctx=x.ctx).reshape(3, 1, 1)
            for values in (utils.RGB_MEAN, utils.RGB_STD, weights.MEAN)
        )
        pixels = 255 * (x * std + mean)
        return self.net(np.flip(pixels, 1) - paper)


def _usual_table(num_classes):
    if num_classes == len(segbook.VOC_CLASSES):
        return segbook.VOC
    return segbook.ClassTable([f'class {i}' for i in range(num_classes)])


def newest_checkpoint(folder=utils.DATA):
    """Return the last file that the chapter on FCNs saved in a folder.

    Raises FileNotFoundError that says how to make one.
    """
    found = [*folder.glob('fcn.params'), *folder.glob('fcn-*.params')]
    if not found:
        raise FileNotFoundError(
            f'there is no checkpoint fcn-….params in {folder} yet: run the '
            'chapter «Fully Convolutional Networks» (make lab, or make html), '
            'which trains a net and saves it there; or name another file: '
            'make predict IMAGE=… CHECKPOINT=…'
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def segment(image, checkpoint=None, folder=FOLDER):
    """Segment a photo and write what was found as two pictures.

    `image`: a file of any shape and mode that `utils.open_image` takes; a
    photo that the camera took sideways (EXIF) is set upright, and so are
    both pictures. `checkpoint`: see `load_net`; None takes
    `newest_checkpoint()`.
    Returns the paths of NAME.png and NAME-overlay.jpg in `folder`, which
    replace older ones; what was found is printed. If the overlay cannot be
    drawn, the label is there all the same.

    Raises FileNotFoundError or ValueError naming the file at fault.
    """
    image, folder = place(image), place(folder)
    if not image.is_file():
        raise FileNotFoundError(f'there is no photo {image}')
    checkpoint = checkpoint or newest_checkpoint()
    photo = utils.read_image(image)
    net, table, kind = load_net(checkpoint)
    label = utils.predict(net, photo)
    folder.mkdir(parents=True, exist_ok=True)
    png, jpg = (
        folder / f'{image.stem}{end}' for end in ('.png', '-overlay.jpg')
    )
    utils.save_label(png, label, table.colormap)
    jpg.unlink(missing_ok=True)  # it may be of another label
    utils.save_overlay(jpg, photo, label, table)
    height, width = label.shape
    say(f'{image}: {width} x {height} pixels')
    say(f'{checkpoint}: {kind}, {len(table.names)} classes')
    if Path(checkpoint).name.startswith('fcn-scenes-'):
        say(
            'note: this net has seen only the drawn scenes of the book, and '
            'knows no photos: what it finds in one means nothing. '
            '`VOC_ROOT=download make html` trains one on photos; '
            'CHECKPOINT=… names any other'
        )
    for index, count in enumerate(pixel_counts(label)):
        if count:
            name = plain(table.names[index], 60)
            say(f'{name:>16s} {count / label.size:6.1%}')
    return png, jpg


def say(text):
    """Print a line; what is in its names must not control the terminal."""
    print(plain(text))


def main(arguments=None):
    """Read the command line; return the message of an error, or None."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('image', help='a photo')
    parser.add_argument('checkpoint', nargs='?', help='a trained net')
    given = parser.parse_args(arguments)
    if not given.image:
        return 'which photo? make predict IMAGE=photo.jpg'
    try:
        for path in segment(given.image, given.checkpoint, FOLDER):
            say(str(path))
    except (FileNotFoundError, ValueError) as error:
        return plain(str(error))


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
