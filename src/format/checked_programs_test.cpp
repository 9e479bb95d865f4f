// What a card says that it was checked with is what tests/peer installs.
#include "format/checked_programs.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace quern {
namespace {

// Behind "NAME==", to the end of the line; empty: it is not pinned.
std::string pinned(const std::string& name) {
  const std::string all = read_text(QUERN_SOURCE_DIR "/tools/peer_requirements.txt") +
                          read_text(QUERN_SOURCE_DIR "/tools/transformers_requirements.txt");
  const std::size_t at = all.find("\n" + name + "==");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 3;
  return all.substr(begin, all.find('\n', begin) - begin);
}

TEST(CheckedPrograms, AreThosePinnedForTheTests) {
  for (const auto& [name, version] : checked_programs()) {
    if (name == "llama.cpp") {
      const std::string package = pinned("xllamacpp");
      EXPECT_EQ(version, "b" + package.substr(package.rfind('.') + 1));
    } else {
      EXPECT_EQ(version, pinned(std::string(name))) << name;
    }
  }
}

TEST(CheckedPrograms, AreThoseThatASentenceNames) {
  EXPECT_EQ(checked_with("transformers with the bitsandbytes package"),
            "checked with transformers 5.23.0, bitsandbytes 0.50.2");
  EXPECT_EQ(checked_with("no program but quern"), "");
}

}  // namespace
}  // namespace quern
