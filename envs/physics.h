// MuJoCo's objects with owners, and its messages led to our log: MuJoCo never writes MUJOCO_LOG.TXT
// and never ends the process.
#pragma once

#include <mujoco/mjbatch.h>
#include <mujoco/mujoco.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace v2r {

struct ModelDeleter {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
};
struct DataDeleter {
  void operator()(mjData* data) const { mj_deleteData(data); }
};
struct BatchDeleter {
  void operator()(mjBatch* batch) const { mjb_deleteBatch(batch); }
};
using ModelPtr = std::unique_ptr<mjModel, ModelDeleter>;
using DataPtr = std::unique_ptr<mjData, DataDeleter>;
using BatchPtr = std::unique_ptr<mjBatch, BatchDeleter>;

// Leads MuJoCo's messages away from MUJOCO_LOG.TXT and exit(): warnings go to our log, each text
// once a process; an error outside a batch call is thrown as Error. Idempotent; LoadModel calls it.
void InstallMujocoLog();

// envs/assets/`file` of this project.
std::filesystem::path OwnModel(const std::string& file);
// `file` of a wheel that scripts/bootstrap unpacked ("gymnasium/envs/mujoco/assets/ant.xml"), below
// $V2R_DEPS_DIR/prefix, by default the folder that the program was built with. UserError, naming
// the bootstrap step, when it is not there.
std::filesystem::path WheelModel(const std::string& file);

// UserError with MuJoCo's message when the file is missing or wrong.
ModelPtr LoadModel(const std::filesystem::path& path);

// Replaces the whole array `field` of the model, one that tasks write to: body_pos, eq_data,
// geom_pos, geom_size, site_pos, site_size, site_rgba, dof_damping, wrap_prm. UserError: another
// field, wrong size.
void WriteModelField(mjModel& model, const std::string& field, const std::vector<double>& values);

// A model for one simulation: the arrays that tasks write to (those above) and the options are its
// own, all else is that of `base`, which must outlive it. mj_copyModel would copy the textures too,
// 12 MB of them in dm_control's models.
class PrivateModel {
 public:
  explicit PrivateModel(const mjModel& base);
  PrivateModel(const PrivateModel&) = delete;
  PrivateModel& operator=(const PrivateModel&) = delete;
  mjModel* get() { return &model_; }

 private:
  mjModel model_;
  std::vector<std::vector<mjtNum>> doubles_;
  std::vector<std::vector<float>> floats_;
};

// Where a camera that is not of the model stands (mjvCamera's numbers).
struct FreeView {
  double lookat[3] = {};
  double distance = 1;     // from lookat, m
  double azimuth = 90;     // degrees; 90 = looking along y
  double elevation = -45;  // degrees; -90 = looking down
};

// Id of a named object of the model (mjOBJ_SITE, "tip"); Error when there is none.
int RequireId(const mjModel* model, mjtObj type, const char* name);

}  // namespace v2r
