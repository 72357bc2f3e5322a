#include "envs/physics.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>
#include <type_traits>

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
  if (message->level == mjLOG_ERROR) {
    // Frames of libmujoco that cannot unwind end the program here: the text must be out before.
    LogWarn("MuJoCo: {}", message->subject);
    throw Error(fmt::format("MuJoCo: {}", message->subject));
  }
  if (message->level != mjLOG_WARNING) return;
  static std::mutex mutex;
  static std::set<std::string> said;
  std::string text = message->subject;
  // "... Time = 1.2." differs each time; the kind of warning is what counts.
  text = text.substr(0, text.find(" Time ="));
  const std::lock_guard lock(mutex);
  if (said.insert(text).second) LogWarn("MuJoCo: {} (said once; counted in env/warnings)", text);
}

// Calls f(name, array, size) for each array of the model that tasks write to.
template <typename F>
void ForTaskArrays(mjModel& m, F f) {
  f("body_pos", m.body_pos, 3 * m.nbody);
  f("eq_data", m.eq_data, mjNEQDATA * m.neq);
  f("geom_pos", m.geom_pos, 3 * m.ngeom);
  f("geom_size", m.geom_size, 3 * m.ngeom);
  f("site_pos", m.site_pos, 3 * m.nsite);
  f("site_size", m.site_size, 3 * m.nsite);
  f("site_rgba", m.site_rgba, 4 * m.nsite);
  f("dof_damping", m.dof_damping, m.nv);
  f("wrap_prm", m.wrap_prm, m.nwrap);
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
  bool found = false;
  ForTaskArrays(model, [&](const char* name, auto*& array, int64_t size) {
    if (name != field) return;
    found = true;
    if (static_cast<int64_t>(values.size()) != size) {
      ThrowUser("model field {}: {} values, the model has {}", field, values.size(), size);
    }
    std::copy(values.begin(), values.end(), array);
  });
  if (!found) ThrowUser("model field '{}' is none that a task writes", field);
}

PrivateModel::PrivateModel(const mjModel& base) : model_(base) {
  const auto keep = [](auto& arrays, auto*& array, int64_t size) {
    arrays.emplace_back(array, array + size);
    array = arrays.back().data();
  };
  ForTaskArrays(model_, [&](const char*, auto*& array, int64_t size) {
    if constexpr (std::is_same_v<decltype(*array), float&>) {
      keep(floats_, array, size);
    } else {
      keep(doubles_, array, size);
    }
  });
}

int RequireId(const mjModel* model, mjtObj type, const char* name) {
  const int id = mj_name2id(model, type, name);
  V2R_CHECK(id >= 0, "the model has no {} '{}'", mju_type2Str(type), name);
  return id;
}

std::string MujocoVersion() { return mj_versionString(); }

}  // namespace v2r
