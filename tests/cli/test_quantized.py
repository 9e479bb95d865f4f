"""A model in layouts of other packages is the model that these decode to: the same logits, and the layout is named. Doubles are their
nearest floats. Three values are for weights that were trained to have no others."""

import array
import json
import random
import shutil
import struct
import unittest
import zipfile

import tiny_bitnet
import tiny_llama
from quern_program import MODEL, REPORT_TEXT, ROOT, ProgramTest, read_json, strict_json

GROUP = 32
LAYERS = 2


def half(value):
    """Rounded to binary16."""
    return struct.unpack("<e", struct.pack("<e", value))[0]


def halves(values):
    return struct.pack(f"<{len(values)}e", *values)


def words(fields, bits):
    """Fields as one stream of bits, the first in the lowest ones."""
    stream = sum(field << bits * i for i, field in enumerate(fields))
    return stream.to_bytes(len(fields) * bits // 8, "little")


def transposed(matrix):
    return [list(column) for column in zip(*matrix)]


def joined_columns(columns):
    """Words of each column, as rows of a matrix of words."""
    return b"".join(column[4 * w:4 * w + 4] for w in range(len(columns[0]) // 4) for column in columns)


class Codes:
    """Codes of 4 bits [rows][cols] with scales and zero points [rows][groups]."""

    def __init__(self, rows, cols, source):
        groups = range(cols // GROUP)
        self.rows, self.cols = rows, cols
        self.codes = [[source.randrange(16) for _ in range(cols)] for _ in range(rows)]
        self.scales = [[half(source.uniform(0.01, 0.03)) for _ in groups] for _ in range(rows)]
        self.zeros = [[source.randrange(6, 10) for _ in groups] for _ in range(rows)]

    def values(self, one):
        return [one(self.codes[r][c], self.scales[r][c // GROUP], self.zeros[r][c // GROUP])
                for r in range(self.rows) for c in range(self.cols)]


def gptq(module, rows, cols, source):
    of = Codes(rows, cols, source)
    groups = cols // GROUP
    stored = {"qweight": ("I32", [cols // 8, rows], joined_columns([words(row, 4) for row in of.codes])),
              "qzeros": ("I32", [groups, rows // 8],
                         b"".join(words([zero - 1 for zero in column], 4) for column in transposed(of.zeros))),
              "scales": ("F16", [groups, rows], b"".join(map(halves, transposed(of.scales)))),
              "g_idx": ("I32", [cols], struct.pack(f"<{cols}i", *(i // GROUP for i in range(cols))))}
    return {f"{module}.{key}": value for key, value in stored.items()}, of.values(lambda q, s, z: half((q - z) * s))


def awq(module, rows, cols, source):
    of = Codes(rows, cols, source)

    def interleaved(row):
        return b"".join(words([row[at + k] for k in (0, 2, 4, 6, 1, 3, 5, 7)], 4) for at in range(0, len(row), 8))

    stored = {"qweight": ("I32", [cols, rows // 8], b"".join(map(interleaved, transposed(of.codes)))),
              "qzeros": ("I32", [cols // GROUP, rows // 8], b"".join(map(interleaved, transposed(of.zeros)))),
              "scales": ("F16", [cols // GROUP, rows], b"".join(map(halves, transposed(of.scales))))}
    return {f"{module}.{key}": value for key, value in stored.items()}, of.values(lambda q, s, z: half((q - z) * s))


def mlx(module, rows, cols, source):
    of = Codes(rows, cols, source)
    biases = [[half(-zero * scale) for zero, scale in zip(*pair)] for pair in zip(of.zeros, of.scales)]
    of.zeros = biases
    stored = {"weight": ("U32", [rows, cols // 8], b"".join(words(row, 4) for row in of.codes)),
              "scales": ("F16", [rows, cols // GROUP], b"".join(map(halves, of.scales))),
              "biases": ("F16", [rows, cols // GROUP], b"".join(map(halves, biases)))}
    return {f"{module}.{key}": value for key, value in stored.items()}, of.values(lambda q, s, b: half(half(q * s) + b))


def e4m3(byte):
    exponent, mantissa = byte >> 3 & 15, byte & 7
    value = 2.0 ** (exponent - 7) * (1 + mantissa / 8) if exponent else 2.0 ** -6 * mantissa / 8
    return -value if byte >> 7 else value


def fp8(module, rows, cols, source):
    """Blocks of 32 x 32 under binary32 scales."""
    codes = [[source.randrange(0x30, 0x50) | source.randrange(2) << 7 for _ in range(cols)] for _ in range(rows)]
    grid = [array.array("f", (source.uniform(0.01, 0.03) for _ in range(cols // 32))) for _ in range(rows // 32)]
    stored = {"weight": ("F8_E4M3", [rows, cols], b"".join(map(bytes, codes))),
              "weight_scale_inv": ("F32", [rows // 32, cols // 32], b"".join(row.tobytes() for row in grid))}
    values = array.array("f", (e4m3(codes[r][c]) * grid[r // 32][c // 32] for r in range(rows) for c in range(cols)))
    return {f"{module}.{key}": value for key, value in stored.items()}, values


LAYOUTS = {"gptq": (gptq, "GPTQ, 4 bits, groups of 32: 14 tensors are read as f16"),
           "awq": (awq, "AWQ, 4 bits, groups of 32: 14 tensors are read as f16"),
           "mlx": (mlx, "MLX, 4 bits, groups of 32: 14 tensors are read as f16"),
           "fp8": (fp8, "FP8 (e4m3), blocks of 32 x 32: 14 tensors are read as f32")}


def file_of(tensors):
    """Name -> (dtype, shape, bytes) as a safetensors file."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return tiny_llama.safetensors(header, data)


def write_pair(folder, layout):
    """The same model as `layout` packs it, and in floats."""
    source, packed, plain = random.Random(7), {}, {}
    for name, (shape, values) in tiny_llama.weights(LAYERS).items():
        stored = {name: ("F32", shape, values.tobytes())}
        if len(shape) == 2 and "embed" not in name:
            stored, values = layout(name.removesuffix(".weight"), *shape, source)
        packed |= stored
        plain[name] = ("F32", shape, array.array("f", values).tobytes())
    return (tiny_llama.write(folder / "packed", weights_file=file_of(packed)),
            tiny_llama.write(folder / "plain", weights_file=file_of(plain)))


def read_safetensors(path):
    """Name -> (dtype, shape, bytes)."""
    content = path.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], content[begin + t["data_offsets"][0]:begin + t["data_offsets"][1]])
            for name, t in header.items()}


def write_gpt2_pair(folder, layout):
    """GPT-2, whose modules are inputs by outputs, as `layout` packs their transposes, and in floats of its own."""
    source, packed, plain = random.Random(8), {}, {}
    original = ROOT / "testdata/model/tiny-gpt2"
    for name, stored in read_safetensors(original / "model.safetensors").items():
        packed[name] = plain[name] = stored
        if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            inputs, outputs = stored[1]
            del packed[name]
            tensors, values = layout(name.removesuffix(".weight"), outputs, inputs, source)
            packed |= tensors
            plain[name] = ("F16", [inputs, outputs], b"".join(halves(values[k::inputs]) for k in range(inputs)))
    for name, tensors in (("packed", packed), ("plain", plain)):
        shutil.copytree(original, folder / name)
        (folder / name / "model.safetensors").write_bytes(file_of(tensors))
    return folder / "packed", folder / "plain"


class QuantizedInput(ProgramTest):
    def divergence(self, model, original):
        result = strict_json(self.succeed("eval", model, "--against", original, "--text", REPORT_TEXT, "--windows", "2",
                                          "--window-length", "64", "--json", "-q").stdout)
        return result["mean_kld"]["value"]

    def test_of_modules_that_are_inputs_by_outputs_is_turned_round(self):
        packed, plain = write_gpt2_pair(self.folder, gptq)
        self.assertEqual(self.divergence(packed, plain), 0)
        self.assertIn("GPTQ, 4 bits, one group a row: 6 tensors are read as f16", self.succeed("inspect", packed).stdout)
        written = {}
        for model in (packed, plain):
            self.succeed("compress", model, "-o", self.folder / f"{model.name}.out", "--scheme", "mixed", "--allow-larger")
            written[model.name] = read_safetensors(self.folder / f"{model.name}.out/model.safetensors")
        self.assertEqual(written["packed"], written["plain"])

    def test_may_have_biases_of_zeros(self):
        packed, plain = write_pair(self.folder, awq)
        tensors = read_safetensors(packed / "model.safetensors")
        biases = {f"model.layers.{i}.self_attn.{m}_proj.bias": ("F16", [n], bytes(2 * n))
                  for i in range(LAYERS) for m, n in (("q", 64), ("k", 32), ("v", 32), ("o", 64))}
        config = json.loads((packed / "config.json").read_text())
        (packed / "config.json").write_text(json.dumps(config | {"attention_bias": False, "mlp_bias": False}))
        (packed / "model.safetensors").write_bytes(file_of(tensors | biases))
        self.assertEqual(self.divergence(packed, plain), 0)
        self.assertIn("8 bias tensors of zeros", self.succeed("inspect", packed).stdout)
        self.succeed("compress", packed, "-o", self.folder / "out", "--scheme", "simple", "--allow-requantize",
                     "--allow-larger")
        self.assertFalse([name for name in read_safetensors(self.folder / "out/model.safetensors") if name.endswith(".bias")])
        name = "model.layers.1.self_attn.k_proj.bias"
        biases[name] = ("F16", [32], bytes(62) + halves([1.0]))
        (packed / "model.safetensors").write_bytes(file_of(tensors | biases))
        self.fail_with(3, ["attention_bias false", name], "eval", packed, "--text", REPORT_TEXT)

    def test_has_the_logits_of_what_its_package_decodes_it_to(self):
        for name, (layout, note) in LAYOUTS.items():
            with self.subTest(name):
                packed, plain = write_pair(self.folder / name, layout)
                result = strict_json(self.succeed("eval", packed, "--against", plain, "--text", REPORT_TEXT, "--windows", "2",
                                                  "--json", "-q").stdout)
                self.assertEqual(result["mean_kld"]["value"], 0)
                self.assertIn(note, self.succeed("inspect", packed).stdout)

    def test_is_compressed_like_any_other_and_leaves_its_configuration_behind(self):
        packed, plain = write_pair(self.folder, gptq)
        config = json.loads((packed / "config.json").read_text())
        config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": GROUP}
        (packed / "config.json").write_text(json.dumps(config))
        for model in (packed, plain):
            self.succeed("compress", model, "-o", self.folder / f"{model.name}.out", "--scheme", "lossless", "--allow-larger")
        out = json.loads((self.folder / "packed.out/config.json").read_text())
        self.assertEqual(out["quantization_config"], {"quant_method": "quern"})
        result = strict_json(self.succeed("eval", self.folder / "packed.out", "--against", plain, "--text", REPORT_TEXT, "--windows",
                                          "2", "--json", "-q").stdout)
        self.assertEqual(result["mean_kld"]["value"], 0)


class ThreeValues(ProgramTest):
    def test_are_refused_an_ordinary_model_by_every_command(self):
        words = ["tq2_0 has three values", "42 matrices", "19% of their energy", "ruins", "the scheme q3_k_s", "--allow-damage"]
        for arguments in (["compress", MODEL, "-o", self.folder / "out"], ["compress", MODEL, "-o", self.folder / "out", "--dry-run"],
                          ["plan", MODEL]):
            self.fail_with(2, words, *arguments, "--scheme", "tq2_0")
        self.assert_gone(self.folder / "out", self.folder / "out.partial")
        rules = self.folder / "map.json"
        rules.write_text(json.dumps([{"match": "re:.*mlp.up.*", "codec": "tq1_0"}]))
        self.fail_with(2, ["tq1_0 has three values", "6 matrices"], "compress", MODEL, "-o", self.folder / "out", "--scheme", "q4_k_m",
                       "--precision-map", rules)

    def test_are_given_it_where_that_is_allowed_and_the_card_says_what_it_does(self):
        self.assertIn("ruined", self.succeed("plan", MODEL, "--scheme", "tq1_0", "--allow-damage", "--json").stdout)
        self.succeed("compress", MODEL, "-o", self.folder / "out", "--scheme", "tq2_0", "--allow-damage")
        report = read_json(self.folder / "out/report.json")
        self.assertTrue([note for note in report["notes"] if note.startswith("42 matrices have three values only (tq2_0)")], report["notes"])
        errors = [t["relative_error"] for t in report["tensors"] if t["codec"] == "tq2_0"]
        self.assertLess(max(errors), 0.25)  # as the best scales lose; the largest magnitude as scale loses 0.65

    def test_hold_weights_that_were_trained_so_exactly(self):
        model = tiny_bitnet.write(self.folder / "model")
        said = self.succeed("inspect", model).stdout
        self.assertIn("ternary weights: 7 of 8 matrices have the values -s, 0 and s alone", said)
        self.assertIn("activations of 8 bits", said)
        blocks, matrices = 5 * 256 + 2 * 128, 7
        for scheme, size in (("tq2_0", blocks * 66), ("tq1_0", blocks * 54), ("i2_s", blocks * 64 + 4 * matrices), ("i2_s_rows", blocks * 64 + 4 * matrices)):
            out = self.folder / scheme
            self.succeed("compress", model, "-o", out, "--scheme", scheme)
            report = read_json(out / "report.json")
            self.assertIn(f"7 matrices have three values, and come back exactly from {scheme}", report["notes"])
            kept = [t for t in report["tensors"] if t["codec"] == scheme]
            self.assertEqual([t["relative_error"] for t in kept], [0] * 7)
            self.assertEqual(sum(t["bytes"] for t in kept), size)
            self.succeed("verify", out, "--against", model)
            self.assertIn("7 of 8 matrices", self.succeed("inspect", out).stdout)
            # Ternary types are quantized already, and going from one to the other loses nothing.
            again = self.folder / f"{scheme}.again"
            self.succeed("compress", out, "-o", again, "--precision-map", self.rules("tq1_0"), "--scheme", "f32", "--allow-larger")
            errors = [t["relative_error"] for t in read_json(again / "report.json")["tensors"] if t["codec"] == "tq1_0"]
            self.assertEqual(errors, [0] * 7)

    def rules(self, codec):
        path = self.folder / f"{codec}.json"
        path.write_text(json.dumps([{"match": "re:.*(attn_[qkvo]|attn_output|ffn_(gate|up|down)).weight", "codec": codec}]))
        return path

    def test_say_by_how_much_a_scale_is_rounded(self):
        model = tiny_bitnet.write(self.folder / "model", tiny_bitnet.weights(scale=0.1))
        self.succeed("compress", model, "-o", self.folder / "out", "--scheme", "tq2_0")
        notes = read_json(self.folder / "out/report.json")["notes"]
        self.assertTrue([n for n in notes if n.startswith("7 matrices have three values, and come back to 0.0002 of their size")], notes)

    def test_one_ordinary_matrix_among_them_is_refused(self):
        tensors = tiny_bitnet.weights()
        tensors["model.layers.0.mlp.up_proj.weight"][1][70] = 0.3
        model = tiny_bitnet.write(self.folder / "model", tensors)
        self.fail_with(2, ["1 matrix", "was not trained"], "compress", model, "-o", self.folder / "out", "--scheme", "tq1_0")


def npz(tensors):
    """Name -> (array.array, shape) as the bytes of NumPy's .npy files, by name."""
    files = {}
    for name, (values, shape) in tensors.items():
        head = repr({"descr": f"<f{values.itemsize}", "fortran_order": False, "shape": tuple(shape)}).encode()
        head += b" " * (-(len(head) + 11) % 64) + b"\n"
        files[f"{name}.npy"] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + values.tobytes()
    return files


class Doubles(ProgramTest):
    """Weights in binary64 against the same rounded to binary32."""

    def setUp(self):
        super().setUp()
        source = random.Random(9)
        self.doubles = {name: (array.array("d", (value * source.uniform(0.9, 1.1) for value in values)), shape)
                        for name, (shape, values) in tiny_llama.weights(LAYERS).items()}
        self.floats = {name: (array.array("f", values), shape) for name, (values, shape) in self.doubles.items()}

    def expect_same(self, doubles, floats, *arguments):
        for model, out in ((doubles, "doubles.out"), (floats, "floats.out")):
            self.succeed("compress", model, "-o", self.folder / out, *arguments)
        for name in sorted(path.name for path in (self.folder / "floats.out").glob("*.safetensors")):
            self.assertEqual((self.folder / "doubles.out" / name).read_bytes(), (self.folder / "floats.out" / name).read_bytes())
        notes = strict_json((self.folder / "doubles.out/report.json").read_text())["notes"]
        self.assertTrue(any("stored as f64 are read as the nearest f32" in note for note in notes), notes)

    def test_in_safetensors(self):
        folders = []
        for name, dtype, tensors in (("doubles", "F64", self.doubles), ("floats", "F32", self.floats)):
            stored = {key: (dtype, shape, values.tobytes()) for key, (values, shape) in tensors.items()}
            folders.append(tiny_llama.write(self.folder / name, weights_file=file_of(stored)))
        self.expect_same(*folders)
        result = strict_json(self.succeed("eval", folders[0], "--against", folders[1], "--text", REPORT_TEXT, "--windows", "2", "--json",
                                          "-q").stdout)
        self.assertEqual(result["mean_kld"]["value"], 0)

    def test_in_numpy_archives_of_a_model_that_is_not_known(self):
        for name, tensors in (("doubles.npz", self.doubles), ("floats.npz", self.floats)):
            with zipfile.ZipFile(self.folder / name, "w") as archive:
                for file, content in npz({f"m{i}.weight": value for i, value in enumerate(tensors.values())}).items():
                    archive.writestr(file, content)
        self.expect_same(self.folder / "doubles.npz", self.folder / "floats.npz")


if __name__ == "__main__":
    unittest.main()
