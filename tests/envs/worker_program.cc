// What worker_test starts: a worker, with what a test wants to be different.
//   worker --fd N | --listen ADDRESS   [--version V] [--token T] [--home DIR]
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "core/interrupt.h"
#include "envs/remote/worker.h"

int main(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int k = 2; k + 1 < argc; k += 2) flags[argv[k]] = argv[k + 1];
  if (flags.contains("--home")) setenv("V2R_HOME", flags["--home"].c_str(), 1);
  try {
    if (flags.contains("--listen")) {
      v2r::InstallInterruptHandler();
      v2r::RunWorker(flags["--listen"], "");
      return 0;
    }
    v2r::WorkerIdentity identity = v2r::OwnIdentity(flags["--token"]);
    if (flags.contains("--version")) identity.program = flags["--version"];
    v2r::ServeWorker(std::stoi(flags.at("--fd")), identity);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
