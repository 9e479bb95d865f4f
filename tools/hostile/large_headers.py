"""Files that are nearly all header: `inspect` of one takes a bounded multiple of its size in memory, beyond what a small file takes."""

import json
import struct
import subprocess
import sys

import safetensors_file
import small_model
from findings import Fault, Figure, Result, spread

MOST = 4.0
SECONDS = 120  # of the processor; the largest takes a few


def safetensors_tensors(size):
    """Many tensors of no bytes."""
    count = size // 104
    header = {f"model.layers.{i}.a.rather.long.name.of.a.tensor": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(count)}
    return "model.safetensors", safetensors_file.with_header(json.dumps(header, separators=(",", ":")).encode(), b"")


def safetensors_short(size):
    """The same with names of a few characters, which are not the most of an entry."""
    header = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(size // 62)}
    return "model.safetensors", safetensors_file.with_header(json.dumps(header, separators=(",", ":")).encode(), b"")


def safetensors_rows(size):
    """A matrix of 32 numbers for each tensor: weights without an architecture, of which each is planned for."""
    count, row = size // 106, 64
    header = {f"model.layers.{i}.block.weight": {"dtype": "F16", "shape": [1, 32], "data_offsets": [row * i, row * (i + 1)]} for i in range(count)}
    return "model.safetensors", safetensors_file.with_header(json.dumps(header, separators=(",", ":")).encode(), bytes(row * count))


def safetensors_long_names(size):
    """Weights with names of a page."""
    header = {f"{i}.{'n' * 4000}.weight": {"dtype": "F16", "shape": [32], "data_offsets": [64 * i, 64 * i + 64]} for i in range(size // 4100)}
    return "model.safetensors", safetensors_file.with_header(json.dumps(header, separators=(",", ":")).encode(), bytes(64 * len(header)))


def safetensors_metadata(size):
    header = {"__metadata__": {f"key{i}": "v" * 40 for i in range(size // 60)}, "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    return "model.safetensors", safetensors_file.with_header(json.dumps(header, separators=(",", ":")).encode(), bytes(4))


def safetensors_shape(size):
    """One tensor with a shape of millions of axes."""
    header = b'{"w":{"dtype":"F32","data_offsets":[0,4],"shape":[' + b"1," * (size // 2) + b"1]}}"
    return "model.safetensors", safetensors_file.with_header(header, bytes(4))


def safetensors_nesting(size):
    """Brackets, as many as go in."""
    return "model.safetensors", safetensors_file.with_header(b'{"w":' + b"[" * (size // 2) + b"]" * (size // 2) + b"}", bytes(4))


def gguf(pairs, infos):
    """A file of so many (key, type, value) and tensors."""
    def text(value):
        return struct.pack("<Q", len(value)) + value
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(infos), len(pairs))
    body = b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    body += b"".join(text(name) + struct.pack("<IQIQ", 1, 0, 0, 0) for name in infos)
    return head + body + bytes(-(len(head) + len(body)) % 32)


def gguf_tensors(size):
    return "model.gguf", gguf([(b"general.architecture", 8, struct.pack("<Q", 5) + b"llama")], [b"blk.%d.a.name.of.a.tensor" % i for i in range(size // 56)])


def gguf_long_names(size):
    """The same, but fewer than are refused: names as long as a module's path."""
    return "model.gguf", gguf([], [b"model.layers.%d.a.rather.long.name.of.a.tensor.of.some.module" % i for i in range(size // 104)])


def gguf_keys(size):
    return "model.gguf", gguf([(b"a.key.of.some.length.%d" % i, 4, bytes(4)) for i in range(size // 44)], [])


def gguf_texts(size):
    """One array of millions of texts, as a vocabulary is."""
    count = size // 12
    return "model.gguf", gguf([(b"tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, count) + (struct.pack("<Q", 4) + b"abcd") * count)], [])


KINDS = [safetensors_tensors, safetensors_short, safetensors_rows, safetensors_long_names, safetensors_metadata, safetensors_shape, safetensors_nesting,
         gguf_tensors, gguf_long_names, gguf_keys, gguf_texts]


# A small process of its own begins the program: what a child has at most counts from what its parent had.
MEASURE = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
nothing = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=[nothing]), 0)
print(usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status))
"""


def peak(setting, path):
    """(bytes that `inspect` had in memory at most, exit code, what it said)"""
    done = subprocess.run([sys.executable, "-c", MEASURE, str(SECONDS), setting.quern.path, "inspect", path, "--json"], stdin=subprocess.DEVNULL,
                          capture_output=True, check=True)
    most, code = map(int, done.stdout.split())
    return most, code, done.stderr[:500].decode(errors="replace").strip()


def try_one(setting, case):
    kind, size = case
    here = setting.scratch / f"header-{kind.__name__}"
    here.mkdir()
    name, raw = kind(size)
    (here / name).write_bytes(raw)
    small_model.write(here / "small", layers=1)
    least, _, _ = peak(setting, here / "small/model.safetensors")
    most, code, said = peak(setting, here / name)
    times = max(0, most - least) / (size if kind is safetensors_rows else len(raw))
    (here / name).unlink()
    why = f"exit {code}" if code < 0 or code == 1 else f"{times:.1f} times its size in memory" if times > MOST else ""
    if not why:
        return times, None
    where = setting.keep("large-headers", kind.__name__, f"{why}\n{kind.__name__}({size}) of tools/hostile/large_headers.py\n{said}")
    return times, Fault(f"large header: {why}", f"{kind.__name__}, {len(raw) >> 20} MB: {said[:160]}", where)


def run(setting, megabytes):
    results = spread(setting, try_one, [(kind, megabytes << 20) for kind in KINDS], "large headers")
    faults = [fault for _, fault in results if fault]
    return Result([Figure(f"to inspect a header of {megabytes} MB takes at most {MOST:.0f} times its size", len(results), len(results) - len(faults))], faults,
                  [f"headers of {megabytes} MB: at most {max(times for times, _ in results):.1f} times their size"])
