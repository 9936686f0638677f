"""Boxes: read, compared, proposed, pooled, judged; against loops and MXNet."""

import multiprocessing
import shutil
import subprocess

import objects
import scenes
import segbook
import utils
from parts.nets import zero_gradients
from tools import four_steps

import mxnet as mx
import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, np, npx

ON_MXNET1 = mx.__version__.startswith('1.')
CONTRIB = mx.nd.contrib if ON_MXNET1 else npx
SMALL = 5  # scenes


# ------------------------------------------------- The objects of the scenes
@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """A few scenes, called as the built-in set is, without any boxes."""
    root = tmp_path_factory.mktemp('boxes') / utils.voc_root().name
    scenes.make_dataset(root, SMALL - 2, 2, processes=1)
    return root


@pytest.fixture(scope='module')
def annotated(drawn):
    root = drawn.parent / 'other' / drawn.name
    shutil.copytree(drawn, root)
    return utils.annotated(root)


def names_of(root):
    return utils.read_split(root, 'trainval')


def test_objects_are_those_of_the_label(annotated):
    """Each has one class, all its pixels in its box, none beyond."""
    for name in names_of(annotated):
        _, label = segbook.read_pair(annotated, name)
        order = utils.read_objects(annotated, name)
        boxes, classes = utils.read_boxes(annotated, name, segbook.VOC)
        assert (order == utils.VOID).sum() == (label == utils.VOID).sum()
        assert ((order == 0) == (label == 0)).all()
        for k, (box, index) in enumerate(zip(boxes, classes, strict=True), 1):
            rows, columns = onp.nonzero(order == k)
            assert set(label[rows, columns]) == {index}
            # The box is that of the object before void covers its outline.
            low, high = (
                (columns.min(), rows.min()),
                (columns.max(), rows.max()),
            )
            inner = onp.array([*low, *onp.add(high, 1)])
            assert (abs(inner - box) <= 2 * scenes.VOID_OUTSIDE + 9).all()
            assert (box[:2] <= low).all() and (box[2:] > high).all()
        assert len(boxes) == len(set(order.ravel()) - {0, utils.VOID})


def test_a_box_is_tight_around_what_was_drawn():
    _, order, names = objects.draw_objects(1)
    for k in range(1, len(names) + 1):
        box = objects.box_of(order == k)
        cut = order[
            box['ymin'] - 1 : box['ymax'], box['xmin'] - 1 : box['xmax']
        ]
        assert (cut == k).sum() == (order == k).sum()
        for side in (cut[0], cut[-1], cut[:, 0], cut[:, -1]):
            assert (side == k).any()


def test_the_scenes_stay_as_they_are(drawn, annotated):
    for path in sorted(drawn.rglob('*.*')):
        other = annotated / path.relative_to(drawn)
        assert path.read_bytes() == other.read_bytes()
    assert not (drawn / 'Annotations').exists()
    assert not list(annotated.glob('.*'))


def _annotate(root):
    utils.annotated(root)
    return len(list((root / 'Annotations').glob('*.xml')))


def test_two_processes_at_once_find_all_objects(drawn):
    root = drawn.parent / 'two' / drawn.name
    shutil.copytree(drawn, root)
    with multiprocessing.get_context('spawn').Pool(2) as pool:
        assert pool.map(_annotate, [root, root], 1) == [SMALL, SMALL]
    assert len(list((root / 'SegmentationObject').glob('*.png'))) == SMALL


def test_half_of_the_objects_is_none_of_them(drawn):
    """What was interrupted between the two folders is done again."""
    root = drawn.parent / 'half' / drawn.name
    shutil.copytree(drawn, root)
    (root / 'SegmentationObject').mkdir()
    assert _annotate(root) == SMALL
    assert len(list((root / 'SegmentationObject').glob('*.png'))) == SMALL


def test_another_scene_of_the_same_name_is_refused(drawn):
    root = drawn.parent / 'wrong' / drawn.name
    shutil.copytree(drawn, root)
    path = root / 'SegmentationClass' / 'scene_0002.png'
    shutil.copy(root / 'SegmentationClass' / 'scene_0001.png', path)
    with pytest.raises(ValueError, match='scene_0002.png is not the label'):
        objects.make_objects(root, root / 'made', processes=1)
    with pytest.raises(subprocess.CalledProcessError):
        utils.annotated(root)
    assert not (root / 'Annotations').exists()


def test_a_set_without_boxes_says_what_is_missing(voc):
    with pytest.raises(FileNotFoundError, match='no folder SegmentationObj'):
        utils.annotated(voc)
    (voc / 'SegmentationObject').mkdir()
    with pytest.raises(FileNotFoundError, match='no folder Annotations'):
        utils.annotated(voc)
    (voc / 'Annotations').mkdir()
    assert utils.annotated(voc) == voc


def test_boxes_as_gluoncv_reads_them(annotated, tmp_path):
    """An independent reader: gluoncv's, which counts to the last pixel."""
    import gluoncv

    year = tmp_path / 'VOC2012'
    shutil.copytree(annotated, year)
    shutil.copytree(
        year / 'ImageSets' / 'Segmentation', year / 'ImageSets' / 'Main'
    )
    theirs = gluoncv.data.VOCDetection(
        str(tmp_path), [(2012, 'trainval')], preload_label=False
    )
    for i, name in enumerate(names_of(annotated)):
        boxes, classes = utils.read_boxes(annotated, name, segbook.VOC)
        label = theirs._load_label(i)
        onp.testing.assert_array_equal(boxes - [0, 0, 1, 1], label[:, :4])
        onp.testing.assert_array_equal(classes - 1, label[:, 4])


# ---------------------------------------------------------------- Bad files
GOOD = """<annotation><size><width>60</width><height>40</height></size>
<object><name>car</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>
<ymax>{}</ymax></bndbox><part><name>head</name><bndbox><xmin>99</xmin>
</bndbox></part></object></annotation>"""


def read(tmp_path, text):
    (tmp_path / 'Annotations').mkdir(exist_ok=True)
    path = tmp_path / 'Annotations' / 'a.xml'
    path.write_text(text, encoding='utf-8')
    return utils.read_boxes(tmp_path, 'a', segbook.VOC)


def test_a_file_is_read_from_one_on_inclusive(tmp_path):
    boxes, classes = read(tmp_path, GOOD.format(1, 1, 60, 40))
    assert boxes.tolist() == [[0, 0, 60, 40]] and classes.tolist() == [7]
    boxes, _ = read(tmp_path, GOOD.format(5, 6, 5, 6))  # one pixel
    assert boxes.tolist() == [[4, 5, 5, 6]]
    boxes, _ = read(tmp_path, GOOD.format('5.7000008', 6, 50, 36))
    assert boxes.tolist() == [[5, 5, 50, 36]]


def test_a_photo_without_objects_has_no_boxes(tmp_path):
    text = GOOD.format(1, 1, 2, 2)
    text = text[: text.index('<object>')] + '</annotation>'
    boxes, classes = read(tmp_path, text)
    assert boxes.shape == (0, 4) and classes.shape == (0,)


BAD_FILES = {
    'from 0': (GOOD.format(0, 1, 9, 9), 'reversed or leaves .*1 to 60'),
    'outside': (GOOD.format(1, 1, 61, 9), 'reversed or leaves .*1 to 60'),
    'below': (GOOD.format(1, 1, 9, 41), 'rows 1 to 40'),
    'reversed': (GOOD.format(9, 1, 5, 9), 'reversed or leaves'),
    'a word': (GOOD.format('x', 1, 5, 9), 'bndbox/xmin is no number.*x'),
    'nan': (GOOD.format('nan', 1, 5, 9), 'bndbox/xmin is no number'),
    'no class': (
        GOOD.format(1, 1, 5, 9).replace('car', 'unicorn'),
        'unicorn is no class',
    ),
    'no box': (
        GOOD.format(1, 1, 5, 9).replace('<ymax>9</ymax>', ''),
        'object has no bndbox/ymax',
    ),
    'no size': (GOOD.replace('width', 'w'), 'annotation has no size/width'),
    'no XML': ('a', 'syntax error'),
    'entities': (
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        'words of its own',
    ),
    'huge': (' ' * 2**20 + GOOD, 'more than 1048576 bytes'),
}


@pytest.mark.parametrize('case', BAD_FILES)
def test_a_bad_file_gets_one_error_that_names_it(tmp_path, case):
    text, message = BAD_FILES[case]
    with pytest.raises(ValueError, match=f'a.xml cannot be read: .*{message}'):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.xml'):
        utils.read_boxes(tmp_path, 'none', segbook.VOC)


BAD_BOXES = [
    ([[0, 0, 5]], r'the shape \(n, 4\), not \(1, 3\)'),
    ([0, 0, 5, 5], r'the shape \(n, 4\), not \(4,\)'),
    ([[0, 0, 5, 5], [0, 0, 0, 5]], r'box 1, \[0, 0, 0, 5\], is empty or rev'),
    ([[0, 9, 5, 5]], 'box 0, .* is empty or reversed'),
    ([[0, 0, onp.nan, 5]], 'box 0, .* finite'),
    ([[0, 0, 61, 5]], 'leaves the photo of 60 x 40'),
    ([[-1, 0, 6, 5]], 'leaves the photo of 60 x 40'),
]


@pytest.mark.parametrize(('boxes', 'message'), BAD_BOXES)
def test_bad_boxes_get_one_clear_error(boxes, message):
    with pytest.raises(ValueError, match=message):
        utils.check_boxes(boxes, (40, 60))


def test_no_boxes_are_boxes():
    utils.check_boxes(onp.zeros((0, 4)))
    utils.check_boxes([[0, 0, 60, 40]], (40, 60))


# ------------------------------------------------------------ IoU and NMS
def some_boxes(rng, number, whole=False):
    corners = rng.uniform(0, 60, size=(number, 2))
    boxes = onp.concatenate(
        [corners, corners + rng.uniform(3, 50, (number, 2))], 1
    )
    return boxes.round() if whole else boxes


def old(array):
    return (
        np.array(array, dtype='float32').as_nd_ndarray()
        if ON_MXNET1
        else (np.array(array, dtype='float32'))
    )


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99))
def test_iou_counts_pixels(seed):
    rng = onp.random.default_rng(seed)
    ours, others = some_boxes(rng, 3, True), some_boxes(rng, 4, True)

    def pixels(box):
        x0, y0, x1, y1 = box.astype(int)
        canvas = onp.zeros((130, 130), bool)
        canvas[y0:y1, x0:x1] = True
        return canvas

    wanted = [
        [
            (pixels(a) & pixels(b)).sum() / (pixels(a) | pixels(b)).sum()
            for b in others
        ]
        for a in ours
    ]
    onp.testing.assert_allclose(segbook.iou(ours, others), wanted)


def test_iou_is_that_of_mxnet():
    rng = onp.random.default_rng(0)
    ours, others = some_boxes(rng, 20), some_boxes(rng, 30)
    theirs = CONTRIB.box_iou(old(ours), old(others), format='corner')
    onp.testing.assert_allclose(
        segbook.iou(ours, others), theirs.asnumpy(), atol=1e-5
    )


def slow_nms(boxes, scores, most):
    """By the words: take the best, remove what is too near, go on."""
    left, kept = set(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        kept.append(best)
        left -= {
            i
            for i in left
            if i == best
            or segbook.iou(boxes[i : i + 1], boxes[best : best + 1]) > most
        }
    return kept


@pytest.mark.parametrize('most', [0.2, 0.5, 0.7])
def test_nms_is_the_loop_and_that_of_mxnet(most):
    rng = onp.random.default_rng(1)
    boxes, scores = some_boxes(rng, 60), rng.permutation(60) / 60 + 0.01
    ours = segbook.nms(boxes, scores, most, 60)
    assert ours.tolist() == slow_nms(boxes, scores, most)
    rows = old(onp.concatenate([scores[:, None], boxes], axis=1))
    theirs = CONTRIB.box_nms(
        rows, overlap_thresh=most, score_index=0, coord_start=1, id_index=-1
    ).asnumpy()
    theirs = theirs[theirs[:, 0] > 0]
    onp.testing.assert_allclose(scores[ours], theirs[:, 0], atol=1e-6)
    assert segbook.nms(boxes, scores, most, 3).tolist() == ours[:3].tolist()


def test_nms_of_nothing_is_nothing():
    assert len(segbook.nms(onp.zeros((0, 4)), onp.zeros(0), 0.5, 9)) == 0


# ---------------------------------------------------------------- Anchors
SHAPES = onp.array([(32.0, 32), (64, 32), (40, 90)])


def test_anchors_lie_around_the_pixels_that_cells_look_at():
    anchors = segbook.make_anchors(3, 5, SHAPES).reshape(3, 5, 3, 4)
    for i, j, k in onp.ndindex(3, 5, 3):
        x0, y0, x1, y1 = anchors[i, j, k]
        assert (x0 + x1) / 2 == 16 * j + 0.5  # the middle of pixel 16 j
        assert (y0 + y1) / 2 == 16 * i + 0.5
        assert (x1 - x0, y1 - y0) == tuple(SHAPES[k])


def test_labels_follow_both_rules_in_a_loop():
    rng = onp.random.default_rng(2)
    for count in (1, 2, 4):
        anchors = segbook.make_anchors(4, 5, SHAPES)
        boxes = some_boxes(rng, count)
        labels, nearest = segbook.assign(anchors, boxes)
        overlap = segbook.iou(anchors, boxes)
        best = {int(overlap[:, k].argmax()): k for k in range(count)}
        for i, row in enumerate(overlap):
            if i in best:
                assert labels[i] == 1 and nearest[i] == best[i]
            else:
                wanted = 1 if row.max() > 0.7 else 0 if row.max() < 0.3 else -1
                assert labels[i] == wanted and nearest[i] == row.argmax()
        assert (labels == 1).any()


def test_a_photo_without_objects_has_negative_anchors_alone():
    labels, _ = segbook.assign(
        onp.ones((5, 4)) * [0, 0, 1, 1], onp.zeros((0, 4))
    )
    assert (labels == 0).all()


def test_assign_refuses_what_is_no_box():
    with pytest.raises(ValueError, match='box 0, .* empty or reversed'):
        segbook.assign(onp.zeros((5, 4)), onp.array([[5, 5, 1, 9]]))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99))
def test_encoding_is_undone_and_as_the_formula_says(seed):
    rng = onp.random.default_rng(seed)
    anchors, boxes = some_boxes(rng, 7), some_boxes(rng, 7)
    changes = segbook.encode(anchors, boxes)
    onp.testing.assert_allclose(segbook.decode(anchors, changes), boxes)
    for change, (a0, b0, a1, b1), (x0, y0, x1, y1) in zip(
        changes, anchors, boxes, strict=True
    ):
        wanted = [
            ((x0 + x1) / 2 - (a0 + a1) / 2) / (a1 - a0) / 0.1,
            ((y0 + y1) / 2 - (b0 + b1) / 2) / (b1 - b0) / 0.1,
            onp.log((x1 - x0) / (a1 - a0)) / 0.2,
            onp.log((y1 - y0) / (b1 - b0)) / 0.2,
        ]
        onp.testing.assert_allclose(change, wanted)


def test_a_mad_change_leaves_a_finite_box():
    huge = onp.array([[0, 0, 1e6, 1e6]])
    box = segbook.decode(onp.array([[0.0, 0, 10, 10]]), huge)
    assert onp.isfinite(box).all()


def test_a_sample_is_half_positive_at_most():
    rng = onp.random.default_rng(0)
    for right, wrong in ((200, 500), (6, 500), (0, 500), (50, 10)):
        labels = onp.repeat([1, 0, -1], [right, wrong, 100])
        positive, negative = segbook.choose_anchors(labels, rng)
        assert len(positive) == min(right, 128)
        assert len(negative) == min(wrong, 256 - len(positive))
        assert (labels[positive] == 1).all() and (labels[negative] == 0).all()
        assert len({*positive, *negative}) == len(positive) + len(negative)


# ---------------------------------------------------------------- Pooling
def maps_and_boxes():
    rng = onp.random.default_rng(3)
    maps = rng.normal(size=(1, 4, 9, 12)).astype('float32')
    boxes = some_boxes(rng, 8) * 2.2
    return maps, onp.concatenate([boxes, [[3, 5, 6, 8], [0, 0, 191, 143]]])


def test_roi_pooling_by_hand_is_the_operator():
    maps, boxes = maps_and_boxes()
    theirs = segbook.pooled(np.array(maps), boxes, count=5).asnumpy()
    for box, wanted in zip(boxes, theirs, strict=True):
        for channel, its in zip(maps[0], wanted, strict=True):
            ours = segbook.roi_pooling(channel, box, 5)
            onp.testing.assert_array_equal(ours, its)


def test_bins_cover_all_cells_in_order():
    for start, end, count in ((0, 6, 7), (0, 6, 3), (2, 2, 7), (5, 20, 4)):
        found = segbook.bins(start, end, count)
        seen = {
            cell for first, behind in found for cell in range(first, behind)
        }
        assert seen == set(range(start, end + 1))
        assert found == sorted(found) and len(found) == count


def test_roi_align_is_the_operator():
    """On the map; beyond it the operator's samples become 0."""
    maps, boxes = maps_and_boxes()
    boxes = boxes.clip(0, (191, 143, 191, 143))
    rois = onp.concatenate([onp.zeros((len(boxes), 1)), boxes], axis=1)
    theirs = mx.nd.contrib.ROIAlign(
        np.array(maps).as_nd_ndarray(),
        np.array(rois, dtype='float32').as_nd_ndarray(),
        pooled_size=(5, 5),
        spatial_scale=1 / 16,
        sample_ratio=2,
    ).asnumpy()
    large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= 16  # it enlarges less
    assert large.sum() >= 5
    for box, wanted in zip(boxes[large], theirs[large], strict=True):
        ours = segbook.roi_align(maps[0], box, 5)
        onp.testing.assert_allclose(ours, wanted, atol=1e-5)


# ------------------------------------------------------------- The network
@pytest.fixture(scope='module')
def detector():
    features = mx.gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(mx.init.Xavier(), mx.cpu())
    features(np.zeros((1, 3, 32, 32)))
    rpn, head = segbook.RPN(len(SHAPES)), segbook.Head(21, hidden=16)
    for part in (rpn, head):
        segbook.initialize(part, [mx.cpu()])
    net = segbook.Detector(segbook.Trunk(features), rpn, head, SHAPES)
    segbook.detect(net, photo_of())  # MXNet 2 learns some sizes only now
    return net


def photo_of(height=120, width=100):
    rng = onp.random.default_rng(0)
    return rng.integers(256, size=(height, width, 3)).astype('uint8')


def test_answers_lie_in_the_order_of_the_anchors(detector):
    maps, scores, changes, anchors = detector.look(photo_of())
    assert maps.shape == (1, 256, 8, 8)
    assert scores.shape == (8 * 8 * 3,) and changes.shape == anchors.shape
    z = detector.rpn.window(maps)
    score, change = detector.rpn.score(z), detector.rpn.change(z)
    i, j, k = 2, 5, 1
    row = (i * 8 + j) * 3 + k
    assert scores[row] == score[0, k, i, j]
    assert (changes[row] == change[0, 4 * k : 4 * k + 4, i, j]).all()


def test_the_losses_are_the_formulas(detector):
    """Written down for each anchor, with the same sample."""
    photo = photo_of()
    boxes = onp.array([[10, 20, 60, 70.0], [30, 5, 95, 40]])
    _, scores, changes, anchors = detector.look(photo)
    rng = onp.random.default_rng(5)
    ours = segbook.rpn_loss(scores, changes, anchors, boxes, rng).item()
    labels, nearest = segbook.assign(anchors, boxes)
    rng = onp.random.default_rng(5)
    positive, negative = segbook.choose_anchors(labels, rng)
    total = 0
    for i in [*positive, *negative]:
        chance = 1 / (1 + onp.exp(-float(scores[i])))
        total -= onp.log(chance if labels[i] else 1 - chance)
    for i in positive:
        wanted = segbook.encode(anchors[[i]], boxes[nearest[[i]]])[0]
        for error in abs(changes[i].asnumpy() - wanted):
            total += error**2 / 2 if error < 1 else error - 0.5
    assert abs(ours - total / (len(positive) + len(negative))) < 1e-4


def test_scenes_with_and_without_objects_teach(detector):
    """A step changes what learns, and nothing else; no loss is nan."""
    none = onp.zeros((0, 4)), onp.zeros(0, 'int64')
    one = onp.array([[10, 20, 60, 70.0]]), onp.array([7])
    scenes_ = [(photo_of(), *some) for some in (none, one, none)]
    before = {
        key: p.data().asnumpy() for key, p in detector.collect_params().items()
    }
    (losses,) = segbook.train_detector(detector, scenes_, 1, 0)
    assert onp.isfinite(losses).all()
    fixed = {id(p) for p in detector.trunk.fixed.collect_params().values()}
    for key, p in detector.collect_params().items():
        same = (p.data().asnumpy() == before[key]).all()
        assert same == (id(p) in fixed or 'running' in key), key


def test_mirrored_boxes_hold_the_mirrored_pixels():
    photo = photo_of(20, 30)
    boxes = onp.array([[2, 3, 9, 15], [0, 0, 30, 20]])
    other, swapped = segbook.mirrored(photo, boxes)
    for (x0, y0, x1, y1), (a, b, c, d) in zip(boxes, swapped, strict=True):
        cut = photo[y0:y1, x0:x1]
        assert (other[b:d, a:c] == cut[:, ::-1]).all()
    back, same = segbook.mirrored(other, swapped)
    assert (back == photo).all() and (same == boxes).all()


def test_proposals_are_boxes_of_the_photo(detector):
    photo = photo_of(70, 100)
    _, *said = detector.look(photo)
    boxes = segbook.propose(*said, photo.shape[:2], last=20)
    assert 0 < len(boxes) <= 20
    utils.check_boxes(boxes, photo.shape[:2])
    assert (boxes[:, 2:] - boxes[:, :2] >= 16).all()
    overlap = segbook.iou(boxes, boxes) - onp.eye(len(boxes))
    assert overlap.max() <= 0.7


def test_detections_are_sorted_out_by_class(detector):
    photo = photo_of(70, 100)
    boxes, classes, scores = segbook.detect(detector, photo, least=0.01)
    assert len(boxes) == len(classes) == len(scores) > 0
    assert (classes > 0).all() and (scores >= 0.01).all()
    for index in set(classes.tolist()):
        its = boxes[classes == index]
        overlap = segbook.iou(its, its) - onp.eye(len(its))
        assert overlap.max() <= 0.3 + 1e-6


def test_nothing_found_is_no_boxes(detector):
    boxes, classes, scores = segbook.detect(detector, photo_of(), least=1.1)
    assert boxes.shape == (0, 4) and len(classes) == len(scores) == 0


def test_the_head_sends_no_gradient_to_the_proposals(detector):
    photo = photo_of()
    boxes, classes = onp.array([[10, 20, 60, 70.0]]), onp.array([7])
    zero_gradients(detector)
    rng = onp.random.default_rng(0)
    with autograd.record():
        _, loss = detector.loss(photo, boxes, classes, rng)
    loss.backward()
    for weight in detector.rpn.collect_params().values():
        assert abs(weight.grad()).max() == 0
    assert abs(detector.head.score.weight.grad()).max() > 0


# ------------------------------------------------------- Average precision
def fake_detections(seed, photos=6, kinds=3):
    """True boxes, and detections near some of them, with distinct scores."""
    rng = onp.random.default_rng(seed)
    truth, found = [], []
    scores = iter(rng.permutation(1000) / 1000)
    for _ in range(photos):
        number = int(rng.integers(0, 4))
        boxes, classes = (
            some_boxes(rng, number),
            rng.integers(1, kinds, number),
        )
        truth.append((boxes, classes))
        near = onp.repeat(boxes, 3, axis=0)
        near = near + rng.normal(scale=3, size=near.shape)
        near = onp.concatenate([near, some_boxes(rng, 3)])
        near[:, 2:] = onp.maximum(near[:, 2:], near[:, :2] + 1)
        kind = onp.concatenate([classes.repeat(3), rng.integers(1, kinds, 3)])
        found.append((near, kind, onp.array([next(scores) for _ in near])))
    return found, truth


@pytest.mark.parametrize('least', [0.5, 0.7])
@pytest.mark.parametrize('seed', range(4))
def test_average_precision_is_that_of_gluoncv(seed, least):
    from gluoncv.utils.metrics.voc_detection import VOCMApMetric

    metric = VOCMApMetric(iou_thresh=least, class_names=['b', 'x', 'y'])
    found, truth = fake_detections(seed)
    for (boxes, kinds, scores), (real, classes) in zip(
        found, truth, strict=True
    ):
        last = onp.array([0, 0, 1, 1])  # gluoncv names the last pixel
        metric.update(
            *([(boxes - last)[None]], [kinds[None]], [scores[None]]),
            *([(real - last)[None]], [classes[None]]),
        )
    theirs = dict(zip(*metric.get(), strict=True))
    for index, name in ((1, 'x'), (2, 'y')):
        ours = segbook.average_precision(
            *segbook.matches(found, truth, index, least)
        )
        assert 0 < ours < 1
        assert abs(ours - theirs[name]) < 1e-6


def test_average_precision_by_hand():
    """Right, wrong, right; three objects: 1/3 (1 + 2/3)."""
    right = onp.array([True, False, True])
    assert segbook.average_precision(right, 3) == pytest.approx(5 / 9)
    assert segbook.average_precision(right[:0], 3) == 0
    assert onp.isnan(segbook.average_precision(right[:0], 0))


def test_a_second_box_on_one_object_is_wrong():
    box = onp.array([[0, 0, 10, 10.0]])
    found = [
        (onp.concatenate([box, box]), onp.array([1, 1]), onp.array([0.5, 0.9]))
    ]
    right, number = segbook.matches(found, [(box, onp.array([1]))], 1, 0.5)
    assert right.tolist() == [True, False] and number == 1


# ------------------------------------------------------------------- Masks
def test_masks_are_the_class_within_the_box():
    label = onp.array([[7, 7, 0, 7], [7, 15, 15, 7]])
    boxes = onp.array([[0, 0, 2, 2], [1.2, 0, 4, 2]])
    masks = segbook.masks_of(label, boxes, [7, 15])
    assert masks.astype(int).tolist() == [
        [[1, 1, 0, 0], [1, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 1, 1, 0]],
    ]
    assert segbook.masks_of(label, onp.zeros((0, 4)), []).shape == (0, 2, 4)


# --------------------------------------------------------- Boxes on photos
def test_boxes_are_drawn_where_they_lie():
    photo = onp.full((40, 60, 3), 120, 'uint8')
    shown = utils.draw_boxes(photo, [[10, 5, 50, 30]], color=1)
    assert shown.shape == (80, 120, 3)
    changed = (shown != 120).any(axis=2)
    rows, columns = onp.nonzero(changed)
    assert abs(rows.min() - 10) < 8 and abs(columns.max() - 100) < 8
    assert not changed[25:45, 40:80].any()  # inside
    assert (photo == 120).all()
    assert (utils.draw_boxes(photo, onp.zeros((0, 4))) == 120).all()


def test_names_are_written_on_boxes():
    photo = onp.full((100, 200, 3), 120, 'uint8')
    box = [[10, 5, 190, 95]]
    plain, named = (utils.draw_boxes(photo, box, x) for x in (None, ['car']))
    assert (plain != named).sum() > 500


@pytest.mark.parametrize(
    ('boxes', 'more', 'error'),
    [
        ([[5, 5, 1, 9]], {}, 'empty or reversed'),
        ([[1, 1, 5, 9]], {'texts': []}, 'zip'),
        ([[1, 1, 5, 9]], {'color': [1, 2]}, 'zip'),
    ],
)
def test_drawing_refuses_what_does_not_fit(boxes, more, error):
    photo = onp.zeros((20, 20, 3), 'uint8')
    with pytest.raises(ValueError, match=error):
        utils.draw_boxes(photo, boxes, **more)


def test_far_away_corners_do_no_harm():
    photo = onp.zeros((20, 20, 3), 'uint8')
    shown = utils.draw_boxes(photo, [[-50, -60, 90, 90]], ['x'])
    assert shown.shape == (40, 40, 3)


# ------------------------------------------------------- The four steps
def test_both_ways_of_training_are_run_and_judged(
    annotated, monkeypatch, capsys
):
    monkeypatch.setenv('VOC_ROOT', str(annotated))
    words = 'four_steps.py --seconds 0.4 --scenes 2'.split()
    monkeypatch.setattr('sys.argv', words)
    four_steps.main()
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith('at once: photos in each step')
    assert len(out[4].split('step ')[1].split()) == 4
    assert sum('recall of 10 0.' in line for line in out) == 4


def test_the_last_two_steps_leave_the_shared_features(annotated, monkeypatch):
    root = annotated
    known = [four_steps.load(root, name) for name in names_of(root)[:2]]
    seen, train = [], four_steps.train

    def watched(parts, *more):
        count = train(parts, *more)
        weights = parts[0].collect_params().values()
        seen.append([p.data().asnumpy() for p in weights])
        return count

    monkeypatch.setattr(four_steps, 'train', watched)
    detector, counts = four_steps.in_four_steps(
        known, 0.4, onp.random.default_rng(0)
    )
    after = detector.trunk.tuned.collect_params().values()
    for one, other in zip(seen[1], after, strict=True):
        assert (one == other.data().asnumpy()).all()
    assert len(counts) == 4 and min(counts) >= 1
