"""Seconds of a whole `quern compress` and of llama-quantize: the same bf16 GGUF of a synthetic 528M Llama, the same importance matrix,
the same types. Quern's figure includes hashing its input and output, checking every weight and measuring every tensor's error.

  bench/build_peer.sh && python3 bench/compressing.py [--rounds 3] [--threads 2] [--out /dev/shm] [TYPE ...]
"""
import pathlib
import tempfile

import interleaved as run


def source():
    """The model as bf16 and its importance matrix; two windows of text are enough where only the time counts."""
    model = run.synthetic("llama-528m", layers=20, hidden=1536, inner=4096, heads=24, kv_heads=8)
    out = run.MADE / "llama-528m-bf16"
    if not (out / "manifest.json").exists():
        run.output_of(run.QUERN, "compress", model, "-o", out, "--scheme", "bf16", "--calib", run.ROOT / "texts/calib.txt",
                      "--calib-windows", 2, "--quiet", "--force")
    return run.weights_of(out), out / "statistics.gguf"


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("types", nargs="*", default=["q8_0", "q4_0", "q4_k_m", "q6_k", "q2_k", "iq4_xs"])
    ap.add_argument("--out", type=pathlib.Path, default=pathlib.Path("/dev/shm"), help="a folder in memory, so that no disk counts")
    a = ap.parse_args()
    model, statistics_file = source()
    print(run.machine(a.threads) + "\n")
    print("| type | quern s | llama-quantize s | llama-quantize / quern |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=a.out) as folder:
        folder = pathlib.Path(folder)
        for scheme in a.types:
            both = run.in_turn({
                "quern": lambda: run.seconds_of(run.QUERN, "compress", model, "-o", folder / "quern", "--scheme", scheme, "--imatrix",
                                                statistics_file, "--threads", a.threads, "--quiet", "--force"),
                "peer": lambda: run.seconds_of(run.PEER / "llama-quantize", "--imatrix", statistics_file, model, folder / "peer.gguf",
                                               scheme, a.threads)}, a.rounds)
            print(f"| {scheme} | {run.summary(both['quern'])} | {run.summary(both['peer'])} | {run.ratio(both['peer'], both['quern'])} |",
                  flush=True)


if __name__ == "__main__":
    main()
