"""The one import of all chapters: the trainer, and what `parts/` hands on.

Nothing here is taught line by line; what a chapter teaches stands in the
chapter. Where what lives:

start        what MXNet needs before it is imported; the seed
whole        files that are there complete or not at all
samples      what the samples of a picture mean
texts        names and messages as text that can be shown
images       photos and labels as arrays and files; the ids of a split
legacy       GluonCV, and the older arrays that it works on
nets         the blocks and parameters of a net; scores with classes last
tables       what a class table may hold; its background
scaling      photos and labels at another size
thumbnails   the objects of a data set, cut out one by one
objects      which objects a photo shows, and their boxes
canvas       how a drawing gets under a cell
stored       zip files, JSON and arrays that may come from anywhere
class_files  the classes of a data set as files say them
devices      the GPUs that work, or the CPU; the doctor
batches      a data set in batches; photos as a net takes them
metric       the confusion matrix and its four figures
pictures     grids of images, overlays, matrices
plots        curves and bars
timing       how long things take, and whether a sentence may say so
precision    training in half precision
checkpoints  a net, or a training, as a file
labelme      the shapes that labelme writes
published    weights that PyTorch published
outlines     labels that are no files of their own, or hold other numbers
coco         outlines and masks in COCO's JSON
yolo         outlines in YOLO's text
exports      which kind of labels lie in a folder
sources      where data sets and pretrained weights come from
own_data     from folders of photos and labels to a data set
views        how a net is asked about a photo
prediction   the classes of a photo, of a whole data set
workers      processes that train one net together
memory       how much training needs
report       what is seen of a training
controls     pictures that a reader can move
utils        the trainer
"""

import math
import time

from parts.batches import Batches, normalize, normalized, split
from parts.checkpoints import (
    load_checkpoint,
    load_saved,
    save_checkpoint,
    save_net,
)
from parts.class_files import stored_table
from parts.controls import show_widget, vary
from parts.devices import (
    devices_of,
    doctor,
    peak_memory,
    try_all_gpus,
    try_gpu,
)
from parts.images import (
    MEAN_COLOR,
    PHOTO_ENDINGS,
    RGB_MEAN,
    RGB_STD,
    host,
    open_image,
    pad_to,
    photo_path,
    read_classes,
    read_image,
    read_label,
    read_pair,
    read_split,
    save_label,
)
from parts.labelme import Shape, read_labelme, shape_mask
from parts.legacy import import_gluoncv, older_arrays, pretrained_gluoncv
from parts.memory import memory_explained, training_memory
from parts.metric import SegmentationMetric
from parts.nets import (
    adding_gradients,
    classes_last,
    freeze_batch_norm,
    fuse,
    knows_sizes,
    lay_out_anew,
    move,
    zero_gradients,
)
from parts.objects import check_boxes, read_boxes, read_objects
from parts.own_data import Finding, check_own, make_set, own_files
from parts.pictures import (
    draw_boxes,
    heat,
    overlay,
    save_overlay,
    show_images,
    show_matrix,
    show_overlay,
    show_points,
)
from parts.plots import plot, plot_bars
from parts.precision import compute_in, scaled_backward
from parts.prediction import evaluate, predict
from parts.published import lite0_file, read_torch
from parts.report import Report
from parts.sources import (
    DATA,
    VOC_ARCHIVE,
    VOC_MIRRORS,
    VOC_SHA1,
    annotated,
    backbone_file,
    download_voc,
    pretrained_backbone,
    voc_root,
)
from parts.start import HERE, set_seed
from parts.tables import VOID, background_of, check_table
from parts.thumbnails import cut_objects
from parts.timing import compare_times
from parts.workers import Workers, average_statistics, show

import mxnet as mx
import numpy as onp
from mxnet import autograd, gluon, npx

__all__ = ['HERE', 'MEAN_COLOR', 'PHOTO_ENDINGS', 'RGB_MEAN', 'RGB_STD']
__all__ += ['VOID', 'open_image', 'pad_to', 'photo_path', 'read_classes']
__all__ += ['read_image', 'read_label', 'read_pair', 'read_split']
__all__ += ['save_label', 'set_seed', 'check_table', 'classes_last']
__all__ += ['freeze_batch_norm', 'devices_of', 'doctor', 'peak_memory']
__all__ += ['try_all_gpus', 'try_gpu', 'Batches', 'SegmentationMetric']
__all__ += ['background_of', 'normalize', 'heat', 'overlay', 'plot']
__all__ += ['plot_bars', 'save_overlay', 'show_images', 'show_matrix']
__all__ += ['show_overlay', 'Shape', 'read_labelme', 'save_net', 'shape_mask']
__all__ += ['DATA', 'VOC_ARCHIVE', 'VOC_MIRRORS', 'VOC_SHA1', 'backbone_file']
__all__ += ['download_voc', 'pretrained_backbone', 'voc_root', 'Finding']
__all__ += ['check_own', 'make_set', 'own_files', 'evaluate', 'predict']
__all__ += ['show_widget', 'vary', 'compare_times', 'take_step', 'train']
__all__ += ['training_memory', 'stored_table', 'import_gluoncv']
__all__ += ['older_arrays', 'pretrained_gluoncv', 'cut_objects', 'fuse']
__all__ += ['lite0_file', 'load_saved', 'move', 'read_torch', 'show_points']
__all__ += ['draw_boxes', 'annotated', 'check_boxes', 'read_boxes']
__all__ += ['read_objects']


def train(
    net,
    batches,
    loss,
    num_epochs,
    optimizer='adam',
    optimizer_params=None,
    power=0.9,
    val_data=None,
    devices=None,
    checkpoint=None,
    kvstore='device',
    precision='float32',
    accumulate=1,
    quiet=False,
    watch=None,
):
    """Train a net and return its history.

    `batches`: a `Batches`, or anything like it that can be iterated once an
    epoch, has `len`, `epoch`, `batch_size` and `seed`. Photos of dtype uint8
    are normalised (`normalize`), other arrays are taken as they are.
    `loss(scores, labels)`: an array of losses, 0 where the label is VOID;
    their sum over all devices and workers is divided by the number of other
    pixels, so neither void nor their number changes the size of a step.
    `optimizer`, `optimizer_params`: as `gluon.Trainer` takes them; the
    learning rate falls from what is given there to zero as
    (1 - done) ** power, where `done` is the share of steps taken.
    `val_data`: photos and labels for `evaluate`, after each epoch.
    `devices`: default `try_all_gpus()`; every batch is split over them.
    `checkpoint`: a file, replaced after each epoch in one step. If it is
    there, training goes on after its last epoch and ends as if it had never
    stopped; MXNet's generator is seeded anew in each epoch for that.
    `kvstore`: where gradients are added up. 'device': over the devices of
    this machine; 'dist_sync': also over all workers that tools/launch.py or
    a cluster started. Each worker sets `batches.part` and so reads its share
    of every batch; all begin with the parameters of rank 0, which alone
    evaluates, prints and writes the checkpoint. All read it: it must lie
    where all of them see it. A process can join such a run once.
    `precision`: 'float16' computes layers in half precision where that is
    safe, by MXNet's AMP, from then on in the whole process; GPUs only.
    `accumulate`: in how many parts, one after the other, a batch goes
    through the net. Their gradients are added: the same step with about as
    many times less memory. (Batch normalisation sees the parts.)
    `quiet`: show nothing, as where many nets are trained in a row.
    `watch`: watch(net, history) is called on rank 0 after each epoch, before
    its checkpoint is written; what it returns, {name: number}, joins the
    history.

    Returns a dict of lists with one number an epoch: `loss` (mean over the
    pixels that count), `examples_per_second` (of all workers, without
    evaluation) and, with `val_data` and on rank 0, `pixel_accuracy` and
    `mean_iu`.

    Raises FloatingPointError if the loss is not finite (the checkpoint of
    the epoch before stays), ValueError naming the checkpoint if it is
    damaged, of a run with other settings or of an older version of this
    book, MemoryError, with a batch that fits, if the device's memory does
    not suffice.
    """
    devices = devices or try_all_gpus()
    optimizer_params = {'learning_rate': 1e-3} | (optimizer_params or {})
    settings = {
        'num_epochs': num_epochs,
        'batch_size': batches.batch_size,
        'seed': batches.seed,
        'optimizer': optimizer,
        'optimizer_params': optimizer_params,
        'power': power,
    }
    move(net, devices)
    with (
        Workers(kvstore) as workers,
        adding_gradients(net, accumulate > 1),
    ):
        first = workers.rank == 0
        if workers.count > 1:
            batches.part = workers.rank, workers.count
            lay_out_anew(net, devices)
        # Gradients are summed over the devices, then every device updates.
        trainer = gluon.Trainer(
            net.collect_params(),
            optimizer,
            dict(optimizer_params),
            kvstore=workers.store
            if workers.count * len(devices) > 1
            else None,
            update_on_kvstore=False,
        )
        if precision != 'float32':
            compute_in(precision, net, trainer, devices)
        history = {'loss': [], 'examples_per_second': []}
        if val_data is not None and first:
            history |= {'pixel_accuracy': [], 'mean_iu': []}
        if checkpoint is not None and workers.all_see(checkpoint):
            if not knows_sizes(net):
                show(net, next(iter(batches))[0][:1], devices)
            stored = load_checkpoint(
                checkpoint, net, trainer, devices, settings
            )
            for name in history:
                if name not in stored:
                    raise ValueError(
                        f'{checkpoint} has no history of {name}: was its run '
                        'without val_data?'
                    )
                history[name] = stored[name]
            if watch is not None and first:
                history |= stored
        speaks = first and not quiet
        with Report(history, num_epochs, len(batches), speaks) as report:
            for epoch in range(len(history['loss']), num_epochs):
                batches.epoch = epoch
                seed = batches.seed * 100_003 + epoch
                mx.random.seed(seed * workers.count + workers.rank)
                total, valid, start = 0.0, 0, time.perf_counter()
                for step, (images, labels) in enumerate(batches):
                    share = (epoch + step / len(batches)) / num_epochs
                    rate = (1 - share) ** power
                    rate *= optimizer_params['learning_rate']
                    trainer.set_learning_rate(rate)
                    with memory_explained(
                        net, images, devices, accumulate, settings
                    ):
                        batch_loss, batch_valid = take_step(
                            net,
                            images,
                            labels,
                            loss,
                            trainer,
                            devices,
                            accumulate,
                            workers,
                        )
                    if not math.isfinite(batch_loss):
                        raise FloatingPointError(
                            f'the loss is {batch_loss} in epoch {epoch + 1}, '
                            f'step {step + 1}: a smaller learning rate than '
                            f'{rate:.3g} may help'
                        )
                    total, valid = total + batch_loss, valid + batch_valid
                    report.step(step + 1, total / max(valid, 1))
                npx.waitall()
                seconds = time.perf_counter() - start
                average_statistics(net, workers)
                history['loss'].append(total / max(valid, 1))
                history['examples_per_second'].append(
                    len(batches) * batches.batch_size / seconds
                )
                if 'mean_iu' in history:
                    metric = evaluate(net, val_data, devices=devices)
                    history['pixel_accuracy'].append(metric.pixel_accuracy)
                    history['mean_iu'].append(metric.mean_iu)
                if watch is not None and first:
                    for name, number in watch(net, history).items():
                        history.setdefault(name, []).append(number)
                if checkpoint is not None and first:
                    save_checkpoint(
                        checkpoint, net, trainer, settings, history
                    )
                report.epoch()
    return history


def take_step(net, images, labels, loss, trainer, devices, parts, workers):
    """Take one step: (sum of the losses, number of labels that count).

    Both are those of all workers. `images`, `labels`: a batch of this one;
    `parts`: see `accumulate` of `train`; `workers`: the `Workers` of the run.
    """
    valid = int(workers.sum([onp.count_nonzero(host(labels) != VOID)])[0])
    if not valid:
        return 0.0, 0  # nothing to learn from
    workers.share_parameters(net, trainer, images[:1], devices)
    losses = []
    for part in zip(split(images, parts), split(labels, parts), strict=True):
        with autograd.record():
            losses += _backward(net, *part, loss, trainer, devices)
        if parts > 1:
            npx.waitall()  # before the next part takes memory
    trainer.step(valid)
    if parts > 1:
        zero_gradients(net)
    total = sum(float(part.item()) for part in losses)
    return float(workers.sum([total])[0]), valid


def _backward(net, images, labels, loss, trainer, devices):
    """Compute gradients; return the sum of the losses on each device."""
    losses = []
    for x, y in zip(
        gluon.utils.split_and_load(images, devices, even_split=False),
        gluon.utils.split_and_load(labels, devices, even_split=False),
        strict=True,
    ):
        losses.append(loss(net(normalized(x)), y).sum())
    scaled_backward(losses, trainer)
    return losses
