"""Photos that are none, lack rows, never end, or would take the memory."""

import io
import os
import re
import socket
import struct
import subprocess
import sys
import zlib

import segbook
import utils
from parts import images
from support import script

import numpy as onp
import pytest
from PIL import Image, ImageOps

FORMATS = ['JPEG', 'PNG', 'BMP', 'TIFF', 'WEBP']


def noise(height=60, width=80):
    return onp.random.default_rng(0).integers(
        0, 256, (height, width, 3), 'uint8'
    )


def encoded(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def refused(content, tmp_path, *words):
    """Such a file is one ValueError that names it, as photo and as label."""
    path = tmp_path / 'photo.jpg'
    path.write_bytes(content)
    for read in utils.open_image, utils.read_image, utils.read_label:
        with pytest.raises(ValueError) as caught:
            read(path)
        for word in (str(path), *words):
            assert word in str(caught.value)


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize('kind', FORMATS)
def test_every_format_is_read_whatever_the_name(kind, tmp_path):
    path = tmp_path / 'photo.jpg'
    path.write_bytes(encoded(noise(), kind))
    with Image.open(path) as expected:
        assert expected.format == kind
        assert (utils.read_image(path) == onp.asarray(expected)).all()


def test_a_photo_with_a_second_picture_behind_it_is_its_first(tmp_path):
    """As phones write it: JPEG for whoever knows no more."""
    path = tmp_path / 'photo.jpg'
    second = Image.fromarray(noise()[::-1])
    more = {'save_all': True, 'append_images': [second]}
    path.write_bytes(encoded(noise(), 'MPO', **more))
    with Image.open(path) as expected:
        assert (expected.format, expected.n_frames) == ('MPO', 2)
        assert (utils.read_image(path) == onp.asarray(expected)).all()


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 20 20
%%EndComments
showpage
"""


def test_no_photo_runs_a_program(tmp_path, root):
    """Pillow runs Ghostscript for this one, whatever its name ends in."""
    ran = tmp_path / 'ran'
    script(tmp_path / 'gs', f'touch {ran}\necho 10\n')
    (tmp_path / 'photo.jpg').write_bytes(EPS)
    environment = {**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}'}

    def last_line(code):
        done = subprocess.run(
            [sys.executable, '-c', code, str(tmp_path / 'photo.jpg')],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.stderr.splitlines()[-1]

    code = 'import sys\nfrom parts.images import read_image\n'
    line = last_line(code + 'read_image(sys.argv[1])')
    assert 'photo.jpg cannot be read: it is no picture' in line
    assert not ran.exists()
    last_line('import sys, PIL.Image as i\ni.open(sys.argv[1]).load()')
    assert ran.exists()  # the one above could have


@pytest.mark.parametrize('kind', ['GIF', 'PPM', 'ICO', 'TGA', 'PDF'])
def test_other_formats_are_refused(kind, tmp_path):
    refused(encoded(noise(), kind), tmp_path, 'no picture', *FORMATS)


def test_one_place_opens_pictures(root):
    """All others say `utils.open_image`, which knows what to refuse."""
    paths = [*root.glob('*.py')]
    for folder in 'parts tools build checks benchmarks'.split():
        paths += (root / folder).rglob('*.py')
    for folder in 'chapters', 'exercises':
        paths += (root / folder).glob('*.md')
    opens = re.compile(r'\bImage\.open\(')
    found = {p: len(opens.findall(p.read_text('utf-8'))) for p in paths}
    found = {p.relative_to(root).as_posix(): n for p, n in found.items() if n}
    assert found == {'parts/images.py': 1}


# -------------------------------------------------------------- no files


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'folder').mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / 'socket'))
    (tmp_path / 'link').symlink_to('/dev/zero')
    for name, kind in (
        ('pipe', 'a named pipe'),
        ('folder', 'a folder'),
        ('socket', 'a socket'),
        ('link', 'a device'),
    ):
        path = tmp_path / name
        for read in (
            utils.read_image,
            utils.read_label,
            lambda path: utils.read_labelme(path, segbook.VOC),
        ):
            with pytest.raises(ValueError, match=f'{path} is {kind}'):
                read(path)
    (tmp_path / 'dangling').symlink_to('nowhere')
    (tmp_path / 'circle').symlink_to('circle')
    with pytest.raises(FileNotFoundError, match='dangling'):
        utils.read_image(tmp_path / 'dangling')
    with pytest.raises(ValueError, match='circle cannot be read'):
        utils.read_image(tmp_path / 'circle')


# ------------------------------------------------------------ missing rows


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_is_refused(kind, share, tmp_path):
    content = encoded(noise(), kind)
    refused(content[: int(len(content) * share)], tmp_path)


@pytest.mark.parametrize('options', [{}, {'restart_marker_rows': 1}])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_a_jpeg_that_ends_early_is_refused(share, options, tmp_path):
    """Its end is there, the rows before are not: they would be grey."""
    content = encoded(noise(240), 'JPEG', **options)
    cut = content[: int(len(content) * share)] + b'\xff\xd9'
    refused(cut, tmp_path, 'last rows are missing')
    refused(cut + b'and more', tmp_path, 'last rows are missing')


def png(pixels, height):
    """A PNG of these rows that says that it is of another height."""

    def chunk(kind, data):
        end = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + end

    rows = b''.join(b'\0' + row.tobytes() for row in pixels)
    size = pixels.shape[1], height, 8, 2, 0, 0, 0
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', *size))
        + chunk(b'IDAT', zlib.compress(rows))
        + chunk(b'IEND', b'')
    )


def test_a_png_that_ends_early_is_refused(tmp_path):
    (tmp_path / 'whole.png').write_bytes(png(noise(), 60))
    assert (utils.read_image(tmp_path / 'whole.png') == noise()).all()
    refused(png(noise(), 61), tmp_path, 'last rows are missing')
    refused(png(noise(), 6000), tmp_path, 'last rows are missing')


def tiff(strips, height):
    """An uncompressed TIFF of strips of 20 rows, 80 pixels wide."""
    entries = 10
    count = len(strips)
    offsets = 8 + 2 + 12 * entries + 4 + 6
    data = offsets + 8 * count
    tags = [(256, 4, 1, 80), (257, 4, 1, height), (258, 3, 3, offsets - 6)]
    tags += [(259, 3, 1, 1), (262, 3, 1, 2), (273, 4, count, offsets)]
    tags += [(277, 3, 1, 3), (278, 4, 1, 20)]
    tags += [(279, 4, count, offsets + 4 * count), (284, 3, 1, 1)]
    sizes = [len(strip) for strip in strips]
    places = [data + sum(sizes[:i]) for i in range(count)]
    return b''.join(
        [
            struct.pack('<2sHIH', b'II', 42, 8, entries),
            *(struct.pack('<HHII', *tag) for tag in tags),
            struct.pack('<IHHH', 0, 8, 8, 8),
            struct.pack(f'<{2 * count}I', *places, *sizes),
            *strips,
        ]
    )


def test_a_tiff_that_lacks_strips_is_refused(tmp_path):
    strips = [noise()[top : top + 20].tobytes() for top in (0, 20, 40)]
    (tmp_path / 'whole.tif').write_bytes(tiff(strips, 60))
    assert (utils.read_image(tmp_path / 'whole.tif') == noise()).all()
    refused(tiff(strips[:2], 60), tmp_path, 'rows are missing')


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGB', 'RGBA', 'I;16', 'F'])
@pytest.mark.parametrize('level', [0, 127, 128, 255])
def test_a_picture_that_is_really_grey_is_read(mode, level, tmp_path):
    """Grey as what is put where rows are missing, and as JPEG's."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    ink = (level,) * bands if bands > 1 else level
    picture = Image.new(mode, (30, 40), ink)
    kinds = {'L': FORMATS, 'RGB': FORMATS, 'RGBA': ['PNG', 'TIFF', 'WEBP']}
    kinds |= {'F': ['TIFF']}
    for kind in kinds.get(mode, ['PNG', 'TIFF']):
        picture.save(tmp_path / 'x', kind)
        read = utils.open_image(tmp_path / 'x')
        with Image.open(tmp_path / 'x') as expected:
            assert read.mode == expected.mode
            assert read.tobytes() == expected.tobytes()


@pytest.mark.parametrize('kind', FORMATS)
def test_nobody_asks_pillow_to_fill_up_files(kind, tmp_path, monkeypatch):
    monkeypatch.setattr('PIL.ImageFile.LOAD_TRUNCATED_IMAGES', True)
    content = encoded(noise(), kind)
    refused(content[: len(content) // 2], tmp_path)


# -------------------------------------------------------------------- sizes


def peak_and_error(code, path, root):
    """Run code on a path: MiB that it took at most, and its errors."""
    # Of this program alone: getrusage counts the tests' as well.
    code += """
status = dict(line.split(':') for line in open('/proc/self/status'))
print(status['VmHWM'].split()[0])"""
    done = subprocess.run(
        [sys.executable, '-c', code, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.splitlines()[-1]) / 1024, done.stderr


OPEN = (
    'import sys\nfrom parts.images import open_image\n'
    'try: print(open_image(sys.argv[1]).size)\n'
    'except ValueError as error: print(error, file=sys.stderr)'
)


def test_a_bomb_is_one_error_before_memory_is_taken(tmp_path, root):
    for kind, side in (('PNG', 15_000), ('TIFF', 15_000), ('WEBP', 16_000)):
        path = tmp_path / f'bomb.{kind}'
        if kind == 'WEBP':  # a canvas of 256 million pixels, and nothing in it
            size = struct.pack('<I', side - 1)[:3]
            vp8x = b'VP8X' + struct.pack('<II', 10, 0) + size + size
            body = b'WEBP' + vp8x
            path.write_bytes(b'RIFF' + struct.pack('<I', len(body)) + body)
        else:
            options = {'TIFF': {'compression': 'group4'}}.get(kind, {})
            Image.new('1', (side, side)).save(path, kind, **options)
        peak, error = peak_and_error(OPEN, path, root)
        assert peak < 150
        assert error.count('\n') == 1 and f'{path} cannot be read' in error
        if kind != 'WEBP':
            assert '225000000 pixels' in error and '200000000' in error


def test_a_file_that_is_larger_than_any_photo_is_not_read(tmp_path, root):
    content = encoded(noise(), 'WEBP')
    with open(tmp_path / 'x.webp', 'wb') as file:
        file.write(content)
        file.truncate(10**10)  # takes no room on the disk
    peak, error = peak_and_error(OPEN, tmp_path / 'x.webp', root)
    assert peak < 150 and 'has more than 800000000 bytes' in error


def test_a_photo_of_108_million_pixels_is_no_bomb(tmp_path, root):
    Image.new('1', (12_000, 9000)).save(tmp_path / 'large.png')
    peak, error = peak_and_error(OPEN, tmp_path / 'large.png', root)
    assert error == '' and peak > 100


def test_reading_a_large_photo_takes_little_more_than_twice_its_size(
    tmp_path, root
):
    """As Pillow has it, 4 bytes a pixel, and as an array, 3 bytes."""
    Image.new('RGB', (6000, 5000), 'teal').save(tmp_path / 'large.jpg')
    code = 'import sys\nfrom parts.images import read_image\n'
    little, _ = peak_and_error(code, tmp_path, root)
    code += 'assert read_image(sys.argv[1]).shape == (5000, 6000, 3)'
    peak, _ = peak_and_error(code, tmp_path / 'large.jpg', root)
    assert peak - little < 30e6 * (4 + 3) / 2**20 * 1.2


# --------------------------------------------------------------------- EXIF


@pytest.mark.parametrize('stored', [(3, 0), (3, 9), (3, 65_535), (2, 54)])
def test_an_orientation_that_is_none_is_upright(stored, tmp_path):
    """As numbers, and as the text «6»."""
    kind, value = stored
    entry = struct.pack('<HHHII', 1, 0x0112, kind, 1, value)
    exif = b'Exif\0\0' + struct.pack('<2sHI', b'II', 42, 8) + entry + bytes(4)
    Image.fromarray(noise()).save(tmp_path / 'x.png', exif=exif)
    assert (utils.read_image(tmp_path / 'x.png') == noise()).all()


@pytest.mark.parametrize('stored', range(1, 9))
def test_every_orientation_is_pillows(stored, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = stored
    Image.fromarray(noise()).save(tmp_path / 'x.png', exif=exif)
    with Image.open(tmp_path / 'x.png') as image:
        expected = onp.asarray(ImageOps.exif_transpose(image))
        upright = images.to_rgb(image)
    assert (utils.read_image(tmp_path / 'x.png') == expected).all()
    # Once upright, it is not turned again.
    assert (onp.asarray(images.to_rgb(upright)) == expected).all()


# --------------------------------------------------------- labels and splits


def test_a_label_below_zero_or_above_255_is_refused(tmp_path):
    for index in -1, 256, 70_000:
        stored = onp.full((4, 5), index, 'int32')
        Image.fromarray(stored).save(tmp_path / 'x.tif')
        with pytest.raises(ValueError, match=f'x.tif holds the index {index}'):
            utils.read_label(tmp_path / 'x.tif')


def test_a_list_of_names_is_text(few):
    path = few / 'ImageSets/Segmentation/train.txt'
    names = utils.read_split(few, 'train')
    path.write_bytes(
        b'\xef\xbb\xbf' + path.read_bytes()
    )  # as Windows marks it
    assert utils.read_split(few, 'train') == names
    path.write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match='train.txt is no text in UTF-8'):
        utils.read_split(few, 'train')
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError, match='no split file'):
        utils.read_split(few, 'train')


def test_the_formats_are_those_of_the_endings():
    assert list(images.FORMATS) == FORMATS
    registered = Image.registered_extensions()
    for kind, endings in images.FORMATS.items():
        assert {registered[ending] for ending in endings} == {kind}
