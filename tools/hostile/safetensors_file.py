"""safetensors, read and written from its specification: 8 bytes of length, a header of JSON, the tensors' bytes."""

import json
import struct


class Layout:
    """header: {name: {dtype, shape, data_offsets}}; data: where the tensors begin; spans: {name: (begin, end)} in the file."""

    def __init__(self, raw):
        length, = struct.unpack_from("<Q", raw)
        self.header = json.loads(raw[8:8 + length])
        self.data = 8 + length
        self.spans = {name: tuple(self.data + offset for offset in entry["data_offsets"])
                      for name, entry in self.header.items() if name != "__metadata__"}


def build(tensors, metadata=None):
    """tensors: {name: (dtype, shape, bytes)}."""
    header, position = {"__metadata__": metadata} if metadata else {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + len(data)]}
        position += len(data)
    return with_header(json.dumps(header).encode(), b"".join(data for _, _, data in tensors.values()))


def with_header(text, data):
    return struct.pack("<Q", len(text)) + text + data
