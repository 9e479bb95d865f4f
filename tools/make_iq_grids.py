#!/usr/bin/env python3
"""Writes src/search/iq_grids.cpp: the grids of llama.cpp's IQ1, IQ2 and IQ3, constants of those formats, from the gguf package.

  python tools/make_iq_grids.py [--out src/search/iq_grids.cpp]      needs gguf and numpy

An entry is the places of its values in the grid's short list of values (iq_grids.h): 8 of 2 bits, or 4 of 4 bits."""
import argparse
import pathlib

import gguf.quants as quants
import numpy as np

GRIDS = {"kIq1Grid": quants.IQ1_S, "kIq2XxsGrid": quants.IQ2_XXS, "kIq2XsGrid": quants.IQ2_XS, "kIq2SGrid": quants.IQ2_S,
         "kIq3XxsGrid": quants.IQ3_XXS, "kIq3SGrid": quants.IQ3_S}
A_LINE = 14


def entries(kind):
    kind.init_grid()
    values = {value: place for place, value in enumerate(kind.grid_map)}
    bits = 16 // kind.grid_shape[1]
    grid = np.asarray(kind.grid).reshape(kind.grid_shape)
    return [sum(values[int(value)] << (bits * k) for k, value in enumerate(row)) for row in grid]


def table(name, kind):
    words = [f"0x{entry:04x}" for entry in entries(kind)]
    lines = [", ".join(words[at:at + A_LINE]) for at in range(0, len(words), A_LINE)]
    return f"const std::array<std::uint16_t, {len(words)}> {name} = {{\n    " + ",\n    ".join(lines) + "};\n"


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=root / "src" / "search" / "iq_grids.cpp")
    args = parser.parse_args()
    head = ("// Made by tools/make_iq_grids.py from the gguf package: iq1s_grid, iq2xxs_grid, iq2xs_grid, iq2s_grid, iq3xxs_grid and\n"
            "// iq3s_grid of llama.cpp's ggml-common.h.\n#include \"search/iq_grids.h\"\n\nnamespace quern {\n\n")
    args.out.write_text(head + "\n".join(table(name, kind) for name, kind in GRIDS.items()) + "\n}  // namespace quern\n")
