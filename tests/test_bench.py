"""The benchmarks: peers that compute the same, ratios the right way up."""

import json
import os
import signal
import subprocess
import sys

import environment

import numpy as onp
import pytest

ROOT = environment.ROOT
sys.path.append(str(ROOT / 'benchmarks'))

import bench
import peer

TORCH = environment.python_of(ROOT / environment.FOLDERS['bench'])


def quick(**variables):
    return subprocess.run(
        [sys.executable, ROOT / 'benchmarks' / 'bench.py'],
        env={**os.environ, 'QUICK': '1', 'ROUNDS': '1', **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(
    not TORCH.exists(), reason='PyTorch is not here: make bench installs it'
)
def test_a_quick_run_measures_everything_and_all_outputs_agree():
    """With small sizes; the same program, the same peers."""
    done = quick()
    assert done.returncode == 0, done.stderr
    result = json.loads(
        (ROOT / '_build' / 'bench-quick.json').read_text('utf-8')
    )
    left_out = set(result['left_out'])
    for key, reason in result['left_out'].items():  # no compiler here
        assert key.endswith('/compiled_pytorch')
        assert f'{key}: left out; {reason}' in done.stdout
    without = {key.replace('/', '_vs_') for key in left_out}
    assert set(bench.TARGETS) - without <= set(result['ratios'])
    assert all(ratio in done.stdout for ratio in result['ratios'])
    peers = result['peers']
    works = ['train', 'infer', 'photo']
    for work in works + [f'lite_{work}' for work in works]:
        names = set(bench.CONTESTS[work]) - {'book_resnet18'}
        keys = {f'{work}/{name}' for name in names} - left_out
        losses = [peers[key]['inner_loss'] for key in keys]
        # Random heads are far from certain: the loss says something.
        assert all(1 < loss < 20 for loss in losses)
        assert max(losses) == pytest.approx(min(losses), rel=1e-3)
        if not work.endswith('train'):
            scores = [peers[key]['difference'] for key in keys]
            assert all(0 <= difference < 1e-4 for difference in scores)
    assert set(peers) == set(result['peak_memory_mib'])
    assert all(20 < peak < 2000 for peak in result['peak_memory_mib'].values())
    assert peers['train/classic_gluon_as_shipped']['threads'] == 'not set'
    parts = result['profile_seconds']
    for part in ('backbone', 'upsampling', 'loss', 'optimizer'):
        assert any(name.startswith(part) for name in parts)


class Fake(bench.Bench):
    """Times and memory that were thought up."""

    def __init__(self):
        super().__init__(rounds=2, settings={})
        for work, names in bench.CONTESTS.items():
            for name in names:
                slower = 1 if name == 'book' else 2
                for what in {work, work.replace('infer', 'classes')}:
                    self.times[what, f'{work}/{name}'] = [
                        [slower * 3.0, slower * 5.0],
                        [slower * 1.0],
                    ]
        for work, other in bench.MEMORIES:
            self.memory |= {f'{work}/book': 100, f'{work}/{other}': 1000}
        self.times['forward', 'evaluation/book'] = [[10.0], [10.0]]
        self.times['evaluate', 'evaluation/book'] = [[11.0], [12.0]]
        self.times['per_pixel', 'tiled/book'] = [[2.2], [2.4]]
        self.times['per_pixel', 'batch/book'] = [[2.0], [2.0]]


def test_ratios_say_how_much_faster_the_book_is():
    ratios = bench.ratios_of(Fake())
    assert set(bench.TARGETS) <= set(ratios)
    for name, ratio in ratios.items():
        if '_memory_vs_' in name:
            assert ratio == (0.1, 0.1, 0.1), name
        elif '_vs_' in name:
            assert ratio == (2, 2, 2), name
    assert ratios['evaluation_overhead'] == pytest.approx((0.15, 0.1, 0.2))
    assert ratios['tiled_cost_per_pixel'] == pytest.approx((1.15, 1.1, 1.2))


def test_other_mathematics_is_an_error():
    fake = Fake()
    fake.facts['train/book'] = {'inner_loss': 3.0, 'loss': 3.0}
    fake.compare('train', 'classic_gluon', {'inner_loss': 3.002, 'loss': 3.0})
    for loss in (3.01, float('nan')):
        wrong = {'inner_loss': 3.0, 'loss': loss}
        with pytest.raises(bench.Broken, match='classic_pytorch .train.'):
            fake.compare('train', 'classic_pytorch', wrong)


def test_those_who_interpolate_are_compared_with_one_another():
    """At the border a transposed convolution fades, F.interpolate does not."""
    fake = Fake()
    fake.facts['train/book'] = {'inner_loss': 3.0, 'loss': 3.0}
    tuned = {'inner_loss': 3.0, 'loss': 3.1}
    fake.facts['train/tuned_pytorch'] = tuned
    fake.compare('train', 'tuned_pytorch', tuned)
    fake.compare('train', 'compiled_pytorch', tuned)
    wrong = {'inner_loss': 3.0, 'loss': 3.0}
    with pytest.raises(bench.Broken, match='compiled_pytorch .train.'):
        fake.compare('train', 'compiled_pytorch', wrong)


def test_other_scores_are_an_error():
    fake = Fake()
    fake.facts['infer/book'] = right = {'inner_loss': 3.0, 'difference': 0.0}
    fake.compare('infer', 'onnxruntime', right | {'difference': 9e-4})
    for difference in (2e-3, float('nan')):
        wrong = right | {'difference': difference}
        with pytest.raises(bench.Broken, match='onnxruntime .infer.*scores'):
            fake.compare('infer', 'onnxruntime', wrong)


def test_the_difference_of_scores_is_that_of_the_largest(tmp_path):
    rng = onp.random.default_rng(0)
    scores = rng.normal(size=(2, 21, 64, 96)).astype('float32')
    labels = rng.integers(21, size=(2, 64, 96), dtype='uint8')
    onp.save(tmp_path / 'scores.npy', peer.some_of(scores))
    same = peer.check(scores, labels, tmp_path / 'scores.npy')
    assert same['difference'] == 0
    more = scores + onp.float32(0.5)
    found = peer.check(more, labels, tmp_path / 'scores.npy')
    largest = abs(peer.some_of(scores)).max()
    assert found['difference'] == pytest.approx(0.5 / largest, rel=1e-3)
    # The loss alone would not have seen it.
    assert found['inner_loss'] == pytest.approx(same['inner_loss'], rel=1e-6)


def test_a_peer_that_lacks_something_is_left_out(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / 'lacks.py').write_text(
        'print(\'{"left_out": "there is no compiler"}\')', encoding='utf-8'
    )
    (tmp_path / 'works.py').write_text(
        'print("{}", flush=True)\n'
        'input()\n'
        'print(\'{"times": {"infer": [1], "classes": [1]}}\', flush=True)\n'
        'print(\'{"peak_memory_mib": 1}\')\n',
        encoding='utf-8',
    )
    programs = [
        ('book', 'works.py'),
        ('compiled_pytorch', 'lacks.py'),
        ('onnxruntime', 'works.py'),
    ]
    for name, program in programs:
        monkeypatch.setitem(bench.PROGRAMS, name, [str(tmp_path / program)])
    names = [name for name, _ in programs]
    monkeypatch.setattr(bench, 'CONTESTS', {'infer': names})
    monkeypatch.setattr(bench, 'MEMORIES', ())
    run = Fake()
    run.rounds, run.folder, run.times = 1, tmp_path, dict(run.times)
    run.measure([(name, 'infer') for name in names])
    assert run.left_out == {'infer/compiled_pytorch': 'there is no compiler'}
    (line,) = capsys.readouterr().out.splitlines()
    assert line == ('  without compiled_pytorch (infer): there is no compiler')
    ratios = bench.ratios_of(run)
    assert 'infer_vs_onnxruntime' in ratios
    assert 'infer_vs_compiled_pytorch' not in ratios


@pytest.mark.skipif(
    not TORCH.exists(), reason='PyTorch is not here: make bench installs it'
)
def test_without_a_compiler_there_is_one_clear_line(tmp_path):
    done = subprocess.run(
        [
            *(TORCH, ROOT / 'benchmarks' / 'pytorch.py', 'infer', tmp_path),
            *('tuned', 'compiled'),
        ],
        env={**os.environ, 'CXX': 'no-such-compiler'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'left_out': 'torch.compile needs a C++ compiler, '
        'and there is no no-such-compiler'
    }


PEERS = {
    'killed': (
        'import os; os.kill(os.getpid(), 9)',
        f'classic_gluon (train) was killed by {signal.SIGKILL.name}',
    ),
    'failing': (
        'print("{}", flush=True); input(); raise ValueError("no such photo")',
        'classic_gluon (train) ended with status 1: ValueError: no such photo',
    ),
    'silent': (
        'import time; time.sleep(60)',
        'classic_gluon (train) did not answer for 0.5 s',
    ),
}


@pytest.mark.parametrize('kind', PEERS)
def test_a_peer_that_fails_is_named_and_leaves_no_result(
    kind, tmp_path, monkeypatch
):
    program, message = PEERS[kind]
    (tmp_path / 'peer.py').write_text(program, encoding='utf-8')
    (tmp_path / 'ours.py').write_text(
        'print("{}", flush=True); input()', encoding='utf-8'
    )
    for name in bench.PROGRAMS:
        mine = 'peer.py' if name == 'classic_gluon' else 'ours.py'
        monkeypatch.setitem(bench.PROGRAMS, name, [str(tmp_path / mine)])
    monkeypatch.setattr(bench, 'FOLDER', tmp_path / 'bench')
    monkeypatch.setattr(bench, 'RESULT', tmp_path / 'bench.json')
    monkeypatch.setattr(bench, 'PATIENCE', 0.5 if kind == 'silent' else 30)
    (tmp_path / 'bench.json').write_text('of an earlier run', encoding='utf-8')

    def run(rounds, whole_book):
        (tmp_path / 'bench').mkdir()
        measuring = bench.Bench(rounds, {}, tmp_path / 'bench')
        started.append(measuring)
        measuring.measure([('classic_gluon', 'train')])

    started = []
    monkeypatch.setattr(bench, 'run', run)
    with pytest.raises(SystemExit) as end:
        bench.main()
    assert str(end.value) == f'make bench: {message}'
    assert not (tmp_path / 'bench.json').exists()
