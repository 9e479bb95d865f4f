"""Names, tokens, metadata, templates and texts of other people: nothing of them steers a terminal, a page or a card."""

import html.parser
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import time

import tiny_llama
from gguf_layout import ALIGNMENT, Layout
from quern_program import QUERN, REPORT_TEXT, ROOT, ProgramTest, compress, run, strict_json

# Controls of both sets, marks of direction, separators, what has no width; as one range a kind, written from the standard.
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")
HOSTILE = "\x1b[31m\u202e\u2066\u009b\u200b|`</script><img src=x onerror=alert(1)>*_[a](b)\n# x\x7f\u061c"
PROGRESS = "\r\x1b[K"  # the program's own
PATIENCE = 120  # seconds for a command


def on_terminal(*arguments):
    """(exit code, what a terminal of 80 columns was sent by standard output and standard error together)."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([QUERN, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    sent, end = b"", time.monotonic() + PATIENCE
    while time.monotonic() < end and select.select([ours], [], [], PATIENCE)[0]:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        sent += piece
    os.close(ours)
    return process.wait(PATIENCE), sent.replace(b"\r\n", b"\n")


def safe_name(text):
    """As a name of a file: without what no file system takes."""
    return text.replace("/", "").replace("\x00", "")


def gguf_with(path, pairs, renamed):
    """The GGUF with more texts in its metadata, and names of tensors replaced by others of the same length in bytes."""
    layout = Layout(path)
    magic, version, tensors, count = struct.unpack_from("<4sIQQ", layout.raw)
    text = lambda value: struct.pack("<Q", len(value)) + value
    added = b"".join(text(key) + struct.pack("<I", 8) + text(value) for key, value in pairs)
    infos = layout.raw[layout.infos:layout.infos_end]
    for old, new in renamed:
        assert len(old) == len(new) and infos.count(text(old)) == 1
        infos = infos.replace(text(old), text(new))
    head = struct.pack("<4sIQQ", magic, version, tensors, count + len(pairs)) + added + layout.raw[layout.kv:layout.infos] + infos
    path.write_bytes(head + b"\0" * (-len(head) % ALIGNMENT) + layout.raw[layout.data:])


def hostile_llama(folder):
    """A model that runs, with hostile text in everything beside its weights."""
    source = ROOT / "testdata/model/tiny-qwen3"
    folder.mkdir()
    shutil.copy(source / "model.safetensors", folder)
    config = json.loads((source / "config.json").read_text()) | {"_name_or_path": HOSTILE, "hostile" + HOSTILE: HOSTILE}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        token["content"] = HOSTILE + str(token["id"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": HOSTILE, "pad_token": HOSTILE}))
    quoted = json.dumps(HOSTILE)
    (folder / "README.md").write_text(f"---\nlicense: {quoted}\nbase_model: {quoted}\ntags:\n- {quoted}\n---\n# {HOSTILE}\n")
    (folder / ("LICENSE" + safe_name(HOSTILE) + ".txt")).write_bytes(HOSTILE.encode() + b"\xff\xfe\x00")
    (folder / "LICENSE").write_bytes(b"\x00\xff\x1b[31m" * 20)
    return folder


def hostile_tensors(folder):
    """Of no known architecture: names of tensors, and what __metadata__ says."""
    values = tiny_llama.weights()
    tensors = {f"part{i}.{HOSTILE}.{name}": value for i, (name, value) in enumerate(values.items())}
    tensors["\u05d0\u0645" * 40 + "x" * 400] = values["model.layers.0.mlp.up_proj.weight"]
    folder.mkdir()
    header = {"__metadata__": {"format": "pt", HOSTILE: HOSTILE}} | tiny_llama.header_of(tensors)
    (folder / "model.safetensors").write_bytes(tiny_llama.safetensors(header, tiny_llama.data_of(tensors)))
    (folder / "config.json").write_text(json.dumps({"architectures": [HOSTILE], "model_type": HOSTILE}))
    return folder


class Page(html.parser.HTMLParser):
    """The names of a page's elements, and of their attributes."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}


class HostileText(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = safe_name("model" + HOSTILE)[:60]
        cls.llama = hostile_llama(cls.class_folder / cls.name)
        cls.tensors = hostile_tensors(cls.class_folder / ("t" + cls.name))
        cls.package = compress(cls.class_folder / ("out" + cls.name), "--scheme", "q8_0", "--report-text", REPORT_TEXT, "--report-windows", "1",
                               model=cls.llama)
        cls.gguf = cls.class_folder / "hostile.gguf"
        shutil.copy(next(cls.package.glob("*.gguf")), cls.gguf)

    def check_terminal(self, *arguments, code=0):
        ended, sent = on_terminal(*arguments)
        with self.subTest(arguments=[ascii(str(word)) for word in arguments]):
            text = sent.decode()  # fails on what is no UTF-8
            self.assertEqual(ended, code, ascii(text[-600:]))
            found = FORBIDDEN.search(text.replace(PROGRESS, ""))
            self.assertIsNone(found, found and ascii(text[max(0, found.start() - 60):found.end() + 60]))
            self.assertNotIn("internal error", text)
        return text

    def check_files(self, package):
        for path in package.iterdir():
            if path.name in ("README.md", "report.html", "report.json", "manifest.json", "config.json"):
                text = path.read_text()
                found = FORBIDDEN.search(text)
                self.assertIsNone(found, found and f"{path.name}: {ascii(text[max(0, found.start() - 60):found.end() + 60])}")
                if path.suffix == ".json":
                    strict_json(text)
        page = Page((package / "report.html").read_text())
        self.assertFalse(page.elements & {"img", "a", "iframe"}, page.elements)
        self.assertFalse({name for name in page.attributes if name.startswith("on")}, page.attributes)
        card = (package / "README.md").read_text().split("\n---\n", 1)[1]
        commands = [line for line in card.splitlines() if line.startswith(("- `", "- made by"))]  # code, where all is text
        card = "\n".join(line for line in card.splitlines() if line not in commands)
        self.assertNotRegex(card, r"(?<!\\)<(img|/script)", "HTML in the card")
        self.assertNotRegex(card, r"(?<!\\)\[a\]\(b\)", "a link in the card")
        rows = [line for line in card.splitlines() if line.startswith("|")]
        self.assertEqual({len(re.findall(r"(?<!\\)\|", row)) for row in rows} - {4, 5, 7}, set(), "cells of a table")

    def test_every_command_over_a_model_that_runs(self):
        text = ["--text", REPORT_TEXT, "--windows", "1", "--window-length", "32"]
        self.check_files(self.package)
        for model in (self.llama, self.package):
            for arguments in (["inspect", model], ["inspect", model, "--tensors"], ["inspect", model, "--json"],
                              ["plan", model, "--scheme", "q4_k_m", "--tensors"], ["plan", model, "--scheme", "q4_k_m", "--json"],
                              ["compress", model, "-o", self.folder / self.name, "--dry-run", "--scheme", "q8_0"],
                              ["eval", model, *text], ["eval", model, *text, "--json"], ["eval", model, *text, "--against", self.llama],
                              ["bench", model, "--prompt-tokens", "4", "--tokens", "2", "--repeats", "1"]):
                if arguments[0] not in ("plan", "compress") or model == self.llama:
                    self.check_terminal(*arguments)
        self.check_terminal("compress", self.llama, "-o", self.folder / ("x" + self.name), "--scheme", "q4_k_m", "--max-kld", "0.000001",
                            "--max-trials", "1", "--calib", REPORT_TEXT, "--calib-windows", "2", "--optimizer", "weighted", code=5)
        rejected = next(self.folder.glob("x*.rejected"))
        self.check_files(rejected)

    def test_generated_text_is_escaped_for_a_terminal_alone(self):
        arguments = ["run", self.llama, "--prompt", "a", "--tokens", "150", "--temperature", "1000", "--seed", "1"]
        raw = subprocess.run([QUERN, *map(str, arguments)], capture_output=True, timeout=PATIENCE).stdout
        self.assertRegex(raw, rb"[\x00-\x08\x0b-\x1f]", "a pipe gets the text as it is")
        self.assertIn("\\x", self.check_terminal(*arguments))
        self.check_terminal(*arguments, "--json")

    def test_verify_names_what_it_finds(self):
        copy = self.folder / self.name
        shutil.copytree(self.package, copy)
        self.check_terminal("verify", copy, "--against", self.llama)
        self.check_terminal("verify", copy, "--json")
        weights = next(copy.glob("*.gguf"))
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x77")
        (copy / safe_name("extra" + HOSTILE)[:80]).write_text("x")
        self.check_terminal("verify", copy, code=7)
        (copy / "manifest.json").write_text((copy / "manifest.json").read_text().replace('"files"', json.dumps(HOSTILE), 1))
        self.check_terminal("verify", copy, code=7)

    def test_tensors_of_no_known_model(self):
        for arguments in (["inspect", self.tensors], ["inspect", self.tensors, "--tensors"], ["inspect", self.tensors, "--json"],
                          ["plan", self.tensors, "--scheme", "simple", "--tensors"],
                          ["compress", self.tensors, "-o", self.folder / "out", "--scheme", "simple"],
                          ["verify", self.folder / "out", "--against", self.tensors]):
            self.check_terminal(*arguments)
        self.check_files(self.folder / "out")
        self.check_terminal("eval", self.tensors, "--text", REPORT_TEXT, code=3)
        self.check_terminal("run", self.tensors, "--prompt", "x", code=3)

    def test_metadata_and_tensors_of_gguf(self):
        name = b"blk.0.attn_q.weight"
        gguf_with(self.gguf, [(b"general.description", HOSTILE.encode() + b"\xff"), (b"general.author", HOSTILE.encode()),
                              (b"x.\x1b\xe2\x80\xae", HOSTILE.encode())], [(name, b"blk.0.\x1b[31m\xe2\x80\xae\xff\xff\xff\xff\xff")])
        for arguments in (["inspect", self.gguf], ["inspect", self.gguf, "--tensors"], ["inspect", self.gguf, "--json"]):
            self.assertIn("1b", self.check_terminal(*arguments, code=run(*arguments, errors="replace").returncode))
        for arguments in (["compress", self.gguf, "-o", self.folder / "out", "--scheme", "q4_k_m"], ["eval", self.gguf, "--text", REPORT_TEXT],
                          ["run", self.gguf, "--prompt", "a", "--tokens", "3"]):
            self.check_terminal(*arguments, code=3)

    def test_hostile_names_on_the_command_line_and_in_files_of_choices(self):
        map_file, plan = self.folder / "map.json", self.folder / "plan.json"
        map_file.write_text(json.dumps([{"match": HOSTILE, "codec": "q8_0"}]))
        self.check_terminal("compress", self.llama, "-o", self.folder / "o", "--precision-map", map_file, "--dry-run", "--scheme", "q8_0", code=2)
        map_file.write_text(json.dumps([{"match": "mlp", "codec": HOSTILE}]))
        self.check_terminal("compress", self.llama, "-o", self.folder / "o", "--precision-map", map_file, "--dry-run", "--scheme", "q8_0", code=2)
        self.succeed("plan", self.llama, "--scheme", "q8_0", "-o", plan)
        plan.write_text(plan.read_text().replace('"q8_0"', json.dumps(HOSTILE)))
        self.check_terminal("compress", self.llama, "-o", self.folder / "o", "--plan", plan, code=3)
        for arguments in (["inspect", self.folder / self.name], ["inspect", HOSTILE], ["compress", self.llama, "-o", "o", "--scheme", HOSTILE],
                          ["verify", self.folder / HOSTILE.replace("/", "")], [HOSTILE], ["inspect", "--" + HOSTILE]):
            self.check_terminal(*arguments, code=run(*arguments).returncode)


if __name__ == "__main__":
    import unittest
    unittest.main()
