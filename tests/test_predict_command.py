"""`make predict`: which net a checkpoint is, what is written, what is said."""

import html
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote_to_bytes

import segbook
import utils
from parts.checkpoints import save_checkpoint
from tools import gallery, predict, weights

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


@pytest.mark.parametrize('stride', [32, 8])
def test_efficientnet_lite0_is_recognised(tmp_path, stride):
    backbone = segbook.LiteBackbone(segbook.lite0_stages())
    backbone.initialize(init.Xavier())
    net = segbook.make_skip_fcn(backbone, 3, stride)
    net(mx.np.zeros((1, 3, 32, 32)))  # MXNet 2 draws weights now
    utils.save_net(tmp_path / 'net', net, TABLE)
    loaded, _, kind = predict.load_net(tmp_path / 'net')
    assert kind == f'FCN-{stride}s on EfficientNet-Lite0'
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
    stem = "a photo of Jo's boat"
    ends = '-overlay.jpg', '-photo.jpg', '.json', '.png'
    made = [f'{stem}{end}' for end in ends]
    assert sorted(os.listdir(folder)) == [*made, 'index.html']
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
    monkeypatch.setattr(predict, 'SHIPPED', tmp_path / 'real-photos.zip')
    monkeypatch.setattr(predict.newest_checkpoint, '__defaults__', (tmp_path,))


def test_the_command_says_where_the_files_are(photo, checkpoint, capsys):
    lines = run(capsys, photo, checkpoint)
    names = [Path(line).name for line in lines[-3:]]
    assert names == [f'{photo.stem}.png', f'{photo.stem}-overlay.jpg'] + [
        'index.html'
    ]
    assert all(Path(line).is_file() for line in lines[-3:])


def test_the_crf_is_an_option(photo, net, checkpoint, capsys):
    """What is written is what `utils.predict` finds with it."""
    for words, options in ((), {}), (('--crf', '1'), {'crf': segbook.refine}):
        png = run(capsys, *words, photo, checkpoint)[-3]
        with Image.open(png) as picture:
            found = onp.asarray(picture)
        assert (found == utils.predict(net, photo, **options)).all()
    message = run(capsys, '--crf', 'yes', photo, checkpoint)
    assert message == 'CRF=yes: it is 1, or 0'


def test_the_default_is_what_chapter_4_saves(photo, net, capsys, tmp_path):
    message = run(capsys, photo, '')
    assert str(tmp_path) in message and 'Fully Convolutional' in message
    for age, name in (9, 'fcn-new.params'), (99, 'fcn.params'):
        net.save_parameters(str(tmp_path / name))
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    lines = run(capsys, photo, '')
    assert 'fcn-new.params' in lines[0]
    assert 'drawn scenes' not in ''.join(lines)


def test_the_shipped_net_comes_before_that_of_chapter_4(
    photo, net, checkpoint, capsys, tmp_path
):
    net.save_parameters(str(tmp_path / 'fcn.params'))
    assert predict.default_checkpoint() == tmp_path / 'fcn.params'
    os.rename(checkpoint, tmp_path / 'real-photos.zip')
    assert predict.default_checkpoint() == tmp_path / 'real-photos.zip'
    assert 'real-photos.zip: FCN-32s' in run(capsys, photo, '')[0]
    assert 'fcn.params: FCN-32s' in run(capsys, photo, 'book')[0]
    os.remove(tmp_path / 'fcn.params')
    assert 'there is no checkpoint fcn-' in run(capsys, photo, 'book')


def test_a_net_of_the_drawn_scenes_says_so(photo, net, capsys, tmp_path):
    """Named as chapters/fcn.md names it; sources.py names the data set so."""
    net.save_parameters(str(tmp_path / 'fcn-scenes-0123456789.params'))
    assert 'knows no photos' in run(capsys, photo, '')[1]


def test_errors_are_one_line(photo, checkpoint, capsys, tmp_path):
    assert 'which photo?' in run(capsys, '', checkpoint)
    gone = tmp_path / 'gone.jpg'
    assert run(capsys, gone, checkpoint) == f'there is no photo {gone}'
    (tmp_path / 'empty').mkdir()
    message = run(capsys, tmp_path / 'empty', checkpoint)
    assert message.startswith('the folder') and 'has no photo' in message
    message = run(capsys, tmp_path / '*.gif', checkpoint)
    assert message.endswith('*.gif, and none that it matches')
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
    for ending in gallery.ENDINGS:
        assert (tmp_path / f'{stem}{ending}').is_file()
    page = (tmp_path / 'index.html').read_text('utf-8')
    links = re.findall('(?:src|href)="([^"]*)"', page)
    assert len(links) == 7
    for link in links:  # as a browser reads them
        assert link.startswith('./') and link.isascii()
        file = os.fsdecode(unquote_to_bytes(html.unescape(link)))
        assert (tmp_path / file).is_file()


# ------------------------------------------------------------- many photos


@pytest.fixture
def album(tmp_path):
    """A folder with photos, one of which is broken, and one in another."""
    folder = tmp_path / 'album'
    (folder / 'deep').mkdir(parents=True)
    rng = onp.random.default_rng(0)
    for name in 'b.png', 'a.jpg', 'b.jpg', 'deep/a.jpg':
        pixels = rng.integers(0, 256, (40, 50, 3), 'uint8')
        Image.fromarray(pixels).save(folder / name)
    (folder / 'broken <b>.jpg').write_bytes(b'\xff\xd8\xff\xe0 cut off')
    return folder


def test_each_photo_of_a_folder_is_segmented(
    album, checkpoint, tmp_path, capsys
):
    """The broken one is named, the others are done, and the command fails."""
    text = f"'{album}' '{album}/deep/*.jpg'"
    message = predict.main([text, str(checkpoint)])
    broken = album / 'broken <b>.jpg'
    assert message == f'1 of 5 photos cannot be read: {broken}'
    printed = capsys.readouterr()
    assert printed.err == ''  # no progress, for this is no terminal
    lines = printed.out.splitlines()
    assert lines[-1] == str(tmp_path / 'index.html')
    assert f'not segmented: {broken} cannot be read' in printed.out
    net, table, _ = predict.load_net(checkpoint)
    names = {'a': 'a.jpg', 'b': 'b.jpg', 'b-2': 'b.png', 'a-2': 'deep/a.jpg'}
    for name, file in names.items():
        label = utils.predict(net, album / file)
        assert (utils.read_label(tmp_path / f'{name}.png') == label).all()
        with open(tmp_path / f'{name}.json', encoding='utf-8') as stored:
            found = json.load(stored)
        assert found['photo'] == str(album / file)
        assert (found['width'], found['height']) == (50, 40)
        assert found['checkpoint'] == str(checkpoint)
        assert found['network'] == 'FCN-32s on ResNet18_v2'
        shares = [(label == i).mean() for i in range(3)]
        assert found['classes'] == {
            n: share
            for n, share in zip(TABLE.names, shares, strict=True)
            if share
        }
        assert found['void'] == 0 and found['notes'] == []
        (line,) = (x for x in lines if x.startswith(f'{album / file}: '))
        for n, share in found['classes'].items():
            assert f'{n} {share:.1%}' in line
        with Image.open(tmp_path / f'{name}-photo.jpg') as small:
            assert small.size == (50, 40)
        assert (tmp_path / f'{name}-overlay.jpg').is_file()


def test_in_python_many_photos_are_results_and_failures(
    album, checkpoint, tmp_path
):
    out = tmp_path / 'out'
    results, failed = predict.segment_all(str(album), checkpoint, out)
    assert [result['name'] for result in results] == ['a', 'b', 'b-2']
    assert list(failed) == [str(album / 'broken <b>.jpg')]
    for result in results:
        names = [path.name for path in result['files']]
        assert names == [result['name'] + end for end in gallery.ENDINGS]
        assert all(path.is_file() for path in result['files'])
    again, _ = predict.segment_all([album / 'b.png'], checkpoint, out)
    assert again[0]['name'] == 'b' and len(again) == 1
    with pytest.raises(ValueError, match='broken <b>.jpg cannot be read'):
        predict.segment(album / 'broken <b>.jpg', checkpoint, out)


def test_nothing_of_a_photo_is_left_of_a_failure(
    album, checkpoint, tmp_path, monkeypatch
):
    """Of the photos before, all is there, and on the page."""
    out, save, done = tmp_path / 'out', utils.save_overlay, []

    def fails(path, *rest):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(path)
        save(path, *rest)

    monkeypatch.setattr(utils, 'save_overlay', fails)
    with pytest.raises(KeyboardInterrupt):
        predict.segment_all(str(album), checkpoint, out)
    names = [f'a{ending}' for ending in gallery.ENDINGS]
    assert sorted(os.listdir(out)) == sorted([*names, 'index.html'])
    page = (out / 'index.html').read_text('utf-8')
    assert './a.png' in page and './b.png' not in page


def test_options_arrive_at_the_net(photo, checkpoint, capsys, tmp_path):
    net, _, _ = predict.load_net(checkpoint)
    options = {'scales': [0.75, 1.0], 'mirror': True}
    for sure in onp.arange(0.334, 1, 0.002).round(3).tolist():
        void = utils.predict(net, photo, **options, sure=sure) == utils.VOID
        if void.any():  # of three classes, one is always that probable
            break
    options['sure'] = sure
    words = ['--scales', '0.75 1', '--mirror', '1', '--sure', str(sure)]
    lines = run(capsys, *words, '--', photo, checkpoint)
    expected = utils.predict(net, photo, **options)
    label = utils.read_label(tmp_path / f'{photo.stem}.png')
    assert (label == expected).all()
    share = (label == utils.VOID).mean()
    assert 0 < share < 1
    text = (tmp_path / f'{photo.stem}.json').read_text('utf-8')
    found = json.loads(text)
    assert found['options'] == options and found['void'] == share
    assert sum(found['classes'].values()) + share == pytest.approx(1)
    assert f'void {share:.1%}' in '\n'.join(lines)
    # Without a value, as make hands them on, they change nothing.
    words = ['--scales', '', '--mirror', '', '--sure', '']
    run(capsys, *words, '--', photo, checkpoint)
    label = utils.read_label(tmp_path / f'{photo.stem}.png')
    assert (label == utils.predict(net, photo)).all()


@pytest.mark.parametrize(
    ('option', 'value', 'words'),
    [
        ('sure', '1.5', 'sure=1.5: it is a number from 0 to 1'),
        ('sure', 'nan', 'sure=nan'),
        ('sure', 'very', 'SURE=very: it is a number from 0 to 1'),
        ('scales', '1 9', 'scales=[1.0, 9.0]: they are a list of numbers'),
        ('scales', 'big', 'SCALES=big'),
        ('scales', ' ', 'scales=[]'),
        ('mirror', 'yes', 'MIRROR=yes'),
    ],
)
def test_options_out_of_their_range_are_named(
    photo, checkpoint, capsys, tmp_path, option, value, words
):
    message = run(capsys, f'--{option}', value, '--', photo, checkpoint)
    assert message.startswith(words)
    assert not list(tmp_path.glob('*.png'))


def test_a_net_says_which_classes_it_hardly_knows(
    net, photo, tmp_path, capsys
):
    """What utils.save_net was told about it."""
    name = TABLE.names[utils.predict(net, photo).max()]
    few = {other: 50 for other in TABLE.names} | {name: 1}
    about = {'kind': 'of 53 photos', 'photos': few}
    utils.save_net(tmp_path / 'net', net, TABLE, about)
    assert predict.load_about(tmp_path / 'net') == about
    lines = run(capsys, photo, tmp_path / 'net')
    assert lines[1] == 'of 53 photos'
    note = f'{name}: learnt from 1 photo only'
    assert [x for x in lines if 'note' in x] == [f'note: {note}']
    text = (tmp_path / f'{photo.stem}.json').read_text('utf-8')
    assert json.loads(text)['notes'] == [note]
    assert note in (tmp_path / 'index.html').read_text('utf-8')
    for count, words in ((0, 'no photo'), (49, '49 photos only')):
        label = onp.array([[1, 1], [2, 2]], 'uint8')
        found = gallery.found_in(label, TABLE, {'photos': {'ship': count}})
        assert found['notes'] == [f'ship: learnt from {words}']
    # Other files say nothing.
    net.save_parameters(str(tmp_path / 'net.params'))
    assert predict.load_about(tmp_path / 'net.params') == {}
    utils.save_net(tmp_path / 'net', net, TABLE)
    assert predict.load_about(tmp_path / 'net') == {}


def test_a_net_of_half_precision_segments_as_before(net, photo, tmp_path):
    utils.save_net(tmp_path / 'whole', net, TABLE)
    utils.save_net(tmp_path / 'half', net, TABLE, dtype='float16')
    sizes = [(tmp_path / name).stat().st_size for name in ('whole', 'half')]
    assert 0.49 < sizes[1] / sizes[0] < 0.51
    loaded, _, _ = predict.load_net(tmp_path / 'half')
    halved = loaded._collect_params_with_prefix()
    for name, parameter in net._collect_params_with_prefix().items():
        values = parameter.data().asnumpy()
        half = halved[name].data().asnumpy()
        assert half.dtype == values.dtype == onp.float32
        assert (half == values.astype('float16')).all()
    same_label = utils.predict(net, photo) == utils.predict(loaded, photo)
    assert same_label.mean() > 0.95


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
