#include "envs/dmc/tasks.h"

#include "envs/dmc/domains.h"
#include "envs/tasks.h"

namespace v2r {
namespace {

template <typename Make>
void Add(TaskList& tasks, const char* task, const char* doc, Make make) {
  tasks.Add<NoTaskOptions>(std::string("dmc/") + task, doc,
                           [make](const NoTaskOptions&) { return make(); });
}

}  // namespace

void AddDmcTasks(TaskList& t) {
  using namespace dmc;  // NOLINT: the factories of the domains
  Add(t, "reacher_easy", "two-link arm: bring the tip to a target drawn per episode, radius 5 cm",
      [] { return MakeReacher(false); });
  Add(t, "reacher_hard", "two-link arm: bring the tip to a target drawn per episode, radius 1.5 cm",
      [] { return MakeReacher(true); });
  Add(t, "cartpole_balance", "balance a pole on a cart, smooth reward",
      [] { return MakeCartpole(false, false); });
  Add(t, "cartpole_balance_sparse", "balance a pole on a cart, reward 1 near the middle",
      [] { return MakeCartpole(false, true); });
  Add(t, "cartpole_swingup", "swing up a pole on a cart, smooth reward",
      [] { return MakeCartpole(true, false); });
  Add(t, "cartpole_swingup_sparse", "swing up a pole on a cart, reward 1 near the middle",
      [] { return MakeCartpole(true, true); });
  Add(t, "point_mass_easy", "push a point to the middle of the plane", MakePointMass);
  Add(t, "finger_spin", "keep a body on a hinge spinning with a finger", MakeFingerSpin);
  Add(t, "finger_turn_easy", "turn a body on a hinge to a target drawn per episode, radius 7 cm",
      [] { return MakeFingerTurn(false); });
  Add(t, "finger_turn_hard", "turn a body on a hinge to a target drawn per episode, radius 3 cm",
      [] { return MakeFingerTurn(true); });
  Add(t, "cheetah_run", "planar cheetah: run at 10 m/s", MakeCheetah);
  Add(t, "walker_stand", "planar biped: stand up", [] { return MakeWalker(0); });
  Add(t, "walker_walk", "planar biped: walk at 1 m/s", [] { return MakeWalker(1); });
  Add(t, "walker_run", "planar biped: run at 8 m/s", [] { return MakeWalker(8); });
  Add(t, "hopper_stand", "planar one-legged hopper: stand up", [] { return MakeHopper(false); });
  Add(t, "hopper_hop", "planar one-legged hopper: hop at 2 m/s", [] { return MakeHopper(true); });
  Add(t, "humanoid_stand", "humanoid with 21 joints: stand up", [] { return MakeHumanoid(0); });
  Add(t, "humanoid_walk", "humanoid with 21 joints: walk at 1 m/s", [] { return MakeHumanoid(1); });
  Add(t, "humanoid_run", "humanoid with 21 joints: run at 10 m/s", [] { return MakeHumanoid(10); });
  Add(t, "ball_in_cup_catch", "swing a ball on a string into a cup", MakeBallInCup);
  Add(t, "pendulum_swingup", "swing up a pendulum with a weak motor", MakePendulum);
}

}  // namespace v2r
