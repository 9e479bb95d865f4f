"""Changes inside archives, written anew so that their checksums hold: pickles opcode by opcode, headers of NumPy arrays, names of members."""

import io
import pickletools
import warnings
import zipfile

import mutate_bytes
from mutate_json import UNQUIET

SPITEFUL = [b"cos\nsystem\n(S'true'\ntR", b"cbuiltins\neval\n(X\x01\0\0\x001tR", b"(" * 5000, b"]" * 3 + b"a" * 3, b"\x8a\xff\xff", b"\x8b\xff\xff\xff\x7f",
            b"X\xff\xff\xff\xff", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x94" * 1000, b"j\xff\xff\xff\x7f", b"h\xff", b"2" * 3000, b"}}s", b"Q", b"\x81", b"R", b"b",
            b"K\x01K\x01K\x01\x87", b"G\x7f\xf0\0\0\0\0\0\0", b"I99999999999999999999999999\n", b"S'\\x1b[2J'\n", b"V\\u202e\n", b"."]


def operations(raw):
    """[(begin, end)] of the opcodes of the first pickle in it, and where that ends."""
    begins = [position for _, _, position in pickletools.genops(raw)]
    return list(zip(begins, begins[1:] + [begins[-1] + 1])), begins[-1] + 1


def pickle(draw, raw):
    try:
        ops, _ = operations(raw)
    except Exception:  # a pickle that the standard library cannot take apart either
        return mutate_bytes.change(draw, raw)
    a, b = (draw.choice(ops) for _ in range(2))
    (a, a_end), (b, b_end) = sorted([a, b])
    kind = draw.randrange(6)
    if kind == 0:
        return raw[:a] + raw[a_end:]
    if kind == 1:
        return raw[:a] + raw[a:a_end] * draw.choice([2, 3, 1000]) + raw[a_end:]
    if kind == 2 and a != b:
        return raw[:a] + raw[b:b_end] + raw[a_end:b] + raw[a:a_end] + raw[b_end:]
    if kind == 3:
        return raw[:a] + draw.choice(SPITEFUL) + raw[a:]
    if kind == 4:
        return raw[:a] + draw.choice(SPITEFUL) + raw[a_end:]
    return raw[:a + 1] + mutate_bytes.change(draw, raw[a + 1:a_end] or b"\0") + raw[a_end:]


def array_header(draw, raw):
    """Of a .npy file: its dictionary, the length put right or not."""
    size = int.from_bytes(raw[8:10], "little")
    text = raw[10:10 + size]
    old, new = draw.choice([(b"'<f4'", b"'|O'"), (b"'<f4'", b"'<f9'"), (b"'<", b"'>"), (b"False", b"True"), (b"(", b"(99999999999999999999,"), (b"(", b"(-1,"),
                            (b"shape", b"shapes"), (b"descr", b"\x1b[31m"), (b"}", b""), (b"{", b"{" * 500), (b"(", b"(0,"), (b"'descr'", b"__import__('os')")])
    text = text.replace(old, new, 1)
    return raw[:8] + draw.choice([len(text), size, 0, 65535]).to_bytes(2, "little") + text + raw[10 + size:]


def member(draw, name, raw):
    if name.endswith(".pkl"):
        return pickle(draw, raw)
    if raw.startswith(b"\x93NUMPY"):
        return draw.choice([array_header, array_header, mutate_bytes.change])(draw, raw)
    return mutate_bytes.change(draw, raw)


def change(draw, raw):
    """One member changed, renamed, left out or doubled."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    k = draw.choice([i for i, (name, _) in enumerate(members) if name.endswith((".pkl", ".npy"))] or [0]) if draw.random() < 0.8 else draw.randrange(len(members))
    name, data = members[k]
    kind = draw.choice(["data"] * 7 + ["name", "absent", "twice"])
    if kind == "data":
        members[k] = (name, member(draw, name, data))
    elif kind == "name":
        members[k] = (draw.choice(["../" + name, "/" + name, name.upper(), name + "x", "a/" * 200 + name, *UNQUIET[:5]]), data)
    elif kind == "absent":
        members.pop(k)
    else:
        members.append((name, mutate_bytes.change(draw, data)))
    made = io.BytesIO()
    method = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(made, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice is what is wanted
        for name, data in members:
            info = zipfile.ZipInfo(name.replace("\0", "_") or "_")  # a ZipInfo holds no NUL
            info.compress_type = method
            archive.writestr(info, data)
    return made.getvalue()
