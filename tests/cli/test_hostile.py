"""The scripts of tools/hostile can fail: a program that finds nothing, crashes or says nothing useful is told from this one."""

import subprocess
import sys
import unittest

from quern_program import QUERN, ROOT, ProgramTest

SCRIPT = ROOT / "tools/hostile/run.py"


class Hostile(ProgramTest):
    def broken(self, part, case, count=6):
        """What is said of a program that does `case` (a branch of a shell's case) and is Quern otherwise."""
        program = self.folder / "quern"
        program.write_text(f'#!/bin/sh\ncase "$1" in\n{case}\nesac\nexec {QUERN} "$@"\n')
        program.chmod(0o755)
        done = subprocess.run([sys.executable, "-B", SCRIPT, "--quern", program, "--part", part, "--count", str(count), "--found", self.folder / "found"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        for path in self.folder.glob("found/*/*"):
            self.assertTrue((path / "what-happened.txt").exists(), path)
        self.assertTrue(list(self.folder.glob("found/*/*")))
        return done.stdout

    def test_a_program_that_finds_everything_well(self):
        case = 'verify) echo "all well"; exit 0;;'
        self.assertIn("not found: flip_in_a_tensor", self.broken("corruptions", case))
        self.assertIn("not found against the original: edit_a_tensor", self.broken("double-edits", case, count=5))

    def test_a_program_that_names_no_tensor(self):
        self.assertIn("the tensor is not named", self.broken("corruptions", 'verify) echo "something is wrong"; exit 7;;'))

    def test_a_program_that_is_always_alarmed(self):
        self.assertIn("a false alarm", self.broken("untouched", "verify) exit 7;;", count=1))

    def test_a_program_that_crashes(self):
        said = self.broken("mutations", "inspect|eval|run) kill -SEGV $$;;", count=40)
        self.assertIn("signal 11", said)


if __name__ == "__main__":
    unittest.main()
