"""Measure the book against its peers, side by side; `make bench` runs this.

Every peer is a process of its own. They take turns, A B A B ..., so that what
the machine does besides hits all of them. Prints tables and writes
_build/bench.json; README.md says what is measured. Nothing here is a test:
slow is reported, only what is wrong is an error.

Variables: ROUNDS (3), how often each takes its turn; BOOK=1 also builds the
book twice (half an hour more); QUICK=1 takes tiny sizes, to try the
program itself, and writes _build/bench-quick.json.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'build'))

import ending

if __name__ == '__main__':
    ending.at_once()

import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import threading
import time

import book
import environment
import progress
import utils
from parts.start import physical_cores

QUICK = bool(os.environ.get('QUICK'))
FOLDER = book.ROOT / '_build' / ('bench-quick' if QUICK else 'bench')
RESULT = FOLDER.with_suffix('.json')
EXCERPT = book.ROOT.parent / 'shared/voc2012-excerpt/VOCdevkit/VOC2012'
PATIENCE = 600  # seconds for one answer
TOLERANCE = 1e-3  # between the losses of peers, and between their scores
PROGRAMS = {
    'book': ['ours.py'],
    'book_resnet18': ['ours.py', 'resnet18'],
    'classic_gluon_as_shipped': ['classic_gluon.py'],
    'classic_gluon': ['classic_gluon.py'],
    'classic_pytorch': ['pytorch.py'],
    'published_pytorch': ['pytorch.py', 'tuned', 'published'],
    'tuned_pytorch': ['pytorch.py', 'tuned'],
    'compiled_pytorch': ['pytorch.py', 'tuned', 'compiled'],
    'onnxruntime': ['onnx_runtime.py'],
}
_RESNET18 = 'book', 'classic_gluon_as_shipped', 'classic_gluon'
_RESNET18 += 'classic_pytorch', 'tuned_pytorch', 'compiled_pytorch'
_LITE0 = 'book', 'book_resnet18', 'tuned_pytorch', 'published_pytorch'
_LITE0 += ('compiled_pytorch',)
INTERPOLATING = [n for n, x in PROGRAMS.items() if 'tuned' in x]
# Who takes turns at which work.
CONTESTS = {
    'train': _RESNET18,
    'infer': (*_RESNET18, 'onnxruntime'),
    'lite_train': _LITE0,
    'lite_infer': (*_LITE0, 'onnxruntime'),
    'photo': ('book', 'onnxruntime'),
    'lite_photo': ('book', 'onnxruntime'),
    'loader': ('book', 'classic_gluon'),
}
MEMORIES = (  # where peaks are compared, too
    ('photo', 'onnxruntime'),
    ('lite_photo', 'onnxruntime'),
    ('loader', 'classic_gluon'),
)
# What to reach: (at least or at most, target, moonshot).
TARGETS = {
    'train_vs_classic_gluon_as_shipped': ('>=', 2.7, 3.5),
    'train_vs_classic_gluon': ('>=', 1.4, 1.8),
    'train_vs_classic_pytorch': ('>=', 1.3, 1.7),
    'train_vs_tuned_pytorch': ('>=', 0.95, 1.15),
    'train_vs_compiled_pytorch': ('>=', None, 1),
    'infer_vs_classic_gluon': ('>=', 1.4, 2),
    'infer_vs_tuned_pytorch': ('>=', None, 1),
    'infer_vs_compiled_pytorch': ('>=', None, 1),
    'infer_vs_onnxruntime': ('>=', None, 1),
    'lite_train_vs_book_resnet18': ('>=', 3, 4),
    'lite_train_vs_published_pytorch': ('>=', 2.5, 4),
    'lite_train_vs_compiled_pytorch': ('>=', None, 1),
    'lite_infer_vs_book_resnet18': ('>=', 2, 3),
    'lite_infer_vs_compiled_pytorch': ('>=', None, 1),
    'lite_infer_vs_onnxruntime': ('>=', None, 1),
    'loader_vs_classic_gluon': ('>=', 4, None),
    'loader_memory_vs_classic_gluon': ('<=', 0.25, None),
    'evaluation_overhead': ('<=', 0.1, 0.05),
    'tiled_cost_per_pixel': ('<=', 1.15, 1.05),
}


class Broken(Exception):
    """A peer that cannot be measured; the text names it."""


class Peer:
    """A process that does one work, a round whenever it is asked to."""

    def __init__(self, name, work, folder=FOLDER, cores=None):
        self.name, self.log = name, folder / f'{name}-{work}.log'
        self.called = f'{name} ({work})'
        program, *options = PROGRAMS[name]
        box = 'bench' if program == 'pytorch.py' else None
        python = (
            environment.python_of(book.ROOT / environment.FOLDERS[box])
            if box
            else sys.executable
        )
        variables = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(('OMP_', 'MKL_', 'KMP_', 'GOMP_', 'MXNET_'))
        }
        # The book sees to its threads by itself; the other is as shipped.
        if program != 'ours.py' and name != 'classic_gluon_as_shipped':
            variables['OMP_NUM_THREADS'] = str(cores or physical_cores())
        self.threads = variables.get('OMP_NUM_THREADS', 'not set')
        with open(self.log, 'w', encoding='utf-8') as log:
            try:
                self.process = subprocess.Popen(
                    [python, HERE / program, work, folder, *options],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=variables,
                    text=True,
                )
            except OSError as error:
                raise Broken(
                    f'{self.called} does not start: {error}'
                ) from None

    def answer(self):
        """Wait for the next line and return what it holds."""
        late = threading.Timer(PATIENCE, self.process.kill)
        late.start()
        try:
            line = self.process.stdout.readline()
        finally:  # else it would keep a program that is ended alive
            too_late = not late.is_alive()
            late.cancel()
        if line:
            return json.loads(line)
        status = self.process.wait()
        if too_late:
            end = f'did not answer for {PATIENCE} s'
        elif status < 0:
            end = f'was killed by {signal.Signals(-status).name}'
        else:
            end = f'ended with status {status}'
        last = (
            self.log.read_text('utf-8', errors='replace')
            .strip()
            .splitlines()[-1:]
        )
        raise Broken(': '.join([f'{self.called} {end}', *last]))

    def ask(self):
        """Run one round: {what: [seconds, ...]}."""
        with contextlib.suppress(BrokenPipeError):  # answer() says why
            self.process.stdin.write('again\n')
            self.process.stdin.flush()
        return self.answer()['times']

    def end(self):
        """Let it end; return its peak memory in MiB."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        peak = self.answer()['peak_memory_mib']
        self.process.wait()
        return peak

    def kill(self):
        """End it now, if it still runs."""
        self.process.kill()
        self.process.wait()


class Bench:
    """All measurements of one run."""

    def __init__(self, rounds, settings, folder=FOLDER):
        self.rounds, self.settings, self.folder = rounds, settings, folder
        self.times = {}  # {'what/peer': [[seconds, ...] for each round]}
        self.facts, self.memory, self.left_out = {}, {}, {}

    def measure(self, contest):
        """Let (peer, work) pairs take turns."""
        with contextlib.ExitStack() as stack:
            peers = {}
            for name, work in contest:
                peer = Peer(name, work, self.folder)
                stack.callback(peer.kill)
                facts = peer.answer()  # one prepares itself at a time
                if 'left_out' in facts:
                    self.left_out[f'{work}/{name}'] = facts['left_out']
                    print(f'  without {peer.called}: {facts["left_out"]}')
                    continue
                facts['threads'] = facts.get('threads', peer.threads)
                peers[f'{work}/{name}'] = peer
                self.facts[f'{work}/{name}'] = facts
                self.compare(work, name, facts)
            for _ in range(self.rounds):
                for key, peer in peers.items():
                    for what, seconds in peer.ask().items():
                        known = self.times.setdefault((what, key), [])
                        known.append(seconds)
            for key, peer in peers.items():
                self.memory[key] = round(peer.end(), 1)

    def compare(self, work, name, facts):
        """Raise Broken for a peer that computes something else."""
        if name == 'book_resnet18':  # which is to be another net
            return
        if not facts.get('difference', 0) <= TOLERANCE:
            raise Broken(
                f'{name} ({work}) has scores that differ from those of the '
                f'book by {facts["difference"]:.2g} of the largest'
            )
        for what in ('inner_loss', 'loss'):
            if what not in facts:
                continue
            # F.interpolate differs at the border, and so does its loss.
            inside = what == 'inner_loss' or name not in INTERPOLATING
            other = 'book' if inside else 'tuned_pytorch'
            theirs = self.facts[f'{work}/{other}'][what]
            # This way round, it is an error not to be a number.
            if not abs(facts[what] - theirs) <= TOLERANCE * max(1, theirs):
                raise Broken(
                    f'{name} ({work}) has the {what} {facts[what]:.6f}, '
                    f'{other} {theirs:.6f}: not the same mathematics'
                )

    def rounds_of(self, what, key):
        """Return the median of each round."""
        return [statistics.median(x) for x in self.times[what, key]]

    def median(self, what, key):
        """Return the median of all."""
        return statistics.median(sum(self.times[what, key], []))


def compare_rounds(upper, lower):
    """Return the ratio of medians, and the lowest and highest of a round."""
    each = [a / b for a, b in zip(upper, lower, strict=True)]
    ratio = statistics.median(upper) / statistics.median(lower)
    return ratio, min(each), max(each)


def ratios_of(bench):
    """Return {name: (ratio, lowest, highest)}: those that the issue names."""
    found = {}

    for work, (_, *others) in CONTESTS.items():
        for other in others:
            if f'{work}/{other}' in bench.left_out:
                continue
            for what in (work, work.replace('infer', 'classes')):
                found[f'{what}_vs_{other}'] = compare_rounds(
                    bench.rounds_of(what, f'{work}/{other}'),
                    bench.rounds_of(what, f'{work}/book'),
                )
    for work, other in MEMORIES:
        peaks = [bench.memory[f'{work}/{n}'] for n in ('book', other)]
        found[f'{work}_memory_vs_{other}'] = (peaks[0] / peaks[1],) * 3
    whole = compare_rounds(
        bench.rounds_of('evaluate', 'evaluation/book'),
        bench.rounds_of('forward', 'evaluation/book'),
    )
    found['evaluation_overhead'] = tuple(x - 1 for x in whole)
    found['tiled_cost_per_pixel'] = compare_rounds(
        bench.rounds_of('per_pixel', 'tiled/book'),
        bench.rounds_of('per_pixel', 'batch/book'),
    )
    return found


def data_set():
    """Return root, image names and a sentence: 885 pairs, real if there."""
    real = EXCERPT.is_dir()
    root = EXCERPT if real else utils.voc_root()
    names = [n for s in ('train', 'val') for n in utils.read_split(root, s)]
    what = (
        f'{len(names)} real photos of the excerpt'
        if real
        else f"{len(names)} of the book's own scenes, repeated"
    )
    return str(root), (names * 885)[:885], what


def sizes():
    """Return what the peers are to do."""
    root, names, what = data_set()
    settings = {
        'batch': 8,
        'size': (320, 480),
        'steps': 3,
        'rate': 1e-3,
        'large': (6000, 4000),
        'evaluated': None,
        'root': root,
        'names': names,
    }
    if QUICK:
        settings |= {'batch': 2, 'size': (64, 96), 'steps': 1}
        settings |= {'large': (900, 700), 'evaluated': 4, 'names': names[:12]}
    return settings, what


def build_the_book():
    """Build a copy of the book, twice: the seconds of each, and of pages."""
    copy = FOLDER / 'book'
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run(
        ['git', 'ls-files', '-z'],
        cwd=book.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split('\0')):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(book.ROOT / name, copy / name)
    times, pages = [], None
    for _ in range(2):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, copy / 'build' / 'make_html.py'],
            cwd=copy,
            # Before the folder that the environment names for `utils`.
            env={**os.environ, 'PYTHONPATH': str(copy)},
        )
        if done.returncode:
            raise Broken(f'building the book: status {done.returncode}')
        times.append(time.perf_counter() - start)
        pages = pages or progress.read_times(copy / progress.TIMES)
    shutil.rmtree(copy)
    first = min(figures['readable_after'] for figures in pages.values())
    return {
        'cold_seconds': times[0],
        'again_seconds': times[1],
        'first_page_seconds': first,
        'pages': pages,
    }


def processor():
    """Return the processor's name."""
    lines = Path('/proc/cpuinfo').read_text('utf-8').splitlines()
    names = [x.split(':')[1].strip() for x in lines if 'model name' in x]
    return names[0] if names else platform.processor()


def table(rows):
    """Print rows of texts, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [x.rjust(w) for x, w in zip(row[1:], widths[1:], strict=True)]
        print('  '.join(cells))
    print()


def report(result):
    """Print what was measured, the book beside its peers."""
    machine = result['machine']
    print(
        f'\n{machine["processor"]}, {machine["cores"]} cores, '
        f'{result["rounds"]} rounds, {result["minutes"]} minutes; '
        f'loader and evaluation: {result["data"]}\n'
    )
    rows = [('work/peer', 'median ms', 'spread', 'MiB', 'threads', 'version')]
    for key, one in result['measured'].items():
        facts = result['peers'][one['process']]
        rows.append(
            (
                key,
                f'{1000 * one["median"]:.4g}',
                f'{1000 * one["low"]:.4g}-{1000 * one["high"]:.4g}',
                f'{result["peak_memory_mib"][one["process"]]:.0f}',
                str(facts['threads']),
                facts['version'],
            )
        )
    table(rows)
    for key, reason in result['left_out'].items():
        print(f'{key}: left out; {reason}\n')
    rows = [('a training step of the book', 'ms', 'share')]
    total = sum(result['profile_seconds'].values())
    for name, seconds in result['profile_seconds'].items():
        rows.append((name, f'{1000 * seconds:.0f}', f'{seconds / total:.0%}'))
    table(rows)
    rows = [('ratio', 'median', 'in a round', 'target', 'moonshot', '')]
    for name, (ratio, low, high) in result['ratios_with_spread'].items():
        sign, *goals = TARGETS.get(name, ('', None, None))
        reached = ''
        for goal, word in zip(goals, ('target', 'moonshot'), strict=True):
            if goal is not None and (
                ratio >= goal if sign == '>=' else ratio <= goal
            ):
                reached = word
        rows.append(
            (
                name,
                f'{ratio:.3f}',
                f'{low:.3f}-{high:.3f}',
                *('' if g is None else f'{sign} {g}' for g in goals),
                reached,
            )
        )
    table(rows)
    for name, seconds in result.get('book', {}).items():
        if name != 'pages':
            print(f'the book, {name}: {seconds:.1f}')
    rows = [('page', 'executed in s', 'readable after s')]
    for page, figures in result.get('book', {}).get('pages', {}).items():
        seconds = figures.get('seconds', '')
        rows.append((page, f'{seconds}', f'{figures["readable_after"]}'))
    if len(rows) > 1:
        table(rows)


def run(rounds, whole_book):
    """Measure everything; return the result."""
    start = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    settings, data = sizes()
    (FOLDER / 'settings.json').write_text(
        json.dumps(settings), encoding='utf-8'
    )
    done = ending.run([sys.executable, HERE / 'prepare.py', FOLDER])
    if done.returncode:
        raise Broken(f'prepare.py ended with status {done.returncode}')
    bench = Bench(rounds, settings)
    for contest in (
        *[[(n, work) for n in names] for work, names in CONTESTS.items()],
        [('book', 'tiled'), ('book', 'batch')],
        [('book', 'evaluation')],
        [('book', 'profile')],
    ):
        print('measuring', ', '.join(f'{n} ({w})' for n, w in contest))
        bench.measure(contest)
    ratios = ratios_of(bench)
    measured, profile = {}, {}
    for (what, key), seconds in bench.times.items():
        if key == 'profile/book':
            profile[what] = bench.median(what, key)
            continue
        each = sum(seconds, [])
        measured[
            f'{what}/{key.split("/")[1]}' if what != 'per_pixel' else key
        ] = {
            'process': key,
            'median': statistics.median(each),
            'low': min(each),
            'high': max(each),
            'rounds': seconds,
        }
    result = {
        'ratios': {name: round(r[0], 4) for name, r in ratios.items()},
        'peak_memory_mib': bench.memory,
        'ratios_with_spread': ratios,
        'measured': measured,
        'profile_seconds': profile,
        'peers': bench.facts,
        'left_out': bench.left_out,
        'data': data,
        'rounds': rounds,
        'settings': {
            k: v for k, v in settings.items() if k not in ('root', 'names')
        },
        'machine': {
            'processor': processor(),
            'cores': physical_cores(),
            'system': platform.platform(),
            'python': platform.python_version(),
        },
    }
    if whole_book:
        result['book'] = build_the_book()
    result['minutes'] = round((time.monotonic() - start) / 60, 1)
    return result


def main():
    """Measure, print, write."""
    RESULT.unlink(missing_ok=True)  # an old one would pass for this run's
    try:
        result = run(
            int(os.environ.get('ROUNDS', 3)),
            bool(os.environ.get('BOOK')),
        )
    except Broken as error:
        sys.exit(f'make bench: {error}')
    report(result)
    book.write_whole(RESULT, json.dumps(result, indent=1) + '\n')
    print(f'written: {RESULT.relative_to(book.ROOT)}')


if __name__ == '__main__':
    ending.in_order()
    main()
