"""A compression that is killed at random moments, again and again, is resumed to the bytes of an undisturbed one."""

import random
import subprocess

import compressions
from findings import Fault, Figure, Result, spread

MOST = 3  # kills of one compression


def try_one(setting, number):
    """One compression to its end. Returns (kills, of those that left a journal, fault)."""
    draw = random.Random(f"{setting.seed} kill {number}")
    compression = MADE[number % len(MADE)]
    output = setting.scratch / f"kill-{number}" / "out"
    output.parent.mkdir()
    kills = journals = 0
    moments = []
    for _ in range(draw.randrange(1, MOST + 1)):
        moment = draw.uniform(0, 1.1 * compression.seconds)
        with setting.quern.start(*compression.arguments(output, "--resume")) as child:
            try:
                child.wait(moment)
            except subprocess.TimeoutExpired:
                child.kill()
                kills += 1
                moments.append(f"{moment:.3f} s")
        if output.exists():
            break
        journals += compressions.journal_lines(output.with_name("out.partial")) > 0
    if output.exists():
        why = compressions.why_unlike(compression, output)
        words = why
    else:
        why, done = compressions.finish(setting, compression, output)
        words = f"{why}\n{done.text()}"
    fault = None
    if why:
        where = setting.keep("kills", number, f"killed after {', '.join(moments)}\n{words}", [output, output.with_name("out.partial")])
        fault = Fault(f"after a kill: {why}", f"{compression.name}, killed after {', '.join(moments)}", where)
    compressions.clear(output.parent)
    return kills, journals, fault


MADE = []


def run(setting, count):
    MADE[:] = compressions.make(setting, ("bound", "size", "shards", "feedback") if count > MOST else ("shards",))
    kills = journals = number = broken = 0
    faults = []
    while kills < count:
        step = max(1, (count - kills) // 2)
        for found in spread(setting, try_one, range(number, number + step), "kills"):
            kills, journals = kills + found[0], journals + found[1]
            if found[2]:
                broken += max(1, found[0])
                faults.append(found[2])
        number += step
    return Result([Figure("a killed compression is resumed to equal bytes", kills, kills - broken)], faults,
                  [f"{kills} kills of {number} compressions, after {journals} of which there was something to go on from"])
