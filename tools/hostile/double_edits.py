"""Packages changed by somebody who also puts every hash right: with the original at hand `quern verify --against` finds it all the same."""

import json
import random
import shutil

import gguf_file
import json_nodes
import packages
import program
from corruptions import MADE, Damage, rewrite, says_tensor, weights
from findings import Fault, Figure, Result, spread


def edit_a_tensor(draw, package):
    name, raw, spans = weights(draw, package)
    tensor = draw.choice(sorted(spans))
    at = draw.randrange(*spans[tensor])
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1:])
    return Damage(f"a bit of {tensor} flipped at {at}", (name,), (tensor,))


def edit_metadata(draw, package):
    """A value in the header of a GGUF file; of other containers a field of a copied or written configuration."""
    name = next((name for name in package.files() if name.endswith(".gguf") and "statistics" not in name), None)
    if not name:
        return edit_a_companion(draw, package)
    raw = (package.folder / name).read_bytes()
    layout = gguf_file.Layout(raw)
    key = draw.choice(sorted(layout.metadata))
    kind, begin, end = layout.metadata[key]
    # Of a text or an array the last item: lengths and types stay, so that the file is still whole.
    at = end - 1 if kind in (gguf_file.STRING, gguf_file.ARRAY) and end - begin > 12 else begin
    if at == end:
        return edit_metadata(draw, package)
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:])
    return Damage(f"{key} of {name} changed", (name, key))


def edit_a_companion(draw, package):
    """Tokenizer or configuration."""
    names = [name for name in package.files() if name in ("tokenizer.model", "config.json", "generation_config.json", "tokenizer_config.json")]
    if not names:
        return edit_metadata(draw, package)
    name = draw.choice(names)
    raw = (package.folder / name).read_bytes()
    if name.endswith(".json"):
        document = json.loads(raw)
        path = draw.choice([path for path in json_nodes.places(document) if not isinstance(json_nodes.at(document, path), (dict, list))])
        rewrite(package, name, json.dumps(json_nodes.replaced(document, path, json_nodes.another(json_nodes.at(document, path))), indent=1).encode())
        return Damage(f"{name}: {path} changed", (name,))
    at = draw.randrange(len(raw))
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:])
    return Damage(f"a bit of {name} flipped at {at}", (name,))


def edit_the_source(draw, package):
    """What the manifest says of the original, or of the use of a file."""
    manifest = packages.read_manifest(package.folder)
    if draw.random() < 0.5:
        file = draw.choice(manifest["source"]["files"])
        file["sha256"] = packages.sha256(draw.randbytes(8))
        words = f"another hash of the original's {file['name']}"
    else:
        file = draw.choice([file for file in manifest["files"] if file["role"] == "model"])
        file["role"] = "evidence"
        words = f"{file['name']} is called evidence"
    packages.write_sealed(package.folder, manifest)
    return Damage(words, (packages.MANIFEST, "manifest", "original", file["name"]))


def try_one(setting, case):
    number, kind = case
    draw = random.Random(f"{setting.seed} double edit {number}")
    package = MADE[number % len(MADE)].copy(setting.scratch / f"double-{number}")
    damage = kind(draw, package)
    packages.seal(package.folder, packages.read_manifest(package.folder))
    outcome = setting.quern.run("verify", package.folder, "--against", package.original, "--threads", "1")
    verdict = outcome.fault() or ("not found" if outcome.code == program.OK else "")
    named = outcome.code == program.VERIFICATION and (not damage.tensors or says_tensor(outcome, damage.tensors))
    fault = None
    if verdict:
        words = f"{package.name}: {damage.what}"
        where = setting.keep("double-edits", number, f"{verdict}\n{words}\n{outcome.text()}", [package.folder])
        fault = Fault(f"{verdict} against the original: {kind.__name__} ({package.name})", words, where)
    shutil.rmtree(package.folder, ignore_errors=True)
    return verdict, named, fault


def run(setting, count):
    """`count` changed bytes of tensors, a fifth as many of everything else."""
    if not MADE:
        MADE[:] = packages.make(setting.quern, setting.scratch / "packages").values()
    others = max(1, count // 5)
    cases = [(k, edit_a_tensor) for k in range(count)]
    cases += [(count + k, (edit_a_companion, edit_metadata)[k // len(MADE) % 2]) for k in range(others)]
    cases += [(count + others + k, edit_the_source) for k in range(others)]
    results = spread(setting, try_one, cases, "double edits")
    faults = [fault for _, _, fault in results if fault]

    def figure(promise, part):
        return Figure(promise, len(part), sum(not verdict for verdict, _, _ in part))
    return Result([figure("a byte of a tensor and every hash changed: found against the original", results[:count]),
                   figure("tokenizer, configuration or metadata and every hash changed: found", results[count:count + others]),
                   figure("what the manifest says of original and roles changed: found", results[count + others:]),
                   Figure("a tensor that was so changed is named", count, sum(named for _, named, _ in results[:count]), decides=False)], faults)
