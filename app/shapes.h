// v2r shapes: a labelled set of pictures of MuJoCo shapes, drawn here.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"

namespace v2r {

struct ShapesCommandOptions {
  std::string out = "shapes.npz";
  int64_t count = 20000;
  int64_t views = 1;
  double test_share = 0.1;
  int64_t size = 48;
  int64_t seed = 1;
  int64_t render_threads = 0;

  template <typename V>
  void Fields(V& v) {
    v("out", out, "file to write: x_train, y_train, clip_train, the same of test, classes");
    v("count", count, "pictures, ten kinds of shapes in turn", AtLeast(20));
    v("views", views,
      "pictures of each thing, a clip: its shape and colour stay; pose, room, light, camera do not",
      AtLeast(1));
    v("test_share", test_share, "of them in the test part, rounded to whole tens of things",
      InRange(0.001, 0.9));
    v("size", size, "height and width", InRange(16, 256));
    v("seed", seed, "of everything that is random in a picture", AtLeast(0));
    v("render_threads", render_threads, "threads with a GL context each, 0 = number of cores",
      AtLeast(0));
  }
};

// Atomic; equal options but for render_threads give equal bytes on one GL driver. UserError: the
// disk, no GL, a test part of no or all pictures, a count
// that is no multiple of views.
void WriteShapes(const ShapesCommandOptions& options);

}  // namespace v2r
