"""Untouched packages: `quern verify` finds nothing wrong with them, wherever they lie and however they are looked at."""

import os
import shutil

import packages
import program
import small_model
from findings import Fault, Figure, Result, spread

ROOT = small_model.ROOT
SCHEMES = ["simple", "mixed", "mixed-int4", "nf4", "lossless", "f32", "f16", "bf16", "q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k", "q3_k_m", "q2_k", "iq4_xs", "iq4_nl",
           "tq2_0", "q5_1", "mxfp4_moe"]


def models():
    """Every checkpoint of the repository, and of the folder beside it where there is one. Small ones first."""
    data, shared = ROOT / "testdata", ROOT.parent / "shared"
    folders = [path.parent for place in ("runtime/*", "model/*", "packed/*", "format/*", "format/torch/*") for path in sorted(data.glob(place + "/config.json"))]
    files = [path for place in ("model/*.gguf", "format/*.gguf", "format/torch/*.pt", "format/torch/*.th", "format/npz/*.npz", "format/llama2c/*.bin",
                                "format/split/*-00001-*.gguf") for path in sorted(data.glob(place))]
    beside = [path for path in (shared / "real/stories260K", shared / "real/tinypellm", shared / "real/tinystories-gru", shared / "reference/llama-3m") if path.exists()]
    return folders + files + [ROOT / "models/llama-7m"] + beside


def looks(package, original, place):
    """{how: (arguments, folder it is done from)}"""
    moved, link, folder = place / "moved", place / "link", package.parent
    shutil.copytree(package, moved, symlinks=True)
    (moved / ".gitattributes").write_text("*.gguf filter=lfs diff=lfs merge=lfs -text\n")  # as the hub adds it
    link.symlink_to(package)
    cache = place / "cache/models--a--b"  # as the hub's own cache keeps files: links to blobs
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshots").mkdir()
    snapshot = cache / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    for path in sorted(package.rglob("*")):
        to = snapshot / path.relative_to(package)
        if path.is_dir():
            to.mkdir(parents=True)
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        blob = cache / "blobs" / packages.sha256(path.read_bytes())
        shutil.copy(path, blob)
        to.symlink_to(os.path.relpath(blob, to.parent))
    return {"as it lies": ((package,), None), "with the original": ((package, "--against", original), None),
            "every tensor with the original": ((package, "--against", original, "--every", "1"), None),
            "from its own folder": ((".",), package), "by a relative way": ((os.path.join("..", folder.name, package.name),), folder),
            "moved, with the hub's file": ((moved,), "/"), "through a link": ((link,), None), "as links to blobs": ((snapshot,), None)}


def try_one(setting, case):
    number, model, scheme = case
    here = setting.scratch / f"untouched-{number}"
    here.mkdir()
    package = here / "package"
    made = setting.quern.run("compress", model, "-o", package, "--scheme", scheme, "--allow-damage", "--threads", "1", "-q")
    if made.code:
        shutil.rmtree(here)
        return None
    faults, count = [], 0
    ways = looks(package, model, here)
    for path in [package, *package.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for how, (arguments, folder) in ways.items():
        count += 1
        outcome = setting.quern.run("verify", *arguments, "--threads", "1", cwd=folder)
        if outcome.code != program.OK or "all well" not in outcome.printed:
            words = f"{model.name} by {scheme}, {how}: {outcome.said.strip()[:200]}"
            where = setting.keep("untouched", f"{number}-{how.replace(' ', '-')}", f"{words}\n{made.command}\n{outcome.text()}", [package])
            faults.append(Fault(f"a false alarm {how}", words, where))
    for path in [package, *package.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(here)
    return count, faults


def run(setting, count):
    """Models and schemes in turn until there are so many packages; pairs that do not go together are refused and do not count."""
    here = models()
    pairs = [(model, SCHEMES[(k + turn * 7) % len(SCHEMES)]) for turn in range(len(SCHEMES)) for k, model in enumerate(here)]
    made, faults, seen, at = 0, [], 0, 0
    while made < count and at < len(pairs):
        step = min(2 * (count - made), len(pairs) - at)
        results = spread(setting, try_one, [(at + k, *pairs[at + k]) for k in range(step)], "untouched packages")
        at += step
        for result in [result for result in results if result][:count - made]:
            made, seen = made + 1, seen + result[0]
            faults += result[1]
    wrong = len({fault.folder.rsplit("/", 1)[1].partition("-")[0] for fault in faults})
    return Result([Figure("an untouched package is found well", made, made - wrong),
                   Figure("however it is looked at", seen, seen - len(faults))], faults)
