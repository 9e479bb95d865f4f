#!/usr/bin/env python3
"""Opens files that Quern wrote with the packages whose formats they are and compares them with what is expected.

Usage: check_written_files.py FOLDER, where FOLDER was filled by quern_format_test with QUERN_KEEP_WRITTEN=FOLDER.
"""
import pathlib
import sys

import gguf
import numpy as np
from safetensors import safe_open


def ramp(count, start):
    return np.array([(start * 7 + i * 3) % 251 for i in range(count)], dtype=np.uint8)


def check_safetensors(folder):
    expected = {"z.weight": ((2, 3), "F32", 24, 0), "a.weight": ((5,), "U8", 5, 1), "m.weight": ((2, 2), "BF16", 8, 2),
                "b.weight": ((1,), "F32", 4, 3)}
    seen = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}, file.metadata()
            for name in file.keys():
                shape, dtype, size, start = expected[name]
                view = file.get_slice(name)
                assert tuple(view.get_shape()) == shape and view.get_dtype() == dtype, name
                import torch
                data = file.get_tensor(name).contiguous().view(torch.uint8).numpy().ravel()
                assert (data == ramp(size, start)).all(), name
                seen += 1
    assert seen == len(expected), seen


def check_gguf(path):
    reader = gguf.GGUFReader(path)
    expected = {"z": ([256, 2], "Q4_K", 288, 0), "a": ([3], "F32", 12, 1), "m": ([4, 3, 2], "BF16", 48, 2)}
    for tensor in reader.tensors:
        if tensor.name == "s":
            continue
        shape, kind, size, start = expected.pop(tensor.name)
        assert list(tensor.shape) == shape and tensor.tensor_type.name == kind, tensor
        assert (tensor.data.view(np.uint8).ravel() == ramp(size, start)).all(), tensor.name
    assert not expected, expected
    assert reader.get_field("v.float64").contents() == 0.1
    assert reader.get_field("a.string").contents() == ["a", "", "bc"]
    assert reader.get_field("a.bool").contents() == [True, False, True]
    assert reader.get_field("v.uint64").contents() == 2**63 + 5


def tensors_of(folder):
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def check_packed_int4(folder):
    """Every matrix as compressed-tensors decompresses it, against the bytes that were written, decoded here."""
    import json
    import torch
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig

    config = QuantizationConfig.model_validate(json.loads((folder / "config.json").read_text())["quantization_config"])
    tensors, seen = tensors_of(folder), 0
    starts = {"q_proj": (1, 32), "v_proj": (2, 32)}
    for scheme in config.config_groups.values():
        for module in scheme.targets:
            if module.split(".")[-1] not in starts:
                continue
            start, group = starts[module.split(".")[-1]]
            state = {name.removeprefix(module + "."): value for name, value in tensors.items() if name.startswith(module + ".")}
            state["weight_scale"] = state["weight_scale"].float()
            got = BaseCompressor.get_value_from_registry("pack-quantized").decompress(state, scheme)["weight"].numpy()
            rows, cols = got.shape
            codes = ramp(rows * cols // 2, start)
            codes = np.stack([codes & 15, codes >> 4], -1).reshape(rows, cols // group, group).astype(np.float32)
            scales = torch.from_numpy(ramp(rows * cols // group * 2, start + 1)).view(torch.bfloat16).float().numpy()
            zeros = np.full(rows * cols // group, 8) if scheme.weights.symmetric else ramp(rows * cols // group, start + 2) & 15
            want = (codes - zeros.reshape(rows, -1, 1)) * scales.reshape(rows, -1, 1)
            assert np.array_equal(got.reshape(want.shape), want.astype(np.float32), equal_nan=True), module
            seen += 1
    assert seen == 2, seen


def check_bitsandbytes(folder):
    from bitsandbytes import functional

    tensors = tensors_of(folder)
    for name, nested in [("model.layers.0.q_proj.weight", False), ("model.layers.0.v_proj.weight", True)]:
        stats = {key: value for key, value in tensors.items() if key.startswith(name + ".")}
        state = functional.QuantState.from_dict(stats, "cpu")
        assert state.nested == nested and (not nested or bool((state.state2.code == functional.create_dynamic_map()).all()))
        assert (state.code == functional.get_4bit_type("nf4", device="cpu")).all()
        got = functional.dequantize_4bit(tensors[name], state).numpy()
        absmax = state.absmax
        if nested:
            absmax = state.state2.code[absmax.long()] * state.state2.absmax.repeat_interleave(256)[:absmax.numel()] + state.offset
        packed = tensors[name].numpy().ravel()
        codes = np.stack([packed >> 4, packed & 15], -1).reshape(-1, 64)
        want = state.code.numpy()[codes] * absmax.numpy().reshape(-1, 1)
        assert np.array_equal(got.reshape(want.shape), want, equal_nan=True), name


def main():
    folder = pathlib.Path(sys.argv[1])
    check_safetensors(folder / "one_file")
    check_safetensors(folder / "shards")
    check_gguf(folder / "toy.gguf")
    check_packed_int4(folder / "packed_int4")
    check_bitsandbytes(folder / "bitsandbytes")
    print("the packages read what was written")


if __name__ == "__main__":
    main()
