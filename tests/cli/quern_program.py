"""Runs the program under test (environment variable QUERN) and says what a test expects of it."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUERN = os.environ.get("QUERN", str(ROOT / "build/release/quern"))
MODEL = ROOT / "models/llama-7m"
CALIBRATION_TEXT, REPORT_TEXT = ROOT / "texts/calib.txt", ROOT / "texts/eval.txt"
SHARED = ROOT.parent / "shared"

# Few windows, and the quick way of choosing codes: these tests are about what the program does, not about how good the
# result is.
CALIBRATED = ["--calib", CALIBRATION_TEXT, "--calib-windows", "8", "--optimizer", "weighted"]
REPORTED = ["--report-text", REPORT_TEXT, "--report-windows", "4"]
# For tests that hold figures against bounds: bfloat16 products round differently on each kind of processor.
FLOAT = ["--compute", "f32"]


def run(*arguments, program=QUERN, **options):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=400, **options)


def shared(relative):
    """The file in the optional folder ../shared; without it the test is skipped, or fails where QUERN_REQUIRE_SHARED is set."""
    path = SHARED / relative
    if path.exists():
        return path
    if os.environ.get("QUERN_REQUIRE_SHARED"):
        raise AssertionError(f"../shared/{relative} is required here")
    raise unittest.SkipTest(f"../shared/{relative} is not there")


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def hashes(folder):
    """File name -> SHA-256 of everything in a folder."""
    return {path.name: sha256(path) for path in pathlib.Path(folder).iterdir()}


def strict_json(text):
    """JSON as the standard has it: NaN and Infinity, which Python would take, are errors."""
    def refuse(word):
        raise ValueError(f"{word} is not JSON")
    return json.loads(text, parse_constant=refuse)


def read_json(path):
    return strict_json(pathlib.Path(path).read_text())


def model_files(folder):
    """What a runtime needs of a package, by its manifest."""
    files = read_json(pathlib.Path(folder) / "manifest.json")["files"]
    return sorted(pathlib.Path(folder) / file["name"] for file in files if file["role"] == "model")


class ProgramTest(unittest.TestCase):
    """A test with a scratch folder of its own, and one that the whole class shares."""

    @classmethod
    def setUpClass(cls):
        cls.class_folder = pathlib.Path(tempfile.mkdtemp(prefix="quern-"))
        cls.addClassCleanup(shutil.rmtree, cls.class_folder)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="quern-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def succeed(self, *arguments, **options):
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stderr[-600:]}")
        return done

    def fail_with(self, code, words, *arguments, **options):
        """The exit code, every one of `words` in what is said, nothing on stdout but the error as JSON, no sign of a crash."""
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stderr[-600:]}")
        for word in words:
            self.assertIn(str(word), done.stderr, f"{arguments}")
        if "--json" in arguments:
            self.assertEqual(strict_json(done.stdout)["error"]["code"], code)
        else:
            self.assertEqual(done.stdout, "")
        self.assertNotIn("internal error", done.stderr)
        return done

    def assert_gone(self, *paths):
        for path in paths:
            self.assertFalse(os.path.lexists(path), f"{path} was left behind")


def compress(output, *arguments, model=MODEL, **options):
    """A package made for further tests; raises where that does not work."""
    done = run("compress", model, "-o", output, *arguments, **options)
    if done.returncode:
        raise AssertionError(f"compress {arguments} ended with {done.returncode}: {done.stderr[-600:]}")
    return pathlib.Path(output)
