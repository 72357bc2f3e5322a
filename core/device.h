// Devices and torch threads. One binary for CPU and GPU hosts: the CUDA half of LibTorch is opened at run time.
#pragma once

#include <torch/torch.h>

#include <string>

namespace v2r {

// "auto" (cuda when it works, said in the log), "cpu", "cuda", "cuda:N". UserError when cuda is asked for and not to be had.
torch::Device ResolveDevice(const std::string& name);
// True when libtorch_cuda.so was opened (once) and a GPU answers. `why` gets the reason when not.
bool CudaAvailable(std::string* why = nullptr);
// Sets the intra-op threads (0 = number of cores) and returns what is in force.
int SetTorchThreads(int threads);
std::string DescribeDevice(const torch::Device& device);

}  // namespace v2r
