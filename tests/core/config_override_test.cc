#include "core/config.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(ParseOverrideTest, ReadsTheThreeForms) {
  Override item = ParseOverride("agent.gamma=0.9=x");
  EXPECT_EQ(item.op, Override::Op::kSet);
  EXPECT_EQ(item.key, "agent.gamma");
  EXPECT_EQ(item.value, "0.9=x");
  item = ParseOverride("+a.b=");
  EXPECT_EQ(item.op, Override::Op::kAdd);
  EXPECT_EQ(item.key, "a.b");
  EXPECT_EQ(item.value, "");
  item = ParseOverride("~a.b");
  EXPECT_EQ(item.op, Override::Op::kDelete);
  EXPECT_EQ(item.key, "a.b");
}

TEST(ParseOverrideTest, ExplainsTheSyntax) {
  EXPECT_THAT(UserErrorOf([] { ParseOverride("push"); }), HasSubstr("write key=value"));
  EXPECT_THAT(UserErrorOf([] { ParseOverride("=3"); }), HasSubstr("is no key"));
  EXPECT_THAT(UserErrorOf([] { ParseOverride("a..b=3"); }), HasSubstr("is no key"));
  EXPECT_THAT(UserErrorOf([] { ParseOverride("--lr=3"); }), HasSubstr("is no key"));
  EXPECT_THAT(UserErrorOf([] { ParseOverride("~a.b=3"); }), HasSubstr("write ~a.b"));
  EXPECT_THROW(ParseOverride(""), UserError);
}

TEST(ExpandSweepTest, ProductOverKeysLastFastest) {
  EXPECT_EQ(ExpandSweep({"a=1,2", "b=x"}), (std::vector<Words>{{"a=1", "b=x"}, {"a=2", "b=x"}}));
  EXPECT_EQ(
      ExpandSweep({"a=1,2", "+b=x,y"}),
      (std::vector<Words>{{"a=1", "+b=x"}, {"a=1", "+b=y"}, {"a=2", "+b=x"}, {"a=2", "+b=y"}}));
  EXPECT_EQ(ExpandSweep({}), (std::vector<Words>{{}}));
  EXPECT_EQ(ExpandSweep({"~a"}), (std::vector<Words>{{"~a"}}));
}

TEST(ExpandSweepTest, BracketsAndQuotesHoldTogether) {
  EXPECT_EQ(ExpandSweep({"a=[1,2],[3]", "b={x: 1, y: 2}"}),
            (std::vector<Words>{{"a=[1,2]", "b={x: 1, y: 2}"}, {"a=[3]", "b={x: 1, y: 2}"}}));
  EXPECT_EQ(ExpandSweep({"a='x,y'", "b=f(1,2)"}), (std::vector<Words>{{"a='x,y'", "b=f(1,2)"}}));
  EXPECT_THAT(UserErrorOf([] { ExpandSweep({"a=1,"}); }), HasSubstr("empty"));
  EXPECT_THAT(UserErrorOf([] { ExpandSweep({"a=[1,2"}); }), HasSubstr("not closed"));
  EXPECT_THAT(UserErrorOf([] { ExpandSweep({"a=1]"}); }), HasSubstr("closes nothing"));
  EXPECT_THAT(UserErrorOf([] { ExpandSweep({"a='x"}); }), HasSubstr("quote"));
}

}  // namespace
}  // namespace v2r
