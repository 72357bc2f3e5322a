// What draws on this machine and how fast, for `v2r doctor`.
#pragma once

#include <string>
#include <vector>

#include "envs/gl_context.h"

namespace v2r {

struct GlSpeed {
  int pixels = 0;    // height and width of the pictures
  int contexts = 0;  // threads with one each
  double pictures_per_second = 0;
};

// Numbers of contexts worth trying: 1 and one a core; on a GPU 1, 2, 4, 8 and 16.
std::vector<int> ContextsToTry(const GlDriver& driver, int cores);

// Draws v2r/reach at 64, 128 and 224 pixels with each of the `contexts`, `seconds` each. Error that
// names the driver's threads when it hangs (at 16 contexts some did, mujoco issue 3444).
std::vector<GlSpeed> MeasureGl(const std::vector<int>& contexts, double seconds = 0.3);

// A table of it: sizes down, contexts across.
std::string GlSpeedTable(const std::vector<GlSpeed>& speeds);

// "drawn by ..." in one line. UserError: software beside a GPU by `maker`, unless that is allowed.
std::string DrawnBy(const GlDriver& driver, const std::string& maker, bool allow_software);

}  // namespace v2r
