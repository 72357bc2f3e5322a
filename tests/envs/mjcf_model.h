// A model of a user for the tests of mjcf: two links, a free disc, sensors, keyframes.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/config.h"

namespace v2r {

inline constexpr const char* kUserModel = R"(<mujoco model="user">
  <option timestep="0.005" integrator="implicitfast"/>
  <worldbody>
    <light pos="0 0 2"/>
    <camera name="above" pos="0 0 1"/>
    <camera name="beside" pos="0 -1 0.2" xyaxes="1 0 0 0 0 1"/>
    <geom name="ground" type="plane" size="1 1 .1" rgba=".8 .8 .8 1"/>
    <site name="target" pos=".2 .1 .02" rgba="1 0 0 1" size=".02"/>
    <body name="upper" pos="0 0 .05">
      <joint name="shoulder" axis="0 0 1" damping=".02"/>
      <geom type="capsule" fromto="0 0 0 .15 0 0" size=".02" rgba=".1 .1 .6 1"/>
      <body pos=".15 0 0">
        <joint name="elbow" axis="0 0 1" damping=".02" limited="true" range="-140 140"/>
        <geom type="capsule" fromto="0 0 0 .15 0 0" size=".02" rgba=".1 .5 .1 1"/>
        <site name="tip" pos=".15 0 0"/>
      </body>
    </body>
    <body name="disc" pos="-.2 0 .03">
      <joint name="loose" type="free"/>
      <geom type="cylinder" size=".04 .02" rgba=".6 .1 .1 1"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="shoulder" gear=".2"/>
    <motor joint="elbow" gear=".2" ctrlrange="-1 3"/>
  </actuator>
  <sensor>
    <framepos name="tip_position" objtype="site" objname="tip"/>
    <jointactuatorfrc name="torque" joint="elbow"/>
  </sensor>
  <keyframe>
    <key name="bent" qpos="0 1.5 -.2 0 .02 1 0 0 0"/>
    <key name="straight" qpos="1 0 -.2 0 .02 1 0 0 0"/>
  </keyframe>
</mujoco>
)";

// A file of its own with `text`, for as long as the process lives; processes of one test program
// running side by side do not meet.
inline std::filesystem::path WriteModel(const std::string& text, const std::string& name = "user") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("v2r_" + name + "_" + std::to_string(getpid()) + ".xml");
  std::ofstream(path) << text;
  return path;
}

// A ball above a plane that can mirror it.
inline std::filesystem::path MirrorModel() {
  return WriteModel(
      "<mujoco><asset><material name='m' reflectance='.8'/></asset><worldbody><light pos='0 0 3'/>"
      "<camera name='c' pos='0 -1 .5' xyaxes='1 0 0 0 .5 1'/>"
      "<geom type='plane' size='1 1 .1' material='m'/><body pos='0 0 .3'><joint name='j'/>"
      "<geom size='.1' rgba='1 0 0 1'/></body></worldbody><actuator><motor joint='j'/></actuator>"
      "</mujoco>",
      "mirror");
}

// env.task of mjcf for the model above, and more keys as YAML.
inline ConfigNode UserTask(const std::string& keys = "frame_skip: 8") {
  static const std::filesystem::path path = WriteModel(kUserModel);
  return ParseYaml("model: " + path.string() + "\n" + keys, "test");
}

}  // namespace v2r
