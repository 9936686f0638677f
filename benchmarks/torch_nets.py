"""The book's two networks in PyTorch, layer by layer, with its weights."""

import numpy as onp
import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 21


# ------------------------------------------------------------- ResNet18_v2
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


def make_resnet18():
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


# ------------------------------------------------------ EfficientNet-Lite0
class NormConv(nn.Conv2d):
    """A convolution and its batch normalisation, as they are published.

    The statistics are frozen, and such that nothing is scaled: then the
    shift is what the folded convolution has as its bias.
    """

    def __init__(self, inputs, outputs, *sizes, groups):
        super().__init__(inputs, outputs, *sizes, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.norm.running_var, 1 - self.norm.eps)

    def forward(self, x):
        return self.norm(super().forward(x))


class Residual(nn.Sequential):
    """Adds to its input what its layers make of it."""

    def forward(self, x):
        return x + super().forward(x)


class Lite0(nn.Module):
    """Photos to Lite0's last map, of stride 32, with 1280 channels.

    `published`: with batch normalisation, to train all weights. Else as the
    book has it: folded, the first stage not recorded, depthwise kernels
    fixed.
    """

    STAGES = (
        # blocks, kernel, stride, expansion, channels
        ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40)),
        ((3, 3, 2, 6, 80), (3, 5, 1, 6, 112)),
        ((4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
    )

    def __init__(self, published):
        super().__init__()
        self.published = published
        layers = [[*self.convolution(3, 32, 3, 2), nn.ReLU6(True)], [], []]
        inputs = 32
        for stage, groups in zip(layers, self.STAGES, strict=True):
            for blocks, kernel, stride, expansion, outputs in groups:
                for i in range(blocks):
                    sizes = kernel, 1 if i else stride, expansion
                    stage.append(self.block(inputs, outputs, *sizes))
                    inputs = outputs
        layers[2] += [*self.convolution(inputs, 1280), nn.ReLU6(True)]
        self.stages = nn.ModuleList(nn.Sequential(*x) for x in layers)

    def convolution(self, inputs, outputs, kernel=1, stride=1, groups=1):
        """One layer, in a list; see `same_conv` in chapters/real-photos."""
        kind = NormConv if self.published else nn.Conv2d
        sizes = kernel + (stride == 2), stride, kernel // 2
        layer = kind(inputs, outputs, *sizes, groups=groups)
        if groups > 1 and not self.published:
            layer.requires_grad_(False)
        return [layer]

    def block(self, inputs, outputs, kernel, stride, expansion):
        inner, layers = inputs * expansion, []
        if expansion > 1:
            layers += [*self.convolution(inputs, inner), nn.ReLU6(True)]
        layers += self.convolution(inner, inner, kernel, stride, inner)
        layers += [nn.ReLU6(True), *self.convolution(inner, outputs)]
        same = stride == 1 and inputs == outputs
        return (Residual if same else nn.Sequential)(*layers)

    def forward(self, x):
        first, *others = self.stages
        with torch.set_grad_enabled(
            self.published and torch.is_grad_enabled()
        ):
            x = first(x)
        for stage in others:
            x = stage(x)
        return x


# ------------------------------------------------------------- The whole net
def load(module, path):
    """Load the weights that Gluon saved, under PyTorch's names."""
    names = {'gamma': 'weight', 'beta': 'bias'}
    own = module.state_dict()
    with onp.load(path) as stored:
        for name in stored:
            head, _, last = name.rpartition('.')
            target = f'{head}.{names.get(last, last)}'
            if target not in own:
                target = f'{head}.norm.{last}'  # of a NormConv
            if target in own:  # Gluon stores a scale of 1 that is not used
                own[target].copy_(torch.from_numpy(stored[name]))


def bilinear_kernel(channels, size):
    """Return a weight (channels, channels, size, size)."""
    line = 1 - abs(torch.arange(size) - (size - 1) / 2) / ((size + 1) // 2)
    weight = torch.zeros(channels, channels, size, size)
    weight[range(channels), range(channels)] = torch.outer(line, line)
    return weight


class FCN(nn.Module):
    """Photos (N, 3, H, W) to scores (N, CLASSES, H, W), of stride 32.

    `path`: the weights of Gluon, as NumPy's arrays. `dense`: to enlarge by
    a transposed convolution, not by F.interpolate.
    """

    def __init__(self, backbone, channels, path, dense):
        super().__init__()
        self.backbone, self.dense = backbone, None
        self.score = nn.Conv2d(channels, CLASSES, 1)
        load(self, path)
        if dense:
            self.dense = nn.ConvTranspose2d(
                CLASSES, CLASSES, 64, 32, 16, bias=False
            )
            self.dense.weight.data = bilinear_kernel(CLASSES, 64)

    def forward(self, x):
        x = self.score(self.backbone(x))
        if self.dense:
            return self.dense(x)
        return F.interpolate(
            x, scale_factor=32, mode='bilinear', align_corners=False
        )
