#!/usr/bin/env python3
"""Makes testdata/model/golden.json with transformers (5) and the gguf package: configurations and tensor shapes of tiny
models as save_pretrained writes them, rotary frequencies, the divisors and the row order that convert_hf_to_gguf uses,
and tensor names in GGUF.

Usage: tools/make_model_fixtures.py
"""
import json
import pathlib
import tempfile

import gguf
import numpy
import safetensors
import torch
import transformers
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
             vocab_size=64)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
ROPES = {
    "plain": dict(head_dim=64, theta=10000.0, scaling={"rope_type": "default"}),
    "large_base": dict(head_dim=128, theta=1000000.0, scaling={"rope_type": "default"}),
    "linear": dict(head_dim=32, theta=10000.0, scaling={"rope_type": "linear", "factor": 4.0}),
    "llama3": dict(head_dim=128, theta=500000.0, scaling=LLAMA3),
    "llama3_1b": dict(head_dim=64, theta=500000.0, scaling={**LLAMA3, "factor": 32.0}),
}


def saved(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        with safetensors.safe_open(str(pathlib.Path(folder) / "model.safetensors"), "pt") as file:
            tensors = {name: list(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
    return {"config": config, "tensors": tensors}


def models():
    llama, mistral = transformers.LlamaConfig, transformers.MistralConfig
    biased = llama(**SMALL, attention_bias=True, mlp_bias=True, max_position_embeddings=16384,
                   rope_parameters={**LLAMA3, "rope_theta": 500000.0})
    return {
        "llama_tied": saved(transformers.LlamaForCausalLM(llama(**SMALL, tie_word_embeddings=True))),
        "llama_biased_llama3": saved(transformers.LlamaForCausalLM(biased)),
        "mistral_window": saved(transformers.MistralForCausalLM(mistral(**SMALL, head_dim=16, sliding_window=24))),
        "mistral_whole": saved(transformers.MistralForCausalLM(mistral(**SMALL, sliding_window=None))),
    }


def rope(head_dim, theta, scaling):
    config = transformers.LlamaConfig(hidden_size=head_dim, num_attention_heads=1, max_position_embeddings=16384,
                                      rope_parameters={**scaling, "rope_theta": theta})
    scaled = LlamaRotaryEmbedding(config).inv_freq.double()
    plain = 1.0 / theta ** (torch.arange(0, head_dim, 2).double() / head_dim)
    return {"head_dim": head_dim, "theta": theta, "scaling": scaling, "inverse_frequencies": scaled.tolist(),
            "divisors": (plain / scaled).tolist()}


def row_order(heads, head_dim):
    """The permutation of convert_hf_to_gguf's LlamaModel.permute, applied to the row numbers."""
    rows = numpy.arange(heads * head_dim)
    return rows.reshape(heads, 2, head_dim // 2).swapaxes(1, 2).reshape(-1).tolist()


def gguf_names(tensors, layers):
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    return {name: names.get_name(name, try_suffixes=(".weight", ".bias")) for name in tensors}


def main():
    described = models()
    golden = {
        "models": described,
        "ropes": {name: rope(**case) for name, case in ROPES.items()},
        "row_orders": [{"heads": h, "head_dim": d, "rows": row_order(h, d)} for h, d in ((4, 8), (2, 8))],
        "gguf_names": gguf_names(described["llama_biased_llama3"]["tensors"], SMALL["num_hidden_layers"]),
    }
    folder = ROOT / "testdata" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
