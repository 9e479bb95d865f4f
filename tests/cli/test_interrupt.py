"""Ctrl-C publishes nothing; progress is a bar on a terminal and lines in a file."""

import fcntl
import os
import pathlib
import pty
import re
import signal
import subprocess
import termios
import time
import unicodedata
import unittest

import tiny_llama
from quern_program import CALIBRATION_TEXT, MODEL, QUERN, REPORT_TEXT, ProgramTest, compress, hashes

INTERRUPTED = 130
LONG = ["--calib", CALIBRATION_TEXT, "--calib-windows", "150", "--threads", "1"]


class Interrupt(ProgramTest):
    def setUp(self):
        super().setUp()
        self.output = self.folder / "out"

    def interrupt(self, line, *arguments, calibration=LONG, stop=signal.SIGINT, times=1):
        """Starts a long run and sends the signal, so many times, when stderr holds `line`."""
        command = [QUERN, "compress", MODEL, "-o", self.output, "-v", *calibration, *arguments]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            seen = False
            for said in process.stderr:
                seen = line in said
                if seen:
                    for _ in range(times):
                        process.send_signal(stop)
                        time.sleep(0.02 * (times - 1))  # pending signals of one kind are one
                    break
            rest = process.stderr.read()
            self.assertEqual(process.stdout.read(), "")
            process.wait(60)
        self.assertTrue(seen, f"no {line!r} in the progress")
        self.assertEqual(process.returncode, INTERRUPTED, rest)
        self.assertIn("interrupted", rest)
        self.assertIn("--resume", rest)
        self.assert_gone(f"{self.output}.rejected")

    def test_while_calibrating(self):
        self.interrupt("[1/7] calibrate")
        self.assert_gone(self.output)
        compress(self.output, "-q")
        self.succeed("verify", self.output)

    def test_while_encoding(self):
        self.interrupt("[2/56] encode", calibration=["--threads", "1", "--scheme", "q4_k_m"])
        self.assert_gone(self.output)

    def test_by_the_system(self):
        self.interrupt("[1/7] calibrate", stop=signal.SIGTERM)

    def test_when_the_terminal_closes(self):
        self.interrupt("[1/7] calibrate", stop=signal.SIGHUP)

    def test_hanging_up_twice_is_no_impatience(self):
        self.interrupt("[1/7] calibrate", stop=signal.SIGHUP, times=2)

    def test_a_second_signal_ends_it_at_once(self):
        command = [QUERN, "compress", MODEL, "-o", self.output, "-v", *LONG]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            self.assertTrue(any("[1/7] calibrate" in said for said in process.stderr))
            # Both wait for it when it goes on, the lower number in front; pending signals of one kind would be one.
            for waiting in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
                process.send_signal(waiting)
            self.assertNotIn("--resume", process.stderr.read())
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)

    def test_no_thread_that_computes_is_interrupted(self):
        # oneDNN's product keeps data where a handler's frame would be written.
        command = [QUERN, "compress", MODEL, "-o", self.output, "--calib", CALIBRATION_TEXT, "--threads", "2", "-v"]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            self.assertTrue(any("[1/7] calibrate" in said for said in process.stderr))
            masks = [int(re.search(r"^SigBlk:\s*([0-9a-f]+)", status.read_text(), re.M)[1], 16)
                     for status in pathlib.Path(f"/proc/{process.pid}/task").glob("*/status")]
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertGreaterEqual(len(masks), 3)
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            open_to_it = [mask for mask in masks if not mask >> (stop - 1) & 1]
            self.assertEqual(len(open_to_it), 1, f"{stop!r}: only the thread that waits for it")

    def test_file_beyond_the_limit_is_an_error(self):
        done = subprocess.run(["bash", "-c", 'ulimit -f 1000; exec "$0" "$@"', QUERN, "compress", str(MODEL), "-o", str(self.output)],
                              capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 6, done.stderr[-300:])
        self.assert_gone(self.output)
        self.assertIn("--resume", done.stderr)

    def test_package_from_before_stays(self):
        compress(self.output, "--scheme", "q8_0")
        before = hashes(self.output)
        self.interrupt("[1/7] calibrate", "--force")
        self.assertEqual(hashes(self.output), before)

    def test_partial_folder_of_a_killed_run_is_no_obstacle(self):
        partial = self.folder / "out.partial"
        partial.mkdir()
        (partial / "model.safetensors").write_text("half of it")
        (partial / ".quern-lock").touch()
        compress(self.output)
        self.assert_gone(partial)

    def test_somebody_elses_partial_folder_is_left_alone(self):
        partial = self.folder / "out.partial"
        partial.mkdir()
        (partial / "diary.txt").write_text("dear diary")
        self.fail_with(2, ["out.partial", "not left by quern"], "compress", MODEL, "-o", self.output)
        self.assertEqual((partial / "diary.txt").read_text(), "dear diary")

    def test_second_run_on_one_output_is_refused(self):
        partial = self.folder / "out.partial"
        partial.mkdir()
        with open(partial / ".quern-lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.fail_with(2, ["another run is writing", "out"], "compress", MODEL, "-o", self.output)


class Progress(ProgramTest):
    COMMAND = ["compress", MODEL, "--calib", CALIBRATION_TEXT, "--calib-windows", "2", "--optimizer", "weighted", "-o"]

    def on_terminal(self, *arguments, columns=120, term="xterm", stream="stderr"):
        """What the program writes to a terminal as stderr, or stdout."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        with subprocess.Popen([QUERN, *map(str, arguments)], env=dict(os.environ, TERM=term),
                              **({"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: theirs})) as process:
            os.close(theirs)
            said = b""
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # EIO: the other side is closed
                    break
                if not part:
                    break
                said += part
            os.close(ours)
        self.assertEqual(process.returncode, 0, said)
        return said.decode()

    def test_terminal_shows_a_bar_of_the_whole_run(self):
        said = self.on_terminal(*self.COMMAND, self.folder / "out", "--report-text", REPORT_TEXT, "--report-windows", "1")
        self.assertRegex(said, r"\r\x1b\[Kcalibrate +\[#*\.*\] +\d+%")
        self.assertRegex(said, r"\d+%  <?\d+ s left  ")
        percents = [int(percent) for percent in re.findall(r"\] +(\d+)%", said)]
        self.assertEqual(percents, sorted(percents), "it went backwards")
        self.assertLess(percents[0], 30)
        self.assertLess(percents[-1], 100, "100% was said before the end")
        self.assertRegex(said, r"\r\x1b\[K((note: |and )[^\r]*\r\n)*$")
        self.assertNotRegex(said, r"\[\d+/\d+\]")

    def test_bar_stays_within_a_narrow_terminal(self):
        for columns in (30, 40, 50, 80):
            said = self.on_terminal(*self.COMMAND, self.folder / f"out{columns}", columns=columns)
            bars = re.findall(r"\x1b\[K(?!note: )(\w[^\r\n]*%[^\r\n]*)", said)
            self.assertGreater(len(bars), 20)
            self.assertLess(max(map(len, bars)), columns)
            preview = said.split("\x1b")[0].splitlines()
            self.assertLessEqual(max(map(len, preview)), max(columns, 60), preview)

    def test_results_stay_within_a_narrow_terminal(self):
        out = self.folder / "out"
        reported = ["--report-text", REPORT_TEXT, "--report-windows", "1"]
        model = tiny_llama.write(self.folder / "tiny")
        for command in (["compress", model, "-o", out, "--scheme", "q4_0", *reported],
                        ["eval", out, "--against", model, "--text", REPORT_TEXT, "--windows", "1"], ["inspect", MODEL],
                        ["plan", model, "--calib", CALIBRATION_TEXT, "--calib-windows", "2", "--target-size", "80KB"]):
            said = self.on_terminal(*command, columns=40, stream="stdout")
            self.assertGreater(said.count("\n"), 5)
            for line in said.splitlines():
                self.assertTrue(len(line) <= 40 or len(line.split()) == 1, f"{command[0]}: {line}")  # a path is not broken
        said = self.on_terminal("inspect", MODEL, columns=80, stream="stdout")
        self.assertLessEqual(max(map(len, said.splitlines())), 80)
        self.assertRegex(said, r"\r\nseedlm_4w +safetensors {3,}", "columns are kept where there is room for them")

    def test_a_further_trial_is_more_to_do(self):
        said = self.succeed("compress", tiny_llama.write(self.folder / "tiny"), "-o", self.folder / "out", "--scheme", "q4_0", "--max-kld", "0.0001",
                            "--gate-text", REPORT_TEXT, "--gate-windows", "2", "--max-trials", "9").stderr
        self.assertIn("trial 1 misses the bound", said)
        choosing = [line for line in said.splitlines() if re.search(r"measure (tensors one by one|bands of layers) \(0 of", line)]
        self.assertEqual(len(choosing), 1, said)
        self.assertNotIn("%", choosing[0], "how long that takes is not known before its first step")

    def test_of_plan_and_verify_is_of_the_whole_run(self):
        model = tiny_llama.write(self.folder / "tiny")
        said = self.on_terminal("plan", model, "--calib", CALIBRATION_TEXT, "--calib-windows", "2", "--target-size", "80KB")
        self.assertRegex(said, r"\x1b\[Kcalibrate +\[#*\.*\] +\d+%  <?\d+ .* left")
        package = compress(self.folder / "out", "--scheme", "q8_0", model=model)
        said = self.on_terminal("verify", package)
        percents = [int(percent) for percent in re.findall(r"\] +(\d+)%", said)]
        self.assertGreater(len(percents), 20)
        self.assertEqual(percents, sorted(percents))

    def test_wide_characters_take_two_columns(self):
        model = tiny_llama.write(self.folder / ("\u6a21\u578b" * 12))
        said = self.on_terminal("bench", model, "--prompt-tokens", "2", "-n", "1", "--repeats", "3", columns=100)
        bars = re.findall(r"\x1b\[K([^\r\n]+)", said)
        self.assertTrue(any("\u6a21" in bar for bar in bars), said)
        for bar in bars:
            self.assertLess(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in bar), 100, bar)

    def test_a_dumb_terminal_gets_lines(self):
        for term in ("dumb", ""):
            said = self.on_terminal(*self.COMMAND, self.folder / f"out{term}", term=term)
            self.assertNotIn("\x1b", said)
            self.assertNotIn("\r", said.replace("\r\n", "\n"))
            self.assertIn("calibrate (0 of 7)", said)

    def test_no_terminal_gets_a_line_a_phase(self):
        said = self.succeed(*self.COMMAND, self.folder / "out").stderr
        phases = [line for line in said.splitlines() if re.search(r" \(\d+ of \d+\)", line)]
        self.assertLess(len(phases), 15, said)
        self.assertRegex(said, r"(?m)^ *\d+%  calibrate \(0 of 7\), .* left$")
        self.assertNotIn("\r", said)

    def test_every_step_is_a_line_where_that_is_asked_for(self):
        said = self.succeed(*self.COMMAND, self.folder / "out", "-v").stderr
        self.assertEqual(len(re.findall(r"^\[\d+/7\] calibrate: .+$", said, re.M)), 7, said[-600:])

    def test_quiet_is_quiet_on_a_terminal_too(self):
        self.assertEqual(self.on_terminal(*self.COMMAND, self.folder / "out", "-q"), "")


if __name__ == "__main__":
    unittest.main()
