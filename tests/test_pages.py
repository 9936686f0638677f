"""The pages in a real browser that reaches no other machine.

The checks run on a small book that holds one of everything. With BOOK_HTML
set to a folder of built pages, they run on those as well; .ci/run does that:
`BOOK_HTML=_build/html python -m pytest tests/test_pages.py`.
"""

import gzip
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import book
from browser import open_browser, serve
from small_book import TRICKY, build_book, write_book

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from PIL import Image, ImageColor

PHONE = 360
SITE_LIMIT = 15_000_000
TRY_LIMIT = 25_000_000  # the page «Try it», which alone loads a network
CHAPTER_LIMIT = 1_500_000
FIRST_VIEW_LIMIT = 300_000  # script and style, compressed, without MathJax
PATIENCE = 120_000  # milliseconds: other work may share the machine
WHOLE_BOOK = os.environ.get('BOOK_HTML')


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Build the small book; its path has a space, as a reader's may."""
    folder = tmp_path_factory.mktemp('pages') / 'a book'
    write_book(folder)
    log = build_book(folder)
    assert not re.findall('.*(?:WARNING|ERROR).*', log)
    return folder / '_build' / 'html'


@pytest.fixture(
    scope='module',
    params=['small', 'whole'] if WHOLE_BOOK else ['small'],
)
def site(request):
    if request.param == 'whole':
        return Path(WHOLE_BOOK).resolve()
    return request.getfixturevalue('small')


@pytest.fixture(scope='module')
def chromium():
    with open_browser() as browser:
        yield browser


def pages_of(site):
    return sorted(p.relative_to(site).as_posix() for p in site.rglob('*.html'))


class Visit:
    """Open a page and note everything that goes wrong, and what it loads."""

    def __init__(self, browser, url, width=1280, scheme='light'):
        self.problems = []
        self.loaded = {}
        self.context = browser.new_context(
            viewport={'width': width, 'height': 800}, color_scheme=scheme
        )
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.route('**/*', self.guard)
        self.page.on('console', self.note_console)
        self.page.on('pageerror', lambda e: self.problems.append(str(e)))
        self.page.on('requestfailed', self.note_failure)
        self.page.on('response', self.note_response)
        self.page.goto(url)
        self.page.evaluate('window.MathJax?.startup?.promise')
        self.page.wait_for_timeout(50)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()

    def guard(self, route):
        parts = urlsplit(route.request.url)
        if parts.scheme == 'file' or parts.hostname == '127.0.0.1':
            route.continue_()
        else:
            self.problems.append(f'asks for {route.request.url}')
            route.abort()

    def note_console(self, message):
        if message.type == 'error':
            self.problems.append(f'console: {message.text}')

    def note_failure(self, request):
        self.problems.append(f'failed: {request.url}')

    def note_response(self, response):
        if response.status >= 400:
            self.problems.append(f'{response.status}: {response.url}')
        self.loaded[response.url.split('?')[0]] = response

    # What to look at. Each answers with a list of complaints.
    def accessibility(self):
        # Without preload axe asks for no files of its own.
        report = Axe().run(self.page, options={'preload': False}).response
        return [
            f'{found["id"]}: {found["help"]}: {found["nodes"][0]["html"]:.150}'
            for found in report['violations']
            if found['impact'] in ('serious', 'critical')
        ]

    def sideways(self):
        width = self.page.viewport_size['width']
        wide = self.page.evaluate('document.documentElement.scrollWidth')
        return [f'{wide} pixels wide, of {width}'] if wide > width else []

    def clipped(self):
        """Formulas, tables, titles and outputs wider than their column."""
        return self.page.evaluate(
            """[...document.querySelectorAll(
                'article :is(mjx-container[display], table, h1, h2, h3, p, '
                + 'figcaption, .output pre, .pst-scrollable-table-container)'
              )]
              .filter((box) => box.offsetParent)
              .filter((box) => {
                const inside = box.querySelector(':scope > svg') ?? box;
                const column = box.closest('section').clientWidth;
                return box.scrollWidth > box.clientWidth + 1
                  && getComputedStyle(box).display !== 'inline'
                  || inside.getBoundingClientRect().width > column + 1;
              })
              .map((box) => `${box.tagName} ${box.textContent.slice(0, 60)}`)
            """
        )

    def solutions(self):
        """Look at the page with all its solutions unfolded."""
        folds = self.page.locator('details.solution')
        if not folds.count():
            return []
        folds.evaluate_all('all => all.forEach(fold => fold.open = true)')
        self.page.wait_for_timeout(50)
        return [
            *self.sideways(),
            *self.accessibility(),
            *self.formulas(),
            *self.clipped(),
        ]

    def formulas(self):
        return self.page.evaluate(
            """[...document.querySelectorAll('.math')]
              .filter(m => !m.querySelector('mjx-container svg')
                  || m.querySelector('[data-mml-node="merror"]'))
              .map(m => m.textContent.slice(0, 60))"""
        )

    def pictures(self):
        found = []
        for source, alt, width in self.page.evaluate(
            """[...document.querySelectorAll('article img')]
              .map(i => [i.getAttribute('src'), i.alt, i.naturalWidth])"""
        ):
            if not width:
                found.append(f'{source} is broken')
            if not alt or len(alt) < 8 or Path(source).name in alt:
                found.append(f'{source} has the alternative text «{alt}»')
        return found

    def first_view(self):
        size = sum(
            len(gzip.compress(response.body()))
            for url, response in self.loaded.items()
            if url.endswith(('.js', '.css'))
            # Neither MathJax nor the network and photos of «Try it».
            and not re.search('tex-svg|try/(net|photos)', url)
        )
        inline = self.page.evaluate(
            """[...document.querySelectorAll('script:not([src]), style')]
              .map(part => part.textContent).join('')"""
        )
        size += len(gzip.compress(inline.encode()))
        return [f'{size} bytes'] if size > FIRST_VIEW_LIMIT else []

    def paper(self):
        self.page.emulate_media(media='print')
        # What a browser says when it prints; the widgets listen to it.
        self.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        bars = self.page.locator('.bd-sidebar, .bd-header-article')
        pale = self.page.evaluate(
            """[...document.querySelectorAll('article p, .highlight span')]
              .filter((part) => {
                const color = getComputedStyle(part).color;
                const [red, green, blue] = color.match(/\\d+/g).map(Number);
                return 0.3 * red + 0.6 * green + 0.1 * blue > 150;
              })
              .map((part) => part.textContent.slice(0, 20))"""
        )
        return [
            *self.sideways(),
            *(f'prints {text} too pale' for text in pale),
            *(
                f'prints {bar.get_attribute("class")}'
                for bar in bars.all()
                if bar.is_visible()
            ),
        ]


# One visit a page and situation; the tests below read what was noted.
SITUATIONS = {
    'desk': (
        dict(width=1280),
        [
            *('accessibility', 'formulas', 'pictures', 'first_view'),
            *('clipped', 'paper'),
        ],
    ),
    'night': (
        dict(width=1280, scheme='dark'),
        ['accessibility', 'solutions', 'paper'],
    ),
    'phone': (
        dict(width=PHONE),
        ['sideways', 'clipped', 'accessibility', 'solutions'],
    ),
    'file': (dict(width=1024), ['formulas', 'pictures']),
}


@pytest.fixture(scope='module')
def notes(chromium, site):
    """Map each situation to what was found in it: {'pictures': [...], ...}."""
    notes = {}
    with serve(site) as address:
        for situation, (how, looks) in SITUATIONS.items():
            root = site.as_uri() if situation == 'file' else address
            found = notes[situation] = {look: [] for look in looks}
            found['problems'] = []
            for name in pages_of(site):
                with Visit(chromium, f'{root}/{name}', **how) as visit:
                    for look in looks:
                        complaints = getattr(visit, look)()
                        found[look] += [f'{name}: {c}' for c in complaints]
                found['problems'] += [f'{name}: {p}' for p in visit.problems]
    return notes


# ------------------------------------------------------- every page is sound
@pytest.mark.parametrize('situation', SITUATIONS)
def test_nothing_fails_and_nothing_leaves_the_machine(notes, situation):
    assert notes[situation]['problems'] == []


@pytest.mark.parametrize('situation', ['desk', 'night', 'phone'])
def test_accessible(notes, situation):
    assert notes[situation]['accessibility'] == []


@pytest.mark.parametrize('situation', ['desk', 'file'])
def test_formulas_are_typeset(notes, situation):
    assert notes[situation]['formulas'] == []


@pytest.mark.parametrize('situation', ['desk', 'file'])
def test_pictures_load_and_say_what_they_show(notes, situation):
    assert notes[situation]['pictures'] == []


def test_no_sideways_scrolling_on_a_phone(notes):
    assert notes['phone']['sideways'] == []


@pytest.mark.parametrize('situation', ['desk', 'phone'])
def test_nothing_is_wider_than_its_column(notes, situation):
    assert notes[situation]['clipped'] == []


@pytest.mark.parametrize('situation', ['night', 'phone'])
def test_unfolded_solutions_are_accessible_and_fit(notes, situation):
    assert notes[situation]['solutions'] == []


def test_first_view_is_light(notes):
    assert notes['desk']['first_view'] == []


@pytest.mark.parametrize('situation', ['desk', 'night'])
def test_on_paper_the_text_alone(notes, situation):
    assert notes[situation]['paper'] == []


def test_links_lead_somewhere(site):
    soups = {
        name: BeautifulSoup((site / name).read_text('utf-8'), 'html.parser')
        for name in pages_of(site)
    }
    broken = []
    for name, soup in soups.items():
        for tag in soup.select('[href], [src]'):
            url = tag.get('href') or tag.get('src') or ''
            parts = urlsplit(url)
            if parts.scheme or url.startswith('//'):
                if tag.name != 'a' and parts.scheme != 'data':
                    broken.append(f'{name}: loads {url}')
                continue
            path = (site / name).parent / unquote(parts.path)
            target = path if parts.path else site / name
            if not target.resolve().exists():
                broken.append(f'{name}: {url}')
            elif '=' in parts.fragment:
                continue  # a state of the explorer, no place on the page
            elif parts.fragment and tag.name == 'a':
                page = target.resolve().relative_to(site).as_posix()
                if not soups[page].find(id=unquote(parts.fragment)):
                    broken.append(f'{name}: {url}')
    assert not broken, '\n'.join(broken)


def test_markup_is_whole(site):
    """Tags close once; no mark of d2lbook's is left; no path of a machine."""
    found = []
    for name in pages_of(site):
        text = (site / name).read_text('utf-8')
        text = re.sub(r'<script.*?</script>', '', text, flags=re.S)
        for tag in ('div', 'section', 'figure', 'ul', 'table', 'article'):
            opened = len(re.findall(rf'<{tag}[\s>]', text))
            closed = text.count(f'</{tag}>')
            if opened != closed:
                found.append(f'{name}: {opened} <{tag}>, {closed} </{tag}>')
        article = BeautifulSoup(text, 'html.parser').article
        if not article:  # the search page
            continue
        prose = article.get_text(' ')
        for code in article.select('pre'):
            code.decompose()
        marks = r':(?:eq)?label:|:numref:|:eqref:|:cite:|:math:|In \[\d*\]'
        found += [
            f'{name}: {m}' for m in re.findall(marks, article.get_text())
        ]
        homes = rf'{re.escape(str(site.parents[1]))}|/site-packages/|/tmp/'
        found += [f'{name}: {path}' for path in re.findall(homes, prose)]
    assert not found, '\n'.join(found)


def test_size_of_the_site(site):
    sizes = {'try': 0, 'rest': 0}
    for path in site.rglob('*'):
        if path.is_file():
            part = 'try' if path.parent.name == 'try' else 'rest'
            sizes[part] += path.stat().st_size
    assert sizes['rest'] < SITE_LIMIT
    assert 0 < sizes['try'] < TRY_LIMIT


def test_one_page_alone_loads_the_network(site):
    loading = [
        name
        for name in pages_of(site)
        if 'try/net.js' in (site / name).read_text('utf-8')
    ]
    assert loading == ['try.html']


def test_a_widget_takes_its_code_from_one_file_for_all_pages(site):
    found = 0
    for name in pages_of(site):
        soup = BeautifulSoup((site / name).read_text('utf-8'), 'html.parser')
        for place in soup.select('[data-widget][data-options]'):
            style, script = place.find_next_siblings(limit=2)
            for address in style['href'], script['src']:
                assert (site / name).parent.joinpath(address).is_file()
            assert not script.get_text()
            found += 1
    assert found


def test_size_of_each_page(site):
    for name in pages_of(site):
        soup = BeautifulSoup((site / name).read_text('utf-8'), 'html.parser')
        folder = (site / name).parent
        images = {i['src'].split('?')[0] for i in soup.select('article img')}
        images = {src for src in images if not src.startswith('data:')}
        size = sum((folder / unquote(i)).stat().st_size for i in images)
        size += (site / name).stat().st_size
        assert size < CHAPTER_LIMIT, f'{name} has {size} bytes'


# ------------------------------------------- what the small book shows of each
@pytest.fixture(scope='module')
def data(small):
    return BeautifulSoup(
        (small / 'chapters/data.html').read_text('utf-8'), 'html.parser'
    ).article


@pytest.fixture
def chapter(chromium, small):
    """Open the first chapter of the small book over HTTP."""
    with serve(small) as address:
        url = f'{address}/chapters/data.html'
        with Visit(chromium, url, width=1400) as visit:
            yield visit
    assert not visit.problems


def test_a_photo_is_shown_as_webp(data, small):
    [address] = {
        i['src'] for i in data.select('img') if 'teal photo' in i['alt']
    }
    shown = Image.open(small / 'chapters' / address)
    assert shown.format == 'WEBP'
    teal = np.array(ImageColor.getrgb('teal'))
    assert abs(np.asarray(shown.convert('RGB')) - teal.astype(float)).max() < 4
    assert not list(small.glob('_images/*.jpg'))


def test_widgets_work_beside_one_another(chapter):
    labels = chapter.page.locator('.answer-row').all_inner_texts()
    assert [text.split()[0] for text in labels] == ['rows', 'columns']


def test_output_is_literal(data):
    assert data.select_one('.output pre').get_text() == TRICKY


def test_output_of_each_kind(data):
    cell = data.find(string=re.compile('pictures')).find_parent(
        'div', class_='highlight-python'
    )
    kinds = [s for s in cell.find_next_siblings() if s.name][:5]
    assert [kind.name for kind in kinds] == [
        *('div', 'figure', 'figure', 'figure', 'div')
    ]
    alts = [kind.img['alt'] for kind in kinds[1:4]]
    assert alts == [
        'A teal photo — wide.',
        'Two squares & their sides.',
        'A teal drawing.',
    ]
    assert data.select_one('p.demo b').get_text() == 'code'


def test_pictures_made_by_code_have_numbers_and_captions(data):
    captions = data.select('.output-picture figcaption p > .caption-text')
    assert [caption.get_text() for caption in captions] == [
        'Picture\xa01.1 Two shades.',
        'Picture\xa01.2 A teal photo — wide.',
        'Picture\xa01.3 Two squares & their sides.',
        'Picture\xa01.4 A teal drawing.',
    ]


def test_the_call_that_draws_is_folded_below_what_its_cell_prints(data):
    fold = data.select_one('details.drawing')
    printed, cell = fold.find_previous_siblings('div')[:2]
    assert cell.pre.get_text() == 'shades = [0, 1]\n'
    assert printed.get_text().strip() == 'printed'
    assert fold.pre.get_text().startswith('utils.show_matrix(\n    shades')
    assert fold.find_next_sibling().name == 'figure'
    assert not fold.has_attr('open')


def test_formula_in_bold(data):
    bold = [part.get_text() for part in data.p.select('strong')]
    assert bold == ['A formula,', ', in bold.']


def test_numbers_and_references(data, small):
    prose = data.p.get_text()
    assert '(Everingham et al., 2010)' in prose
    for shown in ('Chapter\xa02', '(2.1)', 'Fig.\xa01.1', 'Table\xa01.1'):
        assert shown in prose
    assert data.h2.get_text().startswith('1.1. A Section')
    formulas = (small / 'chapters/transposed-conv.html').read_text('utf-8')
    assert re.findall(r'class="eqno">\(([\d.]+)\)', formulas) == ['2.1', '2.2']


def test_columns_of_numbers_are_set_right(data):
    row = data.select('table tbody tr')[1].select('td')
    assert [cell.get('class') for cell in row] == [
        *(None, ['number'], ['number'], None)
    ]


def test_bibliography_lists_what_is_cited(small):
    page = BeautifulSoup(
        (small / 'references.html').read_text('utf-8'), 'html.parser'
    )
    entries = [li.get_text() for li in page.select('ul.bibliography li')]
    starts = ['Dumoulin', 'Everingham', 'He,', 'Long']
    assert len(entries) == len(starts)
    for entry, start in zip(entries, starts, strict=True):
        assert entry.startswith(start)


def test_notebook_of_the_chapter(chapter):
    with chapter.page.expect_download() as download:
        chapter.page.click('.btn-notebook-button')
    cells = json.loads(Path(download.value.path()).read_text('utf-8'))['cells']
    text = ''.join(cells[0]['source'] + cells[2]['source'])
    assert text.startswith('# A Chapter of Data')
    assert not re.search(':(?:numref|eqref|label|cite):', text)
    assert '![](attachment:squares.svg)' in text
    picture = cells[2]['attachments']['squares.svg']['image/svg+xml']
    assert 'Two squares' in ''.join(picture)


def test_long_output_folds(chapter):
    output = chapter.page.locator('.long-output')
    button = output.get_by_role('button', name='Show all 60 lines')
    folded = output.locator('pre').bounding_box()['height']
    assert folded < 400
    button.click()
    assert output.locator('pre').bounding_box()['height'] > 2 * folded
    output.get_by_role('button', name='Show less').click()
    assert output.locator('pre').bounding_box()['height'] == folded


@pytest.mark.parametrize(
    ('link', 'shown'),
    [
        ('(2.1)', 'mjx-container svg'),
        ('Fig.', 'img[src$="squares.svg"]'),
        ('Everingham', 'text=Visual'),
        ('Chapter', 'text=A Chapter of Formulas'),
        ('Table', 'text=1464'),
    ],
)
def test_reference_shows_its_target(chapter, link, shown):
    preview = chapter.page.locator('#preview')
    link = chapter.page.locator('article a.reference', has_text=link).first
    link.hover()
    preview.locator(shown).first.wait_for()
    chapter.page.keyboard.press('Escape')
    assert preview.is_hidden()
    link.focus()
    preview.locator(shown).first.wait_for()
    assert link.get_attribute('aria-describedby') == 'preview'


def test_copy_button_is_on_code_alone(chapter):
    cells = chapter.page.locator('.highlight-python').count()
    assert cells
    buttons = chapter.page.locator('.highlight-python .copybtn').count()
    assert buttons == cells
    assert chapter.page.locator('.output .copybtn').count() == 0


def test_dark_mode_follows_the_system_and_the_button(chromium, small):
    def shade(visit):
        return visit.page.evaluate(
            'parseInt(getComputedStyle(document.body)'
            '.backgroundColor.match(/\\d+/)[0])'
        )

    with serve(small) as address:
        url = f'{address}/chapters/data.html'
        with Visit(chromium, url, scheme='dark') as visit:
            assert shade(visit) < 50
            button = visit.page.locator('button.theme-switch-button:visible')
            for _ in range(3):  # auto, light, dark in some order
                button.first.click()
                if shade(visit) > 200:
                    break
            else:
                pytest.fail('the button changes nothing')


@pytest.mark.parametrize('scheme', ['http', 'file'])
def test_search(chromium, small, scheme):
    with serve(small) as address:
        root = address if scheme == 'http' else small.as_uri()
        url = f'{root}/search.html?q=pistachio'
        with Visit(chromium, url) as visit:
            found = visit.page.locator('ul.search li')
            found.first.wait_for()
            visit.page.wait_for_timeout(500)
            assert found.count() == 1
            assert 'A Chapter of Data' in found.inner_text()
            if scheme == 'http':  # a file may not read the page it quotes
                assert 'pistachio is in no other' in found.inner_text()
            found.locator('a').first.click()
            visit.page.wait_for_url('**/chapters/data.html*')
            assert not visit.problems


def test_next_and_previous(chapter):
    for button, title in (
        ('a.right-next', 'A Chapter of Formulas'),
        ('a.left-prev', 'A Chapter of Data'),
    ):
        chapter.page.click(button)
        # To leave before all is loaded would count as a failed request.
        chapter.page.wait_for_load_state('networkidle')
        assert title in chapter.page.title()


# ------------------------------------------------------------------ Exercises
@pytest.fixture
def task(chromium, small):
    """Open a page of exercises of the small book."""
    with serve(small) as address:
        url = f'{address}/exercises/transposed-conv.html'
        with Visit(chromium, url, width=400) as visit:
            yield visit
    assert not visit.problems


def test_a_solution_unfolds_by_click_and_by_key(task):
    fold = task.page.locator('details.solution').first
    code = fold.locator('pre', has_text='size = 4 * (10 - 1) + 4')
    verdict = fold.locator('.verdict')
    assert code.is_hidden() and verdict.is_hidden()
    fold.locator('summary').click()
    assert code.is_visible() and verdict.is_visible()
    box = verdict.locator('pre')
    assert box.evaluate('box => box.scrollWidth <= box.clientWidth')
    fold.locator('summary').focus()
    task.page.keyboard.press('Enter')
    assert code.is_hidden()
    task.page.keyboard.press('Space')
    assert code.is_visible()
    # A wide line can be scrolled by keyboard once it is to be seen.
    task.page.wait_for_function(
        'document.querySelector(".solution pre").tabIndex === 0'
    )


def test_on_paper_only_the_unfolded_solutions(task):
    folds = task.page.locator('details.solution')
    folds.first.locator('summary').click()
    task.page.emulate_media(media='print')
    assert folds.first.is_visible()
    assert folds.last.is_hidden()


def test_every_solution_of_the_book_is_right(site):
    pages = sorted(site.glob('exercises/*.html'))
    assert len(pages) == len(book.exercises(book.ROOT))
    for page in pages:
        soup = BeautifulSoup(page.read_text('utf-8'), 'html.parser')
        exercises = soup.select('article section section')
        folds = soup.select('article details.solution')
        assert len(folds) == len(exercises) > 1
        for fold in folds:
            (verdict,) = fold.select('.verdict')
            assert verdict.get_text().startswith('Right. ')


def test_a_page_of_exercises_shows_no_mark(small):
    page = (small / 'exercises/data.html').read_text('utf-8')
    article = BeautifulSoup(page, 'html.parser').article
    assert '#@' not in article.get_text()
    assert 'controls()' not in article.get_text()
    assert 'size = ...' in article.get_text()
    titles = [part.get_text() for part in article.select('summary')]
    assert titles == ['Solution'] * 2
    links = [link.get_text() for link in article.select('a.reference')]
    assert links[:3] == ['Chapter\xa01', '(2.1)', 'Exercises: Data']


def test_the_notebook_of_exercises_has_no_solution(task):
    with task.page.expect_download() as download:
        task.page.click('.btn-notebook-button')
    assert download.value.suggested_filename == (
        'exercises-transposed-conv.ipynb'
    )
    text = Path(download.value.path()).read_text('utf-8')
    assert 'size = ...' in text and 'controls()' in text
    assert '4 * (10' not in text and 'pomegranate' not in text


def test_search_finds_what_a_solution_says(chromium, small):
    with (
        serve(small) as address,
        Visit(chromium, f'{address}/search.html?q=pomegranate') as visit,
    ):
        found = visit.page.locator('ul.search li')
        found.first.wait_for()
        assert 'Exercises' in found.first.inner_text()
