"""Mutated inputs: whatever is in a file, a run ends by itself, with a documented exit code that is not 1, and says which file is wrong.

Every case is drawn from its number and the seed alone: which input, which of its files, what is changed, which command reads it."""

import os
import random
import re
import shutil

import mutate_bytes
import program
import seeds
from findings import Fault, Figure, Result, spread

# What a message carries through to a terminal that no text has: controls but for tab and new line, C1, marks that turn the writing round.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PAGES, TAG = ("README.md", "report.html"), "<script>alert(1)"  # a text of mutate_json
PEAK = 1 << 30  # bytes in memory; the inputs are below 1 MB
STRUCTURED = 0.7  # share of the cases whose change knows the format


def draw_case(seed, number, inputs):
    draw = random.Random(f"{seed} mutation {number}")
    chosen = draw.choices(inputs, [item.weight for item in inputs])[0]
    raw = (chosen.folder / chosen.target).read_bytes()
    for _ in range(20):
        change = chosen.change if draw.random() < STRUCTURED else mutate_bytes.change
        fresh = change(draw, raw)
        if fresh != raw:
            break
    return chosen, fresh, draw.choice(chosen.commands)


def work_folder(setting, chosen):
    """A copy of the input's folder for this process."""
    here = setting.scratch / f"process-{os.getpid()}" / chosen.folder.name
    if not here.exists():
        shutil.copytree(chosen.folder, here)
    return here


def what_is_there(here):
    return sorted(str(path.relative_to(here)) for path in here.rglob("*"))


def tidy(here, chosen):
    """Removes what a good run writes, puts the good input back; what else has appeared, or gone."""
    for name in ("out", "out.partial", "out.rejected"):
        shutil.rmtree(here / name, ignore_errors=True)
    shutil.copy(chosen.folder / chosen.target, here / chosen.target)
    return sorted(set(what_is_there(here)) ^ set(what_is_there(chosen.folder)))


def raw_page(package):
    """The page of a package that carries a text of its input as it stands."""
    for name in PAGES:
        text = (package / name).read_text(errors="backslashreplace") if (package / name).exists() else ""
        if RAW.search(text) or TAG in text:
            return name
    return ""


def what_it_refuses(outcome):
    """The refusal but for its numbers: sizes change with a file. None: it refuses nothing."""
    return (outcome.code, re.sub(r"\d+", "N", outcome.said)) if outcome.code > 0 else None


UNTOUCHED = {}  # (input, command) -> what it refuses of the good input; of this process


def untouched_refusal(setting, chosen, command, here):
    key = (chosen.name, command)
    if key not in UNTOUCHED:
        UNTOUCHED[key] = what_it_refuses(setting.quern.run(*command, cwd=here))
        tidy(here, chosen)
    return UNTOUCHED[key]


def faults_of(chosen, outcome, peak, page, strays):
    """[(kind, decides)]: promises that were broken, and what is only reported."""
    file = os.path.basename(chosen.target)
    found = [(outcome.fault(), True)] if outcome.fault() else []
    if peak > PEAK:
        found.append((f"more than {PEAK >> 20} MB of memory", True))
    if strays:
        found.append((f"left {strays[0]}", True))
    said = outcome.said + ("" if outcome.command.startswith("quern run") else outcome.printed)  # `run` pipes what the model writes
    if RAW.search(said):
        found.append(("raw controls in what is said", True))
    if page:
        found.append((f"raw text in {page}", True))
    if outcome.code > 0 and not outcome.fault() and not outcome.names(file):
        found.append(("does not name the file", False))
    return found


def try_one(setting, number):
    chosen, fresh, command = draw_case(setting.seed, number, INPUTS)
    here = work_folder(setting, chosen)
    (here / chosen.target).write_bytes(fresh)
    before = program.peak_of_children()
    outcome = setting.quern.run(*command, cwd=here)
    peak = program.peak_of_children()
    page = raw_page(here / "out")
    found = faults_of(chosen, outcome, peak if peak > before else 0, page, tidy(here, chosen))
    # What is refused whatever the file holds says nothing of the file.
    refused = outcome.code > 0 and what_it_refuses(outcome) != untouched_refusal(setting, chosen, command, here)
    found = [(kind, decides) for kind, decides in found if decides or refused]
    kept = []
    for kind, decides in found:
        words = f"{chosen.name}: {outcome.command}: {(outcome.said or outcome.printed).strip()[:200]!r}"
        part = "mutations" if decides else "mutations-unnamed"
        where = setting.keep(part, number, f"{kind}\n{outcome.text()}", [(chosen.target, fresh)])
        kept.append(Fault(f"{kind}: {chosen.name} ({command[0]})", words, where, decides))
    return refused, peak, kept


INPUTS = []  # of this process and of those that it forks


def run(setting, count):
    INPUTS[:] = seeds.all_seeds(setting.quern, setting.scratch / "seeds")
    results = spread(setting, try_one, range(count), "mutated inputs")
    faults = [fault for _, _, kept in results for fault in kept]
    broken = sum(any(fault.decides for fault in kept) for _, _, kept in results)
    ended = sum(not any(fault.kind.startswith(("hang", "signal", "exit")) for fault in kept) for _, _, kept in results)
    refused = sum(is_refused for is_refused, _, _ in results)
    unnamed = sum(any(not fault.decides for fault in kept) for _, _, kept in results)
    return Result([Figure("a mutated input ends without crash, hang or exit 1", count, ended),
                   Figure("and without raw controls, stray files or 1 GB of memory", count, count - broken),
                   Figure("where it is refused for the change, the message names the file", refused, refused - unnamed, decides=False)],
                  faults, [f"{len(INPUTS)} inputs; at most {max(peak for _, peak, _ in results) >> 20} MB in memory"])
