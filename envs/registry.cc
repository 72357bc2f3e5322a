#include <map>

#include "envs/dmc/tasks.h"
#include "envs/env.h"
#include "envs/env_wrappers.h"
#include "envs/goal_tasks.h"
#include "envs/gym/tasks.h"
#include "envs/make.h"
#include "envs/metaworld/tasks.h"
#include "envs/mjcf_task.h"
#include "envs/mujoco_vector_env.h"
#include "envs/remote/remote_vector_env.h"
#include "envs/tasks.h"

namespace v2r {
namespace {

const TaskList& Tasks() {
  static const TaskList tasks = [] {
    TaskList t;
    AddGoalTasks(t);
    AddDmcTasks(t);
    AddGymTasks(t);
    AddMetaworldTasks(t);
    AddMjcfTask(t);
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

EnvOptions MainPictures(EnvOptions options) {
  options.cameras.clear();
  options.views = {};
  options.modalities.clear();
  return options;
}

std::unique_ptr<VectorEnv> MakeVectorEnv(const EnvOptions& options) {
  if (options.processes > 0 || !options.workers.empty()) {
    return std::make_unique<RemoteVectorEnv>(options);
  }
  return std::make_unique<MujocoVectorEnv>(
      options, [&] { return WrapEnv(EnvRegistry().Make(options.id, options.task), options); });
}

}  // namespace v2r
