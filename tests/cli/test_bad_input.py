"""Texts, options, statistics and output folders that cannot be used: exit code and words, and nothing is touched."""

import json
import os
import resource
import struct

import tiny_llama
from quern_program import CALIBRATED, CALIBRATION_TEXT, MODEL, ProgramTest, compress, hashes, read_json

USAGE, INPUT, INFEASIBLE, RESOURCE = 2, 3, 4, 6


class RefusingTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.output = self.folder / "out"

    def refuse(self, code, words, *arguments, model=MODEL):
        self.fail_with(code, words, "compress", model, "-o", self.output, *arguments)
        self.assert_gone(self.output, f"{self.output}.partial", f"{self.output}.rejected")


class BadTexts(RefusingTest):
    def refuse_text(self, content, *words):
        text = self.folder / "text.txt"
        text.write_bytes(content)
        for option in ("--calib", "--gate-text", "--report-text"):
            with self.subTest(option=option):
                bound = ["--max-kld", "0.1"] if option == "--gate-text" else []
                self.refuse(INPUT, words, option, text, *bound)
        self.fail_with(INPUT, words, "eval", MODEL, "--text", text)

    def test_empty(self):
        self.refuse_text(b"", "text.txt is empty")
        self.refuse_text(b"\xef\xbb\xbf", "text.txt is empty")
        self.refuse_text(b" \n\t\r\n ", "text.txt", "white space")

    def test_utf_16(self):
        self.refuse_text("The mill grinds.\n".encode("utf-16"), "text.txt", "UTF-16", "convert it to UTF-8")

    def test_latin_1(self):
        self.refuse_text("Die \xc4\xd6\xdc\xe4\xf6\xfc\n".encode("latin-1"), "text.txt", "not UTF-8", "0xc4", "position 4", "convert")

    def test_too_short_for_one_window(self):
        self.refuse_text(b"The mill grinds.\n\nThe miller sleeps.\n", "text.txt", "tokens", "fewer than one window of 512")

    def test_one_line_cannot_be_split(self):
        text = self.folder / "text.txt"
        text.write_text("The mill grinds. " * 500)
        self.refuse(INPUT, ["1 line", "cannot be split", text], "--calib", text)

    def test_missing(self):
        self.refuse(INPUT, ["no-such.txt", "No such file"], "--report-text", self.folder / "no-such.txt")


class BadPrecisionMaps(RefusingTest):
    def refuse_map(self, code, words, *rules, scheme="q4_k_m"):
        rules_file = self.folder / "map.json"
        rules_file.write_text(json.dumps(rules))
        # A calibration text that takes long: the map is refused before it is used.
        self.refuse(code, words, "--scheme", scheme, "--precision-map", rules_file, "--calib", CALIBRATION_TEXT)

    def test_unknown_number_format(self):
        self.refuse_map(USAGE, ['"q4k"', "did you mean", "q4_k", "rule 1", "map.json"], {"match": "attn.q", "codec": "q4k"})

    def test_rule_that_matches_nothing(self):
        self.refuse_map(USAGE, ['"atn.q"', "matches no tensor", "attn.q", "optional"], {"match": "atn.q", "codec": "q8_0"})

    def test_number_format_of_another_container(self):
        self.refuse_map(INFEASIBLE, ["int8_channel", "gguf cannot hold"], {"match": "attn.q", "codec": "int8_channel"})

    def test_no_map(self):
        (self.folder / "map.json").write_text("[")
        for path, code, words in ((self.folder / "map.json", USAGE, "JSON"), (self.folder / "none.json", INPUT, "none.json")):
            self.refuse(code, [words], "--precision-map", path)

    def test_map_that_fits_is_used(self):
        rules_file = self.folder / "map.json"
        rules_file.write_text(json.dumps([{"match": "attn.q", "codec": "q8_0"}, {"match": "*mlp*", "codec": "q5_k"}]))
        said = self.succeed("compress", MODEL, "-o", self.output, "--scheme", "q4_k_m", "--precision-map", rules_file)
        self.assertRegex(said.stdout, r"Precision map: \d+ tensors matched")
        plan = json.loads((self.output / "manifest.json").read_text())["plan"]
        codecs = {step["output"]: step["codec"] for step in plan["steps"]}
        self.assertEqual(codecs["blk.3.attn_q.weight"], "q8_0")
        self.assertEqual(codecs["blk.3.ffn_up.weight"], "q5_k")
        self.assertEqual(codecs["blk.3.attn_k.weight"], "q4_k")
        self.succeed("verify", self.output)
        self.assertEqual(read_json(self.output / "report.json")["contents"], "mostly q5_k")
        self.assertRegex(" ".join(os.listdir(self.output)), r"\bllama-7m-\d\.\d\dMB\.gguf\b")

    def test_map_that_makes_a_scheme_fit_its_container_is_used(self):
        rules_file = self.folder / "map.json"
        rules_file.write_text(json.dumps([{"match": "re:.*(proj|embed_tokens).*", "codec": "int8_channel"}]))
        self.succeed("compress", MODEL, "-o", self.output, "--scheme", "q8_0", "--format", "safetensors", "--precision-map", rules_file)
        self.assertEqual(read_json(self.output / "report.json")["contents"], "mostly int8_channel")


class BadOptions(RefusingTest):
    def test_unknown_scheme_offers_the_nearest(self):
        self.refuse(USAGE, ['"q4_km"', "did you mean q4_k_m"], "--scheme", "q4_km")

    def test_unknown_format_offers_the_nearest(self):
        self.refuse(USAGE, ['"ggml"', "did you mean", "gguf"], "--format", "ggml")

    def test_scheme_that_the_format_cannot_hold(self):
        self.refuse(INFEASIBLE, ["q4_k_m", "safetensors cannot hold", "--format gguf"], "--scheme", "q4_k_m", "--format", "safetensors")

    def test_bound_without_a_text_that_decides_it(self):
        self.refuse(USAGE, ["--calib", "--gate-text"], "--max-kld", "0.1")
        self.refuse(USAGE, ["--gate-text", "--max-ppl-increase"], "--gate-text", self.folder / "text.txt")
        self.refuse(USAGE, ["3%", "0.03"], "--max-ppl-increase", "3")
        self.refuse(USAGE, ["--calib", "--gate-text"], "--max-ppl-increase", "3%")

    def test_malformed_numbers(self):
        for option, values in {"--max-memory": ["5XB", "lots", "-1GB", "nan", "1e30GB"],
                               "--max-ppl-increase": ["three", "-3%", "3%%", "inf"], "--max-kld": ["-0.1", "0.1x"]}.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.refuse(USAGE, [value], f"{option}={value}", "--calib", CALIBRATION_TEXT)
        for option in ("--threads=-1", "--threads=x", "--max-trials=0", "--calib-windows=many", "--compute=f64", "--nonsense"):
            with self.subTest(option=option):
                self.refuse(USAGE, [option.split("=")[0]], option)

    def test_commands_without_what_they_need(self):
        self.fail_with(USAGE, ["MODEL"], "compress")
        self.fail_with(USAGE, ["--output"], "compress", MODEL)
        self.fail_with(USAGE, ["--text"], "eval", MODEL)
        self.fail_with(USAGE, [], "shrink", MODEL)
        self.fail_with(USAGE, [])

    def test_memory_too_small_for_a_block(self):
        self.refuse(RESOURCE, ["one block", "1048 KB allowed", "--max-memory"], "--max-memory", "1MiB")

    def test_gguf_becomes_a_folder(self):
        made = compress(self.folder / "gguf", "--scheme", "f16")
        compress(self.folder / "simple", "--scheme", "simple", model=made)
        report = json.loads((self.folder / "simple/report.json").read_text())
        self.assertFalse([note for note in report["notes"] if "instead of simple" in note], report["notes"])
        files = {"model.safetensors", "config.json", "generation_config.json", "tokenizer.model", "tokenizer_config.json"}
        self.assertLessEqual(files, set(os.listdir(self.folder / "simple")))
        self.assertEqual(json.loads((self.folder / "simple/config.json").read_text())["model_type"], "llama")


class BadStatistics(RefusingTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.imatrix = compress(cls.class_folder / "out", *CALIBRATED) / "statistics.gguf"

    def test_of_another_model(self):
        tiny = tiny_llama.write(self.folder / "tiny")
        self.refuse(INPUT, [self.imatrix, "columns", "256", "64"], "--imatrix", self.imatrix, model=tiny)

    def test_no_gguf_at_all(self):
        self.refuse(INPUT, ["model.safetensors", "GGUF", "statistics"], "--imatrix", MODEL / "model.safetensors")

    def test_a_model_instead(self):
        model = compress(self.folder / "gguf", "--scheme", "q8_0") / "llama-7m-q8_0.gguf"
        self.refuse(INPUT, [model, "importance matrix"], "--imatrix", model)

    def test_cut_short(self):
        cut = self.folder / "cut.gguf"
        cut.write_bytes(self.imatrix.read_bytes()[:-64])
        self.refuse(INPUT, [cut, "cut short"], "--imatrix", cut)

    def test_of_a_part_of_the_model_says_what_it_lacks(self):
        name, columns = b"blk.0.attn_q.weight", 256
        part = self.folder / "part.dat"
        part.write_bytes(struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii", 1, columns) + struct.pack(f"<{columns}f", *[1.0] * columns))
        for command in (("plan", MODEL), ("compress", MODEL, "-o", self.output)):
            said = self.succeed(*command, "--imatrix", part, "--scheme", "q4_k_m").stderr
            self.assertRegex(said, r"note: the importance matrix \S*part.dat lacks \d+ of 43 matrices, whose weights count alike")
        self.assertNotIn("lacks", self.succeed("plan", MODEL, "--imatrix", self.imatrix, "--scheme", "q4_k_m").stderr)

    def test_its_own_model_takes_it(self):
        self.succeed("compress", MODEL, "-o", self.output, "--imatrix", self.imatrix, "--scheme", "q4_k_m")


class BadCounts(ProgramTest):
    def test_are_refused_in_plain_words(self):
        for command, option in (("run", "--tokens"), ("run", "--top-k"), ("run", "--seed"), ("bench", "--repeats"),
                                ("bench", "--prompt-tokens"), ("eval", "--windows")):
            for value in ("-1", "two", "1.5", "18446744073709551616"):
                with self.subTest(option=option, value=value):
                    text = ["--text", CALIBRATION_TEXT] if command == "eval" else []
                    self.fail_with(USAGE, [f'"{value}" is not a whole number from 0 on'], command, MODEL, *text, option, value)
        self.fail_with(USAGE, ["1024"], "run", MODEL, "-p", "The", "--threads", "999999")


class DifferentTiedHead(ProgramTest):
    def test_is_found_by_every_command(self):
        tensors = tiny_llama.weights()
        shape, values = tensors["model.embed_tokens.weight"]
        tensors["lm_head.weight"] = (shape, values[:-1] + values[:1])
        model = tiny_llama.write(self.folder / "differs", tensors=tensors)
        good = tiny_llama.write(self.folder / "good")
        text = self.folder / "text.txt"
        text.write_text("The mill grinds the corn of the year. " * 40)
        measured = ["--text", text, "--window-length", "16", "--windows", "1"]
        for arguments in (["eval", model, *measured], ["eval", good, "--against", model, *measured], ["run", model, "-p", "The"],
                          ["bench", model, "--prompt-tokens", "4", "-n", "2"],
                          ["compress", model, "-o", self.folder / "out"]):
            with self.subTest(command=arguments[0]):
                self.fail_with(INPUT, ["lm_head.weight", "model.embed_tokens.weight"], *arguments)


class BadOutputs(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = tiny_llama.write(self.folder / "tiny")
        self.output = self.folder / "out"

    def test_folder_that_is_not_empty_stays(self):
        self.output.mkdir()
        (self.output / "diary.txt").write_text("mine")
        self.fail_with(USAGE, [self.output, "not empty", "--force"], "compress", self.model, "-o", self.output)
        self.fail_with(USAGE, [self.output, "not written by quern"], "compress", self.model, "-o", self.output, "--force")
        self.assertEqual(os.listdir(self.output), ["diary.txt"])
        self.assert_gone(f"{self.output}.partial")

    def test_force_replaces_a_package(self):
        compress(self.output, "--scheme", "q8_0", model=self.model)
        self.fail_with(USAGE, [self.output, "--force"], "compress", self.model, "-o", self.output)
        self.assertIn("tiny-q8_0.gguf", os.listdir(self.output))
        self.succeed("compress", self.model, "-o", self.output, "--force")
        self.assertNotIn("tiny-q8_0.gguf", os.listdir(self.output))
        self.assertIn("model.safetensors", os.listdir(self.output))
        self.assertEqual(sorted(os.listdir(self.folder)), ["out", "tiny"])

    def test_a_failure_with_force_leaves_the_folder_as_it_was(self):
        made = compress(self.output, model=self.model)
        before = hashes(made)
        self.fail_with(INPUT, [], "compress", self.folder / "absent", "-o", made, "--force")
        self.fail_with(USAGE, [], "compress", self.model, "-o", made, "--force", "--scheme", "q9")
        self.assertEqual(hashes(made), before)

    def test_the_original_is_never_replaced(self):
        cases = {"same": ("tiny", "tiny"), "file": ("tiny/model.safetensors", "tiny"), "dot": ("tiny", "tiny/../tiny/."),
                 "parent": ("tiny", "."), "link": ("link", "tiny")}
        for case, (model, output) in cases.items():
            with self.subTest(case=case):
                place = self.folder / case
                before = hashes(tiny_llama.write(place / "tiny"))
                os.symlink("tiny", place / "link")
                self.fail_with(USAGE, [place], "compress", place / model, "-o", os.path.join(place, output), "--force")
                self.assertEqual(hashes(place / "tiny"), before)

    def test_unwritable(self):
        self.fail_with(RESOURCE, ["/proc/quern-out"], "compress", self.model, "-o", "/proc/quern-out")
        self.output.write_text("a file")
        self.fail_with(RESOURCE, [self.output], "compress", self.model, "-o", self.output / "deeper")
        self.assertEqual(self.output.read_text(), "a file")

    def test_name_that_is_no_new_folder(self):
        (self.folder / "here").mkdir()
        self.fail_with(USAGE, ["choose another folder"], "compress", self.model, "-o", "..", cwd=self.folder / "here")
        self.fail_with(USAGE, ['"."', "name"], "compress", self.model, "-o", ".", cwd=self.folder / "here")
        self.fail_with(USAGE, ["/"], "compress", self.model, "-o", "/", "--force")

    def test_disk_that_takes_no_more(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        self.fail_with(RESOURCE, ["model.safetensors", "File too large"], "compress", self.model, "-o", self.output,
                       preexec_fn=limit, restore_signals=False)  # SIGXFSZ stays ignored, so that write says EFBIG
        self.assert_gone(self.output)
