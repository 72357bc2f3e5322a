// Commands around labelled pictures: evaluate, shapes.
#include <filesystem>
#include <iostream>

#include "app/commands.h"
#include "app/evaluate.h"
#include "app/shapes.h"
#include "core/config.h"

namespace v2r {
namespace {

template <typename Options>
Options Load(const std::string& root, const Words& overrides) {
  std::vector<std::filesystem::path> roots;
  for (const std::string& folder : ConfigRoots()) roots.emplace_back(folder);
  Options options;
  Bind(ComposeConfig(roots, root, overrides), options);
  return options;
}

}  // namespace

int EvaluateCommand(const Words& overrides) {
  const auto options = Load<EvaluateCommandOptions>("evaluate", overrides);
  const Evaluation evaluation = EvaluateEncoder(options);
  std::cout << ScoreTable(evaluation, options.evaluate);
  if (evaluation.data.pseudo) {
    std::cout << "the data name no classes: each clip is one, the middle fifth of it the test\n";
  }
  std::cout << "scores: " << (std::filesystem::path(options.out) / "scores.json").string() << "\n";
  return 0;
}

int ShapesCommand(const Words& overrides) {
  const auto options = Load<ShapesCommandOptions>("shapes", overrides);
  WriteShapes(options);
  std::cout << "shapes: " << options.out << "\n";
  return 0;
}

}  // namespace v2r
