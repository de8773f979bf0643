// restore IN OUT FRAMES WINDOW BEYOND ITERATIONS FIRST LAST MOMENTUM STEP TIMES: IN holds float32 samples, then as many levels, 0 where a
// sample is reliable; OUT gets the restored samples. Prints CPU microseconds of one restoration, the mean of TIMES.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "social_sparsity.hpp"

int main(int, char** words) {
    const int frames = std::atoi(words[3]), window = std::atoi(words[4]), beyond = std::atoi(words[5]), times = std::atoi(words[11]);
    const declipper::FallingThreshold threshold = {std::atoi(words[6]), std::atof(words[7]), std::atof(words[8]),
                                                   static_cast<float>(std::atof(words[9])), static_cast<float>(std::atof(words[10]))};
    std::vector<float> samples(frames), levels(frames), restored;
    std::ifstream in(words[1], std::ios::binary);
    for (auto* list : {&samples, &levels}) in.read(reinterpret_cast<char*>(list->data()), frames * static_cast<int>(sizeof(float)));
    declipper::SocialSparsity method(window, frames + beyond);
    timespec start, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    for (int i = 0; i < times; ++i) {
        restored = samples;
        method.restore(restored.data(), levels.data(), frames, beyond, threshold);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    std::ofstream(words[2], std::ios::binary).write(reinterpret_cast<const char*>(restored.data()), frames * static_cast<int>(sizeof(float)));
    std::printf("%.1f\n", (static_cast<double>(end.tv_sec - start.tv_sec) * 1e6 + static_cast<double>(end.tv_nsec - start.tv_nsec) / 1e3) / times);
}
