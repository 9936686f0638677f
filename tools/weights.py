"""Turn published weights of the FCN paper's VGG16 nets into a .params file.

    .venv/bin/python tools/weights.py IN.npz OUT.params
    .venv/bin/python tools/weights.py pascal-fcn8s-dag.mat data/fcn8s.params

What is read, and what it becomes:

  .npz  arrays by name: a layer's name and `.weight`, `/W`, `_W`, `_weight`
        or `_filter`, for a bias `.bias`, `/b`, `_b` or `_bias`. Filters are
        (out, in, height, width) or (height, width, in, out); transposed ones
        (in, out, height, width) or (height, width, out, in). Input: BGR.
  .mat  MatConvNet's, as a graph (`params`, such as conv1_1f, conv1_1b or
        conv1_1_filter, conv1_1_bias) or a chain (`layers`). Filters are
        (height, width, in, out). Input: RGB, unless the mean in the file
        says otherwise; then the first filters' channels are reversed.
  out   what `segbook.PaperFCN` loads: its names, (out, in, height, width),
        transposed (in, out, height, width), float32. Input: BGR, 0 to 255,
        minus MEAN. Which of the three nets it is, the names say.

The nets of 2015 call their upsampling layers by other names and give some of
them a bias; both are translated, and the net computes the same. Nothing is
unpickled. A file that lacks an array, or has one too many or of another shape,
is refused, each of them named, and then nothing is written.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == '__main__':
    sys.path.insert(0, str(ROOT / 'build'))
    import ending

    ending.at_once()

import argparse
import math

sys.path.insert(0, str(ROOT))

import utils  # noqa: F401  first: it sets MXNet's threads, and NumPy's ways
from parts.stored import naming, numpy_arrays, open_zip, unfolds_to
from parts.whole import new, place
from tools import matlab

import numpy as onp
from mxnet import np, npx

MEAN = 104.00699, 116.66877, 122.67892  # what is subtracted: blue, green, red
WIDTHS = 64, 128, 256, 512, 512, 4096  # channels of VGG16's blocks, fc6, fc7
UPSAMPLING = {  # transposed convolutions: {stride: {layer: kernel}}
    32: {'upscore': 64},
    16: {'upscore2': 4, 'upscore16': 32},
    8: {'upscore2': 4, 'upscore_pool4': 4, 'upscore8': 16},
}
OLD_NAMES = {  # what the nets of 2015 call them
    32: {'upsample': 'upscore'},
    16: {'score2': 'upscore2', 'upsample_new': 'upscore16'},
    8: {
        'score2': 'upscore2',
        'score4': 'upscore_pool4',
        'upsample': 'upscore8',
    },
}
# The sum of two maps has one bias: a transposed convolution's, added at every
# place, may as well be added by the 1x1 convolution it is summed with.
SUMMED_WITH = {'upscore2': 'score_pool4', 'upscore_pool4': 'score_pool3'}
ENDINGS = {
    'weight': ('.weight', '/W', '_W', '_weight', '_filter', 'f'),
    'bias': ('.bias', '/b', '_b', '_bias', 'b'),
}


def shapes(stride, num_classes=21, widths=WIDTHS):
    """Return PaperFCN's arrays: {'conv1_1.weight': (64, 3, 3, 3), ...}.

    Filters are (out, in, height, width), transposed ones (in, out, height,
    width). `widths`: channels of the five blocks and of fc6 and fc7.
    """
    found, channels = {}, 3

    def convolution(name, inputs, outputs, kernel):
        found[f'{name}.weight'] = (outputs, inputs, kernel, kernel)
        found[f'{name}.bias'] = (outputs,)

    for block, count in enumerate((2, 2, 3, 3, 3)):
        for i in range(count):
            name = f'conv{block + 1}_{i + 1}'
            convolution(name, channels, widths[block], 3)
            channels = widths[block]
    convolution('fc6', channels, widths[5], 7)
    convolution('fc7', widths[5], widths[5], 1)
    convolution('score_fr', widths[5], num_classes, 1)
    if stride < 32:
        convolution('score_pool4', widths[3], num_classes, 1)
    if stride < 16:
        convolution('score_pool3', widths[2], num_classes, 1)
    for name, kernel in UPSAMPLING[stride].items():
        found[f'{name}.weight'] = (num_classes, num_classes, kernel, kernel)
    return found


# ------------------------------------------------------------------- Read


def read(path, limit):
    """Read a file of weights: (arrays, is MatConvNet's, mean).

    `limit`: how many bytes the arrays may take. `arrays`: {name: NumPy
    array}, as stored. `mean`: what was subtracted from the photos, three
    numbers in the order of the channels; None if the file does not say.
    Raises FileNotFoundError, and ValueError naming the file if it is of
    another kind, damaged, too large, or holds objects instead of numbers.
    """
    path = place(path)
    if not path.is_file():
        raise FileNotFoundError(f'there is no file {path}')
    if path.suffix.lower() == '.npz':
        arrays, mean = read_npz(path, limit), None
    elif path.suffix.lower() == '.mat':
        arrays, mean = read_mat(path, limit)
    else:
        raise ValueError(f'{path} is no .npz and no .mat file')
    most = onp.finfo('float32').max
    for name, array in arrays.items():
        if array.dtype.kind not in 'fiu':
            raise ValueError(f'{path}: {name} holds no numbers')
        if not ((-most <= array) & (array <= most)).all():
            raise ValueError(f'{path}: {name} is not finite everywhere')
    return arrays, path.suffix.lower() == '.mat', mean


def read_npz(path, limit):
    """Read a .npz file, {name: array}; see `read`."""
    with naming(path, 'is no .npz file'), open_zip(path) as archive:
        stored = numpy_arrays(archive, limit)
        return {name: array.read() for name, array in stored.items()}


def read_mat(path, limit):
    """Read MatConvNet's file, ({name: array}, mean); see `read`."""
    with naming(path, 'is no .mat file'):
        file = matlab.read(path.read_bytes(), min(limit, unfolds_to(path)))
    try:
        parts = _struct(file['net']) if 'net' in file else file
        pairs, mean = _arrays_in(parts), _mean_in(parts)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"{path} is not laid out as MatConvNet's files: {error!r}"
        ) from error
    arrays = {}
    for name, value in pairs:
        if name in arrays:
            raise ValueError(f'{path} holds {name} twice')
        arrays[name] = value
    return arrays, mean


def _struct(value):
    """A MATLAB struct of one element, perhaps in a cell: {field: value}."""
    while isinstance(value, list):
        value = value[0]
    return _as(dict, value)


def _as(kind, value):
    """Return a value; raises TypeError if it is not of a kind."""
    if not isinstance(value, kind):
        raise TypeError(f'{type(value).__name__} for {kind.__name__}')
    return value


def _arrays_in(parts):
    """Return (name, array) of every parameter of MatConvNet's net."""
    if 'params' in parts:
        items = map(_struct, _as(list, parts['params']))
        pairs = [(item['name'], item['value']) for item in items]
    else:
        pairs = []
        for layer in map(_struct, _as(list, parts['layers'])):
            values = [layer.get(key) for key in ('filters', 'biases')]
            if 'weights' in layer:  # since 2015
                values = _as(list, layer['weights'])
            for kind, value in zip(('weight', 'bias'), values, strict=False):
                if value is not None:
                    pairs.append((f'{layer["name"]}.{kind}', value))
    return [(_as(str, name), _as(onp.ndarray, x)) for name, x in pairs]


def _mean_in(parts):
    """Find the mean in MatConvNet's description of the photos, or None."""
    meta = _struct(parts['meta']) if 'meta' in parts else parts
    if 'normalization' not in meta:
        return None
    normalization = _struct(meta['normalization'])
    for name in ('averageImage', 'rgbMean'):
        value = _as(onp.ndarray, normalization.get(name, onp.zeros(0)))
        if value.size and value.size % 3 == 0:
            return value.reshape(-1, 3).mean(axis=0)
    return None


# ---------------------------------------------------------------- Convert


def stride_of(names):
    """Tell by the names of arrays which net they are of: 32, 16 or 8."""
    if any(name.startswith('score_pool3') for name in names):
        return 8
    return 16 if any(name.startswith('score_pool4') for name in names) else 32


def convert(arrays, height_first, rgb, num_classes=21, widths=WIDTHS):
    """Turn arrays by their published names into PaperFCN's: (arrays, stride).

    `arrays`: {name: numbers}; `height_first`: filters are (height, width, in,
    out), not (out, in, height, width); `rgb`: they read red first.
    Raises ValueError that names every array which is missing, unknown or of
    another shape.
    """
    stride = stride_of(arrays)
    wanted = shapes(stride, num_classes, widths)
    known = _known_names(stride)
    found, wrong = {}, []
    for name, array in arrays.items():
        ours = known.get(name)
        if ours is None:
            wrong.append(f'unknown: {name} {array.shape}')
        elif ours in found:
            wrong.append(f'twice, under two names: {ours}')
        else:
            found[ours] = _ordered(array, ours, height_first)
    extra = {name: found.pop(name) for name in set(found) - set(wanted)}
    for name, shape in wanted.items():
        if name not in found:
            wrong.append(f'missing: {name} {shape}')
        elif found[name].shape != shape:
            there = arrays[next(n for n in arrays if known.get(n) == name)]
            wrong.append(f'wrong shape: {name} {there.shape} for {shape}')
    if wrong:
        listed = '\n  '.join(wrong)
        raise ValueError(
            f'these are no weights of FCN-{stride}s with {num_classes} '
            f'classes:\n  {listed}'
        )
    for name, bias in extra.items():  # a transposed convolution's
        other = SUMMED_WITH.get(name.removesuffix('.bias'))
        if other is not None and bias.shape == (num_classes,):
            found[f'{other}.bias'] = found[f'{other}.bias'] + bias
        elif bias.any():
            raise ValueError(f'the last layer cannot have a bias: {name}')
    if rgb:
        found['conv1_1.weight'] = found['conv1_1.weight'][:, ::-1]
    return {
        name: onp.ascontiguousarray(found[name], dtype='float32')
        for name in wanted
    }, stride


def _known_names(stride):
    """Return {name in a file: our name} for every spelling of every array."""
    layers = {name.rpartition('.')[0] for name in shapes(stride)}
    spelt = {layer: layer for layer in layers} | OLD_NAMES[stride]
    return {
        theirs + ending: f'{ours}.{kind}'
        for theirs, ours in spelt.items()
        for kind, endings in ENDINGS.items()
        for ending in endings
    }


def _ordered(array, name, height_first):
    """Bring an array into PaperFCN's order of axes."""
    if name.endswith('.bias'):
        return array.reshape(-1)
    if height_first and array.ndim <= 4:  # MATLAB drops last axes of size 1
        array = array.reshape(array.shape + (1,) * (4 - array.ndim))
        # From (height, width, in, out), or transposed (height, width, out,
        # in): the last axis becomes the first one either way.
        return array.transpose(3, 2, 0, 1)
    return array


def is_height_first(arrays):
    """Tell by fc6, whose filters are 7x7, how the axes are ordered."""
    known = _known_names(32)
    for name, array in arrays.items():
        if known.get(name) == 'fc6.weight':
            return array.shape[:2] == (7, 7)
    return False


def convert_file(source, target, num_classes=21, channels=None, widths=WIDTHS):
    """Convert the file `source` into the file `target`; return the stride.

    `channels`: 'rgb' or 'bgr', what the first filters read; None decides by
    the kind of file and the mean in it. The target is replaced in one step,
    or left alone. Raises what `read` and `convert` raise, and ValueError if
    the photos were prepared with another mean.
    """
    largest = shapes(8, num_classes, widths).values()
    limit = 8 * sum(map(math.prod, largest)) + 2**20  # float64, and the rest
    arrays, matconvnet, mean = read(source, limit)
    # Photos are reddest: whichever end of the mean is larger is red.
    rgb = matconvnet if mean is None else mean[0] > mean[2]
    if channels is not None:
        rgb = channels == 'rgb'
    if mean is not None:
        ours = MEAN[::-1] if mean[0] > mean[2] else MEAN
        if not onp.allclose(mean, ours, atol=0.01):
            raise ValueError(
                f'{source} subtracts {mean.round(3).tolist()} from photos, '
                f"the FCN paper's nets {list(ours)}"
            )
    try:
        converted, stride = convert(
            arrays,
            matconvnet or is_height_first(arrays),
            rgb,
            num_classes,
            widths,
        )
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
    save(converted, target)
    return stride


def save(arrays, target):
    """Write {name: array} as MXNet's parameters, all or nothing."""
    loaded = {name: np.array(array) for name, array in arrays.items()}
    with new(target) as part:
        if hasattr(npx, 'savez'):  # MXNet 2
            npx.savez(str(part), **loaded)
        else:
            npx.save(str(part), loaded)


def main(arguments=None):
    """Convert one file, as the command line says."""
    parser = argparse.ArgumentParser(
        description="Weights of the FCN paper's nets, for segbook.PaperFCN."
    )
    parser.add_argument('source', help='a .npz or .mat file')
    parser.add_argument('target', help='the .params file to write')
    parser.add_argument('--classes', type=int, default=21)
    parser.add_argument(
        '--channels', choices=['rgb', 'bgr'], help='what conv1_1 reads'
    )
    given = parser.parse_args(arguments)
    try:
        stride = convert_file(
            given.source, given.target, given.classes, given.channels
        )
    except (ValueError, OSError) as error:
        sys.exit(f'nothing was written: {error}')
    print(f'{given.target}: FCN-{stride}s, {given.classes} classes')
    print(f'load it into segbook.PaperFCN({given.classes}, {stride})')


if __name__ == '__main__':
    ending.in_order()
    main()
