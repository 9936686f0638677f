"""`make train`: from a data set of one's own to a network."""

import json
import os
import subprocess
import sys

import segbook
import utils
from parts.tables import table_to_json
from tools import fine_tune
from tools.predict import load_about, load_net, segment

import numpy as onp
import pytest
from mxnet import autograd, gluon, init, np
from PIL import Image

TABLE = segbook.ClassTable(['background', 'ship', 'fish'])


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small windows; the environment says nothing; files go to the test."""
    for option in fine_tune._OPTIONS:
        monkeypatch.delenv(option, raising=False)
    monkeypatch.setattr(utils, 'DATA', tmp_path)
    monkeypatch.setattr(fine_tune, 'CROP', (64, 64))


@pytest.fixture(scope='module')
def start(tmp_path_factory):
    """The file of a net, for two of the classes and another."""
    features = gluon.model_zoo.vision.resnet18_v2().features
    utils.set_seed(3)
    features.initialize(init.Xavier())
    net = segbook.make_skip_fcn(segbook.resnet_backbone(features), 4, 8)
    net(np.zeros((1, 3, 32, 32)))
    names = ['fish', 'house', 'background', 'tree']
    path = tmp_path_factory.mktemp('start') / 'start.zip'
    utils.save_net(path, net, segbook.ClassTable(names))
    return path


@pytest.fixture
def own(tmp_path):
    """A data set: red ships and green fish; three photos and two others."""
    root = tmp_path / 'own-sea'
    for folder in ('JPEGImages', 'SegmentationClass', 'ImageSets'):
        (root / folder).mkdir(parents=True)
    lists = root / 'ImageSets' / 'Segmentation'
    lists.mkdir()
    (lists / 'train.txt').write_text('a\nb\nc\n', encoding='utf-8')
    (lists / 'val.txt').write_text('d\ne\n', encoding='utf-8')
    text = json.dumps(table_to_json(TABLE))
    (root / 'classes.json').write_text(text, encoding='utf-8')
    rng = onp.random.default_rng(0)
    for name in 'abcde':
        label = onp.zeros((64, 96), 'uint8')
        photo = rng.integers(100, 156, (64, 96, 3)).astype('uint8')
        for index, color in ((1, (250, 0, 0)), (2, (0, 250, 0))):
            left = 48 * (index - 1) + rng.integers(20)
            part = slice(10, 50), slice(left, left + 26)
            label[part], photo[part] = index, color
        Image.fromarray(photo).save(root / 'JPEGImages' / f'{name}.png')
        Image.fromarray(label).save(root / 'SegmentationClass' / f'{name}.png')
    return root


def values(net):
    named = net._collect_params_with_prefix()
    return {name: p.data().asnumpy() for name, p in named.items()}


def test_all_is_kept_but_the_scores_of_new_classes(start):
    old, table, _ = load_net(start)
    before = values(old)
    net, kept = segbook.adapt(old, table.names, TABLE.names)
    after = values(net)
    assert kept == ['background', 'fish']
    for name, array in before.items():
        if array.shape == after[name].shape:
            assert (array == after[name]).all(), name
        else:
            assert len(after[name]) == 3
            assert (after[name][0] == array[2]).all()
            assert (after[name][2] == array[0]).all()
            if name == 'score.weight':
                assert not (after[name][1] == array).all(1).any()
    x = np.array(onp.random.default_rng(0).normal(size=(1, 3, 64, 64)))
    with autograd.predict_mode():
        was, is_now = (f(x.astype('float32')).asnumpy() for f in (old, net))
    onp.testing.assert_allclose(is_now[:, 0], was[:, 2], rtol=1e-4, atol=1e-4)
    onp.testing.assert_allclose(is_now[:, 2], was[:, 0], rtol=1e-4, atol=1e-4)


def test_few_photos_are_three_hundred_steps_at_least():
    for photos in (1, 2, 4, 6, 50, 119):
        each, rounds, batch = fine_tune.steps_for(photos)
        assert (each * rounds, batch) == (300, min(4, photos))
    each, rounds, _ = fine_tune.steps_for(1000)
    assert (each, rounds) == (250, 10)  # ten looks at each, four in a step
    assert fine_tune.steps_for(6, 3) == (1, 3, 4)


def test_each_photo_is_seen_as_often(own):
    train = segbook.VOCSegDataset(own, 'train')
    seen = []
    train.get = lambda i, epoch=0: (
        seen.append(i)
        or (
            onp.zeros((64, 96, 3), 'uint8'),
            onp.zeros((64, 96), 'uint8'),
        )
    )
    changed = segbook.Changed(train, 4, (64, 64))
    for epoch in range(3):
        for i in range(len(changed)):
            changed.get(i, epoch)
    assert onp.bincount(seen).tolist() == [4, 4, 4]


def test_the_command_trains_and_names_the_next(own, start, tmp_path, capsys):
    out = tmp_path / 'sea net.zip'
    arguments = ['--data', own, '--from', start, '--out', out, '--steps', '6']
    assert fine_tune.main([*map(str, arguments)]) is None
    lines = capsys.readouterr().out.splitlines()
    assert any('6 steps of 3 photos, in 6 rounds' in x for x in lines)
    figures = [x for x in lines if x.startswith('round ')]
    assert len(figures) == 6 and all(', val ' in x for x in figures)
    assert figures[0].endswith(', kept')
    word = f"make predict IMAGE=photo.jpg CHECKPOINT='{out}'"
    assert lines[-1] == word
    net, table, _ = load_net(out)
    assert table.names == TABLE.names
    about = load_about(out)
    assert about['photos'] == {'background': 3, 'ship': 3, 'fish': 3}
    assert about['max_side'] == 96
    val = utils.evaluate(net, segbook.VOCSegDataset(own, 'val'))
    best = max(float(x.split('val ')[1].split()[0]) for x in figures)
    assert abs(val.mean_iu - best) < 1e-3  # the best round is in the file
    assert abs(about['mean IU of val'] - best) < 1e-3
    row = next(x for x in lines if x.startswith('[1] ship'))
    shares = [float(x) for x in row.split('ship')[1].split('IU')[0].split()]
    assert abs(sum(shares) - 100) < 0.2
    assert not list(tmp_path.glob('*.ckpt'))


def test_after_a_kill_it_ends_as_without(own, start, tmp_path, monkeypatch):
    whole, expected = fine_tune.fine_tune(own, start, tmp_path / 'a.zip', 4)
    real, called = fine_tune.Watch.__call__, []

    def killed(watch, net, history):
        called.append(len(history['loss']))
        if called[-1] == 3 and called.count(3) == 1:
            raise KeyboardInterrupt
        return real(watch, net, history)

    monkeypatch.setattr(fine_tune.Watch, '__call__', killed)
    with pytest.raises(KeyboardInterrupt):
        fine_tune.fine_tune(own, start, tmp_path / 'b.zip', 4)
    assert len(list(tmp_path.glob('b-*.ckpt'))) == 1
    again, history = fine_tune.fine_tune(own, start, tmp_path / 'b.zip', 4)
    assert called == [1, 2, 3, 3, 4]
    for name in ('loss', 'train', 'val', 'train_base', 'val_base'):
        onp.testing.assert_allclose(history[name], expected[name], rtol=1e-5)
    one, other = values(load_net(whole)[0]), values(load_net(again)[0])
    for name in one:
        onp.testing.assert_allclose(one[name], other[name], 1e-4, 1e-6)
    assert not list(tmp_path.glob('*.ckpt'))


def test_other_photos_are_another_training(own, start, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(utils, 'save_net', killed)
    monkeypatch.setattr(
        utils,
        'train',
        lambda *_, checkpoint, **__: names.append(checkpoint) or killed(),
    )
    names = []
    for change in (None, None, own / 'JPEGImages' / 'b.png'):
        if change:
            Image.new('RGB', (96, 64), 'blue').save(change)
        with pytest.raises(KeyboardInterrupt):
            fine_tune.fine_tune(own, start)
    assert names[0] == names[1] != names[2]


class Fixed:
    """Stands for a net: nothing is asked of it."""


@pytest.mark.parametrize(
    'scores, kept', [([0.1, 0.4, 0.3], [1, 2]), ([0.5, 0.5, 0.6], [1, 3])]
)
def test_the_best_round_on_val_is_kept(scores, kept, monkeypatch):
    saved, history = [], {'loss': []}
    metrics = []
    for score in scores:
        for value in (0.9, score):  # train, val
            metric = utils.SegmentationMetric(2)
            right = round(value * 1000)
            metric.confusion[:] = [[right, 500 - right // 2], [0, right]]
            metrics.append(metric)
    wanted = [metric.mean_iu for metric in metrics[1::2]]
    monkeypatch.setattr(utils, 'evaluate', lambda *_: metrics.pop(0))
    watch = fine_tune.Watch(
        segbook.ClassTable(['background', 'ship']),
        'train',
        'val',
        lambda net, number, figures: saved.append(number),
        9,
    )
    for _ in scores:
        history['loss'].append(0.0)
        for name, number in watch(Fixed(), history).items():
            history.setdefault(name, []).append(number)
    assert history['val'] == wanted
    assert saved == kept


@pytest.mark.parametrize('right, warned', [(0, True), (480, False)])
def test_an_early_word_if_nothing_is_learnt(
    right, warned, monkeypatch, capsys
):
    metric = utils.SegmentationMetric(2)
    metric.confusion[:] = [[500, 0], [500 - right, right]]
    monkeypatch.setattr(utils, 'evaluate', lambda *_: metric)
    table = segbook.ClassTable(['background', 'ship'])
    watch = fine_tune.Watch(table, 'train', None, lambda *_: None, 10)
    for number in range(1, 11):
        watch(Fixed(), {'loss': [0.0] * number})
    words = capsys.readouterr().out
    assert words.count('What may be wrong: the labels') == warned
    if warned:
        before = words.split('What may be wrong')[0]
        assert 'round 4/10' in before and 'round 5/10' not in before


def test_without_val_the_last_round_is_kept(own, start, tmp_path, capsys):
    (own / 'ImageSets' / 'Segmentation' / 'val.txt').unlink()
    out, history = fine_tune.fine_tune(own, start, steps=2)
    words = capsys.readouterr().out
    assert (
        'there is no split val' in words
        and 'confusion matrix of train' in words
    )
    assert 'val' not in history and len(history['train']) == 2
    assert load_about(out)['round'] == 2
    assert out == tmp_path / 'own-sea.zip'


def remove(path):
    return lambda root: (root / path).unlink()


def write(path, text):
    return lambda root: (root / path).write_text(text, encoding='utf-8')


MANY = {
    'names': [f'c{i}' for i in range(256)],
    'colors': [[i, 0, 1] for i in range(256)],
    'void': 255,
    'void_color': [9, 9, 9],
}
SPLITS = 'ImageSets/Segmentation'


@pytest.mark.parametrize(
    'spoil, words',
    [
        (remove('classes.json'), 'has no classes.json'),
        (write('classes.json', '{'), 'classes.json holds no class table'),
        (write('classes.json', json.dumps(MANY)), '1 to 255 classes, not 256'),
        (write(f'{SPLITS}/train.txt', '\n'), 'train.txt is empty'),
        (write(f'{SPLITS}/val.txt', ''), 'val.txt is empty'),
        (remove(f'{SPLITS}/train.txt'), 'no split file'),
        (remove('JPEGImages/b.png'), 'JPEGImages'),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(own, start, spoil, words):
    spoil(own)
    message = fine_tune.main(['--data', str(own), '--from', str(start)])
    assert words in message and len(message.splitlines()) == 1


def test_a_label_outside_the_table_is_named(own, start):
    label = onp.full((64, 96), 7, 'uint8')
    Image.fromarray(label).save(own / 'SegmentationClass' / 'b.png')
    message = fine_tune.main(['--data', str(own), '--from', str(start)])
    assert 'b.png' in message and 'index 7' in message


@pytest.mark.parametrize(
    'arguments, words',
    [
        ([], 'which data set? make train DATA=folder'),
        (['--data', 'nowhere'], 'there is no data set'),
        (['--data', 'x', '--steps', '-1'], 'STEPS=-1 is no whole number'),
        (['--data', 'x', '--steps', '0'], 'STEPS=0: without a step'),
        (['--data', 'x', '--seed', 'a'], 'SEED=a is no whole number'),
    ],
)
def test_wrong_arguments_are_named(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in fine_tune.main(arguments)


def test_a_start_that_is_not_there_is_named(own):
    message = fine_tune.main(['--data', str(own), '--from', 'lost.zip'])
    assert 'there is no checkpoint' in message and 'lost.zip' in message


def test_a_net_without_skips_is_no_start(own, tmp_path):
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, 3)
    net(np.zeros((1, 3, 32, 32)))
    utils.save_net(tmp_path / 'fcn.zip', net, TABLE)
    with pytest.raises(ValueError, match='fcn.zip is FCN-32s'):
        fine_tune.fine_tune(own, tmp_path / 'fcn.zip')


def test_predict_shows_large_photos_at_the_size_of_the_training(
    start, tmp_path, monkeypatch
):
    net, table, _ = load_net(start)
    path = tmp_path / 'small.zip'
    utils.save_net(path, net, table, {'max_side': 64})
    photo = onp.random.default_rng(0).integers(0, 256, (80, 128, 3))
    Image.fromarray(photo.astype('uint8')).save(tmp_path / 'photo.png')
    label, _ = segment(tmp_path / 'photo.png', path, tmp_path / 'found')
    with utils.open_image(label) as image:
        found = onp.asarray(image)
    small = utils.predict(net, tmp_path / 'photo.png', max_side=64)
    large = utils.predict(net, tmp_path / 'photo.png')
    assert (found == small).all() and (small != large).any()


def test_predict_shows_photos_at_the_scale_that_the_net_names(start, tmp_path):
    """Unless the user names others."""
    net, table, _ = load_net(start)
    path, photo = tmp_path / 'small.zip', tmp_path / 'photo.png'
    utils.save_net(path, net, table, {'scale': 0.5})
    noise = onp.random.default_rng(0).integers(0, 256, (80, 128, 3))
    Image.fromarray(noise.astype('uint8')).save(photo)
    own, large = (utils.predict(net, photo, scales=(x,)) for x in (0.5, 1))
    for expected, options in ((own, {}), (large, {'scales': (1,)})):
        label, _ = segment(photo, path, tmp_path / 'found', **options)
        with utils.open_image(label) as image:
            onp.testing.assert_array_equal(onp.asarray(image), expected)
    assert (own != large).any()


def test_the_environment_says_it_as_well(own, start):
    """As make hands it on, in a process of its own; one step."""
    given = {'DATA': own, 'FROM': start, 'OUT': own.parent / 'n.zip'}
    given |= {'STEPS': 1, 'OMP_NUM_THREADS': 1}
    result = subprocess.run(
        [sys.executable, utils.HERE / 'tools' / 'fine_tune.py'],
        env=os.environ | {name: str(value) for name, value in given.items()},
        capture_output=True,
        encoding='utf-8',
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith('make predict IMAGE=')
    assert load_about(own.parent / 'n.zip')['round'] == 1
