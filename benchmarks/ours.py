"""The book's own code, measured: chapters/fcn, utils.py and parts/.

Besides the works that bench.py compares (train, infer, loader) there are
those that it measures in the book alone (evaluation, tiled, batch, profile),
and `prepare`, which writes the weights and the batch that all peers share.
"""

import sys
import time
from pathlib import Path

import peer
import segbook
import utils
from parts.views import argmax, round_up
from parts.workers import Workers

import mxnet as mx
import numpy as onp
from mxnet import autograd, gluon, init, np, npx

CLASSES = len(segbook.VOC_CLASSES)


def make_net(folder):
    """The network of chapters/fcn with the shared weights."""
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize()
    net = segbook.make_fcn(features, CLASSES)
    net.load_parameters(str(folder / 'net.params'))
    return net


def prepare(folder):
    """Write random weights and a batch: for Gluon, and as NumPy arrays."""
    settings = peer.read_settings(folder)
    utils.set_seed(0)
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, CLASSES)
    net(np.zeros((1, 3, 64, 64)))
    path = str(folder / 'net.params')
    net.save_parameters(path)
    values = {name: x.asnumpy() for name, x in npx.load(path).items()}
    onp.savez(folder / 'net.npz', **values)
    rng = onp.random.default_rng(0)
    shape = settings['batch'], *settings['size']
    onp.savez(
        folder / 'batch.npz',
        photos=rng.normal(size=(shape[0], 3, *shape[1:])).astype('float32'),
        labels=rng.integers(CLASSES, size=shape, dtype='uint8'),
    )


def train(folder):
    """One step of gradient descent on the batch."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x, y = np.array(photos), np.array(labels, dtype='uint8')
    net = make_net(folder)
    with autograd.train_mode():
        check = peer.inner_loss(net(x).asnumpy(), labels)
    trainer = gluon.Trainer(
        net.collect_params(), 'sgd', {'learning_rate': settings['rate']}
    )

    alone = Workers('device')

    def step():
        loss = segbook.void_cross_entropy
        total, count = utils.take_step(
            net, x, y, loss, trainer, [mx.cpu()], 1, alone
        )
        npx.waitall()
        return total / count

    return peer.training(step, settings, check)


def infer(folder):
    """The scores of the batch."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x = np.array(photos)
    net = make_net(folder)
    check = peer.inner_loss(net(x).asnumpy(), labels)

    def scores():
        net(x).wait_to_read()

    def classes():
        for each in net(x).asnumpy():
            argmax(each)

    return peer.inference(scores, classes, settings, check)


# ------------------------------------------------- Loading and predicting
class Named(segbook.VOCSegDataset):
    """The data set of chapters/data, with these images of any split."""

    def __init__(self, settings):
        super().__init__(settings['root'], 'train', settings['size'])
        self.names = settings['names']


def loader(folder):
    """Go through all images once, in batches, normalised."""
    settings = peer.read_settings(folder)

    def epoch():
        batches = utils.Batches(Named(settings), settings['batch'])
        for photos, labels in batches:
            utils.normalize(photos).wait_to_read()
            labels.wait_to_read()
            yield len(photos)

    return peer.loading(epoch)


def evaluation(folder):
    """The val split: the forward passes alone, and `utils.evaluate`."""
    settings = peer.read_settings(folder)
    net = make_net(folder)
    data = segbook.VOCSegDataset(settings['root'], 'val')
    data.names = data.names[: settings['evaluated']]

    def forward(count):
        """The seconds in the net alone, padded photos waiting for it."""
        inside = 0
        for i in range(count):
            photo = data[i][0]
            h, w = (round_up(side) for side in photo.shape[:2])
            photo = utils.pad_to(photo, h, w, utils.MEAN_COLOR)
            x = utils.normalize(np.array(photo[None], dtype='uint8'))
            x.wait_to_read()
            start = time.perf_counter()
            net(x).wait_to_read()
            inside += time.perf_counter() - start
        return inside

    forward(min(20, len(data)))

    def one_round():
        return {
            'forward': [forward(len(data)) / len(data)],
            'evaluate': [
                peer.seconds(lambda: utils.evaluate(net, data), 1)[0]
                / len(data)
            ],
        }

    return one_round, {'images': len(data)}


def large_photo(settings):
    """One of the photos, enlarged: uint8 (height, width, 3)."""
    path = Path(settings['root'], 'JPEGImages', settings['names'][0] + '.jpg')
    photo = utils.open_image(path).convert('RGB')
    return onp.asarray(photo.resize(settings['large']))


def tiled(folder):
    """Predict the large photo in tiles."""
    settings = peer.read_settings(folder)
    net = make_net(folder)
    photo = large_photo(settings)

    def one_round():
        seconds = peer.seconds(lambda: utils.predict(net, photo), 1)
        pixels = photo.shape[0] * photo.shape[1]
        return {'per_pixel': [s / pixels for s in seconds]}

    one_round()
    return one_round, {}


def batch(folder):
    """Predict a batch of photos: the same, from uint8 to uint8."""
    settings = peer.read_settings(folder)
    net = make_net(folder)
    height, width = settings['size']
    photo = large_photo(settings)[:height, :width]
    photos = onp.stack([photo] * settings['batch'])

    def predict():
        x = utils.normalize(np.array(photos, dtype='uint8'))
        for each in net(x).asnumpy():
            argmax(each)

    def one_round():
        seconds = peer.seconds(predict, settings['steps'])
        pixels = photos.size / 3
        return {'per_pixel': [s / pixels for s in seconds]}

    one_round()
    return one_round, {}


def profile(folder):
    """The parts of a training step, each waited for."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x, y = np.array(photos), np.array(labels, dtype='uint8')
    net = make_net(folder)
    trainer = gluon.Trainer(
        net.collect_params(), 'sgd', {'learning_rate': settings['rate']}
    )

    times = {}

    def timed(name, function, *arguments):
        npx.waitall()
        start = time.perf_counter()
        result = function(*arguments)
        npx.waitall()
        times.setdefault(name, []).append(time.perf_counter() - start)
        return result

    def cut(x):
        """Cut the graph here, to walk back part by part."""
        x = x.detach()
        x.attach_grad()
        return x

    def step():
        with autograd.record():
            features = timed('backbone, forward', net.backbone, x)
            middle = cut(features)
            coarse = timed('1x1 convolution, forward', net.score, middle)
            small = cut(coarse)
            enlarged = timed('upsampling, forward', net.upsample, small)
            scores = cut(enlarged)
            losses = timed(
                'loss, forward', segbook.void_cross_entropy, scores, y
            )
        timed('loss, backward', losses.backward)
        timed('upsampling, backward', enlarged.backward, scores.grad)
        timed('1x1 convolution, backward', coarse.backward, small.grad)
        timed('backbone, backward', features.backward, middle.grad)
        timed('optimizer', trainer.step, y.size)

    def one_round():
        times.clear()
        peer.seconds(step, settings['steps'])
        return times

    one_round()
    return one_round, {}


WORKS = train, infer, loader, evaluation, tiled, batch, profile

if __name__ == '__main__':
    if sys.argv[1] == 'prepare':
        prepare(Path(sys.argv[2]))
    else:
        peer.serve(
            {work.__name__: work for work in WORKS},
            version=f'MXNet {mx.__version__}',
        )
