"""SeedLM folders: what the independent decoder makes of them is what quern makes of them, and damage is named."""

import json
import pathlib
import shutil
import struct
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/cli"), str(ROOT / "tools/decoders")]

import seedlm
from quern_program import ProgramTest, compress

SOURCE = ROOT / "testdata/runtime/tiny-llama-bias"
MATRIX = "model.layers.0.mlp.up_proj.weight"


def floats(path):
    """Name -> values of a safetensors file of 32-bit floats, as bytes."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return {name: data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]]
            for name, t in header.items() if name != "__metadata__" and t["dtype"] == "F32"}


class Seedlm(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.basis = seedlm.Basis()
        cls.packages = {codec: compress(cls.class_folder / codec, "--precision-map", cls.map_of(codec), "--scheme", "lossless", "-q", model=SOURCE)
                        for codec in seedlm.SHAPES}

    @classmethod
    def map_of(cls, codec):
        path = cls.class_folder / f"{codec}.json"
        path.write_text(json.dumps([{"match": "*_proj.weight", "codec": codec}]))
        return path

    def test_another_decoder_gives_the_same_floats(self):
        rules = self.folder / "floats.json"
        rules.write_text(json.dumps([{"match": "*", "codec": "f32"}]))
        for codec, package in self.packages.items():
            plain = compress(self.folder / codec, "--precision-map", rules, "--allow-larger", "--allow-requantize", "-q", model=package)
            expected, file = floats(plain / "model.safetensors"), seedlm.File(package / "model.safetensors")
            names = file.names()
            self.assertGreater(len(names), 6)
            self.assertEqual(set(names.values()), {codec})
            for name in names:
                rows = seedlm.decode(file, name, self.basis)
                found = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
                self.assertEqual(found, expected[name], f"{codec} {name}")

    def test_verify_and_run_read_them(self):
        for codec, package in self.packages.items():
            self.succeed("verify", package, "--against", SOURCE, "--every", 1)
            self.assertIn(codec, self.succeed("inspect", package).stdout)

    def changed(self, codec, plane, change):
        copy = self.folder / "changed"
        shutil.copytree(self.packages[codec], copy, dirs_exist_ok=True)
        path = copy / "model.safetensors"
        data = bytearray(path.read_bytes())
        size = struct.unpack("<Q", data[:8])[0]
        begin, end = json.loads(data[8:8 + size])[f"{MATRIX}.{codec}.{plane}"]["data_offsets"]
        data[8 + size + begin:8 + size + end] = change(data[8 + size + begin:8 + size + end])
        path.write_bytes(data)
        return copy

    def test_damage_is_named(self):
        def no_seed(plane):
            return bytes(2) + plane[2:]

        for codec, plane, change, said in (("seedlm_4", "vectors", no_seed, "seed 0"), ("seedlm_3", "vectors", no_seed, "seed 0"),
                                           ("seedlm_4", "exponent", lambda e: b"\x7f", "exponent"),
                                           ("seedlm_4w", "table", lambda t: bytes(len(t)), "able"),
                                           ("seedlm_4w", "rows", lambda r: bytes(len(r)), "stream"),
                                           ("seedlm_3w", "offsets", lambda o: o[8:16] + o[8:], "row 0")):
            copy = self.changed(codec, plane, change)
            self.fail_with(3, [MATRIX, said], "compress", copy, "-o", self.folder / "out", "--scheme", "f32", "--format", "safetensors",
                           "--allow-larger", "--allow-requantize")


if __name__ == "__main__":
    unittest.main()
