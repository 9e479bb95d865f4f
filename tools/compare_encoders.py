#!/usr/bin/env python3
"""Compares the block encoders with llama.cpp's: a markdown table of weighted squared errors and of speeds.

  python tools/compare_encoders.py build/release/bin/quern_codec_test [--rows 128] [--cols 1024]

Weights, importance and llama.cpp's bytes go to a temporary folder; the test program's EncoderComparison encodes the same
weights, decodes both and prints the table. One thread each. Needs what tools/make_codec_fixtures.py needs."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

from make_codec_fixtures import NEEDS_IMPORTANCE, TYPES, column_importance, load_peer, sources


def write_cases(folder, args):
    peer = load_peer(args.shared)
    importance = column_importance(args.cols)
    importance.tofile(folder / "importance.f32")
    lines = ["type,source,importance,rows,cols,seconds"]
    for source, weights in sources(args.shared, args.rows, args.cols).items():
        weights.tofile(folder / f"{source}.f32")
        for name, ggml_type in TYPES.items():
            for label, columns in (("none", None), ("lognormal", importance)):
                given = np.ones(args.cols, np.float32) if columns is None and name in NEEDS_IMPORTANCE else columns
                peer.encode(weights[:1], ggml_type, given)
                start = time.perf_counter()
                blocks = peer.encode(weights, ggml_type, given)
                seconds = time.perf_counter() - start
                blocks.tofile(folder / f"{name}.{source}.{label}.blocks")
                lines.append(f"{name},{source},{label},{weights.shape[0]},{weights.shape[1]},{seconds:.6g}")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="quern_codec_test")
    parser.add_argument("--shared", default=root.parent / "shared")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--cols", type=int, default=1024)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_cases(pathlib.Path(name), args)
        run = subprocess.run([args.program, "--gtest_filter=EncoderComparison.*"], text=True, stdout=subprocess.PIPE,
                             env={**os.environ, "QUERN_COMPARE_DIR": name})
    if run.returncode:
        sys.exit(run.stdout)
    print("\n".join(line for line in run.stdout.splitlines() if line.startswith("|")))
