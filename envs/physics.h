// MuJoCo's objects with owners, and its messages led to our log: MuJoCo never writes MUJOCO_LOG.TXT
// and never ends the process.
#pragma once

#include <mujoco/mjbatch.h>
#include <mujoco/mujoco.h>

#include <memory>
#include <string>

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

// The model of envs/assets/`file`. UserError with MuJoCo's message when the file is missing or
// wrong.
ModelPtr LoadModel(const std::string& file);

// Id of a named object of the model (mjOBJ_SITE, "tip"); Error when there is none.
int RequireId(const mjModel* model, mjtObj type, const char* name);

}  // namespace v2r
