#include "envs/physics.h"

#include <mutex>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "envs/versions.h"

#ifdef __SANITIZE_THREAD__
// MuJoCo, the GL driver and libstdc++'s exception_ptr are not instrumented: how they order their
// own threads cannot be seen.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libmujoco\nrace:libLLVM\nrace:swrast_dri\nrace:libEGL\nrace:libgallium\n"
         "race:std::__exception_ptr\n";
}
#endif

namespace v2r {
namespace {

// MuJoCo calls this from any thread. Batch calls catch errors with a handler of their own.
void HandleMessage(const mjLogMessage* message) {
  if (message->level == mjLOG_ERROR) throw Error(fmt::format("MuJoCo: {}", message->subject));
  if (message->level != mjLOG_WARNING) return;
  static std::mutex mutex;
  static std::set<std::string> said;
  std::string text = message->subject;
  // "... Time = 1.2." differs each time; the kind of warning is what counts.
  text = text.substr(0, text.find(" Time ="));
  const std::lock_guard lock(mutex);
  if (said.insert(text).second) LogWarn("MuJoCo: {} (said once; counted in env/warnings)", text);
}

}  // namespace

void InstallMujocoLog() {
  static std::once_flag once;
  std::call_once(once, [] { mju_setLogHandler(HandleMessage); });
}

ModelPtr LoadModel(const std::string& file) {
  InstallMujocoLog();
  const auto path = HomeDirectory() / "envs" / "assets" / file;
  char error[1024] = "";
  ModelPtr model(mj_loadXML(path.c_str(), nullptr, error, sizeof(error)));
  if (model == nullptr) ThrowUser("{}: {}", path.string(), error);
  return model;
}

int RequireId(const mjModel* model, mjtObj type, const char* name) {
  const int id = mj_name2id(model, type, name);
  V2R_CHECK(id >= 0, "the model has no {} '{}'", mju_type2Str(type), name);
  return id;
}

std::string MujocoVersion() { return mj_versionString(); }

}  // namespace v2r
