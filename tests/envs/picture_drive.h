// Every picture that can be drawn.
#pragma once

#include "tests/envs/drive.h"

namespace v2r {

// Another camera, both modalities, every third step.
inline EnvOptions Everything(EnvOptions options) {
  options.views = ParseYaml("side: {type: free, azimuth: 20}", "test");
  options.modalities = {"depth", "segmentation"};
  options.render_every = 3;
  return options;
}

}  // namespace v2r
