"""Draw front.svg: one scene three times, as photo, as cells, as pixels.

Run from anywhere: python img/front.py
"""

import base64
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'build'))
import scenes

SEED = [11, 118]  # a horse before an aeroplane
HEIGHT, WIDTH, STRIDE, GAP = 256, 320, 32, 8
ALT = (
    'One scene cut out of paper, three times side by side. Left, as a photo: '
    'a horse, and an aeroplane in the sky. In the middle as a mosaic of '
    'coarse squares, each in the colour of one class. Right, as clean '
    'outlines: every pixel has the colour of its class.'
)


def colormap():
    """Give each class the colour that VOC gives it, but the background."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    for index in range(256):
        for bit in range(8):
            for channel in range(3):
                on = index >> (3 * bit + channel) & 1
                colours[index, channel] |= on << (7 - bit)
    colours[0] = 228, 232, 238  # VOC's black would swallow the dark blue
    return colours


def coarsen(label):
    """Return the commonest class of every STRIDE x STRIDE pixels."""
    rows, columns = HEIGHT // STRIDE, WIDTH // STRIDE
    blocks = label.reshape(rows, STRIDE, columns, STRIDE).swapaxes(1, 2)
    blocks = blocks.reshape(rows, columns, -1)
    return np.array(
        [[np.bincount(b[b < 255]).argmax() for b in row] for row in blocks]
    )


def embedded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    data = base64.b64encode(file.getvalue()).decode()
    return f'data:image/{kind.lower()};base64,{data}'


def cells(classes, colours):
    """Draw the coarse classes as squares with gaps between them."""
    for row, column in np.ndindex(classes.shape):
        r, g, b = colours[classes[row, column]]
        x, y = column * STRIDE + 1, row * STRIDE + 1
        yield (
            f'<path fill="#{r:02x}{g:02x}{b:02x}" '
            f'd="M{x} {y}h{STRIDE - 2}v{STRIDE - 2}h-{STRIDE - 2}z"/>'
        )


def main():
    photo, label = scenes.draw_scene(
        np.random.default_rng(SEED), HEIGHT, WIDTH
    )
    colours = colormap()
    known = label.copy()  # the void border goes to the class it surrounds
    known[known == 255] = 0
    fine = Image.fromarray(known, 'P')
    fine.putpalette(colours.ravel())
    photo = embedded(Image.fromarray(photo), 'JPEG', quality=88)
    fine = embedded(fine, 'PNG', optimize=True)
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    panels = (
        f'<image {size} href="{photo}"/>',
        '\n'.join(cells(coarsen(label), colours)),
        f'<image {size} href="{fine}"/>',
    )
    (HERE / 'front.svg').write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'width="{3 * WIDTH + 2 * GAP}" height="{HEIGHT}" '
        f'viewBox="0 0 {3 * WIDTH + 2 * GAP} {HEIGHT}">\n'
        f'<title>{ALT}</title>\n'
        + '\n'.join(
            f'<g transform="translate({number * (WIDTH + GAP)} 0)">{panel}</g>'
            for number, panel in enumerate(panels)
        )
        + '\n</svg>\n',
        encoding='utf-8',
    )


if __name__ == '__main__':
    main()
