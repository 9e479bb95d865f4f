"""Plans: what is foretold of them is what compress makes, and one that is handed back gives the same bytes or is refused."""

import json
import os
import unittest

import tiny_llama
from quern_program import CALIBRATED, CALIBRATION_TEXT, FLOAT, MODEL, ProgramTest, compress, hashes, model_files, read_json, run, sha256, shared, strict_json

USAGE, INPUT, INFEASIBLE, RESOURCE = 2, 3, 4, 6
SURVEYED = [*CALIBRATED, *FLOAT, "--gate-windows", "1"]


def codecs_of(plan):
    return {step["output"]: step["codec"] for step in plan["steps"]}


class Forecast(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file, cls.statistics = cls.class_folder / "plan.json", cls.class_folder / "statistics.gguf"
        cls.options = ["--scheme", "q4_k_m", "--target-size", "4.5MB", *SURVEYED]
        cls.scratch = cls.class_folder / "tmp"
        cls.scratch.mkdir()
        cls.done = run("plan", MODEL, *cls.options, "-o", cls.file, "--save-imatrix", cls.statistics, "--tensors",
                       env=dict(os.environ, TMPDIR=str(cls.scratch)))
        cls.plan = read_json(cls.file)
        cls.forecast = cls.plan["forecast"]

    def test_is_what_compress_makes(self):
        made = compress(self.folder / "made", *self.options)
        followed = compress(self.folder / "followed", "--plan", self.file, "--imatrix", self.statistics)
        manifest = read_json(made / "manifest.json")
        self.assertEqual(codecs_of(manifest["plan"]), codecs_of(self.plan))
        self.assertEqual([sha256(f) for f in model_files(made)], [sha256(f) for f in model_files(followed)])
        self.assertEqual(self.forecast["model_bytes"], sum(f.stat().st_size for f in model_files(made)))
        report = read_json(made / "report.json")
        self.assertEqual([tensor["predicted_kld"] for tensor in report["tensors"] if "predicted_kld" in tensor],
                         [tensor["predicted_kld"] for tensor in self.forecast["tensors"] if tensor["options"]])

    def test_alternatives_are_a_curve(self):
        rows = self.forecast["quality"]["alternatives"]
        self.assertTrue(5 <= len(rows) <= 8, rows)
        self.assertIn(self.forecast["model_bytes"], [row["bytes"] for row in rows])
        self.assertEqual(rows, sorted(rows, key=lambda row: row["bytes"]))
        for name in ("mean_kld", "perplexity"):
            values = [row[name]["value"] for row in rows]
            self.assertEqual(values, sorted(values, reverse=True))
            for row in rows:
                self.assertTrue(row[name]["low"] < row[name]["value"] < row[name]["high"])

    def test_every_tensor_has_its_reason(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr[-600:])
        for step in self.plan["steps"]:
            line = next(line for line in self.done.stdout.split("\n") if line.startswith(step["output"] + " "))
            self.assertIn(step["codec"], line)
            self.assertIn(step["reason"], line)
        self.assertEqual(os.listdir(self.scratch), [], "scratch files were left behind")
        self.assertLess(self.done.stderr.count("\n"), 30, "one line a phase, not one a tensor")

    def test_says_size_quality_memory_and_time(self):
        lines = {line.split()[0]: line for line in self.done.stdout.split("\n")[:5]}
        self.assertEqual(list(lines), ["model", "size", "quality", "memory", "time"])
        self.assertIn(f"exactly {self.forecast['model_bytes']} bytes", lines["size"])
        self.assertRegex(lines["quality"], r"perplexity \d+\.\d{3} now, \d+\.\d\d expected: \+\d")
        self.assertRegex(lines["memory"], r"to compress: expected .* limit .*--max-memory$")
        self.assertGreater(self.forecast["seconds"]["survey"], 0)
        self.assertLess(self.forecast["replay_seconds"], self.forecast["seconds"]["total"])

    def test_a_scheme_without_a_size(self):
        plan = strict_json(self.succeed("plan", MODEL, "--scheme", "q4_k_m", *SURVEYED, "--json", "-q").stdout)
        made = compress(self.folder / "out", "--scheme", "q4_k_m", *CALIBRATED)
        self.assertEqual(plan["forecast"]["model_bytes"], sum(f.stat().st_size for f in model_files(made)))
        self.assertEqual(codecs_of(plan), codecs_of(read_json(made / "manifest.json")["plan"]))
        size = next(row for row in plan["forecast"]["quality"]["alternatives"] if row["bytes"] == plan["forecast"]["model_bytes"])
        self.assertEqual(size["mean_kld"], plan["forecast"]["quality"]["mean_kld"])

    def test_other_containers_and_families(self):
        """Folders, whose headers grow with the packed formats; a mixture, in parts and measured whole; states without a length."""
        mixture, mamba = shared("reference/mixtral-moe15m"), shared("reference/mamba-8m")
        short = ["--imatrix", self.statistics, "--gate-text", CALIBRATION_TEXT, "--gate-windows", "1", *FLOAT]
        for model, *options in ((MODEL, "--scheme", "nf4", *short), (MODEL, "--scheme", "simple", "--target-size", "10MB", *short),
                                (mixture, "--scheme", "simple", "--target-size", "8MB", *SURVEYED), (mamba, "--scheme", "simple", *SURVEYED)):
            with self.subTest(model=model.name, options=options):
                plan = strict_json(self.succeed("plan", model, *options, "--json", "-q").stdout)
                rows = plan["forecast"]["quality"]["alternatives"]
                self.assertGreaterEqual(len(rows), 5)
                self.assertIn(plan["forecast"]["model_bytes"], [row["bytes"] for row in rows])
                self.assertEqual(rows, sorted(rows, key=lambda row: row["bytes"]))

    def test_damaged_and_extreme_weights(self):
        """What times the steps leaves it to the run to say what is wrong with a model."""
        weights = tiny_llama.weights()
        weights["model.layers.0.mlp.up_proj.weight"][1][7] = float("nan")
        damaged = tiny_llama.write(self.folder / "damaged", weights)
        done = self.fail_with(INPUT, ["NaN", "damaged"], "compress", damaged, "-o", self.folder / "out")
        self.assertIn("time ", done.stderr)

    def test_without_a_text(self):
        done = self.succeed("plan", MODEL, "--scheme", "q8_0")
        self.assertIn("not predicted", done.stdout)
        self.assertIsNone(strict_json(self.succeed("plan", MODEL, "--scheme", "q8_0", "--json").stdout)["forecast"]["quality"])

    def test_what_cannot_be_planned(self):
        self.fail_with(INFEASIBLE, ["by its shapes it takes"], "plan", MODEL, "--scheme", "q4_k_m", *SURVEYED, "--target-size", "1MB")
        self.fail_with(USAGE, ["--calib", "--gate-text"], "plan", MODEL, "--scheme", "q4_k_m", "--target-size", "4MB")
        self.fail_with(INPUT, ["nowhere"], "plan", self.folder / "nowhere")
        for option in ("-o", "--save-imatrix"):
            self.fail_with(RESOURCE, ["nowhere/file"], "plan", MODEL, *CALIBRATED, option, self.folder / "nowhere/file")
            self.fail_with(USAGE, [self.file, "already exists"], "plan", MODEL, *CALIBRATED, option, self.file)
        self.fail_with(USAGE, ["--calib or --imatrix"], "plan", MODEL, "--save-imatrix", self.folder / "s.gguf")
        self.assertEqual(os.listdir(self.folder), [])
        self.fail_with(RESOURCE, ["TMPDIR names", "nowhere, which is no folder"], "plan", MODEL, *CALIBRATED, env=dict(os.environ, TMPDIR=str(self.folder / "nowhere")))


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
        plan = read_json(out / "manifest.json")["plan"]
        step = next(s for s in plan["steps"] if s["output"] == "blk.0.ffn_down.weight")
        self.assertEqual((step["codec"], step["bytes"]), ("q8_0", step["parameters"] * 34 // 32))
        self.assertIn("edited", step["reason"])
        self.assertIn("edited in 1 of its steps", " ".join(plan["notes"]))
        self.succeed("verify", out, "--every", "1")

    def test_another_checkpoint(self):
        tiny = tiny_llama.write(self.folder / "tiny")
        self.refuse(INPUT, ["another checkpoint", self.plan["tensors_sha256"], "quern plan"], self.plan, *self.statistics, model=tiny)

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

    def test_coupled_matrices_keep_one_number_format(self):
        file = self.folder / "folder.json"
        self.succeed("plan", MODEL, "--scheme", "simple", "-o", file, "-q")
        plan = read_json(file)
        key = next(step for step in plan["steps"] if step["tensor"] == "model.layers.2.self_attn.k_proj.weight")
        key["codec"] = "int4_g32"
        file.write_text(json.dumps(plan))
        query = "model.layers.2.self_attn.q_proj.weight"
        words = ["vLLM", f"{query} (int8_channel)", f"{key['tensor']} (int4_g32)", "give them all the same"]
        self.fail_with(INPUT, words, "compress", MODEL, "-o", self.output, "--plan", file)
        for step in plan["steps"]:
            if "layers.2.self_attn" in step["tensor"]:
                step["codec"] = "int4_g32"
        file.write_text(json.dumps(plan))
        notes = read_json(compress(self.output, "--plan", file) / "report.json")["notes"]
        self.assertTrue(any("transformers 5.23 does not load" in note for note in notes), notes)  # the embedding is packed

    def test_broken_plans(self):
        self.refuse(INPUT, ["while reading the plan"], "{", *self.statistics)
        self.refuse(INPUT, ["version 7"], dict(self.plan, version=7), *self.statistics)
        self.refuse(INPUT, ["steps"], {k: v for k, v in self.plan.items() if k != "steps"}, *self.statistics)
        self.refuse(INPUT, ["no scheme"], dict(self.plan, scheme="q4_k_x"), *self.statistics)
        self.refuse(INPUT, [f"{len(self.plan['steps']) - 1} steps"], dict(self.plan, steps=self.plan["steps"][1:]), *self.statistics)
        self.fail_with(INPUT, ["nowhere.json"], "compress", MODEL, "-o", self.output, "--plan", self.folder / "nowhere.json")

    def test_an_option_that_was_given_nothing(self):
        for option in ("--plan", "--calib", "--target-size", "--imatrix"):
            self.fail_with(USAGE, [option, "nothing"], "compress", MODEL, "-o", self.output, option, "")

    def test_what_a_plan_excludes(self):
        self.file.write_text(json.dumps(self.plan))
        for option, value in (("--scheme", "q8_0"), ("--format", "gguf"), ("--target-size", "5MB"), ("--precision-map", self.file)):
            self.fail_with(USAGE, ["--plan", option], "compress", MODEL, "-o", self.output, "--plan", self.file, option, value)


if __name__ == "__main__":
    unittest.main()
