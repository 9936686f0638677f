"""The same FCN in PyTorch: classic, or tuned for CPUs.

classic: a dense transposed convolution. tuned: channels last in memory, and
F.interpolate. The backbone is Gluon's ResNet18_v2, layer by layer, and takes
the same weights.
"""

import sys

import peer

import numpy as onp
import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 21
TUNED = 'tuned' in sys.argv[3:]


class Block(nn.Module):
    """Two convolutions beside a shortcut, activations first (He, 2016b)."""

    def __init__(self, before, channels, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.downsample = (
            nn.Conv2d(before, channels, 1, stride, bias=False)
            if (before, stride) != (channels, 1)
            else None
        )

    def forward(self, x):
        active = F.relu(self.bn1(x))
        shortcut = self.downsample(active) if self.downsample else x
        return self.conv2(F.relu(self.bn2(self.conv1(active)))) + shortcut


def make_backbone():
    """The layers of Gluon's ResNet18_v2 before its pooling."""
    stages, before = [], 64
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        stages.append(
            nn.Sequential(
                Block(before, channels, stride), Block(channels, channels, 1)
            )
        )
        before = channels
    return nn.Sequential(
        nn.BatchNorm2d(3, affine=False),
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        *stages,
        nn.BatchNorm2d(512),
        nn.ReLU(),
    )


def load(module, path):
    """Load the weights that Gluon saved, under PyTorch's names."""
    names = {'gamma': 'weight', 'beta': 'bias'}
    own = module.state_dict()
    with onp.load(path) as stored:
        for name in stored:
            head, _, last = name.rpartition('.')
            target = f'{head}.{names.get(last, last)}'
            if target in own:  # Gluon stores a scale of 1 that is not used
                own[target].copy_(torch.from_numpy(stored[name]))


def bilinear_kernel(channels, size):
    """Return a weight (channels, channels, size, size)."""
    line = 1 - abs(torch.arange(size) - (size - 1) / 2) / ((size + 1) // 2)
    weight = torch.zeros(channels, channels, size, size)
    weight[range(channels), range(channels)] = torch.outer(line, line)
    return weight


class FCN(nn.Module):
    """Photos (N, 3, H, W) to scores (N, CLASSES, H, W)."""

    def __init__(self, folder):
        super().__init__()
        self.backbone = make_backbone()
        self.score = nn.Conv2d(512, CLASSES, 1)
        load(self, folder / 'net.npz')
        if not TUNED:
            self.dense = nn.ConvTranspose2d(
                CLASSES, CLASSES, 64, 32, 16, bias=False
            )
            self.dense.weight.data = bilinear_kernel(CLASSES, 64)

    def upsample(self, x):
        if TUNED:
            return F.interpolate(
                x, scale_factor=32, mode='bilinear', align_corners=False
            )
        return self.dense(x)

    def forward(self, x):
        return self.upsample(self.score(self.backbone(x)))


def prepare(folder):
    """Return the net, photos and labels, in the order of memory it likes."""
    photos, labels = (torch.from_numpy(x) for x in peer.read_batch(folder))
    net = FCN(folder)
    if TUNED:
        net = net.to(memory_format=torch.channels_last)
        photos = photos.contiguous(memory_format=torch.channels_last)
    return net, photos, labels.long()


def train(folder):
    """One step of gradient descent on the batch."""
    settings = peer.read_settings(folder)
    net, x, y = prepare(folder)
    net.train()
    with torch.no_grad():
        check = peer.inner_loss(net(x).numpy(), y.numpy())
    optimizer = torch.optim.SGD(net.parameters(), lr=settings['rate'])

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return peer.training(step, settings, check)


def infer(folder):
    """The scores of the batch."""
    settings = peer.read_settings(folder)
    net, x, y = prepare(folder)
    net.eval()
    with torch.inference_mode():
        check = peer.inner_loss(net(x).numpy(), y.numpy())

    @torch.inference_mode()
    def scores():
        net(x)

    @torch.inference_mode()
    def classes():
        net(x).argmax(dim=1)

    return peer.inference(scores, classes, settings, check)


if __name__ == '__main__':
    peer.serve(
        {'train': train, 'infer': infer},
        version=f'PyTorch {torch.__version__}',
        threads=torch.get_num_threads(),
    )
