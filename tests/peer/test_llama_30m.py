"""A larger model (optional folder ../shared) in llama.cpp: perplexity, quality at least that of llama.cpp's own files, text."""

import llama_cpp
from quern_program import FLOAT, ProgramTest, compress, shared, strict_json

WINDOWS = 40
TOLERANCE = 0.005

# llama-quantize with an importance matrix of the same text, measured by llama-perplexity on the same 40 windows:
# scheme -> (bytes of the file, mean KL divergence to the BF16 file).
LLAMA_QUANTIZE = {"q4_k_m": (21_131_200, 0.017763), "q5_k_m": (24_342_464, 0.006375)}
MOST_MORE_METADATA = 256  # bytes: quantize.imatrix.* and general.*, which the file that was measured does not have


class Llama30m(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = shared("reference/llama-30m")
        cls.eval_text = shared("text/eval.txt")
        cls.text = cls.eval_text.read_text()
        calibration = ["--calib", shared("text/calib.txt"), "--calib-windows", "64"]
        cls.bf16 = compress(cls.class_folder / "bf16", "--scheme", "bf16", model=cls.model) / "llama-30m-bf16.gguf"
        first = compress(cls.class_folder / "q4_k_m", "--scheme", "q4_k_m", *calibration, model=cls.model)
        statistics = ["--imatrix", first / "statistics.gguf"]
        compress(cls.class_folder / "q5_k_m", "--scheme", "q5_k_m", *statistics, model=cls.model)
        files = [cls.class_folder / scheme / f"llama-30m-{scheme}.gguf" for scheme in LLAMA_QUANTIZE]
        results = llama_cpp.compare(cls.bf16, files, cls.text, WINDOWS)
        cls.theirs = dict(zip(["bf16", *LLAMA_QUANTIZE], results))

    def file(self, scheme):
        return self.class_folder / scheme / f"llama-30m-{scheme}.gguf"

    def assert_same_perplexity(self, scheme):
        theirs = self.theirs[scheme].perplexity
        said = self.succeed("eval", self.file(scheme), "--text", self.eval_text, "--windows", WINDOWS, *FLOAT, "--json", "-q").stdout
        ours = strict_json(said)["perplexity"]["value"]
        print(f"llama-30m {scheme}: perplexity here {ours:.4f}, in llama.cpp {theirs:.4f}")
        self.assertAlmostEqual(theirs / ours, 1, delta=TOLERANCE)

    def assert_no_worse(self, scheme):
        most_bytes, most_kld = LLAMA_QUANTIZE[scheme]
        result = self.theirs[scheme]
        size = self.file(scheme).stat().st_size
        print(f"llama-30m {scheme}: {size} bytes (llama-quantize {most_bytes}), mean KLD {result.mean_kld:.6f} ({most_kld}), "
              f"perplexity {result.perplexity:.4f}, same top {100 * result.same_top:.3f}%")
        self.assertLessEqual(size, most_bytes + MOST_MORE_METADATA)
        self.assertLessEqual(result.mean_kld, most_kld)
        self.assertGreater(result.mean_kld, 0)

    def test_perplexity_bf16(self):
        self.assertAlmostEqual(self.theirs["bf16"].perplexity, 19.919, delta=0.02, msg="llama-perplexity's own figure for this model")
        self.assert_same_perplexity("bf16")

    def test_q4_k_m(self):
        self.assert_no_worse("q4_k_m")
        self.assert_same_perplexity("q4_k_m")

    def test_q5_k_m(self):
        self.assert_no_worse("q5_k_m")

    def test_greedy_text(self):
        with llama_cpp.opened(self.file("q4_k_m")) as model:
            ids = model.greedy("The history of the city", 16)
            text = model.text(ids)
        print(f"llama-30m q4_k_m says: {text!r}")
        self.assertEqual(len(ids), 16)
        self.assertGreater(len(set(ids)), 4)
        self.assertGreater(len(text.strip()), 10)
