// Models whose words may be whole texts, with U+2581 for each space: what lies between the marks comes again and is
// encoded once.
#pragma once

#include "tokenizer/word_model.h"

namespace quern {

class MarkedWords : public WordModel {
 public:
  enum class Boundaries { kNone, kMarks };  // kMarks: no piece crosses one (tokenizer/mark_boundaries.h)
  explicit MarkedWords(Boundaries boundaries) : boundaries_(boundaries) {}

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const final;

 protected:
  // Of what lies between two boundaries. REQUIRES: UTF-8, not empty.
  virtual void encode_part(std::string_view part, std::vector<std::int32_t>& ids) const = 0;

 private:
  struct Parts : WordModel {
    explicit Parts(const MarkedWords& owner) : whole(owner) {}
    void encode(std::string_view word, std::vector<std::int32_t>& ids) const override { whole.encode_part(word, ids); }
    const MarkedWords& whole;
  };

  Boundaries boundaries_;
  Parts parts_{*this};
};

}  // namespace quern
