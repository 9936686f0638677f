"""The built-in backbone: what its training is made of, and its file."""

import backbone
import scenes

import numpy as onp
import pytest
from mxnet import gluon, np


def test_thumbnails_have_classes_from_zero_to_six(monkeypatch):
    monkeypatch.setattr(backbone, 'SIZE', 32)
    images, labels = backbone.draw_thumbnails(5, 40)
    assert images.shape == (40, 32, 32, 3) and images.dtype == onp.uint8
    assert set(labels) == set(range(len(scenes.CLASSES) + 1))
    # Thumbnail 7 is the same wherever a series begins.
    rng = onp.random.default_rng((backbone.SEED, 7))
    photo, index = scenes.thumbnail(rng, 32)
    assert (images[2] == photo).all()
    assert [0, *sorted(scenes.CLASSES.values())][labels[2]] == index


def test_vary_only_mirrors_and_exchanges_channels():
    rng = onp.random.default_rng(0)
    images = rng.integers(0, 256, (30, 5, 4, 3), dtype='uint8')
    before = images.copy()
    varied = backbone.vary(rng, images)
    assert (images == before).all()
    mirrored = 0
    for old, new in zip(images, varied, strict=True):
        planes = {old[..., k].tobytes() for k in range(3)}
        flipped = {old[:, ::-1, k].tobytes() for k in range(3)}
        found = {new[..., k].tobytes() for k in range(3)}
        assert found in (planes, flipped)
        mirrored += found == flipped
    assert 5 < mirrored < 25
    assert (varied != images).any()


def test_learning_rate_rises_and_falls_to_zero():
    rates = [backbone.learning_rate(share) for share in (0, 0.05, 0.1)]
    assert 0 < rates[0] < rates[1] < rates[2]
    assert rates[2] == pytest.approx(backbone.LEARNING_RATE)
    halfway = (1 + backbone.WARM_UP) / 2
    half = backbone.LEARNING_RATE / 2
    assert backbone.learning_rate(halfway) == pytest.approx(half)
    assert backbone.learning_rate(1) == pytest.approx(0, abs=1e-12)


def test_small_thumbnails_are_averages_and_normalised():
    images = onp.zeros((1, 4, 4, 3), 'uint8')
    images[0, :2, :2] = [[[0], [80]], [[80], [160]]]  # on average 80
    small = backbone._to_net(images, 2).asnumpy()
    assert small.shape == (1, 3, 2, 2)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for k in range(3):
        assert small[0, k, 0, 0] == pytest.approx(
            (80 / 255 - mean[k]) / std[k]
        )
        assert small[0, k, 1, 1] == pytest.approx(-mean[k] / std[k])


def test_a_short_training_is_saved_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(backbone, 'SIZE', 64)
    monkeypatch.setattr(backbone, 'BATCH', 8)
    monkeypatch.setattr(backbone, 'STAGES', ((1, 2), (1, 1)))
    images, labels = backbone.draw_thumbnails(0, 16)
    net = backbone.train_classifier(images, labels, (images, labels))
    printed = capsys.readouterr().out
    assert printed.count('loss') == 2
    assert printed.count('accuracy') == 1
    target = tmp_path / 'a folder' / 'backbone.params'
    backbone.save(net, target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.load_parameters(str(target))
    x = np.random.normal(size=(1, 3, 64, 64))
    assert onp.allclose(
        features(x).asnumpy(), net.features(x).asnumpy(), atol=1e-4
    )


def test_a_failed_save_leaves_nothing(tmp_path):
    class Net:
        class features:
            @staticmethod
            def save_parameters(path):
                with open(path, 'w', encoding='utf-8') as file:
                    file.write('half')
                raise OSError('the disk is full')

    with pytest.raises(OSError, match='the disk is full'):
        backbone.save(Net, tmp_path / 'backbone.params')
    assert not list(tmp_path.iterdir())
