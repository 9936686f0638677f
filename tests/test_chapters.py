"""The cells of the quick chapters, without Jupyter, under every MXNet.

`make html` runs all chapters in Jupyter, under MXNet 1. This also runs where
Jupyter is not, under MXNet 2, with six images.
"""

import warnings

import utils
from tools.gpu_check import cells_of

import pytest

# A line of each that says what came out, on whatever machine.
CHAPTERS = {
    'data': 'utils.normalize is the same: True',
    'transposed-conv': 'stride 4: 36 of 36 agree',
    'bilinear': 'corner 0.2659, edge 0.5156, inside 1.0000',
}


@pytest.mark.parametrize('name', CHAPTERS)
def test_a_chapter_runs_from_top_to_bottom(
    root, few, name, monkeypatch, capsys
):
    monkeypatch.setenv('VOC_ROOT', str(few))
    # Widgets are for Jupyter's pages.
    monkeypatch.setattr(utils, 'show_widget', lambda *_, **__: None)
    page = root / 'chapters' / f'{name}.md'
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for cell in cells_of(page.read_text(encoding='utf-8')):
            exec(compile(cell, page.name, 'exec'), names)
    said = capsys.readouterr()
    assert CHAPTERS[name] in said.out
    assert 'False' not in said.out and not said.err
