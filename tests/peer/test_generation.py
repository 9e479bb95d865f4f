"""Greedy text of BF16 files: the same here and in llama.cpp, token for token."""

import llama_cpp
from quern_program import MODEL, ProgramTest, compress, shared, strict_json

PROMPT, TOKENS = "The history of", 20


class Generation(ProgramTest):
    def assert_same_text(self, model):
        path = compress(self.folder / "bf16", "--scheme", "bf16", model=model) / f"{model.name}-bf16.gguf"
        said = self.succeed("run", path, "-p", PROMPT, "-n", TOKENS, "--temperature", "0", "--json", "-q").stdout
        with llama_cpp.opened(path) as peer:
            prompt = peer.tokens(PROMPT)
            theirs = peer.text(prompt + peer.greedy(PROMPT, TOKENS))
        print(f"{model.name}: {theirs!r}")
        self.assertEqual((PROMPT + strict_json(said)["text"]).strip(), theirs.strip())

    def test_llama(self):
        self.assert_same_text(MODEL)

    def test_mamba(self):
        self.assert_same_text(shared("reference/mamba-8m"))

    def test_mixtral(self):
        self.assert_same_text(shared("reference/mixtral-moe15m"))
