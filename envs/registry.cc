#include <map>

#include "envs/dmc/tasks.h"
#include "envs/env.h"
#include "envs/make.h"
#include "envs/mujoco_vector_env.h"
#include "envs/push.h"
#include "envs/reach.h"
#include "envs/remote/remote_vector_env.h"
#include "envs/tasks.h"

namespace v2r {
namespace {

const TaskList& Tasks() {
  static const TaskList tasks = [] {
    TaskList t;
    t.Add<NoTaskOptions>("v2r/reach", "planar two-link arm, fixed disc: bring the tip to the disc",
                         [](const auto&) { return MakeReach(false); });
    t.Add<NoTaskOptions>(
        "v2r/reach_goal",
        "planar two-link arm, goal drawn per episode and shown as a picture of the arm posed there",
        [](const auto&) { return MakeReach(true); });
    t.Add<NoTaskOptions>("v2r/push",
                         "push a puck onto a fixed disc, puck starts in a 12 x 5 cm box",
                         [](const auto&) { return MakePush(false); });
    t.Add<NoTaskOptions>("v2r/push_wide", "push a puck onto a fixed disc, puck starts anywhere",
                         [](const auto&) { return MakePush(true); });
    AddDmcTasks(t);
    return t;
  }();
  return tasks;
}

}  // namespace

const EnvFactories& EnvRegistry() { return Tasks().factories; }

std::vector<std::string> EnvNames() { return EnvRegistry().Names(); }

std::string EnvDoc(const std::string& id) { return EnvRegistry().Doc(id); }

std::vector<FieldDoc> EnvTaskFields(const std::string& id) {
  EnvDoc(id);  // says the nearest name where there is no such task
  return Tasks().fields.at(id)();
}

std::unique_ptr<VectorEnv> MakeVectorEnv(const EnvOptions& options) {
  if (options.processes > 0 || !options.workers.empty()) {
    return std::make_unique<RemoteVectorEnv>(options);
  }
  return std::make_unique<MujocoVectorEnv>(
      options, [&] { return EnvRegistry().Make(options.id, options.task); });
}

}  // namespace v2r
