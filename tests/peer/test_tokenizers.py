"""Ids of our own tokenizers are those of the Python package tokenizers on a text of many scripts, under every kind of model and
part; and they come at more than half its speed. QUERN_LONG_TEXT=1 in the environment takes 1 MB in place of 180 KB, which takes
some minutes."""

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


def mixed_text(times):
    """About 180 KB, so many times, of English, code, Chinese, emoji, CR LF, broken UTF-8 and random characters."""
    draw = random.Random(1)
    english = "".join((ROOT / f"texts/{name}.txt").read_text() for name in ("eval", "calib"))[:60000 * times]
    code = "".join(path.read_text() for path in sorted((ROOT / "tools").glob("make_*.py")))[:8000 * times]
    chinese = "".join(chr(draw.choice([draw.randint(0x4E00, 0x9FA5), 0x3002, 0xFF0C, 0x20, 0x3042])) for _ in range(12000 * times))
    emoji = "".join(draw.choice(["\U0001f600", "\u2764\ufe0f", "\U0001f468\u200d\U0001f469", " ", "a", "\n", "1"])
                    for _ in range(5000 * times))
    broken = bytes(draw.choice([draw.randint(0x80, 0xFF), draw.randint(0x20, 0x7E), 0x20]) for _ in range(2000 * times))
    anything = "".join(chr(draw.choice([draw.randint(0x20, 0x7E), draw.randint(0xA0, 0x1FFF), draw.randint(0x2000, 0x33FF),
                                        draw.randint(0xF900, 0x1FFFF), 9, 10, 13, 0x20, 0x20])) for _ in range(40000 * times))
    return "".join([english, code, chinese, emoji, english[:20000 * times].replace("\n", "\r\n"),
                    "".join(filter(is_old, broken.decode(errors="replace"))), "".join(filter(is_old, anything))])


class Tokenizers(ProgramTest):
    def test_ids_and_speed(self):
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        program = pathlib.Path(os.environ["PRINT_TOKENS"])
        text = mixed_text(6 if os.environ.get("QUERN_LONG_TEXT") else 1)
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
