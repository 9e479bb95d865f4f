"""schemes, formats, layouts, architectures, codecs: every row of a table is listed, in one line and as JSON."""

import re
import unittest

import tiny_llama
from quern_program import ROOT, ProgramTest, strict_json

LISTS = ("schemes", "formats", "layouts", "architectures", "codecs")


class Lists(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        test = cls()
        cls.rows = {name: strict_json(test.succeed(name, "--json").stdout)[name] for name in LISTS}

    def names(self, listed):
        return [row["name"] for row in self.rows[listed]]

    def runTest(self):
        pass

    def test_a_line_for_each_row_says_all_of_it(self):
        for name in LISTS:
            lines = self.succeed(name).stdout.split("\n")
            self.assertEqual([line.split(" ")[0] for line in lines[1:lines.index("")]], self.names(name))
            for row, line in zip(self.rows[name], lines[1:]):
                self.assertLessEqual(len(line), 132, line)
                self.assertIn(row["summary"], line)
                for member in ("models", "loaded_by", "format"):
                    self.assertIn(row.get(member, ""), line)

    def test_every_summary_is_one_plain_line(self):
        for name in LISTS:
            for row in self.rows[name]:
                self.assertRegex(row["summary"], r"^[^\n]{6,}[^.\n]$", row["name"])

    def test_lists_agree_with_each_other(self):
        holders = {codec["name"]: codec["formats"] for codec in self.rows["codecs"]}
        for scheme in self.rows["schemes"]:
            self.assertIn(scheme["format"], self.names("formats"))
        for row in self.rows["formats"]:
            self.assertTrue(row["read"] or row["written"])
            self.assertEqual(row["codecs"], [codec for codec in holders if row["name"] in holders[codec]])
            self.assertEqual(bool(row["codecs"]), row["written"])
        for codec in self.rows["codecs"]:
            self.assertTrue(codec["formats"], codec["name"])
        bits = [codec["bits_per_weight"] for codec in self.rows["codecs"]]
        self.assertEqual(bits, sorted(bits, reverse=True))

    def test_every_codec_is_in_the_documentation(self):
        documented = set(re.findall(r"`(\w+)`", (ROOT / "docs/index.md").read_text()))
        self.assertLessEqual(set(self.names("codecs")), documented)

    def test_readme_says_how_everything_that_is_read_was_checked(self):
        table = re.search(r"<!-- begin reading: .*?-->(.*?)<!-- end reading -->", (ROOT / "README.md").read_text(), re.S)[1]
        checked = {name for line in table.splitlines() for name in re.findall(r"`([^`]+)`", line.split("|")[1] if "|" in line else "")}
        for listed, row in [(listed, row) for listed in ("formats", "layouts") for row in self.rows[listed]]:
            if row.get("read", True):
                self.assertIn(row["name"], checked, f"a name of `quern {listed}` without a line: tools/reading_rows.py")

    def test_schemes_and_formats_are_those_that_compress_takes(self):
        tiny = tiny_llama.write(self.folder / "tiny")
        for name, listed in (("--scheme", "schemes"), ("--format", "formats")):
            refused = self.fail_with(2, ["did you mean"], "compress", tiny, "-o", self.folder / "out", name, "none of these at all")
            for offered in re.search(r"did you mean:? ([^?\n]*)", refused.stderr)[1].split(", "):
                self.assertIn(offered, self.names(listed))


if __name__ == "__main__":
    unittest.main()
