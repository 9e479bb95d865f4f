#!/usr/bin/env python3
"""Makes testdata/codec: golden decodings by the gguf package, 16-bit roundings by torch, and llama.cpp's encoder errors.

  python tools/make_codec_fixtures.py [--shared ../shared] [--out testdata/codec]

Needs numpy, gguf, torch, safetensors, bitsandbytes, and llama_peer.py of the shared folder with the xllamacpp package (llama.cpp itself).
Files: TYPE.blocks, TYPE.f32      blocks of every kind of bit pattern, and what gguf.quants.dequantize makes of them
       scalars.f32, .f16, .bf16   floats and their roundings
       SOURCE.f16                 8 rows of 512 weights; importance.f32: one value a column
       llama_cpp_errors.csv       sum of importance * (weight - decoded)^2 of llama.cpp's encoder, by type and source"""
import argparse
import ctypes
import pathlib
import sys

import gguf
import numpy as np
import torch
from safetensors import safe_open

TYPES = {"q8_0": 8, "q4_k": 12, "q5_k": 13, "q6_k": 14,  # ggml's numbers
         "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q2_k": 10, "q3_k": 11,
         "iq4_nl": 20, "iq4_xs": 23, "tq1_0": 34, "tq2_0": 35, "mxfp4": 39, "nvfp4": 40,
         "iq1_s": 19, "iq1_m": 29, "iq2_xxs": 16, "iq2_xs": 17, "iq2_s": 22, "iq3_xxs": 18, "iq3_s": 21}
NEEDS_IMPORTANCE = {"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s"}  # llama.cpp's encoders; ones are given for none
ROWS, COLS = 8, 512
REAL = {"llama-30m": "model.layers.1.self_attn.q_proj.weight", "llama-7m": "model.layers.1.mlp.down_proj.weight"}
SCALE_OFFSETS = {"q8_0": [0], "q4_k": [0, 2], "q5_k": [0, 2], "q6_k": [208],  # of the binary16 fields of a block
                 "q4_0": [0], "q4_1": [0, 2], "q5_0": [0], "q5_1": [0, 2], "q2_k": [80, 82], "q3_k": [108],
                 "iq4_nl": [0], "iq4_xs": [0], "tq1_0": [52], "tq2_0": [64], "mxfp4": [], "nvfp4": [], "iq1_m": [], "q1_0": [0], "q2_0": [0],
                 "iq1_s": [0], "iq2_xxs": [0], "iq2_xs": [0], "iq2_s": [0], "iq3_xxs": [0], "iq3_s": [0]}
BY_LLAMA_CPP = {"q1_0": (18, 128), "q2_0": (18, 64)}  # bytes and weights of a block; the gguf package cannot decode these
EXPONENT_OFFSETS = {"mxfp4": 0}  # of a scale that is a power of two (E8M0)
EXPONENTS = [0, 1, 2, 3, 126, 127, 128, 129, 252, 253, 254, 255]
HALVES = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0x3C00, 0x1234]


def sources(shared, rows, cols):
    """Weights by name, float32 [rows, cols] whose values binary16 holds exactly."""
    rng = np.random.default_rng(20)
    found = {"gaussian": rng.standard_normal((rows, cols)), "student-5": rng.standard_t(5, (rows, cols)),
             "student-3": rng.standard_t(3, (rows, cols))}
    found = {name: 0.02 * w for name, w in found.items()}
    for model, tensor in REAL.items():
        with safe_open(pathlib.Path(shared) / "reference" / model / "model.safetensors", "pt") as file:
            flat = file.get_tensor(tensor).float().numpy().ravel()
        count = min(rows * cols, flat.size // cols * cols)
        found[model] = flat[:count].reshape(-1, cols)
    return {name: w.astype(np.float16).astype(np.float32) for name, w in found.items()}


def column_importance(cols):
    """Log-normal, as the second moments of activations are spread."""
    return np.random.default_rng(21).lognormal(0.0, 1.0, cols).astype(np.float32)


def dequantize(blocks, ggml_type, shape):
    return gguf.quants.dequantize(blocks.reshape(shape[0], -1), gguf.GGMLQuantizationType(ggml_type)).reshape(shape)


def weighted_error(weights, decoded, importance):
    squares = (weights.astype(np.float64) - decoded.astype(np.float64)) ** 2
    return float((squares * (1.0 if importance is None else importance.astype(np.float64))).sum())


def block_bytes(ggml_type):
    return gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(ggml_type)][1]


def adversarial_blocks(name, size):
    rng = np.random.default_rng(22)
    blocks = [np.full(size, byte, np.uint8) for byte in (0x00, 0xFF, 0x80, 0x7F, 0x55)]
    for half, exponent in zip(HALVES, EXPONENTS):
        block = rng.integers(0, 256, size, dtype=np.uint8)
        for offset in SCALE_OFFSETS[name]:
            block[offset:offset + 2] = np.array([half], np.uint16).view(np.uint8)
        if name in EXPONENT_OFFSETS:
            block[EXPONENT_OFFSETS[name]] = exponent
        blocks.append(block)
    blocks += [rng.integers(0, 256, size, dtype=np.uint8) for _ in range(15)]
    return np.stack(blocks)


def write_goldens(out):
    for name, ggml_type in TYPES.items():
        blocks = adversarial_blocks(name, block_bytes(ggml_type))
        with np.errstate(all="ignore"):
            decoded = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType(ggml_type))
        blocks.tofile(out / f"{name}.blocks")
        decoded.astype(np.float32).tofile(out / f"{name}.f32")
    rng = np.random.default_rng(23)
    bits = rng.integers(0, 2**32, 300, dtype=np.uint32)
    near = (rng.standard_normal(180) * 2.0 ** rng.integers(-28, 18, 180)).astype(np.float32).view(np.uint32)
    edge = np.array([0, 1 << 31, 1, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x477FE000, 0x477FF000, 0x477FEFFF, 0x33000000,
                     0x33000001, 0x3F808000, 0x3F818000, 0x3F808001, 0x38800000, 0x387FFFFF], np.uint32)
    values = np.concatenate([bits, near, edge]).view(np.float32)
    values = values[~np.isnan(values)]
    tensor = torch.from_numpy(values.copy())
    values.tofile(out / "scalars.f32")
    tensor.to(torch.float16).view(torch.int16).numpy().tofile(out / "scalars.f16")
    tensor.to(torch.bfloat16).view(torch.int16).numpy().tofile(out / "scalars.bf16")


def write_errors(out, shared, peer):
    importance = column_importance(COLS)
    importance.tofile(out / "importance.f32")
    lines = ["type,source,importance,error"]
    for source, weights in sources(shared, ROWS, COLS).items():
        weights.astype(np.float16).tofile(out / f"{source}.f16")
        for name, ggml_type in TYPES.items():
            for label, columns in (("none", None), ("lognormal", importance)):
                given = np.ones(COLS, np.float32) if columns is None and name in NEEDS_IMPORTANCE else columns
                decoded = dequantize(peer.encode(weights, ggml_type, given), ggml_type, weights.shape)
                lines.append(f"{name},{source},{label},{weighted_error(weights, decoded, columns):.9g}")
    (out / "llama_cpp_errors.csv").write_text("\n".join(lines) + "\n")


def write_nf4(out):
    """nf4.blocks: 32 bytes of codes and the binary32 scale of 48 blocks of 64, as bitsandbytes encodes the weights of
    nf4.weights (float32); nf4.f32: what it decodes. dynamic8.f32: its dynamic 8-bit numbers."""
    from bitsandbytes import functional
    generator = torch.Generator().manual_seed(6)
    weights = 0.02 * torch.randn(48, 64, generator=generator)
    weights[7] = 0
    weights[8, 3] = 5
    weights[9] = torch.linspace(-1, 1, 64)
    packed, state = functional.quantize_4bit(weights, blocksize=64, quant_type="nf4")
    blocks = np.concatenate([packed.numpy().reshape(48, 32), state.absmax.numpy().reshape(48, 1).view(np.uint8)], axis=1)
    blocks.tofile(out / "nf4.blocks")
    weights.numpy().tofile(out / "nf4.weights")
    functional.dequantize_4bit(packed, state).numpy().tofile(out / "nf4.f32")
    functional.create_dynamic_map().numpy().astype(np.float32).tofile(out / "dynamic8.f32")


def write_llama_cpp_goldens(out, peer):
    """What llama.cpp's dequantize_row_TYPE makes of blocks."""
    for name, (size, weights) in BY_LLAMA_CPP.items():
        blocks = adversarial_blocks(name, size)
        decoded = np.zeros(len(blocks) * weights, np.float32)
        function = getattr(peer.ggml(), f"dequantize_row_{name}")
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64], None
        function(blocks.ctypes.data, decoded.ctypes.data, decoded.size)
        blocks.tofile(out / f"{name}.blocks")
        decoded.tofile(out / f"{name}.f32")


def load_peer(shared):
    sys.path.insert(0, str(pathlib.Path(shared) / "peers"))
    import llama_peer
    return llama_peer


if __name__ == "__main__":
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=root.parent / "shared")
    parser.add_argument("--out", type=pathlib.Path, default=root / "testdata" / "codec")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write_goldens(args.out)
    write_nf4(args.out)
    peer = load_peer(args.shared)
    write_llama_cpp_goldens(args.out, peer)
    write_errors(args.out, args.shared, peer)
