"""verify: a package as it was written is accepted, and any change to it is named with exit code 7."""

import json
import os
import shutil
import subprocess
import unittest

import tiny_llama
from quern_program import QUERN, ROOT, ProgramTest, compress, model_files, read_json, run, sha256, strict_json

VERIFICATION = 7


class Verify(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_llama.write(cls.class_folder / "tiny")
        cls.made = {"gguf": compress(cls.class_folder / "gguf", "--scheme", "q8_0", model=cls.model),
                    "safetensors": compress(cls.class_folder / "safetensors", model=cls.model)}

    def copies(self):
        for name, package in self.made.items():
            with self.subTest(format=name):
                copy = shutil.copytree(package, self.folder / name)
                yield copy, next(path for path in model_files(copy) if path.name in (f"tiny-q8_0.{name}", f"model.{name}"))

    def refuse(self, package, *words, options=()):
        """Exit code 7; problems stand on stderr, the summary on stdout."""
        done = run("verify", package, *options)
        self.assertEqual(done.returncode, VERIFICATION, done.stderr[-600:])
        for word in words:
            self.assertIn(str(word), done.stderr)
        self.assertNotIn("all well", done.stdout)

    def test_good_package(self):
        for package, _ in self.copies():
            said = self.succeed("verify", package, "--against", self.model, "--every", "1").stdout
            self.assertIn("all well", said)
            self.assertIn("20 compared with", said)
            self.assertIn(str(self.model), said)

    def test_good_package_as_json(self):
        for package, _ in self.copies():
            result = strict_json(self.succeed("verify", package, "--json").stdout)
            self.assertEqual(result["problems"], [])
            self.assertEqual((result["files"], result["tensors"]), (len(list(package.iterdir())) - 1, 20))

    def test_one_byte_of_the_weights(self):
        for package, weights in self.copies():
            raw = bytearray(weights.read_bytes())
            for position in (20, len(raw) // 2, len(raw) - 1):
                raw[position] ^= 1
                weights.write_bytes(raw)
                self.refuse(package, weights.name, "changed", sha256(weights))
                raw[position] ^= 1
            weights.write_bytes(raw)
            self.succeed("verify", package)

    def test_one_byte_with_its_hash_put_right_differs_from_the_original(self):
        for package, weights in self.copies():
            raw = bytearray(weights.read_bytes())
            raw[len(raw) - len(raw) // 3] ^= 0x40
            weights.write_bytes(raw)
            manifest = read_json(package / "manifest.json")
            for file in manifest["files"]:
                if file["name"] == weights.name:
                    file["sha256"] = sha256(weights)
            (package / "manifest.json").write_text(json.dumps(manifest))
            self.refuse(package, "differs from the original", options=["--against", self.model, "--every", "1"])

    def test_what_is_not_there(self):
        for name in ("none", "none.gguf"):
            done = run("verify", self.folder / name)
            self.assertEqual(done.returncode, VERIFICATION)
            self.assertIn(f"there is no {self.folder / name}; give the", done.stderr)
            self.assertNotIn("manifest", done.stderr)
        (self.folder / "none.gguf.report").mkdir()
        self.assertIn("only its report is there", run("verify", self.folder / "none.gguf").stderr)

    def test_a_manifest_that_lost_its_hash(self):
        for package, _ in self.copies():
            manifest = read_json(package / "manifest.json")
            del manifest["manifest_sha256"], manifest["tensor_hashes"]
            (package / "manifest.json").write_text(json.dumps(manifest))
            self.refuse(package, "manifest.json has no manifest_sha256")

    def test_truncated(self):
        for package, weights in self.copies():
            size = weights.stat().st_size
            weights.write_bytes(weights.read_bytes()[:-1])
            self.refuse(package, weights.name, size, size - 1)

    def test_missing_file(self):
        for package, weights in self.copies():
            weights.unlink()
            self.refuse(package, f"{weights.name} is missing")

    def test_changed_report(self):
        for package, _ in self.copies():
            report = package / "report.json"
            report.write_text(report.read_text().replace('"accepted": true', '"accepted": null'))
            self.refuse(package, "report.json")

    def test_edited_manifest(self):
        for package, _ in self.copies():
            text = (package / "manifest.json").read_text()
            edits = {"codec": text.replace('"codec": "f32"', '"codec": "f16"', 1), "cut": text[:-20], "empty": "",
                     "list": "[]", "schema": text.replace('"schema": 1', '"schema": 2'),
                     "tensor": text.replace("mlp.up_proj", "mlp.down_proj", 1),
                     "plan": text.replace('"optimizer": "', '"optimizer": "r', 1),
                     "no files": text.replace('"files":', '"file":')}
            for name, edited in edits.items():
                with self.subTest(edit=name):
                    self.assertNotEqual(edited, text)
                    (package / "manifest.json").write_text(edited)
                    self.refuse(package)

    def test_missing_manifest(self):
        for package, _ in self.copies():
            (package / "manifest.json").unlink()
            self.refuse(package, package, "manifest.json")
        self.refuse(self.folder / "no-such-package", "no-such-package")

    def test_against_another_model(self):
        other = tiny_llama.write(self.folder / "other", tensors=tiny_llama.weights(seed=2))
        for package, _ in self.copies():
            self.refuse(package, other, "not the checkpoint that this package was made from", options=["--against", other])

    def test_original_that_moved_away(self):
        self.original = tiny_llama.write(self.folder / "moving")
        package = compress(self.folder / "package", model=self.original)
        self.original.rename(self.folder / "moved")
        self.assertIn("not at hand", self.succeed("verify", package).stdout)
        self.assertIn(str(self.folder / "moved"), self.succeed("verify", package, "--against", self.folder / "moved").stdout)

    def test_what_lies_in_the_place_of_the_original_says_nothing_of_the_package(self):
        package = shutil.copytree(self.made["gguf"], self.folder / "elsewhere" / "gguf")
        (self.folder / "elsewhere" / self.model.name).mkdir()
        (self.folder / "elsewhere" / self.model.name / "notes.txt").write_text("no model")
        done = self.succeed("verify", package)
        self.assertIn("nothing was compared", done.stderr)
        self.assertIn("all well", done.stdout)

    def test_a_package_that_was_made_here_finds_its_original(self):
        tiny_llama.write(self.folder / "model")
        done = run("compress", "model", "-o", "out", "-q", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("20 compared with", self.succeed("verify", self.folder / "out", "--every", "1").stdout)

    def test_names_that_are_no_text(self):
        odd = tiny_llama.write(self.folder / os.fsdecode(b"bad\xff\nname"))
        package = self.folder / "odd"
        done = subprocess.run([QUERN, "compress", odd, "-o", package, "--scheme", "q8_0", "-q"], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("all well", self.succeed("verify", package).stdout)
        self.assertIn("bad__name-q8_0.gguf", (package / "README.md").read_text())

    def test_behind_a_link_the_original_is_found(self):
        original = tiny_llama.write(self.folder / "model")
        (self.folder / "disk").mkdir()
        compress(self.folder / "disk" / "out", model=original)
        (self.folder / "out").symlink_to(self.folder / "disk" / "out")
        self.assertIn("20 compared with", self.succeed("verify", self.folder / "out", "--every", "1").stdout)

    def test_original_that_changed(self):
        original = tiny_llama.write(self.folder / "changing")
        package = compress(self.folder / "package", model=original)
        (original / "config.json").write_text((original / "config.json").read_text() + "\n")
        done = self.succeed("verify", package)
        self.assertIn("nothing was compared", done.stderr)
        self.assertIn("not at hand", done.stdout)

    def test_copies_of_scales_that_were_quantized_themselves(self):
        package = compress(self.folder / "package", "--allow-larger", model=ROOT / "testdata/format/bitsandbytes")
        self.succeed("verify", package)


if __name__ == "__main__":
    unittest.main()
