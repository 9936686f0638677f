"""One style for all code, that of the chapters' cells too."""

import ast
import re
import shutil

import book
import lint
import utils

import pytest


def test_python_files(root):
    assert lint.check(root)


def test_pages(root):
    assert lint.check_pages(root)


def test_public_names_are_there_and_described():
    """The public names of utils, which readers and chapters rely on."""
    names = 'try_gpu try_all_gpus voc_root download_voc SegmentationMetric '
    names += 'train evaluate predict show_images set_seed'
    for name in names.split():
        assert getattr(utils, name).__doc__, name


def left_to_chance(code):
    """The lines that open a text file and do not name its encoding."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        options = {option.arg: option.value for option in node.keywords}
        if 'encoding' in options or None in options:
            continue
        name = ast.unparse(node.func)
        last = name.rpartition('.')[2]
        first, second = (*node.args, None, None)[:2]
        if last in ('read_text', 'write_text'):
            chance = (second if last == 'write_text' else first) is None
        elif name in ('open', 'io.open', 'os.fdopen'):
            chance = not is_binary(options.get('mode') or second)
        elif last in ('NamedTemporaryFile', 'TemporaryFile'):
            mode = options.get('mode') or first
            chance = mode is not None and not is_binary(mode)
        else:  # of a path, which takes a mode first; of pictures, archives
            mode = getattr(first, 'value', None)
            is_mode = isinstance(mode, str) and re.fullmatch('[rwxat+]+', mode)
            chance = last == 'open' and is_mode
        if chance:
            found.append(node.lineno)
    return sorted(found)


def is_binary(mode):
    """Whether each text in an expression is a mode of binary files."""
    parts = [] if mode is None else ast.walk(mode)
    words = [getattr(part, 'value', None) for part in parts]
    words = [word for word in words if isinstance(word, str)]
    return bool(words) and all('b' in word for word in words)


@pytest.mark.parametrize(
    ('line', 'chance'),
    [
        *(('open(x)', 1), ("open(x, 'w')", 1), ("open(x, mode='a')", 1)),
        *(('open(x, how)', 1), ("open(x, 'r' if y else 'rb')", 1)),
        *(("open(x, 'wb')", 0), ("open(x, 'ab' if y else 'wb')", 0)),
        *(("open(x, encoding='utf-8')", 0), ('open(x, **options)', 0)),
        *(("os.fdopen(3, 'w')", 1), ("os.fdopen(3, 'wb')", 0)),
        *(('x.read_text()', 1), ("x.read_text(errors='ignore')", 1)),
        *(("x.read_text('utf-8')", 0), ("x.read_text(encoding='gbk')", 0)),
        *(('x.write_text(y)', 1), ("x.write_text(y, 'utf-8')", 0)),
        *(("x.y.open('w')", 1), ("x.open('rb')", 0), ('Image.open(x)', 0)),
        *(("Image.open(y / 'x')", 0), ("x.open('a+')", 1)),
        *(("tarfile.open(x, 'w')", 0), ("archive.open(name, 'w')", 0)),
        *(("NamedTemporaryFile('w')", 1), ('NamedTemporaryFile()', 0)),
    ],
)
def test_text_files_without_an_encoding_are_seen(line, chance):
    assert left_to_chance(line) == [1] * chance
    assert left_to_chance(f'def f():\n    return [{line}]') == [2] * chance


# The name of the set that it drew holds a digest of its text: another text
# would draw the same anew. It writes nothing but figures.
AS_EVER = 'build/scenes.py'


def test_every_text_file_is_opened_in_a_known_encoding(root):
    """Else it is another one on machines with another locale."""
    folders = 'benchmarks build checks img parts tests tools'.split()
    paths = [*root.glob('*.py')]
    for folder in folders:
        paths += root.glob(f'{folder}/**/*.py')
    code = {str(p.relative_to(root)): p.read_text('utf-8') for p in paths}
    for page in book.pages(root):
        cells = book.code_cells(book.read_page(root / page))
        code[str(page)] = '\n'.join(cell.source for cell in cells)
    found = {name: left_to_chance(text) for name, text in code.items()}
    assert len(found) > 100
    assert len(found.pop(AS_EVER)) == 1
    assert {name: lines for name, lines in found.items() if lines} == {}


BAD = """# A Chapter

```{.python .input}
import os
def f( x ):  #@save
  return  x
```
"""


@pytest.fixture(params=['chapters', 'exercises'])
def bad(request, tmp_path, root):
    shutil.copy(root / 'pyproject.toml', tmp_path)
    page = tmp_path / request.param / 'bad.md'
    page.parent.mkdir()
    page.write_text(BAD, encoding='utf-8')
    return page


def test_a_badly_written_cell_is_found_and_mended(bad):
    folder = bad.parents[1]
    assert not lint.check_pages(folder)
    lint.check_pages(folder, fixing=True)
    text = bad.read_text('utf-8')
    assert 'def f(x):  #@save\n    return x\n```' in text
    assert 'import os' not in text
    assert lint.check_pages(folder)
