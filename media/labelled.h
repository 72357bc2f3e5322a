// Labelled pictures: folders of classes, CIFAR's binary files, .npz. LoadClips() reads through
// these; a picture is a clip of one frame, named and in the order of the data. Only .npz may say
// that several pictures are one clip.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "media/clips.h"

namespace v2r {

// What options.format says, "auto" resolved by what lies at options.path: a file *.npz is "npz", a
// folder with CIFAR's .bin files (or with CIFAR's own folder in it) is "cifar", all else is
// "clips".
std::string ResolveFormat(const DataOptions& options);

// pictures uint8 [N,H,W,3], CPU; targets int64 [N], or undefined; each brought to frame_size as
// DataOptions say, at most max_clips a class. clips int64 [N], or undefined: neighbours of one
// number are the frames of one clip. UserError: max_gib, two targets in one clip.
ClipSet LabelledPictures(const torch::Tensor& pictures, const torch::Tensor& targets,
                         std::vector<std::string> classes, const DataOptions& options,
                         const torch::Tensor& clips = {});

// A folder a class, classes and files in the order of their names' bytes, files at any depth
// (torchvision datasets/folder.py, but .png .jpg .jpeg .bmp only). With folders train and test (or
// val) and nothing else in it, options.split picks. UserError: a class without pictures, loose
// pictures beside the folders, a picture that cannot be read.
ClipSet LoadImageFolder(const DataOptions& options);
// CIFAR-10 (data_batch_1..5.bin, test_batch.bin, batches.meta.txt; records of 1 + 3072 bytes) or
// CIFAR-100 (train.bin, test.bin, fine_label_names.txt; 2 + 3072 bytes: coarse, fine; fine is
// taken). UserError: a file is missing, no whole number of records, a label out of range.
ClipSet LoadCifar(const DataOptions& options);
// Keys x or images: uint8 [N,H,W,C], [N,C,H,W] (C = 1 or 3) or [N,H,W]; y or labels: integers [N]
// or [N,1], from 0 (may be missing); clip: integers [N], pictures in a row of one number are one
// clip (may be missing); classes: |S names (may be missing). Or, with parts, x_train, y_train,
// clip_train, x_test, y_test, clip_test. UserError: naming file and array.
ClipSet LoadNpz(const DataOptions& options);

}  // namespace v2r
