"""Every reported case (../shared/cases) and every reference model as plain floats in both containers: nothing is lost on the way.

A conversion that rounds nothing computes what its source computes, so its divergence is 0; what differs was read, named or
written wrong.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from quern_program import MODEL, REPORT_TEXT, ROOT, run, shared, strict_json

# Sums in another order: a GGUF file has the pairs of a head as neighbours (src/compress/containers_test.cpp).
SUMS_IN_ANOTHER_ORDER = 1e-8

# Where something else is right than a conversion without loss: (case, input, container) -> words of the refusal, of the
# conversion or of the evaluation.
REFUSED = {("big_values", "nan_rows", "gguf"): "NaN", ("big_values", "nan_rows", "safetensors"): "NaN",
           ("big_values", "one_3e38", "gguf"): "the values overflowed", ("big_values", "one_3e38", "safetensors"): "the values overflowed",
           ("companions_lost", "bert", "gguf"): "names the architecture", ("companions_lost", "bert", "safetensors"): "no known architecture",
           ("extra_tensors", "extra_layer", "gguf"): "no place in such a model",
           ("extra_tensors", "extra_layer", "safetensors"): "no place in such a model",
           ("infinity_config", "model", "gguf"): "names the architecture",
           ("infinity_config", "model", "safetensors"): "no known architecture",
           ("llama_bias", "qkv_only_mistral", "gguf"): "has no tensors for attention_bias",
           ("llama_bias", "qkv_only_mistral", "safetensors"): "has no tensors for attention_bias",
           ("rope_forms", "dynamic", "gguf"): "dynamic", ("rope_forms", "dynamic", "safetensors"): "is not computed"}


def inputs_of(folder):
    """Models below a case's folder: the topmost folders with a configuration, and single files."""
    found = []
    for path in sorted(folder.rglob("*")):
        if any(parent in found for parent in path.parents):
            continue
        if path.is_dir() and (path / "config.json").exists() or path.suffix == ".gguf":
            found.append(path)
    return found


class Cases(unittest.TestCase):
    def check(self, case, source, name):
        for container in ("gguf", "safetensors"):
            with self.subTest(case=case, input=name, container=container), tempfile.TemporaryDirectory() as folder:
                self.expect_nothing_lost(source, container, pathlib.Path(folder) / "out", REFUSED.get((case, name, container)))

    def expect_nothing_lost(self, source, container, output, refusal):
        done = run("compress", source, "-o", output, "--scheme", "f32", "--format", container, "--compute", "f32",
                   "--allow-larger", "--quiet")
        if done.returncode == 0:
            done = run("eval", output, "--against", source, "--text", REPORT_TEXT, "--windows", "1", "--window-length", "64",
                       "--compute", "f32", "--json", "--quiet")
        if refusal:
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(refusal, done.stderr)
            return
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(abs(strict_json(done.stdout)["mean_kld"]["value"]), SUMS_IN_ANOTHER_ORDER)

    def test_cases_lose_nothing(self):
        cases = sorted(path.parent for path in shared("cases").glob("*/make.py"))
        self.assertGreater(len(cases), 10)
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([sys.executable, case / "make.py"], check=True, capture_output=True, cwd=ROOT,
                               env=os.environ | {"CASES_OUT": folder})
                for source in inputs_of(pathlib.Path(folder)):
                    self.check(case.name, source, str(source.relative_to(pathlib.Path(folder) / case.name)))

    def test_reference_models_lose_nothing(self):
        for source in [MODEL, *sorted(path.parent for path in shared("reference").glob("*/config.json"))]:
            self.check("reference", source, source.name)


if __name__ == "__main__":
    unittest.main()
