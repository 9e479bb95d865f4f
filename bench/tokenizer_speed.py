"""How long cutting 10 MB of text into ids takes, beside the Python package tokenizers held to one thread, for each kind of model.

  python3 bench/tokenizer_speed.py

Processor seconds in user mode, so that other programs count little: ours of tests/tokens/print_tokens less those of an empty text, the
package's of `encode` alone. Both in turn, the least of the rounds. The text is all that lies beside --eval, over again up to 10 MB. The
package is that of build/peer-venv (`./dev peer-setup`). Models are the small ones of testdata/text.
"""
import os
import pathlib
import resource
import subprocess
import tempfile

import interleaved as run

PRINT_TOKENS = run.ROOT / "build/release/tests/tokens/print_tokens"
PYTHON = run.ROOT / "build/peer-venv/bin/python"
BYTES = 10_000_000
MODELS = {"BPE of bytes": "qwen2.tokenizer.json", "BPE of characters": "pipelines/bpe_metaspace.json",
          "Unigram": "pipelines/unigram_charsmap.json", "WordPiece": "pipelines/word_piece.json", "WordLevel": "pipelines/word_level.json"}
PACKAGE = """
import resource, sys, tokenizers
tokenizer, text = tokenizers.Tokenizer.from_file(sys.argv[1]), open(sys.argv[2], newline="").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
ids = tokenizer.encode(text, add_special_tokens=False).ids
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, len(ids))
"""


def ten_megabytes(folder):
    whole = b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".txt", ".raw"))
    return (whole * (BYTES // len(whole) + 1))[:BYTES].decode(errors="ignore").encode()


def user_seconds(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def row(name, model, text, empty, rounds):
    counts = []

    def package():
        seconds, count = run.output_of(PYTHON, "-c", PACKAGE, model, text).split()
        counts.append(int(count))
        return float(seconds)

    sides = run.in_turn({"ours": lambda: user_seconds(PRINT_TOKENS, model, text) - user_seconds(PRINT_TOKENS, model, empty),
                         "package": package}, rounds)
    ours, theirs = min(sides["ours"]), min(sides["package"])
    print(f"| {name} | {counts[0]:,} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.1f} |", flush=True)


def main():
    a = run.arguments(__doc__).parse_args()
    os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
    print(run.machine(1) + "\n")
    version = run.output_of(PYTHON, "-c", "import tokenizers; print(tokenizers.__version__)").strip()
    print(f"| model | tokens | quern s | tokenizers {version} s | times as fast |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        text, empty = pathlib.Path(folder, "text.txt"), pathlib.Path(folder, "empty.txt")
        text.write_bytes(ten_megabytes(a.eval.parent))
        empty.write_bytes(b"a")
        for name, model in MODELS.items():
            row(name, run.ROOT / "testdata/text" / model, text, empty, a.rounds)


if __name__ == "__main__":
    main()
