"""The page «Try it»: its scripts, the network, the book's free photos.

The network goes into a script as text, since a page that is opened as a file
may read scripts and nothing else. build/try/engine.js says what is in it.
"""

import base64
import io
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT))

import segbook
from parts.images import host, open_image, to_rgb
from parts.whole import write_whole
from tools import predict

import numpy as onp
from mxnet.gluon import nn

PAGE = 'try'
NET = Path('weights/real-photos.zip')
PHOTOS = Path('photos')
SCRIPTS = 'widgets/*.js', 'widgets/compare/*.js', 'try/*.js'
STYLES = 'widgets/*.css', 'widgets/compare/*.css', 'try/*.css'
LONGEST = 512  # pixels: the longer side of a photo as the page sees it
SIX = 6  # where ReLU6 ends
NO_LIMIT = 3e38  # where a ReLU ends


class Program:
    """What a net computes, as the page's engine reads it."""

    def __init__(self):
        self.numbers, self.length = [], 0

    def store(self, parameter):
        """Append a layer's numbers; return where they begin."""
        values = host(parameter.data(parameter.list_ctx()[0]))
        if values.ndim == 4:  # channels last, as the maps have them
            values = values.transpose(0, 2, 3, 1)
        self.numbers.append(values.reshape(-1))
        self.length += values.size
        return self.length - values.size

    def conv(self, layer, norm=None):
        """Describe a convolution, and the normalisation behind it."""
        outputs, inputs, kernel, _ = layer.weight.shape
        settings = layer._kwargs
        alone = settings['num_group'] > 1
        _refuse(
            settings['dilate'] != (1, 1)
            or (alone and (inputs, outputs) != (1, settings['num_group']))
            or layer.act is not None,
            layer,
        )
        found = {
            'inputs': outputs if alone else inputs,
            'outputs': outputs,
            'kernel': kernel,
            'stride': settings['stride'][0],
            'pad': settings['pad'][0],
            'alone': alone,
            'act': 0,
            'weight': self.store(layer.weight),
        }
        if layer.bias is not None:
            found['bias'] = self.store(layer.bias)
        else:
            found.update(_affine(norm))
        return found

    def convs(self, layers):
        """Describe a chain of convolutions, ReLUs and normalisations."""
        found, layers = [], list(layers)
        for i, layer in enumerate(layers):
            after = layers[i + 1] if i + 1 < len(layers) else None
            if type(layer) is nn.Conv2D:
                found.append(self.conv(layer, after))
            elif type(layer) is segbook.ReLU6:
                found[-1]['act'] = SIX
            elif type(layer) is nn.Activation:
                found[-1]['act'] = NO_LIMIT
            else:
                _refuse(type(layer) is not nn.BatchNorm, layer)
        return found

    def stage(self, layers):
        """Describe a stage of the backbone: blocks, and single layers."""
        blocks = []
        for layer in layers:
            if isinstance(layer, nn.HybridSequential):
                add = type(layer) is segbook.Residual
                blocks.append({'convs': self.convs(layer), 'add': add})
            elif type(layer) is nn.Conv2D:
                blocks.append({'convs': self.convs([layer]), 'add': False})
            else:
                _refuse(type(layer) is not segbook.ReLU6, layer)
                blocks[-1]['convs'][-1]['act'] = SIX
        return blocks

    def tap(self, layers):
        norm, relu, *rest = layers
        _refuse(type(relu) is not nn.Activation, relu)
        return {**_affine(norm), 'convs': self.convs(rest)}


def _refuse(wrong, layer):
    if wrong:
        raise ValueError(f'the page «Try it» knows no {type(layer).__name__}')


def _affine(norm):
    """What a batch normalisation does: {scale, shift}, a number a channel."""
    _refuse(type(norm) is not nn.BatchNorm, norm)
    gamma, beta, mean, variance = (
        host(parameter.data(parameter.list_ctx()[0])).astype('float64')
        for parameter in (
            *(norm.gamma, norm.beta),
            *(norm.running_mean, norm.running_var),
        )
    )
    scale = gamma / onp.sqrt(variance + norm._kwargs['eps'])
    shift = beta - mean * scale
    return {
        name: [float(f'{value:.9g}') for value in values]
        for name, values in (('scale', scale), ('shift', shift))
    }


def net_script(net, table, about):
    """Return a net as a script: `bookTry = { net: {…} }`.

    `net`: a SkipFCN of stride 8 on Lite0; its weights are stored as float16.
    `about`: what the net's file says of it, a dict.

    Raises ValueError for any other net.
    """
    _refuse(type(net) is not segbook.SkipFCN or len(net.taps) < 2, net)
    program = Program()
    facts = {
        'classes': table.names,
        'colors': table.colormap[: len(table.names)].tolist(),
        'palette': table.colormap.reshape(-1).tolist(),
        'about': about,
        'longest': LONGEST,
        'stages': [program.stage(stage) for stage in net.backbone.stages],
        'score': program.convs([net.score])[0],
        'taps': [program.tap(tap) for tap in net.taps],
    }
    numbers = onp.concatenate(program.numbers).astype('<f2')
    if not onp.isfinite(numbers).all():
        raise ValueError('a weight is too large for half precision')
    facts['numbers'] = base64.b64encode(numbers.tobytes()).decode()
    return _begin(facts)


def _begin(net):
    """The first of the page's scripts: it holds a net, or None."""
    return f'globalThis.bookTry = {{ net: {_json(net)} }};\n'


def photos_script(folder):
    """Return the photos of a folder as a script: `bookTry.photos = […]`.

    Each is a JPEG; one with more than LONGEST pixels in its longer side is
    made smaller.
    """
    photos = []
    for path in sorted(folder.glob('*.jpg')):
        content, photo = path.read_bytes(), to_rgb(open_image(path))
        if max(photo.size) > LONGEST:
            photo.thumbnail((LONGEST, LONGEST))
            file = io.BytesIO()
            photo.save(file, 'JPEG', quality=90, optimize=True)
            content = file.getvalue()
        data = base64.b64encode(content).decode()
        photos.append({'name': path.stem, 'data': data})
    return f'bookTry.photos = {_json(photos)};\n'


def _json(value):
    """JSON that may stand in a script, whatever texts are in it."""
    return json.dumps(value, ensure_ascii=True).replace('<', '\\u003c')


def code():
    """Return the page's script and its style, each in one piece."""
    script, style = (
        '\n'.join(
            path.read_text('utf-8')
            for pattern in patterns
            for path in sorted(HERE.glob(pattern))
        )
        for patterns in (SCRIPTS, STYLES)
    )
    script = f"(() => {{\n{script}mount('try', makeTry);\n}})();\n"
    return script, style


def write(folder, root=ROOT):
    """Write the page's files into a folder.

    Without a network in the book, the page says so.
    """
    script, style = code()
    net = _begin(None)
    if (root / NET).is_file():
        found, table, _ = predict.load_net(root / NET)
        about = predict.load_about(root / NET)
        net = net_script(found, table, about)
    for name, text in (
        ('net.js', net),
        ('photos.js', photos_script(root / PHOTOS)),
        ('try.js', script),
        ('try.css', style),
    ):
        write_whole(folder / name, text)
