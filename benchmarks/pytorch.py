"""The same FCNs in PyTorch, in as many ways as the options say.

By itself classic: a dense transposed convolution. tuned: channels last in
memory, and F.interpolate. compiled: that, by torch.compile. published: Lite0
with its batch normalisation, all of it trained.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import peer

OPTIONS = sys.argv[3:]
TUNED, COMPILED = 'tuned' in OPTIONS, 'compiled' in OPTIONS
if COMPILED:  # in this process, weights as constants; kept for the next run
    CACHE = Path(sys.argv[2]).parent / 'compiled'
    os.environ['TORCHINDUCTOR_CACHE_DIR'] = str(CACHE)
    os.environ['TORCHINDUCTOR_COMPILE_THREADS'] = '1'
    os.environ['TORCHINDUCTOR_FREEZING'] = '1'

import torch_nets

import torch
import torch.nn.functional as F


def missing():
    """What torch.compile lacks on this machine, or None."""
    compiler = os.environ.get('CXX', 'g++')
    if not shutil.which(compiler):
        return (
            f'torch.compile needs a C++ compiler, and there is no {compiler}'
        )
    header = Path(sysconfig.get_path('include'), 'Python.h')
    if not header.is_file():
        return f"torch.compile needs Python's {header.name}: it is not there"
    return None


def prepare(folder, kind):
    """Return the net, photos and labels, in the order of memory it likes."""
    photos, labels = (torch.from_numpy(x) for x in peer.read_batch(folder))
    if kind == 'lite0':
        backbone = torch_nets.Lite0('published' in OPTIONS)
        channels = 1280
    else:
        backbone, channels = torch_nets.make_resnet18(), 512
    path = folder / f'{kind}.npz'
    net = torch_nets.FCN(backbone, channels, path, dense=not TUNED)
    if TUNED:
        net = net.to(memory_format=torch.channels_last)
        photos = photos.contiguous(memory_format=torch.channels_last)
    return net, photos, labels.long()


def train(folder, kind):
    """One step of gradient descent on the batch."""
    settings = peer.read_settings(folder)
    net, x, y = prepare(folder, kind)
    net.train(kind != 'lite0')  # whose statistics, if any, are frozen
    with torch.no_grad():
        check = peer.check(net(x).numpy(), y.numpy())
    optimizer = torch.optim.SGD(
        [p for p in net.parameters() if p.requires_grad], lr=settings['rate']
    )

    def loss_of(x, y):
        return F.cross_entropy(net(x), y)

    if COMPILED:
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return peer.training(step, settings, check)


def infer(folder, kind):
    """The scores of the batch."""
    settings = peer.read_settings(folder)
    net, x, y = prepare(folder, kind)
    net.eval()
    run = torch.compile(net) if COMPILED else net
    with torch.no_grad():
        scores = run(x).numpy()
    check = peer.check(scores, y.numpy(), folder / f'{kind}-scores.npy')

    @torch.no_grad()
    def scores():
        run(x)

    @torch.no_grad()
    def classes():
        run(x).argmax(dim=1)

    return peer.inference(scores, classes, settings, check)


if __name__ == '__main__':
    reason = missing() if COMPILED else None
    peer.serve(
        peer.for_both(train, infer),
        left_out=reason,
        version=f'PyTorch {torch.__version__}',
        threads=torch.get_num_threads(),
    )
