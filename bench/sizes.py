"""`quern compress --target-size` at the bytes of llama-quantize's files: divergence of both at the same size.

  bench/build_peer.sh && python3 bench/sizes.py MODEL:SCHEME ...

Texts and evaluation as in quality.py. Predicted is what the size search expected, on 12 windows of the gate text.
"""
import json
import tempfile

import interleaved as run
import peer_files


def row(model, scheme, a):
    theirs = peer_files.quantized(model, scheme, a)
    size = theirs.stat().st_size
    with tempfile.TemporaryDirectory(dir=run.MADE) as folder:
        out = run.pathlib.Path(folder) / "out"
        run.output_of(run.QUERN, "compress", model, "-o", out, "--scheme", "q4_k_m", "--format", "gguf", "--target-size", size, "--calib",
                      a.calib, "--optimizer", a.optimizer, "--threads", a.threads, "--quiet", "--force")
        file = run.weights_of(out)
        predicted = json.loads((out / "report.json").read_text())["size"]["chosen"]["kld"]
        ours, peer = (peer_files.measured(path, model, a) for path in (file, theirs))
        klds = [side["mean_kld"]["value"] for side in (ours, peer)]
        return (f"| {model.name} | {size:,} ({scheme}) | {file.stat().st_size:,} | {klds[0]:.5f} ({predicted:.4f}) | {klds[1]:.5f} | "
                f"{klds[0] / klds[1]:.2f} | {ours['perplexity']['value']:.3f} ({ours['original_perplexity']['value']:.3f}) |")


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("targets", nargs="+", metavar="MODEL:SCHEME")
    ap.add_argument("--optimizer", default="auto", help="how codes are chosen")
    a = ap.parse_args()
    print(run.machine(a.threads) + "\n")
    print("| model | size asked for | bytes quern | mean KLD quern (predicted) | mean KLD llama-quantize at that size | ratio | "
          "perplexity quern (original) |\n|---|---|---|---|---|---|---|")
    for name, scheme in (target.split(":") for target in a.targets):
        model = run.model_folder(name, a.reference)
        if model:
            print(row(model, scheme, a), flush=True)


if __name__ == "__main__":
    main()
