// Gymnasium's MuJoCo environments, version 5, as gym/NAME.
#pragma once

namespace v2r {

struct TaskList;

void AddGymTasks(TaskList& tasks);

}  // namespace v2r
