"""SeedLM folders: what the independent decoder makes of them is what quern makes of them, and damage is named."""

import json
import struct
import unittest

from decoder_test import ROOT, DecoderTest

import planes
import seedlm
from quern_program import compress

SOURCE = ROOT / "testdata/runtime/tiny-llama-bias"
MATRIX = "model.layers.0.mlp.up_proj.weight"


class Seedlm(DecoderTest):
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
            expected, file = planes.read_tensors(plain), seedlm.File(package / "model.safetensors")
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

    def test_damage_is_named(self):
        def no_seed(plane):
            return bytes(2) + plane[2:]

        for codec, plane, change, said in (("seedlm_4", "vectors", no_seed, "seed 0"), ("seedlm_3", "vectors", no_seed, "seed 0"),
                                           ("seedlm_4", "exponent", lambda e: b"\x7f", "exponent"),
                                           ("seedlm_4w", "table", lambda t: bytes(len(t)), "able"),
                                           ("seedlm_4w", "rows", lambda r: bytes(len(r)), "stream"),
                                           ("seedlm_3w", "offsets", lambda o: o[8:16] + o[8:], "row 0")):
            copy = self.changed(self.packages[codec], f"{MATRIX}.{codec}.{plane}", change)
            self.fail_with(3, [MATRIX, said], "compress", copy, "-o", self.folder / "out", "--scheme", "f32", "--format", "safetensors",
                           "--allow-larger", "--allow-requantize")


if __name__ == "__main__":
    unittest.main()
