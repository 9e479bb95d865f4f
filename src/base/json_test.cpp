// What the JSON reader accepts and refuses, and that writing repeats what was read.
#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/fail.h"
#include "base/json_members.h"
#include "base/json_pieces.h"

namespace quern {
namespace {

// The message of the Error(kInput) that `body` throws, or "" when it throws none.
template <typename Body>
std::string input_error(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
  return "";
}

std::string parse_failure(std::string_view text) {
  return input_error([&] { parse_json(text); });
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Json, KeepsTheOrderOfMembers) {
  const std::string text = R"({"zebra":1,"apple":2,"mango":{"b":null,"a":[true,false]}})";
  EXPECT_EQ(dump_json(parse_json(text)), text);
}

TEST(Json, RefusesAKeyThatAppearsTwiceInOneObject) {
  EXPECT_TRUE(contains(parse_failure(R"({"a":1,"b":2,"a":3})"), "\"a\" appears twice"));
  EXPECT_EQ(parse_failure(R"({"a":{"a":1},"b":{"a":1}})"), "");
  const std::string many = R"({"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9)";
  EXPECT_EQ(parse_failure(many + "}"), "");
  EXPECT_TRUE(contains(parse_failure(many + R"(,"b":10})"), "\"b\" appears twice"));
}

TEST(Json, PiecesOfATextAreTheText) {
  Json value = Json::array();
  for (int i = 0; i < 20'000; ++i) value.push_back(Json::object({{"name", "tensor \"" + std::to_string(i)}, {"n", i}}));
  for (const int indent : {-1, 1}) {
    std::string text;
    std::size_t pieces = 0, longest = 0;
    dump_json_pieces(value, indent, [&](std::string_view piece) {
      text += piece;
      ++pieces;
      longest = std::max(longest, piece.size());
    });
    EXPECT_EQ(text, dump_json(value, indent));
    EXPECT_GT(pieces, 5u);
    EXPECT_LT(longest, 70'000u);
  }
}

TEST(Json, AWriterWritesWhatDumpingGives) {
  const Json item = Json::object({{"a", Json::array({1, "\n", Json::object()})}, {"b", nullptr}});
  Json items = Json::array();
  for (int i = 0; i < 20'000; ++i) items.push_back(item);
  const Json whole = Json::object(
      {{"first", item}, {"items", items}, {"none", Json::array()}, {"\x1b", Json::object({{"", Json::object()}})}});
  for (const int indent : {-1, 0, 2}) {
    std::string text;
    std::size_t longest = 0;
    JsonWriter out(indent, [&](std::string_view piece) {
      text += piece;
      longest = std::max(longest, piece.size());
    });
    out.open_object();
    out.member("first", item);
    out.open_array("items");
    for (const Json& each : items.as_array()) out.item(each);
    out.close();
    out.open_array("none");
    out.close();
    out.open_object("\x1b");
    out.open_object("");
    out.finish();
    EXPECT_EQ(text, dump_json(whole, indent));
    EXPECT_LT(longest, 70'000u);
  }
}

TEST(Json, RefusesNestingBeyond64Levels) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(parse_failure(nested(64)), "");
  EXPECT_TRUE(contains(parse_failure(nested(65)), "64 levels"));
  EXPECT_TRUE(contains(parse_failure(std::string(1000000, '[')), "64 levels"));
}

TEST(Json, RefusesTextThatIsNotJson) {
  for (const char* text : {"", " ", "{", "[1,]", "{\"a\"}", "{\"a\":}", "nul", "01", "+1", "1.", "NaN", "Infinity",
                           "'a'", "1 2", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "[1] x"}) {
    const std::string said = parse_failure(text);
    EXPECT_TRUE(contains(said, "not valid JSON at byte")) << text;
    EXPECT_FALSE(contains(said, "json.exception") || contains(said, "parsing")) << said;
  }
}

TEST(Json, NamesThePositionOfASyntaxError) { EXPECT_TRUE(contains(parse_failure("{\"a\": 1, ?}"), "at byte 10")); }

TEST(Json, SaysWhatIsWrongInItsOwnWords) {
  EXPECT_EQ(parse_failure("{\"a\": 1, ?}"),
            R"(not valid JSON at byte 10: "?" is not expected there, after "{"a": 1, ")");
  EXPECT_EQ(parse_failure("{\"a\": "), "not valid JSON at byte 7: the text ends too early");
  EXPECT_EQ(parse_failure("[1e999]"), "not valid JSON at byte 6: the number that ends there is too large");
  EXPECT_EQ(parse_failure("[\"\xff\"]"), R"(not valid JSON at byte 3: "\xff" is not expected there, after "["")");
  const std::string end(24, 'x');
  EXPECT_EQ(parse_failure(fmt::format("[\"{:x>1000}\n\"]", "")),
            fmt::format("not valid JSON at byte 1003: \"\\x0a\" is not expected there, after ... \"{}\"", end));
}

TEST(Json, RefusesBadUtf8) {
  for (const char* bytes :
       {"\x80", "\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    EXPECT_NE(parse_failure(fmt::format("\"{}\"", bytes)), "") << bytes;
  }
  EXPECT_EQ(parse_json("\"\xe2\x82\xac\"").as_string(), "\xe2\x82\xac");
  EXPECT_EQ(parse_json(R"("\ud83d\ude00")").as_string(), "\xf0\x9f\x98\x80");
}

TEST(Json, KeepsAll64BitsOfIntegers) {
  EXPECT_EQ(parse_json("9223372036854775807").as_int64(), INT64_MAX);
  EXPECT_EQ(parse_json("9223372036854775808").as_uint64(), std::uint64_t{1} << 63);
  EXPECT_EQ(parse_json("18446744073709551615").as_uint64(), UINT64_MAX);
  EXPECT_EQ(parse_json("-9223372036854775808").as_int64(), INT64_MIN);
  for (const char* text :
       {"9223372036854775807", "9223372036854775808", "18446744073709551615", "-9223372036854775808", "-1", "0"}) {
    EXPECT_EQ(dump_json(parse_json(text)), text);
  }
}

TEST(Json, RefusesIntegersOutsideTheKindThatIsAskedFor) {
  EXPECT_TRUE(contains(input_error([] { parse_json("9223372036854775808").as_int64(); }), "9223372036854775808"));
  EXPECT_TRUE(contains(input_error([] { parse_json("-1").as_uint64(); }), "found -1"));
  EXPECT_NE(input_error([] { parse_json("1.5").as_int64(); }), "");
  EXPECT_NE(input_error([] { parse_json("1e3").as_int64(); }), "");
  EXPECT_NE(input_error([] { parse_json("18446744073709551616").as_uint64(); }), "");  // read as a double
}

TEST(Json, RefusesNumbersThatNoDoubleHolds) {
  EXPECT_NE(parse_failure("1e400"), "");
  EXPECT_NE(parse_failure("[-1e400]"), "");
  EXPECT_EQ(parse_json("1e-400").as_double(), 0.0);
}

TEST(Json, DoublesReadBackEqual) {
  for (const double v : {0.1, 1.0 / 3.0, -0.0, 1e308, 5e-324, 2.2250738585072014e-308, 25.138474145942, 1e22}) {
    const Json back = parse_json(dump_json(Json(v)));
    EXPECT_EQ(back.as_double(), v);
    EXPECT_EQ(std::signbit(back.as_double()), std::signbit(v));
  }
  EXPECT_EQ(dump_json(Json(5.0)), "5.0");
}

TEST(Json, RefusesToWriteWhatIsNotANumber) {
  for (const double v : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    try {
      dump_json(Json::array({v}));
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInternal);
    }
  }
}

TEST(Json, EqualNumbersAreEqualHoweverTheyWereMade) {
  EXPECT_EQ(Json(5), Json(std::uint64_t{5}));
  EXPECT_EQ(Json(std::uint32_t{5}), parse_json("5"));
  EXPECT_EQ(Json(UINT64_MAX), parse_json("18446744073709551615"));
  EXPECT_NE(Json(5), Json(5.0));  // 5 and 5.0 are written differently
}

TEST(Json, StringsAreEscaped) {
  const std::string text("quote \" backslash \\ tab \t zero \0 end", 36);
  EXPECT_EQ(parse_json(dump_json(Json(text))).as_string(), text);
  EXPECT_EQ(dump_json(Json("a\nb\"")), R"("a\nb\"")");
}

TEST(Json, WhatTurnsOrHidesIsWrittenAsEscapes) {
  const std::string text = "a\u202e\u009b\x7f\U000e0041\u00e9";
  EXPECT_EQ(dump_json(Json(text)), "\"a\\u202e\\u009b\\u007f\\udb40\\udc41\u00e9\"");
  EXPECT_EQ(parse_json(dump_json(Json(text))).as_string(), text);
  EXPECT_EQ(parse_json(dump_json(Json("\xff\x80"))).as_string(), "\ufffd\ufffd");
}

TEST(Json, IndentationIsStable) {
  const Json value = Json::object({{"a", Json::array({1, 2})}, {"b", Json::object()}, {"c", Json::array()}});
  EXPECT_EQ(dump_json(value, 2), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}");
  EXPECT_EQ(parse_json(dump_json(value, 2)), value);
}

TEST(Json, FindAtAndSet) {
  Json value;
  value.set("a", 1);
  value.set("b", 2);
  value.set("a", 3);
  EXPECT_EQ(dump_json(value), R"({"a":3,"b":2})");
  EXPECT_EQ(value.find("c"), nullptr);
  EXPECT_EQ(Json(1).find("c"), nullptr);
  EXPECT_TRUE(contains(input_error([&] { value.at("c"); }), "\"c\""));
  Json list;
  list.push_back("x");
  EXPECT_EQ(dump_json(list), R"(["x"])");
}

TEST(Json, AWrongKindIsShownBriefly) {
  EXPECT_EQ(input_error([] { Json("abc").as_int64(); }), "expected a 64-bit integer, found \"abc\"");
  EXPECT_EQ(input_error([] { Json::array({1}).as_string(); }), "expected a string, found an array");
  EXPECT_EQ(input_error([] { Json(std::string(1000, 'x')).as_bool(); }),
            "expected true or false, found a string of 1000 bytes");
  EXPECT_EQ(input_error([] { Json(std::nan("")).as_string(); }),
            "expected a string, found a number that is not finite");
}

TEST(Json, MembersAreHandedOverInTheirOrder) {
  std::string seen;
  parse_json_members(R"({"b": [1, {"x": 2}], "a": "text", "b": null})",
                     [&](std::string&& key, Json&& value) { seen += key + dump_json(value) + ";"; });
  EXPECT_EQ(seen, R"(b[1,{"x":2}];a"text";bnull;)");
  const auto ignore = [](std::string&&, Json&&) {};
  parse_json_members("{}", ignore);
  for (const auto& [text, why] : {std::pair("[1]", "expected an object"),
                                  {"7", "expected an object"},
                                  {R"({"a": 1)", "ends too early"},
                                  {R"({"a": {"x": 1, "x": 2}})", "appears twice"}})
    EXPECT_NE(input_error([&, json = text] { parse_json_members(json, ignore); }).find(why), std::string::npos) << text;
}

TEST(Json, AMemberHasOnlySoManyValues) {
  const auto with = [](std::size_t values) {
    std::string text = "{\"a\": [";
    for (std::size_t i = 1; i < values; ++i) text += i > 1 ? ",0" : "0";
    return text + "], \"b\": 1}";
  };
  const auto ignore = [](std::string&&, Json&&) {};
  parse_json_members(with(kMostMemberValues), ignore);
  EXPECT_NE(input_error([&] { parse_json_members(with(kMostMemberValues + 1), ignore); }).find("in one member"),
            std::string::npos);
}

}  // namespace
}  // namespace quern
