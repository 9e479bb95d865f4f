"""What the decoders of this folder share: the planes of a Quern folder by name, and their command line."""

import json
import pathlib
import struct
import sys


def read_file(path):
    """Name -> bytes of every tensor of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    return {name: data[start + t["data_offsets"][0]:start + t["data_offsets"][1]] for name, t in header.items() if name != "__metadata__"}


def read_tensors(folder):
    """The same of model.safetensors."""
    return read_file(pathlib.Path(folder) / "model.safetensors")


def coded_tensors(tensors, codecs, plane):
    """Name -> number format, of those in a format whose name begins with one of `codecs`, by a plane that all of them have."""
    parts = (name.rsplit(".", 2) for name in tensors)
    return {p[0]: p[1] for p in parts if len(p) == 3 and p[1].startswith(codecs) and p[2] == plane}


def shape_of(tensors, name, codec):
    shape = tensors[f"{name}.{codec}.shape"]
    return struct.unpack(f"<{len(shape) // 8}q", shape)


def run(decoder):
    """The program of a module with coded_tensors(tensors) and decode(tensors, name, codec), which gives an array('f')."""
    arguments = sys.argv[1:]
    if len(arguments) not in (1, 3):
        sys.exit(decoder.__doc__)
    tensors = read_tensors(arguments[0])
    codecs = decoder.coded_tensors(tensors)
    if len(arguments) == 1:
        for name, codec in codecs.items():
            print(name, codec, *shape_of(tensors, name, codec))
        return
    weights = decoder.decode(tensors, arguments[1], codecs[arguments[1]])
    if sys.byteorder == "big":
        weights.byteswap()
    pathlib.Path(arguments[2]).write_bytes(weights.tobytes())
