"""C++ sources for the checks: finding them, and their text with comments and string contents blanked."""

import os
import re

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)
DIGIT_SEPARATOR = re.compile(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])")


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """Comments become spaces; line numbers stay."""
    text = DIGIT_SEPARATOR.sub("_", text)
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith(("//", "/*")) else m[0], text)


def without_comments_and_strings(text):
    """Comments and the inside of literals become spaces; line numbers stay."""
    text = DIGIT_SEPARATOR.sub("_", text)
    return TOKEN.sub(lambda m: blank(m[0]) if m[0].startswith(("//", "/*")) else '"' + blank(m[0])[1:-1] + '"', text)


def string_literals(text):
    """(line, content) of every ordinary string literal outside comments."""
    text = DIGIT_SEPARATOR.sub("_", text)
    for match in TOKEN.finditer(text):
        if match[0].startswith('"'):
            yield text.count("\n", 0, match.start()) + 1, match[0][1:-1]


def files(root, folders, endings):
    """Paths below `root`, relative to it, in a fixed order."""
    found = []
    for folder in folders:
        for where, names, members in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if n not in ("build", ".git", "__pycache__")]
            found += [os.path.relpath(os.path.join(where, m), root) for m in members if m.endswith(endings)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def report(name, problems):
    """Prints the problems and returns the exit status."""
    for problem in problems:
        print(problem)
    print(f"check_{name}: " + (f"{len(problems)} problem(s)" if problems else "ok"))
    return 1 if problems else 0


def root_folder():
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
