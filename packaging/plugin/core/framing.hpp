// How long the windows are that a signal is cut into, in the words of declipper/engine/framing.py. The lengths follow the sample rate
// by whole octaves, as in declipper/clipping/windows.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "constants.hpp"

namespace declipper {

// Sample rates in hertz between which windows are neither too short for the network nor too long to schedule.
constexpr int LOWEST_RATE = 4000, HIGHEST_RATE = 768000;

// A length in frames at 44.1 kHz, at another sample rate: times the power of two that keeps its duration best. Throws
// std::invalid_argument for a sample rate out of range.
inline int at_rate(int base, double sample_rate) {
    if (!(sample_rate >= LOWEST_RATE && sample_rate <= HIGHEST_RATE))
        throw std::invalid_argument("sample rate is " + std::to_string(sample_rate) + " Hz, must be " + std::to_string(LOWEST_RATE) +
                                    " to " + std::to_string(HIGHEST_RATE));
    return static_cast<int>(base * std::exp2(std::nearbyint(std::log2(sample_rate / framing::BASE_RATE))));
}

// A window is context + hop + lookahead frames. It settles the `hop` frames after the context and fades into the next window over
// the first `fade` frames of its look-ahead.
struct Framing {
    // The plugin's own.
    explicit Framing(double sample_rate)
        : context(at_rate(framing::CONTEXT, sample_rate)),
          hop(at_rate(framing::HOP, sample_rate)),
          lookahead(at_rate(framing::LOOKAHEAD, sample_rate)),
          fade(at_rate(framing::FADE, sample_rate)) {}
    Framing(int context_, int hop_, int lookahead_, int fade_) : context(context_), hop(hop_), lookahead(lookahead_), fade(fade_) {}

    int window() const { return context + hop + lookahead; }
    int reach() const { return context + hop + fade; }
    // a hop to collect the input and a hop to work on it
    int latency() const { return 2 * hop + lookahead; }
    // frames to keep: the delayed signal may lie before the window
    int history() const { return std::max(window(), latency()); }

    int context, hop, lookahead, fade;
};

}  // namespace declipper
