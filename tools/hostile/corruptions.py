"""Damage to finished packages, none of whose hashes are put right: `quern verify` finds it, and says which tensor it lies in.

Each kind is a function (draw, package) that damages the copy of a package and returns what has to be named."""

import json
import os
import random
import shutil
from dataclasses import dataclass

import json_nodes
import packages
import program
from findings import Fault, Figure, Result, spread

# What else lies in a package must not decide what is opened. Names that loaders look for before, or beside, those that are there.
EXTRA = {"model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": {"model.norm.weight": "other.safetensors"}}).encode(),
         "model.safetensors": b"", "pytorch_model.bin": b"PK\x03\x04", "model-00001-of-00001.safetensors": b"", "another.gguf": b"GGUF\x03\0\0\0" + bytes(16),
         "config.json": b"{}", "tokenizer.json": b"{}", "tokenizer.model": b"", "tokenizer_config.json": b"{}", "generation_config.json": b"{}",
         "chat_template.jinja": b"x", "added_tokens.json": b"{}", "special_tokens_map.json": b"{}", "vocab.json": b"{}", "adapter_config.json": b"{}"}


@dataclass(frozen=True)
class Damage:
    """names: words of which one has to be said; tensors: names of tensors, one of which has to be said where there are any."""
    what: str
    names: tuple = ()
    tensors: tuple = ()


def rewrite(package, name, data):
    (package.folder / name).unlink()
    (package.folder / name).write_bytes(data)


def weights(draw, package):
    """(file, its bytes, {tensor: span})."""
    name, spans = draw.choice(sorted(package.spans().items()))
    return name, (package.folder / name).read_bytes(), {tensor: span for tensor, span in spans.items() if span[1] > span[0]}


def flip_in_a_tensor(draw, package):
    name, raw, spans = weights(draw, package)
    tensor = draw.choice(sorted(spans))
    at = draw.randrange(*spans[tensor])
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1:])
    return Damage(f"a bit of {tensor} flipped at {at}", (name,), (tensor,))


def run_in_a_tensor(draw, package):
    """Zeros, noise or a copy from elsewhere, as a bad sector or a torn download leaves."""
    name, raw, spans = weights(draw, package)
    tensor = draw.choice(sorted(spans))
    begin, end = spans[tensor]
    at = draw.randrange(begin, end)
    size = min(end - at, draw.choice([2, 16, 512, 4096]))
    new = draw.choice([bytes(size), draw.randbytes(size), raw[-size:], raw[begin:begin + size]])
    if new == raw[at:at + size]:
        new = bytes(byte ^ 0xff for byte in new)
    rewrite(package, name, raw[:at] + new + raw[at + size:])
    return Damage(f"{size} bytes of {tensor} overwritten at {at}", (name,), (tensor,))


def swap_two_tensors(draw, package):
    """The bytes of two tensors of one size change places: the sizes still fit."""
    name, raw, spans = weights(draw, package)
    a, b = draw.sample(sorted(spans), 2)
    size = min(spans[a][1] - spans[a][0], spans[b][1] - spans[b][0], draw.choice([8, 64, 1 << 30]))
    (x, _), (y, _) = sorted([spans[a], spans[b]])
    if raw[x:x + size] == raw[y:y + size]:
        return flip_in_a_tensor(draw, package)
    rewrite(package, name, raw[:x] + raw[y:y + size] + raw[x + size:y] + raw[x:x + size] + raw[y + size:])
    return Damage(f"{size} bytes of {a} and {b} exchanged", (name,), (a, b))


def flip_in_the_header(draw, package):
    name, raw, spans = weights(draw, package)
    at = draw.randrange(min(begin for begin, _ in spans.values()))
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1:])
    return Damage(f"a bit of the header flipped at {at}", (name,))


def flip_in_another_file(draw, package):
    name = draw.choice(package.files())
    raw = (package.folder / name).read_bytes()
    at = draw.randrange(len(raw))
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1:])
    return Damage(f"a bit of {name} flipped at {at}", (name,))


def cut(draw, package):
    name = draw.choice(package.files())
    raw = (package.folder / name).read_bytes()
    at = draw.choice([0, len(raw) - 1, draw.randrange(len(raw)), len(raw) // 4096 * 4096 - 4096 * (len(raw) % 4096 == 0)])
    rewrite(package, name, raw[:max(0, at)])
    return Damage(f"{name} cut to {at} of {len(raw)}", (name,))


def lengthen(draw, package):
    name = draw.choice(package.files())
    raw = (package.folder / name).read_bytes()
    at = draw.choice([len(raw), draw.randrange(len(raw))])
    rewrite(package, name, raw[:at] + draw.choice([b"\0", b" ", b"\n", draw.randbytes(100)]) + raw[at:])
    return Damage(f"{name} lengthened at {at}", (name,))


def shorten(draw, package):
    """Bytes from the middle are gone."""
    name = draw.choice(package.files())
    raw = (package.folder / name).read_bytes()
    at, size = draw.randrange(len(raw)), draw.choice([1, 8, 512])
    rewrite(package, name, raw[:at] + raw[at + size:])
    return Damage(f"{size} bytes of {name} deleted at {at}", (name,))


def remove(draw, package):
    name = draw.choice(package.files())
    (package.folder / name).unlink()
    return Damage(f"{name} removed", (name,))


def rename(draw, package):
    name = draw.choice(package.files())
    (package.folder / name).rename(package.folder / (name + draw.choice([".bak", "_", ".part"])))
    return Damage(f"{name} renamed", (name,))


def exchange_files(draw, package):
    a, b = draw.sample(package.files(), 2)
    first, second = (package.folder / a).read_bytes(), (package.folder / b).read_bytes()
    rewrite(package, a, second)
    rewrite(package, b, first)
    return Damage(f"{a} and {b} exchanged", (a, b))


def replace_by_another_kind(draw, package):
    """In place of a file: a link that leads nowhere, to other content or into a circle, a folder, a pipe, a device."""
    name = draw.choice(package.files())
    path = package.folder / name
    path.unlink()
    kind = draw.choice(["nowhere", "other", "circle", "folder", "pipe", "device"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"nowhere": "not-there", "other": package.original / "config.json", "circle": path.name, "device": "/dev/zero"}[kind])
    return Damage(f"{name} is now a {kind}", (name,))


def edit_a_config(draw, package):
    """One field of a JSON file of the package, as a person would change it."""
    name = draw.choice([name for name in package.files() if name.endswith(".json")])
    document = json.loads((package.folder / name).read_text())
    path = draw.choice([path for path in json_nodes.places(document) if not isinstance(json_nodes.at(document, path), (dict, list))])
    rewrite(package, name, json.dumps(json_nodes.replaced(document, path, json_nodes.another(json_nodes.at(document, path))), indent=1).encode())
    return Damage(f"{name}: {path} changed", (name,))


def edit_the_manifest(draw, package):
    """One field of it, in every part alike: plan, errors, files, source, versions."""
    document = packages.read_manifest(package.folder)
    part = draw.choice(sorted(document))
    paths = [path for path in json_nodes.places(document) if path[0] == part]
    path = draw.choice(paths)
    value = json_nodes.at(document, path)
    how = draw.choice(["another", "another", "another", "absent", "renamed" if isinstance(path[-1], str) else "another"])
    if how == "absent":
        fresh = json_nodes.without(document, path)
    elif how == "renamed":
        fresh = json_nodes.renamed(document, path, path[-1] + "_")
    else:
        fresh = json_nodes.replaced(document, path, json_nodes.another(value))
    rewrite(package, packages.MANIFEST, (json.dumps(fresh, indent=1) + "\n").encode())
    return Damage(f"manifest: {path} {how}", (packages.MANIFEST, "manifest"))


def add_a_file(draw, package):
    """That a program would open in place of what is there, or beside it."""
    there = set(package.files())
    name = draw.choice(sorted(set(EXTRA) - there))
    (package.folder / name).write_bytes(EXTRA[name])
    return Damage(f"{name} added", (name,))


def add_a_model(draw, package):
    """A whole second model, under a name that is looked for."""
    name = draw.choice([name for name in ("model.safetensors", "another.gguf", "pytorch_model.safetensors", "consolidated.safetensors") if name not in package.files()])
    source = package.original / "model.safetensors"
    shutil.copy(source if source.exists() else next(package.original.glob("*.safetensors")), package.folder / name)
    return Damage(f"a model added as {name}", (name,))


# How often each is drawn: `--quick` and the whole take the same shares.
KINDS = {flip_in_a_tensor: 6, run_in_a_tensor: 4, swap_two_tensors: 2, flip_in_the_header: 2, flip_in_another_file: 2, cut: 2, lengthen: 2, shorten: 2,
         remove: 2, rename: 1, exchange_files: 1, replace_by_another_kind: 2, edit_a_config: 2, edit_the_manifest: 4, add_a_file: 2, add_a_model: 1}


def says_tensor(outcome, tensors):
    """As the file calls it, or as the plan calls the weight that it is a part of: `x.weight_scale` belongs to x.weight."""
    said = outcome.said + outcome.printed
    return any(name in said or name.partition(".weight")[0] + ".weight" in said for name in tensors)


UNNAMED = "the file is not named"  # only reported


def judge(outcome, damage):
    """Why the damage was not found as promised; empty: it was."""
    if outcome.fault():
        return outcome.fault()
    if outcome.code == program.OK:
        return "not found"
    if outcome.code != program.VERIFICATION:
        return f"exit {outcome.code} in place of 7"
    if damage.tensors and not says_tensor(outcome, damage.tensors):
        return "the tensor is not named"
    return "" if any(outcome.names(word) for word in damage.names) else UNNAMED


def try_one(setting, case):
    number, kind = case
    draw = random.Random(f"{setting.seed} corruption {number}")
    package = MADE[number % len(MADE)].copy(setting.scratch / f"corruption-{number}")
    damage = kind(draw, package)
    outcome = setting.quern.run("verify", package.folder, "--threads", "1")
    verdict = judge(outcome, damage)
    fault = None
    if verdict:
        words = f"{package.name}: {damage.what}"
        where = setting.keep("corruptions", number, f"{verdict}\n{words}\n{outcome.text()}", [package.folder])
        fault = Fault(f"{verdict}: {kind.__name__}", words, where, verdict != UNNAMED)
    shutil.rmtree(package.folder, ignore_errors=True)
    return verdict, bool(damage.tensors), fault


MADE = []


def run(setting, count):
    MADE[:] = packages.make(setting.quern, setting.scratch / "packages").values()
    kinds = [kind for kind, share in KINDS.items() for _ in range(share)]
    results = spread(setting, try_one, [(k, kinds[k % len(kinds)]) for k in range(count)], "corruptions")
    unfound = sum(verdict.startswith(("not found", "exit", "signal", "hang")) for verdict, _, _ in results)
    in_tensors = [verdict for verdict, in_tensor, _ in results if in_tensor]
    unnamed = sum(verdict == UNNAMED for verdict, _, _ in results)
    return Result([Figure("a corrupted package is found by `verify`, with exit 7", count, count - unfound),
                   Figure("damage in a tensor: the tensor is named", len(in_tensors), sum(not verdict for verdict in in_tensors)),
                   Figure("damage elsewhere: the file is named", count - len(in_tensors), count - len(in_tensors) - unnamed, decides=False)],
                  [fault for _, _, fault in results if fault])


def flip_anywhere(draw, package):
    """One bit of the whole package, the manifest included, each byte alike."""
    sizes = {name: (package.folder / name).stat().st_size for name in [*package.files(), packages.MANIFEST]}
    name = draw.choices(list(sizes), sizes.values())[0]
    raw = (package.folder / name).read_bytes()
    at = draw.randrange(len(raw))
    rewrite(package, name, raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1:])
    return Damage(f"a bit of {name} flipped at {at}", (name, "manifest"))


def run_anywhere(setting, count):
    if not MADE:
        MADE[:] = packages.make(setting.quern, setting.scratch / "packages").values()
    results = spread(setting, try_one, [(10**6 + k, flip_anywhere) for k in range(count)], "single bits")
    found = sum(not verdict.startswith(("not found", "exit", "signal", "hang")) for verdict, _, _ in results)
    return Result([Figure("one bit anywhere in a package is found", count, found)], [fault for _, _, fault in results if fault])
