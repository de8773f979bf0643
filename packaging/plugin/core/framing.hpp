// How long the windows are that a signal is cut into; the lengths follow the sample rate by whole octaves.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace declipper {

// A length in frames at 44.1 kHz, at another sample rate: times the power of two that keeps its duration best. Throws
// std::invalid_argument for rates at which windows would be too short for the network, or too long to schedule.
inline int at_rate(int base, double sample_rate) {
    if (!(sample_rate >= 4000 && sample_rate <= 768000))
        throw std::invalid_argument("sample rate is " + std::to_string(sample_rate) + " Hz, must be 4000 to 768000");
    return static_cast<int>(base * std::exp2(std::nearbyint(std::log2(sample_rate / 44100))));
}

// A window is context + hop + lookahead frames. It settles the `hop` frames after the context and fades into the next window over
// the first `fade` frames of its look-ahead.
struct Framing {
    explicit Framing(double sample_rate)
        : context(at_rate(1024, sample_rate)),
          hop(at_rate(1536, sample_rate)),
          lookahead(at_rate(512, sample_rate)),
          fade(at_rate(128, sample_rate)) {}

    int window() const { return context + hop + lookahead; }
    int reach() const { return context + hop + fade; }
    // a hop to collect the input and a hop to work on it
    int latency() const { return 2 * hop + lookahead; }
    // frames to keep: the delayed signal may lie before the window
    int history() const { return std::max(window(), latency()); }

    int context, hop, lookahead, fade;
};

}  // namespace declipper
