#include "envs/physics.h"

#include <cstdlib>
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

std::filesystem::path OwnModel(const std::string& file) {
  return HomeDirectory() / "envs" / "assets" / file;
}

std::filesystem::path WheelModel(const std::string& file) {
  const char* deps = std::getenv("V2R_DEPS_DIR");
  const std::filesystem::path prefix =
      deps != nullptr && *deps != '\0' ? std::filesystem::path(deps) / "prefix" : V2R_DEPS_PREFIX;
  const auto path = prefix / file;
  if (!std::filesystem::exists(path)) {
    ThrowUser(
        "{} is missing: this environment uses the model file of the reference implementation's "
        "wheel, which scripts/bootstrap unpacks (run it, or set V2R_DEPS_DIR to the folder that it "
        "filled)",
        path.string());
  }
  return path;
}

ModelPtr LoadModel(const std::filesystem::path& path) {
  InstallMujocoLog();
  char error[1024] = "";
  ModelPtr model(mj_loadXML(path.c_str(), nullptr, error, sizeof(error)));
  if (model == nullptr) ThrowUser("{}: {}", path.string(), error);
  return model;
}

void WriteModelField(mjModel& model, const std::string& field, const std::vector<double>& values) {
  const auto write = [&](auto* to, int64_t size) {
    if (static_cast<int64_t>(values.size()) != size) {
      ThrowUser("model field {}: {} values, the model has {}", field, values.size(), size);
    }
    std::copy(values.begin(), values.end(), to);
  };
  if (field == "geom_pos") return write(model.geom_pos, 3 * model.ngeom);
  if (field == "geom_size") return write(model.geom_size, 3 * model.ngeom);
  if (field == "site_pos") return write(model.site_pos, 3 * model.nsite);
  if (field == "site_size") return write(model.site_size, 3 * model.nsite);
  if (field == "site_rgba") return write(model.site_rgba, 4 * model.nsite);
  if (field == "dof_damping") return write(model.dof_damping, model.nv);
  if (field == "wrap_prm") return write(model.wrap_prm, model.nwrap);
  ThrowUser("model field '{}' is none that a task writes", field);
}

int RequireId(const mjModel* model, mjtObj type, const char* name) {
  const int id = mj_name2id(model, type, name);
  V2R_CHECK(id >= 0, "the model has no {} '{}'", mju_type2Str(type), name);
  return id;
}

std::string MujocoVersion() { return mj_versionString(); }

}  // namespace v2r
