"""The built-in data set: deterministic, in the VOC layout, labels right."""

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import scenes
from support import wait_for

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[1] / 'build' / 'scenes.py'

# The names and colours of VOC2012's development kit, written out.
VOC = (
    ('background', (0, 0, 0)),
    ('aeroplane', (128, 0, 0)),
    ('bicycle', (0, 128, 0)),
    ('bird', (128, 128, 0)),
    ('boat', (0, 0, 128)),
    ('bottle', (128, 0, 128)),
    ('bus', (0, 128, 128)),
    ('car', (128, 128, 128)),
    ('cat', (64, 0, 0)),
    ('chair', (192, 0, 0)),
    ('cow', (64, 128, 0)),
    ('diningtable', (192, 128, 0)),
    ('dog', (64, 0, 128)),
    ('horse', (192, 0, 128)),
    ('motorbike', (64, 128, 128)),
    ('person', (192, 128, 128)),
    ('pottedplant', (0, 64, 0)),
    ('sheep', (128, 64, 0)),
    ('sofa', (0, 192, 0)),
    ('train', (128, 192, 0)),
    ('tvmonitor', (0, 64, 128)),
)
VOID = 255
VOID_COLOR = (224, 224, 192)


def hashes(folder):
    """Map each file below a folder to the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha1(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    """A small data set: eight images for training, four for validation."""
    target = tmp_path_factory.mktemp('scenes') / 'small'
    scenes.make_dataset(target, num_train=8, num_val=4, processes=1)
    return target


def labels_of(folder):
    for path in sorted((folder / 'SegmentationClass').iterdir()):
        with Image.open(path) as image:
            yield path.stem, np.array(image)


# ------------------------------------------------------------ The data set


def test_files_do_not_depend_on_the_run_or_the_processes(dataset, tmp_path):
    scenes.make_dataset(tmp_path / 'b', num_train=8, num_val=4, processes=2)
    assert hashes(dataset) == hashes(tmp_path / 'b')
    # Image i is the same in a data set of any size.
    scenes.make_dataset(tmp_path / 'c', num_train=2, num_val=1, processes=1)
    name = 'JPEGImages/scene_0002.jpg'
    assert hashes(dataset)[name] == hashes(tmp_path / 'c')[name]


def test_the_command_makes_the_official_splits(tmp_path):
    # The whole command, but with few images.
    code = (
        f'import runpy, sys; sys.path.insert(0, {str(SCRIPT.parent)!r});'
        'import scenes; scenes.make_dataset.__defaults__ = (3, 2, None);'
        f'sys.argv = ["scenes.py", {str(tmp_path / "a b")!r}]; scenes.main()'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd='/')
    root = tmp_path / 'a b'
    splits = {
        split: (root / f'ImageSets/Segmentation/{split}.txt')
        .read_text('utf-8')
        .split()
        for split in ('train', 'val', 'trainval')
    }
    assert (len(splits['train']), len(splits['val'])) == (3, 2)
    assert not set(splits['train']) & set(splits['val'])
    assert splits['trainval'] == splits['train'] + splits['val']
    for folder in ('JPEGImages', 'SegmentationClass'):
        stems = sorted(path.stem for path in (root / folder).iterdir())
        assert stems == sorted(splits['trainval'])
    assert (scenes.NUM_TRAIN, scenes.NUM_VAL) == (200, 60)


def test_classes_are_voc_classes_and_enough():
    assert len(scenes.CLASSES) >= 6
    for name, index in scenes.CLASSES.items():
        assert VOC[index][0] == name
    assert scenes.CLASSES.keys() == scenes.SHAPES.keys()
    assert scenes.CLASSES.keys() == scenes.LEAN.keys()


def test_labels_are_palette_images_with_the_voc_colours(dataset):
    for path in (dataset / 'SegmentationClass').iterdir():
        with Image.open(path) as image:
            assert image.mode == 'P'
            table = np.array(image.getpalette()).reshape(-1, 3)
        for index, (_, colour) in enumerate(VOC):
            assert tuple(table[index]) == colour
        assert tuple(table[VOID]) == VOID_COLOR


def test_photos_and_labels_fit_and_hold_only_drawn_classes(dataset):
    allowed = {0, VOID, *scenes.CLASSES.values()}
    for name, label in labels_of(dataset):
        with Image.open(dataset / 'JPEGImages' / f'{name}.jpg') as photo:
            assert photo.mode == 'RGB'
            assert photo.size == label.shape[::-1]
        assert label.dtype == np.uint8
        found = set(np.unique(label))
        assert found <= allowed
        assert found - {0, VOID}, f'{name} shows no object'


def test_sizes_are_those_of_voc():
    sizes = [
        scenes.image_size(np.random.default_rng((scenes.SEED, i)))
        for i in range(scenes.NUM_TRAIN + scenes.NUM_VAL)
    ]
    assert 0.3 < np.mean([size == (500, 375) for size in sizes]) < 0.7
    portrait = np.mean([height > width for width, height in sizes])
    assert 0.1 < portrait < 0.4
    # A crop of 320x480 has to be padded now and then, in both directions.
    assert any(height < 320 for _, height in sizes)
    assert any(width < 480 for width, _ in sizes)
    assert all(max(size) <= 500 for size in sizes)


# -------------------------------------------------------------------- Void


def stencil_of(top, left, height, width):
    """A full rectangle, as a `Stencil`."""
    ones = np.ones((height, width), 'float32')
    return scenes.Stencil(top, left, ones, 0 * ones, 0 * ones, ones.sum())


def test_void_is_five_pixels_wide_and_straddles_the_outline():
    things = [scenes.Thing('horse', stencil_of(20, 30, 40, 40))]
    label = scenes.draw_label(things, 80, 100)
    horse = scenes.CLASSES['horse']
    # Through the middle, across the left and the upper side.
    for line, edge in ((label[40], 30), (label[:, 50], 20)):
        outside, inside = edge - 3, edge + 2
        assert (line[:outside] == 0).all()
        assert (line[outside:inside] == VOID).all()
        assert (line[inside : inside + 30] == horse).all()


def test_void_parts_two_objects_of_one_class():
    things = [
        scenes.Thing('car', stencil_of(10, 10, 40, 40)),
        scenes.Thing('car', stencil_of(10, 40, 40, 40)),  # in front
    ]
    row = scenes.draw_label(things, 60, 100)[30]
    void = np.flatnonzero(row == VOID)
    car = scenes.CLASSES['car']
    assert void.tolist() == [*range(7, 12), *range(37, 42), *range(78, 83)]
    assert (row[12:37] == car).all() and (row[42:78] == car).all()


def test_no_object_touches_anything_but_void(dataset):
    for name, label in labels_of(dataset):
        label = label.astype(int)
        for a, b in (
            (label[1:], label[:-1]),
            (label[:, 1:], label[:, :-1]),
        ):
            touching = (a != b) & (a != VOID) & (b != VOID)
            assert not touching.any(), name


# ------------------------------------------------------------------ Scenes


@pytest.fixture(scope='module')
def arranged():
    """The objects of some small scenes: [(things, height, width, label)]."""
    found, draw = [], scenes.draw_label

    def spy(things, height, width):
        label = draw(things, height, width)
        found.append((list(things), height, width, label))
        return label

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, 'draw_label', spy)
        for i in range(60):
            scenes.draw_scene(np.random.default_rng((7, i)), 188, 250)
    return found


def test_scenes_hold_one_to_four_objects(arranged):
    counts = {len(things) for things, *_ in arranged}
    assert counts == {1, 2, 3, 4}
    names = {thing.name for things, *_ in arranged for thing in things}
    assert names == set(scenes.CLASSES)


def test_no_object_is_more_than_half_hidden(arranged):
    for things, height, width, _ in arranged:
        front = np.full((height, width), -1)
        for i, thing in enumerate(things):
            box = front[thing.stencil.area()]
            box[thing.stencil.cover >= 0.5] = i
        for i, thing in enumerate(things):
            assert (front == i).sum() >= 0.5 * thing.stencil.whole


def test_scale_varies_widely(arranged):
    lengths = [
        max(thing.stencil.cover.shape)
        for things, *_ in arranged
        for thing in things
    ]
    assert max(lengths) > 3 * min(lengths)


def test_parts_are_thin_for_a_stride_of_32(arranged):
    """Labels averaged over 32x32 blocks lose much of what they show."""
    right = total = 0
    for *_, label in arranged:
        objects = (label != 0) & (label != VOID)
        blocks = objects[:160, :224].reshape(5, 32, 7, 32)
        coarse = blocks.mean(axis=(1, 3), keepdims=True) >= 0.5
        coarse = np.broadcast_to(coarse, blocks.shape)
        right += (blocks & coarse).sum()
        total += (blocks | coarse).sum()
    assert right / total < 0.8


# Colour must not tell a class: a classifier of pixels by their colour, which
# is shown to work on objects that do have colours of their own.


def colour_accuracy(train, test):
    """Classify pixels by colour histograms; the mean accuracy of classes.

    `train`, `test`: lists of (photo, label).
    """

    def codes(photo):
        r, g, b = (photo // 32).astype(int).transpose(2, 0, 1)
        return r * 64 + g * 8 + b

    classes = [0, *scenes.CLASSES.values()]
    counts = np.ones((len(classes), 512))
    for photo, label in train:
        for k, index in enumerate(classes):
            np.add.at(counts[k], codes(photo)[label == index], 1)
    likely = (counts / counts.sum(axis=1, keepdims=True)).argmax(axis=0)
    right, total = np.zeros(len(classes)), np.zeros(len(classes))
    for photo, label in test:
        for k, index in enumerate(classes):
            chosen = likely[codes(photo)[label == index]]
            right[k] += (chosen == k).sum()
            total[k] += chosen.size
    return (right / total).mean()


def test_colour_does_not_tell_the_class():
    drawn = [
        scenes.draw_scene(np.random.default_rng((8, i)), 120, 160)
        for i in range(160)
    ]
    train, test = drawn[:110], drawn[110:]
    chance = 1 / (len(scenes.CLASSES) + 1)
    assert colour_accuracy(train, test) < 2 * chance

    def tinted(photo, label):
        own = np.array([colour for _, colour in VOC] + [(0, 0, 0)])
        index = np.where(label == VOID, 21, label)
        return ((photo + 2.0 * own[index]) / 3).astype('uint8'), label

    coloured = [tinted(*pair) for pair in drawn]
    assert colour_accuracy(coloured[:110], coloured[110:]) > 0.6


# ------------------------------------------------------------------ Shapes


def test_place_keeps_length_base_and_middle():
    square = [scenes.polygon((0, 0), (2, 0), (2, 1), (0, 1))]
    (part,) = scenes.place(square, length=50, x=70, base=90)
    low, high = part.outline.min(axis=0), part.outline.max(axis=0)
    assert np.allclose(low, (45, 65)) and np.allclose(high, (95, 90))
    (turned,) = scenes.place(square, length=50, x=70, base=90, angle=90)
    low, high = turned.outline.min(axis=0), turned.outline.max(axis=0)
    assert np.allclose(high - low, (25, 50)) and np.isclose(high[1], 90)


def test_place_mirrors():
    parts = scenes.car(np.random.default_rng(0))
    plain = scenes.place(parts, 60, x=40, base=60)
    flipped = scenes.place(parts, 60, x=40, base=60, flip=True)
    left = scenes.rasterise(plain, 80, 80)
    right = scenes.rasterise(flipped, 80, 80)
    whole = [np.zeros((80, 80)), np.zeros((80, 80))]
    for canvas, stencil in zip(whole, (left, right), strict=True):
        canvas[stencil.area()] = stencil.cover
    assert np.abs(whole[0] - whole[1][:, ::-1]).max() < 0.35  # antialiasing
    assert np.abs(whole[0] - whole[1]).max() == 1


def test_rasterise_measures_areas():
    triangle = scenes.polygon((10.3, 5), (60, 20.7), (20, 70))
    x, y = triangle.outline.T
    shoelace = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    inside = scenes.rasterise([triangle], 100, 100)
    assert inside.cover.sum() == pytest.approx(shoelace, rel=0.03)
    cut = scenes.rasterise([triangle], 100, 25)
    assert cut.cover.sum() < 0.6 * shoelace
    assert cut.whole == pytest.approx(shoelace, rel=0.06)
    assert scenes.rasterise([triangle], 100, 8) is None


def test_oklch_knows_white_black_and_red():
    # Red is the example of Ottosson's page, converted to polar form.
    assert np.allclose(scenes.oklch(1, 0, 0), 1, atol=1e-3)
    assert np.allclose(scenes.oklch(0, 0, 0), 0)
    red = scenes.oklch(0.62796, 0.25768, np.radians(29.234))
    assert np.allclose(red, (1, 0, 0), atol=2e-3)


# -------------------------------------------------------------- Thumbnails


def test_thumbnails_show_the_class_they_name(monkeypatch):
    drawn = []
    for name, shape in list(scenes.SHAPES.items()):

        def spy(rng, name=name, shape=shape):
            drawn.append(name)
            return shape(rng)

        monkeypatch.setitem(scenes.SHAPES, name, spy)
    seen = set()
    for i in range(60):
        drawn.clear()
        rng = np.random.default_rng((9, i))
        photo, index = scenes.thumbnail(rng, 48)
        assert photo.shape == (48, 48, 3) and photo.dtype == np.uint8
        assert set(drawn) == ({VOC[index][0]} if index else set())
        seen.add(index)
    assert seen == {0, *scenes.CLASSES.values()}


def test_thumbnails_are_repeatable():
    first, again = (
        scenes.thumbnail(np.random.default_rng(3), 48) for _ in range(2)
    )
    assert (first[0] == again[0]).all() and first[1] == again[1]
    other = scenes.thumbnail(np.random.default_rng(4), 48)
    assert (first[0] != other[0]).any()


# ----------------------------------------------------------- Complete or not


def test_an_error_leaves_nothing(tmp_path, monkeypatch):
    draw = scenes.write_scene

    def fail(i, folder):
        if i == 2:
            raise RuntimeError('the disk is full')
        draw(i, folder)

    monkeypatch.setattr(scenes, 'write_scene', fail)
    with pytest.raises(RuntimeError, match='the disk is full'):
        scenes.make_dataset(tmp_path / 'data', 3, 1, processes=1)
    assert not list(tmp_path.iterdir())


def test_a_killed_run_leaves_no_target_and_the_next_one_works(tmp_path):
    target = tmp_path / 'data'
    run = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(target)],
        stderr=subprocess.DEVNULL,  # its workers mourn it
    )
    wait_for(lambda: list(tmp_path.glob('.data-*/JPEGImages/*.jpg')))
    assert run.poll() is None and not target.exists()
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not target.exists()
    scenes.make_dataset(target, 1, 1, processes=1)
    assert len(list((target / 'JPEGImages').iterdir())) == 2


def test_whoever_is_second_keeps_what_is_there(tmp_path):
    scenes.make_dataset(tmp_path / 'data', 1, 1, processes=1)
    before = hashes(tmp_path)
    scenes.make_dataset(tmp_path / 'data', 1, 1, processes=1)
    assert hashes(tmp_path) == before  # and no folder is left beside it
