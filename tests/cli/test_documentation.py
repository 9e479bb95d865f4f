"""Man pages and shell completion: they say what --help says, and their readers take them."""

import pathlib
import re
import shutil
import subprocess
import unittest

from quern_program import QUERN, ProgramTest, strict_json

COMMANDS = ("inspect", "plan", "compress", "eval", "verify", "run", "bench", "schemes", "formats", "layouts", "architectures", "codecs")
# The pages carry no date, so that the same version gives the same bytes.
ALLOWED = "missing date"


def need(test, program):
    if not shutil.which(program):
        test.skipTest(f"{program} is not installed")


def options(text):
    """Long options at the beginning of a line of help."""
    return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", text, re.M))


class ManPages(ProgramTest):
    def pages(self):
        self.succeed("man", "--write-all", self.folder)
        return {path.name: path for path in (self.folder / "man/man1").iterdir()}

    def test_there_is_one_for_the_program_and_for_each_command(self):
        self.assertEqual(set(self.pages()), {"quern.1", *(f"quern-{command}.1" for command in COMMANDS)})

    def test_name_every_option_with_the_example(self):
        for command in COMMANDS:
            help_text, page = self.succeed(command, "--help").stdout, self.succeed("man", command).stdout.replace("\\-", "-")
            for option in options(help_text):
                self.assertIn(f"\\fB{option}\\fR", page)
            self.assertIn(re.search("^Example: (.*)$", help_text, re.M)[1], page)
        self.assertIn("q4_k_m", self.succeed("man", "compress").stdout)

    def test_mandoc_finds_nothing(self):
        need(self, "mandoc")
        for path in self.pages().values():
            said = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True).stdout
            self.assertEqual([line for line in said.split("\n") if line and ALLOWED not in line], [])

    def test_bytes_are_the_same_again(self):
        self.assertEqual(self.succeed("man", "run").stdout, self.succeed("man", "run").stdout)

    def test_installation_has_the_program_its_pages_and_completions(self):
        build = pathlib.Path(QUERN).parent
        if not (build / "share").exists():
            self.skipTest("only the program was built")
        done = subprocess.run(["cmake", "--install", build, "--prefix", self.folder / "usr"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.succeed("--version", program=self.folder / "usr/bin/quern").stdout, self.succeed("--version").stdout)
        for name, command in (("man/man1/quern-compress.1", ("man", "compress")), ("zsh/site-functions/_quern", ("completion", "zsh")),
                              ("bash-completion/completions/quern", ("completion", "bash")),
                              ("fish/vendor_completions.d/quern.fish", ("completion", "fish"))):
            self.assertEqual((self.folder / "usr/share" / name).read_text(), self.succeed(*command).stdout)

    def test_unknown_page(self):
        self.fail_with(2, ['"compres"', "did you mean compress?"], "man", "compres")


class Completion(ProgramTest):
    def script(self, shell):
        path = self.folder / f"quern.{shell}"
        path.write_text(self.succeed("completion", shell).stdout)
        return path

    def complete(self, *words):
        """What bash offers for the last of the words."""
        line = " ".join(f"'{word}'" for word in words)
        program = f"source {self.script('bash')}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _quern; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(done.stdout.split("\n")) - {""}

    def test_shells_read_the_scripts(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.script(shell)
            if shell != "bash" and not shutil.which(shell):
                continue
            done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), shell)

    def test_bash_completes_commands(self):
        self.assertEqual(self.complete("quern", ""), {*COMMANDS, "--help", "-h", "--version"})
        self.assertEqual(self.complete("quern", "co"), {"compress", "codecs"})
        self.assertEqual(self.complete("quern", "comp"), {"compress"})

    def test_bash_completes_every_option_of_every_command(self):
        for command in COMMANDS:
            self.assertEqual({word for word in self.complete("quern", command, "-") if word.startswith("--")},
                             options(self.succeed(command, "--help").stdout), command)
        self.assertEqual(self.complete("quern", "compress", "m", "--max-k"), {"--max-kld"})

    def test_bash_completes_values(self):
        schemes = {row["name"] for row in strict_json(self.succeed("schemes", "--json").stdout)["schemes"]}
        self.assertEqual(self.complete("quern", "compress", "--scheme", ""), schemes)
        self.assertEqual(self.complete("quern", "compress", "--scheme", "q4_k_"), {"q4_k_s", "q4_k_m"})
        self.assertEqual(self.complete("quern", "compress", "--scheme", "=", "q4_k_m"), {"q4_k_m"})
        self.assertEqual(self.complete("quern", "eval", "m", "--compute", ""), {"auto", "f32", "bf16"})
        self.assertEqual(self.complete("quern", "run", "m", "--top-k", ""), set())

    def test_bash_completes_paths(self):
        (self.folder / "a model").mkdir()
        (self.folder / "a text.txt").write_text("")
        self.assertEqual(self.complete("quern", "inspect", "a "), {"a model", "a text.txt"})
        self.assertEqual(self.complete("quern", "eval", "m", "--text", "a t"), {"a text.txt"})
        self.assertEqual(self.complete("quern", "compress", "m", "-o", "a"), {"a model"})

    def test_fish_completes_schemes_and_options(self):
        need(self, "fish")
        script = self.script("fish")
        for line, wanted in (("quern compress --scheme q4_k_", {"q4_k_s", "q4_k_m"}), ("quern comp", {"compress"}),
                             ("quern compress --max-k", {"--max-kld"})):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], capture_output=True,
                                  text=True, env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"})
            self.assertEqual({offer.split("\t")[0] for offer in done.stdout.strip().split("\n")}, wanted, done.stderr)

    def test_unknown_shell(self):
        self.fail_with(2, ['"tcsh"', "bash, zsh, fish"], "completion", "tcsh")


if __name__ == "__main__":
    unittest.main()
