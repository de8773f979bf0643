// The signs that declipper/methods/autoregressive.py draws: NumPy's generator PCG64 (O'Neill, "PCG: a family of simple fast space-efficient
// statistically good algorithms for random number generation", 2014), of which `choice` of two takes the highest bit of 32.
#pragma once

#include <cstdint>
#include <vector>

#include "constants.hpp"

namespace declipper {

// 1 or -1, always the same.
inline std::vector<double> random_signs(std::size_t count) {
    __extension__ typedef unsigned __int128 Wide;
    constexpr auto wide = [](std::uint64_t high, std::uint64_t low) { return static_cast<Wide>(high) << 64 | low; };
    constexpr Wide FACTOR = wide(0x2360ED051FC65DA4, 0x4385DF649FCCF645);
    const Wide increment = wide(random::INCREMENT[0], random::INCREMENT[1]);
    Wide state = wide(random::STATE[0], random::STATE[1]);
    std::vector<double> signs;
    while (signs.size() < count) {
        state = state * FACTOR + increment;
        const auto turns = static_cast<unsigned>(state >> 122);
        const std::uint64_t folded = static_cast<std::uint64_t>(state >> 64) ^ static_cast<std::uint64_t>(state);
        const std::uint64_t bits = folded >> turns | folded << (-turns & 63);
        for (const int highest : {31, 63}) signs.push_back(bits >> highest & 1 ? 1.0 : -1.0);
    }
    return signs;
}

}  // namespace declipper
