// The extension module v2r._v2r: what vector_env.py and __init__.py build on. Arrays that it
// returns are views of the environment's own memory, read-only, and keep the environment alive.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/plugin.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/measure.h"
#include "envs/make.h"

namespace nb = nanobind;

namespace v2r {
namespace {

// bool, int, float, str, None, or a list or tuple of these.
ConfigNode ToNode(const std::string& key, nb::handle value) {
  const Origin origin{"argument '" + key + "'"};
  if (value.is_none()) return ConfigNode::Scalar("null", origin);
  if (nb::isinstance<nb::str>(value)) {
    return ConfigNode::Scalar(nb::cast<std::string>(value), origin, /*quoted=*/true);
  }
  if (nb::isinstance<nb::bool_>(value)) {
    return ConfigNode::Scalar(nb::cast<bool>(value) ? "true" : "false", origin);
  }
  if (nb::isinstance<nb::int_>(value) || nb::isinstance<nb::float_>(value)) {
    return ConfigNode::Scalar(nb::cast<std::string>(nb::repr(value)), origin);
  }
  if (nb::isinstance<nb::list>(value) || nb::isinstance<nb::tuple>(value)) {
    std::vector<ConfigNode> items;
    for (nb::handle item : value) items.push_back(ToNode(key, item));
    return ConfigNode::List(std::move(items), origin);
  }
  ThrowUser("'{}': a {} is no value of a config; give a bool, number, string or list", key,
            nb::cast<std::string>(nb::str(value.type())));
}

ConfigNode ToChanges(const nb::dict& given) {
  ConfigNode changes = ConfigNode::Map({"argument"});
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    changes.Set(name, ToNode(name, value));
  }
  return changes;
}

class PythonVectorEnv {
 public:
  PythonVectorEnv(const std::string& id, const std::string& reward, const nb::dict& changes) {
    const ConfigNode node = ToChanges(changes);
    const nb::gil_scoped_release release;
    made_ = MakePluginEnv(id, reward, node);
  }

  const VectorEnvSpec& spec() const { return made_.env->Spec(); }

  void Reset(uint64_t seed) {
    const nb::gil_scoped_release release;
    view_ = made_.env->Reset(seed);
  }
  // mask: bool [N]
  void Restart(const nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>& mask) {
    if (static_cast<int64_t>(mask.shape(0)) != spec().num_envs) {
      ThrowUser("{}: reset_mask should have {} entries, has {}", spec().name, spec().num_envs,
                mask.shape(0));
    }
    const nb::gil_scoped_release release;
    view_ = made_.env->Restart({reinterpret_cast<const uint8_t*>(mask.data()), mask.size()});
  }
  // float32 [N, act_dim]
  using Actions = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
  void Step(const Actions& actions) {
    const std::span<const float> span = Checked(actions);
    const nb::gil_scoped_release release;
    view_ = made_.env->Step(span);
  }
  // Steps a second over `seconds` of the same actions without Python: for
  // benchmarks/plugin_bench.py.
  double StepRate(const Actions& actions, double seconds) {
    const std::span<const float> span = Checked(actions);
    const nb::gil_scoped_release release;
    const Sample sample = Repeat(seconds, [&] {
      view_ = made_.env->Step(span);
      return spec().num_envs;
    });
    return sample.items / sample.seconds;
  }
  void StepAsync(const Actions& actions) { made_.env->StepAsync(Checked(actions)); }
  void StepWait() {
    const nb::gil_scoped_release release;
    view_ = made_.env->StepWait();
  }
  const PluginEnv& made() const { return made_; }
  const BatchView& view() const { return view_; }

 private:
  std::span<const float> Checked(const Actions& actions) const {
    if (static_cast<int64_t>(actions.shape(0)) != spec().num_envs ||
        static_cast<int64_t>(actions.shape(1)) != spec().act_dim) {
      ThrowUser("{}: actions should be [{}, {}], are [{}, {}]", spec().name, spec().num_envs,
                spec().act_dim, actions.shape(0), actions.shape(1));
    }
    return {actions.data(), actions.size()};
  }

  PluginEnv made_;
  BatchView view_;
};

// A view of `data`, kept alive by `owner`. `strides` in elements, empty = contiguous.
template <typename T>
nb::object Array(const T* data, const std::vector<size_t>& shape, nb::handle owner,
                 const std::vector<int64_t>& strides = {}) {
  const nb::ndarray<nb::numpy, const T> array(data, shape.size(), shape.data(), owner,
                                              strides.empty() ? nullptr : strides.data());
  return nb::cast(array, nb::rv_policy::reference);
}

// Flags are stored as 0/1 bytes, which is what NumPy's bool is.
nb::object Flags(std::span<const uint8_t> flags, nb::handle owner) {
  return Array(reinterpret_cast<const bool*>(flags.data()), {flags.size()}, owner);
}

// BatchView by its names; pictures that are not drawn are None.
nb::dict Arrays(const nb::handle& self) {
  const auto& env = nb::cast<const PythonVectorEnv&>(self);
  const VectorEnvSpec& spec = env.spec();
  const BatchView& view = env.view();
  if (view.obs.empty() && view.terminated.empty()) ThrowUser("{}: call reset first", spec.name);
  const auto n = static_cast<size_t>(spec.num_envs);
  const auto obs_dim = static_cast<size_t>(spec.obs_dim);
  const auto h = static_cast<size_t>(spec.height), w = static_cast<size_t>(spec.width);
  // `more` in the place of the channels; a camera axis in front where there are cameras > 0.
  const auto pictures = [&]<typename T>(std::span<const T> values, size_t cameras,
                                        std::vector<size_t> more) -> nb::object {
    if (values.empty()) return nb::none();
    std::vector<size_t> shape = {n, h, w};
    if (cameras > 0) shape.insert(shape.begin(), cameras);
    shape.insert(shape.end(), more.begin(), more.end());
    return Array(values.data(), shape, self);
  };
  const size_t extra = spec.extra_cameras.size();
  nb::dict arrays;
  arrays["obs"] = Array(view.obs.data(), {n, obs_dim}, self);
  arrays["next_obs"] = Array(view.next_obs.data(), {n, obs_dim}, self);
  arrays["frame"] = pictures(view.frame, 0, {3});
  arrays["next_frame"] = pictures(view.next_frame, 0, {3});
  arrays["goal_frame"] = pictures(view.goal_frame, 0, {3});
  arrays["extra_frames"] = pictures(view.extra_frames, extra, {3});
  arrays["next_extra_frames"] = pictures(view.next_extra_frames, extra, {3});
  arrays["depth"] = pictures(view.depth, 0, {});
  arrays["next_depth"] = pictures(view.next_depth, 0, {});
  arrays["extra_depth"] = pictures(view.extra_depth, extra, {});
  arrays["next_extra_depth"] = pictures(view.next_extra_depth, extra, {});
  arrays["segmentation"] = pictures(view.segmentation, 0, {2});
  arrays["next_segmentation"] = pictures(view.next_segmentation, 0, {2});
  arrays["extra_segmentation"] = pictures(view.extra_segmentation, extra, {2});
  arrays["next_extra_segmentation"] = pictures(view.next_extra_segmentation, extra, {2});
  arrays["frame_fresh"] = view.frame_fresh.empty() ? nb::none() : Flags(view.frame_fresh, self);
  arrays["goal_id"] = Array(view.goal_id.data(), {n}, self);
  arrays["env_reward"] = Array(view.env_reward.data(), {n}, self);
  arrays["reward"] = Array(view.reward.data(), {n}, self);
  arrays["terminated"] = Flags(view.terminated, self);
  arrays["truncated"] = Flags(view.truncated, self);
  arrays["success"] = Flags(view.success, self);
  arrays["episode_id"] = Array(view.episode_id.data(), {n}, self);
  arrays["episode_step"] = Array(view.episode_step.data(), {n}, self);
  nb::dict info;
  int64_t offset = 0;
  for (const InfoField& field : spec.info) {
    const double* first = view.info.data() + offset;
    info[field.name.c_str()] = field.size == 1 ? Array(first, {n}, self, {spec.info_dim})
                                               : Array(first, {n, static_cast<size_t>(field.size)},
                                                       self, {spec.info_dim, 1});
    offset += field.size;
  }
  arrays["info"] = info;
  return arrays;
}

nb::dict SpecDict(const PythonVectorEnv& env) {
  const VectorEnvSpec& spec = env.spec();
  nb::dict dict;
  dict["name"] = spec.name;
  dict["num_envs"] = spec.num_envs;
  dict["obs_dim"] = spec.obs_dim;
  dict["act_dim"] = spec.act_dim;
  dict["act_low"] = spec.act_low;
  dict["act_high"] = spec.act_high;
  dict["max_episode_steps"] = spec.max_episode_steps;
  dict["control_dt"] = spec.control_dt;
  dict["autoreset"] = env.made().autoreset;
  dict["learned_reward"] = env.made().learned_reward;
  dict["height"] = spec.height;
  dict["width"] = spec.width;
  dict["extra_cameras"] = spec.extra_cameras;
  return dict;
}

using Pictures =
    nb::ndarray<const uint8_t, nb::shape<-1, -1, -1, 3>, nb::c_contig, nb::device::cpu>;

nb::object ComputeRewards(const PictureReward& reward, const Pictures& frames) {
  auto rewards = std::make_unique<std::vector<float>>(frames.shape(0));
  {
    const nb::gil_scoped_release release;
    reward.Compute(frames.data(), static_cast<int64_t>(frames.shape(1)),
                   static_cast<int64_t>(frames.shape(2)), *rewards);
  }
  const size_t count = rewards->size();
  float* data = rewards->data();
  const nb::capsule owner(rewards.release(),
                          [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, float>(data, {count}, owner), nb::rv_policy::reference);
}

}  // namespace
}  // namespace v2r

NB_MODULE(_v2r, m) {
  using v2r::PictureReward;
  using v2r::PythonVectorEnv;
  v2r::InitLog();
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const v2r::UserError& error) {
      PyErr_SetString(PyExc_ValueError, error.what());
    }
  });
  m.attr("version") = V2R_VERSION;
  m.def("env_names", &v2r::EnvNames);
  m.def("env_doc", &v2r::EnvDoc);
  m.def("reward_names", &v2r::PluginRewardNames);
  m.def("home", [] { return v2r::HomeDirectory().string(); });
  nb::class_<PythonVectorEnv>(m, "VectorEnv")
      .def(nb::init<const std::string&, const std::string&, const nb::dict&>())
      .def("spec", &v2r::SpecDict)
      .def("reset", &PythonVectorEnv::Reset)
      .def("restart", &PythonVectorEnv::Restart)
      .def("step", &PythonVectorEnv::Step)
      .def("step_rate", &PythonVectorEnv::StepRate)
      .def("step_async", &PythonVectorEnv::StepAsync)
      .def("step_wait", &PythonVectorEnv::StepWait)
      .def("arrays", [](nb::handle_t<PythonVectorEnv> self) { return v2r::Arrays(self); });
  nb::class_<PictureReward>(m, "PictureReward")
      .def("__init__",
           [](PictureReward* self, const std::string& reward, const nb::dict& changes) {
             const v2r::ConfigNode node = v2r::ToChanges(changes);
             const nb::gil_scoped_release release;
             new (self) PictureReward(reward, node);
           })
      .def("compute", &v2r::ComputeRewards)
      .def_prop_ro("encoder_fingerprint", &PictureReward::EncoderFingerprint);
}
