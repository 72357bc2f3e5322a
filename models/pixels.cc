#include "models/pixels.h"

#include <memory>

#include "core/error.h"
#include "models/plan.h"

namespace v2r {

PixelsImpl::PixelsImpl(const EncoderSpec& spec) : EncoderNetImpl(spec) {
  if (spec.embedding_dim != 0) {
    ThrowUser("encoder.embedding_dim is {}: arch pixels has no last layer, set embedding_dim=0",
              spec.embedding_dim);
  }
}

torch::Tensor PixelsImpl::forward(torch::Tensor x) {
  return x.contiguous(torch::MemoryFormat::Contiguous).flatten(1);
}

int64_t PixelsImpl::output_dim() const {
  return 3 * spec_.frame_stack * spec_.input_size * spec_.input_size;
}

void PixelsImpl::Trace(InferencePlan& plan) const { plan.Finish(plan.Flatten(plan.input())); }

EncoderNet MakePixels(const EncoderSpec& spec) { return std::make_shared<PixelsImpl>(spec); }

}  // namespace v2r
