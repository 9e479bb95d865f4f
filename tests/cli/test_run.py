"""run: text from a model, the same for a seed, and what it says when it cannot."""

import json
import signal
import subprocess
import unittest

import tiny_llama
from quern_program import MODEL, QUERN, ROOT, ProgramTest, compress, strict_json

INTERRUPTED = 130
PROMPT = "The history of"
# llama.cpp's own greedy text of the BF16 GGUF file, 20 tokens (tests/peer/test_generation.py asks it anew).
GREEDY_TEXT = " the game is divided into two periods: the first period, the first period, and the second period"


class Run(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.q8_0 = compress(cls.class_folder / "q8_0", "--scheme", "q8_0")

    def text(self, *arguments, model=None):
        return self.succeed("run", model or self.q8_0, *arguments, "-q").stdout

    def result(self, *arguments, model=None):
        return strict_json(self.succeed("run", model or self.q8_0, *arguments, "-q", "--json").stdout)

    def test_greedy_text_is_that_of_llama_cpp(self):
        said = self.text("-p", PROMPT, "-n", "20", "--temperature", "0", model=MODEL)
        self.assertEqual(said, GREEDY_TEXT + "\n")

    def test_package_of_fewer_bits_generates(self):
        for package in (self.q8_0, compress(self.folder / "q4_k_m", "--scheme", "q4_k_m")):
            result = self.result("-p", PROMPT, "-n", "12", "--temperature", "0", model=package)
            self.assertEqual((result["tokens"], result["end"]), (12, "token limit"))
            self.assertGreater(len(result["text"].split()), 3, result)

    def test_text_is_that_of_the_seed(self):
        texts = {seed: self.text("-p", PROMPT, "-n", "16", "--seed", seed, "--threads", "1") for seed in (1, 2, 3)}
        self.assertEqual(len(set(texts.values())), 3, texts)
        self.assertEqual(self.text("-p", PROMPT, "-n", "16", "--seed", "2", "--threads", "2"), texts[2])

    def test_json_holds_the_text_and_the_counts(self):
        result = self.result("-p", PROMPT, "-n", "9", "--seed", "5")
        self.assertEqual(result["text"] + "\n", self.text("-p", PROMPT, "-n", "9", "--seed", "5"))
        self.assertEqual(set(result), {"text", "end", "prompt_tokens", "tokens", "load_seconds", "prompt_seconds", "seconds"})
        self.assertEqual((result["prompt_tokens"], result["tokens"], result["end"]), (4, 9, "token limit"))

    def test_stop_string_ends_the_text_before_it(self):
        whole = self.result("-p", PROMPT, "-n", "20", "--temperature", "0", model=MODEL)["text"]
        stop = whole[12:20]
        result = self.result("-p", PROMPT, "-n", "20", "--temperature", "0", "--stop", "never said", "--stop", stop, model=MODEL)
        self.assertEqual(result["text"], whole[:whole.index(stop)])
        self.assertEqual(result["end"], "stop string")
        self.assertLess(result["tokens"], 20)

    def test_prompt_file_is_the_prompt(self):
        path = self.folder / "prompt.txt"
        path.write_text(PROMPT)
        arguments = ["-n", "8", "--temperature", "0"]
        self.assertEqual(self.text("--prompt-file", path, *arguments), self.text("-p", PROMPT, *arguments))
        self.fail_with(2, ["--prompt and --prompt-file cannot be given together"], "run", self.q8_0, "-p", PROMPT, "--prompt-file", path)

    def test_empty_prompt_begins_with_bos(self):
        result = self.result("-n", "5", "--temperature", "0")
        self.assertEqual((result["prompt_tokens"], result["tokens"]), (1, 5))

    def test_context_is_a_limit(self):
        self.fail_with(3, ["the prompt has 4 tokens", "the context of 3"], "run", self.q8_0, "-p", PROMPT, "--context", "3")
        self.fail_with(2, ["a context of 1025", "1024 tokens"], "run", self.q8_0, "-p", PROMPT, "--context", "1025")
        result = self.result("-p", PROMPT, "--context", "7", "--temperature", "0", "--seed", "1")
        self.assertEqual((result["prompt_tokens"], result["tokens"], result["end"]), (4, 4, "context full"))

    def test_statistics_are_on_the_error_stream(self):
        done = self.succeed("run", self.q8_0, "-p", PROMPT, "-n", "3", "--temperature", "0")
        self.assertIn("4 prompt tokens", done.stderr)
        self.assertNotIn("prompt tokens", done.stdout)

    def test_bad_options_are_named(self):
        for option, value, words in (("--temperature", "-1", "temperature -1"), ("--temperature", "nan", "temperature nan"),
                                     ("--top-p", "1.5", "top-p 1.5"), ("--min-p", "-0.1", "min-p -0.1"),
                                     ("--stop", "", "stop string is empty"), ("--top-k", "-3", "--top-k"),
                                     ("--tokens", "-2", "--tokens"), ("--context", "-2", "--context"),
                                     ("--seed", "x", "--seed")):
            self.fail_with(2, [words], "run", self.q8_0, "-p", PROMPT, option, value)

    def test_prompt_that_cannot_be_read(self):
        self.fail_with(3, ["absent.txt"], "run", self.q8_0, "--prompt-file", self.folder / "absent.txt")
        path = self.folder / "latin1.txt"
        path.write_bytes(b"caf\xe9")
        self.fail_with(3, ["not UTF-8", "0xe9"], "run", self.q8_0, "--prompt-file", path)

    def test_every_end_token_of_the_configurations_ends_the_text(self):
        arguments = ["-p", "a", "-n", "3", "--temperature", "0"]
        everything = {"eos_token_id": list(range(tiny_llama.VOCAB))}
        plain = tiny_llama.write(self.folder / "plain")
        self.assertEqual(self.result(*arguments, model=plain)["end"], "token limit")
        in_config = tiny_llama.write(self.folder / "config", config=tiny_llama.CONFIG | everything)
        beside = tiny_llama.write(self.folder / "beside")
        (beside / "generation_config.json").write_text(json.dumps(everything))
        for model in (in_config, beside):
            result = self.result(*arguments, model=model)
            self.assertEqual((result["text"], result["tokens"], result["end"]), ("", 1, "end of text"), model)

    def test_damaged_weights_are_said(self):
        tensors = tiny_llama.weights()
        tensors["model.layers.1.mlp.up_proj.weight"][1][5] = float("nan")
        model = tiny_llama.write(self.folder / "tiny", tensors)
        self.fail_with(3, ["not finite"], "run", model, "-p", "a", "-n", "2")

    def test_interrupted_run_keeps_what_was_printed(self):
        command = [QUERN, "run", MODEL, "-p", PROMPT, "-n", "1000", "--temperature", "0", "--threads", "1"]
        whole = self.text("-p", PROMPT, "-n", "4", "--temperature", "0", model=MODEL).rstrip("\n")
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            said = process.stdout.read(len(whole.encode()))
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, errors)
        self.assertEqual(said.decode(), whole)
        self.assertLess(len(rest), 3000)
        self.assertIn(b"interrupted", errors)


class Families(ProgramTest):
    def test_each_runs_and_is_measured(self):
        for family in ("gpt2", "mamba", "mixtral", "qwen3"):
            for model in (ROOT / f"testdata/model/tiny-{family}.gguf", ROOT / f"testdata/model/tiny-{family}"):
                with self.subTest(model=model.name):
                    done = self.succeed("run", model, "-p", "The", "-n", "4", "--temperature", "0", "--json", "-q")
                    said = strict_json(done.stdout)
                    self.assertGreaterEqual(said["prompt_tokens"], 1)
                    self.assertTrue(1 <= said["tokens"] <= 4, said)
                    bench = self.succeed("bench", model, "--prompt-tokens", "3", "-n", "2", "--repeats", "1", "--json", "-q")
                    [speed] = strict_json(bench.stdout)["models"]
                    self.assertGreater(speed["weight_bytes_per_token"], 0)


if __name__ == "__main__":
    unittest.main()
