"""Names and sentences with any characters are just text in pages, too."""

import html
import json

import book_pages
import utils
from odd_names import NAMES, each_name
from parts import canvas
from parts.texts import plain

import numpy as onp
from bs4 import BeautifulSoup


@each_name
def test_a_picture_carries_any_sentence_to_its_page(tmp_path, name):
    sentence = f'A picture of {name} and no more.'
    expected = plain(' '.join(sentence.split()))
    for photo, ending in (False, 'svg'), (True, 'jpg'):
        data = canvas.render(canvas.new_figure(2, 1), sentence, photo)
        path = tmp_path / f'picture.{ending}'
        path.write_bytes(data)
        assert book_pages.picture_text(path) == expected
        picture = canvas.Picture(canvas.new_figure(2, 1), sentence, photo)
        assert picture.data['text/plain'] == expected


@each_name
def test_a_control_shows_the_name_as_text(name):
    def draw(choice):
        utils.plot(None, {name: [1, 2]}, 'x', 'y', alt=f'Of {name}.')
        return f'It says {name}.'

    value = utils.vary(draw, choice=True).children[-1].value
    page = BeautifulSoup(value.encode('utf-8', 'replace'), 'html.parser')
    assert [tag.name for tag in page.find_all()] == ['img', 'pre']
    alt = plain(' '.join(f'Of {name}.'.split()))
    assert page.img['alt'] == alt
    assert html.escape(f'It says {name}.') in value


def test_the_names_of_the_comparison_arrive_in_the_page(monkeypatch):
    shown = []
    monkeypatch.setattr('IPython.display.display', shown.append)
    label = onp.zeros((1, 3000), 'uint8')
    utils.show_widget(
        'compare',
        photos=[onp.zeros((1, 3000, 3), 'uint8')],
        predictions=[label],
        truths=[label],
        confidences=[label / 1.0],
        class_names=NAMES,
        colors=[(0, 0, 0)] * len(NAMES),
    )
    page = BeautifulSoup(shown[0].data, 'html.parser')
    assert {tag.name for tag in page.find_all()} == {'div', 'style', 'script'}
    options = json.loads(page.div['data-options'])
    assert options['classes'] == NAMES
    assert options['images'][0]['size'] == [500, 1]
