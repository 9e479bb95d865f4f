#!/usr/bin/env python3
"""Itera-Lite by numpy in double precision, written from the forward pass of the project's models/ (revision 00d4535).

Writes under testdata/runtime:
  tiny-itera-lite/   a tiny seeded model (model.safetensors), golden.json (its logits) and options.json (how far the logits
                     move, as a share of the largest of them, where a part of the model is switched off)
  itera-lite-*.json  logits of the project's own checkpoints, at a few positions and vocabulary ids
and prints the numbers of src/kernel/shared_step_scan_test.cpp.

usage: make_itera_lite_fixtures.py [FOLDER_OF_CHECKPOINTS]        needs numpy, safetensors
"""

import io
import json
import math
import pathlib
import pickle
import random
import re
import sys
import zipfile

import numpy
import safetensors.numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "testdata" / "runtime"
TOP_K, EPSILON = 2, 1e-5
SPELLINGS = ("moe.layer.", "moe.moe.")
SAMPLED_IDS = 128
CHECKPOINTS = {"itera_lite_mixed_precision.pt": "itera-lite-tiny-mixed.json",
               "itera_lite_micro_distilled.pt": "itera-lite-micro.json"}

erf = numpy.vectorize(math.erf)


def silu(x):
    return x / (1 + numpy.exp(-x))


def gelu(x):
    return x / 2 * (1 + erf(x / math.sqrt(2)))


def softplus(x):
    return numpy.log1p(numpy.exp(-numpy.abs(x))) + numpy.maximum(x, 0)


def layer_norm(x, gain, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / numpy.sqrt((centred ** 2).mean(-1, keepdims=True) + EPSILON) * gain + bias


def causal_conv(x, weight, bias):
    """x [tokens, channels], weight [channels, 1, taps]: the last tap meets the token itself."""
    taps = weight.shape[-1]
    padded = numpy.concatenate([numpy.zeros((taps - 1, x.shape[1])), x])
    return sum(padded[k:k + len(x)] * weight[:, 0, k] for k in range(taps)) + bias


def shared_step_scan(a, u, dt_raw):
    """h_t = exp(step_t a) h_{t-1} + step_t u_t, step_t the mean of softplus(dt_raw_t)."""
    state, out = numpy.zeros(len(a)), []
    for step, row in zip(softplus(dt_raw).mean(-1), u):
        state = numpy.exp(step * a) * state + step * row
        out.append(state)
    return numpy.array(out)


def scan(x, part):
    a = -numpy.exp(part("ssm.A_log"))
    dt = x @ part("ssm.delta_proj.weight").T + part("ssm.delta_proj.bias")
    return shared_step_scan(a, x @ part("ssm.B").T, dt) @ part("ssm.C").T + part("ssm.D") * x


def mixture(x, part, top_k, act):
    """Of no experts, as the project's mixed-precision file has it: nothing."""
    router = x @ part("router.gate.weight").T
    out = numpy.zeros_like(x)
    if router.shape[1] == 0:
        return out
    for t, logits in enumerate(router):
        chosen = numpy.argsort(-logits, kind="stable")[:top_k]
        shares = numpy.exp(logits[chosen] - logits[chosen].max())
        for expert, share in zip(chosen, shares / shares.sum()):
            out[t] += share * (part(f"experts.{expert}.w2.weight") @ act(part(f"experts.{expert}.w1.weight") @ x[t]))
    return out


def forward(weights, ids, top_k=TOP_K, act=gelu, expert_act=gelu):
    """Logits [tokens, vocabulary]; `weights` by name, of any float type."""
    get = lambda name: weights[name].astype(numpy.float64)
    h = get("embedding.weight")[ids] + get("position_embedding.weight")[:len(ids)]
    for i in range(sum(name.endswith(".ssm.in_proj.weight") for name in weights)):
        layer = f"layers.{i}."
        part = lambda name: get(layer + "ssm." + name)
        x, gate = numpy.split(layer_norm(h, part("norm.weight"), part("norm.bias")) @ part("in_proj.weight").T, 2, axis=-1)
        x = silu(causal_conv(x, part("conv1d.weight"), part("conv1d.bias")))
        h = h + (scan(x, part) * silu(gate)) @ part("out_proj.weight").T
        spelling = next((s for s in SPELLINGS if f"{layer}{s}router.gate.weight" in weights), None)
        moe = lambda name: get(layer + (spelling or "moe.") + name)
        m = layer_norm(h, moe("norm.weight"), moe("norm.bias"))
        if spelling:
            h = h + mixture(m, moe, top_k, expert_act)
        else:
            h = h + act(m @ moe("ffn.w1.weight").T) @ moe("ffn.w2.weight").T
    return layer_norm(h, get("norm.weight"), get("norm.bias")) @ get("embedding.weight").T


# The tiny model: no extent is another's usual multiple.
TINY = {"vocab": 120, "hidden": 24, "context": 128, "layers": 3, "inner": 40, "state": 5, "kernel": 3, "experts": 5,
        "wide": 20}


def tiny_weights(seed):
    """Large enough that every part moves the logits, and small enough that rounding does not."""
    rng = numpy.random.default_rng(seed)
    e = TINY
    normal = lambda *shape: rng.standard_normal(shape)
    matrix = lambda *shape, gain=1.5: normal(*shape) * gain / math.sqrt(shape[-1])
    weights = {"embedding.weight": normal(e["vocab"], e["hidden"]) * 0.4,
               "position_embedding.weight": normal(e["context"], e["hidden"]) * 0.4,
               "norm.weight": 1 + 0.3 * normal(e["hidden"]), "norm.bias": 0.5 * normal(e["hidden"])}
    for i in range(e["layers"]):
        ssm, moe = f"layers.{i}.ssm.", f"layers.{i}.moe." + ("layer." if i % 2 else "")
        for norm in (ssm, moe):
            weights[norm + "norm.weight"] = 1 + 0.3 * normal(e["hidden"])
            weights[norm + "norm.bias"] = 0.5 * normal(e["hidden"])
        weights[ssm + "in_proj.weight"] = matrix(2 * e["inner"], e["hidden"])
        weights[ssm + "conv1d.weight"] = matrix(e["inner"], 1, e["kernel"])
        weights[ssm + "conv1d.bias"] = 0.5 * normal(e["inner"])
        weights[ssm + "ssm.A_log"] = numpy.log(numpy.arange(1.0, e["state"] + 1)) - 2 + 0.3 * normal(e["state"])
        weights[ssm + "ssm.B"] = matrix(e["state"], e["inner"])
        weights[ssm + "ssm.C"] = matrix(e["inner"], e["state"])
        weights[ssm + "ssm.D"] = 1 + 0.3 * normal(e["inner"])
        weights[ssm + "ssm.delta_proj.weight"] = matrix(e["inner"], e["inner"])
        weights[ssm + "ssm.delta_proj.bias"] = normal(e["inner"]) - 1
        weights[ssm + "out_proj.weight"] = matrix(e["hidden"], e["inner"])
        if i % 2 == 0:
            weights[moe + "ffn.w1.weight"] = matrix(e["wide"], e["hidden"])
            weights[moe + "ffn.w2.weight"] = matrix(e["hidden"], e["wide"], gain=6)
            continue
        weights[moe + "router.gate.weight"] = matrix(e["experts"], e["hidden"], gain=2.5)
        weights[moe + "router.expert_counts"] = numpy.abs(normal(e["experts"])) * 100
        for expert in range(e["experts"]):
            weights[f"{moe}experts.{expert}.w1.weight"] = matrix(e["wide"], e["hidden"])
            weights[f"{moe}experts.{expert}.w2.weight"] = matrix(e["hidden"], e["wide"], gain=6)
    weights["lm_head.weight"] = weights["embedding.weight"].copy()
    return {name: numpy.ascontiguousarray(w.astype(numpy.float32)) for name, w in weights.items()}


def edited(weights, pattern, change):
    return {name: change(w.copy()) if re.search(pattern, name) else w for name, w in weights.items()}


def without_first_tap(w):
    w[..., 0] = 0
    return w


OFF = {"position table": ("position_embedding", numpy.zeros_like), "D": (r"ssm\.D$", numpy.zeros_like),
       "B": (r"ssm\.B$", numpy.zeros_like), "decay": ("A_log", numpy.zeros_like),
       "decay of each state": ("A_log", lambda w: numpy.full_like(w, w[0])),
       "step": (r"delta_proj\.weight", numpy.zeros_like), "bias of dt": (r"delta_proj\.bias", numpy.zeros_like),
       "oldest tap": (r"conv1d\.weight", without_first_tap), "bias of the convolution": (r"conv1d\.bias", numpy.zeros_like),
       "router": ("router.gate", numpy.zeros_like), "gains of norms": (r"norm\.weight", numpy.ones_like),
       "biases of norms": (r"norm\.bias", numpy.zeros_like)}


def movements(weights, ids):
    right = forward(weights, ids)[::8]
    moved = lambda logits: float(f"{numpy.abs(logits[::8] - right).max() / numpy.abs(right).max():.3g}")
    out = {name: moved(forward(edited(weights, *change), ids)) for name, change in OFF.items()}
    out["experts used"] = moved(forward(weights, ids, top_k=1))
    tanh = lambda x: x / 2 * (1 + numpy.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    out["exact gelu of the plain MLPs"] = moved(forward(weights, ids, act=tanh))
    out["exact gelu of the experts"] = moved(forward(weights, ids, expert_act=tanh))
    return out


def closest_routing(weights, ids):
    """Smallest distance between the router's outputs of the last expert chosen and the first not chosen."""
    gaps, original = [], numpy.argsort

    def spy(x, **options):
        ranked = numpy.sort(x)
        gaps.append(ranked[TOP_K] - ranked[TOP_K - 1])
        return original(x, **options)
    numpy.argsort = spy
    forward(weights, ids)
    numpy.argsort = original
    return min(gaps, default=None)


def sequence(seed, length, vocab):
    """BOS and seeded random ids."""
    rng = random.Random(seed)
    return [2] + [rng.randrange(4, vocab) for _ in range(length - 1)]


def case(weights, ids, positions, sampled):
    logits = forward(weights, ids)[positions]
    top = logits.max(-1, keepdims=True)
    sums = (numpy.log(numpy.exp(logits - top).sum(-1, keepdims=True)) + top)[:, 0]
    return {"ids": ids, "positions": positions, "vocabulary_ids": sampled,
            "logits": [[float(f"{x:.6g}") for x in row] for row in logits[:, sampled].tolist()],
            "logsumexp": [float(f"{x:.8g}") for x in sums.tolist()],
            "largest": float(f"{numpy.abs(logits).max():.6g}")}


def write_golden(path, cases):
    path.write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")


class State(dict):
    """An OrderedDict, which torch gives attributes."""


class Tensors(pickle.Unpickler):
    """Tensors of a torch.save file as arrays, without torch; anything else that it names becomes a placeholder."""

    def __init__(self, archive):
        self.archive = archive
        self.root = next(n for n in archive.namelist() if n.endswith("/data.pkl"))[:-len("data.pkl")]
        super().__init__(io.BytesIO(archive.read(self.root + "data.pkl")))

    def find_class(self, module, name):
        types = {"FloatStorage": "<f4", "HalfStorage": "<f2"}
        if name in types:
            return types[name]
        if name == "OrderedDict":
            return State
        if name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return getattr(self, name)
        return type(name, (), {"__init__": lambda self, *args: None, "__setstate__": lambda self, state: None})

    def persistent_load(self, pid):
        return numpy.frombuffer(self.archive.read(f"{self.root}data/{pid[2]}"), dtype=pid[1])

    @staticmethod
    def _rebuild_tensor_v2(storage, offset, shape, strides, *_):
        steps = [s * storage.itemsize for s in strides]
        return numpy.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()

    @staticmethod
    def _rebuild_parameter(tensor, *_):
        return tensor


def read_checkpoint(path):
    with zipfile.ZipFile(path) as archive:
        content = Tensors(archive).load()
    state = content.get("model_state_dict", content)
    return {name: w for name, w in state.items() if isinstance(w, numpy.ndarray)}


def write_tiny():
    folder = OUT / "tiny-itera-lite"
    folder.mkdir(parents=True, exist_ok=True)
    weights = tiny_weights(31)
    safetensors.numpy.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    ids = sequence(3, 96, TINY["vocab"])
    golden = case(weights, ids, list(range(0, len(ids), 8)), list(range(TINY["vocab"])))
    write_golden(folder / "golden.json", [golden])
    moved = movements(weights, ids)
    (folder / "options.json").write_text(json.dumps({"settings": TINY, "moved_when_off": moved}, indent=1) + "\n")
    print("largest logit", golden["largest"], moved, "closest routing", closest_routing(weights, ids))


def write_checkpoints(folder):
    for file, golden in CHECKPOINTS.items():
        weights = read_checkpoint(folder / file)
        vocab, length = weights["embedding.weight"].shape[0], weights["position_embedding.weight"].shape[0]
        sampled = sorted(random.Random(7).sample(range(vocab), SAMPLED_IDS))
        ids = sequence(1, length, vocab)
        write_golden(OUT / golden, [case(weights, ids, [0, 1, length // 2, length - 1], sampled)])
        print(file, len(weights), "tensors, closest routing", closest_routing(weights, ids))


def print_kernel_case():
    rng = numpy.random.default_rng(5)
    a, u, dt = -numpy.exp(rng.uniform(-3, 2, 3)), rng.standard_normal((6, 3)), rng.uniform(-6, 3, (6, 5))
    a, u, dt = (v.astype(numpy.float32).astype(numpy.float64) for v in (a, u, dt))
    for name, values in (("a", a), ("u", u), ("dt", dt), ("h", shared_step_scan(a, u, dt))):
        print(name, "{" + ", ".join(f"{v:.9g}" for v in numpy.ravel(values)) + "}")


def main():
    write_tiny()
    print_kernel_case()
    if len(sys.argv) > 1:
        write_checkpoints(pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
