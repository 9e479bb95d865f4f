"""VPTQ: every weight as the decoder in plain Python gives it, and damage named."""

import json
import pathlib
import shutil
import struct
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/cli"), str(ROOT / "tools/decoders")]

import vptq
from quern_program import MODEL, REPORT_TEXT, ProgramTest, compress

# The largest codebooks are larger than the codes of the bundled model's matrices.
CODECS = ["vptq_v4_k256_r256", "vptq_v2_k256", "vptq_v3_k512", "vptq_v2_k64", "vptq_v4_k256", "vptq_v3_k64", "vptq_v2_k16", "vptq_v8_k256"]


class Vptq(ProgramTest):
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
        tensors, floats = vptq.read_tensors(self.package), vptq.read_tensors(back)
        coded = vptq.coded_tensors(tensors)
        self.assertEqual(sorted(coded.values()), sorted(CODECS))
        for name, codec in coded.items():
            self.assertEqual(vptq.decode(tensors, name, codec).tobytes(), floats[name], f"{name} {codec}")

    def test_threads_do_not_matter(self):
        for threads in (1, 4):
            again = compress(self.folder / f"t{threads}", "--precision-map", self.class_folder / "map.json", "--threads", threads, "-q")
            self.assertEqual((again / "model.safetensors").read_bytes(), (self.package / "model.safetensors").read_bytes())

    def test_verify_and_eval_read_it(self):
        self.succeed("verify", self.package, "--every", 1)
        self.succeed("eval", self.package, "--text", REPORT_TEXT, "--windows", "1")

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
        for change in (lambda b: b"\0\0\x40\x40" + b[4:],                # a scale of 3
                       lambda b: b[:4] + b"\0\x7c" + b[6:]):             # a centroid that is infinite
            self.fail_with(3, ["mlp.gate_proj", "VPTQ codebook"], "eval", self.changed(".vptq_v4_k256_r256.codebook", change), "--text",
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
