// Probe states: pictures with their true distances, for the offline reward-quality report (never
// for training).
#pragma once

#include <filesystem>

#include "app/options.h"
#include "app/setup.h"
#include "reward/distance.h"

namespace v2r {

// How a film and a rendering of the same states differ to the encoder, in steps of the film
// (reward/render_gap.h): films episodes of the expert as FilmDemos does, through the codec, into
// `folder`, which is removed again.
double MeasureFilmGap(const TrainOptions& options, const Encoder& encoder,
                      const DistanceFn& distance, const std::filesystem::path& folder);

// Steps the task's expert and random behaviour, embeds the pictures and prints the reward-quality
// numbers of the assembly's reward. Writes quality.json into `run`. Returns the table as text.
std::string ReportQuality(const TrainOptions& options, const Assembly& assembly,
                          const std::filesystem::path& run);

}  // namespace v2r
