/* The core as a shared library with a C interface, for `declipper live` (declipper/live/core.py). A stream belongs to one thread at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define DECLIPPER_EXPORT __declspec(dllexport)
#else
#define DECLIPPER_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct declipper_stream declipper_stream;

/* Lengths in frames, see framing.hpp. */
typedef struct declipper_framing {
    int32_t context, hop, lookahead, fade;
} declipper_framing;

/* Of the Python package that the library was built with, such as "0.1.0". */
DECLIPPER_EXPORT const char* declipper_version(void);

/* Tells builds apart whose numbers, or this interface, are others: declipper/plugins/constants.py. */
DECLIPPER_EXPORT uint32_t declipper_constants(void);

/* A new stream, or null where it cannot be made; `reason` then says why, in up to `room` bytes with the 0 at its end. model: a flat file,
   which is copied. levels: for each channel the positive and then the negative one, infinite where it does not clip; null: they are tracked. */
DECLIPPER_EXPORT declipper_stream* declipper_make(const unsigned char* model, size_t size, double sample_rate, int32_t channels,
                                                  declipper_framing framing, const double* levels, char* reason, size_t room);

/* Frames missing until the next window can be worked on. */
DECLIPPER_EXPORT int32_t declipper_wanted(const declipper_stream*);

/* Takes frames of interleaved samples, and returns how many frames it has finished: they are in `out`, which has room for `frames` and a
   hop. restore 0: windows come out as they came in. It allocates nothing. */
DECLIPPER_EXPORT int32_t declipper_push(declipper_stream*, const float* in, int32_t frames, float* out, int32_t restore);

/* Forget the signal. */
DECLIPPER_EXPORT void declipper_reset(declipper_stream*);

DECLIPPER_EXPORT void declipper_free(declipper_stream*);

#ifdef __cplusplus
}
#endif
