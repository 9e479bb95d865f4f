"""Where the parts of a GGUF file lie, read from the specification and not from Quern: for cutting and comparing files."""

import math
import struct

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
ALIGNMENT = 32


class Layout:
    """metadata: key -> value. Byte positions: kv, infos, infos_end (padding follows), data, size; tensors: name -> its bytes."""

    def __init__(self, path):
        self.raw = path.read_bytes()
        self.position = 0
        magic, version, tensor_count, kv_count = struct.unpack_from("<4sIQQ", self.raw)
        assert magic == b"GGUF" and version == 3, (magic, version)
        self.position = self.kv = 24
        self.metadata = {}
        for _ in range(kv_count):
            key = self.text()
            self.metadata[key] = self.value(self.scalar("I"))
        self.infos = self.position
        infos = [self.tensor_info() for _ in range(tensor_count)]
        self.infos_end = self.position
        self.data = math.ceil(self.position / ALIGNMENT) * ALIGNMENT
        self.size = len(self.raw)
        ends = sorted(offset for _, _, offset in infos)[1:] + [self.size - self.data]
        order = sorted(infos, key=lambda info: info[2])
        self.tensors = {name: (kind, self.raw[self.data + offset:self.data + end])
                        for (name, kind, offset), end in zip(order, ends)}

    def scalar(self, code):
        value, = struct.unpack_from("<" + code, self.raw, self.position)
        self.position += struct.calcsize("<" + code)
        return value

    def text(self):
        length = self.scalar("Q")
        self.position += length
        return self.raw[self.position - length:self.position].decode()

    def value(self, kind):
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            return self.scalar(SCALARS[kind])
        item, count = self.scalar("I"), self.scalar("Q")
        return [self.value(item) for _ in range(count)]

    def tensor_info(self):
        name = self.text()
        for _ in range(self.scalar("I")):
            self.scalar("Q")
        return name, self.scalar("I"), self.scalar("Q")
