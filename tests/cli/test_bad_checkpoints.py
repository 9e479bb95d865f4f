"""Damaged, contradictory and foreign checkpoints: exit code 3, and the words that a person needs to go on."""

import copy
import json
import math
import shutil
import struct
import zipfile

import tiny_llama
from gguf_layout import Layout
from quern_program import REPORT_TEXT, ROOT, ProgramTest, compress
from tiny_llama import CONFIG, safetensors

INPUT = 3


class BadSafetensors(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny"
        self.tensors = tiny_llama.weights()
        self.header = tiny_llama.header_of(self.tensors)
        self.data = tiny_llama.data_of(self.tensors)

    def refuse(self, words, weights_file=None, **parts):
        tiny_llama.write(self.model, weights_file=weights_file, **parts)
        self.fail_with(INPUT, ["model.safetensors", *words], "inspect", self.model)
        output = self.folder / "out"
        self.fail_with(INPUT, words, "compress", self.model, "-o", output)
        self.assert_gone(output, f"{output}.partial")

    def test_untouched_it_is_read(self):
        tiny_llama.write(self.model)
        self.assertIn("llama", self.succeed("inspect", self.model).stdout)

    def test_cut_at_every_boundary(self):
        whole = safetensors(self.header, self.data)
        start = len(whole) - len(self.data)
        cuts = {0: "too few", 4: "too few", 8: "cut short", start // 2: "cut short", start: "cut short",
                start + 5: "cut short", start + len(self.data) // 2: "cut short", len(whole) - 1: "cut short"}
        tiny_llama.write(self.model)
        for cut, words in cuts.items():
            with self.subTest(bytes=cut):
                (self.model / "model.safetensors").write_bytes(whole[:cut])
                self.fail_with(INPUT, ["model.safetensors", words], "inspect", self.model)

    def test_cut_says_which_tensor_and_how_much_is_there(self):
        self.refuse(['"model.norm.weight"', str(len(self.data)), str(len(self.data) - 1)],
                    safetensors(self.header, self.data)[:-1])

    def test_header_longer_than_the_file(self):
        self.refuse(["1000000000", "cut short or not safetensors"], struct.pack("<Q", 10**9) + b'{"a":1}' + self.data)

    def test_integers_in_place_of_weights(self):
        name = "model.layers.0.self_attn.q_proj.weight"
        self.header[name]["dtype"] = "I32"
        tiny_llama.write(self.model, weights_file=safetensors(self.header, self.data))
        self.fail_with(INPUT, [name, "stored as i32", "save it as float32"], "compress", self.model, "-o", self.folder / "out")

    def test_header_that_is_no_json(self):
        self.refuse(["not valid JSON at byte 31: the text ends too early"], safetensors(b'{"model.norm.weight": {"dtype"', self.data))

    def test_overlapping_tensors(self):
        entry = self.header["model.norm.weight"]
        entry["data_offsets"] = [offset - 64 for offset in entry["data_offsets"]]
        self.refuse(['"model.norm.weight"', "overlap"], safetensors(self.header, self.data))

    def test_bytes_after_the_last_tensor(self):
        self.refuse([str(len(self.data)), str(len(self.data) + 3)], safetensors(self.header, self.data + b"abc"))

    def test_shape_that_disagrees_with_the_bytes(self):
        self.header["model.norm.weight"]["shape"] = [63]
        self.refuse(["model.norm.weight", "252", "256"], safetensors(self.header, self.data))

    def test_weights_that_are_no_numbers(self):
        name = "model.layers.1.mlp.up_proj.weight"
        values = self.tensors[name][1]
        values[7], values[8], values[99] = math.nan, math.nan, -math.inf
        tiny_llama.write(self.model, tensors=self.tensors)
        said = self.fail_with(INPUT, [name, "NaN", "infinit"], "compress", self.model, "-o", self.folder / "out").stderr
        self.assertRegex(said, r"\b2\b.*NaN")
        self.assertRegex(said, r"\b1\b.*infinit")
        self.assert_gone(self.folder / "out", self.folder / "out.partial")


class BadFolders(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny"

    def refuse(self, folder, *words):
        self.fail_with(INPUT, words, "compress", folder, "-o", self.folder / "out")
        self.assert_gone(self.folder / "out", self.folder / "out.partial")

    def test_two_shards_are_one_model(self):
        folder, _ = tiny_llama.write_sharded(self.model)
        self.succeed("inspect", folder)

    def test_missing_shard(self):
        folder, _ = tiny_llama.write_sharded(self.model)
        (folder / "model-00002-of-00002.safetensors").unlink()
        self.fail_with(INPUT, ["model-00002-of-00002.safetensors", "missing"], "inspect", folder)

    def test_index_that_names_absent_tensors(self):
        folder, weight_map = tiny_llama.write_sharded(self.model)
        tiny_llama.write_index(folder, weight_map | {"model.layers.9.mlp.up_proj.weight": "model-00001-of-00002.safetensors"})
        listed = self.succeed("inspect", folder).stdout
        self.assertIn("the index model.safetensors.index.json names what no shard holds, 1 tensor: model.layers.9.mlp.up_proj.weight", listed)
        # Where the model cannot do without it, the description says so.
        needed = "model.layers.1.mlp.up_proj.weight"
        folder, weight_map = tiny_llama.write_sharded(self.folder / "short", without=[needed])
        tiny_llama.write_index(folder, weight_map | {needed: "model-00001-of-00002.safetensors"})
        self.refuse(folder, needed)

    def test_index_that_leaves_the_folder(self):
        folder, weight_map = tiny_llama.write_sharded(self.model)
        tiny_llama.write_index(folder, weight_map | {"model.norm.weight": "../model.safetensors"})
        self.fail_with(INPUT, ["../model.safetensors"], "inspect", folder)

    def test_config_that_contradicts_the_tensors_shows_both(self):
        claims = {"hidden_size": (128, "[400, 64]"), "intermediate_size": (160, "[96, 64]"), "vocab_size": (401, "[400, 64]"),
                  "num_hidden_layers": (3, "model.layers.2."), "num_key_value_heads": (4, "[32, 64]")}
        for number, (key, (value, shape)) in enumerate(claims.items()):
            with self.subTest(key=key):
                folder = tiny_llama.write(self.folder / str(number), config=CONFIG | {key: value})
                self.refuse(folder, "config.json", key, value, shape)

    def test_stated_values_count_where_no_class_is_named(self):
        stated = {key: value for key, value in CONFIG.items() if key not in ("architectures", "model_type")} | {"rope_theta": 500000.0}
        folder = tiny_llama.write(self.model, config=stated)
        (base,) = [line for line in self.succeed("inspect", folder).stdout.splitlines() if line.startswith("rotary base")]
        self.assertRegex(base, r"500000 +config.json")
        folder = tiny_llama.write(self.folder / "other", config=stated | {"hidden_size": 128})
        self.refuse(folder, "config.json", "hidden_size", 128, "[400, 64]")

    def test_rotary_scaling_that_is_not_computed_is_input_wherever_it_is_met(self):
        folder = tiny_llama.write(self.model, config=CONFIG | {"rope_scaling": {"type": "dynamic", "factor": 2.0}})
        for arguments in (["eval", folder, "--text", REPORT_TEXT], ["run", folder, "-p", "a"],
                          ["compress", folder, "-o", self.folder / "out", "--scheme", "q4_k_m"],
                          ["compress", folder, "-o", self.folder / "out", "--report-text", REPORT_TEXT]):
            self.fail_with(INPUT, ['"dynamic"'], *arguments)
        self.succeed("compress", folder, "-o", self.folder / "blind")

    def test_unknown_architecture_names_the_known_ones(self):
        config = CONFIG | {"architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode"}
        folder = tiny_llama.write(self.model, config=config)
        self.fail_with(INPUT, ["GPTBigCodeForCausalLM", "known are", "llama"], "eval", folder, "--text", REPORT_TEXT)
        # Without texts it compresses all the same, and says what could not be checked.
        self.succeed("compress", folder, "-o", self.folder / "blind")
        self.assertIn("no architecture recognises", (self.folder / "blind/README.md").read_text())
        self.assertIn("GPTBigCodeForCausalLM", self.succeed("inspect", folder).stdout)

    def test_config_that_is_no_json(self):
        folder = tiny_llama.write(self.model)
        (folder / "config.json").write_text(json.dumps(CONFIG)[:-5])
        self.fail_with(INPUT, ["config.json"], "inspect", folder)

    def test_config_without_a_key_is_completed_by_the_tensors(self):
        for key in ("hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size", "intermediate_size"):
            with self.subTest(key=key):
                config = copy.deepcopy(CONFIG)
                del config[key]
                folder = tiny_llama.write(self.folder / key, config=config)
                self.succeed("compress", folder, "-o", self.folder / f"out-{key}")

    def test_a_value_that_nothing_says_is_told(self):
        config = copy.deepcopy(CONFIG)
        del config["rms_norm_eps"]
        folder = tiny_llama.write(self.model, config=config)
        note = "norm epsilon 1e-06 is assumed: the family's usual value"
        self.assertIn(note, self.succeed("compress", folder, "-o", self.folder / "out").stderr)
        report = json.loads((self.folder / "out" / "report.json").read_text())
        self.assertIn(note, report["notes"])
        self.assertIn(note, self.succeed("eval", folder, "--text", REPORT_TEXT).stdout)

    def test_config_without_a_key_that_nothing_shows(self):
        config = copy.deepcopy(CONFIG)
        del config["num_hidden_layers"]
        folder = tiny_llama.write(self.model, config=config)
        weights = folder / "model.safetensors"
        # A gap in the names is no count of layers.
        weights.write_bytes(weights.read_bytes().replace(b"model.layers.1.", b"model.layers.7."))
        self.refuse(folder, "config.json has no num_hidden_layers", "no name or shape of a tensor shows it")

    def test_missing_model(self):
        self.fail_with(INPUT, ["no-such-model", "does not exist"], "inspect", self.folder / "no-such-model")
        self.fail_with(INPUT, ["no-such-model"], "compress", self.folder / "no-such-model", "-o", self.folder / "out")

    def test_folder_without_a_model(self):
        self.model.mkdir()
        self.fail_with(INPUT, [self.model], "inspect", self.model)


class BadPickle(ProgramTest):
    """Archives in PyTorch's layout, whose pickles are written opcode by opcode."""

    @staticmethod
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def archive(self, *entries, after=b""):
        path = self.folder / "made.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("made/data.pkl", b"\x80\x02}(" + b"".join(entries) + after + b"u.")
            archive.writestr("made/data/0", bytes(4))
        return path

    def tensor(self, name, axes=1):
        storage = b"(" + self.text("storage") + b"ctorch\nFloatStorage\n" + self.text("0") + self.text("cpu") + b"K\x01tQ"
        ones = b"(" + b"K\x01" * axes + b"t"
        return self.text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + ones + ones + b"\x89NtR"

    def test_one_tensor_opens(self):
        self.assertIn("1 tensor", self.succeed("inspect", self.archive(self.tensor("w"))).stdout)

    def test_too_many_axes(self):
        self.fail_with(INPUT, ["made.pt", "tensor w", "100000 axes; at most 64"], "inspect", self.archive(self.tensor("w", axes=100000)))

    def test_many_optimizers_are_a_few_notes(self):
        others = (self.text(f"optim{i}") + b"}" for i in range(5000))
        listed = self.succeed("inspect", self.archive(self.tensor("w"), *others)).stdout
        self.assertLess(listed.count("optimizer"), 300)

    def test_a_long_configuration_is_left_out(self):
        settings = b"".join(self.text(f"key{i}") + b"K\x01" for i in range(60000))
        path = self.archive(self.text("model") + b"}(" + self.tensor("w") + b"u", self.text("config") + b"}(" + settings + b"u")
        self.assertIn("config: ", self.succeed("inspect", path).stdout)


class BadGguf(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_llama.write(cls.class_folder / "tiny", layers=1)  # one layer leaves padding before the data
        cls.layout = Layout(compress(cls.class_folder / "out", "--scheme", "q8_0", model=cls.model) / "tiny-q8_0.gguf")

    def refuse(self, raw, *words):
        path = self.folder / "cut.gguf"
        path.write_bytes(raw)
        self.fail_with(INPUT, ["cut.gguf", *words], "inspect", path)

    def test_cut_at_every_boundary(self):
        at = self.layout
        self.assertLess(at.infos_end, at.data, "this file has no padding to cut")
        cuts = {"magic": 2, "version": 6, "tensor count": 12, "pair count": 20, "no pairs": at.kv, "first pair": at.kv + 3,
                "pairs": (at.kv + at.infos) // 2, "no tensor infos": at.infos, "infos": (at.infos + at.infos_end) // 2,
                "padding": at.infos_end + 1, "no data": at.data, "data": (at.data + at.size) // 2, "last byte": at.size - 1}
        for where, cut in cuts.items():
            with self.subTest(where=where):
                self.refuse(at.raw[:cut])

    def test_cut_data_says_which_tensor(self):
        self.refuse(self.layout.raw[:-1], "output_norm.weight", "cut short")

    def test_other_magic(self):
        self.refuse(b"GGML" + self.layout.raw[4:])

    def test_huge_counts(self):
        self.refuse(self.layout.raw[:8] + struct.pack("<Q", 2**60) + self.layout.raw[16:], str(2**60))
        self.refuse(self.layout.raw[:16] + struct.pack("<Q", 2**60) + self.layout.raw[24:], str(2**60))

    def test_importance_matrix_is_no_model(self):
        path = compress(self.class_folder / "calibrated", "--calib", self.long_text(), "--calib-windows", "1",
                        model=self.model) / "statistics.gguf"
        self.assertIn("importance matrix", self.succeed("inspect", path).stdout)
        self.fail_with(INPUT, ["statistics.gguf", "importance matrix"], "compress", path, "-o", self.folder / "out")

    def long_text(self):
        path = self.folder / "text.txt"
        path.write_text("\n\n".join(f"The mill number {i} grinds the grain of the valley." for i in range(200)))
        return path


class NamedFile(ProgramTest):
    """The file that holds the wrong value is the one that the message names."""

    def setUp(self):
        super().setUp()
        self.model = tiny_llama.write(self.folder / "tiny")

    def dry_run(self, *arguments):
        return "compress", self.model, "-o", self.folder / "out", "--dry-run", "--scheme", "q4_k_m", *arguments

    def test_configuration_of_no_known_family(self):
        (self.model / "config.json").write_text(json.dumps(CONFIG | {"architectures": [[]], "model_type": "x"}))
        self.fail_with(INPUT, ["config.json"], *self.dry_run())
        self.fail_with(INPUT, ["config.json"], "eval", self.model, "--text", REPORT_TEXT)

    def test_configuration_and_tensors_that_disagree(self):
        header = tiny_llama.header_of(tiny_llama.weights())
        header["model.norm.other"] = header.pop("model.norm.weight")
        (self.model / "model.safetensors").write_bytes(safetensors(header, tiny_llama.data_of(tiny_llama.weights())))
        self.fail_with(INPUT, ["model.norm.weight", "config.json", "model.safetensors"], *self.dry_run())

    def test_zero_bytes_end_no_message(self):
        for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
            kept = self.model / name
            before = kept.read_bytes() if kept.exists() else None
            kept.write_bytes(b'{"a": 1\0}')
            with self.subTest(file=name):
                self.fail_with(INPUT, ["\\x00", name], *self.dry_run())
            kept.unlink() if before is None else kept.write_bytes(before)

    def test_of_several_files_the_wrong_one_is_named(self):
        tokenizer = self.model / "tokenizer_config.json"
        for wrong in ({"bos_token": 7}, {"eos_token": {"lstrip": True}}):
            tokenizer.write_text(json.dumps(wrong))
            self.fail_with(INPUT, ["tokenizer_config.json", *wrong], "eval", self.model, "--text", REPORT_TEXT)
        tokenizer.unlink()
        tensors = tiny_llama.weights()
        tensors["model.layers.1.input_layernorm.weight"][1][3] = float("nan")
        (self.model / "model.safetensors").write_bytes(safetensors(tiny_llama.header_of(tensors), tiny_llama.data_of(tensors)))
        self.fail_with(INPUT, ["model.safetensors", "input_layernorm", "NaN"], "eval", self.model, "--text", REPORT_TEXT, "--windows", "1")
        self.fail_with(INPUT, ["model.safetensors", "input_layernorm", "NaN"], "compress", self.model, "-o", self.folder / "out", "--scheme", "f32")

    def test_packed_tensors_that_do_not_fit_name_their_file(self):
        packed = shutil.copytree(ROOT / "testdata/format/packed_int4", self.folder / "packed", ignore=shutil.ignore_patterns("*.f32"))
        raw = (packed / "model.safetensors").read_bytes()
        (packed / "model.safetensors").write_bytes(raw.replace(b"weight_shape", b"weight_shade", 1))
        self.fail_with(INPUT, ["weight_shape is missing", "model.safetensors"], "inspect", packed)

    def test_rule_that_matches_nothing(self):
        chosen = self.folder / "my_map.json"
        chosen.write_text(json.dumps([{"match": "nothing", "codec": "q8_0"}]))
        self.fail_with(2, ["my_map.json", "rule 1"], *self.dry_run("--precision-map", chosen))

    def test_manifest(self):
        package = compress(self.folder / "package", "--scheme", "q8_0", model=self.model)
        manifest = package / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"files"', '"flies"', 1))
        self.fail_with(7, ["manifest.json"], "verify", package)
