"""Tokens a second of `quern eval`: a mixture of experts beside a dense model of its active size, and, where a Python with
transformers is there, Mamba beside transformers' sequential path.

  python3 bench/evaluation.py [--reference FOLDER] [--python PYTHON] [--rounds 3]

Quern's rate is that of the windows behind the first 40, so that loading and tokenising do not count; transformers' is that of
its forward passes alone, one window of 512 tokens at a time in float32, which is its faster way (8 at a time are slower).
"""
import json

import interleaved as run

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
    return run.tokens_per_second(lambda count: run.seconds_of(run.QUERN, "eval", model, "--text", a.eval, "--windows", count, "--compute",
                                                              compute, "--threads", a.threads, "--quiet"))


def transformers(model, a):
    return float(run.output_of(a.python, "-c", TRANSFORMERS, model, a.eval, a.threads).strip().splitlines()[-1])


def has_transformers(a):
    return run.subprocess.run([a.python, "-c", "import sentencepiece, transformers"], capture_output=True).returncode == 0


def dense_of(mixture):
    """A Llama whose feed-forward is as wide as the experts that a token uses."""
    c = json.loads((mixture / "config.json").read_text())
    return run.synthetic("dense-of-" + mixture.name, layers=c["num_hidden_layers"], hidden=c["hidden_size"],
                         inner=c["intermediate_size"] * c["num_experts_per_tok"], heads=c["num_attention_heads"],
                         kv_heads=c["num_key_value_heads"], vocab=c["vocab_size"])


def show(model, sides, rounds):
    results = run.in_turn(sides, rounds)
    first = next(iter(results.values()))
    for name, rates in results.items():
        print(f"| {model.name} | {name} | {run.summary(rates, 0)} | {run.ratio(first, rates)} |", flush=True)


def main():
    a = run.arguments(__doc__).parse_args()
    print(run.machine(a.threads) + "\n")
    print("| model | side | tokens/s | first side / this |\n|---|---|---|---|")
    mixture, mamba = (run.model_folder(name, a.reference) for name in ("mixtral-moe15m", "mamba-8m"))
    if mixture:
        dense = dense_of(mixture)
        show(mixture, {"a dense Llama of its active size, f32": lambda: quern(dense, a, "f32"),
                       "the mixture, f32": lambda: quern(mixture, a, "f32")}, a.rounds)
    if mamba:
        sides = {f"quern, {compute}": lambda compute=compute: quern(mamba, a, compute) for compute in ("f32", "bf16")}
        if has_transformers(a):
            sides["transformers, f32"] = lambda: transformers(mamba, a)
        show(mamba, sides, a.rounds)


if __name__ == "__main__":
    main()
