"""Every family of architectures in llama.cpp: it loads what compress writes, and its perplexity is ours."""

import llama_cpp
import tiny_bitnet
from quern_program import FLOAT, ROOT, REPORT_TEXT, ProgramTest, compress, shared, strict_json

# At 2 bits the 8-bit activations of llama.cpp send tokens of a mixture to other experts: on 8 windows of mixtral-moe15m as q2_k the two
# differ by 0.54%, on 24 by 0.22%, on 40 by 0.17%.
WINDOWS = 24
FEW_WINDOWS = 8  # elsewhere
TOLERANCE = 0.005


class Families(ProgramTest):
    def assert_same_perplexity(self, model, scheme, text, *options, window=512, windows=WINDOWS):
        package = compress(self.folder / model.name / scheme, "--scheme", scheme, *options, model=model)
        file = package / f"{model.name}-{scheme}.gguf"
        said = self.succeed("eval", package, "--text", text, "--windows", windows, "--window-length", window, *FLOAT,
                            "--json", "-q").stdout
        ours = strict_json(said)["perplexity"]["value"]
        theirs = llama_cpp.perplexity(file, text.read_text(), windows, window)
        print(f"{model.name} {scheme}: perplexity here {ours:.4f}, in llama.cpp {theirs:.4f}")
        self.assertAlmostEqual(theirs / ours, 1, delta=TOLERANCE)

    def assert_reference(self, name, schemes):
        calibration = ["--calib", shared("text/calib.txt"), "--calib-windows", "16", "--optimizer", "weighted"]
        for scheme in schemes:
            with self.subTest(scheme=scheme):
                options = [] if scheme == "bf16" else calibration
                self.assert_same_perplexity(shared(f"reference/{name}"), scheme, shared("text/eval.txt"), *options,
                                            windows=WINDOWS if scheme == "q2_k" else FEW_WINDOWS)

    def test_mamba(self):
        self.assert_reference("mamba-8m", ["bf16", "q8_0", "q4_k_m", "q3_k_m"])

    def test_mixtral(self):
        self.assert_reference("mixtral-moe15m", ["bf16", "q8_0", "q4_k_m", "iq4_xs", "q2_k"])

    # llama.cpp computes SiLU where bitnet.cpp has ReLU^2; the trained scales come back exactly.
    def test_bitnet(self):
        model = tiny_bitnet.write(self.folder / "bitnet", hidden_act="silu")
        for scheme in ("f32", "tq2_0", "tq1_0"):
            with self.subTest(scheme=scheme):
                larger = ["--allow-larger"] if scheme == "f32" else []
                self.assert_same_perplexity(model, scheme, REPORT_TEXT, *larger, window=128, windows=FEW_WINDOWS)

    # Made with random weights: what they say means nothing, but both programs must say the same.
    def test_tiny_models_with_their_tokenizers(self):
        for name, window in (("tiny-qwen3", 512), ("tiny-gpt2", 128)):
            for scheme in ("f32", "q8_0"):
                with self.subTest(model=name, scheme=scheme):
                    larger = ["--allow-larger"] if scheme == "f32" else []
                    self.assert_same_perplexity(ROOT / "testdata/model" / name, scheme, REPORT_TEXT, *larger,
                                                window=window, windows=FEW_WINDOWS)
