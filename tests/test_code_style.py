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


@pytest.fixture
def bad(tmp_path, root):
    (tmp_path / 'chapters').mkdir()
    shutil.copy(root / 'pyproject.toml', tmp_path)
    (tmp_path / 'chapters' / 'bad.md').write_text(BAD)
    return tmp_path


def test_a_badly_written_cell_is_found_and_mended(bad):
    assert not lint.check_pages(bad)
    lint.check_pages(bad, fixing=True)
    text = (bad / 'chapters' / 'bad.md').read_text()
    assert 'def f(x):  #@save\n    return x\n```' in text
    assert 'import os' not in text
    assert lint.check_pages(bad)
