"""Hyper-Compression: every weight as the decoder in plain Python gives it, and damage named."""

import json
import pathlib
import shutil
import struct
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/cli"), str(ROOT / "tools/decoders")]

import hyper
from quern_program import MODEL, REPORT_TEXT, ProgramTest, compress

CODECS = ["hyper_1600", "hyper_1600_l01", "hyper_1600_l08", "hyper_225", "hyper_225_l01", "hyper_1600_rans", "hyper_225_rans", "hyper_225_l01_rans"]


class Hyper(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rules = [{"match": f"model.layers.{k % 6}.self_attn.{'kv'[k // 6]}_proj.weight", "codec": codec} for k, codec in enumerate(CODECS)]
        (cls.class_folder / "map.json").write_text(json.dumps(rules + [{"match": "*", "codec": "bf16"}]))
        (cls.class_folder / "f32.json").write_text(json.dumps([{"match": "*", "codec": "f32"}]))
        cls.package = compress(cls.class_folder / "hyper", "--precision-map", cls.class_folder / "map.json", "-q")

    def test_every_weight_is_that_of_the_other_decoder(self):
        back = compress(self.folder / "back", "--precision-map", self.class_folder / "f32.json", "--format", "safetensors", "--allow-requantize",
                        "--allow-larger", "-q", model=self.package)
        tensors, floats = hyper.read_tensors(self.package), hyper.read_tensors(back)
        coded = hyper.coded_tensors(tensors)
        self.assertEqual(sorted(coded.values()), sorted(CODECS))
        for name, codec in coded.items():
            self.assertEqual(hyper.decode(tensors, name, codec).tobytes(), floats[name], f"{name} {codec}")

    def test_verify_and_eval_read_it(self):
        self.succeed("verify", self.package, "--against", MODEL, "--every", 1)
        self.succeed("eval", self.package, "--text", REPORT_TEXT, "--windows", "1")
        self.assertIn("hyper_225_rans", self.succeed("inspect", self.package).stdout)

    def changed(self, plane, change):
        """A copy of the package in which `change` was made to the bytes of a tensor that ends so."""
        copy = self.folder / "changed"
        shutil.copytree(self.package, copy, dirs_exist_ok=True)
        data = bytearray((copy / "model.safetensors").read_bytes())
        start = 8 + struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:start])
        begin, end = next(t["data_offsets"] for name, t in header.items() if name.endswith(plane))
        data[start + begin:start + end] = change(data[start + begin:start + end])
        (copy / "model.safetensors").write_bytes(data)
        return copy

    def test_damage_is_named(self):
        changes = {".hyper_225.codes": lambda b: b"\xff" * len(b),                           # indices outside the grid
                   ".hyper_225.grid": lambda b: b[:20] + (b"\1" if b[20] > 1 else b"\3"),    # rows of other sizes
                   ".hyper_225_l01.grid": lambda b: b"\0\0\0\x3f" + b[4:],                   # another side than the format's
                   ".hyper_225_rans.rows": lambda b: bytes(len(b)),
                   ".hyper_225_rans.grid": lambda b: b[:21] + bytes(len(b) - 21)}
        for plane, change in changes.items():
            self.fail_with(3, ["self_attn"], "eval", self.changed(plane, change), "--text", REPORT_TEXT, "--windows", "1")


if __name__ == "__main__":
    unittest.main()
