#!/usr/bin/env python3
"""Makes testdata/text and fuzz/corpus/tokenizer* with the Python packages sentencepiece (0.2) and tokenizers (0.23): small
models, and token ids of tricky strings and of the first kilobytes of the shared texts under those models and under the
reference models' tokenizer.

Usage: tools/make_text_fixtures.py [SHARED_FOLDER]   (default: ../shared beside the repository)
"""
import io
import json
import pathlib
import sys

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared"

TRICKY = [
    "", " ", "  ", "\n", "\t\t x", "a", " a", "a ", "a  b   c", "Hello, world!",
    "line one\nline two\r\n\r\nline four\n", "the the the The THE", "don't 3.14159 -- 1,000,000",
    "caf\u00e9 na\u00efve \u00fcber", "cafe\u0301", "\u2581\u2581a\u2581", "<s>", "</s> <unk> <0x41>",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\uff28\uff25\uff2c\uff2c\uff2f \uff11\uff12\uff13",
    "\ufb01ne \u2460 \u00bd", "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u00a0nbsp\u3000wide", "x\u0000y", "a<sep>b <sep>", "\u0001\u007f",
    "\ufeffmark", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\U0010ffff\ud7ff\ue000",
]

# Where splitting by regular expressions, Unicode forms and added tokens can go wrong.
TRICKY_FOR_BPE = TRICKY + [
    "I'm you're WE'LL it'S they've'd ''s '\u017f 'LL'Re", "0 12 345 6789 12345678 3.1415e10 \u0663\u0664 \u00b2\u00bd \u2167 x1y22",
    "a   b    c \t d", "   lead", "trail   ", "\n\n\n", " \n \n  \n\n x", "\r\n\r\n a\r\rb", "a\u00a0 b\u2003\u2003c\u3000d\u0085e\u000bf\u200bg\u180eh",
    "!!! ... ,,,;;; ()[]{} -- \u2014\u2026 \u00ab\u00bb $\u20ac\u00a3 +=<>|~^`", "// comment\n\tif (x != y) { return; }\n\n",
    "<|endoftext|>", "a<|endoftext|>b <|endoftext|>\n<|endoftext|><|endoftext|>", "<|endoftext", "<|im_start|>user\nHi<|im_end|>\n",
    "<tool><tool><tool>x<tool", " <tool> y <tool>", "cafe\u0301 caf\u00e9 x\u0301\u0323 \u1100\u1161\u11a8 \u212b \u0958",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \ud55c\uad6d\uc5b4 \u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd \U0001d54f \u2764\ufe0f", " river Thames thames unreachable", "\u0120\u010a\u0100", "word" * 60,
    " " * 70, "\n" * 65, "7" * 41, "\u0301a", "x\u200dy", "\ufffd", "A\u030a\u0327 <too\u0301l>", "don\u2019t", "_snake_case CamelCase",
]

KNOWN_SPLITS = {
    "qwen2": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "llama3": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
}
ADDED = [AddedToken("<|endoftext|>", special=True, normalized=False), AddedToken("<|im_start|>", special=True, normalized=False),
         AddedToken("<|im_end|>", special=True, normalized=False), AddedToken("<tool>", special=False, normalized=True),
         AddedToken("<tool><tool>", special=False, normalized=True), AddedToken("<to\u00f3l>", special=False, normalized=True)]


def byte_level(name):
    """An untrained tokenizer that splits as the models of this name do."""
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    split = KNOWN_SPLITS.get(name)
    parts = [pre_tokenizers.Split(Regex(split), "isolated")] if split else []
    if name == "digits":
        parts.append(pre_tokenizers.Digits(individual_digits=True))
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*parts, to_bytes]) if parts else to_bytes
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def train_bpe(name, sentences):
    tokenizer = byte_level(name)
    tokenizer.train_from_iterator(sentences, trainers.BpeTrainer(
        vocab_size=700, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"] if name == "gpt2" else []))
    whole = json.loads(tokenizer.to_str())
    vocab = whole["model"]["vocab"]
    for word in ("\u0120thames", "\u0120unreachable"):  # no merge leads there: only ignore_merges finds them
        vocab[word] = len(vocab)
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(whole))
    tokenizer.add_tokens(ADDED if name != "gpt2" else ADDED[3:5])
    if name == "llama3":
        bos = tokenizer.token_to_id("<|im_start|>")
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
            single="<|im_start|> $A", pair="<|im_start|> $A <|im_start|>:1 $B:1", special_tokens=[("<|im_start|>", bos)])])
    whole = json.loads(tokenizer.to_str())
    if name == "gpt2":  # the form of old files
        whole["model"]["merges"] = [" ".join(pair) for pair in whole["model"]["merges"]]
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def bpe_golden(source):
    tokenizer = tokenizers.Tokenizer.from_str(source)

    def ids(sample):
        return tokenizer.encode(sample, add_special_tokens=False).ids

    def row(sample):
        # The package takes the characters of an added token beyond ASCII for bytes when it decodes.
        decoded = tokenizer.decode(ids(sample))
        broken = "\ufffd" in decoded and "\ufffd" not in sample
        return {"text": sample, "ids": ids(sample)} | ({} if broken else {"decoded": decoded})

    return {
        "pieces": tokenizer.get_vocab_size(),
        "tricky": [row(sample) for sample in TRICKY_FOR_BPE],
        "shared": [{"file": f, "bytes": 1500, "ids": ids(opening(f, 1500))} for f in ("eval.txt", "tinystories_valid.txt")],
    }


def make_bpe_fixtures(text, corpus, sentences):
    corpus.mkdir(parents=True, exist_ok=True)
    golden = {}
    for name in ("gpt2", "qwen2", "llama3", "digits"):
        source = train_bpe(name, sentences)
        (text / f"{name}.tokenizer.json").write_text(source + "\n")
        golden[name] = bpe_golden(source)
        whole = json.loads(source)
        whole["model"].update(vocab={"a": 0, "b": 1, "ab": 2}, merges=["a b"] if name == "gpt2" else [["a", "b"]])
        for number, token in enumerate(whole["added_tokens"]):
            token["id"] = 3 + number
        (corpus / f"{name}.json").write_text(json.dumps(whole, indent=1))
    with_prefix = (text / "gpt2.tokenizer.json").read_text().replace('"add_prefix_space":false', '"add_prefix_space":true')
    golden["gpt2_with_prefix"] = bpe_golden(with_prefix)
    (text / "golden_bpe_ids.json").write_text(json.dumps(golden, separators=(",", ":")).replace('{"', '\n{"') + "\n")


def train(model_type, rule, sentences):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=out, model_type=model_type, vocab_size=400, byte_fallback=True,
        normalization_rule_name=rule, remove_extra_whitespaces=(rule != "identity"), character_coverage=0.999, pad_id=3,
        user_defined_symbols=["<sep>"], num_threads=1, minloglevel=2)
    return out.getvalue()


def opening(file, length):
    return (SHARED / "text" / file).read_bytes()[:length].decode()


def main():
    text = ROOT / "testdata" / "text"
    corpus = ROOT / "fuzz" / "corpus" / "tokenizer"
    text.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    sentences = (SHARED / "text" / "calib.txt").read_text()[:200000].splitlines()
    models = {"bpe": train("bpe", "identity", sentences), "unigram": train("unigram", "nmt_nfkc", sentences)}
    for name, model in models.items():
        (text / f"{name}.model").write_bytes(model)
    models["reference"] = (SHARED / "reference" / "llama-7m" / "tokenizer.model").read_bytes()
    golden = {}
    for name, model in models.items():
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        golden[name] = {
            "bos": processor.bos_id(), "eos": processor.eos_id(),
            "unknown": processor.unk_id(), "pad": processor.pad_id(),
            "pieces": processor.get_piece_size(),
            "tricky": [{"text": t, "ids": processor.encode(t), "decoded": processor.decode(processor.encode(t))}
                       for t in TRICKY],
            "shared": [{"file": f, "bytes": 1500, "ids": processor.encode(opening(f, 1500))}
                       for f in ("calib.txt", "eval.txt", "wiki.test.raw", "tinystories_valid.txt")],
        }
    (text / "golden_ids.json").write_text(json.dumps(golden, separators=(",", ":")).replace('{"', '\n{"') + "\n")
    make_bpe_fixtures(text, ROOT / "fuzz" / "corpus" / "tokenizer_json", sentences)
    whole = sentencepiece_model_pb2.ModelProto.FromString(models["bpe"])
    del whole.pieces[12:]
    (corpus / "whole.bin").write_bytes(whole.SerializeToString())
    (corpus / "cut.bin").write_bytes(whole.SerializeToString()[:150])
    whole.normalizer_spec.precompiled_charsmap = bytes.fromhex("04000000000000006100")
    (corpus / "broken_rules.bin").write_bytes(whole.SerializeToString())
    (corpus / "empty.bin").write_bytes(b"")


if __name__ == "__main__":
    main()
