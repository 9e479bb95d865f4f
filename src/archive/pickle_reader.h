// The machine that a pickle is a program for: bytes, stack, memo, and the memory they may take.
#pragma once

#include <initializer_list>
#include <span>

#include "archive/pickle.h"

namespace quern {

class PickleReader {
 public:
  static constexpr PickleId kNone = 0, kFalse = 1, kTrue = 2;

  explicit PickleReader(ByteSpan bytes);
  Pickle read();

  // Of the bytes. Throw EndOfBytes where there are no more.
  struct EndOfBytes {};
  template <typename T>
  T take() {
    return load<T>(take_text(sizeof(T)).data());
  }
  std::string_view take_text(std::uint64_t count);
  std::string_view take_line();

  // Of the stack. Every push is charged where the stack has never been so deep.
  void push(PickleId id);
  void push(PickleNode node) { push(add(std::move(node))); }
  void push_integer(std::int64_t value);
  void push_long(std::string_view twos_complement);
  void push_decimal(std::string_view digits);
  void push_utf8(std::string_view text);
  void push_raw_unicode(std::string_view escaped);  // of protocol 0: Latin-1, with \uXXXX and \UXXXXXXXX
  void push_bytes_or_text(std::string_view text);   // Python 2 made no difference
  void push_quoted(std::string_view repr);
  void push_tuple(std::size_t items);
  void push_name(std::string_view module, std::string_view name);
  void push_call(PickleId callee, PickleId arguments);
  PickleId pop();
  PickleNode& top();
  void duplicate() { top(), push(stack_.back()); }
  void mark();
  std::vector<PickleId> pop_to_mark();
  void drop();  // the top, or a mark that was just set
  void stop() { pickle_.root_ = pop(), stopped_ = true; }

  // Items of a container of one of these kinds on top of the stack, or of an object of a class made from one.
  void extend(std::span<const PickleId> items, std::initializer_list<PickleNode::Kind> kinds);
  void set_items(std::span<const PickleId> keys_and_values);

  // Of the memo.
  void put(std::uint64_t place);
  void put_next() { put(memoized_); }
  void get(std::uint64_t place);

  const PickleNode& node(PickleId id) const { return pickle_.nodes_[id]; }
  PickleId add(PickleNode node);

 private:
  void charge(std::uint64_t bytes);
  std::string_view keep(std::string text);
  bool push_container(std::string_view name, const PickleNode& arguments);

  ByteSpan bytes_;
  std::size_t at_ = 0;
  Pickle pickle_;
  std::vector<PickleId> stack_, memo_;
  std::vector<std::uint32_t> marks_;  // sizes of the stack
  std::uint64_t budget_, used_ = 0, memoized_ = 0;
  std::size_t deepest_ = 0, most_marks_ = 0;
  bool stopped_ = false;
};

// What the operation of this code does; null when there is none.
using PickleOperation = void (*)(PickleReader&);
PickleOperation find_pickle_operation(std::uint8_t code);

}  // namespace quern
