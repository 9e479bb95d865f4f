"""A BitNet of one layer with weights of -s, 0 and s, wide enough for the formats that have these."""

import array
import random

import tiny_llama

HIDDEN, KEYS, VOCAB = 256, 128, 400
SCALE = 0.046875  # binary16 holds it
CONFIG = {"architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_size": HIDDEN, "intermediate_size": HIDDEN,
          "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": VOCAB, "rms_norm_eps": 1e-5,
          "rope_theta": 10000.0, "hidden_act": "relu2", "max_position_embeddings": 256, "tie_word_embeddings": True,
          "bos_token_id": 1, "eos_token_id": 2}
MATRICES = {"self_attn.q_proj": HIDDEN, "self_attn.k_proj": KEYS, "self_attn.v_proj": KEYS, "self_attn.o_proj": HIDDEN,
            "mlp.gate_proj": HIDDEN, "mlp.up_proj": HIDDEN, "mlp.down_proj": HIDDEN}
NORMS = ("input_layernorm", "post_attention_layernorm", "self_attn.attn_sub_norm", "mlp.ffn_sub_norm")


def weights(scale=SCALE, seed=1):
    """Name -> (shape, float32 values): embedding and norms are ordinary, the matrices of the layer ternary."""
    source = random.Random(seed)
    tensors = {"model.embed_tokens.weight": ([VOCAB, HIDDEN], array.array("f", (source.gauss(0, 0.1) for _ in range(VOCAB * HIDDEN))))}
    for name, rows in MATRICES.items():
        values = array.array("f", source.choices((-scale, 0.0, scale), k=rows * HIDDEN))
        tensors[f"model.layers.0.{name}.weight"] = ([rows, HIDDEN], values)
    for name in NORMS:
        tensors[f"model.layers.0.{name}.weight"] = ([HIDDEN], array.array("f", (source.gauss(1, 0.1) for _ in range(HIDDEN))))
    return tensors | {"model.norm.weight": ([HIDDEN], array.array("f", [1.0] * HIDDEN))}


def write(folder, tensors=None, **settings):
    return tiny_llama.write(folder, tensors or weights(), CONFIG | settings)
