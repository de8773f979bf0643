// The trained network as it lies in a flat file; README.md describes the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "constants.hpp"
#include "declipper.hpp"

namespace declipper {

// A file that is refused; why, for programs and for people.
struct ModelError : std::invalid_argument {
    ModelError(ModelChoice why_, const std::string& words) : std::invalid_argument(words), why(why_) {}
    ModelChoice why;
};

class Model {
public:
    // The recording's reliable samples, its clipped ones, and two estimates; see `EstimateMixer`.
    static constexpr int INPUTS = network::INPUTS;
    // A correction, and a weight for each estimate.
    static constexpr int MAPS = INPUTS - 1;
    static constexpr int KERNEL = network::KERNEL;

    // Encoder level: convolution by `stride` to `channels`, then `blocks` residual blocks.
    struct Level {
        int channels, stride, blocks;
    };

    // Throws ModelError for anything but a flat file of this version that the core can run.
    Model(const unsigned char* file, std::size_t size);

    // Whether the network weighs both estimates the same and adds nothing, whatever it is given.
    bool plain_mean() const;

    std::vector<Level> levels;
    // Layer by layer in the order of use, each laid out as in PyTorch.
    std::vector<float> weights;
};

float from_half(std::uint16_t half);
// CRC-32 as in zlib.
std::uint32_t checksum(const unsigned char* data, std::size_t size);

}  // namespace declipper
