// Options of I-JEPA, named as in its configs.
#pragma once

#include <cstdint>
#include <vector>

#include "core/options.h"

namespace v2r {

struct IjepaOptions {
  std::vector<double> pred_mask_scale = {0.15, 0.2};
  std::vector<double> enc_mask_scale = {0.85, 1.0};
  std::vector<double> aspect_ratio = {0.75, 1.5};
  int64_t num_enc_masks = 1;
  int64_t num_pred_masks = 4;
  int64_t min_keep = 10;
  bool allow_overlap = false;
  int64_t pred_emb_dim = 64;
  int64_t pred_depth = 2;
  int64_t pred_heads = 0;

  template <typename V>
  void Fields(V& v) {
    v("pred_mask_scale", pred_mask_scale,
      "least and largest share of the picture that a target block covers");
    v("enc_mask_scale", enc_mask_scale, "the same of a context block");
    v("aspect_ratio", aspect_ratio, "least and largest height / width of a target block");
    v("num_enc_masks", num_enc_masks, "context blocks a picture", InRange(1, 16));
    v("num_pred_masks", num_pred_masks, "target blocks a picture", InRange(1, 16));
    v("min_keep", min_keep, "a block has more patches than this", AtLeast(0));
    v("allow_overlap", allow_overlap, "context blocks may show what target blocks ask for");
    v("pred_emb_dim", pred_emb_dim, "width of the predictor (the paper: 384)", AtLeast(4));
    v("pred_depth", pred_depth, "blocks of the predictor (the paper: 12)", InRange(1, 64));
    v("pred_heads", pred_heads, "heads of the predictor, 0 = the encoder's", InRange(0, 64));
  }
};

}  // namespace v2r
