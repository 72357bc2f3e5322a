// Line charts as inline SVG.
#include <algorithm>
#include <cmath>
#include <limits>

#include "app/report.h"
#include "core/error.h"

namespace v2r {
namespace {

constexpr double kWidth = 460, kHeight = 240, kLeft = 62, kRight = 24, kTop = 30, kBottom = 40;
constexpr const char* kColors[] = {"#2f6fb0", "#d9822b", "#3a9a5b", "#b0413e", "#7d5ba6"};

std::string Short(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (size >= 1e3) return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.3g}", value);
}

struct Box {
  double x0 = std::numeric_limits<double>::infinity(), x1 = -x0, y0 = x0, y1 = -x0;
};

Box Bounds(const std::vector<Series>& series) {
  Box box;
  for (const Series& s : series) {
    for (const auto& [x, y] : s.points) {
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      box.x0 = std::min(box.x0, x);
      box.x1 = std::max(box.x1, x);
      box.y0 = std::min(box.y0, y);
      box.y1 = std::max(box.y1, y);
    }
  }
  if (box.x1 <= box.x0) box.x1 = box.x0 + 1;
  const double margin =
      box.y1 > box.y0 ? 0.05 * (box.y1 - box.y0) : std::max(1e-3, 0.1 * std::abs(box.y0));
  box.y0 -= margin;
  box.y1 += margin;
  return box;
}

}  // namespace

std::string EscapeXml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

std::string LineChartSvg(const std::string& title, const std::string& x_label,
                         const std::vector<Series>& series) {
  const Box box = Bounds(series);
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {} {}' xmlns='http://www.w3.org/2000/svg' font-family='sans-serif' "
      "font-size='11'>"
      "<text x='{}' y='16' font-size='13' font-weight='bold'>{}</text>",
      kWidth, kHeight, kLeft, EscapeXml(title));
  if (!std::isfinite(box.x0)) {
    return svg + fmt::format("<text x='{}' y='{}' fill='#888'>no values</text></svg>",
                             kWidth / 2 - 30, kHeight / 2);
  }
  const auto px = [&](double x) {
    return kLeft + (x - box.x0) / (box.x1 - box.x0) * (kWidth - kLeft - kRight);
  };
  const auto py = [&](double y) {
    return kHeight - kBottom - (y - box.y0) / (box.y1 - box.y0) * (kHeight - kTop - kBottom);
  };
  for (int i = 0; i <= 4; ++i) {
    const double y = box.y0 + (box.y1 - box.y0) * i / 4, x = box.x0 + (box.x1 - box.x0) * i / 4;
    svg += fmt::format("<line x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}' stroke='#e3e3e3'/>", kLeft,
                       kWidth - kRight, py(y), py(y));
    svg += fmt::format("<text x='{}' y='{:.1f}' text-anchor='end'>{}</text>", kLeft - 5, py(y) + 4,
                       Short(y));
    svg += fmt::format("<text x='{:.1f}' y='{}' text-anchor='middle'>{}</text>", px(x),
                       kHeight - kBottom + 15, Short(x));
  }
  svg += fmt::format("<text x='{}' y='{}' text-anchor='middle' fill='#555'>{}</text>",
                     (kWidth + kLeft) / 2, kHeight - 8, EscapeXml(x_label));
  double legend = kLeft;
  for (size_t i = 0; i < series.size(); ++i) {
    const char* color = kColors[i % std::size(kColors)];
    std::string path;
    bool pen = false;
    for (const auto& [x, y] : series[i].points) {
      if (!std::isfinite(y)) {
        pen = false;
        continue;
      }
      path += fmt::format("{}{:.1f},{:.1f}", pen ? "L" : "M", px(x), py(y));
      pen = true;
    }
    svg += fmt::format("<path d='{}' fill='none' stroke='{}' stroke-width='1.6'/>", path, color);
    if (series.size() > 1) {
      svg += fmt::format("<text x='{}' y='{}' fill='{}'>{}</text>", legend, kTop - 2, color,
                         EscapeXml(series[i].name));
      legend += 8.0 * static_cast<double>(series[i].name.size()) + 14;
    }
  }
  return svg + "</svg>";
}

}  // namespace v2r
