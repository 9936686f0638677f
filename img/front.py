"""Draw front.svg: one drawn scene as photo, as coarse cells, as pixels.

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

SEED = [11, 328]  # two boats and a horse, side by side
HEIGHT, WIDTH, STRIDE = 352, 960, 32
SLANT = 36  # pixels by which the borders between the bands lean
ALT = (
    'One scene cut out of paper, in three bands. Left, a boat as in the '
    'photo. Middle, a second boat as a mosaic of coarse squares, each in the '
    'colour of one class. Right, a horse before a car as clean outlines: '
    'every pixel has the colour of its class.'
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


def band(start, end):
    """Outline a band between two x, with leaning sides."""
    left = start and start - SLANT / 2
    lean = SLANT if start else 0
    right, fall = (WIDTH, 0) if end == WIDTH else (end - SLANT / 2, SLANT)
    return f'M{left + lean:g} 0H{right + fall:g}L{right:g} {HEIGHT}H{left:g}z'


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
    thirds = [0, WIDTH // 3, 2 * WIDTH // 3, WIDTH]
    bands = [band(*ends) for ends in zip(thirds, thirds[1:], strict=False)]
    photo = embedded(Image.fromarray(photo), 'JPEG', quality=88)
    fine = embedded(fine, 'PNG', optimize=True)
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    clips = ''.join(
        f'<clipPath id="band{i}"><path d="{d}"/></clipPath>\n'
        for i, d in enumerate(bands)
    )
    lines = ''.join(
        f'M{x + SLANT / 2:g} 0L{x - SLANT / 2:g} {HEIGHT}'
        for x in thirds[1:-1]
    )
    mosaic = '\n'.join(cells(coarsen(label), colours))
    (HERE / 'front.svg').write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">\n<title>{ALT}</title>\n'
        f'{clips}'
        f'<g clip-path="url(#band0)"><image {size} href="{photo}"/></g>\n'
        f'<g clip-path="url(#band1)"><path fill="#fff" d="{bands[1]}"/>\n'
        f'{mosaic}</g>\n'
        f'<g clip-path="url(#band2)"><image {size} href="{fine}"/></g>\n'
        f'<path stroke="#fff" stroke-width="7" d="{lines}"/>\n</svg>\n'
    )


if __name__ == '__main__':
    main()
