#!/usr/bin/env python3
"""Decodes tensors of Hyper-Compression from a Quern folder (docs/formats/hyper.md), in plain Python and on its own.

    hyper.py FOLDER            names, number formats and shapes of what it can decode
    hyper.py FOLDER NAME OUT   the weights of a tensor, float32, little-endian, row after row
"""

import array
import math
import struct
import sys

import planes
import rans

MOST_FLOAT = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def coded_tensors(tensors):
    """Name -> number format."""
    return planes.coded_tensors(tensors, "hyper_", "grid")


def grid_values(points, grid):
    """Pairs of floats, index by index; points a row of the grid; classes."""
    side, cx, cy, fx, fy, classes = struct.unpack("<5fB", grid[:21])
    s, half = math.isqrt(points), side / 2
    far = math.sqrt((fx - cx) * (fx - cx) + (fy - cy) * (fy - cy))
    values = array.array("f")
    for m in range(classes + 1):
        grows = (half + m * (far - half) / classes) / half if 0 < half < far else 1
        values.extend((cx, cy))
        for k in range(points):
            x, y = k * (side / (s * s)) - half, k % s * (side / s) - half
            values.extend(min(max(v, -MOST_FLOAT), MOST_FLOAT) for v in (cx + x * grows, cy + y * grows))
    return values, s, classes


def plain_indices(codes, pairs, bits):
    """Of one row: the first in the highest bits, zeros in front that fill whole bytes."""
    number = int.from_bytes(codes, "big")
    return [number >> bits * (pairs - 1 - i) & (1 << bits) - 1 for i in range(pairs)]


def take_tables(data):
    tables = []
    for _ in range(2):
        size = struct.unpack_from("<H", data)[0]
        *table, used = rans.parse_table(data[2:2 + size])
        assert used == size
        tables.append(table)
        data = data[2 + size:]
    assert not data
    return tables


def coded_indices(stream, pairs, tables, s):
    indices = []
    for row, column in zip(*rans.decode_stream(stream, [(table, pairs) for table in tables])[0]):
        m, line = divmod(row, s + 1)
        assert line or column == s // 2
        indices.append(m * (s * s + 1) + (column * s + line if line else 0))
    return indices


def decode(tensors, name, codec):
    """The weights as array('f')."""
    def plane(which):
        return tensors[f"{name}.{codec}.{which}"]

    points, grid = int(codec.split("_")[1]), plane("grid")
    values, s, classes = grid_values(points, grid)
    shape = planes.shape_of(tensors, name, codec)
    cols, rows = shape[-1], math.prod(shape[:-1])
    pairs, out = (cols + 1) // 2, array.array("f")
    is_coded = codec.endswith("_rans")
    tables = take_tables(grid[21:]) if is_coded else None
    bits = ((points + 1) * (classes + 1) - 1).bit_length()
    row_bytes = (pairs * bits + 7) // 8
    offsets = struct.unpack(f"<{rows + 1}Q", plane("offsets")) if is_coded else range(0, (rows + 1) * row_bytes, row_bytes)
    stored = plane("rows" if is_coded else "codes")
    for row in range(rows):
        data = stored[offsets[row]:offsets[row + 1]]
        indices = coded_indices(data, pairs, tables, s) if is_coded else plain_indices(data, pairs, bits)
        weights = array.array("f")
        for index in indices:
            weights.extend(values[2 * index:2 * index + 2])
        out.extend(weights[:cols])
    return out


if __name__ == "__main__":
    planes.run(sys.modules[__name__])
