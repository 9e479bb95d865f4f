"""tr(D H D^T) of error feedback over that of weighted rounding, for every codec, on windows that neither saw: the median of the matrices of
each model, with the least and the greatest (64 rows of each; 200 windows of calibration text, 40 of other text, f32).

  ./dev build bench && python3 bench/held_out.py MODEL ...
"""
import interleaved as run

PROGRAM = run.ROOT / "build/bench/bench/quern_held_out"


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("models", nargs="+")
    a = ap.parse_args()
    models = [folder for name in a.models if (folder := run.model_folder(name, a.reference))]
    print(run.machine(a.threads) + "\n")
    print(run.output_of(PROGRAM, a.calib, a.eval, *models), end="")


if __name__ == "__main__":
    main()
