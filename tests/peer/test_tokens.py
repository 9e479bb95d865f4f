"""The vocabulary in our GGUF files makes llama.cpp cut texts as sentencepiece does with the original tokenizer.model."""

import llama_cpp
import sentencepiece
from quern_program import MODEL, REPORT_TEXT, ProgramTest, compress, shared

# White space, digits, letters that fall back to bytes, and what only looks like a special token.
AWKWARD = ["Hello  world", " leading", "trailing ", "tab\tand\nline\r\n", "3.14159 1,000", "\u00e4\u00f6\u00fc \u4e2d\u6587 \U0001f600",
           "<s> </s> <unk> <0x0A>", "\u2581lower one eighth block", "e\u0301 \ufb01 \u00a0|", "\u200b", "a" * 300]


class Tokens(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = compress(cls.class_folder / "out", "--scheme", "q8_0") / "llama-7m-q8_0.gguf"
        cls.model = llama_cpp.Model(path)
        cls.addClassCleanup(cls.model.close)
        cls.pieces = sentencepiece.SentencePieceProcessor(str(MODEL / "tokenizer.model"))

    def assert_same_ids(self, text):
        self.assertEqual(self.model.tokens(text, with_bos=False), self.pieces.encode(text))

    def test_size_and_special_tokens(self):
        self.assertEqual(self.model.vocabulary_size, self.pieces.vocab_size())
        self.assertEqual(self.model.bos, self.pieces.bos_id())
        self.assertEqual(self.model.tokens("a")[0], self.pieces.bos_id())

    def test_report_text(self):
        self.assert_same_ids(REPORT_TEXT.read_text())

    def test_awkward_texts(self):
        for text in AWKWARD:
            with self.subTest(text=text):
                self.assert_same_ids(text)

    def test_shared_report_text(self):
        path, model = shared("text/eval.txt"), shared("reference/llama-30m")
        pieces = sentencepiece.SentencePieceProcessor(str(model / "tokenizer.model"))
        gguf = compress(self.folder / "out", "--scheme", "q8_0", model=model) / "llama-30m-q8_0.gguf"
        with llama_cpp.opened(gguf) as opened:
            self.assertEqual(opened.tokens(path.read_text(), with_bos=False), pieces.encode(path.read_text()))
