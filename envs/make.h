// Environments by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "envs/distractor_options.h"
#include "envs/vector_env.h"
#include "envs/view.h"

namespace v2r {

struct EnvOptions {
  std::string id = "v2r/reach";
  ConfigNode task;
  DistractorOptions distractors;
  int64_t num_envs = 32;
  int64_t env_threads = 0;
  int64_t render_threads = 0;
  bool render = true;
  int64_t frame_size = 64;
  int64_t samples = 0;
  int64_t supersample = 1;
  int64_t detail_size = 0;
  std::string camera;
  ViewOptions view;
  std::vector<std::string> cameras;
  ConfigNode views;
  std::vector<std::string> modalities;
  int64_t render_every = 1;
  bool shadow = false;
  bool reflection = false;
  std::string autoreset = "same_step";
  int64_t max_episode_steps = 0;
  int64_t action_repeat = 1;
  bool clip_action = true;
  bool rescale_action = false;
  int64_t frame_stack = 1;
  int64_t processes = 0;
  std::vector<std::string> workers;
  double worker_timeout = 60;
  int64_t worker_sync = 64;
  std::string worker_token_file;

  template <typename V>
  void Fields(V& v) {
    v("id", id, "task, see `v2r list envs`");
    v("task", task, "the task's own keys: `v2r help ID` lists them (env.task.KEY=VALUE)");
    VisitDistractors(v, distractors);
    v("num_envs", num_envs, "simulations stepped together", AtLeast(1));
    v("env_threads", env_threads, "threads that step the simulations, 0 = number of cores", AtLeast(0));
    v("render_threads", render_threads, "threads with a GL context of their own, 0 = number of cores", AtLeast(0));
    v("render", render, "draw pictures (a learned reward needs them)");
    v("frame_size", frame_size, "height and width of the pictures in pixels", InRange(16, 1024));
    v("samples", samples, "multisampling of the pictures, 0 = off", InRange(0, 16));
    v("supersample", supersample, "pictures are drawn this many times larger and shrunk by area: antialiasing that costs less "
      "than multisampling on a software driver", InRange(1, 4));
    v("detail_size", detail_size, "round shapes are drawn as fine as pictures of this size need, 0 = frame_size (films of "
      "demonstrations take the reward's)", InRange(0, 4096));
    v("camera", camera, "camera of the model that takes the pictures, empty = the task's own");
    v("view", view, "a camera that the model does not have");
    v("cameras", cameras, "further cameras of the model whose pictures are drawn besides");
    v("views", views, "further cameras that the model does not have, NAME: {the keys of env.view}, after those of env.cameras");
    v("modalities", modalities, "what is drawn besides colours: depth (metres), segmentation (object id and type)");
    v("render_every", render_every, "pictures are drawn at every k-th step of an episode, its first and its last state; a "
      "learned reward reads every step", AtLeast(1));
    v("shadow", shadow, "draw the shadows that the model's lights cast");
    v("reflection", reflection, "draw the reflections of materials that have reflectance");
    v("autoreset", autoreset, "when a finished episode restarts (Gymnasium's AutoresetMode)",
      OneOf({"same_step", "next_step", "disabled"}));
    v("max_episode_steps", max_episode_steps, "steps until truncation, 0 = the task's own", AtLeast(0));
    v("action_repeat", action_repeat, "steps of the task with one action; rewards add up", InRange(1, 100));
    v("clip_action", clip_action, "actions outside the bounds are clipped (false: handed to the task as they are)");
    v("rescale_action", rescale_action, "actions in [-1, 1] are mapped onto the task's bounds");
    v("frame_stack", frame_stack, "observations handed over together, oldest first (for pictures: encoder.frame_stack)",
      InRange(1, 32));
    v("processes", processes, "worker processes that step and draw a part of the environments each, 0 = none; they share "
      "env_threads and render_threads", AtLeast(0));
    v("workers", workers, "addresses of `v2r worker` to use instead: unix:PATH or tcp://HOST:PORT, each takes a part");
    v("worker_timeout", worker_timeout, "seconds after which a silent worker is replaced", AtLeast(0.1));
    v("worker_sync", worker_sync, "steps after which the workers' states are kept for those that have to be replaced",
      AtLeast(1));
    v("worker_token_file", worker_token_file, "file with the token that the workers ask for; empty = the environment "
      "variable V2R_WORKER_TOKEN");
  }
};

std::vector<std::string> EnvNames();
std::string EnvDoc(const std::string& id);
// The task's own keys ("env.task.forward_reward_weight"); UserError: unknown id.
std::vector<FieldDoc> EnvTaskFields(const std::string& id);
// `options` with colours of the main camera alone, for who reads nothing else (env.cameras, env.views and env.modalities
// emptied).
EnvOptions MainPictures(EnvOptions options);
// UserError: unknown id (with the nearest), unknown camera or modality, no EGL (with what to install), a worker that
// cannot be reached or refuses.
std::unique_ptr<VectorEnv> MakeVectorEnv(const EnvOptions& options);

}  // namespace v2r
