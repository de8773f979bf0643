#include "model.hpp"

#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"

namespace declipper {
namespace {

constexpr char MAGIC[8] = {'D', 'E', 'C', 'L', 'F', 'L', 'A', 'T'};
constexpr std::uint32_t VERSION = 1;
// What a file may ask for, far beyond the networks that there are: a broken one must not make the host run out of memory.
constexpr std::uint32_t MOST_LEVELS = 8, MOST_CHANNELS = 1024, MOST_STRIDE = 8, MOST_BLOCKS = 16;
// The product of the strides, which divides the window at every sample rate.
constexpr int LARGEST_STEP = 128;

// CRC-32 as in zlib.
std::uint32_t checksum(const unsigned char* data, std::size_t size) {
    std::uint32_t sum = ~0u;
    for (std::size_t i = 0; i < size; ++i) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ (0xEDB88320u & (0u - (sum & 1u)));
    }
    return ~sum;
}

std::uint32_t word(const unsigned char* data) {
    return data[0] | data[1] << 8 | data[2] << 16 | static_cast<std::uint32_t>(data[3]) << 24;
}

// Reads the words of the head one by one.
class Reader {
public:
    Reader(const unsigned char* data, const unsigned char* end) : at_(data), end_(end) {}

    int within(std::uint32_t least, std::uint32_t most, const char* what) {
        if (end_ - at_ < 4) throw std::invalid_argument("model file ends within its head");
        const std::uint32_t value = word(at_);
        at_ += 4;
        if (value < least || value > most)
            throw std::invalid_argument(std::string("model file has ") + what + " " + std::to_string(value) + ", must be " +
                                        std::to_string(least) + " to " + std::to_string(most));
        return static_cast<int>(value);
    }

    const unsigned char* rest() const { return at_; }

private:
    const unsigned char *at_, *end_;
};

std::size_t weights_of(const Model& model) {
    std::size_t count = 0, before = Model::INPUTS, above = Model::MAPS;
    for (const auto& level : model.levels) {
        const std::size_t c = level.channels, patch = 2 * level.stride;
        const std::size_t residuals = std::size_t{2} * level.blocks * c * c * Model::KERNEL;
        count += before * c * patch + residuals;                    // encoder
        count += c * above * patch;                                 // transposed convolution to the level above
        if (&level != &model.levels.back()) count += 2 * c * c + residuals;  // merge and decoder
        before = above = c;
    }
    return count;
}

}  // namespace

float from_half(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    std::uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
    if (exponent == 31) bits = sign | 255u << 23 | fraction << 13;
    if (exponent == 0) {
        const float small = static_cast<float>(fraction) / 16777216.0f;
        return sign ? -small : small;
    }
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

Model::Model(const unsigned char* file, std::size_t size) {
    if (size < sizeof MAGIC + 8 || std::memcmp(file, MAGIC, sizeof MAGIC) != 0)
        throw std::invalid_argument("not a flat model file");
    Reader head(file + sizeof MAGIC, file + size - 4);
    head.within(VERSION, VERSION, "version");
    if (checksum(file, size - 4) != word(file + size - 4)) throw std::invalid_argument("model file is damaged: its checksum is wrong");
    head.within(framing::BASE_RATE, framing::BASE_RATE, "base sample rate");
    head.within(INPUTS, INPUTS, "inputs");
    head.within(KERNEL, KERNEL, "kernel");
    levels.resize(head.within(1, MOST_LEVELS, "levels"));
    int step = 1;
    for (auto& level : levels) {
        level.channels = head.within(BLOCK, MOST_CHANNELS, "channels");
        level.stride = head.within(2, MOST_STRIDE, "stride");
        level.blocks = head.within(0, MOST_BLOCKS, "residual blocks");
        if (level.channels % BLOCK || level.stride % 4)
            throw std::invalid_argument("model file has channels that are no multiple of 16, or a stride that is none of 4");
        step *= level.stride;
    }
    if (step > LARGEST_STEP || step & (step - 1)) throw std::invalid_argument("model file has strides that do not divide every window");
    const std::size_t count = weights_of(*this);
    if (static_cast<std::size_t>(file + size - 4 - head.rest()) != 2 * count)
        throw std::invalid_argument("model file holds another number of weights than its shape needs");
    weights.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const unsigned char* half = head.rest() + 2 * i;
        weights[i] = from_half(static_cast<std::uint16_t>(half[0] | half[1] << 8));
    }
}

// The last weights are the output's: (channels, maps, taps).
bool Model::plain_mean() const {
    const std::size_t taps = 2 * levels[0].stride, count = levels[0].channels * MAPS * taps, first = weights.size() - count;
    for (std::size_t at = first; at < weights.size(); at += MAPS * taps)
        for (std::size_t tap = 0; tap < taps; ++tap)
            if (weights[at + tap] != 0 || weights[at + taps + tap] != weights[at + 2 * taps + tap]) return false;
    return true;
}

}  // namespace declipper
