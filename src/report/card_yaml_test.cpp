// The head of a card, whatever an original's card says.
#include "report/card_yaml.h"

#include <gtest/gtest.h>

#include "text/front_matter.h"

namespace quern {
namespace {

Report report_in(const char* format) {
  Report report;
  report.ladder.push_back({});
  report.ladder.back().plan.format = format;
  return report;
}

TEST(CardYaml, KeepsLicenceAndLanguageAndNamesTheOriginal) {
  const Json original = front_matter(
      "---\nlicense: other\nlicense_name: \"say: please\"\nlanguage:\n- en\n- 'no'\ntags:\n- chat\n- gguf\n"
      "base_model: acme/base\n---\n");
  EXPECT_EQ(card_yaml({original, "acme/tiny-chat", "acme/begun-with"}, report_in("gguf")),
            "---\nlicense: \"other\"\nlicense_name: \"say: please\"\nlanguage:\n- \"en\"\n- \"no\"\n"
            "pipeline_tag: \"text-generation\"\nbase_model: \"acme/tiny-chat\"\nbase_model_relation: quantized\n"
            "library_name: gguf\ntags:\n- \"quern\"\n- \"gguf\"\n- \"chat\"\n---\n\n");
}

TEST(CardYaml, WithoutAnIdOfItsOwnTheOriginalsBaseIsNamed) {
  const Json original = front_matter("---\nbase_model: acme/base\n---\n");
  const std::string text = card_yaml({original, "", "acme/begun-with"}, report_in("safetensors"));
  EXPECT_NE(text.find("base_model: \"acme/base\"\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("relation"), std::string::npos) << "what was quantized is a model trained from it";
  EXPECT_NE(
      card_yaml({Json::object(), "", "acme/begun-with"}, report_in("gguf")).find("base_model: \"acme/begun-with\"\n"),
      std::string::npos);
  EXPECT_NE(text.find("library_name: transformers\n"), std::string::npos) << text;
  EXPECT_EQ(card_yaml({Json::object(), "", ""}, report_in("gguf")).find("base_model"), std::string::npos);
}

TEST(CardYaml, NamesTheLibraryThatLoadsIt) {
  Report report = report_in("safetensors");
  const auto with = [&](std::vector<const char*> codecs) {
    std::vector<PlanStep>& steps = report.ladder.back().plan.steps;
    steps.clear();
    for (const char* codec : codecs) steps.push_back({.output = "model.layers.0.mlp.up_proj.weight", .codec = codec});
    return card_yaml({Json::object(), "", ""}, report);
  };
  for (const char* codec : {"bf16", "int8_channel"})
    EXPECT_NE(with({codec}).find("\nlibrary_name: transformers\n"), std::string::npos) << codec;
  for (const char* codec : {"lossless_bf16", "hyper_225", "seedlm_4"})
    EXPECT_NE(with({codec, "bf16"}).find("\nlibrary_name: quern\n"), std::string::npos) << codec;
}

TEST(CardYaml, KeepsTheRelationToAModelThatWasQuantized) {
  Json original = front_matter("---\nbase_model: acme/tiny\nbase_model_relation: quantized\n---\n");
  const char* const both = "base_model: \"acme/tiny\"\nbase_model_relation: quantized\n";
  EXPECT_NE(card_yaml({original, "", ""}, report_in("gguf")).find(both), std::string::npos);
  original.set("base_model_relation", "finetune");
  EXPECT_EQ(card_yaml({original, "", ""}, report_in("gguf")).find("relation"), std::string::npos);
}

TEST(CardYaml, TakesATagThatIsATextAndNoEmptyList) {
  const Json original = Json::object({{"tags", "chat"}, {"language", Json::array()}});
  const std::string text = card_yaml({original, "", ""}, report_in("gguf"));
  EXPECT_NE(text.find("- \"gguf\"\n- \"chat\"\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("language"), std::string::npos) << text;
}

TEST(CardYaml, NothingInATextEndsIt) {
  const Json original = Json::object({{"license", "a\n---\nb: \"c\" # \x01"}});
  const std::string text = card_yaml({original, "", ""}, report_in("gguf"));
  EXPECT_EQ(text.find("\n---\n"), text.rfind("\n---\n")) << text;
  EXPECT_NE(text.find("license: \"a\\n---\\nb: \\\"c\\\" # \\u0001\"\n"), std::string::npos) << text;
}

TEST(CardYaml, EscapesWhatJsonTakesAndYamlDoesNot) {
  const Json original = Json::object(
      {{"license", "a\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xef\xbb\xbf\xef\xbf\xbf\xc3\xa4\xf0\x9f\x98\x80"}});
  const std::string text = card_yaml({original, "", ""}, report_in("gguf"));
  EXPECT_NE(text.find("license: \"a\\u007f\\u0085\\u2028\\u202e\\ufeff\\uffff\xc3\xa4\xf0\x9f\x98\x80\"\n"),
            std::string::npos)
      << text;
}

TEST(CardYaml, NamesAMergedAdapterBesideItsBase) {
  CardFacts facts{Json::object(), "acme/tiny-chat", ""};
  facts.adapter = "acme/style";
  EXPECT_NE(card_yaml(facts, report_in("gguf")).find("base_model:\n- \"acme/tiny-chat\"\n- \"acme/style\"\n"),
            std::string::npos);
  facts.hub_id = "";
  facts.adapter = "style";  // the name of a folder is no id
  facts.adapter_base = "acme/base";
  const std::string text = card_yaml(facts, report_in("gguf"));
  EXPECT_NE(text.find("base_model:\n- \"acme/base\"\nlibrary"), std::string::npos) << text;
  EXPECT_EQ(text.find("base_model_relation"), std::string::npos) << "it was merged, not only quantized";
}

}  // namespace
}  // namespace quern
