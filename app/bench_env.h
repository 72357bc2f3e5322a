// The benchmark of environment steps.
#pragma once

#include <cstdint>
#include <string>

#include "envs/make.h"

namespace v2r {

struct BenchEnvOptions {
  std::string tasks = "gym/";  // a name, or the beginning of names
  std::string peer;            // script that measures EnvPool and Gymnasium; empty = none
  std::string python = "python3";
  int64_t rounds = 1;
  double seconds = 2;  // of measuring a side in a round
};

// Prints the table. env: num_envs and env_threads count. UserError: no such task, a peer that
// fails.
int BenchEnvs(const BenchEnvOptions& options, const EnvOptions& env);

}  // namespace v2r
