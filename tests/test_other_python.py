"""The quick chapters say and draw the same in a second Python.

Only `make test-other` collects this: it runs in .venv-other, and what is said
in .venv is compared.
"""

import os
import subprocess
import sys

import environment
from test_chapters import CHAPTERS

import pytest

# Prints what the cells print, what Jupyter would show of their last line, and
# of each figure a sum of its pixels.
PROGRAM = """
import ast, hashlib, sys
import utils
from tools.gpu_check import cells_of
import matplotlib
matplotlib.use('agg')
from matplotlib import pyplot

utils.show_widget = lambda *_, **__: None  # is for Jupyter's pages
names = {}
for cell in cells_of(open(sys.argv[1], encoding='utf-8').read()):
    tree = ast.parse(cell)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, 'a cell', 'exec'), names)
    value = last and eval(compile(last, 'its last line', 'eval'), names)
    if value is not None:
        print(repr(value))
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        figure.canvas.draw()
        pixels = bytes(figure.canvas.buffer_rgba())
        print('figure', hashlib.sha256(pixels).hexdigest())
        pyplot.close(figure)
"""


def told(root, python, name, data):
    done = subprocess.run(
        [python, '-c', PROGRAM, f'chapters/{name}.md'],
        env={**os.environ, 'VOC_ROOT': str(data), 'PYTHONPATH': str(root)},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize('name', CHAPTERS)
def test_a_chapter_says_and_draws_the_same(root, few, name):
    first = environment.python_of(root / environment.FOLDERS['cpu'])
    here = told(root, sys.executable, name, few)
    assert here == told(root, first, name, few)
    assert CHAPTERS[name] in here[0] and not here[1]
