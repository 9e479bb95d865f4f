"""What is written, under which name, and what has to be asked for: one file, names, second quantizations, larger results, cards."""

import json
import re
import shlex
import shutil
import struct
import subprocess
import unittest

import test_quantized
import tiny_llama
from gguf_layout import Layout
from quern_program import CALIBRATED, CALIBRATION_TEXT, QUERN, REPORT_TEXT, ProgramTest, compress, hashes, read_json, run, sha256
from test_model_source import low_rank, write_adapter

USAGE, INPUT, INFEASIBLE, QUALITY, RESOURCE, VERIFICATION = 2, 3, 4, 5, 6, 7
EVIDENCE = {"README.md", "report.html", "report.json", "manifest.json"}


def metadata_text(path, key):
    """A text in the metadata of a GGUF file; None: it has none of that key."""
    content, name = path.read_bytes(), key.encode()
    at = content.find(struct.pack("<Q", len(name)) + name + struct.pack("<I", 8))
    if at < 0:
        return None
    at += 8 + len(name) + 4
    length = struct.unpack("<Q", content[at:at + 8])[0]
    return content[at + 8:at + 8 + length].decode()


class OneFile(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_llama.write(cls.class_folder / "tiny")
        cls.made = cls.class_folder / "made/small.gguf"
        cls.made.parent.mkdir()
        cls.said = run("compress", cls.model, "-o", cls.made, "--scheme", "q8_0")

    def setUp(self):
        super().setUp()
        self.assertEqual(self.said.returncode, 0, self.said.stderr[-600:])
        shutil.copytree(self.made.parent, self.folder / "made")
        self.file, self.report = self.folder / "made/small.gguf", self.folder / "made/small.gguf.report"

    def test_lies_alone_with_what_was_measured_beside_it(self):
        self.assertEqual(set(path.name for path in self.file.parent.iterdir()), {"small.gguf", "small.gguf.report"})
        self.assertEqual(self.file.read_bytes()[:4], b"GGUF")
        self.assertEqual(set(hashes(self.report)), EVIDENCE)
        files = {file["name"]: file["sha256"] for file in read_json(self.report / "manifest.json")["files"]}
        self.assertEqual(files["../small.gguf"], sha256(self.file))
        self.assertEqual(read_json(self.report / "report.json")["output_bytes"], self.file.stat().st_size)
        self.assertIn("quern run small.gguf", (self.report / "README.md").read_text())
        self.assertIn("small.gguf.report/README.md", self.said.stdout)
        self.succeed("eval", self.file, "--text", REPORT_TEXT, "--windows", "1", "--window-length", "64")

    def test_has_the_bytes_of_the_file_in_a_folder(self):
        package = compress(self.folder / "out", "--scheme", "q8_0", model=self.model)
        self.assertEqual(sha256(package / "tiny-q8_0.gguf"), sha256(self.file))

    def test_is_verified_by_its_name_and_by_that_of_its_evidence(self):
        for name in (self.file, self.report):
            self.assertIn("20 compared", self.succeed("verify", name, "--every", "1", "--against", self.model).stdout)
        content = bytearray(self.file.read_bytes())
        content[-5] ^= 1
        self.file.write_bytes(content)
        self.assertIn("small.gguf", run("verify", self.file).stderr)
        self.assertEqual(run("verify", self.file).returncode, VERIFICATION)
        self.file.unlink()
        self.assertEqual(run("verify", self.report).returncode, VERIFICATION)

    def test_it_is_the_file_that_was_named_which_is_verified(self):
        other, report = self.file.with_name("other.gguf"), self.file.with_name("other.gguf.report")
        shutil.copytree(self.report, report)
        other.write_bytes(self.file.read_bytes()[:-1] + b"!")
        self.assertEqual(run("verify", other).returncode, VERIFICATION)
        shutil.copy(self.file, other)
        self.succeed("verify", other)  # both renamed
        self.fail_with(USAGE, [report, "is the report of a file"], "compress", self.model, "-o", report, "--force")
        shutil.rmtree(report)
        compress(report, "--scheme", "q8_0", model=self.model)
        self.fail_with(VERIFICATION, [report, "is the report of a folder"], "verify", other)

    def test_force_spares_a_file_that_was_changed(self):
        self.file.write_bytes(self.file.read_bytes()[:-1] + b"!")
        before = sha256(self.file)
        self.fail_with(USAGE, [self.file, "was changed since"], "compress", self.model, "-o", self.file, "--force")
        self.assertEqual(sha256(self.file), before)

    def test_replaces_what_quern_wrote_and_nothing_else(self):
        before = hashes(self.report) | {"file": sha256(self.file)}
        self.fail_with(USAGE, [self.file, "is there already", "--force"], "compress", self.model, "-o", self.file)
        self.assertEqual(hashes(self.report) | {"file": sha256(self.file)}, before)
        self.succeed("compress", self.model, "-o", self.file, "--scheme", "f16", "--force")
        self.assertNotEqual(sha256(self.file), before["file"])
        self.succeed("verify", self.file)
        own = self.folder / "own.gguf"
        own.write_bytes(b"GGUF, somebody's")
        self.fail_with(USAGE, ["not written by quern"], "compress", self.model, "-o", own, "--force")
        self.assertEqual(own.read_bytes(), b"GGUF, somebody's")
        (self.folder / "new.gguf.report").mkdir()
        (self.folder / "new.gguf.report/letter").write_text("dear")
        self.fail_with(USAGE, ["new.gguf.report", "not written by quern"], "compress", self.model, "-o", self.folder / "new.gguf", "--force")
        self.fail_with(USAGE, ["is the input model"], "compress", self.file, "-o", self.file, "--force", "--allow-requantize")

    def test_of_the_default_scheme_is_its_substitute(self):
        out = self.folder / "plain.gguf"
        self.assertIn("q8_0 instead of simple", self.succeed("compress", self.model, "-o", out).stderr)
        self.assertEqual(sha256(out), sha256(self.file))
        for words, arguments in ((["mixed", "folder"], ["--scheme", "mixed"]), (["safetensors", "folder"], ["--format", "safetensors"])):
            self.fail_with(USAGE, words, "compress", self.model, "-o", self.folder / "x.gguf", *arguments)
        self.fail_with(USAGE, ["x.safetensors", "is a folder"], "compress", self.model, "-o", self.folder / "x.safetensors")
        self.assert_gone(self.folder / "x.gguf", self.folder / "x.gguf.partial", self.folder / "x.safetensors")

    def test_a_format_of_one_file_is_asked_for_alike(self):
        size = ["--target-size", "100KB", *CALIBRATED, "--gate-windows", "1"]
        self.assertIn("q8_0 instead of simple", self.succeed("compress", self.model, "-o", self.folder / "f", "--format", "gguf", *size).stderr)
        self.succeed("compress", self.model, "-o", self.folder / "f.gguf", *size)
        (made,) = (self.folder / "f").glob("tiny-*.gguf")
        self.assertEqual(Layout(made).tensors, Layout(self.folder / "f.gguf").tensors)

    def test_that_misses_its_bound_is_a_folder_of_its_own(self):
        out = self.folder / "bad.gguf"
        done = run("compress", self.model, "-o", out, "--scheme", "q4_0", "--gate-text", REPORT_TEXT, "--gate-windows", "1", "--max-kld",
                   "0", "--max-trials", "1")
        self.assertEqual(done.returncode, QUALITY, done.stderr[-600:])
        self.assert_gone(out, f"{out}.partial", f"{out}.report")
        self.succeed("verify", f"{out}.rejected")

    def test_goes_on_behind_a_full_disk(self):
        out = self.folder / "cut.gguf"
        command = ["compress", str(self.model), "-o", str(out), "--scheme", "q8_0"]
        done = subprocess.run(["bash", "-c", 'ulimit -f 40; exec "$0" "$@"', QUERN, *command], capture_output=True, text=True, timeout=400)
        self.assertEqual(done.returncode, RESOURCE, done.stderr[-600:])
        self.assert_gone(out, f"{out}.report")
        self.succeed(*command, "--resume")
        self.assertEqual(sha256(out), sha256(self.file))
        self.assert_gone(f"{out}.partial")

    def test_the_real_cause_is_named(self):
        plain = self.folder / "plain"
        plain.write_text("a letter")
        self.fail_with(USAGE, ["is a file"], "compress", self.model, "-o", plain)
        self.fail_with(USAGE, ["too long a name"], "compress", self.model, "-o", self.folder / ("x" * 300))
        self.fail_with(USAGE, ["too long a name"], "compress", self.model, "-o", self.folder / ("x" * 250))


class Name(ProgramTest):
    def test_is_that_of_files_card_and_metadata(self):
        model = tiny_llama.write(self.folder / "tiny")
        package = compress(self.folder / "out", "--scheme", "q8_0", "--name", "My Model", model=model)
        self.succeed("verify", package, "--against", model)
        self.succeed("verify", compress(self.folder / "own", "--scheme", "q8_0", "--name", "tiny", model=model))
        file = package / "My Model-q8_0.gguf"
        self.assertEqual(metadata_text(file, "general.name"), "My Model")
        self.assertEqual(read_json(package / "report.json")["model"], "My Model")
        card = (package / "README.md").read_text()
        self.assertIn("\n# My Model: q8_0, ", card)
        self.assertIn("- source: tiny (", card)
        for name in ("a/b", "..", "-x", "a\nb", "a\x1b[1m", "x" * 201, b"\xff\xfe"):
            done = subprocess.run([QUERN, "compress", model, "-o", self.folder / "bad", "--name", name], capture_output=True)
            self.assertEqual(done.returncode, USAGE, name)
            self.assertIn(b"--name", done.stderr)
            self.assertNotIn(b"\x1b", done.stderr)
        self.assert_gone(self.folder / "bad")

    def test_is_the_folders_where_nothing_else_names_it(self):
        model = tiny_llama.write(self.folder / "secret/story-tiny-chat", config=tiny_llama.CONFIG | {"_name_or_path": "/srv/secret/x"})
        package = compress(self.folder / "out", "--scheme", "q8_0", model=model)
        file = package / "story-tiny-chat-q8_0.gguf"
        self.assertEqual(metadata_text(file, "general.name"), "Story Tiny Chat")
        self.assertEqual(metadata_text(file, "general.finetune"), "chat")
        self.assertNotIn(b"secret", file.read_bytes().lower())
        self.succeed("verify", package, "--against", model)
        other = model.rename(self.folder / "renamed")
        self.assertIn("is not compared", self.succeed("verify", package, "--against", other).stderr)

    def test_of_the_recorded_command_are_no_places(self):
        model = tiny_llama.write(self.folder / "tiny `x`")
        self.succeed("compress", model, f"-qo{self.folder}/out", f"--report-text={REPORT_TEXT}", "--report-windows", "1")
        command = read_json(self.folder / "out/report.json")["command"]
        self.assertEqual(shlex.split(command), ["quern", "compress", "tiny `x`", "-qoout", f"--report-text={REPORT_TEXT.name}",
                                                "--report-windows", "1"])
        card = (self.folder / "out/README.md").read_text()
        self.assertIn(f"wherever it lies: ``{command}``\n", card)
        self.assertNotIn(str(self.folder), card)


class Companions(ProgramTest):
    def test_a_broken_generation_config_is_refused_by_every_container(self):
        model = tiny_llama.write(self.folder / "tiny")
        for broken in ("{", '{"eos_token_id": "x"}'):
            (model / "generation_config.json").write_text(broken)
            for scheme in ("simple", "q8_0"):
                self.fail_with(INPUT, [model / "generation_config.json"], "compress", model, "-o", self.folder / "out", "--scheme", scheme)
        self.assert_gone(self.folder / "out")

    def test_a_broken_file_of_the_tokenizer_that_goes_along_is_noted(self):
        model = tiny_llama.write(self.folder / "tiny")
        (model / "tokenizer.json").write_text("{")
        notes = read_json(compress(self.folder / "out", model=model) / "report.json")["notes"]
        self.assertTrue(any(note.startswith("tokenizer.json goes along as it is, ") for note in notes), notes)
        (model / "tokenizer.json").unlink()
        notes = read_json(compress(self.folder / "good", model=model) / "report.json")["notes"]
        self.assertFalse(any("tokenizer.json" in note for note in notes), notes)


class Permission(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_llama.write(cls.class_folder / "tiny")
        cls.quantized = cls.class_folder / "q8.gguf"
        if (done := run("compress", cls.model, "-o", cls.quantized, "--scheme", "q8_0")).returncode:
            raise AssertionError(done.stderr[-600:])

    def test_to_quantize_a_second_time_is_asked_for(self):
        out = self.folder / "out"
        for more in ([], ["--dry-run"], ["--scheme", "q4_0"], ["--adapter", self.adapter()]):
            source = self.packed() if "--adapter" in more else self.quantized
            self.fail_with(USAGE, ["quantized already", "of 1", "--allow-requantize", "find the original"], "compress", source, "-o",
                           out, *more)
        self.assert_gone(out, self.folder / "out.partial")
        package = compress(out, "--scheme", "q4_0", "--allow-requantize", "--report-text", REPORT_TEXT, "--report-windows", "1",
                           model=self.quantized)
        card, report = (package / "README.md").read_text(), read_json(package / "report.json")
        self.assertIn("| | quantized source | compressed |", card)
        self.assertNotIn("original", card)
        self.assertTrue(report["source_quantized"].startswith("q8_0 (15 of 15 matrices)"), report["source_quantized"])
        self.assertTrue(any("quantizes it once more" in note for note in report["notes"]))
        self.assertNotIn("original", re.sub(r"<script.*?</script>", "", (package / "report.html").read_text(), flags=re.S))
        said = self.succeed("eval", package, "--against", self.quantized, "--text", REPORT_TEXT, "--windows", "1").stdout
        self.assertIn("perplexity, quantized source", said)
        self.assertNotIn("original", said)

    def adapter(self):
        tensors = tiny_llama.weights()
        return write_adapter(self.folder / f"adapter{len(list(self.folder.iterdir()))}", tensors, low_rank(tensors))

    def packed(self):
        if not (self.folder / "packed").exists():
            test_quantized.write_pair(self.folder, test_quantized.gptq)
        return self.folder / "packed"

    def test_is_named_by_plan_and_inspect(self):
        self.assertIn("quantizes it once more", self.succeed("plan", self.quantized, "--scheme", "q4_0").stderr)
        for scheme, words in (("q4_0", "are quantized already: q8_0 (15 of 15 matrices). A second quantization"), ("f32", "larger than its source: ")):
            refused = run("compress", self.quantized, "-o", self.folder / "out", "--scheme", scheme).stderr.removeprefix("quern: ")
            self.assertIn(words, refused)
            self.assertIn(f"note: compressing refuses this: {refused}", self.succeed("plan", self.quantized, "--scheme", scheme).stderr)
        self.assertNotIn("refuses", self.succeed("plan", self.model, "--scheme", "q4_0").stderr)
        self.assertIn("quantized already: q8_0 (15 of 15 matrices)", self.succeed("inspect", self.quantized).stdout)
        self.assertNotIn("quantized already", self.succeed("inspect", self.model).stdout)

    def test_of_other_packages_is_known_too(self):
        self.fail_with(USAGE, ["GPTQ, 4 bits, groups of 32 (14 of 15 matrices)"], "compress", self.packed(), "-o", self.folder / "out")
        self.succeed("compress", self.packed(), "-o", self.folder / "out", "--allow-requantize", "--allow-larger")

    def test_what_stays_in_its_number_format_is_copied(self):
        """A size above the source, and the scheme that it is in already: every number as it was, and nothing to ask for."""
        for name, arguments in (("size", ["--target-size", "1MB", "--scheme", "q4_k_m", *CALIBRATED, "--gate-windows", "1"]), ("scheme", ["--scheme", "q8_0"])):
            file = self.folder / f"{name}.gguf"
            done = self.succeed("compress", self.quantized, "-o", file, *arguments)
            self.assertNotIn("quantizes it once more", done.stderr)
            self.assertEqual(Layout(file).tensors, Layout(self.quantized).tensors)
            self.succeed("verify", file, "--against", self.quantized)
        report = read_json(self.folder / "size.gguf.report/report.json")
        self.assertEqual(report["contents"], "q8_0, nothing lost")
        self.assertTrue(any("it is packed without loss" in note for note in report["notes"]), report["notes"])

    def test_a_larger_result_is_asked_for(self):
        out = self.folder / "out"
        before = sum(path.stat().st_size for path in self.model.iterdir())
        for model, scheme, size in ((self.quantized, "bf16", self.quantized.stat().st_size), (self.quantized, "f32", "f32 (gguf)")):
            for more in ([], ["--dry-run"]):
                self.fail_with(INFEASIBLE, ["larger than its source", f"{size}", "--allow-larger"], "compress", model, "-o", out,
                               "--scheme", scheme, *more)
        self.assert_gone(out, self.folder / "out.partial")
        package = compress(out, "--scheme", "f32", "--allow-larger", model=self.quantized)
        self.assertIn("quantized source", (package / "README.md").read_text())
        self.assertGreater(before, 0)

    def test_what_is_as_large_needs_none(self):
        half = compress(self.folder / "half", "--scheme", "bf16", "--format", "safetensors", model=self.model)
        for scheme in ("bf16", "f16"):
            self.succeed("compress", half, "-o", self.folder / scheme, "--scheme", scheme)
        self.succeed("compress", self.model, "-o", self.folder / "f32", "--scheme", "f32")
        self.succeed("compress", self.model, "-o", self.folder / "lossless", "--scheme", "lossless")


FRONT = """---
license: "say: 'please' # \\"so\\"\\n---\\nx"
license_name: 'a: b'
language:
- en
- 'no'
- "\u2028\u0085\ufeff"
tags:
- "--- | > & * ! % @ `"
- 'it''s'
- "{a: [b}"
- \u202etfel
pipeline_tag: text-generation
base_model: "acme/ba:se"
---
# <b>Hello</b>
"""


class Card(ProgramTest):
    """Strict: every line is a key, or an item, and every text is JSON of characters that YAML takes between quotes."""

    def head(self, package):
        text = (package / "README.md").read_bytes().decode()
        self.assertTrue(text.startswith("---\n"))
        lines = text[4:].split("\n---\n")[0].split("\n")
        values, key = {}, None
        for line in lines:
            self.assertRegex(line, r"^[\x20-\x7e\xa0-\u200a\u2010-\u2027\u202f-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd"
                                   r"\U00010000-\U0010ffff]*$")
            if item := re.fullmatch(r'- (".*")', line):
                values[key].append(json.loads(item[1]))
                continue
            match = re.fullmatch(r'([a-z_]+):(?: (".*"|[a-z]+))?', line)
            self.assertIsNotNone(match, line)
            key = match[1]
            self.assertNotIn(key, values)
            values[key] = [] if not match[2] else json.loads(match[2]) if match[2].startswith('"') else match[2]
        try:
            import yaml
        except ImportError:
            return values
        self.assertEqual(yaml.safe_load("\n".join(lines)), values)
        return values

    def test_is_yaml_whatever_the_originals_says(self):
        model = tiny_llama.write(self.folder / "it's: a \"model\"")
        (model / "README.md").write_text(FRONT)
        for scheme in ("q8_0", "simple"):
            values = self.head(compress(self.folder / scheme, "--scheme", scheme, model=model))
            self.assertEqual(values["license"], "say: 'please' # \"so\"\n---\nx")
            self.assertEqual(values["language"][:2], ["en", "no"])
            self.assertIn("--- | > & * ! % @ `", values["tags"])
        (model / "README.md").write_bytes(b"---\nlicense: \xff\xfe\n---\n")
        self.assertNotIn("license", self.head(compress(self.folder / "bytes", model=model)))

    def test_holds_no_place_on_a_computer(self):
        places = ["/srv/secret/models/x", "./out/checkpoint-3", "out/checkpoint-3", "C:\\\\Users\\\\secret\\\\x", "~/secret/x", "../secret"]
        for i, place in enumerate(places):
            model = tiny_llama.write(self.folder / f"tiny{i}", config=tiny_llama.CONFIG | {
                "_name_or_path": place.replace("\\\\", "\\"), "nested": {"_name_or_path": place, "kept": 1}})
            (model / "README.md").write_text(f'---\nlicense: other\nlicense_name: "{place}"\nlicense_link: "{place}"\n'
                                             f'base_model:\n- "{place}"\n- acme/base\ndatasets: "{place}"\n---\n')
            for scheme in ("simple", "q8_0"):
                package = compress(self.folder / f"{scheme}{i}", "--scheme", scheme, model=model)
                values = self.head(package)
                self.assertEqual((values["base_model"], values["license"]), (["acme/base"], "other"), place)
                self.assertNotIn("license_link", values)
                for path in package.iterdir():
                    if path.name != "README.original.md":  # the author's own words
                        self.assertNotRegex(path.read_bytes(), rb"(?i)secret|checkpoint-3", f"{place} in {path.name}")
                if scheme == "simple":
                    self.assertEqual(read_json(package / "config.json")["nested"], {"kept": 1})
            self.succeed("verify", self.folder / f"simple{i}", "--against", model)
            self.succeed("verify", self.folder / f"q8_0{i}", "--against", model)

    def test_a_link_to_a_licence_that_goes_along_stays(self):
        model = tiny_llama.write(self.folder / "tiny")
        for scheme in ("simple", "q8_0"):
            (model / "README.md").write_text("---\nlicense: other\nlicense_link: LICENSE\n---\n")
            (model / "LICENSE").write_text("mine\n")
            self.assertEqual(self.head(compress(self.folder / scheme, "--scheme", scheme, model=model))["license_link"], "LICENSE")
            (model / "LICENSE").unlink()
            self.assertNotIn("license_link", self.head(compress(self.folder / (scheme + "2"), "--scheme", scheme, model=model)))
            (model / "README.md").write_text("---\nlicense: other\nlicense_link: https://example.org/LICENSE\n---\n")
            values = self.head(compress(self.folder / (scheme + "3"), "--scheme", scheme, model=model))
            self.assertEqual(values["license_link"], "https://example.org/LICENSE")

    def test_of_a_package_names_what_that_was_made_from(self):
        cached = self.folder / "hub/models--acme--tiny/snapshots/c1"
        cached.parent.mkdir(parents=True)
        tiny_llama.write(cached)
        for scheme in ("simple", "q8_0"):
            first = compress(self.folder / scheme, "--scheme", scheme, model=cached)
            again = compress(self.folder / (scheme + "-again"), "--scheme", "q4_0", "--allow-requantize", model=first)
            for package in (first, again):
                values = self.head(package)
                self.assertEqual((values["base_model"], values["base_model_relation"]), ("acme/tiny", "quantized"), package)
        one = self.folder / "one.gguf"
        self.succeed("compress", cached, "-o", one, "--scheme", "q8_0")
        package = compress(self.folder / "of-one", "--scheme", "q4_0", "--allow-requantize", model=one)
        self.assertEqual(self.head(package)["base_model"], "acme/tiny")
        (self.folder / "one.gguf.report").rename(self.folder / "elsewhere")
        package = compress(self.folder / "without", "--scheme", "q4_0", "--allow-requantize", model=one)
        self.assertNotIn("base_model", self.head(package))

    def test_names_no_scheme_of_which_nothing_is_inside(self):
        model = tiny_llama.write(self.folder / "tiny")
        for scheme, inside in (("iq2_xs", "iq4_nl"), ("vptq_2", "int8_channel"), ("vptq_4", "int8_channel"), ("mxfp4_moe", "q8_0")):
            package = compress(self.folder / scheme, "--scheme", scheme, "--calib", CALIBRATION_TEXT, "--calib-windows", "2", model=model)
            report = read_json(package / "report.json")
            self.assertEqual(report["contents"], f"mostly {inside}")
            self.assertIn(f"# tiny: mostly {inside}, ", (package / "README.md").read_text().replace("\\", ""))
            self.assertTrue(any(note.startswith(f"nothing is in a number format of {scheme}: ") for note in report["notes"]), report["notes"])
        for scheme in ("q8_0", "simple", "q4_0"):
            report = read_json(compress(self.folder / scheme, "--scheme", scheme, model=model) / "report.json")
            self.assertEqual(report["contents"], scheme)
            self.assertFalse(any("number format of" in note for note in report["notes"]), report["notes"])

    def test_of_a_gguf_file_has_its_licence(self):
        model = tiny_llama.write(self.folder / "tiny")
        (model / "README.md").write_text("---\nlicense: mit\nlanguage: [en]\ntags: [chat]\n---\n")
        first = self.folder / "first.gguf"
        self.succeed("compress", model, "-o", first, "--scheme", "f16")
        values = self.head(compress(self.folder / "second", "--scheme", "q8_0", model=first))
        self.assertEqual((values["license"], values["language"]), ("mit", ["en"]))
        self.assertIn("chat", values["tags"])

    def test_licences_go_along_and_a_binary_one_is_in_no_text(self):
        model = tiny_llama.write(self.folder / "tiny")
        binary = bytes(range(256)) * 8
        (model / "LICENSE").write_bytes(binary)
        for name in ("NOTICE.txt", "ATTRIBUTION.md", "COPYING", "THIRD_PARTY_NOTICES", "AUTHORS"):
            (model / name).write_text(f"{name} says so\n")
        for scheme in ("simple", "q8_0"):
            package = compress(self.folder / scheme, "--scheme", scheme, model=model)
            self.assertEqual((package / "LICENSE").read_bytes(), binary)
            for name in ("NOTICE.txt", "ATTRIBUTION.md", "COPYING", "THIRD_PARTY_NOTICES", "AUTHORS"):
                self.assertEqual((package / name).read_text(), f"{name} says so\n")
            card = (package / "README.md").read_bytes()
            self.assertNotIn(b"\x01", card)
            self.assertIn(b"ATTRIBUTION.md", card)

    def test_without_quality_does_not_speak_of_errors_of_it(self):
        package = compress(self.folder / "out", model=tiny_llama.write(self.folder / "tiny"))
        self.assertNotIn("bootstrap", (package / "README.md").read_text())
        measured = compress(self.folder / "measured", "--report-text", REPORT_TEXT, "--report-windows", "1",
                            model=self.folder / "tiny")
        self.assertIn("bootstrap", (measured / "README.md").read_text())

    def test_an_adapter_is_named(self):
        tensors = tiny_llama.weights()
        base = tiny_llama.write(self.folder / "base")
        adapter = write_adapter(self.folder / "style", tensors, low_rank(tensors))
        package = compress(self.folder / "out", "--adapter", adapter, model=base)
        values, card = self.head(package), (package / "README.md").read_text()
        self.assertEqual(values["base_model"], ["acme/tiny"])
        self.assertNotIn("base_model_relation", values)
        self.assertIn("- adapter: style, a LoRA adapter of acme/tiny, merged into the source", card)
        cached = self.folder / "hub/models--acme--style/snapshots/c1"
        shutil.copytree(adapter, cached)
        values = self.head(compress(self.folder / "again", "--adapter", cached, model=base))
        self.assertEqual(values["base_model"], ["acme/tiny", "acme/style"])
        said = run("verify", package, "--against", base)
        self.assertEqual(said.returncode, VERIFICATION)
        self.assertIn("give its folder (--adapter)", said.stderr)

    def test_nan_in_an_adapter_is_the_adapters(self):
        tensors = tiny_llama.weights()
        base, factors = tiny_llama.write(self.folder / "base"), low_rank(tensors)
        next(iter(factors.values()))[0][3] = float("nan")
        adapter = write_adapter(self.folder / "style", tensors, factors)
        self.fail_with(INPUT, ["style/adapter_model.safetensors", "lora_A", "the adapter is damaged"], "compress", base, "--adapter",
                       adapter, "-o", self.folder / "out")

    def test_nothing_compressed_has_a_reason_for_each_kind(self):
        half = compress(self.folder / "half", "--scheme", "bf16", "--format", "safetensors", model=tiny_llama.write(self.folder / "tiny"))
        notes = read_json(compress(self.folder / "out", "--scheme", "bf16", model=half) / "report.json")["notes"]
        self.assertRegex(notes[0], r"^nothing was compressed.*: \d+% of the bytes of its weights are bf16 \(.* of scheme bf16\), "
                                   r"\d+% bf16 \(.* of scheme bf16\)")


if __name__ == "__main__":
    unittest.main()
