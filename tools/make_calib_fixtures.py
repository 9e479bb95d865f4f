#!/usr/bin/env python3
"""Writes testdata/calib/llama-7m-imatrix8.dat: the statistics of llama-7m-imatrix8.gguf in llama.cpp's older form.

  python3 tools/make_calib_fixtures.py [--out testdata/calib]

After save_imatrix_legacy of llama.cpp's tools/imatrix/imatrix.cpp, by the standard library alone: int32 entries; each int32
length, name, int32 calls, int32 values, float32 [values], which are the mean of x^2 times calls; int32 chunks; int32
length, name of the text."""
import argparse
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/cli"))
from gguf_layout import Layout  # noqa: E402

SUMS, COUNTS = ".in_sum2", ".counts"


def floats(raw):
    return struct.unpack(f"<{len(raw) // 4}f", raw[:len(raw) // 4 * 4])


def legacy_bytes(matrix):
    chunk = matrix.metadata["imatrix.chunk_size"]
    names = sorted(name.removesuffix(SUMS) for name in matrix.tensors if name.endswith(SUMS))
    out = struct.pack("<i", len(names))
    for name in names:
        sums, count = floats(matrix.tensors[name + SUMS][1]), floats(matrix.tensors[name + COUNTS][1])[0]
        calls = round(count / chunk)
        encoded = name.encode()
        out += struct.pack("<i", len(encoded)) + encoded + struct.pack("<ii", calls, len(sums))
        out += struct.pack(f"<{len(sums)}f", *(value / count * calls for value in sums))
    text = pathlib.PurePosixPath(matrix.metadata["imatrix.datasets"][0]).name.encode()
    return out + struct.pack("<ii", matrix.metadata["imatrix.chunk_count"], len(text)) + text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "testdata/calib")
    out = parser.parse_args().out
    (out / "llama-7m-imatrix8.dat").write_bytes(legacy_bytes(Layout(ROOT / "testdata/calib/llama-7m-imatrix8.gguf")))


if __name__ == "__main__":
    main()
