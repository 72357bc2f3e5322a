#include "envs/env.h"
#include "envs/make.h"
#include "envs/mujoco_vector_env.h"
#include "envs/push.h"
#include "envs/reach.h"

namespace v2r {

const Registry<Env>& EnvRegistry() {
  static const Registry<Env> registry = [] {
    Registry<Env> r("environment");
    r.Add("v2r/reach", "planar two-link arm, fixed disc: bring the tip to the disc",
          [] { return MakeReach(false); });
    r.Add(
        "v2r/reach_goal",
        "planar two-link arm, goal drawn per episode and shown as a picture of the arm posed there",
        [] { return MakeReach(true); });
    r.Add("v2r/push", "push a puck onto a fixed disc, puck starts in a 12 x 5 cm box",
          [] { return MakePush(false); });
    r.Add("v2r/push_wide", "push a puck onto a fixed disc, puck starts anywhere",
          [] { return MakePush(true); });
    return r;
  }();
  return registry;
}

std::vector<std::string> EnvNames() { return EnvRegistry().Names(); }

std::string EnvDoc(const std::string& id) { return EnvRegistry().Doc(id); }

std::unique_ptr<VectorEnv> MakeVectorEnv(const EnvOptions& options) {
  return std::make_unique<MujocoVectorEnv>(options, [&] { return EnvRegistry().Make(options.id); });
}

}  // namespace v2r
