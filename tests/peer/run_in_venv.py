"""Runs a test module under the Python of a virtual environment in build/, peer-venv if no other is named.

Without it says so and ends with 77, ctest's code for skipped.
"""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# How each is made, and the variable that makes it an error to be without.
MADE_BY = {"peer-venv": ("./dev peer-setup makes it", "QUERN_REQUIRE_PEER"),
           "transformers-venv": ("tools/transformers_requirements.txt says how to make it", "QUERN_REQUIRE_TRANSFORMERS")}


def main(module, venv="peer-venv"):
    python = ROOT / "build" / venv / "bin/python"
    if python.exists():
        search = os.pathsep.join([str(ROOT / "tests/cli"), os.environ.get("PYTHONPATH", "")])
        os.execve(python, [str(python), "-B", "-m", "unittest", module], os.environ | {"PYTHONPATH": search})
    made_by, required = MADE_BY[venv]
    print(f"{python.relative_to(ROOT)} is not there; {made_by}")
    return 1 if os.environ.get(required) else 77


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
