// Entropic optimal transport between an episode and a demonstration.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace v2r {

// Plans T [B,n,m], float64 on the cost's device, of the costs C [B,n,m] under uniform weights 1/n
// and 1/m: T = exp((f_i + g_j - C_ij) / epsilon), `iterations` times columns, then rows brought to
// their weights; the order and the result of POT's ot.sinkhorn. `allowed` bool [n,m] or undefined:
// pairs that may carry mass (TemporalOT's mask, arXiv:2410.21795); every row and column needs one.
// Costs of any size: on the CPU f and g are kept as logarithms wherever the scaling vectors leave
// what double holds; elsewhere throughout. Each of the B problems is solved alone, by one thread.
torch::Tensor Sinkhorn(const torch::Tensor& cost, const torch::Tensor& allowed, double epsilon,
                       int64_t iterations);

// The same, all steps on logarithms and all B problems at once in torch: what Sinkhorn does on a
// GPU.
torch::Tensor SinkhornLogDomain(const torch::Tensor& cost, const torch::Tensor& allowed,
                                double epsilon, int64_t iterations);

}  // namespace v2r
