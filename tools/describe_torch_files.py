#!/usr/bin/env python3
"""Prints what torch finds in files, for testdata/format/real_torch_files.json: of each the number of tensors, and a hash
of their names, types, shapes and bytes in the order of the names. Prefixes of wrappers are left out, as the reader does.

Needs: torch. Usage: describe_torch_files.py FOLDER FILE..., with FILE within FOLDER
"""
import hashlib
import json
import pathlib
import sys

import torch

NAMES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "float64": "f64", "int64": "i64", "int32": "i32", "int16": "i16",
         "int8": "i8", "uint8": "u8", "bool": "bool"}


def attributes(module, path=""):
    """Tensors of a TorchScript module that are neither parameters nor buffers, which lie in its pickle all the same. torch
    does not list them; these names are those of silero-vad."""
    for name in ("_state", "_context"):
        if module._c.hasattr(name) and torch.is_tensor(value := module._c.getattr(name)):
            yield path + name, value
    for name, child in module.named_children():
        yield from attributes(child, path + name + ".")


def is_rounded(value):
    """Integers and their scale, as tinystories-gru saves them."""
    return isinstance(value, tuple) and len(value) == 2 and torch.is_tensor(value[0]) and value[0].dtype == torch.int8


def tensors_below(value, path=""):
    if torch.is_tensor(value):
        yield path, value
    elif is_rounded(value):
        yield path, value[0].float() * value[1]
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from tensors_below(item, f"{path}.{key}" if path else str(key))


def tensors_in(value):
    """Of what a file holds."""
    if isinstance(value, torch.jit.ScriptModule):
        found = dict(value.state_dict()) | dict(attributes(value))
        return {name.removeprefix("model."): tensor for name, tensor in found.items()} if all(
            name.startswith("model.") for name in found) else found
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(value.get(key), dict):
            value = value[key]
    packed = "._packed_params._packed_params"
    found = {name.replace(packed + ".0", ".weight").replace(packed + ".1", ".bias"): tensor
             for name, tensor in tensors_below(value)}
    while all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    return found


def describe(path):
    digest, found = hashlib.sha256(), tensors_in(torch.load(path, map_location="cpu", weights_only=False))
    for name, tensor in sorted(found.items(), key=lambda item: item[0].encode()):
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        shape = "[" + ", ".join(map(str, tensor.shape)) + "]"
        digest.update(f"{name} {NAMES[str(tensor.dtype).removeprefix('torch.')]} {shape}\n".encode())
        if tensor.numel():
            digest.update(bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()))
    return {"tensors": len(found), "sha256": digest.hexdigest()}


def main():
    folder = pathlib.Path(sys.argv[1])
    print(json.dumps({name: describe(folder / name) for name in sys.argv[2:]}, indent=1))


if __name__ == "__main__":
    main()
