// What names a person means: one written out, a glob, or a regular expression.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace quern {

// "model.norm.weight"; "model.layers.*.up_proj.weight", in which * is any text and ? any character; or "re:" and a
// regular expression of RE2. A pattern must match a name whole, in time linear in its length.
class NamePattern {
 public:
  // Error(kUsage) for an empty text, or a regular expression that cannot be read.
  explicit NamePattern(std::string text);

  bool matches(std::string_view name) const;
  // Whether it is written out.
  bool is_name() const noexcept { return pattern_ == nullptr; }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::shared_ptr<const re2::RE2> pattern_;  // null: a name
};

}  // namespace quern
