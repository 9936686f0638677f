"""Print the FCN paper's figures beside those measured here: `make reproduce`.

It needs two things that the book cannot bring along.

Weights: the published ones, converted by tools/weights.py. Each file is looked
for at its place, or where its variable says:

    FCN-32s           data/fcn32s.params           WEIGHTS32S=…
    FCN-16s           data/fcn16s.params           WEIGHTS16S=…
    FCN-8s            data/fcn8s.params            WEIGHTS8S=…
    FCN-8s at once    data/fcn8s-at-once.params    WEIGHTS8SATONCE=…

Data: the photos of VOC2012, VOC_ROOT=download or VOC_ROOT=/some/folder. The
paper validates on 736 of them. Their list, seg11valid.txt, is in its authors'
repository (github.com/shelhamer/fcn.berkeleyvision.org, data/pascal); lay it
into ImageSets/Segmentation. Without it, the split `val` is taken, and that is
said.

Whole photos, prepared as the paper does (blue first, minus the mean, nothing
resized); void pixels do not count; means over the classes that are present.
What cannot be measured gets no figures, but a sentence on what is missing. If
that is everything, the command fails. On two cores a photo takes seconds.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import os

sys.path.insert(0, str(ROOT))

import segbook
import utils
from parts.checkpoints import fill
from parts.nets import knows_sizes
from parts.stored import naming, open_arrays
from parts.whole import place
from tools import weights

import numpy as onp
from mxnet import cpu, init, np
from tqdm import tqdm

# Percent: pixel accuracy, mean accuracy, mean IU, frequency-weighted IU. First
# the table of the paper (CVPR 2015), then the mean IU that the authors report
# for the weights they trained anew and released with their code.
PUBLISHED = {
    'FCN-32s': ((89.1, 73.3, 59.4, 81.4), 63.6),
    'FCN-16s': ((90.0, 75.7, 62.4, 83.0), 65.0),
    'FCN-8s': ((90.3, 75.9, 62.7, 83.2), 65.5),
    'FCN-8s at once': (None, 65.4),
}
STRIDES = 32, 16, 8, 8
PAPERS_SPLIT, PAPERS_PHOTOS = 'seg11valid', 736


def place_of(name):
    """Return where a net's weights are expected: (path, variable)."""
    word = name.removeprefix('FCN-').replace(' ', '-')
    variable = 'WEIGHTS' + word.replace('-', '').upper()
    named = os.environ.get(variable, '')
    default = utils.DATA / f'fcn{word}.params'
    return (place(named) if named else default), variable


def find_data():
    """Return the photos to measure on, and a sentence on them.

    Raises FileNotFoundError or ValueError that says what is missing.
    """
    if not os.environ.get('VOC_ROOT'):
        raise FileNotFoundError(
            'there are no photos: set VOC_ROOT=download (2 GB) or VOC_ROOT='
            '/some/folder in the VOC layout; on the drawn scenes, weights '
            'that were trained on photos mean nothing'
        )
    root = utils.voc_root()
    lists = root / 'ImageSets' / 'Segmentation'
    if (lists / f'{PAPERS_SPLIT}.txt').is_file():
        dataset = segbook.VOCSegDataset(root, PAPERS_SPLIT)
        if len(dataset) == PAPERS_PHOTOS:
            return dataset, f"{PAPERS_SPLIT}, the paper's validation set"
        return dataset, (
            f"{PAPERS_SPLIT}, but not the paper's: that has {PAPERS_PHOTOS} "
            'photos'
        )
    return segbook.VOCSegDataset(root, 'val'), (
        "val, which is NOT the paper's set: the published nets may have been "
        'trained on some of these photos. For the same set, lay '
        f'{PAPERS_SPLIT}.txt '
        "of the authors' repository (github.com/shelhamer/"
        f'fcn.berkeleyvision.org, data/pascal) into {lists}'
    )


def find_weights(name):
    """Return the file of a net's weights.

    Raises FileNotFoundError that says how to get them.
    """
    path, variable = place_of(name)
    if not path.is_file():
        raise FileNotFoundError(
            f'there are no weights {path}; convert published ones: python '
            f'tools/weights.py IN.mat {path} (or set {variable}=FILE)'
        )
    return path


def load(name, path, device=None):
    """Build a net and load its weights.

    Raises ValueError naming the file if it is damaged or holds other weights.
    """
    stride = dict(zip(PUBLISHED, STRIDES, strict=True))[name]
    net = segbook.PaperFCN(
        len(segbook.VOC_CLASSES), stride, at_once='at once' in name
    )
    with (
        naming(path, f'does not hold the weights of {name}'),
        open_arrays(path) as stored,
    ):
        net.initialize(init.Zero(), device)
        if not knows_sizes(net):
            net(np.zeros((1, 3, 32, 32), ctx=device))
        fill(net, stored, [device or cpu()])
    return net


def prepare(photo, device=None):
    """Turn a photo, uint8 (H, W, 3), red first, into the paper's input.

    Returns float32 (1, 3, H, W): blue first, 0 to 255, minus the mean.
    """
    x = photo[:, :, ::-1] - onp.array(weights.MEAN, dtype='float32')
    x = onp.ascontiguousarray(x.transpose(2, 0, 1)[None])
    return np.array(x, dtype='float32', ctx=device)


def measure(net, dataset, device=None):
    """Predict all photos of a data set, whole: a SegmentationMetric.

    `net`: prepared photos (1, 3, H, W) to scores (1, C, H, W).
    """
    metric = utils.SegmentationMetric(len(segbook.VOC_CLASSES))
    quiet = {'leave': False, 'disable': None, 'unit': ' photos'}
    for i in tqdm(range(len(dataset)), **quiet):
        photo, label = dataset[i]
        scores = net(prepare(photo, device))
        metric.update(label, scores[0].argmax(axis=0).astype('uint8'))
    return metric


def figures(metric):
    """Return the four figures of a metric, in percent."""
    return [
        100 * value
        for value in (
            metric.pixel_accuracy,
            metric.mean_accuracy,
            metric.mean_iu,
            metric.frequency_weighted_iu,
        )
    ]


def row(title, values, note=''):
    """Lay out a row of the table; None is a figure that nobody published."""
    cells = (' ' * 9 if v is None else f'{v:9.1f}' for v in values)
    return f'{title:27s}{"".join(cells)}  {note}'.rstrip()


def report(name, metric):
    """Return the rows of one net: measured, then published."""
    paper, released = PUBLISHED[name]
    rows = [row(f'{name}: measured here', figures(metric))]
    if paper is not None:
        rows.append(row('  published', paper, 'CVPR 2015'))
    later = None, None, released, None
    return [*rows, row('  published', later, 'with the released weights')]


def main():
    """Measure what can be measured; return the exit code."""
    missing, measured, dataset = [], 0, None
    device = utils.try_gpu()
    try:
        dataset, words = find_data()
    except (FileNotFoundError, ValueError, ConnectionError) as error:
        missing.append(str(error))
    else:
        print(f'{len(dataset)} photos: {words}')
    for name in PUBLISHED:
        try:
            path = find_weights(name)
            if dataset is None:
                continue
            metric = measure(load(name, path, device), dataset, device)
            if not metric.present.any():
                raise ValueError('no pixel of these photos has a class')
        except (FileNotFoundError, ValueError) as error:
            missing.append(f'{name}: {error}')
            continue
        if not measured:
            print(head(metric))
        print('\n'.join(report(name, metric)), flush=True)
        measured += 1
    for sentence in missing:
        print(f'not measured: {sentence}', file=sys.stderr)
    return 0 if measured else 1


def head(metric):
    """Return what stands above the table: columns and the baseline."""
    there = int(metric.present.sum())
    columns = zip(
        ('pixel', 'mean', 'mean', 'f.w.'),
        ('accuracy', 'accuracy', 'IU', 'IU'),
        strict=True,
    )
    lines = [
        ' ' * 27 + ''.join(f'{word:>9s}' for word in words)
        for words in zip(*columns, strict=True)
    ]
    if there < metric.num_classes:
        note = f'Means are over {there} of {metric.num_classes} classes, '
        lines.insert(0, note + 'for the others are on none of the photos.')
    baseline = figures(metric.all_background())
    return '\n'.join([*lines, row('all background', baseline)])


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
