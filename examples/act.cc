// Acts with a policy that `v2r export RUN` wrote, without this library: reads observations from
// standard input, one a line, and prints actions.   act policy.json < observations
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

int main(int argc, char** argv) {
  const std::filesystem::path path = argc > 1 ? argv[1] : "policy.json";
  std::ifstream description(path);
  const auto policy = nlohmann::json::parse(description);
  std::ifstream file(path.parent_path() / policy.at("weights").get<std::string>(),
                     std::ios::binary);
  uint64_t size = 0;
  file.read(reinterpret_cast<char*>(&size), 8);
  std::string text(size, ' ');
  file.read(text.data(), static_cast<std::streamsize>(size));
  const auto header = nlohmann::json::parse(text);
  const auto tensor = [&](const std::string& name) {
    const auto range = header.at(name).at("data_offsets").get<std::vector<uint64_t>>();
    std::vector<float> values((range[1] - range[0]) / 4);
    file.seekg(static_cast<std::streamoff>(8 + size + range[0]));
    file.read(reinterpret_cast<char*>(values.data()),
              static_cast<std::streamsize>(range[1] - range[0]));
    return values;
  };
  const auto mean = tensor("obs_mean"), scale = tensor("obs_scale");
  const auto low = tensor("action_low"), high = tensor("action_high");
  const double clip = policy.at("clip_obs");
  const int layers = policy.at("layers");
  const std::string activation = policy.at("activation");
  std::vector<std::vector<float>> weights, biases;
  for (int l = 0; l < layers; ++l) {
    weights.push_back(tensor("layers." + std::to_string(l) + ".weight"));
    biases.push_back(tensor("layers." + std::to_string(l) + ".bias"));
  }
  std::cout.precision(9);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::vector<double> x(mean.size()), y;
    for (size_t i = 0; i < x.size(); ++i) {
      words >> x[i];
      x[i] = (x[i] - mean[i]) * scale[i];
      if (clip > 0) x[i] = std::clamp(x[i], -clip, clip);
    }
    for (int l = 0; l < layers; ++l, x = y) {
      y.assign(biases[l].begin(), biases[l].end());
      for (size_t o = 0; o < y.size(); ++o) {
        for (size_t i = 0; i < x.size(); ++i) y[o] += weights[l][o * x.size() + i] * x[i];
        if (l + 1 == layers) continue;
        y[o] = activation == "tanh"   ? std::tanh(y[o])
               : y[o] > 0             ? y[o]
               : activation == "relu" ? 0.0
                                      : std::expm1(y[o]);
      }
    }
    for (size_t a = 0; a < x.size(); ++a) {
      if (policy.at("squash")) x[a] = low[a] + (std::tanh(x[a]) + 1) / 2 * (high[a] - low[a]);
      std::cout << std::clamp<double>(x[a], low[a], high[a]) << (a + 1 < x.size() ? " " : "\n");
    }
  }
}
