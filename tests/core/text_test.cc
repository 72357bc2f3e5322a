#include "core/text.h"

#include "core/registry.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

const std::vector<std::string> kNames = {"gamma", "gae_lambda", "learning_rate", "resnet18",
                                         "push"};

TEST(TextTest, NearestNameFindsTypos) {
  EXPECT_EQ(NearestName("gama", kNames), "gamma");
  EXPECT_EQ(NearestName("puhs", kNames), "push");
  EXPECT_EQ(NearestName("Learning-Rate", kNames), "learning_rate");
  EXPECT_EQ(NearestName("resnet", kNames), "resnet18");
  EXPECT_EQ(NearestName("zebra", kNames), "");
  EXPECT_EQ(NearestName("x", {}), "");
  EXPECT_EQ(DidYouMean("gama", kNames), ", did you mean 'gamma'?");
  EXPECT_EQ(DidYouMean("zebra", kNames), "");
}

TEST(TextTest, SplitJoinTrim) {
  EXPECT_EQ(Split("a..b", '.'), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(Split("", '.'), (std::vector<std::string>{""}));
  EXPECT_EQ(Join(Split("a.b.c", '.'), " > "), "a > b > c");
  EXPECT_EQ(Join({}, ","), "");
  EXPECT_EQ(Trim(" \t a b \r\n"), "a b");
  EXPECT_EQ(Trim("  "), "");
}

TEST(TextTest, HumanSeconds) {
  EXPECT_EQ(HumanSeconds(4.2), "4.2 s");
  EXPECT_EQ(HumanSeconds(0), "0.0 s");
  EXPECT_EQ(HumanSeconds(59.97), "1m 00s");
  EXPECT_EQ(HumanSeconds(125), "2m 05s");
  EXPECT_EQ(HumanSeconds(3723), "1h 02m 03s");
  EXPECT_EQ(HumanSeconds(-3), "-3.0 s");
}

TEST(TextTest, TableAlignsByVisibleWidth) {
  EXPECT_EQ(Table({{"name", "n"}, {"caf\xC3\xA9", "10"}, {"b", ""}}),
            "name   n\n"
            "--------\n"
            "caf\xC3\xA9  10\n"
            "b\n");
}

struct Shape {
  virtual ~Shape() = default;
  virtual int Corners() const = 0;
};
struct Polygon : Shape {
  explicit Polygon(int n) : n_(n) {}
  int Corners() const override { return n_; }
  int n_;
};

TEST(RegistryTest, MakesByNameAndNamesTheNearest) {
  Registry<Shape, int> shapes("shape");
  shapes.Add("polygon", "n corners", [](int n) { return std::make_unique<Polygon>(n); });
  EXPECT_EQ(shapes.Make("polygon", 5)->Corners(), 5);
  EXPECT_EQ(shapes.Doc("polygon"), "n corners");
  EXPECT_EQ(UserErrorOf([&] { shapes.Make("poligon", 5); }),
            "unknown shape 'poligon', did you mean 'polygon'? (known: polygon)");
  EXPECT_THROW(shapes.Add("polygon", "", nullptr), Error);
}

TEST(ErrorTest, ChecksShowPlaceAndOperands) {
  try {
    const int rows = 3;
    V2R_CHECK_EQ(rows, 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::MatchesRegex("core/text_test.cc:[0-9]+: check failed: "
                                                    "rows == 4: 3 vs 4"));
  }
  EXPECT_NO_THROW(V2R_CHECK(true));
  EXPECT_THROW(V2R_CHECK(false, "value {}", 1), Error);
}

}  // namespace
}  // namespace v2r
