"""Tokens a second, one by one and of a prompt: `quern bench` and llama-bench on the same GGUF files of a synthetic 528M Llama.

  bench/build_peer.sh && python3 bench/generation.py [--rounds 5] [--threads 2] [TYPE ...]
"""
import json
import statistics

import interleaved as run


def packaged(scheme):
    return run.packaged(run.synthetic("llama-528m", layers=20, hidden=1536, inner=4096, heads=24, kv_heads=8), scheme)


def quern(path, a):
    report = json.loads(run.output_of(run.QUERN, "bench", path, "--threads", a.threads, "--repeats", 1, "--prompt-tokens", 1,
                                      "--tokens", a.tokens, "--json", "--quiet"))
    return report["models"][0]["repeats"][0], report["bandwidth_gb_per_second"], report["models"][0]["weight_bytes_per_token"]


def peer(path, a):
    line = run.output_of(run.PEER / "llama-bench", "-m", path, "-t", a.threads, "-p", 0, "-n", a.tokens, "-r", 1, "-o", "jsonl")
    return json.loads(line.strip().splitlines()[-1])["samples_ts"][0]


def main():
    ap = run.arguments(__doc__, rounds=5)
    ap.add_argument("types", nargs="*", default=["q8_0", "q4_0", "q4_k_m", "q6_k"])
    ap.add_argument("--tokens", type=int, default=64)
    a = ap.parse_args()
    paths = {scheme: packaged(scheme) for scheme in a.types}
    print(run.machine(a.threads) + "\n")
    print("| type | quern tokens/s | llama-bench tokens/s | ratio | share of the bandwidth: quern, llama.cpp |\n|---|---|---|---|---|")
    for scheme, path in paths.items():
        both = run.in_turn({"quern": lambda: quern(path, a), "peer": lambda: peer(path, a)}, a.rounds)
        ours = [speed for speed, _, _ in both["quern"]]
        bandwidth = 1e9 * statistics.median(b for _, b, _ in both["quern"])
        shares = [statistics.median(speeds) * both["quern"][0][2] / bandwidth for speeds in (ours, both["peer"])]
        print(f"| {scheme} | {run.summary(ours)} | {run.summary(both['peer'])} | "
              f"{run.ratio(ours, both['peer'])} | {shares[0]:.0%}, {shares[1]:.0%} |", flush=True)


if __name__ == "__main__":
    main()
