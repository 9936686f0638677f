"""Reading files that may come from anywhere: sizes first, nothing is run.

Zip files, JSON, and arrays by name as MXNet and NumPy write them. What is
wrong raises one of many errors; `naming` makes it one ValueError.
"""

import errno
import json
import math
import os
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager

import numpy as onp

# What reading a damaged file raises. Zip files that need a newer program are
# not implemented; to seek where no file is, is a faulty argument.
_DAMAGED = (
    *(ValueError, OSError, EOFError, OverflowError, RecursionError),
    *(NotImplementedError, struct.error, zlib.error, zipfile.BadZipFile),
)
_FAULTY = errno.EINVAL, errno.EISDIR
_MOST_ARRAYS = 10_000  # in one file
_MOST_JSON = 4_000_000  # bytes


@contextmanager
def naming(path, what):
    """Turn what is raised about a file into a ValueError that names it."""
    try:
        yield
    except _DAMAGED as error:
        if str(error).startswith(str(path)):
            raise  # named already, and it knows better what is wrong
        if isinstance(error, OSError) and error.errno not in _FAULTY:
            raise  # no fault of the file: the disk is full, …
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f'{path} {what}: {cause[:500]}') from error


def read_json(text):
    """Parse JSON, bytes or text; no NaN, and no number without end."""

    def refuse(number):
        raise ValueError(f'it holds the number {number[:20]}')

    def real(number):
        value = float(number)
        return value if math.isfinite(value) else refuse(number)

    def whole(number):
        return int(number) if len(number) < 19 else refuse(number)

    return json.loads(
        text, parse_constant=refuse, parse_float=real, parse_int=whole
    )


# --------------------------------------------------------------------- zip


def unfolds_to(path):
    """How many bytes may come out of a file: parameters hardly shrink."""
    return 10 * os.path.getsize(path) + 2**20


@contextmanager
def open_zip(path):
    """Open a zip file in which every name is there once, and lies within."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        for name in names:
            if name.startswith('/') or '..' in re.split(r'[/\\]', name):
                raise ValueError(f'its member {name} lies outside of it')
        if len(set(names)) < len(names):
            raise ValueError('it holds two members of one name')
        yield archive


def open_member(archive, name, limit):
    """Open a member of at most so many bytes; no more will come out."""
    if name not in archive.NameToInfo:
        raise ValueError(f'it has no {name}')
    info = archive.getinfo(name)
    if info.file_size > limit:
        raise ValueError(
            f'its {name} would take {info.file_size:,} bytes; at most '
            f'{limit:,} can be right'
        )
    if info.flag_bits & 1:
        raise ValueError(f'its {name} is encrypted')
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f'its {name} is compressed in an unusual way')
    return archive.open(info)


def read_member(archive, name, limit=_MOST_JSON):
    """Return a member of at most so many bytes."""
    with open_member(archive, name, limit) as member:
        size = archive.getinfo(name).file_size
        data = member.read(size)  # without a number, all would unfold
    if len(data) != size:
        raise ValueError(f'its {name} is cut off')
    return data


# ------------------------------------------------------------------ arrays


class _StoredArray:
    """An array in a file: its dtype and shape, and `read`, which reads it."""

    def __init__(self, dtype, shape, read_bytes, order='C'):
        self.dtype, self.shape = onp.dtype(dtype), tuple(shape)
        if len(shape) > 32 or any(not 0 <= n < 2**31 for n in shape):
            raise ValueError(f'no array has the shape {str(shape)[:200]}')
        self.nbytes = self.dtype.itemsize * math.prod(shape)
        self._read_bytes, self._order = read_bytes, order

    def read(self):
        """The numbers, as a NumPy array."""
        data = self._read_bytes()
        if len(data) != self.nbytes:
            raise ValueError('an array has another size than it says')
        flat = onp.frombuffer(data, self.dtype)
        return flat.reshape(self.shape, order=self._order)


@contextmanager
def open_arrays(path, limit=None):
    """Open a file of arrays as MXNet (.params) or NumPy (.npz) write it.

    Yields {name: _StoredArray}, to be read while it is open; together they
    take at most `limit` bytes (default: ten times the file and a little).
    """
    with open(path, 'rb') as file:
        if file.read(2) != b'PK':
            yield _mxnet_arrays(file)
            return
    with open_zip(path) as archive:
        yield numpy_arrays(archive, limit or unfolds_to(path))


_HEADER = re.compile(
    r"\s*\{'descr': ?'([<>|=]?[biufcSUO]\d{0,9})', "
    r"?'fortran_order': ?(True|False), "
    r"?'shape': ?\(([\dL, ]{0,1000})\),? ?\}\s*",
)


def numpy_arrays(archive, limit):
    """The arrays of an open .npz file: {name: _StoredArray}.

    Together they may take `limit` bytes.
    """
    infos, found = archive.infolist(), {}
    if len(infos) > _MOST_ARRAYS:
        raise ValueError(f'it holds {len(infos):,} arrays')
    total = sum(info.file_size for info in infos)
    if total > limit:
        raise ValueError(
            f'its arrays would take {total:,} bytes; at most {limit:,} can '
            'be right'
        )
    for info in infos:
        if not info.filename.endswith('.npy'):
            raise ValueError(f'its member {info.filename} is no array')
        name = info.filename.removesuffix('.npy')
        with naming(name, 'cannot be read'):
            found[name] = _numpy_array(archive, info)
    return found


def _numpy_array(archive, info):
    """An array of an open .npz file, by its header."""
    with open_member(archive, info.filename, info.file_size) as member:
        magic, version, _ = struct.unpack('<6sBB', member.read(8))
        if magic != b'\x93NUMPY':
            raise ValueError('it does not begin as NumPy writes')
        size = '<H' if version == 1 else '<I'
        (length,) = struct.unpack(size, member.read(struct.calcsize(size)))
        header = member.read(min(length, 10_000))
        begin = 8 + struct.calcsize(size) + length
    match = _HEADER.fullmatch(header.decode('latin1'))
    if not match:
        raise ValueError('its header does not say what numbers it holds')
    kind, fortran, shape = match.groups()
    if 'O' in kind:
        raise ValueError(
            'arrays of Python objects are never read: they could run code'
        )
    try:
        dtype = onp.dtype(kind)
    except TypeError as error:
        raise ValueError(f'there are no numbers of kind {kind}') from error

    def read_bytes():
        with open_member(archive, info.filename, info.file_size) as member:
            member.read(begin)
            return member.read(array.nbytes)

    order = 'F' if fortran == 'True' else 'C'
    sizes = [int(n) for n in re.findall(r'\d+', shape)]
    array = _StoredArray(dtype, sizes, read_bytes, order)
    if begin + array.nbytes != info.file_size:
        raise ValueError('it has another size than it says')
    return array


# How MXNet numbers the types of its arrays.
_MXNET_TYPES = 'f4 f8 f2 u1 i4 i1 i8 ?'.split()
_MXNET_FILE = 0x112
_MXNET_V1, _MXNET_V2, _MXNET_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA


def _mxnet_arrays(file):
    """The arrays of an open file that MXNet wrote.

    All numbers are little-endian: the kind of file, a word in reserve, how
    many arrays; the arrays; how many names, and each with its length.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)

    def take(form):
        return struct.unpack('<' + form, file.read(struct.calcsize(form)))

    kind, _, count = take('QQQ')
    if kind != _MXNET_FILE:
        raise ValueError('it does not begin as MXNet writes')
    if count > _MOST_ARRAYS:
        raise ValueError(f'it holds {count:,} arrays')
    arrays = [_mxnet_array(file, take, size) for _ in range(count)]
    names = []
    if take('Q') != (count,):
        raise ValueError('its arrays have no names')
    for _ in range(count):
        (length,) = take('Q')
        if length > size - file.tell():
            raise ValueError('it ends within a name')
        names.append(file.read(length).decode())
    if file.tell() != size or len(set(names)) < count:
        raise ValueError('the names of its arrays are damaged')
    return dict(zip(names, arrays, strict=True))


def _mxnet_array(file, take, size):
    """The array that begins here: a kind, a shape, a device, a type."""
    (kind,) = take('I')
    if kind not in (_MXNET_V1, _MXNET_V2, _MXNET_V3):
        raise ValueError('an array does not begin as MXNet writes')
    if kind != _MXNET_V1 and take('i') != (0,):
        raise ValueError('an array is sparse')
    (axes,) = take('i')
    if not (kind != _MXNET_V3) <= axes <= 32:
        raise ValueError(f'an array has {axes} axes')
    shape = take(f'{axes}q')
    *_, number = take('iii')
    if not 0 <= number < len(_MXNET_TYPES):
        raise ValueError(f'an array is of an unknown type, {number}')
    begin = file.tell()

    def read_bytes():
        file.seek(begin)
        return file.read(array.nbytes)

    array = _StoredArray(_MXNET_TYPES[number], shape, read_bytes)
    if array.nbytes > size - begin:
        raise ValueError(f'it ends within an array of shape {shape}')
    file.seek(array.nbytes, os.SEEK_CUR)
    return array
