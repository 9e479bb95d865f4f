"""Ternary tensors of one scale: every weight as the decoder in plain Python gives it."""

import json
import unittest

from decoder_test import DecoderTest

import planes
import ternary
from quern_program import MODEL, compress

CODECS = ["ternary_b3", "ternary_2bit", "i2_s", "i2_s_rows"]


class Ternary(DecoderTest):
    def compressed(self, name, rules, *arguments, model=MODEL):
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(rules))
        return compress(self.folder / name, "--precision-map", path, *arguments, "-q", model=model)

    def test_every_weight_is_that_of_the_other_decoder_and_nothing_is_lost_twice(self):
        rules = [{"match": f"model.layers.{k}.self_attn.k_proj.weight", "codec": codec} for k, codec in enumerate(CODECS)]
        f32 = [{"match": "*", "codec": "f32"}]
        package = self.compressed("ternary", rules + [{"match": "*", "codec": "bf16"}], "--allow-damage")
        back = self.compressed("back", f32, "--format", "safetensors", "--allow-requantize", "--allow-larger", model=package)
        tensors, coded = self.hold_every_weight(ternary, package, back, CODECS)
        again = self.compressed("again", rules + f32, model=back)
        for name, codec in coded.items():
            for plane in ("codes", "scale"):
                self.assertEqual(planes.read_tensors(again)[f"{name}.{codec}.{plane}"], tensors[f"{name}.{codec}.{plane}"])


if __name__ == "__main__":
    unittest.main()
