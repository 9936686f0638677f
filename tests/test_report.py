"""What is seen of a training: lines, or one output that is redrawn."""

import sys
from types import SimpleNamespace

from parts import report
from support import trained

import pytest


def history(epochs):
    """What a training has measured after some epochs."""
    return {
        'loss': [1.0, 0.5, 0.25][:epochs],
        'examples_per_second': [10.0, 12.34, 11.0][:epochs],
        'pixel_accuracy': [0.7, 0.8, 0.9][:epochs],
        'mean_iu': [0.1, 0.2, 0.3][:epochs],
    }


LINE = (
    'epoch 2/3: loss 0.500, pixel accuracy 0.800, mean IU 0.200, '
    '12.3 examples/s'
)


def test_an_epoch_is_one_line(capsys):
    measured = history(0)
    with report.Report(measured, num_epochs=3, num_steps=5) as seen:
        measured |= history(2)
        seen.step(1, 0.5)
        seen.epoch()
    assert capsys.readouterr().out == f'{LINE}\n'
    trained(epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(':')[0] for line in lines] == ['epoch 1/2', 'epoch 2/2']


def test_quiet_training_shows_nothing(capsys):
    trained(epochs=2, quiet=True)
    assert capsys.readouterr() == ('', '')


def test_a_resumed_training_says_what_its_checkpoint_has(tmp_path, capsys):
    trained(epochs=1, checkpoint=tmp_path / 'one', quiet=True)
    trained(epochs=1, checkpoint=tmp_path / 'one', quiet=True)
    assert capsys.readouterr().out == ''
    trained(epochs=1, checkpoint=tmp_path / 'one')
    line = 'the checkpoint has 1 of 1 epochs: nothing is trained; to train '
    assert capsys.readouterr().out == line + 'anew, remove it\n'
    with report.Report(history(2), num_epochs=3, num_steps=5):
        pass
    line = 'the checkpoint has 2 of 3 epochs: training goes on after them\n'
    assert capsys.readouterr().out == line


@pytest.fixture
def jupyter(monkeypatch):
    """Pretend a notebook: what its one output showed, and a clock."""
    shown, clock = [], SimpleNamespace(now=100.0)
    handle = SimpleNamespace(update=lambda what, **_: shown.append(what))
    parts = {'HTML': str, 'display': lambda *_, display_id: handle}
    monkeypatch.setitem(
        sys.modules, 'IPython.display', SimpleNamespace(**parts)
    )
    monkeypatch.setattr(report, 'in_jupyter', lambda: True)
    time = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(report, 'time', time)
    return shown, clock


def test_a_notebook_sees_how_far_it_is_four_times_a_second(jupyter, capsys):
    shown, clock = jupyter
    measured = history(0)
    with report.Report(measured, num_epochs=3, num_steps=5) as seen:
        measured |= history(2)
        for step, now in ((1, 100), (2, 100.1), (3, 100.3)):
            clock.now = now
            seen.step(step, 0.4)
        assert len(shown) == 2
        assert '<progress value="13" max="15">' in shown[1]
        assert 'epoch 3 of 3, step 3 of 5, loss 0.400' in shown[1]
        assert '<svg' in shown[1]  # the curves so far
        seen.epoch()
    assert capsys.readouterr().out == ''
    assert shown[2].data['text/plain'] == (
        'Curves by epoch, ending at training loss 0.500, '
        'pixel accuracy 0.800, mean IU 0.200.'
    )


def test_a_notebook_ends_with_what_there_is_to_see(jupyter):
    shown, _ = jupyter
    with report.Report(history(0), 1, 5) as seen:
        seen.step(2, 1.5)
    assert len(shown) == 1 and '<svg' not in shown[0]
    with report.Report(history(1), 1, 5):
        pass
    (line,) = shown[1].values()
    assert line.startswith('epoch 1/1: loss 1.000, ')  # no curve of a point
    with report.Report(history(2), 2, 5, speaks=False) as seen:
        seen.step(2, 1.5)
    assert len(shown) == 2
