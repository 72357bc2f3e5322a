#include "envs/metaworld/tasks.h"

#include "envs/metaworld/classes.h"
#include "envs/tasks.h"

namespace v2r {

void AddMetaworldTasks(TaskList& t) {
  using namespace metaworld;  // NOLINT: the classes
  t.Add<SawyerOptions>("metaworld/button-press-topdown", "arm with 7 joints: press a button",
                       MakeButtonPressTopdown);
  t.Add<SawyerOptions>("metaworld/door-close", "arm with 7 joints: close the door of a safe",
                       MakeDoorClose);
  t.Add<SawyerOptions>("metaworld/drawer-open", "arm with 7 joints: pull a drawer open",
                       MakeDrawerOpen);
  t.Add<SawyerOptions>("metaworld/reach",
                       "arm with 7 joints: fingertips to a point drawn per episode", MakeReach);
}

}  // namespace v2r
