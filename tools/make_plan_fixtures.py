#!/usr/bin/env python3
"""Makes testdata/plan/llama_quantize_types.csv from the logs of llama.cpp's llama-quantize (testdata/plan/README.md).

Usage: tools/make_plan_fixtures.py FOLDER   (holds llama-7m-Q4_K_M.log and the like)
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Messages of other threads may stand between a tensor and its type.
TENSOR = re.compile(r"^\[ *\d+/ *\d+\] (\S+) .*?type = +\w+, (?=(.*?)(?=^\[ *\d+/|\Z))", re.M | re.S)
TYPE = re.compile(r"converting to (\w+)")

lines = ["model,scheme,tensor,type"]
for model in ("llama-7m", "llama-30m"):
    for scheme in ("Q4_K_M", "Q5_K_M"):
        log = (pathlib.Path(sys.argv[1]) / f"{model}-{scheme}.log").read_text()
        for tensor, rest in TENSOR.findall(log):
            if found := TYPE.search(rest):
                lines.append(f"{model},{scheme.lower()},{tensor},{found[1].lower()}")
(ROOT / "testdata/plan/llama_quantize_types.csv").write_text("\n".join(lines) + "\n")
