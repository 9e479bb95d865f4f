"""Changes to a file as a row of bytes."""

import struct

# Where programs go wrong: around 0 and around the limits of the types that sizes are read into.
NUMBERS = [0, 1, 2, 7, 8, 16, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65535, 65536, 10**6, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
           2**40, 2**53, 2**53 + 1, 2**62, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1]
# Most fields that matter stand at the beginning.
HEAD = 4096


def place(draw, raw):
    return draw.randrange(min(len(raw), HEAD) if draw.random() < 0.6 else len(raw)) if raw else 0


def flip_bits(draw, raw):
    fresh = bytearray(raw)
    for _ in range(draw.choice([1, 1, 2, 8])):
        if fresh:
            fresh[place(draw, fresh)] ^= 1 << draw.randrange(8)
    return bytes(fresh)


def overwrite(draw, raw):
    at, size = place(draw, raw), draw.choice([1, 2, 4, 16, 64])
    return raw[:at] + draw.randbytes(size) + raw[at + size:]


def number(draw, raw):
    code = draw.choice(["<B", "<H", "<I", "<Q", ">I", ">Q"])
    size, at = struct.calcsize(code), place(draw, raw)
    value = draw.choice(NUMBERS) & (256**size - 1)
    return raw[:at] + struct.pack(code, value) + raw[at + size:]


def insert(draw, raw):
    at = place(draw, raw)
    return raw[:at] + draw.choice([draw.randbytes(draw.choice([1, 2, 8, 100])), bytes(8), b"\xff" * 8, raw[at:at + 64]]) + raw[at:]


def delete(draw, raw):
    at = place(draw, raw)
    return raw[:at] + raw[at + draw.choice([1, 2, 4, 8, 64, 1000]):]


def cut(draw, raw):
    return raw[:draw.choice([place(draw, raw), len(raw) - min(len(raw), draw.randrange(1, 64)), len(raw) // 2, draw.randrange(17)])]


def splice(draw, raw):
    a, b = place(draw, raw), place(draw, raw)
    size = draw.choice([4, 16, 64, 256])
    return raw[:a] + raw[b:b + size] + raw[a + size:]


def extreme(draw, raw):
    return draw.choice([b"", b"\0", b"\n", raw[:1], raw + raw, raw + bytes(4096), bytes(len(raw)), b"\xff" * min(len(raw), 4096), b"{}", b"[]"])


MUTATIONS = [flip_bits, flip_bits, overwrite, number, number, insert, delete, cut, splice, extreme]


def change(draw, raw):
    return draw.choice(MUTATIONS)(draw, raw)
