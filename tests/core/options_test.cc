#include "core/options.h"

#include <cmath>
#include <limits>

#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

struct Inner {
  double lr = 1e-3;
  std::string schedule = "linear";
  template <typename V>
  void Fields(V& v) {
    v("lr", lr, "learning rate", AtLeast(0));
    v("schedule", schedule, "schedule", OneOf({"linear", "constant"}));
  }
};

struct Outer {
  bool flag = false;
  int64_t steps = 64;
  double gamma = 0.97;
  std::string name = "x";
  std::vector<int64_t> sizes = {64, 64};
  std::vector<double> scales = {0.5};
  std::vector<std::string> tags;
  Inner optim;
  template <typename V>
  void Fields(V& v) {
    v("flag", flag, "a switch");
    v("steps", steps, "steps", AtLeast(1));
    v("gamma", gamma, "discount", InRange(0.0, 1.0));
    v("name", name, "a name");
    v("sizes", sizes, "layer sizes", AtLeast(1));
    v("scales", scales, "scales");
    v("tags", tags, "tags", OneOf({"a", "b"}));
    v("optim", optim, "optimiser");
  }
};

Outer Read(const std::string& yaml) {
  Outer options;
  Bind(ParseYaml(yaml, "f.yaml"), options, "agent");
  return options;
}
std::string Message(const std::string& yaml) {
  return UserErrorOf([&] { Read(yaml); });
}

TEST(OptionsTest, BindsEveryType) {
  const Outer o = Read(
      "flag: true\nsteps: 1e6\ngamma: 1\nname: 64\nsizes: [1, 2]\nscales: [1, .5]\ntags: [b, a]\n"
      "optim: {lr: 1e-4}\n");
  EXPECT_TRUE(o.flag);
  EXPECT_EQ(o.steps, 1000000);
  EXPECT_EQ(o.gamma, 1.0);
  EXPECT_EQ(o.name, "64");
  EXPECT_EQ(o.sizes, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(o.scales, (std::vector<double>{1, 0.5}));
  EXPECT_EQ(o.tags, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(o.optim.lr, 1e-4);
  EXPECT_EQ(o.optim.schedule, "linear");
  EXPECT_EQ(Read("").steps, 64);
  EXPECT_EQ(Read("optim:\nname:\n").name, "");
}

TEST(OptionsTest, NumbersInTheirManySpellings) {
  EXPECT_EQ(Read("steps: +7").steps, 7);
  EXPECT_EQ(Read("steps: 9223372036854775807").steps, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Read("scales: [-1.5, +2, 1E3, .inf, -.inf, 0]").scales,
            (std::vector<double>{-1.5, 2, 1000, INFINITY, -INFINITY, 0}));
  EXPECT_TRUE(std::isnan(Read("scales: [.nan]").scales[0]));
  for (const char* text : {"1.5", "1.0", "ten", "0x10", "1e-3", "1e30", "1_000", "true",
                           "9223372036854775808", "\"64\"", "[1]", "{a: 1}", ""}) {
    EXPECT_THAT(Message(std::string("steps: ") + text), HasSubstr("should be a whole number"))
        << text;
  }
  for (const char* text : {"one", "1.5x", "true", "--1", "'1'", "nanometre", "1e999"}) {
    EXPECT_THAT(Message(std::string("gamma: ") + text), HasSubstr("should be a number")) << text;
  }
  for (const char* text : {"yes", "1", "on", "'true'", "[true]"}) {
    EXPECT_THAT(Message(std::string("flag: ") + text), HasSubstr("should be true or false"))
        << text;
  }
}

TEST(OptionsTest, ErrorsSayWhereAndWhat) {
  EXPECT_EQ(Message("name: a\noptim: {lr: fast}\n"),
            "f.yaml:2:9: agent.optim.lr should be a number, is 'fast'");
  EXPECT_THAT(Message("sped: 1\n"), HasSubstr("f.yaml:1:1: unknown key 'agent.sped'"));
  EXPECT_THAT(Message("step: 1\n"), HasSubstr("did you mean 'steps'?"));
  EXPECT_THAT(Message("optim: {rl: 1}\n"),
              HasSubstr("unknown key 'agent.optim.rl', did you mean 'lr'?"));
  EXPECT_THAT(Message("optim: 3\n"), HasSubstr("agent.optim should be a section"));
  EXPECT_THAT(Message("[1]\n"), HasSubstr("agent should be a section"));
  EXPECT_THAT(Message("name: [a]\n"), HasSubstr("should be a text, is a list"));
  EXPECT_THAT(Message("gamma: 1.5\n"), HasSubstr("should be in 0 .. 1, is 1.5"));
  EXPECT_THAT(Message("gamma: .nan\n"), HasSubstr("should be in 0 .. 1"));
  EXPECT_THAT(Message("steps: 0\n"), HasSubstr("should be >= 1, is 0"));
  EXPECT_THAT(Message("optim: {schedule: liner}\n"),
              HasSubstr("should be one of linear, constant, is 'liner', did you mean 'linear'?"));
}

TEST(OptionsTest, ListsAreCheckedItemByItem) {
  EXPECT_THAT(Message("sizes: [1, x]\n"), HasSubstr("agent.sizes[1] should be a whole number"));
  EXPECT_THAT(Message("sizes: [1, 0]\n"), HasSubstr("agent.sizes[1] should be >= 1"));
  EXPECT_THAT(Message("tags: [a, c]\n"), HasSubstr("agent.tags[1] should be one of a, b"));
  EXPECT_THAT(Message("sizes: 64\n"), HasSubstr("should be list of int, is '64' (write [64])"));
  EXPECT_THAT(Message("steps: 1,2\n"), HasSubstr("--multirun"));
}

TEST(OptionsTest, AFailedBindOfAFieldLeavesItsValue) {
  Outer options;
  EXPECT_THROW(Bind(ParseYaml("sizes: [1, x]", "f"), options), UserError);
  EXPECT_EQ(options.sizes, (std::vector<int64_t>{64, 64}));
}

TEST(OptionsTest, DumpReadsBackToTheSameBits) {
  Outer options;
  options.flag = true;
  options.steps = -3;
  options.gamma = 0.1 + 0.2;
  options.name = "64";
  options.sizes = {};
  options.scales = {1.0 / 3.0, 1e300, 5e-324, -0.0, 1.0, 100000000.0, INFINITY, -INFINITY};
  options.tags = {"true", "a, b", "", "null", "${x}", "\n"};
  options.optim.lr = 1e-4;
  options.optim.schedule = "# constant";
  const ConfigNode node = ParseYaml(Dump(options).ToYaml(), "dump");
  double gamma = 0;
  internal::ReadScalar(*node.Find("gamma"), "gamma", {}, gamma);
  EXPECT_EQ(gamma, options.gamma);
  std::vector<double> scales;
  internal::ReadScalar(*node.Find("scales"), "scales", {}, scales);
  ASSERT_EQ(scales.size(), options.scales.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    EXPECT_EQ(scales[i], options.scales[i]);
    EXPECT_EQ(std::signbit(scales[i]), std::signbit(options.scales[i]));
  }
  std::vector<std::string> tags;
  internal::ReadScalar(*node.Find("tags"), "tags", {}, tags);
  EXPECT_EQ(tags, options.tags);
  std::string text;
  internal::ReadScalar(*node.FindPath("optim.schedule"), "schedule", {}, text);
  EXPECT_EQ(text, options.optim.schedule);
  internal::ReadScalar(*node.Find("name"), "name", {}, text);
  EXPECT_EQ(text, "64");
}

TEST(OptionsTest, DumpOfDefaultsBindsToDefaults) {
  const std::string yaml = Dump(Outer{}).ToYaml();
  EXPECT_EQ(Dump(Read(yaml)).ToYaml(), yaml);
  EXPECT_THAT(yaml, HasSubstr("optim:\n  lr: 0.001\n  schedule: linear\n"));
}

TEST(OptionsTest, DescribeListsEveryLeaf) {
  const auto rows = Describe<Outer>({}, "agent");
  ASSERT_EQ(rows.size(), 9u);
  EXPECT_EQ(rows[1].path, "agent.steps");
  EXPECT_EQ(rows[1].type, "int");
  EXPECT_EQ(rows[1].value, "64");
  EXPECT_EQ(rows[1].doc, "steps");
  EXPECT_EQ(rows[1].constraint, ">= 1");
  EXPECT_EQ(rows[4].type, "list of int");
  EXPECT_EQ(rows[4].value, "[64, 64]");
  EXPECT_EQ(rows[2].constraint, "in 0 .. 1");
  EXPECT_EQ(rows[8].path, "agent.optim.schedule");
  EXPECT_EQ(rows[8].constraint, "one of linear, constant");
  // Each described value reads back through Bind at its own path.
  ConfigNode tree = ConfigNode::Map({});
  for (const auto& row : rows) tree.SetPath(row.path, ParseYaml(row.value, "describe"));
  Outer options;
  Bind(*tree.Find("agent"), options);
  EXPECT_EQ(Dump(options).ToYaml(), Dump(Outer{}).ToYaml());
}

}  // namespace
}  // namespace v2r
