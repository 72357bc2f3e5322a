// What the tasks' scripted experts share: small plane vectors and the habits that one episode
// keeps.
#pragma once

#include <cmath>
#include <numbers>
#include <span>
#include <type_traits>

#include "core/rng.h"

namespace v2r {

inline constexpr double kPi = std::numbers::pi;

struct Vec2 {
  double x = 0, y = 0;
};
inline Vec2 operator+(Vec2 a, Vec2 b) { return {a.x + b.x, a.y + b.y}; }
inline Vec2 operator-(Vec2 a, Vec2 b) { return {a.x - b.x, a.y - b.y}; }
inline Vec2 operator*(double s, Vec2 a) { return {s * a.x, s * a.y}; }
inline double Dot(Vec2 a, Vec2 b) { return a.x * b.x + a.y * b.y; }
inline double Norm(Vec2 a) { return std::hypot(a.x, a.y); }
inline Vec2 Polar(double radius, double angle) {
  return {radius * std::cos(angle), radius * std::sin(angle)};
}
// `a`, or what has its direction and is `longest` long.
inline Vec2 Shorten(Vec2 a, double longest) {
  const double size = Norm(a);
  return size > longest ? (longest / size) * a : a;
}

// What stays the same during one demonstration, and the actions that a random walker holds.
template <int kActions>
struct HabitOf {
  double speed = 1;  // fraction of the full speed
  double held[kActions] = {};

  void Draw(Rng& rng, double slowest, double fastest) {
    speed = rng.Uniform(slowest, fastest);
    for (double& h : held) h = rng.Uniform(-1, 1);
  }
  // Uniform actions, each held for 6 steps on average: independent draws would only shiver on the
  // spot.
  void Wander(Rng& rng, std::span<float> action) {
    for (size_t i = 0; i < action.size(); ++i) {
      if (rng.Bernoulli(1.0 / 6)) held[i] = rng.Uniform(-1, 1);
      action[i] = static_cast<float>(held[i]);
    }
  }
  // Actions 0 and 1 for a velocity of `wish` (m/s) in the plane where action 1 is `full` m/s: not
  // faster than this habit, and a little unsteady.
  void Steer(Vec2 wish, double full, Rng& rng, std::span<float> action) const {
    wish = Shorten(wish, speed * full);
    action[0] = static_cast<float>(wish.x / full + 0.04 * rng.Normal());
    action[1] = static_cast<float>(wish.y / full + 0.04 * rng.Normal());
  }
};
using ExpertHabit = HabitOf<2>;

// A struct of doubles as a flat array (for Env::Memory).
template <typename T>
std::span<double> AsDoubles(T& values) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(double) == 0);
  return {reinterpret_cast<double*>(&values), sizeof(T) / sizeof(double)};
}

}  // namespace v2r
