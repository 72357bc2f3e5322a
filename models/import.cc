#include "models/import.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "core/tensor_file.h"
#include "core/text.h"
#include "models/import_spec.h"
#include "models/init.h"
#include "models/positions.h"
#include "models/resnet.h"
#include "models/vit.h"

namespace v2r {
namespace {

// Ours that a file need not have.
bool IsCounter(const std::string& name) {
  return name.ends_with("num_batches_tracked") || name == "drop_path_draws";
}

std::string Some(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  const std::vector<std::string> first(names.begin(),
                                       names.begin() + std::min(names.size(), kShown));
  return Join(first, ", ") +
         (names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
}

std::string ShapeText(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// The file's positions as the net keeps them: with a row for the cls token, of the wanted grid.
torch::Tensor FitPositions(torch::Tensor table, const EncoderSpec& spec,
                           const ImportOptions& options, std::string& how) {
  const int64_t side = spec.input_size / spec.patch_size;
  const bool cls_row = !IsSquare(table.size(1));
  if (spec.cls_token && !cls_row) {
    // timm's no_embed_class: the cls token has no position.
    table = torch::cat({torch::zeros({1, 1, table.size(2)}), table}, 1);
  }
  const auto from = SquareSide(table.size(1) - spec.cls_token);
  if (from == side) return table;
  how = fmt::format("{} from {}x{} to {}x{}", options.position_resize, from, from, side, side);
  return options.position_resize == "dino" ? InterpolatePositionsDino(table, side, side)
                                           : InterpolatePositionsDeit(table, side, side);
}

// Learned, unless they are one of the fixed tables.
std::string LayoutOf(const torch::Tensor& table, bool cls_token) {
  const int64_t side = SquareSide(table.size(1) - cls_token);
  if (table.size(2) % 4 != 0 || side * side != table.size(1) - cls_token) return "learned";
  for (const std::string layout : {"mae", "mocov3"}) {
    if (torch::allclose(table, SinCosTable(table.size(2), side, side, layout, cls_token), 0,
                        1e-4)) {
      return layout == "mae" ? "sincos" : "sincos_mocov3";
    }
  }
  return "learned";
}

// Everything that does not fit, at once.
void RequireFit(const WeightsFile& file, const ImportResult& result, const TensorDict& state,
                const std::vector<std::string>& unexpected) {
  std::vector<std::string> missing, shapes, lines;
  const TensorDict ours = ModuleState(*result.net);
  std::vector<std::string> left = unexpected;
  for (const auto& [name, tensor] : ours) {
    const auto found = state.find(name);
    if (found == state.end()) {
      if (!IsCounter(name)) missing.push_back(name);
    } else if (found->second.sizes() != tensor.sizes()) {
      shapes.push_back(fmt::format("{} {} instead of {}", name, ShapeText(found->second.sizes()),
                                   ShapeText(tensor.sizes())));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (!ours.contains(name)) left.push_back(result.source.prefix + name);
  }
  if (!missing.empty()) lines.push_back("missing: " + Some(missing));
  if (!left.empty()) lines.push_back("unexpected: " + Some(left));
  if (!shapes.empty()) lines.push_back("other shape: " + Some(shapes));
  if (lines.empty()) return;
  for (const std::string& name : left) {
    if (const std::string hint = HintFor(name); !hint.empty()) {
      lines.push_back(hint);
      break;
    }
  }
  ThrowUser("{}: does not fit {} (format {}, prefix '{}')\n  {}", file.path().string(),
            result.net->spec().arch, result.source.format, result.source.prefix,
            Join(lines, "\n  "));
}

}  // namespace

ImportResult ImportWeights(const std::filesystem::path& path, const ImportOptions& options) {
  const WeightsFile file(path);
  ImportResult result;
  result.source = FindSource(file, options.format, options.network);
  result.container = file.container();
  result.skipped = file.skipped();
  const bool keep_fc = options.keep_fc || result.source.format == "vip";
  WeightsFile::Shapes shapes;
  std::map<std::string, std::string> theirs;  // by our name
  std::vector<std::string> unexpected;
  for (const auto& [name, shape] : file.shapes()) {
    const WeightsName known = NameOf(result.source, name, keep_fc);
    if (known.kind == WeightsName::Kind::kDropped) {
      result.dropped.push_back(name);
    } else if (known.kind == WeightsName::Kind::kUnknown || theirs.contains(known.ours)) {
      unexpected.push_back(name);
    } else {
      shapes[known.ours] = shape;
      theirs[known.ours] = name;
    }
  }
  TensorDict state;
  for (const auto& [ours, name] : theirs) state[ours] = file.Read(name);

  EncoderSpec spec = SpecOf(path.string(), result.source, shapes, options);
  if (result.source.vit && state.contains("pos_embed")) {
    auto& positions = state["pos_embed"];
    positions = FitPositions(positions, spec, options, result.positions);
    spec.positions = LayoutOf(positions, spec.cls_token);
  }
  try {
    result.net = BlankEncoderNet(spec);
  } catch (const UserError& error) {
    ThrowUser("{}: {}", path.string(), error.what());
  }
  const std::string first = result.source.vit ? "patch_embed.proj" : "conv1";
  for (const std::string name : {first + ".weight", first + ".0.weight"}) {
    const auto conv = state.find(name);
    if (conv == state.end() || options.frame_stack == 1 || conv->second.dim() != 4) continue;
    conv->second = conv->second.repeat({1, options.frame_stack, 1, 1}) /
                   static_cast<double>(options.frame_stack);
  }
  RequireFit(file, result, state, unexpected);
  for (const auto& [name, tensor] : state) result.loaded.push_back(name);
  for (const auto& [name, tensor] : ModuleState(*result.net)) {
    if (IsCounter(name) && !state.contains(name)) state[name] = tensor;
  }
  LoadModuleState(*result.net, state, path.string());
  result.net->eval();
  return result;
}

std::vector<std::string> ExportWeights(const EncoderNetImpl& net, const std::string& names,
                                       const std::filesystem::path& path) {
  const EncoderSpec& spec = net.spec();
  const std::vector<std::string> known = {"torchvision", "timm"};
  if (std::find(known.begin(), known.end(), names) == known.end()) {
    ThrowUser("names: unknown value '{}'{} (known: {})", names, DidYouMean(names, known),
              Join(known, ", "));
  }
  const bool vit = IsVit(spec.arch), torchvision = names == "torchvision";
  const auto refuse = [&](const std::string& what) {
    ThrowUser("{} has no place for {}", names, what);
  };
  if (!vit && !IsResNet(spec.arch)) refuse("encoder.arch=" + spec.arch);
  if (spec.variant == "simclr") refuse("encoder.variant=simclr");
  if (spec.background != "none") refuse("encoder.background=" + spec.background);
  if (spec.variant == "resnet_d" && torchvision) refuse("encoder.variant=resnet_d: take timm");
  if (vit && torchvision) {
    const char* takes = ": take timm";
    if (spec.stem != "patch") refuse("encoder.stem=" + spec.stem + takes);
    if (!spec.cls_token) refuse(std::string("encoder.cls_token=false") + takes);
    if (spec.registers > 0) refuse(std::string("encoder.registers") + takes);
    if (spec.layer_scale > 0) refuse(std::string("encoder.layer_scale") + takes);
  }
  TensorDict out;
  std::vector<std::string> written;
  for (const auto& [name, tensor] : ModuleState(net)) {
    if (name == "drop_path_draws") continue;  // of our training alone
    const std::string theirs = ExportedName(name, vit, torchvision);
    out[theirs] = tensor;
    written.push_back(theirs);
  }
  WriteSafetensors(path, ToStateDict(out), {{"format", "pt"}});
  return written;
}

}  // namespace v2r
