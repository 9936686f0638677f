"""Train the network for real photos that the book ships.

    make photos DATA='folder another-folder' [STEPS=6000]

Each folder has the layout of VOC2012; their splits `train` are learnt from,
all together. The same command goes on where an earlier one stopped: after
each hundred steps a checkpoint is written. In the end the net is written to
weights/, in half precision, with a page that says what it is and what it can;
for that, the splits `val` are segmented where a folder has one.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse

sys.path.insert(0, str(ROOT))

import segbook
import utils
from parts.whole import place

import numpy as onp
from mxnet import np

CROP = (320, 320)  # pixels
BATCH, AN_EPOCH = 8, 100  # photos a step, steps
RATE, TRUNK = 5e-3, 0.04  # of Adam; the pretrained layers' share of it
# A class in a smaller share of the photos is shown more often, by the square
# root of what is missing, at most so many times.
COMMON, MOST = 0.4, 6


class Photos:
    """The photos of several folders, rare classes more often, jittered.

    As `utils.Batches` takes it: `get(i, epoch)` is a crop, uint8 (h, w, 3),
    and its label, uint8 (h, w). Over the epochs each photo comes up as often
    as its `weights` say. `photos`: how many photos have each class.
    """

    def __init__(self, roots, seed=0):
        self.seed = seed
        self.places = [
            (root, name)
            for root in roots
            for name in utils.read_split(root, 'train')
        ]
        classes = onp.zeros(
            (len(self.places), len(segbook.VOC_CLASSES)), dtype=bool
        )
        for has, place in zip(classes, self.places, strict=True):
            found = onp.unique(segbook.read_pair(*place)[1])
            has[found[found != utils.VOID]] = True
        self.photos = classes.sum(0)
        often = (COMMON * len(classes) / onp.maximum(self.photos, 1)) ** 0.5
        self.weights = (classes * often.clip(1, MOST)).max(1).clip(1)

    def __len__(self):
        return BATCH * AN_EPOCH

    def get(self, i, epoch):
        ends = self.weights.cumsum()
        begin = onp.random.default_rng((self.seed, epoch)).random()
        place = onp.searchsorted(ends, (i + begin) / len(self) * ends[-1])
        rng = onp.random.default_rng((self.seed, epoch, i))
        image, label = segbook.read_pair(*self.places[place])
        image, label = segbook.scale_pair(image, label, rng)
        image, label = segbook.random_crop(image, label, CROP, rng)
        return segbook.change_colors(image, rng), label


def make_net(devices):
    """Build the net as its training begins."""
    backbone = segbook.lite0_backbone(devices)
    net = segbook.make_skip_fcn(backbone, len(segbook.VOC_CLASSES), 8)
    for parameter in backbone.collect_params().values():
        parameter.lr_mult = TRUNK
    utils.fuse(net.backbone.stages[0], np.zeros((1, 3, *CROP), ctx=devices[0]))
    return net


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--steps', type=int, default=6000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--checkpoint', default='data/photos.ckpt')
    parser.add_argument('data', nargs='+')
    choice = parser.parse_args()
    utils.set_seed(choice.seed)
    devices = utils.try_all_gpus()
    roots = [place(root) for root in choice.data]
    photos = Photos(roots, choice.seed)
    for name, count in zip(segbook.VOC_CLASSES, photos.photos):
        print(f'{name:14s} in {count:5d} photos')
    print(
        len(photos.places),
        photos.weights.mean(),
        photos.weights.max(),
        flush=True,
    )
    net = make_net(devices)
    utils.train(
        net,
        utils.Batches(photos, BATCH, choice.seed, readers=1),
        segbook.void_cross_entropy,
        choice.steps // AN_EPOCH,
        optimizer_params={'learning_rate': RATE},
        devices=devices,
        checkpoint=choice.checkpoint,
    )
    net.save_parameters(choice.checkpoint + '.params')


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
