"""eval: a model against itself, a package against its report, and other containers of the same numbers."""

import unittest

import tiny_llama
from gguf_layout import Layout
from quern_program import CALIBRATED, MODEL, REPORT_TEXT, REPORTED, ProgramTest, compress, read_json, strict_json

TEXT = ["--text", REPORT_TEXT, "--windows", "4", "--json", "-q"]


class Eval(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bf16 = compress(cls.class_folder / "bf16", "--scheme", "bf16") / "llama-7m-bf16.gguf"

    def measure(self, model, *arguments):
        return strict_json(self.succeed("eval", model, *TEXT, *arguments).stdout)

    def test_model_against_itself_is_the_same(self):
        result = self.measure(MODEL, "--against", MODEL)
        for figure in ("mean_kld", "median_kld", "kld_99", "perplexity_increase"):
            self.assertEqual(result[figure], {"value": 0, "standard_error": 0})
        self.assertEqual(result["same_top"], {"value": 1, "standard_error": 0})
        self.assertEqual(result["perplexity"], result["original_perplexity"])
        self.assertEqual(result["bytes"], result["original_bytes"])

    def test_package_against_the_original_gives_the_figures_of_its_report(self):
        package = compress(self.folder / "out", "--scheme", "q4_k_m", *CALIBRATED, *REPORTED)
        quality = read_json(package / "report.json")["quality"]
        result = self.measure(package, "--against", MODEL)
        self.assertEqual({key: result[key] for key in quality}, quality)
        self.assertEqual(result["bytes"], read_json(package / "report.json")["output_bytes"])
        self.assertGreater(quality["mean_kld"]["value"], 0)
        self.assertEqual(self.measure(package / "llama-7m-q4_k_m.gguf", "--against", MODEL), result)

    def test_the_end_of_the_last_phase_is_said(self):
        said = self.succeed("eval", MODEL, "--text", REPORT_TEXT, "--windows", "1").stderr
        self.assertRegex(said, r"^evaluate \(0 of \d+\)\nevaluate: done; [\w. ]+ in all\n$")
        self.assertNotIn("done", self.succeed("eval", MODEL, "--text", REPORT_TEXT, "--windows", "1", "-q").stderr)

    def test_windows_are_counted(self):
        self.assertEqual(self.measure(MODEL)["tokens"], 4 * 255)
        self.assertEqual(self.measure(MODEL, "--window-length", "128")["tokens"], 4 * 63)

    def test_table_for_people_has_the_same_figures(self):
        text = self.succeed("eval", MODEL, "--text", REPORT_TEXT, "--windows", "4", "-q").stdout
        self.assertIn(f"{self.measure(MODEL)['perplexity']['value']:.4f}", text)

    def test_what_a_reader_must_know_is_in_the_result_even_where_progress_is_not_shown(self):
        text = self.folder / "text.txt"
        text.write_text(REPORT_TEXT.read_text()[:40_000])
        arguments = ["eval", MODEL, "--text", text, "--windows", "1", "--window-length", "2048", "-q"]
        done = self.succeed(*arguments)
        self.assertIn("note: windows of 2048 tokens are longer than the", done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertIn("longer than", strict_json(self.succeed(*arguments, "--json").stdout)["notes"][0])
        self.assertEqual(self.measure(MODEL)["notes"], [])

    def test_file_of_weights_beside_its_config(self):
        self.assertEqual(self.measure(MODEL / "model.safetensors")["perplexity"], self.measure(MODEL)["perplexity"])

    def test_bf16_gguf_has_the_perplexity_of_the_folder(self):
        # In bf16 arithmetic the reordered rows of queries and keys round differently.
        folder, gguf = (self.measure(model, "--compute", "f32")["perplexity"]["value"] for model in (MODEL, self.bf16))
        self.assertAlmostEqual(gguf / folder, 1, delta=1e-4)

    def test_bf16_gguf_compresses_to_the_same_tensors(self):
        statistics = compress(self.folder / "calibrated", *CALIBRATED) / "statistics.gguf"
        made = [compress(self.folder / name, "--scheme", "q4_k_m", "--imatrix", statistics, model=model)
                for name, model in (("from-folder", MODEL), ("from-gguf", self.bf16))]
        folder = Layout(made[0] / "llama-7m-q4_k_m.gguf")
        gguf = Layout(made[1] / "llama-7m-bf16-q4_k_m.gguf")
        self.assertEqual(len(folder.tensors), 56)
        self.assertEqual(folder.tensors.keys(), gguf.tensors.keys())
        self.assertEqual([name for name in folder.tensors if folder.tensors[name] != gguf.tensors[name]], [])

    def test_vocabularies_that_differ_cannot_be_compared(self):
        tiny = tiny_llama.write(self.folder / "tiny")
        self.fail_with(3, ["8192", "400"], "eval", tiny, "--against", MODEL, *TEXT)


if __name__ == "__main__":
    unittest.main()
