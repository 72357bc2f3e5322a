#include "envs/vector_env.h"

#include "core/error.h"

namespace v2r {

BatchView VectorEnv::SetState(int64_t, const StartState&) {
  ThrowUser("{}: cannot start from a given state", Spec().name);
}

BatchView VectorEnv::Restart(std::span<const uint8_t>) {
  ThrowUser("{}: cannot start episodes of some environments alone", Spec().name);
}

}  // namespace v2r
