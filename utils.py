"""What all chapters share: devices, data, training, metrics, pictures."""

import os


def _physical_cores():
    """Count the physical cores this process may use."""
    usable = os.sched_getaffinity(0)
    cores = set()
    for cpu in usable:
        path = f'/sys/devices/system/cpu/cpu{cpu}/topology/'
        try:
            with open(path + 'core_cpus_list') as file:
                cores.add(file.read())
        except OSError:  # no such table on this machine: count every thread
            cores.add(cpu)
    return len(cores)


# MXNet assumes hyper-threading and takes half of the cores it sees; it reads
# this variable once, when it is imported.
os.environ.setdefault('OMP_NUM_THREADS', str(_physical_cores()))

from mxnet import np, npx

npx.set_np()

# --------------------------------------------------------------- Pictures
