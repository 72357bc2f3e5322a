// mjcf: any MJCF file as an environment, described by options alone.
#pragma once

namespace v2r {

struct TaskList;

// Observation: qpos of the chosen joints in the model's order, then their qvel, then the chosen
// sensors, in the model's units. Actions: one an actuator. Reward: -distance between two sites in
// metres, 0 without sites; it never terminates and has no scripted expert. A step ends with
// mj_forward, so that sensors belong to the state after it. A simulation that diverges is a
// UserError of the vector env. docs/mjcf.md walks through it.
void AddMjcfTask(TaskList& tasks);

}  // namespace v2r
