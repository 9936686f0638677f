"""Batches: the same whoever reads them, shared out, normalised."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import segbook
import utils
from parts import batches as batches_room
from support import CLASSES, Noise

import mxnet as mx
import numpy as np
import pytest
from mxnet import npx


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


@pytest.mark.parametrize(
    'turn',
    [lambda x: x.swapaxes(0, 1), np.rot90, np.fliplr, np.flipud],
    ids=['transposed', 'rotated', 'mirrored', 'upside down'],
)
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


def test_what_is_looked_up_is_what_mxnet_computes(voc):
    images = mx.np.array(all_batches(voc, 0, 1)[0][0], dtype='uint8')
    computed = batches_room._compute_normal(images).asnumpy()
    assert (utils.normalize(images).asnumpy() == computed).all()
    wide = images.asnumpy()[:, :, ::-1]  # backwards in memory
    assert (batches_room.look_up_normal(wide) == computed[..., ::-1]).all()


def test_what_is_normalised_stays_on_its_device():
    for device in mx.cpu(0), mx.cpu(1):
        images = mx.np.zeros((1, 4, 5, 3), dtype='uint8', ctx=device)
        assert utils.normalize(images).ctx == device


def test_threads_that_read_have_the_arrays_of_the_first_one():
    """MXNet's own switch to NumPy's arrays is each thread's own."""

    class Asked(Noise):
        def get(self, i, epoch=0):
            assert npx.is_np_array() and npx.is_np_shape()
            return super().get(i, epoch)

        def __getitem__(self, i):
            return self.get(i)

    assert len(list(utils.Batches(Asked(), 8))) == 5
    net = mx.gluon.nn.Conv2D(CLASSES, 1)
    net.initialize()
    valid = sum((Noise().get(i)[1] != utils.VOID).sum() for i in range(40))
    assert utils.evaluate(net, Asked()).confusion.sum() == valid


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


class Deadly(Noise):
    """Whoever reads its photo 7 comes to its end."""

    def __init__(self, end):
        super().__init__()
        self.end = end

    def get(self, i, epoch=0):
        if i == 7:
            self.end()
        return super().get(i, epoch)


@pytest.mark.parametrize(
    ('end', 'words'),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), 'was killed .out of'),
        (lambda: os._exit(3), 'died with status 3'),
    ],
)
def test_a_reader_that_dies_is_named_and_not_waited_for(end, words):
    batches = utils.Batches(Deadly(end), 4, readers=2)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=f'number [0-9]+ {words}'):
        list(batches)
    with pytest.raises(RuntimeError, match=words):  # nor in the next epoch
        list(batches)
    assert time.monotonic() - start < 60  # DataLoader gives up after 120


def test_a_reader_that_waits_may_die_too():
    """Other pools never come back: it holds the lock of their queue."""
    batches = utils.Batches(Noise(), 4, readers=2)
    list(batches)
    for process in batches._readers._processes:
        with contextlib.suppress(ProcessLookupError):  # the pool was faster
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    with pytest.raises(RuntimeError, match='was killed'):
        list(batches)


def test_what_reading_raises_is_raised_as_it_is():
    def end():
        raise ValueError('photo 7 is damaged')

    for readers in 0, 2:
        batches = utils.Batches(Deadly(end), 4, readers=readers)
        with pytest.raises(ValueError, match='photo 7 is damaged'):
            list(batches)
    assert len(batches) == 10 and next(iter(batches))  # the others still read


def lives(pid):
    try:
        status = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
    except OSError:
        return False
    return status.rpartition(') ')[2][0] not in 'ZX'  # dead; nobody asked


def test_readers_end_with_whoever_started_them(root):
    """Even if that is killed, and cannot tell them."""
    code = """
        import os, signal, utils
        from support import Noise
        batches = utils.Batches(Noise(), 4, readers=2)
        next(iter(batches))
        print(*(process.pid for process in batches._readers._processes))
        os.kill(os.getpid(), signal.{signal})
        for images, labels in batches:  # of Ctrl-C, readers hear nothing
            pass
        """
    for name in 'SIGKILL', 'SIGINT':
        done = subprocess.run(
            [sys.executable, '-uc', textwrap.dedent(code.format(signal=name))],
            cwd=root,
            env={**os.environ, 'PYTHONPATH': f'{root}:{root / "tests"}'},
            capture_output=True,
            text=True,
            timeout=120,
        )
        readers = list(map(int, done.stdout.split()))
        assert len(readers) == 2 and done.returncode == -signal.Signals[name]
        assert 'Process' not in done.stderr  # no traceback of theirs
        deadline = time.monotonic() + 60
        while any(map(lives, readers)):
            assert time.monotonic() < deadline, 'a reader lives on'
            time.sleep(0.1)
