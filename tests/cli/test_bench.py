"""bench: what the table and the JSON hold. No test asks for a speed."""

import statistics
import unittest

import tiny_llama
from quern_program import ProgramTest, compress, strict_json

FEW = ["--prompt-tokens", "8", "-n", "4"]
HIDDEN, INNER, LAYERS, VOCAB = tiny_llama.HIDDEN, tiny_llama.INNER, tiny_llama.LAYERS, tiny_llama.VOCAB
MATRICES = LAYERS * (2 * HIDDEN * HIDDEN + 2 * 32 * HIDDEN + 3 * INNER * HIDDEN) + VOCAB * HIDDEN  # the head is the embedding
VECTORS = (2 * LAYERS + 1) * HIDDEN


class Bench(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_llama.write(cls.class_folder / "tiny")
        cls.q8_0 = compress(cls.class_folder / "q8_0", "--scheme", "q8_0", model=cls.model)

    def result(self, *arguments):
        return strict_json(self.succeed("bench", *arguments, *FEW, "--json", "-q").stdout)

    def test_json_has_medians_of_five(self):
        result = self.result(self.model)
        self.assertEqual(set(result), {"models", "bandwidth_gb_per_second", "threads", "instruction_set", "prompt_tokens", "tokens"})
        self.assertEqual((result["prompt_tokens"], result["tokens"]), (8, 4))
        self.assertGreater(result["bandwidth_gb_per_second"], 0)
        [speed] = result["models"]
        for median, repeats in (("prompt_tokens_per_second", "prompt_repeats"), ("tokens_per_second", "repeats")):
            self.assertGreaterEqual(len(speed[repeats]), 5)
            self.assertAlmostEqual(speed[median] / statistics.median(speed[repeats]), 1, places=12)
        share = speed["weight_bytes_per_token"] * speed["tokens_per_second"] / (1e9 * result["bandwidth_gb_per_second"])
        self.assertAlmostEqual(speed["bandwidth_share"] / share, 1, places=9)

    def test_bytes_are_those_of_the_model(self):
        [speed] = self.result(self.model)["models"]
        self.assertEqual(speed["weight_bytes_per_token"], 4 * (MATRICES + VECTORS))
        self.assertEqual(speed["state_bytes"], LAYERS * 2 * 32 * (8 + 4) * 4)
        self.assertEqual(speed["file_bytes"], sum(p.stat().st_size for p in self.model.iterdir()))
        [speed] = self.result(self.q8_0)["models"]
        self.assertEqual(speed["weight_bytes_per_token"], MATRICES // 32 * 34 + 4 * VECTORS)

    def test_another_model_is_measured_beside(self):
        result = self.result(self.model, "--against", self.q8_0, "--repeats", "3", "--threads", "1")
        self.assertEqual(result["threads"], 1)
        self.assertEqual([len(speed["repeats"]) for speed in result["models"]], [3, 3])
        first, second = (speed["weight_bytes_per_token"] for speed in result["models"])
        self.assertGreater(first, second)

    def test_table_for_people_has_a_column_a_model(self):
        text = self.succeed("bench", self.model, "--against", self.q8_0, *FEW, "-q").stdout
        self.assertIn("medians of 5 interleaved runs", text)
        [row] = [line for line in text.splitlines() if line.startswith("weights read a token")]
        self.assertEqual(row.split()[-2:], [str(4 * (MATRICES + VECTORS)), str(MATRICES // 32 * 34 + 4 * VECTORS)])

    def test_memory_is_the_peak_and_can_be_limited(self):
        [speed] = self.result(self.model)["models"]
        self.assertGreater(speed["peak_bytes"], 4 * MATRICES // 2)
        self.fail_with(6, ["--max-memory", str(4 * (MATRICES + VECTORS)), "fewer bits"], "bench", self.model, *FEW, "--max-memory", "10KB")
        self.fail_with(6, ["--max-memory"], "run", self.model, "-p", "The", "--max-memory", "10KB")
        self.succeed("run", self.model, "-p", "The", "-n", "2", "--max-memory", "10MB")

    def test_options_without_effect_are_none(self):
        self.fail_with(2, ["--compute"], "bench", self.model, "--compute", "f32")
        self.fail_with(2, ["--compute"], "run", self.model, "--compute", "f32")
        self.fail_with(2, ["--max-memory"], "verify", self.q8_0, "--max-memory", "1GB")

    def test_bad_values_are_named(self):
        for option in ("--repeats", "--tokens", "--prompt-tokens"):
            self.fail_with(2, ["at least one"], "bench", self.model, option, "0")
            self.fail_with(2, [option], "bench", self.model, option, "-2")
        self.fail_with(2, ["1000 and 64 tokens", "the context of 256"], "bench", self.model, "--prompt-tokens", "1000")
        self.fail_with(3, ["absent"], "bench", self.folder / "absent")
        self.fail_with(3, ["absent"], "bench", self.model, *FEW, "--against", self.folder / "absent")


if __name__ == "__main__":
    unittest.main()
