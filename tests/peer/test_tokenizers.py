"""Ids of our own tokenizers are those of the Python package tokenizers on a text of many scripts, under every kind of model and
part; and they come at more than half its speed."""

import array
import os
import pathlib
import random
import subprocess
import time
import unicodedata
import unittest

import tokenizers
from quern_program import ROOT, ProgramTest

PIPELINES = ROOT / "testdata/text/pipelines"
BYTE_LEVEL = [ROOT / f"testdata/text/{name}.tokenizer.json" for name in ("gpt2", "qwen2", "llama3", "digits")]


def is_old(character):
    """The tables of the package's parts are of different ages: characters that Unicode had in 2002 are in all of them."""
    return unicodedata.ucd_3_2_0.category(character) == unicodedata.category(character) not in ("Cn", "Cs")


def mixed_text():
    """About 250 KB of English, code, Chinese, emoji, CR LF and random characters."""
    draw = random.Random(1)
    english = (ROOT / "texts/eval.txt").read_text()[:60000]
    code = (ROOT / "tools/make_text_fixtures.py").read_text()
    chinese = "".join(chr(draw.choice([draw.randint(0x4E00, 0x9FA5), 0x3002, 0xFF0C, 0x20, 0x3042])) for _ in range(12000))
    emoji = "".join(draw.choice(["\U0001f600", "\u2764\ufe0f", "\U0001f468\u200d\U0001f469", " ", "a", "\n", "1"]) for _ in range(5000))
    anything = "".join(chr(draw.choice([draw.randint(0x20, 0x7E), draw.randint(0xA0, 0x1FFF), draw.randint(0x2000, 0x33FF),
                                        draw.randint(0xF900, 0x1FFFF), 9, 10, 13, 0x20, 0x20])) for _ in range(40000))
    return english + code + chinese + emoji + english[:20000].replace("\n", "\r\n") + "".join(filter(is_old, anything))


class Tokenizers(ProgramTest):
    def test_ids_and_speed(self):
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        program = pathlib.Path(os.environ["PRINT_TOKENS"])
        text = mixed_text()
        file = self.folder / "text.txt"
        file.write_bytes(text.encode())
        ours = theirs = 0.0
        for path in [*BYTE_LEVEL, *sorted(PIPELINES.glob("*_*.json"))]:
            if path.name == "golden_ids.json":
                continue
            with self.subTest(tokenizer=path.name):
                package = tokenizers.Tokenizer.from_file(str(path))
                start = time.perf_counter()
                wanted = package.encode(text, add_special_tokens=False).ids
                theirs += time.perf_counter() - start
                result = subprocess.run([program, path, file], capture_output=True, check=True)
                self.assertEqual(list(array.array("i", result.stdout)), wanted)
                ours += float(result.stderr)
        self.assertLess(ours, 2 * theirs)


if __name__ == "__main__":
    unittest.main()
