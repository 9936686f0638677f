"""What chapters draw: grids of images, overlays, matrices."""

import math

from parts.canvas import (
    add_axes,
    as_picture,
    caption,
    new_figure,
    render,
    show,
)
from parts.images import VOID, host, pixel_counts
from parts.objects import check_boxes
from parts.texts import plain
from parts.whole import write_whole

import numpy as onp
from PIL import Image, ImageDraw, ImageFont

# How high a picture may be drawn for its width, and how small its short side
# for that, so that long and thin ones are seen. They are drawn distorted.
_HIGHEST, _THINNEST = 3, 1 / 24

_STRIP = 4  # times as wide as high

_PER_INCH = 200  # pixels of a drawing
_GAP = 0.08  # between images, in inches
_POINT = '#d55e00'  # seen on grey, and by colour-blind eyes


def _frame(image, width):
    """In which width and height, in inches, an image is drawn."""
    height = width * image.shape[0] / image.shape[1]
    across = width * min(1, _HIGHEST * width / height)
    least = width * _THINNEST
    return max(across, least), min(max(height, least), _HIGHEST * width)


def _steps(image, frame):
    """How many rows and columns of an image become one in a drawing."""
    inches = frame[::-1]
    return [
        max(1, int(side / (_PER_INCH * inch)))
        for side, inch in zip(image.shape, inches, strict=False)
    ]


def show_images(
    imgs, num_rows, num_cols, titles=None, scale=1.5, alt=None, table=None
):
    """Show images in a grid, row by row.

    Args:
        imgs: list of images, each of its own size: NumPy or MXNet arrays
            of shape (height, width, 3) or (height, width), integers from
            0 to 255 or floats from 0 to 1 or booleans; or Pillow images.
        num_rows: number of rows of the grid.
        num_cols: number of columns of the grid.
        titles: list of as many strings, written above the images; or of as
            many as there are rows, each above its row.
        scale: mean width of an image in inches. In a row all are equally
            high, and together as wide as every other row.
        alt: a sentence that says what is to be seen, for whoever cannot
            see it; without it the titles are read.
        table: a class table. Images of integers, (height, width), and
            Pillow's with a palette are then labels or predictions: they are
            drawn in its colours, and a legend names the classes that occur.

    Raises:
        ValueError: more images than the grid has places, none at all,
            another number of titles, a shape or values that are no image.
    """
    if not 0 < len(imgs) <= num_rows * num_cols:
        raise ValueError(
            f'{len(imgs)} images do not fit a grid of {num_rows} x '
            f'{num_cols}: it takes 1 to {num_rows * num_cols}'
        )
    if titles is not None and len(titles) not in (len(imgs), num_rows):
        raise ValueError(f'{len(titles)} titles for {len(imgs)} images')
    alt = alt or 'Images: ' + '; '.join(titles or ['without titles'])
    titles = titles and [caption(title) for title in titles]
    imgs, entries = (imgs, {}) if table is None else _colored(imgs, table)
    pictures = [as_picture(image) for image in imgs]
    frames = _rows_of_frames(pictures, num_cols, scale)
    each = titles and len(titles) == len(imgs)
    # As large as fits the longest title over its image.
    widths = [wide for wide, _ in frames] if each else [num_cols * scale]
    sizes = [
        72 * wide / (0.58 * max(1, len(title)))
        for title, wide in zip(titles or [], widths * num_rows, strict=False)
    ]
    fontsize = min(11.5, max(7, min(sizes, default=7)))
    title_height = 0.3 if titles else 0
    width = num_cols * scale + (num_cols + 1) * _GAP
    columns, below = _legend_size(entries, width)
    rows = -(-len(frames) // num_cols)
    heights = [
        max(high for _, high in frames[row * num_cols :][:num_cols])
        for row in range(rows)
    ]
    height = sum(heights) + rows * (_GAP + title_height) + _GAP + below
    fig = new_figure(width, height)
    top = height
    for row, row_height in enumerate(heights):
        top -= _GAP + title_height
        left = _GAP
        first = row * num_cols
        for index in range(first, min(first + num_cols, len(pictures))):
            wide, high = frames[index]
            axes = add_axes(fig, left, top - high, wide, high)
            down, across = _steps(pictures[index], frames[index])
            small = Image.fromarray(pictures[index]).reduce((across, down))
            axes.imshow(small, cmap='gray', vmin=0, vmax=255, aspect='auto')
            axes.set_axis_off()
            if each:
                axes.set_title(titles[index], fontsize=fontsize, pad=4)
            elif titles and index == first:
                where = {'loc': 'left', 'fontsize': fontsize, 'pad': 4}
                axes.set_title(titles[row], **where)
            left += wide + _GAP
        top -= row_height
    _add_legend(fig, entries, table, columns)
    show(fig, alt, photo=True)


def _rows_of_frames(pictures, num_cols, scale):
    """In which widths and heights, in inches, the images of a grid are drawn.

    In a row all have one height, and it is full: no holes. Images of a
    column that have one shape stand below one another. A long strip beside
    others has room as a square has, or they would become thumbnails.
    """
    frames = []
    for first in range(0, len(pictures), num_cols):
        row = [_frame(image, 1) for image in pictures[first:][:num_cols]]
        shapes = onp.array([wide / high for wide, high in row])
        strips = (shapes > _STRIP) & (shapes.min() < _STRIP)
        rooms = onp.where(strips, 1, shapes)
        # A row that is not full leaves room for others of their mean shape.
        height = scale / rooms.mean()
        frames += [
            (room * height, room * height / shape)
            for room, shape in zip(rooms, shapes, strict=True)
        ]
    return frames


def _colored(images, table):
    """Draw labels in colours; return all images, and what a legend says."""
    drawn, found = [], onp.zeros(256, bool)
    for image in images:
        if not isinstance(image, Image.Image):
            image = host(image)
        elif image.mode == 'P':  # VOC's labels: the palette's indices
            image = onp.asarray(image)
        if getattr(image, 'ndim', 0) == 2 and image.dtype.kind in 'iu':
            found[onp.unique(image)] = True
            image = table.colormap[image]
        drawn.append(image)
    names = [*enumerate(table.names), (VOID, 'void')]
    return drawn, {
        index: plain(name, 40) for index, name in names if found[index]
    }


def heat(values, photo=None, limits=None):
    """Colour a map of numbers from dark, the lowest, to bright, the highest.

    `values`: (height, width), NumPy's or MXNet's; `photo`: uint8 (height,
    width, 3), seen through the colours in grey. `limits`: what the darkest
    and the brightest colour mean, by default the lowest and highest value.
    Returns uint8 (height, width, 3).
    """
    from matplotlib import colormaps

    values = host(values).astype(float)
    low, high = limits or (values.min(), values.max())
    shares = ((values - low) / ((high - low) or 1)).clip(0, 1)
    colors = 255 * colormaps['viridis'](shares)[..., :3]
    if photo is not None:
        colors = 0.5 * colors + 0.5 * photo.mean(axis=2, keepdims=True)
    return onp.rint(colors).astype('uint8')


def overlay(photo, label, table, strength=0.6):
    """Lay the colours of a label over its photo: uint8 (height, width, 3).

    `photo`: uint8 (height, width, 3); `label`: integers (height, width);
    `table`: a class table. Where its colour is black, VOC's background, the
    photo stays as it is. `strength`: from 0, the photo, to 1, the colour.
    """
    if photo.shape != (*label.shape, 3):
        raise ValueError(f'a photo {photo.shape}, a label {label.shape}')
    shown, mixed = _shown(table)[..., None], onp.empty(photo.shape, 'uint8')
    # A part at a time: the numbers in between take 80 bytes a pixel.
    rows = max(1, 2**20 // photo.shape[1])
    for top in range(0, len(photo), rows):
        part = slice(top, top + rows)
        under, colors = photo[part], table.colormap[label[part]]
        both = onp.rint((1 - strength) * under + strength * colors)
        mixed[part] = onp.where(shown[label[part]], both, under)
    return mixed


def _shown(table):
    """Which indices `overlay` draws: bool (256,)."""
    return table.colormap.any(axis=1)


def show_overlay(photo, label, table, width=6, alt=None):
    """Show a photo under its label, and below it what the colours mean.

    `photo`, `label`, `table`: see `overlay`. The legend has the classes that
    occur, each with its share of the pixels. `width`: in inches. `alt`: a
    sentence that says what is to be seen; the legend's words by default.
    Of a large photo, many pixels become one; a very long one is squeezed.
    """
    fig, words = _draw_overlay(photo, label, table, width)
    show(fig, alt or words, photo=True)


def save_overlay(path, photo, label, table, width=7):
    """Write what `show_overlay` shows as a JPEG, complete or not at all."""
    fig, words = _draw_overlay(photo, label, table, width)
    write_whole(path, render(fig, words, photo=True))


def _draw_overlay(photo, label, table, width):
    """Make the figure of `show_overlay`, and the words of its legend."""
    counts = pixel_counts(label)
    entries = {
        index: f'{plain(name, 40)} {counts[index] / label.size:.1%}'
        for index, name in [*enumerate(table.names), (VOID, 'void')]
        if counts[index] and _shown(table)[index]
    }
    words = ', '.join(entries.values())
    words = words or f'nothing but {plain(table.names[0], 40)}'
    columns, below = _legend_size(entries, width)
    below = below or 0.36  # for the words
    across, height = frame = _frame(photo, width)
    fig = new_figure(width, height + below)
    axes = add_axes(fig, 0, below, across, height)
    axes.imshow(_small_overlay(photo, label, table, frame), aspect='auto')
    axes.set_axis_off()
    _add_legend(fig, entries, table, columns)
    if not entries:
        fig.text(0.02, 0.1 / (height + below), caption(words), fontsize=11)
    return fig, f'A photo under its label: {words}.'


def _legend_size(entries, width):
    """How many columns a legend has in a width, and its height, in inches."""
    if not entries:
        return 1, 0
    longest = max(map(len, entries.values()))
    columns = max(1, int(width / max(1.9, 0.4 + 0.09 * longest)))
    return columns, 0.1 + 0.26 * math.ceil(len(entries) / columns)


def _add_legend(fig, entries, table, columns):
    """Say below a figure what colours mean: {index of a class: text}."""
    from matplotlib.patches import Patch

    if entries:
        fig.legend(
            handles=[
                Patch(color=table.colormap[index] / 255, label=caption(text))
                for index, text in entries.items()
            ],
            loc='lower left',
            ncols=columns,
            fontsize=11,
            frameon=False,
            borderaxespad=0.1,
            handlelength=1,
        )


def _small_overlay(photo, label, table, frame):
    """Draw `overlay` about as large as it is seen: RGB, (height, width, 3).

    A pixel is the mean of all those that it stands for, in colour, so every
    class keeps its share of what is seen.
    """
    down, across = _steps(photo, frame)
    rows = down * max(1, 2**20 // (down * photo.shape[1]))
    return onp.concatenate(
        [
            Image.fromarray(
                overlay(photo[top:][:rows], label[top:][:rows], table)
            ).reduce((across, down))
            for top in range(0, len(photo), rows)
        ]
    )


def show_points(images, points, titles, alt, size=2.4):
    """Draw images side by side in grey, each with places marked on it.

    Args:
        images: arrays (height, width), as `show_images` takes them.
        points: as many arrays (K, 2) of rows and columns, in pixels from 0,
            the middle of the first; they may lie off the image.
        titles: as many strings.
        alt: a sentence that says what is to be seen.
        size: width of an image in inches.

    Raises:
        ValueError: another number of points or titles; no (K, 2).
    """
    counts = len(images), len(points), len(titles)
    if len(set(counts)) != 1:
        raise ValueError(
            '{} images, {} lists of places, {} titles'.format(*counts)
        )
    images = [as_picture(image) for image in images]
    points = [host(spots) for spots in points]
    off = 0  # how far places lie off their image: all are drawn alike
    for image, spots in zip(images, points, strict=True):
        if spots.ndim != 2 or spots.shape[1] != 2:
            raise ValueError(f'places are (K, 2), not {spots.shape}')
        beyond = (spots - image.shape[:2]).max() + 1
        off = max(off, -float(spots.min()), float(beyond))
    edge = 0.5 + 1.1 * off
    fig = new_figure((size + 0.1) * len(images) + 0.1, size + 0.4)
    for index, (image, spots) in enumerate(zip(images, points, strict=True)):
        axes = add_axes(fig, 0.1 + index * (size + 0.1), 0.1, size, size)
        axes.imshow(image, cmap='gray', vmin=0, vmax=255)
        axes.plot(*spots.T[::-1], 'o', ms=7, mfc=_POINT, mec='white')
        height, width = image.shape[:2]
        axes.set_xlim(-edge, width - 1 + edge)
        axes.set_ylim(height - 1 + edge, -edge)
        axes.set_axis_off()
        axes.set_title(caption(titles[index]), fontsize=12.5, pad=4)
    show(fig, alt)


# Told apart on any photo, for each line has a white rim, and by colour-blind
# eyes (Okabe and Ito's set).
_LINES = '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#7a6a00', '#333333'


def draw_boxes(photo, boxes, texts=None, color=0):
    """Draw boxes on a photo twice as large: uint8 (2 height, 2 width, 3).

    `photo`: uint8 (height, width, 3). `boxes`: (n, 4), each left, top, right,
    bottom in pixels; what lies outside of the photo is not seen. `texts`: one
    for each box, written into its upper left corner. `color`: a number, from
    0 to 5, or one for each box. Raises ValueError for what is no box, and for
    another number of texts or colours than of boxes.
    """
    check_boxes(boxes)
    texts = [''] * len(boxes) if texts is None else texts
    colors = [color] * len(boxes) if onp.ndim(color) == 0 else color
    image = Image.fromarray(as_picture(photo)).convert('RGB')
    image = image.resize([2 * side for side in image.size])
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(60)
    for box, text, index in zip(boxes, texts, colors, strict=True):
        corners = [round(2 * float(side)) for side in box]
        draw.rectangle(corners, outline='white', width=11)
        inner = [*(x + 2 for x in corners[:2]), *(x - 2 for x in corners[2:])]
        if inner[0] < inner[2] and inner[1] < inner[3]:
            draw.rectangle(inner, outline=_LINES[index], width=7)
        if text:
            words = plain(text, 20)
            _, _, wide, high = draw.textbbox((0, 0), words, font=font)
            left = max(0, min(corners[0], image.width - wide - 10))
            top = max(0, min(corners[1], image.height - high - 8))
            ends = left + wide + 10, top + high + 8
            draw.rectangle([left, top, *ends], 'white')
            draw.text((left + 5, top), words, _LINES[index], font=font)
    return onp.asarray(image)


def show_matrix(matrix, alt, titles=None, digits=3, size=0.42):
    """Draw matrices side by side as coloured squares, numbers in them.

    Zero is white, positive values are blue, negative ones orange, the
    deeper the farther from zero; all matrices share one scale.

    Args:
        matrix: an array of shape (height, width), NumPy or MXNet, or a list
            of them with sizes of their own.
        alt: a sentence that says what is to be seen.
        titles: one string, or a list of as many as there are matrices.
        digits: how many significant digits of the value are written into
            each square; 0 leaves the squares plain.
        size: side of a square in inches.

    Raises:
        ValueError: an array that is no matrix; another number of titles.
    """
    matrices = matrix if isinstance(matrix, list | tuple) else [matrix]
    titles = [titles] if isinstance(titles, str) else titles
    titles = titles and [caption(title) for title in titles]
    if titles is not None and len(titles) != len(matrices):
        raise ValueError(f'{len(titles)} titles for {len(matrices)} matrices')
    matrices = [host(m).astype(float) for m in matrices]
    for m in matrices:
        if m.ndim != 2:
            raise ValueError(f'a matrix has two axes, not shape {m.shape}')
    gap = max(0.3, size)
    deepest = max(abs(m).max() for m in matrices) or 1
    # A title of few letters must fit above a matrix of few columns.
    columns = [
        max(m.shape[1] * size, 0.085 * len(titles[i]) if titles else 0)
        for i, m in enumerate(matrices)
    ]
    above = 0.34 if titles else 0.04
    width = sum(columns) + gap * (len(matrices) - 1) + 0.1
    height = max(len(m) for m in matrices) * size + above + 0.06
    fig = new_figure(width, height)
    left = 0.05
    for index, m in enumerate(matrices):
        column = columns[index]
        tall, wide = m.shape[0] * size, m.shape[1] * size
        box = (
            left + (column - wide) / 2,
            height - above - tall - (height - above - 0.06 - tall) / 2,
            wide,
            tall,
        )
        axes = add_axes(fig, *box)
        _draw_matrix(axes, m, deepest, digits, size)
        if titles:
            axes.set_title(titles[index], fontsize=11, pad=5)
        left += column + gap
    show(fig, alt)


def _draw_matrix(axes, values, deepest, digits, size):
    """Draw values from -deepest to deepest as squares, digits in them."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list(
        'signs', ['#b34700', '#f3b58a', '#ffffff', '#9cc7e6', '#00588c']
    )
    height, width = values.shape
    axes.pcolormesh(
        values,
        cmap=colors,
        vmin=-deepest,
        vmax=deepest,
        edgecolors='#c8c8c8',
        linewidth=min(0.7, 2 * size),
    )
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color('#777777')
    axes.patch.set_clip_on(False)
    if not digits:
        return
    texts = [
        [f'{v:.{digits}g}'.replace('-', '\N{MINUS SIGN}') for v in row]
        for row in values
    ]
    longest = max(len(text) for r in texts for text in r)
    fontsize = min(12, 72 * size * min(0.42, 1.45 / longest))
    for row in range(height):
        for col in range(width):
            value = values[row, col]
            axes.text(
                col + 0.5,
                row + 0.54,
                texts[row][col],
                ha='center',
                va='center',
                fontsize=fontsize,
                color='#767676'
                if value == 0
                else ('white' if abs(value) > 0.7 * deepest else 'black'),
            )
