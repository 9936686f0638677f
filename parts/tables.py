"""Class tables: what they may hold, their background, and them as JSON."""

import re
import reprlib

from parts.texts import plain, same_letters

import numpy as onp

VOID = 255  # the label of pixels that nobody scores


def check_table(names, colors=None, void=VOID, void_color=None):
    """Check the arguments of a class table before anything is made of them.

    Raises ValueError, one sentence, unless `names` is a list of 1 to 255
    texts, no two of them the same, `colors` (if any) three whole numbers
    from 0 to 255 for each, so `void_color` (if any), and `void` a number from
    0 to 255 that is no class's.
    """
    if not isinstance(names, list | tuple) or not all(
        isinstance(name, str) and name for name in names
    ):
        raise ValueError(
            'the names of the classes are a list of texts, none of them '
            f'empty, not {reprlib.repr(names)}'
        )
    if not 1 <= len(names) <= VOID:
        raise ValueError(
            f'a class table names 1 to {VOID} classes, not {len(names)}'
        )
    alike = [same_letters(name) for name in names]
    for name in names:
        if alike.count(same_letters(name)) > 1:
            raise ValueError(f'two classes are called «{plain(name, 60)}»')
    if not _is_byte(void):
        raise ValueError(
            'the index of void is a whole number from 0 to 255, not '
            f'{reprlib.repr(void)}'
        )
    if void < len(names):
        raise ValueError(
            f'index {void} is both void and the class '
            f'«{plain(names[void], 60)}»: one of them needs another index (if '
            'the files count classes from 1 and 0 is void, write (label - 1) '
            'as uint8 instead: 0 becomes 255, which is void by default)'
        )
    if colors is not None:
        if not _is_list(colors, len(names)):
            raise ValueError(
                f'{len(names)} classes need a list of {len(names)} colours, '
                f'three numbers each, not {reprlib.repr(colors)}'
            )
        for name, color in zip(names, colors, strict=True):
            _check_color(color, f'the class «{plain(name, 60)}»')
    if void_color is not None:
        _check_color(void_color, 'void')


def _check_color(color, what):
    if not _is_list(color, 3) or not all(map(_is_byte, color)):
        raise ValueError(
            f'the colour of {what} is three numbers, whole ones from 0 to '
            f'255, not {reprlib.repr(color)}'
        )


def _is_list(values, count):
    kinds = list | tuple | onp.ndarray
    return isinstance(values, kinds) and len(values) == count


def _is_byte(value):
    whole = isinstance(value, int | onp.integer)
    return whole and not isinstance(value, bool) and 0 <= value <= 255


def background_of(table):
    """The index of what is left when nothing was labelled, or None.

    That is the class called `background` or `_background_`.
    """
    for index, name in enumerate(table.names):
        if name in ('background', '_background_'):
            return index
    return None


def table_to_json(table):
    """The arguments that make a class table, as JSON has them."""
    return {
        'names': list(table.names),
        'colors': table.colormap[: len(table.names)].tolist(),
        'void': int(table.void),
        'void_color': table.colormap[VOID].tolist(),
    }


def table_arguments(stored):
    """Check what `table_to_json` returned; return a class table's arguments.

    Raises ValueError for other entries, types, counts and ranges.
    """
    entries = {'names', 'colors', 'void', 'void_color'}
    if not isinstance(stored, dict) or set(stored) != entries:
        there = ', '.join(stored) if isinstance(stored, dict) else 'none'
        raise ValueError(f'the entries of its classes are {there[:200]}')
    check_table(**stored)
    for name in stored['names']:  # no control characters, halves of pairs
        if not re.fullmatch('[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}', name):
            raise ValueError(f'no file holds the name «{plain(name, 60)}»')
    if stored['colors'] is None or stored['void_color'] is None:
        raise ValueError('it lacks the three numbers of a colour')
    return stored
