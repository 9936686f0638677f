"""The book's own code, measured: chapters/fcn, utils.py and parts/.

Besides the works that bench.py compares (train, infer, loader) there are
those that it measures in the book alone (evaluation, tiled, batch, profile).
The option `resnet18` does Lite0's works with the other net.
"""

import sys
import time

import peer
import segbook
import utils
from parts.views import argmax, batch_of, scores_of
from parts.workers import Workers

import mxnet as mx
import numpy as onp
from mxnet import autograd, gluon, init, np, npx
from PIL import Image

CLASSES = len(segbook.VOC_CLASSES)


def build(kind):
    """An FCN-32s on either backbone; only Lite0's has learnt something."""
    if kind == 'lite0':
        backbone = segbook.lite0_backbone([mx.cpu()])
        return segbook.make_skip_fcn(backbone, CLASSES)
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    return segbook.make_fcn(features, CLASSES)


def make_net(folder, kind='resnet18', stages=3):
    """The network of a chapter with the shared weights.

    `stages`: how many of Lite0's are fused; to train, it may be one.
    """
    net = build(kind)
    net.load_parameters(str(folder / f'{kind}.params'))
    if kind == 'lite0':
        net.backbone.fuse(stages)
    return net


def train(folder, kind):
    """One step of gradient descent on the batch."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x, y = np.array(photos), np.array(labels, dtype='uint8')
    net = make_net(folder, kind, stages=1)
    with autograd.train_mode():
        check = peer.check(net(x).asnumpy(), labels)
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


def infer(folder, kind):
    """The scores of the batch."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x = np.array(photos)
    net = make_net(folder, kind)
    path = folder / f'{kind}-scores.npy'
    check = peer.check(net(x).asnumpy(), labels, path)

    def scores():
        net(x).wait_to_read()

    def classes():
        for each in net(x).asnumpy():
            argmax(each)

    return peer.inference(scores, classes, settings, check)


def photo_scores(net, photo):
    """Scores of a photo, uint8 (1, h, w, 3): (1, classes, h, w)."""
    scores = scores_of(net, batch_of(photo), mx.cpu())
    return scores[:, :, : photo.shape[1], : photo.shape[2]]


def photo(folder, kind):
    """The scores of one photo, from its bytes."""
    pixels, labels = peer.read_photo(folder)
    net = make_net(folder, kind)
    path = folder / f'{kind}-photo-scores.npy'
    check = peer.check(photo_scores(net, pixels).asnumpy(), labels, path)

    def scores():
        scores_of(net, batch_of(pixels), mx.cpu()).wait_to_read()

    return peer.one_photo(scores, peer.read_settings(folder), check)


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
            x = np.array(batch_of(photo[None]))
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


def read_first(settings):
    """The first of the photos: uint8 (height, width, 3)."""
    return utils.read_image(
        utils.photo_path(settings['root'], settings['names'][0])
    )


def large_photo(settings):
    """The same, enlarged."""
    photo = Image.fromarray(read_first(settings))
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


ON_RESNET = loader, evaluation, tiled, batch, profile

if __name__ == '__main__':
    works = {work.__name__: work for work in ON_RESNET}
    works |= peer.for_both(train, infer, photo)
    if 'resnet18' in sys.argv[3:]:
        works |= {f'lite_{name}': works[name] for name in ('train', 'infer')}
    peer.serve(works, version=f'MXNet {mx.__version__}')
