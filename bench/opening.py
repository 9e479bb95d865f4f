"""What opening costs: `quern inspect` of checkpoints with very many tensors, very many files, or very many bytes.

  python3 bench/opening.py

Processor seconds, wall-clock seconds and peak memory of the whole command, the least of three runs: opening, and then everything that
inspect says. The files are made of zeros in a temporary folder: 400,000 matrices of 32 numbers in safetensors and GGUF, 1,000 shards of
nine, and a PyTorch file of 4 GB.
"""
import collections
import io
import json
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import zipfile

import interleaved as run

TENSORS, SHARDS, COLUMNS = 400_000, 1_000, 32
LARGE_ROWS, LARGE_COLUMNS, LARGE_COUNT = 8192, 8192, 32  # of 16 bits: 4.3 GB


def names(count):
    return [f"model.layers.{i // 8}.block.{i % 8}.weight" for i in range(count)]


def safetensors(path, tensors):
    size = 2 * COLUMNS
    table = {name: {"dtype": "F16", "shape": [1, COLUMNS], "data_offsets": [i * size, (i + 1) * size]} for i, name in enumerate(tensors)}
    text = json.dumps(table, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size * len(tensors)))


def shards(folder):
    folder.mkdir()
    weight_map = {}
    for k in range(SHARDS):
        name, tensors = f"model-{k + 1:05d}-of-{SHARDS:05d}.safetensors", names(9 * SHARDS)[9 * k:9 * k + 9]
        safetensors(folder / name, tensors)
        weight_map |= dict.fromkeys(tensors, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def gguf(path):
    def text(value):
        return struct.pack("<Q", len(value)) + value
    head = b"GGUF" + struct.pack("<IQQ", 3, TENSORS, 1) + text(b"general.architecture") + struct.pack("<I", 8) + text(b"other")
    table = b"".join(text(name.encode()) + struct.pack("<IQQIQ", 2, COLUMNS, 1, 1, 2 * COLUMNS * i) for i, name in enumerate(names(TENSORS)))
    path.write_bytes(head + table + bytes(-(len(head) + len(table)) % 32) + bytes(2 * COLUMNS * TENSORS))


class HalfStorage:
    __module__ = "torch"


def rebuild(*_):
    """Stands for torch._utils._rebuild_tensor_v2 while a pickle is written."""


rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"


class Storage:
    def __init__(self, key):
        self.key = key


class Tensor:
    def __init__(self, key):
        self.key = key

    def __reduce__(self):
        shape, strides = (LARGE_ROWS, LARGE_COLUMNS), (LARGE_COLUMNS, 1)
        return rebuild, (Storage(self.key), 0, shape, strides, False, collections.OrderedDict())


class TorchPickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", HalfStorage, value.key, "cpu", LARGE_ROWS * LARGE_COLUMNS) if isinstance(value, Storage) else None


def pytorch(path):
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.HalfStorage, utils._rebuild_tensor_v2 = HalfStorage, rebuild
    sys.modules |= {"torch": torch, "torch._utils": utils}
    table = io.BytesIO()
    TorchPickler(table, 2).dump(collections.OrderedDict((name, Tensor(str(i))) for i, name in enumerate(names(LARGE_COUNT))))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", table.getvalue())
        for i in range(LARGE_COUNT):
            archive.writestr(f"archive/data/{i}", bytes(2 * LARGE_ROWS * LARGE_COLUMNS))
        archive.writestr("archive/version", b"3\n")


# A small process of its own begins the program: what a child has at most counts from what its parent had.
MEASURE = """
import os, sys, time
begun = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
print(used.ru_utime + used.ru_stime, time.perf_counter() - begun, used.ru_maxrss / 1024)
sys.exit(status != 0)
"""


def measure(quern, path):
    """(processor seconds, wall-clock seconds, peak memory in MB) of one run."""
    done = subprocess.run([sys.executable, "-c", MEASURE, quern, "inspect", path], stdout=subprocess.PIPE, check=True)
    return tuple(map(float, done.stdout.split()))


def main():
    options = run.arguments(__doc__).parse_args()
    print(run.machine(1) + "\n")
    print("| checkpoint | processor s | wall s | peak MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for what, name, make in ((f"{TENSORS:,} tensors, safetensors", "many.safetensors", lambda path: safetensors(path, names(TENSORS))),
                                 (f"{TENSORS:,} tensors, GGUF", "many.gguf", gguf), (f"{SHARDS:,} shards", "shards", shards),
                                 ("a PyTorch file of 4.3 GB", "large.pt", pytorch)):
            path = folder / name
            make(path)
            processor, wall, peak = (min(figures) for figures in zip(*(measure(run.QUERN, path) for _ in range(options.rounds))))
            print(f"| {what} | {processor:.2f} | {wall:.2f} | {peak:.0f} |", flush=True)
            if path.is_file():
                path.unlink()


if __name__ == "__main__":
    main()
