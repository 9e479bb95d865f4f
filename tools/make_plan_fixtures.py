#!/usr/bin/env python3
"""Makes testdata/plan/*.csv from the logs of llama.cpp's llama-quantize (testdata/plan/README.md).

Usage: tools/make_plan_fixtures.py FOLDER   (holds llama-7m-Q4_K_M-imatrix.log, llama-7m-Q4_K_M-none.log and the like)
"""
import collections
import pathlib
import re
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "testdata/plan"
MODELS = ("llama-3m", "llama-7m", "llama-30m", "mamba-8m", "mixtral-moe15m")
SCHEMES = ("Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_0 Q4_1 Q4_K_S Q4_K_M Q5_0 Q5_1 Q5_K_S Q5_K_M Q6_K Q8_0 IQ4_NL IQ4_XS TQ1_0 TQ2_0 "
           "MXFP4_MOE BF16 F16 F32").split()
TENSOR = re.compile(r"^\[ *\d+/ *\d+\] (\S+) +- \[([\d, ]+)\], type = +(\w+), size =[^\n]*?(?:\((\w+)\))?$", re.M)
REFUSED = re.compile(r"^(\w+) refused$", re.M)


def read_log(path):
    """{tensor: (shape outermost first, type in the source, chosen type)}"""
    text = path.read_text()
    refused = REFUSED.findall(text)
    tensors = {}
    for name, shape, source, chosen in TENSOR.findall(text):
        extents = [int(n) for n in shape.split(",")]
        while len(extents) > 1 and extents[-1] == 1:
            extents.pop()
        if any(part in name and name.endswith(".weight") for part in refused):
            chosen = "refused"
        tensors[name] = ("x".join(map(str, reversed(extents))), source, (chosen or source).lower())
    return tensors


def main(folder):
    types, shapes = ["model,scheme,statistics,tensor,type"], ["model,tensor,shape"]
    for model in MODELS:
        logs = {(s, i): read_log(folder / f"{model}-{s}-{i}.log") for s in SCHEMES for i in ("imatrix", "none")}
        first = logs["Q4_K_M", "imatrix"]
        shapes += [f"{model},{name},{shape}" for name, (shape, _, _) in first.items()]
        kept = {name for name in first if all(log[name][2] == "f32" for log in logs.values())}
        types += [f"{model},kept,any,{name},f32" for name in sorted(kept)]
        for scheme in SCHEMES:
            by_statistics = [{n: t for n, (_, _, t) in logs[scheme, i].items() if n not in kept} for i in ("imatrix", "none")]
            same = by_statistics[0] == by_statistics[1]
            for statistics, chosen in zip(["any"] if same else ["imatrix", "none"], by_statistics):
                most = collections.Counter(chosen.values()).most_common(1)[0][0]
                types.append(f"{model},{scheme.lower()},{statistics},*,{most}")
                types += [f"{model},{scheme.lower()},{statistics},{n},{t}" for n, t in sorted(chosen.items()) if t != most]
    (OUT / "llama_quantize_types.csv").write_text("\n".join(types) + "\n")
    (OUT / "tensor_shapes.csv").write_text("\n".join(shapes) + "\n")


main(pathlib.Path(sys.argv[1]))
