"""VPTQ: every weight as the decoder in plain Python gives it, and damage named."""

import json
import unittest

from decoder_test import DecoderTest

import vptq
from quern_program import MODEL, REPORT_TEXT, compress

# The largest codebooks are larger than the codes of the bundled model's matrices.
CODECS = ["vptq_v4_k256_r256", "vptq_v2_k256", "vptq_v3_k512", "vptq_v2_k64", "vptq_v4_k256", "vptq_v3_k64", "vptq_v2_k16", "vptq_v8_k256"]


class Vptq(DecoderTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rules = [{"match": f"model.layers.{k % 6}.mlp.{('gate', 'down')[k // 6]}_proj.weight", "codec": codec} for k, codec in enumerate(CODECS)]
        (cls.class_folder / "map.json").write_text(json.dumps(rules + [{"match": "*", "codec": "bf16"}]))
        (cls.class_folder / "f32.json").write_text(json.dumps([{"match": "*", "codec": "f32"}]))
        cls.package = compress(cls.class_folder / "vptq", "--precision-map", cls.class_folder / "map.json", "-q")

    def test_every_weight_is_that_of_the_other_decoder(self):
        back = compress(self.folder / "back", "--precision-map", self.class_folder / "f32.json", "--format", "safetensors", "--allow-requantize",
                        "--allow-larger", "-q", model=self.package)
        self.hold_every_weight(vptq, self.package, back, CODECS)

    def test_threads_do_not_matter(self):
        for threads in (1, 4):
            again = compress(self.folder / f"t{threads}", "--precision-map", self.class_folder / "map.json", "--threads", threads, "-q")
            self.assertEqual((again / "model.safetensors").read_bytes(), (self.package / "model.safetensors").read_bytes())

    def test_verify_and_eval_read_it(self):
        self.succeed("verify", self.package, "--every", 1)
        self.succeed("eval", self.package, "--text", REPORT_TEXT, "--windows", "1")

    def test_damage_is_named(self):
        for change in (lambda b: b"\0\0\x40\x40" + b[4:],                # a scale of 3
                       lambda b: b[:4] + b"\0\x7c" + b[6:]):             # a centroid that is infinite
            self.fail_with(3, ["mlp.gate_proj", "VPTQ codebook"], "eval", self.changed(self.package, ".vptq_v4_k256_r256.codebook", change), "--text",
                           REPORT_TEXT, "--windows", "1")

    def test_a_codebook_larger_than_its_codes_is_refused(self):
        path = self.folder / "large.json"
        path.write_text(json.dumps([{"match": "model.layers.0.self_attn.k_proj.weight", "codec": "vptq_v6_k4096_r4096"}, {"match": "*", "codec": "bf16"}]))
        plan = json.loads(self.succeed("plan", MODEL, "--precision-map", path, "--json").stdout)
        step = next(s for s in plan["steps"] if s["tensor"] == "model.layers.0.self_attn.k_proj.weight")
        self.assertNotEqual(step["codec"], "vptq_v6_k4096_r4096")
        self.assertIn("codebook", " ".join(plan["notes"]))


if __name__ == "__main__":
    unittest.main()
