"""Damages packages, and makes their manifests agree with that; what lies where is read from the specifications of the
containers, and not by Quern."""

import hashlib
import json
import pathlib
import struct

from gguf_layout import Layout

SEAL, ZEROS = "manifest_sha256", "0" * 64


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def safetensors_tensors(path):
    raw = path.read_bytes()
    size, = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    return {name: [8 + size + at for at in row["data_offsets"]] for name, row in header.items()}


def gguf_tensors(path):
    """Ends are those of the padding."""
    layout, begin, places = Layout(path), None, {}
    begin = layout.data
    for name, (_, data) in layout.tensors.items():
        places[name] = [begin, begin + len(data)]
        begin += len(data)
    return places


def tensors(path):
    """Name -> where its bytes begin and end."""
    return gguf_tensors(path) if path.suffix == ".gguf" else safetensors_tensors(path)


def tensor_at(path, position):
    """None: in the header."""
    return next((name for name, (begin, end) in tensors(path).items() if begin <= position < end), None)


def write_manifest(package, manifest, seal=True):
    """As docs/stability.md has it: the hash of the file, with zeros in its place."""
    text = json.dumps(manifest | ({SEAL: ZEROS} if seal else {}), indent=1) + "\n"
    if seal:
        text = text.replace(ZEROS, sha256(text.encode()))
    (package / "manifest.json").write_text(text)


def make_manifest_agree(package, name):
    """The hashes of a file that was changed, of its parts, and of the manifest."""
    manifest, raw = json.loads((package / "manifest.json").read_text()), (package / name).read_bytes()
    for file in manifest["files"]:
        if file["name"] == name:
            file["sha256"], file["bytes"] = sha256(raw), len(raw)
    for parts in manifest["tensor_hashes"]:
        if parts["file"] == name:
            parts["header_sha256"] = sha256(raw[:parts["header_bytes"]])
            for tensor in parts["tensors"]:
                tensor["sha256"] = sha256(raw[tensor["offset"]:tensor["offset"] + tensor["bytes"]])
    write_manifest(package, manifest)


def flip(path, position, bit):
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1 << bit
    path.write_bytes(raw)


def leaves(value, path=()):
    """Paths to all numbers, texts, booleans and nulls of a JSON value."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, inner in enumerate(value) for leaf in leaves(inner, (*path, i))]
    return [path]


def edited(leaf):
    """Another value of its kind."""
    if isinstance(leaf, bool) or leaf is None:
        return not leaf
    if isinstance(leaf, (int, float)):
        return leaf + 1
    return ("b" if leaf.startswith("a") else "a") + leaf[1:]


def set_leaf(value, path, leaf):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = leaf


def get_leaf(value, path):
    for key in path:
        value = value[key]
    return value


def weights_of(package):
    return next(p for p in sorted(pathlib.Path(package).iterdir()) if p.suffix in (".gguf", ".safetensors"))
