"""How far Quern's figures are from those of independent programs, as the tests print and record them.

  python3 bench/agreement.py logits|statistics|runtime

logits: to transformers in float32 (recorded values). statistics: to llama-imatrix. runtime: llama.cpp's own evaluation of our
files (./dev peer-setup).
"""
import json
import tempfile

import interleaved as run

RELEASE = run.ROOT / "build/release"


def logits():
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run.output_of(RELEASE / "quern_runtime_test", "--gtest_filter=*AgreeWithTransformers*", f"--gtest_output=json:{file.name}")
        suites = json.load(file)["testsuites"]
    print("| test | tokens | largest difference of a logit / largest logit |\n|---|---|---|")
    for test in (test for suite in suites for test in suite["testsuite"]):
        for key, value in sorted(test.items()):
            if key.startswith("error_"):
                print(f"| {test.get('value_param', test['name'])} | {key.removeprefix('error_')} | {float(value):.1e} |".replace('"', ""))


def statistics():
    said = run.output_of(RELEASE / "quern_calib_test", "--gtest_filter=Collect.AgreesWithLlamaImatrix")
    print("\n".join(line for line in said.splitlines() if "llama-imatrix" in line and not line.startswith("[")))


def runtime():
    print("| file | figures |\n|---|---|")
    for module in ("test_llama_30m", "test_families"):
        said = run.output_of("python3", run.ROOT / "tests/peer/run_in_venv.py", module, stderr=run.subprocess.STDOUT,
                             environment={"PYTHONPATH": str(run.ROOT / "tests/peer"), "QUERN": str(run.QUERN)})
        for line in said.splitlines():
            file, colon, figures = line.partition(": ")
            if colon and "perplexity" in figures:
                print(f"| {file} | {figures} |")


def main():
    ap = run.arguments(__doc__)
    ap.add_argument("table", choices=["logits", "statistics", "runtime"])
    a = ap.parse_args()
    {"logits": logits, "statistics": statistics, "runtime": runtime}[a.table]()


if __name__ == "__main__":
    main()
