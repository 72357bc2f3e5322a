#include "core/pickle.h"

#include <bit>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "core/error.h"

namespace v2r {

using Kind = PickleNode::Kind;

namespace {
constexpr uint32_t kNone = 0, kTrue = 1, kFalse = 2;  // nodes that every pickle has once
constexpr int64_t kMaxProtocol = 5;
}  // namespace

// The machine of Python's pickle.py: a stack, marks on it and a memo.
class PickleReader {
 public:
  PickleReader(std::string_view bytes, const std::string& what, Pickle& pickle)
      : bytes_(bytes), what_(what), nodes_(pickle.nodes_) {
    nodes_.resize(3);
    nodes_[kTrue].kind = nodes_[kFalse].kind = Kind::kBool;
    nodes_[kTrue].integer = 1;
  }
  // The root's index; position() is behind the pickle then.
  uint32_t Run() {
    while (true) {
      const auto opcode = static_cast<unsigned char>(Take(1)[0]);
      if (opcode == '.') return Pop();
      if (!Constant(opcode) && !Container(opcode) && !Construct(opcode) && !Memory(opcode)) {
        Fail(fmt::format("opcode 0x{:02x}, which data does not need", opcode));
      }
    }
  }
  size_t position() const { return position_; }

 private:
  [[noreturn]] void Fail(const std::string& why) const {
    ThrowUser("{}: damaged pickle at byte {}: {}", what_, position_, why);
  }

  // ---- bytes
  std::string_view Take(uint64_t count) {
    if (count > bytes_.size() - position_) Fail("it is cut off");
    const auto part = bytes_.substr(position_, count);
    position_ += count;
    return part;
  }
  template <typename T>
  T Number() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view Line() {
    const size_t end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) Fail("it is cut off");
    const auto line = Take(end - position_);
    Take(1);
    return line;
  }
  int64_t LineInt() {
    const auto line = Line();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    const std::string_view rest(end, static_cast<size_t>(line.data() + line.size() - end));
    if (error != std::errc() || !(rest.empty() || rest == "L")) Fail("a number is none");
    return value;
  }

  // ---- nodes and stack
  uint32_t New(Kind kind) {
    if (nodes_.size() >= Pickle::kMaxNodes) {
      Fail(fmt::format("more than {} values", Pickle::kMaxNodes));
    }
    nodes_.emplace_back().kind = kind;
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  void Push(uint32_t node) {
    if (stack_.size() >= Pickle::kMaxStack) Fail("its stack is too deep");
    stack_.push_back(node);
  }
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  uint32_t Pop() {
    if (stack_.size() <= Floor()) Fail("its stack is empty");
    const uint32_t node = stack_.back();
    stack_.pop_back();
    return node;
  }
  uint32_t Top() {
    if (stack_.size() <= Floor()) Fail("its stack is empty");
    return stack_.back();
  }
  std::vector<uint32_t> PopToMark() {
    if (marks_.empty()) Fail("a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<uint32_t> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  bool PushInt(int64_t value) {
    const uint32_t node = New(Kind::kInt);
    nodes_[node].integer = value;
    Push(node);
    return true;
  }
  bool PushText(Kind kind, std::string_view text) {
    const uint32_t node = New(kind);
    nodes_[node].text = text;
    Push(node);
    return true;
  }
  bool PushItems(Kind kind, std::vector<uint32_t> items) {
    if (kind == Kind::kDict && items.size() % 2 != 0) Fail("a dictionary has a key without value");
    const uint32_t node = New(kind);
    nodes_[node].items = std::move(items);
    Push(node);
    return true;
  }
  bool PushLong(uint64_t size) {
    const auto bytes = Take(size);
    if (size > sizeof(int64_t)) return PushText(Kind::kBigInt, bytes);
    const bool negative = size > 0 && (static_cast<unsigned char>(bytes.back()) & 0x80) != 0;
    int64_t value = negative ? -1 : 0;
    std::memcpy(&value, bytes.data(), size);
    return PushInt(value);
  }
  // Values into a container below them; what an object of a class takes is kept apart or dropped.
  void Extend(std::vector<uint32_t> items, bool pairs) {
    const uint32_t index = Top();
    PickleNode& target = nodes_[index];
    if (pairs && items.size() % 2 != 0) Fail("a dictionary has a key without value");
    if (target.kind == Kind::kObject) {
      if (pairs) target.entries.insert(target.entries.end(), items.begin(), items.end());
      return;
    }
    const bool fits = pairs ? target.kind == Kind::kDict
                            : target.kind == Kind::kList || target.kind == Kind::kSet;
    if (!fits) Fail("values are stored into something that takes none");
    target.items.insert(target.items.end(), items.begin(), items.end());
  }
  bool PushObject(uint32_t callable, uint32_t arguments) {
    return PushItems(Kind::kObject, {callable, arguments});
  }
  bool PushTupleOf(size_t count) {
    std::vector<uint32_t> items(count);
    for (size_t i = count; i-- > 0;) items[i] = Pop();
    return PushItems(Kind::kTuple, std::move(items));
  }

  // ---- opcodes, by what they do; false: not one of these
  bool Constant(unsigned char opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (Number<uint8_t>() > kMaxProtocol) Fail("a protocol above 5");
        return true;
      case 0x95:  // FRAME
        if (Number<uint64_t>() > bytes_.size() - position_) Fail("it is cut off");
        return true;
      case 'N':
        Push(kNone);
        return true;
      case 0x88:
        Push(kTrue);
        return true;
      case 0x89:
        Push(kFalse);
        return true;
      case 'K':
        return PushInt(Number<uint8_t>());
      case 'M':
        return PushInt(Number<uint16_t>());
      case 'J':
        return PushInt(Number<int32_t>());
      case 'I': {
        const auto rest = bytes_.substr(position_);
        if (rest.starts_with("00\n") || rest.starts_with("01\n")) {
          Push(Line() == "01" ? kTrue : kFalse);
          return true;
        }
        return PushInt(LineInt());
      }
      case 'L':
        return PushInt(LineInt());
      case 0x8a:
        return PushLong(Number<uint8_t>());
      case 0x8b:
        return PushLong(Number<uint32_t>());
      case 'G': {
        const uint32_t node = New(Kind::kFloat);
        nodes_[node].number = std::bit_cast<double>(__builtin_bswap64(Number<uint64_t>()));
        Push(node);
        return true;
      }
      case 'F': {
        const uint32_t node = New(Kind::kFloat);
        nodes_[node].number = std::strtod(std::string(Line()).c_str(), nullptr);
        Push(node);
        return true;
      }
      case 'S': {
        const auto line = Line();
        if (line.size() < 2 || line.front() != line.back()) Fail("a text without quotes");
        return PushText(Kind::kText, line.substr(1, line.size() - 2));
      }
      case 'V':
        return PushText(Kind::kText, Line());
      case 'T':
        return PushText(Kind::kText, Take(Number<uint32_t>()));
      case 'U':
        return PushText(Kind::kText, Take(Number<uint8_t>()));
      case 'X':
        return PushText(Kind::kText, Take(Number<uint32_t>()));
      case 0x8c:
        return PushText(Kind::kText, Take(Number<uint8_t>()));
      case 0x8d:
        return PushText(Kind::kText, Take(Number<uint64_t>()));
      case 'B':
        return PushText(Kind::kBytes, Take(Number<uint32_t>()));
      case 'C':
        return PushText(Kind::kBytes, Take(Number<uint8_t>()));
      case 0x8e:
      case 0x96:
        return PushText(Kind::kBytes, Take(Number<uint64_t>()));
      default:
        return false;
    }
  }
  bool Container(unsigned char opcode) {
    switch (opcode) {
      case '(':
        if (marks_.size() >= Pickle::kMaxStack) Fail("its stack is too deep");
        marks_.push_back(stack_.size());
        return true;
      case ')':
        return PushItems(Kind::kTuple, {});
      case ']':
        return PushItems(Kind::kList, {});
      case '}':
        return PushItems(Kind::kDict, {});
      case 0x8f:
        return PushItems(Kind::kSet, {});
      case 't':
        return PushItems(Kind::kTuple, PopToMark());
      case 'l':
        return PushItems(Kind::kList, PopToMark());
      case 'd':
        return PushItems(Kind::kDict, PopToMark());
      case 0x91:
        return PushItems(Kind::kSet, PopToMark());
      case 0x85:
        return PushTupleOf(1);
      case 0x86:
        return PushTupleOf(2);
      case 0x87:
        return PushTupleOf(3);
      case 'a': {
        const uint32_t value = Pop();
        Extend({value}, false);
        return true;
      }
      case 'e':
      case 0x90:
        Extend(PopToMark(), false);
        return true;
      case 's': {
        const uint32_t value = Pop(), key = Pop();
        Extend({key, value}, true);
        return true;
      }
      case 'u':
        Extend(PopToMark(), true);
        return true;
      default:
        return false;
    }
  }
  bool Construct(unsigned char opcode) {
    switch (opcode) {
      case 'c': {
        const std::string module(Line());
        return PushText(Kind::kGlobal, module + " " + std::string(Line()));
      }
      case 0x93: {
        const uint32_t name = Pop(), module = Pop();
        if (nodes_[name].kind != Kind::kText || nodes_[module].kind != Kind::kText) {
          Fail("a global without name");
        }
        return PushText(Kind::kGlobal, nodes_[module].text + " " + nodes_[name].text);
      }
      case 'R':
      case 0x81: {
        const uint32_t arguments = Pop(), callable = Pop();
        return PushObject(callable, arguments);
      }
      case 0x92: {
        Pop();  // keyword arguments
        const uint32_t arguments = Pop(), callable = Pop();
        return PushObject(callable, arguments);
      }
      case 'i': {
        const std::string module(Line());
        const std::string name = module + " " + std::string(Line());
        PushItems(Kind::kTuple, PopToMark());
        const uint32_t arguments = Pop();
        PushText(Kind::kGlobal, name);
        return PushObject(Pop(), arguments);
      }
      case 'o': {
        auto items = PopToMark();
        if (items.empty()) Fail("an object without class");
        const uint32_t callable = items.front();
        items.erase(items.begin());
        PushItems(Kind::kTuple, std::move(items));
        return PushObject(callable, Pop());
      }
      case 'b':
        Pop();  // state: only a class would know what to do with it
        Top();
        return true;
      case 'Q':
        return PushItems(Kind::kPersistent, {Pop()});
      case 'P':
        PushText(Kind::kText, Line());
        return PushItems(Kind::kPersistent, {Pop()});
      default:
        return false;
    }
  }
  bool Memory(unsigned char opcode) {
    switch (opcode) {
      case '0':
        if (stack_.size() == Floor() && !marks_.empty()) {
          marks_.pop_back();
        } else {
          Pop();
        }
        return true;
      case '1':
        PopToMark();
        return true;
      case '2':
        Push(Top());
        return true;
      case 'p':
        Put(LineInt());
        return true;
      case 'q':
        Put(Number<uint8_t>());
        return true;
      case 'r':
        Put(Number<uint32_t>());
        return true;
      case 0x94:
        Put(static_cast<int64_t>(memo_.size()));
        return true;
      case 'g':
        Get(LineInt());
        return true;
      case 'h':
        Get(Number<uint8_t>());
        return true;
      case 'j':
        Get(Number<uint32_t>());
        return true;
      default:
        return false;
    }
  }
  void Put(int64_t index) {
    const uint32_t node = Top();
    if (memo_.size() >= Pickle::kMaxMemo) Fail("its memo is too large");
    memo_[index] = node;
  }
  void Get(int64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) Fail(fmt::format("nothing was stored as {}", index));
    Push(found->second);
  }

  std::string_view bytes_;
  const std::string& what_;
  std::vector<PickleNode>& nodes_;
  size_t position_ = 0;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<int64_t, uint32_t> memo_;
};

Pickle::Pickle(std::string_view bytes, const std::string& what) {
  PickleReader reader(bytes, what, *this);
  root_ = reader.Run();
  size_ = reader.position();
}

}  // namespace v2r
