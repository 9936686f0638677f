"""`make reproduce` on a tiny data set, with a small net for the paper's."""

import segbook
import utils
from tools import reproduce, weights

import numpy as onp
import pytest
from mxnet import np
from mxnet.gluon import nn
from PIL import Image

SIZES = (20, 30), (25, 16), (24, 24)


class SmallNet(nn.Block):
    """Stands in for PaperFCN: one 1x1 convolution."""

    made = []

    def __init__(self, num_classes=21, stride=32, at_once=False):
        super().__init__()
        self.score = nn.Conv2D(num_classes, 1, in_channels=3)
        self.made.append((num_classes, stride, at_once))

    def forward(self, x):
        return self.score(x)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for weights, no variables, the small net for the large one."""
    monkeypatch.setattr(segbook, 'PaperFCN', SmallNet, raising=False)
    monkeypatch.setattr(SmallNet, 'made', [])
    monkeypatch.setattr(utils, 'DATA', tmp_path)
    monkeypatch.delenv('VOC_ROOT', raising=False)
    for name in reproduce.PUBLISHED:
        monkeypatch.delenv(reproduce.place_of(name)[1], raising=False)
    return tmp_path


@pytest.fixture
def voc(tmp_path, monkeypatch):
    """A data set of three photos in the VOC layout; VOC_ROOT names it."""
    root = tmp_path / 'voc'
    for part in ('JPEGImages', 'SegmentationClass', 'ImageSets/Segmentation'):
        (root / part).mkdir(parents=True)
    rng = onp.random.default_rng(0)
    for i, size in enumerate(SIZES):
        photo = rng.integers(0, 256, (*size, 3), dtype='uint8')
        Image.fromarray(photo).save(root / f'JPEGImages/{i}.jpg')
        label = rng.choice([0, 0, 1, 15, 255], size).astype('uint8')
        image = Image.fromarray(label, mode='P')
        image.putpalette(segbook.voc_colormap().tobytes())
        image.save(root / f'SegmentationClass/{i}.png')
    (root / 'ImageSets/Segmentation/val.txt').write_text(
        '0\n1\n2\n', encoding='utf-8'
    )
    monkeypatch.setenv('VOC_ROOT', str(root))
    return root


def save_weights(path, seed=0):
    utils.set_seed(seed)
    net = SmallNet()
    net.initialize()
    net(np.zeros((1, 3, 1, 1)))  # MXNet 2 draws the weights now
    net.save_parameters(str(path))
    return net


def by_hand(net, root):
    """Confusion matrix, pixel after pixel, in NumPy."""
    weight = net.score.weight.data().asnumpy()[:, :, 0, 0]
    bias = net.score.bias.data().asnumpy()
    confusion = onp.zeros((21, 21), int)
    for i in range(3):
        photo = onp.asarray(Image.open(root / f'JPEGImages/{i}.jpg'))
        label = onp.asarray(Image.open(root / f'SegmentationClass/{i}.png'))
        for pixel, truth in zip(
            photo.reshape(-1, 3), label.ravel(), strict=True
        ):
            blue_first = onp.float32(pixel)[::-1] - onp.float32(weights.MEAN)
            if truth != 255:
                guess = (weight @ blue_first + bias).argmax()
                confusion[truth, guess] += 1
    return confusion


def test_the_input_is_the_papers():
    photo = onp.zeros((1, 2, 3), 'uint8')
    photo[0, 0] = 255, 0, 0  # red
    x = reproduce.prepare(photo)
    assert x.shape == (1, 3, 1, 2) and x.dtype == onp.float32
    onp.testing.assert_allclose(
        x[0, :, 0].T.asnumpy(),
        [
            [-104.00699, -116.66877, 255 - 122.67892],
            [-104.00699, -116.66877, -122.67892],
        ],
        rtol=1e-6,
    )


def test_figures_equal_a_count_by_hand(place, voc):
    net = save_weights(place / 'fcn16s.params')
    dataset = segbook.VOCSegDataset(voc, 'val')
    metric = reproduce.measure(net, dataset)
    confusion = by_hand(net, voc)
    assert (metric.confusion == confusion).all()
    right, truth = onp.diag(confusion), confusion.sum(axis=1)
    union = truth + confusion.sum(axis=0) - right
    seen = truth > 0
    expected = [
        right.sum() / truth.sum(),
        (right / onp.maximum(truth, 1))[seen].mean(),
        (right / onp.maximum(union, 1))[seen].mean(),
        (truth * right / onp.maximum(union, 1))[seen].sum() / truth.sum(),
    ]
    onp.testing.assert_allclose(
        reproduce.figures(metric), 100 * onp.array(expected)
    )


def test_what_is_there_is_measured_and_the_rest_is_named(place, voc, capsys):
    net = save_weights(place / 'fcn16s.params')
    assert reproduce.main() == 0
    out, err = capsys.readouterr()
    metric = reproduce.measure(net, segbook.VOCSegDataset(voc, 'val'))
    measured = [f'{value:.1f}' for value in reproduce.figures(metric)]
    lines = [line.split() for line in out.splitlines()]
    assert ['FCN-16s:', 'measured', 'here', *measured] in lines
    assert 'published 90.0 75.7 62.4 83.0 CVPR 2015'.split() in lines
    assert 'published 65.0 with the released weights'.split() in lines
    assert "NOT the paper's set" in out and '3 of 21 classes' in out
    assert 'FCN-32s' not in out and 'FCN-8s' not in out
    for name in ('fcn32s.params', 'fcn8s.params', 'fcn8s-at-once.params'):
        assert str(place / name) in err
    assert err.count('not measured') == 3 and 'tools/weights.py' in err
    assert SmallNet.made[1:] == [(21, 16, False)]


def test_the_papers_set_is_taken_if_its_list_is_there(place, voc, capsys):
    save_weights(place / 'fcn8s-at-once.params')
    split = voc / 'ImageSets/Segmentation/seg11valid.txt'
    split.write_text('2\n0\n', encoding='utf-8')
    assert reproduce.main() == 0
    out = capsys.readouterr().out
    assert "2 photos: seg11valid, but not the paper's: that has 736" in out
    assert 'CVPR' not in out and '65.4' in out
    assert SmallNet.made[1:] == [(21, 8, True)]


def test_a_variable_names_the_weights(place, voc, capsys, monkeypatch):
    save_weights(place / 'mine.params')
    monkeypatch.setenv('WEIGHTS32S', str(place / 'mine.params'))
    assert reproduce.main() == 0
    assert 'FCN-32s: measured here' in capsys.readouterr().out


def test_without_photos_nothing_is_measured(place, capsys):
    save_weights(place / 'fcn32s.params')
    assert reproduce.main() == 1
    out, err = capsys.readouterr()
    assert out == '' and 'VOC_ROOT=download' in err
    assert str(place / 'fcn32s.params') not in err  # those are there


def test_without_weights_nothing_is_measured(place, voc, capsys):
    assert reproduce.main() == 1
    out, err = capsys.readouterr()
    assert 'measured' not in out and err.count('not measured') == 4


def test_other_weights_and_damaged_data_are_named(place, voc, capsys):
    other = nn.Dense(3, in_units=2)
    other.initialize()
    other.save_parameters(str(place / 'fcn8s.params'))
    save_weights(place / 'fcn32s.params')
    (voc / 'JPEGImages/1.jpg').write_bytes(b'no photo')
    assert reproduce.main() == 1
    out, err = capsys.readouterr()
    assert 'measured' not in out
    assert 'fcn8s.params does not hold the weights of FCN-8s' in err
    assert '1.jpg cannot be read' in err


def test_void_alone_gives_no_figures(place, voc, capsys):
    save_weights(place / 'fcn32s.params')
    for i, size in enumerate(SIZES):
        label = Image.fromarray(onp.full(size, 255, 'uint8'))
        label.save(voc / f'SegmentationClass/{i}.png')
    assert reproduce.main() == 1
    out, err = capsys.readouterr()
    assert 'nan' not in out and 'no pixel of these photos has a class' in err


def test_a_damaged_layout_is_named(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('VOC_ROOT', str(tmp_path / 'nowhere'))
    assert reproduce.main() == 1
    assert 'nowhere' in capsys.readouterr().err


def test_prepared_photos_go_through_the_net_whole():
    photo = onp.zeros((7, 9, 3), 'uint8')
    assert reproduce.prepare(photo).shape == (1, 3, 7, 9)
    assert isinstance(reproduce.prepare(photo), np.ndarray)
