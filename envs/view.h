// A camera that the model does not have: free in space or tracking a body.
#pragma once

#include <string>
#include <vector>

#include "core/options.h"

namespace v2r {

struct ViewOptions {
  std::string type = "fixed";
  double distance = 0;
  double azimuth = 90, elevation = -45;
  std::vector<double> lookat;
  std::string track_body;

  template <typename V>
  void Fields(V& v) {
    v("type", type, "fixed: the camera named by env.camera; free: from these keys; track: follows track_body",
      OneOf({"fixed", "free", "track"}));
    v("distance", distance, "metres to the point looked at, 0 = 1.5 times the model's extent", AtLeast(0));
    v("azimuth", azimuth, "degrees around z; 90 looks along y, 0 along x");
    v("elevation", elevation, "degrees; -90 looks straight down");
    v("lookat", lookat, "point [x, y, z] that a free camera looks at, empty = the model's centre");
    v("track_body", track_body, "body that a tracking camera looks at");
  }
};

}  // namespace v2r
