"""Photos and labels as files: kinds that are read, damage that is named."""

import segbook
import utils
from support import label_file, photo_file, save_label

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

COLORS = segbook.voc_colormap()


def read(voc, **options):
    return segbook.VOCSegDataset(voc, 'val', **options)[0]


def fails(voc, error, *words):
    """Opening or reading the data set gives one error with these words."""
    with pytest.raises(error) as caught:
        read(voc)
    for word in words:
        assert str(word) in str(caught.value)


def test_missing_split(voc):
    with pytest.raises(FileNotFoundError, match='test.txt.*train, val'):
        segbook.VOCSegDataset(voc, 'test')


def test_empty_split(voc):
    path = voc / 'ImageSets' / 'Segmentation' / 'val.txt'
    path.write_text('\n', encoding='utf-8')
    fails(voc, ValueError, path, 'empty')


@pytest.mark.parametrize('file', [photo_file, label_file])
def test_missing_file_of_an_id(voc, file):
    file(voc).unlink()
    fails(voc, FileNotFoundError, 'val.txt lists wide', file(voc))


def write_split(voc, *lines, **how):
    text = ''.join(f'{line}\n' for line in lines)
    path = voc / 'ImageSets' / 'Segmentation' / 'val.txt'
    path.write_text(text, **{'encoding': 'utf-8'} | how)


def move(voc, name):
    """Call the photo and the label of `wide` otherwise."""
    for old, new in (
        (photo_file(voc), photo_file(voc, name)),
        (label_file(voc), label_file(voc, name)),
    ):
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)


def test_ids_may_have_folders(voc):
    photo, label = read(voc)
    move(voc, 'cam 1/day/a')
    write_split(voc, 'cam 1/day/a')
    assert (read(voc)[0] == photo).all() and (read(voc)[1] == label).all()
    write_split(voc, 'cam 2/day/a')
    path = voc / 'JPEGImages' / 'cam 2' / 'day' / 'a.jpg'
    fails(voc, FileNotFoundError, f'there is no {path}')
    label_file(voc, 'cam 1/day/a').unlink()
    write_split(voc, 'cam 1/day/a')
    path = voc / 'SegmentationClass' / 'cam 1' / 'day' / 'a.png'
    fails(voc, FileNotFoundError, f'there is no {path}')


@pytest.mark.parametrize('ending', ['.JPG', '.jpeg', '.JPEG', '.PNG', '.Png'])
def test_endings_may_be_in_any_case(voc, ending):
    photo, label = np.asarray(Image.open(photo_file(voc))), read(voc)[1]
    photo_file(voc).unlink()
    kind = 'PNG' if ending.lower() == '.png' else 'JPEG'
    path = photo_file(voc).with_suffix(ending)
    Image.fromarray(photo).save(path, kind)
    label_file(voc).rename(label_file(voc).with_suffix('.PNG'))
    image, found = read(voc)
    assert (image == np.asarray(Image.open(path))).all()
    assert (found == label).all()


# Unicode's two ways to write «ä»: composed, as Linux and Windows do, and
# decomposed, as a Mac does.
COMPOSED, DECOMPOSED = 'B\xe4r', 'Ba\u0308r'


@pytest.mark.parametrize('listed', [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize('stored', [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize('form', ['{}', '{}/{}'])
def test_a_letter_may_be_written_in_either_way(voc, listed, stored, form):
    photo, label = read(voc)
    move(voc, form.format(stored, stored))
    write_split(voc, form.format(listed, listed))
    image, found = read(voc)
    assert (image == photo).all() and (found == label).all()


def test_lists_may_begin_with_a_mark_and_end_lines_as_windows_does(voc):
    write_split(voc, 'wide\r', '\r', ' tall ', '', encoding='utf-8-sig')
    assert utils.read_split(voc, 'val') == ['wide', 'tall']


@pytest.mark.parametrize('encoding', ['gbk', 'utf-16', 'cp1252'])
def test_a_list_that_is_no_utf8_says_what_to_do(voc, encoding):
    name = 'B\xe4r' if encoding == 'cp1252' else '汽车'
    write_split(voc, name, encoding=encoding)
    fails(voc, ValueError, 'val.txt', 'save it as UTF-8')


def test_an_id_that_no_file_can_have_is_not_there(voc):
    for name in 'x' * 300, 'y' * 300 + '/x', 'a\0b', 'a/', '/', '/etc/passwd':
        write_split(voc, name)
        fails(voc, FileNotFoundError, 'val.txt lists', 'there is no')


def test_what_a_mac_leaves_is_no_split(voc):
    (voc / 'ImageSets' / 'Segmentation' / '._val.txt').write_bytes(b'\0\5')
    with pytest.raises(FileNotFoundError) as caught:
        segbook.VOCSegDataset(voc, 'test')
    assert '(there are: train, val)' in str(caught.value)


# ------------------------------------------------------------------ photos


@pytest.mark.parametrize('file', [photo_file, label_file])
def test_truncated_file(voc, file):
    whole = file(voc).read_bytes()
    file(voc).write_bytes(whole[: len(whole) // 2])
    fails(voc, ValueError, file(voc), 'cannot be read')


@pytest.mark.parametrize('file', [photo_file, label_file])
def test_not_an_image(voc, file):
    file(voc).write_bytes(b'<html>not found</html>')
    fails(voc, ValueError, file(voc), 'cannot be read')


def test_sizes_that_differ(voc):
    save_label(label_file(voc), np.zeros((61, 90), dtype='uint8'))
    fails(voc, ValueError, label_file(voc), '90x61', '90x60')


def test_photos_may_be_png(voc):
    photo = np.asarray(Image.open(photo_file(voc)))
    photo_file(voc).unlink()
    Image.fromarray(photo).save(photo_file(voc).with_suffix('.png'))
    assert (read(voc)[0] == photo).all()


@pytest.mark.parametrize('mode', ['L', 'CMYK', 'RGB', '1'])
def test_photos_of_other_modes_are_converted(voc, mode):
    Image.new('RGB', (90, 60), (200, 200, 200)).convert(mode).save(
        photo_file(voc), 'JPEG' if mode != '1' else 'PNG'
    )
    image = read(voc)[0]
    assert image.shape == (60, 90, 3)
    assert abs(image.astype(int).mean() - 200) < (60 if mode == '1' else 3)


def test_transparent_photo_is_laid_on_white(voc):
    Image.new('RGBA', (90, 60), (0, 0, 0, 0)).save(photo_file(voc), 'PNG')
    assert (read(voc)[0] == 255).all()


# ------------------------------------------------------------------ labels


def test_index_above_the_table(voc):
    label = np.zeros((60, 90), dtype='uint8')
    label[7, 8] = 21
    save_label(label_file(voc), label)
    fails(voc, ValueError, label_file(voc), 'index 21 at row 7, column 8')


def test_rgb_label_is_decoded(voc):
    label = np.asarray(Image.open(label_file(voc)))
    Image.fromarray(segbook.label_to_color(label)).save(label_file(voc))
    assert (read(voc)[1] == label).all()


def test_rgb_label_with_a_colour_outside_the_table(voc):
    colors = segbook.label_to_color(np.zeros((60, 90), dtype='uint8'))
    colors[5, 6] = 9, 9, 9
    Image.fromarray(colors).save(label_file(voc))
    fails(voc, ValueError, label_file(voc), '(9, 9, 9) at row 5, column 6')


def test_palette_that_means_something_else(voc):
    image = Image.fromarray(np.ones((60, 90), dtype='uint8'), mode='P')
    image.putpalette([0, 0, 0, 0, 128, 0])
    image.save(label_file(voc))
    fails(voc, ValueError, label_file(voc), 'index 1', '(0, 128, 0)')


def test_a_colour_that_nobody_painted_may_mean_anything(voc):
    image = Image.fromarray(np.ones((60, 90), dtype='uint8'), mode='P')
    image.putpalette([0, 0, 0, 128, 0, 0, 7, 8, 9])
    image.save(label_file(voc))
    assert (read(voc)[1] == 1).all()


def test_grey_label_is_taken_as_indices(voc):
    Image.fromarray(np.full((60, 90), 20, dtype='uint8')).save(label_file(voc))
    assert (read(voc)[1] == 20).all()


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_saved_label_reads_back(tmp_path_factory, data):
    height, width = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    cells = st.lists(
        st.integers(0, 255), min_size=height * width, max_size=height * width
    )
    label = np.array(data.draw(cells)).reshape(height, width)
    path = tmp_path_factory.mktemp('label') / 'label.png'
    utils.save_label(path, label, COLORS)
    assert (utils.read_label(path, COLORS) == label).all()
    with Image.open(path) as image:
        colors = np.asarray(image.convert('RGB'))
    assert (colors == COLORS[label]).all()


@pytest.mark.parametrize(
    'bad',
    [[[256]], [[-1]], [1, 2], [[0.5, 1.0]], [[np.nan]], [[]], [['1']]],
    ids=repr,
)
def test_what_is_no_label_is_not_saved(tmp_path, bad):
    with pytest.raises(ValueError, match='indices from 0 to 255'):
        utils.save_label(tmp_path / 'x.png', np.array(bad), COLORS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'bad',
    [
        COLORS / 255,
        COLORS[:21],
        COLORS.astype(int) - 1,
        2 * COLORS.astype(int),
    ],
    ids=['0 to 1', 'too few', 'below', 'above'],
)
def test_what_are_no_colours_is_not_saved(tmp_path, bad):
    with pytest.raises(ValueError, match='a colormap is an array .256, 3. of'):
        utils.save_label(tmp_path / 'x.png', np.eye(3, dtype='uint8'), bad)
    assert not list(tmp_path.iterdir())
