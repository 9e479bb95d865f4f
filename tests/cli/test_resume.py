"""An interrupted run goes on with --resume and ends with the same bytes, wherever it was stopped."""

import fcntl
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time
import unittest

import shallow_llama
import tiny_llama
from gguf_layout import Layout
from quern_program import CALIBRATION_TEXT, MODEL, QUERN, REPORTED, ProgramTest, compress, hashes, read_json, run

OK, USAGE, INPUT, RESOURCE, INTERRUPTED = 0, 2, 3, 6, 130
KILLS = int(os.environ.get("QUERN_KILLS", "10"))
FULL_DISKS = int(os.environ.get("QUERN_FULL_DISKS", "8"))
# Several trials of a bound: statistics, plans, measurements and copied tensors are all on record somewhere.
GATED = ["--scheme", "q4_k_m", "--calib", CALIBRATION_TEXT, "--calib-windows", "4", "--gate-windows", "1", "--max-kld", "0.012",
         "--threads", "2"]
CALIBRATED = [*GATED[:6], "--threads", "2"]
FREE = ["--scheme", "q4_k_m", "--threads", "1"]
ENCODING = f"[3/{shallow_llama.TENSORS}] encode"
ROOM = 2500  # pages of 4096 bytes that such a run needs
TIMED = ("report.json", "report.html", "README.md", "manifest.json")  # hold the time and the command, or a hash of those


def padding_of_counts(path):
    """(offset, bytes) of what lies behind the single numbers in a file of statistics, up to the next tensor."""
    layout = Layout(path)
    at, gaps = layout.data, []
    for name, (_, slot) in layout.tensors.items():
        if name.endswith(".counts"):
            gaps.append((at + 4, len(slot) - 4))
        at += len(slot)
    return gaps


def same(folder):
    return {name: hash_ for name, hash_ in hashes(folder).items() if name not in TIMED}


class Resume(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shallow = shallow_llama.write(cls.class_folder)
        cls.gated = compress(cls.class_folder / "gated", *GATED, model=cls.shallow)
        cls.calibrated = compress(cls.class_folder / "calibrated", *CALIBRATED, model=cls.shallow)
        cls.free = compress(cls.class_folder / "free", *FREE)

    def setUp(self):
        super().setUp()
        self.output, self.partial = self.folder / "out", self.folder / "out.partial"

    def start(self, *arguments, model=MODEL):
        command = [QUERN, "compress", model, "-o", self.output, "-v", *arguments]
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def stop_at(self, line, *arguments, how=signal.SIGINT, model=MODEL):
        """Sends the signal when stderr holds `line`; returns the exit status and what was said after that."""
        with self.start(*arguments, model=model) as process:
            self.assertTrue(any(line in said for said in process.stderr), f"no {line!r} in the progress")
            process.send_signal(how)
            return process.wait(60), process.stderr.read()

    def resume(self, *arguments, model=MODEL):
        return self.succeed("compress", model, "-o", self.output, *arguments, "--resume").stderr

    def expect_like(self, reference):
        self.assertEqual(same(self.output), same(reference))
        ours, theirs = (read_json(package / "manifest.json") for package in (self.output, reference))
        for manifest, package in ((ours, self.output), (theirs, reference)):  # paths are relative to the package, or none
            if manifest["source"]["path"]:
                manifest["source"]["path"] = (package / manifest["source"]["path"]).resolve()
        for key in ("plan", "errors", "source"):
            self.assertEqual(ours[key], theirs[key], key)
        self.assert_gone(self.partial, f"{self.output}.old")
        self.succeed("verify", self.output)

    def test_ctrl_c_while_encoding(self):
        code, said = self.stop_at("[9/56] encode", *FREE)
        self.assertEqual(code, INTERRUPTED, said)
        self.assertIn("--resume", said)
        self.assertIn(str(self.partial), said)
        self.assert_gone(self.output)
        records = (self.partial / "journal").read_text().count('"key":"tensor ')
        self.assertGreaterEqual(records, 9)
        said = self.resume(*FREE)
        self.assertIn(f"{records} encoded tensors are on record", said)
        self.expect_like(self.free)
        self.assertTrue(any("was continued" in note for note in read_json(self.output / "report.json")["notes"]))

    def test_bytes_that_are_not_those_on_record_are_encoded_again(self):
        self.stop_at("[10/56] encode", *FREE)
        [weights] = (self.partial / "trial-1").glob("*.gguf")
        with open(weights, "r+b") as file:
            file.seek(weights.stat().st_size // 4)
            file.write(b"\x5a" * 5000)
        self.resume(*FREE)
        self.expect_like(self.free)

    def test_torn_and_damaged_journals(self):
        self.stop_at("[10/56] encode", *FREE)
        kept = self.folder / "kept"
        shutil.copytree(self.partial, kept)
        whole = (kept / "journal").read_bytes()
        for name, damaged in (("torn", whole[:-20]), ("flipped", whole[:len(whole) // 2] + b"#" + whole[len(whole) // 2 + 1:]),
                              ("no header", whole[1:]), ("empty", b""), ("other", os.urandom(1000))):
            with self.subTest(name):
                shutil.rmtree(self.output, ignore_errors=True)
                shutil.rmtree(self.partial, ignore_errors=True)
                shutil.copytree(kept, self.partial)
                (self.partial / "journal").write_bytes(damaged)
                self.resume(*FREE)
                self.expect_like(self.free)

    def test_statistics_are_not_collected_again(self):
        code, said = self.stop_at(ENCODING, *GATED, model=self.shallow)  # of the first of two ways of choosing codes
        self.assertEqual(code, INTERRUPTED, said)
        self.assertTrue(list(self.partial.glob("candidate-*")))
        self.assertNotIn("calibrate", self.resume(*GATED, model=self.shallow))
        self.expect_like(self.gated)

    def test_statistics_that_were_damaged_are_collected_again(self):
        for damage in (lambda all: all[:-7], lambda all: all[:5000] + bytes([all[5000] ^ 4]) + all[5001:]):
            self.stop_at(ENCODING, *CALIBRATED, model=self.shallow)
            shard = sorted((self.partial / "hessians").glob("*.hessian"))[1]
            shard.write_bytes(damage(shard.read_bytes()))
            self.assertIn("calibrate", self.resume(*CALIBRATED, model=self.shallow))
            self.expect_like(self.calibrated)
            shutil.rmtree(self.output)

    def test_damage_to_any_file_of_the_work_is_made_good(self):
        """Whatever an interrupted run left is whole, done again, or put back: the bytes are the same."""
        self.stop_at(ENCODING, *CALIBRATED, model=self.shallow)
        kept = self.folder / "kept"
        shutil.copytree(self.partial, kept)
        draw = random.Random(18)
        names = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
        kinds = {pathlib.Path(name).suffix for name in names}
        self.assertLessEqual({".gguf", ".hessian", ".json"}, kinds)
        shards = [name for name in names if name.endswith(".hessian")]
        for name in [name for name in names if name not in shards[2:] and name != ".quern-lock"]:
            whole = (kept / name).read_bytes()
            flip = draw.randrange(len(whole))
            damages = (("cut", whole[:len(whole) // 2]), ("empty", b""), ("gone", None),
                       ("flipped", whole[:flip] + bytes([whole[flip] ^ 16]) + whole[flip + 1:]))
            for how, damaged in draw.sample(damages, 2):
                with self.subTest(name, how=how, at=flip):
                    shutil.rmtree(self.output, ignore_errors=True)
                    shutil.rmtree(self.partial, ignore_errors=True)
                    shutil.copytree(kept, self.partial)
                    if damaged is None:
                        (self.partial / name).unlink()
                    else:
                        (self.partial / name).write_bytes(damaged)
                    self.resume(*CALIBRATED, "-q", model=self.shallow)
                    self.assertEqual(same(self.output), same(self.calibrated))

    def test_a_damaged_store_that_was_not_finished_is_collected_again(self):
        for name, damage in (("index.json", lambda all: all[:-30]), ("00001.hessian", lambda all: all[:-1] + bytes([all[-1] ^ 1]))):
            self.stop_at(f"[{shallow_llama.LAYERS}/{shallow_llama.LAYERS + 1}] calibrate", *CALIBRATED, model=self.shallow)
            path = self.partial / "hessians" / name
            path.write_bytes(damage(path.read_bytes()))
            self.resume(*CALIBRATED, model=self.shallow)
            self.expect_like(self.calibrated)
            shutil.rmtree(self.output)

    def test_padding_that_was_damaged_is_written_again(self):
        arguments = [*FREE, "--calib", CALIBRATION_TEXT, "--calib-windows", "2", "--optimizer", "weighted"]
        reference = compress(self.folder / "reference", *arguments)
        self.stop_at("[40/56] encode", *arguments)
        statistics = self.partial / "statistics.gguf"
        gaps = padding_of_counts(statistics)
        self.assertTrue(gaps)
        with open(statistics, "r+b") as file:
            for at, size in gaps:
                file.seek(at)
                file.write(b"\xee" * size)
        self.resume(*arguments)
        self.expect_like(reference)

    def test_only_what_the_run_wrote_is_published(self):
        arguments = ["--scheme", "simple", "--threads", "1"]
        reference = compress(self.folder / "reference", *arguments)
        self.stop_at("[9/56] encode", *arguments)
        trial = self.partial / "trial-1"
        (trial / "notes.txt").write_text("mine")
        (trial / "modeling.py").write_text("import os")
        (trial / "other.safetensors").write_bytes((trial / "model.safetensors").read_bytes()[:5000])
        (trial / "folder").mkdir()
        (trial / "folder" / "notes.txt").write_text("mine")
        self.resume(*arguments)
        self.expect_like(reference)

    def test_assembling_that_was_torn_is_done_again(self):
        """A full disk while the package is put together leaves half of its statistics beside the weights."""
        arguments = [*FREE, "--calib", CALIBRATION_TEXT, "--calib-windows", "2", "--optimizer", "weighted", *REPORTED]
        reference = compress(self.folder / "reference", *arguments)
        self.stop_at("original on the report text", *arguments)
        trial = self.partial / "trial-1"
        (trial / "statistics.gguf").write_bytes((self.partial / "statistics.gguf").read_bytes()[:3000])
        (trial / "report.json").write_text('{"torn": ')
        (trial / "manifest.json").write_text("")
        self.resume(*arguments)
        self.expect_like(reference)

    def test_what_cannot_be_read_is_never_removed(self):
        """An error while work is read keeps it, also where the journal is lost."""
        self.stop_at("[9/56] encode", *FREE)
        before = hashes(self.partial / "trial-1")
        (self.partial / "journal").write_text("torn")
        model = self.folder / "broken" / MODEL.name
        shutil.copytree(MODEL, model)
        broken = next(model.glob("*.safetensors"))
        with open(broken, "r+b") as file:
            file.seek(-2 * 64, os.SEEK_END)
            file.write(b"\xff\x7f" * 64)  # NaN, or an infinity, in bfloat16 and float16
        self.fail_with(INPUT, ["what was finished is kept", "leave out --resume"], "compress", model, "-o", self.output, *FREE, "--resume")
        self.assertLessEqual(set(before), set(hashes(self.partial / "trial-1")))

    def test_what_appears_in_the_place_meanwhile_stays(self):
        with self.start(*FREE) as process:
            self.assertTrue(any("[9/56] encode" in said for said in process.stderr))
            self.output.mkdir()
            (self.output / "thesis.txt").write_text("mine")
            said = process.stderr.read()
            self.assertEqual(process.wait(60), USAGE, said)
        self.assertEqual((self.output / "thesis.txt").read_text(), "mine")
        shutil.rmtree(self.output)
        self.resume(*FREE)

    def test_less_memory_than_the_choices_before_took_is_refused(self):
        self.stop_at(ENCODING, *CALIBRATED, model=self.shallow)
        self.fail_with(USAGE, ["another --max-memory"], "compress", self.shallow, "-o", self.output, *CALIBRATED, "--resume", "--max-memory", "30MB")
        self.resume(*CALIBRATED, model=self.shallow)

    def test_survey_of_a_size_is_not_repeated(self):
        arguments = [*GATED[:6], "--gate-windows", "1", "--target-size", "2500000", "--threads", "2", "--optimizer", "weighted"]
        reference = compress(self.folder / "reference", *arguments, model=self.shallow)
        code, said = self.stop_at(ENCODING, *arguments, model=self.shallow)
        self.assertEqual(code, INTERRUPTED, said)
        said = self.resume(*arguments, model=self.shallow)
        self.assertNotIn("try number formats", said)
        self.assertNotIn("measure tensors", said)
        self.expect_like(reference)

    def test_what_a_size_measured_together_is_not_repeated(self):
        arguments = [*GATED[:6], "--gate-windows", "1", "--target-size", "1900000", "--threads", "2", "--optimizer", "weighted"]
        reference = compress(self.folder / "reference", *arguments, model=self.shallow)
        code, said = self.stop_at("measured together", *arguments, model=self.shallow)
        self.assertEqual(code, INTERRUPTED, said)
        said = self.resume(*arguments, model=self.shallow)
        self.assertNotIn("measure tensors", said)
        self.expect_like(reference)

    def test_safetensors(self):
        for scheme in ("simple", "nf4"):
            with self.subTest(scheme):
                arguments = ["--scheme", scheme, "--threads", "1"]
                reference = compress(self.folder / f"reference-{scheme}", *arguments)
                self.stop_at("[5/56] encode", *arguments)
                self.resume(*arguments)
                self.expect_like(reference)
                shutil.rmtree(self.output)

    def test_killed_at_random_moments(self):
        began = time.monotonic()
        reference = compress(self.folder / "reference", *GATED, model=self.shallow)
        seconds = time.monotonic() - began
        draw = random.Random(2026)
        kills, resumed = 0, 0
        while kills < KILLS:
            shutil.rmtree(self.output, ignore_errors=True)
            while not self.output.exists() and kills < KILLS:
                with self.start(*GATED, "-q", "--resume", model=self.shallow) as process:
                    try:
                        process.wait(draw.uniform(0, 0.6 * seconds))
                        self.assertEqual(process.returncode, OK, process.stderr.read())
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait(60)
                        kills += 1
                if not self.output.exists():
                    resumed += (self.partial / "journal").exists()
            if not self.output.exists():
                self.resume(*GATED, "-q", model=self.shallow)
            self.assertEqual(same(self.output), same(reference), f"after {kills} kills")
            self.succeed("verify", self.output)
        print(f"{kills} kills, {resumed} runs left a journal", flush=True)
        self.assertGreater(resumed, 0)

    def test_killed_while_replacing_a_package(self):
        arguments = [*FREE, "-q", "--force"]
        before = same(compress(self.output, "--scheme", "q8_0"))
        reference = same(compress(self.folder / "reference", *FREE))
        draw = random.Random(7)
        for _ in range(5):
            with self.start(*arguments, "--resume") as process:
                time.sleep(draw.uniform(0, 1))
                process.kill()
                process.wait(60)
            self.assertIn(same(self.output), (before, reference))
        self.resume(*arguments)
        self.assertEqual(same(self.output), reference)
        self.assert_gone(self.partial)

    def test_nothing_to_resume(self):
        self.assertIn("nothing to resume", self.resume(*FREE))

    def test_without_resume_it_starts_anew(self):
        self.stop_at("[9/56] encode", *FREE)
        said = self.succeed("compress", MODEL, "-o", self.output, *FREE).stderr
        self.assertIn("was removed; --resume goes on from it", said)

    def refuse(self, code, words, *arguments, model=MODEL):
        before = hashes(self.partial / "trial-1")
        self.fail_with(code, words, "compress", model, "-o", self.output, *arguments, "--resume")
        self.assertEqual(hashes(self.partial / "trial-1"), before, "what was finished stays")

    def test_other_options_and_inputs_are_refused(self):
        model, text = self.folder / "model", self.folder / "calib.txt"
        shutil.copytree(MODEL, model)
        shutil.copy(CALIBRATION_TEXT, text)
        arguments = ["--scheme", "q4_k_m", "--calib", text, "--calib-windows", "2", "--threads", "1", "--optimizer", "ldlq"]
        self.stop_at("[9/56] encode", *arguments, model=model)
        self.refuse(USAGE, ["another --scheme", "q4_k_m", "q4_0", "--resume"], "--scheme", "q4_0", *arguments[2:], model=model)
        self.refuse(USAGE, ["another --calib"], *arguments[:4], "--calib-windows", "3", "--optimizer", "ldlq", model=model)
        text.write_text("One more sentence. " + text.read_text())
        self.refuse(USAGE, ["another --calib"], *arguments, model=model)
        shutil.copy(CALIBRATION_TEXT, text)
        self.refuse(INPUT, ["no-such.txt"], *arguments[:2], "--calib", self.folder / "no-such.txt", model=model)
        weights = next(model.glob("*.safetensors"))
        original = weights.read_bytes()
        weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        self.refuse(INPUT, ["the input has changed", weights.name], *arguments, model=model)
        weights.write_bytes(original)
        self.resume(*arguments, model=model)

    def test_an_input_that_changed_before_its_hash_was_known_is_refused(self):
        """Without a text the model is hashed beside encoding: until that is done, a byte that changed shows in the file's times."""
        model = self.folder / "model"
        shutil.copytree(MODEL, model)
        self.stop_at("[9/56] encode", *FREE, model=model)
        self.assertNotIn("hashes of MODEL", (self.partial / "journal").read_text())
        weights = next(model.glob("*.safetensors"))
        original, times = weights.read_bytes(), weights.stat()
        weights.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.refuse(INPUT, ["the input has changed", weights.name], *FREE, model=model)

    def test_two_runs_on_one_output(self):
        self.partial.mkdir()
        with open(self.partial / ".quern-lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for arguments in ([], ["--resume"]):
                self.fail_with(USAGE, ["another run is writing", self.output], "compress", MODEL, "-o", self.output, *arguments)

    def test_bad_input_leaves_nothing(self):
        broken = tiny_llama.weights()
        broken["model.norm.weight"][1][3] = float("nan")
        model = tiny_llama.write(self.folder / "model", tensors=broken)
        self.fail_with(INPUT, ["NaN"], "compress", model, "-o", self.output)
        self.assert_gone(self.partial)


@unittest.skipUnless(os.geteuid() == 0, "mounting takes root")
class SmallDisk(ProgramTest):
    def mount(self, options):
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True).returncode:
            self.skipTest("a tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk

    def test_full_disk_and_room_again(self):
        reference = compress(self.folder / "reference", *FREE)
        disk = self.mount("size=3m")
        output = disk / "out"
        self.fail_with(RESOURCE, ["No space left", "--resume", "out.partial"], "compress", MODEL, "-o", output, *FREE)
        self.fail_with(RESOURCE, ["No space left"], "compress", MODEL, "-o", output, *FREE, "--resume")
        subprocess.run(["mount", "-o", "remount,size=30m", disk], check=True)
        said = self.succeed("compress", MODEL, "-o", output, *FREE, "--resume").stderr
        self.assertNotIn(" 0 encoded tensors", said)
        self.assertEqual(same(output), same(reference))
        self.assert_gone(disk / "out.partial")

    def test_full_at_any_moment(self):
        """Disks that are full at random moments of a run with statistics, candidates and a bound, and get a little more room each time."""
        model = shallow_llama.write(self.folder)
        reference = same(compress(self.folder / "reference", *GATED, model=model))
        disk = self.mount("size=64k")
        draw = random.Random(18)
        stops = 0
        while stops < FULL_DISKS:
            pages, output = 16, disk / "out"
            for _ in range(200):
                done = run("compress", model, "-o", output, *GATED, "-q", "--resume")
                if done.returncode == OK:
                    break
                self.assertEqual(done.returncode, RESOURCE, done.stderr)
                self.assertIn("No space left", done.stderr)
                stops += 1
                pages += draw.randrange(1, 2 * ROOM // max(1, min(FULL_DISKS, 30)))
                subprocess.run(["mount", "-o", f"remount,size={4 * pages}k", disk], check=True)
            self.assertEqual(done.returncode, OK, done.stderr)
            self.assertEqual(same(output), reference, f"after {stops} full disks")
            self.succeed("verify", output)
            self.assert_gone(disk / "out.partial")
            shutil.rmtree(output)
            subprocess.run(["mount", "-o", "remount,size=64k", disk], check=True)
        print(f"{stops} full disks", flush=True)

    def test_read_only_folder(self):
        disk = self.mount("size=30m,ro")
        for arguments in ([], ["--resume"]):
            self.fail_with(RESOURCE, ["cannot create", "out.partial"], "compress", MODEL, "-o", disk / "out", *arguments)


if __name__ == "__main__":
    unittest.main()
