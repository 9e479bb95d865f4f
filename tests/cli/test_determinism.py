"""The same bytes for any number of threads, for every run, and from both compilers."""

import os
import pathlib
import unittest

import shallow_llama
from quern_program import CALIBRATION_TEXT, QUERN, ProgramTest, compress, hashes, model_files, read_json

CALIBRATED = ["--calib", CALIBRATION_TEXT, "--calib-windows", "3", "--report-text", CALIBRATION_TEXT, "--report-windows", "2"]
CLANG = pathlib.Path(os.environ.get("QUERN_CLANG", pathlib.Path(QUERN).parents[1] / "asan/quern"))
TIMED = ("report.json", "report.html", "README.md")  # they tell the seconds and the command line


def without_times(package):
    """The manifest but for its own hash and the entries of the files that differ from run to run, and the report's figures."""
    manifest, report = read_json(package / "manifest.json"), read_json(package / "report.json")
    manifest["files"] = [file for file in manifest["files"] if file["name"] not in TIMED]
    del report["seconds"], report["command"], manifest["manifest_sha256"]
    return manifest, report


class Determinism(ProgramTest):
    SCHEMES = ("simple", "q4_k_m")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = shallow_llama.write(cls.class_folder)
        cls.first = {scheme: cls.make(scheme, "first", "--threads", "1") for scheme in cls.SCHEMES}

    @classmethod
    def make(cls, scheme, name, *arguments, **options):
        return compress(cls.class_folder / f"{scheme}-{name}", "--scheme", scheme, *CALIBRATED, *arguments, model=cls.model, **options)

    def assert_same(self, scheme, package):
        expected = self.first[scheme]
        self.assertGreater(len(model_files(expected)), 0)
        mine, theirs = hashes(package), hashes(expected)
        for name in (*TIMED, "manifest.json"):
            del mine[name], theirs[name]
        self.assertIn("statistics.gguf", mine)
        self.assertEqual(mine, theirs)
        self.assertEqual(without_times(package), without_times(expected))

    def test_threads_and_a_memory_limit_change_nothing(self):
        for scheme in self.SCHEMES:
            for threads, *limit in (("2", "--max-memory", "200MB"), ("4",)):
                with self.subTest(scheme=scheme, threads=threads):
                    self.assert_same(scheme, self.make(scheme, threads, "--threads", threads, *limit))

    def test_error_feedback_is_what_is_compared(self):
        steps = [step["optimizer"] for step in read_json(self.first["q4_k_m"] / "manifest.json")["plan"]["steps"]]
        self.assertGreaterEqual(steps.count("descent"), 7 * shallow_llama.LAYERS)

    def test_without_memory_for_hessians_codes_are_rounded(self):
        tight, rounded = (self.make("q4_k_m", name, *options)
                          for name, options in (("tight", ["--max-memory", "30MB", "--threads", "2"]),
                                                ("rounded", ["--optimizer", "weighted"])))
        self.assertEqual([hashes(tight)[file.name] for file in model_files(tight)], [hashes(rounded)[file.name] for file in model_files(rounded)])
        self.assertIn("error feedback was not tried", " ".join(read_json(tight / "report.json")["notes"]))

    def test_clang(self):
        if not CLANG.exists():
            self.assertNotIn("QUERN_REQUIRE_CLANG", os.environ, f"{CLANG} is required here")
            self.skipTest(f"{CLANG} is not built: ./dev asan does it")
        for scheme in self.SCHEMES:
            with self.subTest(scheme=scheme):
                self.assert_same(scheme, self.make(scheme, "clang", program=CLANG))


if __name__ == "__main__":
    unittest.main()
