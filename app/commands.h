// The commands of v2r. Each takes its own words and returns the exit code; errors are thrown.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/bench_env.h"

namespace v2r {

using Words = std::vector<std::string>;

int DoctorCommand(const std::string& device, bool allow_software_gl);
int ListCommand(const std::string& kind);
int HelpCommand(const std::string& name);
int DemosCommand(const Words& overrides);
int PretrainCommand(const Words& overrides);
int EmbedCommand(const Words& overrides);
int ImportCommand(const std::string& file, const Words& overrides);
int ExportCommand(const std::string& file, const Words& overrides);
int EvaluateCommand(const Words& overrides);
int RewardCommand(const Words& overrides);
int ShapesCommand(const Words& overrides);
int TrainCommand(const Words& overrides, const std::string& resume, bool multirun);
int EvalCommand(const std::string& run, const std::string& checkpoint, int64_t episodes,
                int64_t seed);
int RecordCommand(const std::string& run, const std::string& checkpoint, const std::string& out,
                  int64_t episodes, int64_t seed);
int ReportCommand(const std::string& run);
int ConfigCommand(const std::string& root, const Words& overrides);
int BenchCommand(const std::string& what, const BenchEnvOptions& env, const Words& overrides);
int StudyCommand(const std::string& name, const std::string& out, const Words& overrides);
int QuickstartCommand(const std::string& out);
// fd: a connected socket to serve, else negative.
int WorkerCommand(const std::string& listen, int fd, const std::string& token_file);

// Turns `data=DIR` into `data.path=DIR` and the like: words whose key is a group with a path.
Words ExpandShorthands(const Words& overrides);
// The folders configs are searched in: ./configs when there is one, then the program's own.
std::vector<std::filesystem::path> ConfigRoots();

}  // namespace v2r
