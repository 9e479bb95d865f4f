"""What the comparisons share: programs run in turn, medians, and a table. Standard library only."""
import pathlib
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUERN = ROOT / "build/release/quern"
PEER = ROOT / "build/peer/build/bin"


def output_of(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def seconds_of(*command):
    start = time.monotonic()
    output_of(*command)
    return time.monotonic() - start


def in_turn(sides, rounds):
    """{name: function} -> {name: [what each call returned]}; another side begins every round."""
    results = {name: [] for name in sides}
    names = list(sides)
    for r in range(rounds):
        for name in names[r % len(names):] + names[:r % len(names)]:
            results[name].append(sides[name]())
    return results


def summary(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return f"{model}; {output_of(QUERN, '--version').strip()}; load {pathlib.Path('/proc/loadavg').read_text().split()[0]}"


def synthetic(folder, **extents):
    """A Llama checkpoint with random weights under build/, made once."""
    target = ROOT / "build/compare" / folder
    if not (target / "config.json").exists():
        options = [part for name, value in extents.items() for part in (f"--{name}", value)]
        output_of("python3", ROOT / "tools/make_synthetic_checkpoint.py", target, "--tokenizer",
                  ROOT / "models/llama-7m/tokenizer.model", *options)
    return target
