"""A file includes only from its own folder or from layers to its left (docs/architecture.md)."""

import re
import sys

import cpp_source

# Left to right; folders of one row do not include each other.
LAYERS = [["base"], ["tensor", "text"], ["format", "codec"], ["kernel", "model"], ["runtime"], ["calib"], ["optim"],
          ["plan"], ["pipeline"], ["cli"]]

# The layer that implements each public header.
PUBLIC = {
    "error.h": "base", "json.h": "base", "observer.h": "base", "version.h": "base",
    "tensor.h": "tensor",
    "tokenizer.h": "text",
    "metadata.h": "format", "checkpoint.h": "format",
    "codec.h": "codec",
    "model_spec.h": "model",
}

RANK = {name: rank for rank, row in enumerate(LAYERS) for name in row}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


def layer_of_file(path):
    parts = path.split("/")
    return PUBLIC.get(parts[-1]) if parts[0] == "include" else parts[1]


def layer_of_include(name):
    folder, _, rest = name.partition("/")
    return PUBLIC.get(rest) if folder == "quern" else folder


def check_file(path, text):
    layer = layer_of_file(path)
    if layer not in RANK:
        what = "a public header without a layer" if path.startswith("include/") else f"unknown layer {layer}"
        return [f"{path}: {what}; give it one in tools/check_layers.py"]
    problems = []
    for match in INCLUDE.finditer(cpp_source.without_comments(text)):
        name, line = match[1], text.count("\n", 0, match.start()) + 1
        if name.startswith("tests/") and path.endswith("_test.cpp"):
            continue
        target = layer_of_include(name)
        if target not in RANK:
            problems.append(f'{path}:{line}: "{name}" is in no known layer; write "layer/file.h" or "quern/file.h"')
        elif target != layer and RANK[target] >= RANK[layer]:
            problems.append(f'{path}:{line}: {layer} must not include "{name}", which is {target}')
    return problems


def main(root):
    problems = []
    for path in cpp_source.files(root, ["include", "src"], (".h", ".cpp")):
        problems += check_file(path, cpp_source.read(root, path))
    return cpp_source.report("layers", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
