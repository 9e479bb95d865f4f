"""Changes to a text: bytes that are no UTF-8, lines without end, marks and controls, tables whose columns are off."""

from mutate_json import UNQUIET

PIECES = [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\0", b"\r", b"\r\n", b"\xc2\x85", b"\xe2\x80\xa8", b"\t", b" " * 500, b"\n" * 500,
          b"a" * 20000, "\U0001f468\u200d\U0001f469\u200d\U0001f467".encode() * 50, "e\u0301".encode() * 2000, b"<s>", b"</s>", b"<unk>", b"<0x00>", b"=", b"99999999999999999999 "]


def change(draw, raw):
    lines = raw.split(b"\n")
    k = draw.randrange(len(lines))
    kind = draw.randrange(7)
    if kind == 0:
        at = draw.randrange(len(raw) + 1)
        return raw[:at] + draw.choice([*PIECES, draw.choice(UNQUIET).encode()]) + raw[at:]
    if kind == 1:
        return b"\n".join(lines[:k] + lines[k + 1:])
    if kind == 2:
        return b"\n".join(lines[:k] + [lines[k]] * draw.choice([2, 300]) + lines[k + 1:])
    if kind == 3:
        return b"\n".join(lines[:k] + [draw.choice(PIECES)] + lines[k + 1:])
    if kind == 4:
        return raw.decode("utf-8", "replace").encode(draw.choice(["utf-16", "utf-32", "utf-8-sig"]))
    if kind == 5:
        return raw[:draw.randrange(len(raw) + 1)]
    draw.shuffle(lines)
    return b"\n".join(lines)
