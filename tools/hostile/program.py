"""The program under test, run with limits of time and memory, and what came of it."""

import os
import resource
import shlex
import subprocess
import tempfile
from dataclasses import dataclass

OK, INTERNAL, RESOURCE, VERIFICATION = 0, 1, 6, 7
DOCUMENTED = {0, 2, 3, 4, 5, 6, 7, 8, 130}  # docs/exit-codes.md, but for 1, which is a defect by definition
SECONDS = 60  # of a run; a hundred times what the slowest needs, so that a busy machine decides nothing
ADDRESS_SPACE = 6 << 30


@dataclass(frozen=True)
class Outcome:
    command: str
    code: int  # negative: the number of the signal that ended it
    printed: str
    said: str
    hung: bool = False

    def fault(self):
        """Why this run breaks a promise whatever its input was; empty: it does not."""
        if self.hung:
            return "hang"
        if self.code < 0 or self.code in range(128 + 1, 128 + 65) and self.code != 130:
            return f"signal {-self.code if self.code < 0 else self.code - 128}"
        return "" if self.code in DOCUMENTED else f"exit {self.code}"

    def names(self, word):
        return word in self.said or word in self.printed

    def text(self):
        return f"$ {self.command}\nexit {self.code}{' (stopped: it took too long)' if self.hung else ''}\n{self.printed}{self.said}"


@dataclass(frozen=True)
class Program:
    path: str

    def run(self, *arguments, cwd=None, seconds=SECONDS, before=None):
        command = [self.path, *map(str, arguments)]
        shown = shlex.join(["quern", *command[1:]])
        # Files in place of pipes: a child that prints much never waits for its reader.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=before,
                                     restore_signals=before is None)  # SIGXFSZ stays ignored: write says EFBIG
            hung = False
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                hung = True
                child.kill()
                child.wait()
            return Outcome(shown, child.returncode, read_back(out), read_back(err), hung)

    def start(self, *arguments, cwd=None):
        return subprocess.Popen([self.path, *map(str, arguments)], cwd=cwd, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def read_back(file, most=1 << 20):
    file.seek(0)
    return file.read(most).decode("utf-8", "backslashreplace")


def limit_children():
    """Of this process and all that it starts: no core files, and memory that one small model never needs."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def peak_of_children():
    """Bytes that the largest child so far had in memory."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def processors():
    return len(os.sched_getaffinity(0))
