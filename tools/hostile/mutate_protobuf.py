"""Changes to a message of protocol buffers (tokenizer.model): fields left out, doubled, and other numbers and lengths."""

import mutate_bytes


def varint(raw, at):
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def encoded(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def fields(raw):
    """[(begin, begin of the payload, end, wire type)] of the outermost message."""
    found, at = [], 0
    while at < len(raw):
        begin = at
        tag, at = varint(raw, at)
        kind = tag & 7
        payload = at
        if kind == 0:
            _, at = varint(raw, at)
        elif kind == 2:
            size, payload = varint(raw, at)
            at = payload + size
        else:
            at += {1: 8, 5: 4}[kind]
        found.append((begin, payload, at, kind))
    return found


def change(draw, raw, depth=1):
    """A field of the message, or of a message in it."""
    begin, payload, end, kind = draw.choice(fields(raw))
    tag, _ = varint(raw, begin)
    what = draw.choice(["absent", "twice", "inside", "inside", "number", "tag", "length"])
    if what == "absent":
        return raw[:begin] + raw[end:]
    if what == "twice":
        return raw[:end] + raw[begin:end] * draw.choice([1, 1, 300]) + raw[end:]
    if what == "tag":
        return raw[:begin] + encoded(draw.choice([0, 7, tag ^ 1, tag + 8, draw.randrange(1 << 20)])) + raw[payload:]
    if what == "length" and kind == 2:
        return raw[:begin] + encoded(tag) + encoded(draw.choice(mutate_bytes.NUMBERS)) + raw[payload:]
    if kind == 2:
        inside = raw[payload:end]
        try:
            fresh = change(draw, inside, depth - 1) if depth and inside else mutate_bytes.change(draw, inside)
        except (IndexError, KeyError):
            fresh = mutate_bytes.change(draw, inside)
        return raw[:begin] + encoded(tag) + encoded(len(fresh)) + fresh + raw[end:]
    if kind == 0:
        return raw[:begin] + encoded(tag) + encoded(draw.choice(mutate_bytes.NUMBERS)) + raw[end:]
    return raw[:payload] + draw.randbytes(end - payload) + raw[end:]
