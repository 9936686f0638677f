"""`make photos`: the network for real photos that the book ships."""

import argparse

import utils
from tools import train_photos

import numpy as onp
import pytest
from mxnet import np
from PIL import Image

DOG, CAT = 12, 8


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Two steps an epoch, of two small windows; dogs alone are common."""
    monkeypatch.setattr(utils, 'DATA', tmp_path)
    monkeypatch.setattr(train_photos, 'AN_EPOCH', 2)
    monkeypatch.setattr(train_photos, 'BATCH', 2)
    monkeypatch.setattr(train_photos, 'MANY', 10)
    monkeypatch.setattr(train_photos, 'CROP', (64, 64))


@pytest.fixture
def photos(tmp_path):
    """Sixteen photos to learn from, one of them of a cat, and another."""
    root = tmp_path / 'photos'
    lists = root / 'ImageSets' / 'Segmentation'
    for folder in ('JPEGImages', 'SegmentationClass', lists):
        (root / folder).mkdir(parents=True)
    names = [f'{i:02}' for i in range(17)]
    lines = '\n'.join(names[:-1]) + '\n'
    (lists / 'train.txt').write_text(lines, encoding='utf-8')
    (lists / 'val.txt').write_text(names[-1] + '\n', encoding='utf-8')
    rng = onp.random.default_rng(0)
    for name in names:
        photo = rng.integers(256, size=(70, 90, 3)).astype('uint8')
        label = onp.zeros((70, 90), 'uint8')
        label[20:60, 20:60] = CAT if name == '03' else DOG
        label[:10] = utils.VOID
        Image.fromarray(photo).save(root / 'JPEGImages' / f'{name}.jpg')
        Image.fromarray(label).save(root / 'SegmentationClass' / f'{name}.png')
    return root


def choice(photos, tmp_path, **changed):
    options = {
        'data': [photos],
        'steps': 2,
        'seed': 0,
        'start': '',
        'rate': 5e-3,
        'readers': 0,
        'checkpoint': tmp_path / 'net.ckpt',
        'folder': tmp_path / 'weights',
    }
    return argparse.Namespace(**options | changed)


def load(path):
    devices = utils.try_all_gpus()
    net = train_photos.make_net(devices)
    about = utils.load_saved(path, net, devices)
    named = net._collect_params_with_prefix()
    return {k: p.data().asnumpy() for k, p in named.items()}, about


def test_a_rare_class_comes_up_more_often(photos):
    """By the square root of what it lacks to COMMON, at most MOST times."""
    learnt = train_photos.Photos([photos])
    assert {i: n for i, n in enumerate(learnt.counts) if n} == {
        0: 16,
        CAT: 1,
        DOG: 15,
    }
    cat = min((train_photos.COMMON * 16) ** 0.5, train_photos.MOST)
    expected = [cat if name == '03' else 1 for _, name in learnt.places]
    weights = onp.diff(learnt.ends, prepend=0)
    onp.testing.assert_allclose(weights, expected)


def test_an_epoch_shows_photos_as_often_as_they_weigh(photos, monkeypatch):
    learnt = train_photos.Photos([photos])
    monkeypatch.setattr(train_photos, 'AN_EPOCH', 500)
    seen = [bool((learnt.get(i, 0)[1] == CAT).any()) for i in range(1000)]
    cat = (train_photos.COMMON * 16) ** 0.5
    # A window of 64 x 64 pixels sees a part of an object of 40 x 40.
    assert sum(seen) == pytest.approx(1000 * cat / (15 + cat), abs=12)


def test_crops_depend_on_seed_epoch_and_number_alone(photos):
    one, same = (train_photos.Photos([photos], seed=1) for _ in range(2))
    for i, epoch in ((0, 0), (3, 0), (3, 1)):
        for a, b in zip(one.get(i, epoch), same.get(i, epoch), strict=True):
            assert a.dtype == 'uint8'
            assert a.shape[:2] == train_photos.CROP
            onp.testing.assert_array_equal(a, b)
    assert (one.get(3, 0)[0] != one.get(3, 1)[0]).any()


def test_the_net_and_its_page(photos, tmp_path, capsys):
    train_photos.train(choice(photos, tmp_path))
    _, about = load(tmp_path / 'weights' / 'real-photos.zip')
    assert about['photos']['cat'] == 1
    page = (tmp_path / 'weights' / 'README.md').read_text(encoding='utf-8')
    assert '| cat | 1 | none there | none there | none there |' in page
    assert '| dog | 15 |' in page
    assert "`make photos DATA='…'` with STEPS=2 RATE=0.005, seed 0:" in page
    assert about['recipe'] == 'STEPS=2 RATE=0.005, seed 0'
    assert f'mean IU {about["mean IU"]:.3f}' in capsys.readouterr().out
    # The net sees the one photo as three views say; its dog is common.
    (own,) = (x for x in page.splitlines() if x.startswith('| `SCALES=0'))
    assert own.split(' | ')[1:3] == [
        f'{about[key]:.3f}' for key in ('pixel accuracy', 'mean IU')
    ]
    for view in train_photos.VIEWS:
        assert f'\n| {view} |' in page
    assert 'the 2 classes of which it has seen at least 10' in page


def test_a_further_round_begins_with_the_net_named(photos, tmp_path):
    """At a rate of almost zero nothing is changed but the statistics."""
    train_photos.train(choice(photos, tmp_path))
    file = tmp_path / 'weights' / 'real-photos.zip'
    before, _ = load(file)
    again = {'start': file, 'rate': 1e-12, 'folder': tmp_path / 'further'}
    again['checkpoint'] = tmp_path / 'further.ckpt'
    train_photos.train(choice(photos, tmp_path, **again))
    after, _ = load(tmp_path / 'further' / 'real-photos.zip')
    for name, value in before.items():
        if 'running' not in name:
            onp.testing.assert_array_equal(after[name], value, name)
    page = (tmp_path / 'further' / 'README.md').read_text(encoding='utf-8')
    first = 'STEPS=2 RATE=0.005, seed 0'
    second = first.replace('0.005', '1e-12')
    assert f'{first}; further, the mean of both, {second}' in page


def test_a_further_round_ends_in_the_mean_of_two_nets(
    photos, tmp_path, monkeypatch
):
    """As if what it learns were the number two, everywhere."""
    train_photos.train(choice(photos, tmp_path))
    file = tmp_path / 'weights' / 'real-photos.zip'
    before, _ = load(file)

    def learn(net, *_, **__):
        for parameter in net.collect_params().values():
            parameter.set_data(np.full_like(parameter.data(), 2))

    monkeypatch.setattr(utils, 'train', learn)
    further = {'start': file, 'folder': tmp_path / 'further'}
    train_photos.train(choice(photos, tmp_path, **further))
    after, _ = load(tmp_path / 'further' / 'real-photos.zip')
    for name, value in before.items():
        onp.testing.assert_allclose(
            after[name], (value + 2) / 2, rtol=1e-3, err_msg=name
        )


def test_what_cannot_be_trained_is_named(photos, tmp_path):
    with pytest.raises(ValueError, match='1 steps: at least 2'):
        train_photos.train(choice(photos, tmp_path, steps=1))
    with pytest.raises(FileNotFoundError, match='nothing.zip'):
        lost = tmp_path / 'nothing.zip'
        train_photos.train(choice(photos, tmp_path, start=lost))
    (photos / 'ImageSets' / 'Segmentation' / 'val.txt').unlink()
    with pytest.raises(ValueError, match='no folder has a split `val`'):
        train_photos.train(choice(photos, tmp_path))
    assert not (tmp_path / 'weights').exists()
