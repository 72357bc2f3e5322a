#include "envs/gym/tasks.h"

#include "envs/gym/classes.h"
#include "envs/tasks.h"

namespace v2r {

void AddGymTasks(TaskList& t) {
  using namespace gym;  // NOLINT: the classes
  t.Add<AntOptions>("gym/Ant-v5", "four-legged robot: run", MakeAnt);
  t.Add<RunOptions>("gym/HalfCheetah-v5", "planar cheetah: run", MakeHalfCheetah);
  t.Add<HopperOptions>("gym/Hopper-v5", "planar one-legged hopper: hop forward", MakeHopper);
  t.Add<HumanoidOptions>("gym/Humanoid-v5", "humanoid with 17 joints: run", MakeHumanoid);
  t.Add<HumanoidStandupOptions>("gym/HumanoidStandup-v5",
                                "humanoid with 17 joints, lying: stand up", MakeHumanoidStandup);
  t.Add<InvertedDoublePendulumOptions>("gym/InvertedDoublePendulum-v5",
                                       "balance two poles, one on the other, on a cart",
                                       MakeInvertedDoublePendulum);
  t.Add<InvertedPendulumOptions>("gym/InvertedPendulum-v5", "balance a pole on a cart",
                                 MakeInvertedPendulum);
  t.Add<PusherOptions>("gym/Pusher-v5", "arm with 7 joints: push a cylinder onto a disc",
                       MakePusher);
  t.Add<ReacherOptions>("gym/Reacher-v5",
                        "two-link arm: bring the tip to a target drawn per episode", MakeReacher);
  t.Add<RunOptions>("gym/Swimmer-v5", "three links in a viscous fluid: swim", MakeSwimmer,
                    {.frame_skip = 4, .ctrl_cost_weight = 1e-4});
  t.Add<Walker2dOptions>("gym/Walker2d-v5", "planar biped: walk", MakeWalker2d);
}

}  // namespace v2r
