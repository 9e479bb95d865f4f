"""Runs of `quern compress` that are stopped and resumed: what they are, and whether two of them ended alike."""

import pathlib
import shutil
import time
from dataclasses import dataclass

import packages
import small_model

CALIBRATION = ("--calib", "calib.txt", "--calib-windows", "8", "--gate-windows", "2")
WIDE = {"width": 256, "inner": 256, "layers": 3}
# name -> (model, options): statistics, trials of a bound, a survey for a size, tensors that are only written.
RECIPES = {"bound": (WIDE, ["--scheme", "q4_k_m", *CALIBRATION, "--max-kld", "0.01"]),
           "size": (WIDE, ["--scheme", "q4_k_m", *CALIBRATION, "--target-bpw", "5", "--optimizer", "weighted"]),
           "feedback": (WIDE, ["--scheme", "q4_k_m", *CALIBRATION]), "shards": ({"shards": 2, "width": 128, "inner": 512, "layers": 4}, []),
           "nf4": (WIDE, ["--scheme", "nf4"]), "statistics": (WIDE, ["--scheme", "q4_k_m", *CALIBRATION, "--optimizer", "weighted"])}
TIMED = ("report.json", "report.html", "README.md", packages.MANIFEST)  # hold the time and the command, or a hash of those


@dataclass(frozen=True)
class Compression:
    """folder: with the model and the text; reference: what an undisturbed run made, in so many seconds."""
    name: str
    folder: pathlib.Path
    options: tuple
    reference: pathlib.Path
    seconds: float

    def arguments(self, output, *more):
        return ("compress", self.folder / "model", "-o", output, *self.options, "--threads", "1", "-q", *more)


def same_bytes(folder):
    return {str(path.relative_to(folder)): packages.sha256(path.read_bytes())
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in TIMED}


def why_unlike(compression, output):
    """Empty: the package is what the undisturbed run made."""
    if not output.is_dir():
        return "no package"
    ours, theirs = same_bytes(output), same_bytes(compression.reference)
    if ours != theirs:
        return "other bytes: " + ", ".join(sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)))
    ours, theirs = packages.read_manifest(output), packages.read_manifest(compression.reference)
    unlike = [key for key in ("plan", "errors", "files") if stripped(ours, key) != stripped(theirs, key)]
    return "another manifest: " + ", ".join(unlike) if unlike else ""


def stripped(manifest, key):
    return [file for file in manifest[key] if file["name"] not in TIMED] if key == "files" else manifest[key]


KNOWN = {}  # of this run of the tests: name -> compression


def make(setting, names=tuple(RECIPES)):
    return [KNOWN.get(name) or KNOWN.setdefault(name, make_one(setting, name)) for name in names]


def make_one(setting, name):
    model, options = RECIPES[name]
    here = setting.scratch / "compressions" / name
    small_model.write(here / "model", **model)
    text = (small_model.ROOT / "texts/calib.txt").read_text()[:20000]
    (here / "calib.txt").write_text(text)
    options = tuple(here / word if word == "calib.txt" else word for word in options)
    began = time.monotonic()
    first = Compression(name, here, options, here / "reference", 0)
    done = setting.quern.run(*first.arguments(first.reference), seconds=600)
    if done.code:
        raise SystemExit(f"no package could be made to begin with:\n{done.text()}")
    return Compression(name, here, options, first.reference, time.monotonic() - began)


def journal_lines(partial):
    try:
        return len((partial / "journal").read_bytes().splitlines())
    except OSError:
        return 0


def clear(*folders):
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def finish(setting, compression, output):
    """Resumes to the end. Returns (why not as promised, the outcome)."""
    done = setting.quern.run(*compression.arguments(output, "--resume"), seconds=600)
    if done.fault() or done.code:
        return done.fault() or f"resuming ended with exit {done.code}", done
    unlike = why_unlike(compression, output)
    if unlike:
        return unlike, done
    partial = output.with_name(output.name + ".partial")
    if partial.exists():
        return "the partial folder was left behind", done
    checked = setting.quern.run("verify", output, "--against", compression.folder / "model")
    return ("" if checked.code == 0 else "the package does not verify"), checked
