// Observations normalised by running statistics, with the statistics frozen during a rollout: the
// policy that acts is the one that the update starts from, and the time-limit bootstrap sees the
// same normalisation.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/safetensors.h"
#include "learn/running_stats.h"

namespace v2r {

class ObsNormalizer {
 public:
  // clip: bound of a normalised observation, 0 = none.
  ObsNormalizer(int64_t obs_dim, double clip);
  // Adds rows [n,obs_dim] to the statistics being learned; what Normalize does stays as it is.
  void Learn(std::span<const float> obs) { learned_.Update(obs); }
  // From now on Normalize uses what has been learned.
  void Adopt();
  // False until the first Adopt: Normalize only clips then.
  bool adopted() const { return adopted_; }
  void Normalize(std::span<const float> obs, std::span<float> out) const;

  StateDict Save() const;  // "learned.*", "acting.*", "adopted"
  void Load(const StateDict& state, const std::string& what);

 private:
  RunningMeanStd learned_, acting_;
  bool adopted_ = false;
  double clip_;
};

}  // namespace v2r
