// Test signals, and a stream run over them; channels lie one after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "declipper.hpp"

using Channels = std::vector<std::vector<float>>;

// Tones with a swell over a little noise, different in each channel, clipped at +-level. Without noise the interpolation's equations
// would be as good as singular.
inline Channels clipped_tones(int channels, int frames, double rate, double level) {
    Channels signal(channels, std::vector<float>(frames));
    std::minstd_rand random(1);
    std::uniform_real_distribution<double> noise(-1e-3, 1e-3);
    for (int c = 0; c < channels; ++c)
        for (int t = 0; t < frames; ++t) {
            double sum = noise(random);
            for (int i = 1; i <= 5; ++i) sum += std::sin(2 * M_PI * (97.3 + 31 * c) * i * 1.37 * t / rate + i * i + c) / i;
            sum *= 0.6 + 0.4 * std::sin(2 * M_PI * 1.7 * t / rate);
            signal[c][t] = static_cast<float>(std::clamp(sum, -level, level));
        }
    return signal;
}

struct Outputs {
    Channels dry, restored;
};

// The stream's outputs when the signal comes in blocks of the given sizes, over and over.
inline Outputs run(declipper::Stream& stream, const Channels& in, const std::vector<int>& blocks) {
    const int frames = static_cast<int>(in[0].size());
    Outputs out{Channels(in.size(), std::vector<float>(frames)), Channels(in.size(), std::vector<float>(frames))};
    std::size_t next = 0;
    for (int done = 0; done < frames;) {
        const int count = std::min(blocks[next++ % blocks.size()], frames - done);
        const float* from[2];
        float *dry[2], *restored[2];
        for (std::size_t c = 0; c < in.size(); ++c) {
            from[c] = in[c].data() + done;
            dry[c] = out.dry[c].data() + done;
            restored[c] = out.restored[c].data() + done;
        }
        stream.process(from, dry, restored, count);
        done += count;
    }
    return out;
}
