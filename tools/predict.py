"""Segment photos with a trained net.

    make predict IMAGE=photo.jpg
    make predict IMAGE="holiday 'my photos/the dog.jpg' summer/*.png"

IMAGE is a photo, a folder (the photos directly in it) or a pattern; or
several of these, split as by a shell, quotes around names with blanks. For
each photo this writes, under _build/predict/,

    NAME.png          a palette image of class indices, in their colours
    NAME-overlay.jpg  the photo under these colours, with a legend
    NAME-photo.jpg    the photo, upright and at most 1400 pixels wide or high
    NAME.json         photo, size, net, options; each class's share of pixels

and for all of them index.html, a page that shows them side by side. NAME is
the photo's own; where several have it: x, x-2, x-3. The files of a photo are
there all or not at all: NAME.json goes first and comes last. A photo that
cannot be read is named, the others are done, and the command fails.

Options, each with a name for make and one in Python (see `utils.predict`):

    CHECKPOINT=net.zip    another net; CHECKPOINT=book: what chapters/fcn saved
    SCALES='0.5 0.75 1'   scales=(0.5, 0.75, 1): seen in several sizes; a net
                          may say itself in which one it sees best
    MIRROR=1              mirror=True: and from left to right
    SURE=0.6              sure=0.6: void where no class is as probable
    CRF=1                 crf=segbook.refine: outlines that follow the photo's
                          colours, by the book's fully connected CRF

With several views, the mean of their softmax probabilities decides, and each
view takes its time. In Python:

    from tools.predict import segment, segment_all
    png, jpg = segment('photo.jpg', 'net.zip')
    results, failed = segment_all('holiday', sure=0.6)

A checkpoint is what `utils.save_net` writes, the checkpoint of a run of
`utils.train`, or a `.params` file of `net.save_parameters`; the last two do
not say what their classes are called. By default it is the net for real
photos in weights/, if that is there, else the last file that the chapter on
fully convolutional networks saved.
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
from parts.checkpoints import fill, read_about, unpack
from parts.nets import knows_sizes
from parts.stored import naming, open_arrays, open_zip, read_json, read_member
from parts.tables import table_arguments
from parts.texts import plain
from parts.whole import place, write_whole
from tools import gallery, weights
from tools.find_photos import find_photos, names_for

import mxnet as mx
from mxnet import gluon, init, np
from mxnet.gluon import nn
from tqdm import tqdm

FOLDER = ROOT / '_build' / 'predict'
SHIPPED = ROOT / 'weights' / 'real-photos.zip'


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
    elif channels == 1280:
        on = 'EfficientNet-Lite0'
        if stages:
            backbone = segbook.LiteBackbone(segbook.lite0_stages())
        else:
            backbone = segbook.lite0_features([mx.cpu()])
    else:
        backbone, on = zoo.resnet18_v2().features, 'ResNet18_v2'
        if stages:
            backbone.initialize(init.Zero())
            backbone = segbook.resnet_backbone(backbone)
    if stages:
        net = segbook.SkipFCN(backbone, num_classes, stride)
    else:
        upsample = segbook.BilinearUpsampling(32)
        if 'upsample.weight' in shapes:  # a transposed convolution
            size = {'in_channels': num_classes, 'use_bias': False}
            upsample = nn.Conv2DTranspose(num_classes, 64, 32, 16, **size)
        net = segbook.FCN(backbone, num_classes, upsample, channels)
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


def load_about(path):
    """What a net's file says about it: see `about` of `utils.save_net`.

    A dict, empty for a file that says nothing. Raises ValueError naming the
    file if it is damaged.
    """
    path = place(path)
    with naming(path, 'is no checkpoint'):
        if not _is_archive(path):
            return {}
        with open_zip(path) as archive:
            if 'classes.json' not in archive.namelist():
                return {}
            stored = read_json(read_member(archive, 'classes.json'))
            return read_about(archive, table_arguments(stored)['names'])


def default_checkpoint():
    """Return the net in weights/, or else `newest_checkpoint()`."""
    return SHIPPED if SHIPPED.is_file() else newest_checkpoint()


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


def segment(image, checkpoint=None, folder=FOLDER, **options):
    """Segment a photo; return the paths of its label and its overlay.

    `image`: a file of any shape and mode that `utils.open_image` takes; a
    photo that the camera took sideways (EXIF) is set upright, and so are
    all pictures. All else is as in `segment_all`.

    Raises FileNotFoundError or ValueError naming the file at fault.
    """
    image = place(image)
    if not image.is_file():
        raise FileNotFoundError(f'there is no photo {image}')
    results, failed = segment_all([image], checkpoint, folder, **options)
    if failed:
        raise ValueError(*failed.values())
    return results[0]['files'][:2]


def segment_all(images, checkpoint=None, folder=FOLDER, **options):
    """Segment photos and write what was found as pictures, JSON and a page.

    `images`: a list of paths, or a text as IMAGE is (`find_photos`).
    `checkpoint`: see `load_net`; None takes `default_checkpoint()`, 'book'
    `newest_checkpoint()`. `options`: those of `utils.predict`.

    What is written in `folder` replaces older files of these names; what was
    found is printed. Returns (results, failed): for each photo what its JSON
    file holds, and under 'files' the paths of what was written, in the order
    of `gallery.ENDINGS`; and {photo: message} of those that cannot be read.

    Raises FileNotFoundError or ValueError if there is no photo, no such
    checkpoint, or no such option: before anything is written.
    """
    if isinstance(images, str):
        images = find_photos(images)
    images, folder = [place(image) for image in images], place(folder)
    if checkpoint is None:
        checkpoint = default_checkpoint()
    elif str(checkpoint) == 'book':
        checkpoint = newest_checkpoint()
    net, table, kind = load_net(checkpoint)
    if isinstance(getattr(net, 'backbone', None), segbook.LiteBackbone):
        net.backbone.fuse(3)
    about = load_about(checkpoint)
    if 'max_side' in about:
        options = {'max_side': about['max_side']} | options
    if 'scale' in about:  # the size in which it sees best
        options = {'scales': (about['scale'],)} | options
    nothing = np.zeros((1, 1, 3), 'uint8')
    utils.predict(net, nothing, **options)  # or an option is refused
    common = {'checkpoint': str(checkpoint), 'network': kind}
    common['options'] = {
        name: getattr(value, '__name__', value)
        for name, value in options.items()
    }
    lines = _on_the_net(checkpoint, table, kind, about, common['options'])
    results, failed, told = [], {}, set()
    try:
        for image, name in _shown(images):
            try:
                photo = utils.read_image(image)
            except (FileNotFoundError, ValueError) as error:
                failed[str(image)] = str(error)
                if len(images) > 1:
                    say(f'not segmented: {error}')
                continue
            label = utils.predict(net, photo, **options)
            found = gallery.found_in(label, table, about)
            result = {'photo': str(image), **found, **common}
            files = gallery.write(folder, name, photo, label, table, result)
            if not results:
                for line in lines:
                    say(line)
            results.append({'name': name, 'files': files, **result})
            say(_in_a_line(result))
            for note in found['notes']:
                if note not in told:
                    say(f'note: {note}')
            told.update(found['notes'])
    finally:  # also when interrupted: for what is done
        if results:
            index = gallery.page(results, failed, lines, table)
            write_whole(folder / 'index.html', index)
    return results, failed


def _shown(images):
    """Photos with their names; how many are done is shown on a terminal."""
    with tqdm(
        zip(images, names_for(images), strict=True),
        total=len(images),
        disable=len(images) < 2 or None,  # None: unless on a terminal
        leave=False,
        unit='photo',
    ) as progress:
        yield from progress


def _in_a_line(result):
    """What was found in a photo, in words."""
    shares = [*result['classes'].items(), ('void', result['void'])]
    words = ', '.join(
        f'{plain(name, 60)} {share:.1%}' for name, share in shares if share
    )
    size = f'{result["width"]} x {result["height"]} pixels'
    return f'{result["photo"]}: {size}: {words}'


def _on_the_net(checkpoint, table, kind, about, options):
    """What there is to say of a net, before any photo: lines."""
    lines = [f'{checkpoint}: {kind}, {len(table.names)} classes']
    if about.get('kind'):
        lines.append(str(about['kind']))
    if Path(checkpoint).name.startswith('fcn-scenes-'):
        lines.append(
            'note: this net has seen only the drawn scenes of the book, and '
            'knows no photos: what it finds in one means nothing. '
            '`VOC_ROOT=download make html` trains one on photos; '
            'CHECKPOINT=… names any other'
        )
    if options:
        given = (f'{name}={value}' for name, value in options.items())
        lines.append(f'options: {", ".join(given)}')
    return lines


def say(text):
    """Print a line; what is in its names must not control the terminal."""
    with tqdm.external_write_mode():
        print(plain(text), flush=True)


def _options(given):
    """The options of `utils.predict`, by the texts of a command line."""
    options = {}
    if given.scales:
        try:
            words = given.scales.replace(',', ' ').split()
            options['scales'] = [float(word) for word in words]
        except ValueError:
            raise ValueError(
                f"SCALES={given.scales}: it holds numbers: '0.75 1 1.25'"
            ) from None
    for name, value in (('mirror', True), ('crf', segbook.refine)):
        word = getattr(given, name)
        if word not in ('', '0', '1'):
            raise ValueError(f'{name.upper()}={word}: it is 1, or 0')
        if word == '1':
            options[name] = value
    if given.sure:
        try:
            options['sure'] = float(given.sure)
        except ValueError:
            raise ValueError(
                f'SURE={given.sure}: it is a number from 0 to 1'
            ) from None
    return options


def main(arguments=None):
    """Read the command line; return the message of an error, or None."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('image', help='photos, folders or patterns')
    parser.add_argument('checkpoint', nargs='?', help='a trained net')
    for option in '--scales', '--mirror', '--sure', '--crf':
        parser.add_argument(option, default='', help='as for make')
    given = parser.parse_args(arguments)
    if not given.image.strip():
        return 'which photo? make predict IMAGE=photo.jpg'
    try:
        photos = find_photos(given.image)
        results, failed = segment_all(
            photos, given.checkpoint or None, FOLDER, **_options(given)
        )
    except (FileNotFoundError, ValueError) as error:
        return plain(str(error))
    if len(photos) == 1 and not failed:
        for path in results[0]['files'][:2]:
            say(str(path))
    if results:
        say(str(FOLDER / 'index.html'))
    if len(photos) == 1 and failed:
        return plain(*failed.values())
    if failed:
        count = f'{len(failed)} of {len(photos)} photos'
        return plain(f'{count} cannot be read: {", ".join(failed)}')
    return None


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
