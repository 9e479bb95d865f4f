"""The command line as such: help that fits a screen."""

import unittest

from quern_program import ProgramTest, run

COMMANDS = ("inspect", "compress", "eval", "verify", "run", "bench", "schemes", "formats", "architectures", "codecs")
SCREEN_LINES, SCREEN_COLUMNS = 24, 100


class Help(ProgramTest):
    def help(self, *command):
        text = self.succeed(*command, "--help").stdout
        for line in text.split("\n"):
            self.assertLessEqual(len(line), SCREEN_COLUMNS, line)
        return text

    def test_fits_a_screen(self):
        for command in COMMANDS:
            if command != "compress":
                self.assertLessEqual(self.help(command).count("\n"), SCREEN_LINES, command)
        self.assertLessEqual(self.help().count("\n"), SCREEN_LINES)

    def test_common_options_of_compress_fit_a_screen(self):
        common, *more = self.help("compress").split("\n\nMore options, ")
        self.assertLessEqual(common.count("\n"), SCREEN_LINES)
        self.assertGreaterEqual(len(more), 2)
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


if __name__ == "__main__":
    unittest.main()
