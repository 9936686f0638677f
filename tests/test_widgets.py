"""The files of the widgets, and how they become one script."""

import re
from pathlib import Path

import checks
from browser import open_browser
from test_explorer import PAGE, SCENES, widget

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


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


@pytest.fixture
def html(folder):
    """What stands below a cell that shows the widget of the folder."""
    data = SCENES if folder.name == 'compare' else {}
    return widget(folder.name, **data)


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
