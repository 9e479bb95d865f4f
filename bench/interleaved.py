"""What the comparisons share: options, programs run in turn, medians, models by name, and packages made once. Standard library only."""
import argparse
import os
import pathlib
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
MADE = ROOT / "build/compare"
QUERN = ROOT / "build/release/quern"
PEER = ROOT / "build/peer/build/bin"
LEFT_OUT = "is left out: it is not in the folder of reference models."


def arguments(doc, rounds=3):
    """The options that every program of this folder takes."""
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--reference", type=pathlib.Path, default=SHARED / "reference", help="a folder of reference models")
    ap.add_argument("--calib", type=pathlib.Path, default=SHARED / "text/calib.txt", help="text for the statistics")
    ap.add_argument("--eval", type=pathlib.Path, default=SHARED / "text/eval.txt", help="text that only measures")
    ap.add_argument("--python", default="python3", help="a Python with torch and transformers")
    ap.add_argument("--rounds", type=int, default=rounds, help="how often each side of a timing runs")
    ap.add_argument("--threads", type=int, default=2)
    return ap


def output_of(*command, environment=None, stderr=subprocess.PIPE):
    """What a program printed; one that fails ends the measurement with what it said."""
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=stderr, text=True,
                            env=os.environ | (environment or {}))
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{(result.stderr or result.stdout)[-2000:]}")
    return result.stdout


def seconds_of(*command, environment=None):
    start = time.monotonic()
    output_of(*command, environment=environment)
    return time.monotonic() - start


def in_turn(sides, rounds):
    """{name: function} -> {name: [what each call returned]}; another side begins every round."""
    results = {name: [] for name in sides}
    names = list(sides)
    for r in range(rounds):
        for name in names[r % len(names):] + names[:r % len(names)]:
            results[name].append(sides[name]())
    return results


def tokens_per_second(seconds, windows=(40, 160), length=512):
    """The rate of the windows behind the first ones, so that loading and tokenising do not count. seconds: of that many windows."""
    few, many = windows
    first = seconds(few)
    return length * (many - few) / (seconds(many) - first)


def summary(values, digits=1):
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratio(values, others):
    return f"{statistics.median(values) / statistics.median(others):.2f}"


def machine(threads):
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    return f"{model}, {output_of(QUERN, '--version').strip()}, {threads} threads, load before {load}."


def model_folder(name, reference):
    """A reference model by name, else the bundled one; None, said in a line, where neither is there."""
    for folder in (reference / name, ROOT / "models" / name):
        if folder.is_dir():
            return folder
    print(f"{name} {LEFT_OUT}\n", flush=True)
    return None


def weights_of(package):
    return next(path for path in package.glob("*.gguf") if path.name != "statistics.gguf")


def packaged(model, scheme, *options):
    """The GGUF file of a model in a scheme, made once under build/."""
    out = MADE / f"{model.name}-{scheme}"
    if not (out / "manifest.json").exists():
        output_of(QUERN, "compress", model, "-o", out, "--scheme", scheme, "--format", "gguf", "--quiet", "--force", *options)
    return weights_of(out)


def synthetic(folder, **extents):
    """A Llama checkpoint with random weights under build/, made once."""
    target = MADE / folder
    if not (target / "config.json").exists():
        options = [part for name, value in extents.items() for part in (f"--{name}", value)]
        output_of("python3", ROOT / "tools/make_synthetic_checkpoint.py", target, "--tokenizer",
                  ROOT / "models/llama-7m/tokenizer.model", *options)
    return target
