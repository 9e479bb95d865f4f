// A store that was cut, edited, exchanged or never finished; and the promises about a whole one.
#include "calib/hessian_store.h"

#include <cmath>

#include "base/fail.h"
#include "base/sha256.h"
#include "calib/hessian_writer.h"
#include "checkpoint/scratch_folder_fixture.h"

namespace quern {
namespace {

constexpr std::size_t kColumns = 3;

// H[i][j] = seed + 10 i + j, for i <= j.
NewHessian made_up(const std::string& group, std::uint32_t expert, std::uint64_t tokens, float seed) {
  return {group, expert, {std::vector<double>(kColumns, seed), tokens}, [seed](std::size_t i, std::span<float> out) {
            for (std::size_t c = 0; c < out.size(); ++c) out[c] = seed + static_cast<float>(10 * i + i + c);
          }};
}

class HessianStoreFiles : public testing::Test {
 protected:
  HessianStoreFiles() { write(folder_); }

  void write(const std::filesystem::path& folder) {
    HessianWriter writer(folder, identity_);
    const NewHessian first[] = {made_up("a", 0, 500, 1)};
    const NewHessian second[] = {made_up("m", 0, 300, 2), made_up("m", 1, 100, 4)};
    writer.add(first, pool_);
    writer.add(second, pool_);
    writer.add_pooled("m", 2, pool_);
    writer.finish();
  }

  template <typename Body>
  void expect_refused(Body body, std::initializer_list<std::string_view> parts, ErrorCode code = ErrorCode::kInput) {
    try {
      body();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      for (const std::string_view part : parts)
        EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
      return;
    }
    ADD_FAILURE() << "was accepted";
  }
  void expect_closed(std::initializer_list<std::string_view> parts) {
    expect_refused([&] { HessianStore(folder_, identity_); }, parts);
  }

  std::filesystem::path file(std::size_t number) const { return folder_ / fmt::format("{:05}.hessian", number); }
  void edit(const std::filesystem::path& path, std::uint64_t at, std::uint8_t change) {
    std::string bytes = read_text(path);
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(static_cast<std::uint8_t>(bytes[at]) ^ change);
    OutputFile(path).write(bytes);
  }
  void replace_in_index(const std::string& what, const std::string& by) {
    std::string text = read_text(index_);
    const std::size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << text;
    OutputFile(index_).write(text.replace(at, what.size(), by));
  }

  const ScratchFolder scratch_;
  ThreadPool pool_{2};
  const std::filesystem::path folder_ = scratch_.path() / "store", index_ = folder_ / kIndexName;
  const HessianIdentity identity_ =
      hessian_identity("model-hash", {4, std::vector<std::int32_t>(800, 7)}, Precision::kF32, "calib.txt");
};

TEST_F(HessianStoreFiles, GivesBackWhatWasWritten) {
  const HessianStore store(folder_, identity_);
  EXPECT_EQ(store.experts("a"), 1u);
  EXPECT_EQ(store.experts("m"), 2u);
  EXPECT_EQ(store.experts("n"), 0u);
  const Hessian a = *store.read("a");
  EXPECT_EQ(a.tokens, 500u);
  EXPECT_EQ(a.upper, (std::vector<float>{1, 2, 3, 12, 13, 23}));
  const Hessian pooled = *store.read("m", kAllExperts);
  EXPECT_EQ(pooled.tokens, 400u);
  EXPECT_EQ(pooled.upper, (std::vector<float>{2.5, 3.5, 4.5, 13.5, 14.5, 24.5}));
  EXPECT_EQ(store.read_moments("m", kAllExperts)->mean_square, std::vector<double>(kColumns, 2.5));
  EXPECT_FALSE(store.read("n"));
  EXPECT_FALSE(store.read("a", 1));
  EXPECT_FALSE(store.read_moments("m", 2));
}

TEST_F(HessianStoreFiles, HasOneHashForOneContent) {
  const std::string hash = HessianStore(folder_, identity_).hash();
  write(scratch_.path() / "again");
  EXPECT_EQ(HessianStore(scratch_.path() / "again", identity_).hash(), hash);
  HessianIdentity named = identity_;
  named.text_name = "another name";
  EXPECT_EQ(HessianStore(folder_, named).hash(), hash) << "the name of the text is for people";
  HessianWriter writer(folder_, identity_);
  const NewHessian more[] = {made_up("z", 0, 1, 3)};
  writer.add(more, pool_);
  writer.finish();
  EXPECT_NE(HessianStore(folder_, identity_).hash(), hash);
}

TEST_F(HessianStoreFiles, OfAnotherModelOrTextIsRefusedByName) {
  const auto other = [&](auto change, std::string_view part) {
    HessianIdentity expected = identity_;
    change(expected);
    expect_refused([&] { HessianStore(folder_, expected); }, {"another model or text", part});
    expect_refused([&] { HessianWriter(folder_, expected); }, {"another model or text", part});
  };
  other([](HessianIdentity& i) { i.model = "else"; }, "model is \"model-hash\" there and \"else\" here");
  other([](HessianIdentity& i) { i.windows_sha256 = sha256_of({}); }, "windows_sha256");
  other([](HessianIdentity& i) { i.windows = 9; }, "windows is 200 there and 9 here");
  other([](HessianIdentity& i) { i.window_length = 512; }, "window_length is 4 there and 512 here");
  other([](HessianIdentity& i) { i.precision = "bf16"; }, "precision is \"f32\" there and \"bf16\" here");
}

TEST_F(HessianStoreFiles, ThatWasNotFinishedIsRefused) {
  HessianWriter writer(folder_, identity_);
  const NewHessian more[] = {made_up("z", 0, 1, 3)};
  writer.add(more, pool_);
  expect_closed({"not finished"});
}

TEST_F(HessianStoreFiles, WithoutAnExpertIsRefused) {
  HessianWriter writer(folder_, identity_);
  const NewHessian more[] = {made_up("x", 0, 1, 3), made_up("x", 1, 1, 3), made_up("y", 1, 2, 3)};
  writer.add({more, 2}, pool_);
  writer.finish();
  expect_closed({"Hessians of x are incomplete"});
  writer.add_pooled("x", 2, pool_);
  writer.finish();
  EXPECT_EQ(HessianStore(folder_, identity_).experts("x"), 2u);
  writer.add({more + 2, 1}, pool_);
  writer.finish();
  expect_closed({"Hessians of y are incomplete"});
}

TEST_F(HessianStoreFiles, CutShortIsRefusedWhenOpened) {
  std::filesystem::resize_file(file(0), std::filesystem::file_size(file(0)) - 1);
  expect_closed({file(0).string(), "cut short"});
  std::filesystem::resize_file(file(0), 10);
  expect_closed({file(0).string()});
  std::filesystem::remove(file(0));
  expect_closed({file(0).string()});
  std::filesystem::create_directory(file(0));
  expect_closed({file(0).string(), "not a regular file"});
}

TEST_F(HessianStoreFiles, EditedIsRefusedWhenRead) {
  const std::uint64_t bytes = std::filesystem::file_size(file(0)), moments = 64, triangle = moments + 8 * kColumns;
  for (const std::uint64_t at : {triangle, bytes - 1}) {
    edit(file(0), at, 1);
    const HessianStore store(folder_, identity_);
    expect_refused([&] { store.read("a"); }, {file(0).string(), "was changed"});
    expect_refused([&] { HessianWriter(folder_, identity_); }, {file(0).string(), "was changed"});
    EXPECT_TRUE(store.read_moments("a"));
    edit(file(0), at, 1);
  }
  edit(file(0), moments, 1);
  const HessianStore store(folder_, identity_);
  expect_refused([&] { store.read("a"); }, {"was changed"});
  expect_refused([&] { store.read_moments("a"); }, {"was changed"});
  expect_refused([&] { statistics_of(store); }, {"was changed"});
}

TEST_F(HessianStoreFiles, EditedIsNotPooled) {
  HessianWriter writer(folder_, identity_);
  const NewHessian more[] = {made_up("x", 0, 1, 3), made_up("x", 1, 1, 3)};
  writer.add(more, pool_);
  edit(file(4), std::filesystem::file_size(file(4)) - 2, 0x10);
  expect_refused([&] { writer.add_pooled("x", 2, pool_); }, {"was changed"});
  EXPECT_FALSE(writer.contains("x", kAllExperts));
}

TEST_F(HessianStoreFiles, OfAnotherFormatIsRefused) {
  edit(file(0), 0, 1);
  expect_closed({"does not begin with QUERNHES"});
  edit(file(0), 0, 1);
  edit(file(0), 8, 2);
  expect_closed({"version 3"});
  edit(file(0), 8, 2);
  edit(file(0), 18, 1);
  expect_closed({"says 65539 columns"});
  edit(file(0), 18, 1);
  edit(file(0), 24, 1);
  expect_closed({"501 tokens", "500"});
  edit(file(0), 24, 1);
  edit(file(0), 43, 0x80);
  expect_closed({"a name of"});
  edit(file(0), 43, 0x80);
  std::filesystem::copy_file(file(1), file(2), std::filesystem::copy_options::overwrite_existing);
  expect_closed({"expert 0", "expected m, 1"});
}

TEST_F(HessianStoreFiles, WithAnotherIndexIsRefused) {
  const std::string good = read_text(index_);
  const auto with = [&](const std::string& what, const std::string& by, std::string_view part) {
    replace_in_index(what, by);
    expect_closed({part});
    OutputFile(index_).write(good);
  };
  with("\"tokens\": 500", "\"tokens\": 501", "index of the statistics store was changed");
  with("\"finished\": true", "\"finished\": false", "index of the statistics store was changed");
  with("\"quern_hessians\": 1", "\"quern_hessians\": 2", "version 2");
  with("\"quern_hessians\": 1", "\"something\": 1", "no index");
  with("\"columns\": 3", "\"columns\": 99999999", "says 99999999 columns");
  with("\"columns\": 3", "\"columns\": 0", "says 0 columns");
  with("\"tokens\": 500", "\"tokens\": 801", "801 tokens of 800");
  with("\"file\": 1", "\"file\": 0", "listed twice");
  with("{", "[", "");
  std::filesystem::resize_file(index_, good.size() / 2);
  expect_closed({folder_.string(), "ends too early"});
  std::filesystem::remove(index_);
  expect_closed({index_.string()});
  std::filesystem::create_directory(index_);
  expect_closed({"not a regular file"});
}

TEST_F(HessianStoreFiles, BeginsInAFolderOfItsOwn) {
  const auto mine = scratch_.path() / "mine";
  std::filesystem::create_directory(mine);
  OutputFile(mine / "letter.txt").write("dear");
  expect_refused([&] { HessianWriter(mine, identity_); }, {"letter.txt"}, ErrorCode::kUsage);
  expect_refused([&] { HessianWriter(mine / "letter.txt", identity_); }, {"cannot create"}, ErrorCode::kResource);
  expect_refused([&] { HessianStore(mine / "letter.txt", identity_); }, {"cannot open"});
}

TEST_F(HessianStoreFiles, GoesOnBehindWhatWasTorn) {
  OutputFile(folder_ / "00004.hessian.partial").write("half a Hess");
  OutputFile(folder_ / "index.json.partial").write("{");
  HessianWriter writer(folder_, identity_);
  EXPECT_TRUE(writer.contains("m", kAllExperts));
  const NewHessian more[] = {made_up("z", 0, 1, 3)};
  writer.add(more, pool_);
  writer.finish();
  EXPECT_EQ(HessianStore(folder_, identity_).read("z")->upper[0], 3.0f);
}

TEST_F(HessianStoreFiles, TakesNothingThatIsNotFinite) {
  for (const float bad : {INFINITY, std::nanf("")}) {
    HessianWriter writer(folder_, identity_);
    NewHessian broken = made_up("layers.3.attn.in", 0, 5, 1);
    broken.rows = [bad](std::size_t, std::span<float> out) { std::ranges::fill(out, bad); };
    expect_refused([&] { writer.add({&broken, 1}, pool_); }, {"Hessian of layers.3.attn.in is not finite"});
    broken = made_up("layers.3.attn.in", 0, 5, bad);
    expect_refused([&] { writer.add({&broken, 1}, pool_); }, {"Hessian of layers.3.attn.in is not finite"});
    EXPECT_FALSE(writer.contains("layers.3.attn.in", 0));
  }
  EXPECT_TRUE(HessianStore(folder_, identity_).read("a")) << "the store is as it was";
}

// Of 3 columns: fewer tokens than kFewestTokens, or than columns.
TEST_F(HessianStoreFiles, GivesAThinExpertTheOneOfItsLayer) {
  const HessianStore store(folder_, identity_);
  Weight weight;
  weight.group = "m";
  weight.axes = {{"experts", 2}, {"inner", 3}, {"hidden", kColumns}};
  EXPECT_EQ(hessian_of(store, weight, 0)->source, ChosenHessian::Source::kOwn);
  EXPECT_EQ(hessian_of(store, weight, 1)->source, ChosenHessian::Source::kPooled);
  EXPECT_EQ(hessian_of(store, weight, 1)->hessian.tokens, 400u);
  weight.axes.back().extent = 301;
  EXPECT_EQ(hessian_of(store, weight, 0)->source, ChosenHessian::Source::kPooled);
  weight.group = "a";
  EXPECT_EQ(hessian_of(store, weight, 0)->source, ChosenHessian::Source::kOwn) << "there is no other";
  weight.group = "n";
  EXPECT_FALSE(hessian_of(store, weight));
  weight.group.clear();
  EXPECT_FALSE(hessian_of(store, weight));
}

}  // namespace
}  // namespace quern
