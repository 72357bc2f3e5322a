// Small text helpers that error messages and tables need.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace v2r {

// The candidate with the smallest edit distance to `word`, or "" when none is near enough to be worth saying.
std::string NearestName(std::string_view word, std::span<const std::string> candidates);
// ", did you mean 'x'?" or "".
std::string DidYouMean(std::string_view word, std::span<const std::string> candidates);
std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(std::span<const std::string> parts, std::string_view separator);
std::string_view Trim(std::string_view text);
// "1h 02m 03s", "4.2 s".
std::string HumanSeconds(double seconds);
// Left-aligned first column, right-aligned others, a rule under the header.
std::string Table(const std::vector<std::vector<std::string>>& rows);

}  // namespace v2r
