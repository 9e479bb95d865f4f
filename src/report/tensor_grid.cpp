// Steps that count no parameters (plans of earlier versions) have no bits per weight and are left out.
#include "report/tensor_grid.h"

#include <algorithm>

namespace quern {
namespace {

constexpr const char* kLastRole = "head";  // outside the blocks, and behind them

std::size_t index_in(std::vector<std::string>& names, const std::string& name) {
  const auto at = std::ranges::find(names, name);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

void add_to(std::optional<double>& sum, const std::optional<double>& value) {
  if (value) sum = sum.value_or(0) + *value;
}

void add(const PlanStep& step, const TensorFacts& facts, GridCell& cell) {
  if (cell.empty()) {
    cell.role = facts.role;
    cell.tensor = step.tensor;
    cell.codec = step.codec;
    cell.measured_codec = facts.measured_codec;
  }
  if (cell.codec != step.codec) cell.codec = "several";
  cell.tensors += 1;
  cell.bytes += step.bytes;
  cell.parameters += step.parameters;
  add_to(cell.kld, facts.kld);
  add_to(cell.predicted_kld, facts.predicted_kld);
}

GridCell& cell_for(const TensorFacts& facts, TensorGrid& grid) {
  index_in(grid.roles, facts.role);
  if (facts.layer < 0) return (facts.role == kLastRole ? grid.after : grid.before).emplace_back();
  const std::size_t block = static_cast<std::size_t>(facts.layer), column = index_in(grid.columns, facts.role);
  if (grid.blocks.size() <= block) grid.blocks.resize(block + 1);
  if (grid.blocks[block].size() <= column) grid.blocks[block].resize(column + 1);
  return grid.blocks[block][column];
}

}  // namespace

std::size_t TensorGrid::style_of(const std::string& role) const {
  return static_cast<std::size_t>(std::ranges::find(roles, role) - roles.begin());
}

TensorGrid tensor_grid(const Report& report) {
  TensorGrid grid;
  for (const auto& [step, error, facts] : report.tensors) {
    if (facts.kind == TensorFacts::Kind::kKept) {
      grid.kept_tensors += 1;
      grid.kept_parameters += step.parameters;
    } else if (step.parameters) {
      add(step, facts, cell_for(facts, grid));
    }
  }
  for (std::vector<GridCell>& block : grid.blocks) block.resize(grid.columns.size());
  return grid;
}

std::vector<const GridCell*> cells_of(const TensorGrid& grid) {
  std::vector<const GridCell*> cells;
  const auto add_all = [&](const std::vector<GridCell>& from) {
    for (const GridCell& cell : from)
      if (!cell.empty()) cells.push_back(&cell);
  };
  add_all(grid.before);
  for (const std::vector<GridCell>& block : grid.blocks) add_all(block);
  add_all(grid.after);
  return cells;
}

}  // namespace quern
