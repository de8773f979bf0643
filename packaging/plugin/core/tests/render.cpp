// Restores a file: declipper_core_render MODEL IN OUT RATE CHANNELS [POSITIVE NEGATIVE]. Files are interleaved float32; the levels are
// found where none are given. The latency is taken out again.
#include <cstdio>
#include <cstdlib>

#include "files.hpp"
#include "model.hpp"
#include "signals.hpp"

int main(int count, char** words) try {
    if (count != 6 && count != 8) throw std::runtime_error("usage: declipper_core_render MODEL IN OUT RATE CHANNELS [POSITIVE NEGATIVE]");
    const auto file = read_file<unsigned char>(words[1]);
    const declipper::Model model(file.data(), file.size());
    const auto samples = read_file<float>(words[2]);
    const int channels = std::atoi(words[5]), frames = static_cast<int>(samples.size()) / channels;
    declipper::Stream stream(model, std::atof(words[4]), channels);
    if (count == 8) {
        declipper::Controls controls;
        controls.automatic = false;
        controls.threshold_positive = static_cast<float>(std::atof(words[6]));
        controls.threshold_negative = static_cast<float>(std::atof(words[7]));
        stream.set(controls);
    }
    Channels in(channels, std::vector<float>(frames + stream.latency()));
    for (int i = 0; i < frames * channels; ++i) in[i % channels][i / channels] = samples[i];
    const Outputs out = run(stream, in, {1000});
    std::vector<float> restored;
    for (int i = 0; i < frames * channels; ++i) restored.push_back(out.restored[i % channels][stream.latency() + i / channels]);
    write_file(words[3], restored);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "declipper_core_render: %s\n", error.what());
    return 1;
}
