"""Half precision, as far as a CPU can tell."""

import os
import subprocess
import sys

from parts.start import HERE
from support import trained

import pytest


def test_float16_on_a_cpu_is_one_clear_error():
    with pytest.raises(ValueError, match='needs GPUs.*cpu'):
        trained(precision='float16')
    with pytest.raises(ValueError, match="not 'half'"):
        trained(precision='half')


def run_program(program):
    """AMP changes a whole process, so these tests get their own."""
    done = subprocess.run(
        [sys.executable, '-c', program],
        env=os.environ | {'PYTHONPATH': f'{HERE}:{HERE}/tests'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_scaling_of_losses_changes_no_step():
    """All but the casts, which no CPU can follow."""
    printed = run_program("""
import support
from parts import precision
plain = [support.trained(accumulate=n)[0] for n in (1, 2)]
precision._refuse_cpus = lambda devices: None
no_casts = 'target_precision_ops', 'conditional_fp32_ops', 'fp32_ops'
precision._amp().init('float16', **{name: [] for name in no_casts})
scaled = [
    support.trained(accumulate=n, precision='float16')[0] for n in (1, 2)
]
print(max(map(support.difference, plain, scaled)))
""")
    assert float(printed.splitlines()[-1]) < 1e-6


def test_what_a_net_does_in_half_precision():
    """Traced, not run: a CPU cannot multiply such numbers."""
    program = """
from parts import precision
import mxnet as mx
from mxnet import np
from mxnet.gluon import nn

net = nn.HybridSequential()
net.add(nn.Conv2D(4, 3, in_channels=3), nn.BatchNorm(in_channels=4))
net.initialize()
net.hybridize()
x = np.ones((1, 3, 8, 8))
net(x)
trainer = mx.gluon.Trainer(net.collect_params(), 'adam')
precision._refuse_cpus = lambda devices: None
precision.compute_in('float16', net, trainer, [mx.cpu()])
try:
    net(x).wait_to_read()
except mx.base.MXNetError as error:
    print('it was cast' if '16' in str(error) else error)
for p in net.collect_params().values():
    assert p.data().asnumpy().dtype == 'float32'
"""
    assert 'it was cast' in run_program(program)
