"""How much memory training takes, and what to do where it is too much."""

import math
import os
from contextlib import contextmanager

import parts.start  # noqa: F401  first: before MXNet
from parts.devices import devices_of
from parts.nets import blocks, trained

import mxnet as mx
import numpy as onp
from mxnet import gluon, np

# A loss and its way back hold about as many arrays of the size of the scores:
# reordered, as logarithms, masked, and the gradients of these. The number was
# fitted to measurements of FCN-32s on a CPU, with this book's loss.
_LOSS_MAPS = 5


def training_memory(net, shape, optimizer='adam', optimizer_params=None):
    """Estimate the memory of training on one device: a dict of bytes.

    `shape`: (N, 3, height, width), the photos that the device gets at a
    time. One photo of that size goes through the net, layer by layer, and
    what comes out of each layer is counted: it is kept for the way back, and
    there its gradient is as large. Activation layers work in place.

    The keys are 'parameters', 'gradients', 'optimizer' (its moving means),
    'layers' (outputs and their gradients), 'loss' and 'total'. What a
    library needs besides (CUDA's context, scratch memory) is not in it.
    """
    layers, scores = _layer_sizes(net, (1, *shape[1:]))
    parameters = [
        p.data(p.list_ctx()[0]) for p in net.collect_params().values()
    ]
    learning = [p.data(p.list_ctx()[0]) for p in trained(net)]
    state = mx.optimizer.create(optimizer, **(optimizer_params or {}))
    bytes_of = {
        'parameters': sum(4 * p.size for p in parameters),
        'gradients': sum(4 * p.size for p in learning),
        'optimizer': sum(
            4 * _size(state.create_state(0, p[:1])) * len(p) for p in learning
        ),
    }
    bytes_of['layers'] = 2 * 4 * sum(layers) * shape[0]
    bytes_of['loss'] = _LOSS_MAPS * 4 * scores * shape[0]
    return bytes_of | {'total': sum(bytes_of.values())}


def _size(state):
    """How many numbers an optimizer's state has: an array, some, or None."""
    if state is None:
        return 0
    if isinstance(state, (tuple, list)):
        return sum(map(_size, state))
    return state.size


def _layer_sizes(net, shape):
    """Numbers that leave each layer: a list, and those of the scores."""
    sizes, hooks, active = [], [], []

    def count(block, inputs, output):
        sizes.append(output.size)

    for block in blocks(net):
        if getattr(block, '_active', False):
            block._active = False  # else its layers would not be called
            active.append(block)
        in_place = isinstance(block, gluon.nn.Activation)
        if not block._children and not in_place:
            hooks.append(block.register_forward_hook(count))
    try:
        scores = net(np.zeros(shape, ctx=devices_of(net)[0]))
        scores.wait_to_read()
    finally:
        for block in active:
            block._active = True
        for hook in hooks:
            hook.detach()
    return sizes, scores.size


def _device_memory(device):
    """The memory of a device in bytes, used or not."""
    if device.device_type == 'gpu':
        return mx.context.gpu_memory_info(device.device_id)[1]
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


@contextmanager
def memory_explained(net, images, devices, parts, settings):
    """Turn MXNet's error that memory is used up into one that helps."""
    try:
        yield
    except mx.base.MXNetError as error:
        signs = 'out of memory', 'memory allocation failed', 'ALLOC_FAILED'
        text = str(error).lower()
        if not any(sign.lower() in text for sign in signs):
            raise
        raise MemoryError(
            _what_fits(net, images, devices, parts, settings)
        ) from error


def _what_fits(net, images, devices, parts, settings):
    """Say how large a part of the batch a device can take."""
    if images.dtype == onp.uint8:
        channels_last = images.shape
        size = channels_last[3], *channels_last[1:3]
    else:
        size = images.shape[1:]
    optimizer = settings['optimizer'], settings['optimizer_params']
    asked = math.ceil(len(images) / parts / len(devices))
    needs = training_memory(net, (asked, *size), *optimizer)
    one = training_memory(net, (1, *size), *optimizer)
    photo = one['layers'] + one['loss']
    there = min(map(_device_memory, devices))
    fits = min(int((there - one['total'] + photo) // photo), asked - 1)
    gib = 2**30
    text = (
        f'{asked} photos of {size[1]} x {size[2]} at a time do not fit on '
        f'{devices[0]}: training needs about {needs["total"] / gib:.1f} GiB, '
        f'{there / gib:.1f} are there. '
    )
    if fits < 1:
        return text + 'Not even one photo fits: make them smaller.'
    parts = math.ceil(len(images) / (fits * len(devices)))
    return text + (
        f'{fits} fit: batch_size={fits * len(devices)}, or the same batch '
        f'in parts, accumulate={parts}.'
    )
