"""What a stopped compression left behind, damaged or tampered with: resuming ends with the bytes of an undisturbed run, or refuses and leaves
the work as it was. It publishes nothing that is not its own, and writes nothing outside the folder."""

import random
import shutil
import subprocess

import compressions
import mutate_bytes
import packages
from findings import Fault, Figure, Result, spread

SENTINEL = b"mine\n" * 1000


def damage_a_file(draw, partial, outside):
    path = draw.choice([path for path in sorted(partial.rglob("*")) if path.is_file() and not path.is_symlink()])
    path.write_bytes(mutate_bytes.change(draw, path.read_bytes()))
    return f"{path.relative_to(partial)} damaged"


def remove_a_file(draw, partial, outside):
    path = draw.choice([path for path in sorted(partial.rglob("*")) if path.is_file()])
    path.unlink()
    return f"{path.relative_to(partial)} removed"


def add_a_stranger(draw, partial, outside):
    folder = draw.choice([partial, *[path for path in sorted(partial.rglob("*")) if path.is_dir()]])
    name = draw.choice(["diary.txt", "config.json", "other.safetensors", "README.md", ".hidden", "deep/er/file", "model.safetensors.index.json"])
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(b"{}")
    return f"{path.relative_to(partial)} added"


def link_a_file(draw, partial, outside):
    """A file of the work, or one that will be written, is a link to a file outside."""
    there = [path for path in sorted(partial.rglob("*")) if path.is_file()]
    trial = [path for path in partial.iterdir() if path.is_dir()]
    wanted = [folder / name for folder in (trial or [partial]) for name in ("report.json", "README.md", packages.MANIFEST, "report.html", "config.json")]
    path = draw.choice(there + wanted)
    if path.exists() or path.is_symlink():
        path.unlink()
    path.symlink_to(outside)
    return f"{path.relative_to(partial)} is a link to a file outside"


def link_a_folder(draw, partial, outside):
    folders = [path for path in sorted(partial.iterdir()) if path.is_dir()]
    path = draw.choice(folders) if folders else partial / "trial-1"
    kept = outside.parent / "folder-outside"
    if path.exists():
        shutil.move(path, kept)
    else:
        kept.mkdir()
    path.symlink_to(kept)
    return f"{path.relative_to(partial)} is a link to a folder outside"


KINDS = [damage_a_file, damage_a_file, remove_a_file, add_a_stranger, link_a_file, link_a_folder]


def stop_somewhere(setting, draw, compression, output):
    """Kills until there is something to go on from."""
    partial = output.with_name("out.partial")
    for _ in range(20):
        with setting.quern.start(*compression.arguments(output, "--resume")) as child:
            try:
                child.wait(draw.uniform(0.2, 0.9) * compression.seconds)
            except subprocess.TimeoutExpired:
                child.kill()
        if output.exists():
            compressions.clear(output, partial)
        elif compressions.journal_lines(partial) > 1:
            return True
    return False


def judge(setting, compression, output, outside, outcome, before):
    """Why it is not as promised; empty: it is."""
    partial = output.with_name("out.partial")
    if outcome.fault():
        return outcome.fault()
    if outside.read_bytes() != SENTINEL:
        return "a file outside was written"
    if outcome.code:
        return "" if partial.exists() and names(partial) >= before else f"exit {outcome.code}, and the work is gone"
    return compressions.why_unlike(compression, output)


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def try_one(setting, number):
    draw = random.Random(f"{setting.seed} partial {number}")
    compression = MADE[number % len(MADE)]
    here = setting.scratch / f"partial-{number}"
    here.mkdir()
    output, partial, outside = here / "out", here / "out.partial", here / "outside.txt"
    outside.write_bytes(SENTINEL)
    if not stop_somewhere(setting, draw, compression, output):
        compressions.clear(here)
        return None
    what = KINDS[number // len(MADE) % len(KINDS)](draw, partial, outside)
    before = names(partial)
    copy = here / "before"
    shutil.copytree(partial, copy, symlinks=True)
    outcome = setting.quern.run(*compression.arguments(output, "--resume"), seconds=600)
    why = judge(setting, compression, output, outside, outcome, before)
    fault = None
    if why:
        where = setting.keep("partial-work", number, f"{what}\n{why}\n{outcome.text()}", [copy])
        fault = Fault(f"damaged work: {why}", f"{compression.name}: {what}", where)
    compressions.clear(here)
    return what, fault


MADE = []


def run(setting, count):
    MADE[:] = compressions.make(setting, ("bound", "shards"))
    results = [found for found in spread(setting, try_one, range(count), "damaged work") if found]
    faults = [fault for _, fault in results if fault]
    return Result([Figure("damaged or tampered work: equal bytes, or refused and kept", len(results), len(results) - len(faults))], faults)
