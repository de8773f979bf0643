// Counts what an audio thread must not do inside the run() of an LV2 plugin: realtime BINARY. Prints "CALLS of run, MISDEEDS".
#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <lv2/core/lv2.h>

#include "../core/tests/allocations.hpp"
#include "../lv2/ports.hpp"

int main(int, char** arguments) {
    using namespace declipper;
    void* library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return 1;
    const auto descriptor_at = reinterpret_cast<const LV2_Descriptor* (*)(uint32_t)>(dlsym(library, "lv2_descriptor"));
    const LV2_Feature* const no_features[] = {nullptr};
    long calls = 0, misdeeds = 0;
    for (int channels : {1, 2}) {
        const LV2_Descriptor* descriptor = descriptor_at(static_cast<uint32_t>(channels - 1));
        LV2_Handle plugin = descriptor->instantiate(descriptor, 48000, "", no_features);
        if (plugin == nullptr) return 1;
        std::vector<float> controls(ControlCount), audio(8192 * 2);
        const uint32_t ports = static_cast<uint32_t>(parameter_count(channels) + 1);
        for (uint32_t port = 0; port + 1 < ports; ++port) controls[port] = parameters[parameter_at(static_cast<int>(port), channels)].initial;
        for (uint32_t port = 0; port < ports; ++port) descriptor->connect_port(plugin, port, &controls[port]);
        for (int c = 0; c < 2 * channels; ++c) descriptor->connect_port(plugin, ports + c, audio.data() + 8192 * (c % channels));
        descriptor->activate(plugin);
        long frame = 0;
        for (uint32_t block : {1024u, 8192u, 1u, 64u, 1000u, 0u, 8192u}) {
            for (int times = 0; times < 40; ++times, ++calls) {
                for (uint32_t i = 0; i < block; ++i, ++frame)
                    for (int c = 0; c < channels; ++c)
                        audio[8192 * c + i] = static_cast<float>(std::fmin(0.5, std::fmax(-0.5, std::sin(0.02 * (1 + c) * frame) + 0.3 * std::sin(0.05 * frame))));
                controls[0] = times % 7 != 3;  // the automatic mode, off now and then
                const long before = allocations;
                descriptor->run(plugin, block);
                misdeeds += allocations - before;
            }
        }
        descriptor->cleanup(plugin);
    }
    std::printf("%ld %ld\n", calls, misdeeds);
}
