"""report.html in a real browser: it runs without an error, shows the figures of report.json, and fetches nothing."""

import html
import os
import re
import shutil
import subprocess
import unittest

from quern_program import CALIBRATED, REPORTED, ProgramTest, compress, read_json

CHROMIUM = shutil.which("chromium")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0", "--dump-dom"]


class ReportHtml(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.package = compress(cls.class_folder / "out", "--scheme", "q4_k_m", *CALIBRATED, *REPORTED,
                               "--gate-windows", "2", "--max-kld", "1")

    def dom(self, page):
        """The document after its script ran. Fails on anything that the page told the console."""
        if not CHROMIUM:
            self.assertNotIn("QUERN_REQUIRE_CHROMIUM", os.environ, "chromium is required here")
            self.skipTest("chromium is not installed")
        done = subprocess.run([CHROMIUM, *OPTIONS, f"--user-data-dir={self.folder}/profile", page.as_uri()],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr[-600:])
        self.assertEqual([line for line in done.stderr.splitlines() if "CONSOLE" in line], [])
        return html.unescape(done.stdout)

    def test_browser_shows_the_figures(self):
        dom, report = self.dom(self.package / "report.html"), read_json(self.package / "report.json")
        self.assertIn(f"{report['output_bytes']:,}", dom)
        for name, digits in (("perplexity", 3), ("mean_kld", 5), ("kld_99", 4)):
            self.assertIn(f"{report['quality'][name]['value']:.{digits}f}", dom)
        self.assertIn("The quality bound was met", dom)
        self.assertIn("data-tip=", dom, "the script moves the titles")
        for tensor in report["tensors"]:
            self.assertIn(tensor["tensor"], dom)

    def test_console_errors_are_noticed(self):
        page = self.folder / "broken.html"
        page.write_text("<script>missing.call()</script>")
        with self.assertRaises(AssertionError):
            self.dom(page)

    def test_nothing_is_fetched(self):
        page = (self.package / "report.html").read_text()
        self.assertEqual(re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"'\s>]*)", page), ["data:,"])
        self.assertNotRegex(page, r"https?://")


if __name__ == "__main__":
    unittest.main()
