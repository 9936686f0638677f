"""Say what this machine runs of the book, and what to type for it.

Usage: python build/doctor.py

Nothing need be installed but Python 3.9, nothing is made or changed. The
status is 0 if the book runs here, on a GPU or on the CPU.
"""

if __name__ == '__main__':  # utils reads this file without its neighbours
    import ending

    ending.at_once()

import contextlib
import ctypes
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PROC, SYS = Path('/proc'), Path('/sys')
SMI_LIMIT, IMPORT_LIMIT = 20, 90  # seconds until an answer is given up
GIB = 2**30
OWN = 'this Python'  # the one that runs this file, if it has MXNet
MEMORY = 3 * GIB  # free, for chapters/fcn without swapping
# Sizes on disk, measured.
DISK = {'cpu': 1.7e9, 'gpu': 5.4e9}

# What mxnet-cu112 1.9.1 has machine code for: sm_50 to sm_86 and no PTX;
# 8.9 runs the code of its family, 8.6.
OLDEST, TOO_NEW = (5, 0), (9, 0)
# CUDA 11.x runs on this driver or any newer one («minor version
# compatibility»): docs.nvidia.com/deploy/cuda-compatibility, table 1, and
# the note below it on why this is not the 450.36.06 of CUDA 11.0.
DRIVER = '450.80.02'
COMMUNITY = 'github.com/smolix/mxnet'  # what its README asks for:
COMMUNITY_DRIVER = '590'

# Drivers before 510 do not tell the compute capability; these are the GPUs
# that they know. The first pattern that is found decides.
BY_NAME = (
    (r'A100|\bA30\b', '8.0'),
    (r'\bA10G?\b|\bA(16|2|40)\b|RTX A\d{4}|RTX 30\d\d', '8.6'),
    (r'\bT4G?\b|RTX 20|GTX 16\d\d|(TITAN|Quadro) RTX|\bT\d{3,4}\b', '7.5'),
    (r'V100|TITAN V|GV100', '7.0'),
    (r'P100', '6.0'),
    (r'\bP(4|6|40)\b|GTX? 10\d\d|TITAN X(p| \(Pascal)|Quadro P\d+', '6.1'),
    (r'\bM(4|6|40|60)\b|GTX 9\d\d|GTX TITAN X|Quadro M\d+', '5.2'),
    (r'\bM10\b|GTX 7(45|50)|Quadro K(620|1200|2200)', '5.0'),
    (r'\bK\d+|GTX? [67]\d\d|GTX TITAN', '3.x'),  # Kepler
)

# What a broken driver says, and what helps.
REMEDIES = (
    ('version mismatch', 'the driver was renewed: restart the machine'),
    (
        "couldn't communicate",
        'the driver is not loaded: restart, or install it again (a new '
        'kernel needs that)',
    ),
    ('No devices were found', 'the driver is there, but no GPU'),
    ('Unknown Error', 'restart the container, or the machine'),
)


# ----------------------------------------------------------------- Asking
def ask(command, limit):
    """Return (status, output) of a command; the status None is too late."""
    program = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = program.communicate(timeout=limit)
    except BaseException as end:  # too late, or Ctrl-C
        # What hangs in the kernel cannot be ended, and is not waited for.
        with contextlib.suppress(OSError):
            os.killpg(program.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(1)
        program.stdout.close()
        if not isinstance(end, subprocess.TimeoutExpired):
            raise
        return None, ''
    return program.returncode, output.decode(errors='replace')


class Gpu(NamedTuple):
    """What the driver tells of a GPU, word by word."""

    index: str
    name: str
    driver: str
    capability: str
    mebibytes: str


def ask_driver():
    """Return (GPUs, what is wrong with the driver or None)."""
    program = shutil.which('nvidia-smi')
    if not program:
        return [], why_no_driver()
    for capability in ('compute_cap,', ''):
        fields = f'index,name,driver_version,{capability}memory.total'
        query = [f'--query-gpu={fields}', '--format=csv,noheader,nounits']
        try:
            status, text = ask([program, *query], SMI_LIMIT)
        except OSError as error:
            return [], f'nvidia-smi cannot be started: {error.strerror}'
        if 'not a valid field' not in text:
            break
    if status is None:
        return [], (
            f'nvidia-smi did not answer within {SMI_LIMIT} seconds: the '
            'driver hangs; restart the machine'
        )
    gpus = []
    for line in text.splitlines():
        row = [part.strip() for part in line.split(',')]
        if len(row) == 4:
            row.insert(3, '')
        if len(row) == 5 and row[0].isdigit():
            gpus.append(Gpu(*row))
    if gpus:
        return gpus, None
    said = next(filter(None, text.splitlines()), f'nothing, status {status}')
    helps = [remedy for sign, remedy in REMEDIES if sign in text]
    return [], f'nvidia-smi says «{said}» ' + ''.join(f'({x})' for x in helps)


def ask_uuids():
    """Return [(UUID, index of the GPU)], of GPUs and of their parts (MIG)."""
    found, index = [], ''
    _, text = ask([shutil.which('nvidia-smi'), '-L'], SMI_LIMIT)
    for line in text.splitlines():
        gpu = re.match(r'GPU (\d+):', line)
        index = gpu[1] if gpu else index  # its parts stand below it
        uuid = re.search(r'\(UUID: ([\w/-]+)\)', line)
        found += [(uuid[1], index)] if uuid else []
    return found


def why_no_driver():
    """Say what is there instead of nvidia-smi."""
    if (PROC / 'driver' / 'nvidia' / 'version').exists():
        return (
            "none here, though this machine's kernel has one: a container "
            'must be started with its GPUs (docker run --gpus all ...)'
        )
    for card in (SYS / 'bus' / 'pci' / 'devices').glob('*'):
        with contextlib.suppress(OSError):
            vendor = (card / 'vendor').read_text('utf-8').strip()
            kind = (card / 'class').read_text('utf-8')
            if vendor == '0x10de' and kind.startswith('0x03'):
                return (
                    'none, but an NVIDIA card is there: install the driver '
                    '(Ubuntu: sudo ubuntu-drivers install), restart, and '
                    'ask the doctor again'
                )
    return 'no NVIDIA driver (nvidia-smi is not here), no NVIDIA card seen'


def has_libcuda():
    """Whether programs find the driver's own library."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return False
    return True


def cores():
    """Count the physical cores this process may use (see parts/start.py)."""
    found = set()
    for cpu in os.sched_getaffinity(0):
        topology = SYS / f'devices/system/cpu/cpu{cpu}/topology'
        try:
            found.add((topology / 'thread_siblings_list').read_text('utf-8'))
        except OSError:
            found.add(cpu)
    return len(found)


def memory():
    """Return (all, free) bytes of memory that this process may use."""
    text = (PROC / 'meminfo').read_text('utf-8')
    total, free = (
        int(re.search(rf'^{name}: +(\d+) kB', text, re.M)[1]) * 1024
        for name in ('MemTotal', 'MemAvailable')
    )
    limit = memory_limit()
    return min(total, limit), min(free, limit)


def memory_limit():
    """Return the bytes a container or a cluster's job may use at most."""
    limits = [float('inf')]
    try:
        groups = (PROC / 'self' / 'cgroup').read_text('utf-8').splitlines()
    except OSError:
        groups = []
    for line in groups:
        _, kind, path = line.split(':', 2)
        if kind not in ('', 'memory'):
            continue
        top = SYS / 'fs' / 'cgroup' / kind
        own = top / path.lstrip('/')
        # A container sees its own group as the top one.
        for folder in {own, *own.parents, top}:
            for name in ('memory.max', 'memory.limit_in_bytes'):
                with contextlib.suppress(OSError, ValueError):
                    limits.append(int((folder / name).read_text('utf-8')))
    return min(limits)


def python_for_the_book():
    """Return (whether there is one, a sentence): setup.sh knows which."""
    status, text = ask(['sh', ROOT / 'build' / 'setup.sh', 'which'], 60)
    if status == 0:
        return True, text.strip()
    found = []
    for minor in range(6, 20):
        path = shutil.which(f'python3.{minor}')
        if path and ask([path, '--version'], 10)[0] == 0:
            found.append(f'3.{minor}')
    return False, f'{text.strip()} (Found: {", ".join(found) or "none"}.)'


# ------------------------------------------------------------ Environments
def probe():
    """Print, in the Python of an environment, what its MXNet can do."""
    found = {'missing': [], 'cuda': 0, 'features': [], 'gpus': []}
    folder = importlib.util.find_spec('mxnet').submodule_search_locations[0]
    wheels = Path(folder).parent.glob('nvidia/*/lib')
    for library, where in needs_of(f'{folder}/libmxnet.so', wheels).items():
        if not where:
            found['missing'].append(library)
        elif re.match('lib(cu|nv|nccl)', library):
            found['cuda'] += 1
    sys.path[0] = str(ROOT)  # instead of this file's folder
    try:
        from parts import devices  # first: it loads the CUDA libraries

        from mxnet import __version__, gpu, npx, runtime

        found['version'] = __version__
        features = runtime.Features().items()
        found['features'] = [name for name, is_ in features if is_.enabled]
        for i in range(npx.num_gpus()):
            found['gpus'].append(devices.works(gpu(i)))
    except Exception as error:  # whatever it is, it is to be told
        found['error'] = f'{type(error).__name__}: {error}'.splitlines()[0]
    print(json.dumps(found))


def needs_of(library, folders):
    """Return {what a shared library needs: where it is, or None}.

    The loader looks into these folders before those of the system.
    """
    paths = [*map(str, folders), os.environ.get('LD_LIBRARY_PATH')]
    ldd = subprocess.run(
        ['ldd', str(library)],
        env={**os.environ, 'LD_LIBRARY_PATH': ':'.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    found = re.findall(r'(\S+) => (not found|\S+)', ldd.stdout)
    return {
        name: None if where == 'not found' else where for name, where in found
    }


def examine(python):
    """Return what `probe` prints in that Python."""
    status, text = ask([python, __file__, 'probe'], IMPORT_LIMIT)
    if status is None:
        return {'error': f'no answer within {IMPORT_LIMIT} seconds'}
    lines = text.strip().splitlines() or ['no word']
    for line in lines:  # libraries may say something before and after it
        if line.startswith('{"missing": '):
            return json.loads(line)
    return {'error': f'{lines[-1]} (status {status})'}


def environments():
    """Return {box or OWN: (its name, what was found there)}."""
    import environment  # here: Windows has not all that it needs

    found = {}
    own = Path(sys.prefix).resolve()
    for box in DISK:
        folder = ROOT / environment.FOLDERS[box]
        pins = ROOT / 'requirements' / f'{box}.txt'
        if folder.resolve() == own:
            own = None
        if environment.finished(folder, pins):
            seen = examine(environment.python_of(folder))
            found[box] = (folder.name, seen)
        elif folder.exists():
            found[box] = (folder.name, None)
    if own and importlib.util.find_spec('mxnet'):
        found[OWN] = (OWN, examine(sys.executable))
    return found


def describe(seen):
    """Say in words what `examine` returned."""
    if seen is None:
        return 'cut short, or of other packages: the next start makes it anew'
    missing = seen.get('missing')
    lacks = f'; libraries missing: {", ".join(missing)}' if missing else ''
    if 'error' in seen:
        return f'does not start: {seen["error"]}{lacks}'
    names = {'CUDA': 'CUDA', 'CUDNN': 'cuDNN', 'NCCL': 'NCCL'}
    names.update({'MKLDNN': 'oneDNN', 'ONEDNN': 'oneDNN'})
    parts = [names[x] for x in seen['features'] if x in names]
    text = f'MXNet {seen["version"]} with {", ".join(parts) or "no extras"}'
    if 'CUDA' not in seen['features']:
        return f'{text}, for CPUs: works{lacks}'
    text += f'; {seen["cuda"]} CUDA libraries found{lacks}'
    for i, reason in enumerate(seen['gpus']):
        text += f'; GPU {i}: ' + (reason or 'ran a convolution')
    return text if seen['gpus'] else f'{text}; it sees no GPU'


# ---------------------------------------------------------------- Judging
def numbers(version):
    """Return '450.80.02' as (450, 80, 2), to be compared."""
    return tuple(map(int, re.findall(r'\d+', version)))


def capability_of(gpu):
    """Return a GPU's compute capability: told, known by its name, or ''."""
    if re.fullmatch(r'\d+\.\d+', gpu.capability):
        return gpu.capability
    guesses = [y for x, y in BY_NAME if re.search(x, gpu.name)]
    return guesses[0] if guesses else ''


def visible(gpus):
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order."""
    chosen = os.environ.get('CUDA_VISIBLE_DEVICES')
    if chosen is None:
        return gpus
    entries = [entry.strip() for entry in chosen.split(',')]
    numbered, found = {gpu.index: gpu for gpu in gpus}, []
    uuids = ask_uuids() if {*entries} - {*numbered, ''} and gpus else []
    for entry in entries:
        # The begin of a UUID will do, if it is that of one GPU alone.
        begun = [i for uuid, i in uuids if entry and uuid.startswith(entry)]
        index = begun[0] if len(begun) == 1 else entry
        if index not in numbered:  # CUDA ends here, too
            break
        found.append(numbered[index])
    return found


def judge(gpu):
    """Return (whether mxnet-cu112 runs on it or None, a sentence)."""
    capability = capability_of(gpu)
    size = ''
    if gpu.mebibytes.isdigit():
        size = f', {round(int(gpu.mebibytes) / 1024)} GiB'
    is_ = f'{gpu.name}{size}, compute capability {capability or "unknown"}: '
    if not capability:
        return None, is_ + (
            'mxnet-cu112 runs on 5.0 to 8.9; developer.nvidia.com/cuda-gpus '
            'lists them'
        )
    if numbers(capability) < OLDEST:
        return False, is_ + 'too old, MXNet 1.9.1 has code for 5.0 to 8.9'
    if numbers(capability) >= TOO_NEW:
        older = numbers(gpu.driver) < numbers(COMMUNITY_DRIVER)
        return False, is_ + (
            'too new, no published MXNet has code for it. A community build '
            f'of MXNet 2.0 does: {COMMUNITY}. It asks for CUDA 13 and driver '
            f'{COMMUNITY_DRIVER} or newer'
            + (f' (this is {gpu.driver})' if older else '')
            + '; the book was not tried on it.'
        )
    if numbers(gpu.driver) < numbers(DRIVER):
        return False, is_ + (
            f'mxnet-cu112 would run with driver {DRIVER} or newer: update it'
        )
    return True, is_ + 'mxnet-cu112 runs on it'


def start(box):
    """Return the command that installs what is missing and starts."""
    if not (ROOT / 'Makefile').is_file():  # the class's kit
        return 'sh start.sh' + (' gpu' if box == 'gpu' else '')
    if shutil.which('make'):
        return 'make lab' + (' BOX=gpu' if box == 'gpu' else '')
    return f'sh build/setup.sh {box} build/lab.py'


def how_to_start(box, found):
    """Return lines: what to type, and what happens then."""
    if found.get(box, (None, None))[1]:
        return [start(box)]
    pins = (ROOT / 'requirements' / f'{box}.txt').read_text('utf-8')
    build = ' '.join(re.search(r'^(mxnet[\w-]*)==(\S+)', pins, re.M).groups())
    free = shutil.disk_usage(ROOT).free
    text = f'the first time, it installs {build}: {DISK[box] / 1e9} GB of disk'
    if free < DISK[box]:
        text += f', but only {free / 1e9:.1f} GB are free: make room first'
    return [start(box), f'({text})']


def named(gpus):
    """Return 'GPU (Tesla T4)' or '2 GPUs (Tesla T4, NVIDIA H100)'."""
    names = ', '.join(dict.fromkeys(gpu.name for gpu in gpus))
    return f'{len(gpus)} GPUs ({names})' if gpus[1:] else f'GPU ({names})'


def elsewhere(system, machine):
    """Return what there is to say where MXNet's packages cannot run."""
    hints = {
        'Windows': 'Type `wsl --install`: WSL is a Linux inside of Windows. '
        'In it, the book and its doctor work as on any Linux.',
        'Darwin': 'Use a Linux machine with an x86-64 processor, or a '
        'virtual one. A community build of MXNet 2.0 for Apple silicon '
        f'exists ({COMMUNITY}); the book was not tried on it.',
    }
    return [
        "This machine does not run the book: MXNet's packages are for Linux "
        f'on x86-64, and this is {system} on {machine}.',
        '',
        *textwrap.wrap(
            hints.get(system, 'Use a Linux machine with an x86-64 processor.'),
            79,
        ),
    ]


def sees_gpus(seen):
    """Whether this MXNet ran a convolution on a GPU; None: has no CUDA."""
    if not seen or 'CUDA' not in seen.get('features', []):
        return None
    return None in seen['gpus']


def diagnose():
    """Return (whether the book runs here, the lines to print)."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ('Linux', 'x86_64'):
        return False, elsewhere(system, machine)

    gpus, trouble = ask_driver()
    judged = {gpu: judge(gpu) for gpu in gpus}
    libcuda = not gpus or has_libcuda()
    found = environments()
    has_python, python = python_for_the_book()
    all_memory, free_memory = memory()

    # What was tried counts for more than what a table says.
    own = found.get(OWN, (None, {'error': ''}))[1]
    gpu_box = found.get('gpu', (None, None))[1] or {}
    tried = [sees_gpus(own), sees_gpus(gpu_box)]
    if 'error' in gpu_box:
        tried.append(False)
    fit = [gpu for gpu in gpus if judged[gpu][0]]
    unknown = [gpu for gpu in gpus if judged[gpu][0] is None]
    proven = True in tried
    if proven:
        works = fit = fit or gpus
    else:
        works = fit if libcuda and False not in tried else []

    cpu = f'its CPU ({count(cores(), "core")}, {all_memory / GIB:.0f} GiB)'
    if works and len(works) < len(gpus):
        where = f'{len(works)} of its {len(gpus)} GPUs ({numbered(works)})'
    elif works:
        where = f'its {named(works)}'
    elif proven:  # by an MXNet that ran on it, where nvidia-smi is not
        where = 'its GPU'
    elif fit:
        where = f'{cpu}; its {named(fit)} could, but see below'
    elif unknown:
        where = f'{cpu}, and perhaps on its {named(unknown)}'
    elif gpus:
        where = f'{cpu}, not on its {named(gpus)}'
    else:
        where = cpu
    boxes = ['gpu'] if works or proven else ['cpu']
    if unknown and boxes == ['cpu']:
        boxes += ['gpu']
    # An environment of somebody's own, where ours is not installed.
    ready = boxes[0] not in found and (
        sees_gpus(own) if boxes[0] == 'gpu' else 'error' not in own
    )
    broken = boxes[0] == 'cpu' and 'error' in (
        found.get('cpu', (0, None))[1] or {}
    )
    verdict = f'This machine runs the book on {where}.'
    if broken:
        verdict = f'The book should run here on {where}, but .venv fails.'
    elif not has_python and not ready:
        verdict = f'With another Python, this machine runs it on {where}.'

    facts = []
    if ready:
        facts.append(('Type', 'nothing: this Python has MXNet'))
    else:
        if not has_python:
            facts.append(('First', 'install the Python that is named below'))
        if (ROOT / 'Makefile').is_file() and not shutil.which('make'):
            facts.append(('No make', 'apt-get install make, or do without:'))
        for box in boxes:
            label = 'Type' if box == boxes[0] else 'or try'
            facts += [(label, how) for how in how_to_start(box, found)]
    facts.append(('', ''))
    facts += [('System', text) for text in about_system(free_memory)]
    facts.append(('Python', python))
    facts.append(('Driver', trouble or about_driver(gpus, libcuda)))
    facts += about_gpus(judged)
    facts += [(name, describe(seen)) for name, seen in found.values()]
    return not broken, [verdict, '', *table(facts)]


def count(number, thing):
    """Return '1 core' or '2 cores'."""
    return f'{number} {thing}' + ('s' if number != 1 else '')


def numbered(gpus):
    """Return 'GPU 0: Tesla T4, GPU 2: Tesla V100'."""
    return ', '.join(f'GPU {gpu.index}: {gpu.name}' for gpu in gpus)


def about_system(free_memory):
    """Return sentences on memory and disk."""
    disk = shutil.disk_usage(ROOT).free / 1e9
    lines = [
        f'Linux on x86-64, {free_memory / GIB:.1f} GiB of memory free, '
        f'{disk:.0f} GB of disk free'
    ]
    if free_memory < MEMORY:
        lines.append(
            f'That is little memory: the book needs about {MEMORY // GIB} '
            'GiB free. Close other programs, or train with a smaller batch.'
        )
    return lines


def about_driver(gpus, libcuda):
    """Return a sentence on a driver that answers."""
    version = gpus[0].driver
    enough = numbers(version) >= numbers(DRIVER)
    text = f'{version}, ' + (
        f'enough for CUDA 11.2 ({DRIVER} or newer)'
        if enough
        else f'too old for CUDA 11.2, which needs {DRIVER} or newer'
    )
    if not libcuda:
        text += (
            '; but programs do not find its libcuda.so.1 (a container needs '
            'NVIDIA_DRIVER_CAPABILITIES=compute,utility)'
        )
    return text


def about_gpus(judged):
    """Return facts on the GPUs, those that are alike together."""
    alike = {}
    for gpu, (_, sentence) in judged.items():
        alike.setdefault(sentence, []).append(gpu.index)
    facts = [('GPU', f'{", ".join(n)}: {what}') for what, n in alike.items()]
    if len(alike) > 1:
        text = (
            'CUDA numbers the fastest GPU first; the book makes it number '
            'them as above (CUDA_DEVICE_ORDER=PCI_BUS_ID)'
        )
        facts.append(('', text))
    if 'CUDA_VISIBLE_DEVICES' in os.environ and judged:
        left = ', '.join(gpu.index for gpu in visible(list(judged)))
        chosen = os.environ['CUDA_VISIBLE_DEVICES']
        text = f'CUDA_VISIBLE_DEVICES={chosen} hides all GPUs'
        facts.append(('', text + (f' but {left}' if left else '')))
    return facts


def table(facts):
    """Return lines of at most 79 characters, a label before each fact."""
    lines, last = [], None
    for label, text in facts:
        wrapped = textwrap.wrap(
            text,
            79,
            initial_indent=f'{label if label != last else "":<10} ',
            subsequent_indent=' ' * 11,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += wrapped or ['']
        last = label
    return lines


if __name__ == '__main__':
    ending.in_order()
    if sys.argv[1:] == ['probe']:
        probe()
    else:
        runs, report = diagnose()
        try:
            print('\n'.join(report), flush=True)
        except BrokenPipeError:  # `| head -1`: nobody reads the rest,
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nor what exit adds
        sys.exit(not runs)
