"""Which photos a text names, and what is made of them is called."""

import glob
import os
import shlex
from pathlib import Path

from parts.images import FORMATS
from parts.texts import same_letters
from parts.whole import place

ENDINGS = tuple(ending for some in FORMATS.values() for ending in some)
_LONGEST = 200  # bytes of a name; a file's may have 255, with its ending


def find_photos(text):
    """Return the photos that a text names, a list of paths, each once.

    As a whole, or else each of its words, it names a file, a folder, which
    stands for the photos directly in it, or a pattern, such as
    'holiday/*.jpg', for the photos that it matches. Words are split as by a
    shell: quotes keep a name with blanks together. The photos of a folder or
    pattern are files that end as photos do and do not begin with a dot, in
    the order of their names.

    Raises FileNotFoundError if any part of it names no photo.
    """
    found = _named(text)
    if not found:
        try:
            words = shlex.split(text) or [text]
        except ValueError:  # a quote is open, so these are no words
            words = [text]
        found = {word: _named(word) for word in words}
        if len(words) > 1 and not any(found.values()):
            found = {text: []}  # a name with blanks, most likely
        for word, photos in found.items():
            if not photos:
                raise FileNotFoundError(_missing(word))
        found = [path for photos in found.values() for path in photos]
    return list({os.path.abspath(path): path for path in found}.values())


def _named(word):
    """The photos that a word names as a file, a folder or a pattern."""
    if not word:  # or it would be this folder
        return []
    path = place(word)
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return _photos(path / name for name in os.listdir(path))
    return _photos(map(Path, glob.glob(os.fspath(path), recursive=True)))


def _photos(paths):
    """Those of some paths that are of photos, in the order of their names."""
    return sorted(
        path
        for path in paths
        if path.name.lower().endswith(ENDINGS)
        and not path.name.startswith('.')
        and os.path.isfile(path)
    )


def _missing(word):
    """What to say of a word that names no photo."""
    if word and os.path.isdir(place(word)):
        return f'the folder {word} has no photo: files .jpg, .png, …'
    if glob.has_magic(word):
        return f'there is no photo {word}, and none that it matches'
    return f'there is no photo {word}'


def names_for(paths):
    """Return a name for what is made of each photo, no two of them alike.

    That is the photo's own without its ending, or if several have that, for
    all but the first of them with a number: x, x-2, x-3. (The case of
    letters does not count, as in some file systems.) Very long ones are cut.
    """
    stems = [_cut(Path(path).stem) for path in paths]
    names, taken = [None] * len(stems), set()
    for index, stem in enumerate(stems):
        if _alike(stem) not in taken:
            taken.add(_alike(stem))
            names[index] = stem
    for index, stem in enumerate(stems):
        number = 2
        while names[index] is None:
            name = f'{stem}-{number}'
            if _alike(name) not in taken:
                taken.add(_alike(name))
                names[index] = name
            number += 1
    return names


def _alike(name):
    """What names have in common that one file may have in some system."""
    return same_letters(same_letters(name).casefold())


def _cut(stem):
    """A name's beginning that is short enough for a file, whole letters."""
    while len(os.fsencode(stem)) > _LONGEST:
        stem = stem[:-1]
    return stem
