"""`tools/train.py`: the classes are those of the data set."""

import json
from types import SimpleNamespace

import segbook
import utils
from parts.tables import table_to_json
from tools import train

import numpy as onp
import pytest
from mxnet import gluon, init
from PIL import Image


@pytest.fixture
def given(monkeypatch, voc):
    """What `utils.train` is given, when the command trains on a small set."""
    features = gluon.model_zoo.vision.resnet18_v2().features
    features.initialize(init.Xavier())
    found = SimpleNamespace()

    def note(net, batches, loss, num_epochs, **options):
        found.net, found.batches, found.options = net, batches, options

    monkeypatch.setattr(utils, 'train', note)
    monkeypatch.setattr(utils, 'voc_root', lambda: voc)
    monkeypatch.setattr(
        utils, 'pretrained_backbone', lambda: (features, 'none')
    )
    monkeypatch.setattr(
        'sys.argv', 'train.py --batch-size 2 --crop 32 32'.split()
    )
    return found


def test_the_classes_of_vocs_layout_are_vocs(given):
    assert train.main() is None
    assert given.net.score.weight.shape[0] == 21
    assert given.options['val_data'].table is segbook.VOC


def test_a_set_of_ones_own_has_its_own_classes(given, voc):
    table = segbook.ClassTable(['background', 'ship', 'fish'], void=9)
    text = json.dumps(table_to_json(table))
    (voc / 'classes.json').write_text(text, encoding='utf-8')
    for path in (voc / 'SegmentationClass').iterdir():
        with utils.open_image(path) as image:
            size = image.size[::-1]
        rng = onp.random.default_rng(0)
        label = rng.choice([0, 1, 2, 9], size).astype('uint8')
        Image.fromarray(label).save(path)
    assert train.main() is None
    assert given.net.score.weight.shape[0] == 3
    assert given.options['val_data'].table.names == table.names
    _, labels = next(iter(given.batches))
    assert set(onp.unique(labels.asnumpy())) == {0, 1, 2, 255}


def test_a_label_that_the_table_does_not_know_is_named(given, voc):
    table = segbook.ClassTable(['background', 'ship'])
    text = json.dumps(table_to_json(table))
    (voc / 'classes.json').write_text(text, encoding='utf-8')
    assert train.main() is None  # nothing is read yet
    with pytest.raises(ValueError, match='holds index 20 at row'):
        given.options['val_data'][0]
