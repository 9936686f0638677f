"""One style for all code, that of the chapters' cells too."""

import shutil

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
    page.write_text(BAD)
    return page


def test_a_badly_written_cell_is_found_and_mended(bad):
    folder = bad.parents[1]
    assert not lint.check_pages(folder)
    lint.check_pages(folder, fixing=True)
    text = bad.read_text()
    assert 'def f(x):  #@save\n    return x\n```' in text
    assert 'import os' not in text
    assert lint.check_pages(folder)
