// A model whose files change while it is compressed.
#include "compress/workspace.h"

#include <fstream>

#include "compress/tiny_package_fixture.h"

namespace quern {
namespace {

namespace fs = std::filesystem;

TEST(Workspace, RefusesAnInputThatChangedBeforeItsHashWasKnown) {
  const ScratchFolder scratch;
  const fs::path model = scratch.path() / "model";
  fs::copy(tiny("tiny-llama-bias"), model, fs::copy_options::recursive);
  CompressOptions options;
  options.input = model;
  options.output = scratch.path() / "out";
  Observer observer;
  {
    const Opened opened(options, observer);
    Workspace same(opened, read_texts(opened));
    EXPECT_NO_THROW(same.know_source());
  }
  const Opened opened(options, observer);
  Workspace changed(opened, read_texts(opened));
  fs::path weights;
  for (const auto& file : fs::directory_iterator(model))
    if (file.path().extension() == ".safetensors") weights = file.path();
  std::fstream(weights, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end).put('x');
  expect_parts(message_of(ErrorCode::kInput, [&] { changed.know_source(); }),
               {"the input has changed while it was compressed", weights.filename().string()});
}

}  // namespace
}  // namespace quern
