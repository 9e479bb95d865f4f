"""The table of README.md that says what is read is true: every line whose program is installed is measured again."""

import pathlib
import re
import sys
import unittest

from quern_program import QUERN, ROOT, shared

sys.path.insert(0, str(ROOT / "tools"))
import reading_oracles  # noqa: E402
import reading_rows  # noqa: E402
import reading_table  # noqa: E402


def without_versions(line):
    """Programs of another version read the same."""
    return re.sub(r" \d+(\.\d+)+", "", line)


class Reading(unittest.TestCase):
    def test_the_table_is_what_is_measured(self):
        shared("real")
        pages = {path: path.read_text() for path in reading_table.HEADS}
        for path, table in reading_table.tables(pathlib.Path(QUERN), pages).items():
            self.assertEqual(without_versions(reading_table.SECTION.search(pages[path])[2]), without_versions(table), path.name)

    def test_a_difference_is_seen(self):
        folder = ROOT / "testdata/packed/awq"
        wanted = reading_oracles.beside(folder)
        read = {name: values + 0 for name, values in wanted.items()}
        next(iter(read.values())).flat[3] += 0.5
        self.assertAlmostEqual(reading_rows.difference(wanted, read, folder)[1], 0.5, places=2)
        with self.assertRaisesRegex(RuntimeError, "is not read"):
            reading_rows.difference(wanted, {}, folder)


if __name__ == "__main__":
    unittest.main()
