"""The command line as such: what is said of a wrong one, and help that fits a screen."""

import os
import platform
import subprocess
import tempfile
import unittest

import tiny_llama
from quern_program import MODEL, QUERN, REPORT_TEXT, ProgramTest, compress, hashes, read_json, run, strict_json

USAGE, RESOURCE = 2, 6
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

    def test_help_and_man_offer_the_nearest_and_no_others(self):
        for command, what in (("help", "no command"), ("man", "no manual page of")):
            self.refuse([f'{what} "comprss"; did you mean compress?'], command, "comprss")
            said = self.refuse([f'{what} "frobnicate"; quern --help lists'], command, "frobnicate")
            self.assertNotIn("inspect", said)

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

    def test_values_that_are_missing_or_too_many(self):
        self.refuse(["--scheme needs a value behind it: NAME", "How small"], "compress", MODEL, "-o", "x", "--scheme")
        self.refuse(['--scheme was given 2 times, with "q8_0" and "q4_0"; give it once'], "compress", MODEL, "-o", "x", "--scheme", "q8_0",
                    "--scheme", "q4_0")
        self.refuse(["--against-drop goes with --against, which is missing"], "eval", MODEL, "--text", "x", "--against-drop", "a")
        self.refuse(["--scheme and --plan cannot be given together"], "compress", MODEL, "-o", "x", "--plan", "p", "--scheme", "q8_0")

    def test_values_that_are_none(self):
        self.refuse(['--temperature takes a number, and "hot" is none that fits'], "run", MODEL, "--temperature", "hot")
        self.refuse(['--compute: "f64" is none of auto, f32, bf16'], "eval", MODEL, "--text", "x", "--compute", "f64")
        self.refuse(['--threads: "5000" is not a whole number from 0 to 1024'], "eval", MODEL, "--text", "x", "--threads", "5000")
        self.refuse(['--window-length: "7" is not a whole number from 8 to'], "eval", MODEL, "--text", "x", "--window-length", "7")

    def test_an_option_of_the_original_is_named(self):
        self.fail_with(USAGE, ['--against-drop names "nothing*"'], "eval", MODEL, "--text", REPORT_TEXT, "--against", MODEL,
                       "--against-drop", "nothing*")

    def test_missing_and_surplus_arguments(self):
        self.refuse(["quern eval needs --text", "Text to measure on"], "eval", MODEL)
        self.refuse(["quern compress needs MODEL", "Hugging Face folder"], "compress")
        self.refuse(['"again" is one argument too many', "quern inspect MODEL"], "inspect", MODEL, "again")

    def test_scheme_without_its_signs(self):
        for given in ("q4km", "q4-k-m"):
            said = self.fail_with(USAGE, [f'"{given}"', "did you mean q4_k_m?"], "compress", MODEL, "-o", self.folder / "out", "--scheme", given)
            self.assertNotIn("q4_0", said.stderr)
        said = self.fail_with(USAGE, ['"zzz"'], "compress", MODEL, "-o", self.folder / "out", "--scheme", "zzz").stderr
        self.assertRegex(said, r"did you mean \w+, \w+, \w+\?\n$")

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


class Names(ProgramTest):
    def test_in_any_case(self):
        model = tiny_llama.write(self.folder / "tiny")
        map_file = self.folder / "map.json"
        map_file.write_text('[{"match": "attn.q", "codec": "Q8_0", "optimizer": "RTN"}]')
        plain, loud = (compress(self.folder / name, *options, model=model) for name, options in (
            ("plain", ["--scheme", "q4_0", "--format", "gguf"]), ("loud", ["--scheme", "Q4_0", "--format", "GGUF", "--compute", "F32"])))
        self.assertEqual([path.read_bytes() for path in plain.glob("*.gguf")], [path.read_bytes() for path in loud.glob("*.gguf")])
        self.assertEqual(sorted(path.name for path in plain.iterdir()), sorted(path.name for path in loud.iterdir()))
        mapped = compress(self.folder / "mapped", "--scheme", "Q4_0", "--precision-map", map_file, model=model)
        self.assertIn("q8_0", {step["codec"] for step in read_json(mapped / "manifest.json")["plan"]["steps"]})

    def test_those_of_llama_cpp(self):
        preview = strict_json(self.succeed("compress", MODEL, "-o", self.folder / "out", "--scheme", "Q4_K_M", "--dry-run", "--json").stdout)
        self.assertEqual(preview["scheme"], "q4_k_m")


class StandardInput(ProgramTest):
    """A "-" in place of a text."""

    def setUp(self):
        super().setUp()
        self.model = tiny_llama.write(self.folder / "tiny")

    def said(self, *arguments, given=REPORT_TEXT):
        with open(given) as text:
            return run(*arguments, stdin=text)

    def test_a_text_is_read_from_it(self):
        measured = ["eval", self.model, "--windows", "2", "--window-length", "64", "--json", "-q", "--text"]
        piped = self.said(*measured, "-")
        self.assertEqual(piped.returncode, 0, piped.stderr)
        self.assertEqual(piped.stdout, self.succeed(*measured, REPORT_TEXT).stdout)

    def test_a_package_says_where_its_text_came_from(self):
        done = self.said("compress", self.model, "-o", self.folder / "out", "--report-text", "-", "--report-windows", "1", "-q")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(read_json(self.folder / "out/report.json")["report_text"]["path"], "standard-input")

    def test_once(self):
        done = self.said("compress", self.model, "-o", self.folder / "out", "--calib", "-", "--report-text", "-")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--calib and --report-text both are -, and standard input can be read once", done.stderr)

    def test_an_empty_one_is_an_empty_text(self):
        done = self.said("eval", self.model, "--text", "-", given=os.devnull)
        self.assertEqual(done.returncode, 3)
        self.assertIn("standard input is empty", done.stderr)

    def test_no_temporary_name_is_said(self):
        short = self.folder / "short.txt"
        short.write_text("Once upon a time.\n")
        for command, given in ((["eval", self.model, "--text", "-"], short),
                               (["compress", self.model, "-o", self.folder / "out", "--report-text", "-", "--dry-run"], REPORT_TEXT)):
            done = self.said(*command, given=given)
            self.assertIn("standard input", done.stdout + done.stderr, command)
            self.assertNotIn(tempfile.gettempdir() + "/quern-input", done.stdout + done.stderr, command)


class Failures(ProgramTest):
    def error(self, *arguments):
        done = run(*arguments, "--json")
        error = strict_json(done.stdout)["error"]
        self.assertEqual(error["code"], done.returncode)
        self.assertIn(error["message"].split("\n")[0], done.stderr)
        return error

    def test_are_json_where_the_result_would_be(self):
        nowhere = self.folder / "nowhere"
        for name, arguments in {"input": ["inspect", nowhere], "usage": ["compress", MODEL, "-o", nowhere, "--scheme", "q4km"],
                                "infeasible": ["compress", MODEL, "-o", nowhere, "--scheme", "q4_k_m", "--format", "safetensors"],
                                "verification": ["verify", self.folder],
                                "resource": ["compress", MODEL, "-o", nowhere, "--max-memory", "1KB"]}.items():
            self.assertEqual(self.error(*arguments)["name"], name)

    def test_of_the_command_line_too(self):
        for arguments in (["compres"], ["compress"], ["eval", MODEL, "--sheme", "x"], ["schemes", "--nonsense"]):
            self.assertEqual(self.error(*arguments)["name"], "usage")

    def test_of_the_environment_too(self):
        self.fail_with(USAGE, ["QUERN_MAX_ISA"], "inspect", MODEL, "--json", env=dict(os.environ, QUERN_MAX_ISA="foo"))

    def test_say_what_was_allowed(self):
        self.fail_with(RESOURCE, ["more than the 1000 bytes allowed"], "compress", MODEL, "-o", self.folder / "out", "--max-memory", "1KB")


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

    def test_help_is_a_command(self):
        self.assertEqual(self.succeed("help").stdout, self.help())
        for command in (*COMMANDS, "man", "help"):
            self.assertEqual(self.succeed("help", command).stdout, self.succeed(command, "--help").stdout)
        self.fail_with(USAGE, ['no command "compres"', "did you mean compress?"], "help", "compres")

    def test_fits_a_narrow_terminal(self):
        for columns in (40, 80):
            script = f"stty cols {columns}; exec {QUERN} help compress"
            said = subprocess.run(["script", "-qec", script, os.devnull], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
            lines = said.replace("\r", "").splitlines()
            self.assertGreater(len(lines), 40)
            self.assertLessEqual(max(map(len, lines)), columns)

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
        reader, writer = os.pipe()
        os.close(reader)
        self.assertEqual(self.compress("left", stderr=writer), expected)
        os.close(writer)

    def test_a_result_that_is_lost_is_an_error(self):
        done = subprocess.run([QUERN, "schemes"], stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        self.assertEqual(done.returncode, 6, done.stderr)


if __name__ == "__main__":
    unittest.main()
