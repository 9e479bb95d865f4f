"""compress --dry-run and the lines before a run: the size is that of the files, and nothing is written."""

import json
import os
import unittest

import tiny_llama
from quern_program import CALIBRATION_TEXT, MODEL, ProgramTest, compress, model_files, read_json, strict_json

TITLES = ["model", "target", "machine", "measured", "time"]


class Preview(ProgramTest):
    def setUp(self):
        super().setUp()
        self.tiny = tiny_llama.write(self.folder / "tiny")
        self.output = self.folder / "out"

    def dry_run(self, *arguments, model=None):
        done = self.succeed("compress", model or self.tiny, "-o", self.output, "--dry-run", *arguments)
        self.assertEqual(sorted(os.listdir(self.folder)), ["tiny"], "something was written")
        return done

    def as_json(self, *arguments, **options):
        return strict_json(self.dry_run("--json", *arguments, **options).stdout)

    def test_exact_size_is_that_of_the_file(self):
        for scheme in ("q4_k_m", "q8_0", "bf16"):
            planned = self.as_json("--scheme", scheme, model=MODEL)
            made = compress(self.class_folder / scheme, "--scheme", scheme, model=MODEL)
            self.assertEqual(planned["model_bytes"], sum(path.stat().st_size for path in model_files(made)))
            self.assertEqual(planned["model_bytes"], read_json(made / "report.json")["output_bytes"])
            self.assertIn(f"exactly {planned['model_bytes']} bytes", self.dry_run("--scheme", scheme, model=MODEL).stdout)

    def test_exact_size_is_that_of_the_folder(self):
        planned = self.as_json()
        made = compress(self.class_folder / "simple", model=self.tiny)
        report = read_json(made / "report.json")
        self.assertEqual(planned["model_bytes"], sum(path.stat().st_size for path in model_files(made)))
        self.assertEqual(planned["model_bytes"], report["output_bytes"])
        self.assertEqual(planned["tensor_bytes"], report["ladder"][-1]["tensor_bytes"])
        self.assertEqual({key: planned[key] for key in ("parameters", "source_bytes", "architecture")},
                         {key: report[key] for key in ("parameters", "source_bytes", "architecture")})

    def test_five_lines(self):
        text = self.dry_run("--max-memory", "123MB", "--threads", "1", model=MODEL).stdout
        self.assertEqual([line.split()[0] for line in text.strip().split("\n")], TITLES)
        for part in ("6819072 parameters", "scheme simple", "limit 123.0 MB: --max-memory", "1 thread,", "--report-text"):
            self.assertIn(part, text)

    def test_says_the_memory_that_is_expected_and_why_there_is_a_limit(self):
        text = self.dry_run("--calib", CALIBRATION_TEXT, model=MODEL).stdout
        self.assertRegex(text, r"memory: expected \d+\.\d [MG]B; limit \d+\.\d [MG]B: half of [^,]+, --max-memory\n")
        planned = self.as_json("--calib", CALIBRATION_TEXT, model=MODEL)
        self.assertLess(self.as_json(model=MODEL)["expected_memory"], planned["expected_memory"])
        self.assertLess(planned["expected_memory"], planned["memory"])

    def test_a_size_needs_a_survey(self):
        arguments = ["--scheme", "q4_k_m", "--calib", CALIBRATION_TEXT, "--target-size", "5MB"]
        self.assertEqual(self.as_json(*arguments, model=MODEL)["most_bytes"], 5_000_000)
        self.assertIn("survey", self.dry_run(*arguments, model=MODEL).stdout)
        self.assertIn("2.76x smaller", self.dry_run(*arguments, model=MODEL).stdout)
        self.assertIn("72.59x larger", self.dry_run(*arguments[:-1], "1GB", model=MODEL).stdout)

    def test_says_the_bound_and_who_decides_it(self):
        text = self.dry_run("--calib", CALIBRATION_TEXT, "--max-ppl-increase", "3%", "--max-kld", "0.02", model=MODEL).stdout
        self.assertIn("perplexity at most +3% and mean KL divergence at most 0.02", text)
        self.assertIn(f"the bound on every fifth document of {CALIBRATION_TEXT}", text)

    def test_notes_follow(self):
        model = MODEL
        rules = self.folder / "tiny/map.json"
        rules.write_text(json.dumps([{"match": "attn.q", "codec": "q8_0"}]))
        done = self.dry_run("--scheme", "q4_k_m", "--precision-map", rules, model=model)
        self.assertIn("note: the precision map leaves", done.stderr)

    def test_refuses_what_a_run_refuses(self):
        def refuse(code, words, *arguments):
            self.fail_with(code, words, "compress", self.tiny, "-o", self.output, "--dry-run", *arguments)
        refuse(2, ["did you mean q4_k_m"], "--scheme", "q4km")
        refuse(2, ["--calib", "--gate-text"], "--max-kld", "0.1")
        refuse(2, ["--target-size", "--min-ratio"], "--calib", CALIBRATION_TEXT, "--target-size", "5MB", "--min-ratio", "3x")
        refuse(3, ["no-such.txt"], "--report-text", self.folder / "no-such.txt")
        refuse(4, ["safetensors cannot hold"], "--scheme", "q4_k_m", "--format", "safetensors")
        refuse(6, ["--max-memory"], "--max-memory", "1KB")
        self.output.mkdir()
        (self.output / "diary.txt").write_text("mine")
        refuse(2, ["not empty", "--force"])

    def test_a_run_says_it_first_unless_quiet_or_json(self):
        said = self.succeed("compress", self.tiny, "-o", self.output).stderr
        self.assertEqual([line.split()[0] for line in said.split("\n")[:5]], TITLES)
        self.assertEqual(self.succeed("compress", self.tiny, "-o", self.output, "--force", "-q").stderr, "")
        self.assertNotIn("measured", self.succeed("compress", self.tiny, "-o", self.output, "--force", "--json").stderr)


if __name__ == "__main__":
    unittest.main()
