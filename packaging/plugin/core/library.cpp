#include "library.h"

#include <cstdio>
#include <exception>

#include "hop_stream.hpp"
#include "model.hpp"

// A model, and a stream that runs it.
struct declipper_stream {
    declipper_stream(const unsigned char* file, size_t size, double sample_rate, int channels, const declipper::Framing& framing,
                     const std::vector<declipper::ChannelLevels>& levels)
        : model(file, size), stream(model, sample_rate, channels, framing, levels) {}

    const declipper::Model model;
    declipper::HopStream stream;
};

const char* declipper_version(void) { return declipper::library::VERSION; }

uint32_t declipper_constants(void) { return declipper::library::CHECKSUM; }

declipper_stream* declipper_make(const unsigned char* model, size_t size, double sample_rate, int32_t channels, declipper_framing framing,
                                 const double* levels, char* reason, size_t room) try {
    std::vector<declipper::ChannelLevels> given;
    for (int32_t c = 0; levels && c < channels; ++c) given.push_back({levels[2 * c], levels[2 * c + 1]});
    return new declipper_stream(model, size, sample_rate, channels, {framing.context, framing.hop, framing.lookahead, framing.fade}, given);
} catch (const std::exception& error) {
    std::snprintf(reason, room, "%s", error.what());
    return nullptr;
}

int32_t declipper_wanted(const declipper_stream* stream) { return stream->stream.wanted(); }

int32_t declipper_push(declipper_stream* stream, const float* in, int32_t frames, float* out, int32_t restore) {
    return stream->stream.push(in, frames, out, restore != 0);
}

void declipper_reset(declipper_stream* stream) { stream->stream.reset(); }

void declipper_free(declipper_stream* stream) { delete stream; }
