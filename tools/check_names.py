"""Only the tables know names: no codec is compared by name outside its folder, no format outside src/format, no
architecture outside src/model, no kind of operation outside its traits and its executor. And what reads weights reads `Weights`: the rooms that do name no
checkpoint."""

import re
import sys

import cpp_source

CODEC = re.compile(r'(?:const(?:expr)?\s+Codec\s+k\w+\s*=?\s*(?:\{|\w+<\w+>(?:::codec)?\()|\bint4\()\s*(?:\.name\s*=\s*)?"([^"]+)"')
# Without BitNet, which names a layout and a program as well.
ARCHITECTURE = re.compile(r"llama(?!\.cpp|-[a-z0-9]|2c|2\.c)|mistral|mixtral|qwen|mamba|gpt2|itera_?lite", re.I)

# Where a codec's name may stand: its own layer, what a format calls its types, the schemes, and the stages that name one.
CODEC_FILES = re.compile(r"src/codec/|src/(?:format|packed)/[^/]*types[^/]*$|src/packed/compressed_tensors\.h$|src/plan/\w+_mixes\.cpp$|src/chain/chain_stages\.cpp$")

FORMAT = re.compile(r'const(?:expr)?\s+Format\s+k\w+\s*=?\s*\{\s*(?:\.name\s*=\s*)?"([^"]+)"')

# Where a format's name may stand: its own layer, the schemes, each of which names its container, and the tables of the
# program's texts. What else wants to know something of a format asks its descriptor.
FORMAT_FILES = re.compile(r"src/(?:format|packed|cli)/|src/plan/\w+_mixes\.cpp$")

# Asking an operation for its kind, by type or by a visitor of its own.
OPERATION = re.compile(r"\b(?:holds_alternative|get_if|get)\s*<\s*(?:quern::)?\w+Op\s*>|"
                       r"\bops?(?:\[\w+\]|\.(?:at|back|front)\(\w*\))?(?:\.|->)kind\b")
OPERATION_FILES = {"src/model/op_traits.cpp", "src/runtime/prepare_op.cpp"}

# Numbers of IEEE 754 and bfloat16: known to every format, and the precision of arithmetic as well.
PLAIN = {"f64", "f32", "f16", "bf16"}

# Names of something else that is spelled like an architecture: GGUF calls a sentencepiece vocabulary "llama" and one of
# byte-level BPE "gpt2"; transformers' class for any sentencepiece BPE is "LlamaTokenizer"; ways of splitting text go by the model that brought them.
EXCEPTIONS = {
    "src/vocabulary/vocabulary_gguf.cpp": ('"llama"', '\\"llama\\"', '"gpt2"', '\\"gpt2\\"'),
    "src/tokenizer/pre_tokenizers.cpp": ("kGpt2Split", "kQwen2Split", "kQwen35Split", "kLlama3Split", '"llama-bpe"', '"llama-v3"', '"llama3"', '"llama4"', '"qwen2"', '"qwen35"',
                                    '"deepseek-r1-qwen"', '"GPT2Tokenizer"', '"Qwen2Tokenizer"'),
    "src/tokenizer/pre_tokenizers.h": ("kGpt2Split",),
    "src/tokenizer/word_cutters.cpp": ("kGpt2Split",),
    "src/vocabulary/rank_list.cpp": ('"qwen2"',),
    "src/vocabulary/load_tokenizer.cpp": ("tokenizer.bin of llama2.c",),
    "src/vocabulary/tokenizer_json.cpp": ("kGpt2Split",),
    "src/vocabulary/tokenizer_json_writer.cpp": ("kGpt2Split",),
    "src/format/llama2c.cpp": ('"LlamaForCausalLM"', '"llama"'),
    "src/vocabulary/tokenizer_files.cpp": ('"LlamaTokenizer"',),
}

# The rooms that read weights do so through `Weights` (src/model/weights.h), whatever they come from.
WEIGHT_READERS = re.compile(r"src/(?:runtime|calib|measure|optim|plan|encode|survey)/")
CHECKPOINT = re.compile(r"\b(?:Checkpoint(?:Weights)?|open_checkpoint)\b|(?:\.|->)checkpoint\b|\bcheckpoint_weights\.h\b")

# Files in these rooms that are about files: where a checkpoint becomes weights, tensors that are copied byte for byte,
# and the container of an importance matrix.
CHECKPOINT_FILES = re.compile(r"src/(?:runtime/open_model|encode/tensor_files|calib/statistics)\.(?:h|cpp)$")


def is_checked(path):
    return not path.endswith("_test.cpp")


def codec_names(sources):
    """Names in the descriptors of src/codec."""
    return {name for path, text in sources.items() if path.startswith("src/codec/") and is_checked(path)
            for name in CODEC.findall(cpp_source.without_comments(text))}


def check_codecs(path, text, names):
    if not is_checked(path) or CODEC_FILES.match(path):
        return []
    return [f'{path}:{line}: the codec name "{literal}" belongs in its descriptor, a type table or a scheme'
            for line, literal in cpp_source.string_literals(text) if literal in names - PLAIN]


def format_names(sources):
    """Names in the descriptors of src/format."""
    return {name for path, text in sources.items() if path.startswith("src/format/") and is_checked(path)
            for name in FORMAT.findall(cpp_source.without_comments(text))}


def check_formats(path, text, names):
    if not is_checked(path) or path.endswith("_fixture.h") or FORMAT_FILES.match(path):
        return []
    return [f'{path}:{line}: the format name "{literal}" belongs in its descriptor or a scheme; '
            "what is asked of it is a member of Format (src/checkpoint/checkpoint.h)"
            for line, literal in cpp_source.string_literals(text) if literal in names]


def check_architectures(path, text):
    if not is_checked(path) or path.startswith("src/model/"):
        return []
    problems = []
    for line, code in enumerate(cpp_source.without_comments(text).split("\n"), 1):
        for allowed in EXCEPTIONS.get(path, ()):
            code = code.replace(allowed, "")
        match = ARCHITECTURE.search(code)
        if match:
            problems.append(f'{path}:{line}: the architecture name "{match[0]}" belongs in src/model')
    return problems


def check_operations(path, text):
    if not is_checked(path) or path.endswith("_fixture.h") or path in OPERATION_FILES:
        return []
    code = cpp_source.without_comments(text)
    return [f'{path}:{code.count(chr(10), 0, match.start()) + 1}: "{match[0]}" asks for a kind of operation; '
            "that is for a column of src/model/op_traits.cpp" for match in OPERATION.finditer(code)]


def check_weight_readers(path, text):
    if not is_checked(path) or path.endswith("_fixture.h") or not WEIGHT_READERS.match(path) or CHECKPOINT_FILES.match(path):
        return []
    return [f'{path}:{line}: "{match[0]}": weights are read through Weights (src/model/weights.h), not from a checkpoint'
            for line, code in enumerate(cpp_source.without_comments(text).split("\n"), 1)
            for match in CHECKPOINT.finditer(cpp_source.without_comments_and_strings(code) if '#include' not in code else code)]


def main(root):
    sources = {p: cpp_source.read(root, p) for p in cpp_source.files(root, ["src", "include"], (".h", ".cpp"))}
    names, formats = codec_names(sources), format_names(sources)
    problems = [] if names else ["src/codec: no codec descriptor was found, so nothing could be checked"]
    problems += [] if formats else ["src/format: no format descriptor was found, so nothing could be checked"]
    for path, text in sources.items():
        problems += check_codecs(path, text, names) + check_formats(path, text, formats) + check_architectures(path, text)
        problems += check_operations(path, text) + check_weight_readers(path, text)
    return cpp_source.report("names", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
