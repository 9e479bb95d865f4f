"""Files of strangers: links that lead nowhere, pipes, devices, and what a person has where the program would write."""

import os
import shutil
import signal
import subprocess
import unittest

import tiny_llama
from quern_program import CALIBRATION_TEXT, MODEL, QUERN, ProgramTest, compress, run

USAGE, INPUT = 2, 3
FREE = ["--scheme", "q4_k_m", "--threads", "1"]


class OddModels(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = tiny_llama.write(self.folder / "model")

    def odd(self, path):
        """Puts what is no file there, one kind after the other, and gives the words that are expected of it."""
        def link(to):
            path.symlink_to(to)
        for words, make in (("leads nowhere", lambda: link("lost")), ("leads back to itself", lambda: link(path.name)),
                            ("it is a pipe", lambda: os.mkfifo(path)), ("it is a device", lambda: link("/dev/zero")),
                            ("it is a folder", path.mkdir)):
            if os.path.lexists(path):
                (shutil.rmtree if path.is_dir() and not path.is_symlink() else os.unlink)(path)
            make()
            yield words

    def test_companions_are_never_taken_for_absent(self):
        for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
            path = self.model / name
            kept = path.read_bytes() if path.exists() else None
            for words in self.odd(path):
                with self.subTest(name, words=words):
                    self.fail_with(INPUT, [name, words], "inspect", self.model)
            (shutil.rmtree if path.is_dir() else os.unlink)(path)
            if kept is not None:
                path.write_bytes(kept)

    def test_weights(self):
        weights = self.model / "model.safetensors"
        for words in self.odd(weights):
            with self.subTest(words):
                self.fail_with(INPUT, ["model.safetensors", words], "inspect", self.model)
                if words != "it is a folder":
                    self.fail_with(INPUT, ["model.safetensors", words], "inspect", weights)

    def test_links_to_files_are_followed_as_hub_caches_have_them(self):
        there = self.folder / "there"
        shutil.move(self.model, there)
        self.model.mkdir()
        for path in there.iterdir():
            (self.model / path.name).symlink_to(path)
        self.assertIn("llama", self.succeed("inspect", self.model).stdout)

    def test_texts_plans_and_statistics(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        for arguments in (["--calib", pipe], ["--plan", pipe], ["--imatrix", pipe], ["--precision-map", pipe]):
            with self.subTest(arguments[0]):
                self.fail_with(INPUT, [pipe, "it is a pipe, and can be read only once"], "compress", MODEL, "-o", self.folder / "out", *arguments)
        self.assert_gone(self.folder / "out.partial")


class TakenPlaces(ProgramTest):
    """What a person has at OUT.partial or FILE.partial, and where links would lead out of there."""

    def setUp(self):
        super().setUp()
        self.output, self.partial = self.folder / "out", self.folder / "out.partial"
        self.home = self.folder / "home"
        self.home.mkdir()
        (self.home / "diary.txt").write_text("dear diary")

    def refuse(self, words, *arguments):
        for more in ([], ["--resume"]):
            self.fail_with(USAGE, words, "compress", MODEL, "-o", self.output, *FREE, *arguments, *more)
        self.assertEqual([path.name for path in self.home.iterdir()], ["diary.txt"])
        self.assertEqual((self.home / "diary.txt").read_text(), "dear diary")

    def test_partial_folder_that_is_a_link(self):
        self.partial.symlink_to(self.home)
        self.refuse([self.partial, "was not left by quern"])
        (self.home / ".quern-lock").touch()
        self.fail_with(USAGE, [self.partial, "was not left by quern"], "compress", MODEL, "-o", self.output, *FREE)

    def test_partial_that_is_a_file(self):
        self.partial.write_text("mine")
        self.refuse([self.partial, "was not left by quern"])
        self.assertEqual(self.partial.read_text(), "mine")

    def test_lock_that_is_a_link(self):
        self.partial.mkdir()
        (self.partial / ".quern-lock").symlink_to(self.home / "made")
        self.refuse([self.partial, "was not left by quern"])

    def stop(self):
        with subprocess.Popen([QUERN, "compress", str(MODEL), "-o", str(self.output), "-v", *FREE], stderr=subprocess.PIPE, text=True) as process:
            self.assertTrue(any("[9/56] encode" in said for said in process.stderr))
            process.send_signal(signal.SIGINT)
            process.stderr.read()

    def test_links_in_work_that_is_resumed(self):
        self.stop()
        weights, = (self.partial / "trial-1").glob("*.gguf")
        for path, to in ((self.partial / "journal", self.home / "diary.txt"), (weights, self.home / "diary.txt"),
                         (self.partial / "statistics", self.home), (self.partial / "trial-1" / "config.json", self.home / "made")):
            with self.subTest(path.name):
                kept = self.folder / "kept"
                if path.exists():
                    path.rename(kept)
                path.symlink_to(to)
                self.fail_with(USAGE, [path, "is a link", "quern never makes"], "compress", MODEL, "-o", self.output, *FREE, "--resume")
                path.unlink()
                if kept.exists():
                    kept.rename(path)
        os.link(weights, self.home / "second")
        self.fail_with(USAGE, [weights, "a second name"], "compress", MODEL, "-o", self.output, *FREE, "--resume")
        (self.home / "second").unlink()
        self.assertEqual((self.home / "diary.txt").read_text(), "dear diary")
        self.succeed("compress", MODEL, "-o", self.output, *FREE, "--resume")
        self.assertEqual([path.name for path in self.home.iterdir()], ["diary.txt"])

    def test_links_in_work_that_is_removed(self):
        self.stop()
        (self.partial / "trial-1" / "home").symlink_to(self.home)
        compress(self.output, *FREE)
        self.assertEqual((self.home / "diary.txt").read_text(), "dear diary")

    def plan(self, code, words):
        return self.fail_with(code, words, "plan", MODEL, "--scheme", "q4_k_m", "-o", self.folder / "plan.json")

    def test_partial_of_a_file(self):
        partial = self.folder / "plan.json.partial"
        partial.write_text("mine")
        self.plan(USAGE, [partial, "was not left by quern"])
        self.assertEqual(partial.read_text(), "mine")
        partial.unlink()
        partial.symlink_to(self.home / "diary.txt")
        self.plan(USAGE, [partial, "is a link"])
        self.assertEqual((self.home / "diary.txt").read_text(), "dear diary")
        partial.unlink()
        partial.touch()  # as a run leaves it that was killed
        run("plan", MODEL, "--scheme", "q4_k_m", "-o", self.folder / "plan.json")
        self.assertIn("q4_k_m", (self.folder / "plan.json").read_text())
        self.assert_gone(partial)


if __name__ == "__main__":
    unittest.main()
