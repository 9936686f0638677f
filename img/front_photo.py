"""Draw front-photo.svg: two photos, and what the shipped network sees in them.

Run from anywhere with the book's Python: python img/front_photo.py
"""

import base64
import io
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import segbook
import utils
from tools.predict import SHIPPED, load_net

from PIL import Image

NAMES = 'chelsea', 'hopper'
HEIGHT, GAP = 260, 8  # pixels
ALT = (
    'Two photos, each beside what the network of this book sees in it: a cat '
    'in one colour, a woman in uniform in another, and nothing else.'
)


def picture(pixels, left):
    """An <image> of HEIGHT pixels at a place, and its width."""
    image = Image.fromarray(pixels)
    width = round(image.width * HEIGHT / image.height)
    data = io.BytesIO()
    image.resize((width, HEIGHT), Image.Resampling.LANCZOS).save(
        data, 'JPEG', quality=85
    )
    text = base64.b64encode(data.getvalue()).decode()
    return (
        f'<image x="{left}" width="{width}" height="{HEIGHT}" '
        f'href="data:image/jpeg;base64,{text}"/>'
    ), width


def main():
    net, _, _ = load_net(SHIPPED)
    left, images = 0, []
    for name in NAMES:
        photo = utils.read_image(HERE.parent / 'photos' / f'{name}.jpg')
        label = utils.predict(net, photo)
        for pixels in (photo, utils.overlay(photo, label, segbook.VOC)):
            image, width = picture(pixels, left)
            images.append(image)
            left += width + GAP
    size = f'viewBox="0 0 {left - GAP} {HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f'<title>{ALT}</title>',
        *images,
        '</svg>',
    ]
    text = '\n'.join(lines) + '\n'
    (HERE / 'front-photo.svg').write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
