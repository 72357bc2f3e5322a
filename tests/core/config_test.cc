#include "core/config.h"

#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string TextAt(const ConfigNode& root, const std::string& path) {
  const ConfigNode* node = root.FindPath(path);
  if (node == nullptr) return "<absent>";
  return node->is_null() ? "<null>" : node->text();
}

TEST(ParseYamlTest, KeepsKindsOrderAndPlaces) {
  const ConfigNode root =
      ParseYaml("b: 1\na:\n  list: [x, \"64\", 3]\n  none:\n  empty: ''\n", "f.yaml");
  ASSERT_TRUE(root.is_map());
  EXPECT_EQ(root.entries()[0].first, "b");
  EXPECT_EQ(root.entries()[1].first, "a");
  EXPECT_EQ(root.FindPath("b")->origin().ToString(), "f.yaml:1:1");
  EXPECT_EQ(root.FindPath("a.list")->origin().ToString(), "f.yaml:3:3");
  const auto& items = root.FindPath("a.list")->items();
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[1].origin().ToString(), "f.yaml:3:13");
  EXPECT_FALSE(items[0].quoted());
  EXPECT_TRUE(items[1].quoted());
  EXPECT_TRUE(root.FindPath("a.none")->is_null());
  EXPECT_TRUE(root.FindPath("a.empty")->is_scalar());
  EXPECT_TRUE(ParseYaml("", "f").is_null());
  EXPECT_TRUE(ParseYaml("# only a comment\n", "f").is_null());
}

TEST(ParseYamlTest, DuplicatesAreErrorsWithBothPlaces) {
  EXPECT_EQ(UserErrorOf([] { ParseYaml("a: 1\nb:\n  c: 1\n  c: 2\n", "f.yaml"); }),
            "f.yaml:4:3: the key 'c' stands twice, first at f.yaml:3:3");
  EXPECT_THROW(ParseYaml("a: 1\na:\n", "f.yaml"), UserError);
  EXPECT_NO_THROW(ParseYaml("a: {c: 1}\nb: {c: 1}\n", "f.yaml"));
}

TEST(ParseYamlTest, RefusesWhatItWouldGetWrong) {
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: &x 1\nb: 2\n", "f"); }), StartsWith("f:1:4: anchors"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: &x {c: 1}\n", "f"); }), HasSubstr("anchors"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: 1\nb:\n  <<: 2\n", "f"); }),
              StartsWith("f:3:3: merge keys"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: *.mp4\n", "f"); }), StartsWith("f:1:"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: !!int 3\n", "f"); }), HasSubstr("tag"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: 1\n---\nb: 2\n", "f"); }), HasSubstr("more than one"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("[a]: 1\n", "f"); }), HasSubstr("key"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: [1, 2\nb: 3\n", "f"); }), HasSubstr("not valid YAML"));
  EXPECT_THAT(UserErrorOf([] { ParseYaml("a: b: c\n", "f"); }), StartsWith("f:1:"));
}

TEST(ParseYamlTest, MissingFileIsNamed) {
  EXPECT_THAT(UserErrorOf([] { LoadYaml("no/such/file.yaml"); }), HasSubstr("no/such/file.yaml"));
}

TEST(ConfigNodeTest, PathsSetEraseAndMerge) {
  ConfigNode root = ParseYaml("a: {b: 1, c: 2}\nd: 3\n", "f");
  root.SetPath("a.x.y", ConfigNode::Scalar("9", {"command line"}));
  EXPECT_EQ(TextAt(root, "a.x.y"), "9");
  root.SetPath("d.e", ConfigNode::Scalar("4", {}));
  EXPECT_EQ(TextAt(root, "d.e"), "4");
  EXPECT_TRUE(root.ErasePath("a.b"));
  EXPECT_FALSE(root.ErasePath("a.b"));
  EXPECT_FALSE(root.ErasePath("no.such"));
  EXPECT_EQ(TextAt(root, "a.b"), "<absent>");

  ConfigNode base = ParseYaml("a: {b: 1, c: [1, 2]}\nz: 0\n", "base");
  base.MergeFrom(ParseYaml("a: {c: [3], d: 4}\nn: {m: 1}\n", "over"));
  EXPECT_EQ(base.ToYaml(), "a:\n  b: 1\n  c: [3]\n  d: 4\nz: 0\nn:\n  m: 1\n");
  EXPECT_EQ(base.FindPath("a.b")->origin().source, "base");
  EXPECT_EQ(base.FindPath("a.d")->origin().source, "over");
}

TEST(ConfigNodeTest, YamlRoundTripKeepsTextsAndTheirQuotes) {
  const std::vector<std::string> texts = {
      "",      "64",  "1e-3",  "true", "null",  "~",       "no",        "a b",         " lead",
      "x: y",  "# c", "a #b",  "-",    "- a",   "[1]",     "a,b",       "{k: v}",      "*x",
      "&x",    "'q'", "\"q\"", "a\nb", "\ttab", "C:\\dir", "${a.b}",    "caf\xC3\xA9", "end:",
      "\x01z", "@at", "%p",    "?",    "!t",    ">",       "runs/a.st", "inf",         ".nan"};
  for (const auto& text : texts) {
    ConfigNode root = ConfigNode::Map({});
    root.Set("k", ConfigNode::Scalar(text, {}, true));
    root.Set("l", ConfigNode::List({ConfigNode::Scalar(text, {}, true)}, {}));
    const ConfigNode back = ParseYaml(root.ToYaml(), "f");
    ASSERT_TRUE(back.Find("k")->is_scalar()) << text;
    EXPECT_EQ(back.Find("k")->text(), text);
    ASSERT_EQ(back.Find("l")->items().size(), 1u) << text;
    EXPECT_EQ(back.Find("l")->items()[0].text(), text);
    EXPECT_EQ(back.ToYaml(), root.ToYaml());
  }
}

TEST(ConfigNodeTest, PlainNumbersStayPlain) {
  const std::string yaml = "a: 64\nb: true\nc: \"64\"\nd: null\ne: {}\nf: [1, [2, x]]\n";
  EXPECT_EQ(ParseYaml(yaml, "f").ToYaml(), yaml);
  EXPECT_EQ(ConfigNode::Scalar("0.5", {}).ToYaml(), "0.5");
}

TEST(InterpolateTest, WholeValuesKeepTheirKindAndPartsBecomeText) {
  ConfigNode root = ParseYaml(
      "n: 64\n"
      "env: {id: push, size: ['${n}', 2]}\n"
      "name: run_${env.id}_${n}\n"
      "same: ${n}\n"
      "text: \"${n}\"\n"
      "copy: ${env}\n"
      "chain: ${copy.size}\n"
      "list: [\"${env.id}\", x]\n",
      "f.yaml");
  Interpolate(root);
  EXPECT_EQ(TextAt(root, "name"), "run_push_64");
  EXPECT_EQ(TextAt(root, "same"), "64");
  EXPECT_FALSE(root.FindPath("same")->quoted());
  EXPECT_EQ(root.FindPath("same")->origin().ToString(), "f.yaml:4:1");
  EXPECT_FALSE(root.FindPath("text")->quoted());
  EXPECT_EQ(root.FindPath("copy")->ToYaml(), "id: push\nsize: [64, 2]\n");
  EXPECT_EQ(root.FindPath("chain")->ToYaml(), "[64, 2]");
  EXPECT_EQ(root.FindPath("list")->ToYaml(), "[push, x]");
}

TEST(InterpolateTest, CyclesAndMissingTargetsAreErrors) {
  const auto message = [](const std::string& yaml) {
    ConfigNode root = ParseYaml(yaml, "f");
    return UserErrorOf([&] { Interpolate(root); });
  };
  EXPECT_THAT(message("a: ${b}\nb: x${a}\n"), HasSubstr("circle: b -> a -> b"));
  EXPECT_THAT(message("a: ${a}\n"), HasSubstr("circle"));
  EXPECT_THAT(message("a: {b: \"${a}\"}\n"), HasSubstr("circle"));
  EXPECT_THAT(message("a: ${a.b}\n"), HasSubstr("circle"));
  EXPECT_EQ(message("agent: {gamma: 1}\nx: ${agent.gama}\n"),
            "f:2:1: ${agent.gama}: there is no 'gama' in 'agent', did you mean 'gamma'?");
  EXPECT_THAT(message("a: 1\nx: ${a.b}\n"), HasSubstr("no 'b' in 'a'"));
  EXPECT_THAT(message("m: {a: 1}\nx: t${m}\n"), HasSubstr("not a single value"));
  EXPECT_THAT(message("x: t${m\n"), HasSubstr("not closed"));
}

}  // namespace
}  // namespace v2r
