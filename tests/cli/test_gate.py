"""The quality bound: it holds at once, it holds after falling back to more bits, or nothing is published."""

import unittest

from quern_program import CALIBRATED, FLOAT, MODEL, ProgramTest, compress, hashes, read_json, run

QUALITY = 5
GATED = ["--scheme", "q4_k_m", *CALIBRATED, *FLOAT, "--gate-windows", "2"]


class Gate(ProgramTest):
    def test_bound_that_holds_at_once(self):
        report = read_json(compress(self.folder / "out", *GATED, "--max-ppl-increase", "50%", "--max-kld", "0.5") / "report.json")
        self.assertEqual(len(report["ladder"]), 1)
        self.assertEqual(report["bound"], {"max_perplexity_increase": 0.5, "max_kld": 0.5})
        self.assertEqual(report["ladder"][0]["gate"]["windows"], 2)
        self.assertEqual(report["ladder"][0]["encoded_tensors"], 56)
        self.assertEqual((report["calibration_text"]["windows"], report["gate_text"]["windows"]), (8, 2))
        self.assertNotEqual(report["calibration_text"]["sha256"], report["gate_text"]["sha256"])

    def test_the_figure_that_decided_is_the_last_that_is_said(self):
        done = self.succeed("compress", MODEL, "-o", self.folder / "out", *GATED, "--max-ppl-increase", "50%", "--max-kld", "0.5")
        perplexity, divergence = done.stdout.splitlines()[-2:]
        self.assertRegex(perplexity, r"^met: perplexity [+-]\d+\.\d\d% of at most 50% on the gate text$")
        self.assertRegex(divergence, r"^met: mean KL divergence 0\.\d{5} of at most 0\.5 nats on the gate text$")
        gate = read_json(self.folder / "out/report.json")["ladder"][-1]["gate"]
        self.assertIn(f"{100 * gate['perplexity_increase']['value']:+.2f}%", perplexity)
        missed = run("compress", MODEL, "-o", self.folder / "out", *GATED, "--max-kld", "0", "--max-trials", "1", "--force")
        self.assertRegex(missed.stdout.splitlines()[-1], r"^missed: mean KL divergence 0\.\d{5} of at most 0 nats on the gate text$")

    def test_bound_that_needs_more_bits_for_some_tensors(self):
        bound = 0.012
        package = compress(self.folder / "out", *GATED, "--max-kld", bound)
        report = read_json(package / "report.json")
        ladder = report["ladder"]
        self.assertGreater(len(ladder), 1)
        self.assertIs(report["accepted"], True)
        for before, after in zip(ladder, ladder[1:]):
            changed = [old["output"] for old, new in zip(before["plan"]["steps"], after["plan"]["steps"])
                       if old["codec"] != new["codec"]]
            self.assertEqual(after["encoded_tensors"], len(changed))
            self.assertTrue(0 < len(changed) < 56, changed)
            self.assertGreater(after["tensor_bytes"], before["tensor_bytes"])
            self.assertLess(after["gate"]["mean_kld"]["value"], before["gate"]["mean_kld"]["value"])
        self.assertGreater(ladder[-2]["gate"]["mean_kld"]["value"], bound)
        self.assertLessEqual(ladder[-1]["gate"]["mean_kld"]["value"], bound)
        self.assertEqual(read_json(package / "manifest.json")["plan"], ladder[-1]["plan"])
        self.assertTrue(any("raised from" in step["reason"] for step in ladder[-1]["plan"]["steps"]))
        self.assertFalse([path for path in package.iterdir() if path.name.startswith("trial")])
        self.succeed("verify", package, "--every", "1")

    def test_perplexity_bound_decides_as_well(self):
        self.miss(self.folder / "out", "--max-ppl-increase", "0.1%", "--max-kld", "1")

    def test_bound_that_cannot_be_met(self):
        output, rejected = self.folder / "out", self.folder / "out.rejected"
        done = run("compress", MODEL, "-o", output, *GATED, "--max-kld", "0", "--max-trials", "1")
        self.assertEqual(done.returncode, QUALITY, done.stderr[-600:])
        self.assertIn("bound was missed after 1 trial", done.stderr)
        self.assertIn(str(rejected), done.stderr)
        self.assert_gone(output, f"{output}.partial")
        report = read_json(rejected / "report.json")
        self.assertIs(report["accepted"], False)
        self.assertEqual(len(report["ladder"]), 1)
        self.succeed("verify", rejected)

    def test_package_from_before_survives_a_missed_bound(self):
        output = compress(self.folder / "out", "--scheme", "q8_0")
        before = hashes(output)
        self.miss(output, "--max-kld", "0", "--force")
        self.assertEqual(hashes(output), before)
        self.assertIs(read_json(self.folder / "out.rejected/report.json")["accepted"], False)
        self.miss(output, "--max-kld", "0", "--force")  # a second time, over the rejected one
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["out", "out.rejected"])

    def miss(self, output, *bound):
        done = run("compress", MODEL, "-o", output, *GATED, *bound, "--max-trials", "1")
        self.assertEqual(done.returncode, QUALITY, done.stderr[-600:])


if __name__ == "__main__":
    unittest.main()
