"""The classic Gluon tutorial code: eager, dense, everything in memory.

Written for this comparison from its description. It does not import the
book's utils, which would give it all cores, but what MXNet needs on a new
NumPy.
"""

import peer
from parts import numpys

numpys.give_back_names()

import mxnet as mx
import numpy as onp
from mxnet import autograd, gluon, image, init, np, npx
from mxnet.gluon import nn

numpys.write_plain_numbers()
npx.set_np()

CLASSES = 21


def bilinear_kernel(channels, size):
    """Return a weight (channels, channels, size, size)."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 else factor - 0.5
    rows, columns = onp.ogrid[:size, :size]
    kernel = (1 - abs(rows - center) / factor) * (
        1 - abs(columns - center) / factor
    )
    weight = onp.zeros((channels, channels, size, size), dtype='float32')
    weight[range(channels), range(channels)] = kernel
    return np.array(weight)


class Net(nn.Block):
    """ResNet-18, a 1x1 convolution, a transposed convolution of 64 x 64."""

    def __init__(self, folder):
        super().__init__()
        self.backbone = nn.HybridSequential()
        for layer in gluon.model_zoo.vision.resnet18_v2().features[:-2]:
            self.backbone.add(layer)
        self.score = nn.Conv2D(CLASSES, kernel_size=1)
        self.upsample = nn.Conv2DTranspose(
            CLASSES, kernel_size=64, strides=32, padding=16, use_bias=False
        )
        self.load_parameters(
            str(folder / 'resnet18.params'), allow_missing=True
        )
        kernel = bilinear_kernel(CLASSES, 64)
        self.upsample.initialize(init.Constant(kernel))

    def forward(self, x):
        return self.upsample(self.score(self.backbone(x)))


def train(folder):
    """One step of gradient descent on the batch."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x, y = np.array(photos), np.array(labels, dtype='int32')
    net = Net(folder)
    loss = gluon.loss.SoftmaxCrossEntropyLoss(axis=1)
    with autograd.train_mode():
        check = peer.check(net(x).asnumpy(), labels)
    trainer = gluon.Trainer(
        net.collect_params(), 'sgd', {'learning_rate': settings['rate']}
    )

    def step():
        with autograd.record():
            losses = loss(net(x), y)
        losses.backward()
        trainer.step(len(photos))
        mean = float(losses.mean().item())
        npx.waitall()
        return mean

    return peer.training(step, settings, check)


def infer(folder):
    """The scores of the batch."""
    photos, labels = peer.read_batch(folder)
    settings = peer.read_settings(folder)
    x = np.array(photos)
    net = Net(folder)
    path = folder / 'resnet18-scores.npy'
    check = peer.check(net(x).asnumpy(), labels, path)

    def scores():
        net(x).wait_to_read()

    def classes():
        net(x).argmax(axis=1).wait_to_read()

    return peer.inference(scores, classes, settings, check)


# ----------------------------------------------------------------- Loading
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def colormap2label():
    """The index of each of the 2 ** 24 colours."""
    table = onp.zeros(256**3, dtype='float32')
    for index in range(CLASSES):
        color, rest = [0, 0, 0], index
        for place in range(7, -1, -1):
            for channel in range(3):
                color[channel] |= (rest & 1) << place
                rest >>= 1
        table[(color[0] * 256 + color[1]) * 256 + color[2]] = index
    return np.array(table)


class InMemory(gluon.data.Dataset):
    """All photos and labels, decoded before the first is asked for."""

    def __init__(self, root, names, crop_size, table):
        self.crop_size, self.table = crop_size, table
        photos = [image.imread(f'{root}/JPEGImages/{n}.jpg') for n in names]
        labels = [
            image.imread(f'{root}/SegmentationClass/{n}.png') for n in names
        ]
        self.photos, self.labels = self.large(photos), self.large(labels)

    def large(self, images):
        """Leave out the images that are smaller than the crop."""
        height, width = self.crop_size
        return [
            x for x in images if x.shape[0] >= height and x.shape[1] >= width
        ]

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, i):
        height, width = self.crop_size
        photo, window = image.random_crop(self.photos[i], (width, height))
        label = image.fixed_crop(self.labels[i], *window).astype('int32')
        photo = (photo.astype('float32') / 255 - MEAN) / STD
        codes = (label[:, :, 0] * 256 + label[:, :, 1]) * 256 + label[:, :, 2]
        return photo.transpose(2, 0, 1), self.table[codes]


def loader(folder):
    """Read all images and go through them once, in batches."""
    settings = peer.read_settings(folder)
    table = colormap2label()

    def epoch():
        data = InMemory(
            settings['root'], settings['names'], settings['size'], table
        )
        batches = gluon.data.DataLoader(
            data, settings['batch'], shuffle=True, last_batch='discard'
        )
        for photos, labels in batches:
            photos.wait_to_read()
            labels.wait_to_read()
            yield len(photos)

    return peer.loading(epoch)


if __name__ == '__main__':
    peer.serve(
        {'train': train, 'infer': infer, 'loader': loader},
        version=f'MXNet {mx.__version__}',
    )
