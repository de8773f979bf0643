// The audio thread never allocates: malloc and its family count their calls while a stream runs. For glibc, which keeps the real
// ones under other names.
#include <cstddef>

#include "check.hpp"
#include "signals.hpp"

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

static long calls = 0;

void* malloc(std::size_t size) { return ++calls, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return ++calls, __libc_calloc(count, size); }
void* realloc(void* block, std::size_t size) { return ++calls, __libc_realloc(block, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return ++calls, __libc_memalign(alignment, size); }
void free(void* block) { ++calls, __libc_free(block); }
}

int main() {
    for (const double rate : {4000.0, 48000.0, 768000.0})
        for (const double level : {0.01, 0.5, 100.0})
            for (const bool automatic : {true, false}) {
                const Channels in = clipped_tones(2, static_cast<int>(2 * rate), rate, level);
                Channels out = in;
                declipper::Stream stream(*declipper::embedded_model(), rate, 2);
                declipper::Controls controls;
                controls.automatic = automatic;
                controls.link = true;
                controls.threshold_positive = controls.threshold_negative = static_cast<float>(level);
                Channels restored = in;
                const long before = calls;
                stream.set(controls);
                for (int t = 0; t + 8192 <= static_cast<int>(in[0].size()); t += 8192) {
                    const float* const from[] = {in[0].data() + t, in[1].data() + t};
                    float* const dry[] = {out[0].data() + t, out[1].data() + t};
                    float* const to[] = {restored[0].data() + t, restored[1].data() + t};
                    stream.process(from, dry, to, 8192);
                }
                stream.reset();
                CHECK(calls == before, "%ld calls at %g Hz, level %g", calls - before, rate, level);
            }
    CHECK(calls > 0, "nothing is counted");
    return failures != 0;
}
