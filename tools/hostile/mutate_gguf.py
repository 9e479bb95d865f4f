"""Changes to a GGUF file field by field: counts, lengths, types, names, values, offsets."""

import struct

import gguf_file
from mutate_bytes import NUMBERS
from mutate_json import UNQUIET

SIZES = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}


def put(raw, begin, end, value):
    return raw[:begin] + struct.pack(SIZES[end - begin], value & (256**(end - begin) - 1)) + raw[end:]


def number(draw, raw, layout):
    kind = draw.choice(["count", "length", "type", "scalar", "dimension", "offset", "version"])
    fields = [field for field in layout.fields if field[0] == kind and field[2] - field[1] in SIZES]
    if not fields:
        return raw[:8] + draw.randbytes(16) + raw[24:]
    _, begin, end = draw.choice(fields)
    old = int.from_bytes(raw[begin:end], "little")
    return put(raw, begin, end, draw.choice([*NUMBERS, old + 1, old - 1, old * 2, old ^ 0x80, old << 32, draw.randrange(45)]))


def text(draw, raw, layout):
    """A key, a name or a value that reads otherwise, its length put right."""
    places = [k for k, field in enumerate(layout.fields) if field[0] == "text" and layout.fields[k - 1][0] == "length"]
    _, begin, end = layout.fields[draw.choice(places[:200] if draw.random() < 0.6 else places)]
    old = raw[begin:end]
    new = draw.choice([old + b"x", old[:-1], b"", b"\xff\xfe", b"\xc3", b"\0" * 4, old.upper(), old * 50, draw.choice(UNQUIET).encode(), draw.randbytes(9)])
    return raw[:begin - 8] + struct.pack("<Q", len(new)) + new + raw[end:]


def exchanged_names(draw, raw, layout):
    """Two fields of equal size change places: types, offsets, dimensions, lengths."""
    kind = draw.choice(["type", "offset", "dimension", "length"])
    fields = [field for field in layout.fields if field[0] == kind]
    (_, a, a_end), (_, b, b_end) = sorted(draw.choices(fields, k=2), key=lambda field: field[1])
    if a == b or a_end - a != b_end - b:
        return number(draw, raw, layout)
    return raw[:a] + raw[b:b_end] + raw[a_end:b] + raw[a:a_end] + raw[b_end:]


def pair(draw, raw, layout):
    """A pair of the metadata left out, or there twice, the count put right."""
    key = draw.choice(list(layout.metadata))
    _, value, end = layout.metadata[key]
    begin = value - 4 - len(key.encode()) - 8
    pairs = struct.unpack_from("<Q", raw, 16)[0]
    if draw.random() < 0.6:
        return raw[:16] + struct.pack("<Q", pairs - 1) + raw[24:begin] + raw[end:]
    return raw[:16] + struct.pack("<Q", pairs + 1) + raw[24:end] + raw[begin:]


def nested_array(draw, raw, layout):
    """In place of a value: arrays in arrays, or an array of as many items as a number can say."""
    key = draw.choice(list(layout.metadata))
    _, value, end = layout.metadata[key]
    array = draw.choice([struct.pack("<IQ", 9, 1) * draw.choice([3, 100, 5000]) + struct.pack("<IQB", 0, 1, 1),
                         struct.pack("<IQ", 8, draw.choice(NUMBERS)), struct.pack("<IQ", draw.choice([0, 4, 9, 10, 12, 13, 255]), draw.choice(NUMBERS))])
    return raw[:value - 4] + struct.pack("<I", 9) + array + raw[end:]


def tensor_bytes(draw, raw, layout):
    name = draw.choice(list(layout.spans))
    begin, end = layout.spans[name]
    return raw[:begin] + draw.choice([b"\xff", b"\0", b"\x7f", b"\x7c"]) * (end - begin) + raw[end:]


MUTATIONS = [number, number, number, number, text, text, exchanged_names, pair, pair, nested_array, tensor_bytes]


def change(draw, raw):
    return draw.choice(MUTATIONS)(draw, raw, gguf_file.Layout(raw))
