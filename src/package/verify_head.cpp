// The head is what compress made of the same original; a container's outline of it is what its files begin with.
#include "package/verify_head.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/sha256.h"
#include "encode/encode.h"
#include "format/file_layout.h"
#include "format/formats.h"
#include "format/gguf.h"
#include "package/general_keys.h"
#include "package/package.h"
#include "package/package_names.h"
#include "package/read_names.h"
#include "plan/scheme.h"
#include "quern/error.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGeneral = "general.";
constexpr const char* kFileType = "general.file_type";
constexpr const char* kLicence = "general.license";
// Made of the shapes and the format, whatever card lies beside the model.
constexpr std::string_view kOwnKeys[] = {"general.architecture", "general.alignment", "general.quantization_version",
                                         kFileType};

class HeadComparison {
 public:
  HeadComparison(Verification& v, const ComparedModels& models)
      : v_(v), models_(models), format_(find_format(v.manifest.plan.format)) {}

  // What is copied takes the place of what was written, and what lay beside of both.
  void compare() {
    const CheckpointHead head = made_again();
    const std::vector<CarriedFile> copied = copied_files(models_.original.checkpoint, format_);
    const std::vector<CarriedFile> beside = carried_files(models_.original.checkpoint, format_).carried;
    std::set<std::string> known;
    for (const CarriedFile& file : beside) compare_companion(file, known);
    for (const CarriedFile& file : copied)
      if (known.insert(file.name).second) compare_copy(file);
    for (WrittenFile& file : written_files(format_, head)) {
      if (const HashedFile* one = one_file()) file.name = name_of(*one);  // whatever name a person gave it
      if (known.insert(file.name).second) compare_written(file, head);
    }
    for (const HashedFile& file : v_.manifest.output_files) {
      if (file.role == HashedFile::Role::kEvidence || known.contains(name_of(file))) continue;
      if (file.role == HashedFile::Role::kCompanion) {
        tell(file.name, "lies in the package, and not beside the original");
      } else {
        v_.problem("{} was made from nothing of the original", file.name);
      }
    }
  }

 private:
  // Whether it lies in the folder or beside it.
  static std::string name_of(const HashedFile& file) { return name_in_place(file.name); }

  const HashedFile* listed(const std::string& name) const {
    for (const HashedFile& file : v_.manifest.output_files)
      if (name_of(file) == name) return &file;
    return nullptr;
  }

  // The weights that lie beside the folder.
  const HashedFile* one_file() const {
    const std::vector<HashedFile>& files = v_.manifest.output_files;
    const auto found = std::ranges::find_if(files, is_name_beside, &HashedFile::name);
    return found == files.end() ? nullptr : &*found;
  }

  CheckpointHead made_again() {
    const SourceTokenizer tokenizer(models_.original.checkpoint);
    CheckpointHead head = package_head(models_.names, format_, models_.original, tokenizer);
    if (!v_.manifest.name.empty()) set_model_name(head, format_, v_.manifest.name);
    if (const Statistics* statistics = models_.statistics.get())
      set_importance(head, format_, importance_of(*statistics));
    std::vector<TensorSpec> tensors =
        tensor_table(v_.manifest.plan, models_.names, models_.original.spec, TensorFiles(models_.original.checkpoint));
    for (TensorSpec& tensor : tensors)  // of those whose sizes are measured
      if (const TensorEntry* entry = models_.package.find(tensor.name))
        for (std::size_t p = 0; p < std::min(entry->parts.size(), tensor.part_bytes.size()); ++p)
          tensor.part_bytes[p] = entry->parts[p].bytes;
    set_tensors(head, std::move(tensors), models_.names);
    take_names(head);
    return head;
  }

  ImportanceKeys importance_of(const Statistics& statistics) const {
    ImportanceKeys keys{.file = kStatisticsName, .dataset = fs::path(statistics.text_name).filename().string()};
    keys.entries = static_cast<std::int32_t>(std::ranges::count_if(
        models_.original.spec.weights, [&](const Weight& weight) { return statistics.groups.contains(weight.group); }));
    keys.chunks = static_cast<std::int32_t>(statistics.windows);
    if (keys.dataset.empty())  // a file that does not say it, with a text that it was not made from
      keys.dataset = models_.package.metadata().text("quantize.imatrix.dataset").value_or("");
    return keys;
  }

  // The name of the file, which a person may have chosen, and the type that goes with it or with the mix.
  void take_names(CheckpointHead& head) {
    const Metadata& found = models_.package.metadata();
    if (format_.companions != Format::Companions::kInside) return;
    const auto weights = std::ranges::find_if(v_.manifest.output_files,
                                              [](const HashedFile& file) { return file.name.ends_with(".gguf"); });
    if (weights != v_.manifest.output_files.end()) head.stem = fs::path(weights->name).stem().string();
    if (const MetaValue* type = found.find(kFileType); type && is_type_of_mix(*type, head))
      head.metadata.set(kFileType, *type);
    if (hash_of_surroundings(models_.original) == v_.manifest.surroundings || v_.manifest.surroundings.empty()) return;
    v_.observer.note(
        "the original lies elsewhere, or another card beside it, than when the package was made: what its "
        "metadata says of name, authors and licence is not compared");
    take_general_keys(head);
  }

  bool is_type_of_mix(const MetaValue& type, const CheckpointHead& head) const {
    const Plan& plan = v_.manifest.plan;
    if (type == MetaValue(name_of_size(plan, format_.file_bytes(head)).file_type)) return true;
    return std::ranges::any_of(schemes(), [&](const Scheme* scheme) {
      return scheme->name == plan.scheme && type == MetaValue(name_of_scheme(*scheme).file_type);
    });
  }

  // In the package's order. What a model may be used for is compared wherever the original that a person named says it.
  void take_general_keys(CheckpointHead& head) const {
    const bool has_licence = models_.is_named && head.metadata.find(kLicence);
    const auto is_own = [](std::string_view key) { return std::ranges::find(kOwnKeys, key) != std::end(kOwnKeys); };
    const auto is_taken = [&](std::string_view key) {
      return key.starts_with(kGeneral) && !is_own(key) && !(has_licence && key.starts_with(kLicence));
    };
    Metadata merged;
    std::vector<Metadata::Pair> made;
    for (const Metadata::Pair& pair : head.metadata.pairs())
      if (!is_taken(pair.first)) made.push_back(pair);
    auto next = made.begin();
    for (const Metadata::Pair& pair : models_.package.metadata().pairs()) {
      if (is_taken(pair.first)) {
        merged.set(pair.first, pair.second);
      } else if (next != made.end()) {
        merged.set(next->first, next->second);
        ++next;
      }
    }
    for (; next != made.end(); ++next) merged.set(next->first, next->second);
    head.metadata = merged;
  }

  void compare_written(const WrittenFile& file, const CheckpointHead& head) {
    const HashedFile* there = listed(file.name);
    if (!there) return v_.differs("the manifest lists no {}, which such a package has", file.name);
    check_role(*there, HashedFile::Role::kModel);
    if (v_.changed_files.contains(there->name)) return;
    if (there->bytes != file.bytes)
      v_.differs("{} has {} bytes, what is made of the original has {}", file.name, there->bytes, file.bytes);
    const File found(v_.place_of(*there));
    std::string beginning(std::min<std::uint64_t>(file.beginning.size(), found.size()), '\0');
    found.read(0, std::as_writable_bytes(std::span(beginning)));
    const auto differs = std::ranges::mismatch(beginning, file.beginning);
    if (differs.in1 == beginning.end() && differs.in2 == file.beginning.end()) return;
    v_.differs("{} is not what is made of the original: it differs from byte {} on{}", file.name,
               differs.in1 - beginning.begin(), keys_that_differ(head));
  }

  std::string keys_that_differ(const CheckpointHead& head) const {
    if (format_.companions != Format::Companions::kInside) return {};
    std::vector<std::string> keys;
    const Metadata& found = models_.package.metadata();
    for (const Metadata::Pair& pair : head.metadata.pairs())
      if (const MetaValue* value = found.find(pair.first); !value || *value != pair.second) keys.push_back(pair.first);
    for (const Metadata::Pair& pair : found.pairs())
      if (!head.metadata.find(pair.first)) keys.push_back(pair.first);
    return keys.empty() ? "" : fmt::format(" ({})", fmt::join(keys, ", "));
  }

  // Of evidence it was said already.
  void check_role(const HashedFile& file, HashedFile::Role role) {
    if (file.role != role && file.role != HashedFile::Role::kEvidence)
      v_.problem("the manifest gives {} another role than such a file has", file.name);
  }

  void compare_copy(const CarriedFile& file) {
    const HashedFile* there = listed(file.name);
    if (!there) return v_.problem("{} of the original is not in the package", file.name);
    check_role(*there, HashedFile::Role::kModel);
    if (!v_.changed_files.contains(there->name) && sha256_of_file(file.path) != there->sha256)
      v_.problem("{} is not the copy of the original's", file.name);
  }

  // What lay beside the original's own files may have changed since: a problem where a person says that this is the
  // original, and where it is code or else what programs read.
  void tell(const std::string& name, const std::string& what) {
    if (models_.is_named || is_read_by_programs(name)) return v_.problem("{} {}", name, what);
    v_.observer.note(fmt::format("{} {}", name, what));
  }

  void compare_companion(const CarriedFile& file, std::set<std::string>& known) {
    const HashedFile* there = listed(file.name);
    if (!there) return tell(file.name, "lies beside the original, and is not in the package");
    known.insert(file.name);
    check_role(*there, HashedFile::Role::kCompanion);
    if (!v_.changed_files.contains(there->name) && sha256_of_file(file.path) != there->sha256)
      tell(file.name, "is not the copy of what lies beside the original");
  }

  Verification& v_;
  const ComparedModels& models_;
  const Format& format_;
};

}  // namespace

void compare_head(Verification& v, const ComparedModels& models) {
  v.observer.stage("compare configuration and tokenizer", 1);
  try {
    HeadComparison(v, models).compare();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInterrupted || error.code() == ErrorCode::kResource) throw;
    v.differs("the package's header cannot be made again from the original: {}", error.what());
  }
  v.observer.advance("");
}

}  // namespace quern
