// Every key of env.* changes something that a step shows.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/envs/drive.h"

namespace v2r {
namespace {

// What else has to be set, `KEY: VALUE` each, and another value of the key.
struct Other {
  std::string value;
  std::vector<std::string> with = {};
};

const std::string kFree = "view.type: free";
const std::map<std::string, Other> kOthers = {
    {"id", {"v2r/reach"}},
    {"num_envs", {"3"}},
    {"render", {"false"}},
    {"frame_size", {"48"}},
    {"samples", {"4"}},
    {"supersample", {"2"}},
    {"detail_size", {"224"}},
    {"camera", {"beside"}},
    {"view.type", {"free"}},
    {"view.distance", {"0.7", {kFree}}},
    {"view.azimuth", {"20", {kFree}}},
    {"view.elevation", {"-70", {kFree}}},
    {"view.lookat", {"[0.1, 0, 0]", {kFree}}},
    {"view.track_body", {"upper", {"view.type: track", "view.track_body: disc"}}},
    {"cameras", {"[beside]"}},
    {"views", {"{side: {type: free, azimuth: 20}}"}},
    {"modalities", {"[segmentation]"}},
    {"render_every", {"2"}},
    {"shadow", {"true"}},
    {"reflection", {"true", {"id: mirror"}}},
    {"autoreset", {"disabled"}},
    {"max_episode_steps", {"3"}},
    {"action_repeat", {"2"}},
    {"clip_action", {"false", {"id: gym/HalfCheetah-v5"}}},
    {"rescale_action", {"true", {"id: gym/Pusher-v5"}}},
    {"frame_stack", {"2"}}};

// Numbers do not depend on these (conformance_test, picture_test, worker_test); the tasks' own keys
// and the distractors have tests of their own.
bool IsElsewhere(const std::string& key) {
  for (const char* start :
       {"task", "distractors", "env_threads", "render_threads", "processes", "worker"}) {
    if (key.starts_with(start)) return true;
  }
  return false;
}

void Set(ConfigNode& node, const std::string& key, const std::string& value) {
  node.SetPath(key, *ParseYaml("value: " + value, "test").Find("value"));
}

std::vector<Seen> Print(ConfigNode node) {
  const bool mirror = node.Find("id")->text() == "mirror";
  if (mirror) Set(node, "id", "mjcf");
  EnvOptions options;
  Bind(node, options, "env");
  if (options.id == "mjcf") {
    options.task = mirror
                       ? ParseYaml("{model: " + MirrorModel().string() + ", frame_skip: 1}", "test")
                       : UserTask("frame_skip: 4\nkeyframe: straight");
  }
  const auto env = MakeVectorEnv(options);
  std::vector<Seen> seen = {Look(env->Reset(1))};
  Rng rng(2);
  std::vector<float> actions(env->Spec().num_envs * env->Spec().act_dim);
  for (int t = 0; t < 6; ++t) {  // the same actions whatever the bounds are
    for (float& a : actions) a = static_cast<float>(rng.Uniform(-1.5, 1.5));
    seen.push_back(Look(env->Step(actions)));
  }
  return seen;
}

TEST(EnvOptions, EveryKeyChangesSomething) {
  ConfigNode plain = ParseYaml(
      "{id: mjcf, num_envs: 2, env_threads: 1, render_threads: 1, frame_size: 32, "
      "max_episode_steps: 4}",
      "test");
  const auto steady = Print(plain);
  ASSERT_TRUE(steady == Print(plain)) << "the comparison itself is not steady";
  for (const FieldDoc& field : Describe(EnvOptions())) {
    if (IsElsewhere(field.path)) continue;
    ASSERT_TRUE(kOthers.contains(field.path)) << field.path << " has no test";
    const Other& other = kOthers.at(field.path);
    ConfigNode base = plain;
    for (const std::string& word : other.with) {
      const size_t colon = word.find(": ");
      Set(base, word.substr(0, colon), word.substr(colon + 2));
    }
    ConfigNode changed = base;
    Set(changed, field.path, other.value);
    EXPECT_FALSE((other.with.empty() ? steady : Print(base)) == Print(changed))
        << field.path << " changes nothing";
  }
}

}  // namespace
}  // namespace v2r
