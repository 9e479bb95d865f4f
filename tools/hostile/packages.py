"""Finished packages to damage: one of every container and kind of number format, and where their tensors lie."""

import hashlib
import json
import pathlib
import shutil
from dataclasses import dataclass

import gguf_file
import safetensors_file
import small_model

MANIFEST = "manifest.json"
SEAL, SEAL_DIGITS = "manifest_sha256", 64  # docs/stability.md

TEXT = "The miller's cat saw a big red ball. It was a very good day, and the sun was warm.\n\n" * 60
SMALL, WIDE = {}, {"width": 256, "inner": 256, "layers": 2}  # k-quants are blocks of 256
STATISTICS = ("--calib", "calib.txt", "--calib-windows", "2", "--optimizer", "weighted")
# name -> (model, options)
RECIPES = {"gguf-q8_0": (SMALL, ["--scheme", "q8_0"]), "gguf-q4_k_m": (WIDE, ["--scheme", "q4_k_m", *STATISTICS]),
           "safetensors-int8": (SMALL, []), "safetensors-int4": (WIDE, ["--scheme", "mixed-int4"]), "safetensors-16-bit": ({"shards": 2}, ["--scheme", "mixed"]),
           "nf4": (SMALL, ["--scheme", "nf4"]), "lossless": ({**WIDE, "dtype": "BF16"}, ["--scheme", "lossless"])}


@dataclass(frozen=True)
class Package:
    name: str
    folder: pathlib.Path
    original: pathlib.Path

    def files(self):
        """All files but the manifest, '/' between folders."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*")
                      if path.is_file() and path.name != MANIFEST)

    def spans(self):
        """{file: {tensor: (begin, end)}}, by readers of our own."""
        readers = {".gguf": gguf_file.Layout, ".safetensors": safetensors_file.Layout}
        return {name: readers[pathlib.Path(name).suffix]((self.folder / name).read_bytes()).spans for name in self.files()
                if pathlib.Path(name).suffix in readers and "statistics" not in name}

    def copy(self, to):
        shutil.rmtree(to, ignore_errors=True)
        return Package(self.name, pathlib.Path(shutil.copytree(self.folder, to, symlinks=True)), self.original)


def make(quern, place, names=tuple(RECIPES)):
    """{name: package}; each original lies beside its package."""
    made = {}
    for name in names:
        model, options = RECIPES[name]
        here = place / name
        small_model.write(here / "model", **model)
        (here / "calib.txt").write_text(TEXT)
        done = quern.run("compress", "model", "-o", "package", "-q", *options, cwd=here)
        if done.code:
            raise SystemExit(f"no package could be made to begin with:\n{done.text()}")
        made[name] = Package(name, here / "package", here / "model")
    return made


def read_manifest(folder):
    return json.loads((folder / MANIFEST).read_text())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def seal(folder, manifest):
    """Writes a manifest whose hashes are right for what lies in the folder now: of files, of their parts, and of itself."""
    for file in manifest["files"]:
        raw = (folder / file["name"]).read_bytes()
        file.update(bytes=len(raw), sha256=sha256(raw))
    for parts in manifest.get("tensor_hashes", []):
        raw = (folder / parts["file"]).read_bytes()
        parts["header_sha256"] = sha256(raw[:parts["header_bytes"]])
        for tensor in parts["tensors"]:
            tensor["sha256"] = sha256(raw[tensor["offset"]:tensor["offset"] + tensor["bytes"]])
    write_sealed(folder, manifest)


def write_sealed(folder, manifest):
    """The hash of the manifest's own text, whose digits count as zeros."""
    had_one = manifest.pop(SEAL, None)
    if had_one:
        manifest[SEAL] = "0" * SEAL_DIGITS
    text = json.dumps(manifest, indent=1) + "\n"
    if had_one:
        text = text.replace("0" * SEAL_DIGITS, sha256(text.encode()))
    (folder / MANIFEST).write_text(text)
