// What else lies in a model's folder, and which of it goes along into a package: licence, remote code, processors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

// What a folder's README.md is called in a package, which has a card of its own.
inline constexpr const char* kOriginalCard = "README.original.md";

// What is copied of one folder, at most.
struct FolderLimits {
  std::uint64_t file_bytes = std::uint64_t{16} << 20, all_bytes = std::uint64_t{64} << 20;
  std::size_t files = 1000;
  int depth = 4;  // of folders within the folder
};

struct CarriedFile {
  std::filesystem::path path;
  std::string name;  // in the package, '/' between its parts
  std::uint64_t bytes = 0;
};

struct LeftFile {
  std::string name;  // from the folder; one that ends in '/' is a folder with everything in it
  std::string why;   // after "left behind", without a full stop
};

struct FolderFiles {
  std::vector<CarriedFile> carried;  // by name
  std::vector<LeftFile> left;        // by name; hidden files and what quern itself wrote are not listed
};

// Of the folder that was opened, or that the opened file's config.json lies in; nothing of any other file's folder, and
// nothing that the checkpoint itself counts as its own. A container that has everything inside takes the licence and
// what people should read. Links are followed where they stay in the folder, or in the hub's cache in the repository.
FolderFiles folder_files(const Checkpoint& source, Format::Companions place, const FolderLimits& limits = {});

// What was left, one sentence a reason.
std::vector<std::string> left_notes(const FolderFiles& files);

}  // namespace quern
