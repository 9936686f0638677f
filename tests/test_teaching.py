"""The teacher's page: it speaks of the exercises and layers that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / 'teaching.md').read_text(encoding='utf-8')
LINKS = re.findall(r'\(chapters/transposed-conv\.html#(.*?)\)', TEXT)
SOURCES = sorted(ROOT.glob('exercises/*.md'))


@pytest.mark.parametrize('source', SOURCES, ids=lambda path: path.stem)
def test_each_exercise_has_its_line(source):
    titles = re.findall(r'^## (.*)$', source.read_text('utf-8'), re.MULTILINE)
    assert titles
    assert [title for title in titles if f'| {title} |' not in TEXT] == []


def test_each_exercise_that_is_spoken_of_exists():
    titles = {
        title
        for source in SOURCES
        for title in re.findall(r'## (.*) \(', source.read_text('utf-8'))
    }
    # What stands there in quotes and begins like a title is one.
    spoken = set(re.findall(r'«([A-Z][^»]*)»', TEXT))
    assert spoken and spoken <= titles


@pytest.mark.parametrize('link', LINKS)
def test_each_link_shows_a_layer(link):
    parts = dict(part.split('=') for part in link.split('&'))
    h, w, k, s, p, a = (int(parts.pop(key, 0)) for key in 'hwkspa')
    assert max(h, w) <= 8 and k <= 7 and s <= 6 and a < s and p < k
    for key, cells in (('in', h * w), ('ker', k * k)):
        value = parts.pop(key)
        assert value in ('ones', 'bilinear') or value.count(',') + 1 == cells
    assert not parts
