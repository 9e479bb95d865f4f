"""What each step of choosing codes takes off the divergence of a model, its bytes as many each time: a row a step, a column a format (a scheme,
or a codec that all matrices of the layers get); mean KL divergence in nats on 40 windows of text that no step saw, and its standard error.

  ./dev build bench && python3 bench/encoder_steps.py MODEL [--formats q4_k_m q2_k nvfp4] [--steps importance descent] [--windows 200]
"""
import interleaved as run

PROGRAM = run.ROOT / "build/bench/bench/quern_encoder_steps"
STEPS = ["plain", "importance", "feedback-once", "feedback-blocks", "refits", "refits-2", "descent", "sequential", "sequential-groups",
         "asymmetric", "asymmetric-groups"]


def column(model, form, a):
    lines = run.output_of(PROGRAM, a.calib, a.windows, a.eval, model, form, *a.steps).splitlines()
    return {step: f"{kld} +- {error}" for step, kld, error in (line.split() for line in lines)}


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("model")
    ap.add_argument("--formats", nargs="+", default=["q4_k_m", "q3_k_m", "q2_k", "nvfp4", "mxfp4"])
    ap.add_argument("--steps", nargs="+", default=STEPS)
    ap.add_argument("--windows", type=int, default=200, help="windows of calibration text")
    a = ap.parse_args()
    model = run.model_folder(a.model, a.reference)
    if not model:
        return
    columns = [column(model, form, a) for form in a.formats]
    print(run.machine(a.threads) + "\n")
    print("| step | " + " | ".join(a.formats) + " |\n|---" + "|---" * len(a.formats) + "|")
    for step in a.steps:
        print(f"| {step} | " + " | ".join(of[step] for of in columns) + " |")


if __name__ == "__main__":
    main()
