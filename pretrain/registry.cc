#include "pretrain/registry.h"

#include <memory>
#include <utility>

#include "pretrain/dino.h"
#include "pretrain/distill.h"
#include "pretrain/goal_classifier.h"
#include "pretrain/ijepa.h"
#include "pretrain/lifs.h"
#include "pretrain/mae.h"
#include "pretrain/moco.h"
#include "pretrain/progress.h"
#include "pretrain/r3m.h"
#include "pretrain/ranking.h"
#include "pretrain/simclr.h"
#include "pretrain/supervised.h"
#include "pretrain/tcc.h"
#include "pretrain/tcn.h"
#include "pretrain/tdist.h"
#include "pretrain/trainer.h"
#include "pretrain/vip.h"

namespace v2r {
namespace {

template <typename T>
PretrainMethodRegistry::Factory Factory() {
  return [](const PretrainOptions& options, EncoderNet net, Rng& rng) {
    return std::make_unique<T>(options, std::move(net), rng);
  };
}

PretrainMethodRegistry MakeRegistry() {
  PretrainMethodRegistry registry("pretraining method");
  registry.Add("dino",
               "DINO: a student's views match the centred, sharpened outputs of its teacher",
               Factory<Dino>());
  registry.Add("distill",
               "a student gives a classifier's softened probabilities (SimCLR v2), labels optional",
               Factory<Distill>());
  registry.Add("goal_classifier", "a head that tells demonstrations' last frames from all others",
               Factory<GoalClassifier>());
  registry.Add("ijepa",
               "I-JEPA: a transformer predicts a slow copy's view of the blocks it does not see, L2",
               Factory<Ijepa>());
  registry.Add("lifs", "LIFS: equal shares of films are embedded alike, pictures reconstructed, L2",
               Factory<InvariantFeatures>());
  registry.Add("mae", "masked autoencoder: a transformer predicts the patches it does not see, L2",
               Factory<Mae>());
  registry.Add("moco", "MoCo v1/v2: a query's key among a queue of past keys, cosine",
               Factory<Moco>());
  registry.Add("mocov3", "MoCo v3: predictor and momentum encoder, negatives of the batch, cosine",
               Factory<MocoV3>());
  registry.Add("progress",
               "PROGRESSOR: a head that says how far a frame is between a start and a goal frame",
               Factory<Progress>());
  registry.Add("r3m", "R3M's vision part: time contrast with other films, short embeddings",
               Factory<R3m>());
  registry.Add("ranking", "a head that tells which of two frames of a demonstration comes later",
               Factory<Ranking>());
  registry.Add("simclr", "contrastive views of the same or a nearby frame (NT-Xent), cosine",
               Factory<SimClr>());
  registry.Add("supervised",
               "cross-entropy on labels: from scratch, fine-tuning, or a linear probe",
               Factory<Supervised>());
  registry.Add("tcc", "temporal cycle consistency: soft neighbours in another film lead back",
               Factory<Tcc>());
  registry.Add("tcn", "time-contrastive: triplets, XIRL's two forms or N-pairs of frames, L2",
               Factory<Tcn>());
  registry.Add("tdist", "the embedding's L2 distance predicts the steps between two frames",
               Factory<Tdist>());
  registry.Add("vip", "VIP, LIV's visual term: distance to a goal is its value, learned from films",
               Factory<Vip>());
  return registry;
}

}  // namespace

const PretrainMethodRegistry& PretrainMethods() {
  static const PretrainMethodRegistry registry = MakeRegistry();
  return registry;
}

std::vector<std::string> PretrainMethodNames() { return PretrainMethods().Names(); }
std::string PretrainMethodDoc(const std::string& name) { return PretrainMethods().Doc(name); }

}  // namespace v2r
