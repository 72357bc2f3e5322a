#include "app/shapes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "envs/shapes.h"
#include "media/npz.h"

namespace v2r {
namespace {

constexpr int64_t kPart = 512;

NpyArray NameList(const std::vector<std::string>& names) {
  size_t width = 0;
  for (const std::string& name : names) width = std::max(width, name.size());
  NpyArray array{fmt::format("|S{}", width), {static_cast<int64_t>(names.size())}, ""};
  for (std::string name : names) {
    name.resize(width, '\0');
    array.bytes += name;
  }
  return array;
}

}  // namespace

void WriteShapes(const ShapesCommandOptions& options) {
  const auto kinds = static_cast<int64_t>(ShapeNames().size());
  const int64_t ten = kinds * options.views;  // pictures of one thing of each kind
  if (options.count % options.views != 0) {
    ThrowUser("count={} is no multiple of views={}", options.count, options.views);
  }
  const auto tens = std::llround(options.test_share * static_cast<double>(options.count) /
                                 static_cast<double>(ten));
  const int64_t test = tens * ten, train = options.count - test;
  if (test == 0 || train < ten) {
    ThrowUser(
        "test_share={} of count={} leaves {} training and {} test pictures: each part needs "
        "all {} kinds",
        options.test_share, options.count, train, test, kinds);
  }
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int threads = options.render_threads > 0 ? static_cast<int>(options.render_threads) : cores;
  ShapeRenderer renderer(static_cast<int>(options.size), threads,
                         static_cast<uint64_t>(options.seed), options.views);
  const auto bytes = static_cast<size_t>(options.size * options.size * 3);
  std::map<std::string, NpyArray> arrays;
  arrays["classes"] = NameList(ShapeNames());
  Progress progress("drawing shapes", options.count);
  const auto draw = [&](const std::string& part, int64_t begin, int64_t end) {
    NpyArray x{"|u1", {end - begin, options.size, options.size, 3}, ""};
    NpyArray y{"|u1", {end - begin}, ""}, clip{"<i4", {end - begin}, ""};
    x.bytes.resize(static_cast<size_t>(end - begin) * bytes);
    for (int64_t at = begin; at < end; at += kPart) {
      PollInterrupt();
      const int64_t count = std::min(kPart, end - at);
      renderer.Draw(
          at, count,
          reinterpret_cast<uint8_t*>(x.bytes.data()) + static_cast<size_t>(at - begin) * bytes);
      progress.Update(at + count, part);
    }
    for (int64_t i = begin; i < end; ++i) {
      y.bytes += static_cast<char>(renderer.ClassOf(i));
      const auto thing = static_cast<int32_t>(renderer.ThingOf(i));
      clip.bytes.append(reinterpret_cast<const char*>(&thing), sizeof(thing));
    }
    arrays["x_" + part] = std::move(x);
    arrays["y_" + part] = std::move(y);
    arrays["clip_" + part] = std::move(clip);
  };
  draw("train", 0, train);
  draw("test", train, options.count);
  WriteNpz(options.out, arrays);
}

}  // namespace v2r
