"""`make predict`: which net a checkpoint is, what is written, what is said."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import segbook
import utils
from parts.checkpoints import save_checkpoint
from tools import predict, weights

import mxnet as mx
import numpy as onp
import pytest
from mxnet import gluon, init
from mxnet.gluon import nn
from PIL import Image

TABLE = segbook.ClassTable(
    ['background', 'ship', 'fish'], [(0, 0, 0), (200, 0, 0), (0, 90, 200)]
)


def make_net(num_classes=3, upsample=None):
    """An FCN with random weights that answers with more than one class."""
    utils.set_seed(1)
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    net = segbook.make_fcn(features, num_classes, upsample)
    net(mx.np.zeros((1, 3, 32, 32)))  # now all shapes are known
    return net


@pytest.fixture(scope='module')
def net():
    return make_net()


@pytest.fixture
def photo(tmp_path):
    pixels = onp.random.default_rng(0).integers(0, 256, (70, 90, 3), 'uint8')
    path = tmp_path / "a photo of Jo's boat.jpg"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def checkpoint(net, tmp_path):
    path = tmp_path / 'my net.zip'
    utils.save_net(path, net, TABLE)
    return path


def same(one, other):
    x = mx.np.random.normal(size=(1, 3, 64, 64))
    return onp.allclose(one(x).asnumpy(), other(x).asnumpy(), atol=1e-5)


# -------------------------------------------------------------- checkpoints


def test_a_saved_net_comes_back_with_its_classes(net, checkpoint):
    loaded, table, kind = predict.load_net(checkpoint)
    assert same(net, loaded)
    assert table.names == TABLE.names
    assert (table.colormap == TABLE.colormap).all()
    assert kind == 'FCN-32s on ResNet18_v2'


def test_params_files_have_no_names_but_vocs(net, tmp_path):
    path = tmp_path / 'net.params'
    net.save_parameters(str(path))
    loaded, table, _ = predict.load_net(path)
    assert same(net, loaded)
    assert table.names == ['class 0', 'class 1', 'class 2']
    assert predict._usual_table(21) is segbook.VOC


def test_a_checkpoint_of_training_is_read(net, tmp_path):
    path = tmp_path / 'run'
    trainer = gluon.Trainer(net.collect_params(), 'sgd')
    save_checkpoint(path, net, trainer, {}, {'loss': [1.0]})
    loaded, table, _ = predict.load_net(path)
    assert same(net, loaded) and len(table.names) == 3


def test_a_trained_transposed_convolution_is_recognised(tmp_path):
    layer = nn.Conv2DTranspose(3, 64, 32, 16, use_bias=False, in_channels=3)
    layer.initialize(init.Xavier())
    net = make_net(3, layer)
    utils.save_net(tmp_path / 'net', net, TABLE)
    assert same(net, predict.load_net(tmp_path / 'net')[0])


@pytest.mark.parametrize('stride', [32, 16, 8])
def test_taps_tell_the_stride(tmp_path, stride):
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    backbone = segbook.resnet_backbone(features)
    net = segbook.make_skip_fcn(backbone, 3, stride)
    net.taps.initialize(init.Normal(1), force_reinit=True)
    net(mx.np.zeros((1, 3, 32, 32)))
    utils.save_net(tmp_path / 'net', net, TABLE)
    loaded, _, kind = predict.load_net(tmp_path / 'net')
    assert kind == f'FCN-{stride}s on ResNet18_v2'
    assert same(net, loaded)


@pytest.mark.parametrize('stride', [32, 16, 8])
@pytest.mark.parametrize('name', ['net', 'fcn8s-at-once'])
def test_the_papers_nets_are_recognised(stride, name):
    """By their names alone: the nets themselves are half a gigabyte."""
    path = Path(f'{name}.params')
    net, num_classes, kind = predict._net_for(path, weights.shapes(stride, 5))
    assert (net.net.stride, num_classes) == (stride, 5)
    assert net.net.scales == ((1, 1) if name == 'net' else (0.01, 1e-4))
    assert f'FCN-{stride}s' in kind and ('at once' in kind) == (name != 'net')


def test_the_papers_nets_get_what_they_were_trained_on():
    photo = onp.random.default_rng(3).integers(0, 256, (32, 64, 3), 'uint8')
    given = []
    net = predict._PaperInput(lambda x: given.append(x))
    net(utils.normalize(mx.np.array(photo[None], dtype='uint8')))
    expected = photo[:, :, ::-1] - [104.00699, 116.66877, 122.67892]
    assert given[0].shape == (1, 3, 32, 64)
    onp.testing.assert_allclose(
        given[0].asnumpy()[0].transpose(1, 2, 0), expected, atol=1e-3
    )


def test_saving_leaves_the_old_file_if_it_fails(net, tmp_path):
    path = tmp_path / 'net'
    path.write_text('old', encoding='utf-8')

    class Broken:
        def save_parameters(self, file):
            Path(file).write_text('half of it', encoding='utf-8')
            raise OSError('the disk is full')

    with pytest.raises(OSError, match='disk is full'):
        utils.save_net(path, Broken(), TABLE)
    assert path.read_text('utf-8') == 'old'
    assert os.listdir(tmp_path) == ['net']


def zip_of(path, **members):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, text in members.items():
            archive.writestr(name.replace('_json', '.json'), text)


def refused(path, *words):
    with pytest.raises(ValueError) as caught:
        predict.load_net(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_what_is_no_checkpoint_is_named(net, checkpoint, tmp_path):
    path = tmp_path / 'bad'
    with pytest.raises(FileNotFoundError, match='no checkpoint .*bad'):
        predict.load_net(path)
    path.write_text('# Notes', encoding='utf-8')
    refused(path, 'is no checkpoint')
    path.write_bytes(b'')
    refused(path, 'is no checkpoint')
    net.save_parameters(str(path))
    path.write_bytes(path.read_bytes()[:100_000])
    refused(path, 'is no checkpoint')
    zip_of(path, photo='x')
    refused(path, 'is no checkpoint', 'parameters')
    zip_of(path, parameters='not these')
    refused(path, 'is no checkpoint')
    zip_of(path, parameters='', classes_json='{')
    refused(path, 'is no checkpoint')
    zip_of(path, parameters='', classes_json='{"who": 1}')
    refused(path, 'is no checkpoint', 'who')
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])
    refused(checkpoint, 'is no checkpoint')


def test_other_nets_are_named(net, tmp_path):
    path = tmp_path / 'net'
    net.backbone.save_parameters(str(path))
    refused(path, 'no net that the book builds', 'score.weight')

    class Other(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.score = nn.Conv2D(3, 1, in_channels=512)

    other = Other()
    other.initialize()
    other.score(mx.np.zeros((1, 512, 1, 1)))
    other.save_parameters(str(path))
    refused(path, 'looks like FCN-32s', 'does not fit')


def test_names_must_fit_the_net(net, tmp_path):
    path = tmp_path / 'net'
    utils.save_net(path, net, segbook.VOC)
    refused(path, 'names 21 classes, but its net has 3')


# ------------------------------------------------------------- what it does


def test_both_pictures_say_what_was_found(photo, checkpoint, tmp_path, capsys):
    folder = tmp_path / 'new folder' / 'out'
    png, jpg = predict.segment(photo, checkpoint, folder)
    assert png == folder / "a photo of Jo's boat.png"
    assert jpg == folder / "a photo of Jo's boat-overlay.jpg"
    assert sorted(os.listdir(folder)) == sorted([png.name, jpg.name])
    net, table, _ = predict.load_net(checkpoint)
    expected = utils.predict(net, photo)
    assert expected.shape == (70, 90)
    # The file opens in the colours, and reads back as the same indices.
    with Image.open(png) as picture:
        assert picture.mode == 'P'
        assert (onp.asarray(picture) == expected).all()
        colors = onp.asarray(picture.convert('RGB'))
    assert (colors == segbook.label_to_color(expected, TABLE)).all()
    assert (utils.read_label(png, table.colormap) == expected).all()
    with Image.open(jpg) as picture:
        assert picture.format == 'JPEG' and picture.width > picture.height
        text = picture.info['comment'].decode()
    printed = capsys.readouterr().out
    assert '90 x 70 pixels' in printed and '3 classes' in printed
    for index, count in enumerate(onp.bincount(expected.ravel())):
        if count:
            assert TABLE.names[index] in printed
            assert not index or TABLE.names[index] in text
    before = png.read_bytes(), jpg.read_bytes()
    predict.segment(photo, checkpoint, folder)
    assert (png.read_bytes(), jpg.read_bytes()) == before


def test_sideways_photos_are_set_upright(photo, checkpoint, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(photo) as picture:
        picture.save(tmp_path / 'turned.jpg', exif=exif)
    png, _ = predict.segment(tmp_path / 'turned.jpg', checkpoint, tmp_path)
    with Image.open(png) as label:
        assert label.size == (70, 90)


def run(capsys, *arguments):
    """The message of an error, or the lines that are printed."""
    message = predict.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert printed.err == ''
    if message:
        assert printed.out == ''
        assert '\n' not in message
    return message or printed.out.splitlines()


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """Keep the repository's own files out of it."""
    monkeypatch.setattr(predict, 'FOLDER', tmp_path)
    monkeypatch.setattr(predict.newest_checkpoint, '__defaults__', (tmp_path,))


def test_the_command_says_where_the_files_are(photo, checkpoint, capsys):
    lines = run(capsys, photo, checkpoint)
    assert Path(lines[-2]).is_file() and Path(lines[-1]).is_file()


def test_the_default_is_what_chapter_4_saves(photo, net, capsys, tmp_path):
    message = run(capsys, photo, '')
    assert str(tmp_path) in message and 'Fully Convolutional' in message
    for age, name in (9, 'fcn-new.params'), (99, 'fcn.params'):
        net.save_parameters(str(tmp_path / name))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    lines = run(capsys, photo, '')
    assert 'fcn-new.params' in lines[1]
    assert 'drawn scenes' not in ''.join(lines)


def test_a_net_of_the_drawn_scenes_says_so(photo, net, capsys, tmp_path):
    """Named as chapter 4 names it; sources.py names the data set so."""
    net.save_parameters(str(tmp_path / 'fcn-scenes-0123456789.params'))
    assert 'knows no photos' in run(capsys, photo, '')[2]


def test_errors_are_one_line(photo, checkpoint, capsys, tmp_path):
    assert 'which photo?' in run(capsys, '', checkpoint)
    gone = tmp_path / 'gone.jpg'
    assert run(capsys, gone, checkpoint) == f'there is no photo {gone}'
    assert run(capsys, tmp_path, checkpoint).startswith('there is no photo')
    assert 'no checkpoint' in run(capsys, photo, gone)
    content = photo.read_bytes()
    photo.write_bytes(content[: len(content) // 2])
    assert f'{photo} cannot be read' in run(capsys, photo, checkpoint)
    assert not list(tmp_path.glob('*.png'))


NAMES = [
    '$(shell touch HIT).jpg',
    '-rf.jpg',
    '--help',
    'a\'b"c`touch HIT`.jpg',
    'foto mit leer.jpg',
    'line one\nline two.jpg',
    '; touch HIT #.jpg',
    'M\udcf6we.jpg',
]


@pytest.mark.parametrize('name', NAMES)
def test_any_name_of_a_photo_and_a_net_will_do(
    photo, checkpoint, tmp_path, monkeypatch, name
):
    folder = tmp_path / 'folder'
    folder.mkdir()
    monkeypatch.chdir(folder)
    command = ['--', name, f'{name}.net']
    shown = name.replace('\n', r'\n').replace('\udcf6', r'\udcf6')
    assert predict.main(command) == f'there is no photo {shown}'
    os.rename(photo, name)
    assert predict.main(command) == f'there is no checkpoint {shown}.net'
    os.rename(checkpoint, f'{name}.net')
    with open(
        os.devnull, 'w', errors='backslashreplace', encoding='utf-8'
    ) as nowhere:
        monkeypatch.setattr(sys, 'stdout', nowhere)
        assert predict.main(command) is None
    assert set(os.listdir()) == {name, f'{name}.net'}
    stem = Path(name).stem
    for made in (f'{stem}.png', f'{stem}-overlay.jpg'):
        assert (tmp_path / made).is_file()


def test_as_a_command_it_says_one_line(root, photo, tmp_path):
    """What tests/test_make.py sees a recipe hand on."""
    for image, net, line in (
        (photo, 'no such net', 'there is no checkpoint no such net'),
        ('a\nb.jpg', '', 'there is no photo a\\nb.jpg'),
        ('\udcff.jpg', '', 'there is no photo \\udcff.jpg'),
        ('', '', 'which photo? make predict IMAGE=photo.jpg'),
    ):
        command = [root / 'tools' / 'predict.py', '--', image, net]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (1, '')
        assert done.stderr.splitlines() == [line]


def test_the_class_table_of_a_file_is_plain_json(checkpoint):
    with zipfile.ZipFile(checkpoint) as archive:
        stored = json.loads(archive.read('classes.json'))
    assert stored == {
        'names': TABLE.names,
        'colors': [[0, 0, 0], [200, 0, 0], [0, 90, 200]],
        'void': 255,
        'void_color': [224, 224, 192],
    }
