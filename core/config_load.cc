#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "core/config.h"
#include "core/error.h"
#include "core/files.h"

namespace v2r {
namespace {

// Builds our tree straight from the parser's events: unlike the library's own node it sees
// duplicates, anchors and tags. The origin of a map's value is where its key stands.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string source) : source_(std::move(source)) {}

  ConfigNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    if (ExpectsKey()) Fail(mark, "a key is empty");
    Add(ConfigNode::Scalar("", OriginOfValue(mark)));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "aliases (*name) are not supported; use ${key.path}, or quote the text");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (ExpectsKey()) {
      StartEntry(mark, value);
    } else {
      Add(ConfigNode::Scalar(value, OriginOfValue(mark), tag == "!"));
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, false);
  }
  void OnSequenceEnd() override {
    Frame frame = Pop();
    Add(ConfigNode::List(std::move(frame.items), std::move(frame.origin)));
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, true);
  }
  void OnMapEnd() override {
    Frame frame = Pop();
    Add(std::move(frame.map));
  }

 private:
  struct Frame {
    bool is_map = false;
    Origin origin;
    ConfigNode map;
    std::vector<ConfigNode> items;
    bool has_key = false;
    std::string key;
    Origin key_origin;
  };

  Origin At(const YAML::Mark& mark) const { return {source_, mark.line + 1, mark.column + 1}; }

  [[noreturn]] void Fail(const YAML::Mark& mark, const std::string& what) const {
    ThrowUser("{}: {}", At(mark).ToString(), what);
  }
  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0) Fail(mark, "anchors (&name) are not supported; use ${key.path}");
  }
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!")
      Fail(mark, "the tag '" + tag + "' is not supported");
  }
  bool ExpectsKey() const {
    return !frames_.empty() && frames_.back().is_map && !frames_.back().has_key;
  }
  Origin OriginOfValue(const YAML::Mark& mark) const {
    return !frames_.empty() && frames_.back().has_key ? frames_.back().key_origin : At(mark);
  }

  void StartEntry(const YAML::Mark& mark, const std::string& key) {
    Frame& frame = frames_.back();
    if (key == "<<") Fail(mark, "merge keys (<<) are not supported; use the `defaults:` list");
    if (const ConfigNode* first = frame.map.Find(key); first != nullptr) {
      Fail(mark,
           fmt::format("the key '{}' stands twice, first at {}", key, first->origin().ToString()));
    }
    frame.has_key = true;
    frame.key = key;
    frame.key_origin = At(mark);
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_map) {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (ExpectsKey()) Fail(mark, "a key must be a plain word");
    Frame frame;
    frame.is_map = is_map;
    frame.origin = OriginOfValue(mark);
    frame.map = ConfigNode::Map(frame.origin);
    frames_.push_back(std::move(frame));
  }

  Frame Pop() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    return frame;
  }

  void Add(ConfigNode node) {
    if (frames_.empty()) {
      root_ = std::move(node);
    } else if (frames_.back().is_map) {
      frames_.back().map.Set(frames_.back().key, std::move(node));
      frames_.back().has_key = false;
    } else {
      frames_.back().items.push_back(std::move(node));
    }
  }

  std::string source_;
  std::vector<Frame> frames_;
  ConfigNode root_;
};

}  // namespace

ConfigNode ParseYaml(const std::string& text, const std::string& source) {
  std::istringstream stream(text);
  TreeBuilder builder(source);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    TreeBuilder rest(source);
    if (parser.HandleNextDocument(rest)) {
      ThrowUser("{}: holds more than one YAML document", source);
    }
  } catch (const YAML::Exception& error) {
    const Origin origin{source, error.mark.line + 1, error.mark.column + 1};
    ThrowUser("{}: not valid YAML: {}", origin.ToString(), error.msg);
  }
  return builder.Take();
}

ConfigNode LoadYaml(const std::filesystem::path& path) {
  return ParseYaml(ReadFile(path), path.string());
}

}  // namespace v2r
