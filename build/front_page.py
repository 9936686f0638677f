"""What can be touched on the front page: free photos, segmented.

The network that comes with the book has predicted them when the page is made,
so page and network cannot contradict one another.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

import segbook
import utils
from parts.controls import widget_html
from tools import predict
from try_page import NET

PLACE = '<div data-widget="front"></div>'  # stands in index.md
# What it does well and, last, what it does badly: it has seen hardly a bird.
PHOTOS = 'chelsea', 'photographer', 'hopper', 'heron'


def finish(text, root=ROOT):
    """Return the front page's HTML with the photos in their PLACE.

    Without a network in the book, or a place, the page stays as it is.
    """
    if PLACE not in text or not (root / NET).is_file():
        return text
    net, table, _ = predict.load_net(root / NET)
    scale = predict.load_about(root / NET).get('scale', 1)
    photos, truths, predictions, confidences = [], [], [], []

    def keep(probabilities, photo):
        confidences.append(probabilities.max(axis=0).clip(0, 1))
        return probabilities

    for name in PHOTOS:
        path = root / 'photos' / f'{name}.jpg'
        photo = utils.read_image(path)
        outlines = path.with_suffix('.json')
        truths.append(segbook.read_own(outlines, table, photo.shape[:2]))
        predictions.append(utils.predict(net, photo, scales=[scale], crf=keep))
        photos.append(photo)
    widget = widget_html(
        'compare',
        photos=photos,
        predictions=predictions,
        truths=truths,
        confidences=confidences,
        class_names=table.names,
        colors=table.colormap[: len(table.names)].tolist(),
    )
    return text.replace(PLACE, widget)
