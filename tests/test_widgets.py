"""The files of the widgets, and how they become one script."""

import re
from pathlib import Path

import checks
import segbook
import utils
from browser import open_browser
from test_crf import scene
from test_explorer import PAGE, SCENES, widget

import numpy as onp
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [p for p in sorted(ROOT.glob('build/widgets/*')) if p.is_dir()]
LONGEST = 500  # lines


def test_no_script_or_style_is_long():
    paths = [
        path
        for folder in ('static', 'try', 'widgets')
        for path in ROOT.glob(f'build/{folder}/**/*')
    ]
    lines = {
        path.relative_to(ROOT).as_posix(): len(
            path.read_text('utf-8').splitlines()
        )
        for path in paths
        if path.is_file()
    }
    assert len(lines) > 20
    assert {name: n for name, n in lines.items() if n > LONGEST} == {}


def field():
    """What the CRF's widget is given: a photo, and soft guesses beside it."""
    photo, chances, label = scene()
    label[0] = utils.VOID
    # Two classes more: one that the net never takes, one that the truth has.
    nowhere = onp.zeros((2, *label.shape), 'float32')
    label[-1, -4:] = 4
    return {
        'photo': photo,
        'probabilities': onp.concatenate([chances, nowhere]),
        'truth': label,
        'settings': {'w1': 8, 'alpha': 10, 'beta': 30}
        | {'w2': 3, 'gamma': 2, 'steps': 5},
        'class_names': ['background', 'disc', 'block', 'nothing', 'corner'],
        'colors': [(0, 0, 0), (128, 0, 0), (0, 128, 0), (9, 9, 9), (0, 0, 99)],
    }


GREY = onp.arange(12, dtype='uint8').reshape(3, 4)
DATA = {'compare': SCENES, 'crf': field()}
DATA['deformable'] = {'photo': GREY, 'centre': (1, 2)}


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture
def html(folder):
    """What stands below a cell that shows the widget of the folder."""
    return widget(folder.name, **DATA.get(folder.name, {}))


def test_every_file_is_in_the_output_once(folder, html):
    shared = [p for p in folder.parent.iterdir() if p.is_file()]
    files = [*shared, *folder.iterdir()]
    times = {path.name: html.count(path.read_text('utf-8')) for path in files}
    assert times == {path.name: 1 for path in files}


def test_files_of_one_function_declare_different_names(html):
    """Of two functions of one name, JavaScript silently keeps the last."""
    script = html.partition('<script>')[2]
    declared = re.findall(
        r'^(?:async )?(?:function|class|const|let) (\w+)', script, re.M
    )
    assert len(declared) > 10
    assert sorted(declared) == sorted(set(declared))


@pytest.fixture
def open_page(tmp_path):
    """A function that opens a page; a script error fails the test."""
    errors = []

    def open_it(body, **options):
        path = tmp_path / 'page.html'
        path.write_text(PAGE.replace('WIDGETS', body), encoding='utf-8')
        page = browser.new_page(**options)
        page.on('pageerror', lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        return page

    with open_browser() as browser:
        yield open_it
    assert errors == []


EXPLORER = "const e = document.querySelector('[data-widget=tconv]').explorer;"


ANSWERS = [  # what is typed, the right numbers, and what is said
    ('', 1, 'Not answered yet.'),
    ('1', 1, 'Right.'),
    ('2', 1, 'Not yet.'),
    ('one', 1, 'Numbers, please'),
    ('1; 2', 1, 'there are fewer numbers'),
    ('1, 2', [1, 2, 3], 'there are more numbers'),
    ('[9/16, .75, 1]', [0.5625, 0.75, 1], 'Right.'),
    ('0.563 0.75 1', [0.5625, 0.75, 1], 'Right.'),
    ('0.56 0.75 1', [0.5625, 0.75, 1], 'three digits'),
    ('3/4 * 3/4, 3 / 4, 1', [0.5625, 0.75, 1], 'Right.'),
    ('3 / 4 * 3, 1/2, 1', [0.5625, 0.75, 1], '1 of 3 are right'),
    ('[[1, -1], [−2, 0]]', [[1, -1], [-2, 0]], 'Right.'),
    ('1 -1 2 0', [[1, -1], [-2, 0]], '3 of 4 are right'),
    ('False, true, no, Yes', [False, True, False, True], 'Right.'),
    ('1/0', 1, 'Numbers, please'),
]


def test_answers_on_the_page(open_page):
    """What is typed is judged as the checks judge it, and in words."""
    right = {f'n{i}': numbers for i, (_, numbers, _) in enumerate(ANSWERS)}
    body = '<details><summary>Solution</summary>SOLUTION</details>'
    page = open_page(body.replace('SOLUTION', widget('answer', numbers=right)))
    assert page.locator('details form').count() == 0  # moved above the fold
    for i, (typed, _, _) in enumerate(ANSWERS):
        page.get_by_label(f'n{i}', exact=True).fill(typed)
    page.get_by_role('button', name='Check').click()
    said = page.locator('.answer-said').all_inner_texts()
    assert len(said) == len(ANSWERS)
    for (typed, _, words), text in zip(ANSWERS, said, strict=True):
        assert words in text, typed
    assert page.evaluate('answerMath.ROUNDED') == checks.ROUNDED


def test_the_explorer_may_begin_hidden(open_page):
    """In a tab that is shown later it draws itself then, and moves."""
    tab = f'<div id="tab" hidden>{widget("tconv")}</div>'
    page = open_page(tab, reduced_motion='reduce')
    page.wait_for_timeout(200)  # some frames, in which nothing is drawn
    page.evaluate("document.getElementById('tab').hidden = false")
    output = page.get_by_label('Output cells')
    output.focus()
    page.keyboard.press('ArrowDown')
    page.wait_for_function(
        'canvas => canvas.width > 100',
        arg=output.locator('canvas').element_handle(),
    )
    cell = page.evaluate(f'() => {{ {EXPLORER} return e.glides.cell.at; }}')
    assert cell[:2] == [0, 0] and cell[2] == cell[3] > 10


def test_what_glides_is_drawn_where_it_stops(open_page):
    """Once all rests, drawing it again changes nothing."""
    page = open_page(widget('tconv', state='h=3&w=3&k=3&s=1'))
    page.get_by_label('Output cells').focus()
    for key in ('Home', 'ArrowDown', 'ArrowRight', 'ArrowRight'):
        page.keyboard.press(key)
    pictures = """() => {
        EXPLORER
        return e.awake ? null
            : e.views.map(view => view.board.canvas.toDataURL());
    }""".replace('EXPLORER', EXPLORER)
    resting = page.wait_for_function(pictures).json_value()
    page.evaluate(f'() => {{ {EXPLORER} e.highlight(); }}')
    assert page.wait_for_function(pictures).json_value() == resting


# ----------------------------------------------------------------- The CRF
def found_by(page):
    """The labels that the widget shows, (H, W)."""
    data = DATA['crf']['truth'].shape
    found = page.evaluate(f'() => {{ {FIELD} return [...field.found]; }}')
    return onp.array(found).reshape(data)


FIELD = "const field = document.querySelector('[data-widget=crf]').crf;"


def test_the_widget_computes_what_the_chapter_computes(open_page):
    """Labels for many settings, and probabilities for one."""
    page = open_page(widget('crf', **DATA['crf']))
    photo, chances, _ = scene()
    same = (found_by(page) == by_the_chapter(chances, photo)).mean()
    assert same > 0.99
    for part in (
        {'steps': 0},
        {'steps': 1},
        {'w1': 0},
        {'w2': 0},
        {'alpha': 3, 'beta': 60},
        {'gamma': 0.25},
        {'w1': 48, 'gamma': 8},
    ):
        page.evaluate(f'part => {{ {FIELD} field.set(part); }}', part)
        page.wait_for_function(f'() => {{ {FIELD} return !field.asked; }}')
        wanted = by_the_chapter(chances, photo, **part)
        assert (found_by(page) == wanted).mean() > 0.99, part
        page.get_by_role('button', name='reset').click()
        page.wait_for_function(f'() => {{ {FIELD} return !field.asked; }}')


def by_the_chapter(chances, photo, **part):
    s = DATA['crf']['settings'] | part
    return segbook.refine(
        chances,
        photo,
        (s['w1'], s['w2']),
        (s['alpha'], s['beta'], s['gamma']),
        s['steps'],
    ).argmax(axis=0)


def test_sliders_move_the_labels(open_page):
    """With a key, as with the mouse; the sentence follows, and names both."""
    page = open_page(widget('crf', **DATA['crf']))
    said = page.locator('.crf-say').inner_text()
    assert 'without' in said and 'with the CRF' in said
    before = found_by(page)
    page.get_by_role('slider', name='steps').focus()
    page.keyboard.press('Home')
    page.wait_for_function(f'() => {{ {FIELD} return !field.asked; }}')
    after = found_by(page)
    network = DATA['crf']['probabilities'].argmax(axis=0)
    assert (after == network).mean() > 0.99  # energies are rounded
    assert (after != before).any()
    now = page.locator('.crf-say').inner_text()
    truth = DATA['crf']['truth']
    counted = truth != utils.VOID
    share = 100 * (after == truth)[counted].mean()
    assert now != said
    assert f'Right are {round(share, 1):g} % of the pixels without' in now
    legend = page.locator('.crf-legend').inner_text().split()
    assert legend == ['background', 'disc', 'block', 'corner']


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'photo': scene()[0][1:]}, 'a photo is uint8'),
        ({'photo': scene()[0] / 255}, 'a photo is uint8'),
        ({'probabilities': scene()[1]}, r'5 classes .* of \(3, 24, 32\)'),
    ],
)
def test_what_does_not_fit_the_crf_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        widget('crf', **{**DATA['crf'], **changes})
