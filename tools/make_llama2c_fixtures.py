#!/usr/bin/env python3
"""Writes testdata/format/llama2c: checkpoints in the three layouts of llama2.c's export.py, and what transformers calls the same weights.

  python tools/make_llama2c_fixtures.py [--out testdata/format/llama2c]      needs numpy and safetensors

After legacy_export, version1_export, version2_export and hf_export of karpathy/llama2.c, in numpy.
Files: v0.bin (tied head), v0-head.bin, v1.bin (own head), v1-tied.bin, v2.bin (own head, int8 in groups of 8)
       tied.safetensors, head.safetensors, v2.safetensors   the same weights, those of v2 as they are decoded"""
import argparse
import pathlib
import struct

import numpy as np
from safetensors.numpy import save_file

DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY, POSITIONS, GROUP = 16, 24, 2, 4, 2, 32, 20, 8
MAGIC = 0x616B3432
KV = DIM // HEADS * KV_HEADS
LAYERED = {"attention_norm": (DIM,), "wq": (DIM, DIM), "wk": (KV, DIM), "wv": (KV, DIM), "wo": (DIM, DIM), "ffn_norm": (DIM,),
           "w1": (HIDDEN, DIM), "w2": (DIM, HIDDEN), "w3": (HIDDEN, DIM)}
MATRICES = ["wq", "wk", "wv", "wo", "w1", "w2", "w3"]
NAMES = {"attention_norm": "input_layernorm", "wq": "self_attn.q_proj", "wk": "self_attn.k_proj", "wv": "self_attn.v_proj",
         "wo": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "w1": "mlp.gate_proj", "w2": "mlp.down_proj",
         "w3": "mlp.up_proj"}


def make_weights():
    rng = np.random.default_rng(2)
    draw = lambda shape: (0.1 * rng.standard_normal(shape) + (len(shape) == 1)).astype(np.float32)
    weights = {"tok": draw((VOCABULARY, DIM)), "norm": draw((DIM,)), "output": draw((VOCABULARY, DIM))}
    weights.update({name: [draw(shape) for _ in range(LAYERS)] for name, shape in LAYERED.items()})
    return weights


def numbers(vocabulary):
    return struct.pack("iiiiiii", DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, vocabulary, POSITIONS)


def floats(*tensors):
    return b"".join(np.ascontiguousarray(t, np.float32).tobytes() for t in tensors)


def version0(w, shared):
    table = np.arange(POSITIONS * (DIM // HEADS) // 2, dtype=np.float32)
    layers = [floats(*w[name]) for name in ("attention_norm", "wq", "wk", "wv", "wo", "ffn_norm", "w1", "w2", "w3")]
    return (numbers(VOCABULARY if shared else -VOCABULARY) + floats(w["tok"]) + b"".join(layers) + floats(w["norm"], table, table) +
            (b"" if shared else floats(w["output"])))


def header(version, shared, group=None):
    head = struct.pack("<Ii", MAGIC, version) + numbers(VOCABULARY) + struct.pack("B", int(shared))
    if group is not None:
        head += struct.pack("<i", group)
    return head.ljust(256, b"\0")


def version1(w, shared):
    data = floats(*w["attention_norm"], *w["ffn_norm"], w["norm"], w["tok"])
    data += b"".join(floats(*w[name]) for name in MATRICES)
    return header(1, shared) + data + (b"" if shared else floats(w["output"]))


def quantize(w):
    groups = w.reshape(-1, GROUP)
    scale = (np.abs(groups).max(axis=1) / np.float32(127)).astype(np.float32)
    codes = np.round(groups / scale[:, None]).astype(np.int8)
    return codes, scale, (codes.astype(np.float32) * scale[:, None]).reshape(w.shape)


def version2(w, shared):
    data = floats(*w["attention_norm"], *w["ffn_norm"], w["norm"])
    for tensor in [w["tok"]] + [t for name in MATRICES for t in w[name]] + ([] if shared else [w["output"]]):
        codes, scale, _ = quantize(tensor)
        data += codes.tobytes() + scale.tobytes()
    return header(2, shared, GROUP) + data


def permuted(w, heads):
    """permute_original of hf_export."""
    rows, cols = w.shape
    return np.ascontiguousarray(w.reshape(heads, rows // heads // 2, 2, cols).transpose(0, 2, 1, 3).reshape(rows, cols))


def for_transformers(w, shared, decode=lambda t: t):
    out = {"model.embed_tokens.weight": decode(w["tok"]), "model.norm.weight": w["norm"]}
    if not shared:
        out["lm_head.weight"] = decode(w["output"])
    for name, theirs in NAMES.items():
        for layer, tensor in enumerate(w[name]):
            tensor = decode(tensor) if tensor.ndim == 2 else tensor
            if name in ("wq", "wk"):
                tensor = permuted(tensor, HEADS if name == "wq" else KV_HEADS)
            out[f"model.layers.{layer}.{theirs}.weight"] = tensor
    return out


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=root / "testdata" / "format" / "llama2c")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    weights = make_weights()
    for name, data in {"v0": version0(weights, True), "v0-head": version0(weights, False), "v1": version1(weights, False),
                       "v1-tied": version1(weights, True), "v2": version2(weights, False)}.items():
        (out / f"{name}.bin").write_bytes(data)
    save_file(for_transformers(weights, True), out / "tied.safetensors")
    save_file(for_transformers(weights, False), out / "head.safetensors")
    save_file(for_transformers(weights, False, lambda t: quantize(t)[2]), out / "v2.safetensors")
