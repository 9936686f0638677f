"""The VOC data set: colours, whole images, crops, other class tables."""

import json
import time
from pathlib import Path

import segbook
import utils
from parts.tables import table_to_json
from support import label_file, photo_file

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


def test_a_data_set_says_which_classes_it_has(voc):
    """classes.json, unless a table is given; without that file, VOC's."""
    assert segbook.VOCSegDataset(voc, 'train').table is segbook.VOC
    names = ['sky', *map(str, range(1, 20)), 'sea']
    table = segbook.ClassTable(names, void=200)
    text = json.dumps(table_to_json(table))
    (voc / 'classes.json').write_text(text, encoding='utf-8')
    label = np.zeros((60, 90), 'uint8')
    label[:, 50:], label[:5] = 20, 200
    Image.fromarray(label).save(label_file(voc))  # grey: no palette
    data = segbook.VOCSegDataset(voc, 'val')
    assert data.table.names == names
    assert set(np.unique(data[0][1])) == {0, 20, 255}
    with pytest.raises(ValueError, match='holds index 200'):
        segbook.VOCSegDataset(voc, 'val', table=segbook.VOC)[0]
    (voc / 'classes.json').write_text('{}', encoding='utf-8')
    with pytest.raises(ValueError, match=r'classes\.json holds no class tab'):
        segbook.VOCSegDataset(voc, 'train')


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
    split.write_text('\n'.join(names), encoding='utf-8')
    start = time.perf_counter()
    assert len(segbook.VOCSegDataset(tmp_path, 'train')) == 20_000
    print(f'opened in {time.perf_counter() - start:.2f} s')
