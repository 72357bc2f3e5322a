#include "envs/vector_env.h"

#include "core/error.h"

namespace v2r {

BatchView VectorEnv::SetState(int64_t, const StartState&) {
  ThrowUser("{}: cannot start from a given state", Spec().name);
}

}  // namespace v2r
