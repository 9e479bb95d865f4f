"""Error feedback from the command line: better, the same bytes for any number of threads, refused where it cannot be."""

import json
import pathlib
import unittest

from quern_program import CALIBRATION_TEXT, MODEL, REPORTED, ProgramTest, compress, read_json, sha256

USAGE, INPUT = 2, 3
CALIBRATED = ["--calib", CALIBRATION_TEXT, "--calib-windows", "24"]
SMALL = ["--scheme", "q4_k_m", *CALIBRATED, *REPORTED, "--compute", "f32"]


def weights(package):
    (file,) = [path for path in pathlib.Path(package).glob("*.gguf") if path.name != "statistics.gguf"]
    return sha256(file)


class Optimizer(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = {name: compress(cls.class_folder / name, *SMALL, "--optimizer", name) for name in ("weighted", "ldlq", "descent")}
        cls.packages["default"] = compress(cls.class_folder / "default", *SMALL)
        cls.reports = {name: read_json(package / "report.json") for name, package in cls.packages.items()}

    def kld(self, name):
        return self.reports[name]["quality"]["mean_kld"]["value"]

    def test_feedback_loses_less(self):
        self.assertLess(self.kld("ldlq"), 0.97 * self.kld("weighted"))
        matrices = [t for t in self.reports["ldlq"]["tensors"] if t["optimizer"] == "ldlq"]
        self.assertGreater(len(matrices), 40)
        for tensor in matrices:
            self.assertGreater(tensor["relative_output_error"], 0)
            self.assertLess(tensor["relative_output_error"], 0.2, tensor["tensor"])

    def test_descent_loses_less_of_every_matrix(self):
        of_ldlq, of_descent = ({t["tensor"]: t["relative_output_error"] for t in self.reports[name]["tensors"] if t["optimizer"] == name}
                               for name in ("ldlq", "descent"))
        self.assertEqual(of_descent.keys(), of_ldlq.keys())
        for tensor, loss in of_descent.items():
            self.assertLess(loss, of_ldlq[tensor], tensor)

    def test_by_default_it_is_what_measures_better(self):
        self.assertEqual(weights(self.packages["default"]), weights(self.packages["descent"]))
        note = next(note for note in self.reports["default"]["notes"] if "weights are rounded by" in note)
        self.assertIn("nats on the gate text with descent", note)

    def test_calibrated_in_sequence_it_loses_less_and_its_plan_is_followed(self):
        sequential, again = self.folder / "sequential", self.folder / "again"
        compress(sequential, *SMALL, "--optimizer", "descent", "--sequential")
        report, manifest = read_json(sequential / "report.json"), sequential / "manifest.json"
        note = next(note for note in report["notes"] if "in sequence" in note)
        self.assertIn("matrices are calibrated in sequence, which measured better", note)
        self.assertLess(report["quality"]["mean_kld"]["value"], 0.97 * self.kld("descent"))
        self.assertEqual((sequential / "statistics.gguf").read_bytes(), (self.packages["descent"] / "statistics.gguf").read_bytes())
        in_sequence = [t["tensor"] for t in report["tensors"] if t.get("calibration") == "sequential"]
        self.assertEqual(len(in_sequence), 42, "all matrices of the layers, and not the embedding")
        self.succeed("verify", sequential)
        self.succeed("compress", MODEL, "-o", again, "--plan", manifest, *CALIBRATED, "--compute", "f32")
        self.assertEqual(weights(again), weights(sequential))
        done = self.fail_with(INPUT, ["in sequence", "--calib"], "compress", MODEL, "-o", self.folder / "none", "--plan", manifest,
                              "--imatrix", sequential / "statistics.gguf")
        self.assertNotIn("sequence`", done.stderr)
        self.fail_with(USAGE, ["--sequential", "weighted"], "compress", MODEL, "-o", self.folder / "none", *CALIBRATED, "--sequential",
                       "--optimizer", "weighted")

    def test_its_plan_is_followed_from_statistics_that_were_kept(self):
        plan, kept, moments = self.folder / "plan.json", self.folder / "kept", self.folder / "moments.gguf"
        done = self.succeed("plan", MODEL, "-o", plan, "--scheme", "q4_k_m", "--calib", CALIBRATION_TEXT, "--calib-windows", "8", "--compute", "f32",
                            "--gate-windows", "1", "--survey-passes", "8", "--optimizer", "ldlq", "--save-statistics", kept)
        self.assertNotIn("error feedback", done.stderr)
        out = self.folder / "out"
        self.succeed("compress", MODEL, "-o", out, "--plan", plan, "--imatrix", kept, "--compute", "f32")
        direct = compress(self.folder / "direct", "--scheme", "q4_k_m", "--calib", CALIBRATION_TEXT, "--calib-windows", "8", "--compute", "f32", "--optimizer", "ldlq")
        self.assertEqual(weights(out), weights(direct))
        # Where no codes are chosen by feedback, the importance matrix is enough, also of a run that measured both.
        weighted = read_json(plan)
        for step in weighted["steps"]:
            step["optimizer"] = step["optimizer"].replace("ldlq", "weighted")
        plan.with_name("weighted.json").write_text(json.dumps(weighted))
        for statistics in (kept, kept / "statistics.gguf"):
            self.succeed("compress", MODEL, "-o", self.folder / "rounded", "--plan", plan.with_name("weighted.json"), "--imatrix", statistics,
                         "--compute", "f32", "--force")
        self.refuse(["already exists"], "--calib", CALIBRATION_TEXT, "--optimizer", "ldlq", "--save-statistics", kept, command="plan")
        # Of another model, and damaged.
        index = kept / "hessians/index.json"
        index.write_text(index.read_text().replace('"columns"', '"rows"', 1))
        self.refuse([kept / "hessians"], "--plan", plan, "--imatrix", kept, "--compute", "f32", code=INPUT)
        index.unlink()
        self.refuse([kept / "hessians"], "--plan", plan, "--imatrix", kept, "--compute", "f32", code=INPUT)

    def test_a_size_is_chosen_with_it(self):
        out = self.folder / "out"
        self.succeed("compress", MODEL, "-o", out, "--scheme", "q4_k_m", *CALIBRATED, "--gate-windows", "1", "--target-size", "4.2MB",
                     "--survey-passes", "8", "--optimizer", "ldlq")
        self.assertIn("ldlq", {step["optimizer"] for step in read_json(out / "report.json")["ladder"][-1]["plan"]["steps"]})
        self.succeed("verify", out, "--every", "1")

    def test_what_cannot_be(self):
        self.refuse(["ldlq", "give --calib"], "--optimizer", "ldlq")
        self.refuse(["ldlq", "--imatrix"], "--optimizer", "ldlq", "--imatrix", self.packages["ldlq"] / "statistics.gguf")
        self.refuse(["ldql", "did you mean ldlq"], *CALIBRATED, "--optimizer", "ldql")
        self.refuse(["error feedback", "--save-statistics"], "--plan", self.packages["ldlq"] / "manifest.json",
                    "--imatrix", self.packages["ldlq"] / "statistics.gguf", code=INPUT)

    def refuse(self, words, *arguments, code=USAGE, command="compress"):
        out = self.folder / "refused"
        self.fail_with(code, words, command, MODEL, "-o", out, *arguments)
        self.assert_gone(out)

    def test_its_plan_is_followed_to_the_same_bytes(self):
        out = self.folder / "out"
        self.succeed("compress", MODEL, "-o", out, "--plan", self.packages["ldlq"] / "manifest.json", *CALIBRATED, "--compute", "f32")
        self.assertEqual(weights(out), weights(self.packages["ldlq"]))


if __name__ == "__main__":
    unittest.main()
