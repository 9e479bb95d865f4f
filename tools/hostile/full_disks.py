"""A compression that fills its disk stops with exit 6, keeps its work while the disk stays full, and is resumed to the bytes of an
undisturbed one when there is room.

The disk is a tmpfs of a drawn size in a mount namespace of the test's own. Where that is not allowed a limit on the size of files stands
for it."""

import ctypes
import random
import resource
import subprocess

import compressions
import program
from findings import Fault, Figure, Result, spread

CLONE_NEWNS = 0x00020000
PAGE = 4096
ROOM = "64m"
LAST_PAGES = 40  # report, card, statistics and manifest of a small model
GOLDEN = 0.618
# Those whose largest moment is the last one more often: in the others the first stop is in what they measure.
NAMES = ("statistics", "bound", "statistics", "size", "nf4", "statistics", "shards", "feedback", "statistics")


def own_mounts():
    """Whether this process may mount: in a namespace of its own, so that nobody else sees it and nothing stays."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        return False
    return mounted("--make-rprivate", "/")


def mounted(*arguments):
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True).returncode == 0


class Disk:
    """A small tmpfs, or a limit on the size of a file."""

    def __init__(self, folder, pages):
        folder.mkdir()
        self.folder, self.pages, self.is_mount = folder, pages, own_mounts()
        if self.is_mount:
            self.is_mount = mounted("-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs", folder)

    def grow(self, size):
        if self.is_mount:
            mounted("-o", f"remount,size={size}", self.folder)
        self.pages = None

    def limit(self):
        """For a child, before it runs."""
        if not self.is_mount and self.pages is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.pages * PAGE, self.pages * PAGE))

    def close(self):
        if self.is_mount:
            subprocess.run(["umount", self.folder], check=False)


def succeeds(setting, compression, pages):
    disk = Disk(setting.scratch / f"needed-{compression.name}-{pages}", pages)
    done = setting.quern.run(*compression.arguments(disk.folder / "out"), seconds=600, before=disk.limit)
    disk.close()
    compressions.clear(disk.folder)
    return done.code == program.OK


def needed(setting, name):
    """Pages of a disk that a compression just succeeds on."""
    compression, = compressions.make(setting, (name,))
    fails, works = 0, sum(path.stat().st_size for path in compression.reference.rglob("*") if path.is_file()) // PAGE + 1
    while not succeeds(setting, compression, works):
        fails, works = works, 2 * works
    while works - fails > 1:
        middle = (fails + works) // 2
        fails, works = (fails, middle) if succeeds(setting, compression, middle) else (middle, works)
    return works


def sizes_until_it_stops(draw, number, most):
    """Pages of disks, each smaller than the one before. Half of the first ones lack a few pages, spread evenly, so that what is written last has no
    room; of the others half have few, so that what is written first has none."""
    few = int(LAST_PAGES * (number * GOLDEN % 1))
    pages = max(1, most - 1 - few) if number % 2 else draw.choice([int(draw.uniform(0.02, 1) * most), int(most ** draw.random())])
    while pages > 0:
        yield pages
        pages = int(0.75 * pages)
    yield 1


def try_one(setting, number):
    """Returns (how the disk was made, fault), or nothing where no disk was small enough."""
    draw = random.Random(f"{setting.seed} disk {number}")
    compression = MADE[number % len(MADE)]
    for turn, pages in enumerate(sizes_until_it_stops(draw, number, NEEDED[compression.name])):
        disk = Disk(setting.scratch / f"disk-{number}-{turn}", pages)
        output = disk.folder / "out"
        words = []

        def go(*more):
            done = setting.quern.run(*compression.arguments(output, *more), seconds=600, before=disk.limit)
            words.append(f"{pages} pages of {PAGE} bytes\n{done.text()}")
            return done
        stopped = go()
        if stopped.code == 0:
            disk.close()
            compressions.clear(disk.folder)
            continue
        why = after_the_stop(setting, compression, disk, output, stopped, go)
        fault = None
        if why:
            where = setting.keep("full-disks", number, why + "\n" + "\n".join(words), [output, output.with_name("out.partial")])
            fault = Fault(f"full disk: {why}", f"{compression.name} on {pages} pages: {stopped.said.strip()[:160]}", where)
        disk.close()
        compressions.clear(disk.folder)
        return disk.is_mount, fault
    return None


def after_the_stop(setting, compression, disk, output, stopped, go):
    """Why it is not as promised; empty: it is."""
    partial = output.with_name("out.partial")
    if stopped.fault() or stopped.code != program.RESOURCE:
        return stopped.fault() or f"exit {stopped.code} in place of 6"
    before = compressions.journal_lines(partial)
    again = go("--resume")
    if again.code not in (program.OK, program.RESOURCE):  # a smaller rest may fit
        return again.fault() or f"resuming on the full disk: exit {again.code} in place of 6"
    if again.code and compressions.journal_lines(partial) < before:
        return "resuming on the full disk lost what was done"
    disk.grow(ROOM)
    if again.code == program.OK:
        return compressions.why_unlike(compression, output)
    why, done = compressions.finish(setting, compression, output)
    return f"with room again: {why}: {done.said.strip()[:100]}" if why else ""


MADE = []
NEEDED = {}  # pages, by the name of the compression


def run(setting, count):
    MADE[:] = compressions.make(setting, NAMES if count > 3 else ("shards", "nf4"))
    names = sorted({compression.name for compression in MADE})
    NEEDED.update(zip(names, spread(setting, needed, names, "smallest disks")))
    results, number = [], 0
    while len(results) < count and number < 3 * count:
        step = count - len(results)
        results += [found for found in spread(setting, try_one, range(number, number + step), "full disks") if found]
        number += step
    faults = [fault for _, fault in results if fault]
    how = "tmpfs of their own" if results and results[0][0] else "a limit on the size of files (mounting takes root)"
    return Result([Figure("a compression stopped by a full disk is resumed to equal bytes", len(results), len(results) - len(faults))], faults,
                  [f"full disks by {how}"])
