"""Tokens a second of `quern eval` and of llama-perplexity on the same GGUF files, in turn, and the perplexity that each finds.

  bench/build_peer.sh [avx2] && python3 bench/perplexity.py [--instructions avx2] [MODEL ...]

Each rate is that of the windows behind the first ones. `--instructions avx2` holds both sides to AVX2: oneDNN by its own variable,
with f32 products (the rest of an evaluation is compiled for x86-64-v3 anyway), and llama.cpp by a build without AVX-512.
"""
import json
import re
import subprocess

import interleaved as run

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}


class Side:
    """A program that evaluates a file: seconds by windows, and the perplexity of its longest run."""

    def __init__(self, command, perplexity, environment=None):
        self.command, self.perplexity, self.environment = command, perplexity, environment

    def rate(self, windows):
        def seconds(count):
            start = run.time.monotonic()
            self.said = run.output_of(*self.command, count, environment=self.environment, stderr=subprocess.STDOUT)
            return run.time.monotonic() - start
        return run.tokens_per_second(seconds, windows)


def sides(file, a):
    avx2 = a.instructions == "avx2"
    bin_folder = run.ROOT / "build/peer/avx2/bin" if avx2 else run.PEER
    return {
        "quern": Side([run.QUERN, "eval", file, "--text", a.eval, "--compute", "f32" if avx2 else a.compute, "--threads", a.threads,
                       "--json", "--quiet", "--windows"],
                      lambda said: json.loads(said[said.index("{"):])["perplexity"]["value"], AVX2 if avx2 else None),
        "peer": Side([bin_folder / "llama-perplexity", "-m", file, "-f", a.eval, "-c", 512, "-t", a.threads, "--chunks"],
                     lambda said: float(re.search(r"Final estimate: PPL = ([0-9.]+)", said)[1]))}


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("models", nargs="*", default=["llama-30m"])
    ap.add_argument("--schemes", nargs="+", default=["bf16", "q4_k_m"])
    ap.add_argument("--instructions", choices=["native", "avx2"], default="native")
    ap.add_argument("--compute", default="auto", help="arithmetic of quern's products where the instructions are native")
    ap.add_argument("--windows", nargs=2, type=int, default=[40, 160])
    a = ap.parse_args()
    print(run.machine(a.threads) + (" Both sides held to AVX2." if a.instructions == "avx2" else "") + "\n")
    print("| model | scheme | quern tokens/s | llama-perplexity tokens/s | quern / llama-perplexity | perplexity: quern, llama.cpp |\n"
          "|---|---|---|---|---|---|")
    for model in filter(None, (run.model_folder(name, a.reference) for name in a.models)):
        for scheme in a.schemes:
            file = run.packaged(model, scheme, *(() if scheme == "bf16" else ("--calib", a.calib)))
            both = sides(file, a)
            rates = run.in_turn({name: lambda side=side: side.rate(a.windows) for name, side in both.items()}, a.rounds)
            found = ", ".join(f"{side.perplexity(side.said):.3f}" for side in both.values())
            print(f"| {model.name} | {scheme} | {run.summary(rates['quern'], 0)} | {run.summary(rates['peer'], 0)} | "
                  f"{run.ratio(rates['quern'], rates['peer'])} | {found} |", flush=True)


if __name__ == "__main__":
    main()
