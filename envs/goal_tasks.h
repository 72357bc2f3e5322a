// The tasks of our own that have a goal: v2r/.
#pragma once

#include "envs/tasks.h"

namespace v2r {

void AddGoalTasks(TaskList& tasks);

}  // namespace v2r
