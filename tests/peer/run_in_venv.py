"""Runs a test module under the Python of build/peer-venv; without it says so and ends with 77, ctest's code for skipped."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build/peer-venv/bin/python"


def main(module):
    if PYTHON.exists():
        search = os.pathsep.join([str(ROOT / "tests/cli"), os.environ.get("PYTHONPATH", "")])
        os.execve(PYTHON, [str(PYTHON), "-B", "-m", "unittest", module], os.environ | {"PYTHONPATH": search})
    print(f"{PYTHON.relative_to(ROOT)} is not there; ./dev peer-setup makes it")
    return 1 if os.environ.get("QUERN_REQUIRE_PEER") else 77


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
