"""Each check finds what it is there for, and lets pass what is right."""

import unittest

import check_dependencies
import check_fields
import check_layers
import check_links
import check_names
import check_style


class Layers(unittest.TestCase):
    def problems(self, path, include):
        return check_layers.check_file(path, f'// x\n#include "{include}"\n')

    def test_left_is_allowed(self):
        self.assertEqual(self.problems("src/codec/a.cpp", "base/bytes.h"), [])
        self.assertEqual(self.problems("src/codec/a.cpp", "codec/b.h"), [])
        self.assertEqual(self.problems("src/cli/a.cpp", "quern/error.h"), [])
        self.assertEqual(self.problems("src/base/a.cpp", "quern/compress.h"), [])
        self.assertEqual(self.problems("include/quern/compress.h", "quern/error.h"), [])
        self.assertEqual(self.problems("src/codec/a_test.cpp", "tests/shared_folder.h"), [])

    def test_right_and_beside_are_not(self):
        self.assertIn("src/base/a.cpp:2: base must not", self.problems("src/base/a.cpp", "codec/b.h")[0])
        self.assertIn("checkpoint must not", self.problems("src/checkpoint/a.cpp", "codec/codec.h")[0])
        self.assertIn("public header must not", self.problems("include/quern/error.h", "base/fail.h")[0])
        fmt = "// x\n#include <fmt/core.h>\n#include <string>\n"
        self.assertEqual(check_layers.check_file("include/quern/error.h", fmt),
                         ['include/quern/error.h: a public header must not include "fmt/core.h"'])

    def test_unknown_names(self):
        self.assertIn("no known layer", self.problems("src/base/a.cpp", "sibling.h")[0])
        self.assertIn("unknown layer", self.problems("src/novel/a.cpp", "base/bytes.h")[0])

    def test_tests_may_look_right_and_nobody_else_takes_their_fixtures(self):
        self.assertEqual(self.problems("src/base/a_test.cpp", "codec/b_fixture.h"), [])
        self.assertEqual(self.problems("src/base/a_fixture.h", "codec/b.h"), [])
        self.assertIn("is for tests", self.problems("src/codec/a.cpp", "base/b_fixture.h")[0])

    def test_cycles(self):
        sources = {"src/base/a.cpp": '#include "base/b.h"\n', "src/base/b.h": '#include "base/a.h"\n', "src/base/c.h": '#include "base/a.h"\n'}
        self.assertEqual(check_layers.cycles(sources), ["a cycle of files: base/a -> base/b -> base/a"])
        sources["src/base/b.h"] = '#include "base/b.h"\n'
        self.assertEqual(check_layers.cycles(sources), [])

    def test_comments_are_no_includes(self):
        self.assertEqual(check_layers.check_file("src/base/a.cpp", '// x\n/*\n#include "cli/x.h"\n*/\n'), [])


class Names(unittest.TestCase):
    NAMES = {"q4_k", "f32"}

    def test_codec_names_come_from_the_descriptors(self):
        sources = {"src/codec/a.cpp": 'const Codec kA = {"q4_k", "x"};', "src/codec/b.cpp": 'constexpr Codec kB{.name = "q8"};',
                   "src/plan/c.cpp": 'const Codec kC = {"elsewhere"};'}
        self.assertEqual(check_names.codec_names(sources), {"q4_k", "q8"})

    def test_a_codec_by_name(self):
        self.assertIn("src/optim/a.cpp:2", check_names.check_codecs("src/optim/a.cpp", '\nif (name == "q4_k")', self.NAMES)[0])
        for path in ("src/codec/a.cpp", "src/format/gguf_types.cpp", "src/plan/gguf_mixes.cpp", "src/optim/a_test.cpp"):
            self.assertEqual(check_names.check_codecs(path, '"q4_k"', self.NAMES), [])
        self.assertEqual(check_names.check_codecs("src/optim/a.cpp", '// "q4_k"\n"q4_k and more" "f32"', self.NAMES), [])

    def test_format_names_come_from_the_descriptors(self):
        sources = {"src/format/a.cpp": 'const Format kA = {.name = "gguf",\n .summary = "x"};', "src/format/b.cpp": 'const Format kB{"zip"};',
                   "src/format/c_test.cpp": 'const Format kC = {.name = "test"};', "src/plan/c.cpp": 'const Format kC = {"elsewhere"};'}
        self.assertEqual(check_names.format_names(sources), {"gguf", "zip"})

    def test_a_format_by_name(self):
        self.assertIn("src/package/a.cpp:2", check_names.check_formats("src/package/a.cpp", '\nif (name == "gguf")', {"gguf"})[0])
        for path in ("src/format/a.cpp", "src/plan/gguf_mixes.cpp", "src/cli/a.cpp", "src/package/a_test.cpp", "src/model/a_fixture.h"):
            self.assertEqual(check_names.check_formats(path, '"gguf"', {"gguf"}), [])
        self.assertEqual(check_names.check_formats("src/package/a.cpp", '// "gguf"\n"gguf and more"', {"gguf"}), [])

    def test_an_architecture_by_name(self):
        self.assertTrue(check_names.check_architectures("src/runtime/a.cpp", "if (is_llama(spec))"))
        self.assertTrue(check_names.check_architectures("src/plan/a.cpp", 'kind == "MistralForCausalLM"'))
        self.assertEqual(check_names.check_architectures("src/runtime/a.cpp", '// as in llama\n"runs in llama.cpp" "models/llama-7m"'), [])
        self.assertEqual(check_names.check_architectures("src/model/a.cpp", '"llama"'), [])

    def test_weights_from_a_checkpoint(self):
        for path in ("src/runtime/a.h", "src/calib/a.cpp", "src/encode/a.cpp", "src/survey/a.cpp", "src/plan/a.h", "src/measure/a.cpp"):
            self.assertIn(f"{path}:2", check_names.check_weight_readers(path, "\nvoid f(const Checkpoint& source);")[0])
        for code in ("CheckpointWeights weights(files);", "open_checkpoint(path)", "model.checkpoint.at(name)", "model->checkpoint",
                     '#include "model/checkpoint_weights.h"'):
            self.assertEqual(len(check_names.check_weight_readers("src/survey/a.cpp", code)), 1, code)
        for code in ("CheckpointHead head;", "CheckpointWriter& writer", '"the checkpoint is damaged"', "// of the Checkpoint",
                     '#include "checkpoint/checkpoint.h"'):
            self.assertEqual(check_names.check_weight_readers("src/survey/a.cpp", code), [], code)
        for path in ("src/runtime/open_model.h", "src/encode/tensor_files.cpp", "src/calib/statistics.cpp", "src/runtime/a_test.cpp",
                     "src/runtime/a_fixture.h", "src/model/a.cpp", "src/package/a.cpp", "src/apps/a.cpp"):
            self.assertEqual(check_names.check_weight_readers(path, "const Checkpoint& c"), [], path)


    def test_an_operation_by_kind(self):
        for asked in ("std::holds_alternative<LinearOp>(op.kind)", "std::get_if<ExpertsOp>(&x)", "std::get<quern::AddOp>(x)",
                      "std::visit(f, op.kind)", "ops.back().kind", "block.ops[0].kind.index()", "site.op->kind",
                      "std::holds_alternative<\n    EmbedOp>(x)"):
            self.assertIn("src/runtime/a.cpp:2", check_names.check_operations("src/runtime/a.cpp", "\n" + asked)[0], asked)
            for path in ("src/model/op_traits.cpp", "src/runtime/prepare_op.cpp", "src/runtime/a_test.cpp"):
                self.assertEqual(check_names.check_operations(path, asked), [], asked)
        for fine in ("// op.kind\n", "e.kind == Evidence::Kind::kStated", "std::get_if<std::string>(&v)", "builder.add(AddOp{})"):
            self.assertEqual(check_names.check_operations("src/runtime/a.cpp", fine), [], fine)


class Fields(unittest.TestCase):
    def test_a_flag_in_a_message(self):
        for literal in ('"give --calib"', '"--survey-passes {} is too few"', '"raise "\n    "--max-memory"', '"(--report-text)"'):
            self.assertEqual(len(check_fields.check_flags("src/plan/a.cpp", f"fail({literal});")), 1, literal)
        for literal in ('"style=\\"--v:{}\\""', '"- `quern run X --prompt Y`"', '"a -- b"', '"x"  // --flag', '"well--known"'):
            self.assertEqual(check_fields.check_flags("src/plan/a.cpp", f"fail({literal});"), [], literal)

    def test_a_field_without_a_flag(self):
        found = check_fields.check_messages("src/plan/a.cpp", '"give `gate_"\n  "text` or `machine.threads`, `plain`"', {"gate_text"})
        self.assertEqual([problem.split("`")[1] for problem in found], ["machine.threads", "plain"])
        self.assertEqual(check_fields.check_messages("src/plan/a.cpp", '// `x`\n"- `{}`: {}" "`start=kResume`"', {"start=kResume"}), [])

    def test_a_row_without_a_field_or_an_option(self):
        headers, commands = "enum Start { kResume } start; Machine machine; unsigned threads;", '"-o,--output" "--threads" "MODEL" "--resume"'
        rows = [("machine.threads", "--threads"), ("start=kResume", "--resume"), ("threads", "MODEL"), ("start", "--output")]
        self.assertEqual(check_fields.check_table(rows, headers, commands), [])
        self.assertIn("member memory", check_fields.check_table([("machine.memory", "--threads")], headers, commands)[0])
        self.assertIn("member kAnew", check_fields.check_table([("start=kAnew", "--resume")], headers, commands)[0])
        self.assertIn("--thread of", check_fields.check_table([("threads", "--thread")], headers, commands)[0])
        self.assertIn("no row", check_fields.check_table([], headers, commands)[0])


class Style(unittest.TestCase):
    def test_long_functions(self):
        body = "  f();\n" * 60
        for head in ("void f(int a)", "int A::f() const noexcept", "auto f() -> int", "A::A(int a) : a_(a)", "TEST(A, B)",
                     "A::A() : a_{1}, b_(2)"):
            found = check_style.long_functions("namespace a {\n%s {\n%s}\n}\n" % (head, body))
            self.assertEqual(found, [(2, 62)], head)
        self.assertEqual(check_style.long_functions("void f() {\n%s}\n" % ("  f();\n" * 58)), [])

    def test_scopes_and_tables_are_no_functions(self):
        for head in ("namespace a", "class A : public B", "struct A", "enum class E : int", "constexpr int kTable[] ="):
            self.assertEqual(check_style.long_functions("%s {\n%s}\n" % (head, "  x,\n" * 100)), [], head)

    def test_braces_in_literals_and_comments_do_not_count(self):
        self.assertEqual(check_style.long_functions('void f() {\n  g("{", \'{\');  // {\n}\n' + "int x;\n" * 100), [])

    def test_text(self):
        for bad in ("na\u00efve", "see /ro" + "ot/x", "// TO" + "DO: later"):
            self.assertEqual(len(check_style.check_text("src/a.cpp", "fine\n" + bad)), 1, bad)
        self.assertEqual(check_style.check_text("src/a.cpp", 'build/work/x ${HOME}/work/ "home/"'), [])

    def test_code(self):
        self.assertIn("801 lines", check_style.check_code("src/a.cpp", "//\n" * 801)[0])
        self.assertIn("begin with a comment", check_style.check_code("src/a.cpp", "int x;\n")[0])
        self.assertIn("CLI11", check_style.check_code("src/plan/a.cpp", "//\n#include <CLI/CLI.hpp>\n")[0])
        self.assertIn("no header", check_style.check_code("src/a.h", "//\n#include <nlohmann/json.hpp>\n")[0])

    def test_files_are_opened_in_one_place(self):
        for opens in ('std::ifstream in("a");', '::open("a", 0);', "fs::copy(a, b);", "std::filesystem::exists(a)", "fs::file_size(a)"):
            self.assertIn("by itself", check_style.check_code("src/plan/a.cpp", "//\n" + opens)[0], opens)
            self.assertEqual(check_style.check_code("src/plan/a_test.cpp", "//\n" + opens), [], opens)
        for fine in ("files.open(1);", "fs::is_directory(a, ec)", "Store::open(a)", "fs::exists(fs::symlink_status(a, ec))"):
            self.assertEqual(check_style.check_code("src/plan/a.cpp", "//\n" + fine), [], fine)

    def test_tree(self):
        self.assertIn("two files", check_style.check_tree({"src/a/x.cpp": "", "src/b/x.cpp": ""})[0])
        many = {f"src/a/{i}.cpp": "#include <nlohmann/json.hpp>" for i in range(5)}
        self.assertIn("in 5 files", check_style.check_tree(many)[0])


class Dependencies(unittest.TestCase):
    def test_both_directions(self):
        listed = check_dependencies.listed_packages("# x\n[build]\ng++\ncmake  # why\nnumpy==1.2\n")
        self.assertEqual(listed, {"g++", "cmake", "numpy"})
        documented = check_dependencies.documented_packages("| package |\n| `g++` | 12 | x |\n| `extra` | 1 | y |\n")
        self.assertEqual([p.split()[0] for p in check_dependencies.check(listed, documented)], ["cmake", "numpy", "extra"])


class Links(unittest.TestCase):
    PAGES = {"docs/a.md": "", "docs/sub/b.md": "# One `two`\n## Far away: q4_k\n", "src/x.cpp": ""}

    def problems(self, text, path="docs/a.md"):
        return check_links.check_page(path, text, self.PAGES.__contains__, self.PAGES.__getitem__)

    def test_what_is_there(self):
        for link in ("sub/b.md", "../src/x.cpp", "sub/b.md#far-away-q4_k", "sub/b.md#one-two", "https://x.org/y", "mailto:a@b"):
            self.assertEqual(self.problems(f"[text]({link})"), [], link)
        self.assertEqual(self.problems("[up](../a.md)", "docs/sub/b.md"), [])
        self.assertEqual(self.problems("`[code](gone.md)`\n```\n[code](gone.md)\n```\n"), [])

    def test_what_is_not(self):
        for link in ("gone.md", "b.md", "../../a.md", "/docs/a.md", "sub/b.md#gone", "#gone", "gone.md \"title\""):
            self.assertEqual(len(self.problems(f"fine\n[text]({link})")), 1, link)
        self.assertIn("docs/a.md:2: gone.md", self.problems("x\n[ref]: gone.md\n")[0])


if __name__ == "__main__":
    unittest.main()
