// Reading: archives that numpy wrote, and every way one can be wrong.
#include "format/npz.h"

#include <algorithm>

#include "archive/npy_header.h"
#include "base/fail.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "fuzz/memory_file.h"

namespace quern {
namespace {

void expect_all_types(const Checkpoint& checkpoint) {
  EXPECT_EQ(checkpoint.format(), "npz");
  const std::pair<const char*, const char*> types[] = {
      {"bool", "bool"},   {"int8", "i8"},     {"uint8", "u8"},     {"int16", "i16"},  {"uint16", "u16"},
      {"int32", "i32"},   {"uint32", "u32"},  {"int64", "i64"},    {"uint64", "u64"}, {"float16", "f16"},
      {"float32", "f32"}, {"float64", "f64"}, {"complex64", "c64"}};
  std::size_t start = 0;
  for (const auto& [numpy_name, encoding] : types) {
    const std::string name = std::string("t_") + numpy_name;
    const TensorEntry& entry = checkpoint.at(name);
    EXPECT_EQ(entry.encoding, encoding);
    EXPECT_EQ(entry.shape, (Shape{2, 3})) << name;
    if (start > 0) {
      EXPECT_EQ(read_part(checkpoint, name), ramp(entry.parts[0].bytes, start)) << name;
    }
    ++start;
  }
  EXPECT_EQ(read_as<std::uint8_t>(checkpoint, "t_bool"), (std::vector<std::uint8_t>{0, 1, 0, 1, 0, 1}));
  std::vector<float> counting(24);
  for (std::size_t i = 0; i < 24; ++i) counting[i] = static_cast<float>(i);
  for (const char* name : {"fortran", "big.float"}) {
    EXPECT_EQ(checkpoint.at(name).shape, (Shape{2, 3, 4}));
    EXPECT_EQ(read_as<float>(checkpoint, name), counting) << name;
  }
  EXPECT_EQ(read_as<std::int16_t>(checkpoint, "big.fortran"),
            (std::vector<std::int16_t>(counting.begin(), counting.end())));
  EXPECT_EQ(read_as<float>(checkpoint, "big.complex"), (std::vector<float>{1, 2}));
  EXPECT_EQ(read_as<float>(checkpoint, "scalar"), std::vector<float>{1.5f});
  EXPECT_EQ(checkpoint.at("scalar").shape, Shape{});
  EXPECT_EQ(checkpoint.at("empty").shape, (Shape{0, 4}));
  EXPECT_EQ(checkpoint.tensors().size(), std::size(types) + 6);
}

TEST(Npz, ReadsWhatNumpyWrites) {
  const Checkpoint checkpoint = open_checkpoint(fixture("npz/all.npz"));
  expect_all_types(checkpoint);
  EXPECT_EQ(checkpoint.at("t_float32").bytes(), 24u);
  const std::vector<std::string> notes = checkpoint.notes();
  ASSERT_EQ(notes.size(), 3u);
  EXPECT_NE(notes[0].find("object.npy has elements of type |O"), std::string::npos) << notes[0];
  EXPECT_NE(notes[1].find("record.npy has elements of type [('x', '<f4'), ('y', '<i4')]"), std::string::npos)
      << notes[1];
  EXPECT_NE(notes[2].find("text.npy has elements of type <U2"), std::string::npos) << notes[2];
}

TEST(Npz, ReadsDeflatedArrays) { expect_all_types(open_checkpoint(fixture("npz/deflated.npz"))); }

TEST(Npz, ReadsEveryVersionOfTheHeader) {
  const Checkpoint checkpoint = open_checkpoint(fixture("npz/versions.npz"));
  for (const char* name : {"v1", "v2", "v3"})
    EXPECT_EQ(read_as<std::int32_t>(checkpoint, name), (std::vector<std::int32_t>{0, 1, 2})) << name;
  EXPECT_EQ(checkpoint.notes(), std::vector<std::string>{"README is not an array, and is left out"});
}

TEST(Npz, AnyStretchOfAStridedArrayIsRead) {
  const Checkpoint checkpoint = open_checkpoint(fixture("npz/all.npz"));
  const TensorEntry& entry = checkpoint.at("fortran");
  const std::vector<std::byte> whole = read_part(checkpoint, "fortran");
  for (std::size_t begin = 0; begin < whole.size(); ++begin)
    for (std::size_t end = begin; end <= whole.size(); end += 3) {
      std::vector<std::byte> some(end - begin);
      checkpoint.read(entry, 0, begin, some);
      EXPECT_TRUE(std::ranges::equal(some, std::span(whole).subspan(begin, some.size()))) << begin << " " << end;
    }
}

// The checksum stands in the directory, 30 bytes before the name.
TEST(Npz, AnotherChecksumOfADeflatedArrayIsSeenAtItsEnd) {
  std::string bytes = read_text(fixture("npz/deflated.npz"));
  const std::size_t name = bytes.rfind("t_float32.npy");
  ASSERT_NE(name, std::string::npos);
  const auto read = [&] {
    const ScratchFolder folder;
    return read_as<float>(open_checkpoint(folder.write("a.npz", bytes)), "t_float32").size();
  };
  EXPECT_EQ(read(), 6u);
  bytes[name - 30] = static_cast<char>(bytes[name - 30] ^ 1);
  try {
    read();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the checksum"), std::string::npos) << error.what();
  }
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(name) - 30, 4, '\0');  // none was computed
  EXPECT_EQ(read(), 6u);
}

TEST(Npz, TakesTheConfigurationBesideIt) {
  const ScratchFolder folder;
  folder.copy(fixture("npz/versions.npz"));
  folder.write("config.json", R"({"model_type":"toy"})");
  EXPECT_EQ(open_checkpoint(folder.path() / "versions.npz").config().at("model_type").as_string(), "toy");
}

// Message of the refusal of one array, a whole .npy file; "" when it opens.
std::string refusal_of_array(std::string_view bytes) {
  const MemoryFile memory(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  const File file(memory.path());
  const ByteRun run{0, bytes.size()};
  try {
    const NpyHeader header = read_npy_header(file, run);
    if (header.array) strided_part(run, 0, header.array->layout);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  return "";
}

std::string array_with(std::string_view header, std::size_t data_bytes, std::string_view version = {"\1\0", 2}) {
  std::string bytes = "\x93NUMPY" + std::string(version) + std::string(version[0] == 1 ? 2 : 4, '\0');
  bytes[8] = static_cast<char>(header.size());
  return bytes + std::string(header) + std::string(data_bytes, 'x');
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Npz, EveryRuleThatIsBrokenIsNamed) {
  struct Case {
    std::string bytes;
    std::string_view message;
  };
  const Case cases[] = {
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 12), ""},
      {array_with("{\"shape\":(3L,),\"descr\":\"<f4\",\"fortran_order\":True}", 12), ""},
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11), "takes 12 bytes, but there are 11"},
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 13), "there are 13"},
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 1), "64 bit"},
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,), }", 1), "64 bits"},
      {array_with("{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }", 0), "2^64"},
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12), "\"-3,"},
      {array_with("{'descr':'<f4','fortran_order':False,'shape':(" + repeated("1,", 65) + ")}", 4),
       "more than 64 axes"},
      {array_with("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,), }", 12), "neither True nor False"},
      {array_with("{'descr': '<f4', 'shape': (3,), }", 12), "lacks"},
      {array_with("{'descr': '<f4', 'descr': '<f4', }", 12), "second time"},
      {array_with("{'descr': '<f4', 'other': '<f4', }", 12), "'other'"},
      {array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } x", 12), "behind its dictionary"},
      {array_with("{'descr': '<f4", 12), "does not end"},
      {array_with("{'descr': [('a', '<f4')", 12), "does not end"},
      {array_with("{'descr' '<f4'", 12), "':' is expected"},
      {array_with("[]", 12), "'{' is expected"},
      {array_with("{}", 12), "lacks"},
      {array_with("{}", 12, {"\4\0", 2}), "version 4.0"},
      {array_with("{}", 12, {"\1\1", 2}), "version 1.1"},
      {"\x93NUMPX" + std::string(20, ' '), "does not begin"},
      {"\x93NUMPY", "too few"},
  };
  for (const Case& one : cases) {
    const std::string said = refusal_of_array(one.bytes);
    EXPECT_EQ(said.empty(), one.message.empty()) << said << one.message;
    EXPECT_NE(said.find(one.message), std::string::npos) << said << "\nlacks: " << one.message;
  }
}

TEST(Npz, AnArrayCutAnywhereIsRefused) {
  const std::string whole = array_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", 12);
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(refusal_of_array(std::string_view(whole).substr(0, size)), "") << size;
}

}  // namespace
}  // namespace quern
