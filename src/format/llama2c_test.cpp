// llama2.c's checkpoints against the same weights under transformers' names, both by tools/make_llama2c_fixtures.py.
#include "format/llama2c.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/bytes.h"
#include "base/file.h"
#include "checkpoint/scratch_folder_fixture.h"
#include "format/formats.h"
#include "fuzz/memory_file.h"
#include "quern/error.h"
#include "tests/shared_folder.h"

namespace quern {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const char* name) {
  const File file(fixture(std::string("llama2c/") + name));
  Bytes bytes(file.size());
  file.read(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

Checkpoint open_bytes(const Bytes& bytes) {
  const MemoryFile memory(bytes.data(), bytes.size());
  return kLlama2c.open(memory.path());
}

std::string complaint(const Bytes& bytes) {
  try {
    open_bytes(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    return error.what();
  }
  return "none";
}

void expect_same_tensors(const char* name, const char* reference) {
  const Checkpoint found = open_checkpoint(fixture(std::string("llama2c/") + name));
  const Checkpoint expected = open_checkpoint(fixture(std::string("llama2c/") + reference));
  EXPECT_EQ(found.format(), "llama2c");
  ASSERT_EQ(found.tensors().size(), expected.tensors().size()) << name;
  for (const TensorEntry& entry : expected.tensors()) {
    EXPECT_EQ(found.at(entry.name).shape, entry.shape) << entry.name;
    EXPECT_EQ(found.at(entry.name).encoding, "f32") << entry.name;
    EXPECT_EQ(read_as<float>(found, entry.name), read_as<float>(expected, entry.name)) << name << " " << entry.name;
  }
}

TEST(Llama2c, EveryVersionHasTheWeightsOfTransformers) {
  expect_same_tensors("v0.bin", "tied.safetensors");
  expect_same_tensors("v0-head.bin", "head.safetensors");
  expect_same_tensors("v1.bin", "head.safetensors");
  expect_same_tensors("v1-tied.bin", "tied.safetensors");
  expect_same_tensors("v2.bin", "v2.safetensors");
}

TEST(Llama2c, AnyStretchOfAPackedTensorIsRead) {
  const Checkpoint checkpoint = open_checkpoint(fixture("llama2c/v2.bin"));
  for (const char* name : {"model.layers.1.self_attn.q_proj.weight", "model.layers.0.mlp.down_proj.weight"}) {
    const TensorEntry& entry = checkpoint.at(name);
    std::vector<std::byte> whole(entry.parts[0].bytes);
    checkpoint.read(entry, 0, 0, whole);
    for (std::size_t from = 0; from < 70; ++from) {
      std::vector<std::byte> some(std::min<std::size_t>(whole.size() - from, 61));
      checkpoint.read(entry, 0, from, some);
      EXPECT_TRUE(std::ranges::equal(some, std::span(whole).subspan(from, some.size()))) << name << " " << from;
    }
  }
}

TEST(Llama2c, TheHeaderIsTheConfiguration) {
  const Json config = open_checkpoint(fixture("llama2c/v1.bin")).config();
  EXPECT_EQ(config.at("hidden_size"), Json(16));
  EXPECT_EQ(config.at("intermediate_size"), Json(24));
  EXPECT_EQ(config.at("num_hidden_layers"), Json(2));
  EXPECT_EQ(config.at("num_attention_heads"), Json(4));
  EXPECT_EQ(config.at("num_key_value_heads"), Json(2));
  EXPECT_EQ(config.at("vocab_size"), Json(32));
  EXPECT_EQ(config.at("max_position_embeddings"), Json(20));
  EXPECT_EQ(config.at("tie_word_embeddings"), Json(false));
  EXPECT_EQ(config.at("rms_norm_eps"), Json(1e-5));
  EXPECT_EQ(open_checkpoint(fixture("llama2c/v0.bin")).config().at("tie_word_embeddings"), Json(true));
}

TEST(Llama2c, OnlyTheSizeTellsTheFirstVersion) {
  Bytes bytes = bytes_of("v0.bin");
  EXPECT_TRUE(kLlama2c.probe(fixture("llama2c/v0.bin")));
  bytes.push_back(0);
  const MemoryFile longer(bytes.data(), bytes.size());
  EXPECT_FALSE(kLlama2c.probe(longer.path()));
  EXPECT_FALSE(kLlama2c.probe(fixture("llama2c/head.safetensors")));
}

TEST(Llama2c, WhatIsDamagedIsRefused) {
  for (const char* name : {"v0.bin", "v1.bin", "v2.bin"}) {
    const Bytes whole = bytes_of(name);
    for (std::size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 211)
      EXPECT_NE(complaint(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))), "none") << size;
  }
  const auto changed = [](const char* name, std::size_t at, std::int32_t value) {
    Bytes bytes = bytes_of(name);
    std::memcpy(&bytes[at], &value, sizeof value);
    return complaint(bytes);
  };
  EXPECT_NE(changed("v1.bin", 4, 3).find("of version 3; 0, 1 and 2 are read"), std::string::npos);
  EXPECT_NE(changed("v1.bin", 8, 0).find("dim is 0"), std::string::npos);
  EXPECT_NE(changed("v1.bin", 16, -1).find("n_layers is -1"), std::string::npos);
  EXPECT_NE(changed("v1.bin", 20, 5).find("does not divide into 5 heads"), std::string::npos);
  EXPECT_NE(changed("v1.bin", 24, 3).find("heads of 3 for keys"), std::string::npos);
  EXPECT_NE(changed("v1.bin", 28, INT32_MAX).find("do not end where the file does"), std::string::npos);
  EXPECT_NE(changed("v1.bin", 16, 3).find("cut short or damaged"), std::string::npos);
  EXPECT_NE(changed("v2.bin", 37, 0).find("groups of 0"), std::string::npos);
  EXPECT_NE(changed("v2.bin", 37, 7), "none");
}

TEST(Llama2c, ReadsStories260K) {
  QUERN_NEEDS_SHARED("real");
  const Checkpoint checkpoint = open_checkpoint(shared_folder() / "real/stories260K/stories260K.bin");
  std::uint64_t count = 0;
  for (const TensorEntry& entry : checkpoint.tensors()) count += element_count(entry.shape);
  EXPECT_EQ(count, 260'032u);
  EXPECT_EQ(checkpoint.config().at("hidden_size"), Json(64));
}

}  // namespace
}  // namespace quern
