"""Every package of the lists in tools/ has its line in docs/dependencies.md, and no other."""

import re
import sys

import cpp_source


def listed_packages(text):
    """Names in a list of dependencies: one a line, with [groups], #comments and ==versions."""
    lines = (line.split("#")[0].strip() for line in text.split("\n"))
    return {line.split("==")[0] for line in lines if line and not line.startswith("[")}


def documented_packages(text):
    """Names in the first column of the tables."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.M))


def check(listed, documented):
    return ([f"{name} is listed but docs/dependencies.md does not say why" for name in sorted(listed - documented)] +
            [f"{name} is in docs/dependencies.md but nothing installs it" for name in sorted(documented - listed)])


def main(root):
    lists = ("dependencies.txt", "peer_requirements.txt", "transformers_requirements.txt")
    listed = set().union(*(listed_packages(cpp_source.read(root, f"tools/{name}")) for name in lists))
    documented = documented_packages(cpp_source.read(root, "docs/dependencies.md"))
    return cpp_source.report("dependencies", check(listed, documented))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else cpp_source.root_folder()))
