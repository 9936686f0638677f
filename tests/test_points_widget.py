"""The nine points of a kernel over a photo, in a real browser.

What it reads and adds up is compared with the chapter's own functions; then
it is used as a reader would, with mouse, finger and keys.
"""

import segbook
from browser import open_browser
from test_explorer import PAGE, keep, widget

import numpy as onp
import pytest
from axe_playwright_python.sync_playwright import Axe
from mxnet import np

HEIGHT, WIDTH = 12, 16
PHOTO = onp.random.default_rng(2).integers(256, size=(HEIGHT, WIDTH))
PHOTO = PHOTO.astype('uint8')
POINTS = "const points = document.querySelector('[data-widget]').points;"


@pytest.fixture(scope='module')
def browser():
    with open_browser() as found:
        yield found


@pytest.fixture
def open_page(browser, tmp_path):
    """A function that opens the widget; a script error fails the test."""
    errors = []

    def open_it(width=1000, **options):
        body = widget('deformable', photo=PHOTO, centre=(5, 7))
        path = tmp_path / 'page.html'
        path.write_text(PAGE.replace('WIDGETS', body), encoding='utf-8')
        size = {'width': width, 'height': 900}
        page = browser.new_page(viewport=size, **options)
        page.on('pageerror', lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector('.deformable circle')
        return page

    yield open_it
    assert errors == []


def by_the_book(places):
    """What the chapter's function reads at places (K, 2) of the photo."""
    rows, columns = np.array(places, dtype='float32').reshape(1, -1, 2).T
    image = np.array(PHOTO / 255, dtype='float32').reshape(1, 1, HEIGHT, WIDTH)
    read = segbook.sample(image, rows.T[None], columns.T[None])
    return read.asnumpy().ravel()


def test_it_reads_what_the_chapter_reads(open_page):
    """At random places, at the border and off the photo."""
    rng = onp.random.default_rng(0)
    places = rng.uniform(-2, (HEIGHT + 1, WIDTH + 1), size=(300, 2))
    places = places.round(2).tolist()
    ends = [-0.5, 0, 11, 11.5, 12, 15, 15.5, 16]
    places += [[row, column] for row in ends for column in ends]
    page = open_page()
    found = page.evaluate(
        f"""places => {{ {POINTS}
            return places.map(p => deformableMath.sampleAt(points.map, ...p));
        }}""",
        places,
    )
    read = [one['value'] for one in found]
    onp.testing.assert_allclose(read, by_the_book(places), atol=1e-4)
    for one in found:
        weights = [pixel['weight'] for pixel in one['pixels']]
        assert weights == [] or sum(weights) == pytest.approx(1)
        for pixel in one['pixels']:
            value = PHOTO[pixel['row'], pixel['column']] / 255
            assert pixel['value'] == pytest.approx(value)


def test_its_sum_is_the_deformable_convolution(open_page):
    rng = onp.random.default_rng(1)
    moves = rng.uniform(-4, 4, size=(9, 2)).round(2)
    page = open_page()
    names = page.evaluate('Object.keys(deformableMath.KERNELS)')
    image = np.array(PHOTO / 255, dtype='float32').reshape(1, 1, HEIGHT, WIDTH)
    offsets = np.zeros((1, 18, HEIGHT, WIDTH))
    offsets = offsets + np.array(moves, dtype='float32').reshape(1, 18, 1, 1)
    assert len(names) == 3
    for name in names:
        weights, total = page.evaluate(
            f"""([moves, name]) => {{ {POINTS}
                points.change({{ offsets: moves,
                    weights: deformableMath.KERNELS[name] }});
                const places = deformableMath.placesOf([5, 7], moves);
                return [points.weights, deformableMath.respond(points.map,
                    places, points.weights).sum];
            }}""",
            [moves.tolist(), name],
        )
        kernel = np.array(weights, dtype='float32').reshape(1, 1, 3, 3)
        wanted = segbook.deform(image, offsets, kernel)[0, 0, 5, 7].item()
        assert total == pytest.approx(wanted, abs=1e-4)
        said = page.locator('.point-sum').inner_text().replace('−', '-')
        shown = float(said.rstrip(':').split()[-1])
        assert shown == pytest.approx(wanted, abs=6e-4)


def offsets(page):
    return onp.array(
        page.evaluate(f'() => {{ {POINTS} return points.offsets; }}')
    )


def test_keys_move_a_point_and_only_that(open_page):
    page = open_page()
    point = page.get_by_role('slider', name='Point 6')
    point.focus()
    for key in ('ArrowRight', 'ArrowRight', 'ArrowUp', 'Shift+ArrowDown'):
        page.keyboard.press(key)
    wanted = onp.zeros((9, 2))
    wanted[5] = 0.9, 0.2
    onp.testing.assert_allclose(offsets(page), wanted)
    said = point.get_attribute('aria-valuetext')
    assert 'row 5.9, column 8.2' in said
    (read,) = by_the_book([[5.9, 8.2]])
    assert f'value {round(float(read), 3):g}' in said
    assert 'Point 6 is at row 5.9, column 8.2' in page.inner_text('.point-say')
    page.keyboard.press('Home')
    assert (offsets(page) == 0).all()
    for _ in range(30):
        page.keyboard.press('Shift+ArrowLeft')
    assert 'outside' in page.inner_text('.point-say')  # at most a little off


def place_of(page, row, column):
    box = page.locator('.point-stage canvas').bounding_box()
    cell = box['width'] / WIDTH
    return box['x'] + (column + 0.5) * cell, box['y'] + (row + 0.5) * cell


@pytest.mark.parametrize('width', [1000, 360])
def test_a_mouse_drags_the_nearest_point(open_page, width):
    page = open_page(width=width)
    page.mouse.move(*place_of(page, 4, 8))  # the third point
    page.mouse.down()
    page.mouse.move(*place_of(page, 2.5, 11.25), steps=4)
    page.mouse.up()
    page.mouse.move(*place_of(page, 9, 9))
    found = offsets(page)
    onp.testing.assert_allclose(found[2], [-1.5, 3.25], atol=0.08)
    assert (onp.delete(found, 2, axis=0) == 0).all()


def test_a_click_far_off_moves_the_kernel_there(open_page):
    page = open_page()
    page.mouse.click(*place_of(page, 9, 13))
    assert page.evaluate(f'() => {{ {POINTS} return points.centre; }}') == [
        9,
        13,
    ]


def test_a_finger_chooses_and_buttons_shape(open_page):
    page = open_page(width=360, has_touch=True, is_mobile=True)
    page.touchscreen.tap(*place_of(page, 4, 6))
    assert 'Point 1 is at row 4, column 6' in page.inner_text('.point-say')
    page.get_by_role('button', name='rate 3').tap()
    assert 'row 2, column 4' in page.inner_text('.point-say')
    page.get_by_role('button', name='turned').tap()
    spots = offsets(page) + [[r, c] for r in (-1, 0, 1) for c in (-1, 0, 1)]
    lengths = onp.hypot(*spots.T)
    onp.testing.assert_allclose(lengths[[1, 3, 5, 7]], 8**0.5)
    assert lengths[4] == 0
    page.get_by_role('button', name='regular').tap()
    assert (offsets(page) == 0).all()


def test_it_fits_a_phone_in_light_and_dark(open_page):
    for width in (1000, 360):
        page = open_page(width=width)
        for theme in ('light', 'dark'):
            page.evaluate(
                f"document.documentElement.dataset.theme = '{theme}'"
            )
            keep(page, f'points-{width}-{theme}')
            dark = page.locator('.deformable.is-dark').count()
            assert dark == (theme == 'dark')
        assert page.evaluate('document.documentElement.scrollWidth') <= width


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_axe_finds_nothing(open_page, theme):
    page = open_page()
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    page.get_by_role('button', name='turned').click()
    report = Axe().run(page, options={'preload': False}).response
    assert [one['id'] for one in report['violations']] == []


def test_on_paper_it_is_light(open_page):
    page = open_page()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_selector('.deformable.is-dark')
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator('.deformable.is-dark').count() == 0


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'photo': PHOTO / 255}, 'a grey photo is uint8.*float64'),
        ({'photo': PHOTO[..., None]}, r'not uint8 of shape \(12, 16, 1\)'),
        ({'photo': PHOTO[:1]}, 'at least 2 x 2'),
        ({'centre': (5, 16)}, r'\(5, 16\) is no place in a photo of \(12, 16'),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        widget('deformable', **{'photo': PHOTO, 'centre': (5, 7)} | changes)
