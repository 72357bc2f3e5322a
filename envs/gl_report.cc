#include "envs/gl_report.h"

#include <algorithm>
#include <set>

#include "core/clock.h"
#include "core/error.h"
#include "core/rng.h"
#include "envs/renderer.h"

namespace v2r {
namespace {

constexpr int kPictures = 64;  // handed to the Renderer at once

}  // namespace

std::vector<int> ContextsToTry(const GlDriver& driver, int cores) {
  if (!driver.software) return {1, 2, 4, 8, 16};
  return cores > 1 ? std::vector<int>{1, cores} : std::vector<int>{1};
}

std::vector<GlSpeed> MeasureGl(const std::vector<int>& contexts, double seconds) {
  const ModelPtr model = LoadModel(OwnModel("reach.xml"));
  Rng rng(1);
  std::vector<DataPtr> states;
  for (int i = 0; i < kPictures; ++i) {
    states.emplace_back(mj_makeData(model.get()));
    for (int j = 0; j < model->nq; ++j) states[i]->qpos[j] = rng.Uniform(-2, 2);
    mj_forward(model.get(), states[i].get());
  }
  std::vector<GlSpeed> speeds;
  for (const int pixels : {64, 128, 224}) {
    const size_t bytes = static_cast<size_t>(pixels) * pixels * 3;
    std::vector<uint8_t> frames(kPictures * bytes);
    std::vector<DrawRequest> pictures;
    for (int i = 0; i < kPictures; ++i)
      pictures.push_back({states[i].get(), frames.data() + i * bytes});
    for (const int count : contexts) {
      Renderer renderer(model.get(), {.threads = count, .height = pixels, .width = pixels});
      renderer.Draw(pictures);  // the driver compiles what it needs
      double drawn = 0;
      const Stopwatch watch;
      do {
        renderer.Draw(pictures);
        drawn += kPictures;
      } while (watch.Seconds() < seconds);
      speeds.push_back({pixels, count, drawn / watch.Seconds()});
    }
  }
  return speeds;
}

std::string GlSpeedTable(const std::vector<GlSpeed>& speeds) {
  std::set<int> sizes, contexts;
  for (const GlSpeed& speed : speeds) {
    sizes.insert(speed.pixels);
    contexts.insert(speed.contexts);
  }
  std::string table = fmt::format("{:<12}", "pictures/s");
  for (const int count : contexts)
    table += fmt::format("{:>14}", fmt::format("{} contexts", count));
  for (const int pixels : sizes) {
    table += fmt::format("\n{:<12}", fmt::format("{} px", pixels));
    for (const int count : contexts) {
      const auto found = std::find_if(speeds.begin(), speeds.end(), [&](const GlSpeed& speed) {
        return speed.pixels == pixels && speed.contexts == count;
      });
      table += found == speeds.end() ? fmt::format("{:>14}", "")
                                     : fmt::format("{:>14.0f}", found->pictures_per_second);
    }
  }
  return table;
}

std::string DrawnBy(const GlDriver& driver, const std::string& maker, bool allow_software) {
  const std::string complaint = SoftwareBesideGpu(driver, maker);
  if (!complaint.empty() && !allow_software) ThrowUser("{}", complaint);
  return fmt::format("{} by {}, OpenGL {}, through {}{}", driver.renderer, driver.vendor,
                     driver.version, driver.platform,
                     complaint.empty() ? "" : fmt::format(" (allowed: {})", complaint));
}

}  // namespace v2r
