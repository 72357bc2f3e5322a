#include "agents/make.h"

#include "core/registry.h"

namespace v2r {
namespace {

using AgentRegistry = Registry<Agent, const AgentOptions&, int64_t, int64_t, Rng&,
                               const torch::Device&, const ActionBounds&>;

const AgentRegistry& Agents() {
  static const AgentRegistry registry = [] {
    AgentRegistry agents("agent");
    agents.Add("ppo",
               "proximal policy optimisation for continuous actions, CleanRL's details, exact "
               "time-limit bootstrap",
               [](const AgentOptions& options, int64_t obs_dim, int64_t act_dim, Rng& rng,
                  const torch::Device& device, const ActionBounds& bounds) {
                 return MakePpo(options.ppo, obs_dim, act_dim, rng, device, bounds);
               });
    return agents;
  }();
  return registry;
}

}  // namespace

std::vector<std::string> AgentNames() { return Agents().Names(); }

std::string AgentDoc(const std::string& name) { return Agents().Doc(name); }

std::unique_ptr<Agent> MakeAgent(const AgentOptions& options, int64_t obs_dim, int64_t act_dim,
                                 Rng& rng, const torch::Device& device,
                                 const ActionBounds& bounds) {
  return Agents().Make(options.name, options, obs_dim, act_dim, rng, device, bounds);
}

}  // namespace v2r
