"""Messages of the library name fields of its options, in back quotes, and never a flag; the table in src/cli/field_flags.cpp
has a flag for each, and its rows are members of the public headers and options of the commands."""

import re
import sys

import cpp_source

TABLE = "src/cli/field_flags.cpp"
ROW = re.compile(r'FieldFlag\{"([^"]+)", "([^"]+)"\}')
FIELD = re.compile(r"`([a-z][a-z_.]*(?:=k[A-Z]\w*)?)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*\b(?!-?:)")
COMMAND = re.compile(r"`quern [^`]*`")  # a whole command line, for the reader of a model card
SPLIT_LITERAL = re.compile(r'(?<!\\)"\s*\n\s*"')


def is_library(path):
    return path.startswith("src/") and not path.startswith("src/cli/") and not path.endswith(("_test.cpp", "_fixture.h"))


def literals(text):
    """String literals outside comments, those that stand in several pieces as one."""
    return cpp_source.string_literals(SPLIT_LITERAL.sub("", cpp_source.without_comments(text)))


def check_flags(path, text):
    """A flag in a message of the library."""
    return [f'{path}: a message names the flag {flag}; name the field of the options, in back quotes'
            for _, literal in literals(text) for flag in FLAG.findall(COMMAND.sub("", literal))]


def check_messages(path, text, fields):
    """A field in a message without a row in the table."""
    return [f"{path}: the field `{field}` of a message has no row in {TABLE}"
            for _, literal in literals(text) for field in FIELD.findall(literal) if field not in fields]


def check_table(rows, headers, commands):
    """Rows whose field is no member, or whose flag is no option. `headers`, `commands`: code as text."""
    problems = [f"{TABLE}: no row was found, so nothing could be checked"] if not rows else []
    options = {name for names in re.findall(r'"((?:-\w,)?--[a-z-]+|[A-Z]+)"', commands) for name in names.split(",")}
    for field, flag in rows:
        member, _, value = field.partition("=")
        words = member.split(".") + ([value] if value else [])
        problems += [f"{TABLE}: {field}: no public header has a member {word}" for word in words if not re.search(rf"\b{word}\b", headers)]
        problems += [f"{TABLE}: {flag} of {field} is no option of a command"] if flag not in options else []
    return problems


def main(root):
    sources = {p: cpp_source.read(root, p) for p in cpp_source.files(root, ["src", "include"], (".h", ".cpp", ".inc"))}
    rows = ROW.findall(sources[TABLE])
    headers = "".join(cpp_source.without_comments(text) for path, text in sources.items() if path.startswith("include/"))
    commands = "".join(text for path, text in sources.items() if path.startswith("src/cli/") and path != TABLE)
    problems = check_table(rows, headers, commands)
    for path, text in sources.items():
        if is_library(path):
            problems += check_flags(path, text) + check_messages(path, text, {field for field, _ in rows})
    return cpp_source.report("fields", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
