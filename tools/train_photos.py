"""Train the network for real photos that the book ships.

    make photos DATA='folder another-folder' [STEPS=6000] [START=net.zip RATE=]

Each folder has the layout of VOC2012. Photos of their splits `train` are
learnt from, all together, at most so many steps of eight crops; then those
of their splits `val` are segmented. After each hundred steps a checkpoint is
written, and the same command goes on from there. In the end weights/ holds
the net, in half precision, and README.md, which says what it is and what it
can. START is such a net to begin a further round with, RATE its first rate;
what comes of it is the mean of both nets.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import datetime
import platform
import time

sys.path.insert(0, str(ROOT))

import segbook
import utils  # first: it gives MXNet all cores
from parts import whole
from parts.texts import plain

import mxnet as mx
import numpy as onp
from mxnet import np

FOLDER, NAME = ROOT / 'weights', 'real-photos'
CROP = (320, 320)  # pixels
BATCH, AN_EPOCH = 8, 100  # photos a step, steps
RATE = 5e-3  # of Adam
TRUNK = 0.04  # the pretrained layers' share of it
# A class in a smaller share of the photos is shown more often, by the square
# root of what is missing, at most so many times.
COMMON, MOST = 0.4, 6
# Photos with fewer of which a class is hardly learnt, with so many of which
# it is common.
FEW, MANY = 50, 200
# The size in which the net sees photos best, of those tried. Its file says so
# to `make predict`.
SCALE = 0.75
# How the net sees the photos on which it is judged: as `make predict` says it.
VIEWS = {
    'once, at its own size': {},
    f'`SCALES={SCALE}`': {'scales': (SCALE,)},
    "`SCALES='0.5 0.75 1' MIRROR=1`": {
        'scales': (0.5, 0.75, 1),
        'mirror': True,
    },
}


class Photos:
    """The photos of several folders, rare classes more often, all changed.

    As `utils.Batches` takes it: `get(i, epoch)` is a crop, uint8 (h, w, 3),
    and its label, uint8 (h, w), scaled and coloured at random. Over the
    epochs each photo comes up as often as its weight says. `counts`: how
    many photos have each class.
    """

    def __init__(self, roots, seed=0):
        self.seed = seed
        self.places = [
            (root, name)
            for root in roots
            for name in utils.read_split(root, 'train')
        ]
        num_classes = len(segbook.VOC_CLASSES)
        classes = onp.zeros((len(self.places), num_classes), dtype=bool)
        for has, (root, name) in zip(classes, self.places, strict=True):
            found = onp.unique(segbook.read_pair(root, name)[1])
            has[found[found != utils.VOID]] = True
        self.counts = classes.sum(0)
        often = (COMMON * len(classes) / onp.maximum(self.counts, 1)) ** 0.5
        self.ends = (classes * often.clip(1, MOST)).max(1).clip(1).cumsum()

    def __len__(self):
        return BATCH * AN_EPOCH

    def get(self, i, epoch):
        begin = onp.random.default_rng((self.seed, epoch)).random()
        share = (i + begin) / len(self)
        place = onp.searchsorted(self.ends, share * self.ends[-1])
        rng = onp.random.default_rng((self.seed, epoch, i))
        image, label = segbook.read_pair(*self.places[place])
        image, label = segbook.scale_pair(image, label, rng)
        image, label = segbook.random_crop(image, label, CROP, rng)
        return segbook.change_colors(image, rng), label


class Together:
    """The whole photos of several folders' splits `val`."""

    def __init__(self, roots):
        self.sets = [
            segbook.VOCSegDataset(root, 'val')
            for root in roots
            if (root / 'ImageSets' / 'Segmentation' / 'val.txt').exists()
        ]

    def __len__(self):
        return sum(map(len, self.sets))

    def __getitem__(self, i):
        for part in self.sets:
            if i < len(part):
                return part[i]
            i -= len(part)
        raise IndexError


def make_net(devices):
    """Build the net as its training begins."""
    backbone = segbook.lite0_backbone(devices)
    for parameter in backbone.collect_params().values():
        parameter.lr_mult = TRUNK
    net = segbook.make_lite_fcn(backbone, len(segbook.VOC_CLASSES))
    net(np.zeros((1, 3, 32, 32), ctx=devices[0]))  # MXNet 2 then knows sizes
    return net


def judge(net, photos, view):
    """Segment whole photos as a view says: a SegmentationMetric."""
    metric = utils.SegmentationMetric(len(segbook.VOC_CLASSES))
    for image, label in photos:
        metric.update(label, utils.predict(net, image, **view))
    return metric


def write_page(path, photos, metrics, num_val, recipe):
    """Write what the net is and what it can do, as a page."""
    few = [
        f'{name} ({count})'
        for name, count in zip(segbook.VOC_CLASSES, photos.counts, strict=True)
        if count < FEW
    ]
    common = photos.counts >= MANY
    baseline = next(iter(metrics.values())).all_background()
    views = [
        f'| {name} | {metric.pixel_accuracy:.3f} | {metric.mean_iu:.3f} | '
        f'{metric.class_iu[common].mean():.3f} |'
        for name, metric in {**metrics, 'all background': baseline}.items()
    ]
    rows = [
        f'| {name} | {count} | ' + ' | '.join(f'{iu:.3f}' for iu in ius) + ' |'
        for name, count, *ius in zip(
            segbook.VOC_CLASSES,
            photos.counts,
            *(metric.class_iu for metric in metrics.values()),
            strict=True,
        )
    ]
    text = Path(__file__).with_suffix('.md').read_text(encoding='utf-8')
    text = text.format(
        views='\n'.join(views),
        names=' | '.join(metrics),
        lines='---|' * len(metrics),
        rows='\n'.join(rows).replace('nan', 'none there'),
        few=', '.join(few),
        common=common.sum(),
        num_train=len(photos.places),
        num_val=num_val,
        recipe=recipe,
        versions=f'MXNet {mx.__version__}, NumPy {onp.__version__}, '
        f'Python {platform.python_version()}',
        date=datetime.date.today(),
        **{
            x: globals()[x]
            for x in 'NAME FEW MANY SCALE BATCH CROP MOST TRUNK'.split()
        },
    )
    whole.write_whole(path, text)


def main():
    """Train as the command line says; return the message of an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', nargs='+', help='folders in VOC’s layout')
    parser.add_argument('--steps', type=lambda x: int(x or 6000), default='')
    parser.add_argument('--start', default='')
    parser.add_argument('--rate', type=lambda x: float(x or RATE), default='')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--readers', type=int, default=1)
    parser.add_argument('--checkpoint', default=utils.DATA / f'{NAME}.ckpt')
    parser.add_argument('--folder', default=FOLDER)
    choice = parser.parse_args()
    try:
        train(choice)
    except (FileNotFoundError, FloatingPointError, ValueError) as error:
        return plain(str(error))


def train(choice):
    """Train, judge, and write the net and its page."""
    if choice.steps < AN_EPOCH:
        raise ValueError(
            f'{choice.steps} steps: at least {AN_EPOCH} are taken'
        )
    utils.set_seed(choice.seed)
    devices = utils.try_all_gpus()
    roots = [whole.place(root) for root in choice.data]
    print('looking at all labels', flush=True)
    photos, val_set = Photos(roots, choice.seed), Together(roots)
    if not len(val_set):
        raise ValueError('no folder has a split `val` to judge the net on')
    print(f'{len(photos.places)} photos to learn from, {len(val_set)} others')
    net = make_net(devices)
    recipe = f'STEPS={choice.steps} RATE={choice.rate:g}, seed {choice.seed}'
    if choice.start:
        about = utils.load_saved(choice.start, net, devices)
        before = about.get('recipe', 'START, which says no recipe')
        recipe = f'{before}; further, the mean of both, {recipe}'
    parameters = net.collect_params().values()
    first = [parameter.list_data()[0].copy() for parameter in parameters]
    batches = utils.Batches(photos, BATCH, choice.seed, choice.readers)
    start = time.time()
    utils.train(
        net,
        batches,
        segbook.void_cross_entropy,
        choice.steps // AN_EPOCH,
        optimizer_params={'learning_rate': choice.rate},
        devices=devices,
        checkpoint=whole.place(choice.checkpoint),
    )
    print(f'{(time.time() - start) / 60:.0f} minutes; looking at the others')
    if choice.start:
        for parameter, before in zip(parameters, first, strict=True):
            after = parameter.list_data()[0]
            parameter.set_data((before + after) / 2)
    metrics = {name: judge(net, val_set, VIEWS[name]) for name in VIEWS}
    metric = metrics[f'`SCALES={SCALE}`']
    folder = whole.place(choice.folder)
    folder.mkdir(exist_ok=True)
    counts = map(int, photos.counts)
    about = {
        'kind': 'FCN-8s on EfficientNet-Lite0, learnt from photos of VOC2012',
        'photos': dict(zip(segbook.VOC_CLASSES, counts, strict=True)),
        'recipe': recipe,
        'scale': SCALE,
        'pixel accuracy': round(float(metric.pixel_accuracy), 4),
        'mean IU': round(float(metric.mean_iu), 4),
    }
    file = folder / f'{NAME}.zip'
    utils.save_net(file, net, segbook.VOC, about, dtype='float16')
    write_page(folder / 'README.md', photos, metrics, len(val_set), recipe)
    print(f'{file}: {file.stat().st_size / 1e6:.1f} MB, ', end='')
    print(f'mean IU {metric.mean_iu:.3f}')


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
