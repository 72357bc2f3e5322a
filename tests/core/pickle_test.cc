#include "core/pickle.h"

#include "core/rng.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using Kind = PickleNode::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

std::string Refusal(const std::string& bytes) {
  return UserErrorOf([&] { Pickle(bytes, "file"); });
}

// A value as text: what the tests compare.
std::string Show(const Pickle& pickle, const PickleNode& node) {
  const auto list = [&](const std::vector<uint32_t>& items) {
    std::string text;
    for (const uint32_t item : items) text += Show(pickle, pickle.node(item)) + ",";
    return text;
  };
  switch (node.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return node.integer != 0 ? "True" : "False";
    case Kind::kInt:
      return std::to_string(node.integer);
    case Kind::kBigInt:
      return fmt::format("big{}", node.text.size());
    case Kind::kFloat:
      return fmt::format("{:g}f", node.number);
    case Kind::kText:
      return "'" + node.text + "'";
    case Kind::kBytes:
      return "b'" + node.text + "'";
    case Kind::kTuple:
      return "(" + list(node.items) + ")";
    case Kind::kList:
      return "[" + list(node.items) + "]";
    case Kind::kSet:
      return "<" + list(node.items) + ">";
    case Kind::kDict:
      return "{" + list(node.items) + "}";
    case Kind::kGlobal:
      return node.text;
    case Kind::kObject:
      return "call(" + list(node.items) + ")" + list(node.entries);
    case Kind::kPersistent:
      return "@" + list(node.items);
  }
  return "?";
}

std::string Shown(const std::string& bytes) {
  const Pickle pickle(bytes, "file");
  EXPECT_EQ(pickle.size(), bytes.size());
  return Show(pickle, pickle.root());
}

TEST(PickleTest, ReadsTheValuesOfEveryProtocol) {
  EXPECT_EQ(Shown("(lp0\nI1\naI01\naL-5L\naF2.5\naS'a'\naVb\naNa."),
            "[1,True,-5,2.5f,'a','b',None,]");
  EXPECT_EQ(
      Shown("\x80\x02(K\x07M\x01\x02J\xFF\xFF\xFF\xFF\x8a\x01\x80G\x3F\xF8\0\0\0\0\0\0\x88\x89t."s),
      "(7,513,-1,-128,1.5f,True,False,)");
  EXPECT_EQ(Shown("\x80\x02}q\0(X\x01\0\0\0aK\x01U\x01"
                  "bK\x02u."s),
            "{'a',1,'b',2,}");
  EXPECT_EQ(Shown("\x80\x03"
                  "C\x02hi."s),
            "b'hi'");
  EXPECT_EQ(Shown("\x80\x04\x95\x09\0\0\0\0\0\0\0\x8f(\x8c\x01xK\x01\x90."s), "<'x',1,>");
  EXPECT_EQ(Shown("\x80\x02\x8a\x09\1\2\3\4\5\6\7\x08\x09."s), "big9");
  EXPECT_EQ(Shown("\x80\x02K\x01K\x02\x86K\x03\x85\x86."s), "((1,2,),(3,),)");
}

TEST(PickleTest, ACallIsARecordAndIsNeverMade) {
  EXPECT_EQ(Shown("\x80\x02"
                  "cos\nsystem\nX\x07\0\0\0rm -rf.\x85R."s),
            "call(os system,('rm -rf.',),)");
  EXPECT_EQ(Shown("(ios\nsystem\n."), "call(os system,(),)");
  EXPECT_EQ(Shown("(cos\nsystem\nI1\no."), "call(os system,(1,),)");
  EXPECT_EQ(Shown("\x80\x04\x8c\x02os\x8c\x06system\x93)\x81}b."s), "call(os system,(),)");
  EXPECT_EQ(Shown("\x80\x02"
                  "ccollections\nOrderedDict\n)R(U\x01"
                  "aK\x01u."s),
            "call(collections OrderedDict,(),)'a',1,");
  EXPECT_EQ(Shown("\x80\x02U\x01xQ."s), "@'x',");
}

TEST(PickleTest, TheMemoSharesAndMayMakeACycle) {
  EXPECT_EQ(Shown("\x80\x02(]q\1K\x01h\1t."s), "([],1,[],)");
  const Pickle cycle("\x80\x02]q\1h\1a."s, "file");
  ASSERT_EQ(cycle.root().items.size(), 1u);
  EXPECT_EQ(&cycle.node(cycle.root().items[0]), &cycle.root());
}

TEST(PickleTest, DamageIsAnErrorThatSaysWhere) {
  EXPECT_THAT(Refusal(""), HasSubstr("file: damaged pickle at byte 0: it is cut off"));
  EXPECT_THAT(Refusal("\x80\x02."s), HasSubstr("stack is empty"));
  EXPECT_THAT(Refusal("\x80\x09N."s), HasSubstr("protocol"));
  EXPECT_THAT(Refusal("X\xFF\xFF\xFF\xFF"
                      "a."s),
              HasSubstr("cut off"));
  EXPECT_THAT(Refusal("\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                      "a."s),
              HasSubstr("cut off"));
  EXPECT_THAT(Refusal("\x8b\xFF\xFF\xFF\xFF"
                      "a."s),
              HasSubstr("cut off"));
  EXPECT_THAT(Refusal("h\x05."s), HasSubstr("nothing was stored as 5"));
  EXPECT_THAT(Refusal("K\x01K\x02"
                      "a."s),
              HasSubstr("takes none"));
  EXPECT_THAT(Refusal("}(K\x01u."s), HasSubstr("key without value"));
  EXPECT_THAT(Refusal("(K\x01R."s), HasSubstr("stack is empty"));  // not beyond the mark
  EXPECT_THAT(Refusal("t."s), HasSubstr("mark"));
  EXPECT_THAT(Refusal("\x82\x01."s), HasSubstr("opcode 0x82"));
  EXPECT_THAT(Refusal("\x97."s), HasSubstr("opcode 0x97"));
  EXPECT_THAT(Refusal("Iabc\n."s), HasSubstr("number"));
}

TEST(PickleTest, SizesAreLimited) {
  EXPECT_THAT(Refusal(std::string(Pickle::kMaxNodes + 8, ')')),
              HasSubstr("more than 2000000 values"));
  EXPECT_THAT(Refusal(std::string(Pickle::kMaxStack + 8, 'N')), HasSubstr("too deep"));
  EXPECT_THAT(Refusal(std::string(Pickle::kMaxStack + 8, '(')), HasSubstr("too deep"));
}

// Random opcodes with random arguments: an error or a value, in bounded time.
TEST(PickleTest, AnyRowOfBytesEndsInAValueOrAnError) {
  const std::string opcodes =
      "().NKMJGX}]laesutcRbQh2q0\x81\x85\x86\x87\x88\x8a\x8c\x8f\x90\x93\x94"s;
  int64_t values = 0, errors = 0;
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    Rng rng(seed);
    std::string bytes = "\x80\x02(N"s;
    for (int i = 0; i < 60; ++i) {
      bytes += opcodes[rng.NextU64() % opcodes.size()];
      if (rng.NextU64() % 3 == 0) bytes += static_cast<char>(rng.NextU64() % 8);
      if (rng.NextU64() % 9 == 0) bytes += '\n';
    }
    bytes += "2."s;
    try {
      const Pickle pickle(bytes, "file");
      EXPECT_LE(pickle.size(), bytes.size());
      ++values;
    } catch (const UserError&) {
      ++errors;
    }
  }
  EXPECT_GT(values, 100);
  EXPECT_GT(errors, 1000);
}

}  // namespace
}  // namespace v2r
