"""The vocabulary in our GGUF files makes llama.cpp cut texts as sentencepiece does with the original tokenizer.model, and as
the Python package tokenizers does with the original tokenizer.json."""

import json
import shutil
import unicodedata

import llama_cpp
import numpy
import safetensors.numpy
import sentencepiece
from quern_program import MODEL, REPORT_TEXT, ROOT, ProgramTest, compress, shared

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


def write_small_model(folder, pieces):
    """A Llama of one layer with random weights and this many rows in the embedding."""
    width, inner = 32, 64
    shapes = {"model.embed_tokens": (pieces, width), "lm_head": (pieces, width), "model.norm": (width,)}
    layer = {"self_attn.q_proj": (width, width), "self_attn.k_proj": (width, width), "self_attn.v_proj": (width, width),
             "self_attn.o_proj": (width, width), "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width),
             "mlp.down_proj": (width, inner), "input_layernorm": (width,), "post_attention_layernorm": (width,)}
    shapes |= {f"model.layers.0.{name}": shape for name, shape in layer.items()}
    random = numpy.random.default_rng(1)
    safetensors.numpy.save_file({f"{name}.weight": random.standard_normal(shape, numpy.float32) for name, shape in shapes.items()},
                                folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": width, "intermediate_size": inner,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": pieces, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": 512, "tie_word_embeddings": False, "torch_dtype": "float32",
        "hidden_act": "silu"}))


class BpeTokens(ProgramTest):
    def check(self, name):
        golden = json.loads((ROOT / "testdata/text/golden_bpe_ids.json").read_text())[name]
        self.check_file(ROOT / f"testdata/text/{name}.tokenizer.json", golden["pieces"], golden["tricky"])

    def check_file(self, tokenizer, pieces, rows):
        name = tokenizer.name.split(".")[0]
        source = self.folder / name
        source.mkdir()
        write_small_model(source, pieces + 3)  # padded rows, as real models have them
        shutil.copy(tokenizer, source / "tokenizer.json")
        gguf = compress(self.folder / "out", "--scheme", "bf16", model=source) / f"{name}-bf16.gguf"
        with llama_cpp.opened(gguf) as model:
            self.assertEqual(model.vocabulary_size, pieces + 3)
            for row in rows:
                if name == "qwen2" and not unicodedata.is_normalized("NFC", row["text"]):
                    continue  # llama.cpp never normalises
                with self.subTest(text=row["text"]):
                    self.assertEqual(model.tokens(row["text"], with_bos=False, with_control=True), row["ids"])

    def test_gpt2(self):
        self.check("gpt2")

    def test_qwen2(self):
        self.check("qwen2")

    def test_llama3(self):
        self.check("llama3")

    def test_every_digit_by_itself(self):
        self.check("digits")

    def test_characters_whose_merges_leave_some_out(self):
        pipelines = ROOT / "testdata/text/pipelines"
        golden = json.loads((pipelines / "golden_ids.json").read_text())["bpe_split"]
        self.check_file(pipelines / "bpe_split.json", golden["pieces"], golden["rows"])
