#!/usr/bin/env python3
"""Makes testdata/text/pipelines with the Python packages tokenizers (0.23), tiktoken (0.14), sentencepiece (0.2) and, for a
vocab.txt, transformers (4.57): a tiny
tokenizer.json for each model and each kind of part that published ones have, and the ids that the package gives to tricky
strings.

Usage: tools/make_tokenizer_fixtures.py
"""
import base64
import io
import json
import pathlib
import struct
import tempfile

import sentencepiece
import tiktoken
from sentencepiece import sentencepiece_model_pb2
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "testdata" / "text" / "pipelines"
MARK = "\u2581"
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ADDED = [AddedToken("<tok>", special=False, normalized=True, lstrip=True),
         AddedToken("<mask>", special=True, normalized=False, lstrip=True, rstrip=True),
         AddedToken("word", special=False, normalized=True, single_word=True)]

TRICKY = [
    "", " ", "  \n", "a", " lead", "trail ", "a  b   c\t\td", "Hello, world! It's 3.14159 -- 1,000,000 don't", "\r\nline\r\n\r\n two\n",
    "caf\u00e9 cafe\u0301 na\u00efve \u0130stanbul \u01c5 \u00df \ufb01ne \u2460 \u00bd \uff21\uff22", "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u65e5\u672c\u8a9e",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f1e9\U0001f1ea", "<s> </s> <unk> <0x41> [MASK]x [SEP]",
    "x <tok>  y<tok>z  <mask>  a<mask>b word sword word! words_word", f"{MARK}{MARK}a{MARK} {MARK}", "\u0001\u007f\u00ad\u200b\ufffd\u0000z",
    "## ##ing unaffable", "if (x != y) { return foo_bar->baz[12]; }  // later", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \ud55c\uad6d\uc5b4",
    "the the The THE" * 12, " " * 40, "7" * 41, "e\u0301\u0302\u0303x A\u030a\u0327", "\u00a0nbsp\u3000wide\u2003em\u0085nel", "a\u0301", "x" * 130,
]

SPM_DECODER = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]


def bpe_trainer(size, special, alphabet=60, **more):
    return trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, limit_alphabet=alphabet, **more)


def unigram_trainer(special):
    return trainers.UnigramTrainer(vocab_size=260 + len(special), special_tokens=special, unk_token="<unk>", show_progress=False)


def charsmap():
    """A small table of sentencepiece's normalisation rules."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for source, target in {"A": "a", "E 301": "\u00e9", "\ufb01": "fi", "\u00bd": "1/2", "\u3000": " ", "\t": " "}.items():
            codes = "45 301" if source == "E 301" else f"{ord(source):X}"
            rules.write(codes + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        rules.flush()
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c d e f g h"] * 20), model_writer=out, model_type="unigram", vocab_size=12,
            hard_vocab_limit=False, normalization_rule_tsv=rules.name, num_threads=1, minloglevel=2)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


# name: model, trainer, normalizer, pre-tokenizer, decoder, post-processor, added tokens
def kinds():
    n, p, d = normalizers, pre_tokenizers, decoders
    byte_fallback = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
    return {
        "bpe_prepend": (models.BPE(**byte_fallback), bpe_trainer(480, SPECIAL + BYTES),
                        n.Sequence([n.Prepend(MARK), n.Replace(" ", MARK)]), None,
                        d.Sequence([*SPM_DECODER, d.Strip(" ", 1, 0)]), None, ADDED),
        "bpe_metaspace": (models.BPE(**byte_fallback), bpe_trainer(480, SPECIAL + BYTES), None, p.Metaspace(prepend_scheme="first"),
                          d.Sequence([*SPM_DECODER, d.Strip(" ", 1, 0)]), None, ADDED),
        "bpe_split": (models.BPE(**byte_fallback), bpe_trainer(480, SPECIAL + BYTES), n.Replace(" ", MARK),
                      p.Split(" ", "merged_with_previous"), d.Sequence(SPM_DECODER), None, []),
        "bpe_suffix": (models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), bpe_trainer(220, SPECIAL, end_of_word_suffix="</w>"),
                       n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()]),
                       p.Split(Regex(r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True), d.BPEDecoder("</w>"), None, []),
        "bpe_prefix": (models.BPE(unk_token="<unk>", continuing_subword_prefix="##"), bpe_trainer(220, SPECIAL, continuing_subword_prefix="##"),
                       n.NFKD(), p.Whitespace(), d.WordPiece(), None, []),
        "bpe_words": (models.BPE(unk_token="<unk>"), bpe_trainer(180, SPECIAL), n.Lowercase(), p.WhitespaceSplit(), None, None, []),
        "bytes_roberta": (models.BPE(), bpe_trainer(380, [*SPECIAL, "<mask>"], alphabet=256, initial_alphabet=p.ByteLevel.alphabet()), None,
                          p.ByteLevel(add_prefix_space=True), d.ByteLevel(), processors.RobertaProcessing(("</s>", 2), ("<s>", 1)), ADDED),
        "bytes_digits": (models.BPE(), bpe_trainer(380, SPECIAL, alphabet=256, initial_alphabet=p.ByteLevel.alphabet()), n.NFKC(),
                         p.Sequence([p.Digits(True), p.Punctuation("contiguous"), p.ByteLevel(add_prefix_space=False)]), d.ByteLevel(), None, ADDED),
        "unigram_t5": (models.Unigram(), unigram_trainer(["<pad>", "</s>", "<unk>"]), n.NFKC(), p.Sequence([p.WhitespaceSplit(), p.Metaspace()]),
                       d.Metaspace(), processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)]), ADDED),
        "unigram_bytes": (models.Unigram(), unigram_trainer(["<pad>", "</s>", "<unk>", *BYTES]),
                          n.Sequence([n.Nmt(), n.NFKC(), n.Replace(Regex(" {2,}"), " "), n.Strip(), n.Lowercase(), n.StripAccents()]),
                          p.Metaspace(), d.Metaspace(), None, ADDED),
        "word_piece": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=260, special_tokens=BERT, show_progress=False),
                       n.BertNormalizer(), p.BertPreTokenizer(), d.WordPiece(), processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)), []),
        "word_piece_cased": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(vocab_size=260, special_tokens=BERT, show_progress=False),
                             n.BertNormalizer(lowercase=False), p.BertPreTokenizer(), d.WordPiece(), None, []),
        "word_level": (models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=120, special_tokens=SPECIAL, show_progress=False),
                       n.NFD(), p.Sequence([p.CharDelimiterSplit("e"), p.Punctuation("merged_with_next"), p.Digits(False),
                                            p.Split(Regex("[aou]+"), "merged_with_previous")]), None, None, []),
    }


def edited(name, source):
    whole = json.loads(source)
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["content"] not in BYTES]
    if name == "unigram_bytes":
        whole["model"]["byte_fallback"] = True
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def with_charsmap(source):
    whole = json.loads(source)
    whole["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Precompiled", "precompiled_charsmap": charsmap()}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def with_all_merges(source):
    """As transformers makes it of a sentencepiece model: every two pieces that make a third, in the order of the thirds."""
    whole = json.loads(source)
    vocab = whole["model"]["vocab"]
    words = [piece for piece in vocab if piece not in SPECIAL + BYTES]
    known = set(words)
    whole["model"]["merges"] = [[piece[:cut], piece[cut:]] for piece in sorted(words, key=vocab.get) for cut in range(1, len(piece))
                                if piece[:cut] in known and piece[cut:] in known]
    whole["added_tokens"] = [token for token in whole["added_tokens"] if token["content"] in SPECIAL]
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def golden(source):
    tokenizer = Tokenizer.from_str(source)
    rows = []
    for text in TRICKY:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    return {"pieces": tokenizer.get_vocab_size(), "rows": rows}


def make_rank_list(ids):
    """GPT-2's way of splitting over a list that tiktoken's own trainer would write: bytes, then pairs of them."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    for word in (b" t", b"he", b"in", b" the", b"ing", b"  ", b"    ", b"\xe4\xbd", b"\xe4\xbd\xa0", b"er", b"on", b"12"):
        ranks[word] = len(ranks)
    (OUT / "ranks.tiktoken").write_bytes(b"".join(base64.b64encode(key) + b" %d\n" % rank for key, rank in ranks.items()))
    pattern = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    encoding = tiktoken.Encoding("tiny", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    ids["ranks"] = {"pieces": len(ranks), "rows": [{"text": text, "ids": encoding.encode(text, disallowed_special=())} for text in TRICKY]}


def make_score_list(ids):
    """llama2.c's export of testdata/text/bpe.model, without the piece that a user defined."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(ROOT / "testdata/text/bpe.model"))
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.vocab_size())]
    order = [i for i, (text, _) in enumerate(pieces) if text not in ("<pad>", "<sep>")]
    rows = b""
    for i in order:
        text = pieces[i][0].replace(MARK, " ")
        text = f"\n{text}\n" if text in ("<s>", "</s>") else text
        rows += struct.pack("<fI", pieces[i][1], len(text.encode())) + text.encode()
    longest = max(len(pieces[i][0].encode()) for i in order) + 2
    (OUT / "tokenizer.bin").write_bytes(struct.pack("<I", longest) + rows)
    place = {old: new for new, old in enumerate(order)}
    texts = [text for text in TRICKY if "<s>" not in text and "\u0000" not in text]
    ids["scores"] = {"pieces": len(order), "rows": [{"text": text, "ids": [place[i] for i in processor.encode(text)]} for text in texts]}


def make_word_piece_list(ids):
    """The pieces of word_piece.json as transformers' slow tokenizer reads them, a line each."""
    vocab = json.loads((OUT / "word_piece.json").read_text())["model"]["vocab"]
    for name, options in {"vocab_txt": {}, "vocab_txt_cased": {"do_lower_case": False},
                          "vocab_txt_accents": {"strip_accents": False, "tokenize_chinese_chars": False}}.items():
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.writelines(piece + "\n" for piece in sorted(vocab, key=vocab.get))
            file.flush()
            tokenizer = transformers.BertTokenizer(file.name, **options)
        ids[name] = {"pieces": len(vocab), "rows": [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)} for text in TRICKY]}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    lines = (ROOT / "texts" / "calib.txt").read_text()[:60000].splitlines() + ["caf\u00e9 \u4f60\u597d 1/2 "] * 3
    ids = {}
    for name, (model, trainer, normalizer, cutter, decoder, post, added) in kinds().items():
        tokenizer = Tokenizer(model)
        for part, value in (("normalizer", normalizer), ("pre_tokenizer", cutter), ("decoder", decoder)):
            if value is not None:
                setattr(tokenizer, part, value)
        tokenizer.train_from_iterator(lines, trainer)
        if post is not None:
            tokenizer.post_processor = post
        tokenizer.add_tokens(list(added))
        source = edited(name, tokenizer.to_str())
        (OUT / f"{name}.json").write_text(source + "\n")
        ids[name] = golden(source)
    source = with_charsmap((OUT / "unigram_t5.json").read_text())
    (OUT / "unigram_charsmap.json").write_text(source + "\n")
    ids["unigram_charsmap"] = golden(source)
    source = with_all_merges((OUT / "bpe_prepend.json").read_text())
    (OUT / "bpe_all_merges.json").write_text(source + "\n")
    ids["bpe_all_merges"] = golden(source)
    make_rank_list(ids)
    make_score_list(ids)
    make_word_piece_list(ids)
    (OUT / "golden_ids.json").write_text(json.dumps(ids, separators=(",", ":"), ensure_ascii=True).replace('{"text"', '\n{"text"') + "\n")


if __name__ == "__main__":
    main()
