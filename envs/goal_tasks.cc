#include "envs/goal_tasks.h"

#include "envs/button.h"
#include "envs/drawer.h"
#include "envs/pick_place.h"
#include "envs/pose.h"
#include "envs/push.h"
#include "envs/reach.h"
#include "envs/sweep.h"

namespace v2r {

void AddGoalTasks(TaskList& tasks) {
  const auto add = [&](const char* name, const char* doc, auto make) {
    tasks.Add<NoTaskOptions>(name, doc, [make](const NoTaskOptions&) { return make(); });
  };
  add("v2r/reach", "planar two-link arm, fixed disc: bring the tip to the disc",
      [] { return MakeReach(false); });
  add("v2r/reach_goal",
      "planar two-link arm, goal drawn per episode and shown as a picture of the arm posed there",
      [] { return MakeReach(true); });
  add("v2r/push", "push a puck onto a fixed disc, puck starts in a 12 x 5 cm box",
      [] { return MakePush(false); });
  add("v2r/push_wide", "push a puck onto a fixed disc, puck starts anywhere",
      [] { return MakePush(true); });
  add("v2r/drawer", "hook a peg in behind the handle of a drawer and pull it open", MakeDrawer);
  add("v2r/button", "press a button against its spring and hold it", MakeButton);
  add("v2r/pick_place", "lift a cube with a suction cup onto a pillar and let go", MakePickPlace);
  add("v2r/pose", "bring a flat figure of eight joints into a fixed posture", MakePose);
  add("v2r/sweep_stick", "sweep three pucks into a zone with a long stick: one go",
      [] { return MakeSweep(SweepTool::kStick); });
  add("v2r/sweep_paddle", "sweep three pucks into a zone with a paddle: two goes",
      [] { return MakeSweep(SweepTool::kPaddle); });
  add("v2r/sweep_fork", "sweep three pucks into a zone with a fork: three goes",
      [] { return MakeSweep(SweepTool::kFork); });
}

}  // namespace v2r
