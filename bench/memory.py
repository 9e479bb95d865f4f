"""tests/memory_4gb.sh: a checkpoint of 4.2 GB becomes q4_k_m, calibrated and measured, while the kernel allows 1 GB of private memory.

  python3 bench/memory.py
"""
import interleaved as run


def main():
    a = run.arguments(__doc__).parse_args()
    print(run.machine(a.threads) + "\n")
    seconds = run.seconds_of("bash", run.ROOT / "tests/memory_4gb.sh", run.QUERN)
    print("| weights | private memory allowed | seconds, making the checkpoint and verifying included |\n|---|---|---|")
    print(f"| 4,202,975,232 bytes | 1 GB (RLIMIT_DATA) | {seconds:.0f} |")


if __name__ == "__main__":
    main()
