"""--adapter and --drop: what the program changes in a model before reading it is what was changed by hand, in every command."""

import array
import json
import random

import tiny_llama
from quern_program import REPORT_TEXT, ProgramTest, compress, hashes, read_json, run, strict_json

USAGE, INPUT, VERIFICATION = 2, 3, 7
RANK, SCALE = 2, 8 / 2  # lora_alpha / r
CHANGED = ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj")
CONFIG = {"peft_type": "LORA", "base_model_name_or_path": "acme/tiny", "r": RANK, "lora_alpha": 8, "use_dora": False,
          "target_modules": ["q_proj", "down_proj"], "bias": "none", "fan_in_fan_out": False}


def low_rank(tensors):
    """The two factors of every changed module: (A [rank, in], B [out, rank])."""
    source = random.Random(5)
    factors = {}
    for module in CHANGED:
        rows, cols = tensors[f"{module}.weight"][0]
        factors[module] = (array.array("f", (source.gauss(0, 0.1) for _ in range(RANK * cols))),
                           array.array("f", (source.gauss(0, 0.1) for _ in range(rows * RANK))))
    return factors


def merged(tensors, factors):
    """W + scale * B A, summed in double."""
    out = dict(tensors)
    for module, (a, b) in factors.items():
        (rows, cols), values = tensors[f"{module}.weight"]
        out[f"{module}.weight"] = ((rows, cols), array.array("f", (
            values[i * cols + j] + SCALE * sum(b[i * RANK + k] * a[k * cols + j] for k in range(RANK))
            for i in range(rows) for j in range(cols))))
    return out


def write_adapter(folder, tensors, factors):
    table = {}
    for module, (a, b) in factors.items():
        rows, cols = tensors[f"{module}.weight"][0]
        table[f"base_model.model.{module}.lora_A.weight"] = ((RANK, cols), a)
        table[f"base_model.model.{module}.lora_B.weight"] = ((rows, RANK), b)
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    (folder / "adapter_model.safetensors").write_bytes(
        tiny_llama.safetensors(tiny_llama.header_of(table), tiny_llama.data_of(table)))
    return folder


class Adapter(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tensors = tiny_llama.weights()
        factors = low_rank(tensors)
        cls.base = tiny_llama.write(cls.class_folder / "base")
        cls.by_hand = tiny_llama.write(cls.class_folder / "merged", merged(tensors, factors))
        cls.adapter = write_adapter(cls.class_folder / "adapter", tensors, factors)
        cls.package = compress(cls.class_folder / "package", "--adapter", cls.adapter, "--scheme", "lossless", model=cls.base)

    def divergence(self, model, *arguments):
        done = self.succeed("eval", model, "--text", REPORT_TEXT, "--windows", "2", "--window-length", "128", "--json", "-q", *arguments)
        return strict_json(done.stdout)["mean_kld"]["value"]

    def test_eval_measures_the_merged_model(self):
        self.assertLess(self.divergence(self.base, "--adapter", self.adapter, "--against", self.by_hand), 1e-9)
        self.assertGreater(self.divergence(self.base, "--against", self.by_hand), 1e-3)

    def test_compress_packs_the_merged_model(self):
        self.assertLess(self.divergence(self.package, "--against", self.by_hand), 1e-9)
        self.assertLess(self.divergence(self.package, "--against", self.base, "--against-adapter", self.adapter), 1e-9)

    def test_run_writes_what_the_merged_model_writes(self):
        said = [self.succeed("run", model, "--prompt", "The", "--tokens", "12", "--temperature", "0", "-q", *more).stdout
                for model, *more in ((self.base, "--adapter", self.adapter), (self.by_hand,), (self.base,))]
        self.assertEqual(said[0], said[1])
        self.assertNotEqual(said[0], said[2])

    def test_verify_compares_with_the_merged_original_where_the_adapter_is_given(self):
        said = self.succeed("verify", self.package, "--adapter", self.adapter, "--every", "1").stdout
        self.assertIn("20 compared with", said)
        alone = self.succeed("verify", self.package)
        self.assertIn("give its folder (--adapter)", alone.stderr)
        self.assertIn("0 compared", alone.stdout)

    def test_an_adapter_that_was_not_merged_is_a_problem(self):
        plain = compress(self.folder / "plain", model=self.base)
        done = run("verify", plain, "--adapter", self.adapter)
        self.assertEqual(done.returncode, VERIFICATION)
        self.assertIn("made with no adapter", done.stderr)

    def test_an_adapter_of_another_base_is_refused(self):
        other = tiny_llama.write(self.folder / "one-layer", layers=1)
        self.fail_with(INPUT, ["made for another model", "model.layers.1.mlp.down_proj"], "eval", other, "--adapter",
                       self.adapter, "--text", REPORT_TEXT)


class Drop(ProgramTest):
    """A checkpoint of three layers whose configuration says two, with the head of a value."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tensors = tiny_llama.weights(layers=3)
        tensors["v_head.weight"] = ([1, tiny_llama.HIDDEN], array.array("f", [0.5] * tiny_llama.HIDDEN))
        cls.model = tiny_llama.write(cls.class_folder / "tiny", tensors)
        cls.by_hand = tiny_llama.write(cls.class_folder / "two", {
            name: tensor for name, tensor in tensors.items() if "layers.2." not in name and name != "v_head.weight"})
        cls.drop = ("--drop", "model.layers.2.*", "--drop", "v_head.weight")

    def test_without_it_a_layer_too_many_is_refused_with_the_way_out(self):
        self.fail_with(INPUT, ["num_hidden_layers 2", "model.layers.2.", "--drop leaves them out"], "compress", self.model, "-o",
                       self.folder / "out")

    def test_the_package_is_that_of_the_model_without_them(self):
        mine = compress(self.folder / "mine", *self.drop, model=self.model)
        theirs = compress(self.folder / "theirs", model=self.by_hand)
        self.assertEqual(hashes(mine)["model.safetensors"], hashes(theirs)["model.safetensors"])
        self.assertIn("left out, as asked: model.layers.2.", " ".join(read_json(mine / "report.json")["notes"]))
        self.assertIn("20 compared with", self.succeed("verify", mine, "--every", "1").stdout)
        self.succeed("eval", mine, "--against", self.model, "--against-drop", "re:model.layers.2.*", "--text", REPORT_TEXT,
                     "--windows", "1", "--window-length", "64")

    def test_a_pattern_that_matches_nothing_is_refused(self):
        self.fail_with(USAGE, ["--drop", '"mtp.*"'], "compress", self.model, "-o", self.folder / "out", *self.drop, "--drop", "mtp.*")
