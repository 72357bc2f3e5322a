// Points and directions in space.
#pragma once

#include <cmath>

namespace v2r::metaworld {

struct Vec3 {
  double x = 0, y = 0, z = 0;
};
inline Vec3 At(const double* p) { return {p[0], p[1], p[2]}; }
inline Vec3 operator+(Vec3 a, Vec3 b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator*(double s, Vec3 a) { return {s * a.x, s * a.y, s * a.z}; }
inline double Norm(Vec3 a) { return std::sqrt(a.x * a.x + a.y * a.y + a.z * a.z); }
// Seen from above.
inline double Across(Vec3 a) { return std::hypot(a.x, a.y); }
inline void Put(Vec3 a, double* to) {
  to[0] = a.x;
  to[1] = a.y;
  to[2] = a.z;
}

}  // namespace v2r::metaworld
