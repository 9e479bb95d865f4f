"""GGUF, read from its specification: where every field lies, and every tensor."""

import math
import struct

STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
# Type -> (weights, bytes) of a block.
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84), 11: (256, 110),
          12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50),
          20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
          29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36)}
UNKNOWN = (1, 0)


class Layout:
    """fields: [(kind, begin, end)] with kind count, length, text, type, scalar, dimension, offset; metadata: {key: (type, begin, end)} of its
    value; data: where the tensors begin; spans: {tensor: (begin, end)} in the file."""

    def __init__(self, raw):
        self.raw, self.position = raw, 24
        self.fields = [("magic", 0, 4), ("version", 4, 8), ("count", 8, 16), ("count", 16, 24)]
        tensors, pairs = struct.unpack_from("<QQ", raw, 8)
        self.metadata = {}
        for _ in range(pairs):
            key, kind = self.text(), self.number("I", "type")
            begin = self.position
            self.value(kind)
            self.metadata[key] = (kind, begin, self.position)
        infos = [self.info() for _ in range(tensors)]
        alignment = 32
        if "general.alignment" in self.metadata:
            alignment, = struct.unpack_from("<I", raw, self.metadata["general.alignment"][1])
        self.data = math.ceil(self.position / alignment) * alignment
        self.spans = {name: (self.data + offset, self.data + offset + size) for name, size, offset in infos}

    def number(self, code, kind):
        value, = struct.unpack_from("<" + code, self.raw, self.position)
        begin, self.position = self.position, self.position + struct.calcsize("<" + code)
        self.fields.append((kind, begin, self.position))
        return value

    def text(self):
        length = self.number("Q", "length")
        begin, self.position = self.position, self.position + length
        self.fields.append(("text", begin, self.position))
        return self.raw[begin:self.position].decode("utf-8", "replace")

    def value(self, kind):
        if kind == STRING:
            self.text()
        elif kind == ARRAY:
            item, count = self.number("I", "type"), self.number("Q", "count")
            if item in SCALARS:
                begin, self.position = self.position, self.position + count * struct.calcsize("<" + SCALARS[item])
                self.fields.append(("scalar", begin, min(self.position, begin + struct.calcsize("<" + SCALARS[item]))))
            else:
                for _ in range(count):
                    self.value(item)
        else:
            self.number(SCALARS[kind], "scalar")

    def info(self):
        name = self.text()
        dims = [self.number("Q", "dimension") for _ in range(self.number("I", "count"))]
        block, size = BLOCKS.get(self.number("I", "type"), UNKNOWN)
        return name, math.prod(dims) // block * size, self.number("Q", "offset")
