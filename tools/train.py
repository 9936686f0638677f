"""Train the network of the chapter «Fully Convolutional Networks».

    .venv/bin/python tools/train.py --epochs 10 --checkpoint run.ckpt

typed in the book's folder. The same command goes on from the checkpoint. On
several devices it needs no option: every GPU that works is used.
On several workers, see tools/launch.py. The data are those of the chapters
(VOC_ROOT chooses), with the classes of their classes.json, or VOC's; the
environment variable BACKBONE chooses the weights.
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
from parts.texts import plain


def options():
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('--epochs', type=int, default=10)
    add('--batch-size', type=int, default=4, help='of all workers together')
    add('--crop', type=int, nargs=2, default=(256, 384), metavar=('H', 'W'))
    add('--learning-rate', type=float, default=3e-4)
    add('--seed', type=int, default=0)
    add('--readers', type=int, default=0, help='processes that read photos')
    add('--images', type=int, help='train on so many only, and do not test')
    add('--checkpoint', help='a file: written each epoch, gone on from')
    add('--kvstore', default='device', help='dist_sync for many workers')
    add('--precision', default='float32', help='or float16, on GPUs')
    add('--accumulate', type=int, default=1, help='parts of a batch')
    add('--freeze-batch-norm', action='store_true')
    return parser.parse_args()


def main():
    """Train as the command line says; return the message of an error."""
    choice = options()
    try:
        train(choice)
    except (
        FileNotFoundError,
        FloatingPointError,
        MemoryError,
        ValueError,
    ) as error:
        return plain(str(error))


def train(choice):
    """Train with the options of the command line."""
    utils.set_seed(choice.seed)
    root = utils.voc_root()
    train_set = segbook.VOCSegDataset(root, 'train', choice.crop, choice.seed)
    val_set = segbook.VOCSegDataset(root, 'val')
    if choice.images:
        train_set.names, val_set = train_set.names[: choice.images], None
    features, origin = utils.pretrained_backbone()
    net = segbook.make_fcn(features, len(train_set.table.names))
    for weight in net.score.collect_params().values():
        weight.lr_mult = 10
    if choice.freeze_batch_norm:
        utils.freeze_batch_norm(net.backbone)
    utils.train(
        net,
        utils.Batches(
            train_set, choice.batch_size, choice.seed, choice.readers
        ),
        segbook.void_cross_entropy,
        choice.epochs,
        optimizer_params={'learning_rate': choice.learning_rate, 'wd': 1e-4},
        val_data=val_set,
        checkpoint=choice.checkpoint,
        kvstore=choice.kvstore,
        precision=choice.precision,
        accumulate=choice.accumulate,
    )
    print(f'peak memory of this process: {utils.peak_memory():.0f} MiB')


if __name__ == '__main__':
    ending.in_order()
    sys.exit(main())
