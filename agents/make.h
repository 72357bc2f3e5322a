// Agents by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/agent.h"
#include "agents/ppo.h"

namespace v2r {

struct AgentOptions {
  std::string name = "ppo";
  PpoOptions ppo;

  template <typename V>
  void Fields(V& v) {
    v("name", name, "agent, see `v2r list agents`");
    ppo.Fields(v);
  }
};

std::vector<std::string> AgentNames();
std::string AgentDoc(const std::string& name);
std::unique_ptr<Agent> MakeAgent(const AgentOptions& options, int64_t obs_dim, int64_t act_dim,
                                 Rng& rng, const torch::Device& device,
                                 const ActionBounds& bounds = {});

}  // namespace v2r
