"""--json of every command is what docs/json says of it, and no more."""

import json
import os
import unittest

import tiny_llama
from quern_program import CALIBRATION_TEXT, MODEL, REPORT_TEXT, ROOT, ProgramTest, run, strict_json

try:
    import jsonschema
except ImportError:
    if os.environ.get("QUERN_REQUIRE_SHARED"):
        raise
    jsonschema = None

SCHEMAS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "docs/json").glob("*.json")}
LISTS = ("schemes", "formats", "layouts", "architectures", "codecs")
TEXTS = ["--calib", CALIBRATION_TEXT, "--calib-windows", "2", "--gate-windows", "1", "--optimizer", "weighted"]


@unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
class Schemas(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tiny = tiny_llama.write(cls.class_folder / "tiny")
        cls.package = cls.class_folder / "package"

    def validator(self, name):
        jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
        return jsonschema.Draft202012Validator(SCHEMAS[name])

    def hold(self, name, *arguments, code=0):
        done = run(*arguments, "--json", *([] if arguments[0] in (*LISTS, "inspect") else ["-q"]))
        self.assertEqual(done.returncode, code, done.stderr[-600:])
        result = strict_json(done.stdout)
        errors = [f"{error.json_path}: {error.message[:200]}" for error in self.validator(name).iter_errors(result)]
        self.assertEqual(errors, [], name)
        self.refuse_others(name, result)
        return result

    def refuse_others(self, name, result):
        """A schema that takes anything would say nothing."""
        self.assertFalse(self.validator(name).is_valid(dict(result, unheard_of=1)))
        for member in SCHEMAS[name]["required"]:
            self.assertFalse(self.validator(name).is_valid({key: value for key, value in result.items() if key != member}), member)

    def test_every_command_has_one(self):
        with_json = [line.split()[0] for line in self.succeed("--help").stdout.split("\n\n")[1].split("\n")
                     if "--json" in self.succeed(line.split()[0], "--help").stdout]
        self.assertGreater(len(with_json), 10)
        self.assertEqual(set(SCHEMAS), {*with_json, "compress-dry-run", "compress-chain", "error"})

    def test_lists(self):
        for name in LISTS:
            self.hold(name, name)

    def test_inspect(self):
        self.hold("inspect", "inspect", MODEL)
        self.hold("inspect", "inspect", self.tiny, "--tensors")
        (self.tiny / "config.json").rename(self.tiny / "config.other")
        self.addCleanup((self.tiny / "config.other").rename, self.tiny / "config.json")
        self.hold("inspect", "inspect", self.tiny)

    def test_compress(self):
        self.hold("compress-dry-run", "compress", MODEL, "-o", self.package, "--dry-run", "--scheme", "q4_k_m")
        self.hold("compress-dry-run", "compress", MODEL, "-o", self.package, "--dry-run", *TEXTS, "--scheme", "q4_k_m", "--target-size", "5MB")
        report = self.hold("compress", "compress", MODEL, "-o", self.package, "--scheme", "q4_k_m", *TEXTS, "--max-kld", "1",
                           "--report-text", REPORT_TEXT, "--report-windows", "1", "--target-size", "5MB")
        self.assertEqual(report, strict_json((self.package / "report.json").read_text()))
        self.hold("compress", "compress", self.tiny, "-o", self.folder / "plain")
        missed = self.hold("compress", "compress", MODEL, "-o", self.folder / "missed", "--scheme", "q4_k_m", *TEXTS, "--max-kld", "0",
                           "--max-trials", "1", code=5)
        self.assertIs(missed["accepted"], False)
        self.hold("verify", "verify", self.package)
        weights = next(self.package.glob("*.gguf"))
        weights.write_bytes(weights.read_bytes()[:-64] + bytes(64))
        self.assertIs(self.hold("verify", "verify", self.package, code=7)["ok"], False)

    def test_chain(self):
        chain = self.hold("compress-chain", "compress", MODEL, "-o", self.folder / "chain", "--stages", "hyper,bitnet", "--report-text", REPORT_TEXT,
                          "--report-windows", "1")
        self.assertEqual(chain, strict_json((self.folder / "chain/chain.json").read_text()))
        self.assertEqual([stage["stage"] for stage in chain["stages"]], ["hyper", "bitnet"])

    def test_plan(self):
        self.hold("plan", "plan", self.tiny)
        self.hold("plan", "plan", MODEL, "--scheme", "q4_k_m", *TEXTS, "--survey-passes", "8")

    def test_measurements(self):
        few = ["--text", REPORT_TEXT, "--windows", "2"]
        self.hold("eval", "eval", MODEL, *few)
        self.hold("eval", "eval", MODEL, *few, "--against", MODEL)
        self.hold("run", "run", MODEL, "-p", "The", "-n", "2")
        self.hold("bench", "bench", MODEL, "--prompt-tokens", "2", "-n", "1", "--repeats", "1")

    def test_errors(self):
        for code, arguments in ((2, ["compres"]), (2, ["plan", MODEL, "--scheme", "none"]), (3, ["inspect", self.folder / "none"]),
                                (3, ["run", self.folder / "none"]), (7, ["verify", self.folder])):
            self.hold("error", *arguments, code=code)


if __name__ == "__main__":
    unittest.main()
