// Rates measured in turns, so that a busy machine slows all sides alike. For `v2r bench` and the
// programs in benchmarks/.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "core/clock.h"

namespace v2r {

// Seconds of processor time that all threads of this process have used.
inline double ProcessSeconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Sample {
  double items = 0, seconds = 0,
         cpu = 0;  // done, wall time and processor time of all threads they took
};

// Calls `chunk() -> items` until `seconds` are over.
template <typename Chunk>
Sample Repeat(double seconds, Chunk&& chunk) {
  Sample sample;
  const double cpu = ProcessSeconds();
  const Stopwatch watch;
  while ((sample.seconds = watch.Seconds()) < seconds) sample.items += static_cast<double>(chunk());
  sample.cpu = ProcessSeconds() - cpu;
  return sample;
}

// Runs `thread(t, begin) ` on `threads` threads: it prepares itself, calls begin() once, then works
// for `seconds` and returns how many items it did. The clock starts when all have begun.
template <typename Body>
Sample OnThreads(int threads, Body&& body) {
  std::atomic<int> ready{0};
  std::vector<double> items(threads);
  std::vector<std::thread> pool;
  Stopwatch watch;
  double cpu = 0;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      items[t] = static_cast<double>(body(t, [&] {
        if (++ready == threads) {
          cpu = ProcessSeconds();
          watch.Restart();
          ready = 2 * threads;
        }
        while (ready < 2 * threads) std::this_thread::yield();
      }));
    });
  }
  for (auto& thread : pool) thread.join();
  Sample sample{0, watch.Seconds(), ProcessSeconds() - cpu};
  for (double k : items) sample.items += k;
  return sample;
}

struct Rate {
  double per_second = 0;  // of wall time: best turn
  double cpu_us = 0;      // processor time an item: best turn, hardly depends on what else runs
};

// Runs the sides `body() -> Sample` in turns and keeps the best of each.
template <typename... Bodies>
std::vector<Rate> InTurns(int turns, Bodies&&... bodies) {
  std::vector<Rate> rates(sizeof...(bodies));
  for (int turn = 0; turn < turns; ++turn) {
    size_t k = 0;
    const auto keep = [&](const Sample& sample) {
      Rate& rate = rates[k++];
      rate.per_second = std::max(rate.per_second, sample.items / sample.seconds);
      const double us = 1e6 * sample.cpu / sample.items;
      rate.cpu_us = rate.cpu_us == 0 ? us : std::min(rate.cpu_us, us);
    };
    (keep(bodies()), ...);
  }
  return rates;
}

}  // namespace v2r
