"""The house of `utils.py` and `parts/`: its floors, and what leaves a room.

The code is read, never run. Each rule is a function that returns what breaks
it, and is shown code that does.
"""

import ast
import functools
import re
from graphlib import CycleError, TopologicalSorter

import book
from save import names_bound_by

import pytest


@pytest.fixture(scope='module')
def code(root):
    """{file: code}, without the tests'; that of a page is its cells."""
    paths = [*root.glob('*.py')]
    for folder in root.glob('[a-z]*/'):
        if folder.name not in ('data', 'notebooks', 'tests'):
            paths += folder.rglob('*.py')
    found = {
        str(path.relative_to(root)): path.read_text('utf-8') for path in paths
    }
    for page in book.pages(root):
        cells = book.code_cells(book.read_page(root / page))
        found[str(page)] = '\n'.join(cell.source for cell in cells)
    return found


def rooms_of(code):
    """{room: code}"""
    room = re.compile(r'parts/([a-z]\w*)\.py').fullmatch
    found = [(room(file), text) for file, text in code.items()]
    return {place[1]: text for place, text in found if place}


@functools.cache
def used(code):
    """The dotted names that code imports, or reaches through an import."""
    tree, found, means = ast.parse(code), set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split('.')[0]
                means |= {first: first, alias.asname: alias.name}
                found.add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            home = f'{node.module}.' if node.module else ''
            home = 'parts.' * (node.level > 0) + home  # only rooms have dots
            for alias in node.names:
                means[alias.asname or alias.name] = home + alias.name
                found.add(home + alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, rest = ast.unparse(node).split('.', 1)
            if first in means and re.fullmatch(r'[\w.]+', rest):
                found.add(f'{means[first]}.{rest}')
    return found


def test_names_are_followed_through_imports():
    code = 'import parts.a, utils as u\nfrom . import b\nfrom .c import d\n'
    code += 'from parts import e\ndef f():\n    e.g(u.h, parts.a.i.j).k\n'
    names = 'parts.a parts.b parts.c.d parts.e utils parts.e.g utils.h '
    assert used(code) >= set((names + 'parts.a.i parts.a.i.j').split())


def floors(text):
    """Read the table in the docstring of parts: [(room, floor)]."""
    rows = re.findall(r'^(\d)  ([a-z_ ]+)$', text, re.MULTILINE)
    return [(room, int(row)) for row, some in rows for room in some.split()]


def arrows(rooms):
    """{room: the rooms that it imports, utils and segbook among them}"""
    place = re.compile(r'parts\.(\w+)|(utils|segbook)\b')
    found = {room: map(place.match, used(rooms[room])) for room in rooms}
    return {r: {m[1] or m[2] for m in found[r] if m} for r in rooms}


def upward(rooms, table):
    """The imports that lead to no floor below."""
    floor = {'utils': 9, 'segbook': 9} | dict(table)
    ways = [(a, b) for a, others in arrows(rooms).items() for b in others]
    return sorted(f'{a} > {b}' for a, b in ways if floor[b] >= floor[a])


def circle(rooms):
    """The rooms of a circle of imports, from one back to it."""
    try:
        TopologicalSorter(arrows(rooms)).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def longer(files, limit):
    """The files of more lines."""
    return [name for name, text in files.items() if text.count('\n') > limit]


def test_every_room_has_its_floor(code):
    table = floors(code['parts/__init__.py'])
    assert sorted(room for room, _ in table) == sorted(rooms_of(code))
    text = 'Text:\n\n4  (utils.py)\n12 x\n2  a_b\n0  c d\n\n1 line\n'
    assert floors(text) == [('a_b', 2), ('c', 0), ('d', 0)]


def test_arrows_lead_down(code):
    assert upward(rooms_of(code), floors(code['parts/__init__.py'])) == []
    bad = {
        'low': 'from parts.high import x',
        'beside': 'def f():\n    from parts import low',
        'high': 'import segbook\nfrom parts import beside, low\nimport utils',
    }
    found = upward(bad, [('low', 1), ('beside', 1), ('high', 2)])
    assert found[:2] == ['beside > low', 'high > segbook']
    assert found[2:] == ['high > utils', 'low > high']


def test_no_room_needs_itself(code):
    assert circle(rooms_of(code)) == []
    bad = {'a': 'import parts.b', 'b': 'from .c import x'}
    bad |= {'c': 'from . import a'}
    assert sorted(circle(bad)[1:]) == ['a', 'b', 'c']


def test_rooms_are_rooms_and_utils_is_a_page(code):
    assert longer(rooms_of(code), 500) == []
    assert longer({'utils': code['utils.py']}, 349) == []
    assert longer({'a': '\n' * 501, 'b': '\n' * 500}, 500) == ['a']


def too_early(code):
    """Whether code imports MXNet before `parts.start`."""
    names = re.findall(r'^(?:from|import) (\S+)', code, re.MULTILINE)
    start = (names + ['parts.start']).index('parts.start')
    return any(name.split('.')[0] == 'mxnet' for name in names[:start])


def test_mxnet_finds_what_it_needs(code):
    rooms = rooms_of(code)
    del rooms['start']
    assert [room for room in rooms if too_early(rooms[room])] == []
    assert too_early('import mxnet as mx\nimport parts.start\n')
    assert too_early('import os\nfrom mxnet.gluon import nn')
    assert not too_early('from parts.start import HERE\n\nimport mxnet')


def handed_on(utils):
    """The names of `__all__`."""
    values = [node for node in ast.parse(utils).body if hasattr(node, 'value')]
    own = [node for node in values if ast.unparse(node)[:8] == '__all__ ']
    return [name for node in own for name in ast.literal_eval(node.value)]


def defined(code):
    """{name: node} of what a module itself gives a value."""
    tree = ast.parse(code)
    return {name: n for n in tree.body for name in names_bound_by(n)}


def private(code):
    """Uses of what is a room's own."""
    own = re.compile(r'(parts\.\w+|utils)\._(?!_)').match
    names = [(file, name) for file in code for name in used(code[file])]
    return sorted(f'{file}: {name}' for file, name in names if own(name))


def unknown(code, texts, utils):
    """What code or texts take from utils, and it does not hand on."""
    taken = [name.split('.') for text in code for name in used(text)]
    named = {path[1] for path in taken if path[0] == 'utils' and path[1:]}
    for text in texts:
        named |= {*re.findall(r'(?<![\w.])utils\.(?!py\b)(\w+)', text)}
    return sorted(named - {*handed_on(utils)})


def mute(utils, rooms):
    """Names in `__all__` that are nowhere, or whose code does not say what."""
    imports = [name.split('.') for name in used(utils)]
    home = {i[2]: i[1] for i in imports if i[0] == 'parts' and len(i) == 3}
    found = []
    for name in handed_on(utils):
        node = defined(rooms[home[name]] if name in home else utils).get(name)
        speaks = isinstance(node, ast.FunctionDef | ast.ClassDef)
        if not node or (speaks and not ast.get_docstring(node)):
            found.append(name)
    return found


def idle(code):
    """The public names of rooms that nobody else uses."""
    wanted = set().union(*map(used, code.values()))
    rooms = rooms_of(code)
    names = [
        f'{room}.{name}' for room in rooms for name in defined(rooms[room])
    ]
    public = [name for name in names if '._' not in name]
    return [name for name in public if f'parts.{name}' not in wanted]


def test_a_room_keeps_its_own_names(code):
    assert private(code) == []
    bad = {
        'a.py': 'from parts.x import _y\nimport utils\nutils._z()',
        'b.md': 'from parts import x\nx._y = utils.__doc__\nx.y._z()',
        'c.py': 'import parts.x\nprint(parts.x._y)',
    }
    found = (
        'a.py: parts.x._y, a.py: utils._z, b.md: parts.x._y, c.py: parts.x._y'
    )
    assert private(bad) == found.split(', ')


def test_utils_hands_on_what_is_used_of_it(code, root):
    pages = [root / page for page in ('README.md', *book.pages(root))]
    texts = [*code.values(), *(page.read_text('utf-8') for page in pages)]
    assert unknown(code.values(), texts, code['utils.py']) == []
    bad = 'import utils as u\nfrom utils import c, d\nu.a + u.b'
    text = 'gluon.utils.x, `utils.py`, utils.b(utils.e), `utils._f`'
    assert unknown([bad], [text], "__all__ = ['b', 'c']") == ['_f', *'ade']


def test_what_utils_hands_on_is_there_and_described(code):
    assert len(handed_on(code['utils.py'])) > 50
    assert mute(code['utils.py'], rooms_of(code)) == []
    bad = 'from parts.x import a, b, c, d\nfrom mxnet import np\nf = 1\n'
    bad += "__all__ = ['a', 'b']\n__all__ += ['c', 'd', 'np', 'e', 'f']"
    room = 'a, _b = 1, 2\ndef c(): "A function."\nclass d: pass'
    assert mute(bad, {'x': room}) == ['b', 'd', 'np', 'e']


def test_what_only_its_room_uses_is_private(code):
    assert idle(code) == []
    bad = {
        'parts/x.py': 'a = _b = 1\ndef c(): return a\nclass d: e = 1',
        'utils.py': 'from parts.x import a',
        'chapters/y.md': 'from parts import x\nx.d.e',
    }
    assert idle(bad) == ['x.c']
