"""Folders made for a size in transformers: they load without complaints and have the perplexity that they have here.

Wants build/transformers-venv with the packages of tools/transformers_requirements.txt; skipped without it.
"""

import json
import math

import sentencepiece
import torch
import transformers
from quern_program import CALIBRATED, FLOAT, MODEL, REPORT_TEXT, ProgramTest, compress, read_json, strict_json

WINDOW, WINDOWS = 512, 8
TOLERANCE = 0.003  # decoded weights are rounded to bfloat16 there

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def load(folder):
    """The model in float, and what the program complains of."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    return model.eval(), {kind: names for kind, names in info.items() if names}


def perplexity(model):
    """Windows as here: the text's tokens in runs, the first of each replaced by BOS, the second half scored."""
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(MODEL / "tokenizer.model"))
    ids = [tokenizer.bos_id(), *tokenizer.encode(REPORT_TEXT.read_text())]
    losses = []
    for k in range(WINDOWS):
        window = torch.tensor([[tokenizer.bos_id(), *ids[k * WINDOW + 1:(k + 1) * WINDOW]]])
        with torch.no_grad():
            scores = model(window).logits[0, WINDOW // 2:-1]
        losses.append(torch.nn.functional.cross_entropy(scores.double(), window[0, WINDOW // 2 + 1:]).item())
    return math.exp(sum(losses) / len(losses))


class Transformers(ProgramTest):
    def assert_same_perplexity(self, package):
        said = self.succeed("eval", package, "--text", REPORT_TEXT, "--windows", WINDOWS, *FLOAT, "--json", "-q").stdout
        ours = strict_json(said)["perplexity"]["value"]
        model, complaints = load(package)
        self.assertEqual(complaints, {})
        theirs = perplexity(model)
        print(f"{package.name}: perplexity here {ours:.4f}, in transformers {theirs:.4f}")
        self.assertAlmostEqual(theirs / ours, 1, delta=TOLERANCE)

    def sized(self, scheme, size):
        package = compress(self.folder / f"{scheme}-{size}", "--scheme", scheme, "--target-size", size, *CALIBRATED)
        codecs = {s["codec"] for s in read_json(package / "manifest.json")["plan"]["steps"] if s["parameters"] > 1024}
        return package, codecs

    def test_one_packed_number_format(self):
        package, codecs = self.sized("simple", 5_000_000)
        self.assertEqual(len(codecs - {"bf16"}), 1, codecs)
        self.assert_same_perplexity(package)

    def test_several_packed_number_formats(self):
        """Without zero points and with the embedding unpacked: a plan of which each layer and each part has its own."""
        file = self.folder / "plan.json"
        self.succeed("plan", MODEL, "--scheme", "simple", "-o", file, "-q")
        plan = read_json(file)
        for step in plan["steps"]:
            name = step["tensor"]
            if "norm" not in name:
                layer = int(name.split(".")[2]) if ".layers." in name else None
                step["codec"] = ("bf16" if layer is None else "int4_g32" if "_attn" in name and layer % 2 else
                                 "int4_g128" if "down" in name else "int8_channel")
        file.write_text(json.dumps(plan))
        package = compress(self.folder / "several", "--plan", file)
        self.assertFalse([note for note in read_json(package / "report.json")["notes"] if "does not load" in note])
        self.assert_same_perplexity(package)

    def test_bitsandbytes(self):
        package, codecs = self.sized("nf4", 7_600_000)
        self.assertEqual(codecs & {"nf4", "nf4_dq"}, codecs - {"bf16"})
        self.assert_same_perplexity(package)

    def test_what_does_not_load_is_said(self):
        package = compress(self.folder / "out", "--scheme", "mixed-int4")
        self.assertTrue(any("transformers 5.23 does not load" in note for note in read_json(package / "report.json")["notes"]))
        with self.assertRaises(Exception):
            load(package)
