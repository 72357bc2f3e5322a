// Probe states: pictures with their true distances, for the offline reward-quality report (never for training).
#pragma once

#include <filesystem>

#include "app/options.h"
#include "app/setup.h"

namespace v2r {

// Steps the task's expert and random behaviour, embeds the pictures and prints the reward-quality numbers of the assembly's reward. Writes
// quality.json into `run`. Returns the table as text.
std::string ReportQuality(const TrainOptions& options, const Assembly& assembly, const std::filesystem::path& run);

}  // namespace v2r
