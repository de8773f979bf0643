// What the core alone makes of a signal, without its latency: render RATE CHANNELS < IN > OUT. Every host must give the same.
#include <cstdlib>

#include "core/declipper.hpp"
#include "pipe.hpp"

int main(int, char** arguments) {
    const int channels = std::atoi(arguments[2]);
    const declipper::Model* model = declipper::embedded_model();
    if (model == nullptr) return 1;
    declipper::Stream stream(*model, std::atof(arguments[1]), channels);
    const std::vector<float> signal = read_samples();
    const int frames = static_cast<int>(signal.size()) / channels, latency = stream.latency();
    std::vector<float> in[2], dry[2], restored[2];
    for (int c = 0; c < 2; ++c) {
        in[c].resize(frames + latency);
        dry[c].resize(frames + latency);
        restored[c].resize(frames + latency);
        for (int i = 0; i < frames && c < channels; ++i) in[c][i] = signal[i * channels + c];
    }
    const float* const ins[] = {in[0].data(), in[1].data()};
    float* const drys[] = {dry[0].data(), dry[1].data()};
    float* const restoreds[] = {restored[0].data(), restored[1].data()};
    stream.process(ins, drys, restoreds, frames + latency);
    std::vector<float> out(signal.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = restored[i % channels][latency + i / channels];
    write_samples(out);
}
