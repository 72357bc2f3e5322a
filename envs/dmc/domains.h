// The domains of dm_control's suite, one file each. Actions within +-1, 1000 steps, no termination.
// Observations are listed in their order; z is up.
//
// `success` is dm_control's reward of 1 where that is an indicator. Elsewhere the suite has no such
// notion and it means: the state lies within the bounds that the reward asks for (positions,
// heights, speed), whatever the terms on control and small velocity say.
#pragma once

#include <memory>

#include "envs/env.h"

namespace v2r::dmc {

// A two-link arm in the plane; the target's place is drawn per episode, radius .05 or .015 (hard).
// Observation [6]: qpos (2), target - finger (2), qvel (2). Reward: 1 while finger and target
// overlap.
std::unique_ptr<Env> MakeReacher(bool hard);

// A pole on a cart, upright or hanging (swingup) at the start. Observation [5]: cart x, cos and sin
// of the pole's angle, qvel (2). Reward: smooth, or with `sparse` 1 with the cart within 25 cm of
// the middle and the pole's cosine from .995, which is also the success of all four.
std::unique_ptr<Env> MakeCartpole(bool swingup, bool sparse);

// A point in the plane and a target in the middle. Observation [4]: qpos (2), qvel (2). Success:
// within the target.
std::unique_ptr<Env> MakePointMass();

// A finger with two joints turns a body on a hinge. Observation: the finger's angles (2), the
// body's tip from the hinge (2, x and z), velocities of finger and body (3), log(1 + force) of the
// two touch sensors. Spin [9], reward: 1 while the body turns at -15 rad/s or faster. Turn [12]:
// also the target from the hinge (2) and the distance of the tip to the target's surface; reward: 1
// with the tip within the target, whose angle is drawn per episode; radius .07 or .03 (hard).
std::unique_ptr<Env> MakeFingerSpin();
std::unique_ptr<Env> MakeFingerTurn(bool hard);

// Observation [17]: qpos without x (8), qvel (9). Reward: forward speed / (10 m/s), at most 1.
// Success: 10 m/s.
std::unique_ptr<Env> MakeCheetah();

// speed: forward, m/s; 0 = stand. Observation [24]: x axis of each body (x and z of 7), height of
// the torso, qvel (9). Success: torso at 1.2 m or higher, and `speed`.
std::unique_ptr<Env> MakeWalker(double speed);

// Observation [15]: qpos without x (6), qvel (7), log(1 + force) of toe and heel. Success: torso .6
// to 2 m above the foot, and with `hop` 2 m/s forward.
std::unique_ptr<Env> MakeHopper(bool hop);

// speed: horizontal, m/s; 0 = stand. Observation [67]: joint angles (21), height of the head, left
// hand, left foot, right hand and right foot in the torso's frame (12), the vertical in the torso's
// frame (3), velocity of the centre of mass (3), qvel (27). Success: head at 1.4 m or higher, torso
// within acos(.9) of upright, and `speed`.
std::unique_ptr<Env> MakeHumanoid(double speed);

// A ball on a string hangs from a cup that moves in a plane. Observation [8]: qpos (4: cup x and z,
// ball x and z), qvel (4). Reward: 1 while the ball is in the cup.
std::unique_ptr<Env> MakeBallInCup();

// A weak motor swings a pole up. Observation [3]: cos and sin of the angle, angular velocity.
// Reward: 1 within 8 degrees of upright.
std::unique_ptr<Env> MakePendulum();

}  // namespace v2r::dmc
