"""Error feedback from the command line: better, the same bytes for any number of threads, refused where it cannot be."""

import pathlib
import unittest

from quern_program import CALIBRATION_TEXT, MODEL, REPORTED, ProgramTest, compress, read_json, sha256

USAGE, INPUT = 2, 3
CALIBRATED = ["--calib", CALIBRATION_TEXT, "--calib-windows", "100"]
SMALL = ["--scheme", "q4_k_m", *CALIBRATED, *REPORTED, "--compute", "f32"]


def weights(package):
    (file,) = [path for path in pathlib.Path(package).glob("*.gguf") if path.name != "statistics.gguf"]
    return sha256(file)


class Optimizer(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = {name: compress(cls.class_folder / name, *SMALL, "--optimizer", name) for name in ("weighted", "ldlq", "auto")}
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

    def test_auto_is_what_measures_better(self):
        self.assertEqual(weights(self.packages["auto"]), weights(self.packages["ldlq"]))
        note = next(note for note in self.reports["auto"]["notes"] if "codes are chosen by" in note)
        self.assertIn("nats on the gate text with ldlq", note)

    def test_the_same_bytes_for_any_number_of_threads(self):
        for threads in ("1", "4"):
            package = compress(self.folder / threads, *SMALL, "--optimizer", "ldlq", "--threads", threads)
            self.assertEqual(weights(package), weights(self.packages["ldlq"]))

    def test_a_size_is_chosen_with_it(self):
        out = self.folder / "out"
        self.succeed("compress", MODEL, "-o", out, "--scheme", "q4_k_m", *CALIBRATED, "--gate-windows", "1", "--target-size", "4.2MB",
                     "--survey-passes", "8", "--optimizer", "ldlq")
        self.assertIn("ldlq", {step["optimizer"] for step in read_json(out / "report.json")["ladder"][-1]["plan"]["steps"]})
        self.succeed("verify", out, "--every", "1")

    def test_what_cannot_be(self):
        self.refuse(["ldlq", "give --calib"], "--optimizer", "ldlq")
        self.refuse(["ldlq", "--imatrix"], "--optimizer", "ldlq", "--imatrix", self.packages["ldlq"] / "statistics.gguf")
        self.refuse(["give --calib"], "--optimizer", "auto")
        self.refuse(["ldql", "did you mean ldlq"], *CALIBRATED, "--optimizer", "ldql")
        self.refuse(["was made with other statistics"], "--plan", self.packages["ldlq"] / "manifest.json",
                    "--imatrix", self.packages["ldlq"] / "statistics.gguf", code=INPUT)

    def refuse(self, words, *arguments, code=USAGE):
        out = self.folder / "refused"
        self.fail_with(code, words, "compress", MODEL, "-o", out, *arguments)
        self.assert_gone(out)

    def test_its_plan_is_followed_to_the_same_bytes(self):
        out = self.folder / "out"
        self.succeed("compress", MODEL, "-o", out, "--plan", self.packages["ldlq"] / "manifest.json", *CALIBRATED, "--compute", "f32")
        self.assertEqual(weights(out), weights(self.packages["ldlq"]))


if __name__ == "__main__":
    unittest.main()
