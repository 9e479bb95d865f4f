#!/usr/bin/env python3
"""Runs llama.cpp's own convert_hf_to_gguf.py on a folder, unchanged but for one thing: the script recognises
pre-tokenizers by a hash over a published vocabulary, which no small vocabulary trained for a test can have, so the
name of the pre-tokenizer is given.

usage: convert_with_llama_cpp.py LLAMA_CPP FOLDER OUT.gguf OUTTYPE PRE_TOKENIZER
"""

import sys


def main():
    source, folder, out, outtype, pre_tokenizer = sys.argv[1:]
    sys.path.insert(0, source)
    import convert_hf_to_gguf
    from conversion.base import TextModel
    TextModel.get_vocab_base_pre = lambda self, tokenizer: pre_tokenizer
    sys.argv = ["convert_hf_to_gguf.py", folder, "--outfile", out, "--outtype", outtype]
    convert_hf_to_gguf.main()


if __name__ == "__main__":
    main()
