// Interleaved float samples from standard input and to standard output.
#pragma once

#include <cstdio>
#include <vector>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
inline const bool binary_pipes = _setmode(0, _O_BINARY) != -1 && _setmode(1, _O_BINARY) != -1;
#endif

inline std::vector<float> read_samples() {
    std::vector<float> samples, piece(4096);
    while (const std::size_t count = std::fread(piece.data(), sizeof(float), piece.size(), stdin))
        samples.insert(samples.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    return samples;
}

inline void write_samples(const std::vector<float>& samples) { std::fwrite(samples.data(), sizeof(float), samples.size(), stdout); }
