"""What a part of the tests found: figures for the table, and for every failure its input in a folder of its own."""

import multiprocessing
import pathlib
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field

import program


@dataclass(frozen=True)
class Figure:
    """`kept` of `tried` cases were as promised. One that does not decide is only reported."""
    promise: str
    tried: int
    kept: int
    decides: bool = True

    def broken(self):
        return self.decides and self.kept < self.tried


@dataclass(frozen=True)
class Fault:
    kind: str
    words: str
    folder: str
    decides: bool = True


@dataclass
class Result:
    figures: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    remarks: list = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """What every part is given. `scratch` goes away, `found` stays."""
    quern: program.Program
    seed: int
    scratch: pathlib.Path
    found: pathlib.Path
    jobs: int

    def keep(self, part, case, words, files=()):
        """Leaves the input of a failure, and what was said. files: paths, or (name, bytes)."""
        folder = self.found / part / str(case)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in files:
            if isinstance(file, tuple):
                (folder / file[0].replace("/", "_")).write_bytes(file[1])
            elif file.is_dir() and not file.is_symlink():
                shutil.copytree(file, folder / file.name, symlinks=True)
            elif file.exists():
                shutil.copy(file, folder / file.name)
        (folder / "what-happened.txt").write_text(words, errors="backslashreplace")
        return str(folder)


def spread(setting, work, cases, label):
    """[work(setting, case)] in the order of the cases, by several processes; says how far it is, to stderr."""
    done, cases = [], list(cases)
    context = multiprocessing.get_context("fork")
    with context.Pool(setting.jobs, program.limit_children) as pool:
        for result in pool.imap(Bound(work, setting), cases, chunksize=max(1, min(32, len(cases) // (8 * setting.jobs)))):
            done.append(result)
            if len(done) % max(1, len(cases) // 10) == 0:
                print(f"{label}: {len(done)} of {len(cases)}", file=sys.stderr, flush=True)
    return done


@dataclass(frozen=True)
class Bound:
    work: object
    setting: Setting

    def __call__(self, case):
        return self.work(self.setting, case)


def table(figures):
    lines = ["| promise | tried | kept | |", "|---|---|---|---|"]
    for figure in figures:
        share = "all" if figure.kept == figure.tried else f"{100 * figure.kept / max(1, figure.tried):.1f}%"
        lines.append(f"| {figure.promise} | {figure.tried:,} | {figure.kept:,} | {share} |")
    return "\n".join(lines) + "\n"


def by_kind(faults, shown=2):
    """Faults of a kind together, most frequent first, each with where the first inputs lie."""
    lines = []
    for kind, count in Counter(fault.kind for fault in faults).most_common():
        lines.append(f"{count:5} {kind}")
        for fault in [fault for fault in faults if fault.kind == kind][:shown]:
            lines.append(f"        {fault.folder}: {fault.words}")
    return "\n".join(lines)
