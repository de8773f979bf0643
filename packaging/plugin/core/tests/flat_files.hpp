// Flat model files as a training might leave them.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "model.hpp"

using Bytes = std::vector<unsigned char>;
using Levels = std::vector<declipper::Model::Level>;

// The shape of `live`, and one that is about as large as the core takes.
inline const Levels usual_levels = {{32, 8, 1}, {64, 4, 1}, {128, 4, 2}};
inline const Levels largest_levels = {{48, 8, 1}, {96, 4, 1}, {160, 4, 2}};

inline void put_word(Bytes& file, std::uint32_t word) {
    for (int byte = 0; byte < 4; ++byte) file.push_back(static_cast<unsigned char>(word >> 8 * byte));
}

inline void put_real(Bytes& file, double value) {
    const float real = static_cast<float>(value);
    std::uint32_t bits;
    std::memcpy(&bits, &real, 4);
    put_word(file, bits);
}

// With the checksum that belongs to it.
inline Bytes sealed(Bytes file) {
    put_word(file, declipper::checksum(file.data(), file.size()));
    return file;
}

// All but the checksum, with random weights.
inline Bytes open_file(const Levels& levels) {
    Bytes file;
    for (const char* letter = declipper::flat::MAGIC; *letter; ++letter) file.push_back(static_cast<unsigned char>(*letter));
    put_word(file, declipper::flat::VERSION);
    put_word(file, static_cast<std::uint32_t>(declipper::flat::ESTIMATES));
    put_word(file, static_cast<std::uint32_t>(declipper::flat::ESTIMATES >> 32));
    put_real(file, declipper::network::DOUBT);
    put_real(file, declipper::network::SLOPE);
    for (const int number : {declipper::framing::BASE_RATE, declipper::network::INPUTS, declipper::network::KERNEL, declipper::network::REACH})
        put_word(file, static_cast<std::uint32_t>(number));
    put_word(file, static_cast<std::uint32_t>(levels.size()));
    int weights = 0, before = declipper::Model::INPUTS, above = declipper::Model::MAPS;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const auto& [channels, stride, blocks] = levels[i];
        for (const int number : {channels, stride, blocks}) put_word(file, static_cast<std::uint32_t>(number));
        const int ways = i + 1 < levels.size() ? 2 : 1;  // down and up
        weights += 2 * stride * channels * (before + above) + ways * blocks * 2 * channels * channels * declipper::network::KERNEL;
        weights += (ways - 1) * 2 * channels * channels;
        before = above = channels;
    }
    std::minstd_rand random(1);
    for (int i = 0; i < weights; ++i) {
        file.push_back(static_cast<unsigned char>(random()));
        file.push_back(static_cast<unsigned char>(0x20 + random() % 12 + random() % 2 * 0x80));  // 0.008 to 0.06, of either sign
    }
    return file;
}

inline declipper::Model random_model(const Levels& levels) {
    const Bytes file = sealed(open_file(levels));
    return declipper::Model(file.data(), file.size());
}
