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
    """Weights of a vector, centroids, residual centroids (0: none)."""
    length, centroids, residuals = re.fullmatch(r"vptq_v(\d+)_k(\d+)(?:_r(\d+))?", codec).groups()
    return int(length), int(centroids), int(residuals or 0)


def codebooks(data, length, centroids, residuals):
    """The scale, and the vectors of both codebooks."""
    scale, = struct.unpack_from("<f", data)
    halves = struct.unpack(f"<{(len(data) - 4) // 2}e", data[4:])
    vectors = [halves[i:i + length] for i in range(0, len(halves), length)]
    assert len(vectors) == centroids + residuals
    return scale, vectors[:centroids], vectors[centroids:]


def as_float(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def decode(tensors, name, codec):
    """The weights as array('f')."""
    length, centroids, residuals = sizes_of(codec)
    shape = planes.shape_of(tensors, name, codec)
    cols, rows = shape[-1], math.prod(shape[:-1])
    scale, main, residual = codebooks(tensors[f"{name}.{codec}.codebook"], length, centroids, residuals)
    main_bits = (centroids - 1).bit_length()
    bits = main_bits + ((residuals - 1).bit_length() if residuals else 0)
    indices, stripe_bytes, out = tensors[f"{name}.{codec}.indices"], (cols * bits + 7) // 8, array.array("f", bytes(4 * rows * cols))
    assert len(indices) == -(-rows // length) * stripe_bytes
    for stripe in range(-(-rows // length)):
        number = int.from_bytes(indices[stripe * stripe_bytes:(stripe + 1) * stripe_bytes], "little")
        for c in range(cols):
            index = number >> c * bits & (1 << bits) - 1
            vector = main[index & centroids - 1]
            if residuals:
                vector = [as_float(a + b) for a, b in zip(vector, residual[index >> main_bits])]
            for r in range(min(length, rows - stripe * length)):
                out[(stripe * length + r) * cols + c] = vector[r] * scale
    return out


if __name__ == "__main__":
    planes.run(sys.modules[__name__])
