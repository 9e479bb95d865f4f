"""Divergence of packages whose codes are rounded by second moments, and of those chosen by error feedback where that measures better (the
default), in the same schemes: 200 windows of calibration text, 40 windows of other text, f32.

  python3 bench/feedback.py MODEL ... [--schemes q4_k_m q3_k_m]
"""
import json
import tempfile

import interleaved as run


def quality(model, scheme, optimizer, a):
    with tempfile.TemporaryDirectory(dir=run.MADE) as folder:
        out = run.pathlib.Path(folder) / "out"
        run.output_of(run.QUERN, "compress", model, "-o", out, "--scheme", scheme, "--format", "gguf", "--calib", a.calib, "--report-text", a.eval,
                      "--report-windows", 40, "--compute", "f32", "--optimizer", optimizer, "--threads", a.threads, "--quiet", "--force")
        return json.loads((out / "report.json").read_text())


def row(model, scheme, a):
    before, after = (quality(model, scheme, optimizer, a) for optimizer in ("weighted", "auto"))
    klds = [side["quality"]["mean_kld"]["value"] for side in (before, after)]
    return (f"| {model.name} | {scheme} | {after['output_bytes']:,} | {klds[0]:.5f} | {klds[1]:.5f} | {klds[1] / klds[0]:.3f} | "
            f"{after['quality']['perplexity']['value']:.3f} ({after['quality']['original_perplexity']['value']:.3f}) |")


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--schemes", nargs="+", default=["q4_k_m", "q3_k_m", "q2_k"])
    a = ap.parse_args()
    print(run.machine(a.threads) + "\n")
    print("| model | scheme | bytes | mean KLD rounded | mean KLD by default | ratio | perplexity by default (original) |\n|---|---|---|---|---|---|---|")
    for model in filter(None, (run.model_folder(name, a.reference) for name in a.models)):
        for scheme in a.schemes:
            print(row(model, scheme, a), flush=True)


if __name__ == "__main__":
    main()
