#!/usr/bin/env python3
"""Tiny seeded models of Qwen3, GPT-2, Mamba, Mixtral and BitNet by transformers (5.23), options away from their defaults.

Writes under testdata/runtime for each of tiny-{qwen3,gpt2,gpt2-unscaled,mamba,mixtral,bitnet}: config.json, model.safetensors, golden.json
(logits by transformers in float32) and options.json (each option, its value, and how far the logits move, as a share
of the largest of them, where it is switched off). tiny-mixtral-stacked holds the weights of tiny-mixtral in the
spelling that save_pretrained(save_original_format=False) writes: all experts of a layer in one tensor.

usage: make_architecture_fixtures.py        needs torch, transformers, gguf, safetensors
"""

import copy
import json
import math
import re

import torch
import transformers

from make_golden_logits import OUT, PLAIN_PATHS, all_positions, logits_of, sequence, write_golden

LENGTH = 96  # of the golden sequence
TOKENS = {"bos_token_id": 1, "eos_token_id": 2}

QWEN3 = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
         "intermediate_size": 80, "vocab_size": 120, "max_position_embeddings": 256, "rms_norm_eps": 0.05,
         "attention_bias": True, "tie_word_embeddings": True, "use_sliding_window": True, "sliding_window": 12,
         "max_window_layers": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_inner": 80, "n_positions": 128, "vocab_size": 120,
        "layer_norm_epsilon": 0.05, "scale_attn_by_inverse_layer_idx": True, "activation_function": "gelu_new",
        "tie_word_embeddings": True}
GPT2_UNSCALED = GPT2 | {"n_layer": 2, "scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": False}
MAMBA = {"hidden_size": 32, "num_hidden_layers": 3, "expand": 3, "state_size": 8, "conv_kernel": 3, "time_step_rank": 5,
         "vocab_size": 120, "use_bias": True, "use_conv_bias": True, "layer_norm_epsilon": 0.05,
         "tie_word_embeddings": False}
MIXTRAL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12,
           "intermediate_size": 40, "vocab_size": 120, "max_position_embeddings": 256, "rms_norm_eps": 0.05,
           "num_local_experts": 5, "num_experts_per_tok": 3, "sliding_window": 16, "tie_word_embeddings": False,
           "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
BITNET = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
          "intermediate_size": 80, "vocab_size": 120, "max_position_embeddings": 256, "rms_norm_eps": 0.05,
          "hidden_act": "relu2", "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}


def edit(pattern, change):
    """Switches an option off by changing the weights whose names match."""
    def off(model):
        for name, weight in model.named_parameters():
            if re.search(pattern, name):
                weight.data = change(weight.data)
        return model
    return off


def configure(**settings):
    """Switches an option off in the configuration; weights that have no place any more are left out."""
    def off(model):
        config = copy.deepcopy(model.config)
        for name, value in settings.items():
            setattr(config, name, value)
        changed = type(model)(config).eval()
        room = changed.state_dict()
        kept = {name: weight for name, weight in model.state_dict().items() if name in room}
        changed.load_state_dict({**room, **kept})
        changed.tie_weights()
        return changed
    return off


DEFAULT_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
FULL = {"layer_types": ["full_attention"] * 3, "sliding_window": None}
NO_BIAS, NO_GAIN = torch.zeros_like, torch.ones_like

OFF = {
    "tiny-qwen3": {"attention_bias": configure(attention_bias=False), "rope_theta": configure(rope_parameters=DEFAULT_ROPE),
                   "bias of q, k and v": edit(r"[qkv]_proj\.bias", NO_BIAS), "bias of o": edit(r"o_proj\.bias", NO_BIAS),
                   "q_norm": edit("q_norm", NO_GAIN), "k_norm": edit("k_norm", NO_GAIN),
                   "use_sliding_window": configure(**FULL), "sliding_window + 1": configure(sliding_window=13),
                   "max_window_layers": configure(layer_types=["sliding_attention"] * 3),
                   "rms_norm_eps": configure(rms_norm_eps=1e-6)},
    "tiny-gpt2": {"scale_attn_by_inverse_layer_idx": configure(scale_attn_by_inverse_layer_idx=False),
                  "layer_norm_epsilon": configure(layer_norm_epsilon=1e-5),
                  "activation_function": configure(activation_function="relu"),
                  "activation_function, exact gelu": configure(activation_function="gelu"),
                  "position table": edit("wpe", torch.zeros_like), "c_attn.bias": edit(r"c_attn\.bias", NO_BIAS),
                  "attn.c_proj.bias": edit(r"attn\.c_proj\.bias", NO_BIAS), "c_fc.bias": edit(r"c_fc\.bias", NO_BIAS),
                  "mlp.c_proj.bias": edit(r"mlp\.c_proj\.bias", NO_BIAS), "ln gains": edit(r"ln_\w\.weight", NO_GAIN),
                  "ln biases": edit(r"ln_\w\.bias", NO_BIAS)},
    "tiny-gpt2-unscaled": {"scale_attn_weights": configure(scale_attn_weights=True)},
    "tiny-mamba": {"use_bias": configure(use_bias=False), "bias of in_proj": edit(r"in_proj\.bias", NO_BIAS),
                   "bias of out_proj": edit(r"out_proj\.bias", NO_BIAS), "use_conv_bias": configure(use_conv_bias=False),
                   "bias of dt_proj": edit(r"dt_proj\.bias", NO_BIAS), "D": edit(r"\.D$", torch.zeros_like),
                   "conv_kernel": edit(r"conv1d\.weight", lambda w: w * torch.tensor([0.0, 1.0, 1.0])),
                   "state_size": edit("A_log", lambda w: w[:, :1].expand_as(w).contiguous()),
                   "layer_norm_epsilon": configure(layer_norm_epsilon=1e-5),
                   "tie_word_embeddings": configure(tie_word_embeddings=True)},
    "tiny-mixtral": {"num_experts_per_tok": configure(num_experts_per_tok=2), "sliding_window": configure(sliding_window=None),
                     "sliding_window + 1": configure(sliding_window=17),
                     "rope_theta": configure(rope_parameters=DEFAULT_ROPE), "rms_norm_eps": configure(rms_norm_eps=1e-5),
                     "router": edit(r"mlp\.gate\.weight", torch.zeros_like),
                     "tie_word_embeddings": configure(tie_word_embeddings=True)},
    "tiny-bitnet": {"hidden_act": configure(hidden_act="silu"), "attn_sub_norm": edit("attn_sub_norm", NO_GAIN),
                    "ffn_sub_norm": edit("ffn_sub_norm", NO_GAIN), "rms_norm_eps": configure(rms_norm_eps=1e-6),
                    "rope_theta": configure(rope_parameters=DEFAULT_ROPE)},
}


def randomize(model, seed, gain):
    """Weights large enough that every option moves the logits, and small enough that rounding does not: `gain` is the
    standard deviation of a matrix's output for inputs of deviation 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if name.endswith("A_log"):
            weight.data = torch.arange(1.0, weight.shape[1] + 1).log() + 0.3 * noise
        elif name.endswith("dt_proj.bias"):
            weight.data = noise - 1
        elif name.endswith("bias"):
            weight.data = 0.5 * noise
        elif re.search(r"norm|ln_\w|\.D$", name):
            weight.data = 1 + 0.3 * noise
        else:
            transposed = re.search(r"c_(attn|fc|proj)\.weight", name)
            inputs = weight.shape[0 if transposed else -1]
            weight.data = noise * ((2.5 if "gate.weight" in name or "head" in name else gain) / math.sqrt(inputs))


def tiny(kind, settings, seed, gain):
    config = kind[0](**settings, **TOKENS)
    model = kind[1](config).eval()
    randomize(model, seed, gain)
    return model


def save(folder, model, dtype, **format_of_names):
    folder.mkdir(parents=True, exist_ok=True)
    model.to(dtype).save_pretrained(folder, **format_of_names)
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    # Read back: rotary frequencies were rounded to `dtype` together with the weights.
    paths = PLAIN_PATHS.get(config["model_type"], PLAIN_PATHS["llama"])
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **paths).eval()


def golden_cases(model, step=8):
    return [all_positions(model, sequence(3, LENGTH, model.config.vocab_size), step)]


def movements(model, switches):
    """Largest difference of a logit where an option is switched off, as a share of the largest logit."""
    ids = sequence(3, LENGTH, model.config.vocab_size)
    right = logits_of(model, ids)[::8]
    return {name: float(f"{(logits_of(off(copy.deepcopy(model)), ids)[::8] - right).abs().max() / right.abs().max():.3g}")
            for name, off in switches.items()}


def write_tiny(name, kind, settings, seed, dtype, gain=1.5):
    folder = OUT / name
    model = save(folder, tiny(kind, settings, seed, gain), dtype)
    cases = golden_cases(model)
    write_golden(folder / "golden.json", cases)
    moved = movements(model, OFF[name])
    (folder / "options.json").write_text(json.dumps({"settings": settings, "moved_when_off": moved}, indent=1) + "\n")
    print(name, "largest logit", cases[0]["largest"], moved)
    return model, cases


def closest_routing(model, ids):
    """Smallest distance between the router's outputs of the last expert chosen and the first not chosen."""
    gaps = []
    for layer in model.model.layers:
        layer.mlp.gate.register_forward_hook(lambda _, __, out: gaps.append(
            out[0].sort(-1, descending=True)[0][:, model.config.num_experts_per_tok - 1:][:, :2]))
    logits_of(model, ids)
    return min((pair[:, 0] - pair[:, 1]).min().item() for pair in gaps)


def main():
    transformers.logging.set_verbosity_error()
    write_tiny("tiny-qwen3", (transformers.Qwen3Config, transformers.Qwen3ForCausalLM), QWEN3, 21, torch.bfloat16)
    write_tiny("tiny-gpt2", (transformers.GPT2Config, transformers.GPT2LMHeadModel), GPT2, 22, torch.float32)
    write_tiny("tiny-gpt2-unscaled", (transformers.GPT2Config, transformers.GPT2LMHeadModel), GPT2_UNSCALED, 25,
               torch.float32)
    write_tiny("tiny-mamba", (transformers.MambaConfig, transformers.MambaForCausalLM), MAMBA, 23, torch.float32,
               gain=1.0)
    mixtral, cases = write_tiny("tiny-mixtral", (transformers.MixtralConfig, transformers.MixtralForCausalLM), MIXTRAL, 24,
                                torch.bfloat16)
    print("tiny-mixtral closest routing", closest_routing(mixtral, cases[0]["ids"]))
    stacked = save(OUT / "tiny-mixtral-stacked", copy.deepcopy(mixtral), torch.bfloat16, save_original_format=False)
    assert golden_cases(stacked) == cases
    write_golden(OUT / "tiny-mixtral-stacked" / "golden.json", cases)
    write_tiny("tiny-bitnet", (transformers.BitNetConfig, transformers.BitNetForCausalLM), BITNET, 26, torch.bfloat16)


if __name__ == "__main__":
    main()
