"""Train the book's built-in backbone, a stand-in for ImageNet weights.

    python build/backbone.py TARGET.params

draws thumbnails of single objects with the code that draws the scenes, trains
ResNet18_v2 to tell their classes (and thumbnails without any object), and
saves the weights of its `features` as TARGET.params, complete or not at all.
About two and a half minutes on two cores.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import scenes
import utils

import numpy as onp
from mxnet import autograd, gluon, init, np, npx

npx.set_np()

SEED = 18
SIZE = 128  # of a thumbnail, in pixels
NUM_TRAIN, NUM_TEST = 3000, 304
# First thumbnails of half the size, which take a quarter of the time; then
# whole ones, whose objects are as large as those in the scenes.
STAGES = ((3, 2), (1, 1))  # (epochs, how many times smaller)
BATCH = 16
LEARNING_RATE = 1e-3
WARM_UP = 0.1  # the share of the steps in which the learning rate rises


def _draw(i):
    return scenes.thumbnail(onp.random.default_rng((SEED, i)), SIZE)


def draw_thumbnails(first, count):
    """Draw thumbnails: uint8 (count, SIZE, SIZE, 3), classes 0..6 (count,)."""
    jobs = range(first, first + count)
    drawn = scenes.in_processes(_draw, jobs, len(os.sched_getaffinity(0)))
    images, indices = zip(*drawn, strict=True)
    classes = [0, *sorted(scenes.CLASSES.values())]
    labels = onp.array([classes.index(i) for i in indices], dtype='int32')
    return onp.stack(images), labels


def vary(rng, images):
    """Mirror thumbnails and exchange their colour channels, at random.

    No class has a colour of its own, and the net need not look for one.
    """
    varied = images.copy()
    for i in range(len(images)):
        image = images[i][..., rng.permutation(3)]
        varied[i] = image[:, ::-1] if rng.random() < 0.5 else image
    return varied


def learning_rate(share):
    """Rise in a line, then fall along a cosine; `share` of steps done."""
    if share < WARM_UP:
        return LEARNING_RATE * (share + 0.01) / (WARM_UP + 0.01)
    done = (share - WARM_UP) / (1 - WARM_UP)
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done))


def _batches(images, labels, order):
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield images[chosen], labels[chosen]


def _to_net(images, reduction):
    """Normalise thumbnails, made smaller by averaging n x n pixels."""
    n, (count, height, width, _) = reduction, images.shape
    if n > 1:
        blocks = images.reshape(count, height // n, n, width // n, n, 3)
        images = blocks.mean(axis=(2, 4)).round().astype('uint8')
    return utils.normalize(np.array(images, dtype='uint8'))


def accuracy(net, images, labels):
    """Return the share of thumbnails whose class is right."""
    right = 0
    for x, y in _batches(images, labels, onp.arange(len(labels))):
        scores = net(_to_net(x, 1)).asnumpy()
        right += (scores.argmax(axis=1) == y).sum()
    return right / len(labels)


def train_classifier(images, labels, test):
    """Train ResNet18_v2 on thumbnails and return it."""
    net = gluon.model_zoo.vision.resnet18_v2(classes=len(scenes.CLASSES) + 1)
    net.initialize(init.Xavier(rnd_type='gaussian', factor_type='in'))
    net.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), 'adam', {'wd': 1e-4})
    rng = onp.random.default_rng(SEED)
    # A last batch of another size would need another compiled graph.
    steps = len(labels) // BATCH
    reductions = [n for epochs, n in STAGES for _ in range(epochs)]
    costs = [1 / n**2 for n in reductions]  # time is in proportion to pixels
    for epoch, reduction in enumerate(reductions):
        start, losses = time.perf_counter(), []
        order = rng.permutation(len(labels))[: steps * BATCH]
        for step, (x, y) in enumerate(_batches(images, labels, order)):
            done = sum(costs[:epoch]) + costs[epoch] * step / steps
            share = done / sum(costs)
            trainer.set_learning_rate(learning_rate(share))
            x, y = _to_net(vary(rng, x), reduction), np.array(y)
            with autograd.record():
                batch_loss = loss(net(x), y).mean()
            batch_loss.backward()
            trainer.step(1)
            losses.append(batch_loss)
            # While MXNet works on this step, the next batch is prepared.
            losses[max(step - 1, 0)].wait_to_read()
        loss_mean = np.stack(losses).mean().item()
        print(
            f'  epoch {epoch + 1} of {len(reductions)}: '
            f'loss {loss_mean:.3f}, {time.perf_counter() - start:.0f} s',
            flush=True,
        )
    print(f'  accuracy {accuracy(net, *test):.3f} on new thumbnails')
    return net


def save(net, target):
    """Write the weights of the net's features to a file in one step."""
    target = Path(target).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f'.{target.name}-', dir=target.parent
    ) as folder:
        part = Path(folder, target.name)
        net.features.save_parameters(str(part))
        os.replace(part, target)


def main():
    """Read the command line and make the backbone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('target', help='the file to make')
    target = parser.parse_args().target
    utils.set_seed(SEED)
    print(f'Drawing {NUM_TRAIN + NUM_TEST} thumbnails', flush=True)
    test = draw_thumbnails(0, NUM_TEST)
    train = draw_thumbnails(NUM_TEST, NUM_TRAIN)
    print('Training ResNet18_v2 to tell their classes', flush=True)
    save(train_classifier(*train, test), target)


if __name__ == '__main__':
    main()
