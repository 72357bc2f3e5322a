// Reference trajectories of environments (tests/golden/env) and how a row of a vector env is held
// against them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/safetensors.h"
#include "envs/physics.h"
#include "tests/envs/drive.h"
#include "tests/golden_files.h"

namespace v2r {

using Row = std::vector<double>;

// One file: what the reference gave for one episode.
struct EpisodeFile {
  explicit EpisodeFile(const std::filesystem::path& path) : file(ReadSafetensors(path)) {
    steps = std::stoll(Text("stored_steps"));
    obs_dim = static_cast<int64_t>(All("obs0").size());
  }
  void SetModel(const mjModel* m) {
    nq = m->nq;
    nv = m->nv;
    warmstart_at = mj_stateSize(m, mjSTATE_WARMSTART - 1);
  }

  const std::string& Text(const std::string& key) const { return file.metadata.at(key); }
  // A whole array as doubles; empty when the file has none.
  Row All(const std::string& name) const {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) return {};
    const Blob& blob = found->second;
    if (blob.dtype == DType::kF32) {
      const auto values = blob.as<float>();
      return {values.begin(), values.end()};
    }
    const auto values = blob.as<double>();
    return {values.begin(), values.end()};
  }
  Row At(const std::string& name, int64_t t) const {
    const auto values = file.tensors.at(name).as<double>();
    const auto width = static_cast<int64_t>(values.size()) / steps;
    return {values.begin() + t * width, values.begin() + (t + 1) * width};
  }
  // qpos, qvel before step t; t = steps: the last state.
  Row State(int64_t t) const {
    Row state = t < steps ? At("qpos", t) : All("qpos_final");
    const Row v = t < steps ? At("qvel", t) : All("qvel_final");
    state.insert(state.end(), v.begin(), v.end());
    return state;
  }
  std::vector<float> Action(int64_t t) const {
    const auto actions = file.tensors.at("actions").as<float>();
    const auto width = static_cast<int64_t>(actions.size()) / steps;
    return {actions.begin() + t * width, actions.begin() + (t + 1) * width};
  }

  SafetensorsFile file;
  int64_t steps = 0, nq = 0, nv = 0, obs_dim = 0;
  int64_t warmstart_at = 0;  // in a row of mjSTATE_INTEGRATION, which starts with time, qpos, qvel
};

inline constexpr int64_t kEnvs = 3, kOurs = 1;  // envs 0 and 2 run other episodes

// The row of env kOurs in MuJoCo's integration state.
inline Row SimRow(const VectorEnv& env) {
  StateDict state;
  env.SaveState(state);
  const auto rows = state.at("sim").as<double>();
  const auto width = rows.size() / kEnvs;
  return {rows.begin() + kOurs * width, rows.begin() + (kOurs + 1) * width};
}

// How far a value may be off: nothing, or where the machine rounds differently a part of itself.
struct Allowed {
  double state = 0, reward = 1e-9;
  bool bits = true;

  void Compare(const char* what, const Row& ours, const Row& theirs) const {
    ASSERT_EQ(ours.size(), theirs.size()) << what;
    for (size_t k = 0; k < ours.size(); ++k) {
      if (bits) {
        ASSERT_EQ(std::bit_cast<uint64_t>(ours[k]), std::bit_cast<uint64_t>(theirs[k]))
            << what << " " << k << ": " << ours[k] << " and " << theirs[k];
      } else {
        ASSERT_NEAR(ours[k], theirs[k], state * (1 + std::abs(theirs[k]))) << what << " " << k;
      }
    }
  }
};

inline void CompareObs(const Allowed& allowed, std::span<const float> all, const Row& theirs) {
  const auto width = static_cast<int64_t>(theirs.size());
  const auto ours = all.subspan(kOurs * width, width);
  std::vector<double> rounded;
  for (const double x : theirs) rounded.push_back(static_cast<float>(x));
  allowed.Compare("observation", {ours.begin(), ours.end()}, rounded);
}

// qpos, qvel and warm start of env kOurs against those before step t of the file; t = steps: the
// last.
inline void CompareSim(const Allowed& allowed, const VectorEnv& env, const EpisodeFile& golden,
                       int64_t t) {
  const Row sim = SimRow(env);
  allowed.Compare("state", Row(sim.begin() + 1, sim.begin() + 1 + golden.nq + golden.nv),
                  golden.State(t));
  if (t == golden.steps || !allowed.bits) return;  // else an acceleration, of any size
  const auto warmstart = sim.begin() + golden.warmstart_at;
  allowed.Compare("warm start", Row(warmstart, warmstart + golden.nv),
                  golden.At("qacc_warmstart", t));
}

// Random actions of every env, but those of step t of the file for env kOurs.
inline std::vector<float> ActionsAt(const VectorEnvSpec& spec, const EpisodeFile& golden, int64_t t,
                                    Rng& rng) {
  auto actions = RandomActions(spec, rng);
  const auto action = golden.Action(t);
  std::copy(action.begin(), action.end(), actions.begin() + kOurs * spec.act_dim);
  return actions;
}

// What a machine that repeats MuJoCo's bits owes, and another one. Says which it is.
inline Allowed AllowedWhere(bool repeats, const std::string& id) {
  const double scale = EnvToleranceScale();
  std::printf("             %s: %s\n", id.c_str(),
              repeats ? "bit for bit"
                      : "MuJoCo's bits differ on this machine: 1e-5, up to the chaos horizon and "
                        "step by step");
  return repeats ? Allowed{} : Allowed{1e-5 * scale, 1e-5 * scale, false};
}

// Sizes, bounds and names of info.
inline void CompareSpec(const EpisodeFile& golden, const VectorEnvSpec& spec) {
  EXPECT_EQ(spec.obs_dim, golden.obs_dim);
  const auto list = [&](const char* key) {
    return nlohmann::json::parse(golden.Text(key)).get<std::vector<float>>();
  };
  EXPECT_EQ(spec.act_low, list("action_low"));
  EXPECT_EQ(spec.act_high, list("action_high"));
  EXPECT_EQ(spec.max_episode_steps, std::stoi(golden.Text("max_episode_steps")));
  EXPECT_DOUBLE_EQ(spec.control_dt, std::stod(golden.Text("dt")));
  std::set<std::string> ours, theirs;
  for (const InfoField& field : spec.info) ours.insert("info_" + field.name);
  for (const auto& [name, blob] : golden.file.tensors) {
    if (name.starts_with("info_")) theirs.insert(name);
  }
  EXPECT_EQ(ours, theirs);
}

// Reward and info of env kOurs. Within `allowed` times what a float32 cost or a force of order 1e3
// may be off by where bits differ.
inline void CompareJudgement(const EpisodeFile& golden, int64_t t, const VectorEnvSpec& spec,
                             const BatchView& view, const Allowed& allowed) {
  const double reward = golden.At("rewards", t)[0];
  EXPECT_NEAR(view.env_reward[kOurs], reward,
              allowed.bits ? allowed.reward : allowed.reward * (1 + std::abs(reward)));
  const double* ours = view.info.data() + kOurs * spec.info_dim;
  for (const InfoField& field : spec.info) {
    const Row theirs = golden.At("info_" + field.name, t);
    ASSERT_EQ(static_cast<int64_t>(theirs.size()), field.size) << field.name;
    for (const double value : theirs) {
      EXPECT_NEAR(*ours++, value,
                  allowed.bits ? allowed.reward : allowed.reward * (1 + std::abs(value)))
          << field.name;
    }
  }
}

// Every file of the env set in folders that start with `prefix`.
inline std::vector<std::filesystem::path> EpisodeFiles(const std::string& prefix) {
  std::vector<std::filesystem::path> files;
  for (const auto& set : std::filesystem::directory_iterator(GoldenDir("env"))) {
    if (!set.path().filename().string().starts_with(prefix)) continue;
    for (const auto& file : std::filesystem::recursive_directory_iterator(set.path())) {
      const bool episode = file.path().parent_path().filename() != "render";
      if (episode && file.path().extension() == ".safetensors") files.push_back(file.path());
    }
  }
  V2R_CHECK(!files.empty(), "no reference file in {}/{}*", GoldenDir("env").string(), prefix);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace v2r
