// Where templates are found, and that GGUF keeps them under the names of gguf-py 0.17 (GGUFWriter.add_chat_template).
#include "vocabulary/chat_templates.h"

#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"

namespace quern {
namespace {

std::vector<std::string> listed(const std::vector<ChatTemplate>& templates) {
  std::vector<std::string> lines;
  for (const ChatTemplate& row : templates) lines.push_back(row.name + ": " + row.text);
  return lines;
}
using Lines = std::vector<std::string>;

class TemplateFolder : public ScratchFolder {
 public:
  TemplateFolder() {
    std::filesystem::copy(fixture("all_dtypes.safetensors"), path() / "model.safetensors");
    write("config.json", "{}");
  }
  Lines found() const { return listed(chat_templates(open_checkpoint(path()))); }
};

TEST(ChatTemplates, TheFileGoesBeforeTheConfiguration) {
  const TemplateFolder folder;
  EXPECT_EQ(folder.found(), Lines{});
  folder.write("tokenizer_config.json", R"({"chat_template":null})");
  EXPECT_EQ(folder.found(), Lines{});
  folder.write("tokenizer_config.json", R"({"chat_template":"old"})");
  EXPECT_EQ(folder.found(), Lines{"default: old"});
  folder.write("tokenizer_config.json",
               R"({"chat_template":[{"name":"tool use","template":"T"},{"name":"default","template":"D"}]})");
  EXPECT_EQ(folder.found(), (Lines{"tool use: T", "default: D"}));
  folder.write("chat_template.jinja", "{{ new }}");
  EXPECT_EQ(folder.found(), Lines{"default: {{ new }}"});
  std::filesystem::create_directory(folder.path() / "additional_chat_templates");
  folder.write("additional_chat_templates/rag.jinja", "R");
  EXPECT_EQ(folder.found(), (Lines{"default: {{ new }}", "rag: R"}));
}

TEST(ChatTemplates, OtherKindsAreRefusedByName) {
  const TemplateFolder folder;
  for (const char* text :
       {R"({"chat_template":1})", R"({"chat_template":[{"name":"a"}]})", R"({"chat_template":{}})"}) {
    folder.write("tokenizer_config.json", text);
    try {
      folder.found();
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("chat_template"), std::string::npos) << error.what();
    }
  }
}

TEST(ChatTemplates, GgufKeepsEachUnderItsName) {
  CheckpointHead head;
  add_chat_templates(head.metadata, {{"tool use", "T"}, {kDefaultTemplate, "D"}, {"tool-use", "again"}});
  EXPECT_EQ(head.metadata.text("tokenizer.chat_template"), "D");
  EXPECT_EQ(head.metadata.text("tokenizer.chat_template.tool_use"), "T");
  EXPECT_EQ(*head.metadata.array<std::string>("tokenizer.chat_templates"), std::vector<std::string>{"tool_use"});
  const ScratchFolder scratch;
  find_format("gguf").create(scratch.path(), head)->finish();
  EXPECT_EQ(listed(chat_templates(open_checkpoint(scratch.path()))), (Lines{"default: D", "tool_use: T"}));
}

TEST(ChatTemplates, TheConfigurationHoldsATextOrAList) {
  EXPECT_TRUE(chat_template_json({}).is_null());
  EXPECT_EQ(chat_template_json({{kDefaultTemplate, "D"}}), Json("D"));
  EXPECT_EQ(dump_json(chat_template_json({{kDefaultTemplate, "D"}, {"rag", "R"}})),
            R"([{"name":"default","template":"D"},{"name":"rag","template":"R"}])");
}

}  // namespace
}  // namespace quern
