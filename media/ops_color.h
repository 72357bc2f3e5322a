// Colour operations on a picture in [0,1], in place; results are cut to [0,1] as their sources do.
#pragma once

#include "media/picture.h"

namespace v2r {

// torchvision.transforms.functional (tensor path): factor 1 changes nothing.
void Grayscale(const Picture& x);  // all channels: ITU-R 601-2, .2989 R + .587 G + .114 B
void AdjustBrightness(const Picture& x, float factor);  // factor * x
void AdjustContrast(const Picture& x, float factor);    // blend with the mean of the grey picture
void AdjustSaturation(const Picture& x, float factor);  // blend with the grey picture
void AdjustHue(const Picture& x, float turns);          // hue circle, 1 = all the way round
void Invert(const Picture& x);                          // 1 - x
void Solarize(const Picture& x, float threshold);       // 1 - x where x >= threshold

// google-research/simclr tf2/data_util.py, where it differs (brightness of v1 adds; contrast keeps
// each channel's own mean; saturation scales S of HSV).
void AddBrightness(const Picture& x, float delta);
void AdjustContrastPerChannel(const Picture& x, float factor);
void AdjustSaturationHsv(const Picture& x, float factor);

// Hexcone model (Smith 1978), h in turns [0,1).
void RgbToHsv(const Picture& x);
void HsvToRgb(const Picture& x);

}  // namespace v2r
