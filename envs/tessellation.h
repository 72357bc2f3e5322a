// How many faces MuJoCo gives round shapes, by the size of the picture.
#pragma once

#include "envs/physics.h"

namespace v2r {

// Most of the cost of a small picture on the processor is vertices that no pixel shows. Sets the
// model's numslices and numstacks (mjVisual's quality, read when a GL context is made) for pictures
// of `pixels` a side:
//
//   own = what the model says, but not more than 16 slices and 8 stacks: enough at 64 pixels
//   own * sqrt(pixels / 64), rounded up to a multiple of 4 (slices) or 2 (stacks)
//
// since a shape of 4 n slices is as wide as the circle both across and along, and since a polygon
// of n sides is off a circle of radius r by r pi^2 / (2 n^2). That is never more than the model
// says or, where it says less, MuJoCo's defaults (28 and 16), and never less than `own`. The
// defaults are reached at 224 pixels. numquads, on which the lighting of planes and boxes depends,
// stays.
void Tessellate(mjModel& model, int pixels);

}  // namespace v2r
