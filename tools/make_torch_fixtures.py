#!/usr/bin/env python3
"""Writes testdata/format/torch: small files as torch itself saves them, and with them what torch reads there (NAME.json:
shape, type and, as hexadecimal numbers, values of each tensor), which the reader must read exactly.

Needs: torch. Usage: make_torch_fixtures.py [FOLDER]
"""
import argparse
import collections
import io
import json
import pathlib
import sys
import warnings
import zipfile

import torch

warnings.filterwarnings("ignore")


def table(tensors):
    """What a reader must find, by name."""
    found = {}
    for name, tensor in tensors.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        if tensor.is_quantized:
            dtype, tensor = "float32", tensor.dequantize()
        data = tensor.detach().contiguous().reshape(-1).view(torch.uint8) if tensor.numel() else torch.empty(0, dtype=torch.uint8)
        found[name] = {"shape": list(tensor.shape), "dtype": dtype, "bytes": bytes(data.tolist()).hex()}
    return found


def save(folder, name, value, tensors, **options):
    torch.save(value, folder / name, **options)
    (folder / (name + ".json")).write_text(json.dumps(table(tensors), indent=1) + "\n")


def ramp(*shape):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float32) - count / 2).reshape(shape) / 4


def views():
    """Storages that are shared, begun in the middle, transposed, spread and read backwards in blocks."""
    base = ramp(6, 8)
    return {"whole": base, "rows": base[2:4], "columns": base[:, 3:5], "transposed": base.t(), "every.third": base.flatten()[::3],
            "spread": ramp(4, 1).expand(4, 3), "permuted": ramp(2, 3, 4).permute(2, 0, 1), "one": base[5, 7], "empty": base[:0],
            "unit": ramp(5, 1, 2).as_strided((5, 1, 2), (2, 0, 1))}


def types():
    names = ["float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
             "float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64"]
    return {name: torch.arange(6, dtype=torch.float32).reshape(2, 3).to(getattr(torch, name)) for name in names}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 3)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(3, 3), torch.nn.LayerNorm(3)])
        self.register_buffer("table", ramp(2, 2))

    def forward(self, x):
        return self.blocks[1](self.blocks[0](self.first(x)))


class Hostile:
    """What would create a file if anything of the pickle were called."""

    def __reduce__(self):
        import os
        return os.system, ("touch quern-was-called",)


def training(net):
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    wrapped = collections.OrderedDict(("module." + key, value) for key, value in net.state_dict().items())
    return {"epoch": 7, "loss": 0.5, "note": "caf\u00e9", "model_state_dict": wrapped, "optimizer_state_dict": optimizer.state_dict(),
            "ema": {"shadow": torch.ones(3)}, "args": argparse.Namespace(hidden=3, layers=[1, 2], rate=1e-3), "hostile": Hostile()}


def script(path, net):
    """Without the entries that say where the source lies."""
    whole = io.BytesIO()
    torch.jit.save(torch.jit.trace(net.eval(), torch.ones(1, 4)), whole)
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(path, "w") as out:
        for info in archive.infolist():
            if not info.filename.endswith(".debug_pkl"):
                out.writestr(zipfile.ZipInfo("script/" + info.filename.split("/", 1)[1]), archive.read(info), info.compress_type)


def folder_of_shards(folder, tensors):
    folder.mkdir(exist_ok=True)
    names, weight_map = sorted(tensors), {}
    for i, part in enumerate([names[:2], names[2:]]):
        name = f"pytorch_model-{i + 1:05}-of-00002.bin"
        torch.save({key: tensors[key] for key in part}, folder / name)
        weight_map |= {key: name for key in part}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}, indent=1) + "\n")
    (folder / "config.json").write_text('{"model_type": "toy"}\n')
    (folder / "expected.json").write_text(json.dumps(table(tensors), indent=1) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "testdata/format") / "torch"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    save(folder, "views.pt", views(), views())
    save(folder, "types.pt", types(), types())
    legacy = {"_use_new_zipfile_serialization": False}
    save(folder, "views_legacy.th", views(), views(), **legacy)
    for protocol in (3, 4, 5):
        save(folder, f"protocol{protocol}.pt", {"a": ramp(2, 3)}, {"a": ramp(2, 3)}, pickle_protocol=protocol)
    net = Net()
    save(folder, "training.pt", training(net), net.state_dict())
    save(folder, "training_legacy.th", training(net), net.state_dict(), **legacy)
    compiled = collections.OrderedDict(("_orig_mod." + key, value) for key, value in net.state_dict().items())
    save(folder, "compiled.pt", {"model": {"state_dict": compiled}}, net.state_dict())
    save(folder, "module.pt", net, net.state_dict())
    parameters = {"p": torch.nn.Parameter(ramp(2, 2)), "inner": {"q": [ramp(1), ramp(2)]}}
    save(folder, "parameters.pt", parameters, {"p": ramp(2, 2), "inner.q.0": ramp(1), "inner.q.1": ramp(2)})
    integers = torch.quantize_per_tensor(ramp(3, 4), 0.05, 3, torch.qint8)
    save(folder, "quantized.pt", {"layer._packed_params._packed_params": (integers, ramp(3)), "layer.scale": torch.tensor(0.5)},
         {"layer.weight": integers, "layer.bias": ramp(3), "layer.scale": torch.tensor(0.5)})
    script(folder / "script.pt", net)
    (folder / "script.pt.json").write_text(json.dumps(table(net.state_dict()), indent=1) + "\n")
    folder_of_shards(folder / "sharded", {"a": ramp(2, 3), "b": ramp(4).half(), "c": ramp(2, 2).bfloat16()})


if __name__ == "__main__":
    main()
