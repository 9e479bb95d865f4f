"""The command line as such: what is said of a wrong one, and help that fits a screen."""

import os
import platform
import subprocess
import unittest

import tiny_llama
from quern_program import MODEL, QUERN, REPORT_TEXT, ProgramTest, compress, hashes, run

USAGE = 2
COMMANDS = ("inspect", "plan", "compress", "eval", "verify", "run", "bench", "schemes", "formats", "layouts", "architectures", "codecs")
LARGE = ("plan", "compress")  # their help has headings behind what fits a screen
SCREEN_LINES, SCREEN_COLUMNS = 24, 100


class WrongCommandLines(ProgramTest):
    def refuse(self, words, *arguments):
        said = self.fail_with(USAGE, words, *arguments).stderr
        self.assertLessEqual(said.count("\n"), 2, said)
        self.assertIn("--help", said)
        return said

    def test_unknown_command_offers_the_nearest(self):
        self.refuse(['no command "compres"', "did you mean compress?"], "compres", MODEL)
        self.refuse(['no command "Eval"', "did you mean eval?"], "Eval", MODEL)
        self.refuse(['no command "benhc"', "did you mean bench?"], "benhc")

    def test_unknown_command_like_no_other_lists_them(self):
        self.refuse(['no command "quantize-it"', *COMMANDS], "quantize-it")

    def test_misspelt_option_offers_the_nearest(self):
        self.refuse(['quern compress has no option "--sheme"', "did you mean --scheme"], "compress", MODEL, "--sheme", "q4_k_m", "-o", "x")
        self.refuse(['has no option "--maxmemory"', "did you mean --max-memory?"], "compress", MODEL, "-o", "x", "--maxmemory=1GB")
        self.refuse(['quern run has no option "--temprature"', "--temperature?"], "run", MODEL, "--temprature", "0")
        self.refuse(['quern has no option "--verison"', "did you mean --version?"], "--verison")

    def test_misspelt_option_is_named_before_what_is_missing_for_it(self):
        self.refuse(['"--ouput"', "did you mean --output?"], "compress", MODEL, "--ouput", "x")

    def test_option_like_no_other(self):
        said = self.refuse(['quern eval has no option "--frobnicate"'], "eval", MODEL, "--frobnicate")
        self.assertNotIn("did you mean", said)

    def test_missing_and_surplus_arguments(self):
        self.refuse(["quern eval needs --text", "Text that"], "eval", MODEL)
        self.refuse(["quern compress needs MODEL", "Hugging Face folder"], "compress")
        self.refuse(['"again" is one argument too many', "quern inspect MODEL"], "inspect", MODEL, "again")

    def test_scheme_without_its_signs(self):
        for given in ("q4km", "Q4_K_M", "q4-k-m"):
            said = self.fail_with(USAGE, [f'"{given}"', "did you mean q4_k_m?"], "compress", MODEL, "-o", self.folder / "out", "--scheme", given)
            self.assertNotIn("q4_0", said.stderr)

    @unittest.skipUnless(platform.machine() == "x86_64", "levels are those of x86-64")
    def test_instructions_are_held_back_by_a_variable(self):
        held = {level: self.succeed("--version", env=dict(os.environ, QUERN_MAX_ISA=level)).stdout
                for level in ("avx2", "avx512", "avx512_bf16", "amx", "")}
        self.assertIn("(x86-64-v3)", held["avx2"])
        self.assertNotRegex(held["avx512"], "bf16|vnni|amx")
        self.assertNotIn("amx", held["avx512_bf16"])
        self.assertEqual(held["amx"], held[""])
        if "bf16" in held["amx"]:  # what is reported is what computes
            env = dict(os.environ, QUERN_MAX_ISA="avx2")
            self.fail_with(USAGE, ["no bfloat16 products"], "eval", MODEL, "--text", REPORT_TEXT, "--compute", "bf16", env=env)
        self.fail_with(USAGE, ["QUERN_MAX_ISA", '"AVX2"', "avx512_bf16"], "--version", env=dict(os.environ, QUERN_MAX_ISA="AVX2"))

    def test_no_arguments_show_what_there_is(self):
        said = self.fail_with(USAGE, ["Usage: quern COMMAND", "Example: quern compress", *COMMANDS]).stderr
        self.assertLessEqual(said.count("\n"), SCREEN_LINES)


class Wording(ProgramTest):
    def test_one_is_no_plural(self):
        package = compress(self.folder / "out", "--scheme", "q8_0", model=tiny_llama.write(self.folder / "tiny"))
        self.assertRegex(self.succeed("inspect", package / "tiny-q8_0.gguf").stdout, r": gguf, 1 file, \d+ bytes, ")
        self.assertRegex(self.succeed("run", package, "-p", "the", "-n", "1").stderr, r", 1 token at ")


class Help(ProgramTest):
    def help(self, *command):
        text = self.succeed(*command, "--help").stdout
        for line in text.split("\n"):
            self.assertLessEqual(len(line), SCREEN_COLUMNS, line)
        return text

    def test_fits_a_screen(self):
        for command in COMMANDS:
            if command not in LARGE:
                self.assertLessEqual(self.help(command).count("\n"), SCREEN_LINES, command)
        self.assertLessEqual(self.help().count("\n"), SCREEN_LINES)

    def test_common_options_of_large_commands_fit_a_screen(self):
        for command in LARGE:
            common, *more = self.help(command).split("\n\nMore options, ")
            self.assertLessEqual(common.count("\n"), SCREEN_LINES, command)
            self.assertGreaterEqual(len(more), 2, command)

    def test_compress_has_what_people_ask_for_first(self):
        common, *more = self.help("compress").split("\n\nMore options, ")
        for option in ("MODEL", "--output", "--scheme", "--calib", "--max-ppl-increase", "--target-size", "--max-memory", "--help"):
            self.assertIn(f"{option}", common)
        self.assertIn("--gate-windows", "".join(more))

    def test_ends_with_an_example_that_names_the_command(self):
        for command in COMMANDS:
            self.assertRegex(self.help(command), rf"\n\nExample: quern {command}\b[^\n]*\n$")
        self.assertIn("\nExample: quern compress", self.help())

    def test_says_defaults(self):
        self.assertIn("(default: half of the machine's)", self.help("compress"))
        self.assertIn("(default: half of the machine's)", self.help("eval"))
        self.assertIn("(default: no limit)", self.help("run"))
        self.assertIn("[simple]", self.help("compress"))

    def test_names_every_command_once(self):
        listed = [line.split()[0] for line in self.help().split("\n\n")[1].split("\n")]
        self.assertEqual(listed, list(COMMANDS))
        self.assertEqual(run("-h").stdout, self.help())


class StandardError(ProgramTest):
    """What cannot be said there decides nothing, and no file gets its number."""

    def setUp(self):
        super().setUp()
        self.model = tiny_llama.write(self.folder / "tiny")

    def compress(self, name, **options):
        done = subprocess.run([QUERN, "compress", self.model, "-o", self.folder / name], stdout=subprocess.DEVNULL, timeout=400, **options)
        self.assertEqual(done.returncode, 0)
        return hashes(self.folder / name)["model.safetensors"]

    def test_a_full_disk_or_no_stream_changes_nothing(self):
        expected = self.compress("heard", stderr=subprocess.DEVNULL)
        with open("/dev/full", "w") as full:
            self.assertEqual(self.compress("full", stderr=full), expected)
            self.assertEqual(subprocess.run([QUERN, "no-command"], stderr=full).returncode, USAGE)
        self.assertEqual(self.compress("closed", preexec_fn=lambda: os.close(2)), expected)

    def test_a_result_that_is_lost_is_an_error(self):
        done = subprocess.run([QUERN, "schemes"], stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        self.assertEqual(done.returncode, 6, done.stderr)


if __name__ == "__main__":
    unittest.main()
