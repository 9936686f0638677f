"""The VOC data set: reading, colours, crops, batches, bad files, download."""

import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import segbook
import utils
from parts import sources

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

EXCERPT = Path(__file__).parents[2] / (
    'shared/voc2012-excerpt/VOCdevkit/VOC2012'
)
needs_excerpt = pytest.mark.skipif(
    not EXCERPT.is_dir(), reason='the excerpt of real photos is not here'
)


def save_label(path, label):
    image = Image.fromarray(label, mode='P')
    image.putpalette(segbook.voc_colormap().ravel().tolist())
    image.save(path)


@pytest.fixture
def voc(tmp_path):
    """A data set of three images in the VOC layout, one of them small."""
    rng = np.random.default_rng(0)
    split = tmp_path / 'ImageSets' / 'Segmentation'
    for folder in (
        split,
        tmp_path / 'JPEGImages',
        tmp_path / 'SegmentationClass',
    ):
        folder.mkdir(parents=True)
    for name, (height, width) in {
        'wide': (60, 90),
        'tall': (90, 60),
        'tiny': (20, 30),
    }.items():
        photo = rng.integers(0, 256, (height, width, 3), dtype='uint8')
        label = rng.choice([0, 1, 20, 255], (height, width)).astype('uint8')
        # The red channel repeats the label: a crop can be checked by it.
        Image.fromarray(photo).save(tmp_path / 'JPEGImages' / f'{name}.jpg')
        save_label(tmp_path / 'SegmentationClass' / f'{name}.png', label)
    (split / 'train.txt').write_text('wide\ntall\ntiny\n')
    (split / 'val.txt').write_text('wide\n')
    return tmp_path


def photo_file(voc, name='wide'):
    return voc / 'JPEGImages' / f'{name}.jpg'


def label_file(voc, name='wide'):
    return voc / 'SegmentationClass' / f'{name}.png'


# ----------------------------------------------------------------- colours


def test_colormap_is_vocs():
    colors = segbook.voc_colormap()
    expected = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        8: (64, 0, 0),
        15: (192, 128, 128),
        20: (0, 64, 128),
        255: (224, 224, 192),
    }
    for index, color in expected.items():
        assert tuple(colors[index]) == color
    assert len({tuple(color) for color in colors}) == 256


def test_colormap_is_gluoncvs():
    from gluoncv.utils.viz.segmentation import vocpallete

    ours = segbook.voc_colormap().ravel().tolist()
    assert ours[: len(vocpallete) - 3] == vocpallete[: len(vocpallete) - 3]


@given(st.data())
def test_label_to_color_and_back(data):
    height, width = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    indices = st.sampled_from([*range(21), 255])
    size = height * width
    cells = data.draw(st.lists(indices, min_size=size, max_size=size))
    label = np.array(cells, dtype='uint8').reshape(height, width)
    back = segbook.color_to_label(segbook.label_to_color(label))
    assert back.dtype == np.uint8
    assert (back == label).all()


def test_a_colour_of_no_class_is_named_with_its_place():
    colors = segbook.label_to_color(np.zeros((4, 5), dtype='uint8'))
    colors[2, 3] = 1, 2, 3
    with pytest.raises(ValueError, match=r'\(1, 2, 3\) at row 2, column 3'):
        segbook.color_to_label(colors)


# ---------------------------------------------------------------- data set


def test_validation_gives_whole_images_as_stored(voc):
    dataset = segbook.VOCSegDataset(voc, 'val')
    image, label = dataset[0]
    assert len(dataset) == 1
    assert image.dtype == label.dtype == np.uint8
    assert (image == np.asarray(Image.open(photo_file(voc)))).all()
    assert (label == np.asarray(Image.open(label_file(voc)))).all()


def test_no_image_is_dropped_small_ones_are_padded(voc):
    dataset = segbook.VOCSegDataset(voc, 'train', (40, 50))
    assert len(dataset) == 3
    for i in range(3):
        image, label = dataset[i]
        assert image.shape == (40, 50, 3)
        assert label.shape == (40, 50)
    whole = segbook.VOCSegDataset(voc, 'train')[2][1]
    # All of the tiny label is there, once; the rest is void.
    padded = dataset[2][1]
    assert (padded[20:] == 255).all()
    assert sorted(padded[:20].ravel()) == sorted(
        np.pad(whole, ((0, 0), (0, 20)), constant_values=255).ravel()
    )


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.integers(0, 99),
)
def test_photo_and_label_are_cut_by_the_same_window(size, crop, seed):
    """A photo that holds its own label's numbers still does after a crop."""
    label = np.arange(size[0] * size[1], dtype='uint8').reshape(size)
    photo = np.stack([label] * 3, axis=2)
    rng = np.random.default_rng(seed)
    image, cut = segbook.random_crop(photo, label, crop, rng)
    assert image.shape == (*crop, 3) and cut.shape == crop
    inside = cut != 255
    assert (image[inside] == cut[inside][:, None]).all()
    assert (image[~inside] == utils.MEAN_COLOR).all()
    rows, columns = (min(a, b) for a, b in zip(size, crop, strict=True))
    assert inside.sum() == rows * columns
    shown = cut[inside].reshape(rows, columns).astype(int)
    assert (np.diff(shown, axis=0) == size[1]).all()
    assert len(set(np.diff(shown, axis=1).ravel())) <= 1


def test_crops_depend_on_seed_epoch_and_index_alone(voc):
    first = segbook.VOCSegDataset(voc, 'train', (16, 16))
    again = segbook.VOCSegDataset(voc, 'train', (16, 16))
    other = segbook.VOCSegDataset(voc, 'train', (16, 16), seed=1)
    first.get(1), first.get(2)  # what was read before does not matter
    assert (first.get(0)[0] == again.get(0)[0]).all()
    assert (first.get(0)[0] != first.get(0, epoch=1)[0]).any()
    assert (first.get(0)[0] != other.get(0)[0]).any()


def all_batches(voc, num_workers, epochs=2):
    dataset = segbook.VOCSegDataset(voc, 'train', (32, 32))
    batches = utils.Batches(dataset, 2, seed=3, num_workers=num_workers)
    return [
        (images.asnumpy(), labels.asnumpy())
        for _ in range(epochs)
        for images, labels in batches
    ]


def test_workers_give_the_same_batches_as_none(voc):
    alone, helped = all_batches(voc, 0), all_batches(voc, 2)
    assert len(alone) == len(helped) == 2
    for (image, label), (other_image, other_label) in zip(
        alone, helped, strict=True
    ):
        assert (image == other_image).all() and (label == other_label).all()
    assert (alone[0][0] != alone[1][0]).any()  # a new epoch, new crops


@pytest.mark.parametrize('turn', [lambda x: x.swapaxes(0, 1), np.rot90])
def test_turned_samples_arrive_as_they_are(turn):
    """Their values lie in memory in another order than the array's."""
    photo = np.arange(4 * 5 * 3, dtype='uint8').reshape(4, 5, 3)

    class Turned:
        def __len__(self):
            return 2

        def get(self, i, epoch=0):
            return turn(photo + i), turn(photo[:, :, 0])

    ((images, labels),) = utils.Batches(Turned(), 2)
    assert {image.tobytes() for image in images.asnumpy()} == {
        turn(photo + i).tobytes() for i in (0, 1)
    }
    for label in labels.asnumpy():
        assert (label == turn(photo[:, :, 0])).all()


FORKS = """
import multiprocessing
import numpy
import utils

class Black:
    def __len__(self):
        return 8

    def get(self, i, epoch=0):
        return numpy.zeros((256, 256, 3), 'uint8'), numpy.zeros((256, 256))

def nothing():
    pass

for _ in range(20):
    for images, labels in utils.Batches(Black(), 4):
        busy = utils.normalize(images)
        for _ in range(5):
            busy = 2 * busy
    del images, labels
    process = multiprocessing.get_context('fork').Process(target=nothing)
    process.start()
    process.join()
"""


def test_a_process_can_fork_while_mxnet_works_on_a_batch():
    subprocess.run([sys.executable, '-c', FORKS], check=True, timeout=120)


def test_batches_normalize_to_the_formula(voc):
    images = mx.np.array(all_batches(voc, 0, 1)[0][0], dtype='uint8')
    expected = (images.asnumpy() / 255.0 - [0.485, 0.456, 0.406]) / [
        0.229,
        0.224,
        0.225,
    ]
    normalized = utils.normalize(images)
    assert normalized.shape == (2, 3, 32, 32)
    np.testing.assert_allclose(
        normalized.asnumpy(), expected.transpose(0, 3, 1, 2), atol=1e-5
    )


def test_opening_reads_no_image(voc):
    for path in voc.glob('JPEGImages/*.jpg'):
        path.write_bytes(b'not opened')
    assert len(segbook.VOCSegDataset(voc, 'train', (16, 16))) == 3


def test_memory_does_not_grow_with_what_was_read(voc):
    import resource

    dataset = segbook.VOCSegDataset(voc, 'train', (300, 300))
    for i in range(3):
        dataset[i]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for epoch in range(200):
        dataset.get(epoch % 3, epoch)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 300 * 300 * 4 / 1024 / 2  # half of what was read


@needs_excerpt
def test_every_real_pair_is_read():
    for split in ('train', 'val'):
        dataset = segbook.VOCSegDataset(EXCERPT, split)
        for i in range(len(dataset)):
            image, label = dataset[i]
            assert image.shape == (*label.shape, 3)
            assert set(np.unique(label)) <= {*range(21), 255}


# ------------------------------------------------------ other class tables

STREET = segbook.ClassTable(
    ['sky', 'road', 'car'],
    [(128, 128, 128), (128, 64, 128), (64, 0, 128)],
    void=3,
    void_color=(0, 0, 0),
)


@pytest.fixture
def street(voc):
    """The data set with labels as some others have them: void is index 3."""
    label = np.random.default_rng(1).integers(4, size=(60, 90), dtype='uint8')
    Image.fromarray(label).save(label_file(voc))
    return voc, np.where(label == 3, 255, label)


def read_street(folder):
    return segbook.VOCSegDataset(folder, 'val', table=STREET)[0]


def test_grey_labels_with_another_void(street):
    folder, label = street
    assert (read_street(folder)[1] == label).all()


def test_labels_in_the_colours_of_another_table(street):
    folder, label = street
    colors = segbook.label_to_color(label, STREET)
    assert {tuple(c) for c in colors.reshape(-1, 3)} == {
        (128, 128, 128),
        (128, 64, 128),
        (64, 0, 128),
        (0, 0, 0),
    }
    assert (segbook.color_to_label(colors, STREET) == label).all()
    Image.fromarray(colors).save(label_file(folder))
    assert (read_street(folder)[1] == label).all()


def test_palette_labels_of_another_table(street):
    folder, label = street
    image = Image.fromarray(np.where(label == 255, 3, label), mode='P')
    palette = [128, 128, 128, 128, 64, 128, 64, 0, 128, 0, 0, 0]
    image.putpalette(palette)
    image.save(label_file(folder))
    assert (read_street(folder)[1] == label).all()
    image.putpalette(palette[:9] + [0, 0, 9])  # another colour for void
    image.save(label_file(folder))
    with pytest.raises(ValueError, match=r'index 3 in the colour \(0, 0, 9'):
        read_street(folder)


def test_vocs_void_is_none_of_another_table(street):
    folder, label = street
    Image.fromarray(label).save(label_file(folder))
    with pytest.raises(ValueError, match='index 255 .* end at 2, void is 3'):
        read_street(folder)


@pytest.mark.parametrize(
    ('colors', 'void_color'),
    [([(1, 2, 3), (1, 2, 3)], None), ([(1, 2, 3), (9, 9, 9)], (1, 2, 3))],
)
def test_two_classes_need_two_colours(colors, void_color):
    with pytest.raises(ValueError, match='share a colour'):
        segbook.ClassTable(['a', 'b'], colors, void_color=void_color)


def test_every_class_needs_a_colour():
    with pytest.raises(ValueError):
        segbook.ClassTable(['a', 'b'], [(1, 2, 3)])


def test_photos_may_be_png(voc):
    photo = np.asarray(Image.open(photo_file(voc)))
    photo_file(voc).unlink()
    Image.fromarray(photo).save(photo_file(voc).with_suffix('.png'))
    assert (read(voc)[0] == photo).all()


# ---------------------------------------------------------------- bad input


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
    path.write_text('\n')
    fails(voc, ValueError, path, 'empty')


@pytest.mark.parametrize('file', [photo_file, label_file])
def test_missing_file_of_an_id(voc, file):
    file(voc).unlink()
    fails(voc, FileNotFoundError, 'val.txt lists wide', file(voc))


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


def test_grey_label_is_taken_as_indices(voc):
    Image.fromarray(np.full((60, 90), 20, dtype='uint8')).save(label_file(voc))
    assert (read(voc)[1] == 20).all()


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


# ------------------------------------------------------------- the sources


def test_root_named_by_the_environment(voc, monkeypatch):
    monkeypatch.setenv('VOC_ROOT', str(voc))
    assert utils.voc_root() == voc


def test_root_found_inside_the_official_folders(voc, monkeypatch):
    inside = voc / 'above' / 'VOCdevkit' / 'VOC2012'
    inside.mkdir(parents=True)
    for part in ('JPEGImages', 'SegmentationClass', 'ImageSets'):
        os.symlink(voc / part, inside / part)
    monkeypatch.setenv('VOC_ROOT', str(voc / 'above'))
    assert utils.voc_root() == inside


def test_root_without_the_layout_is_named(tmp_path, monkeypatch):
    (tmp_path / 'JPEGImages').mkdir()
    monkeypatch.setenv('VOC_ROOT', str(tmp_path))
    with pytest.raises(FileNotFoundError, match='SegmentationClass') as error:
        utils.voc_root()
    assert str(tmp_path) in str(error.value)


def make_archive(folder, members):
    """A tar file with these members (name -> bytes) and its SHA-1 sum."""
    from io import BytesIO

    path = folder / 'made.tar'
    with tarfile.open(path, 'w') as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    content = path.read_bytes()
    return content, hashlib.sha1(content).hexdigest()


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves `content`; breaks off the first answer after `breaks` bytes."""

    content, breaks, asked = b'', None, []

    def do_GET(self):
        start = self.headers.get('Range', 'bytes=0-')[6:-1]
        Mirror.asked.append(int(start))
        rest = self.content[int(start) :]
        self.send_response(206 if int(start) else 200)
        self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        if Mirror.breaks is not None:
            rest, Mirror.breaks = rest[: Mirror.breaks], None
        self.wfile.write(rest)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def mirror():
    Mirror.asked, Mirror.breaks = [], None
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/{utils.VOC_ARCHIVE}'
    server.shutdown()
    server.server_close()


MEMBERS = {
    'VOCdevkit/VOC2012/JPEGImages/a.jpg': b'a' * 200_000,
    'VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt': b'a\n',
}


def test_download_unpacks_what_the_mirror_has(tmp_path, mirror):
    Mirror.content, sha1 = make_archive(tmp_path, MEMBERS)
    root = utils.download_voc(tmp_path / 'data', [mirror], sha1)
    for name, content in MEMBERS.items():
        assert (root.parents[1] / name).read_bytes() == content
    assert utils.download_voc(tmp_path / 'data', [mirror], sha1) == root
    assert len(Mirror.asked) == 1  # the second call found it there


def test_download_goes_on_where_it_broke_off(tmp_path, mirror):
    Mirror.content, sha1 = make_archive(tmp_path, MEMBERS)
    Mirror.breaks = 70_000
    folder = tmp_path / 'data'
    with pytest.raises(ConnectionError):
        utils.download_voc(folder, [mirror], sha1)
    assert not (folder / 'VOC2012-official').exists()
    root = utils.download_voc(folder, [mirror], sha1)
    assert Mirror.asked[0] == 0 and 0 < Mirror.asked[1] <= 70_000
    assert (root / 'JPEGImages/a.jpg').stat().st_size == 200_000


def test_next_mirror_is_tried_and_a_wrong_sum_not_unpacked(tmp_path, mirror):
    Mirror.content, sha1 = make_archive(tmp_path, MEMBERS)
    dead = 'http://127.0.0.1:9/' + utils.VOC_ARCHIVE
    folder = tmp_path / 'data'
    with pytest.raises(ConnectionError) as error:
        utils.download_voc(folder, [dead, mirror], 'another sum')
    for words in (
        dead,
        mirror,
        'SHA-1',
        folder / utils.VOC_ARCHIVE,
        'by hand',
    ):
        assert str(words) in str(error.value)
    assert [path.name for path in folder.iterdir()] == ['.VOC2012.lock']
    assert utils.download_voc(folder, [dead, mirror], sha1).is_dir()


def test_archive_laid_there_by_hand_is_used(tmp_path):
    content, sha1 = make_archive(tmp_path, MEMBERS)
    (tmp_path / utils.VOC_ARCHIVE).write_bytes(content)
    assert utils.download_voc(tmp_path, [], sha1).is_dir()


def test_damaged_archive_laid_there_by_hand_is_named(tmp_path):
    path = tmp_path / utils.VOC_ARCHIVE
    path.write_bytes(b'half of it')
    with pytest.raises(ValueError, match='damaged'):
        utils.download_voc(tmp_path, [])
    assert path.read_bytes() == b'half of it'


@pytest.mark.parametrize('name', ['../outside', '/tmp/book-outside'])
def test_no_member_leaves_the_folder(tmp_path, name):
    content, sha1 = make_archive(tmp_path, {**MEMBERS, name: b'evil'})
    folder = tmp_path / 'deep' / 'data'
    folder.mkdir(parents=True)
    (folder / utils.VOC_ARCHIVE).write_bytes(content)
    try:
        utils.download_voc(folder, [], sha1)
    except ValueError as error:
        assert 'not unpacked' in str(error)
        assert not (folder / 'VOC2012-official').exists()
    assert not (tmp_path / 'deep' / 'outside').exists()
    assert not (folder / 'outside').exists()
    assert not Path('/tmp/book-outside').exists()


def test_something_is_made_once_by_two_at_the_same_time(tmp_path, monkeypatch):
    (tmp_path / 'build').mkdir()
    (tmp_path / 'build' / 'slow.py').write_text(
        'import pathlib, sys, time\n'
        'time.sleep(0.3)\n'
        'target = pathlib.Path(sys.argv[1])\n'
        'target.open("x").write("made")\n'  # fails if it is there already
    )
    monkeypatch.setattr(sources, 'HERE', tmp_path)
    monkeypatch.setattr(sources, 'DATA', tmp_path / 'data')
    made = []
    threads = [
        threading.Thread(
            target=lambda: made.append(sources._made_by('slow.py', '.txt'))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3 and len(set(made)) == 1
    assert made[0].read_text() == 'made'
    (tmp_path / 'build' / 'slow.py').write_text(
        'import pathlib, sys; pathlib.Path(sys.argv[1]).write_text("new")'
    )
    assert sources._made_by('slow.py', '.txt').read_text() == 'new'


def test_a_large_data_set_opens_at_once(tmp_path):
    """20,000 ids: no file is opened, so this is a matter of listing them."""
    names = [f'{i:06d}' for i in range(20_000)]
    for folder in (
        'ImageSets/Segmentation',
        'JPEGImages',
        'SegmentationClass',
    ):
        (tmp_path / folder).mkdir(parents=True)
    for name in names:
        (tmp_path / 'JPEGImages' / f'{name}.jpg').touch()
        (tmp_path / 'SegmentationClass' / f'{name}.png').touch()
    split = tmp_path / 'ImageSets' / 'Segmentation' / 'train.txt'
    split.write_text('\n'.join(names))
    start = time.perf_counter()
    assert len(segbook.VOCSegDataset(tmp_path, 'train')) == 20_000
    print(f'opened in {time.perf_counter() - start:.2f} s')
