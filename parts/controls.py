"""What a reader can move: pictures with controls, interactive pieces."""

import json

from parts.canvas import stage
from parts.images import host
from parts.start import HERE
from parts.tables import VOID

import numpy as onp
from mxnet import npx
from PIL import Image


def vary(draw, **parameters):
    """Show what a function draws, with a control for each parameter.

    When a control is moved, the new picture takes the place of the old one.

    Args:
        draw: a function of these parameters that shows pictures with the
            functions of `utils`. If it returns a text, that stands
            below; if it raises, the error is shown in one line.
        **parameters: what each may be: (first, last, start) or (first,
            last), whole numbers, begins at start or first; a list of
            choices begins at its first; True or False can be switched.

    Returns:
        A widget for Jupyter: write the call as the last line of a cell.
    """
    import ipywidgets

    controls = {
        name: _control(ipywidgets, name.replace('_', ' '), values)
        for name, values in parameters.items()
    }
    picture = ipywidgets.HTML()

    def update(change=None):
        values = {name: control.value for name, control in controls.items()}
        picture.value = _drawn(draw, values)

    for control in controls.values():
        control.observe(update, 'value')
    update()
    return ipywidgets.VBox([*controls.values(), picture])


def _control(ipywidgets, name, values):
    """Make the control of one parameter, see `vary`."""
    look = {'description': name, 'style': {'description_width': 'initial'}}
    if isinstance(values, bool):
        return ipywidgets.Checkbox(value=values, indent=False, **look)
    if isinstance(values, list):
        return ipywidgets.Dropdown(options=values, **look)
    first, last, *start = values
    start = start[0] if start else first
    return ipywidgets.IntSlider(value=start, min=first, max=last, **look)


def _drawn(draw, values):
    """Return as HTML what draw(**values) shows and returns."""
    import base64
    import html

    npx.set_np()  # it holds in one thread only, and this may be another one
    outer, error = getattr(stage, 'pictures', None), ''
    text = None
    stage.pictures = pictures = []
    try:
        text = draw(**values)
    except Exception as caught:
        error = f'{type(caught).__name__}: {caught}'
    finally:
        stage.pictures = outer
    parts = []
    for picture in pictures:
        kind, data = next(iter(picture.data.items()))
        data = data.encode() if isinstance(data, str) else data
        width, height = picture.size
        # A size in advance: nothing below jumps when the picture changes.
        parts.append(
            f'<img alt="{html.escape(picture.data["text/plain"])}" '
            f'style="display: block; width: {width}px; max-width: 100%; '
            f'aspect-ratio: {width} / {height}; background: white" '
            f'src="data:{kind};base64,{base64.b64encode(data).decode()}">'
        )
    if text is not None:
        parts.append(f'<pre>{html.escape(str(text))}</pre>')
    if error:
        line = html.escape(' '.join(error.split()))
        parts.append(f'<p role="alert">{line}</p>')
    return '\n'.join(parts)


def show_widget(name, **data):
    """Show one of the book's interactive pieces below the cell.

    The style, the scripts and the data are all in the output itself, so it
    works in the HTML page as in JupyterLab once the cell has run.

    Args:
        name: 'tconv', the transposed-convolution explorer; 'atrous', that
            of convolutions with holes; 'bilinear', the bilinear kernel;
            'compare', photos beside predictions and truth; 'crf', a
            conditional random field; 'deformable', the nine points of a
            kernel over a photo; or 'answer', boxes for numbers, on a page
            of exercises.
        **data: for 'tconv', state='h=5&w=7&k=4&s=2&p=1&a=0' to begin with,
            and views='scatter' to show only the stamps at first.
            For 'atrous', state='k=3&rates=1,2,2&strides=1,1,2'.
            For 'answer', numbers: the right ones, a dict by name.
            For 'compare', all of one length, one entry an image:
            photos: uint8 arrays of height x width x 3;
            predictions, truths: integer label maps of height x width, with
            255 for void;
            confidences: height x width floats from 0 to 1, the probability
            of the predicted class;
            and class_names, a list of strings; colors, an RGB triple (0 to
            255) for each of them. Images are shrunk until the output stays
            below 400 KB.
            For 'crf': photo and truth as above, one each, as small as they
            are to be computed with; probabilities, an array of classes x
            height x width; settings, a dict of w1, alpha, beta, w2, gamma
            and steps to begin with; class_names and colors. Classes that are
            nowhere more probable than 1 % are left out.
            For 'deformable': photo, uint8 height x width, of at least 2 x 2
            pixels; and centre, the row and column where the kernel stands.

    Raises:
        FileNotFoundError: there is no widget of that name.
        ValueError: arrays or lists that do not fit together.
    """
    from IPython.display import HTML, display

    display(HTML(widget_html(name, **data)))


def widget_html(name, **data):
    """Return the HTML that `show_widget` shows."""
    import html

    # A copy of the book's code may lie in a folder inside the book's.
    for folder in (HERE, *HERE.parents):
        widgets = folder / 'build' / 'widgets'
        if (widgets / name / 'main.js').exists():
            break
    else:
        raise FileNotFoundError(f'no widget build/widgets/{name}')
    if name == 'compare':
        data = _compare_data(**data)
    if name == 'crf':
        data = _crf_data(**data)
    if name == 'deformable':
        data = _deformable_data(**data)
    style, script = (
        '\n'.join(
            path.read_text(encoding='utf-8')
            for place in (widgets, widgets / name)
            for path in sorted(place.glob(pattern))
        )
        for pattern in ('*.css', '*.js')
    )
    options = html.escape(json.dumps(data))
    # The scripts share one function: they see one another's names, and the
    # page does not.
    return (
        f'<div data-widget="{name}" data-options="{options}"></div>\n'
        f'<style>\n{style}</style>\n'
        f"<script>\n(() => {{\n'use strict';\n{script}"
        f"mount('{name}', make);\n}})();\n</script>"
    )


def _deformable_data(photo, centre):
    """Pack what the 'deformable' widget reads: grey values in base64."""
    import base64

    photo = host(photo)
    if photo.ndim != 2 or photo.dtype != onp.uint8 or min(photo.shape) < 2:
        raise ValueError(
            'a grey photo is uint8, height x width, at least 2 x 2, not '
            f'{photo.dtype} of shape {photo.shape}'
        )
    sides = zip(centre, photo.shape, strict=True)
    if not all(0 <= place < side for place, side in sides):
        raise ValueError(f'{centre} is no place in a photo of {photo.shape}')
    height, width = photo.shape
    return {
        'width': width,
        'height': height,
        'photo': base64.b64encode(photo.tobytes()).decode(),
        'centre': [int(place) for place in centre],
    }


def _crf_data(photo, probabilities, truth, settings, class_names, colors):
    """Pack what the 'crf' widget computes with: bytes in base64."""
    import base64

    photo, chances, truth = map(host, (photo, probabilities, truth))
    height, width = truth.shape
    if photo.shape != (height, width, 3) or photo.dtype != onp.uint8:
        raise ValueError('a photo is uint8, height x width x 3')
    if chances.shape != (len(class_names), height, width):
        raise ValueError(
            f'{len(class_names)} classes and a photo of {photo.shape[:2]} '
            f'with probabilities of {chances.shape}'
        )
    likely = onp.flatnonzero(chances.max(axis=(1, 2)) > 0.01)
    others = set(onp.unique(truth).tolist()) - {*likely.tolist(), VOID}
    shown = [*likely.tolist(), *sorted(others)]
    place = onp.full(256, VOID, 'uint8')
    place[shown] = onp.arange(len(shown))
    energies = -onp.log(onp.maximum(chances[likely], 1e-5))
    steps = onp.rint(20 * energies).clip(0, 255).astype('uint8')

    def pack(array):
        return base64.b64encode(array.astype('uint8').tobytes()).decode()

    return {
        'width': width,
        'height': height,
        'photo': pack(photo),
        'energies': [pack(each) for each in steps],
        'truth': pack(place[truth]),
        'settings': dict(settings),
        'classes': [class_names[label] for label in shown],
        'colors': [[int(part) for part in colors[label]] for label in shown],
    }


def _compare_data(
    photos, predictions, truths, confidences, class_names, colors
):
    """Pack what the 'compare' widget shows, below 340,000 characters."""
    import base64
    import io

    def pack(image, kind, **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        return base64.b64encode(file.getvalue()).decode()

    lists = photos, predictions, truths, confidences
    if len({len(some) for some in lists}) != 1 or not len(photos):
        raise ValueError('give as many photos as label maps, and at least 1')
    if len(class_names) != len(colors):
        raise ValueError('give each class name its color')
    images = []
    for each in zip(*lists, strict=True):
        photo, prediction, truth, confidence = map(host, each)
        if photo.dtype != onp.uint8 or photo.shape[2:] != (3,):
            raise ValueError('a photo is uint8, height x width x 3')
        for other in (prediction, truth, confidence):
            if other.shape != photo.shape[:2]:
                raise ValueError(
                    f'a photo of {photo.shape[:2]} with a map of {other.shape}'
                )
        if confidence.min() < 0 or confidence.max() > 1:
            raise ValueError('confidence goes from 0 to 1')
        images.append((photo, prediction, truth, confidence))
    for longest in (500, 440, 380, 320, 260, 200):
        packed = []
        for photo, prediction, truth, confidence in images:
            height, width = photo.shape[:2]
            shrink = min(1, longest / max(height, width))
            size = [max(1, round(side * shrink)) for side in (width, height)]
            labels = [
                Image.fromarray(m.astype('uint8')).resize(size, Image.NEAREST)
                for m in (prediction, truth)
            ]
            # 32 steps of confidence are more than a reader tells apart.
            steps = Image.fromarray(
                onp.rint(confidence * 31).astype('uint8')
            ).resize([max(1, side // 2) for side in size])
            packed.append(
                {
                    'size': size,
                    'photo': pack(
                        Image.fromarray(photo).resize(size, Image.LANCZOS),
                        'JPEG',
                        quality=80,
                        optimize=True,
                    ),
                    'prediction': pack(labels[0], 'PNG', optimize=True),
                    'truth': pack(labels[1], 'PNG', optimize=True),
                    'confidence': pack(steps, 'PNG', optimize=True),
                }
            )
        data = {
            'images': packed,
            'classes': list(class_names),
            'colors': [[int(part) for part in color] for color in colors],
        }
        if len(json.dumps(data)) < 340_000:
            return data
    raise ValueError('too many images for one widget: give fewer')
