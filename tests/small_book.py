"""A book of four short chapters that holds one of everything.

The page tests build it with the real configuration, extension and styles, in
seconds: its notebooks come executed, so nothing runs.
"""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import book
import exercises
from parts.controls import widget_html

import nbformat
import pypandoc
from nbformat.v4 import new_output
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]

# What a terminal shows must reach the page letter by letter.
TRICKY = 'net0_ |x| *x* \\n `a`_ :math:`x`\n    indented  [0, 1]\n'

DATA = r"""# A Chapter of Data
:label:`ch_data`

We follow :cite:`Everingham2010` and call the class of a pixel
$y_{ij} \in \{0, \ldots, C-1\}$. See :numref:`ch_tconv`, :eqref:`eq_size`,
:numref:`fig_squares` and :numref:`tbl_splits`. **A formula, $p$, in bold.**

```{.python .input}
print('tricky')
```

![Squares, $x^2$ of them.](../img/squares.svg)
:label:`fig_squares`

:Images in each split

| split | images | mean IoU | a remark |
|:------|-------:|---------:|:---------|
| train |   1464 |    0.031 | a remark with many words, so that it must wrap |
| val   |   1449 |     −0.5 | short |
:label:`tbl_splits`

## A Section

1. First, a list.
    * And one inside, with `code_of_some_length`.

```{.python .input}
many_lines()
```

```{.python .input}
shades = [0, 1]
utils.show_matrix(
    shades,
    alt='Two shades.',
)
```

```{.python .input}
pictures()
```

```{.python .input}
html()
```

```{.python .input}
widgets()
```

## Summary

* A pistachio is in no other chapter.
"""

TCONV = r"""# A Chapter of Formulas
:label:`ch_tconv`

The size of the output is

$$o' = s(i' - 1) + k - 2p + a.$$
:eqlabel:`eq_size`

This formula is wider than a telephone, and written over several lines:

$$
\mathbf{W} = \begin{pmatrix}
1 & 2 & 3 & 4 & 5 & 6 & 7 & 8 \\
0 & 1 & 2 & 3 & 4 & 5 & 6 & 7
\end{pmatrix} \frac{\partial L}{\partial \mathbf{X}}
$$
:eqlabel:`eq_wide`

See :eqref:`eq_size`, :eqref:`eq_wide`, :numref:`ch_data`, and also
:cite:`Dumoulin2016,Long2015`.

| a | b | c | d | e | f | g |
|---|---|---|---|---|---|---|
| 1111 | 2222 | 3333 | 44444 | 55555 | 6666 | 7777 |

```{.python .input}
a_name_that_is_long(with_an_argument=1, and_another=2, and_a_third_one=3, e=4)
```

## Summary

* Done.
"""

PLAIN = """# {title}
:label:`{label}`

Text and one reference :cite:`He2016`.

## Summary

* Done.
"""

# `size` is a given cell, the second one is for notebooks alone.
EXERCISES = r"""# Exercises: {title}
:label:`ex_{name}`

They belong to :numref:`ch_data`.

```{{.python .input}}
from checks import data as check
```

## Which Size? (easy)

The size is that of :eqref:`eq_size`, or in :numref:`ex_{name}`.

```{{.python .input}}
#@student
controls()
```

```{{.python .input}}
size = ...  # a number
```

```{{.python .input}}
#@solution
size = 4 * (10 - 1) + 4  # and a remark: too long a line for a telephone
```

The pomegranate is hidden in the solution, with $x^2$ and

$$
x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7 + x_8 + x_9.
$$

```{{.python .input}}
check.size(size)
```

## Another (hard, open)

Why?

```{{.python .input}}
answer = ...  # your words
```

```{{.python .input}}
#@solution
answer = 'because'
```

* So it is.

```{{.python .input}}
check.reason(answer)
```
"""

PAGES = {
    f'exercises/{page.stem}': EXERCISES.format(
        title=page.stem.capitalize(),
        name=re.search(r':label:`ex_(\w+)`', page.read_text('utf-8'))[1],
    )
    for page in sorted((ROOT / 'exercises').glob('*.md'))
}
PAGES['teaching'] = PLAIN.format(title='Teaching', label='teaching')
PAGES['pytorch'] = PLAIN.format(title='From PyTorch', label='pytorch')

CHAPTERS = {
    'data': DATA,
    'transposed-conv': TCONV,
    'bilinear': PLAIN.format(title='A Third', label='ch_bilinear'),
    'fcn': PLAIN.format(title='A Fourth', label='ch_fcn'),
}

SQUARES = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<svg xmlns="http://www.w3.org/2000/svg" width="500" height="150">
<title>Two squares &amp; their sides.</title>
<path d="M20 20h80v80h-80zM220 20h80v80h-80z"/></svg>
"""


def picture(kind, **description):
    file = io.BytesIO()
    Image.new('RGB', (1400, 300), 'teal').save(file, kind, **description)
    return base64.b64encode(file.getvalue()).decode()


def png_note(text):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt('Description', text)
    return info


def shown(**data):
    data = {k.replace('_', '/', 1): v for k, v in data.items()}
    return new_output('display_data', {'text/plain': '<x>', **data})


def stream(text):
    return new_output('stream', name='stdout', text=text)


OUTPUTS = {
    "print('tricky')": [stream(TRICKY)],
    'many_lines()': [stream(''.join(f'line {i}\n' for i in range(60)))],
    'shades': [
        stream('printed\n'),
        shown(image_png=picture('PNG', pnginfo=png_note('Two shades.'))),
    ],
    'pictures()': [
        stream('before\n'),
        shown(image_jpeg=picture('JPEG', comment='A teal photo — wide.')),
        shown(**{'image_svg+xml': SQUARES}),
        shown(image_png=picture('PNG', pnginfo=png_note('A teal drawing.'))),
        new_output('execute_result', {'text/plain': 'array([1., 2.])'}),
    ],
    'html()': [shown(text_html='<p class="demo">Made\n\nby <b>code</b></p>')],
    'widgets()': [
        shown(text_html=widget_html('answer', numbers={name: 4}))
        for name in ('rows', 'columns')
    ],
    'a_name_that_is_long': [stream('word ' * 60 + '\n')],
    'check.reason': [
        new_output('execute_result', {'text/plain': 'Right. Perhaps.'})
    ],
    'check.size': [
        new_output(
            'execute_result', {'text/plain': 'Right. ' + 'It fits. ' * 20}
        )
    ],
}


def executed(folder, page):
    """Make the notebook that running this page would have made."""
    made = exercises.read_page(folder, page)
    made.metadata['language_info'] = {'name': 'python'}
    for cell in made.cells:
        if cell.cell_type == 'code':
            for start, outputs in OUTPUTS.items():
                if cell.source.startswith(start):
                    cell.outputs = outputs
    return made


def write_book(folder):
    """Write sources and executed notebooks of the small book."""
    folder.mkdir(parents=True)
    for name in (
        *('config.ini', 'index.md', 'references.md', 'references.bib'),
        'try.md',
    ):
        shutil.copy(ROOT / name, folder)
    static = shutil.ignore_patterns('__pycache__')
    shutil.copytree(ROOT / 'build', folder / 'build', ignore=static)
    shutil.copytree(ROOT / 'img', folder / 'img', dirs_exist_ok=True)
    (folder / 'img' / 'squares.svg').write_text(SQUARES, encoding='utf-8')
    (folder / 'chapters').mkdir()
    for page in book.chapters(ROOT):  # of the others, title and label alone
        lines = (ROOT / page).read_text(encoding='utf-8').splitlines()
        text = CHAPTERS.get(
            page.stem, '\n'.join([*lines[:2], '', 'Text.', ''])
        )
        (folder / page).write_text(text, encoding='utf-8')
    (folder / 'exercises').mkdir()
    for name, text in PAGES.items():
        (folder / f'{name}.md').write_text(text, encoding='utf-8')
    for source in [*folder.glob('*.md'), *folder.glob('*/*.md')]:
        page = source.relative_to(folder)
        target = folder / '_build/eval' / page
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(executed(folder, page), target.with_suffix('.ipynb'))


def build_book(folder):
    """Run `d2lbook build html`; return its log."""
    folders = [Path(sys.executable).parent, Path(pypandoc.get_pandoc_path())]
    folders[1] = folders[1].parent
    path = os.pathsep.join([*map(str, folders), os.environ['PATH']])
    result = subprocess.run(
        ['d2lbook', 'build', 'html'],
        cwd=folder,
        env={**os.environ, 'PATH': path, 'PYTHONWARNINGS': 'ignore'},
        capture_output=True,
        text=True,
    )
    log = result.stdout + result.stderr
    assert result.returncode == 0, log
    return log
