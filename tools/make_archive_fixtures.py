#!/usr/bin/env python3
"""Writes testdata/format/zip: archives as Python's zipfile writes them, which the reader must read exactly.

Usage: make_archive_fixtures.py [FOLDER]
"""
import pathlib
import sys
import zipfile

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


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/format")
    (folder / "zip").mkdir(parents=True, exist_ok=True)
    mixed(folder / "zip" / "mixed.zip")
    large(folder / "zip" / "large.zip")
    zip64(folder / "zip" / "zip64.zip")


if __name__ == "__main__":
    main()
