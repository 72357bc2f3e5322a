// Meta-World's environments, version 3, as metaworld/NAME.
#pragma once

namespace v2r {

struct TaskList;

void AddMetaworldTasks(TaskList& tasks);

}  // namespace v2r
