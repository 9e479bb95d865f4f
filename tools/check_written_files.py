#!/usr/bin/env python3
"""Opens files that Quern wrote with the safetensors and gguf packages and compares them with what is expected.

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


def main():
    folder = pathlib.Path(sys.argv[1])
    check_safetensors(folder / "one_file")
    check_safetensors(folder / "shards")
    check_gguf(folder / "toy.gguf")
    print("the safetensors and gguf packages read what was written")


if __name__ == "__main__":
    main()
