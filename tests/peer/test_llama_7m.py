"""The bundled model's GGUF files in llama.cpp: the same perplexity as here."""

import llama_cpp
from quern_program import CALIBRATED, FLOAT, MODEL, REPORT_TEXT, ProgramTest, compress, strict_json

WINDOWS = 20
TOLERANCE = 0.005  # llama.cpp rounds activations to 8 bits before it multiplies with k-quants


class Llama7m(ProgramTest):
    def assert_same_perplexity(self, scheme, *calibration):
        package = compress(self.folder / scheme, "--scheme", scheme, *calibration)
        said = self.succeed("eval", package, "--text", REPORT_TEXT, "--windows", WINDOWS, *FLOAT, "--json", "-q").stdout
        ours = strict_json(said)["perplexity"]["value"]
        theirs = llama_cpp.perplexity(package / f"llama-7m-{scheme}.gguf", REPORT_TEXT.read_text(), WINDOWS)
        print(f"llama-7m {scheme}: perplexity here {ours:.4f}, in llama.cpp {theirs:.4f}")
        self.assertAlmostEqual(theirs / ours, 1, delta=TOLERANCE)

    def test_perplexity_bf16(self):
        self.assert_same_perplexity("bf16")

    def test_perplexity_q4_k_m(self):
        self.assert_same_perplexity("q4_k_m", *CALIBRATED)

    def test_a_damaged_file_does_not_pass(self):
        package = compress(self.folder / "q8_0", "--scheme", "q8_0")
        path = package / "llama-7m-q8_0.gguf"
        text = REPORT_TEXT.read_text()
        before = llama_cpp.perplexity(path, text, 1)
        raw = bytearray(path.read_bytes())
        raw[-3_000_000:-2_500_000] = bytes(500_000)
        path.write_bytes(raw)
        self.assertGreater(llama_cpp.perplexity(path, text, 1), 1.1 * before)
