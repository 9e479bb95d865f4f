#!/usr/bin/env python3
"""Decodes ternary tensors of one scale from a Quern folder (docs/formats/ternary.md), in plain Python and on its own.

    ternary.py FOLDER            names, number formats and shapes of what it can decode
    ternary.py FOLDER NAME OUT   the weights of a tensor, float32, little-endian, row after row
"""

import array
import math
import pathlib
import struct
import sys

from hyper import read_tensors

CODECS = {"ternary_b3": (81, 27, 9, 3, 1), "ternary_2bit": (1, 4, 16, 64)}  # the place of each code of a byte


def coded_tensors(tensors):
    """Name -> number format."""
    parts = (name.rsplit(".", 2) for name in tensors)
    return {p[0]: p[1] for p in parts if len(p) == 3 and p[1] in CODECS and p[2] == "scale"}


def decode(tensors, name, codec):
    """The weights as array('f')."""
    shape = shape_of(tensors, name, codec)
    cols, places, base = shape[-1], CODECS[codec], 3 if codec == "ternary_b3" else 4
    scale, = struct.unpack("<f", tensors[f"{name}.{codec}.scale"])
    codes = tensors[f"{name}.{codec}.codes"]
    row_bytes, out = -(-cols // len(places)), array.array("f")
    for row in range(math.prod(shape[:-1])):
        stored = codes[row * row_bytes:(row + 1) * row_bytes]
        trits = [byte // place % base - 1 for byte in stored for place in places]
        assert 2 not in trits and (base == 4 or max(stored) < 243)
        out.extend(scale * t for t in trits[:cols])
    return out


def shape_of(tensors, name, codec):
    shape = tensors[f"{name}.{codec}.shape"]
    return struct.unpack(f"<{len(shape) // 8}q", shape)


def main(arguments):
    if len(arguments) not in (1, 3):
        sys.exit(__doc__)
    tensors = read_tensors(arguments[0])
    codecs = coded_tensors(tensors)
    if len(arguments) == 1:
        for name, codec in codecs.items():
            print(name, codec, *shape_of(tensors, name, codec))
        return
    weights = decode(tensors, arguments[1], codecs[arguments[1]])
    if sys.byteorder == "big":
        weights.byteswap()
    pathlib.Path(arguments[2]).write_bytes(weights.tobytes())


if __name__ == "__main__":
    main(sys.argv[1:])
