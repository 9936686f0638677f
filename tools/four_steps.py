"""Train Faster R-CNN at once, and in the four steps of its paper.

    python tools/four_steps.py [--seconds 160] [--seed 0]

Each way gets the same time, in seconds of the processor, on the training
scenes of the data set. Then it prints, for the validation scenes, the recall
of proposals and the average precision. What is trained is that of
chapters/boxes.md.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import time

sys.path.insert(0, str(ROOT))

import segbook
import utils

import numpy as onp
from mxnet import autograd, gluon, npx

npx.set_np()

SHAPES = onp.array(
    [
        (size / ratio**0.5, size * ratio**0.5)
        for size in (64, 112, 192, 320)
        for ratio in (0.5, 1, 2)
    ]
)
RATE = 3e-4


def make_detector():
    """Build an untrained detector on the pretrained backbone."""
    features, _ = utils.pretrained_backbone()
    devices = utils.devices_of(features)[:1]
    rpn = segbook.RPN(len(SHAPES))
    head = segbook.Head(len(segbook.VOC_CLASSES))
    for part in (rpn, head):
        segbook.initialize(part, devices)
        for weight in part.collect_params().values():
            weight.lr_mult = 3
    return segbook.Detector(segbook.Trunk(features), rpn, head, SHAPES)


def proposals(detector, photo):
    """What a detector's RPN proposes for a photo."""
    with autograd.pause():
        _, *said = detector.look(photo)
        return segbook.propose(*said, photo.shape[:2])


def joint_loss(detector):
    """The loss of both, added up."""
    return lambda *scene: sum(detector.loss(*scene))


def rpn_alone(detector):
    """The loss of an RPN."""

    def loss(photo, boxes, classes, rng):
        _, *said = detector.look(photo)
        return segbook.rpn_loss(*said, boxes, rng)

    return loss


def head_alone(detector, proposer):
    """The loss of a head on the proposals of another detector, or its own."""

    def loss(photo, boxes, classes, rng):
        found = proposals(proposer, photo)
        device = utils.devices_of(detector)[0]
        maps = detector.trunk(segbook.prepared(photo, device))
        return segbook.head_loss(
            detector.head, maps, found, boxes, classes, rng
        )

    return loss


def train(parts, loss, scenes, seconds, rng):
    """Train blocks by a loss for so many processor seconds: photos seen."""
    settings = {'learning_rate': RATE, 'wd': 1e-4}
    trainers = [
        gluon.Trainer(part.collect_params(), 'adam', dict(settings))
        for part in parts
    ]
    begun, count, order = time.process_time(), 0, []
    while (done := (time.process_time() - begun) / seconds) < 1:
        order = order or list(rng.permutation(len(scenes)))
        photo, boxes, classes = scenes[order.pop()]
        if rng.integers(2):
            photo, boxes = segbook.mirrored(photo, boxes)
        with autograd.record():
            total = loss(photo, boxes, classes, rng)
        total.backward()
        for trainer in trainers:
            trainer.set_learning_rate(RATE * (1 - done) ** 0.9)
            trainer.step(1)
        npx.waitall()  # or the clock would not know of what is still to do
        count += 1
    return count


def at_once(scenes, seconds, rng):
    """Train all parts together."""
    detector = make_detector()
    parts = detector.trunk.tuned, detector.rpn, detector.head
    count = train(parts, joint_loss(detector), scenes, seconds, rng)
    return detector, [count]


def in_four_steps(scenes, seconds, rng):
    """Train as the paper does; each step gets a quarter of the time."""
    first, last = make_detector(), make_detector()
    last.rpn = first.rpn
    shared, quarter = last.trunk.tuned, seconds / 4
    counts = [
        train(
            (first.trunk.tuned, first.rpn),
            *(rpn_alone(first), scenes, quarter, rng),
        ),
        train(
            (shared, last.head),
            *(head_alone(last, first), scenes, quarter, rng),
        ),
    ]
    for weight in shared.collect_params().values():
        weight.grad_req = 'null'
    counts += [
        train((last.rpn,), rpn_alone(last), scenes, quarter, rng),
        train((last.head,), head_alone(last, last), scenes, quarter, rng),
    ]
    return last, counts


def recall(found, scenes, number, least):
    """The share of objects that one of the first proposals fits."""
    best = [
        segbook.iou(boxes, some[:number]).max(axis=1, initial=0)
        for some, (_, boxes, _) in zip(found, scenes, strict=True)
    ]
    return (onp.concatenate(best) >= least).mean()


def mean_precision(found, scenes, least):
    """Mean of the average precision over the classes that occur."""
    truth = [(boxes, classes) for _, boxes, classes in scenes]
    values = [
        segbook.average_precision(*segbook.matches(found, truth, k, least))
        for k in range(1, len(segbook.VOC_CLASSES))
    ]
    return onp.nanmean(values)


def load(root, name):
    """A photo, its boxes as float64, their classes."""
    photo = utils.read_image(utils.photo_path(root, name))
    boxes, classes = utils.read_boxes(root, name, segbook.VOC)
    return photo, boxes.astype('float64'), classes


def main():
    """Read the command line, train both ways, print what they find."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=160)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--scenes', type=int, help='use the first ones only')
    arguments = parser.parse_args()
    root = utils.annotated(utils.voc_root())
    known, val = (
        [load(root, x) for x in utils.read_split(root, split)][
            : arguments.scenes
        ]
        for split in ('train', 'val')
    )
    print(f'{arguments.seconds:g} processor seconds for each way')
    for name, way in (('at once', at_once), ('in four steps', in_four_steps)):
        utils.set_seed(arguments.seed)
        rng = onp.random.default_rng(arguments.seed)
        detector, counts = way(known, arguments.seconds, rng)
        some = [proposals(detector, photo) for photo, _, _ in val]
        found = [segbook.detect(detector, photo) for photo, _, _ in val]
        print(f'{name}: photos in each step', *counts)
        for least in (0.5, 0.7):
            shares = [recall(some, val, n, least) for n in (10, 300)]
            precision = mean_precision(found, val, least)
            print(
                f'  at {least}: recall of 10 {shares[0]:.3f}, of 300 '
                f'{shares[1]:.3f}, mAP {precision:.3f}'
            )


if __name__ == '__main__':
    main()
