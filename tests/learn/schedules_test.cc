#include "learn/schedules.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/golden.h"

namespace v2r {
namespace {

TEST(SimclrScheduleGolden, LearningRateAtEveryStep) {
  for (const GoldenCase& c : GoldenCases("05_simclr_schedule")) {
    const auto hypers = c.hyper();
    for (const auto& [name, hyper] : hypers.items()) {
      SCOPED_TRACE(c.name + " " + name);
      const SimclrSchedule schedule{.base_lr = hyper.at("base"),
                                    .num_examples = hyper.at("num_examples"),
                                    .batch_size = hyper.at("batch"),
                                    .epochs = hyper.at("epochs"),
                                    .warmup_epochs = hyper.at("warmup_epochs"),
                                    .scaling = hyper.at("scaling")};
      EXPECT_EQ(schedule.total_steps(), hyper.at("total_steps").get<int64_t>());
      EXPECT_EQ(schedule.warmup_steps(), hyper.at("warmup_steps").get<int64_t>());
      const auto steps = c["in.step." + name].cpu();
      auto rates = torch::empty(steps.sizes(), torch::kDouble);
      for (int64_t i = 0; i < steps.size(0); ++i)
        rates[i] = schedule.LearningRate(steps[i].item<int64_t>());
      EXPECT_TRUE(IsClose(rates, c["out.lr." + name], {.relative = 1e-6}));
    }
  }
}

TEST(ScheduleFactor, Shapes) {
  EXPECT_EQ(ScheduleFactor("constant", 70, 100), 1);
  EXPECT_DOUBLE_EQ(ScheduleFactor("linear", 25, 100), 0.75);
  EXPECT_DOUBLE_EQ(ScheduleFactor("cosine", 0, 100), 1);
  EXPECT_NEAR(ScheduleFactor("cosine", 50, 100), 0.5, 1e-12);
  EXPECT_NEAR(ScheduleFactor("cosine", 100, 100), 0, 1e-12);
  EXPECT_NEAR(ScheduleFactor("cosine", 500, 100), 0, 1e-12);  // stays there
  EXPECT_DOUBLE_EQ(ScheduleFactor("constant", 5, 100, 20), 0.25);
  EXPECT_DOUBLE_EQ(ScheduleFactor("linear", 60, 100, 20), 0.5);
  EXPECT_EQ(ScheduleFactor("cosine", 0, 100, 20), 0);
  EXPECT_DOUBLE_EQ(ScheduleFactor("cosine", 20, 100, 20), 1);
  EXPECT_THROW(ScheduleFactor("step", 0, 10), UserError);
}

TEST(Anneal, GoesFromStartToEnd) {
  for (const std::string kind : {"linear", "cosine"}) {
    EXPECT_DOUBLE_EQ(Anneal(kind, 0.996, 1, 0, 50), 0.996);
    EXPECT_DOUBLE_EQ(Anneal(kind, 0.996, 1, 50, 50), 1);
    EXPECT_NEAR(Anneal(kind, 0.996, 1, 25, 50), 0.998, 1e-12);
  }
  EXPECT_EQ(Anneal("constant", 0.9, 1, 49, 50), 0.9);
  // MoCo v3: 1 - (1 - m) (1 + cos(pi e / E)) / 2
  EXPECT_NEAR(Anneal("cosine", 0.99, 1, 10, 100), 1 - 0.01 * 0.5 * (1 + std::cos(M_PI * 0.1)),
              1e-15);
}

}  // namespace
}  // namespace v2r
