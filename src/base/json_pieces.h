// JSON text a piece at a time: that of a report on 400,000 tensors is not held as a whole.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

class Json;

// Calls take() with the bytes of dump_json(value, indent), in order. Errors as of dump_json.
void dump_json_pieces(const Json& value, int indent, const std::function<void(std::string_view)>& take);

// The same bytes for a value that is never whole either: its members and items are written as they come. What is open
// is closed, and `take` given the rest, by finish().
class JsonWriter {
 public:
  JsonWriter(int indent, std::function<void(std::string_view)> take) : indent_(indent), take_(std::move(take)) {}

  // Begins an object or an array: an item of the array that is open, or the member `key` of the object.
  void open_object(std::string_view key = {}) { open(key, '{', '}'); }
  void open_array(std::string_view key = {}) { open(key, '[', ']'); }
  void close();
  void item(const Json& value) { member({}, value); }
  void member(std::string_view key, const Json& value);
  void finish();

 private:
  struct Level {
    char end;
    bool is_empty;
  };

  void begin(std::string_view key);
  void open(std::string_view key, char first, char last);
  void hand_over(std::size_t least);

  int indent_;
  std::function<void(std::string_view)> take_;
  std::vector<Level> levels_;
  std::string text_;
};

}  // namespace quern
