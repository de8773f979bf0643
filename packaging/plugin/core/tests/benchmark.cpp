// What a stereo stream at 48 kHz costs in CPU time, for each set of kernels, share of clipped samples and block size.
#include <time.h>

#include <algorithm>
#include <cstdio>

#include "kernels.hpp"
#include "model.hpp"
#include "signals.hpp"

namespace {

constexpr double RATE = 48000;
constexpr int SECONDS = 8;

// The level that leaves a share of the samples at or beyond it.
double level_for(double share) {
    std::vector<float> sizes;
    for (const auto& channel : clipped_tones(2, SECONDS * 48000, RATE, 1e9))
        for (float value : channel) sizes.push_back(std::abs(value));
    const auto at = sizes.begin() + static_cast<std::ptrdiff_t>((1 - share) * static_cast<double>(sizes.size() - 1));
    std::nth_element(sizes.begin(), at, sizes.end());
    return *at;
}

// Of this thread alone: other programs do not count.
double microseconds() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

}  // namespace

int main() {
    std::printf("kernels  clipped  block  median us  p99 us  max us  max/block  one core\n");
    for (const auto* kernels = declipper::runnable_kernels(); *kernels; ++kernels) {
        for (const double share : {0.0, 0.1, 0.3, 0.9, 1.0}) {
            const double level = share > 0 ? level_for(share) : 1e9;
            const Channels in = clipped_tones(2, SECONDS * 48000, RATE, share < 1 ? level : 1e9);
            for (const int block : {64, 256, 1024}) {
                declipper::Stream stream(*declipper::embedded_model(), RATE, 2, **kernels);
                declipper::Controls controls;
                controls.automatic = false;
                controls.threshold_positive = controls.threshold_negative = static_cast<float>(share < 1 ? level : 1e-9);
                stream.set(controls);
                Channels dry(2, std::vector<float>(block)), restored = dry;
                float* const outputs[2][2] = {{dry[0].data(), dry[1].data()}, {restored[0].data(), restored[1].data()}};
                std::vector<double> times;
                for (int t = 0; t + block <= static_cast<int>(in[0].size()); t += block) {
                    const float* const from[] = {in[0].data() + t, in[1].data() + t};
                    const double start = microseconds();
                    stream.process(from, outputs[0], outputs[1], block);
                    times.push_back(microseconds() - start);
                }
                double total = 0;
                for (double time : times) total += time;
                std::sort(times.begin(), times.end());
                const double whole = block / RATE * 1e6;
                std::printf("%-7s  %5.0f %%  %5d  %9.1f  %6.1f  %6.1f  %7.1f %%  %6.2f %%\n", (*kernels)->name, 100 * share, block,
                            times[times.size() / 2], times[times.size() * 99 / 100], times.back(), 100 * times.back() / whole,
                            100 * total / (whole * static_cast<double>(times.size())));
            }
        }
    }
}
