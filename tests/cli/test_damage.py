"""verify finds what a seed chooses to damage, names the tensor, and says nothing of packages that are whole."""

import copy
import json
import os
import random
import re
import shutil
import unittest

import package_damage as damage
import tiny_llama
from quern_program import SHARED, ProgramTest, compress, read_json, run, sha256, strict_json

VERIFICATION = 7
TEXT = SHARED / "text/calib.txt"
# How each package is made.
PLAIN = {"int8": [], "q8_0": ["--scheme", "q8_0"], "q4_0": ["--scheme", "q4_0"], "mixed-int4": ["--scheme", "mixed-int4"],
         "nf4": ["--scheme", "nf4"], "lossless": ["--scheme", "lossless"], "bf16": ["--scheme", "bf16"]}
TRIES = 8  # of each kind and package


class Damage(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = tiny_llama.write(cls.class_folder / "tiny")
        (cls.model / "LICENSE").write_text("mine\n")
        cls.made = {name: compress(cls.class_folder / name, "-q", *options, model=cls.model)
                    for name, options in PLAIN.items()}

    def copies(self):
        for name, package in self.made.items():
            with self.subTest(package=name):
                yield random.Random(name), shutil.copytree(package, self.folder / name)

    def problems(self, package, *options):
        """What is found; the exit code says whether anything is."""
        done = run("verify", package, "--json", "-q", *options)
        self.assertIn(done.returncode, (0, VERIFICATION), done.stderr[-600:])
        found = strict_json(done.stdout)["problems"]
        self.assertEqual(done.returncode == 0, not found)
        return found

    def test_flipped_bits_are_found_and_their_tensor_is_named(self):
        for seed, package in self.copies():
            weights = damage.weights_of(package)
            for _ in range(TRIES):
                position, bit = seed.randrange(weights.stat().st_size), seed.randrange(8)
                tensor = damage.tensor_at(weights, position)
                named = f"tensor {tensor}" if tensor else "the header"
                damage.flip(weights, position, bit)
                found = " ".join(self.problems(package))
                self.assertTrue(named in found or "the bytes b" in found, f"{position}: {named}: {found}")
                damage.flip(weights, position, bit)
            self.assertEqual(self.problems(package), [])

    def test_flipped_bits_behind_right_hashes_are_found_with_the_original(self):
        for seed, package in self.copies():
            weights, manifest = damage.weights_of(package), (package / "manifest.json").read_bytes()
            for _ in range(TRIES):
                position, bit = seed.randrange(weights.stat().st_size), seed.randrange(8)
                damage.flip(weights, position, bit)
                damage.make_manifest_agree(package, weights.name)
                self.assertTrue(self.problems(package, "--against", self.model), f"{weights.name} {position} {bit}")
                damage.flip(weights, position, bit)
                (package / "manifest.json").write_bytes(manifest)

    def test_what_lies_beside_the_weights_is_held_against_the_original(self):
        for seed, package in self.copies():
            for name in ("config.json", "tokenizer.model"):
                if not (package / name).exists():
                    continue
                manifest = (package / "manifest.json").read_bytes()
                position, bit = seed.randrange((package / name).stat().st_size), seed.randrange(7)
                damage.flip(package / name, position, bit)
                damage.make_manifest_agree(package, name)
                self.assertTrue(self.problems(package, "--against", self.model), f"{name} {position} {bit}")
                damage.flip(package / name, position, bit)
                (package / "manifest.json").write_bytes(manifest)

    def test_every_kind_of_edit_of_a_manifest_is_found(self):
        package = shutil.copytree(self.made["int8"], self.folder / "int8")
        manifest, seed = read_json(package / "manifest.json"), random.Random(5)
        by_kind = {}
        for path in damage.leaves(manifest):
            by_kind.setdefault(tuple(key for key in path if isinstance(key, str)), []).append(path)
        for kind, paths in by_kind.items():
            path = seed.choice(paths)
            with self.subTest(member=".".join(kind)):
                changed = copy.deepcopy(manifest)
                damage.set_leaf(changed, path, damage.edited(damage.get_leaf(manifest, path)))
                damage.write_manifest(package, changed, seal=False)
                done = run("verify", package, "-q")
                self.assertEqual(done.returncode, VERIFICATION, done.stdout + done.stderr)

    def test_edits_that_contradict_are_found_behind_a_right_seal(self):
        package = shutil.copytree(self.made["int8"], self.folder / "int8")
        manifest = read_json(package / "manifest.json")
        for path in (("quern",), ("source", "files", 0, "sha256"), ("source", "files", 1, "name"), ("files", 0, "role"),
                     ("source", "format"), ("plan", "steps", 3, "codec"), ("plan", "steps", 3, "optimizer"),
                     ("plan", "tensors_sha256"), ("errors", 2, "plain"), ("errors", 4, "weighted_energy"),
                     ("plan", "steps", 5, "bytes"), ("plan", "format")):
            with self.subTest(path=path):
                changed = copy.deepcopy(manifest)
                damage.set_leaf(changed, path, damage.edited(damage.get_leaf(manifest, path)))
                damage.write_manifest(package, changed)
                done = run("verify", package, "-q", "--against", self.model)
                self.assertEqual(done.returncode, VERIFICATION, done.stdout + done.stderr)

    def test_an_unknown_number_format_has_a_sentence(self):
        for name, made in self.made.items():
            package = shutil.copytree(made, self.folder / name)
            manifest = read_json(package / "manifest.json")
            manifest["plan"]["steps"][1]["codec"] = "q9_z"
            damage.write_manifest(package, manifest)
            said = run("verify", package, "-q").stderr
            manifest["plan_sha256"] = re.search("its sha256 is ([0-9a-f]{64})", said)[1]
            damage.write_manifest(package, manifest)
            done = run("verify", package, "-q")
            self.assertEqual(done.returncode, VERIFICATION, done.stderr)
            self.assertIn('number format "q9_z"', done.stderr)

    def test_files_that_change_what_is_opened(self):
        for name, package in self.made.items():
            for extra in ("other.safetensors", "model.safetensors.index.json", "tokenizer.json", "other.gguf",
                          "generation_config.json", "adapter_config.json", "chat_template.jinja", "deep/er/model.bin"):
                with self.subTest(package=name, extra=extra):
                    (package / extra).parent.mkdir(parents=True, exist_ok=True)
                    (package / extra).write_text("{}")
                    self.addCleanup(lambda path=package / extra: path.unlink(missing_ok=True))
                    self.assertIn(extra, " ".join(self.problems(package)))
                    (package / extra).unlink()
            shutil.rmtree(package / "deep")

    def test_other_files_are_a_note_at_most(self):
        for _, package in self.copies():
            for extra in (".gitattributes", ".git/config", ".cache/huggingface/model.safetensors", "notes.txt", "plot.png"):
                (package / extra).parent.mkdir(parents=True, exist_ok=True)
                (package / extra).write_text("mine")
            self.assertEqual(self.problems(package), [])

    def test_whole_packages_raise_no_alarm_wherever_they_are_looked_at_from(self):
        (self.folder / "deep").mkdir()
        for name, package in self.made.items():
            with self.subTest(package=name):
                self.assertEqual(self.problems(package), [])
                self.assertEqual(self.problems(package, "--against", self.model), [])
                moved = shutil.copytree(package, self.folder / "deep" / name)
                self.assertEqual(self.problems(moved), [])
                self.assertEqual(self.problems(moved, "--against", self.model), [])
                (self.folder / name).symlink_to(moved)
                self.assertEqual(self.problems(self.folder / name), [])
                for at, said in ((moved, "."), (moved.parent, name)):
                    done = run("verify", said, "-q", cwd=at)
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_of_a_cache_of_links_nothing_is_missed(self):
        package = self.made["int8"]
        (self.folder / "blobs").mkdir()
        (self.folder / "snapshot").mkdir()
        for file in package.iterdir():
            blob = shutil.copy(file, self.folder / "blobs" / sha256(file))
            (self.folder / "snapshot" / file.name).symlink_to(os.path.relpath(blob, self.folder / "snapshot"))
        self.assertEqual(self.problems(self.folder / "snapshot", "--against", self.model), [])

    def test_what_was_rounded_by_statistics(self):
        if not TEXT.exists():
            self.skipTest("../shared/text/calib.txt is not there")
        text = self.folder / "text.txt"
        text.write_text(TEXT.read_text()[:20000])
        for name, options in {"weighted": ["--scheme", "q4_0", "--optimizer", "weighted"],
                              "feedback": ["--scheme", "q4_0", "--optimizer", "ldlq"],
                              "int8": ["--optimizer", "ldlq"]}.items():
            with self.subTest(package=name):
                package = compress(self.folder / name, "--calib", text, "--calib-windows", "4", "-q", *options, model=self.model)
                self.assertEqual(self.problems(package, "--against", self.model), [])
                weights, seed = damage.weights_of(package), random.Random(name)
                manifest = (package / "manifest.json").read_bytes()
                for _ in range(TRIES):
                    position, bit = seed.randrange(weights.stat().st_size), seed.randrange(8)
                    damage.flip(weights, position, bit)
                    damage.make_manifest_agree(package, weights.name)
                    self.assertTrue(self.problems(package, "--against", self.model), f"{position} {bit}")
                    damage.flip(weights, position, bit)
                    (package / "manifest.json").write_bytes(manifest)


if __name__ == "__main__":
    unittest.main()
