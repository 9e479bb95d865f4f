"""Bytes and divergence of `quern compress` and of llama-quantize with an importance matrix, in the same schemes of the same models.

  bench/build_peer.sh && python3 bench/quality.py MODEL ... [--schemes q4_k_m q6_k]

Both sides have statistics of 200 windows of the same calibration text and are measured by `quern eval --against`: 40 windows of 512
tokens, 10,200 scored, f32. Bytes are whole GGUF files, tokenizer included.
"""
import tempfile

import interleaved as run
import peer_files


def compressed(model, scheme, folder, a):
    """The GGUF file of a fresh package, rounded as llama-quantize rounds, by an importance matrix; the first one's serves the others."""
    known = folder / "statistics.gguf"
    options = ["--imatrix", known] if known.exists() else ["--calib", a.calib]
    run.output_of(run.QUERN, "compress", model, "-o", folder / scheme, "--scheme", scheme, "--format", "gguf", "--threads", a.threads,
                  "--optimizer", "weighted", "--quiet", "--force", *options)
    if not known.exists():
        known.write_bytes((folder / scheme / "statistics.gguf").read_bytes())
    return run.weights_of(folder / scheme)


def row(model, scheme, folder, a):
    files = [compressed(model, scheme, folder, a), peer_files.quantized(model, scheme, a)]
    ours, theirs = (peer_files.measured(file, model, a) for file in files)
    klds = [side["mean_kld"]["value"] for side in (ours, theirs)]
    perplexities = [figures["value"] for figures in (ours["perplexity"], theirs["perplexity"], ours["original_perplexity"])]
    sizes = " | ".join(f"{file.stat().st_size:,}" for file in files)
    return (f"| {model.name} | {scheme} | {sizes} | {klds[0]:.5f} | {klds[1]:.5f} | {klds[0] / klds[1]:.3f} | "
            "{:.3f} / {:.3f} ({:.3f}) |".format(*perplexities))


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--schemes", nargs="+", default=["q8_0", "q6_k", "q5_k_m", "q4_k_m", "iq4_xs", "q3_k_m", "q2_k"])
    a = ap.parse_args()
    print(run.machine(a.threads) + "\n")
    print("| model | scheme | bytes quern | bytes llama-quantize | mean KLD quern | mean KLD llama-quantize | ratio | "
          "perplexity quern / peer (original) |\n|---|---|---|---|---|---|---|---|")
    for model in filter(None, (run.model_folder(name, a.reference) for name in a.models)):
        with tempfile.TemporaryDirectory(dir=run.MADE) as folder:
            for scheme in a.schemes:
                print(row(model, scheme, run.pathlib.Path(folder), a), flush=True)


if __name__ == "__main__":
    main()
