// Runs the network alone on one window, with every set of inner loops: declipper_core_estimate MODEL IN OUT. IN holds float32, one row
// of frames after the other: the recording's reliable samples, its clipped ones, and the two estimates. OUT gets one row for each set.
#include <cstdio>
#include <stdexcept>

#include "estimate_mixer.hpp"
#include "files.hpp"

int main(int count, char** words) try {
    if (count != 4) throw std::runtime_error("usage: declipper_core_estimate MODEL IN OUT");
    const auto file = read_file<unsigned char>(words[1]);
    const declipper::Model model(file.data(), file.size());
    const auto rows = read_file<float>(words[2]);
    const int frames = static_cast<int>(rows.size()) / declipper::Model::INPUTS;
    std::vector<float> estimates;
    for (const auto* kernels = declipper::runnable_kernels(); *kernels; ++kernels) {
        declipper::EstimateMixer mixer(model, **kernels, frames, 0, frames);
        for (int t = 0; t < frames; ++t)
            mixer.samples[t] = {rows[t], rows[frames + t], rows[2 * frames + t], rows[3 * frames + t]};
        declipper::Schedule schedule;
        mixer.schedule(schedule);
        schedule.advance(1);
        for (int t = 0; t < frames; ++t) estimates.push_back(mixer.mixed(t));
    }
    write_file(words[3], estimates);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "declipper_core_estimate: %s\n", error.what());
    return 1;
}
