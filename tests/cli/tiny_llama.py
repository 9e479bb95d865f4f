"""A Llama checkpoint of 60,000 numbers written byte by byte, so that a test can damage any of them."""

import array
import json
import pathlib
import random
import shutil
import struct

from quern_program import ROOT

TOKENIZER = ROOT / "testdata/text/bpe.model"  # 400 pieces
HIDDEN, INNER, LAYERS, VOCAB = 64, 96, 2, 400

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
          "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
          "vocab_size": VOCAB, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
          "max_position_embeddings": 256, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2}


def shapes(layers):
    table = {"model.embed_tokens.weight": [VOCAB, HIDDEN]}
    for i in range(layers):
        layer = f"model.layers.{i}."
        table |= {layer + "input_layernorm.weight": [HIDDEN], layer + "post_attention_layernorm.weight": [HIDDEN],
                  layer + "self_attn.q_proj.weight": [HIDDEN, HIDDEN], layer + "self_attn.k_proj.weight": [32, HIDDEN],
                  layer + "self_attn.v_proj.weight": [32, HIDDEN], layer + "self_attn.o_proj.weight": [HIDDEN, HIDDEN],
                  layer + "mlp.gate_proj.weight": [INNER, HIDDEN], layer + "mlp.up_proj.weight": [INNER, HIDDEN],
                  layer + "mlp.down_proj.weight": [HIDDEN, INNER]}
    return table | {"model.norm.weight": [HIDDEN]}


def weights(layers=LAYERS, seed=1):
    """Name -> (shape, float32 values): normal with standard deviation 0.1, norms near 1."""
    source = random.Random(seed)
    tensors = {}
    for name, shape in shapes(layers).items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        mean = 1.0 if len(shape) == 1 else 0.0
        tensors[name] = (shape, array.array("f", (source.gauss(mean, 0.1) for _ in range(count))))
    return tensors


def header_of(tensors):
    header, position = {}, 0
    for name, (shape, values) in tensors.items():
        end = position + 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [position, end]}
        position = end
    return header


def safetensors(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def data_of(tensors):
    return b"".join(values.tobytes() for _, values in tensors.values())


def write(folder, tensors=None, config=None, weights_file=None, layers=LAYERS):
    """A checkpoint folder; each part can be replaced."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    tensors = tensors or weights(layers)
    (folder / "config.json").write_text(json.dumps(config or CONFIG | {"num_hidden_layers": layers}))
    (folder / "model.safetensors").write_bytes(weights_file or safetensors(header_of(tensors), data_of(tensors)))
    shutil.copy(TOKENIZER, folder / "tokenizer.model")
    return folder


def write_sharded(folder, without=()):
    """The same in two shards with their index, but for the tensors of those names."""
    tensors = [(name, tensor) for name, tensor in weights().items() if name not in without]
    folder = write(folder)
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for k, part in enumerate((dict(tensors[:9]), dict(tensors[9:])), 1):
        name = f"model-0000{k}-of-00002.safetensors"
        (folder / name).write_bytes(safetensors(header_of(part), data_of(part)))
        weight_map |= dict.fromkeys(part, name)
    write_index(folder, weight_map)
    return folder, weight_map


def write_index(folder, weight_map):
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
