"""What the rules of the code (CONTRIBUTING.md) say and a script can see."""

import os
import re
import sys
from collections import defaultdict

import cpp_source

MAX_FILE, MAX_FUNCTION, MAX_JSON_FILES = 800, 60, 4
CODE = ["src", "include", "tests", "fuzz", "bench", "examples"]
TEXT = CODE + ["tools", "docs", "cmake", ".ci"]
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home)/")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME)\b")
# A file is opened by src/base alone, which says what it accepts; whether an optional one is there says find_file, which takes no link
# that leads nowhere for an absent file.
OPENS = re.compile(r"\b[io]?fstream\b|\bf(?:re)?open\(|(?<![\w:>])::(?:open(?:at)?|creat)\(|\bmk(?:os|s|d)temp\(|"
                   r"\b(?:fs|filesystem)::(?:copy(?:_file)?|resize_file|create_director(?:y|ies))\(|"
                   r"\b(?:fs|filesystem)::(?:exists\((?!(?:std::file)?(?:fs|system)?::symlink_status)|file_size\([^,]*\))")
OPENERS = ("src/base/descriptor.cpp", "src/base/file.cpp",  # then what reads files of the system, which have no size
           "src/runtime/allowed_memory.cpp", "src/apps/benchmark.cpp", "src/cli/standard_streams.cpp")
SCOPE = re.compile(r'^\s*(?:template\s*<.*>\s*)?(?:inline\s+)?(?:namespace|class|struct|enum|union|extern\s*"\s*")', re.S)


def long_functions(text):
    """(line, length) of function bodies over the limit, by counting braces. Initialisers and scopes are no functions."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: cpp_source.blank(m[0]),
                  cpp_source.without_comments_and_strings(text), flags=re.M)
    stack, found, start = [], [], 0
    for match in re.finditer(r"[{};]", code):
        head, position = code[start:match.start()], match.start()
        start = match.end()
        if match[0] == "{":
            inside = any(kind == "function" for kind, _ in stack)
            callable_head = re.search(r"\)[^=()]*$|\)\s*(?::|->)", head) or not head.strip()
            is_function = not inside and callable_head and not SCOPE.match(head)
            stack.append(("function" if is_function else "other", code.count("\n", 0, position) + 1))
        elif match[0] == "}" and stack:
            kind, first = stack.pop()
            length = code.count("\n", 0, position) + 2 - first
            if kind == "function" and length > MAX_FUNCTION:
                found.append((first, length))
    return found


def check_text(path, text):
    problems = []
    for line, content in enumerate(text.split("\n"), 1):
        if not content.isascii():
            problems.append(f"{path}:{line}: only ASCII, please")
        if MACHINE_PATH.search(content):
            problems.append(f"{path}:{line}: a path of one machine")
        if UNFINISHED.search(content):
            problems.append(f"{path}:{line}: unfinished work is no part of the code")
    return problems


def check_code(path, text):
    problems = []
    lines = text.count("\n")
    if lines > MAX_FILE:
        problems.append(f"{path}: {lines} lines, more than {MAX_FILE}")
    for line, length in long_functions(text):
        problems.append(f"{path}:{line}: a function of {length} lines, more than {MAX_FUNCTION}")
    if not text.startswith(("//", "/*")):
        problems.append(f"{path}: does not begin with a comment on what it is")
    if path.startswith("src/") and path not in OPENERS and not path.endswith(("_test.cpp", "_fixture.h")):
        for match in OPENS.finditer(cpp_source.without_comments_and_strings(text)):
            line = text.count("\n", 0, match.start()) + 1
            problems.append(f"{path}:{line}: {match[0]} opens or looks at a file by itself; base/file.h does it, and base/descriptor.h says how")
    if "<CLI/" in text and not path.startswith("src/cli/"):
        problems.append(f"{path}: CLI11 belongs in src/cli")
    if "<nlohmann/" in text and path.endswith(".h"):
        problems.append(f"{path}: nlohmann/json belongs in no header")
    return problems


def check_tree(sources):
    problems, places = [], defaultdict(list)
    for path in sources:  # a public header is known by its folder, which every include of it names; nothing includes an example
        places[path if path.startswith(("include/", "examples/")) else os.path.basename(path)].append(path)
    problems += [f"{' and '.join(paths)}: two files of one name" for paths in places.values() if len(paths) > 1]
    users = [path for path, text in sources.items() if "<nlohmann/" in text]
    if len(users) > MAX_JSON_FILES:
        problems.append(f"nlohmann/json in {len(users)} files, more than {MAX_JSON_FILES}: {', '.join(users)}")
    return problems


def main(root):
    sources = {path: cpp_source.read(root, path) for path in cpp_source.files(root, CODE, (".h", ".cpp"))}
    problems = check_tree(sources)
    for path, text in sources.items():
        problems += check_code(path, text)
    for path in cpp_source.files(root, TEXT, (".h", ".cpp", ".py", ".sh", ".md", ".cmake", "CMakeLists.txt", "run")):
        problems += check_text(path, cpp_source.read(root, path))
    return cpp_source.report("style", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
