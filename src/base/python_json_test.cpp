// What Python's json writes for numbers that are not finite: json.dumps({"a": [0.0, float("inf")], ...}).
#include "base/python_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/fail.h"

namespace quern {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(PythonJson, ReadsAndWritesNumbersThatAreNotFinite) {
  const std::string text = R"({"time_step_limit":[0.0,Infinity],"low":-Infinity,"none":NaN,"name":"NaN, \"Infinity"})";
  const Json json = parse_python_json(text);
  EXPECT_EQ(json.at("time_step_limit").as_array()[1].as_double(), kInfinity);
  EXPECT_EQ(json.at("low").as_double(), -kInfinity);
  EXPECT_TRUE(std::isnan(json.at("none").as_double()));
  EXPECT_EQ(json.at("name").as_string(), "NaN, \"Infinity");
  EXPECT_EQ(dump_python_json(json), text);
  EXPECT_EQ(parse_python_json(" Infinity\n").as_double(), kInfinity);
}

TEST(PythonJson, IsJsonOtherwise) {
  const std::string text = R"({"a":[1,2.5,"x\\"],"b":{}})";
  EXPECT_EQ(parse_python_json(text), parse_json(text));
  EXPECT_EQ(dump_python_json(parse_json(text), 2), dump_json(parse_json(text), 2));
  for (const char* bad : {"-NaN", "+Infinity", "1Infinity", "Infinity1", "NaNs", "[- Infinity]", "{NaN:1}", "nan",
                          "inf", "{\"a\":Infinity", "\"Infinity"})
    EXPECT_THROW(parse_python_json(bad), Error) << bad;
  try {
    parse_python_json(R"({"a": Infinity, ?})");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("at byte 17"), std::string::npos) << error.what();
  }
}

TEST(PythonJson, AStringOfDelIsAString) {
  EXPECT_EQ(parse_python_json("[\"\x7f\"]").as_array()[0].as_string(), "\x7f");
  EXPECT_EQ(parse_python_json(R"(["\u007f"])").as_array()[0].as_string(), "\x7f");
}

}  // namespace
}  // namespace quern
