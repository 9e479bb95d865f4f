#!/usr/bin/env python3
"""Makes testdata/text and fuzz/corpus/tokenizer with the Python package sentencepiece (0.2): two small models, and
token ids of tricky strings and of the first kilobytes of the shared texts under those models and under the reference
models' tokenizer.

Usage: tools/make_text_fixtures.py [SHARED_FOLDER]   (default: ../shared beside the repository)
"""
import io
import json
import pathlib
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

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
    whole = sentencepiece_model_pb2.ModelProto.FromString(models["bpe"])
    del whole.pieces[12:]
    (corpus / "whole.bin").write_bytes(whole.SerializeToString())
    (corpus / "cut.bin").write_bytes(whole.SerializeToString()[:150])
    whole.normalizer_spec.precompiled_charsmap = bytes.fromhex("04000000000000006100")
    (corpus / "broken_rules.bin").write_bytes(whole.SerializeToString())
    (corpus / "empty.bin").write_bytes(b"")


if __name__ == "__main__":
    main()
