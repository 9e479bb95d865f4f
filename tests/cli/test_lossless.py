"""The scheme lossless: every bit comes back, through every command, and damage is named."""

import json
import shutil
import struct
import unittest

from quern_program import CALIBRATED, MODEL, REPORT_TEXT, ROOT, ProgramTest, compress, model_files, read_json, sha256, strict_json

ALL_BF16 = '[{"match": "*", "codec": "bf16"}]'
WINDOWS = ["--text", REPORT_TEXT, "--windows", "2"]


def header_of(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + length]), 8 + length, data


def values(path):
    """Name -> (dtype, shape, bytes) of a plain safetensors file."""
    header, start, data = header_of(path)
    return {name: (t["dtype"], t["shape"], data[start + t["data_offsets"][0]:start + t["data_offsets"][1]])
            for name, t in header.items() if name != "__metadata__"}


class Lossless(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.package = compress(cls.class_folder / "lossless", "--scheme", "lossless", "-q")

    def changed(self, plane, change):
        """A copy of the package in which `change` was made to the bytes of one plane."""
        copy = self.folder / "changed"
        shutil.copytree(self.package, copy, dirs_exist_ok=True)
        header, start, data = header_of(copy / "model.safetensors")
        begin, end = header[f"model.layers.0.mlp.up_proj.weight.lossless_bf16.{plane}"]["data_offsets"]
        data = bytearray(data)
        data[start + begin:start + end] = change(bytearray(data[start + begin:start + end]))
        (copy / "model.safetensors").write_bytes(data)
        return copy

    def test_is_smaller_and_says_by_how_much(self):
        report = read_json(self.package / "report.json")
        self.assertEqual(report["contents"], "lossless")
        weights = (self.package / "model.safetensors").stat().st_size
        self.assertLess(weights, 0.70 * (MODEL / "model.safetensors").stat().st_size)
        self.assertEqual(report["output_bytes"], sum(path.stat().st_size for path in model_files(self.package)))
        self.assertEqual(json.loads((self.package / "config.json").read_text())["quantization_config"], {"quant_method": "quern"})

    def test_plan_bytes_are_those_in_the_file(self):
        listed = {t["name"]: t["bytes"] for t in strict_json(self.succeed("inspect", self.package, "--tensors", "--json").stdout)["tensors"]}
        plan = read_json(self.package / "manifest.json")["plan"]
        self.assertEqual({step["output"]: step["bytes"] for step in plan["steps"]}, listed)
        self.assertIn("lossless_bf16", {step["codec"] for step in plan["steps"]})

    def test_every_bit_comes_back(self):
        (self.folder / "map.json").write_text(ALL_BF16)
        back = compress(self.folder / "back", "--precision-map", self.folder / "map.json", "--allow-larger", "-q", model=self.package)
        self.assertEqual(values(back / "model.safetensors"), values(MODEL / "model.safetensors"))

    def test_the_divergence_is_nothing(self):
        result = strict_json(self.succeed("eval", self.package, "--against", MODEL, *WINDOWS, "--json").stdout)
        self.assertEqual(result["mean_kld"]["value"] if isinstance(result["mean_kld"], dict) else result["mean_kld"], 0)

    def test_verify_inspect_and_run(self):
        self.succeed("verify", self.package, "--against", MODEL, "--every", 1)
        self.assertIn("lossless_bf16", self.succeed("inspect", self.package).stdout)
        ask = ("--prompt", "The", "--tokens", "8", "--temperature", "0")
        self.assertEqual(self.succeed("run", self.package, *ask).stdout, self.succeed("run", MODEL, *ask).stdout)

    def test_a_plan_says_that_sizes_are_estimates(self):
        said = self.succeed("plan", MODEL, "--scheme", "lossless", "--json").stdout
        forecast = strict_json(said)["forecast"]
        self.assertTrue([note for note in forecast["notes"] if "are estimates" in note], forecast["notes"])
        self.assertIn("about", self.succeed("compress", MODEL, "-o", self.folder / "out", "--scheme", "lossless", "--dry-run").stdout)
        self.assertAlmostEqual(forecast["model_bytes"] / read_json(self.package / "report.json")["output_bytes"], 1, delta=0.03)

    def test_a_plan_of_the_package_gives_the_same_bytes(self):
        again = compress(self.folder / "again", "--plan", self.package / "manifest.json", "-q")
        self.assertEqual(sha256(again / "model.safetensors"), sha256(self.package / "model.safetensors"))

    def test_the_package_gives_what_its_source_gives(self):
        """Compressed once more, with a text too."""
        for arguments in (["--scheme", "lossless"], ["--scheme", "q4_k_m", *CALIBRATED]):
            files = [model_files(compress(self.folder / f"{name}{len(arguments)}", *arguments, "-q", model=model))
                     for name, model in (("a", MODEL), ("b", self.package))]
            weights = [[sha256(path) for path in some if path.suffix != ".json"] for some in files]
            if arguments[1] == "lossless":
                self.assertEqual(*weights)
            else:  # the GGUF holds the name of the folder
                self.assertEqual([len(some) for some in weights], [1, 1])

    def test_gguf_cannot_hold_it(self):
        self.fail_with(4, ["gguf cannot hold", "lossless"], "compress", MODEL, "-o", self.folder / "out", "--scheme", "lossless", "--format",
                       "gguf")

    def test_damaged_planes_are_named(self):
        def far(offsets):
            offsets[8 * 3:8 * 4] = struct.pack("<Q", 1 << 50)
            return offsets

        for plane, change in (("offsets", far), ("offsets", lambda o: o[8:16] + o[8:]), ("table", lambda t: bytes(len(t))),
                              ("rows", lambda r: bytes(len(r)))):
            copy = self.changed(plane, change)
            done = self.fail_with(3, ["model.layers.0.mlp.up_proj.weight"], "eval", copy, "--against", MODEL, *WINDOWS)
            self.assertNotIn("nan", done.stderr.lower())

    def test_a_truncated_file_is_refused(self):
        copy = self.folder / "short"
        shutil.copytree(self.package, copy)
        data = (copy / "model.safetensors").read_bytes()
        (copy / "model.safetensors").write_bytes(data[:-1000])
        self.fail_with(3, ["model.safetensors"], "inspect", copy)

    def test_a_missing_plane_is_named(self):
        copy = self.folder / "missing"
        shutil.copytree(self.package, copy)
        data = (copy / "model.safetensors").read_bytes()
        name = b"model.layers.0.mlp.up_proj.weight.lossless_bf16.offsets"
        (copy / "model.safetensors").write_bytes(data.replace(name, name[:-1] + b"z", 1))
        self.fail_with(3, ["offsets is missing"], "inspect", copy)


class Floats(ProgramTest):
    def test_each_kind_of_float_comes_back_in_every_architecture(self):
        # Rows as short as theirs stay as they are unless a map says otherwise.
        for name in ("tiny-llama-bias", "tiny-mixtral", "tiny-gpt2", "tiny-mamba"):
            source = ROOT / "testdata/runtime" / name
            for kind in ("f32", "f16", "bf16"):
                rules, coded, folder = self.folder / f"{kind}.json", self.folder / f"{kind}-coded.json", self.folder / f"{name}-{kind}"
                rules.write_text(json.dumps([{"match": "*", "codec": kind}]))
                coded.write_text(json.dumps([{"match": "*", "codec": f"lossless_{kind}"}]))
                plain = compress(folder / "plain", "--precision-map", rules, "--allow-larger", "-q", model=source)
                package = compress(folder / "lossless", "--scheme", "lossless", "--precision-map", coded, "-q", model=plain)
                self.assertEqual({step["codec"] for step in read_json(package / "manifest.json")["plan"]["steps"]}, {f"lossless_{kind}"})
                self.succeed("verify", package, "--against", plain, "--every", 1)
                by_scheme = compress(folder / "scheme", "--scheme", "lossless", "-q", model=plain)
                codecs = {step["codec"] for step in read_json(by_scheme / "manifest.json")["plan"]["steps"]}
                self.assertLessEqual(codecs, {f"lossless_{kind}", kind})
                back = compress(folder / "back", "--precision-map", rules, "--allow-larger", "-q", model=package)
                self.assertEqual(values(back / "model.safetensors"), values(plain / "model.safetensors"), name)


if __name__ == "__main__":
    unittest.main()
