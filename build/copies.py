"""Lay copies into a folder where others work, and keep what they changed.

A copy, a file or a folder, that is not as the book wrote it is somebody's
work. All else in the folder is nobody's business here.
"""

import hashlib
import json
import os

from parts import whole

RECORD = '.copies.json'  # {name: hashes of what we may have written there}
DEBRIS = {'__pycache__', '.ipynb_checkpoints'}  # of Python and Jupyter


def hash_of(content):
    """Return the hash of a file's bytes, or of a folder's {name: bytes}."""
    if isinstance(content, dict):
        inside = {name: hash_of(data) for name, data in content.items()}
        return hash_of(json.dumps(inside, sort_keys=True).encode())
    return hashlib.sha256(content).hexdigest()


def hash_at(path):
    """Return the hash of what lies at a path; None if nothing does."""
    if path.is_symlink():
        return hash_of(b'a link to ' + os.fsencode(os.readlink(path)))
    if path.is_dir():
        inside = {}
        for part in path.rglob('*'):
            name = part.relative_to(path)
            is_folder = part.is_dir() and not part.is_symlink()
            if not is_folder and DEBRIS.isdisjoint(name.parts):
                inside[name.as_posix()] = hash_at(part)
        return hash_of(json.dumps(inside, sort_keys=True).encode())
    if path.exists():
        with open(path, 'rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    return None


def give(folder, copies):
    """Bring copies up to date: {name: bytes, or a folder's {name: bytes}}.

    Returns the names of those that somebody changed: they stay as they are.
    When all others are written, each takes its place in one step; a new folder
    appears with all of them.
    """
    lock = folder.with_name(f'.{folder.name}.lock')
    with whole.only_one(lock, f'another `make` that fills {folder.name}'):
        if folder.exists():
            return replace(folder, copies)
        with whole.new(folder) as empty:
            return replace(empty, copies)


def replace(folder, copies):
    """Do what `give` does, alone."""
    with whole.scratch(folder) as scratch:
        for name, content in copies.items():
            files = content if isinstance(content, dict) else {'': content}
            for inside, data in files.items():
                path = scratch / name / inside
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        record, changed, kept = folder / RECORD, [], []
        ours = json.loads(record.read_text('utf-8')) if record.exists() else {}
        for name, content in copies.items():
            there, made = hash_at(folder / name), hash_of(content)
            # An older record has one hash, as a text, instead of a list.
            if there in (None, made) or there in ours.get(name, ()):
                ours[name] = [there, made]
                changed += [name] * (there != made)
            else:
                kept.append(name)
        # First, so that it also knows what a kill left undone.
        whole.write_whole(record, json.dumps(ours, indent=1) + '\n')
        for name in changed:
            whole.put(scratch / name, folder / name)
    return kept
