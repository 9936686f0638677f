"""PNG and TIFF files of any samples, written byte by byte."""

import struct
import zlib

import numpy as onp


def _packed(samples, bits, order='>'):
    """Rows of samples, (height, width * bands), as bytes of these bits."""
    if bits in (8, 16, 32, 64):
        kind = f'{order}{samples.dtype.kind}{bits // 8}'
        return [row.astype(kind).tobytes() for row in samples]
    places = onp.arange(bits)[::-1]
    digits = samples[..., None] >> places & 1
    rows = digits.reshape(len(samples), -1).astype('uint8')
    return [onp.packbits(row).tobytes() for row in rows]


def png(samples, bits, kind, chunks=()):
    """A PNG of samples (height, width) or (height, width, bands).

    `kind`: PNG's colour type; `chunks`: (name, bytes), before the pixels.
    """

    def chunk(name, data):
        end = struct.pack('>I', zlib.crc32(name + data))
        return struct.pack('>I', len(data)) + name + data + end

    height, width = samples.shape[:2]
    rows = _packed(samples.reshape(height, -1), bits)
    head = struct.pack('>IIBBBBB', width, height, bits, kind, 0, 0, 0)
    body = zlib.compress(b''.join(b'\0' + row for row in rows))
    found = [(b'IHDR', head), *chunks, (b'IDAT', body), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*each) for each in found)


# TIFF's tags, and its kinds of numbers.
WIDTH, HEIGHT, BITS, PACKING, MEANING, OFFSET = 256, 257, 258, 259, 262, 273
BANDS, ROWS, SIZE, EXTRA, FORMAT, COLORS = 277, 278, 279, 338, 339, 320
FORMATS = {'u': 1, 'i': 2, 'f': 3}


def tiff(samples, bits, meaning, order='<', extra=None, colors=None):
    """A TIFF of samples (height, width) or (height, width, bands).

    `meaning`: TIFF's PhotometricInterpretation: 0 and 1 are grey, from white
    or from black, 2 RGB, 3 a palette. `extra`: its ExtraSamples. `colors`:
    a palette, (2**bits, 3) from 0 to 65535.
    """
    height, width = samples.shape[:2]
    bands = samples.shape[2] if samples.ndim == 3 else 1
    rows = b''.join(_packed(samples.reshape(height, -1), bits, order))
    tags = {
        **{WIDTH: [width], HEIGHT: [height], BITS: [bits] * bands},
        **{PACKING: [1], MEANING: [meaning], OFFSET: [8], BANDS: [bands]},
        **{ROWS: [height], SIZE: [len(rows)]},
        FORMAT: [FORMATS[samples.dtype.kind]] * bands,
    }
    if extra is not None:
        tags[EXTRA] = extra
    if colors is not None:
        tags[COLORS] = onp.transpose(colors).reshape(-1).tolist()
    begin = 8 + len(rows) + len(rows) % 2
    entries, behind = [], b''
    after = begin + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        kind, letter = (4, 'I') if tag in (OFFSET, SIZE) else (3, 'H')
        data = struct.pack(f'{order}{len(values)}{letter}', *values)
        if len(data) > 4:
            data, behind = (
                struct.pack(f'{order}I', after + len(behind)),
                behind + data,
            )
        head = struct.pack(f'{order}HHI', tag, kind, len(values))
        entries.append(head + data.ljust(4, b'\0'))
    mark = b'II*\0' if order == '<' else b'MM\0*'
    return b''.join(
        [
            *(mark, struct.pack(f'{order}I', begin), rows),
            *(bytes(len(rows) % 2), struct.pack(f'{order}H', len(tags))),
            *(*entries, bytes(4), behind),
        ]
    )
