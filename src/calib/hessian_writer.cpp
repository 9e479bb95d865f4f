// Files first, then the index that lists them.
#include "calib/hessian_writer.h"

#include <algorithm>

#include "base/fail.h"

namespace quern {
namespace fs = std::filesystem;
namespace {

fs::path partial_of(fs::path path) {
  path += ".partial";
  return path;
}

void rename_into_place(const fs::path& path) {
  std::error_code ec;
  fs::rename(partial_of(path), path, ec);
  if (ec) fail(ErrorCode::kResource, "cannot rename {}: {}", partial_of(path).string(), ec.message());
}

void begin_folder(const fs::path& folder) {
  make_folder(folder);
  std::error_code ec;
  for (const fs::directory_entry& there : fs::directory_iterator(folder, ec))
    if (there.path().filename() != partial_of(kIndexName).filename())
      fail(ErrorCode::kUsage, "{} holds {} and no statistics store; choose another folder", folder.string(),
           there.path().filename().string());
}

// Row by row from the files of all experts.
class PooledRows {
 public:
  void add(ShardFile file, std::uint64_t tokens) {
    files_.push_back(std::move(file));
    tokens_.push_back(static_cast<double>(tokens));
    total_ += static_cast<double>(tokens);
  }
  void read(std::size_t i, std::span<float> out) const {
    std::vector<double> sums(out.size(), 0.0);
    for (std::size_t e = 0; e < files_.size(); ++e) {
      files_[e].read_row(i, out);
      for (std::size_t c = 0; c < out.size(); ++c) sums[c] += tokens_[e] * out[c];
    }
    for (std::size_t c = 0; c < out.size(); ++c) out[c] = static_cast<float>(sums[c] / std::max(1.0, total_));
  }

 private:
  std::vector<ShardFile> files_;
  std::vector<double> tokens_;
  double total_ = 0;
};

}  // namespace

HessianWriter::HessianWriter(fs::path folder, const HessianIdentity& identity) : folder_(std::move(folder)) {
  if (!find_file(folder_ / kIndexName)) {
    begin_folder(folder_);
    index_.identity = identity;
    write_index();
    return;
  }
  with_context("while continuing the statistics store " + folder_.string(), [&] {
    index_ = parse_hessian_index(read_text(folder_ / kIndexName));
    if (const std::string differs = difference(index_.identity, identity); !differs.empty())
      fail(ErrorCode::kInput, "a statistics store of another model or text: {}", differs);
    for (const auto& [key, record] : index_.shards)
      ShardFile(folder_ / record.file_name(), record.head).check(record.hashes.all);
  });
}

void HessianWriter::write_index() {
  const fs::path path = folder_ / kIndexName;
  OutputFile file(partial_of(path));
  file.write(dump_hessian_index(index_));
  file.finish();
  rename_into_place(path);
  sync_folder(folder_);
}

void HessianWriter::add(std::span<const NewHessian> hessians, ThreadPool& pool) {
  std::uint64_t next = 0;
  for (const auto& [key, record] : index_.shards) next = std::max(next, record.file + 1);
  std::vector<ShardRecord> records;
  for (const NewHessian& hessian : hessians) {
    ensure(!contains(hessian.group, hessian.expert), "the Hessian of {}, expert {}, is there", hessian.group,
           hessian.expert);
    records.push_back(
        {{hessian.group, hessian.expert, hessian.moments.mean_square.size(), hessian.moments.tokens}, {}, next++});
  }
  pool.run(records.size(), [&](std::size_t i) {
    const fs::path path = folder_ / records[i].file_name();
    records[i].hashes =
        write_shard(partial_of(path), records[i].head, hessians[i].moments.mean_square, hessians[i].rows);
    rename_into_place(path);
  });
  sync_folder(folder_);
  index_.finished = false;
  for (ShardRecord& record : records) {
    ShardKey key{record.head.group, record.head.expert};
    index_.shards.emplace(std::move(key), std::move(record));
  }
  write_index();
}

void HessianWriter::add_pooled(const std::string& group, std::uint32_t experts, ThreadPool& pool) {
  std::vector<const ShardRecord*> records;
  for (std::uint32_t e = 0; e < experts; ++e) records.push_back(index_.find(group, e));
  ensure(!records.empty() && std::ranges::count(records, nullptr) == 0, "{} experts of {} are not all there", experts,
         group);
  std::vector<InputMoments> moments(experts);
  pool.run(experts, [&](std::size_t e) {
    const ShardFile file(folder_ / records[e]->file_name(), records[e]->head);
    file.check(records[e]->hashes.all);
    moments[e] = {file.moments(records[e]->hashes.moments), records[e]->head.tokens};
  });
  PooledRows rows;
  for (const ShardRecord* record : records)
    rows.add(ShardFile(folder_ / record->file_name(), record->head), record->head.tokens);
  const NewHessian pooled{group, kAllExperts, pool_moments(moments),
                          [&](std::size_t i, std::span<float> out) { rows.read(i, out); }};
  add({&pooled, 1}, pool);
}

void HessianWriter::finish() {
  if (index_.finished) return;
  index_.finished = true;
  write_index();
}

}  // namespace quern
