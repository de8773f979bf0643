// Assertions that say what they found.
#pragma once

#include <cstdio>

inline int failures = 0;

#define CHECK(condition, ...)                                                \
    do {                                                                     \
        if (!(condition)) {                                                  \
            ++failures;                                                      \
            std::printf("%s:%d: %s failed; ", __FILE__, __LINE__, #condition); \
            std::printf(__VA_ARGS__);                                        \
            std::printf("\n");                                               \
        }                                                                    \
    } while (false)
