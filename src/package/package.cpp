// Laying out the folder, and finding the model in it again.
#include "package/package.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_set>

#include "base/counted.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/json_pieces.h"
#include "base/output_path.h"
#include "base/parted_sha256.h"
#include "base/printable.h"
#include "format/file_layout.h"
#include "format/formats.h"
#include "format/gguf.h"
#include "package/companion_files.h"
#include "package/folder_files.h"
#include "package/general_keys.h"
#include "package/original_card.h"
#include "report/headline.h"
#include "report/html_report.h"
#include "vocabulary/chat_templates.h"
#include "vocabulary/end_tokens.h"
#include "vocabulary/piece_table.h"
#include "vocabulary/vocabulary_gguf.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestStem = 250;          // bytes: with .gguf what file systems take
constexpr std::uint32_t kQuantizationVersion = 2;  // general.quantization_version: layout of the k-quants

bool is_single_file(const Format& format) { return format.companions == Format::Companions::kInside; }

Dialect dialect_of(const OpenModel& source) { return find_format(source.checkpoint.format()).dialect; }

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
}

void write_json(const fs::path& path, const Json& json) {
  OutputFile file(path);
  dump_json_pieces(json, 1, [&](std::string_view text) { file.write(text); });
  file.write("\n");
  file.finish();
}

// What is copied from the source into a folder of this format: tokenizer and generation settings. config.json and the
// shard index are written anew, and a single file has everything in it.
std::vector<SourceFile> files_that_go_along(const Checkpoint& source, const Format& format) {
  std::vector<SourceFile> files;
  if (is_single_file(format)) return files;
  std::ranges::copy_if(source.files(), std::back_inserter(files), [](const SourceFile& file) {
    return file.role == SourceFile::Role::kTokenizer || file.path.filename() == "generation_config.json";
  });
  return files;
}

// A file of the package, and where it is one of weights the parts of it.
struct HashedContent {
  HashedFile file;
  HashedParts parts;
};

HashedContent hashed(const fs::path& folder, const std::string& name, HashedFile::Role role,
                     const FileHashes& known = {}) {
  const fs::path path = folder / name;
  const FileLayout layout = role == HashedFile::Role::kModel ? file_layout(path) : FileLayout();
  PartedHashes hashes;
  if (const std::string* whole = known.find(path)) {
    hashes = {*whole, *known.find_parts(path)};
  } else {
    hashes = parted_sha256_of_file(path, layout.ranges());
  }
  HashedContent content{{name, size_of_file(path), hashes.whole, role}, {name, layout.header_bytes, {}, {}}};
  if (layout.header_bytes == 0) return content;
  ensure(hashes.parts.size() == layout.runs.size() + 1, "{} tensors of {} were hashed, it has {}",
         hashes.parts.size() - 1, name, layout.runs.size());
  content.parts.header_sha256 = hashes.parts[0];
  for (std::size_t i = 0; i < layout.runs.size(); ++i)
    content.parts.tensors.push_back(
        {layout.runs[i].name, layout.runs[i].offset, layout.runs[i].bytes, hashes.parts[i + 1]});
  return content;
}

// Names of all files in it, '/' between folders.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ec;
  for (auto at = fs::recursive_directory_iterator(folder, ec); !ec && at != fs::recursive_directory_iterator();
       at.increment(ec))
    if (!fs::is_directory(at->symlink_status(ec)))
      names.push_back(at->path().lexically_relative(folder).generic_string());
  if (ec) fail(ErrorCode::kInput, "cannot look into {}: {}", folder.string(), ec.message());
  std::ranges::sort(names);
  return names;
}

// Their folders reach the disk too.
void copy_carried(const FolderFiles& files, const fs::path& folder) {
  for (const CarriedFile& file : files.carried) {
    const fs::path to = folder / file.name;
    make_folder(to.parent_path());
    copy_whole_file(file.path, to);
    if (to.parent_path() != folder) sync_folder(to.parent_path());
  }
}

// "out/" names the folder out.
fs::path without_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

// Absolute, without links or dots as far as the path exists.
fs::path resolved(const fs::path& path) {
  std::error_code ec;
  const fs::path full = fs::weakly_canonical(without_slash(path), ec);
  return ec ? fs::absolute(path).lexically_normal() : full;
}

// Whether `inner` is `outer` or lies in it, whatever way they are written.
bool contains(const fs::path& outer, const fs::path& inner) {
  const fs::path o = resolved(outer), i = resolved(inner);
  return std::ranges::mismatch(o, i).in1 == o.end();
}

// The tensors that a weight is made of, under their own names.
void export_as_stored(const OpenModel& source, std::size_t index, ExportMap& map) {
  const Weight& weight = source.spec.weights[index];
  if (weight.parts.empty()) {
    ExportedWeight out{.weight = index, .name = weight.tensor};
    out.shape = source.weights.stored(weight).shape;
    out.rows = ExportedWeight::Rows::kOfTensor;
    if (weight.module_storage != weight.storage) {
      out.rows = ExportedWeight::Rows::kColumns;
      std::ranges::reverse(out.shape);
    }
    map.weights.push_back(std::move(out));
    return;
  }
  std::uint64_t first = 0;
  for (const WeightPart& part : weight.parts) {
    ExportedWeight out{.weight = index, .name = part.tensor};
    out.source = part.tensor;
    out.shape = source.checkpoint.at(part.tensor).shape;
    out.first_row = first;
    first += part.rows;
    map.weights.push_back(std::move(out));
  }
}

[[noreturn]] void refuse_unrecognised(const OpenModel& source, const Format& format) {
  const bool keeps_names = dialect_of(source) == Dialect::kTransformers;
  fail(ErrorCode::kInput, "a {} file names the architecture of its model, and none recognises {} ({}); {}", format.name,
       source.checkpoint.path().string(), source.spec.evidence.front().source,
       keeps_names ? "take `scheme` simple without `format`, which leaves it in safetensors"
                   : "compress the safetensors checkpoint that it was made from, by `scheme` simple");
}

// Of a model that nothing recognises: what is no weight may matter all the same.
void copy_the_rest(const OpenModel& source, ExportMap& map) {
  std::unordered_set<std::string_view> weights;
  for (const Weight& weight : source.spec.weights) weights.insert(weight.tensor);
  for (const TensorEntry& entry : source.checkpoint.tensors())
    if (!weights.contains(entry.name)) map.copied.push_back(entry.name);
}

// What lies beside a known model goes along where the names are kept; GGUF has no place for it.
enum class Unmatched { kCopied, kLeftOut };
void carry_unmatched(const OpenModel& source, ExportMap& map, Unmatched what) {
  const std::vector<std::string> names = unmatched_tensors(source.checkpoint);
  if (names.empty()) return;
  constexpr std::size_t kShown = 3;
  map.notes.push_back(fmt::format(
      "{} of the source {} no part of the model and {}: {}{}", counted(names.size(), "tensor"),
      names.size() == 1 ? "is" : "are", what == Unmatched::kCopied ? "copied as stored" : "left out",
      fmt::join(std::span(names).first(std::min(kShown, names.size())), ", "), names.size() > kShown ? ", ..." : ""));
  if (what == Unmatched::kCopied) map.copied = names;
}

// Where the original lies as seen from the package; empty where the two share nothing but the root.
std::string path_from(const fs::path& output, const fs::path& input) {
  std::error_code ec;
  // weakly_canonical leaves a name alone of which nothing exists yet.
  const fs::path from = fs::weakly_canonical(fs::absolute(output), ec),
                 to = fs::weakly_canonical(fs::absolute(input), ec);
  if (ec || std::distance(from.begin(), from.end()) < 2 || std::distance(to.begin(), to.end()) < 2 ||
      *std::next(from.begin()) != *std::next(to.begin()))
    return {};
  return to.lexically_relative(from).string();
}

// Whether programs that go by a configuration are told which class of model it is.
bool names_a_class(const Json& config, const Format& format) {
  return is_single_file(format) || config.find("model_type") || config.find("architectures");
}

// The file that programs are given; of a container that is not read here the first.
std::string weights_file(const fs::path& folder, const Manifest& manifest) {
  if (!find_format(manifest.plan.format).is_read()) return manifest.output_files.front().name;
  return open_checkpoint(folder).files().front().path.filename().string();
}

// A GGUF file has as many pieces as the embedding has rows: runtimes take the number of tokens from the list. Rows
// beyond the tokenizer (padding for the hardware, ids that were never used) get pieces that no text becomes.
// Added pieces that never got a row are dropped.
Vocabulary fitted_vocabulary(const OpenModel& source, Vocabulary vocabulary) {
  using Type = Vocabulary::PieceType;
  const std::uint64_t rows = source.spec.extent("vocab"), pieces = vocabulary.pieces.size();
  const auto is_added = [](const Vocabulary::Piece& piece) {
    return piece.type == Type::kControl || piece.type == Type::kUserDefined || piece.type == Type::kUnused;
  };
  while (vocabulary.pieces.size() > rows && is_added(vocabulary.pieces.back())) vocabulary.pieces.pop_back();
  const auto kept = static_cast<std::int64_t>(vocabulary.pieces.size());
  for (std::int32_t Vocabulary::* id : {&Vocabulary::bos, &Vocabulary::eos, &Vocabulary::unknown, &Vocabulary::pad})
    if (vocabulary.*id >= kept) vocabulary.*id = -1;
  if (vocabulary.pieces.size() > rows)
    fail(ErrorCode::kInput,
         "the tokenizer of {} has {} pieces, the embedding only {} rows; one of them belongs to another model",
         described_tokenizer(source.checkpoint), pieces, rows);
  fill_with_unused(vocabulary.pieces, rows);
  return vocabulary;
}

// Vocabulary, the ends of a text and chat templates. Notes what of them the metadata cannot say. The pairs of a GGUF
// source are there already, and stay as they are whether they are understood or not.
std::vector<std::string> add_tokenizer(Metadata& metadata, const OpenModel& source, const SourceTokenizer& tokenizer) {
  if (dialect_of(source) == Dialect::kGguf) return {};
  const Vocabulary& vocabulary = tokenizer.get().vocabulary();
  const Vocabulary padded = fitted_vocabulary(source, vocabulary);
  with_context("while writing the tokenizer of " + described_tokenizer(source.checkpoint),
               [&] { add_vocabulary(metadata, padded); });
  add_chat_templates(metadata, chat_templates(source.checkpoint));
  std::vector<std::string> notes =
      add_end_tokens(metadata, end_tokens(source.checkpoint, vocabulary), padded.pieces.size());
  if (vocabulary.pieces.size() > padded.pieces.size())
    notes.push_back(
        fmt::format("the tokenizer has {} pieces, the embedding {} rows: the last pieces, from \"{}\", are left out",
                    vocabulary.pieces.size(), padded.pieces.size(), vocabulary.pieces[padded.pieces.size()].text));
  return notes;
}

}  // namespace

ExportMap export_map(const OpenModel& source, const Format& format) {
  check_is_written(format);
  const bool keeps_names = format.dialect == Dialect::kTransformers && dialect_of(source) == format.dialect;
  if (!keeps_names && !source.can_run()) refuse_unrecognised(source, format);
  if (format.dialect == Dialect::kGguf) {
    ExportMap map = map_to_gguf(source.spec, source.checkpoint);
    if (dialect_of(source) == Dialect::kTransformers) carry_unmatched(source, map, Unmatched::kLeftOut);
    return map;
  }
  if (!keeps_names) return map_to_transformers(source.spec, source.checkpoint);
  ExportMap map;
  map.weights.reserve(source.spec.weights.size());
  for (std::size_t w = 0; w < source.spec.weights.size(); ++w) export_as_stored(source, w, map);
  if (source.can_run()) {
    carry_unmatched(source, map, Unmatched::kCopied);
  } else {
    copy_the_rest(source, map);
  }
  return map;
}

std::vector<std::string> package_notes(const Format& format, const OpenModel& source,
                                       const SourceTokenizer& tokenizer) {
  std::vector<std::string> notes = left_notes(carried_files(source.checkpoint, format));
  if (!is_single_file(format)) {
    if (tokenizer.problem().empty())
      std::ranges::move(broken_tokenizer_notes(source.checkpoint), std::back_inserter(notes));
    if (source.can_run() && tokenizer.problem().empty())
      if (std::string note = surplus_pieces(tokenizer.get().vocabulary(), source.spec.extent("vocab")); !note.empty())
        notes.push_back(std::move(note));
    return notes;
  }
  Metadata metadata = source.checkpoint.metadata();
  std::ranges::copy(add_tokenizer(metadata, source, tokenizer), std::back_inserter(notes));
  return notes;
}

MixName name_of_scheme(const Scheme& scheme) { return {scheme.name, scheme.gguf_file_type}; }

MixName name_of_size(const Plan& plan, std::uint64_t bytes) {
  constexpr double kLastInMegabytes = 999.995;  // rounds to 1000.00
  const double megabytes = static_cast<double>(bytes) / 1e6;
  const std::string size =
      megabytes < kLastInMegabytes ? fmt::format("{:.2f}MB", megabytes) : fmt::format("{:.2f}GB", megabytes / 1000);
  const GgmlType* type = find_ggml_type(most_used_codec(plan));
  return {size, type ? type->file_type : kUnknownFileType};
}

std::string surplus_pieces(const Vocabulary& vocabulary, std::uint64_t rows) {
  const std::size_t pieces = vocabulary.pieces.size();
  if (pieces <= rows) return {};
  return fmt::format(
      "the tokenizer has {} pieces, the embedding {} rows: a text with one of the last pieces, from \"{}\", cannot be "
      "run",
      pieces, rows, printable_line(vocabulary.pieces[rows].text));
}

CheckpointHead package_head(const ExportMap& names, const Format& format, const OpenModel& source,
                            const SourceTokenizer& tokenizer) {
  CheckpointHead head;
  if (!is_single_file(format)) {
    check_generation_config(source.checkpoint);
    head.config = published_config(source.checkpoint.config());
    if (!names.config.is_null()) add_companions(head, names.config, source, tokenizer);
    return head;
  }
  head.metadata = names.metadata;
  if (dialect_of(source) != Dialect::kGguf) {  // whose own keys go along
    const Metadata general = general_keys(general_facts(source, names));
    for (const auto& [key, value] : general.pairs()) head.metadata.set(key, value);
  }
  head.metadata.set("general.file_type", kUnknownFileType);  // set_mix_name knows
  head.metadata.set("general.quantization_version", kQuantizationVersion);
  add_tokenizer(head.metadata, source, tokenizer);
  return head;
}

void set_mix_name(CheckpointHead& head, const Format& format, const std::string& model, const MixName& mix) {
  if (!is_single_file(format)) return;
  head.stem = model + "-" + mix.suffix;
  if (head.stem.size() > kLongestStem)
    fail(ErrorCode::kUsage, "the file would be called {}{}, which is too long; give the model a shorter `name`",
         head.stem, ".gguf");
  head.metadata.set("general.file_type", mix.file_type);
}

void set_model_name(CheckpointHead& head, const Format& format, const std::string& name) {
  if (is_single_file(format)) head.metadata.set("general.name", name);
}

void set_importance(CheckpointHead& head, const Format& format, const ImportanceKeys& keys) {
  if (!is_single_file(format)) return;
  head.metadata.set("quantize.imatrix.file", keys.file);
  if (!keys.dataset.empty()) head.metadata.set("quantize.imatrix.dataset", keys.dataset);
  head.metadata.set("quantize.imatrix.entries_count", keys.entries);
  head.metadata.set("quantize.imatrix.chunks_count", keys.chunks);
}

namespace {

// bitnet.cpp's files do not say it; of a file with both orders nothing could. Containers without metadata name the
// encoding of each tensor.
void set_i2_s_order(CheckpointHead& head) {
  if (head.metadata.pairs().empty()) return;
  const std::uint32_t id = find_ggml_type("i2_s")->id;
  for (const TensorSpec& tensor : head.tensors) {
    const GgmlType* type = find_ggml_type(tensor.encoding);
    if (!type || type->id != id) continue;
    const std::optional<std::string> other = head.metadata.text(kI2sOrderKey);
    if (other && *other != tensor.encoding)
      fail(ErrorCode::kUsage, "tensor {} is to be {}, others {}: a file has one order of I2_S", tensor.name,
           tensor.encoding, *other);
    head.metadata.set(kI2sOrderKey, tensor.encoding);
  }
}

}  // namespace

void set_tensors(CheckpointHead& head, std::vector<TensorSpec> tensors, const ExportMap& names) {
  head.tensors = std::move(tensors);
  set_i2_s_order(head);
  if (!names.config.is_null()) set_torch_type(head);  // a configuration that is not the source's own
}

std::uint64_t package_bytes(const CheckpointHead& head, const Format& format, const Checkpoint& source) {
  std::uint64_t bytes = format.file_bytes(head);
  for (const SourceFile& file : files_that_go_along(source, format)) bytes += file.bytes;
  return bytes;
}

bool is_package(const fs::path& folder) {
  try {
    const Json manifest = parse_json(read_text(folder / kManifestName));
    if (!manifest.find("quern") || !manifest.find("schema")) return false;
    std::set<std::string> listed{kManifestName};
    for (const Json& file : manifest.at("files").as_array()) listed.insert(file.at("name").as_string());
    return std::ranges::all_of(names_in(folder), [&](const std::string& name) {
      return fs::is_regular_file(fs::symlink_status(folder / name)) && listed.contains(name);
    });
  } catch (const Error&) {
    return false;
  }
}

bool is_chain(const fs::path& folder) {
  try {
    const Json chain = parse_json(read_text(folder / kChainName));
    if (!chain.find("quern") || !chain.find("stages")) return false;
    return std::ranges::all_of(fs::directory_iterator(folder), [](const fs::directory_entry& entry) {
      const std::string name = entry.path().filename().string();
      const fs::file_status status = entry.symlink_status();
      return fs::is_regular_file(status) ? std::ranges::find(kChainNames, name) != std::end(kChainNames)
                                         : fs::is_directory(status) && is_package(entry.path());
    });
  } catch (const Error&) {
    return false;
  }
}

namespace {

// REQUIRES: is_package(folder), or it is empty or a chain.
bool is_report_of_file(const fs::path& folder) {
  if (!is_there(folder / kManifestName)) return false;
  const Json manifest = parse_json(read_text(folder / kManifestName));
  return std::ranges::any_of(manifest.at("files").as_array(),
                             [](const Json& file) { return is_name_beside(file.at("name").as_string()); });
}

}  // namespace

void check_output(const fs::path& output, const fs::path& input, OutputFolder::Existing existing) {
  std::error_code ec;
  if (contains(output, input))
    fail(ErrorCode::kUsage, "the output \"{}\" is the input model {} or a folder around it; choose another folder",
         output.string(), input.string());
  if (existing == OutputFolder::Existing::kRefuse || !is_there(output)) return;
  if (fs::is_directory(output, ec) && (fs::is_empty(output, ec) || is_package(output) || is_chain(output))) {
    if (!is_report_of_file(output)) return;
    fail(ErrorCode::kUsage, "{} is the report of a file beside it; name that file, or choose another folder",
         output.string());
  }
  fail(ErrorCode::kUsage,
       "{} was not written by quern, or holds files that its {} does not list, and is not replaced; remove it by hand "
       "or choose another folder",
       output.string(), kManifestName);
}

fs::path rejected_path(const fs::path& output) {
  fs::path path = output_folder_path(output);
  path += ".rejected";
  return path;
}

// One side that has everything inside has no use for more than what people read.
FolderFiles carried_files(const Checkpoint& source, const Format& format) {
  return folder_files(source, std::max(format.companions, find_format(source.format()).companions));
}

std::vector<CarriedFile> copied_files(const Checkpoint& source, const Format& format) {
  std::vector<CarriedFile> files;
  for (const SourceFile& file : files_that_go_along(source, format))
    files.push_back({file.path, file.path.filename().string(), file.bytes});
  return files;
}

namespace {

// Everything that `folder` holds so far: what a runtime needs, and what went along. Weights that are to lie beside the
// folder have the name that leads there.
void list_files_so_far(const PackagePlace& place, const FolderFiles& beside, const FileHashes& hashes,
                       Manifest& manifest) {
  std::set<std::string_view> carried;
  for (const CarriedFile& file : beside.carried) carried.insert(file.name);
  for (const std::string& name : names_in(place.folder)) {
    const auto role = carried.contains(name) ? HashedFile::Role::kCompanion : HashedFile::Role::kModel;
    HashedContent content = hashed(place.folder, name, role, hashes);
    if (!place.file.empty() && role == HashedFile::Role::kModel)
      content.file.name = content.parts.file = name_beside(place.file);
    manifest.output_files.push_back(std::move(content.file));
    if (content.parts.header_bytes) manifest.parts.push_back(std::move(content.parts));
  }
}

CardFacts facts_for_card(const PackagePlace& place, const OpenModel& source, const Manifest& manifest,
                         const Json& config) {
  const Format& format = find_format(manifest.plan.format);
  CardFacts facts = card_facts(source, format.companions);
  if (!names_a_class(config, format)) facts.configuration = CardFacts::Part::kMissing;
  if (!place.file.empty()) facts.result = CardFacts::Result::kOneFile;
  return facts;
}

}  // namespace

void assemble_package(const PackagePlace& place, const OpenModel& source, const Json& config,
                      const std::vector<HashedFile>& source_files, const FileHashes& hashes, Report& report) {
  const Plan& plan = report.ladder.back().plan;
  const Checkpoint& files = source.checkpoint;
  const fs::path& folder = place.folder;
  Manifest manifest{.source_path = path_from(place.output, files.path()),
                    .source_format = files.format(),
                    .source_files = source_files,
                    .output_files = {},
                    .plan = plan,
                    .tensors = {},
                    .overlay = source.weights.identity(),
                    .dropped = source.dropped,
                    .name = place.name};
  if (is_single_file(find_format(plan.format)) && dialect_of(source) != Dialect::kGguf)
    manifest.surroundings = hash_of_surroundings(source);
  for (const char* name : kEvidenceNames) fs::remove(folder / name);
  fs::remove(folder / kManifestName);
  for (const SourceFile& file : files_that_go_along(files, find_format(plan.format)))
    copy_whole_file(file.path, folder / file.path.filename());
  const FolderFiles beside = carried_files(files, find_format(plan.format));
  copy_carried(beside, folder);
  list_files_so_far(place, beside, hashes, manifest);
  if (find_file(place.work / kStatisticsName)) copy_whole_file(place.work / kStatisticsName, folder / kStatisticsName);
  report.output_bytes = manifest.model_bytes();
  if (std::string remark = size_remark(report); !remark.empty())
    report.notes.insert(report.notes.begin(), std::move(remark));
  write_json(folder / kReportName, to_json(report));
  write_text(folder / kHtmlName, html_report(report));
  const std::string weights = place.file.empty() ? weights_file(folder, manifest) : place.file;
  write_text(folder / kCardName,
             model_card(report, manifest, weights, facts_for_card(place, source, manifest, config)));
  for (const char* name : kEvidenceNames)
    if (find_file(folder / name))
      manifest.output_files.push_back(hashed(folder, name, HashedFile::Role::kEvidence).file);
  for (const ReportedTensor& tensor : report.tensors) manifest.tensors.push_back({tensor.step, tensor.error});
  write_json(folder / kManifestName, sealed(to_json(manifest)));
}

}  // namespace quern
