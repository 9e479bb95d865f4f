#!/usr/bin/env python3
"""Decodes VPTQ tensors of a Quern folder (docs/formats/vptq.md), in plain Python and on its own.

    vptq.py FOLDER            names, number formats and shapes of what it can decode
    vptq.py FOLDER NAME OUT   the weights of a tensor, float32, little-endian, row after row
"""

import array
import math
import re
import struct
import sys

import planes


def coded_tensors(tensors):
    """Name -> number format."""
    return planes.coded_tensors(tensors, "vptq_", "codebook")


def sizes_of(codec):
    """Weights of a vector, centroids, residual centroids and those of outliers (0: none)."""
    return tuple(int(part or 0) for part in re.fullmatch(r"vptq_v(\d+)_k(\d+)(?:_r(\d+))?(?:_o(\d+))?", codec).groups())


def codebooks(data, sizes, outliers):
    """The scale, the vectors of the three codebooks, and the columns of so many outliers."""
    length, *counts = sizes
    scale, = struct.unpack_from("<f", data)
    at, books = 4, []
    for count, axes in zip(counts, (length, length, length // 2)):
        halves = struct.unpack_from(f"<{count * axes}e", data, at)
        books.append([halves[i:i + axes] for i in range(0, len(halves), axes)])
        at += 2 * len(halves)
    columns = struct.unpack_from(f"<{outliers}I", data, at)
    assert len(data) == at + 4 * outliers
    return scale, *books, columns


def as_float(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def decode(tensors, name, codec):
    """The weights as array('f')."""
    length, centroids, residuals, of_outliers = sizes = sizes_of(codec)
    shape = planes.shape_of(tensors, name, codec)
    cols, rows = shape[-1], math.prod(shape[:-1])
    outliers = -(-cols // 100) if of_outliers else 0
    scale, main, residual, halves, columns = codebooks(tensors[f"{name}.{codec}.codebook"], sizes, outliers)
    main_bits = (centroids - 1).bit_length()
    bits = main_bits + ((residuals - 1).bit_length() if residuals else 0)
    stripe_bytes, out = ((cols + outliers) * bits + 7) // 8, array.array("f", bytes(4 * rows * cols))
    indices = tensors[f"{name}.{codec}.indices"]
    assert len(indices) == -(-rows // length) * stripe_bytes
    for stripe in range(-(-rows // length)):
        number = int.from_bytes(indices[stripe * stripe_bytes:(stripe + 1) * stripe_bytes], "little")
        stored = [number >> k * bits & (1 << bits) - 1 for k in range(cols + outliers)]
        vectors = [main[index & centroids - 1] for index in stored[:cols]]
        if residuals:
            vectors = [[as_float(a + b) for a, b in zip(vector, residual[index >> main_bits])] for vector, index in zip(vectors, stored)]
        for c, second in zip(columns, stored[cols:]):
            vectors[c] = halves[stored[c]] + halves[second]
        for c, vector in enumerate(vectors):
            for r in range(min(length, rows - stripe * length)):
                out[(stripe * length + r) * cols + c] = vector[r] * scale
    return out


if __name__ == "__main__":
    planes.run(sys.modules[__name__])
