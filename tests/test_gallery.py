"""The page of `make predict`: names, links, pictures, in a real browser too.

What the command writes besides is in test_predict_command.py.
"""

import html
import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import segbook
import utils
from odd_names import NAMES
from parts.texts import plain
from tools import gallery

import numpy as onp
import pytest

FIT = re.compile('[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}')
CLASSES = list(filter(FIT.fullmatch, NAMES))
TABLE = segbook.ClassTable(CLASSES)
# What no file system holds is no photo's name.
FILES = [name for name in NAMES if name and '\0' not in name]
FILES = [name.replace('/', ':').replace('\ud800', '\udcff') for name in FILES]


class Page(HTMLParser):
    """What a browser finds in a page: its tags, links and words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ('href', 'src')]
        assert not any(name.startswith('on') for name, _ in attributes)

    def handle_data(self, data):
        self.words.append(data)


def result_of(name, classes=('background',)):
    return {
        **{'name': name, 'photo': f'album/{name}.jpg', 'notes': [name]},
        **{'width': 30, 'height': 20, 'void': 0.25},
        'classes': {c: 0.75 / len(classes) for c in classes},
    }


@pytest.mark.parametrize('name', FILES, ids=lambda x: ascii(x)[:20])
def test_any_name_is_text_and_leads_to_its_files(name):
    text = gallery.page(
        [result_of(name, CLASSES)],
        {f'{name}.png': f'{name}.png cannot be read: <i>'},
        [f'{name}: a net'],
        TABLE,
    )
    assert text.isascii() or all(c.isprintable() or c == '\n' for c in text)
    text.encode()  # no halves of surrogate pairs
    page, usual = (
        Page(text),
        Page(
            gallery.page(
                [result_of('usual', CLASSES)], {'x': 'x'}, ['a net'], TABLE
            )
        ),
    )
    assert page.tags == usual.tags  # a name adds none
    files = {os.fsdecode(unquote_to_bytes(link)) for link in page.links}
    assert files == {f'./{name}{ending}' for ending in gallery.ENDINGS}
    words = '\n'.join(page.words)
    assert plain(f'album/{name}.jpg') in words
    assert plain(f'{name}.png cannot be read: <i>') in words
    for other in CLASSES:
        assert plain(other) in words


def test_the_page_needs_nothing_but_its_folder():
    text = gallery.page([result_of('a'), result_of('b')], {}, [], segbook.VOC)
    assert all(link.startswith('./') for link in Page(text).links)
    assert 'http' not in text and 'url(' not in text and '@import' not in text
    assert '<script' not in text and 'prefers-color-scheme: dark' in text
    assert text.count('<article>') == 2 and '2 photos segmented' in text


def test_shares_are_told_with_their_colours_the_largest_first():
    result = result_of('a') | {
        'classes': {'background': 0.2, 'bus': 0.5, 'dog': 0.05}
    }
    text = gallery.page([result], {}, [], segbook.VOC)
    rows = re.findall(r'rgb\(([\d,]+)\)"></span><bdi>(.*?)</bdi>', text)
    colors = {name: color for color, name in rows}
    assert [name for _, name in rows] == ['bus', 'background', 'dog', 'void']
    for index, name in enumerate(segbook.VOC.names):
        if name in result['classes']:
            assert colors[name] == '{},{},{}'.format(
                *segbook.VOC.colormap[index]
            )
    assert re.findall(r'<td>(.*?)%</td>', text) == '50.0 20.0 5.0 25.0'.split()


@pytest.mark.parametrize('size', [(1, 1), (1, 3000), (2000, 3), (40, 50)])
def test_what_is_written_of_a_photo_is_whole(tmp_path, size):
    rng = onp.random.default_rng(0)
    photo = rng.integers(0, 256, (*size, 3), 'uint8')
    label = rng.choice([0, 15, 255], size).astype('uint8')
    found = gallery.found_in(label, segbook.VOC, {})
    files = gallery.write(tmp_path, 'x', photo, label, segbook.VOC, found)
    assert [path.name for path in files] == [
        f'x{ending}' for ending in gallery.ENDINGS
    ]
    assert sorted(os.listdir(tmp_path)) == sorted(p.name for p in files)
    assert (utils.read_label(files[0]) == label).all()
    small = utils.open_image(files[2])
    assert max(small.size) == min(1400, max(size))
    assert found['void'] == (label == 255).mean()
    assert found['classes'].get('person', 0) == (label == 15).mean()


def test_names_are_escaped_once():
    text = gallery.page([result_of('a&amp;b')], {}, [], segbook.VOC)
    assert html.escape('album/a&amp;b.jpg') in text
