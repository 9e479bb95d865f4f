"""Plans that are handed back: the same bytes, and a refusal that says what is wrong with one that does not fit."""

import json
import unittest

import tiny_llama
from quern_program import CALIBRATED, MODEL, ProgramTest, compress, hashes, model_files, read_json, sha256

USAGE, INPUT = 2, 3


class Replay(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.package = compress(cls.class_folder / "package", "--scheme", "q4_k_m", *CALIBRATED)
        cls.plan = read_json(cls.package / "manifest.json")["plan"]

    def setUp(self):
        super().setUp()
        self.file = self.folder / "plan.json"
        self.output = self.folder / "out"
        self.statistics = ["--imatrix", self.package / "statistics.gguf"]

    def refuse(self, code, words, plan, *arguments, model=MODEL):
        self.file.write_text(plan if isinstance(plan, str) else json.dumps(plan))
        self.fail_with(code, [self.file, *words], "compress", model, "-o", self.output, "--plan", self.file, "-q", *arguments)
        self.assert_gone(self.output, self.folder / "out.partial")

    def edited(self, **members):
        """The plan with another member in the step of the first down_proj."""
        plan = json.loads(json.dumps(self.plan))
        step = next(step for step in plan["steps"] if step["tensor"].endswith("0.mlp.down_proj.weight"))
        step.update(members)
        return plan

    def test_same_bytes(self):
        for plan in (self.package / "manifest.json", self.file):
            self.file.write_text(json.dumps(self.plan))
            out = compress(self.folder / plan.stem, "--plan", plan, *self.statistics)
            self.assertEqual([sha256(f) for f in model_files(out)], [sha256(f) for f in model_files(self.package)])
            self.assertEqual(read_json(out / "manifest.json")["plan"], self.plan)
        again = compress(self.folder / "again", "--plan", self.file, *CALIBRATED)
        self.assertEqual(hashes(again)[model_files(again)[0].name], hashes(out)[model_files(out)[0].name])

    def test_an_edited_format_is_followed(self):
        self.file.write_text(json.dumps(self.edited(codec="q8_0")))
        out = compress(self.output, "--plan", self.file, *self.statistics)
        step = next(s for s in read_json(out / "manifest.json")["plan"]["steps"] if s["output"] == "blk.0.ffn_down.weight")
        self.assertEqual((step["codec"], step["bytes"]), ("q8_0", step["parameters"] * 34 // 32))
        self.succeed("verify", out, "--every", "1")

    def test_another_checkpoint(self):
        tiny = tiny_llama.write(self.folder / "tiny")
        self.refuse(INPUT, ["another checkpoint", self.plan["source_sha256"], "quern plan"], self.plan, *self.statistics, model=tiny)

    def test_other_statistics(self):
        words = [self.plan["statistics_sha256"], "other statistics"]
        self.refuse(INPUT, words, self.plan, CALIBRATED[0], CALIBRATED[1], "--calib-windows", "4")
        self.refuse(INPUT, ["was made with statistics"], self.plan)
        self.refuse(INPUT, ["without statistics", "--calib"], dict(self.plan, statistics_sha256=""), *self.statistics)

    def test_impossible_types(self):
        tensor = "model.layers.0.mlp.down_proj.weight"
        for members, words in (({"codec": "q9_k"}, ["q9_k", "q6_k"]), ({"codec": "int4_g128"}, ["gguf cannot hold int4_g128"]),
                               ({"optimizer": "magic"}, ["magic", "weighted"])):
            with self.subTest(**members):
                self.refuse(INPUT, [tensor, *words], self.edited(**members), *self.statistics)
        plan = json.loads(json.dumps(self.plan))
        norm = next(step for step in plan["steps"] if step["tensor"] == "model.norm.weight")
        norm["codec"] = "f16"
        self.refuse(INPUT, ["model.norm.weight", "must be f32, not f16"], plan, *self.statistics)
        embed = next(step for step in plan["steps"] if step["tensor"] == "model.embed_tokens.weight")
        norm["codec"], embed["output"] = "f32", "embeddings"
        self.refuse(INPUT, ["writes embeddings", "token_embd.weight"], plan, *self.statistics)

    def test_broken_plans(self):
        self.refuse(INPUT, ["while reading the plan"], "{", *self.statistics)
        self.refuse(INPUT, ["version 7"], dict(self.plan, version=7), *self.statistics)
        self.refuse(INPUT, ["steps"], {k: v for k, v in self.plan.items() if k != "steps"}, *self.statistics)
        self.refuse(INPUT, ["no scheme"], dict(self.plan, scheme="q4_k_x"), *self.statistics)
        self.refuse(INPUT, [f"{len(self.plan['steps']) - 1} steps"], dict(self.plan, steps=self.plan["steps"][1:]), *self.statistics)
        self.fail_with(INPUT, ["nowhere.json"], "compress", MODEL, "-o", self.output, "--plan", self.folder / "nowhere.json")

    def test_what_a_plan_excludes(self):
        self.file.write_text(json.dumps(self.plan))
        for option, value in (("--scheme", "q8_0"), ("--format", "gguf"), ("--target-size", "5MB"), ("--precision-map", self.file)):
            self.fail_with(USAGE, ["--plan", option], "compress", MODEL, "-o", self.output, "--plan", self.file, option, value)


if __name__ == "__main__":
    unittest.main()
