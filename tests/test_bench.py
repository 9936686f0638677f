"""The benchmarks: peers that compute the same, ratios the right way up."""

import json
import os
import signal
import subprocess
import sys

import environment

import pytest

ROOT = environment.ROOT
sys.path.append(str(ROOT / 'benchmarks'))

import bench

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
def test_a_quick_run_measures_everything_and_all_losses_agree():
    """With small sizes; the same program, the same peers."""
    done = quick()
    assert done.returncode == 0, done.stderr
    result = json.loads(
        (ROOT / '_build' / 'bench-quick.json').read_text('utf-8')
    )
    assert set(bench.TARGETS) <= set(result['ratios'])
    assert all(ratio in done.stdout for ratio in result['ratios'])
    peers = result['peers']
    for work in ('train', 'infer'):
        ours = peers[f'{work}/book']
        for name in bench.PROGRAMS:
            theirs = peers[f'{work}/{name}']
            # Random weights are far from certain: the loss says something.
            assert 1 < ours['inner_loss'] < 20
            for what in ('inner_loss', 'loss'):
                if what in theirs and (what, name) != (
                    'loss',
                    'tuned_pytorch',  # another border
                ):
                    assert theirs[what] == pytest.approx(ours[what], rel=1e-3)
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
        for work, what in (
            ('train', 'train'),
            ('infer', 'infer'),
            ('infer', 'classes'),
            ('loader', 'loader'),
        ):
            for name in bench.PROGRAMS:
                slower = 1 if name == 'book' else 2
                self.times[what, f'{work}/{name}'] = [
                    [slower * 3.0, slower * 5.0],
                    [slower * 1.0],
                ]
        self.memory = {'loader/book': 100, 'loader/classic_gluon': 1000}
        self.times['forward', 'evaluation/book'] = [[10.0], [10.0]]
        self.times['evaluate', 'evaluation/book'] = [[11.0], [12.0]]
        self.times['per_pixel', 'tiled/book'] = [[2.2], [2.4]]
        self.times['per_pixel', 'batch/book'] = [[2.0], [2.0]]


def test_ratios_say_how_much_faster_the_book_is():
    ratios = bench.ratios_of(Fake())
    assert set(bench.TARGETS) <= set(ratios)
    for name, ratio in ratios.items():
        if name.startswith(('train', 'infer', 'classes', 'loader_vs')):
            assert ratio == (2, 2, 2), name
    assert ratios['loader_memory_vs_classic_gluon'][0] == 0.1
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
        fake.compare('train', 'tuned_pytorch', wrong)  # another border


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
