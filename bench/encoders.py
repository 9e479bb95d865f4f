"""tools/compare_encoders.py as two tables: squared error over llama.cpp's, and millions of weights a second of one thread.

  ./dev peer-setup && python3 bench/encoders.py errors|speeds --python PYTHON

The Python is one with torch; the packages of tools/peer_requirements.txt come from build/peer-venv.
"""
import collections

import interleaved as run

PACKAGES = run.ROOT / "build/peer-venv/lib"
SPEED_SOURCE = "llama-30m"


def measured(a):
    """[type, source, importance, error ratio, our speed, llama.cpp's speed] of every case."""
    said = run.output_of(a.python, run.ROOT / "tools/compare_encoders.py", run.ROOT / "build/release/quern_codec_test", "--shared",
                         a.reference.parent, environment={"PYTHONPATH": ":".join(map(str, PACKAGES.glob("*/site-packages")))})
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines()[2:] if line.startswith("|")]


def errors(cases):
    table = collections.defaultdict(dict)
    for kind, source, importance, ratio, _, _ in cases:
        table[kind, importance][source] = ratio
    sources = list(next(iter(table.values())))
    print(f"| type | importance | {' | '.join(sources)} |\n|---|---|{'---|' * len(sources)}")
    for (kind, importance), ratios in table.items():
        print(f"| {kind} | {importance} | {' | '.join(f'{float(ratios[source]):.3f}' for source in sources)} |")


def speeds(cases):
    print("| type | importance | quern | llama.cpp | quern / llama.cpp |\n|---|---|---|---|---|")
    for kind, source, importance, _, ours, theirs in cases:
        if source == SPEED_SOURCE:
            print(f"| {kind} | {importance} | {ours} | {theirs} | {float(ours) / float(theirs):.2f} |")


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("table", choices=["errors", "speeds"])
    a = ap.parse_args()
    print(run.machine(1) + "\n")
    (errors if a.table == "errors" else speeds)(measured(a))


if __name__ == "__main__":
    main()
