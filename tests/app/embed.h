// What the tests of `v2r embed`'s pictures share.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "app/commands.h"
#include "core/files.h"
#include "core/rng.h"
#include "models/encoder.h"

namespace v2r {

// A network that is no transformer, in root/conv.safetensors.
inline void SaveConvEncoder(const std::filesystem::path& root) {
  Rng rng(1);
  EncoderSpec conv;
  conv.input_size = 32;
  SaveEncoder(root / "conv.safetensors", *MakeEncoderNet(conv, rng), {}, {});
}

// Embeds root/clips with root/`encoder` and the words `more`; names and contents of the pictures
// that it leaves in the folder whose name ends with `suffix`.
inline std::map<std::string, std::string> EmbedPictures(const std::filesystem::path& root,
                                                        const std::string& suffix,
                                                        const std::string& encoder,
                                                        const std::vector<std::string>& more) {
  std::vector<std::string> words = {
      "data.path=" + (root / "clips").string(), "encoder.path=" + (root / encoder).string(),
      "out=" + (root / "z.safetensors").string(), "device=cpu", "torch_threads=1"};
  words.insert(words.end(), more.begin(), more.end());
  const std::filesystem::path folder = root / ("z" + suffix);
  std::filesystem::remove_all(folder);
  std::filesystem::remove(root / "z.safetensors");
  EmbedCommand(words);
  std::map<std::string, std::string> pictures;
  if (!std::filesystem::exists(folder)) return pictures;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    pictures[entry.path().filename().string()] = ReadFile(entry.path());
  }
  return pictures;
}

}  // namespace v2r
