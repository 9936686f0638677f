"""Training in half precision, by MXNet's AMP."""

import logging

from parts.nets import forget_graphs
from parts.start import ON_MXNET1

import mxnet as mx
import numpy as onp
from mxnet import autograd, np


def compute_in(precision, net, trainer, devices):
    """Switch on AMP for this process, and its loss scaling for a trainer."""
    if precision != 'float16':
        raise ValueError(
            f"precision is 'float32' or 'float16', not {precision!r}"
        )
    _refuse_cpus(devices)
    amp = _amp()
    logging.disable(logging.WARNING)  # «made before»: see below
    amp.init('float16')
    logging.disable(logging.NOTSET)
    _teach_amp_numpy()
    forget_graphs(net)  # what was traced before has no casts
    amp.init_trainer(trainer)


def _amp():
    """MXNet's automatic mixed precision, wherever this version keeps it."""
    if ON_MXNET1:
        from mxnet.contrib import amp
    else:
        from mxnet import amp
    return amp


def _refuse_cpus(devices):
    """Raise if float16 would be computed on a CPU."""
    slow = [device for device in devices if device.device_type != 'gpu']
    if slow:
        raise ValueError(
            f"precision='float16' needs GPUs, and this would run on {slow}: "
            'CPUs have no arithmetic for it; leave precision out'
        )


# What AMP casts its own operators to, for those that it does not know.
_CASTS = {
    'float16': 'convolution deconvolution fully_connected'.split(),
    'float32': 'softmax log_softmax'.split(),
}


def _teach_amp_numpy():
    """Let AMP cast for NumPy's operators, too, as far as it does not.

    In MXNet 1 it knows their older names only, and so would do nothing, and
    its check of gradients takes older arrays only; in both versions, `np.dot`
    gets its two factors as they come, even if they differ.
    """
    _cast_arguments(mx.numpy, ['dot', 'matmul'], 'float16')
    if ON_MXNET1:
        for module in (mx.ndarray, mx.symbol, mx):
            for dtype, names in _CASTS.items():
                _cast_arguments(module.numpy_extension, names, dtype)
        _amp().loss_scaler.multi_all_finite = _all_finite


def _all_finite(*arrays, **options):
    """What AMP of MXNet 1 asks of gradients, for NumPy's arrays."""
    older = [array.as_nd_ndarray() for array in arrays]
    return mx.nd.multi_all_finite(*older, **options)


def _cast_arguments(module, names, dtype):
    """Let functions of a module cast what they get, if it is on a GPU."""

    def cast(x):
        if isinstance(x, mx.symbol.numpy._Symbol):  # a graph that is traced
            return x.astype(dtype)
        if (
            isinstance(x, np.ndarray)
            and x.ctx.device_type == 'gpu'
            and onp.dtype(x.dtype).name in ('float16', 'float32')
        ):
            return x.astype(dtype, copy=False)
        return x

    def casting(function):
        def cast_and_call(*args, **kwargs):
            kwargs = {name: cast(value) for name, value in kwargs.items()}
            return function(*map(cast, args), **kwargs)

        cast_and_call.casts_to = dtype
        return cast_and_call

    for name in names:
        function = getattr(module, name)
        if not hasattr(function, 'casts_to'):  # once is enough
            setattr(module, name, casting(function))


def scaled_backward(losses, trainer):
    """Compute the gradients of losses, scaled if `compute_in` said so."""
    if hasattr(trainer, '_amp_loss_scaler'):
        with _amp().scale_loss(losses, trainer) as scaled:
            autograd.backward(scaled)
    else:
        autograd.backward(losses)
