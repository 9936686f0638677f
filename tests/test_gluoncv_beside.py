"""What the chapter on GluonCV says of the library, against other references.

conftest.py skips this file with MXNet 2, with the reason for it.
"""

import random

import segbook
import utils

import mxnet as mx
import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import np
from PIL import Image

CLASSES = 5


@pytest.fixture(scope='module')
def gluoncv():
    return utils.import_gluoncv()


@pytest.fixture
def devkit(voc, tmp_path):
    """The three images in VOC's layout, below a folder called VOC2012."""
    folder = tmp_path / 'devkit'
    folder.mkdir()
    (folder / 'VOC2012').symlink_to(voc)
    split = voc / 'ImageSets' / 'Segmentation'
    names = [
        (split / f'{name}.txt').read_text('utf-8').split()
        for name in ('train', 'val')
    ]
    lines = ''.join(f'{name}\n' for part in names for name in part)
    (split / 'trainval.txt').write_text(lines, encoding='utf-8')
    return folder


# --------------------------------------------------------------- Its data set
def test_the_split_train_reads_trainval(gluoncv, devkit, voc):
    found = gluoncv.data.VOCSegmentation(str(devkit), 'train').images
    expected = [
        name
        for split in ('train', 'val')
        for name in utils.read_split(voc, split)
    ]
    assert [path.split('/')[-1][:-4] for path in found] == expected


def test_whole_photos_and_masks_are_ours_and_void_is_negative(
    gluoncv, devkit, voc
):
    for split in ('train', 'val'):
        ours = segbook.VOCSegDataset(voc, split)
        theirs = gluoncv.data.VOCSegmentation(str(devkit), 'train', 'testval')
        names = [path.split('/')[-1][:-4] for path in theirs.images]
        for i, name in enumerate(ours.names):
            photo, mask = (x.asnumpy() for x in theirs[names.index(name)])
            assert (photo == ours[i][0]).all()
            assert (mask.astype('int64') % 256 == ours[i][1]).all()
            assert mask.min() >= -1


def test_what_is_padded_is_background_at_the_lower_right(gluoncv, devkit):
    """Photos of 20 pixels become some of 10 to 40: many need a margin."""
    data = gluoncv.data.VOCSegmentation(
        str(devkit), 'train', base_size=20, crop_size=30
    )
    nothing = Image.new('P', (20, 20), color=255)
    white = Image.new('RGB', (20, 20), 'white')
    random.seed(0)
    margins = 0
    for _ in range(30):
        photo, mask = (
            x.asnumpy() for x in data._sync_transform(white, nothing)
        )
        margin = mask != -1
        assert set(onp.unique(mask)) <= {-1, 0}
        if margin.any():
            margins += 1
            assert photo[margin].mean() < 128  # black, but for a blur
            assert margin[-1].all() and margin[:, -1].all()
            assert not margin[0, 0]
    assert 5 < margins < 30


@pytest.mark.parametrize('size', [(20, 40), (40, 20), (30, 30)])
def test_the_mode_val_judges_the_middle(gluoncv, devkit, size):
    """The shorter side fills the crop; of the longer one stays the middle."""
    data = gluoncv.data.VOCSegmentation(str(devkit), 'val', crop_size=60)
    height, width = size
    places = onp.mgrid[:height, :width].sum(axis=0).astype('uint8')
    _, mask = data._val_sync_transform(
        Image.new('RGB', (width, height)), Image.fromarray(places)
    )
    seen = mask.asnumpy()
    assert seen.shape == (60, 60)
    edge = (max(size) - min(size)) // 2
    assert seen[0, 0] == edge
    assert seen[-1, -1] == edge + 2 * (min(size) - 1)


# ---------------------------------------------------------------- Its metrics
def their_metric(gluoncv, label, found):
    metric = gluoncv.utils.metrics.SegmentationMetric(CLASSES)
    scores = onp.eye(CLASSES)[found].transpose(2, 0, 1)[None]
    with utils.older_arrays():
        metric.update(mx.nd.array(label[None]), mx.nd.array(scores))
    return metric.get()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.integers(1, CLASSES))
def test_mean_iu_is_over_all_classes_and_void_counts_nowhere(seed, present):
    gluoncv = utils.import_gluoncv()
    rng = onp.random.default_rng(seed)
    label = rng.integers(present, size=(9, 11))
    found = rng.integers(CLASSES, size=label.shape)
    label[rng.uniform(size=label.shape) < 0.2] = -1
    accuracy, mean_iu = their_metric(gluoncv, label, found)
    ours = utils.SegmentationMetric(CLASSES)
    ours.update(onp.where(label < 0, 255, label), found)
    share = ours.present.sum() / CLASSES
    assert accuracy == pytest.approx(ours.pixel_accuracy)
    assert mean_iu == pytest.approx(ours.mean_iu * share)


def test_void_as_255_counts_as_a_mistake(gluoncv):
    label = onp.array([[0, 1, 255, 255]])
    accuracy, _ = their_metric(gluoncv, label, onp.array([[0, 1, 0, 1]]))
    assert accuracy == pytest.approx(0.5)


def test_its_loss_leaves_out_minus_one(gluoncv):
    rng = onp.random.default_rng(0)
    scores, label = rng.normal(size=(1, 3, 4, 5)), rng.integers(3, size=(4, 5))
    label[:2] = -1
    with utils.older_arrays():
        loss = gluoncv.loss.MixSoftmaxCrossEntropyLoss(aux=False)
        value = loss(mx.nd.array(scores), mx.nd.array(label[None])).asnumpy()
    chances = onp.exp(scores[0]) / onp.exp(scores[0]).sum(axis=0)
    right = [
        -onp.log(chances[label[i, j], i, j])
        for i in range(2, 4)
        for j in range(5)
    ]
    assert value.sum() == pytest.approx(sum(right) / label.size, rel=1e-4)


def voc_metric(gluoncv, kind, found, scores, labels, true, true_labels):
    metric = getattr(gluoncv.utils.metrics.voc_detection, kind)(0.5)
    arrays = (onp.array(x, 'float64')[None] for x in (found, labels, scores))
    metric.update(*arrays, *(onp.array(x)[None] for x in (true, true_labels)))
    return metric.get()[1]


@pytest.mark.parametrize('kind', ['VOCMApMetric', 'VOC07MApMetric'])
def test_one_pixel_is_added_to_the_sides(gluoncv, kind):
    true, half = [[0.0, 0, 39, 39]], [[0.0, 0, 39, 19]]
    less = [[0.0, 0, 39, 18]]
    for found, expected in ((half, 1), (less, 0)):
        value = voc_metric(gluoncv, kind, found, [0.9], [0], true, [0])
        assert value == pytest.approx(expected)


def test_classes_without_a_true_box_are_not_in_the_mean(gluoncv):
    box, far = [0.0, 0, 9, 9], [50.0, 50, 59, 59]
    value = voc_metric(
        gluoncv,
        'VOCMApMetric',
        [box, far],
        [0.9, 0.8],
        [0, 1],
        [box],
        [0],
    )
    assert value == pytest.approx(1)


# --------------------------------------------------------------- Its networks
@pytest.mark.parametrize(('cells', 'stride'), [(4, 8), (3, 5), (15, 2)])
def test_its_enlargement_pins_the_corners_ours_the_blocks(cells, stride):
    ramp = onp.tile(onp.arange(float(cells)), (1, 1, cells, 1))
    size = cells * stride
    with utils.older_arrays():
        theirs = mx.nd.contrib.BilinearResize2D(
            mx.nd.array(ramp), height=size, width=size
        ).asnumpy()
    pinned = onp.linspace(0, cells - 1, size)
    onp.testing.assert_allclose(theirs[0, 0, size // 2], pinned, atol=1e-5)
    ours = segbook.BilinearUpsampling(stride)(np.array(ramp, 'float32'))
    ours = ours.asnumpy()
    middle = (onp.arange(size) + 0.5) / stride - 0.5
    inside = (middle >= 0) & (middle <= cells - 1)
    row = ours[0, 0, size // 2]
    onp.testing.assert_allclose(row[inside], middle[inside], atol=1e-5)
    assert row[0] < 1 / stride and row[-1] < cells - 1  # it fades


@pytest.mark.parametrize('size', [(64, 64), (65, 98)])
def test_its_holes_keep_every_number(gluoncv, size):
    """Of bottleneck blocks; the chapter shows it of basic ones."""
    make = gluoncv.model_zoo.resnet50_v1b
    with utils.older_arrays():
        strided, dilated = make(classes=2), make(classes=2, dilated=True)
        x = mx.nd.random.normal(shape=(1, 3, *size))
        maps = []
        for net in (strided, dilated):
            net.initialize(mx.init.Xavier())
            net(x)
        for one, other in zip(
            strided.collect_params().values(),
            dilated.collect_params().values(),
            strict=True,
        ):
            other.set_data(one.data())
        for net in (strided, dilated):
            y = net.maxpool(net.relu(net.bn1(net.conv1(x))))
            for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
                y = stage(y)
            maps.append(y.asnumpy())
    coarse, fine = maps
    onp.testing.assert_allclose(
        fine[:, :, ::4, ::4], coarse, atol=1e-4 * abs(coarse).max()
    )


def test_a_new_array_is_handed_over_without_a_copy():
    """What the chapter says of `as_nd_ndarray`."""
    new = np.zeros(3)
    new.as_nd_ndarray()[1] = 5
    assert new.tolist() == [0, 5, 0]
