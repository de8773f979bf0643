// What is clipped, and how an estimate joins the recording there: declipper/clipping/blend.py with a hard mask.
#pragma once

#include <algorithm>
#include <cmath>

namespace declipper {

inline bool is_above(float y, double positive) { return y >= positive && std::isfinite(positive); }
inline bool is_below(float y, double negative) { return y <= negative && std::isfinite(negative); }
inline bool is_clipped(float y, double positive, double negative) { return is_above(y, positive) || is_below(y, negative); }

// Reliable samples stay bit for bit, clipped ones never come out below their level in size.
inline float blend(float y, double estimate, double positive, double negative) {
    const bool above = is_above(y, positive), below = is_below(y, negative);
    if (!(above || below) || !std::isfinite(estimate)) return y;
    const float restored = static_cast<float>(above ? std::max(estimate, positive) : std::min(estimate, negative));
    // rounding must not take a sample below its level
    return (above && restored < positive) || (below && restored > negative) ? y : restored;
}

}  // namespace declipper
