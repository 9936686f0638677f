"""The four usual figures of semantic segmentation."""

from parts.images import VOID, host

import numpy as onp


class SegmentationMetric:
    """Count a confusion matrix and read the four usual figures off it.

    `confusion[i, j]` is the number of pixels of class i that were predicted
    as class j, int64 (num_classes, num_classes); void pixels are left out.
    The figures are those of the FCN paper (Long et al., 2015, section 5),
    means taken over the classes that are present in the labels; numbers from
    0 to 1, nan before the first update.
    """

    def __init__(self, num_classes, void=VOID):
        self.num_classes, self.void = num_classes, void
        self.confusion = onp.zeros((num_classes, num_classes), dtype='int64')

    def update(self, label, prediction):
        """Count one or more label maps and predictions of the same shape.

        Integer arrays of any shape, NumPy's or MXNet's.
        Raises ValueError for other shapes or a class outside the table.
        """
        label, prediction = host(label), host(prediction)
        if label.shape != prediction.shape:
            raise ValueError(
                f'the label has shape {label.shape}, '
                f'the prediction {prediction.shape}'
            )
        valid = label != self.void
        label, prediction = label[valid], prediction[valid]
        for what, values in (('label', label), ('prediction', prediction)):
            # The two ends first: to look at each value takes far longer.
            if values.size and not (
                0 <= values.min() <= values.max() < self.num_classes
            ):
                wrong = values[(values < 0) | (values >= self.num_classes)]
                raise ValueError(
                    f'the {what} holds class {wrong[0]}, '
                    f'the table ends at {self.num_classes - 1}'
                )
        pairs = label.astype('int64')
        pairs *= self.num_classes
        pairs += prediction.astype('int64')
        self.confusion += onp.bincount(
            pairs, minlength=self.num_classes**2
        ).reshape(self.confusion.shape)

    def all_background(self, background=0):
        """Return the metric of a net that calls every pixel background.

        `background`: the index of that class; VOC's is 0.
        """
        baseline = SegmentationMetric(self.num_classes, self.void)
        baseline.confusion[:, background] = self.confusion.sum(axis=1)
        return baseline

    @property
    def present(self):
        """Which classes occur in the labels: bool (num_classes,)."""
        return self.confusion.sum(axis=1) > 0

    @property
    def pixel_accuracy(self):
        """The share of pixels that are right."""
        return _ratio(onp.trace(self.confusion), self.confusion.sum())

    @property
    def class_accuracy(self):
        """Of each class's pixels, the share that is right: (num_classes,)."""
        return _ratio(onp.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def class_iu(self):
        """Intersection over union of each class; nan where it is absent."""
        right = onp.diag(self.confusion)
        union = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) - right
        return onp.where(self.present, _ratio(right, union), onp.nan)

    @property
    def mean_accuracy(self):
        """The mean of `class_accuracy` over the classes present."""
        return _mean(self.class_accuracy[self.present])

    @property
    def mean_iu(self):
        """The mean of `class_iu` over the classes present."""
        return _mean(self.class_iu[self.present])

    @property
    def frequency_weighted_iu(self):
        """`class_iu`, weighted by each class's share of the pixels."""
        share = _ratio(self.confusion.sum(axis=1), self.confusion.sum())
        if not self.present.any():
            return onp.nan
        return float((share * self.class_iu)[self.present].sum())


def _ratio(part, whole):
    """Divide; where the whole is 0, the ratio is nan."""
    part, whole = onp.broadcast_arrays(part, onp.asarray(whole, 'float64'))
    ratio = onp.full(whole.shape, onp.nan)
    return onp.divide(part, whole, out=ratio, where=whole > 0)[()]


def _mean(values):
    return float(values.mean()) if values.size else onp.nan
