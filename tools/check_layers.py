"""A file includes only from its own folder or from layers to its left (docs/architecture.md)."""

import re
import sys

import cpp_source

# Left to right; folders of one row do not include each other.
LAYERS = [["base"], ["tensor", "text"], ["search", "entropy"], ["checkpoint", "codec", "tokenizer"], ["archive", "packed", "vocabulary"], ["format"],
          ["kernel", "model"], ["runtime"], ["calib", "measure"], ["optim"], ["plan"], ["encode"], ["survey", "sequential", "report"], ["package"], ["compress"], ["forecast", "apps"], ["chain"], ["api"], ["cli"]]

# Public headers hold plain data, and declare what the layer api implements: every layer may include them, since they
# need nothing but each other and the standard library.
PUBLIC = "quern"

RANK = {PUBLIC: -1} | {name: rank for rank, row in enumerate(LAYERS) for name in row}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
SYSTEM_HEADER = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<([^>]+)>", re.M)


def layer_of_file(path):
    parts = path.split("/")
    return PUBLIC if parts[0] == "include" else parts[1]


def layer_of_include(name):
    return name.partition("/")[0]


def is_test(path):
    """Tests and their fixtures stand behind all layers: they take whole packages as inputs."""
    return path.endswith(("_test.cpp", "_fixture.h"))


def includes_of(text):
    """(line, name) of each include in quotes."""
    return [(text.count("\n", 0, m.start()) + 1, m[1]) for m in INCLUDE.finditer(cpp_source.without_comments(text))]


def check_public(path, text):
    """A public header needs nothing but its like and the standard library."""
    code = cpp_source.without_comments(text)
    foreign = [name for _, name in includes_of(text) if not name.startswith("quern/")]
    foreign += [name for name in SYSTEM_HEADER.findall(code) if "/" in name or "." in name]
    return [f'{path}: a public header must not include "{name}"' for name in foreign]


def check_file(path, text):
    layer = layer_of_file(path)
    if layer not in RANK:
        return [f"{path}: unknown layer {layer}; give it a place in tools/check_layers.py"]
    if layer == PUBLIC:
        return check_public(path, text)
    problems = []
    for line, name in includes_of(text):
        if name.startswith(("tests/", "fuzz/")) and is_test(path):
            continue
        target = layer_of_include(name)
        if target not in RANK:
            problems.append(f'{path}:{line}: "{name}" is in no known layer; write "layer/file.h" or "quern/file.h"')
        elif name.endswith("_fixture.h") and not is_test(path):
            problems.append(f'{path}:{line}: "{name}" is for tests')
        elif target != layer and RANK[target] >= RANK[layer] and not is_test(path):
            problems.append(f'{path}:{line}: {layer} must not include "{name}", which is {target}')
    return problems


def unit_of(path):
    """x.h and x.cpp are one unit."""
    return re.sub(r"^(src|include)/|\.(h|cpp)$", "", path)


def cycles(sources):
    """Units that include each other, in a round: one line each."""
    uses = {}
    for path, text in sources.items():
        if not is_test(path):
            uses.setdefault(unit_of(path), set()).update(unit_of(name) for _, name in includes_of(text))
    problems, done = [], set()

    def walk(unit, way):
        if unit in way:
            problems.append("a cycle of files: " + " -> ".join(way[way.index(unit):] + [unit]))
        elif unit not in done:
            for used in sorted(uses.get(unit, set()) - {unit}):
                walk(used, way + [unit])
            done.add(unit)

    for unit in sorted(uses):
        walk(unit, [])
    return problems


def main(root):
    sources = {path: cpp_source.read(root, path) for path in cpp_source.files(root, ["include", "src"], (".h", ".cpp"))}
    problems = cycles(sources)
    for path, text in sources.items():
        problems += check_file(path, text)
    return cpp_source.report("layers", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
