// Reading: what Python's pickle module wrote in every protocol, and every way a pickle can be wrong or meant ill.
#include "archive/pickle.h"

#include <gtest/gtest.h>

#include "base/fail.h"
#include "base/json.h"
#include "checkpoint/scratch_folder_fixture.h"

namespace quern {
namespace {

using Kind = PickleNode::Kind;
using namespace std::string_view_literals;

ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string refusal_of(std::string_view text) {
  try {
    return read_pickle(bytes_of(text)) ? "" : "goes on";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput) << error.what();
    return error.what();
  }
}

// As repr() of Python would show it, but for classes.
std::string shown(const Pickle& pickle, const PickleNode& node) {
  const auto items = [&](const char* open, const char* close) {
    std::string text = open;
    for (std::size_t i = 0; i < node.items.size(); ++i)
      text += (i ? node.kind == Kind::kDict && i % 2 ? ": " : ", " : "") + shown(pickle, pickle[node.items[i]]);
    return text + close;
  };
  switch (node.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return node.integer ? "True" : "False";
    case Kind::kInteger:
      return std::to_string(node.integer);
    case Kind::kBigInteger:
      return fmt::format("big({})", node.text.size());
    case Kind::kFloat:
      return fmt::format("{}", node.number);
    case Kind::kText:
      return fmt::format("'{}'", node.text);
    case Kind::kBytes:
      return fmt::format("bytes({})", node.text.size());
    case Kind::kTuple:
      return items("(", ")");
    case Kind::kList:
      return items("[", "]");
    case Kind::kSet:
      return items("{", "}");
    case Kind::kDict:
      return items("{", "}");
    case Kind::kName:
      return std::string(node.text);
    case Kind::kObject:
      return items("<", ">") + (node.state ? shown(pickle, pickle[node.state]) : "");
    case Kind::kPersistent:
      return items("id(", ")");
  }
  return "?";
}

std::string read_and_show(std::string_view text) {
  const auto pickle = read_pickle(bytes_of(text));
  return pickle ? shown(*pickle, pickle->root()) : "goes on";
}

TEST(Pickle, ReadsEveryProtocol) {
  // {"none": None, "bools": [True, False], "ints": (0, 255, 256, 65536, -1, 2**40, 2**70), "float": 1.5, "text":
  // "caf\u00e9",
  //  "bytes": b"\xff\x00", "set": {7}, "nested": ({"a": []}, (), (1,), (1, 2)), "ordered": OrderedDict(x=1), "object":
  //  Namespace(a=1), "shared": [l, l] with l = ["once"]}
  const Json pickles = parse_json(read_text(fixture("pickles.json")));
  EXPECT_EQ(pickles.as_object().size(), 6u);
  for (const auto& [protocol, text] : pickles.as_object()) {
    SCOPED_TRACE(protocol);
    std::string bytes;
    const std::string& hex = text.as_string();
    for (std::size_t i = 0; i < hex.size(); i += 2)
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    const auto pickle = read_pickle(bytes_of(bytes));
    ASSERT_TRUE(pickle);
    EXPECT_EQ(pickle->bytes(), bytes.size());
    const auto value = [&](const char* key) {
      const PickleNode* node = pickle->find(pickle->root(), key);
      return node ? shown(*pickle, *node) : "absent";
    };
    EXPECT_EQ(value("none"), "None");
    EXPECT_EQ(value("bools"), "[True, False]");
    EXPECT_EQ(value("ints"),
              "(0, 255, 256, 65536, -1, 1099511627776, " + std::string(protocol < "2" ? "big(22))" : "big(9))"));
    EXPECT_EQ(value("float"), "1.5");
    EXPECT_EQ(value("text"), "'caf\xc3\xa9 \xe2\x82\xac'");
    EXPECT_EQ(value("set"), "{7}");
    EXPECT_EQ(value("nested"), "({'a': []}, (), (1), (1, 2))");
    EXPECT_EQ(value("ordered"), "{'x': 1}");
    EXPECT_NE(value("object").find("argparse.Namespace"), std::string::npos) << value("object");
    EXPECT_NE(value("object").find("{'a': 1}"), std::string::npos) << value("object");
    EXPECT_EQ(value("shared"), "[['once'], ['once']]");
    const PickleNode& shared = *pickle->find(pickle->root(), "shared");
    EXPECT_EQ(shared.items[0], shared.items[1]);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(refusal_of(std::string_view(bytes).substr(0, size)), "goes on") << size;
  }
}

TEST(Pickle, NothingIsCalled) {
  EXPECT_EQ(read_and_show("cos\nsystem\n(S'touch called'\ntR."), "<os.system, ('touch called')>");
  EXPECT_EQ(read_and_show("(S'touch called'\nios\nsystem\n."), "<os.system, ('touch called')>");
  EXPECT_EQ(read_and_show("(cos\nsystem\nS'touch called'\no."), "<os.system, ('touch called')>");
  EXPECT_EQ(read_and_show("\x80\x04\x8c\x02os\x8c\x06system\x93)\x81."sv), "<os.system, ()>");
  EXPECT_EQ(read_and_show("\x80\x04\x8c\x02os\x8c\x06system\x93)}\x92."sv), "<os.system, (), {}>");
  EXPECT_EQ(read_and_show("cbuiltins\ngetattr\n(cos\npath\nS'join'\ntR(tR."),
            "<<builtins.getattr, (os.path, 'join')>, ()>");
  EXPECT_EQ(read_and_show("cbuiltins\neval\n)R}S'a'\nK\1sb."), "<builtins.eval, ()>{'a': 1}");
  EXPECT_EQ(read_and_show("\x82\x07."), "extension.7");
  EXPECT_EQ(read_and_show("Pname\n."), "id('name')");
}

TEST(Pickle, ContainersThatAreCallsAreContainers) {
  EXPECT_EQ(read_and_show("ccollections\nOrderedDict\n)R."), "{}");
  EXPECT_EQ(read_and_show("ccollections\nOrderedDict\n((lp0\n(lp1\nS'a'\naK\1aatR."), "{'a': 1}");
  EXPECT_EQ(read_and_show("ccollections\ndefaultdict\n(cbuiltins\nlist\ntRS'a'\nK\1s."), "{'a': 1}");
  EXPECT_EQ(read_and_show("cbuiltins\nset\n((lK\1aK\2atR."), "{1, 2}");
  EXPECT_EQ(read_and_show("ccollections\nOrderedDict\n(K\1tR."), "<collections.OrderedDict, (1)>");
}

TEST(Pickle, APickleMayContainItself) {
  const auto pickle = read_pickle(bytes_of("]q\0h\0a."sv));
  ASSERT_TRUE(pickle);
  EXPECT_EQ(&(*pickle)[pickle->root().items.at(0)], &pickle->root());
}

TEST(Pickle, EveryRuleThatIsBrokenIsNamed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"\xff"sv, "no operation has this code"},
      {"."sv, "empty stack"},
      {"(."sv, "empty stack"},
      {"K\1(0a."sv, "empty stack"},
      {"t."sv, "mark that was not set"},
      {"K\1K\2a."sv, "something else than a container"},
      {"}(K\1u."sv, "no value"},
      {"h\0."sv, "place 0 of the memo is empty"},
      {"Nr\xff\xff\xff\xff."sv, "place 4294967295 of the memo"},
      {"Np18446744073709551616\n."sv, "no number that fits"},
      {"\x80\x06."sv, "protocol 6"},
      {"X\1\0\0\0\xff."sv, "not UTF-8"},
      {"V\\uD800\n."sv, "not UTF-8"},
      {"V\\u12\n."sv, "no escape"},
      {"V\\U7fffffff\n."sv, "not UTF-8"},
      {"Fx\n."sv, "no number"},
      {"I1x\n."sv, "no integer"},
      {"Sx\n."sv, "no quotes"},
      {"\x8b\xff\xff\xff\xff."sv, "-1 bytes"},
      {"K\1K\2\x93."sv, "two texts"},
      {"(o."sv, "no class"},
      {"B\xff\xff\xff\xff."sv, "goes on"},
      {"\x8e\xff\xff\xff\xff\xff\xff\xff\xff."sv, "goes on"},
  };
  for (const auto& [text, message] : cases) {
    const std::string said = refusal_of(text);
    EXPECT_NE(said.find(message), std::string::npos) << said << "\nlacks: " << message;
  }
}

// A megabyte of an operation, and the end.
std::string many(char operation) {
  std::string text(1 << 20, operation);
  text.push_back('.');
  return text;
}

TEST(Pickle, MemoryIsBounded) {
  EXPECT_NE(refusal_of(many('(')), "");  // marks
  EXPECT_NE(refusal_of(many(']')).find("bytes of memory"), std::string::npos);
  EXPECT_NE(refusal_of(many('}')).find("bytes of memory"), std::string::npos);
  std::string lists = "]q";  // each list holds the one before it twice
  lists += '\0';
  for (int i = 0; i < 100; ++i) lists += "](" + std::string("h\0h\0eq\0", 7);
  EXPECT_EQ(refusal_of(lists + "."), "");
  std::string copies = "(" + std::string(1000, 'N') + "lq";  // each tuple is a copy
  copies += '\0';
  copies += "cbuiltins\ntuple\nq\1";
  for (int i = 0; i < 5000; ++i) copies += std::string("0h\1(h\0tR", 8);
  EXPECT_NE(refusal_of(copies + ".").find("bytes of memory"), std::string::npos);
}

}  // namespace
}  // namespace quern
