"""Writes the tables of docs/benchmarks.md anew: each stands between two markers, the first of which names its command.

  ./dev figures [SECTION ...]                  build Quern and llama.cpp, then the sections named, or all
  python3 bench/reproduce.py --list            what there is
  python3 bench/reproduce.py --check           every table has a marker, and every command is a program of this folder

Other options (--reference, --calib, --eval, --python, --rounds, --threads) are handed to every program. The page is written after each
section, so that what was measured stays if a later one fails; a section some of whose models are absent stays as it was. Prose outside the
markers is written by hand.
"""
import argparse
import pathlib
import re
import shlex
import subprocess
import sys

import interleaved

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/benchmarks.md"
SECTION = re.compile(r"^<!-- begin ([\w-]+): ([^\n]+) -->\n(.*?)^<!-- end \1 -->$", re.M | re.S)
MARKER = re.compile(r"^<!-- (?:begin|end) .*$", re.M)


def sections(page):
    """{name: its command}, in the order of the page."""
    return {match[1]: shlex.split(match[2]) for match in SECTION.finditer(page)}


def with_section(page, name, body):
    def fresh(match):
        return f"<!-- begin {name}: {match[2]} -->\n{body.strip()}\n<!-- end {name} -->" if match[1] == name else match[0]
    return SECTION.sub(fresh, page)


def problems(page, root=ROOT):
    found = [f"{' '.join(command)}: no program of bench/" for command in sections(page).values()
             if not re.fullmatch(r"bench/\w+\.py", command[0]) or not (root / command[0]).is_file()]
    names = [match[1] for match in SECTION.finditer(page)]
    found += [f"{name}: two sections of one name" for name in sorted(set(names)) if names.count(name) > 1]
    rest = SECTION.sub("", page)
    found += [f"{line}: a marker without its other half" for line in MARKER.findall(rest)]
    return found + [f"{line[:60]}: a table that no command makes" for line in rest.splitlines() if re.match(r"\|[-:| ]+\|$", line)]


def measure(name, command, options):
    print(f"== {name}: {shlex.join(command)}", flush=True)
    result = subprocess.run([sys.executable, "-B", ROOT / command[0], *command[1:], *options], stdout=subprocess.PIPE, text=True)
    if result.returncode:
        return False
    print(result.stdout, flush=True)
    if interleaved.LEFT_OUT in result.stdout:
        print(f"{name} stays as it was", flush=True)
    else:
        PAGE.write_text(with_section(PAGE.read_text(), name, result.stdout))
    return True


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("names", nargs="*", metavar="SECTION")
    ap.add_argument("--list", action="store_true", help="print the sections and their commands")
    ap.add_argument("--check", action="store_true", help="check the page, measure nothing")
    a, options = ap.parse_known_args()
    page = PAGE.read_text()
    known = sections(page)
    if a.list:
        print("\n".join(f"{name:24} {shlex.join(command)}" for name, command in known.items()))
        return 0
    if a.check:
        found = problems(page)
        print("\n".join(found) or f"{len(known)} sections, each with its command")
        return 1 if found else 0
    if unknown := [name for name in a.names if name not in known]:
        print(f"no section {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = [name for name in a.names or known if not measure(name, known[name], options)]
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
