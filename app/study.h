// Studies: many training runs with fixed seeds and one table of return, success and N. The
// quickstart is one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace v2r {

struct StudyRow {
  std::string task;     // label, e.g. "push"
  std::string reward;   // label, e.g. "ranking_classifier", "true", "random", "pixel_l2"
  std::string encoder;  // label, e.g. "conv4"
  std::string method;   // label of pretraining, e.g. "ranking", "none"
  std::vector<std::string> overrides;  // what `v2r train` gets
};
struct StudyResult {
  StudyRow row;
  int64_t seed = 0;
  int64_t steps = 0;
  double episode_return = 0, success = 0, N = 0, seconds = 0;
  std::string error;  // why the row was refused; its numbers are NaN then
  std::string video, report;
};

// A study file: `seeds: [1, 2]` and `rows:` a list of maps with task, reward, encoder, method and
// overrides (a list of words).
struct Study {
  std::vector<int64_t> seeds;
  std::vector<StudyRow> rows;
};
// `name` is a file or the name of one in configs/study. UserError with file:line:col.
Study LoadStudy(const std::string& name);

// Runs every row for every seed into `out`; a row that is refused (UserError) is noted and the
// others go on; a row with reward "random" is an evaluation only, and N = (J - J_random) / (J_true
// - J_random) of the same task (mean over seeds), so each task needs a row "true". Writes
// summary.json (atomically, after every run) and returns all results.
std::vector<StudyResult> RunStudy(const std::vector<StudyRow>& rows,
                                  const std::vector<int64_t>& seeds,
                                  const std::filesystem::path& out);
// Mean over seeds by row, as text.
std::string StudyTable(const std::vector<StudyResult>& results);

}  // namespace v2r
