"""Tokens a second of `quern eval`: a mixture of experts beside a dense model of its active size, and, where a Python with
transformers is given, Mamba beside transformers' sequential path.

  python3 bench/evaluation.py --mixture MIXTRAL --mamba MAMBA --text TEXT [--transformers PYTHON] [--rounds 3]

Quern's rate is that of the windows behind the first 40, so that loading and tokenising do not count; transformers' is that of
its forward passes alone, one window of 512 tokens at a time in float32, which is its faster way (8 at a time are slower).
"""
import argparse
import json
import statistics

import interleaved as run

WINDOWS = (40, 160)
TRANSFORMERS = """
import sys, time, torch, sentencepiece
from transformers import AutoModelForCausalLM
torch.set_num_threads(int(sys.argv[3]))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
ids = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1] + "/tokenizer.model").encode(open(sys.argv[2]).read())
windows = torch.tensor(ids[:5 * 512]).reshape(5, 1, 512)
with torch.no_grad():
    model(windows[0], use_cache=False)
    start = time.monotonic()
    for window in windows[1:]:
        model(window, use_cache=False)
print(4 * 512 / (time.monotonic() - start))
"""


def quern(model, a, compute):
    seconds = [run.seconds_of(run.QUERN, "eval", model, "--text", a.text, "--windows", count, "--compute", compute,
                              "--threads", a.threads, "--quiet") for count in WINDOWS]
    return 512 * (WINDOWS[1] - WINDOWS[0]) / (seconds[1] - seconds[0])


def dense_of(mixture):
    """A Llama whose feed-forward is as wide as the experts that a token uses."""
    c = json.loads((mixture / "config.json").read_text())
    return run.synthetic("dense-of-" + mixture.name, layers=c["num_hidden_layers"], hidden=c["hidden_size"],
                         inner=c["intermediate_size"] * c["num_experts_per_tok"], heads=c["num_attention_heads"],
                         kv_heads=c["num_key_value_heads"], vocab=c["vocab_size"])


def show(title, sides, rounds):
    results = run.in_turn(sides, rounds)
    first = statistics.median(next(iter(results.values())))
    for name, rates in results.items():
        print(f"| {title} | {name} | {run.summary(rates)} | {first / statistics.median(rates):.2f} |", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("mixture", "mamba", "text"):
        ap.add_argument("--" + name, type=run.pathlib.Path, required=True)
    ap.add_argument("--transformers", help="a Python with torch, transformers and sentencepiece")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    print(run.machine())
    print("| model | side | tokens/s | first side / this |\n|---|---|---|---|")
    dense = dense_of(a.mixture)
    show(a.mixture.name, {"dense of its active size, f32": lambda: quern(dense, a, "f32"),
                          "mixture, f32": lambda: quern(a.mixture, a, "f32")}, a.rounds)
    sides = {f"quern, {compute}": lambda compute=compute: quern(a.mamba, a, compute) for compute in ("f32", "bf16")}
    if a.transformers:
        sides["transformers, f32"] = lambda: float(run.output_of(a.transformers, "-c", TRANSFORMERS, a.mamba, a.text,
                                                                 a.threads).strip().splitlines()[-1])
    show(a.mamba.name, sides, a.rounds)


if __name__ == "__main__":
    main()
