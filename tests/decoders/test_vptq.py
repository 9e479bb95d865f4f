"""VPTQ: every weight as the decoder in plain Python gives it, and damage named."""

import json
import unittest

from decoder_test import DecoderTest

import vptq
from quern_program import MODEL, REPORT_TEXT, compress

# The largest codebooks are larger than the codes of the bundled model's matrices.
CODECS = ["vptq_v4_k256_r256", "vptq_v2_k256", "vptq_v3_k512", "vptq_v2_k64", "vptq_v4_k256_o256", "vptq_v4_k256", "vptq_v3_k64", "vptq_v2_k16",
          "vptq_v8_k256"]


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

    def test_the_layout_of_its_package_holds_the_same_weights(self):
        package = compress(self.folder / "package", "--precision-map", self.class_folder / "map.json", "--format", "vptq-package", "-q")
        layers = json.loads((package / "config.json").read_text())["quantization_config"]["config_for_layers"]
        self.assertEqual(len(layers), len(CODECS))
        self.assertEqual(layers["model.layers.0.mlp.gate_proj"]["num_res_centroids"], [-1, 256])
        self.succeed("verify", package, "--against", MODEL, "--every", 1)
        backs = [compress(self.folder / name, "--precision-map", self.class_folder / "f32.json", "--format", "safetensors", "--allow-requantize",
                          "--allow-larger", "-q", model=of) for name, of in (("one", self.package), ("other", package))]
        self.assertEqual(*((back / "model.safetensors").read_bytes() for back in backs))

    def test_a_scheme_keeps_16_bits_where_its_package_has_no_8(self):
        package = compress(self.folder / "scheme", "--scheme", "vptq_2", "--format", "vptq-package", "-q")
        codecs = {s["tensor"]: s["codec"] for s in json.loads((package / "manifest.json").read_text())["plan"]["steps"]}
        self.assertEqual(codecs["model.embed_tokens.weight"], "bf16")
        self.assertEqual(codecs["model.layers.0.mlp.up_proj.weight"], "vptq_v3_k64")
        self.fail_with(4, ["int8_channel", "vptq-package cannot hold"], "plan", MODEL, "--scheme", "simple", "--format", "vptq-package")

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
