"""Decodes SeedLM tensors of a safetensors file as docs/formats/seedlm.md describes them, in plain Python, apart from the product's code.

    python3 tools/decoders/seedlm.py model.safetensors            the tensors that it can decode
    python3 tools/decoders/seedlm.py model.safetensors TENSOR     its weights as 32-bit floats, on standard output
"""

import math
import struct
import sys

import planes
import rans

# Weights a vector, coefficients of it.
SHAPES = {"seedlm_4": (8, 3), "seedlm_4_paper": (8, 3), "seedlm_3": (12, 4), "seedlm_4w": (8, 3), "seedlm_3w": (12, 4)}
TAPS = (0, 1, 3, 12)


def register():
    """Every state but 0, in order, from 1 on."""
    states, state = [], 1
    while True:
        states.append(state)
        parity = 0
        for tap in TAPS:
            parity ^= state >> tap & 1
        state = state >> 1 | parity << 15
        if state == 1:
            return states


class Basis:
    def __init__(self):
        cycle = register()
        self.place = {state: k for k, state in enumerate(cycle)}
        self.cycle = cycle + cycle[:64]

    def weights(self, seed, exponent, coefficients, length):
        """As Python floats, each rounded to 32 bits."""
        if seed == 0:
            raise ValueError("a vector has seed 0")
        at, count = self.place[seed] + 1, len(coefficients)
        step = math.ldexp(1 / 32767, exponent)
        out = []
        for c in range(length):
            total = sum((self.cycle[at + c * count + p] - 32768) * coefficients[p] for p in range(count))
            out.append(struct.unpack("<f", struct.pack("<f", total * step))[0])
        return out


def signed(nibble):
    return nibble - 16 if nibble >= 8 else nibble


def vectors_of_bits(row, cols, length, count):
    """Of a row of fixed size: 20 + 4 * count bits a vector, from the lowest bit on."""
    bits, number = 20 + 4 * count, int.from_bytes(row, "little")
    for v in range(-(-cols // length)):
        word = number >> v * bits
        yield word & 0xffff, signed(word >> 16 & 15), [signed(word >> 20 + 4 * p & 15) for p in range(count)]


def vectors_of_stream(row, cols, length, count, tables):
    vectors = -(-cols // length)
    carried = min(vectors, rans.lanes_of(vectors * (1 + count)) - 1)
    plain = 2 * (vectors - carried)
    runs = [(tables[0], vectors), (tables[1], vectors * count)]
    (exponents, coefficients), first = rans.decode_stream(row[plain:], runs, carried)
    seeds = first + list(struct.unpack(f"<{vectors - carried}H", row[:plain]))
    for v in range(vectors):
        yield seeds[v], exponents[v] - 8, [q - 8 for q in coefficients[v * count:(v + 1) * count]]


class File:
    def __init__(self, path):
        self.tensors = planes.read_file(path)

    def names(self):
        """Tensor -> its format."""
        found = {}
        for name in self.tensors:
            tensor, _, plane = name.rpartition(".")
            base, _, codec = tensor.rpartition(".")
            if plane == "shape" and codec in SHAPES:
                found[base] = codec
        return found

    def rows(self, name, codec):
        """(bytes of a row, tables) for each row, the columns, and the exponent of the tensor."""
        plane = lambda p: self.tensors[f"{name}.{codec}.{p}"]
        shape = planes.shape_of(self.tensors, name, codec)
        cols, rows = shape[-1], math.prod(shape[:-1])
        length, count = SHAPES[codec]
        if not codec.endswith("w"):
            bytes_of_row = (-(-cols // length) * (20 + 4 * count) + 7) // 8
            data = plane("vectors")
            return [data[i * bytes_of_row:(i + 1) * bytes_of_row] for i in range(rows)], cols, plane("exponent"), None
        offsets = struct.unpack(f"<{rows + 1}Q", plane("offsets"))
        table, data = plane("table"), plane("rows")
        size = struct.unpack_from("<H", table, 1)[0]
        tables = [rans.parse_table(table[3:3 + size])[:3], rans.parse_table(table[3 + size:])[:3]]
        return [data[offsets[i]:offsets[i + 1]] for i in range(rows)], cols, table[:1], tables


def decode(file, name, basis, most_rows=None):
    """The weights of a tensor, row after row, as a list of lists; of its first rows where `most_rows` says so."""
    codec = file.names()[name]
    length, count = SHAPES[codec]
    rows, cols, exponent, tables = file.rows(name, codec)
    own = struct.unpack("<b", exponent)[0]
    out = []
    for row in rows[:most_rows]:
        vectors = (vectors_of_stream(row, cols, length, count, tables) if tables else
                   vectors_of_bits(row, cols, length, count))
        weights = []
        for seed, power, coefficients in vectors:
            weights += basis.weights(seed, power + own, coefficients, length)
        out.append(weights[:cols])
    return out


def main():
    file = File(sys.argv[1])
    if len(sys.argv) == 2:
        for name, codec in file.names().items():
            print(name, codec)
        return
    for row in decode(file, sys.argv[2], Basis()):
        sys.stdout.buffer.write(struct.pack(f"<{len(row)}f", *row))


if __name__ == "__main__":
    main()
