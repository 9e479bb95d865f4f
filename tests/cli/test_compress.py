"""Packages: what lies in them, figures that agree with the bytes on disk, and what is said where."""

import json
import pathlib
import re
import shlex
import shutil
import struct
import unittest

import tiny_llama
from quern_program import (CALIBRATED, MODEL, REPORTED, ROOT, ProgramTest, compress, hashes, model_files, read_json, run, sha256,
                           shared, strict_json)

PARAMETERS = 6_819_072
PACKAGES = {"simple": (["model.safetensors", "config.json", "tokenizer.model"], []),
            "q4_k_m": (["llama-7m-q4_k_m.gguf"], CALIBRATED), "q5_k_m": (["llama-7m-q5_k_m.gguf"], CALIBRATED),
            "q8_0": (["llama-7m-q8_0.gguf"], []), "bf16": (["llama-7m-bf16.gguf"], [])}
EVIDENCE = {"manifest.json", "report.json", "report.html", "README.md"}


def size(paths):
    return sum(path.stat().st_size for path in paths)


class Packages(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages, cls.said = {}, {}
        for scheme, (_, calibration) in PACKAGES.items():
            cls.packages[scheme] = cls.class_folder / scheme
            cls.said[scheme] = run("compress", MODEL, "-o", cls.packages[scheme], "--scheme", scheme, "--json", "--compute", "f32",
                                    *calibration, *REPORTED)

    def each(self):
        for scheme, package in self.packages.items():
            with self.subTest(scheme=scheme):
                self.assertEqual(self.said[scheme].returncode, 0, self.said[scheme].stderr[-600:])
                yield scheme, package

    def test_files_are_these_and_no_others(self):
        for scheme, package in self.each():
            names, calibration = PACKAGES[scheme]
            statistics = {"statistics.gguf"} if calibration else set()
            beside = {"README.original.md"} if any(name.endswith(".gguf") for name in names) else {"README.original.md", "training.json"}
            self.assertEqual(set(hashes(package)), set(names) | EVIDENCE | statistics | beside)
        self.assertEqual({path.name for path in self.class_folder.iterdir()}, set(PACKAGES))

    def test_manifest_names_every_file_with_its_hash(self):
        for _, package in self.each():
            manifest, found = read_json(package / "manifest.json"), hashes(package)
            del found["manifest.json"]
            self.assertEqual({file["name"]: file["sha256"] for file in manifest["files"]}, found)
            for file in manifest["files"]:
                self.assertEqual(file["bytes"], (package / file["name"]).stat().st_size)
            for file in manifest["source"]["files"]:
                self.assertEqual(file["sha256"], sha256(MODEL / file["name"]))

    def test_bytes_and_ratios_are_those_on_disk(self):
        source = size(MODEL / name for name in ("model.safetensors", "config.json", "tokenizer.model"))
        for scheme, package in self.each():
            report, output = read_json(package / "report.json"), size(model_files(package))
            self.assertEqual(report["output_bytes"], output)
            self.assertEqual(report["source_bytes"], source)
            self.assertEqual(report["parameters"], PARAMETERS)
            self.assertEqual(report["fp32_bytes"], 4 * PARAMETERS)
            self.assertAlmostEqual(report["ratio_to_source"], source / output, 12)
            self.assertAlmostEqual(report["ratio_to_fp32"], 4 * PARAMETERS / output, 12)
            self.assertAlmostEqual(report["bits_per_weight"], 8 * output / PARAMETERS, 12)
            tensors = sum(tensor["bytes"] for tensor in report["tensors"])
            self.assertEqual(tensors, report["ladder"][-1]["tensor_bytes"])
            self.assertLess(tensors, output)
            self.assertLess(output - tensors, 300_000, "tokenizer and headers")

    def test_reports_are_strict_json_on_stdout_and_in_the_folder(self):
        for scheme, package in self.each():
            report = strict_json(self.said[scheme].stdout)
            self.assertEqual(report, read_json(package / "report.json"))
            self.assertIs(report["accepted"], True)
            self.assertIn("encode (0 of 56)", self.said[scheme].stderr)

    def test_quality_is_plausible_and_ordered_by_bits(self):
        quality = {scheme: read_json(package / "report.json")["quality"] for scheme, package in self.each()}
        kld = {scheme: q["mean_kld"]["value"] for scheme, q in quality.items()}
        self.assertLess(kld["bf16"], 1e-9)
        self.assertLess(kld["bf16"], kld["q8_0"])
        self.assertLess(kld["q8_0"], kld["q5_k_m"])
        self.assertLess(kld["q5_k_m"], kld["q4_k_m"])
        self.assertLess(kld["q4_k_m"], 0.05)
        self.assertLess(kld["simple"], 0.005)
        for q in quality.values():
            self.assertEqual((q["windows"], q["tokens"]), (4, 4 * 255))
            self.assertEqual(q["original_perplexity"], quality["bf16"]["original_perplexity"])
            increase = q["perplexity"]["value"] / q["original_perplexity"]["value"] - 1
            self.assertAlmostEqual(q["perplexity_increase"]["value"], increase, 9)

    def test_sizes_are_ordered_by_bits(self):
        sizes = [size(model_files(self.packages[scheme])) for scheme in ("q4_k_m", "q5_k_m", "q8_0", "bf16")]
        self.assertEqual(sizes, sorted(sizes))
        self.assertLessEqual(sizes[0], 4_700_000)

    def test_nothing_says_where_files_lie(self):
        """A package can be published as it is: no path of the computer that made it, and a command that can be pasted."""
        for scheme, package in self.each():
            for path in package.rglob("*"):
                for place in (str(self.class_folder), str(ROOT), str(pathlib.Path.home()) + "/"):
                    self.assertNotIn(place.encode(), path.read_bytes(), path)
            words = shlex.split(read_json(package / "report.json")["command"])
            self.assertEqual(words[:4], ["quern", "compress", MODEL.name, "-o"])
        scaled = tiny_llama.write(self.folder / "scaled", config=tiny_llama.CONFIG | {"rope_scaling": {"type": "dynamic", "factor": 2.0}})
        (scaled / "tokenizer.model").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n")
        package = compress(self.folder / "unmeasured", model=scaled)
        for path in package.glob("*.*"):
            self.assertNotIn(str(self.folder).encode(), path.read_bytes(), path)
        odd = tiny_llama.write(self.folder / "it's a model")
        package = compress(self.folder / "out 1", "--scheme", "q8_0", model=odd)
        self.assertEqual(shlex.split(read_json(package / "report.json")["command"]),
                         ["quern", "compress", "it's a model", "-o", "out 1", "--scheme", "q8_0"])
        self.assertEqual(read_json(package / "manifest.json")["source"]["path"], "../it's a model")

    def test_card_begins_with_what_the_hub_reads(self):
        for _, package in self.each():
            head, _, rest = (package / "README.md").read_text()[4:].partition("\n---\n")
            self.assertIn('tags:\n- "quern"', head)
            self.assertTrue(rest.startswith("\n# llama-7m: "))

    def test_card_holds_the_figures(self):
        for scheme, package in self.each():
            card, report = (package / "README.md").read_text(), read_json(package / "report.json")
            self.assertRegex(card, rf"\n# llama-7m: {scheme}, \d+\.\d\d bits per weight\n")
            self.assertIn(f"| {report['source_bytes']:,} | {report['output_bytes']:,} |", card)
            self.assertIn(f"{report['quality']['perplexity']['value']:.3f}", card)
            self.assertIn(f"{report['quality']['mean_kld']['value']:.5f}", card)
            counted = sum(int(row.replace(",", "")) for row in re.findall(r"^\| \w+ \| \d+ \| ([\d,]+) \|$", card, re.M))
            self.assertEqual(counted, report["ladder"][-1]["tensor_bytes"], "bytes of the table of number formats")

    def test_plan_names_what_it_was_made_from(self):
        for scheme, package in self.each():
            plan = read_json(package / "manifest.json")["plan"]
            self.assertEqual(plan["scheme"], scheme)
            calibrated = (package / "statistics.gguf").exists()
            self.assertEqual(plan["statistics_sha256"], sha256(package / "statistics.gguf") if calibrated else "")


class Telling(ProgramTest):
    def test_without_json_stdout_has_the_summary_and_stderr_the_progress(self):
        done = self.succeed("compress", MODEL, "-o", self.folder / "out")
        self.assertIn("3.89x smaller", done.stdout)
        self.assertRegex(done.stdout, r"Number formats, by share of the parameters\n  bf16 +16\.00 bits +13 tensors +0\.0%\n"
                                      r"  int8_channel +8\.\d\d bits +43 tensors +100\.0%\n")
        self.assertNotIn("encode (", done.stdout)
        self.assertIn("encode (0 of 56)", done.stderr)

    def test_quiet_says_nothing_on_the_way(self):
        self.assertEqual(self.succeed("compress", MODEL, "-o", self.folder / "out", "-q").stderr, "")

    def test_a_matrix_that_lost_its_content_is_noted_in_the_report(self):
        model = self.folder / "loud"
        shutil.copytree(MODEL, model)
        weights = model / "model.safetensors"
        weights.chmod(0o644)
        with weights.open("r+b") as file:
            length, = struct.unpack("<Q", file.read(8))
            tensor = json.loads(file.read(length))["model.layers.3.mlp.up_proj.weight"]
            file.seek(8 + length + tensor["data_offsets"][0])
            file.write(b"\x7f\x7f")  # 3.4e38
        out = self.folder / "out"
        self.succeed("compress", model, "-o", out, "--scheme", "q4_k_m", "-q")
        note = "model.layers.3.mlp.up_proj.weight loses 100% of its energy as q4_k"
        self.assertTrue(any(note in said for said in read_json(out / "report.json")["notes"]))
        self.assertIn(note, (out / "README.md").read_text())

    def test_path_with_spaces_and_other_letters(self):
        output = self.folder / "an output \u00e4\u4e2d"
        self.succeed("compress", MODEL, "-o", f"{output}/", "-q")
        self.succeed("verify", output, "-q")


class Ratio(ProgramTest):
    def ratio(self, model, *arguments):
        return read_json(compress(self.folder / "out", *arguments, model=model) / "report.json")["ratio_to_fp32"]

    def test_simple_llama_7m(self):
        self.assertGreaterEqual(self.ratio(MODEL), 3.8)

    def test_simple_llama_30m(self):
        self.assertGreaterEqual(self.ratio(shared("reference/llama-30m")), 3.9)


if __name__ == "__main__":
    unittest.main()
