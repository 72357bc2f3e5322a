#include "models/weights_map.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "models/positions.h"

namespace v2r {
namespace {

using Names = std::vector<std::string>;

struct Network {
  std::string name;
  Names prefixes;
};
struct Format {
  std::string name;
  std::vector<Network> networks;  // the first is taken when none is asked for
  Names heads;                    // beginnings inside the network that are left out
  Names beside;                   // beginnings in the file, outside of it, that are left out
};

const Names& TrainingState() {
  static const Names names = {"optimizer.", "opt.", "scaler.", "lr_scheduler.", "scheduler."};
  return names;
}

Names WithModule(const Names& tops) {
  Names all;
  for (const std::string& top : tops) {
    all.push_back(top);
    all.push_back(top + "module.");
  }
  return all;
}

const std::vector<Format>& Formats() {
  static const Names plain = WithModule({"", "state_dict.", "model."});
  static const std::vector<Format> formats = {
      // pytorch/vision models/resnet.py, vision_transformer.py
      {"torchvision", {{"", plain}}, {"fc.", "heads."}, {"model_ema."}},
      // facebookresearch/moco main_moco.py
      {"moco",
       {{"encoder_q", {"state_dict.module.encoder_q.", "state_dict.encoder_q.", "encoder_q."}},
        {"encoder_k", {"state_dict.module.encoder_k.", "state_dict.encoder_k.", "encoder_k."}}},
       {"fc."},
       {"queue", "queue_ptr"}},
      // facebookresearch/moco-v3 main_moco.py
      {"mocov3",
       {{"base_encoder",
         {"state_dict.module.base_encoder.", "state_dict.base_encoder.", "base_encoder."}},
        {"momentum_encoder",
         {"state_dict.module.momentum_encoder.", "state_dict.momentum_encoder.",
          "momentum_encoder."}}},
       {"fc.", "head."},
       {"predictor."}},
      // facebookresearch/dino main_dino.py and dinov2; its backbone files have no prefix
      {"dino",
       {{"teacher", {"teacher.backbone.", "teacher.module.backbone.", ""}},
        {"student", {"student.module.backbone.", "student.backbone."}}},
       {"head.", "mask_token", "fc."},
       {"teacher.head.", "teacher.module.head.", "student.head.", "student.module.head.",
        "teacher.dino_head.", "teacher.ibot_head.", "student.dino_head.", "student.ibot_head.",
        "dino_loss.", "fp16_scaler."}},
      // facebookresearch/mae main_pretrain.py
      {"mae", {{"", {"model.", ""}}}, {"mask_token", "decoder_", "head."}, {}},
      // facebookresearch/ijepa src/train.py
      {"ijepa",
       {{"target_encoder", {"target_encoder.module.", "target_encoder."}},
        {"encoder", {"encoder.module.", "encoder."}}},
       {},
       {"predictor."}},
      // huggingface/pytorch-image-models
      {"timm", {{"", plain}}, {"fc.", "head."}, {"state_dict_ema.", "model_ema."}},
      // facebookresearch/vip and r3m
      {"vip", {{"", {"vip.module.convnet.", "vip.convnet."}}}, {}, {}},
      {"r3m",
       {{"", {"r3m.module.convnet.", "r3m.convnet."}}},
       {"fc."},
       {"r3m.module.lang_enc.", "r3m.module.lang_rew.", "r3m.lang_enc.", "r3m.lang_rew."}},
  };
  return formats;
}

bool StartsWithAny(const std::string& name, const Names& starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](const std::string& start) { return name.starts_with(start); });
}

enum class Family { kNone, kResNet, kVit };

Family FamilyAt(const WeightsFile::Shapes& shapes, const std::string& prefix) {
  const auto has = [&](const char* name) { return shapes.contains(prefix + name); };
  if (has("layer1.0.conv1.weight")) return Family::kResNet;
  const bool blocks = has("blocks.0.norm1.weight") || has("blocks.0.0.norm1.weight");
  const bool patches = has("patch_embed.proj.weight") || has("patch_embed.proj.0.weight");
  if (blocks && patches) return Family::kVit;
  return has("encoder.layers.encoder_layer_0.ln_1.weight") ? Family::kVit : Family::kNone;
}

// The network of `format` in the file; its prefix is "?" when it is not there.
WeightsSource SourceIn(const WeightsFile& file, const Format& format, const std::string& network) {
  for (const Network& candidate : format.networks) {
    if (!network.empty() && candidate.name != network) continue;
    for (const std::string& prefix : candidate.prefixes) {
      const Family family = FamilyAt(file.shapes(), prefix);
      if (family == Family::kNone) continue;
      return {format.name, candidate.name, prefix, family == Family::kVit};
    }
  }
  return {format.name, network, "?", false};
}

bool IsMaeTable(const WeightsFile& file, const std::string& name) {
  const auto found = file.shapes().find(name);
  if (found == file.shapes().end() || found->second.size() != 3) return false;
  const auto table = file.Read(name);
  const int64_t rows = table.size(1), dim = table.size(2);
  const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(rows)));
  if (table.size(0) != 1 || rows != 1 + side * side || dim % 4 != 0) return false;
  return torch::allclose(table, SinCosTable(dim, side, side, "mae", true), 0, 1e-4);
}

// A file whose network has no telling prefix.
std::string FormatOfPlain(const WeightsFile& file, const WeightsSource& found) {
  const auto has = [&](const char* name) { return file.shapes().contains(found.prefix + name); };
  if (!found.vit) return "torchvision";
  if (has("class_token")) return "torchvision";
  if (has("decoder_embed.weight") || IsMaeTable(file, found.prefix + "pos_embed")) return "mae";
  if (has("mask_token") && (has("blocks.0.ls1.gamma") || has("blocks.0.0.ls1.gamma")))
    return "dino";
  if (has("reg_token") || has("head.weight") || has("blocks.0.ls1.gamma")) return "timm";
  ThrowUser(
      "{}: a transformer whose names DINO's and timm's files have alike, and their preprocessing "
      "differs: say --format dino or --format timm",
      file.path().string());
}

Names FirstNames(const WeightsFile& file) {
  Names names;
  for (const auto& [name, shape] : file.shapes()) {
    if (names.size() < 4) names.push_back(name);
  }
  return names;
}

const Format& FormatOf(const std::string& name) {
  for (const Format& format : Formats()) {
    if (format.name == name) return format;
  }
  ThrowUser("format: unknown value '{}'{} (known: auto, {})", name,
            DidYouMean(name, WeightsFormats()), Join(WeightsFormats(), ", "));
}

WeightsSource DetectSource(const WeightsFile& file, const std::string& network) {
  for (const Format& format : Formats()) {
    if (format.name == "torchvision" || format.name == "timm" || format.name == "mae") continue;
    const WeightsSource source = SourceIn(file, format, network);
    if (source.prefix != "?" && !source.prefix.empty()) return source;
  }
  const WeightsSource plain = SourceIn(file, FormatOf("torchvision"), network);
  if (plain.prefix == "?") return plain;
  WeightsSource source = plain;
  source.format = FormatOfPlain(file, plain);
  source.network = FormatOf(source.format).networks[0].name;
  return source;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

// torchvision's transformer -> timm's names.
const std::vector<std::pair<std::string, std::string>>& TorchvisionVit() {
  static const std::vector<std::pair<std::string, std::string>> pairs = {
      {"class_token", "cls_token"},
      {"conv_proj.", "patch_embed.proj."},
      {"encoder.pos_embedding", "pos_embed"},
      {"encoder.layers.encoder_layer_", "blocks."},
      {"encoder.ln.", "norm."},
      {".ln_1.", ".norm1."},
      {".ln_2.", ".norm2."},
      {".self_attention.in_proj_", ".attn.qkv."},
      {".self_attention.out_proj.", ".attn.proj."},
      {".mlp.0.", ".mlp.fc1."},
      {".mlp.3.", ".mlp.fc2."},
      {"heads.head.", "head."}};
  return pairs;
}

// "blocks.0.11.attn..." of DINOv2's chunks -> "blocks.11.attn..."
std::string WithoutChunk(const std::string& name) {
  const auto parts = Split(name, '.');
  const auto number = [](const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  if (parts.size() < 4 || parts[0] != "blocks" || !number(parts[1]) || !number(parts[2])) {
    return name;
  }
  return "blocks." + name.substr(("blocks." + parts[1] + ".").size());
}

std::string VitName(std::string name) {
  if (name.starts_with("encoder.") || name.starts_with("class_token") ||
      name.starts_with("conv_proj.") || name.starts_with("heads.")) {
    for (const auto& [from, to] : TorchvisionVit()) name = Replaced(name, from, to);
  }
  name = Replaced(WithoutChunk(name), "reg_token", "register_tokens");
  return name.starts_with("head.") ? "fc." + name.substr(5) : name;
}

}  // namespace

std::vector<std::string> WeightsFormats() {
  Names names;
  for (const Format& format : Formats()) names.push_back(format.name);
  return names;
}

WeightsSource FindSource(const WeightsFile& file, const std::string& format,
                         const std::string& network) {
  const WeightsSource source =
      format == "auto" ? DetectSource(file, network) : SourceIn(file, FormatOf(format), network);
  if (source.prefix != "?") return source;
  if (format != "auto" && !network.empty()) {
    Names known;
    for (const Network& candidate : FormatOf(format).networks) known.push_back(candidate.name);
    if (std::find(known.begin(), known.end(), network) == known.end()) {
      ThrowUser("network: format {} has no '{}'{} (known: {})", format, network,
                DidYouMean(network, known), Join(known, ", "));
    }
  }
  ThrowUser("{}: holds no network laid out as {}{}; its tensors begin {}", file.path().string(),
            format == "auto" ? "one of " + Join(WeightsFormats(), ", ") : format,
            network.empty() ? "" : " has its " + network, Join(FirstNames(file), ", "));
}

WeightsName NameOf(const WeightsSource& source, const std::string& theirs, bool keep_fc) {
  using Kind = WeightsName::Kind;
  const Format& format = FormatOf(source.format);
  if (!theirs.starts_with(source.prefix)) {
    if (StartsWithAny(theirs, format.beside) || StartsWithAny(theirs, TrainingState())) {
      return {Kind::kDropped, ""};
    }
    // The other networks of the file, and what lies beside them under the same top.
    for (const Network& network : format.networks) {
      for (const std::string& prefix : network.prefixes) {
        if (!prefix.empty() && prefix != source.prefix && theirs.starts_with(prefix)) {
          return {Kind::kDropped, ""};
        }
      }
    }
    const std::string top = "state_dict.module.";
    const std::string inside = theirs.starts_with(top)             ? theirs.substr(top.size())
                               : theirs.starts_with("state_dict.") ? theirs.substr(11)
                                                                   : theirs;
    return {StartsWithAny(inside, format.beside) ? Kind::kDropped : Kind::kUnknown, ""};
  }
  std::string name = theirs.substr(source.prefix.size());
  if (source.prefix.empty() && StartsWithAny(name, TrainingState())) return {Kind::kDropped, ""};
  const std::string ours = source.vit ? VitName(name) : name;
  const bool last = ours == "fc.weight" || ours == "fc.bias";
  if (last && keep_fc) return {Kind::kOurs, ours};
  if (StartsWithAny(name, format.heads)) return {Kind::kDropped, ""};
  return {Kind::kOurs, ours};
}

std::string HintFor(const std::string& name) {
  static const std::vector<std::pair<const char*, const char*>> hints = {
      {"fc_norm.", "it takes the mean of the patch tokens before its last norm, ours after it"},
      {"mlp.w12", "its blocks have SwiGLU layers (DINOv2's giant): there are none here"},
      {"mlp.w3", "its blocks have SwiGLU layers (DINOv2's giant): there are none here"},
      {"dist_token", "it has DeiT's distillation token: there is none here"},
      {"q_norm", "it normalises queries and keys: our blocks do not"},
      {"norm_pre", "it has a norm before its blocks (CLIP): there is none here"},
      {"rel_pos", "it has relative positions (BEiT): there are none here"},
      {".se.", "it has squeeze-and-excitation layers: there are none here"},
      {"attnpool", "it is CLIP's or LIV's ResNet, which pools by attention: there is none here"}};
  for (const auto& [part, hint] : hints) {
    if (name.find(part) != std::string::npos) return hint;
  }
  return "";
}

std::string ExportedName(const std::string& ours, bool vit, bool torchvision) {
  if (!vit) return ours;
  std::string name = ours.starts_with("fc.") ? "head." + ours.substr(3) : ours;
  if (!torchvision) return Replaced(name, "register_tokens", "reg_token");
  if (name == "pos_embed") return "encoder.pos_embedding";
  if (name == "cls_token") return "class_token";
  for (const auto& [from, to] : TorchvisionVit()) name = Replaced(name, to, from);
  return name;
}

}  // namespace v2r
