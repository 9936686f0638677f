"""Batches: the same whoever reads them, shared out, normalised."""

import segbook
import utils
from support import Noise

import mxnet as mx
import numpy as np
import pytest


def all_batches(voc, readers, epochs=2):
    dataset = segbook.VOCSegDataset(voc, 'train', (32, 32))
    batches = utils.Batches(dataset, 2, seed=3, readers=readers)
    return [
        (images.asnumpy(), labels.asnumpy())
        for _ in range(epochs)
        for images, labels in batches
    ]


def test_workers_give_the_same_batches_as_none(voc):
    alone, helped = all_batches(voc, 0), all_batches(voc, 2)
    assert len(alone) == len(helped) == 2
    for (image, label), (other_image, other_label) in zip(
        alone, helped, strict=True
    ):
        assert (image == other_image).all() and (label == other_label).all()
    assert (alone[0][0] != alone[1][0]).any()  # a new epoch, new crops


@pytest.mark.parametrize('turn', [lambda x: x.swapaxes(0, 1), np.rot90])
def test_turned_samples_arrive_as_they_are(turn):
    """Their values lie in memory in another order than the array's."""
    photo = np.arange(4 * 5 * 3, dtype='uint8').reshape(4, 5, 3)

    class Turned:
        def __len__(self):
            return 2

        def get(self, i, epoch=0):
            return turn(photo + i), turn(photo[:, :, 0])

    ((images, labels),) = utils.Batches(Turned(), 2)
    assert {image.tobytes() for image in images.asnumpy()} == {
        turn(photo + i).tobytes() for i in (0, 1)
    }
    for label in labels.asnumpy():
        assert (label == turn(photo[:, :, 0])).all()


def test_batches_normalize_to_the_formula(voc):
    images = mx.np.array(all_batches(voc, 0, 1)[0][0], dtype='uint8')
    expected = (images.asnumpy() / 255.0 - [0.485, 0.456, 0.406]) / [
        0.229,
        0.224,
        0.225,
    ]
    normalized = utils.normalize(images)
    assert normalized.shape == (2, 3, 32, 32)
    np.testing.assert_allclose(
        normalized.asnumpy(), expected.transpose(0, 3, 1, 2), atol=1e-5
    )


def test_shares_are_disjoint_and_together_the_batch():
    whole = utils.Batches(Noise(), 8, seed=1)
    parts = [utils.Batches(Noise(), 8, seed=1, part=(r, 4)) for r in range(4)]
    for batch in zip(whole, *parts, strict=True):
        together = np.empty(batch[0][0].shape, 'uint8')
        for rank in range(4):
            together[rank::4] = batch[1 + rank][0].asnumpy()
        assert (together == batch[0][0].asnumpy()).all()
    with pytest.raises(ValueError, match='8 cannot be shared .* 3 workers'):
        next(iter(utils.Batches(Noise(), 8, part=(0, 3))))


def test_batch_larger_than_the_data_set_is_named():
    with pytest.raises(ValueError, match='a batch of 41 from 40 images'):
        utils.Batches(Noise(), 41)
