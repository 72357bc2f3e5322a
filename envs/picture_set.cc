#include "envs/picture_set.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/text.h"

namespace v2r {
namespace {

template <typename T>
void Part(const std::vector<T>& all, size_t main, std::span<const T>& first,
          std::span<const T>& rest) {
  const std::span<const T> values = all;
  first = values.first(std::min(main, values.size()));
  rest = values.subspan(first.size());
}

// Calls each(pictures of env i by one camera, their bytes) in a fixed order.
template <typename Set, typename Each>
void ForRow(Set& set, int64_t i, Each each) {
  const auto all = [&](auto& values, size_t channels) {
    if (values.empty()) return;
    for (size_t c = 0; c < set.cameras; ++c) {
      each(values.data() + (c * set.plane + i * set.pixels) * channels,
           set.pixels * channels * sizeof(values[0]));
    }
  };
  all(set.rgb, 3);
  all(set.depth, 1);
  all(set.segmentation, 2);
}

}  // namespace

std::vector<ExtraCamera> ExtraCameras(const EnvOptions& options) {
  std::vector<ExtraCamera> cameras;
  const auto add = [&](ExtraCamera camera, const char* key) {
    for (const ExtraCamera& other : cameras) {
      if (other.name == camera.name) ThrowUser("{}: '{}' is there twice", key, camera.name);
    }
    cameras.push_back(std::move(camera));
  };
  for (const std::string& name : options.cameras) {
    if (name.empty()) ThrowUser("env.cameras: a name is empty");
    add({name, {}}, "env.cameras");
  }
  for (const auto& [name, node] : options.views.entries()) {
    const std::string key = "env.views." + name;
    ExtraCamera camera{name, {}};
    Bind(node, camera.view, key);
    if (camera.view.type == "fixed") {
      ThrowUser("{}.type: free or track (a camera of the model goes into env.cameras)", key);
    }
    add(std::move(camera), "env.views");
  }
  return cameras;
}

void DescribePictures(const EnvOptions& options, bool has_goal_frame, VectorEnvSpec& spec) {
  const std::vector<ExtraCamera> cameras = ExtraCameras(options);
  bool depth = false, segmentation = false;
  for (const std::string& name : options.modalities) {
    if (name != "depth" && name != "segmentation") {
      const std::vector<std::string> known = {"depth", "segmentation"};
      ThrowUser("env.modalities: there is no '{}'{} (there are: {}; colours are always drawn)",
                name, DidYouMean(name, known), Join(known, ", "));
    }
    bool& wanted = name == "depth" ? depth : segmentation;
    if (wanted) ThrowUser("env.modalities: '{}' is there twice", name);
    wanted = true;
  }
  if (!options.render) return;
  spec.height = spec.width = options.frame_size;
  for (const ExtraCamera& camera : cameras) spec.extra_cameras.push_back(camera.name);
  spec.has_depth = depth;
  spec.has_segmentation = segmentation;
  spec.render_every = options.render_every;
  spec.has_goal_frame = has_goal_frame;
}

PictureSet::PictureSet(const VectorEnvSpec& spec, bool main_alone)
    : pixels(spec.height * spec.width),
      plane(spec.num_envs * pixels),
      cameras(main_alone ? 1 : 1 + spec.extra_cameras.size()) {
  rgb.resize(cameras * plane * 3);
  if (spec.has_depth && !main_alone) depth.resize(cameras * plane);
  if (spec.has_segmentation && !main_alone) segmentation.resize(cameras * plane * 2);
}

DrawRequest PictureSet::Of(int64_t i) {
  DrawRequest picture;
  const size_t first = i * pixels;
  picture.out = rgb.data() + first * 3;
  if (!depth.empty()) picture.depth = depth.data() + first;
  if (!segmentation.empty()) picture.segmentation = segmentation.data() + first * 2;
  picture.stride = cameras > 1 ? plane : 0;
  return picture;
}

void PictureSet::ShowPresent(BatchView& view) const {
  Part(rgb, plane * 3, view.frame, view.extra_frames);
  Part(depth, plane, view.depth, view.extra_depth);
  Part(segmentation, plane * 2, view.segmentation, view.extra_segmentation);
}

void PictureSet::ShowNext(BatchView& view) const {
  Part(rgb, plane * 3, view.next_frame, view.next_extra_frames);
  Part(depth, plane, view.next_depth, view.next_extra_depth);
  Part(segmentation, plane * 2, view.next_segmentation, view.next_extra_segmentation);
}

size_t PictureSet::RowBytes() const {
  size_t bytes = 0;
  ForRow(*this, 0, [&](const void*, size_t size) { bytes += size; });
  return bytes;
}

void PictureSet::SaveRow(int64_t i, uint8_t* row) const {
  ForRow(*this, i, [&](const void* pictures, size_t size) {
    std::memcpy(row, pictures, size);
    row += size;
  });
}

void PictureSet::LoadRow(int64_t i, const uint8_t* row) {
  ForRow(*this, i, [&](void* pictures, size_t size) {
    std::memcpy(pictures, row, size);
    row += size;
  });
}

}  // namespace v2r
