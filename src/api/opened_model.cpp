// quern::Model.
#include "api/opened_model.h"

#include "api/observed_call.h"
#include "api/option_checks.h"

namespace quern {

Model::Model(const std::filesystem::path& path) : Model(ModelSource{path, {}, {}}) {}

Model::Model(const ModelSource& source)
    : opened_(ObservedCall(nullptr).run([&](Observer&) {
        check_given(source.path, "the path of a model", "a folder or a file");
        return std::make_shared<const OpenModel>(open_model(source));
      })) {}

std::string Model::name() const { return opened_->name(); }

std::string Model::architecture() const { return opened_->spec.architecture; }

std::string Model::format() const { return opened_->checkpoint.format(); }

std::uint64_t Model::parameters() const { return opened_->parameters(); }

std::uint64_t Model::file_bytes() const { return opened_->file_bytes(); }

std::uint64_t Model::context() const { return opened_->spec.extent("context"); }

const OpenModel& opened(const Model& model) { return *model.opened_; }

}  // namespace quern
