#!/usr/bin/env python3
"""Writes testdata/format: small files made by the packages whose formats they are, which the readers must read exactly.

Needs: torch, numpy, safetensors, gguf, compressed-tensors, bitsandbytes. Usage: make_format_fixtures.py [FOLDER]
"""
import json
import pathlib
import shutil
import sys

import gguf
import numpy as np
import torch
from safetensors import TensorSpec, serialize_file
from safetensors.torch import save_file

# dtype of the specification -> name in safetensors.serialize_file, bits
SAFETENSORS_TYPES = {
    "bool": 8, "uint8": 8, "int8": 8, "int16": 16, "uint16": 16, "float16": 16, "bfloat16": 16, "int32": 32,
    "uint32": 32, "float32": 32, "float64": 64, "int64": 64, "uint64": 64, "float8_e4m3fn": 8, "float8_e5m2": 8,
    "float8_e8m0fnu": 8, "float8_e4m3fnuz": 8, "float8_e5m2fnuz": 8, "complex64": 64, "float4_e2m1fn_x2": 4,
}


def ramp(count, start):
    """Bytes that tell tensors and positions apart."""
    return bytes((start * 7 + i * 3) % 251 for i in range(count))


def all_dtypes(path):
    """Each tensor t_DTYPE has shape [3, 2] and the bytes of ramp(size, its place in the table)."""
    tensors, buffers = {}, []

    def add(name, dtype, shape, data):
        buffers.append(np.frombuffer(data, dtype=np.uint8))
        tensors[name] = TensorSpec(dtype=dtype, shape=shape, data_ptr=buffers[-1].ctypes.data, data_len=len(data))

    for start, (name, bits) in enumerate(SAFETENSORS_TYPES.items()):
        count = 3 * 2 * bits // 8
        data = bytes(i % 2 for i in range(count)) if name == "bool" else ramp(count, start)
        # The package doubles the last extent of packed pairs.
        add("t_" + name, name, [3, 1] if bits == 4 else [3, 2], data)
    add("scalar", "float32", [], np.float32(1.5).tobytes())
    add("empty", "float32", [0, 4], b"")
    serialize_file(tensors, str(path), {"format": "pt", "note": "caf\u00e9 \"quoted\""})


def sharded_folder(folder):
    folder.mkdir()
    parts = [{"a.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4)},
             {"b.weight": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3), "b.bias": torch.ones(2, dtype=torch.float16)}]
    weight_map, total = {}, 0
    for i, part in enumerate(parts):
        name = f"model-{i + 1:05}-of-{len(parts):05}.safetensors"
        save_file(part, folder / name, metadata={"format": "pt"})
        for key, tensor in part.items():
            weight_map[key] = name
            total += tensor.numel() * tensor.element_size()
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    (folder / "config.json").write_text(json.dumps({"model_type": "toy", "hidden_size": 4}, indent=2))
    (folder / "tokenizer.json").write_text("{}")


def packed_folder(folder):
    """One linear layer as compressed-tensors' own compressor packs it, and what it decompresses to (expected.f32)."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme

    folder.mkdir()
    scheme = QuantizationScheme(targets=["Linear"], format="pack-quantized",
                                weights=QuantizationArgs(num_bits=8, type="int", symmetric=True, strategy="channel"))
    weight = (torch.arange(24, dtype=torch.float32).reshape(3, 8) - 11.5) / 8
    scale = (weight.abs().amax(1, keepdim=True) / 127).bfloat16()
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    packed = compressor.compress({"weight": weight.bfloat16(), "weight_scale": scale}, scheme)
    tensors = {"fc." + name: value.contiguous() for name, value in packed.items()}
    tensors["norm.weight"] = torch.ones(8, dtype=torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    quantization = QuantizationConfig(config_groups={"group_0": scheme}, format="pack-quantized",
                                      quantization_status="compressed", ignore=["lm_head"]).model_dump(mode="json")
    (folder / "config.json").write_text(json.dumps({"model_type": "toy", "quantization_config": quantization}, indent=2))
    as_float = {"weight_packed": packed["weight_packed"], "weight_scale": scale.float(), "weight_shape": packed["weight_shape"]}
    expected = compressor.decompress(as_float, scheme)["weight"].float()
    (folder / "expected.f32").write_bytes(expected.numpy().tobytes())


def packed_int4_folder(folder):
    """Layers of several kinds in one file, packed by compressed-tensors, and what each decompresses to (NAME.f32)."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    folder.mkdir()
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    generator = torch.Generator().manual_seed(4)
    tensors, groups = {}, {}
    for name, rows, cols, group, symmetric in [("plain", 3, 64, 32, True), ("wide", 2, 128, 128, True),
                                               ("affine", 11, 128, 64, False)]:
        args = QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy="group", group_size=group)
        scheme = QuantizationScheme(targets=[name], format="pack-quantized", weights=args)
        weight = torch.randn(rows, cols, generator=generator) + (0 if symmetric else 0.5)
        split = weight.reshape(rows, cols // group, group)
        scale, zero = calculate_qparams(split.amin(-1), split.amax(-1), args)
        state = {"weight": weight, "weight_scale": scale.bfloat16().float()}
        if not symmetric:
            state["weight_zero_point"] = zero.to(torch.int8)
        packed = compressor.compress(state, scheme)
        decompressed = compressor.decompress(packed, scheme)["weight"].float()
        (folder / f"{name}.f32").write_bytes(decompressed.numpy().tobytes())
        packed["weight_scale"] = packed["weight_scale"].bfloat16()
        tensors |= {f"{name}.{key}": value.contiguous() for key, value in packed.items()}
        groups[f"group_{len(groups)}"] = scheme
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    quantization = QuantizationConfig(config_groups=groups, format="pack-quantized", quantization_status="compressed",
                                      ignore=["lm_head"]).model_dump(mode="json")
    (folder / "config.json").write_text(json.dumps({"model_type": "toy", "quantization_config": quantization}, indent=2))


def bitsandbytes_folder(folder):
    """Matrices as bitsandbytes stores them, with and without double quantization, and what it decodes (NAME.f32)."""
    from bitsandbytes import functional

    folder.mkdir()
    generator = torch.Generator().manual_seed(5)
    tensors = {"norm.weight": torch.ones(64, dtype=torch.bfloat16)}
    for name, rows, cols, nested in [("plain", 5, 128, False), ("nested", 130, 192, True)]:
        weight = 0.02 * torch.randn(rows, cols, generator=generator)
        packed, state = functional.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type="nf4")
        tensors[f"{name}.weight"] = packed
        tensors |= {f"{name}.weight.{key}": value.contiguous() for key, value in state.as_dict(packed=True).items()}
        decoded = functional.dequantize_4bit(packed, state)
        (folder / f"{name}.f32").write_bytes(decoded[:5].contiguous().numpy().tobytes())  # the first rows tell enough
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    quantization = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False,
                    "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True,
                    "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8"}
    (folder / "config.json").write_text(json.dumps({"model_type": "toy", "quantization_config": quantization}, indent=2))


def all_ggml_types(path):
    writer = gguf.GGUFWriter(path, "llama")
    for start, kind in enumerate(gguf.GGMLQuantizationType):
        block, size = gguf.GGML_QUANT_SIZES[kind]
        data = np.frombuffer(ramp(3 * 2 * size, start), dtype=np.uint8).reshape(3, 2 * size)
        writer.add_tensor("t_" + kind.name.lower(), data, raw_shape=(3, 2 * size), raw_dtype=kind)
    writer.add_tensor("cube", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    write(writer)


def all_value_types(path, alignment=None):
    writer = gguf.GGUFWriter(path, "toy")
    if alignment:
        writer.add_custom_alignment(alignment)
    writer.add_uint8("v.uint8", 200)
    writer.add_int8("v.int8", -100)
    writer.add_uint16("v.uint16", 60000)
    writer.add_int16("v.int16", -30000)
    writer.add_uint32("v.uint32", 4000000000)
    writer.add_int32("v.int32", -2000000000)
    writer.add_float32("v.float32", 0.15625)
    writer.add_bool("v.true", True)
    writer.add_bool("v.false", False)
    writer.add_string("v.string", "caf\u00e9")
    writer.add_key_value("v.empty", "", gguf.GGUFValueType.STRING)  # add_string drops empty values
    writer.add_uint64("v.uint64", 2**63 + 5)
    writer.add_int64("v.int64", -(2**62))
    writer.add_float64("v.float64", 0.1)
    kind = gguf.GGUFValueType
    for name, sub, items in [("uint8", kind.UINT8, [1, 255]), ("int8", kind.INT8, [-1, 127]), ("uint16", kind.UINT16, [65535]),
                             ("int16", kind.INT16, [-5, 5]), ("uint32", kind.UINT32, [7, 8, 9]), ("int32", kind.INT32, [-7]),
                             ("float32", kind.FLOAT32, [0.5, -2.0]), ("bool", kind.BOOL, [True, False, True]),
                             ("string", kind.STRING, ["a", "", "bc"]), ("uint64", kind.UINT64, [2**63]),
                             ("int64", kind.INT64, [-(2**63)]), ("float64", kind.FLOAT64, [0.25])]:
        writer.add_key_value("a." + name, items, kind.ARRAY, sub_type=sub)
    writer.add_key_value("a.nested", [[1, 2], [3]], kind.ARRAY, sub_type=kind.ARRAY)
    writer.add_tensor("x", np.arange(5, dtype=np.float32))
    writer.add_tensor("y", np.arange(3, dtype=np.int8))
    write(writer)


def split_set(path):
    writer = gguf.GGUFWriter(path, "toy", split_max_tensors=1)
    writer.add_uint32("toy.block_count", 3)
    for i in range(3):
        writer.add_tensor(f"blk.{i}.weight", np.full((2, 4), i, dtype=np.float32))
    write(writer)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "testdata" / "format"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    all_dtypes(folder / "all_dtypes.safetensors")
    sharded_folder(folder / "sharded")
    packed_folder(folder / "packed_int8")
    packed_int4_folder(folder / "packed_int4")
    bitsandbytes_folder(folder / "bitsandbytes")
    all_ggml_types(folder / "all_types.gguf")
    all_value_types(folder / "all_values.gguf")
    all_value_types(folder / "aligned_64.gguf", alignment=64)
    (folder / "split").mkdir()
    split_set(folder / "split" / "toy.gguf")


if __name__ == "__main__":
    main()
