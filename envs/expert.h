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

// What stays the same during one demonstration, and the action a random walker holds.
struct ExpertHabit {
  double speed = 1;  // fraction of the full speed
  double held[2] = {0, 0};

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
};

// A struct of doubles as a flat array (for Env::Memory).
template <typename T>
std::span<double> AsDoubles(T& values) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(double) == 0);
  return {reinterpret_cast<double*>(&values), sizeof(T) / sizeof(double)};
}

}  // namespace v2r
