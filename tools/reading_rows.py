"""The rows of the table of what is read: kinds of input, files of each, and the program that reads them as well.

The kinds are the names of `quern formats` and `quern layouts`, and those of what has no list; tests/cli/test_lists.py fails where a
name of these lists has no line in README.md.
"""

import array
import dataclasses
import os
import pathlib
import subprocess
import tempfile
import typing

import numpy as np

import reading_oracles as oracles

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED, TESTDATA = ROOT.parent / "shared", ROOT / "testdata"


def converted(quern, path, *options):
    """The weights that Quern reads, in 32-bit floats."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        done = subprocess.run([quern, "compress", path, "-o", out, "--scheme", "f32", "--format", "safetensors",
                               "--allow-larger", "--quiet", *options],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{path}: {done.stderr}")
        return oracles.safetensors(out)


def difference(wanted, read, path):
    """How many weights a file has, and the largest difference of one."""
    largest, count = 0.0, 0
    for name, values in wanted.items():
        if name not in read or read[name].shape != values.shape:
            raise RuntimeError(f"{path}: {name} {values.shape} is not read, or as {read[name].shape if name in read else 'nothing'}")
        if values.size:
            largest = max(largest, float(np.abs(read[name].astype("f8") - values.astype("f8")).max()))
        count += values.size
    if not count:
        raise RuntimeError(f"{path}: nothing was compared")
    return count, largest


def shown(path):
    """The name of a file without the folder that the project lies in."""
    path = pathlib.Path(os.path.abspath(path))
    return path.relative_to(ROOT if path.is_relative_to(ROOT) else ROOT.parent)


@dataclasses.dataclass
class Row:
    kinds: str  # "`gguf`", or several; of no other row
    what: str
    files: list  # paths or patterns below testdata/, or beside the project's folder where they begin with "shared/"
    oracle: typing.Callable  # of a path: {name: values}
    package: str = ""  # whose code the oracle runs
    recorded: str = ""  # or the program, with its version, that wrote down what it reads
    unit: str = "weights"

    def paths(self):
        found = []
        for name in self.files:
            top, pattern = (SHARED, name.removeprefix("shared/")) if name.startswith("shared/") else (TESTDATA, name)
            found += sorted(top.glob(pattern)) or [top / pattern]
        return found

    def compare(self, path, quern):
        """How many weights were compared, and the largest difference."""
        return difference(self.oracle(path), converted(quern, path), path)

    def measure(self, quern):
        """[(file, how many weights were compared, the largest difference)]; None where a file or the package is absent."""
        paths = self.paths()
        if not all(path.exists() for path in paths) or self.package and not oracles.is_installed(self.package):
            return None
        return [(shown(path), *self.compare(path, quern)) for path in paths]


class GgufTypesRow(Row):
    """A file for each type of tensor whose blocks the package decodes, with random blocks of finite values."""

    def measure(self, quern):
        if not oracles.is_installed(self.package):
            return None
        found = super().measure(quern)
        for name, write in oracles.gguf_types():
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "model.gguf"
                write(path)
                found.append((f"{name}, random blocks", *difference(oracles.gguf_embedding(path), converted(quern, path), path)))
        return found


class NpzRow(Row):
    def compare(self, path, quern):
        beyond = "t_float64"  # numbers of 64 bits that 32 do not hold
        wanted = {name: values for name, values in self.oracle(path).items() if name != beyond}
        return difference(wanted, converted(quern, path, "--drop", beyond), path)


class AdapterRow(Row):
    def compare(self, path, quern):
        return difference(self.oracle(path), converted(quern, oracles.base_of(path), "--adapter", path), path)


class TokenizerRow(Row):
    """The oracle gives a text, what separates its parts, and the ids of each part."""

    def compare(self, path, quern):
        text, separator, wanted = self.oracle(path)
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            program = quern.parent / "tests/tokens/print_tokens"
            done = subprocess.run([program, path, file.name, *separator], capture_output=True, check=True)
        ids = array.array("i", done.stdout).tolist()
        return len(wanted), float(abs(len(ids) - len(wanted)) + sum(a != b for a, b in zip(ids, wanted)))


ROWS = [
    Row("`safetensors`", "a file or shards; F32, F16, BF16",
        ["format/sharded", "runtime/tiny-mixtral", "shared/reference/*/model.safetensors", "shared/real/*/*.safetensors"],
        oracles.safetensors, package="safetensors"),
    Row("`pytorch`", "`.pt`, `.th`, TorchScript, `pytorch_model.bin` and its shards",
        ["format/torch/parameters.pt", "format/torch/protocol3.pt", "format/torch/quantized.pt",
         "format/torch/script.pt", "format/torch/types.pt", "format/torch/views.pt", "format/torch/views_legacy.th", "format/torch/sharded",
         "shared/real/tinystories-gru/*[!8].pt", "shared/real/*/*.th", "shared/real/*/*.jit", "shared/real/tinypellm/pytorch_model.bin"],
        oracles.torch, package="torch"),
    NpzRow("`npz`", "arrays of NumPy", ["format/npz/all.npz", "format/npz/deflated.npz"], oracles.numpy, package="numpy"),
    GgufTypesRow("`gguf`", "26 types of tensor, models of llama.cpp's converter", ["model/tiny-gpt2.gguf", "model/tiny-mixtral.gguf", "model/tiny-qwen3.gguf"],
                 oracles.source_of_gguf, package="gguf"),
    Row("`llama2c`", "layouts 0, 1 and 2", ["format/llama2c/*.bin", "shared/real/stories260K/stories260K.bin"], oracles.llama2c,
        recorded="llama2.c's export.py"),
    Row("`gptq`", "versions 1 and 2; 2, 3, 4, 8 bits, act-order, asymmetric", ["packed/gptq", "packed/gptq_*", "packed/auto_gptq"],
        oracles.beside, recorded="gptqmodel 7.7, auto-gptq 0.7.1"),
    Row("`awq`", "gemm, 4 bits", ["packed/awq"], oracles.beside, recorded="autoawq 0.2.9"),
    Row("`awq-gemv`, `marlin`", "gemv, gemv_fast, Marlin; 4 bits", ["packed/awq_gemv"], oracles.beside,
        recorded="the formula of autoawq 0.2.9's kernels"),
    Row("`hqq`", "1 to 8 bits", ["packed/hqq"], oracles.beside, recorded="hqq 0.2.8"),
    Row("`quanto`", "INT8, FP8", ["packed/quanto"], oracles.beside, recorded="optimum-quanto 0.2.7"),
    Row("`compressed-tensors`", "packed integers", ["packed/pack_quantized", "packed/pack_quantized_tensor"], oracles.beside, recorded="compressed-tensors 0.20"),
    Row("`bitsandbytes`, `bitsandbytes-4bit`, `bitsandbytes-int8`", "NF4, FP4, nested scales, LLM.int8", ["packed/bitsandbytes"],
        oracles.beside, recorded="bitsandbytes 0.50"),
    Row("`fp4`", "NVFP4, MXFP4", ["packed/microscaling", "packed/modelopt"], oracles.beside,
        recorded="compressed-tensors 0.20, ModelOpt's formula"),
    Row("`gpt-oss`", "MXFP4 experts", ["packed/gpt_oss"], oracles.beside, recorded="transformers 5.24"),
    Row("`mlx`", "2 to 8 bits, mxfp4, mxfp8, nvfp4", ["packed/mlx"], oracles.beside, recorded="mlx 0.32"),
    Row("`vptq`, `vptq-package`", "vectors, residuals, outliers, norms, orders", ["packed/vptq"], oracles.beside, recorded="vptq 0.0.5"),
    Row("`bitnet`", "ternary weights, and weights that become so", ["packed/bitnet", "packed/bitnet_online"], oracles.beside, recorded="transformers 5.24"),
    Row("`scaled`", "FP8 and INT8 under a scale a row, group, block or tensor", ["packed/fp8_block", "packed/naive_quantized"],
        oracles.beside, recorded="transformers 5.24, compressed-tensors 0.20"),
    Row("`tuples`", "INT8 and a scale", ["shared/real/tinystories-gru/tinystoriesgru-0.2M-int8.pt"], oracles.torch, package="torch"),
    AdapterRow("an adapter", "LoRA, DoRA, rsLoRA", ["adapter/*"], oracles.merged, recorded="peft 0.19.1"),
    TokenizerRow("`tokenizer.json`", "BPE, Unigram, WordPiece, words", ["text/*.tokenizer.json", "text/pipelines/[bw]*_*.json", "text/pipelines/unigram_*.json"],
                 oracles.ids_of_tokenizers, package="tokenizers", unit="ids"),
    TokenizerRow("`tokenizer.model`", "BPE of sentencepiece", ["../models/llama-7m"], oracles.ids_of_sentencepiece, package="sentencepiece",
                 unit="ids"),
    TokenizerRow("GGUF's vocabulary", "llama, gpt2 and bert", ["shared/real/vocabs/*[!x].gguf"], oracles.ids_of_llama_cpp,
                 recorded="llama.cpp", unit="ids"),
]
