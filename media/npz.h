// NumPy's array files: .npy inside .npz.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace v2r {

// A dense array in row-major order, little-endian.
struct NpyArray {
  std::string descr;  // NumPy's type string: "|u1", "<i8", "<f4", "|S12"
  std::vector<int64_t> shape;
  std::string bytes;

  int64_t numel() const;
  int64_t ItemSize() const;  // bytes of one element
};

// `bytes` of a .npy file, format 1.0 to 3.0 (numpy/lib/format.py). UserError that begins with
// `where`: no such file, cut short or too long, a header that is not NumPy's, Fortran order,
// big-endian, or a type other than integers, floats, bool and byte strings (|S).
NpyArray ParseNpy(const std::string& bytes, const std::string& where);
// Format 1.0 (2.0 where the header needs it).
std::string NpyBytes(const NpyArray& array);

// Atomic; entry NAME.npy for each array, deflated.
void WriteNpz(const std::filesystem::path& path, const std::map<std::string, NpyArray>& arrays);

}  // namespace v2r
