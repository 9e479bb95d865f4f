// What the checks of one package share: what they look at, and what they found.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "base/thread_pool.h"
#include "quern/observer.h"
#include "quern/verify.h"
#include "quern/version.h"
#include "report/manifest.h"

namespace quern {

struct Verification {
  const std::filesystem::path& package;
  const std::filesystem::path&
      file;  // the weights of one file, whatever their name now; empty: they are in the package
  const Manifest& manifest;
  ThreadPool& pool;
  Observer& observer;
  VerifyResult result = {};
  // What a problem was said of already: files by name, tensors by file and offset, and those of the plan by name.
  std::set<std::string> changed_files = {};
  std::set<std::pair<std::string, std::uint64_t>> changed_tensors = {};
  std::set<std::string> wrong_tensors = {};

  // Whether this program would write the same again.
  bool is_repeatable() const { return manifest.version == kVersion; }

  // Where it lies now.
  std::filesystem::path place_of(const HashedFile& listed) const {
    return is_name_beside(listed.name) && !file.empty() ? file : package / listed.name;
  }

  // Of what this program would write otherwise: a problem, unless another version wrote it.
  template <typename... Args>
  void differs(fmt::format_string<Args...> format, Args&&... args) {
    (is_repeatable() ? result.problems : result.unproven).push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    result.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
};

}  // namespace quern
