#include "core/torch_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>

#include "core/files.h"
#include "core/pickle.h"
#include "core/zip.h"

namespace v2r {
namespace {

using Kind = PickleNode::Kind;

constexpr uint64_t kMaxPickle = uint64_t{256} << 20;
constexpr int kMaxDepth = 64;
constexpr size_t kMaxSteps = 4'000'000;
constexpr size_t kMaxName = 1024;
constexpr size_t kMaxTensors = 200'000;
constexpr size_t kMaxDims = 16;
// torch/serialization.py MAGIC_NUMBER 0x1950a86a20f9469cfc6c and PROTOCOL_VERSION.
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr size_t kLegacyStart = 32;  // the magic number's pickle is shorter in any protocol
constexpr int64_t kLegacyVersion = 1001;

// "torch FloatStorage" and "torch float32" -> the type; none for what has no place in a Blob.
std::optional<DType> TypeOf(const std::string& global) {
  static const std::map<std::string, DType> types = {
      {"torch FloatStorage", DType::kF32},     {"torch float32", DType::kF32},
      {"torch DoubleStorage", DType::kF64},    {"torch float64", DType::kF64},
      {"torch HalfStorage", DType::kF16},      {"torch float16", DType::kF16},
      {"torch BFloat16Storage", DType::kBF16}, {"torch bfloat16", DType::kBF16},
      {"torch LongStorage", DType::kI64},      {"torch int64", DType::kI64},
      {"torch IntStorage", DType::kI32},       {"torch int32", DType::kI32},
      {"torch ShortStorage", DType::kI16},     {"torch int16", DType::kI16},
      {"torch CharStorage", DType::kI8},       {"torch int8", DType::kI8},
      {"torch ByteStorage", DType::kU8},       {"torch uint8", DType::kU8},
      {"torch BoolStorage", DType::kBool},     {"torch bool", DType::kBool},
      {"torch UntypedStorage", DType::kU8},    {"torch.storage UntypedStorage", DType::kU8}};
  const auto found = types.find(global);
  if (found == types.end()) return std::nullopt;
  return found->second;
}

struct Storage {
  std::optional<DType> dtype;
  std::string type;  // its class
  uint64_t bytes = 0;
  uint64_t begin = 0;  // legacy: in the file
};

// Walks the pickled object for tensors.
class Walker {
 public:
  Walker(const Pickle& pickle, std::string file, std::map<std::string, Storage>& storages,
         std::map<std::string, TorchFile::Entry>& tensors, std::set<std::string>& skipped)
      : pickle_(pickle),
        file_(std::move(file)),
        storages_(storages),
        tensors_(tensors),
        skipped_(skipped) {}

  void Run() {
    for (const PickleNode& node : pickle_.nodes()) {
      if (node.kind == Kind::kPersistent) StorageOf(node, "a storage");
    }
    Visit(pickle_.root(), "", 0);
    if (!tensors_.empty()) return;
    const PickleNode& root = pickle_.root();
    if (root.kind == Kind::kObject) {
      ThrowUser(
          "{}: holds a Python object ({}), not a dictionary of tensors: save its state_dict()",
          file_, pickle_.node(root.items[0]).text);
    }
    ThrowUser("{}: holds no tensor", file_);
  }

 private:
  [[noreturn]] void Fail(const std::string& name, const std::string& why) const {
    ThrowUser("{}: '{}': {}", file_, name, why);
  }

  void Visit(const PickleNode& node, const std::string& name, int depth) {
    if (depth > kMaxDepth) Fail(name, "is nested too deeply");
    if (++steps_ > kMaxSteps) Fail(name, "the file holds more values than can be meant");
    if (name.size() > kMaxName) Fail(name.substr(0, 80) + "...", "has too long a name");
    if (node.kind == Kind::kList || node.kind == Kind::kTuple) {
      for (size_t i = 0; i < node.items.size(); ++i) {
        Visit(pickle_.node(node.items[i]), Under(name, std::to_string(i)), depth + 1);
      }
    } else if (node.kind == Kind::kDict) {
      VisitPairs(node.items, name, depth);
    } else if (node.kind == Kind::kObject) {
      const std::string& callable = pickle_.node(node.items[0]).text;
      if (callable == "collections OrderedDict" || callable == "collections defaultdict") {
        VisitPairs(node.entries, name, depth);
      } else if (!Tensor(callable, pickle_.node(node.items[1]), name, depth)) {
        skipped_.insert(Dotted(callable));
      }
    } else if (node.kind == Kind::kGlobal) {
      skipped_.insert(Dotted(node.text));
    }
  }

  void VisitPairs(const std::vector<uint32_t>& pairs, const std::string& name, int depth) {
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const PickleNode& key = pickle_.node(pairs[i]);
      if (key.kind != Kind::kText && key.kind != Kind::kInt) continue;
      const std::string text = key.kind == Kind::kText ? key.text : std::to_string(key.integer);
      Visit(pickle_.node(pairs[i + 1]), Under(name, text), depth + 1);
    }
  }

  static std::string Under(const std::string& name, const std::string& key) {
    return name.empty() ? key : name + "." + key;
  }
  static std::string Dotted(std::string global) {
    std::replace(global.begin(), global.end(), ' ', '.');
    return global.substr(0, 200);
  }

  // True: `callable` makes tensors, and its arguments were read as one.
  bool Tensor(const std::string& callable, const PickleNode& arguments, const std::string& name,
              int depth) {
    const auto argument = [&](size_t i) -> const PickleNode& {
      if (arguments.kind != Kind::kTuple || i >= arguments.items.size()) {
        Fail(name, "a tensor lacks arguments");
      }
      return pickle_.node(arguments.items[i]);
    };
    if (callable == "torch._utils _rebuild_parameter" ||
        callable == "torch._utils _rebuild_parameter_with_state") {
      Visit(argument(0), name, depth + 1);
      return true;
    }
    if (callable == "torch._tensor _rebuild_from_type_v2") {
      const std::string& function = argument(0).text;
      return ++steps_ < kMaxSteps && depth < kMaxDepth &&
             Tensor(function, argument(2), name, depth + 1);
    }
    const bool v3 = callable == "torch._utils _rebuild_tensor_v3";
    if (!v3 && callable != "torch._utils _rebuild_tensor" &&
        callable != "torch._utils _rebuild_tensor_v2") {
      return false;
    }
    if (argument(0).kind != Kind::kPersistent) Fail(name, "a tensor has no storage");
    const auto key = StorageOf(argument(0), name);
    const Storage& storage = storages_.at(key);
    TorchFile::Entry entry;
    const auto dtype = v3 ? TypeOf(argument(6).text) : storage.dtype;
    if (!dtype) {
      skipped_.insert(Dotted(v3 ? argument(6).text : storage.type));
      return true;
    }
    entry.dtype = *dtype;
    entry.storage = key;
    entry.offset = Int(argument(1), name);
    entry.shape = Ints(argument(2), name);
    entry.strides = Ints(argument(3), name);
    CheckExtent(entry, storage, name);
    if (tensors_.size() >= kMaxTensors) Fail(name, "the file holds too many tensors");
    if (!tensors_.emplace(name, std::move(entry)).second) Fail(name, "stands twice");
    return true;
  }

  int64_t Int(const PickleNode& node, const std::string& name) const {
    if (node.kind != Kind::kInt || node.integer < 0) Fail(name, "a size or offset is none");
    return node.integer;
  }
  std::vector<int64_t> Ints(const PickleNode& node, const std::string& name) const {
    // torch.Size, where it was pickled as such, is a call with one tuple.
    if (node.kind == Kind::kObject && pickle_.node(node.items[0]).text == "torch Size") {
      const PickleNode& arguments = pickle_.node(node.items[1]);
      if (arguments.kind != Kind::kTuple || arguments.items.size() != 1) {
        Fail(name, "a shape is none");
      }
      const PickleNode& inner = pickle_.node(arguments.items[0]);
      if (inner.kind == Kind::kObject) Fail(name, "a shape is none");
      return Ints(inner, name);
    }
    if (node.kind != Kind::kTuple && node.kind != Kind::kList) Fail(name, "a shape is none");
    if (node.items.size() > kMaxDims) Fail(name, "has too many dimensions");
    std::vector<int64_t> values;
    for (const uint32_t item : node.items) values.push_back(Int(pickle_.node(item), name));
    return values;
  }

  // Every element inside the storage, and no more of them than it has.
  void CheckExtent(const TorchFile::Entry& entry, const Storage& storage,
                   const std::string& name) const {
    if (entry.shape.size() != entry.strides.size())
      Fail(name, "shape and strides differ in length");
    int64_t count = 1, last = entry.offset;
    bool overflow = false;
    const bool empty = std::count(entry.shape.begin(), entry.shape.end(), 0) > 0;
    for (size_t d = 0; d < entry.shape.size(); ++d) {
      if (entry.shape[d] == 0) continue;
      int64_t reach = 0;
      overflow |= __builtin_mul_overflow(count, entry.shape[d], &count);
      overflow |= __builtin_mul_overflow(entry.shape[d] - 1, entry.strides[d], &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    const auto elements = static_cast<int64_t>(storage.bytes / SizeOf(entry.dtype));
    if (empty && !overflow) return;
    if (overflow || last >= elements || count > elements) {
      Fail(name, fmt::format("its shape [{}] does not fit its storage of {} elements",
                             fmt::join(entry.shape, ", "), elements));
    }
  }

  // ('storage', class, key, device, number of elements(, view)) -> key.
  std::string StorageOf(const PickleNode& node, const std::string& name) {
    const PickleNode& id = pickle_.node(node.items[0]);
    const auto bad = [&]() { Fail(name, "its storage is not described as PyTorch does"); };
    if (id.kind != Kind::kTuple || id.items.size() < 5) bad();
    const auto part = [&](size_t i) -> const PickleNode& { return pickle_.node(id.items[i]); };
    if (part(0).text != "storage" || part(1).kind != Kind::kGlobal || part(2).kind != Kind::kText) {
      bad();
    }
    if (id.items.size() > 5 && part(5).kind != Kind::kNone) {
      Fail(name, "its storage is a view of another, as only PyTorch before 0.4 wrote it");
    }
    Storage storage;
    storage.type = part(1).text;
    storage.dtype = TypeOf(storage.type);
    const auto count = static_cast<uint64_t>(Int(part(4), name));
    // What is no type of ours is skipped; of its size nothing is known.
    const uint64_t size = storage.dtype ? SizeOf(*storage.dtype) : 1;
    if (__builtin_mul_overflow(count, size, &storage.bytes)) Fail(name, "its storage is too large");
    const auto [known, added] = storages_.emplace(part(2).text, storage);
    if (!added && (known->second.type != storage.type || known->second.bytes != storage.bytes)) {
      Fail(name, "its storage is described in two ways");
    }
    return known->first;
  }

  const Pickle& pickle_;
  std::string file_;
  std::map<std::string, Storage>& storages_;
  std::map<std::string, TorchFile::Entry>& tensors_;
  std::set<std::string>& skipped_;
  size_t steps_ = 0;
};

void CopyStrided(const TorchFile::Entry& entry, const char* storage, Blob& blob) {
  const size_t size = SizeOf(entry.dtype), dims = entry.shape.size();
  const auto total = static_cast<size_t>(blob.numel());
  blob.bytes.resize(total * size);
  if (total == 0) return;
  std::vector<int64_t> index(dims, 0);
  int64_t at = entry.offset;
  for (size_t i = 0; i < total; ++i) {
    std::memcpy(blob.bytes.data() + i * size, storage + static_cast<size_t>(at) * size, size);
    for (size_t d = dims; d-- > 0;) {
      at += entry.strides[d];
      if (++index[d] < entry.shape[d]) break;
      at -= entry.strides[d] * entry.shape[d];
      index[d] = 0;
    }
  }
}

bool IsContiguous(const TorchFile::Entry& entry) {
  int64_t expected = 1;
  for (size_t d = entry.shape.size(); d-- > 0;) {
    if (entry.shape[d] != 1 && entry.strides[d] != expected) return false;
    expected *= std::max<int64_t>(1, entry.shape[d]);
  }
  return true;
}

}  // namespace

struct TorchFile::Storages {
  std::map<std::string, Storage> all;
  std::unique_ptr<ZipReader> zip;  // else legacy
  std::string prefix;              // of the archive's entries
  std::string bytes;               // legacy: the whole file

  void OpenZip(TorchFile& file) {
    const std::string name = file.path_.string();
    zip = std::make_unique<ZipReader>(file.path_);
    constexpr std::string_view kPickleName = "data.pkl";
    size_t found = 0;
    for (const std::string& entry : zip->names()) {
      const bool inside = entry.ends_with("/data.pkl");
      if (!inside && entry != kPickleName) continue;
      prefix = entry.substr(0, entry.size() - kPickleName.size());
      ++found;
    }
    if (found != 1) {
      ThrowUser("{}: is no PyTorch file: its zip archive holds {} files data.pkl, not one", name,
                found);
    }
    if (zip->Has(prefix + "constants.pkl")) {
      ThrowUser("{}: is a TorchScript archive: save the module's state_dict() instead", name);
    }
    if (zip->Has(prefix + "byteorder") && zip->Read(prefix + "byteorder", 16) != "little") {
      ThrowUser("{}: was written on a big-endian machine", name);
    }
    const std::string text = zip->Read(prefix + std::string(kPickleName), kMaxPickle);
    const Pickle pickle(text, name);
    Walker(pickle, name, all, file.tensors_, file.skipped_).Run();
  }

  void OpenLegacy(TorchFile& file) {
    const std::string name = file.path_.string();
    bytes = ReadFile(file.path_);
    const std::string_view view = bytes;
    size_t position = 0;
    const auto next = [&]() {
      const Pickle pickle(view.substr(position, kMaxPickle), name);
      position += pickle.size();
      return pickle;
    };
    if (const Pickle magic = next(); magic.root().text != kMagic) {
      ThrowUser("{}: is no PyTorch file: its magic number is another", name);
    }
    if (const Pickle version = next(); version.root().integer != kLegacyVersion) {
      ThrowUser("{}: is of PyTorch's file protocol {}; {} is known", name, version.root().integer,
                kLegacyVersion);
    }
    const Pickle system = next();
    const auto& facts = system.root().items;
    for (size_t i = 0; system.root().kind == Kind::kDict && i + 1 < facts.size(); i += 2) {
      if (system.node(facts[i]).text == "little_endian" && system.node(facts[i + 1]).integer != 1) {
        ThrowUser("{}: was written on a big-endian machine", name);
      }
    }
    const Pickle object = next();
    Walker(object, name, all, file.tensors_, file.skipped_).Run();
    const Pickle keys = next();
    if (keys.root().kind != Kind::kList) ThrowUser("{}: damaged: no list of storages", name);
    std::set<std::string> placed;
    for (const uint32_t item : keys.root().items) {
      const std::string& key = keys.node(item).text;
      const auto found = all.find(key);
      if (found == all.end() || !placed.insert(key).second) {
        ThrowUser("{}: damaged: storage '{}' {}", name, key.substr(0, 80),
                  found == all.end() ? "belongs to nothing" : "stands twice");
      }
      Place(found->second, position, name);
    }
    for (const auto& [key, storage] : all) {
      if (!placed.contains(key)) ThrowUser("{}: damaged: storage '{}' is missing", name, key);
    }
  }

  // The number of elements, then the elements.
  void Place(Storage& storage, size_t& position, const std::string& name) const {
    if (!storage.dtype) {
      ThrowUser("{}: has a storage of type {}, which only a zip container can be read past", name,
                storage.type);
    }
    uint64_t count = 0;
    if (bytes.size() - position < sizeof(count)) ThrowUser("{}: is cut off", name);
    std::memcpy(&count, bytes.data() + position, sizeof(count));
    position += sizeof(count);
    if (count != storage.bytes / SizeOf(*storage.dtype)) {
      ThrowUser("{}: damaged: a storage of {} elements should have {}", name, count,
                storage.bytes / SizeOf(*storage.dtype));
    }
    if (storage.bytes > bytes.size() - position) ThrowUser("{}: is cut off", name);
    storage.begin = position;
    position += storage.bytes;
  }
};

TorchFile::TorchFile(const std::filesystem::path& path)
    : path_(path), storages_(std::make_unique<Storages>()) {
  if (!std::filesystem::is_regular_file(path)) ThrowUser("{}: no such file", path.string());
  if (!IsTorchFile(path)) {
    ThrowUser("{}: is no PyTorch file: it begins neither as a zip archive nor as a row of pickles",
              path.string());
  }
  ZipReader::IsZip(path) ? storages_->OpenZip(*this) : storages_->OpenLegacy(*this);
}

TorchFile::~TorchFile() = default;

bool TorchFile::legacy() const { return storages_->zip == nullptr; }

Blob TorchFile::Read(const std::string& name) const {
  const auto found = tensors_.find(name);
  V2R_CHECK(found != tensors_.end(), "no tensor '{}'", name);
  const Entry& entry = found->second;
  const Storage& storage = storages_->all.at(entry.storage);
  Blob blob;
  blob.dtype = entry.dtype;
  blob.shape = entry.shape;
  if (blob.numel() == 0) return blob;
  std::string read;
  const char* data = storages_->bytes.data() + storage.begin;
  if (storages_->zip != nullptr) {
    read = storages_->zip->Read(storages_->prefix + "data/" + entry.storage, storage.bytes);
    if (read.size() != storage.bytes) {
      ThrowUser("{}: '{}': its storage has {} bytes, it should have {}", path_.string(), name,
                read.size(), storage.bytes);
    }
    data = read.data();
  }
  if (IsContiguous(entry)) {
    const size_t size = SizeOf(entry.dtype);
    const char* first = data + static_cast<size_t>(entry.offset) * size;
    blob.bytes.assign(first, first + static_cast<size_t>(blob.numel()) * size);
  } else {
    CopyStrided(entry, data, blob);
  }
  return blob;
}

bool TorchFile::IsTorchFile(const std::filesystem::path& path) {
  if (ZipReader::IsZip(path)) return true;
  std::string start(kLegacyStart, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  return start[0] == '\x80' && start.find(kMagic) != std::string::npos;
}

}  // namespace v2r
