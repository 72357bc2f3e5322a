#include "media/npz.h"

#include <cctype>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "core/zip.h"

namespace v2r {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

// Bytes of one element of a type string, 0 where we do not read it.
int64_t SizeOfDescr(const std::string& descr) {
  if (descr.size() < 3) return 0;
  const char order = descr[0], kind = descr[1];
  int64_t size = 0;
  const auto [end, error] = std::from_chars(descr.data() + 2, descr.data() + descr.size(), size);
  if (error != std::errc() || end != descr.data() + descr.size() || size <= 0) return 0;
  if (kind == 'S') return order == '|' && size <= 4096 ? size : 0;
  const bool whole = size == 1 || size == 2 || size == 4 || size == 8;
  const bool known = (kind == 'b' && size == 1) || ((kind == 'i' || kind == 'u') && whole) ||
                     (kind == 'f' && whole && size > 1);
  if (!known) return 0;
  return (size == 1 && (order == '|' || order == '<')) || order == '<' ? size : 0;
}

// The header: a Python literal of a dict of three keys.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  void Read(NpyArray& array) {
    bool descr = false, order = false, shape = false;
    Expect('{');
    while (!Accept('}')) {
      const std::string key = Text();
      Expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        if (Peek() != '\'' && Peek() != '"') Fail("a structured type is not read");
        array.descr = Text();
      } else if (key == "fortran_order" && !order) {
        order = true;
        if (Word() != "False") {
          Fail("Fortran order is not read: save it with numpy.ascontiguousarray()");
        }
      } else if (key == "shape" && !shape) {
        shape = true;
        array.shape = Shape();
      } else {
        Fail(fmt::format("unexpected key '{}'", key));
      }
      if (!Accept(',')) {
        Expect('}');
        break;
      }
    }
    if (!Trim(rest_).empty()) Fail("text after the dict");
    if (!descr || !order || !shape) Fail("descr, fortran_order or shape is missing");
  }

 private:
  [[noreturn]] void Fail(const std::string& reason) const {
    ThrowUser("{}: bad NPY header: {}", where_, reason);
  }
  char Peek() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0])) != 0) {
      rest_.remove_prefix(1);
    }
    return rest_.empty() ? '\0' : rest_[0];
  }
  bool Accept(char c) {
    if (Peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void Expect(char c) {
    if (!Accept(c)) Fail(fmt::format("'{}' expected before \"{}\"", c, rest_.substr(0, 20)));
  }
  std::string Text() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') Fail("a quoted name expected");
    const size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) Fail("a quote is not closed");
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string Word() {
    Peek();
    size_t length = 0;
    while (length < rest_.size() && std::isalnum(static_cast<unsigned char>(rest_[length])) != 0) {
      ++length;
    }
    std::string word(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return word;
  }
  std::vector<int64_t> Shape() {
    std::vector<int64_t> shape;
    Expect('(');
    while (!Accept(')')) {
      const std::string word = Word();
      int64_t size = -1;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
      if (error != std::errc() || end != word.data() + word.size() || size < 0) {
        Fail(fmt::format("'{}' is no size", word));
      }
      shape.push_back(size);
      if (!Accept(',')) {
        Expect(')');
        break;
      }
    }
    if (shape.size() > 32) Fail("more than 32 dimensions");
    return shape;
  }

  std::string_view rest_;
  const std::string& where_;
};

// The product, nothing where it is beyond 2^62.
std::optional<int64_t> Product(const std::vector<int64_t>& shape, int64_t item) {
  int64_t product = item;
  for (const int64_t size : shape) {
    if (size == 0) return 0;
    if (product > (int64_t{1} << 62) / size) return std::nullopt;
    product *= size;
  }
  return product;
}

}  // namespace

int64_t NpyArray::numel() const {
  const auto product = Product(shape, 1);
  V2R_CHECK(product.has_value(), "[{}]", fmt::join(shape, ", "));
  return *product;
}

int64_t NpyArray::ItemSize() const { return SizeOfDescr(descr); }

NpyArray ParseNpy(const std::string& bytes, const std::string& where) {
  const std::string_view all = bytes;
  if (!all.starts_with(kMagic)) ThrowUser("{}: not an NPY file (it does not begin as one)", where);
  if (all.size() < 8) ThrowUser("{}: cut short in its header", where);
  const int major = static_cast<unsigned char>(all[6]);
  if (major < 1 || major > 3)
    ThrowUser("{}: NPY format {} is not known (1 to 3 are)", where, major);
  const size_t field = major == 1 ? 2 : 4, begin = 8 + field;
  if (all.size() < begin) ThrowUser("{}: cut short in its header", where);
  size_t length = 0;
  for (size_t i = 0; i < field; ++i) {
    length |= static_cast<size_t>(static_cast<unsigned char>(all[8 + i])) << (8 * i);
  }
  if (length > all.size() - begin) ThrowUser("{}: cut short in its header", where);
  NpyArray array;
  HeaderReader(all.substr(begin, length), where).Read(array);
  const int64_t item = array.ItemSize();
  if (item == 0) {
    ThrowUser("{}: type '{}' is not read (little-endian integers, floats, bool and |S are)", where,
              array.descr);
  }
  const auto wanted = Product(array.shape, item);
  const size_t there = all.size() - begin - length;
  if (!wanted || static_cast<size_t>(*wanted) != there) {
    ThrowUser("{}: shape ({}) of '{}' does not fit the {} bytes that follow", where,
              fmt::join(array.shape, ", "), array.descr, there);
  }
  array.bytes = bytes.substr(begin + length);
  return array;
}

std::string NpyBytes(const NpyArray& array) {
  V2R_CHECK_EQ(array.numel() * array.ItemSize(), static_cast<int64_t>(array.bytes.size()));
  std::string shape;
  for (const int64_t size : array.shape) shape += fmt::format("{}, ", size);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   array.descr, Trim(shape));
  const bool wide = header.size() + 64 > std::numeric_limits<uint16_t>::max();
  const size_t field = wide ? 4 : 2;
  // The data begin at a multiple of 64; the header ends with a newline.
  const size_t padded = (8 + field + header.size() + 1 + 63) / 64 * 64 - 8 - field;
  header.resize(padded - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += wide ? '\2' : '\1';
  bytes += '\0';
  for (size_t i = 0; i < field; ++i) bytes += static_cast<char>((padded >> (8 * i)) & 0xff);
  return bytes + header + array.bytes;
}

void WriteNpz(const std::filesystem::path& path, const std::map<std::string, NpyArray>& arrays) {
  std::map<std::string, std::string> entries;
  for (const auto& [name, array] : arrays) entries[name + ".npy"] = NpyBytes(array);
  WriteZip(path, entries);
}

}  // namespace v2r
