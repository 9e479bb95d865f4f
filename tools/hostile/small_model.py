"""A small Llama with drawn weights, written byte by byte: the model that the tests compress, damage and mutate."""

import array
import json
import pathlib
import random
import shutil

import safetensors_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER, VOCABULARY = ROOT / "testdata/text/bpe.model", 400


def config(width, inner, layers, vocabulary):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": width // 4,
            "vocab_size": vocabulary, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
            "max_position_embeddings": 256, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2}


def shapes(width, inner, layers, vocabulary):
    yield "model.embed_tokens.weight", [vocabulary, width]
    for i in range(layers):
        layer = f"model.layers.{i}."
        yield from ((layer + "input_layernorm.weight", [width]), (layer + "post_attention_layernorm.weight", [width]),
                    (layer + "self_attn.q_proj.weight", [width, width]), (layer + "self_attn.k_proj.weight", [width // 2, width]),
                    (layer + "self_attn.v_proj.weight", [width // 2, width]), (layer + "self_attn.o_proj.weight", [width, width]),
                    (layer + "mlp.gate_proj.weight", [inner, width]), (layer + "mlp.up_proj.weight", [inner, width]),
                    (layer + "mlp.down_proj.weight", [width, inner]))
    yield "model.norm.weight", [width]


def values(draw, shape, dtype):
    mean, count = (1.0, shape[0]) if len(shape) == 1 else (0.0, shape[0] * shape[1])
    numbers = array.array("f", (draw.gauss(mean, 0.1) for _ in range(count)))
    if dtype == "F32":
        return numbers.tobytes()
    raw = numbers.tobytes()
    return bytes(byte for i in range(2, len(raw), 4) for byte in raw[i:i + 2])  # bfloat16: the upper half


def write(folder, width=64, inner=96, layers=2, dtype="F32", seed=1, shards=1, vocabulary=VOCABULARY):
    """A checkpoint folder. width: a multiple of 4; vocabulary: at least the 400 pieces of its tokenizer."""
    folder.mkdir(parents=True)
    draw = random.Random(seed)
    tensors = {name: (dtype, shape, values(draw, shape, dtype)) for name, shape in shapes(width, inner, layers, vocabulary)}
    (folder / "config.json").write_text(json.dumps(config(width, inner, layers, vocabulary), indent=1))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 2, "do_sample": True}, indent=1))
    shutil.copy(TOKENIZER, folder / "tokenizer.model")
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors_file.build(tensors, {"format": "pt"}))
        return folder
    weight_map, names = {}, list(tensors)
    for k in range(shards):
        part = names[k * len(names) // shards:(k + 1) * len(names) // shards]
        file = f"model-{k + 1:05}-of-{shards:05}.safetensors"
        (folder / file).write_bytes(safetensors_file.build({name: tensors[name] for name in part}, {"format": "pt"}))
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": weight_map}, indent=1))
    return folder
