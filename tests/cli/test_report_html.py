"""report.html in a real browser: it runs without an error, shows the figures of report.json, fetches nothing, and can be read at
every width, in light, dark and print."""

import itertools
import os
import pathlib
import re
import unittest

import tiny_llama
from browser import CHROMIUM, Browser
from quern_program import CALIBRATED, REPORTED, ProgramTest, compress, read_json, run

LAYOUT = pathlib.Path(__file__).with_name("page_layout.js").read_text()
PAPER = 718  # pixels between the margins of A4
SCREENS = [(width, scheme, "screen") for width, scheme in itertools.product((390, 768, 1280), ("light", "dark"))]
PRINTS = [(PAPER, scheme, "print") for scheme in ("light", "dark")]


class BrowserTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        if not CHROMIUM:
            assert "QUERN_REQUIRE_CHROMIUM" not in os.environ, "chromium is required here"
            raise unittest.SkipTest("chromium is not installed")
        super().setUpClass()
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def open(self, page, *view):
        self.browser.open(page, *view)
        self.assertEqual(self.browser.complaints(), [])


class ReportHtml(BrowserTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.package = compress(cls.class_folder / "out", "--scheme", "q4_k_m", *CALIBRATED, *REPORTED,
                               "--gate-windows", "2", "--max-kld", "1")

    def test_browser_shows_the_figures(self):
        self.open(self.package / "report.html", 1280)
        text, report = self.browser.evaluate("document.documentElement.textContent"), read_json(self.package / "report.json")
        self.assertIn(f"{report['output_bytes']:,}", text)
        for name, digits in (("perplexity", 3), ("mean_kld", 5), ("kld_99", 4)):
            self.assertIn(f"{report['quality'][name]['value']:.{digits}f}", text)
        self.assertIn("The quality bound was met", text)
        self.assertTrue(self.browser.evaluate("document.querySelector('[data-tip]') !== null"), "the script moves the titles")
        for tensor in report["tensors"]:
            self.assertIn(tensor["tensor"], text)

    def test_console_errors_are_noticed(self):
        page = self.folder / "broken.html"
        page.write_text("<script>missing.call()</script>")
        with self.assertRaises(AssertionError):
            self.open(page, 1280)

    def test_nothing_is_fetched(self):
        page = (self.package / "report.html").read_text()
        self.assertEqual(re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"'\s>]*)", page), ["data:,"])
        self.assertNotRegex(page, r"https?://")

    def test_the_switch_changes_colours(self):
        self.open(self.package / "report.html", 390, "light")
        ground = "getComputedStyle(document.body).backgroundColor"
        before = self.browser.evaluate(ground)
        self.browser.evaluate("document.getElementById('scheme').click()")
        self.assertNotEqual(self.browser.evaluate(ground), before)


class ReportLayout(BrowserTest):
    """Nothing cut, overlapping, off the page or too faint."""

    def check(self, page, views=SCREENS + PRINTS):
        for view in views:
            for opened in ("false", "true"):
                with self.subTest(page=page.parent.name, view=view, lists_opened=opened):
                    self.open(page, *view)
                    self.browser.evaluate(f"document.querySelectorAll('details').forEach(list => list.open = {opened})")
                    found = self.browser.evaluate(LAYOUT)
                    self.assertEqual(found["problems"][:10], [])
                    self.assertGreater(found["texts"], 20)
                    self.assertEqual(self.beyond_the_page("#figures"), 0, "the figures need no scrolling")

    def beyond_the_page(self, section):
        """How many cells of a section are not within the width of the page."""
        return self.browser.evaluate(f"[...document.querySelectorAll('{section} td')].filter(cell => "
                                     "cell.getBoundingClientRect().right > document.documentElement.clientWidth + 1).length")

    def test_of_a_measured_model_that_met_its_bound(self):
        self.check(compress(self.folder / "out", "--scheme", "q4_k_m", *CALIBRATED, *REPORTED, "--gate-windows", "2", "--max-kld",
                            "1") / "report.html")

    def test_of_a_model_made_for_a_size(self):
        package = compress(self.folder / "out", "--target-size", "5MB", *CALIBRATED, *REPORTED, "--gate-windows", "2")
        self.check(package / "report.html", [(390, "light", "screen"), (768, "dark", "screen"), PRINTS[0]])

    def test_of_a_rejected_model(self):
        run("compress", tiny_llama.write(self.folder / "tiny"), "-o", self.folder / "out", "--scheme", "q4_k_m", *CALIBRATED,
            "--gate-windows", "2", "--max-kld", "1e-9", "--max-trials", "2")
        self.check(self.folder / "out.rejected/report.html", [(390, "dark", "screen"), (1280, "light", "screen"), PRINTS[0]])

    def test_of_a_chain(self):
        chain = compress(self.folder / "out", "--stages", "hyper,bitnet", *CALIBRATED, *REPORTED, "--gate-windows", "2")
        self.check(chain / "chain.html", [(390, "light", "screen"), (768, "dark", "screen"), (1280, "light", "screen"), PRINTS[0]])

    def test_of_many_tensors_with_names_of_every_kind(self):
        """400 tensors that no architecture recognises, so that nothing of quality is measured."""
        kinds = ["layer.{}.weight", "<b>bold</b>&amp;{}", "x" * 300 + "{}", "\u0645\u062f\u0644 \u05d0\u05d1.{}", "\u202e{}\x1b[31m", "a b\n{}", "</script><script>1{}"]
        shape, values = tiny_llama.weights()["model.layers.0.mlp.up_proj.weight"]
        tensors = {kinds[i % len(kinds)].format(i): (shape, values) for i in range(400)}
        model = self.folder / ("m" + "y" * 200)
        model.mkdir()
        (model / "model.safetensors").write_bytes(tiny_llama.safetensors(tiny_llama.header_of(tensors), tiny_llama.data_of(tensors)))
        package = compress(self.folder / "out", "--scheme", "simple", model=model)
        self.check(package / "report.html", [(390, "light", "screen"), (768, "dark", "screen"), (1280, "light", "screen"), PRINTS[0]])

    def test_faults_are_noticed(self):
        page = self.folder / "faults.html"
        page.write_text("<meta name='viewport' content='width=device-width'><style>p { position: absolute; margin: 0 } </style><p style='left: 5px; top: 5px'>first</p><p style='left: 9px; top: 8px'>second</p>"
                        "<p style='left: 380px; top: 60px; width: 90px'>outside</p><p style='top: 90px; color: #aaa'>faint</p>"
                        "<p style='top: 130px; width: 20px; overflow: hidden; white-space: nowrap'>a long text</p>")
        self.browser.open(page, 390)
        found = " ".join(self.browser.evaluate(LAYOUT)["problems"])
        for words in ('"first" and "second" overlap', '"outside" is off the page', '"faint" has a contrast of 2.3', '"a long text" is cut'):
            self.assertIn(words, found)


if __name__ == "__main__":
    unittest.main()
