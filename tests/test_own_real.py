"""Real photos as a data set of one's own: from a folder to a network."""

import json
import shutil

import segbook
import utils
from parts.tables import table_to_json
from support import label_file, photo_file
from test_data import EXCERPT, needs_excerpt
from tools import fine_tune, own
from tools.predict import load_net

import numpy as onp

CLASSES = 'background cat dog person'.split()


@needs_excerpt
def test_real_photos_become_a_set_and_then_a_network(tmp_path, monkeypatch):
    """Labels stay what they are; the net is far above the baseline."""
    monkeypatch.setattr(utils, 'DATA', tmp_path / 'data')
    known = [segbook.VOC_CLASSES.index(name) for name in CLASSES]
    photos, labels = tmp_path / 'photos', tmp_path / 'labels'
    photos.mkdir()
    labels.mkdir()
    names = []
    for name in utils.read_split(EXCERPT, 'val'):
        found = set(onp.unique(utils.read_label(label_file(EXCERPT, name))))
        if found <= {*known, utils.VOID} and len(names) < 8:
            names.append(name)
            shutil.copy(photo_file(EXCERPT, name), photos)
            shutil.copy(label_file(EXCERPT, name), labels)
    stored = json.dumps(table_to_json(segbook.VOC))
    (labels / 'classes.json').write_text(stored, encoding='utf-8')

    target = own.make_own(photos, labels)
    dataset = segbook.VOCSegDataset(target, 'trainval')
    assert dataset.names == sorted(names) and len(names) == 8
    assert dataset.table.names == segbook.VOC_CLASSES
    for i, name in enumerate(dataset.names):
        label = dataset[i][1]
        truth = utils.read_label(label_file(EXCERPT, name))
        assert (label == truth)[label != utils.VOID].all()
        assert (label == utils.VOID)[truth == utils.VOID].all()

    out, history = fine_tune.fine_tune(target, steps=4)
    for part in ('train', 'val'):
        assert max(history[part]) > 2 * history[f'{part}_base'][0]
    net, table, _ = load_net(out)
    metric = utils.evaluate(net, segbook.VOCSegDataset(target, 'val'))
    assert table.names == segbook.VOC_CLASSES
    assert abs(metric.mean_iu - max(history['val'])) < 1e-3
