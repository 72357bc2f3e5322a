// What an embedding looks like: pictures for people.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>

#include "pretrain/evaluate.h"

namespace v2r {

// PNG, `rows` rows: a test picture, evenly spaced over the test part, then its 8 nearest training
// pictures by cosine, nearest first; framed green where the class is the same, red where not.
// train [N,D], test [M,D] are the embeddings of data.train and data.test.
void WriteNeighbours(const std::filesystem::path& path, const LabelledData& data,
                     const torch::Tensor& train, const torch::Tensor& test, int64_t rows);

// The rows of test [M,D] that a scatter shows: evenly spaced, 2,000 at most.
torch::Tensor ScatterRows(const torch::Tensor& test);
// SVG: these test pictures at their places in the plane [rows,2], coloured by class, with a legend
// (20 classes at most).
void WriteScatter(const std::filesystem::path& path, const LabelledData& data,
                  const torch::Tensor& plane);

}  // namespace v2r
