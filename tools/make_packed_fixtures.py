#!/usr/bin/env python3
"""Writes testdata/packed: matrices that the packages of others quantized and packed, and what these packages decode them to.

With names of functions below behind FOLDER, only the folders that these write. A folder each: model.safetensors, config.json as the package's loader finds it, expected.safetensors with every matrix in the type
that the package decodes to. Nothing of Quern is imported. AutoGPTQ and AutoAWQ are archived and do not install beside a current
transformers: their single files are imported from unpacked distributions.

    pip install torch safetensors transformers accelerate compressed-tensors bitsandbytes "mlx[cpu]" gptqmodel hqq optimum-quanto torchao
    pip download --no-deps auto-gptq==0.7.1 autoawq==0.2.9 vptq==0.0.5.post1   # unpack all into one FOLDER
    TORCHDYNAMO_DISABLE=1 tools/make_packed_fixtures.py FOLDER [NAME ...]
"""

import importlib.util
import json
import math
import pathlib
import shutil
import sys
import types

import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "testdata" / "packed"


def write(name, tensors, expected, config, binary=False):
    folder = ROOT / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors["model.norm.weight"] = torch.ones(8, dtype=torch.float16)
    tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
    if binary:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_expected(folder, expected, config)


def write_expected(folder, expected, config):
    save_file({key: value.contiguous().clone() for key, value in expected.items()}, folder / "expected.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "toy"} | config, indent=1) + "\n")


def linear(rows, cols, seed, dtype=torch.float32):
    layer = torch.nn.Linear(cols, rows, bias=False)
    layer.weight.data = (0.05 * torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))).to(dtype)
    return layer


def grouped_qparams(weight, bits, index, groups, symmetric):
    """Scales and zero points [out, groups], as GPTQ's quantizer finds them."""
    scales, zeros = [], []
    top = 2**bits - 1
    for g in range(groups):
        part = weight[:, index == g]
        low, high = part.amin(1).clamp(max=0), part.amax(1).clamp(min=0)
        if symmetric:
            high = torch.maximum(low.abs(), high)
            low = -high
        scale = (high - low) / top
        scales.append(scale)
        zeros.append(torch.full_like(scale, (top + 1) / 2) if symmetric else (-low / scale).round())
    return torch.stack(scales, 1), torch.stack(zeros, 1)


def load_alone(folder, package, module):
    """A module of a distribution, without what its packages import beside it."""
    parts = module.split(".")
    for count in range(1, len(parts)):
        name = ".".join(parts[:count])
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folder / package / "/".join(parts[:count]))]
    return importlib.import_module(module)


GPTQ_MODULES = [  # name, bits, symmetric, act-order
    ("four", 4, True, False), ("two", 2, True, False), ("three", 3, True, False), ("eight", 8, True, False),
    ("ordered", 4, True, True)]


def gptq(version, name, modules, binary=False):
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear
    from gptqmodel.quantization.config import QuantizeConfig
    from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module

    rows, cols, group = 32, 96, 32
    tensors, expected = {}, {}
    for seed, (module, bits, symmetric, ordered) in enumerate(modules):
        layer = linear(rows, cols, seed)
        index = torch.arange(cols, dtype=torch.int32) // group
        if ordered:
            index = index[torch.randperm(cols, generator=torch.Generator().manual_seed(seed))]
        if not symmetric:
            layer.weight.data[::3, :group] = layer.weight.data[::3, :group].abs()  # zero points of 0
        scales, zeros = grouped_qparams(layer.weight.data, bits, index, cols // group, symmetric)
        packed = TorchLinear(bits=bits, group_size=group, desc_act=ordered, sym=symmetric, in_features=cols, out_features=rows,
                             bias=False, pack_dtype=torch.int32, adapter=None, register_buffers=True)
        packed.pack_block(layer, scales, zeros, index)
        packed.post_init()
        expected[f"{module}.weight"] = packed.dequantize_weight().T
        if version == 1:
            convert_gptq_v2_to_v1_format_module(packed, QuantizeConfig(bits=bits, group_size=group))
        for key in ("qweight", "qzeros", "scales", "g_idx"):
            tensors[f"{module}.{key}"] = getattr(packed, key)
    config = {"quant_method": "gptq", "bits": 4, "group_size": group, "desc_act": False, "sym": True,
              "checkpoint_format": "gptq" if version == 1 else "gptq_v2"}
    write(name, tensors, expected, {"quantization_config": config}, binary)


def auto_gptq(folder):
    path = next(folder.rglob("auto_gptq/nn_modules/qlinear/qlinear_cuda_old.py"))
    spec = importlib.util.spec_from_file_location("qlinear_cuda_old", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows, cols, group = 32, 64, 32
    tensors, expected = {}, {}
    for bits in (3, 4):
        layer = linear(rows, cols, 40 + bits, torch.float16)
        index = torch.arange(cols, dtype=torch.int32) // group
        scales, zeros = (made.half() for made in grouped_qparams(layer.weight.data.float(), bits, index, cols // group, True))
        packed = module.QuantLinear(bits, group, cols, rows, bias=False)
        packed.pack(layer, scales, zeros.clone(), index)
        # forward() multiplies by scales * (weight - zeros): the identity shows the matrix.
        expected[f"b{bits}.weight"] = packed(torch.eye(cols, dtype=torch.float16)).T
        for key in ("qweight", "qzeros", "scales", "g_idx"):
            tensors[f"b{bits}.{key}"] = getattr(packed, key)
    write("auto_gptq", tensors, expected, {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": group}})


def awq(folder):
    package = next(folder.rglob("awq/modules/linear/gemm.py")).parents[3]
    gemm = load_alone(package, "", "awq.modules.linear.gemm")
    tensors, expected = {}, {}
    for seed, (module, rows, cols, group) in enumerate([("plain", 32, 64, 32), ("wide", 64, 128, 128)]):
        layer = linear(rows, cols, 50 + seed, torch.float16)
        index = torch.arange(cols) // group
        scales, zeros = grouped_qparams(layer.weight.data.float(), 4, index, cols // group, False)
        packed = gemm.WQLinear_GEMM.from_linear(layer, 4, group, scales=scales.T.contiguous().half(),
                                                zeros=zeros.T.contiguous().half())
        expected[f"{module}.weight"] = gemm.dequantize_gemm(packed.qweight, packed.qzeros, packed.scales, 4, group).T
        for key in ("qweight", "qzeros", "scales"):
            tensors[f"{module}.{key}"] = getattr(packed, key)
    write("awq", tensors, expected, {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32,
                                                             "zero_point": True, "version": "gemm"}})


def awq_gemv(folder):
    """The layouts for single tokens and Marlin, whose kernels alone decode them: the codes that they pack, in the kernels' formula."""
    package = next(folder.rglob("awq/modules/linear/gemm.py")).parents[3]
    linears = {name: load_alone(package, "", f"awq.modules.linear.{name}") for name in ("gemv", "gemv_fast", "marlin")}
    tensors, expected = {}, {}
    for seed, (module, layout, rows, cols, group) in enumerate([
            ("gemv", "gemv", 16, 128, 32), ("gemv_wide", "gemv", 8, 256, 128), ("gemv_64", "gemv", 8, 128, 64), ("fast", "gemv_fast", 8, 128, 32),
            ("fast_wide", "gemv_fast", 16, 256, 128), ("marlin", "marlin", 128, 128, 32), ("marlin_single", "marlin", 64, 128, 128)]):
        layer = linear(rows, cols, 150 + seed, torch.float16)
        index = torch.arange(cols) // group
        scales, zeros = grouped_qparams(layer.weight.data.float(), 4, index, cols // group, layout == "marlin")
        scales, wide, points = scales.half(), scales.half()[:, index], zeros[:, index]
        if layout == "marlin":
            packed = linears[layout].WQLinear_Marlin.from_linear(layer, 4, group, scales=scales)
            codes = ((layer.weight.data / wide).round().int() + 8).clamp(0, 15)
            tensors |= {f"{module}.{key}": getattr(packed, key) for key in ("qweight", "scales")}
        else:
            kind = linears[layout].WQLinear_GEMV if layout == "gemv" else linears[layout].WQLinear_GEMVFast
            packed = kind.from_linear(layer, 4, group, scales=scales, zeros=zeros.half())
            codes = ((layer.weight.data + (zeros.half() * scales)[:, index]) / wide).round().int()
            tensors |= {f"{module}.{key}": getattr(packed, key) for key in ("qweight", "qzeros", "scales")}
        if layout == "gemv_fast":  # one multiplication and addition of binary16
            expected[f"{module}.weight"] = (codes.double() * wide.double() - (wide * points.half()).double()).half()
        else:
            expected[f"{module}.weight"] = ((codes.double() - points) * wide.double()).half()
    write("awq_gemv", tensors, expected, {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemv"}})


def hqq():
    from hqq.core.quantize import BaseQuantizeConfig, HQQLinear

    tensors, expected = {}, {}
    for seed, (name, bits, group, axis, rows, cols, dtype) in enumerate([
            ("eight", 8, 64, 1, 8, 64, torch.float16), ("four", 4, 32, 1, 8, 64, torch.bfloat16), ("turned", 4, 32, 0, 8, 64, torch.float16),
            ("three", 3, 32, 1, 6, 64, torch.float16), ("two", 2, 16, 1, 8, 64, torch.float32), ("one", 1, 16, 0, 16, 64, torch.bfloat16),
            ("across", 4, 64, 1, 8, 96, torch.float16)]):
        made = HQQLinear(linear(rows, cols, 160 + seed, dtype), BaseQuantizeConfig(nbits=bits, group_size=group, axis=axis), compute_dtype=dtype,
                         device="cpu", del_orig=False)
        tensors |= {f"{name}.{key}": value for key, value in made.state_dict().items() if value is not None}
        expected[f"{name}.weight"] = made.dequantize()
    write("hqq", tensors, expected, {"quantization_config": {"quant_method": "hqq"}})


def quanto():
    from optimum.quanto import freeze, qfloat8_e4m3fn, qint8, quantize

    tensors, expected = {}, {}
    for seed, (name, kind, dtype) in enumerate([("int8", qint8, torch.bfloat16), ("fp8", qfloat8_e4m3fn, torch.float16)]):
        model = torch.nn.ModuleDict({name: linear(6, 40, 170 + seed, dtype)})
        quantize(model, weights=kind)
        freeze(model)
        tensors |= {key: value for key, value in model.state_dict().items()}
        expected[f"{name}.weight"] = model[name].weight.dequantize()
    write("quanto", tensors, expected, {"quantization_config": {"quant_method": "quanto"}})


def torchao():
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    model = torch.nn.Sequential(linear(4, 32, 180, torch.bfloat16))
    quantize_(model, Int8WeightOnlyConfig())
    (ROOT / "torchao").mkdir(exist_ok=True)
    torch.save(model.state_dict(), ROOT / "torchao" / "pytorch_model.bin")


def fp8():
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize, Fp8Quantize

    quantizer = types.SimpleNamespace(quantization_config=types.SimpleNamespace(weight_block_size=(32, 32), scale_fmt=None))
    quantize, dequantize = Fp8Quantize(quantizer), Fp8Dequantize(quantizer)
    tensors, expected = {}, {}
    for seed, (module, rows, cols) in enumerate([("square", 64, 64), ("wide", 32, 96)]):
        made = quantize.convert({f"{module}.weight": [linear(rows, cols, 60 + seed).weight.data]})
        tensors |= made
        expected[f"{module}.weight"] = dequantize._dequantize_one(made[f"{module}.weight"], made[f"{module}.weight_scale_inv"])
    write("fp8_block", tensors, expected, {"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [32, 32],
                                                                   "activation_scheme": "dynamic"}})


def compressed_tensors():
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    grids = {"group": lambda a, r, c: (1, a.group_size), "tensor_group": lambda a, r, c: (1, a.group_size),
             "channel": lambda a, r, c: (1, c), "tensor": lambda a, r, c: (r, c), "block": lambda a, r, c: tuple(a.block_structure)}

    def pack(folder, modules):
        tensors, expected, groups = {}, {}, {}
        for seed, (name, form, rows, cols, dtype, options) in enumerate(modules):
            args = QuantizationArgs(**options)
            scheme = QuantizationScheme(targets=[name], format=form, weights=args)
            compressor = BaseCompressor.get_value_from_registry(form)
            weight = linear(rows, cols, 70 + seed, dtype).weight.data + (0 if args.symmetric else 0.02)
            high, wide = grids[args.strategy](args, rows, cols)
            split = weight.float().reshape(rows // high, high, cols // wide, wide)
            state = {"weight": weight}
            low, top = split.amin((1, 3)), split.amax((1, 3))
            if form == "nvfp4-pack-quantized":
                state["weight_global_scale"] = (448 * 6 / weight.float().abs().max()).reshape(1)
                state["weight_scale"] = (state["weight_global_scale"] * split.abs().amax((1, 3)) / 6).to(torch.float8_e4m3fn).to(dtype)
            elif form.startswith("mxfp"):
                most = 6 if "mxfp4" in form else 448
                state["weight_scale"] = (2.0 ** (split.abs().amax((1, 3)) / most).log2().ceil()).to(dtype)
            else:
                scale, zero = calculate_qparams(low, top, args)
                state["weight_scale"] = scale.to(dtype) if args.strategy != "tensor" else scale.to(dtype).reshape(1)
                if not args.symmetric:
                    state["weight_zero_point"] = zero.to(torch.int8)
            packed = compressor.compress(state, scheme)
            decoded = compressor.decompress(packed, scheme)["weight"]
            if name == "ordered":  # releases before 0.20 knew it; its own steps, on the columns of each group
                order = torch.randperm(cols, generator=torch.Generator().manual_seed(seed))
                packed["weight_g_idx"] = (torch.arange(cols, dtype=torch.int32) // args.group_size)[order]
                decoded = decoded_by_index(packed, scheme)
            expected[f"{name}.weight"] = decoded
            tensors |= {f"{name}.{key}": value for key, value in packed.items()}
            groups[f"group_{len(groups)}"] = scheme
        config = QuantizationConfig(config_groups=groups, format="mixed-precision", quantization_status="compressed", ignore=["lm_head"])
        write(folder, tensors, expected, {"quantization_config": config.model_dump(mode="json")})

    def decoded_by_index(packed, scheme):
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
        codes = unpack_from_int32(packed["weight_packed"], scheme.weights.num_bits, packed["weight_shape"])
        return codes.to(packed["weight_scale"].dtype) * packed["weight_scale"][:, packed["weight_g_idx"].long()]

    half, brain = torch.float16, torch.bfloat16
    packed = "pack-quantized"
    group = {"type": "int", "strategy": "group", "symmetric": True}
    pack("pack_quantized", [
        ("three", packed, 8, 64, brain, group | {"num_bits": 3, "group_size": 32}),
        ("five", packed, 8, 64, brain, group | {"num_bits": 5, "group_size": 32}),
        ("half", packed, 8, 64, half, group | {"num_bits": 4, "group_size": 32}),
        ("affine", packed, 11, 64, brain, group | {"num_bits": 8, "group_size": 32, "symmetric": False}),
        ("odd", packed, 11, 66, half, group | {"num_bits": 6, "group_size": 22, "symmetric": False}),
        ("channel", packed, 8, 96, brain, {"type": "int", "num_bits": 4, "strategy": "channel", "symmetric": True}),
        ("ordered", packed, 8, 64, brain, group | {"num_bits": 4, "group_size": 32})])
    whole = {"type": "int", "strategy": "tensor"}
    pack("pack_quantized_tensor", [
        ("four", packed, 8, 64, brain, whole | {"num_bits": 4, "symmetric": True}),
        ("affine", packed, 6, 40, half, whole | {"num_bits": 8, "symmetric": False})])
    float8 = {"type": "float", "num_bits": 8, "symmetric": True}
    pack("naive_quantized", [
        ("int8", "int-quantized", 8, 32, brain, {"type": "int", "num_bits": 8, "strategy": "channel", "symmetric": True}),
        ("affine", "int-quantized", 8, 32, half, {"type": "int", "num_bits": 8, "strategy": "channel", "symmetric": False}),
        ("fp8", "float-quantized", 8, 32, brain, float8 | {"strategy": "channel"}),
        ("whole", "float-quantized", 8, 32, half, float8 | {"strategy": "tensor"}),
        ("block", "float-quantized", 32, 48, brain, float8 | {"strategy": "block", "block_structure": [16, 16]})])
    float4 = {"type": "float", "num_bits": 4, "symmetric": True}
    pack("microscaling", [
        ("nv", "nvfp4-pack-quantized", 8, 64, brain, float4 | {"strategy": "tensor_group", "group_size": 16}),
        ("mx", "mxfp4-pack-quantized", 8, 64, brain, float4 | {"strategy": "group", "group_size": 32}),
        ("mx8", "mxfp8-quantized", 8, 64, brain, float8 | {"strategy": "group", "group_size": 32})])


def modelopt():
    """NVFP4 as ModelOpt exports it, decoded by the formula of its NVFP4QTensor.dequantize, which needs no package."""
    generator = torch.Generator().manual_seed(140)
    packed = torch.randint(0, 256, (8, 32), dtype=torch.uint8, generator=generator)
    scale = (torch.rand(8, 4, generator=generator) * 448).to(torch.float8_e4m3fn)
    double_scale = torch.tensor(0.000123)
    levels = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    values = levels[torch.stack([packed & 15, packed >> 4], -1).flatten(1).long()]
    expected = values * (scale.float() * double_scale).repeat_interleave(16, 1)
    write("modelopt", {"nv.weight": packed, "nv.weight_scale": scale, "nv.weight_scale_2": double_scale, "nv.input_scale": torch.ones(())},
          {"nv.weight": expected.bfloat16()}, {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}})


def bitsandbytes():
    from bitsandbytes import functional
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute

    tensors, expected = {}, {}
    for seed, (name, kind, rows, cols, block, nested, dtype) in enumerate([
            ("fp4", "fp4", 6, 64, 64, False, torch.float16), ("fp4_nested", "fp4", 130, 128, 64, True, torch.bfloat16),
            ("nf4_wide", "nf4", 4, 256, 128, False, torch.bfloat16),
            ("nf4_across", "nf4", 6, 96, 64, False, torch.float32)]):
        packed, state = functional.quantize_4bit(linear(rows, cols, 80 + seed, dtype).weight.data, blocksize=block,
                                                 compress_statistics=nested, quant_type=kind)
        tensors[f"{name}.weight"] = packed
        tensors |= {f"{name}.weight.{key}": value for key, value in state.as_dict(packed=True).items()}
        # The package's CPU kernel takes rows for whole blocks; its plain code does not.
        expected[f"{name}.weight"] = functional.dequantize_4bit(packed, state) if cols % block == 0 else \
            _dequantize_4bit_compute(packed.flatten(), state.absmax, state.code, block, (rows, cols), dtype)
    codes, scales, _ = functional.int8_vectorwise_quant(linear(6, 40, 90, torch.float16).weight.data)
    tensors |= {"int8.weight": codes, "int8.SCB": scales, "int8.weight_format": torch.zeros((), dtype=torch.uint8)}
    expected["int8.weight"] = functional.int8_vectorwise_dequant(codes, scales)
    write("bitsandbytes", tensors, expected, {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}})


def mlx():
    import mlx.core as mx

    folder = ROOT / "mlx"
    folder.mkdir(parents=True, exist_ok=True)
    tensors, expected, overrides = {"model.norm.weight": mx.ones((128,), dtype=mx.bfloat16)}, {}, {}
    for bits, group, dtype in [(2, 32, mx.bfloat16), (3, 64, mx.float16), (4, 64, mx.bfloat16), (5, 32, mx.float32), (6, 128, mx.bfloat16),
                               (8, 32, mx.float16)]:
        name = f"b{bits}"
        weight = mx.array(linear(4, 128, 100 + bits).weight.data.numpy()).astype(dtype)
        codes, scales, biases = mx.quantize(weight, group, bits)
        tensors |= {f"{name}.weight": codes, f"{name}.scales": scales, f"{name}.biases": biases}
        expected[f"{name}.weight"] = mx.dequantize(codes, scales, biases, group, bits)
        overrides[name] = {"bits": bits, "group_size": group}
    for mode, bits, group in [("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]:
        codes, scales = mx.quantize(mx.array(linear(4, 128, 110).weight.data.numpy()), group, bits, mode=mode)
        tensors |= {f"{mode}.weight": codes, f"{mode}.scales": scales}
        expected[f"{mode}.weight"] = mx.dequantize(codes, scales, None, group, bits, mode=mode).astype(mx.bfloat16)
    mx.save_safetensors(str(folder / "model.safetensors"), tensors, metadata={"format": "mlx"})
    mx.save_safetensors(str(folder / "values.safetensors"), expected)
    values = load_file(folder / "values.safetensors")
    (folder / "values.safetensors").unlink()
    write_expected(folder, values, {"quantization": {"group_size": 64, "bits": 4} | overrides})


def gpt_oss():
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    generator = torch.Generator().manual_seed(120)
    blocks = torch.randint(0, 256, (2, 6, 3, 16), dtype=torch.uint8, generator=generator)
    scales = torch.randint(118, 124, (2, 6, 3), dtype=torch.uint8, generator=generator)
    write("gpt_oss", {"mlp.experts.gate_up_proj_blocks": blocks, "mlp.experts.gate_up_proj_scales": scales},
          {"mlp.experts.gate_up_proj": convert_moe_packed_tensors(blocks, scales)}, {"quantization_config": {"quant_method": "mxfp4"}})


def bitnet():
    from transformers.integrations.bitnet import pack_weights, unpack_weights

    values = torch.randint(-1, 2, (12, 16), generator=torch.Generator().manual_seed(130))
    packed = pack_weights(values.clone())
    scale = torch.tensor([21.5], dtype=torch.bfloat16)
    write("bitnet", {"q.weight": packed, "q.weight_scale": scale}, {"q.weight": unpack_weights(packed, torch.float32) * (1 / scale.float())},
          {"quantization_config": {"quant_method": "bitnet", "linear_class": "bitlinear"}})


def bitnet_online():
    # AutoBitLinear's WeightQuant, whose forward is compiled.
    def made_ternary(weight):
        scale = 1.0 / weight.float().abs().mean().clamp_(min=1e-5)
        return ((weight.float() * scale).round().clamp(-1, 1) / scale).to(weight.dtype)

    generator = torch.Generator().manual_seed(131)
    weights = {"model.layers.0.q_proj.weight": (0.05 * torch.randn(12, 16, generator=generator)).bfloat16(),
               "model.layers.0.o_proj.weight": (0.05 * torch.randn(7, 9, generator=generator)).half(),  # in float32 the order of a sum shows
               "model.layers.0.kept.weight": 0.05 * torch.randn(4, 8, generator=generator),
               "model.embed_tokens.weight": 0.05 * torch.randn(5, 8, generator=generator)}
    expected = {name: made_ternary(weight) if "_proj" in name else weight for name, weight in weights.items()}
    write("bitnet_online", weights, expected,
          {"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online",
                                   "modules_to_not_convert": ["kept"]}})


VPTQ_MODULES = [  # name, out, in, main and outlier (v, k), residual k, groups, outliers, norm, order of columns, packed
    ("plain", 22, 40, (4, 16), None, 0, 1, 0, False, False, True),
    ("residual", 20, 33, (6, 256), None, 64, 1, 0, False, True, True),
    ("whole", 31, 44, (8, 512), (2, 32), 16, 2, 4, True, True, True),
    ("words", 18, 24, (5, 100), (4, 300), 0, 3, 3, True, True, False)]


def vptq_modules(folder):
    package = next(folder.rglob("vptq/layers/vqlinear.py")).parents[2]
    for name in ("accelerate", "tqdm", "sentence_transformers", "sentence_transformers.SentenceTransformer"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["sentence_transformers.SentenceTransformer"].SentenceTransformer = type("SentenceTransformer", (), {})
    ops = load_alone(package, "", "vptq.ops.quant_gemm")
    sys.modules["vptq"].ops = sys.modules["vptq.ops"] = ops
    return ops, load_alone(package, "", "vptq.layers.vqlinear"), importlib.import_module("vptq.utils.pack")


def vptq(folder):
    ops, vqlinear, pack = vptq_modules(folder)
    tensors, expected, layers = {}, {}, {}
    for seed, (name, rows, cols, main_shape, outlier_shape, residual, groups, outliers, norm, ordered, packed) in enumerate(VPTQ_MODULES):
        generator = torch.Generator().manual_seed(300 + seed)
        settings = {
            "in_features": cols, "out_features": rows, "vector_lens": [outlier_shape[0] if outlier_shape else -1, main_shape[0]],
            "num_centroids": [outlier_shape[1] if outlier_shape else -1, main_shape[1]], "num_res_centroids": [-1, residual or -1],
            "group_num": groups, "group_size": (cols - outliers) // groups, "outlier_size": outliers, "indices_as_float": not packed,
            "enable_norm": norm, "enable_perm": ordered, "is_indice_packed": packed, "bias": False, "vector_quant_dim": "out"}
        dtype = torch.bfloat16 if name == "residual" else torch.float16
        layer = vqlinear.VQuantLinear(**settings, dtype=dtype, enable_proxy_error=False)

        def centroids(of, count, length):
            of.weight.data = (0.05 * torch.randn(of.weight.shape[0], count * length, generator=generator)).to(dtype)
            return of.weight.view(-1, count, length)

        def indices(shape, count):
            return torch.randint(0, count, shape, generator=generator).to(torch.uint16)

        books = {"centroids": centroids(layer.centroids, main_shape[1], main_shape[0])}
        shape = (groups, layer.num_indices, layer.group_size)
        of_main, of_residual = indices(shape, main_shape[1]), None
        if residual:
            books["res_centroids"], of_residual = centroids(layer.res_centroids, residual, main_shape[0]), indices(shape, residual)
        if packed:
            layer.indices.data = pack.pack_index(of_main, int(math.log2(main_shape[1])), of_residual, int(math.log2(residual or 1)))
        else:
            layer.indices.data = of_main.view(torch.int16)
        if outlier_shape:
            books["outlier_centroids"] = centroids(layer.outlier_centroids, outlier_shape[1], outlier_shape[0])
            layer.outlier_indices.data = indices(layer.outlier_indices.shape, outlier_shape[1]).view(layer.outlier_indices.dtype)
        if ordered:
            order = torch.randperm(cols, generator=generator)
            layer.perm.data = order.to(torch.uint16).view(torch.int16) if packed else order
        if norm:
            layer.weight_scale.data = (1 + torch.randn(cols, generator=generator)).to(dtype)
            layer.weight_bias.data = (0.01 * torch.randn(cols, generator=generator)).to(dtype)
        # Where they are not packed, dequant() takes the order in 16 bits.
        expected[f"{name}.weight"] = ops.dequant(
            indices=layer.indices, outlier_indices=layer.outlier_indices, res_indices=None, outlier_centroids=books.get("outlier_centroids"),
            centroids=books["centroids"], res_centroids=books.get("res_centroids"),
            perm=layer.perm.to(torch.uint16) if ordered else None, weight_scale=layer.weight_scale, weight_bias=layer.weight_bias,
            is_indice_packed=packed, enable_outlier=bool(outlier_shape), enable_residual=bool(residual), enable_perm=ordered, enable_norm=norm,
            num_centroids=main_shape[1], num_outlier_centroids=settings["num_centroids"][0], num_res_centroids=settings["num_res_centroids"][1],
            padding=layer.padding, outlier_padding=layer.outlier_padding, num_codebooks=groups, group_size=layer.group_size,
            outlier_size=outliers, vector_len=main_shape[0], outlier_vector_len=settings["vector_lens"][0]).detach()
        tensors |= {f"{name}.{key}": value.detach() for key, value in layer.state_dict().items()}
        layers[name] = settings
    # As convert_idx_dtype() does; the last of the modules under the last part of its name alone.
    shared = {"words": layers.pop("words")}
    write("vptq", tensors, expected, {"quantization_config": {"quant_method": "vptq", "config_for_layers": layers, "shared_layer_config": shared}})


def vptq_written(folder):
    """What the package decodes the folder to that quern_packed_test wrote: copy that of QUERN_KEEP_WRITTEN to ROOT first."""
    ops, vqlinear, _ = vptq_modules(folder)
    at = ROOT / "vptq_written"
    tensors, config = load_file(at / "model.safetensors"), json.loads((at / "config.json").read_text())
    expected = {}
    for name, settings in config["quantization_config"]["config_for_layers"].items():
        layer = vqlinear.VQuantLinear(**settings, dtype=torch.float32, enable_proxy_error=False)
        layer.load_state_dict({key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")})
        books = {"centroids": layer.centroids.weight.view(1, layer.num_centroids, layer.vector_len), "res_centroids": None, "outlier_centroids": None}
        if layer.enable_residual:
            books["res_centroids"] = layer.res_centroids.weight
        if layer.enable_outlier:
            books["outlier_centroids"] = layer.outlier_centroids.weight
        expected[f"{name}.weight"] = ops.dequant(
            indices=layer.indices, **books, outlier_indices=layer.outlier_indices, res_indices=None, perm=layer.perm if layer.enable_perm else None,
            weight_scale=None, weight_bias=None, is_indice_packed=True, enable_outlier=layer.enable_outlier, enable_residual=layer.enable_residual,
            enable_perm=layer.enable_perm, enable_norm=False, num_centroids=layer.num_centroids, num_outlier_centroids=layer.num_outlier_centroids,
            num_res_centroids=layer.num_res_centroids, padding=layer.padding, outlier_padding=layer.outlier_padding, num_codebooks=1,
            group_size=layer.group_size, outlier_size=layer.outlier_size, vector_len=layer.vector_len,
            outlier_vector_len=layer.outlier_vector_len).detach()
    save_file({key: value.contiguous().clone() for key, value in expected.items()}, at / "expected.safetensors")


def main():
    sources, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    if not names:
        for fixture in ROOT.iterdir():
            if fixture.name != "vptq_written":
                shutil.rmtree(fixture)
        gptq(1, "gptq", GPTQ_MODULES)
        gptq(2, "gptq_v2", GPTQ_MODULES)
        gptq(1, "gptq_asymmetric", [("affine", 4, False, False), ("eight", 8, False, False), ("two", 2, False, False)])
        gptq(2, "gptq_v2_asymmetric", [("affine", 4, False, False), ("three", 3, False, False)])
        gptq(1, "gptq_bin", GPTQ_MODULES[:1], binary=True)
    for of_folder in (auto_gptq, awq, awq_gemv, vptq, vptq_written):
        if not names or of_folder.__name__ in names:
            of_folder(sources)
    for of_package in (fp8, compressed_tensors, modelopt, bitsandbytes, hqq, quanto, torchao, mlx, gpt_oss, bitnet, bitnet_online):
        if not names or of_package.__name__ in names:
            of_package()


if __name__ == "__main__":
    main()
