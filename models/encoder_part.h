// What an encoder file may carry besides net and heads: modules that only some command needs, as
// MAE's decoder. Whoever embeds does not read them, and the fingerprint leaves them out.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "models/encoder.h"

namespace v2r {

// Stored as tensors "part.NAME.*" and metadata "part.NAME".
struct EncoderPart {
  std::string spec;    // JSON: what it takes to build the module (models/spec_json.h)
  TensorDict tensors;  // of the module, as ModuleState() names them; float32 and int64
};
using EncoderParts = std::map<std::string, EncoderPart>;

// SaveEncoder() with parts. UserError: a name that is not letters, digits, _ and -.
void SaveEncoder(const std::filesystem::path& path, EncoderNetImpl& net,
                 const std::map<std::string, Head>& heads,
                 const std::map<std::string, std::string>& info, const EncoderParts& parts);
// The parts of an encoder file, none where it has none. UserError: not an encoder file.
EncoderParts LoadEncoderParts(const std::filesystem::path& path);

}  // namespace v2r
