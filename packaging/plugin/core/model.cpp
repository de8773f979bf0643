#include "model.hpp"

#include <cmath>
#include <cstring>

#include "kernels.hpp"

namespace declipper {
namespace {

constexpr std::size_t MAGIC_SIZE = sizeof flat::MAGIC - 1;
static_assert(flat::CHANNELS_OF % BLOCK == 0, "channels would not fill the blocks of the inner loops");

std::uint32_t word(const unsigned char* data) {
    return data[0] | data[1] << 8 | data[2] << 16 | static_cast<std::uint32_t>(data[3]) << 24;
}

// Reads the words of the head one by one.
class Reader {
public:
    Reader(const unsigned char* data, const unsigned char* end) : at_(data), end_(end) {}

    std::uint32_t next() {
        if (end_ - at_ < 4) throw ModelError(ModelChoice::damaged, "model file ends within its head");
        at_ += 4;
        return word(at_ - 4);
    }

    float real() {
        const std::uint32_t bits = next();
        float value;
        std::memcpy(&value, &bits, 4);
        return value;
    }

    int within(std::uint32_t least, std::uint32_t most, const char* what, ModelChoice otherwise = ModelChoice::shape) {
        const std::uint32_t value = next();
        if (value < least || value > most)
            throw ModelError(otherwise, std::string("model file has ") + what + " " + std::to_string(value) + ", must be " +
                                            std::to_string(least) + " to " + std::to_string(most));
        return static_cast<int>(value);
    }

    const unsigned char* rest() const { return at_; }

private:
    const unsigned char *at_, *end_;
};

// What a network of this shape has, and multiplies for each frame.
struct Size {
    std::size_t weights;
    double work;
};

Size size_of(const Model& model) {
    Size size = {0, 0};
    std::size_t before = Model::INPUTS, above = Model::MAPS;
    double step = 1;
    for (const auto& level : model.levels) {
        const std::size_t c = level.channels, patch = 2 * level.stride;
        const std::size_t residuals = std::size_t{2} * level.blocks * c * c * Model::KERNEL;
        std::size_t count = before * c * patch + residuals;         // encoder
        count += c * above * patch;                                 // transposed convolution to the level above
        if (&level != &model.levels.back()) count += 2 * c * c + residuals;  // merge and decoder
        before = above = c;
        step *= level.stride;
        size.weights += count;
        size.work += static_cast<double>(count) / step;
    }
    return size;
}

}  // namespace

std::uint32_t checksum(const unsigned char* data, std::size_t size) {
    std::uint32_t sum = ~0u;
    for (std::size_t i = 0; i < size; ++i) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ (0xEDB88320u & (0u - (sum & 1u)));
    }
    return ~sum;
}

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
    if (size < MAGIC_SIZE + 8 || std::memcmp(file, flat::MAGIC, MAGIC_SIZE) != 0)
        throw ModelError(ModelChoice::foreign, "not a flat model file");
    Reader head(file + MAGIC_SIZE, file + size - 4);
    head.within(flat::VERSION, flat::VERSION, "version", ModelChoice::version);
    if (checksum(file, size - 4) != word(file + size - 4))
        throw ModelError(ModelChoice::damaged, "model file is damaged: its checksum is wrong");
    const std::uint64_t low = head.next(), high = head.next();
    if ((high << 32 | low) != flat::ESTIMATES) throw ModelError(ModelChoice::estimates, "model file was trained on other estimates");
    if (head.real() != static_cast<float>(network::DOUBT) || head.real() != static_cast<float>(network::SLOPE))
        throw ModelError(ModelChoice::shape, "model file has another doubt or slope");
    head.within(framing::BASE_RATE, framing::BASE_RATE, "base sample rate");
    head.within(INPUTS, INPUTS, "inputs");
    head.within(KERNEL, KERNEL, "kernel");
    head.within(network::REACH, network::REACH, "reach");
    levels.resize(head.within(1, flat::MOST_LEVELS, "levels"));
    int step = 1;
    for (auto& level : levels) {
        level.channels = head.within(flat::CHANNELS_OF, flat::MOST_CHANNELS, "channels");
        level.stride = head.within(flat::STRIDES_OF, flat::MOST_STRIDE, "stride");
        level.blocks = head.within(0, flat::MOST_BLOCKS, "residual blocks");
        if (level.channels % flat::CHANNELS_OF || level.stride % flat::STRIDES_OF)
            throw ModelError(ModelChoice::shape, "model file has channels or strides that are no multiples of what the core takes");
        step *= level.stride;
    }
    if (step > flat::LARGEST_STEP || step & (step - 1))
        throw ModelError(ModelChoice::shape, "model file has strides that do not divide every window");
    const Size needed = size_of(*this);
    if (needed.work > flat::MOST_WORK) throw ModelError(ModelChoice::shape, "model file holds a network that takes too long");
    if (static_cast<std::size_t>(file + size - 4 - head.rest()) != 2 * needed.weights)
        throw ModelError(ModelChoice::shape, "model file holds another number of weights than its shape needs");
    weights.resize(needed.weights);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const unsigned char* half = head.rest() + 2 * i;
        weights[i] = from_half(static_cast<std::uint16_t>(half[0] | half[1] << 8));
        if (!std::isfinite(weights[i])) throw ModelError(ModelChoice::not_finite, "model file has weights that are not finite");
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
