"""A Llama checkpoint of a wanted size with random weights, for measuring memory and speed. Standard library only.

  python3 tools/make_synthetic_checkpoint.py FOLDER --layers 34 --hidden 2048 --inner 8192 --tokenizer models/llama-7m/tokenizer.model

Weights are bf16, N(0, 1/sqrt(hidden)), cut from one seeded pool of a million values at changing offsets: enough for encoders,
whose work does not depend on the values, and quick to make. One shard a layer.
"""
import argparse, json, os, random, shutil, struct

POOL = 1 << 20


def bf16_pool(sigma):
    rng = random.Random(1)
    values = struct.pack(f"<{POOL}f", *(rng.gauss(0, sigma) for _ in range(POOL)))
    return b"".join(values[i + 2 : i + 4] for i in range(0, len(values), 4)) * 2


def layer_tensors(i, a):
    kv = a.kv_heads * (a.hidden // a.heads)
    p = f"model.layers.{i}."
    return {p + "self_attn.q_proj.weight": (a.hidden, a.hidden), p + "self_attn.k_proj.weight": (kv, a.hidden),
            p + "self_attn.v_proj.weight": (kv, a.hidden), p + "self_attn.o_proj.weight": (a.hidden, a.hidden),
            p + "mlp.gate_proj.weight": (a.inner, a.hidden), p + "mlp.up_proj.weight": (a.inner, a.hidden),
            p + "mlp.down_proj.weight": (a.hidden, a.inner), p + "input_layernorm.weight": (a.hidden,),
            p + "post_attention_layernorm.weight": (a.hidden,)}


def write_shard(path, tensors, pool):
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for k, (name, shape) in enumerate(tensors.items()):
            begin, end = header[name]["data_offsets"]
            left, offset = end - begin, 2 * (k * 7919 % POOL)
            if len(shape) == 1:
                f.write(b"\x80\x3f" * shape[0])  # norms are 1
                continue
            while left:
                part = pool[offset : offset + min(left, 2 * POOL)]
                f.write(part)
                left -= len(part)
    return at


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder")
    ap.add_argument("--tokenizer", required=True)
    for name, default in (("layers", 34), ("hidden", 2048), ("inner", 8192), ("heads", 32), ("kv_heads", 8), ("vocab", 8192)):
        ap.add_argument("--" + name, type=int, default=default)
    a = ap.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    shards = [layer_tensors(i, a) for i in range(a.layers)]
    shards.append({"model.embed_tokens.weight": (a.vocab, a.hidden), "model.norm.weight": (a.hidden,), "lm_head.weight": (a.vocab, a.hidden)})
    pool, total, weight_map = bf16_pool(a.hidden ** -0.5), 0, {}
    for i, tensors in enumerate(shards):
        name = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        total += write_shard(os.path.join(a.folder, name), tensors, pool)
        weight_map.update({tensor: name for tensor in tensors})
    with open(os.path.join(a.folder, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, f)
    with open(os.path.join(a.folder, "config.json"), "w") as f:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": a.hidden, "num_hidden_layers": a.layers,
                   "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads, "intermediate_size": a.inner, "vocab_size": a.vocab,
                   "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "max_position_embeddings": 1024,
                   "tie_word_embeddings": False}, f)
    shutil.copy(a.tokenizer, os.path.join(a.folder, "tokenizer.model"))
    print(f"{a.folder}: {total} bytes of weights in {len(shards)} shards")


if __name__ == "__main__":
    main()
