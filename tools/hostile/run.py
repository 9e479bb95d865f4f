#!/usr/bin/env python3
"""Tries to break Quern: damaged packages, hostile files, kills and full disks. Prints one table; ends with 1 where a promise was broken.

  ./dev hostile                     build, and everything with the figures of docs/security.md; half an hour on two processors
  ./dev hostile --quick             a few of each, for half a minute
  ./dev hostile --part mutations --count 2000 --seed 7
  ./dev hostile --page              everything, and write the table into docs/security.md

The scripts of this folder know the file formats from their specifications and share no code with Quern. Everything drawn comes from the seed.
Every failure leaves its input and what was said in a folder of its own below --found. Only the standard library is needed.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import corruptions
import double_edits
import findings
import full_disks
import kills
import large_headers
import mutations
import partial_work
import program
import untouched

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/security.md"
SECTION = re.compile(r"^(<!-- begin hostile: [^\n]+ -->\n)(.*?)^(<!-- end hostile -->)$", re.M | re.S)
# part -> (what runs it, how many, how many with --quick); of headers their megabytes
PARTS = {"corruptions": (corruptions.run, 400, 20), "bits": (corruptions.run_anywhere, 200, 10), "double-edits": (double_edits.run, 140, 7),
         "untouched": (untouched.run, 100, 6), "kills": (kills.run, 100, 2), "disks": (full_disks.run, 30, 2), "partial-work": (partial_work.run, 60, 2),
         "headers": (large_headers.run, 90, 16), "mutations": (mutations.run, 10000, 300)}


def say(text):
    print(text, file=sys.stderr, flush=True)


def state_of_the_tree():
    """The commit that was measured, as far as it can be known."""
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude", "*"], capture_output=True, text=True)
    return done.stdout.strip() or "an unknown commit"


def measure(options, setting):
    results = {}
    for part in options.part or PARTS:
        run, whole, quick = PARTS[part]
        began = time.monotonic()
        results[part] = run(setting, options.count or (quick if options.quick else whole))
        say(f"{part}: {time.monotonic() - began:.0f} s, {len([f for f in results[part].faults if f.decides])} faults")
    return results


def write_page(figures, words):
    page = PAGE.read_text()
    PAGE.write_text(SECTION.sub(lambda match: f"{match[1]}{findings.table(figures)}\n{words}\n{match[3]}", page))


def read_options():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quern", type=pathlib.Path, default=ROOT / "build/release/quern")
    ap.add_argument("--seed", type=int, default=2026)
    ap.add_argument("--part", action="append", choices=list(PARTS), help="only this one; may be repeated")
    ap.add_argument("--count", type=int, help="so many cases of each part (headers: megabytes)")
    ap.add_argument("--quick", action="store_true", help="a few of each")
    ap.add_argument("--jobs", type=int, default=program.processors())
    ap.add_argument("--found", type=pathlib.Path, default=ROOT / "build/hostile", help="where the inputs of failures are left")
    ap.add_argument("--page", action="store_true", help="write the table into docs/security.md")
    options = ap.parse_args()
    if options.page and (options.part or options.count or options.quick):
        ap.error("--page takes everything: no --part, --count or --quick")
    if not options.quern.is_file():
        ap.error(f"there is no program {options.quern}; ./dev build makes it")
    return options


def main():
    options = read_options()
    shutil.rmtree(options.found, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="quern-hostile-") as scratch:
        setting = findings.Setting(program.Program(str(options.quern.resolve())), options.seed, pathlib.Path(scratch), options.found.resolve(), options.jobs)
        results = measure(options, setting)
    figures = [figure for result in results.values() for figure in result.figures]
    faults = [fault for result in results.values() for fault in result.faults]
    broken = [figure for figure in figures if figure.broken()]
    words = "; ".join([f"Commit {state_of_the_tree()}, seed {options.seed}", *(remark for result in results.values() for remark in result.remarks)]) + "."
    print(findings.table(figures) + "\n" + words)
    for heading, part in (("Broken", [f for f in faults if f.decides]), ("Reported only", [f for f in faults if not f.decides])):
        if part:
            print(f"\n{heading}, by kind:\n{findings.by_kind(part)}")
    if options.page:
        write_page(figures, words)
    return 1 if broken or any(fault.decides for fault in faults) else 0


if __name__ == "__main__":
    sys.exit(main())
