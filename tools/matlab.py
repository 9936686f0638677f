"""Reading MATLAB's .mat files of version 5 (of `save -v7` and `-v6`)."""

import math
import struct
import zlib

import numpy as onp

# What MATLAB numbers: the types of stored numbers, the classes of arrays.
_TYPES = {
    **{1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4'},
    **{9: 'f8', 12: 'i8', 13: 'u8'},
}
_CLASSES = {
    **{6: 'f8', 7: 'f4', 8: 'i1', 9: 'u1', 10: 'i2', 11: 'u2', 12: 'i4'},
    **{13: 'u4', 14: 'i8', 15: 'u8'},
}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_MATRIX, _COMPRESSED, _UTF16 = 14, 15, 17
_EMPTY = onp.zeros((0, 0))
_DEEPEST, _MOST = 50, 100_000  # cells in cells, values altogether


def read(data, limit):
    """Read the bytes of a .mat file: {name: value}.

    A value is a NumPy array of numbers in MATLAB's shape, a text, a list of
    values (a cell), a list of dicts (a struct), or None for anything else.
    What is compressed may take `limit` bytes altogether.

    Raises ValueError, struct.error or zlib.error if it is damaged.
    """
    if len(data) < 128 or data[126:128] not in (b'IM', b'MI'):
        raise ValueError('it does not begin as MATLAB writes')
    reader = _Reader('<' if data[126:128] == b'IM' else '>')
    (version,) = reader.unpack('H', data[124:126])
    if version == 0x200:
        raise ValueError('it is of MATLAB 7.3 (HDF5); save it there with -v7')
    found = {}
    rest = memoryview(data)[128:]
    while rest:
        kind, content, rest = reader.element(rest)
        if kind == _COMPRESSED:
            inflate = zlib.decompressobj()
            content = inflate.decompress(content, limit)
            if not inflate.eof:
                raise ValueError('a variable is cut off, or absurdly large')
            limit -= len(content)
            kind, content, _ = reader.element(memoryview(content))
        if kind != _MATRIX:
            raise ValueError(f'a variable is of kind {kind}')
        name, value = reader.matrix(content)
        found[name] = value
    return found


class _Reader:
    """Reads elements: each a kind, a size, and so many bytes."""

    def __init__(self, order):
        self.order, self.values = order, 0

    def unpack(self, form, data):
        return struct.unpack(self.order + form, data)

    def element(self, data):
        """Take an element from data: (kind, content, what follows it)."""
        kind, size = self.unpack('II', data[:8])
        if kind >> 16:  # a small one: size and content in these eight bytes
            kind, size = kind & 0xFFFF, kind >> 16
            begin, end = 4, 8
        else:
            begin, end = 8, 8 + size
            if kind != _COMPRESSED:
                end += -size % 8
        if begin + size > min(end, len(data)):
            raise ValueError('it ends within a variable')
        return kind, data[begin : begin + size], data[end:]

    def matrix(self, data, depth=0):
        """Read the content of a matrix: (name, value)."""
        self.values += 1
        if depth > _DEEPEST or self.values > _MOST:
            raise ValueError('it holds too many values')
        if not data:
            return '', _EMPTY
        _, flags, data = self.element(data)
        kind = self.unpack('II', flags)[0]
        is_complex, kind = kind & 0x800, kind & 0xFF
        if kind not in (_CELL, _STRUCT, _CHAR, *_CLASSES) or is_complex:
            return '', None
        _, sizes, data = self.element(data)
        shape = self.unpack(f'{len(sizes) // 4}i', sizes)
        if min(shape, default=-1) < 0 or len(shape) > 32:
            raise ValueError(f'no matrix has the shape {shape[:40]}')
        _, name, data = self.element(data)
        name = bytes(name).decode()
        if kind == _CELL:
            items = self.items(math.prod(shape), [name], data, depth)
            return name, [item[name] for item in items]
        if kind == _STRUCT:
            _, length, data = self.element(data)
            (length,) = self.unpack('i', length)
            if not 0 < length <= 1000:
                raise ValueError(f'names of {length} letters')
            _, names, data = self.element(data)
            fields = [
                bytes(names[i : i + length]).split(b'\0')[0].decode()
                for i in range(0, len(names), length)
            ]
            return name, self.items(math.prod(shape), fields, data, depth)
        stored, content, _ = self.element(data)
        if kind == _CHAR:
            little = self.order == '<'
            wide = 'utf-16-le' if little else 'utf-16-be'
            is_wide = stored in (4, _UTF16)
            text = bytes(content)
            return name, text.decode(wide if is_wide else 'utf-8', 'replace')
        if stored not in _TYPES:
            raise ValueError(f'numbers are stored as kind {stored}')
        numbers = onp.frombuffer(content, self.order + _TYPES[stored])
        if len(numbers) != math.prod(shape):
            raise ValueError(f'{len(numbers)} numbers for the shape {shape}')
        numbers = numbers.astype(_CLASSES[kind], copy=False)
        return name, numbers.reshape(shape, order='F')

    def items(self, count, fields, data, depth):
        """Read so many times a value for each field: a list of dicts."""
        found = []
        if count * len(fields) > _MOST:
            raise ValueError('it holds too many values')
        for _ in range(count if fields else 0):
            item = {}
            for field in fields:
                _, content, data = self.element(data)
                item[field] = self.matrix(content, depth + 1)[1]
            found.append(item)
        return found
