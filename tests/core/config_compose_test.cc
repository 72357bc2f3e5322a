#include "core/config.h"
#include "tests/core/helpers.h"

namespace v2r {
namespace {

using testing::HasSubstr;

class ComposeTest : public testing::Test {
 protected:
  ComposeTest() {
    folder_.Write("c/train.yaml",
                  "defaults:\n  - env: reach\n  - agent: ppo\n  - encoder: nature\n  - _self_\n"
                  "seed: 1\nagent: {num_steps: 50}\n");
    folder_.Write("c/env/reach.yaml", "id: reach\nsteps: 50\n");
    folder_.Write("c/env/push.yaml", "id: push\nsteps: 80\n");
    folder_.Write("c/agent/ppo.yaml", "gamma: 0.97\nnum_steps: 10\nlr: 1e-3\n");
    folder_.Write("c/agent/ppo_slow.yaml", "defaults: [ppo]\nlr: 1e-4\n");
    folder_.Write("c/encoder/nature.yaml", "arch: nature\npath: ''\n");
    folder_.Write("c/encoder/resnet18.yaml", "arch: resnet18\n");
    folder_.Write("c/pretrain/tcn.yaml",
                  "defaults:\n  - encoder: nature\n  - head: mlp\nmargin: 1\n");
    folder_.Write("c/pretrain/head/mlp.yaml", "kind: mlp\n");
    folder_.Write("c/pretrain/head/linear.yaml", "kind: linear\n");
    folder_.Write(
        "c/experiment/quick.yaml",
        "defaults:\n  - env: push\n  - agent: ppo_slow\nseed: 7\nagent: {num_steps: 5}\n");
    folder_.Write("c/experiment/quicker.yaml",
                  "defaults: [quick, {agent: ppo}]\nagent: {num_steps: 2}\n");
  }

  ConfigNode Compose(const std::vector<std::string>& words, const std::string& root = "train") {
    return ComposeConfig({folder_ / "c"}, root, words);
  }
  std::string Get(const ConfigNode& tree, const std::string& path) {
    const ConfigNode* node = tree.FindPath(path);
    return node == nullptr ? "<absent>" : node->text();
  }
  std::string Message(const std::vector<std::string>& words, const std::string& root = "train") {
    return UserErrorOf([&] { Compose(words, root); });
  }

  TempFolder folder_;
};

TEST_F(ComposeTest, DefaultsThenSelf) {
  const ConfigNode tree = Compose({});
  EXPECT_EQ(Get(tree, "env.id"), "reach");
  EXPECT_EQ(Get(tree, "agent.gamma"), "0.97");
  EXPECT_EQ(Get(tree, "agent.num_steps"), "50");
  EXPECT_EQ(Get(tree, "defaults"), "<absent>");
  EXPECT_EQ(tree.FindPath("agent.gamma")->origin().ToString(),
            (folder_ / "c/agent/ppo.yaml").string() + ":1:1");
}

TEST_F(ComposeTest, SelfFirstLetsTheGroupsWin) {
  folder_.Write("c/first.yaml", "defaults: [_self_, {agent: ppo}]\nagent: {num_steps: 50, x: 1}\n");
  const ConfigNode tree = Compose({}, "first");
  EXPECT_EQ(Get(tree, "agent.num_steps"), "10");
  EXPECT_EQ(Get(tree, "agent.x"), "1");
}

TEST_F(ComposeTest, OverridesSelectSetAddAndDelete) {
  const ConfigNode tree = Compose({"env=push", "agent.gamma=0.5", "+new.key=[1, a]", "~agent.lr",
                                   "seed=2", "seed=3", "agent.note=a: b #c"});
  EXPECT_EQ(Get(tree, "env.steps"), "80");
  EXPECT_EQ(Get(tree, "agent.gamma"), "0.5");
  EXPECT_EQ(tree.FindPath("agent.gamma")->origin().ToString(), "command line");
  EXPECT_EQ(tree.FindPath("new.key")->ToYaml(), "[1, a]");
  EXPECT_EQ(tree.FindPath("new.key")->items()[0].origin().ToString(), "command line");
  EXPECT_EQ(Get(tree, "agent.lr"), "<absent>");
  EXPECT_EQ(Get(tree, "seed"), "3");
  EXPECT_EQ(Get(tree, "agent.note"), "a: b #c");
}

TEST_F(ComposeTest, SelectionStandsWhereverTheWordStands) {
  const ConfigNode tree = Compose({"env.steps=9", "env=push"});
  EXPECT_EQ(Get(tree, "env.id"), "push");
  EXPECT_EQ(Get(tree, "env.steps"), "9");
}

TEST_F(ComposeTest, EmptyAndQuotedValues) {
  const ConfigNode tree = Compose({"a=", "b=\"64\"", "c=null", "d={x: {y: 1}}"});
  EXPECT_TRUE(tree.Find("a")->is_scalar());
  EXPECT_EQ(Get(tree, "a"), "");
  EXPECT_TRUE(tree.Find("b")->quoted());
  EXPECT_EQ(Get(tree, "b"), "64");
  EXPECT_TRUE(tree.Find("c")->is_null());
  EXPECT_EQ(Get(tree, "d.x.y"), "1");
}

TEST_F(ComposeTest, GroupsCanBeDroppedAndAdded) {
  EXPECT_EQ(Compose({"encoder=null"}).Find("encoder"), nullptr);
  EXPECT_EQ(Get(Compose({"pretrain=tcn"}), "pretrain.margin"), "1");
  EXPECT_EQ(Get(Compose({"+pretrain=tcn"}), "pretrain.margin"), "1");
}

TEST_F(ComposeTest, GroupFilesHaveDefaultsOfTheirOwn) {
  const ConfigNode slow = Compose({"agent=ppo_slow"});
  EXPECT_EQ(Get(slow, "agent.lr"), "1e-4");
  EXPECT_EQ(Get(slow, "agent.gamma"), "0.97");
  const ConfigNode tree = Compose({"pretrain=tcn"});
  EXPECT_EQ(Get(tree, "pretrain.encoder.arch"), "nature") << "a group of the root";
  EXPECT_EQ(Get(tree, "pretrain.head.kind"), "mlp") << "a group inside of the group";
  const ConfigNode nested =
      Compose({"pretrain=tcn", "pretrain.encoder=resnet18", "pretrain.head=linear"});
  EXPECT_EQ(Get(nested, "pretrain.encoder.arch"), "resnet18");
  EXPECT_EQ(Get(nested, "pretrain.head.kind"), "linear");
  EXPECT_EQ(Get(nested, "encoder.arch"), "nature");
}

TEST_F(ComposeTest, FilesAreSetAsThePathOfTheGroup) {
  const ConfigNode absent = Compose({"encoder=runs/a.safetensors"});
  EXPECT_EQ(Get(absent, "encoder.path"), "runs/a.safetensors");
  EXPECT_EQ(Get(absent, "encoder.arch"), "nature");
  const std::string existing = folder_.Write("some_folder/x", "").parent_path().string();
  EXPECT_EQ(Get(Compose({"encoder=" + existing}), "encoder.path"), existing);
  EXPECT_EQ(
      Get(Compose({"pretrain=tcn", "pretrain.encoder=b.safetensors"}), "pretrain.encoder.path"),
      "b.safetensors");
}

TEST_F(ComposeTest, ExperimentSelectsAndSetsBelowTheCommandLine) {
  const ConfigNode quick = Compose({"experiment=quick"});
  EXPECT_EQ(Get(quick, "env.id"), "push");
  EXPECT_EQ(Get(quick, "agent.lr"), "1e-4");
  EXPECT_EQ(Get(quick, "agent.num_steps"), "5");
  EXPECT_EQ(Get(quick, "seed"), "7");
  EXPECT_EQ(quick.Find("experiment"), nullptr);
  const ConfigNode tree =
      Compose({"experiment=quick", "env=reach", "agent=ppo", "agent.num_steps=1"});
  EXPECT_EQ(Get(tree, "env.id"), "reach");
  EXPECT_EQ(Get(tree, "agent.lr"), "1e-3");
  EXPECT_EQ(Get(tree, "agent.num_steps"), "1");
  const ConfigNode quicker = Compose({"experiment=quicker"});
  EXPECT_EQ(Get(quicker, "env.id"), "push");
  EXPECT_EQ(Get(quicker, "agent.lr"), "1e-3");
  EXPECT_EQ(Get(quicker, "agent.num_steps"), "2");
  EXPECT_EQ(Get(quicker, "seed"), "7");
}

TEST_F(ComposeTest, RootMayNameAnExperiment) {
  folder_.Write("c/with.yaml", "defaults: [{env: reach}, {experiment: null}]\nseed: 1\n");
  EXPECT_EQ(Get(Compose({}, "with"), "seed"), "1");
  EXPECT_EQ(Get(Compose({"experiment=quick"}, "with"), "seed"), "7");
  folder_.Write("c/with2.yaml", "defaults: [{env: reach}, {experiment: quick}]\nseed: 1\n");
  EXPECT_EQ(Get(Compose({}, "with2"), "env.id"), "push");
}

TEST_F(ComposeTest, EarlierRootsHideLaterOnes) {
  folder_.Write("user/env/reach.yaml", "id: mine\n");
  const ConfigNode tree = ComposeConfig({folder_ / "user", folder_ / "c"}, "train", {});
  EXPECT_EQ(Get(tree, "env.id"), "mine");
  EXPECT_EQ(Get(tree, "agent.gamma"), "0.97");
}

TEST_F(ComposeTest, InterpolationSeesTheOverrides) {
  folder_.Write("c/inter.yaml", "seed: 1\nname: s${seed}\n");
  EXPECT_EQ(Get(Compose({"seed=5", "copy=${name}"}, "inter"), "copy"), "s5");
}

TEST_F(ComposeTest, ErrorsNameTheNearest) {
  EXPECT_THAT(Message({"env=puhs"}), HasSubstr("did you mean 'push'? nor a file (options: push, "
                                               "reach)"));
  EXPECT_THAT(Message({}, "trian"), HasSubstr("no config 'trian', did you mean 'train'?"));
  EXPECT_THAT(Message({"experiment=quik"}), HasSubstr("did you mean 'quick'?"));
  EXPECT_THAT(Message({"~agent.gama"}), HasSubstr("did you mean 'gamma'?"));
  EXPECT_THAT(Message({"~no.such"}), HasSubstr("no such key"));
  EXPECT_THAT(Message({"push"}), HasSubstr("write key=value"));
  EXPECT_THAT(Message({"seed.x=1"}), HasSubstr("'seed' is a value"));
  EXPECT_THAT(Message({"a=[1,"}), HasSubstr("command line: a"));
}

TEST_F(ComposeTest, BadDefaultsAreErrorsWithTheirPlace) {
  const auto message = [&](const std::string& text) {
    folder_.Write("c/bad.yaml", text);
    return Message({}, "bad");
  };
  EXPECT_THAT(message("defaults:\n  - env: raech\n"),
              HasSubstr("bad.yaml:2:5: there is no option"));
  EXPECT_THAT(message("defaults:\n  - env: raech\n"), HasSubstr("did you mean 'reach'?"));
  EXPECT_THAT(message("defaults: reach\n"), HasSubstr("is a list of"));
  EXPECT_THAT(message("defaults: [[a]]\n"), HasSubstr("is a list of"));
  EXPECT_THAT(message("defaults: [{env: reach}, {env: push}]\n"), HasSubstr("twice"));
  EXPECT_THAT(message("defaults: [bad]\n"), HasSubstr("circle"));
  EXPECT_THAT(message("just text\n"), HasSubstr("key: value"));
  folder_.Write("c/experiment/loop.yaml", "defaults: [loop]\n");
  EXPECT_THAT(Message({"experiment=loop"}), HasSubstr("circle"));
}

}  // namespace
}  // namespace v2r
