"""The page «Try it», in a real browser, opened as a file."""

import base64
import io
import json
import re
from pathlib import Path

import segbook
import try_page
import utils
from browser import open_browser
from tools import predict

import numpy as onp
import pytest
from axe_playwright_python.sync_playwright import Axe
from mxnet import gluon, init, np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120_000  # milliseconds: other work may share the machine
SHIPPED = ROOT / try_page.NET
NETS = ['random', *(['shipped'] if SHIPPED.is_file() else [])]
ABOUT = {
    'photos': {'person': 900, 'train': 3},
    'licence': 'as the book <b>itself</b>',
}
SHELL = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<title>Try it</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="try.css"></head><body><main><h1>Try it</h1>
<div data-widget="try"></div></main><script src="net.js"></script>
<script src="photos.js"></script><script src="try.js"></script>
</body></html>"""
RESULT = "document.querySelector('[data-widget=try]').tryPage.result"


def random_net():
    """An untrained net that sees several classes, in half precision."""
    utils.set_seed(4)
    backbone = segbook.LiteBackbone(segbook.lite0_stages())
    backbone.initialize(init.Xavier(magnitude=6))
    net = segbook.make_skip_fcn(backbone, 21, 8)
    net.taps.initialize(init.Xavier(), force_reinit=True)
    rng = onp.random.default_rng(0)
    for name, parameter in net.collect_params().items():
        values = parameter.data().asnumpy()
        if name.endswith(('running_mean', 'beta', 'bias')):
            values = rng.normal(0, 0.1, values.shape)
        elif name.endswith(('running_var', 'gamma')):
            values = rng.uniform(0.5, 1.5, values.shape)
        elif not values.any():  # the taps' scores begin at 0
            values = rng.normal(0, 0.5, values.shape)
        values = values.astype('float16').astype('float32')
        parameter.set_data(np.array(values))
    scores = scores_of(net, utils.read_image(scenes()[0])[None, :256, :256])
    shift = np.array(scores[-1].mean((0, 2, 3)).astype('float16'))
    net.score.bias.set_data(net.score.bias.data() - shift)
    return net


def scenes():
    root = utils.voc_root()
    names = utils.read_split(root, 'val')[:10]
    return [utils.photo_path(root, name) for name in names]


def scores_of(net, photos):
    """The book's scores without skips, with one, with two."""
    x = utils.normalize(np.array(photos, dtype='uint8'))
    finest, finer, coarse = net.backbone(x)
    scores = [net.enlarge32(net.score(coarse))]
    scores.append(scores[0] + net.enlarge16(net.taps[0](finer)))
    scores.append(scores[1] + net.enlarge8(net.taps[1](finest)))
    return [score.asnumpy() for score in scores]


@pytest.fixture(scope='module', params=NETS)
def case(request):
    """A net, and ten photos for it."""
    if request.param == 'random':
        return random_net(), scenes()
    photos = sorted((ROOT / try_page.PHOTOS).glob('*.jpg'))
    return predict.load_net(SHIPPED)[0], (photos or scenes())[:10]


@pytest.fixture(scope='module')
def some_net():
    return random_net()


@pytest.fixture(scope='module')
def chromium():
    with open_browser() as browser:
        yield browser


def write_page(folder, net, photos=(), about=ABOUT):
    script, style = try_page.code()
    if net is None:
        first = try_page._begin(None)
    else:
        first = try_page.net_script(net, segbook.VOC, about)
    (folder / 'photos').mkdir(parents=True)
    for path in photos:
        picture = Image.open(path).convert('RGB')
        picture.save(folder / 'photos' / f'{path.stem}.jpg', quality=95)
    for name, text in (
        ('index.html', SHELL),
        ('net.js', first),
        ('photos.js', try_page.photos_script(folder / 'photos')),
        ('try.js', script),
        ('try.css', style),
    ):
        (folder / name).write_text(text, encoding='utf-8')
    return folder / 'index.html'


class Try:
    """The page in a browser, and what a reader does there."""

    def __init__(self, browser, path, before='', **options):
        self.errors, self.asked = [], []
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.add_init_script(before)
        self.page.on('pageerror', lambda e: self.errors.append(str(e)))
        self.page.on('request', lambda r: self.asked.append(r.url))
        self.page.goto(path.as_uri())

    def close(self):
        self.context.close()
        assert self.errors == []

    def give(self, path):
        """Choose a file; return what is said when it is done with."""
        chooser = self.page.locator('input[type=file]').first
        chooser.set_input_files(str(path))
        return self.wait()

    def wait(self):
        self.page.wait_for_function(
            '!/^$|^Looking|^The photo stays/.test('
            "document.querySelector('.try-status').textContent)"
        )
        return self.said()

    def said(self):
        return self.page.locator('.try-status').inner_text()

    def labels(self, n=2):
        """The labels by FCN-32s, FCN-16s or FCN-8s: uint8 (H, W)."""
        self.page.wait_for_function(f'{RESULT}.image.results[{n}]')
        width, height = self.page.evaluate(f'{RESULT}.image.size')
        flat = self.page.evaluate(
            f'Array.from({RESULT}.image.results[{n}].labels)'
        )
        return onp.array(flat, 'uint8').reshape(height, width)


@pytest.fixture(scope='module')
def path(some_net, tmp_path_factory):
    folder = tmp_path_factory.mktemp('a page')
    return write_page(folder / 'try', some_net, scenes()[:2])


@pytest.fixture
def page(chromium, path):
    opened = Try(chromium, path, viewport={'width': 400, 'height': 800})
    yield opened
    opened.close()


# ------------------------------------------------------------- the arithmetic
def test_the_page_finds_the_classes_of_the_book(chromium, case, tmp_path):
    """On ten photos, in 99.5 % of the pixels of each; without skips, too."""
    net, photos = case
    opened = Try(chromium, write_page(tmp_path / 'try', net))
    seen = set()
    for i, path in enumerate(photos):
        photo = utils.read_image(path)
        Image.fromarray(photo).save(tmp_path / f'{i}.png')
        assert opened.give(tmp_path / f'{i}.png').startswith(f'{i}.png, seen')
        expected = utils.predict(net, photo)
        assert (opened.labels() == expected).mean() >= 0.995
        seen.update(onp.unique(expected).tolist())
        if i < 2:
            height, width = photo.shape[:2]
            padded = utils.pad_to(
                photo,
                -(-height // 32) * 32,
                -(-width // 32) * 32,
                utils.MEAN_COLOR,
            )
            for n, scores in enumerate(scores_of(net, padded[None])):
                fewer = scores[0].argmax(0)[:height, :width]
                assert (opened.labels(n) == fewer).mean() >= 0.995
    opened.close()
    assert len(seen) >= 3


@pytest.mark.parametrize('size', [(1, 1), (70, 33), (31, 512)])
def test_photos_of_any_size(page, some_net, tmp_path, size):
    rng = onp.random.default_rng(1)
    coarse = rng.integers(0, 256, (3, 5, 3), dtype='uint8')
    photo = Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR)
    photo.save(tmp_path / 'x.png')
    assert f'{size[0]} × {size[1]} pixels' in page.give(tmp_path / 'x.png')
    expected = utils.predict(some_net, tmp_path / 'x.png')
    same = (page.labels() == expected).sum()
    assert same >= 0.995 * expected.size


def test_confidence_is_the_probability_of_the_class(page, some_net, tmp_path):
    photo = utils.read_image(scenes()[0])[:64, :96]
    Image.fromarray(photo).save(tmp_path / 'x.png')
    page.give(tmp_path / 'x.png')
    scores = scores_of(some_net, photo[None])[2][0].astype('float64')
    odds = onp.exp(scores - scores.max(0))
    expected = (odds / odds.sum(0)).max(0)
    flat = page.page.evaluate(f'Array.from({RESULT}.image.results[2].sure)')
    found = onp.reshape(flat, expected.shape) / 255
    assert onp.abs(found - expected).max() < 0.02


def test_another_net_is_refused():
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize()
    backbone = segbook.resnet_backbone(features)
    net = segbook.make_skip_fcn(backbone, 21, 8)
    net(np.zeros((1, 3, 32, 32)))
    with pytest.raises(ValueError, match='«Try it» knows no '):
        try_page.net_script(net, segbook.VOC, {})


SCALED = """async ([data, scale]) => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + data;
    await image.decode();
    const draw = (picture, width, height) => {
        const canvas = Object.assign(document.createElement('canvas'),
            { width, height });
        const context = canvas.getContext('2d', { willReadFrequently: true });
        context.imageSmoothingQuality = 'high';
        context.drawImage(picture, 0, 0, width, height);
        return context.getImageData(0, 0, width, height);
    };
    const whole = draw(image, image.width, image.height);
    const small = draw(await createImageBitmap(whole),
        ...[image.width, image.height].map((x) => Math.round(x * scale)));
    return [small.height, small.width, Array.from(small.data)];
}"""


def hats(size, cells, stride):
    """How much each cell's score counts at each pixel: (size, cells)."""
    places = (onp.arange(size) + 0.5) / stride - 0.5
    return (1 - abs(places[:, None] - onp.arange(cells))).clip(0)


def test_a_net_sees_photos_in_the_size_that_it_names(chromium, case, tmp_path):
    """Its maps of scores are then enlarged to the photo's own size."""
    net, photos = case
    about = {'scale': 0.75}
    opened = Try(chromium, write_page(tmp_path / 'try', net, about=about))
    for i, path in enumerate(photos[:3]):
        file = tmp_path / f'{i}.png'
        Image.fromarray(utils.read_image(path)).save(file)
        data = base64.b64encode(file.read_bytes()).decode()
        height, width, flat = opened.page.evaluate(SCALED, [data, 0.75])
        assert f'{width} × {height} pixels' in opened.give(file)
        labels = opened.labels()
        small = onp.array(flat, 'uint8').reshape(height, width, 4)[..., :3]
        sides = (-(-side // 32) * 32 for side in (height, width))
        padded = utils.pad_to(small, *sides, utils.MEAN_COLOR)
        x = utils.normalize(np.array(padded[None]))
        finest, finer, coarse = net.backbone(x)
        scores = 0
        for cells, stride in (
            (net.score(coarse), 32),
            (net.taps[0](finer), 16),
            (net.taps[1](finest), 8),
        ):
            down, across = (
                hats(size, number, stride * size / seen)
                for size, number, seen in zip(
                    labels.shape, cells.shape[2:], (height, width), strict=True
                )
            )
            scores = scores + down @ cells[0].asnumpy() @ across.T
        assert (labels == scores.argmax(0)).mean() >= 0.995, path.name
    opened.close()


# --------------------------------------------------------- photos as they come
def test_a_photo_that_was_taken_sideways_is_set_upright(page, tmp_path):
    photo = Image.fromarray(utils.read_image(scenes()[0])[:60, :100])
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / 'x.jpg', exif=exif)
    assert '60 × 100 pixels' in page.give(tmp_path / 'x.jpg')


def test_a_large_photo_is_made_smaller(page, tmp_path):
    Image.new('RGB', (3000, 1500), 'teal').save(tmp_path / 'large.jpg')
    assert '512 × 256 pixels' in page.give(tmp_path / 'large.jpg')


def test_too_many_pixels_are_refused(page, tmp_path):
    Image.new('L', (12_000, 11_000)).save(tmp_path / 'vast.png')
    said = page.give(tmp_path / 'vast.png')
    assert said == 'vast.png has 132 megapixels; at most 120 fit in here.'


@pytest.mark.parametrize('content', [b'', b'no photo', b'\x89PNG\r\n\x1a\n'])
def test_what_is_no_photo_is_named(page, tmp_path, content):
    (tmp_path / '<b>x.jpg').write_bytes(content)
    said = page.give(tmp_path / '<b>x.jpg')
    assert said == '<b>x.jpg cannot be read as a photo.'


WAYS = {
    'JPEG': {},
    'JPEG, progressive': {'progressive': True},
    'PNG': {},
    'WEBP': {'lossless': True},
}


@pytest.mark.parametrize('way', WAYS)
def test_half_a_photo_is_not_taken_for_a_whole_one(page, tmp_path, way):
    """A browser shows its upper part. A thumbnail in it has an end, too."""
    photo = Image.fromarray(utils.read_image(scenes()[0])[:64, :96])
    thumbnail = io.BytesIO()
    photo.resize((12, 8)).save(thumbnail, 'JPEG')
    path, kind = tmp_path / 'x.jpg', way.partition(',')[0]
    photo.save(path, kind, comment=thumbnail.getvalue(), **WAYS[way])
    whole = path.read_bytes()
    for content, words in (
        (whole, '96 × 64 pixels'),
        (whole + b'more behind it', '96 × 64 pixels'),
        (whole[: -len(whole) // 4], 'x.jpg '),
    ):
        path.write_bytes(content)
        said = page.give(path)
        assert words in said
    assert said in (
        'x.jpg is cut off: a part of the photo is missing.',
        'x.jpg cannot be read as a photo.',
    )


def test_a_photo_is_dropped_or_pasted(page):
    """Both hand over files; without one, the page says so."""
    give = """([kind, where, given]) => {
        const data = new DataTransfer();
        if (given) {
            const bytes = Uint8Array.from(atob(given), c => c.charCodeAt(0));
            data.items.add(new File([bytes], `${kind}.png`));
        }
        const event = kind === 'paste'
            ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true })
            : new DragEvent(kind, { dataTransfer: data, bubbles: true,
                cancelable: true });
        document.body.dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    dot = (
        'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgAB'
        'SK+kcQAAAABJRU5ErkJggg=='
    )
    for kind in ('paste', 'drop'):
        page.page.evaluate(give, [kind, 'body', dot])
        page.page.wait_for_function(
            f'/^{kind}.png, seen at 1/.test('
            "document.querySelector('.try-status').textContent)"
        )
    page.page.evaluate(give, ['paste', 'body', None])
    assert page.said() == 'That is no file of a photo.'


def test_a_photo_that_comes_meanwhile_takes_the_place(page):
    thumbs = page.page.locator('.compare-thumbs button')
    page.page.evaluate(
        """[...document.querySelectorAll('.compare-thumbs button')]
            .forEach(button => button.click())"""
    )
    name = page.page.evaluate('bookTry.photos.at(-1).name')
    assert page.wait().startswith(f'{name}.jpg, seen')
    assert thumbs.last.get_attribute('aria-pressed') == 'true'
    assert thumbs.first.get_attribute('aria-pressed') == 'false'


# ------------------------------------------------------------------ the reader
def test_saved_labels_are_those_that_predict_writes(page, tmp_path):
    page.page.locator('.compare-thumbs button').first.click()
    page.wait()
    with page.page.expect_download() as waiting:
        page.page.get_by_role('button', name='Save').click()
    waiting.value.save_as(tmp_path / 'saved.png')
    assert waiting.value.suggested_filename == f'{scenes()[0].stem}.png'
    utils.save_label(
        tmp_path / 'ours.png', page.labels(), segbook.VOC.colormap
    )
    saved, ours = (
        Image.open(tmp_path / name) for name in ('saved.png', 'ours.png')
    )
    assert saved.mode == ours.mode == 'P'
    assert (onp.asarray(saved) == onp.asarray(ours)).all()
    assert saved.convert('RGB').tobytes() == ours.convert('RGB').tobytes()


def test_all_can_be_done_by_keyboard(page):
    """A photo, a class as a heat map, another net, a border."""
    page.page.locator('.compare-thumbs button').first.focus()
    page.page.keyboard.press('Enter')
    page.wait()
    legend = page.page.locator('.compare-legend button')
    label = int(legend.first.get_attribute('data-label'))
    legend.first.focus()
    page.page.keyboard.press('Enter')
    tags = page.page.locator('.compare-tag')
    assert tags.nth(2).inner_text() == segbook.VOC_CLASSES[label]
    assert legend.first.get_attribute('aria-pressed') == 'true'
    page.page.keyboard.press('Enter')
    assert tags.nth(2).inner_text() == 'overlay'
    nets = page.page.locator('.try-nets button')
    nets.first.focus()
    page.page.keyboard.press('Enter')
    assert page.page.evaluate(f'{RESULT}.chosen') == 0
    handle = page.page.locator('.compare-handle').first
    handle.focus()
    page.page.keyboard.press('End')
    assert handle.get_attribute('aria-valuenow') == '100'
    picture = page.page.locator('.compare-picture')
    picture.focus()
    page.page.keyboard.press('ArrowUp')
    said = page.page.locator('.compare-readout').inner_text()
    assert re.fullmatch(r'\w+, confidence [01]\.\d\d\.', said)


def test_it_says_what_it_knows_and_of_what_it_has_seen_too_little(page):
    facts = page.page.locator('.try-facts').inner_text()
    assert 'person (900)' in facts.split('Hardly known')[0]
    assert 'train (3)' in facts.split('Hardly known')[1]
    assert 'as the book <b>itself</b>' in facts  # as text


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_accessible_on_a_phone(chromium, path, scheme):
    size = {'width': 360, 'height': 700}
    opened = Try(
        chromium, path, viewport=size, color_scheme=scheme, has_touch=True
    )
    opened.page.locator('.compare-thumbs button').first.click()
    opened.wait()
    opened.labels(0)
    wide = opened.page.evaluate('document.documentElement.scrollWidth')
    assert wide <= 360
    report = Axe().run(opened.page, options={'preload': False}).response
    assert [found['help'] for found in report['violations']] == []
    opened.close()


def test_nothing_is_sent_or_fetched(page):
    page.page.locator('.compare-thumbs button').first.click()
    page.wait()
    asked = {url.split(':')[0] for url in page.asked}
    assert asked <= {'file', 'data', 'blob'}
    files = [url for url in page.asked if url.startswith('file')]
    assert len(files) == 5  # the page, its style, its three scripts
    script = try_page.code()[0]
    for word in ('fetch(', 'XMLHttpRequest', 'sendBeacon', 'WebSocket'):
        assert word not in script


# ------------------------------------------------------------- what is missing
NO_SIMD = """{
    const made = WebAssembly.instantiate;
    WebAssembly.instantiate = () => Promise.reject(
        new WebAssembly.CompileError('invalid value type'));
}"""
NO_ROOM = """WebAssembly.Memory.prototype.grow = () => {
    throw new RangeError('cannot grow');
};"""
MISSING = {
    'no WebAssembly': ('delete globalThis.WebAssembly', 'no WebAssembly'),
    'no SIMD': (NO_SIMD, 'four numbers at a time'),
    'no memory': (NO_ROOM, 'too little memory'),
}


@pytest.mark.parametrize('case', MISSING)
def test_what_is_missing_is_said_in_one_sentence(chromium, path, case):
    before, words = MISSING[case]
    opened = Try(chromium, path, before)
    for _ in range(2):  # at once, and again when a photo comes
        said = opened.wait()
        assert words in said
        assert said.count('.') == 1 and said.endswith('.')
        opened.page.locator('.compare-thumbs button').first.click()
    opened.close()


def test_a_book_without_a_network_says_so(chromium, tmp_path):
    opened = Try(chromium, write_page(tmp_path / 'try', None))
    assert 'without a network' in opened.wait()
    opened.close()


def test_texts_cannot_leave_the_script():
    text = try_page._begin({'about': '</script><script>alert(1)'})
    assert '</script>' not in text
    found = text.removeprefix('globalThis.bookTry = { net: ')
    assert json.loads(found.removesuffix(' };\n')) == {
        'about': '</script><script>alert(1)'
    }


def test_files_declare_different_names():
    """Of two functions of one name, JavaScript silently keeps the last."""
    script = try_page.code()[0]
    declared = re.findall(
        r'^(?:async )?(?:function|class|const|let) (\w+)', script, re.M
    )
    assert len(declared) > 40
    assert sorted(declared) == sorted(set(declared))
