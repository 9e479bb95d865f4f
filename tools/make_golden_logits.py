#!/usr/bin/env python3
"""Golden logits by transformers (float32, eager attention) for the tests of src/runtime.

Writes under testdata/runtime:
  tiny-*/        tiny seeded models (config.json, model.safetensors) with their golden.json
  tiny-q8_0/     the same in a GGUF file of Q8_0, golden.json from its dequantized weights
  NAME.json      logits of the reference models of ../shared/reference, at a few positions and vocabulary ids

usage: make_golden_logits.py [REFERENCE_FOLDER]        needs torch, transformers, gguf, safetensors
"""

import json
import pathlib
import random
import sys

import gguf
import numpy
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "testdata" / "runtime"
SAMPLED_IDS = 512


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].double()


def sequence(seed, length, vocab):
    """BOS and seeded random ids."""
    rng = random.Random(seed)
    return [1] + [rng.randrange(3, vocab) for _ in range(length - 1)]


def case(model, ids, positions, sampled):
    logits = logits_of(model, ids)[positions]
    return {
        "ids": ids,
        "positions": positions,
        "vocabulary_ids": sampled,
        "logits": [[float(f"{x:.6g}") for x in row] for row in logits[:, sampled].tolist()],
        "logsumexp": [float(f"{x:.8g}") for x in logits.logsumexp(-1).tolist()],
        "largest": float(f"{logits.abs().max():.6g}"),
    }


def write_golden(path, cases):
    path.write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")


def as_float32(model):
    model = model.float().eval()
    model.config._attn_implementation = "eager"
    return model


# The paths of transformers that run without any kernel: attention written out, one expert after the other. (Mamba takes
# its sequential scan wherever neither of its CUDA packages is installed.)
PLAIN_PATHS = {"llama": {"attn_implementation": "eager"},
               "mixtral": {"attn_implementation": "eager", "experts_implementation": "eager"},
               "mamba": {}}
# seed, length and positions of each sequence
SEQUENCES = [(1, 64, [0, 1, 31, 63]), (2, 512, [300, 511])]
LONG_SEQUENCE = (4, 1000, [700, 999])
REFERENCES = {"llama-3m": SEQUENCES, "llama-7m": SEQUENCES, "llama-30m": SEQUENCES,
              "mamba-8m": [*SEQUENCES, LONG_SEQUENCE], "mixtral-moe15m": [*SEQUENCES, LONG_SEQUENCE]}


def reference_goldens(folder):
    for name, sequences in REFERENCES.items():
        model = transformers.AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32,
                                                                  **PLAIN_PATHS[name.split("-")[0]]).eval()
        vocab = model.config.vocab_size
        sampled = sorted(random.Random(7).sample(range(vocab), SAMPLED_IDS))
        write_golden(OUT / f"{name}.json", [case(model, sequence(seed, length, vocab), positions, sampled)
                                            for seed, length, positions in sequences])


def randomize(model, seed):
    """Weights large enough that positions, biases and masks move the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if name.endswith("bias"):
            weight.data = 0.5 * noise
        elif "norm" in name:
            weight.data = 1 + 0.2 * noise
        else:
            weight.data = noise * (1.5 / weight.shape[-1] ** 0.5)


def tiny_model(kind, seed, **settings):
    config = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
              "intermediate_size": 96, "vocab_size": 96, "rms_norm_eps": 1e-5, "max_position_embeddings": 256,
              "bos_token_id": 1, "eos_token_id": 2, **settings}
    model = kind[1](kind[0](**config, attn_implementation="eager"))
    randomize(model, seed)
    return model


def all_positions(model, ids, step):
    return case(model, ids, list(range(0, len(ids), step)), list(range(model.config.vocab_size)))


def write_tiny(name, model, dtype, classic_rope=None):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    model = model.to(dtype)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("transformers_version", None)
    if classic_rope is not None:  # as transformers 4 wrote it
        config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
        config["rope_scaling"] = classic_rope
        config["torch_dtype"] = config.pop("dtype")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    # Read back: the rotary frequencies of `model` were rounded to its dtype together with its weights.
    stored = as_float32(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                                          attn_implementation="eager"))
    write_golden(folder / "golden.json", [all_positions(stored, sequence(3, 96, stored.config.vocab_size), 8)])


def tiny_models():
    llama = (transformers.LlamaConfig, transformers.LlamaForCausalLM)
    mistral = (transformers.MistralConfig, transformers.MistralForCausalLM)
    llama3 = {"rope_type": "llama3", "rope_theta": 1000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 32}
    write_tiny("tiny-llama-bias", tiny_model(llama, 11, attention_bias=True, tie_word_embeddings=False,
                                             rope_parameters=llama3), torch.bfloat16)
    linear = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
    write_tiny("tiny-llama-linear", tiny_model(llama, 12, tie_word_embeddings=True, rope_parameters=linear), torch.float16,
               classic_rope={"type": "linear", "factor": 4.0})
    write_tiny("tiny-mistral", tiny_model(mistral, 13, tie_word_embeddings=False, sliding_window=24), torch.float32)


def neighbours(weight, heads):
    """Rows of q or k in the order that GGUF's llama pairs for rotary positions."""
    rows, cols = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def halves(weight, heads):
    rows, cols = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, cols).swapaxes(1, 2).reshape(rows, cols)


GGUF_NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def gguf_name(name):
    if name.startswith("model.layers."):
        _, _, layer, rest = name.split(".", 3)
        return f"blk.{layer}.{GGUF_NAMES[rest.removesuffix('.weight')]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
            "lm_head.weight": "output.weight"}[name]


def tiny_gguf():
    model = tiny_model((transformers.LlamaConfig, transformers.LlamaForCausalLM), 14, tie_word_embeddings=False)
    config = model.config
    folder = OUT / "tiny-q8_0"
    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        if values.ndim == 1:
            writer.add_tensor(gguf_name(name), values)
            continue
        heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}.get(name.split(".")[-2].removesuffix("_proj"))
        stored = neighbours(values, heads) if heads else values
        packed = gguf.quants.quantize(numpy.ascontiguousarray(stored), gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(gguf_name(name), packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        read_back = gguf.quants.dequantize(packed, gguf.GGMLQuantizationType.Q8_0)
        weight.data = torch.from_numpy(numpy.ascontiguousarray(halves(read_back, heads) if heads else read_back))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    write_golden(folder / "golden.json", [all_positions(as_float32(model), sequence(3, 96, config.vocab_size), 8)])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    tiny_models()
    tiny_gguf()
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".." / "shared" / "reference"
    if folder.exists():
        reference_goldens(folder)


if __name__ == "__main__":
    main()
