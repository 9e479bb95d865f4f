"""The installed library: examples/compress.cpp is built outside the build tree with nothing but what was installed, by
CMake against the shared and the static library, and by pkg-config; it does its job."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

from quern_program import CALIBRATION_TEXT, MODEL, QUERN, REPORT_TEXT, ROOT, ProgramTest, hashes, read_json

EXAMPLE = ROOT / "examples/compress.cpp"
COMPILER = os.environ.get("CXX", "g++")
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(quern 0.1 REQUIRED)
add_executable(shared compress.cpp)
target_link_libraries(shared PRIVATE quern::quern)
add_executable(static compress.cpp)
target_link_libraries(static PRIVATE quern::quern_static)
"""


def call(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    if done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    return done.stdout


class Library(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        build = pathlib.Path(QUERN).parent
        if not (build / "libquern.so").exists():
            raise unittest.SkipTest("only the program was built")
        cls.prefix = cls.class_folder / "prefix"
        call("cmake", "--install", build, "--prefix", cls.prefix)
        (cls.headers,) = cls.prefix.glob("include/quern")
        (cls.shared,) = cls.prefix.glob("lib*/**/libquern.so")
        cls.libraries = cls.shared.parent
        cls.texts = [cls.class_folder / "calibration.txt", cls.class_folder / "report.txt"]
        for short, whole in zip(cls.texts, (CALIBRATION_TEXT, REPORT_TEXT)):  # seconds instead of half a minute
            short.write_text(whole.read_text()[:24000])

    def work(self, program, **options):
        """Runs the example with `program`; the package's folder."""
        out = self.folder / f"{program.name}-package"
        said = call(program, MODEL, *self.texts, out, **options)
        self.assertIn(str(out), said)
        report = read_json(out / "report.json")
        self.assertTrue(report["accepted"])
        self.assertIn(f"{report['quality']['mean_kld']['value']:.5f}", said)
        return out

    def test_by_cmake_against_the_shared_and_the_static_library(self):
        shutil.copy(EXAMPLE, self.folder)
        (self.folder / "CMakeLists.txt").write_text(PROJECT)
        call("cmake", "-S", self.folder, "-B", self.folder / "b", f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={COMPILER}")
        call("cmake", "--build", self.folder / "b")
        shared, static = self.work(self.folder / "b/shared"), self.work(self.folder / "b/static")
        self.assertEqual(hashes(shared)["llama-7m-q4_k_m.gguf"], hashes(static)["llama-7m-q4_k_m.gguf"])
        self.assertIn("libquern.so.0.1", call("ldd", self.folder / "b/shared"))
        self.assertNotIn("libquern", call("ldd", self.folder / "b/static"))

    def test_by_pkg_config(self):
        environment = dict(os.environ, PKG_CONFIG_PATH=str(self.libraries / "pkgconfig"), LD_LIBRARY_PATH=str(self.libraries))
        flags = call("pkg-config", "--cflags", "--libs", "quern", env=environment).split()
        program = self.folder / "by-pkg-config"
        call(COMPILER, "-std=c++20", EXAMPLE, *flags, "-o", program)
        self.work(program, env=environment)
        self.fail_with(2, ["use: compress MODEL"], program=program, env=environment)
        self.fail_with(3, ["no-such"], "no-such", *self.texts, self.folder / "x", program=program, env=environment)

    def test_the_example_is_short(self):
        code = re.sub(r"//[^\n]*", "", EXAMPLE.read_text()).split("int main", 1)[1].split("\n")
        self.assertLessEqual(len([line for line in code if line.strip()]), 15)

    def test_each_header_compiles_alone(self):
        for compiler in {COMPILER, shutil.which("g++"), shutil.which("clang++-19")} - {None}:
            for header in sorted(self.headers.iterdir()):
                with self.subTest(compiler=compiler, header=header.name):
                    call(compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                         "-x", "c++", "-I", self.headers.parent, "-include", header, os.devnull)

    def test_headers_are_those_of_the_repository_and_no_others(self):
        for header in self.headers.iterdir():
            for name in re.findall(r"#include [<\"]([^>\"]+)", header.read_text()):
                self.assertTrue(re.fullmatch(r"quern/\w+\.h|[a-z_]+", name), f"{header.name} includes {name}")
        self.assertEqual({h.name for h in self.headers.iterdir()}, {h.name for h in (ROOT / "include/quern").iterdir()})

    def test_the_shared_library_shows_what_the_headers_declare(self):
        shown = [line.split(" ", 2)[2] for line in call("nm", "-DC", "--defined-only", self.shared).splitlines()]
        public = re.compile(r"(?:typeinfo (?:name )?for |vtable for )?quern::(?:compress|chain|plan|evaluate|generate|inspect|verify|Model|Error|Observer)\b")
        self.assertEqual([name for name in shown if not public.match(name)], [])
        for name in ("compress", "chain", "plan", "evaluate", "generate", "inspect", "verify", "Model::Model"):
            self.assertTrue(any(line.startswith(f"quern::{name}(") for line in shown), name)


if __name__ == "__main__":
    unittest.main()
