// What is in the pictures and means nothing for the task.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "core/error.h"
#include "core/options.h"

namespace v2r {

struct DistractorOptions {
  int64_t moving = 0;
  std::string light = "none";
  std::string background = "none";
  double camera_jitter = 0;

  bool Any() const {
    return moving > 0 || light != "none" || background != "none" || camera_jitter > 0;
  }

  template <typename V>
  void Fields(V& v) {
    v("moving", moving, "discs that wander over the floor; size and colour of those after the first are drawn per episode",
      InRange(0, 4));
    v("light", light, "swing: the floor's brightness swings; per_episode: brightness, tint and direction of the light are drawn "
      "per episode",
      OneOf({"none", "swing", "per_episode"}));
    v("background", background, "per_episode: the floor's colour is drawn per episode; noise: patches of such colours too",
      OneOf({"none", "per_episode", "noise"}));
    v("camera_jitter", camera_jitter, "the camera is moved by up to this part of the picture's height and turned by up to as many "
      "radians, drawn per episode",
      InRange(0, 0.2));
  }
};

// What `distractors: true` has always meant.
inline DistractorOptions ClassicDistractors() {
  DistractorOptions options;
  options.moving = 1;
  options.light = "swing";
  return options;
}

// The group, or one word in its place: true = ClassicDistractors, false = none. So configs and run
// directories from before there was a group can be read. UserError: another word.
template <typename V>
void VisitDistractors(V& v, DistractorOptions& options) {
  if constexpr (std::is_same_v<V, internal::Binder>) {
    const ConfigNode* word = v.node.is_map() ? v.node.Find("distractors") : nullptr;
    if (word != nullptr && word->is_scalar()) {
      bool on = false;
      try {
        v("distractors", on, "");
      } catch (const UserError& error) {
        ThrowUser("{} (or a group of keys: env.distractors.moving=3)", error.what());
      }
      options = on ? ClassicDistractors() : DistractorOptions();
      return;
    }
  }
  v("distractors", options, "what moves and changes in the pictures and means nothing; true = {moving: 1, light: swing}");
}

}  // namespace v2r
