// PPO for continuous control with CleanRL's details (ppo_continuous_action.py) and an exact
// time-limit bootstrap from next_obs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/agent.h"
#include "core/options.h"

namespace v2r {

struct PpoOptions {
  double learning_rate = 1e-3;
  bool anneal_lr = true;
  int64_t num_steps = 0;
  double gamma = 0.97;
  double gae_lambda = 0.95;
  int64_t batch_size = 256;
  int64_t update_epochs = 10;
  double clip_coef = 0.2;
  bool clip_vloss = false;
  bool norm_adv = true;
  double ent_coef = 0.0;
  double vf_coef = 0.5;
  double max_grad_norm = 0.5;
  double target_kl = 0.0;
  double adam_eps = 1e-5;
  double log_std_init = -0.5;
  double log_std_min = -20.0;
  double log_std_max = 2.0;
  bool state_dependent_std = false;
  bool squash = false;
  double bounds_loss_coef = 0.0;
  double desired_kl = 0.0;
  double min_lr = 1e-5;
  double max_lr = 1e-2;
  bool ortho_init = true;
  std::vector<int64_t> hidden_sizes = {64, 64};
  std::vector<int64_t> value_hidden_sizes = {};
  bool shared_trunk = false;
  std::string activation = "tanh";
  bool fused = true;
  bool norm_obs = true;
  bool norm_reward = true;
  std::string norm_reward_rule = "gymnasium";
  bool norm_value = false;
  double clip_obs = 10.0;
  double clip_reward = 10.0;

  template <typename V>
  void Fields(V& v) {
    v("learning_rate", learning_rate, "Adam's step size at the start", AtLeast(0));
    v("anneal_lr", anneal_lr, "linear annealing of the step size to 0");
    v("num_steps", num_steps, "steps a rollout in each environment, 0 = one whole episode",
      AtLeast(0));
    v("gamma", gamma, "discount factor", InRange(0, 1));
    v("gae_lambda", gae_lambda, "lambda of generalised advantage estimation", InRange(0, 1));
    v("batch_size", batch_size, "samples a minibatch", AtLeast(2));
    v("update_epochs", update_epochs, "passes over a rollout", AtLeast(1));
    v("clip_coef", clip_coef, "clipping of the probability ratio", AtLeast(0));
    v("clip_vloss", clip_vloss, "clip the value loss too");
    v("norm_adv", norm_adv, "normalise advantages in each minibatch");
    v("ent_coef", ent_coef, "weight of the entropy bonus", AtLeast(0));
    v("vf_coef", vf_coef, "weight of the value loss 0.5*mean((V-R)^2)", AtLeast(0));
    v("max_grad_norm", max_grad_norm, "global norm the gradient is clipped to, 0 = no clipping",
      AtLeast(0));
    v("target_kl", target_kl, "stop an update when approx_kl exceeds 1.5 times this, 0 = never",
      AtLeast(0));
    v("adam_eps", adam_eps, "Adam's epsilon", AtLeast(0));
    v("log_std_init", log_std_init, "initial log standard deviation of the actions");
    v("log_std_min", log_std_min, "lowest log standard deviation, clamped");
    v("log_std_max", log_std_max, "highest log standard deviation, clamped");
    v("state_dependent_std", state_dependent_std,
      "the policy network gives the log standard deviation too");
    v("squash", squash, "tanh of the normal variable, scaled to the action bounds");
    v("bounds_loss_coef", bounds_loss_coef,
      "weight of the penalty on means beyond 1.1 times the action bounds", AtLeast(0));
    v("desired_kl", desired_kl,
      "step size that follows the divergence of each minibatch from the old policy, 0 = off "
      "(needs anneal_lr=false)",
      AtLeast(0));
    v("min_lr", min_lr, "with desired_kl: the smallest step size", AtLeast(0));
    v("max_lr", max_lr, "with desired_kl: the largest step size", AtLeast(0));
    v("ortho_init", ortho_init,
      "orthogonal initial weights and zero biases, else torch.nn.Linear's uniform ones");
    v("hidden_sizes", hidden_sizes, "layers of policy and value networks");
    v("value_hidden_sizes", value_hidden_sizes, "layers of the value network, [] = hidden_sizes");
    v("shared_trunk", shared_trunk, "policy and value share the hidden layers");
    v("activation", activation, "between the layers", OneOf({"tanh", "relu", "elu"}));
    v("fused", fused,
      "act and update without torch's operators where the networks are small and on the CPU");
    v("norm_obs", norm_obs, "normalise observations by running mean and deviation");
    v("norm_reward", norm_reward,
      "divide rewards by the running deviation of the discounted return");
    v("norm_reward_rule", norm_reward_rule,
      "what ends a discounted return: gymnasium = termination, sb3 = any end of an episode",
      OneOf({"gymnasium", "sb3"}));
    v("norm_value", norm_value,
      "the value network learns returns normalised by running mean and deviation");
    v("clip_obs", clip_obs, "clip normalised observations to +- this, 0 = no clipping", AtLeast(0));
    v("clip_reward", clip_reward, "clip normalised rewards to +- this, 0 = no clipping",
      AtLeast(0));
  }
};

// Of the actions, [A] each; empty = -1 and 1.
struct ActionBounds {
  std::vector<double> low, high;
};

// UserError when options do not fit each other. Initial weights from `rng`. Networks live on
// `device`.
std::unique_ptr<Agent> MakePpo(const PpoOptions& options, int64_t obs_dim, int64_t act_dim,
                               Rng& rng, const torch::Device& device,
                               const ActionBounds& bounds = {});

}  // namespace v2r
