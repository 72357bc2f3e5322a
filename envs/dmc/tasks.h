// dm_control's suite as environments dmc/DOMAIN_TASK.
#pragma once

namespace v2r {

struct TaskList;

void AddDmcTasks(TaskList& tasks);

}  // namespace v2r
