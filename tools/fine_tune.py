"""Train a network on a data set of your own.

    make train DATA=folder [FROM=net.zip] [OUT=net.zip] [STEPS=number]

DATA is what `make own` made: photos and labels in the layout of VOC2012, and
classes.json. The training begins with the network for real photos in
weights/, with another one (FROM=net.zip), or, with FROM=imagenet, with
ImageNet's weights of EfficientNet-Lite0 alone. What scores the classes keeps
its weights for the classes that both have, by name, and is new for others.

STEPS: by default ten looks at each photo, and at least 300, for a few photos
are few steps. They are taken in ten rounds. After each, photos of `train`
and of `val` are segmented, and the figures stand beside those of a network
that calls everything background. OUT, by default data/NAME.zip, is the
network of the best round on `val`. The same command goes on after the last
whole round if it was interrupted. In Python:

    from tools.fine_tune import fine_tune
    history = fine_tune('data/own-pets')

Each of them may stand in the environment, which is how make hands them on.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import hashlib
import os
import shlex
import time

sys.path.insert(0, str(ROOT))

import segbook
import utils  # first: it gives MXNet all cores
from parts.texts import plain
from parts.whole import place
from tools.predict import SHIPPED, load_net

import numpy as onp

CROP, BATCH = (256, 256), 4  # pixels; photos a step
LEAST, LOOKS, ROUNDS = 300, 10, 10  # steps; looks at each photo
RATE, TRUNK = 2e-3, 0.1  # of Adam; the pretrained layers' share of it
MOST_SHOWN = 40  # photos of train that are judged after a round
MOST_CLASSES = 20  # for which the confusion matrix fits a terminal
NEAR = 0.05  # mean IU above the baseline that is not yet learning
_OPTIONS = 'DATA FROM OUT STEPS SEED'.split()


class Some:
    """Some photos of a data set, evenly spread."""

    def __init__(self, dataset, most):
        count = min(most, len(dataset))
        self.dataset = dataset
        self.places = [i * len(dataset) // count for i in range(count)]

    def __len__(self):
        return len(self.places)

    def __getitem__(self, i):
        return self.dataset[self.places[i]]


# ---------------------------------------------------------------- the net


def starting_net(origin, table, devices):
    """Build the net with which training begins: (net, what was kept).

    `origin`: 'imagenet' or a net's file; `table`: the classes it is to know.
    Raises FileNotFoundError and ValueError naming the file.
    """
    if origin == 'imagenet':
        net = segbook.make_lite_fcn(
            segbook.lite0_backbone(devices), len(table.names)
        )
        _learn_slowly(net.backbone)
        return net, "ImageNet's weights of EfficientNet-Lite0"
    old, known, kind = load_net(origin, devices[0])
    if not isinstance(old, segbook.SkipFCN):
        raise ValueError(
            f'{origin} is {kind}: training goes on with an FCN-8s or FCN-16s '
            'that the book builds on EfficientNet-Lite0 or ResNet18_v2'
        )
    utils.move(old, devices)
    net, both = segbook.adapt(old, known.names, table.names)
    _learn_slowly(net.backbone)
    return net, f'{kind}; scores kept of: {", ".join(both) or "none"}'


def _learn_slowly(backbone):
    for parameter in backbone.collect_params().values():
        parameter.lr_mult = TRUNK


# ----------------------------------------------------------------- the data


def open_set(data):
    """Open a data set of one's own: (table, train, val or None).

    Raises FileNotFoundError and ValueError naming what is wrong.
    """
    root = place(data)
    if not root.is_dir():
        raise FileNotFoundError(
            f'there is no data set {root}: make own PHOTOS=folder makes one'
        )
    stored = utils.stored_table(root)
    if stored is None:
        raise FileNotFoundError(
            f'{root} has no classes.json, so nothing says what its labels '
            'mean: make own PHOTOS=folder makes a data set that has one'
        )
    table = segbook.ClassTable(**stored)
    if len(table.names) < 2:
        raise ValueError(f'{root} has one class alone: nothing to tell apart')
    train = segbook.VOCSegDataset(root, 'train', table=table)
    if not (root / 'ImageSets' / 'Segmentation' / 'val.txt').is_file():
        return table, train, None
    return table, train, segbook.VOCSegDataset(root, 'val', table=table)


def look_at(dataset, digest):
    """Read a data set once: (photos per class, the longest side in pixels).

    `digest` takes in what was read.
    """
    counts, longest = onp.zeros(len(dataset.table.names), int), 0
    for i, name in enumerate(dataset.names):
        photo, label = dataset[i]
        found = onp.unique(label)
        counts[found[found != utils.VOID]] += 1
        longest = max(longest, *label.shape)
        digest.update(repr((name, photo.shape)).encode())
        digest.update(photo.tobytes() + label.tobytes())
    return counts, longest


def steps_for(num_photos, steps=None):
    """How the steps are taken: (steps a round, rounds, photos a step)."""
    batch = min(BATCH, num_photos)
    total = steps or max(LEAST, -(-LOOKS * num_photos // batch))
    rounds = min(ROUNDS, total)
    return -(-total // rounds), rounds, batch


# -------------------------------------------------------------- the training


def baseline_of(metric, table):
    """The metric of a net that calls all pixels the same: (name, metric)."""
    index = utils.background_of(table)
    if index is None:  # then the most frequent class
        index = int(metric.confusion.sum(1).argmax())
    return table.names[index], metric.all_background(index)


def confusion_text(metric, names):
    """The confusion matrix as text: in each row shares of a class, in %."""
    present = [i for i in range(len(names)) if metric.present[i]]
    if len(names) > MOST_CLASSES:
        lines = ['more classes than a matrix shows; the IU of each:']
        lines += [f'{names[i]}: {metric.class_iu[i]:.3f}' for i in present]
        return '\n'.join(lines)
    width = max(12, *(len(name) for name in names)) + 5
    lines = [
        'confusion matrix of val, void left out: of the pixels of each class '
        'so many % are taken for',
        ' ' * width + ''.join(f'{f"[{i}]":>7}' for i in range(len(names))),
    ]
    for i, name in enumerate(names):
        pixels = metric.confusion[i].sum()
        row = f'{f"[{i}] {name}":{width}}'
        if pixels:
            shares = 100 * metric.confusion[i] / pixels
            row += ''.join(f'{share:7.1f}' for share in shares)
            row += f'   IU {metric.class_iu[i]:.3f}'
        else:
            row += '  (no pixel)'
        lines.append(row)
    return '\n'.join(lines)


class Watch:
    """What happens after each round: figures, words, the best net's file."""

    def __init__(self, table, train, val, save, rounds):
        self.table, self.train, self.val = table, train, val
        self.save, self.rounds = save, rounds

    def __call__(self, net, history):
        """Judge a net: {name: number} for the history, which it extends."""
        train = utils.evaluate(net, self.train, len(self.table.names))
        name, baseline = baseline_of(train, self.table)
        figures = {'train': train.mean_iu, 'train_base': baseline.mean_iu}
        number = len(history['loss'])
        words = f'round {number}/{self.rounds}: mean IU: '
        words += f'train {train.mean_iu:.3f} (all {name}: '
        words += f'{baseline.mean_iu:.3f})'
        best = True
        if self.val is not None:
            val = utils.evaluate(net, self.val, len(self.table.names))
            _, other = baseline_of(val, self.table)
            figures |= {'val': val.mean_iu, 'val_base': other.mean_iu}
            words += f', val {val.mean_iu:.3f} ({other.mean_iu:.3f})'
            best = val.mean_iu > max(history.get('val', []), default=-1)
        if best:
            self.save(net, number, figures)
            words += ', kept'
        say(words)
        if number == -(-self.rounds // 3):
            self._warn(train.mean_iu - baseline.mean_iu, name)
        return figures

    def _warn(self, above, name):
        if above < NEAR:
            say(
                f'a third of the steps is done, and on the photos that it '
                f'learns from the net is hardly better than all {name}. What '
                'may be wrong: the labels (look at some in SegmentationClass: '
                'do they lie on the objects?), the classes (is one of them '
                'called by several names?), the size (are the objects only '
                'few pixels large? MAX_SIDE of make own is how large photos '
                'are), or too few steps (STEPS=…)'
            )


def fine_tune(data, origin=None, out=None, steps=None, seed=0):
    """Train a net on a data set: (path of the net, its history).

    See this file's docstring; what happens is printed. `steps`: None takes
    as many as the photos need. The history has lists with a number a round:
    `loss`, `train` and `val` (mean IU), `train_base` and `val_base` (of a net
    that calls all background); without a split `val`, none of that.

    Raises FileNotFoundError, FloatingPointError and ValueError, which name
    what is wrong.
    """
    root = place(data)
    table, train, val = open_set(root)
    digest = hashlib.sha256(repr((table.names, origin, steps)).encode())
    counts, longest = look_at(train, digest)
    if val is not None:
        look_at(val, digest)
    origin = str(origin or SHIPPED)
    if origin != 'imagenet' and place(origin).is_file():
        digest.update(place(origin).read_bytes())
    out = place(out) if out else utils.DATA / f'{root.resolve().name}.zip'
    each, rounds, batch = steps_for(len(train), steps)

    devices = utils.try_all_gpus()
    utils.set_seed(seed)
    net, kept = starting_net(origin, table, devices)
    say(f'begins with {kept}')
    say(f'classes: {", ".join(table.names)}')
    for name, count in zip(table.names, counts, strict=True):
        if not count:
            say(f'note: no photo of train has «{name}»: it is not learnt')
    if val is None:
        say(
            'note: there is no split val, so nothing says what the net can do '
            'on photos that it has not seen; the last round is kept'
        )
    say(
        f'{len(train)} photos to learn from, {len(val or [])} others; '
        f'{each * rounds} steps of {batch} photos, in {rounds} rounds'
    )
    about = {
        'kind': f'fine-tuned on {root.resolve().name} from {_origin(origin)}',
        'photos': dict(zip(table.names, map(int, counts), strict=True)),
        'max_side': longest,
    }

    def save(net, number, figures):
        told = {f'mean IU of {k}': round(figures[k], 4) for k in figures}
        told = {k: v for k, v in told.items() if 'base' not in k}
        utils.save_net(out, net, table, about | {'round': number} | told)

    checkpoint = utils.DATA / f'{out.stem}-{digest.hexdigest()[:10]}.ckpt'
    if checkpoint.exists():
        say(f'goes on from {checkpoint}')
    windows = segbook.Changed(train, each * batch, CROP, seed)
    start = time.monotonic()
    history = utils.train(
        net,
        utils.Batches(windows, batch, seed),
        segbook.void_cross_entropy,
        rounds,
        optimizer_params={'learning_rate': RATE},
        devices=devices,
        checkpoint=checkpoint,
        quiet=True,
        watch=Watch(table, Some(train, MOST_SHOWN), val, save, rounds),
    )
    say(f'{time.monotonic() - start:.0f} s')
    best, _, _ = load_net(out, devices[0])
    judged = train if val is None else val
    metric = utils.evaluate(best, judged, len(table.names))
    text = confusion_text(metric, table.names)
    for line in text.splitlines():
        say(line if val is not None else line.replace('of val', 'of train'))
    checkpoint.unlink(missing_ok=True)  # the net is complete
    return out, history


def _origin(origin):
    return 'ImageNet' if origin == 'imagenet' else Path(origin).name


def say(text):
    """Print a line; what is in its names must not control the terminal."""
    print(plain(text), flush=True)


# ---------------------------------------------------------- the command line


def main(arguments=None):
    """Read the command line; return the message of an error, or None."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in _OPTIONS:
        value = os.environ.get(option, '')
        parser.add_argument(f'--{option.lower()}', default=value)
    given = parser.parse_args(arguments)
    if not given.data:
        return 'which data set? make train DATA=folder'
    for option in ('steps', 'seed'):
        value = getattr(given, option)
        if value and not (value.isascii() and value.isdecimal()):
            return plain(f'{option.upper()}={value} is no whole number')
    if given.steps and not int(given.steps):
        return 'STEPS=0: without a step nothing is learnt'
    try:
        out, _ = fine_tune(
            given.data,
            getattr(given, 'from'),
            given.out,
            int(given.steps) if given.steps else None,
            int(given.seed or 0),
        )
    except (OSError, FloatingPointError, MemoryError, ValueError) as error:
        return plain(str(error))
    near = os.path.relpath(out, ROOT)  # where make is typed
    shown = str(out.resolve()) if near.startswith('..') else near
    say('the network is complete; next, with a photo of yours:')
    say(f'make predict IMAGE=photo.jpg CHECKPOINT={shlex.quote(shown)}')


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
