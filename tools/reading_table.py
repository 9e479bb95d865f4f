#!/usr/bin/env python3
"""Writes the table of README.md that says what is read: of each kind of input the program that reads it as well, and the largest
difference of any weight; and docs/formats/reading.md, with a line for each file.

  ./dev reading                       build what is needed, and write both tables anew
  python3 tools/reading_table.py      only write them, with the packages that this Python has

Every file is converted by `quern compress --scheme f32`, which rounds nothing, and compared with what the other program reads there
(tools/reading_oracles.py). Lines whose program is not installed, or whose files are absent, stay as they were.
"""

import argparse
import pathlib
import re
import sys

import reading_oracles as oracles
from reading_rows import ROOT, ROWS

README, PAGE = ROOT / "README.md", ROOT / "docs/formats/reading.md"
SECTION = re.compile(r"^(<!-- begin reading: [^\n]+ -->\n)(.*?)^(<!-- end reading -->)$", re.M | re.S)
HEADS = {README: "| input | what was read | read as well by | largest difference |\n|---|---|---|---|\n",
         PAGE: "| input | file | compared | largest difference |\n|---|---|---|---|\n"}


def lines_of(row, found):
    """The line of README.md, and those of the page."""
    program = oracles.version(row.package) if row.package else row.recorded
    count, largest = sum(found_row[1] for found_row in found), max(found_row[2] for found_row in found)
    files = f"{len(found)} file{'s' if len(found) > 1 else ''}"
    short = f"| {row.kinds} | {row.what}: {files}, {count:,} {row.unit} | {program} | {largest:.3g} |"
    return short, [f"| {row.kinds} | {name} | {n:,} {row.unit} | {most:.3g} |" for name, n, most in found]


def old_lines(page, row):
    """Those of a page that stand for the row."""
    return [line for line in SECTION.search(page)[2].splitlines() if line.startswith(f"| {row.kinds} |")]


def tables(quern, pages):
    """{page: its table}, each line measured or as it was; says on stderr which were not measured."""
    made = {README: [], PAGE: []}
    for row in ROWS:
        found = row.measure(quern)
        if found is None:
            print(f"{row.kinds} ({row.what}): not measured here, stays as it was", file=sys.stderr)
            for path in made:
                made[path] += old_lines(pages[path], row)
        else:
            short, long = lines_of(row, found)
            made[README].append(short)
            made[PAGE] += long
    return {path: HEADS[path] + "\n".join(lines) + "\n" for path, lines in made.items()}


def with_table(page, table):
    return SECTION.sub(lambda match: match[1] + table + match[3], page)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quern", default=ROOT / "build/release/quern", type=pathlib.Path)
    quern = ap.parse_args().quern
    pages = {path: path.read_text() for path in HEADS}
    for path, table in tables(quern, pages).items():
        path.write_text(with_table(pages[path], table))


if __name__ == "__main__":
    main()
