"""What the tests of this folder share: where the decoders are, and packages with one plane changed."""

import json
import pathlib
import shutil
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/cli"), str(ROOT / "tools/decoders")]

import planes
from quern_program import ProgramTest


class DecoderTest(ProgramTest):
    def changed(self, package, plane, change):
        """A copy of the package in which `change` was made to the bytes of a tensor that ends so."""
        copy = self.folder / "changed"
        shutil.copytree(package, copy, dirs_exist_ok=True)
        data = bytearray((copy / "model.safetensors").read_bytes())
        start = 8 + struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:start])
        begin, end = next(t["data_offsets"] for name, t in header.items() if name.endswith(plane))
        data[start + begin:start + end] = change(data[start + begin:start + end])
        (copy / "model.safetensors").write_bytes(data)
        return copy

    def hold_every_weight(self, decoder, package, floats, codecs):
        """What the decoder gives is what quern made of the package in `floats`, in every one of the formats."""
        tensors, expected = planes.read_tensors(package), planes.read_tensors(floats)
        coded = decoder.coded_tensors(tensors)
        self.assertEqual(sorted(coded.values()), sorted(codecs))
        for name, codec in coded.items():
            self.assertEqual(decoder.decode(tensors, name, codec).tobytes(), expected[name], f"{name} {codec}")
        return tensors, coded
