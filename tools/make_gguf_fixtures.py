#!/usr/bin/env python3
"""What llama.cpp's own converter makes of Qwen3, GPT-2, Mamba and Mixtral.

Writes under testdata/model for each of tiny-{qwen3,gpt2,mamba,mixtral}:
  NAME/             config.json, model.safetensors, tokenizer, golden.json (logits by transformers in float32) and for
                    the byte-level tokenizers golden_ids.json (ids of a few texts by tokenizers)
  NAME.gguf         in float32
  conversions.json  keys, their types and values, tensors and their types in the order of the file, for float32, float16
                    and bfloat16, and for the reference models in bfloat16
Options are away from their defaults as far as llama.cpp follows them; testdata/runtime has models with the others.

usage: make_gguf_fixtures.py LLAMA_CPP [REFERENCE_FOLDER]     needs torch, transformers, tokenizers, gguf; LLAMA_CPP
is a source tree with convert_hf_to_gguf.py
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import gguf
import tokenizers
import torch
import transformers

import make_architecture_fixtures as architecture
from make_golden_logits import ROOT, write_golden

OUT = ROOT / "testdata" / "model"
ALPHABET = 256
MERGES = 30
# Split of Qwen2's tokenizer.json
QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PRE_TOKENIZERS = {"qwen2": [tokenizers.pre_tokenizers.Split(tokenizers.Regex(QWEN_SPLIT), "isolated"),
                            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
                  "gpt-2": [tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)]}
BYTE_LEVEL_VOCABULARY = ALPHABET + MERGES + 2  # with the special tokens
TEXTS = ["", " ", "Hello, world!", "  two  spaces  ", "line\nline\r\n\r\n  end\n", "don't I'LL we've", "3.14159 1,000 12345",
         "caf\u00e9 na\u00efve", "\u65e5\u672c\u8a9e", "\U0001f600 \u200d", "\ttab\t\tx", "a<|endoftext|>b", "the the The THE",
         "x = foo(bar)[0]; // ok", "\u0627\u0644\u0639", "\u00a0\u3000wide", "\u0001\u007f\u0000"]
SENTENCEPIECE_VOCABULARY = 400  # of testdata/text/bpe.model

QWEN3 = {**architecture.QWEN3, "num_hidden_layers": 2, "attention_bias": False, "use_sliding_window": False,
         "vocab_size": BYTE_LEVEL_VOCABULARY}
GPT2 = {**architecture.GPT2, "n_layer": 2, "n_inner": None, "scale_attn_by_inverse_layer_idx": False,
        "vocab_size": BYTE_LEVEL_VOCABULARY, "n_ctx": 128}
MAMBA = {**architecture.MAMBA, "num_hidden_layers": 2, "expand": 2, "use_bias": False, "vocab_size": SENTENCEPIECE_VOCABULARY}
MIXTRAL = {**architecture.MIXTRAL, "num_hidden_layers": 2, "intermediate_size": 32, "sliding_window": None,
           "vocab_size": SENTENCEPIECE_VOCABULARY}
MODELS = {  # classes, settings, seed, dtype, gain, tokenizer class and pre-tokenizer of llama.cpp
    "tiny-qwen3": ((transformers.Qwen3Config, transformers.Qwen3ForCausalLM), QWEN3, 31, torch.bfloat16, 1.5,
                   ("Qwen2Tokenizer", "qwen2")),
    "tiny-gpt2": ((transformers.GPT2Config, transformers.GPT2LMHeadModel), GPT2, 32, torch.float16, 1.5,
                  ("GPT2Tokenizer", "gpt-2")),
    "tiny-mamba": ((transformers.MambaConfig, transformers.MambaForCausalLM), MAMBA, 33, torch.float16, 1.0, None),
    "tiny-mixtral": ((transformers.MixtralConfig, transformers.MixtralForCausalLM), MIXTRAL, 34, torch.bfloat16, 1.5, None),
}


def train_byte_level(folder, kind, pre_tokenizer):
    """tokenizer.json as published models of this kind have it: byte-level BPE behind their own splitting."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(PRE_TOKENIZERS[pre_tokenizer])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=ALPHABET + MERGES, show_progress=False,
                                             initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    lines = (ROOT / "texts" / "calib.txt").read_text().splitlines()
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    golden = [{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS]
    (folder / "golden_ids.json").write_text(json.dumps(golden, indent=1) + "\n")
    settings = {"tokenizer_class": kind, "eos_token": "<|endoftext|>", "add_prefix_space": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")


def write_source(name, kind, settings, seed, dtype, gain, tokenizer):
    folder = OUT / name
    model = architecture.save(folder, architecture.tiny(kind, settings, seed, gain), dtype)
    write_golden(folder / "golden.json", architecture.golden_cases(model, step=16))
    if tokenizer:
        train_byte_level(folder, *tokenizer)
    else:
        shutil.copyfile(ROOT / "testdata" / "text" / "bpe.model", folder / "tokenizer.model")
    return folder


def convert(llama_cpp, folder, out, outtype, pre_tokenizer=""):
    script = pathlib.Path(__file__).parent / "convert_with_llama_cpp.py"
    subprocess.run([sys.executable, str(script), llama_cpp, str(folder), str(out), outtype, pre_tokenizer], check=True)


def described(field):
    if field.types[0] == gguf.GGUFValueType.ARRAY:
        return {"type": "ARRAY", "of": field.types[1].name, "count": len(field.data)}
    return {"type": field.types[0].name, "value": field.contents()}


def contents(path):
    reader = gguf.GGUFReader(path)
    return {
        "keys": [{"key": key, **described(field)} for key, field in reader.fields.items() if not key.startswith("GGUF.")],
        "tensors": [[tensor.name, [int(n) for n in tensor.shape], tensor.tensor_type.name] for tensor in reader.tensors],
    }


def listed(conversions):
    """One key or tensor a line."""
    lines = []
    for name, kinds in conversions.items():
        types = [f'  {json.dumps(kind)}: {{\n' + ",\n".join(
            f'   "{part}": [\n' + ",\n".join(f"    {json.dumps(item)}" for item in items) + "\n   ]"
            for part, items in file.items()) + "\n  }" for kind, file in kinds.items()]
        lines.append(f' {json.dumps(name)}: {{\n' + ",\n".join(types) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    llama_cpp = sys.argv[1]
    references = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / ".." / "shared" / "reference"
    transformers.logging.set_verbosity_error()
    conversions = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, model in MODELS.items():
            folder, pre_tokenizer = write_source(name, *model), model[-1][1] if model[-1] else ""
            convert(llama_cpp, folder, OUT / f"{name}.gguf", "f32", pre_tokenizer)
            conversions[name] = {"f32": contents(OUT / f"{name}.gguf")}
            for outtype in ("f16", "bf16"):
                convert(llama_cpp, folder, pathlib.Path(scratch) / "out.gguf", outtype, pre_tokenizer)
                conversions[name][outtype] = contents(pathlib.Path(scratch) / "out.gguf")
        for name in ("mamba-8m", "mixtral-moe15m"):
            convert(llama_cpp, references / name, pathlib.Path(scratch) / "out.gguf", "bf16")
            conversions[name] = {"bf16": contents(pathlib.Path(scratch) / "out.gguf")}
    (OUT / "conversions.json").write_text(listed(conversions))


if __name__ == "__main__":
    main()
