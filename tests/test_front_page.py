"""What can be touched on the front page is what the network says."""

import base64
import html
import io
import json
import re

import front_page
import utils
from tools import predict

import numpy as onp
from PIL import Image

PAGE = f'<main>{front_page.PLACE}</main>'


def test_the_front_page_has_the_place(root):
    text = (root / 'index.md').read_text(encoding='utf-8')
    assert text.count(front_page.PLACE) == 1


def test_a_page_without_the_place_or_a_book_without_network_stays(tmp_path):
    assert front_page.finish('<main></main>') == '<main></main>'
    assert front_page.finish(PAGE, tmp_path) == PAGE


def test_each_photo_is_there_with_what_the_network_says(root):
    text = front_page.finish(PAGE)
    assert front_page.PLACE not in text and len(text) < 400_000
    data = re.search('data-widget="compare" data-options="([^"]+)"', text)[1]
    data = json.loads(html.unescape(data))
    net, table, _ = predict.load_net(root / front_page.NET)
    scale = predict.load_about(root / front_page.NET)['scale']
    assert data['classes'] == list(table.names)
    assert len(data['images']) == len(front_page.PHOTOS)
    for name, image in zip(front_page.PHOTOS, data['images'], strict=True):
        shown, truth = (
            onp.asarray(Image.open(io.BytesIO(base64.b64decode(image[key]))))
            for key in ('prediction', 'truth')
        )
        photo = root / 'photos' / f'{name}.jpg'
        label = utils.predict(net, photo, scales=[scale])
        found = Image.fromarray(label).resize(image['size'], Image.NEAREST)
        assert (shown == onp.asarray(found)).all()
        assert set(onp.unique(truth)) - {0, utils.VOID}  # an object
