"""A net's blocks and parameters: where they lie, which of them learn."""

from contextlib import contextmanager

from parts.start import ON_MXNET1

from mxnet import gluon
from mxnet.gluon.model_zoo.vision import resnet


def _basic_block(self, F, x):
    """The model zoo's residual block, with a faster sum at its end.

    oneDNN keeps maps in an order of its own. MXNet 1's `+` of NumPy arrays
    does not know it: it brings both terms into the usual order, and the next
    layer brings the sum back. The older operator adds them as they are, which
    makes the whole network a tenth faster on CPUs.
    """
    residual = x
    x = F.npx.activation(self.bn1(x), act_type='relu')
    if self.downsample:
        residual = self.downsample(x)
    x = F.npx.activation(self.bn2(self.conv1(x)), act_type='relu')
    terms = self.conv2(x).as_nd_ndarray(), residual.as_nd_ndarray()
    return F.elemwise_add(*terms).as_np_ndarray()


if ON_MXNET1:
    resnet.BasicBlockV2.hybrid_forward = _basic_block


def freeze_batch_norm(net):
    """Let batch normalisation use its running statistics, and keep them.

    In training, too: then a photo's scores do not depend on the others in
    its batch. Scale and shift (gamma, beta) are trained as before. `net`: a
    net, or those of its layers that have statistics, such as a pretrained
    backbone: new layers would keep a mean of 0 and a variance of 1. Freeze a
    part before the whole is hybridized and runs.
    """

    def freeze(block):
        if isinstance(block, gluon.nn.BatchNorm):
            block._kwargs['use_global_stats'] = True

    net.apply(freeze)
    forget_graphs(net)


def forget_graphs(net):
    """Let hybridized blocks trace their layers anew."""
    for block in blocks(net):
        if isinstance(block, gluon.HybridBlock):
            block._clear_cached_op()


def blocks(net):
    """A block and all that are in it."""
    found = []
    net.apply(found.append)
    return found


def move(net, devices):
    """Put the parameters of a net on the devices, values kept."""
    for parameter in net.collect_params().values():
        if parameter.list_ctx() != list(devices):
            parameter.reset_ctx(devices)


def lay_out_anew(net, devices):
    """Give parameters new arrays with the same values.

    A forward pass may let oneDNN order weights in its own way; a KVStore
    cannot send them like that.
    """
    for parameter in net.collect_params().values():
        parameter.reset_ctx(devices)


def knows_sizes(net):
    """Whether no layer still has to see a photo to know its arrays' sizes."""
    shapes = [p.shape for p in net.collect_params().values()]
    return all(shape is not None and -1 not in shape for shape in shapes)


def trained(net):
    """The parameters of a net that have a gradient."""
    return [p for p in net.collect_params().values() if p.grad_req != 'null']


def zero_gradients(net):
    for parameter in trained(net):
        for gradient in parameter.list_grad():
            gradient[...] = 0


@contextmanager
def adding_gradients(net, adding):
    """Let each backward pass add to the gradients, if `adding`."""
    before = {p: p.grad_req for p in trained(net)} if adding else {}
    for parameter in before:
        parameter.grad_req = 'add'  # and the gradient becomes 0
    try:
        yield
    finally:
        for parameter, grad_req in before.items():
            parameter.grad_req = grad_req


def classes_last(scores):
    """Turn scores (N, C, H, W) into (N, H, W, C).

    What `scores.transpose(0, 2, 3, 1)` does, by the operator of MXNet's older
    arrays: that one is oneDNN's and takes half the time on a CPU.
    """
    return scores.as_nd_ndarray().transpose((0, 2, 3, 1)).as_np_ndarray()


def fuse(block, x):
    """Let oneDNN compute a convolution and its activation as one; CPUs only.

    `block`: a HybridBlock with values; `x`: an example of its input, an
    array on its device. What comes out stays the same. The block is
    hybridized; to hybridize it, or what it is in, again undoes this. From
    then on it must not be recorded (MXNet 1 fails), nor get other values
    (MXNet 2 fails): both say «could not create a primitive descriptor».
    """
    if x.ctx.device_type == 'cpu':
        backend = 'MKLDNN' if ON_MXNET1 else 'ONEDNN'
        block.optimize_for(
            x, backend=backend, static_alloc=True, static_shape=True
        )
