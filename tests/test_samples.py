"""Photos and labels of every depth, range and transparency, in each format.

Expected is what the samples of a file mean by definition: of b bits, 0 is
black and 2**b - 1 is white, or the other way round; an index is its sample.
"""

import itertools
import struct
import zlib
from typing import NamedTuple

import segbook
import utils
from parts.samples import notes, opacity
from picture_files import png, tiff
from test_labelme import HEIGHT, SHIP, TABLE, WIDTH, shape, write_json

import numpy as onp
import pytest
from PIL import Image

GREY, COLOR, PALETTE, GREY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6  # PNG's kinds


def ramp(highest, *shape):
    """Whole numbers from 0 to the highest, evenly."""
    numbers = onp.linspace(0, highest, onp.prod(shape)).round()
    return numbers.astype('int64').reshape(shape)


def written(tmp_path, content):
    path = tmp_path / 'picture.png'
    path.write_bytes(content)
    return path


def is_seen(path, expected, within=1.01):
    """As a photo it is, within some levels, what is expected: 0 to 255."""
    photo = utils.read_image(path)
    expected = expected[..., None] if expected.ndim == 2 else expected
    assert photo.dtype == onp.uint8 and photo.shape == (HEIGHT, WIDTH, 3)
    assert abs(photo - expected).max() <= within


def refused(path, *words, read=utils.read_image):
    with pytest.raises(ValueError) as caught:
        read(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


# --------------------------------------------------------------------- grey


class Grey(NamedTuple):
    """A way to write grey."""

    format: str
    bits: int
    order: str = '<'
    dtype: str = 'uint32'
    from_white: bool = False

    def write(self, samples):
        if self.format == 'PNG':
            return png(samples, self.bits, GREY)
        samples, meaning = samples.astype(self.dtype), 1 - self.from_white
        return tiff(samples, self.bits, meaning, self.order)

    @property
    def most(self):
        return 2 ** (self.bits - (self.dtype == 'int32')) - 1

    def __str__(self):
        return '-'.join(map(str, self))


GREYS = [
    *(Grey('PNG', bits) for bits in (1, 2, 4, 8, 16)),
    *(
        Grey('TIFF', bits, order, 'uint32', from_white)
        for bits in (1, 2, 4, 8, 16)
        for order, from_white in itertools.product('<>', (False, True))
        if (bits, order, from_white) != (16, '>', True)  # Pillow knows it not
    ),
    *(Grey('TIFF', bits) for bits in (12, 32)),
    *(
        Grey('TIFF', bits, order, 'int32')
        for bits, order in itertools.product((16, 32), '<>')
    ),
]
each_grey = pytest.mark.parametrize('kind', GREYS, ids=str)


@each_grey
def test_grey_of_every_depth_is_as_bright_as_its_file_says(kind, tmp_path):
    samples = ramp(kind.most, HEIGHT, WIDTH)
    expected = samples / kind.most * 255
    path = written(tmp_path, kind.write(samples))
    is_seen(path, 255 - expected if kind.from_white else expected)


@each_grey
def test_an_index_of_every_depth_is_its_sample(kind, tmp_path):
    """Also where 0 is white: how it is drawn does not matter."""
    samples = ramp(min(kind.most, 255), HEIGHT, WIDTH)
    label = utils.read_label(written(tmp_path, kind.write(samples)))
    assert label.dtype == onp.uint8 and (label == samples).all()
    if kind.most > 255:
        samples[7, 8] = 256
        path = written(tmp_path, kind.write(samples))
        refused(path, 'index 256', read=utils.read_label)


@pytest.mark.parametrize('used', [8, 10, 12, 14])
@pytest.mark.parametrize(
    'kind', [k for k in GREYS if k.bits > 12 and not k.from_white], ids=str
)
def test_bits_that_no_sample_uses_do_not_count(kind, used, tmp_path):
    """As of a camera of 12 bits, whose files have 16."""
    samples = ramp(2**used - 1, HEIGHT, WIDTH)
    path = written(tmp_path, kind.write(samples))
    is_seen(path, samples / (2**used - 1) * 255)


FLOATS = [
    Grey('TIFF', 32, order, 'float32', from_white)
    for order, from_white in itertools.product('<>', (False, True))
]


@pytest.mark.parametrize('kind', FLOATS, ids=str)
@pytest.mark.parametrize('most', [1, 255, 1023, 65535])
def test_floats_end_at_one_or_with_their_bits(kind, most, tmp_path):
    samples = onp.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    expected = samples * 255
    path = written(tmp_path, kind.write(samples * most))
    is_seen(path, 255 - expected if kind.from_white else expected)


@pytest.mark.parametrize('odd', [-1, onp.nan, onp.inf, 1e10, 3])
def test_numbers_of_which_nobody_knows_what_is_white(odd, tmp_path):
    samples = onp.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    samples[3, 4] = odd
    path = written(tmp_path, FLOATS[0].write(samples))
    refused(path, 'holds numbers from', 'scale them')
    with Image.open(path) as image, pytest.raises(ValueError, match='scale'):
        utils.predict(None, image)


def test_integers_below_zero_are_no_photo(tmp_path):
    for kind in (k for k in GREYS if k.dtype == 'int32'):
        path = written(tmp_path, kind.write(ramp(90, HEIGHT, WIDTH) - 5))
        refused(path, 'from -5 to 85', 'scale them')
        refused(path, 'the index -5', read=utils.read_label)


def test_indices_may_be_floats_if_they_are_whole(tmp_path):
    samples = ramp(255, HEIGHT, WIDTH)
    path = written(tmp_path, FLOATS[0].write(samples))
    assert (utils.read_label(path) == samples).all()
    path = written(tmp_path, FLOATS[0].write(samples / 2))
    refused(path, 'index 0.5', read=utils.read_label)


# ------------------------------------------------------------------- colour


COLORS = [('PNG', '>'), ('TIFF', '<'), ('TIFF', '>')]
each_color = pytest.mark.parametrize('format, order', COLORS)


def color_file(format, order, samples, bits, chunks=()):
    """Write RGB, or with a fourth band that is transparency."""
    alpha = samples.shape[2] == 4
    if format == 'PNG':
        kind = COLOR_ALPHA if alpha else COLOR
        return png(samples, bits, kind, chunks)
    extra = [2] if alpha else None
    return tiff(samples.astype('uint16'), bits, 2, order, extra)


def colors(most, bands=3):
    """Each band on its own way from 0 to the highest number."""
    samples = ramp(most, HEIGHT, WIDTH, bands)
    samples[..., 1] = samples[::-1, :, 1]
    return samples


@each_color
@pytest.mark.parametrize('bits', [8, 16])
def test_colours_of_every_depth(format, order, bits, tmp_path):
    samples = colors(2**bits - 1)
    path = written(tmp_path, color_file(format, order, samples, bits))
    is_seen(path, samples / (2**bits - 1) * 255)


@each_color
@pytest.mark.parametrize('used', [8, 10, 12, 14])
def test_colours_of_fewer_bits_than_stored(format, order, used, tmp_path):
    """Not a sixteenth of the levels: what Pillow leaves out is read."""
    samples = colors(2**used - 1)
    path = written(tmp_path, color_file(format, order, samples, 16))
    is_seen(path, samples / (2**used - 1) * 255)
    assert len(onp.unique(utils.read_image(path))) == 256


def on_white(samples, opacity, most):
    """Paint on white, by definition; `opacity`: from 0 to 1."""
    if samples.ndim == 3:
        opacity = opacity[..., None]
    return (samples / most * opacity + 1 - opacity) * 255


@each_color
@pytest.mark.parametrize('bits, used', [(8, 8), (16, 16), (16, 12)])
def test_transparent_colours_are_laid_on_white(
    format, order, bits, used, tmp_path
):
    samples, most = colors(2**used - 1, 4), 2**used - 1
    samples[..., 3] = ramp(most, HEIGHT, WIDTH)[:, ::-1]
    path = written(tmp_path, color_file(format, order, samples, bits))
    expected = on_white(samples[..., :3], samples[..., 3] / most, most)
    is_seen(path, expected, within=2.5)  # both bands are rounded


@pytest.mark.parametrize('bits, used', [(8, 8), (16, 16), (16, 12)])
def test_transparent_grey_is_laid_on_white(bits, used, tmp_path):
    most = 2**used - 1
    samples = onp.dstack([ramp(most, HEIGHT, WIDTH)] * 2)
    samples[..., 1] = samples[::-1, :, 1]
    expected = on_white(samples[..., 0], samples[..., 1] / most, most)
    is_seen(written(tmp_path, png(samples, bits, GREY_ALPHA)), expected, 2.5)
    if bits == 8:
        content = tiff(samples.astype('uint8'), 8, 1, extra=[2])
        is_seen(written(tmp_path, content), expected)


@pytest.mark.parametrize('bits', [1, 2, 4, 8, 16])
def test_one_grey_that_is_transparent(bits, tmp_path):
    """PNG names it in the file's own bits, with 16 of them."""
    most, clear = 2**bits - 1, (2**bits - 1) * 2 // 3
    samples = ramp(most, HEIGHT, WIDTH)
    samples[:9] = clear
    chunk = [(b'tRNS', struct.pack('>H', clear))]
    path = written(tmp_path, png(samples, bits, GREY, chunk))
    is_seen(path, on_white(samples, samples != clear, most))
    indices = samples % 200
    indices[:9] = clear % 200
    chunk = [(b'tRNS', struct.pack('>H', clear % 200))]
    path = written(tmp_path, png(indices, bits, GREY, chunk))
    indices[indices == clear % 200] = 77
    assert (utils.read_label(path, unpainted=77) == indices).all()


@pytest.mark.parametrize('bits, used', [(8, 8), (16, 16), (16, 12)])
def test_one_colour_that_is_transparent(bits, used, tmp_path):
    """Of 16 bits, all count: its neighbour by 1 is as it is."""
    most = 2**used - 1
    samples = colors(most)
    samples[:9] = clear = most // 3, most // 2, most // 5
    samples[4] = most // 3, most // 2, most // 5 + 1
    chunk = [(b'tRNS', struct.pack('>HHH', *clear))]
    path = written(tmp_path, png(samples, bits, COLOR, chunk))
    is_seen(path, on_white(samples, (samples != clear).any(2), most))


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_palettes(bits, tmp_path):
    table = onp.random.default_rng(bits).integers(0, 256, (2**bits, 3))
    opacity = ramp(255, 2**bits)
    samples = ramp(2**bits - 1, HEIGHT, WIDTH)
    palette = (b'PLTE', table.astype('uint8').tobytes())
    path = written(tmp_path, png(samples, bits, PALETTE, [palette]))
    is_seen(path, table[samples])
    assert (utils.read_label(path) == samples).all()
    clear = (b'tRNS', opacity.astype('uint8').tobytes())
    path = written(tmp_path, png(samples, bits, PALETTE, [palette, clear]))
    is_seen(path, on_white(table[samples], opacity[samples] / 255, 255))
    content = tiff(samples.astype('uint8'), bits, 3, colors=table * 257)
    is_seen(written(tmp_path, content), table[samples])
    assert (utils.read_label(tmp_path / 'picture.png') == samples).all()


@pytest.mark.parametrize(
    ('samples', 'bits', 'meaning', 'extra'),
    [
        (colors(255) / 255, 32, 2, None),
        (colors(2**16, 3), 32, 2, None),
        (colors(255, 6), 8, 1, [0] * 5),
        (colors(65535, 5), 16, 2, [0, 0]),
        (ramp(255, HEIGHT, WIDTH) / 255, 64, 1, None),
    ],
)
def test_kinds_that_are_not_read_are_named(
    samples, bits, meaning, extra, tmp_path, capfd
):
    """And no library says anything beside."""
    kind = f'float{bits}' if samples.dtype.kind == 'f' else 'uint32'
    content = tiff(samples.astype(kind), bits, meaning, extra=extra)
    path = written(tmp_path, content)
    for read in utils.read_image, utils.read_label:
        refused(path, 'TIFF', 'export it again, with 8 bits', read=read)
    assert capfd.readouterr() == ('', '')


def test_transparency_in_webp(tmp_path):
    samples = colors(255, 4)
    samples[..., 3] = ramp(255, HEIGHT, WIDTH)[:, ::-1]
    path = tmp_path / 'x.webp'
    image = Image.fromarray(samples.astype('uint8'))
    image.save(path, lossless=True, exact=True)
    expected = on_white(samples[..., :3], samples[..., 3] / 255, 255)
    is_seen(path, expected)


@pytest.mark.parametrize('kind', ['JPEG', 'TIFF'])
def test_four_bands_of_ink_are_no_transparency(kind, tmp_path):
    """Cyan, magenta, yellow and black: what is left of white."""
    samples = onp.zeros((HEIGHT, WIDTH, 4), 'uint8')
    samples[:, :, 0] = onp.linspace(0, 255, WIDTH)
    samples[:, :, 3] = 51
    path = tmp_path / 'x'
    Image.fromarray(samples, 'CMYK').save(path, kind, quality=100)
    ink = samples / 255
    expected = 255 * (1 - ink[..., :3]) * (1 - ink[..., 3:])
    is_seen(path, expected, within=4)  # JPEG
    image = utils.open_image(path)
    assert image.mode == 'CMYK' and notes(image) == []
    assert opacity(image) is None


# ------------------------------------------------------------------- labels

TABLE_LABEL = onp.zeros((HEIGHT, WIDTH), 'uint8')
TABLE_LABEL[10:30, 10:30], TABLE_LABEL[30:50, 40:60] = 1, 3
NO_BACKGROUND = segbook.ClassTable(['road', 'ship', 'fish', 'buoy'])


def unpainted(table, label=TABLE_LABEL):
    """Where the label is 0, nothing was painted."""
    index = 0 if table is TABLE else utils.VOID
    return onp.where(label == 0, index, label)


@pytest.mark.parametrize('table', [TABLE, NO_BACKGROUND])
def test_what_is_transparent_was_not_painted(table, tmp_path):
    """It is background, or void without one, whatever its colour says."""
    opacity = onp.where(TABLE_LABEL > 0, 255, 0).astype('uint8')
    drawn = onp.where(TABLE_LABEL == 0, 2, TABLE_LABEL)  # as fish
    rgb = segbook.label_to_color(drawn, table)
    palette = (b'PLTE', table.colormap.tobytes())
    for content in (
        png(onp.dstack([rgb, opacity]), 8, COLOR_ALPHA),
        png(onp.dstack([drawn, opacity]), 8, GREY_ALPHA),
        png(rgb, 8, COLOR, [(b'tRNS', struct.pack('>HHH', *rgb[0, 0]))]),
        png(drawn, 8, GREY, [(b'tRNS', b'\0\2')]),
        png(drawn, 2, PALETTE, [palette, (b'tRNS', b'\xff\xff\0\xff')]),
        png(drawn, 8, PALETTE, [palette, (b'tRNS', b'\xff\xff\0')]),
        tiff(onp.dstack([rgb, opacity]), 8, 2, extra=[2]),
    ):
        path = written(tmp_path, content)
        read = utils.read_classes(path, table, segbook.color_to_label)
        assert (read == unpainted(table)).all()


def test_what_is_transparent_in_part_is_no_label(tmp_path):
    opacity = onp.full((HEIGHT, WIDTH), 255, 'uint8')
    opacity[7, 8] = 90
    for content in (
        png(onp.dstack([TABLE_LABEL, opacity]), 8, GREY_ALPHA),
        png(onp.dstack([TABLE_LABEL] * 3 + [opacity]), 8, COLOR_ALPHA),
    ):
        refused(
            *(written(tmp_path, content), 'in part at row 7, column 8'),
            read=utils.read_label,
        )


def test_colours_of_16_bits_are_no_label(tmp_path):
    for samples in colors(65535), colors(255):  # as bright, and as large
        path = written(tmp_path, png(samples, 16, COLOR))
        refused(path, '16 bits', 'save it with 8', read=utils.read_label)


# ---------------------------------------------------------- one's own files


@pytest.fixture
def own(tmp_path):
    """Photos and labels, to which a test adds one pair: `odd`."""
    photos, labels = tmp_path / 'photos', tmp_path / 'labels'
    photos.mkdir()
    labels.mkdir()
    label = TABLE_LABEL.copy()
    label[50:, 70:] = 2
    for name in 'xyz':
        pixels = colors(255).astype('uint8')
        Image.fromarray(pixels).save(photos / f'{name}.png')
        Image.fromarray(label).save(labels / f'{name}.png')
    return photos, labels


def findings(own, table=TABLE):
    return [
        str(finding)
        for finding in utils.check_own(*own, table, segbook.read_own)[1]
    ]


def noted(own, *words, kind='note'):
    """There is one finding about `odd`, with these words."""
    (found,) = findings(own)
    assert found.startswith(f'{kind}: odd')
    for word in words:
        assert word in found


def several(pages):
    def save(path):
        images = [
            Image.fromarray(colors(255).astype('uint8') // (page + 1))
            for page in range(pages)
        ]
        images[0].save(path, save_all=True, append_images=images[1:])

    return save


def plain(content):
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ('name', 'write', 'words'),
    [
        (
            'odd.tif',
            plain(Grey('TIFF', 16).write(ramp(4095, HEIGHT, WIDTH))),
            ['of its 16 bits a sample 12 are used'],
        ),
        (
            'odd.tif',
            plain(Grey('TIFF', 32).write(ramp(255, HEIGHT, WIDTH))),
            ['of its 32 bits a sample 8 are used'],
        ),
        (
            'odd.png',
            plain(png(colors(1023), 16, COLOR)),
            ['of its 16 bits a sample 10 are used'],
        ),
        (
            'odd.tiff',
            plain(FLOATS[0].write(ramp(1000, HEIGHT, WIDTH) / 1000)),
            ['no integers: 1 was taken as white'],
        ),
        (
            'odd.PNG',
            plain(png(colors(255, 4), 8, COLOR_ALPHA)),
            ['is transparent: it is laid on white'],
        ),
        (
            'odd.tif',
            plain(tiff(colors(255, 4).astype('uint8'), 8, 2, extra=[0])),
            ['has 4 bands, of which the first 3 are read'],
        ),
        ('odd.tif', several(3), ['several pictures']),
        ('odd.png', several(2), ['several pictures']),
        ('odd.webp', several(2), ['several pictures']),
    ],
)
def test_what_was_guessed_of_a_photo_or_left_out_is_told(
    own, name, write, words
):
    write(own[0] / name)
    write_json(own[1] / 'odd.json', SHIP, shape('fish', SHIP['points']))
    write_json(own[1] / 'odd.json', SHIP)
    noted(own, *words)
    assert len(utils.check_own(*own, TABLE, segbook.read_own)[0]) == 4


@pytest.mark.parametrize(
    'content',
    [
        *(kind.write(ramp(kind.most, HEIGHT, WIDTH)) for kind in GREYS[:6]),
        png(colors(65535), 16, COLOR),
        tiff(colors(65535).astype('uint16'), 16, 2),
        Grey('TIFF', 12).write(ramp(4095, HEIGHT, WIDTH)),
    ],
)
def test_what_needs_no_guess_needs_no_note(own, content):
    (own[0] / 'odd.tif').write_bytes(content)
    write_json(own[1] / 'odd.json', SHIP)
    assert findings(own) == []


def test_a_fourth_band_of_which_nothing_is_said_is_told(own):
    samples = colors(255, 4).astype('uint8')
    samples[..., 3] = 255
    (own[0] / 'odd.tif').write_bytes(tiff(samples, 8, 2))
    write_json(own[1] / 'odd.json', SHIP)
    noted(own, 'does not say what its fourth band is')


def test_a_label_that_was_not_painted_everywhere_is_told(own):
    opacity = onp.where(TABLE_LABEL > 0, 255, 0).astype('uint8')
    rgb = segbook.label_to_color(onp.where(TABLE_LABEL > 0, TABLE_LABEL, 2))
    Image.fromarray(rgb[..., :3]).save(own[0] / 'odd.jpg')
    Image.fromarray(onp.dstack([rgb, opacity])).save(own[1] / 'odd.png')
    share = f'note: odd.png: {(opacity == 0).mean():.1%} of it is transparent'
    noted(own, share, 'not painted, and is read as «background»')
    classes, _ = utils.check_own(*own, TABLE, segbook.read_own)
    assert classes['odd'] == {0, 1, 3}


def test_photos_of_every_depth_are_written_with_8_bits(own, tmp_path):
    write_json(own[1] / 'odd.json', SHIP)
    (own[0] / 'odd.png').write_bytes(png(colors(4095), 16, COLOR))
    target = tmp_path / 'set'
    utils.make_set(*own, target, TABLE, segbook.read_own, segbook.split_names)
    with Image.open(target / 'JPEGImages/odd.jpg') as photo:
        difference = onp.asarray(photo) - colors(4095) / 4095 * 255
    assert abs(difference).mean() < 3  # of JPEG


# --------------------------------------------------- limits of the libraries


@pytest.mark.parametrize(
    'chunk',
    [
        lambda data: (b'iCCP', b'name\0\0' + data),
        lambda data: (b'zTXt', b'name\0\0' + data),
        lambda data: (b'iTXt', b'name\0\1\0\0\0' + data),
    ],
)
def test_a_profile_or_text_may_be_large(chunk, tmp_path):
    """Larger than 1 MiB, where Pillow itself refuses the picture."""
    large = chunk(zlib.compress(b'x' * 3 * 2**20))
    path = written(tmp_path, png(colors(255), 8, COLOR, [large]))
    is_seen(path, colors(255))
    huge = chunk(zlib.compress(b'x' * 65 * 2**20))
    path = written(tmp_path, png(colors(255), 8, COLOR, [huge]))
    refused(path, 'profile or its texts are too large', 'save it without them')


def test_a_photo_of_too_many_pixels_says_what_to_do(tmp_path):
    path = tmp_path / 'large.png'
    Image.new('1', (20_000, 11_000)).save(path)
    refused(path, 'it has 220000000 pixels', '200000000', 'cut it into parts')


def test_damaged_exif_data_is_not_mentioned(tmp_path, capfd, recwarn):
    Image.fromarray(colors(255).astype('uint8')).save(
        tmp_path / 'x.png', exif=b'Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01'
    )
    is_seen(tmp_path / 'x.png', colors(255))
    assert capfd.readouterr() == ('', '')


# ------------------------------------------------------------------ endings


@pytest.mark.parametrize(
    'ending', 'jfif jpe JPEG tif TIFF bmp BMP webp apng'.split()
)
def test_photos_are_found_by_every_ending_of_their_format(own, ending):
    kind = Image.registered_extensions()[f'.{ending.lower()}']
    pixels = colors(255).astype('uint8')
    Image.fromarray(pixels).save(own[0] / f'odd.{ending}', kind)
    write_json(own[1] / 'odd.json', SHIP)
    assert findings(own) == []
    assert 'odd' in utils.check_own(*own, TABLE, segbook.read_own)[0]


@pytest.mark.parametrize('ending', 'heic HEIF avif gif psd jp2 dng'.split())
def test_pictures_that_are_not_read_are_named(own, ending):
    (own[0] / f'odd.{ending}').write_bytes(b'whatever')
    noted(own, f'odd.{ending}', 'not read', 'export it as JPEG or PNG')
    (own[0] / 'notes.txt').write_text('no picture', encoding='utf-8')
    (own[0] / 'Thumbs.db').write_text('no picture', encoding='utf-8')
    assert len(findings(own)) == 1
