#!/usr/bin/env python3
"""Writes testdata/format/zip, npz and pickles.json: what Python's zipfile and pickle and numpy write, which the readers
must read exactly.

Needs: numpy. Usage: make_archive_fixtures.py [FOLDER]
"""
import argparse
import collections
import json
import pathlib
import pickle
import sys
import zipfile

import numpy as np

WHEN = (2020, 1, 1, 0, 0, 0)


def ramp(count, start):
    """Bytes that tell entries and positions apart."""
    return bytes((start * 7 + i * 3) % 251 for i in range(count))


def add(archive, name, data, method, zip64=False):
    info = zipfile.ZipInfo(name, WHEN)
    info.compress_type = method
    with archive.open(info, "w", force_zip64=zip64) as entry:
        entry.write(data)


def mixed(path):
    """Stored and deflated entries, a folder, nothing, and a comment."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"a comment"
        archive.writestr(zipfile.ZipInfo("folder/", WHEN), b"")
        add(archive, "folder/stored", ramp(100, 1), zipfile.ZIP_STORED)
        add(archive, "folder/deflated", ramp(5000, 2), zipfile.ZIP_DEFLATED)
        add(archive, "empty", b"", zipfile.ZIP_STORED)
        add(archive, "caf\u00e9", b"name in UTF-8", zipfile.ZIP_STORED)


def large(path):
    """An entry of 3 MB, whose stream is kept at several positions: 4-byte counters below 4,096, over and over."""
    counters = b"".join((i % 4096).to_bytes(4, "little") for i in range(750_000))
    with zipfile.ZipFile(path, "w", compresslevel=9) as archive:
        add(archive, "counters", counters, zipfile.ZIP_DEFLATED)


class Unseekable:
    """A stream on which zipfile writes sizes behind the data and ZIP64 fields."""

    def __init__(self, path):
        self.file = open(path, "wb")

    def write(self, data):
        return self.file.write(data)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()


def zip64(path):
    """ZIP64 fields and end record, as for files beyond 4 GB, and sizes in descriptors behind the data."""
    stream = Unseekable(path)
    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 10
    with zipfile.ZipFile(stream, "w") as archive:
        add(archive, "a", ramp(100, 3), zipfile.ZIP_STORED, zip64=True)
        add(archive, "b", ramp(3000, 4), zipfile.ZIP_DEFLATED, zip64=True)
    zipfile.ZIP64_LIMIT = limit
    stream.close()


NPZ_TYPES = ["?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8"]


def arrays():
    """t_TYPE has shape [2, 3] and the bytes of ramp(size, its place in the table); a boolean 0 and 1 in turn."""
    found = {}
    for start, name in enumerate(NPZ_TYPES):
        dtype = np.dtype(name)
        data = bytes(i % 2 for i in range(6)) if name == "?" else ramp(6 * dtype.itemsize, start)
        found["t_" + dtype.name] = np.frombuffer(data, dtype).reshape(2, 3)
    counting = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found |= {"fortran": np.asfortranarray(counting), "big.float": counting.astype(">f4"),
              "big.fortran": np.asfortranarray(counting.astype(">i2")), "big.complex": np.array([1 + 2j], ">c8"),
              "scalar": np.float32(1.5), "empty": np.zeros((0, 4), np.float32)}
    return found


def npz(folder):
    folder.mkdir(exist_ok=True)
    left_out = {"text": np.array(["a", "bc"]), "record": np.zeros(2, [("x", "<f4"), ("y", "<i4")]),
                "object": np.array([{"a": 1}], dtype=object)}
    np.savez(folder / "all.npz", **arrays(), **left_out)
    np.savez_compressed(folder / "deflated.npz", **arrays())
    with zipfile.ZipFile(folder / "versions.npz", "w") as archive:
        add(archive, "README", b"no array", zipfile.ZIP_STORED)
        for major in (1, 2, 3):
            with archive.open(zipfile.ZipInfo(f"v{major}.npy", WHEN), "w") as entry:
                np.lib.format.write_array(entry, np.arange(3, dtype=np.int32), version=(major, 0))


def pickles(path):
    """The same object in every protocol, as hexadecimal digits."""
    once = ["once"]
    value = {"none": None, "bools": [True, False], "ints": (0, 255, 256, 65536, -1, 2**40, 2**70), "float": 1.5, "text": "caf\u00e9 \u20ac",
             "bytes": b"\xff\x00", "set": {7}, "nested": ({"a": []}, (), (1,), (1, 2)), "ordered": collections.OrderedDict(x=1),
             "object": argparse.Namespace(a=1), "shared": [once, once]}
    found = {str(protocol): pickle.dumps(value, protocol).hex() for protocol in range(pickle.HIGHEST_PROTOCOL + 1)}
    path.write_text(json.dumps(found, indent=1) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/format")
    (folder / "zip").mkdir(parents=True, exist_ok=True)
    mixed(folder / "zip" / "mixed.zip")
    large(folder / "zip" / "large.zip")
    zip64(folder / "zip" / "zip64.zip")
    npz(folder / "npz")
    pickles(folder / "pickles.json")


if __name__ == "__main__":
    main()
