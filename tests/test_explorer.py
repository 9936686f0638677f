"""The transposed-convolution explorer, in a real browser.

Its arithmetic is compared with the definition; then it is used as a reader
would. Screenshots of the run are kept in _build/screenshots.
"""

import json
import sys
from itertools import product
from pathlib import Path

import utils
from browser import open_browser
from checks import up

import numpy as onp
import pytest
from mxnet import np

ROOT = Path(__file__).parents[1]
SHOTS = ROOT / '_build' / 'screenshots'
PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<head><meta charset="utf-8"><title>A page of the tests</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  body { margin: 0 auto; padding: 8px; max-width: 760px; }
  html[data-theme=dark] body { background: #121212; color: #eee; }
</style></head>
<body><main><h1>Page</h1><h2>Section</h2>WIDGETS</main></body></html>"""


def scenes():
    """Two pictures whose labels, predictions and confidence are known."""
    random = onp.random.RandomState(0)
    data = {
        'photos': [],
        'predictions': [],
        'truths': [],
        'confidences': [],
        'class_names': ['background', 'cat', 'dog'],
        'colors': [(0, 0, 0), (64, 0, 0), (64, 0, 128)],
    }
    for height, width in [(90, 120), (120, 90)]:
        photo = random.randint(0, 255, (height, width, 3)).astype('uint8')
        truth = onp.zeros((height, width), 'uint8')
        truth[20:60, 20:60] = 1
        truth[18:20, 20:60] = 255
        prediction = onp.zeros((height, width), 'int64')
        prediction[20:60, 40:80] = 2
        prediction[20:60, 20:40] = 1
        confidence = onp.full((height, width), 0.5)
        confidence[:, 60:] = 1
        for name, value in [
            ('photos', photo),
            ('truths', truth),
            ('predictions', np.array(prediction)),  # MXNet's arrays serve
            ('confidences', confidence),
        ]:
            data[name].append(value)
    return data


SCENES = scenes()


def widget(name, **data):
    """Return the HTML that utils.show_widget puts below a cell."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('IPython.display.display', shown.append)
        utils.show_widget(name, **data)
    return shown[0].data


@pytest.fixture(scope='module')
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """A folder with one page for each thing tested; yields its address."""
    folder = tmp_path_factory.mktemp('explorer')
    pages = {
        'tconv': widget('tconv'),
        'first': widget('tconv', state='h=2&w=2&k=3&s=2', views='scatter'),
        'started': widget('tconv', state='h=2&w=2&k=2&s=2&p=0&a=0'),
        'bilinear': widget('bilinear'),
        'atrous': widget('atrous', state='k=3&rates=2,2,2&strides=1,1,1'),
        'both': widget('tconv') + widget('bilinear') + widget('tconv'),
        'compare': widget('compare', **SCENES),
        'answer': widget('answer', numbers={'size': [3, 4], 'padding': 1}),
    }
    for name, body in pages.items():
        text = PAGE.replace('WIDGETS', body)
        (folder / f'{name}.html').write_text(text, encoding='utf-8')
    return folder.as_uri()


@pytest.fixture
def open_page(browser, site):
    """A function that opens a page; a script error fails the test."""
    errors = []
    opened = []

    def open_it(name='tconv', state='', width=1000, height=900, **options):
        page = browser.new_page(
            viewport={'width': width, 'height': height}, **options
        )
        page.set_default_timeout(60_000)  # the machine may be busy
        opened.append(page)
        page.on('pageerror', lambda error: errors.append(str(error)))
        page.on(
            'console',
            lambda said: said.type == 'error' and errors.append(said.text),
        )
        page.goto(f'{site}/{name}.html{state}')
        page.wait_for_selector('.book-widget')
        return page

    yield open_it
    for page in opened:
        page.close()
    assert errors == []


def keep(page, name):
    """Save a screenshot of the whole page as an artefact of the run."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(150)
    page.screenshot(path=SHOTS / f'{name}.png', full_page=True)


def size(page):
    return page.inner_text('#tconv-output-size')


def message(page):
    return page.inner_text('.tconv-message')


def address(page):
    page.wait_for_timeout(200)  # it is written with a short delay
    return page.evaluate('location.hash')


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def cell(page, kind, index):
    return page.locator(f'.tconv-grid[data-kind={kind}] [role=gridcell]').nth(
        index
    )


def values(page, kind):
    return page.evaluate(
        "([kind]) => Array.from(document.querySelector('[data-widget=tconv]')"
        '.explorer.values(kind))',
        [kind],
    )


# ------------------------------------------------------------- arithmetic


def layers():
    """Yield parameter sets: every kind of overlap, cut and leftover."""
    shapes = [(1, 1), (1, 4), (2, 3), (3, 3), (5, 7), (8, 8)]
    cases = product(range(1, 8), range(1, 5), range(4), range(3))
    number = 0
    for k, s, p, a in cases:
        for shift in range(2):
            h, w = shapes[(number + shift * 3) % len(shapes)]
            least = s * (min(h, w) - 1) + k - 2 * p + a
            if a < s and p < k and least >= 1:
                number += 1
                yield {'h': h, 'w': w, 'k': k, 's': s, 'p': p, 'a': a}


def test_arithmetic_is_that_of_the_definition(open_page):
    """Scatter, gather and matrix add the stamps up, to 1e-5."""
    random = onp.random.RandomState(0)
    cases = []
    for state in layers():
        h, w, k, s, p, a = state.values()
        X = random.uniform(-2, 2, (h, w)).astype('float32')
        K = random.uniform(-2, 2, (k, k)).astype('float32')
        Y = up(X, K, s, p, a)
        cases.append((state, X.ravel().tolist(), K.ravel().tolist(), Y))
    assert len(cases) >= 300
    ours = open_page().evaluate(
        """cases => cases.map(([state, X, K]) => ({
            refusal: tconvMath.refusal(state),
            sizes: tconvMath.sizes(state),
            outputs: [tconvMath.scatter, tconvMath.gather,
                tconvMath.multiply].map(f => Array.from(f(X, K, state))),
        }))""",
        [case[:3] for case in cases],
    )
    for (state, _, _, Y), mine in zip(cases, ours, strict=True):
        assert mine['refusal'] is None, state
        assert tuple(mine['sizes']) == Y.shape, state
        for output in mine['outputs']:
            onp.testing.assert_allclose(
                onp.reshape(output, Y.shape), Y, atol=1e-5, err_msg=str(state)
            )


def test_output_sizes(open_page):
    """The table of known sizes, for an input of 10 x 15."""
    known = {
        (4, 2, 1, 0): [20, 30],
        (3, 2, 1, 1): [20, 30],
        (64, 32, 16, 0): [320, 480],
        (4, 2, 0, 0): [22, 32],
        (5, 3, 2, 0): [28, 43],
        (5, 3, 1, 0): [30, 45],
    }
    found = open_page().evaluate(
        'layers => layers.map(layer => '
        '[10, 15].map(i => tconvMath.outputSize(i, ...layer)))',
        list(map(list, known)),
    )
    assert found == list(known.values())


def test_every_move_stays_valid(open_page):
    """From any valid state, any control leads to a valid state."""
    bad = open_page().evaluate("""() => {
        const M = tconvMath;
        const next = (() => {
            let seed = 7;
            return n => (seed = (seed * 16807) % 2147483647) % n;
        })();
        let state = { ...M.START };
        for (let n = 0; n < 20000; n++) {
            const key = M.KEYS[next(6)];
            const [low, high] = M.LIMITS[key];
            const value = low + next(high - low + 1);
            const wanted = { ...state, [key]: value };
            const settled = M.settle(wanted);
            if (M.refusal(settled.state)) return settled.state;
            if (JSON.stringify(settled.state) !== JSON.stringify(wanted) &&
                !settled.notes.length) return [wanted, 'no note'];
            if (!M.refusal(wanted) && settled.notes.length) {
                return [wanted, 'changed in vain'];
            }
            state = settled.state;
        }
        return null;
    }""")
    assert bad is None


def test_state_survives_the_address(open_page):
    bad = open_page().evaluate("""() => {
        const M = tconvMath;
        const base = { h: 2, w: 3, k: 2, s: 3, p: 1, a: 2 };
        const inputs = [...M.INPUTS.map(preset => ({ preset })),
            { preset: 'edited', values: [1, -2.5, 0, 0.125, 999, -999] }];
        const kernels = [...M.KERNELS.map(preset => ({ preset, seed: 5 })),
            { preset: 'edited', values: [0.5, -0.25, 1, 0] }];
        for (const input of inputs) for (const kernel of kernels) {
            for (const two of [true, false]) {
                const text = M.encode({ ...base, input, kernel, two });
                const { state, error } = M.decode('#' + text);
                const again = M.encode(state);
                if (error || again !== text) return [text, again, error];
            }
        }
        return null;
    }""")
    assert bad is None


def of_ones(K, s):
    """Least and most of what K makes of ones away from the border."""
    k = len(K)
    Y = onp.zeros((s * 9 + k, s * 9 + k))
    for i, j in onp.ndindex(10, 10):
        Y[s * i : s * i + k, s * j : s * j + k] += K
    inside = Y[k : s * 9, k : s * 9]
    return [inside.min(), inside.max()]


def tent(k):
    """The bilinear kernel of this size."""
    row = 1 - abs(onp.arange(k) - (k - 1) / 2) / ((k + 1) // 2)
    return onp.outer(row, row)


RULES = [  # kernel, stride, kind, the words about this kernel
    (onp.ones((4, 4)), 2, 'even', None),
    (onp.ones((3, 3)), 2, 'uneven', None),
    (onp.ones((2, 2)), 3, 'gaps', None),
    (onp.ones((5, 5)), 1, 'even', None),
    (onp.ones((6, 6)), 3, 'even', None),
    (tent(3), 2, 'uneven', 'evens it out: ones become 1 everywhere'),
    (tent(5), 3, 'uneven', 'evens it out: ones become 1 everywhere'),
    (tent(4), 2, 'even', 'no checkerboard: ones become 1 everywhere'),
    (tent(5), 2, 'uneven', 'does not even it out'),
    (onp.arange(16.0).reshape(4, 4), 2, 'even', 'a checkerboard after all'),
    (onp.arange(9.0).reshape(3, 3), 1, 'even', 'ones become 36 everywhere'),
]


def test_overlap_rule(open_page):
    """It is about the stamps, and about the kernel that is shown."""
    page = open_page()
    for K, s, kind, words in RULES:
        k = len(K)
        state = {'h': 3, 'w': 3, 'k': k, 's': s, 'p': 0, 'a': 0}
        rule, stamps, values = page.evaluate(
            '([state, K]) => [tconvMath.overlapRule(state, K), '
            'tconvMath.inside(state, 1), tconvMath.inside(state, 1, K)]',
            [state, K.ravel().tolist()],
        )
        assert rule['kind'] == kind
        assert stamps == of_ones(onp.ones((k, k)), s)
        assert onp.allclose(values, of_ones(K, s))
        assert (words is None) == ('This kernel' not in rule['text'])
        assert words is None or words in rule['text'], rule['text']
    state = {'h': 3, 'w': 3, 'k': 3, 's': 2, 'p': 0, 'a': 0}
    assert page.evaluate('s => tconvMath.inside(s, 2)', state) == [1, 9]


@pytest.mark.parametrize('k, s', [(3, 2), (5, 3)])
def test_a_kernel_that_evens_out_makes_no_checkerboard(open_page, k, s):
    """The link «k = 3 once more» of the teacher's page."""
    page = open_page(state=f'#h=4&w=4&k={k}&s={s}&in=ones&ker=bilinear')
    rule, first, _ = page.locator('.tconv-overlap .tconv-say').all()
    assert 'With equal weights that is the checkerboard' in rule.inner_text()
    assert 'evens it out' in rule.inner_text()
    page.get_by_role('button', name='all-ones input, this kernel').click()
    assert 'is the checkerboard' not in rule.inner_text()
    assert 'ones become 1 everywhere' in rule.inner_text()
    assert 'away from the border always 1' in first.inner_text()


# --------------------------------------------------------------- address


def test_address_sets_the_layer(open_page):
    page = open_page(state='#h=5&w=7&k=4&s=2&p=1&a=0')
    assert size(page) == '10 \N{MULTIPLICATION SIGN} 14'
    assert '2 (7 − 1) + 4 − 2 · 1 + 0 = 14' in page.inner_text('.tconv-sums')
    assert page.inner_text('.tconv-code code') == (
        'nn.Conv2DTranspose(1, kernel_size=4, strides=2, padding=1, '
        'output_padding=0)'
    )
    page.evaluate("location.hash = '#h=2&w=2&k=2&s=2&ker=ones&in=1,2,3,4'")
    page.wait_for_function(
        "document.getElementById('tconv-output-size').textContent === '4 × 4'"
    )
    assert values(page, 'x') == [1, 2, 3, 4]
    assert values(page, 'k') == [1, 1, 1, 1]
    page.evaluate("location.hash = '#some-heading'")
    page.wait_for_timeout(100)
    assert size(page) == '4 × 4'


def test_gluon_line_makes_the_layer(open_page):
    from mxnet.gluon import nn

    page = open_page(state='#h=5&w=7&k=5&s=3&p=1&a=2')
    layer = eval(page.inner_text('.tconv-code code'), {'nn': nn})
    layer.initialize()
    shape = layer(np.ones((1, 1, 5, 7))).shape[2:]
    assert size(page) == ' × '.join(map(str, shape))


BAD_ADDRESSES = {
    '#h=9&w=7&k=4&s=2&p=1&a=0': 'input height 9',
    '#h=5&w=7&k=4&s=2&p=1&a=2': 'below the stride',
    '#h=5&w=7&k=2&s=2&p=2&a=0': 'cut off whole input cells',
    '#h=1&w=7&k=3&s=1&p=2&a=0': 'output of size -1',
    '#h=five': 'no whole number',
    '#h=2.5': 'no whole number',
    '#h=2&w=2&in=1,2,3': '3 values, not 4',
    '#h=2&w=2&in=1,2,3,x': 'is no number',
    '#h=2&w=2&in=1,2,3,1e9': 'is no number',
    '#h=2&w=2&in=1,2,3,1000': 'beyond',
    '#k=1&ker=sharpen': 'kernel “sharpen” is unknown: ones, bilinear,',
    '#h=2&w=2&in=one': 'input “one” is unknown: ramp, one-hot,',
    '#h=2&w=2&kernel=bilinear': 'it holds “kernel”, which means nothing',
    '#h=2&w=2&two=2': 'two=1 or two=0',
    '#h=%E0%A4%A': 'not readable',
    '#in=<img src=x onerror=alert(1)>': 'is unknown',
}


def test_invalid_address_says_why(open_page):
    page = open_page(state='#h=0')  # at once, and after every change
    assert 'input height 0' in message(page)
    for state, words in BAD_ADDRESSES.items():
        page.evaluate('state => { location.hash = state }', '#h=1&w=1')
        page.wait_for_selector('.tconv-message:not(.is-bad)')
        assert size(page) == '3 × 3'
        page.evaluate('state => { location.hash = state }', state)
        page.wait_for_selector('.tconv-message.is-bad')
        said = message(page)
        assert said.startswith('The address describes no valid layer')
        assert words in said
        assert size(page) == '7 × 9'


def test_a_start_that_is_no_layer_is_told(browser, tmp_path):
    """A cell's state, too, is not exchanged in silence."""
    path = tmp_path / 'page.html'
    body = widget('tconv', state='h=2&w=2&ker=sharpen')
    path.write_text(PAGE.replace('WIDGETS', body), encoding='utf-8')
    page = browser.new_page()
    page.goto(path.as_uri())
    said = message(page)
    page.close()
    assert said.startswith('The state describes no valid layer')
    assert 'kernel “sharpen” is unknown' in said


def test_every_change_reaches_the_address(open_page):
    page = open_page('started')
    assert size(page) == '4 × 4'
    assert address(page) == ''  # only the reader's changes are written
    page.get_by_label('Kernel', exact=True).fill('3')
    assert address(page) == '#h=2&w=2&k=3&s=2&p=0&a=0'
    page.get_by_label('Input X, preset').select_option('letter')
    page.get_by_label('Kernel K, preset').select_option('random')
    page.get_by_role('button', name='Other random numbers').click()
    cell(page, 'x', 0).dblclick()
    page.keyboard.type('-1.5')
    press(page, 'Enter')
    page.get_by_label('second layer').uncheck()
    found = address(page)
    assert found == (
        '#h=2&w=2&k=3&s=2&p=0&a=0&in=-1.5,1,1,1&ker=random:2&two=0'
    )
    kernel = values(page, 'k')
    page.reload()
    page.wait_for_selector('.book-widget')
    assert values(page, 'x') == [-1.5, 1, 1, 1]
    assert values(page, 'k') == kernel
    assert address(page) == found


# -------------------------------------------------------------- controls


def test_refused_values_say_why(open_page):
    page = open_page(state='#h=5&w=7&k=4&s=2&p=1&a=0')

    def refuse(label, value, words):
        box = page.get_by_label(label, exact=True)
        box.fill(value)
        assert words in message(page)
        assert box.get_attribute('aria-invalid') == 'true'
        assert size(page) == '10 × 14'
        press(page, 'Enter')
        assert box.get_attribute('aria-invalid') is None

    refuse('Output padding', '2', 'must stay below the stride')
    refuse('Padding', '4', 'cut off whole input cells')
    refuse('Input width', '9', 'goes from 1 to 8')
    refuse('Kernel', '2.5', 'whole number')
    refuse('Stride', '', 'whole number')
    # The slider stops at the last value that serves, and says why.
    page.get_by_label('Output padding, slider').fill('4')
    assert 'must stay below the stride' in message(page)
    assert size(page) == '11 × 15'
    # What depends on a change gives way, and is named.
    page.get_by_label('Stride', exact=True).fill('1')
    assert 'Output padding went down to 0' in message(page)
    assert size(page) == '6 × 8'


def test_copy_the_line(open_page, browser):
    page = open_page()
    page.get_by_text('Copy code').click()
    page.get_by_role('button', name='Copied').wait_for()
    page.get_by_role('button', name='Copy code').wait_for(timeout=4000)
    area = page.locator('body').evaluate(
        "body => { const area = document.createElement('textarea');"
        'body.append(area); area.focus(); return 0; }'
    )
    assert area == 0
    press(page, 'Control+v')
    assert page.locator('textarea').input_value() == page.inner_text(
        '.tconv-code code'
    )


# ------------------------------------------------ pointing, keys, dragging


def test_keyboard_moves_and_edits(open_page):
    page = open_page(state='#h=3&w=4&k=3&s=2')
    cell(page, 'x', 0).focus()
    press(page, 'ArrowRight', 'ArrowDown')
    readout = page.locator('.tconv-readout')
    assert 'X[1, 1] = 2 stamps 2 × K onto rows 2–4' in readout.inner_text()
    press(page, '+')
    assert values(page, 'x')[5] == 3
    press(page, '-', '-')
    assert values(page, 'x')[5] == 1
    page.keyboard.type('7')
    press(page, 'Enter')
    assert values(page, 'x')[5] == 7
    page.keyboard.type('8')
    press(page, 'Escape')
    assert values(page, 'x')[5] == 7
    press(page, 'Delete')
    assert values(page, 'x')[5] == 0
    assert page.get_by_label('Input X, preset').input_value() == 'edited'
    # Into the output: Tab order and arrows.
    page.get_by_label('Output cells').focus()
    press(page, 'Home', 'ArrowRight', 'ArrowDown', 'Enter')
    assert readout.inner_text().startswith('Y[1, 1] collects 1 product')
    assert address(page).count('in=') == 1
    # The live region says the same.
    page.wait_for_timeout(300)
    said = page.locator('.tconv .w-unseen[aria-live]').inner_text()
    assert said.startswith('Y[1, 1] collects 1 product')
    page.get_by_label('Transposed matrix').focus()
    press(page, 'ArrowRight', 'ArrowRight', 'ArrowDown')
    assert 'Row 1 of Wᵀ' in readout.inner_text()
    press(page, 'Escape')
    assert 'Point at a cell' in readout.inner_text()


def test_a_letter_in_a_cell_is_refused(open_page):
    page = open_page()
    before = values(page, 'k')
    cell(page, 'k', 4).dblclick()
    page.keyboard.type('much')
    press(page, 'Enter')
    assert 'a cell holds a number' in message(page)
    cell(page, 'k', 4).dblclick()
    page.keyboard.type('1234')
    press(page, 'Enter')
    assert 'from −999 to 999' in message(page)
    assert values(page, 'k') == before


def test_drag_copies_a_cell(open_page):
    page = open_page(state='#h=3&w=4&in=one-hot')
    boxes = [cell(page, 'x', n).bounding_box() for n in (5, 7, 11)]
    centres = [
        (b['x'] + b['width'] / 2, b['y'] + b['height'] / 2) for b in boxes
    ]
    page.mouse.move(*centres[0])
    page.mouse.down()
    page.mouse.move(*centres[1], steps=8)
    page.mouse.move(*centres[2], steps=4)
    page.mouse.up()
    assert values(page, 'x') == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1]
    keep(page, 'tconv-drag')


def test_pointing_links_the_views(open_page):
    """An output cell lights its input and kernel cells; a drag follows."""
    page = open_page(state='#h=3&w=4&k=3&s=2&p=1&a=1')
    canvas = page.get_by_label('Output cells').locator('canvas')
    box = canvas.bounding_box()
    side = box['width'] / 10  # 9 board cells, and one that a gives back
    page.mouse.move(box['x'] + 2.5 * side, box['y'] + 2.5 * side)
    readout = page.locator('.tconv-readout')
    assert readout.inner_text().startswith('Y[1, 1] collects 4 products')
    lit = '.tconv-grid[data-kind={}] .is-lit'
    assert page.locator(lit.format('x')).count() == 4
    assert page.locator(lit.format('k')).count() == 4
    page.mouse.down()
    page.mouse.move(box['x'] + 3.5 * side, box['y'] + 3.5 * side, steps=4)
    page.mouse.up()
    assert readout.inner_text().startswith('Y[2, 2] collects 1 product')
    page.mouse.move(1, 1)  # the choice stays when the pointer goes
    assert readout.inner_text().startswith('Y[2, 2] collects 1 product')
    keep(page, 'tconv-output-cell')
    cell(page, 'k', 0).hover()
    assert readout.inner_text().startswith('K[0, 0] = 0.25 meets every')
    keep(page, 'tconv-kernel-cell')


def test_the_numbers_add_up(open_page):
    """The written-out sum of every output cell is its value."""
    page = open_page(state='#h=3&w=3&k=5&s=2&p=1&a=1&ker=random:4')
    wrong = page.evaluate("""() => {
        const e = document.querySelector('[data-widget=tconv]').explorer;
        const wrong = [];
        for (let at = 0; at < e.rows * e.cols; at++) {
            e.look({ kind: 'y', at });
            const text = e.readout.querySelector('.tconv-sum')?.textContent;
            if (!text) { if (e.Y[at]) wrong.push(at); continue; }
            const parts = text.replaceAll('−', '-').replaceAll('·', '*')
                .split('=');
            const sum = Function(`return ${parts[1]}`)();
            if (Math.abs(sum - e.Y[at]) > 2e-3 ||
                Math.abs(Number(parts[2]) - e.Y[at]) > 1e-3) wrong.push(text);
        }
        return wrong;
    }""")
    assert wrong == []


@pytest.mark.parametrize('order', ['stamp by stamp', 'cell by cell'])
def test_step_play_pause(open_page, order):
    page = open_page(state='#h=2&w=2&k=2&s=2&in=ones&ker=ones')
    page.get_by_role('button', name=order).click()
    progress = page.locator('.tconv-progress')
    assert progress.inner_text() == 'all done'
    page.get_by_label('One step on').click()
    page.get_by_label('One step on').click()
    assert '2 of' in progress.inner_text()
    page.get_by_label('One step back').click()
    assert '1 of' in progress.inner_text()
    if order == 'stamp by stamp':
        shown = page.evaluate(
            "Array.from(document.querySelector('[data-widget=tconv]')"
            '.explorer.shown)'
        )
        assert shown == [1, 1, 0, 0, 1, 1, 0, 0] + [0] * 8
    page.get_by_label('Speed').fill('4')
    page.get_by_label('Play', exact=True).click()
    page.get_by_label('Pause').wait_for()
    page.wait_for_function(
        "document.querySelector('.tconv-progress').textContent === 'all done'"
    )
    # A long one is paused; it stands still then.
    page.evaluate("location.hash = '#h=8&w=8&k=2&s=2'")
    page.wait_for_selector('.tconv-size:text("16 × 16")')
    page.get_by_label('Speed').fill('0')
    page.get_by_label('Play', exact=True).click()
    page.get_by_label('Pause').click()
    held = progress.inner_text()
    page.wait_for_timeout(1200)
    assert progress.inner_text() == held != 'all done'


# ----------------------------------------------------------------- looks


@pytest.mark.parametrize('theme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1400, 768, 400, 360])
def test_looks(open_page, width, theme):
    page = open_page(state='#h=5&w=7&k=4&s=2&p=1&a=1', width=width)
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.get_by_label('Output cells').focus()
    press(page, 'Home', *['ArrowDown'] * 3, *['ArrowRight'] * 4)
    keep(page, f'tconv-{width}-{theme}')
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    ground = page.evaluate(
        "getComputedStyle(document.querySelector('.tconv')).backgroundColor"
    )
    assert (
        ground
        == {
            'light': 'rgb(255, 255, 255)',
            'dark': 'rgb(21, 26, 33)',
        }[theme]
    )
    # The canvases follow: the border of the spread input.
    red = page.evaluate(
        """() => {
            const e = document.querySelector('[data-widget=tconv]').explorer;
            const c = e.wide.base.getContext('2d');
            return c.getImageData(3, 3, 1, 1).data[0];
        }"""
    )
    assert red < 60 if theme == 'dark' else red > 200


def test_largest_fits_a_phone(open_page):
    page = open_page(state='#h=8&w=8&k=7&s=6&p=0&a=5', width=360)
    assert size(page) == '54 × 54'
    assert page.evaluate('document.documentElement.scrollWidth') <= 360
    keep(page, 'tconv-largest-360')


def test_touch(open_page):
    """On a phone a tap chooses and a second tap edits."""
    page = open_page(width=360, has_touch=True, is_mobile=True)
    cell(page, 'x', 6).tap()
    readout = page.locator('.tconv-readout')
    assert readout.inner_text().startswith('X[1, 2]')
    cell(page, 'x', 6).tap()
    page.get_by_label('New value').fill('9')
    press(page, 'Enter')
    assert values(page, 'x')[6] == 9


def test_follows_jupyterlab(open_page):
    page = open_page()
    page.evaluate("""() => {
        delete document.documentElement.dataset.theme;
        document.body.dataset.jpThemeLight = 'false';
    }""")
    page.wait_for_selector('.tconv.is-dark')
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_selector('.tconv:not(.is-dark)')
    # Its shortcuts leave the keys alone where this mark is: on the focus.
    cell(page, 'x', 0).focus()
    assert page.evaluate(
        "document.activeElement.hasAttribute('data-lm-suppress-shortcuts')"
    )


def test_reduced_motion_jumps(open_page):
    page = open_page(reduced_motion='reduce')
    page.get_by_label('Output cells').focus()
    press(page, 'Home', 'ArrowDown', 'ArrowDown')
    at, to = page.evaluate("""() => {
        const { cell } =
            document.querySelector('[data-widget=tconv]').explorer.glides;
        return [cell.at, cell.to];
    }""")
    assert at == to


def test_it_may_begin_with_the_stamps_alone(open_page):
    """What is not explained yet waits for a button, or for a link."""
    names = ['Scatter', 'Gather', 'Matrix', 'Overlap']

    def shown(page):
        headings = page.locator('.tconv h3')
        return [
            name
            for name in names
            if headings.filter(has_text=name).first.is_visible()
        ]

    page = open_page('first')
    assert shown(page) == ['Scatter']
    page.get_by_role('button', name='Show gather').click()
    assert shown(page) == names
    page.get_by_role('button', name='Show the stamps alone').click()
    assert shown(page) == ['Scatter']
    page.evaluate("location.hash = '#h=2&w=2'")
    page.get_by_role('button', name='Show the stamps alone').wait_for()
    assert shown(page) == names
    assert shown(open_page('first', state='#k=2')) == names
    assert shown(open_page('tconv')) == names


def test_several_on_one_page(open_page):
    page = open_page('both')
    page.wait_for_selector('.bilinear')
    assert page.locator('.tconv').count() == 2
    assert page.locator('.bilinear').count() == 1
    assert page.locator('#tconv-output-size').count() == 1
    keep(page, 'several')


@pytest.mark.parametrize('theme', ['light', 'dark'])
@pytest.mark.parametrize(
    'name', ['tconv', 'atrous', 'bilinear', 'compare', 'answer']
)
def test_accessible(open_page, name, theme):
    """axe-core finds nothing serious, whatever is lit."""
    folders = [Path(folder) for folder in sys.path]
    axe = next(
        path
        for folder in folders
        for path in folder.glob('axe_playwright_python/axe.min.js')
    )
    page = open_page(name, width=768)
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.add_script_tag(path=axe)

    def check():
        found = page.evaluate('axe.run()')['violations']
        return [
            (each['id'], [node['html'] for node in each['nodes']][:3])
            for each in found
            if each['impact'] in ('serious', 'critical')
        ]

    assert check() == []
    if name == 'tconv':
        page.get_by_label('Output padding', exact=True).fill('9')
        page.get_by_label('Output cells').focus()
        press(page, 'Home', 'ArrowDown', 'ArrowDown')
        page.get_by_label('Kernel K, preset').select_option('edge')
        assert check() == []


# ------------------------------------------------------ the smaller ones


def test_bilinear_arithmetic_is_mxnets(open_page):
    """A row upsampled by MXNet with the kernel's side, and the border."""
    page = open_page('bilinear')
    random = onp.random.RandomState(1)
    for k, s, p in [(4, 2, 1), (5, 3, 1), (8, 4, 2), (3, 2, 0), (16, 8, 4)]:
        row = random.uniform(0, 1, 6).astype('float32')
        taps, values = page.evaluate(
            """([k, s, p, row]) => {
                const { taps } = bilinearMath.triangle(k);
                const { values } = bilinearMath.upsample(row, taps, s, p);
                return [taps, values];
            }""",
            [k, s, p, row.tolist()],
        )
        factor = (k + 1) // 2
        centre = factor - 1 if k % 2 else factor - 0.5
        side = 1 - onp.abs(onp.arange(k) - centre) / factor
        onp.testing.assert_allclose(taps, side)
        theirs = up(row[None], side[None], s)[0]
        theirs = theirs[p : len(theirs) - p]
        onp.testing.assert_allclose(values, theirs, atol=1e-5)
    border = page.evaluate("""() => {
        const { taps } = bilinearMath.triangle(4);
        return bilinearMath.upsample([1, 1, 1, 1], taps, 2, 1).values;
    }""")
    assert border == [0.75, 1, 1, 1, 1, 1, 1, 0.75]


def test_bilinear_is_used(open_page):
    page = open_page('bilinear')
    root = page.locator('.bilinear')
    assert 'y[0] = 0.75·0.6 = 0.45' in root.inner_text()
    assert 'as little as 0.75' in root.inner_text()
    page.get_by_label('Stride', exact=True).fill('3')
    assert 'is not linear interpolation' in root.inner_text()
    page.get_by_text('fit kernel and padding').click()
    assert page.get_by_label('Kernel', exact=True).input_value() == '5'
    assert 'the result is linear interpolation' in root.inner_text()
    page.get_by_label('Padding', exact=True).fill('5')
    assert 'Padding 5 is refused' in root.inner_text()
    page.get_by_label('Kernel', exact=True).fill('17')
    assert 'from 1 to 16' in root.inner_text()
    page.get_by_label('Input sample 0').focus()
    press(page, 'End')
    assert (
        page.evaluate(
            "document.querySelector('[data-widget=bilinear]').bilinear.signal[0]"
        )
        == 1
    )
    box = page.get_by_label('Input sample 2').locator('rect').bounding_box()
    page.mouse.move(box['x'] + 6, box['y'] + 6)
    page.mouse.down()
    page.mouse.move(box['x'] + 6, box['y'] - 40, steps=4)
    page.mouse.up()
    assert page.get_by_label('Signal').input_value() == 'edited'
    keep(page, 'bilinear')


@pytest.mark.parametrize('theme', ['light', 'dark'])
@pytest.mark.parametrize('name', ['atrous', 'bilinear', 'compare'])
def test_smaller_ones_look(open_page, name, theme):
    for width in (1400, 360):
        page = open_page(name, width=width)
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        keep(page, f'{name}-{width}-{theme}')
        assert page.evaluate('document.documentElement.scrollWidth') <= width


def test_compare_reads_pixels(open_page):
    page = open_page('compare')
    readout = page.locator('.compare-readout')
    page.wait_for_selector('.compare-legend li')
    box = page.locator('.compare-stage canvas').bounding_box()
    scale = box['width'] / 120

    def at(x, y):
        page.mouse.move(box['x'] + x * scale, box['y'] + y * scale)
        return readout.inner_text()

    assert at(30, 40) == 'Prediction cat, confidence 0.52. Truth cat: right.'
    assert at(50, 40) == 'Prediction dog, confidence 0.52. Truth cat: wrong.'
    assert at(70, 19) == (
        'Prediction background, confidence 1.00. Truth background: right.'
    )
    assert at(50, 18.5).endswith('Truth void: not counted.')
    assert at(70, 40) == (
        'Prediction dog, confidence 1.00. Truth background: wrong.'
    )
    # Keys: the pixel that is read, and the borders.
    page.get_by_label('Picture').focus()
    press(page, 'ArrowLeft')
    assert 'Prediction' in readout.inner_text()
    border = page.get_by_label('Border between photo and prediction')
    border.focus()
    press(page, 'End')
    for each in page.locator('.compare-handle').all():
        assert each.get_attribute('aria-valuenow') == '100'
    press(page, 'Home')
    assert border.get_attribute('aria-valuenow') == '0'
    # Drag it back to the middle.
    grip = border.bounding_box()
    page.mouse.move(grip['x'] + 16, grip['y'] + 20)
    page.mouse.down()
    page.mouse.move(box['x'] + box['width'] / 2, grip['y'] + 20, steps=5)
    page.mouse.up()
    assert border.get_attribute('aria-valuenow') == '50'
    for mode in ('confidence', 'mistakes', 'classes'):
        page.get_by_role('button', name=mode).click()
    page.get_by_role('button', name='Photo 2 of 2').click()
    page.wait_for_function(
        "document.querySelector('.compare-stage canvas').width < 500"
    )


def test_compare_says_what_the_colours_of_each_mode_mean(open_page):
    """The legend follows the mode; only classes light up under the pointer."""
    page = open_page('compare')
    page.wait_for_selector('.compare-legend li')
    legend = page.locator('.compare-legend li')
    classes = ['background', 'cat', 'dog', 'void']
    assert legend.all_inner_texts() == classes
    box = page.locator('.compare-stage canvas').bounding_box()
    scale = box['width'] / 120
    page.mouse.move(box['x'] + 50 * scale, box['y'] + 40 * scale)

    def press_mode(name):
        page.get_by_role('button', name=name).focus()
        press(page, 'Enter')
        return legend.all_inner_texts()

    def lit():
        return page.locator('.compare-legend .is-lit').all_inner_texts()

    assert lit() == ['cat', 'dog']
    assert press_mode('confidence') == ['confidence: 01', *classes]
    assert page.locator('.compare-scale').bounding_box()['width'] > 40
    assert lit() == ['cat', 'dog']  # the pixel that is read stays
    *rest, void = classes
    mistakes = ['right', 'wrong', *rest, f'{void}: not counted']
    assert press_mode('mistakes') == mistakes
    page.mouse.move(box['x'] + 50 * scale, box['y'] + 18.5 * scale)
    assert lit()[-1] == 'void: not counted'
    right, wrong = (
        page.locator('.compare-legend .compare-swatch')
        .nth(n)
        .evaluate('swatch => getComputedStyle(swatch).backgroundColor')
        for n in (0, 1)
    )
    assert (right, wrong) == ('rgb(255, 255, 255)', 'rgb(190, 20, 80)')
    keep(page, 'compare-mistakes')
    assert press_mode('classes') == classes


def test_compare_draws_a_white_line_between_classes(open_page):
    """And none beside void, which has stripes of its own."""
    page = open_page('compare')
    page.wait_for_selector('.compare-legend li')
    label = SCENES['truths'][0].astype(int)
    height, width = label.shape
    drawn = page.evaluate(
        """([width, height]) => {
            const place = document.querySelector('[data-widget=compare]');
            const context = place.compare.layers[2].getContext('2d');
            return [...context.getImageData(0, 0, width, height).data];
        }""",
        [width, height],
    )
    drawn = onp.array(drawn).reshape(height, width, 4)[..., :3]
    ends = onp.zeros(label.shape, bool)
    for axis in (0, 1):
        other = onp.roll(label, -1, axis)
        differs = (other != label) & (other != 255) & (label != 255)
        differs[(-1, slice(None)) if axis == 0 else (slice(None), -1)] = False
        ends |= differs
    assert ends.any() and (drawn[ends] >= 0.9 * 255 - 1).all()
    inside = ~ends & (label != 255)
    assert not (drawn[inside] >= 0.9 * 255 - 1).all(axis=-1).any()


def test_compare_stays_small():
    """Many large photos of noise are shrunk; too many are refused."""
    random = onp.random.RandomState(0)
    photo = random.randint(0, 255, (240, 320, 3)).astype('uint8')
    label = onp.zeros((240, 320), 'uint8')

    def show(count):
        return widget(
            'compare',
            photos=[photo] * count,
            predictions=[label] * count,
            truths=[label] * count,
            confidences=[label / 1.0] * count,
            class_names=['background'],
            colors=[(0, 0, 0)],
        )

    assert len(show(6)) < 400_000
    with pytest.raises(ValueError, match='give fewer'):
        show(20)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'photos': []}, 'as many photos'),
        ({'colors': [(0, 0, 0)]}, 'its color'),
        ({'photos': [onp.zeros((4, 4, 3))] * 2}, 'uint8'),
        ({'truths': [onp.zeros((4, 4), 'uint8')] * 2}, 'with a map of'),
        ({'confidences': [onp.full((90, 120), 2.0)] * 2}, 'from 0 to 1'),
    ],
)
def test_compare_refuses_what_does_not_fit(change, words):
    with pytest.raises(ValueError, match=words):
        widget('compare', **{**SCENES, **change})


def test_unknown_widget():
    with pytest.raises(FileNotFoundError, match='no-such'):
        utils.show_widget('no-such')


def test_widgets_make_no_request(site):
    """Nothing in the outputs points outside the page."""
    folder = Path(site.removeprefix('file://'))
    for page in folder.glob('*.html'):
        text = page.read_text(encoding='utf-8')
        for word in ('https://', 'http://', 'url(', 'import(', 'fetch('):
            rest = text.replace('http://www.w3.org/2000/svg', '')
            assert word not in rest, (page.name, word)


def test_frame_time_is_reported(open_page, record_property):
    """Measured on the largest state and printed; never asserted."""
    page = open_page(state='#h=8&w=8&k=7&s=2&p=2&a=1')
    page.get_by_role('button', name='cell by cell').click()
    page.get_by_label('Speed').fill('4')
    page.evaluate(
        "document.querySelector('[data-widget=tconv]').explorer.frames = []"
    )
    page.get_by_label('Play', exact=True).click()
    times = page.evaluate("""async () => {
        const gaps = [];
        let last = await new Promise(requestAnimationFrame);
        const end = last + 2000;
        while (last < end) {
            const now = await new Promise(requestAnimationFrame);
            gaps.push(now - last);
            last = now;
        }
        const e = document.querySelector('[data-widget=tconv]').explorer;
        return { gaps, work: e.frames };
    }""")
    report = {
        f'{name} {quantile} % (ms)': round(
            float(onp.percentile(times[name], quantile)), 2
        )
        for name in ('gaps', 'work')
        for quantile in (50, 95)
    }
    record_property('frames', report)
    SHOTS.mkdir(parents=True, exist_ok=True)
    (SHOTS / 'frames.json').write_text(
        json.dumps(report, indent=1) + '\n', encoding='utf-8'
    )
    print(report)
