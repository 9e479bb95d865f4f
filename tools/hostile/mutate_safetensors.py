"""Changes to a safetensors file: its length field, its header as JSON, the offsets and shapes in it, values that are no numbers."""

import json
import struct

import mutate_json
import safetensors_file
from mutate_bytes import NUMBERS

DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "f32", "", "X" * 100]


def length(draw, raw, layout):
    return struct.pack("<Q", draw.choice([*NUMBERS, layout.data - 8 + 1, layout.data - 9, len(raw), len(raw) - 8])) + raw[8:]


def header_as_json(draw, raw, layout):
    return safetensors_file.with_header(mutate_json.change(draw, raw[8:layout.data]), raw[layout.data:])


def entry(draw, raw, layout):
    """One field of one tensor."""
    header = json.loads(raw[8:layout.data])
    name = draw.choice(list(layout.spans))
    fields = header[name]
    kind = draw.choice(["dtype", "shape", "begin", "end", "both", "name", "again"])
    if kind == "dtype":
        fields["dtype"] = draw.choice(DTYPES)
    elif kind == "shape":
        fields["shape"] = draw.choice([[], [0], [1] * 70, [2**32, 2**32], [2**63], [-1], fields["shape"][::-1], [1, *fields["shape"]],
                                       fields["shape"] + [1], [draw.choice(NUMBERS)], [0, 2**62], [2**62, 0, 4]])
    elif kind in ("begin", "end"):
        fields["data_offsets"][kind == "end"] = draw.choice([*NUMBERS, fields["data_offsets"][0] + 1, fields["data_offsets"][1] - 4])
    elif kind == "both":
        other = header[draw.choice(list(layout.spans))]
        fields["data_offsets"], other["data_offsets"] = other["data_offsets"], fields["data_offsets"]
    elif kind == "name":
        header[draw.choice(mutate_json.UNQUIET)] = header.pop(name)
    else:
        header[name + "_"] = fields
    return safetensors_file.with_header(mutate_json.written(header), raw[layout.data:])


def padding(draw, raw, layout):
    text = raw[8:layout.data] + draw.choice([b" " * 4096, b"\0" * 8, b"\n", b"}", b" x", b" " * (1 << 20)])
    return safetensors_file.with_header(text, raw[layout.data:])


def not_finite(draw, raw, layout):
    fresh = bytearray(raw)
    for _ in range(draw.choice([1, 100])):
        begin, end = layout.spans[draw.choice(list(layout.spans))]
        at = begin + 4 * draw.randrange(max(1, (end - begin) // 4))
        fresh[at:at + 4] = draw.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff", b"\xff\xff\x7f\x7f", b"\x01\0\0\0"])
    return bytes(fresh[:len(raw)])


MUTATIONS = [length, header_as_json, header_as_json, header_as_json, entry, entry, entry, entry, padding, not_finite]


def change(draw, raw):
    return draw.choice(MUTATIONS)(draw, raw, safetensors_file.Layout(raw))
