"""The page of measurements and the programs that make its tables stay in step."""

import subprocess
import sys
import unittest

import reproduce

TABLE = "| a |\n|---|\n| 1 |\n"
PAGE = f"# Measured\n\nby hand\n\n<!-- begin sizes: bench/sizes.py llama-7m:q4_k_m -->\n{TABLE}<!-- end sizes -->\n\nmore\n"


class Reproduce(unittest.TestCase):
    def test_the_page_of_the_documentation(self):
        self.assertEqual(reproduce.problems(reproduce.PAGE.read_text()), [])

    def test_the_list_names_every_section(self):
        said = subprocess.run([sys.executable, "-B", reproduce.__file__, "--list"], capture_output=True, text=True, check=True).stdout
        for name, command in reproduce.sections(reproduce.PAGE.read_text()).items():
            self.assertIn(f"{name} ", said)
            self.assertIn(command[0], said)
        self.assertGreater(len(said.splitlines()), 5)

    def test_every_program_explains_itself(self):
        programs = {command[0] for command in reproduce.sections(reproduce.PAGE.read_text()).values()}
        for program in programs:
            run = subprocess.run([sys.executable, "-B", reproduce.ROOT / program, "--help"], capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, program + run.stderr)

    def test_every_command_is_one_that_its_program_takes(self):
        for command in reproduce.sections(reproduce.PAGE.read_text()).values():
            run = subprocess.run([sys.executable, "-B", reproduce.ROOT / command[0], *command[1:], "--threads", "none"],
                                 capture_output=True, text=True)
            self.assertIn("invalid int value: 'none'", run.stderr, command)

    def test_only_the_section_that_was_measured_changes(self):
        changed = reproduce.with_section(PAGE, "sizes", "| a |\n|---|\n| 2 |\n")
        self.assertEqual(changed, PAGE.replace("| 1 |", "| 2 |"))
        self.assertEqual(reproduce.with_section(PAGE, "other", "x"), PAGE)

    def test_what_is_wrong_with_a_page(self):
        self.assertEqual(reproduce.problems(PAGE), [])
        self.assertIn("no command makes", reproduce.problems(PAGE + TABLE)[0])
        self.assertIn("no program", reproduce.problems(PAGE.replace("sizes.py", "gone.py"))[0])
        self.assertIn("no program", reproduce.problems(PAGE.replace("bench/sizes.py", "sh -c true"))[0])
        self.assertIn("two sections", reproduce.problems(PAGE + PAGE)[0])
        self.assertIn("other half", reproduce.problems(PAGE.replace("<!-- end sizes -->", ""))[0])

    def test_an_unknown_section_is_refused(self):
        run = subprocess.run([sys.executable, "-B", reproduce.__file__, "nowhere"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("there are: ", run.stderr)


if __name__ == "__main__":
    unittest.main()
