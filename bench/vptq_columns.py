"""What outlier columns, norms of columns and their order would buy VPTQ: error feedback in torch, with and without each.

  bench/vptq_columns.py MODEL --texts FOLDER [--layers 0 4] [--windows 64] [--held-out 8] [VARIANT ...]

MODEL is a Llama folder with tokenizer.model, FOLDER has calib.txt and eval.txt. Matrices of the layers take what the scheme vptq_2
gives them (no more than a fiftieth in a codebook). Bits count indices, codebooks, norms (32 for a column), the order where it is
stored (16 for a column) and indices of outliers (16 for a vector, as the package has them). Packages: torch, safetensors, sentencepiece.
"""
import argparse
import json
import math
import pathlib

import sentencepiece
import torch
from safetensors.torch import load_file

LENGTH = 256  # of a window
VARIANTS = {"plain": {}, "order": {"order": True}, "norm": {"norm": True}, "order, norm": {"order": True, "norm": True},
            "outliers": {"outliers": 0.01, "book": (2, 256)}, "outliers, order": {"outliers": 0.01, "order": True, "book": (2, 256)}}


class Llama:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        head = self.config["head_dim"]
        angles = torch.arange(LENGTH).float()[:, None] * self.config["rope_theta"] ** (-torch.arange(0, head, 2).float() / head)
        self.cos, self.sin = (f(torch.cat([angles, angles], -1)) for f in (torch.cos, torch.sin))

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * self.weights[name]

    def turn(self, x):
        half = x.shape[-1] // 2
        return x * self.cos + torch.cat([-x[..., half:], x[..., :half]], -1) * self.sin

    def logits(self, ids, hessians=None):
        """Adds E[x x^T] of every matrix's inputs, times the tokens, to `hessians`."""
        def linear(x, module):
            if hessians is not None:
                flat = x.reshape(-1, x.shape[-1])
                hessians[module] = hessians.get(module, 0) + flat.T @ flat
            return x @ self.weights[f"{module}.weight"].T

        def heads(x):
            return x.view(*ids.shape, -1, self.config["head_dim"]).transpose(1, 2)

        share = self.config["num_attention_heads"] // self.config["num_key_value_heads"]
        x = self.weights["model.embed_tokens.weight"][ids]
        for layer in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{layer}."
            h = self.norm(x, f"{at}input_layernorm.weight")
            q, k, v = (heads(linear(h, f"{at}self_attn.{n}_proj")) for n in "qkv")
            k, v = self.turn(k).repeat_interleave(share, 1), v.repeat_interleave(share, 1)
            mixed = torch.nn.functional.scaled_dot_product_attention(self.turn(q), k, v, is_causal=True)
            x = x + linear(mixed.transpose(1, 2).flatten(2), f"{at}self_attn.o_proj")
            h = self.norm(x, f"{at}post_attention_layernorm.weight")
            gated = torch.nn.functional.silu(linear(h, f"{at}mlp.gate_proj")) * linear(h, f"{at}mlp.up_proj")
            x = x + linear(gated, f"{at}mlp.down_proj")
        head = self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"])
        return self.norm(x, "model.norm.weight") @ head.T


def nearest(vectors, centroids):
    halves = centroids.pow(2).sum(1)[None] / 2
    return torch.cat([(halves - some @ centroids.T).argmin(1) for some in vectors.split(1 << 15)])


def kmeans(vectors, weights, count, iterations=15):
    generator = torch.Generator().manual_seed(1)
    some = torch.randperm(len(vectors), generator=generator)[:max(128 * count, 1 << 14)]
    vectors, weights = vectors[some], weights[some] / weights[some].mean()
    chances = weights * (vectors.pow(2).sum(1) + 1e-12)
    centroids = vectors[torch.multinomial(chances, min(count, len(vectors)), generator=generator)].clone()
    centroids = torch.cat([centroids, torch.zeros(count - len(centroids), vectors.shape[1])])
    for _ in range(iterations):
        which = nearest(vectors, centroids)
        sums = torch.zeros(count).index_add_(0, which, weights)
        means = torch.zeros_like(centroids).index_add_(0, which, vectors * weights[:, None])
        centroids[sums > 0] = means[sums > 0] / sums[sums > 0, None]
        idle = (sums == 0).nonzero().flatten()
        if len(idle):
            loss = weights * (vectors - centroids[which]).pow(2).sum(1)
            centroids[idle] = vectors[loss.topk(len(idle)).indices]
    return centroids


def stripes(matrix, length):
    """Vectors of `length` rows of one column, column after column of a stripe."""
    filled = torch.cat([matrix, torch.zeros(-matrix.shape[0] % length, matrix.shape[1])])
    return filled.view(-1, length, matrix.shape[1]).permute(0, 2, 1).reshape(-1, length)


def codebook_of(weights):
    """Length of vectors and centroids, as the scheme vptq_2 gives them."""
    return next(book for least, book in ((9.8e6, (6, 4096)), (410_000, (4, 256)), (77_000, (3, 64)), (0, (2, 16))) if weights.numel() >= least)


def encode(weights, hessian, tokens, options):
    """The decoded matrix, tr(D H D^T) over tr(W H W^T), and bits."""
    rows, cols = weights.shape
    hessian = hessian / tokens
    diagonal = hessian.diagonal()
    damping = min(1, max(0.03, 5 * cols / tokens)) * diagonal.mean()
    outliers = math.ceil(options.get("outliers", 0) * cols)
    order = torch.argsort(diagonal, descending=True)
    if not options.get("order"):
        order = torch.cat([order[:outliers], order[outliers:].sort().values])
    w, h = weights[:, order], hessian[order][:, order]
    length, count = codebook_of(weights)
    of_outliers = options.get("book")
    bits = math.log2(count) / length * (rows + -rows % length) * (cols - outliers) + 16 * length * count
    if outliers:
        bits += 16 / of_outliers[0] * rows * outliers + 16 * of_outliers[0] * of_outliers[1] + 16 * cols
    bias, scale = torch.zeros(cols), torch.ones(cols)
    if options.get("norm"):
        bias = w.min(0).values
        scale = w.max(0).values - bias
        bits += 32 * cols

    def book(columns, length, count):
        vectors = stripes(((w - bias) / scale)[:, columns], length)
        importance = (h.diagonal() * scale**2)[columns]
        return length, kmeans(vectors, importance.repeat(len(vectors) // len(importance)), count)

    main = book(slice(outliers, None), length, count)
    own = book(slice(0, outliers), *of_outliers) if outliers else None
    backwards = torch.flip(h + damping * torch.eye(cols), (0, 1)).double()
    root = torch.flip(torch.linalg.cholesky(backwards), (0, 1))
    upper = (root / root.diagonal()).float()
    errors = torch.zeros_like(w)
    for j in range(cols):
        size, centroids = own if j < outliers else main
        wanted = ((w[:, j] + errors[:, :j] @ upper[:j, j]) - bias[j]) / scale[j]
        vectors = torch.cat([wanted, torch.zeros(-rows % size)]).view(-1, size)
        errors[:, j] = w[:, j] - (centroids[nearest(vectors, centroids)].flatten()[:rows] * scale[j] + bias[j])
    decoded = torch.empty_like(w)
    decoded[:, order] = w - errors
    return decoded, (((errors @ h) * errors).sum() / ((w @ h) * w).sum()).item(), bits


def windows(folder, path, count):
    ids = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).encode(path.read_text())
    return torch.tensor([[1] + ids[i * (LENGTH - 1):(i + 1) * (LENGTH - 1)] for i in range(count)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--texts", type=pathlib.Path, required=True)
    parser.add_argument("--layers", nargs="+", default=["0", "4"])
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--held-out", type=int, default=8)
    a = parser.parse_args()
    model, hessians, plain = Llama(a.model), {}, {}
    calib, text = windows(a.model, a.texts / "calib.txt", a.windows), windows(a.model, a.texts / "eval.txt", a.held_out)
    for some in calib.split(16):
        model.logits(some, hessians)
    chosen = [module for module in hessians if module.split(".")[2] in a.layers]
    original = dict(model.weights)
    wanted = torch.log_softmax(model.logits(text), -1)
    print("| variant | bits a weight | tr(D H D^T) over plain's, geometric mean | least and most | KLD |\n|---|---|---|---|---|")
    for variant in a.variants:
        model.weights, errors, bits = dict(original), {}, 0
        for module in chosen:
            name = f"{module}.weight"
            model.weights[name], errors[module], own = encode(original[name], hessians[module], calib.numel(), VARIANTS[variant])
            bits += own
        plain = plain or errors
        ratios = [errors[module] / plain[module] for module in chosen]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        got = torch.log_softmax(model.logits(text), -1)
        divergence = (wanted.exp() * (wanted - got)).sum(-1).mean().item()
        weights = sum(original[f"{module}.weight"].numel() for module in chosen)
        print(f"| {variant} | {bits / weights:.3f} | {mean:.3f} | {min(ratios):.3f}, {max(ratios):.3f} | {divergence:.4f} |", flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main()
