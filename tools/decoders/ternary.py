#!/usr/bin/env python3
"""Decodes ternary tensors of one scale from a Quern folder (docs/formats/ternary.md), in plain Python and on its own.

    ternary.py FOLDER            names, number formats and shapes of what it can decode
    ternary.py FOLDER NAME OUT   the weights of a tensor, float32, little-endian, row after row
"""

import array
import math
import struct
import sys

import planes

CODECS = {"ternary_b3": (81, 27, 9, 3, 1), "ternary_2bit": (1, 4, 16, 64)}  # the place of each code of a byte
I2_S = ("i2_s", "i2_s_rows")


def coded_tensors(tensors):
    """Name -> number format."""
    return planes.coded_tensors(tensors, (*CODECS, *I2_S), "scale")


def code_of(codec, codes, row, col, cols):
    """The code of a weight in the two orders of I2_S."""
    if codec == "i2_s_rows":
        return codes[row // 4 * cols + col] >> 6 - 2 * (row % 4) & 3
    block, j = divmod(row * cols + col, 128)
    return codes[block * 32 + j % 32] >> 6 - 2 * (j // 32) & 3


def decode(tensors, name, codec):
    """The weights as array('f')."""
    shape = planes.shape_of(tensors, name, codec)
    scale, = struct.unpack("<f", tensors[f"{name}.{codec}.scale"])
    codes = tensors[f"{name}.{codec}.codes"]
    if codec in I2_S:
        return array.array("f", (scale * (code_of(codec, codes, row, col, shape[-1]) - 1) for row in range(math.prod(shape[:-1]))
                                 for col in range(shape[-1])))
    cols, places, base = shape[-1], CODECS[codec], 3 if codec == "ternary_b3" else 4
    row_bytes, out = -(-cols // len(places)), array.array("f")
    for row in range(math.prod(shape[:-1])):
        stored = codes[row * row_bytes:(row + 1) * row_bytes]
        trits = [byte // place % base - 1 for byte in stored for place in places]
        assert 2 not in trits and (base == 4 or max(stored) < 243)
        out.extend(scale * t for t in trits[:cols])
    return out


if __name__ == "__main__":
    planes.run(sys.modules[__name__])
