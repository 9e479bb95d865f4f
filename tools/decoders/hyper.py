#!/usr/bin/env python3
"""Decodes tensors of Hyper-Compression from a Quern folder (docs/formats/hyper.md), in plain Python and on its own.

    hyper.py FOLDER            names, number formats and shapes of what it can decode
    hyper.py FOLDER NAME OUT   the weights of a tensor, float32, little-endian, row after row
"""

import array
import json
import math
import pathlib
import struct
import sys

MOST_FLOAT = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def read_tensors(folder):
    """Name -> bytes of every tensor of model.safetensors."""
    data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    return {name: data[start + t["data_offsets"][0]:start + t["data_offsets"][1]] for name, t in header.items() if name != "__metadata__"}


def coded_tensors(tensors):
    """Name -> number format."""
    parts = (name.rsplit(".", 2) for name in tensors)
    return {p[0]: p[1] for p in parts if len(p) == 3 and p[1].startswith("hyper_") and p[2] == "grid"}


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


def parse_table(data):
    """The symbol of each of 4096 slots, frequencies and starts by symbol, and the escape symbol."""
    escape, frequencies, at = data[0], [0] * 256, 1
    symbol = 0
    while symbol < 256:
        f = data[at]
        if f == 0:
            symbol += 1 + data[at + 1]
            at += 2
            continue
        if f >= 128:
            f += (data[at + 1] - 1) * 128
            at += 1
        frequencies[symbol], at, symbol = f, at + 1, symbol + 1
    assert sum(frequencies) == 4096 and at == len(data)
    starts = [sum(frequencies[:k]) for k in range(256)]
    return [k for k in range(256) for _ in range(frequencies[k])], frequencies, starts, escape


def take_tables(data):
    tables = []
    for _ in range(2):
        size = struct.unpack_from("<H", data)[0]
        tables.append(parse_table(data[2:2 + size]))
        data = data[2 + size:]
    assert not data
    return tables


def rans_symbols(stream, runs):
    """runs: (table, number of symbols) each."""
    total = sum(count for _, count in runs)
    lanes = 1 if total < 256 else 4 if total < 2048 else 8
    states, at, end, out = list(struct.unpack_from(f"<{lanes}I", stream)), 4 * lanes, len(stream), []
    for (slots, frequencies, starts, escape), count in runs:
        symbols = []
        for k in range(count):
            x = states[k % lanes]
            symbol = slots[x % 4096]
            x = frequencies[symbol] * (x >> 12) + x % 4096 - starts[symbol]
            if x < 1 << 16:
                x = x << 16 | stream[at] | stream[at + 1] << 8
                at += 2
            states[k % lanes] = x
            symbols.append(symbol)
        for k, symbol in enumerate(symbols):
            if symbol == escape:
                end -= 1
                symbols[k] = stream[end]
        out.append(symbols)
    assert at == end and states == [1 << 16] * lanes
    return out


def coded_indices(stream, pairs, tables, s):
    indices = []
    for row, column in zip(*rans_symbols(stream, [(table, pairs) for table in tables])):
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
    shape = struct.unpack(f"<{len(plane('shape')) // 8}q", plane("shape"))
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


def main(arguments):
    if len(arguments) not in (1, 3):
        sys.exit(__doc__)
    tensors = read_tensors(arguments[0])
    codecs = coded_tensors(tensors)
    if len(arguments) == 1:
        for name, codec in codecs.items():
            shape = tensors[f"{name}.{codec}.shape"]
            print(name, codec, *struct.unpack(f"<{len(shape) // 8}q", shape))
        return
    weights = decode(tensors, arguments[1], codecs[arguments[1]])
    if sys.byteorder == "big":
        weights.byteswap()
    pathlib.Path(arguments[2]).write_bytes(weights.tobytes())


if __name__ == "__main__":
    main(sys.argv[1:])
