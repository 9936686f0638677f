"""Which pages a change of the book's code concerns, on the real pages."""

import shutil

import book
import reach
import run_chapters

import pytest


@pytest.fixture(scope='module')
def cells(root):
    """The code of all pages: {page: list of cells}."""
    return {
        page.as_posix().removesuffix('.md'): run_chapters.cells_of(
            book.read_page(root / page)
        )
        for page in book.pages(root)
    }


@pytest.fixture(scope='module')
def copy(tmp_path_factory, root):
    """The book's code, to be changed."""
    folder = tmp_path_factory.mktemp('copy')
    shutil.copytree(root / 'build' / 'widgets', folder / 'build' / 'widgets')
    for path in sorted(p for glob in reach.MODULES for p in root.glob(glob)):
        (folder / path.relative_to(root)).parent.mkdir(exist_ok=True)
        shutil.copy(path, folder / path.relative_to(root))
    return folder


def reached(copy, cells):
    """Return {page: what its key rests on}."""
    code = reach.Book(copy)
    return {page: code.reached_by(cells[page]) for page in cells}


@pytest.fixture(scope='module')
def concerned(copy, cells):
    """What another text in a file changes: the pages concerned."""
    before = reached(copy, cells)

    def pages(name, old, new):
        path = copy / name
        text = path.read_text('utf-8')
        assert text.count(old) == 1, old
        path.write_text(text.replace(old, new), encoding='utf-8')
        try:
            after = reached(copy, cells)
        finally:
            path.write_text(text, encoding='utf-8')
        return {page for page in cells if before[page] != after[page]}

    return pages


@pytest.fixture(scope='module')
def that_say(cells):
    """The pages in whose cells one of the words stands."""

    def pages(*words):
        text = {page: '\n'.join(cells[page]) for page in cells}
        return {p for p in text if any(word in text[p] for word in words)}

    return pages


def test_own_data_concerns_its_chapter_alone(concerned, that_say):
    change = 'parts/own_data.py', '_FEW_COLORS = 16', '_FEW_COLORS = 17'
    assert concerned(*change) == {'chapters/own-data'}


def test_a_picture_concerns_those_who_draw_it(concerned, that_say):
    """The helper that draws a square, deep below `show_matrix`."""
    change = 'parts/pictures.py', "'#c8c8c8'", "'#c8c8c9'"
    expected = that_say('show_matrix')
    assert concerned(*change) == expected
    assert 'chapters/fcn' not in expected


def test_prediction_concerns_those_who_predict_or_evaluate(
    concerned, that_say
):
    change = 'parts/views.py', 'STRIDE = 32 ', 'STRIDE = 64 '
    found = concerned(*change)
    assert found >= that_say('utils.predict', 'utils.evaluate')
    assert found >= that_say('utils.train(')  # which evaluates
    quick = 'chapters/data', 'chapters/transposed-conv', 'chapters/bilinear'
    assert not found & set(quick)


def test_what_happens_at_the_start_concerns_all(concerned, that_say):
    change = 'parts/start.py', 'mallopt(-8, 1)', 'mallopt(-8, 2)'
    assert concerned(*change) == that_say('import utils', 'import segbook')


def test_a_change_of_mxnet_concerns_all(concerned, that_say):
    """The block that `nets` gives MXNet when it is imported."""
    change = 'parts/nets.py', 'F.elemwise_add', 'F.elemwise_sub'
    assert concerned(*change) == that_say('import utils', 'import segbook')


def test_a_lent_definition_concerns_those_who_borrow_it(concerned, that_say):
    change = 'segbook.py', 'def bilinear_kernel(', 'def bilinear_kernel(more, '
    found = concerned(*change)
    assert found >= that_say('segbook.bilinear_kernel')
    assert 'chapters/data' not in found


def test_a_check_concerns_its_exercises(concerned):
    change = 'checks/fcn.py', 'import utils\n', 'import utils\n\nprint(1)\n'
    assert concerned(*change) == {'exercises/fcn'}


def test_a_command_concerns_the_chapter_that_runs_it(concerned):
    change = 'tools/launch.py', 'def roles(', 'def roles(more, '
    assert concerned(*change) == {'chapters/scaling'}


def test_a_widget_concerns_those_who_show_it(concerned, that_say):
    change = 'build/widgets/tconv/transport.js', 'class Transport', 'class T'
    assert concerned(*change) == that_say("'tconv'")
    change = 'build/widgets/widget.css', "What the book's widgets", 'What they'
    assert concerned(*change) == that_say('show_widget')


@pytest.mark.parametrize(
    'name, words',
    [
        ('parts/start.py', '"""Let large blocks be used again'),
        ('parts/start.py', '# glibc'),
        ('utils.py', '"""The one import of all chapters'),
        ('segbook.py', '"""What chapters lend to one another'),
        ('parts/metric.py', '"""Count a confusion matrix'),
    ],
)
def test_words_concern_nobody(concerned, name, words):
    assert concerned(name, words, words + ', again') == set()


def test_a_definition_that_nobody_uses_concerns_nobody(concerned, that_say):
    change = (
        'utils.py',
        'def take_step(',
        'def more():\n    1\n\n\ndef take_step(',
    )
    assert concerned(*change) == set()


# ------------------------------------------------------------ Ways to import
MODULES = {
    'utils.py': 'from parts.one import first\n__all__ = ["first"]\n',
    'segbook.py': 'import utils\ndef lent():\n    return utils.first()\n',
    'parts/__init__.py': 'import parts.zero\n',
    'parts/zero.py': 'START = 1\nprint(START)\n',
    'parts/one.py': 'def first():\n    return _help()\n'
    'def _help():\n    return 1\ndef second():\n    return 2\n',
    'tools/run.py': 'import segbook\nprint(segbook.lent())\n',
}
START = {'parts.zero.', 'parts.zero.START'}
FIRST = START | {'parts.one.first', 'parts.one._help'}
ONE = FIRST | {'parts.one.second'}


@pytest.mark.parametrize(
    'code, expected',
    [
        ('import numpy', set()),
        ('import utils', START),
        ('import utils\nutils.first', FIRST),
        ('import utils as u\nu.first.x', FIRST),
        ('from utils import first\nfirst()', FIRST),
        ('def f():\n    from utils import first as g\n    g()', FIRST),
        ('import utils\ngetattr(utils, "first")', FIRST),
        ('from utils import *\nfirst()', FIRST),
        ('from parts import one\none.second', START | {'parts.one.second'}),
        ('from parts.one import *', ONE),
        ('import parts.one\nparts.one.first', ONE),
        ('import segbook', START),
        ('import segbook\nsegbook.lent', FIRST | {'segbook.lent'}),
        ('%time\nimport segbook', FIRST | {'segbook.lent'}),
        ('"run.py"', FIRST | {'segbook.lent', 'tools.run.'}),
    ],
)
def test_every_way_to_import_is_followed(tmp_path, code, expected):
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding='utf-8')
    found = reach.Book(tmp_path).reached_by([code])
    assert set(found) - {'parts.'} == expected
