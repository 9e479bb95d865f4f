// One row a field that a message names; tools/check_fields.py holds the table to the messages, to the public headers
// and to the options of the commands.
#include "cli/field_flags.h"

#include <algorithm>
#include <array>

namespace quern::cli {
namespace {

struct FieldFlag {
  std::string_view field;  // "member", "member.member" or "member=value"
  std::string_view flag;
};

constexpr std::array kFieldFlags{
    FieldFlag{"adapter", "--adapter"},
    FieldFlag{"bound.max_kld", "--max-kld"},
    FieldFlag{"bound.max_perplexity_increase", "--max-ppl-increase"},
    FieldFlag{"calibration_text", "--calib"},
    FieldFlag{"calibration_windows", "--calib-windows"},
    FieldFlag{"context", "--context"},
    FieldFlag{"damage=kAllow", "--allow-damage"},
    FieldFlag{"drop", "--drop"},
    FieldFlag{"existing=kReplace", "--force"},
    FieldFlag{"format", "--format"},
    FieldFlag{"gate_text", "--gate-text"},
    FieldFlag{"gate_windows", "--gate-windows"},
    FieldFlag{"input", "MODEL"},
    FieldFlag{"json", "--json"},
    FieldFlag{"larger=kAllow", "--allow-larger"},
    FieldFlag{"machine.max_memory", "--max-memory"},
    FieldFlag{"machine.precision", "--compute"},
    FieldFlag{"machine.threads", "--threads"},
    FieldFlag{"max_trials", "--max-trials"},
    FieldFlag{"mode", "--mode"},
    FieldFlag{"name", "--name"},
    FieldFlag{"optimizer", "--optimizer"},
    FieldFlag{"sequence", "--sequential"},
    FieldFlag{"output", "--output"},
    FieldFlag{"package", "PACKAGE"},
    FieldFlag{"plan", "--plan"},
    FieldFlag{"precision_map", "--precision-map"},
    FieldFlag{"report_text", "--report-text"},
    FieldFlag{"requantize=kAllow", "--allow-requantize"},
    FieldFlag{"sampling.min_p", "--min-p"},
    FieldFlag{"sampling.temperature", "--temperature"},
    FieldFlag{"sampling.top_p", "--top-p"},
    FieldFlag{"scheme", "--scheme"},
    FieldFlag{"size", "--target-size"},
    FieldFlag{"start=kResume", "--resume"},
    FieldFlag{"statistics", "--imatrix"},
    FieldFlag{"statistics_copy", "--save-imatrix"},
    FieldFlag{"statistics_folder", "--save-statistics"},
    FieldFlag{"stride", "--every"},
    FieldFlag{"survey_passes", "--survey-passes"},
    FieldFlag{"text", "--text"},
    FieldFlag{"window_length", "--window-length"},
};

}  // namespace

std::string with_flags(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t open = text.find('`');
    shown += text.substr(0, open);
    if (open == std::string_view::npos) break;
    text.remove_prefix(open + 1);
    const std::string_view field = text.substr(0, text.find('`'));
    const auto row = std::ranges::find(kFieldFlags, field, &FieldFlag::field);
    if (row == kFieldFlags.end() || field.size() == text.size()) {
      shown += '`';
      continue;
    }
    shown += row->flag;
    text.remove_prefix(field.size() + 1);
  }
  return shown;
}

}  // namespace quern::cli
