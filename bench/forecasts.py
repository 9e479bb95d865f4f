"""What `quern plan` foretells beside what `quern compress` then measures: bytes, divergence, perplexity, seconds.

  python3 bench/forecasts.py MODEL ... [--plans q6_k q4_k_m q3_k_m q2_k q4_k_m:5.2]

A plan is a scheme, or a scheme and bits per weight. Divergence and perplexity are foretold on the text that decides (a fifth of the
calibration text) and measured on 40 windows of another; perplexity as the rise over the original. Seconds: of the whole compress with
the same options, foretold by --dry-run before it starts.
"""
import json
import math
import statistics
import tempfile

import interleaved as run

NOTICEABLE = 0.003  # nats; below, a rise in perplexity is mostly noise


def options_of(plan, a):
    scheme, _, bits = plan.partition(":")
    return ["--scheme", scheme, "--format", "gguf", "--calib", a.calib, "--threads", a.threads, "--quiet", "--json",
            *(["--target-bpw", bits] if bits else [])]


def forecast(model, plan, a):
    """The plan's own forecast, then what the whole compress is expected to take, what it measured and took."""
    options = options_of(plan, a)
    foretold = json.loads(run.output_of(run.QUERN, "plan", model, *options))["forecast"]
    with tempfile.TemporaryDirectory(dir=run.MADE) as folder:
        whole = ["compress", model, "-o", run.pathlib.Path(folder) / "out", *options, "--report-text", a.eval, "--report-windows", 40]
        seconds = json.loads(run.output_of(run.QUERN, *whole, "--dry-run"))["seconds"]["total"]
        return foretold, seconds, json.loads(run.output_of(run.QUERN, *whole))


def row(model, plan, a):
    foretold, seconds, report = forecast(model, plan, a)
    quality, measured = foretold["quality"], report["quality"]
    kld, rise = measured["mean_kld"]["value"], measured["perplexity_increase"]["value"]
    expected = quality["perplexity"]["value"] / quality["original_perplexity"] - 1
    print(f"| {model.name} | {plan} | {foretold['model_bytes'] - report['output_bytes']} | {quality['mean_kld']['value']:.5f} | {kld:.5f} | "
          f"{kld / quality['mean_kld']['value']:.2f} | {100 * expected:.2f}% | {100 * rise:.2f}% | {seconds:.0f} | "
          f"{report['seconds']:.0f} | {report['seconds'] / seconds:.2f} |", flush=True)
    return math.log1p(rise) / kld if kld > NOTICEABLE and rise > 0 else None


def score(shares):
    """shares: {model: [rise of the loss per nat of divergence]}. Each model beside the mean of the others."""
    means = {model: statistics.geometric_mean(values) for model, values in shares.items() if values}
    if len(means) < 2:
        return
    print("\n| model left out | loss per nat, of the others | of this model's plans |\n|---|---|---|")
    for model in means:
        others = statistics.geometric_mean([mean for name, mean in means.items() if name != model])
        print(f"| {model} | {others:.2f} | {min(shares[model]):.2f} to {max(shares[model]):.2f} |")


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("models", nargs="+")
    ap.add_argument("--plans", nargs="+", default=["q6_k", "q4_k_m", "q3_k_m", "q2_k", "q4_k_m:5.2"])
    a = ap.parse_args()
    print(run.machine(a.threads) + "\n")
    print("| model | plan | bytes, foretold less written | mean KLD foretold | measured | ratio | perplexity foretold | measured | "
          "seconds foretold | taken | ratio |\n|---|---|---|---|---|---|---|---|---|---|---|")
    shares = {}
    for model in filter(None, (run.model_folder(name, a.reference) for name in a.models)):
        found = (row(model, plan, a) for plan in a.plans)
        shares[model.name] = [share for share in found if share is not None]
    score(shares)


if __name__ == "__main__":
    main()
