// Writes what a stereo stream at 48 kHz costs in CPU time, as Markdown, for each set of kernels, share of clipped samples and block
// size: declipper_core_benchmark > ../benchmark.md
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "kernels.hpp"
#include "model.hpp"
#include "signals.hpp"

namespace {

constexpr double RATE = 48000;
constexpr int SECONDS = 2;

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

// What Linux calls this processor; other systems keep it elsewhere.
std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
    return "a processor of unknown name";
}

}  // namespace

int main() {
    std::printf("# What the plugin's core costs\n\n"
                "CPU time of one thread for blocks of a stereo stream at %g kHz, over %d s each, on %s. Thresholds are\n"
                "given.\n"
                "Made by `declipper_core_benchmark`.\n\n"
                "| kernels | clipped | block, frames | median, us | p99, us | max, us | max, share of the block | all, share of one core |\n"
                "|---|---|---|---|---|---|---|---|\n",
                RATE / 1000, SECONDS, processor().c_str());
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
                std::printf("| %s | %.0f %% | %d | %.1f | %.1f | %.1f | %.1f %% | %.2f %% |\n", (*kernels)->name, 100 * share, block,
                            times[times.size() / 2], times[times.size() * 99 / 100], times.back(), 100 * times.back() / whole,
                            100 * total / (whole * static_cast<double>(times.size())));
            }
        }
    }
}
