"""Seconds and perplexity of a whole `quern eval` in f32 and in bf16, loading and tokenising included.

  python3 bench/precision.py [MODEL]
"""
import json

import interleaved as run


def evaluated(model, compute, a):
    start = run.time.monotonic()
    said = run.output_of(run.QUERN, "eval", model, "--text", a.eval, "--windows", 40, "--compute", compute, "--threads", a.threads,
                         "--json", "--quiet")
    return run.time.monotonic() - start, json.loads(said)["perplexity"]["value"]


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("model", nargs="?", default="llama-7m")
    a = ap.parse_args()
    model = run.model_folder(a.model, a.reference)
    if model is None:
        return
    print(run.machine(a.threads) + "\n")
    print("| model | arithmetic | seconds, 40 windows | perplexity |\n|---|---|---|---|")
    results = run.in_turn({compute: lambda compute=compute: evaluated(model, compute, a) for compute in ("f32", "bf16")}, a.rounds)
    for compute, runs in results.items():
        print(f"| {model.name} | {compute} | {run.summary([seconds for seconds, _ in runs])} | {runs[0][1]:.4f} |")


if __name__ == "__main__":
    main()
