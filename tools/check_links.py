"""Every relative link of the Markdown pages leads to a file of the repository, and to a heading where it names one."""

import os
import re
import sys

import cpp_source

FENCED = re.compile(r"^```.*?^```", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(<?([^()\s<>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*<?(\S+?)>?\s*$", re.M)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.I)


def links(text):
    """(line, target) of every link outside code."""
    for pattern in (FENCED, CODE):
        text = pattern.sub(lambda m: cpp_source.blank(m[0]), text)
    for match in LINK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] or match[2]


def anchors(text):
    """Names of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+\s+(.*?)\s*$", FENCED.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_page(path, text, exists, read):
    """`exists` and `read` take paths relative to the root."""
    problems = []
    for line, target in links(text):
        if ELSEWHERE.match(target):
            continue
        name, _, heading = target.partition("#")
        place = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if target.startswith("/") or place.startswith("..") or not exists(place):
            problems.append(f"{path}:{line}: {target} leads nowhere in the repository")
        elif heading and place.endswith(".md") and heading not in anchors(read(place)):
            problems.append(f"{path}:{line}: {place} has no heading #{heading}")
    return problems


def main(root):
    problems = []
    for path in cpp_source.files(root, ["."], (".md",)):
        problems += check_page(path, cpp_source.read(root, path), lambda p: os.path.exists(os.path.join(root, p)),
                               lambda p: cpp_source.read(root, p))
    return cpp_source.report("links", problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
