"""Hyper-Compression: every weight as the decoder in plain Python gives it, and damage named."""

import json
import unittest

from decoder_test import DecoderTest

import hyper
from quern_program import MODEL, REPORT_TEXT, compress

CODECS = ["hyper_1600", "hyper_1600_l01", "hyper_1600_l08", "hyper_225", "hyper_225_l01", "hyper_1600_rans", "hyper_225_rans", "hyper_225_l01_rans"]


class Hyper(DecoderTest):
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
        self.hold_every_weight(hyper, self.package, back, CODECS)

    def test_verify_and_eval_read_it(self):
        self.succeed("verify", self.package, "--against", MODEL, "--every", 1)
        self.succeed("eval", self.package, "--text", REPORT_TEXT, "--windows", "1")
        self.assertIn("hyper_225_rans", self.succeed("inspect", self.package).stdout)

    def test_damage_is_named(self):
        changes = {".hyper_225.codes": lambda b: b"\xff" * len(b),                           # indices outside the grid
                   ".hyper_225.grid": lambda b: b[:20] + (b"\1" if b[20] > 1 else b"\3"),    # rows of other sizes
                   ".hyper_225_l01.grid": lambda b: b"\0\0\0\x3f" + b[4:],                   # another side than the format's
                   ".hyper_225_rans.rows": lambda b: bytes(len(b)),
                   ".hyper_225_rans.grid": lambda b: b[:21] + bytes(len(b) - 21)}
        for plane, change in changes.items():
            self.fail_with(3, ["self_attn"], "eval", self.changed(self.package, plane, change), "--text", REPORT_TEXT, "--windows", "1")


if __name__ == "__main__":
    unittest.main()
