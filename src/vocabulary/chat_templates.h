// The templates that turn a conversation into text, in a Hugging Face folder and in GGUF metadata.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace quern {

struct ChatTemplate {
  std::string name;  // kDefaultTemplate, or what it is for: "tool_use"
  std::string text;
};
inline constexpr const char* kDefaultTemplate = "default";

// Of GGUF metadata: tokenizer.chat_template and those that tokenizer.chat_templates names. Of a folder, the first that
// is there: chat_template.jinja, with additional_chat_templates/NAME.jinja; "chat_template" of tokenizer_config.json, a
// text or a list of {"name", "template"}. Empty: none. Error(kInput) when one of them is of another kind.
std::vector<ChatTemplate> chat_templates(const Checkpoint& checkpoint);

// Sets the pairs as llama.cpp's converter does: of a name, what is neither an ASCII letter nor a digit becomes "_".
void add_chat_templates(Metadata& metadata, const std::vector<ChatTemplate>& templates);

// "chat_template" of tokenizer_config.json: the text of the only one, or a list; null: none.
Json chat_template_json(const std::vector<ChatTemplate>& templates);

}  // namespace quern
