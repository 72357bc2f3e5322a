#include "envs/gym/tasks.h"

#include "envs/gym/classes.h"
#include "envs/tasks.h"

namespace v2r {

void AddGymTasks(TaskList& t) {
  using namespace gym;  // NOLINT: the classes
  t.Add<RunOptions>("gym/HalfCheetah-v5", "planar cheetah: run", MakeHalfCheetah);
}

}  // namespace v2r
