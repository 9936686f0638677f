"""The classes of a data set as files say them: `classes.json` and others.

Programs for labelling write lists of names, some with colours, some with the
number that stands for each class in their labels.
"""

import csv
import json
import re
import reprlib
from typing import NamedTuple

from parts import whole
from parts.images import open_file
from parts.stored import naming, read_json
from parts.tables import VOID, check_table, table_arguments
from parts.texts import plain, same_letters

_MOST_BYTES = 4_000_000  # of such a file
_VOID_NAMES = 'void', 'ignore', 'ignored', '__ignore__'


class Classes(NamedTuple):
    """What is known of the classes of labels before they are read."""

    names: list
    colors: list | None = None  # an RGB triple each; None: nobody says
    void: int = VOID  # its index in files
    void_color: list | None = None
    ids: list | None = None  # the number of each in files; None: 0, 1, …
    void_ids: tuple = ()  # and the numbers that are void
    endings: tuple = ('', '')  # of the names of photos and of labels
    otherwise: str = ''  # what to do about another number

    def arguments(self):
        """What makes a class table of them: a dict."""
        void = VOID if self.ids else self.void
        return {
            'names': self.names,
            'colors': self.colors,
            'void': void,
            'void_color': self.void_color,
        }


def _read_text(path):
    """Read a short text file in UTF-8, as Windows writes it, too."""
    with open_file(path) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f'{path} has more than {_MOST_BYTES} bytes')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path} is no text in UTF-8: save it as UTF-8 ({error})'
        ) from error


def stored_table(root):
    """The class table of a data set's `classes.json`; None if it has none.

    Returns the arguments of a class table, a dict. Raises ValueError, naming
    the file, if it is damaged.
    """
    path = whole.place(root) / 'classes.json'
    if not path.exists():
        return None
    with naming(path, 'holds no class table'):
        return table_arguments(read_json(_read_text(path)))


# -------------------------------------------------------------------- JSON

_ENTRIES = set(Classes._fields) | {'about', 'like'}


def read_classes_file(path):
    """Read `Classes` from a JSON file; `tools/tables/` has examples.

    `names` is needed, all else may be missing. `like` names a file beside it
    that says the rest. Raises FileNotFoundError, and ValueError naming the
    file.
    """
    path = whole.place(path)
    with naming(path, 'holds no class table'):
        stored = read_json(_read_text(path))
        if not isinstance(stored, dict) or not set(stored) <= _ENTRIES:
            raise ValueError(
                'it holds no entries, or others than '
                f'{", ".join(sorted(_ENTRIES))}'
            )
        like = stored.pop('like', None)
        if like is not None:
            other = read_json(_read_text(path.with_name(str(like))))
            stored = other | stored
        stored.pop('about', None)
        stored.setdefault('names', None)
        void_ids = stored.get('void_ids', {})
        if isinstance(void_ids, dict):  # with their names, for the reader
            stored['void_ids'] = tuple(void_ids.values())
        classes = Classes(**stored)
        check_table(**classes.arguments())
        _check_rest(classes)
    return classes


def _check_rest(classes):
    """Raise ValueError unless numbers and endings can be meant."""
    ids, endings = classes.ids, classes.endings
    if ids is None:
        if classes.void_ids:
            raise ValueError('void_ids need ids, a number for each class')
    elif not isinstance(ids, list) or len(ids) != len(classes.names):
        raise ValueError(
            f'{len(classes.names)} classes need as many ids, not '
            f'{reprlib.repr(ids)}'
        )
    else:
        numbers = [*ids, *classes.void_ids]
        for number in numbers:
            if type(number) is not int or not 0 <= number <= 255:
                raise ValueError(
                    f'{reprlib.repr(number)} is no id: they are whole '
                    'numbers from 0 to 255'
                )
        for number in numbers:
            if numbers.count(number) > 1:
                raise ValueError(f'the id {number} stands there twice')
    if not isinstance(classes.otherwise, str) or not (
        isinstance(endings, list | tuple)
        and [type(ending) for ending in endings] == [str, str]
    ):
        raise ValueError('endings are two texts, and otherwise is one')


# ------------------------------------------------------ lists of programs


def with_background(names):
    """Put the class `background` before names that lack it."""
    for name in names:
        if name in ('background', '_background_'):
            return list(names)
    return ['background', *names]


def read_names(path):
    """Read a text file of names, one a line: a list."""
    with naming(path, 'holds no names'):
        names = [line.strip() for line in _read_text(path).splitlines()]
        while names and not names[-1]:  # empty lines at its end
            names.pop()
        check_table(names)
    return names


def read_labelmap(path):
    """Read CVAT's labelmap.txt: `Classes` with colours.

    A line is `name:r,g,b:parts:actions`; the label called void or ignored
    (or `__ignore__`) is no class. Raises ValueError naming file and line.
    """
    names, colors, void_color = [], [], None
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        match = re.fullmatch(r'\s*([^:]+?)\s*:\s*([\d,\s]+):.*', line)
        color = [
            int(n) for n in re.findall(r'\d{1,9}', match[2] if match else '')
        ]
        if len(color) != 3 or max(color) > 255:
            raise ValueError(
                f'{path}, line {number}: «{plain(line, 60)}» is no label with '
                'its colour: write name:r,g,b:: with numbers from 0 to 255'
            )
        if match[1].lower() in _VOID_NAMES:
            void_color = color
        else:
            names.append(match[1])
            colors.append(color)
    with naming(path, 'holds no class table'):
        check_table(names, colors)
    return Classes(names, colors, void_color=void_color)


def read_class_csv(path):
    """Read Roboflow's _classes.csv: `Classes` with the number of each.

    A line is `number, name`, after one that says so. Raises ValueError naming
    file and line.
    """
    names, ids = [], []
    lines = _read_text(path).splitlines()
    rows = list(csv.reader(lines, skipinitialspace=True))
    for number, row in enumerate(rows[1:], 2):
        row = [cell.strip() for cell in row]
        if not any(row):
            continue
        if len(row) != 2 or not re.fullmatch(r'\d{1,3}', row[0]):
            raise ValueError(
                f'{path}, line {number}: «{plain(",".join(row), 60)}» is not '
                'the number of a class, a comma and its name'
            )
        ids.append(int(row[0]))
        names.append(row[1])
    with naming(path, 'holds no class table'):
        check_table(names)
        classes = Classes(names, ids=ids)
        _check_rest(classes)
    return classes


_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"\\]|\\.)*\""""
_ITEM = re.compile(
    rf'\s*(?:(\d{{1,9}})\s*:\s+)?({_QUOTED}|[^\s,\'"\[\]{{}}][^,]*?)\s*'
)


def read_yaml_names(path):
    """Read the names of classes from YOLO's data.yaml: a list.

    Of YAML, that is the entry `names` and no more: a list or a dictionary
    from 0, 1, …, in brackets or a line each. Raises ValueError naming the
    file.
    """
    with naming(path, 'names no classes'):
        lines = [
            re.sub(r'(^|\s)#.*', '', line).rstrip()
            for line in _read_text(path).splitlines()
        ]
        starts = [n for n, x in enumerate(lines) if x.startswith('names:')]
        if len(starts) != 1:
            raise ValueError('it needs one entry «names:»')
        start = starts[0]
        rest = '\n'.join([lines[start][len('names:') :], *lines[start + 1 :]])
        if rest.lstrip()[:1] in ('[', '{'):
            items = _in_brackets(rest.strip())
        else:
            items = _in_lines(rest.splitlines())
        pairs = [_number_and_name(item, n) for n, item in enumerate(items)]
        names = [name for _, name in sorted(pairs)]
        if sorted(number for number, _ in pairs) != [*range(len(pairs))]:
            raise ValueError('its classes are not numbered 0, 1, 2, …')
        check_table(names)
    return names


def _in_brackets(text):
    """The parts of a YAML list or dictionary in brackets."""
    end = {'[': ']', '{': '}'}[text[0]]
    part = re.compile(rf'(?:{_QUOTED}|[^,\'"\[\]{{}}])*')
    items, place = [], 0
    while True:
        match = part.match(text, place + 1)
        items.append(match[0])
        place = match.end()
        if text[place : place + 1] != ',':
            break
    if text[place : place + 1] != end:
        raise ValueError(f'what begins with {text[0]} has no end')
    if not items[-1].strip():  # a comma may stand at the end
        items.pop()
    return items


def _in_lines(lines):
    """The parts of a YAML list or dictionary of a line each."""
    items = []
    for line in lines:
        if not line.strip():
            continue
        if not line.startswith((' ', '\t', '-')):
            break  # the next entry
        items.append(re.sub(r'^\s*-\s+', '', line))
    return items


def _number_and_name(item, place):
    match = _ITEM.fullmatch(item)
    if not match:
        raise ValueError(
            f'«{plain(item.strip(), 60)}» is no name of a class: write it in '
            'quotes'
        )
    number, name = match.groups()
    if name[0] == '"':
        name = json.loads(name)
    elif name[0] == "'":
        name = name[1:-1].replace("''", "'")
    return (place if number is None else int(number)), name


def index_of(name, names):
    """The index of a class by its name, or None; «ä» may be written in two."""
    alike = [same_letters(other) for other in names]
    name = same_letters(name)
    return alike.index(name) if name in alike else None
