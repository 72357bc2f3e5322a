// Commands around labelled pictures: evaluate, reward, shapes.
#include <filesystem>
#include <iostream>

#include "app/commands.h"
#include "app/evaluate.h"
#include "app/load.h"
#include "app/reward_report.h"
#include "app/shapes.h"

namespace v2r {
int EvaluateCommand(const Words& overrides) {
  const auto options = LoadOptions<EvaluateCommandOptions>("evaluate", overrides);
  const Evaluation evaluation = EvaluateEncoder(options);
  std::cout << ScoreTable(evaluation, options.evaluate);
  if (evaluation.data.pseudo) {
    std::cout << "the data name no classes: each clip is one, the middle fifth of it the test\n";
  }
  std::cout << "scores: " << (std::filesystem::path(options.out) / "scores.json").string() << "\n";
  return 0;
}

int RewardCommand(const Words& overrides) {
  const auto options = LoadOptions<RewardCommandOptions>("reward", overrides);
  const auto reports = ReportRewards(options);
  std::cout << ReportTable(reports);
  for (const RewardReport& report : reports) {
    if (!report.error.empty()) std::cout << report.name << ": " << report.error << "\n";
  }
  std::cout << "page: " << (std::filesystem::path(options.out) / "reward_report.html").string()
            << "\n";
  return 0;
}

int ShapesCommand(const Words& overrides) {
  const auto options = LoadOptions<ShapesCommandOptions>("shapes", overrides);
  WriteShapes(options);
  std::cout << "shapes: " << options.out << "\n";
  return 0;
}

}  // namespace v2r
