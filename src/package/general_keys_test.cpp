// What model a GGUF file says it is, against gguf-py.
#include "package/general_keys.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "text/front_matter.h"

namespace quern {
namespace {

MetaValue value_of(const Json& key) {
  const std::string& type = key.at("type").as_string();
  const Json& value = key.at("value");
  if (type == "UINT32") return static_cast<std::uint32_t>(value.as_uint64());
  if (type == "INT32") return static_cast<std::int32_t>(value.as_int64());
  if (type == "FLOAT32") return static_cast<float>(value.as_double());
  if (type == "STRING") return value.as_string();
  std::vector<std::string> texts;
  for (const Json& text : value.as_array()) texts.push_back(text.as_string());
  return MetaArray{texts};
}

TEST(GeneralKeys, AreThoseOfTheConverter) {
  const Json cases = parse_json(read_text(QUERN_TESTDATA "/package/general_keys.json"));
  ASSERT_EQ(cases.as_array().size(), 15u);
  for (const Json& c : cases.as_array()) {
    const Json::Array& counts = c.at("counts").as_array();
    const Metadata ours = general_keys(
        {.card = front_matter(c.at("card").as_string()),
         .config = c.at("config"),
         .generation = c.at("generation"),
         .hub_id = c.at("hub_id").as_string(),
         .parameters = {counts[0].as_uint64(), counts[1].as_uint64(), counts[2].as_uint64(), counts[3].as_uint64()}});
    const std::string id = c.at("hub_id").as_string() + dump_json(c.at("config"));
    for (const auto& [key, theirs] : c.at("keys").as_object()) {
      ASSERT_NE(ours.find(key), nullptr) << id << " " << key;
      EXPECT_EQ(*ours.find(key), value_of(theirs)) << id << " " << key << " " << dump_json(theirs);
    }
    for (const auto& [key, value] : ours.pairs())
      EXPECT_TRUE(key == "general.type" || c.at("keys").find(key)) << id << " has " << key;
  }
}

TEST(GeneralKeys, OfTheHubsCacheGoBeforeTheConfiguration) {
  const Metadata keys = general_keys(
      {.config = Json::object({{"_name_or_path", "acme/base"}}), .hub_id = "acme/tuned-3M", .parameters = {}});
  EXPECT_EQ(keys.text("general.name"), "Tuned 3M");
  EXPECT_EQ(keys.text("general.size_label"), "3M");
}

// As the converter: of a folder, where neither a card nor an id names the model.
TEST(GeneralKeys, OfAFolderAreItsName) {
  GeneralFacts facts{.config = Json::object({{"_name_or_path", "/srv/secret/models/x"}}), .folder = "story-7M-chat"};
  Metadata keys = general_keys(facts);
  EXPECT_EQ(keys.text("general.name"), "Story 7M Chat");
  EXPECT_EQ(keys.text("general.finetune"), "chat");
  facts.config = Json::object({{"_name_or_path", "acme/base"}});
  EXPECT_EQ(general_keys(facts).text("general.name"), "Base");
  for (const char* path :
       {"/models", "C:\\Users\\me\\x", "./out/checkpoint-3", "out/checkpoint-3", "checkpoint-3", "~/x"}) {
    facts.config = Json::object({{"_name_or_path", path}});
    EXPECT_EQ(general_keys(facts).text("general.name"), "Story 7M Chat") << path;
  }
}

}  // namespace
}  // namespace quern
