"""Ternary tensors of one scale: every weight as the decoder in plain Python gives it."""

import json
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/cli"), str(ROOT / "tools/decoders")]

import hyper
import ternary
from quern_program import MODEL, ProgramTest, compress

CODECS = ["ternary_b3", "ternary_2bit"]


class Ternary(ProgramTest):
    def compressed(self, name, rules, *arguments, model=MODEL):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(rules))
        return compress(self.folder / name, "--precision-map", path, *arguments, "-q", model=model)

    def test_every_weight_is_that_of_the_other_decoder_and_nothing_is_lost_twice(self):
        rules = [{"match": f"model.layers.{k}.self_attn.k_proj.weight", "codec": codec} for k, codec in enumerate(CODECS)]
        f32 = [{"match": "*", "codec": "f32"}]
        package = self.compressed("ternary", rules + [{"match": "*", "codec": "bf16"}], "--allow-damage")
        back = self.compressed("back", f32, "--format", "safetensors", "--allow-requantize", "--allow-larger", model=package)
        tensors, floats = hyper.read_tensors(package), hyper.read_tensors(back)
        coded = ternary.coded_tensors(tensors)
        self.assertEqual(sorted(coded.values()), sorted(CODECS))
        for name, codec in coded.items():
            self.assertEqual(ternary.decode(tensors, name, codec).tobytes(), floats[name], f"{name} {codec}")
        again = self.compressed("again", rules + f32, model=back)
        for name, codec in coded.items():
            for plane in ("codes", "scale"):
                self.assertEqual(hyper.read_tensors(again)[f"{name}.{codec}.{plane}"], tensors[f"{name}.{codec}.{plane}"])


if __name__ == "__main__":
    unittest.main()
