#include "core/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "core/files.h"
#include "core/text.h"

namespace v2r {
namespace {

static_assert(std::endian::native == std::endian::little);

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr size_t kAlignment = 8;
const char* const kMetadataKey = "__metadata__";

struct DTypeRow {
  DType dtype;
  const char* name;
  size_t size;
};
constexpr std::array<DTypeRow, 10> kDTypes = {{{DType::kBool, "BOOL", 1},
                                               {DType::kU8, "U8", 1},
                                               {DType::kI8, "I8", 1},
                                               {DType::kI16, "I16", 2},
                                               {DType::kI32, "I32", 4},
                                               {DType::kI64, "I64", 8},
                                               {DType::kF16, "F16", 2},
                                               {DType::kBF16, "BF16", 2},
                                               {DType::kF32, "F32", 4},
                                               {DType::kF64, "F64", 8}}};

const DTypeRow& Row(DType dtype) {
  const auto it = std::find_if(kDTypes.begin(), kDTypes.end(),
                               [&](const DTypeRow& row) { return row.dtype == dtype; });
  V2R_CHECK(it != kDTypes.end(), "dtype {}", static_cast<int>(dtype));
  return *it;
}

DType DTypeByName(const std::string& name, const std::string& where) {
  for (const auto& row : kDTypes) {
    if (name == row.name) return row.dtype;
  }
  ThrowUser("{}: has type {}, which is not supported", where, name);
}

std::string Quote(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    ThrowUser("safetensors: a name or a metadata text is not UTF-8 ({} bytes)", text.size());
  }
}

// Parses the header; a key that stands twice is an error, which the JSON library alone would let
// pass.
Json ParseHeader(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto name = parsed.get<std::string>();
      if (!keys.back().insert(name).second) repeated = name;
    }
    return true;
  };
  Json header;
  try {
    header = Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& error) {
    ThrowUser("{}: is damaged: its header is not JSON ({})", file, error.what());
  }
  if (!repeated.empty()) ThrowUser("{}: is damaged: '{}' stands twice", file, repeated);
  if (!header.is_object()) ThrowUser("{}: is damaged: its header is not a JSON object", file);
  return header;
}

struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::string name;
};

// Shape, type and place of one tensor of the header.
Extent ReadEntry(const std::string& name, const Json& entry, const std::string& file,
                 uint64_t data_size, Blob& blob) {
  const std::string where = fmt::format("{}: tensor '{}'", file, name);
  const auto damaged = [&](const char* what) { ThrowUser("{}: is damaged: {}", where, what); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    damaged("dtype, shape or data_offsets is missing");
  }
  const Json &dtype = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
  if (!dtype.is_string()) damaged("dtype is not a string");
  blob.dtype = DTypeByName(dtype.get<std::string>(), where);
  if (!shape.is_array()) damaged("shape is not a list");
  uint64_t bytes = SizeOf(blob.dtype);
  bool empty = false, too_large = false;
  for (const auto& size : shape) {
    if (!size.is_number_unsigned()) damaged("shape has something that is not a size");
    const auto n = size.get<uint64_t>();
    empty |= n == 0;
    too_large |= n > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!too_large && n != 0) too_large = __builtin_mul_overflow(bytes, n, &bytes);
    blob.shape.push_back(static_cast<int64_t>(n));
  }
  if (empty) bytes = 0;
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    damaged("data_offsets is not a pair of offsets");
  }
  const Extent extent{offsets[0].get<uint64_t>(), offsets[1].get<uint64_t>(), name};
  if (extent.begin > extent.end) damaged("data_offsets run backwards");
  if (extent.end > data_size) {
    ThrowUser("{}: is damaged: its data ends at byte {} of {} (was the file cut off?)", where,
              extent.end, data_size);
  }
  if ((too_large && !empty) || extent.end - extent.begin != bytes) {
    ThrowUser("{}: is damaged: it has {} bytes, its shape and type need {}", where,
              extent.end - extent.begin, too_large ? "more" : fmt::format("{}", bytes));
  }
  return extent;
}

void RequireSeamless(std::vector<Extent> extents, const std::string& file, uint64_t data_size) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t position = 0;
  for (const auto& extent : extents) {
    if (extent.begin != position) {
      ThrowUser("{}: tensor '{}': is damaged: starts at byte {}, {} the one before ends at {}",
                file, extent.name, extent.begin,
                extent.begin < position ? "overlapping:" : "leaving a gap:", position);
    }
    position = extent.end;
  }
  if (position != data_size) {
    ThrowUser("{}: is damaged: {} bytes follow the last tensor", file, data_size - position);
  }
}

}  // namespace

size_t SizeOf(DType dtype) { return Row(dtype).size; }
const char* Name(DType dtype) { return Row(dtype).name; }

int64_t Blob::numel() const {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

void Merge(StateDict& into, const std::string& prefix, StateDict from) {
  for (auto& [name, blob] : from) into[prefix + "." + name] = std::move(blob);
}

StateDict Under(const StateDict& all, const std::string& prefix) {
  const std::string start = prefix + ".";
  StateDict found;
  for (auto it = all.lower_bound(start); it != all.end() && it->first.starts_with(start); ++it) {
    found[it->first.substr(start.size())] = it->second;
  }
  return found;
}

const Blob& Require(const StateDict& state, const std::string& name, const std::string& what) {
  const auto it = state.find(name);
  if (it != state.end()) return it->second;
  std::vector<std::string> names;
  for (const auto& [key, blob] : state) names.push_back(key);
  ThrowUser("{}: '{}' is missing{} (it has {} entries)", what, name, DidYouMean(name, names),
            names.size());
}

Blob TextBlob(const std::string& text) {
  return Blob::Of<uint8_t>({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::string BlobText(const Blob& blob) {
  const auto bytes = blob.as<uint8_t>();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

SafetensorsFile ReadSafetensors(const fs::path& path) {
  const std::string file = path.string();
  const std::string bytes = ReadFile(path);
  uint64_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) {
    ThrowUser("{}: is no safetensors file: it has {} bytes", file, bytes.size());
  }
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  const uint64_t rest = bytes.size() - sizeof(header_size);
  if (header_size > kMaxHeader || header_size > rest) {
    ThrowUser(
        "{}: is no safetensors file or was cut off: its header should have {} bytes, {} are "
        "there",
        file, header_size, rest);
  }
  const std::string_view all(bytes);
  const Json header = ParseHeader(all.substr(sizeof(header_size), header_size), file);
  const std::string_view data = all.substr(sizeof(header_size) + header_size);

  SafetensorsFile result;
  std::vector<Extent> extents;
  for (const auto& [name, entry] : header.items()) {
    if (name != kMetadataKey) {
      extents.push_back(ReadEntry(name, entry, file, data.size(), result.tensors[name]));
      continue;
    }
    if (!entry.is_object()) ThrowUser("{}: is damaged: its metadata is not a map", file);
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) ThrowUser("{}: metadata '{}' is not a string", file, key);
      result.metadata[key] = value.get<std::string>();
    }
  }
  RequireSeamless(extents, file, data.size());
  for (const auto& extent : extents) {
    const auto* first = reinterpret_cast<const uint8_t*>(data.data());
    result.tensors[extent.name].bytes.assign(first + extent.begin, first + extent.end);
  }
  return result;
}

void WriteSafetensors(const fs::path& path, const StateDict& tensors,
                      const std::map<std::string, std::string>& metadata) {
  // Widest types first keeps every tensor aligned, as the reference writer does.
  std::vector<const StateDict::value_type*> order;
  for (const auto& item : tensors) {
    V2R_CHECK_NE(item.first, kMetadataKey);
    V2R_CHECK(item.second.bytes.size() ==
                  static_cast<size_t>(item.second.numel()) * SizeOf(item.second.dtype),
              "{}: {} bytes", item.first, item.second.bytes.size());
    order.push_back(&item);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return SizeOf(a->second.dtype) > SizeOf(b->second.dtype);
  });

  std::vector<std::string> parts;
  if (!metadata.empty()) {
    std::vector<std::string> rows;
    for (const auto& [key, value] : metadata) rows.push_back(Quote(key) + ":" + Quote(value));
    parts.push_back(fmt::format("\"{}\":{{{}}}", kMetadataKey, Join(rows, ",")));
  }
  uint64_t position = 0;
  for (const auto* item : order) {
    const Blob& blob = item->second;
    parts.push_back(fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                                Quote(item->first), Name(blob.dtype), fmt::join(blob.shape, ","),
                                position, position + blob.bytes.size()));
    position += blob.bytes.size();
  }
  std::string header = "{" + Join(parts, ",") + "}";
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');

  const uint64_t header_size = header.size();
  std::string bytes;
  bytes.reserve(sizeof(header_size) + header_size + position);
  bytes.append(reinterpret_cast<const char*>(&header_size), sizeof(header_size));
  bytes += header;
  for (const auto* item : order) {
    const auto& data = item->second.bytes;
    bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  WriteFileAtomic(path, bytes);
}

}  // namespace v2r
