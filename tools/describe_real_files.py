#!/usr/bin/env python3
"""Prints what safetensors, gguf and numpy find in files, for testdata/format/real_files.json: of each the number of tensors, and a hash
of their names, types, shapes and bytes in the order of the names, as describe_torch_files.py has it of PyTorch's.

Needs: numpy, safetensors, gguf. Usage: describe_real_files.py FOLDER FILE..., with FILE within FOLDER; a .bin is one of llama2.c in its first
layout, read as run.c does it and called as transformers calls it
"""
import hashlib
import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

from make_llama2c_fixtures import permuted

NAMES = {"float32": "f32", "float16": "f16", "float64": "f64", "int64": "i64", "int32": "i32", "int16": "i16", "int8": "i8",
         "uint8": "u8", "bool": "bool"}


def of_gguf(path):
    """Names to types, shapes with the rows first, and bytes."""
    return {tensor.name: (tensor.tensor_type.name.lower(), [int(n) for n in reversed(tensor.shape)], tensor.data.tobytes())
            for tensor in gguf.GGUFReader(path).tensors}


def of_numpy(arrays):
    return {name: (NAMES[str(array.dtype)], list(array.shape), np.ascontiguousarray(array).tobytes()) for name, array in arrays.items()}


def of_llama2c(path):
    data = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocabulary, _ = np.frombuffer(data, "<i4", 7)
    kv = dim // heads * kv_heads
    at = 28

    def take(*shape):
        nonlocal at
        array = np.frombuffer(data, "<f4", int(np.prod(shape)), at).reshape(shape)
        at += array.nbytes
        return array

    found = {"model.embed_tokens.weight": take(abs(vocabulary), dim)}
    for name, shape in (("input_layernorm", (dim,)), ("self_attn.q_proj", (dim, dim)), ("self_attn.k_proj", (kv, dim)),
                        ("self_attn.v_proj", (kv, dim)), ("self_attn.o_proj", (dim, dim)), ("post_attention_layernorm", (dim,)),
                        ("mlp.gate_proj", (hidden, dim)), ("mlp.down_proj", (dim, hidden)), ("mlp.up_proj", (hidden, dim))):
        for layer, array in enumerate(take(layers, *shape)):
            turned = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}.get(name)
            found[f"model.layers.{layer}.{name}.weight"] = permuted(array, turned) if turned else array
    found["model.norm.weight"] = take(dim)
    return of_numpy(found)


READERS = {".safetensors": lambda path: of_numpy(load_file(path)), ".npz": lambda path: of_numpy(np.load(path)), ".gguf": of_gguf,
           ".bin": of_llama2c}


def describe(path):
    digest, found = hashlib.sha256(), READERS[path.suffix](path)
    for name, (kind, shape, data) in sorted(found.items(), key=lambda item: item[0].encode()):
        digest.update(f"{name} {kind} [{', '.join(map(str, shape))}]\n".encode())
        digest.update(data)
    return {"tensors": len(found), "sha256": digest.hexdigest()}


def main():
    folder = pathlib.Path(sys.argv[1])
    print(json.dumps({name: describe(folder / name) for name in sys.argv[2:]}, indent=1))


if __name__ == "__main__":
    main()
